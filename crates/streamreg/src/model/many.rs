//! The models of many groups, or of several targets, applied by the keys of the rows.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use serde::Deserialize;
use streamreg_core::{Design, Level, cell_levels, widened};
use streamreg_reader::Source;
use twox_hash::XxHash3_128;

use crate::error::{Error, Failure, Result};
use crate::model::augment::{RowStatistic, observed_columns};
use crate::model::many_file::{Entry, MODELS_SCHEMA_VERSION, ManyModels, Own};
use crate::model::predict::{
    BatchesOf, Job, PREDICTION, PredictOptions, PredictSummary, Reads, Written, kept, refuse_twins, stream,
    unseen_levels,
};
use crate::model::shared::Shared;
use crate::model::{Coarse, Interval, Model};
use crate::output::{TableWriter, refuse_input_as_output};
use crate::pass::Execution;
use crate::render::number;
use crate::request::selection::{Selection, open};

/// What a model file has: one model, or those of many groups or of several targets.
///
/// ```
/// use streamreg::{Models, PredictOptions, Regression, save_models};
/// # let dir = tempfile::tempdir()?;
/// # let (data, path) = (dir.path().join("d.csv"), dir.path().join("models.json"));
/// # std::fs::write(&data, "x,y,z\n1,1.5,2\n2,2.5,1\n3,3.25,0.5\n")?;
/// let files = [&data];
/// let regression = Regression::new("y").targets(["z"]).features(["x"]);
/// save_models(&regression.fit_targets(regression.open(&files)?.as_ref())?, &path)?;
/// let mut out = Vec::new();
/// Models::load(&path)?.predict_stream(&files, &mut out, &PredictOptions::new())?;
/// assert!(out.starts_with(b"prediction_y,prediction_z\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Models(Kind);

enum Kind {
    One(Box<Model>),
    Many(Box<Many>),
}

/// Many models.
struct Many {
    shared: Shared,
    /// The columns that tell which group a row is of.
    by: Vec<String>,
    /// The names of the responses.
    targets: Vec<String>,
    /// For every group the models of its responses, in their order; nothing where there is none.
    groups: HashMap<Vec<Level>, Vec<Option<Box<Own>>>>,
    /// Any of the models, to stand for all.
    any: Model,
    digest: u128,
    /// The name of the file in messages.
    file: String,
}

impl From<Model> for Models {
    fn from(model: Model) -> Self {
        Self(Kind::One(Box::new(model)))
    }
}

