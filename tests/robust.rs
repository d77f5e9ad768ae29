//! Robust covariances and joint tests: published values, the formulas on random data, and what must not matter.

use std::path::Path;

use parquet::file::properties::WriterProperties;
use serde_json::Value;
use streamreg::{Covariance, FitReport, Regression, SmallSample, Vcov, WeightType};

use crate::util::{
    Dir, Random, Table, batch, close, csv, fingerprint, golden, golden_json, number, to_csv, write_parquet,
};

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn published_cases_to_ten_digits() {
    let all = golden_json("reference/robust.json");
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 29);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let dir = Dir::new();
        let file = golden("reference").join(case["data"].as_str().unwrap());
        let flags = case["flags"].as_str().unwrap();
        let command = dir.streamreg(&format!("fit {flags} --format json --vcov-out v.csv")).arg(file);
        let terms = strings(&case["terms"]);
        let command = match case["formula"].as_str() {
            Some(formula) => command.arg("--formula").arg(formula),
            None => {
                let features: Vec<&str> = terms.iter().copied().filter(|t| *t != "(Intercept)").collect();
                let response = case["response"].as_str().unwrap();
                command.arg("--target").arg(response).arg("--features").arg(features.join(","))
            }
        };
        let report = command.success().json();
        let exact = |field: &str| case[field].as_array().map(|_| strings(&case[field]));
        for (field, of) in [("coef", "estimate"), ("se", "std_error")] {
            for (term, wanted) in terms.iter().zip(exact(field).unwrap_or_default()) {
                let label = format!("{id}: {field} of {term}");
                close(&label, term_of(&report, term, of), wanted.parse().unwrap(), 1e-10);
            }
        }
        if let Some(wanted) = exact("cov") {
            let table = csv(&dir.read("v.csv"));
            for (at, wanted) in wanted.iter().enumerate() {
                let (row, column) = (terms[at / terms.len()], terms[at % terms.len()]);
                let got = cell(&table, row, column);
                let size = cell(&table, row, row).sqrt() * cell(&table, column, column).sqrt();
                let error = (got - wanted.parse::<f64>().unwrap()).abs() / size;
                assert!(error < 1e-10, "{id}: covariance of {row} and {column}: {got} instead of {wanted}");
            }
        }
        if let Some(published) = case["published_se"].as_array() {
            for (term, wanted) in terms.iter().zip(published) {
                let label = format!("{id}: published SE of {term}");
                close(&label, term_of(&report, term, "std_error"), wanted.as_f64().unwrap(), 3e-3);
            }
        }
    }
}

#[track_caller]
fn term_of(report: &Value, term: &str, field: &str) -> f64 {
    let found = report["coefficients"].as_array().unwrap().iter().find(|c| c["term"] == term);
    found.and_then(|c| c[field].as_f64()).unwrap_or_else(|| panic!("no {field} of {term} in {report:#}"))
}

/// A cell of a covariance table.
fn cell(table: &[Vec<String>], row: &str, column: &str) -> f64 {
    let at = table[0].iter().position(|name| name == column).unwrap();
    table.iter().find(|r| r[0] == row).unwrap()[at].parse().unwrap()
}

/// Two features, a response whose variance grows, weights that are counts, clusters of both kinds.
pub(crate) fn rows(n: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let x1: Vec<f64> = random.vector(n).iter().map(|x| 100.0 + 3.0 * x).collect();
    let x2 = random.vector(n);
    let g: Vec<f64> = (0..n).map(|_| random.below(12) as f64).collect();
    let h: Vec<f64> = (0..n).map(|_| random.below(7) as f64).collect();
    let w: Vec<f64> = (0..n).map(|_| 1.0 + random.below(4) as f64).collect();
    let shocks = random.vector(20);
    let y = (0..n).map(|i| {
        let noise = random.unit() * (0.5 + x2[i].abs()) + shocks[g[i] as usize] - shocks[19 - h[i] as usize];
        2.0 - 0.5 * x1[i] + x2[i] + noise
    });
    let y = y.collect();
    let names = ["x1", "x2", "g", "h", "w", "y"];
    names.map(str::to_owned).into_iter().zip([x1, x2, g, h, w, y]).collect()
}

fn column<'t>(table: &'t Table, name: &str) -> &'t [f64] {
    &table.iter().find(|(n, _)| n == name).unwrap().1
}

fn model() -> Regression {
    Regression::new("y").features(["x1", "x2"])
}

/// Fits to a Parquet file of the table, in row groups of `group` rows.
fn fit_groups(regression: &Regression, table: &Table, group: usize) -> FitReport {
    let dir = Dir::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    write_parquet(&dir.path("d.parquet"), &batch(table), properties);
    regression.fit_paths(&[dir.path("d.parquet")]).unwrap()
}

