//! What comes after a fit, against statsmodels, scikit-learn and R: `tests/golden/after_fit`.

use serde_json::Value;

use crate::util::{Dir, close, golden, golden_json, number};

fn expected() -> Value {
    golden_json("after_fit/expected.json")
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().unwrap_or("")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Fits a case and keeps the model as `m.json`.
fn fitted(dir: &Dir, case: &Value) {
    let line =
        format!("fit {} --save-model m.json {}", golden(text(case, "data")).display(), text(case, "options"));
    dir.streamreg(&line).arg("--formula").arg(text(case, "formula")).success();
}

#[test]
fn statistics_of_rows() {
    for case in expected()["augment"].as_array().unwrap() {
        let (dir, name) = (Dir::new(), text(case, "name"));
        fitted(&dir, case);
        let line = format!("predict m.json {} --columns all", golden(text(case, "data")).display());
        let out = dir.streamreg(&line).run().code(0);
        assert!(!out.stderr.contains("leverages sum"), "{name}: {}", out.stderr);
        let rows = out.csv();
        let chosen: Vec<usize> = match case["rows"].as_array() {
            Some(rows) => rows.iter().map(|r| r.as_u64().unwrap() as usize).collect(),
            None => (0..rows.len() - 1).collect(),
        };
        for (column, values) in case["values"].as_object().unwrap() {
            let at = rows[0].iter().position(|c| *c == format!(".{column}")).unwrap();
            let wanted = numbers(values);
            assert_eq!(wanted.len(), chosen.len(), "{name}");
            for (&row, wanted) in chosen.iter().zip(wanted) {
                let got: f64 = rows[row + 1][at].parse().unwrap();
                // Longley's residuals lose digits in statsmodels.
                let scale = if column.contains("resid") { wanted.abs().max(1e-2) } else { wanted };
                let off = (got - wanted).abs() / scale.abs();
                assert!(off < 1e-7, "{name}: .{column} of row {row}: {got}, not {wanted}");
            }
        }
    }
}

#[test]
fn statistics_of_rows_as_in_r() {
    let lines = crate::util::csv(&std::fs::read_to_string(golden("after_fit/r_longley.csv")).unwrap());
    for (prefix, options) in [("plain", ""), ("weighted", "--weights w --weight-type analytic")] {
        let dir = Dir::new();
        let data = golden("after_fit/longley.csv");
        let formula = "'totemp ~ gnpdefl + gnp + unemp + armed + pop + year'";
        dir.streamreg(&format!("fit {} {formula} {options} --save-model m.json", data.display())).success();
        let rows = dir.streamreg(&format!("predict m.json {} --columns all", data.display())).success().csv();
        for (at, column) in rows[0].iter().enumerate() {
            let theirs = lines[0].iter().position(|c| *c == format!("{prefix}{column}")).unwrap();
            for (row, line) in lines.iter().enumerate().skip(1) {
                let [got, wanted] =
                    [&rows[row][at], &line[theirs]].map(|cell| cell.trim().parse::<f64>().unwrap());
                close(&format!("{prefix}{column} of row {row}"), got, wanted, 1e-9);
            }
        }
    }
}

#[test]
fn statistics_of_rows_with_an_eliminated_category() {
    let dir = Dir::new();
    let data = golden("after_fit/planes.csv.gz");
    let formula = "'arr_delay ~ dep_delay + distance + tailnum'";
    // A restriction asks for a column for every level.
    for (options, model) in [("", "m.json"), ("--test 'distance = 0'", "w.json")] {
        dir.streamreg(&format!("fit {} {formula} {options} --save-model {model}", data.display())).success();
    }
    let rows = ["m.json", "w.json"].map(|model| {
        // No word on stderr: the leverages sum to the number of coefficients.
        dir.streamreg(&format!("predict {model} {} --columns all", data.display())).success().csv()
    });
    for row in (1..rows[0].len()).step_by(997) {
        for (got, wanted) in rows[0][row].iter().zip(&rows[1][row]) {
            let [got, wanted] = [got, wanted].map(|cell| cell.parse::<f64>().unwrap());
            assert!((got - wanted).abs() <= 1e-8 * wanted.abs().max(1e-4), "row {row}: {got}, not {wanted}");
        }
    }
}

#[test]
fn statistics_say_what_they_need() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y,w\n1,2,1\n2,4,2\n3,4,1\n4,5,3\n5,6,1\n");
    dir.write("new.csv", "x,z\n1,a\n,b\n7,c\n");
    dir.streamreg("fit d.csv 'y ~ x' --save-model m.json").success();
    // Fitted values need nothing else, and null stays null.
    let rows = dir.streamreg("predict m.json new.csv --columns fitted,se --keep '*' --quiet").success().csv();
    assert_eq!(rows[0], ["x", "z", ".fitted", ".se.fit"]);
    assert_eq!(rows[2], ["", "b", "", ""]);
    dir.streamreg("predict m.json new.csv --columns resid")
        .fails(3, &["\"y\"", "rows with the response of the fit"]);
    dir.streamreg("predict m.json new.csv --columns residual").fails(2, &["none of fitted", "(or se, all)"]);
    dir.streamreg("predict m.json new.csv --columns fitted,fitted")
        .fails(2, &["two output columns", ".fitted"]);
    // Other rows than those of the fit.
    dir.write("other.csv", "x,y\n1,2\n7,3\n");
    let out = dir.streamreg("predict m.json other.csv --columns hat").run().code(0);
    assert!(out.stderr.contains("not exactly the rows of the fit"), "{}", out.stderr);
    // A row without a response has a fitted value, and was none of the fit.
    dir.write("gap.csv", "x,y\n1,2\n2,\n3,4\n");
    let rows = dir.streamreg("predict m.json gap.csv --columns fitted,resid,hat --quiet").success().csv();
    assert!(rows[2][1].is_empty() && !rows[2][0].is_empty() && rows[2][2].is_empty(), "{rows:?}");
    // Weights, and models without a covariance.
    dir.streamreg("fit d.csv 'y ~ x' --weights w --weight-type analytic --save-model w.json").success();
    dir.streamreg("predict w.json gap.csv --columns hat").fails(3, &["\"w\"", "leverage needs its weights"]);
    dir.streamreg("predict w.json gap.csv --columns resid").success();
    dir.streamreg("fit d.csv 'y ~ x' --ridge 1 --save-model r.json").success();
    dir.streamreg("predict r.json d.csv --columns hat").fails(2, &["hat needs the covariance", "a penalty"]);
    dir.streamreg("predict r.json d.csv --columns resid,fitted").success();
    // Two rows that fit exactly leave no residual to divide.
    dir.write("line.csv", "x,y\n0,1\n1,2\n2,3\n");
    dir.streamreg("fit line.csv 'y ~ x' --save-model l.json").success();
    dir.streamreg("predict l.json line.csv --columns hat").fails(2, &["residuals of the fit are all 0"]);
}

