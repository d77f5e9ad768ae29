//! The beginning of a file: delimiter, header, and the types that a sample suggests.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use memchr::memchr;

use super::chunk::{Chunk, Chunker};
use super::field::{Field, Text};
use super::input::Input;
use super::options::{ColumnType, CsvOptions, Nulls};
use super::{number, value};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::MAX_COLUMNS;

/// Text looked at for types, at most; at least one record is.
const SAMPLE_BYTES: usize = 1 << 20;

/// Records looked at for types, at most.
const SAMPLE_RECORDS: usize = 10_000;

/// What must be known before the rows can be read.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) delimiter: u8,
    pub(super) names: Vec<String>,
    pub(super) types: Vec<ColumnType>,
    /// Columns whose type is a guess, because the sample has no value of theirs.
    pub(super) blank: Vec<bool>,
    /// Where the first record behind the header starts, in bytes of text.
    pub(super) data_start: u64,
    /// The line it starts on.
    pub(super) data_line: u64,
}

/// Reads the header and the sample.
pub(super) fn read(input: &Input, options: &CsvOptions, nulls: &Nulls) -> Result<Layout> {
    // The sample is not part of a scan, so what it reads does not count.
    let mut reader = input.reader(0, &Arc::default())?;
    let mut prefix = Vec::new();
    reader.read(&mut prefix, SAMPLE_BYTES)?;
    let mark = byte_order_mark(&prefix)?;
    prefix.drain(..mark);
    let delimiter = options.delimiter.unwrap_or_else(|| sniff_delimiter(input.path(), &prefix));

    let mut chunker = Chunker::new(reader, prefix, delimiter, SAMPLE_BYTES, 1);
    let Some((chunk, start, skipped)) = first_record(&mut chunker, delimiter)? else {
        return Err(Error::new(ErrorKind::Malformed, "no header: the file is empty"));
    };
    let text = chunk.text(delimiter);
    let (names, end) = if options.header { header(text, start)? } else { (numbered(text, start)?, start) };
    let data_start = mark as u64 + skipped + end as u64;
    let data_line = text.line(end);
    let (types, blank) = sampled_types(chunk, end, &mut chunker, &names, nulls, delimiter)?;
    Ok(Layout { delimiter, names, types, blank, data_start, data_line })
}

/// The length of the byte-order mark of UTF-8, or 0.
fn byte_order_mark(prefix: &[u8]) -> Result<usize> {
    match prefix {
        [0xef, 0xbb, 0xbf, ..] => Ok(3),
        // Without a mark, a zero in the first character gives it away.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Err(Error::new(ErrorKind::Unsupported, "the file is encoded in UTF-16")
                .with_help("convert it to UTF-8, for example with iconv"))
        }
        _ => Ok(0),
    }
}

/// A tab by the name of the file; else a comma unless the first line has none and something else instead.
fn sniff_delimiter(path: &Path, text: &[u8]) -> u8 {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    if name.ends_with(".tsv") || name.ends_with(".tab") {
        return b'\t';
    }
    let others = [b';', b'\t', b'|'];
    let mut counts = [0; 3];
    let mut in_quotes = false;
    let first_line = text.iter().skip_while(|b| matches!(b, b'\r' | b'\n'));
    for &byte in first_line {
        match byte {
            b'"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            b',' => return b',',
            b'\n' => break,
            _ => {
                if let Some(i) = others.iter().position(|&o| o == byte) {
                    counts[i] += 1;
                }
            }
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let winner = counts.iter().position(|&n| n == most && n > 0);
    winner.map_or(b',', |i| others[i])
}

/// The first chunk with a record in it, where that starts, and the length of the chunks before.
fn first_record(chunker: &mut Chunker, delimiter: u8) -> Result<Option<(Chunk, usize, u64)>> {
    let mut skipped = 0;
    while let Some(chunk) = chunker.next()? {
        let start = chunk.text(delimiter).skip_empty_lines(0);
        if start < chunk.len() {
            return Ok(Some((chunk, start, skipped)));
        }
        skipped += chunk.len() as u64;
    }
    Ok(None)
}

/// `column_1`, `column_2` and so on, for a file without a header.
fn numbered(text: Text<'_>, start: usize) -> Result<Vec<String>> {
    let columns = count_columns(text, start)?;
    Ok((1..=columns).map(|n| format!("column_{n}")).collect())
}

fn count_columns(text: Text<'_>, start: usize) -> Result<usize> {
    let columns = text.count_fields(start)?;
    if columns > MAX_COLUMNS {
        let message = format!("{columns} columns, at most {MAX_COLUMNS} are supported");
        return Err(Error::new(ErrorKind::Limit, message).at(Place::Line(text.line(start))));
    }
    Ok(columns)
}

/// The names of the columns and where the header ends.
fn header(text: Text<'_>, start: usize) -> Result<(Vec<String>, usize)> {
    let line = Place::Line(text.line(start));
    let mut names = Vec::with_capacity(count_columns(text, start)?);
    let mut at = start;
    loop {
        let (field, edge) = text.field(at)?;
        names.push(name(field, names.len() + 1).map_err(|e| e.at(line))?);
        at = edge.next;
        if edge.last {
            break;
        }
    }
    let mut seen = HashMap::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name.as_str(), i) {
            let message =
                format!("ambiguous column: it is both field {} and field {} of the header", first + 1, i + 1);
            return Err(Error::new(ErrorKind::Column, message).in_column(name).at(line));
        }
    }
    Ok((names, at))
}

