//! Exact sums of many rows at a time, in integers of fixed widths.
//!
//! Most cells of a column are multiples of one power of two, and no more than 2^62 of it: integers of 63 bits, whose
//! products one instruction makes. Rows of one record are added up in integers of twice and three times that width, and
//! the sums go to the record once. Cells that are none of that are left to others; so the grid, which the first rows
//! decide, and others where it does badly, is a matter of speed alone.

use super::Shape;
use super::rows::RowSlice;
use crate::sums::exact::{span_of, unit_of};

/// Bits of a cell, with its sign.
const BITS: i32 = 63;

/// A grid of a variable: multiples of `2^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) exponent: i32,
    /// `2^-exponent`, and `2^exponent`.
    scale: f64,
    unit: f64,
}

impl Grid {
    /// The one that suits most of these cells.
    pub(super) fn fit(cells: &[f64]) -> Self {
        let exponent = unit_of(cells, BITS);
        Self { exponent, scale: libm::scalbn(1.0, -exponent), unit: libm::scalbn(1.0, exponent) }
    }

    /// The cell in units, and true, if it is on the grid; else 0.
    ///
    /// Cut into two digits by adding and subtracting again, as those of [`ExactProducts`](crate::ExactProducts) are:
    /// conversions of float64 take longer.
    #[inline(always)]
    pub(super) fn read(&self, cell: f64) -> (i64, bool) {
        let scaled = cell * self.scale;
        let sum = scaled + HIGH;
        let rest = scaled - (sum - HIGH);
        let low = rest + LOW;
        // Back again: what vanished below the range of float64 is missed.
        let held = (low - LOW == rest) & (scaled.abs() < MOST) & (scaled * self.unit == cell);
        let high = sum.to_bits().wrapping_sub(HIGH.to_bits()) << DIGIT;
        let units = high.wrapping_add(low.to_bits().wrapping_sub(LOW.to_bits())) as i64;
        (units & -i64::from(held), held)
    }
}

/// Bits of the lower digit.
const DIGIT: i32 = 32;

/// The largest integer, and what rounds to whole numbers, and to multiples of a digit's range, when it is added.
const MOST: f64 = (1u64 << (BITS - 1)) as f64;
const LOW: f64 = 1.5 * (1u64 << 52) as f64;
const HIGH: f64 = LOW * (1u64 << DIGIT) as f64;

/// The bits of a variable: from the lowest exponent to the one where its magnitude and its sign end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Of the cells on the grid.
    held: (i32, i32),
    /// Of all cells.
    pub(super) all: (i32, i32),
}

impl Span {
    /// The bits of the products of two variables, of which one is on its grid; of a square, of all.
    pub(super) fn of_product(a: Self, b: Self, same: bool) -> (i32, i32) {
        let times = |a: (i32, i32), b: (i32, i32)| (a.0 + b.0, a.1 + b.1);
        let hull = |a: (i32, i32), b: (i32, i32)| (a.0.min(b.0), a.1.max(b.1));
        if same { times(a.all, a.all) } else { hull(times(a.all, b.held), times(a.held, b.all)) }
    }
}

/// What a sum is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// The weights, less one a row.
    Weight,
    /// A variable.
    Sum(usize),
    /// The pair of variables at this position.
    Product(usize),
}

/// Rows as integers.
#[derive(Clone, Debug, Default)]
pub(super) struct Fixed {
    grids: Vec<Grid>,
    /// The cells, row after row; 0 for those off the grid.
    units: Vec<i64>,
    /// Those off the grid, by row and variable.
    missed: Vec<(u32, u32)>,
    /// Cells that may be missed before the grids are judged; doubles with every new choice, so that rows which no grid
    /// suits are not measured time and again.
    patience: usize,
    /// Whether others are to be chosen.
    failed: bool,
    spans: Vec<Span>,
    /// The bits that any cell of a variable has.
    sizes: Vec<u64>,
    /// The rows by record: `order[starts[id]..starts[id + 1]]`.
    order: Vec<u32>,
    starts: Vec<u32>,
    /// Those of one record, column after column.
    columns: Vec<i64>,
}

/// Rows that a grid is chosen by.
const SAMPLE: usize = 2_048;

/// One cell in this many may be off its grid.
const TOLERATED: usize = 32;

