//! How many digits are left: by the arithmetic, and by the input's own rounding.
//!
//! With columns scaled to unit norm let `H = (R'R)^-1`, `z` the coefficients, `s = |y| + sum |z_k|`, and `e` the
//! residuals. First-order bounds for coefficient `j` (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
//! 2nd ed., sections 7.2, 10.1 and 20.1-20.4):
//! - From cross-products every entry of `[X y]'[X y]` is off by at most `eta` (its columns have norm 1 and `|y|`),
//!   and so is what Cholesky factors and solves instead: `|dz_j| <= eta s sum_k |H_jk|`. The error of the residual
//!   sum of squares, a quadratic form of the same matrix, is at most `eta s²`.
//! - From rows, each column is off by `eta` of its norm: `dz = X^+ (dy - dX z) + H dX' e`, so
//!   `|dz_j| <= eta (|x^+_j| s + |e| sum_k |H_jk|)` with `|x^+_j|² = H_jj`, the norm of row `j` of `X^+`. The
//!   residuals' norm is off by at most `eta s`.
//! - Cells that are computed, and rounded on the way, are the case of rows with `eta` the share of each column's norm about zero
//!   that this may make up.
//! - Half a unit in the last place of every cell is the case of rows with `eta = 2^-53`, but of the norms about
//!   zero: a column with a large mean has large cells. The constant is exact.
//!
//! Row 0 of `H` and `X^+`, that of the intercept, follows from `b_0 = mean(y) - sum b_k mean(x_k)`.

use faer::Mat;

use crate::coefficient::{Coefficient, Quality};
use crate::equation::Equation;
use crate::factor::Factor;
use crate::fit::centre::Centre;
use crate::fit::solution::Scaled;
use crate::scalar::Scalar;
use crate::warning::Warning;

/// Digits that are wanted from float64 cross-products, where QR on a second pass would leave more.
pub const WANTED_DIGITS: f64 = 8.0;

/// Digits below which a warning is given.
pub const WARNING_DIGITS: f64 = 6.0;

/// The code of the doubt that sums leave too few digits.
pub(crate) const COARSE: &str = "coarse";

/// Digits of the residual sum of squares below which it is noise.
const NOISE_DIGITS: f64 = 2.0;

/// Digits that are claimed at most.
const MOST_DIGITS: f64 = 15.0;

/// Where warnings are decided, a coefficient counts as no smaller than explains this share of the response.
const NEGLIGIBLE: f64 = 1e-6;

/// Above this rank `|H_jk|` is replaced by its bound, the product of the norms of two rows of the inverse.
const WIDE: usize = 1_000;

/// Digits of a value whose error is at most `error`; its rounding to float64 is added.
pub(crate) fn digits(error: f64, value: f64) -> f64 {
    if error == 0.0 {
        return MOST_DIGITS;
    }
    let relative = error / value.abs() + f64::UNIT;
    // A bound that is no number promises nothing.
    if relative.is_nan() { 0.0 } else { (-libm::log10(relative)).clamp(0.0, MOST_DIGITS) }
}

/// How the numbers of a factor came about, and the share of a column's norm by which they may be off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errors {
    /// From cross-products: every entry.
    Products(f64),
    /// From rows: every column.
    Rows(f64),
}

impl Errors {
    /// Float64 sums over `rows` rows. Their rounding errors mostly cancel, so they grow with the root of the number;
    /// where they do not, as in equal blocks, blocks are long enough for the same bound up to some million rows.
    pub(crate) fn of_products(columns: usize, rows: u64) -> Self {
        Self::Products(f64::UNIT * (columns as f64 + 8.0 + (rows as f64).sqrt()))
    }

