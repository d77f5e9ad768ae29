//! The order of values, and the lists of `IN`.

use std::cmp::Ordering;

use arrow_buffer::BooleanBuffer;

use super::column::{Column, Constant, Values};

/// Values that can be compared.
pub(super) trait Ordered: Copy {
    fn order(self, other: Self) -> Ordering;
}

macro_rules! ordered {
    ($($whole:ty),*; $($float:ty),*) => {
        $(impl Ordered for $whole {
            #[inline]
            fn order(self, other: Self) -> Ordering { self.cmp(&other) }
        })*
        $(impl Ordered for $float {
            #[inline]
            fn order(self, other: Self) -> Ordering {
                self.partial_cmp(&other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }
        })*
    };
}

ordered!(i64, i128, bool, &str; f32, f64);

/// The list of an `IN`: constants of one kind, sorted once.
#[derive(Clone, Debug)]
pub(super) struct Members {
    sorted: Sorted,
    has_null: bool,
}

#[derive(Clone, Debug)]
enum Sorted {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Decimal(Vec<i128>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<String>),
}

impl Members {
    /// The constants of a list, all of one kind or null.
    pub(super) fn new(values: &[Constant]) -> Self {
        macro_rules! sorted {
            ($kind:ident) => {{
                let mut own: Vec<_> = values
                    .iter()
                    .filter_map(|value| match value {
                        Constant::$kind(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect();
                own.sort_by(|a, b| order(a, b));
                Sorted::$kind(own)
            }};
        }
        let sorted = match values.iter().find(|value| **value != Constant::Null) {
            None | Some(Constant::Null | Constant::Boolean(_)) => sorted!(Boolean),
            Some(Constant::Integer(_)) => sorted!(Integer),
            Some(Constant::Decimal(_)) => sorted!(Decimal),
            Some(Constant::Single(_)) => sorted!(Single),
            Some(Constant::Double(_)) => sorted!(Double),
            Some(Constant::Text(_)) => {
                let mut own: Vec<String> = values.iter().filter_map(text).collect();
                own.sort();
                Sorted::Text(own)
            }
        };
        Self { sorted, has_null: values.contains(&Constant::Null) }
    }

    /// The values, in order.
    pub(super) fn values(&self) -> Vec<Constant> {
        match &self.sorted {
            Sorted::Boolean(v) => v.iter().map(|&v| Constant::Boolean(v)).collect(),
            Sorted::Integer(v) => v.iter().map(|&v| Constant::Integer(v)).collect(),
            Sorted::Decimal(v) => v.iter().map(|&v| Constant::Decimal(v)).collect(),
            Sorted::Single(v) => v.iter().map(|&v| Constant::Single(v)).collect(),
            Sorted::Double(v) => v.iter().map(|&v| Constant::Double(v)).collect(),
            Sorted::Text(v) => v.iter().map(|v| Constant::Text(v.clone())).collect(),
        }
    }

    /// Whether each value is in the list; null beside a null that it may be.
    pub(super) fn hold(&self, column: &Column) -> Column {
        fn find<V: Ordered>(sorted: &[V], values: &[V]) -> BooleanBuffer {
            BooleanBuffer::collect_bool(values.len(), |i| {
                sorted.binary_search_by(|member| member.order(values[i])).is_ok()
            })
        }
        let found = match (&self.sorted, &column.values) {
            (Sorted::Boolean(s), Values::Boolean(v)) => {
                BooleanBuffer::collect_bool(v.len(), |i| s.contains(&v.value(i)))
            }
            (Sorted::Integer(s), Values::Integer(v)) => find(s, v),
            (Sorted::Decimal(s), Values::Decimal(v)) => find(s, v),
            (Sorted::Single(s), Values::Single(v)) => find(s, v),
            (Sorted::Double(s), Values::Double(v)) => find(s, v),
            (Sorted::Text(s), Values::Text(v)) => BooleanBuffer::collect_bool(column.len(), |i| {
                s.binary_search_by(|member| member.as_str().cmp(v.value(i))).is_ok()
            }),
            _ => BooleanBuffer::new_unset(column.len()),
        };
        let valid = match &column.nulls {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(column.len()),
        };
        let yes = &found & &valid;
        let no = if self.has_null { BooleanBuffer::new_unset(column.len()) } else { &!&found & &valid };
        Column::of_truth(yes, &no)
    }
}

fn order<V: Ordered>(a: &V, b: &V) -> Ordering {
    a.order(*b)
}

fn text(value: &Constant) -> Option<String> {
    match value {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    }
}
