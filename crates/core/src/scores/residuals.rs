//! Residuals, leverages and scores of one block of rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use super::{Leverage, NO_RESIDUAL, ScoreKind, ScoreModel, ScorePlan};
use crate::rows::block::DesignBlock;
use crate::sums::centred::ScoreColumn;

/// Buffers of a thread, all column-major; what belongs to rows that take no part is 0.
#[derive(Default)]
pub(super) struct Work {
    /// The columns of the layout; empty for those that are a variable as it lies.
    cells: Vec<Vec<f64>>,
    /// The constant, where there is one, and the centred columns of a model.
    centred: Vec<f64>,
    /// The columns that scores are of, the constant first where there is one.
    basis: Vec<f64>,
    residuals: Vec<f64>,
    scores: Vec<f64>,
    /// Weighted sum of the squares of the residuals as they are, without leverages.
    squares: f64,
}

impl Work {
    /// Computes the columns of the layout that lie nowhere.
    pub(super) fn fill(&mut self, plan: &ScorePlan, rows: &DesignBlock<'_>) {
        self.cells.resize(plan.layout.len(), Vec::new());
        let computed = |position: usize| plan.layout.variable(position).is_none();
        for (position, cells) in self.cells.iter_mut().enumerate().filter(|(position, _)| computed(*position))
        {
            cells.resize(rows.rows, 0.0);
            plan.layout.fill(position, rows, cells);
        }
    }

    /// Computes the scores of a model; returns the number of rows of leverage 1, and the least `1 - h` of the others.
    pub(super) fn score(
        &mut self,
        plan: &ScorePlan,
        model: &ScoreModel,
        rows: &DesignBlock<'_>,
    ) -> (u64, f64) {
        self.centre(plan, model, rows);
        self.squares = self.sum_squares(rows);
        self.set_basis(plan, model, rows.rows);
        let full = self.divide_by_leverage(plan, model, rows);
        if let Some(weights) = rows.weights.filter(|_| !plan.frequency || plan.kind != ScoreKind::Rows) {
            for (e, w) in self.residuals.iter_mut().zip(weights) {
                // A masked row's weight may be anything, and its residual is 0.
                *e = if *e == 0.0 { 0.0 } else { w * *e };
            }
        }
        match plan.kind {
            ScoreKind::Blocks => self.scores.clone_from(&self.basis),
            // Nobody else wants the columns: they need not leave the cache.
            _ => std::mem::swap(&mut self.scores, &mut self.basis),
        }
        for column in self.scores.chunks_exact_mut(rows.rows.max(1)) {
            column.iter_mut().zip(&self.residuals).for_each(|(z, e)| *z *= e);
        }
        full
    }

    /// Residuals about the means, and the sum of their squares, where nobody wants the centred columns.
    pub(super) fn set_residuals(&mut self, plan: &ScorePlan, model: &ScoreModel, rows: &DesignBlock<'_>) {
        let first_response = rows.columns.len() - plan.responses;
        let response = rows.columns[first_response + model.response].values;
        let (mean, low) = model.centre.last().copied().unwrap_or_default();
        let mut residuals = std::mem::take(&mut self.residuals);
        residuals.clear();
        residuals.extend(response.iter().map(|y| (y - mean) - low));
        let each = model.columns.iter().zip(&model.slopes).zip(&model.centre);
        let fitted: Vec<Fitted<'_>> = each
            .map(|((&position, &slope), &(mean, low))| Fitted {
                values: self.column(plan, position, rows),
                slope,
                mean,
                low,
            })
            .collect();
        Arch::new().dispatch(Subtract { from: &mut residuals, fitted: &fitted });
        if let Some(mask) = rows.mask {
            residuals.iter_mut().zip(mask).for_each(|(e, used)| *e = if *used { *e } else { 0.0 });
        }
        self.residuals = residuals;
        self.squares = self.sum_squares(rows);
    }

