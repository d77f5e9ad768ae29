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
//! | `choice` | options whose values have names |
//! | `formula`, `expression` | the language of terms; arithmetic on columns |
//! | `model` | responses, terms, weights, groups, treatment of missing values; how categories share columns |
//! | `design` | the model bound to a schema, the numbers computed for it, the columns that it means |
//! | `levels` | the levels of categories, found while streaming |
//! | `rows` | batches as logical blocks; the ledger of rows; folds |
//! | `pass` | the trait [`Accumulator`], the pass, partitions in parallel and results in order |
//! | `sums` | the statistics: exact, in float64, by level, as a triangle |
//! | [`scores`] | residuals, leverages, and the sums that robust covariances are made of |
//! | `assemble` | the cross-products of the columns from the sums |
//! | [`iterative`] | iterative fits |

mod assemble;
mod choice;
mod design;
mod error;
mod expression;
mod formula;
pub mod iterative;
mod levels;
mod model;
mod pass;
mod rows;
pub mod scores;
mod sums;

pub use assemble::{Group, Groups, LevelMeans};
pub use choice::Choice;
#[doc(hidden)]
pub use choice::choice_names;
pub use design::Design;
pub use design::expanded::Expanded;
pub use design::layout::{AbsorbedTerm, Coding, Effect, Layout};
pub use design::origins::Origins;
pub use error::{Error, ErrorKind, Result, Unknown};
pub use expression::{Expr, Function, NumberFunction, Operator};
pub use formula::{
    CodedCategory, Contrasts, Expansion, Factor, Formula, FormulaError, MAX_LENGTH, Spline, Term,
};
pub use levels::{Level, LevelSet, cell_levels};
pub use model::spec::{
    DEFAULT_MAX_LEVELS, EXACT_VARIABLES, EXACT_VARIABLES_ONCE, INTERCEPT, LeftOut, MAX_HASH_BITS,
    MAX_SPARSE_INDEX, Missing, ModelSpec, Precision, SparseColumns, WeightType, Weights, factor_name,
};
pub use model::spec::{is_text, usable_as_number};
pub use pass::accumulate::{Accumulator, MemoryCheck, PassControl, accumulate, accumulate_into};
pub use pass::ordered::in_order;
pub use pass::shuffled::shuffled_pass;
pub use rows::block::{BlockError, Column, DesignBlock, SparseEntries, block_rows};
pub use rows::cells::{cell_text, widened};
pub use rows::convert::to_float64;
pub use rows::counts::SavedCounts;
pub use rows::cutter::{Levels, RowReader, Unseen};
pub use rows::missing::{DroppedRows, MissingReason, ReplacedRows, RoundedIntegers, RowLedger};
pub use rows::row_ids::{AssignedBatch, MAX_FOLDS, RowIds};
pub use sums::cross_products::CrossProducts;
pub use sums::double_double::DoubleDoubleProducts;
pub use sums::exact::{BigFixed, ExactProducts, Kernel};
pub use sums::folded::{Folded, merged};
#[doc(hidden)]
pub use sums::groups::size::{TABLE_ROWS_AT_ONCE, TableSize, WAITING_TABLE_BYTES};
pub use sums::moments::Moments;
pub use sums::saved::{SavedRecord, SavedSums, SumName};
pub use sums::statistics::Statistics;
pub use sums::triangular_factor::TriangularFactor;
