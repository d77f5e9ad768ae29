//! What the descent and the system of equations must do on their own.

use std::sync::Arc;

use streamreg_core::{Accumulator, Column, CrossProducts, DesignBlock};

use super::{Fold, Gram, Penalty, PenaltyForm, PenaltyScale, cross_validate, grid, path, solve_one};
use crate::error::Error;

/// Cross-products of columns, the last of which is the response.
fn products(columns: &[Vec<f64>]) -> CrossProducts {
    let slices: Vec<Column<'_>> = columns.iter().map(|c| Column::from(c.as_slice())).collect();
    let mut products = CrossProducts::new(columns.len());
    let rows = columns[0].len();
    products
        .update(&DesignBlock { columns: &slices, codes: &[], sparse: None, weights: None, mask: None, rows })
        .unwrap();
    products
}

fn names(count: usize) -> Arc<[String]> {
    (0..count).map(|j| format!("x{j}")).collect()
}

/// Columns `(i a mod m) / m` for different `a`: neither orthogonal nor dependent.
fn columns(rows: usize, count: usize) -> Vec<Vec<f64>> {
    let cell = |i: usize, j: usize| ((i * (7 + 4 * j) * (i + j + 1)) % 101) as f64 / 101.0;
    (0..count).map(|j| (0..rows).map(|i| cell(i, j)).collect()).collect()
}

const LASSO: PenaltyForm = PenaltyForm { penalty: Penalty::LASSO, scale: PenaltyScale::Sklearn };
const RIDGE: PenaltyForm = PenaltyForm { penalty: Penalty::Ridge, scale: PenaltyScale::Sklearn };

#[test]
fn collinear_columns_do_not_slow_the_path_down() {
    let mut data = columns(200, 8);
    for j in 1..7 {
        // What is left beside the column before is 1e-4 of it: plain descent takes millions of sweeps.
        let before = data[j - 1].clone();
        data[j].iter_mut().zip(before).for_each(|(x, b)| *x = b + 1e-4 * *x);
    }
    let gram = Gram::new(&products(&data), true, &names(7));
    let lambdas = grid(&gram, &LASSO, 100).unwrap();
    let fits = path(&gram, &LASSO, &lambdas).unwrap();
    assert_eq!(fits[0].1.nonzero(), 0);
    for (lambda, fit) in &fits {
        assert!(fit.gap <= 1e-12, "{lambda}: {}", fit.gap);
        assert!(fit.rounds <= 20, "{lambda}: {} rounds", fit.rounds);
    }
}

#[test]
fn degrees_of_freedom() {
    let data = columns(60, 5);
    let gram = Gram::new(&products(&data), true, &names(4));
    let (none, df) = solve_one(&gram, &RIDGE, 0.0).unwrap();
    assert_eq!(none.nonzero(), 4);
    assert!((df - 4.0).abs() < 1e-12);
    let df_at = |lambda| solve_one(&gram, &RIDGE, lambda).unwrap().1;
    assert!(df_at(1.0) < df_at(0.1) && df_at(1e9) < 1e-6);
    let (lasso, df) = solve_one(&gram, &LASSO, 0.001).unwrap();
    assert_eq!(df, lasso.nonzero() as f64);
}

#[test]
fn options_are_checked() {
    let gram = Gram::new(&products(&columns(20, 3)), true, &names(2));
    let ratio = |l1_ratio| PenaltyForm { penalty: Penalty::ElasticNet { l1_ratio }, ..LASSO };
    assert!(matches!(path(&gram, &ratio(1.5), &[1.0]), Err(Error::Option(_))));
    assert!(matches!(grid(&gram, &ratio(1e-5), 10), Err(Error::Option(_))));
    assert!(matches!(grid(&gram, &LASSO, 0), Err(Error::Option(_))));
    assert!(matches!(path(&gram, &LASSO, &[f64::NAN]), Err(Error::Option(_))));
    let flat = Gram::new(&products(&[vec![1.0, 2.0, 3.0], vec![5.0; 3]]), true, &names(1));
    assert!(matches!(grid(&flat, &LASSO, 10), Err(Error::Option(_))));
    let twice = Gram::new(
        &products(&[vec![1.0, 2.0, 4.0], vec![1.0, 2.0, 4.0], vec![1.0, 0.0, 2.0]]),
        true,
        &names(2),
    );
    let singular = path(&twice, &RIDGE, &[0.0]).unwrap_err();
    assert_eq!(singular, Error::Singular { column: "x1".into(), lambda: 0.0 });
    assert!(cross_validate(&[], &LASSO, &[1.0], &[0]).is_err());
}

#[test]
fn held_out_errors_have_no_rounding_of_large_means() {
    // Two folds far from zero: the errors are those of the same data near it.
    let near = columns(80, 3);
    let shifted: Vec<Vec<f64>> = near.iter().map(|c| c.iter().map(|x| x + 1_048_576.0).collect()).collect();
    let errors = |data: &[Vec<f64>]| {
        let half = |range: std::ops::Range<usize>| {
            let part: Vec<Vec<f64>> = data.iter().map(|c| c[range.clone()].to_vec()).collect();
            Gram::new(&products(&part), true, &names(2))
        };
        let (a, b) = (half(0..37), half(37..80));
        let folds = [Fold { held_out: a.clone(), fitted: b.clone() }, Fold { held_out: b, fitted: a }];
        cross_validate(&folds, &LASSO, &[0.02, 0.001], &[0, 0]).unwrap().errors
    };
    for (a, b) in errors(&near).concat().iter().zip(errors(&shifted).concat()) {
        assert!((a / b - 1.0).abs() < 1e-8, "{a} {b}");
    }
}

#[test]
fn what_does_not_converge_is_the_last_iterate() {
    let data = columns(60, 5);
    let gram = Gram::new(&products(&data), true, &names(4));
    let weights = LASSO.weights(1e-3, &gram);
    let start = [0.0; 4];
    let none = super::descent::descend(&gram, &weights, &start, 0);
    assert!(!none.converged && none.slopes == start && none.digits == 0.0);
    let done = super::descent::descend(&gram, &weights, &start, 100);
    assert!(done.converged && done.gap <= 1e-12 && done.nonzero() > 0);
}
