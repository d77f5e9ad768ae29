//! Ids of rows: the fold that a row belongs to, or a key of its own.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use crate::error::{Error, ErrorKind, Result};
use crate::model::spec::usable_as_number;
use crate::rows::convert::to_float64;
use crate::rows::hash::{GOLDEN, hash_bytes, mix};

/// Most folds: each has the state of a whole pass.
pub const MAX_FOLDS: usize = 1_000;

/// A rule that gives every row a fold or a key, by its number in the data set or by a value of its own, and by nothing
/// else: threads, batches and the cuts of files do not matter.
///
/// With `mix` the finalizer of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators")
/// and `g` = `0x9e3779b97f4a7c15`, row number `r` has the hash `h(r) = mix(mix(seed + g) + r g)`, all modulo 2^64. Its key is
/// the upper 32 bits of `h(r)`.
///
/// Folds by number are dealt: every run of `folds` rows, from row 0 on, has one row in each fold, in an order of its own, so
/// that the sizes of folds differ by one row at most. The order of the run that starts at row `s` is the shuffle of Fisher and
/// Yates (Durstenfeld 1964, "Algorithm 235: random permutation") of `0..folds`: for `i` from `folds - 1` down to 1, the
/// entries `i` and `floor(h(s + i) (i + 1) / 2^64)` change places. The last run may be cut short.
///
/// Folds by a value are drawn: that of a value with the hash `h` is `floor(h folds / 2^64)`, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowIds {
    kind: Kind,
    start: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fold { folds: usize },
    Key,
}

impl RowIds {
    /// A key for every row: 32 bits of its hash.
    pub fn keys(seed: u64) -> Self {
        Self { kind: Kind::Key, start: mix(seed.wrapping_add(GOLDEN)) }
    }

    /// One of `folds` folds for every row.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for fewer than two folds, or more than [`MAX_FOLDS`].
    pub fn folds(folds: usize, seed: u64) -> Result<Self> {
        if !(2..=MAX_FOLDS).contains(&folds) {
            let message = format!("cross-validation takes 2 to {MAX_FOLDS} folds, not {folds}");
            return Err(Error::new(ErrorKind::Model, message));
        }
        Ok(Self { kind: Kind::Fold { folds }, start: mix(seed.wrapping_add(GOLDEN)) })
    }

    /// Whether rows get keys.
    pub fn are_keys(&self) -> bool {
        self.kind == Kind::Key
    }

    /// The id of the row with the number `row`. Of many rows [`Self::of_rows`] is faster.
    pub fn of_row(&self, row: u64) -> u32 {
        Dealer::new(*self).of_row(row)
    }

    /// The ids of the rows with these numbers.
    pub fn of_rows(&self, rows: &[u64]) -> Vec<u32> {
        let mut dealer = Dealer::new(*self);
        rows.iter().map(|&row| dealer.of_row(row)).collect()
    }

    /// The hash of a row's number.
    fn hash_of_row(&self, row: u64) -> u64 {
        mix(self.start.wrapping_add(row.wrapping_mul(GOLDEN)))
    }

    /// The ids of rows by a value of each: equal values, one id. Numbers, booleans, dates and timestamps are
    /// compared as float64; all nulls are one value, and so are all NaNs.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a column that is neither text nor usable as a number.
    pub fn of_values(&self, values: &dyn Array) -> Result<Vec<u32>> {
        match values.data_type() {
            // As nulls of any other type: which one is a matter of what else is in the file.
            DataType::Null => Ok(vec![self.id(self.hash(0, &[])); values.len()]),
            DataType::Utf8 => Ok(self.of_text(values.as_string::<i32>().iter())),
            DataType::Dictionary(..) => {
                let dictionary = values.as_any_dictionary();
                let (null, each) = (self.id(self.hash(0, &[])), self.of_values(dictionary.values())?);
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
                Ok(numbers.iter().enumerate().map(|pair| self.id(of_number(pair))).collect())
            }
        }
    }

    fn of_text<'v>(&self, values: impl Iterator<Item = Option<&'v str>>) -> Vec<u32> {
        let hash =
            |text: Option<&str>| text.map_or_else(|| self.hash(0, &[]), |t| self.hash(2, t.as_bytes()));
        values.map(|text| self.id(hash(text))).collect()
    }

    /// The hash of a value of some kind.
    fn hash(&self, kind: u64, bytes: &[u8]) -> u64 {
        hash_bytes(self.start, kind, bytes)
    }

    fn id(&self, hash: u64) -> u32 {
        match self.kind {
            Kind::Fold { folds } => share(hash, folds) as u32,
            Kind::Key => (hash >> 32) as u32,
        }
    }
}

/// `floor(hash parts / 2^64)`: one of `parts`, as even as the hash is.
fn share(hash: u64, parts: usize) -> usize {
    ((u128::from(hash) * parts as u128) >> 64) as usize
}

/// Gives rows their ids by number, and keeps the folds of the run that the last row was in.
struct Dealer {
    ids: RowIds,
    /// The first row of the run.
    start: Option<u64>,
    /// One a row of the run.
    folds: Vec<u32>,
}

