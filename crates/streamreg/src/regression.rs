//! The builder that everything starts from.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use streamreg_core::{
    CrossProducts, Design, LeftOut, Missing, MissingReason, ModelSpec, RowLedger, TriangularFactor,
};
use streamreg_reader::{Dataset, DatasetOptions, InputFile, Source};
use streamreg_solve::{Attempt, Collinear, Fit, SolveOptions, Solver, Statistics, fit as solve};

use crate::error::{Error, Result};
use crate::model::feature_kinds;
use crate::pass::{Execution, ProgressFn, Rows, SourceRows, StreamRows};
use crate::report::{FitReport, SolverReport, Timings};

/// A linear regression to be fitted: what to explain, by what, and how.
///
/// ```
/// use streamreg::Regression;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("cars.csv");
/// # std::fs::write(&path, "speed,weight,dist\n4,1.1,2\n7,0.9,4\n8,1.4,16\n9,1.0,10\n10,1.2,18\n11,0.8,17\n")?;
/// let report = Regression::new("dist").features(["speed", "weight"]).fit_paths(&[&path])?;
/// for row in &report.coefficients {
///     println!("{} {:?} ± {:?}", row.term, row.estimate, row.std_error);
/// }
/// assert_eq!(report.ledger.rows_used, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Regression {
    response: String,
    features: Option<Vec<String>>,
    exclude: Vec<String>,
    intercept: bool,
    missing: Missing,
    options: SolveOptions,
    escalate: bool,
    dataset: DatasetOptions,
    execution: Execution,
}

impl Regression {
    /// A regression of the column `response` on all other numeric and boolean columns.
    pub fn new(response: impl Into<String>) -> Self {
        Self {
            response: response.into(),
            features: None,
            exclude: Vec::new(),
            intercept: true,
            missing: Missing::Drop,
            options: SolveOptions::default(),
            escalate: true,
            dataset: DatasetOptions::default(),
            execution: Execution::default(),
        }
    }

    /// Names the features, in the order of the coefficients.
    #[must_use]
    pub fn features<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.features = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves columns out where all would be features.
    #[must_use]
    pub fn exclude<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.exclude.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Whether a constant is estimated; true unless said otherwise.
    #[must_use]
    pub fn intercept(mut self, intercept: bool) -> Self {
        self.intercept = intercept;
        self
    }

    /// What happens to rows with missing values; they are dropped and counted unless said otherwise.
    #[must_use]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// How the system of equations is solved.
    #[must_use]
    pub fn solver(mut self, solver: Solver) -> Self {
        self.options.solver = solver;
        self
    }

    /// What happens to columns that depend on others; the later ones are dropped unless said otherwise.
    #[must_use]
    pub fn collinear(mut self, collinear: Collinear) -> Self {
        self.options.collinear = collinear;
        self
    }

    /// Share of a column's norm below which its residual on the columns before counts as zero.
    #[must_use]
    pub fn rank_tol(mut self, rank_tol: f64) -> Self {
        self.options.rank_tol = rank_tol;
        self
    }

    /// Level of the confidence intervals; 0.95 unless said otherwise.
    #[must_use]
    pub fn conf_level(mut self, level: f64) -> Self {
        self.options.conf_level = level;
        self
    }

    /// Whether [`Solver::Auto`] may read the data again with QR; true unless said otherwise.
    #[must_use]
    pub fn escalate(mut self, escalate: bool) -> Self {
        self.escalate = escalate;
        self
    }

    /// How files are read.
    #[must_use]
    pub fn dataset_options(mut self, options: DatasetOptions) -> Self {
        self.dataset = options;
        self
    }