impl Fixed {
    /// Reads the variables of some rows. `lows` has the places, behind these, of what the values of a variable lack.
    pub(super) fn load(&mut self, slices: &[RowSlice<'_>], lows: &[Option<usize>]) {
        let r = lows.len();
        if self.grids.is_empty() || std::mem::take(&mut self.failed) {
            self.choose(slices, &(0..r).collect::<Vec<_>>());
        }
        let rows: usize = slices.iter().map(RowSlice::len).sum();
        self.units.resize(rows * r, 0);
        self.missed.clear();
        self.sizes.clear();
        self.sizes.resize(r, 0);
        let mut ends = vec![(i32::MAX, i32::MIN); r];
        let each = slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)));
        for (row, (cells, units)) in each.zip(self.units.chunks_exact_mut(r)).enumerate() {
            let (values, own) = cells.split_at(r);
            let mut all = true;
            for (((units, size), &value), grid) in
                units.iter_mut().zip(&mut self.sizes).zip(values).zip(&self.grids)
            {
                let held;
                (*units, held) = grid.read(value);
                *size |= units.unsigned_abs();
                all &= held;
            }
            if all && own.iter().all(|&low| low == 0.0) {
                continue;
            }
            for (j, (grid, low)) in self.grids.iter().zip(lows).enumerate() {
                let low = low.map_or(0.0, |low| own[low]);
                if grid.read(values[j]).1 && low == 0.0 {
                    continue;
                }
                units[j] = 0;
                self.missed.push((row as u32, j as u32));
                for (top, lowest) in [values[j], low].into_iter().filter(|&part| part != 0.0).map(span_of) {
                    ends[j] = (ends[j].0.min(lowest), ends[j].1.max(top));
                }
            }
        }
        self.spans.clear();
        self.spans.extend(self.grids.iter().zip(&self.sizes).zip(ends).map(|((grid, size), ends)| {
            let held = (grid.exponent, grid.exponent + 65 - size.leading_zeros() as i32);
            Span { held, all: (held.0.min(ends.0), held.1.max(ends.1)) }
        }));
        self.judge(self.units.len());
    }

    /// Frees the memory of rows, and keeps the grids.
    pub(super) fn release(&mut self) {
        (self.units, self.columns, self.missed) = (Vec::new(), Vec::new(), Vec::new());
        (self.order, self.starts) = (Vec::new(), Vec::new());
    }

    /// Reads the variables of some rows, and behind them the weights, which stand at `weight` in a row. Of rows that have a
    /// cell off its grid, or a low part, nothing is read: they are [`Fixed::missed`] as a whole.
    pub(super) fn load_weighted(&mut self, slices: &[RowSlice<'_>], variables: usize, weight: usize) {
        let places: Vec<usize> = (0..variables).chain([weight]).collect();
        if self.grids.is_empty() || std::mem::take(&mut self.failed) {
            self.choose(slices, &places);
        }
        let rows: usize = slices.iter().map(RowSlice::len).sum();
        self.units.resize(rows * places.len(), 0);
        self.missed.clear();
        let each = slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)));
        for (row, (cells, units)) in each.zip(self.units.chunks_exact_mut(places.len())).enumerate() {
            let mut all = cells[variables..weight].iter().all(|&low| low == 0.0);
            for ((units, &place), grid) in units.iter_mut().zip(&places).zip(&self.grids) {
                let held;
                (*units, held) = grid.read(cells[place]);
                all &= held;
            }
            if !all {
                units.fill(0);
                self.missed.push((row as u32, 0));
            }
        }
        self.judge(rows);
    }

    /// Whether others than the grids at hand are to be chosen.
    fn judge(&mut self, cells: usize) {
        if self.missed.len() * TOLERATED > cells + self.patience {
            self.failed = true;
            self.patience = (2 * self.patience).max(SAMPLE);
        }
    }

    /// The grids of most of the rows, for the cells at some places in them.
    fn choose(&mut self, slices: &[RowSlice<'_>], places: &[usize]) {
        let rows: usize = slices.iter().map(RowSlice::len).sum();
        let step = (rows / SAMPLE).max(1);
        self.grids.clear();
        for &j in places {
            let column = slices.iter().flat_map(|slice| (0..slice.len()).map(|row| slice.cells(row)[j]));
            self.grids.push(Grid::fit(&column.step_by(step).collect::<Vec<_>>()));
        }
    }

    /// The bits of every variable.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The power of two that the sum of a variable, or of the products of a pair, counts.
    pub(super) fn exponent(&self, a: usize, b: Option<usize>) -> i32 {
        self.grids[a].exponent + b.map_or(0, |b| self.grids[b].exponent)
    }

    /// Cells that are off their grids: row and variable, in the order of the rows.
    pub(super) fn missed(&self) -> &[(u32, u32)] {
        &self.missed
    }

    /// Hands the sums of the variables of every record to `sink`: record, variable, and the sum in units `2^exponent`.
    pub(super) fn add_sums(
        &self,
        ids: &[u32],
        records: usize,
        mut sink: impl FnMut(usize, usize, i128, i32),
    ) {
        let r = self.grids.len();
        let mut sums = vec![0; records * r];
        for (&id, units) in ids.iter().zip(self.units.chunks_exact(r)) {
            let own: &mut [i128] = &mut sums[id as usize * r..][..r];
            own.iter_mut().zip(units).for_each(|(sum, &units)| *sum += i128::from(units));
        }
        for (at, own) in sums.chunks_exact(r).enumerate() {
            for ((j, &sum), grid) in
                own.iter().enumerate().zip(&self.grids).filter(|((_, sum), _)| **sum != 0)
            {
                sink(at, j, sum, grid.exponent);
            }
        }
    }

    /// Hands the sums of the variables and of the products of every record to `sink`: record, what it is of, and the sum
    /// as `2^64 high + low` in units `2^exponent`.
    pub(super) fn add_products(
        &mut self,
        (ids, records): (&[u32], usize),
        shape: Shape,
        mut sink: impl FnMut(usize, Entry, (i128, u64), i32),
    ) {
        self.sort(ids, records);
        let Self { grids, units, order, starts, columns, .. } = self;
        let r = grids.len();
        for (at, run) in starts.windows(2).enumerate().filter(|(_, run)| run[0] < run[1]) {
            let rows = &order[run[0] as usize..run[1] as usize];
            // Columns of the rows of one record, short enough for the nearest cache.
            for rows in rows.chunks(RUN) {
                let n = rows.len();
                gather(rows, r, units, columns);
                let column = |j: usize| &columns[j * n..(j + 1) * n];
                for (j, grid) in grids.iter().enumerate() {
                    let sum: i128 = column(j).iter().map(|&units| i128::from(units)).sum();
                    sink(at, Entry::Sum(j), (sum >> 64, sum as u64), grid.exponent);
                }
                for a in 0..shape.slopes {
                    for b in a..r {
                        let sum = product(column(a), column(b));
                        let unit = grids[a].exponent + grids[b].exponent;
                        sink(at, Entry::Product(shape.product(a, b)), sum, unit);
                    }
                }
            }
        }
    }

    /// The same for rows with weights, of which those that were missed are not counted: the sums of products with the
    /// weight. That of a variable and the weight is cut into two digits, each of which is multiplied like a cell.
    pub(super) fn add_weighted_products(
        &mut self,
        (ids, records): (&[u32], usize),
        shape: Shape,
        mut sink: impl FnMut(usize, Entry, (i128, u64), i32),
    ) {
        self.sort(ids, records);
        let Self { grids, units, order, starts, columns, .. } = self;
        let r = shape.variables;
        let weight = grids[r].exponent;
        let [mut high, mut low] = [[0; RUN]; 2];
        for (at, run) in starts.windows(2).enumerate().filter(|(_, run)| run[0] < run[1]) {
            for rows in order[run[0] as usize..run[1] as usize].chunks(RUN) {
                let n = rows.len();
                gather(rows, r + 1, units, columns);
                let column = |j: usize| &columns[j * n..(j + 1) * n];
                let weights = column(r);
                let sum: i128 = weights.iter().map(|&units| i128::from(units)).sum();
                sink(at, Entry::Weight, (sum >> 64, sum as u64), weight);
                let counted = -(weights.iter().filter(|&&units| units != 0).count() as i128);
                sink(at, Entry::Weight, (counted >> 64, counted as u64), 0);
                for j in 0..r {
                    sink(at, Entry::Sum(j), product(weights, column(j)), weight + grids[j].exponent);
                }
                for a in 0..shape.slopes {
                    for (i, (&w, &x)) in weights.iter().zip(column(a)).enumerate() {
                        let both = i128::from(w) * i128::from(x);
                        (high[i], low[i]) =
                            ((both >> (BITS - 1)) as i64, both as i64 & ((1 << (BITS - 1)) - 1));
                    }
                    for b in a..r {
                        let unit = weight + grids[a].exponent + grids[b].exponent;
                        let entry = Entry::Product(shape.product(a, b));
                        sink(at, entry, product(&high[..n], column(b)), unit + BITS - 1);
                        sink(at, entry, product(&low[..n], column(b)), unit);
                    }
                }
            }
        }
    }

    /// Lists the rows by record.
    fn sort(&mut self, ids: &[u32], records: usize) {
        self.columns.resize(RUN * self.grids.len(), 0);
        self.starts.clear();
        self.starts.resize(records + 1, 0);
        ids.iter().for_each(|&id| self.starts[id as usize + 1] += 1);
        for at in 0..records {
            self.starts[at + 1] += self.starts[at];
        }
        self.order.resize(ids.len(), 0);
        for (row, &id) in ids.iter().enumerate().rev() {
            // From the end of each record downwards, and back up to where it was.
            let end = &mut self.starts[id as usize + 1];
            *end -= 1;
            self.order[*end as usize] = row as u32;
        }
        // Every entry is now where its record begins.
        self.starts.remove(0);
        self.starts.push(ids.len() as u32);
    }
}

