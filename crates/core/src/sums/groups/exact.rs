//! Sums that are exact: the same for any order of the rows.

use faer::fx128;

use super::fixed::{Entry, Fixed, Span};
use super::rows::RowSlice;
use super::units::Units;
use super::{Row, Shape};
use crate::sums::exact::{BigFixed, BigFixedTable, Magnitude, Place};

/// Exact sums of weights, values and products, and of the weights' logarithms as float64 has them.
#[derive(Clone, Debug)]
pub(super) struct ExactRecords {
    shape: Shape,
    /// For every variable the position of its low part behind the values of a row, if it has one.
    lows: Vec<Option<usize>>,
    rows: Vec<u64>,
    sums: BigFixedTable,
    /// The summands of the variables of a row: each is their sum.
    weighted: Vec<Summands>,
    plain: Vec<Summands>,
    /// Rows as integers.
    fixed: Box<Fixed>,
    pending: Pending,
}

/// Sums of variables in units of one choice of grids, on their way to the records.
#[derive(Clone, Debug, Default)]
struct Pending {
    /// The choice, and the power of two of each variable.
    generation: u32,
    exponents: Vec<i32>,
    /// By variable and record. Cells have 63 bits, so that no number of rows is too large.
    sums: Vec<Vec<i128>>,
}

/// Columns of the sums: the weights less one a row, and their logarithms; then the variables, then products.
const WEIGHT: usize = 0;
const LOG_WEIGHT: usize = 1;
const FIRST: usize = 2;

/// The column of a sum.
fn column_of(shape: Shape, entry: Entry) -> usize {
    match entry {
        Entry::Weight => WEIGHT,
        Entry::Sum(j) => FIRST + j,
        Entry::Product(position) => FIRST + shape.variables + position,
    }
}

/// Numbers whose exact sum is a weighted value: two for its high part, two for its low part.
#[derive(Clone, Copy, Debug, Default)]
struct Summands {
    values: [f64; 4],
    count: usize,
}

impl Summands {
    fn of(&self) -> &[f64] {
        &self.values[..self.count]
    }

    fn push(&mut self, value: f64) {
        if value != 0.0 {
            self.values[self.count] = value;
            self.count += 1;
        }
    }

    /// A value in two parts.
    fn plain(high: f64, low: f64) -> Self {
        let mut summands = Self::default();
        summands.push(high);
        summands.push(low);
        summands
    }

    /// A value in two parts times a weight, exactly; `None` where a part of the product is out of range.
    fn weighted(weight: f64, high: f64, low: f64) -> Option<Self> {
        let mut summands = Self::default();
        for part in [high, low] {
            if part != 0.0 {
                let product = weight * part;
                let safe = product.abs() > SMALLEST && product.is_finite();
                if !safe {
                    return None;
                }
                summands.push(product);
                summands.push(weight.mul_add(part, -product));
            }
        }
        Some(summands)
    }
}

/// Products below this may lack bits that float64 cannot hold.
const SMALLEST: f64 = 1e-280;

/// Bytes that a sum takes, about: whole numbers need one or two limbs, others three or four.
const SUM_BYTES: usize = 20;

impl ExactRecords {
    pub(super) fn new(shape: Shape, lows: Vec<Option<usize>>) -> Self {
        Self {
            shape,
            lows,
            rows: Vec::new(),
            sums: BigFixedTable::new(FIRST + shape.variables + shape.products()),
            weighted: vec![Summands::default(); shape.variables],
            plain: vec![Summands::default(); shape.variables],
            fixed: Box::default(),
            pending: Pending::default(),
        }
    }

    /// Bytes that a record takes, about.
    pub(super) fn record_bytes(shape: Shape) -> usize {
        8 + SUM_BYTES * (shape.variables + shape.products())
    }

    /// Bytes that the records take.
    pub(super) fn bytes(&self) -> usize {
        let pending = self.pending.sums.iter().map(Vec::len).sum::<usize>();
        8 * self.rows.len() + self.sums.bytes() + 16 * pending
    }

