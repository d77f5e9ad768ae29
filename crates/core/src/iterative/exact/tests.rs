use super::rows::Cells;
use super::symmetric::solve_square;
use super::{CollectedRows, ExactFit};
use crate::iterative::loss::Loss;
use crate::iterative::penalty::Penalties;
use crate::iterative::random::Shuffle;
use crate::iterative::scaling::Scaling;

#[test]
fn a_minimum_that_is_not_the_only_one_is_known() {
    let of = |response: &[f64], columns: &[&[f64]], tau: f64| {
        let weights = vec![1.0; response.len()];
        let columns = columns.iter().map(|c| c.to_vec()).collect();
        let rows = Rows { columns, response: response.to_vec(), weights };
        rows.fit(Loss::Quantile { tau }, &Penalties::default()).several
    };
    // The median of an even number of rows, of ties, and quantiles that a row is.
    assert!(of(&[1.0, 2.0, 3.0, 4.0], &[], 0.5));
    assert!(of(&[1.0, 1.0, 2.0, 2.0], &[], 0.5));
    assert!(of(&[3.0, 1.0, 4.0, 2.0], &[], 0.25) && of(&[3.0, 1.0, 4.0, 2.0], &[], 0.75));
    assert!(!of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[], 0.5) && !of(&[1.0, 2.0, 2.0, 4.0], &[], 0.5));
    assert!(!of(&[3.0, 1.0, 4.0, 2.0], &[], 0.3) && !of(&[7.0, 7.0], &[], 0.5));
    // Two groups of an even and an odd number of rows: the median of one of them is not unique.
    let group = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    assert!(of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &[&group], 0.5));
    assert!(!of(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &[&[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], 0.5));
    let mut random = Shuffle::new(11);
    let mut said = 0;
    for case in 0..200 {
        // Rows with an odd sum of slopes have one minimum, as numbers at random have it.
        let rows = 12 + case % 30;
        let table = Rows::random(&mut random, rows, 1 + case % 3);
        let fit = table.fit(Loss::Quantile { tau: 0.37 }, &Penalties::default());
        said += usize::from(fit.several && !table.is_coarse());
    }
    assert_eq!(said, 0);
}

/// Rows with a constant behind their columns.
struct Rows {
    columns: Vec<Vec<f64>>,
    response: Vec<f64>,
    weights: Vec<f64>,
}

fn uniform(random: &mut Shuffle) -> f64 {
    random.next() as f64 / 2f64.powi(64)
}

impl Rows {
    /// Columns that are correlated, some cells that repeat, and errors with long tails.
    fn random(random: &mut Shuffle, rows: usize, columns: usize) -> Self {
        let coarse = uniform(random) < 0.3;
        let mut cells = vec![Vec::with_capacity(rows); columns];
        let (mut response, mut weights) = (Vec::new(), Vec::new());
        let weighted = uniform(random) < 0.3;
        for _ in 0..rows {
            let common = uniform(random) - 0.5;
            let mut sum = 0.3;
            for (j, column) in cells.iter_mut().enumerate() {
                let x = common + uniform(random) - 0.5;
                let x = if coarse { (3.0 * x).round() } else { x };
                sum += (j as f64 + 1.0) * x;
                column.push(x);
            }
            let tail = if uniform(random) < 0.1 { 10.0 } else { 1.0 };
            response.push(sum + tail * (uniform(random) - 0.4));
            weights.push(if weighted { 0.5 + uniform(random) } else { 1.0 });
        }
        Self { columns: cells, response, weights }
    }

    /// Whether cells repeat.
    fn is_coarse(&self) -> bool {
        self.columns.iter().flatten().all(|x| x.fract() == 0.0)
    }

    fn collected(&self) -> CollectedRows {
        let n = self.response.len();
        // In two blocks, as partitions come.
        let cut = n / 3;
        let block = |from: usize, to: usize| Cells {
            values: self.columns.iter().flat_map(|c| c[from..to].to_vec()).collect(),
            rows: to - from,
        };
        CollectedRows {
            blocks: vec![block(0, cut), block(cut, n)],
            response: self.response.clone(),
            weights: self.weights.clone(),
        }
    }

    fn fit(&self, loss: Loss, penalties: &Penalties) -> ExactFit {
        let p = self.columns.len();
        let scaling = Scaling {
            centres: vec![0.0; p],
            scales: vec![1.0; p],
            response_centre: 0.0,
            response_scale: 1.0,
            intercept: true,
        };
        ExactFit::new(self.collected(), &scaling, loss, penalties)
    }

    fn prediction(&self, row: usize, t: &[f64]) -> f64 {
        let slopes = self.columns.iter().zip(t).map(|(c, t)| c[row] * t);
        slopes.sum::<f64>() + t[self.columns.len()]
    }

    fn objective(&self, loss: Loss, penalties: &Penalties, t: &[f64]) -> f64 {
        let rows = 0..self.response.len();
        let each = rows.map(|i| self.weights[i] * loss.value(self.response[i] - self.prediction(i, t)));
        each.sum::<f64>() / self.weights.iter().sum::<f64>() + penalties.value(t)
    }

