//! Exact sums: the same bits for any order, layout, format and split of the rows.

use std::path::PathBuf;

use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use streamreg::{FitReport, Precision, Regression, Solver};
use streamreg_core::{Accumulator, Column, DesignBlock, ExactProducts};

use crate::nist::nist_columns;
use crate::util::{Dir, Random, Table, batch, close, fit_table, golden_json, table, to_csv, write_parquet};

/// What exact sums must not leave to chance.
fn exact_part(report: &FitReport) -> String {
    let value = serde_json::to_value(report).unwrap();
    assert_eq!(value["solver"]["precision"], "exact");
    let keys = ["coefficients", "glance", "rank", "aliased", "condition_number"];
    keys.map(|key| format!("{key}: {:#}", value[key])).join("\n")
}

/// Columns of every kind that the sums tell apart: full doubles, integers, 0/1, prices, float32, heavy tails, a large
/// mean; y is a function of them.
fn mixed(rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut column = |f: &dyn Fn(&mut Random) -> f64| (0..rows).map(|_| f(&mut random)).collect::<Vec<f64>>();
    let mut columns: Table = vec![
        ("normal".into(), column(&|r| 3.0 * (r.unit() + r.unit() + r.unit()))),
        ("integer".into(), column(&|r| r.below(1000) as f64 - 300.0)),
        ("flag".into(), column(&|r| r.below(2) as f64)),
        ("price".into(), column(&|r| r.below(1_000_000) as f64 / 100.0)),
        ("single".into(), column(&|r| f64::from(r.unit() as f32))),
        ("heavy".into(), column(&|r| (8.0 * r.unit()).exp())),
        ("offset".into(), column(&|r| 1e9 + r.unit())),
    ];
    let y = (0..rows).map(|i| {
        let of = |name: &str| columns.iter().find(|(n, _)| n == name).map_or(0.0, |(_, x)| x[i]);
        1.0 + of("normal") - 0.01 * of("price")
            + of("single")
            + 0.001 * of("heavy")
            + of("offset") * 1e-3
            + (i as f64 * 0.7).sin()
    });
    let y = y.collect();
    columns.push(("y".into(), y));
    columns
}

fn rows_of(columns: &Table, rows: &[usize]) -> Table {
    let pick = |x: &Vec<f64>| rows.iter().map(|&row| x[row]).collect();
    columns.iter().map(|(name, x)| (name.clone(), pick(x))).collect()
}

fn shuffled(rows: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut order: Vec<usize> = (0..rows).collect();
    for i in (1..rows).rev() {
        order.swap(i, random.below(i + 1));
    }
    order
}

fn row_groups(rows: usize) -> WriterProperties {
    WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build()
}

#[test]
fn neither_threads_nor_layout_nor_format_matter() {
    const ROWS: usize = 70_001;
    let dir = Dir::new();
    let columns = mixed(ROWS, 1);
    let regression = Regression::new("y");
    let expected = exact_part(&fit_table(&regression, &columns));
    for size in [1_000, 7_777, 20_000, 65_536, 1 << 20] {
        let path = dir.path(&format!("{size}.parquet"));
        write_parquet(&path, &batch(&columns), row_groups(size));
        for (threads, batch_rows) in [(1, 8192), (2, 1000), (7, 4096)] {
            let report =
                regression.clone().threads(threads).batch_rows(batch_rows).fit_paths(&[&path]).unwrap();
            assert_eq!(exact_part(&report), expected, "row groups of {size}, {threads} threads");
        }
    }
    let csv = dir.write("all.csv", to_csv(&columns));
    for threads in [1, 2, 7] {
        let report = regression.clone().threads(threads).fit_paths(&[&csv]).unwrap();
        assert_eq!(exact_part(&report), expected, "CSV, {threads} threads");
    }
}

