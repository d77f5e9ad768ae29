//! Sums in a form that does not depend on the process that made them, to be saved and restored.
//!
//! A process numbers levels as it meets them. What is saved has the levels themselves, in their order, so that the same sums
//! are the same however they came about.

use std::sync::Arc;

use crate::design::Design;
use crate::error::{Error, ErrorKind, Result};
use crate::levels::{Level, LevelSet};
use crate::pass::accumulate::Accumulator;
use crate::sums::cross_products::CrossProducts;
use crate::sums::exact::BigFixed;
use crate::sums::groups::GroupTable;
use crate::sums::moments::Moments;
use crate::sums::statistics::{DenseSums, Statistics};

/// The sums of all rows, or of those that share the levels of some categories.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedRecord {
    /// 0 for all rows, 1 for the first table of the design, and so on: [`Design::tables_of_sums`].
    pub table: usize,
    /// The levels, one for every category of the table.
    pub levels: Vec<Level>,
    /// Number of rows.
    pub rows: u64,
    /// As [`Design::sum_names`] names them.
    pub sums: SavedSums,
}

/// Sums of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum SavedSums {
    /// Whatever was added in whatever order.
    Exact(Vec<BigFixed>),
    /// In float64; and, of all rows, the sum of the weights' logarithms.
    Float {
        /// The sums.
        sums: Vec<f64>,
        /// Exact nevertheless.
        log_weights: Option<BigFixed>,
    },
}

/// What a sum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SumName {
    /// What is summed.
    pub kind: &'static str,
    /// Of which variables, by position.
    pub of: [Option<usize>; 2],
}

/// Bits of a sum that can be: those of products of three float64, each with what it lacks, and of any number of rows.
const LOWEST_EXPONENT: i32 = -3_400;
const HIGHEST_EXPONENT: i32 = 3_400;

impl Design {
    /// For every table of sums, that of all rows first, the columns whose levels its rows share.
    pub fn tables_of_sums(&self) -> Vec<Vec<&str>> {
        let column = |&category: &usize| self.columns[self.categories[category].column].as_str();
        let further = self.tables.iter().map(|table| table.key.iter().map(column).collect());
        std::iter::once(Vec::new()).chain(further).collect()
    }

    /// A name for every variable, each another one.
    pub fn variable_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for variable in &self.variables {
            let same =
                |name: &&String| name.split_once(" #").map_or(name.as_str(), |n| n.0) == variable.label;
            let count = names.iter().filter(same).count();
            names.push(match count {
                0 => variable.label.clone(),
                _ => format!("{} #{}", variable.label, count + 1),
            });
        }
        names
    }

    /// How many sums a table has.
    fn sum_count(&self, table: usize) -> usize {
        let spec = table.checked_sub(1).and_then(|table| self.tables.get(table));
        let m = self.variables.len();
        let (variables, products) = spec.map_or((m, m * (m + 1) / 2), |spec| {
            let (n, slopes) = (spec.variables.len(), spec.slopes);
            (n, slopes * n - slopes * slopes.saturating_sub(1) / 2)
        });
        match (self.exact, spec.is_some()) {
            (true, _) => 2 + variables + products,
            (false, false) => 1 + 2 * variables + products,
            (false, true) => 3 + 2 * variables + products,
        }
    }

    /// What the sums of a table are of, in their order.
    pub fn sum_names(&self, table: usize) -> Vec<SumName> {
        let name = |kind, a: Option<usize>, b: Option<usize>| SumName { kind, of: [a, b] };
        let spec = table.checked_sub(1).map(|table| &self.tables[table]);
        let variables: Vec<usize> = match spec {
            Some(spec) => spec.variables.clone(),
            None => (0..self.variables.len()).collect(),
        };
        let each = |kind| variables.iter().map(move |&v| name(kind, Some(v), None));
        let products = |kind| {
            let pairs: Vec<(usize, usize)> = match spec {
                Some(spec) => {
                    (0..spec.slopes).flat_map(|a| (a..variables.len()).map(move |b| (a, b))).collect()
                }
                None if self.exact => {
                    (0..variables.len()).flat_map(|i| (0..=i).map(move |j| (i, j))).collect()
                }
                None => {
                    (0..variables.len()).flat_map(|j| (j..variables.len()).map(move |i| (i, j))).collect()
                }
            };
            let variables = &variables;
            pairs.into_iter().map(move |(a, b)| name(kind, Some(variables[a]), Some(variables[b])))
        };
        let mut names = vec![name("weight", None, None)];
        match (self.exact, spec.is_some()) {
            (true, _) => {
                names.push(name("log_weight", None, None));
                names.extend(each("sum").chain(products("product")));
            }
            (false, false) => {
                names.extend(each("mean").chain(each("mean_rest")).chain(products("product_about_means")));
            }
            (false, true) => {
                names.extend([name("log_weight", None, None), name("origin_moves_beyond", None, None)]);
                names.extend(each("origin").chain(each("sum_about_origin")));
                names.extend(products("product_about_origin"));
            }
        }
        names
    }
}

