//! Filters, computed columns, and the formats beside Parquet and CSV.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::util::{Dir, Random, arrays, close, column, golden, number, write_parquet};

fn fit(dir: &Dir, line: &str, filter: &str) -> Value {
    dir.streamreg(&format!("fit --format json {line} --where")).arg(filter).success().json()
}

#[test]
fn only_the_rows_that_pass_are_used() {
    let dir = Dir::new();
    let (mut all, mut some) = (String::from("y,x,g,d\n"), String::from("y,x,g\n"));
    let mut random = Random::new(5);
    for i in 0..4_000 {
        let (x, g) = (random.unit(), ["a", "b", "c"][i % 3]);
        let row = format!("{},{x:?},{g}", random.unit());
        all += &format!("{row},{}\n", if i % 5 == 0 { String::new() } else { (i % 7).to_string() });
        if x > 0.25 && g != "b" && i % 5 != 0 && i % 7 >= 2 {
            some += &format!("{row}\n");
        }
    }
    dir.write("all.csv", &all);
    dir.write("some.csv", some);
    let filtered = fit(&dir, "all.csv --target y --features x,g", "x > 0.25 and g <> 'b' AND d >= 2");
    let plain = dir.fit("some.csv --target y --features x,g");
    assert_eq!(filtered["glance"]["nobs"], plain["glance"]["nobs"]);
    for (a, b) in column(&filtered, "estimate").iter().zip(column(&plain, "estimate")) {
        close("estimate", a.unwrap(), b.unwrap(), 1e-10);
    }
    let ledger = &filtered["ledger"];
    assert_eq!(number(ledger, "rows_filtered") + number(ledger, "rows_read"), 4_000.0);
    let table = dir.streamreg("fit all.csv --target y --features x --where").arg("x > 0.25").success();
    table.check(table.stdout.contains("rows did not pass the filter"), "the filtered rows are counted");
    let none = dir.streamreg("fit all.csv --target y --features x --where").arg("x > 9").run().code(3);
    none.check(none.stderr.contains("the filter lets none pass"), "a reason");
}

#[test]
fn row_groups_that_statistics_rule_out_are_not_read() {
    let dir = Dir::new();
    let rows = 100_000i64;
    let mut random = Random::new(6);
    let day: ArrayRef = Arc::new(Int64Array::from((0..rows).map(|i| i / 1_000).collect::<Vec<_>>()));
    let float = |random: &mut Random| Arc::new(Float64Array::from(random.vector(rows as usize))) as ArrayRef;
    let (x, y) = (float(&mut random), float(&mut random));
    let batch = arrays([("day", day), ("x", x), ("y", y)]);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    write_parquet(&dir.path("d.parquet"), &batch, properties);
    let whole = dir.fit("d.parquet --target y --features x,day");
    let one = fit(&dir, "d.parquet --target y --features x,day", "day = 42");
    assert_eq!((number(&one, "ledger/rows_read"), number(&one, "ledger/rows_filtered")), (1_000.0, 99_000.0));
    assert_eq!((number(&one, "reading/row_groups"), number(&one, "reading/row_groups_skipped")), (1.0, 99.0));
    let share = number(&one, "reading/bytes") / number(&whole, "reading/bytes");
    assert!(share < 0.011, "{share} of the bytes");
    let most = fit(&dir, "d.parquet --target y --features x", "day > 89 or day < 0");
    assert_eq!(number(&most, "reading/row_groups_skipped"), 90.0);
    let cannot_tell = fit(&dir, "d.parquet --target y --features x", "abs(day) = 42");
    assert_eq!(number(&cannot_tell, "reading/row_groups_skipped"), 0.0);
    assert_eq!(number(&cannot_tell, "glance/nobs"), 1_000.0);
}

#[test]
fn hive_keys_rule_out_whole_files() {
    let dir = Dir::new();
    for year in 2018..2024 {
        let body: String = (0..50).map(|i| format!("{},{}\n", i * i % 13 + year, i)).collect();
        dir.write(&format!("d/year={year}/a.csv"), format!("y,x\n{body}"));
    }
    let report = fit(&dir, "d --target y --features x", "year >= 2022");
    assert_eq!(number(&report, "glance/nobs"), 100.0);
    let whole = dir.fit("d --target y --features x");
    assert!(number(&report, "reading/bytes") < 0.4 * number(&whole, "reading/bytes"));
}

