//! One schema for many files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use arrow_schema::{DataType, Field, Schema};

use super::DatasetOptions;
use super::format::{Opened, open_as};
use crate::error::{Error, ErrorKind, Result, shell_word};
use crate::source::names::Names;

/// Gives columns of text files that begin without a value the type that another file has for them.
pub(super) fn settle_blanks(
    paths: &[PathBuf],
    mut opened: Vec<Opened>,
    options: &DatasetOptions,
) -> Result<Vec<Opened>> {
    for index in 0..opened.len() {
        let mut types = Vec::new();
        for name in &opened[index].blank {
            let others = opened.iter().filter(|other| !other.blank.contains(name));
            let mut fields = others.filter_map(|other| other.source.schema().field_with_name(name).ok());
            types.extend(fields.next().map(|field| (name.clone(), field.data_type().clone())));
        }
        if !types.is_empty() {
            opened[index].source = open_as(&paths[index], opened[index].format, options, &types)?.source;
        }
    }
    Ok(opened)
}

/// One schema for all files, or an error that names two that disagree. Columns that are keys of the paths do not count.
/// By name, a file may lack columns.
pub(super) fn unify(paths: &[PathBuf], files: &[Opened], keys: &[&str], by_name: bool) -> Result<Schema> {
    let mut fields: Vec<Field> = own(&files[0], keys).cloned().collect();
    let mut known: HashSet<String> = fields.iter().map(|f| f.name().clone()).collect();
    let mut lacking = HashSet::new();
    for (path, file) in paths.iter().zip(files).skip(1) {
        let disagree = |column: &str, message: String| {
            Error::new(ErrorKind::Schema, message).at_path(path).in_column(column)
        };
        let by_name_help = "--union-by-name fills columns that a file lacks with missing values";
        let schema = file.source.schema();
        let extra: Vec<Field> = own(file, keys).filter(|f| !known.contains(f.name())).cloned().collect();
        if let Some(extra) = extra.first().filter(|_| !by_name) {
            let first = paths[0].display();
            let message = format!("the column is not in {first}; all files must have the same columns");
            return Err(disagree(extra.name(), message).with_help(by_name_help));
        }
        let found = Names::new(schema);
        for field in &mut fields {
            if !found.contains(field.name()) {
                if !by_name {
                    let message = format!("the column is missing here; {} has it", paths[0].display());
                    return Err(disagree(field.name(), message).with_help(by_name_help));
                }
                lacking.insert(field.name().clone());
                continue;
            }
            // Of several columns of one name none can be asked for.
            let Some(found) = found.get(field.name()).map(|i| schema.field(i)) else { continue };
            let (theirs, ours) = (found.data_type(), field.data_type());
            let Some(kind) = widest(ours, theirs) else {
                return Err(conflict(field, found, paths, path, files));
            };
            let nullable = field.is_nullable() || found.is_nullable();
            *field = field.clone().with_data_type(kind).with_nullable(nullable);
        }
        known.extend(extra.iter().map(|f| f.name().clone()));
        lacking.extend(extra.iter().map(|f| f.name().clone()));
        fields.extend(extra);
    }
    let nullable = |field: Field| {
        let lacks = lacking.contains(field.name());
        let nullable = field.is_nullable() || lacks;
        field.with_nullable(nullable)
    };
    Ok(Schema::new(fields.into_iter().map(nullable).collect::<Vec<_>>()))
}

/// The columns of a file that are no keys.
fn own<'a>(file: &'a Opened, keys: &'a [&str]) -> impl Iterator<Item = &'a Field> {
    file.source.schema().fields().iter().map(AsRef::as_ref).filter(|f| !keys.contains(&f.name().as_str()))
}

/// The error for a column whose types do not go together.
fn conflict(ours: &Field, theirs: &Field, paths: &[PathBuf], path: &Path, files: &[Opened]) -> Error {
    let kinds = [ours.data_type(), theirs.data_type()];
    // One file's cell is to blame, where a text is hardly one.
    let doubt = files.iter().find_map(|file| file.source.doubt(ours.name()));
    if let Some(doubt) = doubt.filter(|_| kinds.contains(&&DataType::Utf8)) {
        return doubt.error;
    }
    let [there, here] =
        kinds.map(|kind| if *kind == DataType::Utf8 { "text".into() } else { kind.to_string() });
    let message = format!("{here} here, {there} in {}", paths[0].display());
    let error = Error::new(ErrorKind::Schema, message).at_path(path).in_column(ours.name());
    if kinds.contains(&&DataType::Utf8) {
        let name = shell_word(ours.name());
        return error.with_help(format!("--schema {name}=text reads a column of CSV as text"));
    }
    error
}

/// The type that holds the values of both: equal types, or the wider of two numeric ones.
fn widest(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Float64, Int64};
    let decimal = |t: &DataType| {
        matches!(
            t,
            DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
        )
    };
    let number = |t: &DataType| t.is_numeric() || decimal(t);
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (DataType::Timestamp(ours, zone), DataType::Timestamp(theirs, other)) if zone == other => {
            Some(DataType::Timestamp(*ours.max(theirs), zone.clone()))
        }
        (DataType::Duration(ours), DataType::Duration(theirs)) => Some(DataType::Duration(*ours.max(theirs))),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        _ if a.is_signed_integer() && b.is_signed_integer() => {
            Some(if a.primitive_width() > b.primitive_width() { a.clone() } else { b.clone() })
        }
        _ if a.is_integer() && b.is_integer() && *a != DataType::UInt64 && *b != DataType::UInt64 => {
            Some(Int64)
        }
        _ if number(a) && number(b) => Some(Float64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_every_value() {
        use DataType::{Boolean, Float32, Float64, Int16, Int32, Int64, UInt8, UInt64, Utf8};
        assert_eq!(widest(&Int16, &Int32), Some(Int32));
        assert_eq!(widest(&UInt8, &Int32), Some(Int64));
        assert_eq!(widest(&UInt64, &Int32), Some(Float64));
        assert_eq!(widest(&Int32, &Float32), Some(Float64));
        assert_eq!(widest(&DataType::Decimal128(10, 2), &Int64), Some(Float64));
        let seconds = DataType::Duration(arrow_schema::TimeUnit::Second);
        let nanoseconds = DataType::Duration(arrow_schema::TimeUnit::Nanosecond);
        assert_eq!(widest(&seconds, &nanoseconds), Some(nanoseconds));
        assert_eq!(widest(&Utf8, &Int64), None);
        assert_eq!(widest(&Boolean, &Int64), None);
    }
}
