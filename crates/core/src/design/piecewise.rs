//! Splines as piecewise polynomials: the bases of R's `splines::bs` and `splines::ns`.
//!
//! B-splines follow the recurrence of de Boor (1972, "On calculating with B-splines") on the knots
//! `low, …, low, interior knots, high, …, high`, the boundary knots `degree + 1` times. For every interval between two
//! knots it is run once on polynomials in `u = x - left knot`, in double-double; a cell takes a Horner scheme. Beyond
//! the boundary knots the outermost polynomials go on. Natural splines are the combinations of cubic ones whose second
//! derivatives vanish at both boundary knots, those that R takes: the last rows of `Q'` of a QR factorisation by
//! Householder's reflections of these derivatives. Beyond the boundary knots they are linear.

use faer::fx128;

use crate::expression::Expr;
use crate::formula::Spline;

/// A polynomial, from the constant up; none is zero.
type Coefficients = Vec<fx128>;

/// The columns of a spline as polynomials on intervals.
#[derive(Clone, Debug)]
pub(crate) struct Piecewise {
    /// What the spline is a function of.
    pub(crate) argument: Expr,
    /// Where one interval ends and the next one begins.
    breaks: Vec<f64>,
    /// For every interval what is subtracted from the argument.
    origins: Vec<f64>,
    /// For every interval the polynomials, one a column.
    polynomials: Vec<Vec<Coefficients>>,
}

/// The interval of a cell, and its distance from the origin there.
pub(crate) type Located = (usize, fx128);

impl Piecewise {
    pub(crate) fn new(spline: &Spline) -> Self {
        let knots = Knots::new(spline);
        let spans = knots.spans();
        let mut polynomials: Vec<Vec<Coefficients>> = spans.iter().map(|&s| knots.basis(s)).collect();
        if !spline.intercept {
            polynomials.iter_mut().for_each(|basis| drop(basis.remove(0)));
        }
        let mut origins: Vec<f64> = spans.iter().map(|&s| knots.0[s]).collect();
        let [low, high] = spline.boundary;
        let inner = &origins[1..];
        if !spline.natural {
            let breaks = inner.to_vec();
            return Self { argument: spline.argument.clone(), breaks, origins, polynomials };
        }
        let breaks = [&[low], inner, &[high]].concat();
        let width = difference(high, origins[origins.len() - 1]);
        let (first, last) = (&polynomials[0], &polynomials[polynomials.len() - 1]);
        let mut constraints = [
            first.iter().map(|p| derivative(p, 2, fx128::ZERO)).collect::<Vec<_>>(),
            last.iter().map(|p| derivative(p, 2, width)).collect(),
        ];
        let combinations = null_space(&mut constraints);
        let combine = |basis: &Vec<Coefficients>| -> Vec<Coefficients> {
            combinations.iter().map(|shares| combination(basis, shares)).collect()
        };
        polynomials = polynomials.iter().map(combine).collect();
        let line =
            |p: &Coefficients, at: fx128| (0..2).map(|k| derivative(p, k, at)).collect::<Coefficients>();
        let below = polynomials[0].iter().map(|p| line(p, fx128::ZERO)).collect();
        let above = polynomials[polynomials.len() - 1].iter().map(|p| line(p, width)).collect();
        polynomials.insert(0, below);
        polynomials.push(above);
        origins.insert(0, low);
        origins.push(high);
        Self { argument: spline.argument.clone(), breaks, origins, polynomials }
    }

    fn interval(&self, x: f64) -> usize {
        self.breaks.partition_point(|&b| b <= x)
    }

    pub(crate) fn locate(&self, x: fx128) -> Located {
        let interval = self.interval(x.0);
        (interval, x.sub_accurate(fx128::from_f64(self.origins[interval])))
    }

    /// The value of a column at a place.
    pub(crate) fn value(&self, column: usize, (interval, u): Located) -> fx128 {
        let polynomial = &self.polynomials[interval][column];
        if !u.0.is_finite() {
            return fx128::NAN;
        }
        match polynomial.split_last() {
            None => fx128::ZERO,
            Some((last, others)) => others.iter().rev().fold(*last, |sum, c| (sum * u).add_accurate(*c)),
        }
    }
}

/// The knots of B-splines, and their degree.
struct Knots(Vec<f64>, usize);

impl Knots {
    fn new(spline: &Spline) -> Self {
        let [low, high] = spline.boundary;
        let order = spline.degree as usize + 1;
        Self([vec![low; order], spline.knots.clone(), vec![high; order]].concat(), order - 1)
    }

    /// The positions of knots that lie before the next one.
    fn spans(&self) -> Vec<usize> {
        (0..self.0.len() - 1).filter(|&s| self.0[s] < self.0[s + 1]).collect()
    }

    /// All B-splines between the knot at `span` and the next one, as polynomials in the distance from it.
    fn basis(&self, span: usize) -> Vec<Coefficients> {
        let Self(t, degree) = self;
        let from = |j: usize| difference(t[span], t[j]);
        let mut basis: Vec<Coefficients> = vec![Vec::new(); t.len() - 1];
        basis[span] = vec![fx128::ONE];
        for d in 1..=*degree {
            // Those below are overwritten in ascending order; the one above is needed as it was.
            for j in span.saturating_sub(d)..=span {
                let mut sum = vec![fx128::ZERO; d + 1];
                // (u + t_s - t_j) / (t_(j+d) - t_j) of this one
                add_product(&mut sum, &basis[j], from(j), fx128::ONE, difference(t[j + d], t[j]));
                // (t_(j+d+1) - t_s - u) / (t_(j+d+1) - t_(j+1)) of the next one
                let to = -from(j + d + 1);
                add_product(&mut sum, &basis[j + 1], to, -fx128::ONE, difference(t[j + d + 1], t[j + 1]));
                basis[j] = sum;
            }
        }
        basis.truncate(t.len() - degree - 1);
        basis
    }
}

