//! Blocks of standardised rows, and the two products that everything is made of: rows times parameters, and factors
//! times rows.

use std::ops::Range;

use pulp::Arch;

/// Rows that take part, in standardised units.
#[derive(Clone, Debug)]
pub struct RowBlock {
    /// The columns of the design beside the constant.
    pub features: Features,
    /// The responses, one a row.
    pub response: Vec<f64>,
    /// The weights of the rows; all one where absent.
    pub weights: Option<Vec<f64>>,
    /// True for rows that are held out: they are never learnt from. Absent where there is none.
    pub held_out: Option<Vec<bool>>,
}

/// Columns of a block of rows.
#[derive(Clone, Debug)]
pub enum Features {
    /// One column behind the other.
    Dense {
        /// Column `j` begins at `j * stride`.
        values: Vec<f64>,
        /// Number of columns.
        columns: usize,
        /// Room for rows, at least as many as there are.
        stride: usize,
    },
    /// The entries that are not zero, row by row.
    Sparse(SparseRows),
}

/// Compressed sparse rows: the entries of row `i` are those at `offsets[i]..offsets[i + 1]`. A column may occur more than
/// once in a row; its entries are added.
#[derive(Clone, Debug, Default)]
pub struct SparseRows {
    /// One more than there are rows.
    pub offsets: Vec<u32>,
    /// Positions of columns.
    pub indices: Vec<u32>,
    /// Their values.
    pub values: Vec<f64>,
    /// Number of columns.
    pub columns: usize,
}

impl RowBlock {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.response.len()
    }

    /// Number of columns, the constant not among them.
    pub fn columns(&self) -> usize {
        match &self.features {
            Features::Dense { columns, .. } => *columns,
            Features::Sparse(sparse) => sparse.columns,
        }
    }

    /// The weight of a row.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[row])
    }

    /// Whether a row is held out.
    pub fn is_held_out(&self, row: usize) -> bool {
        self.held_out.as_ref().is_some_and(|held| held[row])
    }

    /// Keeps the first `rows` rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.response.truncate(rows);
        if let Some(weights) = &mut self.weights {
            weights.truncate(rows);
        }
        if let Some(held_out) = &mut self.held_out {
            held_out.truncate(rows);
        }
    }

    /// Moves the rows at the slots `order`, which ascend, to the front.
    pub(super) fn compact(&mut self, order: &[u32]) {
        let pick = |cells: &mut [f64]| {
            order.iter().enumerate().for_each(|(to, &from)| cells[to] = cells[from as usize]);
        };
        if let Features::Dense { values, stride, .. } = &mut self.features {
            values.chunks_mut((*stride).max(1)).for_each(pick);
        }
        pick(&mut self.response);
        if let Some(weights) = &mut self.weights {
            pick(weights);
        }
        if let Some(held_out) = &mut self.held_out {
            order.iter().enumerate().for_each(|(to, &from)| held_out[to] = held_out[from as usize]);
        }
    }

    /// Makes room for `rows` rows, whatever they hold.
    pub(super) fn reset(&mut self, rows: usize) {
        self.response.resize(rows, 0.0);
        self.weights = None;
        self.held_out = None;
        if let Features::Sparse(sparse) = &mut self.features {
            sparse.clear();
        }
    }

    /// Writes the predictions for the rows of `range` into `out`. `parameters` are those of the columns, and behind
    /// them the constant, if there is one.
    pub fn predict(&self, range: Range<usize>, parameters: &[f64], out: &mut [f64]) {
        let constant = parameters.get(self.columns()).copied().unwrap_or(0.0);
        match &self.features {
            Features::Dense { values, columns, stride } => {
                out.fill(constant);
                Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        let mut j = 0;
                        // Four columns at a time: fewer visits to the sums.
                        while j + 4 <= *columns {
                            let column = |k: usize| &values[(j + k) * stride..][range.clone()];
                            let (a, b, c, d) = (column(0), column(1), column(2), column(3));
                            let t = &parameters[j..j + 4];
                            for (i, out) in out.iter_mut().enumerate() {
                                *out += (t[0] * a[i] + t[1] * b[i]) + (t[2] * c[i] + t[3] * d[i]);
                            }
                            j += 4;
                        }
                        for j in j..*columns {
                            let column = &values[j * stride..][range.clone()];
                            for (out, x) in out.iter_mut().zip(column) {
                                *out += parameters[j] * x;
                            }
                        }
                    },
                );
            }
            Features::Sparse(sparse) => {
                for (out, row) in out.iter_mut().zip(range) {
                    let (indices, values) = sparse.row(row);
                    let products = indices.iter().zip(values).map(|(&j, x)| parameters[j as usize] * x);
                    *out = constant + products.sum::<f64>();
                }
            }
        }
    }

    /// Adds the rows of `range`, each times its factor, to `sums`: one a column, and behind them one for the constant, if
    /// there is one.
    pub fn add_scaled(&self, range: Range<usize>, factors: &[f64], sums: &mut [f64]) {
        if let Some(constant) = sums.get_mut(self.columns()) {
            *constant += factors.iter().sum::<f64>();
        }
        match &self.features {
            Features::Dense { values, columns, stride } => {
                Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for (sum, j) in sums.iter_mut().zip(0..*columns) {
                            *sum += dot(&values[j * stride..][range.clone()], factors);
                        }
                    },
                );
            }
            Features::Sparse(sparse) => {
                for (factor, row) in factors.iter().zip(range) {
                    let (indices, values) = sparse.row(row);
                    for (&j, x) in indices.iter().zip(values) {
                        sums[j as usize] += factor * x;
                    }
                }
            }
        }
    }
}

impl SparseRows {
    /// No rows.
    pub(super) fn new(columns: usize) -> Self {
        Self { offsets: vec![0], indices: Vec::new(), values: Vec::new(), columns }
    }

    pub(super) fn clear(&mut self) {
        self.offsets.truncate(1);
        self.indices.clear();
        self.values.clear();
    }

    /// Puts row `i` where the `i`-th of `slots` stands in their order.
    pub(super) fn permute(&mut self, slots: &[u32], rows: usize) {
        let mut order: Vec<(u32, usize)> = slots[..rows].iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut sorted = Self::new(self.columns);
        sorted.indices.reserve(self.indices.len());
        sorted.values.reserve(self.values.len());
        for (_, row) in order {
            let (indices, values) = self.row(row);
            sorted.indices.extend_from_slice(indices);
            sorted.values.extend_from_slice(values);
            sorted.offsets.push(sorted.indices.len() as u32);
        }
        *self = sorted;
    }

    /// The entries of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        (&self.indices[entries.clone()], &self.values[entries])
    }
}

/// Lanes in which products are summed: the same on every processor.
const LANES: usize = 16;

/// The sum of the products of two slices, in [`LANES`] partial sums.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
