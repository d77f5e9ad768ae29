//! `streamreg predict` and `streamreg evaluate`.

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::util::{Dir, arrays, close, number, table, to_csv, write_parquet};

/// The t quantile of a 95 % interval with 3 degrees of freedom.
const T3: f64 = 3.182_446_305_284_263;

/// A fit by hand: y = 1.5 + 0.9 x, RSS 0.7 on 3 degrees of freedom, mean x 3, Sxx 10.
fn small() -> Dir {
    let dir = Dir::new();
    dir.write("train.csv", "x,y\n1,2\n2,4\n3,4\n4,5\n5,6\n");
    dir.streamreg("fit train.csv --target y --save-model m.json").success();
    dir
}

/// Half the width of the interval at `x`.
fn half_width(x: f64, own: f64) -> f64 {
    T3 * (0.7f64 / 3.0 * (own + 0.2 + (x - 3.0) * (x - 3.0) / 10.0)).sqrt()
}

fn parquet_rows(dir: &Dir, name: &str) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(dir.path(name)).unwrap()).unwrap();
    reader.build().unwrap().map(|b| b.unwrap()).collect()
}

#[test]
fn to_stdout() {
    let dir = small();
    dir.write("new.csv", "x\n0\n10\n-2.5\n");
    let rows = dir.streamreg("predict m.json new.csv").success().csv();
    assert_eq!(rows[0], ["prediction"]);
    for (row, wanted) in rows[1..].iter().zip([1.5, 10.5, -0.75]) {
        close("prediction", row[0].parse().unwrap(), wanted, 1e-13);
    }
    assert_eq!(rows.len(), 4);
}

#[test]
fn intervals_by_hand() {
    let dir = small();
    dir.write("new.csv", "x\n0\n3\n10\n");
    for (kind, prefix, own) in [("confidence", "conf", 0.0), ("prediction", "pred", 1.0)] {
        let rows = dir.streamreg(&format!("predict m.json new.csv --interval {kind}")).success().csv();
        assert_eq!(rows[0], ["prediction".to_owned(), format!("{prefix}_low"), format!("{prefix}_high")]);
        for (row, x) in rows[1..].iter().zip([0.0, 3.0, 10.0]) {
            let [fit, low, high] = [0, 1, 2].map(|i: usize| row[i].parse::<f64>().unwrap());
            close("fit", fit, 1.5 + 0.9 * x, 1e-13);
            close("low", low, fit - half_width(x, own), 1e-11);
            close("high", high, fit + half_width(x, own), 1e-11);
        }
    }
    let narrow =
        dir.streamreg("predict m.json new.csv --interval confidence --conf-level 0.5").success().csv();
    let width = |row: &[String]| row[2].parse::<f64>().unwrap() - row[1].parse::<f64>().unwrap();
    // The t quantile of a 50 % interval with 3 degrees of freedom.
    close("50 %", width(&narrow[2]) / 2.0, half_width(3.0, 0.0) / T3 * 0.764_892_328_404_345, 1e-10);
    dir.streamreg("predict m.json new.csv --interval confidence --conf-level 1.5")
        .fails(2, &["confidence level"]);
}

