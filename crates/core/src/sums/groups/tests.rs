use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::error::Error;
use crate::levels::Level;
use crate::model::spec::{ModelSpec, Precision, WeightType, Weights};
use crate::pass::accumulate::{PassControl, accumulate};
use crate::rows::block::Column;
use crate::rows::cutter::Levels;
use crate::sums::exact::BigFixed;
use crate::sums::statistics::Statistics;

fn design(exact: bool) -> Design {
    let names = ["y", "x"].map(|name| Field::new(name, DataType::Float64, false));
    let schema = Schema::new(names.to_vec());
    Design::new(&ModelSpec::of_columns("y", ["x"]), &schema).unwrap().with_precision(if exact {
        Precision::Exact
    } else {
        Precision::Float
    })
}

fn spec() -> TableSpec {
    TableSpec { key: vec![0, 1], variables: vec![1, 0], slopes: 1, weighted: true }
}

/// Level numbers of row `i`: six pairs, or about as many as there are rows.
fn codes(i: usize, many: bool) -> [u32; 2] {
    if many {
        [(i * 7_919 % 30_011) as u32, (i / 7 % 2) as u32]
    } else {
        [(i % 3) as u32, (i / 7 % 2) as u32]
    }
}

fn fill(table: &mut GroupTable, rows: std::ops::Range<usize>, many: bool) {
    for from in rows.clone().step_by(1_000) {
        let rows = from..rows.end.min(from + 1_000);
        let a: Vec<u32> = rows.clone().map(|i| codes(i, many)[0]).collect();
        let b: Vec<u32> = rows.clone().map(|i| codes(i, many)[1]).collect();
        let x: Vec<f64> = rows.clone().map(|i| 1e6 + (i % 11) as f64).collect();
        let y: Vec<f64> = rows.clone().map(|i| (i % 5) as f64).collect();
        let weights: Vec<f64> = rows.clone().map(|i| 1.0 + (i % 2) as f64).collect();
        let mask: Vec<bool> = rows.clone().map(|i| i % 13 != 0).collect();
        let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
        let codes = [a.as_slice(), &b];
        let (weights, mask) = (Some(weights.as_slice()), Some(mask.as_slice()));
        let block =
            DesignBlock { columns: &columns, codes: &codes, sparse: None, weights, mask, rows: rows.len() };
        let mut units = GroupTable::units(std::slice::from_ref(table));
        table.update(&block, &block.used().collect::<Vec<_>>(), &mut units).unwrap();
    }
}

/// The sums of a few keys, by the definition and by a table that the rows came to in parts.
fn check(rows: usize, many: bool, parts: &[usize], (exact, shared): (bool, bool)) {
    let design = design(exact);
    let mut table = GroupTable::new(&spec(), &design, 1);
    let mut from = 0;
    for to in parts.iter().copied().chain([rows]) {
        let mut part = if shared { table.sibling() } else { GroupTable::new(&spec(), &design, 1) };
        fill(&mut part, from..to, many);
        part.finish().unwrap();
        table.merge(part).unwrap();
        from = to;
    }
    table.complete(2).unwrap();
    let used = |i: &usize| !i.is_multiple_of(13);
    for row in [1, 2, 12, 44, rows - 2] {
        let key = codes(row, many);
        let rows: Vec<usize> = (0..rows).filter(|&i| codes(i, many) == key && used(&i)).collect();
        let w = |i: usize| 1.0 + (i % 2) as f64;
        let (x, y) = (|i: usize| (i % 11) as f64, |i: usize| (i % 5) as f64);
        let sum = |f: &dyn Fn(usize) -> f64| rows.iter().map(|&i| w(i) * f(i)).sum::<f64>();
        let record = table.find(&key).unwrap();
        assert_eq!(table.codes(table.position(&key).unwrap() as usize), key);
        assert_eq!(record.rows(), rows.len() as f64);
        assert_eq!(record.weight(), sum(&|_| 1.0));
        let close = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-12 * expected);
        close(record.sum_about(0, 1e6, 0.0), sum(&x));
        let ((ox, sx), (oy, sy)) = (record.sum(0), record.sum(1));
        let (ox, n) = (ox - 1e6, record.weight());
        let product = record.product(0, 1) + ox * sy + oy * sx + n * ox * oy;
        close(product, sum(&|i| x(i) * y(i)));
    }
    assert!(table.find(&[7, 9]).is_none());
}

#[test]
fn records_hold_the_sums_of_their_rows_however_they_came() {
    for exact in [(false, false), (false, true), (true, false), (true, true)] {
        check(200, false, &[50, 51], exact);
        check(200, true, &[50, 51], exact);
        check(150_000, false, &[5_000, 90_000], exact);
        check(150_000, true, &[5_000, 90_000], exact);
        check(600_000, true, &[5_000], exact);
    }
}

