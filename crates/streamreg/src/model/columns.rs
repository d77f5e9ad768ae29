//! The columns that a model was fitted to, and the coefficients of those that are too many for a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use serde::{Deserialize, Serialize};
use streamreg_core::iterative::Standardizer;
use streamreg_core::{Design, usable_as_number};

/// What kind of values a column has: the same number means something else as days than as seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnKind {
    Number,
    Boolean,
    Date,
    Timestamp,
    Time,
    Duration,
    Text,
    List,
}

impl std::fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
            Self::Time => "a time of day",
            Self::Duration => "a duration",
            Self::Text => "a text",
            Self::List => "a list",
        })
    }
}

impl ColumnKind {
    pub(crate) fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Duration(_) => Self::Duration,
            DataType::Boolean => Self::Boolean,
            DataType::List(_) | DataType::LargeList(_) => Self::List,
            kind if usable_as_number(kind) => Self::Number,
            _ => Self::Text,
        }
    }

    /// A type of this kind, for binding.
    pub(crate) fn example(self) -> DataType {
        match self {
            Self::Number => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Second, None),
            Self::Time => DataType::Time32(TimeUnit::Second),
            Self::Duration => DataType::Duration(TimeUnit::Second),
            Self::Text => DataType::Utf8,
            Self::List => DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
        }
    }

    /// Whether data of type `found` can take the place of this kind.
    pub(crate) fn accepts(self, found: &DataType) -> bool {
        let other = Self::of(found);
        // A column without a value has no type, and 0 and 1 are what booleans are computed with.
        *found == DataType::Null || other == self || (self == Self::Number && other == Self::Boolean)
    }
}

/// A column that the model was fitted to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModelColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
    /// Of the times of a category in sums: their levels are texts in this zone. Without one, they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
}

impl ModelColumn {
    /// In words, what data of type `found` have in place of what was summed; `None` where they will do.
    pub(crate) fn difference(&self, found: &DataType, category: bool) -> Option<String> {
        if !self.kind.accepts(found) {
            let kind = ColumnKind::of(found);
            return Some(format!("{kind} column here, but the state is of {} column", self.kind));
        }
        let DataType::Timestamp(_, zone) = found else { return None };
        let of_zone = |zone: Option<&str>| match zone {
            Some(zone) => format!("times of the zone {zone}"),
            None => "times without a zone".to_owned(),
        };
        let (zone, own) = (zone.as_deref(), self.zone.as_deref());
        let differs = category && zone != own;
        differs
            .then(|| format!("{} here, but the state is of {}; make them alike", of_zone(zone), of_zone(own)))
    }
}

/// The columns of a design, with their kinds.
pub(crate) fn model_columns(design: &Design, schema: &Schema) -> Vec<ModelColumn> {
    let types: HashMap<&str, &DataType> =
        schema.fields().iter().map(|f| (f.name().as_str(), f.data_type())).collect();
    let kind = |name: &String| ModelColumn {
        name: name.clone(),
        kind: types.get(name.as_str()).map_or(ColumnKind::Number, |kind| ColumnKind::of(kind)),
        zone: None,
    };
    design.columns().iter().map(kind).collect()
}

/// The same for sums, which have the levels of categories.
pub(crate) fn summed_columns(design: &Design, schema: &Schema) -> Vec<ModelColumn> {
    let mut columns = model_columns(design, schema);
    for (category, _) in design.category_columns() {
        let Ok(field) = schema.field_with_name(category) else { continue };
        if let DataType::Timestamp(_, Some(zone)) = field.data_type() {
            let own = columns.iter_mut().filter(|column| column.name == category);
            own.for_each(|column| column.zone = Some(zone.to_string()));
        }
    }
    columns
}

/// The coefficients of list columns and hashes that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WideCoefficients {
    /// Coefficients before them: the constant, and those of the model's terms.
    #[serde(skip)]
    pub(crate) named: usize,
    /// Of list columns, by index.
    pub(crate) lists: SparseVector,
    /// Of hashes, by slot.
    pub(crate) hashed: SparseVector,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SparseVector {
    at: Vec<u32>,
    values: Vec<f64>,
}

impl SparseVector {
    fn new(values: &[f64]) -> Self {
        let entries = values.iter().zip(0..).filter(|(value, _)| **value != 0.0);
        let (values, at) = entries.map(|(value, at)| (*value, at)).unzip();
        Self { at, values }
    }

    fn dense(&self) -> Vec<f64> {
        let mut values = vec![0.0; self.at.iter().max().map_or(0, |&last| last as usize + 1)];
        self.at.iter().zip(&self.values).for_each(|(&at, value)| values[at as usize] = *value);
        values
    }

    /// Whether there are as many positions as values, one behind the other and below `end`.
    pub(crate) fn fits(&self, end: u32) -> bool {
        let ascending = self.at.is_sorted_by(|a, b| a < b);
        self.at.len() == self.values.len() && ascending && self.at.last().is_none_or(|&last| last < end)
    }
}

impl WideCoefficients {
    pub(crate) fn new(standardizer: &Standardizer, slopes: &[f64]) -> Self {
        let (lists, hashed) = standardizer.wide(slopes);
        let named = standardizer.named() + usize::from(standardizer.scaling().intercept);
        Self { named, lists: SparseVector::new(lists), hashed: SparseVector::new(hashed) }
    }

    /// Both, one value for every index and slot up to the last that is not zero.
    pub(crate) fn dense(&self) -> (Vec<f64>, Vec<f64>) {
        (self.lists.dense(), self.hashed.dense())
    }
}
