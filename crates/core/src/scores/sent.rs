//! Sums of scores that leave the process, and are put together with those of other rows.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Nesting, ScorePlan, ScoreTotals, Scores, Sums};
use crate::levels::{Level, LevelSet};
use crate::rows::block::BlockError;

/// The sums of scores of some rows, with the levels of the clusters: their numbers are those of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreSums {
    /// A response each.
    totals: Vec<ScoreTotals>,
    nesting: Nesting,
    /// For every column of clusters its levels.
    levels: Vec<Numbered>,
}

/// Levels by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Numbered {
    levels: Vec<Level>,
    /// Their numbers, once these are wanted.
    #[serde(skip)]
    numbers: HashMap<Level, u32>,
}

impl Numbered {
    /// The numbers that the levels of another list have among these; those that are new come behind them.
    fn numbers_of(&mut self, other: &Self) -> Vec<u32> {
        let Self { levels, numbers } = self;
        if numbers.len() < levels.len() {
            numbers.extend(levels.iter().cloned().zip(0..));
        }
        let mut number = |level: &Level| {
            let next = levels.len() as u32;
            *numbers.entry(level.clone()).or_insert_with(|| {
                levels.push(level.clone());
                next
            })
        };
        other.levels.iter().map(&mut number).collect()
    }
}

impl ScoreSums {
    /// Of a pass whose categories `sets` have numbered.
    pub fn new(scores: Scores<'_>, sets: &[Arc<LevelSet>]) -> Self {
        let numbered =
            |&category: &usize| Numbered { levels: sets[category].levels(), ..Numbered::default() };
        let levels = scores.plan.clusters.iter().map(numbered).collect();
        let (totals, nesting) = scores.into_parts();
        Self { totals, nesting, levels }
    }

    /// The sums, a response each, and which categories are nested in a cluster.
    pub fn into_parts(self) -> (Vec<ScoreTotals>, Nesting) {
        (self.totals, self.nesting)
    }

    /// Whether they are sums of what a plan computes, as far as their form tells.
    pub fn are_of(&self, plan: &ScorePlan) -> bool {
        let none = Scores::new(plan);
        let same = |(own, other): (&ScoreTotals, &ScoreTotals)| own.has_form_of(other);
        self.totals.len() == none.totals.len()
            && self.totals.iter().zip(&none.totals).all(same)
            && self.nesting.len() == none.nesting.len()
            && self.levels.len() == plan.clusters.len()
    }

    /// Takes in those of other rows. The order of merging decides the last bits.
    ///
    /// # Errors
    /// [`BlockError::Shape`] when they are of another plan.
    pub fn merge(&mut self, mut other: Self) -> Result<(), BlockError> {
        let forms = self.totals.iter().zip(&other.totals).all(|(own, theirs)| own.has_form_of(theirs));
        let alike = (self.totals.len(), self.nesting.len(), self.levels.len())
            == (other.totals.len(), other.nesting.len(), other.levels.len());
        if !forms || !alike {
            return Err(BlockError::Shape);
        }
        let pairs = self.levels.iter_mut().zip(&other.levels);
        let numbers: Vec<Vec<u32>> = pairs.map(|(own, theirs)| own.numbers_of(theirs)).collect();
        let number = |way: usize, code: u32| numbers[way].get(code as usize).copied().unwrap_or(code);
        other.nesting.renumber(number);
        self.nesting.merge(other.nesting);
        for (own, mut theirs) in self.totals.iter_mut().zip(other.totals) {
            theirs.renumber(number);
            own.merge(theirs)?;
        }
        Ok(())
    }
}

impl ScoreTotals {
    /// Whether both are of as many columns, and of sums of one kind.
    fn has_form_of(&self, other: &Self) -> bool {
        let sums = match (&self.sums, &other.sums) {
            (Sums::Rows(own), Sums::Rows(theirs)) => own.has_form_of(theirs),
            (Sums::Clusters(own), Sums::Clusters(theirs)) => {
                let widths = own.iter().map(super::ClusterSums::width);
                widths.eq(theirs.iter().map(super::ClusterSums::width))
            }
            _ => false,
        };
        sums && self.width == other.width
    }

    /// Gives the clusters other numbers: `number` takes the position of their column, and a number.
    fn renumber(&mut self, number: impl Fn(usize, u32) -> u32) {
        let Sums::Clusters(ways) = &mut self.sums else { return };
        for (way, sums) in ways.iter_mut().enumerate() {
            sums.renumber(|key| match way {
                2 => {
                    let (first, second) = super::clusters::parted(key);
                    super::clusters::paired(number(0, first), number(1, second))
                }
                _ => u64::from(number(way, key as u32)),
            });
        }
    }
}
