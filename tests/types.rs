//! Every column type, encoding, codec and page version gives the fit of the same values in float64.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, UInt64Array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use streamreg::{FitReport, Regression};

use crate::util::{Dir, Random, arrays, close, numbers_only, write_parquet};

const ROWS: usize = 2_500;

/// Whole numbers from `low` up to below `low + 100`, with a null in every eleventh row if `nullable`.
fn whole(low: i64, nullable: bool) -> PrimitiveArray<Int64Type> {
    let mut random = Random::new(3);
    (0..ROWS).map(|row| (!nullable || row % 11 != 5).then(|| low + random.below(100) as i64)).collect()
}

fn response() -> ArrayRef {
    Arc::new(Float64Array::from(Random::new(4).vector(ROWS)))
}

fn fit(dir: &Dir, x: ArrayRef, properties: WriterProperties) -> FitReport {
    let path = dir.path("d.parquet");
    write_parquet(&path, &arrays([("x", x), ("y", response())]), properties);
    // Dates and times are features only where they are named.
    Regression::new("y").features(["x"]).fit_paths(&[Path::new(&path)]).unwrap()
}

/// The column `x` must fit as its values in float64 do.
#[track_caller]
fn same_fit(what: &str, x: ArrayRef, values: &Float64Array) {
    let dir = Dir::new();
    let expected = fit(&dir, Arc::new(values.clone()), WriterProperties::default());
    assert_eq!(expected.ledger.rows_dropped(), values.null_count() as u64);
    let found = fit(&dir, x, WriterProperties::default());
    assert_eq!(numbers_only(&found), numbers_only(&expected), "{what}");
}

fn floats(values: &Int64Array, convert: impl Fn(i64) -> f64) -> Float64Array {
    values.iter().map(|v| v.map(&convert)).collect()
}

#[test]
fn integers() {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    for nullable in [false, true] {
        for kind in [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64] {
            let values = whole(if kind.is_signed_integer() { -50 } else { 0 }, nullable);
            same_fit(&kind.to_string(), cast(&values, &kind).unwrap(), &floats(&values, |v| v as f64));
        }
        // The upper half of each unsigned type, which the file stores as negative numbers.
        for (kind, low) in [(UInt8, 150), (UInt16, 65_400), (UInt32, 4_294_967_000)] {
            let values = whole(low, nullable);
            same_fit(&kind.to_string(), cast(&values, &kind).unwrap(), &floats(&values, |v| v as f64));
        }
    }
}

#[test]
fn floats_of_every_width() {
    for nullable in [false, true] {
        // Multiples of 1/8: exact in 11 bits.
        let values = floats(&whole(-50, nullable), |v| v as f64 / 8.0);
        for kind in [DataType::Float16, DataType::Float32, DataType::Float64] {
            same_fit(&kind.to_string(), cast(&values, &kind).unwrap(), &values);
        }
    }
}

#[test]
fn decimals() {
    for nullable in [false, true] {
        let cents = whole(-1_000, nullable);
        let decimal: Decimal128Array = cents.iter().map(|v| v.map(i128::from)).collect();
        let decimal: ArrayRef = Arc::new(decimal.with_precision_and_scale(38, 2).unwrap());
        for kind in [
            DataType::Decimal32(7, 2),
            DataType::Decimal64(15, 2),
            DataType::Decimal128(9, 2),
            DataType::Decimal128(18, 2),
            DataType::Decimal128(38, 2),
            DataType::Decimal256(60, 2),
        ] {
            // The float64 nearest to the decimal, which the division of two exact numbers gives.
            same_fit(
                &kind.to_string(),
                cast(&decimal, &kind).unwrap(),
                &floats(&cents, |v| v as f64 / 100.0),
            );
        }
    }
}

#[test]
fn decimals_are_rounded_once() {
    // 2^53 + 1 and more digits: dividing the rounded number by 10^k would round twice.
    let mut random = Random::new(8);
    let digits: Vec<i128> = (0..ROWS).map(|_| i128::from(random.bits()) * 1_000_003).collect();
    let exact: Float64Array =
        digits.iter().map(|d| Some(format!("{d}e-10").parse::<f64>().unwrap())).collect();
    let decimal = Decimal128Array::from(digits).with_precision_and_scale(38, 10).unwrap();
    same_fit("Decimal128(38, 10)", Arc::new(decimal), &exact);
}

