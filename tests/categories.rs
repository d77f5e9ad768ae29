//! Categories: levels wherever and whatever they are, codings, and prediction with them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, StringArray, UInt64Array,
};
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use streamreg::Regression;

use crate::util::{Dir, Random, arrays, close, column, fingerprint, number, write_parquet};

fn terms(report: &Value) -> Vec<&str> {
    report["coefficients"].as_array().unwrap().iter().map(|c| c["term"].as_str().unwrap()).collect()
}

/// Group means of `y` by the label of each row.
fn group_mean(rows: &[(&str, f64)], label: &str) -> f64 {
    let own: Vec<f64> = rows.iter().filter(|(l, _)| *l == label).map(|(_, y)| *y).collect();
    own.iter().sum::<f64>() / own.len() as f64
}

#[test]
fn a_level_may_appear_in_the_last_row_of_the_last_file_only() {
    let dir = Dir::new();
    let body = |from: usize, to: usize| -> String {
        (from..to).map(|i| format!("{},{}\n", i % 7, ["b", "c"][i % 2])).collect()
    };
    dir.write("data/1.csv", format!("y,g\n{}", body(0, 3000)));
    dir.write("data/2.csv", format!("y,g\n{}100,a\n", body(3000, 6000)));
    let report = dir.fit("data --target y --features g");
    assert_eq!(terms(&report), ["(Intercept)", "g[T.b]", "g[T.c]"]);
    close("the last row's level", number(&report, "coefficients/0/estimate"), 100.0, 1e-12);
}

#[test]
fn case_and_blanks_tell_levels_apart() {
    let dir = Dir::new();
    dir.write("d.csv", "y,g\n1,a\n2,A\n4,\"a \"\n8,a\n16,A\n32,\"a \"\n1,1e3\n5,1000\n");
    let report = dir.fit("d.csv --target y --features g");
    assert_eq!(terms(&report), ["(Intercept)", "g[T.1e3]", "g[T.A]", "g[T.a]", "g[T.a ]"]);
    close("mean of a", number(&report, "coefficients/3/estimate"), 4.5 - 5.0, 1e-12);
}

#[test]
fn null_levels_drop_their_rows_unless_they_are_a_level() {
    let dir = Dir::new();
    dir.write("d.csv", "y,g\n1,a\n2,b\n9,\n3,a\n4,b\n11,NA\n");
    let report = dir.fit("d.csv --target y --features g");
    assert_eq!(number(&report, "ledger/rows_used"), 4.0);
    assert_eq!(report["ledger"]["dropped"][0]["column"], "g");
    let report = dir.fit("d.csv --target y --features g --missing indicator");
    assert_eq!(terms(&report), ["(Intercept)", "g[T.b]", "g[T.(missing)]"]);
    close("the missing level", number(&report, "coefficients/2/estimate"), 10.0 - 2.0, 1e-12);
    let stderr = dir.streamreg("fit d.csv --target y --features g --missing error").run().code(3).stderr;
    assert!(stderr.contains("\"g\"") && stderr.contains("row 3"), "{stderr}");
}

#[test]
fn single_levels_and_columns_without_a_value_are_named() {
    let dir = Dir::new();
    dir.write("d.csv", "y,one,none,x\n1,only,,1\n2,only,,3\n4,only,,2\n3,only,,5\n");
    let report = dir.fit("d.csv --target y --features one,none,x --schema none=text");
    assert_eq!(terms(&report), ["(Intercept)", "x"]);
    let left_out = report["left_out"].to_string();
    assert!(left_out.contains("no value in any row") && left_out.contains("a single level"), "{left_out}");
    assert_eq!(number(&report, "ledger/rows_used"), 4.0);
    let numbers = dir.fit("d.csv --target y --features none,x --schema none=number");
    assert_eq!(terms(&numbers), ["(Intercept)", "x"]);
    let path = dir.path("d.parquet");
    let none: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 4]));
    let x: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 3.0, 2.0, 5.0]));
    let y: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0, 3.0]));
    write_parquet(&path, &arrays([("y", y), ("x", x), ("none", none)]), WriterProperties::default());
    let from_parquet = dir.fit("d.parquet --target y --features none,x");
    assert_eq!(column(&from_parquet, "estimate"), column(&numbers, "estimate"));
}

