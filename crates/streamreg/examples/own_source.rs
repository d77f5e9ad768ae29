//! Rows that a program makes, again for every pass over them: `cargo run -p streamreg --example own_source`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use arrow_array::{Float64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use streamreg::{Batches, Error, Regression, Vcov};

fn main() -> Result<(), Error> {
    let number = |name: &str| Field::new(name, DataType::Float64, false);
    let schema = Arc::new(Schema::new(vec![number("x"), number("y")]));

    // Called once for every pass: it opens a file, runs a query, or computes, as here. Nothing is kept of the batches.
    let source = Batches::from_fn(Arc::clone(&schema), move || {
        let schema = Arc::clone(&schema);
        (0..100).map(move |batch| -> Result<RecordBatch, ArrowError> {
            let x =
                Float64Array::from_iter_values((0..1_000).map(|row| f64::from(1_000 * batch + row).sqrt()));
            let y =
                Float64Array::from_iter_values(x.values().iter().map(|x| 1.0 + 2.0 * x + (40.0 * x).sin()));
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(x), Arc::new(y)])
        })
    });
    println!("{}", Regression::new("y").vcov(Vcov::Hc3).fit_source(&source)?);
    Ok(())
}
