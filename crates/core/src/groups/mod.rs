//! Sums over the rows that share the levels of some categories.
//!
//! The cross-products of a category's 0/1 columns are counts, and those with a number are sums by level
//! (as tabmat has it), so no such column is ever made. A table holds a record for every combination of
//! levels that occurs.

mod index;
mod rows;

use self::index::Index;
use self::rows::Rows;
use crate::block::DesignBlock;
use crate::design::TableSpec;

/// Sums for every combination of levels of the categories of its key.
///
/// A table begins by keeping its rows as they are, as long as these take less memory than their sums would. So
/// a part of the data in which most levels occur in few rows is not summed on its own: its rows go, sorted,
/// into the table that it is merged into.
#[derive(Clone, Debug)]
pub(crate) struct GroupTable {
    key: Vec<usize>,
    variables: Vec<usize>,
    slopes: usize,
    weighted: bool,
    index: Index,
    /// The level numbers of each record, one after the other.
    codes: Vec<u32>,
    records: Vec<f64>,
    stride: usize,
    /// Rows that are in no record yet.
    rows: Rows,
    /// Whether rows are summed as they come. Before, there is no record.
    settled: bool,
    /// Rows that must be there for the next look at whether their sums would be smaller.
    check: usize,
}

/// The sums of one combination of levels: of values, and of products, about the record's own origin.
///
/// The origin moves to the mean whenever the weight has doubled, or to a row that weighs more than all before
/// it. So sums of squares about it are never much larger than those about the mean: with rows of weight `a`
/// before the last move and of weight `b <= a` since, whose means are `d` apart, they exceed them by about
/// `b² d² / (a + b)`, while these are at least `a b d² / (a + b)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'t> {
    table: &'t GroupTable,
    values: &'t [f64],
}

/// Rows, weight, the sum of the weights' logarithms, and the weight beyond which the origin moves come first in
/// a record.
const HEADER: usize = 4;
const MOVE_BEYOND: usize = 3;

/// Bytes that the index takes for a record, about.
const INDEX_BYTES: usize = 24;

/// Rows after which it is first asked whether their sums would be smaller; then after four times as many, and
/// so on.
const FIRST_CHECK: usize = 4_096;

/// Records of fewer bytes are at hand in any order. Where there are more, rows are sorted first, this many at once.
const SMALL_BYTES: usize = 1 << 18;
const ROWS_AT_ONCE: usize = 1 << 16;

impl GroupTable {
    pub(crate) fn new(spec: &TableSpec) -> Self {
        let (r, s) = (spec.variables.len(), spec.slopes);
        Self {
            key: spec.key.clone(),
            variables: spec.variables.clone(),
            slopes: s,
            weighted: spec.weighted,
            index: Index::new(spec.key.len()),
            codes: Vec::new(),
            records: Vec::new(),
            stride: HEADER + 2 * r + s * r - s * s.saturating_sub(1) / 2,
            rows: Rows::default(),
            settled: false,
            check: FIRST_CHECK,
        }
    }

    /// The categories of the key.
    pub(crate) fn key(&self) -> &[usize] {
        &self.key
    }

    pub(crate) fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// Number of combinations of levels that were met.
    pub(crate) fn len(&self) -> usize {
        self.records.len() / self.stride
    }

    /// The level numbers of a record.
    pub(crate) fn codes(&self, record: usize) -> &[u32] {
        &self.codes[record * self.key.len()..(record + 1) * self.key.len()]
    }