    /// The least objective of all points where as many residuals as there are coefficients stand at a kink: where the minimum
    /// of a piecewise linear objective lies.
    fn least_vertex(&self, loss: Loss, penalties: &Penalties) -> f64 {
        let width = self.columns.len() + 1;
        let mut kinks: Vec<(Vec<f64>, f64)> = Vec::new();
        for row in 0..self.response.len() {
            let line: Vec<f64> = self.columns.iter().map(|c| c[row]).chain([1.0]).collect();
            let shifts = match loss {
                Loss::EpsilonInsensitive { epsilon } => vec![-epsilon, epsilon],
                _ => vec![0.0],
            };
            kinks.extend(shifts.iter().map(|shift| (line.clone(), self.response[row] + shift)));
        }
        for j in 0..penalties.l1.len() {
            kinks.push(((0..width).map(|k| f64::from(u8::from(k == j))).collect(), 0.0));
        }
        let mut least = f64::INFINITY;
        let mut chosen: Vec<usize> = (0..width).collect();
        loop {
            let lines = chosen.iter().map(|&k| kinks[k].0.clone()).collect();
            if let Some(t) = solve_square(lines, chosen.iter().map(|&k| kinks[k].1).collect()) {
                least = least.min(self.objective(loss, penalties, &t));
            }
            let Some(at) = (0..width).rev().find(|&i| chosen[i] < kinks.len() - width + i) else {
                return least;
            };
            chosen[at] += 1;
            (at + 1..width).for_each(|i| chosen[i] = chosen[i - 1] + 1);
        }
    }
}

#[test]
fn kinks_are_minimised_to_the_vertex() {
    let mut random = Shuffle::new(1);
    for case in 0..300 {
        let (rows, columns) = (5 + case % 12, 1 + case % 2);
        let data = Rows::random(&mut random, rows, columns);
        let l1 = if case % 3 == 2 { vec![0.05 * uniform(&mut random); columns] } else { Vec::new() };
        let penalties = Penalties { l1, l2: Vec::new() };
        let losses = [0.05, 0.25, 0.5, 0.9].map(|tau| Loss::Quantile { tau });
        for loss in
            losses.into_iter().chain([0.0, 0.1, 0.4].map(|epsilon| Loss::EpsilonInsensitive { epsilon }))
        {
            let fit = data.fit(loss, &penalties);
            let least = data.least_vertex(loss, &penalties);
            let own = data.objective(loss, &penalties, &fit.parameters);
            let what = format!("case {case}, {loss:?}: {own} instead of {least}, gap {:e}", fit.gap);
            assert!(own - least <= 1e-10 * least.max(1e-3), "{what}");
            assert!((own - fit.objective).abs() <= 1e-12 * own.max(1e-3), "{what}: told {}", fit.objective);
            assert!(fit.gap < 1e-8, "{what}");
        }
    }
}

#[test]
fn bends_are_minimised_to_the_last_digits() {
    let mut random = Shuffle::new(2);
    for case in 0..200 {
        let data = Rows::random(&mut random, 6 + case, 1 + case % 5);
        let l2 = if case % 2 == 1 { vec![0.1 * uniform(&mut random); 1 + case % 5] } else { Vec::new() };
        let penalties = Penalties { l1: Vec::new(), l2 };
        for delta in [0.05, 0.3, 1.35] {
            let loss = Loss::Huber { delta };
            let fit = data.fit(loss, &penalties);
            // The gradient is zero.
            let mut gradient = vec![0.0; data.columns.len() + 1];
            let weight: f64 = data.weights.iter().sum();
            for row in 0..data.response.len() {
                let slope = data.weights[row] / weight * loss.slope(fit.residuals[row]);
                gradient.iter_mut().zip(&data.columns).for_each(|(g, c)| *g -= slope * c[row]);
                gradient[data.columns.len()] -= slope;
            }
            penalties.add_gradient(&fit.parameters, &mut gradient);
            let largest = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
            assert!(largest < 1e-13, "case {case}, delta {delta}: gradient {largest:e}, gap {:e}", fit.gap);
            assert!(fit.gap < 1e-8, "case {case}, delta {delta}: gap {:e}", fit.gap);
        }
    }
}

#[test]
fn dependent_columns_are_set_aside_with_their_relation() {
    let mut random = Shuffle::new(3);
    let mut data = Rows::random(&mut random, 40, 2);
    let sum = data.columns[0].iter().zip(&data.columns[1]).map(|(a, b)| 2.0 * a - b + 3.0).collect();
    data.columns.push(sum);
    data.columns.push(vec![0.25; 40]);
    let loss = Loss::Quantile { tau: 0.5 };
    let fit = data.fit(loss, &Penalties::default());
    assert_eq!(fit.rank(), 3);
    let [first, second] = fit.dependent.as_slice() else { panic!("{:?}", fit.dependent) };
    assert_eq!((first.column, second.column), (2, 3));
    for ((column, factor), wanted) in first.on.iter().zip([(0, 2.0), (1, -1.0)]) {
        assert_eq!(*column, wanted.0);
        assert!((factor - wanted.1).abs() < 1e-12);
    }
    assert!((first.constant - 3.0).abs() < 1e-12 && (second.constant - 0.25).abs() < 1e-15);
    assert_eq!(&fit.parameters[2..4], [0.0, 0.0]);
    // A large penalty on absolute values leaves nothing.
    let lasso = Penalties { l1: vec![100.0; 4], l2: Vec::new() };
    assert_eq!(&data.fit(loss, &lasso).parameters[..4], [0.0; 4]);
    // A penalty on squares shares what they have in common, and sets none aside.
    let ridge = Penalties { l1: Vec::new(), l2: vec![0.1; 4] };
    assert!(data.fit(loss, &ridge).dependent.is_empty());
}
