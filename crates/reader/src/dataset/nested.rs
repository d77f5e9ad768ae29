//! Columns of structs, taken apart: behind a column `a` stand its fields, as columns `a.b`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::source::names::Names;
use crate::source::{
    Checksums, InputFile, PART_OF, Partition, ReadCounts, Scan, ScanRequest, Source, Summary, position,
};

/// A source that has the fields of structs as columns, too.
struct Flat {
    inner: Box<dyn Source>,
    schema: SchemaRef,
    names: Names,
    parts: Vec<Part>,
}

/// A column of the inner source, or a part of it.
#[derive(Clone)]
struct Part {
    root: usize,
    /// The way to the part: the position of a field, and so on.
    path: Vec<usize>,
}

/// The source with the fields of structs as columns.
pub(super) fn flat(inner: Box<dyn Source>) -> Box<dyn Source> {
    let is_struct = |field: &Arc<Field>| matches!(field.data_type(), DataType::Struct(_));
    if !inner.schema().fields().iter().any(is_struct) {
        return inner;
    }
    let own = Names::new(inner.schema());
    let mut columns = Vec::new();
    for (root, field) in inner.schema().fields().iter().enumerate() {
        columns.push((field.as_ref().clone(), Part { root, path: Vec::new() }));
        add_parts(field, field.name(), &Part { root, path: Vec::new() }, &mut columns);
    }
    // A column of its own is what its name means.
    columns.retain(|(field, part)| part.path.is_empty() || !own.contains(field.name()));
    let (fields, parts): (Vec<Field>, Vec<Part>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    Box::new(Flat { inner, names: Names::new(&schema), schema, parts })
}

/// Lists the parts of a column, in order. The parts of a missing struct are missing.
fn add_parts(field: &Field, name: &str, part: &Part, columns: &mut Vec<(Field, Part)>) {
    let DataType::Struct(children) = field.data_type() else { return };
    for (index, child) in children.iter().enumerate() {
        let path = part.path.iter().copied().chain([index]).collect();
        let (own, part) = (format!("{name}.{}", child.name()), Part { path, ..*part });
        if !matches!(child.data_type(), DataType::Struct(_)) {
            let metadata = HashMap::from([(PART_OF.to_owned(), name.to_owned())]);
            let field = Field::new(&own, child.data_type().clone(), true).with_metadata(metadata);
            columns.push((field, part.clone()));
        }
        add_parts(child, &own, &part, columns);
    }
}

impl Flat {
    fn find(&self, names: &[String]) -> Result<Vec<Part>> {
        let find = |name: &String| Ok(self.parts[self.names.find(&self.schema, name)?].clone());
        names.iter().map(find).collect()
    }

    /// The names of the columns that parts are of, each once, and for every part which of them.
    fn roots(&self, parts: &[Part]) -> (Vec<String>, Vec<usize>) {
        let mut roots: Vec<usize> = parts.iter().map(|part| part.root).collect();
        roots.sort_unstable();
        roots.dedup();
        let at = |part: &Part| roots.partition_point(|&root| root < part.root);
        let places = parts.iter().map(at).collect();
        let name = |&root: &usize| self.inner.schema().field(root).name().clone();
        (roots.iter().map(name).collect(), places)
    }

    /// The column of the inner source, where it has no parts.
    fn whole(&self, column: &str) -> Option<&str> {
        let part = &self.parts[self.names.get(column)?];
        part.path.is_empty().then(|| self.inner.schema().field(part.root).name().as_str())
    }
}

impl Source for Flat {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        let (columns, verbatim) = (self.find(&request.columns)?, self.find(&request.verbatim)?);
        let (roots, places) = self.roots(&columns);
        let (verbatim_roots, verbatim_places) = self.roots(&verbatim);
        let verbatim_places = verbatim_places.into_iter().map(|place| roots.len() + place);
        let places = places.into_iter().chain(verbatim_places);
        let paths = columns.into_iter().chain(verbatim).map(|part| part.path);
        let plan = Plan {
            columns: places.zip(paths).collect(),
            read: roots.len() + verbatim_roots.len(),
            names: request.columns.iter().chain(&request.verbatim).cloned().collect(),
        };
        let whole = |name: &&String| self.whole(name).is_some();
        let request = ScanRequest {
            columns: roots,
            verbatim: verbatim_roots,
            dictionaries: request.dictionaries.iter().filter(whole).cloned().collect(),
            ..request.clone()
        };
        Ok(Box::new(FlatScan { inner: self.inner.scan(&request)?, plan: Arc::new(plan) }))
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.inner.inputs()
    }

    fn verbatim_type(&self, index: usize) -> DataType {
        let part = &self.parts[index];
        match part.path.is_empty() {
            true => self.inner.verbatim_type(part.root),
            false => self.schema.field(index).data_type().clone(),
        }
    }

    /// What is known of a struct is not known of its parts.
    fn summary(&self) -> Summary {
        let inner = self.inner.summary();
        let nulls = |part: &Part| inner.null_counts[part.root].filter(|_| part.path.is_empty());
        let null_counts = self.parts.iter().map(nulls).collect();
        let decode_bytes = self.parts.iter().map(|part| inner.decode_bytes[part.root]).collect();
        Summary { null_counts, decode_bytes, ..inner }
    }

    fn checksums(&self) -> Checksums {
        self.inner.checksums()
    }

    fn counts(&self) -> ReadCounts {
        self.inner.counts()
    }

    fn level_order(&self, column: &str) -> Result<Option<Vec<String>>> {
        position(&self.schema, column)?;
        self.whole(column).map_or(Ok(None), |column| self.inner.level_order(column))
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.inner.verify_unchanged()
    }
}

