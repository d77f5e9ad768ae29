//! Standard errors and tests of a fit, from a second pass.

use streamreg_core::scores::{Leverage, Nesting, ScoreKind, ScorePlan, ScoreTotals, Scores, block_width};
use streamreg_core::{Group, INTERCEPT, Layout, RowLedger};
use streamreg_solve::{Bread, ClusterCount, Fit, Meat, Restriction, Vcov, VcovSummary, WaldTest, Warning};
use streamreg_solve::{Sizes, WARNING_DIGITS};

use super::factor_tests::{self, Asked, Test};
use super::summed::Summed;
use crate::error::{Error, Result};
use crate::pass::{Passes, Rows};
use crate::plan::limits::{MAX_CLUSTER_BYTES, MAX_LAGGED, MAX_SCORED};
use crate::report::SolverReport;
use crate::request::inference::{Inferred, SecondPass};
use crate::state::left_out_before;

/// Condition number from which on scores are taken of orthonormal columns: it would cost so many digits twice.
const ROTATE_FROM: f64 = 1e3;

/// Share by which the squared residuals of both passes may differ unremarked.
const RESIDUALS_DIFFER: f64 = 1e-6;

impl Inferred<'_> {
    /// Checks the number of columns, before anything is solved.
    pub(crate) fn check_columns(&self, state: &Summed, group: &Group<'_>) -> Result<()> {
        if self.vcov == Vcov::Iid {
            return Ok(());
        }
        let columns = Layout::new(&state.design, group.coding())?.len();
        if columns > MAX_SCORED {
            return Err(Error::data(format!(
                "{columns} columns are too many for robust standard errors, up to {MAX_SCORED} are possible; a \
                 category of many levels has a column for each"
            )));
        }
        if let Vcov::Hac(lags) = self.vcov
            && lags as u64 >= state.ledger.rows_used
        {
            let rows = state.ledger.rows_used;
            return Err(Error::data(format!(
                "hac looks at {lags} rows before each, and there are {rows}: take fewer, a few for any number of rows"
            )));
        }
        if let Vcov::Hac(lags) = self.vcov
            && lags * (columns + 1) > MAX_LAGGED
        {
            return Err(Error::data(format!(
                "the rows before would not fit: with {columns} columns hac takes at most {} lags, not {lags}",
                MAX_LAGGED / (columns + 1)
            )));
        }
        Ok(())
    }

    fn leverage(&self) -> Leverage {
        match self.vcov {
            Vcov::Hc2 => Leverage::Root,
            Vcov::Hc3 => Leverage::Whole,
            _ => Leverage::Ignored,
        }
    }

    fn score_kind(&self) -> ScoreKind {
        match self.vcov {
            Vcov::Hac(lags) => ScoreKind::Lagged { lags },
            Vcov::Cr0 | Vcov::Cr1 => ScoreKind::Clusters,
            Vcov::Cr3 => ScoreKind::Blocks,
            _ => ScoreKind::Rows,
        }
    }

    /// Most clusters for so many fits of so many columns.
    fn most_clusters(&self, fits: usize, width: usize) -> usize {
        let numbers = if self.vcov == Vcov::Cr3 { block_width(width) } else { width };
        // Two ways have a table each, and one for both. An entry of the index takes 16 bytes and its share of empty ones.
        let tables = if self.asked.clusters.len() > 1 { 3 } else { 1 };
        MAX_CLUSTER_BYTES / (tables * fits.max(1) * (8 * numbers + 32))
    }

    fn too_many(&self, column: &str, clusters: &str, most: usize) -> Error {
        let way_out = if self.vcov == Vcov::Cr3 { "; cr1 needs less" } else { "" };
        Error::data(format!(
            "column {column:?}: {clusters} clusters are too many to keep the scores of: {most} would fit{way_out}"
        ))
    }
}

