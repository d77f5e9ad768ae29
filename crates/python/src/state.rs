//! Sums that outlive the process.

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

    /// Fits every group of the sums: a line a coefficient.
    fn groups(&self, py: Python<'_>) -> PyResult<Table> {
        let by = self.0.spec().by.clone();
        groups_of(py, Regression::of_state(self.0.clone()), by)
    }

    /// Whether the sums are those of groups.
    #[getter]
    fn has_groups(&self) -> bool {
        !self.0.spec().by.is_empty()
    }

    /// Fits every target to the sums.
    fn fit(&self, py: Python<'_>, given: Given) -> PyResult<Vec<Fit>> {
        let own = given.is_empty();
        let asked = if own { None } else { Some(regression(py, given)?) };
        work(py, &Raised::default(), |_| {
            let state = self.0.clone();
            let regression = match asked {
                None => Regression::of_state(state),
                Some(asked) => asked.starting_from(state.into()),
            };
            let reports = regression.fit_targets(&regression.no_rows()?)?;
            reports.into_iter().map(Fit::of).collect()
        })
    }
}
