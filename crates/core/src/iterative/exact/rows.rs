//! All rows in memory, in standardised units, and columns of them that are orthogonal to each other.

use crate::iterative::penalty::Penalties;
use crate::iterative::rows::{Features, RowBlock};
use crate::iterative::scaling::Scaling;

/// Of a column no more than this share beside the columns before it is nothing: the rule of least squares.
const RANK_TOL: f64 = 1e-11;

/// Rounding of a cell, with room for that of its centre.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// Cells of a block, column by column.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    pub(super) values: Vec<f64>,
    pub(super) rows: usize,
}

impl Cells {
    pub(super) fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..][..self.rows]
    }

    /// Dense cells of a block of rows.
    pub(super) fn of(block: &RowBlock) -> Self {
        let (rows, columns) = (block.rows(), block.columns());
        let mut values = vec![0.0; rows * columns];
        match &block.features {
            Features::Dense { values: cells, stride, .. } => {
                for (to, from) in values.chunks_exact_mut(rows.max(1)).zip(cells.chunks((*stride).max(1))) {
                    to.copy_from_slice(&from[..rows]);
                }
            }
            Features::Sparse(sparse) => {
                for row in 0..rows {
                    let (indices, cells) = sparse.row(row);
                    indices.iter().zip(cells).for_each(|(&j, x)| values[j as usize * rows + row] += x);
                }
            }
        }
        Self { values, rows }
    }
}

/// A column that depends on columns before it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DependentColumn {
    /// Its position among the columns.
    pub column: usize,
    /// The columns it depends on, and their factors, in standardised units.
    pub on: Vec<(usize, f64)>,
    /// The constant of the relation.
    pub constant: f64,
    /// What is left of it beside the others, as a share of its own norm.
    pub residual: f64,
}

/// The rows of a problem as lines `a` of a matrix whose columns are orthogonal: those of the data, and behind them a line
/// for every coefficient that is penalised.
pub(super) struct Lines {
    blocks: Vec<Cells>,
    /// Of every penalised coefficient its line, `width` numbers each.
    pub(super) penalised: Vec<f64>,
    /// Rows of the data.
    pub(super) rows: usize,
    /// Orthogonal columns, the constant not among them.
    kept: Vec<usize>,
    /// Of every orthogonal column what it is made of: a number a column of the data, and the constant.
    made_of: Vec<Vec<f64>>,
    intercept: bool,
    columns: usize,
    pub(super) dependent: Vec<DependentColumn>,
}

impl Lines {
    /// Makes columns orthogonal, one after the other (Gram & Schmidt, twice), and sets aside those that depend on others.
    pub(super) fn new(blocks: Vec<Cells>, scaling: &Scaling, penalties: &Penalties) -> Self {
        let columns = scaling.scales.len();
        let rows = blocks.iter().map(|block| block.rows).sum();
        let penalised = if penalties.is_empty() { 0 } else { columns };
        let mut own = Self {
            blocks,
            penalised: Vec::new(),
            rows,
            kept: Vec::new(),
            made_of: Vec::new(),
            intercept: scaling.intercept,
            columns,
            dependent: Vec::new(),
        };
        // Of the penalised coefficients the lines are unit vectors, to begin with.
        let mut extra: Vec<Vec<f64>> = (0..columns).map(|_| vec![0.0; penalised]).collect();
        extra.iter_mut().enumerate().take(penalised).for_each(|(j, line)| line[j] = 1.0);
        for j in 0..columns {
            own.take_column(j, scaling, &mut extra);
        }
        let width = own.width();
        own.penalised = vec![0.0; penalised * width];
        for (k, &j) in own.kept.iter().enumerate() {
            extra[j].iter().enumerate().for_each(|(line, x)| own.penalised[line * width + k] = *x);
        }
        own
    }

    fn take_column(&mut self, j: usize, scaling: &Scaling, extra: &mut [Vec<f64>]) {
        let size = |own: &Self, extra: &[Vec<f64>]| own.dot(j, j) + squares(&extra[j]);
        let before = size(self, extra).sqrt();
        let cells = ROUNDING * (scaling.centres[j] / scaling.scales[j]).abs() * (self.rows as f64).sqrt();
        let mut made = vec![0.0; self.columns + 1];
        made[j] = 1.0;
        for _ in 0..2 {
            if self.intercept {
                let mean = self.sum(j) / self.rows.max(1) as f64;
                self.blocks
                    .iter_mut()
                    .for_each(|b| b.values[j * b.rows..][..b.rows].iter_mut().for_each(|x| *x -= mean));
                made[self.columns] -= mean;
            }
            let dots: Vec<f64> = self.kept.iter().map(|&k| self.dot(k, j)).collect();
            for (at, dot) in dots.into_iter().enumerate() {
                let k = self.kept[at];
                let beside: f64 = extra[k].iter().zip(&extra[j]).map(|(a, b)| a * b).sum();
                let share = (dot + beside) / self.rows.max(1) as f64;
                self.subtract(k, share, j);
                let (from, to) = pair(extra, k, j);
                to.iter_mut().zip(from).for_each(|(t, f)| *t -= share * f);
                made.iter_mut().zip(&self.made_of[at]).for_each(|(m, o)| *m -= share * o);
            }
        }
        let left = size(self, extra).sqrt();
        if left <= (RANK_TOL * before).max(cells) || !left.is_finite() {
            let on = (0..self.columns).filter(|&k| k != j && made[k].abs() > 1e-9);
            self.dependent.push(DependentColumn {
                column: j,
                on: on.map(|k| (k, -made[k])).collect(),
                constant: -made[self.columns],
                residual: if before > 0.0 { left / before } else { 0.0 },
            });
            return;
        }
        let unit = (self.rows.max(1) as f64).sqrt() / left;
        self.blocks
            .iter_mut()
            .for_each(|b| b.values[j * b.rows..][..b.rows].iter_mut().for_each(|x| *x *= unit));
        extra[j].iter_mut().chain(&mut made).for_each(|x| *x *= unit);
        self.kept.push(j);
        self.made_of.push(made);
    }

