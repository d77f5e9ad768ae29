//! Where results go: permissions, symbolic links, streams that are closed or full, characters that nobody would see.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::util::{Dir, arrays, table, to_csv, write_parquet};

fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(300, 2, 1)));
    dir.streamreg("fit d.csv --target y -o m.txt --save-model m.json").success();
    dir
}

/// Commands that print to stdout.
const PRINTING: [&str; 8] = [
    "fit d.csv --target y",
    "fit d.csv --target y --by x1 --format json",
    "predict m.json d.csv",
    "evaluate m.json d.csv",
    "inspect d.csv",
    "completions bash",
    "man fit",
    "fit --help",
];

/// A command of the shell in which `$0` is the program and `$@` are its arguments.
fn shell(dir: &Dir, script: &str, line: &str) -> std::process::Output {
    let mut command = crate::util::program("sh");
    command.current_dir(dir.path("")).args(["-c", script, env!("CARGO_BIN_EXE_streamreg")]);
    command.args(line.split(' ')).output().unwrap()
}

#[track_caller]
fn check_failed(output: &std::process::Output, line: &str, words: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
    assert!(stderr.contains(words) && stderr.lines().count() == 1, "{line}: {stderr}");
}

#[test]
fn a_closed_stdout_is_an_error() {
    let dir = dir();
    for line in PRINTING {
        check_failed(
            &shell(&dir, r#""$0" "$@" >&-"#, line),
            line,
            "standard output: cannot write: it is closed",
        );
    }
    let quiet = "fit d.csv --target y -o r.txt";
    assert_eq!(shell(&dir, r#""$0" "$@" >&-"#, quiet).status.code(), Some(0), "{quiet} needs no stdout");
    assert_eq!(shell(&dir, r#""$0" "$@" >/dev/null"#, PRINTING[0]).status.code(), Some(0));
    assert_eq!(shell(&dir, r#""$0" "$@" 1<>/dev/null"#, PRINTING[0]).status.code(), Some(0));
    assert_eq!(shell(&dir, r#""$0" "$@" 2>&- <&-"#, PRINTING[0]).status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let dir = dir();
    for line in PRINTING {
        check_failed(
            &shell(&dir, r#""$0" "$@" >/dev/full"#, line),
            line,
            "output: cannot write: No space left",
        );
    }
    // A file may not grow beyond a block.
    let line = "predict m.json d.csv -o p.csv";
    let before = dir.files();
    check_failed(
        &shell(&dir, r#"ulimit -f 1; "$0" "$@""#, line),
        line,
        "p.csv: cannot write: File too large",
    );
    assert_eq!(dir.files(), before);
}

/// `command` as somebody whose number of threads has a limit, which root has not.
#[cfg(target_os = "linux")]
fn limited(dir: &Dir, limit: &str, arguments: &[&str]) -> Option<std::process::Output> {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = crate::util::program(if root { "setpriv" } else { "prlimit" });
    if root {
        command.args(["--reuid=65534", "--clear-groups", "prlimit"]);
    }
    let own = command.current_dir(dir.path("")).arg(limit).arg(env!("CARGO_BIN_EXE_streamreg"));
    own.args(arguments).output().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_to_be_had() {
    let dir = dir();
    std::fs::set_permissions(dir.path(""), Permissions::from_mode(0o755)).unwrap();
    let fit = ["fit", "d.csv", "-t", "y"];
    let free = limited(&dir, "--nproc=unlimited", &fit);
    // The folder of the program may be closed to others, and some systems lack these tools.
    if free.is_none_or(|out| !out.status.success()) {
        return;
    }
    for number in ["1", "2"] {
        for more in
            [&["--threads", "100000"][..], &["--threads", "9", "--solver", "cg"], &["--where", "x1 > 0"]]
        {
            let arguments = [&fit, more].concat();
            let out = limited(&dir, &format!("--nproc={number}"), &arguments).unwrap();
            check_failed(&out, &format!("{number}: {more:?}"), "cannot start");
        }
    }
}

#[test]
fn more_threads_than_anybody_needs() {
    dir().streamreg("fit d.csv --target y --threads 100000").success();
}

#[test]
fn permissions_survive_a_replacement() {
    let dir = dir();
    let mode = |name: &str| std::fs::metadata(dir.path(name)).unwrap().mode() & 0o7777;
    dir.write("usual", "");
    let line = "fit d.csv --target y -o r.txt --save-model n.json --vcov-out v.parquet";
    let outputs = ["r.txt", "n.json", "v.parquet"];
    dir.streamreg(line).success();
    for name in outputs {
        assert_eq!(mode(name), mode("usual"), "a new {name}");
    }
    for wanted in [0o600, 0o640, 0o755] {
        for name in outputs {
            std::fs::set_permissions(dir.path(name), Permissions::from_mode(wanted)).unwrap();
        }
        let inode = |name: &str| std::fs::metadata(dir.path(name)).unwrap().ino();
        let before = outputs.map(inode);
        dir.streamreg(line).success();
        for (name, before) in outputs.into_iter().zip(before) {
            assert_eq!(mode(name), wanted, "{name}");
            assert_ne!(inode(name), before, "{name} is a new file");
        }
    }
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let dir = dir();
    let path = dir.write("r.txt", "mine");
    std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let writable = std::fs::File::options().append(true).open(&path).is_ok();
    let out = dir.streamreg("fit d.csv --target y -o r.txt");
    if writable {
        // Root may write everything; the mode stays.
        out.success();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o444);
    } else {
        out.fails(1, &["r.txt", "cannot write", "ermission"]);
        assert_eq!(dir.read("r.txt"), "mine");
    }
}

#[test]
fn links_are_followed_and_stay() {
    let dir = dir();
    dir.write("far/r.csv", "old");
    symlink("far/r.csv", dir.path("near.csv")).unwrap();
    symlink("../near.csv", dir.path("far/back.csv")).unwrap();
    for link in ["near.csv", "far/back.csv"] {
        dir.write("far/r.csv", "old");
        dir.streamreg(&format!("fit d.csv --target y -o {link}")).success();
        assert!(dir.read("far/r.csv").starts_with("term,"), "{link}");
        assert!(std::fs::symlink_metadata(dir.path(link)).unwrap().is_symlink(), "{link}");
    }
    symlink("nowhere.csv", dir.path("dangling.csv")).unwrap();
    symlink("circle2.csv", dir.path("circle1.csv")).unwrap();
    symlink("circle1.csv", dir.path("circle2.csv")).unwrap();
    symlink("d.csv", dir.path("input.csv")).unwrap();
    let before = dir.path("dangling.csv");
    for (name, words) in [
        ("dangling.csv", ["symbolic link", "nowhere.csv", "does not exist"]),
        ("circle1.csv", ["symbolic link", "circle1.csv", "in a circle"]),
        ("input.csv", ["input.csv", "one of the inputs", ""]),
    ] {
        dir.streamreg(&format!("fit d.csv --target y -o {name}")).fails(2, &words);
        dir.streamreg(&format!("predict m.json d.csv -o {name}")).fails(2, &words);
    }
    assert!(std::fs::symlink_metadata(before).unwrap().is_symlink());
}

#[test]
fn streams_by_name() {
    let dir = dir();
    let plain = dir.streamreg("fit d.csv --target y --format tidy").success().stdout;
    for path in ["/dev/stdout", "/dev/fd/1", "link"] {
        if path == "link" {
            symlink("/dev/stdout", dir.path("link")).unwrap();
        }
        let out = shell(
            &dir,
            r#"(echo first; "$0" "$@"; echo last) > all; cat all"#,
            &format!("fit d.csv --target y --format tidy -o {path}"),
        );
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("first\n{plain}last\n"), "{path}");
    }
    assert!(Command::new("mkfifo").arg(dir.path("pipe.csv")).status().unwrap().success());
    let out = shell(&dir, r#"cat pipe.csv & "$0" "$@" && wait"#, "fit d.csv --target y -o pipe.csv");
    assert_eq!(String::from_utf8_lossy(&out.stdout), plain);
}

/// Names and levels that would do something to a terminal, or hide.
const ODD: [&str; 4] = ["red\u{1b}[31m", "zero\u{200b}width", "two\u{2028}lines", "turned\u{202e}round"];

/// Whether a text for people has a character that it must not have.
fn has_odd(text: &str) -> bool {
    text.contains(['\u{1b}', '\u{200b}', '\u{2028}', '\u{202e}'])
}

#[test]
fn what_nobody_would_see_is_escaped_for_people() {
    let dir = Dir::new();
    let rows = 80;
    let numbers = |seed: usize| (0..rows).map(|i| (i * seed % 17) as f64).collect::<Float64Array>();
    let levels = Arc::new((0..rows).map(|i| Some(ODD[i % 4])).collect::<StringArray>());
    let columns = ODD.iter().enumerate().map(|(i, name)| (*name, Arc::new(numbers(i + 3)) as ArrayRef));
    let columns = columns.chain([("k", levels as ArrayRef), ("y", Arc::new(numbers(5)) as ArrayRef)]);
    write_parquet(&dir.path("d.parquet"), &arrays(columns), WriterProperties::default());
    for line in [
        "fit d.parquet -t y",
        "fit d.parquet -t y --format markdown",
        "fit d.parquet 'y ~ k'",
        "fit d.parquet 'y ~ k' --format markdown",
        "fit d.parquet 'y ~ 1' --by k",
        "fit d.parquet 'y ~ 1' --by k --format markdown",
        "fit d.parquet -t y --lasso auto --cv 4",
        "fit d.parquet -t y --solver cg",
        "inspect d.parquet",
        "fit d.parquet 'y ~ nothing'",
        "fit d.parquet 'y ~ k' --reference k=nothing",
    ] {
        let out = dir.streamreg(line).run();
        out.check(!has_odd(&out.stdout) && !has_odd(&out.stderr), "nothing that a terminal acts on");
    }
    let report = dir.fit("d.parquet 'y ~ k'");
    let terms = report["coefficients"].as_array().unwrap().iter().map(|c| c["term"].as_str().unwrap());
    assert!(terms.filter(|term| has_odd(term)).count() == 3, "JSON is exact: {report:#}");
    let tidy = dir.streamreg("fit d.parquet 'y ~ k' --format tidy").success();
    tidy.check(has_odd(&tidy.stdout), "CSV has the names as they are");
}

#[test]
fn arguments_are_repeated_without_what_a_terminal_acts_on() {
    let dir = dir();
    for odd in ODD {
        for arguments in [vec![odd], vec!["fit", "--odd", odd], vec!["fit", "d.csv", "--vcov", odd]] {
            let out = dir.streamreg("").args(arguments.iter().copied()).run();
            out.check(out.code == Some(2) && !has_odd(&out.stderr), "a mistake, told in plain characters");
        }
        let out = dir.streamreg("fit d.csv -t").arg(odd).run();
        out.check(!has_odd(&out.stderr), "plain characters");
        let out = dir.streamreg("fit").arg(format!("--{odd}")).run().code(2);
        out.check(!has_odd(&out.stderr) && out.stderr.contains("\\u{"), "an escape");
    }
}

#[test]
fn json_reads_back() {
    let dir = dir();
    let text = dir.streamreg("fit d.csv --target y --format json -o /dev/stdout").success().stdout;
    assert!(serde_json::from_str::<Value>(&text).is_ok());
}
