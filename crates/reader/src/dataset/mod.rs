//! Data sets: one path or many, directories, globs, hive keys; one schema for all files.

mod format;
mod hive;
mod nested;
mod paths;
mod unify;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use self::format::{FileFormat, Opened, open_file};
use self::hive::{HiveKey, hive_bounds, hive_keys};
use self::paths::{below, expand, is_delimited_name, root, would_name};
pub use self::paths::{data_stem, is_data_name};
use self::unify::{settle_blanks, unify};
use crate::csv::CsvOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::source::names::Names;
use crate::source::{
    Checksums, Doubt, InputFile, Partition, PartitionOrder, ReadCounts, RowNumbers, Scan, ScanRequest,
    Source, Summary,
};

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
    /// For the CSV files among them; its types also for keys in the names of folders.
    pub csv: CsvOptions,
    /// Whether files may lack columns that others have: their values are missing.
    pub union_by_name: bool,
}

impl DatasetOptions {
    /// Sets how CSV files are read. It is an error if there is none among the files.
    #[must_use]
    pub fn csv(mut self, csv: CsvOptions) -> Self {
        self.csv = csv;
        self
    }

    /// Lets files lack columns that others have.
    #[must_use]
    pub fn union_by_name(mut self) -> Self {
        self.union_by_name = true;
        self
    }
}

/// One table in one or many files.
///
/// Files are read in the order given, those of a directory or glob in the order of their paths.
/// Components `key=value` of a path (Hive's partitioning) are columns: whole numbers where all are,
/// else numbers, else days, else timestamps, else text. A column of that name in the files is not read. Every file must
/// have the same column names, in any order, unless it is [`DatasetOptions::union_by_name`]; numeric types may differ, and
/// the schema then says the type that holds them all.
pub struct Dataset {
    files: Vec<DatasetFile>,
    schema: SchemaRef,
    names: Names,
    /// More are found when the orders of levels are asked for.
    warnings: Mutex<Vec<String>>,
}

struct DatasetFile {
    source: Box<dyn Source>,
    /// Columns with one value in all rows, each an array of one row: the keys of the path, and nulls where the file lacks a
    /// column or has no type for it.
    constants: HashMap<String, (Field, ArrayRef)>,
}

impl Dataset {
    /// Opens all files that `paths` name: files, directories, glob patterns (`*`, `?`, `**`, `{a,b}`).
    ///
    /// # Errors
    /// When nothing matches, a file cannot be opened, or the files do not form one table; the error
    /// names the files.
    pub fn open<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Self> {
        let listing = Listing::of(paths, options)?;
        listing.open(&(0..listing.files.len()).collect::<Vec<_>>())
    }
}

/// The files of a data set before they are opened: all of them, or some.
pub struct Listing {
    /// As they were named.
    arguments: Vec<PathBuf>,
    files: Vec<PathBuf>,
    /// Their paths below what was named.
    places: Vec<PathBuf>,
    passed_over: Vec<PathBuf>,
    /// Keys of their paths: all paths together decide what types they have.
    keys: Vec<HiveKey>,
    options: DatasetOptions,
}

