//! `streamreg inspect`.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int32Array, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::util::{Dir, arrays, golden, write_parquet};

fn dir() -> Dir {
    let dir = Dir::new();
    let rows = 1_000;
    let columns = arrays([
        ("id", Arc::new((0..rows).collect::<Int32Array>()) as ArrayRef),
        (
            "x",
            Arc::new((0..rows).map(|i| (i % 4 != 0).then_some(f64::from(i))).collect::<Float64Array>())
                as ArrayRef,
        ),
        ("flag", Arc::new((0..rows).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>()) as ArrayRef),
        ("word", Arc::new((0..rows).map(|i| Some(i.to_string())).collect::<StringArray>()) as ArrayRef),
    ]);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(300)).build();
    write_parquet(&dir.path("d.parquet"), &columns, properties);
    dir
}

#[test]
fn parquet_metadata() {
    let dir = dir();
    let i = dir.streamreg("inspect d.parquet --format json").success().json();
    assert_eq!(
        (&i["rows"], &i["row_groups"], &i["largest_row_group"]),
        (&json!(1000), &json!(4), &json!(300))
    );
    let columns = json!([
        {"name": "id", "type": "Int32", "nulls": 0, "feature": true},
        {"name": "x", "type": "Float64", "nulls": 250, "feature": true},
        {"name": "flag", "type": "Boolean", "nulls": 0, "feature": true},
        {"name": "word", "type": "text", "nulls": 0, "feature": false},
    ]);
    assert_eq!(i["columns"], columns);
    assert!(i["predicted_memory"].as_u64().is_some_and(|m| (1 << 20..1 << 30).contains(&m)), "{i:#}");
    assert!(i["verified"].is_null());
}

#[test]
fn verify_reads_everything() {
    let dir = dir();
    let i = dir.streamreg("inspect d.parquet --verify --format json").success().json();
    assert_eq!(i["verified"]["rows"], 1000);
    let out = dir.streamreg("inspect d.parquet --verify").success();
    out.check(out.stdout.contains("1,000 rows decoded, no damage found"), "the verdict");
}

#[test]
fn the_screen() {
    let dir = dir();
    let out = dir.streamreg("inspect d.parquet").success();
    for words in ["Rows", "1,000", "Row groups", "Memory of a fit", "column", "nulls", "word", "text", "250"]
    {
        out.check(out.stdout.contains(words), words);
    }
}

#[test]
fn predicted_memory_grows_with_threads_but_not_with_rows() {
    let dir = dir();
    let memory = |line: &str| {
        let i = dir.streamreg(&format!("inspect {line} --format json")).success().json();
        i["predicted_memory"].as_u64().unwrap()
    };
    assert!(memory("d.parquet --threads 8") > memory("d.parquet --threads 1"));
    std::fs::copy(dir.path("d.parquet"), dir.path("e.parquet")).unwrap();
    assert_eq!(memory("d.parquet e.parquet --threads 2"), memory("d.parquet --threads 2"));
}

#[test]
fn csv_types_and_unknown_rows() {
    let dir = Dir::new();
    dir.write("d.csv", "id,day,flag,word\n1,2024-01-01,true,a\n2,2024-01-02,false,b\n");
    let i = dir.streamreg("inspect d.csv --format json").success().json();
    let kinds: Vec<&str> =
        i["columns"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Float64", "Date32", "Boolean", "text"]);
    assert!(i["rows"].is_null(), "unknown without reading");
    let i = dir.streamreg("inspect d.csv --verify --format json").success().json();
    assert_eq!(i["verified"]["rows"], 2);
}

#[test]
fn damage_is_found_and_named() {
    let dir = Dir::new();
    let mut bytes = std::fs::read(golden("hostile/crafted/good_1000x3_snappy_crc.parquet")).unwrap();
    dir.write("good.parquet", &bytes);
    dir.streamreg("inspect good.parquet --verify").success();
    bytes[5_000] ^= 1;
    dir.write("bad.parquet", &bytes);
    dir.streamreg("inspect bad.parquet").success();
    dir.streamreg("inspect bad.parquet --verify").fails(3, &["bad.parquet"]);
    dir.streamreg("inspect good.parquet bad.parquet --verify").fails(3, &["bad.parquet"]);
}

#[test]
fn damage_in_text_has_a_line() {
    let dir = Dir::new();
    let rows: String = (0..30_000).map(|i| format!("{i},{}\n", i % 5)).collect();
    dir.write("d.csv", format!("x,y\n{rows}1,2,3\n"));
    dir.streamreg("inspect d.csv --verify").fails(3, &["d.csv", "line 30002"]);
}
