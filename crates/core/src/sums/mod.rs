//! The statistics that are accumulated.
//!
//! | file | what it holds |
//! |---|---|
//! | `statistics` | all that a design needs: products, and tables of its categories |
//! | `cross_products`, `moments`, `centred` | products in float64, about means; the form that the kernels multiply |
//! | `exact`, `double_double` | products in integers of any length; in double-double |
//! | `triangular_factor`, `reflect` | the rows reduced to a triangle |
//! | `groups` | sums by level |
//! | `folded` | one state a fold |
//! | `saved`, `sub_model` | sums in a form that outlives the process; those of another model |

pub(crate) mod centred;
pub(crate) mod cross_products;
pub(crate) mod double_double;
pub(crate) mod exact;
pub(crate) mod folded;
pub(crate) mod groups;
pub(crate) mod moments;
pub(crate) mod reflect;
pub(crate) mod saved;
pub(crate) mod statistics;
pub(crate) mod sub_model;
pub(crate) mod triangular_factor;
