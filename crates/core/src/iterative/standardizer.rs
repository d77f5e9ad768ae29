//! From blocks of the design's variables to standardised rows.

use std::sync::Arc;

use crate::design::Design;
use crate::design::layout::{Coding, Layout};
use crate::error::{Error, ErrorKind, Result};
use crate::iterative::column_summaries::ColumnSummaries;
use crate::iterative::combination::{Combination, unit};
use crate::iterative::random::Shuffle;
use crate::iterative::rows::{Features, RowBlock};
use crate::iterative::scaling::Scaling;
use crate::iterative::sparse::SparsePlan;
use crate::levels::LevelSet;
use crate::rows::block::DesignBlock;

/// Most rows of a [`RowBlock`] that [`RowBuilder`] makes.
const MOST_ROWS: usize = 2_048;

/// Most bytes of a dense one.
const MOST_BYTES: usize = 2 << 20;

/// Makes standardised rows of the blocks of a design.
#[derive(Clone, Debug)]
pub struct Standardizer {
    plan: Plan,
    scaling: Scaling,
    names: Vec<String>,
    /// Mean squares of columns in standardised units; NaN where they are not known.
    mean_squares: Vec<f64>,
    /// Position of the response among the variables.
    response: usize,
    variables: usize,
    /// Rows with a smaller key are held out.
    held_out: u32,
}

#[derive(Clone, Debug)]
enum Plan {
    /// Every column is a combination of variables.
    Dense(Vec<Combination>),
    /// Most entries are zero.
    Sparse(SparsePlan),
}

impl Standardizer {
    /// What makes the columns of `layout` of the variables of `design`, in the units that `summaries` gives. Rows with a key below
    /// `held_out` are held out.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] where there is not one response.
    pub fn new(design: &Design, layout: &Layout, summaries: &ColumnSummaries, held_out: u32) -> Result<Self> {
        if design.responses() != 1 {
            return Err(Error::new(ErrorKind::Model, "iterative solvers fit one response"));
        }
        let intercept = design.spec.intercept;
        let response = design.first_response();
        let (response_centre, response_scale) =
            unit(summaries.mean(response), summaries.spread(response), intercept);
        let combinations: Option<Vec<Combination>> = layout.columns.iter().map(Combination::of).collect();
        let (plan, units) = match combinations {
            Some(combinations) if !design.is_sparse() => {
                let units: Vec<_> = combinations.iter().map(|c| c.unit(summaries, intercept)).collect();
                (Plan::Dense(combinations), units)
            }
            _ => {
                let (plan, units) = SparsePlan::new(design, layout, summaries);
                (Plan::Sparse(plan), units)
            }
        };
        let (centres, scales) = units.into_iter().unzip();
        let names = if matches!(plan, Plan::Dense(_)) { layout.names() } else { Vec::new() };
        let scaling = Scaling { centres, scales, response_centre, response_scale, intercept };
        let (mean_squares, variables) = (Vec::new(), design.variables());
        let mut own = Self { plan, scaling, names, mean_squares, response, variables, held_out };
        own.mean_squares = own.known_mean_squares(summaries);
        Ok(own)
    }

    /// Those of list columns, which the summaries have sums of.
    fn known_mean_squares(&self, summaries: &ColumnSummaries) -> Vec<f64> {
        let mut known = vec![f64::NAN; self.columns()];
        if let Plan::Sparse(plan) = &self.plan
            && let (Some(first), _) = plan.starts()
        {
            let scales = &self.scaling.scales[first..];
            for ((known, square), scale) in
                known[first..].iter_mut().zip(summaries.mean_squares()).zip(scales)
            {
                *known = square / scale / scale;
            }
        }
        known
    }

    /// Standardised units.
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Number of variables of the design.
    pub fn variables(&self) -> usize {
        self.variables
    }

    /// Number of columns, the constant not among them.
    pub fn columns(&self) -> usize {
        self.scaling.scales.len()
    }

    /// The name of a column.
    pub fn name(&self, column: usize) -> String {
        match &self.plan {
            Plan::Dense(_) => self.names[column].clone(),
            Plan::Sparse(plan) => plan.name(column),
        }
    }

