//! Columns that are combinations of variables, and the units of numbers.

use crate::design::layout::LayoutColumn;
use crate::iterative::column_summaries::ColumnSummaries;
use crate::iterative::scaling::power_of_two_near;
use crate::rows::block::DesignBlock;

/// The sum of variables times factors, and a constant.
#[derive(Clone, Debug)]
pub(super) struct Combination {
    pub(super) terms: Vec<(usize, f64)>,
    pub(super) constant: f64,
}

impl Combination {
    /// A column of the layout, if no levels matter to it.
    pub(super) fn of(column: &LayoutColumn) -> Option<Self> {
        let mut own = Self { terms: Vec::new(), constant: 0.0 };
        for part in &column.parts {
            match part.base.variable {
                _ if !part.base.levels.is_empty() => return None,
                Some(variable) => own.terms.push((variable, part.factor)),
                None => own.constant += part.factor,
            }
        }
        Some(own)
    }

    /// The values in the rows of a block, which are those of a variable where there is nothing to compute.
    pub(super) fn values<'b>(&self, block: &'b DesignBlock<'_>, buffer: &'b mut Vec<f64>) -> &'b [f64] {
        if let ([(variable, 1.0)], 0.0) = (self.terms.as_slice(), self.constant) {
            return block.columns[*variable].values;
        }
        buffer.clear();
        buffer.resize(block.rows, self.constant);
        for (variable, factor) in &self.terms {
            for (cell, x) in buffer.iter_mut().zip(block.columns[*variable].values) {
                *cell += factor * x;
            }
        }
        buffer
    }

    /// The value in one row.
    pub(super) fn value(&self, block: &DesignBlock<'_>, row: usize) -> f64 {
        self.terms.iter().fold(self.constant, |sum, (v, factor)| sum + factor * block.columns[*v].values[row])
    }

    /// Centre and scale.
    pub(super) fn unit(&self, summaries: &ColumnSummaries, intercept: bool) -> (f64, f64) {
        let of = |f: &dyn Fn(usize) -> f64| self.terms.iter().map(|(v, factor)| factor * f(*v)).sum::<f64>();
        let spread: f64 = self.terms.iter().map(|(v, factor)| factor.abs() * summaries.spread(*v)).sum();
        unit(of(&|v| summaries.mean(v)) + self.constant, spread, intercept)
    }
}

/// Centre and scale of numbers with a mean and a mean absolute deviation. The centre is a short number near the mean, so
/// that subtracting it loses next to nothing; the scale is a power of two near the standard deviation of a normal
/// distribution with that spread. Without an intercept there is no centre, and the scale is that of the numbers.
pub(super) fn unit(mean: f64, spread: f64, intercept: bool) -> (f64, f64) {
    if !intercept {
        return (0.0, power_of_two_near(1.25 * spread.max(mean.abs())));
    }
    // Of a constant column nothing but rounding is left beside its mean.
    if spread <= 1e-14 * mean.abs() || spread < f64::MIN_POSITIVE {
        return (mean, power_of_two_near(mean.abs()));
    }
    let scale = power_of_two_near(1.25 * spread);
    let short = (mean / scale * 16.0).round() / 16.0 * scale;
    (if short.is_finite() { short } else { mean }, scale)
}
