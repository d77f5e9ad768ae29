//! Exact against float cross-products, on one thread, in rows a second.
//!
//! `cargo bench -p streamreg-core --bench exact [-- filter]`. Prints a table: columns, kind of values, kernel, rows a
//! second of either, and what exact costs as a multiple of float. The data are larger than the caches of one core; a pass is a partition of
//! 65,536 rows, setting up and flushing included.

use std::io::Write as _;
use std::time::{Duration, Instant};

use streamreg_core::blocks::block_rows;
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

/// Seconds that this thread has computed: what else the machine does is left out, where Linux tells.
fn thread_seconds(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

/// Seconds a row, on average over passes over the blocks.
fn measure<A: Accumulator>(blocks: &[Vec<Vec<f64>>], make: impl Fn() -> A) -> f64 {
    let start = Instant::now();
    let begun = thread_seconds(start);
    let mut rows = 0;
    while start.elapsed() < Duration::from_millis(1_000) {
        let mut state = make();
        for block in blocks {
            let columns: Vec<Column<'_>> = block.iter().map(|c| Column::from(c.as_slice())).collect();
            rows += block[0].len();
            let block = DesignBlock {
                columns: &columns,
                codes: &[],
                weights: None,
                mask: None,
                rows: block[0].len(),
            };
            assert!(state.update(&block).is_ok());
        }
        state.finish();
    }
    (thread_seconds(start) - begun) / rows as f64
}

fn main() {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let only_avx2 = std::env::var_os("EXACT_AVX2").is_some();
    let mut out = std::io::stdout().lock();
    for p in [10, 20, 50] {
        for (name, value) in KINDS {
            if !filters.is_empty() && !filters.iter().any(|f| f == name || *f == p.to_string()) {
                continue;
            }
            let mut random = Random(1);
            let rows = block_rows(p);
            let count = if name == "worst" { 32 } else { 64 };
            let blocks: Vec<Vec<Vec<f64>>> = (0..count)
                .map(|_| (0..p).map(|j| (0..rows).map(|_| value(&mut random, j)).collect()).collect())
                .collect();
            let float = measure(&blocks, || CrossProducts::new(p));
            for kernel in [Kernel::Avx512, Kernel::Avx2, Kernel::Portable] {
                let wanted = !only_avx2 || kernel == Kernel::Avx2;
                if !kernel.is_available() || !wanted {
                    continue;
                }
                let exact = measure(&blocks, || ExactProducts::with_kernel(p, kernel));
                let _ = writeln!(
                    out,
                    "{p:3} {name:9} {:9} float {:7.2} ns/row  exact {:8.2} ns/row  {:5.2}x",
                    format!("{kernel:?}"),
                    float * 1e9,
                    exact * 1e9,
                    exact / float
                );
            }
        }
    }
}
