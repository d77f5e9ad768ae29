//! Ridge, lasso, elastic net: against solutions in 50 digits, by their optimality conditions, and cross-validation
//! against fits of the rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use serde_json::Value;
use streamreg::{
    CrossValidation, CvRule, FitReport, Penalization, Penalty, PenaltyScale, Regression, WeightType,
};

use crate::util::{
    Dir, Random, Table, arrays, batch, close, column, csv, estimates, fit_table, golden, golden_json, number,
    numbers_only, table, to_csv, write_parquet,
};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn solutions_in_50_digits() {
    let dir = Dir::new();
    let golden_cases = golden_json("reference/penalized.json");
    let cases = golden_cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 14);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let terms: Vec<&str> =
            case["terms"].as_array().unwrap()[1..].iter().map(|t| t.as_str().unwrap()).collect();
        let (kind, lambda) = (case["kind"].as_str().unwrap(), case["lambda"].as_str().unwrap());
        let mut line =
            format!("fit --{kind} {lambda} --target y --features {} --format json", terms.join(","));
        if let Some(ratio) = case["l1_ratio"].as_str() {
            line += &format!(" --l1-ratio {ratio}");
        }
        if case["weights"] == "w" {
            line += " --weights w --weight-type analytic";
        }
        let path = golden("reference").join(case["data"].as_str().unwrap());
        let report = dir.streamreg(&line).arg(path).success().json();
        let (found, expected) = (column(&report, "estimate"), numbers(&case["coef"]));
        assert_eq!(found.len(), expected.len());
        for ((f, e), term) in found.iter().zip(&expected).zip(case["terms"].as_array().unwrap()) {
            let found = f.unwrap();
            assert_eq!(found == 0.0, *e == 0.0, "{id}, {term}: zero or not");
            close(&format!("{id}, {term}"), found, *e, 1e-10);
        }
        assert!(column(&report, "std_error").iter().all(Option::is_none));
        assert!(number(&report, "penalized/duality_gap") < 1e-12);
    }
}

/// The first rows and columns of the data, centred and divided by their standard deviations with `n - 1`.
fn standardised(n: usize, p: usize) -> Table {
    let text = std::fs::read_to_string(golden("reference/lasso_data.csv")).unwrap();
    let rows: Vec<Vec<f64>> =
        csv(&text).iter().take(n).map(|r| r.iter().map(|v| v.parse().unwrap()).collect()).collect();
    let column = |j: usize| {
        let values: Vec<f64> = rows.iter().map(|r| r[j]).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
        values.iter().map(|v| (v - mean) / variance.sqrt()).collect::<Vec<f64>>()
    };
    let features = (1..=p).map(|j| (format!("x{j}"), column(j)));
    features.chain([("y".to_owned(), column(0))]).collect()
}

#[test]
fn glmnet() {
    let golden_cases = golden_json("reference/penalized.json");
    let rows = golden_cases["glmnet"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 81);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let size = |key: &str| row[key].as_u64().unwrap() as usize;
        let (lambda, l1_ratio) = (row["lambda"].as_f64().unwrap(), row["alpha"].as_f64().unwrap());
        let asked = Penalization::elastic_net(lambda, l1_ratio).scale(PenaltyScale::GlmnetRaw);
        let regression = Regression::new("y").intercept(false).penalized(asked);
        let found = estimates(&fit_table(&regression, &standardised(size("n"), size("p"))));
        let published: Vec<f64> =
            row["published"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        for ((f, e), p) in found.iter().zip(numbers(&row["coef"])).zip(published) {
            assert_eq!(*f == 0.0, e == 0.0, "{name}: {f} {e}");
            // The cells of standardised columns are rounded, and small slopes are differences of larger ones.
            assert!((f - e).abs() <= 1e-10 * e.abs() + 1e-15, "{name}: {f:?} {e:?}");
            assert!((f - p).abs() < 3e-6, "{name}: {f} published as {p}");
        }
    }
}

