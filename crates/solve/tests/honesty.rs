//! No digit is claimed that is not there: claims beside the error against an exact rational solution.

use streamreg_solve::{Fit, SolveOptions};

use crate::nist::sets;
use crate::rational::{Cells, Exact};

/// Numbers that are not special, the same on every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn column(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.between(-1.0, 1.0)).collect()
    }
}

/// A design of condition up to 1e14: a column that is nearly a combination of others, scales and means of any size,
/// small or no residuals, perhaps coefficients that are next to nothing.
fn design(random: &mut Random) -> Cells {
    let p = 1 + random.below(6);
    let n = p + 2 + random.below(39 - p);
    let intercept = random.uniform() < 0.7;
    let mut columns: Vec<Vec<f64>> = (0..p).map(|_| random.column(n)).collect();
    if p > 1 {
        let share = 10f64.powf(-random.between(0.0, 14.0));
        let (target, others) = columns.split_last_mut().unwrap();
        let weights = random.column(others.len());
        for (i, cell) in target.iter_mut().enumerate() {
            *cell = share * *cell + weights.iter().zip(&*others).map(|(w, c)| w * c[i]).sum::<f64>();
        }
        let at = random.below(p);
        columns.swap(at, p - 1);
    }
    let coefficients: Vec<f64> = (0..p)
        .map(|_| random.between(-1.0, 1.0) * 10f64.powf(-random.between(0.0, 12.0).max(4.0) + 4.0))
        .collect();
    let noise = match random.below(4) {
        0 => 0.0,
        1 => 1e-9,
        _ => 10f64.powf(random.between(-4.0, 2.0)),
    };
    let row = |i: usize, random: &mut Random| {
        let exact: f64 = coefficients.iter().zip(&columns).map(|(b, c)| b * c[i]).sum();
        exact + noise * random.between(-1.0, 1.0)
    };
    let y: Vec<f64> = (0..n).map(|i| row(i, random)).collect();
    columns.push(y);
    for column in &mut columns {
        let scale = 10f64.powf(random.between(-8.0, 8.0));
        let mean = if random.uniform() < 0.5 { 0.0 } else { 10f64.powf(random.between(-2.0, 6.0)) };
        let round = random.uniform() < 0.2;
        for cell in column {
            *cell = scale * (*cell + mean);
            if round {
                *cell = (*cell * 1e3).round() / 1e3;
            }
        }
    }
    Cells { columns, intercept }
}

/// How far claims stay below what is reached, and those that do not.
#[derive(Default)]
struct Tally {
    checked: usize,
    gaps: Vec<f64>,
    dishonest: Vec<String>,
}

impl Tally {
    fn check(&mut self, what: &str, claimed: f64, reached: f64) {
        self.checked += 1;
        // The claim of nothing is never wrong; NaN always is.
        if claimed == 0.0 {
            return;
        }
        self.gaps.push(reached.min(15.0) - claimed);
        let honest = claimed <= reached.min(15.0) + 1e-9;
        if !honest {
            self.dishonest.push(format!("{what}: claimed {claimed:.2}, reached {reached:.2}"));
        }
    }

    fn fit(&mut self, what: &str, fit: &Fit, exact: &Exact) {
        for (row, wanted) in fit.coefficients.iter().zip(&exact.coefficients) {
            let reached = wanted.digits_of(row.estimate.unwrap());
            self.check(&format!("{what} {}", row.term), row.digits_arithmetic.unwrap(), reached);
        }
        let reached = exact.rss.digits_of(fit.glance.deviance);
        self.check(&format!("{what} RSS"), fit.residual_digits, reached);
    }

