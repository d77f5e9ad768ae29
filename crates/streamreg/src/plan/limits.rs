//! What a fit may ask of memory and time.

use streamreg_core::{Precision, block_rows};

use crate::error::{Error, Result};

/// Most columns of a design matrix: a matrix of this width takes 0.8 GB, and a thread holds two or three.
pub(crate) const MAX_COLUMNS: usize = 10_000;

/// Most columns that are read a second time unasked: the work grows with their square.
pub(crate) const MAX_ESCALATED: usize = 500;

/// Most columns that are solved in double-double arithmetic unasked: its work grows with the cube, and it costs ten
/// times that of float64. Beyond, exact sums are rounded first.
pub(crate) const MAX_DOUBLE_DOUBLE: usize = 500;

/// Most rows that are read a second time for exact sums, whatever float64 leaves, up to `EXACT_VARIABLES_ONCE` variables: it
/// takes some hundredths of a second.
pub(crate) const FEW_ROWS: u64 = 1 << 16;

/// Most columns for which one exact pass is recommended instead of an iteration.
pub(crate) const MAX_AFFORDABLE: usize = 500;

/// Most columns, dummies included, of which scores are summed: their work grows with the square.
pub(crate) const MAX_SCORED: usize = 2_000;

/// Bytes that sums of clusters may take, all tables together; a partition that is summed or waits for its turn has such
/// sums of its own rows, which are bounded in the same way.
pub(crate) const MAX_CLUSTER_BYTES: usize = 1 << 30;

/// Most numbers of the rows before, lags times columns: twice as many are kept of every partition.
pub(crate) const MAX_LAGGED: usize = 1_000_000;

/// Bytes that all rows may take, with what solves them, for losses other than squares to be minimised exactly.
pub(crate) const MAX_COLLECTED_BYTES: u64 = 128 << 20;

/// Bytes that the sums of all folds may take while they are made.
const MAX_FOLD_BYTES: usize = 1 << 30;

/// Checks that matrices of columns x columns fit into memory.
pub(crate) fn check_width(columns: usize) -> Result<()> {
    if columns > MAX_COLUMNS {
        return Err(Error::data(format!(
            "{columns} columns are too many: a fit with standard errors holds matrices of columns x columns, up to {MAX_COLUMNS}; \
             the solvers cg and sgd need none"
        )));
    }
    Ok(())
}

/// Checks that every thread can have the sums of every fold.
pub(crate) fn check_folds(
    folds: usize,
    variables: usize,
    precision: Precision,
    threads: usize,
) -> Result<()> {
    let most = MAX_FOLD_BYTES / (threads * state_bytes(variables, precision) as usize);
    if folds > most {
        return Err(Error::data(format!(
            "the sums of {folds} folds of {variables} numbers would not fit in {threads} threads: {most} folds would, or all in fewer \
             threads (--threads)"
        )));
    }
    Ok(())
}

/// Bytes of a thread's sums: exact ones have up to three planes a column of 512 rows, or less in remainders, and wide integers of
/// 40 bytes; those in float64 a block with its centred copy and two matrices.
pub(crate) fn state_bytes(variables: usize, precision: Precision) -> u64 {
    let m = variables as u64 + 1;
    if precision.is_exact(variables) {
        3 * 512 * 8 * m + 40 * m * (m + 1) / 2
    } else {
        2 * 8 * block_rows(variables) as u64 * m + 2 * 8 * m * m
    }
}

/// Bytes of sums that no thread adds to: of those that others are merged into, and of those that others are made like, which are
/// empty. An exact sum has its place of 24 bytes in both, and about as many bytes of its own.
pub(crate) fn rest_bytes(variables: usize, precision: Precision) -> u64 {
    let m = variables as u64 + 1;
    if precision.is_exact(variables) { 72 * m * (m + 1) / 2 } else { 2 * 8 * m * m }
}