#[test]
fn rows_of_leverage_one_have_no_studentised_residual() {
    let dir = Dir::new();
    dir.write("d.csv", "x,g,y\n1,a,2\n2,a,4\n3,a,4\n4,a,7\n5,b,6\n");
    dir.streamreg("fit d.csv 'y ~ x + g' --save-model m.json").success();
    let rows = dir.streamreg("predict m.json d.csv --columns hat,std.resid,cooksd,sigma").success().csv();
    close("hat", rows[5][0].parse().unwrap(), 1.0, 1e-12);
    assert_eq!(rows[5][1..], ["", "", ""], "R has NaN there");
}

/// The report of a case with more options.
fn report(dir: &Dir, case: &Value, more: &[&str]) -> Value {
    let line =
        format!("fit {} {} --format json", golden(text(case, "data")).display(), text(case, "options"));
    let command = dir.streamreg(&line).arg("--formula").arg(text(case, "formula"));
    command.args(more.iter().copied()).run().code(0).json()
}

fn same_test(name: &str, got: &Value, wanted: &Value, tolerance: f64) {
    close(name, got["statistic"].as_f64().unwrap(), wanted["statistic"].as_f64().unwrap(), tolerance);
    assert_eq!(got["df"], wanted["df"], "{name}");
    let (p, theirs) = (got["p_value"].as_f64().unwrap(), wanted["p"].as_f64().unwrap());
    // Powers of small numbers lose digits.
    assert!((p - theirs).abs() <= 1e-6 * theirs + 1e-300, "{name}: p {p}, not {theirs}");
}

