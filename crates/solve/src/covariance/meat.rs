//! The middle of a sandwich: sums of scores in the basis of the rotated columns, with their factor.

use faer::MatRef;
use streamreg_core::scores::{ClusterSums, ScoreTotals};

use super::bread::Bread;
use super::jackknife::jackknife;
use super::small_sample::SmallSample;
use super::{Vcov, sandwich};
use crate::error::{Error, Result};

/// `M`, such that the covariance is `T M T'`.
#[derive(Clone, Debug, PartialEq)]
pub struct Meat {
    /// Row-major, as wide as the bread.
    pub(crate) values: Vec<f64>,
    /// For two categories of clusters the sum of the parts that are added: below a small share of it, a variance is
    /// nothing but rounding.
    pub(crate) added: Option<Vec<f64>>,
    /// Clusters without which the coefficients cannot be told.
    pub(crate) decisive: u64,
    /// Variances up to this, in units of a row's square, are rounding.
    pub(crate) noise: f64,
}

/// What factors count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Observations: rows, or the sum of frequencies.
    pub observations: u128,
    /// Coefficients that count.
    pub coefficients: usize,
}

impl Meat {
    /// `sigma² I`: of independent errors of one variance.
    pub fn iid(bread: &Bread, sigma: f64) -> Self {
        let k = bread.width();
        let mut values = vec![0.0; k * k];
        (0..k).for_each(|i| values[i * k + i] = sigma * sigma);
        Self { values, added: None, decisive: 0, noise: 0.0 }
    }

    /// From the scores of a pass; `rotated` says of which columns they are.
    ///
    /// # Errors
    /// [`Error::Inference`] for a single cluster, and for sums beyond float64's range.
    pub fn new(
        totals: &ScoreTotals,
        bread: &Bread,
        (vcov, small_sample): (Vcov, SmallSample),
        rotated: bool,
        sizes: Sizes,
    ) -> Result<Self> {
        let (n, k) = (sizes.observations as f64, sizes.coefficients as f64);
        if bread.width() == 0 {
            return Ok(Self { values: Vec::new(), added: None, decisive: 0, noise: 0.0 });
        }
        let rotate = |products: Vec<f64>| if rotated { products } else { rotate(bread, &products) };
        let mut meat = match (totals.meat(), totals.clusters()) {
            (Some(products), _) => {
                let factor = small_sample.of_rows(vcov, n, k);
                let values = scaled(rotate(products), factor);
                Self { values, added: None, decisive: 0, noise: 0.0 }
            }
            (None, [only]) if vcov == Vcov::Cr3 => {
                check_clusters(only)?;
                let (products, decisive) = jackknife(only, totals.width, small_sample.jackknife_mean)?;
                let factor = small_sample.of_clusters(vcov, only.len(), n, k);
                Self { values: scaled(products, factor), added: None, decisive, noise: 0.0 }
            }
            (None, ways) => {
                let fewest = ways.iter().map(ClusterSums::len).min().unwrap_or(0);
                let term = |way: &ClusterSums| {
                    let clusters = if small_sample.each { way.len() } else { fewest };
                    scaled(rotate(way.products()), small_sample.of_clusters(vcov, clusters, n, k))
                };
                ways.iter().try_for_each(check_clusters)?;
                two_ways(ways.iter().map(term).collect())
            }
        };
        if meat.values.iter().any(|v| !v.is_finite()) {
            let message = "the sums of scores are beyond float64's range; rescale the columns";
            return Err(Error::Inference(message.into()));
        }
        let k = bread.width();
        for i in 0..k {
            for j in 0..i {
                meat.values[i * k + j] = meat.values[j * k + i];
            }
        }
        Ok(meat)
    }

    /// The same for residuals of the standard deviation `sigma`, of which the rows know `digits`: where scores cancel, what is left
    /// of `n` of them is about `n` times the square of what a residual is off by. More than a thousandth of a standard error is
    /// no rounding.
    #[must_use]
    pub fn beside(mut self, sigma: f64, digits: f64, rows: u128) -> Self {
        const CAUTION: f64 = 1e3;
        const MOST: f64 = 1e-6;
        let share = 10f64.powf(-digits).max(f64::EPSILON);
        let noise = (CAUTION * rows as f64 * share * share).min(MOST) * sigma * sigma;
        self.noise = if noise.is_finite() { noise } else { 0.0 };
        self
    }

    /// The covariance between linear combinations of the coefficients, row-major, for the rows `L T` of these.
    pub(crate) fn between(&self, rows: &[f64], width: usize) -> Vec<f64> {
        sandwich(rows, &self.values, width)
    }

    /// The variance of a linear combination, for its row `l' T`. `None` where it is not one: no more than rounding, or not
    /// positive, where variances are differences.
    pub(crate) fn variance(&self, row: &[f64]) -> Option<f64> {
        /// Share of what was added and subtracted that may be left by rounding.
        const ROUNDING: f64 = 1e-13;
        let k = row.len();
        let of = |values: &[f64]| -> f64 {
            let lines = values.chunks_exact(k.max(1)).zip(row);
            lines.map(|(line, a)| a * line.iter().zip(row).map(|(m, b)| m * b).sum::<f64>()).sum()
        };
        let variance = of(&self.values);
        match &self.added {
            Some(added) => (variance > ROUNDING * of(added)).then_some(variance),
            None if self.noise == 0.0 => Some(variance.max(0.0)),
            None => {
                let square: f64 = row.iter().map(|v| v * v).sum();
                // Where there are fewer clusters than coefficients, parts of the sum may cancel.
                let lines = self.values.chunks_exact(k.max(1)).zip(row);
                let part = |(line, a): (&[f64], &f64)| {
                    line.iter().zip(row).map(|(m, b)| (a * m * b).abs()).sum::<f64>()
                };
                let parts: f64 = lines.map(part).sum();
                (variance > self.noise * square && variance > ROUNDING * parts).then_some(variance)
            }
        }
    }
}

/// One term, or the first two less the third.
fn two_ways(mut terms: Vec<Vec<f64>>) -> Meat {
    let both = if terms.len() == 3 { terms.pop() } else { None };
    let mut values = terms.pop().unwrap_or_default();
    let Some(both) = both else { return Meat { values, added: None, decisive: 0, noise: 0.0 } };
    let first = terms.pop().unwrap_or_default();
    values.iter_mut().zip(&first).for_each(|(v, f)| *v += f);
    let added = values.clone();
    values.iter_mut().zip(&both).for_each(|(v, b)| *v -= b);
    Meat { values, added: Some(added), decisive: 0, noise: 0.0 }
}

fn check_clusters(clusters: &ClusterSums) -> Result<()> {
    if clusters.len() < 2 {
        return Err(Error::Inference("all rows are in one cluster: at least two are needed".into()));
    }
    Ok(())
}

fn scaled(mut values: Vec<f64>, factor: f64) -> Vec<f64> {
    values.iter_mut().for_each(|v| *v *= factor);
    values
}

/// `T' M T` for scores of the centred columns.
fn rotate(bread: &Bread, products: &[f64]) -> Vec<f64> {
    let k = bread.width();
    let root = bread.centred_root();
    let transposed = MatRef::from_row_major_slice(&root, k, k).transpose();
    let lines = (0..k).flat_map(|i| (0..k).map(move |j| (i, j)));
    let rows: Vec<f64> = lines.map(|at| transposed[at]).collect();
    sandwich(&rows, products, k)
}