fn fit(regression: &Regression, table: &Table) -> FitReport {
    fit_groups(regression, table, 1 << 20)
}

/// Standard errors; 0 where two ways leave none.
fn errors(report: &FitReport) -> Vec<f64> {
    report.coefficients.iter().map(|c| c.std_error.unwrap_or(0.0)).collect()
}

#[track_caller]
pub(crate) fn same_errors(a: &FitReport, b: &FitReport, tolerance: f64) {
    for ((a, b), c) in errors(a).into_iter().zip(errors(b)).zip(&a.coefficients) {
        close(&c.term, a, b, tolerance);
    }
}

type Matrix = Vec<Vec<f64>>;

/// The inverse by Gauss and Jordan.
fn inverse(mut a: Matrix) -> Matrix {
    let k = a.len();
    let mut b: Matrix = (0..k).map(|i| (0..k).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for c in 0..k {
        let p = (c..k).max_by(|&i, &j| a[i][c].abs().total_cmp(&a[j][c].abs())).unwrap();
        a.swap(c, p);
        b.swap(c, p);
        let pivot = a[c][c];
        (0..k).for_each(|j| (a[c][j] /= pivot, b[c][j] /= pivot).0);
        for i in (0..k).filter(|&i| i != c) {
            let f = a[i][c];
            (0..k).for_each(|j| (a[i][j] -= f * a[c][j], b[i][j] -= f * b[c][j]).0);
        }
    }
    b
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |row: &Vec<f64>, j: usize| (0..b.len()).map(|k| row[k] * b[k][j]).sum();
    a.iter().map(|row| (0..b[0].len()).map(|j| entry(row, j)).collect()).collect()
}

/// The design, `x1` about 100 so that inverting it in float64 is harmless, the inverse, residuals and leverages.
struct Naive {
    x: Matrix,
    a: Matrix,
    e: Vec<f64>,
    h: Vec<f64>,
}

impl Naive {
    fn new(table: &Table, weights: &[f64]) -> Self {
        let (x1, x2, y) = (column(table, "x1"), column(table, "x2"), column(table, "y"));
        let x: Matrix = (0..y.len()).map(|i| vec![1.0, x1[i] - 100.0, x2[i]]).collect();
        let gram = |v: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..3).map(|j| (0..y.len()).map(|i| weights[i] * v(i, j)).sum()).collect()
        };
        let a = inverse((0..3).map(|k| gram(&|i, j| x[i][j] * x[i][k])).collect());
        let xy = gram(&|i, j| x[i][j] * y[i]);
        let b: Vec<f64> = a.iter().map(|row| row.iter().zip(&xy).map(|(p, q)| p * q).sum()).collect();
        let e = x.iter().zip(y).map(|(x, y)| y - x.iter().zip(&b).map(|(p, q)| p * q).sum::<f64>()).collect();
        let of = |x: &Vec<f64>| (0..9).map(|m| x[m / 3] * a[m / 3][m % 3] * x[m % 3]).sum::<f64>();
        let h = x.iter().map(of).collect();
        Self { x, a, e, h }
    }

    /// Errors of the slopes for scores `factor_i e_i x_i` that are summed by key, and a factor.
    fn slopes(&self, factors: &[f64], keys: &[usize], factor: f64) -> Vec<f64> {
        let mut sums = vec![vec![0.0; 3]; keys.iter().max().unwrap() + 1];
        for (i, &key) in keys.iter().enumerate() {
            (0..3).for_each(|j| sums[key][j] += factors[i] * self.e[i] * self.x[i][j]);
        }
        let meat = |k: usize| (0..3).map(|j| sums.iter().map(|s| s[j] * s[k]).sum()).collect();
        let v = product(&product(&self.a, &(0..3).map(meat).collect()), &self.a);
        vec![(v[1][1] * factor).sqrt(), (v[2][2] * factor).sqrt()]
    }
}

#[track_caller]
fn slopes_are(report: &FitReport, wanted: &[f64]) {
    for (got, wanted) in errors(report)[1..].iter().zip(wanted) {
        close("a slope's error", *got, *wanted, 1e-10);
    }
}

