//! Rows in folds: which row belongs to which, and an accumulator that keeps one state a fold.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use crate::accumulate::Accumulator;
use crate::block::{BlockError, Column, DesignBlock};
use crate::blocks::block_rows;
use crate::convert::to_float64;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::usable_as_number;

/// Most folds: each has the state of a whole pass.
pub const MAX_FOLDS: usize = 1_000;

/// Rows that are collected for a fold before they are added to its state: few enough that ten folds of fifty columns stay in
/// the second-level cache, enough that adding a block costs little beside its products. Part of the definition of
/// floating-point results.
fn fold_rows(variables: usize) -> usize {
    (block_rows(variables) / 4).max(1)
}

/// A rule that gives every row a fold, by its number in the data set or by a value of its own, and by nothing else:
/// threads, batches and the cuts of files do not matter.
///
/// With `mix` the finalizer of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators")
/// and `g` = `0x9e3779b97f4a7c15`, row number `r` has the hash `h = mix(mix(seed + g) + r g)`, all modulo 2^64, and the
/// fold `floor(h folds / 2^64)`, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldRule {
    folds: usize,
    start: u64,
}

pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The hash of some bytes of a kind, from `start` on: eight bytes at a time are mixed in.
pub(crate) fn hash_bytes(start: u64, kind: u64, bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    };
    let words = bytes.chunks(8).map(word);
    let state = words.fold(start, |state, word| mix(state ^ word).wrapping_add(GOLDEN));
    mix(state ^ (kind << 56) ^ bytes.len() as u64)
}

impl FoldRule {
    /// A rule that gives every row a key instead: the upper 32 bits of its hash.
    pub fn keys(seed: u64) -> Self {
        Self { folds: 1 << 32, start: mix(seed.wrapping_add(GOLDEN)) }
    }

    /// A rule for `folds` folds.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for fewer than two folds, or more than [`MAX_FOLDS`].
    pub fn new(folds: usize, seed: u64) -> Result<Self> {
        if !(2..=MAX_FOLDS).contains(&folds) {
            let message = format!("cross-validation takes 2 to {MAX_FOLDS} folds, not {folds}");
            return Err(Error::new(ErrorKind::Model, message));
        }
        Ok(Self { folds, start: mix(seed.wrapping_add(GOLDEN)) })
    }

    /// Number of folds.
    pub fn folds(&self) -> usize {
        self.folds
    }

    /// The fold of the row with the number `row`.
    pub fn of_row(&self, row: u64) -> u32 {
        self.fold(mix(self.start.wrapping_add(row.wrapping_mul(GOLDEN))))
    }

    /// The folds of rows by a value of each: equal values, one fold. Numbers, booleans, dates and timestamps are
    /// compared as float64; all nulls are one value, and so are all NaNs.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a column that is neither text nor usable as a number.
    pub fn of_values(&self, values: &dyn Array) -> Result<Vec<u32>> {
        match values.data_type() {
            DataType::Utf8 => Ok(self.of_text(values.as_string::<i32>().iter())),
            DataType::Dictionary(..) => {
                let dictionary = values.as_any_dictionary();
                let (null, each) = (self.fold(self.hash(0, &[])), self.of_values(dictionary.values())?);
                let keys = dictionary.normalized_keys();
                let of_key = |(row, key): (usize, usize)| {
                    if values.is_null(row) { null } else { each.get(key).copied().unwrap_or(null) }
                };
                Ok(keys.into_iter().enumerate().map(of_key).collect())
            }
            DataType::LargeUtf8 => Ok(self.of_text(values.as_string::<i64>().iter())),
            DataType::Utf8View => Ok(self.of_text(values.as_string_view().iter())),
            kind if !usable_as_number(kind) => {
                let message = format!("values of the type {kind} cannot tell groups apart");
                Err(Error::new(ErrorKind::Model, message))
            }
            _ => {
                let numbers = to_float64(values)?;
                let whole = matches!(values.data_type(), DataType::Int64 | DataType::UInt64);
                if let Some(far) =
                    numbers.iter().find(|x| x.abs() >= 2f64.powi(53) && x.is_finite()).filter(|_| !whole)
                {
                    let message = format!(
                        "{far} is beyond 2^53, where whole numbers as float64 run into each other, and cannot tell \
                         groups apart: in CSV declare the type text, elsewhere store whole numbers"
                    );
                    return Err(Error::new(ErrorKind::Model, message));
                }
                let of_number = |(row, x): (usize, &f64)| {
                    // Minus zero is zero, and a NaN is a NaN.
                    let bits = if x.is_nan() { f64::NAN } else { x + 0.0 }.to_bits();
                    if values.is_null(row) { self.hash(0, &[]) } else { self.hash(1, &bits.to_le_bytes()) }
                };
                Ok(numbers.iter().enumerate().map(|pair| self.fold(of_number(pair))).collect())
            }
        }
    }

