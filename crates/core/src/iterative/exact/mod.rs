//! Exact fits of losses other than squares, to rows that fit into memory.
//!
//! | file | what it knows |
//! |---|---|
//! | `collect` | the pass that keeps all rows |
//! | `rows` | orthogonal columns of them; which depend on others |
//! | `pieces` | losses as pieces whose slopes have bounds |
//! | `interior` | the interior point method |
//! | `polish` | the last step: to a vertex, or Newton's |
//! | `others` | whether other coefficients have the same loss |
//! | `symmetric` | small systems of equations |

mod collect;
mod interior;
mod others;
mod pieces;
mod polish;
mod rows;
mod symmetric;
#[cfg(test)]
mod tests;

pub use collect::{CollectedRows, RowCollector};
pub use rows::DependentColumn;

use self::interior::Interior;
use self::pieces::Problem;
use self::rows::Lines;
use crate::iterative::loss::Loss;
use crate::iterative::penalty::Penalties;
use crate::iterative::scaling::Scaling;

/// Most columns of an exact fit: the work grows with their square.
pub const MAX_EXACT_COLUMNS: usize = 2_000;

/// Coefficients that a penalty keeps at zero are rounding up to this share of the largest.
const ZERO: f64 = 1e-8;

/// The gap up to which a fit is called exact.
const NEXT_TO_NOTHING: f64 = 1e-7;

/// The same where residuals are so small beside the responses that the rounding of responses is more.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
const MOST_ROUNDING: f64 = 1e-6;

/// The minimum of a loss over all rows, with its penalty, in standardised units.
#[non_exhaustive]
pub struct ExactFit {
    /// A number a column, 0 for those that depend on others, and behind them the constant, if there is one.
    pub parameters: Vec<f64>,
    /// The mean loss, and the penalty.
    pub objective: f64,
    /// What the objective exceeds its minimum by at most, as a share of it: the duality gap.
    pub gap: f64,
    /// Whether it is certain that other coefficients have the same objective: the minimum is not unique.
    pub several: bool,
    /// Iterations of the interior point method.
    pub iterations: usize,
    /// Columns that depend on columns before them.
    pub dependent: Vec<DependentColumn>,
    /// Residuals of the rows, response less prediction.
    pub residuals: Vec<f64>,
    /// Weights of the rows; all one where empty.
    pub weights: Vec<f64>,
    /// Responses of the rows.
    pub response: Vec<f64>,
    lines: Lines,
}

impl ExactFit {
    /// Minimises a loss.
    pub fn new(mut rows: CollectedRows, scaling: &Scaling, loss: Loss, penalties: &Penalties) -> Self {
        let lines = Lines::new(std::mem::take(&mut rows.blocks), scaling, penalties);
        let problem = Problem::new(&lines, &rows, loss, penalties);
        let mut interior = Interior::solve(&problem);
        interior.t = polish::polish(&problem, &interior);
        let (iterations, cost, gap) = (interior.iterations, problem.cost(&interior.t), interior.gap());
        let several = gap <= NEXT_TO_NOTHING && others::has_others(&problem, &interior.t);
        let mut residuals = vec![0.0; lines.count()];
        lines.times(&interior.t, &mut residuals);
        residuals.truncate(lines.rows);
        residuals.iter_mut().zip(&rows.response).for_each(|(r, y)| *r = y - *r);
        let mut parameters = lines.parameters(&interior.t);
        let size = parameters.iter().fold(0.0f64, |most, t| most.max(t.abs()));
        for j in problem.zeros(&interior.d) {
            // Orthogonal columns leave rounding where there is nothing.
            if parameters[j].abs() <= ZERO * size {
                parameters[j] = 0.0;
            }
        }
        let objective = cost / rows.weight().max(f64::MIN_POSITIVE);
        let CollectedRows { response, weights, .. } = rows;
        let dependent = lines.dependent.clone();
        Self {
            parameters,
            objective,
            gap,
            several,
            iterations,
            dependent,
            residuals,
            weights,
            response,
            lines,
        }
    }

    /// Whether the gap is next to nothing, or no more than the rounding of the responses makes it.
    pub fn is_minimum(&self) -> bool {
        let size = self.response.iter().fold(0.0f64, |most, y| most.max(y.abs()));
        let rounding = (ROUNDING * size / self.objective).min(MOST_ROUNDING);
        self.gap <= NEXT_TO_NOTHING.max(rounding)
    }

    /// Number of coefficients that do not depend on others, the constant included.
    pub fn rank(&self) -> usize {
        self.lines.width()
    }

    /// The responses and weights alone, for a fit of the constant.
    pub fn without_columns(&self) -> CollectedRows {
        CollectedRows::of_responses(self.response.clone(), self.weights.clone())
    }

    /// The weight of a row.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    /// `sum of factor_i x_i x_i'` over the rows, `rank` x `rank`, for columns that are orthogonal to each other.
    pub fn gram(&self, factor: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut factors = vec![0.0; self.lines.count()];
        factors.iter_mut().take(self.lines.rows).enumerate().for_each(|(row, f)| *f = factor(row));
        self.lines.gram(&factors)
    }

    /// What a change of a coefficient of those orthogonal columns is as parameters.
    pub fn parameters_of(&self, coefficient: usize) -> Vec<f64> {
        let mut unit = vec![0.0; self.rank()];
        unit[coefficient] = 1.0;
        self.lines.parameters(&unit)
    }
}