#[test]
fn tests_of_factors() {
    for case in expected()["factors"].as_array().unwrap() {
        let dir = Dir::new();
        for (term, wanted) in case["tests"].as_object().unwrap() {
            let fit = report(&dir, case, &["--test", term]);
            let name = format!("{}: {term}", text(case, "name"));
            assert_eq!(fit["tests"][0]["hypothesis"], *term);
            same_test(&name, &fit["tests"][0], wanted, 1e-7);
        }
    }
}

#[test]
fn tests_of_an_eliminated_category() {
    let case = &expected()["eliminated"];
    let dir = Dir::new();
    let tests = case["tests"].as_object().unwrap();
    for options in ["", "--precision float"] {
        let line = format!("fit {} --format json {options}", golden("after_fit/planes.csv.gz").display());
        let mut command = dir.streamreg(&line).arg("--formula").arg(text(case, "formula"));
        for term in tests.keys() {
            command = command.arg("--test").arg(term);
        }
        let fit = command.run().code(0).json();
        assert_eq!(fit["glance"]["df_residual"], case["df_residual"]);
        assert!(fit["coefficients"].as_array().unwrap().len() > 250);
        for (at, (term, wanted)) in tests.iter().enumerate() {
            same_test(&format!("{term} {options}"), &fit["tests"][at], wanted, 1e-8);
        }
    }
    // By Wald's test over columns for every level, which a restriction asks for, the same comes out.
    let line = format!("fit {} --format json", golden("after_fit/planes.csv.gz").display());
    let command = dir.streamreg(&line).arg("--formula").arg(text(case, "formula"));
    let fit = command.args(["--test", "tailnum", "--test", "distance = 0"]).run().code(0).json();
    same_test("Wald: tailnum", &fit["tests"][0], &tests["tailnum"], 1e-7);
    same_test("Wald: distance", &fit["tests"][1], &tests["distance"], 1e-7);
}

#[test]
fn tests_name_terms() {
    let dir = Dir::new();
    let grunfeld = golden("after_fit/grunfeld.csv");
    let fit = |test: &str| {
        let line = format!("fit {} 'invest ~ value + firm*capital' --test '{test}'", grunfeld.display());
        dir.streamreg(&format!("{line} --format json"))
    };
    // By the column or in C(), in any order.
    let one = fit("firm").run().code(0).json();
    let other = fit("C(firm)").run().code(0).json();
    assert_eq!(one["tests"][0]["statistic"], other["tests"][0]["statistic"]);
    assert_eq!(fit("capital:firm").run().code(0).json()["tests"][0]["df"], 10);
    // One coefficient: F is the square of t.
    let t = one["coefficients"][1]["statistic"].as_f64().unwrap();
    let single = fit("value").run().code(0).json();
    close("F", number(&single, "tests/0/statistic"), t * t, 1e-12);
    fit("firms").fails(2, &["neither a term of the model", "firm", "no `=`"]);
    dir.write("d.csv", "y,x,z\n1,1,2\n2,2,4\n4,3,6\n5,5,10\n");
    dir.streamreg("fit d.csv 'y ~ x + z' --test z").fails(3, &["no coefficient that was estimated"]);
}

#[test]
fn references_as_formulas_write_categories() {
    let dir = Dir::new();
    let line = |reference: &str| {
        let data = golden("after_fit/grunfeld.csv");
        format!("fit {} 'invest ~ value + C(firm)' --reference {reference} --format tidy", data.display())
    };
    let bare = dir.streamreg(&line("firm=IBM")).success().stdout;
    assert_eq!(dir.streamreg(&line("'C(firm)=IBM'")).success().stdout, bare);
    assert_eq!(dir.streamreg(&line("'C( `firm` ) = IBM'")).success().stdout, bare);
    assert!(!bare.contains("T.IBM") && bare.contains("C(firm)[T.US Steel]"), "{bare}");
    dir.streamreg(&line("'C(firms)=IBM'")).fails(3, &["firms", "firm"]);
}

