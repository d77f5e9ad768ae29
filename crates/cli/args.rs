//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::descent::DescentArgs;
use crate::penalty::PenaltyArgs;
use crate::progress::RunArgs;
use crate::report::format::Format;

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

/// Which files, and how they are read.
#[derive(Debug, ClapArgs)]
pub(crate) struct InputArgs {
    /// Parquet or CSV files (also .gz and .zst text), directories, or quoted glob patterns
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,

    /// Field delimiter of CSV files [default: comma; tab for .tsv; ; tab or | if the header has no comma]
    #[arg(long, value_name = "CHAR", help_heading = "CSV")]
    pub(crate) delimiter: Option<String>,

    /// CSV files have no header line: columns are called column_1, column_2, ...
    #[arg(long, help_heading = "CSV")]
    pub(crate) no_header: bool,

    /// Spelling of a missing value in CSV files; may be repeated, and replaces the default
    /// (NA, NaN, nan, null, NULL); an empty field is always missing
    #[arg(long = "null", value_name = "TEXT", allow_hyphen_values = true, help_heading = "CSV")]
    pub(crate) nulls: Vec<String>,

    /// Type of a CSV column instead of the inferred one: number, boolean, date, timestamp or text;
    /// may be repeated
    #[arg(long = "schema", value_name = "COLUMN=TYPE", help_heading = "CSV")]
    pub(crate) types: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FitArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// The column to explain; several, separated by commas, are fitted in one pass
    #[arg(long, short, value_name = "COLUMNS", required_unless_present = "formula")]
    pub(crate) target: Vec<String>,

    /// The columns that explain it, separated by commas; quote a name that has a comma ("a, b"); globs are
    /// possible ('x*'); text and booleans are categories [default: all numeric and boolean columns]
    #[arg(long, short, value_name = "COLUMNS", conflicts_with = "formula")]
    pub(crate) features: Vec<String>,

