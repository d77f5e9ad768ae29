//! Tests of the iterative methods without files: what may be driven by hand, and what must not matter.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;
use crate::design::Design;
use crate::design::layout::{Coding, Layout};
use crate::error::{Error, ErrorKind};
use crate::model::spec::ModelSpec;
use crate::pass::accumulate::{Accumulator, PassControl};
use crate::pass::shuffled::shuffled_pass;
use crate::rows::block::{Column, DesignBlock};
use crate::rows::cutter::Levels;
use crate::rows::row_ids::{AssignedBatch, RowIds};

/// Uniform numbers between -1/2 and 1/2.
fn uniform(rows: usize, seed: u64) -> Vec<f64> {
    let mut random = Shuffle::new(seed);
    (0..rows).map(|_| random.next() as f64 / 2f64.powi(64) - 0.5).collect()
}

/// Columns x0, x1, ... and y = x0 - x1 + ... + noise.
fn data(rows: usize, columns: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut all: Vec<Vec<f64>> = (0..columns).map(|j| uniform(rows, seed + j as u64)).collect();
    let noise = uniform(rows, seed + 1_000);
    let sign = |j: usize| if j.is_multiple_of(2) { 1.0 } else { -1.0 };
    let y = (0..rows).map(|i| (0..columns).map(|j| sign(j) * all[j][i]).sum::<f64>() + noise[i]);
    let y = y.collect();
    all.push(y);
    all
}

fn batch(columns: &[Vec<f64>]) -> RecordBatch {
    let last = columns.len() - 1;
    let name = |j: usize| if j == last { "y".to_owned() } else { format!("x{j}") };
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(j, c)| (name(j), Arc::new(Float64Array::from(c.clone())) as ArrayRef));
    RecordBatch::try_from_iter(arrays).unwrap()
}

fn design(columns: usize, batch: &RecordBatch) -> Design {
    let names = (0..columns).map(|j| format!("x{j}"));
    Design::new(&ModelSpec::of_columns("y", names), &batch.schema()).unwrap()
}

fn block<'a>(columns: &'a [Column<'a>]) -> DesignBlock<'a> {
    let rows = columns[0].values.len();
    DesignBlock { columns, codes: &[], sparse: None, weights: None, mask: None, rows }
}

fn slices(columns: &[Vec<f64>], from: usize, to: usize) -> Vec<Column<'_>> {
    columns.iter().map(|c| Column::from(&c[from..to])).collect()
}

/// Summaries of all rows, their keys by number, in blocks that end at `cuts`.
fn summaries(design: &Design, columns: &[Vec<f64>], cuts: &[usize], held_out: u32) -> ColumnSummaries {
    let rule = RowIds::keys(3);
    let mut total = ColumnSummaries::new(design, held_out, None);
    let mut from = 0;
    for &to in cuts.iter().chain([&columns[0].len()]) {
        let mut part = ColumnSummaries::new(design, held_out, None);
        let keys: Vec<u32> = (from..to).map(|row| rule.of_row(row as u64)).collect();
        part.assign(&keys);
        part.update(&block(&slices(columns, from, to))).unwrap();
        total.merge(part).unwrap();
        from = to;
    }
    total
}

struct Fixture {
    columns: Vec<Vec<f64>>,
    standardizer: Standardizer,
    sample: Sample,
}

fn fixture(rows: usize, columns: usize) -> Fixture {
    let all = data(rows, columns, 5);
    let design = design(columns, &batch(&all));
    let summaries = summaries(&design, &all, &[], 0);
    let layout = Layout::new(&design, &Coding::default()).unwrap();
    let standardizer = Standardizer::new(&design, &layout, &summaries, 0).unwrap();
    let sample = standardizer.sample(&summaries, &Coding::default(), &[]);
    Fixture { columns: all, standardizer, sample }
}

impl Fixture {
    fn sgd(&self, options: SgdOptions) -> Sgd {
        let rows = self.columns[0].len() as u64;
        let population = Population { rows, parameters: self.standardizer.scaling().parameters() };
        Sgd::new(options, Loss::Squared, Penalties::default(), &self.sample, population).unwrap()
    }

