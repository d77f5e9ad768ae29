//! From sufficient statistics to a [`Fit`].

use std::fmt;

use faer::Mat;
use serde::{Deserialize, Serialize};
use streamreg_core::{CrossProducts, INTERCEPT, ModelSpec, Moments, TriangularFactor};

use crate::error::{Error, Result};
use crate::factor::svd::{Singular, condition_number};
use crate::factor::{Aside, Factor, cholesky, qr};
use crate::inference::{Glance, TermEstimate, estimates, glance};
use crate::options::{Collinear, SolveOptions, Solver};

/// The sufficient statistics that a fit starts from.
#[derive(Clone, Copy, Debug)]
pub enum Statistics<'a> {
    /// For the normal equations.
    CrossProducts(&'a CrossProducts),
    /// For QR and SVD.
    TriangularFactor(&'a TriangularFactor),
}

impl Statistics<'_> {
    fn moments(&self) -> &Moments {
        match self {
            Self::CrossProducts(c) => c.moments(),
            Self::TriangularFactor(t) => t.moments(),
        }
    }
}

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

/// Covariance of the estimated coefficients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covariance {
    /// Positions, among the terms, of the coefficients that were estimated.
    pub terms: Vec<usize>,
    /// Row-major square matrix over those terms.
    pub values: Vec<f64>,
}

/// Something the reader of a fit should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable name for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    /// A warning with a stable name and a sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

/// A fitted linear regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One estimate a term, in the order of the model, `(Intercept)` first.
    pub coefficients: Vec<TermEstimate>,
    /// Their covariance; `None` without residual degrees of freedom.
    pub covariance: Option<Covariance>,
    /// What is said of the fit as a whole.
    pub glance: Glance,
    /// Number of independent columns, the constant included.
    pub rank: usize,
    /// Columns that depend on others.
    pub aliased: Vec<Aliased>,
    /// Condition number (2-norm) of the independent columns, centred where there is an intercept and
    /// scaled to unit norm.
    pub condition_number: f64,
    /// The solver that produced the numbers.
    pub solver: Solver,
    /// Correct digits that the arithmetic leaves the coefficients, estimated from the condition number.
    pub digits: f64,
    /// Correct digits that it leaves the residual sum of squares, on which all standard errors rest.
    pub residual_digits: f64,
    /// What the reader should know.
    pub warnings: Vec<Warning>,
}

/// A fit, and why it should be computed from a [`TriangularFactor`] instead, if it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The fit as far as these statistics carry.
    pub fit: Fit,
    /// The reason not to rely on it.
    pub doubt: Option<String>,
}

impl Attempt {
    /// Takes the fit as final: a doubt becomes a warning.
    ///
    /// # Errors
    /// [`Error::Collinear`] where dependent columns were not to be accepted.
    pub fn accept(self, options: &SolveOptions) -> Result<Fit> {
        let mut fit = self.fit;
        if options.collinear == Collinear::Error && !fit.aliased.is_empty() {
            return Err(Error::Collinear(fit.aliased));
        }
        if let Some(doubt) = self.doubt {
            fit.warnings.push(Warning::new("undecided", format!("{doubt}; the solver `qr` decides")));
        }
        Ok(fit)
    }
}

/// Digits that `Solver::Auto` wants from cross-products.
const WANTED_DIGITS: f64 = 8.0;

/// Digits below which a warning is given.
const WARNING_DIGITS: f64 = 6.0;

