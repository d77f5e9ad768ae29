//! Signals: whatever a command is at, it ends soon, with the right code, and leaves nothing half-written.
//!
//! `STREAMREG_SIGNALS=200` sends as many signals to every command, and then the limit is a second.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use parquet::file::properties::WriterProperties;

use crate::util::{Dir, Random, arrays, batch, table, write_parquet};

/// Signals to every command, and how long one may take to end, where nothing else is asked for: machines that test have much
/// else to do.
const SIGNALS: usize = 4;
const SOON: Duration = Duration::from_secs(10);

/// How long a command may take to end where many signals were asked for.
const SECOND: Duration = Duration::from_secs(1);

/// Signals and what they make of the exit code; without those that whoever runs the tests wants ignored, as shells do with the
/// interrupts of what runs in the background: they stay ignored, and so the commands go on.
pub(crate) fn signals() -> Vec<(i32, i32, &'static str)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap();
    let all = [(2, 130, "streamreg: interrupted\n"), (15, 143, "streamreg: ended by SIGTERM\n")];
    all.into_iter().filter(|(signal, ..)| ignored & (1 << (signal - 1)) == 0).collect()
}

/// What a file has before a command writes it.
const OLD: &str = "what was there before\n";

/// Each with the files that it writes.
const COMMANDS: [(&str, &[&str]); 11] = [
    (
        "fit long.parquet -t y --output r.txt --save-model new.json --vcov-out v.parquet",
        &["r.txt", "new.json", "v.parquet"],
    ),
    ("fit long.parquet -t y --vcov hc3 --precision float -o r.csv", &["r.csv"]),
    ("fit wide.parquet -t y --precision float", &[]),
    ("fit wide.parquet -t y -f 'x1*' --precision exact -o r.json", &["r.json"]),
    ("fit wide.parquet -t y -f 'x1*' --lasso auto --cv 5 --folds-out f.csv -o r.md", &["f.csv", "r.md"]),
    ("fit groups.parquet -t y --by g -o groups.csv", &["groups.csv"]),
    ("fit long.parquet -t y --solver sgd --epochs 50 --trace t.jsonl --plot p.svg", &["t.jsonl", "p.svg"]),
    ("predict m.json long.parquet -o p.parquet --keep x1", &["p.parquet"]),
    ("predict m.json long.parquet -o p.csv --interval confidence", &["p.csv"]),
    ("evaluate m.json long.parquet", &[]),
    ("inspect long.parquet --verify", &[]),
];

fn dir() -> Dir {
    let dir = Dir::new();
    let long = table(500_000, 6, 1);
    write_parquet(&dir.path("long.parquet"), &batch(&long), WriterProperties::default());
    write_parquet(&dir.path("wide.parquet"), &batch(&table(1_500, 600, 2)), WriterProperties::default());
    let (rows, mut random) = (200_000, Random::new(3));
    let groups = (0..rows).map(|_| random.below(20_000) as i64).collect::<Int64Array>();
    let columns = ["x", "y"]
        .map(|name| (name, Arc::new(random.vector(rows).into_iter().collect::<Float64Array>()) as ArrayRef));
    let columns = columns.into_iter().chain([("g", Arc::new(groups) as ArrayRef)]);
    write_parquet(&dir.path("groups.parquet"), &arrays(columns), WriterProperties::default());
    dir.streamreg("fit long.parquet -t y --output m.txt --save-model m.json").success();
    dir
}