/// The fits with the covariance and the tests that were asked for.
pub(super) fn infer<R: Rows>(
    inference: &Inferred<'_>,
    conf_level: f64,
    state: &Summed,
    group: &Group<'_>,
    mut fits: Vec<(SolverReport, Fit)>,
    passes: &mut Passes<'_, R>,
) -> Result<Vec<(SolverReport, Fit)>> {
    if !inference.needs_bread() {
        return Ok(fits);
    }
    let layout = Layout::new(&state.design, group.coding())?;
    let constant = state.spec.intercept.then(|| INTERCEPT.to_owned());
    let names: Vec<String> = constant.into_iter().chain(layout.names()).collect();
    let tests = factor_tests::parse(&inference.asked.tests, &state.spec, &names)?;
    let breads: Vec<Bread> = fits.iter_mut().map(|(_, fit)| bread(fit)).collect::<Result<_>>()?;
    let scores = match inference.vcov {
        Vcov::Iid => None,
        _ => Some(scores(inference, state, group, &breads, &mut fits, passes)?),
    };
    let inferred = fits.into_iter().zip(&breads).enumerate().map(|(index, ((solver, fit), bread))| {
        let (mut fit, meat) = match &scores {
            None => {
                let meat = Meat::iid(bread, fit.glance.sigma.unwrap_or(f64::NAN));
                (fit, meat)
            }
            Some(scores) => scores.infer(inference, index, fit, bread, conf_level)?,
        };
        for Test { text, asked } in &tests {
            let of_term =
                |term| factor_tests::restrictions(text, &layout, term, bread.intercept, &bread.terms);
            match asked {
                Asked::Term(term) => add_test(&mut fit, text, &of_term(*term)?, bread, &meat)?,
                Asked::Restrictions(own) => add_test(&mut fit, text, own, bread, &meat)?,
            }
        }
        Ok((solver, fit))
    });
    inferred.collect()
}

/// What a second pass computes for fits.
///
/// # Errors
/// When a fit has no robust covariance; for more clusters than their scores can be kept of.
pub(super) fn plan(
    inference: &Inferred<'_>,
    state: &Summed,
    group: &Group<'_>,
    breads: &[Bread],
    fits: &[(SolverReport, Fit)],
) -> Result<ScorePlan> {
    let layout = Layout::new(&state.design, group.coding())?;
    let columns = &inference.asked.clusters;
    let width = breads.iter().map(Bread::width).max().unwrap_or(0);
    let most_clusters = inference.most_clusters(fits.len(), width);
    for (column, levels) in columns.iter().zip(state.cluster_levels()) {
        if levels > most_clusters {
            return Err(inference.too_many(column, &levels.to_string(), most_clusters));
        }
    }
    let coding = group.coding();
    let dummies = |category: &usize| !layout.columns_of(*category).is_empty();
    let nested: Vec<usize> = if inference.asked.small_sample.nested {
        (0..coding.levels.len()).filter(dummies).collect()
    } else {
        Vec::new()
    };
    let clusters = if inference.vcov.is_clustered() { state.design.clusters() } else { &[] };
    let mut plan = ScorePlan {
        layout,
        responses: state.design.responses(),
        clusters: clusters.to_vec(),
        models: breads.iter().enumerate().map(|(index, bread)| bread.score_model(index)).collect(),
        frequency: inference.frequency,
        leverage: inference.leverage(),
        rotated: fits.iter().any(|(_, fit)| fit.condition_number > ROTATE_FROM),
        kind: inference.score_kind(),
        most_clusters,
        nested,
    };
    if !plan.is_rotated() {
        plan.models.iter_mut().for_each(|model| model.root = Vec::new());
    }
    Ok(plan)
}

/// Reads the data again for the scores of every fit, or takes those of parts of them.
fn scores<R: Rows>(
    inference: &Inferred<'_>,
    state: &Summed,
    group: &Group<'_>,
    breads: &[Bread],
    fits: &mut [(SolverReport, Fit)],
    passes: &mut Passes<'_, R>,
) -> Result<FitScores> {
    let plan = plan(inference, state, group, breads, fits)?;
    let (totals, nesting) = match &inference.asked.second_pass {
        SecondPass::Done(given) => given.of_fit(&plan, &state.ledger)?,
        of => read_again(&plan, state, group, (passes, of.is_apart()))?,
    };
    fits.iter_mut().for_each(|(solver, _)| solver.passes = passes.count());
    let columns = &inference.asked.clusters;
    if let Some(sums) = totals.iter().flat_map(ScoreTotals::clusters).find(|sums| sums.is_overfull()) {
        let clusters = format!("more than {}", sums.most());
        return Err(inference.too_many(&columns.join(", "), &clusters, plan.most_clusters));
    }
    let of_nested = plan.nested.iter().enumerate().filter(|(position, _)| nesting.is_nested(*position));
    let nested_columns = of_nested.flat_map(|(_, &category)| plan.layout.columns_of(category)).collect();
    Ok(FitScores { totals, rotated: plan.is_rotated(), nested_columns, columns: columns.clone() })
}

