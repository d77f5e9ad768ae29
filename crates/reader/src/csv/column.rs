//! Fields to Arrow arrays.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use memchr::memchr;

use super::cells::Cells;
use super::doubt::{misfit, shown};
use super::field::{Edge, Field, Text, trim};
use super::lanes::Lanes;
use super::options::ColumnType;
use super::{number, value};
use crate::error::{Error, ErrorKind, Place, Result};

/// A field to read.
#[derive(Debug)]
pub(super) struct Step {
    /// Fields to step over before it.
    pub(super) gap: usize,
    /// Whether it is the field of the step before, read as something else.
    pub(super) again: bool,
    /// How it is read; `None` for the text as it stands.
    pub(super) column_type: Option<ColumnType>,
    /// Whether the type means nothing, as the sample has no value.
    pub(super) untyped: bool,
    pub(super) name: String,
}

/// A column of a batch that is being filled.
pub(super) enum Column {
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Time(Time64MicrosecondBuilder),
    Text(StringBuilder),
    /// Of a type that nobody knows, as the sample has no value: text, but for spellings that are missing in all other types.
    Untyped(StringBuilder),
    /// Text as it stands in the file: only an empty field is null.
    Verbatim(StringBuilder),
}

impl Column {
    /// With room for `rows`.
    pub(super) fn new(column_type: ColumnType, rows: usize) -> Self {
        match column_type {
            ColumnType::Number => Self::Number(Float64Builder::with_capacity(rows)),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            ColumnType::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows)),
            ColumnType::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            ColumnType::Text => Self::Text(StringBuilder::with_capacity(rows, 8 * rows)),
        }
    }

    /// With room for `rows` fields of an unknown type.
    pub(super) fn untyped(rows: usize) -> Self {
        Self::Untyped(StringBuilder::with_capacity(rows, 8 * rows))
    }

    /// With room for `rows` fields as they stand in the file.
    pub(super) fn verbatim(rows: usize) -> Self {
        Self::Verbatim(StringBuilder::with_capacity(rows, 8 * rows))
    }

    /// The values so far; the column starts again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Number(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Date(values) => Arc::new(values.finish()),
            Self::Timestamp(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
            Self::Text(values) | Self::Untyped(values) | Self::Verbatim(values) => Arc::new(values.finish()),
        }
    }

    /// Appends the field at `at`.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        lanes: impl Lanes,
        text: Text<'_>,
        at: usize,
        step: &Step,
        cells: &Cells,
    ) -> Result<Edge> {
        if let Self::Number(values) = self
            && cells.plain_decimals
            && let Some((value, edge)) = decimal(lanes, text, at)
        {
            values.append_value(value);
            return Ok(edge);
        }
        self.read_any(text, at, step, cells)
    }

    /// Appends the field at `at`, whatever it looks like.
    #[inline(never)]
    fn read_any(&mut self, text: Text<'_>, at: usize, step: &Step, cells: &Cells) -> Result<Edge> {
        let (field, edge) = text.field(at)?;
        let appended = match self {
            Self::Text(values) => append_text(values, field, |content| cells.is_null(content)),
            Self::Untyped(values) => append_text(values, field, |content| cells.is_typed_null(trim(content))),
            Self::Verbatim(values) => append_text(values, field, <[u8]>::is_empty),
            typed => typed.append(trim(&field.content()), cells),
        };
        match appended {
            Some(()) => Ok(edge),
            None => Err(unreadable(field, step, cells).at(Place::Line(text.line(at)))),
        }
    }

    /// Appends a trimmed cell that is not text; `None` if it does not fit.
    fn append(&mut self, cell: &[u8], cells: &Cells) -> Option<()> {
        let null = cells.is_typed_null(cell);
        match self {
            Self::Number(values) if null => values.append_null(),
            Self::Number(values) => values.append_value(cells.number(cell)?),
            Self::Boolean(values) if null => values.append_null(),
            Self::Boolean(values) => values.append_value(value::boolean(cell)?),
            Self::Date(values) if null => values.append_null(),
            Self::Date(values) => values.append_value(cells.date(cell)?),
            Self::Timestamp(values) if null => values.append_null(),
            Self::Timestamp(values) => values.append_value(cells.timestamp(cell)?),
            Self::Time(values) if null => values.append_null(),
            Self::Time(values) => values.append_value(cells.time(cell)?),
            Self::Text(_) | Self::Untyped(_) | Self::Verbatim(_) => return None,
        }
        Some(())
    }
}

/// Reads a number on the way to the end of its field, if it is all there is to the field.
#[inline(always)]
fn decimal(lanes: impl Lanes, text: Text<'_>, at: usize) -> Option<(f64, Edge)> {
    let rest = text.bytes.get(at..)?;
    if let Some((value, length)) = number::leading_plain_decimal(lanes, rest)
        && let Some(edge) = text.end(at + length)
    {
        return Some((value, edge));
    }
    any_decimal(text, at)
}

/// The same for decimals that are long, or have an exponent.
#[inline(never)]
fn any_decimal(text: Text<'_>, at: usize) -> Option<(f64, Edge)> {
    let (value, length) = number::leading_decimal(text.bytes.get(at..)?)?;
    Some((value, text.end(at + length)?))
}

/// Appends text, blanks and all; `None` if it is not UTF-8 or has a NUL byte.
fn append_text(values: &mut StringBuilder, field: Field<'_>, is_null: impl Fn(&[u8]) -> bool) -> Option<()> {
    let content = field.content();
    let trimmed = if matches!(field, Field::Plain(_)) { trim(&content) } else { &content };
    if is_null(trimmed) {
        values.append_null();
    } else if memchr(0, &content).is_some() {
        return None;
    } else {
        values.append_value(std::str::from_utf8(&content).ok()?);
    }
    Some(())
}

/// The error for a field that is not what its column should be.
#[cold]
fn unreadable(field: Field<'_>, step: &Step, cells: &Cells) -> Error {
    let content = field.content();
    let error = |message: String| Error::new(ErrorKind::Malformed, message).in_column(&step.name);
    match step.column_type.unwrap_or(ColumnType::Text) {
        ColumnType::Text if std::str::from_utf8(&content).is_err() => {
            error(format!("{:?} is not valid UTF-8", shown(&content)))
                .with_help("convert the file, for example with iconv")
        }
        ColumnType::Text => error(format!("{:?} has a NUL byte", shown(&content))),
        other => misfit(&content, &step.name, other, cells),
    }
}
