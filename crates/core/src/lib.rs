//! Sufficient statistics of linear regression, accumulated in parallel from Arrow record batches.
//!
//! A linear model `y = Xw + b` needs, of all rows, only counts, means and second moments. A [`Design`] is a
//! [`ModelSpec`] bound to a schema; [`accumulate()`] cuts the batches of every partition into logical blocks of
//! rows ([`DesignBlock`]), drops and counts rows that cannot be used ([`RowLedger`]), and feeds an
//! [`Accumulator`]:
//!
//! | accumulator | holds | costs | good for |
//! |---|---|---|---|
//! | [`Statistics`] | all that a design needs: [`ExactProducts`] or [`CrossProducts`] of its numbers, sums by level for its categories | `n p²` products for `p` numbers, of 32-bit digits if exact, a few sums a category | everything |
//! | [`Scores`](scores::Scores) | sums of residuals times columns, of a fit | about `n p²` flops | robust covariances |
//! | [`TriangularFactor`] | means and `R` of centred `[X y] = QR` | about `2 n p²` flops, slower ones | ill-conditioned data |
//!
//! After the pass the levels of the categories are known. A [`Layout`] says which columns the terms come to,
//! and a [`Group`] (all rows, or those of one group) gives their cross-products without ever having made a
//! column of a category.
//!
//! All accumulators merge. Blocks and partitions are cut by the content of the data and merged in order, so
//! results have the same bits for any number of threads and any batch size.
//!
//! | module | what it knows |
//! |---|---|
//! | [`formula`], [`expression`] | the language of terms; arithmetic on columns |
//! | [`spec`] | responses, terms, weights, groups, treatment of missing values |
//! | [`design`], `bind`, `scope` | the model bound to a schema; how it is bound; how categories share columns |
//! | [`levels`] | the levels of categories, found while streaming |
//! | [`blocks`], [`block`], `variables` | logical blocks; plain slices of one; the numbers computed for one |
//! | [`folds`] | the fold of a row; one state a fold |
//! | `centred` | its centred form, which the kernels multiply |
//! | [`missing`] | the ledger of rows |
//! | [`accumulate`](mod@accumulate) | the trait, and the pass |
//! | [`ordered`] | partitions in parallel, results in order |
//! | [`descent`], [`feed`](mod@feed) | iterative fits; rows mixed and in order for them |
//! | `lists` | pairs of list columns |
//! | [`statistics`], [`exact`], [`cross_products`], `groups`, [`triangular_factor`], [`moments`] | the statistics |
//! | [`scores`] | residuals, leverages, and the sums that robust covariances are made of |
//! | [`layout`], [`assemble`], [`doubled`] | the columns of the design matrix; their cross-products from the sums |

pub mod accumulate;
pub mod assemble;
mod bind;
pub mod block;
pub mod blocks;
mod cells;
mod centred;
mod convert;
pub mod cross_products;
pub mod descent;
pub mod design;
pub mod doubled;
pub mod error;
pub mod exact;
pub mod expression;
pub mod feed;
mod folded;
pub mod folds;
pub mod formula;
mod groups;
mod hash;
pub mod layout;
pub mod levels;
mod lists;
pub mod missing;
pub mod moments;
pub mod ordered;
mod reflect;
mod scope;
pub mod scores;
pub mod spec;
pub mod statistics;
pub mod triangular_factor;
mod variables;

pub use accumulate::{Accumulator, PassControl, accumulate};
pub use assemble::{Group, Groups, LevelMeans};
pub use block::{BlockError, Column, DesignBlock, SparseEntries};
pub use blocks::{Levels, RowReader, Unseen};
pub use cells::{cell_text, widened};
pub use convert::to_float64;
pub use cross_products::CrossProducts;
pub use design::Design;
pub use doubled::DoubledProducts;
pub use error::{Error, ErrorKind, Result};
pub use exact::{ExactProducts, Kernel, Wide};
pub use expression::Expr;
pub use feed::feed;
pub use folded::Folded;
pub use folds::{AssignedBatch, FoldRule, MAX_FOLDS};
pub use formula::{Factor, Formula, FormulaError, Term};
pub use layout::{Coding, Effect, Expanded, Layout};
pub use levels::{Level, LevelSet};
pub use missing::{DroppedRows, MissingReason, ReplacedRows, RoundedIntegers, RowLedger};
pub use moments::Moments;
pub use ordered::in_order;
pub use spec::usable_as_number;
pub use spec::{
    Contrasts, DEFAULT_MAX_LEVELS, EXACT_VARIABLES, INTERCEPT, LeftOut, MAX_HASH_BITS, MAX_SPARSE_INDEX,
    Missing, ModelSpec, Precision, SparseColumns, WeightType, Weights, factor_name,
};
pub use statistics::Statistics;
pub use triangular_factor::TriangularFactor;