#[test]
fn rows_keep_their_order_and_number() {
    let dir = small();
    let n = 200_000;
    let x: Vec<Option<f64>> = (0..n).map(|i| (i % 10 != 3).then_some(f64::from(i))).collect();
    let id: Int64Array = (0..i64::from(n)).collect();
    let columns =
        arrays([("id", Arc::new(id) as ArrayRef), ("x", Arc::new(Float64Array::from(x)) as ArrayRef)]);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(33_333)).build();
    write_parquet(&dir.path("new.parquet"), &columns, properties);
    dir.streamreg("predict m.json new.parquet -o out.parquet --keep id --threads 7 --quiet").success();
    dir.streamreg("predict m.json new.parquet -o out.csv --keep id --threads 7 --quiet").success();
    let text = crate::util::csv(&dir.read("out.csv"));
    assert_eq!(text.len(), n as usize + 1);
    assert_eq!(text[0], ["id", "prediction"]);
    let mut row = 0usize;
    for batch in parquet_rows(&dir, "out.parquet") {
        let (id, fit) =
            (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Float64Type>());
        for i in 0..batch.num_rows() {
            assert_eq!(id.value(i), row as i64);
            assert_eq!(fit.is_null(i), row % 10 == 3, "row {row}");
            assert_eq!(text[row + 1][0], row.to_string());
            let expected = if fit.is_null(i) { String::new() } else { format!("{:?}", fit.value(i)) };
            assert_eq!(text[row + 1][1].parse::<f64>().ok(), expected.parse().ok(), "row {row}");
            row += 1;
        }
    }
    assert_eq!(row, n as usize);
}

#[test]
fn kept_columns_are_verbatim() {
    let dir = small();
    let ids = ["9007199254740993", "00042", "1.10", "", "12345678901234567890123"];
    let notes = ["plain", "\"a, b\"", "\"say \"\"hi\"\"\"", "\"two\nlines\"", "NA"];
    let rows: String = ids.iter().zip(notes).map(|(id, note)| format!("{id},{note},1\n")).collect();
    dir.write("new.csv", format!("id,note,x\n{rows}"));
    let out = dir.streamreg("predict m.json new.csv --keep id,note,x").success().csv();
    assert_eq!(out[0], ["id", "note", "x", "prediction"]);
    let kept: Vec<&str> = out[1..].iter().map(|r| r[0].as_str()).collect();
    assert_eq!(kept, ids);
    let kept: Vec<&str> = out[1..].iter().map(|r| r[1].as_str()).collect();
    assert_eq!(kept[..4], ["plain", "a, b", "say \"hi\"", "two\nlines"]);
    assert!(["NA", ""].contains(&kept[4]), "{kept:?}");
    assert!(out[1..].iter().all(|r| r[2] == "1"));

    dir.streamreg("predict m.json new.csv --keep id,note -o out.parquet").success();
    let batches = parquet_rows(&dir, "out.parquet");
    let id = batches[0].column(0).as_string_opt::<i32>().expect("text stays text");
    assert_eq!(id.value(0), ids[0]);
    assert_eq!(id.value(1), ids[1]);
}

#[test]
fn kept_columns_of_parquet_keep_their_type() {
    let dir = small();
    let id = Int64Array::from(vec![Some((1 << 53) + 1), None, Some(i64::MAX)]);
    let note = StringArray::from(vec![Some("a,b"), Some("2"), None]);
    let columns = arrays([
        ("id", Arc::new(id) as ArrayRef),
        ("note", Arc::new(note) as ArrayRef),
        ("x", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0])) as ArrayRef),
    ]);
    write_parquet(&dir.path("new.parquet"), &columns, WriterProperties::default());
    dir.streamreg("predict m.json new.parquet --keep note,id -o out.parquet").success();
    let out = &parquet_rows(&dir, "out.parquet")[0];
    let names: Vec<&str> = out.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["note", "id", "prediction"]);
    assert_eq!(out.column(1).as_ref(), columns.column(0).as_ref());
    let rows = dir.streamreg("predict m.json new.parquet --keep id,note").success().csv();
    assert_eq!(rows[1][..2], ["9007199254740993", "a,b"]);
    assert_eq!(rows[3][..2], ["9223372036854775807", ""]);
}

#[test]
fn nulls_where_an_input_is_null() {
    let dir = small();
    dir.write("new.csv", "x,y\n1,2\n,3\nNA,4\ninf,5\n2,\n");
    let out = dir.streamreg("predict m.json new.csv --interval prediction --quiet").success().csv();
    let empty: Vec<bool> = out[1..].iter().map(|r| r.iter().all(String::is_empty)).collect();
    assert_eq!(empty, [false, true, true, true, false], "the response need not be there: {out:?}");
    dir.streamreg("predict m.json new.csv --interval prediction --quiet -o out.parquet").success();
    let batch = &parquet_rows(&dir, "out.parquet")[0];
    assert!(batch.columns().iter().all(|c| c.null_count() == 3));
}