impl Statistics {
    /// Hands out all sums, those of all rows first, then table after table in the order of the levels. `sets` number them.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn save<E>(
        &self,
        sets: &[Arc<LevelSet>],
        mut each: impl FnMut(SavedRecord) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if let Some(dense) = &self.dense {
            each(self.saved_of_all(dense))?;
        }
        for (at, table) in self.tables.iter().enumerate() {
            let sorted: Vec<Sorted> = table.key().iter().map(|&c| Sorted::new(&sets[c])).collect();
            let ranks = |record: &u32| -> Vec<u32> {
                let codes = table.codes(*record as usize).iter().zip(&sorted);
                codes.map(|(&code, set)| set.ranks[code as usize]).collect()
            };
            let with_rows = |record: &u32| table.record(*record as usize).rows() > 0.0;
            let mut order: Vec<u32> = (0..table.len() as u32).filter(with_rows).collect();
            order.sort_by_cached_key(ranks);
            for record in order {
                let codes = table.codes(record as usize).iter().zip(&sorted);
                let levels = codes.map(|(&code, set)| set.levels[code as usize].clone()).collect();
                let (rows, sums) = table.record(record as usize).saved();
                each(SavedRecord { table: at + 1, levels, rows, sums })?;
            }
        }
        Ok(())
    }

    fn saved_of_all(&self, dense: &DenseSums) -> SavedRecord {
        let log_weights = self.log_weights.get(0, 0);
        let (rows, sums) = match dense {
            DenseSums::Exact(dense) => {
                let first = [dense.weight(), log_weights];
                (dense.rows(), SavedSums::Exact(first.into_iter().chain(dense.saved()).collect()))
            }
            DenseSums::Float(dense) => {
                let (moments, m) = (dense.moments(), self.variables());
                let means = (0..m).map(|j| moments.mean(j)).chain((0..m).map(|j| moments.mean_low(j)));
                let products = (0..m).flat_map(|j| (j..m).map(move |i| dense.centred(i, j)));
                let sums = std::iter::once(moments.weight()).chain(means).chain(products).collect();
                (moments.rows(), SavedSums::Float { sums, log_weights: Some(log_weights) })
            }
        };
        SavedRecord { table: 0, levels: Vec::new(), rows, sums }
    }

    /// Takes in what [`Statistics::save`] handed out. Afterwards comes [`Accumulator::complete`].
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a record that is there already, or is none of `design`; for too many levels.
    pub fn restore(&mut self, design: &Design, sets: &[Arc<LevelSet>], record: &SavedRecord) -> Result<()> {
        let refused = |what: &str| Error::new(ErrorKind::Model, format!("a record of sums {what}"));
        record.sums.check(design.sum_count(record.table)).map_err(refused)?;
        if record.rows == 0 && record.table > 0 {
            return Err(refused("has no rows"));
        }
        let Some(table) = record.table.checked_sub(1) else {
            return self.restore_all(record).map_err(refused);
        };
        let table = self.tables.get_mut(table).ok_or_else(|| refused("belongs to no table"))?;
        if table.key().len() != record.levels.len() {
            return Err(refused("has other levels than its table"));
        }
        let code = |(&category, level): (&usize, &Level)| sets[category].code(Some(level.clone()));
        let codes = table.key().iter().zip(&record.levels).map(code).collect::<Result<Vec<u32>>>()?;
        let restored = table.restore(&codes, record.rows, &record.sums);
        restored.map_err(|_| refused("comes twice, or has other sums than its table"))
    }

    /// Lets siblings add to sums that were completed or restored.
    pub fn reopen(&mut self) {
        self.tables.iter_mut().for_each(GroupTable::reopen);
    }

    fn restore_all(&mut self, record: &SavedRecord) -> std::result::Result<(), &'static str> {
        let m = self.variables();
        let log_weights = match (&mut self.dense, &record.sums) {
            (Some(DenseSums::Exact(dense)), SavedSums::Exact(sums)) if dense.rows() == 0 => {
                dense.restore(record.rows, &sums[0], &sums[2..]);
                Some(&sums[1])
            }
            (Some(DenseSums::Float(dense)), SavedSums::Float { sums, log_weights })
                if dense.moments().rows() == 0 =>
            {
                let (mean, low) = (sums[1..=m].to_vec(), sums[m + 1..=2 * m].to_vec());
                let mut products = vec![0.0; m * m];
                let lower = (0..m).flat_map(|j| (j..m).map(move |i| j * m + i));
                lower.zip(&sums[2 * m + 1..]).for_each(|(at, &product)| products[at] = product);
                let moments = Moments::from_parts(record.rows, sums[0], mean, low);
                *dense = CrossProducts::from_parts(moments, products);
                log_weights.as_ref()
            }
            _ => return Err("comes twice, or is of another kind"),
        };
        let log_weights = log_weights.ok_or("lacks the logarithms of the weights")?;
        self.log_weights.add_big_fixed(0, 0, log_weights);
        Ok(())
    }

    /// Takes the rows of `other` away again, exactly. Both were completed, and number levels alike.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] where `other` is no part of these sums, or sums are in float64.
    pub fn subtract(&mut self, other: &Self) -> Result<()> {
        let no_part = || Error::new(ErrorKind::Model, "the rows to take away are not among these");
        match (&mut self.dense, &other.dense) {
            (Some(DenseSums::Exact(own)), Some(DenseSums::Exact(theirs))) => {
                own.subtract(theirs).map_err(|_| no_part())?;
            }
            (None, None) => {}
            _ => return Err(Error::new(ErrorKind::Model, "only exact sums can be taken away again")),
        }
        self.log_weights.subtract_record(0, &other.log_weights, 0);
        if self.tables.len() != other.tables.len() {
            return Err(no_part());
        }
        let mut tables = self.tables.iter_mut().zip(&other.tables);
        tables.try_for_each(|(own, theirs)| own.subtract(theirs)).map_err(|_| no_part())
    }
}

