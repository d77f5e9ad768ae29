//! Sums of scores by cluster.

use hashbrown::HashMap;

use super::residuals::Work;
use super::{ScoreKind, ScorePlan};
use crate::rows::block::DesignBlock;

/// Sums over the rows of each cluster, in the order in which the clusters first occur: it does not depend on threads,
/// as the numbers of levels do.
#[derive(Debug)]
pub struct ClusterSums {
    width: usize,
    index: HashMap<u64, u32>,
    sums: Vec<f64>,
    most: usize,
    /// Whether there were more clusters than that; then nothing is kept.
    overfull: bool,
}

impl ClusterSums {
    pub(super) fn new(width: usize, most: usize) -> Self {
        Self { width, index: HashMap::new(), sums: Vec::new(), most, overfull: false }
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Most clusters that are kept.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Whether there were more clusters than were allowed; the sums are then lost.
    pub fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// What is kept of every cluster: its score, and for the jackknife the lower triangle, row by row, of its part
    /// in the cross-products of the rotated columns.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.sums.chunks_exact(self.width.max(1))
    }

    /// `sum of S_g S_g'`, row-major.
    pub fn products(&self) -> Vec<f64> {
        let k = self.width;
        let mut products = vec![0.0; k * k];
        for scores in self.iter() {
            for (line, &a) in products.chunks_exact_mut(k.max(1)).zip(scores) {
                line.iter_mut().zip(scores).for_each(|(sum, b)| *sum += a * b);
            }
        }
        products
    }

    /// The sums of a cluster.
    fn slot(&mut self, key: u64) -> Option<&mut [f64]> {
        let next = self.index.len();
        let at = *self.index.entry(key).or_insert(next as u32) as usize;
        if at == next {
            if next >= self.most {
                self.give_up();
                return None;
            }
            self.sums.resize((next + 1) * self.width, 0.0);
        }
        Some(&mut self.sums[at * self.width..(at + 1) * self.width])
    }

    fn give_up(&mut self) {
        self.overfull = true;
        (self.index, self.sums) = (HashMap::new(), Vec::new());
    }

    /// Adds the rows of a block: `keys` one a row, `values` row-major.
    fn add(&mut self, keys: &[u64], values: &[f64]) {
        let width = self.width;
        for (key, value) in keys.iter().zip(values.chunks_exact(width.max(1))) {
            if self.overfull {
                return;
            }
            let Some(sums) = self.slot(*key) else { return };
            sums.iter_mut().zip(value).for_each(|(sum, v)| *sum += v);
        }
    }

    /// Adds the rows of a block, behind every row's score the lower triangle of `w u u'` of its `basis`, row by row:
    /// all of them at once would be far larger than the block.
    fn add_with_blocks(
        &mut self,
        keys: &[u64],
        scores: &[f64],
        basis: &[f64],
        weights: &[f64],
        width: usize,
    ) {
        let lines = scores.chunks_exact(width.max(1)).zip(basis.chunks_exact(width.max(1)));
        for ((key, weight), (score, u)) in keys.iter().zip(weights).zip(lines) {
            if self.overfull {
                return;
            }
            let Some(sums) = self.slot(*key) else { return };
            let (of_score, mut rest) = sums.split_at_mut(width);
            of_score.iter_mut().zip(score).for_each(|(sum, v)| *sum += v);
            for (i, a) in u.iter().enumerate() {
                let (line, further) = rest.split_at_mut(i + 1);
                line.iter_mut().zip(u).for_each(|(sum, b)| *sum += weight * a * b);
                rest = further;
            }
        }
    }

    /// Takes in the clusters of later rows.
    pub(super) fn merge(&mut self, other: Self) {
        if self.overfull || other.overfull {
            self.give_up();
            return;
        }
        let mut keys = vec![0; other.index.len()];
        other.index.iter().for_each(|(&key, &at)| keys[at as usize] = key);
        self.add(&keys, &other.sums);
    }
}

/// Adds the rows of a block to the sums by each cluster, and by both.
pub(super) fn update(
    ways: &mut [ClusterSums],
    plan: &ScorePlan<'_>,
    work: &Work,
    rows: &DesignBlock<'_>,
    width: usize,
) {
    let code = |way: usize, row: usize| u64::from(rows.codes[plan.clusters[way]][row]);
    let values = work.used_rows(rows, width);
    let blocks = (plan.kind == ScoreKind::Blocks).then(|| {
        let weights = rows.used().map(|row| rows.weights.map_or(1.0, |w| w[row]));
        (work.used_basis(rows, width), weights.collect::<Vec<f64>>())
    });
    for (way, sums) in ways.iter_mut().enumerate() {
        let key = |row: usize| match way {
            2 => code(0, row) << 32 | code(1, row),
            way => code(way, row),
        };
        let keys: Vec<u64> = rows.used().map(key).collect();
        match &blocks {
            Some((basis, weights)) => sums.add_with_blocks(&keys, &values, basis, weights, width),
            None => sums.add(&keys, &values),
        }
    }
}

/// For some categories and every cluster, whether each level lies in one cluster: dummies of such a category are
/// nested in the clusters.
#[derive(Debug, Default)]
pub struct Nesting {
    /// For every category and cluster, in this order, the cluster of each level.
    clusters: Vec<[HashMap<u32, Option<u32>>; 2]>,
}

impl Nesting {
    pub(super) fn new(categories: usize) -> Self {
        Self { clusters: (0..categories).map(|_| Default::default()).collect() }
    }

    pub(super) fn update(&mut self, plan: &ScorePlan<'_>, rows: &DesignBlock<'_>) {
        for (&category, own) in plan.nested.iter().zip(&mut self.clusters) {
            for (&cluster, known) in plan.clusters.iter().zip(own) {
                for row in rows.used() {
                    note(known, rows.codes[category][row], Some(rows.codes[cluster][row]));
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (own, theirs) in self.clusters.iter_mut().zip(other.clusters) {
            for (own, theirs) in own.iter_mut().zip(theirs) {
                theirs.into_iter().for_each(|(level, cluster)| note(own, level, cluster));
            }
        }
    }

    /// Whether each level of the category at `position` of [`ScorePlan::nested`] lies in one cluster.
    pub fn is_nested(&self, position: usize) -> bool {
        let within =
            |known: &HashMap<u32, Option<u32>>| !known.is_empty() && known.values().all(Option::is_some);
        self.clusters.get(position).is_some_and(|own| own.iter().any(within))
    }
}

/// Remembers the cluster of a level; none once there are two.
fn note(known: &mut HashMap<u32, Option<u32>>, level: u32, cluster: Option<u32>) {
    let entry = known.entry(level).or_insert(cluster);
    if *entry != cluster {
        *entry = None;
    }
}