    /// The coefficients of list columns and those of hashes, among those of all columns.
    pub fn wide<'c>(&self, coefficients: &'c [f64]) -> (&'c [f64], &'c [f64]) {
        let (lists, hashed) = match &self.plan {
            Plan::Dense(_) => (None, None),
            Plan::Sparse(plan) => plan.starts(),
        };
        let end = coefficients.len();
        let hashed_from = hashed.unwrap_or(end);
        (&coefficients[lists.unwrap_or(hashed_from)..hashed_from], &coefficients[hashed_from..])
    }

    /// How many columns, the first ones, are those of the model's layout; the others are of list columns and hashes.
    pub fn named(&self) -> usize {
        match &self.plan {
            Plan::Dense(_) => self.names.len(),
            Plan::Sparse(plan) => plan.named(),
        }
    }

    /// Whether rows come as the entries that are not zero.
    pub fn is_sparse(&self) -> bool {
        matches!(self.plan, Plan::Sparse(_))
    }

    /// The sample of the first pass, in standardised units.
    pub fn sample(&self, summaries: &ColumnSummaries, coding: &Coding, sets: &[Arc<LevelSet>]) -> Sample {
        let mut builder = RowBuilder::with_capacity(self, summaries.sampled());
        let mut sample = None;
        summaries.with_sample(coding, sets, |block| {
            let mut take = |rows: RowBlock| {
                sample.get_or_insert(rows);
                None
            };
            builder.append(block, None, &mut take);
            builder.finish(&mut take);
        });
        let rows = sample.unwrap_or_else(|| self.empty_block(0));
        Sample { rows, mean_squares: self.mean_squares.clone() }
    }

    /// Rows of a block.
    fn block_rows(&self) -> usize {
        match &self.plan {
            Plan::Dense(columns) => (MOST_BYTES / (8 * columns.len().max(1))).clamp(8, MOST_ROWS),
            Plan::Sparse(_) => MOST_ROWS,
        }
    }
}

/// Some of the rows, and what is known of all.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The rows, in standardised units.
    pub rows: RowBlock,
    /// Mean squares of the columns over all rows; NaN where they are not known.
    pub mean_squares: Vec<f64>,
}

/// Collects standardised rows into blocks.
pub struct RowBuilder<'e> {
    standardizer: &'e Standardizer,
    block: RowBlock,
    /// For every row the slot that it goes to, where rows are shuffled.
    slots: Vec<u32>,
    shuffle: Option<Shuffle>,
    filled: usize,
    capacity: usize,
    computed: Vec<f64>,
    gathered: Vec<f64>,
}

impl<'e> RowBuilder<'e> {
    /// Collects rows in the order in which they come.
    pub fn new(standardizer: &'e Standardizer) -> Self {
        Self::with_capacity(standardizer, standardizer.block_rows())
    }