/// Rows of many keys, or of three, some of whose cells no grid holds; `odd` ones are beyond float64's exponents in products.
fn batch(rows: std::ops::Range<usize>, many: bool, odd: bool) -> RecordBatch {
    let key = |i: usize| if many { (i * 7_919 % 10_007) as i64 } else { (i % 3) as i64 };
    let x = |i: usize| match i % 97 {
        0 => 1e-90 * (i as f64).sqrt(),
        1 => 1e60 + i as f64,
        2 => 0.0,
        3 if odd => 1e-200 * i as f64,
        _ => (i as f64).sin() * 1e3,
    };
    let y = |i: usize| (i % 1_000) as f64 / 7.0;
    let w = |i: usize| 0.1 + (i % 5) as f64;
    let numbers =
        |f: &dyn Fn(usize) -> f64| Arc::new(Float64Array::from_iter_values(rows.clone().map(f))) as ArrayRef;
    let keys = Arc::new(Int64Array::from_iter_values(rows.clone().map(key))) as ArrayRef;
    RecordBatch::try_from_iter([("g", keys), ("x", numbers(&x)), ("y", numbers(&y)), ("w", numbers(&w))])
        .unwrap()
}

/// All sums of a pass over these rows, by level; of two passes they are equal if every bit is.
fn pass(
    (many, exact, weighted): (bool, bool, bool),
    partitions: &[usize],
    batch_rows: usize,
    threads: usize,
) -> BTreeMap<String, String> {
    let mut spec = ModelSpec { by: vec!["g".into()], ..ModelSpec::of_columns("y", ["x"]) };
    if weighted {
        spec.weights = Some(Weights { column: "w".into(), kind: WeightType::Analytic });
    }
    let precision = if exact { Precision::Exact } else { Precision::Float };
    let all = batch(0..1, many, exact);
    let names = Design::new(&spec, all.schema_ref()).unwrap().columns().to_vec();
    let places: Vec<usize> = names.iter().map(|name| all.schema().index_of(name).unwrap()).collect();
    let design = Design::new(&spec, all.schema_ref()).unwrap().with_precision(precision);
    let levels = Levels { sets: design.level_sets(), ..Levels::default() };
    let first = Statistics::new(&design);
    let next = AtomicUsize::new(0);
    let take = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let (from, to) = (*partitions.get(index)?, *partitions.get(index + 1)?);
        let places = places.clone();
        let batches = (from..to).step_by(batch_rows).map(move |at| {
            Ok::<_, Error>(batch(at..to.min(at + batch_rows), many, exact).project(&places).unwrap())
        });
        Some(Ok((index, batches)))
    };
    let control = PassControl { threads, ..PassControl::default() };
    let (sums, ledger) = accumulate(&design, &levels, &control, || first.sibling(&design), take).unwrap();
    assert_eq!(ledger.rows_used, *partitions.last().unwrap() as u64);
    let table = &sums.tables[0];
    let describe = |at: usize| {
        let record = table.record(at);
        let pairs = [(0, 0), (0, 1), (1, 1)];
        let level = format!("{:?}", levels.sets[0].level(table.codes(at)[0]));
        let sums = if exact {
            let own = (record.exact_sum(None), record.exact_sum(Some(0)), record.exact_sum(Some(1)));
            format!("{own:?} {:?}", pairs.map(|(u, v)| record.exact_product(u, v)))
        } else {
            let bits = |(origin, sum): (f64, f64)| (origin.to_bits(), sum.to_bits());
            let own = (record.weight().to_bits(), bits(record.sum(0)), bits(record.sum(1)));
            format!("{own:?} {:?}", pairs.map(|(u, v)| record.product(u, v).to_bits()))
        };
        (level, format!("{} {:?} {sums}", record.rows(), record.log_weights().to_bits()))
    };
    (0..table.len()).map(describe).collect()
}

/// Threads change no bit, and neither do batches; where sums are exact, partitions do not either.
#[test]
fn shards_do_not_depend_on_who_adds_to_them() {
    let (one, other) = ([0, 30_000, 31_000, 75_000], [0, 1, 52_000, 75_000]);
    for (many, exact, weighted) in [
        (true, true, false),
        (true, true, true),
        (true, false, false),
        (true, false, true),
        (false, true, false),
        (false, false, true),
    ] {
        let expected = pass((many, exact, weighted), &one, 4_096, 1);
        assert_eq!(expected.len(), if many { 10_007 } else { 3 });
        for (batch_rows, threads) in [(4_096, 3), (1_000, 2)] {
            let found = pass((many, exact, weighted), &one, batch_rows, threads);
            assert!(found == expected, "{many} {exact} {weighted} {threads} threads");
        }
        if exact {
            assert!(
                pass((many, exact, weighted), &other, 3_000, 2) == expected,
                "{many} {weighted} cut otherwise"
            );
        }
    }
}

