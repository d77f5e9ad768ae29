//! An accumulator that keeps one state a fold.

use std::ops::Range;

use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, Column, DesignBlock, block_rows};

/// Rows that are collected for a fold before they are added to its state: few enough that ten folds of fifty columns stay in
/// the second-level cache, enough that adding a block costs little beside its products. Part of the definition of
/// floating-point results.
fn fold_rows(variables: usize) -> usize {
    (block_rows(variables) / 4).max(1)
}

/// One state a fold. Their rows are collected, and handed over as blocks, so that many folds cost little more
/// than one. A single state takes rows as they come, and needs no folds.
#[derive(Debug)]
pub struct Folded<A> {
    states: Vec<A>,
    /// Folds of the rows that come next, from `next` on.
    assigned: Vec<u32>,
    next: usize,
    work: Option<Box<Work>>,
    /// Why rows of this state are lost; nothing is added after that.
    failed: Option<BlockError>,
}

/// Buffers of a thread that accumulates.
#[derive(Debug)]
struct Work {
    buffers: Vec<Buffer>,
    /// For every fold its rows in the block at hand.
    picked: Vec<Vec<u32>>,
}

/// Rows of one fold that do not make a block yet.
#[derive(Debug, Default)]
struct Buffer {
    values: Vec<Vec<f64>>,
    /// What the values lack; shorter than they are where it is nothing.
    low: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
    weights: Vec<f64>,
    rows: usize,
}

impl<A: Accumulator> Folded<A> {
    /// The states of no rows, each as `make` makes it.
    pub fn new(folds: usize, make: impl Fn() -> A) -> Self {
        Self::of((0..folds).map(|_| make()).collect())
    }

    /// The given states, one a fold.
    pub fn of(states: Vec<A>) -> Self {
        Self { states, assigned: Vec::new(), next: 0, work: None, failed: None }
    }

    /// The state of every fold.
    pub fn into_states(self) -> Vec<A> {
        self.states
    }

    /// The same, to be saved or replaced while nothing is under way.
    pub fn states_mut(&mut self) -> &mut Vec<A> {
        &mut self.states
    }

    /// The state of all rows: [`merged`].
    ///
    /// # Errors
    /// [`BlockError::Shape`] where the states do not belong together.
    pub fn total(&self) -> std::result::Result<A, BlockError>
    where
        A: Clone,
    {
        merged(&self.states)
    }

    fn distribute(&mut self, work: &mut Work, rows: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        let folds = &self.assigned[self.next..][..rows.rows];
        work.picked.iter_mut().for_each(Vec::clear);
        for row in rows.used() {
            work.picked.get_mut(folds[row] as usize).ok_or(BlockError::Shape)?.push(row as u32);
        }
        work.append(rows)?;
        self.next += rows.rows;
        let block = fold_rows(rows.columns.len());
        for (buffer, state) in work.buffers.iter_mut().zip(&mut self.states) {
            if let Err(failed) = buffer.hand_over(state, block) {
                self.failed = Some(failed);
                return Err(failed);
            }
        }
        Ok(())
    }
}

/// The state of the rows of all folds: theirs, merged in their order.
///
/// # Errors
/// [`BlockError::Shape`] where the states do not belong together, or there is none.
pub fn merged<A: Accumulator + Clone>(states: &[A]) -> std::result::Result<A, BlockError> {
    let (first, others) = states.split_first().ok_or(BlockError::Shape)?;
    let mut total = first.clone();
    others.iter().try_for_each(|state| total.merge(state.clone()))?;
    Ok(total)
}

impl Work {
    /// Copies the rows that were picked behind those that wait: a column for all folds while it is in the nearest cache.
    ///
    /// # Errors
    /// [`BlockError::Value`]; nothing has been copied then.
    fn append(&mut self, block: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        for buffer in &mut self.buffers {
            buffer.values.resize_with(block.columns.len(), Vec::new);
            buffer.low.resize_with(block.columns.len(), Vec::new);
            buffer.codes.resize_with(block.codes.len(), Vec::new);
        }
        for (at, column) in block.columns.iter().enumerate() {
            if let Err(refused) = block.check_finite_at(at) {
                self.buffers.iter_mut().for_each(|buffer| buffer.truncate(at));
                return Err(refused);
            }
            for (buffer, rows) in self.buffers.iter_mut().zip(&self.picked) {
                buffer.values[at].extend(rows.iter().map(|&row| column.values[row as usize]));
                if let Some(parts) = column.low {
                    buffer.low[at].resize(buffer.rows, 0.0);
                    buffer.low[at].extend(rows.iter().map(|&row| parts[row as usize]));
                }
            }
        }
        for (buffer, rows) in self.buffers.iter_mut().zip(&self.picked) {
            for (codes, own) in block.codes.iter().zip(&mut buffer.codes) {
                own.extend(rows.iter().map(|&row| codes[row as usize]));
            }
            if let Some(weights) = block.weights {
                buffer.weights.extend(rows.iter().map(|&row| weights[row as usize]));
            }
            buffer.rows += rows.len();
        }
        Ok(())
    }
}

