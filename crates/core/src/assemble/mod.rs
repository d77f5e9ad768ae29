//! From the sums of a pass to the cross-products of the design matrix's columns.

mod base_columns;
mod dense;
mod exact;
mod polynomials;

use std::sync::Arc;

use self::base_columns::BaseColumns;
pub use self::base_columns::LevelMeans;
use self::dense::Dense;

use crate::design::Design;
use crate::design::layout::{BaseColumn, Coding, Layout};
use crate::error::{Error, ErrorKind, Result};
use crate::levels::{Level, LevelSet};
use crate::rows::missing::RowLedger;
use crate::sums::cross_products::CrossProducts;
use crate::sums::double_double::DoubleDoubleProducts;
use crate::sums::exact::ExactProducts;
use crate::sums::groups::Record;
use crate::sums::moments::Moments;
use crate::sums::statistics::Statistics;

/// The rows of one group; all rows where they are not split.
///
/// The order of groups, levels and columns is that of sorted levels, whatever the order of the rows.
pub struct Group<'s> {
    design: &'s Design,
    statistics: &'s Statistics,
    /// Level numbers of the group.
    by: Vec<u32>,
    /// The levels of the group, one a column of `by`.
    levels: Vec<Level>,
    /// For every table its records of this group.
    records: Vec<Records<'s>>,
    /// Number, in the pass, of every level of the coding.
    codes: Vec<Vec<u32>>,
    dense: Dense<'s>,
    /// Over all rows, where sums are exact and rows are not split.
    exact: Option<&'s ExactProducts>,
    log_weights: f64,
    coding: Coding,
    /// How many times larger than a polynomial's cross-products the terms are that they are the sum of.
    amplification: f64,
}

enum Records<'s> {
    All(usize),
    Some(&'s [u32]),
}

impl Records<'_> {
    fn iter(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::All(count) => Box::new(0..*count),
            Self::Some(ids) => Box::new(ids.iter().map(|&id| id as usize)),
        }
    }
}

/// The groups that a pass found, to be taken one by one.
pub struct Groups<'s> {
    design: &'s Design,
    statistics: &'s Statistics,
    sets: Vec<SortedSet>,
    /// For every group its record in the table of the groups, in order; numbers beyond these records are of
    /// `empty`.
    order: Vec<u32>,
    /// Groups of which no row could be used: numbers of their levels.
    empty: Vec<Vec<u32>>,
    /// For every table, and every record of the table of the groups, its records.
    buckets: Vec<Vec<Vec<u32>>>,
}

/// The levels of a category in order.
struct SortedSet {
    levels: Vec<Level>,
    /// Position among the sorted levels, by number.
    ranks: Vec<u32>,
}

impl SortedSet {
    fn new(set: &LevelSet) -> Self {
        let levels = set.levels();
        let mut codes: Vec<u32> = (0..levels.len() as u32).collect();
        codes.sort_by(|&a, &b| set.compare(&levels[a as usize], &levels[b as usize]));
        let mut ranks = vec![0; levels.len()];
        for (rank, &code) in codes.iter().enumerate() {
            ranks[code as usize] = rank as u32;
        }
        Self { levels, ranks }
    }
}

impl<'s> Groups<'s> {
    /// The groups of `statistics`, whose level numbers are those of `sets`, and those that have no other rows
    /// than the dropped ones of `ledger`; a single one where rows are not split.
    pub fn new(
        design: &'s Design,
        statistics: &'s Statistics,
        sets: &[Arc<LevelSet>],
        ledger: &RowLedger,
    ) -> Self {
        let sets: Vec<SortedSet> = sets.iter().map(|set| SortedSet::new(set)).collect();
        let (order, buckets, mut empty) = (Vec::new(), Vec::new(), Vec::new());
        if let (false, Some(table)) = (design.by.is_empty(), statistics.tables.first()) {
            let dropped = ledger.tally.dropped_groups.keys();
            empty.extend(dropped.filter(|group| table.position(group).is_none()).cloned());
        }
        let mut groups = Self { design, statistics, sets, order, empty, buckets };
        if !design.by.is_empty() {
            groups.split();
        }
        groups
    }

    /// Numbers of the levels of a group.
    fn codes(&self, group: u32) -> &[u32] {
        let table = &self.statistics.tables[0];
        let beyond = (group as usize).checked_sub(table.len());
        beyond.map_or_else(|| table.codes(group as usize), |at| &self.empty[at])
    }