    /// The scores of a model as products of its columns with the residuals.
    pub(super) fn score_columns<'a>(
        &'a self,
        plan: &ScorePlan,
        model: &ScoreModel,
        rows: &DesignBlock<'a>,
    ) -> Vec<ScoreColumn<'a>> {
        let residuals = self.residuals.as_slice();
        let constant = model.intercept.then_some(ScoreColumn { values: None, mean: (0.0, 0.0), residuals });
        let column = |(&position, &mean): (&usize, &(f64, f64))| ScoreColumn {
            values: Some(self.column(plan, position, rows)),
            mean,
            residuals,
        };
        constant.into_iter().chain(model.columns.iter().zip(&model.centre).map(column)).collect()
    }

    /// A column of the layout: as it lies in the block, or as [`Work::fill`] has computed it.
    fn column<'a>(&'a self, plan: &ScorePlan, position: usize, rows: &DesignBlock<'a>) -> &'a [f64] {
        plan.layout.variable(position).map_or(&self.cells[position], |variable| rows.columns[variable].values)
    }

    /// The constant and the centred columns, and residuals about the means:
    /// `(y - mean) - sum of b_j (x_j - mean_j)`.
    fn centre(&mut self, plan: &ScorePlan, model: &ScoreModel, rows: &DesignBlock<'_>) {
        let (n, first) = (rows.rows, usize::from(model.intercept));
        let first_response = rows.columns.len() - plan.responses;
        let response = rows.columns[first_response + model.response].values;
        let (mean, low) = model.centre.last().copied().unwrap_or_default();
        self.residuals.clear();
        self.residuals.extend(response.iter().map(|y| (y - mean) - low));
        self.centred.clear();
        self.centred.resize(first * n, 1.0);
        for ((&position, slope), &(mean, low)) in model.columns.iter().zip(&model.slopes).zip(&model.centre) {
            let from = self.centred.len();
            let own = plan.layout.variable(position).map(|v| rows.columns[v].values);
            let values = own.unwrap_or(&self.cells[position]);
            self.centred.extend(values.iter().map(|x| (x - mean) - low));
            for (e, z) in self.residuals.iter_mut().zip(&self.centred[from..]) {
                *e -= slope * z;
            }
        }
        if rows.mask.is_some() || rows.weights.is_some() {
            for row in (0..n).filter(|&row| !rows.uses(row)) {
                self.residuals[row] = 0.0;
                (first..model.width()).for_each(|j| self.centred[j * n + row] = 0.0);
            }
        }
    }

    /// The columns that scores are of: these, or what they are rotated to.
    fn set_basis(&mut self, plan: &ScorePlan, model: &ScoreModel, n: usize) {
        if !plan.is_rotated() {
            std::mem::swap(&mut self.basis, &mut self.centred);
            return;
        }
        let (first, p) = (usize::from(model.intercept), model.columns.len());
        self.basis.clear();
        self.basis.resize(n * (first + p), 1.0 / model.weight.sqrt());
        if p > 0 && n > 0 {
            let root = MatRef::from_row_major_slice(&model.root, p, p);
            let centred = MatRef::from_column_major_slice(&self.centred[first * n..], n, p);
            let target = MatMut::from_column_major_slice_mut(&mut self.basis[first * n..], n, p);
            matmul(target, Accum::Replace, centred, root, 1.0, Par::Seq);
        }
    }

    /// Divides residuals by what is asked of `1 - h`, `h = w |T'z|²`. A row of leverage 1 is fitted exactly: its
    /// residual is 0, and so is its score. Returns how many there are, and the least `1 - h` of the others.
    fn divide_by_leverage(
        &mut self,
        plan: &ScorePlan,
        model: &ScoreModel,
        rows: &DesignBlock<'_>,
    ) -> (u64, f64) {
        if plan.leverage == Leverage::Ignored {
            return (0, 1.0);
        }
        let n = rows.rows;
        let mut leverages = vec![0.0; n];
        for column in self.basis.chunks_exact(n.max(1)).take(model.width()) {
            leverages.iter_mut().zip(column).for_each(|(h, u)| *h += u * u);
        }
        let (mut full, mut least) = (0, 1.0f64);
        for row in rows.used() {
            let weight = rows.weights.filter(|_| !plan.frequency).map_or(1.0, |w| w[row]);
            let left = 1.0 - weight * leverages[row];
            if left < NO_RESIDUAL {
                self.residuals[row] = 0.0;
                full += 1;
            } else {
                least = least.min(left);
                self.residuals[row] /= if plan.leverage == Leverage::Root { left.sqrt() } else { left };
            }
        }
        (full, least)
    }

    /// The columns of the scores.
    pub(super) fn scores(&self, n: usize) -> impl Iterator<Item = &[f64]> {
        self.scores.chunks_exact(n.max(1))
    }

    /// Weighted sum of the squares of the residuals.
    pub(super) fn squares(&self) -> f64 {
        self.squares
    }

    fn sum_squares(&self, rows: &DesignBlock<'_>) -> f64 {
        let squares = self.residuals.iter().map(|e| e * e);
        match rows.weights {
            Some(weights) => squares.zip(weights).map(|(s, w)| if s == 0.0 { 0.0 } else { s * w }).sum(),
            None => squares.sum(),
        }
    }

    /// The scores of the rows that take part, row-major.
    pub(super) fn used_rows(&self, rows: &DesignBlock<'_>, width: usize) -> Vec<f64> {
        gather(&self.scores, rows, width)
    }

    /// The columns that scores are of, in the rows that take part, row-major.
    pub(super) fn used_basis(&self, rows: &DesignBlock<'_>, width: usize) -> Vec<f64> {
        gather(&self.basis, rows, width)
    }
}

/// A column times its coefficient, about its mean.
#[derive(Clone, Copy)]
struct Fitted<'a> {
    values: &'a [f64],
    slope: f64,
    mean: f64,
    low: f64,
}

/// Subtracts columns times their coefficients, one after the other.
struct Subtract<'a> {
    from: &'a mut [f64],
    fitted: &'a [Fitted<'a>],
}

impl WithSimd for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { from, fitted } = self;
        let rows = from.len();
        let next = |e: f64, of: Fitted<'_>, x: f64| e - of.slope * ((x - of.mean) - of.low);
        // Four at a time: what is left is read and written once for all of them.
        let (fours, rest) = fitted.as_chunks::<4>();
        for &[a, b, c, d] in fours {
            let [p, q, r, s] = [a, b, c, d].map(|of| &of.values[..rows]);
            for row in 0..rows {
                let e = next(next(from[row], a, p[row]), b, q[row]);
                from[row] = next(next(e, c, r[row]), d, s[row]);
            }
        }
        for &of in rest {
            from.iter_mut().zip(of.values).for_each(|(e, &x)| *e = next(*e, of, x));
        }
    }
}

/// Rows of a column-major matrix.
fn gather(columns: &[f64], rows: &DesignBlock<'_>, width: usize) -> Vec<f64> {
    let used: Vec<usize> = rows.used().collect();
    let mut out = vec![0.0; used.len() * width];
    for (j, column) in columns.chunks_exact(rows.rows.max(1)).take(width).enumerate() {
        for (at, &row) in used.iter().enumerate() {
            out[at * width + j] = column[row];
        }
    }
    out
}
