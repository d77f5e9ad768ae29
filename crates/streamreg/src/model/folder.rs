//! Predictions for many files: one output for each, and none that is there already.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use streamreg_reader::parquet::ParquetFile;
use streamreg_reader::{InputFile, Listing, data_stem};
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::model::many::Models;
use crate::model::predict::{PredictOptions, PredictSummary};
use crate::output::{RowsForm, TableWriter, real_path, write_atomically};
use crate::state::StateInput;

/// How predictions are written to a folder.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FolderOptions {
    /// The form of the outputs.
    pub form: RowsForm,
    /// Whether outputs are written that are up to date.
    pub force: bool,
}

/// What was done about the files.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FolderSummary {
    /// Files that were predicted for.
    pub written: usize,
    /// Files whose predictions were there, of this model, request and input.
    pub skipped: usize,
    /// The predictions that were written.
    pub predictions: PredictSummary,
}

/// What an output was made from. It is up to date if it would be made from the same again: no clock is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    /// Version of the program.
    program: String,
    /// Digest of the model.
    model: String,
    /// Digest of what was asked for.
    request: String,
    /// The file with the rows.
    input: Content,
}

/// The content of a file, wherever it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Content {
    bytes: u64,
    modified: Option<u64>,
    digest: String,
}

/// What is said of a CSV file in a hidden file beside it.
#[derive(Serialize, Deserialize)]
struct Beside {
    origin: Origin,
    /// The file itself.
    output: Content,
}

/// The key of an [`Origin`] in the metadata of a Parquet file.
const KEY: &str = "streamreg.predictions";

impl Models {
    /// Predicts for files one by one and writes a file for each below `folder`, at its path below what was named, with the
    /// folders of Hive keys. Outputs that are up to date are passed over: an output says which model, request and input it was made
    /// from. Ends at the first error; what is complete stays, and the next call goes on there.
    ///
    /// # Errors
    /// When two files would have the same output, an output would be an input, now or the next time, and as
    /// [`Models::predict_paths`].
    pub fn predict_folder<P: AsRef<Path>>(
        &self,
        paths: &[P],
        folder: impl AsRef<Path>,
        how: FolderOptions,
        options: &PredictOptions,
    ) -> Result<FolderSummary> {
        if options.dataset.union_by_name {
            let message = "the option union-by-name would have no effect: files are predicted for one by one";
            return Err(Error::invalid_request(message));
        }
        let listing = Listing::of(paths, &options.dataset)?;
        let outputs = outputs(&listing, folder.as_ref(), how.form)?;
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let request = XxHash3_128::oneshot(request(&listing, options).as_bytes());
        let [model, request] = [self.digest()?, request].map(|digest| format!("{digest:032x}"));
        let mut summary = FolderSummary::default();
        for (at, output) in outputs.iter().enumerate() {
            let path = &listing.files()[at];
            let input = Content::of(path)?;
            let origin =
                Origin { program: program.clone(), model: model.clone(), request: request.clone(), input };
            if !how.force && Origin::of(output, how.form).is_some_and(|made| origin.is_that_of(&made)) {
                summary.skipped += 1;
                continue;
            }
            let predicted = self.predict_file(&listing, at, (output, how.form, &origin), options);
            let done = summary.skipped + summary.written;
            summary.predictions.absorb(predicted.map_err(|e| at_file(e, path, (done, outputs.len())))?);
            summary.written += 1;
        }
        Ok(summary)
    }

    /// Predicts for one file.
    fn predict_file(
        &self,
        listing: &Listing,
        at: usize,
        (output, form, origin): (&Path, RowsForm, &Origin),
        options: &PredictOptions,
    ) -> Result<PredictSummary> {
        let file = listing.open(&[at])?;
        let folder = output.parent().unwrap_or(Path::new("."));
        let text = json(origin)?;
        let open = |schema: &SchemaRef| {
            // Only now it is known that the request is valid.
            std::fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
            let mut writer = TableWriter::file(output, schema)?;
            writer.note(KEY, &text);
            Ok(writer)
        };
        let beside = beside(output);
        if form == RowsForm::Parquet {
            return self.predict_to(&file, options, open);
        }
        // What it says must never be of an older output.
        match std::fs::remove_file(&beside) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::output(&beside, e)),
            _ => {}
        }
        let summary = self.predict_to(&file, options, open)?;
        let text = json(&Beside { origin: origin.clone(), output: Content::of(output)? })?;
        write_atomically(&beside, |file| std::io::Write::write_all(file, text.as_bytes()))?;
        Ok(summary)
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::data(e.to_string()))
}

