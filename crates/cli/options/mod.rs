//! The command line as it is typed, and what it means to the library. One file a group of flags.

mod choice;
mod compare;
mod environment;
pub(crate) mod front;
mod inference;
mod input;
mod inspect;
mod iterative;
mod job;
mod model;
mod observe;
mod output;
mod penalty;
mod predict;
mod rows;
mod run;
mod solving;
mod state;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use streamreg::{Formula, Regression, Solver};

pub(crate) use self::compare::{CompareArgs, ComparisonFormat};
pub(crate) use self::environment::{Mistake, Parsed, Taken, blame, parse, program, stands_above, unknown};
use self::inference::InferenceArgs;
use self::input::InputArgs;
pub(crate) use self::inspect::InspectArgs;
use self::iterative::IterativeArgs;
pub(crate) use self::iterative::{Curve, points};
pub(crate) use self::job::JobArgs;
use self::model::ModelArgs;
use self::observe::{ConditionArgs, MetricsArgs};
use self::output::OutputArgs;
pub(crate) use self::output::PlainFormat;
use self::penalty::PenaltyArgs;
pub(crate) use self::predict::{EvaluateArgs, PredictArgs};
use self::rows::RowArgs;
pub(crate) use self::run::ProgressStyle;
use self::run::{CheckpointArgs, RunArgs};
use self::solving::SolvingArgs;
pub(crate) use self::state::{MergeArgs, SolveArgs, SubtractArgs, UpdateArgs};
use crate::text::usage;

const EXIT_CODES: &str = "\
Exit codes:
  0    done; also when the reader of a pipe went away
  1    the result could not be written, or the system refused something
  2    a mistake on the command line
  3    the data cannot be read, are damaged, or lack what the command needs
  4    dependent columns or few reliable digits under --strict; dependent columns under
       --collinear error; fewer than 2 digits of the coefficients left in any case
  5    an iteration did not converge, or its steps diverge
  6    the memory limit (--memory-limit) is too small, or was reached
  7    a condition of --fail-if, --assert or --max-shift is not met
  70   internal error: a bug, please report it
  75   another process is at work on the state, under --no-wait: try again later
  130  interrupted (Ctrl-C, SIGINT)
  143  ended by SIGTERM; other signals that end it: 128 and the number of the signal";

const EXAMPLES: &str = "\
Examples:
  streamreg fit flights.parquet 'arr_delay ~ dep_delay + distance + carrier'
  streamreg predict model.json new.csv -o predictions.csv

`streamreg COMMAND -h` has the common options of a command, `--help` all of them.";

const FIT_USAGE: &str = "streamreg fit [OPTIONS] <FILE>... ['y ~ x1 + x2']";

const FIT_EXAMPLES: &str = "\
Examples:
  streamreg fit flights.parquet 'arr_delay ~ dep_delay*origin + distance'
  streamreg fit sales.csv -t revenue --where 'year >= 2020' -o fit.json

`streamreg fit --help` has the other options: files, categories, penalties, gradient descent, ...";

const MORE_FIT_EXAMPLES: &str = "\
Examples:
  streamreg fit flights.parquet 'arr_delay ~ dep_delay*origin + C(month) + poly(distance, 2)'
  streamreg fit big.parquet --target y
  streamreg fit 'sales/year=*/*.parquet' --target revenue --features price,year
  streamreg fit big.csv.gz --target y --exclude 'id*' --output fit.json
  streamreg fit sales.parquet -t revenue -f price,store --where 'year >= 2020' --with 'price = cents / 100'
  streamreg fit sales.parquet -t revenue -f price,weekday --by store --output stores.csv
  streamreg fit sales.parquet -t revenue -f price,ads --cluster store --test 'price = 0, ads = 0'
  streamreg fit big.parquet --target y --save-model model.json
  streamreg fit big.parquet --target y --lasso auto --cv 10 --cv-rule 1se
  streamreg fit clicks.parquet --target y --sparse indices,values
  streamreg fit big.parquet --target y --solver sgd --loss huber --plot learning-curve.svg
  streamreg fit survey.csv --target 'net income' --features '\"age, years\",height'";

