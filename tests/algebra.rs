//! What must hold for any data.

use proptest::prelude::*;
use serde_json::Value;
use streamreg::{Collinear, ErrorKind, FitReport, Precision, Regression, Solver};

use crate::util::{Dir, Random, Table, batch, close, estimates, fit_table, table, to_csv};

const SOLVERS: [Solver; 3] = [Solver::Cholesky, Solver::Qr, Solver::Svd];

fn regression(solver: Solver) -> Regression {
    Regression::new("y").solver(solver)
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn residuals(report: &FitReport, columns: &Table) -> Vec<f64> {
    let predicted = report.model().unwrap().predict(&batch(columns)).unwrap();
    columns.last().unwrap().1.iter().zip(predicted.values()).map(|(y, p)| y - p).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn residuals_are_orthogonal_to_the_design(rows in 8usize..700, features in 1usize..6, seed: u64, constant: bool) {
        let columns = table(rows, features, seed);
        for solver in SOLVERS {
            let report = fit_table(&regression(solver).intercept(constant), &columns);
            let e = residuals(&report, &columns);
            let y = norm(&columns[features].1);
            for (name, x) in &columns[..features] {
                let dot: f64 = x.iter().zip(&e).map(|(x, e)| x * e).sum();
                prop_assert!(dot.abs() <= 1e-13 * (rows as f64).sqrt() * norm(x) * y, "{solver:?} {name}: {dot:e}");
            }
            let sum: f64 = e.iter().sum();
            prop_assert!(!constant || sum.abs() <= 1e-12 * y * (rows as f64).sqrt(), "{solver:?}: {sum:e}");
            // The residual sum of squares that is reported is that of the residuals.
            close("RSS", report.glance.deviance, e.iter().map(|e| e * e).sum(), 1e-10);
        }
    }

    #[test]
    fn known_coefficients_are_recovered(rows in 10usize..900, features in 1usize..6, seed: u64) {
        let mut random = Random::new(seed);
        let mut whole = |n: usize| (0..n).map(|_| random.below(2001) as f64 - 1000.0).collect::<Vec<_>>();
        let truth = whole(features + 1);
        let mut columns: Table = (0..features).map(|j| (format!("x{j}"), whole(rows))).collect();
        // Small whole numbers: the response is exact.
        let y = (0..rows).map(|i| truth[0] + columns.iter().zip(&truth[1..]).map(|((_, x), b)| b * x[i]).sum::<f64>());
        let y = y.collect();
        columns.push(("y".into(), y));
        for solver in SOLVERS {
            let report = fit_table(&regression(solver), &columns);
            for (found, wanted) in estimates(&report).into_iter().zip(&truth) {
                prop_assert!((found - wanted).abs() <= 1e-8 * (1.0 + wanted.abs()), "{solver:?}: {found} for {wanted}");
            }
            prop_assert!(report.glance.r_squared.is_none_or(|r| (r - 1.0).abs() < 1e-9));
        }
    }

    #[test]
    fn the_order_of_rows_hardly_matters(rows in 8usize..900, seed: u64) {
        let columns = table(rows, 3, seed);
        let mut order: Vec<usize> = (0..rows).collect();
        let mut random = Random::new(!seed);
        for i in (1..rows).rev() {
            order.swap(i, random.below(i + 1));
        }
        let shuffled: Table =
            columns.iter().map(|(name, x)| (name.clone(), order.iter().map(|&i| x[i]).collect())).collect();
        for solver in SOLVERS {
            let (a, b) = (fit_table(&regression(solver), &columns), fit_table(&regression(solver), &shuffled));
            for (a, b) in a.coefficients.iter().zip(&b.coefficients) {
                let size = a.std_error.unwrap();
                prop_assert!((a.estimate.unwrap() - b.estimate.unwrap()).abs() < 1e-11 * (1.0 + size));
                close(&a.term, b.std_error.unwrap(), size, 1e-10);
            }
        }
    }

    #[test]
    fn a_power_of_two_changes_only_its_own_column(
        rows in 8usize..700, seed: u64, which in 0usize..4, power in -40i32..40, constant: bool,
    ) {
        let columns = table(rows, 4, seed);
        let factor = f64::from(power).exp2();
        let mut scaled = columns.clone();
        scaled[which].1.iter_mut().for_each(|v| *v *= factor);
        for solver in SOLVERS {
            let regression = regression(solver).intercept(constant);
            let (plain, mut other) = (fit_table(&regression, &columns), fit_table(&regression, &scaled));
            let own = &mut other.coefficients[which + usize::from(constant)];
            for value in [&mut own.estimate, &mut own.std_error, &mut own.conf_low, &mut own.conf_high] {
                *value = value.map(|v| v * factor);
            }
            prop_assert_eq!(&plain.coefficients, &other.coefficients, "{:?}", solver);
            prop_assert_eq!(&plain.glance, &other.glance);
            prop_assert_eq!(plain.condition_number.map(f64::to_bits), other.condition_number.map(f64::to_bits));
        }
    }

    #[test]
    fn parts_make_the_whole(rows in 60usize..2000, seed: u64, first in 1usize..30, second in 1usize..20) {
        let columns = table(rows, 3, seed);
        let part = |from: usize, to: usize| {
            let cut: Table = columns.iter().map(|(name, x)| (name.clone(), x[from..to].to_vec())).collect();
            to_csv(&cut)
        };
        let dir = Dir::new();
        let whole = dir.write("whole.csv", part(0, rows));
        let cuts = [0, first, first + second, rows];
        let parts: Vec<_> = (0..3).map(|i| dir.write(&format!("{i}.csv"), part(cuts[i], cuts[i + 1]))).collect();
        for solver in SOLVERS {
            let (a, b) = (regression(solver).fit_paths(&[whole.as_path()]).unwrap(), regression(solver).fit_paths(&parts).unwrap());
            for (a, b) in a.coefficients.iter().zip(&b.coefficients) {
                let (x, y) = (a.estimate.unwrap(), b.estimate.unwrap());
                prop_assert!((x - y).abs() <= 1e-12 * (1.0 + x.abs()), "{}: {x} {y}", a.term);
                close(&a.term, b.std_error.unwrap(), a.std_error.unwrap(), 1e-12);
            }
            prop_assert_eq!(a.ledger, b.ledger);
        }
    }
}

fn columns(pairs: &[(&str, &[f64])]) -> Table {
    pairs.iter().map(|(name, x)| ((*name).to_owned(), x.to_vec())).collect()
}

/// No number in the report is NaN or infinite: what does not exist is `None`.
#[track_caller]
fn no_nan(report: &FitReport) {
    let g = &report.glance;
    let of_glance = [g.r_squared, g.adj_r_squared, g.sigma, g.statistic, g.p_value, g.log_lik, g.aic, g.bic];
    let of_terms = report
        .coefficients
        .iter()
        .flat_map(|c| [c.estimate, c.std_error, c.statistic, c.p_value, c.conf_low, c.conf_high]);
    let all = of_glance.into_iter().chain(of_terms).flatten();
    let all: Vec<f64> = all.chain([g.deviance, g.mse, g.rmse]).collect();
    assert!(all.iter().all(|v| v.is_finite()), "{report:#?}");
}

#[test]
fn without_a_constant() {
    let data = columns(&[("x", &[1.0, 2.0, 3.0, 4.0]), ("y", &[2.5, 3.5, 7.0, 8.0])]);
    for solver in SOLVERS {
        let report = fit_table(&regression(solver).intercept(false), &data);
        // Sums: xx = 30, xy = 62.5, yy = 131.5.
        let (slope, rss) = (62.5 / 30.0, 131.5 - 62.5 * 62.5 / 30.0);
        assert_eq!(report.coefficients.len(), 1);
        close("slope", estimates(&report)[0], slope, 1e-14);
        close("RSS", report.glance.deviance, rss, 1e-13);
        close("uncentred R²", report.glance.r_squared.unwrap(), 1.0 - rss / 131.5, 1e-14);
        close("adjusted R²", report.glance.adj_r_squared.unwrap(), 1.0 - (rss / 3.0) / (131.5 / 4.0), 1e-13);
        close("sigma", report.glance.sigma.unwrap(), (rss / 3.0).sqrt(), 1e-13);
        close("SE", report.coefficients[0].std_error.unwrap(), (rss / 3.0 / 30.0).sqrt(), 1e-13);
        close("F", report.glance.statistic.unwrap(), (131.5 - rss) / (rss / 3.0), 1e-12);
        assert_eq!((report.glance.df, report.glance.df_residual, report.rank), (1, 3, 1));
    }
}

#[test]
fn only_a_constant() {
    let data = columns(&[("y", &[1.0, 2.0, 6.0])]);
    let report = fit_table(&regression(Solver::Auto).features(Vec::<String>::new()), &data);
    close("mean", estimates(&report)[0], 3.0, 1e-15);
    close("SE", report.coefficients[0].std_error.unwrap(), (7.0f64 / 3.0).sqrt(), 1e-14);
    assert_eq!(report.glance.statistic, None);
    no_nan(&report);
}

#[test]
fn the_numbers_of_a_small_fit() {
    // By hand: mean x 3, mean y 4.2, Sxx 10, Sxy 9, Syy 8.8; slope 0.9, constant 1.5, RSS 0.7.
    let data = columns(&[("x", &[1.0, 2.0, 3.0, 4.0, 5.0]), ("y", &[2.0, 4.0, 4.0, 5.0, 6.0])]);
    for solver in SOLVERS {
        let report = fit_table(&regression(solver), &data);
        let g = &report.glance;
        close("constant", estimates(&report)[0], 1.5, 1e-14);
        close("slope", estimates(&report)[1], 0.9, 1e-14);
        close("RSS", g.deviance, 0.7, 1e-13);
        close("sigma", g.sigma.unwrap(), (0.7f64 / 3.0).sqrt(), 1e-13);
        close("R²", g.r_squared.unwrap(), 1.0 - 0.7 / 8.8, 1e-13);
        close("SE", report.coefficients[1].std_error.unwrap(), (0.07f64 / 3.0).sqrt(), 1e-13);
        close("MSE", g.mse, 0.14, 1e-13);
        let log_lik = -2.5 * ((2.0 * std::f64::consts::PI * 0.14).ln() + 1.0);
        close("log-likelihood", g.log_lik.unwrap(), log_lik, 1e-13);
        close("AIC", g.aic.unwrap(), 6.0 - 2.0 * log_lik, 1e-13);
        close("BIC", g.bic.unwrap(), 3.0 * 5f64.ln() - 2.0 * log_lik, 1e-13);
        // Student's t with 3 degrees of freedom: 97.5 % quantile, and both tails beyond the statistic.
        let c = &report.coefficients[1];
        let half = 3.182_446_305_284_263 * c.std_error.unwrap();
        close("lower end", c.conf_low.unwrap(), 0.9 - half, 1e-12);
        close("upper end", c.conf_high.unwrap(), 0.9 + half, 1e-12);
        let t = c.statistic.unwrap() / 3f64.sqrt();
        let tails = 1.0 - std::f64::consts::FRAC_2_PI * (t / (1.0 + t * t) + t.atan());
        close("p", c.p_value.unwrap(), tails, 1e-10);
        close("p of F", g.p_value.unwrap(), tails, 1e-10);
    }
}

#[test]
fn fewer_rows_than_columns() {
    for solver in SOLVERS {
        let report = fit_table(&regression(solver), &table(3, 5, 7));
        assert_eq!((report.rank, report.glance.df_residual), (3, 0), "{solver:?}");
        assert_eq!(report.aliased.iter().map(|a| a.term.as_str()).collect::<Vec<_>>(), ["x3", "x4", "x5"]);
        assert!(report.coefficients.iter().all(|c| c.std_error.is_none() && c.p_value.is_none()));
        no_nan(&report);
        for e in residuals(&report, &table(3, 5, 7)) {
            assert!(e.abs() < 1e-12, "three rows fit three coefficients: {e:e}");
        }
    }
}

#[test]
fn no_degrees_of_freedom_are_nulls() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,2\n2,5\n");
    for solver in ["auto", "qr", "svd"] {
        let report = dir.fit(&format!("d.csv --target y --solver {solver}"));
        for c in report["coefficients"].as_array().unwrap() {
            assert!(c["estimate"].is_f64(), "{c:#}");
            for field in ["std_error", "statistic", "p_value", "conf_low", "conf_high"] {
                assert_eq!(c.get(field), Some(&Value::Null), "{field}");
            }
        }
        for field in ["adj_r_squared", "sigma", "statistic", "p_value"] {
            assert_eq!(report["glance"].get(field), Some(&Value::Null), "{field}");
        }
        assert_eq!(report["glance"]["df_residual"], 0);
    }
    let text = dir.streamreg("fit d.csv --target y --format tidy -q").success().stdout;
    assert!(!text.to_lowercase().contains("nan") && !text.contains("inf"), "{text}");
}

