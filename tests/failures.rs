//! Exit codes, messages, files that stay whole, pipes and interrupts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::Arc;
#[cfg(unix)]
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, StringArray};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::util::{Dir, arrays, batch, golden, table, to_csv, write_parquet};

/// x1, x2 and y in 200 rows, `d.csv`, and a model of it.
fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(200, 2, 1)));
    dir.streamreg("fit d.csv --target y --save-model m.json").success();
    dir
}

#[test]
fn mistakes_on_the_command_line() {
    let dir = dir();
    for (line, words) in [
        ("", "Commands:"),
        ("frobnicate", "'frobnicate'"),
        ("fit", "<FILE>"),
        ("fit --target y", "<FILE>"),
        ("fit d.csv --target y --solver magic", "'magic' for '--solver"),
        ("fit d.csv --target y --format xml", "'xml' for '--format"),
        ("fit d.csv --target y --threads many", "'many' for '--threads"),
        ("fit d.csv --target y --unknown", "'--unknown'"),
        ("predict", "streamreg predict"),
        ("predict m.json", "<FILE>"),
        ("predict m.json d.csv --interval wide", "'wide' for '--interval"),
        ("evaluate m.json", "<FILE>"),
        ("inspect", "<FILE>"),
    ] {
        let out = dir.streamreg(line).run().code(2);
        let told = out.stdout.is_empty() && out.stderr.contains(words) && out.stderr.contains("--help");
        out.check(told, &format!("{words} and the way to the help, on stderr only"));
    }
    dir.streamreg("fit d.csv --target y --threads 0").fails(2, &["thread"]);
    dir.streamreg("fit d.csv --target y --features x1,,x2").fails(2, &["--features", "empty"]);
    dir.streamreg("fit d.csv --target y --features").arg("\"x1").fails(2, &["not closed"]);
    assert_eq!(dir.files(), ["d.csv", "m.json"]);
}

#[test]
fn a_missing_column_lists_the_valid_ones() {
    let dir = dir();
    dir.streamreg("fit d.csv --target zzz").fails(3, &["\"zzz\"", "\"x1\", \"x2\", \"y\""]);
    dir.streamreg("fit d.csv --target y --features x1,zzz").fails(3, &["\"zzz\"", "\"x1\", \"x2\", \"y\""]);
    dir.streamreg("fit d.csv --target y --exclude zzz").fails(3, &["\"zzz\"", "\"x1\", \"x2\", \"y\""]);
    assert_eq!(dir.files(), ["d.csv", "m.json"]);
}

#[test]
fn text_is_no_number() {
    let dir = Dir::new();
    dir.write("d.csv", "word,x,y\na,1,2\nb,2,3\nc,3,5\n");
    let columns = arrays([
        ("word", Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef),
        ("x", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])) as ArrayRef),
        ("y", Arc::new(Float64Array::from(vec![2.0, 3.0, 5.0])) as ArrayRef),
    ]);
    write_parquet(&dir.path("d.parquet"), &columns, WriterProperties::default());
    for file in ["d.csv", "d.parquet"] {
        dir.streamreg(&format!("fit {file} --formula")).arg("y ~ log(word)").fails(3, &["\"word\"", "text"]);
        dir.streamreg(&format!("fit {file} --target word")).fails(3, &["\"word\"", "response", "text"]);
        assert_eq!(dir.fit(&format!("{file} --target y"))["left_out"][0]["column"], "word");
    }
    dir.write("only.csv", "word,y\na,2\nb,3\n");
    dir.streamreg("fit only.csv --target y").fails(3, &["\"word\" (text; name it"]);
}

#[test]
fn missing_values_can_be_an_error() {
    let dir = Dir::new();
    // Far enough down that it lies in a later row group and chunk.
    let n = 100_000;
    let x: Vec<Option<f64>> = (0..n).map(|i| (i != 77_776).then_some(f64::from(i % 13))).collect();
    let y: Vec<f64> = (0..n).map(|i| f64::from(i % 7)).collect();
    let rows: String = x
        .iter()
        .zip(&y)
        .map(|(x, y)| format!("{},{y}\n", x.map_or(String::new(), |x| x.to_string())))
        .collect();
    dir.write("d.csv", format!("x,y\n{rows}"));
    let columns = arrays([
        ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
        ("y", Arc::new(Float64Array::from(y)) as ArrayRef),
    ]);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(40_000)).build();
    write_parquet(&dir.path("d.parquet"), &columns, properties);
    for file in ["d.csv", "d.parquet"] {
        for threads in [1, 7] {
            let line = format!("fit {file} --target y --missing error --threads {threads}");
            dir.streamreg(&line).fails(3, &["\"x\"", "row 77777", "null"]);
        }
        dir.streamreg(&format!("fit {file} --target y --missing drop")).success();
    }
    dir.write("inf.csv", "x,y\n1,2\n2,inf\n3,4\n");
    dir.streamreg("fit inf.csv --target y --missing error").fails(3, &["\"y\"", "row 2", "inf"]);
}

