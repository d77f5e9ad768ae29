//! Cells to remainders: sixteen columns at a time, a row after the other.

use super::grids::Grid;
use super::moduli::{DIGIT, DIGITS, MODULI, MOST, power_of_two};
use super::words::{Line, Operation, WORDS, Words, halves};

/// Of parts in an order those of a group: sixteen, of the first what is left over.
#[inline(always)]
pub(super) fn members(order: &[usize], group: usize) -> &[usize] {
    let to = order.len() - (order.len().div_ceil(WORDS) - 1 - group) * WORDS;
    &order[to.saturating_sub(WORDS)..to]
}

/// Columns that are converted together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Digits of the widest column, and moduli that it needs with any other.
    pub(super) digits: usize,
    pub(super) moduli: usize,
    /// What rounds cells to the unit of each digit, by column; zero where there is none.
    magics: [[f64; WORDS]; DIGITS],
    /// The largest magnitudes.
    limits: [f64; WORDS],
}

impl Group {
    /// Of so many moduli, for columns of these grids.
    pub(super) fn new(grids: &[Grid], moduli: usize) -> Self {
        let widest = grids.iter().map(|grid| grid.width).max().unwrap_or(0);
        let digits = (widest as usize).div_ceil(DIGIT as usize).clamp(1, DIGITS);
        let mut group = Self { digits, moduli, magics: [[0.0; WORDS]; DIGITS], limits: [0.0; WORDS] };
        for (at, grid) in grids.iter().enumerate().filter(|(_, grid)| grid.width > 0) {
            group.limits[at] = libm::scalbn(1.0, grid.unit + grid.width - 1);
            for (k, magics) in group.magics[..digits].iter_mut().enumerate() {
                magics[at] = 1.5 * libm::scalbn(1.0, grid.unit + k as i32 * DIGIT + 52);
            }
        }
        group
    }
}

/// What the halves of digits are multiplied by, for each modulus and digit.
const POWERS: [[i32; DIGITS]; MOST] = {
    let mut powers = [[0; DIGITS]; MOST];
    let mut k = 0;
    while k < MOST {
        let mut digit = 0;
        while digit < DIGITS {
            let low = power_of_two(digit as i32 * DIGIT, MODULI[k]);
            let high = power_of_two(digit as i32 * DIGIT + 16, MODULI[k]);
            powers[k][digit] = halves(low, high);
            digit += 1;
        }
        k += 1;
    }
    powers
};

/// Rows that are converted at a time: their remainders by one modulus stay in a core's cache, whatever is multiplied.
pub(super) const BLOCK: usize = 256;

/// Lines of a group and a modulus: two rows each.
pub(super) const LINES: usize = BLOCK / 2;

/// Cells of some rows, by row.
type Rows = [Cells; BLOCK];

/// The cells of a row.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Cells([f64; WORDS]);

/// Writes the remainders of rows `from..to` of all columns, and notes the cells off their grids.
pub(super) struct Conversion<'a> {
    /// The cells of all parts, and which of them the columns of the groups are.
    pub(super) cells: &'a [&'a [f64]],
    pub(super) order: &'a [usize],
    pub(super) groups: &'a [Group],
    pub(super) range: (usize, usize),
    /// Rows off the grids are counted from here.
    pub(super) base: usize,
    pub(super) misses: &'a mut [Vec<usize>],
    /// Room for [`LINES`] lines a group, for every modulus a stride further.
    pub(super) lines: &'a mut [Line],
    pub(super) stride: usize,
}

impl Operation for Conversion<'_> {
    #[inline(always)]
    fn run<W: Words>(self, words: W) {
        let (from, to) = self.range;
        let mut rows = [Cells([0.0; WORDS]); BLOCK];
        for (number, group) in self.groups.iter().enumerate() {
            let parts = members(self.order, number);
            let mut columns = [&NONE[..to - from]; WORDS];
            for (column, &part) in columns.iter_mut().zip(parts) {
                *column = &self.cells[part][from..to];
            }
            by_row(&columns, &mut rows);
            let mut off = Off { parts, misses: self.misses, from: from - self.base };
            let lines = (&mut self.lines[..], number * LINES, self.stride);
            let rows = (&rows, to - from);
            match group.digits {
                1 => convert::<W, 1>(words, group, rows, lines, &mut off),
                2 => convert::<W, 2>(words, group, rows, lines, &mut off),
                3 => convert::<W, 3>(words, group, rows, lines, &mut off),
                _ => convert::<W, 4>(words, group, rows, lines, &mut off),
            }
        }
    }
}

/// The column of what a group lacks.
static NONE: [f64; BLOCK] = [0.0; BLOCK];