#[test]
fn one_row() {
    let report = fit_table(&regression(Solver::Auto), &columns(&[("x", &[2.0]), ("y", &[5.0])]));
    assert_eq!((report.rank, report.coefficients[0].estimate), (1, Some(5.0)));
    no_nan(&report);
}

#[test]
fn constant_response() {
    let data = columns(&[("x", &[1.0, 2.0, 3.0, 5.0]), ("y", &[7.0; 4])]);
    for solver in SOLVERS {
        let report = fit_table(&regression(solver), &data);
        assert_eq!(estimates(&report), [7.0, 0.0], "{solver:?}");
        assert_eq!((report.glance.r_squared, report.glance.deviance), (None, 0.0));
        no_nan(&report);
    }
}

#[test]
fn response_of_zeros_without_a_constant() {
    let data = columns(&[("x", &[1.0, 2.0, 3.0]), ("y", &[0.0; 3])]);
    let report = fit_table(&regression(Solver::Auto).intercept(false), &data);
    assert_eq!((estimates(&report), report.glance.r_squared), (vec![0.0], None));
    no_nan(&report);
}

/// `b = 2 a`, and `c` is free.
fn collinear() -> Table {
    let mut random = Random::new(11);
    let (a, c) = (random.vector(50), random.vector(50));
    let y = a.iter().zip(&c).map(|(a, c)| 1.0 + a - c + 0.1 * random.unit()).collect();
    vec![
        ("a".into(), a.clone()),
        ("b".into(), a.iter().map(|v| 2.0 * v).collect()),
        ("c".into(), c),
        ("y".into(), y),
    ]
}

