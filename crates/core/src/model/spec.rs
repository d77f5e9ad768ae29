//! The model: which column is explained, by which, and what happens to missing values.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use crate::choices;
use crate::error::{Error, ErrorKind, Result};
use crate::expression::{Expr, Operator};
use crate::formula::{Contrasts, Factor, Term};

/// What to do with a row that has a null or a non-finite number in a used column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Missing {
    /// Leave the row out and count it.
    #[default]
    Drop,
    /// Stop with an error that names the column and the row.
    Error,
    /// Keep the row: a missing category is a level of its own, a missing number is the mean of the others
    /// and marked by a 0/1 column beside it. A missing response, weight or group still drops the row.
    Indicator,
}

/// What the weight of a row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WeightType {
    /// The row stands for so many equal rows: degrees of freedom count the weights.
    Frequency,
    /// The row's variance is inversely proportional to it: degrees of freedom count the rows, and the
    /// scale of the weights does not matter to coefficients and standard errors.
    Analytic,
    /// The row was drawn with a probability inversely proportional to it: coefficients as with analytic weights,
    /// standard errors of the sandwich.
    Probability,
}

choices!(Missing { Drop => "drop", Error => "error", Indicator => "indicator" });
choices!(WeightType { Frequency => "frequency", Analytic => "analytic", Probability => "probability" });
choices!(Precision { Auto => "auto", Exact => "exact", Float => "float" });

/// The column with the weights, and their meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Weights {
    /// The column.
    pub column: String,
    /// What its values mean.
    pub kind: WeightType,
}

impl Weights {
    /// The weights in `column`.
    pub fn new(column: impl Into<String>, kind: WeightType) -> Self {
        Self { column: column.into(), kind }
    }
}

/// How sums are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// Exact up to [`EXACT_VARIABLES`] variables, in float64 beyond, and exactly again where that leaves too few digits;
    /// few rows, and rows that are not to be read again, exactly up to [`EXACT_VARIABLES_ONCE`].
    #[default]
    Auto,
    /// Every product and every sum exactly: estimates and standard errors have the same bits for any order, layout and
    /// split of the rows, and on any processor. (Orthogonal polynomials are computed about a number near the mean of the
    /// first rows, so that another order may change their last digits.)
    Exact,
    /// In float64, centred: faster for wide designs, and the same bits for any number of threads.
    Float,
}

/// Most numeric variables, responses included, whose sums are exact unless said otherwise. Fits of so many take 1.4 to 1.7
/// times as long as in float64 (`benches/runs`). It never depends on the processor, because results would.
pub const EXACT_VARIABLES: usize = 11;

/// The same for few rows, and for rows that are summed once: nothing could mend what float64 had lost.
pub const EXACT_VARIABLES_ONCE: usize = 64;

impl Precision {
    /// Whether the sums of so many variables are exact.
    pub fn is_exact(self, variables: usize) -> bool {
        match self {
            Self::Auto => variables <= EXACT_VARIABLES,
            Self::Exact => true,
            Self::Float => false,
        }
    }
}

/// Most levels of a category, unless said otherwise.
pub const DEFAULT_MAX_LEVELS: usize = 100_000;

/// A linear model: responses, the terms that explain them, and what is done with the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelSpec {
    /// What is explained: a column, or arithmetic on columns. More than one share all terms.
    #[serde(with = "as_text")]
    pub responses: Vec<Factor>,
    /// The terms, in the order of the coefficients.
    #[serde(with = "as_text")]
    pub terms: Vec<Term>,
    /// Arithmetic on columns that is added to the terms with the coefficient 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "offsets_as_text")]
    pub offsets: Vec<Expr>,
    /// Whether a constant is estimated too.
    pub intercept: bool,
    /// Treatment of missing values.
    pub missing: Missing,
    /// Numeric columns that are categories wherever they are named.
    pub categorical: Vec<String>,
    /// Reference levels of categories, column and level; the first level in order where absent.
    pub references: Vec<(String, String)>,
    /// Coding of categories.
    pub contrasts: Contrasts,
    /// Most levels that a category may have.
    pub max_levels: usize,
    /// Weights of the rows.
    pub weights: Option<Weights>,
    /// Columns whose values split the rows into groups with a fit each.
    pub by: Vec<String>,
    /// Columns whose values say which rows are correlated: at most two, and no terms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// List columns with a feature for every index that occurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparse: Option<SparseColumns>,
    /// Whether categories, and terms with them, are hashed into `2^bits` columns of all such terms; their levels are then
    /// not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_bits: Option<u32>,
}

