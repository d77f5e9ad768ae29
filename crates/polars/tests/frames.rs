//! Lazy frames.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use polars::prelude as pl;
use polars::prelude::{IntoLazy, NamedFrom};
use streamreg::Regression;
use streamreg_polars::LazyFrameSource;
use streamreg_reader::{ScanRequest, Source};

fn frame(rows: std::ops::Range<i64>) -> pl::DataFrame {
    let city = |i: i64| (i % 5 != 0).then(|| format!("city {}", i % 3));
    let y = |i: i64| (i % 7 != 0).then(|| i as f64 / 4.0);
    pl::DataFrame::new_infer_height(vec![
        pl::Series::new("x".into(), rows.clone().collect::<Vec<_>>()).into(),
        pl::Series::new("y".into(), rows.clone().map(y).collect::<Vec<_>>()).into(),
        pl::Series::new("city".into(), rows.map(city).collect::<Vec<_>>()).into(),
    ])
    .unwrap()
}

fn batches(source: &dyn Source, request: &ScanRequest) -> Vec<RecordBatch> {
    let scan = source.scan(request).unwrap();
    let mut all = Vec::new();
    while let Some(partition) = scan.next_partition() {
        all.extend(partition.unwrap().batches.map(Result::unwrap));
    }
    all
}

fn whole(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    batches.iter().flat_map(|b| b.column(column).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[test]
fn a_query_of_ones_own() {
    let query = frame(0..100_000)
        .lazy()
        .filter(pl::col("x").gt(pl::lit(9)))
        .with_column((pl::col("x") * pl::lit(2)).alias("z"));
    let source = LazyFrameSource::new(query).unwrap();
    let request = ScanRequest::new(["z", "x"]).verbatim(["z"]);
    for _ in 0..2 {
        let read = batches(&source, &request);
        assert_eq!(whole(&read, 1), (10..100_000).collect::<Vec<_>>());
        assert_eq!(whole(&read, 0), whole(&read, 2));
        assert!(read.iter().all(|batch| batch.num_rows() <= 4_096));
    }
    let rows: usize =
        batches(&source, &ScanRequest::new(Vec::<String>::new())).iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 99_990);
    assert!(source.scan(&ScanRequest::new(["nothing"])).is_err());
    // A scan that is left early ends its query.
    let scan = source.scan(&request).unwrap();
    let first = scan.next_partition().unwrap().unwrap();
    assert_eq!(first.batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 65_536);
}

#[test]
fn a_frame_has_the_fit_of_its_rows() {
    let query = frame(0..70_000).lazy().filter(pl::col("x").gt(pl::lit(10)));
    let source = LazyFrameSource::new(query.clone()).unwrap();
    let regression =
        Regression::new("y").features(["x2"]).with("x2", "x * 2").filter("x < 50000 and city is not null");
    let report = regression.fit_source(&source).unwrap();
    assert!((report.estimate("x2").unwrap() - 0.125).abs() < 1e-12);
    let kept =
        pl::col("x").lt(pl::lit(50_000)).and(pl::col("city").is_not_null()).and(pl::col("y").is_not_null());
    let collected = query.filter(kept).collect().unwrap();
    assert_eq!(report.ledger.rows_used, collected.height() as u64);
}

#[test]
fn errors_of_a_query_are_errors() {
    let bad =
        frame(0..100_000).lazy().with_column(pl::col("city").strict_cast(pl::DataType::Int64).alias("n"));
    let source = LazyFrameSource::new(bad).unwrap();
    let scan = source.scan(&ScanRequest::new(["n"])).unwrap();
    let error = scan.next_partition().unwrap().err().unwrap();
    assert!(error.to_string().contains("city"), "{error}");
    assert!(scan.next_partition().is_none());
    assert!(LazyFrameSource::new(frame(0..1).lazy().select([pl::col("no")])).is_err());
}