#[test]
fn computed_columns_are_columns_and_the_model_remembers_them() {
    let dir = Dir::new();
    let flights = golden("flights.parquet");
    let command = dir
        .streamreg("fit --target arr_delay --features speed,late --format json --save-model m.json --with")
        .arg("speed = distance / air_time * 60")
        .arg("--with")
        .arg("late = speed < 300 and dep_delay > 0")
        .arg(&flights);
    let report = command.success().json();
    let terms: Vec<&str> =
        report["coefficients"].as_array().unwrap().iter().map(|c| c["term"].as_str().unwrap()).collect();
    assert_eq!(terms, ["(Intercept)", "speed", "late[T.True]"]);
    let formula = "arr_delay ~ I(distance / air_time * 60)";
    let by_formula = dir.streamreg("fit --format json --formula").arg(formula).arg(&flights).success().json();
    let alone = dir
        .streamreg("fit --target arr_delay --features speed --format json --with")
        .arg("speed = distance / air_time * 60")
        .arg(&flights);
    for (a, b) in column(&alone.success().json(), "estimate").iter().zip(column(&by_formula, "estimate")) {
        close("speed", a.unwrap(), b.unwrap(), 1e-9);
    }
    let evaluation = dir.streamreg("evaluate m.json --format json").arg(&flights).success().json();
    close("mse", number(&evaluation, "mse"), number(&report, "glance/mse"), 1e-9);
    let january = dir.streamreg("evaluate m.json --format json --where").arg("month = 1").arg(&flights);
    assert!(number(&january.success().json(), "rows") < 30_000.0);
    let predicted = dir.streamreg("predict m.json --quiet").arg(&flights).success().stdout;
    assert_eq!(predicted.lines().count(), 336_777);
}

#[test]
fn expressions_that_are_none_say_so() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,g\n1,2,a\n2,3,b\n3,5,a\n5,6,b\n");
    let refused = |flag: &str, text: &str, words: &[&str]| {
        let outcome = dir.streamreg(&format!("fit d.csv --target y --features x {flag}")).arg(text).run();
        let fine = matches!(outcome.code, Some(2 | 3));
        outcome.check(
            fine && words.iter().all(|w| outcome.stderr.contains(w)),
            &format!("{words:?} for {text}"),
        );
        outcome.check(!outcome.stderr.contains("panicked"), "no panic");
    };
    refused("--where", "z > 1", &["z", "x"]);
    refused("--where", "x >", &["x >"]);
    refused("--where", "x + 1", &["true or false"]);
    refused("--where", "sum(x) > 1", &["sum"]);
    refused("--where", "g > 1", &[]);
    refused("--with", "x = y + 1", &["x"]);
    refused("--with", "speed", &["NAME=SQL"]);
    refused("--with", "z = nothing + 1", &["nothing"]);
}

#[test]
fn what_is_null_does_not_pass() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,d\n1,1,\n2.5,2,1\n3,3,2\n4.4,4,\n5,5,3\n6.5,6,1\n");
    let line = "d.csv --target y --features x";
    assert_eq!(number(&fit(&dir, line, "not (d >= 9)"), "ledger/rows_filtered"), 2.0);
    assert_eq!(number(&fit(&dir, line, "d <> 3 or x = 1"), "ledger/rows_used"), 4.0);
    assert_eq!(number(&fit(&dir, line, "d is null or d < 3"), "ledger/rows_used"), 5.0);
}

#[test]
fn groups_weights_and_formulas_take_filters_and_computed_columns() {
    let dir = Dir::new();
    let (mut all, mut some) = (String::from("y,x,g,n\n"), String::from("y,x,g,w\n"));
    let mut random = Random::new(7);
    for i in 0..600 {
        let (y, x, g, n) = (random.unit(), random.unit(), ["a", "b", "c"][i % 3], i % 4);
        all += &format!("{y:?},{x:?},{g},{n}\n");
        if x > -0.5 {
            some += &format!("{y:?},{x:?},{g},{}\n", n + 1);
        }
    }
    dir.write("all.csv", all);
    dir.write("some.csv", some);
    let common = ["--formula", "y ~ x + I(x^2)", "--weights", "w", "--weight-type", "frequency"];
    for rest in ["--format json", "--format tidy -q --by g", "--format json --missing error"] {
        let run = |file: &str, more: &[&str]| {
            let mut command = dir.streamreg(&format!("fit {file} {rest}"));
            command.command.args(common).args(more);
            command.success()
        };
        let filtered = run("all.csv", &["--with", "w = n + 1", "--where", "x > -0.5"]);
        let plain = run("some.csv", &[]);
        if rest.contains("tidy") {
            assert_eq!(filtered.csv().len(), plain.csv().len());
            for (a, b) in filtered.csv().iter().zip(plain.csv()).skip(1) {
                assert_eq!(a[..3], b[..3]);
                close("estimate", a[3].parse().unwrap(), b[3].parse().unwrap(), 1e-9);
            }
            continue;
        }
        let (filtered, plain) = (filtered.json(), plain.json());
        assert_eq!(filtered["glance"]["nobs"], plain["glance"]["nobs"]);
        assert_eq!(filtered["filter"], "x > -0.5");
        for (a, b) in column(&filtered, "estimate").iter().zip(column(&plain, "estimate")) {
            close("estimate", a.unwrap(), b.unwrap(), 1e-9);
        }
    }
}

