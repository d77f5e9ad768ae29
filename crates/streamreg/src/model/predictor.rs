//! A model's terms applied to rows: what prediction and evaluation share.

use arrow_array::{Float64Array, RecordBatch};
use streamreg_core::iterative::WideTerms;
use streamreg_core::{BlockError, Design, DesignBlock, Effect, Layout, Level, Levels, RowReader, Unseen};

use crate::error::{Error, Result};
use crate::model::estimable::Estimable;
use crate::model::interval::{Coarse, Width};

/// The linear predictor of a model: the constant, and what every number and level adds to it.
pub(crate) struct Predictor {
    /// Bound to the columns of the data.
    pub(crate) design: Design,
    pub(crate) levels: Levels,
    layout: Layout,
    constant: f64,
    effects: Vec<TableEffect>,
    wide: Option<Wide>,
    /// Whether the design's last variable is an offset, which predictions add.
    offset: bool,
    /// Which rows can be predicted where columns depend on others.
    pub(crate) estimable: Estimable,
}

/// Predictions for the rows of a batch; null where an input is null or not finite.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prediction {
    /// The expected response.
    pub fit: Float64Array,
    /// Lower and upper ends of the interval, if one was asked for.
    pub interval: Option<(Float64Array, Float64Array)>,
    /// Rows whose interval has few correct digits.
    pub coarse: Coarse,
}

/// Fitted values of rows, and half-widths of intervals around them; `None` where an input is missing.
pub(crate) struct FittedRows {
    pub(crate) fit: Vec<Option<f64>>,
    /// Of each kind.
    pub(crate) widths: Vec<Vec<Option<f64>>>,
    /// Rows whose inputs are there and whose prediction the fit does not tell.
    pub(crate) inestimable: u64,
    /// Rows whose widths have few correct digits.
    pub(crate) coarse: Coarse,
}

impl FittedRows {
    /// Fitted values with the ends of the interval of the first width, if there is one.
    pub(crate) fn into_prediction(self) -> Prediction {
        let Self { fit, widths, coarse, .. } = self;
        let interval = widths.first().map(|widths| {
            let end = |sign: f64| -> Float64Array {
                let pairs = fit.iter().zip(widths);
                pairs.map(|(f, w)| f.zip(*w).map(|(f, w)| f + sign * w)).collect()
            };
            (end(-1.0), end(1.0))
        });
        Prediction { fit: Float64Array::from(fit), interval, coarse }
    }
}

/// Features of list columns and hashes.
struct Wide {
    terms: WideTerms,
    lists: Vec<f64>,
    hashed: Vec<f64>,
}

/// An effect whose levels are looked up by position.
struct TableEffect {
    variable: Option<usize>,
    categories: Vec<usize>,
    /// How many levels each category has.
    sizes: Vec<usize>,
    /// Slopes; the first category's levels change slowest.
    slopes: Vec<f64>,
}

/// Combinations of levels that a table has room for.
const MOST_CELLS: usize = 1 << 26;

impl TableEffect {
    fn new(effect: Effect, levels: &[Vec<Level>]) -> Result<Self> {
        let sizes: Vec<usize> = effect.categories.iter().map(|&c| levels[c].len()).collect();
        let cells = sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|&n| n <= MOST_CELLS);
        let too_many = || Error::data("an interaction of the model has too many combinations of levels");
        let mut slopes = vec![0.0; cells.ok_or_else(too_many)?];
        for (codes, slope) in &effect.by_level {
            let at = codes.iter().zip(&sizes).fold(0, |at, (&code, size)| at * size + code as usize);
            if let Some(cell) = slopes.get_mut(at) {
                *cell = *slope;
            }
        }
        Ok(Self { variable: effect.variable, categories: effect.categories, sizes, slopes })
    }

    /// Adds the effect to every row of the sums.
    fn add(&self, block: &DesignBlock<'_>, sums: &mut [f64]) {
        let values = self.variable.map(|v| block.columns[v].values);
        if self.categories.is_empty() {
            let slope = self.slopes[0];
            match values {
                Some(values) => sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += slope * x),
                None => sums.iter_mut().for_each(|sum| *sum += slope),
            }
            return;
        }
        for (row, sum) in sums.iter_mut().enumerate() {
            let code = |&category: &usize| block.codes[category][row] as usize;
            let mut at = self.categories.iter().map(code).zip(&self.sizes);
            let at = at.try_fold(0, |at, (code, &size)| (code < size).then_some(at * size + code));
            // Rows of levels that the model does not know are masked, or taken for others.
            if let Some(slope) = at.and_then(|at| self.slopes.get(at)) {
                *sum += slope * values.map_or(1.0, |v| v[row]);
            }
        }
    }
}

