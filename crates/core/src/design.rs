//! A model bound to a schema, and the cutting of record batches into logical blocks.

use std::collections::HashSet;

use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;

use crate::block::{BlockError, Column, DesignBlock};
use crate::convert::{fill, is_null, plain};
use crate::error::{Error, ErrorKind, Result};
use crate::missing::Tally;
use crate::spec::{Columns, INTERCEPT, Missing, ModelSpec};

/// Rows of a logical block: a function of the number of variables alone, because it decides the bits of
/// every float64 sum. Blocks stay in the second-level cache for few variables; for many, a blocked matrix
/// product wants longer ones.
pub fn block_rows(variables: usize) -> usize {
    if variables < 256 { 1_024 } else { 2_048 }
}

/// A model whose columns were found in a schema: the variables are the features, then the response.
#[derive(Clone, Debug)]
pub struct Design {
    columns: Vec<String>,
    missing: Missing,
}

impl Design {
    /// Binds `model` to the columns of `schema`.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a column that is absent, ambiguous, repeated or not numeric, and for a
    /// model with nothing to estimate.
    pub fn new(model: &ModelSpec, schema: &Schema) -> Result<Self> {
        let columns = Columns::new(schema);
        columns.check_numeric(&model.response, "response")?;
        let mut seen = HashSet::new();
        for feature in &model.features {
            let again = |message: &str| Err(Error::new(ErrorKind::Model, message).in_column(feature));
            if *feature == model.response {
                return again("the response is also a feature");
            }
            if model.intercept && feature == INTERCEPT {
                return again(
                    "the name belongs to the constant; rename the column or fit without an intercept",
                );
            }
            if !seen.insert(feature) {
                return again("the feature is named twice");
            }
            columns.check_numeric(feature, "feature")?;
        }
        if model.features.is_empty() && !model.intercept {
            return Err(Error::new(ErrorKind::Model, "the model has neither a feature nor an intercept"));
        }
        let columns = model.features.iter().chain([&model.response]).cloned().collect();
        Ok(Self { columns, missing: model.missing })
    }

