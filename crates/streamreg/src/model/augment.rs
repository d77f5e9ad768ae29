//! What is known of single rows: fitted values, residuals, leverage and what follows from them, by broom's names.
//!
//! With the response `y`, the fitted value `f`, the weight `w` (1 without weights, and for frequencies, where a row stands
//! for equal rows), `e = sqrt(w) (y - f)`, the residual variance `s²` on `v` degrees of freedom, the rank `p` and
//! `h = w x' (X'WX)^-1 x`:
//!
//! | column | value | source |
//! |---|---|---|
//! | `.fitted` | `f` | |
//! | `.se.fit` | `sqrt(x' V x)`, `V` the covariance of the fit, robust or not | |
//! | `.resid` | `y - f` | |
//! | `.hat` | `h`, the leverage | Hoaglin & Welsch 1978 |
//! | `.sigma` | `sqrt((v s² - e² / (1 - h)) / (v - 1))`: the residual standard error without this row | Belsley, Kuh & Welsch 1980, 2.8 |
//! | `.cooksd` | `(e / (s (1 - h)))² h / p` | Cook 1977 |
//! | `.std.resid` | `e / (s sqrt(1 - h))` | as R's `rstandard` |

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::Schema;
use streamreg_core::{Design, Factor, Levels, RowReader, WeightType, choices};

use crate::error::{Error, Failure, Result};
use crate::model::Model;
use crate::model::interval::Width;
use crate::pass::project;

/// A number about a row, as broom's `augment` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowStatistic {
    /// The fitted value.
    Fitted,
    /// The standard error of the fitted value, by the covariance of the fit.
    SeFit,
    /// Response minus fitted value.
    Resid,
    /// Leverage: the diagonal of the hat matrix.
    Hat,
    /// The residual standard error of the fit without this row.
    Sigma,
    /// Cook's distance.
    CooksD,
    /// The residual divided by its standard error (internally studentised).
    StdResid,
}

choices!(RowStatistic {
    Fitted => "fitted",
    SeFit => "se.fit",
    Resid => "resid",
    Hat => "hat",
    Sigma => "sigma",
    CooksD => "cooksd",
    StdResid => "std.resid",
});

impl RowStatistic {
    /// The name of its column, such as `.fitted`.
    pub fn column(self) -> String {
        format!(".{self}")
    }

    /// Whether it is about a row that has a response.
    fn needs_response(self) -> bool {
        self == Self::Resid || self.needs_leverage()
    }

    /// Whether it rests on the leverage, which is that of a row of the fit.
    pub(crate) fn needs_leverage(self) -> bool {
        matches!(self, Self::Hat | Self::Sigma | Self::CooksD | Self::StdResid)
    }
}

/// What the statistics of rows are computed from, beside the fitted values.
pub(crate) struct Augment<'m> {
    pub(crate) wanted: Vec<RowStatistic>,
    /// Half-widths of intervals that are standard errors of fitted values, by the covariance of the fit.
    pub(crate) errors: Option<Width<'m>>,
    /// The same by the covariance of independent errors of variance 1: the root of the leverage over the weight.
    pub(crate) leverage: Option<Width<'m>>,
    observed: Option<Observed>,
    fit: Constants,
}

/// Numbers of the whole fit.
#[derive(Clone, Copy)]
struct Constants {
    sigma: f64,
    df: f64,
    rss: f64,
    rank: f64,
}

/// The design of the response and the weight of every row.
struct Observed {
    design: Design,
    weight: Option<WeightType>,
}

/// What was observed in a row.
#[derive(Clone, Copy, Default)]
struct Row {
    fit: Option<f64>,
    response: Option<f64>,
    weight: Option<f64>,
    error: Option<f64>,
    leverage: Option<f64>,
}

/// The columns of a batch, and the sum of leverages.
pub(crate) struct Augmented {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) leverage: f64,
}

/// The columns that statistics need beside those of the model's terms.
pub(crate) fn observed_columns(model: &Model, wanted: &[RowStatistic]) -> Result<Vec<String>> {
    if !wanted.iter().any(|one| one.needs_response()) {
        return Ok(Vec::new());
    }
    let leveraged = wanted.iter().any(|one| one.needs_leverage());
    Ok(Observed::new(model, leveraged)?.design.columns().to_vec())
}

