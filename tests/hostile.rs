//! Damaged, odd and malicious files: never a panic that escapes, an abort, a hang, or memory without
//! bounds; what is damaged is an error, and never other numbers.
//!
//! A small selection lies in `golden/hostile`. With the environment variable `STREAMREG_HOSTILE` naming a
//! folder that has a `manifest.csv` (with a column `file`), all files of that are tried too. What is expected of a file
//! stands in `golden/hostile/expectations.csv`.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::util::{Dir, csv, golden};

/// What is not done by then hangs. Files take milliseconds, so no machine is too slow for it.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Resident memory that no file may make the program use.
const MEMORY_LIMIT_KB: u64 = 1_500_000;

/// The undamaged file that the damaged ones were made from.
const CONTROL: &str = "crafted/good_1000x3_snappy_crc.parquet";

/// Words of a panic that was not contained, or whose text was passed on.
const PANIC_WORDS: [&str; 6] = [
    "panicked",
    "RUST_BACKTRACE",
    "out of range for slice",
    "called `Option",
    "called `Result",
    "attempt to ",
];

/// What must become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expectation {
    /// Anything that is no crash.
    Any,
    /// `inspect --verify` succeeds.
    Read,
    /// Exit code 3 from `inspect --verify` or from `fit`.
    Error,
    /// Exit code 3 from both: a page does not match its checksum.
    DamagedPage,
    /// Exit code 3, or the rows and the fit of the undamaged file.
    SameOrError,
}

impl Expectation {
    fn named(name: &str) -> Self {
        match name {
            "any" => Self::Any,
            "read" => Self::Read,
            "error" => Self::Error,
            "damaged page" => Self::DamagedPage,
            "same or error" => Self::SameOrError,
            other => panic!("no such expectation: {other:?}"),
        }
    }
}

struct Case {
    name: String,
    path: PathBuf,
    expectation: Expectation,
}

/// The files that a manifest lists, each with what `golden/hostile/expectations.csv` expects of it.
fn cases(folder: &Path) -> Vec<Case> {
    let records = |path: &Path| csv(&std::fs::read_to_string(path).unwrap());
    let known: HashMap<String, Expectation> = records(&golden("hostile/expectations.csv"))[1..]
        .iter()
        .map(|record| (record[0].clone(), Expectation::named(&record[1])))
        .collect();
    let manifest = records(&folder.join("manifest.csv"));
    let file = manifest[0].iter().position(|c| c == "file").unwrap();
    let case = |record: &Vec<String>| {
        let name = record[file].clone();
        let expectation = *known.get(&name).unwrap_or_else(|| panic!("nothing is expected of {name}"));
        Case { path: folder.join(&name), expectation, name }
    };
    manifest[1..].iter().map(case).collect()
}

/// How a child process ended.
struct End {
    line: String,
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
    trouble: Option<String>,
}

/// The largest resident size so far, where the system tells.
fn peak_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// Runs the program on a file, and ends it when it takes too long or too much memory.
fn run(args: &[&str], path: &Path, scratch: &Path) -> End {
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let mut command = crate::util::program(env!("CARGO_BIN_EXE_streamreg"));
    command.args(args).arg("--threads=2").arg(path).stdin(Stdio::null());
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let mut trouble = None;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let memory = peak_kb(child.id()).unwrap_or(0);
        if start.elapsed() > TIME_LIMIT || memory > MEMORY_LIMIT_KB {
            trouble = Some(format!("ended after {:.1?} with {memory} kB of memory", start.elapsed()));
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let stderr = String::from_utf8_lossy(&std::fs::read(&err).unwrap()).into_owned();
    End {
        line: format!("{command:?}"),
        code: status.code(),
        stdout: std::fs::read(&out).unwrap(),
        stderr,
        trouble,
    }
}

impl End {
    /// What is wrong whatever the file.
    fn violation(&self) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.clone());
        }
        if !matches!(self.code, Some(0 | 2 | 3 | 4)) {
            return Some(format!("exit code {:?}", self.code));
        }
        let word = PANIC_WORDS.iter().find(|w| self.stderr.contains(**w));
        word.map(|word| format!("{word:?} on stderr"))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.stdout).ok()
    }
}

/// Everything that is tried with one file.
struct Trial {
    verify: End,
    fit: End,
}

fn attempt(path: &Path, scratch: &Path) -> Trial {
    let verify = run(&["inspect", "--verify", "--format=json"], path, scratch);
    let columns = verify.json().or_else(|| run(&["inspect", "--format=json"], path, scratch).json());
    let target = columns.as_ref().map_or("y".into(), target);
    let fit = run(&["fit", "--format=json", &format!("--target={target}")], path, scratch);
    Trial { verify, fit }
}

/// The last column that can be fitted, else the first.
fn target(inspection: &Value) -> String {
    let columns = inspection["columns"].as_array().unwrap();
    let name = |c: &Value| c["name"].as_str().unwrap().to_owned();
    // No argument can hold a NUL, or be of any length.
    let can_be_named = |c: &&Value| !name(c).contains('\0') && name(c).len() < 100_000;
    let mut named = columns.iter().filter(can_be_named);
    let column = named.clone().rfind(|c| c["feature"] == true).or_else(|| named.next());
    column.map_or("y".into(), name)
}