#[test]
fn the_formulas_on_random_data() {
    let table = rows(500, 1);
    let n = 500.0;
    let each: Vec<usize> = (0..500).collect();
    let ones = vec![1.0; 500];
    let naive = Naive::new(&table, &ones);
    let of = |vcov: Vcov| fit(&model().vcov(vcov), &table);
    slopes_are(&of(Vcov::Hc0), &naive.slopes(&ones, &each, 1.0));
    slopes_are(&of(Vcov::Hc1), &naive.slopes(&ones, &each, n / (n - 3.0)));
    let by = |power: f64| naive.h.iter().map(|h| (1.0 - h).powf(-power)).collect::<Vec<_>>();
    slopes_are(&of(Vcov::Hc2), &naive.slopes(&by(0.5), &each, 1.0));
    slopes_are(&of(Vcov::Hc3), &naive.slopes(&by(1.0), &each, 1.0));
    let keys: Vec<usize> = column(&table, "g").iter().map(|g| *g as usize).collect();
    let cr1 = fit(&model().cluster(["g"]), &table);
    slopes_are(&cr1, &naive.slopes(&ones, &keys, 12.0 / 11.0 * (n - 1.0) / (n - 3.0)));
    assert_eq!((cr1.vcov.df, cr1.vcov.clusters[0].clusters), (Some(11), 12));

    let w = column(&table, "w").to_vec();
    let naive = Naive::new(&table, &w);
    let weighted = model().weights("w", WeightType::Analytic);
    slopes_are(&fit(&weighted.clone().vcov(Vcov::Hc0), &table), &naive.slopes(&w, &each, 1.0));
    let hc3: Vec<f64> = w.iter().zip(&naive.h).map(|(w, h)| w / (1.0 - w * h)).collect();
    slopes_are(&fit(&weighted.vcov(Vcov::Hc3), &table), &naive.slopes(&hc3, &each, 1.0));
    let probability = fit(&model().weights("w", WeightType::Probability), &table);
    assert_eq!(probability.vcov.kind, Vcov::Hc1);
    slopes_are(&probability, &naive.slopes(&w, &each, n / (n - 3.0)));
}

#[test]
fn the_jackknife_is_one() {
    let table = rows(200, 2);
    let report = fit(&model().cluster(["g"]).vcov(Vcov::Cr3), &table);
    let mean = fit(&model().cluster(["g"]).vcov(Vcov::Cr3).ssc("jackknife-mean".parse().unwrap()), &table);
    let all: Vec<f64> = report.coefficients.iter().map(|c| c.estimate.unwrap()).collect();
    let without = |left: usize| -> Vec<f64> {
        let keep: Vec<usize> = (0..200).filter(|&i| column(&table, "g")[i] as usize != left).collect();
        let part: Table =
            table.iter().map(|(n, x)| (n.clone(), keep.iter().map(|&i| x[i]).collect())).collect();
        fit(&model(), &part).coefficients.iter().map(|c| c.estimate.unwrap()).collect()
    };
    let leaves: Vec<Vec<f64>> = (0..12).map(without).collect();
    for t in 0..3 {
        let about = |centre: f64| {
            let square: f64 = leaves.iter().map(|b| (b[t] - centre) * (b[t] - centre)).sum();
            (square * 11.0 / 12.0).sqrt()
        };
        close("CR3", errors(&report)[t], about(all[t]), 1e-9);
        close(
            "CR3 about the mean",
            errors(&mean)[t],
            about(leaves.iter().map(|b| b[t]).sum::<f64>() / 12.0),
            1e-9,
        );
    }
}

#[test]
fn what_must_not_matter_does_not() {
    let table = rows(3_000, 3);
    let frequency = model().weights("w", WeightType::Frequency);
    let all = [
        model().vcov(Vcov::Hc1),
        model().vcov(Vcov::Hc3),
        model().vcov(Vcov::Hac(7)),
        model().cluster(["g"]),
        model().cluster(["g", "h"]),
        model().cluster(["h"]).vcov(Vcov::Cr3),
        frequency.clone().vcov(Vcov::Hc2),
        frequency.cluster(["g"]),
    ];
    for regression in all {
        let dir = Dir::new();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(700)).build();
        write_parquet(&dir.path("d.parquet"), &batch(&table), properties);
        let of = |threads: usize, rows: usize| {
            let report =
                regression.clone().threads(threads).batch_rows(rows).fit_paths(&[dir.path("d.parquet")]);
            fingerprint(&report.unwrap())
        };
        let one = of(1, 4096);
        assert_eq!(one, of(2, 4096));
        assert_eq!(one, of(7, 100));
        assert_eq!(one, of(2, 1));
        let whole = fit(&regression, &table);
        same_errors(&whole, &fit_groups(&regression, &table, 700), 1e-11);
    }
}

