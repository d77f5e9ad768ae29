//! Numbers at the ends of float64's range, and means that dwarf the spread.

use std::fmt::Write;

use crate::util::{Dir, Random, number};

/// `rows` rows of x = mean + u, y = 3 u + v with small integers u and v, so that the sums are known.
fn table(rows: i64, mean: f64, scale: f64) -> String {
    let mut text = String::from("x,y\n");
    for i in 0..rows {
        let (u, v) = ((i * 7919 % 101 - 50) as f64, (i * 104_729 % 13 - 6) as f64);
        writeln!(text, "{:e},{:e}", (mean + u) * scale, 3.0 * u + v).unwrap();
    }
    text
}

fn slope_and_error(dir: &Dir, file: &str, solver: &str) -> (f64, f64) {
    let report = dir.fit(&format!("{file} --target y --solver {solver}"));
    let x = &report["coefficients"][1];
    (x["estimate"].as_f64().unwrap(), x["std_error"].as_f64().unwrap())
}

#[test]
fn a_large_mean_costs_no_digits_in_any_number_of_blocks() {
    let dir = Dir::new();
    dir.write("plain.csv", table(5_000, 0.0, 1.0));
    for solver in ["cholesky", "qr", "svd"] {
        let expected = slope_and_error(&dir, "plain.csv", solver);
        for mean in [1e6, 1e9, 1e13] {
            dir.write("far.csv", table(5_000, mean, 1.0));
            let found = slope_and_error(&dir, "far.csv", solver);
            assert!((found.0 / expected.0 - 1.0).abs() < 1e-12, "{solver} {mean}: {found:?} {expected:?}");
            assert!((found.1 / expected.1 - 1.0).abs() < 1e-12, "{solver} {mean}: {found:?} {expected:?}");
        }
    }
}

#[test]
fn values_whose_squares_leave_the_range_are_refused_by_name() {
    let dir = Dir::new();
    for scale in [1e-300, 1e-170, 1e-158, 1e155, 1e200, 1e300] {
        dir.write("d.csv", table(200, 1.0, scale));
        for solver in ["auto", "cholesky", "qr", "svd"] {
            let line = format!("fit d.csv --target y --solver {solver}");
            dir.streamreg(&line).fails(3, &["\"x\"", "rescale"]);
            let line = format!("fit d.csv --target x --solver {solver}");
            dir.streamreg(&line).fails(3, &["\"x\"", "rescale"]);
        }
    }
    for scale in [1e-100, 1e100] {
        dir.write("d.csv", table(200, 1.0, scale));
        let (slope, error) = slope_and_error(&dir, "d.csv", "auto");
        assert!(slope.is_finite() && error > 0.0);
    }
}

#[test]
fn intervals_do_not_depend_on_the_mean() {
    let dir = Dir::new();
    let half_widths = |mean: f64, kind: &str| -> Vec<f64> {
        dir.write("d.csv", table(1_000, mean, 1.0));
        dir.streamreg("fit d.csv --target y --save-model m.json").success();
        dir.streamreg(&format!("predict m.json d.csv -o p.csv --interval {kind}")).success();
        let text = dir.read("p.csv");
        let width = |line: &str| {
            let cells: Vec<f64> = line.split(',').map(|c| c.parse().unwrap()).collect();
            (cells[2] - cells[1]) / 2.0
        };
        text.lines().skip(1).map(width).collect()
    };
    for kind in ["confidence", "prediction"] {
        let expected = half_widths(0.0, kind);
        for mean in [1e6, 1e10] {
            for (found, expected) in half_widths(mean, kind).iter().zip(&expected) {
                assert!((found / expected - 1.0).abs() < 1e-4, "{kind} {mean}: {found} {expected}");
            }
        }
    }
}

#[test]
fn what_is_only_rounding_is_no_feature() {
    let dir = Dir::new();
    let mut text = String::from("a,b,z,one,y\n");
    for i in 0..2_000i64 {
        let (u, v) = ((i * 7919 % 1009) as f64 / 7.0, (i * 104_729 % 997) as f64 / 3.0);
        let (a, b) = (1e6 + u, 1e6 + v);
        let one = if i % 2 == 0 { 0.1 + 0.2 } else { 0.3 };
        writeln!(text, "{a},{b},{},{one},{}", a + b, u - v + (i % 5) as f64).unwrap();
    }
    dir.write("d.csv", text);
    let aliased = |report: &serde_json::Value| -> Vec<String> {
        let all = report["aliased"].as_array().unwrap().iter();
        all.map(|a| a["term"].as_str().unwrap().to_owned()).collect()
    };
    for precision in ["float", "exact"] {
        let report = dir.fit(&format!("d.csv --target y --precision {precision}"));
        assert_eq!(aliased(&report), ["z", "one"], "{precision}");
    }
}

