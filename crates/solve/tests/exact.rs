//! What exact cross-products must not lose.

use faer::fx128;
use streamreg_core::DoubleDoubleProducts;
use streamreg_solve::{Collinear, Fit, SolveInput, SolveOptions, fit};

use crate::rational::Cells;

fn solved(cells: &Cells, options: &SolveOptions) -> Fit {
    let double_double = cells.double_double();
    fit(SolveInput::Exact(&double_double), &cells.equation(), options).unwrap().fit
}

fn small(intercept: bool) -> Cells {
    let x = |f: &dyn Fn(f64) -> f64| (0..30u32).map(|i| f(f64::from(i))).collect::<Vec<f64>>();
    let columns = vec![x(&|i| i), x(&|i| (i * i) % 7.0), x(&|i| (3.0 * i + (i * i) % 5.0) * 0.5)];
    Cells { columns, intercept }
}

#[test]
fn a_large_mean_of_integers_costs_nothing() {
    let near = small(true);
    let mut far = near.clone();
    far.columns[0].iter_mut().for_each(|v| *v += 2f64.powi(43));
    let (near, far) = (solved(&near, &SolveOptions::default()), solved(&far, &SolveOptions::default()));
    assert_eq!((near.rank, far.rank), (3, 3));
    for j in 1..3 {
        assert_eq!(near.coefficients[j].estimate, far.coefficients[j].estimate);
        assert_eq!(near.coefficients[j].std_error, far.coefficients[j].std_error);
    }
    // Only if the cells were rounded would little be known.
    assert!(far.coefficients[1].digits_arithmetic.unwrap() > 14.9);
    assert!(far.coefficients[1].digits_input.unwrap() < 5.0);
    assert!(far.warnings.iter().any(|w| w.code == "few_digits"));
}

#[test]
fn powers_of_two_change_one_coefficient_alone() {
    for intercept in [true, false] {
        let plain = solved(&small(intercept), &SolveOptions::default());
        for power in [-40, -7, 1, 40] {
            let mut cells = small(intercept);
            let factor = 2f64.powi(power);
            cells.columns[1].iter_mut().for_each(|v| *v *= factor);
            let mut other = solved(&cells, &SolveOptions::default());
            let row = &mut other.coefficients[1 + usize::from(intercept)];
            for value in [&mut row.estimate, &mut row.std_error, &mut row.conf_low, &mut row.conf_high] {
                value.iter_mut().for_each(|v| *v *= factor);
            }
            other.covariance = plain.covariance.clone();
            assert_eq!(plain, other, "{power}");
        }
    }
}

#[test]
fn dependence_is_told_from_its_neighbourhood() {
    let column = |f: &dyn Fn(f64) -> f64| (0..40u32).map(|i| f(f64::from(i))).collect::<Vec<f64>>();
    let make = |share: f64| {
        let (a, b) = (column(&|i| i), column(&|i| (i * 7.0) % 11.0));
        let sum = |i: usize| a[i] + b[i] + share * ((i * i) % 13) as f64;
        let dependent = (0..40).map(sum).collect();
        let y = column(&|i| (i * 5.0) % 17.0);
        Cells { columns: vec![a, b, dependent, y], intercept: true }
    };
    let dependent = solved(&make(0.0), &SolveOptions::default());
    assert_eq!((dependent.rank, dependent.aliased.len()), (3, 1));
    assert!(dependent.rank_margin.largest_aside.unwrap() < 1e-14);
    assert!(dependent.rank_margin.smallest_kept.unwrap() > 0.1);
    assert_eq!(dependent.aliased[0].coefficients, [1.0, 1.0]);
    assert!(dependent.warnings.is_empty(), "{:?}", dependent.warnings);
    // A power of two that float64 adds without rounding; far below what float64 cross-products can tell.
    let share = 2f64.powi(-32);
    let near = solved(&make(share), &SolveOptions::default());
    assert_eq!((near.rank, near.aliased.len()), (4, 0));
    assert!(near.rank_margin.smallest_kept.unwrap() < 1e-9);
    let exact = make(share).solve().unwrap();
    for (row, wanted) in near.coefficients.iter().zip(&exact.coefficients) {
        assert!(wanted.digits_of(row.estimate.unwrap()) > 11.0, "{row:?}");
    }
    let sigma2 = exact.rss.double_double() / fx128::from_f64(36.0);
    for (row, variance) in near.coefficients.iter().skip(1).zip(&exact.variances) {
        let wanted = (sigma2 * variance.double_double()).sqrt().0;
        assert!((row.std_error.unwrap() / wanted - 1.0).abs() < 1e-13, "{row:?}");
    }
    let mut options = SolveOptions::default();
    options.rank_tol = 1e-8;
    assert_eq!(solved(&make(share), &options).rank, 3);
}

