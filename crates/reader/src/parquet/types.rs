//! The Arrow types in which a file's columns are decoded.

use std::collections::HashSet;
use std::sync::Arc;

use super::hints::durations;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Encoding, Type as PhysicalType};
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

/// The Arrow view of a file. The Arrow schema that some writers embed is an untrusted copy, so it is
/// skipped; the Parquet types say enough, but for durations.
pub(super) fn arrow_metadata(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options())?;
    let roots = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let int96 = roots.iter().filter(|r| r.is_primitive() && r.get_physical_type() == PhysicalType::INT96);
    let int96: HashSet<&str> = int96.map(|r| r.name()).collect();
    let is_int96 = |name: &str| int96.contains(name);
    let durations = durations(metadata.file_metadata());
    // Nanoseconds, the default for the old type, wrap around outside the years 1677 to 2262.
    let microseconds = DataType::Timestamp(TimeUnit::Microsecond, None);
    let other = |field: &Field| match field.data_type() {
        DataType::Int64 => durations.get(field.name()).cloned(),
        _ => is_int96(field.name()).then(|| microseconds.clone()),
    };
    if !plain.schema().fields().iter().any(|field| other(field).is_some()) {
        return Ok(plain);
    }
    let schema = with_types(plain.schema(), |_, field| other(field));
    ArrowReaderMetadata::try_new(metadata, options().with_schema(schema))
}

/// The view of the same file that keeps the dictionaries of text columns. Of the `wanted` fields, those
/// change that are plain text with a dictionary in some column chunk; where none does, the view is the
/// one given.
pub(super) fn with_dictionaries(
    reader: &ArrowReaderMetadata,
    parquet_roots: &[usize],
    wanted: &[usize],
) -> Result<ArrowReaderMetadata> {
    let descr = reader.parquet_schema();
    let leaf_roots: Vec<usize> =
        (0..descr.num_columns()).map(|leaf| descr.get_column_root_idx(leaf)).collect();
    // A field of type `Utf8` is one leaf, the first of its root.
    let leaf = |field: usize| leaf_roots.partition_point(|&root| root < parquet_roots[field]);
    let keeps = |&&field: &&usize| keeps_dictionary(reader, field, leaf(field));
    let mut kept: Vec<usize> = wanted.iter().filter(keeps).copied().collect();
    if kept.is_empty() {
        return Ok(reader.clone());
    }
    kept.sort_unstable();
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema =
        with_types(reader.schema(), |i, _| kept.binary_search(&i).is_ok().then(|| dictionary.clone()));
    ArrowReaderMetadata::try_new(Arc::clone(reader.metadata()), options().with_schema(schema))
}

fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// `schema` with other types for some fields.
fn with_types(schema: &Schema, other: impl Fn(usize, &Field) -> Option<DataType>) -> SchemaRef {
    let change = |(i, field): (usize, &FieldRef)| match other(i, field) {
        Some(kind) => Arc::new(field.as_ref().clone().with_data_type(kind)),
        None => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(change).collect::<Vec<_>>()))
}

/// Whether a field is text that some column chunk stores with a dictionary. Where pages beside it are
/// plain the decoder builds a dictionary for each batch, which serves those who asked for one; with
/// plain pages alone that would be labour for nothing.
fn keeps_dictionary(reader: &ArrowReaderMetadata, field: usize, leaf: usize) -> bool {
    if reader.schema().field(field).data_type() != &DataType::Utf8 {
        return false;
    }
    let column = reader.parquet_schema().column(leaf);
    let flat_text = column.physical_type() == PhysicalType::BYTE_ARRAY
        && column.converted_type() == ConvertedType::UTF8
        && column.max_rep_level() == 0;
    let encoded = |e: Encoding| matches!(e, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    flat_text && reader.metadata().row_groups().iter().any(|g| g.column(leaf).encodings().any(encoded))
}
