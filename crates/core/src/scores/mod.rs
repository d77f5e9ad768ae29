//! Scores of a fit: what robust covariances are made of, in one pass over the rows.
//!
//! The score of a row is its share `s_i = w_i e_i z_i` in the normal equations, with the residual `e_i` and the row
//! `z_i = (1, x_i - mean)` of the centred design. With the inverse `A` of `Z'WZ` the covariances are `A M A`, where the
//! meat `M` is
//!
//! | sums | meat | for |
//! |---|---|---|
//! | [`ScoreKind::Rows`] | `sum of s_i s_i'`, residuals divided by a power of `1 - h_i` | independent rows (White 1980; MacKinnon & White 1985) |
//! | [`ScoreKind::Lagged`] | `G_0 + sum of (1 - l/(L+1)) (G_l + G_l')`, `G_l = sum of s_t s_(t-l)'` | rows in the order of time (Newey & West 1987) |
//! | [`ScoreKind::Clusters`] | `sum of S_g S_g'`, `S_g` the scores of a cluster, of one category or of two and their pairs | correlated rows (Liang & Zeger 1986; Cameron, Gelbach & Miller 2011) |
//! | [`ScoreKind::Blocks`] | beside `S_g` the part of a cluster in `Z'WZ` | the jackknife of clusters (MacKinnon, Nielsen & Webb 2023) |
//!
//! [`ScoreSums`] are those of a part of the rows, which leave the process and are put together with others.
//!
//! Scores are taken of the columns themselves or, where leverages are needed or the columns are nearly dependent, of
//! the rotated columns `T'z`, `T T' = A`, which are orthonormal, so that no digits are lost between meat and bread.

mod clusters;
mod lagged;
mod residuals;
mod sent;

use serde::{Deserialize, Serialize};

pub use self::clusters::{ClusterSums, Nesting};
use self::lagged::Lagged;
use self::residuals::Work;
pub use self::sent::ScoreSums;
use crate::design::layout::Layout;
use crate::pass::accumulate::Accumulator;
use crate::rows::block::{BlockError, Column, DesignBlock};
use crate::sums::cross_products::CrossProducts;

/// What the residuals of one response are computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreModel {
    /// Position of the response among the responses.
    pub response: usize,
    /// Whether the constant is a column: the first one.
    pub intercept: bool,
    /// Positions, among the columns of the layout, of those with a coefficient.
    pub columns: Vec<usize>,
    /// Their coefficients.
    pub slopes: Vec<f64>,
    /// What is subtracted from these columns, and last from the response: the mean, as a number and what it lacks.
    /// Zeros without a constant.
    pub centre: Vec<(f64, f64)>,
    /// Row-major square matrix `R` over these columns with `R R'` the inverse of their cross-products. Only rotated columns need it.
    pub root: Vec<f64>,
    /// Sum of the weights.
    pub weight: f64,
}

impl ScoreModel {
    /// Number of columns, the constant included.
    pub fn width(&self) -> usize {
        self.columns.len() + usize::from(self.intercept)
    }
}

/// What residuals are divided by before they make scores; `h` is the leverage of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Leverage {
    /// 1.
    #[default]
    Ignored,
    /// `sqrt(1 - h)`: HC2.
    Root,
    /// `1 - h`: HC3.
    Whole,
}

/// Which sums of scores are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ScoreKind {
    /// Of the squares of every row's.
    Rows,
    /// Those, and the products with rows before, by Bartlett's weights.
    Lagged {
        /// The most rows between two that are correlated.
        lags: usize,
    },
    /// By the levels of each of the design's clusters and, where these are two, of their pairs.
    Clusters,
    /// By the levels of the design's only cluster, with its part in the cross-products.
    Blocks,
}

/// What a pass over the scores computes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScorePlan {
    /// The columns. They are not sent along: whoever has the design and the coding makes them again.
    #[serde(skip)]
    pub layout: Layout,
    /// Number of responses in a block: its last variables.
    pub responses: usize,
    /// Positions, among the categories, of the clusters.
    pub clusters: Vec<usize>,
    /// A fit a response.
    pub models: Vec<ScoreModel>,
    /// Whether weights are frequencies: a row is then that many rows with a score each.
    pub frequency: bool,
    /// What residuals are divided by.
    pub leverage: Leverage,
    /// Whether scores are of the rotated columns; true where `leverage` or `kind` needs them.
    pub rotated: bool,
    /// Which sums.
    pub kind: ScoreKind,
    /// Most clusters that are kept, a response and category.
    pub most_clusters: usize,
    /// Categories of which it shall be known whether their levels lie each in one cluster.
    pub nested: Vec<usize>,
}

impl ScorePlan {
    /// Whether scores are of the rotated columns.
    pub fn is_rotated(&self) -> bool {
        self.rotated || self.leverage != Leverage::Ignored || self.kind == ScoreKind::Blocks
    }

