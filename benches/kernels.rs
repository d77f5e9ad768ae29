//! The accumulators alone, on one thread: blocks that stay in the caches.
//!
//! `cargo bench --bench kernels`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use streamreg_core::block_rows;
use streamreg_core::{Accumulator, Column, CrossProducts, DesignBlock, TriangularFactor};

/// Numbers that are cheap to make and not special.
fn values(rows: usize, columns: usize) -> Vec<Vec<f64>> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..columns).map(|j| (0..rows).map(|_| j as f64 + next()).collect()).collect()
}

fn accumulate<A: Accumulator>(
    criterion: &mut Criterion,
    name: &str,
    widths: &[usize],
    make: impl Fn(usize) -> A,
) {
    let mut group = criterion.benchmark_group(name);
    for &width in widths {
        let rows = block_rows(width);
        let data = values(rows, width);
        let columns: Vec<Column<'_>> = data.iter().map(|c| Column::from(c.as_slice())).collect();
        let block =
            DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows };
        group.throughput(Throughput::Bytes((rows * width * 8) as u64));
        group.bench_with_input(BenchmarkId::from_parameter(width), &width, |bencher, &width| {
            let mut state = make(width);
            bencher.iter(|| state.update(&block));
        });
    }
    group.finish();
}

fn cross_products(criterion: &mut Criterion) {
    accumulate(criterion, "cross products", &[11, 21, 51, 101, 201, 501, 1001], CrossProducts::new);
}

fn triangular_factor(criterion: &mut Criterion) {
    accumulate(criterion, "triangular factor", &[11, 21, 51, 101], TriangularFactor::new);
}

criterion_group!(benches, cross_products, triangular_factor);
criterion_main!(benches);
