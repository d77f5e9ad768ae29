//! Where fields end. Every other module takes records apart through [`Text`].

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::lanes::{LOOK, Lanes, repeat};
use crate::error::{Error, ErrorKind, Place, Result};

/// Whole records, and what is needed to take them apart. Positions are offsets into `bytes`.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Line number of the first byte.
    pub(super) first_line: u64,
    pub(super) delimiter: u8,
    /// Whether records have one field, so that an empty line is one with nothing in it.
    pub(super) single: bool,
}

/// The end of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// Where the next field or record starts.
    pub(super) next: usize,
    /// Whether the field was the last one of its record.
    pub(super) last: bool,
}

/// A field as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Without quotes around it.
    Plain(&'a [u8]),
    /// What stands between the quotes.
    Quoted(&'a [u8]),
}

impl<'a> Field<'a> {
    /// The text that is meant, escaped quotes resolved.
    pub(super) fn content(self) -> Cow<'a, [u8]> {
        match self {
            Self::Quoted(inner) if memchr(b'"', inner).is_some() => Cow::Owned(unescape(inner)),
            Self::Plain(text) | Self::Quoted(text) => Cow::Borrowed(text),
        }
    }

    /// The same without the blanks around it, which count only in quotes.
    pub(super) fn trimmed(self) -> Cow<'a, [u8]> {
        match self {
            Self::Plain(text) => Cow::Borrowed(trim(text)),
            Self::Quoted(_) => self.content(),
        }
    }
}

fn unescape(inner: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(inner.len());
    let mut at = 0;
    for pair in memmem::find_iter(inner, b"\"\"") {
        content.extend_from_slice(&inner[at..=pair]);
        at = pair + 2;
    }
    content.extend_from_slice(&inner[at..]);
    content
}

/// `text` without spaces and tabs around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &text[start..end]
}

impl<'a> Text<'a> {
    /// The line that the byte at `at` stands on. Costs a search from the start: for errors.
    pub(super) fn line(&self, at: usize) -> u64 {
        let before = self.bytes.get(..at).unwrap_or(self.bytes);
        self.first_line + memchr_iter(b'\n', before).count() as u64
    }

    /// Line ends between two positions.
    pub(super) fn lines_between(&self, start: usize, end: usize) -> u64 {
        memchr_iter(b'\n', self.bytes.get(start..end).unwrap_or_default()).count() as u64
    }

    /// The same text, of records with so many fields.
    pub(super) fn of_fields(self, fields: usize) -> Self {
        Self { single: fields == 1, ..self }
    }

    /// The start of the next record: `at`, or behind the empty lines there, unless they are records themselves.
    #[inline(always)]
    pub(super) fn next_record(&self, at: usize) -> usize {
        if self.single { at } else { self.skip_empty_lines(at) }
    }

    /// Behind the empty lines at `at`.
    #[inline(always)]
    pub(super) fn skip_empty_lines(&self, mut at: usize) -> usize {
        while let Some(edge) = self.end(at)
            && edge.last
            && edge.next > at
        {
            at = edge.next;
        }
        at
    }

    /// The number of records, as [`Text::skip`] would find them in a text without mistakes.
    ///
    /// This runs under the lock of a scan. Without quotes it looks at line ends alone.
    pub(super) fn count_records(&self) -> u64 {
        let mut records = 0;
        let mut at = self.next_record(0);
        let quoted = memchr(b'"', self.bytes).is_some();
        while at < self.bytes.len() {
            records += 1;
            let end = if quoted { self.record_end(at) } else { self.line_end(at) };
            at = self.next_record(end);
        }
        records
    }

