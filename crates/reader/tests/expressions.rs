//! Derived columns and filters.

use std::sync::{Arc, Mutex};

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;
use streamreg_reader::rows::Expressions;
use streamreg_reader::{Error, ErrorKind, InputFile, Result, Scan, ScanRequest, Source, Summary};

use crate::util::{Folder, batch, batches, floats, open, partitions, rows, texts};

fn expressions(
    inner: impl Source + 'static,
    with: &[(&str, &str)],
    filter: Option<&str>,
) -> Result<Expressions<'static>> {
    let with: Vec<_> = with.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Expressions::new(Box::new(inner), &with, filter)
}

fn flights(rows: std::ops::Range<i64>) -> RecordBatch {
    let year: Int64Array = rows.clone().map(|i| Some(1990 + i % 30)).collect();
    let carrier: StringArray =
        rows.clone().map(|i| [Some("UA"), Some("AA"), None, Some("DL")][(i % 4) as usize]).collect();
    let delay: Float64Array = rows.clone().map(|i| (i % 7 != 3).then(|| i as f64 / 2.0 - 3.0)).collect();
    let id: Int64Array = rows.map(Some).collect();
    batch(&[
        ("year", Arc::new(year) as ArrayRef),
        ("carrier", Arc::new(carrier)),
        ("arr delay", Arc::new(delay)),
        ("id", Arc::new(id)),
    ])
}

fn file(folder: &Folder, groups: &[RecordBatch]) -> streamreg_reader::Dataset {
    open(&folder.parquet("flights.parquet", groups, WriterProperties::default()))
}

/// Remembers what was asked of the source inside.
struct Recorder {
    inner: streamreg_reader::Dataset,
    requests: Arc<Mutex<Vec<ScanRequest>>>,
}

impl Source for Recorder {
    fn schema(&self) -> &SchemaRef {
        self.inner.schema()
    }

    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan + '_>> {
        self.requests.lock().unwrap().push(request.clone());
        self.inner.scan(request)
    }

    fn inputs(&self) -> Vec<InputFile> {
        self.inner.inputs()
    }

    fn summary(&self) -> Summary {
        self.inner.summary()
    }

    fn verify_unchanged(&self) -> Result<()> {
        self.inner.verify_unchanged()
    }
}

#[test]
fn rows_for_which_the_filter_is_true() {
    let folder = Folder::new();
    let source = file(&folder, &[flights(0..10_000)]);
    let filtered = expressions(source, &[], Some("year >= 2000 and carrier <> 'UA'")).unwrap();
    let read = batches(&filtered, &ScanRequest::new(["id", "carrier"]));
    let expected: Vec<f64> =
        (0..10_000).filter(|i| i % 30 >= 10 && [1, 3].contains(&(i % 4))).map(f64::from).collect();
    assert_eq!(floats(&read, 0), expected);
    assert!(texts(&read, 1).iter().all(|c| matches!(c.as_deref(), Some("AA" | "DL"))));
    assert_eq!(filtered.counts().rows_filtered, 10_000 - expected.len() as u64);
    assert_eq!(filtered.summary().rows, None);
    assert_eq!(filtered.inputs().len(), 1);
    filtered.verify_unchanged().unwrap();
}

