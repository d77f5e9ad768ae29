//! States: the sums of a model over some files, to be saved, put together, taken apart and solved.
//!
//! | file | what it knows |
//! |---|---|
//! | `manifest` | which files were summed, each once |
//! | `checkpoint` | a pass that goes on after it was killed |
//! | `steps` | an iterative fit that does |
//! | `update`, `parts` | the files that a state does not have yet; the sums of single files |
//! | `file`, `header`, `bytes` | the state file, a Parquet file; what it says beside the sums; the same in memory |
//! | `folds` | which rows are held out together |
//! | `scores` | the second pass of robust standard errors, in parts |
//! | `sealed` | values as bytes that tell when they are damaged |

mod bytes;
mod checkpoint;
mod file;
pub(crate) mod folds;
mod header;
mod manifest;
mod parts;
mod scores;
mod sealed;
pub(crate) mod steps;
mod update;

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use streamreg_core::{
    Accumulator, Design, Folded, LevelSet, Levels, ModelSpec, Origins, Precision, RowLedger, Statistics,
    Unseen, merged,
};
use streamreg_reader::{InputFile, Source};

pub use self::checkpoint::Checkpoint;
use self::folds::StateFolds;
use self::header::Asked;
pub use self::manifest::StateInput;
pub use self::scores::Scores;
pub(crate) use self::scores::left_out_before;
pub use self::update::{UpdateOptions, UpdateSummary, update_state};
use crate::error::{Error, Result};
use crate::model::columns::ModelColumn;
use crate::pass::row_ids::RowIdPlan;
use crate::pass::{Execution, Passes, SourceRows};
use crate::plan::limits::check_folds;
use crate::request::penalty::CrossValidation;
use crate::request::selection::Selection;

/// Version of the state file. A reader of this version refuses later ones. A file has the first version that has a place for what
/// is in it: folds came with the second.
pub const STATE_VERSION: u32 = 2;

/// The sums of a model over some files: all that least squares, with a penalty or without, needs of them. No rows.
///
/// Sums are exact unless [`Precision::Float`] was asked for. Then states of parts of the rows, put together in any order, are
/// bit for bit the state of all of them, and a part can be taken out again.
///
/// ```
/// use streamreg::{Regression, State};
/// # let dir = tempfile::tempdir()?;
/// # let (old, new, path) = (dir.path().join("a.csv"), dir.path().join("b.csv"), dir.path().join("s.sreg"));
/// # std::fs::write(&old, "x,y\n1,1.5\n2,2.5\n3,3.25\n")?;
/// # std::fs::write(&new, "x,y\n4,4.5\n5,5.5\n")?;
/// let regression = Regression::formula("y ~ x");
/// let first = regression.sum_paths(&[&old], None)?;
/// let more = regression.sum_paths(&[&new], Some(&first))?;
/// let all = first.merge(more)?;
/// all.save(&path)?;
/// let report = Regression::of_state(State::load(&path)?).fit_state()?;
/// assert_eq!(report.ledger.rows_used, 5);
/// assert_eq!(report.estimate("x"), regression.fit_paths(&[&old, &new])?.estimate("x"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct State {
    spec: ModelSpec,
    columns: Vec<ModelColumn>,
    selection: Selection,
    design: Design,
    sets: Vec<Arc<LevelSet>>,
    folds: Option<StateFolds>,
    /// Those of every fold, and of all rows where there are none. All rows are the sum of the folds.
    sums: Vec<Statistics>,
    ledger: RowLedger,
    /// In the order of their locations.
    inputs: Vec<StateInput>,
}

impl State {
    /// A state without rows, of a model with these origins.
    pub(crate) fn new(
        spec: ModelSpec,
        columns: Vec<ModelColumn>,
        selection: Selection,
        folds: Option<StateFolds>,
        of: (Precision, &Origins),
    ) -> Result<Self> {
        let mut state = Self::without_sums(spec, columns, selection, folds, of)?;
        state.sums = state.no_sums();
        state.complete()?;
        Ok(state)
    }

    /// The same before there are any sums, not even of no rows.
    fn without_sums(
        spec: ModelSpec,
        columns: Vec<ModelColumn>,
        selection: Selection,
        folds: Option<StateFolds>,
        (precision, origins): (Precision, &Origins),
    ) -> Result<Self> {
        let design =
            Design::new(&spec, &schema_of(&columns))?.with_precision(precision).with_origins(origins)?;
        let (sets, ledger) = (design.level_sets(), RowLedger::none(&design));
        let (sums, inputs) = (Vec::new(), Vec::new());
        Ok(Self { spec, columns, selection, design, sets, folds, sums, ledger, inputs })
    }