    /// Behind the line end that follows `at`.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        memchr(b'\n', rest).map_or(self.bytes.len(), |i| at + i + 1)
    }

    /// Behind the record that starts at `at`; where it is damaged, behind its line.
    fn record_end(&self, at: usize) -> usize {
        // Most records have no quote, and then their end is the next line end.
        let line = self.line_end(at);
        if memchr(b'"', self.bytes.get(at..line).unwrap_or_default()).is_none() {
            return line;
        }
        let mut from = at;
        loop {
            match self.skip(from) {
                Ok(edge) if edge.last => return edge.next,
                Ok(edge) => from = edge.next,
                Err(_) => return line.max(from),
            }
        }
    }

    /// The edge at `at`, if a field ends there.
    #[inline(always)]
    pub(super) fn end(&self, at: usize) -> Option<Edge> {
        match self.bytes.get(at) {
            Some(&b) if b == self.delimiter => Some(Edge { next: at + 1, last: false }),
            Some(b'\n') => Some(Edge { next: at + 1, last: true }),
            Some(b'\r') => match self.bytes.get(at + 1) {
                Some(b'\n') => Some(Edge { next: at + 2, last: true }),
                None => Some(Edge { next: at + 1, last: true }),
                Some(_) => None,
            },
            None => Some(Edge { next: at, last: true }),
            Some(_) => None,
        }
    }

    /// The field that starts at `at`.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] for quotes that are not closed or are followed by text.
    pub(super) fn field(&self, at: usize) -> Result<(Field<'a>, Edge)> {
        if self.bytes.get(at) == Some(&b'"') {
            return self.quoted(at);
        }
        let stop = self.plain_end(at);
        let edge = match self.bytes.get(stop) {
            Some(&b) => Edge { next: stop + 1, last: b != self.delimiter },
            None => Edge { next: stop, last: true },
        };
        let field = &self.bytes[at..stop];
        let field = if edge.last { field.strip_suffix(b"\r").unwrap_or(field) } else { field };
        Ok((Field::Plain(field), edge))
    }

    /// Steps over the field that starts at `at`.
    #[inline]
    pub(super) fn skip(&self, at: usize) -> Result<Edge> {
        if self.bytes.get(at) == Some(&b'"') {
            return Ok(self.quoted(at)?.1);
        }
        let stop = self.plain_end(at);
        Ok(match self.bytes.get(stop) {
            Some(&b) => Edge { next: stop + 1, last: b != self.delimiter },
            None => Edge { next: stop, last: true },
        })
    }

    /// Steps over `count` fields from `at` on, by their delimiters alone: `None` where a quote or a line end may stand before
    /// the last one, or the text may end.
    #[inline(always)]
    pub(super) fn skip_plain(&self, lanes: impl Lanes, mut at: usize, count: usize) -> Option<Edge> {
        let mut left = count as u32;
        loop {
            let bytes = self.bytes.get(at..)?.first_chunk()?;
            let mut delimiters = lanes.any_of(bytes, [self.delimiter; 2]);
            let others = lanes.any_of(bytes, [b'"', b'\n']);
            let found = delimiters.count_ones();
            if found >= left {
                for _ in 1..left {
                    delimiters &= delimiters - 1;
                }
                let last = delimiters.trailing_zeros();
                return (others & !(u32::MAX << last) == 0)
                    .then_some(Edge { next: at + last as usize + 1, last: false });
            }
            if others != 0 {
                return None;
            }
            left -= found;
            at += LOOK;
        }
    }

    /// The number of fields of the record that starts at `at`.
    pub(super) fn count_fields(&self, at: usize) -> Result<usize> {
        Ok(self.record(at)?.0)
    }

    /// The number of fields of the record that starts at `at`, and where it ends.
    pub(super) fn record(&self, at: usize) -> Result<(usize, usize)> {
        let mut edge = self.skip(at)?;
        let mut fields = 1;
        while !edge.last {
            edge = self.skip(edge.next)?;
            fields += 1;
        }
        Ok((fields, edge.next))
    }

    fn quoted(&self, at: usize) -> Result<(Field<'a>, Edge)> {
        let mut from = at + 1;
        let close = loop {
            let Some(i) = self.bytes.get(from..).and_then(|rest| memchr(b'"', rest)) else {
                return Err(self.unclosed(at));
            };
            if self.bytes.get(from + i + 1) != Some(&b'"') {
                break from + i;
            }
            from += i + 2;
        };
        match self.end(close + 1) {
            Some(edge) => Ok((Field::Quoted(&self.bytes[at + 1..close]), edge)),
            None => Err(Error::new(ErrorKind::Malformed, "text after the closing quote of a field")
                .at(Place::Line(self.line(close)))
                .with_help("a quote within quotes is written twice")),
        }
    }

    /// The error for a quoted field that opens at `at` and does not end.
    pub(super) fn unclosed(&self, at: usize) -> Error {
        Error::new(ErrorKind::Malformed, "a quoted field opens on this line and is never closed")
            .at(Place::Line(self.line(at)))
    }

    /// The error for the record at `at`, which has not `expected` fields.
    pub(super) fn ragged(&self, at: usize, expected: usize) -> Error {
        match self.count_fields(at) {
            Err(e) => e,
            Ok(found) => {
                let fields = if expected == 1 { "field" } else { "fields" };
                let message = format!("expected {expected} {fields} like the first record, found {found}");
                let error = Error::new(ErrorKind::Malformed, message).at(Place::Line(self.line(at)));
                let delimiter = char::from(self.delimiter);
                match expected.min(found) {
                    1 => error.with_help(format!(
                        "fields are taken to end at {delimiter:?}; --delimiter sets another delimiter"
                    )),
                    _ => error,
                }
            }
        }
    }

    /// The first delimiter or line feed from `at` on, or the end. Eight bytes are tested at a time: most
    /// fields are too short to be worth the call of a vectorised search.
    #[inline]
    fn plain_end(&self, at: usize) -> usize {
        let (delimiters, line_feeds) = (repeat(self.delimiter), repeat(b'\n'));
        let mut from = at;
        while let Some(word) = self.bytes.get(from..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_le_bytes(*word);
            let hits = zero_bytes(word ^ delimiters) | zero_bytes(word ^ line_feeds);
            if hits != 0 {
                return from + hits.trailing_zeros() as usize / 8;
            }
            from += 8;
            if from - at >= 32 {
                break;
            }
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        memchr2(self.delimiter, b'\n', rest).map_or(self.bytes.len(), |i| from + i)
    }
}

/// Marks the zero bytes of a word; the lowest mark is right, those above it may not be.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}