#[test]
fn a_row_is_numbered_among_those_that_pass() {
    let dir = Dir::new();
    let mut body = String::from("y,x,w\n");
    for i in 0..200_000_i64 {
        let weight = if i == 150_001 { -1 } else { 1 };
        body += &format!("{},{},{weight}\n", i * i % 13, i % 17);
    }
    dir.write("d.csv", body);
    for threads in [1, 2, 5] {
        let line = format!(
            "fit d.csv --target y --features x --weights w --weight-type analytic --threads {threads}"
        );
        dir.streamreg(&line).fails(3, &["d.csv", "row 150002"]);
        // Every second row passes, then every row.
        let filtered = dir.streamreg(&line).arg("--where").arg("x % 2 = 1 or w < 0").run().code(3);
        let odd = (0..150_001).filter(|i| i % 17 % 2 == 1).count() + 1;
        let expected = format!("among the rows that pass the filter: column \"w\": row {odd}: ");
        filtered.check(filtered.stderr.contains(&expected), &expected);
        let all = dir.streamreg(&line).arg("--where").arg("x >= 0").run().code(3);
        all.check(all.stderr.contains("among the rows that pass the filter"), "no file is named");
    }
}

#[test]
fn a_filter_that_lets_no_row_pass_says_so() {
    let dir = Dir::new();
    let body: String = (0..50).map(|i| format!("{},{}\n", i * i % 13, i)).collect();
    dir.write("d/year=2020/a.csv", format!("y,x\n{body}"));
    for filter in ["x > 99", "year = 2021"] {
        for more in ["", "--solver qr", "--by year"] {
            let command = dir.streamreg(&format!("fit d --target y --features x {more} --where")).arg(filter);
            command.fails(3, &["there are no rows to fit: the filter lets none pass"]);
        }
        dir.streamreg("fit d --target y --features x --save-model m.json").success();
        let evaluate = dir.streamreg("evaluate m.json d --where").arg(filter);
        evaluate.fails(3, &["the filter lets none pass"]);
    }
}

#[test]
fn predictions_compute_what_they_need_and_no_more() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,g\n1,1,a\n2.5,2,b\n3,3,a\n4.4,4,b\n5,5,a\n6.5,6,b\n");
    let mut command = dir.streamreg("fit d.csv --target ly --features z --save-model m.json");
    for with in ["ly = ln(y)", "x2 = x * x", "z = x2 + 1", "unused = upper(g)"] {
        command = command.arg("--with").arg(with);
    }
    command.arg("--where").arg("unused <> 'C'").success();
    // Neither the response nor what it was computed from is there, nor is `g`.
    dir.write("new.csv", "x\n1\n2\n");
    assert_eq!(dir.streamreg("predict m.json new.csv --keep x2").success().csv().len(), 3);
    dir.streamreg("predict m.json new.csv --keep unused").fails(3, &["g"]);
    dir.write("less.csv", "y\n1\n2\n");
    dir.streamreg("predict m.json less.csv").fails(3, &["\"x\""]);
    dir.streamreg("evaluate m.json d.csv").success();
    let model = streamreg::Model::load(dir.path("m.json")).unwrap();
    assert_eq!((model.with().len(), model.filter()), (4, Some("unused <> 'C'")));
}

