//! Against an oracle of arbitrary integers, and the algebra that exactness promises.

use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

use super::*;
use crate::rows::block::Column;

/// Numbers that are not special, the same on every run.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Any finite number, all exponents alike.
    fn finite(&mut self) -> f64 {
        let value = f64::from_bits(self.bits());
        if value.is_finite() { value } else { 0.0 }
    }
}

/// Units of 2^-3222: enough for the product of three float64.
const ORACLE: i32 = 3 * 1074;

/// A finite number as an integer in units of 2^-1074, independent of `parts_of`.
fn big(value: f64) -> BigInt {
    let bits = value.to_bits();
    let (field, fraction) = ((bits >> 52) & 0x7ff, bits & 0xf_ffff_ffff_ffff);
    let size = if field == 0 {
        BigInt::from(fraction)
    } else {
        BigInt::from(fraction + (1 << 52)) << (field - 1) as usize
    };
    if bits >> 63 == 1 { -size } else { size }
}

/// A wide integer in units of 2^-ORACLE.
fn oracle_of(wide: &BigFixed) -> BigInt {
    let digits: Vec<u32> = wide.magnitude().iter().flat_map(|&l| [l as u32, (l >> 32) as u32]).collect();
    let sign = if wide.is_negative() { Sign::Minus } else { Sign::Plus };
    let number = BigInt::from_slice(if wide.is_zero() { Sign::NoSign } else { sign }, &digits);
    let shift = wide.exponent() + ORACLE;
    assert!(shift >= 0, "{wide:?}");
    number << shift as usize
}

/// Data as a block has it.
#[derive(Clone, Debug, Default)]
struct Table {
    columns: Vec<(Vec<f64>, Option<Vec<f64>>)>,
    weights: Option<Vec<f64>>,
    mask: Option<Vec<bool>>,
}

impl Table {
    fn plain(columns: Vec<Vec<f64>>) -> Self {
        Self { columns: columns.into_iter().map(|c| (c, None)).collect(), ..Self::default() }
    }

    fn rows(&self) -> usize {
        self.columns[0].0.len()
    }

    fn add_to(&self, state: &mut ExactProducts, from: usize, to: usize) -> Result<(), BlockError> {
        let columns: Vec<Column<'_>> = self
            .columns
            .iter()
            .map(|(v, l)| Column { values: &v[from..to], low: l.as_ref().map(|l| &l[from..to]) })
            .collect();
        state.update(&DesignBlock {
            columns: &columns,
            codes: &[],
            sparse: None,
            weights: self.weights.as_ref().map(|w| &w[from..to]),
            mask: self.mask.as_ref().map(|m| &m[from..to]),
            rows: to - from,
        })
    }

    /// Blocks of so many rows.
    fn summed(&self, block: usize, kernel: Kernel) -> ExactProducts {
        let mut state = ExactProducts::with_kernel(self.columns.len(), kernel);
        for from in (0..self.rows()).step_by(block) {
            self.add_to(&mut state, from, (from + block).min(self.rows())).unwrap();
        }
        state
    }

    /// Some of the rows.
    fn pick(&self, rows: &[usize]) -> Self {
        let of = |c: &Vec<f64>| rows.iter().map(|&r| c[r]).collect::<Vec<f64>>();
        Self {
            columns: self.columns.iter().map(|(v, l)| (of(v), l.as_ref().map(of))).collect(),
            weights: self.weights.as_ref().map(of),
            mask: self.mask.as_ref().map(|m| rows.iter().map(|&r| m[r]).collect()),
        }
    }

    fn used(&self, row: usize) -> bool {
        self.mask.as_ref().is_none_or(|m| m[row]) && self.weights.as_ref().is_none_or(|w| w[row] > 0.0)
    }