/// A pair of list columns: of every row the features that are not zero, and their values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SparseColumns {
    /// The column with lists of whole numbers from 0 on.
    pub indices: String,
    /// The column with as many numbers.
    pub values: String,
}

impl SparseColumns {
    /// The indices in one column, the values in another.
    pub fn new(indices: impl Into<String>, values: impl Into<String>) -> Self {
        Self { indices: indices.into(), values: values.into() }
    }
}

/// Largest index of a list column: a fit holds a dozen numbers for every index up to the largest, used or not.
pub const MAX_SPARSE_INDEX: u32 = (1 << 24) - 1;

/// Most bits of a hash: a fit holds several numbers a column.
pub const MAX_HASH_BITS: u32 = 26;

/// Factors and terms are saved as they are written in a formula.
mod as_text {
    use std::fmt::Display;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::formula::{Factor, Formula, Term};

    pub(super) trait FromText: Sized {
        fn from_term(term: Term) -> Option<Self>;
    }

    impl FromText for Term {
        fn from_term(term: Term) -> Option<Self> {
            Some(term)
        }
    }

    impl FromText for Factor {
        fn from_term(term: Term) -> Option<Self> {
            let [factor] = term.factors() else { return None };
            Some(factor.clone())
        }
    }

    fn parse<T: FromText>(text: &str) -> Option<T> {
        let mut terms = Formula::parse(text).and_then(|f| f.expand(&[])).ok()?.terms;
        let only = terms.pop().filter(|_| terms.is_empty())?;
        T::from_term(only)
    }

    pub(super) fn serialize<T: Display, S: Serializer>(items: &[T], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(items.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T: FromText, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        let each =
            |text: &String| parse(text).ok_or_else(|| D::Error::custom(format!("{text:?} is not a term")));
        texts.iter().map(each).collect()
    }
}

/// Offsets are saved as they are written in a formula: `offset(x)`.
mod offsets_as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::expression::Expr;
    use crate::formula::Formula;

    pub(super) fn serialize<S: Serializer>(offsets: &[Expr], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(offsets.iter().map(|offset| format!("offset({offset})")))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Expr>, D::Error> {
        let texts = Vec::<String>::deserialize(d)?;
        let parse = |text: &String| {
            let expansion = Formula::parse(text).and_then(|formula| formula.expand(&[])).ok()?;
            let [offset] = expansion.offsets.as_slice() else { return None };
            expansion.terms.is_empty().then(|| offset.clone())
        };
        let each =
            |text: &String| parse(text).ok_or_else(|| D::Error::custom(format!("{text:?} is not an offset")));
        texts.iter().map(each).collect()
    }
}

/// A column that is not a feature although nobody excluded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Its name.
    pub column: String,
    /// Its type, and what would make it a feature.
    pub reason: String,
}

impl LeftOut {
    /// `column`, and why.
    pub fn new(column: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { column: column.into(), reason: reason.into() }
    }
}

impl ModelSpec {
    /// A model of the column `response` on the given terms, with an intercept.
    pub fn new(response: &str, terms: Vec<Term>) -> Self {
        Self {
            responses: vec![Factor::Column(response.into())],
            terms,
            offsets: Vec::new(),
            intercept: true,
            missing: Missing::Drop,
            categorical: Vec::new(),
            references: Vec::new(),
            contrasts: Contrasts::Treatment,
            max_levels: DEFAULT_MAX_LEVELS,
            weights: None,
            by: Vec::new(),
            clusters: Vec::new(),
            sparse: None,
            hash_bits: None,
        }
    }

