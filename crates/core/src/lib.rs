//! Sufficient statistics of linear regression, accumulated in parallel from Arrow record batches.
//!
//! A linear model `y = Xw + b` needs, of all rows, only counts, means and second moments. A [`Design`] is a
//! [`ModelSpec`] bound to a schema; [`accumulate()`] cuts the batches of every partition into logical blocks of
//! rows ([`DesignBlock`]), drops and counts rows with missing values ([`RowLedger`]), and feeds one of two
//! [`Accumulator`]s:
//!
//! | accumulator | holds | costs | good for |
//! |---|---|---|---|
//! | [`CrossProducts`] | means and centred `[X y]'[X y]` | `n p²` flops | well-conditioned data |
//! | [`TriangularFactor`] | means and `R` of centred `[X y] = QR` | about `2 n p²` flops, slower ones | ill-conditioned data |
//!
//! Both merge. Blocks and partitions are cut by the content of the data and merged in order, so results
//! have the same bits for any number of threads and any batch size.
//!
//! | module | what it knows |
//! |---|---|
//! | [`spec`] | response, features, treatment of missing values |
//! | [`formula`], [`expression`] | the formula language, and its arithmetic |
//! | [`design`] | the model bound to a schema; logical blocks |
//! | [`block`] | plain slices of a block |
//! | `centred` | its centred form, which the kernels multiply |
//! | [`missing`] | the ledger of rows |
//! | [`accumulate`](mod@accumulate) | the trait, and the pass |
//! | [`ordered`] | partitions in parallel, results in order |
//! | [`cross_products`], [`triangular_factor`], [`moments`] | the statistics |

pub mod accumulate;
pub mod block;
mod centred;
mod convert;
pub mod cross_products;
pub mod design;
pub mod error;
pub mod expression;
pub mod formula;
pub mod missing;
pub mod moments;
pub mod ordered;
pub mod spec;
pub mod triangular_factor;

pub use accumulate::{Accumulator, PassControl, accumulate};
pub use block::{BlockError, Column, DesignBlock};
pub use convert::to_float64;
pub use cross_products::CrossProducts;
pub use design::Design;
pub use error::{Error, ErrorKind, Result};
pub use expression::Expr;
pub use formula::{Expansion, Factor, Formula, FormulaError, Term};
pub use missing::{DroppedRows, MissingReason, RoundedIntegers, RowLedger};
pub use moments::Moments;
pub use ordered::in_order;
pub use spec::usable_as_number;
pub use spec::{INTERCEPT, LeftOut, Missing, ModelSpec};
pub use triangular_factor::TriangularFactor;
