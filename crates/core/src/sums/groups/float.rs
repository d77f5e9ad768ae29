//! Sums in float64, about an origin of each record's own.

use super::{Row, Shape};

/// Sums about an origin that moves to the mean whenever the weight has doubled, or to a row that weighs more than all
/// before it. So sums of squares about it are never much larger than those about the mean: with rows of weight `a`
/// before the last move and of weight `b <= a` since, whose means are `d` apart, they exceed them by about
/// `b² d² / (a + b)`, while these are at least `a b d² / (a + b)`.
#[derive(Clone, Debug)]
pub(super) struct FloatRecords {
    shape: Shape,
    values: Vec<f64>,
    stride: usize,
    /// The cells of a row, to become distances from the origin.
    cells: Vec<f64>,
}

/// Rows, weight, the sum of the weights' logarithms, and the weight beyond which the origin moves come first in
/// a record.
const HEADER: usize = 4;
const MOVE_BEYOND: usize = 3;

impl FloatRecords {
    pub(super) fn new(shape: Shape) -> Self {
        let stride = Self::record_bytes(shape) / 8;
        Self { shape, values: Vec::new(), stride, cells: vec![0.0; shape.variables] }
    }

    /// Bytes of a record.
    pub(super) fn record_bytes(shape: Shape) -> usize {
        8 * (HEADER + 2 * shape.variables + shape.products())
    }

    /// Bytes that the records take.
    pub(super) fn bytes(&self) -> usize {
        8 * self.values.len()
    }

    /// Makes as many records.
    pub(super) fn extend(&mut self, records: usize) {
        self.values.resize(records * self.stride, 0.0);
    }

    fn record(&self, at: usize) -> &[f64] {
        &self.values[at * self.stride..(at + 1) * self.stride]
    }

    pub(super) fn rows(&self, at: usize) -> f64 {
        self.record(at)[0]
    }

    pub(super) fn weight(&self, at: usize) -> f64 {
        self.record(at)[1]
    }

    pub(super) fn log_weights(&self, at: usize) -> f64 {
        self.record(at)[2]
    }

    /// The origin of a variable, and the sum of its values about it.
    pub(super) fn sum(&self, at: usize, j: usize) -> (f64, f64) {
        let record = self.record(at);
        (record[HEADER + j], record[HEADER + self.shape.variables + j])
    }

    /// The sum of the products of two variables about their origins.
    pub(super) fn product(&self, at: usize, a: usize, b: usize) -> f64 {
        self.record(at)[HEADER + 2 * self.shape.variables + self.shape.product(a, b)]
    }

    /// Adds a row to a record.
    #[inline]
    pub(super) fn add(&mut self, at: usize, row: Row<'_>) {
        let (r, slopes) = (self.shape.variables, self.shape.slopes);
        let Self { values, stride, cells, .. } = self;
        cells.copy_from_slice(row.cells);
        let record = &mut values[at * *stride..(at + 1) * *stride];
        record[2] += row.log_weight;
        // For few variables the loops have lengths that the compiler knows.
        match r {
            1 => add_row(record, row.weight, &mut cells[..1], slopes),
            2 => add_row(record, row.weight, &mut cells[..2], slopes),
            3 => add_row(record, row.weight, &mut cells[..3], slopes),
            4 => add_row(record, row.weight, &mut cells[..4], slopes),
            5 => add_row(record, row.weight, &mut cells[..5], slopes),
            6 => add_row(record, row.weight, &mut cells[..6], slopes),
            7 => add_row(record, row.weight, &mut cells[..7], slopes),
            8 => add_row(record, row.weight, &mut cells[..8], slopes),
            _ => add_row(record, row.weight, cells, slopes),
        }
    }

    /// What a record has behind the number of its rows, to be restored bit by bit: weight, sum of the weights' logarithms,
    /// the weight beyond which the origin moves; origins, sums and products about them.
    pub(super) fn saved(&self, at: usize) -> &[f64] {
        &self.record(at)[1..]
    }

