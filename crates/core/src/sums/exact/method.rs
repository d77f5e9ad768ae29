//! Slices or remainders: which of the two adds up products.

use super::big_fixed_table::BigFixedTable;
use super::engine::Engine;
use super::kernel::Kernel;
use super::operand::Parts;
use super::remainders::Remainders;

/// Sums of products that have not been added to the wide sums yet.
#[derive(Debug)]
pub(super) enum Method {
    /// Of slices.
    Slices(Box<Engine>),
    /// Of remainders.
    Remainders(Box<Remainders>),
}

impl Method {
    /// For parts like these.
    pub(super) fn new(kernel: Kernel, right: &Parts<'_>, left: Option<&Parts<'_>>) -> Self {
        match kernel.remainders(right.cells.len()) {
            Some(vectors) => Self::Remainders(Box::new(Remainders::new(vectors, right, left))),
            None => Self::Slices(Box::new(Engine::new(kernel, right, left))),
        }
    }

    /// Whether it was made for parts of these variables.
    pub(super) fn suits(&self, right: &Parts<'_>, left: Option<&Parts<'_>>) -> bool {
        match self {
            Self::Slices(engine) => engine.suits(right, left),
            Self::Remainders(remainders) => remainders.suits(right, left),
        }
    }

    /// Adds the products of all rows of the parts to `sums`, now or at the next [`Method::flush`].
    pub(super) fn add(&mut self, sums: &mut BigFixedTable, right: &Parts<'_>, left: Option<&Parts<'_>>) {
        match self {
            Self::Slices(engine) => engine.add(sums, right, left),
            Self::Remainders(remainders) => remainders.add(sums, right, left),
        }
    }

    /// Adds what is pending to the wide sums.
    pub(super) fn flush(&mut self, sums: &mut BigFixedTable) {
        match self {
            Self::Slices(engine) => engine.flush(sums),
            Self::Remainders(remainders) => remainders.flush(sums),
        }
    }

    /// Whether anything is.
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Slices(engine) => engine.is_pending(),
            Self::Remainders(remainders) => remainders.is_pending(),
        }
    }

    /// Adds what is pending to other sums, and keeps it.
    pub(super) fn flushed_into(&self, sums: &mut BigFixedTable) {
        match self {
            Self::Slices(engine) => engine.flushed_into(sums),
            Self::Remainders(remainders) => remainders.flushed_into(sums),
        }
    }
}
