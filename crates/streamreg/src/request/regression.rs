//! The builder that everything starts from.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_schema::Schema;
use streamreg_core::{
    Contrasts, Expr, Factor, Formula, LeftOut, Missing, ModelSpec, Precision, SparseColumns, Term,
    WeightType, Weights,
};
use streamreg_reader::DatasetOptions;
use streamreg_solve::{Collinear, SmallSample, SolveOptions, Solver, Vcov};

use crate::error::{Error, Result};
use crate::pass::{Execution, ProgressFn};
use crate::request::inference::Inference;
use crate::request::iterative::Descent;
use crate::request::penalty::{CrossValidation, Penalization};
use crate::request::selection::{Selection, without_parts};
use crate::state::{Checkpoint, State};

/// A linear regression to be fitted: what to explain, by what, and how.
///
/// ```
/// use streamreg::Regression;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("cars.csv");
/// # std::fs::write(&path, "speed,weight,dist\n4,1.1,2\n7,0.9,4\n8,1.4,16\n9,1.0,10\n10,1.2,18\n11,0.8,17\n")?;
/// let report = Regression::new("dist").features(["speed", "weight"]).fit_paths(&[&path])?;
/// for row in &report.coefficients {
///     println!("{} {:?} ± {:?}", row.term, row.estimate, row.std_error);
/// }
/// assert_eq!(report.ledger.rows_used, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Regression {
    pub(super) responses: Vec<String>,
    pub(super) formula: Option<String>,
    pub(super) features: Option<Vec<String>>,
    pub(super) exclude: Vec<String>,
    /// The rest of the model, in which formula, features and exclusions are still to be put.
    pub(crate) base: ModelSpec,
    pub(crate) inference: Inference,
    pub(crate) selection: Selection,
    pub(crate) options: SolveOptions,
    pub(crate) precision: Precision,
    pub(crate) escalate: bool,
    pub(crate) penalization: Option<Penalization>,
    /// For the error of least squares on rows held out.
    pub(crate) cross_validation: Option<CrossValidation>,
    /// Whether coefficients are given in units of standard deviations, too.
    pub(crate) standardized: bool,
    pub(crate) descent: Option<Descent>,
    pub(crate) dataset: DatasetOptions,
    pub(crate) execution: Execution,
    /// Where an iterative fit saves its steps, and in words how it reads files.
    pub(crate) checkpoint: Option<(Checkpoint, String)>,
    /// Sums that are there already, in place of rows.
    pub(crate) given: Option<Given>,
    /// What was set, as opposed to what stands at its default.
    pub(crate) said: Vec<Said>,
}

/// Sums that a regression starts from, in place of files.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) state: Arc<State>,
    /// Whether there are rows beside them, for what needs a second pass.
    pub(crate) rows: bool,
}

/// Options that do not matter to every fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Collinear,
    ConfLevel,
    Contrasts,
    Exclude,
    HashBits,
    MaxLevels,
    NoEscalate,
    Precision,
    RankTol,
}

impl Said {
    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Collinear => "collinear",
            Self::ConfLevel => "conf-level",
            Self::Contrasts => "contrasts",
            Self::Exclude => "exclude",
            Self::HashBits => "hash-bits",
            Self::MaxLevels => "max-levels",
            Self::NoEscalate => "no-escalate",
            Self::Precision => "precision",
            Self::RankTol => "rank-tol",
        }
    }
}

impl Regression {
    /// A regression of the column `response` on all other numeric and boolean columns.
    pub fn new(response: impl Into<String>) -> Self {
        Self { responses: vec![response.into()], ..Self::of_nothing() }
    }