impl Dealer {
    fn new(ids: RowIds) -> Self {
        Self { ids, start: None, folds: Vec::new() }
    }

    fn of_row(&mut self, row: u64) -> u32 {
        let Kind::Fold { folds } = self.ids.kind else { return self.ids.id(self.ids.hash_of_row(row)) };
        let place = match self.start {
            // Rows mostly come in order, and a subtraction is less than a division.
            Some(start) if row >= start && row - start < folds as u64 => row - start,
            _ => {
                let place = row % folds as u64;
                self.deal(row - place, folds);
                place
            }
        };
        self.folds[place as usize]
    }

    fn deal(&mut self, start: u64, folds: usize) {
        self.start = Some(start);
        self.folds.clear();
        self.folds.extend(0..folds as u32);
        for i in (1..folds).rev() {
            // Of the last rows that a number can have the sum goes past its end, as the hash does.
            let hash = self.ids.hash_of_row(start.wrapping_add(i as u64));
            self.folds.swap(i, share(hash, i + 1));
        }
    }
}

/// A record batch, and the ids of its rows where they are needed.
#[derive(Clone, Debug)]
pub struct AssignedBatch {
    /// The columns of the design.
    pub batch: RecordBatch,
    /// One a row: see [`RowIds`].
    pub ids: Option<Vec<u32>>,
}

impl From<RecordBatch> for AssignedBatch {
    fn from(batch: RecordBatch) -> Self {
        Self { batch, ids: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Float64Array, Int64Array, NullArray, StringArray};

    use super::*;

    #[test]
    fn folds_are_pinned_and_even() {
        let rule = RowIds::folds(5, 0).unwrap();
        let first: Vec<u32> = (0..12).map(|row| rule.of_row(row)).collect();
        assert_eq!(first, PINNED);
        assert_ne!(first, (0..12).map(|r| RowIds::folds(5, 1).unwrap().of_row(r)).collect::<Vec<_>>());
        assert!(RowIds::folds(1, 0).is_err());
        for (folds, rows) in [(2, 7), (3, 20), (10, 9), (10, 1_003), (20, 20), (1_000, 2_500)] {
            let mut counts = vec![0_u64; folds];
            let rule = RowIds::folds(folds, 3).unwrap();
            (0..rows).for_each(|row| counts[rule.of_row(row) as usize] += 1);
            let (least, most) = (rows / folds as u64, rows.div_ceil(folds as u64));
            assert!(
                counts.iter().all(|c| (least..=most).contains(c)),
                "{folds} folds of {rows} rows: {counts:?}"
            );
        }
    }

    /// Other programs may compute folds, so they never change. From `folds` of tests/golden/after_fit/make.py.
    const PINNED: [u32; 12] = [0, 4, 2, 1, 3, 3, 0, 2, 4, 1, 1, 4];

    #[test]
    fn folds_do_not_follow_a_pattern_of_the_rows() {
        // Of every fold and every remainder of the row's number, also by the number of folds, about as many rows.
        let (folds, rows) = (10, 200_000);
        let of_rows = RowIds::folds(folds, 0).unwrap().of_rows(&(0..rows).collect::<Vec<_>>());
        for period in [2, 7, 10, 20] {
            let mut counts = vec![0_f64; folds * period];
            of_rows
                .iter()
                .enumerate()
                .for_each(|(row, &fold)| counts[row % period * folds + fold as usize] += 1.0);
            let expected = rows as f64 / (folds * period) as f64;
            let far = counts.iter().map(|c| (c - expected).abs() / expected.sqrt()).fold(0.0, f64::max);
            assert!(far < 4.0, "period {period}: {far} standard deviations");
        }
        // And neighbours are no closer to each other than chance has them: a fold after a fold, across runs.
        let same = of_rows.windows(11).filter(|w| w[0] == w[10]).count() as f64 / (rows - 10) as f64;
        assert!((same - 0.1).abs() < 0.005, "{same}");
    }

    #[test]
    fn rows_in_any_order_have_the_same_folds() {
        for rule in [RowIds::folds(7, 5).unwrap(), RowIds::keys(5)] {
            let rows = [3, 100, 99, 4, u64::MAX, 0, 98, u64::MAX - 1];
            let one_by_one: Vec<u32> = rows.iter().map(|&row| rule.of_row(row)).collect();
            assert_eq!(rule.of_rows(&rows), one_by_one);
        }
    }

    #[test]
    fn equal_values_have_one_fold_in_any_type() {
        let rule = RowIds::folds(1_000, 7).unwrap();
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
        assert_eq!(rule.of_values(&NullArray::new(2)).unwrap(), [plain[1]; 2]);
        let list: Arc<dyn Array> = Arc::new(arrow_array::ListArray::new_null(
            Arc::new(arrow_schema::Field::new("item", DataType::Int32, true)),
            1,
        ));
        assert!(rule.of_values(&list).is_err());
    }
}
