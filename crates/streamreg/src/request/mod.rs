//! What can be asked for: the builder, and the options that it collects.

mod given;
pub(crate) mod inference;
pub(crate) mod iterative;
pub(crate) mod named_term;
pub(crate) mod penalty;
pub(crate) mod regression;
pub(crate) mod selection;