/// A command that runs, its output thrown away.
fn start(dir: &Dir, line: &str) -> Child {
    let mut command = dir.streamreg(line).command;
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(signal: i32, child: &Child) {
    let line = format!("kill -{signal} {} 2>/dev/null", child.id());
    let _ = std::process::Command::new("sh").arg("-c").arg(line).status().unwrap();
}

/// How a process ended, which it has to do within `limit`.
#[track_caller]
fn ended(child: &mut Child, limit: Duration, what: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            panic!("{what}: goes on after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The code that a shell tells: that of a process that a signal ended before it could catch it is 128 and the signal, too.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// Checks that the files of a command are the old ones or complete, and that there are no others.
#[track_caller]
fn check_files(dir: &Dir, outputs: &[(&str, Vec<u8>)], names: &[String], what: &str) {
    assert_eq!(dir.files(), names, "{what}");
    for (name, complete) in outputs {
        let now = std::fs::read(dir.path(name)).unwrap();
        // Reports tell how long a fit took, so they are never the same twice.
        let whole = match name.rsplit_once('.') {
            Some((_, "json")) => serde_json::from_slice::<serde_json::Value>(&now).is_ok(),
            _ => now == *complete,
        };
        assert!(whole || now == OLD.as_bytes(), "{what}: {name} is half-written, {} bytes", now.len());
    }
}

#[test]
fn a_signal_ends_every_command_and_leaves_nothing_half_written() {
    let many = std::env::var("STREAMREG_SIGNALS").ok().map(|count| count.parse::<usize>().unwrap());
    let (count, limit) = many.map_or((SIGNALS, SOON), |count| (count, SECOND));
    let (dir, signals) = (dir(), signals());
    let mut random = Random::new(Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id()));
    let (mut summary, mut hits) = (String::new(), 0);
    for (line, files) in COMMANDS {
        let begin = Instant::now();
        assert_eq!(code(start(&dir, line).wait().unwrap()), 0, "{line}");
        let length = begin.elapsed();
        let read = |name: &&'static str| (*name, std::fs::read(dir.path(name)).unwrap());
        let outputs: Vec<(&str, Vec<u8>)> = files.iter().map(read).collect();
        let names = dir.files();
        let (mut stopped, mut slowest) = (0, Duration::ZERO);
        for number in 0..count {
            files.iter().for_each(|name| _ = dir.write(name, OLD));
            let (signal, wanted, _) = signals[number % signals.len()];
            let mut child = start(&dir, line);
            let wait = length.mul_f64(0.5 + 0.5 * random.unit());
            std::thread::sleep(wait);
            send(signal, &child);
            let sent = Instant::now();
            let what = format!("{line}: signal {signal} after {wait:?}");
            let code = code(ended(&mut child, limit, &what));
            slowest = slowest.max(sent.elapsed());
            assert!(code == wanted || code == 0, "{what}: code {code}");
            stopped += usize::from(code == wanted);
            check_files(&dir, &outputs, &names, &what);
        }
        files.iter().for_each(|name| std::fs::remove_file(dir.path(name)).unwrap());
        hits += stopped;
        let _ = writeln!(summary, "{stopped:4} of {count} stopped, the slowest in {slowest:.0?}: {line}");
    }
    if many.is_some() {
        let _ = std::io::stderr().write_all(summary.as_bytes());
    }
    assert!(
        2 * hits > COMMANDS.len() * count,
        "hardly a command was at work when its signal came:\n{summary}"
    );
}

#[test]
fn what_a_signal_says() {
    let dir = dir();
    for (signal, wanted, words) in signals() {
        let mut child = dir.streamreg("predict m.json long.parquet").command;
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It is at work once it writes, and then waits for somebody who reads on.
        let mut first = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        send(signal, &child);
        let code = code(ended(&mut child, SOON, "a command that waits"));
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((code, stderr.as_str()), (wanted, words));
    }
}

#[test]
fn nobody_reads_stderr_or_stdout() {
    let dir = dir();
    let mut command = dir.streamreg("predict m.json long.parquet --progress json").command;
    // Nobody reads these pipes: the command waits for room.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it does not wait");
    send(15, &child);
    assert_eq!(code(ended(&mut child, SOON, "a command whose output nobody takes")), 143);
}

/// What `nohup` does.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_stays_so() {
    let dir = dir();
    let line = format!("trap '' HUP INT; exec {} \"$@\"", env!("CARGO_BIN_EXE_streamreg"));
    let mut command = crate::util::program("sh");
    command.current_dir(dir.path("")).args(["-c", &line, "sh"]);
    command.args(["fit", "long.parquet", "-t", "y", "--vcov", "hc3", "-o", "r.csv"]);
    let mut child = command.spawn().unwrap();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(10));
        send(1, &child);
        send(2, &child);
    }
    assert_eq!(code(child.wait().unwrap()), 0);
    assert!(dir.read("r.csv").starts_with("term,"));
}
