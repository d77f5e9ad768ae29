//! Exact sums of products: every bit of every float64 counts.
//!
//! A finite float64 is an integer times a power of two, and so is any sum of their products. [`ExactProducts`] holds
//! these integers; nothing is ever rounded or dropped. Adding, merging and subtracting are then associative and
//! commutative: the state has the same bits for any order of the rows, any blocks, any processor.
//!
//! What makes it fast: a column's cells are read as integers on a grid that suits it, in slices of 19 to 30 bits (`grid`),
//! whose products are added up in the 64-bit lanes of vectors (`gram`) - an error-free transformation of the matrix
//! product (after Ozaki, Ogita, Oishi & Rump 2012, "Error-free transformations of matrix multiplication by using fast
//! routines of matrix multiplication and its applications", with integers in place of float64). Slices are the
//! coefficients of a polynomial, multiplied by its values at a few points, which saves products (`points`). Where there are
//! many columns, remainders by small moduli take the place of slices (`remainders`). Cells that a grid does not hold are
//! multiplied one by one (`outliers`). The grid is a matter of speed alone, and so is the length of the digits, which
//! depends on what the processor multiplies (`points`).
//!
//! | module | what it knows |
//! |---|---|
//! | `parts` | which rows take part; variables and weights as sums of float64 |
//! | `grid`, `operand` | cells to slices; which grid a column has |
//! | `points` | slices as polynomials; sums of products from their values |
//! | `gram`, `lanes`, `kernel` | the hot loop, what it asks of vectors, and which it runs on |
//! | `outliers` | single products |
//! | `engine` | all of that in order |
//! | `remainders` | sums of products by their remainders, for many columns |
//! | `method` | slices or remainders |
//! | `big_fixed`, `big_fixed_table` | integers of any length; tables of them |

mod big_fixed;
mod big_fixed_table;
mod engine;
mod gram;
mod grid;
mod kernel;
mod lanes;
mod method;
mod operand;
mod outliers;
mod parts;
mod points;
mod remainders;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use faer::fx128;

pub use self::big_fixed::BigFixed;
pub(crate) use self::big_fixed_table::{BigFixedTable, Magnitude, Place};
pub(crate) use self::grid::{span_of, unit_of};
pub use self::kernel::Kernel;
use self::method::Method;
use self::operand::Parts;
use self::parts::Rows;
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock};
use crate::sums::cross_products::CrossProducts;
use crate::sums::double_double::DoubleDoubleProducts;
use crate::sums::moments::Moments;

/// The exact sums of `w`, `w x_i` and `w x_i x_j`, and the number of rows.
///
/// The value of a variable is `values + low`, both to the last bit, and `w x` is the exact product. Memory: a few
/// wide integers of 200 to 300 bits each for ordinary data, `(m + 1) (m + 2) / 2` of them for `m` variables; while rows
/// are taken in also slices of 512 rows, or remainders of 256, which [`Accumulator::finish`] frees.
#[derive(Debug)]
pub struct ExactProducts {
    variables: usize,
    rows: u64,
    kernel: Kernel,
    /// One record, with the [`entry`] of every pair of variables, of which the constant is the last.
    sums: BigFixedTable,
    work: Option<Box<Work>>,
}

/// What only a thread that accumulates needs.
#[derive(Debug, Default)]
struct Work {
    rows: Rows,
    method: Option<Method>,
}

/// Position of a pair of variables in the lower triangle, row after row.
fn entry(i: usize, j: usize) -> usize {
    let (i, j) = (i.max(j), i.min(j));
    i * (i + 1) / 2 + j
}

impl ExactProducts {
    /// The sums of no rows of `variables` variables (the response included).
    pub fn new(variables: usize) -> Self {
        Self::with_kernel(variables, Kernel::Auto)
    }

