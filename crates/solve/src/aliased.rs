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

/// A column that was set aside as a combination of the kept ones, to the last digit.
pub(crate) struct Relation {
    column: usize,
    residual: f64,
    /// Position of a kept column, its factor, and its share in units of the column's norm.
    parts: Vec<(usize, f64, f64)>,
    /// The constant, and the size of what it is left over from.
    constant: (f64, f64),
}

impl Relation {
    pub(crate) fn new(aside: &Aside, factor: &Factor, moments: &Moments, model: &ModelSpec) -> Self {
        let j = aside.column;
        let shares = factor.solve_upper(&aside.coordinates);
        let (mut constant, mut size) = (moments.mean(j), moments.mean(j).abs());
        let mut parts = Vec::with_capacity(shares.len());
        for (share, &k) in shares.iter().zip(&factor.kept) {
            let value = share * factor.scale[j] / factor.scale[k];
            constant -= value * moments.mean(k);
            size = size.max((value * moments.mean(k)).abs());
            parts.push((k, value, *share));
        }
        let constant = if model.intercept { (constant, size) } else { (0.0, 0.0) };
        Self { column: j, residual: aside.residual, parts, constant }
    }

    /// The vector of the null space, over all terms: the column less what it consists of.
    pub(crate) fn null_vector(&self, model: &ModelSpec) -> Vec<f64> {
        let first = usize::from(model.intercept);
        let mut vector = vec![0.0; model.features.len() + first];
        if model.intercept {
            vector[0] = -self.constant.0;
        }
        for (k, value, _) in &self.parts {
            vector[first + k] = -value;
        }
        vector[first + self.column] = 1.0;
        vector
    }

    /// The relation in words, without the parts that are rounding noise at this condition number.
    pub(crate) fn describe(&self, model: &ModelSpec, condition: f64) -> Aliased {
        let noise = (1e-14 * condition).clamp(1e-12, 1e-7);
        let mut depends_on = Vec::new();
        let mut coefficients = Vec::new();
        let (constant, size) = self.constant;
        if constant.abs() > noise * size {
            depends_on.push(INTERCEPT.into());
            coefficients.push(constant);
        }
        for (k, value, share) in &self.parts {
            if share.abs() > noise {
                depends_on.push(model.features[*k].clone());
                coefficients.push(*value);
            }
        }
        let term = model.features[self.column].clone();
        Aliased { term, depends_on, coefficients, relative_residual: self.residual }
    }
}