/// The exact sums are those of the definition, one number after the other.
#[test]
fn sums_by_key_are_those_of_the_definition() {
    let rows = 40_000;
    let all = batch(0..rows, true, true);
    let column = |at: usize| all.column(at).as_primitive::<Float64Type>().values().to_vec();
    let keys = all.column(0).as_primitive::<Int64Type>();
    let (x, y) = (column(1), column(2));
    for weighted in [false, true] {
        let w = if weighted { column(3) } else { vec![1.0; rows] };
        let found = pass((true, true, weighted), &[0, 25_000, rows], 4_096, 2);
        for key in [0, 3, 9_999] {
            let own: Vec<usize> = (0..rows).filter(|&i| keys.value(i) == key).collect();
            let big = |x: f64| BigFixed::from(x);
            let sum =
                |f: &dyn Fn(usize) -> BigFixed| own.iter().fold(BigFixed::ZERO, |sum, &i| sum.add(&f(i)));
            let of = |a: &[f64]| Some(sum(&|i| big(w[i]).mul(&big(a[i]))));
            let sums = (Some(sum(&|i| big(w[i]))), of(&x), of(&y));
            let product = |a: &[f64], b: &[f64]| Some(sum(&|i| big(w[i]).mul(&big(a[i])).mul(&big(b[i]))));
            let products = [product(&x, &x), product(&x, &y), product(&y, &y)];
            let logs = sum(&|i| big(libm::log(w[i]))).to_double().0.to_bits();
            let expected = format!("{} {logs:?} {sums:?} {products:?}", own.len());
            assert_eq!(found[&format!("{:?}", Level::Integer(key))], expected, "{weighted}");
        }
    }
}

/// Few keys first, whose rows are summed block by block, then more than a table keeps for itself; the cells change their
/// grid on the way, and some are off any.
#[test]
fn blocks_of_few_keys_have_the_sums_of_the_definition() {
    let design = design(true);
    let spec = |variables: &[usize]| TableSpec { variables: variables.to_vec(), slopes: 0, ..spec() };
    let mut tables: Vec<GroupTable> =
        [spec(&[0, 1]), spec(&[]), spec(&[1])].iter().map(|spec| GroupTable::new(spec, &design, 3)).collect();
    let mut units = GroupTable::units(&tables);
    assert_eq!(units.variables(), [0, 1]);
    let (rows, step) = (260_000, 1_000);
    let key = |i: usize| if i < 200_000 { [(i % 5) as u32, (i % 300) as u32] } else { [i as u32, 7] };
    let x = |i: usize| match (i % 991, i / 50_000) {
        (0, _) => 1e-200 * i as f64,
        (1, _) => f64::MAX / (i + 2) as f64,
        (_, 0) => (i % 100) as f64,
        (_, 1) => (i as f64).sin() * 1e-9,
        _ => i as f64 / 3.0,
    };
    let y = |i: usize| (i as f64).cos();
    let used = |i: &usize| !i.is_multiple_of(13);
    for from in (0..rows).step_by(step) {
        let column = |f: &dyn Fn(usize) -> f64| (from..from + step).map(f).collect::<Vec<_>>();
        let (x, y) = (column(&x), column(&y));
        let codes = [0, 1].map(|at| (from..from + step).map(|i| key(i)[at]).collect::<Vec<_>>());
        let mask: Vec<bool> = (from..from + step).map(|i| used(&i)).collect();
        let columns = [Column::from(x.as_slice()), Column::from(y.as_slice())];
        let codes = codes.each_ref().map(Vec::as_slice);
        let mask = Some(mask.as_slice()).filter(|_| from % 5_000 != 0);
        let block =
            DesignBlock { columns: &columns, codes: &codes, sparse: None, weights: None, mask, rows: step };
        let used: Vec<usize> = block.used().collect();
        units.begin();
        tables.iter_mut().for_each(|table| table.update(&block, &used, &mut units).unwrap());
        assert!(tables[0].own.bytes() <= OWN_BYTES + ROWS_AT_ONCE * tables[0].summed.record_bytes() * 4);
    }
    tables.iter_mut().for_each(|table| table.complete(2).unwrap());
    let taken = |i: &usize| used(i) || (i / step * step).is_multiple_of(5_000);
    for row in [0, 1, 982, 150_001, 200_000, 259_999] {
        let own: Vec<usize> = (0..rows).filter(|i| key(*i) == key(row) && taken(i)).collect();
        let sum = |f: &dyn Fn(usize) -> f64| {
            own.iter().fold(BigFixed::ZERO, |sum, &i| sum.add(&BigFixed::from(f(i))))
        };
        let found = |table: usize| tables[table].find(&key(row));
        if own.is_empty() {
            assert!((0..3).all(|table| found(table).is_none()));
            continue;
        }
        (0..3).for_each(|table| assert_eq!(found(table).unwrap().rows(), own.len() as f64));
        assert_eq!(found(0).unwrap().exact_sum(Some(0)), Some(sum(&x)));
        assert_eq!(found(0).unwrap().exact_sum(Some(1)), Some(sum(&y)));
        assert_eq!(found(2).unwrap().exact_sum(Some(1)), Some(sum(&y)));
    }
}
