//! Record batches as a source.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int8Array, Int64Array, NullArray, RecordBatch,
    StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use streamreg_reader::{Batches, ScanRequest, Source};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn read(source: &dyn Source, columns: &[&str]) -> Result<Vec<RecordBatch>, streamreg_reader::Error> {
    let scan = source.scan(&ScanRequest::new(columns.iter().copied()))?;
    let mut batches = Vec::new();
    while let Some(partition) = scan.next_partition() {
        for batch in partition?.batches {
            batches.push(batch?);
        }
    }
    Ok(batches)
}

#[test]
fn a_column_without_a_value_has_the_type_of_the_first_batch() {
    let text = || Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef;
    let numbers = || Arc::new(Float64Array::from(vec![1.0, 2.0])) as ArrayRef;
    let first = batch(vec![("x", numbers()), ("g", text()), ("other", numbers())]);
    let second = batch(vec![("other", text()), ("g", Arc::new(NullArray::new(2))), ("x", numbers())]);
    let source = Batches::new(first.schema(), vec![first.clone(), second.clone()]);
    let batches = read(&source, &["g", "x"]).unwrap();
    assert_eq!(batches.iter().map(|b| b.column(0).null_count()).sum::<usize>(), 2);
    assert!(batches.iter().all(|b| *b.column(0).data_type() == DataType::Utf8));
    // A column that nobody asks for may be of any type.
    let error = read(&source, &["other"]).unwrap_err();
    assert_eq!(error.column(), Some("other"));
    assert!(error.to_string().contains("Utf8 in a batch and Float64 in the first; cast it"), "{error}");
    let turned = Batches::new(second.schema(), vec![second, first]);
    let error = read(&turned, &["g"]).unwrap_err().to_string();
    assert!(error.contains("no value in the first"), "{error}");
}

#[test]
fn rows_that_come_once_say_so() {
    let one = batch(vec![("x", Arc::new(Float64Array::from(vec![1.0])))]);
    let (schema, make) = (one.schema(), move || [Ok::<_, ArrowError>(one.clone())]);
    let source = Batches::from_fn(Arc::clone(&schema), make);
    assert!(source.reopens() && !source.once().reopens());
}

fn levels(values: ArrayRef, ordered: bool) -> Batches {
    let codes = Int8Array::from(vec![Some(1), Some(0), None]);
    let column = DictionaryArray::<Int8Type>::new(codes, values);
    let field = Field::new("g", column.data_type().clone(), true).with_dict_is_ordered(ordered);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).unwrap();
    Batches::new(schema, vec![batch])
}

#[test]
fn ordered_dictionaries_tell_the_order_of_their_levels() {
    let texts = || Arc::new(StringArray::from(vec!["low", "high", "never"])) as ArrayRef;
    let order = levels(texts(), true).level_order("g").unwrap();
    assert_eq!(order.unwrap(), ["low", "high", "never"]);
    assert_eq!(levels(texts(), false).level_order("g").unwrap(), None);
    let numbers = levels(Arc::new(Int64Array::from(vec![2, 1])), true);
    assert_eq!(numbers.level_order("g").unwrap(), None);
    assert_eq!(numbers.warnings(), ["column \"g\" is an ordered category of Int64: its levels are sorted"]);
    assert!(numbers.level_order("h").is_err());
    let none = Batches::new(Arc::clone(numbers.schema()), Vec::new());
    assert_eq!(none.level_order("g").unwrap(), None);
}