#[test]
fn levels_of_numbers_have_the_same_names_in_every_format() {
    let dir = Dir::new();
    let months: Vec<i32> = (0..60).map(|i| [10, 2, 1, 12][i % 4]).collect();
    let y: Vec<f64> = (0..60).map(|i| (i * i % 17) as f64).collect();
    let csv: String = months.iter().zip(&y).map(|(m, y)| format!("{m},{y}\n")).collect();
    dir.write("d.csv", format!("month,y\n{csv}"));
    let month: ArrayRef = Arc::new(Int32Array::from(months));
    let batch = arrays([("month", month), ("y", Arc::new(Float64Array::from(y)) as ArrayRef)]);
    write_parquet(&dir.path("d.parquet"), &batch, WriterProperties::default());
    let (csv, parquet) = ("d.csv --target y", "d.parquet --target y");
    for more in ["--features month --categorical month", "--categorical month"] {
        let report = dir.fit(&format!("{parquet} {more}"));
        assert_eq!(terms(&report), ["(Intercept)", "month[T.2]", "month[T.10]", "month[T.12]"]);
        assert_eq!(column(&dir.fit(&format!("{csv} {more}")), "estimate"), column(&report, "estimate"));
    }
}

#[test]
fn booleans_are_categories_without_a_table() {
    let dir = Dir::new();
    let flag = BooleanArray::from((0..40).map(|i| (i % 5 != 4).then_some(i % 3 == 0)).collect::<Vec<_>>());
    let y = Float64Array::from((0..40).map(|i| f64::from(i * i % 23)).collect::<Vec<_>>());
    let x = Float64Array::from((0..40).map(|i| f64::from(i * 7 % 11)).collect::<Vec<_>>());
    let batch = arrays([("flag", Arc::new(flag) as ArrayRef), ("x", Arc::new(x)), ("y", Arc::new(y))]);
    write_parquet(&dir.path("d.parquet"), &batch, WriterProperties::default());
    let estimate = |line: &str, formula: &str| {
        let command = dir.streamreg(&format!("fit d.parquet --format json {line} --formula")).arg(formula);
        let report = command.success().json();
        let names: Vec<String> = terms(&report).into_iter().map(str::to_owned).collect();
        (names, column(&report, "estimate"), number(&report, "glance/deviance"))
    };
    let (names, plain, rss) = estimate("", "y ~ flag*x");
    assert_eq!(names, ["(Intercept)", "flag[T.True]", "x", "flag[T.True]:x"]);
    let (names, declared, same) = estimate("", "y ~ C(flag)*x");
    assert_eq!(names[1], "C(flag)[T.True]");
    close("C(flag)", declared[1].unwrap(), plain[1].unwrap(), 1e-9);
    close("rss", same, rss, 1e-10);
    for (line, formula, expected) in [
        ("--reference flag=true", "y ~ flag*x", vec!["(Intercept)", "flag[T.False]", "x", "flag[T.False]:x"]),
        ("--contrasts sum", "y ~ flag*x", vec!["(Intercept)", "flag[S.False]", "x", "flag[S.False]:x"]),
        ("", "y ~ 0 + flag + flag:x", vec!["flag[False]", "flag[True]", "flag[False]:x", "flag[True]:x"]),
    ] {
        let (names, _, other) = estimate(line, formula);
        assert_eq!(names, expected);
        close(formula, other, rss, 1e-10);
    }
}