    /// The same, up to `capacity` at a time.
    fn with_capacity(standardizer: &'e Standardizer, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            standardizer,
            block: standardizer.empty_block(capacity),
            slots: Vec::new(),
            shuffle: None,
            filled: 0,
            capacity,
            computed: Vec::new(),
            gathered: Vec::new(),
        }
    }

    /// Collects them in a random order within a block, which `seed` decides.
    pub fn shuffled(standardizer: &'e Standardizer, seed: u64) -> Self {
        let mut own = Self::new(standardizer);
        own.shuffle = Some(Shuffle::new(seed));
        own.slots = vec![0; own.capacity];
        own.reorder();
        own
    }

    fn reorder(&mut self) {
        if let Some(shuffle) = &mut self.shuffle {
            shuffle.permute(&mut self.slots);
        }
    }

    /// Appends the rows of `block` that take part, and hands over every block that is full. `take` gives back one to be
    /// filled, of whatever content, if it has one.
    pub fn append(
        &mut self,
        block: &DesignBlock<'_>,
        keys: Option<&[u32]>,
        take: &mut impl FnMut(RowBlock) -> Option<RowBlock>,
    ) {
        let used: Option<Vec<u32>> = (block.mask.is_some() || block.weights.is_some())
            .then(|| block.used().map(|r| r as u32).collect());
        let rows = used.as_ref().map_or(block.rows, Vec::len);
        let mut from = 0;
        while from < rows {
            let to = rows.min(from + self.capacity - self.filled);
            match &used {
                None => self.put(block, keys, Picked::Run(from, to)),
                Some(used) => self.put(block, keys, Picked::List(&used[from..to])),
            }
            self.filled += to - from;
            from = to;
            if self.filled == self.capacity {
                self.hand_over(take);
            }
        }
    }

    /// Hands over the rows that do not fill a block.
    pub fn finish(&mut self, take: &mut impl FnMut(RowBlock) -> Option<RowBlock>) {
        if self.filled > 0 {
            self.hand_over(take);
        }
    }

    fn put(&mut self, block: &DesignBlock<'_>, keys: Option<&[u32]>, picked: Picked<'_>) {
        let slots = self.shuffle.is_some().then(|| &self.slots[self.filled..self.filled + picked.len()]);
        let scaling = &self.standardizer.scaling;
        let start = self.filled;
        match (&self.standardizer.plan, &mut self.block.features) {
            (Plan::Dense(columns), Features::Dense { values, stride, .. }) => {
                for (j, column) in columns.iter().enumerate() {
                    let cells = column.values(block, &mut self.computed);
                    let cells = picked.gather(cells, &mut self.gathered);
                    let out = &mut values[j * *stride..][..*stride];
                    write(cells, (scaling.centres[j], scaling.scales[j]), slots, start, out);
                }
            }
            (Plan::Sparse(plan), Features::Sparse(rows)) => {
                picked.each(|row| plan.append(block, row, scaling, rows));
            }
            _ => {}
        }
        let cells = picked.gather(block.columns[self.standardizer.response].values, &mut self.gathered);
        let unit = (scaling.response_centre, scaling.response_scale);
        write(cells, unit, slots, start, &mut self.block.response);
        if let Some(weights) = block.weights {
            let own = self.block.weights.get_or_insert_with(|| vec![1.0; self.capacity]);
            write(picked.gather(weights, &mut self.gathered), (0.0, 1.0), slots, start, own);
        }
        if self.standardizer.held_out > 0 {
            let own = self.block.held_out.get_or_insert_with(|| vec![false; self.capacity]);
            let mut at = start;
            picked.each(|row| {
                let slot = slots.map_or(at, |slots| slots[at - start] as usize);
                own[slot] = keys.is_some_and(|keys| keys[row] < self.standardizer.held_out);
                at += 1;
            });
        }
    }

    fn hand_over(&mut self, take: &mut impl FnMut(RowBlock) -> Option<RowBlock>) {
        let filled = std::mem::take(&mut self.filled);
        let empty = self.standardizer.empty_block(0);
        let mut block = std::mem::replace(&mut self.block, empty);
        if self.shuffle.is_some() {
            if let Features::Sparse(rows) = &mut block.features {
                rows.permute(&self.slots, filled);
            }
            if filled < self.capacity {
                // Rows are scattered over more slots than there are rows.
                let mut order: Vec<u32> = self.slots[..filled].to_vec();
                order.sort_unstable();
                block.compact(&order);
            }
        }
        block.truncate(filled);
        self.block = take(block).unwrap_or_else(|| self.standardizer.empty_block(self.capacity));
        self.block.reset(self.capacity);
        self.reorder();
    }
}

impl Standardizer {
    /// A block with room for `rows` rows.
    fn empty_block(&self, rows: usize) -> RowBlock {
        let columns = self.scaling.scales.len();
        let features = match &self.plan {
            Plan::Dense(_) => Features::Dense { values: vec![0.0; columns * rows], columns, stride: rows },
            Plan::Sparse(_) => Features::Sparse(super::rows::SparseRows::new(columns)),
        };
        RowBlock { features, response: vec![0.0; rows], weights: None, held_out: None }
    }
}

/// The rows of a block that are taken.
#[derive(Clone, Copy)]
enum Picked<'a> {
    Run(usize, usize),
    List(&'a [u32]),
}

impl Picked<'_> {
    fn len(self) -> usize {
        match self {
            Self::Run(from, to) => to - from,
            Self::List(rows) => rows.len(),
        }
    }

    fn each(self, mut work: impl FnMut(usize)) {
        match self {
            Self::Run(from, to) => (from..to).for_each(work),
            Self::List(rows) => rows.iter().for_each(|&row| work(row as usize)),
        }
    }

    fn gather<'b>(self, values: &'b [f64], buffer: &'b mut Vec<f64>) -> &'b [f64] {
        match self {
            Self::Run(from, to) => &values[from..to],
            Self::List(rows) => {
                buffer.clear();
                buffer.extend(rows.iter().map(|&row| values[row as usize]));
                buffer
            }
        }
    }
}

/// Writes standardised cells to their slots, or one after the other from `start` on.
fn write(cells: &[f64], (centre, scale): (f64, f64), slots: Option<&[u32]>, start: usize, out: &mut [f64]) {
    // The reciprocal of a power of two is exact, but for the smallest ones.
    let factor = 1.0 / scale;
    match slots {
        Some(slots) => {
            for (x, slot) in cells.iter().zip(slots) {
                out[*slot as usize] = (x - centre) * factor;
            }
        }
        None => {
            for (cell, x) in out[start..].iter_mut().zip(cells) {
                *cell = (x - centre) * factor;
            }
        }
    }
}
