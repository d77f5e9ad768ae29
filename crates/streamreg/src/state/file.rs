//! The state file: a Parquet file with a row a sum, and the rest as JSON in its metadata.
//!
//! | column | content |
//! |---|---|
//! | `fold` | which fold; in version 2, of states with folds |
//! | `table` | which table of sums: 0 for all rows |
//! | `levels` | the levels that the rows of a record share, a JSON array; null for all rows |
//! | `rows` | how many rows |
//! | `sum`, `a`, `b` | what is summed, and of which variables |
//! | `value` | the sum as a float64: the nearest one, where it is exact |
//! | `exact` | the exact sum in hexadecimal, `0x1f3ap-52` |
//!
//! The digest in the metadata is of all of that. Parquet's own parts may be damaged without harm: then the file cannot be read,
//! or says the same.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::Deserialize;
use streamreg_core::{BigFixed, Level, SavedRecord, SavedSums, Statistics, SumName};
use streamreg_reader::parquet::ParquetFile;
use streamreg_reader::{ScanRequest, Source};
use twox_hash::xxhash3_128::Hasher;

use super::checkpoint::Progress;
use super::header::Header;
use super::{STATE_VERSION, State};
use crate::error::{Error, Result};
use crate::output::write_whole;

/// Keys of the metadata.
const HEADER: &str = "streamreg_state";
const DIGEST: &str = "streamreg_digest";

/// Sums that are written at a time.
const ROWS_AT_ONCE: usize = 1 << 13;

const COLUMNS: [&str; 8] = ["table", "levels", "rows", "sum", "a", "b", "value", "exact"];

/// The column that stands before them where there are folds.
const FOLD: &str = "fold";

fn schema(folds: bool) -> SchemaRef {
    let kinds = [
        DataType::Int32,
        DataType::Utf8,
        DataType::Int64,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Float64,
        DataType::Utf8,
    ];
    let nullable = [false, true, false, false, true, true, false, true];
    let fields = COLUMNS.iter().zip(kinds).zip(nullable);
    let fields = fields.map(|((name, kind), null)| Field::new(*name, kind, null));
    let fold = folds.then(|| Field::new(FOLD, DataType::Int32, false));
    Arc::new(Schema::new(fold.into_iter().chain(fields).collect::<Vec<_>>()))
}

/// A digest of everything that matters in a file.
struct Digest(Hasher);

impl Digest {
    fn of(header: &str) -> Self {
        let mut digest = Self(Hasher::new());
        digest.add(header.as_bytes());
        digest
    }

    /// Adds some bytes, and how many there are.
    fn add(&mut self, bytes: &[u8]) {
        self.0.write(&(bytes.len() as u64).to_le_bytes());
        self.0.write(bytes);
    }

    fn add_text(&mut self, text: Option<&str>) {
        self.add(&[u8::from(text.is_some())]);
        self.add(text.unwrap_or_default().as_bytes());
    }

    fn add_row(&mut self, row: &FileRow<'_>) {
        if let Some(fold) = row.fold {
            self.add(&fold.to_le_bytes());
        }
        self.add(&row.table.to_le_bytes());
        self.add_text(row.levels);
        self.add(&row.rows.to_le_bytes());
        self.add_text(Some(row.sum));
        self.add_text(row.a);
        self.add_text(row.b);
        self.add(&row.value.to_bits().to_le_bytes());
        self.add_text(row.exact);
    }

    fn text(&self) -> String {
        format!("{:032x}", self.0.finish_128())
    }
}

/// A row of the file.
struct FileRow<'a> {
    /// Where there are folds.
    fold: Option<i32>,
    table: i32,
    levels: Option<&'a str>,
    rows: i64,
    sum: &'a str,
    a: Option<&'a str>,
    b: Option<&'a str>,
    value: f64,
    exact: Option<&'a str>,
}