#[test]
fn a_single_column_of_nulls_is_still_a_row() {
    // An empty line would not be read back as a row.
    let dir = small();
    dir.write("new.csv", "id,x\n1,1\n2,\n3,3\n");
    let out = dir.streamreg("predict m.json new.csv --quiet").success();
    assert_eq!(out.stdout.lines().count(), 4);
    dir.write("back.csv", &out.stdout);
    let back = dir.streamreg("inspect back.csv --verify --format json").success().json();
    assert_eq!(back["verified"]["rows"], 3, "as many rows as the input has: {:?}", out.stdout);
}

#[test]
fn no_progress_on_stderr_unless_it_is_a_terminal() {
    let dir = small();
    dir.write("new.csv", "x\n1\n2\n");
    dir.streamreg("predict m.json new.csv -o out.csv").success();
}

#[test]
fn other_columns_and_formats_do_not_matter() {
    let dir = Dir::new();
    let train = table(300, 3, 1);
    dir.write("train.csv", to_csv(&train));
    dir.streamreg("fit train.csv --target y --save-model m.json").success();
    let expected = dir.streamreg("predict m.json train.csv").success().stdout;
    let mut other = train.clone();
    other.reverse();
    other.insert(1, ("extra".into(), vec![0.5; 300]));
    dir.write("other.csv", to_csv(&other));
    write_parquet(&dir.path("other.parquet"), &crate::util::batch(&other), WriterProperties::default());
    for file in ["other.csv", "other.parquet"] {
        assert_eq!(dir.streamreg(&format!("predict m.json {file}")).success().stdout, expected, "{file}");
    }
}

#[test]
fn dropped_columns_are_not_needed() {
    let dir = Dir::new();
    dir.write("train.csv", "a,b,y\n1,2,1\n2,4,3\n3,6,2\n5,10,4\n");
    dir.streamreg("fit train.csv --target y --save-model m.json").success();
    dir.write("new.csv", "a\n1\n");
    dir.streamreg("predict m.json new.csv").success();
    dir.streamreg("fit train.csv --target y --collinear min-norm --save-model m.json").success();
    dir.streamreg("predict m.json new.csv").run().code(3);
}

#[test]
fn predictions_of_a_fit_without_a_constant() {
    let dir = Dir::new();
    dir.write("train.csv", "x,y\n1,2.5\n2,3.5\n3,7\n4,8\n");
    dir.streamreg("fit train.csv --target y --no-intercept --save-model m.json").success();
    let rows = dir.streamreg("predict m.json train.csv --interval confidence").success().csv();
    let (slope, variance) = (62.5 / 30.0, (131.5 - 62.5 * 62.5 / 30.0) / 3.0 / 30.0);
    for (x, row) in (1..=4).map(f64::from).zip(&rows[1..]) {
        close("fit", row[0].parse().unwrap(), slope * x, 1e-13);
        close("low", row[1].parse().unwrap(), slope * x - T3 * x * f64::sqrt(variance), 1e-10);
    }
}

#[test]
fn intervals_need_degrees_of_freedom() {
    let dir = Dir::new();
    dir.write("train.csv", "x,y\n1,2\n2,5\n");
    dir.streamreg("fit train.csv --target y --save-model m.json").success();
    dir.streamreg("predict m.json train.csv").success();
    let out = dir.streamreg("predict m.json train.csv --interval confidence -o out.csv").run();
    out.check(out.code == Some(2) && out.stderr.contains("degrees of freedom"), "exit code 2 that says why");
    assert_eq!(dir.files(), ["m.json", "train.csv"]);
}