impl Predictor {
    /// `coefficients` are those of the layout's columns; what was not estimated needs no column.
    pub(crate) fn new(
        mut design: Design,
        layout: Layout,
        levels: &[Vec<Level>],
        unseen: Unseen,
        constant: f64,
        coefficients: &[Option<f64>],
        wide: Option<(Vec<f64>, Vec<f64>)>,
    ) -> Result<Self> {
        let of_hashes: Vec<usize> = WideTerms::new(&design).variables().collect();
        // What two columns add may cancel (`f` and `1 - f`): their parts count, not the sum.
        let estimated = |column: usize| coefficients.get(column).is_some_and(Option::is_some);
        let of_estimated = layout.variables(estimated);
        let used = |v: usize| of_estimated.contains(&v) || of_hashes.contains(&v);
        let flag_used = |v: usize| design.flag_of(v).is_some_and(used);
        let needed: Vec<bool> = (0..design.variables()).map(|v| used(v) || flag_used(v)).collect();
        design.retain(|v| needed[v]);
        let mut sets = design.fixed_level_sets(levels)?;
        let references = (levels.iter().enumerate()).map(|(c, own)| Ok(design.reference(c, own)? as u32));
        let mut references = references.collect::<streamreg_core::Result<Vec<u32>>>()?;
        // Groups may be any: they have no levels that are not known, and no reference.
        sets.extend(design.level_sets().into_iter().skip(sets.len()));
        references.resize(sets.len(), 0);
        let values: Vec<f64> = coefficients.iter().map(|b| b.unwrap_or(0.0)).collect();
        // A slope of zero must not hide that its value is missing.
        let matters = |e: &Effect| match e.variable {
            Some(v) => used(v),
            None => e.by_level.values().any(|share| *share != 0.0),
        };
        let effects = layout.effects(&values).into_iter().filter(matters);
        let effects = effects.map(|e| TableEffect::new(e, levels)).collect::<Result<_>>()?;
        let wide = wide.map(|(lists, hashed)| Wide { terms: WideTerms::new(&design), lists, hashed });
        Ok(Self {
            design,
            levels: Levels { sets, unseen, references },
            layout,
            constant,
            effects,
            wide,
            estimable: Estimable::default(),
            offset: false,
        })
    }

    /// The same, where the last variable of the design is an offset: see [`Design::of_terms`].
    pub(crate) fn with_offset(mut self) -> Self {
        self.offset = true;
        self
    }

    /// The prediction for every row of a block. What stands in masked rows is unspecified.
    pub(crate) fn predict(&self, block: &DesignBlock<'_>) -> Vec<f64> {
        let mut sums = vec![self.constant; block.rows];
        for effect in &self.effects {
            effect.add(block, &mut sums);
        }
        if let Some(wide) = &self.wide {
            wide.terms.add(block, &wide.lists, &wide.hashed, &mut sums);
        }
        if let Some(offset) = block.columns.last().filter(|_| self.offset) {
            sums.iter_mut().zip(offset.values).for_each(|(sum, x)| *sum += x);
        }
        sums
    }

    /// A reader of batches with the columns of [`Predictor::design`].
    pub(crate) fn reader(&self) -> RowReader<'_> {
        RowReader::new(&self.design, &self.levels)
    }

    /// For every row of a block whether the fit tells its prediction; `None` where it tells all.
    pub(crate) fn known_rows(&self, block: &DesignBlock<'_>) -> Option<Vec<bool>> {
        (!self.estimable.is_everything()).then(|| self.estimable.rows(&self.layout, block))
    }

    /// Fitted values for the rows of a batch, with half-widths of each kind.
    pub(crate) fn fitted(
        &self,
        reader: &mut RowReader<'_>,
        batch: &RecordBatch,
        widths: &[&Width<'_>],
    ) -> streamreg_core::Result<FittedRows> {
        let mut rows = FittedRows {
            fit: Vec::with_capacity(batch.num_rows()),
            widths: vec![Vec::new(); widths.len()],
            inestimable: 0,
            coarse: Coarse::default(),
        };
        self.blocks(reader, batch, |block, predictions| {
            let known = self.known_rows(block);
            let used = |row: usize| block.uses(row) && known.as_ref().is_none_or(|known| known[row]);
            if known.is_some() {
                rows.inestimable +=
                    (0..block.rows).filter(|&row| block.uses(row) && !used(row)).count() as u64;
            }
            rows.fit.extend(predictions.iter().enumerate().map(|(row, p)| used(row).then_some(*p)));
            let mut worst = Coarse::default();
            for (width, all) in widths.iter().zip(&mut rows.widths) {
                let mut coarse = Coarse::default();
                all.extend(width.of(&self.layout, block, &used, &mut coarse));
                // A row counts once, however much is told of it.
                worst = worst.or(coarse);
            }
            rows.coarse.absorb(worst);
        })?;
        Ok(rows)
    }

    /// Calls `each` with the rows of a batch, block by block, those masked whose inputs are missing.
    pub(crate) fn blocks(
        &self,
        reader: &mut RowReader<'_>,
        batch: &RecordBatch,
        mut each: impl FnMut(&DesignBlock<'_>, &[f64]),
    ) -> streamreg_core::Result<()> {
        reader.read(batch, |block| {
            let predictions = self.predict(block);
            let missing = |row: usize| block.uses(row) && !predictions[row].is_finite();
            if block.mask.is_none() && (0..block.rows).any(missing) {
                return Err(BlockError::Value { variable: 0 });
            }
            each(block, &predictions);
            Ok(())
        })
    }
}
