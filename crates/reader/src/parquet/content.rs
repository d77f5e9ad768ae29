//! What must hold of the content of a page before the decoder sees it: the levels and the values fill the page,
//! and are as many as its header says.
//!
//! The work is a step a page, or a step a run; only levels of nested columns and plain or delta-encoded texts are
//! looked at one by one.

use parquet::basic::Type as PhysicalType;
use parquet::schema::types::ColumnDescriptor;

use super::delta::{check_lengths, check_numbers, check_prefixes};
use super::page_header::{DataPage, Version};
use super::runs::{Bytes, Fault, Numbers, count_packed_backwards, count_runs};

pub(super) const PLAIN: i32 = 0;
pub(super) const PLAIN_DICTIONARY: i32 = 2;
pub(super) const RLE: i32 = 3;
const BIT_PACKED: i32 = 4;
const DELTA_BINARY_PACKED: i32 = 5;
const DELTA_LENGTH_BYTE_ARRAY: i32 = 6;
const DELTA_BYTE_ARRAY: i32 = 7;
pub(super) const RLE_DICTIONARY: i32 = 8;
const BYTE_STREAM_SPLIT: i32 = 9;

/// What a page must fit: the column's type and its highest levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    physical: PhysicalType,
    width: usize,
    max_definition: i16,
    max_repetition: i16,
}

/// Where the values of a page stand in its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    /// Values that are there, nulls not counted.
    pub(super) present: usize,
    /// Bytes before the first.
    pub(super) at: usize,
}

