//! Everything that one pass sums: the sufficient statistics of a design.

use std::borrow::Cow;

use crate::design::Design;
use crate::levels::FIRST_UNSEEN;
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock};
use crate::sums::cross_products::CrossProducts;
use crate::sums::exact::{BigFixedTable, ExactProducts};
use crate::sums::groups::{GroupTable, Units};

/// The sums of a pass: cross-products of the numeric variables over all rows, and sums by level for the
/// categories. Where rows are split into groups, everything is by group.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Over all rows; absent where rows are split into groups.
    pub(super) dense: Option<DenseSums>,
    pub(crate) tables: Vec<GroupTable>,
    /// The cells of a block, for the tables.
    units: Units,
    variables: usize,
    /// One sum, exact, so that the order of the rows does not matter.
    pub(super) log_weights: BigFixedTable,
}

/// Cross-products of the numeric variables over all rows.
#[derive(Clone, Debug)]
pub(crate) enum DenseSums {
    Float(CrossProducts),
    Exact(Box<ExactProducts>),
}

impl Statistics {
    /// The sums of no rows.
    pub fn new(design: &Design) -> Self {
        Self::one_of(1, design)
    }

    /// The sums of no rows; so many of a design are made at a time, and share the memory for rows that wait to be summed.
    pub fn one_of(count: usize, design: &Design) -> Self {
        let count = count * design.tables.len();
        let tables = design.tables.iter().map(|spec| GroupTable::new(spec, design, count));
        Self::with_tables(design, tables.collect())
    }

    /// The sums of no rows for a part of those that these are for. Merged into them, or into each other, they are those of all
    /// rows; sums by level they add to at once, from any thread.
    #[must_use]
    pub fn sibling(&self, design: &Design) -> Self {
        Self::with_tables(design, self.tables.iter().map(GroupTable::sibling).collect())
    }

    fn with_tables(design: &Design, tables: Vec<GroupTable>) -> Self {
        let variables = design.variables.len();
        let dense = || match design.exact {
            true => DenseSums::Exact(Box::new(ExactProducts::new(variables))),
            false => DenseSums::Float(CrossProducts::new(variables)),
        };
        let mut log_weights = BigFixedTable::new(1);
        log_weights.push_record();
        let units = GroupTable::units(&tables);
        Self { dense: design.by.is_empty().then(dense), tables, units, variables, log_weights }
    }

    /// The cross-products of the numeric variables over all rows, rounded to float64 where they are exact; `None`
    /// where rows are split into groups.
    pub(crate) fn rounded(&self) -> Option<Cow<'_, CrossProducts>> {
        Some(match self.dense.as_ref()? {
            DenseSums::Float(dense) => Cow::Borrowed(dense),
            DenseSums::Exact(dense) => Cow::Owned(dense.to_cross_products()),
        })
    }

    /// The exact ones, if they are.
    pub fn exact(&self) -> Option<&ExactProducts> {
        match &self.dense {
            Some(DenseSums::Exact(dense)) => Some(dense),
            _ => None,
        }
    }

    /// Sum of the logarithms of the weights; 0 where there are none.
    pub fn log_weights(&self) -> f64 {
        self.log_weights.double(0, 0).0
    }

    /// Records of the first table: where rows are split, the groups of which a row is used.
    pub fn groups(&self) -> usize {
        self.tables.first().map_or(0, GroupTable::len)
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
            Some(DenseSums::Float(dense)) => dense.update(rows)?,
            Some(DenseSums::Exact(dense)) => dense.update(rows)?,
            None => {
                rows.check(self.variables)?;
                rows.check_finite()?;
            }
        }
        if let Some(weights) = rows.weights {
            rows.used().for_each(|row| self.log_weights.add_f64(0, 0, libm::log(weights[row])));
        }
        if !self.tables.is_empty() {
            // A row of a level that the model does not know belongs to no record.
            let every = |codes: &&[u32]| codes.iter().fold(true, |all, &code| all & (code < FIRST_UNSEEN));
            let known = |row: &usize| rows.codes.iter().all(|codes| codes[*row] < FIRST_UNSEEN);
            let all_known = rows.codes.iter().all(every);
            let used: Vec<usize> = rows.used().filter(|row| all_known || known(row)).collect();
            let Self { tables, units, .. } = self;
            units.begin();
            tables.iter_mut().try_for_each(|table| table.update(rows, &used, units))?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        if other.variables != self.variables || other.tables.len() != self.tables.len() {
            return Err(BlockError::Shape);
        }
        match (&mut self.dense, other.dense) {
            (Some(DenseSums::Float(own)), Some(DenseSums::Float(theirs))) => own.merge(theirs)?,
            (Some(DenseSums::Exact(own)), Some(DenseSums::Exact(theirs))) => own.merge(*theirs)?,
            (None, None) => {}
            _ => return Err(BlockError::Shape),
        }
        self.log_weights.merge_record(0, &other.log_weights, 0);
        for (own, theirs) in self.tables.iter_mut().zip(other.tables) {
            own.merge(theirs)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        match &mut self.dense {
            Some(DenseSums::Float(dense)) => dense.finish(),
            Some(DenseSums::Exact(dense)) => dense.finish(),
            None => {}
        }
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.tables.iter_mut().try_for_each(GroupTable::finish)
    }

    fn complete(&mut self, threads: usize) -> Result<(), BlockError> {
        self.tables.iter_mut().try_for_each(|table| table.complete(threads))
    }
}
