//! CSV with the column names of R's broom package. Missing numbers are empty, all others read back
//! exactly.

use streamreg::{FitReport, csv_field};

pub(crate) fn tidy(report: &FitReport) -> String {
    let mut out = String::from("term,estimate,std.error,statistic,p.value,conf.low,conf.high\n");
    for c in &report.coefficients {
        let numbers = [c.estimate, c.std_error, c.statistic, c.p_value, c.conf_low, c.conf_high];
        out.push_str(&csv_field(&c.term));
        for value in numbers {
            out.push(',');
            out.push_str(&exact(value));
        }
        out.push('\n');
    }
    out
}

pub(crate) fn glance(report: &FitReport) -> String {
    let g = &report.glance;
    let cells: [(&str, String); 12] = [
        ("r.squared", exact(g.r_squared)),
        ("adj.r.squared", exact(g.adj_r_squared)),
        ("sigma", exact(g.sigma)),
        ("statistic", exact(g.statistic)),
        ("p.value", exact(g.p_value)),
        ("df", g.df.to_string()),
        ("logLik", exact(g.log_lik)),
        ("AIC", exact(g.aic)),
        ("BIC", exact(g.bic)),
        ("deviance", exact(Some(g.deviance))),
        ("df.residual", g.df_residual.to_string()),
        ("nobs", g.nobs.to_string()),
    ];
    let (names, values): (Vec<&str>, Vec<String>) = cells.into_iter().unzip();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

/// The shortest decimal that reads back as the same float64.
fn exact(value: Option<f64>) -> String {
    value.map_or(String::new(), |v| format!("{v:?}"))
}
