//! The variance of fitted values, and with it the half-width of intervals.

use streamreg_core::{DesignBlock, Layout};
use streamreg_solve::Covariance;

/// The half-width of an interval: `t sqrt(x' V x [+ sigma²])`.
pub(crate) struct Width<'m> {
    pub(crate) covariance: &'m Covariance,
    /// The layout's columns that the covariance is of.
    pub(crate) columns: Vec<usize>,
    /// The category whose levels were eliminated.
    pub(crate) category: Option<usize>,
    pub(crate) quantile: f64,
    pub(crate) own: f64,
    pub(crate) sigma: f64,
}

impl Width<'_> {
    /// Of every row of a block; NaN where there is none.
    pub(crate) fn of(&self, layout: &Layout, block: &DesignBlock<'_>) -> Vec<f64> {
        let cells: Vec<Vec<f64>> = (self.columns.iter())
            .map(|&column| {
                let mut cells = vec![0.0; block.rows];
                layout.fill(column, block, &mut cells);
                cells
            })
            .collect();
        (0..block.rows).map(|row| self.of_row(row, &cells, block)).collect()
    }

    fn of_row(&self, row: usize, cells: &[Vec<f64>], block: &DesignBlock<'_>) -> f64 {
        let (k, q) = (self.covariance.terms.len(), cells.len());
        let mut x = vec![1.0; k];
        let mut constant = 0.0;
        let mut means = self.covariance.means.as_deref();
        // About the means the constant has a variance of its own, and where the covariance is robust one with the rest.
        let from = usize::from(means.is_some());
        if means.is_some() {
            constant = self.covariance.variance_at_means;
        }
        if let (Some(levels), Some(category)) = (&self.covariance.levels, self.category) {
            // Rows of other levels are masked.
            let level = Some(block.codes[category][row] as usize).filter(|&l| l < levels.weights.len());
            let level = level.unwrap_or(0);
            constant = self.sigma * self.sigma / levels.weights[level];
            means = Some(&levels.means[level * q..(level + 1) * q]);
        }
        for (j, column) in cells.iter().enumerate() {
            x[k - q + j] = column[row] - means.map_or(0.0, |m| m[j]);
        }
        let dot = |v: &[f64]| -> f64 { v[from..].iter().zip(&x[from..]).map(|(a, b)| a * b).sum() };
        let with_means = self.covariance.covariance_at_means.iter().zip(&x[from..]);
        let constant = constant + 2.0 * with_means.map(|(c, xi)| c * xi).sum::<f64>();
        let lines = self.covariance.values.chunks_exact(k.max(1)).zip(&x).skip(from);
        let variance: f64 = constant + lines.map(|(line, xi)| xi * dot(line)).sum::<f64>();
        // A difference of variances may be none: then there is no interval.
        let difference = self.covariance.vcov.clusters.len() > 1;
        let variance = if difference && variance < 0.0 { f64::NAN } else { variance.max(0.0) };
        self.quantile * (variance + self.own).sqrt()
    }
}