/// Solves the least-squares problem that `statistics` describe.
///
/// With an intercept the features are centred and the constant is recovered from the means:
/// `b0 = mean(y) - sum of b_j mean(x_j)`, whose variance is `sigma² (1/n + m' (X'X)^-1 m)`.
///
/// # Errors
/// [`Error::NoRows`], [`Error::Overflow`], [`Error::Option`].
pub fn fit(statistics: Statistics<'_>, model: &ModelSpec, options: &SolveOptions) -> Result<Attempt> {
    options.validate()?;
    let moments = statistics.moments();
    if moments.rows() == 0 {
        return Err(Error::NoRows { read: 0 });
    }
    let factor = match statistics {
        Statistics::CrossProducts(c) => cholesky::factor(c, model.intercept, options.rank_tol),
        Statistics::TriangularFactor(t) => qr::factor(t, model.intercept, options.rank_tol),
    };
    check_finite(&factor, model)?;
    let condition = condition_number(&factor)?;
    let aliased: Vec<_> = factor.aside.iter().map(|a| describe(a, &factor, moments, model)).collect();
    let precision = Precision::new(statistics, &factor, condition);
    let doubt = match statistics {
        Statistics::CrossProducts(_) => precision.doubt(&factor, model),
        Statistics::TriangularFactor(_) => None,
    };
    let solver = match (statistics, options.solver) {
        (Statistics::CrossProducts(_), _) => Solver::Cholesky,
        (_, Solver::Svd) => Solver::Svd,
        _ => Solver::Qr,
    };
    let mut solution = Solution::new(&factor, moments, model, solver)?;
    if options.collinear == Collinear::MinNorm {
        solution.minimise_norm(&aliased, model);
    }
    let rank = factor.rank() + usize::from(model.intercept);
    let glance = glance(&factor, moments, model.intercept);
    let coefficients = estimates(&model.terms(), &solution, &glance, options.conf_level);
    let covariance = glance.sigma.map(|sigma| solution.covariance(sigma));
    let mut warnings = precision.warnings(&factor);
    if glance.df_residual == 0 {
        let message = "as many coefficients as rows: no degrees of freedom are left for standard errors";
        warnings.push(Warning::new("no_residual_df", message));
    }
    let fit = Fit {
        coefficients,
        covariance,
        glance,
        rank,
        aliased,
        condition_number: condition,
        solver,
        digits: precision.coefficients,
        residual_digits: precision.residual,
        warnings,
    };
    Ok(Attempt { fit, doubt })
}

fn check_finite(factor: &Factor, model: &ModelSpec) -> Result<()> {
    let names = model.features.iter().chain([&model.response]);
    let sizes = factor.scale.iter().chain([&factor.tss]);
    match names.zip(sizes).find(|(_, size)| !size.is_finite()) {
        Some((name, _)) => Err(Error::Overflow { column: name.clone() }),
        None => Ok(()),
    }
}

/// Says what a column that was set aside depends on.
fn describe(aside: &Aside, factor: &Factor, moments: &Moments, model: &ModelSpec) -> Aliased {
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

/// What the arithmetic leaves of float64's digits.
struct Precision {
    coefficients: f64,
    residual: f64,
}

impl Precision {
    /// Cross-products square the condition number and subtract sums of squares; a triangular factor does
    /// neither, but a large residual brings the square back (Golub & Van Loan, Matrix Computations, 4th
    /// ed., 5.3.8).
    fn new(statistics: Statistics<'_>, factor: &Factor, condition: f64) -> Self {
        let eps = f64::EPSILON / 2.0;
        let explained: f64 = factor.explained.iter().map(|v| v * v).sum();
        let noise = if explained > 0.0 { (factor.rss / explained).sqrt() } else { 0.0 };
        let of_rss = factor.rss / factor.tss;
        let (coefficients, residual) = match statistics {
            Statistics::CrossProducts(_) => (eps * condition * condition, eps / of_rss),
            Statistics::TriangularFactor(_) => {
                (eps * condition * (1.0 + condition * noise), 2.0 * eps / of_rss.sqrt())
            }
        };
        let digits = |error: f64| if error.is_nan() { 16.0 } else { (-error.log10()).clamp(0.0, 16.0) };
        Self { coefficients: digits(coefficients), residual: digits(residual) }
    }

    fn doubt(&self, factor: &Factor, model: &ModelSpec) -> Option<String> {
        let undecided: Vec<&str> =
            factor.aside.iter().filter(|a| a.undecided).map(|a| model.features[a.column].as_str()).collect();
        if !undecided.is_empty() {
            return Some(format!(
                "float64 cross-products cannot tell whether {} depends on the columns before (relative residual below {:e})",
                undecided.join(", "),
                cholesky::FLOOR
            ));
        }
        if self.coefficients < WANTED_DIGITS {
            return Some(format!(
                "cross-products leave the coefficients only {:.1} digits",
                self.coefficients
            ));
        }
        (self.residual < WANTED_DIGITS).then(|| {
            format!("cross-products leave the residual sum of squares only {:.1} digits", self.residual)
        })
    }

    fn warnings(&self, factor: &Factor) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let noise = factor.tss > 0.0 && self.residual < 2.0;
        if noise {
            let message =
                "essentially perfect fit: the residuals are rounding noise, and so are the standard errors";
            warnings.push(Warning::new("perfect_fit", message));
        }
        let digits = if noise { self.coefficients } else { self.coefficients.min(self.residual) };
        if digits < WARNING_DIGITS {
            let message = format!(
                "the design is ill-conditioned: about {digits:.0} digits of the results are reliable"
            );
            warnings.push(Warning::new("few_digits", message));
        }
        warnings
    }
}