impl State {
    /// Writes the state file: whole or not at all. The same sums make the same bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path.as_ref(), None)
    }

    /// The same, with how far a pass has come.
    pub(super) fn save_with(&self, path: &Path, progress: Option<Progress>) -> Result<()> {
        let header = Header::of(self, progress);
        write_whole(path, |file| self.write(&header, file).map_err(|e| Error::output(path, e)))
    }

    pub(super) fn write(
        &self,
        header: &Header,
        file: impl Write + Send,
    ) -> std::result::Result<(), parquet::errors::ParquetError> {
        let text =
            serde_json::to_string(header).map_err(|e| parquet::errors::ParquetError::External(e.into()))?;
        let level = ZstdLevel::try_new(1)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let folds = self.folds.is_some();
        let mut target = ArrowWriter::try_new(file, schema(folds), Some(properties))?;
        let mut rows = Rows::new(Digest::of(&text), folds);
        let tables = 0..self.design.tables_of_sums().len();
        let names: Vec<Vec<SumName>> = tables.map(|table| self.design.sum_names(table)).collect();
        for (fold, sums) in self.sums.iter().enumerate() {
            sums.save(&self.sets, |record| {
                rows.add(fold, &record, &names[record.table], &header.variables);
                if rows.len() >= ROWS_AT_ONCE { target.write(&rows.take()?) } else { Ok(()) }
            })?;
        }
        target.write(&rows.take()?)?;
        let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        target.append_key_value_metadata(pair(HEADER, text));
        target.append_key_value_metadata(pair(DIGEST, rows.digest.text()));
        target.finish()?;
        Ok(())
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// When the file cannot be read, is no state file, of a later version, or damaged.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match Self::load_with(path)? {
            (state, None) => Ok(state),
            (_, Some(_)) => {
                let message = "a checkpoint of a pass that has not ended: the same command goes on with it";
                Err(Error::data(format!("{}: {message}", path.display())))
            }
        }
    }

    /// The same, with how far a pass had come.
    pub(super) fn load_with(path: &Path) -> Result<(Self, Option<Progress>)> {
        let named = |what: String| Error::data(format!("{}: {what}", path.display()));
        let file = ParquetFile::open(path)?;
        let value = |key: &str| {
            let pairs = file.metadata().file_metadata().key_value_metadata().into_iter().flatten();
            pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.clone())
        };
        let no_state = || named("not a state file (`streamreg fit --save-state` writes one)".into());
        let text = value(HEADER).ok_or_else(no_state)?;
        check_version(&text).map_err(named)?;
        let header: Header =
            serde_json::from_str(&text).map_err(|e| named(format!("a damaged state file: {e}")))?;
        let damaged = |e: Error| named(format!("a damaged state file: {e}"));
        let mut state = header.state().map_err(damaged)?;
        let mut digest = Digest::of(&text);
        state.read_sums(&file, &header, &mut digest).map_err(damaged)?;
        if value(DIGEST) != Some(digest.text()) {
            return Err(named("a damaged state file: its digest is another one".into()));
        }
        Ok((state, header.progress))
    }

    fn read_sums(&mut self, file: &ParquetFile, header: &Header, digest: &mut Digest) -> Result<()> {
        let mut records = Records::new(self, header);
        let folds = self.folds.is_some();
        let columns = COLUMNS.into_iter().chain(folds.then_some(FOLD));
        let scan = file.scan(&ScanRequest::new(columns))?;
        if !folds {
            self.begin_part();
        }
        while let Some(partition) = scan.next_partition() {
            for batch in partition?.batches {
                let batch = batch?;
                for row in 0..batch.num_rows() {
                    let row = file_row(&batch, row, folds)?;
                    digest.add_row(&row);
                    if let Some((fold, record)) = records.push(&row)? {
                        self.restore(fold, &record)?;
                    }
                }
            }
        }
        if !records.is_empty() {
            return Err(Error::data("the last record is not complete"));
        }
        if self.sums.len() != self.parts() {
            return Err(Error::data("it does not have the sums of every fold"));
        }
        self.complete()
    }

    /// Takes in a record of a fold. They come in order, and the sums of a fold are made with its first: so nothing is made because
    /// the header says so.
    fn restore(&mut self, fold: i32, record: &SavedRecord) -> Result<()> {
        let fold = usize::try_from(fold).ok().filter(|&fold| fold < self.parts() && fold <= self.sums.len());
        let fold = fold.ok_or_else(|| Error::data("a row of the sums is of no fold"))?;
        if fold == self.sums.len() {
            self.begin_part();
        }
        Ok(self.sums[fold].restore(&self.design, &self.sets, record)?)
    }

    fn begin_part(&mut self) {
        self.sums.push(Statistics::one_of(self.parts(), &self.design));
    }
}

