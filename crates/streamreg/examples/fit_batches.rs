//! Record batches in memory, read twice for clustered standard errors: `cargo run -p streamreg --example fit_batches`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use streamreg::{Regression, Vcov};

fn main() -> Result<(), Box<dyn Error>> {
    // Batches of any length will do: results do not depend on how rows are cut.
    let batch = |from: i32| {
        let x: Vec<f64> = (from..from + 50).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| 3.0 + 0.5 * x + (x * 0.7).sin()).collect();
        let store: Vec<String> = x.iter().map(|x| format!("store {}", x % 6.0)).collect();
        RecordBatch::try_from_iter([
            ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
            ("y", Arc::new(Float64Array::from(y)) as ArrayRef),
            ("store", Arc::new(StringArray::from(store)) as ArrayRef),
        ])
    };
    let batches = [batch(0)?, batch(50)?, batch(100)?];
    let report = Regression::formula("y ~ x").cluster(["store"]).vcov(Vcov::Cr3).fit(&batches)?;
    println!("{report}");
    Ok(())
}
