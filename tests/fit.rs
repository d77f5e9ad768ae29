//! `streamreg fit`: formats, flags, names, and what the report holds.

use serde_json::{Value, json};
use streamreg::Regression;

use crate::util::{Dir, close, column, golden, number, table, to_csv};

/// x1, x2 and y in 200 rows, `d.csv`.
fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(200, 2, 1)));
    dir
}

fn names(value: &Value, array: &str, key: &str) -> Vec<String> {
    value[array].as_array().unwrap().iter().map(|v| v[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_table() {
    let dir = dir();
    let out = dir.streamreg("fit d.csv --target y").success();
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines[0], "y ~ x1 + x2");
    let header: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(header, ["Estimate", "Std.", "Error", "t", "value", "Pr(>|t|)"]);
    for (line, term) in lines[4..7].iter().zip(["(Intercept)", "x1", "x2"]) {
        out.check(line.starts_with(term), "terms in order");
    }
    for words in [
        "Signif. codes",
        "Residual standard error:",
        "197 degrees of freedom",
        "Multiple R-squared:",
        "F-statistic:",
    ] {
        out.check(out.stdout.contains(words), words);
    }
    let table = dir.streamreg("fit d.csv --target y --format table").success();
    assert_eq!(table.stdout, out.stdout, "the table is the default");
}

/// All keys of a JSON value, as paths; of lists the first element counts.
fn key_paths(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
            out.push(format!("{path}{key}"));
            key_paths(value, &format!("{path}{key}."), out);
        }),
        serde_json::Value::Array(items) => {
            items.first().into_iter().for_each(|item| key_paths(item, path, out));
        }
        _ => {}
    }
}

/// The whole of the JSON report by its keys; `golden/commands` has their values.
#[test]
fn json_has_every_key() {
    let dir = dir();
    let out = dir.streamreg("fit d.csv --target y --format json --test x1=0").success();
    let report = out.json();
    let mut keys = Vec::new();
    key_paths(&report, "", &mut keys);
    keys.sort_unstable();
    let wanted = std::fs::read_to_string(golden("report_keys.txt")).unwrap();
    assert_eq!(keys, wanted.lines().collect::<Vec<_>>(), "{}", keys.join("\n"));
    // The order in which they are written is that of reading.
    let outermost = out.stdout.lines().filter_map(|l| l.strip_prefix("  \"")?.split_once("\":"));
    let outermost: Vec<&str> = outermost.map(|(key, _)| key).collect();
    assert_eq!(outermost[..4], ["schema_version", "response", "formula", "with"]);
    assert_eq!(outermost.last(), Some(&"timings"));
    assert_eq!((&report["schema_version"], &report["response"]), (&json!(1), &json!("y")));
    assert!(number(&report, "reading/bytes") > 0.0);
    assert_eq!(report["inputs"][0]["path"], "d.csv");
    assert_eq!(report["inputs"][0]["bytes"], std::fs::metadata(dir.path("d.csv")).unwrap().len());
    assert!(report["inputs"][0]["modified"].is_u64());
}

/// Every float that is printed reads back as the float that was computed.
#[test]
fn floats_read_back_exactly() {
    let dir = dir();
    let computed = Regression::new("y").fit_paths(&[dir.path("d.csv")]).unwrap();
    let report = dir.fit("d.csv --target y");
    let tidy = dir.streamreg("fit d.csv --target y --format tidy").success().csv();
    let glance = dir.streamreg("fit d.csv --target y --format glance").success().csv();
    for (row, c) in computed.coefficients.iter().enumerate() {
        let fields = [
            ("estimate", c.estimate),
            ("std_error", c.std_error),
            ("statistic", c.statistic),
            ("p_value", c.p_value),
            ("conf_low", c.conf_low),
            ("conf_high", c.conf_high),
        ];
        for (position, (field, value)) in fields.into_iter().enumerate() {
            let bits = value.unwrap().to_bits();
            assert_eq!(number(&report["coefficients"][row], field).to_bits(), bits, "{field}");
            assert_eq!(tidy[row + 1][position + 1].parse::<f64>().unwrap().to_bits(), bits, "{field}");
        }
    }
    let g = &computed.glance;
    let fields = [
        ("r_squared", 0, g.r_squared),
        ("adj_r_squared", 1, g.adj_r_squared),
        ("sigma", 2, g.sigma),
        ("statistic", 3, g.statistic),
        ("p_value", 4, g.p_value),
        ("log_lik", 6, g.log_lik),
        ("aic", 7, g.aic),
        ("bic", 8, g.bic),
        ("deviance", 9, Some(g.deviance)),
    ];
    for (field, position, value) in fields {
        let bits = value.unwrap().to_bits();
        assert_eq!(number(&report["glance"], field).to_bits(), bits, "{field}");
        assert_eq!(glance[1][position].parse::<f64>().unwrap().to_bits(), bits, "{field}");
    }
}

