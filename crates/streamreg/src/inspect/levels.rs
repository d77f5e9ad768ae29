//! How many levels columns have, told from some of their rows.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use arrow_array::{Array, RecordBatch};
use streamreg_core::cell_text;
use streamreg_reader::{PartitionOrder, Source};

use crate::error::Result;
use crate::pass::{Execution, project};
use crate::plan::memory::LevelEstimate;

/// Partitions that are looked into, and rows of each.
const PARTITIONS: usize = 16;
const ROWS: usize = 1 << 14;

/// Which partitions are looked into where they can be entered anywhere.
const SEED: u64 = 0x6c65_7665_6c73;

/// Looks at some rows of `source`: of columns whose levels have many rows in different places a few do. Where the number of rows
/// is not known, as of text, `rows` is.
pub(super) fn estimate(
    source: &dyn Source,
    keys: &[Vec<String>],
    rows: u64,
    execution: &Execution,
) -> Result<Vec<LevelEstimate>> {
    let mut seen: Vec<Seen> = keys.iter().map(|_| Seen::default()).collect();
    let mut names: Vec<String> = keys.iter().flatten().cloned().collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        let mut request = execution.request(&names);
        request.order = PartitionOrder::Shuffled(SEED);
        // In a panel the same names come again and again, far apart: short partitions are entered in more places.
        request.partition_rows = Some(1 << 16);
        let scan = source.scan(&request)?;
        for _ in 0..PARTITIONS {
            let Some(partition) = scan.next_partition() else { break };
            seen.iter_mut().for_each(Seen::turn);
            let mut left = ROWS;
            for batch in partition?.batches {
                let batch = batch?;
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                for (seen, key) in seen.iter_mut().zip(keys) {
                    seen.add(&project(&batch, key)?)?;
                }
                if left == 0 {
                    break;
                }
            }
        }
    }
    Ok(seen.iter().zip(keys).map(|(seen, key)| seen.estimate(key, rows)).collect())
}

/// What was seen of a key.
#[derive(Default)]
struct Seen {
    /// How often every combination of levels was met, by its hash; rows with the same one behind each other count once, so that
    /// sorted rows are no more than the levels that they have.
    runs: HashMap<u64, u64>,
    last: Option<u64>,
    rows: u64,
    text_bytes: u64,
}

impl Seen {
    /// Rows of another place follow.
    fn turn(&mut self) {
        self.last = None;
    }

    fn add(&mut self, key: &RecordBatch) -> Result<()> {
        for row in 0..key.num_rows() {
            let mut hasher = DefaultHasher::new();
            let mut bytes = 0;
            for column in key.columns() {
                let text = cell_text(column.as_ref(), row)?;
                hasher.write(text.as_bytes());
                hasher.write_u8(u8::from(column.is_null(row)));
                bytes += text.len() as u64;
            }
            let hash = hasher.finish();
            if self.last.replace(hash) != Some(hash) {
                *self.runs.entry(hash).or_default() += 1;
            }
            self.rows += 1;
            self.text_bytes += bytes;
        }
        Ok(())
    }

    /// What `rows` rows have: Chao's estimate of the levels that were not met, from those that were met once or twice, as far as so
    /// many rows reach (Chao 1984, "Nonparametric estimation of the number of classes in a population"; Chao et al. 2014,
    /// "Rarefaction and extrapolation with Hill numbers").
    fn estimate(&self, columns: &[String], rows: u64) -> LevelEstimate {
        let met = self.runs.len() as f64;
        let times = |n: u64| self.runs.values().filter(|&&count| count == n).count() as f64;
        let (once, twice) = (times(1), times(2));
        let draws = self.runs.values().sum::<u64>() as f64;
        let unmet = once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0));
        let more = (rows as f64 / self.rows.max(1) as f64 - 1.0).max(0.0) * draws;
        let reached =
            if unmet > 0.0 { unmet * (1.0 - (1.0 - once / (draws * unmet + once)).powf(more)) } else { 0.0 };
        LevelEstimate {
            columns: columns.to_vec(),
            levels: (met + reached).round() as u64,
            text_bytes: self.text_bytes / self.rows.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    /// The estimate for `rows` rows from those that `level` gives the first ones.
    fn estimated(first: i64, rows: u64, level: impl Fn(i64) -> i64) -> u64 {
        let mut seen = Seen::default();
        let column = Arc::new((0..first).map(level).collect::<Int64Array>()) as ArrayRef;
        seen.add(&RecordBatch::try_from_iter([("k", column)]).unwrap()).unwrap();
        seen.estimate(&["k".to_owned()], rows).levels
    }

    #[track_caller]
    fn close(found: u64, wanted: u64) {
        assert!(found * 5 >= wanted * 4 && found * 4 <= wanted * 5, "{found} instead of {wanted}");
    }

    #[test]
    fn few_levels_are_all_met() {
        assert_eq!(estimated(10_000, 1_000_000, |i| i % 7), 7);
    }

    #[test]
    fn levels_without_order() {
        // The finaliser of splitmix64.
        let mixed = |i: i64| {
            let z = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        close(estimated(100_000, 100_000_000, |i| (mixed(i) % 300_000) as i64), 300_000);
        close(estimated(100_000, 400_000, |i| (mixed(i) % 1_000_000) as i64), 330_000);
    }

    #[test]
    fn sorted_rows() {
        close(estimated(100_000, 10_000_000, |i| i / 20), 500_000);
    }

    #[test]
    fn every_row_has_its_own() {
        close(estimated(50_000, 2_000_000, |i| i), 2_000_000);
    }
}