#[test]
fn the_minimum_norm_changes_no_fitted_value() {
    let dir = Dir::new();
    let mut text = String::from("x1,x3,z,y\n");
    for i in 0..500i64 {
        let x1 = (i * 7919 % 101 - 50) as f64 / 16.0;
        let x3 = 1e9 + (i * 104_729 % 103) as f64;
        writeln!(text, "{x1},{x3},{},{}", x1 + 1e-9 * x3, 1.0 + 3.0 * x1 + (i % 7) as f64).unwrap();
    }
    dir.write("d.csv", text);
    let report = dir.fit("d.csv --target y --collinear min-norm --save-model m.json");
    assert_eq!(report["aliased"][0]["term"], "z");
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    let (mse, found) = (report["glance"]["mse"].as_f64().unwrap(), evaluation["mse"].as_f64().unwrap());
    assert!((found / mse - 1.0).abs() < 1e-6, "{found} {mse}");
}

#[test]
fn a_far_row_of_little_weight_costs_no_digits() {
    let dir = Dir::new();
    let mut random = Random::new(12);
    let rows: Vec<[f64; 3]> = (0..200)
        .map(|i| {
            let x = if i == 0 { 1e6 } else { random.unit() };
            let weight = if i == 0 { 1e-10 } else { 1.5 + random.unit() };
            [x, 1.4 * x + random.unit(), weight]
        })
        .collect();
    let mut text = String::from("x,y,w,g\n");
    for [x, y, w] in &rows {
        writeln!(text, "{x:?},{y:?},{w:?},a").unwrap();
    }
    dir.write("d.csv", text);
    // In two passes about the weighted means.
    let total: f64 = rows.iter().map(|r| r[2]).sum();
    let mean = |j: usize| rows.iter().map(|r| r[2] * r[j]).sum::<f64>() / total;
    let (mx, my) = (mean(0), mean(1));
    let sxx: f64 = rows.iter().map(|r| r[2] * (r[0] - mx) * (r[0] - mx)).sum();
    let sxy: f64 = rows.iter().map(|r| r[2] * (r[0] - mx) * (r[1] - my)).sum();
    for model in ["-t y -f x", "-t y -f x --by g"] {
        let report = dir.fit(&format!("d.csv {model} --weights w --weight-type analytic"));
        let fit = if report["groups"].is_array() { &report["groups"][0] } else { &report };
        let slope = fit["coefficients"][1]["estimate"].as_f64().unwrap();
        assert!((slope / (sxy / sxx) - 1.0).abs() < 1e-11, "{model}: {slope} {}", sxy / sxx);
    }
    let formula = "d.csv --formula 0+g+g:x --weights w --weight-type analytic";
    let report = dir.fit(&formula.replace("0+", "y~0+"));
    let slope = report["coefficients"][1]["estimate"].as_f64().unwrap();
    assert!((slope / (sxy / sxx) - 1.0).abs() < 1e-10, "{slope} {}", sxy / sxx);
}

#[test]
fn a_level_that_all_rows_have_changes_nothing() {
    let dir = Dir::new();
    let mut random = Random::new(13);
    let mut text = String::from("x,y,g\n");
    for _ in 0..500 {
        let x = random.unit();
        writeln!(text, "{:?},{:?},a", 1e8 + x, 2.0 * x + random.unit()).unwrap();
    }
    dir.write("d.csv", text);
    let slope = |formula: &str| {
        let report = dir.fit(&format!("d.csv --formula {formula}"));
        report["coefficients"][1]["estimate"].as_f64().unwrap()
    };
    let (plain, by_level) = (slope("y~x"), slope("y~g:x"));
    assert!((by_level / plain - 1.0).abs() < 1e-10, "{plain} {by_level}");
}

#[test]
fn residuals_that_cross_products_cannot_see_are_computed_by_qr() {
    let dir = Dir::new();
    let mut random = Random::new(14);
    for noise in [1e-2, 1e-3, 1.2e-4, 1e-5] {
        let mut text = String::from("x,x2,y\n");
        for _ in 0..400 {
            let (x, e) = (random.unit(), random.unit());
            writeln!(text, "{x:?},{:?},{:?}", x + 1e-3 * e, e + noise * random.unit()).unwrap();
        }
        dir.write("d.csv", text);
        let rss =
            |solver: &str| number(&dir.fit(&format!("d.csv -t y --solver {solver}")), "glance/deviance");
        let (auto, qr) = (rss("auto"), rss("qr"));
        assert!((auto / qr - 1.0).abs() < 1e-7, "{noise}: {auto} {qr}");
    }
}

#[test]
fn the_rank_of_sparse_interactions_is_that_of_qr() {
    let dir = Dir::new();
    for seed in 20..24 {
        let mut random = Random::new(seed);
        let mut text = String::from("y,g,a\n");
        for _ in 0..800 {
            let (g, a) = (random.below(220) as u32, random.below(3) as u32);
            writeln!(text, "{:?},g{g:03},a{a}", random.unit() + f64::from(g % 7 + a)).unwrap();
        }
        dir.write("d.csv", text);
        let fit = |solver: &str| dir.fit(&format!("d.csv --formula y~g*a --solver {solver}"));
        let (auto, qr) = (fit("auto"), fit("qr"));
        assert_eq!(auto["rank"], qr["rank"], "seed {seed}");
        let rss = [&auto, &qr].map(|report| number(report, "glance/deviance"));
        assert!((rss[0] / rss[1] - 1.0).abs() < 1e-8, "seed {seed}: {rss:?}");
    }
}
