//! Sums over the rows that share the levels of some categories.
//!
//! The cross-products of a category's 0/1 columns are counts, and those with a number are sums by level
//! (as tabmat has it), so no such column is ever made. A table holds a record for every combination of
//! levels that occurs.

mod exact;
mod float;
mod index;
mod rows;
pub(crate) mod size;

use faer::fx128;

use self::exact::ExactRecords;
use self::float::FloatRecords;
use self::index::Index;
use self::rows::Rows;
use crate::design::{Design, TableSpec};
use crate::rows::block::{BlockError, DesignBlock};
use crate::sums::exact::BigFixed;

/// Sums for every combination of levels of the categories of its key.
///
/// A table begins by keeping its rows as they are, as long as these take less memory than their sums would. So
/// a part of the data in which most levels occur in few rows is not summed on its own: its rows go, sorted,
/// into the table that it is merged into.
#[derive(Clone, Debug)]
pub(crate) struct GroupTable {
    key: Vec<usize>,
    variables: Vec<usize>,
    /// Those whose low parts come behind the values in a row of cells.
    with_low: Vec<usize>,
    weighted: bool,
    index: Index,
    /// The level numbers of each record, one after the other.
    codes: Vec<u32>,
    records: Records,
    /// Rows that are in no record yet.
    rows: Rows,
    /// Whether rows are summed as they come. Before, there is no record.
    settled: bool,
    /// Rows that must be there for the next look at whether their sums would be smaller.
    check: usize,
}

/// The sums of one combination of levels after the other.
#[derive(Clone, Debug)]
enum Records {
    Float(FloatRecords),
    Exact(ExactRecords),
}

/// The sums of one combination of levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'t> {
    table: &'t GroupTable,
    position: usize,
}

/// What is summed for a combination of levels: all of `r` variables, and the products of the first `slopes` of them
/// with all that do not come before.
#[derive(Clone, Copy, Debug)]
struct Shape {
    variables: usize,
    slopes: usize,
}

impl Shape {
    fn products(self) -> usize {
        self.products_from(self.slopes)
    }

    /// Position, among the products, of the first one of slope `a`.
    fn products_from(self, a: usize) -> usize {
        a * self.variables - a * a.saturating_sub(1) / 2
    }

    /// Position of the product of two variables, of which one is a slope.
    fn product(self, a: usize, b: usize) -> usize {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.products_from(a) + b - a
    }
}

/// A row to be summed.
#[derive(Clone, Copy)]
struct Row<'a> {
    weight: f64,
    log_weight: f64,
    /// The values of the variables, then the low parts.
    cells: &'a [f64],
}

/// Bytes that the index takes for a record, about.
const INDEX_BYTES: usize = 24;

/// Rows after which it is first asked whether their sums would be smaller; then after four times as many, and
/// so on.
const FIRST_CHECK: usize = 4_096;

/// Records of fewer bytes are at hand in any order. Where there are more, rows are sorted first, this many at once.
const SMALL_BYTES: usize = 1 << 18;
const ROWS_AT_ONCE: usize = 1 << 16;

impl GroupTable {
    pub(crate) fn new(spec: &TableSpec, design: &Design) -> Self {
        let shape = Shape { variables: spec.variables.len(), slopes: spec.slopes };
        let with_low: Vec<usize> = if design.exact {
            spec.variables.iter().copied().filter(|&v| design.is_computed(v)).collect()
        } else {
            Vec::new()
        };
        let records = if design.exact {
            let low = |v: &usize| with_low.iter().position(|l| l == v);
            Records::Exact(ExactRecords::new(shape, spec.variables.iter().map(low).collect()))
        } else {
            Records::Float(FloatRecords::new(shape))
        };
        Self {
            key: spec.key.clone(),
            variables: spec.variables.clone(),
            with_low,
            weighted: spec.weighted,
            index: Index::new(spec.key.len()),
            codes: Vec::new(),
            records,
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
        match &self.records {
            Records::Float(records) => records.len(),
            Records::Exact(records) => records.len(),
        }
    }

    /// The level numbers of a record.
    pub(crate) fn codes(&self, record: usize) -> &[u32] {
        &self.codes[record * self.key.len()..(record + 1) * self.key.len()]
    }

    pub(crate) fn record(&self, position: usize) -> Record<'_> {
        Record { table: self, position }
    }

