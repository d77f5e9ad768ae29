//! What is to be fitted: responses, terms, weights, and how categories share columns.

pub(crate) mod scope;
pub(crate) mod spec;