    /// Every sum by integers, in units of 2^-ORACLE; the constant is the last variable.
    fn oracle(&self) -> Vec<Vec<BigInt>> {
        let m = self.columns.len();
        let mut sums = vec![vec![BigInt::ZERO; m + 1]; m + 1];
        for row in (0..self.rows()).filter(|&row| self.used(row)) {
            let mut cells: Vec<BigInt> = self
                .columns
                .iter()
                .map(|(v, l)| big(v[row]) + l.as_ref().map_or(BigInt::ZERO, |l| big(l[row])))
                .collect();
            cells.push(big(1.0));
            let weight = big(self.weights.as_ref().map_or(1.0, |w| w[row]));
            for i in 0..=m {
                let weighted = &weight * &cells[i];
                for j in 0..=i {
                    sums[i][j] += &weighted * &cells[j];
                }
            }
        }
        sums
    }

    fn check(&self, state: &ExactProducts) {
        let m = self.columns.len();
        let oracle = self.oracle();
        assert_eq!(state.rows(), (0..self.rows()).filter(|&r| self.used(r)).count() as u64);
        assert_eq!(oracle_of(&state.weight()), oracle[m][m]);
        for i in 0..m {
            assert_eq!(oracle_of(&state.sum(i)), oracle[m][i], "sum {i}");
            for j in 0..=i {
                assert_eq!(oracle_of(&state.product(i, j)), oracle[i][j], "product {i} {j}");
            }
        }
    }
}

/// Columns of every kind.
fn mixed(rows: usize) -> Table {
    let kinds: [fn(&mut Random) -> f64; 16] = [
        |r| r.normal() * 1e-2,
        |r| r.normal(),
        |r| r.normal() * 1e3,
        |r| f64::from(r.normal() as f32),
        |r| (r.uniform() * 1e4).floor(),
        |r| f64::from(u8::from(r.uniform() < 0.3)),
        |r| (r.uniform() * 1e5).round() / 100.0,
        |r| (3.0 * r.normal()).exp(),
        |r| (std::f64::consts::PI * (r.uniform() - 0.5)).tan(),
        |r| 1e9 + r.normal(),
        |r| f64::from_bits(r.bits() >> 13),
        |r| r.normal() * 1e300,
        |_| 0.0,
        |r| if r.uniform() < 0.5 { -0.0 } else { 0.0 },
        |r| r.normal() * (600.0 * r.uniform() - 300.0).exp2(),
        |r| if r.uniform() < 0.01 { 1e17 * r.normal() } else { (r.uniform() * 3.0).floor() },
    ];
    let mut random = Random(7);
    Table::plain(kinds.iter().map(|kind| (0..rows).map(|_| kind(&mut random)).collect()).collect())
}

const KERNELS: [Kernel; 8] = [
    Kernel::Auto,
    Kernel::Ifma,
    Kernel::Avx512,
    Kernel::Avx2,
    Kernel::Portable,
    Kernel::RemaindersAvx512,
    Kernel::RemaindersAvx2,
    Kernel::RemaindersPortable,
];

const REMAINDERS: [Kernel; 3] =
    [Kernel::RemaindersAvx512, Kernel::RemaindersAvx2, Kernel::RemaindersPortable];

fn kernels() -> impl Iterator<Item = Kernel> {
    KERNELS.into_iter().filter(|kernel| kernel.is_available())
}

#[test]
fn every_entry_is_the_integer_sum() {
    let table = mixed(3_000);
    let mut state = table.summed(1_024, Kernel::Auto);
    table.check(&state);
    state.finish();
    table.check(&state);
}

#[test]
fn blocks_and_kernels_do_not_matter() {
    let table = mixed(2_500);
    let state = table.summed(1_024, Kernel::Portable);
    for kernel in kernels() {
        for block in [1, 7, 63, 128, 511, 513, 2_500] {
            assert_eq!(table.summed(block, kernel), state, "{kernel:?} {block}");
        }
    }
}

