//! Terms of formulas against R: nested terms, codings, conditions, offsets, splines. `golden/README.md` says how the
//! values were made.

use serde_json::Value;

use crate::util::{Dir, close, golden, golden_json, number};

fn cases() -> Vec<Value> {
    golden_json("terms/cases.json")["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The report of a case, whose model is in `m.json`.
fn fit(dir: &Dir, case: &Value, more: &str) -> Value {
    let mut command = dir.streamreg(&format!("fit {more} --format json -q --save-model m.json"));
    command = command.arg(golden(text(case, "data"))).arg("--formula").arg(text(case, "formula"));
    if let Some(weights) = case["weights"].as_str() {
        command = command.args(["--weights", weights, "--weight-type", "analytic"]);
    }
    command.success().json()
}

fn terms(report: &Value) -> Vec<&str> {
    report["coefficients"].as_array().unwrap().iter().map(|c| text(c, "term")).collect()
}

/// Compares with R, to a relative tolerance.
fn compare(case: &Value, report: &Value, tolerance: f64) {
    let id = text(case, "id");
    let coefficients = report["coefficients"].as_array().unwrap();
    for field in ["estimate", "std_error"] {
        let wanted = numbers(&case[field]);
        assert_eq!(coefficients.len(), wanted.len(), "{id}: {:?}", terms(report));
        for (found, wanted) in coefficients.iter().zip(wanted) {
            let label = format!("{id}: {field} of {}", text(found, "term"));
            close(&label, found[field].as_f64().unwrap_or(f64::NAN), wanted, tolerance);
        }
    }
    assert_eq!(number(report, "rank"), number(case, "rank"), "{id}");
    for (key, field) in [("nobs", "nobs"), ("sigma", "sigma"), ("r_squared", "r_squared")] {
        close(&format!("{id}: {key}"), number(&report["glance"], field), number(case, key), tolerance);
    }
}

/// The rows beside the data, as CSV.
fn write_new(dir: &Dir, case: &Value) {
    let columns = case["new"].as_object().unwrap();
    let names: Vec<&str> = columns.keys().map(String::as_str).collect();
    let values: Vec<Vec<f64>> = columns.values().map(numbers).collect();
    let row = |i: usize| values.iter().map(|v| v[i].to_string()).collect::<Vec<_>>().join(",");
    let rows: Vec<String> = (0..values[0].len()).map(row).collect();
    dir.write("new.csv", format!("{}\n{}\n", names.join(","), rows.join("\n")));
}

#[test]
fn terms_are_those_of_r() {
    for case in cases() {
        let dir = Dir::new();
        compare(&case, &fit(&dir, &case, ""), 1e-9);
    }
}

#[test]
fn float64_sums_and_qr_agree() {
    for case in cases().iter().filter(|case| text(case, "data").starts_with("reference")) {
        for more in ["--precision float", "--solver qr"] {
            let dir = Dir::new();
            compare(case, &fit(&dir, case, more), 1e-8);
        }
    }
}

#[test]
fn saved_models_predict_beyond_the_knots_as_r() {
    let with_new: Vec<Value> = cases().into_iter().filter(|case| case.get("new").is_some()).collect();
    assert_eq!(with_new.len(), 8);
    for case in with_new {
        let dir = Dir::new();
        fit(&dir, &case, "");
        write_new(&dir, &case);
        let found = dir.streamreg("predict m.json new.csv").success().csv();
        for (row, wanted) in numbers(&case["predicted"]).into_iter().enumerate() {
            let found: f64 = found[row + 1][0].parse().unwrap();
            close(&format!("{} row {row}", text(&case, "id")), found, wanted, 1e-9);
        }
    }
}

/// An offset is the same as a response that is less by it, whatever fits it.
#[test]
fn an_offset_is_taken_from_the_response_by_every_estimator() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,o,g,d\n1,1,2,a,-1\n3,2,1,a,2\n2,4,3,a,-1\n6,3,2,b,4\n5,7,1,b,4\n9,8,2,b,7\n7,6,0,b,7\n4,9,1,a,3\n");
    for more in [
        "",
        "--by g",
        "--ridge 0.5",
        "--lasso 0.1",
        "--ridge auto --cv 3",
        "--vcov HC3",
        "--cluster g",
        "--solver svd",
        "--precision float",
        "--solver cg",
        "--solver gd --loss huber",
    ] {
        let coefficients = |formula: &str| {
            let command = dir.streamreg(&format!("fit d.csv {more} --format tidy -q --formula")).arg(formula);
            command.success().stdout
        };
        let (with_offset, difference) = (coefficients("y ~ x + offset(o)"), coefficients("d ~ x"));
        assert!(with_offset.lines().count() > 2, "{more}: {with_offset}");
        assert_eq!(with_offset, difference, "{more}");
    }
}

#[test]
fn predictions_add_the_offset_and_evaluation_takes_it_away() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,o\n1,1,2\n3,2,1\n2,4,3\n6,3,2\n5,7,1\n");
    dir.write("new.csv", "x,o\n1,0\n1,10\n1,\n");
    let report = dir
        .streamreg("fit d.csv --format json --save-model m.json --formula")
        .arg("y ~ x + offset(2 * o)")
        .success()
        .json();
    let found = dir.streamreg("predict m.json new.csv --interval confidence").run().code(0).csv();
    let cell = |row: usize, column: usize| found[row][column].parse::<f64>().unwrap();
    for column in 0..3 {
        close("the offset is added", cell(2, column), cell(1, column) + 20.0, 1e-14);
    }
    assert_eq!(found[3][0], "", "a missing offset has no prediction");
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    close("R²", number(&evaluation, "r_squared"), number(&report["glance"], "r_squared"), 1e-12);
    // Readers of the version before would leave the offset out.
    assert!(dir.read("m.json").contains("\"streamreg_model\": 3"), "{}", dir.read("m.json"));
    let stdout = dir.streamreg("fit d.csv --formula").arg("y ~ x + offset(2 * o)").success().stdout;
    assert!(stdout.starts_with("y ~ x + offset(2 * o)\n"), "{stdout}");
}

