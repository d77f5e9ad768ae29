//! The hot loop: sums of products of all pairs of columns of a block.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use crate::block::Centred;

/// Zero columns that a block needs behind its own, so that the last tile may reach over.
pub(super) const PADDING: usize = 3;

/// From this many variables on, a blocked matrix product is faster than tiles streamed from the block.
const MATMUL_FROM: usize = 256;

/// Writes the lower triangle of `D'D` for the `rows` rows of `block` into `gram`, column-major with
/// `variables` rows. What stands above the diagonal is unspecified.
pub(super) fn gram(block: &Centred, rows: usize, variables: usize, gram: &mut [f64]) {
    if variables < MATMUL_FROM {
        Arch::new().dispatch(Tiles { block, rows, variables, gram });
    } else {
        let (cells, stride) = block.cells();
        let d = MatRef::from_column_major_slice_with_stride(cells, rows, variables, stride);
        let g = MatMut::from_column_major_slice_mut(gram, variables, variables);
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        matmul(g, lower, Accum::Replace, d.transpose(), full, d, full, 1.0, Par::Seq);
    }
}

/// Square tiles of columns: as many sums in registers as the processor has room for.
struct Tiles<'a> {
    block: &'a Centred,
    rows: usize,
    variables: usize,
    gram: &'a mut [f64],
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.run::<S, 4>(simd);
        } else {
            self.run::<S, 3>(simd);
        }
    }
}

impl Tiles<'_> {
    #[inline(always)]
    fn run<S: Simd, const T: usize>(self, simd: S) {
        let Self { block, rows, variables, gram } = self;
        let column = |j: usize| S::as_simd_f64s(block.column(j, rows)).0;
        for j in (0..variables).step_by(T) {
            let b: [&[S::f64s]; T] = std::array::from_fn(|k| column(j + k));
            for i in (j..variables).step_by(T) {
                let a: [&[S::f64s]; T] = std::array::from_fn(|k| column(i + k));
                let sums = tile(simd, a, b);
                for (dj, sums) in sums.iter().enumerate().take(variables - j) {
                    for (di, &sum) in sums.iter().enumerate().take(variables - i) {
                        gram[(j + dj) * variables + i + di] = simd.reduce_sum_f64s(sum);
                    }
                }
            }
        }
    }
}

/// Lane sums of the products of `T` columns with `T` others; the first index is that of `b`.
#[inline(always)]
fn tile<S: Simd, const T: usize>(simd: S, a: [&[S::f64s]; T], b: [&[S::f64s]; T]) -> [[S::f64s; T]; T] {
    let mut sums = [[simd.splat_f64s(0.0); T]; T];
    let steps = a[0].len();
    // Equal lengths, said once, spare the bounds checks inside.
    let (a, b) = (a.map(|c| &c[..steps]), b.map(|c| &c[..steps]));
    for step in 0..steps {
        for j in 0..T {
            for i in 0..T {
                sums[j][i] = simd.mul_add_f64s(a[i][step], b[j][step], sums[j][i]);
            }
        }
    }
    sums
}