const INSPECT_EXAMPLES: &str = "\
Examples:
  streamreg inspect big.parquet
  streamreg inspect big.parquet 'y ~ x + C(k)' --by store --threads 4
  streamreg inspect new.parquet --for-model model.json";

const PREDICT_EXAMPLES: &str = "\
Examples:
  streamreg predict model.json new.parquet -o predictions.parquet --keep id
  streamreg predict model.json new.csv --interval prediction | head";

/// Linear regression on Parquet and CSV data larger than memory
///
/// Least squares with standard errors, in one streamed pass and bounded memory. Results have the same bits for any number of
/// threads.
#[derive(Debug, Parser)]
#[command(
    name = "streamreg",
    version,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fit a linear regression and print the coefficient table
    #[command(
        override_usage = FIT_USAGE,
        after_help = FIT_EXAMPLES,
        after_long_help = format!("{MORE_FIT_EXAMPLES}\n\n{EXIT_CODES}")
    )]
    Fit(Box<FitArgs>),
    /// Predict with a saved model: one output row for every input row, in order
    #[command(after_help = PREDICT_EXAMPLES)]
    Predict(PredictArgs),
    /// Measure how well a saved model predicts: MSE, RMSE, MAE, R², bias
    #[command(
        long_about = "Measure how well a saved model predicts: MSE, RMSE, MAE, R², bias. Every row weighs the same, \
        whatever the weights of the fit."
    )]
    Evaluate(EvaluateArgs),
    /// Put states together: the sums of all their files
    #[command(
        long_about = "Put states together: the result has the sums of all their files, where they are exact bit for bit those of a fit \
        to all of them. A file counts once: states that share one are refused, and so are states of different models."
    )]
    Merge(MergeArgs),
    /// Take the files of one state out of another
    #[command(
        long_about = "Take the files of one state out of another, exactly: bit for bit the state that there would be without them."
    )]
    Subtract(SubtractArgs),
    /// Add new files to a state: only they are read
    #[command(
        long_about = "Add new files to a state: only files that it does not have are read, so that every row counts once, however \
        often the command runs. The state is replaced as a whole."
    )]
    Update(UpdateArgs),
    /// Fit a model to the sums of a state: no data are read
    #[command(
        long_about = "Fit a model to the sums of a state, without reading data: the state's own model, one of fewer columns, another \
        target, or with a penalty."
    )]
    Solve(Box<SolveArgs>),
    /// Run the steps of a job file
    #[command(
        long_about = "Run the steps of a TOML file, one after the other, up to the first that fails. A step is a command; its options stand in \
        sections named after the headings of the command's help. Paths are relative to the folder of the job file."
    )]
    Run(JobArgs),
    /// Compare two models: coefficients side by side, and a Chow test
    #[command(
        long_about = "Compare two models, or states, or one of each: coefficients side by side, with the difference and its standard \
        error as of independent data. Of two states of one model over different files a Chow test tells whether one set of coefficients \
        serves both."
    )]
    Compare(CompareArgs),
    /// Show the columns, rows and predicted memory of files, or verify all of their bytes
    #[command(
        override_usage = "streamreg inspect [OPTIONS] <FILE>... ['y ~ x1 + x2']",
        long_about = "Show the columns and rows of files, and predict the memory of a fit: of one numeric column on all others, or \
        of the fit whose model and options are given, as `streamreg fit` takes them. Nothing is fitted or written. --verify decodes \
        all bytes.",
        after_help = INSPECT_EXAMPLES
    )]
    Inspect(Box<InspectArgs>),
    /// Print the completions for a shell
    #[command(long_about = "Print the completions for a shell. For bash: streamreg completions bash > \
        ~/.local/share/bash-completion/completions/streamreg")]
    Completions(CompletionsArgs),
    /// Print the manual page of the program, or of a command
    #[command(
        long_about = "Print the manual page of the program, or of a command. To read it: streamreg man fit | man -l -"
    )]
    Man(ManArgs),
}