/// The hidden file that says what a CSV file was made from. Whoever reads folders passes it over.
fn beside(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.origin"))
}

/// An error of a file, with how far the others are.
fn at_file(error: Error, path: &Path, (done, all): (usize, usize)) -> Error {
    let error = match error.message().contains(&*path.to_string_lossy()) {
        true => error,
        false => error.in_file(path),
    };
    match done {
        0 => error,
        _ => error.with_help(&format!(
            "{done} of {all} files have their predictions, and the same command goes on there"
        )),
    }
}

/// All that decides about an output beside the model and its input, as a text.
fn request(listing: &Listing, options: &PredictOptions) -> String {
    let PredictOptions { keep, columns, interval, unseen, with, filter, dataset, execution: _ } = options;
    let keys: Vec<_> = listing.keys().map(|key| (key.name(), key.data_type())).collect();
    format!("{:?}", (keep, columns, interval, unseen, with, filter, dataset, keys))
}

/// The output of every file of a listing.
///
/// # Errors
/// For two files with the same output, and for an output that is an input, or would be the next time.
fn outputs(listing: &Listing, folder: &Path, form: RowsForm) -> Result<Vec<PathBuf>> {
    let refused =
        |path: &Path, why: String| Err(Error::invalid_request(format!("{}: {why}", path.display())));
    if folder.exists() && !folder.is_dir() {
        return refused(folder, "the outputs go to a folder, and this is a file".to_owned());
    }
    let inputs: HashSet<PathBuf> = listing.files().iter().map(|file| real_path(file)).collect();
    let (mut taken, mut outputs) = (HashMap::new(), Vec::new());
    for (file, place) in listing.files().iter().zip(listing.places()) {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let output = folder.join(place.with_file_name(format!("{}.{form}", data_stem(&name))));
        if let Some(other) = taken.insert(output.clone(), file) {
            let other: &PathBuf = other;
            let message = format!(
                "both this file and {} would have their predictions in {}; predict for them one after the other, into two folders",
                other.display(),
                output.display()
            );
            return refused(file, message);
        }
        if inputs.contains(&real_path(&output)) {
            return refused(&output, "the output is one of the inputs; name another folder".to_owned());
        }
        if listing.would_read(&output) {
            let why = "the next time this output would be read as an input; name a folder that is not among the inputs";
            return refused(&output, why.to_owned());
        }
        outputs.push(output);
    }
    Ok(outputs)
}

impl Content {
    fn of(path: &Path) -> Result<Self> {
        let StateInput { bytes, modified, digest, .. } = StateInput::of(&InputFile::of(path)?)?;
        Ok(Self { bytes, modified, digest })
    }

    /// Whether two files have the same content for sure.
    fn is_surely(&self, other: &Self) -> bool {
        let input = |content: &Self| StateInput {
            location: String::new(),
            bytes: content.bytes,
            modified: content.modified,
            rows: None,
            digest: content.digest.clone(),
        };
        input(self).is_surely(&input(other))
    }
}

impl Origin {
    /// What an output was made from, where it is there and says so.
    fn of(output: &Path, form: RowsForm) -> Option<Self> {
        if form == RowsForm::Parquet {
            let file = ParquetFile::open(output).ok()?;
            let pairs = file.metadata().file_metadata().key_value_metadata()?;
            let text = pairs.iter().find(|pair| pair.key == KEY)?.value.as_ref()?;
            return serde_json::from_str(text).ok();
        }
        let Beside { origin, output: made } =
            serde_json::from_slice(&std::fs::read(beside(output)).ok()?).ok()?;
        Content::of(output).ok().filter(|now| now.is_surely(&made)).map(|_| origin)
    }

    fn is_that_of(&self, other: &Self) -> bool {
        let same =
            (&self.program, &self.model, &self.request) == (&other.program, &other.model, &other.request);
        same && self.input.is_surely(&other.input)
    }
}
