//! Standardised units.

use serde::{Deserialize, Serialize};

/// Centres and scales of the columns and the response. A value `x` of column `j` is `(x - centres[j]) / scales[j]` in
/// standardised units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Subtracted from every column: 0 without an intercept, and of columns that are mostly zero.
    pub centres: Vec<f64>,
    /// Divide every column: powers of two.
    pub scales: Vec<f64>,
    /// Subtracted from the response.
    pub response_centre: f64,
    /// Divides the response: a power of two.
    pub response_scale: f64,
    /// Whether there is a constant.
    pub intercept: bool,
}

impl Scaling {
    /// Number of parameters: one a column, and the constant behind them.
    pub fn parameters(&self) -> usize {
        self.scales.len() + usize::from(self.intercept)
    }

    /// Slopes and constant in the units of the data.
    pub fn coefficients(&self, parameters: &[f64]) -> (Vec<f64>, Option<f64>) {
        let slope = |(t, scale): (&f64, &f64)| t * (self.response_scale / scale);
        let slopes: Vec<f64> = parameters.iter().zip(&self.scales).map(slope).collect();
        let constant = self.intercept.then(|| {
            let shift: f64 = slopes.iter().zip(&self.centres).map(|(b, c)| b * c).sum();
            parameters[self.scales.len()] * self.response_scale + self.response_centre - shift
        });
        (slopes, constant)
    }

    /// The inverse of [`Scaling::coefficients`].
    pub fn parameters_of(&self, slopes: &[f64], constant: Option<f64>) -> Vec<f64> {
        let scaled = slopes.iter().zip(&self.scales).map(|(b, scale)| b * (scale / self.response_scale));
        let shift: f64 = slopes.iter().zip(&self.centres).map(|(b, c)| b * c).sum();
        let constant = constant.unwrap_or(0.0) + shift - self.response_centre;
        scaled.chain(self.intercept.then_some(constant / self.response_scale)).collect()
    }
}

/// The power of two nearest to a positive, finite number by ratio; 1 for others.
pub(crate) fn power_of_two_near(x: f64) -> f64 {
    if !(x >= f64::MIN_POSITIVE && x.is_finite()) {
        return 1.0;
    }
    let below = f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000);
    if x / below > std::f64::consts::SQRT_2 && below < 2f64.powi(1023) { 2.0 * below } else { below }
}
