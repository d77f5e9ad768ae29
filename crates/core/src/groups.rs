//! Sums over the rows that share the levels of some categories.
//!
//! The cross-products of a category's 0/1 columns are counts, and those with a number are sums by level
//! (as tabmat has it), so no such column is ever made. A table holds a record for every combination of
//! levels that occurs.

use hashbrown::HashMap;

use crate::block::DesignBlock;
use crate::design::TableSpec;

/// Sums for every combination of levels of the categories of its key.
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
    /// The records of a block's rows; the memory is kept between blocks.
    rows: Vec<u32>,
}

/// The sums of one combination of levels: of values, and of products, about the record's own origin.
///
/// The origin is the first row's values. It is one of the points that are summed, so the sums of squares
/// about it are at most `n + 1` times those about the mean, and usually of the same size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'t> {
    table: &'t GroupTable,
    values: &'t [f64],
}

/// Rows, weight, and the sum of the weights' logarithms come first in a record.
const HEADER: usize = 3;

/// From level numbers to records: a number at a time, so that keys of any length are pairs.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The first number, directly; `NONE` where it was not met.
    first: Vec<u32>,
    /// For every further number of the key: what stands for the ones before, and the number.
    further: Vec<HashMap<u64, u32>>,
    /// How many ids each step has given out.
    given: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Index {
    fn new(length: usize) -> Self {
        let steps = length.max(1);
        Self { first: Vec::new(), further: vec![HashMap::new(); steps - 1], given: vec![0; steps] }
    }

    fn insert_first(&mut self, code: u32) -> u32 {
        let code = code as usize;
        if code >= self.first.len() {
            self.first.resize((code + 1).next_power_of_two(), NONE);
        }
        let id = &mut self.first[code];
        if *id == NONE {
            *id = self.given[0];
            self.given[0] += 1;
        }
        *id
    }

    fn insert_further(&mut self, step: usize, before: u32, code: u32) -> u32 {
        let given = &mut self.given[step];
        let id = self.further[step - 1].entry(pair(before, code)).or_insert(*given);
        *given += u32::from(*id == *given);
        *id
    }

    fn find(&self, codes: &[u32]) -> Option<u32> {
        let (&first, rest) = codes.split_first().unwrap_or((&0, &[]));
        let id = self.first.get(first as usize).copied().filter(|&id| id != NONE)?;
        rest.iter().zip(&self.further).try_fold(id, |id, (&code, step)| step.get(&pair(id, code)).copied())
    }
}

