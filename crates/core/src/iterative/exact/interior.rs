//! A primal-dual interior point method for losses of pieces.
//!
//! For kinks it is the Frisch-Newton method of Portnoy & Koenker (1997, "The Gaussian hare and the Laplacian tortoise",
//! Statistical Science 12), a predictor-corrector of Mehrotra (1992) for the dual with bounds: `max of d'y` over slopes `d`
//! with `A'd = 0`. Pieces with a bend (Huber's, squares of penalties) add `- bend d²/2`, so that the same steps minimise
//! them.

use crate::iterative::exact::pieces::{Piece, Problem};
use crate::iterative::exact::symmetric::solve_symmetric;

/// The gap, relative to the objective, at which it ends.
const GAP: f64 = 1e-13;

/// Most iterations; a dozen or two are common.
const MOST: usize = 100;

/// The share of the way to the nearest bound that a step goes.
const SHARE: f64 = 0.9995;

/// The point, and the slopes that prove it.
pub(super) struct Interior<'a> {
    problem: &'a Problem<'a>,
    pub(super) t: Vec<f64>,
    /// Slopes of the pieces.
    pub(super) d: Vec<f64>,
    /// Multipliers of the lower and of the upper bounds.
    low: Vec<f64>,
    high: Vec<f64>,
    /// What of these the affine direction takes away: products of changes.
    bent: Vec<(f64, f64)>,
    fitted: Vec<f64>,
    pub(super) iterations: usize,
}

/// A direction: of the coefficients, and their lines.
struct Direction {
    t: Vec<f64>,
    lines: Vec<f64>,
}

/// How the numbers of a piece change with a direction.
struct Change {
    d: f64,
    low: f64,
    high: f64,
}

impl<'a> Interior<'a> {
    /// Goes as far as float64 allows.
    pub(super) fn solve(problem: &'a Problem<'a>) -> Self {
        let mut own = Self::begin(problem);
        let mut best: Option<(f64, Vec<f64>, Vec<f64>)> = None;
        while own.iterations < MOST {
            problem.lines.times(&own.t, &mut own.fitted);
            let (cost, slack) = own.cost_and_slack();
            let gap = slack + own.infeasibility();
            if best.as_ref().is_none_or(|(least, ..)| gap < *least) {
                best = Some((gap, own.t.clone(), own.d.clone()));
            } else if gap.is_nan() || best.as_ref().is_some_and(|(least, ..)| gap > 1e3 * least) {
                break;
            }
            if gap <= GAP * cost || !own.step() {
                break;
            }
            own.iterations += 1;
        }
        if let Some((_, t, d)) = best {
            (own.t, own.d) = (t, d);
        }
        own
    }

    /// Least squares, and slopes in the middle of their bounds.
    fn begin(problem: &'a Problem<'a>) -> Self {
        let (lines, pieces) = (problem.lines, problem.count());
        let (mut factors, mut responses) = (vec![0.0; lines.count()], vec![0.0; lines.count()]);
        let mut d = vec![0.0; pieces];
        for (at, d) in d.iter_mut().enumerate() {
            let piece = problem.piece(at);
            let weight = if piece.is_bounded() { piece.up + piece.down } else { 1.0 / piece.bend };
            factors[piece.line] += weight;
            responses[piece.line] += weight * piece.target;
            if piece.is_bounded() && (piece.up == 0.0 || piece.down == 0.0) {
                *d = 0.5 * (piece.up - piece.down);
            }
        }
        let t = solve_symmetric(&lines.gram(&factors), &lines.transposed(&responses));
        let mut fitted = vec![0.0; lines.count()];
        lines.times(&t, &mut fitted);
        let excess = |at: usize, d: f64| {
            let piece = problem.piece(at);
            if piece.is_bounded() { piece.target - fitted[piece.line] - piece.bend * d } else { 0.0 }
        };
        let size =
            d.iter().enumerate().map(|(at, d)| excess(at, *d).abs()).sum::<f64>() / pieces.max(1) as f64;
        let room = 0.1 * size + 1e-14;
        let bounded =
            |at: usize, r: f64| if problem.piece(at).is_bounded() { r.max(0.0) + room } else { 0.0 };
        let low = d.iter().enumerate().map(|(at, d)| bounded(at, -excess(at, *d))).collect();
        let high = d.iter().enumerate().map(|(at, d)| bounded(at, excess(at, *d))).collect();
        let bent = vec![(0.0, 0.0); pieces];
        Self { problem, t, d, low, high, bent, fitted, iterations: 0 }
    }