#[test]
fn toy_of_scikit_learn() {
    let data: Table = vec![("x".into(), vec![-1.0, 0.0, 1.0]), ("y".into(), vec![-1.0, 0.0, 1.0])];
    let slope = |asked: Penalization| estimates(&fit_table(&Regression::new("y").penalized(asked), &data))[1];
    close("0.1", slope(Penalization::lasso(0.1)), 0.85, 1e-15);
    close("0.5", slope(Penalization::lasso(0.5)), 0.25, 1e-15);
    assert_eq!(slope(Penalization::lasso(1.0)), 0.0);
    close("0.3", slope(Penalization::elastic_net(0.5, 0.3)), 31.0 / 61.0, 1e-15);
    close("0.5", slope(Penalization::elastic_net(0.5, 0.5)), 5.0 / 11.0, 1e-15);
}

/// Weighted residuals' products with the centred columns, divided by the sum of the weights, and the means of squares.
fn gradient(data: &Table, weights: Option<&[f64]>, slopes: &[f64]) -> Vec<f64> {
    let n = data[0].1.len();
    let w = |i: usize| weights.map_or(1.0, |w| w[i]);
    let total: f64 = (0..n).map(w).sum();
    let centred = |x: &[f64]| -> Vec<f64> {
        let mean = (0..n).map(|i| w(i) * x[i]).sum::<f64>() / total;
        x.iter().map(|v| v - mean).collect()
    };
    let columns: Vec<Vec<f64>> = data.iter().map(|(_, x)| centred(x)).collect();
    let (y, x) = columns.split_last().unwrap();
    let residual: Vec<f64> =
        (0..n).map(|i| y[i] - x.iter().zip(slopes).map(|(x, b)| b * x[i]).sum::<f64>()).collect();
    x.iter().map(|x| (0..n).map(|i| w(i) * x[i] * residual[i]).sum::<f64>() / total).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The conditions of Karush, Kuhn and Tucker, from the rows: zeros have gradients within the penalty, others on it.
    #[test]
    fn optimality(seed in 0u64..1_000_000, rows in 3usize..80, features in 1usize..25, share in 0.001..1.2f64,
                  ratio in prop::sample::select(vec![1.0, 0.9, 0.5, 0.05, 0.0]), weighted: bool, close_by in 0.0..1.0f64) {
        let mut data = table(rows, features, seed);
        // Columns that are nearly others.
        for j in 1..features {
            let other = data[j - 1].1.clone();
            data[j].1.iter_mut().zip(other).for_each(|(x, o)| *x = close_by * o + (1.0 - close_by) * *x);
        }
        let weights: Option<Vec<f64>> = weighted.then(|| {
            let mut random = Random::new(seed);
            (0..rows).map(|_| 0.1 + random.unit().abs()).collect()
        });
        let scale = gradient(&data, weights.as_deref(), &vec![0.0; features]).iter().fold(0.0f64, |m, g| m.max(g.abs()));
        let lambda = share * scale / f64::max(ratio, 0.05);
        let mut regression = Regression::new("y").penalized(Penalization::elastic_net(lambda, ratio));
        let mut all = data.clone();
        if let Some(weights) = &weights {
            all.push(("w".into(), weights.clone()));
            regression = regression.weights("w", WeightType::Analytic);
        }
        let found = estimates(&fit_table(&regression, &all));
        let slopes = &found[1..];
        let left = gradient(&data, weights.as_deref(), slopes);
        let size = scale + slopes.iter().fold(0.0f64, |m, b| m.max(b.abs()));
        for (b, g) in slopes.iter().zip(left) {
            let pull = g - lambda * (1.0 - ratio) * b;
            if *b == 0.0 {
                prop_assert!(pull.abs() <= lambda * ratio + 1e-11 * size, "{pull} {lambda}");
            } else {
                prop_assert!((pull - lambda * ratio * b.signum()).abs() <= 1e-11 * size, "{b}: {pull} {lambda}");
            }
        }
    }

    /// A frequency stands for rows.
    #[test]
    fn frequencies_are_rows(seed in 0u64..1_000_000, share in 0.01..0.9f64, ratio in prop::sample::select(vec![None, Some(1.0), Some(0.3)])) {
        let mut data = table(40, 4, seed);
        let mut random = Random::new(seed + 1);
        let counts: Vec<usize> = (0..40).map(|_| 1 + random.below(4)).collect();
        let expanded: Table = data.iter().map(|(name, x)| {
            (name.clone(), x.iter().zip(&counts).flat_map(|(v, c)| std::iter::repeat_n(*v, *c)).collect())
        }).collect();
        data.push(("w".into(), counts.iter().map(|c| *c as f64).collect()));
        let asked = match ratio {
            None => Penalization::ridge(share * 100.0),
            Some(ratio) => Penalization::elastic_net(share, ratio),
        };
        let regression = Regression::new("y").penalized(asked);
        let rows = estimates(&fit_table(&regression, &expanded));
        let weighted = estimates(&fit_table(&regression.weights("w", WeightType::Frequency), &data));
        for (a, b) in rows.iter().zip(weighted) {
            prop_assert!((a - b).abs() <= 1e-11 * (1.0 + a.abs()), "{a} {b}");
        }
    }
}