/// More columns than slices are taken for, and groups of sixteen that are not full.
#[test]
fn many_columns_have_the_same_sums() {
    let mut random = Random(17);
    let narrow = mixed(900);
    let columns = (0..kernel::WIDE + 5).map(|j| {
        let (scale, shift) = ((random.uniform() * 60.0 - 30.0).exp2(), random.normal());
        let of = |value: &f64| if j % 16 < 11 { value * scale + shift } else { *value };
        narrow.columns[j % 16].0.iter().map(of).collect()
    });
    let mut table = Table::plain(columns.collect());
    assert!(Kernel::Auto.remainders(table.columns.len()).is_some() || !Kernel::Avx2.is_available());
    for weighted in [false, true] {
        if weighted {
            table.weights = Some((0..900).map(|row| f64::from(row % 7) / 3.0).collect());
            table.columns[70].1 = Some(vec![1e-20; 900]);
        }
        let state = table.summed(1_024, Kernel::Avx2);
        for block in [900, 301] {
            assert_eq!(table.summed(block, Kernel::Auto), state, "{block} {weighted}");
            assert_eq!(table.summed(block, Kernel::RemaindersAvx2), state, "{block} {weighted}");
        }
    }
}

#[test]
fn remainders_are_put_together_before_sums_are_too_large_for_them() {
    // On grids of every width the largest cells, of either sign, for more rows than may be pending.
    let rows = 40_000;
    let widths = [2, 7, 14, 20, 27, 33, 40, 46, 53];
    let columns = widths.map(|width| {
        let largest = (1u64 << (width - 1)) as f64;
        let cell = move |row: usize| match row {
            0 => 1.0,
            _ if width == 33 => -largest,
            _ => largest - if width < 53 { 0.0 } else { 1.0 },
        };
        (0..rows).map(cell).collect()
    });
    let table = Table::plain(columns.to_vec());
    let oracle = table.summed(1_024, Kernel::Portable);
    table.check(&oracle);
    for kernel in REMAINDERS {
        for block in [1_024, 1_000] {
            assert_eq!(table.summed(block, kernel), oracle, "{kernel:?} {block}");
        }
    }
}

#[test]
fn largest_remainders_fit_into_lanes() {
    // Half of every modulus, in each row: the sums of lanes are as large as they can be, of one sign.
    let halves = (8_011..8_094).step_by(2).map(|modulus| f64::from(modulus / 2));
    let table = Table::plain(halves.map(|half| (0..600).map(|_| half).collect()).collect());
    let opposite = Table::plain(table.columns.iter().map(|(c, _)| c.iter().map(|x| -x).collect()).collect());
    for kernel in REMAINDERS {
        table.check(&table.summed(1_024, kernel));
        opposite.check(&opposite.summed(1_024, kernel));
    }
}

/// What a state file gets: parts that were summed on different processors, and merged, are the whole on any of them.
#[test]
fn sums_of_different_kernels_are_saved_and_merged_alike() {
    let table = mixed(1_600);
    let (first, second): (Vec<usize>, Vec<usize>) = (0..1_600).partition(|row| row % 2 == 0);
    let [first, second] = [table.pick(&first), table.pick(&second)];
    let saved = |state: &ExactProducts| state.saved().collect::<Vec<_>>();
    let whole = saved(&table.summed(1_024, Kernel::Portable));
    for a in kernels() {
        let part = first.summed(1_024, a);
        assert_eq!(saved(&part), saved(&first.summed(1_024, Kernel::Portable)), "{a:?}");
        for b in kernels() {
            let mut merged = part.clone();
            merged.merge(second.summed(512, b)).unwrap();
            assert_eq!(saved(&merged), whole, "{a:?} {b:?}");
            let mut restored = ExactProducts::with_kernel(table.columns.len(), b);
            restored.restore(merged.rows(), &merged.weight(), &whole);
            assert_eq!(saved(&restored), whole, "{a:?} {b:?}");
        }
    }
}

#[test]
fn order_and_merging_do_not_matter() {
    let table = mixed(2_000);
    let state = table.summed(1_024, Kernel::Auto);
    let mut random = Random(3);
    for _ in 0..5 {
        let mut rows: Vec<usize> = (0..2_000).collect();
        rows.sort_by_cached_key(|_| random.bits());
        let shuffled = table.pick(&rows);
        assert_eq!(shuffled.summed(300, Kernel::Auto), state);
        let mut parts: Vec<ExactProducts> =
            rows.chunks(170).map(|part| table.pick(part).summed(64, Kernel::Auto)).collect();
        while parts.len() > 1 {
            let taken = parts.swap_remove(random.bits() as usize % parts.len());
            let at = random.bits() as usize % parts.len();
            parts[at].merge(taken).unwrap();
        }
        assert_eq!(parts[0], state);
    }
}