    /// Learns from the rows of one epoch, block by block.
    fn epoch(&self, sgd: &mut Sgd, pass: usize, blocks: std::ops::Range<usize>) {
        if blocks.start == 0 {
            sgd.begin_epoch(pass);
        }
        for number in blocks {
            let columns = slices(&self.columns, number * 64, (number + 1) * 64);
            sgd.partial_fit(&self.standardizer, &block(&columns)).unwrap();
        }
    }

    fn gradient(&self, sgd: &Sgd) -> GradientSums {
        let variables = self.columns.len();
        let mut sums = FullGradient::new(&self.standardizer, variables, sgd.loss(), sgd.parameters(), None);
        sums.update(&block(&slices(&self.columns, 0, self.columns[0].len()))).unwrap();
        sums.flush().unwrap();
        sums.into_sums()
    }
}

#[test]
fn a_checkpoint_goes_on_to_the_same_bits() {
    let fixture = fixture(6_400, 4);
    for rate in [LearningRate::Auto, LearningRate::Constant { eta0: 0.1 }, LearningRate::Adam { eta0: 0.01 }]
    {
        let mut whole = fixture.sgd(SgdOptions { rate, start: Start::Random, ..SgdOptions::default() });
        fixture.epoch(&mut whole, 2, 0..100);
        whole.end_epoch();
        whole.set_gradient(&fixture.gradient(&whole), 3);
        fixture.epoch(&mut whole, 4, 0..37);
        // In the middle of an epoch, behind an anchor.
        let saved = serde_json::to_string(&whole).unwrap();
        let mut resumed: Sgd = serde_json::from_str(&saved).unwrap();
        assert!(resumed == whole);
        for sgd in [&mut whole, &mut resumed] {
            fixture.epoch(sgd, 4, 37..100);
            sgd.end_epoch();
        }
        let bits = |sgd: &Sgd| sgd.parameters().iter().map(|t| t.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&resumed), bits(&whole), "{rate:?}");
        assert!(resumed == whole);
    }
}

#[test]
fn batches_by_hand_reach_the_minimum() {
    let fixture = fixture(6_400, 4);
    let mut sgd = fixture.sgd(SgdOptions { start: Start::Zero, ..SgdOptions::default() });
    let mut pass = 1;
    while sgd.next() != Next::Done {
        pass += 1;
        match sgd.next() {
            Next::Epoch => {
                fixture.epoch(&mut sgd, pass, 0..100);
                sgd.end_epoch();
            }
            _ => sgd.set_gradient(&fixture.gradient(&sgd), pass),
        }
        assert!(pass < 10);
    }
    let gradient = fixture.gradient(&sgd).gradient;
    assert!(gradient.iter().all(|g| g.abs() < 1e-3), "{gradient:?}");
    let bad = [Column::from([f64::NAN; 2].as_slice()); 5];
    assert_eq!(sgd.partial_fit(&fixture.standardizer, &block(&bad)).unwrap_err().kind(), ErrorKind::Batch);
}

#[test]
fn the_gradient_is_that_of_the_formula() {
    let fixture = fixture(3_000, 3);
    let sgd = fixture.sgd(SgdOptions { start: Start::Random, ..SgdOptions::default() });
    let sums = fixture.gradient(&sgd);
    let scaling = fixture.standardizer.scaling();
    let (slopes, constant) = scaling.coefficients(sgd.parameters());
    let rows = fixture.columns[0].len();
    let mut wanted = [0.0; 4];
    let mut loss = 0.0;
    for row in 0..rows {
        let fitted: f64 =
            slopes.iter().zip(&fixture.columns).map(|(b, x)| b * x[row]).sum::<f64>() + constant.unwrap();
        let r = (fixture.columns[3][row] - fitted) / scaling.response_scale;
        loss += 0.5 * r * r / rows as f64;
        for j in 0..3 {
            let z = (fixture.columns[j][row] - scaling.centres[j]) / scaling.scales[j];
            wanted[j] -= r * z / rows as f64;
        }
        wanted[3] -= r / rows as f64;
    }
    assert!((sums.loss - loss).abs() < 1e-12);
    for (own, wanted) in sums.gradient.iter().zip(wanted) {
        assert!((own - wanted).abs() < 1e-12, "{own} instead of {wanted}");
    }
    let back = scaling.parameters_of(&slopes, constant);
    assert!(back.iter().zip(sgd.parameters()).all(|(a, b)| (a - b).abs() < 1e-12));
}

