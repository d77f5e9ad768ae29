//! The command line as it is typed, and what it means to the library. One file a group of flags.

mod choice;
mod inference;
mod input;
mod iterative;
mod model;
mod output;
mod penalty;
mod predict;
mod rows;
mod run;
mod solving;

use anyhow::Result;
use clap::{Args as ClapArgs, Parser, Subcommand};
use streamreg::Regression;

use self::inference::InferenceArgs;
use self::input::InputArgs;
use self::iterative::IterativeArgs;
pub(crate) use self::iterative::{Curve, points};
use self::model::ModelArgs;
use self::output::OutputArgs;
pub(crate) use self::output::PlainFormat;
use self::penalty::PenaltyArgs;
pub(crate) use self::predict::{EvaluateArgs, InspectArgs, PredictArgs};
use self::rows::RowArgs;
use self::run::RunArgs;
use self::solving::SolvingArgs;
use crate::text::usage;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the result could not be written, or the system refused something
  2    usage
  3    the data cannot be read, or lack what the command needs
  4    rank-deficient or ill-conditioned under --strict, collinear under --collinear error,
       or fewer than 2 digits of the coefficients survive
  5    an iteration did not converge
  70   internal error
  130  interrupted";

const FIT_EXAMPLES: &str = "\
Examples:
  streamreg fit big.parquet --target y
  streamreg fit 'sales/year=*/*.parquet' --target revenue --features price,year
  streamreg fit big.csv.gz --target y --exclude 'id*' --format json --output fit.json
  streamreg fit flights.parquet --formula 'arr_delay ~ dep_delay*origin + C(month) + poly(distance, 2)'
  streamreg fit sales.parquet -t revenue -f price,store --where 'year >= 2020' --with 'price = cents / 100'
  streamreg fit sales.parquet -t revenue -f price,weekday --by store --format tidy --output stores.csv
  streamreg fit sales.parquet -t revenue -f price,ads --cluster store --test 'price = 0, ads = 0'
  streamreg fit big.parquet --target y --save-model model.json
  streamreg fit big.parquet --target y --lasso auto --cv 10 --cv-rule 1se
  streamreg fit clicks.parquet --target y --sparse indices,values
  streamreg fit big.parquet --target y --solver sgd --loss huber --plot learning-curve.svg
  streamreg fit survey.csv --target 'net income' --features '\"age, years\",height'";

const PREDICT_EXAMPLES: &str = "\
Examples:
  streamreg predict model.json new.parquet -o predictions.parquet --keep id
  streamreg predict model.json new.csv --interval prediction | head";

/// Linear regression on Parquet and CSV data larger than memory.
///
/// Least squares with standard errors, in one streamed pass and bounded memory. Results have the same bits
/// for any number of threads.
#[derive(Debug, Parser)]
#[command(name = "streamreg", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a linear regression and print the coefficient table.
    #[command(after_help = FIT_EXAMPLES)]
    Fit(Box<FitArgs>),
    /// Predict with a saved model: one output row for every input row, in order.
    #[command(after_help = PREDICT_EXAMPLES)]
    Predict(PredictArgs),
    /// Measure how well a saved model predicts: MSE, RMSE, MAE, R², bias; every row weighs the same.
    Evaluate(EvaluateArgs),
    /// Show the columns, rows and predicted memory of files, or verify all of their bytes.
    Inspect(InspectArgs),
}

/// What `fit` takes.
#[derive(Debug, ClapArgs)]
pub(crate) struct FitArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) model: ModelArgs,

    #[command(flatten)]
    pub(crate) rows: RowArgs,

    #[command(flatten)]
    pub(crate) solving: SolvingArgs,

    #[command(flatten)]
    pub(crate) inference: InferenceArgs,

    #[command(flatten)]
    pub(crate) penalty: PenaltyArgs,

    #[command(flatten)]
    pub(crate) iterative: IterativeArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl FitArgs {
    /// The regression that they describe, and where its learning curve goes.
    pub(crate) fn regression(&self) -> Result<(Regression, Curve)> {
        let regression = self.model.regression()?;
        let regression = regression
            .dataset_options(self.input.dataset()?)
            .conf_level(self.output.conf_level)
            .execution(self.run.execution()?);
        let regression = self.rows.apply(self.solving.apply(regression))?;
        let regression = self.penalty.apply(regression)?;
        let regression = self.inference.apply(regression)?;
        let iterates = self.solving.solver.is_iterative() || self.iterative.is_asked();
        let seed = self.penalty.seed_of_steps();
        if seed.is_some() && !iterates {
            return Err(usage("--seed is that of --cv, or of an iterative --solver"));
        }
        self.iterative.apply(regression, iterates.then_some(seed.unwrap_or(0)))
    }
}
