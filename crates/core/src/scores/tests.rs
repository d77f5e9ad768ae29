//! Sums of scores against the formulas, written out.

use super::*;
use crate::design::layout::{BaseColumn, LayoutColumn, Part};

/// Two columns and a response as variables.
fn layout() -> Layout {
    let column = |variable: usize| LayoutColumn {
        name: format!("x{variable}"),
        term: variable,
        parts: vec![Part { base: BaseColumn { variable: Some(variable), levels: Vec::new() }, factor: 1.0 }],
    };
    Layout { columns: vec![column(0), column(1)], ..Layout::default() }
}

struct Rows {
    x: [Vec<f64>; 2],
    y: Vec<f64>,
    weights: Vec<f64>,
    clusters: [Vec<u32>; 2],
}

const SLOPES: [f64; 2] = [0.5, -0.25];
const CENTRE: [(f64, f64); 3] = [(1e6, 0.25), (3.0, 0.0), (-2.0, 0.5)];
/// `R R'` is taken for the inverse; any root will do for the algebra.
const ROOT: [f64; 4] = [0.01, 0.02, 0.0, 0.03];
const WEIGHT: f64 = 200.0;

impl Rows {
    fn new(n: u32) -> Self {
        let x = [
            (0..n).map(|i| 1e6 + f64::from(i * i % 13)).collect(),
            (0..n).map(|i| f64::from(i * 7 % 11) - f64::from(i % 3)).collect(),
        ];
        let y = (0..n).map(|i| f64::from(i * 5 % 17) / 4.0).collect();
        let weights = (0..n).map(|i| f64::from(i % 4)).collect();
        let clusters = [(0..n).map(|i| i * 3 % 5).collect(), (0..n).map(|i| i / 7).collect()];
        Self { x, y, weights, clusters }
    }

    fn update(&self, scores: &mut Scores<'_>, from: usize, to: usize, weighted: bool) {
        let columns = [&self.x[0], &self.x[1], &self.y].map(|c| Column::from(&c[from..to]));
        let codes = [&self.clusters[0][from..to], &self.clusters[1][from..to]];
        let mask: Vec<bool> = (from..to).map(|row| row % 10 != 3).collect();
        scores
            .update(&DesignBlock {
                columns: &columns,
                codes: &codes,
                sparse: None,
                weights: weighted.then_some(&self.weights[from..to]),
                mask: Some(&mask),
                rows: to - from,
            })
            .unwrap();
    }

    fn used(&self, weighted: bool) -> Vec<usize> {
        (0..self.y.len()).filter(|row| row % 10 != 3 && (!weighted || self.weights[*row] > 0.0)).collect()
    }

    /// The centred row with the constant, its residual and rotated row.
    fn row(&self, i: usize) -> ([f64; 3], f64, [f64; 3]) {
        let z = |j: usize| (self.x[j][i] - CENTRE[j].0) - CENTRE[j].1;
        let y = (self.y[i] - CENTRE[2].0) - CENTRE[2].1;
        let e = y - SLOPES[0] * z(0) - SLOPES[1] * z(1);
        let u = [1.0 / WEIGHT.sqrt(), z(0) * ROOT[0] + z(1) * ROOT[2], z(0) * ROOT[1] + z(1) * ROOT[3]];
        ([1.0, z(0), z(1)], e, u)
    }
}

fn model() -> ScoreModel {
    ScoreModel {
        response: 0,
        intercept: true,
        columns: vec![0, 1],
        slopes: SLOPES.to_vec(),
        centre: CENTRE.to_vec(),
        root: ROOT.to_vec(),
        weight: WEIGHT,
    }
}

fn plan(layout: &Layout, kind: ScoreKind, leverage: Leverage, frequency: bool) -> ScorePlan {
    ScorePlan {
        layout: layout.clone(),
        responses: 1,
        clusters: vec![0, 1],
        models: vec![model()],
        frequency,
        leverage,
        rotated: false,
        kind,
        most_clusters: 100,
        nested: Vec::new(),
    }
}

