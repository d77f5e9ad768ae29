//! Predictions for values that are given one by one, not in a file.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_select::concat::concat_batches;
use streamreg_core::Level;
use streamreg_reader::csv::CsvOptions;
use streamreg_reader::{Batches, suggestion};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::columns::ColumnKind;
use crate::model::predict::{Job, PredictOptions, PredictSummary};
use crate::output::TableWriter;

/// Most rows that ranges may come to.
const MOST_ROWS: usize = 1_000_000;

impl Model {
    /// Predicts for points: the values of the model's columns as text, each column once. A number may be a range `from:to` or
    /// `from:to:step`, both ends included; several ranges are combined in every way, the last one changing fastest. The given columns
    /// are copied to the output, in the order of the first point. An empty text and `NA` are missing values, unless the model has a
    /// level of this name. A computed column takes a value like others, and is not computed then.
    ///
    /// ```
    /// use streamreg::{Model, PredictOptions, Regression};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("d.csv");
    /// # std::fs::write(&path, "x,g,y\n1,a,1\n2,a,2.5\n3,b,5\n4,b,6\n")?;
    /// let model = Regression::formula("y ~ x + g").fit_paths(&[&path])?.model()?;
    /// let point = [("x", "1:3"), ("g", "b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    /// let (rows, _) = model.predict_at(&[point.to_vec()], &PredictOptions::new())?;
    /// assert_eq!((rows.num_rows(), rows.schema().field(2).name().as_str()), (3, "prediction"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where a column is missing, unknown, given twice, or its value is not of its kind; for dates and times, which a file has to
    /// give.
    pub fn predict_at(
        &self,
        points: &[Vec<(String, String)>],
        options: &PredictOptions,
    ) -> Result<(RecordBatch, PredictSummary)> {
        let names = self.point_columns(points, options)?;
        let kinds: Vec<Option<ColumnKind>> = names.iter().map(|name| self.kind(name)).collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for point in points {
            let mut own: Vec<Vec<String>> = vec![Vec::new()];
            for (name, kind) in names.iter().zip(&kinds) {
                let text = point.iter().find(|(own, _)| own == name).map_or("", |(_, text)| text.as_str());
                let values = values(name, text, *kind)?;
                if own.len() * values.len() + rows.len() > MOST_ROWS {
                    return Err(Error::invalid_request(format!(
                        "the ranges come to more than {MOST_ROWS} rows"
                    )));
                }
                let extend = |row: &Vec<String>| -> Vec<Vec<String>> {
                    values
                        .iter()
                        .map(|value| [row.as_slice(), std::slice::from_ref(value)].concat())
                        .collect()
                };
                own = own.iter().flat_map(extend).collect();
            }
            rows.extend(own);
        }
        let column = |(at, (name, kind)): (usize, (&String, &Option<ColumnKind>))| {
            let cell = |row: &'_ Vec<String>| row.get(at).filter(|cell| !self.is_missing(cell)).cloned();
            let cells: Vec<Option<String>> = rows.iter().map(cell).collect();
            Ok((name.clone(), array(name, &cells, *kind)?))
        };
        let columns = names.iter().zip(&kinds).enumerate().map(column).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_from_iter(columns)?;
        let source = Batches::new(batch.schema(), vec![batch]);
        let options = PredictOptions { keep: names, ..options.clone() };
        let mut written = Vec::new();
        let job = Job::new(self, &source, &options)?;
        let source = job.with_computed(&source, &options.keep, &options)?;
        let schema = job.schema(source.as_ref(), &options)?;
        let summary = job.run(source.as_ref(), &schema, &options, || Ok(TableWriter::Rows(&mut written)))?;
        Ok((concat_batches(&schema, &written)?, summary))
    }

    /// Whether a value is missing, as a CSV file has it: no level is called so.
    fn is_missing(&self, text: &str) -> bool {
        let is_null = text.is_empty() || CsvOptions::default().nulls.iter().any(|null| null == text);
        is_null
            && !self
                .0
                .coding
                .levels
                .iter()
                .flatten()
                .any(|level| matches!(level, Level::Text(own) if own == text))
    }

    /// The columns of the points: those that the model needs, all of them and no others.
    fn point_columns(
        &self,
        points: &[Vec<(String, String)>],
        options: &PredictOptions,
    ) -> Result<Vec<String>> {
        let first = points.first().ok_or_else(|| Error::invalid_request("there is no point to predict"))?;
        let names: Vec<String> = first.iter().map(|(name, _)| name.clone()).collect();
        let source = Batches::new(Arc::new(self.schema()), Vec::new());
        let job = Job::new(self, &source, &PredictOptions { keep: Vec::new(), ..options.clone() })?;
        let computed = |name: &String| self.with().iter().any(|(own, _)| own == name);
        for point in points {
            for (at, (name, _)) in point.iter().enumerate() {
                if point[..at].iter().any(|(own, _)| own == name) {
                    return Err(Error::invalid_request(format!("column {name:?} is given twice")));
                }
                // What computed columns are made of is known when they are.
                if self.with().is_empty() && !job.columns.contains(name) {
                    let meant = suggestion(name, job.columns.iter().map(String::as_str), "columns");
                    let message = format!("column {name:?} is none that the predictions need; {meant}");
                    return Err(Error::invalid_request(message));
                }
            }
            let given = |name: &String| point.iter().any(|(own, _)| own == name);
            // Of a computed column either its own value is given, or those that it is computed from.
            let needed = job.columns.iter().filter(|name| !computed(name)).chain(&names);
            let mut missing: Vec<String> =
                needed.filter(|name| !given(name)).map(|name| format!("{name:?}")).collect();
            missing.dedup();
            if !missing.is_empty() || point.len() != names.len() {
                let message = if missing.is_empty() {
                    "all points must have the same columns".to_owned()
                } else {
                    format!("no value is given for {}", missing.join(", "))
                };
                return Err(Error::invalid_request(message));
            }
        }
        Ok(names)
    }
}

