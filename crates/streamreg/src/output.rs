//! Results go to a file whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use streamreg_core::cell_text;
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
    write_whole(path, |file| write(file).map_err(|e| Error::output(path, e)))
}

/// [`write_atomically`] for writers whose errors are those of this crate.
pub(crate) fn write_whole<T>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T>,
) -> Result<T> {
    let mut target = AtomicFile::create(path)?;
    let made = write(&mut target.writer)?;
    target.commit()?;
    Ok(made)
}

/// Whether two paths lead to one file, or would once it is written.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let joined = folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
        path.canonicalize().ok().or(joined).unwrap_or_else(|| path.to_path_buf())
    };
    real(a) == real(b)
}

/// Checks that `output` is none of the files that `source` reads and that its folder exists.
///
/// # Errors
/// [`ErrorKind::Request`](crate::ErrorKind::Request).
pub fn refuse_input_as_output(source: &dyn Source, output: &Path) -> Result<()> {
    if source.inputs().iter().any(|input| same_file(&input.path, output)) {
        return Err(Error::invalid_request(format!("{}: the output is one of the inputs", output.display())));
    }
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if output.is_dir() {
        return Err(Error::invalid_request(format!("{}: the output is a folder", output.display())));
    }
    if !folder.is_dir() {
        return Err(Error::invalid_request(format!(
            "{}: there is no folder {}",
            output.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// Whether a path is that of an open stream, such as `/dev/stdout`. It may lead to a file that others write to as well, which is
/// gone on with, not replaced.
fn is_stream(path: &Path) -> bool {
    let folders = ["/dev/fd", "/proc/self/fd"];
    let names = ["/dev/stdout", "/dev/stderr"];
    names.iter().any(|name| path == Path::new(name)) || folders.iter().any(|folder| path.starts_with(folder))
}

/// A file that appears under its name only when it is complete. What is no regular file (a device, a
/// pipe) is written to directly: nothing can be renamed over it without destroying it.
pub(crate) struct AtomicFile {
    path: PathBuf,
    temporary: Option<NamedTempFile>,
    writer: BufWriter<File>,
}

impl AtomicFile {
    fn create(path: &Path) -> Result<Self> {
        let failed = |e: io::Error| Error::output(path, e);
        let special = is_stream(path) || std::fs::metadata(path).is_ok_and(|m| !m.is_file());
        if special {
            let file = File::options().append(true).open(path).map_err(failed)?;
            return Ok(Self { path: path.to_path_buf(), temporary: None, writer: BufWriter::new(file) });
        }
        // A symbolic link stays one; what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // The usual permissions of a new file, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.prefix(".streamreg-").tempfile_in(folder).map_err(failed)?;
        let writer = BufWriter::with_capacity(1 << 16, temporary.reopen().map_err(failed)?);
        Ok(Self { path, temporary: Some(temporary), writer })
    }

    fn commit(self) -> Result<()> {
        let failed = |e: io::Error| Error::output(&self.path, e);
        let file = self.writer.into_inner().map_err(|e| failed(e.into_error()))?;
        if let Some(temporary) = self.temporary {
            file.sync_all().map_err(failed)?;
            temporary.persist(&self.path).map_err(|e| failed(e.error))?;
        }
        Ok(())
    }
}

/// Where record batches are written to.
pub(crate) enum TableWriter<'w> {
    CsvFile(AtomicFile),
    CsvStream(Box<dyn Write + Send + 'w>),
    Parquet { target: Box<ArrowWriter<BufWriter<File>>>, temporary: Option<NamedTempFile>, path: PathBuf },
}

/// The name of a stream in messages.
const STREAM: &str = "standard output";

impl<'w> TableWriter<'w> {
    /// A file in the format of its ending.
    pub(crate) fn file(path: &Path, schema: &SchemaRef) -> Result<Self> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let csv = name.ends_with(".csv");
        if !csv && !name.ends_with(".parquet") {
            let message = format!("{}: the output must end in .parquet or .csv", path.display());
            return Err(Error::invalid_request(message));
        }
        let mut target = AtomicFile::create(path)?;
        if csv {
            csv_header(&mut target.writer, schema).map_err(|e| Error::output(path, e))?;
            return Ok(Self::CsvFile(target));
        }
        let AtomicFile { temporary, writer, path } = target;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let target = ArrowWriter::try_new(writer, SchemaRef::clone(schema), Some(properties))
            .map_err(|e| Error::output(&path, e))?;
        Ok(Self::Parquet { target: Box::new(target), temporary, path })
    }

    /// CSV to a stream, such as standard output.
    pub(crate) fn stream(mut stream: Box<dyn Write + Send + 'w>, schema: &SchemaRef) -> Result<Self> {
        csv_header(&mut stream, schema).map_err(|e| Error::output(Path::new(STREAM), e))?;
        Ok(Self::CsvStream(stream))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::CsvFile(file) => {
                write_csv(&mut file.writer, batch).map_err(|e| Error::output(&file.path, e))
            }
            Self::CsvStream(stream) => {
                write_csv(stream, batch).map_err(|e| Error::output(Path::new(STREAM), e))
            }
            Self::Parquet { target, path, .. } => target.write(batch).map_err(|e| Error::output(path, e)),
        }
    }

    /// Completes the output; before this, nothing stands under its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::CsvFile(file) => file.commit(),
            Self::CsvStream(mut stream) => stream.flush().map_err(|e| Error::output(Path::new(STREAM), e)),
            Self::Parquet { target, temporary, path } => {
                let writer = target.into_inner().map_err(|e| Error::output(&path, e))?;
                AtomicFile { path, temporary, writer }.commit()
            }
        }
    }
}

fn csv_header(out: &mut dyn Write, schema: &SchemaRef) -> io::Result<()> {
    let names: Vec<String> = schema.fields().iter().map(|f| csv_field(f.name())).collect();
    writeln!(out, "{}", names.join(","))
}

fn write_csv(out: &mut dyn Write, batch: &RecordBatch) -> io::Result<()> {
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (column, array) in batch.columns().iter().enumerate() {
            if column > 0 {
                line.push(',');
            }
            if array.is_null(row) {
                // A line must not be empty: readers would pass over it.
                line.push_str(if batch.num_columns() == 1 { "\"\"" } else { "" });
                continue;
            }
            let value = cell_text(array.as_ref(), row).map_err(io::Error::other)?;
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
pub(crate) fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
