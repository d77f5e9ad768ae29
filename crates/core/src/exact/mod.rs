//! TEMPORARY
mod wide;
mod wides;
use crate::{Accumulator, BlockError, CrossProducts, DesignBlock, DoubledProducts, Moments};
pub use wide::Wide;
pub use wides::Wides;
/// T
#[derive(Clone, Debug)]
pub struct ExactProducts {
    m: usize,
    rows: u64,
    s: Wides,
}
impl ExactProducts {
    /// T
    pub fn new(m: usize) -> Self {
        let mut s = Wides::new(1 + m + m * m);
        s.push_record();
        Self { m, rows: 0, s }
    }
    /// T
    pub fn rows(&self) -> u64 {
        self.rows
    }
    /// T
    pub fn weight(&self) -> Wide {
        self.s.get(0, 0)
    }
    /// T
    pub fn sum(&self, i: usize) -> Wide {
        self.s.get(0, 1 + i)
    }
    /// T
    pub fn product(&self, i: usize, j: usize) -> Wide {
        self.s.get(0, 1 + self.m + i.max(j) * self.m + i.min(j))
    }
    /// T
    pub fn subtract(&mut self, other: &Self) -> Result<(), BlockError> {
        self.rows -= other.rows;
        self.s.subtract_record(0, &other.s, 0);
        Ok(())
    }
    /// T
    pub fn doubled(&self) -> DoubledProducts {
        let w = self.weight();
        let mean = (0..self.m).map(|i| self.sum(i).div_to_double(&w)).collect();
        let mut p = vec![faer::fx128::ZERO; self.m * self.m];
        for j in 0..self.m {
            for i in j..self.m {
                p[j * self.m + i] =
                    w.mul(&self.product(i, j)).sub(&self.sum(i).mul(&self.sum(j))).div_to_double(&w);
            }
        }
        DoubledProducts::from_parts(self.rows, w.to_double(), mean, p)
    }
    /// T
    pub fn to_cross_products(&self) -> CrossProducts {
        let d = self.doubled();
        let m = self.m;
        let moments = Moments::from_parts(
            self.rows,
            d.weight().0,
            (0..m).map(|i| d.mean(i).0).collect(),
            (0..m).map(|i| d.mean(i).1).collect(),
        );
        let mut p = vec![0.0; m * m];
        for j in 0..m {
            for i in j..m {
                p[j * m + i] = d.centred(i, j).0;
            }
        }
        CrossProducts::from_parts(moments, p)
    }
}
impl Accumulator for ExactProducts {
    fn variables(&self) -> usize {
        self.m
    }
    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        rows.check(self.m)?;
        for (variable, c) in rows.columns.iter().enumerate() {
            if rows.used().any(|r| !c.values[r].is_finite()) {
                return Err(BlockError::Value { variable });
            }
        }
        for r in rows.used() {
            self.rows += 1;
            let w = Wide::from(rows.weights.map_or(1.0, |w| w[r]));
            let x: Vec<Wide> = rows
                .columns
                .iter()
                .map(|c| Wide::from(c.values[r]).add(&Wide::from(c.low.map_or(0.0, |l| l[r]))))
                .collect();
            self.s.add_wide(0, 0, &w);
            for i in 0..self.m {
                let wx = w.mul(&x[i]);
                self.s.add_wide(0, 1 + i, &wx);
                for j in 0..=i {
                    self.s.add_wide(0, 1 + self.m + i * self.m + j, &wx.mul(&x[j]));
                }
            }
        }
        Ok(())
    }
    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        self.rows += other.rows;
        self.s.merge_record(0, &other.s, 0);
        Ok(())
    }
}