#[test]
fn no_penalty_is_least_squares() {
    let data = table(200, 6, 5);
    let plain = estimates(&fit_table(&Regression::new("y"), &data));
    for asked in [
        Penalization::ridge(0.0),
        Penalization::ridge(1e-10),
        Penalization::lasso(0.0),
        Penalization::lasso(1e-13),
    ] {
        let found = estimates(&fit_table(&Regression::new("y").penalized(asked.clone()), &data));
        for (f, p) in found.iter().zip(&plain) {
            close(&format!("{asked:?}"), *f, *p, 1e-11);
        }
    }
}

#[test]
fn paths_begin_where_nothing_is_left() {
    let data = table(300, 8, 9);
    for ratio in [1.0, 0.4] {
        let asked = Penalization::elastic_net(0.1, ratio).grid(60);
        let report = fit_table(&Regression::new("y").penalized(asked), &data);
        let path = report.penalized().unwrap().path.as_ref().unwrap();
        assert_eq!(path.len(), 60);
        assert_eq!(path[0].nonzero, 0, "at the largest penalty");
        assert!(path[1].nonzero > 0);
        close("the last", path[59].lambda, path[0].lambda * 1e-3, 1e-12);
        assert!(path.windows(2).all(|w| w[0].lambda > w[1].lambda && w[0].r_squared <= w[1].r_squared));
        // A point of the path is the fit at its penalty.
        let again = Penalization::elastic_net(path[30].lambda, ratio);
        let own = fit_table(&Regression::new("y").penalized(again), &data);
        assert_eq!(own.penalized().unwrap().nonzero, path[30].nonzero);
        for (a, b) in estimates(&own)[1..].iter().zip(&path[30].slopes) {
            assert!((a - b).abs() <= 1e-13, "{a} {b}");
        }
    }
}

#[test]
fn glmnet_standardises() {
    let mut data = table(150, 4, 12);
    data[1].1.iter_mut().for_each(|x| *x = 1e3 * *x + 5e4);
    let sd = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
    };
    let units: Vec<f64> = data[..4].iter().map(|(_, x)| sd(x)).collect();
    let mut scaled = data.clone();
    scaled.iter_mut().zip(&units).for_each(|((_, x), s)| x.iter_mut().for_each(|v| *v /= s));
    for ratio in [0.0, 0.5, 1.0] {
        let asked = Penalization::elastic_net(0.2, ratio);
        let fit = |scale, data| {
            estimates(&fit_table(&Regression::new("y").penalized(asked.clone().scale(scale)), data))
        };
        let (own, by_hand) = (fit(PenaltyScale::Glmnet, &data), fit(PenaltyScale::GlmnetRaw, &scaled));
        for ((a, b), s) in own[1..].iter().zip(&by_hand[1..]).zip(&units) {
            assert!((a * s - b).abs() <= 1e-11 * b.abs(), "{a} {b}");
        }
    }
}

