//! Passes over the data: partitions in parallel, results in order.

pub(crate) mod accumulate;
pub(crate) mod feed;
pub(crate) mod ordered;
