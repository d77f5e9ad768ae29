//! A line: from text to the columns of a batch, without a value in between.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, NullArray};
use arrow_schema::DataType;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::MAX_JSON_DEPTH;

/// A key, and before it those of the objects that it is in.
pub(super) type Path = Vec<String>;

/// The keys that are read.
#[derive(Debug)]
pub(super) struct Keys {
    index: KeyIndex,
    /// The columns they fill.
    names: Vec<String>,
}

/// What is read of an object, by key.
type KeyIndex = HashMap<String, Entry>;

/// What is done with a value.
#[derive(Debug)]
enum Entry {
    /// It goes to the column with this number.
    Column(usize),
    /// It is an object, of which entries are read.
    Object(KeyIndex),
}

impl Keys {
    /// A column for every path. The paths are those of a sample, in which nothing is a value and an object at once.
    pub(super) fn new(paths: impl IntoIterator<Item = Path>) -> Self {
        let mut keys = Self { index: KeyIndex::new(), names: Vec::new() };
        for (number, path) in paths.into_iter().enumerate() {
            keys.names.push(path.join("."));
            insert(&mut keys.index, &path, number);
        }
        keys
    }

    /// Appends the values of a line to the columns, one for every key.
    pub(super) fn read(&self, line: &[u8], columns: &mut [Column]) -> Result<()> {
        let at = Cell::new(None);
        // All columns are as long when a line begins; one that is longer has had its key.
        let rows = columns.first().map_or(0, Column::len);
        let object = Object { keys: &self.index, columns, rows, is_part: false, at: &at };
        parse(line, object).map_err(|e| match at.get().and_then(|at: usize| self.names.get(at)) {
            Some(name) => e.in_column(name),
            None => e,
        })
    }
}

fn insert(index: &mut KeyIndex, path: &[String], number: usize) {
    match path {
        [] => {}
        [key] => _ = index.insert(key.clone(), Entry::Column(number)),
        [key, rest @ ..] => {
            let entry = index.entry(key.clone()).or_insert_with(|| Entry::Object(KeyIndex::new()));
            if let Entry::Object(inner) = entry {
                insert(inner, rest, number);
            }
        }
    }
}

/// Reads a line, all of it.
pub(super) fn parse<'de, S: DeserializeSeed<'de>>(line: &'de [u8], seed: S) -> Result<S::Value> {
    // Some programs put a mark of the encoding before the first line.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    check_bytes(line)?;
    let mut json = serde_json::Deserializer::from_slice(line);
    let value = seed.deserialize(&mut json);
    value.and_then(|value| json.end().map(|()| value)).map_err(|e| {
        let message = e.to_string();
        let message = message.split(" at line 1 column").next().unwrap_or_default();
        let before = &line[..e.column().saturating_sub(1).min(line.len())];
        let message = format!("character {}: {message}", String::from_utf8_lossy(before).chars().count() + 1);
        Error::new(ErrorKind::Malformed, message)
            .with_help("every line is an object such as {\"x\": 1.5, \"city\": \"Bern\"}")
    })
}