/// Refuses files of later versions.
fn check_version(header: &str) -> std::result::Result<(), String> {
    #[derive(Deserialize)]
    struct Version {
        streamreg_state: u32,
    }
    let version: Version = serde_json::from_str(header).map_err(|e| format!("a damaged state file: {e}"))?;
    match version.streamreg_state {
        1..=STATE_VERSION => Ok(()),
        other => {
            Err(format!("a state file of version {other}; this program reads versions up to {STATE_VERSION}"))
        }
    }
}

/// Rows on their way into the file.
struct Rows {
    digest: Digest,
    fold: Option<Int32Builder>,
    table: Int32Builder,
    levels: StringBuilder,
    rows: Int64Builder,
    names: [StringBuilder; 3],
    value: Float64Builder,
    exact: StringBuilder,
}

impl Rows {
    fn new(digest: Digest, folds: bool) -> Self {
        let text = StringBuilder::new;
        Self {
            digest,
            fold: folds.then(Int32Builder::new),
            table: Int32Builder::new(),
            levels: text(),
            rows: Int64Builder::new(),
            names: [text(), text(), text()],
            value: Float64Builder::new(),
            exact: text(),
        }
    }

    fn len(&self) -> usize {
        arrow_array::builder::ArrayBuilder::len(&self.table)
    }

    fn add(&mut self, fold: usize, record: &SavedRecord, names: &[SumName], variables: &[String]) {
        // Levels have no form that JSON cannot hold.
        let levels = serde_json::to_string(&record.levels).unwrap_or_default();
        let levels = (record.table > 0).then_some(levels.as_str());
        let name = |variable: Option<usize>| variable.map(|v| variables[v].as_str());
        let fold = self.fold.is_some().then_some(fold as i32);
        let mut row = |sum: &str, of: [Option<usize>; 2], value: f64, exact: Option<&str>| {
            let (a, b) = (name(of[0]), name(of[1]));
            let table = record.table as i32;
            self.push(&FileRow { fold, table, levels, rows: record.rows as i64, sum, a, b, value, exact });
        };
        match &record.sums {
            SavedSums::Exact(sums) => {
                for (name, sum) in names.iter().zip(sums) {
                    row(name.kind, name.of, sum.to_f64(), Some(&hexadecimal(sum)));
                }
            }
            SavedSums::Float { sums, log_weights } => {
                if let Some(sum) = log_weights {
                    row(LOG_WEIGHTS, [None, None], sum.to_f64(), Some(&hexadecimal(sum)));
                }
                for (name, &sum) in names.iter().zip(sums) {
                    row(name.kind, name.of, sum, None);
                }
            }
        }
    }

    fn push(&mut self, row: &FileRow<'_>) {
        self.digest.add_row(row);
        if let (Some(folds), Some(fold)) = (&mut self.fold, row.fold) {
            folds.append_value(fold);
        }
        self.table.append_value(row.table);
        self.levels.append_option(row.levels);
        self.rows.append_value(row.rows);
        self.names[0].append_value(row.sum);
        self.names[1].append_option(row.a);
        self.names[2].append_option(row.b);
        self.value.append_value(row.value);
        self.exact.append_option(row.exact);
    }