/// Coefficients, and a matrix `A` such that `sigma² A A'` is their covariance.
pub(crate) struct Solution {
    /// One a term; `None` for a column that was set aside.
    pub(crate) values: Vec<Option<f64>>,
    /// Rows are terms.
    root: Mat<f64>,
}

impl Solution {
    fn new(factor: &Factor, moments: &Moments, model: &ModelSpec, solver: Solver) -> Result<Self> {
        let (scaled, inverse) = if solver == Solver::Svd && factor.rank() > 0 {
            let singular = Singular::new(factor)?;
            (singular.solve(&factor.explained), singular.inverse())
        } else {
            (factor.solve_upper(&factor.explained), factor.inverse())
        };
        let first = usize::from(model.intercept);
        let mut values = vec![None; model.features.len() + first];
        let mut root = Mat::zeros(values.len(), factor.rank() + first);
        for (c, &k) in factor.kept.iter().enumerate() {
            values[first + k] = Some(scaled[c] / factor.scale[k]);
            for column in 0..factor.rank() {
                root[(first + k, first + column)] = inverse[(c, column)] / factor.scale[k];
            }
        }
        if model.intercept {
            values[0] = Some(intercept(&values[1..], moments));
            root[(0, 0)] = 1.0 / moments.weight().sqrt();
            for column in 1..root.ncols() {
                root[(0, column)] =
                    -factor.kept.iter().map(|&k| moments.mean(k) * root[(1 + k, column)]).sum::<f64>();
            }
        }
        Ok(Self { values, root })
    }

    /// Takes from the solution its part in the null space of the design, which changes no fitted value;
    /// what remains is the Moore-Penrose solution. The null space is known from the columns set aside, so
    /// it rests on the same rank decision as everything else.
    fn minimise_norm(&mut self, aliased: &[Aliased], model: &ModelSpec) {
        if aliased.is_empty() {
            return;
        }
        let terms = model.terms();
        let position = |name: &str| terms.iter().position(|t| t == name);
        let mut null = Mat::zeros(terms.len(), aliased.len());
        for (d, a) in aliased.iter().enumerate() {
            for (name, value) in a.depends_on.iter().zip(&a.coefficients) {
                position(name).into_iter().for_each(|t| null[(t, d)] = -value);
            }
            position(&a.term).into_iter().for_each(|t| null[(t, d)] = 1.0);
        }
        let basis = null.qr().compute_thin_Q();
        let basic = Mat::from_fn(terms.len(), 1, |t, _| self.values[t].unwrap_or(0.0));
        let shortest = &basic - &basis * (basis.transpose() * &basic);
        self.root = &self.root - &basis * (basis.transpose() * &self.root);
        self.values = (0..terms.len()).map(|t| Some(shortest[(t, 0)])).collect();
    }

    /// `(A A')` of a term, whose square root times sigma is the standard error.
    pub(crate) fn variance(&self, term: usize) -> f64 {
        (0..self.root.ncols()).map(|c| self.root[(term, c)] * self.root[(term, c)]).sum()
    }

    fn covariance(&self, sigma: f64) -> Covariance {
        let terms: Vec<usize> = (0..self.values.len()).filter(|&t| self.values[t].is_some()).collect();
        let product = &self.root * self.root.transpose();
        let pairs = terms.iter().flat_map(|&i| terms.iter().map(move |&j| (i, j)));
        let values = pairs.map(|(i, j)| sigma * sigma * product[(i, j)]).collect();
        Covariance { terms, values }
    }
}

/// `mean(y) - sum of b_j mean(x_j)`, as if computed with twice the precision (Ogita, Rump & Oishi 2005,
/// "Accurate sum and dot product").
fn intercept(slopes: &[Option<f64>], moments: &Moments) -> f64 {
    let y = moments.variables() - 1;
    let (mut sum, mut low) = (moments.mean(y), moments.mean_low(y));
    for (k, slope) in slopes.iter().enumerate() {
        let Some(b) = slope else { continue };
        let product = -b * moments.mean(k);
        let product_low = (-b).mul_add(moments.mean(k), -product) - b * moments.mean_low(k);
        let next = sum + product;
        let back = next - sum;
        low += (sum - (next - back)) + (product - back) + product_low;
        sum = next;
    }
    sum + low
}