#[test]
fn errors_of_rows_held_out() {
    for case in expected()["cv"].as_array().unwrap() {
        let (dir, name) = (Dir::new(), text(case, "name"));
        let (folds, seed) = (case["folds"].to_string(), case["seed"].to_string());
        let fit = report(&dir, case, &["--cv", &folds, "--seed", &seed]);
        let cv = &fit["cross_validation"];
        assert_eq!(fit["solver"]["passes"], 1, "{name}: the same pass");
        assert_eq!(cv["fold_rows"], case["rows"], "{name}");
        for (ours, theirs) in [("fold_rmse", "rmse"), ("fold_r_squared", "r_squared")] {
            for (got, wanted) in numbers(&cv[ours]).into_iter().zip(numbers(&case[theirs])) {
                close(&format!("{name}: {ours}"), got, wanted, 1e-7);
            }
        }
        for (ours, theirs) in [
            ("rmse", "mean_rmse"),
            ("rmse_std_error", "se_rmse"),
            ("r_squared", "mean_r_squared"),
            ("r_squared_std_error", "se_r_squared"),
            ("pooled_rmse", "pooled_rmse"),
        ] {
            close(&format!("{name}: {ours}"), number(cv, ours), case[theirs].as_f64().unwrap(), 1e-6);
        }
        // The fit is that to all rows.
        let plain = report(&dir, case, &[]);
        assert_eq!(plain["coefficients"], fit["coefficients"], "{name}");
    }
}

#[test]
fn errors_of_rows_held_out_are_shown_or_refused() {
    let dir = Dir::new();
    let data = golden("after_fit/grunfeld.csv");
    let fit =
        |more: &str| dir.streamreg(&format!("fit {} 'invest ~ value + capital' {more}", data.display()));
    let table = fit("--cv 3").success().stdout;
    assert!(
        table.contains("Held out") && table.contains("fold 3") && table.contains("its standard error"),
        "{table}"
    );
    let glance = fit("--cv 3 --format glance").success().csv();
    let at = |name: &str| glance[0].iter().position(|c| c == name).unwrap();
    let json = fit("--cv 3 --format json").success().json();
    assert_eq!(glance[1][at("cv.folds")], "3");
    close("rmse", glance[1][at("cv.rmse")].parse().unwrap(), number(&json, "cross_validation/rmse"), 1e-15);
    assert!(fit("--cv 3 --format markdown").success().stdout.contains("| fold 2 |"));
    // All rows of a firm in one fold, which the written folds show.
    fit("--cv 3 --cv-group firm --folds-out folds.csv").success();
    assert_eq!(dir.read("folds.csv").lines().count(), 221);
    // A firm that is in one fold alone is not known there.
    let out = dir
        .streamreg(&format!(
            "fit {} 'invest ~ value + firm' --cv 3 --cv-group firm --format json",
            data.display()
        ))
        .run()
        .code(0)
        .json();
    let codes: Vec<&str> = out["warnings"].as_array().unwrap().iter().map(|w| text(w, "code")).collect();
    assert!(codes.contains(&"fold_coefficients"), "{codes:?}");
    // As many folds as rows, or more; and rows that leave no residual.
    dir.write("few.csv", "x,y\n1,2\n2,3\n3,5\n4,4\n");
    let few = |options: &str| {
        dir.streamreg(&format!("fit few.csv 'y ~ x' --format json {options}")).run().code(0).json()
    };
    let said = |report: &serde_json::Value, code: &str| {
        let own = report["warnings"].as_array().unwrap().iter().find(|w| w["code"] == code).cloned();
        own.map(|w| text(&w, "message").to_owned()).unwrap_or_default()
    };
    let leave_one_out = few("--cv 4");
    assert_eq!(leave_one_out["cross_validation"]["fold_rows"], serde_json::json!([1, 1, 1, 1]));
    assert_eq!(leave_one_out["warnings"], serde_json::json!([]));
    assert!(said(&few("--cv 5"), "empty_folds").contains("1 of 5 folds has no row, and is left out"));
    assert!(said(&few("--cv 6"), "empty_folds").contains("2 of 6 folds have no row, and are left out"));
    let halves = few("--cv 2");
    assert!(said(&halves, "fold_saturated").contains("in 2 of 2 folds"), "{halves}");
    assert_eq!(said(&halves, "fold_digits"), "");
    for (more, words) in [
        ("--cv 3 --format tidy", "the option cv would have no effect"),
        ("--cv 3 --by firm", "not cross-validated"),
        ("--cv 3 --solver qr", "auto or cholesky"),
        ("--cv 3 --solver sgd", "no error of rows held out by folds"),
        ("--cv-rule 1se --cv 3", "--cv-rule, --lambdas"),
        ("--cv 1", "2 to 1000 folds"),
    ] {
        fit(more).fails(2, &[words]);
    }
}

