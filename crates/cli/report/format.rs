//! The forms of a result.

use clap::ValueEnum;

/// What a fit is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    Tidy,
    Glance,
    Markdown,
}