#[test]
fn filters_do_not_depend_on_threads() {
    let dir = Dir::new();
    let one = |threads: usize| {
        let line =
            format!("fit --target arr_delay --features dep_delay,carrier --format json --threads {threads}");
        let command = dir.streamreg(&line).arg("--where").arg("dep_delay < 100 and origin <> 'JFK'");
        let report = command.arg(golden("flights.parquet")).success().json();
        format!("{} {} {}", report["coefficients"], report["glance"], report["ledger"])
    };
    assert_eq!(one(1), one(2));
    assert_eq!(one(1), one(7));
}

#[test]
fn ndjson_and_arrow_files_are_tables_too() {
    let dir = Dir::new();
    let (mut json, mut csv) = (String::new(), String::from("y,x,g\n"));
    for i in 0..500 {
        let (y, x, g) = (f64::from(i * i % 29) / 4.0, f64::from(i % 17), ["a", "b"][i as usize % 2]);
        json += &format!("{{\"y\": {y:?}, \"x\": {x:?}, \"g\": \"{g}\"}}\n");
        csv += &format!("{y:?},{x:?},{g}\n");
    }
    dir.write("d.ndjson", json);
    dir.write("d.csv", csv);
    let (a, b) = (dir.fit("d.ndjson --target y --features x,g"), dir.fit("d.csv --target y --features x,g"));
    assert_eq!(a["coefficients"], b["coefficients"]);
    dir.write("bad.ndjson", "{\"y\": 1, \"x\": 2}\n{\"y\": 2,,\n");
    dir.streamreg("fit bad.ndjson --target y --features x").run().code(3);
    let batch = arrays([
        ("x", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0])) as ArrayRef),
        ("g", Arc::new(StringArray::from(vec!["a", "b", "a", "b"]))),
        ("y", Arc::new(Float64Array::from(vec![1.0, 2.5, 3.0, 4.4]))),
    ]);
    let mut file = Vec::new();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    dir.write("d.arrow", &file);
    let report = dir.fit("d.arrow --target y --features x,g");
    assert_eq!(number(&report, "glance/nobs"), 4.0);
    dir.write("cut.arrow", &file[..file.len() / 2]);
    dir.streamreg("fit cut.arrow --target y --features x,g").run().code(3);
}

#[test]
fn integers_do_not_wrap_and_floats_are_found_in_lists() {
    let dir = Dir::new();
    let (a, b): (Vec<u32>, Vec<u32>) =
        ((0..100).map(|i| i % 10).collect(), (0..100).map(|i| i % 7).collect());
    let y: Vec<f64> = (0..100).map(|i| f64::from(a[i]) - f64::from(b[i]) + (i * 37 % 11) as f64).collect();
    let batch = arrays([
        ("a", Arc::new(arrow_array::UInt32Array::from(a)) as ArrayRef),
        ("b", Arc::new(arrow_array::UInt32Array::from(b))),
        ("u", Arc::new(arrow_array::UInt64Array::from((0..100).collect::<Vec<u64>>()))),
        ("k", Arc::new(arrow_array::Int8Array::from((0..100).map(|i| i + 20).collect::<Vec<i8>>()))),
        (
            "f",
            Arc::new(arrow_array::Float32Array::from((0..100).map(|i| i as f32 / 10.0).collect::<Vec<_>>())),
        ),
        ("y", Arc::new(Float64Array::from(y))),
    ]);
    write_parquet(&dir.path("d.parquet"), &batch, WriterProperties::default());
    let line = "fit d.parquet --target y --features q --format json --quiet --with";
    let report = dir.streamreg(line).arg("q = a - b").success().json();
    let formula = dir.fit("d.parquet --formula y~I(a-b)");
    close("slope", column(&report, "estimate")[1].unwrap(), column(&formula, "estimate")[1].unwrap(), 1e-12);
    dir.streamreg(line).arg("q = u - 5").success();
    dir.streamreg(line)
        .arg("q = a * 9223372036854775807")
        .fails(3, &["row 3", "\"q\"", "2 * 9223372036854775807"]);
    dir.streamreg(line).arg("q = CAST(u - 5 AS BIGINT)").success();
    let filters =
        [("k + 100 > 150", 69.0), ("a - 5 < 0", 50.0), ("u - 5 < 0", 5.0), ("f in (0.1, 0.2, 3.0)", 3.0)];
    for (filter, rows) in filters {
        let line = "fit d.parquet --target y --features b --format json --quiet --where";
        let report = dir.streamreg(line).arg(filter).success().json();
        assert_eq!(number(&report, "ledger/rows_read"), rows, "{filter}");
    }
}