#[test]
fn subtracting_undoes_merging() {
    let table = mixed(1_500);
    let (first, second): (Vec<usize>, Vec<usize>) = (0..1_500).partition(|r| r % 3 != 0);
    let (a, b) = (table.pick(&first), table.pick(&second));
    let mut state = a.summed(1_024, Kernel::Auto);
    state.merge(b.summed(1_024, Kernel::Auto)).unwrap();
    assert_eq!(state, table.summed(1_024, Kernel::Auto));
    state.subtract(&b.summed(100, Kernel::Auto)).unwrap();
    assert_eq!(state, a.summed(1_024, Kernel::Auto));
    a.check(&state);
    state.subtract(&a.summed(1_024, Kernel::Auto)).unwrap();
    assert_eq!(state, ExactProducts::new(table.columns.len()));
    assert_eq!(state.subtract(&a.summed(1_024, Kernel::Auto)), Err(BlockError::Shape));
}

#[test]
fn sums_are_flushed_before_they_overflow() {
    // The largest digits that one slice and two slices can have.
    let rows = 200_000;
    let columns =
        vec![vec![536_870_911.0; rows], vec![-536_870_912.0; rows], vec![1.0 - f64::EPSILON / 2.0; rows]];
    let table = Table::plain(columns);
    table.check(&table.summed(rows, Kernel::Auto));
    table.check(&table.summed(rows, Kernel::Portable));
}

#[test]
fn digits_at_their_limits_are_exact() {
    // Cells around the limits of the grid's slices, of either sign, many in a row.
    for base in [22, 28, 29, 30, 31, 45, 52, 58, 59, 60, 61] {
        let cell = |r: &mut Random| {
            let near = (1u64 << base) as f64 + ((r.bits() % 5) as f64 - 2.0);
            if r.bits().is_multiple_of(2) { near } else { -near }
        };
        let mut random = Random(base);
        let table = Table::plain((0..3).map(|_| (0..2_000).map(|_| cell(&mut random)).collect()).collect());
        for kernel in kernels() {
            table.check(&table.summed(1_024, kernel));
        }
    }
}

#[test]
fn lanes_do_not_overflow() {
    // Two upper digits (or their negatives) whose values at the points have the largest products, of two to five slices, on
    // a grid that the first cells keep in place.
    let of_digits = |bits: u32, slices: u32| {
        let digit = (1u64 << (bits - 1)) - 1;
        ((digit << bits) + digit) as f64 * f64::from(bits * (slices - 2)).exp2()
    };
    let two = ((1u64 << 59) - (1 << 31) + (1 << 29)) as f64;
    for large in [two, of_digits(26, 3), of_digits(26, 4), of_digits(24, 5)] {
        for (a, b) in [(large, large), (large, -large), (-large, -large)] {
            let column = |value: f64| {
                let mut cells = vec![value; 3_000];
                cells[..2].copy_from_slice(&[1.0, -1.0]);
                cells
            };
            let table = Table::plain(vec![column(a), column(b), column(two)]);
            for kernel in kernels() {
                table.check(&table.summed(1_024, kernel));
            }
        }
    }
}

#[test]
fn outliers_meet_once() {
    // From none to all rows of a column, in pairs, weighted and not.
    let mut random = Random(13);
    for share in [0.001, 0.02, 0.3, 1.0] {
        let cell = |r: &mut Random| {
            let wild = r.uniform() < share;
            if wild { r.normal() * (800.0 * r.uniform() - 400.0).exp2() } else { (9.0 * r.uniform()).floor() }
        };
        let mut table =
            Table::plain((0..20).map(|_| (0..2_500).map(|_| cell(&mut random)).collect()).collect());
        table.columns[3].1 = Some(table.columns[4].0.clone());
        table.check(&table.summed(1_024, Kernel::Auto));
        table.weights = Some((0..2_500).map(|_| (3.0 * random.uniform()).floor()).collect());
        table.check(&table.summed(1_024, Kernel::Auto));
    }
}

