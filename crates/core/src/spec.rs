//! The model: which column is explained, by which, and what happens to missing values.

use std::collections::HashMap;

use arrow_schema::{DataType, Schema};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

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
}

/// A linear model `response ~ features`, each feature a column of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The column that is explained.
    pub response: String,
    /// The columns that explain it, in the order of the coefficients.
    pub features: Vec<String>,
    /// Whether a constant is estimated too.
    pub intercept: bool,
    /// Treatment of missing values.
    pub missing: Missing,
}

/// A column that is not a feature although nobody excluded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub column: String,
    /// Its type, and what would make it a feature.
    pub reason: String,
}

impl ModelSpec {
    /// A model of `response` on all numeric and boolean columns of `schema`, with an intercept; columns
    /// of other types come back as left out.
    pub fn all_features(response: &str, schema: &Schema) -> (Self, Vec<LeftOut>) {
        let others = schema.fields().iter().filter(|f| f.name() != response);
        let (features, left): (Vec<_>, Vec<_>) = others.partition(|f| is_feature_by_default(f.data_type()));
        let features = features.iter().map(|f| f.name().clone()).collect();
        let left_out =
            left.iter().map(|f| LeftOut { column: f.name().clone(), reason: why_left_out(f.data_type()) });
        let left_out = left_out.collect();
        (Self { response: response.into(), features, intercept: true, missing: Missing::Drop }, left_out)
    }

    /// Names of the coefficients, `(Intercept)` first where there is one.
    pub fn terms(&self) -> Vec<String> {
        let intercept = self.intercept.then(|| INTERCEPT.to_owned());
        intercept.into_iter().chain(self.features.iter().cloned()).collect()
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
    matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

/// Whether the cells of a column can be numbers: numbers, booleans, dates, timestamps, and columns without
/// a value.
pub fn usable_as_number(kind: &DataType) -> bool {
    is_feature_by_default(kind) || is_time(kind) || *kind == DataType::Null
}

fn type_name(kind: &DataType) -> String {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    match kind {
        Utf8 | LargeUtf8 | Utf8View => "text".into(),
        Binary | LargeBinary | BinaryView | DataType::FixedSizeBinary(_) => "binary".into(),
        DataType::Timestamp(..) => "timestamp".into(),
        DataType::Null => "no value to tell its type from".into(),
        kind if is_time(kind) => "date".into(),
        kind if kind.is_nested() => "nested".into(),
        kind => kind.to_string(),
    }
}

fn why_left_out(kind: &DataType) -> String {
    let name = type_name(kind);
    if is_time(kind) { format!("{name}; name it as a feature to use it as a number") } else { name }
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

    /// Checks that a column exists once and holds numbers.
    pub(crate) fn check_numeric(&self, column: &str, role: &str) -> Result<()> {
        let model = |message: String| Err(Error::new(ErrorKind::Model, message).in_column(column));
        match self.by_name.get(column) {
            None => {
                let fields = self.schema.fields();
                let valid: Vec<_> = fields.iter().take(30).map(|f| format!("{:?}", f.name())).collect();
                let more = if fields.len() > 30 { ", …" } else { "" };
                model(format!("the {role} is not in the data; its columns are {}{more}", valid.join(", ")))
            }
            Some((_, false)) => model(format!("the {role} is ambiguous: two columns have this name")),
            Some((kind, true)) if !usable_as_number(kind) => {
                let kind = type_name(kind);
                model(format!("the {role} must be a number, boolean, date or timestamp, not {kind}"))
            }
            Some(_) => Ok(()),
        }
    }
}
