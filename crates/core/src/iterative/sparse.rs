//! Rows of designs that are mostly zero: categories without a column for every level, list columns, hashed features.

use hashbrown::HashMap;

use crate::design::layout::{Layout, LayoutColumn};
use crate::design::{Design, TermFactor, monomials};
use crate::iterative::column_summaries::ColumnSummaries;
use crate::iterative::combination::Combination;
use crate::iterative::rows::SparseRows;
use crate::iterative::scaling::{Scaling, power_of_two_near};
use crate::rows::block::DesignBlock;
use crate::rows::hash::mix;

/// Where the entries of a row come from.
#[derive(Clone, Debug)]
pub(super) struct SparsePlan {
    /// Columns that are numbers in every row, first among all that are no levels.
    numbers: Vec<(u32, Combination)>,
    tables: Vec<Table>,
    lists: Option<Lists>,
    hashed: Option<Hashed>,
    names: Vec<String>,
}

/// The columns that depend on the levels of some categories, times a variable or 1.
#[derive(Clone, Debug)]
struct Table {
    variable: Option<usize>,
    categories: Vec<usize>,
    /// For every combination of levels that has columns these columns, and their factors.
    columns: HashMap<Box<[u32]>, Vec<(u32, f64)>>,
}

/// The pair of list columns.
#[derive(Clone, Debug)]
struct Lists {
    first: u32,
    columns: u32,
    name: String,
}

/// Terms with categories whose columns are hashes.
#[derive(Clone, Debug)]
struct Hashed {
    first: u32,
    bits: u32,
    terms: Vec<HashedTerm>,
}

/// A product of levels and a number.
#[derive(Clone, Debug)]
struct HashedTerm {
    seed: u64,
    categories: Vec<usize>,
    variable: Option<usize>,
}

/// Centre and scale of a column.
type Unit = (f64, f64);

impl SparsePlan {
    /// The plan for the columns of `layout`, then those of the list columns, then the hashed ones; and their units. Only
    /// columns that are numbers in every row have a centre.
    pub(super) fn new(design: &Design, layout: &Layout, summaries: &ColumnSummaries) -> (Self, Vec<Unit>) {
        let intercept = design.spec.intercept;
        let mut plan = Self {
            numbers: Vec::new(),
            tables: Vec::new(),
            lists: None,
            hashed: None,
            names: layout.names(),
        };
        let mut units: Vec<Unit> = Vec::with_capacity(layout.len());
        let mut tables: HashMap<(Option<usize>, Vec<usize>), usize> = HashMap::new();
        for (position, column) in layout.columns.iter().enumerate() {
            if let Some(combination) = Combination::of(column) {
                units.push(combination.unit(summaries, intercept));
                plan.numbers.push((position as u32, combination));
            } else {
                units.push((0.0, scale_of(column, summaries)));
                plan.add_parts(position as u32, column, &mut tables);
            }
        }
        if let Some(sparse) = &design.spec.sparse {
            let first = units.len() as u32;
            units.extend(summaries.largest().iter().map(|&largest| (0.0, power_of_two_near(largest))));
            let columns = summaries.largest().len() as u32;
            plan.lists = Some(Lists { first, columns, name: sparse.values.clone() });
        }
        if let Some(bits) = design.spec.hash_bits {
            let first = units.len() as u32;
            units.resize(units.len() + (1 << bits), (0.0, 1.0));
            plan.hashed = Some(Hashed { first, bits, terms: hashed_terms(design) });
        }
        (plan, units)
    }

    fn add_parts(
        &mut self,
        position: u32,
        column: &LayoutColumn,
        tables: &mut HashMap<(Option<usize>, Vec<usize>), usize>,
    ) {
        for part in &column.parts {
            let (categories, levels): (Vec<usize>, Vec<u32>) = part.base.levels.iter().copied().unzip();
            let key = (part.base.variable, categories);
            let at = *tables.entry(key.clone()).or_insert_with(|| {
                let (variable, categories) = key;
                self.tables.push(Table { variable, categories, columns: HashMap::new() });
                self.tables.len() - 1
            });
            let columns = self.tables[at].columns.entry(levels.into_boxed_slice()).or_default();
            columns.push((position, part.factor));
        }
    }

    /// The name of a column.
    pub(super) fn name(&self, column: usize) -> String {
        let behind = |first: u32| column.checked_sub(first as usize);
        if let Some(slot) = self.hashed.as_ref().and_then(|hashed| behind(hashed.first)) {
            return format!("hash[{slot}]");
        }
        if let Some((lists, index)) =
            self.lists.as_ref().and_then(|lists| Some((lists, behind(lists.first)?)))
        {
            return format!("{}[{index}]", lists.name);
        }
        self.names.get(column).cloned().unwrap_or_default()
    }

    /// Where the columns of list columns and those of hashes begin.
    pub(super) fn starts(&self) -> (Option<usize>, Option<usize>) {
        let first = |first: u32| first as usize;
        (self.lists.as_ref().map(|l| first(l.first)), self.hashed.as_ref().map(|h| first(h.first)))
    }

    /// The columns that have names of their own: those of the layout.
    pub(super) fn named(&self) -> usize {
        self.names.len()
    }

