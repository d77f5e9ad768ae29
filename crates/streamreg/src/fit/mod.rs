//! Fits: from a regression and its rows to reports.
//!
//! | file | what it fits |
//! |---|---|
//! | `direct` | least squares, from one pass or two |
//! | `groups` | every group of rows |
//! | `penalized` | ridge, lasso, elastic net |
//! | `iterative` | pass by pass |
//! | `beside` | errors of rows held out, standardised coefficients |
//! | `summed`, `attempt` | the pass that sums; solving from its sums |
//! | `state` | sums for a state file, and fits that start from one |
//! | `robust`, `hypothesis`, `factor_tests` | standard errors that need the rows again; joint tests, of all coefficients of a term too |

mod attempt;
mod beside;
mod direct;
mod factor_tests;
mod groups;
mod hypothesis;
mod iterative;
mod penalized;
mod robust;
mod state;
mod summed;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use streamreg_core::{Coding, Design, LeftOut, ModelSpec, RowLedger, in_order};
use streamreg_reader::{Batches, Partition, Source};

pub use self::groups::{GroupFit, GroupSummary};

use crate::error::{Error, Failure, Result};
use crate::model::columns::model_columns;
use crate::output::{TableWriter, refuse_input_as_output};
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Passes, Rows, SourceRows, StreamRows};
use crate::plan::{Plan, Route, doubtful_categories, refuse_doubtful};
use crate::report::{Common, Details, FitReport, Found};
use crate::request::regression::Regression;
use crate::request::selection::open;

/// What came out for every response, and of what.
struct Fitted {
    spec: ModelSpec,
    left_out: Vec<LeftOut>,
    /// What the data decided about the columns.
    coding: Coding,
    ledger: RowLedger,
    found: Vec<Found>,
}

/// The reports of all responses, by the way that the plan takes.
fn reports<R: Rows>(
    regression: &Regression,
    rows: &R,
    source: Option<&dyn Source>,
) -> Result<Vec<FitReport>> {
    let passes = Passes::new(rows, &regression.execution, source);
    let (plan, route) = Plan::new(regression, rows, source)?;
    match route {
        Route::Direct { inferred, at_once, folds } => {
            direct::fit(&plan, &inferred, (at_once, folds.as_ref()), passes)
        }
        Route::Penalized { asked, folds } => penalized::fit(&plan, asked, folds.as_ref(), passes),
        Route::Iterative { solver, asked } => iterative::fit(&plan, solver, &asked, passes),
        Route::Loss { asked } => iterative::fit_loss(&plan, asked, passes),
    }
}

/// The reports of what was found.
fn conclude<R: Rows>(
    plan: &Plan<'_>,
    passes: &Passes<'_, R>,
    design: &Design,
    solve_seconds: f64,
    fitted: Fitted,
) -> Result<Vec<FitReport>> {
    let Fitted { spec, left_out, coding, ledger, found } = fitted;
    found.iter().try_for_each(refuse_overflow)?;
    let mut warnings = passes.warnings();
    warnings.extend(doubtful_categories(plan.regression, design, &coding.levels, ledger.rows_used));
    let ledger = ledger.for_report();
    let common = Common {
        warnings,
        columns: model_columns(design, &passes.schema()),
        spec,
        coding,
        ledger,
        left_out,
        inputs: plan.regression.input_records(passes.inputs()),
        reading: passes.reading(),
        timings: passes.timings(solve_seconds)?,
        conf_level: plan.options().conf_level,
        selection: plan.regression.selection.clone(),
    };
    Ok(found.into_iter().enumerate().map(|(index, found)| FitReport::new(&common, index, found)).collect())
}