impl Models {
    /// Reads a model file, of one model or of many.
    ///
    /// # Errors
    /// When the file cannot be read, is no model file, or of another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let invalid = |what: String| Error::data(format!("{}: {what}", path.display()));
        let text = std::fs::read(path).map_err(|e| invalid(e.to_string()))?;
        #[derive(Deserialize)]
        struct Version {
            streamreg_models: Option<u32>,
        }
        match serde_json::from_slice::<Version>(&text).ok().and_then(|version| version.streamreg_models) {
            None => return Ok(Model::load(path)?.into()),
            Some(MODELS_SCHEMA_VERSION) => {}
            Some(other) => {
                let known = MODELS_SCHEMA_VERSION;
                return Err(invalid(format!(
                    "a file of many models of version {other}; this program reads {known}"
                )));
            }
        }
        let damaged = |what: String| invalid(format!("a damaged model file: {what}"));
        let digest = XxHash3_128::oneshot(&text);
        let ManyModels { models, common } =
            serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        drop(text);
        let many = Many::new(models, common, (digest, path)).map_err(|e| damaged(e.message().to_owned()))?;
        Ok(Self(Kind::Many(Box::new(many))))
    }

    /// The same within the memory limit of an execution: a file of many models is not small.
    ///
    /// # Errors
    /// As [`Models::load`]; [`ErrorKind::Memory`](crate::ErrorKind::Memory) where the models would not fit.
    pub fn load_within(path: impl AsRef<Path>, execution: &Execution) -> Result<Self> {
        let path = path.as_ref();
        // A file that is not there is an error of reading it.
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        let wanted = LOADED_BYTES * bytes;
        execution.check_memory(wanted).map_err(|e| {
            let (size, wanted) = (number::bytes(bytes), number::bytes(wanted));
            let message = format!(
                "{}: the models of this file of {size} take about {wanted}, and {}: a higher limit (--memory-limit, or \
                 `Execution::memory_limit`)",
                path.display(),
                e.message()
            );
            Error::memory(message)
        })?;
        Self::load(path)
    }

    /// The model, where the file has one that is for all rows.
    pub fn only(&self) -> Option<&Model> {
        match &self.0 {
            Kind::One(model) => Some(model),
            Kind::Many(_) => None,
        }
    }

    /// The columns that tell which group a row is of.
    pub fn keys(&self) -> &[String] {
        match &self.0 {
            Kind::One(_) => &[],
            Kind::Many(many) => &many.by,
        }
    }

    /// What is predicted.
    pub fn targets(&self) -> Vec<String> {
        match &self.0 {
            Kind::One(model) => vec![model.response()],
            Kind::Many(many) => many.targets.clone(),
        }
    }

    /// A model that stands for all.
    pub(crate) fn any(&self) -> &Model {
        match &self.0 {
            Kind::One(model) => model,
            Kind::Many(many) => &many.any,
        }
    }

    /// Level of the confidence intervals of the fit.
    pub fn conf_level(&self) -> f64 {
        match &self.0 {
            Kind::One(model) => model.conf_level(),
            Kind::Many(many) => many.shared.conf_level,
        }
    }

    /// [`Model::predict_paths`], of each row by the model of its group; of several targets a column each.
    ///
    /// # Errors
    /// As [`Model::predict_paths`].
    pub fn predict_paths<P: AsRef<Path>>(
        &self,
        paths: &[P],
        output: impl AsRef<Path>,
        options: &PredictOptions,
    ) -> Result<PredictSummary> {
        let files = open(paths, &options.dataset)?;
        refuse_input_as_output(&files, output.as_ref())?;
        self.predict_to(&files, options, |schema| TableWriter::file(output.as_ref(), schema))
    }

    /// [`Model::predict_stream`], of each row by the model of its group; of several targets a column each.
    ///
    /// # Errors
    /// As [`Model::predict_stream`].
    pub fn predict_stream<P: AsRef<Path>>(
        &self,
        paths: &[P],
        output: impl Write + Send,
        options: &PredictOptions,
    ) -> Result<PredictSummary> {
        let files = open(paths, &options.dataset)?;
        self.predict_to(&files, options, |schema| TableWriter::stream(Box::new(output), schema))
    }

    /// Predictions for the rows of any source, in memory: one batch or more, so that no rows have the columns, too.
    ///
    /// # Errors
    /// As [`Models::predict_paths`].
    pub fn predict_source(
        &self,
        source: &dyn Source,
        options: &PredictOptions,
    ) -> Result<(Vec<RecordBatch>, PredictSummary)> {
        let (mut rows, mut columns) = (Vec::new(), None);
        let summary = self.predict_to(source, options, |schema| {
            columns = Some(SchemaRef::clone(schema));
            Ok(TableWriter::Rows(&mut rows))
        })?;
        if let Some(schema) = columns.filter(|_| rows.is_empty()) {
            rows.push(RecordBatch::new_empty(schema));
        }
        Ok((rows, summary))
    }

    /// Predicts for the rows of a source.
    pub(crate) fn predict_to<'w>(
        &self,
        files: &dyn Source,
        options: &PredictOptions,
        open: impl FnOnce(&SchemaRef) -> Result<TableWriter<'w>>,
    ) -> Result<PredictSummary> {
        match &self.0 {
            Kind::One(model) => model.predict_to(files, options, open),
            Kind::Many(many) => many.predict_to(files, options, open),
        }
    }

    /// A digest of all that the file has.
    pub(crate) fn digest(&self) -> Result<u128> {
        match &self.0 {
            Kind::One(model) => Ok(XxHash3_128::oneshot(&model.to_json()?)),
            Kind::Many(many) => Ok(many.digest),
        }
    }
}

/// What models take for each byte of their file, at most, while they are read.
const LOADED_BYTES: u64 = 3;

/// Rows that are dealt to their groups at a time.
const ROWS_AT_ONCE: usize = 1 << 16;