#[test]
fn frequencies_are_rows() {
    let table = rows(300, 4);
    let times: Vec<usize> = column(&table, "w").iter().map(|w| *w as usize).collect();
    let repeat = |x: &Vec<f64>| x.iter().zip(&times).flat_map(|(x, n)| vec![*x; *n]).collect();
    let expanded: Table = table.iter().map(|(name, x)| (name.clone(), repeat(x))).collect();
    for vcov in [Vcov::Hc0, Vcov::Hc1, Vcov::Hc2, Vcov::Hc3] {
        let counted = fit(&model().weights("w", WeightType::Frequency).vcov(vcov), &table);
        let plain = fit(&model().vcov(vcov), &expanded);
        same_errors(&counted, &plain, 1e-11);
        close("F", counted.glance.statistic.unwrap(), plain.glance.statistic.unwrap(), 1e-10);
        assert_eq!(counted.vcov, plain.vcov);
    }
    for vcov in [Vcov::Cr0, Vcov::Cr1, Vcov::Cr3] {
        let clustered = model().cluster(["g"]).vcov(vcov);
        let counted = fit(&clustered.clone().weights("w", WeightType::Frequency), &table);
        same_errors(&counted, &fit(&clustered, &expanded), 1e-11);
    }
}

#[test]
fn clusters_of_a_row_each_and_the_same_clusters_twice() {
    let mut table = rows(400, 5);
    table.push(("id".into(), (0..400).map(f64::from).collect()));
    table.push(("again".into(), column(&table, "g").iter().map(|g| 100.0 - g).collect()));
    let single = fit(&model().cluster(["id"]).vcov(Vcov::Cr0), &table);
    same_errors(&single, &fit(&model().vcov(Vcov::Hc0), &table), 1e-12);
    // With a row a cluster the jackknife is HC3 but for its factor.
    let jackknife = fit(&model().cluster(["id"]).vcov(Vcov::Cr3), &table);
    let hc3 = fit(&model().vcov(Vcov::Hc3), &table);
    for (a, b) in errors(&jackknife).iter().zip(errors(&hc3)) {
        close("CR3 of rows", *a, b * (399.0f64 / 400.0).sqrt(), 1e-11);
    }
    for vcov in [Vcov::Cr0, Vcov::Cr1] {
        let twice = fit(&model().cluster(["g", "again"]).vcov(vcov), &table);
        same_errors(&twice, &fit(&model().cluster(["g"]).vcov(vcov), &table), 1e-14);
    }
}

#[test]
fn the_order_of_rows_matters_to_lags_alone() {
    let table = rows(1_000, 6);
    let mut order: Vec<usize> = (0..1_000).collect();
    let mut random = Random::new(7);
    (1..1_000).rev().for_each(|i| order.swap(i, random.below(i + 1)));
    let shuffled: Table =
        table.iter().map(|(n, x)| (n.clone(), order.iter().map(|&i| x[i]).collect())).collect();
    for regression in [
        model().vcov(Vcov::Hc2),
        model().cluster(["g"]),
        model().cluster(["g", "h"]),
        model().cluster(["g"]).vcov(Vcov::Cr3),
    ] {
        same_errors(&fit(&regression, &table), &fit(&regression, &shuffled), 1e-11);
    }
    let lagged = model().vcov(Vcov::Hac(3));
    let (a, b) = (errors(&fit(&lagged, &table)), errors(&fit(&lagged, &shuffled)));
    assert!((a[1] / b[1] - 1.0).abs() > 1e-6, "{a:?} {b:?}");
    let none: SmallSample = "none".parse().unwrap();
    same_errors(
        &fit(&model().vcov(Vcov::Hac(0)).ssc(none), &table),
        &fit(&model().vcov(Vcov::Hc0), &table),
        1e-12,
    );
}

/// An offset and a change of units must not cost digits: only the constant's error knows of the offset.
#[test]
fn large_means_and_units_cost_no_digits() {
    let table = rows(600, 8);
    let moved: Table = table
        .iter()
        .map(|(n, x)| {
            (
                n.clone(),
                if n == "x2" { x.iter().map(|v| (v * 1024.0).round() + 1e9).collect() } else { x.clone() },
            )
        })
        .collect();
    let near: Table = moved
        .iter()
        .map(|(n, x)| (n.clone(), if n == "x2" { x.iter().map(|v| v - 1e9).collect() } else { x.clone() }))
        .collect();
    for regression in [
        model().vcov(Vcov::Hc3),
        model().cluster(["g"]),
        model().vcov(Vcov::Hac(2)),
        model().cluster(["g"]).vcov(Vcov::Cr3),
    ] {
        let (far, near) = (fit(&regression, &moved), fit(&regression, &near));
        for (a, b) in errors(&far)[1..].iter().zip(&errors(&near)[1..]) {
            close("a slope's error", *a, *b, 1e-11);
        }
        close("F", far.glance.statistic.unwrap(), near.glance.statistic.unwrap(), 1e-10);
    }
}

