//! The columns that cross-products are put together from, and a category that is eliminated.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use faer::fx128;

use super::{Group, joint};
use crate::design::layout::{BaseColumn, Layout};
use crate::sums::cross_products::CrossProducts;
use crate::sums::double_double::DoubleDoubleProducts;
use crate::sums::exact::BigFixed;
use crate::sums::moments::Moments;

/// The base columns of a layout and the responses, each once.
pub(super) struct BaseColumns {
    pub(super) items: Vec<BaseColumn>,
    /// For every column its parts: position among the items, and factor.
    pub(super) columns: Vec<Vec<(usize, f64)>>,
}

/// Parts of columns that are compared with each other.
const FEW: usize = 16;

impl BaseColumns {
    pub(super) fn new(layout: &Layout, responses: std::ops::Range<usize>) -> Self {
        let mut bases = Self { items: Vec::new(), columns: Vec::new() };
        let mut positions: HashMap<BaseColumn, usize> = HashMap::new();
        // Of few columns, which many groups may have, it takes less time to look at all.
        let few = layout.columns.iter().map(|column| column.parts.len()).sum::<usize>() <= FEW;
        let mut position = |items: &mut Vec<BaseColumn>, base: &BaseColumn| {
            if few {
                return items.iter().position(|own| own == base).unwrap_or_else(|| {
                    items.push(base.clone());
                    items.len() - 1
                });
            }
            *positions.entry(base.clone()).or_insert_with(|| {
                items.push(base.clone());
                items.len() - 1
            })
        };
        for column in &layout.columns {
            let parts =
                column.parts.iter().map(|p| (position(&mut bases.items, &p.base), p.factor)).collect();
            bases.columns.push(parts);
        }
        for response in responses {
            let base = BaseColumn { variable: Some(response), levels: Vec::new() };
            let parts = vec![(position(&mut bases.items, &base), 1.0)];
            bases.columns.push(parts);
        }
        bases
    }