#[test]
fn neither_the_order_of_rows_nor_of_files_matters() {
    const ROWS: usize = 30_000;
    let dir = Dir::new();
    let columns = mixed(ROWS, 2);
    let regression = Regression::new("y");
    let expected = exact_part(&fit_table(&regression, &columns));
    let order = shuffled(ROWS, 3);
    let moved = rows_of(&columns, &order);
    assert_eq!(exact_part(&fit_table(&regression, &moved)), expected, "shuffled rows");
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut from = 0;
    for (index, size) in [1, 9_999, 2_000, 17, 5_000, 3_000, 8_000, 1_900, 83].into_iter().enumerate() {
        let path = dir.path(&format!("{index}.parquet"));
        write_parquet(&path, &batch(&rows_of(&columns, &order[from..from + size])), row_groups(1_111));
        paths.push(path);
        from += size;
    }
    assert_eq!(from, ROWS);
    for seed in 0..5 {
        let files: Vec<&PathBuf> = shuffled(9, seed).into_iter().map(|i| &paths[i]).collect();
        assert_eq!(exact_part(&regression.fit_paths(&files).unwrap()), expected, "files in order {seed}");
    }
}

#[test]
fn nor_with_categories_weights_missing_values_and_products() {
    const ROWS: usize = 12_000;
    let mut columns = mixed(ROWS, 4);
    let mut random = Random::new(5);
    for (_, x) in columns.iter_mut().take(2) {
        (0..40).for_each(|_| x[random.below(ROWS)] = f64::NAN);
    }
    columns.push(("k".into(), (0..ROWS).map(|_| random.below(7) as f64).collect()));
    columns.push(("w".into(), (0..ROWS).map(|_| 0.1 + random.unit().abs()).collect()));
    let formulas = [
        "y ~ normal * C(k) + price:single + log(heavy)",
        "y ~ poly(normal, 4) + C(k) - 1",
        "y ~ poly(single, 5, raw=TRUE) + flag:C(k)",
    ];
    for formula in formulas {
        for weighted in [false, true] {
            let regression = Regression::formula(formula);
            let regression = match weighted {
                true => regression.weights("w", streamreg::WeightType::Analytic),
                false => regression,
            };
            // What orthogonal polynomials are computed about is a number near the first rows' mean: these stay.
            let expected = exact_part(&fit_table(&regression, &columns));
            let order: Vec<usize> =
                (0..1024).chain(shuffled(ROWS - 1024, 6).into_iter().map(|i| i + 1024)).collect();
            let moved = rows_of(&columns, &order);
            assert_eq!(exact_part(&fit_table(&regression, &moved)), expected, "{formula} {weighted}");
        }
    }
}

#[test]
fn every_nist_set_in_25_orders() {
    let sets = golden_json("nist/certified.json");
    for (name, set) in sets.as_object().unwrap() {
        let columns = nist_columns(set);
        let regression = Regression::new("y").intercept(set["model"]["intercept"].as_bool().unwrap());
        let expected = exact_part(&fit_table(&regression, &columns));
        for seed in 0..25 {
            let moved = rows_of(&columns, &shuffled(columns[0].1.len(), seed));
            assert_eq!(exact_part(&fit_table(&regression, &moved)), expected, "{name}, order {seed}");
        }
    }
}

#[test]
fn a_power_of_two_changes_its_own_coefficient_and_no_other_bit() {
    let columns = mixed(600, 7);
    let regression = Regression::new("y");
    let expected = fit_table(&regression, &columns);
    for k in -40..=40 {
        for scaled in ["normal", "price", "heavy"] {
            let mut moved = columns.clone();
            let factor = 2f64.powi(k);
            let x = &mut moved.iter_mut().find(|(name, _)| name == scaled).unwrap().1;
            x.iter_mut().for_each(|v| *v *= factor);
            let report = fit_table(&regression, &moved);
            assert_eq!(report.glance, expected.glance, "{scaled} 2^{k}");
            for (a, b) in report.coefficients.iter().zip(&expected.coefficients) {
                let own = if a.term == scaled { factor } else { 1.0 };
                assert_eq!(a.estimate.unwrap() * own, b.estimate.unwrap(), "{scaled} 2^{k}: {}", a.term);
                assert_eq!(a.std_error.unwrap() * own, b.std_error.unwrap(), "{scaled} 2^{k}: {}", a.term);
                assert_eq!(a.p_value, b.p_value);
            }
        }
    }
}

