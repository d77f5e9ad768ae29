//! Stochastic gradient descent over blocks of one's own: `cargo run -p streamreg --example sgd_by_hand`
#![allow(clippy::print_stdout, reason = "an example prints")]
use streamreg::arrow_schema::{DataType, Field, Schema};
use streamreg::iterative::*;
use streamreg::{LearningRate, Loss, ModelSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::new(["y", "x"].map(|name| Field::new(name, DataType::Float64, false)).to_vec());
    let design = Design::new(&ModelSpec::of_columns("y", ["x"]), &schema)?;
    let x: Vec<f64> = (0..1_000).map(|i| f64::from(i % 97)).collect();
    let y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
    let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
    let block = DesignBlock::of_numbers(&columns);
    // A look at the rows finds centres and scales of the columns, and a sample of the rows.
    let mut summaries = ColumnSummaries::new(&design, 0, None);
    summaries.assign(&(0..1_000).map(|row| RowIds::keys(0).of_row(row)).collect::<Vec<_>>());
    summaries.update(&block).map_err(|e| format!("{e:?}"))?;
    let standardizer = Standardizer::new(&design, &Layout::new(&design, &Coding::default())?, &summaries, 0)?;
    let sample = standardizer.sample(&summaries, &Coding::default(), &[]);
    let population = Population { rows: 1_000, parameters: standardizer.scaling().parameters() };
    let options = SgdOptions::default().with_rate(LearningRate::Constant { eta0: 0.3 });
    let mut sgd = Sgd::new(options, Loss::Squared, Penalties::default(), &sample, population)?;
    for epoch in 0..200 {
        sgd.begin_epoch(epoch);
        sgd.partial_fit(&standardizer, &block)?;
        sgd.end_epoch();
    }
    println!("{:?}", standardizer.scaling().coefficients(sgd.parameters()));
    Ok(())
}
