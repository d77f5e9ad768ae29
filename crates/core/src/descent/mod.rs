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
//! | module | what it knows |
//! |---|---|
//! | `loss`, `penalty` | the two parts of the objective |
//! | `rows` | blocks of standardised rows, dense or sparse; the products that everything is made of |
//! | `scaling` | from the units of the data to standardised ones, and back |
//! | `trace` | what is told on the way |

mod loss;
mod penalty;
mod rows;
mod scaling;
mod trace;

pub use loss::Loss;
pub use penalty::Penalties;
pub use rows::{Features, RowBlock, SparseRows};
pub use scaling::Scaling;
pub use trace::{Phase, TracePoint};
