//! Joint tests of all coefficients of a term, which are asked for by its name: `C(month)`.
//!
//! The test is that of the type III table of an analysis of variance with the coding of the fit: the other columns stay as they
//! are. Where every coefficient has a column it is Wald's, by the covariance of the fit. Where a category was eliminated there
//! are no columns for its levels; for independent errors of one variance the same F follows from the residual sum of squares of
//! the fit without the term, from the same sums.

use streamreg_core::{Group, INTERCEPT, Layout, ModelSpec};
use streamreg_reader::suggestion;
use streamreg_solve::{Fit, Restriction, SolveOptions, WaldTest, Warning};

use super::attempt::attempts_for;
use super::hypothesis;
use crate::error::{Error, Result};
use crate::request::named_term::term_of;

/// A test as it was asked for, and what it comes to.
pub(super) struct Test {
    pub(super) text: String,
    pub(super) asked: Asked,
}

/// What is tested.
pub(super) enum Asked {
    /// All coefficients of the term at this position.
    Term(usize),
    Restrictions(Vec<Restriction>),
}

/// The tests, where the coefficients of the model have these names.
pub(super) fn parse(texts: &[String], spec: &ModelSpec, names: &[String]) -> Result<Vec<Test>> {
    let test = |text: &String| {
        let asked = match term_of(text, spec) {
            Some(term) => Asked::Term(term),
            None if is_intercept(text) && spec.intercept => {
                Asked::Restrictions(hypothesis::parse(&format!("{INTERCEPT} = 0"), names)?)
            }
            None if !text.contains('=') && !text.trim().is_empty() => return Err(no_term(text, spec)),
            None => Asked::Restrictions(hypothesis::parse(text, names)?),
        };
        Ok(Test { text: text.clone(), asked })
    };
    texts.iter().map(test).collect()
}

fn is_intercept(text: &str) -> bool {
    [INTERCEPT, "Intercept"].contains(&text.trim())
}

fn no_term(text: &str, spec: &ModelSpec) -> Error {
    let terms: Vec<String> = spec.terms.iter().map(ToString::to_string).collect();
    let meant = suggestion(text.trim(), terms.iter().map(String::as_str), "terms");
    Error::invalid_request(format!(
        "the test {text:?} is neither a term of the model ({meant}) nor a restriction such as 'x1 = x2': there is no `=`"
    ))
}

/// That all coefficients of a term are 0 which have an estimate: those at `estimated`, the constant the first of them if there is one.
pub(super) fn restrictions(
    text: &str,
    layout: &Layout,
    term: usize,
    intercept: bool,
    estimated: &[usize],
) -> Result<Vec<Restriction>> {
    let positions = layout.columns_of_term(term).into_iter().map(|column| column + usize::from(intercept));
    let zero = |t: usize| Restriction { coefficients: vec![(t, 1.0)], value: 0.0 };
    let own: Vec<Restriction> = positions.filter(|t| estimated.contains(t)).map(zero).collect();
    if own.is_empty() { Err(nothing(text)) } else { Ok(own) }
}

fn nothing(text: &str) -> Error {
    let message = format!("the test {text:?}: the term has no coefficient that was estimated");
    Error::data(message)
}

/// Adds the tests of terms to the fits of all responses, where a category was eliminated.
pub(super) fn by_squares(
    texts: &[String],
    layout: &Layout,
    options: &SolveOptions,
    beyond: bool,
    (group, spec): (&Group<'_>, &ModelSpec),
    fits: &mut [&mut Fit],
) -> Result<()> {
    for text in texts {
        let term = term_of(text, spec).ok_or_else(|| no_term(text, spec))?;
        let restricted = attempts_for(options, &layout.without_term(term), (beyond, 1), group, spec)?;
        for (fit, restricted) in fits.iter_mut().zip(&restricted) {
            let squares = |fit: &Fit| (fit.glance.deviance, fit.glance.df_residual);
            let (free, restricted) = (squares(fit), squares(&restricted.fit));
            if free.1 == 0 {
                let message = format!("the test {text:?}: the fit leaves no residual degrees of freedom");
                return Err(Error::data(message));
            }
            if restricted.1 <= free.1 {
                return Err(nothing(text));
            }
            let test = WaldTest::of_squares(text, free, restricted);
            if test.statistic.is_none() {
                let message = format!("the residuals are all 0: there is no F for {text:?}");
                fit.warnings.push(Warning::new("no_test", message));
            }
            fit.tests.push(test);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_term_is_called_is_told() {
        let spec = ModelSpec::of_columns("y", ["x", "a b"]);
        let message = no_term("z", &spec).to_string();
        assert!(message.contains("neither a term") && message.contains("`a b`"), "{message}");
    }
}
