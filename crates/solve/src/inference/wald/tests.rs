//! Wald's statistic against its definition, and restrictions that are none.

use super::*;

/// Three terms, the second of five without an estimate.
fn bread() -> Bread {
    Bread {
        intercept: true,
        terms: vec![0, 2, 3],
        estimates: vec![1.0, -2.0, 0.5],
        root: vec![0.5, -3.0, 2.0, 0.0, 1.5, 0.25, 0.0, 0.0, 0.125],
        centre: vec![(0.0, 0.0); 3],
        weight: 4.0,
    }
}

fn meat() -> Meat {
    Meat {
        values: vec![2.0, 0.5, 0.25, 0.5, 1.0, -0.5, 0.25, -0.5, 3.0],
        added: None,
        decisive: 0,
        noise: 0.0,
    }
}

fn restriction(coefficients: &[(usize, f64)], value: f64) -> Restriction {
    Restriction { coefficients: coefficients.to_vec(), value }
}

fn test(restrictions: &[Restriction]) -> Result<WaldTest> {
    WaldTest::new("h", &bread(), &meat(), 20, restrictions)
}

#[test]
fn one_restriction_is_the_square_of_t() {
    let (bread, meat) = (bread(), meat());
    let variance = meat.variance(bread.row(1)).unwrap();
    let found = test(&[restriction(&[(2, 4.0)], 2.0)]).unwrap();
    let t = (4.0 * -2.0 - 2.0) / (4.0 * variance.sqrt());
    assert!((found.statistic.unwrap() / (t * t) - 1.0).abs() < 1e-14);
    assert_eq!((found.df, found.df_residual), (1, 20));
    let p = crate::inference::distributions::student_t_two_sided(t, 20.0);
    assert!((found.p_value.unwrap() / p - 1.0).abs() < 1e-12);
}

#[test]
fn two_restrictions_by_the_formula() {
    let (bread, meat) = (bread(), meat());
    let v = meat.between(&bread.root, 3);
    // b_2 + b_3 = 1 and b_0 - 2 b_2 = 0.
    let l = [[0.0, 1.0, 1.0], [1.0, -2.0, 0.0]];
    let miss = [-2.0 + 0.5 - 1.0, 1.0 + 4.0];
    let entry = |a: usize, b: usize| -> f64 { (0..9).map(|ij| l[a][ij / 3] * v[ij] * l[b][ij % 3]).sum() };
    let (a, b, d) = (entry(0, 0), entry(0, 1), entry(1, 1));
    let square =
        (d * miss[0] * miss[0] - 2.0 * b * miss[0] * miss[1] + a * miss[1] * miss[1]) / (a * d - b * b);
    let found =
        test(&[restriction(&[(2, 1.0), (3, 1.0)], 1.0), restriction(&[(0, 1.0), (2, -2.0)], 0.0)]).unwrap();
    assert!((found.statistic.unwrap() / (square / 2.0) - 1.0).abs() < 1e-12);
    // The same hypothesis in other words.
    let again =
        test(&[restriction(&[(0, 1.0), (3, 2.0)], 2.0), restriction(&[(0, -2.0), (2, 4.0)], 0.0)]).unwrap();
    assert!((again.statistic.unwrap() / found.statistic.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn restrictions_must_be_independent() {
    let fails = |restrictions: &[Restriction]| test(restrictions).unwrap_err().to_string();
    let (a, b) = (restriction(&[(2, 1.0), (3, -1.0)], 0.0), restriction(&[(3, 1.0)], 0.25));
    assert!(
        fails(&[a.clone(), b.clone(), restriction(&[(2, 3.0)], 0.75)]).contains("follows from the others")
    );
    assert!(fails(&[a.clone(), b, restriction(&[(2, 3.0)], 1.0)]).contains("contradict"));
    assert!(fails(&[a.clone(), restriction(&[(2, -2.0), (3, 2.0)], 0.0)]).contains("follows"));
    assert!(fails(&[restriction(&[(2, 1.0), (2, -1.0)], 0.0)]).contains("no coefficient is left"));
    assert!(fails(&[restriction(&[(2, 0.0)], 1.0)]).contains("contradict"));
    assert!(fails(&[]).contains("no restriction"));
    assert!(fails(&[a, restriction(&[(1, 1.0)], 0.0)]).contains("no estimate"));
}

#[test]
fn a_singular_covariance_has_no_f() {
    let singular = Meat {
        values: vec![1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0],
        added: None,
        decisive: 0,
        noise: 0.0,
    };
    let both = [restriction(&[(2, 1.0)], 0.0), restriction(&[(3, 1.0)], 0.0)];
    let found = WaldTest::new("h", &bread(), &singular, 20, &both).unwrap();
    assert_eq!((found.statistic, found.p_value), (None, None));
}
