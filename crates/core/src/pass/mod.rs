//! Passes over the data: partitions in parallel, results in order.

pub(crate) mod accumulate;
pub(crate) mod ordered;
pub(crate) mod shuffled;
