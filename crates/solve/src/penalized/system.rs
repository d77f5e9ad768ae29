//! Symmetric systems of equations over some of the columns.

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, Side};

use super::Gram;

/// Relative residuals below this are rounding in a float64 Gram matrix, whose pivots are their squares.
const FLOOR: f64 = 1e-7;

/// `G + diag(l2)` over the columns of `active`, scaled to a unit diagonal and factored.
pub(super) struct System<'a> {
    gram: &'a Gram,
    l2: &'a [f64],
    active: &'a [usize],
    /// Square roots of the diagonal.
    scale: Vec<f64>,
    factor: Llt<f64>,
    smallest: f64,
}

impl<'a> System<'a> {
    /// The factored matrix, or the first of the active columns that depends on those before.
    pub(super) fn new(gram: &'a Gram, l2: &'a [f64], active: &'a [usize]) -> Result<Self, usize> {
        let scale: Vec<f64> = active.iter().map(|&j| (gram.diagonal(j) + l2[j]).sqrt()).collect();
        if let Some(zero) = scale.iter().position(|s| *s == 0.0 || !s.is_finite()) {
            return Err(active[zero]);
        }
        let entry = |a: usize, b: usize| {
            let own = if a == b { l2[active[a]] } else { 0.0 };
            (gram.column(active[b])[active[a]] + own) / scale[a] / scale[b]
        };
        let matrix = Mat::from_fn(active.len(), active.len(), entry);
        let factor = matrix.llt(Side::Lower).map_err(|_| active[first_dependent(&matrix)])?;
        let pivots = (0..active.len()).map(|a| factor.L()[(a, a)]);
        match pivots.clone().position(|pivot| pivot.is_nan() || pivot < FLOOR) {
            Some(a) => Err(active[a]),
            None => {
                let smallest = pivots.fold(1.0, f64::min);
                Ok(Self { gram, l2, active, scale, factor, smallest })
            }
        }
    }

    /// Decimal digits that the smallest pivot leaves the solution.
    pub(super) fn digits(&self) -> f64 {
        -(0.5 * f64::EPSILON / (self.smallest * self.smallest)).log10()
    }

    /// The solution for a right side given over the active columns, refined twice.
    pub(super) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut solution = self.solve_once(right);
        for _ in 0..2 {
            let residual = self.residual(right, &solution);
            let correction = self.solve_once(&residual);
            solution.iter_mut().zip(correction).for_each(|(x, d)| *x += d);
        }
        solution
    }

    fn solve_once(&self, right: &[f64]) -> Vec<f64> {
        let scaled = Mat::from_fn(right.len(), 1, |a, _| right[a] / self.scale[a]);
        let solved = self.factor.solve(&scaled);
        (0..right.len()).map(|a| solved[(a, 0)] / self.scale[a]).collect()
    }

    /// `right - (G + diag(l2)) x`, accumulated in twice the precision.
    fn residual(&self, right: &[f64], solution: &[f64]) -> Vec<f64> {
        let row = |a: usize| {
            let column = self.gram.column(self.active[a]);
            let mut sum = Doubled(right[a], 0.0);
            for (&j, &x) in self.active.iter().zip(solution) {
                sum.subtract(column[j], x);
            }
            sum.subtract(self.l2[self.active[a]], solution[a]);
            sum.0 + sum.1
        };
        (0..right.len()).map(row).collect()
    }

    /// `sum of l2_j (matrix^-1)_jj`: what the squares take from the degrees of freedom.
    pub(super) fn shrinkage(&self) -> f64 {
        let k = self.active.len();
        let inverse = self.factor.solve(&Mat::<f64>::identity(k, k));
        let share = |a: usize| self.l2[self.active[a]] * inverse[(a, a)] / self.scale[a] / self.scale[a];
        (0..k).map(share).sum()
    }
}

/// The first column of a matrix that is not positive definite for the columns before it: all leading parts without it have a
/// factor, all with it have none.
fn first_dependent(matrix: &Mat<f64>) -> usize {
    let (mut good, mut bad) = (0, matrix.nrows());
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match matrix.submatrix(0, 0, middle, middle).llt(Side::Lower) {
            Ok(factor) if (0..middle).all(|a| factor.L()[(a, a)] >= FLOOR) => good = middle,
            _ => bad = middle,
        }
    }
    good
}

/// A sum and what rounding took from it (Ogita, Rump & Oishi 2005).
struct Doubled(f64, f64);

impl Doubled {
    fn subtract(&mut self, a: f64, b: f64) {
        let product = -a * b;
        let low = (-a).mul_add(b, -product);
        let next = self.0 + product;
        let back = next - self.0;
        self.1 += (self.0 - (next - back)) + (product - back) + low;
        self.0 = next;
    }
}
