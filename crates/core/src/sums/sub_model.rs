//! The sums of one model from those of another one that has them all.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::design::Design;
use crate::error::{Error, ErrorKind, Result};
use crate::levels::{Level, LevelSet};
use crate::pass::accumulate::Accumulator;
use crate::sums::exact::BigFixed;
use crate::sums::saved::{SavedRecord, SavedSums, SumName};
use crate::sums::statistics::Statistics;

impl Statistics {
    /// The sums of the design `to` over the same rows: its variables are among those of `from`, whose sums these are, and its
    /// categories too. Sums over some levels of a category are those of all of them, added up.
    ///
    /// `sets` number the levels of `from`, `own` those of `to`, of which there are none yet.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] that names what was not summed.
    pub fn sub_model(
        &self,
        (from, sets): (&Design, &[Arc<LevelSet>]),
        (to, own): (&Design, &[Arc<LevelSet>]),
    ) -> Result<Self> {
        let variables =
            (0..to.variables.len()).map(|v| counterpart(to, v, from)).collect::<Result<Vec<_>>>()?;
        let mut made = Self::new(to);
        let keys = to.tables_of_sums();
        let wanted = (0..keys.len()).filter(|&table| table > 0 || to.by.is_empty());
        let choices = wanted.map(|table| Choice::new(from, to, &variables, (table, &keys[table])));
        let choices = choices.collect::<Result<Vec<_>>>()?;
        let mut added: Vec<BTreeMap<Vec<Level>, SavedRecord>> = vec![BTreeMap::new(); choices.len()];
        self.save(sets, |record| {
            let of_table = choices.iter().zip(&mut added).filter(|(choice, _)| choice.from == record.table);
            for (choice, added) in of_table {
                choice.add(&record, added)?;
            }
            Ok::<_, Error>(())
        })?;
        for record in added.into_iter().flat_map(BTreeMap::into_values) {
            made.restore(to, own, &record)?;
        }
        made.complete(1)
            .map_err(|_| Error::new(ErrorKind::Model, "the sums have another form than their model"))?;
        Ok(made)
    }
}

/// Where the sums of a table come from.
struct Choice {
    /// The table to be made, and the one that has its sums.
    to: usize,
    from: usize,
    /// For every category of the key its position in the other key.
    levels: Vec<usize>,
    /// For every sum its position among those of the other table.
    sums: Vec<usize>,
}

impl Choice {
    /// The table of `from` with the fewest records that has all sums of a table of `to`.
    fn new(from: &Design, to: &Design, variables: &[usize], (table, key): (usize, &[&str])) -> Result<Self> {
        let names = to.sum_names(table);
        let mut best: Option<Self> = None;
        for (candidate, columns) in from.tables_of_sums().iter().enumerate() {
            let place = |column: &&str| columns.iter().position(|own| own == column);
            let Some(levels) = key.iter().map(place).collect::<Option<Vec<_>>>() else { continue };
            let other_kind = candidate == 0 && !from.by.is_empty();
            let weighted = |design: &Design, table: usize| {
                table.checked_sub(1).is_none_or(|table| design.tables[table].weighted)
            };
            let same_key = levels.len() == columns.len();
            if other_kind || weighted(from, candidate) != weighted(to, table) || !(same_key || from.exact) {
                continue;
            }
            let there: HashMap<SumName, usize> =
                from.sum_names(candidate).into_iter().map(SumName::in_order).zip(0..).collect();
            let place = |name: &SumName| {
                let of = name.of.map(|variable| variable.map(|v| variables[v]));
                there.get(&SumName { of, ..*name }.in_order()).copied()
            };
            let Some(sums) = names.iter().map(place).collect::<Option<Vec<_>>>() else { continue };
            let shorter =
                best.as_ref().is_none_or(|best| columns.len() < from.tables_of_sums()[best.from].len());
            if shorter {
                best = Some(Self { to: table, from: candidate, levels, sums });
            }
        }
        best.ok_or_else(|| {
            let of = if key.is_empty() { String::new() } else { format!(" by {}", key.join(" and ")) };
            let message = format!("the state does not have the sums{of} that this model needs");
            Error::new(ErrorKind::Model, message)
        })
    }

    /// Adds a record of the other table to the one that it belongs to.
    fn add(&self, record: &SavedRecord, added: &mut BTreeMap<Vec<Level>, SavedRecord>) -> Result<()> {
        let levels: Vec<Level> = self.levels.iter().map(|&at| record.levels[at].clone()).collect();
        let sums = match &record.sums {
            SavedSums::Exact(sums) => {
                SavedSums::Exact(self.sums.iter().map(|&at| sums[at].clone()).collect())
            }
            SavedSums::Float { sums, log_weights } => SavedSums::Float {
                sums: self.sums.iter().map(|&at| sums[at]).collect(),
                log_weights: log_weights.clone(),
            },
        };
        let part = SavedRecord { table: self.to, levels: levels.clone(), rows: record.rows, sums };
        match added.get_mut(&levels) {
            None => _ = added.insert(levels, part),
            Some(own) => own.add(part)?,
        }
        Ok(())
    }
}

impl SavedRecord {
    /// Adds the sums of other rows, exactly.
    fn add(&mut self, other: Self) -> Result<()> {
        self.rows += other.rows;
        match (&mut self.sums, &other.sums) {
            (SavedSums::Exact(own), SavedSums::Exact(theirs)) => {
                own.iter_mut().zip(theirs).for_each(|(own, theirs)| *own = BigFixed::add(own, theirs));
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::Model, "sums in float64 are not added up over levels")),
        }
    }
}

impl SumName {
    /// The same with the variables of a product in order: those of the other order are the same product.
    fn in_order(self) -> Self {
        let [a, b] = self.of;
        if b.is_some() && b < a { Self { of: [b, a], ..self } } else { self }
    }
}

/// The variable of `from` that is computed as one of `to`.
fn counterpart(to: &Design, variable: usize, from: &Design) -> Result<usize> {
    let wanted = to.content_of(variable);
    (0..from.variables.len()).find(|&v| from.content_of(v) == wanted).ok_or_else(|| {
        let known = from.variable_names();
        let error = Error::new(ErrorKind::Model, "the state has no sums of this variable");
        error.in_column(&to.variables[variable].label).unknown_among(
            &to.variables[variable].label,
            "variables",
            known,
        )
    })
}