impl<'m> Augment<'m> {
    /// # Errors
    /// For a statistic that the model cannot give.
    pub(crate) fn new(model: &'m Model, wanted: &[RowStatistic]) -> Result<Self> {
        let any = |needs: fn(RowStatistic) -> bool| wanted.iter().any(|&one| needs(one));
        let leveraged = any(RowStatistic::needs_leverage);
        let errors = wanted.contains(&RowStatistic::SeFit).then(|| model.standard_errors()).transpose()?;
        let leverage = if leveraged { Some(model.leverage()?) } else { None };
        let observed =
            if any(RowStatistic::needs_response) { Some(Observed::new(model, leveraged)?) } else { None };
        let glance = model.glance();
        let fit = Constants {
            sigma: glance.sigma.unwrap_or(f64::NAN),
            df: glance.df_residual as f64,
            rss: glance.deviance,
            rank: model.rank() as f64,
        };
        Ok(Self { wanted: wanted.to_vec(), errors, leverage, observed, fit })
    }

    /// Columns that are needed beside those of the model's terms.
    pub(crate) fn columns(&self) -> &[String] {
        self.observed.as_ref().map_or(&[], |observed| observed.design.columns())
    }

    /// The widths that fitted values come with.
    pub(crate) fn widths(&self) -> impl Iterator<Item = &Width<'m>> {
        self.errors.iter().chain(&self.leverage)
    }

    /// The statistics of the rows of a batch, whose fitted values and widths (as [`Augment::widths`] has them) are given.
    pub(crate) fn of(
        &self,
        batch: &RecordBatch,
        fit: &[Option<f64>],
        widths: &[Vec<Option<f64>>],
    ) -> std::result::Result<Augmented, Failure> {
        let mut rows: Vec<Row> = fit.iter().map(|&fit| Row { fit, ..Row::default() }).collect();
        let mut widths = widths.iter();
        if let Some(own) = self.errors.as_ref().and_then(|_| widths.next()) {
            rows.iter_mut().zip(own).for_each(|(row, own)| row.error = *own);
        }
        if let Some(observed) = &self.observed {
            observed.read(batch, &mut rows)?;
        }
        if let Some(own) = self.leverage.as_ref().and_then(|_| widths.next()) {
            let weighted = self.observed.as_ref().is_some_and(Observed::weighs);
            for (row, own) in rows.iter_mut().zip(own) {
                let weight = if weighted { row.weight } else { Some(1.0) };
                // A row without a response was none of the fit.
                row.leverage =
                    own.zip(weight).filter(|_| row.response.is_some()).map(|(own, w)| own * own * w);
            }
        }
        let column = |&one: &RowStatistic| -> ArrayRef {
            let values = rows.iter().map(|row| self.value(one, row).filter(|value| value.is_finite()));
            Arc::new(values.collect::<Float64Array>())
        };
        let columns = self.wanted.iter().map(column).collect();
        let leverage = rows.iter().filter_map(|row| Some(row.leverage? * self.copies(row)?)).sum();
        Ok(Augmented { columns, leverage })
    }

    /// How many equal rows a row stands for; `None` where it is not known.
    fn copies(&self, row: &Row) -> Option<f64> {
        match self.observed.as_ref().and_then(|observed| observed.weight) {
            Some(WeightType::Frequency) => row.weight,
            _ => Some(1.0),
        }
    }

    fn value(&self, one: RowStatistic, row: &Row) -> Option<f64> {
        /// Leverage that is 1 but for rounding.
        const WHOLE: f64 = 1.0 - 1e-10;
        let Constants { sigma, df, rss, rank } = self.fit;
        let resid = row.fit.zip(row.response).map(|(fit, response)| response - fit);
        let weighted = self.observed.as_ref().is_some_and(Observed::weighs);
        let weight = if weighted { row.weight } else { Some(1.0) };
        let own = resid.zip(weight).map(|(e, w)| e * w.sqrt());
        // A fit goes through rows of leverage 1 whatever they are: there is no residual to speak of.
        let both = own.zip(row.leverage.filter(|h| *h < WHOLE));
        match one {
            RowStatistic::Fitted => row.fit,
            RowStatistic::SeFit => row.error,
            RowStatistic::Resid => resid,
            RowStatistic::Hat => row.leverage,
            RowStatistic::Sigma => {
                let variance = |(e, h): (f64, f64)| (rss - e * e / (1.0 - h)).max(0.0) / (df - 1.0);
                both.filter(|_| df > 1.0).map(|own| variance(own).sqrt())
            }
            RowStatistic::CooksD => both.map(|(e, h)| (e / (sigma * (1.0 - h))).powi(2) * h / rank),
            RowStatistic::StdResid => both.map(|(e, h)| e / (sigma * (1.0 - h).sqrt())),
        }
    }

    /// What to say where leverages do not sum to the rank of the fit, as those of its own rows do.
    pub(crate) fn doubt(&self, leverage: f64) -> Option<String> {
        /// Rounding of the covariance takes no more.
        const SHARE: f64 = 1e-5;
        let rank = self.fit.rank;
        let others = self.leverage.is_some() && (leverage - rank).abs() > SHARE * rank;
        others.then(|| {
            format!(
                "the leverages sum to {leverage:.6} and not to {rank}, the number of coefficients: these are not exactly the \
                 rows of the fit. For other rows .hat is the variance of the fitted value over that of the errors, and .sigma, \
                 .cooksd and .std.resid mean little"
            )
        })
    }
}

