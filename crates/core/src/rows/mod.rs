//! From record batches to blocks of rows that can be summed.
//!
//! | file | what it knows |
//! |---|---|
//! | `block` | plain slices of a block; how many rows it has |
//! | `cutter` | batches cut into blocks, levels numbered, rows that cannot be used masked |
//! | `convert`, `cells`, `lists` | cells as float64; as text; pairs of list columns |
//! | `missing` | the ledger of rows |
//! | `row_ids`, `hash` | the fold or key of a row |

pub(crate) mod block;
pub(crate) mod cells;
pub(crate) mod convert;
pub(crate) mod counts;
pub(crate) mod cutter;
pub(crate) mod hash;
pub(crate) mod lists;
pub(crate) mod missing;
pub(crate) mod row_ids;