impl Many {
    fn new(models: Vec<Entry>, shared: Shared, (digest, path): (u128, &Path)) -> Result<Self> {
        let (by, targets) = (shared.spec.by.clone(), shared.spec.response_names());
        let mut groups: HashMap<Vec<Level>, Vec<Option<Box<Own>>>> = HashMap::new();
        let mut first = None;
        for Entry { key, response, model, .. } in models {
            let target = targets.iter().position(|target| *target == response);
            let target = target.filter(|_| key.len() == by.len());
            let target = target
                .ok_or_else(|| Error::data(format!("a model of {response:?} that nobody asked for")))?;
            if first.is_none() {
                first = model.clone().map(|own| (target, own));
            }
            let own = groups.entry(key).or_insert_with(|| targets.iter().map(|_| None).collect());
            own[target] = model;
        }
        let (target, own) = first.ok_or_else(|| Error::data("there is no model: all fits failed"))?;
        let any = own.with(&shared, target)?;
        Ok(Self { shared, by, targets, groups, any, digest, file: path.display().to_string() })
    }

    fn predict_to<'w>(
        &self,
        files: &dyn Source,
        options: &PredictOptions,
        open: impl FnOnce(&SchemaRef) -> Result<TableWriter<'w>>,
    ) -> Result<PredictSummary> {
        let job = ManyJob::new(self, files, options)?;
        let own = Selection { with: options.with.clone(), filter: options.filter.clone() };
        let all = job.columns.iter().chain(&job.keep).cloned();
        let source = self.any.selection(own, &[], all)?.of(files)?;
        let source = source.as_ref();
        self.any.check_columns(&job.columns, source.schema(), Some(source))?;
        let schema = job.schema(source)?;
        let read = Reads {
            columns: &job.columns,
            keep: &job.keep,
            dictionaries: job.dictionaries.clone(),
            variables: job.variables,
            written: schema.fields().len(),
        };
        let work = |batches: BatchesOf<'_>| job.partition(source, batches, &schema);
        let (summary, _) = stream(source, read, options, || open(&schema), work)?;
        Ok(summary)
    }
}

/// What is written for every row, and what is read for it.
struct ManyJob<'m> {
    many: &'m Many,
    options: &'m PredictOptions,
    /// Columns that are read: those of the terms, of statistics, and those that split the rows.
    columns: Vec<String>,
    keep: Vec<String>,
    dictionaries: Vec<String>,
    /// Numbers that are computed for every row.
    variables: usize,
    /// What the model of a group gives of a row, by the names that it has there.
    names: Vec<String>,
}

/// What a model gives of some rows of its group.
struct Done {
    batch: RecordBatch,
    inestimable: u64,
    unseen: u64,
    coarse: Coarse,
}

impl<'m> ManyJob<'m> {
    fn new(many: &'m Many, files: &dyn Source, options: &'m PredictOptions) -> Result<Self> {
        let own = PredictOptions { keep: Vec::new(), ..options.clone() };
        // Some groups may do with fewer columns, but all can do with these.
        let design = Design::of_terms(&many.shared.spec, &many.any.schema())?;
        let statistics = match many.by.is_empty() {
            true => own,
            false => Many::without_covariance(&many.any, own),
        };
        let job = Job::new(&many.any, files, &statistics)?;
        let mut columns: Vec<String> = design.columns().to_vec();
        let mut observed = Vec::new();
        for response in &many.shared.spec.responses {
            let mut of_target = many.any.clone();
            of_target.0.spec.responses = vec![response.clone()];
            observed.extend(observed_columns(&of_target, &options.columns)?);
        }
        for name in observed.into_iter().chain(many.by.iter().cloned()) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        let dictionaries = job.dictionaries();
        let mut names: Vec<String> = match options.columns.as_slice() {
            [] => vec![PREDICTION.to_owned()],
            some => some.iter().map(|statistic| statistic.column()).collect(),
        };
        if let Some((kind, _)) = options.interval {
            names.extend(kind.columns());
        }
        Ok(Self {
            many,
            options,
            columns,
            keep: kept(&options.keep, files.schema()),
            dictionaries,
            variables: design.variables(),
            names,
        })
    }

