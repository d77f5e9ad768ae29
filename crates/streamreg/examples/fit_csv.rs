//! Fits a CSV file in a dialect of its own: `cargo run -p streamreg --example fit_csv`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use streamreg::{ColumnType, CsvOptions, DatasetOptions, Regression};

const CARS: &str = "\
id;speed;weight;dist
007;4;1.1;2
008;7;0.9;4
009;8;-999;16
010;9;1.0;10
011;10;1.2;18
012;11;0.8;17
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cars.csv");
    std::fs::write(&path, CARS)?;

    let csv = CsvOptions {
        delimiter: Some(b';'),
        nulls: vec!["-999".into()],
        // Digits that are a name, not a quantity: as text the column is no feature.
        types: vec![("id".into(), ColumnType::Text)],
        ..CsvOptions::default()
    };
    let report = Regression::new("dist").dataset_options(DatasetOptions { csv }).fit_paths(&[&path])?;

    for row in &report.coefficients {
        println!("{:<12} {:?}", row.term, row.estimate);
    }
    for column in &report.left_out {
        println!("left out: {} ({})", column.column, column.reason);
    }
    println!("{} of {} rows used", report.ledger.rows_used, report.ledger.rows_read);
    Ok(())
}