/// How the batches of a scan are taken apart.
struct Plan {
    /// For every column the position of what is read, and the way to the part.
    columns: Vec<(usize, Vec<usize>)>,
    /// Columns that are read.
    read: usize,
    names: Vec<String>,
}

struct FlatScan<'s> {
    inner: Box<dyn Scan + 's>,
    plan: Arc<Plan>,
}

impl Scan for FlatScan<'_> {
    fn next_partition(&self) -> Option<Result<Partition>> {
        let partition = self.inner.next_partition()?;
        Some(partition.map(|partition| {
            let plan = Arc::clone(&self.plan);
            let batches = partition.batches.map(move |batch| plan.batch(&batch?));
            Partition { batches: Box::new(batches), ..partition }
        }))
    }
}

impl Plan {
    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for ((place, path), name) in self.columns.iter().zip(&self.names) {
            let column = part(batch.column(*place), path)?;
            fields.push(Field::new(name, column.data_type().clone(), true));
            columns.push(column);
        }
        // Numbers of rows come behind what was asked for.
        for index in self.read..batch.num_columns() {
            fields.push(batch.schema_ref().field(index).clone());
            columns.push(Arc::clone(batch.column(index)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(failed)
    }
}

fn failed(error: arrow_schema::ArrowError) -> Error {
    Error::new(ErrorKind::Decoder, "the parts of a struct do not fit together").caused_by(error)
}

/// A part of a column; null where the struct is.
fn part(column: &ArrayRef, path: &[usize]) -> Result<ArrayRef> {
    let Some((&first, rest)) = path.split_first() else { return Ok(Arc::clone(column)) };
    let missing = || Error::new(ErrorKind::Decoder, "a column of structs is none");
    let parent = column.as_struct_opt().filter(|parent| first < parent.num_columns()).ok_or_else(missing)?;
    let child = parent.column(first);
    if child.data_type() == &DataType::Null {
        return part(child, rest);
    }
    let Some(nulls) = parent.nulls() else { return part(child, rest) };
    let nulls = NullBuffer::union(Some(nulls), child.logical_nulls().as_ref());
    let data = child.to_data().into_builder().nulls(nulls).build().map_err(failed)?;
    part(&make_array(data), rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use arrow_array::{Float64Array, NullArray, StructArray};

    use super::*;

    #[test]
    fn the_parts_of_a_missing_struct_are_missing() {
        let fields = vec![Field::new("a", DataType::Float64, true), Field::new("n", DataType::Null, true)];
        let children: Vec<ArrayRef> =
            vec![Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0), None])), Arc::new(NullArray::new(3))];
        let nulls = NullBuffer::from(vec![true, false, true]);
        let structs: ArrayRef = Arc::new(StructArray::new(fields.into(), children, Some(nulls)));
        let a = part(&structs, &[0]).unwrap();
        assert_eq!((0..3).map(|row| a.is_valid(row)).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(part(&structs, &[1]).unwrap().logical_null_count(), 3);
        assert!(part(&structs, &[2]).is_err());
    }
}
