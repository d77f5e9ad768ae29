//! The harness: a folder a test, commands whose failures print everything, and comparisons.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use streamreg::{FitReport, Regression};
use tempfile::TempDir;

/// A file below `tests/golden`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A JSON file below `tests/golden`.
pub(crate) fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// A folder of its own for a test; it goes when the test ends.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("streamreg-test-").tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name))
            .unwrap_or_else(|e| panic!("{name}: {e}; there is\n{}", self.listing()))
    }

    /// Names of all files, hidden ones too, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(self.0.path(), self.0.path(), &mut names);
        names.sort();
        names
    }

    /// Names, sizes and the beginnings of text files.
    fn listing(&self) -> String {
        let mut out = String::new();
        for name in self.files() {
            let content = std::fs::read(self.path(&name)).unwrap_or_default();
            let head = &content[..content.len().min(300)];
            let head = std::str::from_utf8(head).unwrap_or("(binary)");
            let _ = writeln!(out, "--- {name}, {} bytes\n{head}", content.len());
        }
        out
    }

    /// The program, run in this folder. Arguments are split as [`words`] does; add others with [`Cmd::arg`].
    pub(crate) fn streamreg(&self, line: &str) -> Cmd<'_> {
        let mut command = program(env!("CARGO_BIN_EXE_streamreg"));
        command.current_dir(self.0.path()).args(words(line)).stdin(Stdio::null());
        Cmd { dir: self, command }
    }

    /// The JSON report of `streamreg fit` with these arguments.
    pub(crate) fn fit(&self, line: &str) -> Value {
        self.streamreg(&format!("fit {line} --format json")).success().json()
    }
}

/// A program without the variables of our own that whoever runs the tests has set.
pub(crate) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STREAMREG_") {
            command.env_remove(name);
        }
    }
    command
}

fn collect(base: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(base, &path, names);
        } else {
            names.push(path.strip_prefix(base).unwrap().to_string_lossy().into_owned());
        }
    }
}

/// A command to be run.
pub(crate) struct Cmd<'d> {
    dir: &'d Dir,
    pub(crate) command: Command,
}

impl Cmd<'_> {
    pub(crate) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        let output = self.command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let transcript = format!(
            "\n===== command\n{:?}\n===== {}\n===== stdout\n{}\n===== stderr\n{stderr}\n===== files\n{}",
            self.command,
            output.status,
            abridged(&stdout),
            self.dir.listing()
        );
        Outcome { code: output.status.code(), stdout, stderr, transcript }
    }

    /// Runs; the code must be 0 and stderr empty.
    pub(crate) fn success(self) -> Outcome {
        let outcome = self.run().code(0);
        outcome.check(outcome.stderr.is_empty(), "nothing on stderr");
        outcome
    }

    /// Runs; must fail with `code`, one line on stderr that has all of `words`, and nothing on stdout.
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Outcome {
        let outcome = self.run().code(code);
        outcome.check(outcome.stdout.is_empty(), "nothing on stdout");
        outcome.check(outcome.stderr.lines().count() == 1, "one line on stderr");
        outcome.check(outcome.stderr.starts_with("streamreg: "), "the program's name first");
        for word in words {
            outcome.check(outcome.stderr.contains(word), &format!("{word:?} on stderr"));
        }
        outcome
    }
}

fn abridged(text: &str) -> &str {
    text.char_indices().nth(20_000).map_or(text, |(end, _)| &text[..end])
}

/// How many times a command is killed: few, unless `STREAMREG_KILLS` says more.
pub(crate) fn kills(few: usize) -> usize {
    std::env::var("STREAMREG_KILLS").map_or(few, |count| count.parse().unwrap())
}

impl Cmd<'_> {
    /// Runs, or kills it after a while. Whether it came to its end, and after what time.
    pub(crate) fn run_or_kill(mut self, limit: Option<Duration>) -> (bool, Duration) {
        let mut child = self.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{:?}: {status}", self.command);
                return (true, start.elapsed());
            }
            if limit.is_some_and(|limit| start.elapsed() > limit) {
                child.kill().unwrap();
                child.wait().unwrap();
                return (false, start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Words between blanks; quotes of both kinds keep blanks, and the other kind, within a word.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    transcript: String,
}

impl Outcome {
    /// Fails the test with everything that is known unless `holds`.
    #[track_caller]
    pub(crate) fn check(&self, holds: bool, expected: &str) {
        assert!(holds, "expected: {expected}{}", self.transcript);
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        self.check(self.code == Some(code), &format!("exit code {code}"));
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON: {e}{}", self.transcript))
    }

    /// The fields of stdout as CSV.
    pub(crate) fn csv(&self) -> Vec<Vec<String>> {
        csv(&self.stdout)
    }
}

/// The records of a CSV text (RFC 4180).
pub(crate) fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// A number in a report; the path separates keys and positions by slashes.
#[track_caller]
pub(crate) fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(&format!("/{path}")).unwrap_or(&Value::Null);
    found.as_f64().unwrap_or_else(|| panic!("{path} is {found}, in {value:#}"))
}