#[test]
fn degenerate_designs_have_defined_results() {
    let mut data = table(30, 3, 4);
    let first = data[0].1.clone();
    data.insert(3, ("copy".into(), first));
    data.insert(4, ("constant".into(), vec![0.1; 30]));
    let fit = |asked: Penalization| {
        let batch = batch(&data);
        Regression::new("y").penalized(asked).fit_batches(batch.schema(), [Ok(batch)])
    };
    let estimate = |report: &FitReport, term: &str| report.estimate(term).unwrap();
    // Squares share the slope of two equal columns.
    let ridge = fit(Penalization::ridge(1.0)).unwrap();
    close("copies", estimate(&ridge, "x1"), estimate(&ridge, "copy"), 1e-12);
    assert_eq!(estimate(&ridge, "constant"), 0.0);
    assert!(ridge.warnings.iter().any(|w| w.code == "constant_column" && w.message.contains("constant")));
    // Absolute values do not care, and the first column gets it all.
    let lasso = fit(Penalization::lasso(0.01)).unwrap();
    assert_ne!(estimate(&lasso, "x1"), 0.0);
    assert_eq!((estimate(&lasso, "copy"), estimate(&lasso, "constant")), (0.0, 0.0));
    for none in [Penalization::ridge(0.0), Penalization::ridge(1e-18), Penalization::lasso(0.0)] {
        let error = fit(none).unwrap_err();
        assert_eq!(error.kind(), streamreg::ErrorKind::Collinear);
        assert!(error.to_string().contains("\"copy\""), "{error}");
    }
    let huge = fit(Penalization::lasso(1e300)).unwrap();
    assert_eq!(huge.penalized().unwrap().nonzero, 0);
    assert_eq!(huge.glance.r_squared, Some(0.0));
    assert!(estimates(&fit(Penalization::ridge(1e300)).unwrap())[1..].iter().all(|b| b.abs() < 1e-250));
    // More columns than rows.
    let wide = table(10, 25, 3);
    let lasso = fit_table(&Regression::new("y").penalized(Penalization::lasso(0.05)), &wide);
    let nonzero = lasso.penalized().unwrap().nonzero;
    assert!((1..10).contains(&nonzero), "{nonzero}");
    fit_table(&Regression::new("y").penalized(Penalization::ridge(0.1)), &wide);
    // A constant response.
    let mut flat = table(20, 2, 1);
    flat[2].1.fill(0.7);
    let lasso = fit_table(&Regression::new("y").penalized(Penalization::lasso(0.0)), &flat);
    assert_eq!(estimates(&lasso), [0.7, 0.0, 0.0]);
}

/// The rows of some columns.
fn rows_of(batch: &RecordBatch, keep: &[bool]) -> RecordBatch {
    let rows: Vec<usize> = (0..keep.len()).filter(|&i| keep[i]).collect();
    let rows = arrow_array::UInt32Array::from_iter_values(rows.into_iter().map(|i| i as u32));
    let taken = batch.columns().iter().map(|c| {
        let c: &dyn arrow_array::Array = c.as_ref();
        match c.as_any().downcast_ref::<StringArray>() {
            Some(text) => {
                Arc::new(rows.values().iter().map(|&i| Some(text.value(i as usize))).collect::<StringArray>())
                    as ArrayRef
            }
            None => {
                let x = c.as_any().downcast_ref::<Float64Array>().unwrap();
                Arc::new(Float64Array::from_iter_values(rows.values().iter().map(|&i| x.value(i as usize))))
            }
        }
    });
    RecordBatch::try_new(batch.schema(), taken.collect()).unwrap()
}

/// Row numbers and folds, as `--folds-out` writes them.
fn folds(regression: &Regression, dir: &Dir, paths: &[std::path::PathBuf]) -> Vec<(u64, u32)> {
    let source = regression.open(paths).unwrap();
    regression.write_folds(source.as_ref(), dir.path("folds.csv")).unwrap();
    let records = csv(&dir.read("folds.csv"));
    assert_eq!(records[0], ["row", "fold"]);
    records[1..].iter().map(|r| (r[0].parse().unwrap(), r[1].parse().unwrap())).collect()
}