    /// From the cross-products of base columns to those of their combinations.
    pub(super) fn combine(&self, group: &Group<'_>, gram: &[f64], means: &[f64]) -> CrossProducts {
        let (n, m) = (self.items.len(), self.columns.len());
        let own = group.moments();
        let (mut mean, mut low) = (vec![0.0; m], vec![0.0; m]);
        let mut products = vec![0.0; m * m];
        for (j, column) in self.columns.iter().enumerate() {
            mean[j] = column.iter().map(|&(at, factor)| factor * means[at]).sum();
            if let &[(at, 1.0)] = column.as_slice()
                && let BaseColumn { variable: Some(v), levels } = &self.items[at]
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
    pub(super) bases: BaseColumns,
    pub(super) means: Vec<f64>,
    pub(super) products: &'g CrossProducts,
    /// Where sums are exact: numbers near the means, what these lack, and the products in double-double.
    pub(super) double_double: Option<(Vec<(BigFixed, fx128)>, &'g DoubleDoubleProducts)>,
    /// Of every level the weight and the deviations in double-double, where they were computed beforehand.
    known: Vec<fx128>,
}

/// Numbers of all levels that are kept, and levels that a thread computes at a time.
const MOST_KNOWN: usize = 1 << 21;
const LEVELS_AT_ONCE: usize = 1 << 10;

impl<'g> LevelMeans<'g> {
    pub(super) fn new(
        (group, category): (&'g Group<'g>, usize),
        bases: BaseColumns,
        means: Vec<f64>,
        products: &'g CrossProducts,
        double_double: Option<(Vec<(BigFixed, fx128)>, &'g DoubleDoubleProducts)>,
    ) -> Self {
        Self { group, category, bases, means, products, double_double, known: Vec::new() }
    }

    /// The same, with what is asked for time and again computed once, by some threads, unless it takes much memory.
    #[must_use]
    pub fn prepared(mut self, threads: usize) -> Self {
        let width = 1 + self.bases.columns.len();
        if self.double_double.is_none() || self.len() * width > MOST_KNOWN {
            return self;
        }
        let mut known = vec![fx128::ZERO; self.len() * width];
        let parts = Mutex::new(known.chunks_mut(LEVELS_AT_ONCE * width).enumerate());
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some((part, rows)) = next() {
                for (level, row) in (part * LEVELS_AT_ONCE..).zip(rows.chunks_exact_mut(width)) {
                    let (weight, deviations) = row.split_at_mut(1);
                    // NaN, where there are no exact sums, does not go unnoticed.
                    weight[0] = self.exact_deviations(level, deviations).unwrap_or(fx128::from_f64(f64::NAN));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(self.len().div_ceil(LEVELS_AT_ONCE)) {
                // Without more threads this one does everything.
                drop(std::thread::Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
        self.known = known;
        self
    }
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
    pub fn double_double_products(&self) -> Option<&DoubleDoubleProducts> {
        self.double_double.as_ref().map(|(_, products)| *products)
    }

    /// Sum of the weights of the rows of a level.
    pub fn weight(&self, level: usize) -> f64 {
        self.group.record(&[(self.category, level as u32)]).map_or(0.0, |r| r.weight())
    }

    /// Writes, for every other column and every response, the mean in a level less the mean over all rows.
    pub fn deviations(&self, level: usize, out: &mut [f64]) {
        let own = (self.category, level as u32);
        let weight = self.weight(level);
        let moments = self.group.moments();
        let deviation = |(base, &mean): (&BaseColumn, &f64)| {
            let sum = match (base.variable, joint(&base.levels, &[own])) {
                (Some(v), Some(levels)) if base.levels.is_empty() => {
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
        let deviations: Vec<f64> = self.bases.items.iter().zip(&self.means).map(deviation).collect();
        for (cell, parts) in out.iter_mut().zip(&self.bases.columns) {
            *cell = parts.iter().map(|&(at, factor)| factor * deviations[at]).sum();
        }
    }

    /// [`LevelMeans::weight`] and [`LevelMeans::deviations`] in double-double; `None` where sums are not exact.
    pub fn double_double_deviations(&self, level: usize, out: &mut [fx128]) -> Option<fx128> {
        let width = 1 + self.bases.columns.len();
        match self.known.get(level * width..(level + 1) * width) {
            Some(known) if width > 1 => {
                out.copy_from_slice(&known[1..]);
                Some(known[0])
            }
            _ => self.exact_deviations(level, out),
        }
    }

    /// Sums are centred in integers before they are rounded, so that a mean far from zero costs no digit.
    fn exact_deviations(&self, level: usize, out: &mut [fx128]) -> Option<fx128> {
        let (centres, _) = self.double_double.as_ref()?;
        let own = (self.category, level as u32);
        let record = self.group.record(&[own])?;
        let exact = record.exact_sum(None)?;
        let weight = exact.to_double();
        let deviation = |(base, (near, rest)): (&BaseColumn, &(BigFixed, fx128))| {
            let sum = if base.levels.is_empty() {
                record.exact_sum(base.variable)?
            } else {
                let levels = joint(&base.levels, &[own]);
                let joined = levels.and_then(|levels| self.group.record(&levels));
                joined.map_or(Some(BigFixed::ZERO), |record| record.exact_sum(base.variable))?
            };
            let about = if near.is_zero() { sum } else { sum.sub(&exact.mul(near)) };
            Some((about.to_double() / weight).sub_accurate(*rest))
        };
        let deviations: Vec<fx128> =
            self.bases.items.iter().zip(centres).map(deviation).collect::<Option<_>>()?;
        for (cell, parts) in out.iter_mut().zip(&self.bases.columns) {
            let terms = parts.iter().map(|&(at, factor)| fx128::from_f64(factor) * deviations[at]);
            *cell = terms.fold(fx128::ZERO, |sum: fx128, term| sum.add_accurate(term));
        }
        Some(weight)
    }
}
