//! Reduction of rows to a triangle by Householder reflections, one for every column.
//!
//! faer's own driver takes a column for dependent once what is left of it is below `16 rows eps` of its norm, 4e-12
//! with 1,024 rows, and goes on without its reflection. The columns behind it then lack what they have in common with
//! it, by far more than reflections lose. What depends on what is decided elsewhere, from all rows; here every column
//! is reflected.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_transpose_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_transpose_on_the_left_in_place_with_conj as apply_transpose,
    make_householder_in_place, upgrade_householder_factor,
};
use faer::prelude::ReborrowMut;
use faer::{ColMut, Conj, Mat, Par};
use pulp::Arch;

/// Columns whose reflections are applied to the ones behind them at once.
const PANEL: usize = 16;

/// Replaces the first `rows` rows of `stack` by their triangular factor; below the diagonal is nothing of use.
pub(crate) fn triangle(stack: &mut Mat<f64>, rows: usize) {
    let columns = stack.ncols();
    let steps = rows.min(columns);
    let mut memory = MemBuffer::new(apply_scratch::<f64>(rows, PANEL, columns));
    for from in (0..steps).step_by(PANEL) {
        let width = PANEL.min(steps - from);
        let mut factor = Mat::zeros(width, width);
        for step in from..from + width {
            factor[(step - from, step - from)] = reflect(stack, rows, step, from + width);
        }
        if from + width < columns {
            let part = stack.as_mut().submatrix_mut(from, from, rows - from, columns - from);
            let (panel, mut rest) = part.split_at_col_mut(width);
            upgrade_householder_factor(factor.as_mut(), panel.as_ref(), width, 1, Par::Seq);
            let room = MemStack::new(&mut memory);
            apply_transpose(panel.as_ref(), factor.as_ref(), Conj::No, rest.rb_mut(), Par::Seq, room);
        }
    }
}

/// Reflects rows `step..rows` so that column `step` ends at its diagonal, and with it the columns up to `end`. The
/// vector of the reflection, without its head of 1, is left below the diagonal; returns half its square.
fn reflect(stack: &mut Mat<f64>, rows: usize, step: usize, end: usize) -> f64 {
    let [head, tail @ ..] = &mut stack.col_as_slice_mut(step)[step..rows] else { return f64::INFINITY };
    let half = make_householder_in_place(head, ColMut::from_slice_mut(tail)).tau;
    let vector = tail.to_vec();
    if half.is_infinite() {
        return half;
    }
    for column in step + 1..end {
        if let [head, tail @ ..] = &mut stack.col_as_slice_mut(column)[step..rows] {
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    let share = (*head + dot(&vector, tail)) / half;
                    *head -= share;
                    tail.iter_mut().zip(&vector).for_each(|(cell, v)| *cell -= share * v);
                },
            );
        }
    }
    half
}

/// Sum of the products, in lanes that the compiler can vectorise.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const SUMS: usize = 32;
    let mut sums = [0.0; SUMS];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<SUMS>(), b.as_chunks::<SUMS>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..SUMS {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f64 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + tail
}