    /// The record of a combination of levels, if a row had it.
    pub(crate) fn find(&self, codes: &[u32]) -> Option<Record<'_>> {
        self.index.find(codes).map(|id| self.record(id as usize)).filter(|r| r.rows() > 0.0)
    }

    /// Takes in the rows at `used` of a block whose values were checked.
    pub(crate) fn update(&mut self, block: &DesignBlock<'_>, used: &[usize]) {
        let codes: Vec<&[u32]> = self.key.iter().map(|&c| block.codes[c]).collect();
        let zeros = if self.with_low.is_empty() { Vec::new() } else { vec![0.0; block.rows] };
        let values = self.variables.iter().map(|&v| block.columns[v].values);
        let lows = self.with_low.iter().map(|&v| block.columns[v].low.unwrap_or(&zeros));
        let mut cells: Vec<&[f64]> = values.chain(lows).collect();
        // The weight and its logarithm come behind the variables.
        let weights = block.weights.filter(|_| self.weighted);
        let logs: Vec<f64> = weights.into_iter().flatten().map(|&w| libm::log(w)).collect();
        cells.extend(weights.into_iter().flat_map(|w| [w, logs.as_slice()]));
        self.rows.extend(used, &codes, &cells);
        if !self.settled && self.rows.len() >= self.check {
            self.check *= 4;
            let record = INDEX_BYTES + 4 * self.key.len() + self.record_bytes();
            self.settled = !self.rows.has_more_keys(self.rows.bytes() / record);
        }
        let is_small = self.len() * self.record_bytes() < SMALL_BYTES;
        if self.settled && (is_small || self.rows.len() >= ROWS_AT_ONCE) {
            self.settle();
        }
    }

    fn record_bytes(&self) -> usize {
        match &self.records {
            Records::Float(records) => records.record_bytes(),
            Records::Exact(records) => records.record_bytes(),
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
        let width = self.variables.len() + self.with_low.len();
        for row in 0..rows.len() {
            let (codes, values) = rows.row(row);
            let (cells, own) = values.split_at(width);
            let (weight, log_weight) = if let &[w, log] = own { (w, log) } else { (1.0, 0.0) };
            let at = self.place(codes);
            let row = Row { weight, log_weight, cells };
            match &mut self.records {
                Records::Float(records) => records.add(at, row),
                Records::Exact(records) => records.add(at, row),
            }
        }
    }

    /// The position of the record of a combination of levels, which may be the next one.
    fn place(&mut self, codes: &[u32]) -> usize {
        let at = self.index.insert(codes) as usize;
        if at == self.len() {
            self.codes.extend_from_slice(codes);
            match &mut self.records {
                Records::Float(records) => records.push(),
                Records::Exact(records) => records.push(),
            }
        }
        at
    }

    /// Prepares for being merged into another table.
    pub(crate) fn finish(&mut self) {
        if self.settled {
            self.settle();
        }
        self.rows.sort();
    }

    /// Takes in the rows that `other` has seen. What was merged into can be read.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when the sums of `other` are of another kind.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), BlockError> {
        self.settle();
        debug_assert!(other.len() == 0 || other.rows.len() == 0);
        for record in 0..other.len() {
            let at = self.place(other.codes(record));
            match (&mut self.records, &other.records) {
                (Records::Float(own), Records::Float(theirs)) => own.merge(at, theirs, record),
                (Records::Exact(own), Records::Exact(theirs)) => own.merge(at, theirs, record),
                _ => return Err(BlockError::Shape),
            }
        }
        self.add(&other.rows);
        Ok(())
    }

    /// The position of the record of a combination of levels.
    pub(crate) fn position(&self, codes: &[u32]) -> Option<u32> {
        self.index.find(codes)
    }

    fn place_of(&self, variable: usize) -> Option<usize> {
        self.variables.iter().position(|&v| v == variable)
    }
}

