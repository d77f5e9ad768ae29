//! Data sets: one path or many, directories, globs, hive keys; one schema for all files.

mod hive;
mod paths;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::hive::{hive_bounds, hive_keys};
pub use self::paths::is_data_name;
use self::paths::{IPC, LIBSVM, NDJSON, PARQUET, ends_with_any, expand};
use crate::csv::{ColumnType, CsvFile, CsvOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::ipc::IpcFile;
use crate::libsvm::LibsvmFile;
use crate::ndjson::NdJsonFile;
use crate::parquet::ParquetFile;
use crate::source::{
    Checksums, InputFile, Partition, PartitionOrder, ReadCounts, RowNumbers, Scan, ScanRequest, Source,
    Summary, position,
};
use crate::storage;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// How the files of a data set are read.
///
/// ```
/// use streamreg_reader::DatasetOptions;
/// use streamreg_reader::csv::{ColumnType, CsvOptions};
///
/// let csv = CsvOptions::default().delimiter(b';').column_type("zip", ColumnType::Text);
/// let options = DatasetOptions::default().csv(csv);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DatasetOptions {
    /// For the CSV files among them.
    pub csv: CsvOptions,
}

impl DatasetOptions {
    /// Sets how CSV files are read. It is an error if there is none among the files.
    #[must_use]
    pub fn csv(mut self, csv: CsvOptions) -> Self {
        self.csv = csv;
        self
    }
}

/// One table in one or many files.
///
/// Files are read in the order given, those of a directory or glob in the order of their paths.
/// Components `key=value` of a path (Hive's partitioning) are columns: whole numbers where all are,
/// else numbers, else days, else text. Every file must have the same column names, in any order; numeric types may
/// differ, and the schema then says the type that holds them all.
pub struct Dataset {
    files: Vec<DatasetFile>,
    schema: SchemaRef,
    /// Positions of the columns: a request for all of 100,000 must not search a list for each.
    positions: HashMap<String, usize>,
}

struct DatasetFile {
    source: Box<dyn Source>,
    /// A value for each hive key, in the order of the keys.
    hive: Vec<(Field, ArrayRef)>,
}

impl Dataset {
    /// Opens all files that `paths` name: files, directories, glob patterns (`*`, `?`, `**`, `{a,b}`).
    ///
    /// # Errors
    /// When nothing matches, a file cannot be opened, or the files do not form one table; the error
    /// names the files.
    pub fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Self> {
        let mut found = Vec::new();
        for path in paths {
            expand(path.as_ref(), &mut found)?;
        }
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Request, "no input file was named"));
        }
        refuse_repeats(&found)?;
        let keys = hive_keys(&found)?;
        let opened = found.iter().map(|path| open_file(path, options)).collect::<Result<Vec<_>>>()?;
        if options.csv != CsvOptions::default() && !opened.iter().any(|file| file.format == FileFormat::Csv) {
            let message = "options of CSV files would have no effect: none of the files is CSV";
            return Err(Error::new(ErrorKind::Request, message));
        }
        let opened = settle_blanks(&found, opened, options)?;
        let blanks: Vec<HashSet<String>> =
            opened.iter().map(|file| file.blank.iter().cloned().collect()).collect();
        let blanks: Vec<HashSet<String>> = blanks.into_iter().reduce(|a, b| &a & &b).into_iter().collect();
        let files = opened.into_iter().enumerate().map(|(index, file)| DatasetFile {
            source: file.source,
            hive: keys.iter().map(|k| (k.field.clone(), k.values[index].clone())).collect(),
        });
        let files: Vec<DatasetFile> = files.collect();
        let mut schema = unify(&found, &files)?;
        if let [blank] = blanks.as_slice() {
            schema = mark_blanks(&schema, blank);
        }
        let schema = Arc::new(schema);
        let positions = positions(&schema);
        Ok(Self { files, schema, positions })
    }
}

/// Overlapping paths and patterns would count rows twice.
fn refuse_repeats(paths: &[PathBuf]) -> Result<()> {
    let mut seen: HashMap<PathBuf, &PathBuf> = HashMap::new();
    for path in paths {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if let Some(first) = seen.insert(real, path) {
            let message = format!("the file is named twice, also as {}", first.display());
            return Err(Error::new(ErrorKind::Request, message).at_path(path));
        }
    }
    Ok(())
}