    /// Exact sums, rounded to double-double and solved in it; with `roundings` behind every entry but the one. Products
    /// of numbers whose low parts are below float64's range are no better than float64.
    pub(crate) fn of_double_double<T: Scalar>(factor: &Factor<T>, roundings: usize) -> Self {
        let tiny = |scale: &T| scale.near() > 0.0 && scale.near() < 1e-120;
        let narrow = factor.scale.iter().chain([&factor.tss.root()]).any(tiny);
        let unit = if narrow { f64::UNIT } else { T::UNIT };
        Self::Products(unit * ((factor.scale.len() + roundings) as f64 + 8.0))
    }

    /// The same where cross-products were combined from others that are so many times larger.
    pub(crate) fn amplified(self, by: f64) -> Self {
        match self {
            Self::Products(unit) => Self::Products(unit * by.max(1.0)),
            rows => rows,
        }
    }

    /// Householder reflections, block by block. In random designs the cross-products of the factor of one block are
    /// mostly off by a few units, but by several hundred in one of a thousand, and a claim must hold there, too.
    pub(crate) fn of_rows(columns: usize, rows: u64) -> Self {
        const SEEN: f64 = 1_000.0;
        Self::Rows(f64::UNIT * (SEEN + 4.0 * columns as f64 + (rows as f64).sqrt() / 4.0))
    }
}

/// What is known of the accuracy of a fit.
pub(crate) struct ErrorAnalysis {
    /// One a term, the intercept first; `None` for columns that were set aside.
    pub(crate) terms: Vec<Option<Quality>>,
    /// Digits of the residual sum of squares by the arithmetic.
    pub(crate) residual: f64,
    /// And by the input.
    pub(crate) residual_input: f64,
    /// What bounds for the levels of an eliminated category are made of; `None` in float64.
    pub(crate) bounds: Option<Bounds>,
    /// By rule of thumb, digits of coefficients and residual sum of squares: what is likely, not what is certain.
    typical: [f64; 2],
}

/// `|H_jk|` summed over `k` with weights, for a row of `X^+` each, and that row's norm.
struct Rows {
    /// Norms of the rows of `X^+`.
    norms: Vec<f64>,
    /// `sum_k |H_jk|`.
    plain: Vec<f64>,
    /// `sum_k |H_jk| t_k`.
    weighted: Vec<f64>,
    /// `sum_k |H_jk| t_k c_k` for cells that are off by the share `c_k`.
    computed: Vec<f64>,
    /// `H`, and one more row for an intercept; `None` where it is wide.
    product: Option<Mat<f64>>,
}

impl Rows {
    /// `root` has a row a coefficient, the independent columns first, and perhaps one more that depends on them.
    fn new(root: &Mat<f64>, rank: usize, t: &[f64], c: &[f64]) -> Self {
        let rows = root.nrows();
        let square = |j: usize| (0..rank).map(|c| root[(j, c)] * root[(j, c)]).sum::<f64>();
        let norms: Vec<f64> = (0..rows).map(|j| square(j).sqrt()).collect();
        let product = (rank <= WIDE).then(|| root * root.submatrix(0, 0, rank, rank).transpose());
        // Entries of a product have errors of their own.
        let rounding = |j: usize, k: usize| f64::UNIT * rank as f64 * norms[j] * norms[k];
        let entry = |j: usize, k: usize| match &product {
            Some(h) => h[(j, k)].abs() + rounding(j, k),
            None => norms[j] * norms[k],
        };
        let sum = |j: usize, t: &dyn Fn(usize) -> f64| (0..rank).map(|k| entry(j, k) * t(k)).sum::<f64>();
        let plain = (0..rows).map(|j| sum(j, &|_| 1.0)).collect();
        let weighted = (0..rows).map(|j| sum(j, &|k| t[k])).collect();
        let any = c.iter().any(|c| *c > 0.0);
        let computed = (0..rows).map(|j| if any { sum(j, &|k| t[k] * c[k]) } else { 0.0 }).collect();
        Self { norms, plain, weighted, computed, product }
    }
}

