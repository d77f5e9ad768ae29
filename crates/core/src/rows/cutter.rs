//! The cutting of record batches into logical blocks, and the rows that cannot be used.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};

use crate::choices;
use crate::design::variables::{Computed, column_of, compute};
use crate::design::{Check, Content, Design};
use crate::error::{Error, ErrorKind, Result};
use crate::levels::{Encoder, FIRST_UNSEEN, LevelSet, NON_FINITE_CODE, NULL_CODE};
use crate::model::spec::{Missing, WeightType};
use crate::rows::block::{BlockError, Column, DesignBlock, block_rows};
use crate::rows::convert::{fill, is_null, plain};
use crate::rows::lists::{Gap, Lists};
use crate::rows::missing::{MissingReason, Tally};

/// What happens to a row with a level that the model does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unseen {
    /// An error that names the column, the level and the row.
    #[default]
    Error,
    /// The row counts as one with a missing value.
    Null,
    /// The row is taken for one of the reference level, also where all levels have a column.
    Other,
}

choices!(Unseen { Error => "error", Null => "null", Other => "other" });

/// The levels that a pass numbers cells by.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// One set a category.
    pub sets: Vec<Arc<LevelSet>>,
    /// What happens to levels that a fixed set does not have.
    pub unseen: Unseen,
    /// For [`Unseen::Other`]: the number of every category's reference level.
    pub references: Vec<u32>,
}