    /// A model of the column `response` on the named columns, with an intercept.
    pub fn of_columns<S: Into<String>>(response: &str, features: impl IntoIterator<Item = S>) -> Self {
        let term = |name: S| Term::from(Factor::Column(name.into()));
        Self::new(response, features.into_iter().map(term).collect())
    }

    /// The columns that are features unless somebody says otherwise: numbers and booleans, and categories
    /// that were declared. The others come back as left out. `taken` are those with another role.
    pub fn default_features(&self, taken: &[String], schema: &Schema) -> (Vec<String>, Vec<LeftOut>) {
        let others = schema.fields().iter().filter(|f| !taken.contains(f.name()));
        let declared = |name: &String| {
            self.categorical.contains(name) || self.references.iter().any(|(column, _)| column == name)
        };
        let (features, left): (Vec<_>, Vec<_>) =
            others.partition(|f| is_feature_by_default(f.data_type()) || declared(f.name()));
        let features = features.iter().map(|f| f.name().clone()).collect();
        let left_out = left.iter().map(|f| LeftOut { column: f.name().clone(), reason: why_left_out(f) });
        (features, left_out.collect())
    }

    /// The model as it is applied to rows it was not fitted to: nobody weighs or groups them, and what lacks a
    /// value has no prediction, unless the fit knows what to put in its place.
    #[must_use]
    pub fn for_new_rows(&self) -> Self {
        let missing = if self.missing == Missing::Indicator { Missing::Indicator } else { Missing::Drop };
        Self { missing, weights: None, by: Vec::new(), clusters: Vec::new(), ..self.clone() }
    }

    /// The sum of the offsets; `None` if there is none.
    pub fn offset(&self) -> Option<Expr> {
        let add = |a, b| Expr::Binary(Operator::Add, Box::new(a), Box::new(b));
        self.offsets.iter().cloned().reduce(add)
    }

    /// Names of the responses.
    pub fn response_names(&self) -> Vec<String> {
        self.responses.iter().map(factor_name).collect()
    }
}

/// The name of a factor in tables: a column's own name, without the backticks of a formula.
pub fn factor_name(factor: &Factor) -> String {
    match factor {
        Factor::Column(name) => name.clone(),
        other => other.to_string(),
    }
}

/// The name of the constant term, as R writes it.
pub const INTERCEPT: &str = "(Intercept)";

fn is_decimal(kind: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal128, Decimal256};
    matches!(kind, Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..))
}

/// Numbers and booleans.
fn is_feature_by_default(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_floating() || is_decimal(kind) || *kind == DataType::Boolean
}

/// Dates and times count as numbers only where they are named.
fn is_time(kind: &DataType) -> bool {
    use DataType::{Date32, Date64, Duration, Time32, Time64, Timestamp};
    matches!(kind, Date32 | Date64 | Timestamp(..) | Time32(_) | Time64(_) | Duration(_))
}

/// Whether the cells of a column can be numbers: numbers, booleans, dates, timestamps, times of day, durations, and
/// columns without a value.
pub fn usable_as_number(kind: &DataType) -> bool {
    is_feature_by_default(kind) || is_time(kind) || *kind == DataType::Null
}

/// Text, or a dictionary of it.
pub fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether a column is a category wherever it is named: text, dictionaries and booleans.
pub(crate) fn is_category(kind: &DataType) -> bool {
    is_text(kind) || is_binary(kind) || *kind == DataType::Boolean || matches!(kind, DataType::Dictionary(..))
}

