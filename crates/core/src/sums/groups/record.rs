//! The sums of one combination of levels.

use faer::fx128;

use super::Summed;
use super::shard::Records;
use crate::sums::exact::BigFixed;
use crate::sums::saved::SavedSums;

/// The sums of one combination of levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'t> {
    summed: &'t Summed,
    records: &'t Records,
    position: usize,
}

impl<'t> Record<'t> {
    pub(super) fn new(summed: &'t Summed, records: &'t Records, position: usize) -> Self {
        Self { summed, records, position }
    }

    fn place_of(&self, variable: usize) -> Option<usize> {
        self.summed.variables.iter().position(|&v| v == variable)
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> f64 {
        match self.records {
            Records::Float(records) => records.rows(self.position),
            Records::Exact(records) => records.rows(self.position) as f64,
        }
    }

    /// Sum of the weights.
    pub(crate) fn weight(&self) -> f64 {
        match self.records {
            Records::Float(records) => records.weight(self.position),
            Records::Exact(records) => records.weight(self.position).0,
        }
    }

    /// Sum of the logarithms of the weights.
    pub(crate) fn log_weights(&self) -> f64 {
        match self.records {
            Records::Float(records) => records.log_weights(self.position),
            Records::Exact(records) => records.log_weights(self.position),
        }
    }

    /// A number near the mean of a variable, and the sum of its values about it. Zeros for a variable that the
    /// table does not sum.
    pub(crate) fn sum(&self, variable: usize) -> (f64, f64) {
        let Some(j) = self.place_of(variable) else { return (0.0, 0.0) };
        match self.records {
            Records::Float(records) => records.sum(self.position, j),
            Records::Exact(records) => records.sum_about_mean(self.position, j),
        }
    }

    /// The sum of `(u - a) w`, where `a` is given as a high and a low part.
    pub(crate) fn sum_about(&self, variable: usize, a: f64, low: f64) -> f64 {
        match (self.records, self.place_of(variable)) {
            (Records::Exact(records), Some(j)) => {
                let shift = records.weight(self.position) * fx128::from_f64(a).add_accurate(low.into());
                records.sum(self.position, j).sub_accurate(shift).0
            }
            _ => {
                let (origin, sum) = self.sum(variable);
                sum + self.weight() * ((origin - a) - low)
            }
        }
    }

    /// The sum of the products of two variables about the numbers that [`Record::sum`] gives; one of them must be a
    /// slope.
    pub(crate) fn product(&self, u: usize, v: usize) -> f64 {
        let (Some(a), Some(b)) = (self.place_of(u), self.place_of(v)) else { return f64::NAN };
        match self.records {
            Records::Float(records) => records.product(self.position, a, b),
            Records::Exact(records) => records.product_about_means(self.position, a, b),
        }
    }

    /// [`Record::sum`] of the first `m` variables.
    pub(crate) fn sums(&self, m: usize) -> Vec<(f64, f64)> {
        match &self.records {
            Records::Exact(records) => {
                let sums = records.sums_about_means(self.position);
                (0..m).map(|v| self.place_of(v).map_or((0.0, 0.0), |j| sums[j])).collect()
            }
            Records::Float(_) => (0..m).map(|v| self.sum(v)).collect(),
        }
    }

    /// [`Record::product`] of the first `m` variables with themselves.
    pub(crate) fn squares(&self, m: usize) -> Vec<f64> {
        let Records::Exact(records) = &self.records else {
            return (0..m).map(|v| self.product(v, v)).collect();
        };
        let weight = records.weight(self.position);
        let square = |j: usize| {
            let own = (j, records.sum(self.position, j));
            records.product_about(self.position, weight, own, own)
        };
        (0..m).map(|v| self.place_of(v).map_or(f64::NAN, square)).collect()
    }

    /// [`Record::product`] of every pair of the first `m` variables, the lower triangle column by column.
    pub(crate) fn products(&self, m: usize) -> Vec<f64> {
        let mut products = vec![0.0; m * m];
        let own = match &self.records {
            Records::Exact(records) => {
                Some((records, records.weight(self.position), records.variable_sums(self.position)))
            }
            Records::Float(_) => None,
        };
        for j in 0..m {
            for i in j..m {
                products[j * m + i] = match (&own, self.place_of(i), self.place_of(j)) {
                    (Some((records, weight, sums)), Some(a), Some(b)) => {
                        records.product_about(self.position, *weight, (a, sums[a]), (b, sums[b]))
                    }
                    _ => self.product(i, j),
                };
            }
        }
        products
    }

    /// Where sums are exact, of all products, and all weights 1: means of some variables, whether they are whole numbers, and
    /// the products about the means, row by row.
    pub(crate) fn centred(&self, variables: &[usize]) -> Option<(Vec<fx128>, Vec<bool>, Vec<fx128>)> {
        let Records::Exact(records) = &self.records else { return None };
        let n = records.count(self.position).filter(|_| self.summed.shape.is_full())?;
        let places = variables.iter().map(|&v| self.place_of(v)).collect::<Option<Vec<_>>>()?;
        let m = places.len();
        let sums: Vec<_> = places.iter().map(|&j| records.magnitude(self.position, j)).collect();
        let mut products = vec![fx128::ZERO; m * m];
        for (i, &a) in places.iter().enumerate() {
            for (j, &b) in places.iter().enumerate().skip(i) {
                let product = records.centred(self.position, (a, b), (&sums[i], &sums[j]), n);
                (products[i * m + j], products[j * m + i]) = (product, product);
            }
        }
        let (means, whole) = places.iter().map(|&j| records.mean_of(self.position, j, n)).unzip();
        Some((means, whole, products))
    }

    /// Rows and sums, to be saved.
    pub(crate) fn saved(&self) -> (u64, SavedSums) {
        match self.records {
            Records::Exact(records) => {
                (records.rows(self.position), SavedSums::Exact(records.saved(self.position).collect()))
            }
            Records::Float(records) => {
                let sums = records.saved(self.position).to_vec();
                (records.rows(self.position) as u64, SavedSums::Float { sums, log_weights: None })
            }
        }
    }

    /// The exact sum of the weights of the rows, or of a variable; `None` where sums are not exact.
    pub(crate) fn exact_sum(&self, variable: Option<usize>) -> Option<BigFixed> {
        let Records::Exact(records) = self.records else { return None };
        match variable {
            None => Some(records.exact_weight(self.position)),
            Some(v) => Some(records.exact_sum(self.position, self.place_of(v)?)),
        }
    }

    /// The exact sum of the products of two variables, of which one must be a slope.
    pub(crate) fn exact_product(&self, u: usize, v: usize) -> Option<BigFixed> {
        let Records::Exact(records) = self.records else { return None };
        Some(records.exact_product(self.position, self.place_of(u)?, self.place_of(v)?))
    }
}
