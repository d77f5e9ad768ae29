//! Linear regression on Parquet and CSV data larger than memory: `y = Xw + b` by least squares, with
//! standard errors, in one streamed pass and bounded memory.
//!
//! ```no_run
//! use streamreg::Regression;
//!
//! let report = Regression::new("arr_delay").features(["dep_delay", "distance"]).fit_paths(&["flights/*.parquet"])?;
//! println!("R² = {:?} on {} rows", report.glance.r_squared, report.ledger.rows_used);
//! report.model()?.save("model.json")?;
//! # Ok::<(), streamreg::Error>(())
//! ```
//!
//! The data flow one way: files become record batches (`streamreg-reader`), batches become sufficient
//! statistics (`streamreg-core`), these become estimates (`streamreg-solve`); this crate joins the three.
//!
//! | to | start at |
//! |---|---|
//! | fit files, any source, or record batches | [`Regression`] |
//! | robust standard errors, joint tests | [`Regression::vcov`], [`Regression::cluster`], [`Regression::test`] |
//! | read the result | [`FitReport`] |
//! | save, load, predict | [`Model`] |
//! | measure prediction errors | [`Model::evaluate_paths`] |
//! | penalise: ridge, lasso, elastic net, cross-validated | [`Penalization`] |
//! | fit very wide designs, other losses, watch it converge | [`Descent`] |
//! | look at files | [`inspect`](fn@inspect) |
//! | filter rows, compute columns | [`Regression::filter`], [`Regression::with`] |
//!
//! Results have the same bits for any number of threads and any batch size, on one kind of processor.

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

pub use error::{Error, ErrorKind, Result};
pub use fit::{GroupFit, GroupSummary};
pub use inspect::{ColumnSummary, InspectOptions, Inspection, Verified, inspect};
pub use model::evaluate::{EvaluateOptions, Evaluation};
pub use model::predict::{PREDICTION, PredictOptions, PredictSummary};
pub use model::{Interval, MODEL_SCHEMA_VERSION, Model, Prediction};
#[doc(hidden)]
pub use output::{refuse_input_as_output, same_file, write_atomically};
pub use pass::{Execution, Progress, ProgressFn};
pub use render::format::{Format, RenderOptions};
pub use render::groups::{write_groups, write_groups_file};
#[doc(hidden)]
pub use render::number::{count, short};
#[doc(hidden)]
pub use render::printable::printable;
pub use render::{json, render};
pub use report::{
    Accuracy, CvReport, DescentReport, Details, FitReport, InputRecord, PenalizedReport, PenaltyRecord,
    REPORT_SCHEMA_VERSION, SolverReport, Timings,
};
pub use request::iterative::{Descent, LEAST_PASSES, TraceFn};
pub use request::penalty::{CrossValidation, DEFAULT_GRID, Penalization};
pub use request::regression::Regression;

pub use streamreg_core::iterative::{LearningRate, Loss, Phase, Precondition, Start, TracePoint};
pub use streamreg_core::{
    Choice, Coding, Contrasts, DEFAULT_MAX_LEVELS, DroppedRows, EXACT_VARIABLES, Factor, Formula, LeftOut,
    Level, Missing, MissingReason, ModelSpec, Precision, ReplacedRows, RoundedIntegers, RowLedger,
    SparseColumns, Term, Unseen, WeightType, Weights,
};
#[doc(hidden)]
pub use streamreg_reader::contain::is_containing;
pub use streamreg_reader::csv::{ColumnType, CsvOptions};
#[doc(hidden)]
pub use streamreg_reader::suggestion;
pub use streamreg_reader::{Batches, Dataset, DatasetOptions, ReadCounts, Source};

pub use streamreg_solve::penalized::{CurvePoint, CvRule, PathPoint, Penalty, PenaltyScale};
pub use streamreg_solve::{
    Aliased, ClusterCount, Collinear, Covariance, Fit, Glance, RankMargin, SmallSample, Solver, TermEstimate,
    Vcov, VcovSummary, WaldTest, Warning,
};
pub use {arrow_array, arrow_schema};

/// Iterative solvers, driven by hand over blocks of one's own: start at [`Sgd`](iterative::Sgd).
pub mod iterative {
    pub use streamreg_core::iterative::{
        Cg, ColumnSummaries, Curvature, FullGradient, Gd, GdStart, Next, Penalties, Population, Sample,
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
