//! What standard errors rest on, for reports.

use serde::{Deserialize, Serialize};

use super::kind::Vcov;
use super::small_sample::SmallSample;

/// A column of clusters, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterCount {
    /// The column.
    pub column: String,
    /// Its levels among the rows of the fit.
    pub clusters: u64,
}

impl ClusterCount {
    /// So many clusters of `column`.
    pub fn new(column: impl Into<String>, clusters: u64) -> Self {
        Self { column: column.into(), clusters }
    }
}

/// What standard errors, tests and intervals rest on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VcovSummary {
    /// The estimator.
    pub kind: Vcov,
    /// The clusters.
    pub clusters: Vec<ClusterCount>,
    /// Degrees of freedom of Student's t and of the denominator of F: `n - k`, or one less than the clusters of the
    /// category that has fewest. `None` where a model file does not say: then `n - k`.
    pub df: Option<u128>,
    /// The small-sample choices.
    pub small_sample: SmallSample,
}

impl VcovSummary {
    /// Of an estimator that is robust to something.
    pub fn robust(kind: Vcov, clusters: Vec<ClusterCount>, df: u128, small_sample: SmallSample) -> Self {
        Self { kind, clusters, df: Some(df), small_sample }
    }

    /// Of independent errors.
    pub(crate) fn iid(df: u128) -> Self {
        Self { df: Some(df), ..Self::default() }
    }
}