#[test]
fn an_integer_far_from_zero_has_the_same_slope() {
    let mut columns = mixed(5_000, 8);
    let regression = Regression::new("y");
    let expected = fit_table(&regression, &columns);
    columns[1].1.iter_mut().for_each(|x| *x += 2f64.powi(43));
    let report = fit_table(&regression, &columns);
    assert_eq!(report.rank, expected.rank);
    for (a, b) in report.coefficients.iter().zip(&expected.coefficients).skip(1) {
        close(&a.term, a.estimate.unwrap(), b.estimate.unwrap(), 1e-12);
        close(&a.term, a.std_error.unwrap(), b.std_error.unwrap(), 1e-12);
    }
}

/// A fit to rows that can be read again.
fn fit_rows(regression: &Regression, columns: &Table) -> FitReport {
    regression.fit(&[batch(columns)]).unwrap()
}

#[test]
fn float_is_at_hand_and_says_so() {
    let columns = mixed(3_000, 9);
    let exact = fit_table(&Regression::new("y"), &columns);
    let float = fit_table(&Regression::new("y").precision(Precision::Float), &columns);
    assert_eq!(float.solver.precision, Precision::Float);
    for (a, b) in float.coefficients.iter().zip(&exact.coefficients) {
        close(&a.term, a.estimate.unwrap(), b.estimate.unwrap(), 1e-7);
    }
    let wide = fit_rows(&Regression::new("y"), &table(66_000, streamreg::EXACT_VARIABLES, 10));
    assert_eq!(wide.solver.precision, Precision::Float);
    let widest = fit_rows(&Regression::new("y"), &table(66_000, streamreg::EXACT_VARIABLES - 1, 10));
    assert_eq!(widest.solver.precision, Precision::Exact);
    let few = fit_rows(&Regression::new("y"), &table(300, streamreg::EXACT_VARIABLES, 10));
    assert_eq!((few.solver.precision, few.solver.escalation), (Precision::Exact, None));
    // A change of these constants changes bits that users rely on: it belongs into the change log.
    assert_eq!((streamreg::EXACT_VARIABLES, streamreg::EXACT_VARIABLES_ONCE), (11, 64));
}

/// Twenty columns with noise of their own, and one that repeats another but for a share of its size.
fn nearly_dependent(share: f64) -> Table {
    let mut columns = table(70_000, 20, 11);
    let mut random = Random::new(12);
    let nearly = columns[3].1.iter().map(|x| x + share * random.unit()).collect();
    columns.insert(0, ("nearly".into(), nearly));
    columns
}

#[test]
fn what_float64_leaves_few_digits_is_summed_exactly_on_a_second_read() {
    let easy = fit_rows(&Regression::new("y"), &nearly_dependent(1.0));
    assert_eq!((easy.solver.precision, easy.solver.passes), (Precision::Float, 1));
    assert_eq!(easy.solver.escalation, None);
    // Condition numbers of some thousands, and a column that float64 cannot tell from a dependent one.
    for (share, why) in [(1e-4, "digits"), (1e-9, "cannot tell whether")] {
        let columns = nearly_dependent(share);
        let found = fit_rows(&Regression::new("y"), &columns);
        let reason = found.solver.escalation.clone().unwrap_or_default();
        assert!(reason.contains(why), "{share}: {reason}");
        assert_eq!((found.solver.precision, found.solver.passes), (Precision::Exact, 2));
        assert_eq!(found.rank, 22, "{share}");
        let at_once = fit_rows(&Regression::new("y").precision(Precision::Exact), &columns);
        assert_eq!(exact_part(&found), exact_part(&at_once));
        assert!(found.to_string().contains("Summed exactly on a second pass: "), "{found}");
    }
}

#[test]
fn what_is_summed_once_is_exact_for_more_columns() {
    let columns = nearly_dependent(1e-4);
    let at_once = fit_rows(&Regression::new("y").precision(Precision::Exact), &columns);
    let stream = fit_table(&Regression::new("y"), &columns);
    assert_eq!(exact_part(&stream), exact_part(&at_once));
    for regression in [Regression::new("y").escalate(false), Regression::new("y").solver(Solver::Cholesky)] {
        let found = fit_rows(&regression, &columns);
        assert_eq!((found.solver.passes, exact_part(&found)), (1, exact_part(&at_once)));
    }
    let wide = table(300, streamreg::EXACT_VARIABLES_ONCE, 13);
    let wide = fit_rows(&Regression::new("y").escalate(false), &wide);
    assert_eq!(wide.solver.precision, Precision::Float);
    // An option that was asked for stands.
    let float = fit_rows(&Regression::new("y").precision(Precision::Float), &columns);
    assert_eq!((float.solver.precision, float.solver.used), (Precision::Float, Solver::Qr));
}