    /// The rows so far, as a batch.
    fn take(&mut self) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
        let [sum, a, b] = &mut self.names;
        let fold = self.fold.as_mut().map(|fold| Arc::new(fold.finish()) as ArrayRef);
        let columns: [ArrayRef; 8] = [
            Arc::new(self.table.finish()),
            Arc::new(self.levels.finish()),
            Arc::new(self.rows.finish()),
            Arc::new(sum.finish()),
            Arc::new(a.finish()),
            Arc::new(b.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.exact.finish()),
        ];
        let schema = schema(fold.is_some());
        RecordBatch::try_new(schema, fold.into_iter().chain(columns).collect())
    }
}

/// The name of the sum of the weights' logarithms where other sums are in float64: it is exact, and stands first.
const LOG_WEIGHTS: &str = "log_weight";

/// A number in hexadecimal, with the power of two behind it: as C and Python read and write floating-point numbers.
fn hexadecimal(sum: &BigFixed) -> String {
    let mut text = String::from(if sum.is_negative() { "-0x" } else { "0x" });
    match sum.magnitude().split_last() {
        None => text.push('0'),
        Some((top, rest)) => {
            text.push_str(&format!("{top:x}"));
            rest.iter().rev().for_each(|limb| text.push_str(&format!("{limb:016x}")));
        }
    }
    text.push_str(&format!("p{}", sum.exponent()));
    text
}

/// The number that [`hexadecimal`] wrote.
fn from_hexadecimal(text: &str) -> Option<BigFixed> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (digits, exponent) = rest.strip_prefix("0x")?.split_once('p')?;
    // The exponent is checked with the sum; here it must not overflow.
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() < 1 << 20)?;
    if digits.is_empty() || digits.len() > 1 << 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let limb = |chunk: &[u8]| u64::from_str_radix(std::str::from_utf8(chunk).ok()?, 16).ok();
    let limbs = digits.as_bytes().rchunks(16).map(limb).collect::<Option<Vec<u64>>>()?;
    Some(BigFixed::new(negative, limbs, exponent))
}

/// A row of a batch.
fn file_row(batch: &RecordBatch, row: usize, folds: bool) -> Result<FileRow<'_>> {
    let other = || Error::data("the columns are not those of a state file");
    let text = |column: usize| {
        let array = batch.column(column).as_string_opt::<i32>().ok_or_else(other)?;
        Ok::<_, Error>(array.is_valid(row).then(|| array.value(row)))
    };
    let [table, rows, value] = [0, 2, 6].map(|column| batch.column(column));
    let fold = folds.then(|| batch.column(COLUMNS.len()));
    if [table, rows, value].into_iter().chain(fold).any(|array| array.is_null(row)) {
        return Err(other());
    }
    let small = |array: &ArrayRef| {
        Ok::<_, Error>(array.as_primitive_opt::<Int32Type>().ok_or_else(other)?.value(row))
    };
    Ok(FileRow {
        fold: fold.map(small).transpose()?,
        table: small(table)?,
        levels: text(1)?,
        rows: rows.as_primitive_opt::<Int64Type>().ok_or_else(other)?.value(row),
        sum: text(3)?.ok_or_else(other)?,
        a: text(4)?,
        b: text(5)?,
        value: value.as_primitive_opt::<Float64Type>().ok_or_else(other)?.value(row),
        exact: text(7)?,
    })
}

/// Puts rows together to records.
struct Records<'h> {
    header: &'h Header,
    exact: bool,
    names: Vec<Vec<SumName>>,
    open: Option<Open>,
}

/// A record of which some sums were read.
struct Open {
    /// 0 where there are no folds.
    fold: i32,
    table: usize,
    levels: Option<String>,
    rows: i64,
    exact: Vec<BigFixed>,
    float: Vec<f64>,
    log_weights: Option<BigFixed>,
}