    /// Kept columns, then those of every target.
    fn schema(&self, source: &dyn Source) -> Result<SchemaRef> {
        let mut fields = Vec::new();
        for name in &self.keep {
            let index = streamreg_reader::position(source.schema(), name)?;
            fields.push(Field::new(name, source.verbatim_type(index), true));
        }
        for target in &self.many.targets {
            let several = self.many.targets.len() > 1;
            let called = |name: &String| if several { format!("{name}_{target}") } else { name.clone() };
            fields.extend(self.names.iter().map(|name| Field::new(called(name), DataType::Float64, true)));
        }
        refuse_twins(&fields)?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The output of the rows of a partition, with the number of levels that are not known.
    fn partition(
        &self,
        source: &dyn Source,
        batches: BatchesOf<'_>,
        schema: &SchemaRef,
    ) -> std::result::Result<(Vec<Written>, u64), Failure> {
        let (mut out, mut unseen, mut before) = (Vec::new(), 0, 0);
        let mut waiting: Vec<RecordBatch> = Vec::new();
        loop {
            let next = batches.next().transpose()?;
            let is_end = next.is_none();
            waiting.extend(next);
            let rows: usize = waiting.iter().map(RecordBatch::num_rows).sum();
            if rows >= ROWS_AT_ONCE || (is_end && rows > 0) {
                let batch = concat_batches(waiting[0].schema_ref(), &waiting).map_err(Error::from)?;
                waiting.clear();
                out.push(self.written(source, &batch, (schema, before), &mut unseen)?);
                before += rows as u64;
            }
            if is_end {
                return Ok((out, unseen));
            }
        }
    }

    /// The output of some rows, before which `before` others were read.
    fn written(
        &self,
        source: &dyn Source,
        batch: &RecordBatch,
        (schema, before): (&SchemaRef, u64),
        unseen: &mut u64,
    ) -> std::result::Result<Written, Failure> {
        let mut values = vec![vec![None; batch.num_rows()]; self.names.len() * self.many.targets.len()];
        let mut written = Written::none(schema);
        let mut counts = vec![(0, 0); self.many.targets.len()];
        let mut predicted = vec![true; batch.num_rows()];
        for (key, rows) in self.groups(batch)? {
            let own = self.many.groups.get(&key);
            if own.is_none_or(|own| own.iter().any(Option::is_none)) {
                written.unknown += rows.len() as u64;
                rows.iter().for_each(|&row| predicted[row as usize] = false);
            }
            for target in 0..self.many.targets.len() {
                let Some(own) = own.and_then(|own| own[target].as_ref()) else { continue };
                let part = take_record_batch(batch, &UInt32Array::from(rows.clone())).map_err(Error::from)?;
                let model = own.clone().with(&self.many.shared, target);
                let model =
                    model.map_err(|e| e.located(&format!("{}: a damaged model file", self.many.file)));
                let model = model.map_err(|e| self.in_group(e, &key))?;
                let done = self.group(source, &model, &part).map_err(|failure| match failure {
                    Failure::Core(error) => match error.row().and_then(|row| rows.get(row as usize)) {
                        Some(&row) => Failure::Core(error.at_row(before + u64::from(row))),
                        None => Failure::Core(error),
                    },
                    Failure::Other(error) => Failure::Other(self.in_group(error, &key)),
                })?;
                let Done { batch: done, inestimable, unseen, coarse } = done;
                counts[target].0 += inestimable;
                counts[target].1 += unseen;
                written.coarse.absorb(coarse);
                self.scatter(&done, &rows, &mut values[target * self.names.len()..]);
            }
        }
        for target in 0..self.many.targets.len() {
            let fitted = &values[target * self.names.len()];
            predicted.iter_mut().zip(fitted).for_each(|(known, value)| *known &= value.is_some());
        }
        // A row and a level count once, for however many targets.
        written.inestimable = counts.iter().map(|count| count.0).max().unwrap_or(0);
        *unseen += counts.iter().map(|count| count.1).max().unwrap_or(0);
        written.nulls = predicted.iter().filter(|known| !**known).count() as u64;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().take(self.keep.len()).enumerate() {
            let wide = widened(batch.column(self.columns.len() + index), field.data_type());
            columns.push(wide.map_err(|e| Error::data(format!("column {:?}: {e}", field.name())))?);
        }
        columns.extend(values.into_iter().map(|values| Arc::new(Float64Array::from(values)) as ArrayRef));
        written.batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::from)?;
        Ok(written)
    }