#[test]
fn standardised_coefficients() {
    let values = |dir: &Dir, case: &Value, more: &[&str]| {
        let fit = report(dir, case, &[&["--standardized"], more].concat());
        let rows = fit["coefficients"].as_array().unwrap().clone();
        rows.into_iter().map(move |row| (text(&row, "term").to_owned(), row["standardized"].as_f64()))
    };
    for case in expected()["standardized"].as_array().unwrap() {
        let dir = Dir::new();
        for (term, got) in values(&dir, case, &[]) {
            match case["values"][&term].as_f64() {
                Some(wanted) => close(&format!("{}: {term}", text(case, "name")), got.unwrap(), wanted, 1e-8),
                None => assert!(term == "(Intercept)" && got.is_none(), "{term}: {got:?}"),
            }
        }
    }
    // An eliminated category has the standardised coefficients of its levels, too; by Wald's way the same.
    let mut case = expected()["eliminated"]["standardized"].clone();
    case["data"] = "after_fit/planes.csv.gz".into();
    for more in [&[][..], &["--test", "distance = 0"]] {
        let dir = Dir::new();
        let all: std::collections::HashMap<String, Option<f64>> = values(&dir, &case, more).collect();
        for (term, wanted) in case["values"].as_object().unwrap() {
            close(term, all[term].unwrap(), wanted.as_f64().unwrap(), 1e-8);
        }
    }
}

#[test]
fn standardised_coefficients_are_shown_or_refused() {
    let dir = Dir::new();
    let data = golden("after_fit/grunfeld.csv");
    let fit =
        |more: &str| dir.streamreg(&format!("fit {} 'invest ~ value + capital' {more}", data.display()));
    assert!(fit("--standardized").success().stdout.contains("Standardized"));
    let tidy = fit("--standardized --format tidy --vcov hc1").success().csv();
    assert_eq!(tidy[0].last().unwrap(), "standardized");
    assert!(tidy[1].last().unwrap().is_empty() && tidy[2].last().unwrap().parse::<f64>().is_ok());
    assert!(fit("--standardized --format markdown").success().stdout.contains("| standardized |"));
    assert!(!fit("--format json").success().stdout.contains("standardized"));
    for (more, words) in [
        ("--standardized --format glance", "would have no effect"),
        ("--standardized --ridge 1", "standardised coefficients"),
        ("--standardized --by firm", "standardised coefficients"),
        ("--standardized --solver cg", "standardised coefficients"),
    ] {
        fit(more).fails(2, &[words]);
    }
}

#[test]
fn predictions_at_points() {
    for case in expected()["at"].as_array().unwrap() {
        let dir = Dir::new();
        fitted(&dir, case);
        for (kind, ends) in [("confidence", [1, 2]), ("prediction", [3, 4])] {
            let mut command = dir.streamreg(&format!("predict m.json --interval {kind} -o out.csv"));
            for at in case["at"].as_array().unwrap() {
                command = command.arg("--at").arg(at.as_str().unwrap());
            }
            command.success();
            let rows = crate::util::csv(&dir.read("out.csv"));
            let first = rows[0].iter().position(|c| c == "prediction").unwrap();
            let wanted = case["values"].as_array().unwrap();
            assert_eq!(rows.len(), wanted.len() + 1);
            for (row, wanted) in rows[1..].iter().zip(wanted) {
                let wanted = numbers(wanted);
                for (at, own) in [0, ends[0], ends[1]].into_iter().enumerate() {
                    close(kind, row[first + at].parse().unwrap(), wanted[own], 1e-6);
                }
            }
        }
    }
}

