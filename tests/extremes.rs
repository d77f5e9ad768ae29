//! Numbers at the ends of float64's range, and means that dwarf the spread.

use std::fmt::Write;

use crate::util::Dir;

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
    let report = dir.fit("d.csv --target y");
    let aliased: Vec<&str> =
        report["aliased"].as_array().unwrap().iter().map(|a| a["term"].as_str().unwrap()).collect();
    assert_eq!(aliased, ["z", "one"]);
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
