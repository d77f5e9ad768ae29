//! Fits of groups of rows, written as they come.

use std::io::{self, Write};
use std::path::Path;

use serde::{Serialize, Serializer};
use streamreg_core::{LeftOut, Level, RowLedger};
use streamreg_reader::{ReadCounts, Source};
use streamreg_solve::{Aliased, Glance, TermEstimate, Warning};

use super::broom;
use super::columns::wrapped;
use super::format::{Format, RenderOptions};
use super::markdown::{escape, row as markdown_row};
use super::number::{count, counted, optional, short};
use super::printable::printable;
use super::table::coefficients;

use crate::error::{Error, Result};
use crate::fit::{GroupFit, GroupSummary};
use crate::model::many_file::ModelsWriter;
use crate::output::{csv_field, refuse_input_as_output, write_whole};
use crate::report::{InputRecord, REPORT_SCHEMA_VERSION, Timings};
use crate::request::regression::Regression;

/// Fits every group of rows that [`Regression::by`] splits off and writes the fits to `out` as they come, in the order of
/// the groups: there may be more than memory holds as text. Their models are saved to the file `models`, if there is one, for
/// [`Models`](crate::Models) to read.
///
/// # Errors
/// As [`Regression::fit_groups`], and when `out` takes no more.
pub fn write_groups(
    regression: &Regression,
    source: &dyn Source,
    options: &RenderOptions,
    out: &mut (dyn Write + Send),
    models: Option<&Path>,
) -> Result<GroupSummary> {
    let out = (Path::new("the output"), out);
    match models {
        None => write_to(regression, source, options, out, None),
        Some(path) => {
            refuse_input_as_output(source, path)?;
            write_whole(path, |file| write_to(regression, source, options, out, Some((path, file))))
        }
    }
}

/// [`write_groups`] to a file, whole or not at all, and never over an input.
///
/// # Errors
/// As [`write_groups`].
pub fn write_groups_file(
    regression: &Regression,
    source: &dyn Source,
    options: &RenderOptions,
    path: impl AsRef<Path>,
    models: Option<&Path>,
) -> Result<GroupSummary> {
    let path = path.as_ref();
    refuse_input_as_output(source, path)?;
    write_whole(path, |file| match models {
        None => write_to(regression, source, options, (path, file), None),
        Some(models) => {
            refuse_input_as_output(source, models)?;
            write_whole(models, |saved| {
                write_to(regression, source, options, (path, file), Some((models, saved)))
            })
        }
    })
}

/// Where text goes, and its name in messages.
type Target<'w> = (&'w Path, &'w mut (dyn Write + Send));

/// Writes to `out`, which has a name in messages.
fn write_to(
    regression: &Regression,
    source: &dyn Source,
    options: &RenderOptions,
    (name, out): Target<'_>,
    models: Option<Target<'_>>,
) -> Result<GroupSummary> {
    let (spec, _) = regression.spec(regression.schema(source)?.as_ref())?;
    let form = GroupForm {
        format: options.format,
        width: options.width,
        by: spec.by,
        several: spec.responses.len() > 1,
        level: regression.level(),
    };
    let failed = |e: io::Error| Error::output(name, e);
    let mut writer = GroupWriter::new(&form, out);
    let (models_name, mut models) = models.map(|(path, out)| (path, ModelsWriter::new(out))).unzip();
    let unsaved = |e: io::Error| Error::output(models_name.unwrap_or(Path::new("")), e);
    let saves = models.is_some();
    let render = |fit: GroupFit| (form.render(&fit), saves.then(|| ModelsWriter::text(&fit)));
    let each = |(text, model): (io::Result<Vec<u8>>, Option<io::Result<Vec<u8>>>)| {
        text.and_then(|text| writer.write(&text)).map_err(failed)?;
        match (model, &mut models) {
            (Some(model), Some(models)) => model.and_then(|model| models.write(&model)).map_err(unsaved),
            _ => Ok(()),
        }
    };
    let summary = regression.fit_groups_with(source, render, each)?;
    writer.finish(&summary).map_err(failed)?;
    models.map_or(Ok(()), |models| models.finish(&summary.shared).map_err(unsaved))?;
    Ok(summary)
}

/// What fits of groups look like.
struct GroupForm {
    format: Format,
    width: Option<usize>,
    by: Vec<String>,
    /// Whether a group has several fits, one a response.
    several: bool,
    level: f64,
}

