//! Cells as numbers of levels.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use hashbrown::HashMap;

use super::set::table_growth;
use super::short_texts::{AT_ONCE, ShortTexts, packed, packed_part};
use super::{FIRST_UNSEEN, Level, LevelSet, NON_FINITE_CODE, NULL_CODE};
use crate::error::{Error, ErrorKind, Result};
use crate::rows::cells::cell_text;
use crate::rows::convert::{fill, is_null};

/// The levels of all cells of a column, one a cell: what a category makes of them, a missing value included; `None` for NaN and the
/// infinities.
///
/// # Errors
/// For a type that has no levels.
pub fn cell_levels(column: &str, array: &dyn Array) -> Result<Vec<Option<Level>>> {
    let set = Arc::new(LevelSet::new(column, FIRST_UNSEEN as usize, true));
    let mut codes = vec![0; array.len()];
    Encoder::new(Arc::clone(&set)).encode(array, 0, &mut codes)?;
    let levels = set.levels();
    let level = |code: u32| if code == NON_FINITE_CODE { None } else { levels.get(code as usize).cloned() };
    Ok(codes.into_iter().map(|code| level(code).or((code == NULL_CODE).then_some(Level::Missing))).collect())
}

/// Turns the cells of one column into level numbers. One a thread: what it knows spares the lock.
#[derive(Debug)]
pub(crate) struct Encoder {
    set: Arc<LevelSet>,
    short_texts: ShortTexts,
    texts: HashMap<String, u32>,
    /// Of the integers from 0 on, by value; [`NOT_ASKED`] where it is not known.
    small: Vec<u32>,
    integers: HashMap<i64, u32>,
    /// The dictionary seen last, and the numbers of its entries where they were needed.
    dictionary: Option<(ArrayRef, Vec<u32>)>,
}

/// What no cell has used yet.
const NOT_ASKED: u32 = u32::MAX - 2;
/// What a cell uses whose number is being looked up.
const ASKED: u32 = u32::MAX - 3;

/// Values that an encoder remembers: enough for every category, and an end for columns that are none.
const MAX_REMEMBERED: usize = 1 << 20;

/// From here on not every whole number is a float64.
const FIRST_ROUNDED: f64 = (1u64 << 53) as f64;

impl Encoder {
    pub(crate) fn new(set: Arc<LevelSet>) -> Self {
        Self {
            set,
            short_texts: ShortTexts::default(),
            texts: HashMap::new(),
            small: Vec::new(),
            integers: HashMap::new(),
            dictionary: None,
        }
    }

    /// Bytes that its lists, and those of its set, take at once where so many rows make them grow.
    pub(crate) fn growth(&self, rows: usize) -> u64 {
        let own = table_growth(&self.texts, rows) + table_growth(&self.integers, rows);
        self.set.growth(rows) + own + self.short_texts.growth(rows)
    }

    /// Forgets the dictionary that it holds on to.
    pub(crate) fn release(&mut self) {
        self.dictionary = None;
    }