#[test]
fn no_row_is_left() {
    let dir = Dir::new();
    dir.write("none.csv", "x,y\n");
    dir.streamreg("fit none.csv --target y").fails(3, &["there are no rows to fit"]);
    dir.streamreg("fit none.csv --target y --schema x=number --schema y=number")
        .fails(3, &["there are no rows to fit"]);
    dir.write("null.csv", "x,y\n1,NA\n,2\n");
    dir.streamreg("fit null.csv --target y --schema x=number --schema y=number")
        .fails(3, &["all 2 were dropped", "\"x\" null"]);
}

#[test]
fn collinear_columns_and_strictness() {
    let dir = Dir::new();
    dir.write("d.csv", "a,b,y\n1,2,1\n2,4,3\n3,6,2\n5,10,4\n");
    dir.streamreg("fit d.csv --target y").success();
    dir.streamreg("fit d.csv --target y --collinear error").fails(4, &["b = 2 a"]);
    let out = dir.streamreg("fit d.csv --target y --strict").run().code(4);
    out.check(out.stderr == "streamreg: columns depend on others (--strict)\n", "the reason on stderr");
    out.check(out.stdout.contains("b = 2 a"), "the table all the same");
    dir.streamreg("fit d.csv --target y --features a --strict").success();
    // Without an escalation Filip's design leaves nothing that could be relied on.
    let out =
        dir.streamreg("fit --target y --strict --no-escalate").arg(golden("nist/Filip_powers.csv")).run();
    out.check(out.code == Some(4), "exit code 4");
}

#[test]
fn output_is_never_input() {
    let dir = dir();
    let before = dir.read("d.csv");
    for line in [
        "fit d.csv --target y --output d.csv",
        "fit d.csv --target y --output ./d.csv",
        "fit d.csv --target y --save-model d.csv",
        "predict m.json d.csv -o d.csv",
    ] {
        dir.streamreg(line).fails(2, &["d.csv", "one of the inputs"]);
        assert_eq!(dir.read("d.csv"), before);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path("d.csv"), dir.path("link.csv")).unwrap();
        dir.streamreg("fit d.csv --target y --output link.csv").fails(2, &["one of the inputs"]);
        dir.streamreg("predict m.json link.csv -o d.csv").fails(2, &["one of the inputs"]);
        assert_eq!(dir.read("d.csv"), before);
    }
    assert!(dir.files().iter().all(|f| !f.starts_with(".streamreg")), "{:?}", dir.files());
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let dir = dir();
    // Many rows are fine before a word and, in the Parquet file, before a damaged page header.
    let rows: String = (0..100_000).map(|i| format!("{},{},{}\n", i % 7, i % 5, i % 3)).collect();
    dir.write("bad.csv", format!("x1,x2,y\n{rows}word,1,2\n"));
    let good = dir.path("bad.parquet");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(20_000)).build();
    write_parquet(&good, &batch(&table(100_000, 2, 1)), properties);
    let metadata = SerializedFileReader::new(File::open(&good).unwrap()).unwrap().metadata().clone();
    let (at, _) = metadata.row_group(4).column(0).byte_range();
    let mut bytes = std::fs::read(&good).unwrap();
    bytes[at as usize..][..16].fill(0xff);
    dir.write("bad.parquet", &bytes);
    let before = dir.files();
    for file in ["bad.csv", "bad.parquet"] {
        for line in [
            "predict m.json FILE -o out.csv",
            "predict m.json FILE -o out.parquet",
            "fit FILE --target y --output out.txt --save-model out.json",
            "fit FILE --target zzz --output out.txt",
        ] {
            dir.streamreg(&line.replace("FILE", file)).fails(3, &[]);
            assert_eq!(dir.files(), before, "{line} {file}");
        }
    }
    // What was there before stays as it was.
    for name in ["out.csv", "out.txt", "out.json"] {
        dir.write(name, "old");
    }
    dir.streamreg("predict m.json bad.csv -o out.csv").fails(3, &["bad.csv", "line 100002", "\"x1\""]);
    dir.streamreg("fit bad.csv --target y --output out.txt --save-model out.json").fails(3, &["bad.csv"]);
    for name in ["out.csv", "out.txt", "out.json"] {
        assert_eq!(dir.read(name), "old");
    }
    // And is replaced on success.
    dir.streamreg("predict m.json d.csv -o out.csv").success();
    assert!(dir.read("out.csv").starts_with("prediction\n"));
}