/// A condition and a spline are numbers like others: a column of the same numbers has the same fit.
#[test]
fn every_estimator_knows_conditions_and_splines() {
    let dir = Dir::new();
    // A spline of degree 1 whose knots are whole numbers has short numbers.
    let row = |i: u32| {
        let (x, z) = (i % 9, (i * 7) % 5);
        let hat = |knot: f64| (1.0 - (f64::from(x) - knot).abs() / 4.0).max(0.0);
        let y = f64::from((i * 13) % 11) + f64::from(x) / 2.0;
        let g = if i.is_multiple_of(2) { "a" } else { "b" };
        format!("{y},{x},{z},{g},{},{},{}\n", u8::from(x > 4), hat(4.0), hat(8.0))
    };
    let rows: String = (0..60).map(row).collect();
    dir.write("d.csv", format!("y,x,z,g,c,h,k\n{rows}"));
    for more in [
        "",
        "--by g",
        "--ridge 0.5",
        "--vcov HC3",
        "--cluster g",
        "--solver qr",
        "--precision float",
        "--solver cg",
    ] {
        let numbers = |formula: &str| -> Vec<Vec<String>> {
            let command = dir.streamreg(&format!("fit d.csv {more} --format tidy -q --formula")).arg(formula);
            let from = if more == "--by g" { 2 } else { 1 };
            command.success().csv().into_iter().skip(1).map(|row| row[from..].to_vec()).collect()
        };
        let spline = "bs(x, degree=1, knots=4, Boundary.knots=c(0, 8))";
        let (with_terms, columns) =
            (numbers(&format!("y ~ z + I(x > 4) + {spline}")), numbers("y ~ z + c + h + k"));
        assert!(with_terms.len() >= 5 && with_terms.len() == columns.len(), "{more}: {with_terms:?}");
        for (found, wanted) in with_terms.iter().flatten().zip(columns.iter().flatten()) {
            match (found.parse::<f64>(), wanted.parse::<f64>()) {
                (Ok(found), Ok(wanted)) => close(more, found, wanted, 1e-7),
                _ => assert_eq!(found, wanted, "{more}"),
            }
        }
    }
}