/// A table with a text column `g` and a weight `w`.
fn mixed(rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random::new(seed);
    let levels = ["a", "b", "c", "d", "e"];
    let groups: Vec<&str> = (0..rows).map(|_| levels[random.below(5)]).collect();
    let data = table(rows, 5, seed);
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (name, x) in &data {
        let shift = |i: usize| if name == "y" { f64::from(groups[i].as_bytes()[0]) * 0.1 } else { 0.0 };
        let x: Vec<f64> = x.iter().enumerate().map(|(i, v)| v + shift(i)).collect();
        columns.push((name.as_str(), Arc::new(Float64Array::from(x))));
    }
    columns.push(("g", Arc::new(StringArray::from(groups))));
    let weights: Vec<f64> = (0..rows).map(|_| 0.2 + random.unit().abs()).collect();
    columns.push(("w", Arc::new(Float64Array::from(weights))));
    arrays(columns)
}

#[test]
fn cross_validation_is_fits_of_the_other_rows() {
    let dir = Dir::new();
    let batch = mixed(700, 21);
    let path = dir.path("d.parquet");
    write_parquet(&path, &batch, WriterProperties::builder().set_max_row_group_row_count(Some(150)).build());
    for (penalty, weighted) in
        [(Penalty::LASSO, false), (Penalty::ElasticNet { l1_ratio: 0.3 }, true), (Penalty::Ridge, true)]
    {
        let mut cv = CrossValidation::new(7);
        cv.seed = Some(3);
        cv.rule = CvRule::OneStdError;
        let base = || {
            let regression = Regression::new("y").features(["x1", "x2", "x3", "x4", "x5", "g"]);
            if weighted { regression.weights("w", WeightType::Analytic) } else { regression }
        };
        let regression = base().penalized(Penalization::chosen(penalty, cv).grid(12));
        let report = regression.fit_paths(&[&path]).unwrap();
        let penalized = report.penalized().unwrap();
        let found = penalized.cross_validation.as_ref().unwrap();
        assert_eq!(found.fold_rows.iter().sum::<u64>(), 700);
        let folds = folds(&regression, &dir, std::slice::from_ref(&path));
        assert!(folds.iter().map(|f| f.0).eq(0..700));
        for (i, point) in found.curve.iter().enumerate() {
            let errors: Vec<f64> = (0..7)
                .map(|k| {
                    held_out_error(&batch, &folds, k, weighted, |b| {
                        let regression = base().penalized(Penalization::fixed(penalty, point.lambda));
                        regression.fit_batches(b.schema(), [Ok(b)]).unwrap()
                    })
                })
                .collect();
            for (k, e) in errors.iter().enumerate() {
                close(&format!("{penalty:?}, penalty {i}, fold {k}"), found.fold_errors[k][i], *e, 1e-10);
            }
            let mean = errors.iter().sum::<f64>() / 7.0;
            let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 6.0;
            close("mean", point.mean, mean, 1e-10);
            close("standard error", point.std_error, (variance / 7.0).sqrt(), 1e-8);
        }
        let least = found.curve.iter().min_by(|a, b| a.mean.total_cmp(&b.mean)).unwrap();
        assert_eq!(found.lambda_min, least.lambda);
        let within = found.curve.iter().find(|p| p.mean <= least.mean + least.std_error).unwrap();
        assert_eq!((found.lambda_1se, penalized.lambda), (within.lambda, within.lambda));
        let own = base().penalized(Penalization::fixed(penalty, within.lambda)).fit_paths(&[&path]).unwrap();
        for (a, b) in estimates(&own).iter().zip(estimates(&report)) {
            assert!((a - b).abs() <= 1e-11 * (1.0 + a.abs()), "{a} {b}");
        }
    }
}