    fn dot(&self, a: usize, b: usize) -> f64 {
        let each = self.blocks.iter().map(|block| dot(block.column(a), block.column(b)));
        each.sum()
    }

    fn sum(&self, j: usize) -> f64 {
        self.blocks.iter().map(|block| block.column(j).iter().sum::<f64>()).sum()
    }

    fn subtract(&mut self, k: usize, share: f64, j: usize) {
        for block in &mut self.blocks {
            let rows = block.rows;
            let (head, tail) = block.values.split_at_mut(j * rows);
            tail[..rows].iter_mut().zip(&head[k * rows..]).for_each(|(x, q)| *x -= share * q);
        }
    }

    /// Numbers of a line: the orthogonal columns, and the constant behind them.
    pub(super) fn width(&self) -> usize {
        self.kept.len() + usize::from(self.intercept)
    }

    /// Lines of data, and of penalised coefficients.
    pub(super) fn count(&self) -> usize {
        self.rows + self.penalised.len() / self.width().max(1)
    }

    /// Every line times `t`.
    pub(super) fn times(&self, t: &[f64], out: &mut [f64]) {
        let constant = if self.intercept { t[self.kept.len()] } else { 0.0 };
        let mut rest = out;
        for block in &self.blocks {
            let (own, behind) = rest.split_at_mut(block.rows);
            own.fill(constant);
            for (&j, t) in self.kept.iter().zip(t) {
                own.iter_mut().zip(block.column(j)).for_each(|(o, x)| *o += t * x);
            }
            rest = behind;
        }
        for (out, line) in rest.iter_mut().zip(self.penalised.chunks_exact(self.width().max(1))) {
            *out = line.iter().zip(t).map(|(x, t)| x * t).sum();
        }
    }

    /// The sum of the lines, each times its factor.
    pub(super) fn transposed(&self, factors: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width()];
        let mut from = 0;
        for block in &self.blocks {
            let own = &factors[from..from + block.rows];
            for (&j, sum) in self.kept.iter().zip(&mut sums) {
                *sum += dot(block.column(j), own);
            }
            if self.intercept {
                sums[self.kept.len()] += own.iter().sum::<f64>();
            }
            from += block.rows;
        }
        for (factor, line) in factors[from..].iter().zip(self.penalised.chunks_exact(self.width().max(1))) {
            sums.iter_mut().zip(line).for_each(|(sum, x)| *sum += factor * x);
        }
        sums
    }

    /// The sum of the products of every line with itself, times its factor: `width` x `width`, both triangles.
    pub(super) fn gram(&self, factors: &[f64]) -> Vec<f64> {
        let width = self.width();
        let mut sums = vec![0.0; width * width];
        let mut scaled = Vec::new();
        let mut from = 0;
        for block in &self.blocks {
            let own = &factors[from..from + block.rows];
            for (b, &k) in self.kept.iter().enumerate() {
                scaled.clear();
                scaled.extend(block.column(k).iter().zip(own).map(|(x, f)| x * f));
                for (a, &j) in self.kept[..=b].iter().enumerate() {
                    sums[a * width + b] += dot(block.column(j), &scaled);
                }
                if self.intercept {
                    sums[b * width + width - 1] += scaled.iter().sum::<f64>();
                }
            }
            if self.intercept {
                sums[width * width - 1] += own.iter().sum::<f64>();
            }
            from += block.rows;
        }
        for (factor, line) in factors[from..].iter().zip(self.penalised.chunks_exact(width.max(1))) {
            for a in 0..width {
                (a..width).for_each(|b| sums[a * width + b] += factor * line[a] * line[b]);
            }
        }
        for a in 0..width {
            (0..a).for_each(|b| sums[a * width + b] = sums[b * width + a]);
        }
        sums
    }

    /// The numbers of one line.
    pub(super) fn line(&self, line: usize) -> Vec<f64> {
        let mut row = line;
        for block in &self.blocks {
            if row < block.rows {
                let cells = self.kept.iter().map(|&j| block.values[j * block.rows + row]);
                return cells.chain(self.intercept.then_some(1.0)).collect();
            }
            row -= block.rows;
        }
        let width = self.width();
        self.penalised[row * width..][..width].to_vec()
    }

    /// What coefficients of the orthogonal columns are as parameters: a number a column of the data, and the constant.
    pub(super) fn parameters(&self, t: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.columns + 1];
        for (made, t) in self.made_of.iter().zip(t) {
            out.iter_mut().zip(made).for_each(|(o, m)| *o += t * m);
        }
        if self.intercept {
            out[self.columns] += t[self.kept.len()];
        } else {
            out.truncate(self.columns);
        }
        out
    }
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// Two of many, one to be read and one to be written.
fn pair(all: &mut [Vec<f64>], read: usize, write: usize) -> (&[f64], &mut [f64]) {
    let (head, tail) = all.split_at_mut(write);
    (&head[read], &mut tail[0])
}

/// Lanes in which products are summed: the same on every processor.
const LANES: usize = 8;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [0.0; LANES];
            let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
            for (a, b) in a_chunks.zip(b_chunks) {
                (0..LANES).for_each(|lane| sums[lane] += a[lane] * b[lane]);
            }
            sums.iter().sum::<f64>() + rest
        },
    )
}