/// The scores of a second pass over the same rows.
fn read_again<R: Rows>(
    plan: &ScorePlan,
    state: &Summed,
    group: &Group<'_>,
    (passes, apart): (&mut Passes<'_, R>, bool),
) -> Result<(Vec<ScoreTotals>, Nesting)> {
    let levels = state.levels_again(group.coding())?;
    let (scores, ledger) = passes.accumulate((&state.design, &levels), None, || Scores::new(plan))?;
    let before = &state.ledger;
    if (ledger.rows_read, ledger.rows_used) != (before.rows_read, before.rows_used) {
        return Err(other_rows(before, &ledger, apart));
    }
    Ok(scores.into_parts())
}

/// The scores of every fit.
struct FitScores {
    totals: Vec<ScoreTotals>,
    rotated: bool,
    /// Positions, among the columns of the layout, of dummies that are nested in clusters.
    nested_columns: Vec<usize>,
    /// The columns of the clusters.
    columns: Vec<String>,
}

impl FitScores {
    /// The fit at position `index` with its robust covariance.
    fn infer(
        &self,
        inference: &Inferred<'_>,
        index: usize,
        mut fit: Fit,
        bread: &Bread,
        conf_level: f64,
    ) -> Result<(Fit, Meat)> {
        let totals = &self.totals[index];
        let first = usize::from(bread.intercept);
        let columns = bread.terms.iter().skip(first).map(|t| t - first);
        let nested = columns.filter(|c| self.nested_columns.contains(c)).count();
        let small_sample = inference.asked.small_sample;
        let sizes = Sizes { observations: fit.glance.nobs, coefficients: bread.width() - nested };
        let clusters: Vec<ClusterCount> = (self.columns.iter().zip(totals.clusters()))
            .map(|(column, sums)| ClusterCount::new(column, sums.len() as u64))
            .collect();
        let fewest = clusters.iter().map(|c| c.clusters).min();
        let df = fewest.map_or(fit.glance.df_residual, |g| g.saturating_sub(1).into());
        let kind = inference.vcov;
        if fit.glance.sigma.is_none() {
            // Without residual degrees of freedom there is no covariance of any kind.
            fit.vcov = VcovSummary::robust(kind, clusters, df, small_sample);
            return Ok((fit, Meat::iid(bread, f64::NAN)));
        }
        let meat = Meat::new(totals, bread, (kind, small_sample), self.rotated, sizes)?;
        let sigma = fit.glance.sigma.unwrap_or(0.0);
        let meat = meat.beside(sigma, fit.residual_digits_input, sizes.observations);
        if totals.full_leverage > 0 {
            let count = totals.full_leverage;
            let rows = if count == 1 { "1 row has".to_owned() } else { format!("{count} rows have") };
            let message = format!(
                "{rows} leverage 1 to ten digits: the fit goes through such a row whatever it is, and its score is taken as 0; if it \
                 lies very far from what the others tell of it, robust standard errors are too small"
            );
            fit.warnings.push(Warning::new("full_leverage", message));
        }
        fit.warnings.extend(near_full_leverage(totals.least_left, fit.condition_number));
        if inference.asked.second_pass.is_apart() {
            refuse_other_rows(totals.squares, &fit)?;
        }
        fit.warnings.extend(residuals_differ(totals.squares, fit.glance.deviance));
        let vcov = VcovSummary::robust(kind, clusters, df, small_sample);
        Ok((fit.with_meat(bread, &meat, vcov, conf_level), meat))
    }
}

/// The fit's bread, which nothing else needs.
pub(super) fn bread(fit: &mut Fit) -> Result<Bread> {
    fit.bread.take().ok_or_else(|| {
        let message = "a solution of minimum norm has no robust covariance and no joint tests: drop the columns that \
                       depend on others";
        Error::invalid_request(message)
    })
}

/// A leverage next to 1: `1 - h` has the rounding of `h`, which grows with the condition number, and few digits beside it. The residual
/// is divided by it, or by its root.
fn near_full_leverage(least_left: f64, condition: f64) -> Option<Warning> {
    /// Roundings of a leverage.
    const ROUNDINGS: f64 = 8.0;
    /// What is near, for any condition number.
    const NEAR: f64 = 1e-3;
    let digits = -(ROUNDINGS * f64::EPSILON * condition.max(1.0) / least_left).log10();
    (least_left < NEAR && digits < WARNING_DIGITS).then(|| {
        let message = format!(
            "a row has the leverage 1 - {least_left:.1e}: robust standard errors may have as few as {} digits, because they divide by \
             what is left",
            digits.max(0.0).floor()
        );
        Warning::new("near_full_leverage", message)
    })
}

/// What is wrong where the rows of a second pass are not as many as those of the first; `apart` says whether they are given apart.
fn other_rows(first: &RowLedger, second: &RowLedger, apart: bool) -> Error {
    let (read, used) = (first.rows_read, first.rows_used);
    if apart && read == second.rows_read && used < second.rows_used {
        return left_out_before(second.rows_used - used);
    }
    let again = (second.rows_used, second.rows_read);
    Error::data(format!(
        "the data changed: {used} of {read} rows were used at first, and {} of {} when they were read again",
        again.0, again.1
    ))
}

/// Refuses rows that cannot be those of the sums, whatever the rounding: they were read or weighted otherwise, or are others.
fn refuse_other_rows(squares: f64, fit: &Fit) -> Result<()> {
    /// Share by which squared residuals differ from rounding alone, at most.
    const OTHERS: f64 = 1e-3;
    /// Part of the sum of squares below which residuals may be rounding.
    const NOTHING: f64 = 1e-6;
    /// Condition number from which on float64 may have so few digits.
    const ILL: f64 = 1e7;
    let deviance = fit.glance.deviance;
    let apart = (squares - deviance).abs() > OTHERS * squares.max(deviance);
    let rounding = fit.condition_number > ILL || fit.glance.r_squared.is_none_or(|r| 1.0 - r < NOTHING);
    if !apart || rounding {
        return Ok(());
    }
    Err(Error::data(format!(
        "these are not the rows of the sums: their squared residuals sum to {squares:e}, those of the sums to {deviance:e}; other rows, \
         other weights, or values that are read in another way"
    )))
}

/// Residuals that do not have the sum of squares of the fit are not the fit's to many digits.
fn residuals_differ(squares: f64, deviance: f64) -> Option<Warning> {
    let apart = (squares - deviance).abs() > RESIDUALS_DIFFER * squares.max(deviance);
    apart.then(|| {
        let message = format!(
            "the squared residuals of the rows sum to {squares:e}, those of the fit to {deviance:e}: robust standard \
             errors have few digits"
        );
        Warning::new("residuals_differ", message)
    })
}

fn add_test(
    fit: &mut Fit,
    text: &str,
    restrictions: &[Restriction],
    bread: &Bread,
    meat: &Meat,
) -> Result<()> {
    let df = fit.vcov.df.unwrap_or(fit.glance.df_residual);
    if fit.glance.sigma.is_none() {
        let message = format!("the test {text:?}: the fit leaves no residual degrees of freedom");
        return Err(Error::data(message));
    }
    let test = WaldTest::new(text, bread, meat, df, restrictions)?;
    if test.statistic.is_none() {
        let message =
            format!("the covariance of what {text:?} tests is not positive definite: there is no F");
        fit.warnings.push(Warning::new("no_test", message));
    }
    fit.tests.push(test);
    Ok(())
}

#[cfg(test)]
mod tests {
    use streamreg_core::ModelSpec;

    use super::*;
    use crate::request::inference::Inference;

    fn resolved(inference: &Inference) -> Inferred<'_> {
        inference.resolve(&ModelSpec::of_columns("y", ["x"]), true).unwrap()
    }

    #[test]
    fn clusters_have_a_limit_that_is_told() {
        let clusters = vec!["g".to_owned()];
        let cr1 = Inference { clusters: clusters.clone(), ..Inference::default() };
        let cr3 = Inference { vcov: Some(Vcov::Cr3), clusters, ..Inference::default() };
        let (cr1, cr3) = (resolved(&cr1), resolved(&cr3));
        assert_eq!(cr1.vcov, Vcov::Cr1);
        assert_eq!(cr1.most_clusters(1, 12), (1 << 30) / 128);
        assert_eq!(cr1.most_clusters(2, 12), (1 << 30) / 256);
        // 12 scores and 78 products.
        assert_eq!(cr3.most_clusters(1, 12), (1 << 30) / (8 * 90 + 32));
        let message = cr3.too_many("g", "1000", 10).to_string();
        assert!(
            message.contains("\"g\": 1000 clusters") && message.contains("10 would fit; cr1"),
            "{message}"
        );
    }

    #[test]
    fn leverages_next_to_one_cost_digits() {
        assert!(near_full_leverage(1.0, 1e15).is_none() && near_full_leverage(1e-8, 1.0).is_none());
        let warning = near_full_leverage(2e-10, 10.0).unwrap();
        assert!(
            warning.message.contains("1 - 2.0e-10") && warning.message.contains("few as 4 digits"),
            "{}",
            warning.message
        );
        assert!(near_full_leverage(1e-4, f64::INFINITY).unwrap().message.contains("few as 0 digits"));
    }

    #[test]
    fn residuals_that_differ_are_remarked() {
        assert!(residuals_differ(1.0, 1.0 + 1e-9).is_none());
        assert!(residuals_differ(0.0, 0.0).is_none());
        assert!(residuals_differ(1.0, 1.01).is_some());
        assert!(residuals_differ(1e-20, 0.0).is_some());
    }
}