impl Listing {
    /// Lists all files that `paths` name, as [`Dataset::open`] does.
    ///
    /// # Errors
    /// When nothing matches, or a file is named twice.
    pub fn of<P: AsRef<Path>>(paths: &[P], options: &DatasetOptions) -> Result<Self> {
        let arguments: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
        let (mut files, mut places, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
        for argument in &arguments {
            expand(argument, &mut files, &mut passed_over)?;
            let root = root(argument);
            places.extend(files[places.len()..].iter().map(|file| below(&root, file)));
        }
        if files.is_empty() {
            return Err(Error::new(ErrorKind::Request, "no input file was named"));
        }
        refuse_repeats(&files)?;
        let keys = hive_keys(&files, &options.csv)?;
        Ok(Self { arguments, files, places, passed_over, keys, options: options.clone() })
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The path of each file below what was named: a directory, the part of a pattern before its first wildcard, or the folder of a
    /// file. From the first folder of a key (`day=1`) on it is complete, however the file was named.
    pub fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// Whether a file that is put at `path` would be one of those that were named.
    pub fn would_read(&self, path: &Path) -> bool {
        self.arguments.iter().any(|argument| would_name(argument, path))
    }

    /// The columns that are keys of the paths: all paths together decide about their types.
    pub fn keys(&self) -> impl Iterator<Item = &Field> {
        self.keys.iter().map(|key| &key.field)
    }

    /// Opens the files at some positions, at least one, as a data set.
    ///
    /// # Errors
    /// When a file cannot be opened, or the files do not form one table; the error names the files.
    pub fn open(&self, positions: &[usize]) -> Result<Dataset> {
        let Self { passed_over, keys, options, .. } = self;
        let found: Vec<PathBuf> = positions.iter().map(|&at| self.files[at].clone()).collect();
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Request, "no input file was named"));
        }
        let key_names: Vec<&str> = keys.iter().map(|key| key.field.name().as_str()).collect();
        let mut of_files = options.clone();
        of_files.csv.types.retain(|(column, _)| !key_names.contains(&column.as_str()));
        let opened = found.iter().map(|path| open_file(path, &of_files)).collect::<Result<Vec<_>>>()?;
        // The options may be for others.
        if positions.len() == self.files.len() || !self.files.iter().any(|file| is_delimited_name(file)) {
            refuse_unused(&of_files.csv, &opened)?;
        }
        let mut opened = settle_blanks(&found, opened, &of_files)?;
        let csv = |file: &Opened| file.format == FileFormat::Csv;
        let unused = opened.iter().filter(|file| csv(file)).all(|file| file.unused_format.is_some());
        if unused
            && !keys.iter().any(HiveKey::is_time)
            && let Some(error) = opened.iter_mut().find_map(|file| file.unused_format.take())
        {
            return Err(error);
        }
        let schema = unify(&found, &opened, &key_names, options.union_by_name)?;
        let schema = mark_blanks(&schema, &opened);
        let warnings = warnings(passed_over, &key_names, &opened);
        let file = |(opened, &at): (Opened, &usize)| DatasetFile::new(opened, &schema, keys, at);
        let files = opened.into_iter().zip(positions).map(file).collect();
        let own = schema.fields().iter().cloned();
        let all = own.chain(keys.iter().map(|key| Arc::new(key.field.clone())));
        let schema = Arc::new(Schema::new(all.collect::<Vec<_>>()));
        Ok(Dataset { files, names: Names::new(&schema), schema, warnings: Mutex::new(warnings) })
    }
}

/// Refuses options of CSV files where there is none.
fn refuse_unused(csv: &CsvOptions, opened: &[Opened]) -> Result<()> {
    let unset = CsvOptions::default();
    if *csv == unset || opened.iter().any(|file| file.format == FileFormat::Csv) {
        return Ok(());
    }
    let options = [
        ("--delimiter", csv.delimiter != unset.delimiter),
        ("--no-header", csv.header != unset.header),
        ("--null", csv.nulls != unset.nulls),
        ("--decimal", csv.decimal != unset.decimal),
        ("--thousands", csv.thousands != unset.thousands),
        ("--date-format", csv.date_formats != unset.date_formats),
        ("--schema", csv.types != unset.types),
    ];
    let names: Vec<&str> = options.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    let message = match names.as_slice() {
        [] => "options of CSV files would have no effect: none of the files is CSV".to_owned(),
        names => format!("{} would have no effect: none of the files is CSV", names.join(", ")),
    };
    let error = Error::new(ErrorKind::Request, message);
    Err(match names.as_slice() {
        ["--null"] => error.with_help("--with \"NAME = nullif(COLUMN, VALUE)\" makes a value missing"),
        ["--schema"] => {
            error.with_help("--with \"NAME = CAST(COLUMN AS TYPE)\" makes a column of another type")
        }
        _ => error,
    })
}

/// Files whose orders of levels are compared.
const MOST_ORDERS: usize = 100;

