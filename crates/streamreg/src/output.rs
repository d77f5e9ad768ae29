//! Results go to a file whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use streamreg_reader::Source;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Writes `path` through a temporary file beside it, which is synced and then renamed.
///
/// # Errors
/// When any step fails; the file at `path` is then the old one, if there was one.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let mut target = AtomicFile::create(path)?;
    write(&mut target.writer).map_err(|e| Error::output(path, e))?;
    target.commit()
}

/// Checks that `output` is none of the files that `source` reads and that its folder exists.
///
/// # Errors
/// [`ErrorKind::Request`](crate::ErrorKind::Request).
pub fn refuse_input_as_output(source: &dyn Source, output: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let target = real(output);
    if source.inputs().iter().any(|input| real(&input.path) == target) {
        return Err(Error::invalid_request(format!("{}: the output is one of the inputs", output.display())));
    }
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::invalid_request(format!(
            "{}: there is no folder {}",
            output.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// A file that appears under its name only when it is complete.
struct AtomicFile {
    path: PathBuf,
    temporary: NamedTempFile,
    writer: BufWriter<File>,
}

impl AtomicFile {
    fn create(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::output(path, e);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // The usual permissions of a new file, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.prefix(".streamreg-").tempfile_in(folder).map_err(failed)?;
        let writer = BufWriter::with_capacity(1 << 16, temporary.reopen().map_err(failed)?);
        Ok(Self { path: path.to_path_buf(), temporary, writer })
    }

    fn commit(self) -> Result<()> {
        let failed = |e: io::Error| Error::output(&self.path, e);
        let file = self.writer.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        self.temporary.persist(&self.path).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

/// Where record batches are written to.
pub(crate) enum TableWriter<'w> {
    Csv { target: Option<AtomicFileCsv>, stream: Option<Box<dyn Write + Send + 'w>>, path: PathBuf },
    Parquet { target: Box<ArrowWriter<BufWriter<File>>>, temporary: NamedTempFile, path: PathBuf },
}

/// A CSV file in the making.
pub(crate) struct AtomicFileCsv(AtomicFile);

impl<'w> TableWriter<'w> {
    /// A file in the format of its ending.
    pub(crate) fn file(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let csv = name.ends_with(".csv");
        if !csv && !name.ends_with(".parquet") {
            let message = format!("{}: the output must end in .parquet or .csv", path.display());
            return Err(Error::invalid_request(message));
        }
        let target = AtomicFile::create(path)?;
        if csv {
            let mut writer =
                Self::Csv { target: Some(AtomicFileCsv(target)), stream: None, path: path.to_path_buf() };
            writer.csv_header(schema)?;
            return Ok(writer);
        }
        let AtomicFile { temporary, writer, .. } = target;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let target = ArrowWriter::try_new(writer, SchemaRef::clone(schema), Some(properties))
            .map_err(|e| Error::output(path, e))?;
        Ok(Self::Parquet { target: Box::new(target), temporary, path: path.to_path_buf() })
    }

    /// CSV to a stream, such as standard output.
    pub(crate) fn stream(stream: Box<dyn Write + Send + 'w>, schema: &SchemaRef) -> Result<Self> {
        let mut writer =
            Self::Csv { target: None, stream: Some(stream), path: PathBuf::from("standard output") };
        writer.csv_header(schema)?;
        Ok(writer)
    }

    fn csv_parts(&mut self) -> Option<(&mut dyn Write, &Path)> {
        let Self::Csv { target, stream, path } = self else { return None };
        match (target, stream) {
            (Some(file), _) => Some((&mut file.0.writer, path)),
            (None, Some(stream)) => Some((stream, path)),
            (None, None) => None,
        }
    }

    fn csv_header(&mut self, schema: &SchemaRef) -> Result<()> {
        let Some((out, path)) = self.csv_parts() else { return Ok(()) };
        let names: Vec<String> = schema.fields().iter().map(|f| csv_field(f.name())).collect();
        writeln!(out, "{}", names.join(",")).map_err(|e| Error::output(path, e))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Self::Parquet { target, path, .. } = self {
            return target.write(batch).map_err(|e| Error::output(path, e));
        }
        let Some((out, path)) = self.csv_parts() else { return Ok(()) };
        write_csv(out, batch).map_err(|e| Error::output(path, e))
    }

    /// Completes the output; before this, nothing stands under its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Csv { target: Some(file), .. } => file.0.commit(),
            Self::Csv { stream, path, .. } => {
                stream.map_or(Ok(()), |mut s| s.flush()).map_err(|e| Error::output(&path, e))
            }
            Self::Parquet { target, temporary, path } => {
                let writer = target.into_inner().map_err(|e| Error::output(&path, e))?;
                AtomicFile { path, temporary, writer }.commit()
            }
        }
    }
}

fn write_csv(out: &mut dyn Write, batch: &RecordBatch) -> io::Result<()> {
    let options = FormatOptions::new();
    let formatters = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
    let formatters = formatters.collect::<std::result::Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (column, formatter) in formatters.iter().enumerate() {
            if column > 0 {
                line.push(',');
            }
            let array = batch.column(column);
            if array.is_null(row) {
                // A line must not be empty: readers would pass over it.
                line.push_str(if formatters.len() == 1 { "\"\"" } else { "" });
                continue;
            }
            let value = formatter.value(row).try_to_string().map_err(io::Error::other)?;
            match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    line.push_str(&csv_field(&value))
                }
                _ => line.push_str(&value),
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// A CSV field, quoted where it must be.
pub fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