/// Rows that lack the cluster are dropped in both passes, and in the ledger under its name.
#[test]
fn rows_without_a_cluster_are_dropped_and_counted() {
    let dir = Dir::new();
    let table = rows(200, 9);
    let text = to_csv(&table);
    let lines: Vec<&str> = text.lines().collect();
    let part = |drop: bool| -> String {
        let keep = |(i, line): (usize, &&str)| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if i > 0 && i % 10 == 0 {
                cells[2] = "";
            }
            (!drop || i == 0 || i % 10 != 0).then(|| cells.join(",") + "\n")
        };
        lines.iter().enumerate().filter_map(keep).collect()
    };
    dir.write("gaps.csv", part(false));
    dir.write("without.csv", part(true));
    let of = |file: &str| dir.fit(&format!("{file} -t y -f x1,x2 --cluster g"));
    let (gaps, without) = (of("gaps.csv"), of("without.csv"));
    for term in ["(Intercept)", "x1", "x2"] {
        let of = |report: &Value| term_of(report, term, "std_error");
        close(term, of(&gaps), of(&without), 1e-12);
    }
    assert_eq!(gaps["ledger"]["dropped"][0]["column"], "g");
    assert_eq!(number(&gaps, "ledger/dropped/0/rows"), 20.0);
    dir.streamreg("fit gaps.csv -t y -f x1,x2 --cluster g --missing error").fails(3, &["\"g\"", "row 10"]);
    let filled = dir.fit("gaps.csv -t y -f x1,x2 --cluster g --missing indicator");
    assert_eq!(number(&filled, "ledger/dropped/0/rows"), 20.0);
    // A cluster is no feature by default, but may be one.
    assert!(!dir.fit("gaps.csv -t y --cluster g")["formula"].as_str().unwrap().contains("g"));
    let both = dir
        .streamreg("fit gaps.csv --cluster g --format json --formula")
        .arg("y ~ x1 + C(g)")
        .success()
        .json();
    assert_eq!(both["coefficients"].as_array().unwrap().len(), 13);
}

