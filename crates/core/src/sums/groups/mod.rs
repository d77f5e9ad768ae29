//! Sums over the rows that share the levels of some categories.
//!
//! The cross-products of a category's 0/1 columns are counts, and those with a number are sums by level
//! (as tabmat has it), so no such column is ever made. A table holds a record for every combination of
//! levels that occurs.
//!
//! | file | what it knows |
//! |---|---|
//! | `rows`, `index` | rows that wait; the record of a key |
//! | `record` | the sums of a key, to be read |
//! | `shard` | the records of some of the keys |
//! | `shared` | shards that the threads of a pass add to |
//! | `exact`, `fixed` | sums in integers of any length; of many rows at a time in those of fixed widths |
//! | `units` | the cells of a block as integers, for all tables |
//! | `float` | sums in float64 |
//! | `size` | what a table takes |

mod exact;
mod fixed;
mod float;
mod index;
mod record;
mod rows;
mod shard;
mod shared;
pub(crate) mod size;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;

use self::index::shard_of;
pub(crate) use self::record::Record;
use self::rows::Rows;
use self::shard::Shard;
use self::shared::{Part, Shared};
pub(crate) use self::units::Units;
use crate::design::{Design, TableSpec};
use crate::rows::block::{BlockError, DesignBlock};
use crate::sums::saved::SavedSums;

/// Sums for every combination of levels of the categories of its key.
///
/// The tables of a pass ([`GroupTable::sibling`]) add to the same shards of records, see [`Shared`]. Each begins by
/// keeping its rows as they are. Where they turn out to have few keys it sums them itself, and hands over the sums; other
/// rows are handed over as they are. Exact sums have no order, so that is done whenever there are many rows; those in
/// float64 when the partitions before have done it.
#[derive(Debug)]
pub(crate) struct GroupTable {
    summed: Arc<Summed>,
    /// Rows that are in no record yet.
    rows: Rows,
    /// Records of rows of few keys.
    own: Shard,
    /// Whether rows are summed into records of the table's own.
    settled: bool,
    /// How often rows were summed or handed over.
    turns: u32,
    /// Rows that were summed since it was last looked how much memory their records take.
    unchecked: usize,
    /// The records of the rows of a block.
    ids: Vec<u32>,
    /// In float64: rows that must be there for the next look at whether their sums would be smaller.
    check: usize,
    /// In float64: what waits for the partitions before.
    part: Option<Arc<Part>>,
    shared: Arc<Shared>,
    /// After [`GroupTable::complete`]: all records, and where, in their numbers, those of each shard begin.
    shards: Vec<Shard>,
    starts: Vec<usize>,
}

/// What a table sums.
#[derive(Clone, Debug)]
struct Summed {
    key: Vec<usize>,
    variables: Vec<usize>,
    /// Those whose low parts come behind the values in a row of cells.
    with_low: Vec<usize>,
    weighted: bool,
    exact: bool,
    shape: Shape,
}

impl Summed {
    fn new(spec: &TableSpec, design: &Design) -> Self {
        let computed = |v: &usize| design.exact && design.is_computed(*v);
        Self {
            key: spec.key.clone(),
            variables: spec.variables.clone(),
            with_low: spec.variables.iter().copied().filter(computed).collect(),
            weighted: spec.weighted,
            exact: design.exact,
            shape: Shape { variables: spec.variables.len(), slopes: spec.slopes },
        }
    }

    /// Bytes of a record, about.
    fn record_bytes(&self) -> usize {
        if self.exact {
            exact::ExactRecords::record_bytes(self.shape)
        } else {
            float::FloatRecords::record_bytes(self.shape)
        }
    }
}

/// What is summed for a combination of levels: all of `r` variables, and the products of the first `slopes` of them
/// with all that do not come before.
#[derive(Clone, Copy, Debug)]
struct Shape {
    variables: usize,
    slopes: usize,
}

impl Shape {
    /// Whether it has all products.
    fn is_full(self) -> bool {
        self.slopes == self.variables
    }

    fn products(self) -> usize {
        self.products_from(self.slopes)
    }

    /// Position, among the products, of the first one of slope `a`.
    fn products_from(self, a: usize) -> usize {
        a * self.variables - a * a.saturating_sub(1) / 2
    }