/// Writes one fit after the other, then what they have in common.
struct GroupWriter<'w> {
    form: &'w GroupForm,
    written: u64,
    out: &'w mut (dyn Write + Send),
}

/// The columns of a group and their levels, as an object.
struct Levels<'f>(&'f [String], &'f [Level]);

impl Serialize for Levels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// What the fits of all groups have in common, in JSON.
#[derive(Serialize)]
struct JsonCommon<'s> {
    formula: &'s str,
    by: &'s [String],
    failed: u64,
    conf_level: f64,
    ledger: &'s RowLedger,
    left_out: &'s [LeftOut],
    warnings: &'s [Warning],
    inputs: &'s [InputRecord],
    reading: ReadCounts,
    timings: &'s Timings,
}

/// A fit in JSON.
#[derive(Serialize)]
struct JsonFit<'f> {
    by: Levels<'f>,
    response: &'f str,
    status: String,
    rows: u64,
    coefficients: Option<&'f [TermEstimate]>,
    glance: Option<&'f Glance>,
    rank: Option<usize>,
    aliased: Option<&'f [Aliased]>,
    condition_number: Option<f64>,
    warnings: Option<&'f [Warning]>,
}

impl GroupForm {
    /// The columns that identify a fit.
    fn prefix(&self) -> Vec<String> {
        let response = self.several.then(|| "response".to_owned());
        self.by.iter().cloned().chain(response).collect()
    }

    fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Format::Table => Ok(()),
            Format::Json => writeln!(out, "{{\n\"schema_version\": {REPORT_SCHEMA_VERSION},\n\"groups\": ["),
            Format::Tidy => writeln!(out, "{}", broom::header(broom::TIDY, &self.prefix(), true)),
            Format::Glance => writeln!(out, "{}", broom::header(broom::GLANCE, &self.prefix(), true)),
            Format::Markdown => {
                let prefix: Vec<String> = self.prefix().iter().map(|name| escape(&printable(name))).collect();
                let level = (self.level * 1e4).round() / 1e2;
                let own = format!("term | estimate | std. error | t | p | {level} % interval | status");
                writeln!(out, "| {} | {own} |", prefix.join(" | "))?;
                writeln!(out, "{}|---|---:|---:|---:|---:|---|---|", "|---".repeat(prefix.len()))
            }
        }
    }

    /// The text of a fit.
    fn render(&self, fit: &GroupFit) -> io::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(1 << 10);
        match self.format {
            Format::Table => self.table(fit, &mut text),
            Format::Json => self.json(fit, &mut text),
            Format::Tidy => self.tidy(fit, &mut text),
            Format::Glance => self.glance(fit, &mut text),
            Format::Markdown => self.markdown(fit, &mut text),
        }?;
        Ok(text)
    }

    /// What stands between two fits.
    fn separator(&self) -> &'static str {
        match self.format {
            Format::Table => "\n",
            Format::Json => ",\n",
            _ => "",
        }
    }

    fn cells(&self, fit: &GroupFit) -> Vec<String> {
        let response = self.several.then(|| fit.response.clone());
        fit.levels.iter().map(level_text).chain(response).collect()
    }

    /// Writes rows of CSV between the columns that identify a fit and its status.
    fn csv(
        &self,
        fit: &GroupFit,
        mut rows: impl Iterator<Item = String>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let prefix: Vec<String> = self.cells(fit).iter().map(|cell| csv_field(cell)).collect();
        let (prefix, status) = (prefix.join(","), csv_field(&fit.status()));
        rows.try_for_each(|own| writeln!(out, "{prefix},{own},{status}"))
    }

    fn tidy(&self, fit: &GroupFit, out: &mut Vec<u8>) -> io::Result<()> {
        match &fit.result {
            Ok(own) => self.csv(fit, own.coefficients.iter().map(broom::tidy_row), out),
            Err(_) => self.csv(fit, std::iter::once(empty(broom::TIDY)), out),
        }
    }

    fn glance(&self, fit: &GroupFit, out: &mut Vec<u8>) -> io::Result<()> {
        let row =
            fit.result.as_ref().map_or_else(|_| empty(broom::GLANCE), |own| broom::glance_row(&own.glance));
        self.csv(fit, std::iter::once(row), out)
    }

    fn markdown(&self, fit: &GroupFit, out: &mut Vec<u8>) -> io::Result<()> {
        let prefix: Vec<String> = self.cells(fit).iter().map(|cell| escape(&printable(cell))).collect();
        let (prefix, status) = (prefix.join(" | "), escape(&printable(&fit.status())));
        match &fit.result {
            Ok(own) => own
                .coefficients
                .iter()
                .try_for_each(|c| writeln!(out, "| {prefix} | {} | {status} |", markdown_row(c))),
            Err(_) => writeln!(out, "| {prefix} | | | | | | | {status} |"),
        }
    }

    fn table(&self, fit: &GroupFit, out: &mut Vec<u8>) -> io::Result<()> {
        let cells = self.cells(fit);
        let names = self.prefix();
        let pairs = names.iter().zip(&cells).map(|(n, c)| format!("{} = {}", printable(n), printable(c)));
        let title = pairs.collect::<Vec<_>>().join(", ");
        writeln!(out, "{}", wrapped(&format!("{title}  ({})", counted(fit.rows, "row")), self.width))?;
        if let Ok(own) = &fit.result {
            write!(out, "{}", coefficients(&own.coefficients, self.width))?;
            let sigma = own.glance.sigma.map_or("NA".into(), short);
            let r_squared = optional(own.glance.r_squared);
            let df = count(own.glance.df_residual);
            let line = format!("R-squared: {r_squared},  residual standard error: {sigma} on {df} DF");
            writeln!(out, "{}", wrapped(&line, self.width))?;
        }
        match fit.status().as_str() {
            "ok" => Ok(()),
            status => writeln!(out, "{}", wrapped(&format!("Status: {}", printable(status)), self.width)),
        }
    }

    fn json(&self, fit: &GroupFit, out: &mut Vec<u8>) -> io::Result<()> {
        let own = fit.result.as_ref().ok();
        let fit = JsonFit {
            by: Levels(&self.by, &fit.levels),
            response: &fit.response,
            status: fit.status(),
            rows: fit.rows,
            coefficients: own.map(|f| f.coefficients.as_slice()),
            glance: own.map(|f| &f.glance),
            rank: own.map(|f| f.rank),
            aliased: own.map(|f| f.aliased.as_slice()),
            condition_number: own.map(|f| f.condition_number),
            warnings: own.map(|f| f.warnings.as_slice()),
        };
        serde_json::to_writer(out, &fit)?;
        Ok(())
    }
}

