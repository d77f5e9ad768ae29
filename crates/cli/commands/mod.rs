//! One file a command.

pub(crate) mod compare;
pub(crate) mod evaluate;
pub(crate) mod fit;
pub(crate) mod inspect;
pub(crate) mod job;
mod outputs;
pub(crate) mod predict;
pub(crate) mod shell;
pub(crate) mod state;