fn positions(schema: &Schema) -> HashMap<String, usize> {
    schema.fields().iter().enumerate().map(|(i, f)| (f.name().clone(), i)).collect()
}

/// A file, and its columns whose type is open.
struct Opened {
    source: Box<dyn Source>,
    blank: Vec<String>,
    format: FileFormat,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileFormat {
    Parquet,
    Csv,
    NdJson,
    Ipc,
    Libsvm,
}

/// Gives columns of text files that begin without a value the type that another file has for them.
fn settle_blanks(
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

impl Dataset {
    /// The first file, to stand for all in a message.
    fn path(&self) -> PathBuf {
        self.files[0].source.inputs().first().map(|f| f.path.clone()).unwrap_or_default()
    }
}

/// Columns without a value in the sample of any file have no type yet.
fn mark_blanks(schema: &Schema, blank: &HashSet<String>) -> Schema {
    let fields = schema.fields().iter().map(|field| match blank.contains(field.name()) {
        true => Arc::new(Field::new(field.name(), DataType::Null, true)),
        false => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Opens one file by what it is.
fn open_file(path: &Path, options: &DatasetOptions) -> Result<Opened> {
    // Opening a pipe could wait forever, and a pipe cannot be read twice.
    if !std::fs::metadata(path).map_err(|e| Error::io(path, e))?.is_file() {
        let message = "not a regular file; pipes, devices and standard input are not read";
        return Err(Error::new(ErrorKind::Request, message).at_path(path));
    }
    let mut magic = [0u8; 6];
    let mut file = storage::open(path)?;
    let read = std::io::Read::read(&mut file, &mut magic).map_err(|e| Error::io(path, e))?;
    let format = format_of(path, &magic, read)?;
    open_as(path, format, options, &[])
}

/// Opens a file of a known format; `types` are those of columns without a value in its sample.
fn open_as(
    path: &Path,
    format: FileFormat,
    options: &DatasetOptions,
    types: &[(String, DataType)],
) -> Result<Opened> {
    match format {
        FileFormat::Parquet => {
            Ok(Opened { source: Box::new(ParquetFile::open(path)?), blank: Vec::new(), format })
        }
        FileFormat::Csv => {
            let mut csv = options.csv.clone();
            csv.types.extend(types.iter().map(|(name, kind)| (name.clone(), ColumnType::of(kind))));
            let file = CsvFile::open(path, &csv)?;
            let blank = file.blank_columns().map(str::to_owned).collect();
            Ok(Opened { source: Box::new(file), blank, format })
        }
        FileFormat::Ipc => Ok(Opened { source: Box::new(IpcFile::open(path)?), blank: Vec::new(), format }),
        FileFormat::Libsvm => {
            Ok(Opened { source: Box::new(LibsvmFile::open(path)?), blank: Vec::new(), format })
        }
        FileFormat::NdJson => {
            let file = NdJsonFile::open(path, types)?;
            let blank = file.blank_columns().map(str::to_owned).collect();
            Ok(Opened { source: Box::new(file), blank, format })
        }
    }
}

/// Tells a file's format by its first bytes, then by its name.
fn format_of(path: &Path, magic: &[u8; 6], read: usize) -> Result<FileFormat> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let unsupported = |what: &str| {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{what} files are not read; convert it to Parquet or CSV"),
        )
        .at_path(path))
    };
    if magic.starts_with(b"PAR1") || magic.starts_with(b"PARE") || ends_with_any(&name, PARQUET) {
        return Ok(FileFormat::Parquet);
    }
    if magic == b"ARROW1" || ends_with_any(&name, IPC) {
        return Ok(FileFormat::Ipc);
    }
    if magic[..read].starts_with(b"ORC") && name.ends_with(".orc") {
        return unsupported("ORC");
    }
    let stem = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    if ends_with_any(stem.unwrap_or(&name), LIBSVM) {
        return Ok(FileFormat::Libsvm);
    }
    if ends_with_any(stem.unwrap_or(&name), NDJSON) {
        return Ok(FileFormat::NdJson);
    }
    if ends_with_any(&name, &[".json", ".xlsx"]) {
        return unsupported("JSON and spreadsheet");
    }
    Ok(FileFormat::Csv)
}

/// One schema for all files, or an error that names two that disagree.
fn unify(paths: &[PathBuf], files: &[DatasetFile]) -> Result<Schema> {
    let mut fields: Vec<Field> =
        files[0].source.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let known: HashSet<String> = fields.iter().map(|f| f.name().clone()).collect();
    for (path, file) in paths.iter().zip(files).skip(1) {
        let disagree = |column: &str, message: String| {
            Error::new(ErrorKind::Schema, message).at_path(path).in_column(column)
        };
        let schema = file.source.schema();
        if let Some(extra) = schema.fields().iter().find(|f| !known.contains(f.name())) {
            let first = paths[0].display();
            let message = format!("the column is not in {first}; all files must have the same columns");
            return Err(disagree(extra.name(), message));
        }
        let found = positions(schema);
        for field in &mut fields {
            let Some(found) = found.get(field.name()).map(|&i| schema.field(i)) else {
                let message = format!("the column is missing here; {} has it", paths[0].display());
                return Err(disagree(field.name(), message));
            };
            let (theirs, ours) = (found.data_type(), field.data_type());
            let Some(kind) = widest(ours, theirs) else {
                let error =
                    disagree(field.name(), format!("{theirs} here, {ours} in {}", paths[0].display()));
                let text = [ours, theirs].contains(&&DataType::Utf8);
                let help = "--schema COLUMN=TYPE sets the type of a CSV column";
                return Err(if text { error.with_help(help) } else { error });
            };
            *field = Field::new(field.name(), kind, field.is_nullable() || found.is_nullable());
        }
    }
    for (field, _) in &files[0].hive {
        if fields.iter().any(|f| f.name() == field.name()) {
            let message = "the column stands in the file and in its path";
            return Err(Error::new(ErrorKind::Schema, message).in_column(field.name()).at_path(&paths[0]));
        }
        fields.push(field.clone());
    }
    Ok(Schema::new(fields))
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

impl Source for Dataset {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        for name in request.columns.iter().chain(&request.verbatim) {
            if !self.positions.contains_key(name) {
                position(&self.schema, name).map_err(|e| e.at_path(&self.path()))?;
            }
        }
        let place = Mutex::new(Place { file: 0, current: None, next_index: 0, rows_before: 0, end: 0 });
        // Files that know their rows can be entered anywhere.
        let known = self.files.iter().all(|file| file.rows().is_some());
        let order = if known { request.order } else { PartitionOrder::Stored };
        let request = ScanRequest { order: PartitionOrder::Stored, ..request.clone() };
        order.of(Box::new(DatasetScan { dataset: self, request, place }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.files.iter().flat_map(|f| f.source.inputs()).collect()
    }

    fn checksums(&self) -> Checksums {
        let each = self.files.iter().map(|f| f.source.checksums());
        each.fold(Checksums::default(), |sum, file| Checksums {
            pages: sum.pages + file.pages,
            protected: sum.protected + file.protected,
        })
    }

    fn counts(&self) -> ReadCounts {
        self.files.iter().fold(ReadCounts::default(), |sum, file| sum + file.source.counts())
    }

    fn verbatim_type(&self, index: usize) -> DataType {
        let field = self.schema.field(index);
        let types = self.files.iter().filter_map(|file| {
            let index = file.source.schema().index_of(field.name()).ok()?;
            Some(file.source.verbatim_type(index))
        });
        // Only the widening of whole numbers keeps every value as it is; text does for all others.
        let types: HashSet<DataType> = types.collect();
        let whole = field.data_type().is_integer() && types.iter().all(DataType::is_integer);
        match types.iter().next() {
            Some(only) if types.len() == 1 => only.clone(),
            Some(_) if !whole => DataType::Utf8,
            _ => field.data_type().clone(),
        }
    }

    fn summary(&self) -> Summary {
        let own = self.schema.fields().len() - self.files[0].hive.len();
        let mut summary = self.files[0].source.summary();
        for file in &self.files[1..] {
            let schema = file.source.schema();
            let order: Vec<usize> =
                self.schema.fields()[..own].iter().filter_map(|f| schema.index_of(f.name()).ok()).collect();
            summary.add(&file.source.summary(), &order);
        }
        for key in 0..self.files[0].hive.len() {
            let complete = self.files.iter().all(|file| file.hive[key].1.null_count() == 0);
            summary.null_counts.push(complete.then_some(0));
            summary.decode_bytes.push(0);
        }
        summary
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.files.iter().try_for_each(|f| f.source.verify_unchanged())
    }
}

/// File after file, each through its own scan.
struct DatasetScan<'a> {
    dataset: &'a Dataset,
    request: ScanRequest,
    place: Mutex<Place<'a>>,
}

struct Place<'a> {
    file: usize,
    current: Option<Box<dyn Scan + 'a>>,
    next_index: usize,
    /// Rows of the files before.
    rows_before: u64,
    /// Rows of this file, as far as its partitions tell.
    end: u64,
}

impl Scan for DatasetScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let file = self.dataset.files.get(place.file)?;
            if place.current.is_none() {
                match file.source.scan(&file.request(&self.request)) {
                    Ok(scan) => place.current = Some(scan),
                    Err(e) => {
                        place.file = self.dataset.files.len();
                        return Some(Err(e));
                    }
                }
            }
            match place.current.as_ref().and_then(|scan| scan.next_partition()) {
                Some(Ok(partition)) => {
                    let index = place.next_index;
                    place.next_index += 1;
                    if let RowNumbers::Run(rows) = &partition.numbers {
                        place.end = rows.end;
                    }
                    let numbers = partition.numbers.after(place.rows_before);
                    return Some(Ok(file.complete(&self.request, Partition { index, numbers, ..partition })));
                }
                Some(Err(e)) => {
                    place.file = self.dataset.files.len();
                    return Some(Err(e));
                }
                None => {
                    place.current = None;
                    place.file += 1;
                    let end = std::mem::take(&mut place.end);
                    place.rows_before += file.rows().unwrap_or(end);
                }
            }
        }
    }
}