    /// Whether every model has as many numbers as its columns, and these are columns of the layout.
    pub fn fits_layout(&self) -> bool {
        self.models.iter().all(|model| {
            let p = model.columns.len();
            let known = |&column: &usize| column < self.layout.len();
            model.columns.iter().all(known)
                && model.response < self.responses
                && (model.slopes.len(), model.centre.len()) == (p, p + 1)
                && (!self.is_rotated() || model.root.len() == p * p)
        })
    }

    /// Whether scores of the other plan are scores of this one, but for the last digits: fits of the same sums may differ in these
    /// from machine to machine.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let asked =
            |plan: &Self| (plan.kind, plan.leverage, plan.frequency, plan.is_rotated(), plan.responses);
        let rotated = self.is_rotated();
        let same = |(own, other): (&ScoreModel, &ScoreModel)| {
            let means = |model: &ScoreModel| model.centre.iter().map(|&(mean, _)| mean).collect::<Vec<_>>();
            (own.response, own.intercept, &own.columns) == (other.response, other.intercept, &other.columns)
                && near(&own.slopes, &other.slopes)
                && near(&means(own), &means(other))
                && (!rotated || near(&own.root, &other.root))
        };
        asked(self) == asked(other)
            && (&self.clusters, &self.nested) == (&other.clusters, &other.nested)
            && self.models.len() == other.models.len()
            && self.models.iter().zip(&other.models).all(same)
    }
}

/// Whether numbers are the same but for rounding, beside the largest of them.
fn near(a: &[f64], b: &[f64]) -> bool {
    const SHARE: f64 = 1e-6;
    let largest = a.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SHARE * largest)
}

/// A row counts as one of leverage 1 if less than this is left: its residual is nothing but rounding.
pub const NO_RESIDUAL: f64 = 1e-10;

/// The sums of scores of every response.
pub struct Scores<'l> {
    plan: &'l ScorePlan,
    totals: Vec<ScoreTotals>,
    nesting: Nesting,
    work: Option<Box<Work>>,
}

/// The sums of scores of one response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScoreTotals {
    /// Rows that took part.
    pub rows: u64,
    /// Weighted sum of squared residuals.
    pub squares: f64,
    /// Rows of leverage 1, whose score was taken to be 0; known where leverages were.
    pub full_leverage: u64,
    /// The least `1 - h` of the other rows; 1 where leverages were not known.
    pub least_left: f64,
    /// Number of columns, the constant included.
    pub width: usize,
    sums: Sums,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Sums {
    Rows(CrossProducts),
    /// Of rows in their order: parts of the rows cannot be sent and put together in any.
    #[serde(skip)]
    Lagged(Lagged),
    Clusters(Vec<ClusterSums>),
}

impl<'l> Scores<'l> {
    /// The sums of no rows.
    pub fn new(plan: &'l ScorePlan) -> Self {
        let totals = plan.models.iter().map(|model| ScoreTotals::new(plan, model.width())).collect();
        Self { plan, totals, nesting: Nesting::new(plan.nested.len()), work: None }
    }

    /// The sums, a response each, and which categories are nested in a cluster.
    pub fn into_parts(self) -> (Vec<ScoreTotals>, Nesting) {
        (self.totals, self.nesting)
    }
}

impl Accumulator for Scores<'_> {
    fn variables(&self) -> usize {
        self.plan.layout.len() + self.plan.responses
    }

    fn update(&mut self, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        rows.check(rows.columns.len())?;
        if let ([model], None, false, ScoreKind::Rows) =
            (self.plan.models.as_slice(), rows.weights, self.plan.is_rotated(), self.plan.kind)
        {
            return self.update_plain(model, rows);
        }
        // The rows that the fit has used are those without a gap in any variable, needed here or not.
        rows.check_finite()?;
        let mut work = self.work.take().unwrap_or_default();
        work.fill(self.plan, rows);
        let models = self.plan.models.iter().zip(&mut self.totals);
        let done = models.into_iter().try_for_each(|(model, totals)| {
            let (full_leverage, least_left) = work.score(self.plan, model, rows);
            totals.update(self.plan, &work, rows)?;
            totals.full_leverage += full_leverage;
            totals.least_left = totals.least_left.min(least_left);
            Ok(())
        });
        self.nesting.update(self.plan, rows);
        self.work = Some(work);
        done
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        if self.totals.len() != other.totals.len() {
            return Err(BlockError::Shape);
        }
        self.nesting.merge(other.nesting);
        self.totals.iter_mut().zip(other.totals).try_for_each(|(own, theirs)| own.merge(theirs))
    }

    fn finish(&mut self) {
        self.work = None;
        for totals in &mut self.totals {
            if let Sums::Rows(products) = &mut totals.sums {
                products.finish();
            }
        }
    }
}

impl Scores<'_> {
    /// The usual case, one response, no weights, scores of the columns as they are: nothing is written down that is read once.
    fn update_plain(&mut self, model: &ScoreModel, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        let mut work = self.work.take().unwrap_or_default();
        work.fill(self.plan, rows);
        work.set_residuals(self.plan, model, rows);
        let done =
            self.totals.iter_mut().try_for_each(|totals| totals.update_plain(self.plan, model, &work, rows));
        self.work = Some(work);
        done?;
        self.nesting.update(self.plan, rows);
        Ok(())
    }
}