impl SavedSums {
    /// Whether there are so many, and each can be.
    fn check(&self, count: usize) -> std::result::Result<(), &'static str> {
        let (found, can_be) = match self {
            Self::Exact(sums) => (sums.len(), sums.iter().all(can_be)),
            Self::Float { sums, log_weights } => {
                (sums.len(), sums.iter().all(|sum| sum.is_finite()) && log_weights.iter().all(can_be))
            }
        };
        match (found == count, can_be) {
            (true, true) => Ok(()),
            (false, _) => Err("has more or fewer sums than its table"),
            (_, false) => Err("has a sum beyond those of float64"),
        }
    }
}

/// Whether a sum of float64 and of their products may have this value: memory is made for its length.
fn can_be(sum: &BigFixed) -> bool {
    let bits = 64 * sum.magnitude().len() as i64;
    sum.exponent() >= LOWEST_EXPONENT && i64::from(sum.exponent()) + bits <= i64::from(HIGHEST_EXPONENT)
}

/// Levels, and the position of each among them in their order.
struct Sorted {
    levels: Vec<Level>,
    ranks: Vec<u32>,
}

impl Sorted {
    fn new(set: &LevelSet) -> Self {
        let levels = set.levels();
        let mut codes: Vec<u32> = (0..levels.len() as u32).collect();
        codes.sort_by(|&a, &b| levels[a as usize].cmp(&levels[b as usize]));
        let mut ranks = vec![0; levels.len()];
        codes.iter().zip(0..).for_each(|(&code, rank)| ranks[code as usize] = rank);
        Self { levels, ranks }
    }
}
