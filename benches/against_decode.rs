//! What a fit by sums in float64, and one by exact sums, cost beside a bare decode of the same columns, in one process, run by run.
//!
//! `cargo bench --bench against_decode -- FILE.parquet [TARGET] [THREADS] [RUNS]`
//!
//! The bare decode is the parquet crate's `ParquetRecordBatchReader` over whole row groups, which the
//! threads take one after the other; nothing is done with the batches but counting rows.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

use std::error::Error;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use streamreg::{FitReport, Precision, Regression};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = arguments.first() else {
        eprintln!("no file named: nothing to measure (cargo bench --bench against_decode -- FILE.parquet)");
        return Ok(());
    };
    let target = arguments.get(1).map_or("y", String::as_str);
    let threads = arguments.get(2).map_or(Ok(2), |t| t.parse())?;
    let runs = arguments.get(3).map_or(Ok(5), |r| r.parse())?;
    let fit = |precision: Precision| -> Result<(f64, FitReport), Box<dyn Error>> {
        let start = Instant::now();
        let report = Regression::new(target).threads(threads).precision(precision).fit_paths(&[path])?;
        Ok((start.elapsed().as_secs_f64(), report))
    };
    let mut ratios = [const { Vec::new() }; 3];
    for run in 0..=runs {
        let decode = decode_seconds(path, threads)?;
        let (float, _) = fit(Precision::Float)?;
        let (exact, report) = fit(Precision::Exact)?;
        if run == 0 {
            println!("{} rows used of {}", report.ledger.rows_used, report.ledger.rows_read);
            continue;
        }
        println!("run {run}: decode {decode:.3} s, float {float:.3} s, exact {exact:.3} s");
        ratios[0].push(float / decode);
        ratios[1].push(exact / decode);
        ratios[2].push(exact / float);
    }
    let [float, exact, price] = ratios.map(median);
    println!(
        "medians with {threads} threads: float / decode {float:.2}, exact / decode {exact:.2}, exact / float {price:.2}"
    );
    Ok(())
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Decodes every row group once and throws the batches away.
fn decode_seconds(path: &str, threads: usize) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let metadata = ArrowReaderMetadata::load(&File::open(path)?, ArrowReaderOptions::new())?;
    let next = AtomicUsize::new(0);
    let worker = || -> Result<usize, String> {
        let mut rows = 0;
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if group >= metadata.metadata().num_row_groups() {
                return Ok(rows);
            }
            let file = File::open(path).map_err(|e| e.to_string())?;
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(8192)
                .build()
                .map_err(|e| e.to_string())?;
            for batch in reader {
                rows += batch.map_err(|e| e.to_string())?.num_rows();
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let outcomes = workers.into_iter().map(|w| w.join().map_err(|_| "a worker panicked".to_owned()));
        outcomes.map(|o| o.and_then(|r| r)).sum::<Result<usize, String>>()
    })?;
    Ok(start.elapsed().as_secs_f64())
}
