//! What must hold of a footer before anything is decoded.

use std::fs::File;

use arrow_schema::Schema;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::{MAX_COLUMNS, MAX_FOOTER_BYTES, MAX_ROWS};
use crate::source::names::Names;
use crate::storage::read_exact_at;

/// Checks the magic bytes at both ends and the length of the footer between them.
pub(super) fn check_ends(file: &File, bytes: u64) -> Result<()> {
    let malformed = |message: &str| Err(Error::new(ErrorKind::Malformed, message));
    if bytes < 12 {
        return malformed("too short for a Parquet file, which has at least 12 bytes");
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    let read = read_exact_at(file, &mut head, 0).and_then(|()| read_exact_at(file, &mut tail, bytes - 8));
    read.map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
    if &tail[4..] == b"PARE" || &head == b"PARE" {
        return Err(Error::new(ErrorKind::Unsupported, "the file is encrypted; decrypt it first"));
    }
    if &head != b"PAR1" || &tail[4..] != b"PAR1" {
        return malformed(
            "not a Parquet file: it must begin and end with PAR1 (cut short while it was written?)",
        );
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if footer > bytes - 12 {
        return malformed("the footer is longer than the file");
    }
    if footer > MAX_FOOTER_BYTES {
        let message = format!("a footer of {footer} bytes is beyond the limit of {MAX_FOOTER_BYTES}");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// Checks that counts agree and that every column chunk lies inside the file.
pub(super) fn check_metadata(metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    let malformed = |message: String| Err(Error::new(ErrorKind::Malformed, message));
    let declared = metadata.file_metadata().num_rows();
    let mut rows = 0i64;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let Some(sum) = Some(group.num_rows()).filter(|&n| n >= 0).and_then(|n| rows.checked_add(n)) else {
            return malformed(format!("row group {index} declares {} rows", group.num_rows()));
        };
        rows = sum;
        if rows > MAX_ROWS {
            let message = format!("more than {MAX_ROWS} rows are beyond the limit");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        check_row_group(group, bytes).map_err(|e| e.at(Place::RowGroup(index)))?;
    }
    if rows != declared {
        return malformed(format!("the footer declares {declared} rows, its row groups have {rows}"));
    }
    let columns = metadata.file_metadata().schema_descr().num_columns();
    if columns > MAX_COLUMNS {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("{columns} columns are beyond the limit of {MAX_COLUMNS}"),
        ));
    }
    Ok(())
}

fn check_row_group(group: &RowGroupMetaData, bytes: u64) -> Result<()> {
    for chunk in group.columns() {
        let name = || chunk.column_path().string();
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size());
        let inside = start >= 0 && chunk.compressed_size() >= 0 && end.is_some_and(|end| end as u64 <= bytes);
        if !inside || chunk.data_page_offset() < 0 || chunk.file_path().is_some() {
            return Err(
                Error::new(ErrorKind::Malformed, "the column's pages lie outside the file").in_column(name())
            );
        }
        let flat = chunk.column_descr().max_rep_level() == 0;
        if flat && chunk.num_values() != group.num_rows() {
            let message =
                format!("{} values in a row group of {} rows", chunk.num_values(), group.num_rows());
            return Err(Error::new(ErrorKind::Malformed, message).in_column(name()));
        }
    }
    Ok(())
}

/// Positions of the columns by name; there must be columns.
pub(super) fn check_names(schema: &Schema) -> Result<Names> {
    if schema.fields().is_empty() {
        return Err(Error::new(ErrorKind::Malformed, "the file has no columns"));
    }
    Ok(Names::new(schema))
}