impl Command {
    /// How the work is done, where there is any.
    pub(crate) fn run(&self) -> Option<&RunArgs> {
        match self {
            Self::Fit(args) => Some(&args.run),
            Self::Predict(args) => Some(&args.run),
            Self::Evaluate(args) => Some(&args.run),
            Self::Update(args) => Some(&args.run),
            Self::Solve(args) => Some(&args.run),
            Self::Inspect(args) => Some(&args.run),
            Self::Run(args) => Some(&args.run),
            Self::Compare(_) | Self::Merge(_) | Self::Subtract(_) | Self::Completions(_) | Self::Man(_) => {
                None
            }
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Fit(_) => "fit",
            Self::Predict(_) => "predict",
            Self::Evaluate(_) => "evaluate",
            Self::Merge(_) => "merge",
            Self::Subtract(_) => "subtract",
            Self::Update(_) => "update",
            Self::Solve(_) => "solve",
            Self::Inspect(_) => "inspect",
            Self::Run(_) => "run",
            Self::Compare(_) => "compare",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    /// Where metrics go.
    pub(crate) fn metrics(&self) -> Option<&MetricsArgs> {
        match self {
            Self::Fit(args) => Some(&args.metrics),
            Self::Predict(args) => Some(&args.metrics),
            Self::Evaluate(args) => Some(&args.metrics),
            Self::Update(args) => Some(&args.metrics),
            Self::Solve(args) => Some(&args.metrics),
            _ => None,
        }
    }

    /// The files that it writes, without metrics and checkpoints.
    pub(crate) fn outputs(&self) -> Vec<&Path> {
        match self {
            Self::Fit(args) => existing(&[
                &args.output.output,
                &args.output.save_model,
                &args.output.save_state,
                &args.inference.vcov_out,
                &args.penalty.folds_out,
                &args.iterative.trace,
                &args.iterative.plot,
            ]),
            Self::Solve(args) => {
                existing(&[&args.output.output, &args.output.save_model, &args.inference.vcov_out])
            }
            Self::Predict(args) => existing(&[&args.output]),
            Self::Update(args) => vec![&args.state],
            _ => Vec::new(),
        }
    }

    /// Whether it works with files, so that there is something to tell of it.
    pub(crate) fn works(&self) -> bool {
        !matches!(self, Self::Completions(_) | Self::Man(_))
    }
}

/// The paths that are there.
fn existing<'a>(paths: &[&'a Option<PathBuf>]) -> Vec<&'a Path> {
    paths.iter().filter_map(|path| path.as_deref()).collect()
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// A command [default: the whole program]
    #[arg(value_parser = ["fit", "predict", "evaluate", "merge", "subtract", "update", "solve", "compare", "run", "inspect", "completions", "man"], hide_possible_values = true)]
    pub(crate) command: Option<String>,
}

/// Whether what stands among the files is a formula and no file: it has a `~`, there is no file of this name, and it has blanks
/// beside the `~`, or ends as no data file does and is a valid formula, or has something on both sides of the `~` and no sign of a
/// path or pattern: then the mistake in it is told.
fn is_formula(path: &Path) -> bool {
    let text = path.to_string_lossy();
    if !text.contains('~') || path.exists() {
        return false;
    }
    let spaced = text.contains(" ~") || text.contains("~ ");
    let sides = text.split_once('~').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
    let flawed = sides && !text.contains(['/', '\\', '*', '?', '[']);
    spaced || (!streamreg::is_data_name(path) && (flawed || Formula::parse(&text).is_ok()))
}