/// The mean squared error of the rows of fold `k` under the fit of all others.
fn held_out_error(
    batch: &RecordBatch,
    folds: &[(u64, u32)],
    k: u32,
    weighted: bool,
    fit: impl Fn(RecordBatch) -> FitReport,
) -> f64 {
    let own: Vec<bool> = folds.iter().map(|f| f.1 == k).collect();
    let others: Vec<bool> = own.iter().map(|o| !o).collect();
    let report = fit(rows_of(batch, &others));
    let test = rows_of(batch, &own);
    let predicted = report.model().unwrap().predict(&test).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let column = test.column_by_name(name).unwrap();
        column.as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
    };
    let (y, w) = (values("y"), values("w"));
    let weight = |i: usize| if weighted { w[i] } else { 1.0 };
    let total: f64 = (0..y.len()).map(weight).sum();
    (0..y.len()).map(|i| weight(i) * (y[i] - predicted.value(i)).powi(2)).sum::<f64>() / total
}

fn cv_regression(group: Option<&str>) -> Regression {
    let mut cv = CrossValidation::new(5);
    cv.group = group.map(Into::into);
    Regression::new("y")
        .features(["x1", "x2", "x3", "x4", "x5"])
        .penalized(Penalization::chosen(Penalty::LASSO, cv))
}

#[test]
fn folds_depend_on_rows_alone() {
    let dir = Dir::new();
    // More than one partition of every format, and blocks that are not full.
    let rows = 140_000;
    let data = mixed(rows, 2);
    let columns: Table = (data.schema().fields().iter().zip(data.columns()))
        .filter(|(field, _)| field.name() != "g")
        .map(|(field, c)| {
            let x = c.as_any().downcast_ref::<Float64Array>().unwrap();
            (field.name().clone(), x.values().to_vec())
        })
        .collect();
    let parquet = dir.path("d.parquet");
    write_parquet(
        &parquet,
        &data,
        WriterProperties::builder().set_max_row_group_row_count(Some(40_000)).build(),
    );
    let text = dir.write("d.csv", to_csv(&columns));
    let (first, second) = (dir.path("two/a.parquet"), dir.path("two/b.parquet"));
    write_parquet(&first, &data.slice(0, 50_001), WriterProperties::builder().build());
    write_parquet(&second, &data.slice(50_001, rows - 50_001), WriterProperties::builder().build());
    let head: Table = columns.iter().map(|(n, x)| (n.clone(), x[..70_003].to_vec())).collect();
    let tail: Table = columns.iter().map(|(n, x)| (n.clone(), x[70_003..].to_vec())).collect();
    let texts = [dir.write("texts/a.csv", to_csv(&head)), dir.write("texts/b.csv", to_csv(&tail))];

    let base = cv_regression(None);
    let expected = folds(&base, &dir, std::slice::from_ref(&parquet));
    let rule = streamreg_core::RowIds::folds(5, 0).unwrap();
    assert!(expected.iter().enumerate().all(|(i, f)| *f == (i as u64, rule.of_row(i as u64))));
    for (paths, threads) in [(vec![text.clone()], 3), (vec![first, second], 2), (texts.to_vec(), 2)] {
        assert_eq!(folds(&base.clone().threads(threads), &dir, &paths), expected, "{paths:?}");
    }
    let report = base.clone().threads(1).fit_paths(&[&parquet]).unwrap();
    let counts = &report.penalized().unwrap().cross_validation.as_ref().unwrap().fold_rows;
    for (k, count) in counts.iter().enumerate() {
        assert_eq!(*count, expected.iter().filter(|f| f.1 == k as u32).count() as u64);
    }
    for (threads, batch_rows) in [(2, 4_096), (3, 999), (1, 50_000)] {
        let again = base.clone().threads(threads).batch_rows(batch_rows).fit_paths(&[&parquet]).unwrap();
        assert_eq!(numbers_only(&again), numbers_only(&report), "{threads} threads, batches of {batch_rows}");
    }
    let of_text = base.fit_paths(&[&text]).unwrap();
    let curve = |r: &FitReport| r.penalized().unwrap().cross_validation.as_ref().unwrap().curve.clone();
    for (a, b) in curve(&of_text).iter().zip(curve(&report)) {
        close("error", a.mean, b.mean, 1e-12);
    }
    assert_eq!(of_text.reading.bytes, std::fs::metadata(&text).unwrap().len() - header(&text), "one read");
}