impl ScoreTotals {
    /// Adds the scores of a model whose residuals are known.
    fn update_plain(
        &mut self,
        plan: &ScorePlan,
        model: &ScoreModel,
        work: &Work,
        rows: &DesignBlock<'_>,
    ) -> Result<(), BlockError> {
        let Sums::Rows(products) = &mut self.sums else { return Err(BlockError::Shape) };
        // What the scores are made of makes them NaN or infinite if it is; the rest is looked at.
        let first_response = rows.columns.len() - plan.responses;
        let mut seen = vec![false; rows.columns.len()];
        seen[first_response + model.response] = true;
        for variable in model.columns.iter().filter_map(|&position| plan.layout.variable(position)) {
            seen[variable] = true;
        }
        let mut others = (0..seen.len()).filter(|&variable| !seen[variable]);
        others.try_for_each(|variable| rows.check_finite_at(variable))?;
        if let Err(refused) = products.update_scores(rows, &work.score_columns(plan, model, rows)) {
            rows.check_finite()?;
            return Err(if matches!(refused, BlockError::Value { .. }) {
                BlockError::Scores
            } else {
                refused
            });
        }
        self.rows += rows.rows_used() as u64;
        self.squares += work.squares();
        Ok(())
    }

    fn new(plan: &ScorePlan, width: usize) -> Self {
        let clusters = |width: usize, count: usize| {
            Sums::Clusters((0..count).map(|_| ClusterSums::new(width, plan.most_clusters)).collect())
        };
        let sums = match (plan.kind, plan.clusters.len()) {
            (ScoreKind::Rows, _) => Sums::Rows(CrossProducts::new(width)),
            (ScoreKind::Lagged { lags }, _) => Sums::Lagged(Lagged::new(width, lags)),
            (ScoreKind::Clusters, ways) => clusters(width, if ways < 2 { 1 } else { 3 }),
            (ScoreKind::Blocks, _) => clusters(block_width(width), 1),
        };
        Self { rows: 0, squares: 0.0, full_leverage: 0, least_left: 1.0, width, sums }
    }

    fn update(&mut self, plan: &ScorePlan, work: &Work, rows: &DesignBlock<'_>) -> Result<(), BlockError> {
        match &mut self.sums {
            Sums::Rows(products) => {
                let columns: Vec<Column<'_>> = work.scores(rows.rows).map(Column::from).collect();
                let weights = rows.weights.filter(|_| plan.frequency);
                let scores = DesignBlock { columns: &columns, codes: &[], weights, ..*rows };
                products.update(&scores).map_err(|refused| match refused {
                    BlockError::Value { .. } => BlockError::Scores,
                    other => other,
                })?;
            }
            Sums::Lagged(lagged) => lagged.update(&work.used_rows(rows, self.width)),
            Sums::Clusters(ways) => {
                clusters::update(ways, plan, work, rows, self.width);
            }
        }
        self.rows += rows.rows_used() as u64;
        self.squares += work.squares();
        Ok(())
    }

    fn merge(&mut self, other: Self) -> Result<(), BlockError> {
        match (&mut self.sums, other.sums) {
            (Sums::Rows(own), Sums::Rows(theirs)) => own.merge(theirs)?,
            (Sums::Lagged(own), Sums::Lagged(theirs)) => own.merge(theirs),
            (Sums::Clusters(own), Sums::Clusters(theirs)) if own.len() == theirs.len() => {
                own.iter_mut().zip(theirs).for_each(|(own, theirs)| own.merge(theirs));
            }
            _ => return Err(BlockError::Shape),
        }
        self.rows += other.rows;
        self.squares += other.squares;
        self.full_leverage += other.full_leverage;
        self.least_left = self.least_left.min(other.least_left);
        Ok(())
    }

    /// The meat of independent or lagged rows: a row-major square matrix of [`ScoreTotals::width`] columns. `None`
    /// for clusters.
    pub fn meat(&self) -> Option<Vec<f64>> {
        match &self.sums {
            Sums::Rows(products) => {
                let pairs = (0..self.width).flat_map(|i| (0..self.width).map(move |j| (i, j)));
                Some(pairs.map(|(i, j)| products.uncentred(i, j)).collect())
            }
            Sums::Lagged(lagged) => Some(lagged.meat()),
            Sums::Clusters(_) => None,
        }
    }

    /// The sums of clusters: of one category, or of the first, the second and their pairs.
    pub fn clusters(&self) -> &[ClusterSums] {
        match &self.sums {
            Sums::Clusters(ways) => ways,
            _ => &[],
        }
    }
}

/// Numbers that are kept of a cluster for the jackknife: its score, and the lower triangle of its block.
pub fn block_width(width: usize) -> usize {
    width + width * (width + 1) / 2
}

#[cfg(test)]
mod tests;
