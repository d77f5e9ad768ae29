//! Two fits side by side: how far coefficients moved, and whether one set of them serves the rows of both.
//!
//! The rows of the two are taken for independent. Then the variance of a difference of coefficients is the sum of their variances,
//!
//! ```text
//! z = (b_new - b_old) / sqrt(se_new² + se_old²)
//! ```
//!
//! which is compared with the normal distribution. Of two states of one model there is more to know: their sums add up to those of
//! all rows, and with the residual sum of squares of the fit to them
//!
//! ```text
//! F = ((RSS_all - RSS_old - RSS_new) / k) / ((RSS_old + RSS_new) / d)
//! ```
//!
//! has the F distribution with k and d degrees of freedom if both have the same coefficients and the same variance. d is the sum of
//! the residual degrees of freedom of the two, and k what those of all rows exceed it by: the number of coefficients, where no
//! column is dependent in one and not in the other. (G. C. Chow, Tests of equality between sets of coefficients in two linear
//! regressions, Econometrica 28, 1960, 591-605.)

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use streamreg_core::WeightType;
use streamreg_solve::distributions::{f_upper, student_t_two_sided};
use streamreg_solve::{Glance, TermEstimate};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::report::{FitReport, InputRecord};
use crate::request::regression::Regression;
use crate::state::State;

/// Version of the JSON form of [`Comparison`]. Fields may be added within a version, never change.
pub const COMPARISON_SCHEMA_VERSION: u32 = 1;

/// Two fits side by side. Its `Display` form is a table, its `Serialize` form JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The fit that the other is compared with.
    pub old: ComparedFit,
    /// The other one.
    pub new: ComparedFit,
    /// The coefficients: those of the old fit in its order, then those that only the new one has.
    pub terms: Vec<TermShift>,
    /// Whether one set of coefficients serves both.
    pub chow: Option<ChowTest>,
    /// What the reader should know, such as why there is no test.
    pub notes: Vec<String>,
}

/// A fit, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparedFit {
    /// The file.
    pub path: String,
    /// `model` or `state`.
    pub kind: &'static str,
    /// What is explained.
    pub response: String,
    /// Observations.
    pub nobs: u128,
    /// R².
    pub r_squared: Option<f64>,
    /// Residual standard error.
    pub sigma: Option<f64>,
}

/// A coefficient in both fits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TermShift {
    /// Name of the term.
    pub term: String,
    /// Which fit has it: `both`, `old` or `new`.
    pub of: &'static str,
    /// The coefficient in the old fit.
    pub old: Option<f64>,
    /// The coefficient in the new fit.
    pub new: Option<f64>,
    /// New minus old.
    pub difference: Option<f64>,
    /// Standard error of the difference.
    pub std_error: Option<f64>,
    /// The difference in standard errors.
    pub statistic: Option<f64>,
    /// Two-sided p-value under the normal distribution.
    pub p_value: Option<f64>,
}

/// The test of Chow (1960).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChowTest {
    /// F.
    pub statistic: f64,
    /// Degrees of freedom of the numerator.
    pub df: u128,
    /// Degrees of freedom of the denominator.
    pub df_residual: u128,
    /// The probability of an F as large, if both have the same coefficients.
    pub p_value: f64,
}

