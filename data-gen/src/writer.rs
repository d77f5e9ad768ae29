//! One writer of blocks per file format.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{DEFAULT_WRITE_BATCH_SIZE, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::args::{Codec, Format, ParquetOptions};
use crate::design::{Block, Cells, Column, Design};

/// Writes blocks of rows in one file format.
pub(crate) trait BlockWriter {
    /// Appends the rows of a block.
    fn write(&mut self, block: Block) -> anyhow::Result<()>;

    /// Writes what ends the file; without it the file is not complete.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Begins a file of the format chosen.
pub(crate) fn open(file: File, design: &Design, format: &Format) -> anyhow::Result<Box<dyn BlockWriter>> {
    Ok(match format {
        Format::Parquet(options) => Box::new(ParquetFile::new(file, design, options)?),
        Format::Csv => Box::new(CsvFile::new(file, design)?),
    })
}

/// A Parquet file: y and the features as doubles, counts as 64-bit integers.
///
/// The writer of the `parquet` crate offers no page checksums, so there are none.
struct ParquetFile {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

impl ParquetFile {
    fn new(file: File, design: &Design, options: &ParquetOptions) -> anyhow::Result<Self> {
        let schema = Arc::new(schema(design));
        let properties = properties(design, options)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Self { writer, schema })
    }
}

impl BlockWriter for ParquetFile {
    fn write(&mut self, block: Block) -> anyhow::Result<()> {
        let response: ArrayRef = Arc::new(Float64Array::from(block.response));
        let arrays = std::iter::once(response).chain(block.features.into_iter().map(array)).collect();
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.writer.close()?;
        Ok(())
    }
}

/// Every column may hold nulls, whether or not any do, as in the files of most other programs.
fn schema(design: &Design) -> Schema {
    let response = Field::new("y", DataType::Float64, true);
    let features = design.parameters.iter().enumerate().map(|(j, feature)| {
        let kind = if feature.count { DataType::Int64 } else { DataType::Float64 };
        Field::new(format!("x{}", j + 1), kind, true)
    });
    Schema::new(std::iter::once(response).chain(features).collect::<Vec<_>>())
}

fn properties(design: &Design, options: &ParquetOptions) -> anyhow::Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_compression(compression(options.codec)?)
        .set_max_row_group_row_count(Some(options.row_group_rows))
        // Doubles of a continuous distribution hardly repeat; counts do.
        .set_dictionary_enabled(false);
    for (j, feature) in design.parameters.iter().enumerate() {
        if feature.count {
            builder = builder.set_column_dictionary_enabled(ColumnPath::from(format!("x{}", j + 1)), true);
        }
    }
    if let Some(rows) = options.page_rows {
        // The writer looks at the limit only after each of its batches.
        let batch = rows.min(DEFAULT_WRITE_BATCH_SIZE);
        builder = builder.set_data_page_row_count_limit(rows).set_write_batch_size(batch);
    }
    Ok(builder.build())
}

fn compression(codec: Codec) -> anyhow::Result<Compression> {
    Ok(match codec {
        Codec::None => Compression::UNCOMPRESSED,
        Codec::Snappy => Compression::SNAPPY,
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(1)?),
        Codec::Gzip => Compression::GZIP(GzipLevel::try_new(6)?),
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Brotli => Compression::BROTLI(BrotliLevel::try_new(1)?),
    })
}

fn array(column: Column) -> ArrayRef {
    let Column { cells, nulls } = column;
    match cells {
        Cells::Real(cells) if nulls.is_empty() => Arc::new(Float64Array::from(cells)),
        Cells::Count(cells) if nulls.is_empty() => Arc::new(Int64Array::from(cells)),
        Cells::Real(cells) => Arc::new(Float64Array::from_iter(present(cells, nulls))),
        Cells::Count(cells) => Arc::new(Int64Array::from_iter(present(cells, nulls))),
    }
}

fn present<T>(cells: Vec<T>, nulls: Vec<bool>) -> impl Iterator<Item = Option<T>> {
    cells.into_iter().zip(nulls).map(|(cell, null)| (!null).then_some(cell))
}

/// A CSV file with a header line; doubles in the fewest digits that read back to the same double.
struct CsvFile {
    file: File,
    /// The text of one block, written in one piece.
    text: String,
}

impl CsvFile {
    fn new(file: File, design: &Design) -> anyhow::Result<Self> {
        let mut text = String::from("y");
        for j in 1..=design.features() {
            write!(text, ",x{j}")?;
        }
        text.push('\n');
        Ok(Self { file, text })
    }
}

impl BlockWriter for CsvFile {
    fn write(&mut self, block: Block) -> anyhow::Result<()> {
        for (row, y) in block.response.iter().enumerate() {
            write!(self.text, "{y}")?;
            for column in &block.features {
                self.text.push(',');
                if column.nulls.get(row) == Some(&true) {
                    continue;
                }
                match &column.cells {
                    Cells::Real(cells) => write!(self.text, "{}", cells[row])?,
                    Cells::Count(cells) => write!(self.text, "{}", cells[row])?,
                }
            }
            self.text.push('\n');
        }
        self.file.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        // The header of a file without rows is still to be written.
        self.file.write_all(self.text.as_bytes()).context("at the end of the file")
    }
}
