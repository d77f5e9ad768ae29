//! What Parquet's own types do not say, and writers put into the file's metadata: that the order of a dictionary means
//! something, and that a whole number is a duration.

use std::collections::HashMap;

use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_schema::{DataType, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parquet::file::metadata::FileMetaData;

use crate::contain::contain;
use crate::error::{Error, ErrorKind};

/// Whether Arrow's copy of the schema calls a column an ordered category. It is a hint: nothing but the order of levels
/// follows from it, so what cannot be read says nothing.
pub(super) fn is_ordered(file: &FileMetaData, column: &str) -> bool {
    value(file, "ARROW:schema").and_then(arrow_schema).is_some_and(|schema| {
        let field = schema.field_with_name(column);
        field.is_ok_and(|f| {
            matches!(f.data_type(), DataType::Dictionary(..)) && f.dict_is_ordered() == Some(true)
        })
    })
}

/// Durations, by name: Parquet has whole numbers in their place.
pub(super) fn durations(file: &FileMetaData) -> HashMap<String, DataType> {
    let fields = value(file, "ARROW:schema").and_then(arrow_schema);
    let fields = fields.iter().flat_map(|schema| schema.fields());
    let durations = fields.filter(|field| matches!(field.data_type(), DataType::Duration(_)));
    durations.map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

/// Arrow's copy of the schema, if it can be read.
fn arrow_schema(text: &str) -> Option<Schema> {
    let bytes = STANDARD.decode(text).ok()?;
    let read =
        || try_schema_from_ipc_buffer(&bytes).map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()));
    contain(read).ok()
}

/// A value of the file's metadata.
fn value<'f>(file: &'f FileMetaData, key: &str) -> Option<&'f str> {
    let pairs = file.key_value_metadata().into_iter().flatten();
    pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref())
}
