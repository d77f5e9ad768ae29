//! Penalties: what can be asked for.

use streamreg_solve::penalized::{CvRule, Penalty, PenaltyForm, PenaltyScale};

use crate::error::{Error, Result};

/// Penalties of a grid unless said otherwise.
pub const DEFAULT_GRID: usize = 100;

/// A penalty, how large it is, and the path of penalties around it. The objectives are those of
/// [`streamreg_solve::penalized`]; the intercept is never penalised.
///
/// ```
/// use streamreg::{CrossValidation, Penalization, Penalty, Regression};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("d.csv");
/// # std::fs::write(&path, (0..60).fold("y,x,z\n".to_owned(), |t, i| t + &format!("{},{},{}\n", 3 * i + i % 5, i, i * i % 7)))?;
/// let lasso = Regression::new("y").penalized(Penalization::lasso(0.5)).fit_paths(&[&path])?;
/// assert!(lasso.estimate("x").unwrap() < 3.1);
/// let cv = CrossValidation::new(5);
/// let chosen = Regression::new("y").penalized(Penalization::chosen(Penalty::LASSO, cv)).fit_paths(&[&path])?;
/// let curve = &chosen.penalized().unwrap().cross_validation.as_ref().unwrap().curve;
/// assert_eq!(curve.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Penalization {
    pub(crate) form: PenaltyForm,
    /// The size; chosen by cross-validation where absent.
    pub(crate) lambda: Option<f64>,
    pub(crate) path: Lambdas,
    pub(crate) cv: Option<CrossValidation>,
}

/// The penalties of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lambdas {
    /// No path but the one that cross-validation needs.
    Unasked,
    Grid(usize),
    Given(Vec<f64>),
}

/// Cross-validation in the pass that sums the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrossValidation {
    /// Number of folds.
    pub folds: usize,
    /// Seed of the hash that gives rows their folds: see [`streamreg_core::RowIds`]. 0 unless said otherwise; of a state, its own.
    pub seed: Option<u64>,
    /// A column whose equal values stay in one fold; else the row's number in the data set decides, and of a state its own column.
    pub group: Option<String>,
    /// Which penalty the errors choose.
    pub rule: CvRule,
}

impl CrossValidation {
    /// Folds by row number, or those of a state; seed 0; the penalty of the smallest error.
    pub fn new(folds: usize) -> Self {
        Self { folds, seed: None, group: None, rule: CvRule::Min }
    }

    /// The seed, where it is not that of a state.
    pub(crate) fn resolved_seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }
}

impl Penalization {
    fn new(penalty: Penalty, lambda: Option<f64>, cv: Option<CrossValidation>) -> Self {
        let form = PenaltyForm { penalty, scale: PenaltyScale::Sklearn };
        Self { form, lambda, path: Lambdas::Unasked, cv }
    }

    /// A penalty of a given size.
    pub fn fixed(penalty: Penalty, lambda: f64) -> Self {
        Self::new(penalty, Some(lambda), None)
    }

    /// Ridge, `sum w r² + lambda |b|²`.
    pub fn ridge(lambda: f64) -> Self {
        Self::fixed(Penalty::Ridge, lambda)
    }

    /// The lasso, `1/(2n) sum w' r² + lambda sum |b|`.
    pub fn lasso(lambda: f64) -> Self {
        Self::fixed(Penalty::LASSO, lambda)
    }

    /// The elastic net, `1/(2n) sum w' r² + lambda (l1_ratio sum |b| + (1 - l1_ratio)/2 |b|²)`.
    pub fn elastic_net(lambda: f64, l1_ratio: f64) -> Self {
        Self::fixed(Penalty::ElasticNet { l1_ratio }, lambda)
    }

    /// A penalty whose size cross-validation chooses, from a grid of 100 unless said otherwise.
    pub fn chosen(penalty: Penalty, cv: CrossValidation) -> Self {
        Self::new(penalty, None, Some(cv))
    }

    /// Whose units penalties are in.
    #[must_use]
    pub fn scale(mut self, scale: PenaltyScale) -> Self {
        self.form.scale = scale;
        self
    }

    /// A path over a grid of `count` penalties, from the smallest that leaves nothing on.
    #[must_use]
    pub fn grid(mut self, count: usize) -> Self {
        self.path = Lambdas::Grid(count);
        self
    }

    /// A path over these penalties.
    #[must_use]
    pub fn lambdas(mut self, lambdas: impl IntoIterator<Item = f64>) -> Self {
        self.path = Lambdas::Given(lambdas.into_iter().collect());
        self
    }

    /// Whether more than one size is asked for.
    pub(crate) fn has_path(&self) -> bool {
        self.path != Lambdas::Unasked
    }

    /// Checks what does not depend on the data.
    pub(crate) fn validate(&self) -> Result<()> {
        self.form.validate()?;
        let bad = |l: &f64| !(l.is_finite() && *l >= 0.0);
        let given = match &self.path {
            Lambdas::Given(list) => list.as_slice(),
            _ => &[],
        };
        match self.lambda.iter().chain(given).copied().find(bad) {
            Some(l) => Err(Error::invalid_request(format!("a penalty must be a number from 0 on, not {l}"))),
            None => Ok(()),
        }
    }
}