/// Puts the cells of columns in rows, and none in the row after the last.
#[inline(always)]
fn by_row(columns: &[&[f64]; WORDS], rows: &mut Rows) {
    let count = columns[0].len().min(BLOCK);
    // Equal lengths, said once, spare the bounds checks inside. Row by row: a column at once would be scattered.
    let columns = columns.map(|column| &column[..count]);
    for (at, row) in rows[..count].iter_mut().enumerate() {
        for k in 0..WORDS {
            row.0[k] = columns[k][at];
        }
    }
    if let Some(after) = rows.get_mut(count) {
        after.0.fill(0.0);
    }
}

/// Where cells off the grid are noted.
struct Off<'a> {
    parts: &'a [usize],
    misses: &'a mut [Vec<usize>],
    from: usize,
}

/// Converts a group: lines of two rows each, from a position on, a stride further for every modulus.
#[inline(always)]
fn convert<W: Words, const N: usize>(
    words: W,
    group: &Group,
    (rows, count): (&Rows, usize),
    (lines, first, stride): (&mut [Line], usize, usize),
    off: &mut Off<'_>,
) {
    for step in 0..count.div_ceil(2) {
        let one = digits::<W, N>(words, group, &rows[2 * step], 2 * step, off);
        let two = digits::<W, N>(words, group, &rows[2 * step + 1], 2 * step + 1, off);
        let mut at = first + step;
        words.store(words.pack(one[0], two[0]), &mut lines[at]);
        for (k, powers) in POWERS.iter().enumerate().take(group.moduli).skip(1) {
            at += stride;
            let one = remainders::<W, N>(words, &one, powers, k);
            let two = remainders::<W, N>(words, &two, powers, k);
            words.store(words.pack(one, two), &mut lines[at]);
        }
    }
}

/// Remainders of integers, of which these are the digits.
#[inline(always)]
fn remainders<W: Words, const N: usize>(
    words: W,
    digits: &[W::Row; N],
    powers: &[i32; DIGITS],
    modulus: usize,
) -> W::Row {
    let mut sum = words.repeat(0);
    for k in 0..N {
        sum = words.add_products(sum, digits[k], words.repeat(powers[k]));
    }
    words.remainders(sum, modulus)
}

/// The digits of the cells of a row, from the lowest: both halves of each are signed. Cells off the grid count as zero.
#[inline(always)]
fn digits<W: Words, const N: usize>(
    words: W,
    group: &Group,
    cells: &Cells,
    row: usize,
    off: &mut Off<'_>,
) -> [W::Row; N] {
    let mut bits = [[0u64; WORDS]; N];
    let mut wrong = [0.0; WORDS];
    let mut worst = words.splat_f64s(0.0);
    let cells = W::as_simd_f64s(&cells.0).0;
    let limits = W::as_simd_f64s(&group.limits).0;
    let wrongs = W::as_mut_simd_f64s(&mut wrong).0;
    for (at, &cell) in cells.iter().enumerate() {
        let mut rest = cell;
        for k in (0..N).rev() {
            let magic = W::as_simd_f64s(&group.magics[k]).0[at];
            // Every subtraction is exact, as in [`crate::sums::exact::grid`].
            let sum = words.add_f64s(rest, magic);
            rest = words.sub_f64s(rest, words.sub_f64s(sum, magic));
            W::as_mut_simd_u64s(&mut bits[k]).0[at] = words.transmute_u64s_f64s(sum);
        }
        let excess = words.sub_f64s(words.abs_f64s(cell), limits[at]);
        wrongs[at] = words.max_f64s(words.abs_f64s(rest), excess);
        worst = words.max_f64s(worst, wrongs[at]);
    }
    if words.reduce_max_f64s(worst) > 0.0 {
        take_out(&wrong, &mut bits, row, off);
    }
    let carry = words.repeat(0x8000);
    let mut digits = [carry; N];
    for k in 0..N {
        // The lower bits of the constants are zero, so those of sums are the digit.
        let mut line = Line::ZERO;
        for at in 0..WORDS {
            line.0[at] = bits[k][at] as i32;
        }
        digits[k] = words.differing(words.plus(words.load(&line), carry), carry);
    }
    digits
}

#[cold]
fn take_out<const N: usize>(
    wrong: &[f64; WORDS],
    bits: &mut [[u64; WORDS]; N],
    row: usize,
    off: &mut Off<'_>,
) {
    for (at, _) in wrong.iter().enumerate().filter(|&(_, &wrong)| wrong > 0.0) {
        bits.iter_mut().for_each(|bits| bits[at] = 0);
        off.misses[off.parts[at]].push(off.from + row);
    }
}
