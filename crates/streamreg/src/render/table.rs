//! The coefficient table, in the order of R's `summary.lm`.

use streamreg_core::{Precision, WeightType};
use streamreg_solve::{TermEstimate, Vcov, VcovSummary, WaldTest};

use super::columns::{aligned, wrapped};
use super::lines::{is_bare, notices};
use super::number::{count, counted, optional, p_value, short, stars, t_value};
use super::printable::printable;
use super::{exact, iterative, penalized};
use crate::report::{CvErrorReport, FitReport};

pub(super) fn fit(report: &FitReport, width: Option<usize>) -> String {
    let mut out = format!("{}\n\nCoefficients:\n", wrapped(&model(report), width));
    out.push_str(&if is_bare(report) {
        penalized::coefficients(report, MOST_ROWS, width)
    } else {
        coefficients(&report.coefficients, width)
    });
    if report.coefficients.iter().any(|c| !stars(c.p_value).is_empty()) {
        let narrow = width.is_some_and(|width| width < 62);
        let what = if narrow { "Signif.:" } else { "Signif. codes: " };
        out.push_str(&format!("---\n{what} 0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n"));
    }
    out.push('\n');
    for line in summary(report) {
        out.push_str(&wrapped(&line, width));
        out.push('\n');
    }
    if let Some(cv) = &report.test_error {
        out.push_str(&format!("\n{}", aligned(&folds(cv), width)));
    }
    if let Some(cv) = report.penalized().and_then(|p| p.cross_validation.as_ref()) {
        out.push_str(&format!(
            "\nErrors of rows that were held out:\n{}",
            aligned(&penalized::curve(cv), width)
        ));
    }
    let lines: Vec<String> = notices(report).iter().map(|line| wrapped(line, width)).collect();
    if !lines.is_empty() {
        out.push('\n');
        out.push_str(&lines.join("\n"));
        out.push('\n');
    }
    out
}

/// `y ~ a + b`.
pub(super) fn model(report: &FitReport) -> String {
    let mut terms: Vec<String> = report.spec.terms.iter().map(|t| printable(&t.to_string())).collect();
    if terms.len() > 12 {
        let hidden = terms.len() - 11;
        terms.splice(10..terms.len() - 1, [format!("… {hidden} more …")]);
    }
    match (report.spec.intercept, terms.is_empty()) {
        (true, true) => terms.push("1".into()),
        (false, _) => terms.push("0".into()),
        _ => {}
    }
    terms.extend(report.spec.offsets.iter().map(|offset| printable(&format!("offset({offset})"))));
    let responses: Vec<String> =
        report.spec.responses.iter().map(|response| printable(&response.to_string())).collect();
    format!("{} ~ {}", responses.join(" + "), terms.join(" + "))
}

/// Rows of a table for people; the other forms have all of them.
const MOST_ROWS: usize = 500;

pub(super) fn coefficients(all: &[TermEstimate], width: Option<usize>) -> String {
    let standardized = all.iter().any(|c| c.standardized.is_some());
    let header = ["", "Estimate", "Standardized", "Std. Error", "t value", "Pr(>|t|)", ""];
    let shows = |&(at, _): &(usize, String)| standardized || at != 2;
    let row = |cells: [String; 7]| -> Vec<String> {
        cells.into_iter().enumerate().filter(shows).map(|(_, cell)| cell).collect()
    };
    let mut rows = vec![row(header.map(str::to_owned))];
    let shown = if all.len() > MOST_ROWS { MOST_ROWS / 5 } else { all.len() };
    for c in &all[..shown] {
        rows.push(row([
            printable(&c.term),
            optional(c.estimate),
            optional(c.standardized),
            optional(c.std_error),
            t_value(c.statistic),
            p_value(c.p_value),
            format!("{:<3}", stars(c.p_value)),
        ]));
    }
    let mut out = aligned(&rows, width);
    if shown < all.len() {
        let hidden = count((all.len() - shown) as u64);
        out.push_str(&format!("… {hidden} more coefficients: --format tidy has them all\n"));
    }
    out
}