impl Buffer {
    /// Takes back what was copied of the first `columns` columns of a block.
    fn truncate(&mut self, columns: usize) {
        for cells in self.values[..columns].iter_mut().chain(&mut self.low[..columns]) {
            cells.truncate(self.rows);
        }
    }

    /// Gives the rows to the state, in blocks of so many, and forgets them; fewer that are left stay.
    fn hand_over(
        &mut self,
        state: &mut impl Accumulator,
        block: usize,
    ) -> std::result::Result<(), BlockError> {
        let whole = self.rows / block * block;
        if whole == 0 {
            return Ok(());
        }
        // A block has what its values lack if any of them does; the blocks behind it need not.
        self.low.iter_mut().for_each(|low| low.resize(low.len().next_multiple_of(block).min(self.rows), 0.0));
        for from in (0..whole).step_by(block) {
            self.give(state, from..from + block)?;
        }
        fn drop_first<T: Copy>(cells: &mut Vec<T>, count: usize) {
            let count = count.min(cells.len());
            cells.copy_within(count.., 0);
            cells.truncate(cells.len() - count);
        }
        self.values.iter_mut().chain(&mut self.low).for_each(|cells| drop_first(cells, whole));
        self.codes.iter_mut().for_each(|codes| drop_first(codes, whole));
        drop_first(&mut self.weights, whole);
        self.rows -= whole;
        Ok(())
    }

    /// Gives some of the rows to the state.
    fn give(&self, state: &mut impl Accumulator, rows: Range<usize>) -> std::result::Result<(), BlockError> {
        let pairs = self.values.iter().zip(&self.low);
        let columns: Vec<Column<'_>> = pairs
            .map(|(values, low)| Column { values: &values[rows.clone()], low: low.get(rows.clone()) })
            .collect();
        let codes: Vec<&[u32]> = self.codes.iter().map(|codes| &codes[rows.clone()]).collect();
        let weights = self.weights.get(rows.clone());
        let rows = rows.len();
        state.update(&DesignBlock {
            columns: &columns,
            codes: &codes,
            sparse: None,
            weights,
            mask: None,
            rows,
        })
    }
}

impl<A: Accumulator> Accumulator for Folded<A> {
    fn variables(&self) -> usize {
        self.states.first().map_or(0, A::variables)
    }

    fn assign(&mut self, folds: &[u32]) {
        if self.states.len() == 1 {
            return;
        }
        self.assigned.drain(..self.next);
        self.next = 0;
        self.assigned.extend_from_slice(folds);
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> std::result::Result<(), BlockError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if let [only] = self.states.as_mut_slice() {
            return only.update(rows);
        }
        rows.check(self.variables())?;
        if self.assigned.len() - self.next < rows.rows {
            return Err(BlockError::Shape);
        }
        let folds = self.states.len();
        let mut work = self.work.take().unwrap_or_else(|| {
            let buffers = (0..folds).map(|_| Buffer::default()).collect();
            Box::new(Work { buffers, picked: vec![Vec::new(); folds] })
        });
        let done = self.distribute(&mut work, rows);
        self.work = Some(work);
        done
    }

    fn flush(&mut self) -> std::result::Result<(), BlockError> {
        if let Some(work) = &mut self.work {
            for (buffer, state) in work.buffers.iter_mut().zip(&mut self.states) {
                if let Err(failed) = buffer.hand_over(state, buffer.rows.max(1)) {
                    self.failed = Some(failed);
                }
            }
        }
        match self.failed {
            Some(failed) => Err(failed),
            None => self.states.iter_mut().try_for_each(A::flush),
        }
    }