fn difference(a: f64, b: f64) -> fx128 {
    fx128::from_f64(a).sub_accurate(fx128::from_f64(b))
}

/// Adds `polynomial (constant + slope u) / divisor`.
fn add_product(sum: &mut [fx128], polynomial: &Coefficients, constant: fx128, slope: fx128, divisor: fx128) {
    for (k, &c) in polynomial.iter().enumerate() {
        let share = c / divisor;
        sum[k] = sum[k].add_accurate(share * constant);
        sum[k + 1] = sum[k + 1].add_accurate(share * slope);
    }
}

/// The derivative of this order at `u`.
fn derivative(polynomial: &Coefficients, order: usize, u: fx128) -> fx128 {
    let factor = |k: usize| (0..order).map(|i| (k - i) as f64).product::<f64>();
    let terms = polynomial.iter().enumerate().skip(order).rev();
    terms.fold(fx128::ZERO, |sum, (k, &c)| (sum * u).add_accurate(c * fx128::from_f64(factor(k))))
}

fn combination(basis: &[Coefficients], shares: &[fx128]) -> Coefficients {
    let mut sum = Vec::new();
    for (polynomial, &share) in basis.iter().zip(shares) {
        sum.resize(polynomial.len().max(sum.len()), fx128::ZERO);
        for (s, &c) in sum.iter_mut().zip(polynomial) {
            *s = s.add_accurate(c * share);
        }
    }
    sum
}

/// The rows of `Q'` beyond the first ones, where `Q R` has the two constraints as columns: by LINPACK's reflections
/// (Dongarra et al. 1979), which decide the signs.
fn null_space(constraints: &mut [Vec<fx128>; 2]) -> Vec<Vec<fx128>> {
    let n = constraints[0].len();
    let mut reflections: Vec<Vec<fx128>> = Vec::new();
    for l in 0..2 {
        let column = &constraints[l];
        let length = column[l..].iter().fold(fx128::ZERO, |sum, &x| sum.add_accurate(x * x)).sqrt();
        let length = if column[l].0 < 0.0 { -length } else { length };
        let mut reflection = vec![fx128::ZERO; n];
        for i in l..n {
            reflection[i] = column[i] / length;
        }
        reflection[l] = reflection[l].add_accurate(fx128::ONE);
        for other in &mut constraints[l + 1..] {
            reflect(&reflection, l, other);
        }
        reflections.push(reflection);
    }
    let mut rows = vec![vec![fx128::ZERO; n]; n - 2];
    for j in 0..n {
        let mut unit = vec![fx128::ZERO; n];
        unit[j] = fx128::ONE;
        reflections.iter().enumerate().for_each(|(l, reflection)| reflect(reflection, l, &mut unit));
        rows.iter_mut().zip(&unit[2..]).for_each(|(row, &value)| row[j] = value);
    }
    rows
}

fn reflect(reflection: &[fx128], l: usize, vector: &mut [fx128]) {
    let dot = reflection.iter().zip(&*vector).fold(fx128::ZERO, |sum, (&r, &x)| sum.add_accurate(r * x));
    let share = dot / reflection[l];
    for (x, &r) in vector.iter_mut().zip(reflection) {
        *x = x.sub_accurate(share * r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::{Factor, Formula};

    fn piecewise(text: &str) -> Piecewise {
        let terms = Formula::parse(text).and_then(|f| f.expand(&[])).unwrap().terms;
        match &terms[0].factors()[0] {
            Factor::Spline(spline) => Piecewise::new(spline),
            other => panic!("{other}"),
        }
    }

    fn row(basis: &Piecewise, x: f64) -> Vec<fx128> {
        let at = basis.locate(fx128::from_f64(x));
        (0..basis.polynomials[0].len()).map(|column| basis.value(column, at)).collect()
    }

    #[test]
    fn b_splines_add_up_to_one() {
        let basis =
            piecewise("bs(x, knots=c(1, 2.5, 2.5, 4), degree=3, intercept=TRUE, Boundary.knots=c(0, 7))");
        for x in [-1.0, 0.0, 0.3, 1.0, 2.5, 3.9, 4.0, 6.5, 7.0, 8.0] {
            let row = row(&basis, x);
            let sum = row.iter().fold(fx128::ZERO, |sum, &v| sum + v);
            assert!((sum.0 - 1.0 + sum.1).abs() < 1e-28, "{x}: {sum:?}");
        }
    }

    #[test]
    fn natural_splines_are_smooth_and_linear_beyond() {
        let basis = piecewise("ns(x, knots=c(1, 3), Boundary.knots=c(0, 7))");
        for column in 0..3 {
            let at = |x: f64| {
                let v = row(&basis, x)[column];
                v.0 + v.1
            };
            for x in [-2.0, -1.0, 8.0, 9.0] {
                assert!((at(x - 0.5) - 2.0 * at(x) + at(x + 0.5)).abs() < 1e-14, "{x}");
            }
            for knot in [0.0, 1.0, 3.0, 7.0] {
                let h = 1e-4;
                let second = |x: f64| (at(x - h) - 2.0 * at(x) + at(x + h)) / (h * h);
                assert!((second(knot - 2.0 * h) - second(knot + 2.0 * h)).abs() < 1e-2, "{knot}");
            }
        }
    }

    #[test]
    fn a_missing_argument_stays_missing() {
        let basis = piecewise("bs(x, knots=c(1, 2, 3, 4), Boundary.knots=c(0, 7))");
        for column in 0..7 {
            let located = basis.locate(fx128::NAN);
            assert!(basis.value(column, located).0.is_nan());
        }
    }
}
