//! Least squares over the rationals, and the statistics that it starts from.

use faer::fx128;
use num_bigint::{BigInt, Sign};
use streamreg_core::{
    Accumulator, Column, CrossProducts, DesignBlock, DoubleDoubleProducts, TriangularFactor,
};
use streamreg_solve::{Equation, Fit, SolveInput, SolveOptions, fit};

/// `num / den * 2^exp`.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    num: BigInt,
    den: BigInt,
    exp: i64,
}

fn is_zero(value: &BigInt) -> bool {
    value.sign() == Sign::NoSign
}

impl Ratio {
    fn of(value: f64) -> Self {
        let (num, exp) = dyadic(value);
        Self { num: num.into(), den: 1.into(), exp }
    }

    /// To about 2^-106.
    pub(crate) fn double_double(&self) -> fx128 {
        if is_zero(&self.num) {
            return fx128::ZERO;
        }
        let shift = 130 - (self.num.bits() as i64 - self.den.bits() as i64);
        let (num, den) = if shift > 0 {
            (&self.num << shift as u64, self.den.clone())
        } else {
            (self.num.clone(), &self.den << (-shift) as u64)
        };
        let quotient = num / den;
        let high = top(&quotient);
        let rest = quotient - whole(high);
        let low = top(&rest);
        let exp = self.exp - shift;
        fx128::from_f64(scaled(high, exp)).add_accurate(fx128::from_f64(scaled(low, exp)))
    }

    /// `self - other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let exp = self.exp.min(other.exp);
        let (a, b) = (&self.num << (self.exp - exp) as u64, &other.num << (other.exp - exp) as u64);
        Self { num: a * &other.den - b * &self.den, den: &self.den * &other.den, exp }
    }

    fn times(&self, other: &Self) -> Self {
        Self { num: &self.num * &other.num, den: &self.den * &other.den, exp: self.exp + other.exp }
    }

    fn over(&self, divisor: &Self) -> Self {
        Self { num: &self.num * &divisor.den, den: &self.den * &divisor.num, exp: self.exp - divisor.exp }
    }

    fn near(&self) -> f64 {
        let fx128 { 0: high, .. } = self.double_double();
        high
    }

    /// Correct digits of a value of this number: the log relative error, at most 16.
    pub(crate) fn digits_of(&self, found: f64) -> f64 {
        let error = Self::of(found).minus(self);
        let relative = if is_zero(&self.num) { error } else { error.over(self) };
        (-relative.near().abs().log10()).min(16.0)
    }
}

/// A float64 as an integer times a power of two.
fn dyadic(value: f64) -> (i64, i64) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64;
    let mantissa = (bits & ((1 << 52) - 1)) as i64;
    let size = if exponent == 0 { mantissa } else { mantissa | 1 << 52 };
    (if value < 0.0 { -size } else { size }, exponent.max(1) - 1075)
}

/// The leading 53 bits of an integer, as a float64 of the same size.
fn top(value: &BigInt) -> f64 {
    let drop = value.bits().saturating_sub(53);
    let head = i64::try_from(value >> drop).unwrap();
    scaled(head as f64, drop as i64)
}

/// An integral float64 as an integer.
fn whole(value: f64) -> BigInt {
    let (mantissa, exp) = dyadic(value);
    let mantissa = BigInt::from(mantissa);
    if exp >= 0 { mantissa << exp as u64 } else { mantissa >> (-exp) as u64 }
}

fn scaled(value: f64, exp: i64) -> f64 {
    // In two steps: the power alone may be out of range.
    let half = (exp / 2) as i32;
    value * 2f64.powi(half) * 2f64.powi(exp as i32 - half)
}

/// Columns of float64, the response last.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    pub(crate) columns: Vec<Vec<f64>>,
    pub(crate) intercept: bool,
}

