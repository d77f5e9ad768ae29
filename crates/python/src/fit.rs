//! Fits, and what is asked of them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use pyo3::prelude::*;
use streamreg::{
    EvaluateOptions, Execution, FitReport, Format, GroupFit, GroupSummary, InspectOptions, Interval, Model,
    Models, PredictOptions, PredictSummary, Progress, Regression, RenderOptions, Source, Unseen,
};
use streamreg_cli::{OptionValue, fit_of_options, fit_options};

use crate::data::{Data, Raised};
use crate::error::exception;
use crate::table::Table;
use crate::work::work;

/// Terms, and the rows of their covariance.
type Covariance = (Vec<String>, Vec<Vec<f64>>);

/// An option of the command line as Python gives it: its name, and nothing, a text, or several.
pub(crate) type Given = Vec<(String, Value)>;

#[derive(FromPyObject)]
pub(crate) enum Value {
    #[pyo3(transparent)]
    Switch(bool),
    #[pyo3(transparent)]
    Text(String),
    #[pyo3(transparent)]
    Several(Vec<String>),
}

/// The regression of options.
pub(crate) fn regression(py: Python<'_>, given: Given) -> PyResult<Regression> {
    let options = given.into_iter().filter_map(|(name, value)| match value {
        Value::Switch(on) => on.then_some((name, OptionValue::On)),
        Value::Text(text) => Some((name, OptionValue::Text(text))),
        Value::Several(texts) => Some((name, OptionValue::Several(texts))),
    });
    fit_of_options(&options.collect::<Vec<_>>()).map_err(|error| exception(py, &error))
}

/// A function of Python that is told how far the work has come. What it raises ends the work.
fn told(progress: Option<Py<PyAny>>, raised: &Raised) -> Option<streamreg::ProgressFn> {
    let (progress, raised) = (progress?, raised.clone());
    Some(Arc::new(move |done: Progress| {
        Python::attach(|py| {
            let told = (done.rows, done.total, done.pass, done.loss, done.done);
            if let Err(error) = progress.call1(py, told) {
                raised.stop_with(py, error);
            }
        });
    }))
}

/// Refuses options of a fit that are mistakes, or that rows in parts cannot have, before anything is read.
#[pyfunction]
pub(crate) fn check_parts(py: Python<'_>, given: Given) -> PyResult<()> {
    regression(py, given)?.check_parts().map_err(|error| exception(py, &error))
}

/// The options of a fit: their names, what they do, and for those that Python does not have where else it is.
#[pyfunction]
pub(crate) fn options() -> Vec<(String, String, Option<&'static str>)> {
    fit_options().into_iter().map(|option| (option.name, option.help, option.elsewhere)).collect()
}

/// A fitted regression.
#[pyclass(frozen, module = "streamreg._core")]
pub(crate) struct Fit {
    report: Option<FitReport>,
    models: Models,
}

impl Fit {
    pub(crate) fn of(report: FitReport) -> streamreg::Result<Self> {
        let models = report.model()?.into();
        Ok(Self { report: Some(report), models })
    }

    fn report(&self) -> PyResult<&FitReport> {
        self.report.as_ref().ok_or_else(|| {
            pyo3::exceptions::PyAttributeError::new_err(
                "a model that was loaded has coefficients and predictions, and no report",
            )
        })
    }

    fn model(&self) -> PyResult<&Model> {
        self.models
            .only()
            .ok_or_else(|| pyo3::exceptions::PyAttributeError::new_err("the file has many models"))
    }
}

/// Fits every target of a regression.
#[pyfunction]
#[pyo3(signature = (given, data, progress=None))]
pub(crate) fn fit(
    py: Python<'_>,
    given: Given,
    data: Data,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Fit>> {
    let (mut regression, raised) = (regression(py, given)?, Raised::default());
    if let Some(progress) = told(progress, &raised) {
        regression = regression.progress(progress);
    }
    let source = data.source(py, &regression, &raised)?;
    raised.or(work(py, &raised, |flag| {
        let reports = regression.interrupt(flag).fit_targets(source.as_ref())?;
        reports.into_iter().map(Fit::of).collect()
    }))
}

/// Predicts what a fit would read and take, as JSON.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, given: Given, files: Vec<PathBuf>) -> PyResult<String> {
    let regression = if given.is_empty() { None } else { Some(regression(py, given)?) };
    work(py, &Raised::default(), |_| {
        let options = InspectOptions::new();
        let options = match regression {
            Some(regression) => options.fit(regression),
            None => options,
        };
        streamreg::json(&streamreg::inspect(&files, &options)?)
    })
}

/// Reads a model file.
#[pyfunction]
pub(crate) fn load(py: Python<'_>, path: PathBuf) -> PyResult<Fit> {
    Ok(Fit { report: None, models: work(py, &Raised::default(), |_| Models::load(path))? })
}

