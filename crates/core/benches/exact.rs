//! Exact against float cross-products, on one thread, in rows a second.
//!
//! `cargo bench -p streamreg-core --bench exact [-- filter]`. Prints a table: columns, kind of values, kernel, rows a
//! second of either, and what exact costs as a multiple of float. A pass is a partition of
//! 16,384 rows, setting up and flushing included; the least of many passes counts.

use std::io::Write as _;
use std::time::{Duration, Instant};

use streamreg_core::block_rows;
use streamreg_core::{Accumulator, Column, CrossProducts, DesignBlock, ExactProducts, Kernel};

/// Numbers that are cheap to make and not special.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

type Kind = (&'static str, fn(&mut Random, usize) -> f64);

const KINDS: [Kind; 8] = [
    ("normal", |r, j| r.normal() * [0.01, 1.0, 30.0, 1e3][j % 4]),
    ("shifted", |r, j| 100.0 * j as f64 + r.normal()),
    ("uniform", |r, _| r.uniform()),
    ("prices", |r, _| (r.uniform() * 1e5).round() / 100.0),
    ("float32", |r, _| f64::from(r.normal() as f32)),
    ("integers", |r, _| (r.uniform() * 1e4).floor()),
    ("mixed", |r, j| match j % 4 {
        0 => r.normal(),
        1 => (r.uniform() * 1e4).floor(),
        2 => f64::from(u8::from(r.uniform() < 0.3)),
        _ => (r.uniform() * 1e5).round() / 100.0,
    }),
    ("worst", |r, _| r.normal() * (600.0 * r.uniform() - 300.0).exp2()),
];

/// Seconds a row, of a pass over the blocks.
fn pass<A: Accumulator>(blocks: &[Vec<Vec<f64>>], mut state: A) -> f64 {
    let start = Instant::now();
    for block in blocks {
        let columns: Vec<Column<'_>> = block.iter().map(|c| Column::from(c.as_slice())).collect();
        let block = DesignBlock {
            columns: &columns,
            codes: &[],
            sparse: None,
            weights: None,
            mask: None,
            rows: block[0].len(),
        };
        assert!(state.update(&block).is_ok());
    }
    state.finish();
    let rows: usize = blocks.iter().map(|block| block[0].len()).sum();
    start.elapsed().as_secs_f64() / rows as f64
}

/// The least of many passes of either, taken in turn: what else the machine does disturbs both alike.
fn measure(blocks: &[Vec<Vec<f64>>], columns: usize, kernel: Kernel) -> (f64, f64) {
    let start = Instant::now();
    let mut least = (f64::MAX, f64::MAX);
    while start.elapsed() < Duration::from_millis(700) {
        least.0 = least.0.min(pass(blocks, CrossProducts::new(columns)));
        least.1 = least.1.min(pass(blocks, ExactProducts::with_kernel(columns, kernel)));
    }
    least
}

/// In turn.
const KERNELS: [Kernel; 6] = [
    Kernel::Ifma,
    Kernel::Avx512,
    Kernel::Avx2,
    Kernel::Portable,
    Kernel::RemaindersAvx512,
    Kernel::RemaindersAvx2,
];

/// Columns.
const WIDTHS: [usize; 8] = [10, 20, 50, 64, 100, 200, 500, 1_000];

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let only_avx2 = std::env::var_os("EXACT_AVX2").is_some();
    let is_avx2 = |kernel| matches!(kernel, Kernel::Avx2 | Kernel::RemaindersAvx2);
    let mut out = std::io::stdout().lock();
    for p in WIDTHS {
        for (name, value) in KINDS {
            if !filters.is_empty() && !filters.iter().any(|f| f == name || *f == format!("{p}{name}")) {
                continue;
            }
            let mut random = Random(1);
            let rows = block_rows(p);
            let count = 16;
            let blocks: Vec<Vec<Vec<f64>>> = (0..count)
                .map(|_| (0..p).map(|j| (0..rows).map(|_| value(&mut random, j)).collect()).collect())
                .collect();
            for kernel in KERNELS {
                let wanted = !only_avx2 || is_avx2(kernel);
                let quick = p < 100 || !matches!(kernel, Kernel::Avx512 | Kernel::Portable);
                if !kernel.is_available() || !wanted || !quick {
                    continue;
                }
                let (float, exact) = measure(&blocks, p, kernel);
                let _ = writeln!(
                    out,
                    "{p:3} {name:9} {:16} float {:7.2} ns/row  exact {:8.2} ns/row  {:5.2}x",
                    format!("{kernel:?}"),
                    float * 1e9,
                    exact * 1e9,
                    exact / float
                );
            }
        }
    }
}