    /// The same model, without rows.
    fn emptied(&self) -> Result<Self> {
        let mut emptied = self.before_sums()?;
        emptied.sums = emptied.no_sums();
        emptied.complete()?;
        Ok(emptied)
    }

    /// The same model, before there are any sums.
    fn before_sums(&self) -> Result<Self> {
        let of = (self.precision(), &self.design.origins());
        let folds = self.folds.clone();
        Self::without_sums(self.spec.clone(), self.columns.clone(), self.selection.clone(), folds, of)
    }

    /// How many sums of its kind there are: one a fold.
    fn parts(&self) -> usize {
        self.folds.as_ref().map_or(1, |folds| folds.number)
    }

    /// The sums of no rows.
    fn no_sums(&self) -> Vec<Statistics> {
        let parts = self.parts();
        (0..parts).map(|_| Statistics::one_of(parts, &self.design)).collect()
    }

    /// Makes sums that were added to readable.
    fn complete(&mut self) -> Result<()> {
        let completed = self.sums.iter_mut().try_for_each(|sums| sums.complete(1));
        completed.map_err(|_| Error::data("the sums have another form than their model"))
    }

    /// The model.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The files that were summed, in the order of their locations.
    pub fn inputs(&self) -> &[StateInput] {
        &self.inputs
    }

    /// The file at a location.
    fn input(&self, location: &str) -> Result<&StateInput> {
        let found = self.inputs.iter().find(|input| input.location == location);
        found.ok_or_else(|| Error::data(format!("{location}: the state does not have this file")))
    }

    /// What became of their rows.
    pub fn ledger(&self) -> &RowLedger {
        &self.ledger
    }

    /// How sums are carried.
    pub fn precision(&self) -> Precision {
        self.design.precision()
    }

