//! The gradient of all rows, in one parallel pass.

use crate::iterative::keys::Keys;
use crate::iterative::loss::Smoothed;
use crate::iterative::rows::RowBlock;
use crate::iterative::standardizer::{RowBuilder, Standardizer};
use crate::iterative::sums::{Compensated, GradientSums};
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, DesignBlock};

/// Sums over all rows at one point, and along one direction.
pub struct FullGradient<'a> {
    standardizer: &'a Standardizer,
    variables: usize,
    loss: Smoothed,
    point: &'a [f64],
    direction: Option<&'a [f64]>,
    builder: Option<RowBuilder<'a>>,
    keys: Keys,
    totals: Totals,
    work: Work,
}

/// What is summed beside vectors.
#[derive(Clone, Copy)]
enum Sum {
    Weight,
    Loss,
    Slack,
    Squares,
    Absolute,
    Response,
    ResponseSquares,
    HeldOutWeight,
    HeldOutLoss,
}

const SUMS: usize = 9;

struct Totals {
    rows: u64,
    held_out_rows: u64,
    scalars: Compensated,
    gradient: Compensated,
    product: Compensated,
}

/// Buffers of a thread.
#[derive(Default)]
struct Work {
    residuals: Vec<f64>,
    factors: Vec<f64>,
    sums: Vec<f64>,
}

impl<'a> FullGradient<'a> {
    /// No rows yet. `point` are parameters; with a `direction` the product of `X'WX` with it is summed, too.
    pub fn new(
        standardizer: &'a Standardizer,
        variables: usize,
        loss: Smoothed,
        point: &'a [f64],
        direction: Option<&'a [f64]>,
    ) -> Self {
        let totals = Totals {
            rows: 0,
            held_out_rows: 0,
            scalars: Compensated::new(SUMS),
            gradient: Compensated::new(point.len()),
            product: Compensated::new(direction.map_or(0, <[f64]>::len)),
        };
        let (builder, keys, work) = (None, Keys::default(), Work::default());
        Self { standardizer, variables, loss, point, direction, builder, keys, totals, work }
    }

    /// The means.
    pub fn into_sums(self) -> GradientSums {
        let Totals { rows, held_out_rows, scalars, gradient, product } = self.totals;
        let sums = scalars.means(1.0);
        let sum = |which: Sum| sums[which as usize];
        let weight = sum(Sum::Weight);
        let response = sum(Sum::Response) / weight;
        let held_out_loss = sum(Sum::HeldOutLoss) / sum(Sum::HeldOutWeight);
        GradientSums {
            rows,
            weight,
            loss: sum(Sum::Loss) / weight,
            slack: sum(Sum::Slack) / weight,
            gradient: gradient.means(weight),
            product: self.direction.map(|_| product.means(weight)),
            squares: sum(Sum::Squares) / weight,
            absolute: sum(Sum::Absolute) / weight,
            response,
            response_squares: (sum(Sum::ResponseSquares) / weight - response * response).max(0.0),
            held_out_rows,
            held_out_loss: held_out_loss.is_finite().then_some(held_out_loss),
        }
    }
}

impl Work {
    /// Adds the rows of a block to `totals`.
    fn add(&mut self, block: &RowBlock, run: &Run<'_>, totals: &mut Totals) {
        let rows = block.rows();
        self.residuals.resize(rows, 0.0);
        self.factors.resize(rows, 0.0);
        block.predict(0..rows, run.point, &mut self.residuals);
        let mut sums = [0.0; SUMS];
        for row in 0..rows {
            let y = block.response[row];
            let (r, w) = (y - self.residuals[row], block.weight(row));
            if block.is_held_out(row) {
                totals.held_out_rows += 1;
                sums[Sum::HeldOutWeight as usize] += w;
                sums[Sum::HeldOutLoss as usize] += w * run.loss.value(r);
                self.factors[row] = 0.0;
                continue;
            }
            totals.rows += 1;
            self.factors[row] = -w * run.loss.slope(r);
            let more =
                [w, w * run.loss.value(r), w * run.loss.slack(r), w * r * r, w * r.abs(), w * y, w * y * y];
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        totals.scalars.add(&sums);
        self.sums.clear();
        self.sums.resize(run.point.len(), 0.0);
        block.add_scaled(0..rows, &self.factors, &mut self.sums);
        totals.gradient.add(&self.sums);
        if let Some(direction) = run.direction {
            block.predict(0..rows, direction, &mut self.residuals);
            for row in 0..rows {
                let held_out = block.is_held_out(row);
                self.factors[row] = if held_out { 0.0 } else { block.weight(row) * self.residuals[row] };
            }
            self.sums.fill(0.0);
            block.add_scaled(0..rows, &self.factors, &mut self.sums);
            totals.product.add(&self.sums);
        }
    }
}

/// What is summed of a block.
struct Run<'a> {
    loss: Smoothed,
    point: &'a [f64],
    direction: Option<&'a [f64]>,
}

impl Accumulator for FullGradient<'_> {
    fn variables(&self) -> usize {
        self.variables
    }

    fn assign(&mut self, keys: &[u32]) {
        self.keys.assign(keys);
    }

    fn update(&mut self, block: &DesignBlock<'_>) -> Result<(), BlockError> {
        block.check(self.variables)?;
        block.check_finite()?;
        let run = Run { loss: self.loss, point: self.point, direction: self.direction };
        let builder = self.builder.get_or_insert_with(|| RowBuilder::new(self.standardizer));
        builder.append(block, self.keys.peek(block.rows), &mut |rows| {
            self.work.add(&rows, &run, &mut self.totals);
            Some(rows)
        });
        self.keys.advance(block.rows);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let run = Run { loss: self.loss, point: self.point, direction: self.direction };
        if let Some(builder) = &mut self.builder {
            builder.finish(&mut |rows| {
                self.work.add(&rows, &run, &mut self.totals);
                None
            });
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        self.totals.rows += other.totals.rows;
        self.totals.held_out_rows += other.totals.held_out_rows;
        self.totals.scalars.merge(&other.totals.scalars);
        self.totals.gradient.merge(&other.totals.gradient);
        self.totals.product.merge(&other.totals.product);
        Ok(())
    }

    fn finish(&mut self) {
        self.builder = None;
        self.work = Work::default();
        self.keys = Keys::default();
    }
}