impl Record<'_> {
    /// Number of rows.
    pub(crate) fn rows(&self) -> f64 {
        match &self.table.records {
            Records::Float(records) => records.rows(self.position),
            Records::Exact(records) => records.rows(self.position) as f64,
        }
    }

    /// Sum of the weights.
    pub(crate) fn weight(&self) -> f64 {
        match &self.table.records {
            Records::Float(records) => records.weight(self.position),
            Records::Exact(records) => records.weight(self.position).0,
        }
    }

    /// Sum of the logarithms of the weights.
    pub(crate) fn log_weights(&self) -> f64 {
        match &self.table.records {
            Records::Float(records) => records.log_weights(self.position),
            Records::Exact(records) => records.log_weights(self.position),
        }
    }

    /// A number near the mean of a variable, and the sum of its values about it. Zeros for a variable that the
    /// table does not sum.
    pub(crate) fn sum(&self, variable: usize) -> (f64, f64) {
        let Some(j) = self.table.place_of(variable) else { return (0.0, 0.0) };
        match &self.table.records {
            Records::Float(records) => records.sum(self.position, j),
            Records::Exact(records) => records.sum_about_mean(self.position, j),
        }
    }

    /// The sum of `(u - a) w`, where `a` is given as a high and a low part.
    pub(crate) fn sum_about(&self, variable: usize, a: f64, low: f64) -> f64 {
        match (&self.table.records, self.table.place_of(variable)) {
            (Records::Exact(records), Some(j)) => {
                let shift = records.weight(self.position) * fx128::from_f64(a).add_accurate(low.into());
                records.sum(self.position, j).sub_accurate(shift).0
            }
            _ => {
                let (origin, sum) = self.sum(variable);
                sum + self.weight() * ((origin - a) - low)
            }
        }
    }

    /// The sum of the products of two variables about the numbers that [`Record::sum`] gives; one of them must be a
    /// slope.
    pub(crate) fn product(&self, u: usize, v: usize) -> f64 {
        let (Some(a), Some(b)) = (self.table.place_of(u), self.table.place_of(v)) else { return f64::NAN };
        match &self.table.records {
            Records::Float(records) => records.product(self.position, a, b),
            Records::Exact(records) => records.product_about_means(self.position, a, b),
        }
    }

    /// The exact sum of the weights of the rows, or of a variable; `None` where sums are not exact.
    pub(crate) fn exact_sum(&self, variable: Option<usize>) -> Option<BigFixed> {
        let Records::Exact(records) = &self.table.records else { return None };
        match variable {
            None => Some(records.exact_weight(self.position)),
            Some(v) => Some(records.exact_sum(self.position, self.table.place_of(v)?)),
        }
    }

    /// The exact sum of the products of two variables, of which one must be a slope.
    pub(crate) fn exact_product(&self, u: usize, v: usize) -> Option<BigFixed> {
        let Records::Exact(records) = &self.table.records else { return None };
        Some(records.exact_product(self.position, self.table.place_of(u)?, self.table.place_of(v)?))
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::model::spec::{ModelSpec, Precision};
    use crate::rows::block::Column;

    fn design(exact: bool) -> Design {
        let names = ["y", "x"].map(|name| Field::new(name, DataType::Float64, false));
        let schema = Schema::new(names.to_vec());
        Design::new(&ModelSpec::of_columns("y", ["x"]), &schema).unwrap().with_precision(if exact {
            Precision::Exact
        } else {
            Precision::Float
        })
    }

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
            let block = DesignBlock {
                columns: &columns,
                codes: &codes,
                sparse: None,
                weights,
                mask,
                rows: rows.len(),
            };
            table.update(&block, &block.used().collect::<Vec<_>>());
        }
    }

    /// The sums of a few keys, by the definition and by a table that the rows came to in parts.
    fn check(rows: usize, many: bool, parts: &[usize], exact: bool) {
        let design = design(exact);
        let mut table = GroupTable::new(&spec(), &design);
        let mut from = 0;
        for to in parts.iter().copied().chain([rows]) {
            let mut part = GroupTable::new(&spec(), &design);
            fill(&mut part, from..to, many);
            part.finish();
            table.merge(&part).unwrap();
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
        for exact in [false, true] {
            check(200, false, &[50, 51], exact);
            check(200, true, &[50, 51], exact);
            check(150_000, false, &[5_000, 90_000], exact);
            check(150_000, true, &[5_000, 90_000], exact);
            check(600_000, true, &[5_000], exact);
        }
    }
}
