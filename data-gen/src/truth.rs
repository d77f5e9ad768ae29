//! The JSON beside the data: what a fit of them should find.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::args::{Format, Options};
use crate::design::{Design, DesignOptions};

/// Everything that is known about a file.
#[derive(Debug, Serialize)]
pub(crate) struct Truth<'a> {
    /// Version of these fields.
    schema_version: u32,
    /// The program and its version.
    generator: &'static str,
    /// Column that is explained.
    response: &'static str,
    /// The constant and the features, in the order of `coefficients`.
    terms: Vec<String>,
    /// The coefficients y was computed with.
    coefficients: Vec<f64>,
    /// Rows of the file.
    rows: u64,
    /// The options of the design, the noise and seed among them.
    #[serde(flatten)]
    design: &'a DesignOptions,
    /// The format and its options.
    #[serde(flatten)]
    format: &'a Format,
    /// Mean of each feature; of counts, before they are rounded and cut off at 0.
    feature_means: Vec<f64>,
    /// Standard deviation of each feature, likewise.
    feature_scales: Vec<f64>,
}

impl<'a> Truth<'a> {
    /// Gathers the truth of a run.
    pub(crate) fn new(options: &'a Options, design: &'a Design) -> Self {
        let features = &design.parameters;
        let names = (1..=features.len()).map(|j| format!("x{j}"));
        let slopes = features.iter().map(|feature| feature.coefficient);
        Self {
            schema_version: 1,
            generator: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
            response: "y",
            terms: std::iter::once("(Intercept)".to_owned()).chain(names).collect(),
            coefficients: std::iter::once(design.intercept).chain(slopes).collect(),
            rows: options.rows,
            design: &options.design,
            format: &options.format,
            feature_means: features.iter().map(|feature| feature.mean).collect(),
            feature_scales: features.iter().map(|feature| feature.scale).collect(),
        }
    }

    /// The text of the file.
    pub(crate) fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self).context("could not encode the truth")?;
        json.push(b'\n');
        Ok(json)
    }
}

/// `big.parquet.truth.json` for `big.parquet`.
pub(crate) fn path_beside(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".truth.json");
    PathBuf::from(name)
}