#[test]
fn dummies_of_single_rows_have_leverage_one() {
    let dir = Dir::new();
    let mut text = String::from("y,x,d,g\n");
    let mut random = Random::new(10);
    for i in 0..40 {
        let d = u8::from(i == 7 || i == 9);
        let own = if i == 7 {
            "a"
        } else if i == 9 {
            "b"
        } else {
            "c"
        };
        text += &format!("{},{},{d},{own}\n", random.unit(), random.unit());
    }
    dir.write("d.csv", text);
    let report = dir.fit("d.csv -t y -f x,g --vcov hc3");
    let warning =
        report["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "full_leverage").unwrap();
    assert!(warning["message"].as_str().unwrap().starts_with("2 rows"), "{warning}");
    // The others are as if these rows were not there.
    let rest =
        dir.streamreg("fit d.csv -t y -f x --vcov hc3 --format json --where").arg("g = 'c'").success().json();
    close("x", term_of(&report, "x", "std_error"), term_of(&rest, "x", "std_error"), 1e-9);
}

#[test]
fn two_ways_may_leave_no_variance() {
    // Errors that cancel within both: the pairs' sums of squares exceed those of rows and columns.
    let dir = Dir::new();
    let mut text = String::from("y,g,h\n");
    for (g, h) in (0..6).flat_map(|g| (0..6).map(move |h| (g, h))) {
        let sign = if (g + h) % 2 == 0 { 1.0 } else { -1.0 };
        text += &format!("{sign},{g},{h}\n");
    }
    dir.write("d.csv", text);
    let line = "fit d.csv --cluster g,h --vcov cr0 --format json --formula";
    let report = dir.streamreg(line).arg("y ~ 1").success().json();
    assert!(report["coefficients"][0]["std_error"].is_null(), "{report:#}");
    assert!(report["coefficients"][0]["p_value"].is_null());
    let codes: Vec<&str> =
        report["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"negative_variance"), "{codes:?}");
}

#[test]
fn joint_tests() {
    let dir = Dir::new();
    let table = rows(500, 11);
    dir.write("d.csv", to_csv(&table));
    let report = dir
        .streamreg("fit d.csv -t y -f x1,x2 --format json")
        .args(["--test", "x1 = 0, x2 = 0", "--test", "2*x1 + x2 = 0", "--test", "x2 = 1"])
        .success()
        .json();
    // All slopes together are the overall F; one alone is the square of t.
    close("F", number(&report, "tests/0/statistic"), number(&report, "glance/statistic"), 1e-12);
    close("p", number(&report, "tests/0/p_value"), number(&report, "glance/p_value"), 1e-10);
    let t = (number(&report, "coefficients/2/estimate") - 1.0) / number(&report, "coefficients/2/std_error");
    close("t²", number(&report, "tests/2/statistic"), t * t, 1e-12);
    assert_eq!((number(&report, "tests/1/df"), number(&report, "tests/1/df_residual")), (1.0, 497.0));
    let robust = dir
        .streamreg("fit d.csv -t y -f x1,x2 --cluster g --format json")
        .args(["--test", "x1 = x2 = 0", "--test", "(Intercept) = 1"])
        .success()
        .json();
    close("robust F", number(&robust, "tests/0/statistic"), number(&robust, "glance/statistic"), 1e-12);
    assert_eq!(number(&robust, "tests/0/df_residual"), 11.0);
    let t = (number(&robust, "coefficients/0/estimate") - 1.0) / number(&robust, "coefficients/0/std_error");
    close("t² of the constant", number(&robust, "tests/1/statistic"), t * t, 1e-10);
    let table = dir.streamreg("fit d.csv -t y -f x1,x2 --cluster g").args(["--test", "x1 = x2"]).success();
    for words in ["Test x1 = x2: F = ", "on 1 and 11 DF", "(CR1), 12 of g; t with 11 DF"] {
        table.check(table.stdout.contains(words), words);
    }
    for (test, words) in [
        ("x3 = 0", vec!["no term \"x3\"", "\"(Intercept)\", \"x1\", \"x2\""]),
        ("x1 + x2", vec!["neither a term", "no `=`"]),
        ("x1 = 0, 2*x1 = 0", vec!["follows from the others"]),
        ("x1 = 0, x1 = 1", vec!["contradict"]),
    ] {
        dir.streamreg("fit d.csv -t y -f x1,x2").args(["--test", test]).fails(2, &words);
    }
}

#[test]
fn few_clusters_leave_no_overall_f() {
    let table = rows(200, 12);
    let two: Table = table
        .iter()
        .map(|(n, x)| (n.clone(), if n == "g" { x.iter().map(|g| g % 2.0).collect() } else { x.clone() }))
        .collect();
    let report = fit(&model().cluster(["g"]), &two);
    assert_eq!((report.glance.statistic, report.vcov.df), (None, Some(1)));
    assert!(report.warnings.iter().any(|w| w.code == "no_overall_f"));
}

#[test]
fn large_categories_get_columns() {
    let n = 2_000;
    let mut table = rows(n, 13);
    table.push(("k".into(), (0..n).map(|i| (i % 250) as f64).collect()));
    let plain = Regression::formula("y ~ x1 + C(k)");
    let eliminated = fit(&plain, &table);
    let complete = fit(&plain.clone().complete_covariance(true), &table);
    assert_eq!(complete.covariance.as_ref().unwrap().terms.len(), 251);
    same_errors(&eliminated, &complete, 1e-9);
    let robust = fit(&plain.cluster(["k"]), &table);
    assert_eq!(robust.vcov.clusters[0].clusters, 250);
    let nested = Regression::formula("y ~ x1 + C(k)").cluster(["k"]).ssc("nested".parse().unwrap());
    let ratio = ((2_000.0 - 2.0) / (2_000.0f64 - 251.0)).sqrt();
    close("nested", errors(&robust)[1], errors(&fit(&nested, &table))[1] * ratio, 1e-12);
}

#[test]
fn several_targets_and_qr_agree_with_one() {
    let mut table = rows(400, 14);
    table.push((
        "z".into(),
        column(&table, "y").iter().zip(column(&table, "x2")).map(|(y, x)| y * x).collect(),
    ));
    let dir = Dir::new();
    write_parquet(&dir.path("d.parquet"), &batch(&table), WriterProperties::builder().build());
    for flags in ["--vcov hc2", "--cluster g", "--vcov hac:3", "--cluster g --vcov cr3"] {
        let both = dir.fit(&format!("d.parquet -t y,z -f x1,x2 {flags}"));
        for (at, target) in ["y", "z"].iter().enumerate() {
            let one = dir.fit(&format!("d.parquet -t {target} -f x1,x2 {flags}"));
            assert_eq!(both["targets"][at]["coefficients"], one["coefficients"], "{flags} {target}");
            for solver in ["qr", "svd"] {
                let other = dir.fit(&format!("d.parquet -t {target} -f x1,x2 {flags} --solver {solver}"));
                for term in ["x1", "x2"] {
                    let of = |r: &Value| term_of(r, term, "std_error");
                    close(&format!("{flags} {solver} {term}"), of(&other), of(&one), 1e-11);
                }
            }
        }
    }
}

#[test]
fn models_keep_the_covariance_for_intervals() {
    let dir = Dir::new();
    let table = rows(300, 15);
    write_parquet(&dir.path("d.parquet"), &batch(&table), WriterProperties::builder().build());
    let line =
        "fit d.parquet -t y -f x1,x2 --cluster g --save-model m.json --vcov-out v.parquet --format json";
    let report = dir.streamreg(line).success().json();
    assert!(dir.path("v.parquet").exists());
    let saved = streamreg::Model::load(dir.path("m.json")).unwrap();
    let fitted = model().cluster(["g"]).fit_paths(&[dir.path("d.parquet")]).unwrap();
    let v: &Covariance = fitted.covariance.as_ref().unwrap();
    let interval =
        saved.predict_interval(&batch(&table), Some((streamreg::Interval::Confidence, 0.95))).unwrap();
    let (low, high) = interval.interval.unwrap();
    let half_of = |c: &Value| 0.5 * (c["conf_high"].as_f64().unwrap() - c["conf_low"].as_f64().unwrap());
    let c = &report["coefficients"][1];
    let quantile = half_of(c) / c["std_error"].as_f64().unwrap();
    for i in 0..5 {
        let x = [1.0, column(&table, "x1")[i], column(&table, "x2")[i]];
        let variance: f64 = (0..9).map(|m| x[m / 3] * v.values[m] * x[m % 3]).sum();
        close("half-width", 0.5 * (high.value(i) - low.value(i)), quantile * variance.sqrt(), 1e-8);
    }
    let file: Value = serde_json::from_str(&dir.read("m.json")).unwrap();
    assert_eq!(file["covariance"]["vcov"]["kind"], "cr1");
}

#[test]
fn forms_name_the_covariance() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&rows(100, 16)));
    let tidy = dir.streamreg("fit d.csv -t y -f x1 --cluster g,h --format tidy -q").success().csv();
    assert_eq!(tidy[0][7..], ["vcov", "clusters", "df"]);
    assert_eq!(tidy[1][7..], ["cr1", "12 7", "6"]);
    let plain = dir.streamreg("fit d.csv -t y -f x1 --format tidy").success().csv();
    assert_eq!(plain[0].len(), 7);
    let json = dir.fit("d.csv -t y -f x1 --vcov hac:2");
    assert_eq!((json["vcov"]["kind"].as_str(), number(&json, "vcov/df")), (Some("hac:2"), 98.0));
    assert_eq!(number(&json, "solver/passes"), 2.0);
    let markdown = dir.streamreg("fit d.csv -t y -f x1 --vcov hc3 --format markdown").success();
    markdown.check(markdown.stdout.contains("robust to unequal variances (HC3); t with 98 DF"), "the kind");
}