#[test]
fn derived_columns_use_earlier_ones_and_names_with_blanks() {
    let folder = Folder::new();
    let source = file(&folder, &[flights(0..9_000)]);
    let with = [
        ("late", "\"arr delay\" > 15"),
        ("delay2", "2 * \"arr delay\""),
        ("delay 4", "delay2 * 2 + case when carrier = 'UA' then 1 else 0 end"),
        ("half", "id / 2"),
        ("name", "lower(coalesce(carrier, 'None')) || '!'"),
    ];
    let source = expressions(source, &with, Some("delay2 is not null and id % 2 = 0")).unwrap();
    let schema = Arc::clone(source.schema());
    assert_eq!(schema.field_with_name("late").unwrap().data_type(), &DataType::Boolean);
    assert_eq!(schema.field_with_name("half").unwrap().data_type(), &DataType::Float64);
    assert_eq!(schema.field_with_name("name").unwrap().data_type(), &DataType::Utf8);
    assert_eq!(source.summary().null_counts.len(), schema.fields().len());
    let request = ScanRequest::new(["delay 4", "id", "name", "late"]).verbatim(["carrier", "half"]);
    let read = batches(&source, &request);
    let ids: Vec<i64> = (0..9_000).filter(|i| i % 7 != 3 && i % 2 == 0).collect();
    assert_eq!(floats(&read, 1), ids.iter().map(|&i| i as f64).collect::<Vec<_>>());
    let delay = |i: i64| i as f64 / 2.0 - 3.0;
    let expected: Vec<f64> = ids.iter().map(|&i| 4.0 * delay(i) + f64::from(u8::from(i % 4 == 0))).collect();
    assert_eq!(floats(&read, 0), expected);
    assert_eq!(floats(&read, 5), ids.iter().map(|&i| i as f64 / 2.0).collect::<Vec<_>>());
    let lower = |c: &Option<String>| Some(format!("{}!", c.clone().unwrap_or("None".into()).to_lowercase()));
    assert_eq!(texts(&read, 2), texts(&read, 4).iter().map(lower).collect::<Vec<_>>());
    let late: Vec<bool> = read
        .iter()
        .flat_map(|b| {
            b.column(3)
                .as_any()
                .downcast_ref::<BooleanArray>()
                .unwrap()
                .iter()
                .map(|v| v.unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(late, ids.iter().map(|&i| delay(i) > 15.0).collect::<Vec<_>>());
}

#[test]
fn only_what_is_needed_is_read() {
    let folder = Folder::new();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder { inner: file(&folder, &[flights(0..100)]), requests: Arc::clone(&requests) };
    let with = [("a", "year + 1"), ("b", "a * \"arr delay\""), ("unused", "cast(carrier as int)")];
    let source = expressions(recorder, &with, Some("a > 0")).unwrap();
    let columns = |columns: &[&str]| {
        assert_eq!(rows(&batches(&source, &ScanRequest::new(columns.iter().copied()))), 100);
        requests.lock().unwrap().pop().unwrap().columns
    };
    assert_eq!(columns(&["id"]), ["id", "year"]);
    assert_eq!(columns(&["a", "year"]), ["year"]);
    assert_eq!(columns(&["b"]), ["year", "arr delay"]);
    assert_eq!(columns(&[]), ["year"]);
    let source = expressions(file(&folder, &[flights(0..100)]), &with, None).unwrap();
    assert_eq!(rows(&batches(&source, &ScanRequest::new(Vec::<String>::new()))), 100);
}

#[test]
fn dictionaries_pass_through_a_filter() {
    let folder = Folder::new();
    let source = file(&folder, &[flights(0..20_000)]);
    let source =
        expressions(source, &[("first", "left(carrier, 1)")], Some("carrier in ('UA', 'DL')")).unwrap();
    let request = ScanRequest::new(["carrier", "first", "id"]).dictionaries(["carrier"]);
    let read = batches(&source, &request);
    let values = |b: &RecordBatch| {
        Arc::clone(b.column(0).as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap().values())
    };
    assert!(read.windows(2).all(|w| Arc::ptr_eq(&values(&w[0]), &values(&w[1]))));
    assert_eq!(rows(&read), 10_000);
    let first = texts(&read, 0).iter().map(|c| c.as_ref().map(|c| c[..1].to_owned())).collect::<Vec<_>>();
    assert_eq!(texts(&read, 1), first);
}

#[test]
fn partitions_without_a_row_keep_their_place() {
    let folder = Folder::new();
    let groups: Vec<_> = (0..4).map(|i| flights(i * 40_000..(i + 1) * 40_000)).collect();
    let source = file(&folder, &groups);
    // The sum of a column with nothing known about it prunes nothing.
    let source = expressions(source, &[], Some("id + 0 >= 80000 and id + 0 < 120000")).unwrap();
    let parts = partitions(&source, &ScanRequest::new(["id"]));
    assert_eq!(parts.iter().map(|p| rows(p)).collect::<Vec<_>>(), [0, 0, 40_000, 0]);
    assert_eq!(source.counts().rows_filtered, 120_000);
    let pruned = expressions(file(&folder, &groups), &[], Some("id between 80000 and 119999")).unwrap();
    assert_eq!(rows(&batches(&pruned, &ScanRequest::new(["year"]))), 40_000);
    let counts = pruned.counts();
    assert_eq!((counts.row_groups, counts.row_groups_skipped, counts.rows_filtered), (1, 3, 0));
}

#[test]
fn what_is_not_true_may_be_null() {
    let folder = Folder::new();
    let group =
        |values: [Option<i64>; 3]| batch(&[("x", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]);
    let groups =
        [group([Some(1), Some(2), Some(3)]), group([None, None, None]), group([Some(10), None, Some(12)])];
    for filter in [
        "(x > 5) is not true",
        "not ((x > 5) is true)",
        "(x in (10, 12)) is not true",
        "(not (x <= 5)) is not true",
    ] {
        let path = folder.parquet("a.parquet", &groups, WriterProperties::default());
        let source = expressions(open(&path), &[], Some(filter)).unwrap();
        assert_eq!(rows(&batches(&source, &ScanRequest::new(["x"]))), 7, "{filter}");
    }
}

#[test]
fn what_is_asked_for_besides_prunes_too() {
    let folder = Folder::new();
    let groups: Vec<_> = (0..4).map(|i| flights(i * 100..(i + 1) * 100)).collect();
    let source = expressions(file(&folder, &groups), &[], Some("id >= 200")).unwrap();
    let below = streamreg_reader::Predicate::compare(
        "id",
        streamreg_reader::Comparison::Less,
        streamreg_reader::Value::Integer(300),
    );
    let request = ScanRequest::new(["id"]).prune(below);
    assert_eq!(rows(&batches(&source, &request)), 100);
}

#[test]
fn hive_keys_and_constants() {
    let folder = Folder::new();
    folder.parquet(
        "d/year=2000/a.parquet",
        &[batch(&[("x", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)])],
        WriterProperties::default(),
    );
    folder.parquet(
        "d/year=2001/a.parquet",
        &[batch(&[("x", Arc::new(Int64Array::from(vec![3, 4])) as ArrayRef)])],
        WriterProperties::default(),
    );
    let source = expressions(
        open(&folder.path("d/z").with_file_name("")),
        &[("k", "year * 10 + x"), ("one", "1.5e0")],
        Some("year = 2001 or x = 2"),
    )
    .unwrap();
    let read = batches(&source, &ScanRequest::new(["k", "one"]));
    assert_eq!(floats(&read, 0), [20_002.0, 20_013.0, 20_014.0]);
    assert_eq!(floats(&read, 1), [1.5; 3]);
    assert_eq!(rows(&batches(&source, &ScanRequest::new(["x"]))), 3);
    let nothing =
        expressions(open(&folder.path("d/z").with_file_name("")), &[], Some("year > 2001")).unwrap();
    assert_eq!(rows(&batches(&nothing, &ScanRequest::new(["x"]))), 0);
    assert_eq!(nothing.counts().bytes, 0);
    let constant = expressions(open(&folder.path("d/z").with_file_name("")), &[], Some("1 = 1")).unwrap();
    assert_eq!(rows(&batches(&constant, &ScanRequest::new(["x"]))), 4);
}

#[test]
fn csv_and_its_types() {
    let folder = Folder::new();
    let path = folder.text("a.csv", "day,at,ok,x,city\n2024-02-28,2024-02-28 10:00,true,1,Bern\n2024-02-29,2024-02-29 23:59:59.5,false,,Zug\n,,,4,\n");
    let pass = |filter: &str| {
        let source = expressions(open(&path), &[], Some(filter)).unwrap();
        rows(&batches(&source, &ScanRequest::new(["x"])))
    };
    assert_eq!(pass("day >= '2024-02-29'"), 1);
    for other in ["29/02/2024", "29-02-2024", "2024/02/29", "2024-2-29"] {
        let wrong = format!("day >= '{other}'");
        assert!(Expressions::new(Box::new(open(&path)), &[], Some(&wrong)).is_err(), "{wrong}");
    }
    assert_eq!(pass("day in ('2024-02-28', '2024-03-01')"), 1);
    assert_eq!(pass("day not in ('2024-02-28', '2024-03-01')"), 1);
    assert_eq!(pass("day between '2024-01-01' and '2024-12-31'"), 2);
    assert_eq!(pass("at > '2024-02-28 10:00:00'"), 1);
    assert_eq!(pass("'2024-02-29' <= at"), 1);
    assert_eq!(pass("at < DATE '2024-02-29'"), 1);
    assert_eq!(pass("extract(year from day) = 2024 and date_part('hour', at) = 10"), 1);
    assert_eq!(pass("ok"), 1);
    assert_eq!(pass("not ok"), 1);
    assert_eq!(pass("not (x > 1)"), 1);
    assert_eq!(pass("x is null"), 1);
    assert_eq!(pass("x = NULL"), 0);
    assert_eq!(pass("city like 'B%' or city is null"), 2);
    assert_eq!(pass("city in ('Bern', NULL)"), 1);
    assert_eq!(pass("x in (1, 4)"), 2);
    assert_eq!(pass("ln(x) >= 0 and round(abs(-x), 1) < 3 and sqrt(x) = 1"), 1);
    assert_eq!(pass("greatest(x, 2) = 2"), 2);
    assert_eq!(pass("cast(x as int) = 4"), 1);
}

#[test]
fn every_type_that_a_parquet_file_may_have() {
    let folder = Folder::new();
    let table = batch(&[
        ("i8", Arc::new(Int8Array::from(vec![Some(-1), None, Some(3)])) as ArrayRef),
        ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
        ("f32", Arc::new(Float32Array::from(vec![0.5, f32::NAN, -0.0]))),
        (
            "d",
            Arc::new(
                Decimal128Array::from(vec![Some(12_345), None, Some(-1)])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        ("date", Arc::new(Date32Array::from(vec![Some(0), None, Some(19_782)]))),
        (
            "utc",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(0), None, Some(1_700_000_000_000_000)])
                    .with_timezone("UTC"),
            ),
        ),
    ]);
    let path = folder.parquet("a.parquet", &[table], WriterProperties::default());
    let with = [
        ("i8_", "i8"),
        ("u64_", "u64"),
        ("f32_", "f32"),
        ("d_", "d"),
        ("date_", "date"),
        ("utc_", "utc"),
        ("d2", "d + 1"),
    ];
    let source = expressions(open(&path), &with, None).unwrap();
    let names = ["i8", "f32", "d", "date", "utc"];
    let copies = names.map(|n| format!("{n}_"));
    let read = batches(&source, &ScanRequest::new(names.iter().map(ToString::to_string).chain(copies)));
    // Narrow integers are computed with, and delivered, as int64.
    assert_eq!(read[0].column(5).data_type(), &DataType::Int64);
    for i in 1..names.len() {
        assert_eq!(
            format!("{:?}", read[0].column(i)),
            format!("{:?}", read[0].column(i + 5)),
            "{}",
            names[i]
        );
        let kind = |name: &str| source.schema().field_with_name(name).unwrap().data_type().clone();
        assert_eq!(kind(names[i]), kind(&format!("{}_", names[i])));
    }
    let kind = |name: &str| source.schema().field_with_name(name).unwrap().data_type().clone();
    assert_eq!(kind("date_"), DataType::Date32);
    assert_eq!(kind("utc_"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    // Arithmetic on unsigned numbers has 128 bits.
    assert_eq!(kind("u64_"), DataType::Decimal128(20, 0));
    let pass = |filter: &str| {
        let source = expressions(open(&path), &[], Some(filter)).unwrap();
        rows(&batches(&source, &ScanRequest::new(["i8"])))
    };
    assert_eq!(pass("i8 < 300"), 2);
    assert_eq!(pass("u64 > 9223372036854775807"), 1);
    assert_eq!(pass("u64 > -1"), 2);
    assert_eq!(pass("f32 = 0"), 1);
    assert_eq!(pass("f32 > 1000"), 1);
    assert_eq!(pass("d > 123"), 1);
    assert_eq!(pass("d > 123.44"), 1);
    assert_eq!(pass("utc > '2020-01-01'"), 1);
}

#[test]
fn files_with_narrower_types() {
    let folder = Folder::new();
    folder.parquet(
        "d/1.parquet",
        &[batch(&[("x", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef)])],
        WriterProperties::default(),
    );
    folder.parquet(
        "d/2.parquet",
        &[batch(&[("x", Arc::new(Float64Array::from(vec![2.5, 3.5])) as ArrayRef)])],
        WriterProperties::default(),
    );
    let source = expressions(
        open(&folder.path("d/z").with_file_name("")),
        &[("twice", "x * 2")],
        Some("x > 1.5 and x < 3"),
    )
    .unwrap();
    assert_eq!(floats(&batches(&source, &ScanRequest::new(["twice"])), 0), [4.0, 5.0]);
}

#[track_caller]
fn refused(with: &[(&str, &str)], filter: Option<&str>) -> Error {
    let folder = Folder::new();
    let error = expressions(file(&folder, &[flights(0..10)]), with, filter).err().expect("an error");
    assert!(!format!("{error}").contains('\n'), "{error}");
    error
}

#[test]
fn errors_at_construction() {
    let error = refused(&[], Some("yaer > 2000"));
    assert_eq!((error.kind(), error.column()), (ErrorKind::Column, Some("yaer")));
    let shown = error.to_string();
    assert!(shown.contains("did you mean \"year\"?") && shown.contains("yaer > 2000"), "{shown}");
    let error = refused(&[("a", "b + 1"), ("b", "year")], None);
    assert_eq!((error.kind(), error.column()), (ErrorKind::Column, Some("b")));
    for text in [
        "sum(year) > 3",
        "count(*) > 1",
        "max(year) = year",
        "row_number() over (order by year) > 2",
        "lag(year) > 2000",
        "id in (select 1)",
        "first_value(year) = 2",
        "year > avg(year)",
        "cumsum(year) > 1",
        "cum_sum(year) > 1",
        "array_agg(year) is null",
    ] {
        let error = refused(&[], Some(text));
        assert_eq!(error.kind(), ErrorKind::Request, "{text}: {error}");
    }
    let error = refused(&[("total", "sum(year)")], None);
    assert!(error.to_string().contains("the aggregate sum()") && error.column() == Some("total"), "{error}");
    for text in [
        "year +",
        "year > 2000 garbage",
        "year > 2000; drop table x",
        "",
        "carrier",
        "year",
        "id + 1",
        "* from x",
        "year > 'abc'",
        "case when year > 1 then 2",
        "\"",
        "select 1",
    ] {
        let error = refused(&[], Some(text));
        assert_eq!(error.kind(), ErrorKind::Request, "{text}: {error}");
    }
    assert_eq!(refused(&[("year", "id")], None).kind(), ErrorKind::Column);
    assert_eq!(refused(&[("a", "id"), ("a", "id")], None).kind(), ErrorKind::Column);
    assert_eq!(refused(&[("", "id")], None).kind(), ErrorKind::Request);
    assert_eq!(refused(&[("a", "null")], None).kind(), ErrorKind::Request);
    assert_eq!(refused(&[], Some(&"id > 0 or ".repeat(900))).kind(), ErrorKind::Limit);
}

#[test]
fn long_filters_do_not_overflow_the_stack() {
    let folder = Folder::new();
    let pass = |filter: &str| {
        let source = expressions(file(&folder, &[flights(0..10)]), &[], Some(filter))?;
        Ok(rows(&batches(&source, &ScanRequest::new(["id"]))))
    };
    let kind = |outcome: Result<usize>| outcome.err().map(|e| e.kind());
    let chain = |terms: usize, by: &str| (0..terms).map(|i| format!("id = {i}")).collect::<Vec<_>>().join(by);
    assert_eq!(pass(&chain(300, " or ")).unwrap(), 10);
    assert_eq!(kind(pass(&chain(501, " or "))), Some(ErrorKind::Limit));
    assert_eq!(pass(&format!("id in ({})", vec!["-1, 3"; 5_000].join(","))).unwrap(), 1);
    assert_eq!(pass(&format!("id >= {}", vec!["1"; 300].join(" + "))).unwrap(), 0);
    let nested = |depth: usize| format!("{}id{} > 1", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(kind(pass(&nested(20_000))), Some(ErrorKind::Limit));
    assert_eq!(pass(&nested(900)).unwrap(), 8);
    assert_eq!(kind(pass(&format!("{} id > 1", "not ".repeat(900)))), Some(ErrorKind::Limit));
    assert_eq!(pass(&format!("{} 1 < id", "- ".repeat(900))).unwrap(), 8);
}

#[test]
fn what_nests_is_refused_before_it_overflows_the_stack() {
    let folder = Folder::new();
    let pass = |filter: &str| {
        let source = expressions(file(&folder, &[flights(0..10)]), &[], Some(filter))?;
        Ok(rows(&batches(&source, &ScanRequest::new(["id"]))))
    };
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}id{} is not null", open.repeat(depth), close.repeat(depth))
    };
    for (open, close, depth) in [
        ("length(concat(", "))", 80),
        ("nullif(", ", 100)", 240),
        ("greatest(", ", id)", 240),
        ("abs(", ")", 240),
        ("if(id > 3, ", ", id)", 240),
        ("case when id > 3 then ", " else id end", 240),
        ("year(make_date(2000, 1, 1 + 0 * ", "))", 60),
    ] {
        assert_eq!(pass(&nested(open, close, depth)).unwrap(), 10, "{open}");
        let deeper: Result<usize> = pass(&nested(open, close, 400));
        assert_eq!(deeper.unwrap_err().kind(), ErrorKind::Limit, "{open}");
    }
    // What stands in several places is computed once.
    for (open, close) in [("(", " between true and true)"), ("case ", " when true then true else false end")]
    {
        let filter = format!("{}(id > 3){}", open.repeat(60), close.repeat(60));
        assert_eq!(pass(&filter).unwrap(), 6, "{open}");
    }
    let list: Vec<String> = (100..1_300).map(|i| i.to_string()).collect();
    assert_eq!(pass(&format!("id in ({}, id)", list.join(", "))).unwrap(), 10);
    assert_eq!(pass(&format!("id not in ({}, year)", list.join(", "))).unwrap(), 10);
    assert_eq!(pass("id in (1, id + 0, null) is null").unwrap(), 0);
    assert_eq!(pass("(id in (1, id + 1, null)) is null").unwrap(), 9);
}

#[test]
fn texts_that_grow_have_an_end() {
    let folder = Folder::new();
    let mut with = vec![("w0".to_owned(), "carrier || carrier".to_owned())];
    for i in 1..34 {
        with.push((format!("w{i}"), format!("w{0} || w{0}", i - 1)));
    }
    let source = Expressions::new(Box::new(file(&folder, &[flights(0..10)])), &with, None).unwrap();
    let scan = source.scan(&ScanRequest::new(["w33"])).unwrap();
    let error = scan.next_partition().unwrap().unwrap().batches.find_map(std::result::Result::err).unwrap();
    assert!(error.to_string().contains("256 MiB"), "{error}");
    // Each of many is short enough, all of them are not; and one value for all rows counts for every row.
    let doubled = |times: usize| {
        let mut with = vec![("w0".to_owned(), "carrier || carrier".to_owned())];
        for i in 1..times {
            with.push((format!("w{i}"), format!("w{0} || w{0}", i - 1)));
        }
        with
    };
    let mut many = doubled(23);
    many.push(("n".into(), ["length(w22 || 'x')"; 8].join(" + ")));
    let constant = vec![("c".to_owned(), format!("case when year > 0 then '{}' end", "x".repeat(200_000)))];
    for (with, column, rows) in [(many, "n", 10), (constant, "c", 10_000)] {
        let source = Expressions::new(Box::new(file(&folder, &[flights(0..rows)])), &with, None).unwrap();
        let scan = source.scan(&ScanRequest::new([column]).batch_rows(8_192)).unwrap();
        let partition = scan.next_partition().unwrap().unwrap();
        let error = partition.batches.into_iter().find_map(std::result::Result::err).unwrap();
        assert!(error.to_string().contains("1 GiB"), "{error}");
    }
}

#[test]
fn literals_are_not_cut_to_the_unit_of_a_column() {
    let folder = Folder::new();
    let at = arrow_array::TimestampMillisecondArray::from(vec![1_704_067_200_000; 4]);
    let path = folder.parquet(
        "a.parquet",
        &[batch(&[("t", Arc::new(at) as ArrayRef)])],
        WriterProperties::default(),
    );
    for (filter, passing) in [
        ("t = '2024-01-01 00:00:00.0009'", 0),
        ("t < '2024-01-01 00:00:00.0009'", 4),
        ("t < timestamp '2024-01-01 00:00:00.0009'", 4),
        ("t >= '2024-01-01 00:00:00.000000001'", 0),
        ("t in ('2024-01-01', '2024-01-01 00:00:00.5')", 4),
        ("t between '2023-12-31 23:59:59.9999' and '2024-01-01'", 4),
    ] {
        let source = expressions(open(&path), &[], Some(filter)).unwrap();
        assert_eq!(rows(&batches(&source, &ScanRequest::new(["t"]))), passing, "{filter}");
    }
    for text in ["t::timestamp(0) = t", "cast(-1 as ubigint) < 0"] {
        assert_eq!(
            expressions(open(&path), &[], Some(text)).err().unwrap().kind(),
            ErrorKind::Request,
            "{text}"
        );
    }
}

#[test]
fn a_row_that_cannot_be_computed_is_an_error() {
    let folder = Folder::new();
    let source =
        expressions(file(&folder, &[flights(0..10)]), &[("c", "cast(carrier as int)")], None).unwrap();
    let scan = source.scan(&ScanRequest::new(["c"])).unwrap();
    let mut read: Vec<_> = scan.next_partition().unwrap().unwrap().batches.collect();
    let error = read.pop().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::Expression, Some("c")));
    assert!(error.path().unwrap().ends_with("flights.parquet"), "{error}");
    assert!(
        error.to_string().contains("cast(carrier as int)") && !error.to_string().contains('\n'),
        "{error}"
    );
    // Rows that the filter leaves out are not computed.
    let source = expressions(
        file(&folder, &[flights(0..10)]),
        &[("c", "cast(carrier as int)")],
        Some("carrier is null"),
    )
    .unwrap();
    assert_eq!(rows(&batches(&source, &ScanRequest::new(["c"]))), 2);
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3i64..6).prop_map(|v| v.to_string()),
        (-3i64..6).prop_map(|v| format!("{}.5", v)),
        Just("0.1".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("NULL".to_owned()),
        Just("300".to_owned()),
        Just("-3000000000".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just("i8"), Just("i64"), Just("u64"), Just("f32"), Just("f64")];
    let op = prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")];
    let leaf = prop_oneof![
        4 => (number.clone(), op.clone(), literal()).prop_map(|(c, op, v)| format!("{c} {op} {v}")),
        1 => (number.clone(), op.clone(), literal()).prop_map(|(c, op, v)| format!("{v} {op} {c}")),
        1 => (number.clone(), -3i64..3, 0i64..4).prop_map(|(c, v, w)| format!("{c} between {v} and {w}")),
        1 => (number.clone(), -3i64..3, 0i64..4).prop_map(|(c, v, w)| format!("{c} not in ({v}, {w})")),
        1 => (number.clone(), -3i64..3).prop_map(|(c, v)| format!("{c} in ({v}, NULL)")),
        1 => (op.clone(), "[ab]{0,2}").prop_map(|(op, v)| format!("text {op} '{v}'")),
        1 => (op, -3i64..6).prop_map(|(op, v)| format!("date {op} '1970-01-{:02}'", v + 4)),
        1 => Just("text is null".to_owned()),
        1 => Just("flag".to_owned()),
        1 => Just("text like 'a%'".to_owned()),
        1 => number.prop_map(|c| format!("{c} is not null")),
        1 => Just("i64 + 1 > 2".to_owned()),
        1 => (-3i64..3).prop_map(|v| format!("(i64 > {v}) is not true")),
        1 => (-3i64..3).prop_map(|v| format!("(f64 in ({v}, 2)) is true")),
    ];
    leaf.prop_recursive(3, 10, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn group() -> impl Strategy<Value = RecordBatch> {
    let whole = proptest::collection::vec(proptest::option::weighted(0.8, -3i64..4), 3);
    let float = prop_oneof![
        (-3i32..4).prop_map(f64::from),
        Just(f64::NAN),
        Just(-0.0),
        Just(0.1),
        Just(9_007_199_254_740_992.0)
    ];
    let floats = proptest::collection::vec(proptest::option::weighted(0.8, float), 3);
    let text = proptest::collection::vec(proptest::option::weighted(0.8, "[abc]{0,2}"), 3);
    (whole, floats, text, any::<bool>()).prop_map(|(whole, floats, text, large)| {
        let i64s = whole.iter().map(|v| v.map(|v| if large { v + 9_007_199_254_740_992 } else { v }));
        batch(&[
            ("i8", Arc::new(whole.iter().map(|v| v.map(|v| v as i8)).collect::<Int8Array>()) as ArrayRef),
            ("i64", Arc::new(i64s.collect::<Int64Array>())),
            ("u64", Arc::new(whole.iter().map(|v| v.map(|v| v as u64)).collect::<UInt64Array>())),
            ("f32", Arc::new(floats.iter().map(|v| v.map(|v| v as f32)).collect::<Float32Array>())),
            ("f64", Arc::new(floats.iter().copied().collect::<Float64Array>())),
            ("text", Arc::new(text.into_iter().collect::<StringArray>())),
            ("date", Arc::new(whole.iter().map(|v| v.map(|v| v as i32)).collect::<Date32Array>())),
            ("flag", Arc::new(whole.iter().map(|v| v.map(|v| v > 0)).collect::<BooleanArray>())),
            ("id", Arc::new(whole.iter().map(|v| v.unwrap_or(9)).collect::<Int64Array>())),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pruning_changes_no_row(groups in proptest::collection::vec(group(), 1..5), filter in condition()) {
        let folder = Folder::new();
        let blind = WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
        let seeing = folder.parquet("a.parquet", &groups, WriterProperties::default());
        let blind = folder.parquet("b.parquet", &groups, blind);
        let read = |path: &std::path::Path| {
            let source = match expressions(open(path), &[], Some(&filter)) {
                Ok(source) => source,
                Err(e) => return Err(TestCaseError::fail(format!("{filter}: {e}"))),
            };
            let read = batches(&source, &ScanRequest::new(["id", "i64", "text"]));
            Ok((format!("{:?}", (floats(&read, 0), floats(&read, 1), texts(&read, 2))), source.counts().row_groups_skipped))
        };
        let (pruned, all) = (read(&seeing)?, read(&blind)?);
        prop_assert_eq!(pruned.0, all.0, "{}", filter);
    }
}
