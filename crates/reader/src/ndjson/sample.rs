//! The first lines of a file, which settle its columns and their types.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::line::{Path, parse};
use crate::csv::chunk::Chunker;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::MAX_COLUMNS;
use crate::lines::split;
use crate::source::PART_OF;

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

/// The keys of the first lines in the order in which they occur, and what their values are. The keys of an object that is a
/// value are keys, too, by their path.
#[derive(Debug, Default)]
pub(super) struct Sample {
    keys: Vec<(Path, Kinds)>,
    index: HashMap<Path, usize>,
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

    /// The columns. One without a value has the type in `types`, if any.
    pub(super) fn columns(self, types: &[(String, DataType)]) -> Vec<SampledColumn> {
        let column = |(path, kinds): (Path, Kinds)| {
            let (kind, problem) = kinds.column();
            let name = path.join(".");
            let known = types.iter().find(|(other, _)| *other == name).map(|(_, kind)| kind.clone());
            let kind = if kind == DataType::Null { known.unwrap_or(kind) } else { kind };
            let mut field = Field::new(name, kind, true);
            if let Some((_, object)) = path.split_last().filter(|(_, object)| !object.is_empty()) {
                field.set_metadata(HashMap::from([(PART_OF.to_owned(), object.join("."))]));
            }
            SampledColumn { path, field, problem }
        };
        self.keys.into_iter().map(column).collect()
    }

    /// Takes note of the entries of an object, whose own path is `path`.
    fn note<'de, M: MapAccess<'de>>(
        &mut self,
        path: &[String],
        mut map: M,
    ) -> std::result::Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let own: Path = path.iter().cloned().chain([key]).collect();
            let next = self.keys.len();
            let index = *self.index.entry(own).or_insert_with_key(|own| {
                self.keys.push((own.clone(), Kinds::default()));
                self.lines.push(0);
                next
            });
            if std::mem::replace(&mut self.lines[index], self.line) == self.line {
                let message = format!("the key {:?} occurs twice", self.keys[index].0.join("."));
                return Err(serde::de::Error::custom(message));
            }
            map.next_value_seed(Value { sample: self, index })?;
        }
        Ok(())
    }
}

/// A column as the sample has it.
#[derive(Debug)]
pub(super) struct SampledColumn {
    pub(super) path: Path,
    pub(super) field: Field,
    /// Why it cannot be read, if so.
    pub(super) problem: Option<String>,
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
            let message = match self.object {
                true => "an object is read by its parts: put a point and the key behind its name",
                false => "arrays are not read",
            };
            return (kind, Some(message.to_owned()));
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

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> std::result::Result<(), M::Error> {
        self.line += 1;
        self.note(&[], map)
    }
}

/// A value of which note is taken under the key at `index`.
struct Value<'a> {
    sample: &'a mut Sample,
    index: usize,
}

impl Value<'_> {
    fn kinds(&mut self) -> &mut Kinds {
        &mut self.sample.keys[self.index].1
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(mut self, _: bool) -> std::result::Result<(), E> {
        self.kinds().boolean = true;
        Ok(())
    }

    fn visit_i64<E>(mut self, _: i64) -> std::result::Result<(), E> {
        self.kinds().integer = true;
        Ok(())
    }

    fn visit_u64<E>(mut self, value: u64) -> std::result::Result<(), E> {
        // Beyond int64 a number is the float64 nearest to it.
        match i64::try_from(value) {
            Ok(_) => self.kinds().integer = true,
            Err(_) => self.kinds().float = true,
        }
        Ok(())
    }

    fn visit_f64<E>(mut self, value: f64) -> std::result::Result<(), E> {
        // The parser makes a float of `-0`.
        match value == 0.0 && value.is_sign_negative() {
            true => self.kinds().integer = true,
            false => self.kinds().float = true,
        }
        Ok(())
    }

    fn visit_str<E>(mut self, _: &str) -> std::result::Result<(), E> {
        self.kinds().text = true;
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> std::result::Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.kinds().array = true;
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(mut self, map: M) -> std::result::Result<(), M::Error> {
        self.kinds().object = true;
        let path = self.sample.keys[self.index].0.clone();
        self.sample.note(&path, map)
    }
}