fn products(columns: &[Vec<f64>], rows: std::ops::Range<usize>) -> ExactProducts {
    let slices: Vec<Column<'_>> = columns.iter().map(|c| Column::from(&c[rows.clone()])).collect();
    let mut products = ExactProducts::new(columns.len());
    let block = DesignBlock {
        columns: &slices,
        codes: &[],
        sparse: None,
        weights: None,
        mask: None,
        rows: rows.len(),
    };
    products.update(&block).unwrap();
    products
}

/// Every sum, as text.
fn state(products: &ExactProducts) -> String {
    let m = products.variables();
    let pairs = (0..m).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let all: Vec<_> = pairs.map(|(i, j)| products.product(i, j)).collect();
    let sums: Vec<_> = (0..m).map(|i| products.sum(i)).collect();
    format!("{} {:?} {sums:?} {all:?}", products.rows(), products.weight())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn states_merge_in_any_order_and_come_apart_again(
        data in prop::collection::vec(prop::collection::vec(any::<f64>().prop_filter("finite", |x| x.is_finite()), 30), 1..4),
        cut in 0usize..30,
        further in 0usize..30,
    ) {
        let (a, b) = (cut.min(further), cut.max(further));
        let whole = products(&data, 0..30);
        let expected = state(&whole);
        let part = |range| products(&data, range);
        let mut left = part(0..a);
        left.merge(part(a..b)).unwrap();
        left.merge(part(b..30)).unwrap();
        prop_assert_eq!(state(&left), expected.clone());
        let mut right = part(b..30);
        let mut middle = part(a..b);
        middle.merge(part(0..a)).unwrap();
        right.merge(middle).unwrap();
        prop_assert_eq!(state(&right), expected);
        right.subtract(&part(a..b)).unwrap();
        let mut without = part(0..a);
        without.merge(part(b..30)).unwrap();
        prop_assert_eq!(state(&right), state(&without));
    }
}

/// Twenty rows, of which one lies far away: what tells the others apart is in the last digits of the powers.
#[test]
fn polynomials_are_orthogonal_beside_an_outlier_and_claim_no_more() {
    let mut random = Random::new(31);
    for far in [1e3, 1e5, 1e7] {
        let mut x = random.vector(20);
        x[7] = far;
        let y = random.vector(20);
        let columns: Table = vec![("x".into(), x.clone()), ("y".into(), y.clone())];
        let report = fit_table(&Regression::formula("y ~ poly(x, 2)"), &columns);
        // Columns of unit length that are orthogonal: every standard error is sigma.
        let sigma = report.glance.sigma.unwrap();
        let digits = report.accuracy.digits_arithmetic.unwrap();
        assert!(digits > 6.0, "{far}: {digits}");
        for row in &report.coefficients[1..] {
            close(&row.term, row.std_error.unwrap(), sigma, 10f64.powf(-digits));
        }
        // The same fit by powers, which are exact.
        let raw = fit_table(&Regression::formula("y ~ poly(x, 2, raw=TRUE)"), &columns);
        close("deviance", report.glance.deviance, raw.glance.deviance, 10f64.powf(-digits));
    }
}

#[test]
fn functions_make_up_for_what_their_argument_lacks() {
    let mut random = Random::new(32);
    let x: Vec<f64> = (0..25).map(|_| 1e-14 * (1.5 + random.unit())).collect();
    let columns: Table = vec![("x".into(), x), ("y".into(), random.vector(25))];
    let found = fit_table(&Regression::formula("y ~ log(x + 1)"), &columns);
    let wanted = fit_table(&Regression::formula("y ~ log1p(x)"), &columns);
    for (a, b) in found.coefficients.iter().zip(&wanted.coefficients) {
        close(&b.term, a.estimate.unwrap(), b.estimate.unwrap(), 1e-9);
    }
}
