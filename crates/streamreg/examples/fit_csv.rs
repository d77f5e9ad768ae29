//! Fits a CSV file in a dialect of its own: `cargo run -p streamreg --example fit_csv`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use streamreg::{ColumnType, CsvOptions, DatasetOptions, Regression};

const CARS: &str = "id;speed;weight;dist
007;4;1.1;2
008;7;0.9;4
009;8;-999;16
010;9;1.0;10
011;10;1.2;18
";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cars.csv");
    std::fs::write(&path, CARS)?;

    // An id is digits and no quantity: as text it is no feature.
    let csv = CsvOptions::default().delimiter(b';').nulls(["-999"]).column_type("id", ColumnType::Text);
    let cars = DatasetOptions::default().csv(csv);
    println!("{}", Regression::new("dist").dataset_options(cars).fit_paths(&[&path])?);
    Ok(())
}