    /// Makes of an empty record what was saved of one.
    pub(super) fn restore(&mut self, at: usize, rows: u64, saved: &[f64]) {
        let record = &mut self.values[at * self.stride..(at + 1) * self.stride];
        record[0] = rows as f64;
        record[1..].copy_from_slice(saved);
    }

    /// Adds a record of `other` to the one at `at`.
    pub(super) fn merge(&mut self, at: usize, other: &Self, theirs: usize) {
        let theirs = other.record(theirs);
        let own = &mut self.values[at * self.stride..(at + 1) * self.stride];
        if own[0] == 0.0 {
            own.copy_from_slice(theirs);
        } else {
            merge_record(own, theirs, self.shape.variables, self.shape.slopes);
        }
    }
}

/// Adds a row to a record; `cells` become distances from the origin.
#[inline(always)]
fn add_row(record: &mut [f64], weight: f64, cells: &mut [f64], slopes: usize) {
    let r = cells.len();
    if record[1] + weight > record[MOVE_BEYOND] {
        move_origin(record, weight, |j| cells[j], r, slopes);
    }
    let (header, sums) = record.split_at_mut(HEADER);
    let (origin, rest) = sums.split_at_mut(r);
    let (sums, products) = rest.split_at_mut(r);
    header[0] += 1.0;
    header[1] += weight;
    for ((cell, origin), sum) in cells.iter_mut().zip(origin.iter()).zip(sums) {
        *cell -= origin;
        *sum += weight * *cell;
    }
    let mut from = 0;
    for a in 0..slopes {
        let own = weight * cells[a];
        let line = &mut products[from..from + r - a];
        for (product, cell) in line.iter_mut().zip(&cells[a..]) {
            *product += own * cell;
        }
        from += r - a;
    }
}

/// Moves the origin of a record before rows of the given weight and mean come in: to their mean if they weigh
/// more than those that are there, to the mean of the latter otherwise.
#[cold]
fn move_origin(record: &mut [f64], weight: f64, mean: impl Fn(usize) -> f64, r: usize, slopes: usize) {
    let (header, sums) = record.split_at_mut(HEADER);
    let (origin, rest) = sums.split_at_mut(r);
    let (sums, products) = rest.split_at_mut(r);
    let own = header[1];
    header[MOVE_BEYOND] = 2.0 * (own + weight);
    let target = |j: usize| if weight >= own { mean(j) } else { origin[j] + sums[j] / own };
    // Where the origin is, seen from the new one.
    let shifts: Vec<f64> = (0..r).map(|j| if own > 0.0 { origin[j] - target(j) } else { 0.0 }).collect();
    let targets: Vec<f64> = (0..r).map(target).collect();
    let mut at = 0;
    for a in 0..slopes {
        for b in a..r {
            products[at] += shifts[a] * sums[b] + shifts[b] * sums[a] + own * shifts[a] * shifts[b];
            at += 1;
        }
    }
    sums.iter_mut().zip(&shifts).for_each(|(sum, shift)| *sum += own * shift);
    origin.copy_from_slice(&targets);
}

/// Adds one record to another, shifted to its origin.
fn merge_record(own: &mut [f64], theirs: &[f64], r: usize, slopes: usize) {
    let n = theirs[1];
    if own[1] + n > own[MOVE_BEYOND] {
        move_origin(own, n, |j| theirs[HEADER + j] + theirs[HEADER + r + j] / n, r, slopes);
    }
    for (a, b) in own[..MOVE_BEYOND].iter_mut().zip(theirs) {
        *a += b;
    }
    let (own, theirs) = (&mut own[HEADER..], &theirs[HEADER..]);
    let (origin, rest) = own.split_at_mut(r);
    let (sums, products) = rest.split_at_mut(r);
    let (other_origin, other) = theirs.split_at(r);
    let (other_sums, other_products) = other.split_at(r);
    let shift = |j: usize| other_origin[j] - origin[j];
    let mut at = 0;
    for a in 0..slopes {
        let da = shift(a);
        for b in a..r {
            let db = shift(b);
            products[at] += other_products[at] + (da * other_sums[b] + db * other_sums[a]) + n * da * db;
            at += 1;
        }
    }
    for j in 0..r {
        sums[j] += other_sums[j] + n * shift(j);
    }
}