/// The sums over blocks of seven rows, in partitions of `cut` rows.
fn totals(plan: &ScorePlan, rows: &Rows, weighted: bool, cut: usize) -> ScoreTotals {
    let n = rows.y.len();
    let mut all = Scores::new(plan);
    for from in (0..n).step_by(cut) {
        let to = n.min(from + cut);
        let mut part = Scores::new(plan);
        (from..to).step_by(7).for_each(|at| rows.update(&mut part, at, to.min(at + 7), weighted));
        part.finish();
        all.merge(part).unwrap();
    }
    all.into_parts().0.pop().unwrap()
}

#[track_caller]
fn close(got: &[f64], wanted: &[f64]) {
    let size = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert_eq!(got.len(), wanted.len());
    for (g, w) in got.iter().zip(wanted) {
        assert!((g - w).abs() <= 1e-12 * size, "{got:?} instead of {wanted:?}");
    }
}

fn outer(sum: &mut [f64], a: [f64; 3], b: [f64; 3], factor: f64) {
    for i in 0..3 {
        for j in 0..3 {
            sum[3 * i + j] += factor * a[i] * b[j];
        }
    }
}

#[test]
fn rows_with_every_leverage_and_weight() {
    let (layout, rows) = (layout(), Rows::new(100));
    for (weighted, frequency) in [(false, false), (true, false), (true, true)] {
        for (leverage, power) in [(Leverage::Ignored, 0.0), (Leverage::Root, 0.5), (Leverage::Whole, 1.0)] {
            let plan = plan(&layout, ScoreKind::Rows, leverage, frequency);
            let got = totals(&plan, &rows, weighted, 30);
            let mut wanted = [0.0; 9];
            let mut squares = 0.0;
            for i in rows.used(weighted) {
                let (z, e, u) = rows.row(i);
                let w = if weighted { rows.weights[i] } else { 1.0 };
                let h: f64 = u.iter().map(|v| v * v).sum::<f64>() * if frequency { 1.0 } else { w };
                let adjusted = e / (1.0 - h).powf(power);
                let basis = if power > 0.0 { u } else { z };
                outer(&mut wanted, basis, basis, adjusted * adjusted * if frequency { w } else { w * w });
                squares += w * e * e;
            }
            close(&got.meat().unwrap(), &wanted);
            close(&[got.squares], &[squares]);
            assert_eq!(got.rows, rows.used(weighted).len() as u64);
        }
    }
}

#[test]
fn lags_reach_over_blocks_and_partitions() {
    let (layout, rows) = (layout(), Rows::new(60));
    let used = rows.used(false);
    for lags in [0, 1, 4, 9, 80] {
        let plan = plan(&layout, ScoreKind::Lagged { lags }, Leverage::Ignored, false);
        let mut wanted = [0.0; 9];
        for (t, &i) in used.iter().enumerate() {
            for (s, &j) in used.iter().enumerate() {
                let distance = t.abs_diff(s);
                if distance <= lags {
                    let ((z, e, _), (other, f, _)) = (rows.row(i), rows.row(j));
                    outer(&mut wanted, z, other, e * f * (1.0 - distance as f64 / (lags as f64 + 1.0)));
                }
            }
        }
        for cut in [1, 2, 5, 30, 60] {
            close(&totals(&plan, &rows, false, cut).meat().unwrap(), &wanted);
        }
    }
}

#[test]
fn clusters_of_one_category_another_and_both() {
    let (layout, rows) = (layout(), Rows::new(100));
    let plan = plan(&layout, ScoreKind::Clusters, Leverage::Ignored, false);
    let got = totals(&plan, &rows, true, 30);
    let key = |way: usize, i: usize| match way {
        2 => (rows.clusters[0][i], rows.clusters[1][i]),
        way => (rows.clusters[way][i], 0),
    };
    for (way, sums) in got.clusters().iter().enumerate() {
        let mut by_key = std::collections::BTreeMap::new();
        for i in rows.used(true) {
            let (z, e, _) = rows.row(i);
            let sum = by_key.entry(key(way, i)).or_insert([0.0; 3]);
            (0..3).for_each(|j| sum[j] += rows.weights[i] * e * z[j]);
        }
        let mut wanted = [0.0; 9];
        by_key.values().for_each(|s| outer(&mut wanted, *s, *s, 1.0));
        assert_eq!(sums.len(), by_key.len());
        close(&sums.products(), &wanted);
    }
    // The order of clusters is that of the rows, however these are cut.
    let again = totals(&plan, &rows, true, 100);
    let firsts = |t: &ScoreTotals| t.clusters()[0].iter().map(|s| s[0].signum()).collect::<Vec<_>>();
    assert_eq!(firsts(&got), firsts(&again));
}