    /// What a model gives of the rows of its group.
    fn group(
        &self,
        source: &dyn Source,
        model: &Model,
        part: &RecordBatch,
    ) -> std::result::Result<Done, Failure> {
        let options = PredictOptions { keep: Vec::new(), ..self.options.clone() };
        let options = match self.many.by.is_empty() {
            true => options,
            false => Many::without_covariance(model, options),
        };
        let job = Job::new(model, source, &options)?;
        let schema = job.schema(source, &options)?;
        let places = job.columns.iter().map(|name| part.schema_ref().index_of(name).map_err(Error::from));
        let part = part.project(&places.collect::<Result<Vec<_>>>()?).map_err(Error::from)?;
        let mut reader = job.reader();
        let Written { batch, inestimable, coarse, .. } = job.written(&mut reader, &part, &schema)?;
        Ok(Done { batch, inestimable, unseen: unseen_levels(&reader.into_ledger()), coarse })
    }

    /// Puts what was given of some rows in their places.
    fn scatter(&self, done: &RecordBatch, rows: &[u32], values: &mut [Vec<Option<f64>>]) {
        for (name, values) in self.names.iter().zip(values) {
            let Some(column) = done.column_by_name(name) else { continue };
            let column = column.as_primitive::<Float64Type>();
            for (at, &row) in rows.iter().enumerate() {
                values[row as usize] = column.is_valid(at).then(|| column.value(at));
            }
        }
    }

    /// The rows of every group, in the order in which groups appear.
    fn groups(&self, batch: &RecordBatch) -> Result<Vec<(Vec<Level>, Vec<u32>)>> {
        let all = |rows: usize| (0..rows as u32).collect();
        if self.many.by.is_empty() {
            return Ok(vec![(Vec::new(), all(batch.num_rows()))]);
        }
        let mut keys = Vec::new();
        for name in &self.many.by {
            let array =
                batch.column_by_name(name).ok_or_else(|| Error::data(format!("column {name:?} is lost")))?;
            keys.push(cell_levels(name, array.as_ref())?);
        }
        let mut places: HashMap<Vec<Option<Level>>, usize> = HashMap::new();
        let mut groups: Vec<(Vec<Level>, Vec<u32>)> = Vec::new();
        for row in 0..batch.num_rows() {
            let key: Vec<Option<Level>> = keys.iter().map(|levels| levels[row].clone()).collect();
            let at = *places.entry(key).or_insert_with_key(|key| {
                // Neither NaN nor an infinity is the value of a group.
                let key = key.iter().map(|level| level.clone().unwrap_or(Level::Missing)).collect();
                groups.push((key, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(row as u32);
        }
        Ok(groups)
    }

    /// An error of a group, with its name.
    fn in_group(&self, error: Error, key: &[Level]) -> Error {
        let pairs = self.many.by.iter().zip(key).map(|(name, level)| format!("{name} = {level}"));
        match self.many.by.is_empty() {
            true => error,
            false => error.located(&format!("group {}", pairs.collect::<Vec<_>>().join(", "))),
        }
    }
}

impl Many {
    /// The options without what a group has no covariance for: such groups have their predictions all the same.
    fn without_covariance(model: &Model, mut options: PredictOptions) -> PredictOptions {
        let asked = !options.columns.is_empty();
        if model.0.covariance.is_none() {
            options.interval = None;
            options.columns.retain(|one| matches!(one, RowStatistic::Fitted | RowStatistic::Resid));
            if options.columns.is_empty() && asked {
                options.columns.push(RowStatistic::Fitted);
            }
        }
        options
    }
}

impl Interval {
    /// The names of its ends.
    pub(crate) fn columns(self) -> [String; 2] {
        let prefix = if self == Self::Confidence { "conf" } else { "pred" };
        ["low", "high"].map(|end| format!("{prefix}_{end}"))
    }
}