#[test]
fn what_cannot_be_done_is_refused() {
    let dir = Dir::new();
    let table = rows(60, 17);
    dir.write("d.csv", to_csv(&table));
    for (flags, code, words) in [
        ("--vcov hc9", 2, vec!["--vcov", "hc0, hc1"]),
        ("--vcov cr1", 2, vec!["needs clusters"]),
        ("--cluster g --vcov hc1", 2, vec!["cr0, cr1 or cr3"]),
        ("--cluster g,h --vcov cr3", 2, vec!["one column"]),
        ("--cluster g,g", 2, vec!["the same"]),
        ("--cluster g,h,x2", 2, vec!["at most two"]),
        ("--cluster nope", 3, vec!["\"nope\"", "cluster is not in the data"]),
        ("--ssc every --cluster g", 2, vec!["--ssc", "jackknife-mean"]),
        ("--ssc each", 2, vec!["iid"]),
        ("--vcov hac:99999", 2, vec!["at most 10000 lags"]),
        ("--vcov hac:2 --weights w --weight-type frequency", 2, vec!["frequency"]),
        ("--vcov iid --weights w --weight-type probability", 2, vec!["hc1 is the default"]),
        ("--by h --vcov hc1", 2, vec!["groups"]),
        ("--by h --cluster g", 2, vec!["groups"]),
        ("--vcov-out d.csv", 2, vec!["one of the inputs"]),
        ("--vcov-out v.txt", 2, vec![".parquet or .csv"]),
        ("--vcov-out v.csv --output v.csv", 2, vec!["the same file"]),
    ] {
        dir.streamreg(&format!("fit d.csv -t y -f x1,x2 {flags}")).fails(code, &words);
    }
    dir.streamreg("fit d.csv -t y,h -f x1 --vcov-out v.csv").fails(2, &["one target"]);
    dir.write("one.csv", "y,x,g\n1,2,a\n2,3,a\n4,4,a\n3,7,a\n");
    dir.streamreg("fit one.csv -t y -f x --cluster g").fails(3, &["one cluster"]);
    let twice: Table = [("x1", "x1"), ("copy", "x1"), ("y", "y")]
        .map(|(name, of)| (name.to_owned(), column(&table, of).to_vec()))
        .to_vec();
    dir.write("twice.csv", to_csv(&twice));
    dir.streamreg("fit twice.csv -t y --collinear min-norm --vcov hc1").fails(2, &["minimum norm"]);
    let batches = batch(&table);
    let refused = model().vcov(Vcov::Hc1).fit_batches(batches.schema(), [Ok(batches)]).unwrap_err();
    assert!(refused.to_string().contains("cannot be read again"), "{refused}");
    assert!(!Path::new(&dir.path("v.csv")).exists());
    let many: String = (0..4_500).map(|i| format!("{},{},{}\n", i * i % 17, i % 2_100, i % 3)).collect();
    dir.write("many.csv", format!("y,k,g\n{many}"));
    let line = "fit many.csv --cluster g --formula";
    dir.streamreg(line).arg("y ~ C(k)").fails(3, &["2099 columns are too many for robust"]);
    // As many coefficients as rows: nothing is left for standard errors of any kind.
    dir.write("two.csv", "y,x\n1,2\n2,3\n");
    let none = dir.fit("two.csv -t y -f x --vcov hc1");
    assert!(none["coefficients"][1]["std_error"].is_null() && none["vcov"]["kind"] == "hc1");
    dir.streamreg("fit two.csv -t y -f x --test x=0").fails(3, &["no residual degrees of freedom"]);
    // Dropped columns have no standard error, the others do.
    let dropped = dir.fit("twice.csv -t y --vcov hc3");
    assert!(dropped["coefficients"][2]["std_error"].is_null());
    assert!(dropped["coefficients"][1]["std_error"].is_f64());
}