/// Compares two files, each a model or a state of one target and without groups.
///
/// # Errors
/// When a file cannot be read, is neither a model nor a state, or has more than one fit.
pub fn compare_files(old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<Comparison> {
    let sides = [Side::load(old.as_ref())?, Side::load(new.as_ref())?];
    let mut notes: Vec<String> = sides.iter().filter_map(Side::without_errors).collect();
    let [old, new] = &sides;
    if old.fit.response != new.fit.response {
        notes.push(format!(
            "the fits explain different columns, {:?} and {:?}",
            old.fit.response, new.fit.response
        ));
    }
    if let Some(file) = old.inputs.iter().find(|input| new.inputs.contains(input)) {
        notes.push(format!(
            "both models have the rows of {}: the standard errors are for independent rows",
            file.path
        ));
    }
    let terms = shifts(&old.coefficients, &new.coefficients);
    let (chow, why) = match (&old.state, &new.state) {
        (Some(a), Some(b)) => match chow(a, b, [&old.glance, &new.glance]) {
            Ok(test) => (Some(test), None),
            Err(why) => (None, Some(why)),
        },
        _ => (None, Some("it takes two states".to_owned())),
    };
    notes.extend(why.map(|why| format!("no Chow test: {why}")));
    let [old, new] = sides.map(|side| side.fit);
    Ok(Comparison { schema_version: COMPARISON_SCHEMA_VERSION, old, new, terms, chow, notes })
}

impl Comparison {
    /// The coefficient that moved furthest, among those that moved by more than `most` standard errors of the difference.
    pub fn moved_beyond(&self, most: f64) -> Option<&TermShift> {
        let size = |shift: &TermShift| shift.statistic.map_or(0.0, f64::abs);
        let beyond = self.terms.iter().filter(|shift| size(shift) > most);
        beyond.max_by(|a, b| size(a).total_cmp(&size(b)))
    }

    /// Terms whose difference nothing can be said of in standard errors.
    pub fn unmeasured(&self) -> impl Iterator<Item = &TermShift> {
        self.terms.iter().filter(|shift| shift.statistic.is_none())
    }
}

/// A file, and the fit that it has.
struct Side {
    fit: ComparedFit,
    coefficients: Vec<TermEstimate>,
    glance: Glance,
    state: Option<Arc<State>>,
    /// The files of a model; a state knows its own.
    inputs: Vec<InputRecord>,
    /// Why there are no standard errors, of a model that has none.
    why: Option<String>,
}

impl Side {
    fn load(path: &Path) -> Result<Self> {
        if is_state(path) {
            let state = Arc::new(State::load(path)?);
            let report = report(&state).map_err(|e| e.in_file(path))?;
            let fit = in_short(path, "state", report.response, &report.glance);
            let (coefficients, glance) = (report.coefficients, report.glance);
            return Ok(Self { fit, coefficients, glance, state: Some(state), inputs: Vec::new(), why: None });
        }
        let model = Model::load(path)?;
        let fit = in_short(path, "model", model.response(), model.glance());
        let why = model.why_no_covariance().to_owned();
        let (coefficients, glance) = (model.coefficients().to_vec(), model.glance().clone());
        let inputs = model.inputs().to_vec();
        Ok(Self { fit, coefficients, glance, state: None, inputs, why: Some(why) })
    }

    /// That no coefficient has a standard error, and why.
    fn without_errors(&self) -> Option<String> {
        if self.coefficients.iter().any(|c| c.std_error.is_some()) {
            return None;
        }
        let why = self.why.as_deref().unwrap_or("the fit left no residual degrees of freedom");
        Some(format!("{} has no standard errors: {why}", self.fit.path))
    }
}

fn in_short(path: &Path, kind: &'static str, response: String, glance: &Glance) -> ComparedFit {
    let path = path.display().to_string();
    ComparedFit { path, kind, response, nobs: glance.nobs, r_squared: glance.r_squared, sigma: glance.sigma }
}

/// Whether a file is a state: these are Parquet, and models are JSON. One that cannot be read is told of by whoever loads it.
fn is_state(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && &magic == b"PAR1"
}

/// The fit of a state.
fn report(state: &Arc<State>) -> Result<FitReport> {
    if !state.spec().by.is_empty() {
        return Err(Error::invalid_request(
            "the state has many groups, and one fit is compared with another",
        ));
    }
    let regression = Regression::of_nothing().starting_from(Arc::clone(state));
    let mut fits = regression.fit_targets(&regression.no_rows()?)?;
    match (fits.len(), fits.pop()) {
        (1, Some(only)) => Ok(only),
        _ => {
            Err(Error::invalid_request("the state has several targets, and one fit is compared with another"))
        }
    }
}

/// The coefficients side by side.
fn shifts(old: &[TermEstimate], new: &[TermEstimate]) -> Vec<TermShift> {
    let named = |terms: &[TermEstimate], name: &str| terms.iter().find(|c| c.term == name).cloned();
    let of_old = old.iter().map(|c| shift(&c.term, Some(c), named(new, &c.term).as_ref()));
    let only_new = new.iter().filter(|c| named(old, &c.term).is_none());
    of_old.chain(only_new.map(|c| shift(&c.term, None, Some(c)))).collect()
}

fn shift(term: &str, old: Option<&TermEstimate>, new: Option<&TermEstimate>) -> TermShift {
    let [a, b] = [old, new].map(|c| c.and_then(|c| c.estimate));
    let [sa, sb] = [old, new].map(|c| c.and_then(|c| c.std_error));
    let difference = a.zip(b).map(|(a, b)| b - a);
    let std_error = sa.zip(sb).map(|(a, b)| a.hypot(b)).filter(|_| difference.is_some());
    let statistic = difference.zip(std_error).map(|(d, se)| d / se).filter(|z| !z.is_nan());
    TermShift {
        term: term.to_owned(),
        of: match (old, new) {
            (Some(_), Some(_)) => "both",
            (Some(_), None) => "old",
            _ => "new",
        },
        old: a,
        new: b,
        difference,
        std_error,
        statistic,
        p_value: statistic.map(|z| student_t_two_sided(z, f64::INFINITY)),
    }
}

/// The test, or why there is none.
fn chow(old: &Arc<State>, new: &Arc<State>, parts: [&Glance; 2]) -> std::result::Result<ChowTest, String> {
    if old.spec().weights.as_ref().is_some_and(|weights| weights.kind == WeightType::Probability) {
        return Err("probability weights do not tell the variance of the rows".to_owned());
    }
    // Other folds are no other model.
    let [a, b] = [old, new].map(|state| State::clone(state).without_folds());
    let all = a.and_then(|a| a.merge(b?)).map_err(|e| e.message().to_owned())?;
    let all = report(&Arc::new(all)).map_err(|e| e.message().to_owned())?.glance;
    let df_residual = parts[0].df_residual + parts[1].df_residual;
    let df = all.df_residual.saturating_sub(df_residual);
    if parts.iter().any(|part| part.df_residual == 0) || df == 0 {
        return Err("one of the states has too few rows for its coefficients".to_owned());
    }
    let own = parts[0].deviance + parts[1].deviance;
    let statistic = ((all.deviance - own) / df as f64) / (own / df_residual as f64);
    if !statistic.is_finite() {
        return Err("the fits leave no residuals to compare with".to_owned());
    }
    let p_value = f_upper(statistic, df as f64, df_residual as f64);
    Ok(ChowTest { statistic, df, df_residual, p_value })
}