#[test]
fn points_are_checked() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,g,b,when\n1,1,u,true,2024-01-01\n3,2,\"v, w\",false,2024-01-02\n2,4,u,false,2024-01-03\n5,3,\"v, w\",true,2024-01-05\n4,6,u,true,2024-02-01\n");
    dir.streamreg("fit d.csv 'y ~ x + g + b' --save-model m.json").success();
    let table = dir
        .streamreg("predict m.json")
        .args(["--at", "x=1:2,g=\"v, w\",b=true", "--at", "x=0:1:0.5,g=u,b=0"])
        .success();
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{}", table.stdout);
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["x", "g", "b", "prediction"]);
    assert!(
        lines[1].contains("v, w") && lines[1].contains("true") && lines[4].starts_with("0.5"),
        "{}",
        table.stdout
    );
    for (at, code, words) in [
        ("x=1", 2, &["no value is given for \"g\", \"b\""][..]),
        ("x=1,g=u,b=true,z=3", 2, &["\"z\"", "none that the predictions need", "\"x\", \"g\", \"b\""]),
        ("x=1,x=2,g=u,b=true", 2, &["given twice"]),
        ("x=one,g=u,b=true", 2, &["\"one\" is not a number"]),
        ("x=1,g=u,b=maybe", 2, &["neither true nor false"]),
        ("x=1:b,g=u,b=true", 2, &["from:to"]),
        ("x=1:2:-1,g=u,b=true", 2, &["never gets to its end"]),
        ("x=1:2:0,g=u,b=true", 2, &["too many values"]),
        ("x=1:1e9,g=u,b=true", 2, &["too many values"]),
        ("x=1,g=zz,b=true", 3, &["\"g\"", "not fitted to the level \"zz\""]),
        ("x,g=u", 2, &["NAME=VALUE"]),
        ("x=1,g=\"u,b=true", 2, &["a quote is not closed"]),
    ] {
        dir.streamreg("predict m.json").args(["--at", at]).fails(code, words);
    }
    let both = dir.streamreg("predict m.json d.csv --at x=1").run().code(2).stderr;
    assert!(both.contains("cannot be used with '--at"), "{both}");
    let neither = dir.streamreg("predict m.json").run().code(2).stderr;
    assert!(neither.contains("FILE"), "{neither}");
    dir.streamreg("predict m.json --keep x --at x=1,g=u,b=0").fails(2, &["copied in any case"]);
    // Computed columns are made of the values.
    dir.streamreg("fit d.csv 'y ~ double' --with 'double = 2 * x' --save-model w.json").success();
    let twice = dir.streamreg("predict w.json --at x=1:2").success().stdout;
    assert_eq!(twice.lines().count(), 3, "{twice}");
    // Or have values of their own: names in quotes, steps in decimals, missing numbers and levels.
    dir.streamreg("fit d.csv 'y ~ `my col` + big + g' --with 'my col = 2 * x' --with 'big = x > 3' --missing indicator --save-model q.json").run().code(0);
    let rows = |at: &str| dir.streamreg("predict q.json").args(["--at", at]).success().stdout;
    let of_x = rows("x=4,g=u");
    let last =
        |table: &str| table.lines().next_back().unwrap().split_whitespace().next_back().unwrap().to_owned();
    assert_eq!(last(&rows("\"my col\"=8,big=true,g=u")), last(&of_x));
    assert_eq!(last(&rows("`my col`=8,big=1,g=u")), last(&of_x));
    let first: Vec<String> = rows("`my col`=0:0.3:0.1,big=0,g=u")
        .lines()
        .skip(1)
        .map(|l| l.split_whitespace().next().unwrap().into())
        .collect();
    assert_eq!(first, ["0.0", "0.1", "0.2", "0.3"]);
    for missing in ["x=NA,g=u,b=true", "x=,g=u,b=true", "x=1,g=NA,b=true", "x=1,g=,b=1", "x=1,g=u,b="] {
        let out = dir.streamreg("predict m.json").args(["--at", missing]).run().code(0);
        assert!(
            out.stderr.contains("1 of 1 rows have no prediction") && last(&out.stdout) == "NA",
            "{missing}: {}",
            out.stdout
        );
    }
    // Statistics that are there without the response; dates are for files.
    assert!(
        dir.streamreg("predict m.json --at x=1,g=u,b=0 --columns fitted,se")
            .success()
            .stdout
            .contains(".se.fit")
    );
    dir.streamreg("fit d.csv 'y ~ when' --save-model t.json").success();
    dir.streamreg("predict t.json --at when=2024-01-04").fails(2, &["a date", "predict from one"]);
}