/// The sizes that the bounds are made of, of scaled columns.
struct Sizes {
    /// `|y| + sum |z_k|`.
    terms: f64,
    /// The same of the norms about zero.
    about_zero: f64,
    /// `sum |z_k|` of the norms about zero, each times the share by which rounding may have moved the cells.
    computed: f64,
    /// Norm of the residuals.
    residual: f64,
    /// Norm of the response.
    response: f64,
    /// Root of the weight.
    root_weight: f64,
    /// `|mean(y)| + sum |b_k mean(x_k)|`.
    of_constant: f64,
}

impl ErrorAnalysis {
    /// `centred` says whether the factor is that of columns less their means, `condition` their condition number.
    pub(crate) fn new<T: Scalar>(
        factor: &Factor<T>,
        scaled: &Scaled<T>,
        centre: &Centre,
        (intercept, centred): (bool, bool),
        (errors, cell_errors): (Errors, &[f64]),
        condition: f64,
    ) -> Self {
        let rank = factor.rank();
        let c: Vec<f64> = factor.kept.iter().map(|&k| cell_errors.get(k).copied().unwrap_or(0.0)).collect();
        // Means in units of the scaled columns.
        let means: Vec<T> = factor.kept.iter().map(|&k| centre.mean::<T>(k) / factor.scale[k]).collect();
        let root = root(&scaled.inverse, &means, intercept);
        let weight: f64 = centre.weight();
        let t: Vec<f64> = means.iter().map(|m| norm_about_zero(centred, weight, m.near(), 1.0)).collect();
        let rows = Rows::new(&root, rank, &t, &c);
        let sizes = Sizes::new(factor, scaled, centre, centred, &means, (&t, &c));
        let growth = growth(errors, &rows, rank);
        let norm =
            |j: usize| if j < rank { rows.norms[j] } else { rows.norms[j].hypot(1.0 / sizes.root_weight) };
        let computed = |j: usize| norm(j) * sizes.computed + sizes.residual * rows.computed[j];
        let arithmetic = |j: usize| growth * (bound(errors, &sizes, &rows, j) + computed(j));
        let input = |j: usize| f64::UNIT * (norm(j) * sizes.about_zero + sizes.residual * rows.weighted[j]);
        let mut terms = vec![None; factor.scale.len()];
        for (c, &k) in factor.kept.iter().enumerate() {
            let scale = factor.scale[k].near();
            let solved = 4.0 * T::UNIT * scaled.values[c].near().abs();
            terms[k] = Some(Quality {
                arithmetic: (arithmetic(c) + solved) / scale,
                input: input(c) / scale,
                vif: Some(rows.norms[c] * rows.norms[c]),
                negligible: NEGLIGIBLE * sizes.response / scale,
            });
        }
        if intercept {
            // The means themselves, and the sum.
            let own = errors.size() * sizes.terms / sizes.root_weight + 8.0 * T::UNIT * sizes.of_constant;
            let negligible = NEGLIGIBLE * sizes.response / sizes.root_weight;
            let constant =
                Quality { arithmetic: arithmetic(rank) + own, input: input(rank), vif: None, negligible };
            terms.insert(0, Some(constant));
        }
        let [residual, residual_input] = sizes.of_residual(errors);
        let typical = sizes.typical(errors, T::UNIT, condition);
        let scale = factor.kept.iter().map(|&k| (k, factor.scale[k].near())).collect();
        let bounds = Bounds { errors, unit: T::UNIT, growth, sizes, rows, t, c, scale };
        let bounds = (T::UNIT < f64::UNIT).then_some(bounds);
        Self { terms, residual, residual_input, bounds, typical }
    }