/// Bytes: text whose writer did not say so, or numbers that identify something.
fn is_binary(kind: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(kind, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

/// Whether the cells of a column can be levels.
fn usable_as_category(kind: &DataType) -> bool {
    is_category(kind) || usable_as_number(kind)
}

/// Whether a column holds lists of numbers.
pub(crate) fn is_list_of_numbers(kind: &DataType) -> bool {
    matches!(kind, DataType::List(item) | DataType::LargeList(item)
        if item.data_type().is_integer() || item.data_type().is_floating())
}

fn type_name(kind: &DataType) -> String {
    match kind {
        kind if is_text(kind) => "text".into(),
        kind if is_binary(kind) => "binary".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time of day".into(),
        DataType::Duration(_) => "duration".into(),
        DataType::Null => "no value to tell its type from".into(),
        kind if is_time(kind) => "date".into(),
        kind if kind.is_nested() => "nested".into(),
        kind => kind.to_string(),
    }
}

fn why_left_out(field: &Field) -> String {
    let name = type_name(field.data_type());
    match field.data_type() {
        DataType::Struct(parts) if !parts.is_empty() => {
            format!("{name}; name a part of it, such as {}.{}", field.name(), parts[0].name())
        }
        kind if is_time(kind) => format!("{name}; name it as a feature to use it as a number"),
        kind if is_text(kind) || is_binary(kind) => {
            format!("{name}; name it as a feature to use it as a category")
        }
        kind if is_list_of_numbers(kind) => {
            "a list of numbers; --sparse INDICES,VALUES makes features of a pair of list columns".into()
        }
        _ => name,
    }
}

/// The columns of a schema, to be found by name.
pub(crate) struct Columns<'s> {
    schema: &'s Schema,
    /// The field, and whether there is only one of this name.
    by_name: HashMap<&'s str, (&'s DataType, bool)>,
}

impl<'s> Columns<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let mut by_name = HashMap::new();
        for field in schema.fields() {
            let entry = by_name.entry(field.name().as_str());
            entry.and_modify(|(_, single)| *single = false).or_insert((field.data_type(), true));
        }
        Self { schema, by_name }
    }

    /// The type of a column.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] when it does not exist, or twice.
    pub(crate) fn kind(&self, column: &str, role: &str) -> Result<&'s DataType> {
        let model = |message: String| Err(Error::new(ErrorKind::Model, message).in_column(column));
        match self.by_name.get(column) {
            None => {
                let known = self.schema.fields().iter().map(|f| f.name().clone());
                let hint = match column {
                    ".N" => {
                        "; numbers of rows are computed beforehand, by count(*) OVER (PARTITION BY g) in SQL"
                    }
                    "TRUE" | "FALSE" => "; write 1 for true and 0 for false",
                    _ => "",
                };
                let error = Error::new(ErrorKind::Model, format!("the {role} is not in the data{hint}"));
                Err(error.in_column(column).unknown_among(column, "columns", known))
            }
            Some((_, false)) => model(format!("the {role} is ambiguous: two columns have this name")),
            Some((kind, true)) => Ok(kind),
        }
    }

    /// Checks that a column exists once and holds numbers.
    pub(crate) fn check_numeric(&self, column: &str, role: &str) -> Result<()> {
        let kind = self.kind(column, role)?;
        if usable_as_number(kind) {
            return Ok(());
        }
        let message =
            format!("the {role} must be a number, boolean, date or timestamp, not {}", type_name(kind));
        let hint = match role {
            "response" if is_text(kind) => "; --with \"NAME = COLUMN = 'VALUE'\" makes true and false of it",
            _ => "",
        };
        Err(Error::new(ErrorKind::Model, message + hint).in_column(column))
    }

    /// Checks that a column exists once and holds lists of numbers.
    pub(crate) fn check_list(&self, column: &str, role: &str, whole: bool) -> Result<()> {
        let kind = self.kind(column, role)?;
        let item = match kind {
            DataType::List(item) | DataType::LargeList(item) => Some(item.data_type()),
            _ => None,
        };
        if item.is_some_and(|item| item.is_integer() || (!whole && item.is_floating())) {
            return Ok(());
        }
        let numbers = if whole { "whole numbers" } else { "numbers" };
        let message = format!("the {role} must be lists of {numbers}, not {kind}");
        Err(Error::new(ErrorKind::Model, message).in_column(column))
    }

    /// Checks that a column exists once and can be a category.
    pub(crate) fn check_category(&self, column: &str, role: &str) -> Result<()> {
        let kind = self.kind(column, role)?;
        if usable_as_category(kind) {
            return Ok(());
        }
        let message =
            format!("the {role} must be text, a boolean, a number or a date, not {}", type_name(kind));
        Err(Error::new(ErrorKind::Model, message).in_column(column))
    }
}
