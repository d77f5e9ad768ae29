//! From nearly there to there: a vertex of kinks, and Newton's steps for what has none.

use crate::iterative::exact::interior::Interior;
use crate::iterative::exact::pieces::Problem;
use crate::iterative::exact::symmetric::{solve_square, solve_symmetric};

/// What of a line is left beside others is nothing below this share.
const DEPENDENT: f64 = 1e-7;

/// Most steps of Newton's method; pieces change their place in the first ones.
const MOST: usize = 30;

/// What a finished point may cost more than the one it is made of, relatively: rounding.
const ROUNDING: f64 = 1e-14;

/// The vertex or the Newton point near an interior point, where it is no worse.
pub(super) fn polish(problem: &Problem<'_>, interior: &Interior<'_>) -> Vec<f64> {
    let finished = match () {
        () if problem.is_linear() => vertex(problem, interior),
        () if problem.is_smooth() => Some(newton(problem, &interior.t)),
        () => None,
    };
    let allowed = problem.cost(&interior.t);
    let allowed = allowed + ROUNDING * allowed.abs();
    finished.filter(|t| problem.cost(t) <= allowed).unwrap_or_else(|| interior.t.clone())
}

/// The point where as many residuals as there are coefficients are zero: those whose slopes are farthest from their bounds.
fn vertex(problem: &Problem<'_>, interior: &Interior<'_>) -> Option<Vec<f64>> {
    let width = problem.lines.width();
    let inner = |at: usize| {
        let (piece, d) = (problem.piece(at), interior.d[at]);
        (d + piece.down).min(piece.up - d) / (piece.up + piece.down)
    };
    let mut order: Vec<(f64, usize)> = (0..problem.count()).map(|at| (inner(at), at)).collect();
    let first = (8 * width + 64).min(order.len());
    if first < order.len() {
        order.select_nth_unstable_by(first, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.truncate(first);
    }
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (lines, targets) = independent(problem, order.into_iter().map(|(_, at)| at));
    if lines.len() < width { None } else { solve_square(lines, targets) }
}

/// The first pieces, up to as many as there are coefficients, whose lines do not depend on those before: their lines and targets.
pub(super) fn independent(
    problem: &Problem<'_>,
    order: impl Iterator<Item = usize>,
) -> (Vec<Vec<f64>>, Vec<f64>) {
    let width = problem.lines.width();
    let mut directions: Vec<Vec<f64>> = Vec::with_capacity(width);
    let (mut lines, mut targets) = (Vec::new(), Vec::new());
    for at in order {
        if lines.len() == width {
            break;
        }
        let piece = problem.piece(at);
        let line = problem.lines.line(piece.line);
        let mut rest = line.clone();
        for _ in 0..2 {
            for direction in &directions {
                let share: f64 = rest.iter().zip(direction).map(|(a, b)| a * b).sum();
                rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= share * d);
            }
        }
        let norm = |line: &[f64]| line.iter().map(|x| x * x).sum::<f64>().sqrt();
        let left = norm(&rest);
        if left > DEPENDENT * norm(&line) {
            directions.push(rest.iter().map(|x| x / left).collect());
            lines.push(line);
            targets.push(piece.target);
        }
    }
    (lines, targets)
}

/// Newton's method: exact once no piece leaves its place between the bounds any more (Madsen & Nielsen 1990).
fn newton(problem: &Problem<'_>, start: &[f64]) -> Vec<f64> {
    let (lines, mut t) = (problem.lines, start.to_vec());
    let mut cost = problem.cost(&t);
    let mut fitted = vec![0.0; lines.count()];
    let mut last = f64::INFINITY;
    for _ in 0..MOST {
        lines.times(&t, &mut fitted);
        let (mut factors, mut slopes) = (vec![0.0; lines.count()], vec![0.0; lines.count()]);
        for at in 0..problem.count() {
            let piece = problem.piece(at);
            let r = piece.target - fitted[piece.line];
            let d = piece.slope(r);
            slopes[piece.line] += d;
            if -piece.down < d && d < piece.up {
                factors[piece.line] += 1.0 / piece.bend;
            }
        }
        let step = solve_symmetric(&lines.gram(&factors), &lines.transposed(&slopes));
        let length = step.iter().map(|d| d * d).sum::<f64>().sqrt();
        let mut share = 1.0;
        let moved = loop {
            let next: Vec<f64> = t.iter().zip(&step).map(|(t, d)| t + share * d).collect();
            let after = problem.cost(&next);
            let lower = after <= cost + ROUNDING * cost.abs();
            if lower || share < 1e-3 {
                break lower.then_some((next, after));
            }
            share *= 0.5;
        };
        let Some((next, after)) = moved else { break };
        // Where steps do not become shorter any more, nothing but rounding is left.
        let stuck = after >= cost && length > 0.25 * last;
        (t, cost, last) = (next, after, length);
        if stuck || length == 0.0 {
            break;
        }
    }
    t
}