    /// Names of the variables. Batches must have these columns, in this order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// What takes blocks, or refuses them for a value that it cannot use.
pub(crate) trait Sink: FnMut(&DesignBlock<'_>) -> std::result::Result<(), BlockError> {}

impl<F: FnMut(&DesignBlock<'_>) -> std::result::Result<(), BlockError>> Sink for F {}

/// Cuts the rows of one partition into logical blocks, whatever the sizes of its batches, and marks the
/// rows that cannot be used.
pub(crate) struct BlockCutter<'d> {
    design: &'d Design,
    /// Rows of a block that is not full yet, or converted columns of the current one.
    buffers: Vec<Vec<f64>>,
    filled: usize,
    rows: usize,
    mask: Vec<bool>,
    pub(crate) tally: Tally,
}

impl<'d> BlockCutter<'d> {
    pub(crate) fn new(design: &'d Design) -> Self {
        let variables = design.columns.len();
        let rows = block_rows(variables);
        Self {
            design,
            buffers: vec![vec![0.0; rows]; variables],
            filled: 0,
            rows,
            mask: Vec::with_capacity(rows),
            tally: Tally::new(variables),
        }
    }

    /// Takes in a batch and hands every block that is complete to `sink`.
    pub(crate) fn push(&mut self, batch: &RecordBatch, sink: &mut impl Sink) -> Result<()> {
        if batch.num_columns() != self.design.columns.len() {
            let message = format!("{} columns instead of {}", batch.num_columns(), self.design.columns.len());
            return Err(Error::new(ErrorKind::Batch, message));
        }
        let mut at = 0;
        while at < batch.num_rows() {
            let take = (self.rows - self.filled).min(batch.num_rows() - at);
            if take == self.rows {
                self.whole_block(batch, at, sink)?;
            } else {
                for (j, array) in batch.columns().iter().enumerate() {
                    self.convert(j, array, at, self.filled, take)?;
                }
                self.filled += take;
                if self.filled == self.rows {
                    self.flush(sink)?;
                }
            }
            at += take;
        }
        Ok(())
    }

    /// Hands over the last, shorter block.
    pub(crate) fn flush(&mut self, sink: &mut impl Sink) -> Result<()> {
        let rows = std::mem::take(&mut self.filled);
        if rows > 0 {
            let buffers = std::mem::take(&mut self.buffers);
            let slices: Vec<&[f64]> = buffers.iter().map(|b| &b[..rows]).collect();
            let done = self.emit(&slices, sink);
            self.buffers = buffers;
            done?;
        }
        Ok(())
    }

    /// A block that lies in one batch: float64 columns without nulls are used where they are.
    fn whole_block(&mut self, batch: &RecordBatch, at: usize, sink: &mut impl Sink) -> Result<()> {
        let rows = self.rows;
        let mut in_place = Vec::with_capacity(batch.num_columns());
        for (j, array) in batch.columns().iter().enumerate() {
            in_place.push(plain(array));
            if in_place[j].is_none() {
                self.convert(j, array, at, 0, rows)?;
            }
        }
        let buffers = std::mem::take(&mut self.buffers);
        let columns = in_place.iter().zip(&buffers);
        let slices: Vec<&[f64]> =
            columns.map(|(p, b)| p.map_or(b.as_slice(), |p| &p[at..at + rows])).collect();
        let done = self.emit(&slices, sink);
        self.buffers = buffers;
        done
    }

    fn convert(&mut self, j: usize, array: &dyn Array, from: usize, to: usize, rows: usize) -> Result<()> {
        let rounded = fill(array, from, &mut self.buffers[j][to..to + rows])
            .map_err(|e| e.in_column(&self.design.columns[j]))?;
        self.tally.columns[j][2] += rounded;
        Ok(())
    }

    /// Hands a block over. Only when it is refused are the missing values looked for.
    fn emit(&mut self, slices: &[&[f64]], sink: &mut impl Sink) -> Result<()> {
        let rows = slices.first().map_or(0, |s| s.len());
        let columns: Vec<Column<'_>> = slices.iter().map(|&s| Column::from(s)).collect();
        let mut block = DesignBlock { columns: &columns, weights: None, mask: None, rows };
        if sink(&block).is_err() {
            self.mark_missing(slices, rows)?;
            block.mask = Some(&self.mask);
            sink(&block).map_err(|refused| self.refusal(refused))?;
        }
        self.tally.rows_read += rows as u64;
        self.tally.rows_used += block.rows_used() as u64;
        Ok(())
    }

    /// Fills the mask, and counts each row that is missing something for its first such column.
    fn mark_missing(&mut self, slices: &[&[f64]], rows: usize) -> Result<()> {
        self.mask.clear();
        self.mask.resize(rows, true);
        let response_first = (0..slices.len()).rev().take(1).chain(0..slices.len().saturating_sub(1));
        for j in response_first {
            for (row, &value) in slices[j].iter().enumerate() {
                if value.is_finite() || !self.mask[row] {
                    continue;
                }
                if self.design.missing == Missing::Error {
                    return Err(self.missing_error(j, row, value));
                }
                self.mask[row] = false;
                self.tally.columns[j][usize::from(!is_null(value))] += 1;
            }
        }
        Ok(())
    }

    /// The error for a block whose values are all finite.
    fn refusal(&self, refused: BlockError) -> Error {
        match refused {
            BlockError::Value { variable } => {
                let message = "the squares of its values are beyond float64's range; rescale the column";
                Error::new(ErrorKind::Overflow, message).in_column(&self.design.columns[variable])
            }
            other => Error::new(ErrorKind::Batch, format!("a block of rows was refused: {other:?}")),
        }
    }

    fn missing_error(&self, j: usize, row: usize, value: f64) -> Error {
        let what = if is_null(value) { "null".to_owned() } else { value.to_string() };
        Error::missing(&self.design.columns[j], &what, self.tally.rows_read + row as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array};

    use super::*;

    fn batch(x: Vec<Option<f64>>, y: Vec<Option<f64>>) -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] =
            [("x", Arc::new(Float64Array::from(x))), ("y", Arc::new(Float64Array::from(y)))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn model(missing: Missing) -> ModelSpec {
        ModelSpec { response: "y".into(), features: vec!["x".into()], intercept: true, missing }
    }

    #[test]
    fn blocks_do_not_depend_on_batches() {
        let n = 3 * 1024 + 100;
        let x: Vec<_> = (0..n).map(|i| if i % 97 == 0 { None } else { Some(f64::from(i)) }).collect();
        let y: Vec<_> = (0..n).map(|i| Some(if i % 89 == 0 { f64::INFINITY } else { 1.0 })).collect();
        let whole = batch(x, y);
        let design = Design::new(&model(Missing::Drop), &whole.schema()).unwrap();
        let cut = |rows: usize| {
            let mut cutter = BlockCutter::new(&design);
            let mut blocks = Vec::new();
            let mut sink = |b: &DesignBlock<'_>| {
                let used = |row: &usize| b.mask.is_none_or(|m| m[*row]);
                if b.columns.iter().any(|c| (0..b.rows).filter(used).any(|row| !c.values[row].is_finite())) {
                    return Err(BlockError::Value { variable: 0 });
                }
                let bits: Vec<u64> =
                    b.columns.iter().flat_map(|c| c.values.iter().map(|v| v.to_bits())).collect();
                blocks.push((b.rows, bits, b.mask.map(<[bool]>::to_vec)));
                Ok(())
            };
            for from in (0..whole.num_rows()).step_by(rows) {
                cutter.push(&whole.slice(from, rows.min(whole.num_rows() - from)), &mut sink).unwrap();
            }
            cutter.flush(&mut sink).unwrap();
            (blocks, format!("{:?}", cutter.tally))
        };
        let expected = cut(usize::MAX >> 1);
        assert_eq!(expected.0.len(), 4);
        for rows in [1, 7, 1023, 1024, 1025, 8192] {
            assert_eq!(cut(rows), expected, "batches of {rows}");
        }
    }

    #[test]
    fn missing_values_can_be_refused() {
        let rows = batch(vec![Some(1.0), Some(2.0), None], vec![Some(1.0); 3]);
        let design = Design::new(&model(Missing::Error), &rows.schema()).unwrap();
        let mut cutter = BlockCutter::new(&design);
        let mut refuse = |_: &DesignBlock<'_>| Err(BlockError::Value { variable: 0 });
        let pushed = cutter.push(&rows, &mut refuse).and_then(|()| cutter.flush(&mut refuse));
        let error = pushed.unwrap_err();
        assert_eq!((error.kind(), error.column()), (ErrorKind::Missing, Some("x")));
        assert!(error.to_string().contains("row 3"), "{error}");
    }

    #[test]
    fn models_are_checked() {
        let schema = batch(vec![], vec![]).schema();
        let check = |response: &str, features: &[&str]| {
            let features = features.iter().map(|&f| f.into()).collect();
            let model =
                ModelSpec { response: response.into(), features, intercept: true, missing: Missing::Drop };
            Design::new(&model, &schema).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(check("y", &["x"]), Ok(()));
        assert!(check("z", &["x"]).unwrap_err().contains(r#"its columns are "x", "y""#));
        assert!(check("y", &["x", "x"]).unwrap_err().contains("twice"));
        assert!(check("y", &["y"]).unwrap_err().contains("also a feature"));
    }
}