/// The name in one field of the header.
fn name(field: Field<'_>, number: usize) -> Result<String> {
    if let Field::Plain(text) = field
        && memchr(b'\r', text).is_some()
    {
        return Err(Error::new(ErrorKind::Unsupported, "the lines end in CR alone")
            .with_help("convert them to LF, for example with tr '\\r' '\\n'"));
    }
    let name = String::from_utf8(field.trimmed().into_owned()).map_err(|e| {
        let shown = String::from_utf8_lossy(e.as_bytes()).into_owned();
        Error::new(ErrorKind::Malformed, format!("column name {number} is not valid UTF-8: {shown:?}"))
            .with_help("convert the file to UTF-8, for example with iconv")
    })?;
    if name.contains('\0') {
        return Err(Error::new(ErrorKind::Malformed, format!("column name {number} has a NUL byte")));
    }
    Ok(if name.is_empty() { format!("column_{number}") } else { name })
}

/// The types that fit the first records from `from` on, be they in this chunk or in a later one; and
/// which columns have no value in them.
fn sampled_types(
    mut chunk: Chunk,
    mut from: usize,
    chunker: &mut Chunker,
    names: &[String],
    nulls: &Nulls,
    delimiter: u8,
) -> Result<(Vec<ColumnType>, Vec<bool>)> {
    let mut sample = vec![Candidates::default(); names.len()];
    while chunk.text(delimiter).skip_empty_lines(from) == chunk.len() {
        match chunker.next()? {
            Some(next) => (chunk, from) = (next, 0),
            None => break,
        }
    }
    let text = chunk.text(delimiter);
    let mut at = text.skip_empty_lines(from);
    for _ in 0..SAMPLE_RECORDS {
        if at == chunk.len() {
            break;
        }
        at = text.skip_empty_lines(sample_record(text, at, &mut sample, nulls)?);
    }
    let blank = sample.iter().map(|c| !c.seen).collect();
    Ok((sample.iter().map(Candidates::winner).collect(), blank))
}

/// Takes note of the record at `start`; where it ends.
fn sample_record(text: Text<'_>, start: usize, sample: &mut [Candidates], nulls: &Nulls) -> Result<usize> {
    let columns = sample.len();
    let mut at = start;
    for (i, column) in sample.iter_mut().enumerate() {
        let (field, edge) = text.field(at)?;
        let content = field.trimmed();
        if !nulls.contains(&content) {
            column.note(&content);
        }
        at = edge.next;
        if edge.last != (i + 1 == columns) {
            return Err(text.ragged(start, columns));
        }
    }
    Ok(at)
}

/// The types that fit all fields of a column so far.
#[derive(Clone)]
struct Candidates {
    seen: bool,
    fits: [bool; 4],
}

impl Default for Candidates {
    fn default() -> Self {
        Self { seen: false, fits: [true; 4] }
    }
}

impl Candidates {
    /// In order of preference. `Timestamp` comes behind `Date`, whose fields it takes too.
    const TYPES: [ColumnType; 4] =
        [ColumnType::Number, ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp];

    fn note(&mut self, content: &[u8]) {
        self.seen = true;
        for (fits, column_type) in self.fits.iter_mut().zip(Self::TYPES) {
            *fits = *fits
                && match column_type {
                    ColumnType::Number => number::parse(content).is_some(),
                    ColumnType::Boolean => value::boolean(content).is_some(),
                    ColumnType::Date => value::date(content).is_some(),
                    ColumnType::Timestamp => value::timestamp(content).is_some(),
                    ColumnType::Text => true,
                };
        }
    }

    fn winner(&self) -> ColumnType {
        let fitting = self.fits.iter().zip(Self::TYPES).find(|(fits, _)| **fits);
        fitting.filter(|_| self.seen).map_or(ColumnType::Text, |(_, column_type)| column_type)
    }
}