/// Bytes of the first line, which opening a file reads.
fn header(path: &std::path::Path) -> u64 {
    std::fs::read_to_string(path).unwrap().lines().next().unwrap().len() as u64 + 1
}

#[test]
fn groups_stay_together() {
    let dir = Dir::new();
    let data = mixed(3_000, 8);
    let parquet = dir.path("d.parquet");
    write_parquet(&parquet, &data, WriterProperties::builder().build());
    let groups: Vec<String> = {
        let g = data.column_by_name("g").unwrap().as_any().downcast_ref::<StringArray>().unwrap().clone();
        g.iter().map(|v| v.unwrap().to_owned()).collect()
    };
    for base in [cv_regression(Some("g")), cv_regression(Some("g")).features(["x1", "g"])] {
        let folds = folds(&base, &dir, std::slice::from_ref(&parquet));
        let mut of_group = std::collections::HashMap::new();
        for (group, (_, fold)) in groups.iter().zip(&folds) {
            assert_eq!(of_group.entry(group.clone()).or_insert(*fold), fold);
        }
        let report = base.fit_paths(&[&parquet]).unwrap();
        let found = report.penalized().unwrap().cross_validation.as_ref().unwrap();
        assert_eq!(found.fold_rows.iter().sum::<u64>(), 3_000);
        let used: std::collections::HashSet<&u32> = of_group.values().collect();
        let empty = report.warnings.iter().any(|w| w.code == "empty_folds");
        assert_eq!(empty, used.len() < 5);
        assert_eq!(found.fold_errors.len(), used.len());
    }
}

#[test]
fn a_filter_does_not_move_rows() {
    let dir = Dir::new();
    let data = mixed(9_000, 13);
    let parquet = dir.path("d.parquet");
    write_parquet(
        &parquet,
        &data,
        WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build(),
    );
    let base = cv_regression(None);
    let all = folds(&base, &dir, std::slice::from_ref(&parquet));
    let x1 = data.column_by_name("x1").unwrap().as_any().downcast_ref::<Float64Array>().unwrap().clone();
    let kept: Vec<(u64, u32)> = all.iter().filter(|f| x1.value(f.0 as usize) > 0.3).copied().collect();
    let filtered = base.filter("x1 > 0.3").with("z", "x2 * 2").features(["x1", "z"]);
    assert_eq!(folds(&filtered, &dir, std::slice::from_ref(&parquet)), kept);
    let report = filtered.fit_paths(&[&parquet]).unwrap();
    let counts = &report.penalized().unwrap().cross_validation.as_ref().unwrap().fold_rows;
    for (k, count) in counts.iter().enumerate() {
        assert_eq!(*count, kept.iter().filter(|f| f.1 == k as u32).count() as u64);
    }
}

#[test]
fn rows_of_csv_are_counted_through_quotes_and_empty_lines() {
    let dir = Dir::new();
    let mut text = String::from("x1,x2,x3,x4,x5,note,y\r\n\r\n");
    let mut random = Random::new(6);
    for row in 0..500 {
        let note = ["plain", "\"a\nb\"", "\"say \"\"hi\"\"\"", "in\"side", ""][random.below(5)];
        let v: Vec<f64> = random.vector(6);
        text += &format!("{},{},{},{},{},{note},{}", v[0], v[1], v[2], v[3], v[4], v[5]);
        text += ["\n", "\r\n", "\n\n", "\r\n\n\r\n"][random.below(4)];
        if row == 499 {
            text.truncate(text.trim_end().len());
        }
    }
    let path = dir.write("d.csv", text);
    let mut options = streamreg::DatasetOptions::default();
    options.csv.chunk_bytes = 1_000;
    let found = folds(
        &cv_regression(None).dataset_options(options.clone()).threads(3),
        &dir,
        std::slice::from_ref(&path),
    );
    assert!(found.iter().map(|f| f.0).eq(0..500));
    let report = cv_regression(None).dataset_options(options).fit_paths(&[&path]).unwrap();
    let counts = &report.penalized().unwrap().cross_validation.as_ref().unwrap().fold_rows;
    for (k, count) in counts.iter().enumerate() {
        assert_eq!(*count, found.iter().filter(|f| f.1 == k as u32).count() as u64);
    }
}