/// Whether the levels that both lists have stand in the same order.
fn same_order(a: &[String], b: &[String]) -> bool {
    let place: HashMap<&String, usize> = b.iter().zip(0..).collect();
    let places: Vec<usize> = a.iter().filter_map(|level| place.get(level).copied()).collect();
    places.is_sorted()
}

/// Files of a folder that are named in a warning.
const MOST_NAMED: usize = 5;

/// What the owner of the files may not expect.
fn warnings(passed_over: &[PathBuf], keys: &[&str], opened: &[Opened]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !passed_over.is_empty() {
        let names = passed_over.iter().take(MOST_NAMED).map(|path| path.display().to_string());
        let more = match passed_over.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        warnings.push(format!(
            "files were passed over, as their names do not say what they are: {}{more}; name a file to read it",
            names.collect::<Vec<_>>().join(", ")
        ));
    }
    for key in keys {
        if opened.iter().any(|file| file.source.schema().field_with_name(key).is_ok()) {
            warnings.push(format!(
                "column {key:?} stands in the files and in the names of their folders: the folders' value is taken"
            ));
        }
    }
    warnings
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

/// Columns without a value in the sample of any file have no type yet.
fn mark_blanks(schema: &Schema, opened: &[Opened]) -> Schema {
    let of_file = |file: &Opened| file.blank.iter().cloned().collect::<HashSet<String>>();
    let blank = opened.iter().map(of_file).reduce(|a, b| &a & &b).unwrap_or_default();
    let fields = schema.fields().iter().map(|field| match blank.contains(field.name()) {
        true => Arc::new(Field::new(field.name(), DataType::Null, true)),
        false => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

impl Dataset {
    /// The first file, to stand for all in a message.
    fn path(&self) -> PathBuf {
        self.files[0].source.inputs().first().map(|f| f.path.clone()).unwrap_or_default()
    }
}

impl Source for Dataset {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        for name in request.columns.iter().chain(&request.verbatim) {
            self.names.find(&self.schema, name).map_err(|e| e.at_path(&self.path()))?;
        }
        let place = Mutex::new(Place::default());
        // Files that know their rows can be entered anywhere.
        let known = self.files.iter().all(|file| file.rows().is_some());
        let order = if known { request.order } else { PartitionOrder::Stored };
        let ahead = Some(request.ahead(|| self.bytes_to_read(request)));
        let request = ScanRequest { order: PartitionOrder::Stored, ahead, ..request.clone() };
        order.of(Box::new(DatasetScan { dataset: self, request, place, known }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.files.iter().flat_map(|f| f.source.inputs()).collect()
    }

    fn bytes_to_read(&self, request: &ScanRequest) -> u64 {
        self.files.iter().map(|file| file.source.bytes_to_read(&file.request(request))).sum()
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

    fn doubt(&self, column: &str) -> Option<Doubt> {
        let files = self.files.iter().filter(|file| !file.constants.contains_key(column));
        files.map(|file| file.source.doubt(column)).find_map(|doubt| doubt)
    }

    /// That of the first file that has one: levels of other files come behind it.
    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        let files = self.files.iter().filter(|file| !file.constants.contains_key(column));
        let mut first: Option<Vec<String>> = None;
        for file in files.take(MOST_ORDERS) {
            let Some(order) = file.source.level_order(column)? else { continue };
            if order.is_empty() {
                if file.rows() == Some(0) {
                    continue;
                }
                let message = format!(
                    "column {column:?} is an ordered category, and its file does not keep the order of the levels: they \
                     are sorted"
                );
                self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                break;
            }
            match &first {
                None => first = Some(order),
                Some(first) if same_order(first, &order) => {}
                Some(_) => {
                    let message = format!(
                        "the files give the levels of column {column:?} different orders: that of the first counts"
                    );
                    self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                    break;
                }
            }
        }
        Ok(first)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        warnings.dedup();
        warnings
    }

    fn verbatim_type(&self, index: usize) -> DataType {
        let field = self.schema.field(index);
        let files = self.files.iter().filter(|file| !file.constants.contains_key(field.name()));
        let types = files.filter_map(|file| {
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
        let mut summary = Summary::of_no_file(self.schema.fields().len());
        for file in &self.files {
            let names = Names::new(file.source.schema());
            let own = |name: &String| names.get(name).filter(|_| !file.constants.contains_key(name));
            let order: Vec<Option<usize>> = self.schema.fields().iter().map(|f| own(f.name())).collect();
            let of_file = file.source.summary();
            summary.add(&of_file, &order);
            for (nulls, field) in summary.null_counts.iter_mut().zip(self.schema.fields()) {
                if names.contains(field.name()) && names.get(field.name()).is_none() {
                    // Several columns have this name: nothing is known of the one that is meant.
                    *nulls = None;
                }
                let constant = file.constants.get(field.name());
                // The file's rows were added as nulls.
                if constant.is_some_and(|(_, value)| value.null_count() == 0) {
                    *nulls = nulls.zip(of_file.rows).map(|(nulls, rows)| nulls - rows);
                }
            }
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
    /// Whether partitions cost nothing before their first batch: then some are taken before they are wanted.
    known: bool,
}

/// Partitions that are taken before they are wanted, so that their first bytes can be read.
const TAKEN_AHEAD: usize = 4;

#[derive(Default)]
struct Place<'a> {
    /// What comes next, in order; the end of everything too.
    taken: VecDeque<Option<Result<Partition>>>,
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
        if !self.known {
            return self.take(&mut place);
        }
        while place.taken.len() <= TAKEN_AHEAD && !matches!(place.taken.back(), Some(None | Some(Err(_)))) {
            let mut next = self.take(&mut place);
            if let (Some(Ok(partition)), Some(ahead)) = (&mut next, &self.request.ahead)
                && let Some(prepare) = partition.prepare.take()
            {
                ahead.prepare(prepare);
            }
            place.taken.push_back(next);
        }
        place.taken.pop_front().flatten()
    }
}

impl<'a> DatasetScan<'a> {
    /// The next partition of the files.
    fn take(&self, place: &mut Place<'a>) -> Option<Result<Partition>> {
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

    /// The file at position `index`, as part of a data set whose files have the columns `schema` beside the keys.
    fn new(opened: Opened, schema: &Schema, keys: &[HiveKey], index: usize) -> Self {
        let keys = keys.iter().map(|key| (key.field.clone(), Arc::clone(&key.values[index])));
        let mut constants: HashMap<String, (Field, ArrayRef)> =
            keys.map(|(field, value)| (field.name().clone(), (field, value))).collect();
        let found = opened.source.schema();
        let names = Names::new(found);
        for field in schema.fields() {
            let untyped = |i: usize| found.field(i).data_type() == &DataType::Null;
            let lacks = !names.contains(field.name());
            let is_null = names.get(field.name()).is_some_and(untyped);
            if lacks || (is_null && field.data_type() != &DataType::Null) {
                let nulls = new_null_array(field.data_type(), 1);
                constants.insert(field.name().clone(), (field.as_ref().clone(), nulls));
            }
        }
        Self { source: opened.source, constants }
    }

    /// The part of a request that the file itself answers.
    fn request(&self, request: &ScanRequest) -> ScanRequest {
        let own =
            |names: &[String]| names.iter().filter(|n| !self.constants.contains_key(*n)).cloned().collect();
        let key = |name: &str| self.constants.get(name).map(|(_, value)| hive_bounds(value));
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

    /// Puts the columns that are constant where the request wants them.
    fn complete(&self, request: &ScanRequest, partition: Partition) -> Partition {
        let names: Vec<&String> = request.columns.iter().chain(&request.verbatim).collect();
        let constants: Vec<Option<(Field, ArrayRef)>> =
            names.iter().map(|n| self.constants.get(*n).cloned()).collect();
        if constants.iter().all(Option::is_none) {
            return partition;
        }
        let batches = partition.batches.map(move |batch| batch.and_then(|b| with_constants(&b, &constants)));
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