/// 10^5 levels, and a second category, in many row groups.
fn many_levels(dir: &Dir, levels: usize, rows: usize) -> Vec<(String, f64)> {
    let mut random = Random::new(7);
    let own = |i: usize, random: &mut Random| if i < levels { i } else { random.below(levels) };
    let ids: Vec<usize> = (0..rows).map(|i| own(i, &mut random)).collect();
    let names: Vec<String> = ids.iter().map(|i| format!("level-{:06}", (i * 7919) % 1_000_003)).collect();
    let y: Vec<f64> = ids.iter().map(|&i| (i % 100) as f64 + random.unit()).collect();
    let x: Vec<f64> = random.vector(rows);
    let y: Vec<f64> = y.iter().zip(&x).map(|(y, x)| y + 2.0 * x).collect();
    let kind: Vec<&str> = (0..rows).map(|i| ["p", "q", "r"][i % 3]).collect();
    let batch = arrays([
        ("id", Arc::new(StringArray::from(names.iter().map(String::as_str).collect::<Vec<_>>())) as ArrayRef),
        ("kind", Arc::new(StringArray::from(kind))),
        ("x", Arc::new(Float64Array::from(x))),
        ("y", Arc::new(Float64Array::from(y.clone()))),
    ]);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows / 9)).build();
    write_parquet(&dir.path("many.parquet"), &batch, properties);
    names.into_iter().zip(y).collect()
}

#[test]
fn a_hundred_thousand_levels_are_found_by_any_number_of_threads() {
    let dir = Dir::new();
    many_levels(&dir, 100_000, 240_000);
    let fit = |threads: usize| {
        let regression = Regression::formula("y ~ x + id + kind").threads(threads);
        regression.fit_paths(&[dir.path("many.parquet")]).unwrap()
    };
    let one = fit(1);
    assert_eq!(one.coefficients.len(), 1 + 1 + 99_999 + 2);
    let names: Vec<&str> = one.coefficients.iter().map(|c| c.term.as_str()).collect();
    assert_eq!((names[0], names[1]), ("(Intercept)", "x"));
    assert!(names[2..2 + 99_999].is_sorted());
    assert_eq!(names[100_001..], ["kind[T.q]", "kind[T.r]"]);
    let seven = fit(7);
    assert_eq!(fingerprint(&one), fingerprint(&seven));
    assert!((one.estimate("x").unwrap() - 2.0).abs() < 0.02);
}

#[test]
fn an_eliminated_category_gives_what_its_columns_give() {
    let dir = Dir::new();
    many_levels(&dir, 250, 5_000);
    let fit = |more: &str, formula: &str| {
        let command = dir.streamreg(&format!("fit many.parquet --format json {more} --formula")).arg(formula);
        command.success().json()
    };
    for formula in ["y ~ x + id + kind", "y ~ 0 + id + x + kind", "y ~ kind + id + x:kind"] {
        for more in ["", "--contrasts sum"] {
            let eliminated = fit(more, formula);
            let explicit = fit(&format!("{more} --solver qr"), formula);
            assert_eq!(terms(&eliminated), terms(&explicit));
            for field in ["estimate", "std_error"] {
                for (at, (a, b)) in
                    column(&eliminated, field).iter().zip(column(&explicit, field)).enumerate()
                {
                    close(&format!("{formula} {more} {field} {at}"), a.unwrap(), b.unwrap(), 1e-8);
                }
            }
            for key in ["r_squared", "statistic", "log_lik", "df", "df_residual", "sigma"] {
                let path = format!("glance/{key}");
                close(&path, number(&eliminated, &path), number(&explicit, &path), 1e-8);
            }
        }
    }
}

#[test]
fn a_column_that_is_constant_within_levels_is_named() {
    let dir = Dir::new();
    let rows: String = (0..2_000)
        .map(|i| {
            let g = i % 250;
            format!("{},g{g},{},{}\n", (i * i) % 97, g * g % 31, i % 13)
        })
        .collect();
    dir.write("d.csv", format!("y,g,nested,x\n{rows}"));
    let report = dir.fit("d.csv --target y --features x,nested,g");
    let aliased = &report["aliased"][0];
    assert_eq!((&aliased["term"], &aliased["levels_of"]), (&Value::from("nested"), &Value::from("g")));
    let table = dir.streamreg("fit d.csv --target y --features x,nested,g").success().stdout;
    assert!(table.contains("Dependent: nested is constant within the levels of g"), "{table}");
}