fn pair(before: u32, code: u32) -> u64 {
    u64::from(before) << 32 | u64::from(code)
}

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
            rows: Vec::new(),
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

    /// Takes in a block whose values were checked.
    pub(crate) fn update(&mut self, block: &DesignBlock<'_>) {
        self.find_rows(block);
        let columns: Vec<&[f64]> = self.variables.iter().map(|&v| block.columns[v].values).collect();
        let rows = std::mem::take(&mut self.rows);
        let mut cells = vec![0.0; columns.len()];
        for (row, &id) in rows.iter().enumerate() {
            if id == NONE {
                continue;
            }
            let weight = block.weights.map_or(1.0, |w| w[row]);
            let at = id as usize * self.stride;
            let record = &mut self.records[at..at + self.stride];
            let (header, sums) = record.split_at_mut(HEADER);
            if self.weighted && block.weights.is_some() {
                header[2] += libm::log(weight);
            }
            let weight = if self.weighted { weight } else { 1.0 };
            for (cell, column) in cells.iter_mut().zip(&columns) {
                *cell = column[row];
            }
            add_row(header, sums, weight, &mut cells, self.slopes);
        }
        self.rows = rows;
    }

    /// Fills `rows` with the record of every row, [`NONE`] for rows that do not take part.
    fn find_rows(&mut self, block: &DesignBlock<'_>) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.clear();
        let masked = block.mask.is_some();
        let one = [0; 1];
        let first = self.key.first().map(|&f| block.codes[f]);
        rows.extend((0..block.rows).map(|row| {
            let code = first.map_or(one[0], |codes| codes[row]);
            // A row of a level that the model does not know belongs to no record.
            let used = (!masked || block.uses(row)) && code < crate::levels::FIRST_UNSEEN;
            if used { self.index.insert_first(code) } else { NONE }
        }));
        for step in 1..self.key.len() {
            let codes = block.codes[self.key[step]];
            for (id, &code) in rows.iter_mut().zip(codes) {
                if *id != NONE {
                    let known = code < crate::levels::FIRST_UNSEEN;
                    *id = if known { self.index.insert_further(step, *id, code) } else { NONE };
                }
            }
        }
        let known = self.len();
        let all = *self.index.given.last().unwrap_or(&0) as usize;
        if all > known {
            self.records.resize(all * self.stride, 0.0);
            self.codes.resize(all * self.key.len(), 0);
            for (row, &id) in rows.iter().enumerate() {
                let id = id as usize;
                if id != NONE as usize && id >= known {
                    for (place, &category) in self.key.iter().enumerate() {
                        self.codes[id * self.key.len() + place] = block.codes[category][row];
                    }
                }
            }
        }
        self.rows = rows;
    }

    /// Takes in the sums of other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        for record in 0..other.len() {
            let theirs = &other.records[record * other.stride..(record + 1) * other.stride];
            let codes = other.codes(record);
            let mut id = self.index.insert_first(codes.first().copied().unwrap_or(0));
            for step in 1..codes.len() {
                id = self.index.insert_further(step, id, codes[step]);
            }
            let at = id as usize * self.stride;
            if at == self.records.len() {
                self.records.extend_from_slice(theirs);
                self.codes.extend_from_slice(codes);
            } else {
                merge_record(
                    &mut self.records[at..at + self.stride],
                    theirs,
                    self.variables.len(),
                    self.slopes,
                );
            }
        }
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
#[inline]
fn add_row(header: &mut [f64], sums: &mut [f64], weight: f64, cells: &mut [f64], slopes: usize) {
    let r = cells.len();
    let (origin, rest) = sums.split_at_mut(r);
    let (sums, products) = rest.split_at_mut(r);
    if header[0] == 0.0 {
        origin.copy_from_slice(cells);
    }
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

/// Adds one record to another, shifted to its origin.
fn merge_record(own: &mut [f64], theirs: &[f64], r: usize, slopes: usize) {
    for (a, b) in own[..HEADER].iter_mut().zip(theirs) {
        *a += b;
    }
    let n = theirs[1];
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

    fn fill(table: &mut GroupTable, rows: std::ops::Range<usize>) {
        let a: Vec<u32> = rows.clone().map(|i| (i % 3) as u32).collect();
        let b: Vec<u32> = rows.clone().map(|i| (i / 7 % 2) as u32).collect();
        let x: Vec<f64> = rows.clone().map(|i| 1e6 + (i * i % 11) as f64).collect();
        let y: Vec<f64> = rows.clone().map(|i| (i % 5) as f64).collect();
        let weights: Vec<f64> = rows.clone().map(|i| 1.0 + (i % 2) as f64).collect();
        let mask: Vec<bool> = rows.clone().map(|i| i % 13 != 0).collect();
        let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
        table.update(&DesignBlock {
            columns: &columns,
            codes: &[&a, &b],
            weights: Some(&weights),
            mask: Some(&mask),
            rows: rows.len(),
        });
    }

    #[test]
    fn records_hold_the_sums_of_their_rows_however_they_came() {
        let mut whole = GroupTable::new(&spec());
        fill(&mut whole, 0..200);
        let mut parts = GroupTable::new(&spec());
        for range in [0..50, 50..51, 51..200] {
            let mut part = GroupTable::new(&spec());
            fill(&mut part, range);
            parts.merge(&part);
        }
        assert_eq!((whole.len(), parts.len()), (6, 6));
        for codes in [[0, 0], [1, 0], [2, 1]] {
            let rows = || {
                (0..200usize)
                    .filter(|i| (i % 3) as u32 == codes[0] && (i / 7 % 2) as u32 == codes[1] && i % 13 != 0)
            };
            let w = |i: usize| 1.0 + (i % 2) as f64;
            let (x, y) = (|i: usize| (i * i % 11) as f64, |i: usize| (i % 5) as f64);
            for table in [&whole, &parts] {
                let record = table.find(&codes).unwrap();
                assert_eq!(record.rows(), rows().count() as f64);
                assert_eq!(record.weight(), rows().map(w).sum::<f64>());
                assert_eq!(record.sum_about(0, 1e6, 0.0), rows().map(|i| w(i) * x(i)).sum::<f64>());
                let ((ox, sx), (oy, sy)) = (record.sum(0), record.sum(1));
                let (ox, n) = (ox - 1e6, record.weight());
                let product = record.product(0, 1) + ox * sy + oy * sx + n * ox * oy;
                assert_eq!(product, rows().map(|i| w(i) * x(i) * y(i)).sum::<f64>());
            }
        }
        assert!(whole.find(&[7, 0]).is_none());
    }
}
