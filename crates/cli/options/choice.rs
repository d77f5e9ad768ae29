//! Flags whose values have names.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use streamreg::Choice;

/// A parser that takes the names of all values; arguments that have it ignore case.
pub(super) fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(T::ALL.iter().map(|choice| choice.name()));
    names.try_map(|name| T::named(&name.to_ascii_lowercase()).ok_or("an unknown name"))
}
