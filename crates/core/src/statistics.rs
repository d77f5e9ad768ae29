//! Everything that one pass sums: the sufficient statistics of a design.

use crate::accumulate::Accumulator;
use crate::block::{BlockError, DesignBlock};
use crate::cross_products::CrossProducts;
use crate::design::Design;
use crate::groups::GroupTable;
use crate::levels::FIRST_UNSEEN;

/// The sums of a pass: cross-products of the numeric variables over all rows, and sums by level for the
/// categories. Where rows are split into groups, everything is by group.
#[derive(Debug)]
pub struct Statistics {
    /// Over all rows; absent where rows are split into groups.
    dense: Option<CrossProducts>,
    pub(crate) tables: Vec<GroupTable>,
    variables: usize,
    log_weights: f64,
}

impl Statistics {
    /// The sums of no rows.
    pub fn new(design: &Design) -> Self {
        let variables = design.variables.len();
        Self {
            dense: design.by.is_empty().then(|| CrossProducts::new(variables)),
            tables: design.tables.iter().map(GroupTable::new).collect(),
            variables,
            log_weights: 0.0,
        }
    }

    /// The cross-products of the numeric variables over all rows; `None` where rows are split into groups.
    pub fn dense(&self) -> Option<&CrossProducts> {
        self.dense.as_ref()
    }

    /// Sum of the logarithms of the weights; 0 where there are none.
    pub fn log_weights(&self) -> f64 {
        self.log_weights
    }

    /// The table over the given categories, in order.
    pub(crate) fn table(&self, key: &[usize]) -> Option<&GroupTable> {
        self.tables.iter().find(|t| t.key() == key && t.is_weighted())
    }
}

impl Accumulator for Statistics {
    fn variables(&self) -> usize {
        self.variables
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        match &mut self.dense {
            // It looks at every value, so nothing has to be checked before.
            Some(dense) => dense.update(rows)?,
            None => {
                rows.check(self.variables)?;
                check_finite(rows)?;
            }
        }
        if let Some(weights) = rows.weights {
            self.log_weights += rows.used().map(|row| libm::log(weights[row])).sum::<f64>();
        }
        if !self.tables.is_empty() {
            // A row of a level that the model does not know belongs to no record.
            let known = |row: &usize| rows.codes.iter().all(|codes| codes[*row] < FIRST_UNSEEN);
            let used: Vec<usize> = rows.used().filter(known).collect();
            self.tables.iter_mut().for_each(|table| table.update(rows, &used));
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        if other.variables != self.variables || other.tables.len() != self.tables.len() {
            return Err(BlockError::Shape);
        }
        match (&mut self.dense, other.dense) {
            (Some(own), Some(theirs)) => own.merge(theirs)?,
            (None, None) => {}
            _ => return Err(BlockError::Shape),
        }
        self.log_weights += other.log_weights;
        for (own, theirs) in self.tables.iter_mut().zip(&other.tables) {
            own.merge(theirs);
        }
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(dense) = &mut self.dense {
            dense.finish();
        }
        for table in &mut self.tables {
            table.finish();
        }
    }
}

pub(crate) fn check_finite(rows: &DesignBlock<'_>) -> Result<(), BlockError> {
    for (variable, column) in rows.columns.iter().enumerate() {
        // Zero times a number is zero for finite ones alone; sums of zeros need no branch.
        let all = column.values.iter().fold(0.0, |sum, x| sum + 0.0 * x);
        let finite = all == 0.0
            || (rows.mask.is_some()
                && (0..rows.rows).all(|row| !rows.uses(row) || column.values[row].is_finite()));
        if !finite {
            return Err(BlockError::Value { variable });
        }
    }
    Ok(())
}
