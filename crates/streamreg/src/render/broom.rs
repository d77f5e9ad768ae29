//! CSV with the column names of R's broom package. Missing numbers are empty, all others read back
//! exactly.

use streamreg_solve::{Glance, TermEstimate, TestError, Vcov};

use crate::output::csv_field;
use crate::report::FitReport;

/// What identifies a fit among several: a cell for each of these columns stands before its own.
pub(super) fn header(of: &str, prefix: &[String], status: bool) -> String {
    let prefix = prefix.iter().map(|name| csv_field(name));
    let own = of.split(',').map(str::to_owned);
    let status = status.then(|| "status".to_owned());
    prefix.chain(own).chain(status).collect::<Vec<_>>().join(",")
}

/// Columns of [`tidy_row`].
pub(super) const TIDY: &str = "term,estimate,std.error,statistic,p.value,conf.low,conf.high";

/// Columns of [`glance_row`].
pub(super) const GLANCE: &str =
    "r.squared,adj.r.squared,sigma,statistic,p.value,df,logLik,AIC,BIC,deviance,df.residual,nobs";

pub(super) fn tidy_row(c: &TermEstimate) -> String {
    let numbers = [c.estimate, c.std_error, c.statistic, c.p_value, c.conf_low, c.conf_high];
    let cells: Vec<String> = std::iter::once(csv_field(&c.term)).chain(numbers.map(exact)).collect();
    cells.join(",")
}

pub(super) fn glance_row(g: &Glance) -> String {
    [
        exact(g.r_squared),
        exact(g.adj_r_squared),
        exact(g.sigma),
        exact(g.statistic),
        exact(g.p_value),
        g.df.to_string(),
        exact(g.log_lik),
        exact(g.aic),
        exact(g.bic),
        exact(Some(g.deviance)),
        g.df_residual.to_string(),
        g.nobs.to_string(),
    ]
    .join(",")
}

pub(super) fn tidy(reports: &[FitReport]) -> String {
    let robust = |r: &FitReport| r.vcov.kind != Vcov::Iid;
    let standardized = |r: &FitReport| r.coefficients.iter().any(|c| c.standardized.is_some());
    if reports.iter().any(standardized) && !reports.iter().any(robust) {
        let columns = format!("{TIDY},standardized");
        return table(reports, &columns, |r| {
            r.coefficients.iter().map(|c| format!("{},{}", tidy_row(c), exact(c.standardized))).collect()
        });
    }
    if !reports.iter().any(robust) {
        return table(reports, TIDY, |r| r.coefficients.iter().map(tidy_row).collect());
    }
    // What the standard errors rest on, in columns that broom does not have.
    let with_betas = reports.iter().any(standardized);
    let columns = format!("{TIDY},vcov,clusters,df{}", if with_betas { ",standardized" } else { "" });
    table(reports, &columns, |r| {
        let clusters: Vec<String> = r.vcov.clusters.iter().map(|c| c.clusters.to_string()).collect();
        let df = r.vcov.df.map_or(String::new(), |df| df.to_string());
        let own = format!("{},{},{df}", r.vcov.kind, clusters.join(" "));
        let beta =
            |c: &TermEstimate| if with_betas { format!(",{}", exact(c.standardized)) } else { String::new() };
        r.coefficients.iter().map(|c| format!("{},{own}{}", tidy_row(c), beta(c))).collect()
    })
}

pub(super) fn glance(reports: &[FitReport]) -> String {
    if reports.iter().all(|r| r.test_error.is_none()) {
        return table(reports, GLANCE, |r| vec![glance_row(&r.glance)]);
    }
    // The error on rows held out, which broom does not have.
    let columns = format!("{GLANCE},cv.folds,cv.rmse,cv.rmse.std.error,cv.r.squared,cv.r.squared.std.error");
    table(reports, &columns, |r| {
        let own = r.test_error.as_ref();
        let number = |of: fn(&TestError) -> Option<f64>| exact(own.and_then(|cv| of(&cv.error)));
        let folds = own.map_or(String::new(), |cv| cv.error.fold_rows.len().to_string());
        let cells = [
            glance_row(&r.glance),
            folds,
            number(|e| Some(e.rmse)),
            number(|e| Some(e.rmse_std_error)),
            number(|e| e.r_squared),
            number(|e| e.r_squared_std_error),
        ];
        vec![cells.join(",")]
    })
}

/// The rows of all reports; where there are several, the response stands first in each.
fn table(reports: &[FitReport], columns: &str, rows: impl Fn(&FitReport) -> Vec<String>) -> String {
    let several = reports.len() > 1;
    let prefix = if several { vec!["response".to_owned()] } else { Vec::new() };
    let mut out = header(columns, &prefix, false) + "\n";
    for report in reports {
        for row in rows(report) {
            if several {
                out.push_str(&csv_field(&report.response));
                out.push(',');
            }
            out.push_str(&row);
            out.push('\n');
        }
    }
    out
}

/// The shortest decimal that reads back as the same float64.
pub(super) fn exact(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| format!("{v:?}"))
}