#[test]
fn collinear_columns() {
    let data = collinear();
    for solver in SOLVERS {
        let dropped = fit_table(&regression(solver), &data);
        assert_eq!(dropped.coefficients[2].estimate, None, "the later column is set aside");
        let aliased = &dropped.aliased[0];
        assert_eq!((aliased.term.as_str(), &aliased.depends_on[..]), ("b", &["a".to_owned()][..]));
        close("factor", aliased.coefficients[0], 2.0, 1e-12);

        let batch = batch(&data);
        let refused = regression(solver).collinear(Collinear::Error).fit_batches(batch.schema(), [Ok(batch)]);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Collinear);
        assert!(error.to_string().contains("b = 2 a"), "{error}");

        // The shortest solution shares the effect 1 : 2, and predicts the same.
        let shortest = fit_table(&regression(solver).collinear(Collinear::MinNorm), &data);
        let (one, all) = (dropped.coefficients[1].estimate.unwrap(), estimates(&shortest));
        close("a", all[1], one / 5.0, 1e-11);
        close("b", all[2], one * 2.0 / 5.0, 1e-11);
        close("constant", all[0], dropped.coefficients[0].estimate.unwrap(), 1e-11);
        close("RSS", shortest.glance.deviance, dropped.glance.deviance, 1e-12);
        for (a, b) in residuals(&shortest, &data).into_iter().zip(residuals(&dropped, &data)) {
            assert!((a - b).abs() < 1e-12);
        }
        no_nan(&shortest);
    }
}