#[test]
fn too_many_clusters_are_not_kept() {
    let (layout, rows) = (layout(), Rows::new(100));
    let plan = ScorePlan { most_clusters: 6, ..plan(&layout, ScoreKind::Clusters, Leverage::Ignored, false) };
    let got = totals(&plan, &rows, false, 30);
    let overfull: Vec<bool> = got.clusters().iter().map(ClusterSums::is_overfull).collect();
    assert_eq!(overfull, [false, true, true]);
}

#[test]
fn blocks_have_the_cross_products_of_their_rows() {
    let (layout, rows) = (layout(), Rows::new(50));
    let plan = ScorePlan { clusters: vec![1], ..plan(&layout, ScoreKind::Blocks, Leverage::Ignored, false) };
    let got = totals(&plan, &rows, true, 20);
    let first = got.clusters()[0].iter().next().unwrap().to_vec();
    let (mut score, mut block) = ([0.0; 3], [0.0; 9]);
    for i in rows.used(true).into_iter().filter(|&i| rows.clusters[1][i] == 0) {
        let (_, e, u) = rows.row(i);
        (0..3).for_each(|j| score[j] += rows.weights[i] * e * u[j]);
        outer(&mut block, u, u, rows.weights[i]);
    }
    let lower = [block[0], block[3], block[4], block[6], block[7], block[8]];
    close(&first[..3], &score);
    close(&first[3..], &lower);
}

#[test]
fn a_row_of_leverage_one_has_no_score() {
    let layout = layout();
    // The constant takes a hundredth; the rest is the first column's.
    let root = (1.0 - 1.0 / WEIGHT).sqrt();
    let own = ScoreModel { root: vec![root, 0.0, 0.0, 0.0], centre: vec![(0.0, 0.0); 3], ..model() };
    let plan = ScorePlan { models: vec![own], ..plan(&layout, ScoreKind::Rows, Leverage::Whole, false) };
    let mut scores = Scores::new(&plan);
    let columns = [&[1.0, 0.5][..], &[0.0, 0.0], &[7.0, 0.25]].map(Column::from);
    let block =
        DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: 2 };
    scores.update(&block).unwrap();
    let totals = scores.into_parts().0.pop().unwrap();
    assert_eq!((totals.full_leverage, totals.rows), (1, 2));
    // The second row has a quarter of the column's part in the leverage, and all of the constant's.
    assert!((totals.least_left - (1.0 - 1.0 / WEIGHT - 0.25 * root * root)).abs() < 1e-15);
    assert!(totals.meat().unwrap()[0] < 1e-12, "the second row's residual is 0");
}

#[test]
fn nesting_is_noticed() {
    let (layout, mut rows) = (layout(), Rows::new(50));
    rows.clusters[0] = rows.clusters[1].iter().map(|c| c / 2).collect();
    let nested = |plan: &ScorePlan| {
        let mut scores = Scores::new(plan);
        rows.update(&mut scores, 0, 30, false);
        let mut more = Scores::new(plan);
        rows.update(&mut more, 30, 50, false);
        scores.merge(more).unwrap();
        scores.into_parts().1.is_nested(0)
    };
    let base = plan(&layout, ScoreKind::Clusters, Leverage::Ignored, false);
    assert!(nested(&ScorePlan { clusters: vec![0], nested: vec![1], ..base.clone() }));
    assert!(!nested(&ScorePlan { clusters: vec![1], nested: vec![0], ..base }));
}
