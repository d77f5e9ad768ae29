//! Which rows count, and how much: weights, groups, missing values, filters.

use serde_json::Value;

use crate::util::{Dir, Random, close, column, golden, golden_json, number};

fn fit(dir: &Dir, line: &str, args: &[&str]) -> Value {
    args.iter().fold(dir.streamreg(&format!("fit --format json {line}")), |c, a| c.arg(a)).success().json()
}

#[test]
fn frequencies_are_repeated_rows() {
    let dir = Dir::new();
    let mut random = Random::new(3);
    let (mut weighted, mut expanded) = (String::from("y,x,g,w\n"), String::from("y,x,g\n"));
    for i in 0..200 {
        let row = format!("{},{},{}", random.unit(), random.unit(), ["a", "b", "c"][i % 3]);
        let w = random.below(4);
        weighted += &format!("{row},{w}\n");
        expanded += &format!("{row}\n").repeat(w);
    }
    dir.write("w.csv", weighted);
    dir.write("e.csv", expanded);
    let model = "--formula";
    for formula in ["y ~ x*g", "y ~ poly(x, 2)", "y ~ 0 + x + g"] {
        let w = fit(&dir, &format!("w.csv --weights w --weight-type frequency {model}"), &[formula]);
        let e = fit(&dir, &format!("e.csv {model}"), &[formula]);
        for field in ["estimate", "std_error", "p_value", "conf_low"] {
            for (a, b) in column(&w, field).iter().zip(column(&e, field)) {
                close(formula, a.unwrap(), b.unwrap(), 1e-9);
            }
        }
        for key in ["nobs", "df_residual", "log_lik", "aic", "bic", "r_squared", "adj_r_squared", "statistic"]
        {
            let path = format!("glance/{key}");
            close(&path, number(&w, &path), number(&e, &path), 1e-10);
        }
        let zero = &w["ledger"]["dropped"][0];
        assert_eq!((zero["column"].as_str(), zero["reason"].as_str()), (Some("w"), Some("zero_weight")));
    }
}

#[test]
fn analytic_weights_may_have_any_scale() {
    let dir = Dir::new();
    let mut random = Random::new(4);
    let body: String = (0..300)
        .map(|i| {
            let w = 1.0 + random.unit().abs();
            format!("{},{},{},{w},{}\n", random.unit(), random.unit(), i % 4, w * 1024.0)
        })
        .collect();
    dir.write("d.csv", format!("y,x,g,w,v\n{body}"));
    let of = |w: &str| {
        let line =
            format!("d.csv --weights {w} --weight-type analytic --categorical g --target y --exclude w,v");
        fit(&dir, &line, &[])
    };
    let (w, v) = (of("w"), of("v"));
    assert_eq!(w["coefficients"].to_string(), v["coefficients"].to_string(), "a power of two changes no bit");
    close("sigma", number(&v, "glance/sigma"), 32.0 * number(&w, "glance/sigma"), 1e-14);
    assert_eq!(number(&w, "glance/nobs"), 300.0);
}

#[test]
fn weights_that_are_none_are_errors_with_their_row() {
    let dir = Dir::new();
    let stderr = |weights: [&str; 4], kind: &str| {
        let rows: String = weights.iter().enumerate().map(|(i, w)| format!("{i},{},{w}\n", i * i)).collect();
        dir.write("d.csv", format!("y,x,w\n{rows}"));
        let line = format!("fit d.csv --target y --features x --weights w --weight-type {kind}");
        dir.streamreg(&line).run()
    };
    let negative = stderr(["1", "2", "-1", "1"], "analytic").code(3).stderr;
    assert!(negative.contains("\"w\": row 3") && negative.contains("negative"), "{negative}");
    let fraction = stderr(["1", "2.5", "1", "1"], "frequency").code(3).stderr;
    assert!(fraction.contains("row 2") && fraction.contains("whole number"), "{fraction}");
    let none = stderr(["0", "0", "0", "0"], "frequency").code(3).stderr;
    assert!(none.contains("4 for \"w\" zero"), "{none}");
    stderr(["1", "1", "1", "1"], "probability").code(0);
    let half = dir.streamreg("fit d.csv --target y --weights w").run().code(2).stderr;
    assert!(half.contains("--weight-type"), "{half}");
}