    /// Writes the numbers of `out.len()` cells of `array` from position `from` on. Returns whether any cell
    /// has no usable level: it is null or unknown.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for too many levels, [`ErrorKind::Batch`] for a type that has none.
    pub(crate) fn encode(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<bool> {
        match array.data_type() {
            DataType::Utf8 => self.texts(out, |row| text(array.as_string::<i32>(), from + row))?,
            DataType::LargeUtf8 => self.texts(out, |row| text(array.as_string::<i64>(), from + row))?,
            DataType::Utf8View => {
                let array = array.as_string_view();
                self.texts(out, |row| array.is_valid(from + row).then(|| array.value(from + row)))?;
            }
            DataType::Dictionary(..) => self.dictionary(array, from, out)?,
            DataType::Boolean => {
                let array = array.as_boolean();
                let codes = [
                    self.set_code_if(array.false_count() > 0, Level::Boolean(false))?,
                    self.set_code_if(array.true_count() > 0, Level::Boolean(true))?,
                ];
                let null = self.null_code(array)?;
                for (row, code) in out.iter_mut().enumerate() {
                    let value = array.is_valid(from + row).then(|| array.value(from + row));
                    *code = value.map_or(null, |v| codes[usize::from(v)]);
                }
            }
            DataType::Int8 => self.integers::<Int8Type>(array, from, out, i64::from)?,
            DataType::Int16 => self.integers::<Int16Type>(array, from, out, i64::from)?,
            DataType::Int32 => self.integers::<Int32Type>(array, from, out, i64::from)?,
            DataType::Int64 => self.integers::<Int64Type>(array, from, out, |v| v)?,
            DataType::UInt8 => self.integers::<UInt8Type>(array, from, out, i64::from)?,
            DataType::UInt16 => self.integers::<UInt16Type>(array, from, out, i64::from)?,
            DataType::UInt32 => self.integers::<UInt32Type>(array, from, out, i64::from)?,
            DataType::UInt64 => self.unsigned(array, from, out)?,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                self.bytes(array, from, out)?;
            }
            DataType::FixedSizeBinary(_) => self.fixed_bytes(array, from, out)?,
            kind if kind.is_floating() => self.numbers(array, from, out)?,
            DataType::Null => out.fill(self.set.code(None)?),
            kind if kind.is_nested() => {
                return Err(Error::new(ErrorKind::Batch, format!("{kind} cannot be a category")));
            }
            _ => self.formatted(array, from, out)?,
        }
        Ok(out.iter().any(|&code| code >= FIRST_UNSEEN))
    }

    /// The number of the missing level, where there is one.
    pub(crate) fn missing_level(&self) -> Option<u32> {
        self.set.missing_code()
    }

    /// The level behind a code.
    pub(crate) fn level(&self, code: u32) -> Level {
        self.set.level(code)
    }

    fn set_code_if(&self, needed: bool, level: Level) -> Result<u32> {
        if needed { self.set.code(Some(level)) } else { Ok(NULL_CODE) }
    }

    fn null_code(&self, array: &dyn Array) -> Result<u32> {
        if array.null_count() > 0 { self.set.code(None) } else { Ok(NULL_CODE) }
    }