    /// Why float64 cross-products should not be relied on, if they should not: they usually leave fewer digits than are
    /// `wanted`. `digits` are those of the coefficients.
    pub(crate) fn doubt<T: Scalar>(
        &self,
        factor: &Factor<T>,
        equation: &Equation,
        (digits, wanted): (f64, f64),
    ) -> Option<Warning> {
        if let Some(warning) = undecided(factor, equation) {
            return Some(warning);
        }
        let coarse = |what: &str, digits: f64| {
            Warning::new(COARSE, format!("float64 cross-products leave {what} only {digits:.1} digits"))
        };
        let [coefficients, residual] = self.typical;
        if coefficients < wanted || digits < WARNING_DIGITS {
            return Some(coarse("the coefficients", coefficients.min(digits)));
        }
        if residual < wanted || self.residual < WARNING_DIGITS {
            return Some(coarse("the residual sum of squares", residual.min(self.residual)));
        }
        None
    }

    /// What should be said of the digits of a fit with these coefficients.
    pub(crate) fn warnings(
        &self,
        known: &[Known<'_>],
        constant_response: bool,
        perfect: bool,
    ) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let noise = perfect && self.typical[1].min(self.residual_input) < NOISE_DIGITS;
        if noise {
            let message =
                "essentially perfect fit: the residuals are rounding noise, and so are the standard errors";
            warnings.push(Warning::new("perfect_fit", message));
        }
        if let Some(text) = too_few(known, |k| k.arithmetic) {
            let message = format!("the design is ill-conditioned: the arithmetic leaves {text}");
            warnings.push(Warning::new("few_digits", message));
        }
        // Slopes of a constant response are 0, and no digit of 0 outlasts rounding.
        if let Some(text) = too_few(known, |k| k.input).filter(|_| !constant_response) {
            let message = format!(
                "the design is ill-conditioned: if the cells are rounded, their rounding leaves {text}"
            );
            warnings.push(Warning::new("few_digits", message));
        }
        let residual = self.typical[1].min(self.residual_input);
        if !noise && !constant_response && residual < WARNING_DIGITS {
            let message = format!(
                "about {residual:.0} digits of the residual sum of squares, on which the standard errors rest, are \
                 reliable if the cells are rounded"
            );
            warnings.push(Warning::new("few_digits", message));
        }
        warnings
    }
}

/// A column that the arithmetic was too coarse to decide on.
pub(crate) fn undecided<T: Scalar>(factor: &Factor<T>, equation: &Equation) -> Option<Warning> {
    let undecided = factor.aside.iter().filter(|a| a.undecided);
    let names: Vec<&str> = undecided.map(|a| equation.features[a.column].as_str()).collect();
    let kind = if T::UNIT < f64::UNIT { "double-double" } else { "float64" };
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        let message =
            format!("{kind} cross-products cannot tell whether {names} depends on the columns before");
        Warning::new("undecided", message)
    })
}

/// The digits of a coefficient that is something: measured by its standard error where that is larger, or by what
/// would explain a millionth of the response.
pub(crate) struct Known<'a> {
    name: &'a str,
    arithmetic: f64,
    input: f64,
}

impl<'a> Known<'a> {
    /// Those of all coefficients of which something is known, where the residuals have this standard deviation.
    pub(crate) fn all(coefficients: &'a [Coefficient], sigma: Option<f64>) -> Vec<Self> {
        let known = |c: &'a Coefficient| {
            let quality = c.quality.as_ref()?;
            let size = c.value?.abs().max(sigma.map_or(0.0, |s| s * c.unit_error)).max(quality.negligible);
            let [arithmetic, input] = [quality.arithmetic, quality.input].map(|error| digits(error, size));
            Some(Self { name: &c.term, arithmetic, input })
        };
        coefficients.iter().filter_map(known).collect()
    }

    /// The fewest by the arithmetic, and by the input; that is NaN for a constant response, whose slopes are 0.
    pub(crate) fn fewest(known: &[Self], constant: bool) -> [f64; 2] {
        let fewest = |digits: fn(&Self) -> f64| known.iter().map(digits).fold(MOST_DIGITS, f64::min);
        [fewest(|k| k.arithmetic), if constant { f64::NAN } else { fewest(|k| k.input) }]
    }
}