/// Refuses what the parser would pass over in values that nobody reads: NULs, and nesting without end.
fn check_bytes(line: &[u8]) -> Result<()> {
    let mut opened = 0usize;
    for at in memchr::memchr3_iter(0, b'[', b'{', line) {
        if line[at] == 0 {
            let message = format!("character {}: a NUL byte; the file was cut short or overwritten", at + 1);
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        opened += 1;
    }
    // Most lines have fewer brackets than that, and none is looked at twice.
    if opened > MAX_JSON_DEPTH && depth(line) > MAX_JSON_DEPTH {
        let message = format!("arrays and objects nest deeper than {MAX_JSON_DEPTH} levels, the limit");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// How deep arrays and objects nest. Brackets in text are none.
fn depth(line: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0usize, 0, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A column of a batch that is being filled.
pub(super) enum Column {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Text(StringBuilder),
    /// Without a value in the sample; there must be none behind it.
    Blank(usize),
}

impl Column {
    pub(super) fn new(kind: &DataType) -> Self {
        match kind {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Null => Self::Blank(0),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Blank(rows) => *rows,
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(values) => values.append_null(),
            Self::Integer(values) => values.append_null(),
            Self::Number(values) => values.append_null(),
            Self::Text(values) => values.append_null(),
            Self::Blank(rows) => *rows += 1,
        }
    }

    /// A row that has no value yet gets none.
    pub(super) fn fill(&mut self, rows: usize) {
        if self.len() < rows {
            self.append_null();
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Number(values) => Arc::new(values.finish()),
            Self::Text(values) => Arc::new(values.finish()),
            Self::Blank(rows) => Arc::new(NullArray::new(*rows)),
        }
    }
}

/// An object whose values go to columns.
struct Object<'a> {
    keys: &'a KeyIndex,
    columns: &'a mut [Column],
    /// Rows before this line.
    rows: usize,
    /// Whether it is a value of another one.
    is_part: bool,
    /// The column that is being filled, for errors.
    at: &'a Cell<Option<usize>>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<(), M::Error> {
        while let Some(entry) = map.next_key_seed(Key(self.keys))? {
            match entry {
                None => _ = map.next_value::<IgnoredAny>()?,
                Some(Entry::Object(keys)) => {
                    let columns = &mut *self.columns;
                    map.next_value_seed(Object {
                        keys,
                        columns,
                        rows: self.rows,
                        is_part: true,
                        at: self.at,
                    })?;
                }
                Some(&Entry::Column(index)) => {
                    self.at.set(Some(index));
                    if self.columns[index].len() > self.rows {
                        return Err(serde::de::Error::custom("the key occurs twice"));
                    }
                    map.next_value_seed(Value(&mut self.columns[index]))?;
                    self.at.set(None);
                }
            }
        }
        Ok(())
    }

    /// An object that is missing: so are its entries.
    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<(), E> {
        match self.is_part {
            true => Ok(()),
            false => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }
}

/// A key as what is done with its value, if it is read.
struct Key<'a>(&'a KeyIndex);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Entry>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Option<&'a Entry>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> std::result::Result<Option<&'a Entry>, E> {
        Ok(self.0.get(key))
    }
}

/// A value that goes to a column.
struct Value<'a>(&'a mut Column);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Column::Boolean(_) => "true or false, as in the first 10,000 lines",
            Column::Integer(_) => "an integer of 64 bits, as in the first 10,000 lines",
            Column::Number(_) => "a number, as in the first 10,000 lines",
            Column::Text(_) => "text, as in the first 10,000 lines",
            Column::Blank(_) => "no value, as in the first 10,000 lines",
        })
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> std::result::Result<(), E> {
        match self.0 {
            Column::Boolean(values) => values.append_value(value),
            _ => return Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> std::result::Result<(), E> {
        match self.0 {
            Column::Integer(values) => values.append_value(value),
            Column::Number(values) => values.append_value(value as f64),
            _ => return Err(E::invalid_type(Unexpected::Signed(value), &self)),
        }
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> std::result::Result<(), E> {
        match (i64::try_from(value), self.0) {
            (Ok(value), Column::Integer(values)) => values.append_value(value),
            (_, Column::Number(values)) => values.append_value(value as f64),
            (_, other) => return Err(E::invalid_type(Unexpected::Unsigned(value), &Value(other))),
        }
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<(), E> {
        match self.0 {
            Column::Number(values) => values.append_value(value),
            // The parser makes a float of `-0`.
            Column::Integer(values) if value == 0.0 => values.append_value(0),
            _ => return Err(E::invalid_type(Unexpected::Float(value), &self)),
        }
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<(), E> {
        match self.0 {
            Column::Text(values) => values.append_value(value),
            _ => return Err(E::invalid_type(Unexpected::Str(value), &self)),
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.0.append_null();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(serde::de::Error::invalid_type(Unexpected::Seq, &self))
    }

    fn visit_map<M: MapAccess<'de>>(self, _: M) -> std::result::Result<(), M::Error> {
        Err(serde::de::Error::invalid_type(Unexpected::Map, &self))
    }
}