    /// Columns to leave out, separated by commas; globs are possible
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) exclude: Vec<String>,

    /// The model as a formula, 'y ~ a*b + C(month) + poly(x, 3) + log(z) - 1', or its right side alone beside
    /// --target; `.` stands for all other numeric and boolean columns
    #[arg(long, value_name = "FORMULA")]
    pub(crate) formula: Option<String>,

    /// Fit without a constant
    #[arg(long)]
    pub(crate) no_intercept: bool,

    /// Rows with a null or non-finite value in a used column: drop and count them, stop, or keep them with
    /// an indicator (a level of its own for categories; the mean and a 0/1 column for numbers)
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) missing: MissingArg,

    /// Numeric columns that are categories, separated by commas
    #[arg(long, value_name = "COLUMNS", help_heading = "Categories")]
    pub(crate) categorical: Vec<String>,

    /// The level that the others of a category are compared with [default: the first in order]; may be
    /// repeated
    #[arg(long = "reference", value_name = "COLUMN=LEVEL", help_heading = "Categories")]
    pub(crate) references: Vec<String>,

    /// Coding of categories: against the reference level, or against the mean of the levels
    #[arg(long, value_enum, default_value_t, value_name = "NAME", help_heading = "Categories")]
    pub(crate) contrasts: ContrastsArg,

    /// Most levels a category may have
    #[arg(long, value_name = "N", default_value_t = streamreg::DEFAULT_MAX_LEVELS, help_heading = "Categories")]
    pub(crate) max_levels: usize,

    /// Fit the result of an SQL query, in which every FILE is a table: named as the file is up to its first point, or
    /// NAME=FILE. Needs a program built with the cargo feature polars
    #[arg(long, value_name = "SQL", help_heading = "Rows", conflicts_with_all = ["delimiter", "no_header", "nulls", "types"])]
    pub(crate) query: Option<String>,

    /// Use only the rows for which an SQL expression is true, such as "year >= 2000 and carrier <> 'UA'"
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true, help_heading = "Rows")]
    pub(crate) filter: Option<String>,

    /// Add a column computed by an SQL expression; may be repeated
    #[arg(long = "with", value_name = "NAME=SQL", help_heading = "Rows")]
    pub(crate) with: Vec<String>,

    /// The column with the weights of the rows; --weight-type says what they mean
    #[arg(long, value_name = "COLUMN", requires = "weight_type", help_heading = "Rows")]
    pub(crate) weights: Option<String>,

    /// What a weight means: the row stands for so many equal rows (frequency), its variance is inversely
    /// proportional to it (analytic), or its probability to be drawn is (probability: standard errors are then
    /// robust, hc1 unless --vcov says otherwise)
    #[arg(long, value_enum, value_name = "MEANING", requires = "weights", help_heading = "Rows")]
    pub(crate) weight_type: Option<WeightArg>,

    /// Fit every group of rows that share the values of these columns, separated by commas, in one pass
    #[arg(long, value_name = "COLUMNS", help_heading = "Rows")]
    pub(crate) by: Vec<String>,

    /// How to solve: Cholesky on cross-products (auto; in float64 where it leaves 8 digits, else QR on a second pass), or
    /// one of them, or the singular value decomposition; or, pass by pass, stochastic gradient descent (sgd), full gradient
    /// descent (gd), conjugate gradients (cg)
    #[arg(long, value_enum, default_value_t, value_name = "NAME", help_heading = "Solving")]
    pub(crate) solver: SolverArg,

    /// How sums are carried: exactly, so that the same rows give the same bits in any order (but for poly()), layout or
    /// number of files, or in float64, which is faster for wide designs [auto: exact up to 64 numbers, responses
    /// included]
    #[arg(long, value_enum, default_value_t, value_name = "HOW", help_heading = "Solving")]
    pub(crate) precision: PrecisionArg,

    /// Never read the data a second time
    #[arg(long, help_heading = "Solving")]
    pub(crate) no_escalate: bool,

    /// Columns that depend on columns before them: drop them, stop, or give the minimum-norm solution
    #[arg(long, value_enum, default_value_t, value_name = "HOW", help_heading = "Solving")]
    pub(crate) collinear: CollinearArg,

    /// A column is dependent if less than this share of its norm is left beside the columns before it
    /// [default: 1e-11]
    #[arg(long, value_name = "SHARE", help_heading = "Solving")]
    pub(crate) rank_tol: Option<f64>,

    /// Exit with code 4 if columns are dependent, fewer than 6 digits are reliable, the rank is undecided,
    /// or the fit is perfect but for rounding
    #[arg(long, help_heading = "Solving")]
    pub(crate) strict: bool,

    /// Covariance of the coefficients: iid; robust to unequal variances (hc0, hc1, hc2, hc3), to them and correlation
    /// with L rows before (hac:L, rows in the order of time), or to correlation within clusters (cr0, cr1, cr3); all
    /// but iid read the data twice [default: iid; cr1 with --cluster; hc1 with probability weights]
    #[arg(long, value_name = "KIND", help_heading = "Inference")]
    pub(crate) vcov: Option<String>,

    /// Rows with the same value of this column are correlated; two columns, separated by a comma, for two ways
    #[arg(long, value_name = "COLUMNS", help_heading = "Inference")]
    pub(crate) cluster: Vec<String>,

    /// Small-sample choices for hac, cr1 and cr3, separated by commas: no factor at all (none); of two ways each with
    /// its own factor instead of one for the fewest clusters (each); dummies nested in clusters do not count (nested);
    /// cr3 about the mean of the jackknife (jackknife-mean)
    #[arg(long, value_name = "WORDS", help_heading = "Inference")]
    pub(crate) ssc: Option<String>,

    /// Test restrictions on the coefficients jointly (F with the covariance of the fit): 'x1 = x2, 2*x3 + "a b" = 1',
    /// terms named as in the result; may be repeated
    #[arg(
        long = "test",
        value_name = "RESTRICTIONS",
        allow_hyphen_values = true,
        help_heading = "Inference"
    )]
    pub(crate) tests: Vec<String>,

    /// Write the covariance of the coefficients to a file, .csv or .parquet
    #[arg(long, value_name = "FILE", help_heading = "Inference")]
    pub(crate) vcov_out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) penalty: PenaltyArgs,

    #[command(flatten)]
    pub(crate) descent: DescentArgs,

    /// Level of the confidence intervals
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL", help_heading = "Output")]
    pub(crate) conf_level: f64,

    /// Form of the result; tidy and glance are CSV with broom's column names
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    pub(crate) format: Format,

    /// Write the result to a file instead of stdout
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Save the fitted model for predict and evaluate
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) save_model: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissingArg {
    #[default]
    Drop,
    Error,
    Indicator,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContrastsArg {
    #[default]
    Treatment,
    Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightArg {
    Frequency,
    Analytic,
    Probability,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnseenArg {
    #[default]
    Error,
    Null,
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SolverArg {
    #[default]
    Auto,
    Cholesky,
    Qr,
    Svd,
    Sgd,
    Gd,
    Cg,
}

impl SolverArg {
    /// Whether passes over the data are its steps.
    pub(crate) fn is_iterative(self) -> bool {
        matches!(self, Self::Sgd | Self::Gd | Self::Cg)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    #[default]
    Auto,
    Exact,
    Float,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CollinearArg {
    #[default]
    Drop,
    Error,
    MinNorm,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PredictArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Output file, .parquet or .csv [default: CSV to stdout]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Input columns to copy to the output, separated by commas
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) keep: Vec<String>,

    /// Rows with a level that the model was not fitted to: stop, leave the prediction empty (null), or take them for ones of the
    /// reference level (other)
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) unseen: UnseenArg,

    /// Add the ends of an interval: of the mean response, or of a new observation
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) interval: Option<IntervalArg>,

    /// Level of the interval
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL")]
    pub(crate) conf_level: f64,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IntervalArg {
    Confidence,
    Prediction,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EvaluateArgs {
    /// Model file, as fit --save-model writes it
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Rows with a level that the model was not fitted to: stop, drop and count them (null), or take them for ones of the
    /// reference level (other)
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) unseen: UnseenArg,

    /// Use only the rows for which an SQL expression is true
    #[arg(long = "where", value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,

    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Decode everything: checks page checksums, every field and the number of rows
    #[arg(long)]
    pub(crate) verify: bool,

    /// Form of the result
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    #[default]
    Table,
    Json,
}
