//! Columns by name: a request for all of 100,000 must not search a list for each.

use std::collections::HashMap;

use arrow_schema::Schema;

use super::position;
use crate::error::Result;

/// Where the columns of a schema are. A name may be there twice, as long as nobody asks for it.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, Option<usize>>);

impl Names {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut names = HashMap::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            names.entry(field.name().clone()).and_modify(|known| *known = None).or_insert(Some(index));
        }
        Self(names)
    }

    /// The position of the only column of this name.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied().flatten()
    }

    /// Whether a column has this name, or several.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The position of a column of `schema`.
    ///
    /// # Errors
    /// Where there is none of this name, or more than one.
    pub(crate) fn find(&self, schema: &Schema, name: &str) -> Result<usize> {
        self.get(name).map_or_else(|| position(schema, name), Ok)
    }
}
