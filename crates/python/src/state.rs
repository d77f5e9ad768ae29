//! Sums that outlive the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use streamreg::{Execution, Regression};

use crate::data::{Data, Raised};
use crate::fit::{Fit, Given, groups_of, regression};
use crate::table::Table;
use crate::work::work;

/// The sums of a model over some rows.
#[pyclass(frozen, module = "streamreg._core")]
pub(crate) struct State(streamreg::State);

#[pymethods]
impl State {
    /// Sums rows; about the numbers of `like`, if that is given, and for its model where options name none.
    #[staticmethod]
    #[pyo3(signature = (given, data, like=None))]
    fn sum(py: Python<'_>, given: Given, data: Data, like: Option<&Self>) -> PyResult<Self> {
        let (like, raised) = (like.map(|like| &like.0), Raised::default());
        let own = like.filter(|_| given.is_empty());
        let regression = match own {
            Some(like) => Regression::of_state(like.clone()),
            None => regression(py, given)?,
        };
        let source = data.part(py, &regression, &raised)?;
        raised.or(work(py, &raised, |flag| {
            Ok(Self(match own {
                Some(like) => like.sum(source.as_ref(), &Execution::default().interrupt(flag))?,
                None => regression.interrupt(flag).sum_source(source.as_ref(), like)?,
            }))
        }))
    }

    /// Both together.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        work(py, &Raised::default(), |_| Ok(Self(self.0.clone().merge(other.0.clone())?)))
    }

    /// Without the rows of another one.
    fn subtract(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        work(py, &Raised::default(), |_| Ok(Self(self.0.clone().subtract(other.0.clone())?)))
    }

    /// The state file.
    fn to_bytes(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        work(py, &Raised::default(), |_| self.0.to_bytes())
    }

    /// Reads a state file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let bytes = bytes.to_vec();
        work(py, &Raised::default(), |_| Ok(Self(streamreg::State::from_bytes(bytes)?)))
    }

    /// Rows that were used.
    #[getter]
    fn rows(&self) -> u64 {
        self.0.ledger().rows_used
    }

    /// Fits every group of the sums: a line a coefficient, and what is to be said of all.
    fn groups(&self, py: Python<'_>) -> PyResult<(Table, Vec<String>)> {
        let by = self.0.spec().by.clone();
        groups_of(py, Regression::of_state(self.0.clone()), by)
    }

    /// Whether the sums are those of groups.
    #[getter]
    fn has_groups(&self) -> bool {
        !self.0.spec().by.is_empty()
    }

    /// Fits every target to the sums; with the scores of all rows for robust standard errors.
    #[pyo3(signature = (given, scores=None))]
    fn fit(&self, py: Python<'_>, given: Given, scores: Option<&Scores>) -> PyResult<Vec<Fit>> {
        let regression = self.asked(py, given)?;
        work(py, &Raised::default(), |_| {
            let regression = match scores {
                Some(scores) => regression.with_scores(scores.copy()),
                None => regression,
            };
            let reports = regression.fit_targets(&regression.no_rows()?)?;
            reports.into_iter().map(Fit::of).collect()
        })
    }

    /// The scores of no rows that the standard errors of a fit need; none where they need none.
    fn scores(&self, py: Python<'_>, given: Given) -> PyResult<Option<Scores>> {
        let regression = self.asked(py, given)?;
        work(py, &Raised::default(), |_| Ok(regression.scores()?.map(Scores::of)))
    }
}

impl State {
    /// The regression of options that starts from these sums.
    fn asked(&self, py: Python<'_>, given: Given) -> PyResult<Regression> {
        let state = self.0.clone();
        Ok(match given.is_empty() {
            true => Regression::of_state(state),
            false => regression(py, given)?.starting_from(state.into()),
        })
    }
}

/// The scores of some rows for the fits of a state.
#[pyclass(frozen, module = "streamreg._core")]
pub(crate) struct Scores(Mutex<streamreg::Scores>);

impl Scores {
    fn of(scores: streamreg::Scores) -> Self {
        Self(Mutex::new(scores))
    }

    fn held(&self) -> MutexGuard<'_, streamreg::Scores> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy, for work that others must not wait for.
    fn copy(&self) -> streamreg::Scores {
        self.held().clone()
    }
}

#[pymethods]
impl Scores {
    /// The scores of some rows, for the same fits; `given` says how files are read.
    #[pyo3(signature = (data, given, threads=None))]
    fn sum(&self, py: Python<'_>, data: Data, given: Given, threads: Option<usize>) -> PyResult<Self> {
        let raised = Raised::default();
        let reading = if given.is_empty() { Regression::new("y") } else { regression(py, given)? };
        let source = data.part(py, &reading, &raised)?;
        let own = self.held().none();
        raised.or(work(py, &raised, |flag| {
            let mut execution = Execution::default().interrupt(flag);
            execution.threads = threads;
            Ok(Self::of(own.sum(source.as_ref(), &execution)?))
        }))
    }

    /// Takes in those of other rows.
    fn add(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        let other = other.copy();
        work(py, &Raised::default(), |_| self.held().add(other))
    }

    /// The scores as bytes, with the fits that they are of.
    fn to_bytes(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        work(py, &Raised::default(), |_| self.held().to_bytes())
    }

    /// Reads them.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let bytes = bytes.to_vec();
        work(py, &Raised::default(), |_| Ok(Self::of(streamreg::Scores::from_bytes(bytes)?)))
    }

    /// Rows that were used.
    #[getter]
    fn rows(&self) -> u64 {
        self.held().rows_used()
    }
}