    fn median(&mut self) -> f64 {
        self.gaps.sort_by(f64::total_cmp);
        self.gaps.get(self.gaps.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

const KINDS: [&str; 3] = ["exact", "float", "rows"];

#[test]
#[allow(clippy::print_stdout, reason = "the table, for those who ask with --nocapture")]
fn digits_are_there() {
    let mut options = SolveOptions::default();
    options.rank_tol = 1e-15;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut tallies: [Tally; 3] = Default::default();
    for index in 0..1_000 {
        let cells = design(&mut random);
        let Some(exact) = cells.solve() else { continue };
        for ((tally, fit), kind) in tallies.iter_mut().zip(cells.fits(&options)).zip(KINDS) {
            if fit.aliased.is_empty() {
                tally.fit(&format!("design {index} {kind}"), &fit, &exact);
            }
        }
    }
    for (tally, kind) in tallies.iter_mut().zip(KINDS) {
        let median = tally.median();
        println!("{kind}: {} checked, {} claims, median gap {median:.2}", tally.checked, tally.gaps.len());
        assert!(tally.dishonest.is_empty(), "{} {:#?}", tally.dishonest.len(), tally.dishonest);
        // A claim that is far too low is of no use.
        assert!(median < if kind == "rows" { 4.5 } else { 2.5 }, "{kind}: {median}");
        assert!(tally.gaps.len() > 1_500, "{kind}: {}", tally.gaps.len());
    }
}

#[test]
fn digits_are_there_in_the_nist_sets() {
    for (name, _, cells) in sets() {
        let exact = cells.solve().unwrap();
        for (fit, kind) in cells.fits(&SolveOptions::default()).iter().zip(KINDS) {
            let mut tally = Tally::default();
            if fit.aliased.is_empty() {
                tally.fit(&format!("{name} {kind}"), fit, &exact);
            }
            assert!(tally.dishonest.is_empty(), "{:#?}", tally.dishonest);
            // Fewer than 2 digits would not pass for a result.
            assert!(fit.digits >= 2.0 || kind == "float", "{name} {kind} {}", fit.digits);
        }
    }
}

/// Equal blocks are the worst for float64 sums: their rounding errors do not cancel.
#[test]
fn digits_are_there_in_repeated_rows() {
    for (name, _, mut cells) in sets().into_iter().filter(|(name, ..)| matches!(*name, "Norris" | "Longley"))
    {
        let times = 60_000 / cells.rows();
        for column in &mut cells.columns {
            *column = column.repeat(times);
        }
        let exact = cells.solve().unwrap();
        for (fit, kind) in cells.fits(&SolveOptions::default()).iter().zip(KINDS) {
            let mut tally = Tally::default();
            tally.fit(&format!("{name} {kind}"), fit, &exact);
            assert!(tally.dishonest.is_empty(), "{:#?}", tally.dishonest);
            assert!(tally.median() < 4.5, "{name} {kind} {}", tally.median());
        }
    }
}

/// Cells moved by one unit in the last place, up or down, move no coefficient further than twice what half a unit
/// may do.
#[test]
fn the_input_supports_no_more_than_it_says() {
    let mut options = SolveOptions::default();
    options.rank_tol = 1e-15;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut tally = Tally::default();
    for index in 0..300 {
        let cells = design(&mut random);
        // Rounding may have left nothing of it.
        if cells.columns.last().is_some_and(|y| y.iter().all(|v| *v == 0.0)) {
            continue;
        }
        let mut moved = cells.clone();
        for cell in moved.columns.iter_mut().flatten() {
            // Zero is exact.
            if *cell == 0.0 {
                continue;
            }
            *cell = if random.uniform() < 0.5 { cell.next_up() } else { cell.next_down() };
        }
        let Some((exact, other)) = cells.solve().zip(moved.solve()) else { continue };
        let [fit, ..] = cells.fits(&options);
        // First-order bounds: only where the second order is small.
        if !fit.aliased.is_empty() || fit.condition_number > 1e6 {
            continue;
        }
        let pairs = exact.coefficients.iter().zip(&other.coefficients);
        for (row, (before, after)) in fit.coefficients.iter().zip(pairs) {
            let shift = before.minus(after).double_double().0.abs() / before.double_double().0.abs();
            let reached = 2f64.log10() - shift.log10();
            tally.check(&format!("design {index} {}", row.term), row.digits_input.unwrap(), reached);
        }
    }
    assert!(tally.dishonest.is_empty(), "{} {:#?}", tally.dishonest.len(), tally.dishonest);
    assert!(tally.gaps.len() > 300 && tally.median() < 2.0, "{} {}", tally.gaps.len(), tally.median());
}