impl Observed {
    fn new(model: &Model, weighs: bool) -> Result<Self> {
        let spec = model.spec();
        let weights = spec.weights.as_ref().filter(|_| weighs);
        let mut responses = spec.responses.clone();
        responses.extend(weights.map(|weights| Factor::Column(weights.column.clone())));
        let mut own = spec.for_new_rows();
        (own.responses, own.intercept, own.sparse) = (responses, true, None);
        own.terms.clear();
        // Fitted values have the offset in them, and so has the response; weights have none.
        own.offsets.clear();
        own.references.clear();
        own.categorical.clear();
        let schema: Schema = model.schema();
        let design = Design::new(&own, &schema)?;
        Ok(Self { design, weight: weights.map(|weights| weights.kind) })
    }

    /// Whether rows count by their weight.
    fn weighs(&self) -> bool {
        self.weight.is_some_and(|kind| kind != WeightType::Frequency)
    }

    fn read(&self, batch: &RecordBatch, rows: &mut [Row]) -> std::result::Result<(), Failure> {
        let batch = project(batch, self.design.columns())?;
        let levels = Levels::default();
        let mut from = 0;
        RowReader::new(&self.design, &levels).read(&batch, |block| {
            let finite = |row: usize| block.columns.iter().all(|c| c.values[row].is_finite());
            if block.mask.is_none() && !(0..block.rows).all(finite) {
                return Err(streamreg_core::BlockError::Value { variable: 0 });
            }
            for row in (0..block.rows).filter(|&row| block.uses(row)) {
                let mut values = block.columns.iter().map(|column| column.values[row]);
                let Some(to) = rows.get_mut(from + row) else { continue };
                (to.response, to.weight) = (values.next(), values.next());
            }
            from += block.rows;
            Ok(())
        })?;
        Ok(())
    }
}

impl Model {
    /// Widths that are standard errors of fitted values.
    fn standard_errors(&self) -> Result<Width<'_>> {
        self.check_statistics("se.fit")?;
        self.width_by(self.covariance()?, 1.0, 0.0)
    }

    /// Widths whose squares are leverages over weights.
    fn leverage(&self) -> Result<Width<'_>> {
        self.check_statistics("hat")?;
        match self.glance().sigma {
            Some(sigma) if sigma > 0.0 => self.unit_width(sigma),
            _ => {
                let message = "the residuals of the fit are all 0: the model file has no leverage (hat, sigma, cooksd, std.resid)";
                Err(Error::invalid_request(message))
            }
        }
    }

    fn check_statistics(&self, name: &str) -> Result<()> {
        if self.covariance().is_ok() {
            return Ok(());
        }
        let message = format!(
            "{name} needs the covariance of the coefficients, which this model does not have: {}; fitted and resid are there for \
             every model",
            self.why_no_covariance()
        );
        Err(Error::invalid_request(message))
    }
}