#[test]
fn errors_of_groups() {
    let case = &expected()["evaluate"];
    let dir = Dir::new();
    let data = golden("flights.parquet");
    let line = format!("fit {} --save-model m.json", data.display());
    dir.streamreg(&line).arg("--formula").arg(text(case, "formula")).success();
    let line = format!("evaluate m.json {} --by carrier --format json", data.display());
    let out = dir.streamreg(&line).success().json();
    let whole = dir.streamreg(&format!("evaluate m.json {} --format json", data.display())).success().json();
    assert_eq!(out["mse"], whole["mse"]);
    assert!(whole.get("groups").is_none() && out["by"][0] == "carrier");
    let groups = case["groups"].as_object().unwrap();
    let got = out["groups"].as_array().unwrap();
    assert_eq!(got.len(), groups.len());
    for (got, (carrier, wanted)) in got.iter().zip(groups) {
        assert_eq!(got["values"][0], *carrier);
        assert_eq!(got["rows"], wanted["rows"]);
        for measure in ["mse", "rmse", "mae", "r_squared"] {
            close(
                &format!("{carrier}: {measure}"),
                number(got, measure),
                wanted[measure].as_f64().unwrap(),
                1e-9,
            );
        }
        assert!((number(got, "bias") - wanted["bias"].as_f64().unwrap()).abs() < 1e-9);
    }
    // Threads change no bit; groups by two columns, one of them in the model.
    let two = |threads: usize| {
        let line =
            format!("evaluate m.json {} --by origin,month --format json --threads {threads}", data.display());
        dir.streamreg(&line).success().json()
    };
    let one = two(1);
    assert_eq!(one["groups"], two(7)["groups"]);
    assert_eq!(one["groups"].as_array().unwrap().len(), 36);
    assert_eq!(one["groups"][3]["values"], serde_json::json!(["EWR", "4"]));
    let table = dir
        .streamreg(&format!("evaluate m.json {} --by origin --where 'month = 1'", data.display()))
        .success();
    assert!(table.stdout.contains("LGA") && table.stdout.contains("R-squared"), "{}", table.stdout);
    dir.streamreg(&format!("evaluate m.json {} --by nowhere", data.display())).fails(3, &["nowhere"]);
}

#[test]
fn a_constant_response_is_said() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,z\n5.1,1,2\n5.1,2,3\n5.1,3,7\n5.1,4,1\n5.1,6,6\n");
    for options in ["", "--precision float", "--solver qr", "--standardized"] {
        let table = dir.streamreg(&format!("fit d.csv 'y ~ x + z' {options}")).run().code(0).stdout;
        assert!(
            table.contains("the response is constant: there is nothing to explain, and R² has no value"),
            "{table}"
        );
        assert!(
            !table.contains("ill-conditioned") && table.contains("NA if the cells are rounded"),
            "{table}"
        );
    }
    let error = dir.streamreg("fit d.csv 'y ~ x' --cv 2 --format json").run().code(0).json();
    assert!(error["cross_validation"]["r_squared"].is_null(), "{error}");
}

#[test]
fn the_condition_number_says_what_it_covers() {
    let dir = Dir::new();
    let data = golden("after_fit/planes.csv.gz");
    let line = format!("fit {} 'arr_delay ~ dep_delay + tailnum'", data.display());
    let table = dir.streamreg(&line).success().stdout;
    assert!(table.contains("(of the other columns within the levels of tailnum)"), "{table}");
    assert_eq!(dir.streamreg(&format!("{line} --format json")).success().json()["eliminated"], "tailnum");
    let line = format!("fit {} 'arr_delay ~ dep_delay' --format json", data.display());
    assert!(dir.streamreg(&line).success().json().get("eliminated").is_none());
}