#[test]
fn published_regressions_with_weights_dummies_and_several_targets() {
    let all = golden_json("reference/expected.json");
    let mut seen = 0;
    for case in all["cases"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        let id = case["id"].as_str().unwrap();
        let strings = |v: &Value| -> Vec<String> {
            v.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
        };
        let file = golden("reference").join(case["data"].as_str().unwrap());
        let file = file.to_str().unwrap();
        let dir = Dir::new();
        let report = match kind {
            "analytic" | "frequency" => {
                let features: Vec<String> =
                    strings(&case["terms"]).into_iter().filter(|t| t != "(Intercept)").collect();
                let weights = case["weights"].as_str().unwrap();
                let line = format!("--weights {weights} --weight-type {kind}");
                let response = case["response"].as_str().unwrap();
                fit(&dir, &line, &[file, "--target", response, "--features", &features.join(",")])
            }
            "dummies" => fit(&dir, "--formula", &[case["formula"].as_str().unwrap(), file]),
            "multi-target" => {
                let features: Vec<String> =
                    strings(&case["terms"]).into_iter().filter(|t| t != "(Intercept)").collect();
                let targets = strings(&case["responses"]).join(",");
                let report = fit(&dir, "", &[file, "--target", &targets, "--features", &features.join(",")]);
                for (index, target) in report["targets"].as_array().unwrap().iter().enumerate() {
                    compare(
                        id,
                        target,
                        &strings(&case["terms"]),
                        &strings(&case["coef"][index]),
                        &strings(&case["se"][index]),
                    );
                }
                seen += 1;
                continue;
            }
            _ => continue,
        };
        compare(id, &report, &strings(&case["terms"]), &strings(&case["coef"]), &strings(&case["se"]));
        if let Some(r2) = case["r2"].as_str() {
            close(id, number(&report, "glance/r_squared"), r2.parse().unwrap(), 1e-10);
        }
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}

#[track_caller]
fn compare(id: &str, report: &Value, terms: &[String], coef: &[String], se: &[String]) {
    for ((term, coef), se) in terms.iter().zip(coef).zip(se) {
        let found = report["coefficients"].as_array().unwrap().iter().find(|c| c["term"] == **term);
        let found = found.unwrap_or_else(|| panic!("{id}: no {term} in {report:#}"));
        close(&format!("{id} {term}"), number(found, "estimate"), coef.parse().unwrap(), 1e-10);
        close(&format!("{id} SE {term}"), number(found, "std_error"), se.parse().unwrap(), 1e-10);
    }
}

/// Rows of 60 groups, and three that are degenerate.
fn grouped(dir: &Dir) {
    let mut random = Random::new(11);
    let mut body = String::from("g,h,y,x,z,c\n");
    for i in 0..6_000 {
        let (g, x, z) = (i * 7 % 60, random.unit(), random.unit());
        let y = g as f64 + x * 2.0 - z + 0.1 * random.unit();
        body += &format!("{g},{},{y},{x},{z},{}\n", ["u", "v"][i % 2], ["p", "q", "r"][random.below(3)]);
    }
    body += "100,u,1.5,0.25,0.5,p\n";
    for i in 0..20 {
        body += &format!("101,u,7,{},{},p\n", i, i * i);
        body += &format!("102,u,{},{},{},p\n", i * 3 % 7, i, 2 * i);
    }
    dir.write("d.csv", body);
}

#[test]
fn every_group_is_the_fit_of_its_rows_and_bad_ones_say_why() {
    let dir = Dir::new();
    grouped(&dir);
    let rows = dir.streamreg("fit d.csv --target y --features x,z --by g --format tidy").success().csv();
    assert_eq!(
        rows[0],
        ["g", "term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high", "status"]
    );
    let of = |g: &str| rows.iter().filter(|r| r[0] == g).collect::<Vec<_>>();
    for g in ["0", "17", "59"] {
        let text = dir.read("d.csv");
        let own: String =
            text.lines().filter(|l| l.starts_with(&format!("{g},"))).map(|l| format!("{l}\n")).collect();
        dir.write("one.csv", format!("g,h,y,x,z,c\n{own}"));
        let alone = dir.streamreg("fit one.csv --target y --features x,z --format tidy").success().csv();
        for (a, b) in of(g).iter().zip(&alone[1..]) {
            assert_eq!((a[1].as_str(), a[8].as_str()), (b[0].as_str(), "ok"));
            for at in 1..7 {
                close(g, a[at + 1].parse().unwrap(), b[at].parse().unwrap(), 1e-9);
            }
        }
    }
    assert!(of("100")[1][8].contains("no degrees of freedom"), "{:?}", of("100"));
    assert!(of("101")[0][8].contains("the response is constant"), "{:?}", of("101"));
    assert!(of("102")[2][8].contains("z = 2 x"), "{:?}", of("102"));
    assert_eq!(of("102")[2][2], "");
    let glance = dir.streamreg("fit d.csv --target y --features x,z --by g --format glance").success().csv();
    assert_eq!((glance.len(), glance[1][13].as_str()), (64, "ok"));
    let strict = dir.streamreg("fit d.csv --target y --features x,z --by g --format glance --strict").run();
    assert!(strict.code(4).stderr.contains("3 fits"));
    let error = dir.streamreg("fit d.csv --target y --features x,z --by g --collinear error --format json");
    let json = error.success().json();
    let bad = json["groups"].as_array().unwrap().iter().find(|g| g["by"]["g"] == 102).unwrap();
    assert!(bad["status"].as_str().unwrap().starts_with("error: the columns are collinear"), "{bad}");
    assert_eq!((&json["failed"], &bad["coefficients"]), (&Value::from(2), &Value::Null));
}

#[test]
fn groups_have_the_same_bits_for_any_threads_and_formats_agree() {
    let dir = Dir::new();
    grouped(&dir);
    let run = |more: &str| {
        let line = format!("fit d.csv --by g,h {more} --formula");
        dir.streamreg(&line).arg("y ~ x*c + poly(z, 2)").success().stdout
    };
    let one = run("--format tidy --threads 1");
    for threads in [2, 7] {
        assert_eq!(run(&format!("--format tidy --threads {threads}")), one);
    }
    assert!(one.starts_with("g,h,term,"), "{}", &one[..80]);
    let table = run("--format table");
    assert!(table.contains("g = 5, h = v  (100 rows)"), "{table}");
    assert!(run("--format markdown").starts_with("| g | h | term |"));
    let json: Value = serde_json::from_str(&run("--format json")).unwrap();
    assert_eq!(json["by"], serde_json::json!(["g", "h"]));
    dir.streamreg("fit d.csv --by g --target y --features x --format tidy --output out.csv").success();
    assert!(dir.read("out.csv").starts_with("g,term,"));
    let refused = dir.streamreg("fit d.csv --by g --target y --features x --vcov-out v.csv").run().code(2);
    assert!(refused.stderr.contains("--by makes many"), "{}", refused.stderr);
}

#[test]
fn a_group_with_categories_is_the_fit_of_its_rows() {
    let dir = Dir::new();
    grouped(&dir);
    let by =
        dir.streamreg("fit d.csv --by h --format json --formula").arg("y ~ x + c + z:c").success().json();
    for group in by["groups"].as_array().unwrap() {
        let h = group["by"]["h"].as_str().unwrap();
        let text = dir.read("d.csv");
        let own: String =
            text.lines().filter(|l| l.split(',').nth(1) == Some(h)).map(|l| format!("{l}\n")).collect();
        dir.write("one.csv", format!("g,h,y,x,z,c\n{own}"));
        let alone = fit(&dir, "one.csv --formula", &["y ~ x + c + z:c"]);
        for (a, b) in column(group, "std_error").iter().zip(column(&alone, "std_error")) {
            close(h, a.unwrap(), b.unwrap(), 1e-9);
        }
        for (a, b) in column(group, "estimate").iter().zip(column(&alone, "estimate")) {
            close(h, a.unwrap(), b.unwrap(), 1e-9);
        }
    }
}

#[test]
fn missing_numbers_can_be_filled_and_flagged() {
    let dir = Dir::new();
    let line = "--missing indicator --save-model m.json --formula";
    let missing = golden("missing.csv");
    let report = fit(&dir, line, &["y ~ x + g + z + h", missing.to_str().unwrap()]);
    assert_eq!(report["ledger"]["filled"][0]["column"], "x");
    let evaluation = dir.streamreg("evaluate m.json --format json").arg(missing).success().json();
    close("mse", number(&evaluation, "mse"), number(&report, "glance/mse"), 1e-10);
    dir.write("new.csv", "x,g,z,h\n,red,,north\n1,,2,\n");
    let predicted = dir.streamreg("predict m.json new.csv").success().csv();
    assert!(predicted[1..].iter().all(|row| row[0].parse::<f64>().is_ok()), "{predicted:?}");
}

#[test]
fn arithmetic_does_not_hide_that_a_value_is_missing() {
    let dir = Dir::new();
    let rows = "1,1,1\n2,2,2\n4,4,1\n7,5,3\n5,3,5\n6,1,4\n";
    for (bad, reason) in [("inf", "non_finite"), ("", "null")] {
        dir.write("d.csv", format!("y,x,z\n{rows}9,{bad},2\n"));
        for term in ["exp(-x)", "I(1/x)", "I(x^0)", "I(1^x)"] {
            let formula = format!("y ~ 0 + {term} + z");
            let report = fit(&dir, "d.csv --save-model m.json --formula", &[&formula]);
            let dropped = serde_json::json!([{"column": "x", "reason": reason, "rows": 1}]);
            assert_eq!(report["ledger"]["dropped"], dropped, "{formula} {bad}");
            let predicted = dir.streamreg("predict m.json d.csv --quiet").success().csv();
            assert_eq!(predicted[7][0], "", "{formula} {bad}");
        }
        let formula = "y ~ exp(-x) + z";
        let report = fit(&dir, "d.csv --missing indicator --formula", &[formula]);
        assert_eq!(report["ledger"]["filled"][0]["rows"], 1, "{bad}");
    }
}

#[test]
fn every_solver_gives_the_same_likelihood_with_weights() {
    let dir = Dir::new();
    let mut random = Random::new(8);
    let body: String =
        (0..80).map(|i| format!("{},{},{}\n", random.unit(), random.unit(), 1 + i % 5)).collect();
    dir.write("d.csv", format!("y,x,w\n{body}"));
    for kind in ["analytic", "frequency"] {
        let of = |solver: &str| {
            let line =
                format!("d.csv --target y --features x --weights w --weight-type {kind} --solver {solver}");
            fit(&dir, &line, &[])
        };
        let plain = of("cholesky");
        for solver in ["auto", "qr", "svd"] {
            for key in ["log_lik", "aic", "bic", "nobs", "sigma"] {
                let path = format!("glance/{key}");
                close(
                    &format!("{kind} {solver} {key}"),
                    number(&of(solver), &path),
                    number(&plain, &path),
                    1e-12,
                );
            }
        }
    }
}

#[test]
fn how_missing_values_were_treated_in_the_fit_does_not_bind_predictions() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,z\n1,1,2\n2,2,1\n4,3,5\n5,4,4\n5,6,4\n");
    dir.streamreg("fit d.csv --target y --missing error --save-model m.json").success();
    dir.write("new.csv", "y,x,z\n1,1,2\n2,,1\n");
    let predicted = dir.streamreg("predict m.json new.csv --quiet").success().csv();
    assert_eq!((predicted[2][0].as_str(), predicted.len()), ("", 3));
    let evaluation = dir.streamreg("evaluate m.json new.csv --format json").success().json();
    assert_eq!(number(&evaluation, "rows"), 1.0);
}

