//! What a footer declares, read before the decoder makes room for it.
//!
//! The decoder reserves room for as many things as a count says, follows a schema as deep as it goes, and takes the
//! types of the schema without a look at those of the column chunks. So the footer is walked here first: every
//! count is followed by as many things, the schema is a tree of bearable depth, and what stands in two places is
//! the same in both. Field numbers are those of `FileMetaData` in the Parquet format's `parquet.thrift`.

use super::thrift::{
    BINARY, BOOL_FALSE, BOOL_TRUE, Compact, I8, I32, I64, LIST, Result, STRUCT, ThriftError,
};
use crate::error::{Error, ErrorKind, Place};
use crate::limits::{MAX_COLUMNS, MAX_KEY_VALUES, MAX_SCHEMA_DEPTH};

/// A node of the schema, as it is written.
#[derive(Default)]
struct Element<'a> {
    name: &'a [u8],
    physical: Option<i32>,
    children: usize,
    converted: Option<i32>,
    /// What the logical type says in the older terms, where it can be said in them.
    logical: Option<Logical>,
    scale: Option<i32>,
    precision: Option<i32>,
}

/// A logical type, as far as it has to agree with a converted one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logical {
    /// The converted type that means the same; none for what is newer.
    Converted(Option<i32>),
    Decimal {
        scale: i32,
        precision: i32,
    },
}

/// A leaf of the schema: a column of the file.
struct Leaf<'a> {
    /// Places of its names among the elements, from the root's child down.
    path: Vec<usize>,
    physical: i32,
    elements: &'a [Element<'a>],
}

/// A row group: what is said of its column chunks.
type Chunks<'a> = Vec<ChunkOf<'a>>;

#[derive(Default)]
struct ChunkOf<'a> {
    physical: Option<i32>,
    path: Vec<&'a [u8]>,
}

const DECIMAL: i32 = 5;
const LAST_CONVERTED: i32 = 21;

/// Checks a footer: the bytes between the pages and their length.
///
/// # Errors
/// What is no footer, what is beyond a limit, and what contradicts itself.
pub(super) fn check_declared(footer: &[u8]) -> crate::error::Result<()> {
    let mut input = Compact::new(footer);
    let mut schema = Vec::new();
    let mut row_groups: Vec<Chunks<'_>> = Vec::new();
    let mut seen = [false; 11];
    let known = [(1, I32), (2, LIST), (3, I64), (4, LIST), (5, LIST), (6, BINARY), (7, LIST)];
    let walked = input.fields(&known, &mut |input, id| {
        seen[id as usize] = true;
        match id {
            1 => input.i32().map(drop),
            2 => elements(input).map(|elements| schema = elements),
            3 => input.skip(I64, 0),
            4 => {
                for _ in 0..input.list(STRUCT)? {
                    row_groups.push(chunks(input)?);
                }
                Ok(())
            }
            5 => key_values(input),
            6 => input.binary().map(drop),
            _ => input.skip(LIST, 0),
        }
    });
    walked.map_err(|_| malformed("the footer is no valid description of a Parquet file".into()))?;
    if input.position() != footer.len() {
        return Err(malformed("there are bytes behind the description in the footer".into()));
    }
    if !(1..=4).all(|id| seen[id]) {
        return Err(malformed("the footer lacks the schema, the rows or the row groups".into()));
    }
    let leaves = leaves(&schema)?;
    schema.iter().try_for_each(check_types)?;
    for (index, chunks) in row_groups.iter().enumerate() {
        check_chunks(chunks, &leaves).map_err(|e| e.at(Place::RowGroup(index)))?;
    }
    Ok(())
}

fn malformed(message: String) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

/// The fields of an element, and their types.
const KNOWN: [(i16, u8); 10] = [
    (1, I32),
    (2, I32),
    (3, I32),
    (4, BINARY),
    (5, I32),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, STRUCT),
];

impl Element<'_> {
    fn set(&mut self, id: i16, number: i32) -> Result<()> {
        match id {
            1 => self.physical = Some(number),
            5 => self.children = usize::try_from(number).map_err(|_| ThriftError::Malformed)?,
            6 => self.converted = Some(number),
            7 => self.scale = Some(number),
            8 => self.precision = Some(number),
            _ => {}
        }
        Ok(())
    }
}

fn elements<'a>(input: &mut Compact<'a>) -> Result<Vec<Element<'a>>> {
    let count = input.list(STRUCT)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        let (mut element, mut has_name, mut last) = (Element::default(), false, 0);
        while let Some((id, kind)) = input.field(last)? {
            // A field that nobody knows might say that the values mean something else.
            if !KNOWN.contains(&(id, kind)) {
                return Err(ThriftError::Malformed);
            }
            match id {
                4 => (element.name, has_name) = (input.binary()?, true),
                10 => element.logical = logical(input)?,
                id => element.set(id, input.i32()?)?,
            }
            last = id;
        }
        if !has_name {
            return Err(ThriftError::Malformed);
        }
        elements.push(element);
    }
    Ok(elements)
}