#[test]
fn the_shortest_solution_spreads_over_equal_columns() {
    let mut cells = small(true);
    let copy = cells.columns[0].iter().map(|v| 2.0 * v).collect();
    cells.columns.insert(1, copy);
    let mut options = SolveOptions::default();
    options.collinear = Collinear::MinNorm;
    let fit = solved(&cells, &options);
    let of = |j: usize| fit.coefficients[j].estimate.unwrap();
    assert!((of(2) / of(1) - 2.0).abs() < 1e-15);
    let plain = solved(&small(true), &SolveOptions::default());
    // The constant has its part in the norm, but none in the null space.
    let sum = of(1) + 2.0 * of(2);
    assert!((sum / plain.coefficients[1].estimate.unwrap() - 1.0).abs() < 1e-14);
    assert_eq!(fit.coefficients[1].digits_arithmetic, None);
}

#[test]
fn inflation_factors_are_those_of_the_auxiliary_regressions() {
    for intercept in [true, false] {
        let cells = small(intercept);
        let fit = solved(&cells, &SolveOptions::default());
        let [a, b] = [&cells.columns[0], &cells.columns[1]];
        let on_other = |target: &Vec<f64>, feature: &Vec<f64>| {
            let columns = vec![feature.clone(), target.clone()];
            solved(&Cells { columns, intercept }, &SolveOptions::default()).glance.r_squared.unwrap()
        };
        for (index, r_squared) in [on_other(a, b), on_other(b, a)].into_iter().enumerate() {
            let vif = fit.coefficients[index + usize::from(intercept)].vif.unwrap();
            assert!((vif * (1.0 - r_squared) - 1.0).abs() < 1e-13, "{vif} {r_squared}");
        }
        if intercept {
            assert_eq!(fit.coefficients[0].vif, None);
        }
    }
}

/// Dummies of many levels: speed is asserted loosely, rank and sums to the digit.
#[test]
fn three_hundred_columns_take_no_time() {
    let p = 300;
    // Cross-products of 0/1 columns of equal counts beside an intercept.
    let (n, count) = (310_000.0, 1_000.0);
    let mut products = vec![fx128::ZERO; (p + 1) * (p + 1)];
    for j in 0..=p {
        for i in j..=p {
            let own = if i == j { count } else { 0.0 };
            let mean = fx128::from_f64(count * count) / fx128::from_f64(n);
            products[j * (p + 1) + i] = match (i == p, j == p) {
                (true, true) => fx128::from_f64(1e9),
                (true, false) => fx128::from_f64(count * j as f64),
                _ => fx128::from_f64(own) - mean,
            };
        }
    }
    let mean = fx128::from_f64(count) / fx128::from_f64(n);
    let means = vec![mean; p + 1];
    let double_double = DoubleDoubleProducts::from_parts(n as u64, fx128::from_f64(n), means, products);
    let equation = streamreg_solve::Equation {
        response: "y".into(),
        features: (0..p).map(|j| format!("g[{j}]")).collect(),
        intercept: true,
        nobs: n as u128,
        log_weights: 0.0,
        cell_errors: Vec::new(),
        amplification: 1.0,
    };
    let fit = fit(SolveInput::Exact(&double_double), &equation, &SolveOptions::default()).unwrap().fit;
    assert_eq!(fit.rank, p + 1);
    // (D - c c'/n)^-1 of equal counts c: 1/c on the diagonal, plus 1/(n - p c) everywhere.
    let rest = n - p as f64 * count;
    let sum: f64 = (0..p).map(|j| count * j as f64).sum();
    for (j, row) in fit.coefficients.iter().skip(1).enumerate() {
        let wanted = j as f64 + sum / rest;
        assert!((row.estimate.unwrap() / wanted - 1.0).abs() < 1e-14, "{j} {row:?}");
    }
}