#[test]
fn tidy_and_glance_have_the_names_of_broom() {
    let dir = dir();
    let tidy = dir.streamreg("fit d.csv --target y --format tidy -q").success();
    assert_eq!(
        tidy.stdout.lines().next(),
        Some("term,estimate,std.error,statistic,p.value,conf.low,conf.high")
    );
    assert_eq!(tidy.csv().len(), 4);
    let glance = dir.streamreg("fit d.csv --target y --format glance -q").success();
    let header =
        "r.squared,adj.r.squared,sigma,statistic,p.value,df,logLik,AIC,BIC,deviance,df.residual,nobs";
    assert_eq!(glance.stdout.lines().next(), Some(header));
    let row = &glance.csv()[1];
    assert_eq!((row[5].as_str(), row[10].as_str(), row[11].as_str()), ("2", "197", "200"));
}

#[test]
fn markdown() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(50, 2, 1)).replacen("x1,x2", "a|b,c_d*", 1));
    let out = dir.streamreg("fit d.csv --target y --format markdown").success();
    let rows: Vec<&str> = out.stdout.lines().filter(|l| l.starts_with('|')).collect();
    assert_eq!(rows.len(), 5);
    let cells = |row: &str| row.replace("\\|", "").matches('|').count();
    out.check(rows.iter().all(|r| cells(r) == cells(rows[0])), "as many cells in every row");
    out.check(out.stdout.contains("a\\|b") && out.stdout.contains("c\\_d\\*"), "markup is escaped");
}

#[test]
fn broom_leaves_missing_numbers_empty() {
    let dir = Dir::new();
    dir.write("d.csv", "a,b,y\n1,2,1\n2,4,3\n3,6,2\n5,10,4\n");
    let rows = dir.streamreg("fit d.csv --target y --format tidy -q").success().csv();
    assert_eq!(rows[3], ["b", "", "", "", "", "", ""]);
}

#[test]
fn features_and_exclude() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(50, 4, 1)));
    let terms = |flags: &str| names(&dir.fit(&format!("d.csv --target y {flags}")), "coefficients", "term");
    assert_eq!(terms(""), ["(Intercept)", "x1", "x2", "x3", "x4"]);
    assert_eq!(terms("--features x4,x2"), ["(Intercept)", "x4", "x2"], "in the order of the command line");
    assert_eq!(terms("--features x4 --features x1"), ["(Intercept)", "x4", "x1"]);
    assert_eq!(terms("--exclude x1,x3"), ["(Intercept)", "x2", "x4"]);
    dir.streamreg("fit d.csv --target y --features x1,x2,x3 --exclude x2").fails(2, &["\"x2\"", "excluded"]);
    assert_eq!(terms("--no-intercept --features x1"), ["x1"]);
    assert_eq!(terms("-f x1 --no-intercept"), ["x1"]);
}

#[test]
fn confidence_level() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,2\n2,4\n3,4\n4,5\n5,6\n");
    let half = |level: &str| {
        let report = dir.fit(&format!("d.csv --target y --conf-level {level}"));
        let c = &report["coefficients"][1];
        (number(c, "conf_high") - number(c, "conf_low")) / 2.0 / number(c, "std_error")
    };
    // Quantiles of Student's t with 3 degrees of freedom.
    close("90 %", half("0.9"), 2.353_363_434_801_823, 1e-12);
    close("95 %", half("0.95"), 3.182_446_305_284_263, 1e-12);
    close("99 %", half("0.99"), 5.840_909_309_732_856, 1e-11);
}

#[test]
fn solver_and_rank_tolerance() {
    let dir = Dir::new();
    // b = a but for one part in ten thousand.
    dir.write("d.csv", "a,b,y\n1,1,1\n2,2.0003,3\n3,3,2\n4,3.9999,5\n5,5,4\n");
    let rank = |flags: &str| dir.fit(&format!("d.csv --target y {flags}"))["rank"].as_u64().unwrap();
    assert_eq!((rank(""), rank("--rank-tol 0.01"), rank("--rank-tol 1e-9 --solver qr")), (3, 2, 3));
    for solver in ["cholesky", "qr", "svd"] {
        let report = dir.fit(&format!("d.csv --target y --solver {solver}"));
        assert_eq!(
            (&report["solver"]["requested"], &report["solver"]["used"]),
            (&json!(solver), &json!(solver))
        );
    }
    dir.streamreg("fit d.csv --target y --rank-tol 2").fails(2, &["rank tolerance"]);
    dir.streamreg("fit d.csv --target y --conf-level 95 --format tidy").fails(2, &["confidence level"]);
}