    /// Appends the entries of a row.
    pub(super) fn append(
        &self,
        block: &DesignBlock<'_>,
        row: usize,
        scaling: &Scaling,
        out: &mut SparseRows,
    ) {
        let mut push = |column: u32, value: f64| {
            if value != 0.0 {
                out.indices.push(column);
                out.values.push(value);
            }
        };
        for (column, combination) in &self.numbers {
            let j = *column as usize;
            push(*column, (combination.value(block, row) - scaling.centres[j]) / scaling.scales[j]);
        }
        let mut levels = Vec::new();
        for table in &self.tables {
            levels.clear();
            levels.extend(table.categories.iter().map(|&category| block.codes[category][row]));
            let Some(columns) = table.columns.get(levels.as_slice()) else { continue };
            let value = table.variable.map_or(1.0, |v| block.columns[v].values[row]);
            columns.iter().for_each(|&(j, factor)| push(j, factor * value / scaling.scales[j as usize]));
        }
        if let (Some(lists), Some(sparse)) = (&self.lists, block.sparse) {
            let (indices, values) = sparse.row(row);
            for (&index, value) in indices.iter().zip(values).filter(|(index, _)| **index < lists.columns) {
                let column = lists.first + index;
                push(column, value / scaling.scales[column as usize]);
            }
        }
        if let Some(hashed) = &self.hashed {
            for term in &hashed.terms {
                let value = term.variable.map_or(1.0, |v| block.columns[v].values[row]);
                push(hashed.first + term.slot(block, row, hashed.bits), value);
            }
        }
        out.offsets.push(out.indices.len() as u32);
    }
}

/// What features of list columns and hashes add to predictions.
#[derive(Clone, Debug)]
pub struct WideTerms {
    bits: Option<u32>,
    terms: Vec<HashedTerm>,
}

impl WideTerms {
    /// Those of a design.
    pub fn new(design: &Design) -> Self {
        let bits = design.spec.hash_bits;
        Self { bits, terms: if bits.is_some() { hashed_terms(design) } else { Vec::new() } }
    }

    /// The variables that hashed terms are multiplied with.
    pub fn variables(&self) -> impl Iterator<Item = usize> {
        self.terms.iter().filter_map(|term| term.variable)
    }

    /// Adds what the features of every row come to: `lists` are the coefficients of the indices of the list columns (those
    /// beyond have none), `hashed` those of the slots.
    pub fn add(&self, block: &DesignBlock<'_>, lists: &[f64], hashed: &[f64], sums: &mut [f64]) {
        let coefficient = |all: &[f64], at: u32| all.get(at as usize).copied().unwrap_or(0.0);
        for (row, sum) in sums.iter_mut().enumerate() {
            if let Some(sparse) = block.sparse {
                let (indices, values) = sparse.row(row);
                *sum += indices.iter().zip(values).map(|(&at, x)| coefficient(lists, at) * x).sum::<f64>();
            }
            if let Some(bits) = self.bits {
                for term in &self.terms {
                    let value = term.variable.map_or(1.0, |v| block.columns[v].values[row]);
                    *sum += value * coefficient(hashed, term.slot(block, row, bits));
                }
            }
        }
    }
}

impl HashedTerm {
    /// The position of a row's levels among `2^bits`: the upper bits of `h_k`, with `h_0` the seed of the term and
    /// `h_i = mix(h_(i-1) xor code_i)`, where the codes are 31-bit hashes of the levels and `mix` is the finalizer of
    /// SplitMix64. (Weinberger et al. 2009, "Feature hashing for large scale multitask learning".)
    fn slot(&self, block: &DesignBlock<'_>, row: usize, bits: u32) -> u32 {
        let codes = self.categories.iter().map(|&category| u64::from(block.codes[category][row]));
        let hash = codes.fold(self.seed, |state, code| mix(state ^ code));
        (hash >> (64 - bits)) as u32
    }
}

/// The terms of a design that have categories: all their levels count.
fn hashed_terms(design: &Design) -> Vec<HashedTerm> {
    let mut terms = Vec::new();
    for (index, term) in design.terms.iter().enumerate() {
        let category = |factor: &TermFactor| match factor {
            TermFactor::Category { index, .. } => Some(*index),
            _ => None,
        };
        let mut categories: Vec<usize> = term.factors.iter().filter_map(category).collect();
        categories.sort_unstable();
        if categories.is_empty() {
            continue;
        }
        for scoped in &term.scoped {
            let monomials = monomials(&term.factors, scoped, false, &design.polynomials);
            for (number, monomial) in monomials.iter().enumerate() {
                let seed = mix(((index as u64) << 32) + number as u64 + 1);
                let variable = design.variable(monomial);
                terms.push(HashedTerm { seed, categories: categories.clone(), variable });
            }
        }
    }
    terms
}

/// A power of two near the largest root mean square of the variables that a column is made of; 1 of levels alone.
fn scale_of(column: &LayoutColumn, summaries: &ColumnSummaries) -> f64 {
    let of = |variable: usize| summaries.mean(variable).abs() + 1.25 * summaries.spread(variable);
    let sizes = column.parts.iter().filter_map(|part| part.base.variable).map(of);
    sizes
        .fold(None, |most: Option<f64>, size| Some(most.map_or(size, |m| m.max(size))))
        .map_or(1.0, power_of_two_near)
}