    /// Number of threads; all processors unless said otherwise. Results have the same bits for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.execution.threads = Some(threads);
        self
    }

    /// Rows that are decoded at a time. Results have the same bits for any number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.execution.batch_rows = Some(rows);
        self
    }

    /// Is told how far the work has come.
    #[must_use]
    pub fn progress(mut self, progress: ProgressFn) -> Self {
        self.execution.progress = Some(progress);
        self
    }

    /// A flag that ends the work early once it is set.
    #[must_use]
    pub fn interrupt(mut self, flag: Arc<AtomicBool>) -> Self {
        self.execution.interrupt = Some(flag);
        self
    }

    /// Threads, batch size, progress and interruption in one.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.execution = execution;
        self
    }

    /// Fits to files: paths, directories, glob patterns.
    ///
    /// # Errors
    /// When the data cannot be read, columns are missing or not numeric, no row is left, or an option is
    /// out of range.
    pub fn fit_paths<P: AsRef<Path>>(&self, paths: &[P]) -> Result<FitReport> {
        self.fit_source(&Dataset::open(paths, &self.dataset)?)
    }

    /// Fits to any source.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`].
    pub fn fit_source(&self, source: &dyn Source) -> Result<FitReport> {
        self.run(&SourceRows(source), source.inputs())
    }

    /// Fits to record batches of the given schema, in one pass. [`Solver::Auto`] cannot read them again:
    /// choose [`Solver::Qr`] where columns may be nearly collinear.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`]; an error among the batches is passed on.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Float64Array, RecordBatch};
    ///
    /// let x = Float64Array::from(vec![1.0, 2.0, 3.0, 4.0]);
    /// let y = Float64Array::from(vec![3.1, 4.9, 7.2, 8.8]);
    /// let batch = RecordBatch::try_from_iter([("x", Arc::new(x) as _), ("y", Arc::new(y) as _)])?;
    /// let report = streamreg::Regression::new("y").fit_batches(batch.schema(), [Ok(batch)])?;
    /// assert!((report.coefficients[1].estimate.unwrap() - 1.94).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit_batches<I>(&self, schema: SchemaRef, batches: I) -> Result<FitReport>
    where
        I: IntoIterator<Item = Result<RecordBatch>>,
        I::IntoIter: Send,
    {
        self.run(&StreamRows::new(schema, batches.into_iter()), Vec::new())
    }

    /// The model that these settings mean for data of the given schema.
    ///
    /// # Errors
    /// When an excluded column does not exist or is needed, or nothing is left to explain the response.
    pub fn spec(&self, schema: &Schema) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let (mut spec, mut left_out) = ModelSpec::all_features(&self.response, schema);
        for name in &self.exclude {
            streamreg_reader::source::position(schema, name)?;
            let named = self.features.as_ref().is_some_and(|f| f.contains(name));
            if named || *name == self.response {
                let role = if named { "a feature" } else { "the response" };
                return Err(Error::invalid_request(format!("column {name:?} is {role}, and excluded")));
            }
        }
        match &self.features {
            Some(features) => {
                spec.features.clone_from(features);
                left_out.clear();
            }
            None => {
                spec.features.retain(|f| !self.exclude.contains(f));
                left_out.retain(|l| !self.exclude.contains(&l.column));
                if spec.features.is_empty() && schema.index_of(&self.response).is_ok() {
                    let others: Vec<String> =
                        left_out.iter().map(|l| format!("{:?} ({})", l.column, l.reason)).collect();
                    let message = format!(
                        "no numeric or boolean column is left to explain {:?}; other columns: {}",
                        self.response,
                        if others.is_empty() { "none".into() } else { others.join(", ") }
                    );
                    return Err(Error::data(message));
                }
            }
        }
        spec.intercept = self.intercept;
        spec.missing = self.missing;
        Ok((spec, left_out))
    }

    fn run(&self, rows: &impl Rows, inputs: Vec<InputFile>) -> Result<FitReport> {
        self.options.validate()?;
        let start = Instant::now();
        let (spec, left_out) = self.spec(&rows.schema())?;
        if spec.features.len() >= MAX_VARIABLES {
            let message = format!(
                "{} features are too many: a fit holds matrices of features x features, up to {MAX_VARIABLES}",
                spec.features.len()
            );
            return Err(Error::data(message));
        }
        let design = Design::new(&spec, &rows.schema())?;
        let kinds = feature_kinds(&spec.features, &rows.schema());
        let mut run =
            Run { regression: self, rows, spec: &spec, design: &design, timings: Timings::default() };
        let (fit, solver, ledger) = run.passes()?;
        let mut timings = run.timings;
        timings.threads = self.execution.resolved_threads()?;
        timings.total_seconds = start.elapsed().as_secs_f64();
        let mut report =
            FitReport::new(spec, fit, solver, ledger, left_out, inputs, timings, self.options.conf_level);
        report.kinds = kinds;
        Ok(report)
    }
}