#[test]
fn weights_masks_and_low_parts_are_exact() {
    let rows = 1_300;
    let mut random = Random(11);
    let mut table = mixed(rows);
    let lows = (0..rows).map(|_| random.normal() * 1e-17).collect();
    table.columns[1].1 = Some(lows);
    table.columns[4].1 = Some(vec![0.0; rows]);
    let weights: [fn(&mut Random) -> f64; 6] = [
        |r| (r.uniform() * 5.0).floor(),
        |r| r.uniform(),
        |r| r.finite().abs(),
        |_| 1.0,
        |r| if r.uniform() < 0.5 { 0.0 } else { 1.0 },
        |r| f64::from_bits(r.bits() >> 12),
    ];
    for weight in weights {
        for masked in [false, true] {
            let mut table = table.clone();
            table.weights = Some((0..rows).map(|_| weight(&mut random)).collect());
            if masked {
                let mask: Vec<bool> = (0..rows).map(|_| random.uniform() < 0.7).collect();
                for (row, _) in mask.iter().enumerate().filter(|(_, used)| !**used) {
                    table.columns[row % 16].0[row] = f64::NAN;
                }
                table.mask = Some(mask);
            }
            let state = table.summed(512, Kernel::Auto);
            table_check_used(&table, &state);
            assert_eq!(table.summed(37, Kernel::Portable), state);
        }
    }
    table.check(&table.summed(512, Kernel::Auto));
}

/// The oracle looks at used rows only, so NaNs in others are no matter.
fn table_check_used(table: &Table, state: &ExactProducts) {
    let used: Vec<usize> = (0..table.rows()).filter(|&row| table.used(row)).collect();
    table.pick(&used).check(state);
}

#[test]
fn refused_blocks_change_nothing() {
    let table = mixed(700);
    let mut state = table.summed(700, Kernel::Auto);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for row in [0, 600, 699] {
            let mut worse = table.clone();
            worse.columns[5].0[row] = bad;
            assert_eq!(worse.add_to(&mut state, 0, 700), Err(BlockError::Value { variable: 5 }));
            let mut worse = table.clone();
            worse.columns[5].1 = Some(vec![0.0; 700]);
            worse.columns[5].1.as_mut().unwrap()[row] = bad;
            assert_eq!(worse.add_to(&mut state, 0, 700), Err(BlockError::Value { variable: 5 }));
        }
    }
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let mut worse = table.clone();
        worse.weights = Some([vec![1.0; 699], vec![bad]].concat());
        assert_eq!(worse.add_to(&mut state, 0, 700), Err(BlockError::Weight { row: 699 }));
        // One that is masked hides no other.
        worse.weights.as_mut().unwrap()[3] = bad;
        worse.mask = Some((0..700).map(|row| row != 3).collect());
        assert_eq!(worse.add_to(&mut state, 0, 700), Err(BlockError::Weight { row: 699 }));
    }
    assert_eq!(Table::plain(vec![vec![1.0]]).add_to(&mut state, 0, 1), Err(BlockError::Shape));
    assert_eq!(state.merge(ExactProducts::new(3)), Err(BlockError::Shape));
    assert_eq!(state, table.summed(700, Kernel::Auto));
}

#[test]
fn grids_follow_the_data() {
    // Integers, then doubles, then numbers on no grid, then integers again.
    let mut random = Random(5);
    let mut column = Vec::new();
    for phase in 0..4 {
        column.extend((0..6_000).map(|_| match phase {
            0 | 3 => (random.uniform() * 100.0).floor(),
            1 => random.normal() * 1e-6,
            _ => random.finite(),
        }));
    }
    let other: Vec<f64> = (0..24_000).map(|_| random.normal()).collect();
    let table = Table::plain(vec![column, other]);
    let state = table.summed(1_024, Kernel::Auto);
    table.check(&state);
    assert_eq!(table.summed(24_000, Kernel::Portable), state);
}

