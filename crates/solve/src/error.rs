//! The error type of this crate.

use std::fmt;

use crate::fit::aliased::Aliased;

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a system of equations was not solved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No row is left to fit.
    NoRows,
    /// Columns depend on others under `Collinear::Error`.
    Collinear(Vec<Aliased>),
    /// Sums of products overflowed float64.
    Overflow {
        /// The column whose sums are not finite.
        column: String,
    },
    /// A decomposition did not converge.
    NotConverged,
    /// Columns are dependent, and a penalty that would choose among the solutions is missing or too small.
    Singular {
        /// Name of a column that depends on those before it.
        column: String,
        /// The penalty.
        lambda: f64,
    },
    /// An option is outside its range.
    Option(String),
    /// The data do not allow the covariance that was asked for.
    Inference(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRows => f.write_str("there is no row to fit"),
            Self::Collinear(aliased) => {
                write!(f, "the columns are collinear: ")?;
                for (index, a) in aliased.iter().enumerate() {
                    let comma = if index > 0 { "; " } else { "" };
                    write!(f, "{comma}{a}")?;
                }
                Ok(())
            }
            Self::Overflow { column } => {
                write!(f, "column {column:?}: sums of squares overflow float64; rescale the column")
            }
            Self::NotConverged => f.write_str("the singular value decomposition did not converge"),
            Self::Singular { column, lambda } => write!(
                f,
                "column {column:?} depends on those before it, and with the penalty {lambda} the solution is not \
                 unique; take a larger penalty, or leave the column out"
            ),
            Self::Option(message) | Self::Inference(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