    pub(crate) fn record(&self, record: usize) -> Record<'_> {
        Record { table: self, values: &self.records[record * self.stride..(record + 1) * self.stride] }
    }

    /// The record of a combination of levels, if a row had it.
    pub(crate) fn find(&self, codes: &[u32]) -> Option<Record<'_>> {
        self.index.find(codes).map(|id| self.record(id as usize)).filter(|r| r.rows() > 0.0)
    }

    /// Takes in the rows at `used` of a block whose values were checked.
    pub(crate) fn update(&mut self, block: &DesignBlock<'_>, used: &[usize]) {
        let codes: Vec<&[u32]> = self.key.iter().map(|&c| block.codes[c]).collect();
        let mut cells: Vec<&[f64]> = self.variables.iter().map(|&v| block.columns[v].values).collect();
        // The weight and its logarithm come behind the variables.
        let weights = block.weights.filter(|_| self.weighted);
        let logs: Vec<f64> = weights.into_iter().flatten().map(|&w| libm::log(w)).collect();
        cells.extend(weights.into_iter().flat_map(|w| [w, logs.as_slice()]));
        self.rows.extend(used, &codes, &cells);
        if !self.settled && self.rows.len() >= self.check {
            self.check *= 4;
            let record = INDEX_BYTES + 4 * self.key.len() + 8 * self.stride;
            self.settled = !self.rows.has_more_keys(self.rows.bytes() / record);
        }
        let is_small = 8 * self.records.len() < SMALL_BYTES;
        if self.settled && (is_small || self.rows.len() >= ROWS_AT_ONCE) {
            self.settle();
        }
    }

    /// Sums the rows that are in no record yet.
    fn settle(&mut self) {
        self.settled = true;
        let mut rows = std::mem::take(&mut self.rows);
        if rows.len() >= ROWS_AT_ONCE {
            rows.sort();
        }
        self.add(&rows);
        self.rows = rows.cleared();
    }

    /// Adds rows to their records.
    fn add(&mut self, rows: &Rows) {
        let r = self.variables.len();
        let mut cells = vec![0.0; r];
        for row in 0..rows.len() {
            let (codes, values) = rows.row(row);
            let (values, own) = values.split_at(r);
            let (weight, log_weight) = if let &[w, log] = own { (w, log) } else { (1.0, 0.0) };
            cells.copy_from_slice(values);
            let at = self.index.insert(codes) as usize * self.stride;
            if at == self.records.len() {
                self.records.resize(at + self.stride, 0.0);
                self.codes.extend_from_slice(codes);
            }
            let record = &mut self.records[at..at + self.stride];
            record[2] += log_weight;
            // For few variables the loops have lengths that the compiler knows.
            match r {
                1 => add_row(record, weight, &mut cells[..1], self.slopes),
                2 => add_row(record, weight, &mut cells[..2], self.slopes),
                3 => add_row(record, weight, &mut cells[..3], self.slopes),
                4 => add_row(record, weight, &mut cells[..4], self.slopes),
                5 => add_row(record, weight, &mut cells[..5], self.slopes),
                6 => add_row(record, weight, &mut cells[..6], self.slopes),
                7 => add_row(record, weight, &mut cells[..7], self.slopes),
                8 => add_row(record, weight, &mut cells[..8], self.slopes),
                _ => add_row(record, weight, &mut cells, self.slopes),
            }
        }
    }

    /// Prepares for being merged into another table.
    pub(crate) fn finish(&mut self) {
        if self.settled {
            self.settle();
        }
        self.rows.sort();
    }

    /// Takes in the rows that `other` has seen. What was merged into can be read.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.settle();
        debug_assert!(other.len() == 0 || other.rows.len() == 0);
        for record in 0..other.len() {
            let theirs = &other.records[record * other.stride..(record + 1) * other.stride];
            let codes = other.codes(record);
            let at = self.index.insert(codes) as usize * self.stride;
            if at == self.records.len() {
                self.records.extend_from_slice(theirs);
                self.codes.extend_from_slice(codes);
            } else {
                let own = &mut self.records[at..at + self.stride];
                merge_record(own, theirs, self.variables.len(), self.slopes);
            }
        }
        self.add(&other.rows);
    }

    /// The position of the record of a combination of levels.
    pub(crate) fn position(&self, codes: &[u32]) -> Option<u32> {
        self.index.find(codes)
    }

    fn place(&self, variable: usize) -> Option<usize> {
        self.variables.iter().position(|&v| v == variable)
    }

    /// Position, among the products, of the first one of slope `a`.
    fn products_from(&self, a: usize) -> usize {
        let r = self.variables.len();
        HEADER + 2 * r + a * r - a * a.saturating_sub(1) / 2
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

impl Record<'_> {
    /// Number of rows.
    pub(crate) fn rows(&self) -> f64 {
        self.values[0]
    }

    /// Sum of the weights.
    pub(crate) fn weight(&self) -> f64 {
        self.values[1]
    }

    /// Sum of the logarithms of the weights.
    pub(crate) fn log_weights(&self) -> f64 {
        self.values[2]
    }

    /// The origin of a variable, and the sum of its values about it. Zeros for a variable that the table
    /// does not sum.
    pub(crate) fn sum(&self, variable: usize) -> (f64, f64) {
        let r = self.table.variables.len();
        self.table
            .place(variable)
            .map_or((0.0, 0.0), |j| (self.values[HEADER + j], self.values[HEADER + r + j]))
    }

    /// The sum of `(u - a) w`, where `a` is given as a high and a low part.
    pub(crate) fn sum_about(&self, variable: usize, a: f64, low: f64) -> f64 {
        let (origin, sum) = self.sum(variable);
        sum + self.weight() * ((origin - a) - low)
    }

    /// The sum of the products of two variables about their origins; one of them must be a slope.
    pub(crate) fn product(&self, u: usize, v: usize) -> f64 {
        let (Some(a), Some(b)) = (self.table.place(u), self.table.place(v)) else { return f64::NAN };
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.values[self.table.products_from(a) + b - a]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Column;

    fn spec() -> TableSpec {
        TableSpec { key: vec![0, 1], variables: vec![1, 0], slopes: 1, weighted: true }
    }

    /// Level numbers of row `i`: six pairs, or about as many as there are rows.
    fn codes(i: usize, many: bool) -> [u32; 2] {
        if many {
            [(i * 7_919 % 30_011) as u32, (i / 7 % 2) as u32]
        } else {
            [(i % 3) as u32, (i / 7 % 2) as u32]
        }
    }

    fn fill(table: &mut GroupTable, rows: std::ops::Range<usize>, many: bool) {
        for from in rows.clone().step_by(1_000) {
            let rows = from..rows.end.min(from + 1_000);
            let a: Vec<u32> = rows.clone().map(|i| codes(i, many)[0]).collect();
            let b: Vec<u32> = rows.clone().map(|i| codes(i, many)[1]).collect();
            let x: Vec<f64> = rows.clone().map(|i| 1e6 + (i % 11) as f64).collect();
            let y: Vec<f64> = rows.clone().map(|i| (i % 5) as f64).collect();
            let weights: Vec<f64> = rows.clone().map(|i| 1.0 + (i % 2) as f64).collect();
            let mask: Vec<bool> = rows.clone().map(|i| i % 13 != 0).collect();
            let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
            let codes = [a.as_slice(), &b];
            let (weights, mask) = (Some(weights.as_slice()), Some(mask.as_slice()));
            let block = DesignBlock { columns: &columns, codes: &codes, weights, mask, rows: rows.len() };
            table.update(&block, &block.used().collect::<Vec<_>>());
        }
    }

    /// The sums of a few keys, by the definition and by a table that the rows came to in parts.
    fn check(rows: usize, many: bool, parts: &[usize]) {
        let mut table = GroupTable::new(&spec());
        let mut from = 0;
        for to in parts.iter().copied().chain([rows]) {
            let mut part = GroupTable::new(&spec());
            fill(&mut part, from..to, many);
            part.finish();
            table.merge(&part);
            from = to;
        }
        let used = |i: &usize| !i.is_multiple_of(13);
        for row in [1, 2, 12, 44, rows - 2] {
            let key = codes(row, many);
            let rows: Vec<usize> = (0..rows).filter(|&i| codes(i, many) == key && used(&i)).collect();
            let w = |i: usize| 1.0 + (i % 2) as f64;
            let (x, y) = (|i: usize| (i % 11) as f64, |i: usize| (i % 5) as f64);
            let sum = |f: &dyn Fn(usize) -> f64| rows.iter().map(|&i| w(i) * f(i)).sum::<f64>();
            let record = table.find(&key).unwrap();
            assert_eq!(table.codes(table.position(&key).unwrap() as usize), key);
            assert_eq!(record.rows(), rows.len() as f64);
            assert_eq!(record.weight(), sum(&|_| 1.0));
            let close = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-12 * expected);
            close(record.sum_about(0, 1e6, 0.0), sum(&x));
            let ((ox, sx), (oy, sy)) = (record.sum(0), record.sum(1));
            let (ox, n) = (ox - 1e6, record.weight());
            let product = record.product(0, 1) + ox * sy + oy * sx + n * ox * oy;
            close(product, sum(&|i| x(i) * y(i)));
        }
        assert!(table.find(&[7, 9]).is_none());
    }

    #[test]
    fn records_hold_the_sums_of_their_rows_however_they_came() {
        check(200, false, &[50, 51]);
        check(200, true, &[50, 51]);
        check(150_000, false, &[5_000, 90_000]);
        check(150_000, true, &[5_000, 90_000]);
        check(600_000, true, &[5_000]);
    }
}
