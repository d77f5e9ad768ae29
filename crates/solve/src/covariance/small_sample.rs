//! Factors for small samples.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Vcov;

/// Small-sample choices; the defaults are those of Stata's `regress` and `ivreg2, small`, and of fixest but for nested
/// dummies. As text a list of `none`, `each`, `nested` and `jackknife-mean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SmallSample {
    /// Whether there is a factor at all: `n / (n - k)`, `G / (G - 1) (n - 1) / (n - k)`, or `(G - 1) / G` of the
    /// jackknife. It is a choice for HAC, CR1 and CR3; the others are what their name says.
    pub factor: bool,
    /// Of two categories of clusters, whether each of the three terms has a factor of its own (Petersen; statsmodels;
    /// lfe), instead of that of the category with fewest clusters.
    pub each: bool,
    /// Whether `k` leaves out the dummies of a category whose levels lie each in one cluster (xtreg; fixest).
    pub nested: bool,
    /// Whether the jackknife is taken about the mean of its estimates (CRV3J) instead of the estimate (CRV3).
    pub jackknife_mean: bool,
}

impl Default for SmallSample {
    fn default() -> Self {
        Self { factor: true, each: false, nested: false, jackknife_mean: false }
    }
}

impl FromStr for SmallSample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut choice = Self::default();
        for word in text.split(',').map(str::trim) {
            match word {
                "none" => choice.factor = false,
                "each" => choice.each = true,
                "nested" => choice.nested = true,
                "jackknife-mean" => choice.jackknife_mean = true,
                other => {
                    let valid = "none, each, nested, jackknife-mean";
                    return Err(format!("there is no small-sample choice {other:?}; there are {valid}"));
                }
            }
        }
        Ok(choice)
    }
}

impl SmallSample {
    /// Whether every choice that was made has a meaning for a covariance, with so many columns of clusters.
    pub fn suits(self, vcov: Vcov, clusters: usize) -> bool {
        let without_factor = matches!(vcov, Vcov::Hac(_) | Vcov::Cr1 | Vcov::Cr3);
        (self.factor || without_factor)
            && (!self.each || (vcov == Vcov::Cr1 && clusters == 2 && self.factor))
            && (!self.nested || (vcov == Vcov::Cr1 && self.factor))
            && (!self.jackknife_mean || vcov == Vcov::Cr3)
    }

    /// The factor of independent or lagged rows.
    pub(super) fn of_rows(self, vcov: Vcov, n: f64, k: f64) -> f64 {
        match vcov {
            Vcov::Hc1 => n / (n - k),
            Vcov::Hac(_) if self.factor => n / (n - k),
            _ => 1.0,
        }
    }

    /// The factor of `clusters` clusters.
    pub(super) fn of_clusters(self, vcov: Vcov, clusters: usize, n: f64, k: f64) -> f64 {
        let g = clusters as f64;
        match vcov {
            Vcov::Cr1 if self.factor => g / (g - 1.0) * ((n - 1.0) / (n - k)),
            Vcov::Cr3 if self.factor => (g - 1.0) / g,
            _ => 1.0,
        }
    }
}