/// Parts that know what others have no room for leave out only rows that would not have stayed.
#[test]
fn summaries_beside_each_other_have_the_sample_of_all_rows() {
    let rows = 150_000;
    let columns = data(rows, 1, 31);
    let design = design(1, &batch(&columns));
    let whole = summaries(&design, &columns, &[], 0);
    let rule = RowIds::keys(3);
    let mut total = ColumnSummaries::new(&design, 0, None);
    let mut collected = 0;
    let first = total.beside();
    for (from, to) in [(0, 90_000), (90_000, 90_001), (90_001, 120_000), (120_000, rows)] {
        let mut part = first.beside();
        let keys: Vec<u32> = (from..to).map(|row| rule.of_row(row as u64)).collect();
        part.assign(&keys);
        part.update(&block(&slices(&columns, from, to))).unwrap();
        collected += part.sampled();
        total.merge(part).unwrap();
    }
    let values = |summaries: &ColumnSummaries| {
        let mut out = Vec::new();
        summaries.with_sample(&Coding::default(), &[], |block| {
            out.extend(block.columns[0].values.iter().map(|x| x.to_bits()));
        });
        out
    };
    assert!(values(&total).len() > 65_000);
    assert_eq!(values(&total), values(&whole));
    assert!(collected < 115_000, "{collected}: less than 65,536 and all of the others");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The sample is the same rows however the data are cut, and no row that is held out is among them.
    #[test]
    fn samples_do_not_depend_on_cuts(rows in 1usize..3_000, cut in 1usize..3_000, share in 0.0..0.5f64) {
        let columns = data(rows, 2, 11);
        let design = design(2, &batch(&columns));
        let held_out = key_below(share);
        let whole = summaries(&design, &columns, &[], held_out);
        let parts = summaries(&design, &columns, &[cut.min(rows - 1).max(1).min(rows)], held_out);
        let rows_of = |summaries: &ColumnSummaries| {
            let mut out = Vec::new();
            summaries.with_sample(&Coding::default(), &[], |block| {
                out.extend((0..block.rows).map(|row| block.columns[0].values[row].to_bits()));
            });
            out
        };
        prop_assert_eq!(rows_of(&whole), rows_of(&parts));
        prop_assert!((whole.mean(0) - parts.mean(0)).abs() < 1e-12);
        let rule = RowIds::keys(3);
        let kept = (0..rows).filter(|&row| rule.of_row(row as u64) >= held_out).count();
        prop_assert_eq!(whole.sampled(), kept);
        prop_assert_eq!(whole.rows(), rows as u64);
    }

    /// Shuffling moves rows and changes none.
    #[test]
    fn shuffled_blocks_have_the_same_rows(rows in 1usize..6_000, seed in any::<u64>(), cut in 1usize..2_000) {
        let columns = data(rows, 2, 23);
        let design = design(2, &batch(&columns));
        let summaries = summaries(&design, &columns, &[], 0);
        let layout = Layout::new(&design, &Coding::default()).unwrap();
        let standardizer = Standardizer::new(&design, &layout, &summaries, 0).unwrap();
        let collect = |mut builder: RowBuilder<'_>| {
            let mut cells = Vec::new();
            let mut take = |block: RowBlock| {
                let Features::Dense { values, stride, .. } = &block.features else { return None };
                cells.extend((0..block.rows()).map(|row| {
                    [values[row].to_bits(), values[stride + row].to_bits(), block.response[row].to_bits()]
                }));
                None
            };
            for from in (0..rows).step_by(cut) {
                builder.append(&block(&slices(&columns, from, rows.min(from + cut))), None, &mut take);
            }
            builder.finish(&mut take);
            cells
        };
        let (mut plain, mut shuffled) = (collect(RowBuilder::new(&standardizer)), collect(RowBuilder::shuffled(&standardizer, seed)));
        prop_assert!(rows < 20 || plain != shuffled);
        plain.sort_unstable();
        shuffled.sort_unstable();
        prop_assert_eq!(plain, shuffled);
    }
}

