//! 336,776 flights: nulls, a constant column, an exact collinearity, text, a timestamp. The golden values
//! are those of statsmodels.

use serde_json::Value;

use crate::util::{Dir, close, column, golden, golden_json, number};

const ARGS: &str =
    "--target arr_delay --features dep_delay,air_time,distance,year,hour,minute,sched_dep_time";

fn fit(file: &str, more: &str) -> Value {
    let dir = Dir::new();
    let command = dir.streamreg(&format!("fit {ARGS} {more} --format json")).arg(golden(file));
    command.success().json()
}

/// The coefficients that were estimated agree with statsmodels, and so does the fit as a whole.
fn agrees_with_statsmodels(report: &Value) {
    let expected = golden_json("flights.json");
    for wanted in expected["coefficients"].as_array().unwrap() {
        let term = wanted["term"].as_str().unwrap();
        let found = report["coefficients"].as_array().unwrap().iter().find(|c| c["term"] == term).unwrap();
        for field in ["estimate", "std_error", "statistic", "conf_low", "conf_high"] {
            close(&format!("{term} {field}"), number(found, field), number(wanted, field), 1e-9);
        }
    }
    for (name, wanted) in expected["glance"].as_object().unwrap() {
        close(name, number(&report["glance"], name), wanted.as_f64().unwrap(), 1e-9);
    }
}

fn names_what_depends(report: &Value) {
    let aliased = report["aliased"].as_array().unwrap();
    let terms: Vec<&Value> = aliased.iter().map(|a| &a["term"]).collect();
    assert_eq!(terms, ["year", "sched_dep_time"], "{aliased:#?}");
    assert_eq!(aliased[0]["depends_on"], serde_json::json!(["(Intercept)"]));
    close("year", number(&aliased[0], "coefficients/0"), 2013.0, 1e-9);
    assert_eq!(aliased[1]["depends_on"], serde_json::json!(["hour", "minute"]));
    close("100 hour", number(&aliased[1], "coefficients/0"), 100.0, 1e-9);
    close("1 minute", number(&aliased[1], "coefficients/1"), 1.0, 1e-9);
    assert_eq!(report["rank"], 6);
    for c in report["coefficients"].as_array().unwrap() {
        let set_aside = c["term"] == "year" || c["term"] == "sched_dep_time";
        let fields = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"];
        assert!(fields.iter().all(|f| c[f].is_null() == set_aside), "{c:#}");
    }
}

fn accounts_for_every_row(report: &Value) {
    let ledger = &report["ledger"];
    assert_eq!((&ledger["rows_read"], &ledger["rows_used"]), (&336_776.into(), &327_346.into()));
    let dropped = ledger["dropped"].as_array().unwrap();
    assert_eq!(dropped.iter().map(|d| d["rows"].as_u64().unwrap()).sum::<u64>(), 9_430);
    assert_eq!(dropped[0], serde_json::json!({"column": "arr_delay", "reason": "null", "rows": 9_430}));
    assert_eq!(report["glance"]["nobs"], 327_346);
}

#[test]
fn parquet() {
    let report = fit("flights.parquet", "");
    names_what_depends(&report);
    accounts_for_every_row(&report);
    agrees_with_statsmodels(&report);
    assert_eq!(report["inputs"][0]["rows"], 336_776);
}

#[test]
fn every_solver() {
    for solver in ["cholesky", "qr", "svd"] {
        let report = fit("flights.parquet", &format!("--solver {solver}"));
        names_what_depends(&report);
        agrees_with_statsmodels(&report);
        assert_eq!(report["solver"]["used"], solver);
    }
}

#[test]
fn compressed_csv() {
    let (csv, parquet) = (fit("flights.csv.gz", ""), fit("flights.parquet", ""));
    names_what_depends(&csv);
    accounts_for_every_row(&csv);
    agrees_with_statsmodels(&csv);
    assert_eq!(csv["ledger"], parquet["ledger"]);
    for field in ["estimate", "std_error"] {
        for (c, p) in column(&csv, field).into_iter().zip(column(&parquet, field)) {
            assert_eq!(c.is_some(), p.is_some());
            close(field, c.unwrap_or(0.0), p.unwrap_or(0.0), 1e-11);
        }
    }
}

#[test]
fn the_table_says_it_all() {
    let dir = Dir::new();
    let out = dir.streamreg(&format!("fit {ARGS}")).arg(golden("flights.parquet")).success();
    for words in [
        "arr_delay ~ dep_delay + air_time + distance + year + hour + minute + sched_dep_time",
        "327,346 rows",
        "9,430 of 336,776 rows dropped",
        "year is constant (2013)",
        "sched_dep_time = 100 hour + minute",
    ] {
        out.check(out.stdout.contains(words), words);
    }
}

#[test]
fn all_features_by_default() {
    let dir = Dir::new();
    let report =
        dir.streamreg("fit --target arr_delay --format json").arg(golden("flights.parquet")).success().json();
    let left_out: Vec<&str> =
        report["left_out"].as_array().unwrap().iter().map(|l| l["column"].as_str().unwrap()).collect();
    assert_eq!(left_out, ["carrier", "tailnum", "origin", "dest", "time_hour"]);
    assert_eq!(report["coefficients"].as_array().unwrap().len(), 14);
}