#[test]
fn predictions_that_cannot_be_estimated_are_said() {
    let dir = Dir::new();
    dir.write("d.csv", "y,g,h\n1,a,u\n2,a,u\n5,b,u\n6,b,u\n3,b,v\n4,b,v\n");
    dir.write("new.csv", "y,g,h\n1,a,v\n2,a,u\n3,b,v\n4,,v\n");
    // The cell that no row had, whichever way its column is written.
    for formula in ["y ~ 0 + g:h", "y ~ g*h", "y ~ g + g:h", "y ~ h*g"] {
        for contrasts in ["treatment", "sum"] {
            let options =
                if formula.contains('*') { format!("--contrasts {contrasts}") } else { String::new() };
            dir.streamreg(&format!("fit d.csv '{formula}' {options} --save-model m.json")).success();
            let out = dir.streamreg("predict m.json new.csv --interval confidence").run().code(0);
            let rows = out.csv();
            assert_eq!(rows[1], ["", "", ""], "{formula}: {}", out.stdout);
            close(formula, rows[2][0].parse().unwrap(), 1.5, 1e-12);
            close(formula, rows[3][0].parse().unwrap(), 3.5, 1e-12);
            assert!(
                out.stderr.contains("1 of 4 rows have no prediction: they combine levels"),
                "{}",
                out.stderr
            );
            assert!(
                out.stderr.contains("1 of 4 rows have no prediction: an input is missing"),
                "{}",
                out.stderr
            );
            let evaluation = dir.streamreg("evaluate m.json new.csv --format json").success().json();
            assert_eq!(evaluation["rows"], 2);
            assert_eq!(evaluation["warnings"][0]["code"], "inestimable");
        }
    }
    // The solution of minimum norm has a value for it, by convention.
    dir.streamreg("fit d.csv 'y ~ g*h' --collinear min-norm --save-model s.json").success();
    let rows = dir.streamreg("predict s.json new.csv --quiet").success().csv();
    assert!(rows[1][0].parse::<f64>().is_ok(), "{rows:?}");
    // A number that was set aside need not be there, and changes nothing.
    dir.write("n.csv", "y,x,z\n1,1,2\n2,2,4\n4,3,6\n");
    dir.streamreg("fit n.csv 'y ~ x + z' --save-model n.json").success();
    dir.write("x.csv", "x\n7\n");
    assert_ne!(dir.streamreg("predict n.json x.csv").success().csv()[1][0], "");
}

/// The statistics of rows of a model with an offset are those of the fit to the difference.
#[test]
fn offsets_are_taken_from_the_response_once() {
    let dir = Dir::new();
    let rows = ["1.5,1,0.2,3", "2.5,2,0.7,1", "2.1,3,0.1,2", "4.4,4,0.9,5", "5.2,5,0.4,4", "5.1,6,0.6,2"];
    let difference = |row: &&str| {
        let cells: Vec<f64> = row.split(',').map(|cell| cell.parse().unwrap()).collect();
        format!("{row},{}", cells[0] - cells[2])
    };
    let rows: Vec<String> = rows.iter().map(difference).collect();
    dir.write("d.csv", format!("y,x,z,w,d\n{}\n", rows.join("\n")));
    for weights in ["", " --weights w --weight-type analytic"] {
        let statistics = |formula: &str| {
            dir.streamreg(&format!("fit d.csv '{formula}' --save-model m.json -q{weights}")).success();
            dir.streamreg("predict m.json d.csv --columns resid,hat,sigma,cooksd,std.resid").success().csv()
        };
        let (with, without) = (statistics("y ~ x + offset(z)"), statistics("d ~ x"));
        for (a, b) in with.iter().zip(&without).skip(1) {
            for (a, b) in a.iter().zip(b) {
                close("statistic", a.parse().unwrap(), b.parse().unwrap(), 1e-9);
            }
        }
    }
}