/// A logical type: a union, of which one field is set.
fn logical(input: &mut Compact<'_>) -> Result<Option<Logical>> {
    let (mut logical, mut last) = (None, 0);
    while let Some((id, kind)) = input.field(last)? {
        if kind != STRUCT {
            return Err(ThriftError::Malformed);
        }
        logical = match id {
            5 => Some(decimal(input)?),
            7 => Some(Logical::Converted(unit(input, [7, 8])?)),
            8 => Some(Logical::Converted(unit(input, [9, 10])?)),
            10 => Some(Logical::Converted(integer(input)?)),
            6 => {
                input.skip(STRUCT, 0)?;
                Some(Logical::Converted(Some(6)))
            }
            _ => {
                input.skip(STRUCT, 0)?;
                None
            }
        };
        last = id;
    }
    Ok(logical)
}

fn decimal(input: &mut Compact<'_>) -> Result<Logical> {
    let mut numbers = [None; 3];
    input.fields(&[(1, I32), (2, I32)], &mut |input, id| {
        numbers[id as usize] = Some(input.i32()?);
        Ok(())
    })?;
    match numbers {
        [_, Some(scale), Some(precision)] => Ok(Logical::Decimal { scale, precision }),
        _ => Err(ThriftError::Malformed),
    }
}

/// The unit of a time or timestamp: the `older` terms for milliseconds and microseconds; there is none for
/// nanoseconds.
fn unit(input: &mut Compact<'_>, older: [i32; 2]) -> Result<Option<i32>> {
    let (mut unit, mut last) = (None, 0);
    while let Some((id, kind)) = input.field(last)? {
        match (id, kind) {
            (1, BOOL_TRUE | BOOL_FALSE) => {}
            (2, STRUCT) => input.fields(&[(1, STRUCT), (2, STRUCT), (3, STRUCT)], &mut |input, id| {
                unit = older.get(id as usize - 1).copied();
                input.skip(STRUCT, 1)
            })?,
            (1 | 2, _) => return Err(ThriftError::Malformed),
            _ => input.skip(kind, 0)?,
        }
        last = id;
    }
    Ok(unit)
}

/// The older term for an integer: UINT_8 to UINT_64 are 11 to 14, INT_8 to INT_64 are 15 to 18.
fn integer(input: &mut Compact<'_>) -> Result<Option<i32>> {
    let (mut bits, mut signed, mut last) = (0, None, 0);
    while let Some((id, kind)) = input.field(last)? {
        match (id, kind) {
            (1, I8) => bits = input.i8()?,
            (2, BOOL_TRUE | BOOL_FALSE) => signed = Some(kind == BOOL_TRUE),
            (1 | 2, _) => return Err(ThriftError::Malformed),
            _ => input.skip(kind, 0)?,
        }
        last = id;
    }
    let size = [8, 16, 32, 64].iter().position(|&size| size == bits).ok_or(ThriftError::Malformed)?;
    let first = if signed.ok_or(ThriftError::Malformed)? { 15 } else { 11 };
    Ok(Some(first + size as i32))
}

fn chunks<'a>(input: &mut Compact<'a>) -> Result<Chunks<'a>> {
    let (mut chunks, mut seen) = (None, [false; 4]);
    let known = [(1, LIST), (2, I64), (3, I64), (4, LIST), (5, I64), (6, I64)];
    input.fields(&known, &mut |input, id| {
        if let Some(seen) = seen.get_mut(id as usize) {
            *seen = true;
        }
        match id {
            1 => {
                let mut list = Vec::new();
                for _ in 0..input.list(STRUCT)? {
                    list.push(chunk(input)?);
                }
                chunks = Some(list);
                Ok(())
            }
            4 => input.skip(LIST, 0),
            _ => input.skip(I64, 0),
        }
    })?;
    chunks.filter(|_| seen[2] && seen[3]).ok_or(ThriftError::Malformed)
}

fn chunk<'a>(input: &mut Compact<'a>) -> Result<ChunkOf<'a>> {
    let mut chunk = ChunkOf::default();
    let known = [(1, BINARY), (2, I64), (3, STRUCT), (4, I64), (5, I32), (6, I64), (7, I32)];
    input.fields(&known, &mut |input, id| match id {
        1 => input.skip(BINARY, 0),
        3 => {
            chunk = chunk_metadata(input)?;
            Ok(())
        }
        5 | 7 => input.skip(I32, 0),
        _ => input.skip(I64, 0),
    })?;
    Ok(chunk)
}

fn chunk_metadata<'a>(input: &mut Compact<'a>) -> Result<ChunkOf<'a>> {
    let mut chunk = ChunkOf::default();
    let known = [
        (1, I32),
        (2, LIST),
        (3, LIST),
        (4, I32),
        (5, I64),
        (6, I64),
        (7, I64),
        (8, LIST),
        (9, I64),
        (10, I64),
        (11, I64),
        (12, STRUCT),
        (13, LIST),
        (14, I64),
        (15, I32),
        (16, STRUCT),
        (17, STRUCT),
    ];
    input.fields(&known, &mut |input, id| {
        match id {
            1 => chunk.physical = Some(input.i32()?),
            3 => {
                for _ in 0..input.list(BINARY)? {
                    chunk.path.push(input.binary()?);
                }
            }
            8 => key_values(input)?,
            id => {
                let kind = known.iter().find(|(known, _)| *known == id).map_or(STRUCT, |(_, kind)| *kind);
                input.skip(kind, 0)?;
            }
        }
        Ok(())
    })?;
    Ok(chunk)
}

