//! Losses as what a linear program knows: pieces with a slope between two bounds.

use crate::iterative::exact::collect::CollectedRows;
use crate::iterative::exact::rows::Lines;
use crate::iterative::loss::Loss;
use crate::iterative::penalty::Penalties;

/// What a residual `r = target - line'(t)` costs: `max of d r - bend d²/2 over -down <= d <= up`. A kink has no bend, the
/// Huber loss one of `1/w`, and squares have no bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) line: usize,
    pub(super) target: f64,
    pub(super) down: f64,
    pub(super) up: f64,
    pub(super) bend: f64,
}

impl Piece {
    /// Whether the slope has bounds.
    pub(super) fn is_bounded(self) -> bool {
        self.up.is_finite()
    }

    /// The slope at a residual: that of the loss, where there is one.
    pub(super) fn slope(self, r: f64) -> f64 {
        match self.bend {
            0.0 if r > 0.0 => self.up,
            0.0 if r < 0.0 => -self.down,
            0.0 => 0.0,
            bend => (r / bend).clamp(-self.down, self.up),
        }
    }

    /// The loss.
    pub(super) fn cost(self, r: f64) -> f64 {
        let d = self.slope(r);
        d * (r - 0.5 * self.bend * d)
    }

    /// What a slope `d` is worth less than the best one: never negative for one within the bounds (Fenchel & Young).
    pub(super) fn slack(self, r: f64, d: f64) -> f64 {
        let best = self.slope(r);
        ((best - d) * (r - 0.5 * self.bend * (best + d))).max(0.0)
    }
}

/// A loss and its penalty over all rows.
pub(super) struct Problem<'a> {
    pub(super) lines: &'a Lines,
    rows: &'a CollectedRows,
    loss: Loss,
    /// Kinks of a row: that of epsilon-insensitive losses has two.
    kinks: usize,
    penalised: Vec<Piece>,
}

impl<'a> Problem<'a> {
    /// `penalties` are per unit of weight, as means of losses have them.
    pub(super) fn new(lines: &'a Lines, rows: &'a CollectedRows, loss: Loss, penalties: &Penalties) -> Self {
        let (weight, first) = (rows.weight(), lines.rows);
        let absolute = penalties.l1.iter().enumerate().filter(|(_, l1)| **l1 > 0.0).map(|(j, l1)| {
            let bound = l1 * weight;
            Piece { line: first + j, target: 0.0, down: bound, up: bound, bend: 0.0 }
        });
        let squares = penalties.l2.iter().enumerate().filter(|(_, l2)| **l2 > 0.0).map(|(j, l2)| {
            let (up, bend) = (f64::INFINITY, 1.0 / (l2 * weight));
            Piece { line: first + j, target: 0.0, down: up, up, bend }
        });
        let penalised = absolute.chain(squares).collect();
        let kinks = if matches!(loss, Loss::EpsilonInsensitive { .. }) { 2 } else { 1 };
        Self { lines, rows, loss, kinks, penalised }
    }

    /// Number of pieces.
    pub(super) fn count(&self) -> usize {
        self.kinks * self.lines.rows + self.penalised.len()
    }

    /// A piece: those of rows first.
    pub(super) fn piece(&self, at: usize) -> Piece {
        let n = self.lines.rows;
        if at >= self.kinks * n {
            return self.penalised[at - self.kinks * n];
        }
        let row = if at < n { at } else { at - n };
        let w = self.rows.weights.get(row).copied().unwrap_or(1.0);
        let own = |target, down, up, bend| Piece { line: row, target, down, up, bend };
        let y = self.rows.response[row];
        match self.loss {
            Loss::Squared => own(y, f64::INFINITY, f64::INFINITY, 1.0 / w),
            Loss::Huber { delta } => own(y, delta * w, delta * w, 1.0 / w),
            Loss::Quantile { tau } => own(y, (1.0 - tau) * w, tau * w, 0.0),
            Loss::EpsilonInsensitive { epsilon } if at < n => own(y - epsilon, 0.0, w, 0.0),
            Loss::EpsilonInsensitive { epsilon } => own(y + epsilon, w, 0.0, 0.0),
        }
    }

    /// The columns whose penalty on absolute values keeps them at zero: slopes `d` are within its bounds.
    pub(super) fn zeros<'d>(&'d self, d: &'d [f64]) -> impl Iterator<Item = usize> + 'd {
        let own = self.penalised.iter().zip(&d[self.kinks * self.lines.rows..]);
        let within = own.filter(|(piece, d)| piece.bend == 0.0 && d.abs() < (1.0 - 1e-6) * piece.up);
        within.map(|(piece, _)| piece.line - self.lines.rows)
    }

    /// Whether all pieces are kinks, so that the minimum lies in a vertex.
    pub(super) fn is_linear(&self) -> bool {
        !matches!(self.loss, Loss::Squared | Loss::Huber { .. })
            && self.penalised.iter().all(|p| p.bend == 0.0)
    }

    /// Whether no piece has a kink.
    pub(super) fn is_smooth(&self) -> bool {
        self.loss.is_smooth() && self.penalised.iter().all(|p| p.bend > 0.0)
    }

    /// The cost of all residuals at `t`.
    pub(super) fn cost(&self, t: &[f64]) -> f64 {
        let mut fitted = vec![0.0; self.lines.count()];
        self.lines.times(t, &mut fitted);
        let each = (0..self.count()).map(|at| self.piece(at));
        each.map(|piece| piece.cost(piece.target - fitted[piece.line])).sum()
    }
}