    fn split(&mut self) {
        let table = &self.statistics.tables[0];
        let rank = |group: u32| -> Vec<u32> {
            let codes = self.codes(group).iter().zip(&self.design.by);
            codes.map(|(&code, &category)| self.sets[category].ranks[code as usize]).collect()
        };
        let mut order: Vec<u32> = (0..(table.len() + self.empty.len()) as u32).collect();
        order.sort_by_cached_key(|&group| rank(group));
        self.order = order;
        let width = self.design.by.len();
        let further = self.statistics.tables.iter().skip(1).map(|other| {
            let mut buckets = vec![Vec::new(); table.len()];
            for record in 0..other.len() {
                if let Some(group) = table.position(&other.codes(record)[..width]) {
                    buckets[group as usize].push(record as u32);
                }
            }
            buckets
        });
        self.buckets = further.collect();
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        if self.design.by.is_empty() { 1 } else { self.order.len() }
    }

    /// Whether no row was used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The levels of the group at `position`.
    pub fn levels(&self, position: usize) -> Vec<Level> {
        let Some(&group) = self.order.get(position) else { return Vec::new() };
        let codes = self.codes(group).iter().zip(&self.design.by);
        codes.map(|(&code, &category)| self.sets[category].levels[code as usize].clone()).collect()
    }

    /// The group at `position`.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] for values whose squares float64 does not hold, [`ErrorKind::Model`] for a
    /// polynomial of too few distinct values and for a group without a usable row.
    pub fn group(&self, position: usize) -> Result<Group<'_>> {
        let (dense, by, records, log_weights) = match self.statistics.rounded() {
            Some(dense) => {
                let all = self.statistics.tables.iter().map(|t| Records::All(t.len()));
                (Dense::Known(dense), Vec::new(), all.collect(), self.statistics.log_weights())
            }
            None => {
                let own = self.order[position];
                let table = &self.statistics.tables[0];
                if own as usize >= table.len() {
                    let message = "no row is left to fit: all rows of the group were dropped";
                    return Err(Error::new(ErrorKind::Model, message));
                }
                let record = table.record(own as usize);
                let dense = Dense::of(self.design, record)?;
                let first = std::iter::once(Records::Some(&self.order[position..=position]));
                let further = self.buckets.iter().map(|b| Records::Some(b[own as usize].as_slice()));
                let by = table.codes(own as usize).to_vec();
                (dense, by, first.chain(further).collect(), record.log_weights())
            }
        };
        let mut group = Group {
            design: self.design,
            statistics: self.statistics,
            by,
            levels: self.levels(position),
            records,
            codes: Vec::new(),
            dense,
            exact: self.statistics.exact(),
            log_weights,
            coding: Coding::default(),
            amplification: 1.0,
        };
        group.find_levels(&self.sets);
        group.coding.fills = group.fills();
        let bases = group.polynomials()?;
        group.amplification = bases.iter().map(|(_, amplification)| *amplification).fold(1.0, f64::max);
        group.coding.polynomials = bases.into_iter().map(|(basis, _)| basis).collect();
        Ok(group)
    }
}