fn key_values(input: &mut Compact<'_>) -> Result<()> {
    let count = input.list(STRUCT)?;
    if count > MAX_KEY_VALUES {
        return Err(ThriftError::Malformed);
    }
    (0..count).try_for_each(|_| input.skip(STRUCT, 0))
}

/// The leaves of a schema, which must be a tree.
fn leaves<'a>(schema: &'a [Element<'a>]) -> crate::error::Result<Vec<Leaf<'a>>> {
    let mut leaves = Vec::new();
    // The places of the groups that are open, and how many of their children are still to come.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (index, element) in schema.iter().enumerate() {
        if element.children > schema.len() - 1 - index {
            let message = "the schema declares more columns than it has";
            return Err(malformed(message.into()).in_column(String::from_utf8_lossy(element.name)));
        }
        while open.last().is_some_and(|(_, left)| *left == 0) {
            open.pop();
        }
        match open.last_mut() {
            Some((_, left)) => *left -= 1,
            None if index == 0 => {}
            None => return Err(malformed("the schema has more columns than it declares".into())),
        }
        if element.children > 0 || index == 0 {
            open.push((index, element.children));
        } else if let Some(physical) = element.physical {
            let path = open.iter().skip(1).map(|(place, _)| *place).chain([index]).collect();
            leaves.push(Leaf { path, physical, elements: schema });
        }
        if open.len() > MAX_SCHEMA_DEPTH {
            let message = format!("a schema of more than {MAX_SCHEMA_DEPTH} levels is beyond the limit");
            return Err(Error::new(ErrorKind::Limit, message));
        }
    }
    if open.iter().any(|(_, left)| *left > 0) {
        return Err(malformed("the schema declares more columns than it has".into()));
    }
    if leaves.len() > MAX_COLUMNS {
        let message = format!("{} columns are beyond the limit of {MAX_COLUMNS}", leaves.len());
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(leaves)
}

/// The type of a column is told in two terms, of which a reader may take either: they must mean the same.
fn check_types(element: &Element<'_>) -> crate::error::Result<()> {
    let agree = match (element.logical, element.converted) {
        (None, _) | (_, None) => true,
        (Some(Logical::Converted(term)), converted) => term == converted,
        (Some(Logical::Decimal { scale, precision }), Some(converted)) => {
            converted == DECIMAL
                && element.scale.is_none_or(|other| other == scale)
                && element.precision.is_none_or(|other| other == precision)
        }
    };
    let is_decimal =
        element.converted == Some(DECIMAL) || matches!(element.logical, Some(Logical::Decimal { .. }));
    // Some writers put zeros where there is nothing to say.
    let scaled = [element.scale, element.precision].iter().flatten().any(|&number| number != 0);
    let message = match element.converted {
        _ if !agree => "its logical and its converted type contradict each other",
        _ if scaled && !is_decimal => "it has the scale of a decimal and is none",
        Some(other) if !(0..=LAST_CONVERTED).contains(&other) => "there is no such converted type",
        _ => return Ok(()),
    };
    Err(malformed(message.into()).in_column(String::from_utf8_lossy(element.name)))
}

/// Column chunks are those of the leaves, in their order.
fn check_chunks(chunks: &[ChunkOf<'_>], leaves: &[Leaf<'_>]) -> crate::error::Result<()> {
    if chunks.len() != leaves.len() {
        let message = format!("{} column chunks for {} columns", chunks.len(), leaves.len());
        return Err(malformed(message));
    }
    for (chunk, leaf) in chunks.iter().zip(leaves) {
        let names = || leaf.path.iter().map(|&place| leaf.elements[place].name);
        let in_column = |message: String| {
            let names: Vec<_> = names().map(String::from_utf8_lossy).collect();
            malformed(message).in_column(names.join("."))
        };
        if chunk.physical.is_some_and(|physical| physical != leaf.physical) {
            let [here, there] = [leaf.physical, chunk.physical.unwrap_or(-1)].map(type_name);
            let message = format!("the schema declares {here}, its column chunk {there}");
            return Err(in_column(message));
        }
        // Writers may leave the path out.
        if !chunk.path.is_empty() && !names().eq(chunk.path.iter().copied()) {
            let path: Vec<_> = chunk.path.iter().map(|name| String::from_utf8_lossy(name)).collect();
            return Err(in_column(format!("its column chunk is called {:?}", path.join("."))));
        }
    }
    Ok(())
}

fn type_name(physical: i32) -> String {
    const NAMES: [&str; 8] =
        ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"];
    let name = usize::try_from(physical).ok().and_then(|place| NAMES.get(place));
    name.map_or_else(|| format!("type {physical}"), |name| (*name).to_owned())
}