#[test]
fn the_order_of_files_is_that_of_the_command_line() {
    let dir = small();
    dir.write("b.csv", "x\n1\n2\n");
    dir.write("a.csv", "x\n3\n");
    let out = dir.streamreg("predict m.json b.csv a.csv --keep x").success().csv();
    let kept: Vec<&str> = out[1..].iter().map(|r| r[0].as_str()).collect();
    assert_eq!(kept, ["1", "2", "3"]);
}

#[test]
fn names_that_clash_are_refused() {
    let dir = small();
    dir.write("new.csv", "x,prediction\n1,2\n");
    dir.streamreg("predict m.json new.csv --keep prediction").fails(2, &["\"prediction\""]);
    dir.streamreg("predict m.json new.csv --keep zzz").fails(3, &["\"zzz\"", "\"x\", \"prediction\""]);
    dir.streamreg("predict m.json new.csv -o out.txt").fails(2, &[".parquet or .csv"]);
}

#[test]
fn evaluate_by_hand() {
    let dir = small();
    // Predictions 2.4, 4.2, 6.0; errors (prediction minus response) 0.4, -0.8, 1.0.
    dir.write("test.csv", "y,x\n2,1\n5,3\n5,5\n,2\n3,NA\n");
    let e = dir.streamreg("evaluate m.json test.csv --format json").success().json();
    close("MSE", number(&e, "mse"), 0.6, 1e-12);
    close("RMSE", number(&e, "rmse"), 0.6f64.sqrt(), 1e-12);
    close("MAE", number(&e, "mae"), 2.2 / 3.0, 1e-12);
    close("bias", number(&e, "bias"), 0.2, 1e-12);
    // The response varies by 6 about its mean of 4.
    close("R²", number(&e, "r_squared"), 1.0 - 1.8 / 6.0, 1e-12);
    assert_eq!((&e["rows"], &e["ledger"]["rows_read"]), (&3.into(), &5.into()));
    let table = dir.streamreg("evaluate m.json test.csv").success();
    for words in ["Rows", "MSE", "RMSE", "MAE", "R-squared", "Bias", "Rows dropped"] {
        table.check(table.stdout.contains(words), words);
    }
}

#[test]
fn evaluate_on_the_rows_of_the_fit_repeats_its_measures() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(5_000, 3, 2)));
    let fit = dir.streamreg("fit d.csv --target y --save-model m.json --format json").success().json();
    let e = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    close("MSE", number(&e, "mse"), number(&fit, "glance/mse"), 1e-12);
    close("R²", number(&e, "r_squared"), number(&fit, "glance/r_squared"), 1e-12);
    assert!(number(&e, "bias").abs() < 1e-13);
}

#[test]
fn evaluate_needs_rows_and_the_response() {
    let dir = small();
    dir.write("bare.csv", "x\n1\n");
    dir.streamreg("evaluate m.json bare.csv").fails(3, &["\"y\"", "\"x\""]);
    dir.write("empty.csv", "x,y\nNA,1\n1,NA\n");
    dir.streamreg("evaluate m.json empty.csv").fails(3, &["no row"]);
    dir.write("constant.csv", "x,y\n1,2\n2,2\n");
    let e = dir.streamreg("evaluate m.json constant.csv --format json").success().json();
    assert!(e["r_squared"].is_null(), "{e:#}");
}

#[test]
fn a_model_file_must_be_one() {
    let dir = small();
    let refused = |content: &str, word: &str| {
        dir.write("bad.json", content);
        dir.streamreg("predict bad.json train.csv").fails(3, &["bad.json", word]);
    };
    refused("", "not a model file");
    refused("{}", "not a model file");
    refused("x,y\n1,2\n", "not a model file");
    refused("{\"streamreg_model\": 99}", "version 99");
    let model = dir.read("m.json");
    refused(&model.replacen("\"estimate\"", "\"estimated\"", 1), "damaged");
    refused(&model.replacen("\"terms\": [\n      \"x\"", "\"terms\": [\n      \"z\"", 1), "damaged");
    refused(&model.replacen("\"terms\": [\n      \"x\"", "\"terms\": [\n      \"x + \"", 1), "damaged");
    dir.streamreg("predict missing.json train.csv").fails(3, &["missing.json"]);
}

