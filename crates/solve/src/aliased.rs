//! Columns that depend on others, and on which.

use std::fmt;

use serde::{Deserialize, Serialize};
use streamreg_core::{INTERCEPT, ModelSpec, Moments};

use crate::factor::{Aside, Factor};

/// A column that is an exact linear combination of others, as far as the rank tolerance tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aliased {
    /// The column.
    pub term: String,
    /// The terms it depends on, in the order of the model.
    pub depends_on: Vec<String>,
    /// Their factors: `term = sum of coefficient x depends_on`.
    pub coefficients: Vec<f64>,
    /// Norm of what is left of the column beside those before it, as a share of its own.
    pub relative_residual: f64,
}

impl fmt::Display for Aliased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.depends_on.as_slice(), self.coefficients.as_slice()) {
            ([], _) => return write!(f, "{} = 0", self.term),
            ([only], [value]) if only == INTERCEPT => {
                return write!(f, "{} is constant ({value})", self.term);
            }
            _ => write!(f, "{} =", self.term)?,
        }
        for (index, (name, value)) in self.depends_on.iter().zip(&self.coefficients).enumerate() {
            let sign = if *value < 0.0 { " - " } else { " + " };
            f.write_str(if index > 0 || *value < 0.0 { sign } else { " " })?;
            // Six digits name the relation; all of them stand in `coefficients`.
            let size: f64 = format!("{:.5e}", value.abs()).parse().unwrap_or(*value);
            match name.as_str() {
                INTERCEPT => write!(f, "{size}")?,
                name if size == 1.0 => f.write_str(name)?,
                name => write!(f, "{size} {name}")?,
            }
        }
        Ok(())
    }
}

/// Says what a column that was set aside depends on.
pub(crate) fn describe(aside: &Aside, factor: &Factor, moments: &Moments, model: &ModelSpec) -> Aliased {
    // Coordinates that are rounding noise beside the column's own norm.
    const NOISE: f64 = 1e-7;
    let j = aside.column;
    let scaled = factor.solve_upper(&aside.coordinates);
    let mut depends_on = Vec::new();
    let mut coefficients = Vec::new();
    let (mut constant, mut size) = (moments.mean(j), moments.mean(j).abs());
    for (z, &k) in scaled.iter().zip(&factor.kept) {
        let value = z * factor.scale[j] / factor.scale[k];
        constant -= value * moments.mean(k);
        size = size.max((value * moments.mean(k)).abs());
        if z.abs() > NOISE {
            depends_on.push(model.features[k].clone());
            coefficients.push(value);
        }
    }
    if model.intercept && constant.abs() > NOISE * size {
        depends_on.insert(0, INTERCEPT.into());
        coefficients.insert(0, constant);
    }
    Aliased { term: model.features[j].clone(), depends_on, coefficients, relative_residual: aside.residual }
}