#[test]
fn an_output_that_cannot_be_written() {
    let dir = dir();
    dir.streamreg("fit d.csv --target y --output none/fit.txt").fails(2, &["none"]);
    dir.streamreg("predict m.json d.csv -o none/p.csv").fails(2, &["none"]);
    dir.write("folder/x.txt", "");
    let before = dir.files();
    dir.streamreg("fit d.csv --target y --output folder").fails(2, &["folder", "is a folder"]);
    assert_eq!(dir.files(), before);
}

#[test]
fn files_of_other_kinds() {
    let dir = Dir::new();
    dir.write("a.arrow", "ARROW1\0\0more");
    dir.write("a.orc", "ORC....");
    dir.write("a.json", "{}");
    dir.write("a.parquet", "x,y\n1,2\n1,2\n");
    for file in ["a.arrow", "a.orc", "a.json", "a.parquet"] {
        dir.streamreg(&format!("fit {file} --target y")).fails(3, &[file]);
    }
}

/// What is not done by then hangs.
#[cfg(unix)]
const HANGS: Duration = Duration::from_secs(300);

#[cfg(unix)]
#[test]
fn pipes_are_refused_or_read_but_never_block() {
    let dir = Dir::new();
    let made = std::process::Command::new("mkfifo").arg(dir.path("pipe.csv")).status();
    if made.is_ok_and(|s| s.success()) {
        // Somebody writes; the program need not read.
        let path = dir.path("pipe.csv");
        let mut writer = std::process::Command::new("sh");
        let mut writer =
            writer.arg("-c").arg("printf 'x,y\n1,2\n2,3\n3,5\n' > \"$0\"").arg(&path).spawn().unwrap();
        let mut child = dir.streamreg("fit pipe.csv --target y").command;
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let status = loop {
            let status = child.try_wait().unwrap();
            if status.is_some() || start.elapsed() > HANGS {
                break status;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        for process in [&mut child, &mut writer] {
            let _ = process.kill();
            let _ = process.wait();
        }
        let code = status.expect("it hangs").code();
        assert!(matches!(code, Some(0 | 2 | 3)), "read or refused, not {code:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = dir();
    let columns = table(300_000, 2, 1);
    write_parquet(&dir.path("big.parquet"), &batch(&columns), WriterProperties::default());
    let mut child = dir.streamreg("predict m.json big.parquet").command;
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "prediction\n");
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn nobody_reads_the_result() {
    let dir = dir();
    for line in ["fit d.csv --target y", "evaluate m.json d.csv", "inspect d.csv", "predict m.json d.csv"] {
        let mut child = dir.streamreg(line).command;
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = child.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{line}");
    }
}

/// A long prediction that is stopped where its output is begun: a temporary file is there. On a machine with much else to do one may
/// end before it is stopped, and another one is begun.
#[cfg(unix)]
fn begun(dir: &Dir, output: &str) -> std::process::Child {
    for _ in 0..50 {
        let before = dir.files();
        let begun =
            || dir.files().into_iter().find(|name| name.starts_with(".streamreg-") && !before.contains(name));
        let mut child = dir.streamreg(&format!("predict m.json big.parquet -o {output} --threads 1")).command;
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while begun().is_none() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            signal(&child, "STOP");
            std::thread::sleep(Duration::from_millis(20));
        }
        if child.try_wait().unwrap().is_none() && begun().is_some() {
            return child;
        }
        let _ = child.kill();
        child.wait().unwrap();
        for left in begun().into_iter().chain([output.to_owned()]) {
            let _ = std::fs::remove_file(dir.path(&left));
        }
    }
    panic!("all ended before they were stopped");
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let line = format!("kill -{name} {}", child.id());
    assert!(std::process::Command::new("sh").arg("-c").arg(line).status().unwrap().success());
}

#[cfg(unix)]
fn temporaries(dir: &Dir) -> usize {
    dir.files().iter().filter(|name| name.starts_with(".streamreg-")).count()
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_left_is_removed() {
    let dir = dir();
    write_parquet(&dir.path("big.parquet"), &batch(&table(3_000_000, 2, 1)), WriterProperties::default());
    dir.write(".streamreg-notes.txt", "not ours");
    let mut living = begun(&dir, "living.csv");
    let mut killed = begun(&dir, "killed.csv");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(temporaries(&dir), 3);
    dir.streamreg("predict m.json d.csv -o other.csv").success();
    // That of the process that is at work stays, and so does what has another name.
    assert_eq!(temporaries(&dir), 2, "{:?}", dir.files());
    signal(&living, "CONT");
    assert!(living.wait().unwrap().success());
    assert_eq!(dir.read("living.csv").lines().count(), 3_000_001);
    assert_eq!(dir.read(".streamreg-notes.txt"), "not ours");
    assert_eq!(temporaries(&dir), 1);
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    let dir = dir();
    write_parquet(&dir.path("big.parquet"), &batch(&table(3_000_000, 2, 1)), WriterProperties::default());
    let before = dir.files();
    for (number, code, _) in crate::stops::signals() {
        let child = begun(&dir, "out.csv");
        signal(&child, &number.to_string());
        signal(&child, "CONT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(dir.files(), before);
    }
}

#[test]
fn nothing_but_the_result_on_stdout() {
    let dir = dir();
    for line in [
        "fit d.csv --target y --format json --save-model m.json",
        "evaluate m.json d.csv --format json",
        "inspect d.csv --verify --format json",
    ] {
        dir.streamreg(line).success().json();
    }
    let out = dir.streamreg("predict m.json d.csv -o p.parquet").success();
    out.check(out.stdout.is_empty(), "nothing");
}

#[test]
fn messages_name_the_cause() {
    let dir = dir();
    dir.write("o.csv", "y,z,w,g\n1,0,1,a\n2,1,2,b\n3,2,5,a\n5,4,4,b\n4,5,3,a\n");
    // The offset is not finite where z is 0; y is.
    let json = dir.streamreg("fit o.csv 'y ~ w + offset(log(z))' --format json").success().json();
    assert_eq!(json["ledger"]["dropped"][0]["column"], "y - offset(log(z))");
    // A formula without blanks and with a mistake is no file, and a path is no formula.
    for (formula, words) in
        [("y~w+", "the formula: expected a term after \"+\""), ("y~w:", "the formula: expected")]
    {
        let error = dir.streamreg("fit o.csv").args([formula]).run().code(2).stderr;
        assert!(error.contains(words) && error.contains(formula), "{error}");
    }
    dir.streamreg("fit a~b.csv y~w").fails(3, &["a~b.csv: No such file"]);
    let other = "groups of rows are fitted by least squares";
    dir.streamreg("fit o.csv 'y ~ w' --by g --loss huber").fails(2, &[other, "by itself"]);
    dir.streamreg("fit o.csv 'y ~ w' --by g --solver sgd").fails(2, &["the solver sgd fits no groups"]);
    // Columns of groups are looked for in the data, not in the model.
    dir.streamreg("fit o.csv 'y ~ w' --save-model o.json").success();
    dir.streamreg("evaluate o.json o.csv --by nope")
        .fails(3, &["\"nope\": no such column", "\"z\"", "\"g\""]);
    // Why there is no covariance.
    for (options, cause) in [
        ("--loss quantile", "another loss than squares"),
        ("--ridge 1", "had a penalty"),
        ("--solver cg", "an iterative solver"),
        ("--where 'y < 3'", "no residual degrees of freedom"),
    ] {
        dir.streamreg(&format!("fit o.csv 'y ~ w' {options} --save-model o.json")).run().code(0);
        for statistics in ["--columns se", "--columns hat", "--interval confidence"] {
            let error = dir.streamreg(&format!("predict o.json o.csv {statistics}")).run().code(2).stderr;
            assert!(error.contains(cause) && error.matches("the fit").count() == 1, "{options}: {error}");
        }
    }
}