/// Sums of the columns as integers: column `j` in units of `2^exps[j]`.
struct Sums {
    exps: Vec<i64>,
    sums: Vec<BigInt>,
    products: Vec<Vec<BigInt>>,
}

/// The solution over the rationals.
pub(crate) struct Exact {
    pub(crate) coefficients: Vec<Ratio>,
    /// Diagonal of `(X'X)^-1`.
    pub(crate) variances: Vec<Ratio>,
    pub(crate) rss: Ratio,
}

impl Cells {
    pub(crate) fn rows(&self) -> usize {
        self.columns[0].len()
    }

    fn sums(&self) -> Sums {
        let exp =
            |column: &Vec<f64>| column.iter().filter(|v| **v != 0.0).map(|v| dyadic(*v).1).min().unwrap_or(0);
        let exps: Vec<i64> = self.columns.iter().map(exp).collect();
        let integer = |v: &f64, exp: i64| match dyadic(*v) {
            (0, _) => BigInt::ZERO,
            (mantissa, own) => BigInt::from(mantissa) << (own - exp) as u64,
        };
        let integers: Vec<Vec<BigInt>> = self
            .columns
            .iter()
            .zip(&exps)
            .map(|(column, &exp)| column.iter().map(|v| integer(v, exp)).collect())
            .collect();
        let dot = |a: &[BigInt], b: &[BigInt]| a.iter().zip(b).map(|(a, b)| a * b).sum::<BigInt>();
        let row = |a: &Vec<BigInt>| integers.iter().map(|b| dot(a, b)).collect();
        Sums {
            exps,
            sums: integers.iter().map(|c| c.iter().sum()).collect(),
            products: integers.iter().map(row).collect(),
        }
    }

    /// `n [X y]'[X y]`, about the means with an intercept.
    fn gram(&self, sums: &Sums, centred: bool) -> Vec<Vec<BigInt>> {
        let n = BigInt::from(self.rows());
        let m = self.columns.len();
        let mean = |i: usize, j: usize| {
            if centred { &sums.sums[i] * &sums.sums[j] } else { BigInt::ZERO }
        };
        (0..m).map(|i| (0..m).map(|j| &n * &sums.products[i][j] - mean(i, j)).collect()).collect()
    }

    pub(crate) fn double_double(&self) -> DoubleDoubleProducts {
        let sums = self.sums();
        let gram = self.gram(&sums, true);
        let (m, n) = (self.columns.len(), BigInt::from(self.rows()));
        let mut products = vec![fx128::ZERO; m * m];
        for j in 0..m {
            for i in j..m {
                let entry =
                    Ratio { num: gram[i][j].clone(), den: n.clone(), exp: sums.exps[i] + sums.exps[j] };
                products[j * m + i] = entry.double_double();
            }
        }
        let mean =
            |j: usize| Ratio { num: sums.sums[j].clone(), den: n.clone(), exp: sums.exps[j] }.double_double();
        let weight = fx128::from_f64(self.rows() as f64);
        DoubleDoubleProducts::from_parts(self.rows() as u64, weight, (0..m).map(mean).collect(), products)
    }