impl Shape {
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        let width = match column.physical_type() {
            PhysicalType::INT32 | PhysicalType::FLOAT => 4,
            PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
            PhysicalType::INT96 => 12,
            PhysicalType::FIXED_LEN_BYTE_ARRAY => usize::try_from(column.type_length()).unwrap_or(0),
            PhysicalType::BOOLEAN | PhysicalType::BYTE_ARRAY => 0,
        };
        Self {
            physical: column.physical_type(),
            width,
            max_definition: column.max_def_level(),
            max_repetition: column.max_rep_level(),
        }
    }

    /// Checks a dictionary of `values` against its page.
    pub(super) fn check_dictionary(&self, values: i32, encoding: i32, bytes: &[u8]) -> Result<(), Fault> {
        if !matches!(encoding, PLAIN | PLAIN_DICTIONARY) {
            return Err("a dictionary has an encoding that dictionaries do not have");
        }
        // No value takes less than a byte, so a count is bounded by the page before room is made for it.
        if values.unsigned_abs() as usize > bytes.len() {
            return Err("the dictionary has fewer bytes than values");
        }
        self.check_plain(values.unsigned_abs() as usize, bytes)
    }

    /// Checks a data page: `bytes` are its content, decompressed. Returns where its values are.
    pub(super) fn check_page(&self, page: &DataPage, bytes: &[u8]) -> Result<Values, Fault> {
        let mut input = Bytes { bytes };
        let present = self.check_levels(page, &mut input)?;
        let values = Values { present, at: bytes.len() - input.bytes.len() };
        let outcome = self.check_values(page.encoding, present, input.bytes);
        // fastparquet puts eight zeros behind the values of its pages.
        let outcome = match (page.version, page.encoding, input.bytes.strip_suffix(&[0; 8])) {
            (Version::V1 { .. }, PLAIN | PLAIN_DICTIONARY | RLE_DICTIONARY, Some(values)) => {
                outcome.or_else(|fault| self.check_values(page.encoding, present, values).map_err(|_| fault))
            }
            _ => outcome,
        };
        outcome.map(|()| values)
    }

    /// Where the values of a plain page of `size` bytes are that has no nulls, given no more than `front` of it. `None` where it has
    /// nulls or other values, and where `front` is not enough or something is wrong.
    pub(super) fn plain_values(&self, page: &DataPage, front: &[u8], size: usize) -> Option<Values> {
        let mut input = Bytes { bytes: front };
        let present = self.check_levels(page, &mut input).ok()?;
        let at = front.len() - input.bytes.len();
        let fits = present.checked_mul(self.width)?.checked_add(at)? == size;
        let is_plain = page.encoding == PLAIN && self.width > 0;
        (is_plain && fits && present == page.values.unsigned_abs() as usize).then_some(Values { present, at })
    }

    /// Passes over the levels of a page; the number of its values.
    fn check_levels(&self, page: &DataPage, input: &mut Bytes<'_>) -> Result<usize, Fault> {
        let count = page.values.unsigned_abs() as usize;
        match page.version {
            Version::V1 { definition_encoding, repetition_encoding } => {
                self.levels_v1(self.max_repetition, repetition_encoding, count, input)?;
                self.levels_v1(self.max_definition, definition_encoding, count, input)
            }
            Version::V2 { nulls, rows, definition_bytes, repetition_bytes, .. } => {
                let repetition = input.take(repetition_bytes.unsigned_abs() as usize)?;
                let starts = levels(repetition, self.max_repetition, count, 0)?;
                // Writers do not agree on what a row is in a list of lists.
                if self.max_repetition == 0 && rows.unsigned_abs() as usize != starts {
                    return Err("its header declares other rows than it has");
                }
                let definition = input.take(definition_bytes.unsigned_abs() as usize)?;
                let wanted = u32::from(self.max_definition.unsigned_abs());
                let present = levels(definition, self.max_definition, count, wanted)?;
                // Writers do not agree on what a null is in a list.
                if self.max_repetition == 0 && nulls.unsigned_abs() as usize != count - present {
                    return Err("its header declares other nulls than it has");
                }
                Ok(present)
            }
        }
    }

    /// Passes over levels of version 1; the number of those that are the highest.
    fn levels_v1(
        &self,
        max: i16,
        encoding: i32,
        count: usize,
        input: &mut Bytes<'_>,
    ) -> Result<usize, Fault> {
        if max == 0 {
            return Ok(count);
        }
        let numbers = Numbers::levels(max, count);
        match encoding {
            RLE => count_runs(input.prefixed()?, numbers, u32::from(max.unsigned_abs())),
            BIT_PACKED => {
                let bytes = (count * numbers.width as usize).div_ceil(8);
                count_packed_backwards(input.take(bytes)?, numbers)
            }
            _ => Err("its levels have an encoding that levels do not have"),
        }
    }

    fn check_values(&self, encoding: i32, present: usize, bytes: &[u8]) -> Result<(), Fault> {
        match encoding {
            PLAIN => self.check_plain(present, bytes),
            // With no value at all there may or may not be a width.
            PLAIN_DICTIONARY | RLE_DICTIONARY if present == 0 => Ok(()),
            PLAIN_DICTIONARY | RLE_DICTIONARY => {
                let mut input = Bytes { bytes };
                let width = input.number(1)?;
                if width > 32 {
                    return Err("indices of a dictionary have more than 32 bits");
                }
                count_runs(input.bytes, Numbers { width, count: present, largest: None }, 0).map(drop)
            }
            RLE if self.physical == PhysicalType::BOOLEAN => {
                let mut input = Bytes { bytes };
                count_runs(input.prefixed()?, Numbers::levels(1, present), 1)?;
                all_read(input.bytes)
            }
            DELTA_BINARY_PACKED if self.physical == PhysicalType::INT32 => check_numbers(bytes, present, 32),
            DELTA_BINARY_PACKED => check_numbers(bytes, present, 64),
            DELTA_LENGTH_BYTE_ARRAY => check_lengths(bytes, present),
            DELTA_BYTE_ARRAY => check_prefixes(bytes, present),
            // The decoder takes the size of the page for that of its values.
            BYTE_STREAM_SPLIT => exactly(present, self.width, bytes),
            // The decoder knows which others there are.
            _ => Ok(()),
        }
    }

    fn check_plain(&self, count: usize, bytes: &[u8]) -> Result<(), Fault> {
        match self.physical {
            PhysicalType::BOOLEAN => exactly(count.div_ceil(8), 1, bytes),
            PhysicalType::BYTE_ARRAY => {
                let mut input = Bytes { bytes };
                for _ in 0..count {
                    input.prefixed()?;
                }
                all_read(input.bytes)
            }
            // An old writer put a length before each value.
            PhysicalType::FIXED_LEN_BYTE_ARRAY => {
                exactly(count, self.width, bytes).or_else(|_| exactly(count, self.width + 4, bytes))
            }
            _ => exactly(count, self.width, bytes),
        }
    }
}

const SIZE: Fault = "the page does not have the size that its values take";

fn all_read(rest: &[u8]) -> Result<(), Fault> {
    if rest.is_empty() { Ok(()) } else { Err("there are bytes behind the last value") }
}

fn exactly(count: usize, width: usize, bytes: &[u8]) -> Result<(), Fault> {
    if count.checked_mul(width) == Some(bytes.len()) { Ok(()) } else { Err(SIZE) }
}

/// How often `wanted` stands among `count` levels of version 2. A column without such levels has no bytes of them;
/// old writers put a run of zeros, which take no bits.
fn levels(bytes: &[u8], max: i16, count: usize, wanted: u32) -> Result<usize, Fault> {
    if max == 0 && bytes.is_empty() {
        return Ok(count);
    }
    let found = count_runs(bytes, Numbers::levels(max, count), wanted);
    if max == 0 { found.map_err(|_| "it has levels that its column does not have") } else { found }
}
