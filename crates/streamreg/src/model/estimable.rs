//! Which rows a model with dependent columns can predict.
//!
//! A column that was set aside is a combination of others in every row of the fit. In a new row it need not be, and then no
//! prediction can be told from the fit: the combination of levels was never seen (Searle 1971, 5.4; R's `predict.lm` with
//! `rankdeficient = "NA"`). Looked at are relations among columns of levels alone, whose values are known to the last bit. Numbers
//! that were set aside need not be in the data at all.

use std::collections::HashMap;

use streamreg_core::{DesignBlock, INTERCEPT, Layout};
use streamreg_solve::Aliased;

/// Relations that rows must fulfil.
#[derive(Default)]
pub(crate) struct Estimable {
    relations: Vec<Relation>,
}

/// A sum that is 0: a constant, and columns with their factors.
struct Relation {
    constant: f64,
    columns: Vec<(usize, f64)>,
}

impl Estimable {
    pub(crate) fn new(aliased: &[Aliased], layout: &Layout) -> Self {
        let names = layout.names();
        let positions: HashMap<&str, usize> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let relation = |aliased: &Aliased| {
            if aliased.levels_of.is_some() {
                return None;
            }
            let mut own =
                Relation { constant: 0.0, columns: vec![(*positions.get(aliased.term.as_str())?, 1.0)] };
            for (name, factor) in aliased.depends_on.iter().zip(&aliased.coefficients) {
                match positions.get(name.as_str()) {
                    Some(&column) => own.columns.push((column, -factor)),
                    None if name == INTERCEPT => own.constant = -factor,
                    None => return None,
                }
            }
            own.columns.iter().all(|(column, _)| layout.is_of_levels(*column)).then_some(own)
        };
        Self { relations: aliased.iter().filter_map(relation).collect() }
    }

    /// Whether there is nothing to look at.
    pub(crate) fn is_everything(&self) -> bool {
        self.relations.is_empty()
    }

    /// For every row of a block whether it can be predicted.
    pub(crate) fn rows(&self, layout: &Layout, block: &DesignBlock<'_>) -> Vec<bool> {
        /// What rounding of the factors may leave of a sum.
        const ROUNDING: f64 = 1e-6;
        let mut known = vec![true; block.rows];
        let mut cells = vec![0.0; block.rows];
        for relation in &self.relations {
            let mut sums = vec![relation.constant; block.rows];
            let mut sizes = vec![relation.constant.abs(); block.rows];
            for &(column, factor) in &relation.columns {
                layout.fill(column, block, &mut cells);
                for ((sum, size), cell) in sums.iter_mut().zip(&mut sizes).zip(&cells) {
                    *sum += factor * cell;
                    *size += (factor * cell).abs();
                }
            }
            let holds = sums.iter().zip(&sizes).map(|(sum, size)| sum.abs() <= ROUNDING * size);
            known.iter_mut().zip(holds).for_each(|(known, holds)| *known &= holds);
        }
        known
    }
}