/// The estimates of a JSON report by field (`estimate`, `std_error`), `None` for nulls.
pub(crate) fn column(report: &Value, field: &str) -> Vec<Option<f64>> {
    report["coefficients"].as_array().unwrap().iter().map(|c| c[field].as_f64()).collect()
}

#[track_caller]
pub(crate) fn close(name: &str, got: f64, wanted: f64, tolerance: f64) {
    let error = if wanted == 0.0 { got.abs() } else { ((got - wanted) / wanted).abs() };
    assert!(error <= tolerance, "{name}: {got:?} instead of {wanted:?}, off by {error:.3e}");
}

/// Everything in a report that must not depend on how the work was done, as text: floats print as the
/// shortest decimal that reads back, so equal text is equal bits.
pub(crate) fn fingerprint(report: &FitReport) -> String {
    let mut value = serde_json::to_value(report).unwrap();
    let object = value.as_object_mut().unwrap();
    object.remove("timings");
    object.remove("reading");
    let bits = |c: &streamreg::Covariance| c.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    format!("{value:#}\n{:?}", report.covariance.as_ref().map(bits))
}

/// [`fingerprint`] without what names the files and how they were read.
pub(crate) fn numbers_only(report: &FitReport) -> String {
    let mut value = serde_json::to_value(report).unwrap();
    for key in ["timings", "inputs", "left_out", "reading"] {
        value.as_object_mut().unwrap().remove(key);
    }
    format!("{value:#}")
}

/// Pseudo-random numbers (splitmix64; Steele, Lea & Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between -1 and 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub(crate) fn vector(&mut self, rows: usize) -> Vec<f64> {
        (0..rows).map(|_| self.unit()).collect()
    }
}

/// Columns with names, as float64.
pub(crate) type Table = Vec<(String, Vec<f64>)>;

/// `features` random columns x1, x2, ... and y, which is a linear function of them plus noise.
pub(crate) fn table(rows: usize, features: usize, seed: u64) -> Table {
    let mut random = Random::new(seed);
    let mut columns: Table = (1..=features).map(|j| (format!("x{j}"), random.vector(rows))).collect();
    let y = (0..rows).map(|i| {
        let linear: f64 = columns.iter().enumerate().map(|(j, (_, x))| (j as f64 - 1.5) * x[i]).sum();
        3.0 + linear + 0.3 * random.unit()
    });
    let y = y.collect();
    columns.push(("y".into(), y));
    columns
}

/// Columns as a record batch.
pub(crate) fn batch(columns: &[(String, Vec<f64>)]) -> RecordBatch {
    arrays(
        columns.iter().map(|(name, x)| (name.as_str(), Arc::new(Float64Array::from(x.clone())) as ArrayRef)),
    )
}

/// Arrays as a record batch, all nullable where they hold a null.
pub(crate) fn arrays<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes one Parquet file.
pub(crate) fn write_parquet(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The columns as CSV with numbers that read back exactly.
pub(crate) fn to_csv(columns: &[(String, Vec<f64>)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = names.join(",") + "\n";
    for row in 0..columns[0].1.len() {
        let cells: Vec<String> = columns.iter().map(|(_, x)| format!("{:?}", x[row])).collect();
        out += &(cells.join(",") + "\n");
    }
    out
}

/// Fits `regression` to columns in memory.
pub(crate) fn fit_table(regression: &Regression, columns: &[(String, Vec<f64>)]) -> FitReport {
    let batch = batch(columns);
    regression.fit_batches(batch.schema(), [Ok(batch)]).unwrap()
}

/// The estimates of a report; every term must have one.
#[track_caller]
pub(crate) fn estimates(report: &FitReport) -> Vec<f64> {
    report
        .coefficients
        .iter()
        .map(|c| c.estimate.unwrap_or_else(|| panic!("{} has no estimate", c.term)))
        .collect()
}