#[test]
fn booleans() {
    for nullable in [false, true] {
        let values = whole(0, nullable);
        let x: BooleanArray = values.iter().map(|v| v.map(|v| v < 30)).collect();
        let numbers = floats(&values, |v| f64::from(u8::from(v < 30)));
        let dir = Dir::new();
        let fit_of = |x: ArrayRef| numbers_only(&fit(&dir, x, WriterProperties::default()));
        let (one, other) = (fit_of(Arc::new(x)), fit_of(Arc::new(numbers)));
        assert_eq!(one.replace("x[T.True]", "x"), other, "Boolean");
    }
}

#[test]
fn dates_are_days() {
    for nullable in [false, true] {
        let values = whole(19_000, nullable);
        let x = cast(&cast(&values, &DataType::Int32).unwrap(), &DataType::Date32).unwrap();
        same_fit("Date32", x, &floats(&values, |v| v as f64));
    }
}

#[test]
fn timestamps_are_seconds() {
    for zone in [None, Some("UTC".into())] {
        for (unit, per_second) in [
            (TimeUnit::Second, 1),
            (TimeUnit::Millisecond, 1_000),
            (TimeUnit::Microsecond, 1_000_000),
            (TimeUnit::Nanosecond, 1_000_000_000),
        ] {
            let values = whole(1_700_000_000, true);
            let ticks: Int64Array =
                values.iter().map(|v| v.map(|v| v * per_second + per_second / 8)).collect();
            let x = cast(&ticks, &DataType::Timestamp(unit, zone.clone())).unwrap();
            let fraction = if per_second == 1 { 0.0 } else { 0.125 };
            same_fit(&format!("{unit:?} {zone:?}"), x, &floats(&values, |v| v as f64 + fraction));
        }
    }
}

const CODECS: [fn() -> Compression; 7] = [
    || Compression::UNCOMPRESSED,
    || Compression::SNAPPY,
    || Compression::GZIP(GzipLevel::default()),
    || Compression::ZSTD(ZstdLevel::default()),
    || Compression::LZ4,
    || Compression::LZ4_RAW,
    || Compression::BROTLI(BrotliLevel::default()),
];

/// Encodings that the format allows for a type, besides the dictionary.
fn encodings(kind: &DataType) -> &'static [Encoding] {
    match kind {
        DataType::Float64 | DataType::Float32 => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
        DataType::Boolean => &[Encoding::PLAIN, Encoding::RLE],
        _ => &[Encoding::PLAIN, Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT],
    }
}

