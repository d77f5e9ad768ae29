//! Many files as one table: folders, patterns, Hive keys, schemas that agree and that do not.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, Int16Array, Int64Array, RecordBatch, StringArray};
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

use crate::util::{Dir, Table, arrays, batch, close, column, table, to_csv, write_parquet};

fn terms(report: &Value) -> Vec<&str> {
    report["coefficients"].as_array().unwrap().iter().map(|c| c["term"].as_str().unwrap()).collect()
}

fn inputs(report: &Value) -> Vec<&str> {
    report["inputs"].as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap()).collect()
}

fn part(columns: &Table, from: usize, to: usize) -> Table {
    columns.iter().map(|(name, x)| (name.clone(), x[from..to].to_vec())).collect()
}

#[track_caller]
fn same_estimates(a: &Value, b: &Value) {
    for field in ["estimate", "std_error"] {
        for (a, b) in column(a, field).into_iter().zip(column(b, field)) {
            close(field, a.unwrap(), b.unwrap(), 1e-11);
        }
    }
}

/// `whole.csv`, and the same rows as three files in `parts/`.
fn split() -> Dir {
    let dir = Dir::new();
    let columns = table(300, 2, 1);
    dir.write("whole.csv", to_csv(&columns));
    dir.write("parts/a.csv", to_csv(&part(&columns, 0, 100)));
    dir.write("parts/b.csv", to_csv(&part(&columns, 100, 150)));
    dir.write("parts/deep/c.csv", to_csv(&part(&columns, 150, 300)));
    dir
}