impl DatasetFile {
    /// Rows, where they are known without reading.
    fn rows(&self) -> Option<u64> {
        self.source.inputs().iter().map(|input| input.rows).sum()
    }

    fn hive_value(&self, name: &str) -> Option<&(Field, ArrayRef)> {
        self.hive.iter().find(|(field, _)| field.name() == name)
    }

    /// The part of a request that the file itself answers.
    fn request(&self, request: &ScanRequest) -> ScanRequest {
        let own = |names: &[String]| names.iter().filter(|n| self.hive_value(n).is_none()).cloned().collect();
        let key = |name: &str| self.hive_value(name).map(|(_, value)| hive_bounds(value));
        // A file that is passed over must still be counted.
        let prune = request.prune.as_ref().filter(|_| !request.row_numbers || self.rows().is_some());
        ScanRequest {
            prune: prune.map(|predicate| Arc::new(predicate.within(&key))),
            columns: own(&request.columns),
            verbatim: own(&request.verbatim),
            dictionaries: own(&request.dictionaries),
            ..request.clone()
        }
    }

    /// Puts the hive columns where the request wants them.
    fn complete(&self, request: &ScanRequest, partition: Partition) -> Partition {
        let names: Vec<&String> = request.columns.iter().chain(&request.verbatim).collect();
        let hive: Vec<Option<(Field, ArrayRef)>> =
            names.iter().map(|n| self.hive_value(n).cloned()).collect();
        if hive.iter().all(Option::is_none) {
            return partition;
        }
        let batches = partition.batches.map(move |batch| batch.and_then(|b| with_constants(&b, &hive)));
        Partition { batches: Box::new(batches), ..partition }
    }
}

/// Interleaves the columns of `batch` with constants.
fn with_constants(batch: &RecordBatch, constants: &[Option<(Field, ArrayRef)>]) -> Result<RecordBatch> {
    let failed = |e: arrow_schema::ArrowError| Error::new(ErrorKind::Malformed, e.to_string());
    let rows = batch.num_rows();
    let (mut fields, mut columns, mut own) = (Vec::new(), Vec::new(), 0);
    for constant in constants {
        match constant {
            Some((field, value)) => {
                let repeated =
                    arrow_select::take::take(value, &arrow_array::UInt32Array::from(vec![0; rows]), None);
                fields.push(Arc::new(field.clone()));
                columns.push(repeated.map_err(failed)?);
            }
            None => {
                fields.push(Arc::clone(&batch.schema_ref().fields()[own]));
                columns.push(Arc::clone(batch.column(own)));
                own += 1;
            }
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(failed)
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
        assert_eq!(widest(&Utf8, &Int64), None);
        assert_eq!(widest(&Boolean, &Int64), None);
    }
}
