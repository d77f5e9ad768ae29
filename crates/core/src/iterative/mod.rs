//! Iterative fits: stochastic gradient descent, full gradient descent and conjugate gradients, for designs whose
//! cross-products do not fit into memory, and for losses without a closed form.
//!
//! What is minimised over the parameters `t`, with weights `w` that sum to `W`, is
//!
//! ```text
//! F(t) = 1/W sum of w_i loss(y_i - t'x_i) + sum of l1_j |t_j| + 1/2 sum of l2_j t_j²
//! ```
//!
//! in standardised units: columns about a number near their mean, in units of a power of two near their standard
//! deviation, and so the response ([`Scaling`]). Nobody scales by hand, nothing overflows, and a column in other units
//! by a power of two gives the same bits but for its own coefficient.
//!
//! The first pass takes [`ColumnSummaries`]. Their means and their sample make a [`Standardizer`], which turns every later
//! block into a [`RowBlock`], and a [`Curvature`]. Then passes follow for [`Sgd`], which takes rows as
//! [`shuffled_pass`](crate::shuffled_pass()) mixes them, or for [`FullGradient`], which is an
//! [`Accumulator`](crate::Accumulator) like others and serves [`Gd`], [`Cg`] and the anchors of [`Sgd`].
//!
//! | module | what it knows |
//! |---|---|
//! | `loss`, `penalty` | the two parts of the objective |
//! | `options` | what can be asked for |
//! | `column_summaries` | means, deviations, a sample |
//! | `standardizer`, `sparse`, `combination` | from variables and levels to standardised rows, dense or sparse |
//! | `keys`, `random` | who is held out or in the sample; orders that a seed decides |
//! | `rows` | blocks of such rows; the products that everything is made of |
//! | `scaling` | from the units of the data to standardised ones, and back |
//! | `curvature`, `tuning` | second derivatives by the sample; its fit |
//! | `sgd`, `schedule` | the stochastic method; how long its steps are |
//! | `gradient`, `sums` | the gradient of all rows |
//! | `gd`, `cg` | the methods that take nothing else |
//! | `certificate` | how far the minimum is |
//! | `exact` | the minimum itself, of rows that fit into memory |
//! | `trace` | what is told on the way |

mod certificate;
mod cg;
mod column_summaries;
mod combination;
mod curvature;
mod exact;
mod gd;
mod gradient;
mod keys;
mod loss;
mod options;
mod penalty;
mod random;
mod rows;
mod scaling;
mod schedule;
mod sgd;
mod sparse;
mod standardizer;
mod sums;
#[cfg(test)]
mod tests;
mod trace;
mod tuning;

pub use certificate::{Certificate, GapBasis, Goal};
pub use cg::Cg;
pub use column_summaries::ColumnSummaries;
pub use curvature::Curvature;
pub use exact::{CollectedRows, DependentColumn, ExactFit, MAX_EXACT_COLUMNS, RowCollector};
pub use gd::{Gd, GdStart};
pub use gradient::FullGradient;
pub use keys::key_below;
pub use loss::{Loss, Smoothed};
pub use options::{Next, Population, Precondition, SgdOptions, Start};
pub use penalty::Penalties;
pub use rows::{Features, RowBlock, SparseRows};
pub use scaling::Scaling;
pub use schedule::LearningRate;
pub use sgd::Sgd;
pub use sparse::WideTerms;
pub use standardizer::{RowBuilder, Sample, Standardizer};
pub use sums::GradientSums;
pub use trace::{Phase, TracePoint};
pub use tuning::{Tuned, default_tolerance};

pub(crate) use keys::Keys;
pub(crate) use random::Shuffle;