/// The error for a word among the files that is none, such as a part of a formula that stands in no quotes.
fn no_such_file(word: &str) -> anyhow::Error {
    let message = match word {
        "-" => "standard input is not read: name a file".to_owned(),
        word => format!(
            "there is no file {word}; if it belongs to a formula, put that in single quotes: 'y ~ x1 + x2'; if it is a \
             column, separate columns by commas, without blanks"
        ),
    };
    anyhow::Error::new(streamreg::Error::invalid_data(message))
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

    #[command(flatten)]
    pub(crate) checkpoint: CheckpointArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,

    #[command(flatten)]
    pub(crate) conditions: ConditionArgs,
}

impl FitArgs {
    /// What there is where no option is given.
    fn with_defaults() -> Result<Self> {
        match Args::try_parse_from(["streamreg", "fit", "FILE"])?.command {
            Command::Fit(fit) => Ok(*fit),
            _ => Err(usage("there is no command fit")),
        }
    }

    /// Takes a formula that stands among the files: see [`is_formula`].
    pub(crate) fn take_formula(&mut self) -> Result<()> {
        let (formulas, files): (Vec<PathBuf>, Vec<PathBuf>) =
            std::mem::take(&mut self.input.files).into_iter().partition(|path| is_formula(path));
        self.input.files = files;
        let hint = |path: &&PathBuf| {
            let text = path.to_string_lossy();
            !path.exists() && !text.contains(['.', '/', '\\', '*', '?', '[']) && self.rows.query.is_none()
        };
        if let Some(word) = self.input.files.iter().find(hint) {
            return Err(no_such_file(&word.to_string_lossy()));
        }
        match formulas.as_slice() {
            [] => Ok(()),
            [one, other, ..] => Err(usage(format!(
                "there are two formulas, {} and {}: fit them one by one",
                one.display(),
                other.display()
            ))),
            [_] if self.model.formula.is_some() => {
                Err(usage("there are two formulas: give one, among the files or with --formula"))
            }
            [_] if self.model.has_features() => {
                Err(usage("a formula names the features: give --features or a formula, not both"))
            }
            [_] if self.input.files.is_empty() => {
                Err(usage("there is a formula and no file: streamreg fit FILE 'y ~ x1 + x2'"))
            }
            [only] => {
                self.model.formula = Some(only.to_string_lossy().into_owned());
                Ok(())
            }
        }
    }

    /// The regression that they describe, and where its learning curve goes.
    pub(crate) fn regression(&self) -> Result<(Regression, Curve)> {
        self.output.refuse_unshown(&self.inference, &self.penalty)?;
        let regression = self.model.regression()?;
        let regression = regression.dataset_options(self.input.dataset()?).execution(self.run.execution()?);
        let regression = self.output.apply(self.rows.apply(self.solving.apply(regression))?)?;
        let regression = self.penalty.apply(regression)?;
        let regression = self.inference.apply(regression)?;
        let solver = self.solving.solver;
        if let Some(flag) =
            self.iterative.asked().filter(|_| solver == Solver::Auto && !self.iterative.is_wide())
        {
            let which = if self.iterative.has_loss() { "sgd or gd" } else { "sgd, gd or cg" };
            return Err(usage(format!("{flag} needs an iterative solver: add --solver {which}")));
        }
        let seed = self.penalty.seed_of_steps();
        let has_steps = solver.is_iterative() || self.iterative.is_wide();
        let iterates = solver.is_iterative()
            || self.iterative.has_loss()
            || self.iterative.asked().is_some()
            || (seed.is_some() && self.iterative.is_wide());
        if seed.is_some() && !has_steps {
            return Err(usage("--seed needs --cv or an iterative --solver"));
        }
        if self.solving.strict && (iterates || self.iterative.is_wide()) {
            return Err(usage(
                "the option strict would have no effect: it is for least squares; others tell neither dependent columns nor digits \
                 to be strict about, and that a fit does not converge is exit code 5 in any case",
            ));
        }
        self.iterative.apply(regression, iterates.then_some(seed.unwrap_or(0)))
    }
}