    fn of_text<'v>(&self, values: impl Iterator<Item = Option<&'v str>>) -> Vec<u32> {
        let hash =
            |text: Option<&str>| text.map_or_else(|| self.hash(0, &[]), |t| self.hash(2, t.as_bytes()));
        values.map(|text| self.fold(hash(text))).collect()
    }

    /// The hash of a value of some kind.
    fn hash(&self, kind: u64, bytes: &[u8]) -> u64 {
        hash_bytes(self.start, kind, bytes)
    }

    fn fold(&self, hash: u64) -> u32 {
        ((u128::from(hash) * self.folds as u128) >> 64) as u32
    }
}

/// A record batch, and the folds of its rows where they are needed.
#[derive(Clone, Debug)]
pub struct AssignedBatch {
    /// The columns of the design.
    pub batch: RecordBatch,
    /// One fold a row.
    pub folds: Option<Vec<u32>>,
}

impl From<RecordBatch> for AssignedBatch {
    fn from(batch: RecordBatch) -> Self {
        Self { batch, folds: None }
    }
}

/// One state a fold. Their rows are collected, and handed over as blocks, so that many folds cost little more
/// than one.
#[derive(Debug)]
pub struct Folded<A> {
    states: Vec<A>,
    /// Folds of the rows that come next, from `next` on.
    assigned: Vec<u32>,
    next: usize,
    work: Option<Box<Work>>,
    /// Why rows of this state are lost; nothing is added after that.
    failed: Option<BlockError>,
}

/// Buffers of a thread that accumulates.
#[derive(Debug)]
struct Work {
    buffers: Vec<Buffer>,
    /// For every fold its rows in the block at hand.
    picked: Vec<Vec<u32>>,
}

/// Rows of one fold that do not make a block yet.
#[derive(Debug, Default)]
struct Buffer {
    values: Vec<Vec<f64>>,
    /// What the values lack; shorter than they are where it is nothing.
    low: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
    weights: Vec<f64>,
    rows: usize,
}

impl<A: Accumulator> Folded<A> {
    /// The states of no rows, each as `make` makes it.
    pub fn new(folds: usize, make: impl Fn() -> A) -> Self {
        let states = (0..folds).map(|_| make()).collect();
        Self { states, assigned: Vec::new(), next: 0, work: None, failed: None }
    }

    /// The state of every fold.
    pub fn into_states(self) -> Vec<A> {
        self.states
    }

    /// The state of all rows: those of the folds, merged in their order.
    ///
    /// # Errors
    /// [`BlockError::Shape`] where the states do not belong together.
    pub fn total(&self) -> std::result::Result<A, BlockError>
    where
        A: Clone,
    {
        let mut states = self.states.iter().cloned();
        let mut total = states.next().ok_or(BlockError::Shape)?;
        states.try_for_each(|state| total.merge(state))?;
        Ok(total)
    }

    fn distribute(&mut self, work: &mut Work, rows: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        let folds = &self.assigned[self.next..][..rows.rows];
        work.picked.iter_mut().for_each(Vec::clear);
        for row in rows.used() {
            work.picked.get_mut(folds[row] as usize).ok_or(BlockError::Shape)?.push(row as u32);
        }
        let block = fold_rows(rows.columns.len());
        for (fold, state) in self.states.iter_mut().enumerate() {
            let (buffer, mut picked) = (&mut work.buffers[fold], work.picked[fold].as_slice());
            while !picked.is_empty() {
                let (now, later) = picked.split_at(picked.len().min(block - buffer.rows));
                buffer.append(rows, now);
                if buffer.rows == block {
                    buffer.hand_over(state)?;
                }
                picked = later;
            }
        }
        Ok(())
    }
}

