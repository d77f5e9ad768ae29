//! The beginning of a file: delimiter, header, and the types that a sample suggests.

use std::path::Path;
use std::sync::Arc;

use memchr::memchr;

use super::cells::Cells;
use super::chunk::{Chunk, Chunker};
use super::field::{Field, Text};
use super::input::Input;
use super::options::CsvOptions;
use super::sample::{Guess, SAMPLE_BYTES, guesses};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::MAX_COLUMNS;
use crate::storage::ahead::ReadAhead;

/// What must be known before the rows can be read.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) delimiter: u8,
    pub(super) names: Vec<String>,
    /// What each column is.
    pub(super) guesses: Vec<Guess>,
    /// Whether there is no record behind the header.
    pub(super) empty: bool,
    /// Where the first record behind the header starts, in bytes of text.
    pub(super) data_start: u64,
    /// The line it starts on.
    pub(super) data_line: u64,
}

/// Reads the header and the sample.
pub(super) fn read(input: &Input, options: &CsvOptions, cells: &Cells) -> Result<Layout> {
    // The sample is not part of a scan, so what it reads does not count.
    let mut reader = input.reader(0, &Arc::default(), &ReadAhead::new(0))?;
    let mut prefix = vec![0; SAMPLE_BYTES];
    let length = reader.read(&mut prefix)?;
    prefix.truncate(length);
    let mark = byte_order_mark(&prefix)?;
    prefix.drain(..mark);
    let (declared, length) = declared_delimiter(&prefix);
    prefix.drain(..length);
    let first_line = 1 + u64::from(length > 0);
    let sniffed = || declared.unwrap_or_else(|| sniff_delimiter(input.path(), &prefix, options.decimal));
    let delimiter = options.delimiter.unwrap_or_else(sniffed);

    let mut chunker = Chunker::new(reader, prefix, delimiter, SAMPLE_BYTES, first_line);
    let Some((chunk, start, skipped)) = first_record(&mut chunker, delimiter)? else {
        return Err(Error::new(ErrorKind::Malformed, "no header: the file is empty"));
    };
    let text = chunk.text(delimiter);
    let (names, end) = if options.header { header(text, start)? } else { (numbered(text, start)?, start) };
    let data_start = (mark + length) as u64 + skipped + end as u64;
    let data_line = text.line(end);
    let (guesses, empty) = guesses(chunk, end, &mut chunker, names.len(), cells, delimiter)?;
    Ok(Layout { delimiter, names, guesses, empty, data_start, data_line })
}

/// The delimiter that a first line `sep=;` names, which spreadsheets write and read, and the length of that line.
fn declared_delimiter(prefix: &[u8]) -> (Option<u8>, usize) {
    let line = memchr(b'\n', prefix).map_or(prefix.len(), |end| end + 1);
    let text = prefix[..line].trim_ascii_end();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    match text.split_at_checked(4) {
        Some((name, [delimiter])) if name.eq_ignore_ascii_case(b"sep=") => (Some(*delimiter), line),
        // A tab is a blank, which was trimmed.
        Some((name, [])) if name.eq_ignore_ascii_case(b"sep=") && prefix.get(4) == Some(&b'\t') => {
            (Some(b'\t'), line)
        }
        _ => (None, 0),
    }
}

/// The length of the byte-order mark of UTF-8, or 0.
fn byte_order_mark(prefix: &[u8]) -> Result<usize> {
    match prefix {
        [0xef, 0xbb, 0xbf, ..] => Ok(3),
        // Without a mark, a zero in the first character gives it away.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => {
            Err(Error::new(ErrorKind::Unsupported, "the file is encoded in UTF-16")
                .with_help("convert it to UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW_FILE"))
        }
        _ => Ok(0),
    }
}

/// Records that settle the delimiter.
const SNIFFED_RECORDS: usize = 50;

/// A tab by the name of the file; else a comma, if it gives the first records the same number of fields; else the one that
/// gives them most. If none does, a comma, unless the first line has none and another instead.
fn sniff_delimiter(path: &Path, text: &[u8], decimal: u8) -> u8 {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    if name.ends_with(".tsv") || name.ends_with(".tab") {
        return b'\t';
    }
    let candidates = [b',', b';', b'\t', b'|'];
    // A comma that stands in numbers ends no field.
    let fields = candidates.map(|d| if d == decimal { 0 } else { same_fields(text, d) });
    if fields[0] > 1 {
        return b',';
    }
    let most = fields.iter().copied().max().unwrap_or(0);
    if most > 1 {
        return fields.iter().position(|&n| n == most).map_or(b',', |i| candidates[i]);
    }
    let first_line =
        text.split(|b| matches!(b, b'\r' | b'\n')).find(|line| !line.is_empty()).unwrap_or_default();
    let unquoted = first_line.split(|&b| b == b'"').step_by(2).flatten();
    let counts = candidates.map(|delimiter| unquoted.clone().filter(|&&b| b == delimiter).count());
    let most = counts[1..].iter().copied().max().unwrap_or(0);
    match counts.iter().position(|&n| n == most) {
        Some(i) if counts[0] == 0 && most > 0 => candidates[i],
        _ => b',',
    }
}

/// How many fields the first records have, if all have as many; 0 if not.
fn same_fields(text: &[u8], delimiter: u8) -> usize {
    let text = Text { bytes: text, first_line: 1, delimiter, single: false };
    let mut at = text.skip_empty_lines(0);
    let mut fields = 0;
    for record in 0..SNIFFED_RECORDS {
        let Ok((count, end)) = text.record(at) else { return 0 };
        // The sample may end in the middle of a record.
        if at == text.bytes.len() || (end == text.bytes.len() && record > 0) {
            break;
        }
        if record > 0 && count != fields {
            return 0;
        }
        fields = count;
        at = text.skip_empty_lines(end);
    }
    fields
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
