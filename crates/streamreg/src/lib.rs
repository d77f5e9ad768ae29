//! Linear regression on Parquet and CSV data larger than memory: least squares with standard errors, in one streamed pass and
//! bounded memory.
//!
//! # A first fit
//!
//! Say what explains what, name the files, print the report:
//!
//! ```no_run
//! use streamreg::Regression;
//!
//! let report = Regression::formula("arr_delay ~ dep_delay + distance + carrier").fit_paths(&["flights/*.parquet"])?;
//! println!("{report}");
//! # Ok::<(), streamreg::Error>(())
//! ```
//!
//! The report prints as a table; everything in it is a public field. Save its [`Model`] to predict with:
//!
//! ```no_run
//! # let report = streamreg::Regression::new("y").fit_paths(&["d.parquet"])?;
//! println!("{:?} ± {:?}", report.estimate("dep_delay"), report.coefficients[1].std_error);
//! report.model()?.save("model.json")?;
//! # Ok::<(), streamreg::Error>(())
//! ```
//!
//! # Where are the data?
//!
//! | the data | call |
//! |---|---|
//! | paths, folders, glob patterns | [`Regression::fit_paths`] |
//! | record batches in memory | [`Regression::fit`] |
//! | record batches that a function can make again | [`Regression::fit_source`] with [`Batches::from_fn`] |
//! | record batches that come once | [`Regression::fit_batches`] |
//! | anything else | [`Regression::fit_source`] with a [`Source`] of your own |
//!
//! # What do you want?
//!
//! | to | start at |
//! |---|---|
//! | choose columns, or write a formula | [`Regression`], [`Regression::formula`] |
//! | filter rows, compute columns, weigh rows | [`Regression::filter`], [`Regression::with`], [`Regression::weights`] |
//! | robust and clustered standard errors, joint tests | [`Regression::vcov`], [`Regression::cluster`], [`Regression::test`] |
//! | a fit for every group of rows | [`Regression::by`], [`Regression::fit_groups`], [`write_groups`] |
//! | ridge, lasso, elastic net, cross-validated | [`Penalization`] |
//! | gradient descent: very wide designs, other losses | [`Descent`]; by hand, [`iterative::Sgd`] |
//! | read the result, or write it in another form | [`FitReport`], [`render()`] |
//! | save the sums of a fit; merge, subtract and solve them | [`State`], [`Regression::sum_source`] |
//! | compare two models, or two states | [`compare_files`] |
//! | predict, evaluate | [`Model::predict`], [`Model::predict_paths`], [`Model::evaluate_paths`] |
//! | the models of many groups or targets in one file; an output for each of many files | [`Models`], [`save_models`] |
//! | look at files before a fit | [`inspect()`] |
//! | threads, progress, interruption | [`Execution`] |
//!
//! All errors are [`Error`]: one line that says what is wrong and what would be valid, with an [`ErrorKind`]. An option that would
//! have no effect is an error, too.
//!
//! Results have the same bits for any number of threads and any batch size, on one kind of processor. Sums are exact up to
//! [`EXACT_VARIABLES`] columns, or if [`Precision::Exact`] is asked for: then the same rows give the same bits in any order and
//! in any files.

mod compare;
mod error;
mod fit;
mod inspect;
mod model;
mod output;
mod pass;
mod plan;
mod render;
mod report;
mod request;
mod setters;
mod state;

pub use compare::{COMPARISON_SCHEMA_VERSION, ChowTest, ComparedFit, Comparison, TermShift, compare_files};
pub use error::{Error, ErrorKind, Result};
pub use fit::{GroupFit, GroupSummary};
pub use inspect::{ColumnSummary, InspectOptions, Inspection, LevelEstimate, Verified, inspect};
pub use model::augment::RowStatistic;
pub use model::evaluate::{ErrorMeasures, EvaluateOptions, Evaluation, GroupErrors};
pub use model::folder::{FolderOptions, FolderSummary};
pub use model::many::Models;
pub use model::many_file::{MODELS_SCHEMA_VERSION, save_models};
pub use model::predict::{PREDICTION, PredictOptions, PredictSummary};
pub use model::predictor::Prediction;
pub use model::{Coarse, Interval, MODEL_SCHEMA_VERSION, Model};
pub use output::RowsForm;
#[doc(hidden)]
pub use output::{abandon_outputs, refuse_input_as_output, same_file, save_rows, write_atomically};
pub use pass::{Execution, Progress, ProgressFn};
#[doc(hidden)]
pub use render::columns::wrapped;
pub use render::format::{Format, RenderOptions};
pub use render::groups::{write_groups, write_groups_file};
#[doc(hidden)]
pub use render::number::{bytes, count, short};
#[doc(hidden)]
pub use render::printable::printable;
pub use render::rows::table_of_rows;
pub use render::{json, render};
pub use report::{
    Accuracy, CvErrorReport, CvReport, DescentReport, Details, ExactReport, FitReport, InputRecord,
    PenalizedReport, PenaltyRecord, REPORT_SCHEMA_VERSION, SolverReport, Timings,
};
pub use request::iterative::{Descent, LEAST_PASSES, TraceFn};
pub use request::penalty::{CrossValidation, DEFAULT_GRID, Penalization};
pub use request::regression::Regression;
pub use state::{
    Checkpoint, STATE_VERSION, Scores, State, StateInput, UpdateOptions, UpdateSummary, update_state,
};

pub use streamreg_core::iterative::{GapBasis, LearningRate, Loss, Phase, Precondition, Start, TracePoint};
pub use streamreg_core::{
    Choice, Coding, Contrasts, DEFAULT_MAX_LEVELS, DroppedRows, EXACT_VARIABLES, EXACT_VARIABLES_ONCE,
    Factor, Formula, LeftOut, Level, Missing, MissingReason, ModelSpec, Precision, ReplacedRows,
    RoundedIntegers, RowLedger, SparseColumns, Term, Unseen, WeightType, Weights,
};
#[doc(hidden)]
pub use streamreg_reader::contain::is_containing;
pub use streamreg_reader::csv::{ColumnType, CsvOptions};
pub use streamreg_reader::{Batches, Dataset, DatasetOptions, ReadCounts, Source};
#[doc(hidden)]
pub use streamreg_reader::{is_data_name, memory_allowance, suggestion};

pub use streamreg_solve::penalized::{CurvePoint, CvRule, PathPoint, Penalty, PenaltyScale};
pub use streamreg_solve::{
    Aliased, ClusterCount, Collinear, Covariance, Fit, Glance, RankMargin, SmallSample, Solver, TermEstimate,
    TestError, Vcov, VcovSummary, WaldTest, Warning,
};
pub use {arrow_array, arrow_schema};

/// Iterative solvers, driven by hand over blocks of one's own: start at [`Sgd`](iterative::Sgd).
pub mod iterative {
    pub use streamreg_core::iterative::{
        Cg, ColumnSummaries, Curvature, FullGradient, Gd, GdStart, Goal, Next, Penalties, Population, Sample,
        Scaling, Sgd, SgdOptions, Standardizer, Tuned,
    };
    pub use streamreg_core::{Accumulator, Coding, Column, Design, DesignBlock, Layout, RowIds};
}

/// What a [`Source`] of one's own is made of, where [`Batches`] is not enough.
pub mod source {
    pub use streamreg_reader::{
        Checksums, InputFile, NoPartitions, Partition, PartitionOrder, RowNumbers, Scan, ScanRequest,
        Summary, position,
    };
}