    /// Makes as many records.
    pub(super) fn extend(&mut self, records: usize) {
        self.rows.resize(records, 0);
        self.sums.extend_records(records);
    }

    /// Frees the memory of the rows that were added last.
    pub(super) fn release(&mut self) {
        self.fixed.release();
    }

    /// Frees what only adding rows needs.
    pub(super) fn finish(&mut self) {
        *self.fixed = Fixed::default();
    }

    /// Adds rows to the records `ids`, one a row, of which the first `numbers` cells are no weights.
    pub(super) fn add_rows(&mut self, ids: &[u32], slices: &[RowSlice<'_>], numbers: usize) {
        let rows = || slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)));
        if rows().next().is_some_and(|cells| cells.len() > numbers) {
            return self.add_weighted_rows(ids, slices, numbers);
        }
        ids.iter().for_each(|&id| self.rows[id as usize] += 1);
        if self.shape.variables == 0 {
            return;
        }
        let mut fixed = std::mem::take(&mut self.fixed);
        fixed.load(slices, &self.lows);
        self.reserve(&fixed, ids.len());
        let shape = self.shape;
        if shape.slopes == 0 {
            fixed.add_sums(ids, self.rows.len(), |at, j, sum, unit| self.sums.add(at, FIRST + j, sum, unit));
        } else {
            let places = self.places(&fixed);
            let Self { sums: table, .. } = self;
            let mut moved = false;
            fixed.add_products((ids, self.rows.len()), shape, |at, entry, (high, low), unit| {
                let column = column_of(shape, entry);
                if moved || !table.add_at(at, places[column - FIRST], high, low) {
                    // What does not fit moves the records, and other places with them.
                    table.add_wide(at, column, high, low, unit);
                    moved = true;
                }
            });
        }
        // Cells that the grids do not hold, with all products that they are part of.
        let mut missed = fixed.missed().iter().peekable();
        let mut which = vec![false; self.shape.variables];
        for (row, (&id, cells)) in ids.iter().zip(rows()).enumerate() {
            which.fill(false);
            while let Some(&(_, variable)) = missed.next_if(|&&(at, _)| at as usize == row) {
                which[variable as usize] = true;
            }
            if which.contains(&true) {
                self.split(cells);
                self.weighted.copy_from_slice(&self.plain);
                self.add_summands(id as usize, |a, b| which[a] || which[b]);
            }
            if missed.peek().is_none() {
                break;
            }
        }
        self.fixed = fixed;
    }

    /// Adds rows with weights to the records `ids`.
    fn add_weighted_rows(&mut self, ids: &[u32], slices: &[RowSlice<'_>], numbers: usize) {
        let rows = slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)));
        let each = ids.iter().zip(rows.map(|cells| Row::of(cells, numbers)));
        if self.shape.variables == 0 {
            return each.for_each(|(&id, row)| self.add(id as usize, row));
        }
        let mut fixed = std::mem::take(&mut self.fixed);
        fixed.load_weighted(slices, self.shape.variables, numbers);
        let mut missed = fixed.missed().iter().map(|&(row, _)| row as usize).peekable();
        for (at, (&id, row)) in each.enumerate() {
            if missed.next_if_eq(&at).is_some() {
                self.add(id as usize, row);
            } else {
                self.rows[id as usize] += 1;
                self.sums.add_f64(id as usize, LOG_WEIGHT, row.log_weight);
            }
        }
        let shape = self.shape;
        fixed.add_weighted_products((ids, self.rows.len()), shape, |at, entry, (high, low), unit| {
            self.sums.add_wide(at, column_of(shape, entry), high, low, unit);
        });
        self.fixed = fixed;
    }

    /// Adds the rows of a block, without weights, to the records `ids`; no products.
    pub(super) fn add_block(&mut self, ids: &[u32], units: &Units) {
        ids.iter().for_each(|&id| self.rows[id as usize] += 1);
        if self.shape.variables == 0 {
            return;
        }
        if self.pending.generation != units.generation() {
            self.settle();
            self.pending.generation = units.generation();
            self.pending.exponents = units.exponents().collect();
            self.pending.sums.resize(self.shape.variables, Vec::new());
        }
        for (sums, column) in self.pending.sums.iter_mut().zip(units.columns()) {
            sums.resize(self.rows.len(), 0);
            for (&id, &cell) in ids.iter().zip(column) {
                sums[id as usize] += i128::from(cell);
            }
        }
        for missed in units.missed() {
            for part in missed.parts.into_iter().filter(|&part| part != 0.0) {
                self.sums.add_f64(ids[missed.row] as usize, FIRST + missed.variable, part);
            }
        }
    }

    /// Adds to the records what [`ExactRecords::add_block`] added up.
    pub(super) fn settle(&mut self) {
        let Pending { exponents, sums, .. } = &mut self.pending;
        for (j, (sums, &exponent)) in sums.iter_mut().zip(exponents.iter()).enumerate() {
            for (at, sum) in sums.drain(..).enumerate() {
                self.sums.add(at, FIRST + j, sum, exponent);
            }
        }
    }

    /// Where the sums of rows on some grids go.
    fn places(&self, fixed: &Fixed) -> Vec<Place> {
        let Shape { variables, slopes } = self.shape;
        let of_sums = (0..variables).map(|j| (j, None));
        let of_products = (0..slopes).flat_map(|a| (a..variables).map(move |b| (a, Some(b))));
        let entries = of_sums.chain(of_products).enumerate();
        entries.map(|(at, (a, b))| self.sums.place(FIRST + at, fixed.exponent(a, b))).collect()
    }

    /// Makes room for the sums of so many rows more: the records are moved once for all of their sums.
    fn reserve(&mut self, fixed: &Fixed, rows: usize) {
        let Self { shape, sums, .. } = self;
        let more = 65 - (rows as u64).leading_zeros() as i32;
        let room = |column: usize, (lowest, top): (i32, i32)| {
            let (lowest, top) = (lowest.div_euclid(64), (top + more).div_euclid(64));
            (column, lowest, (top - lowest + 1) as usize)
        };
        let spans = fixed.spans();
        let of_sums = spans.iter().enumerate().map(|(j, span)| room(FIRST + j, span.all));
        let pairs = (0..shape.slopes).flat_map(|a| (a..shape.variables).map(move |b| (a, b)));
        let of_products = pairs.enumerate().map(|(at, (a, b))| {
            room(FIRST + shape.variables + at, Span::of_product(spans[a], spans[b], a == b))
        });
        sums.reserve(of_sums.chain(of_products));
    }

    /// The summands of the variables of a row.
    fn split(&mut self, cells: &[f64]) {
        let (values, lows) = cells.split_at(self.shape.variables);
        for j in 0..self.shape.variables {
            self.plain[j] = Summands::plain(values[j], self.lows[j].map_or(0.0, |l: usize| lows[l]));
        }
    }

    /// Adds a row to a record.
    pub(super) fn add(&mut self, at: usize, row: Row<'_>) {
        self.rows[at] += 1;
        self.split(row.cells);
        if row.weight != 1.0 {
            self.sums.add_f64(at, WEIGHT, row.weight);
            self.sums.add_f64(at, WEIGHT, -1.0);
            self.sums.add_f64(at, LOG_WEIGHT, row.log_weight);
            let (values, lows) = row.cells.split_at(self.shape.variables);
            for j in 0..self.shape.variables {
                let low = self.lows[j].map_or(0.0, |l: usize| lows[l]);
                match Summands::weighted(row.weight, values[j], low) {
                    Some(summands) => self.weighted[j] = summands,
                    None => return self.add_out_of_range(at, row.weight),
                }
            }
        } else {
            self.weighted.copy_from_slice(&self.plain);
        }
        self.add_summands(at, |_, _| true);
    }

    /// Adds the sums and the products, of a row that was split, of the pairs of variables that are `wanted`.
    fn add_summands(&mut self, at: usize, wanted: impl Fn(usize, usize) -> bool) {
        let Self { shape, sums, weighted, plain, .. } = self;
        for (j, summands) in weighted.iter().enumerate().filter(|&(j, _)| wanted(j, j)) {
            summands.of().iter().for_each(|&part| sums.add_f64(at, FIRST + j, part));
        }
        let mut column = FIRST + shape.variables;
        for a in 0..shape.slopes {
            for (b, other) in plain.iter().enumerate().skip(a) {
                if wanted(a, b) {
                    for &x in weighted[a].of() {
                        other.of().iter().for_each(|&y| sums.add_product(at, column, x, y));
                    }
                }
                column += 1;
            }
        }
    }

    /// Adds a row whose products float64 does not hold, even in parts.
    #[cold]
    fn add_out_of_range(&mut self, at: usize, weight: f64) {
        let wide = |s: &Summands| s.of().iter().fold(BigFixed::ZERO, |sum, &x| sum.add(&BigFixed::from(x)));
        let plain: Vec<BigFixed> = self.plain.iter().map(wide).collect();
        let weight = BigFixed::from(weight);
        let weighted: Vec<BigFixed> = plain.iter().map(|x| weight.mul(x)).collect();
        let mut column = FIRST;
        for value in &weighted {
            self.sums.add_big_fixed(at, column, value);
            column += 1;
        }
        for a in 0..self.shape.slopes {
            for other in &plain[a..] {
                self.sums.add_big_fixed(at, column, &weighted[a].mul(other));
                column += 1;
            }
        }
    }

    /// Adds a record of `other` to the one at `at`.
    pub(super) fn merge(&mut self, at: usize, other: &Self, theirs: usize) {
        self.rows[at] += other.rows[theirs];
        self.sums.merge_record(at, &other.sums, theirs);
    }

    /// Takes a record of `other` away from the one at `at`; false where its rows were not among those of this one.
    pub(super) fn subtract(&mut self, at: usize, other: &Self, theirs: usize) -> bool {
        let Some(rows) = self.rows[at].checked_sub(other.rows[theirs]) else { return false };
        self.rows[at] = rows;
        self.sums.subtract_record(at, &other.sums, theirs);
        rows > 0 || (0..self.sums.columns()).all(|column| self.sums.is_zero(at, column))
    }

    /// The sums of a record: of the weights, of their logarithms, of the variables, of products.
    pub(super) fn saved(&self, at: usize) -> impl Iterator<Item = BigFixed> {
        let further = (LOG_WEIGHT..self.sums.columns()).map(move |column| self.sums.get(at, column));
        std::iter::once(self.exact_weight(at)).chain(further)
    }

    /// Adds to a record what was saved of one.
    pub(super) fn restore(&mut self, at: usize, rows: u64, sums: &[BigFixed]) {
        self.rows[at] += rows;
        for (column, sum) in sums.iter().enumerate() {
            self.sums.add_big_fixed(at, column, sum);
        }
        self.sums.add_big_fixed(at, WEIGHT, &BigFixed::from(rows).neg());
    }

    pub(super) fn rows(&self, at: usize) -> u64 {
        self.rows[at]
    }

    pub(super) fn log_weights(&self, at: usize) -> f64 {
        self.sums.double(at, LOG_WEIGHT).0
    }

    pub(super) fn exact_weight(&self, at: usize) -> BigFixed {
        self.sums.get(at, WEIGHT).add(&BigFixed::from(self.rows[at]))
    }

    pub(super) fn exact_sum(&self, at: usize, j: usize) -> BigFixed {
        self.sums.get(at, FIRST + j)
    }

    pub(super) fn exact_product(&self, at: usize, a: usize, b: usize) -> BigFixed {
        self.sums.get(at, self.product_column(a, b))
    }

    fn product_column(&self, a: usize, b: usize) -> usize {
        FIRST + self.shape.variables + self.shape.product(a, b)
    }

    /// The sum of the weights.
    pub(super) fn weight(&self, at: usize) -> fx128 {
        self.sums.double(at, WEIGHT).add_accurate(fx128::from_f64(self.rows[at] as f64))
    }

    /// The sum of a variable.
    pub(super) fn sum(&self, at: usize, j: usize) -> fx128 {
        self.sums.double(at, FIRST + j)
    }

    /// The number of the rows of a record if all have the weight 1.
    pub(super) fn count(&self, at: usize) -> Option<u64> {
        Some(self.rows[at]).filter(|&rows| rows > 0 && self.sums.is_zero(at, WEIGHT))
    }

    /// Of `n` rows of weight 1: the mean of a variable, and whether it and its squares are whole numbers in sum.
    pub(super) fn mean_of(&self, at: usize, j: usize, n: u64) -> (fx128, bool) {
        let whole = |column: usize| self.sums.is_whole(at, column);
        let all = whole(FIRST + j) && whole(self.product_column(j, j));
        (self.sums.quotient(at, FIRST + j, n), all)
    }

    /// The sum of a variable, for [`ExactRecords::centred`].
    pub(super) fn magnitude(&self, at: usize, j: usize) -> Magnitude {
        self.sums.magnitude(at, FIRST + j)
    }

    /// Of `n` rows of weight 1: the sum of the products of two variables about their means; their sums are given.
    pub(super) fn centred(
        &self,
        at: usize,
        (a, b): (usize, usize),
        sums: (&Magnitude, &Magnitude),
        n: u64,
    ) -> fx128 {
        self.sums.centred(at, self.product_column(a, b), sums, n)
    }

    /// The mean of a variable, rounded, and the sum of its values about that.
    pub(super) fn sum_about_mean(&self, at: usize, j: usize) -> (f64, f64) {
        about_mean(self.weight(at), self.sum(at, j))
    }

    /// The same of all variables.
    pub(super) fn sums_about_means(&self, at: usize) -> Vec<(f64, f64)> {
        let weight = self.weight(at);
        (0..self.shape.variables).map(|j| about_mean(weight, self.sum(at, j))).collect()
    }

    /// The sums of all variables.
    pub(super) fn variable_sums(&self, at: usize) -> Vec<fx128> {
        (0..self.shape.variables).map(|j| self.sum(at, j)).collect()
    }

    /// The sum of the products of two variables about their rounded means.
    pub(super) fn product_about_means(&self, at: usize, a: usize, b: usize) -> f64 {
        self.product_about(at, self.weight(at), (a, self.sum(at, a)), (b, self.sum(at, b)))
    }

    /// The same for variables of which the sums are given, and the sum of the weights.
    pub(super) fn product_about(
        &self,
        at: usize,
        weight: fx128,
        (a, sum_a): (usize, fx128),
        (b, sum_b): (usize, fx128),
    ) -> f64 {
        let mean = |sum: fx128| fx128::from_f64(if weight.0 == 0.0 { 0.0 } else { sum.0 / weight.0 });
        let (ma, mb) = (mean(sum_a), mean(sum_b));
        let product = self.sums.double(at, self.product_column(a, b));
        let shifted = product.sub_accurate(ma * sum_b).sub_accurate(mb * sum_a);
        shifted.add_accurate(weight * (ma * mb)).0
    }
}

/// The mean of values, rounded, and their sum about that.
fn about_mean(weight: fx128, sum: fx128) -> (f64, f64) {
    if weight.0 == 0.0 {
        return (0.0, 0.0);
    }
    let mean = sum.0 / weight.0;
    (mean, sum.sub_accurate(weight * fx128::from_f64(mean)).0)
}