#[test]
fn polynomials_of_missing_numbers_are_those_of_the_others() {
    let dir = Dir::new();
    let mut random = Random::new(21);
    let mut rows: Vec<String> = (0..6_000)
        .map(|i| {
            let x = f64::from(i) / 1000.0;
            let cell = if i % 3 == 0 { String::new() } else { x.to_string() };
            let w = 1 + random.below(3);
            format!("{},{cell},{w},{}\n", x + random.unit(), ["u", "v"][random.below(2)])
        })
        .collect();
    dir.write("sorted.csv", format!("y,x,w,g\n{}", rows.concat()));
    rows.sort_by_key(|row| {
        row.bytes().rev().fold(7u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    });
    dir.write("mixed.csv", format!("y,x,w,g\n{}", rows.concat()));
    for more in ["", "--weights w --weight-type analytic", "--weights w --weight-type frequency", "--by g"] {
        // The indicator takes the rows without a number to itself, so the others decide the rest.
        let of = |file: &str, missing: &str| {
            let line = format!("{file} --missing {missing} {more} --formula");
            let report = fit(&dir, &line, &["y ~ poly(x, 2)"]);
            report["groups"].get(0).unwrap_or(&report).clone()
        };
        let present = column(&of("sorted.csv", "drop"), "estimate");
        for file in ["sorted.csv", "mixed.csv"] {
            let kept = of(file, "indicator");
            for (at, (a, b)) in column(&kept, "estimate").iter().zip(&present).enumerate() {
                close(&format!("{file} {more} {at}"), a.unwrap(), b.unwrap(), 1e-8);
            }
        }
    }
    let filled = fit(&dir, "sorted.csv --missing indicator --formula", &["y ~ poly(x, 2)"]);
    let once = serde_json::json!([{"column": "poly(x, 2)", "rows": 2000}]);
    assert_eq!(filled["ledger"]["filled"], once);
}

#[test]
fn a_group_without_a_usable_row_says_so() {
    let dir = Dir::new();
    dir.write(
        "d.csv",
        "y,x,g,h\n1,2,A,1\n2,,B,1\n3,4.5,A,1\n4,4,A,1\n6,,B,1\n7,,B,2\n2,1,C,1\n,1,C,2\n9,3,,1\n",
    );
    let report = dir.fit("d.csv --target y --features x --by g");
    let groups = report["groups"].as_array().unwrap();
    let names: Vec<&str> = groups.iter().map(|g| g["by"]["g"].as_str().unwrap()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert!(groups[1]["status"].as_str().unwrap().starts_with("error: no row"), "{}", groups[1]);
    assert_eq!((number(&groups[1], "rows"), number(&report, "failed")), (0.0, 1.0));
    let rows = dir.streamreg("fit d.csv --target y --features x --by h,g --format glance -q").success().csv();
    let pairs: Vec<(&str, &str)> = rows[1..].iter().map(|r| (r[0].as_str(), r[1].as_str())).collect();
    assert_eq!(pairs, [("1", "A"), ("1", "B"), ("1", "C"), ("2", "B"), ("2", "C")]);
    let failed = |row: &Vec<String>| row.last().unwrap().starts_with("error: no row");
    assert_eq!(rows.iter().filter(|row| failed(row)).count(), 3);
}

#[test]
fn a_category_with_one_level_in_a_group_is_named_in_its_status() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,a,g\n1,1,p,A\n2,4,q,A\n4,3,p,A\n5,7,q,A\n3,1,p,B\n6,2,p,B\n1,5,p,B\n");
    let report = dir.fit("d.csv --target y --features x,a --by g");
    let groups = report["groups"].as_array().unwrap();
    assert_eq!(groups[0]["status"], "ok");
    assert_eq!(groups[1]["status"], "left out: a (a single level, \"p\")");
    let report = dir.streamreg("fit d.csv --by g --format json --formula").arg("y ~ 0 + a").success().json();
    assert_eq!(report["groups"][1]["status"], "ok");
}

#[test]
fn evaluation_says_that_it_does_not_weigh() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x,w\n1,1,1\n2,2,2\n4,4,1\n7,5,3\n5,3,5\n");
    let line = "fit d.csv --target y --features x --weights w --weight-type analytic --save-model m.json";
    dir.streamreg(line).success();
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    assert_eq!(evaluation["warnings"][0]["code"], "unweighted");
    let screen = dir.streamreg("evaluate m.json d.csv").success().stdout;
    assert!(screen.contains("Warning: ") && screen.contains("\"w\""), "{screen}");
    dir.streamreg("fit d.csv --target y --features x --save-model m.json").success();
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    assert_eq!(evaluation["warnings"], serde_json::json!([]));
}
