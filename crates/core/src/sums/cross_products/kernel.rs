//! The hot loop: sums of products of all pairs of columns of a block.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use crate::sums::centred::Centred;

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
    fn run<S: Simd, const T: usize>(mut self, simd: S) {
        let edge = self.variables % T;
        let whole = self.variables - edge;
        for j in (0..whole).step_by(T) {
            for i in (j..whole).step_by(T) {
                self.tile::<S, T, T>(simd, i, j);
            }
            self.edge::<S, T>(simd, edge, whole, j);
        }
        match edge {
            1 => self.tile::<S, 1, 1>(simd, whole, whole),
            2 => self.tile::<S, 2, 2>(simd, whole, whole),
            3 => self.tile::<S, 3, 3>(simd, whole, whole),
            _ => {}
        }
    }

    /// The columns that do not fill a tile, against a tile's worth of others.
    #[inline(always)]
    fn edge<S: Simd, const T: usize>(&mut self, simd: S, edge: usize, i: usize, j: usize) {
        match edge {
            1 => self.tile::<S, 1, T>(simd, i, j),
            2 => self.tile::<S, 2, T>(simd, i, j),
            3 => self.tile::<S, 3, T>(simd, i, j),
            _ => {}
        }
    }

    /// Sums of products of columns `i..i + I` with columns `j..j + J`.
    #[inline(always)]
    fn tile<S: Simd, const I: usize, const J: usize>(&mut self, simd: S, i: usize, j: usize) {
        let column = |j: usize| S::as_simd_f64s(self.block.column(j, self.rows)).0;
        let a: [&[S::f64s]; I] = std::array::from_fn(|k| column(i + k));
        let b: [&[S::f64s]; J] = std::array::from_fn(|k| column(j + k));
        let sums = lane_sums(simd, a, b);
        for (dj, sums) in sums.iter().enumerate() {
            for (di, &sum) in sums.iter().enumerate() {
                self.gram[(j + dj) * self.variables + i + di] = simd.reduce_sum_f64s(sum);
            }
        }
    }
}

/// Lane sums of the products of `I` columns with `J` others; the first index is that of `b`.
#[inline(always)]
fn lane_sums<S: Simd, const I: usize, const J: usize>(
    simd: S,
    a: [&[S::f64s]; I],
    b: [&[S::f64s]; J],
) -> [[S::f64s; I]; J] {
    let mut sums = [[simd.splat_f64s(0.0); I]; J];
    let steps = a[0].len();
    // Equal lengths, said once, spare the bounds checks inside.
    let (a, b) = (a.map(|c| &c[..steps]), b.map(|c| &c[..steps]));
    for step in 0..steps {
        for j in 0..J {
            for i in 0..I {
                sums[j][i] = simd.mul_add_f64s(a[i][step], b[j][step], sums[j][i]);
            }
        }
    }
    sums
}
