//! Counts, weights and means: what every accumulator keeps beside its second moments.

use serde::{Deserialize, Serialize};

/// Row count, sum of weights, and the mean of every variable to about twice float64's precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    rows: u64,
    weight: f64,
    mean: Vec<f64>,
    /// What `mean` lacks to the mean.
    low: Vec<f64>,
}

impl Moments {
    pub(crate) fn new(variables: usize) -> Self {
        Self { rows: 0, weight: 0.0, mean: vec![0.0; variables], low: vec![0.0; variables] }
    }

    /// Given counts and means.
    pub(crate) fn from_parts(rows: u64, weight: f64, mean: Vec<f64>, low: Vec<f64>) -> Self {
        Self { rows, weight, mean, low }
    }

    /// Those of some of the variables.
    pub(crate) fn select(&self, variables: &[usize]) -> Self {
        let pick = |values: &[f64]| variables.iter().map(|&v| values[v]).collect();
        Self::from_parts(self.rows, self.weight, pick(&self.mean), pick(&self.low))
    }

    /// Number of variables, the response included.
    pub fn variables(&self) -> usize {
        self.mean.len()
    }

    /// Whether there is a mean of each of so many variables.
    pub(crate) fn has_variables(&self, count: usize) -> bool {
        self.mean.len() == count && self.low.len() == count
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sum of the weights; the number of rows where there are none.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Weighted mean of variable `j`.
    pub fn mean(&self, j: usize) -> f64 {
        self.mean[j]
    }

    /// What [`Moments::mean`] lacks to the mean of variable `j`: a fraction of its last digit.
    pub fn mean_low(&self, j: usize) -> f64 {
        self.low[j]
    }

    /// From the mean so far to that of a block with the given centre, sums about it and weight.
    pub(crate) fn shift_to(&self, centre: &[f64], sums: &[f64], weight: f64) -> Vec<f64> {
        let blocks = centre.iter().zip(sums);
        let own = self.mean.iter().zip(&self.low);
        blocks.zip(own).map(|((c, s), (mean, low))| (c - mean) + (s / weight - low)).collect()
    }

    /// From this mean to that of `other`.
    pub(crate) fn shift_between(&self, other: &Self) -> Vec<f64> {
        (0..self.variables()).map(|j| (other.mean[j] - self.mean[j]) + (other.low[j] - self.low[j])).collect()
    }

    /// `W_a W_b / (W_a + W_b)`, by which the squared distance of two means enters the merged products.
    pub(crate) fn merge_factor(&self, weight: f64) -> f64 {
        self.weight * (weight / (self.weight + weight))
    }

    /// The moments of `rows` first rows: a centre that is exact, and sums about it.
    pub(crate) fn begin(&mut self, rows: u64, weight: f64, centre: &[f64], sums: &[f64]) {
        self.rows = rows;
        self.weight = weight;
        for (j, (c, sum)) in centre.iter().zip(sums).enumerate() {
            (self.mean[j], self.low[j]) = two_sum(*c, sum / weight);
        }
    }

    /// Takes in `rows` further rows whose mean is `shift` away.
    pub(crate) fn absorb(&mut self, rows: u64, weight: f64, shift: &[f64]) {
        self.rows += rows;
        self.weight += weight;
        let share = weight / self.weight;
        for ((mean, low), d) in self.mean.iter_mut().zip(&mut self.low).zip(shift) {
            let step = d * share + *low;
            (*mean, *low) = two_sum(*mean, step);
        }
    }
}

/// The rounded sum of two numbers and its rounding error (Knuth 1969).
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_keep_what_float64_cannot_hold() {
        let mut all = Moments::new(1);
        all.begin(3, 3.0, &[1e15], &[1.0]);
        assert_eq!((all.mean(0), all.mean_low(0)), (1e15 + 0.375, 1.0 / 3.0 - 0.375));
        let shift = all.shift_to(&[1e15], &[0.0], 3.0);
        all.absorb(3, 3.0, &shift);
        let mean = (all.mean(0) - 1e15) + all.mean_low(0);
        assert!((mean - 1.0 / 6.0).abs() < 1e-15, "{mean}");
    }

    #[test]
    fn two_sum_loses_nothing() {
        assert_eq!(two_sum(1.0, 1e-20), (1.0, 1e-20));
        assert_eq!(two_sum(1e16, 1.0), (1e16, 1.0));
    }
}