/// Refuses results that are not finite: squares of the data left the range of float64.
fn refuse_overflow(found: &Found) -> Result<()> {
    let overflow = |what: &str| {
        let message = format!(
            "{what} is no finite number: squares of such large or small values leave float64's range; rescale the columns \
             (--with, or `Regression::with`)"
        );
        Err(Error::data(message))
    };
    let infinite = |value: Option<f64>| value.is_some_and(|value| !value.is_finite());
    if let Some(row) = found.coefficients.iter().find(|row| infinite(row.estimate)) {
        return overflow(&format!("the coefficient of {:?}", row.term));
    }
    if !found.glance.mse.is_finite() {
        return overflow("the mean squared error");
    }
    match &found.details {
        Details::Penalized(report) => {
            let curve = report.cross_validation.iter().flat_map(|cv| &cv.curve);
            match curve.into_iter().find(|point| !point.mean.is_finite()) {
                Some(point) => overflow(&format!("the error for the penalty {}", point.lambda)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

impl Regression {
    /// Opens files as this regression reads them. Filter and computed columns come later, when it is fitted.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn open<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Box<dyn Source>> {
        Ok(Box::new(open(paths, &self.dataset)?))
    }

    /// The source with computed columns and without filtered rows. It must have a row before that, and columns that are what
    /// the model takes them for.
    pub(crate) fn rows_of<'s>(&self, source: &'s dyn Source) -> Result<Box<dyn Source + 's>> {
        if let Some(given) = &self.given {
            if !given.rows {
                return Ok(Box::new(source));
            }
            let rows = self.selection.of(source)?;
            given.state.check_columns(rows.schema(), rows.as_ref())?;
            return Ok(rows);
        }
        if source.summary().rows == Some(0) {
            let files: Vec<String> = source.inputs().iter().map(|i| i.path.display().to_string()).collect();
            let first = files.first().map(|file| format!("{file}: ")).unwrap_or_default();
            return Err(Error::data(format!("{first}there are no rows to fit")));
        }
        let rows = self.selection.of(source)?;
        refuse_doubtful(self, rows.schema(), rows.as_ref())?;
        Ok(rows)
    }

    /// The columns that the model may name: those of the source, and those that are computed.
    ///
    /// # Errors
    /// When an expression is not valid for the columns of the source, or there is no row.
    pub fn schema(&self, source: &dyn Source) -> Result<SchemaRef> {
        Ok(Arc::clone(self.rows_of(source)?.schema()))
    }

    /// Fits to files: paths, directories, glob patterns.
    ///
    /// # Errors
    /// When the data cannot be read, columns are missing or of a wrong type, an expression is not valid, no row
    /// is left, or an option is out of range.
    pub fn fit_paths<P: AsRef<Path>>(&self, paths: &[P]) -> Result<FitReport> {
        self.fit_source(self.open(paths)?.as_ref())
    }

    /// Fits to any source.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`].
    pub fn fit_source(&self, source: &dyn Source) -> Result<FitReport> {
        self.refuse_several_targets(self.rows_of(source)?.schema())?;
        only(self.fit_targets(source)?)
    }

    /// Fits every response to a source, in one pass: a report each, in order.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`].
    pub fn fit_targets(&self, source: &dyn Source) -> Result<Vec<FitReport>> {
        let source = self.rows_of(source)?;
        let source = source.as_ref();
        let fit = self.clone().with_folds_of_state()?;
        let mut execution = fit.execution.within_fit(source, &fit)?;
        if let Some((checkpoint, _)) = &fit.checkpoint {
            execution.interrupt = execution.interrupt.or_else(|| checkpoint.flag().cloned());
        }
        let fit = fit.execution(execution);
        reports(&fit, &SourceRows(source), Some(source))
    }

    /// Fits every group of rows that [`Regression::by`] splits off, in one pass, and hands the fits to `each`
    /// in the order of the groups (and of the responses within a group). A group that cannot be fitted says
    /// why; the others go on. With the default solver a group is fitted from its cross-products; it is not
    /// read a second time.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`], and the first error of `each`.
    pub fn fit_groups(
        &self,
        source: &dyn Source,
        each: impl FnMut(GroupFit) -> Result<()> + Send,
    ) -> Result<GroupSummary> {
        self.fit_groups_with(source, |fit| fit, each)
    }

    /// [`Regression::fit_groups`], where the threads that solve also make something of every fit, such as the
    /// text that is written of it; `each` is called by one thread at a time.
    ///
    /// # Errors
    /// As [`Regression::fit_groups`].
    pub fn fit_groups_with<T: Send>(
        &self,
        source: &dyn Source,
        make: impl Fn(GroupFit) -> T + Sync,
        each: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<GroupSummary> {
        let source = self.rows_of(source)?;
        let source = source.as_ref();
        let fit = self.clone().execution(self.execution.within_fit(source, self)?);
        groups::fit(&fit, &SourceRows(source), source, make, each)
    }

    /// Fits to record batches in memory, which can be read as often as the fit needs them.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`]; also when there is no batch.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow_array::{Float64Array, Int64Array, RecordBatch};
    /// use streamreg::Regression;
    ///
    /// let x = Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// let y = Float64Array::from(vec![3.1, 4.9, 7.2, 8.8, 11.1, 12.9]);
    /// let store = Int64Array::from(vec![1, 1, 2, 2, 3, 3]);
    /// let batch = RecordBatch::try_from_iter([("x", Arc::new(x) as _), ("y", Arc::new(y) as _), ("store", Arc::new(store) as _)])?;
    /// let report = Regression::formula("y ~ x").cluster(["store"]).fit(&[batch])?;
    /// assert_eq!(report.vcov.clusters[0].clusters, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit(&self, batches: &[RecordBatch]) -> Result<FitReport> {
        let first =
            batches.first().ok_or_else(|| Error::invalid_request("there is no record batch to fit to"))?;
        self.fit_source(&Batches::new(first.schema(), batches.to_vec()))
    }

    /// Fits to record batches of the given schema that come once, in one pass. [`Solver::Auto`](crate::Solver::Auto) cannot read them again:
    /// choose [`Solver::Qr`](crate::Solver::Qr) where columns may be nearly collinear.
    ///
    /// # Errors
    /// As [`Regression::fit_paths`]; an error among the batches is passed on. Filters and computed columns need a
    /// [`Source`].
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
        if !self.selection.is_everything() {
            let message = "filters and computed columns need a source: record batches are taken as they are";
            return Err(Error::invalid_request(message));
        }
        self.refuse_several_targets(&schema)?;
        only(reports(self, &StreamRows::new(schema, batches.into_iter()), None)?)
    }

    /// Refuses several targets, for those who want one report.
    fn refuse_several_targets(&self, schema: &Schema) -> Result<()> {
        match self.spec(schema)?.0.responses.len() {
            0 | 1 => Ok(()),
            _ => Err(Error::invalid_request("there are several targets: `fit_targets` fits them")),
        }
    }

    /// Writes the number (from 0) and the fold (from 0) of every row that passes the filter, as CSV or Parquet by the
    /// ending of `path`: what the cross-validation of [`Regression::penalized`] or [`Regression::cross_validate`] uses, for other programs to use too.
    /// Reads the column that decides folds, or counts rows, once more. Rows with a missing value are in the file.
    ///
    /// # Errors
    /// Where no cross-validation is asked for, the data cannot be read, or the file not written.
    pub fn write_folds(&self, source: &dyn Source, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let cv = self.asked_folds();
        let cv = cv.ok_or_else(|| Error::invalid_request("without cross-validation there are no folds"))?;
        let plan = RowIdPlan::folds(cv)?;
        refuse_input_as_output(source, path)?;
        let source = self.selection.of(source)?;
        let request = plan.extend(self.execution.request(&[]), source.schema())?;
        let request = request.numbered();
        let scan = source.scan(&request)?;
        let field = |name: &str, kind: DataType| Field::new(name, kind, false);
        let schema =
            Arc::new(Schema::new(vec![field("row", DataType::UInt64), field("fold", DataType::UInt32)]));
        let mut writer = TableWriter::file(path, &schema)?;
        let next = || scan.next_partition().map(|p| p.map(|p| (p.index, p)).map_err(Failure::from));
        let work = |partition: Partition| -> std::result::Result<Vec<RecordBatch>, Failure> {
            let mut assigner = plan.assigner(&request, 0, partition.numbers, partition.index);
            let rows = |batch: streamreg_reader::Result<RecordBatch>| {
                let batch = batch?;
                let numbers = assigner.row_numbers(&batch);
                let folds = assigner.ids(&batch, numbers.as_ref())?;
                let unknown = || Error::invalid_request("this source does not number its rows");
                let columns: [ArrayRef; 2] =
                    [Arc::new(numbers.ok_or_else(unknown)?), Arc::new(UInt32Array::from(folds))];
                Ok(RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).map_err(Error::from)?)
            };
            partition.batches.map(rows).collect()
        };
        let threads = self.execution.resolved_threads()?;
        in_order(threads, next, work, |batches: Vec<RecordBatch>| {
            Ok(batches.iter().try_for_each(|batch| writer.write(batch))?)
        })
        .map_err(Error::from)?;
        source.verify_unchanged()?;
        writer.finish()
    }
}

/// The only report.
fn only(mut reports: Vec<FitReport>) -> Result<FitReport> {
    reports.pop().ok_or_else(|| Error::invalid_request("there is no target to explain"))
}
