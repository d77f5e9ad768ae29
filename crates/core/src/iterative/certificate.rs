//! How far a point is from the minimum.

use serde::{Deserialize, Serialize};

use crate::iterative::curvature::Curvature;
use crate::iterative::penalty::Penalties;
use crate::iterative::sums::GradientSums;

/// What the gradient of all rows tells of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// What is left to gain, relative to the objective, if the curvature is right: `g'H^-1 g / 2`.
    pub gap: f64,
    /// Root mean square of the gradient by standardised parameters; of absolute values that of the smallest subgradient.
    pub gradient_norm: f64,
    /// The largest distance of a coefficient from the minimum, in its standard errors; of squares without a penalty, where
    /// the curvature is that of a sample.
    pub distance: Option<f64>,
}

/// The share of the variance of the response below which residuals are rounding.
const NEGLIGIBLE: f64 = 1e-20;

impl Certificate {
    /// What `sums` at `point` tell.
    pub(super) fn new(
        curvature: &Curvature,
        penalties: &Penalties,
        point: &[f64],
        sums: &GradientSums,
        squares: bool,
    ) -> Self {
        let mut gradient = sums.gradient.clone();
        penalties.add_gradient(point, &mut gradient);
        let step = curvature.newton(point, &gradient, penalties);
        let along: f64 = gradient.iter().zip(&step).map(|(g, d)| g * d).sum();
        let gain = if penalties.l1.is_empty() {
            -0.5 * along
        } else {
            let moved = step.iter().zip(point).zip(&penalties.l1);
            let absolute: f64 = moved.map(|((d, t), l1)| l1 * ((t + d).abs() - t.abs())).sum();
            // At the minimum of a quadratic model half of the slope is gained back.
            -0.5 * (along + absolute)
        };
        // Of a perfect fit nothing is left but rounding.
        let objective = (sums.loss + penalties.value(point)).max(NEGLIGIBLE * (0.5 * sums.response_squares));
        let gap = if objective > 0.0 { gain.max(0.0) / objective } else { gain.max(0.0) };
        let mut smallest = gradient;
        penalties.minimal_subgradient(point, &mut smallest);
        let exact = squares && penalties.is_empty() && matches!(curvature, Curvature::Sample { .. });
        let freedom = sums.rows as f64 - point.len() as f64;
        let distance = (exact && freedom > 0.0 && sums.squares > 0.0).then(|| {
            // The variance of a coefficient is sigma² (X'X)^-1, and X'X is W times the mean Hessian.
            let variance = sums.squares / freedom;
            let each =
                step.iter().enumerate().map(|(j, d)| d.abs() / (variance * curvature.inverse_at(j)).sqrt());
            each.fold(0.0, f64::max)
        });
        Self { gap, gradient_norm: root_mean_square(&smallest), distance }
    }
}

/// The root of the mean square.
pub(super) fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}