#[test]
fn names_with_commas_blanks_and_line_ends() {
    let dir = Dir::new();
    let plain = to_csv(&table(50, 3, 1));
    dir.write("plain.csv", &plain);
    dir.write(
        "odd.csv",
        plain.replacen("x1,x2,x3,y", "\"age, years\",\"two\nlines\",\"say \"\"hi\"\"\",net income", 1),
    );
    let expected = dir.fit("plain.csv --target y");
    let features = "\"age, years\",\"two\nlines\",\"say \"\"hi\"\"\"";
    let fit = |format: &str| {
        let command =
            dir.streamreg(&format!("fit odd.csv --format {format}")).arg("--target").arg("net income");
        command.arg("--features").arg(features).success()
    };
    let report = fit("json").json();
    assert_eq!(
        names(&report, "coefficients", "term"),
        ["(Intercept)", "age, years", "two\nlines", "say \"hi\""]
    );
    assert_eq!(column(&report, "estimate"), column(&expected, "estimate"));
    assert_eq!(column(&report, "std_error"), column(&expected, "std_error"));
    let tidy = fit("tidy").csv();
    let terms: Vec<&str> = tidy.iter().skip(1).map(|r| r[0].as_str()).collect();
    assert_eq!(terms, ["(Intercept)", "age, years", "two\nlines", "say \"hi\""]);
    let table = fit("table");
    table.check(table.stdout.contains("two\\nlines"), "line ends are escaped on the terminal");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(50, 1, 1)).replacen("x1", "\u{1b}[2Jx", 1));
    for format in ["table", "markdown"] {
        let out = dir.streamreg(&format!("fit d.csv --target y --format {format}")).success();
        out.check(!out.stdout.contains('\u{1b}'), "no escape sequence");
    }
    let out = dir.streamreg("fit d.csv --target zzz").fails(3, &["zzz"]);
    out.check(!out.stderr.contains('\u{1b}'), "no escape sequence");
    let out = dir.streamreg("inspect d.csv").success();
    out.check(!out.stdout.contains('\u{1b}'), "no escape sequence");
}

#[test]
fn delimiters_headers_and_nulls() {
    let dir = Dir::new();
    let data = to_csv(&table(50, 2, 1));
    dir.write("comma.csv", &data);
    let expected = column(&dir.fit("comma.csv --target y"), "estimate");
    let same = |file: &str, content: String, flags: &str| {
        dir.write(file, content);
        assert_eq!(column(&dir.fit(&format!("{file} --target y {flags}")), "estimate"), expected, "{file}");
    };
    same("semicolon.csv", data.replace(',', ";"), "");
    same("bar.csv", data.replace(',', "|"), "");
    same("tab.tsv", data.replace(',', "\t"), "");
    same("colon.csv", data.replace(',', ":"), "--delimiter :");
    same("tab.txt", data.replace(',', "\t"), "--delimiter \\t");
    same("crlf.csv", data.replace('\n', "\r\n"), "");
    same("mark.csv", format!("\u{feff}{data}"), "");
    same("no_last_end.csv", data.trim_end().to_owned(), "");
    same("spelled.csv", format!("{data}-999,1,2\n1,?,3\n1,2,\n"), "--null=-999 --null ?");
    same("usual.csv", format!("{data}NA,1,2\n1,NaN,3\n1,2,null\n,,\nNULL,nan,2\n"), "");

    let body = data.split_once('\n').unwrap().1;
    dir.write("bare.csv", body);
    let report = dir.fit("bare.csv --no-header --target column_3");
    assert_eq!(column(&report, "estimate"), expected);
    let report = dir.fit("usual.csv --target y");
    assert_eq!((&report["ledger"]["rows_read"], &report["ledger"]["rows_used"]), (&json!(55), &json!(50)));
    dir.streamreg("fit comma.csv --target y --delimiter ab").fails(2, &["--delimiter"]);
}

#[test]
fn a_missing_value_may_be_a_negative_number() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,2\n2,4\n3,5\n-999,1\n");
    let report = dir.fit("d.csv --target y --null -999");
    assert_eq!(report["ledger"]["rows_used"], 3);
}