/// What takes blocks, or refuses them for a value that it cannot use.
pub(crate) trait Sink: FnMut(&DesignBlock<'_>) -> std::result::Result<(), BlockError> {}

impl<F: FnMut(&DesignBlock<'_>) -> std::result::Result<(), BlockError>> Sink for F {}

/// Cuts the rows of one partition into logical blocks, whatever the sizes of its batches, and marks the
/// rows that cannot be used.
pub(crate) struct BlockCutter<'d> {
    design: &'d Design,
    unseen: Unseen,
    references: Vec<u32>,
    encoders: Vec<Encoder>,
    buffers: Buffers,
    filled: usize,
    rows: usize,
    mask: Vec<bool>,
    pub(crate) tally: Tally,
}

/// Rows of a block that is not full yet, or converted columns of the current one.
#[derive(Default)]
struct Buffers {
    /// One a column; empty for those that are no numbers.
    numbers: Vec<Vec<f64>>,
    /// One a category.
    codes: Vec<Vec<u32>>,
    /// Entries of the pair of list columns.
    lists: Lists,
    /// Whether a code in the block is of no use.
    gaps: bool,
}

impl Levels {
    /// Encoders of the cells of the categories.
    pub(crate) fn encoders(&self) -> Vec<Encoder> {
        self.sets.iter().map(|set| Encoder::new(Arc::clone(set))).collect()
    }
}

impl<'d> BlockCutter<'d> {
    pub(crate) fn new(design: &'d Design, levels: &Levels) -> Self {
        Self::with_encoders(design, levels, levels.encoders())
    }

    /// A cutter with encoders of `levels` that others have used.
    pub(crate) fn with_encoders(design: &'d Design, levels: &Levels, encoders: Vec<Encoder>) -> Self {
        let rows = block_rows(design.variables.len());
        let number = |&used: &bool| if used { vec![0.0; rows] } else { Vec::new() };
        Self {
            design,
            unseen: levels.unseen,
            references: levels.references.clone(),
            encoders,
            buffers: Buffers {
                numbers: design.numbers.iter().map(number).collect(),
                codes: vec![vec![0; rows]; design.categories.len()],
                lists: Lists::default(),
                gaps: false,
            },
            filled: 0,
            rows,
            mask: Vec::with_capacity(rows),
            tally: Tally::new(design),
        }
    }

    /// Bytes that what it numbers levels with takes at once where so many rows make it grow.
    pub(crate) fn growth(&self, rows: usize) -> u64 {
        self.encoders.iter().map(|encoder| encoder.growth(rows)).sum()
    }

    /// What became of the rows, and the encoders.
    pub(crate) fn into_parts(mut self) -> (Tally, Vec<Encoder>) {
        self.encoders.iter_mut().for_each(Encoder::release);
        (self.tally, self.encoders)
    }

    /// Takes in a batch and hands every block that is complete to `sink`.
    pub(crate) fn push(&mut self, batch: &RecordBatch, sink: &mut impl Sink) -> Result<()> {
        if batch.num_columns() != self.design.columns.len() {
            let message = format!("{} columns instead of {}", batch.num_columns(), self.design.columns.len());
            return Err(Error::new(ErrorKind::Batch, message));
        }
        let mut at = 0;
        while at < batch.num_rows() {
            let take = (self.rows - self.filled).min(batch.num_rows() - at);
            if take == self.rows {
                self.whole_block(batch, at, sink)?;
            } else {
                for (column, array) in batch.columns().iter().enumerate() {
                    if self.design.numbers[column] {
                        self.convert(column, array, at, self.filled, take)?;
                    }
                }
                self.encode(batch, at, self.filled, take)?;
                self.filled += take;
                if self.filled == self.rows {
                    self.flush(sink)?;
                }
            }
            at += take;
        }
        Ok(())
    }

    /// Hands over the last, shorter block.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) -> Result<()> {
        let rows = std::mem::take(&mut self.filled);
        if rows > 0 {
            let buffers = std::mem::take(&mut self.buffers);
            let numbers: Vec<&[f64]> = buffers.numbers.iter().map(|b| &b[..rows.min(b.len())]).collect();
            let done = self.emit(&numbers, &buffers, rows, sink);
            self.reuse(buffers);
            done?;
        }
        Ok(())
    }

    /// A block that lies in one batch: float64 columns without nulls are used where they are.
    fn whole_block(&mut self, batch: &RecordBatch, at: usize, sink: &mut impl Sink) -> Result<()> {
        let rows = self.rows;
        let mut in_place = vec![None; batch.num_columns()];
        for (column, array) in batch.columns().iter().enumerate() {
            if self.design.numbers[column] {
                in_place[column] = plain(array);
                if in_place[column].is_none() {
                    self.convert(column, array, at, 0, rows)?;
                }
            }
        }
        self.encode(batch, at, 0, rows)?;
        let buffers = std::mem::take(&mut self.buffers);
        let columns = in_place.iter().zip(&buffers.numbers);
        let numbers: Vec<&[f64]> =
            columns.map(|(p, b)| p.map_or(b.as_slice(), |p| &p[at..at + rows])).collect();
        let done = self.emit(&numbers, &buffers, rows, sink);
        self.reuse(buffers);
        done
    }

    /// Makes the buffers ready for the next block.
    fn reuse(&mut self, mut buffers: Buffers) {
        buffers.gaps = false;
        buffers.lists.clear();
        self.buffers = buffers;
    }

    fn convert(&mut self, j: usize, array: &dyn Array, from: usize, to: usize, rows: usize) -> Result<()> {
        let rounded = fill(array, from, &mut self.buffers.numbers[j][to..to + rows])
            .map_err(|e| e.in_column(&self.design.columns[j]))?;
        self.tally.columns[j].rounded += rounded;
        Ok(())
    }

    fn encode(&mut self, batch: &RecordBatch, from: usize, to: usize, rows: usize) -> Result<()> {
        for (index, category) in self.design.categories.iter().enumerate() {
            let array = batch.column(category.column);
            let codes = &mut self.buffers.codes[index][to..to + rows];
            let gaps = self.encoders[index]
                .encode(array, from, codes)
                .map_err(|e| e.in_column(&self.design.columns[category.column]))?;
            self.buffers.gaps |= gaps;
        }
        if let Some((indices, values)) = self.design.lists {
            let (indices_of, values_of) = (batch.column(indices), batch.column(values));
            let before = self.tally.rows_read + self.filled as u64;
            self.buffers.lists.append(indices_of, values_of, from, rows).map_err(|e| {
                let row = e.row().map(|row| row - from as u64 + before);
                let e = e.in_column(&self.design.columns[indices]);
                row.map_or(e.clone(), |row| e.at_row(row))
            })?;
        }
        Ok(())
    }

    /// Hands a block over. Only when it is refused are the missing values looked for.
    fn emit(
        &mut self,
        numbers: &[&[f64]],
        buffers: &Buffers,
        rows: usize,
        sink: &mut impl Sink,
    ) -> Result<()> {
        let design = self.design;
        let mut computed = compute(design, numbers, rows);
        let replaced =
            design.spec.missing == Missing::Indicator && self.replace(&mut computed, numbers, rows);
        let columns: Vec<Column<'_>> = (design.variables.iter().zip(&computed))
            .map(|(variable, computed)| column_of(&variable.content, computed, numbers))
            .collect();
        let codes: Vec<&[u32]> = buffers.codes.iter().map(|c| &c[..rows]).collect();
        let weights = design.weights.map(|column| numbers[column]);
        let sparse = design.lists.map(|_| buffers.lists.entries());
        let mut block = DesignBlock { columns: &columns, codes: &codes, sparse, weights, mask: None, rows };
        let doubtful =
            buffers.gaps || buffers.lists.has_gaps() || weights.is_some_and(|w| !self.are_weights(w));
        let (known, known_codes): (Vec<Vec<u32>>, Vec<&[u32]>);
        let refused = doubtful || sink(&block).is_err();
        if refused || design.spec.missing == Missing::Indicator {
            self.count_nulls(numbers, &block);
        }
        if refused {
            self.mark_missing(numbers, &block, &buffers.lists)?;
            if buffers.gaps && self.unseen == Unseen::Other {
                known = codes.iter().zip(&self.references).map(|(c, r)| as_known(c, *r)).collect();
                known_codes = known.iter().map(Vec::as_slice).collect();
                block.codes = &known_codes;
            }
            block.mask = Some(&self.mask);
            sink(&block).map_err(|refused| self.refusal(refused))?;
        }
        if replaced {
            count_replaced(self.design, &block, &mut self.tally);
        }
        self.tally.rows_read += rows as u64;
        self.tally.rows_used += block.rows_used() as u64;
        Ok(())
    }

    fn are_weights(&self, weights: &[f64]) -> bool {
        let whole = self.weights_are_counts();
        weights.iter().all(|&w| w > 0.0 && w.is_finite() && (!whole || w.fract() == 0.0))
    }

    fn weights_are_counts(&self) -> bool {
        self.design.spec.weights.as_ref().is_some_and(|w| w.kind == WeightType::Frequency)
    }

    /// Puts the fills where a feature is missing, and marks these rows. Returns whether there were any.
    fn replace(&mut self, computed: &mut [Computed], numbers: &[&[f64]], rows: usize) -> bool {
        let mut any = false;
        for v in 0..self.design.first_response() {
            let Content::MissingFlag(of) = self.design.variables[v].content else { continue };
            let column = column_of(&self.design.variables[of].content, &computed[of], numbers);
            let values = column.values;
            let flags: Vec<f64> = values.iter().map(|x| f64::from(u8::from(!x.is_finite()))).collect();
            if flags.iter().any(|&f| f > 0.0) {
                any = true;
                let fill = self.design.fills[of];
                let filled = values.iter().map(|&x| if x.is_finite() { x } else { fill }).collect();
                // Where a value is missing, so is what it lacks.
                computed[of] = Computed { values: filled, low: column.low.map(<[f64]>::to_vec) };
            }
            debug_assert_eq!(flags.len(), rows);
            computed[v] = flags.into();
        }
        any
    }

    /// Fills the mask, and counts each row that cannot be used for the first reason.
    fn mark_missing(&mut self, numbers: &[&[f64]], block: &DesignBlock<'_>, lists: &Lists) -> Result<()> {
        self.mask.clear();
        self.mask.resize(block.rows, true);
        for &check in self.design.checks.iter().filter(|&&check| !all_pass(check, numbers, block)) {
            for row in 0..block.rows {
                if !self.mask[row] {
                    continue;
                }
                match check {
                    Check::Number(column) => self.check_number(column, numbers[column][row], row)?,
                    Check::Weight(column) => self.check_weight(column, numbers[column][row], row)?,
                    Check::Category(index) => self.check_code(index, block.codes[index][row], row)?,
                    Check::Sparse(column) => self.check_lists(column, lists.gap(row), row)?,
                    Check::Variable(v) => self.check_variable(v, block.columns[v].values[row], row)?,
                }
            }
        }
        if !self.design.by.is_empty() {
            self.note_dropped_groups(block);
        }
        Ok(())
    }

    /// A group may have no other rows than those that are dropped.
    fn note_dropped_groups(&mut self, block: &DesignBlock<'_>) {
        let mut group = Vec::with_capacity(self.design.by.len());
        for row in (0..block.rows).filter(|&row| !self.mask[row]) {
            group.clear();
            group.extend(self.design.by.iter().map(|&category| block.codes[category][row]));
            let known = group.iter().all(|&code| code < FIRST_UNSEEN);
            if known {
                match self.tally.dropped_groups.get_mut(&group) {
                    Some(rows) => *rows += 1,
                    None => _ = self.tally.dropped_groups.insert(group.clone(), 1),
                }
            }
        }
    }

    fn count_nulls(&mut self, numbers: &[&[f64]], block: &DesignBlock<'_>) {
        for (column, tally) in self.tally.columns.iter_mut().enumerate() {
            let nulls = if self.design.numbers[column] {
                numbers[column].iter().filter(|&&v| is_null(v)).count()
            } else {
                let category = self.design.categories.iter().position(|c| c.column == column);
                let codes = category.map_or(&[][..], |index| block.codes[index]);
                let missing = category.and_then(|index| self.encoders[index].missing_level());
                codes.iter().filter(|&&c| c == NULL_CODE || Some(c) == missing).count()
            };
            tally.nulls += nulls as u64;
        }
    }

    fn check_number(&mut self, column: usize, value: f64, row: usize) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let reason = if is_null(value) { MissingReason::Null } else { MissingReason::NonFinite };
        self.refuse_missing(&self.design.columns[column], value, row)?;
        self.drop_row(column, reason, row);
        Ok(())
    }

    fn check_weight(&mut self, column: usize, value: f64, row: usize) -> Result<()> {
        let wrong = |what: &str| {
            let error = Error::new(ErrorKind::Weight, format!("the weight {value} {what}"));
            Err(error.in_column(&self.design.columns[column]).at_row(self.tally.rows_read + row as u64))
        };
        match value {
            value if value < 0.0 => wrong("is negative"),
            0.0 => {
                self.drop_row(column, MissingReason::ZeroWeight, row);
                Ok(())
            }
            value if value.is_finite() && self.weights_are_counts() && value.fract() != 0.0 => {
                wrong("is not a whole number: frequencies count rows; for other weights say analytic")
            }
            value => self.check_number(column, value, row),
        }
    }

    fn check_code(&mut self, index: usize, code: u32, row: usize) -> Result<()> {
        let column = self.design.categories[index].column;
        match code {
            NULL_CODE => {
                self.refuse_missing(&self.design.columns[column], crate::rows::convert::NULL, row)?;
                self.drop_row(column, MissingReason::Null, row);
            }
            NON_FINITE_CODE => {
                if self.design.spec.missing == Missing::Error {
                    let row = self.tally.rows_read + row as u64;
                    return Err(Error::missing(&self.design.columns[column], "not finite", row));
                }
                self.drop_row(column, MissingReason::NonFinite, row);
            }
            FIRST_UNSEEN.. => match self.unseen {
                Unseen::Other => self.tally.columns[column].unseen += 1,
                Unseen::Null => self.drop_row(column, MissingReason::UnseenLevel, row),
                Unseen::Error => {
                    let level = self.encoders[index].level(code).to_string();
                    let message = format!(
                        "the model was not fitted to the level {level:?}; --unseen says what else to do"
                    );
                    let error = Error::new(ErrorKind::Unseen, message);
                    return Err(error
                        .in_column(&self.design.columns[column])
                        .at_row(self.tally.rows_read + row as u64));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn check_lists(&mut self, column: usize, gap: Option<Gap>, row: usize) -> Result<()> {
        let (value, reason) = match gap {
            None => return Ok(()),
            Some(Gap::Null) => (crate::rows::convert::NULL, MissingReason::Null),
            Some(Gap::NonFinite) => (f64::NAN, MissingReason::NonFinite),
        };
        self.refuse_missing(&self.design.columns[column], value, row)?;
        self.drop_row(column, reason, row);
        Ok(())
    }

    fn check_variable(&mut self, v: usize, value: f64, row: usize) -> Result<()> {
        if !value.is_finite() {
            self.refuse_missing(&self.design.variables[v].label, value, row)?;
            self.mask[row] = false;
            self.tally.variables[v].dropped += 1;
        }
        Ok(())
    }

    fn drop_row(&mut self, column: usize, reason: MissingReason, row: usize) {
        self.mask[row] = false;
        self.tally.drop_for(column, reason);
    }

    /// The error for a missing value, where it is one.
    fn refuse_missing(&self, name: &str, value: f64, row: usize) -> Result<()> {
        if self.design.spec.missing != Missing::Error {
            return Ok(());
        }
        let what = if is_null(value) { "null".to_owned() } else { value.to_string() };
        Err(Error::missing(name, &what, self.tally.rows_read + row as u64))
    }

    /// The error for a block whose values are all finite.
    pub(crate) fn refusal(&self, refused: BlockError) -> Error {
        match refused {
            BlockError::Value { variable } => {
                let message = self.design.beyond_range();
                Error::new(ErrorKind::Overflow, message).in_column(&self.design.variables[variable].label)
            }
            BlockError::Scores => {
                let message =
                    "squares of residuals times columns are beyond float64's range; rescale the columns";
                Error::new(ErrorKind::Overflow, message)
            }
            other => Error::new(ErrorKind::Batch, format!("a block of rows was refused: {other:?}")),
        }
    }
}

/// Reads batch after batch as rows of a design, for work that is done row by row.
pub struct RowReader<'d> {
    cutter: BlockCutter<'d>,
}

impl<'d> RowReader<'d> {
    /// A reader of batches with the columns of `design`.
    pub fn new(design: &'d Design, levels: &Levels) -> Self {
        Self { cutter: BlockCutter::new(design, levels) }
    }

    /// Hands the rows of a batch to `sink`, in order and in blocks. A block that `sink` refuses comes again,
    /// with the rows masked that cannot be used.
    ///
    /// # Errors
    /// As [`accumulate`](crate::accumulate()).
    pub fn read(
        &mut self,
        batch: &RecordBatch,
        mut sink: impl FnMut(&DesignBlock<'_>) -> std::result::Result<(), BlockError>,
    ) -> Result<()> {
        self.cutter.push(batch, &mut sink)?;
        self.cutter.flush(&mut sink)
    }

    /// What became of the rows.
    pub fn into_ledger(self) -> crate::rows::missing::RowLedger {
        let design = self.cutter.design;
        self.cutter.tally.into_ledger(design)
    }
}

/// Level numbers with that of the reference level in the place of unknown levels.
fn as_known(codes: &[u32], reference: u32) -> Vec<u32> {
    let unknown = FIRST_UNSEEN..NON_FINITE_CODE;
    codes.iter().map(|code| if unknown.contains(code) { reference } else { *code }).collect()
}

/// Counts the used rows in which a variable was missing.
fn count_replaced(design: &Design, block: &DesignBlock<'_>, tally: &mut Tally) {
    for (v, variable) in design.variables.iter().enumerate() {
        if let Content::MissingFlag(of) = variable.content {
            let flags = block.columns[v].values;
            let rows = (0..block.rows).filter(|&row| flags[row] > 0.0 && block.uses(row)).count();
            tally.variables[of].filled += rows as u64;
        }
    }
}

/// Whether no row of a block fails a check, for most columns of most blocks: without a look at one row after the other.
fn all_pass(check: Check, numbers: &[&[f64]], block: &DesignBlock<'_>) -> bool {
    let finite = |values: &[f64]| values.iter().fold(true, |all, value| all & value.is_finite());
    match check {
        Check::Number(column) => finite(&numbers[column][..block.rows]),
        Check::Variable(v) => finite(block.columns[v].values),
        Check::Category(index) => {
            block.codes[index].iter().fold(true, |all, &code| all & (code < FIRST_UNSEEN))
        }
        Check::Weight(_) | Check::Sparse(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array};

    use super::*;
    use crate::model::spec::ModelSpec;

    fn batch(x: Vec<Option<f64>>, y: Vec<Option<f64>>) -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] =
            [("y", Arc::new(Float64Array::from(y))), ("x", Arc::new(Float64Array::from(x)))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn model(missing: Missing) -> ModelSpec {
        ModelSpec { missing, ..ModelSpec::of_columns("y", ["x"]) }
    }

    #[test]
    fn blocks_do_not_depend_on_batches() {
        let n = 3 * 1024 + 100;
        let x: Vec<_> = (0..n).map(|i| if i % 97 == 0 { None } else { Some(f64::from(i)) }).collect();
        let y: Vec<_> = (0..n).map(|i| Some(if i % 89 == 0 { f64::INFINITY } else { 1.0 })).collect();
        let whole = batch(x, y);
        let design = Design::new(&model(Missing::Drop), &whole.schema()).unwrap();
        let cut = |rows: usize| {
            let mut cutter = BlockCutter::new(&design, &Levels::default());
            let mut blocks = Vec::new();
            let mut sink = |b: &DesignBlock<'_>| {
                let used = |row: &usize| b.mask.is_none_or(|m| m[*row]);
                if b.columns.iter().any(|c| (0..b.rows).filter(used).any(|row| !c.values[row].is_finite())) {
                    return Err(BlockError::Value { variable: 0 });
                }
                let bits: Vec<u64> =
                    b.columns.iter().flat_map(|c| c.values.iter().map(|v| v.to_bits())).collect();
                blocks.push((b.rows, bits, b.mask.map(<[bool]>::to_vec)));
                Ok(())
            };
            for from in (0..whole.num_rows()).step_by(rows) {
                cutter.push(&whole.slice(from, rows.min(whole.num_rows() - from)), &mut sink).unwrap();
            }
            cutter.flush(&mut sink).unwrap();
            (blocks, format!("{:?}", cutter.tally))
        };
        let expected = cut(usize::MAX >> 1);
        assert_eq!(expected.0.len(), 4);
        for rows in [1, 7, 1023, 1024, 1025, 8192] {
            assert_eq!(cut(rows), expected, "batches of {rows}");
        }
    }

    #[test]
    fn missing_values_can_be_refused() {
        let rows = batch(vec![Some(1.0), Some(2.0), None], vec![Some(1.0); 3]);
        let design = Design::new(&model(Missing::Error), &rows.schema()).unwrap();
        let mut cutter = BlockCutter::new(&design, &Levels::default());
        let mut refuse = |_: &DesignBlock<'_>| Err(BlockError::Value { variable: 0 });
        let pushed = cutter.push(&rows, &mut refuse).and_then(|()| cutter.flush(&mut refuse));
        let error = pushed.unwrap_err();
        assert_eq!((error.kind(), error.column()), (ErrorKind::Missing, Some("x")));
        assert!(error.to_string().contains("row 3"), "{error}");
    }

    #[test]
    fn models_are_checked() {
        let schema = batch(vec![], vec![]).schema();
        let check = |response: &str, features: &[&str]| {
            let model = ModelSpec::of_columns(response, features.iter().copied());
            Design::new(&model, &schema).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(check("y", &["x"]), Ok(()));
        assert!(check("z", &["x"]).unwrap_err().contains("is not in the data"));
        assert!(check("y", &["x", "x"]).unwrap_err().contains("twice"));
        assert!(check("y", &["y"]).unwrap_err().contains("also a feature"));
    }
}