/// The worst of the coefficients with too few digits, in words.
fn too_few(known: &[Known<'_>], digits: impl Fn(&Known<'_>) -> f64) -> Option<String> {
    const NAMED: usize = 3;
    let mut few: Vec<&Known<'_>> = known.iter().filter(|k| digits(k) < WARNING_DIGITS).collect();
    few.sort_by(|a, b| digits(a).total_cmp(&digits(b)));
    let worst = digits(few.first()?);
    let named: Vec<&str> = few.iter().take(NAMED).map(|k| k.name).collect();
    let others = few.len() - named.len();
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    Some(format!("about {worst:.0} digits of {}{more}", named.join(", ")))
}

/// What the bounds of further combinations of the coefficients are made of.
pub(crate) struct Bounds {
    errors: Errors,
    unit: f64,
    growth: f64,
    sizes: Sizes,
    rows: Rows,
    /// Norms about zero of the scaled columns.
    t: Vec<f64>,
    /// The shares of these by which cells may be off.
    c: Vec<f64>,
    /// Positions and norms of the independent columns.
    scale: Vec<(usize, f64)>,
}

impl Bounds {
    /// How well `y - sum b_k x_k` is known, for means `y` and `x` of some levels that are known to all digits: with `g`
    /// the row `-x' H`, and the norm `unit_error` of its row of `X^+`. `size` is that of the terms, `own` the standard
    /// error that `y` has by itself; both standard errors in units of sigma.
    ///
    /// The 0/1 columns of the levels are exact, so that the input's rounding is that of the other columns alone.
    pub(crate) fn of_effect(&self, x: &[f64], size: f64, unit_error: f64, own: f64) -> Quality {
        let x: Vec<f64> = self.scale.iter().map(|&(k, scale)| x[k] / scale).collect();
        let norms = &self.rows.norms;
        let largest: f64 = x.iter().zip(norms).map(|(x, norm)| x.abs() * norm).sum();
        let g = |k: usize| match &self.rows.product {
            Some(h) => {
                let entry = x.iter().enumerate().map(|(j, x)| x * h[(j, k)]).sum::<f64>();
                entry.abs() + f64::UNIT * (2 * x.len() + 4) as f64 * largest * norms[k]
            }
            None => largest * norms[k],
        };
        let (mut plain, mut weighted, mut computed) = (0.0, 0.0, 0.0);
        for (k, (t, c)) in self.t.iter().zip(&self.c).enumerate() {
            let entry = g(k);
            plain += entry;
            weighted += entry * t;
            computed += entry * t * c;
        }
        let of_cells = unit_error * self.sizes.computed + self.sizes.residual * computed;
        let of_sums = self.errors.size() * self.sizes.terms * plain;
        let arithmetic = self.growth * (of_sums + of_cells) + 8.0 * self.unit * size;
        let input = f64::UNIT * (unit_error * self.sizes.about_zero + self.sizes.residual * weighted);
        let negligible = NEGLIGIBLE * self.sizes.response * own;
        Quality { arithmetic, input, vif: None, negligible }
    }
}

impl Errors {
    fn size(self) -> f64 {
        match self {
            Self::Products(unit) | Self::Rows(unit) => unit,
        }
    }
}

/// The rows of the inverse, rounded, and for an intercept that of `-sum mean(x_k) b_k`.
fn root<T: Scalar>(inverse: &Mat<T>, means: &[T], intercept: bool) -> Mat<f64> {
    let rank = means.len();
    let constant = |c: usize| (0..rank).fold(T::ZERO, |sum, k| sum - means[k] * inverse[(k, c)]);
    Mat::from_fn(rank + usize::from(intercept), rank, |j, c| {
        if j < rank { inverse[(j, c)].near() } else { constant(c).near() }
    })
}

