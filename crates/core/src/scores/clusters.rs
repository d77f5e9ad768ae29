//! Sums of scores by cluster.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::residuals::Work;
use super::{ScoreKind, ScorePlan};
use crate::rows::block::DesignBlock;

/// Sums over the rows of each cluster, in the order in which the clusters first occur: it does not depend on threads,
/// as the numbers of levels do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "SentClusters", try_from = "SentClusters")]
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

    /// Numbers that are kept of each.
    pub(super) fn width(&self) -> usize {
        self.width
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

    /// Gives the clusters other numbers.
    pub(super) fn renumber(&mut self, number: impl Fn(u64) -> u64) {
        self.index = std::mem::take(&mut self.index).into_iter().map(|(key, at)| (number(key), at)).collect();
    }

    /// The numbers of the clusters, in the order of their sums.
    fn keys(&self) -> Vec<u64> {
        let mut keys = vec![0; self.index.len()];
        self.index.iter().for_each(|(&key, &at)| keys[at as usize] = key);
        keys
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
        self.add(&other.keys(), &other.sums);
    }
}

/// Sums of clusters on their way.
#[derive(Serialize, Deserialize)]
struct SentClusters {
    width: usize,
    keys: Vec<u64>,
    sums: Vec<f64>,
    most: usize,
    overfull: bool,
}

impl From<ClusterSums> for SentClusters {
    fn from(own: ClusterSums) -> Self {
        let keys = own.keys();
        Self { width: own.width, keys, sums: own.sums, most: own.most, overfull: own.overfull }
    }
}

impl TryFrom<SentClusters> for ClusterSums {
    type Error = &'static str;

    fn try_from(sent: SentClusters) -> Result<Self, Self::Error> {
        let SentClusters { width, keys, sums, most, overfull } = sent;
        let index: HashMap<u64, u32> = keys.iter().copied().zip(0..).collect();
        if index.len() != keys.len() || keys.len().checked_mul(width) != Some(sums.len()) {
            return Err("the clusters and their sums do not belong together");
        }
        Ok(Self { width, index, sums, most, overfull })
    }
}

/// The number of a pair of clusters.
pub(super) fn paired(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}

/// The clusters of a pair.
pub(super) fn parted(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// Adds the rows of a block to the sums by each cluster, and by both.
pub(super) fn update(
    ways: &mut [ClusterSums],
    plan: &ScorePlan,
    work: &Work,
    rows: &DesignBlock<'_>,
    width: usize,
) {
    let code = |way: usize, row: usize| rows.codes[plan.clusters[way]][row];
    let values = work.used_rows(rows, width);
    let blocks = (plan.kind == ScoreKind::Blocks).then(|| {
        let weights = rows.used().map(|row| rows.weights.map_or(1.0, |w| w[row]));
        (work.used_basis(rows, width), weights.collect::<Vec<f64>>())
    });
    for (way, sums) in ways.iter_mut().enumerate() {
        let key = |row: usize| match way {
            2 => paired(code(0, row), code(1, row)),
            way => u64::from(code(way, row)),
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Nesting {
    /// For every category and cluster, in this order, the cluster of each level.
    clusters: Vec<[HashMap<u32, Option<u32>>; 2]>,
}

impl Nesting {
    pub(super) fn new(categories: usize) -> Self {
        Self { clusters: (0..categories).map(|_| Default::default()).collect() }
    }

    pub(super) fn update(&mut self, plan: &ScorePlan, rows: &DesignBlock<'_>) {
        for (&category, own) in plan.nested.iter().zip(&mut self.clusters) {
            for (&cluster, known) in plan.clusters.iter().zip(own) {
                for row in rows.used() {
                    note(known, rows.codes[category][row], Some(rows.codes[cluster][row]));
                }
            }
        }
    }

    /// Gives the clusters other numbers: `number` takes the position of their column, and a number.
    pub(super) fn renumber(&mut self, number: impl Fn(usize, u32) -> u32) {
        for of_category in &mut self.clusters {
            for (way, known) in of_category.iter_mut().enumerate() {
                known.values_mut().flatten().for_each(|cluster| *cluster = number(way, *cluster));
            }
        }
    }

    /// For how many categories it is known.
    pub(super) fn len(&self) -> usize {
        self.clusters.len()
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
