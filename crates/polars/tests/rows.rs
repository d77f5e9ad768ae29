//! Row expressions beside what polars makes of the same text, where the two have the same semantics.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use polars::prelude as pl;
use polars::prelude::{IntoLazy, NamedFrom};
use streamreg_polars::LazyFrameSource;
use streamreg_reader::rows::Expressions;
use streamreg_reader::{ScanRequest, Source};

fn frame() -> pl::DataFrame {
    let rows = 0..60_i64;
    let some = |i: i64, of: i64| i % of != 1;
    let i: Vec<Option<i64>> = rows.clone().map(|i| some(i, 7).then_some(i * 37 % 41 - 20)).collect();
    let j: Vec<Option<i64>> = rows.clone().map(|i| some(i, 5).then_some(i * 17 % 13 - 6)).collect();
    let x: Vec<Option<f64>> =
        rows.clone().map(|i| some(i, 6).then_some((i * 29 % 31) as f64 / 4.0 - 3.5)).collect();
    let t: Vec<Option<String>> =
        rows.clone().map(|i| some(i, 8).then(|| format!("w{}", "abc".repeat((i % 3) as usize)))).collect();
    let b: Vec<Option<bool>> = rows.map(|i| some(i, 9).then_some(i % 2 == 0)).collect();
    pl::DataFrame::new_infer_height(vec![
        pl::Series::new("i".into(), i).into(),
        pl::Series::new("j".into(), j).into(),
        pl::Series::new("x".into(), x).into(),
        pl::Series::new("t".into(), t).into(),
        pl::Series::new("b".into(), b).into(),
    ])
    .unwrap()
}

/// The cells of a column as text.
fn cells(array: &ArrayRef) -> Vec<String> {
    let cell = |row: usize| match array.data_type() {
        _ if array.is_null(row) => "null".to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int64 => format!("{:?}", array.as_primitive::<Int64Type>().value(row) as f64),
        // Lengths, there.
        DataType::UInt32 => format!("{:?}", f64::from(array.as_primitive::<UInt32Type>().value(row))),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        _ => array.as_string::<i32>().value(row).to_owned(),
    };
    (0..array.len()).map(cell).collect()
}

fn column(source: &dyn Source) -> Vec<String> {
    let scan = source.scan(&ScanRequest::new(["result"])).unwrap();
    let mut all = Vec::new();
    while let Some(partition) = scan.next_partition() {
        for batch in partition.unwrap().batches {
            all.extend(cells(batch.unwrap().column(0)));
        }
    }
    all
}

#[test]
fn expressions_agree_with_polars() {
    let numbers = ["i", "j", "x", "i + j", "x * i", "abs(i)", "-x", "i - 3", "x / 2", "coalesce(i, j, 0)"];
    let comparisons = ["=", "<>", "<", "<=", ">", ">="];
    let mut texts: Vec<String> = Vec::new();
    for (n, a) in numbers.iter().enumerate() {
        for (m, b) in numbers.iter().enumerate() {
            texts.push(format!("({a}) {} ({b})", comparisons[(n + m) % 6]));
            texts.push(format!("({a}) + ({b})"));
            texts.push(format!("CASE WHEN ({a}) > 1 AND b THEN ({b}) ELSE 0 END"));
            texts.push(format!("({a}) BETWEEN -3 AND ({b}) OR NOT b"));
        }
        texts.push(format!("({a}) IS NULL"));
        texts.push(format!("round(sqrt(abs({a})), 3)"));
    }
    for text in [
        "t LIKE 'wabc%'",
        "upper(t)",
        "t || '!'",
        "t IN ('w', 'wabc')",
        "length(t)",
        "left(t, 2)",
        "starts_with(t, 'wa')",
    ] {
        texts.push(text.to_owned());
    }
    for text in &texts {
        let theirs = frame().lazy().select([polars::sql::sql_expr(text).unwrap().alias("result")]);
        let theirs = column(&LazyFrameSource::new(theirs).unwrap());
        let rows = LazyFrameSource::new(frame().lazy()).unwrap();
        let ours = Expressions::new(Box::new(rows), &[("result".to_owned(), text.clone())], None).unwrap();
        assert_eq!(column(&ours), theirs, "{text}");
    }
    assert!(texts.len() > 400);
}
