//! States: rows summed for one, and fits that start from one.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use streamreg_core::Precision;
use streamreg_reader::{InputFile, Scan, ScanRequest, Source};
use streamreg_solve::Solver;

use super::direct;
use crate::error::{Error, Result};
use crate::model::columns::{ColumnKind, ModelColumn, summed_columns};
use crate::pass::{Passes, SourceRows};
use crate::plan::{Plan, Route};
use crate::report::FitReport;
use crate::request::inference::SecondPass;
use crate::request::penalty::CrossValidation;
use crate::request::regression::Regression;
use crate::state::folds::StateFolds;
use crate::state::{Checkpoint, Scores, State};

impl Regression {
    /// Sums the rows of files, to be saved; of the model, and about the numbers, of `like`, if that is given.
    ///
    /// # Errors
    /// As [`Regression::sum_source`].
    pub fn sum_paths<P: AsRef<Path>>(&self, paths: &[P], like: Option<&State>) -> Result<State> {
        self.sum_source(self.open(paths)?.as_ref(), like)
    }

    /// Sums the rows of a source, to be saved; of the model, and about the numbers, of `like`, if that is given. Sums are exact
    /// unless [`Precision::Float`] was asked for. Where the regression is cross-validated they are those of every fold, which the
    /// value of a column decides: [`CrossValidation::group`].
    ///
    /// # Errors
    /// As [`Regression::fit_source`]; when the fit is none from sums (other losses, iterative solvers, QR); when `like` is of
    /// another model.
    pub fn sum_source(&self, source: &dyn Source, like: Option<&State>) -> Result<State> {
        self.sum_source_with(source, like, None)
    }

    /// The same, where a pass that was begun goes on, and one that is killed can do so: [`State::sum_with`].
    ///
    /// # Errors
    /// As [`Regression::sum_source`]; when what was saved is of another pass.
    pub fn sum_source_with(
        &self,
        source: &dyn Source,
        like: Option<&State>,
        checkpoint: Option<(&Checkpoint, &str)>,
    ) -> Result<State> {
        if let Some(like) = like {
            let rows = self.selection.of(source)?;
            let (spec, _) = self.spec(rows.schema())?;
            let other_precision = self.precision != Precision::Auto && self.precision != like.precision();
            let what = match like.difference_from((&spec, &self.selection), self.asked_folds()) {
                None if other_precision => Some("the precision differs".to_owned()),
                what => what,
            };
            return match what {
                Some(what) => {
                    Err(Error::data(format!("the model is not that of the state to be like: {what}")))
                }
                None => like.sum_with(source, &self.execution, checkpoint),
            };
        }
        self.summing(source)?.sum_with(source, &self.execution, checkpoint)
    }

    /// Whether a fit to a source takes one pass after the other, as iterative solvers and losses other than squares do, and does
    /// not start from sums.
    ///
    /// # Errors
    /// As [`Regression::fit_source`], before anything is read.
    pub fn is_iterative(&self, source: &dyn Source) -> Result<bool> {
        if !self.base.by.is_empty() {
            return Ok(false);
        }
        let source = self.rows_of(source)?;
        let (_, route) = Plan::new(self, &SourceRows(source.as_ref()), Some(source.as_ref()))?;
        Ok(!route.is_from_sums())
    }

    /// A state without rows of this regression's model, bound to the columns of a source.
    fn summing(&self, source: &dyn Source) -> Result<State> {
        let mut regression = self.clone();
        if regression.precision == Precision::Auto {
            regression.precision = Precision::Exact;
        }
        regression.inference.second_pass = SecondPass::Later;
        let source = regression.rows_of(source)?;
        let rows = SourceRows(source.as_ref());
        let refuse = |what: &str| {
            let message = format!("only fits from sums have a state: {what}");
            Err(Error::invalid_request(message))
        };
        if matches!(regression.options.solver, Solver::Qr | Solver::Svd) {
            return refuse("QR and SVD factor the rows themselves");
        }
        let by = !regression.base.by.is_empty();
        let plan = if by {
            Plan::of_groups(&regression, &rows, Some(source.as_ref()))?
        } else {
            let (plan, route) = Plan::new(&regression, &rows, Some(source.as_ref()))?;
            match route {
                Route::Direct { .. } | Route::Penalized { .. } => plan,
                Route::Iterative { .. } => return refuse("iterative solvers read the rows again and again"),
                Route::Loss { .. } => return refuse("losses other than squares need the rows"),
            }
        };
        let (spec, _) = plan.spec(&[])?;
        let passes = Passes::new(&rows, &regression.execution, Some(source.as_ref()));
        let design = plan.design(&spec, &passes)?;
        let columns = summed_columns(&design, source.schema());
        let folds = regression.asked_folds().map(|cv| folds_of(cv, source.schema())).transpose()?;
        let of = (design.precision(), &design.origins());
        State::new(spec, columns, regression.selection.clone(), folds, of)
    }