impl Buffer {
    fn append(&mut self, block: &DesignBlock<'_>, rows: &[u32]) {
        self.values.resize_with(block.columns.len(), Vec::new);
        self.low.resize_with(block.columns.len(), Vec::new);
        self.codes.resize_with(block.codes.len(), Vec::new);
        for ((column, values), low) in block.columns.iter().zip(&mut self.values).zip(&mut self.low) {
            values.extend(rows.iter().map(|&row| column.values[row as usize]));
            if let Some(parts) = column.low {
                low.resize(self.rows, 0.0);
                low.extend(rows.iter().map(|&row| parts[row as usize]));
            }
        }
        for (codes, own) in block.codes.iter().zip(&mut self.codes) {
            own.extend(rows.iter().map(|&row| codes[row as usize]));
        }
        if let Some(weights) = block.weights {
            self.weights.extend(rows.iter().map(|&row| weights[row as usize]));
        }
        self.rows += rows.len();
    }

    /// Gives the rows to the state, and forgets them.
    fn hand_over(&mut self, state: &mut impl Accumulator) -> std::result::Result<(), BlockError> {
        if self.rows == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.low.iter_mut().filter(|low| !low.is_empty()).for_each(|low| low.resize(rows, 0.0));
        let pairs = self.values.iter().zip(&self.low);
        let columns: Vec<Column<'_>> = pairs
            .map(|(values, low)| Column { values, low: (!low.is_empty()).then_some(low.as_slice()) })
            .collect();
        let codes: Vec<&[u32]> = self.codes.iter().map(Vec::as_slice).collect();
        let weights = (!self.weights.is_empty()).then_some(self.weights.as_slice());
        let done = state.update(&DesignBlock {
            columns: &columns,
            codes: &codes,
            sparse: None,
            weights,
            mask: None,
            rows,
        });
        self.values.iter_mut().for_each(Vec::clear);
        self.low.iter_mut().for_each(Vec::clear);
        self.codes.iter_mut().for_each(Vec::clear);
        self.weights.clear();
        done
    }
}

impl<A: Accumulator> Accumulator for Folded<A> {
    fn variables(&self) -> usize {
        self.states.first().map_or(0, A::variables)
    }

    fn assign(&mut self, folds: &[u32]) {
        self.assigned.drain(..self.next);
        self.next = 0;
        self.assigned.extend_from_slice(folds);
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        rows.check(self.variables())?;
        rows.check_finite()?;
        if self.assigned.len() - self.next < rows.rows {
            return Err(BlockError::Shape);
        }
        let folds = self.states.len();
        let mut work = self.work.take().unwrap_or_else(|| {
            let buffers = (0..folds).map(|_| Buffer::default()).collect();
            Box::new(Work { buffers, picked: vec![Vec::new(); folds] })
        });
        let done = self.distribute(&mut work, rows);
        self.work = Some(work);
        self.next += rows.rows;
        self.failed = done.err();
        done
    }

    fn flush(&mut self) -> std::result::Result<(), BlockError> {
        if let Some(work) = &mut self.work {
            for (buffer, state) in work.buffers.iter_mut().zip(&mut self.states) {
                if let Err(failed) = buffer.hand_over(state) {
                    self.failed = Some(failed);
                }
            }
        }
        self.failed.map_or(Ok(()), Err)
    }

    fn merge(&mut self, other: Self) -> std::result::Result<(), BlockError> {
        let empty = |work: &Option<Box<Work>>| {
            work.as_ref().is_none_or(|work| work.buffers.iter().all(|buffer| buffer.rows == 0))
        };
        if other.states.len() != self.states.len() || !empty(&other.work) {
            return Err(BlockError::Shape);
        }
        if let Some(failed) = other.failed.or(self.failed) {
            return Err(failed);
        }
        self.states.iter_mut().zip(other.states).try_for_each(|(own, theirs)| own.merge(theirs))
    }