/// Runs a shuffled pass over partitions of the given batches; `fail` is a partition that ends with an error.
fn groups(
    threads: usize,
    partitions: &[RecordBatch],
    design: &Design,
    standardizer: &Standardizer,
    fail: Option<usize>,
) -> Result<Vec<Vec<u64>>, Error> {
    let next = AtomicUsize::new(0);
    let rule = RowIds::keys(9);
    let mut seen = Vec::new();
    let control = PassControl { threads, ..PassControl::default() };
    let partition = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let batch = partitions.get(index)?.clone();
        let pieces = (0..batch.num_rows()).step_by(300).map(move |from| {
            let piece = batch.slice(from, 300.min(batch.num_rows() - from));
            if fail == Some(index) && from >= 600 {
                return Err(Error::new(ErrorKind::Batch, format!("partition {index} is damaged")));
            }
            let folds = Some(
                (0..piece.num_rows()).map(|row| rule.of_row((index * 10_000 + from + row) as u64)).collect(),
            );
            Ok(AssignedBatch { batch: piece, ids: folds })
        });
        Some(Ok((index, pieces)))
    };
    shuffled_pass(design, &Levels::default(), standardizer, &control, 4, partition, |group: &[RowBlock]| {
        seen.push(group.iter().flat_map(|block| block.response.iter().map(|y| y.to_bits())).collect());
        Ok(())
    })
    .map(|ledger| {
        assert_eq!(ledger.rows_used, partitions.iter().map(|b| b.num_rows() as u64).sum::<u64>());
        seen
    })
}

#[test]
fn everybody_sees_the_same_groups() {
    let Fixture { columns, standardizer, .. } = fixture(40_000, 2);
    let all = batch(&columns);
    let design = design(2, &all);
    let sizes = [5_000, 1, 9_000, 3_000, 700, 2_048, 12_000, 4_096, 4_155];
    let mut from = 0;
    let partitions: Vec<RecordBatch> = (sizes.iter().map(|&rows| {
        from += rows;
        all.slice(from - rows, rows)
    }))
    .collect();
    let one = groups(1, &partitions, &design, &standardizer, None).unwrap();
    assert_eq!(one.iter().map(Vec::len).sum::<usize>(), 40_000);
    for threads in [2, 7] {
        assert_eq!(
            groups(threads, &partitions, &design, &standardizer, None).unwrap(),
            one,
            "{threads} threads"
        );
    }
    for threads in [1, 4] {
        let error = groups(threads, &partitions, &design, &standardizer, Some(2)).unwrap_err();
        assert_eq!(error.to_string(), "partition 2 is damaged");
    }
    assert!(groups(2, &[], &design, &standardizer, None).unwrap().is_empty());
}

#[test]
fn a_feed_passes_panics_on() {
    let Fixture { columns, standardizer, .. } = fixture(400, 2);
    let all = batch(&columns);
    let design = design(2, &all);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut left = 3;
        let next = || {
            left -= 1;
            let bad = left == 1;
            let batches = std::iter::once(all.clone()).map(move |b| {
                assert!(!bad, "a decoder that panics");
                Ok::<_, Error>(b)
            });
            (left >= 0).then_some(Ok((2 - left as usize, batches)))
        };
        let control = PassControl { threads: 2, ..PassControl::default() };
        shuffled_pass(&design, &Levels::default(), &standardizer, &control, 1, next, |_: &[RowBlock]| Ok(()))
    }));
    assert!(outcome.is_err());
}

#[test]
fn hashes_of_levels_are_pinned() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a longer name than fifteen bytes", ""]));
    let y: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0]));
    let batch = RecordBatch::try_from_iter([("y", y), ("g", names)]).unwrap();
    let spec = ModelSpec { hash_bits: Some(10), ..ModelSpec::of_columns("y", ["g"]) };
    let design = Design::new(&spec, &batch.schema()).unwrap();
    let levels = Levels { sets: design.level_sets(), ..Levels::default() };
    let mut slots = Vec::new();
    let mut reader = crate::rows::cutter::RowReader::new(&design, &levels);
    let terms = WideTerms::new(&design);
    reader
        .read(&batch, |block| {
            // The slot of a row is the coefficient that it adds.
            let hashed: Vec<f64> = (0..1024).map(f64::from).collect();
            let mut sums = vec![0.0; block.rows];
            terms.add(block, &[], &hashed, &mut sums);
            slots.extend(sums);
            Ok(())
        })
        .unwrap();
    // Model files hold them, so they never change.
    assert_eq!(slots, PINNED);
}

const PINNED: [f64; 4] = [301.0, 102.0, 198.0, 214.0];