    /// Position of the product of two variables, of which one is a slope.
    fn product(self, a: usize, b: usize) -> usize {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.products_from(a) + b - a
    }
}

/// A row to be summed.
#[derive(Clone, Copy)]
struct Row<'a> {
    weight: f64,
    log_weight: f64,
    /// The values of the variables, then the low parts.
    cells: &'a [f64],
}

impl<'a> Row<'a> {
    /// A row of cells of which the first are `numbers`; behind them come, where there is one, the weight and its logarithm.
    #[inline]
    fn of(cells: &'a [f64], numbers: usize) -> Self {
        let (cells, own) = cells.split_at(numbers);
        let (weight, log_weight) = if let &[w, log] = own { (w, log) } else { (1.0, 0.0) };
        Self { weight, log_weight, cells }
    }
}

/// Bytes that the index takes for a record, about.
const INDEX_BYTES: usize = 24;

/// Rows in float64 after which it is first asked whether their sums would be smaller; then after four times as many, and
/// so on.
const FIRST_CHECK: usize = 4_096;

/// Rows that are summed, or handed over, at a time.
const ROWS_AT_ONCE: usize = size::TABLE_ROWS_AT_ONCE as usize;

/// Rows have few keys where there are this many for each; if they are only counted, fewer.
const ROWS_A_KEY: usize = 8;
const COUNTS_A_KEY: usize = 2;

/// Bytes that exact records of a table's own may take.
const OWN_BYTES: usize = 4 << 20;

/// Bytes of rows that may wait to be added to the records of a pass, all tables together.
const WAITING_BYTES: usize = size::WAITING_TABLE_BYTES as usize;

impl GroupTable {
    /// A table of a pass in which the rows of `tables` tables wait.
    pub(crate) fn new(spec: &TableSpec, design: &Design, tables: usize) -> Self {
        let summed = Arc::new(Summed::new(spec, design));
        // Whole partitions wait in float64: there is always enough of them.
        let room = if summed.exact { design.table_room.min(WAITING_BYTES) / tables.max(1) } else { 0 };
        let shared = Arc::new(Shared::new(&summed, room));
        Self::of(summed, shared)
    }

    fn of(summed: Arc<Summed>, shared: Arc<Shared>) -> Self {
        Self {
            rows: Rows::default(),
            own: Shard::new(&summed, 0),
            settled: false,
            turns: 0,
            unchecked: 0,
            ids: Vec::new(),
            check: FIRST_CHECK,
            part: None,
            shared,
            shards: Vec::new(),
            starts: vec![0],
            summed,
        }
    }

    /// A table without rows that adds to the same records.
    pub(crate) fn sibling(&self) -> Self {
        Self::of(Arc::clone(&self.summed), Arc::clone(&self.shared))
    }

    /// The categories of the key.
    pub(crate) fn key(&self) -> &[usize] {
        &self.summed.key
    }

    pub(crate) fn is_weighted(&self) -> bool {
        self.summed.weighted
    }

    /// Number of combinations of levels that were met.
    pub(crate) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The shard of a record, and its position there.
    fn locate(&self, record: usize) -> (&Shard, usize) {
        let shard = self.starts.partition_point(|&start| start <= record) - 1;
        (&self.shards[shard], record - self.starts[shard])
    }

    /// The level numbers of a record.
    pub(crate) fn codes(&self, record: usize) -> &[u32] {
        let (shard, position) = self.locate(record);
        shard.codes(position)
    }