#[test]
fn too_many_levels_are_refused_by_name() {
    let dir = Dir::new();
    many_levels(&dir, 250, 2_000);
    let line = "fit many.parquet --target y --features id --max-levels 200";
    let stderr = dir.streamreg(line).run().code(3).stderr;
    assert!(stderr.contains("\"id\"") && stderr.contains("--max-levels"), "{stderr}");
    let stderr =
        dir.streamreg("fit many.parquet --target y --features kind --reference kind=z").run().code(3);
    assert!(stderr.stderr.contains(r#"the levels are "p", "q", "r""#), "{}", stderr.stderr);
    let not_one = dir.streamreg("fit many.parquet --target y --features x --reference kind=p").run().code(3);
    assert!(not_one.stderr.contains("not a category of the model"), "{}", not_one.stderr);
}

#[test]
fn prediction_applies_the_same_terms() {
    let dir = Dir::new();
    let rows: Vec<(&str, f64)> = (0..300).map(|i| (["a", "b", "c"][i % 3], (i * 31 % 17) as f64)).collect();
    let body: String = rows.iter().enumerate().map(|(i, (g, y))| format!("{y},{g},{}\n", i % 7)).collect();
    dir.write("d.csv", format!("y,g,x\n{body}"));
    dir.streamreg("fit d.csv --target y --features g --save-model m.json").success();
    dir.write("new.csv", "g\nb\na\nc\n");
    let predicted = |line: &str| dir.streamreg(&format!("predict m.json {line} --quiet")).success().csv();
    for (row, label) in predicted("new.csv")[1..].iter().zip(["b", "a", "c"]) {
        close(label, row[0].parse().unwrap(), group_mean(&rows, label), 1e-12);
    }
    dir.write("odd.csv", "g\nb\nz\n\n\"\"\n");
    let stderr = dir.streamreg("predict m.json odd.csv").run().code(3).stderr;
    assert!(stderr.contains("\"g\"") && stderr.contains("row 2"), "{stderr}");
    let nulls = predicted("odd.csv --unseen null");
    assert_eq!((nulls[2][0].as_str(), nulls[3][0].as_str()), ("", ""));
    let other = predicted("odd.csv --unseen other");
    close("as the reference", other[2][0].parse().unwrap(), group_mean(&rows, "a"), 1e-12);
    assert_eq!(other[3][0], "");
}

#[test]
fn predictions_of_every_kind_of_term_repeat_the_fit() {
    let dir = Dir::new();
    many_levels(&dir, 250, 5_000);
    for (formula, more) in [
        ("y ~ x*kind + poly(x, 3) + id", ""),
        ("y ~ x + id", ""),
        ("y ~ 0 + id + poly(x, 2, raw=TRUE) + exp(x):kind", "--contrasts sum"),
        ("y ~ kind:x + I(x^2) + C(kind)", "--reference kind=q"),
    ] {
        let line = format!("fit many.parquet --format json --save-model m.json {more} --formula");
        let report = dir.streamreg(&line).arg(formula).success().json();
        let evaluation = dir.streamreg("evaluate m.json many.parquet --format json").success().json();
        close(formula, number(&evaluation, "mse"), number(&report, "glance/mse"), 1e-9);
        let line = "predict m.json many.parquet --keep y --interval prediction";
        let rows = dir.streamreg(line).success().csv();
        let (mut rss, mut inside) = (0.0, 0);
        for row in &rows[1..] {
            let cell = |at: usize| row[at].parse::<f64>().unwrap();
            rss += (cell(0) - cell(1)).powi(2);
            assert!(cell(2) < cell(1) && cell(1) < cell(3));
            inside += usize::from(cell(2) <= cell(0) && cell(0) <= cell(3));
        }
        close(formula, rss, number(&report, "glance/deviance"), 1e-9);
        assert!(inside > 4_500 && inside < 5_000, "{inside} of 5000 within the 95 % intervals");
    }
}

#[test]
fn intervals_do_not_depend_on_how_a_category_is_solved_for() {
    let dir = Dir::new();
    many_levels(&dir, 250, 5_000);
    let intervals = |solver: &str| {
        let line =
            format!("fit many.parquet --target y --features x,id --solver {solver} --save-model m.json");
        dir.streamreg(&line).success();
        dir.streamreg("predict m.json many.parquet --interval confidence").success().csv()
    };
    let (eliminated, explicit) = (intervals("cholesky"), intervals("qr"));
    for (a, b) in eliminated[1..].iter().zip(&explicit[1..]) {
        for (a, b) in a.iter().zip(b) {
            close("end", a.parse().unwrap(), b.parse().unwrap(), 1e-8);
        }
    }
}

#[test]
fn large_numbers_that_float64_would_merge_are_levels_of_their_own() {
    let dir = Dir::new();
    let y: ArrayRef = Arc::new(Float64Array::from((0..20).map(|i| f64::from(i * i % 7)).collect::<Vec<_>>()));
    let ids = UInt64Array::from((0..20).map(|i| (1u64 << 63) + 1 + i % 2).collect::<Vec<_>>());
    let sums: Decimal128Array = (0..20).map(|i| Some((1i128 << 60) + 1 + i % 2)).collect();
    let sums = sums.with_precision_and_scale(30, 0).unwrap();
    for g in [Arc::new(ids) as ArrayRef, Arc::new(sums)] {
        write_parquet(
            &dir.path("d.parquet"),
            &arrays([("g", g), ("y", Arc::clone(&y))]),
            WriterProperties::default(),
        );
        let report = dir.streamreg("fit d.parquet --format json --formula").arg("y ~ C(g)").success().json();
        assert_eq!(terms(&report).len(), 2, "{report:#}");
    }
}

#[test]
fn predictions_repeat_the_fit_however_booleans_are_coded() {
    let dir = Dir::new();
    let rows: String = (0..60)
        .map(|i| {
            let (f, h) = (["false", "true"][i % 3 % 2], ["true", "false"][i * i % 5 % 2]);
            let (y, x, z) = (i * i % 23, i * 7 % 11, i * 5 % 13);
            format!("{y},{x},{z},{f},{h},{}\n", ["p", "q", "r"][i * 3 % 7 % 3])
        })
        .collect();
    dir.write("d.csv", format!("y,x,z,f,h,a\n{rows}"));
    for formula in [
        "y ~ f - 1",
        "y ~ 0 + f + x",
        "y ~ x:f",
        "y ~ x:f - 1",
        "y ~ 0 + f:h",
        "y ~ f:h + x:f:h",
        "y ~ 0 + f + f:x + h",
        "y ~ f:poly(x, 2)",
        "y ~ poly(x, 2):f - 1",
        "y ~ a:f",
        "y ~ 0 + a + f:a:x",
        "y ~ f*a*x",
        "y ~ 0 + I(x^2):f + log1p(z):a",
        "y ~ z:poly(x, 2) + f",
        "y ~ C(f):x - 1",
    ] {
        for more in ["", "--contrasts sum", "--reference f=true"] {
            if more.contains("reference") && formula.contains("C(f)") {
                continue;
            }
            let line = format!("fit d.csv --format json --save-model m.json {more} --formula");
            let rss = number(&dir.streamreg(&line).arg(formula).success().json(), "glance/deviance");
            let rows = dir.streamreg("predict m.json d.csv --keep y").success().csv();
            let error = |row: &Vec<String>| row[0].parse::<f64>().unwrap() - row[1].parse::<f64>().unwrap();
            let predicted: f64 = rows[1..].iter().map(|row| error(row).powi(2)).sum();
            close(&format!("{formula} {more}"), predicted, rss, 1e-9);
            let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
            close(&format!("{formula} {more}"), 60.0 * number(&evaluation, "mse"), rss, 1e-9);
        }
    }
}

#[test]
fn a_boolean_without_an_effect_is_read_nevertheless() {
    let dir = Dir::new();
    dir.write("d.csv", "y,f\n1,false\n3,false\n1,true\n3,true\n");
    dir.streamreg("fit d.csv --save-model m.json --formula").arg("y ~ 0 + f").success();
    dir.write("new.csv", "f\ntrue\n\"\"\n");
    let rows = dir.streamreg("predict m.json new.csv --quiet").success().csv();
    close("both mean 2", rows[1][0].parse().unwrap(), 2.0, 1e-14);
    assert_eq!(rows[2][0], "");
    let model = streamreg::Model::load(dir.path("m.json")).unwrap();
    assert_eq!(model.features().unwrap(), ["f"]);
}

#[test]
fn unknown_levels_are_taken_for_the_reference_however_it_is_coded() {
    let dir = Dir::new();
    let rows: String = (0..40)
        .map(|i| format!("{},{},{}\n", i * i % 23, i * 7 % 11, ["p", "q", "r"][i * 3 % 7 % 3]))
        .collect();
    dir.write("d.csv", format!("y,x,a\n{rows}"));
    for (formula, more, reference) in [
        ("y ~ a", "", "p"),
        ("y ~ 0 + a", "", "p"),
        ("y ~ 0 + a", "--reference a=q", "q"),
        ("y ~ 0 + x + a:x", "", "p"),
        ("y ~ x:a", "--reference a=r", "r"),
        ("y ~ a", "--contrasts sum", "r"),
        ("y ~ a*x", "--contrasts sum --reference a=q", "q"),
        ("y ~ 0 + a + x", "--contrasts sum", "r"),
    ] {
        let line = format!("fit d.csv --save-model m.json {more} --formula");
        dir.streamreg(&line).arg(formula).success();
        dir.write("new.csv", format!("y,x,a\n1,5,zzz\n1,5,{reference}\n1,5,q\n"));
        let line = "predict m.json new.csv --unseen other --interval prediction --quiet";
        let rows = dir.streamreg(line).success().csv();
        assert_eq!(rows[1], rows[2], "{formula} {more}");
        dir.write("unknown.csv", "y,x,a\n1,5,zzz\n");
        dir.write("known.csv", format!("y,x,a\n1,5,{reference}\n"));
        let line = |file: &str| format!("evaluate m.json {file} --unseen other --format json");
        let [unknown, known] =
            ["unknown.csv", "known.csv"].map(|file| dir.streamreg(&line(file)).success().json());
        assert_eq!(unknown["mse"], known["mse"], "{formula} {more}");
        let counted = serde_json::json!([{"column": "a", "rows": 1}]);
        assert_eq!(unknown["ledger"]["unseen"], counted);
    }
}

#[test]
fn intervals_of_unknown_levels_are_the_reference_levels_where_it_is_eliminated() {
    let dir = Dir::new();
    many_levels(&dir, 250, 5_000);
    let line = "fit many.parquet --target y --features x,id --reference id=level-007919 --save-model m.json";
    dir.streamreg(line).success();
    dir.write("new.csv", "x,id\n0.5,zzz\n0.5,level-007919\n");
    let line = "predict m.json new.csv --unseen other --interval confidence --quiet";
    let rows = dir.streamreg(line).success().csv();
    assert_eq!(rows[1], rows[2]);
}

#[test]
fn the_reference_of_a_boolean_counts_for_every_coding() {
    let dir = Dir::new();
    dir.write("d.csv", "y,f\n1,false\n2,false\n4,true\n8,true\n9,true\n");
    let fit = |line: &str, formula: &str| {
        dir.streamreg(&format!("fit d.csv --format json {line} --formula")).arg(formula).success().json()
    };
    for (line, name, mean_of_one) in [
        ("--contrasts sum", "f[S.False]", 1.5),
        ("--contrasts sum --reference f=True", "f[S.False]", 1.5),
        ("--contrasts sum --reference f=False", "f[S.True]", 7.0),
        ("--reference f=TRUE", "f[T.False]", 1.5),
        ("--reference f=false", "f[T.True]", 7.0),
    ] {
        for (formula, label) in [("y ~ f", "f"), ("y ~ C(f)", "C(f)")] {
            let report = fit(line, formula);
            assert_eq!(terms(&report)[1], name.replacen('f', label, 1), "{line}");
            let [constant, own] = [0, 1].map(|at| column(&report, "estimate")[at].unwrap());
            close(line, constant + own, mean_of_one, 1e-12);
        }
    }
}

#[test]
fn infinite_numbers_are_no_levels() {
    let dir = Dir::new();
    dir.write("d.csv", "y,k\n1,1\n2,2\n9,inf\n3,1.5\n4,2\n8,-inf\n2,1\n7,\n5,1.5\n");
    let report = dir.fit("d.csv --target y --categorical k --save-model m.json");
    assert_eq!(terms(&report), ["(Intercept)", "k[T.1.5]", "k[T.2]"]);
    let dropped = serde_json::json!([
        {"column": "k", "reason": "null", "rows": 1},
        {"column": "k", "reason": "non_finite", "rows": 2},
    ]);
    assert_eq!(report["ledger"]["dropped"], dropped);
    let predicted = dir.streamreg("predict m.json d.csv --unseen other --quiet").success().csv();
    assert_eq!((predicted[3][0].as_str(), predicted[8][0].as_str()), ("", ""));
    let kept = dir.fit("d.csv --target y --categorical k --missing indicator");
    assert_eq!(terms(&kept)[3], "k[T.(missing)]");
    let refused = dir.streamreg("fit d.csv --target y --categorical k --missing error").run().code(3).stderr;
    assert!(
        refused.contains("\"k\"") && refused.contains("row 3") && refused.contains("finite"),
        "{refused}"
    );
}

#[test]
fn columns_without_a_value_are_named_where_missing_values_are_kept() {
    let dir = Dir::new();
    dir.write("d.csv", "y,none,text,x\n1,,,1\n2,,,3\n4,,,2\n3,,,5\n");
    let line = "d.csv --target y --features none,text,x --schema none=number --schema text=text";
    let (kept, dropped) = (dir.fit(&format!("{line} --missing indicator")), dir.fit(line));
    assert_eq!(terms(&kept), ["(Intercept)", "x"]);
    let named = serde_json::json!([
        {"column": "none", "reason": "no value in any row"},
        {"column": "text", "reason": "no value in any row"},
    ]);
    assert_eq!((&kept["left_out"], &dropped["left_out"]), (&named, &named));
    assert_eq!(kept["ledger"]["filled"], serde_json::json!([]));
}

#[test]
fn a_single_level_that_has_a_column_is_not_left_out() {
    let dir = Dir::new();
    dir.write("d.csv", "y,one,x\n1,only,1\n2,only,3\n4,only,2\n3,only,5\n");
    for formula in ["y ~ 0 + one", "y ~ one:x", "y ~ one + one:x"] {
        let report = dir.streamreg("fit d.csv --format json --formula").arg(formula).success().json();
        assert_eq!(report["left_out"], serde_json::json!([]), "{formula}");
    }
    let report = dir.streamreg("fit d.csv --format json --formula").arg("y ~ one*x").success().json();
    assert_eq!(report["left_out"][0]["column"], "one");
}

#[test]
fn requests_about_categories_that_mean_nothing_are_refused() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,k,a\n1,1,1,p\n2,2,2,q\n4,3,1,p\n5,5,2,q\n3,7,2,p\n");
    let refused = |line: &str, words: &[&str]| {
        let command = dir.streamreg(&format!("fit d.csv --formula {line}"));
        command.fails(3, words);
    };
    refused("y~a --reference a=q --reference a=p", &["\"a\"", "two reference levels"]);
    refused("y~x --categorical k", &["\"k\"", "category"]);
    refused("y~x+log(k) --categorical k", &["\"k\"", "category"]);
    refused("y~k --reference k=1", &["\"k\"", "--categorical"]);
    refused("y~x --by a --reference a=p", &["\"a\"", "not a category of the model"]);
    refused("y~0+a --reference a=z", &["\"a\"", "no level \"z\""]);
    dir.streamreg("fit d.csv --formula y~k --categorical k --reference k=2").success();
    dir.streamreg("fit d.csv --formula y~C(k) --reference k=2").success();
}

#[test]
fn coefficients_that_share_a_name_are_warned_of() {
    let dir = Dir::new();
    dir.write("d.csv", "y,a[T.q],a\n1,1,p\n2,2,q\n4,3,p\n5,5,q\n3,7,p\n");
    let report = dir.streamreg("fit d.csv --format json --target y --features").arg("a[T.q],a");
    let report = report.success().json();
    assert_eq!(terms(&report), ["(Intercept)", "a[T.q]", "a[T.q]"]);
    let warning = &report["warnings"][0];
    assert!(warning["message"].as_str().unwrap().contains("a[T.q]"), "{report:#}");
}