/// Most variables of a model: a matrix of this width takes 0.8 GB, and a thread holds two or three.
const MAX_VARIABLES: usize = 10_000;

/// The error for data of which no row can be used: it says why.
fn no_rows(ledger: &RowLedger) -> Error {
    if ledger.rows_read == 0 {
        return Error::data("there are no rows to fit");
    }
    let causes = ledger.dropped.iter().map(|d| {
        let what = if d.reason == MissingReason::Null { "null" } else { "not finite" };
        format!("{} for {:?} {what}", d.rows, d.column)
    });
    let causes: Vec<String> = causes.collect();
    Error::data(format!(
        "no row is left to fit: all {} were dropped, {}",
        ledger.rows_read,
        causes.join(", ")
    ))
}

/// One fit under way.
struct Run<'a, R> {
    regression: &'a Regression,
    rows: &'a R,
    spec: &'a ModelSpec,
    design: &'a Design,
    timings: Timings,
}

impl<R: Rows> Run<'_, R> {
    /// The passes that the solver needs: one, or two where cross-products turn out too coarse.
    fn passes(&mut self) -> Result<(Fit, SolverReport, RowLedger)> {
        let options = &self.regression.options;
        let requested = options.solver;
        if matches!(requested, Solver::Qr | Solver::Svd) {
            let (attempt, ledger) = self.triangular_factor(1)?;
            return Ok((attempt.accept(options)?, SolverReport::direct(requested, requested), ledger));
        }
        let (attempt, ledger) = self.cross_products()?;
        let may_escalate = requested == Solver::Auto && self.regression.escalate && self.rows.reopens();
        match attempt.doubt.clone() {
            Some(reason) if may_escalate => {
                let (attempt, ledger) = self.triangular_factor(2)?;
                Ok((attempt.accept(options)?, SolverReport::escalated(reason.message), ledger))
            }
            _ => Ok((attempt.accept(options)?, SolverReport::direct(requested, Solver::Cholesky), ledger)),
        }
    }

    fn cross_products(&mut self) -> Result<(Attempt, RowLedger)> {
        let start = Instant::now();
        let make = || CrossProducts::new(self.design.columns().len());
        let (state, ledger) = self.rows.accumulate(self.design, &self.regression.execution, 1, make)?;
        self.timings.pass_seconds.push(start.elapsed().as_secs_f64());
        self.solve(Statistics::CrossProducts(&state), ledger)
    }

    fn triangular_factor(&mut self, pass: usize) -> Result<(Attempt, RowLedger)> {
        let start = Instant::now();
        let make = || TriangularFactor::new(self.design.columns().len());
        let (state, ledger) = self.rows.accumulate(self.design, &self.regression.execution, pass, make)?;
        self.timings.pass_seconds.push(start.elapsed().as_secs_f64());
        self.solve(Statistics::TriangularFactor(&state), ledger)
    }

    fn solve(&mut self, statistics: Statistics<'_>, ledger: RowLedger) -> Result<(Attempt, RowLedger)> {
        let start = Instant::now();
        let attempt =
            solve(statistics, self.spec, &self.regression.options).map_err(|error| match error {
                streamreg_solve::Error::NoRows => no_rows(&ledger),
                other => other.into(),
            })?;
        self.timings.solve_seconds += start.elapsed().as_secs_f64();
        Ok((attempt, ledger))
    }
}
