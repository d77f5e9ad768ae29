//! Intervals around predictions.

use streamreg_core::{AbsorbedTerm, Design, DesignBlock, Layout, choices};
use streamreg_solve::distributions::student_t_quantile_two_sided;
use streamreg_solve::{Covariance, WARNING_DIGITS, Warning};

use crate::error::{Error, Result};
use crate::model::Model;

/// Which uncertainty an interval around a prediction covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interval {
    /// That of the mean response: of the coefficients alone.
    Confidence,
    /// That of a new observation: of the coefficients and of its own deviation.
    Prediction,
}

choices!(Interval { Confidence => "confidence", Prediction => "prediction" });

/// Rows whose interval has few correct digits, because what it is computed from cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Coarse {
    /// How many of them there are.
    pub rows: u64,
    /// The largest relative error of a half-width among them.
    pub error: f64,
}

impl Coarse {
    fn add(&mut self, error: f64) {
        if error > 10f64.powf(-WARNING_DIGITS) {
            self.rows += 1;
            self.error = self.error.max(error);
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.rows += other.rows;
        self.error = self.error.max(other.error);
    }

    /// The one with more rows.
    pub(crate) fn or(self, other: Self) -> Self {
        if other.rows > self.rows { other } else { self }
    }

    /// What should be said of it.
    pub(crate) fn warning(self) -> Option<Warning> {
        let digits = (-self.error.log10()).max(0.0).floor();
        let rows = if self.rows == 1 { "1 row".into() } else { format!("{} rows", self.rows) };
        let message = format!(
            "the variance of the fitted value of {rows} has few correct digits, {digits} at worst: the columns of the model nearly depend \
             on each other there"
        );
        (self.rows > 0).then(|| Warning::new("coarse_intervals", message))
    }
}

impl Model {
    /// Checks that intervals of this level can be told.
    pub(crate) fn check_interval(&self, level: f64) -> Result<()> {
        if self.0.covariance.is_none() {
            let message = format!(
                "the model has no covariance, so there are no intervals: {}",
                self.why_no_covariance()
            );
            return Err(Error::invalid_request(message));
        }
        if !(level > 0.0 && level < 1.0) {
            let message = format!("the confidence level must lie between 0 and 1, not {level}");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }

    /// What the half-width of an interval is computed from.
    pub(crate) fn width(&self, kind: Interval, level: f64) -> Result<Width<'_>> {
        self.check_interval(level)?;
        let covariance = self.covariance()?;
        let sigma = self.0.glance.sigma.unwrap_or(f64::NAN);
        let df = covariance.vcov.df.unwrap_or(self.0.glance.df_residual);
        let quantile = student_t_quantile_two_sided(1.0 - level, df as f64);
        let own = if kind == Interval::Prediction { sigma * sigma } else { 0.0 };
        self.width_by(covariance, quantile, own)
    }

    /// What `quantile sqrt(v(x) + own)` is computed from.
    pub(super) fn width_by<'m>(
        &'m self,
        covariance: &'m Covariance,
        quantile: f64,
        own: f64,
    ) -> Result<Width<'m>> {
        let sigma = self.0.glance.sigma.unwrap_or(f64::NAN);
        let first = usize::from(self.0.spec.intercept);
        let terms = covariance.terms.iter().filter(|&&t| t >= first);
        let columns: Vec<usize> = terms.map(|t| t - first).collect();
        let design = Design::of_terms(&self.0.spec, &self.schema())?;
        let layout = Layout::absorbing(&design, &self.0.coding)?;
        let category = layout.absorbed().map(AbsorbedTerm::category);
        let fitted = &covariance.fitted;
        let norm = |line: &[f64]| fitted.square(line).max(0.0).sqrt();
        let norms = fitted.root.chunks_exact(fitted.width(covariance.terms.len()).max(1)).map(norm).collect();
        Ok(Width { covariance, columns, category, quantile, own, sigma, norms, middle: true })
    }

    /// What the root of the leverage over the weight is computed from, where residuals have the standard deviation `sigma`.
    pub(super) fn unit_width(&self, sigma: f64) -> Result<Width<'_>> {
        let covariance = self.covariance()?;
        // The root of a robust covariance is that of the cross-products' inverse.
        let unit = if covariance.fitted.middle.is_some() { 1.0 } else { 1.0 / sigma };
        Ok(Width { middle: false, ..self.width_by(covariance, unit, 0.0)? })
    }
}

/// The half-width of an interval: `t sqrt(v(x) [+ sigma²])` with the variance `v(x)` of the fitted value.
pub(crate) struct Width<'m> {
    covariance: &'m Covariance,
    /// The layout's columns that the covariance is of.
    columns: Vec<usize>,
    /// The category whose levels were eliminated.
    category: Option<usize>,
    quantile: f64,
    own: f64,
    sigma: f64,
    /// Norms of the rows of the root.
    norms: Vec<f64>,
    /// Whether what stands in the middle of a robust covariance counts.
    middle: bool,
}

impl Width<'_> {
    /// The half-widths for the rows of a block that are `used`; `None` for others, and where a difference of variances is none.
    pub(crate) fn of(
        &self,
        layout: &Layout,
        block: &DesignBlock<'_>,
        used: &impl Fn(usize) -> bool,
        coarse: &mut Coarse,
    ) -> Vec<Option<f64>> {
        let cells = |&column: &usize| {
            let mut cells = vec![0.0; block.rows];
            layout.fill(column, block, &mut cells);
            cells
        };
        let cells: Vec<Vec<f64>> = self.columns.iter().map(cells).collect();
        let row = |row: usize| {
            let (variance, error) = used(row).then(|| self.variance(row, &cells, block))?;
            coarse.add(error / (variance + self.own).sqrt());
            (variance >= 0.0).then(|| self.quantile * (variance + self.own).sqrt())
        };
        (0..block.rows).map(row).collect()
    }

    /// The variance of the fitted value of a row, and how far its root may be off by rounding.
    fn variance(&self, row: usize, cells: &[Vec<f64>], block: &DesignBlock<'_>) -> (f64, f64) {
        let fitted = &self.covariance.fitted;
        let (k, q) = (self.covariance.terms.len(), cells.len());
        let width = fitted.width(k);
        let (mut z, mut constant, mut error) = (vec![0.0; width], 0.0, 0.0);
        let mut deviations = None;
        if let (Some(levels), Some(category)) = (&fitted.levels, self.category) {
            let level = block.codes[category][row] as usize;
            // Rows of other levels are masked.
            let level = if level < levels.weights.len() { level } else { 0 };
            constant = self.sigma * self.sigma / levels.weights[level];
            deviations = Some(&levels.deviations[level * q..(level + 1) * q]);
        }
        let lines = fitted.root.chunks_exact(width.max(1)).zip(&self.norms);
        // The intercept comes first.
        let first = k - q;
        for (term, (line, norm)) in lines.enumerate() {
            let x = match term.checked_sub(first) {
                None => 1.0,
                Some(j) => {
                    let (mean, low) =
                        fitted.means.as_ref().map_or((0.0, 0.0), |means| means[means.len() - q + j]);
                    ((cells[j][row] - mean) - low) - deviations.map_or(0.0, |d| d[j])
                }
            };
            error += f64::EPSILON * x.abs() * norm;
            z.iter_mut().zip(line).for_each(|(z, t)| *z += t * x);
        }
        let square = if self.middle { fitted.square(&z) } else { z.iter().map(|z| z * z).sum() };
        // A difference of variances may be none: then there is no interval.
        let square = if self.covariance.vcov.clusters.len() > 1 { square } else { square.max(0.0) };
        (constant + square, error)
    }
}
