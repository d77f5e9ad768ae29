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
    let dir = Dir::new();
    let columns = [("x", Arc::new((0..120_000).map(f64::from).collect::<Float64Array>()) as ArrayRef)];
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(40_000)).build();
    write_parquet(&dir.path("d.parquet"), &arrays(columns), properties);
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

/// The memory that is predicted for a request, in MB, and the levels that this rests on.
fn predicted(dir: &Dir, line: &str) -> (f64, Vec<u64>) {
    let i = dir.streamreg(&format!("inspect {line} --format json --threads 2")).success().json();
    let levels = i["levels"].as_array().unwrap().iter().map(|l| l["levels"].as_u64().unwrap()).collect();
    (i["predicted_memory"].as_f64().unwrap() / (1 << 20) as f64, levels)
}

#[test]
fn the_request_that_is_asked_about() {
    let dir = Dir::new();
    let rows = 400_000;
    let mut random = crate::util::Random::new(7);
    let text = |of: usize, random: &mut crate::util::Random| {
        let names = (0..rows).map(|_| Some(format!("a-long-name-of-a-level-{:030}", random.below(of))));
        Arc::new(names.collect::<StringArray>()) as ArrayRef
    };
    let columns = [
        ("few", text(9, &mut random)),
        ("many", text(200_000, &mut random)),
        ("x", Arc::new(Float64Array::from(random.vector(rows))) as ArrayRef),
        ("y", Arc::new(Float64Array::from(random.vector(rows))) as ArrayRef),
    ];
    write_parquet(&dir.path("d.parquet"), &arrays(columns), WriterProperties::default());
    let (plain, levels) = predicted(&dir, "d.parquet 'y ~ x'");
    assert!(levels.is_empty() && plain < 40.0, "{plain}");
    let (few, levels) = predicted(&dir, "d.parquet 'y ~ x + few'");
    assert!(levels == [9] && few < 45.0, "{few} {levels:?}");
    for options in ["-t y -f x --by many", "'y ~ x' --cluster many", "'y ~ x + many' --max-levels 1000000"] {
        let (memory, levels) = predicted(&dir, &format!("d.parquet {options}"));
        // A level in a hundred is in no row.
        assert!((130_000..230_000).contains(&levels[0]), "{options}: {levels:?}");
        assert!(memory > plain + 50.0, "{options}: {memory} MB, {plain} without");
    }
    assert!(predicted(&dir, "d.parquet -t y --solver sgd").0 > plain);
    dir.streamreg("fit d.parquet 'y ~ x' -o r.txt --save-model m.json").success();
    assert!(predicted(&dir, "d.parquet --for-model m.json").0 < 100.0);
}

/// What is predicted, beside what is taken.
#[cfg(target_os = "linux")]
#[test]
fn the_prediction_is_about_right() {
    let dir = Dir::new();
    let rows = 1_500_000i64;
    let columns = [
        (
            "g",
            Arc::new((0..rows).map(|i| i * 7919 % 300_007).collect::<arrow_array::Int64Array>()) as ArrayRef,
        ),
        ("x", Arc::new((0..rows).map(|i| (i % 1009) as f64).collect::<Float64Array>()) as ArrayRef),
        ("y", Arc::new((0..rows).map(|i| (i % 997) as f64).collect::<Float64Array>()) as ArrayRef),
    ];
    write_parquet(&dir.path("d.parquet"), &arrays(columns), WriterProperties::default());
    for options in ["'y ~ x'", "'y ~ x' --cluster g", "'y ~ x' --by g"] {
        let (predicted, _) = predicted(&dir, &format!("d.parquet {options}"));
        let output = if options.contains("--by") { "-o g.csv" } else { "-o r.txt" };
        let line = format!("fit d.parquet {options} --threads 2 {output}");
        let taken = crate::memory::peak_kb(&dir, &line) as f64 / 1024.0;
        // A program that is not optimised is larger, and a look may come too late for a peak.
        assert!(
            predicted < 2.0 * taken && taken < 2.0 * predicted,
            "{options}: {predicted} MB, {taken} taken"
        );
    }
}

#[test]
fn what_would_have_no_effect() {
    let dir = dir();
    dir.streamreg("inspect d.parquet --by word").fails(2, &["no effect", "name a target"]);
    dir.streamreg("inspect d.parquet -t x --for-model m.json").fails(2, &["--for-model"]);
    dir.streamreg("inspect d.parquet 'x ~ nothing'").fails(3, &["nothing"]);
    dir.streamreg("inspect d.parquet -t x --solver cg --vcov hc1").fails(2, &["cg"]);
}