/// What is asked of predictions.
#[derive(FromPyObject)]
pub(crate) struct Predicting {
    #[pyo3(item)]
    keep: Vec<String>,
    #[pyo3(item)]
    interval: Option<String>,
    #[pyo3(item)]
    level: Option<f64>,
    #[pyo3(item)]
    unseen: String,
    #[pyo3(item)]
    threads: Option<usize>,
}

impl Predicting {
    fn options(
        &self,
        default: f64,
        flag: Arc<std::sync::atomic::AtomicBool>,
    ) -> streamreg::Result<PredictOptions> {
        let mut execution = Execution::default().interrupt(flag);
        execution.threads = self.threads;
        let mut options =
            PredictOptions::new().keep(&self.keep).execution(execution).unseen(unseen(&self.unseen)?);
        if let Some(kind) = &self.interval {
            let kind: Interval = kind.parse().map_err(streamreg::Error::invalid_request)?;
            options = options.interval(kind, self.level.unwrap_or(default));
        }
        Ok(options)
    }

    /// What is to be said of predictions.
    fn notices(&self, summary: &PredictSummary) -> streamreg::Result<Vec<String>> {
        let warnings = summary.warnings.iter().map(|warning| warning.message.clone());
        Ok(warnings.chain(summary.notice(unseen(&self.unseen)?)).collect())
    }
}

/// What is done with levels that the model does not know.
fn unseen(asked: &str) -> streamreg::Result<Unseen> {
    asked.parse().map_err(streamreg::Error::invalid_request)
}

#[pymethods]
impl Fit {
    /// The report, as `--format json` has it.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        streamreg::json(self.report()?).map_err(|error| exception(py, &error))
    }

    /// The report in a form for people or programs.
    fn text(&self, py: Python<'_>, format: &str, width: Option<usize>) -> PyResult<String> {
        let format: Format = format.parse().map_err(pyo3::exceptions::PyValueError::new_err)?;
        let options = RenderOptions::new(format);
        let options = match width {
            Some(width) => options.width(width),
            None => options,
        };
        let report = self.report()?.clone();
        streamreg::render(&[report], &options).map_err(|error| exception(py, &error))
    }

    /// What stands below the table.
    fn notices(&self) -> PyResult<Vec<String>> {
        Ok(self.report()?.notices())
    }

    /// Terms and covariance of the estimated coefficients, if there is one.
    fn covariance(&self) -> PyResult<Option<Covariance>> {
        let report = self.report()?;
        Ok(report.covariance.as_ref().map(|covariance| {
            let names: Vec<String> =
                covariance.terms.iter().map(|&at| report.coefficients[at].term.clone()).collect();
            let row = |i: usize| (0..names.len()).map(|j| covariance.values[i * names.len() + j]).collect();
            let rows = (0..names.len()).map(row).collect();
            (names, rows)
        }))
    }

    /// Terms and estimates.
    fn coefficients(&self) -> PyResult<Vec<(String, Option<f64>)>> {
        Ok(self.model()?.coefficients().iter().map(|row| (row.term.clone(), row.estimate)).collect())
    }

    /// What predictions need, and the report, to be read again.
    fn saved(&self, py: Python<'_>) -> PyResult<(Vec<u8>, Option<String>)> {
        let model = self.model()?.to_json().map_err(|error| exception(py, &error))?;
        let report = self.report.as_ref().map(streamreg::json).transpose();
        Ok((model, report.map_err(|error| exception(py, &error))?))
    }

    /// Reads what [`Fit::saved`] gives; it has no covariance.
    #[staticmethod]
    fn restore(py: Python<'_>, model: &[u8], report: Option<&str>) -> PyResult<Self> {
        let models = Model::from_json(model).map_err(|error| exception(py, &error))?.into();
        let report = report.map(serde_json::from_str).transpose();
        let report = report.map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
        Ok(Self { report, models })
    }

    /// What is explained.
    fn response(&self) -> PyResult<String> {
        Ok(self.model()?.response())
    }

    /// The columns that predictions need.
    fn features(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.model()?.features().map_err(|error| exception(py, &error))
    }

    /// Writes the model file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let model = self.model()?;
        work(py, &Raised::default(), |_| model.save(path))
    }

    /// Predictions in memory, and what is to be said of them.
    fn predict(&self, py: Python<'_>, data: Data, asked: Predicting) -> PyResult<(Table, Vec<String>)> {
        let raised = Raised::default();
        let source = data.source(py, &Regression::new("y"), &raised)?;
        raised.refuse_copies(py, &asked.keep)?;
        let (rows, notices) = raised.or(work(py, &raised, |flag| {
            let options = asked.options(self.models.conf_level(), flag)?;
            let (rows, mut summary) = self.models.predict_source(source.as_ref(), &options)?;
            // Rows without an input are there to be seen, beside what they lack.
            summary.nulls = summary.inestimable + summary.unknown_groups;
            Ok((rows, asked.notices(&summary)?))
        }))?;
        Ok((Table::new(rows[0].schema(), rows), notices))
    }

    /// Predictions to a file: the number of rows, and what is to be said of them.
    fn predict_files(
        &self,
        py: Python<'_>,
        files: Vec<PathBuf>,
        out: PathBuf,
        asked: Predicting,
    ) -> PyResult<(u64, Vec<String>)> {
        work(py, &Raised::default(), |flag| {
            let options = asked.options(self.models.conf_level(), flag)?;
            let summary = self.models.predict_paths(&files, out, &options)?;
            Ok((summary.rows, asked.notices(&summary)?))
        })
    }
}