    /// `None` for dependent columns.
    pub(crate) fn solve(&self) -> Option<Exact> {
        let sums = self.sums();
        let gram = self.gram(&sums, self.intercept);
        let (p, y) = (self.columns.len() - 1, self.columns.len() - 1);
        let n = BigInt::from(self.rows());
        let features: Vec<Vec<BigInt>> = (0..p).map(|i| gram[i][..p].to_vec()).collect();
        let det = determinant(features.clone());
        if is_zero(&det) {
            return None;
        }
        // Cramer's rule: the response in the place of column `j`.
        let slope = |j: usize| {
            let mut replaced = features.clone();
            (0..p).for_each(|i| replaced[i][j] = gram[i][y].clone());
            let num = determinant(replaced);
            Ratio { num, den: det.clone(), exp: sums.exps[y] - sums.exps[j] }
        };
        let mut coefficients: Vec<Ratio> = (0..p).map(slope).collect();
        let mut rss = Ratio { num: gram[y][y].clone(), den: n.clone(), exp: 2 * sums.exps[y] };
        for (j, b) in coefficients.iter().enumerate() {
            let cross = Ratio { num: gram[j][y].clone(), den: n.clone(), exp: sums.exps[y] + sums.exps[j] };
            rss = rss.minus(&b.times(&cross));
        }
        let cofactor = |j: usize| {
            let without = |row: &Vec<BigInt>| (0..p).filter(|&k| k != j).map(|k| row[k].clone()).collect();
            let num = &n * determinant((0..p).filter(|&i| i != j).map(|i| without(&features[i])).collect());
            Ratio { num, den: det.clone(), exp: -2 * sums.exps[j] }
        };
        let variances = (0..p).map(cofactor).collect();
        if self.intercept {
            let mean = |j: usize| Ratio { num: sums.sums[j].clone(), den: n.clone(), exp: sums.exps[j] };
            let parts = coefficients.iter().enumerate().map(|(j, b)| b.times(&mean(j)));
            let constant = parts.fold(mean(y), |sum, part| sum.minus(&part));
            coefficients.insert(0, constant);
        }
        Some(Exact { coefficients, variances, rss })
    }

    pub(crate) fn equation(&self) -> Equation {
        Equation {
            response: "y".into(),
            features: (1..self.columns.len()).map(|j| format!("x{j}")).collect(),
            intercept: self.intercept,
            nobs: self.rows() as u128,
            log_weights: 0.0,
            cell_errors: Vec::new(),
            amplification: 1.0,
        }
    }

    fn feed<A: Accumulator>(&self, mut state: A) -> A {
        const BLOCK: usize = 1_024;
        for from in (0..self.rows()).step_by(BLOCK) {
            let range = from..self.rows().min(from + BLOCK);
            let block = |c: &'_ Vec<f64>| -> Vec<f64> { c[range.clone()].to_vec() };
            let cells: Vec<Vec<f64>> = self.columns.iter().map(block).collect();
            let columns: Vec<Column<'_>> = cells.iter().map(|c| Column::from(c.as_slice())).collect();
            let rows = range.len();
            state
                .update(&DesignBlock {
                    columns: &columns,
                    codes: &[],
                    sparse: None,
                    weights: None,
                    mask: None,
                    rows,
                })
                .unwrap();
        }
        state
    }

    /// The fit of exact sums, of float64 sums, of rows.
    pub(crate) fn fits(&self, options: &SolveOptions) -> [Fit; 3] {
        let m = self.columns.len();
        let (double_double, products) = (self.double_double(), self.feed(CrossProducts::new(m)));
        let rows = self.feed(TriangularFactor::new(m));
        let of = |statistics| fit(statistics, &self.equation(), options).unwrap().fit;
        [
            of(SolveInput::Exact(&double_double)),
            of(SolveInput::CrossProducts(&products)),
            of(SolveInput::TriangularFactor(&rows)),
        ]
    }
}

/// By fraction-free elimination (Bareiss 1968).
fn determinant(mut a: Vec<Vec<BigInt>>) -> BigInt {
    let size = a.len();
    let (mut last, mut negative) = (BigInt::from(1), false);
    for k in 0..size.saturating_sub(1) {
        let Some(pivot) = (k..size).find(|&i| !is_zero(&a[i][k])) else { return BigInt::ZERO };
        if pivot != k {
            a.swap(pivot, k);
            negative = !negative;
        }
        for i in k + 1..size {
            for j in k + 1..size {
                a[i][j] = (&a[i][j] * &a[k][k] - &a[i][k] * &a[k][j]) / &last;
            }
        }
        last = a[k][k].clone();
    }
    let det = if size == 0 { BigInt::from(1) } else { a[size - 1][size - 1].clone() };
    if negative { -det } else { det }
}