    fn texts<'a>(&mut self, out: &mut [u32], value: impl Fn(usize) -> Option<&'a str>) -> Result<()> {
        // Runs of one value are common in sorted files.
        let mut last: Option<(&str, u32)> = None;
        for (row, code) in out.iter_mut().enumerate() {
            *code = match value(row) {
                None => self.set.code(None)?,
                Some(text) => match last {
                    Some((before, known)) if before == text => known,
                    _ => {
                        let known = self.text_code(text)?;
                        last = Some((text, known));
                        known
                    }
                },
            };
        }
        Ok(())
    }

    fn text_code(&mut self, text: &str) -> Result<u32> {
        let short = packed(text.as_bytes());
        let known = match short {
            Some(key) => {
                let mut code = [None];
                self.short_texts.find(&[key], &mut code);
                code[0]
            }
            None => self.texts.get(text).copied(),
        };
        if let Some(code) = known {
            return Ok(code);
        }
        let code = self.set.code(Some(Level::Text(text.to_owned())))?;
        match short {
            Some(key) => self.short_texts.insert(key, code),
            None if self.texts.len() < MAX_REMEMBERED => _ = self.texts.insert(text.to_owned(), code),
            _ => {}
        }
        Ok(code)
    }

    /// The numbers of the texts at some positions, into the same positions of `codes`.
    fn texts_at(&mut self, texts: &StringArray, wanted: &[usize], codes: &mut [u32]) -> Result<()> {
        let (bytes, offsets) = (texts.values().as_slice(), texts.value_offsets());
        let place = |at: usize| (offsets[at] as usize, offsets[at + 1] as usize);
        let (mut keys, mut found) = ([0; AT_ONCE], [None; AT_ONCE]);
        for wanted in wanted.chunks(AT_ONCE) {
            for (key, &at) in keys.iter_mut().zip(wanted) {
                let (from, to) = place(at);
                // Longer than any of these texts, so it is none of them.
                *key = packed_part(bytes, from, to).unwrap_or(u128::MAX);
            }
            self.short_texts.find(&keys[..wanted.len()], &mut found[..wanted.len()]);
            for (&at, known) in wanted.iter().zip(found) {
                codes[at] = match known {
                    Some(code) if texts.is_valid(at) => code,
                    _ if texts.is_valid(at) => self.text_code(texts.value(at))?,
                    _ => self.set.code(None)?,
                };
            }
        }
        Ok(())
    }

    fn integers<T: arrow_array::types::ArrowPrimitiveType>(
        &mut self,
        array: &dyn Array,
        from: usize,
        out: &mut [u32],
        widen: impl Fn(T::Native) -> i64,
    ) -> Result<()> {
        let array = array.as_primitive::<T>();
        let null = self.null_code(array)?;
        let mut last: Option<(i64, u32)> = None;
        for (row, code) in out.iter_mut().enumerate() {
            if array.is_null(from + row) {
                *code = null;
                continue;
            }
            let value = widen(array.value(from + row));
            *code = match last {
                Some((before, known)) if before == value => known,
                _ => self.integer_code(value)?,
            };
            last = Some((value, *code));
        }
        Ok(())
    }

    /// Whole numbers of 64 bits without a sign. Those beyond the integers of a level are told apart by their digits.
    fn unsigned(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        let array = array.as_primitive::<UInt64Type>();
        if array.values()[from..from + out.len()].iter().all(|v| i64::try_from(*v).is_ok()) {
            return self.integers::<UInt64Type>(array, from, out, |v| v as i64);
        }
        let null = self.null_code(array)?;
        for (row, code) in out.iter_mut().enumerate() {
            *code = match array.is_valid(from + row).then(|| array.value(from + row)) {
                None => null,
                Some(value) => match i64::try_from(value) {
                    Ok(value) => self.integer_code(value)?,
                    Err(_) => self.text_code(&value.to_string())?,
                },
            };
        }
        Ok(())
    }

    /// Text whose writer did not say that it is text.
    fn bytes(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        for (row, code) in out.iter_mut().enumerate() {
            let row = from + row;
            if array.is_null(row) {
                *code = self.set.code(None)?;
                continue;
            }
            let bytes = match array.data_type() {
                DataType::Binary => array.as_binary::<i32>().value(row),
                DataType::LargeBinary => array.as_binary::<i64>().value(row),
                _ => array.as_binary_view().value(row),
            };
            let text = std::str::from_utf8(bytes).map_err(|_| {
                let message = format!(
                    "the column is binary, and {:?} is no text in UTF-8: it cannot be a category",
                    String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
                );
                Error::new(ErrorKind::Batch, message)
            })?;
            *code = self.text_code(text)?;
        }
        Ok(())
    }

    /// Text of one length, or else what identifies something, which is shown as hexadecimal digits: these are longer than
    /// any text here, so the two are never the same.
    fn fixed_bytes(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        let array = array.as_fixed_size_binary();
        for (row, code) in out.iter_mut().enumerate() {
            let row = from + row;
            *code = if array.is_null(row) {
                self.set.code(None)?
            } else {
                let text = std::str::from_utf8(array.value(row)).ok();
                match text.filter(|text| !text.contains(char::is_control)) {
                    Some(text) => self.text_code(text)?,
                    None => self.text_code(&format!("0x{}", cell_text(array, row)?))?,
                }
            };
        }
        Ok(())
    }

    fn integer_code(&mut self, value: i64) -> Result<u32> {
        let small = usize::try_from(value).ok().filter(|&value| value < MAX_REMEMBERED);
        let known = match small {
            Some(value) => self.small.get(value).filter(|&&code| code != NOT_ASKED),
            None => self.integers.get(&value),
        };
        if let Some(&code) = known {
            return Ok(code);
        }
        let code = self.set.code(Some(Level::Integer(value)))?;
        if let Some(value) = small {
            if value >= self.small.len() {
                self.small.resize((value + 1).next_power_of_two(), NOT_ASKED);
            }
            self.small[value] = code;
        } else if self.integers.len() < MAX_REMEMBERED {
            self.integers.insert(value, code);
        }
        Ok(code)
    }

    /// Floating-point numbers, as CSV files have them; NaN and the infinities have no level.
    fn numbers(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        let mut values = vec![0.0; out.len()];
        fill(array, from, &mut values)?;
        for (code, &value) in out.iter_mut().zip(&values) {
            if value.abs() >= FIRST_ROUNDED && value.is_finite() {
                let message = format!(
                    "{value} is beyond 2^53, where whole numbers as float64 run into each other, and cannot tell levels \
                     or groups apart: in CSV --schema {}=text reads text, elsewhere store whole numbers",
                    self.set.column()
                );
                return Err(Error::new(ErrorKind::Model, message));
            }
            *code = match Level::number(value) {
                Some(Level::Integer(whole)) => self.integer_code(whole)?,
                None if !is_null(value) && !self.set.has_missing() => NON_FINITE_CODE,
                level => self.set.code(level)?,
            };
        }
        Ok(())
    }

    /// Cells that refer to a dictionary: its entries are looked up once, and only those that are used.
    fn dictionary(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        let wrong = || Error::new(ErrorKind::Batch, "a dictionary without keys");
        let dictionary = array.as_any_dictionary_opt().ok_or_else(wrong)?;
        let values = dictionary.values();
        let fresh = self.dictionary.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, values));
        let mut codes = match self.dictionary.take() {
            Some((_, codes)) if !fresh => codes,
            _ => vec![NOT_ASKED; values.len()],
        };
        let null = self.null_code(array)?;
        let keys = dictionary.keys();
        let int32 = keys.as_primitive_opt::<Int32Type>();
        let normal =
            if int32.is_none() { Cow::Owned(dictionary.normalized_keys()) } else { Cow::Borrowed(&[][..]) };
        let key_of = |row: usize| int32.map_or_else(|| normal[row], |keys| keys.value(row) as usize);
        let mut wanted = Vec::new();
        let complete = keys.null_count() == 0;
        let valid = |row: usize| complete || keys.is_valid(row);
        for key in (from..from + out.len()).filter(|&row| valid(row)).map(key_of) {
            if codes[key] == NOT_ASKED {
                codes[key] = ASKED;
                wanted.push(key);
            }
        }
        match values.as_string_opt::<i32>() {
            Some(texts) => self.texts_at(texts, &wanted, &mut codes)?,
            None => {
                for &key in &wanted {
                    self.encode(&values.slice(key, 1), 0, &mut codes[key..=key])?;
                }
            }
        }
        for (row, code) in out.iter_mut().enumerate() {
            let row = from + row;
            *code = if valid(row) { codes[key_of(row)] } else { null };
        }
        self.dictionary = Some((Arc::clone(values), codes));
        Ok(())
    }

    /// Dates, decimals and what else is rarely a category, by the text that shows them.
    fn formatted(&mut self, array: &dyn Array, from: usize, out: &mut [u32]) -> Result<()> {
        for (row, code) in out.iter_mut().enumerate() {
            *code = if array.is_null(from + row) {
                self.set.code(None)?
            } else {
                let text = cell_text(array, from + row)?;
                match number_level(&text) {
                    Some(Level::Integer(whole)) => self.integer_code(whole)?,
                    Some(number) => self.set.code(Some(number))?,
                    None => self.text_code(&text)?,
                }
            };
        }
        Ok(())
    }
}

