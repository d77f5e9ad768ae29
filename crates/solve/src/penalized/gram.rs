//! The centred sums that penalised fits start from.

use std::sync::Arc;

use streamreg_core::{CrossProducts, Moments};

/// Sums of products of the columns and the response, divided by the sum of the weights; about their means
/// where there is an intercept.
#[derive(Clone, Debug)]
pub struct Gram {
    /// `p x p`, symmetric.
    values: Vec<f64>,
    /// With the response, one a column.
    response: Vec<f64>,
    /// Of the response with itself.
    total: f64,
    /// Without an intercept the same about the means, where nothing cancels that need not.
    centred: Option<Box<Centred>>,
    /// Population standard deviations about the mean, one a column; 0 for a constant one.
    sd: Vec<f64>,
    means: Vec<f64>,
    means_low: Vec<f64>,
    response_mean: (f64, f64),
    weight: f64,
    rows: u64,
    intercept: bool,
    names: Arc<[String]>,
}

/// Sums of products about the means.
#[derive(Clone, Debug)]
struct Centred {
    values: Vec<f64>,
    response: Vec<f64>,
    total: f64,
}

impl Centred {
    fn new(products: &CrossProducts) -> Self {
        let (p, weight) = (products.moments().variables() - 1, products.moments().weight());
        let entry = |i: usize, j: usize| products.centred(i, j) / weight;
        Self {
            values: (0..p * p).map(|at| entry(at / p, at % p)).collect(),
            response: (0..p).map(|j| entry(p, j)).collect(),
            total: entry(p, p).max(0.0),
        }
    }
}

/// `v - 2 c'b + b'Gb` for the sums `G`, `c` and `v`.
fn mean_square(values: &[f64], response: &[f64], total: f64, slopes: &[f64]) -> f64 {
    let gradient = gradient(values, response, slopes);
    let terms = slopes.iter().zip(response.iter().zip(&gradient));
    (total - terms.map(|(b, (c, g))| b * (c + g)).sum::<f64>()).max(0.0)
}

/// `c - G b`.
fn gradient(values: &[f64], response: &[f64], slopes: &[f64]) -> Vec<f64> {
    let mut gradient = response.to_vec();
    let columns = values.chunks_exact(slopes.len().max(1)).zip(slopes);
    for (column, b) in columns.filter(|(_, b)| **b != 0.0) {
        gradient.iter_mut().zip(column).for_each(|(g, x)| *g -= b * x);
    }
    gradient
}

impl Gram {
    /// The sums of all variables but the last, which is the response. A column whose spread is no more than
    /// the rounding of its cells counts as constant: beside an intercept its sums are 0.
    /// `names` are those of the columns, for errors.
    pub fn new(products: &CrossProducts, intercept: bool, names: &Arc<[String]>) -> Self {
        let moments = products.moments();
        let p = moments.variables() - 1;
        let weight = moments.weight();
        let constant: Vec<bool> = (0..=p).map(|j| is_constant(products, j)).collect();
        let gone = |j: usize| intercept && constant[j];
        let entry = |i: usize, j: usize| match (intercept, gone(i) || gone(j)) {
            (_, true) => 0.0,
            (true, _) => products.centred(i, j) / weight,
            (false, _) => products.uncentred(i, j) / weight,
        };
        let mut values = vec![0.0; p * p];
        for j in 0..p {
            for i in 0..p {
                values[j * p + i] = entry(i.max(j), i.min(j));
            }
        }
        let sd = |j: usize| if constant[j] { 0.0 } else { (products.centred(j, j) / weight).max(0.0).sqrt() };
        Self {
            values,
            response: (0..p).map(|j| entry(p, j)).collect(),
            total: entry(p, p).max(0.0),
            centred: (!intercept).then(|| Box::new(Centred::new(products))),
            sd: (0..p).map(sd).collect(),
            means: (0..p).map(|j| moments.mean(j)).collect(),
            means_low: (0..p).map(|j| moments.mean_low(j)).collect(),
            response_mean: (moments.mean(p), moments.mean_low(p)),
            weight,
            rows: moments.rows(),
            intercept,
            names: Arc::clone(names),
        }
    }

