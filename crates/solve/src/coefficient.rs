//! A coefficient before it is a row of the table.

/// A coefficient on its way into the table.
pub(crate) struct Coefficient {
    pub(crate) term: String,
    /// `None` for a column that was set aside.
    pub(crate) value: Option<f64>,
    /// Its standard error in units of sigma.
    pub(crate) unit_error: f64,
    /// How well it is known; `None` for a solution of minimum norm, and for the levels of a category that was
    /// eliminated in float64.
    pub(crate) quality: Option<Quality>,
}

/// How well a coefficient is known: bounds of its error, in its own unit.
#[derive(Clone, Debug)]
pub(crate) struct Quality {
    /// By the arithmetic.
    pub(crate) arithmetic: f64,
    /// By the rounding of the input.
    pub(crate) input: f64,
    /// Variance inflation factor.
    pub(crate) vif: Option<f64>,
    /// A size that is next to nothing beside the response.
    pub(crate) negligible: f64,
}
