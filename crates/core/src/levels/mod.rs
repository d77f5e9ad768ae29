//! The levels of categories.
//!
//! | file | what it knows |
//! |---|---|
//! | `level` | a level, its order and its name |
//! | `set` | the levels of a column, found while streaming or given by a model |
//! | `encoder` | cells as numbers of levels |
//! | `short_texts` | the numbers of short texts |

mod encoder;
mod level;
mod set;
mod short_texts;

pub(crate) use self::encoder::Encoder;
pub use self::encoder::cell_levels;
pub use self::level::Level;
pub use self::set::LevelSet;

/// Code of a cell without a value.
pub(crate) const NULL_CODE: u32 = u32::MAX;
/// Code of a NaN or an infinity.
pub(crate) const NON_FINITE_CODE: u32 = u32::MAX - 1;
/// Codes from here on, but for these two, are of levels that the model does not know. They tell these
/// apart as long as they are few, for messages.
pub(crate) const FIRST_UNSEEN: u32 = u32::MAX - 2_000;
