//! How far a point is from the minimum.

use serde::{Deserialize, Serialize};

use crate::iterative::curvature::Curvature;
use crate::iterative::loss::Loss;
use crate::iterative::penalty::Penalties;
use crate::iterative::sums::GradientSums;

/// What the gradient of all rows tells of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// What is left to gain of the loss that was asked for, relative to the objective, by what `basis` says.
    pub gap: f64,
    /// What that rests on.
    pub basis: GapBasis,
    /// What is left to gain of the loss with its kinks rounded, relative to the objective, if the curvature is right: `g'H^-1 g /
    /// 2`.
    pub descent: f64,
    /// Where columns depend on others, or so nearly that the curvature shows nothing of it: what is left to gain along them at
    /// most, relative to the objective. It comes on top of `gap`.
    #[serde(default)]
    pub unseen: Option<f64>,
    /// What rounding the kinks may hide, relative to the objective.
    pub slack: f64,
    /// Root mean square of the gradient by standardised parameters; of absolute values that of the smallest subgradient.
    pub gradient_norm: f64,
    /// The largest distance of a coefficient from the minimum, in its standard errors; of squares without a penalty, where
    /// the curvature is that of a sample.
    pub distance: Option<f64>,
}

/// What a gap rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GapBasis {
    /// Gradient and curvature: an estimate.
    #[default]
    Curvature,
    /// A bound by duality: the slopes of the rounded loss, and what the gradient leaves.
    Duality,
    /// The minimum itself, from all rows in memory.
    Minimum,
}

/// When a point is near enough to the minimum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    kinked: bool,
    minimum: Option<f64>,
    /// The gap that was asked for.
    asked: Option<f64>,
    /// What may be left to gain of an objective without kinks.
    smooth: f64,
}

/// What may be left to gain where kinks are rounded: of a known minimum, and of a bound.
const KNOWN: f64 = 1e-5;
const BOUND: f64 = 1e-4;

/// What may be left to gain of a known minimum at the end: so near that the loss is within 1e-4 of it.
const ENOUGH: f64 = 9e-5;

impl Goal {
    /// The gap `asked`, or for `loss` what is usual: `smooth` without kinks. `minimum` is that of the objective, where it is
    /// known.
    pub fn new(loss: Loss, minimum: Option<f64>, asked: Option<f64>, smooth: f64) -> Self {
        Self { kinked: !loss.is_smooth(), minimum, asked, smooth }
    }

    /// The least objective, where it is known.
    pub(super) fn minimum(&self) -> Option<f64> {
        self.minimum
    }

    /// The gap that is near enough.
    pub fn tolerance(&self) -> f64 {
        self.asked.unwrap_or(match (self.kinked, self.minimum) {
            (false, None) => self.smooth,
            (false, Some(_)) => self.smooth.max(1e-9),
            (true, Some(_)) => KNOWN,
            (true, None) => BOUND,
        })
    }

    /// Whether a point is near enough. A bound by duality is met long before a fit stands still; of a loss with kinks an estimate
    /// that is no bound tells nothing.
    pub fn is_reached(&self, certificate: &Certificate) -> bool {
        if self.kinked && certificate.basis == GapBasis::Curvature {
            return false;
        }
        let still = self.asked.is_some() || self.minimum.is_some() || certificate.descent <= self.smooth;
        certificate.left() <= self.tolerance() && (still || !self.kinked)
    }

    /// Whether a point is near enough where the epochs end and nobody asked for a gap: what is left of a known minimum is not
    /// estimated.
    pub fn is_enough(&self, certificate: &Certificate) -> bool {
        let known = self.kinked && self.asked.is_none() && self.minimum.is_some();
        self.is_reached(certificate) || (known && certificate.left() <= ENOUGH)
    }

    /// Whether only sharper kinks bring a point nearer.
    pub fn wants_sharper(&self, certificate: &Certificate) -> bool {
        let Certificate { gap, descent, slack, .. } = *certificate;
        self.kinked && gap > self.tolerance() && descent <= 0.05 * gap && slack >= 0.25 * gap
    }
}