    pub(crate) fn record(&self, record: usize) -> Record<'_> {
        let (shard, position) = self.locate(record);
        Record::new(&self.summed, &shard.records, position)
    }

    /// The record of a combination of levels, if a row had it.
    pub(crate) fn find(&self, codes: &[u32]) -> Option<Record<'_>> {
        let shard = self.shards.get(shard_of(codes))?;
        let position = shard.find(codes)? as usize;
        Some(Record::new(&self.summed, &shard.records, position)).filter(|r| r.rows() > 0.0)
    }

    /// The number of the record of a combination of levels.
    pub(crate) fn position(&self, codes: &[u32]) -> Option<u32> {
        let shard = shard_of(codes);
        let position = self.shards.get(shard)?.find(codes)?;
        Some(self.starts[shard] as u32 + position)
    }

    /// The cells that tables turn into integers: those of the first one that sums variables exactly, and no products.
    pub(crate) fn units(tables: &[Self]) -> Units {
        let sums = |table: &&Self| table.summed.exact && table.summed.shape.slopes == 0;
        let mut of = tables.iter().filter(sums).map(|table| &table.summed.variables);
        Units::new(of.find(|variables| !variables.is_empty()).cloned().unwrap_or_default())
    }

    /// Takes in the rows at `used` of a block whose values were checked; `units` are of the same block.
    ///
    /// # Errors
    /// As [`GroupTable::merge`].
    pub(crate) fn update(
        &mut self,
        block: &DesignBlock<'_>,
        used: &[usize],
        units: &mut Units,
    ) -> Result<(), BlockError> {
        let summed = &self.summed;
        let weighted = summed.weighted && block.weights.is_some();
        let shared = summed.variables.is_empty() || summed.variables == units.variables();
        if self.settled && summed.exact && summed.shape.slopes == 0 && shared && !weighted {
            return self.add_block(block, used, units);
        }
        let codes: Vec<&[u32]> = summed.key.iter().map(|&c| block.codes[c]).collect();
        let zeros = if summed.with_low.is_empty() { Vec::new() } else { vec![0.0; block.rows] };
        let values = summed.variables.iter().map(|&v| block.columns[v].values);
        let lows = summed.with_low.iter().map(|&v| block.columns[v].low.unwrap_or(&zeros));
        let mut cells: Vec<&[f64]> = values.chain(lows).collect();
        // The weight and its logarithm come behind the variables.
        let weights = block.weights.filter(|_| summed.weighted);
        let logs: Vec<f64> = weights.into_iter().flatten().map(|&w| libm::log(w)).collect();
        cells.extend(weights.into_iter().flat_map(|w| [w, logs.as_slice()]));
        self.rows.extend(used, &codes, &cells);
        if !summed.exact {
            self.settle_float();
        } else if self.rows.len() >= ROWS_AT_ONCE {
            self.settle_exact()?;
        }
        Ok(())
    }

    /// Adds the rows of a block, which have few keys, to records of the table's own.
    fn add_block(
        &mut self,
        block: &DesignBlock<'_>,
        used: &[usize],
        units: &mut Units,
    ) -> Result<(), BlockError> {
        if !self.summed.variables.is_empty() {
            units.load(block, used);
        }
        let codes: Vec<&[u32]> = self.summed.key.iter().map(|&c| block.codes[c]).collect();
        self.own.add_block(&codes, used, units, &mut self.ids);
        self.unchecked += used.len();
        if self.unchecked < ROWS_AT_ONCE {
            return Ok(());
        }
        self.unchecked = 0;
        if self.own.bytes() <= OWN_BYTES {
            return Ok(());
        }
        (self.settled, self.turns) = (false, 0);
        self.hand_over()
    }

    /// Sums rows in float64 as soon as that takes less memory than to keep them: what is decided, and so what is added
    /// to what, depends on the rows of the partition alone.
    fn settle_float(&mut self) {
        if !self.settled && self.rows.len() >= self.check {
            self.check *= 4;
            let record = INDEX_BYTES + 4 * self.summed.key.len() + self.summed.record_bytes();
            self.settled = !self.rows.has_more_keys(self.rows.bytes() / record);
        }
        if self.settled && self.rows.len() >= ROWS_AT_ONCE {
            self.sum_own();
        }
    }

    /// Sums many rows of few keys, and hands over others.
    fn settle_exact(&mut self) -> Result<(), BlockError> {
        let rows_a_key = if self.summed.variables.is_empty() { COUNTS_A_KEY } else { ROWS_A_KEY };
        self.turns += 1;
        // Where keys were many they mostly stay many: less and less often it is looked again.
        if !self.settled && self.turns.is_power_of_two() {
            self.settled = !self.rows.has_more_keys(self.rows.len() / rows_a_key);
        }
        if self.settled {
            self.sum_own();
        }
        // Keys may become more, or others.
        if self.settled && self.own.bytes() > OWN_BYTES {
            (self.settled, self.turns) = (false, 0);
        }
        if self.settled { Ok(()) } else { self.hand_over() }
    }

    /// Sums the rows into records of the table's own.
    fn sum_own(&mut self) {
        self.own.add(&[self.rows.all()]);
        self.rows.clear();
    }

    /// What the table has, as a part for the shards.
    fn take_part(&mut self) -> Option<Arc<Part>> {
        self.own.settle();
        let own = std::mem::replace(&mut self.own, Shard::new(&self.summed, 0));
        let part = Part::new(&self.rows, own);
        self.rows.clear();
        Some(Arc::new(part)).filter(|part| !part.is_empty())
    }

    /// Hands what the table has to the shards, which takes the place of its turn for exact sums.
    fn hand_over(&mut self) -> Result<(), BlockError> {
        if let Some(part) = self.take_part() {
            self.shared.push(&part);
        }
        self.shared.relieve()
    }

    /// Prepares for being merged into another table.
    ///
    /// # Errors
    /// As [`GroupTable::merge`].
    pub(crate) fn finish(&mut self) -> Result<(), BlockError> {
        if self.settled {
            self.sum_own();
        }
        self.own.finish();
        if self.summed.exact {
            self.hand_over()?;
        } else {
            self.part = self.part.take().or_else(|| self.take_part());
            self.shared.relieve()?;
        }
        self.rows = Rows::default();
        Ok(())
    }

    /// Takes in the rows that `other` has seen.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when the sums of `other` are of another kind.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<(), BlockError> {
        other.finish()?;
        if Arc::ptr_eq(&self.shared, &other.shared) {
            if let Some(part) = other.part.take() {
                self.shared.push(&part);
            }
            return Ok(());
        }
        self.complete(1)?;
        other.complete(1)?;
        for (own, theirs) in self.shards.iter_mut().zip(&other.shards) {
            own.merge(theirs, 0..theirs.len())?;
        }
        self.number();
        Ok(())
    }

    /// Takes the records of `other` away again; both can be read.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when its rows were not added before, or sums are not exact.
    pub(crate) fn subtract(&mut self, other: &Self) -> Result<(), BlockError> {
        self.shards.iter_mut().zip(&other.shards).try_for_each(|(own, theirs)| own.subtract(theirs))
    }

    /// Makes a record of what was saved of one: to [`GroupTable::complete`] before it is read.
    ///
    /// # Errors
    /// [`BlockError::Shape`] for a key that has a record, and sums of another kind or number.
    pub(crate) fn restore(&mut self, codes: &[u32], rows: u64, sums: &SavedSums) -> Result<(), BlockError> {
        if self.shards.is_empty() {
            self.shards = self.shared.take(&self.summed);
        }
        self.shards[shard_of(codes)].restore(codes, rows, sums)
    }

    /// Adds up all that its siblings and itself were given, with some threads: then it can be read.
    ///
    /// # Errors
    /// As [`GroupTable::merge`].
    pub(crate) fn complete(&mut self, threads: usize) -> Result<(), BlockError> {
        self.finish()?;
        if let Some(part) = self.part.take() {
            self.shared.push(&part);
        }
        self.shared.settle_all(threads)?;
        let shards = self.shared.take(&self.summed);
        if self.shards.is_empty() {
            self.shards = shards;
        } else {
            for (own, more) in self.shards.iter_mut().zip(&shards) {
                own.merge(more, 0..more.len())?;
            }
        }
        self.shards.iter_mut().for_each(Shard::finish);
        self.number();
        Ok(())
    }

    /// Gives the records back, after [`GroupTable::complete`] or [`GroupTable::restore`], for siblings to add to.
    pub(crate) fn reopen(&mut self) {
        self.shared.put_back(std::mem::take(&mut self.shards));
        self.starts = vec![0];
    }

    /// Numbers the records, shard after shard.
    fn number(&mut self) {
        self.starts.clear();
        self.starts.push(0);
        let mut total = 0;
        for shard in &self.shards {
            total += shard.len();
            self.starts.push(total);
        }
    }
}

impl Clone for GroupTable {
    /// A table of its own, that adds to records of its own.
    fn clone(&self) -> Self {
        Self {
            summed: Arc::clone(&self.summed),
            rows: self.rows.clone(),
            own: self.own.clone(),
            settled: self.settled,
            turns: self.turns,
            unchecked: self.unchecked,
            ids: Vec::new(),
            check: self.check,
            part: self.part.clone(),
            shared: Arc::new(Shared::clone(&self.shared)),
            shards: self.shards.clone(),
            starts: self.starts.clone(),
        }
    }
}