    /// The cross-validation that its folds are for, if it has the sums of folds.
    ///
    /// ```
    /// use streamreg::{CrossValidation, Penalization, Penalty, Regression, State};
    /// # let dir = tempfile::tempdir()?;
    /// # let (data, path) = (dir.path().join("d.csv"), dir.path().join("s.sreg"));
    /// # std::fs::write(&data, (0..60).fold("y,x,z,shop\n".to_owned(), |t, i| t + &format!("{},{i},{},s{}\n", 3 * i + i % 5, i * i % 7, i % 9)))?;
    /// let mut cv = CrossValidation::new(5);
    /// cv.group = Some("shop".into());
    /// Regression::formula("y ~ x + z").cross_validate(cv).sum_paths(&[&data], None)?.save(&path)?;
    /// let state = State::load(&path)?;
    /// let cv = state.cross_validation().ok_or("no folds")?;
    /// let lasso = Regression::of_state(state).penalized(Penalization::chosen(Penalty::LASSO, cv)).fit_state()?;
    /// assert!(lasso.estimate("x").unwrap() > 2.9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cross_validation(&self) -> Option<CrossValidation> {
        self.folds.as_ref().map(StateFolds::cross_validation)
    }

    /// What was read of the files.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Columns that were computed before anything else: name and SQL expression.
    pub fn with(&self) -> &[(String, String)] {
        &self.selection.with
    }

    /// The condition that rows had to fulfil.
    pub fn filter(&self) -> Option<&str> {
        self.selection.filter.as_deref()
    }

    /// Sums the rows of further files: of the same model, about the same numbers. They are not added to this state.
    ///
    /// # Errors
    /// When a column is missing or of another kind, and those of reading.
    pub fn sum(&self, source: &dyn Source, execution: &Execution) -> Result<Self> {
        self.sum_with(source, execution, None)
    }

    /// The same, where a pass that was begun goes on, and one that is killed can do so. `reading` tells how the files are read: the
    /// same text each time.
    ///
    /// # Errors
    /// As [`State::sum`]; when what was saved is of another pass.
    pub fn sum_with(
        &self,
        source: &dyn Source,
        execution: &Execution,
        checkpoint: Option<(&Checkpoint, &str)>,
    ) -> Result<Self> {
        let mut part = self.before_sums()?;
        let rows = self.selection.of(source)?;
        self.check_columns(rows.schema(), rows.as_ref())?;
        part.inputs = manifest::of(&rows.inputs())?;
        let parts = part.parts();
        let execution = &execution.within_sums(rows.as_ref(), &part.design, parts)?;
        part.design = execution.bounded(part.design);
        if parts > 1 {
            let threads = execution.resolved_threads()?;
            check_folds(parts, part.design.variables(), part.precision(), threads)?;
        }
        if let Some((checkpoint, reading)) = checkpoint {
            part.sums = part.no_sums();
            part.complete()?;
            checkpoint.sum(&mut part, rows.as_ref(), (execution, reading))?;
            return Ok(part);
        }
        let levels = Levels { sets: part.sets.clone(), unseen: Unseen::default(), ..Levels::default() };
        let source_rows = SourceRows(rows.as_ref());
        let mut passes = Passes::new(&source_rows, execution, Some(rows.as_ref()));
        let (first, ids) = (part.no_sums(), part.row_ids()?);
        let make = || siblings(&first, &part.design);
        let (sums, ledger) = passes.accumulate((&part.design, &levels), ids.as_ref(), make)?;
        (part.sums, part.ledger) = (sums.into_states(), ledger);
        Ok(part)
    }

    /// What gives rows their folds, if there are any.
    fn row_ids(&self) -> Result<Option<RowIdPlan>> {
        self.folds.as_ref().map(StateFolds::row_ids).transpose()
    }

    pub(crate) fn check_columns(&self, schema: &Schema, source: &dyn Source) -> Result<()> {
        let categories = self.design.category_columns();
        for column in self.columns.iter().chain(self.folds.iter().map(|folds| &folds.key)) {
            let at = streamreg_reader::position(schema, &column.name);
            let file = first_file(&source.inputs());
            let at = at.map_err(|e| match file.as_str() {
                "" => Error::from(e),
                file => Error::from(e).located(file.trim_end_matches(": ")),
            })?;
            let category = categories.iter().any(|(name, _)| *name == column.name);
            let Some(what) = column.difference(schema.field(at).data_type(), category) else { continue };
            if let Some(doubt) = source.doubt(&column.name) {
                return Err(doubt.error.into());
            }
            return Err(Error::data(format!("{file}column {:?}: {what}", column.name)));
        }
        Ok(())
    }

    /// Checks that a source has the files of this state, unchanged, and no others.
    pub(crate) fn check_files(&self, source: &dyn Source) -> Result<()> {
        let mut rest = self.inputs.clone();
        manifest::take_out(&mut rest, &manifest::of(&source.inputs())?)?;
        match rest.first() {
            Some(lacking) => Err(Error::data(format!(
                "{}: the state has this file, and it was not given",
                lacking.location
            ))),
            None => Ok(()),
        }
    }

    /// Puts two states together: bit for bit the state of all their files, where sums are exact. (In float64 the order decides
    /// the last digits.)
    ///
    /// # Errors
    /// When they are not of one model, and when they share a file.
    pub fn merge(mut self, other: Self) -> Result<Self> {
        if let Some(what) = self.difference(&other) {
            return Err(Error::data(format!("the states do not belong together: {what}")));
        }
        let without_rows = other.ledger.rows_read + other.ledger.rows_filtered == 0;
        manifest::join(&mut self.inputs, &other.inputs, without_rows)?;
        let other = other.numbered_as(&self)?;
        self.ledger.merge(&self.design, &other.ledger);
        let merged = self.sums.iter_mut().zip(other.sums).try_for_each(|(own, theirs)| own.merge(theirs));
        merged.map_err(|_| Error::data("the states have different sums"))?;
        self.complete()?;
        Ok(self)
    }

    /// Takes the files of `part` out again: bit for bit the state that there would be without them.
    ///
    /// # Errors
    /// When `part` is of another model, or has files that are not in this state; when sums are in float64.
    pub fn subtract(mut self, part: Self) -> Result<Self> {
        if let Some(what) = self.difference(&part) {
            return Err(Error::data(format!("the states do not belong together: {what}")));
        }
        if self.precision() == Precision::Float {
            let message =
                "only exact sums can be taken out of a state: these are in float64 (--precision float)";
            return Err(Error::data(message));
        }
        manifest::take_out(&mut self.inputs, &part.inputs)?;
        let part = part.numbered_as(&self)?;
        self.ledger.subtract(&self.design, &part.ledger)?;
        self.sums.iter_mut().zip(&part.sums).try_for_each(|(own, theirs)| own.subtract(theirs))?;
        // Levels that no row has any more are forgotten.
        let mut rest = self.emptied()?;
        rest.inputs = std::mem::take(&mut self.inputs);
        self.pour_into(&mut rest)?;
        Ok(rest)
    }

    /// The same state, whose levels have the numbers that they have in `other`.
    fn numbered_as(self, other: &Self) -> Result<Self> {
        if self.sets.is_empty() {
            return Ok(self);
        }
        let mut renumbered =
            Self { sets: other.sets.clone(), inputs: self.inputs.clone(), ..self.emptied()? };
        self.pour_into(&mut renumbered)?;
        Ok(renumbered)
    }

    /// Adds the sums of this state to those of one without any, and gives it the ledger.
    fn pour_into(&self, other: &mut Self) -> Result<()> {
        let (design, sets) = (other.design.clone(), other.sets.clone());
        for (own, theirs) in self.sums.iter().zip(&mut other.sums) {
            own.save(&self.sets, |record| theirs.restore(&design, &sets, &record))?;
        }
        other.complete()?;
        other.ledger = self.ledger.saved(&self.design, &self.sets).ledger(&design, &sets)?;
        Ok(())
    }

    /// In words, what tells the model from that of another state; `None` where nothing does.
    fn difference(&self, other: &Self) -> Option<String> {
        header::difference(self, other)
    }

    /// In words, what tells the model from another one, and its folds from those of a cross-validation; `None` where nothing does.
    pub(crate) fn difference_from(&self, asked: Asked<'_>, cv: Option<&CrossValidation>) -> Option<String> {
        let own = self.cross_validation();
        header::difference_of_models((&self.spec, &self.selection), asked)
            .or_else(|| folds::difference_of_rules(own.as_ref(), cv))
    }

    /// The same state without its folds.
    ///
    /// # Errors
    /// When the sums of the folds do not belong together.
    pub(crate) fn without_folds(mut self) -> Result<Self> {
        self.sums = vec![self.total()?];
        self.folds = None;
        Ok(self)
    }

    /// The sums of all rows.
    fn total(&self) -> Result<Statistics> {
        merged(&self.sums).map_err(|_| Error::data("the folds have different sums"))
    }

    /// The sums of another model over the same rows: what they are of, and what numbers the levels. Of every fold, if these are
    /// wanted, else one of all rows.
    ///
    /// # Errors
    /// That names what was not summed; when folds are wanted and there are none.
    pub(crate) fn sums_of(&self, spec: &ModelSpec, folds: bool) -> Result<SumsOfModel> {
        if folds && self.folds.is_none() {
            return Err(Error::invalid_request(NO_FOLDS));
        }
        let sums = if folds { self.sums.clone() } else { vec![self.total()?] };
        if *spec == self.spec {
            return Ok((self.design.clone(), self.sets.clone(), sums));
        }
        let design = Design::new(spec, &self.schema())?.with_precision(self.precision());
        let design = design.with_origins_of(&self.design);
        let sets = design.level_sets();
        let of_model = |sums: &Statistics| sums.sub_model((&self.design, &self.sets), (&design, &sets));
        let sums = sums.iter().map(of_model).collect::<streamreg_core::Result<_>>()?;
        Ok((design, sets, sums))
    }

    /// Fills in what a cross-validation does not say of the folds.
    ///
    /// # Errors
    /// When it says something else, or there are no folds.
    pub(crate) fn complete_cross_validation(&self, cv: &mut CrossValidation) -> Result<()> {
        match &self.folds {
            Some(folds) => folds.fill_in(cv),
            None => Err(Error::invalid_request(NO_FOLDS)),
        }
    }

    /// Those of its columns that another design of them reads, in its order.
    pub(crate) fn columns_of(&self, design: &Design) -> Vec<ModelColumn> {
        let own = |name: &String| self.columns.iter().find(|column| column.name == *name).cloned();
        design.columns().iter().filter_map(own).collect()
    }

    /// Columns and kinds, as a schema.
    pub(crate) fn schema(&self) -> Schema {
        schema_of(&self.columns)
    }
}

/// The sums of a model, one a fold or one of all rows; what they are of, and what numbers the levels.
pub(crate) type SumsOfModel = (Design, Vec<Arc<LevelSet>>, Vec<Statistics>);

/// Why a state cannot be cross-validated, and what to do.
const NO_FOLDS: &str = "cross-validation needs the sums of folds, and the state has those of all rows alone: `fit --save-state --cv 10 \
                        --cv-group COLUMN` keeps them";

/// The sums of a part of the rows, to be merged into these or into others that are.
fn siblings(sums: &[Statistics], design: &Design) -> Folded<Statistics> {
    Folded::of(sums.iter().map(|sums| sums.sibling(design)).collect())
}

/// The columns as a schema.
fn schema_of(columns: &[ModelColumn]) -> Schema {
    let field = |c: &ModelColumn| Field::new(&c.name, c.kind.example(), true);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

/// The name of the first file, to begin a message with.
fn first_file(inputs: &[InputFile]) -> String {
    inputs.first().map(|input| format!("{}: ", input.path.display())).unwrap_or_default()
}
