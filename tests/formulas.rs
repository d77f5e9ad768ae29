//! Formulas against formulaic and statsmodels: names, coefficients, standard errors. `golden/README.md` says
//! how the values were made.

use serde_json::Value;

use crate::util::{Dir, close, column, golden, golden_json, number};

fn cases() -> Vec<Value> {
    golden_json("formulas.json")["cases"].as_array().unwrap().clone()
}

fn case(id: &str) -> Value {
    cases().into_iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("no case {id}"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The report of a case on a file, with further arguments.
fn fit(case: &Value, file: &str, more: &str) -> Value {
    let dir = Dir::new();
    let mut command = dir.streamreg(&format!("fit {more} --format json"));
    command = command.arg(golden(file)).arg("--formula").arg(text(case, "formula"));
    for (key, flag) in [("contrasts", "--contrasts"), ("missing", "--missing"), ("weights", "--weights")] {
        if let Some(value) = case[key].as_str() {
            command = command.arg(flag).arg(value);
        }
    }
    if let Some(kind) = case["weight_type"].as_str() {
        command = command.arg("--weight-type").arg(kind);
    }
    for (column, level) in case["reference"].as_object().into_iter().flatten() {
        command = command.arg("--reference").arg(format!("{column}={}", level.as_str().unwrap()));
    }
    command.success().json()
}

/// Compares what a case has with what a report says, to a relative tolerance.
fn compare(id: &str, case: &Value, report: &Value, tolerance: f64) {
    let names = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|c| text(c, "term").to_owned()).collect()
    };
    assert_eq!(names(&report["coefficients"]), names(&case["coefficients"]), "{id}");
    for (found, wanted) in
        report["coefficients"].as_array().unwrap().iter().zip(case["coefficients"].as_array().unwrap())
    {
        for field in ["estimate", "std_error"] {
            let label = format!("{id}: {field} of {}", text(wanted, "term"));
            match wanted[field].as_f64() {
                Some(wanted) => close(&label, found[field].as_f64().unwrap_or(f64::NAN), wanted, tolerance),
                None => assert!(found[field].is_null(), "{label}"),
            }
        }
    }
    let glance = &report["glance"];
    for (key, field) in [
        ("nobs", "nobs"),
        ("df_resid", "df_residual"),
        ("r_squared", "r_squared"),
        ("sigma", "sigma"),
        ("log_lik", "log_lik"),
        ("aic", "aic"),
        ("bic", "bic"),
    ] {
        if let Some(wanted) = case[key].as_f64() {
            close(&format!("{id}: {key}"), number(glance, field), wanted, tolerance);
        }
    }
    assert_eq!(number(report, "rank"), number(case, "rank"), "{id}");
}

#[test]
fn coefficients_and_names_are_those_of_statsmodels_and_formulaic() {
    for case in cases() {
        let id = text(&case, "id");
        if case.get("coefficients").is_some() {
            compare(id, &case, &fit(&case, text(&case, "data"), ""), 1e-8);
        }
    }
}

#[test]
fn csv_and_any_number_of_threads_agree() {
    for id in ["many-kinds", "poly", "analytic-weights-poly"] {
        let case = case(id);
        compare(id, &case, &fit(&case, "flights.csv.gz", ""), 1e-8);
        let parts =
            |report: &Value| format!("{} {} {}", report["coefficients"], report["glance"], report["aliased"]);
        let one = parts(&fit(&case, "flights.parquet", "--threads 1"));
        for threads in [2, 7] {
            assert_eq!(parts(&fit(&case, "flights.parquet", &format!("--threads {threads}"))), one, "{id}");
        }
    }
}

#[test]
fn qr_and_svd_agree_on_formulas() {
    for id in ["star", "sum-contrasts", "frequency-weights"] {
        let case = case(id);
        for solver in ["qr", "svd"] {
            let report = fit(&case, "flights.parquet", &format!("--solver {solver}"));
            compare(id, &case, &report, 1e-8);
            assert_eq!(report["solver"]["used"], solver);
        }
    }
}