#[test]
fn a_penalised_model_predicts() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(100, 3, 7)));
    let table = dir.streamreg("fit d.csv --target y --lasso 0.05 --save-model m.json").success().stdout;
    assert!(table.contains("Lasso penalty: 0.05") && !table.contains("Std. Error"), "{table}");
    dir.streamreg("predict m.json d.csv -o p.csv").success();
    let model = streamreg::Model::load(dir.path("m.json")).unwrap();
    assert_eq!(model.penalty().map(|p| (p.kind.as_str(), p.lambda)), Some(("lasso", 0.05)));
    let report = dir.fit("d.csv --target y --lasso 0.05");
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    close("MSE", number(&evaluation, "mse"), number(&report, "glance/mse"), 1e-12);
    assert!(report["glance"]["sigma"].is_null() && report["condition_number"].is_null());
    dir.streamreg("predict m.json d.csv --interval prediction").fails(2, &["penalty"]);
}

#[test]
fn the_command_line() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(300, 3, 7)));
    let fit = |line: &str| dir.streamreg(&format!("fit d.csv --target y {line}"));
    let cv = fit("--lasso auto --cv 5 --seed 4 --cv-rule 1se --folds-out f.parquet").success().stdout;
    assert!(cv.contains("one standard error") && cv.contains("held out"), "{cv}");
    assert!(dir.files().contains(&"f.parquet".to_owned()));
    fit("--lasso auto --cv 5 --format markdown").success();
    let glance = fit("--ridge 1 --format glance").success().csv();
    assert_eq!(glance[1][2], "", "no sigma");
    let path = fit("--elastic-net 0.1 --l1-ratio 0.5 --lambdas 0.5,0.1,1 --format json").success().json();
    assert_eq!(number(&path, "penalized/path/0/lambda"), 1.0);
    assert_eq!(path["penalized"]["path"].as_array().unwrap().len(), 3);
    fit("--lasso auto").fails(2, &["--cv"]);
    fit("--lasso 0.1 --cv 5").fails(2, &["auto"]);
    fit("--lasso -1").fails(2, &["0 on"]);
    fit("--lasso auto --cv 1").fails(2, &["folds"]);
    fit("--cv 5 --cv-rule min").fails(2, &["--lasso auto"]);
    fit("--lasso 1 --solver qr").fails(2, &["cross-products"]);
    fit("--lasso 1 --by x1").fails(2, &["groups"]);
    fit("--lasso 1 --collinear error").fails(2, &["collinear"]);
    fit("--lasso auto --cv 5 --folds-out d.csv").fails(2, &["input"]);
    fit("--lasso auto --cv 5 --cv-group nobody").fails(3, &["nobody"]);
}

/// A penalty of 0 on dependent columns names the column that depends on those before it.
#[test]
fn the_dependent_column_is_named() {
    let dir = Dir::new();
    let rows = (0..40).map(|i| {
        let (a, b) = (f64::from(i % 7), f64::from(i % 5));
        format!("{},{a},{},{b}\n", a + b + f64::from(i).sin(), 2.0 * a)
    });
    dir.write("d.csv", "y,a,a2,b\n".to_owned() + &rows.collect::<String>());
    for option in ["--ridge 0", "--lasso 0"] {
        dir.streamreg(&format!("fit d.csv 'y ~ a + a2 + b' {option}")).fails(4, &["\"a2\""]);
        dir.streamreg(&format!("fit d.csv 'y ~ b + a + a2' {option}")).fails(4, &["\"a2\""]);
    }
}
