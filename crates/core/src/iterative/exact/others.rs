//! Whether a minimum is the only one.
//!
//! From a vertex, where as many residuals are zero as there are coefficients, an edge leads for every one of them, up and down: that
//! residual moves, and the others stay. An edge along which the loss does not change leads to other minima. Of a point between
//! vertices the smallest residuals stand for those that are zero. Where more are zero than there are coefficients, the edges of some
//! are looked at alone, so that what is said is true, and not all is said.

use crate::iterative::exact::pieces::Problem;
use crate::iterative::exact::polish::independent;
use crate::iterative::exact::symmetric::solve_columns;

/// Most columns: the edges cost as much as an inverse.
const MOST_COLUMNS: usize = 500;

/// Residuals up to this share of the largest target are zero.
const ZERO: f64 = 1e-11;

/// What is left of a sum by rounding, as a share of its parts.
const ROUNDING: f64 = 1e-13;

/// What an edge must move a fitted value by at least, as a share of the largest target.
const FAR: f64 = 1e-6;

/// Whether it is certain that other coefficients than the minimum `t` cost the same.
pub(super) fn has_others(problem: &Problem<'_>, t: &[f64]) -> bool {
    let (lines, width) = (problem.lines, problem.lines.width());
    if !problem.is_linear() || width == 0 || width > MOST_COLUMNS {
        return false;
    }
    let mut fitted = vec![0.0; lines.count()];
    lines.times(t, &mut fitted);
    let residual = |at: usize| {
        let piece = problem.piece(at);
        piece.target - fitted[piece.line]
    };
    let size = (0..problem.count()).fold(0.0f64, |most, at| most.max(problem.piece(at).target.abs()));
    let (zero, others): (Vec<usize>, Vec<usize>) =
        (0..problem.count()).partition(|&at| residual(at).abs() <= ZERO * size);
    let mut order: Vec<(f64, usize)> = (0..problem.count()).map(|at| (residual(at).abs(), at)).collect();
    let by_size = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    let first = 8 * width + 64;
    if first < order.len() {
        order.select_nth_unstable_by(first, by_size);
        order.truncate(first);
    }
    order.sort_unstable_by(by_size);
    let (own, _) = independent(problem, order.into_iter().map(|(_, at)| at));
    if own.len() < width {
        return false;
    }
    let vertex = Vertex { problem, size, zero, others, residual: &residual };
    let unit = |row: usize| (0..width).map(|k| f64::from(u8::from(k == row))).collect();
    let Some(edges) = solve_columns(own, (0..width).map(unit).collect()) else { return false };
    // The edges are the columns of the inverse.
    (0..width).any(|k| {
        let edge: Vec<f64> = edges.iter().map(|row| row[k]).collect();
        let back: Vec<f64> = edge.iter().map(|x| -x).collect();
        vertex.is_level(&edge) || vertex.is_level(&back)
    })
}

/// A point with the pieces whose residuals are zero, and those that are not.
struct Vertex<'a, R> {
    problem: &'a Problem<'a>,
    size: f64,
    zero: Vec<usize>,
    others: Vec<usize>,
    residual: &'a R,
}

impl<R: Fn(usize) -> f64> Vertex<'_, R> {
    /// Whether the loss stays the same along an edge, until a residual becomes zero.
    fn is_level(&self, edge: &[f64]) -> bool {
        let lines = self.problem.lines;
        let mut moves = vec![0.0; lines.count()];
        lines.times(edge, &mut moves);
        let (mut change, mut parts, mut length) = (0.0, 0.0, f64::INFINITY);
        let mut count = |cost: f64| {
            change += cost;
            parts += cost.abs();
        };
        for &at in &self.zero {
            let piece = self.problem.piece(at);
            let away = -moves[piece.line];
            count(piece.slope(away) * away);
        }
        for &at in &self.others {
            let (piece, r) = (self.problem.piece(at), (self.residual)(at));
            let own = moves[piece.line];
            count(-piece.slope(r) * own);
            if r / own > 0.0 {
                length = length.min(r / own);
            }
        }
        let farthest = moves.iter().take(lines.rows).fold(0.0f64, |most, m| most.max(m.abs()));
        change.abs() <= ROUNDING * parts && farthest > 0.0 && length * farthest >= FAR * self.size
    }
}
