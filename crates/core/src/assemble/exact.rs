//! Cross-products of the design matrix's columns from exact sums.

use faer::fx128;

use super::base_columns::BaseColumns;
use super::{Group, joint};
use crate::design::layout::{BaseColumn, Layout};
use crate::error::{Error, ErrorKind, Result};
use crate::sums::double_double::DoubleDoubleProducts;
use crate::sums::exact::BigFixed;

impl Group<'_> {
    /// The cross-products of the columns of `layout`, followed by the responses, in double-double; `None` where
    /// sums are not exact.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] for a column whose sum of squares float64's exponents do not reach.
    ///
    /// Base columns are centred in integers, `(W sum(w a b) - sum(w a) sum(w b)) / W`, so that each of their
    /// products is rounded once; combinations of them are taken in double-double.
    pub fn double_double_products(&self, layout: &Layout) -> Result<Option<DoubleDoubleProducts>> {
        let responses = self.design.first_response()..self.design.variables.len();
        let bases = BaseColumns::new(layout, responses);
        let Some(products) = self.double_double_of(&bases) else { return Ok(None) };
        let n = bases.items.len();
        for (at, base) in bases.items.iter().enumerate() {
            self.check_square(base, products.gram[at * n + at])?;
        }
        let weight = products.weight;
        let (means, combined) = bases.combine_double_double(products.gram, products.means);
        let whole = bases
            .columns
            .iter()
            .map(|column| column.iter().all(|&(at, f)| products.whole[at] && f.fract() == 0.0));
        let whole = whole.collect();
        let combined = DoubleDoubleProducts::from_parts(self.rows(), weight, means, combined);
        Ok(Some(combined.with_whole(whole)))
    }

    /// Cross-products and means of base columns.
    fn double_double_of(&self, bases: &BaseColumns) -> Option<BaseProducts> {
        if let Some(products) = self.double_double_of_variables(bases) {
            return Some(products);
        }
        let weight = self.exact_weight()?;
        let sums: Vec<BigFixed> =
            bases.items.iter().map(|base| self.exact_sum(base)).collect::<Option<_>>()?;
        let n = bases.items.len();
        let mut gram = vec![fx128::ZERO; n * n];
        let mut whole = vec![false; n];
        for j in 0..n {
            for i in j..n {
                let product = self.exact_product(&bases.items[i], &bases.items[j])?;
                whole[j] |= i == j && product.is_whole() && sums[j].is_whole();
                let centred = weight.mul(&product).sub(&sums[i].mul(&sums[j])).div_to_double(&weight);
                (gram[j * n + i], gram[i * n + j]) = (centred, centred);
            }
        }
        let means = sums.iter().map(|sum| sum.div_to_double(&weight)).collect();
        Some(BaseProducts { weight: weight.to_double(), means, gram, whole })
    }

    /// The same, sooner, where the base columns are variables of a record, whose rows have no weights.
    fn double_double_of_variables(&self, bases: &BaseColumns) -> Option<BaseProducts> {
        if self.exact.is_some() {
            return None;
        }
        let variable = |base: &BaseColumn| base.variable.filter(|_| base.levels.is_empty());
        let variables = bases.items.iter().map(variable).collect::<Option<Vec<_>>>()?;
        let record = self.record(&[])?;
        let (means, whole, gram) = record.centred(&variables)?;
        Some(BaseProducts { weight: fx128::from_f64(record.rows()), means, gram, whole })
    }

    /// Refuses a sum of squares that is beyond the range of float64, or so small that its low part is.
    fn check_square(&self, base: &BaseColumn, square: fx128) -> Result<()> {
        const SMALLEST: f64 = 1e-280;
        // An exact zero is a constant; what is not zero has lost none of its bits above this.
        let fine = if self.design.spec.intercept {
            square.0 >= SMALLEST || self.is_constant(base)
        } else {
            // Then it is the sum of squares about zero that counts.
            self.exact_product(base, base).is_none_or(|s| s.is_zero() || s.to_f64() >= SMALLEST)
        };
        if square.0.is_finite() && fine {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Overflow, self.design.beyond_range());
        Err(match base.variable {
            Some(v) => error.in_column(&self.design.variables[v].label),
            None => error,
        })
    }

    /// Whether a base column has the same value in all rows.
    fn is_constant(&self, base: &BaseColumn) -> bool {
        let of = |sum: Option<BigFixed>| sum.unwrap_or(BigFixed::ZERO);
        let (sum, square) = (of(self.exact_sum(base)), of(self.exact_product(base, base)));
        of(self.exact_weight()).mul(&square) == sum.mul(&sum)
    }

    /// A float64 near the mean of every base column over all rows, and what it lacks to the mean.
    pub(super) fn exact_centres(&self, bases: &BaseColumns) -> Option<Vec<(BigFixed, fx128)>> {
        let weight = self.exact_weight()?;
        let centre = |base: &BaseColumn| {
            let sum = self.exact_sum(base)?;
            let near = BigFixed::from(sum.div_to_double(&weight).0);
            let rest = sum.sub(&weight.mul(&near)).div_to_double(&weight);
            Some((near, rest))
        };
        bases.items.iter().map(centre).collect()
    }

    /// The cross-products of all variables.
    pub(super) fn double_double_variables(&self) -> Option<DoubleDoubleProducts> {
        if let Some(dense) = self.exact {
            return Some(dense.double_double());
        }
        let items =
            (0..self.design.variables.len()).map(|v| BaseColumn { variable: Some(v), levels: Vec::new() });
        let bases = BaseColumns { items: items.collect(), columns: Vec::new() };
        let BaseProducts { weight, means, gram, whole } = self.double_double_of(&bases)?;
        Some(DoubleDoubleProducts::from_parts(self.rows(), weight, means, gram).with_whole(whole))
    }

    fn exact_weight(&self) -> Option<BigFixed> {
        match self.exact {
            Some(dense) => Some(dense.weight()),
            None => self.record(&[])?.exact_sum(None),
        }
    }

    /// The exact sum of a base column.
    pub(super) fn exact_sum(&self, base: &BaseColumn) -> Option<BigFixed> {
        match (self.exact, base.variable, base.levels.is_empty()) {
            (Some(dense), Some(v), true) => Some(dense.sum(v)),
            (Some(dense), None, true) => Some(dense.weight()),
            _ => self.record(&base.levels).map_or(Some(BigFixed::ZERO), |r| r.exact_sum(base.variable)),
        }
    }

    /// The exact sum of the products of two base columns.
    fn exact_product(&self, a: &BaseColumn, b: &BaseColumn) -> Option<BigFixed> {
        let Some(levels) = joint(&a.levels, &b.levels) else { return Some(BigFixed::ZERO) };
        match (a.variable, b.variable) {
            (Some(u), Some(v)) => match self.exact {
                Some(dense) if levels.is_empty() => Some(dense.product(u, v)),
                _ => self.record(&levels).map_or(Some(BigFixed::ZERO), |r| r.exact_product(u, v)),
            },
            (u, v) => self.exact_sum(&BaseColumn { variable: u.or(v), levels }),
        }
    }
}