#[test]
fn terms_have_names() {
    let dir = Dir::new();
    dir.write(
        "d.csv",
        "y,x,g,m\n1,1,a,1\n3,2,b,1\n2,4,c,2\n6,3,a,2\n5,7,b,3\n9,8,c,3\n4,5,a,3\n3,6,c,1\n8,9,b,2\n7,5,b,1\n",
    );
    for (formula, names) in [
        ("y ~ g/x", &["(Intercept)", "g[T.b]", "g[T.c]", "g[a]:x", "g[b]:x", "g[c]:x"][..]),
        ("y ~ x %in% g", &["(Intercept)", "x:g[a]", "x:g[b]", "x:g[c]"]),
        ("y ~ I(x > 5)", &["(Intercept)", "I(x > 5)[T.True]"]),
        ("y ~ 0 + I(x > 5)", &["I(x > 5)[False]", "I(x > 5)[True]"]),
        ("y ~ ifelse(x > 5, x, 5)", &["(Intercept)", "ifelse(x > 5, x, 5)"]),
        (
            "y ~ C(g, Treatment(\"b\"))",
            &["(Intercept)", "C(g, Treatment(\"b\"))[T.a]", "C(g, Treatment(\"b\"))[T.c]"],
        ),
        (
            "y ~ C(m, Treatment(2))",
            &["(Intercept)", "C(m, Treatment(\"2\"))[T.1]", "C(m, Treatment(\"2\"))[T.3]"],
        ),
        ("y ~ C(g, Sum)", &["(Intercept)", "C(g, Sum)[S.a]", "C(g, Sum)[S.b]"]),
        ("y ~ factor(m)", &["(Intercept)", "C(m)[T.2]", "C(m)[T.3]"]),
        (
            "y ~ ns(x, Boundary.knots=c(1, 9)) + log(x, 3)",
            &["(Intercept)", "ns(x, Boundary.knots=c(1, 9))[1]", "log(x, 3)"],
        ),
    ] {
        let report = dir.streamreg("fit d.csv --format json --formula").arg(formula).success().json();
        assert_eq!(terms(&report), names, "{formula}");
    }
}

#[test]
fn codings_that_exclude_each_other_are_refused() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,g\n1,1,a\n3,2,b\n2,4,a\n6,3,b\n5,7,c\n9,8,c\n");
    for (line, formula, message) in [
        ("", "y ~ g + C(g, Sum):x", "the category has two codings in the formula"),
        ("--reference g=b", "y ~ C(g, Sum)", "the formula gives the coding of the category"),
        ("--contrasts sum", "y ~ C(g, Treatment(\"b\"))", "the formula gives the coding of every category"),
        ("", "y ~ C(g, Treatment(\"z\"))", "there is no level \"z\" to be the reference"),
        ("--hash-bits 4 --solver sgd", "y ~ C(g, Sum)", "hashed categories have no coding of their own"),
        ("--missing indicator", "y ~ I(x > 2)", "ifelse(x > 2, 1, 0) is a number, which has"),
        ("", "y ~ x + offset(g)", "the offset must be a number"),
        ("", "y ~ x + offset(z)", "the offset is not in the data"),
        ("", "y ~ x + .N", "numbers of rows are computed beforehand, by count(*)"),
        ("", "y ~ I((x > 2) == TRUE)", "write 1 for true and 0 for false"),
    ] {
        let outcome = dir.streamreg(&format!("fit d.csv {line} --formula")).arg(formula).run();
        outcome.check(outcome.stderr.contains(message), message);
    }
}

/// A condition is a comparison of float64 numbers, however sums are carried, and missing where a column of it is.
#[test]
fn conditions_compare_numbers_exactly() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x\n1,0.1\n2,0.3\n4,0.30000000000000004\n7,0.7\n3,\n5,0.2\n");
    for more in ["--precision exact", "--precision float"] {
        let line = format!("fit d.csv {more} --format json --formula");
        let report = dir.streamreg(&line).arg("y ~ I(x == 0.3)").success().json();
        // The mean of the others, and the distance of the one row.
        let estimate = |i: usize| report["coefficients"][i]["estimate"].as_f64().unwrap();
        close("mean", estimate(0), 4.25, 1e-14);
        close("distance", estimate(1), -2.25, 1e-14);
        assert_eq!(number(&report["glance"], "nobs"), 5.0);
    }
}

#[test]
fn names_keep_their_backticks_in_the_formula() {
    let dir = Dir::new();
    dir.write("d.csv", "net income,a b\n1,1\n3,2\n2,4\n6,3\n");
    let stdout = dir.streamreg("fit d.csv --formula").arg("`net income` ~ `a b`").success().stdout;
    assert!(stdout.starts_with("`net income` ~ `a b`\n"), "{stdout}");
    assert!(stdout.contains("\na b  "), "{stdout}");
}

#[test]
fn formulas_have_lines_and_comments() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,z\n1,1,3\n3,2,1\n2,4,2\n6,3,2\n");
    let formula = "y ~ x  # the first\n  + z  # and the second\n";
    let stdout = dir.streamreg("fit d.csv --formula").arg(formula).success().stdout;
    assert!(stdout.starts_with("y ~ x + z\n"), "{stdout}");
    let stdout = dir.streamreg("fit d.csv").arg(formula).success().stdout;
    assert!(stdout.starts_with("y ~ x + z\n"), "{stdout}");
}