#[test]
fn kept_text_stays_as_it_is() {
    let dir = Dir::new();
    dir.write("d.csv", "country,x,y\nNA,1,2\n,2,3\nnull,3,5\n \"DE\" ,4,4\n");
    dir.streamreg("fit d.csv --target y --features x --save-model m.json").success();
    let out = dir.streamreg("predict m.json d.csv --keep country").success();
    let kept: Vec<&str> = out.stdout.lines().skip(1).map(|l| l.split(',').next().unwrap()).collect();
    assert_eq!(kept[..3], ["NA", "", "null"]);
}

#[test]
fn a_feature_must_be_what_it_was() {
    let dir = Dir::new();
    dir.write("days.csv", "t,y\n2024-01-01,1\n2024-01-02,2\n2024-01-05,4\n");
    dir.write("times.csv", "t,y\n2024-01-01 00:00:00,1\n2024-01-02 00:00:00,2\n");
    dir.streamreg("fit days.csv --target y --features t --save-model m.json").success();
    for command in ["predict m.json times.csv", "evaluate m.json times.csv"] {
        dir.streamreg(command).fails(3, &["\"t\"", "a date"]);
    }
}

#[test]
fn the_name_of_the_constant_is_taken() {
    let dir = Dir::new();
    dir.write("d.csv", "(Intercept),z,y\n1,5,7\n2,3,6\n4,9,15\n3,1,5\n");
    dir.streamreg("fit d.csv --target y").fails(3, &["(Intercept)", "rename"]);
    dir.streamreg("fit d.csv --target y --no-intercept --save-model m.json").success();
    let report = dir.fit("d.csv --target y --no-intercept");
    let evaluation = dir.streamreg("evaluate m.json d.csv --format json").success().json();
    let (mse, found) = (report["glance"]["mse"].as_f64().unwrap(), evaluation["mse"].as_f64().unwrap());
    assert!((found - mse).abs() < 1e-12, "{found} {mse}");
}

#[cfg(unix)]
#[test]
fn links_stay_links() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,2\n2,3\n3,5\n");
    dir.write("real.txt", "old");
    std::os::unix::fs::symlink(dir.path("real.txt"), dir.path("link.txt")).unwrap();
    dir.streamreg("fit d.csv --target y --output link.txt").success();
    assert!(dir.path("link.txt").is_symlink());
    assert!(dir.read("real.txt").contains("Coefficients"));
    dir.streamreg("fit d.csv --target y --save-model m.json --output ./m.json").fails(2, &["same file"]);
}

#[test]
fn a_feature_without_any_value_gives_nulls() {
    let dir = Dir::new();
    dir.write("d.csv", "x,z,y\n1,5,7\n2,3,6\n4,9,15\n3,1,5\n");
    dir.streamreg("fit d.csv --target y --save-model m.json").success();
    dir.write("blank.csv", "x,z\n,1\nNA,2\n");
    let out = dir.streamreg("predict m.json blank.csv --keep z --quiet").success();
    assert_eq!(out.stdout, "z,prediction\n1,\n2,\n");
}

/// One row out for every row in: of one column a line is a row, empty or not.
#[test]
fn empty_lines_of_one_column_are_rows() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,3\n2,5\n4,9\n3,6\n");
    dir.streamreg("fit d.csv --target y --save-model m.json").success();
    dir.write("x.csv", "x\n1\n\n2\r\n\r\n4\n");
    let out = dir.streamreg("predict m.json x.csv --keep x --quiet").success();
    let kept: Vec<&str> = out.stdout.lines().map(|line| line.split(',').next().unwrap_or_default()).collect();
    assert_eq!(kept, ["x", "1", "", "2", "", "4"]);
    let report = dir.streamreg("fit x.csv 'x ~ 1' --format json").success().json();
    let rows = |name: &str| report["ledger"][name].as_u64();
    assert_eq!((rows("rows_read"), rows("rows_used")), (Some(5), Some(3)));
}

