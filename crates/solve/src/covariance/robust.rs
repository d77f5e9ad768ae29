//! A fit with the inference of another covariance.

use super::bread::Bread;
use super::meat::Meat;
use super::{Vcov, VcovSummary};
use crate::fit::Fit;
use crate::fit::solution::{Covariance, FittedVariance};
use crate::inference::wald::{Restriction, quadratic};
use crate::inference::{TermEstimate, term_estimate};
use crate::warning::Warning;

impl Fit {
    /// The same fit with standard errors, tests, intervals, overall F and covariance from `meat`. A fit without residual
    /// degrees of freedom has none of these and stays as it is.
    #[must_use]
    pub fn with_meat(mut self, bread: &Bread, meat: &Meat, vcov: VcovSummary, conf_level: f64) -> Self {
        let Some(df) = vcov.df.filter(|_| self.glance.sigma.is_some()) else { return self };
        let mut without = Vec::new();
        for (i, (&term, &estimate)) in bread.terms.iter().zip(&bread.estimates).enumerate() {
            let variance = meat.variance(bread.row(i));
            let row = &mut self.coefficients[term];
            if variance.is_none() {
                without.push(row.term.clone());
            }
            let error = variance.map(f64::sqrt);
            let own =
                term_estimate(std::mem::take(&mut row.term), Some(estimate), error, df as f64, conf_level);
            let (vif, digits_arithmetic, digits_input) = (row.vif, row.digits_arithmetic, row.digits_input);
            let standardized = row.standardized;
            *row = TermEstimate { vif, digits_arithmetic, digits_input, standardized, ..own };
        }
        if !without.is_empty() {
            let message = format!(
                "the variance of {} is not positive, or no more than rounding: there is no standard error",
                without.join(", ")
            );
            self.warnings.push(Warning::new("negative_variance", message));
        }
        self.overall(bread, meat, &vcov, df);
        if meat.decisive > 0 {
            let message = format!(
                "without any of {} clusters some coefficients cannot be told; what the jackknife says of these rests \
                 on the others",
                meat.decisive
            );
            self.warnings.push(Warning::new("decisive_clusters", message));
        }
        self.covariance = covariance(bread, meat, &vcov);
        self.vcov = vcov;
        self
    }

    /// Wald's F that all slopes are 0.
    fn overall(&mut self, bread: &Bread, meat: &Meat, vcov: &VcovSummary, df: u128) {
        let slopes = bread.terms.iter().skip(usize::from(bread.intercept));
        let restrictions: Vec<Restriction> =
            slopes.map(|&t| Restriction { coefficients: vec![(t, 1.0)], value: 0.0 }).collect();
        (self.glance.statistic, self.glance.p_value) = (None, None);
        if restrictions.is_empty() {
            return;
        }
        match quadratic(bread, meat, &restrictions) {
            Ok(Some(square)) => {
                let f = square / restrictions.len() as f64;
                self.glance.statistic = Some(f);
                let p = crate::inference::distributions::f_upper(f, restrictions.len() as f64, df as f64);
                self.glance.p_value = Some(p);
            }
            _ => {
                let why = if vcov.kind.is_clustered() { ": there are too few clusters for it" } else { "" };
                let message = format!(
                    "the covariance of the {} slopes is not positive definite, so there is no overall F{why}",
                    restrictions.len()
                );
                self.warnings.push(Warning::new("no_overall_f", message));
            }
        }
    }
}

/// The covariance, with what predictions need of it.
fn covariance(bread: &Bread, meat: &Meat, vcov: &VcovSummary) -> Option<Covariance> {
    let k = bread.width();
    let values = meat.between(&bread.root, k);
    if vcov.kind == Vcov::Iid || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (mut root, mut means) = (bread.root.clone(), None);
    if bread.intercept {
        root[0] = 1.0 / bread.weight.sqrt();
        root[1..k].fill(0.0);
        means = Some(bread.centre[..k - 1].to_vec());
    }
    let fitted = FittedVariance { root, middle: Some(meat.values.clone()), means, levels: None };
    Some(Covariance { terms: bread.terms.clone(), values, vcov: vcov.clone(), fitted })
}
