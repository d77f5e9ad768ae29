//! streamreg for Python: what the package `streamreg` is built on.
//!
//! | module | what it knows |
//! |---|---|
//! | `error` | errors as exceptions |
//! | `data` | what has Arrow's stream interface, as rows |
//! | `work` | work without the interpreter, which Ctrl-C ends |
//! | `fit` | fits, and what is asked of them |
//! | `state` | sums |
//! | `table` | results as Arrow tables |

mod data;
mod error;
mod fit;
mod state;
mod table;
mod work;

/// The module `streamreg._core`. The package wraps it: its names are no promise.
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::PyModule;

    #[pymodule_export]
    use crate::error::StreamregError;
    #[pymodule_export]
    use crate::fit::{Fit, check_parts, evaluate, fit, groups, inspect, load, options};
    #[pymodule_export]
    use crate::state::{Scores, State};
    #[pymodule_export]
    use crate::table::{Table, table_of};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// Runs the command line with arguments, the name of the program first; its exit code.
    #[pyfunction]
    fn run(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> u8 {
        py.detach(|| streamreg_cli::run_as_program(arguments))
    }
}