impl Trial {
    /// The numbers of the fit, without names: bit flips may hit those.
    fn numbers(&self) -> Option<Value> {
        let report = self.fit.json()?;
        let of_term = |c: &Value| Value::from(vec![c["estimate"].clone(), c["std_error"].clone()]);
        let terms = report["coefficients"].as_array()?.iter().map(of_term).collect::<Vec<_>>();
        Some(serde_json::json!([terms, report["glance"], report["ledger"]["rows_read"]]))
    }

    fn violation(&self, case: &Case, control: &Trial) -> Option<String> {
        if let Some(what) = self.verify.violation().or_else(|| self.fit.violation()) {
            return Some(what);
        }
        // Reading fails because of the file; a fit may also lack a column in all of several files.
        let name = case.path.file_name().unwrap().to_string_lossy();
        if self.verify.code == Some(3) && !self.verify.stderr.contains(&*name) {
            return Some("an error that does not name the file".into());
        }
        let (verify, fit) = (self.verify.code, self.fit.code);
        let met = match case.expectation {
            Expectation::Any => true,
            Expectation::Read => verify == Some(0),
            Expectation::Error => verify == Some(3) || fit == Some(3),
            Expectation::DamagedPage => verify == Some(3) && fit == Some(3),
            Expectation::SameOrError => {
                let rows = |t: &Trial| t.verify.json().map(|i| i["verified"]["rows"].clone());
                (verify == Some(3) || rows(self) == rows(control))
                    && (fit == Some(3) || self.numbers() == control.numbers())
            }
        };
        (!met).then(|| format!("{:?} expected", case.expectation))
    }

    fn describe(&self) -> String {
        let end = |e: &End| {
            let (code, out) = (e.code, String::from_utf8_lossy(&e.stdout));
            let out: String = if code == Some(0) { out.chars().take(1_500).collect() } else { String::new() };
            format!("  {}\n  exit code {code:?}\n  stderr: {}\n  {out}\n", e.line, e.stderr.trim_end())
        };
        end(&self.verify) + &end(&self.fit)
    }
}

/// Tries all cases, two at a time; panics with everything that went wrong.
fn try_all(folder: &Path, cases: &[Case]) {
    let temporary = tempfile::tempdir().unwrap();
    let control = attempt(&folder.join(CONTROL), temporary.path());
    assert!(control.numbers().is_some(), "{}", control.describe());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let scratch = temporary.path().join(worker.to_string());
            std::fs::create_dir(&scratch).unwrap();
            let (next, failures, control) = (&next, &failures, &control);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let trial = attempt(&case.path, &scratch);
                    if let Some(what) = trial.violation(case, control) {
                        failures.lock().unwrap().push(format!("{}: {what}\n{}", case.name, trial.describe()));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn committed_selection() {
    let folder = golden("hostile");
    let cases = cases(&folder);
    assert!(cases.len() > 50);
    try_all(&folder, &cases);
}

#[test]
fn a_hundred_thousand_columns() {
    let dir = Dir::new();
    let header: Vec<String> = (0..100_000).map(|j| format!("c{j}")).collect();
    let path = dir.write("wide.csv", format!("{}\n{}\n", header.join(","), vec!["1"; 100_000].join(",")));
    let scratch = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 4] = [
        &["fit", "--target=c0", "--features=c99999"],
        &["inspect"],
        &["inspect", "--verify"],
        &["fit", "--target=c99999"],
    ];
    let ends = commands.map(|args| run(args, &path, scratch.path()));
    let violations: Vec<String> =
        ends.iter().filter_map(|e| Some(format!("{}: {} {}", e.line, e.violation()?, e.stderr))).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Small files that were read wrongly, or ended the program, lie beside the larger collection.
#[test]
fn files_that_were_read_wrongly_if_they_are_there() {
    let Some(folder) = std::env::var_os("STREAMREG_HOSTILE").map(PathBuf::from) else { return };
    let Ok(entries) = std::fs::read_dir(folder.join("../faults/damaged")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let sparse = ["fit", "--target=label", "--sparse=indices,values"];
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let args = if name.ends_with(".libsvm") { &sparse[..] } else { &["fit", "--target=y"] };
        let end = run(args, &path, scratch.path());
        assert_eq!(end.violation(), None, "{name}: {}", end.stderr);
        let expected = if name.starts_with("good") { Some(0) } else { Some(3) };
        assert_eq!(end.code, expected, "{name}: {}", end.stderr);
        assert!(end.code == Some(0) || end.stderr.contains(&name), "the file is not named: {}", end.stderr);
    }
}

#[test]
fn the_whole_collection_if_it_is_there() {
    let Some(folder) = std::env::var_os("STREAMREG_HOSTILE").map(PathBuf::from) else { return };
    let cases = cases(&folder);
    assert!(!cases.is_empty());
    try_all(&folder, &cases);
}