/// Rows of a record that are multiplied at a time.
const RUN: usize = 128;

/// The sum of the products of two columns, `2^64 high + low`.
#[inline]
fn product(a: &[i64], b: &[i64]) -> (i128, u64) {
    let (mut high, mut low) = (0i128, 0u128);
    let mut add = |sum: i128| {
        low += u128::from(sum as u64);
        high += sum >> 64;
    };
    // Four products are below 2^126.
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        let times = |i: usize| i128::from(a[i]) * i128::from(b[i]);
        add((times(0) + times(1)) + (times(2) + times(3)));
    }
    add(a_rest.iter().zip(b_rest).map(|(&a, &b)| i128::from(a) * i128::from(b)).sum());
    (high + (low >> 64) as i128, low as u64)
}

/// Copies rows of `width` cells into columns, one behind the other.
fn gather(rows: &[u32], width: usize, units: &[i64], columns: &mut [i64]) {
    for (place, &row) in rows.iter().enumerate() {
        let units = &units[row as usize * width..][..width];
        units.iter().zip(columns[place..].iter_mut().step_by(rows.len())).for_each(|(&u, to)| *to = u);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::exact::{BigFixed, BigFixedTable};

    #[test]
    fn a_grid_holds_a_cell_or_says_that_it_does_not() {
        let grid = Grid { exponent: -40, scale: libm::scalbn(1.0, 40), unit: libm::scalbn(1.0, -40) };
        let largest = libm::scalbn(1.0, 21);
        for cell in [0.0, -0.0, 1.0, -0.375, grid.unit, largest, -largest] {
            let (units, held) = grid.read(cell);
            assert_eq!((units as f64 * grid.unit, held), (cell, true), "{cell}");
        }
        for cell in [grid.unit / 2.0, 1.0 / 3.0, 2.0 * largest, 4.0 * largest, 1e300, -1e300, 5e-324] {
            assert!(!grid.read(cell).1, "{cell}");
        }
        let coarse = Grid { exponent: 700, scale: libm::scalbn(1.0, -700), unit: libm::scalbn(1.0, 700) };
        assert!(!coarse.read(5e-324).1 && !coarse.read(1.0).1 && coarse.read(libm::scalbn(3.0, 700)).1);
    }

    #[test]
    fn products_of_the_largest_integers_are_whole() {
        let most = (1i64 << 62) - 1;
        for ((a, b), rows) in [((most, most), RUN), ((-most, most), RUN), ((-most, -most), RUN - 1)] {
            let (high, low) = product(&[a; RUN][..rows], &[b; RUN][..rows]);
            let mut table = BigFixedTable::new(1);
            table.push_record();
            table.add_wide(0, 0, high, low, 0);
            let expected = BigFixed::from(a.unsigned_abs()).mul(&BigFixed::from(b.unsigned_abs()));
            let expected = expected.mul(&BigFixed::from(rows as u64));
            assert_eq!(table.get(0, 0), if (a < 0) == (b < 0) { expected } else { expected.neg() });
        }
    }
}