#[test]
fn encodings_codecs_and_page_versions() {
    let dir = Dir::new();
    for nullable in [false, true] {
        for kind in
            [DataType::Float64, DataType::Float32, DataType::Int32, DataType::Int64, DataType::Boolean]
        {
            let x = cast(&whole(0, nullable), &kind).unwrap();
            let values = cast(&x, &DataType::Float64).unwrap();
            let expected = numbers_only(&fit(&dir, values, WriterProperties::default()));
            for codec in CODECS {
                for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                    let base = || {
                        let pages = WriterProperties::builder()
                            .set_data_page_row_count_limit(700)
                            .set_write_batch_size(350);
                        pages.set_compression(codec()).set_writer_version(version)
                    };
                    let mut found =
                        vec![("dictionary".to_owned(), fit(&dir, Arc::clone(&x), base().build()))];
                    for &encoding in encodings(&kind) {
                        let one = base()
                            .set_dictionary_enabled(false)
                            .set_column_encoding("x".into(), encoding)
                            .set_column_encoding("y".into(), Encoding::PLAIN);
                        found.push((encoding.to_string(), fit(&dir, Arc::clone(&x), one.build())));
                    }
                    for (encoding, found) in found {
                        let what =
                            format!("{kind} {encoding} {:?} {version:?} nullable: {nullable}", codec());
                        // Booleans are categories, and named as such.
                        assert_eq!(numbers_only(&found).replace("x[T.True]", "x"), expected, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn integers_beyond_2_to_53_are_counted() {
    let big = (1i64 << 53) + 1;
    let mut signed: Vec<Option<i64>> = whole(0, false).iter().collect();
    (signed[3], signed[7], signed[8], signed[9]) = (Some(big), Some(-big), Some(1 << 53), None);
    let unsigned: UInt64Array =
        signed.iter().map(|v| v.map(|v| if v < 0 { u64::MAX } else { v as u64 })).collect();
    let dir = Dir::new();
    let columns = arrays([
        ("x", Arc::new(Int64Array::from(signed)) as ArrayRef),
        ("u", Arc::new(unsigned) as ArrayRef),
        ("y", response()),
    ]);
    write_parquet(&dir.path("d.parquet"), &columns, WriterProperties::default());
    let report = dir.fit("d.parquet --target y");
    let rounded = serde_json::json!([{"column": "x", "cells": 2}, {"column": "u", "cells": 2}]);
    assert_eq!(report["ledger"]["rounded_integers"], rounded);
    let warnings = report["warnings"].as_array().unwrap();
    let about = |name: &str| {
        let hit = |w: &&serde_json::Value| {
            w["code"] == "rounded_integers" && w["message"].as_str().unwrap().contains(name)
        };
        warnings.iter().filter(hit).count()
    };
    assert_eq!((about("\"x\""), about("\"u\"")), (1, 1), "{warnings:#?}");
    let table = dir.streamreg("fit d.parquet --target y").success();
    table.check(table.stdout.contains("beyond 2^53"), "a warning in the table");
}

#[test]
fn csv_types() {
    let dir = Dir::new();
    let mut text = String::from("flag,day,time,word,y\n");
    let mut plain = String::from("flag,day,time,y\n");
    let mut random = Random::new(9);
    for row in 0..300 {
        let (flag, day, hour, y) = (random.below(2) == 1, random.below(28), random.below(24), random.unit());
        text += &format!("{flag},2024-02-{:02},1970-01-01 {hour:02}:30:00.25,w{row},{y}\n", day + 1);
        plain += &format!("{},{},{},{y}\n", u8::from(flag), 19_754 + day, hour * 3600 + 1800)
            .replace(&format!(",{y}"), &format!(".25,{y}"));
    }
    dir.write("typed.csv", text);
    dir.write("plain.csv", plain);
    let typed = dir.fit("typed.csv --target y --features flag,day,time");
    let plain = dir.fit("plain.csv --target y --features flag,day,time");
    for (t, p) in
        crate::util::column(&typed, "estimate").into_iter().zip(crate::util::column(&plain, "estimate"))
    {
        close("estimate", t.unwrap(), p.unwrap(), 1e-12);
    }
    let default = dir.fit("typed.csv --target y");
    let left_out: Vec<&str> =
        default["left_out"].as_array().unwrap().iter().map(|l| l["column"].as_str().unwrap()).collect();
    assert_eq!(
        left_out,
        ["day", "time", "word"],
        "booleans are features, dates and times only where they are named"
    );
}

#[test]
fn csv_types_can_be_said() {
    let dir = Dir::new();
    // The sample is the first 10,000 records: what comes later needs --schema.
    let mut text = String::from("id,x,y\n");
    for row in 0..12_000 {
        text += &format!("{},{},{}\n", row, row % 7, (row * row) % 11);
    }
    text += "x-1,2,3\n";
    dir.write("d.csv", text);
    dir.streamreg("fit d.csv --target y").fails(3, &["d.csv", "line 12002", "\"id\""]);
    let report = dir.fit("d.csv --target y --schema id=text");
    assert_eq!(report["left_out"][0]["column"], "id");
    assert_eq!(report["ledger"]["rows_used"], 12_001);
    dir.streamreg("fit d.csv --target y --schema id=colour")
        .fails(2, &["colour", "number, boolean, date, timestamp, time, text"]);
    dir.streamreg("fit d.csv --target y --schema id").fails(2, &["COLUMN=TYPE"]);
    dir.streamreg("fit d.csv --target y --schema zzz=text").fails(3, &["\"zzz\"", "\"id\", \"x\", \"y\""]);
}

#[test]
fn decimals_after_integers() {
    let dir = Dir::new();
    let rows: String = (0..60_000).map(|row| format!("{},{}\n", row % 9, (row * 7) % 13)).collect();
    dir.write("d.csv", format!("x,y\n{rows}2.5,3\n"));
    let report = dir.fit("d.csv --target y");
    assert_eq!(report["ledger"]["rows_used"], 60_001);
}
