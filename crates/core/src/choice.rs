//! Options with a fixed list of values, each of which has a name.

/// A value of an option, such as how missing values are treated: a name for it, and a list of all.
///
/// ```
/// use streamreg_core::{Choice, Missing};
///
/// assert_eq!("indicator".parse(), Ok(Missing::Indicator));
/// assert_eq!("fill".parse::<Missing>(), Err("\"fill\" is none of drop, error, indicator".into()));
/// assert_eq!(Missing::ALL.len(), 3);
/// ```
pub trait Choice: Copy + Sized + 'static {
    /// All that may be asked for, in the order in which they are explained.
    const ALL: &'static [Self];

    /// The name, as it is typed and as JSON has it.
    fn name(self) -> &'static str;

    /// The value of a name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }
}

/// The names of all values, for messages.
#[doc(hidden)]
pub fn choice_names<T: Choice>() -> String {
    T::ALL.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(", ")
}

/// Gives an enum its names: [`Choice`], [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr), whose error
/// lists what is valid.
#[doc(hidden)]
#[macro_export]
macro_rules! choices {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $crate::Choice for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        $crate::choices!(text $type);
    };
    (text $type:ident) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::Choice::name(*self))
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> std::result::Result<Self, String> {
                $crate::Choice::named(name)
                    .ok_or_else(|| format!("{name:?} is none of {}", $crate::choice_names::<Self>()))
            }
        }
    };
}