    fn finish(&mut self) {
        self.work = None;
        self.states.iter_mut().for_each(A::finish);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;
    use crate::cross_products::CrossProducts;

    #[test]
    fn folds_are_pinned_and_even() {
        let rule = FoldRule::new(10, 0).unwrap();
        let first: Vec<u32> = (0..12).map(|row| rule.of_row(row)).collect();
        assert_eq!(first, PINNED);
        let mut counts = [0; 10];
        (0..100_000).for_each(|row| counts[rule.of_row(row) as usize] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_ne!(first, (0..12).map(|r| FoldRule::new(10, 1).unwrap().of_row(r)).collect::<Vec<_>>());
        assert!(FoldRule::new(1, 0).is_err());
    }

    /// Other programs may compute folds, so they never change.
    const PINNED: [u32; 12] = [2, 6, 7, 3, 6, 7, 1, 7, 2, 3, 5, 4];

    #[test]
    fn equal_values_have_one_fold_in_any_type() {
        let rule = FoldRule::new(1_000, 7).unwrap();
        let texts = vec![Some("a"), None, Some("a longer text"), Some("a"), Some("")];
        let plain = rule.of_values(&StringArray::from(texts.clone())).unwrap();
        let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(plain, rule.of_values(&dictionary).unwrap());
        assert_eq!(plain[0], plain[3]);
        assert_ne!(plain[0], plain[2]);
        let whole = rule.of_values(&Int64Array::from(vec![Some(3), None, Some(0)])).unwrap();
        let real = rule.of_values(&Float64Array::from(vec![Some(3.0), None, Some(-0.0)])).unwrap();
        assert_eq!(whole, real);
        assert_eq!(whole[1], plain[1]);
        let list: Arc<dyn Array> = Arc::new(arrow_array::ListArray::new_null(
            Arc::new(arrow_schema::Field::new("item", DataType::Int32, true)),
            1,
        ));
        assert!(rule.of_values(&list).is_err());
    }

    proptest! {
        /// The states of the folds are those of their rows, and together they are the state of all.
        #[test]
        fn folds_partition_the_rows(
            data in proptest::collection::vec((-1e3..1e3f64, -1e3..1e3f64, 0u32..3, 0u8..4), 1..4_000),
            cut in 1usize..2_000,
        ) {
            let mut folded = Folded::new(3, || CrossProducts::new(2));
            for rows in data.chunks(cut) {
                let x: Vec<f64> = rows.iter().map(|r| r.0).collect();
                let y: Vec<f64> = rows.iter().map(|r| r.1).collect();
                let mask: Vec<bool> = rows.iter().map(|r| r.3 > 0).collect();
                let folds: Vec<u32> = rows.iter().map(|r| r.2).collect();
                let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
                folded.assign(&folds);
                let block =
                    DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: Some(&mask), rows: x.len() };
                folded.update(&block).unwrap();
            }
            folded.flush().unwrap();
            let total = folded.total().unwrap();
            let used: Vec<_> = data.iter().filter(|r| r.3 > 0).collect();
            prop_assert_eq!(total.moments().rows(), used.len() as u64);
            for (fold, state) in folded.into_states().iter().enumerate() {
                let own: Vec<_> = used.iter().filter(|r| r.2 == fold as u32).collect();
                prop_assert_eq!(state.moments().rows(), own.len() as u64);
                if own.is_empty() {
                    continue;
                }
                let mean = |f: fn(&(f64, f64, u32, u8)) -> f64| {
                    own.iter().map(|r| f(r)).sum::<f64>() / own.len() as f64
                };
                let (mx, my) = (mean(|r| r.0), mean(|r| r.1));
                let product: f64 = own.iter().map(|r| (r.0 - mx) * (r.1 - my)).sum();
                prop_assert!((state.centred(0, 1) - product).abs() < 1e-9 * (1.0 + own.len() as f64 * 1e6));
            }
        }
    }

    #[test]
    fn a_lost_row_is_never_passed_over() {
        let mut folded = Folded::new(2, || CrossProducts::new(1));
        let values = [1.0, 1e200, 3.0];
        let columns = [Column::from(values.as_slice())];
        let block =
            DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: 3 };
        assert_eq!(folded.update(&block), Err(BlockError::Shape), "no folds");
        folded.assign(&[0, 1, 1]);
        folded.update(&block).unwrap();
        assert_eq!(folded.flush(), Err(BlockError::Value { variable: 0 }));
        folded.assign(&[0, 1, 1]);
        assert_eq!(folded.update(&block), Err(BlockError::Value { variable: 0 }));
        assert!(Folded::new(2, || CrossProducts::new(1)).merge(folded).is_err());
    }
}