#[test]
fn rows_without_a_prediction_and_unknown_levels_are_told_of() {
    let dir = Dir::new();
    dir.write("d.csv", "y,g\n1,a\n2,b\n4,a\n3,b\n");
    dir.streamreg("fit d.csv --target y --features g --save-model m.json").success();
    dir.write("new.csv", "g\na\nz\n\"\"\n");
    let notice = |line: &str| dir.streamreg(&format!("predict m.json {line}")).run().code(0).stderr;
    let null = notice("new.csv --unseen null -o out.csv");
    assert!(
        null.starts_with("streamreg: 2 of 3 rows have no prediction") && null.lines().count() == 1,
        "{null}"
    );
    assert!(null.contains("1 cell") && null.contains("does not know"), "{null}");
    let other = notice("new.csv --unseen other");
    assert!(other.starts_with("streamreg: 1 of 3 rows") && other.contains("reference level"), "{other}");
    assert_eq!(notice("new.csv --unseen null -o out.csv --quiet"), "");
    assert_eq!(notice("d.csv"), "");
}

#[test]
fn rows_and_columns_of_ones_own() {
    let dir = Dir::new();
    dir.write("train.csv", "km,h,y\n10,2,11\n30,3,21\n60,4,31\n20,1,41\n99,3,67\n");
    dir.streamreg("fit train.csv 'y ~ speed' --with 'speed = km / h' --save-model m.json -q").run().code(0);
    // y = 1 + 2 speed: nearly, and the same in every way to ask.
    let rows = |line: &str| dir.streamreg(line).success().csv();
    let all = rows("predict m.json train.csv --keep km");
    let some = rows("predict m.json train.csv --keep km --where 'km > 20 and speed < 20'");
    assert_eq!(some[1..], [all[2].clone(), all[3].clone()]);
    // Miles, and a column that is copied.
    dir.write("miles.csv", "miles,h\n10,2\n30,3\n");
    dir.write("km.csv", "km,h\n16.09344,2\n48.28032,3\n");
    let with = "--with 'km = miles * 1.609344' --with 'twice = 2 * h'";
    let miles = rows(&format!("predict m.json miles.csv {with} --keep twice --where 'twice > 4'"));
    let km = rows("predict m.json km.csv");
    assert_eq!((miles.len(), miles[1][0].as_str()), (2, "6.0"));
    close("prediction", miles[1][1].parse().unwrap(), km[2][0].parse().unwrap(), 1e-14);
    dir.write("test.csv", "miles,h,y\n10,2,11\n30,3,21\n");
    dir.write("test_km.csv", "km,h,y\n16.09344,2,11\n48.28032,3,21\n");
    let measured =
        |line: &str| dir.streamreg(&format!("evaluate m.json {line} --format json")).success().json();
    let miles = measured("test.csv --with 'km = miles * 1.609344'");
    close("rmse", number(&miles, "rmse"), number(&measured("test_km.csv"), "rmse"), 1e-13);
    let slow = measured("test_km.csv --with 'slow = speed < 9' --where slow");
    assert_eq!((slow["rows"].as_u64(), slow["ledger"]["rows_filtered"].as_u64()), (Some(1), Some(1)));
    for (line, words) in [
        ("--with 'speed = 3'", ["\"speed\"", "the model computes itself"]),
        ("--with 'z = km + 1'", ["\"z\"", "no effect"]),
        ("--with z", ["--with", "NAME=SQL"]),
    ] {
        dir.streamreg(&format!("predict m.json train.csv {line}")).fails(2, &words);
        dir.streamreg(&format!("evaluate m.json train.csv {line}")).fails(2, &words);
    }
    dir.streamreg("predict m.json train.csv --where 'nope > 1'").fails(3, &["nope"]);
}