#[test]
fn compressed_text() {
    use std::io::Write as _;
    let dir = Dir::new();
    let data = to_csv(&table(500, 2, 1));
    dir.write("d.csv", &data);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(data.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let middle = data.len() / 2;
    let frames = [&data[..middle], &data[middle..]].map(|part| zstd::encode_all(part.as_bytes(), 3).unwrap());
    dir.write("d.csv.gz", &gzip);
    dir.write("d.csv.zst", frames[..].concat());
    // Told by content, whatever the name.
    dir.write("renamed.csv", &gzip);
    let expected = column(&dir.fit("d.csv --target y"), "estimate");
    for file in ["d.csv.gz", "d.csv.zst", "renamed.csv"] {
        assert_eq!(column(&dir.fit(&format!("{file} --target y")), "estimate"), expected, "{file}");
    }
    dir.write("cut.csv.gz", &gzip[..gzip.len() / 2]);
    dir.streamreg("fit cut.csv.gz --target y").fails(3, &["cut.csv.gz"]);
}

#[test]
fn the_ledger_counts_by_column_and_reason() {
    let dir = Dir::new();
    let good: String = (0..50).map(|i| format!("{},{},{}\n", i % 7, i % 5, i % 11)).collect();
    dir.write("d.csv", format!("a,b,y\n{good},1,2\n,,2\n1,inf,3\n1,2,\n1,2,NA\n-inf,1,NA\n"));
    let report = dir.fit("d.csv --target y");
    let wanted = json!([
        {"column": "y", "reason": "null", "rows": 3},
        {"column": "a", "reason": "null", "rows": 2},
        {"column": "b", "reason": "non_finite", "rows": 1},
    ]);
    assert_eq!(report["ledger"]["dropped"], wanted);
    assert_eq!((&report["ledger"]["rows_read"], &report["ledger"]["rows_used"]), (&json!(56), &json!(50)));
}

#[test]
fn quiet_and_progress() {
    let dir = dir();
    for flags in ["", "--quiet", "-q", "--progress none", "--progress auto"] {
        dir.streamreg(&format!("fit d.csv --target y {flags}")).success();
    }
    dir.streamreg("fit d.csv --target y --progress json --quiet").fails(2, &["--quiet", "contradict"]);
}

#[test]
fn progress_as_json_lines() {
    let dir = Dir::new();
    let batch = crate::util::batch(&table(5_000, 2, 1));
    crate::util::write_parquet(
        &dir.path("d.parquet"),
        &batch,
        parquet::file::properties::WriterProperties::default(),
    );
    let out = dir.streamreg("fit d.parquet --target y --progress json").run().code(0);
    let lines: Vec<Value> = out.stderr.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["rows"], &last["total"], &last["pass"]), (&json!(5_000), &json!(5_000), &json!(1)));
    out.check(out.stdout.starts_with("y ~ x1 + x2"), "the result, and nothing else, on stdout");
}

#[test]
fn output_and_model_files() {
    let dir = dir();
    let printed = dir.streamreg("fit d.csv --target y --format tidy").success().stdout;
    let out =
        dir.streamreg("fit d.csv --target y --format tidy --output fit.csv --save-model m.json").success();
    out.check(out.stdout.is_empty(), "nothing on stdout");
    assert_eq!(dir.read("fit.csv"), printed);
    assert_eq!(dir.files(), ["d.csv", "fit.csv", "m.json"]);
    let model = streamreg::Model::load(dir.path("m.json")).unwrap();
    assert_eq!(
        (model.response().as_str(), model.features().unwrap()),
        ("y", vec!["x1".to_owned(), "x2".to_owned()])
    );
    let computed = Regression::new("y").fit_paths(&[dir.path("d.csv")]).unwrap();
    assert_eq!(model.coefficients(), &computed.coefficients[..]);
    let saved: Value = serde_json::from_str(&dir.read("m.json")).unwrap();
    assert_eq!((&saved["streamreg_model"], &saved["ledger"]["rows_used"]), (&json!(3), &json!(200)));
}

#[test]
fn help_and_version() {
    let dir = Dir::new();
    let version = dir.streamreg("--version").success().stdout;
    assert_eq!(version.trim(), concat!("streamreg ", env!("CARGO_PKG_VERSION")));
    let help = dir.streamreg("--help").success();
    for words in ["fit", "predict", "evaluate", "inspect", "Exit codes:"] {
        help.check(help.stdout.contains(words), words);
    }
    let help = dir.streamreg("fit --help").success();
    for words in ["--target", "--features", "--collinear", "--missing", "--save-model", "Examples:"] {
        help.check(help.stdout.contains(words), words);
    }
}

/// Other front ends run commands without a process of their own, one after the other.
#[test]
fn the_command_line_is_a_library() {
    let dir = dir();
    let path = |name: &str| dir.path(name).to_string_lossy().into_owned();
    for name in ["one.json", "two.json"] {
        let output = path(name);
        let line =
            ["streamreg", "fit", &path("d.csv"), "--target", "y", "--format", "json", "--output", &output];
        assert_eq!(streamreg_cli::run(line), 0);
    }
    let read = |name: &str| serde_json::from_str::<Value>(&dir.read(name)).unwrap()["coefficients"].clone();
    assert_eq!(read("one.json"), read("two.json"));
    assert_eq!(streamreg_cli::run(["streamreg", "inspect", &path("none.csv")]), 3);
}