#[test]
fn doubled_products_are_those_of_integers() {
    let table = Table::plain(vec![
        (0..50).map(|i| 1e15 + f64::from(i)).collect(),
        (0..50).map(|i| 1e9 - 0.5 * f64::from(i * i)).collect(),
    ]);
    let mut state = table.summed(50, Kernel::Auto);
    state.finish();
    let double_double = state.double_double();
    // Sums of squares of 0..50 about their mean, and of i against -i^2 / 2.
    assert_eq!((double_double.centred(0, 0).0, double_double.centred(0, 0).1), (10_412.5, 0.0));
    assert_eq!((double_double.centred(1, 0).0, double_double.centred(1, 0).1), (-255_106.25, 0.0));
    assert_eq!((double_double.mean(0).0, double_double.mean(0).1), (1e15 + 24.5, 0.0));
    let float = state.to_cross_products();
    assert_eq!((float.centred(1, 0), float.moments().mean(0)), (-255_106.25, 1e15 + 24.5));
    assert_eq!(float.moments().weight(), 50.0);
    let empty = ExactProducts::new(2).double_double();
    assert_eq!((empty.rows(), empty.centred(1, 1).0, empty.mean(0).0), (0, 0.0, 0.0));
}

#[test]
fn quotients_are_rounded_once() {
    let third = BigFixed::from(1.0).div_to_double(&BigFixed::from(3.0));
    assert_eq!((third.0, third.1), (1.0 / 3.0, 1.850_371_707_708_594e-17));
    let large = BigFixed::from(3u64).scaled(5_000).div_to_double(&BigFixed::from(1u64).scaled(4_990));
    assert_eq!((large.0, large.1), (3_072.0, 0.0));
    let mut random = Random(2);
    for _ in 0..2_000 {
        let (a, b) = (BigFixed::from(random.finite()), BigFixed::from(random.finite()));
        let (a, b) = (a.mul(&BigFixed::from(random.normal())), b.mul(&BigFixed::from(random.normal())));
        if a.is_zero() || b.is_zero() {
            continue;
        }
        let quotient = a.div_to_double(&b);
        if !quotient.0.is_finite() || quotient.0.abs() < 1e-200 {
            continue;
        }
        let found = BigFixed::from(quotient.0).add(&BigFixed::from(quotient.1));
        let error = a.sub(&found.mul(&b));
        let allowed = a.scaled(-106);
        assert!(error.is_zero() || compare_sizes(&error, &allowed), "{a:?} {b:?}");
    }
}

/// Whether |a| <= |b|.
fn compare_sizes(a: &BigFixed, b: &BigFixed) -> bool {
    let size = |w: &BigFixed| if w.is_negative() { w.neg() } else { w.clone() };
    !size(b).sub(&size(a)).is_negative()
}

/// Any finite number by its bits.
fn any_finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite())
}

/// Numbers of one sort a column, so that grids hold for a while.
fn any_column(rows: usize) -> impl Strategy<Value = Vec<f64>> {
    let near = (-1_000..1_000i32, 0..80i32).prop_flat_map(move |(at, spread)| {
        let cell = (any::<i64>(), 0..=spread).prop_map(move |(m, e)| libm::scalbn((m >> 11) as f64, at + e));
        proptest::collection::vec(cell.prop_map(|x| if x.is_finite() { x } else { 0.0 }), rows)
    });
    let integers = (0..60u32).prop_flat_map(move |bits| {
        proptest::collection::vec(any::<i64>().prop_map(move |m| (m >> (63 - bits)) as f64), rows)
    });
    prop_oneof![proptest::collection::vec(any_finite(), rows), near, integers]
}

