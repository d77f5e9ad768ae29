//! The columns that cross-products are put together from, and a category that is eliminated.

use std::collections::HashMap;

use faer::fx128;

use super::{Group, joint};
use crate::design::layout::{Layout, Raw};
use crate::sums::cross_products::CrossProducts;
use crate::sums::doubled::DoubledProducts;
use crate::sums::exact::Wide;
use crate::sums::moments::Moments;

/// The raw columns of a layout and the responses, each once.
pub(super) struct Raws {
    pub(super) items: Vec<Raw>,
    /// For every column its parts: position among the items, and factor.
    pub(super) columns: Vec<Vec<(usize, f64)>>,
}

impl Raws {
    pub(super) fn new(layout: &Layout, responses: std::ops::Range<usize>) -> Self {
        let mut raws = Self { items: Vec::new(), columns: Vec::new() };
        let mut positions: HashMap<Raw, usize> = HashMap::new();
        let mut position = |items: &mut Vec<Raw>, raw: &Raw| {
            *positions.entry(raw.clone()).or_insert_with(|| {
                items.push(raw.clone());
                items.len() - 1
            })
        };
        for column in &layout.columns {
            let parts = column.parts.iter().map(|p| (position(&mut raws.items, &p.raw), p.factor)).collect();
            raws.columns.push(parts);
        }
        for response in responses {
            let raw = Raw { variable: Some(response), levels: Vec::new() };
            let parts = vec![(position(&mut raws.items, &raw), 1.0)];
            raws.columns.push(parts);
        }
        raws
    }

    /// From the cross-products of raw columns to those of their combinations.
    pub(super) fn combine(&self, group: &Group<'_>, gram: &[f64], means: &[f64]) -> CrossProducts {
        let (n, m) = (self.items.len(), self.columns.len());
        let own = group.dense().moments();
        let (mut mean, mut low) = (vec![0.0; m], vec![0.0; m]);
        let mut products = vec![0.0; m * m];
        for (j, column) in self.columns.iter().enumerate() {
            mean[j] = column.iter().map(|&(at, factor)| factor * means[at]).sum();
            if let &[(at, 1.0)] = column.as_slice()
                && let Raw { variable: Some(v), levels } = &self.items[at]
                && levels.is_empty()
            {
                low[j] = own.mean_low(*v);
            }
            for i in j..m {
                let pairs = self.columns[i].iter().flat_map(|x| column.iter().map(move |y| (x, y)));
                products[j * m + i] = pairs.map(|(&(a, fa), &(b, fb))| fa * fb * gram[a * n + b]).sum();
            }
        }
        CrossProducts::from_parts(Moments::from_parts(own.rows(), own.weight(), mean, low), products)
    }
}

/// A category that is eliminated: for each of its levels, the weight and the means of all other columns.
pub struct LevelMeans<'g> {
    pub(super) group: &'g Group<'g>,
    pub(super) category: usize,
    pub(super) raws: Raws,
    pub(super) means: Vec<f64>,
    pub(super) products: &'g CrossProducts,
    /// Where sums are exact: numbers near the means, what these lack, and the products in double-double.
    pub(super) doubled: Option<(Vec<(Wide, fx128)>, &'g DoubledProducts)>,
}

impl LevelMeans<'_> {
    /// Number of levels.
    pub fn len(&self) -> usize {
        self.group.codes[self.category].len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Means and cross-products of the other columns over all rows.
    pub fn products(&self) -> &CrossProducts {
        self.products
    }

    /// The same in double-double, where sums are exact.
    pub fn doubled_products(&self) -> Option<&DoubledProducts> {
        self.doubled.as_ref().map(|(_, products)| *products)
    }

    /// Sum of the weights of the rows of a level.
    pub fn weight(&self, level: usize) -> f64 {
        self.group.record(&[(self.category, level as u32)]).map_or(0.0, |r| r.weight())
    }

    /// Writes, for every other column and every response, the mean in a level less the mean over all rows.
    pub fn deviations(&self, level: usize, out: &mut [f64]) {
        let own = (self.category, level as u32);
        let weight = self.weight(level);
        let moments = self.group.dense().moments();
        let deviation = |(raw, &mean): (&Raw, &f64)| {
            let sum = match (raw.variable, joint(&raw.levels, &[own])) {
                (Some(v), Some(levels)) if raw.levels.is_empty() => {
                    let record = self.group.record(&levels);
                    return record
                        .map_or(0.0, |r| r.sum_about(v, moments.mean(v), moments.mean_low(v)) / weight);
                }
                (_, None) => 0.0,
                (variable, Some(levels)) => self.group.record(&levels).map_or(0.0, |r| match variable {
                    None => r.weight(),
                    Some(v) => r.sum_about(v, 0.0, 0.0),
                }),
            };
            sum / weight - mean
        };
        let deviations: Vec<f64> = self.raws.items.iter().zip(&self.means).map(deviation).collect();
        for (cell, parts) in out.iter_mut().zip(&self.raws.columns) {
            *cell = parts.iter().map(|&(at, factor)| factor * deviations[at]).sum();
        }
    }

    /// [`LevelMeans::weight`] and [`LevelMeans::deviations`] in double-double; `None` where sums are not exact.
    ///
    /// Sums are centred in integers before they are rounded, so that a mean far from zero costs no digit.
    pub fn doubled_deviations(&self, level: usize, out: &mut [fx128]) -> Option<fx128> {
        let (centres, _) = self.doubled.as_ref()?;
        let own = (self.category, level as u32);
        let record = self.group.record(&[own])?;
        let exact = record.exact_sum(None)?;
        let weight = exact.to_double();
        let deviation = |(raw, (near, rest)): (&Raw, &(Wide, fx128))| {
            let sum = if raw.levels.is_empty() {
                record.exact_sum(raw.variable)?
            } else {
                let levels = joint(&raw.levels, &[own]);
                let joined = levels.and_then(|levels| self.group.record(&levels));
                joined.map_or(Some(Wide::ZERO), |record| record.exact_sum(raw.variable))?
            };
            let about = if near.is_zero() { sum } else { sum.sub(&exact.mul(near)) };
            Some((about.to_double() / weight).sub_accurate(*rest))
        };
        let deviations: Vec<fx128> =
            self.raws.items.iter().zip(centres).map(deviation).collect::<Option<_>>()?;
        for (cell, parts) in out.iter_mut().zip(&self.raws.columns) {
            let terms = parts.iter().map(|&(at, factor)| fx128::from_f64(factor) * deviations[at]);
            *cell = terms.fold(fx128::ZERO, |sum: fx128, term| sum.add_accurate(term));
        }
        Some(weight)
    }
}