impl<'w> GroupWriter<'w> {
    fn new(form: &'w GroupForm, out: &'w mut (dyn Write + Send)) -> Self {
        Self { form, written: 0, out }
    }

    /// Writes what [`GroupForm::render`] made of a fit.
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.written == 0 {
            self.form.begin(self.out)?;
        } else {
            self.out.write_all(self.form.separator().as_bytes())?;
        }
        self.written += 1;
        self.out.write_all(text)
    }

    /// What all fits have in common.
    fn finish(self, summary: &GroupSummary) -> io::Result<()> {
        if self.written == 0 {
            self.form.begin(self.out)?;
        }
        match self.form.format {
            Format::Tidy | Format::Glance => Ok(()),
            Format::Json => {
                let common = JsonCommon {
                    formula: &summary.formula,
                    by: &summary.by,
                    failed: summary.failed,
                    conf_level: summary.conf_level,
                    ledger: &summary.ledger,
                    left_out: &summary.left_out,
                    warnings: &summary.warnings,
                    inputs: &summary.inputs,
                    reading: summary.reading,
                    timings: &summary.timings,
                };
                let text = serde_json::to_string(&common)?;
                // The object goes on where the list of groups ends.
                writeln!(self.out, "\n],\n{}", text.trim_start_matches('{'))
            }
            Format::Table | Format::Markdown => {
                let formula = printable(&summary.formula);
                let mut lines = vec![format!("{formula} in {} groups", count(summary.groups))];
                if summary.failed > 0 {
                    lines.push(format!("{} of {} fits failed", summary.failed, self.written));
                }
                lines.extend(summary.notices());
                writeln!(self.out)?;
                let shown = |line: &String| match self.form.format {
                    Format::Markdown => format!("- {}", escape(line)),
                    _ => wrapped(line, self.form.width),
                };
                lines.iter().try_for_each(|line| writeln!(self.out, "{}", shown(line)))
            }
        }
    }
}

fn level_text(level: &Level) -> String {
    if *level == Level::Missing { String::new() } else { level.to_string() }
}

/// As many empty cells as there are columns.
fn empty(columns: &str) -> String {
    ",".repeat(columns.matches(',').count())
}