    /// A regression that a formula describes: `log(price) ~ carat * cut + C(month) + poly(x, 3) - 1`, in the
    /// language of R and formulaic; see [`Formula`](crate::Formula).
    ///
    /// ```
    /// use streamreg::Regression;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, "y,x,g\n1,1,a\n2.5,2,b\n3,3,a\n4.4,4,b\n5,5,a\n6.5,6,b\n")?;
    /// let report = Regression::formula("y ~ x + g").fit_paths(&[&path])?;
    /// let terms: Vec<&str> = report.coefficients.iter().map(|c| c.term.as_str()).collect();
    /// assert_eq!(terms, ["(Intercept)", "x", "g[T.b]"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn formula(formula: impl Into<String>) -> Self {
        Self { formula: Some(formula.into()), ..Self::of_nothing() }
    }

    /// A regression of several columns on all others that are numeric or boolean.
    pub fn of_targets<S: Into<String>>(responses: impl IntoIterator<Item = S>) -> Self {
        Self::of_nothing().targets(responses)
    }

    pub(crate) fn of_nothing() -> Self {
        Self {
            responses: Vec::new(),
            formula: None,
            features: None,
            exclude: Vec::new(),
            base: ModelSpec::new("", Vec::new()),
            inference: Inference::default(),
            selection: Selection::default(),
            options: SolveOptions::default(),
            precision: Precision::Auto,
            escalate: true,
            penalization: None,
            cross_validation: None,
            standardized: false,
            descent: None,
            dataset: DatasetOptions::default(),
            execution: Execution::default(),
            checkpoint: None,
            given: None,
            said: Vec::new(),
        }
    }

    /// Keeps in mind whether an option is set.
    fn say(&mut self, said: Said, set: bool) {
        self.said.retain(|other| *other != said);
        if set {
            self.said.push(said);
        }
    }

    /// Further responses, explained by the same terms in the same pass. A row must have all of them.
    #[must_use]
    pub fn targets<S: Into<String>>(mut self, responses: impl IntoIterator<Item = S>) -> Self {
        self.responses.extend(responses.into_iter().map(Into::into));
        self
    }

    /// Names the features, in the order of the coefficients: columns, or globs (`x*`) that match some. Text
    /// and booleans are categories.
    #[must_use]
    pub fn features<S: Into<String>>(mut self, features: impl IntoIterator<Item = S>) -> Self {
        self.features = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves columns out where all would be features, or a glob or the `.` of a formula names them; globs
    /// are possible here too.
    #[must_use]
    pub fn exclude<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.exclude.extend(columns.into_iter().map(Into::into));
        self.say(Said::Exclude, !self.exclude.is_empty());
        self
    }

    /// Numeric columns that are categories wherever they are named.
    #[must_use]
    pub fn categorical<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.base.categorical.extend(columns.into_iter().map(Into::into));
        self
    }

    /// The level of a category that the others are compared with; the first in order unless said otherwise.
    #[must_use]
    pub fn reference(mut self, column: impl Into<String>, level: impl Into<String>) -> Self {
        self.base.references.push((column.into(), level.into()));
        self
    }

    /// How categories are coded; by treatment contrasts unless said otherwise.
    #[must_use]
    pub fn contrasts(mut self, contrasts: Contrasts) -> Self {
        self.base.contrasts = contrasts;
        self.say(Said::Contrasts, true);
        self
    }

    /// Most levels a category may have; more are an error.
    #[must_use]
    pub fn max_levels(mut self, levels: usize) -> Self {
        self.base.max_levels = levels;
        self.say(Said::MaxLevels, true);
        self
    }

    /// The column with the weights of the rows, and what they mean.
    #[must_use]
    pub fn weights(mut self, column: impl Into<String>, kind: WeightType) -> Self {
        self.base.weights = Some(Weights::new(column, kind));
        self
    }

    /// How the covariance of the coefficients is estimated: [`Vcov::Iid`] unless said otherwise, [`Vcov::Cr1`] with
    /// clusters, [`Vcov::Hc1`] with probability weights. All but the first read the data a second time, which takes
    /// files or another source that can be.
    ///
    /// ```
    /// use streamreg::{Regression, Vcov};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, "y,x\n1,1\n2.5,2\n3,3\n4.4,4\n5,5\n6.5,6\n")?;
    /// let report = Regression::new("y").vcov(Vcov::Hc3).test("x = 1").fit_paths(&[&path])?;
    /// assert_eq!(report.vcov.kind, Vcov::Hc3);
    /// assert!(report.tests[0].p_value > Some(0.05));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn vcov(mut self, vcov: Vcov) -> Self {
        self.inference.vcov = Some(vcov);
        self
    }

    /// One column or two: rows with the same value are correlated. The columns are no features unless they are named
    /// as such.
    #[must_use]
    pub fn cluster<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.inference.clusters = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The small-sample choices of robust covariances.
    #[must_use]
    pub fn ssc(mut self, small_sample: SmallSample) -> Self {
        self.inference.small_sample = small_sample;
        self
    }

    /// A joint test of linear restrictions on the coefficients, such as `x1 = x2, 2*x3 + "a b" = 1`, by Wald's F with
    /// the covariance of the fit. Terms are named as in the report.
    #[must_use]
    pub fn test(mut self, hypothesis: impl Into<String>) -> Self {
        self.inference.tests.push(hypothesis.into());
        self
    }

    /// Whether [`FitReport::covariance`](crate::FitReport::covariance) must be of all coefficients: a large category is then not eliminated but gets
    /// its columns.
    #[must_use]
    pub fn complete_covariance(mut self, complete: bool) -> Self {
        self.inference.complete = complete;
        self
    }

    /// Splits the rows into groups by the values of some columns: see [`Regression::fit_groups`].
    #[must_use]
    pub fn by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.base.by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a constant is estimated; true unless said otherwise.
    #[must_use]
    pub fn intercept(mut self, intercept: bool) -> Self {
        self.base.intercept = intercept;
        self
    }

    /// What happens to rows with missing values; they are dropped and counted unless said otherwise.
    #[must_use]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.base.missing = missing;
        self
    }

    /// How the system of equations is solved.
    #[must_use]
    pub fn solver(mut self, solver: Solver) -> Self {
        self.options.solver = solver;
        self
    }

    /// What happens to columns that depend on others; the later ones are dropped unless said otherwise.
    #[must_use]
    pub fn collinear(mut self, collinear: Collinear) -> Self {
        self.options.collinear = collinear;
        self.say(Said::Collinear, true);
        self
    }

    /// Share of a column's norm below which its residual on the columns before counts as zero.
    #[must_use]
    pub fn rank_tol(mut self, rank_tol: f64) -> Self {
        self.options.rank_tol = rank_tol;
        self.say(Said::RankTol, true);
        self
    }

    /// Level of the confidence intervals; 0.95 unless said otherwise.
    #[must_use]
    pub fn conf_level(mut self, level: f64) -> Self {
        self.options.conf_level = level;
        self.say(Said::ConfLevel, true);
        self
    }

    /// How sums are carried, [`Precision::Auto`] unless said otherwise. [`Solver::Qr`] and [`Solver::Svd`] factor the data themselves.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self.say(Said::Precision, true);
        self
    }

    /// Whether [`Solver::Auto`] may read the data again for more digits; true unless said otherwise.
    #[must_use]
    pub fn escalate(mut self, escalate: bool) -> Self {
        self.escalate = escalate;
        self.say(Said::NoEscalate, !escalate);
        self
    }

    /// How files are read.
    #[must_use]
    pub fn dataset_options(mut self, options: DatasetOptions) -> Self {
        self.dataset = options;
        self
    }

    /// Number of threads; all processors unless said otherwise. Results have the same bits for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.execution.threads = Some(threads);
        self
    }

    /// Rows that are decoded at a time. Results have the same bits for any number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.execution.batch_rows = Some(rows);
        self
    }

    /// Sets a callback that reports progress.
    #[must_use]
    pub fn progress(mut self, progress: ProgressFn) -> Self {
        self.execution.progress = Some(progress);
        self
    }

    /// A flag that ends the work early once it is set.
    #[must_use]
    pub fn interrupt(mut self, flag: Arc<AtomicBool>) -> Self {
        self.execution.interrupt = Some(flag);
        self
    }

    /// Saves now and then what an iterative fit has come to, or goes on from there; `reading` is whatever decides how files are
    /// read. A fit that was killed comes to the same bits as one that was not: it takes the first pass again, and goes on after
    /// the last pass that was saved, or in the middle of an epoch of [`Solver::Sgd`]. Fits from sums save these:
    /// [`Regression::sum_source_with`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use streamreg::{Checkpoint, Regression, Solver};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, (0..600).fold("y,x\n".to_owned(), |t, i| t + &format!("{},{}\n", 3 * i + i % 5, i)))?;
    /// let checkpoint = Checkpoint::new(dir.path().join("checkpoint"), Duration::from_secs(60));
    /// let report =
    ///     Regression::new("y").solver(Solver::Gd).checkpoint(checkpoint.clone(), "").fit_paths(&[&path])?;
    /// // Once the result is where it belongs:
    /// checkpoint.finish()?;
    /// assert!((report.estimate("x").unwrap() - 3.0).abs() < 0.01);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: Checkpoint, reading: impl Into<String>) -> Self {
        self.checkpoint = Some((checkpoint, reading.into()));
        self
    }

    /// Threads, batch size, progress and interruption in one.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.execution = execution;
        self
    }

    /// Uses only the rows for which an SQL expression is true: `year >= 2000 and carrier <> 'UA'`. What is null
    /// is not true. Row groups that statistics rule out are not read.
    ///
    /// ```
    /// use streamreg::Regression;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, "y,x,g\n1,1,a\n2.5,2,a\n3,3,a\n4.4,4,b\n,5,a\n6.5,6,a\n")?;
    /// let regression = Regression::new("y").features(["z"]).with("z", "x * x").filter("g <> 'b' and y is not null");
    /// let report = regression.fit_paths(&[&path])?;
    /// assert_eq!((report.ledger.rows_used, report.ledger.rows_filtered), (4, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.selection.filter = Some(expression.into());
        self
    }

    /// Adds a column computed by an SQL expression, which later ones, the filter and the model may name. A saved
    /// model computes it again.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, expression: impl Into<String>) -> Self {
        self.selection.with.push((column.into(), expression.into()));
        self
    }

    /// Fits with a penalty: from the same sums, with no further look at the data. There are no standard errors.
    #[must_use]
    pub fn penalized(mut self, penalization: Penalization) -> Self {
        self.penalization = Some(penalization);
        self
    }

    /// Tells the error of least squares on rows that were held out, by cross-validation in the same pass:
    /// [`FitReport::test_error`](crate::FitReport::test_error). The fit is that to all rows. The rule of `cv` is that of penalties,
    /// and has no meaning here.
    ///
    /// ```
    /// use streamreg::{CrossValidation, Regression};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, (0..60).fold("y,x\n".to_owned(), |t, i| t + &format!("{},{}\n", 3 * i + i % 5, i)))?;
    /// let report = Regression::new("y").cross_validate(CrossValidation::new(5)).fit_paths(&[&path])?;
    /// let error = report.test_error.unwrap().error;
    /// assert_eq!(error.fold_rmse.len(), 5);
    /// assert!(error.pooled_rmse > report.glance.rmse);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cross_validate(mut self, cv: CrossValidation) -> Self {
        self.cross_validation = Some(cv);
        self
    }

    /// Gives every coefficient in units of standard deviations too:
    /// [`TermEstimate::standardized`](crate::TermEstimate::standardized). The fit does not change.
    #[must_use]
    pub fn standardized(mut self) -> Self {
        self.standardized = true;
        self
    }

    /// Fits another loss than squares, exactly where the rows fit into memory; or by the iterative solver of
    /// [`Regression::solver`], for designs too wide for cross-products. Where none is said these go to [`Solver::Cg`], and losses
    /// whose rows are too many to [`Solver::Sgd`].
    #[must_use]
    pub fn descent(mut self, descent: Descent) -> Self {
        self.descent = Some(descent);
        self
    }

    /// Adds a feature for every index in a pair of list columns: of every row the features that are not zero, and their
    /// values. Such designs are fitted by iterative solvers.
    #[must_use]
    pub fn sparse(mut self, indices: impl Into<String>, values: impl Into<String>) -> Self {
        self.base.sparse = Some(SparseColumns::new(indices, values));
        self
    }

    /// Hashes categories, and terms with them, into `2^bits` columns, however many levels there are. Such designs are fitted
    /// by iterative solvers.
    #[must_use]
    pub fn hash_bits(mut self, bits: u32) -> Self {
        self.base.hash_bits = Some(bits);
        self.say(Said::HashBits, true);
        self
    }

    /// The model that these settings mean for data of the given schema: see [`Regression::schema`].
    ///
    /// # Errors
    /// When a formula is not valid, an excluded column does not exist or is needed, or nothing is left to
    /// explain the response.
    pub fn spec(&self, schema: &Schema) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let mut base = self.base.clone();
        base.responses = self.responses.iter().map(|r| Factor::Column(r.clone())).collect();
        // Rows without a cluster are not in the sums of a state, whatever errors are wanted.
        if self.given.is_none() || !self.inference.clusters.is_empty() {
            base.clusters.clone_from(&self.inference.clusters);
        }
        match self.state() {
            Some(state) => self.spec_of_state(state, base, schema),
            None => self.spec_of(base, schema),
        }
    }

    /// The model of the formula, or of the features, that were named; `base` has the rest of it.
    pub(super) fn spec_of(&self, base: ModelSpec, schema: &Schema) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let excluded = self.excluded(schema)?;
        match (&self.formula, &self.features) {
            (Some(_), Some(_)) => {
                Err(Error::invalid_request("a formula names the features; do not name them elsewhere"))
            }
            (Some(text), None) => self.of_formula(text, base, &excluded, schema),
            (None, features) => {
                if base.responses.is_empty() {
                    return Err(no_target(schema));
                }
                self.of_columns(features.as_deref(), base, &excluded, schema)
            }
        }
    }

    /// The level of the confidence intervals.
    pub(crate) fn level(&self) -> f64 {
        self.options.conf_level
    }

    /// Whether every feature is named, so that there is nothing to exclude.
    pub(crate) fn names_all(&self) -> bool {
        match (&self.formula, &self.features) {
            (Some(text), _) => Formula::parse(text).is_ok_and(|formula| !formula.has_dot()),
            (None, Some(features)) => !features.iter().any(|f| is_pattern(f)),
            (None, None) => false,
        }
    }

    /// The columns that `exclude` means.
    pub(crate) fn excluded(&self, schema: &Schema) -> Result<Vec<String>> {
        let names = matching(&self.exclude, schema)?;
        for name in &names {
            let literally = self.exclude.contains(name);
            let feature = self.features.as_ref().is_some_and(|f| f.contains(name));
            if literally && (feature || self.responses.contains(name)) {
                let role = if feature { "a feature" } else { "the response" };
                return Err(Error::invalid_request(format!("column {name:?} is {role}, and excluded")));
            }
        }
        Ok(names)
    }

    fn of_columns(
        &self,
        features: Option<&[String]>,
        mut spec: ModelSpec,
        excluded: &[String],
        schema: &Schema,
    ) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let taken = taken_columns(&spec);
        let (names, left_out) = match features {
            Some(patterns) => {
                let mut names = matching(patterns, schema)?;
                let literal = |name: &String| patterns.contains(name);
                names.retain(|n| literal(n) || !(excluded.contains(n) || taken.contains(n)));
                (names, Vec::new())
            }
            None => {
                let (mut names, mut left_out) = spec.default_features(&taken, &without_parts(schema));
                names.retain(|f| !excluded.contains(f));
                left_out.retain(|l| !excluded.contains(&l.column));
                if names.is_empty()
                    && spec.sparse.is_none()
                    && taken.iter().all(|t| schema.fields().iter().filter(|f| f.name() == t).count() == 1)
                {
                    return Err(nothing_left(&self.responses.join(", "), &left_out));
                }
                (names, left_out)
            }
        };
        spec.terms = names.into_iter().map(|name| Term::from(Factor::Column(name))).collect();
        Ok((spec, left_out))
    }

    fn of_formula(
        &self,
        text: &str,
        mut spec: ModelSpec,
        excluded: &[String],
        schema: &Schema,
    ) -> Result<(ModelSpec, Vec<LeftOut>)> {
        let formula = Formula::parse(text)?;
        match (formula.responses().is_empty(), spec.responses.is_empty()) {
            (true, true) => {
                let message = "the formula has no response: write `y ~ …`, or name the target";
                return Err(Error::invalid_request(message));
            }
            (false, false) => {
                let message = "the formula names the response; do not name a target besides";
                return Err(Error::invalid_request(message));
            }
            (false, true) => spec.responses = formula.responses().to_vec(),
            (true, false) => {}
        }
        let taken = taken_columns(&spec);
        let (mut others, mut left_out) = spec.default_features(&taken, &without_parts(schema));
        others.retain(|f| !excluded.contains(f));
        left_out.retain(|l| formula.has_dot() && !excluded.contains(&l.column));
        let expansion = formula.expand(&others)?;
        spec.terms = expansion.terms;
        spec.offsets = expansion.offsets;
        spec.intercept = self.base.intercept && expansion.intercept;
        let of_offsets = spec.offsets.iter().flat_map(Expr::columns);
        let named: Vec<&str> = spec.terms.iter().flat_map(Term::columns).chain(of_offsets).collect();
        left_out.retain(|l| !named.contains(&l.column.as_str()));
        Ok((spec, left_out))
    }
}