    /// The same, to be computed with certain vector instructions. They do not change the result.
    pub fn with_kernel(variables: usize, kernel: Kernel) -> Self {
        let mut sums = BigFixedTable::new((variables + 1) * (variables + 2) / 2);
        sums.push_record();
        Self { variables, rows: 0, kernel, sums, work: None }
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Sum of the weights; the number of rows where there are none.
    pub fn weight(&self) -> BigFixed {
        self.settled().get(0, entry(self.variables, self.variables))
    }

    /// Weighted sum of a variable.
    pub fn sum(&self, variable: usize) -> BigFixed {
        self.settled().get(0, entry(self.variables, variable))
    }

    /// Weighted sum of `x_i x_j`. Quick only after [`Accumulator::finish`], as the other sums are.
    pub fn product(&self, i: usize, j: usize) -> BigFixed {
        self.settled().get(0, entry(i, j))
    }

    /// Adds sums that were saved, in the order of [`ExactProducts::saved`].
    pub(crate) fn restore(&mut self, rows: u64, weight: &BigFixed, sums: &[BigFixed]) {
        let m = self.variables;
        let of_sums = (0..m).map(|j| entry(m, j));
        let of_products = (0..m).flat_map(|i| (0..=i).map(move |j| entry(i, j)));
        self.rows += rows;
        let sums = of_sums.chain(of_products).zip(sums);
        self.sums.add_all(0, std::iter::once((entry(m, m), weight)).chain(sums));
    }

    /// The sums of the variables, then the products, row after row of the lower triangle.
    pub(crate) fn saved(&self) -> impl Iterator<Item = BigFixed> {
        let (m, settled) = (self.variables, self.settled());
        let of_sums = (0..m).map(move |j| entry(m, j));
        let of_products = (0..m).flat_map(|i| (0..=i).map(move |j| entry(i, j)));
        of_sums.chain(of_products).map(move |at| settled.get(0, at))
    }

    /// Takes the rows of `other` away again: exactly undoes merging them.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when `other` has another number of variables, or more rows.
    pub fn subtract(&mut self, other: &Self) -> Result<(), BlockError> {
        if other.variables != self.variables || other.rows > self.rows {
            return Err(BlockError::Shape);
        }
        self.flush();
        self.rows -= other.rows;
        self.sums.subtract_record(0, &other.settled(), 0);
        Ok(())
    }

    /// Means and centred products in double-double arithmetic: `(W S_ij - S_i S_j) / W`, the numerator exact, the
    /// quotient rounded once.
    pub fn double_double(&self) -> DoubleDoubleProducts {
        let (m, settled) = (self.variables, self.settled());
        let get = |i: usize, j: usize| settled.get(0, entry(i, j));
        let weight = get(m, m);
        let sums: Vec<BigFixed> = (0..m).map(|j| get(m, j)).collect();
        let zero = fx128::from_f64(0.0);
        let over_weight =
            |value: &BigFixed| if weight.is_zero() { zero } else { value.div_to_double(&weight) };
        let mut products = vec![zero; m * m];
        for j in 0..m {
            for i in j..m {
                let numerator = weight.mul(&get(i, j)).sub(&sums[i].mul(&sums[j]));
                products[j * m + i] = over_weight(&numerator);
            }
        }
        let means = sums.iter().map(over_weight).collect();
        let whole = (0..m).map(|j| sums[j].is_whole() && get(j, j).is_whole()).collect();
        DoubleDoubleProducts::from_parts(self.rows, weight.to_double(), means, products).with_whole(whole)
    }

    /// The same, rounded to float64.
    pub fn to_cross_products(&self) -> CrossProducts {
        let (m, double_double) = (self.variables, self.double_double());
        let part = |low: bool| {
            (0..m).map(|j| if low { double_double.mean(j).1 } else { double_double.mean(j).0 }).collect()
        };
        let moments = Moments::from_parts(self.rows, double_double.weight().0, part(false), part(true));
        let mut products = vec![0.0; m * m];
        for j in 0..m {
            for i in j..m {
                products[j * m + i] = double_double.centred(i, j).0;
            }
        }
        CrossProducts::from_parts(moments, products)
    }

    /// The wide sums with all that is pending.
    fn settled(&self) -> Cow<'_, BigFixedTable> {
        match self.work.as_ref().and_then(|work| work.method.as_ref()) {
            Some(method) if method.is_pending() => {
                let mut sums = self.sums.clone();
                method.flushed_into(&mut sums);
                Cow::Owned(sums)
            }
            _ => Cow::Borrowed(&self.sums),
        }
    }

    fn flush(&mut self) {
        if let Some(method) = self.work.as_mut().and_then(|work| work.method.as_mut()) {
            method.flush(&mut self.sums);
        }
    }

    /// Adds the products of the rows that `work` has loaded.
    fn absorb(&mut self, work: &mut Work, block: &DesignBlock<'_>, rows: usize) {
        let right = work.rows.right(block, rows);
        let left = work.rows.left(&right);
        let mut method = match work.method.take() {
            Some(method) if method.suits(&right, left.as_ref()) => method,
            other => {
                if let Some(mut method) = other {
                    method.flush(&mut self.sums);
                }
                Method::new(self.kernel, &right, left.as_ref())
            }
        };
        method.add(&mut self.sums, &right, left.as_ref());
        work.method = Some(method);
        if left.is_some() {
            self.add_broken(&work.rows, &right);
        }
        self.rows += rows as u64;
    }

    /// The cells whose products with the weight do not split in two.
    fn add_broken(&mut self, rows: &Rows, right: &Parts<'_>) {
        for &(part, row) in &rows.broken {
            let (i, x) = (right.variables[part], right.cells[part][row]);
            for (&j, cells) in right.variables.iter().zip(&right.cells).filter(|&(&j, _)| j <= i) {
                self.sums.add_big_fixed(0, entry(i, j), &rows.triple(row, x, cells[row]));
            }
        }
    }
}

/// Equal if all sums are: whatever was added in whatever order.
impl PartialEq for ExactProducts {
    fn eq(&self, other: &Self) -> bool {
        let (own, others) = (self.settled(), other.settled());
        self.variables == other.variables
            && self.rows == other.rows
            && (0..own.columns()).all(|column| own.get(0, column) == others.get(0, column))
    }
}

impl Eq for ExactProducts {}

impl Clone for ExactProducts {
    /// The sums alone, without what a thread needs that accumulates.
    fn clone(&self) -> Self {
        let (variables, rows, kernel) = (self.variables, self.rows, self.kernel);
        Self { variables, rows, kernel, sums: self.settled().into_owned(), work: None }
    }
}

impl Accumulator for ExactProducts {
    fn variables(&self) -> usize {
        self.variables
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> Result<(), BlockError> {
        let mut work = self.work.take().unwrap_or_default();
        let loaded = work.rows.load(block, self.variables);
        let done = loaded.map(|rows| {
            if rows > 0 {
                self.absorb(&mut work, block, rows);
            }
        });
        self.work = Some(work);
        done
    }

    fn merge(&mut self, mut other: Self) -> Result<(), BlockError> {
        if other.variables != self.variables {
            return Err(BlockError::Shape);
        }
        self.flush();
        other.flush();
        self.rows += other.rows;
        self.sums.merge_record(0, &other.sums, 0);
        Ok(())
    }

    fn finish(&mut self) {
        self.flush();
        self.work = None;
    }
}