/// The number that a text spells, if it is one that a level can be.
fn number_level(text: &str) -> Option<Level> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    if let Ok(whole) = whole.parse() {
        return Some(Level::Integer(whole));
    }
    // Beyond 2^53 different numbers are one float64: their text tells them apart.
    let number = text.parse().ok().filter(|n: &f64| n.abs() < 9.0e15);
    number.and_then(Level::number)
}

fn text<O: arrow_array::OffsetSizeTrait>(
    array: &arrow_array::GenericStringArray<O>,
    row: usize,
) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{BooleanArray, DictionaryArray, Float64Array, Int64Array};

    use super::*;

    fn names(set: &LevelSet, codes: &[u32]) -> Vec<String> {
        codes.iter().map(|&c| if c >= FIRST_UNSEEN { "-".into() } else { set.level(c).to_string() }).collect()
    }

    fn encode(array: &dyn Array) -> (Vec<String>, bool) {
        let set = Arc::new(LevelSet::new("c", 100, false));
        let mut codes = vec![0; array.len()];
        let gaps = Encoder::new(Arc::clone(&set)).encode(array, 0, &mut codes).unwrap();
        (names(&set, &codes), gaps)
    }

    #[test]
    fn cells_of_each_kind_have_levels() {
        let text = StringArray::from(vec![Some("b"), None, Some("b "), Some("B"), Some("")]);
        assert_eq!(encode(&text), (["b", "-", "b ", "B", ""].map(str::to_owned).to_vec(), true));
        let keyed: DictionaryArray<Int32Type> = [Some("x"), None, Some("y"), Some("x")].into_iter().collect();
        assert_eq!(encode(&keyed), (["x", "-", "y", "x"].map(str::to_owned).to_vec(), true));
        let flags = BooleanArray::from(vec![true, false]);
        assert_eq!(encode(&flags), (["True", "False"].map(str::to_owned).to_vec(), false));
        let numbers = Float64Array::from(vec![2.0, -0.0, 2.5, f64::NAN, f64::INFINITY]);
        assert_eq!(encode(&numbers), (["2", "0", "2.5", "-", "-"].map(str::to_owned).to_vec(), true));
    }

    #[test]
    fn entries_of_a_dictionary_are_the_texts_that_they_hold() {
        let text = |i: usize| (i % 9 != 4).then(|| format!("{}{}", "\u{e9}".repeat(i % 20), i % 37));
        let values: StringArray = (0..200).map(text).collect();
        let keys = arrow_array::Int32Array::from_iter((0..900).map(|i| (i % 31 != 7).then_some(i * 7 % 200)));
        let plain: StringArray = keys.iter().map(|key| key.and_then(|key| text(key as usize))).collect();
        let set = Arc::new(LevelSet::new("c", 1_000, false));
        let keyed = DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
        let mut encoder = Encoder::new(Arc::clone(&set));
        let (mut first, mut again, mut expected) = ([0; 400], [0; 500], [0; 900]);
        encoder.encode(&keyed, 0, &mut first).unwrap();
        encoder.encode(&keyed, 400, &mut again).unwrap();
        Encoder::new(set).encode(&plain, 0, &mut expected).unwrap();
        assert_eq!([&first[..], &again[..]].concat(), expected);
    }

    #[test]
    fn whole_numbers_are_one_level_whatever_their_type() {
        let set = Arc::new(LevelSet::new("c", 10, false));
        let (mut a, mut b) = ([0; 2], [0; 2]);
        Encoder::new(Arc::clone(&set)).encode(&Int64Array::from(vec![7, 8]), 0, &mut a).unwrap();
        Encoder::new(Arc::clone(&set)).encode(&Float64Array::from(vec![7.0, 8.0]), 0, &mut b).unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn large_numbers_are_one_level_whatever_stands_beside_them() {
        let set = Arc::new(LevelSet::new("c", 10, false));
        let (small, large) = (1_u64 << 62, u64::MAX - 1);
        let mut codes = [[0; 2]; 3];
        let alone = arrow_array::UInt64Array::from(vec![small, small]);
        let mixed = arrow_array::UInt64Array::from(vec![small, large]);
        let decimals = arrow_array::Decimal128Array::from(vec![i128::from(small) * 100, i128::from(large)]);
        let decimals = decimals.with_precision_and_scale(38, 2).unwrap();
        for (array, codes) in [&alone as &dyn Array, &mixed, &decimals].into_iter().zip(&mut codes) {
            Encoder::new(Arc::clone(&set)).encode(array, 0, codes).unwrap();
        }
        assert_eq!((codes[0][0], codes[0][0], codes[0][0]), (codes[0][1], codes[1][0], codes[2][0]));
        assert_ne!(codes[1][0], codes[1][1]);
        assert_eq!(set.level(codes[1][1]).to_string(), "18446744073709551614");
    }

    #[test]
    fn every_cell_has_a_level() {
        let numbers = Float64Array::from(vec![Some(3.0), None, Some(0.5), Some(f64::INFINITY), Some(3.0)]);
        let expected = [Some(Level::Integer(3)), Some(Level::Missing), Some(Level::Number(0.5))];
        assert_eq!(cell_levels("x", &numbers).unwrap()[..3], expected);
        assert_eq!(cell_levels("x", &numbers).unwrap()[4], expected[0]);
        let texts = StringArray::from(vec![Some("b"), None, Some("a")]);
        let expected = [Some(Level::Text("b".into())), Some(Level::Missing), Some(Level::Text("a".into()))];
        assert_eq!(cell_levels("x", &texts).unwrap(), expected);
    }

    #[test]
    fn bytes_are_text_if_they_can_be() {
        let text = arrow_array::BinaryArray::from(vec![Some(&b"b"[..]), None, Some(&b"b"[..])]);
        assert_eq!(encode(&text), (["b", "-", "b"].map(str::to_owned).to_vec(), true));
        let fixed =
            arrow_array::FixedSizeBinaryArray::try_from_iter(["ab".as_bytes(), b"\x01\xff"].into_iter())
                .unwrap();
        assert_eq!(encode(&fixed), (["ab", "0x01ff"].map(str::to_owned).to_vec(), false));
        let set = Arc::new(LevelSet::new("c", 10, false));
        let bytes = arrow_array::BinaryArray::from(vec![&b"\xff"[..]]);
        let error = Encoder::new(set).encode(&bytes, 0, &mut [0]).unwrap_err();
        assert!(error.to_string().contains("is no text in UTF-8"), "{error}");
    }

    #[test]
    fn sets_have_an_end_and_may_be_fixed() {
        let set = Arc::new(LevelSet::new("id", 2, false));
        let error = Encoder::new(set).encode(&Int64Array::from(vec![1, 2, 3]), 0, &mut [0; 3]).unwrap_err();
        assert!(error.to_string().contains("more than 2 levels"), "{error}");
        let fixed = Arc::new(LevelSet::fixed("c", &[Level::Text("a".into()), Level::Missing]));
        let mut codes = [0; 3];
        let array = StringArray::from(vec![Some("b"), None, Some("a")]);
        assert!(Encoder::new(fixed).encode(&array, 0, &mut codes).unwrap());
        assert_eq!(codes, [FIRST_UNSEEN, 1, 0]);
    }

    #[test]
    fn levels_sort_as_people_expect() {
        let mut levels = [
            Level::Missing,
            Level::Text("b".into()),
            Level::Integer(10),
            Level::Number(2.5),
            Level::Integer(2),
            Level::Text("B".into()),
        ];
        levels.sort();
        let shown: Vec<String> = levels.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["2", "2.5", "10", "B", "b", "(missing)"]);
    }
}