/// The least curvature of a direction, in standardised units: along what is less, columns depend on each other by the rule of
/// least squares, which is a share of 1e-11 of a column.
const LEAST_CURVATURE: f64 = 1e-22;

/// The share of the variance of the response below which residuals are rounding.
const NEGLIGIBLE: f64 = 1e-20;

/// The same of losses that grow as residuals do, as a share of the standard deviation.
const NEGLIGIBLE_KINKED: f64 = 1e-9;

impl Certificate {
    /// What is left to gain at most, relative to the objective: all of it, where nothing better is known.
    pub fn left(&self) -> f64 {
        self.unseen.map_or(self.gap, |unseen| (self.gap + unseen).min(1.0).max(self.gap))
    }

    /// What `sums` at `point` tell.
    pub(super) fn new(
        curvature: &Curvature,
        penalties: &Penalties,
        point: &[f64],
        sums: &GradientSums,
        loss: Loss,
        minimum: Option<f64>,
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
        let objective = (sums.loss + penalties.value(point)).max(negligible(loss, sums));
        let share = |gain: f64| if objective > 0.0 { gain.max(0.0) / objective } else { gain.max(0.0) };
        let descent = share(gain);
        let (gap, basis) = match minimum {
            Some(minimum) => (share(sums.loss + penalties.value(point) - minimum), GapBasis::Minimum),
            None if loss.is_smooth() => (descent, GapBasis::Curvature),
            // Only a full matrix of second derivatives bounds what a gradient leaves.
            None if matches!(curvature, Curvature::Sample { .. }) => {
                (share(sums.slack) + 2.0 * descent, GapBasis::Duality)
            }
            None => (share(sums.slack) + 2.0 * descent, GapBasis::Curvature),
        };
        let mut smallest = gradient;
        penalties.minimal_subgradient(point, &mut smallest);
        let unseen =
            if basis == GapBasis::Minimum { None } else { along_unseen(curvature, &smallest).map(share) };
        let known = loss == Loss::Squared && penalties.is_empty() && unseen.is_none();
        let distance = known.then(|| distance(curvature, &step, sums)).flatten();
        Self {
            gap,
            basis,
            descent,
            unseen,
            slack: share(sums.slack),
            gradient_norm: root_mean_square(&smallest),
            distance,
        }
    }
}

/// The objective below which nothing is left but rounding: that of a perfect fit.
fn negligible(loss: Loss, sums: &GradientSums) -> f64 {
    if loss.is_smooth() {
        NEGLIGIBLE * (0.5 * sums.response_squares)
    } else {
        NEGLIGIBLE_KINKED * (0.5 * sums.response_squares.sqrt())
    }
}

/// The largest part of a step to the minimum of squares, in standard errors of its coefficient.
fn distance(curvature: &Curvature, step: &[f64], sums: &GradientSums) -> Option<f64> {
    let freedom = sums.rows as f64 - step.len() as f64;
    let told = matches!(curvature, Curvature::Sample { .. }) && freedom > 0.0 && sums.squares > 0.0;
    told.then(|| {
        // The variance of a coefficient is sigma² (X'X)^-1, and X'X is W times the mean Hessian.
        let variance = sums.squares / freedom;
        let each =
            step.iter().enumerate().map(|(j, d)| d.abs() / (variance * curvature.inverse_at(j)).sqrt());
        each.fold(0.0, f64::max)
    })
}

/// What is left to gain at most along the directions that a curvature does not see, if there are any.
fn along_unseen(curvature: &Curvature, gradient: &[f64]) -> Option<f64> {
    let Curvature::Sample { unseen, .. } = curvature else { return None };
    let along = |direction: &Vec<f64>| -> f64 { direction.iter().zip(gradient).map(|(d, g)| d * g).sum() };
    let each = unseen.iter().map(|direction| 0.5 * along(direction).powi(2) / LEAST_CURVATURE);
    (!unseen.is_empty()).then(|| each.sum())
}

/// The root of the mean square.
pub(super) fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}
