//! Standard errors that need the data a second time, and joint tests: what was asked for, and the pass.

use std::sync::Arc;

use streamreg_core::iterative::Loss;
use streamreg_core::{ModelSpec, WeightType};
use streamreg_solve::{SmallSample, Vcov, loss_has_vcov};

use crate::error::{Error, Result};
use crate::request::named_term::term_of;
use crate::state::Scores;

/// Most lags: every row is combined with so many before it.
const MAX_LAGS: usize = 10_000;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inference {
    pub(crate) vcov: Option<Vcov>,
    pub(crate) clusters: Vec<String>,
    pub(crate) small_sample: SmallSample,
    pub(crate) tests: Vec<String>,
    pub(crate) complete: bool,
    pub(crate) second_pass: SecondPass,
}

/// Where the second pass takes place.
#[derive(Clone, Debug, Default)]
pub(crate) enum SecondPass {
    /// Over the rows of the fit.
    #[default]
    Here,
    /// Later: sums are all that is made of the rows.
    Later,
    /// Over rows that are given beside sums.
    Again,
    /// In parts, wherever the rows are: it is only planned.
    InParts,
    /// It has, and this is what it came to.
    Done(Arc<Scores>),
}

/// What it comes to for a model.
pub(crate) struct Inferred<'a> {
    pub(crate) asked: &'a Inference,
    pub(crate) vcov: Vcov,
    pub(crate) frequency: bool,
}

impl SecondPass {
    /// Whether its rows may be others than those of the first pass.
    pub(crate) fn is_apart(&self) -> bool {
        !matches!(self, Self::Here)
    }

    /// Whether it has the scores that a covariance needs.
    pub(super) fn check(&self, vcov: Vcov, reopens: bool) -> Result<()> {
        let message = match (self, vcov) {
            (Self::Later, _) | (Self::Here | Self::Again, Vcov::Iid) => return Ok(()),
            (Self::Here | Self::Again, _) if reopens => return Ok(()),
            (Self::Here | Self::Again, _) => format!(
                "the covariance {vcov} reads the data twice, and these cannot be read again: fit files, or another source \
                 that can (of a state: --data FILES, or `Regression::with_scores`)"
            ),
            (_, Vcov::Iid) => "scores would have no effect: the covariance iid needs none".to_owned(),
            (_, Vcov::Hac(_)) => {
                "hac needs the rows in the order of time, in one piece: parts of them have no order"
                    .to_owned()
            }
            _ => return Ok(()),
        };
        Err(Error::invalid_request(message))
    }
}

impl Inference {
    /// The same, wherever the second pass takes place.
    pub(super) fn anywhere(mut self) -> Self {
        self.second_pass = SecondPass::Here;
        self
    }

