//! Columns that depend on others, and on which.

use std::fmt;

use serde::{Deserialize, Serialize};
use streamreg_core::INTERCEPT;

use crate::equation::Equation;
use crate::factor::{Aside, Factor};
use crate::fit::centre::Centre;
use crate::scalar::Scalar;

/// A column that is an exact linear combination of others, as far as the rank tolerance tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Aliased {
    /// The column.
    pub term: String,
    /// The terms it depends on, in the order of the equation.
    pub depends_on: Vec<String>,
    /// Their factors: `term = sum of coefficient x depends_on`.
    pub coefficients: Vec<f64>,
    /// Norm of what is left of the column beside those before it, as a share of its own.
    pub relative_residual: f64,
    /// A category whose levels it depends on besides: a constant for each of them has to be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels_of: Option<String>,
}

impl fmt::Display for Aliased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.depends_on.as_slice(), self.coefficients.as_slice()) {
            ([], _) if self.levels_of.is_some() => {
                return write!(f, "{} is constant within the levels of {}", self.term, self.levels_text());
            }
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
        if self.levels_of.is_some() {
            write!(f, " + a constant for each level of {}", self.levels_text())?;
        }
        Ok(())
    }
}

impl Aliased {
    /// A relation that was found elsewhere.
    pub fn new(
        term: String,
        depends_on: Vec<String>,
        coefficients: Vec<f64>,
        relative_residual: f64,
    ) -> Self {
        Self { term, depends_on, coefficients, relative_residual, levels_of: None }
    }

    fn levels_text(&self) -> &str {
        self.levels_of.as_deref().unwrap_or_default()
    }
}

/// What a kept column contributes.
struct Part<T> {
    /// Its position.
    column: usize,
    factor: T,
    /// In units of the norm of the column that is set aside.
    share: f64,
    /// The factor times the mean of the column.
    at_mean: T,
}

/// A column that was set aside as a combination of the kept ones, to the last digit.
pub(crate) struct Relation<T> {
    column: usize,
    residual: f64,
    /// The share of its norm that the rounding of its cells can make up.
    rounding: f64,
    parts: Vec<Part<T>>,
    /// The constant, and the size of what it is left over from.
    constant: (T, f64),
}

impl<T: Scalar> Relation<T> {
    pub(crate) fn new(aside: &Aside<T>, factor: &Factor<T>, centre: &Centre, intercept: bool) -> Self {
        let j = aside.column;
        let shares = factor.solve_upper(&aside.coordinates);
        let spread = factor.scale[j].near() / centre.weight::<f64>().sqrt();
        let (mut constant, mut size) = (centre.mean::<T>(j), centre.mean::<f64>(j).abs().max(spread));
        let mut parts = Vec::with_capacity(shares.len());
        for (share, &k) in shares.iter().zip(&factor.kept) {
            let value = *share * factor.scale[j] / factor.scale[k];
            let at_mean: T = value * centre.mean::<T>(k);
            constant -= at_mean;
            size = size.max(at_mean.near().abs());
            parts.push(Part { column: k, factor: value, share: share.near(), at_mean });
        }
        let constant = if intercept { (constant, size) } else { (T::ZERO, 0.0) };
        Self { column: j, residual: aside.residual, rounding: aside.rounding, parts, constant }
    }

    /// The vector of the column less what it consists of, over the columns alone.
    pub(crate) fn remainder(&self, columns: usize) -> Vec<T> {
        let mut vector = vec![T::ZERO; columns];
        for part in &self.parts {
            vector[part.column] = T::ZERO - part.factor;
        }
        vector[self.column] = T::ONE;
        vector
    }

    /// The position of the column.
    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// The vector of the null space, over all terms: the column less what it consists of.
    pub(crate) fn null_vector(&self, equation: &Equation) -> Vec<T> {
        let first = usize::from(equation.intercept);
        let mut vector = vec![T::ZERO; equation.features.len() + first];
        if equation.intercept {
            vector[0] = T::ZERO - self.constant.0;
        }
        for part in &self.parts {
            vector[first + part.column] = T::ZERO - part.factor;
        }
        vector[first + self.column] = T::ONE;
        vector
    }

    /// The relation in words, without the parts that are rounding noise at this condition number.
    pub(crate) fn describe(&self, equation: &Equation, condition: f64) -> Aliased {
        let noise = (1e-14 * condition).clamp(1e-12, 1e-7).max(self.rounding);
        let mut depends_on = Vec::new();
        let mut coefficients = Vec::new();
        let (mut constant, size) = self.constant;
        // A part that is left out contributes no more than its mean.
        let left_out = self.parts.iter().filter(|part| equation.intercept && part.share.abs() <= noise);
        left_out.for_each(|part| constant += part.at_mean);
        let constant = constant.near();
        if constant.abs() > noise.min(1e-7) * size {
            depends_on.push(INTERCEPT.into());
            coefficients.push(constant);
        }
        for part in self.parts.iter().filter(|part| part.share.abs() > noise) {
            depends_on.push(equation.features[part.column].clone());
            coefficients.push(part.factor.near());
        }
        let term = equation.features[self.column].clone();
        Aliased { term, depends_on, coefficients, relative_residual: self.residual, levels_of: None }
    }
}