fn any_table() -> impl Strategy<Value = Table> {
    (1..5usize, 1..200usize).prop_flat_map(|(m, rows)| {
        let column = (any_column(rows), proptest::option::weighted(0.3, any_column(rows)));
        let weights = proptest::option::of(
            any_column(rows).prop_map(|w| w.into_iter().map(f64::abs).collect::<Vec<f64>>()),
        );
        let mask = proptest::option::of(proptest::collection::vec(any::<bool>(), rows));
        (proptest::collection::vec(column, m), weights, mask).prop_map(|(columns, weights, mask)| Table {
            columns,
            weights,
            mask,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_table_is_summed_exactly(table in any_table(), block in 1..200usize) {
        let state = table.summed(block, Kernel::Auto);
        table.check(&state);
        prop_assert_eq!(&table.summed(table.rows(), Kernel::Portable), &state);
        let mut zero = table.summed(64, Kernel::Auto);
        zero.subtract(&state).unwrap();
        prop_assert_eq!(zero, ExactProducts::new(table.columns.len()));
    }

    #[test]
    fn any_table_has_the_same_sums_by_remainders(table in any_table(), block in 1..200usize) {
        let state = table.summed(table.rows(), Kernel::Portable);
        for kernel in REMAINDERS {
            prop_assert_eq!(&table.summed(block, kernel), &state);
        }
    }

    #[test]
    fn wide_arithmetic_is_that_of_integers(a in any_finite(), b in any_finite(), c in any_finite()) {
        let (x, y, z) = (BigFixed::from(a), BigFixed::from(b), BigFixed::from(c));
        let (p, q, r): (BigInt, BigInt, BigInt) = (big(a) << 2_148, big(b) << 2_148, big(c) << 2_148);
        prop_assert_eq!(oracle_of(&x.add(&y)), &p + &q);
        prop_assert_eq!(oracle_of(&x.sub(&y)), &p - &q);
        prop_assert_eq!(oracle_of(&x.mul(&y).mul(&z)), big(a) * big(b) * big(c));
        prop_assert_eq!(oracle_of(&x.add(&y).sub(&x)), q);
        prop_assert_eq!(x.add(&y).add(&z), z.add(&x).add(&y));
        prop_assert_eq!(x.sub(&x), BigFixed::ZERO);
        prop_assert_eq!(oracle_of(&z.neg()), -r);
        let written = serde_json::to_string(&x.mul(&y)).unwrap();
        prop_assert_eq!(serde_json::from_str::<BigFixed>(&written).unwrap(), x.mul(&y));
    }

    #[test]
    fn rounding_is_to_nearest_even(a in any_finite(), b in any_finite()) {
        let (x, y) = (BigFixed::from(a), BigFixed::from(b));
        prop_assert_eq!(x.to_f64(), a);
        // The processor rounds these correctly.
        prop_assert_eq!(x.add(&y).to_f64(), a + b);
        prop_assert_eq!(x.mul(&y).to_f64(), a * b);
        let sum = x.add(&y);
        if (a + b).is_finite() {
            let double = sum.to_double();
            prop_assert_eq!(BigFixed::from(double.0).add(&BigFixed::from(double.1)).to_f64(), a + b);
        }
    }

    #[test]
    fn records_add_up(values in proptest::collection::vec((0..4usize, 0..3usize, any_finite(), any_finite()), 1..60)) {
        let mut table = BigFixedTable::new(3);
        (0..4).for_each(|_| _ = table.push_record());
        let mut oracle = vec![vec![BigInt::ZERO; 3]; 4];
        for &(record, column, a, b) in &values {
            table.add_product(record, column, a, b);
            table.add_f64(record, column, a);
            oracle[record][column] += ((big(a) * big(b)) << 1_074) + (big(a) << 2_148);
        }
        let total = table.push_record();
        for record in 0..4 {
            for column in 0..3 {
                prop_assert_eq!(&oracle_of(&table.get(record, column)), &oracle[record][column]);
            }
            let copy = table.clone();
            table.merge_record(total, &copy, record);
        }
        let copy = table.clone();
        table.subtract_record(0, &copy, total);
        for column in 0..3 {
            let rest: BigInt = -(1..4).map(|r| oracle[r][column].clone()).sum::<BigInt>();
            prop_assert_eq!(oracle_of(&table.get(0, column)), rest);
        }
    }
}
