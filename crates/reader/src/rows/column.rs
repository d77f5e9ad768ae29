//! Columns while they are computed with: one of six kinds of values, whatever the type in the file.

use arrow_array::{Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};

use super::kind::Kind;

/// The values of an expression for some rows. A single value stands for as many rows as there are.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) values: Values,
    /// Which values are there; where one is not, what stands in `values` has no meaning.
    pub(super) nulls: Option<NullBuffer>,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    Boolean(BooleanBuffer),
    /// Integers, days, nanoseconds of the day, units since 1970.
    Integer(ScalarBuffer<i64>),
    /// Decimals, in units of their last place.
    Decimal(ScalarBuffer<i128>),
    Single(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    Text(StringArray),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Boolean(v) => v.len(),
            Self::Integer(v) => v.len(),
            Self::Decimal(v) => v.len(),
            Self::Single(v) => v.len(),
            Self::Double(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }
}

/// A value that is the same in every row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Null,
    Boolean(bool),
    Integer(i64),
    Decimal(i128),
    Single(f32),
    Double(f64),
    Text(String),
}

impl Column {
    pub(super) fn new(values: Values, nulls: Option<NullBuffer>) -> Self {
        Self { values, nulls: nulls.filter(|nulls| nulls.null_count() > 0) }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(if self.len() == 1 { 0 } else { row }))
    }

    /// One value of `kind` for all rows.
    pub(super) fn constant(kind: &Kind, value: &Constant) -> Self {
        let values = match value {
            Constant::Null => return Self { values: blank(kind, 1), nulls: Some(NullBuffer::new_null(1)) },
            Constant::Boolean(v) => Values::Boolean(BooleanBuffer::from_iter([*v])),
            Constant::Integer(v) => Values::Integer(vec![*v].into()),
            Constant::Decimal(v) => Values::Decimal(vec![*v].into()),
            Constant::Single(v) => Values::Single(vec![*v].into()),
            Constant::Double(v) => Values::Double(vec![*v].into()),
            Constant::Text(v) => Values::Text(StringArray::from(vec![v.as_str()])),
        };
        Self { values, nulls: None }
    }

    /// The value of the first row.
    pub(super) fn first(&self) -> Constant {
        if !self.is_valid(0) || self.len() == 0 {
            return Constant::Null;
        }
        match &self.values {
            Values::Boolean(v) => Constant::Boolean(v.value(0)),
            Values::Integer(v) => Constant::Integer(v[0]),
            Values::Decimal(v) => Constant::Decimal(v[0]),
            Values::Single(v) => Constant::Single(v[0]),
            Values::Double(v) => Constant::Double(v[0]),
            Values::Text(v) => Constant::Text(v.value(0).to_owned()),
        }
    }

    /// Truth values as two sets of rows: where true, and where false. The others are null.
    pub(super) fn truth(&self) -> (BooleanBuffer, BooleanBuffer) {
        let Values::Boolean(values) = &self.values else {
            let nothing = BooleanBuffer::new_unset(self.len());
            return (nothing.clone(), nothing);
        };
        match &self.nulls {
            None => (values.clone(), !values),
            Some(nulls) => (values & nulls.inner(), &!values & nulls.inner()),
        }
    }

    /// Truth values from the rows where they are true and those where they are false.
    pub(super) fn of_truth(yes: BooleanBuffer, no: &BooleanBuffer) -> Self {
        let known = &yes | no;
        Self::new(Values::Boolean(yes), Some(NullBuffer::new(known)))
    }

    /// The column for the rows at these positions.
    pub(super) fn take(&self, rows: &[u32]) -> Self {
        if self.len() == 1 {
            return self.clone();
        }
        fn at<T: arrow_buffer::ArrowNativeType>(values: &[T], rows: &[u32]) -> ScalarBuffer<T> {
            rows.iter().map(|&row| values[row as usize]).collect::<Vec<_>>().into()
        }
        let bits = |bits: &BooleanBuffer| rows.iter().map(|&row| bits.value(row as usize)).collect();
        let values = match &self.values {
            Values::Boolean(v) => Values::Boolean(bits(v)),
            Values::Integer(v) => Values::Integer(at(v, rows)),
            Values::Decimal(v) => Values::Decimal(at(v, rows)),
            Values::Single(v) => Values::Single(at(v, rows)),
            Values::Double(v) => Values::Double(at(v, rows)),
            Values::Text(v) => {
                Values::Text(StringArray::from_iter_values(rows.iter().map(|&r| v.value(r as usize))))
            }
        };
        Self::new(values, self.nulls.as_ref().map(|nulls| NullBuffer::new(bits(nulls.inner()))))
    }

    /// As many values as there are rows.
    pub(super) fn expanded(self, rows: usize) -> Self {
        if self.len() == rows {
            return self;
        }
        let values = match &self.values {
            Values::Boolean(v) => {
                let all =
                    if v.value(0) { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
                Values::Boolean(all)
            }
            Values::Integer(v) => Values::Integer(vec![v[0]; rows].into()),
            Values::Decimal(v) => Values::Decimal(vec![v[0]; rows].into()),
            Values::Single(v) => Values::Single(vec![v[0]; rows].into()),
            Values::Double(v) => Values::Double(vec![v[0]; rows].into()),
            Values::Text(v) => {
                Values::Text(StringArray::from_iter_values(std::iter::repeat_n(v.value(0), rows)))
            }
        };
        Self { values, nulls: self.nulls.map(|_| NullBuffer::new_null(rows)) }
    }

    /// Columns of one kind as one: row `i` of the result is row `i` of the part that `choice` names.
    pub(super) fn chosen(kind: &Kind, parts: &[Option<Self>], choice: &[usize]) -> Self {
        let part = |row: usize| parts[choice[row]].as_ref();
        let rows = choice.len();
        let valid = |row: usize| part(row).is_some_and(|part| part.is_valid(row));
        let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, valid));
        macro_rules! each {
            ($kind:ident, $blank:expr) => {{
                let value = |row: usize| match part(row).map(|part| &part.values) {
                    Some(Values::$kind(v)) => v[if v.len() == 1 { 0 } else { row }],
                    _ => $blank,
                };
                Values::$kind((0..rows).map(value).collect::<Vec<_>>().into())
            }};
        }
        let values = match blank(kind, 0) {
            Values::Boolean(_) => {
                let value = |row: usize| match part(row).map(|part| &part.values) {
                    Some(Values::Boolean(v)) => v.value(if v.len() == 1 { 0 } else { row }),
                    _ => false,
                };
                Values::Boolean(BooleanBuffer::collect_bool(rows, value))
            }
            Values::Text(_) => {
                let value = |row: usize| match part(row).map(|part| &part.values) {
                    Some(Values::Text(v)) => v.value(if v.len() == 1 { 0 } else { row }),
                    _ => "",
                };
                Values::Text(StringArray::from_iter_values((0..rows).map(value)))
            }
            Values::Integer(_) => each!(Integer, 0),
            Values::Decimal(_) => each!(Decimal, 0),
            Values::Single(_) => each!(Single, 0.0),
            Values::Double(_) => each!(Double, 0.0),
        };
        Self::new(values, Some(nulls))
    }
}

/// `rows` values without a meaning.
pub(super) fn blank(kind: &Kind, rows: usize) -> Values {
    match kind {
        Kind::Null | Kind::Boolean => Values::Boolean(BooleanBuffer::new_unset(rows)),
        Kind::Integer | Kind::Date | Kind::Time | Kind::Timestamp(..) => {
            Values::Integer(vec![0; rows].into())
        }
        Kind::Decimal(..) => Values::Decimal(vec![0; rows].into()),
        Kind::Single => Values::Single(vec![0.0; rows].into()),
        Kind::Double => Values::Double(vec![0.0; rows].into()),
        Kind::Text => Values::Text(StringArray::from_iter_values(std::iter::repeat_n("", rows))),
    }
}
