//! Regressions that start from the sums of a state.

use std::sync::Arc;

use arrow_schema::Schema;
use streamreg_core::{Factor, LeftOut, ModelSpec, Term};
use streamreg_reader::InputFile;
use streamreg_solve::Vcov;

use super::inference::SecondPass;
use super::penalty::CrossValidation;
use super::regression::{Given, Regression, Said};
use crate::error::{Error, Result};
use crate::report::InputRecord;
use crate::state::{Scores, State};

impl Regression {
    /// A regression that starts from the sums of a state, and is of its model.
    pub fn of_state(state: State) -> Self {
        Self::of_nothing().starting_from(Arc::new(state))
    }

    /// Starts from the sums of a state, in place of files. The model is that of the state, unless a formula, targets or features
    /// are named: then these, with the state's weights, groups and treatment of missing values. A formula says whether there is a
    /// constant; else there is one if the state's model has it.
    #[must_use]
    pub fn starting_from(mut self, state: Arc<State>) -> Self {
        let asked = self.base.intercept;
        self.precision = state.precision();
        self.base = state.spec().clone();
        self.base.responses.clear();
        self.base.terms.clear();
        self.base.intercept = asked && (self.formula.is_some() || state.spec().intercept);
        self.selection = state.selection().clone();
        self.given = Some(Given { state, rows: false });
        self
    }

    /// Forgets the formula, targets and features that were named: the model is that of the state.
    #[must_use]
    pub fn of_its_model(mut self) -> Self {
        (self.formula, self.features) = (None, None);
        self.responses.clear();
        self.exclude.clear();
        self.base.intercept = self.state().is_none_or(|state| state.spec().intercept);
        self.said.retain(|said| {
            !matches!(said, Said::Exclude | Said::Precision | Said::MaxLevels | Said::Contrasts)
        });
        self
    }

    /// Says that the files of the state are at hand for what needs their rows: the source that the fit is given has them.
    #[must_use]
    pub fn with_rows_of_state(mut self) -> Self {
        self.given.iter_mut().for_each(|given| given.rows = true);
        self.inference.second_pass = SecondPass::Again;
        self
    }

    /// Refuses, before anything is read, standard errors that rows in parts cannot have.
    ///
    /// # Errors
    /// For those of lagged rows: parts have no order; for any but the usual ones of groups.
    pub fn check_parts(&self) -> Result<()> {
        if !self.base.by.is_empty() && self.inference.is_asked() {
            let message = "robust covariances and joint tests are not there for groups: fit each by itself, with a filter";
            return Err(Error::invalid_request(message));
        }
        match self.inference.vcov {
            Some(vcov @ Vcov::Hac(_)) => SecondPass::InParts.check(vcov, true),
            _ => Ok(()),
        }
    }

    /// Whether standard errors need the rows of the state, for data of the given schema.
    ///
    /// # Errors
    /// As [`Regression::spec`], and for standard errors that there are not.
    pub fn needs_rows(&self, schema: &Schema) -> Result<bool> {
        let (spec, _) = self.spec(schema)?;
        Ok(self.inference.clone().anywhere().resolve(&spec, true)?.vcov != Vcov::Iid)
    }

    /// Takes the scores of the rows of the state, summed in parts, for robust standard errors: those of [`Regression::scores`]
    /// with all rows.
    #[must_use]
    pub fn with_scores(mut self, scores: Scores) -> Self {
        self.inference.second_pass = SecondPass::Done(Arc::new(scores));
        self
    }

    /// The same with the folds of the state, where it starts from one and is cross-validated.
    ///
    /// # Errors
    /// When the state does not have the folds that are asked for.
    pub(crate) fn with_folds_of_state(mut self) -> Result<Self> {
        let Some(state) = self.given.as_ref().map(|given| Arc::clone(&given.state)) else { return Ok(self) };
        let of_penalty = self.penalization.as_mut().and_then(|penalization| penalization.cv.as_mut());
        for cv in of_penalty.into_iter().chain(self.cross_validation.as_mut()) {
            state.complete_cross_validation(cv)?;
        }
        Ok(self)
    }

    /// The cross-validation that was asked for, of a penalty or of least squares.
    pub(crate) fn asked_folds(&self) -> Option<&CrossValidation> {
        let of_penalty = self.penalization.as_ref().and_then(|penalization| penalization.cv.as_ref());
        of_penalty.or(self.cross_validation.as_ref())
    }

    /// The state that this regression starts from.
    pub(crate) fn state(&self) -> Option<&State> {
        self.given.as_ref().map(|given| given.state.as_ref())
    }

    /// The files that were read: those of a state, if the fit starts from one.
    pub(crate) fn input_records(&self, read: Vec<InputFile>) -> Vec<InputRecord> {
        match self.state() {
            Some(state) => state.inputs().iter().map(InputRecord::from).collect(),
            None => read.into_iter().map(InputRecord::from).collect(),
        }
    }

    /// The model that is named, or else that of the state; `base` has the rest of it.
    pub(super) fn spec_of_state(
        &self,
        state: &State,
        mut base: ModelSpec,
        schema: &Schema,
    ) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let of_state = state.spec();
        if base.clusters != of_state.clusters {
            return Err(Error::invalid_request(format!(
                "the clusters {} are not those of the state: a state made with --cluster keeps their columns, and leaves out rows \
                 without a value in them",
                base.clusters.join(", ")
            )));
        }
        let named = self.formula.is_some() || self.features.is_some();
        if self.formula.is_none() && base.responses.is_empty() {
            base.responses.clone_from(&of_state.responses);
        }
        let (mut spec, left_out) = if named {
            self.spec_of(base, schema)?
        } else {
            base.terms = self.terms_of_state(of_state, &base.responses, schema)?;
            (base, Vec::new())
        };
        if spec.terms != of_state.terms {
            // What the state says of other columns has no place here.
            let columns: Vec<&str> = spec.terms.iter().flat_map(Term::columns).collect();
            spec.references.retain(|(column, _)| columns.contains(&column.as_str()));
            spec.categorical.retain(|column| columns.contains(&column.as_str()));
        }
        Ok((spec, left_out))
    }

    /// The terms of a state's model, without those of excluded columns and of the responses.
    fn terms_of_state(
        &self,
        of_state: &ModelSpec,
        responses: &[Factor],
        schema: &Schema,
    ) -> Result<Vec<Term>> {
        let excluded = self.excluded(schema)?;
        if *responses == of_state.responses && excluded.is_empty() {
            return Ok(of_state.terms.clone());
        }
        let responses: Vec<&str> = responses.iter().flat_map(Factor::columns).collect();
        let out = |column: &&str| responses.contains(column) || excluded.iter().any(|other| other == column);
        let stays = |term: &&Term| !term.columns().iter().any(out);
        Ok(of_state.terms.iter().filter(stays).cloned().collect())
    }
}
