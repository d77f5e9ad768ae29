//! Memory depends on the columns and the threads, and not on the rows.

use std::process::Stdio;

use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::util::{Dir, batch, table, to_csv, write_parquet};

/// Rows of the smaller file, long enough to be looked at while it is read, and how many times as many the larger one has.
const ROWS: usize = 600_000;
const TIMES: usize = 4;

/// What the order of threads may add to a peak, in kB. Eight bytes kept of every row would add 14,000.
const SLACK_KB: u64 = 10_000;

/// How often both files are looked at, where the larger one seems to take more: a look may come too late for a peak.
const LOOKS: usize = 3;

/// The largest resident size of a command in kB, as the system tells; 0 where it ended before it could be looked at.
pub(crate) fn peak_kb(dir: &Dir, line: &str) -> u64 {
    let mut child = dir.streamreg(line).command;
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let own =
            status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = own.unwrap_or(peak).max(peak);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    peak
}

/// Runs a command on both files, whose names `{}` stands for.
fn check(dir: &Dir, commands: &[&str]) {
    for command in commands {
        let peak = |file| peak_kb(dir, &format!("{} --threads 2", command.replace("{}", file)));
        let (mut small, mut large) = (0, u64::MAX);
        for _ in 0..LOOKS {
            small = small.max(peak("small"));
            large = large.min(Some(peak("large")).filter(|&kb| kb > 0).unwrap_or(u64::MAX));
            if small > 0 && large < small + SLACK_KB {
                break;
            }
        }
        assert!(small > 2_000, "{command}: {small} kB are no program's");
        assert!(
            large < small + SLACK_KB,
            "{command}: {small} kB for {ROWS} rows, {large} kB for {TIMES} times as many"
        );
    }
}

#[test]
fn parquet_files() {
    let dir = Dir::new();
    // One row group each: not even that is held.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS * TIMES)).build();
    for (name, rows) in [("small.parquet", ROWS), ("large.parquet", ROWS * TIMES)] {
        write_parquet(&dir.path(name), &batch(&table(rows, 3, 5)), properties.clone());
    }
    dir.streamreg("fit small.parquet -t y --save-model m.json").success();
    check(
        &dir,
        &[
            "fit {}.parquet -t y",
            "fit {}.parquet -t y --precision float --vcov hc3",
            "fit {}.parquet -t y --solver cg",
            "fit {}.parquet -t y --lasso auto --cv 3",
            "evaluate m.json {}.parquet",
            "inspect {}.parquet --verify",
        ],
    );
}

#[test]
fn csv_files() {
    let dir = Dir::new();
    let text = to_csv(&table(ROWS, 3, 5));
    let (header, rows) = text.split_once('\n').unwrap();
    dir.write("small.csv", &text);
    dir.write("large.csv", format!("{header}\n{}", rows.repeat(TIMES)));
    check(&dir, &["fit {}.csv -t y", "fit {}.csv -t y --where x1>0 --with z=x1*x2"]);
}

/// Pages of millions of rows are not held side by side, and what comes out is the same.
#[test]
fn long_pages() {
    let dir = Dir::new();
    let rows = 4_000_000;
    let column =
        |name: &str, of: usize| (name.to_owned(), (0..rows).map(|i| (i * 7919 % of) as f64).collect());
    let columns: Vec<(String, Vec<f64>)> = [("a", 251), ("b", 509), ("c", 1021), ("d", 2039), ("y", 4093)]
        .map(|(name, of)| column(name, of))
        .into();
    let one_group = || {
        let properties =
            WriterProperties::builder().set_dictionary_enabled(false).set_compression(Compression::SNAPPY);
        properties.set_max_row_group_row_count(Some(rows))
    };
    let long = one_group().set_data_page_size_limit(1 << 30).set_data_page_row_count_limit(rows);
    write_parquet(&dir.path("short.parquet"), &batch(&columns), one_group().build());
    write_parquet(&dir.path("long.parquet"), &batch(&columns), long.build());
    let coefficients = |name: &str| {
        dir.fit(&format!("{name}.parquet -t y --precision float --threads 2"))["coefficients"].clone()
    };
    assert_eq!(coefficients("short"), coefficients("long"));
    let pages = 5 * 8 * rows as u64 / 1024;
    let peak = peak_kb(&dir, "fit long.parquet -t y --precision float --threads 1");
    assert!(peak < pages * 3 / 4 + SLACK_KB, "{peak} kB, where a page of every column takes {pages}");
}

/// What fits is the same with a limit and without, with fewer threads if need be; what does not fit is refused, or ends, with the
/// name of what grows.
#[test]
fn a_limit_holds() {
    let dir = Dir::new();
    let rows = 2_000_000;
    let mut columns = table(rows, 2, 9);
    columns.push(("k".to_owned(), (0..rows).map(|i| (i * 7919 % 700_001) as f64).collect()));
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(rows / 16)).build();
    write_parquet(&dir.path("d.parquet"), &batch(&columns), groups);
    let fit = |more: &str| dir.fit(&format!("d.parquet 'y ~ x1 + x2' {more}"));
    let free = fit("--threads 12");
    let bound = fit("--threads 12 --memory-limit 60MB");
    assert_eq!(free["coefficients"], bound["coefficients"]);
    assert_eq!(free["timings"]["threads"], 12);
    let threads = bound["timings"]["threads"].as_u64().unwrap();
    assert!((1..12).contains(&threads), "{threads} threads");
    let refused = dir.streamreg("fit d.parquet 'y ~ x1 + x2' --memory-limit 8MB");
    refused.fails(6, &["this takes about ", "with one thread, more than the memory limit of 8.0 MB"]);
    let grows = dir.streamreg("fit d.parquet 'y ~ x1' --by k --format tidy --threads 1 --memory-limit 50MB");
    if cfg!(target_os = "linux") {
        let failed = grows.run().code(6);
        failed.check(failed.stderr.contains("levels of \"k\" so far"), "the column that grows");
        failed.check(failed.stdout.is_empty(), "nothing on stdout");
    }
    dir.write(
        "d.csv",
        (0..600).fold("k,x1,y\n".to_owned(), |t, i| t + &format!("{},{i},{}\n", i / 3, i * i % 7)),
    );
    crate::states::done(&dir, "fit d.csv 'y ~ x1' --by k -q -o r.csv --save-model many.json");
    for command in ["predict many.json d.csv", "evaluate many.json d.csv"] {
        let words = ["many.json: the models of this file of", "the memory limit of 500 kB is reached"];
        let line = format!("{command} --memory-limit 500kB");
        if cfg!(target_os = "linux") {
            dir.streamreg(&line).fails(6, &words);
        }
    }
    let unclear = dir.streamreg("fit d.parquet -t y --memory-limit 2G").run().code(2);
    unclear.check(unclear.stderr.contains("2GiB"), "a unit");
}
