//! The first lines of a file, which settle its columns and their types.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::line::parse;
use crate::csv::chunk::Chunker;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::MAX_COLUMNS;
use crate::lines::split;

/// Lines that settle the types of the columns.
const SAMPLE_LINES: usize = 10_000;

/// What the values of a key are.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    boolean: bool,
    integer: bool,
    float: bool,
    text: bool,
    array: bool,
    object: bool,
}

/// The keys of the first lines in the order in which they occur, and what their values are.
#[derive(Debug, Default)]
pub(super) struct Sample {
    keys: Vec<(String, Kinds)>,
    index: HashMap<String, usize>,
    /// For each key the line that had it last, counted from 1.
    lines: Vec<usize>,
    line: usize,
}

impl Sample {
    pub(super) fn read(chunks: &mut Chunker) -> Result<Self> {
        let mut sample = Self::default();
        let mut rows = 0;
        while let Some(chunk) = chunks.next()? {
            for (line, number) in split(chunk.bytes()).zip(chunk.first_line()..) {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                parse(line, &mut sample).map_err(|e| e.at(Place::Line(number)))?;
                rows += 1;
                if sample.keys.len() > MAX_COLUMNS {
                    let message = format!("more than {MAX_COLUMNS} keys are beyond the limit");
                    return Err(Error::new(ErrorKind::Limit, message).at(Place::Line(number)));
                }
                if rows >= SAMPLE_LINES {
                    return Ok(sample);
                }
            }
        }
        if rows == 0 {
            return Err(Error::new(ErrorKind::Malformed, "the file has no line with an object of JSON"));
        }
        Ok(sample)
    }

    /// The columns, and for each why it cannot be read, if so. One without a value has the type in `types`, if any.
    pub(super) fn columns(&self, types: &[(String, DataType)]) -> (Vec<Field>, Vec<Option<String>>) {
        let column = |(name, kinds): &(String, Kinds)| {
            let (kind, problem) = kinds.column();
            let known = types.iter().find(|(other, _)| other == name).map(|(_, kind)| kind.clone());
            let kind = if kind == DataType::Null { known.unwrap_or(kind) } else { kind };
            (Field::new(name, kind, true), problem)
        };
        self.keys.iter().map(column).unzip()
    }
}

impl Kinds {
    fn column(self) -> (DataType, Option<String>) {
        let scalars =
            usize::from(self.boolean) + usize::from(self.integer || self.float) + usize::from(self.text);
        if self.array || self.object {
            let kind = if self.object {
                DataType::Struct(Fields::empty())
            } else {
                DataType::List(Arc::new(Field::new("item", DataType::Null, true)))
            };
            return (kind, Some("columns of arrays or objects are not read".to_owned()));
        }
        if scalars > 1 {
            let message = "the first 10,000 lines have values of several types: numbers, text, or true and false; \
                           make them one in the file";
            return (DataType::Utf8, Some(message.to_owned()));
        }
        let kind = match self {
            Self { boolean: true, .. } => DataType::Boolean,
            Self { text: true, .. } => DataType::Utf8,
            Self { float: true, .. } => DataType::Float64,
            Self { integer: true, .. } => DataType::Int64,
            _ => DataType::Null,
        };
        (kind, None)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Sample {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Sample {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<(), M::Error> {
        self.line += 1;
        while let Some(key) = map.next_key::<String>()? {
            let next = self.keys.len();
            let index = *self.index.entry(key).or_insert_with_key(|key| {
                self.keys.push((key.clone(), Kinds::default()));
                self.lines.push(0);
                next
            });
            if std::mem::replace(&mut self.lines[index], self.line) == self.line {
                let message = format!("the key {:?} occurs twice", self.keys[index].0);
                return Err(serde::de::Error::custom(message));
            }
            let found: Kinds = map.next_value()?;
            let kinds = &mut self.keys[index].1;
            kinds.boolean |= found.boolean;
            kinds.integer |= found.integer;
            kinds.float |= found.float;
            kinds.text |= found.text;
            kinds.array |= found.array;
            kinds.object |= found.object;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Kinds {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        json.deserialize_any(KindsVisitor)
    }
}

struct KindsVisitor;

impl<'de> Visitor<'de> for KindsVisitor {
    type Value = Kinds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Kinds, E> {
        Ok(Kinds { boolean: true, ..Kinds::default() })
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Kinds, E> {
        Ok(Kinds { integer: true, ..Kinds::default() })
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Kinds, E> {
        // Beyond int64 a number is the float64 nearest to it.
        let integer = i64::try_from(value).is_ok();
        Ok(Kinds { integer, float: !integer, ..Kinds::default() })
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Kinds, E> {
        // The parser makes a float of `-0`.
        let integer = value == 0.0 && value.is_sign_negative();
        Ok(Kinds { integer, float: !integer, ..Kinds::default() })
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Kinds, E> {
        Ok(Kinds { text: true, ..Kinds::default() })
    }

    fn visit_unit<E>(self) -> std::result::Result<Kinds, E> {
        Ok(Kinds::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Kinds, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kinds { array: true, ..Kinds::default() })
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Kinds, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Kinds { object: true, ..Kinds::default() })
    }
}