    /// Columns without spread, whose coefficient is 0; none without an intercept, but for columns of zeros.
    pub fn constant_columns(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|&j| self.diagonal(j) <= 0.0)
    }

    pub(super) fn name(&self, j: usize) -> String {
        self.names.get(j).cloned().unwrap_or_default()
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.response.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.response.is_empty()
    }

    /// Rows in the sums.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sum of the weights.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Mean square of the response, about its mean with an intercept.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The products of column `j` with all columns.
    pub(super) fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.len()..][..self.len()]
    }

    pub(super) fn diagonal(&self, j: usize) -> f64 {
        self.values[j * self.len() + j]
    }

    /// The products of the columns with the response.
    pub(super) fn response(&self) -> &[f64] {
        &self.response
    }

    pub(super) fn sd(&self, j: usize) -> f64 {
        self.sd[j]
    }

    /// Population standard deviation of the response; about zero without an intercept, as glmnet has it.
    pub(super) fn response_sd(&self) -> f64 {
        self.total.sqrt()
    }

    /// The constant that belongs to `slopes`, `mean(y) - sum of b_j mean(x_j)`, as if computed with twice the
    /// precision (Ogita, Rump & Oishi 2005, "Accurate sum and dot product"); 0 without an intercept.
    pub fn constant(&self, slopes: &[f64]) -> f64 {
        if self.intercept { self.mean_residual(slopes) } else { 0.0 }
    }

    fn mean_residual(&self, slopes: &[f64]) -> f64 {
        let (mut sum, mut low) = self.response_mean;
        for (j, b) in slopes.iter().enumerate() {
            let product = -b * self.means[j];
            let product_low = (-b).mul_add(self.means[j], -product) - b * self.means_low[j];
            let next = sum + product;
            let back = next - sum;
            low += (sum - (next - back)) + (product - back) + product_low;
            sum = next;
        }
        sum + low
    }

    /// `c - G b`: what is left of the columns' products with the response.
    pub(super) fn gradient(&self, slopes: &[f64]) -> Vec<f64> {
        gradient(&self.values, &self.response, slopes)
    }

    /// The residual mean square of `slopes`: beside an intercept that about the best constant for them.
    pub(super) fn mean_square(&self, slopes: &[f64]) -> f64 {
        match &self.centred {
            None => mean_square(&self.values, &self.response, self.total, slopes),
            Some(c) => {
                let mean = self.mean_residual(slopes);
                mean_square(&c.values, &c.response, c.total, slopes) + mean * mean
            }
        }
    }

    /// The mean square of these rows' residuals under coefficients that come from the rows of `fitted`: that
    /// about their own mean, and the square of the mean.
    pub(crate) fn mean_square_under(&self, fitted: &Self, slopes: &[f64]) -> f64 {
        if !self.intercept {
            return self.mean_square(slopes);
        }
        let apart = |a: f64, a_low: f64, b: f64, b_low: f64| (a - b) + (a_low - b_low);
        let (own, theirs) = (self.response_mean, fitted.response_mean);
        let shift = |j: usize| {
            apart(self.means[j], self.means_low[j], fitted.means[j], fitted.means_low[j]) * slopes[j]
        };
        let offset = apart(own.0, own.1, theirs.0, theirs.1) - (0..self.len()).map(shift).sum::<f64>();
        self.mean_square(slopes) + offset * offset
    }
}

/// Whether the spread of a variable is no more than the rounding of its cells makes up.
fn is_constant(products: &CrossProducts, j: usize) -> bool {
    let moments: &Moments = products.moments();
    let rounding = 2.0 * f64::EPSILON * moments.mean(j).abs() * moments.weight().sqrt();
    products.centred(j, j).max(0.0).sqrt() <= rounding
}