/// Cross-products of base columns, row-major, their means, and which of them are whole numbers.
struct BaseProducts {
    weight: fx128,
    means: Vec<fx128>,
    gram: Vec<fx128>,
    /// Which hold whole numbers.
    whole: Vec<bool>,
}

impl BaseColumns {
    /// From the cross-products and means of base columns to those of their combinations.
    fn combine_double_double(&self, gram: Vec<fx128>, means: Vec<fx128>) -> (Vec<fx128>, Vec<fx128>) {
        let (n, m) = (self.items.len(), self.columns.len());
        let itself = |(j, column): (usize, &Vec<(usize, f64)>)| column.as_slice() == [(j, 1.0)];
        if n == m && self.columns.iter().enumerate().all(itself) {
            return (means, gram);
        }
        let sum = |terms: &mut dyn Iterator<Item = fx128>| {
            terms.fold(fx128::ZERO, |sum: fx128, term| sum.add_accurate(term))
        };
        let mut products = vec![fx128::ZERO; m * m];
        let scaled = |factor: f64, value: fx128| fx128::from_f64(factor) * value;
        for (j, column) in self.columns.iter().enumerate() {
            // The products of the column with every base one come first.
            let with_base: Vec<fx128> =
                (0..n).map(|a| sum(&mut column.iter().map(|&(b, fb)| scaled(fb, gram[a * n + b])))).collect();
            for i in j..m {
                products[j * m + i] =
                    sum(&mut self.columns[i].iter().map(|&(a, fa)| scaled(fa, with_base[a])));
            }
        }
        let mean = |column: &Vec<(usize, f64)>| sum(&mut column.iter().map(|&(a, fa)| scaled(fa, means[a])));
        (self.columns.iter().map(mean).collect(), products)
    }
}
