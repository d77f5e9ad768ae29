//! What must hold of a footer before anything is decoded.

use std::fs::File;

use arrow_schema::Schema;
use parquet::basic::Compression;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::limits::{MAX_COLUMNS, MAX_FOOTER_BYTES, MAX_ROWS};
use crate::source::names::Names;
use crate::storage::read_exact_at;

/// Reads the footer, after a look at the magic bytes at both ends and at its length between them.
pub(super) fn read_footer(file: &File, bytes: u64) -> Result<Vec<u8>> {
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
    let mut description = vec![0; footer as usize];
    read_exact_at(file, &mut description, bytes - 8 - footer)
        .map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
    Ok(description)
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
    check_places(metadata)?;
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

/// Checks that no two column chunks share bytes: a place that is wrong by a bit would be another column's.
fn check_places(metadata: &ParquetMetaData) -> Result<()> {
    let places = metadata.row_groups().iter().enumerate().flat_map(|(index, group)| {
        let columns = group.columns().iter().enumerate();
        columns.map(move |(column, chunk)| (chunk.byte_range(), index, column))
    });
    let mut places: Vec<_> = places.filter(|((_, length), _, _)| *length > 0).collect();
    if !places.is_sorted() {
        places.sort_unstable();
    }
    for pair in places.windows(2) {
        let [((start, length), _, _), ((next, _), index, column)] = pair else { continue };
        if start + length > *next {
            let name = metadata.row_group(*index).column(*column).column_path().string();
            let message = "its pages are those of another column chunk";
            let error = Error::new(ErrorKind::Malformed, message).in_column(name);
            return Err(error.at(Place::RowGroup(*index)));
        }
    }
    Ok(())
}

/// The metadata as the decoder is to see them, and the codec of each column chunk: pages are decompressed before the
/// decoder gets them.
pub(super) fn without_codecs(metadata: ParquetMetaData) -> Result<(ParquetMetaData, Vec<Vec<Compression>>)> {
    let codecs = metadata.row_groups().iter();
    let codecs =
        codecs.map(|group| group.columns().iter().map(|chunk| chunk.compression()).collect()).collect();
    let mut builder = metadata.into_builder();
    let plain = |group: RowGroupMetaData| {
        let mut builder = group.into_builder();
        let columns = builder.take_columns().into_iter();
        let columns =
            columns.map(|chunk| chunk.into_builder().set_compression(Compression::UNCOMPRESSED).build());
        builder.set_column_metadata(columns.collect::<parquet::errors::Result<_>>()?).build()
    };
    let groups =
        builder.take_row_groups().into_iter().map(plain).collect::<parquet::errors::Result<Vec<_>>>();
    let groups = groups.map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))?;
    Ok((builder.set_row_groups(groups).build(), codecs))
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
