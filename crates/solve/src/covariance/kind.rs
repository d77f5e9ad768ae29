//! The estimators, as options and reports name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What is assumed of the errors, and so how their covariance is estimated. As text `iid`, `hc0`, `hac:4`, `cr1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Vcov {
    /// Independent errors of one variance: `sigma² (X'X)^-1`.
    #[default]
    Iid,
    /// Independent errors: White (1980).
    Hc0,
    /// The same times `n / (n - k)`.
    Hc1,
    /// Residuals divided by `sqrt(1 - h)`: MacKinnon & White (1985).
    Hc2,
    /// Residuals divided by `1 - h`.
    Hc3,
    /// Errors correlated with so many rows before, with Bartlett's weights: Newey & West (1987). Rows are in the order
    /// of time, those left out taken as absent.
    Hac(usize),
    /// Errors correlated within clusters: Liang & Zeger (1986); two ways: Cameron, Gelbach & Miller (2011).
    Cr0,
    /// The same times `G / (G - 1) (n - 1) / (n - k)`.
    Cr1,
    /// The jackknife of clusters about the estimate, `(G - 1) / G sum of (b_(-g) - b) (b_(-g) - b)'`: CRV3 of
    /// MacKinnon, Nielsen & Webb (2023).
    Cr3,
}

impl Vcov {
    /// Whether it is one of clusters.
    pub fn is_clustered(self) -> bool {
        matches!(self, Self::Cr0 | Self::Cr1 | Self::Cr3)
    }
}

impl fmt::Display for Vcov {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iid => "iid",
            Self::Hc0 => "hc0",
            Self::Hc1 => "hc1",
            Self::Hc2 => "hc2",
            Self::Hc3 => "hc3",
            Self::Hac(lags) => return write!(f, "hac:{lags}"),
            Self::Cr0 => "cr0",
            Self::Cr1 => "cr1",
            Self::Cr3 => "cr3",
        })
    }
}

impl From<Vcov> for String {
    fn from(vcov: Vcov) -> Self {
        vcov.to_string()
    }
}

impl FromStr for Vcov {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(lags) = text.strip_prefix("hac:") {
            let wrong = |_| format!("hac:L needs a whole number of lags, not {lags:?}");
            return lags.parse().map(Self::Hac).map_err(wrong);
        }
        if text == "hac" {
            return Err("hac needs the number of lags, such as hac:4".into());
        }
        let all = [Self::Iid, Self::Hc0, Self::Hc1, Self::Hc2, Self::Hc3, Self::Cr0, Self::Cr1, Self::Cr3];
        all.into_iter().find(|v| v.to_string() == text).ok_or_else(|| {
            format!(
                "there is no covariance {text:?}; there are iid, hc0, hc1, hc2, hc3, hac:L, cr0, cr1, cr3"
            )
        })
    }
}

impl TryFrom<String> for Vcov {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