/// The values that a text stands for: a range of numbers has several.
fn values(name: &str, text: &str, kind: Option<ColumnKind>) -> Result<Vec<String>> {
    // A column that others are computed from has no kind that is known: what looks like a range is one.
    let parses = || text.split(':').all(|part| part.trim().parse::<f64>().is_ok());
    let ranges = kind == Some(ColumnKind::Number) || (kind.is_none() && parses());
    if !ranges || !text.contains(':') {
        return Ok(vec![text.to_owned()]);
    }
    let wrong =
        |what: &str| Err(Error::invalid_request(format!("column {name:?}: the range {text:?} {what}")));
    let parts: Option<Vec<f64>> =
        text.split(':').map(|part| part.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let (from, to, step) = match parts.as_deref() {
        Some([from, to]) => (*from, *to, if to < from { -1.0 } else { 1.0 }),
        Some([from, to, step]) => (*from, *to, *step),
        _ => return wrong("is not from:to or from:to:step, of numbers"),
    };
    // The last step may miss the end by rounding.
    let steps = ((to - from) / step + 1e-9).floor();
    if steps.is_nan() || steps < 0.0 {
        return wrong("never gets to its end");
    }
    if steps >= MOST_ROWS as f64 {
        return wrong("has too many values");
    }
    let decimals = text.split(':').filter_map(decimals).max().unwrap_or(0);
    // What the steps mean is a number of so many decimals, as long as float64 has them.
    let largest = from.abs().max(to.abs()) * 10f64.powi(decimals as i32);
    let value = |k: usize| match from + k as f64 * step {
        x if largest < 2f64.powi(50) => format!("{x:.decimals$}"),
        x => x.to_string(),
    };
    Ok((0..=steps as usize).map(value).collect())
}

/// Decimals of a number as it is written: three of `1.5e-2`.
fn decimals(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len()) as i64;
    usize::try_from((behind - exponent.parse::<i64>().ok()?).clamp(0, 400)).ok()
}

/// The cells of a column, `None` where a value is missing. One that the model does not have itself is a number if all its values
/// are.
fn array(name: &str, cells: &[Option<String>], kind: Option<ColumnKind>) -> Result<ArrayRef> {
    let wrong = |what: &str| Error::invalid_request(format!("column {name:?}: {what}"));
    let text = || -> ArrayRef { Arc::new(StringArray::from(cells.to_vec())) };
    Ok(match kind {
        Some(ColumnKind::Number) => numbers(cells).ok_or_else(|| {
            let other = cells.iter().flatten().find(|cell| cell.parse::<f64>().is_err());
            wrong(&format!("{:?} is not a number", other.map_or("", String::as_str)))
        })?,
        Some(ColumnKind::Boolean) => {
            let value = |cell: &Option<String>| match cell
                .as_ref()
                .map(|cell| cell.to_ascii_lowercase())
                .as_deref()
            {
                None => Ok(None),
                Some("true" | "1") => Ok(Some(true)),
                Some("false" | "0") => Ok(Some(false)),
                Some(cell) => Err(wrong(&format!("{cell:?} is neither true nor false"))),
            };
            Arc::new(BooleanArray::from(cells.iter().map(value).collect::<Result<Vec<Option<bool>>>>()?))
        }
        Some(ColumnKind::Text) => text(),
        Some(other) => {
            let message = format!("the model has {other} there, which a file must give: predict from one");
            return Err(wrong(&message));
        }
        None => numbers(cells).unwrap_or_else(text),
    })
}

/// The cells as numbers, whole ones if all are; `None` if one is no number.
fn numbers(cells: &[Option<String>]) -> Option<ArrayRef> {
    fn parsed<T: std::str::FromStr>(cells: &[Option<String>]) -> Option<Vec<Option<T>>> {
        cells
            .iter()
            .map(|cell| cell.as_ref().map(|cell| cell.parse().ok()).map_or(Some(None), |v| v.map(Some)))
            .collect()
    }
    if let Some(whole) = parsed::<i64>(cells) {
        return Some(Arc::new(Int64Array::from(whole)));
    }
    Some(Arc::new(Float64Array::from(parsed::<f64>(cells)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_the_decimals_that_were_written() {
        let of = |text: &str| values("x", text, Some(ColumnKind::Number)).unwrap();
        assert_eq!(of("0:0.4:0.1"), ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(of("0:1e-2:5e-3"), ["0.000", "0.005", "0.010"]);
        assert_eq!(of("3:1"), ["3", "2", "1"]);
        assert_eq!(of("-.5:.5:.25"), ["-0.50", "-0.25", "0.00", "0.25", "0.50"]);
        assert_eq!(of("1e300:2e300:1e300"), [1e300.to_string(), 2e300.to_string()]);
        // More decimals than float64 has.
        assert_eq!(of("0:2e-20:1e-20")[1].parse(), Ok(1e-20));
        let whole: Vec<f64> = of("0:1:0.001").iter().map(|x| x.parse().unwrap()).collect();
        assert!(whole.iter().enumerate().all(|(k, x)| *x == format!("{k}e-3").parse::<f64>().unwrap()));
    }
}