#[test]
fn clusters_of_any_kind_of_value() {
    let dir = Dir::new();
    let table = rows(120, 18);
    let text = to_csv(&table);
    let with_text: String = (text.lines().enumerate())
        .map(|(i, line)| {
            let g = line.split(',').nth(2).unwrap().to_owned();
            if i == 0 { format!("{line},t\n") } else { format!("{line},level {g}\n") }
        })
        .collect();
    dir.write("d.csv", with_text);
    let of =
        |cluster: &str| dir.fit(&format!("d.csv -t y -f x1,x2 --cluster {cluster}"))["coefficients"].clone();
    assert_eq!(of("g"), of("t"));
}

#[test]
fn variances_that_are_rounding_are_none() {
    let dir = Dir::new();
    let mut text = String::from("y,t,g\n");
    for i in 0..40 {
        let t = i / 20;
        text += &format!("{},{t},{t}\n", (i * 7919 % 101) as f64 / 50.0);
    }
    dir.write("d.csv", text);
    let report = dir.fit("d.csv -t y -f t --cluster g --test t=0");
    assert!(
        report["coefficients"][1]["estimate"].is_number() && report["coefficients"][1]["std_error"].is_null()
    );
    assert!(report["glance"]["statistic"].is_null() && report["tests"][0]["statistic"].is_null());
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|w| w["code"] == "negative_variance"), "{warnings:?}");
}

#[test]
fn requests_without_a_meaning_are_refused() {
    let dir = Dir::new();
    let mut text = String::from("y,x,id\n");
    for i in 0..12u64 {
        text += &format!("{},{},{}\n", i * i % 7, i % 5, (1 << 53) + i / 3);
    }
    dir.write("d.csv", text);
    dir.streamreg("fit d.csv -t y -f x --vcov hac:12").fails(3, &["12 rows"]);
    dir.streamreg("fit d.csv -t y -f x --cluster id").fails(3, &["\"id\"", "2^53", "text"]);
    let report = dir.fit("d.csv -t y -f x --cluster id --schema id=text");
    assert_eq!(report["vcov"]["clusters"][0]["clusters"], 4);
    for flags in ["--vcov hc1 --ssc none", "--vcov hac:2 --ssc nested", "--vcov hc1 --ssc jackknife-mean"] {
        dir.streamreg(&format!("fit d.csv -t y -f x {flags}")).fails(2, &["small-sample"]);
    }
    dir.streamreg("fit d.csv -t y -f x --lasso 0.1 --vcov hc1").fails(2, &["penalised"]);
    dir.streamreg("fit d.csv -t y -f x --solver qr --precision exact").fails(2, &["float64"]);
}