impl<'h> Records<'h> {
    fn new(state: &State, header: &'h Header) -> Self {
        let tables = state.design.tables_of_sums().len();
        let exact = state.precision() == streamreg_core::Precision::Exact;
        let names = (0..tables).map(|table| state.design.sum_names(table)).collect();
        Self { header, exact, names, open: None }
    }

    fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Takes in a row, and gives the record that it completes, and its fold.
    fn push(&mut self, row: &FileRow<'_>) -> Result<Option<(i32, SavedRecord)>> {
        let broken = |what: &str| Error::data(format!("a row of the sums {what}"));
        let table = usize::try_from(row.table).ok().filter(|&table| table < self.names.len());
        let table = table.ok_or_else(|| broken("is of no table"))?;
        let fold = row.fold.unwrap_or(0);
        let open = self.open.get_or_insert_with(|| Open {
            fold,
            table,
            levels: row.levels.map(str::to_owned),
            rows: row.rows,
            exact: Vec::new(),
            float: Vec::new(),
            log_weights: None,
        });
        if (open.fold, open.table, open.levels.as_deref(), open.rows) != (fold, table, row.levels, row.rows) {
            return Err(broken("belongs to another record than those before it"));
        }
        let sum =
            row.exact.map(|text| from_hexadecimal(text).ok_or_else(|| broken("is no number"))).transpose()?;
        if sum.as_ref().is_some_and(|sum| sum.to_f64().to_bits() != row.value.to_bits()) {
            return Err(broken("has two values"));
        }
        let first = open.float.is_empty() && open.log_weights.is_none();
        if !self.exact && table == 0 && first {
            if row.sum != LOG_WEIGHTS {
                return Err(broken("stands where the logarithms of the weights are expected"));
            }
            open.log_weights = Some(sum.ok_or_else(|| broken("is not exact"))?);
            return Ok(None);
        }
        let at = open.exact.len() + open.float.len();
        let name = self.names[table].get(at).ok_or_else(|| broken("is one too many"))?;
        let text = |variable: Option<usize>| variable.map(|v| self.header.variables[v].as_str());
        if (row.sum, row.a, row.b) != (name.kind, text(name.of[0]), text(name.of[1])) {
            return Err(broken("is of something else than expected"));
        }
        match sum {
            Some(sum) if self.exact => open.exact.push(sum),
            None if !self.exact => open.float.push(row.value),
            _ => return Err(broken("is of another precision than the state")),
        }
        if at + 1 < self.names[table].len() {
            return Ok(None);
        }
        let Some(open) = self.open.take() else { return Ok(None) };
        let levels: Vec<Level> = match &open.levels {
            Some(text) => serde_json::from_str(text).map_err(|_| broken("has no levels"))?,
            None => Vec::new(),
        };
        let sums = match self.exact {
            true => SavedSums::Exact(open.exact),
            false => SavedSums::Float { sums: open.float, log_weights: open.log_weights },
        };
        let rows = u64::try_from(open.rows).map_err(|_| broken("has fewer than no rows"))?;
        Ok(Some((open.fold, SavedRecord { table: open.table, levels, rows, sums })))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [
            BigFixed::ZERO,
            BigFixed::from(1.0),
            BigFixed::from(-0.1),
            BigFixed::new(true, vec![3, 0, 1 << 63], -1_074),
            BigFixed::new(false, vec![u64::MAX; 5], 17),
        ];
        for number in numbers {
            let text = hexadecimal(&number);
            assert_eq!(from_hexadecimal(&text), Some(number), "{text}");
        }
        assert_eq!(hexadecimal(&BigFixed::from(-2.5)), "-0x5p-1");
        for text in ["", "0x", "1p0", "0xp0", "0x1p", "0x1p9999999", "0xg1p0", "0x+1p0"] {
            assert_eq!(from_hexadecimal(text), None, "{text}");
        }
    }
}