/// How well a model predicts, as JSON: an object a target.
#[pyfunction]
pub(crate) fn evaluate(
    py: Python<'_>,
    fit: &Fit,
    data: Data,
    by: Vec<String>,
    unknown: &str,
) -> PyResult<String> {
    let raised = Raised::default();
    let source = data.source(py, &Regression::new("y"), &raised)?;
    raised.or(work(py, &raised, |flag| {
        let execution = Execution::default().interrupt(flag);
        let options = EvaluateOptions::new().by(by).execution(execution).unseen(unseen(unknown)?);
        streamreg::json(&fit.models.evaluate_source(source.as_ref(), &options)?)
    }))
}

/// The lines of the groups.
#[derive(Default)]
struct Lines {
    keys: Vec<Vec<String>>,
    text: [Vec<String>; 3],
    rows: Vec<i64>,
    numbers: [Vec<Option<f64>>; 6],
}

impl Lines {
    fn add(&mut self, fit: &GroupFit) {
        let status = fit.status();
        let mut line = |term: &str, numbers: [Option<f64>; 6]| {
            self.keys.resize_with(fit.levels.len(), Vec::new);
            self.keys.iter_mut().zip(&fit.levels).for_each(|(keys, level)| keys.push(level.to_string()));
            let texts = [fit.response.clone(), term.to_owned(), status.clone()];
            self.text.iter_mut().zip(texts).for_each(|(all, text)| all.push(text));
            self.rows.push(fit.rows as i64);
            self.numbers.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number));
        };
        match &fit.result {
            Ok(own) => own.coefficients.iter().for_each(|row| {
                let numbers =
                    [row.estimate, row.std_error, row.statistic, row.p_value, row.conf_low, row.conf_high];
                line(&row.term, numbers);
            }),
            Err(_) => line("", [None; 6]),
        }
    }

    fn table(self, by: Vec<String>) -> PyResult<Table> {
        let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let [response, term, status] = self.text;
        let mut columns: Vec<(String, ArrayRef)> =
            by.into_iter().zip(self.keys.into_iter().map(text)).collect();
        columns.push(("response".to_owned(), text(response)));
        columns.push(("term".to_owned(), text(term)));
        let names = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"];
        for (name, numbers) in names.into_iter().zip(self.numbers) {
            columns.push((name.to_owned(), Arc::new(Float64Array::from(numbers))));
        }
        columns.push(("rows".to_owned(), Arc::new(Int64Array::from(self.rows))));
        columns.push(("status".to_owned(), text(status)));
        Table::of(columns)
    }
}

/// Fits every group of rows: a line a coefficient, and what is to be said of all.
#[pyfunction]
#[pyo3(signature = (given, data, by, progress=None))]
pub(crate) fn groups(
    py: Python<'_>,
    given: Given,
    data: Data,
    by: Vec<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Table, Vec<String>)> {
    let (mut regression, raised) = (regression(py, given)?.by(by.clone()), Raised::default());
    if let Some(progress) = told(progress, &raised) {
        regression = regression.progress(progress);
    }
    let source = data.source(py, &regression, &raised)?;
    let done = work(py, &raised, |flag| lines_of(&regression.interrupt(flag), source.as_ref()));
    told_of(raised.or(done)?, by)
}

/// The groups of a state: a line a coefficient, and what is to be said of all.
pub(crate) fn groups_of(
    py: Python<'_>,
    regression: Regression,
    by: Vec<String>,
) -> PyResult<(Table, Vec<String>)> {
    let done = work(py, &Raised::default(), |flag| {
        let regression = regression.interrupt(flag);
        lines_of(&regression, &regression.no_rows()?)
    });
    told_of(done?, by)
}

fn lines_of(regression: &Regression, source: &dyn Source) -> streamreg::Result<(Lines, GroupSummary)> {
    let mut lines = Lines::default();
    let summary = regression.fit_groups(source, |fit| {
        lines.add(&fit);
        Ok(())
    })?;
    Ok((lines, summary))
}

fn told_of((lines, summary): (Lines, GroupSummary), by: Vec<String>) -> PyResult<(Table, Vec<String>)> {
    // Rows that a filter left out are nobody's surprise.
    let notices = match summary.ledger.dropped.is_empty() {
        true => summary.warnings.into_iter().map(|warning| warning.message).collect(),
        false => summary.notices(),
    };
    Ok((lines.table(by)?, notices))
}
