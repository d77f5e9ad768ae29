//! Expressions beside what DuckDB makes of them, on small tables of every type.
//!
//! `tests/golden/expressions` has a sample; `oracle.py` there writes more, which `STREAMREG_EXPRESSIONS` names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use serde_json::Value;
use streamreg_reader::rows::Expressions;
use streamreg_reader::{Dataset, ScanRequest, Source};

use crate::util::open;

/// What is refused here on purpose, by the words of the refusal; the module's documentation has the reasons.
const REFUSED: &[&str] = &[
    "// divides integers",
    "not a date such as",
    "without an offset",
    "not true or false; compare it",
    "AS TEXT",
    "NULL in every row",
    "CAST one of them",
    "nothing follows the escape",
];

/// Whether a result may differ: beyond 38 digits DuckDB drops places of a common type and makes floating-point numbers
/// of a remainder; here they stay, and what is too long is an error.
fn may_differ(sql: &str) -> bool {
    let sql = sql.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| sql.contains(word));
    has(&["d38", "u64", "d18"])
        && has(&["%", "mod(", "greatest", "least", "case", "if(", "coalesce", "ifnull"])
}

/// What is an error of DuckDB and has a value here, by the words of the error.
const ACCEPTED: &[&str] = &[
    "'+(DATE, BIGINT)'",
    "'-(DATE, BIGINT)'",
    // Products are exact up to 38 digits.
    "Overflow in multiplication of DECIMAL(18)",
];

fn folder() -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/expressions");
    std::env::var_os("STREAMREG_EXPRESSIONS").map_or(golden, PathBuf::from)
}

/// The values of an expression, or the error.
fn evaluate(table: &Dataset, sql: &str) -> Result<Vec<ArrayRef>, String> {
    let with = [("result".to_owned(), sql.to_owned())];
    let source = Expressions::new(Box::new(table), &with, None).map_err(|e| e.to_string())?;
    let scan = source.scan(&ScanRequest::new(["result"])).map_err(|e| e.to_string())?;
    let mut columns = Vec::new();
    while let Some(partition) = scan.next_partition() {
        for batch in partition.map_err(|e| e.to_string())?.batches {
            columns.push(batch.map_err(|e| e.to_string())?.column(0).clone());
        }
    }
    Ok(columns)
}

/// A cell as the oracle writes it.
fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let nanoseconds = |count: i64, unit: TimeUnit| {
        let factor = match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        };
        Value::from((i128::from(count) * factor).to_string())
    };
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int64 => array.as_primitive::<arrow::Int64Type>().value(row).to_string().into(),
        DataType::Decimal128(..) => array.as_primitive::<arrow::Decimal128Type>().value_as_string(row).into(),
        DataType::Float32 => float(f64::from(array.as_primitive::<arrow::Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<arrow::Float64Type>().value(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Date32 => {
            let day = array.as_primitive::<arrow::Date32Type>().value_as_date(row).unwrap();
            day.format("%Y-%m-%d").to_string().trim_start_matches('+').into()
        }
        DataType::Time64(_) => {
            array.as_primitive::<arrow::Time64NanosecondType>().value(row).to_string().into()
        }
        DataType::Timestamp(unit, _) => nanoseconds(
            match unit {
                TimeUnit::Second => array.as_primitive::<arrow::TimestampSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<arrow::TimestampMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<arrow::TimestampMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<arrow::TimestampNanosecondType>().value(row),
            },
            *unit,
        ),
        other => panic!("no case for {other}"),
    }
}

fn float(value: f64) -> Value {
    match value {
        value if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => value.into(),
    }
}

/// Digits without zeros that say nothing.
fn plain(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// Whether a value is the oracle's: floating-point numbers but for the last digits of functions, decimals as numbers.
fn agree(ours: &Value, theirs: &Value, kind: &str) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let near = if kind == "FLOAT" { 3e-7 } else { 1e-12 };
            (kind == "FLOAT" && a as f32 == b as f32)
                || a == b
                || (a - b).abs() <= near * a.abs().max(b.abs())
        }
        // A remainder of wide decimals is a floating-point number there, and exact here.
        (Value::String(a), Value::Number(b)) => {
            a.parse::<f64>().is_ok_and(|a| agree(&a.into(), &b.clone().into(), kind))
        }
        (Value::String(a), Value::String(b)) if kind != "VARCHAR" || a.parse::<f64>().is_ok() => {
            plain(a) == plain(b)
        }
        (a, b) => a == b,
    }
}

#[test]
fn expressions_agree_with_duckdb() {
    let folder = folder();
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut tables: HashMap<String, Dataset> = HashMap::new();
    let (mut agreed, mut refused, mut wrong) = (0, 0, Vec::new());
    for line in text.lines().skip(1) {
        let case: Value = serde_json::from_str(line).unwrap();
        let (name, sql) = (case["table"].as_str().unwrap(), case["sql"].as_str().unwrap());
        let table = tables.entry(name.to_owned()).or_insert_with(|| open(&folder.join(name)));
        let outcome = match (evaluate(table, sql), case["values"].as_array()) {
            (Err(_), None) => Ok(true),
            (Ok(_), None) if ACCEPTED.iter().any(|words| case["error"].to_string().contains(words)) => {
                Ok(false)
            }
            (Ok(_), None) => Err(format!("no error; DuckDB: {}", case["error"])),
            (Err(e), Some(_)) if REFUSED.iter().any(|words| e.contains(words)) => Ok(false),
            (Err(e), Some(_)) => Err(e),
            (Ok(columns), Some(theirs)) => {
                let ours: Vec<Value> =
                    columns.iter().flat_map(|c| (0..c.len()).map(|row| cell(c, row))).collect();
                let kind = case["type"].as_str().unwrap();
                let all = ours.iter().zip(theirs);
                let differs = all.enumerate().find(|(_, (a, b))| !agree(a, b, kind));
                match differs {
                    None if ours.len() == theirs.len() => Ok(true),
                    None => Err(format!("{} rows of {}", ours.len(), theirs.len())),
                    Some((row, (a, b))) => Err(format!("row {row}: {a}, DuckDB ({kind}) {b}")),
                }
            }
        };
        match outcome {
            Ok(true) => agreed += 1,
            Ok(false) => refused += 1,
            Err(_) if may_differ(sql) => refused += 1,
            Err(why) => wrong.push(format!("{name}: {sql}\n    {why}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{agreed} agree, {refused} are refused, {} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(refused * 20 < agreed, "{refused} of {agreed} are refused");
}