/// The columns that have another role than that of a feature.
pub(crate) fn taken_columns(spec: &ModelSpec) -> Vec<String> {
    let responses = spec.responses.iter().flat_map(Factor::columns).map(str::to_owned);
    let weights = spec.weights.iter().map(|w| w.column.clone());
    let keys = spec.by.iter().chain(&spec.clusters).cloned();
    let lists = spec.sparse.iter().flat_map(|sparse| [sparse.indices.clone(), sparse.values.clone()]);
    responses.chain(weights).chain(keys).chain(lists).collect()
}

fn no_target(schema: &Schema) -> Error {
    let names = schema.fields().iter().map(|f| format!("{:?}", f.name()));
    Error::invalid_request(format!(
        "there is no target to explain: name one, or write a formula such as `y ~ x1 + x2`; the columns are {}",
        first_ten(names.collect())
    ))
}

fn nothing_left(response: &str, left_out: &[LeftOut]) -> Error {
    let others = left_out.iter().map(|l| format!("{:?} ({})", l.column, l.reason));
    let others = if left_out.is_empty() { "none".into() } else { first_ten(others.collect()) };
    let message =
        format!("no numeric or boolean column is left to explain {response:?}; other columns: {others}");
    Error::data(message)
}

/// A list, of more than ten the first and how many there are more.
fn first_ten(mut names: Vec<String>) -> String {
    let all = names.len();
    if all > 10 {
        names.splice(9.., [format!("and {} more", all - 9)]);
    }
    names.join(", ")
}

/// Whether a name that is no column's may be a glob.
fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The columns that names and globs mean, each once. A name that is a column is never a glob.
fn matching(patterns: &[String], schema: &Schema) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for pattern in patterns {
        let is_column = schema.index_of(pattern).is_ok();
        if is_column || !is_pattern(pattern) {
            if !is_column {
                streamreg_reader::position(schema, pattern)?;
            }
            names.push(pattern.clone());
            continue;
        }
        let glob = globset::Glob::new(pattern)
            .map_err(|e| Error::invalid_request(format!("the pattern {pattern:?}: {}", e.kind())))?
            .compile_matcher();
        let before = names.len();
        for field in schema.fields() {
            if glob.is_match(field.name()) && !names.contains(field.name()) {
                names.push(field.name().clone());
            }
        }
        if names.len() == before && !schema.fields().iter().any(|f| glob.is_match(f.name())) {
            return Err(streamreg_reader::position(schema, pattern)
                .map_or_else(Error::from, |_| Error::data(format!("no column matches {pattern:?}"))));
        }
    }
    Ok(names)
}