impl<'s> Group<'s> {
    /// Some of the rows, whose sums are `part`, seen with the levels, polynomials and fills of all: so their
    /// cross-products are of the same columns. For rows that are not split into groups.
    pub fn part<'p>(&self, part: &'p Statistics) -> Option<Group<'p>>
    where
        's: 'p,
    {
        let dense = Dense::Known(part.rounded()?);
        Some(Group {
            design: self.design,
            statistics: part,
            by: Vec::new(),
            levels: Vec::new(),
            records: part.tables.iter().map(|t| Records::All(t.len())).collect(),
            codes: self.codes.clone(),
            dense,
            exact: part.exact(),
            log_weights: part.log_weights(),
            coding: self.coding.clone(),
            amplification: self.amplification,
        })
    }

    /// The levels of the group, one for every column that rows are split by.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// What the data decide about the columns of the design matrix.
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// Rows in the group.
    pub fn rows(&self) -> u64 {
        self.moments().rows()
    }

    /// Sum of their weights.
    pub fn weight(&self) -> f64 {
        self.moments().weight()
    }

    /// Sum of the logarithms of the weights.
    pub fn log_weights(&self) -> f64 {
        self.log_weights
    }

    fn dense(&self) -> &CrossProducts {
        self.dense.products()
    }

    fn moments(&self) -> &Moments {
        self.dense.moments()
    }

    /// The levels that occur in the group, sorted.
    fn find_levels(&mut self, sets: &[SortedSet]) {
        let design = self.design;
        let tables = &self.statistics.tables;
        for (index, category) in design.categories.iter().enumerate().take(design.coded_categories()) {
            if category.by {
                self.codes.push(Vec::new());
                self.coding.levels.push(Vec::new());
                continue;
            }
            let found = tables.iter().zip(&self.records).find_map(|(table, records)| {
                let place = table.key().iter().position(|&c| c == index)?;
                Some((table, records, place))
            });
            let mut codes: Vec<u32> = match found {
                Some((table, records, place)) => records.iter().map(|r| table.codes(r)[place]).collect(),
                None => Vec::new(),
            };
            codes.sort_by_key(|&code| sets[index].ranks[code as usize]);
            codes.dedup();
            self.coding.levels.push(codes.iter().map(|&c| sets[index].levels[c as usize].clone()).collect());
            self.codes.push(codes);
        }
    }

    /// The mean of every variable that is missing somewhere, over the rows where it is not.
    fn fills(&self) -> Vec<(usize, f64)> {
        let moments = self.moments();
        let filled = |variable: usize| {
            let flag = self.design.flag_of(variable).filter(|&flag| moments.mean(flag) > 0.0)?;
            Some((variable, self.mean_of_present(moments, variable, flag)))
        };
        (0..self.design.first_response()).filter_map(filled).collect()
    }

    /// The mean of a variable over the rows where it is not missing, which `flag` marks; the fill where there is
    /// no such row.
    fn mean_of_present(&self, moments: &Moments, variable: usize, flag: usize) -> f64 {
        let fill = self.design.fills[variable];
        let present = 1.0 - moments.mean(flag);
        let mean = fill + ((moments.mean(variable) - fill) + moments.mean_low(variable)) / present;
        if mean.is_finite() && present > 1e-12 { mean } else { fill }
    }

    /// The record of the rows with the given levels.
    fn record(&self, levels: &[(usize, u32)]) -> Option<Record<'_>> {
        let mut key = self.design.by.clone();
        key.extend(levels.iter().map(|&(category, _)| category));
        let mut codes = self.by.clone();
        codes.extend(levels.iter().map(|&(category, rank)| self.codes[category][rank as usize]));
        self.statistics.table(&key)?.find(&codes)
    }

    /// The cross-products of the columns of `layout`, followed by the responses.
    pub fn cross_products(&self, layout: &Layout) -> CrossProducts {
        let responses = self.design.first_response()..self.design.variables.len();
        if self.is_plain(layout) {
            let columns: Vec<usize> =
                layout.columns.iter().filter_map(|c| c.parts[0].base.variable).collect();
            let all: Vec<usize> = columns.into_iter().chain(responses).collect();
            return self.dense().select(&all);
        }
        let bases = BaseColumns::new(layout, responses);
        let totals: Vec<Total> = bases.items.iter().map(|base| self.total(base)).collect();
        let n = bases.items.len();
        let mut gram = vec![0.0; n * n];
        for j in 0..n {
            for i in j..n {
                let product = self.centred((&bases.items[i], &totals[i]), (&bases.items[j], &totals[j]));
                (gram[j * n + i], gram[i * n + j]) = (product, product);
            }
        }
        let means: Vec<f64> = totals.iter().map(|total| total.mean).collect();
        bases.combine(self, &gram, &means)
    }

    /// Whether every column is a variable as it is.
    fn is_plain(&self, layout: &Layout) -> bool {
        layout.columns.iter().all(|c| match c.parts.as_slice() {
            [part] => part.factor == 1.0 && part.base.levels.is_empty() && part.base.variable.is_some(),
            _ => false,
        })
    }

    /// The mean of a base column over all rows, and what its own rows contribute to it.
    fn total(&self, base: &BaseColumn) -> Total {
        let moments = self.moments();
        let all = moments.weight();
        let record = if base.levels.is_empty() { None } else { self.record(&base.levels) };
        if base.levels.is_empty() || record.is_some_and(|record| record.rows() == moments.rows() as f64) {
            let (mean, low) = base.variable.map_or((1.0, 0.0), |v| (moments.mean(v), moments.mean_low(v)));
            return Total { mean, low, weight: all, about: 0.0, whole: true };
        }
        let Some(record) = record else { return Total::default() };
        let mean = sum_about(record, base.variable, 0.0, 0.0) / all;
        let about = sum_about(record, base.variable, mean, 0.0);
        Total { mean, low: 0.0, weight: record.weight(), about, whole: false }
    }

    /// The weighted sum of the products of two base columns about their means.
    ///
    /// With `A` the rows of the levels of `a`, where it is `u` and elsewhere 0, and likewise `B` and `v`, the
    /// sum has a part for the rows in both, in one, and in neither:
    ///
    /// ```text
    /// sum over AB of (u - ma)(v - mb)  -  mb sum over A without B of (u - ma)
    ///     -  ma sum over B without A of (v - mb)  +  ma mb (weight of the others)
    /// ```
    ///
    /// Where `A` or `B` are all rows, nothing in it is large because a mean is.
    fn centred(&self, (a, of_a): (&BaseColumn, &Total), (b, of_b): (&BaseColumn, &Total)) -> f64 {
        let (ma, mb) = (of_a.mean, of_b.mean);
        if of_a.whole && of_b.whole {
            return match (a.variable, b.variable) {
                (Some(u), Some(v)) => self.dense().centred(u, v),
                _ => 0.0,
            };
        }
        let both = joint(&a.levels, &b.levels).and_then(|levels| self.record(&levels));
        let (product, a_both, b_both, weight) = both.map_or((0.0, 0.0, 0.0, 0.0), |record| {
            let a_both = sum_about(record, a.variable, ma, of_a.low);
            let b_both = sum_about(record, b.variable, mb, of_b.low);
            let product = match (a.variable, b.variable) {
                (None, _) => (1.0 - ma) * b_both,
                (_, None) => (1.0 - mb) * a_both,
                (Some(u), Some(v)) => {
                    let ((ou, su), (ov, sv)) = (record.sum(u), record.sum(v));
                    let (du, dv) = ((ou - ma) - of_a.low, (ov - mb) - of_b.low);
                    record.product(u, v) + du * sv + dv * su + record.weight() * du * dv
                }
            };
            (product, a_both, b_both, record.weight())
        });
        let outside_b = if of_b.whole { 0.0 } else { of_a.about - a_both };
        let outside_a = if of_a.whole { 0.0 } else { of_b.about - b_both };
        let all = self.moments().weight();
        let neither =
            if of_a.whole || of_b.whole { 0.0 } else { (all - of_a.weight) - (of_b.weight - weight) };
        product - mb * outside_b - ma * outside_a + ma * mb * neither
    }

    /// The category that `layout` leaves out, seen from its columns, whose cross-products are given.
    pub fn absorbed<'g>(
        &'g self,
        layout: &'g Layout,
        products: &'g CrossProducts,
        double_double: Option<&'g DoubleDoubleProducts>,
    ) -> Option<LevelMeans<'g>> {
        let category = layout.absorbed.as_ref()?.category;
        let responses = self.design.first_response()..self.design.variables.len();
        let bases = BaseColumns::new(layout, responses);
        let means = bases.items.iter().map(|base| self.total(base).mean).collect();
        let double_double = double_double.and_then(|products| Some((self.exact_centres(&bases)?, products)));
        Some(LevelMeans::new((self, category), bases, means, products, double_double))
    }
}

/// What the rows of a base column's levels have in sum.
#[derive(Default)]
struct Total {
    /// The mean over all rows; the column is 0 in those of other levels.
    mean: f64,
    /// What `mean` lacks to it.
    low: f64,
    /// Weight of the rows of the levels.
    weight: f64,
    /// The sum over these rows about the mean.
    about: f64,
    /// Whether these are all rows.
    whole: bool,
}

/// The sum of a variable, or of the constant, over a record's rows about `mean + low`.
fn sum_about(record: Record<'_>, variable: Option<usize>, mean: f64, low: f64) -> f64 {
    match variable {
        None => record.weight() * (1.0 - mean),
        Some(v) => record.sum_about(v, mean, low),
    }
}

/// The levels of both, or `None` where they exclude each other.
fn joint(a: &[(usize, u32)], b: &[(usize, u32)]) -> Option<Vec<(usize, u32)>> {
    let mut levels: Vec<(usize, u32)> = a.iter().chain(b).copied().collect();
    levels.sort_unstable();
    levels.dedup();
    levels.windows(2).all(|pair| pair[0].0 != pair[1].0).then_some(levels)
}