    /// What it comes to; `reopens` says whether the data can be read again.
    pub(crate) fn resolve(&self, spec: &ModelSpec, reopens: bool) -> Result<Inferred<'_>> {
        let wrong = |message: &str| Err(Error::invalid_request(message));
        let kind = spec.weights.as_ref().map(|w| w.kind);
        let probability = kind == Some(WeightType::Probability);
        let default = match (self.clusters.is_empty(), probability) {
            (false, _) => Vcov::Cr1,
            (true, true) => Vcov::Hc1,
            (true, false) => Vcov::Iid,
        };
        let vcov = self.vcov.unwrap_or(default);
        let frequency = kind == Some(WeightType::Frequency);
        match (vcov, self.clusters.as_slice()) {
            (_, [_, _, _, ..]) => return wrong("at most two columns of clusters are possible"),
            (_, [a, b]) if a == b => return wrong("both columns of clusters are the same"),
            (Vcov::Cr3, [_, _]) => {
                return wrong("cr3 takes one column of clusters; with two, take cr1 or cr0");
            }
            (vcov, []) if vcov.is_clustered() => {
                return wrong(&format!("the covariance {vcov} needs clusters: name their column"));
            }
            (vcov, [_, ..]) if !vcov.is_clustered() => {
                return wrong(&format!("with clusters the covariance is cr0, cr1 or cr3, not {vcov}"));
            }
            (Vcov::Iid, _) if probability => {
                return wrong(
                    "probability weights have no iid covariance; hc1 is the default, hc0 to hc3 and clusters are possible",
                );
            }
            (Vcov::Hac(_), _) if frequency => {
                return wrong(
                    "hac needs rows in the order of time, and frequency weights stand for several rows each",
                );
            }
            (Vcov::Hac(lags), _) if lags > MAX_LAGS => {
                return wrong(&format!("hac takes at most {MAX_LAGS} lags, not {lags}"));
            }
            (vcov, clusters) if !self.small_sample.suits(vcov, clusters.len()) => {
                return wrong(&format!(
                    "the small-sample choices are not for {vcov}: none is for hac, cr1 and cr3, each for two columns of \
                     clusters, nested for cr1, jackknife-mean for cr3; each and nested are factors, so none excludes them"
                ));
            }
            (Vcov::Iid, _) if self.small_sample != SmallSample::default() => {
                return wrong("small-sample choices are for robust covariances, and this one is iid");
            }
            _ => {}
        }
        self.second_pass.check(vcov, reopens)?;
        Ok(Inferred { asked: self, vcov, frequency })
    }

    /// Refuses what a loss other than squares has no standard errors for.
    pub(crate) fn check_loss(&self, loss: Loss, penalized: bool, spec: &ModelSpec) -> Result<()> {
        let wrong = |message: &str| Err(Error::invalid_request(message));
        if !self.is_asked() {
            return Ok(());
        }
        if penalized {
            return wrong("penalised estimates have no standard errors: neither covariances nor tests");
        }
        if !self.tests.is_empty() {
            return wrong("joint tests are for least squares, and not for other losses");
        }
        if spec.weights.as_ref().is_some_and(|w| w.kind != WeightType::Frequency) {
            return wrong(
                "with weights that are no counts of rows, losses other than squares have no standard errors",
            );
        }
        let vcov = self.vcov.unwrap_or(Vcov::Iid);
        if self.clusters.is_empty()
            && self.small_sample == SmallSample::default()
            && loss_has_vcov(loss, vcov)
        {
            return Ok(());
        }
        match loss {
            Loss::Quantile { .. } => wrong(
                "quantiles have the covariances iid (errors of one density) and hc1 (Powell's kernel), and no others",
            ),
            Loss::Huber { .. } => wrong(
                "Huber's loss has the covariances iid (Huber's H1), hc0 and hc1 (sandwiches), and no others",
            ),
            _ => wrong("this loss has no standard errors: neither covariances nor tests"),
        }
    }

    /// Whether anything was.
    pub(crate) fn is_asked(&self) -> bool {
        self.vcov.is_some()
            || !self.clusters.is_empty()
            || !self.tests.is_empty()
            || self.complete
            || self.small_sample != SmallSample::default()
    }

    /// Groups have none of it.
    pub(crate) fn refuse_groups(&self, spec: &ModelSpec) -> Result<()> {
        let resolved = self.resolve(spec, true)?;
        if resolved.needs_bread() {
            let what = match (resolved.vcov, self.vcov) {
                (Vcov::Iid, _) => "joint tests are",
                (Vcov::Hc1, None) => "probability weights bring robust covariances, which are",
                _ => "robust covariances are",
            };
            let message = format!("{what} not there for groups: fit each by itself, with a filter");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }
}

impl Inferred<'_> {
    /// Whether fits must keep their bread.
    pub(crate) fn needs_bread(&self) -> bool {
        self.vcov != Vcov::Iid || !self.asked.tests.is_empty()
    }

    /// Whether every coefficient must have a column. Tests of whole terms alone need none.
    pub(crate) fn needs_columns(&self, spec: &ModelSpec) -> bool {
        let of_terms = self.asked.tests.iter().all(|text| term_of(text, spec).is_some());
        self.vcov != Vcov::Iid || !of_terms || self.asked.complete
    }
}