#[test]
fn empty_cells_of_an_interaction_are_set_aside() {
    for id in ["aliased-interaction", "aliased-star"] {
        let case = case(id);
        let report = fit(&case, "flights.parquet", "");
        let terms: Vec<&str> =
            report["coefficients"].as_array().unwrap().iter().map(|c| text(c, "term")).collect();
        let wanted: Vec<&str> =
            case["terms"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        assert_eq!(terms, wanted, "{id}");
        let aliased: Vec<&str> =
            report["aliased"].as_array().unwrap().iter().map(|a| text(a, "term")).collect();
        let wanted: Vec<&str> =
            case["aliased"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        assert_eq!(aliased, wanted, "{id}");
        close(id, number(&report, "glance/deviance"), number(&case, "rss"), 1e-9);
        assert_eq!(number(&report, "rank"), number(&case, "rank"), "{id}");
    }
}

#[test]
fn groups_are_separate_regressions() {
    let case = case("by-carrier");
    let dir = Dir::new();
    let command = dir.streamreg("fit --by carrier --format json --formula").arg(text(&case, "formula"));
    let report = command.arg(golden("flights.parquet")).success().json();
    let groups = report["groups"].as_array().unwrap();
    let wanted = case["groups"].as_array().unwrap();
    assert_eq!(groups.len(), wanted.len());
    for (found, wanted) in groups.iter().zip(wanted) {
        let id = text(wanted, "group");
        assert_eq!(found["by"]["carrier"], id);
        compare(id, wanted, found, 1e-8);
        let dependent = wanted["aliased"].as_array().is_some();
        assert_eq!(text(found, "status") != "ok", dependent, "{found}");
    }
}

#[test]
fn several_targets_come_from_one_pass() {
    let case = case("two-targets");
    let dir = Dir::new();
    let command = dir.streamreg("fit --format json --formula").arg(text(&case, "formula"));
    let report = command.arg(golden("flights.parquet")).success().json();
    for (found, wanted) in
        report["targets"].as_array().unwrap().iter().zip(case["targets"].as_array().unwrap())
    {
        assert_eq!(found["response"], wanted["target"]);
        compare("two-targets", wanted, found, 1e-8);
    }
    let line = "fit --target arr_delay,dep_delay --features distance,origin --format tidy -q";
    let tidy = dir.streamreg(line).arg(golden("flights.parquet")).success().csv();
    assert_eq!(tidy[0][..2], ["response", "term"]);
    assert_eq!((tidy[1][0].as_str(), tidy[8][0].as_str()), ("arr_delay", "dep_delay"));
    assert_eq!(tidy.len(), 9);
    let glance =
        dir.streamreg(&line.replace("tidy", "glance")).arg(golden("flights.parquet")).success().csv();
    assert_eq!((glance.len(), glance[2][0].as_str()), (3, "dep_delay"));
}

#[test]
fn malformed_formulas_point_at_the_character() {
    let dir = Dir::new();
    let message = |formula: &str| {
        let command = dir.streamreg("fit --formula").arg(formula).arg(golden("flights.parquet"));
        command.run().code(2).stderr
    };
    let stderr = message("arr_delay ~ dep_delay + ");
    assert!(stderr.contains("\n  arr_delay ~ dep_delay + \n                          ^"), "{stderr}");
    assert!(message("arr_delay ~ sine(distance)").contains("log"), "the functions are listed");
    assert!(message("dep_delay + origin").contains("no response"));
    let both = dir.streamreg("fit --target dep_delay --formula").arg("arr_delay ~ origin");
    let stderr = both.arg(golden("flights.parquet")).run().code(2).stderr;
    assert!(stderr.contains("do not name a target besides"), "{stderr}");
    let missing =
        dir.streamreg("fit --formula").arg("arr_delay ~ log(distanc)").arg(golden("flights.parquet"));
    let stderr = missing.run().code(3).stderr;
    assert!(stderr.contains("\"distanc\"") && stderr.contains("\"distance\""), "{stderr}");
}

#[test]
fn a_formula_may_have_only_a_right_side_and_a_dot() {
    let dir = Dir::new();
    dir.write("d.csv", "y,a,b,g,id\n1,1,5,u,1\n2,3,4,v,2\n4,2,9,u,3\n3,7,2,v,4\n6,5,1,u,5\n5,5,5,v,6\n");
    let fit = |line: &str, formula: &str| {
        let command = dir.streamreg(&format!("fit d.csv {line} --format json --formula")).arg(formula);
        let report = command.success().json();
        let terms: Vec<String> =
            report["coefficients"].as_array().unwrap().iter().map(|c| text(c, "term").to_owned()).collect();
        terms
    };
    assert_eq!(
        fit("--target y --exclude id", ".*g"),
        ["(Intercept)", "a", "b", "g[T.v]", "a:g[T.v]", "b:g[T.v]"]
    );
    assert_eq!(fit("--exclude i*", "log(y) ~ . - b"), ["(Intercept)", "a"]);
    assert_eq!(fit("--no-intercept", "y ~ a"), ["a"]);
}

#[test]
fn orthogonal_polynomials_that_only_meet_numbers_are_their_own() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,z,g\n1,1,2,u\n2,2,3,u\n4,3,1,u\n3,5,4,u\n6,7,2,u\n5,9,6,u\n");
    // formulaic's model matrices, solved by numpy.
    for (formula, estimates, std_errors) in [
        (
            "y ~ z:poly(x, 1)",
            &[3.2042513863216273, 0.6794355515509658][..],
            &[0.6536142151310332, 0.37506831965076187][..],
        ),
        (
            "y ~ z + z:poly(x, 2)",
            &[5.506810844984055, -0.8642060057742535, 1.5931579450938766, -0.4623031990136256],
            &[1.2367135744929894, 0.42918597647873913, 0.4552872860116539, 0.33617658115038296],
        ),
    ] {
        for more in ["", "--by g", "--missing indicator", "--solver qr"] {
            let line = format!("fit d.csv --format json {more} --formula");
            let report = dir.streamreg(&line).arg(formula).success().json();
            let own = report["groups"].get(0).unwrap_or(&report);
            for (field, wanted) in [("estimate", estimates), ("std_error", std_errors)] {
                for (found, wanted) in column(own, field).iter().zip(wanted) {
                    close(&format!("{formula} {more} {field}"), found.unwrap(), *wanted, 1e-10);
                }
            }
        }
    }
}