    fn merge(&mut self, other: Self) -> std::result::Result<(), BlockError> {
        let empty = |work: &Option<Box<Work>>| {
            work.as_ref().is_none_or(|work| work.buffers.iter().all(|buffer| buffer.rows == 0))
        };
        if other.states.len() != self.states.len() || !empty(&other.work) {
            return Err(BlockError::Shape);
        }
        if let Some(failed) = other.failed.or(self.failed) {
            return Err(failed);
        }
        self.states.iter_mut().zip(other.states).try_for_each(|(own, theirs)| own.merge(theirs))
    }

    fn finish(&mut self) {
        self.work = None;
        self.states.iter_mut().for_each(A::finish);
    }

    fn complete(&mut self, threads: usize) -> std::result::Result<(), BlockError> {
        self.states.iter_mut().try_for_each(|state| state.complete(threads))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sums::cross_products::CrossProducts;

    proptest! {
        /// The states of the folds are those of their rows, and together they are the state of all.
        #[test]
        fn folds_partition_the_rows(
            data in proptest::collection::vec((-1e3..1e3f64, -1e3..1e3f64, 0u32..3, 0u8..4), 1..4_000),
            cut in 1usize..2_000,
        ) {
            let mut folded = Folded::new(3, || CrossProducts::new(2));
            for rows in data.chunks(cut) {
                let x: Vec<f64> = rows.iter().map(|r| r.0).collect();
                let y: Vec<f64> = rows.iter().map(|r| r.1).collect();
                let mask: Vec<bool> = rows.iter().map(|r| r.3 > 0).collect();
                let folds: Vec<u32> = rows.iter().map(|r| r.2).collect();
                let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
                folded.assign(&folds);
                let block =
                    DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: Some(&mask), rows: x.len() };
                folded.update(&block).unwrap();
            }
            folded.flush().unwrap();
            let total = folded.total().unwrap();
            let used: Vec<_> = data.iter().filter(|r| r.3 > 0).collect();
            prop_assert_eq!(total.moments().rows(), used.len() as u64);
            for (fold, state) in folded.into_states().iter().enumerate() {
                let own: Vec<_> = used.iter().filter(|r| r.2 == fold as u32).collect();
                prop_assert_eq!(state.moments().rows(), own.len() as u64);
                if own.is_empty() {
                    continue;
                }
                let mean = |f: fn(&(f64, f64, u32, u8)) -> f64| {
                    own.iter().map(|r| f(r)).sum::<f64>() / own.len() as f64
                };
                let (mx, my) = (mean(|r| r.0), mean(|r| r.1));
                let product: f64 = own.iter().map(|r| (r.0 - mx) * (r.1 - my)).sum();
                prop_assert!((state.centred(0, 1) - product).abs() < 1e-9 * (1.0 + own.len() as f64 * 1e6));
            }
        }
    }

    #[test]
    fn a_single_state_needs_no_folds() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let columns = [Column::from(values.as_slice())];
        let block = DesignBlock {
            columns: &columns,
            codes: &[],
            sparse: None,
            weights: None,
            mask: None,
            rows: 1_000,
        };
        let (mut alone, mut folded) = (CrossProducts::new(1), Folded::new(1, || CrossProducts::new(1)));
        alone.update(&block).unwrap();
        folded.update(&block).unwrap();
        folded.flush().unwrap();
        let total = folded.total().unwrap();
        assert_eq!(
            (total.moments().mean(0), total.centred(0, 0)),
            (alone.moments().mean(0), alone.centred(0, 0))
        );
        assert!(merged::<CrossProducts>(&[]).is_err());
    }

    #[test]
    fn a_lost_row_is_never_passed_over() {
        let mut folded = Folded::new(2, || CrossProducts::new(1));
        let values = [1.0, 1e200, 3.0];
        let columns = [Column::from(values.as_slice())];
        let block =
            DesignBlock { columns: &columns, codes: &[], sparse: None, weights: None, mask: None, rows: 3 };
        assert_eq!(folded.update(&block), Err(BlockError::Shape), "no folds");
        folded.assign(&[0, 1, 1]);
        folded.update(&block).unwrap();
        assert_eq!(folded.flush(), Err(BlockError::Value { variable: 0 }));
        folded.assign(&[0, 1, 1]);
        assert_eq!(folded.update(&block), Err(BlockError::Value { variable: 0 }));
        assert!(Folded::new(2, || CrossProducts::new(1)).merge(folded).is_err());
    }
}
