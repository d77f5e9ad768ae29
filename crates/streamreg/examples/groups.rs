//! A fit for every group of rows, in one pass: `cargo run -p streamreg --example groups`
#![allow(clippy::print_stdout, reason = "an example prints")]

use streamreg::{Error, Format, Regression, RenderOptions, write_groups};

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/flights.parquet");

fn main() -> Result<(), Error> {
    let regression = Regression::formula("arr_delay ~ dep_delay + distance").by(["origin", "carrier"]);
    let flights = regression.open(&[FLIGHTS])?;

    // Fits come in the order of the groups. One that cannot be made says why, and the others go on.
    let summary = regression.fit_groups(flights.as_ref(), |group| {
        let levels: Vec<String> = group.levels.iter().map(ToString::to_string).collect();
        match &group.result {
            Ok(fit) => println!("{:<8} {:>6} rows  {:?}", levels.join(" "), group.rows, fit.glance.r_squared),
            Err(why) => println!("{:<8} {why}", levels.join(" ")),
        }
        Ok(())
    })?;
    println!("{} groups, {} failed", summary.groups, summary.failed);

    // The same as a CSV table, written as the fits come.
    let tidy = RenderOptions::new(Format::Tidy);
    write_groups(&regression, flights.as_ref(), &tidy, &mut std::io::stdout(), None)?;
    Ok(())
}