/// Norm about zero of a column with this mean, whose norm is `own`.
fn norm_about_zero(centred: bool, weight: f64, mean: f64, own: f64) -> f64 {
    if centred { own.hypot(weight.sqrt() * mean) } else { own }
}

/// What the terms of higher order can add to the first: `1 / (1 - q)` for perturbations that shrink by `q`. Where
/// they hardly do, the inverse is as uncertain as what it is to bound, and nothing is promised.
fn growth(errors: Errors, rows: &Rows, rank: usize) -> f64 {
    const CERTAIN: f64 = 0.25;
    let largest = |values: &[f64]| values[..rank].iter().copied().fold(0.0, f64::max);
    let shrink = match errors {
        Errors::Products(unit) => unit * rank as f64 * largest(&rows.plain),
        Errors::Rows(unit) => 4.0 * unit * rank as f64 * largest(&rows.norms),
    };
    if shrink < CERTAIN { 1.0 / (1.0 - shrink) } else { f64::INFINITY }
}

/// The bound by the arithmetic for row `j`, in units of the scaled columns.
fn bound(errors: Errors, sizes: &Sizes, rows: &Rows, j: usize) -> f64 {
    match errors {
        Errors::Products(unit) => unit * sizes.terms * rows.plain[j],
        Errors::Rows(unit) => unit * (rows.norms[j] * sizes.terms + sizes.residual * rows.plain[j]),
    }
}

impl Sizes {
    fn new<T: Scalar>(
        factor: &Factor<T>,
        scaled: &Scaled<T>,
        centre: &Centre,
        centred: bool,
        means: &[T],
        (t, c): (&[f64], &[f64]),
    ) -> Self {
        let z: Vec<f64> = scaled.values.iter().map(|v| v.near().abs()).collect();
        let response = factor.tss.near().sqrt();
        let (mean, weight): (f64, f64) = (centre.response(), centre.weight());
        let of_means = z.iter().zip(means).map(|(z, m)| z * m.near().abs()).sum::<f64>();
        Self {
            terms: response + z.iter().sum::<f64>(),
            about_zero: norm_about_zero(centred, weight, mean, response)
                + z.iter().zip(t).map(|(z, t)| z * t).sum::<f64>(),
            computed: z.iter().zip(t).zip(c).map(|((z, t), c)| z * t * c).sum(),
            residual: factor.rss.near().sqrt(),
            response,
            root_weight: weight.sqrt(),
            of_constant: mean.abs() + of_means,
        }
    }

    /// Digits of the residual sum of squares: by the arithmetic, by the input.
    fn of_residual(&self, errors: Errors) -> [f64; 2] {
        let of_cells = self.of_square(Errors::Rows(1.0), self.computed);
        let arithmetic = self.of_square(errors, self.terms).min(of_cells);
        [arithmetic, self.of_square(Errors::Rows(f64::UNIT), self.about_zero)]
    }

    fn of_square(&self, errors: Errors, terms: f64) -> f64 {
        let error = errors.size() * terms;
        let square = self.residual * self.residual;
        match errors {
            Errors::Products(_) => digits(error * terms, square),
            // Of a norm that is off by `error`, its square.
            Errors::Rows(_) => digits((2.0 * self.residual + error) * error, square),
        }
    }

    /// What usually is left of coefficients and residual sum of squares: the bounds without the number of terms,
    /// and by norm. Whether data are worth a second read, and whether residuals are noise, rests on what is likely.
    fn typical(&self, errors: Errors, unit: f64, condition: f64) -> [f64; 2] {
        match errors {
            Errors::Products(_) => [
                digits(unit * condition * condition, 1.0),
                self.of_square(Errors::Products(unit), self.terms),
            ],
            Errors::Rows(_) => {
                [digits(unit * condition, 1.0), self.of_square(Errors::Rows(unit), self.terms)]
            }
        }
    }
}
