//! Published regressions, each beside its solution in 50 digits.

use serde_json::Value;

use crate::util::{Dir, close, golden, golden_json};

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    strings(value).into_iter().map(|v| v.parse().unwrap()).collect()
}

/// Cases of one kind: `ols`, or `minimum-norm`.
fn cases(kind: &str) -> Vec<Value> {
    let all = golden_json("reference/expected.json");
    let cases: Vec<Value> =
        all["cases"].as_array().unwrap().iter().filter(|c| c["kind"] == kind).cloned().collect();
    assert!(!cases.is_empty());
    cases
}

fn fit(case: &Value, more: &str) -> Value {
    let dir = Dir::new();
    let features: Vec<&str> = strings(&case["terms"]).into_iter().filter(|&t| t != "(Intercept)").collect();
    let command = dir
        .streamreg(&format!("fit {more} --format json"))
        .arg(golden("reference").join(case["data"].as_str().unwrap()));
    let command = command.arg("--target").arg(case["response"].as_str().unwrap()).arg("--features");
    command.arg(features.join(",")).success().json()
}

/// What the report says of a term.
#[track_caller]
fn term(report: &Value, name: &str, field: &str) -> f64 {
    let found = report["coefficients"].as_array().unwrap().iter().find(|c| c["term"] == name);
    found.and_then(|c| c[field].as_f64()).unwrap_or_else(|| panic!("no {field} of {name} in {report:#}"))
}

#[test]
fn least_squares() {
    for case in cases("ols") {
        let id = case["id"].as_str().unwrap();
        for solver in ["auto", "qr", "svd"] {
            let report = fit(&case, &format!("--solver {solver}"));
            let tolerance = if solver == "auto" { 1e-10 } else { 1e-9 };
            let errors = numbers(&case["se"]);
            for ((name, coefficient), error) in
                strings(&case["terms"]).into_iter().zip(numbers(&case["coef"])).zip(errors)
            {
                let label = format!("{id} {solver} {name}");
                close(&label, term(&report, name, "estimate"), coefficient, tolerance);
                close(&format!("SE of {label}"), term(&report, name, "std_error"), error, tolerance);
            }
        }
    }
}

#[test]
fn minimum_norm() {
    for case in cases("minimum-norm") {
        let id = case["id"].as_str().unwrap();
        for solver in ["auto", "qr", "svd"] {
            let report = fit(&case, &format!("--solver {solver} --collinear min-norm"));
            assert_eq!(report["rank"], case["rank"], "{id} {solver}");
            for (name, coefficient) in strings(&case["terms"]).into_iter().zip(numbers(&case["coef"])) {
                close(&format!("{id} {solver} {name}"), term(&report, name, "estimate"), coefficient, 1e-9);
            }
        }
    }
}

#[test]
fn dependent_columns_are_dropped_as_r_does() {
    for case in cases("minimum-norm") {
        let report = fit(&case, "");
        let aliased: Vec<&str> =
            report["aliased"].as_array().unwrap().iter().map(|a| a["term"].as_str().unwrap()).collect();
        assert_eq!(aliased, strings(&case["dropped"]), "{}", case["id"]);
        assert_eq!(report["rank"], case["rank"]);
        for (name, wanted) in strings(&case["terms"]).into_iter().zip(case["drop_coef"].as_array().unwrap()) {
            if let Some(wanted) = wanted.as_str() {
                close(name, term(&report, name, "estimate"), wanted.parse().unwrap(), 1e-9);
            }
        }
    }
}
