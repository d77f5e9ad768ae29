//! Products of scores with those of rows before.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `sum of s_t s_t'`, and `sum of s_t v_t'` with `v_t = sum over l of (1 - l/(L+1)) s_(t-l)`, `l` from 1 to `L`: one
/// product a row instead of `L`. The first `L` scores and the last ones are kept, for what comes before and behind.
#[derive(Clone, Debug)]
pub(super) struct Lagged {
    width: usize,
    lags: usize,
    rows: usize,
    /// Row-major.
    own: Vec<f64>,
    lagged: Vec<f64>,
    first: Vec<f64>,
    last: Vec<f64>,
}

impl Lagged {
    pub(super) fn new(width: usize, lags: usize) -> Self {
        let zeros = || vec![0.0; width * width];
        let (own, lagged) = (zeros(), zeros());
        Self { width, lags, rows: 0, own, lagged, first: Vec::new(), last: Vec::new() }
    }

    /// Bartlett's weight of a lag.
    fn weight(&self, lag: usize) -> f64 {
        1.0 - lag as f64 / (self.lags as f64 + 1.0)
    }

    /// Takes in the scores of further rows, row-major.
    pub(super) fn update(&mut self, scores: &[f64]) {
        let k = self.width;
        let rows = scores.len() / k.max(1);
        if rows == 0 {
            return;
        }
        let before = self.last.len() / k;
        let mut all = std::mem::take(&mut self.last);
        all.extend_from_slice(scores);
        let mut sums = vec![0.0; scores.len()];
        for (row, sum) in sums.chunks_exact_mut(k).enumerate() {
            let t = before + row;
            for lag in 1..=self.lags.min(t) {
                let weight = self.weight(lag);
                let earlier = &all[(t - lag) * k..(t - lag + 1) * k];
                sum.iter_mut().zip(earlier).for_each(|(v, s)| *v += weight * s);
            }
        }
        add_product(&mut self.own, scores, scores, k);
        add_product(&mut self.lagged, scores, &sums, k);
        self.append(scores, all, rows);
    }

    /// Keeps the first and the last scores; `all` are the last ones with the further ones behind them.
    fn append(&mut self, further_first: &[f64], mut all: Vec<f64>, rows: usize) {
        let room = (self.lags * self.width).saturating_sub(self.first.len());
        self.first.extend_from_slice(&further_first[..room.min(further_first.len())]);
        let surplus = all.len().saturating_sub(self.lags * self.width);
        all.drain(..surplus);
        self.last = all;
        self.rows += rows;
    }

    /// Takes in the rows that follow.
    pub(super) fn merge(&mut self, other: Self) {
        if other.rows == 0 {
            return;
        }
        let k = self.width;
        let before = self.last.len() / k.max(1);
        let count = other.first.len() / k.max(1);
        let mut sums = vec![0.0; other.first.len()];
        for (row, sum) in sums.chunks_exact_mut(k.max(1)).enumerate().take(count) {
            for lag in row + 1..=self.lags.min(row + before) {
                let weight = self.weight(lag);
                let at = before + row - lag;
                sum.iter_mut().zip(&self.last[at * k..(at + 1) * k]).for_each(|(v, s)| *v += weight * s);
            }
        }
        add_product(&mut self.lagged, &other.first, &sums, k);
        self.own.iter_mut().zip(&other.own).for_each(|(a, b)| *a += b);
        self.lagged.iter_mut().zip(&other.lagged).for_each(|(a, b)| *a += b);
        let mut all = std::mem::take(&mut self.last);
        all.extend_from_slice(&other.last);
        self.append(&other.first, all, other.rows);
    }

    /// The meat, row-major.
    pub(super) fn meat(&self) -> Vec<f64> {
        let k = self.width;
        let at = |i: usize, j: usize| self.own[i * k + j] + (self.lagged[i * k + j] + self.lagged[j * k + i]);
        (0..k).flat_map(|i| (0..k).map(move |j| at(i, j))).collect()
    }
}

/// Adds `a' b` to a row-major matrix; the rows of `a` and `b` have `k` numbers.
fn add_product(sum: &mut [f64], a: &[f64], b: &[f64], k: usize) {
    let rows = a.len() / k.max(1);
    if rows == 0 {
        return;
    }
    let (a, b) = (MatRef::from_row_major_slice(a, rows, k), MatRef::from_row_major_slice(b, rows, k));
    let target = MatMut::from_row_major_slice_mut(sum, k, k);
    matmul(target, Accum::Add, a.transpose(), b, 1.0, Par::Seq);
}