#[test]
fn files_folders_and_patterns() {
    let dir = split();
    let whole = dir.fit("whole.csv --target y");
    let all = ["parts/a.csv", "parts/b.csv", "parts/deep/c.csv"];
    for line in [
        "parts",
        "parts/",
        "parts/**/*.csv",
        "parts/*.csv parts/deep/c.csv",
        "parts/[ab].csv parts/deep",
        "parts/{a,b}.csv parts/*/?.csv",
        "parts/a.csv parts/b.csv parts/deep/c.csv",
    ] {
        let report = dir.fit(&format!("{line} --target y"));
        assert_eq!(inputs(&report), all, "{line}");
        assert_eq!(report["ledger"]["rows_used"], 300);
        same_estimates(&report, &whole);
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_its_paths() {
    let dir = Dir::new();
    for name in ["d/b.csv", "d/a.csv", "d/c/a.csv", "d/10.csv", "d/9.csv"] {
        dir.write(name, "x,y\n1,2\n2,3\n3,5\n");
    }
    let report = dir.fit("d --target y");
    assert_eq!(inputs(&report), ["d/10.csv", "d/9.csv", "d/a.csv", "d/b.csv", "d/c/a.csv"]);
}

#[test]
fn what_is_no_data_is_passed_over() {
    let dir = split();
    dir.write("parts/_SUCCESS", "");
    dir.write("parts/.hidden.csv", "a,b\n1,2\n");
    dir.write("parts/_temporary/x.csv", "a,b\n1,2\n");
    dir.write("parts/readme.txt", "not a table");
    let report = dir.fit("parts --target y");
    assert_eq!(inputs(&report).len(), 3);
}

#[test]
fn names_that_look_like_patterns() {
    let dir = Dir::new();
    dir.write("odd[1]*.csv", "x,y\n1,2\n2,3\n3,5\n");
    let report = dir.streamreg("fit --target y --format json").arg("odd[1]*.csv").success().json();
    assert_eq!(inputs(&report), ["odd[1]*.csv"]);
}

#[test]
fn nothing_to_read() {
    let dir = Dir::new();
    dir.write("empty/readme.txt", "");
    dir.streamreg("fit missing.csv --target y").fails(3, &["missing.csv"]);
    dir.streamreg("fit missing/*.csv --target y").fails(3, &["missing"]);
    dir.streamreg("fit none*.csv --target y").fails(3, &["none*.csv", "no file matches"]);
    dir.streamreg("fit empty --target y").fails(3, &["empty", ".parquet"]);
}

#[test]
fn hive_keys_are_columns() {
    let dir = Dir::new();
    let columns = table(400, 1, 2);
    let mut whole = String::from("x1,y,year,rate\n");
    for (index, (year, rate)) in
        [(2021, "0.5"), (2022, "1"), (2023, "2.25"), (2024, "4")].into_iter().enumerate()
    {
        let rows = part(&columns, 100 * index, 100 * (index + 1));
        for (x, y) in rows[0].1.iter().zip(&rows[1].1) {
            whole += &format!("{x:?},{y:?},{year},{rate}\n");
        }
        let name = format!("d/year={year}/rate={rate}/part.parquet");
        write_parquet(&dir.path(&name), &batch(&rows), WriterProperties::default());
    }
    dir.write("whole.csv", whole);
    let expected = dir.fit("whole.csv --target y");
    for line in ["d", "d/year=*/*/*.parquet", "d/**/*.parquet"] {
        let report = dir.fit(&format!("{line} --target y"));
        assert_eq!(terms(&report), ["(Intercept)", "x1", "year", "rate"]);
        same_estimates(&report, &expected);
    }
    let report = dir.fit("d --target y --features year");
    same_estimates(&report, &dir.fit("whole.csv --target y --features year"));
    // A key can be the response, and be kept by predict.
    dir.streamreg("fit d --target y --features x1 --save-model m.json").success();
    let kept = dir.streamreg("predict m.json d --keep year").success().csv();
    assert_eq!((kept[1][0].as_str(), kept[400][0].as_str()), ("2021", "2024"));
    dir.fit("d --target year --features x1");
}

#[test]
fn hive_keys_of_text_and_nulls() {
    let dir = Dir::new();
    let rows = "x,y\n1,2\n2,3\n3,5\n4,6\n";
    dir.write("d/city=S%C3%A3o%20Paulo/k=1/a.csv", rows);
    dir.write("d/city=Oslo/k=__HIVE_DEFAULT_PARTITION__/a.csv", rows);
    let report = dir.fit("d --target y --exclude k");
    assert_eq!(
        report["left_out"],
        json!([{"column": "city", "reason": "text; name it as a feature to use it as a category"}])
    );
    let report = dir.fit("d --target y --features x,k --collinear drop");
    assert_eq!(report["ledger"]["dropped"], json!([{"column": "k", "reason": "null", "rows": 4}]));
    dir.streamreg("fit d --target y --features x --save-model m.json").success();
    let kept = dir.streamreg("predict m.json d --keep city").success().csv();
    assert_eq!((kept[1][0].as_str(), kept[8][0].as_str()), ("Oslo", "São Paulo"));
}

#[test]
fn hive_keys_must_agree() {
    let dir = Dir::new();
    dir.write("d/year=1/a.csv", "x,y\n1,2\n");
    dir.write("d/month=1/a.csv", "x,y\n1,2\n");
    dir.streamreg("fit d --target y").fails(3, &["year=1", "month=1"]);
    dir.write("e/x=1/a.csv", "x,y\n1,2\n");
    dir.write("e/x=3/a.csv", "x,y\n1,4\n");
    dir.write("e/x=5/a.csv", "x,y\n7,7\n");
    // The folders' value is taken, and that is said.
    let report = dir.fit("e --target y");
    dir.write("whole.csv", "x,y\n1,2\n3,4\n5,7\n");
    same_estimates(&report, &dir.fit("whole.csv --target y"));
    assert!(report["warnings"][0]["message"].as_str().unwrap().contains("\"x\" stands in the files"));
}

#[test]
fn columns_in_another_order_and_of_wider_types() {
    let dir = Dir::new();
    let whole: Vec<i64> = (0..90).map(|i| (i * i) % 23).collect();
    let y: Vec<f64> = (0..90).map(|i| f64::from((i * 7) % 31)).collect();
    let y_of = |range: std::ops::Range<usize>| Arc::new(Float64Array::from(y[range].to_vec())) as ArrayRef;
    let write =
        |name: &str, batch: RecordBatch| write_parquet(&dir.path(name), &batch, WriterProperties::default());
    let x: Int16Array = whole[..30].iter().map(|&v| v as i16).collect();
    write("d/1.parquet", arrays([("x", Arc::new(x) as ArrayRef), ("y", y_of(0..30))]));
    let x = Int64Array::from(whole[30..60].to_vec());
    write("d/2.parquet", arrays([("y", y_of(30..60)), ("x", Arc::new(x) as ArrayRef)]));
    let x: Float32Array = whole[60..].iter().map(|&v| v as f32).collect();
    write("d/3.parquet", arrays([("y", y_of(60..90)), ("x", Arc::new(x) as ArrayRef)]));
    let columns: Table =
        vec![("x".into(), whole.iter().map(|&v| v as f64).collect()), ("y".into(), y.clone())];
    dir.write("whole.csv", to_csv(&columns));
    let report = dir.fit("d --target y");
    same_estimates(&report, &dir.fit("whole.csv --target y"));
    let i = dir.streamreg("inspect d --verify --format json").success().json();
    assert_eq!((&i["columns"][0]["type"], &i["verified"]["rows"]), (&json!("Float64"), &json!(90)));
    let i = dir.streamreg("inspect d/1.parquet d/2.parquet --format json").success().json();
    assert_eq!(i["columns"][0]["type"], "Int64");
    // CSV and Parquet together.
    dir.write("mixed/1.csv", to_csv(&part(&columns, 0, 45)));
    write("mixed/2.parquet", batch(&part(&columns, 45, 90)));
    same_estimates(&dir.fit("mixed --target y"), &report);
    dir.streamreg("fit d --target y --save-model m.json").success();
    let kept = dir.streamreg("predict m.json mixed --keep x").success().csv();
    assert_eq!(kept.len(), 91);
}

#[test]
fn schemas_that_disagree_name_both_files() {
    let dir = Dir::new();
    let numbers = || Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0])) as ArrayRef;
    let words = || Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef;
    let write = |name: &str, columns: Vec<(&str, ArrayRef)>| {
        write_parquet(&dir.path(name), &arrays(columns), WriterProperties::default());
    };
    write("base.parquet", vec![("x", numbers()), ("y", numbers())]);
    write("text.parquet", vec![("x", words()), ("y", numbers())]);
    write("fewer.parquet", vec![("y", numbers())]);
    write("more.parquet", vec![("x", numbers()), ("y", numbers()), ("z", numbers())]);
    for (other, name) in [("text.parquet", "\"x\""), ("fewer.parquet", "\"x\""), ("more.parquet", "\"z\"")] {
        for command in ["fit --target y", "inspect"] {
            dir.streamreg(&format!("{command} base.parquet {other}"))
                .fails(3, &["base.parquet", other, name]);
        }
        dir.streamreg(&format!("fit --target y {other} base.parquet")).fails(3, &["base.parquet", other]);
    }
    dir.write("a.csv", "x,y\n1,2\n2,3\n");
    dir.write("b.csv", "x,z\n1,2\n2,3\n");
    dir.streamreg("fit a.csv b.csv --target y").fails(3, &["a.csv", "b.csv"]);
}

#[test]
fn the_same_file_twice_is_refused() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(30, 1, 1)));
    dir.streamreg("fit d.csv ./d.csv --target y").fails(2, &["named twice", "./d.csv"]);
}

#[test]
fn a_text_file_without_rows_among_others() {
    // It has no types of its own, so it cannot disagree.
    let dir = Dir::new();
    dir.write("d/1.csv", "x1,y\n");
    dir.write("d/2.csv", to_csv(&table(30, 1, 1)));
    assert_eq!(dir.fit("d --target y")["ledger"]["rows_used"], 30);
}

#[test]
fn a_parquet_file_without_rows_among_others() {
    let dir = Dir::new();
    let none: Vec<f64> = Vec::new();
    dir.write("e/2.csv", to_csv(&table(30, 1, 1)));
    write_parquet(
        &dir.path("e/1.parquet"),
        &batch(&[("x1".into(), none.clone()), ("y".into(), none)]),
        WriterProperties::default(),
    );
    assert_eq!(dir.fit("e --target y")["ledger"]["rows_used"], 30);
}
