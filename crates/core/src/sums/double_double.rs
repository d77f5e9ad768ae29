//! Means and cross-products in double-double arithmetic: what exact sums are solved from.

use faer::fx128;

/// Counts, means and centred cross-products of some columns, each carried to about 2^-104 of itself.
///
/// A float64 normal matrix squares the condition number away; sums that are exact are worth nothing if they are
/// rounded to float64 before they are solved. So they are centred in wide integers, rounded once to two float64
/// each ([`fx128`]), and solved in that arithmetic.
#[derive(Clone, Debug)]
pub struct DoubleDoubleProducts {
    rows: u64,
    weight: fx128,
    means: Vec<fx128>,
    /// Lower triangle, column-major, `variables` x `variables`.
    products: Vec<fx128>,
    /// Which columns hold whole numbers, as their sums tell.
    whole: Vec<bool>,
}

impl DoubleDoubleProducts {
    /// From the number of rows, the sum of their weights, the means, and the lower triangle of the centred
    /// products, column-major with as many rows as there are means.
    pub fn from_parts(rows: u64, weight: fx128, means: Vec<fx128>, products: Vec<fx128>) -> Self {
        debug_assert_eq!(products.len(), means.len() * means.len());
        let whole = vec![false; means.len()];
        Self { rows, weight, means, products, whole }
    }

    /// Says which columns hold whole numbers. No cell of theirs was rounded, so however little they vary, beside their mean or
    /// beside other columns, is meant.
    #[must_use]
    pub fn with_whole(mut self, whole: Vec<bool>) -> Self {
        debug_assert_eq!(whole.len(), self.means.len());
        self.whole = whole;
        self
    }

    /// Those of some of the variables, in the given order.
    pub fn select(&self, variables: &[usize]) -> Self {
        let m = variables.len();
        let mut products = vec![fx128::ZERO; m * m];
        for (j, &b) in variables.iter().enumerate() {
            for (i, &a) in variables.iter().enumerate().skip(j) {
                products[j * m + i] = self.centred(a, b);
            }
        }
        let means = variables.iter().map(|&v| self.means[v]).collect();
        let whole = variables.iter().map(|&v| self.whole[v]).collect();
        Self { rows: self.rows, weight: self.weight, means, products, whole }
    }

    /// Number of variables, the response included.
    pub fn variables(&self) -> usize {
        self.means.len()
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sum of the weights.
    pub fn weight(&self) -> fx128 {
        self.weight
    }

    /// Weighted mean of a variable.
    pub fn mean(&self, variable: usize) -> fx128 {
        self.means[variable]
    }

    /// Whether a variable holds whole numbers: see [`DoubleDoubleProducts::with_whole`].
    pub fn is_whole(&self, variable: usize) -> bool {
        self.whole[variable]
    }

    /// Weighted sum of `(x_i - mean_i) (x_j - mean_j)`.
    pub fn centred(&self, i: usize, j: usize) -> fx128 {
        self.products[i.min(j) * self.means.len() + i.max(j)]
    }

    /// Weighted sum of `x_i x_j`.
    pub fn uncentred(&self, i: usize, j: usize) -> fx128 {
        self.centred(i, j) + self.weight * self.means[i] * self.means[j]
    }
}