/// The error of every fold, and their means.
pub(super) fn folds(cv: &CvErrorReport) -> Vec<Vec<String>> {
    const MOST: usize = 20;
    let error = &cv.error;
    let group = cv.group.as_ref().map_or(String::new(), |g| format!(" by {}", printable(g)));
    let header = [format!("Held out{group}"), "Rows".into(), "RMSE".into(), "R-squared".into()];
    let mut rows = vec![header.to_vec()];
    let own = error.fold_rows.iter().zip(&error.fold_rmse).zip(&error.fold_r_squared).enumerate();
    rows.extend(own.take(MOST).map(|(k, ((rows, rmse), r_squared))| {
        vec![format!("fold {}", k + 1), count(*rows), short(*rmse), optional(*r_squared)]
    }));
    if error.fold_rows.len() > MOST {
        rows.push(vec![
            format!("… {} more", error.fold_rows.len() - MOST),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    let all = count(error.fold_rows.iter().sum::<u64>());
    rows.push(vec!["mean".into(), all, short(error.rmse), optional(error.r_squared)]);
    let errors = [short(error.rmse_std_error), optional(error.r_squared_std_error)];
    rows.push(["its standard error".into(), String::new()].into_iter().chain(errors).collect());
    rows
}

/// The lines below the table.
pub(super) fn summary(report: &FitReport) -> Vec<String> {
    if let Some(penalized) = report.penalized() {
        return penalized::summary(report, penalized);
    }
    if let Some(own) = report.descent() {
        return iterative::summary(report, own);
    }
    if let Some(own) = report.exact() {
        return exact::summary(report, own);
    }
    let g = &report.glance;
    let mut lines = Vec::new();
    match g.sigma {
        Some(sigma) => lines.push(format!(
            "Residual standard error: {} on {} of freedom ({})",
            short(sigma),
            counted(g.df_residual, "degree"),
            rows(report)
        )),
        None => lines.push(format!("No residual degrees of freedom ({})", rows(report))),
    }
    lines.push(format!(
        "Multiple R-squared: {},  Adjusted R-squared: {}",
        optional(g.r_squared),
        optional(g.adj_r_squared)
    ));
    if let Some(f) = g.statistic {
        let p = p_value(g.p_value);
        let p = if p.starts_with('<') { p } else { format!("= {p}") };
        lines.push(format!(
            "F-statistic: {} on {} and {} DF,  p-value {p}",
            short(f),
            g.df,
            count(report.vcov.df.unwrap_or(g.df_residual))
        ));
    }
    lines.extend(covariance(&report.vcov));
    lines.extend(report.tests.iter().map(test));
    let of_others = report.eliminated.as_ref();
    let of_others = of_others.map_or(String::new(), |name| {
        format!(" (of the other columns within the levels of {})", printable(name))
    });
    lines.push(format!("Condition number: {}{of_others}", optional(report.condition_number)));
    lines.push(digits(report));
    lines
}

/// What can be relied on, in whole digits.
fn digits(report: &FitReport) -> String {
    let accuracy = &report.accuracy;
    let sums = match report.solver.precision {
        Precision::Exact => "exact sums",
        _ => "float64",
    };
    let whole = |digits: Option<f64>| digits.map_or("NA".into(), |d| d.max(0.0).floor().to_string());
    format!(
        "Digits of the coefficients: {} by the arithmetic ({sums}), {} if the cells are rounded",
        whole(accuracy.digits_arithmetic),
        whole(accuracy.digits_input)
    )
}

/// What standard errors rest on, where it is not what everybody expects.
fn covariance(vcov: &VcovSummary) -> Option<String> {
    let what = match vcov.kind {
        Vcov::Iid => return None,
        Vcov::Hac(lags) => format!("robust to unequal variances and correlation over {lags} rows (HAC)"),
        kind if kind.is_clustered() => {
            let clusters = vcov.clusters.iter();
            let clusters = clusters.map(|c| format!("{} of {}", count(c.clusters), printable(&c.column)));
            let kind = kind.to_string().to_uppercase();
            format!(
                "robust to correlation within clusters ({kind}), {}",
                clusters.collect::<Vec<_>>().join(" and ")
            )
        }
        kind => format!("robust to unequal variances ({})", kind.to_string().to_uppercase()),
    };
    let df = vcov.df.map_or(String::new(), |df| format!("; t with {} DF", count(df)));
    Some(format!("Standard errors: {what}{df}"))
}

fn test(test: &WaldTest) -> String {
    let hypothesis = printable(&test.hypothesis);
    let Some(f) = test.statistic else { return format!("Test {hypothesis}: NA") };
    let p = p_value(test.p_value);
    let p = if p.starts_with('<') { p } else { format!("= {p}") };
    let df = count(test.df_residual);
    format!("Test {hypothesis}: F = {} on {} and {df} DF,  p-value {p}", short(f), test.df)
}

/// The rows, and what they stand for where they are weighted.
fn rows(report: &FitReport) -> String {
    let used = count(report.ledger.rows_used);
    match &report.spec.weights {
        None => counted(report.ledger.rows_used, "row"),
        Some(weights) => {
            let column = printable(&weights.column);
            match weights.kind {
                WeightType::Frequency => {
                    format!("{} observations in {used} rows, counted by {column}", count(report.glance.nobs))
                }
                _ => format!("{used} rows, weighted by {column}"),
            }
        }
    }
}