    /// What the second pass of a fit from a state computes, of no rows yet; `None` where its standard errors need none. The sums of
    /// parts of the rows, [`Scores::sum`], are put together and given to the fit: [`Regression::with_scores`].
    ///
    /// # Errors
    /// As [`Regression::fit_state`]; when the errors are those of lagged rows, which need them in their order, or the fit has none.
    pub fn scores(&self) -> Result<Option<Scores>> {
        let none = self.no_rows()?;
        let rows = SourceRows(&none);
        if !self.needs_rows(none.schema())? {
            return Ok(None);
        }
        let mut regression = self.clone().with_folds_of_state()?;
        regression.inference.second_pass = SecondPass::InParts;
        let (plan, route) = Plan::new(&regression, &rows, Some(&none))?;
        let Route::Direct { inferred, .. } = route else {
            return Err(Error::invalid_request(
                "only least squares has scores: neither penalties nor iterative solvers",
            ));
        };
        direct::scores(&plan, &inferred, Passes::new(&rows, &regression.execution, Some(&none))).map(Some)
    }

    /// Fits the model to the sums of [`Regression::of_state`]: no data are read.
    ///
    /// # Errors
    /// When the sums do not have what the model needs, and as [`Regression::fit_source`].
    pub fn fit_state(&self) -> Result<FitReport> {
        self.fit_source(&self.no_rows()?)
    }

    /// Checks that a source has the files of the state, unchanged.
    ///
    /// # Errors
    /// That names the first one that differs.
    pub fn check_rows_of_state(&self, source: &dyn Source) -> Result<()> {
        match self.state() {
            Some(state) => state.check_files(source),
            None => Err(Error::invalid_request("the regression starts from no state")),
        }
    }

    /// A source for [`Regression::fit_targets`] and [`Regression::fit_groups`] that has the columns of the state and no rows: the
    /// sums are there already.
    ///
    /// # Errors
    /// When the regression does not start from a state.
    pub fn no_rows(&self) -> Result<impl Source + 'static> {
        let state =
            self.state().ok_or_else(|| Error::invalid_request("the regression starts from no state"))?;
        Ok(NoRows { schema: Arc::new(state.schema()) })
    }
}

/// The folds of a state of these columns.
///
/// # Errors
/// When the row's number decides: it depends on the order of files, and states have none.
fn folds_of(cv: &CrossValidation, schema: &Schema) -> Result<StateFolds> {
    let Some(key) = &cv.group else {
        let message = "a state or a checkpoint adds files up in any order, and the numbers of rows, which decide about folds, depend on \
                       it: name a column whose values decide (--cv-group, or `CrossValidation::group`)";
        return Err(Error::invalid_request(message));
    };
    let at = streamreg_reader::position(schema, key)?;
    let key =
        ModelColumn { name: key.clone(), kind: ColumnKind::of(schema.field(at).data_type()), zone: None };
    Ok(StateFolds::new(cv, key))
}

/// The columns of a state; its rows are gone.
struct NoRows {
    schema: SchemaRef,
}

impl Source for NoRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, _: &ScanRequest) -> streamreg_reader::Result<Box<dyn Scan + '_>> {
        let message = "a state has no rows, and this needs them";
        let error = streamreg_reader::Error::new(streamreg_reader::ErrorKind::Unsupported, message);
        Err(error.with_help("--data FILES gives the files of the state"))
    }

    fn inputs(&self) -> Vec<InputFile> {
        Vec::new()
    }

    fn reopens(&self) -> bool {
        false
    }
}