#[test]
fn nearly_collinear_columns_are_told_apart() {
    // A relative residual of 1e-8: beyond cross-products in float64, well within exact ones and QR.
    let mut data = collinear();
    let mut random = Random::new(5);
    data[1].1.iter_mut().for_each(|v| *v += 1e-8 * random.unit());
    let dir = Dir::new();
    let path = dir.write("d.csv", to_csv(&data));
    let fit = |solver: Solver, precision: Precision| {
        regression(solver).precision(precision).fit_paths(&[path.as_path()]).unwrap()
    };
    let report = fit(Solver::Auto, Precision::Exact);
    assert_eq!((report.rank, report.solver.passes, report.solver.used), (4, 1, Solver::Cholesky));
    assert_eq!(report.warnings, []);
    let report = fit(Solver::Auto, Precision::Float);
    assert_eq!((report.rank, report.solver.passes, report.solver.used), (4, 2, Solver::Qr));
    let report = fit(Solver::Cholesky, Precision::Float);
    assert!(
        report.warnings.iter().any(|w| w.code == "undecided"),
        "never a silent guess: {:#?}",
        report.warnings
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let batch = batch(&collinear());
    let fit =
        |r: Regression| r.fit_batches(batch.schema(), [Ok(batch.clone())]).map(drop).map_err(|e| e.kind());
    for bad in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(fit(Regression::new("y").conf_level(bad)), Err(ErrorKind::Request), "{bad}");
        assert_eq!(fit(Regression::new("y").rank_tol(bad)), Err(ErrorKind::Request), "{bad}");
    }
    assert_eq!(fit(Regression::new("y").threads(0)), Err(ErrorKind::Request));
    assert_eq!(fit(Regression::new("y").features(["a", "a"])), Err(ErrorKind::Data));
    assert_eq!(fit(Regression::new("y").features(["y"])), Err(ErrorKind::Data));
    assert_eq!(fit(Regression::new("y").exclude(["zzz"])), Err(ErrorKind::Data));
}