    /// The gap at the point, relative to the objective.
    pub(super) fn gap(&mut self) -> f64 {
        self.problem.lines.times(&self.t, &mut self.fitted);
        let (cost, slack) = self.cost_and_slack();
        let gap = slack + self.infeasibility();
        // Of a perfect fit nothing is left but rounding.
        if gap > 0.0 && cost > 1e-13 * self.scale() { gap / cost } else { 0.0 }
    }

    /// The cost of responses that nothing explains.
    fn scale(&self) -> f64 {
        let each = (0..self.d.len()).map(|at| self.problem.piece(at));
        each.map(|piece| piece.cost(piece.target)).sum()
    }

    fn residual(&self, piece: Piece) -> f64 {
        piece.target - self.fitted[piece.line]
    }

    /// The objective, and by how much the slopes fall short of it.
    pub(super) fn cost_and_slack(&self) -> (f64, f64) {
        let each = self.d.iter().enumerate().map(|(at, d)| {
            let piece = self.problem.piece(at);
            let r = self.residual(piece);
            (piece.cost(r), piece.slack(r, *d))
        });
        each.fold((0.0, 0.0), |(cost, slack), (c, s)| (cost + c, slack + s))
    }

    /// `A'd`, which is zero at the minimum.
    fn balance(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.problem.lines.count()];
        self.d.iter().enumerate().for_each(|(at, d)| sums[self.problem.piece(at).line] += d);
        self.problem.lines.transposed(&sums)
    }

    /// What slopes that do not balance may be wrong by.
    fn infeasibility(&self) -> f64 {
        self.balance().iter().zip(&self.t).map(|(b, t)| (b * t).abs()).sum()
    }

    /// How far a slope is from its bounds; never nothing.
    fn room(piece: Piece, d: f64) -> (f64, f64) {
        let least = 1e-18 * (piece.up + piece.down);
        ((d + piece.down).max(least), (piece.up - d).max(least))
    }

    /// A step of predictor and corrector. False where there is none.
    fn step(&mut self) -> bool {
        let balance = self.balance();
        self.bent.fill((0.0, 0.0));
        let (factors, loads) = self.equations(0.0);
        let gram = self.problem.lines.gram(&factors);
        let affine = self.direction(&gram, loads, &balance);
        let lengths = self.lengths(&affine, 0.0);
        let centre = self.centre(&affine, lengths);
        let (_, loads) = self.equations(centre);
        let corrected = self.direction(&gram, loads, &balance);
        let (primal, dual) = self.lengths(&corrected, centre);
        if !(primal.max(dual) > 1e-12 && corrected.t.iter().all(|t| t.is_finite())) {
            return false;
        }
        for at in 0..self.d.len() {
            let change = self.change(at, &corrected, centre);
            self.d[at] += dual * change.d;
            self.low[at] += primal * change.low;
            self.high[at] += primal * change.high;
        }
        self.t.iter_mut().zip(&corrected.t).for_each(|(t, d)| *t += primal * d);
        true
    }

    /// The direction of the coefficients for the loads of the pieces.
    fn direction(&self, gram: &[f64], loads: Vec<f64>, balance: &[f64]) -> Direction {
        let mut wanted = self.problem.lines.transposed(&loads);
        wanted.iter_mut().zip(balance).for_each(|(w, b)| *w += b);
        let t = solve_symmetric(gram, &wanted);
        let mut lines = loads;
        self.problem.lines.times(&t, &mut lines);
        Direction { t, lines }
    }

    /// How stiff every line is, and with what it is loaded.
    fn equations(&self, centre: f64) -> (Vec<f64>, Vec<f64>) {
        let lines = self.problem.lines.count();
        let (mut factors, mut loads) = (vec![0.0; lines], vec![0.0; lines]);
        for at in 0..self.d.len() {
            let (line, theta, load) = self.equation(at, centre);
            factors[line] += theta;
            loads[line] += theta * load;
        }
        (factors, loads)
    }

    /// The line of a piece, how much its slope gives way, and its load, for products of room and multiplier of `centre`.
    #[inline(always)]
    fn equation(&self, at: usize, centre: f64) -> (usize, f64, f64) {
        let piece = self.problem.piece(at);
        let r = self.residual(piece) - piece.bend * self.d[at];
        if !piece.is_bounded() {
            return (piece.line, 1.0 / piece.bend, r);
        }
        let (below, above) = Self::room(piece, self.d[at]);
        let (first, second) = (1.0 / below, 1.0 / above);
        let (low, high) = (self.low[at], self.high[at]);
        let theta = 1.0 / (piece.bend + low * first + high * second);
        // What the multipliers lack to the centre; their own parts cancel those of the residual.
        let (bent_low, bent_high) = self.bent[at];
        (piece.line, theta, r + (centre + bent_low) * first - (centre + bent_high) * second)
    }

    #[inline(always)]
    fn change(&self, at: usize, direction: &Direction, centre: f64) -> Change {
        let piece = self.problem.piece(at);
        let (line, theta, load) = self.equation(at, centre);
        let d = theta * (load - direction.lines[line]);
        if !piece.is_bounded() {
            return Change { d, low: 0.0, high: 0.0 };
        }
        let (below, above) = Self::room(piece, self.d[at]);
        let (low, high) = (self.low[at], self.high[at]);
        let (bent_low, bent_high) = self.bent[at];
        let low = (centre + bent_low - low * d) / below - low;
        let high = (centre + bent_high + high * d) / above - high;
        Change { d, low, high }
    }

    /// How far the multipliers and the slopes can go; where pieces have bends, both alike.
    fn lengths(&self, direction: &Direction, centre: f64) -> (f64, f64) {
        let (mut primal, mut dual) = (1.0f64 / SHARE, 1.0f64 / SHARE);
        let until =
            |value: f64, change: f64, most: f64| if change < 0.0 { most.min(-value / change) } else { most };
        for at in 0..self.d.len() {
            let piece = self.problem.piece(at);
            if piece.is_bounded() {
                let change = self.change(at, direction, centre);
                let (below, above) = Self::room(piece, self.d[at]);
                dual = until(above, -change.d, until(below, change.d, dual));
                primal = until(self.high[at], change.high, until(self.low[at], change.low, primal));
            }
        }
        let (primal, dual) = (SHARE * primal, SHARE * dual);
        if self.problem.is_linear() { (primal, dual) } else { (primal.min(dual), primal.min(dual)) }
    }

    /// The mean product of room and multiplier to aim at, by what steps of these lengths along an affine direction leave of it
    /// (Mehrotra 1992). Remembers what such steps bend.
    fn centre(&mut self, affine: &Direction, (primal, dual): (f64, f64)) -> f64 {
        let (mut before, mut after, mut count) = (0.0, 0.0, 0usize);
        for at in 0..self.d.len() {
            let piece = self.problem.piece(at);
            if piece.is_bounded() {
                let change = self.change(at, affine, 0.0);
                let (below, above) = Self::room(piece, self.d[at]);
                before += below * self.low[at] + above * self.high[at];
                after += (below + dual * change.d) * (self.low[at] + primal * change.low);
                after += (above - dual * change.d) * (self.high[at] + primal * change.high);
                count += 2;
                self.bent[at] = (-change.d * change.low, change.d * change.high);
            }
        }
        let mean = before / count.max(1) as f64;
        if before > 0.0 { mean * (after / before).clamp(0.0, 1.0).powi(3) } else { 0.0 }
    }
}
