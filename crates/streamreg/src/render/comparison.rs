//! Two fits side by side, for people and as CSV.

use super::broom::exact;
use super::columns::{aligned, wrapped};
use super::number::{count, optional, p_value, short, stars, t_value};
use super::printable::printable;
use crate::compare::{ComparedFit, Comparison, TermShift};
use crate::output::csv_field;

pub(super) fn table(c: &Comparison, width: Option<usize>) -> String {
    let fit = |name: &str, fit: &ComparedFit| {
        vec![
            name.to_owned(),
            printable(&fit.path),
            count(fit.nobs),
            optional(fit.r_squared),
            optional(fit.sigma),
        ]
    };
    let head = ["", "File", "Rows", "R-squared", "Sigma"].map(str::to_owned).to_vec();
    let mut out = aligned(&[head, fit("old", &c.old), fit("new", &c.new)], width) + "\n";
    let titles = ["", "Old", "New", "Difference", "Std. error", "z value", "Pr(>|z|)", ""];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(c.terms.iter().map(row));
    out.push_str(&aligned(&rows, width));
    let mut lines = Vec::new();
    if let Some(test) = c.chow {
        lines.push(format!(
            "Chow test: F = {} on {} and {} df, p = {}",
            short(test.statistic),
            count(test.df),
            count(test.df_residual),
            p_value(Some(test.p_value))
        ));
    }
    lines.extend(c.notes.iter().map(|note| format!("Note: {}", printable(note))));
    for line in lines {
        out.push_str(&format!("\n{}\n", wrapped(&line, width)));
    }
    out
}

fn row(shift: &TermShift) -> Vec<String> {
    let last = match shift.of {
        "both" => stars(shift.p_value).to_owned(),
        of => format!("{of} only"),
    };
    vec![
        printable(&shift.term),
        optional(shift.old),
        optional(shift.new),
        optional(shift.difference),
        optional(shift.std_error),
        t_value(shift.statistic),
        p_value(shift.p_value),
        last,
    ]
}

impl Comparison {
    /// A line a coefficient, as CSV; missing numbers are empty, all others read back exactly.
    pub fn csv(&self) -> String {
        let mut out = "term,of,old,new,difference,std.error,statistic,p.value\n".to_owned();
        for shift in &self.terms {
            let numbers =
                [shift.old, shift.new, shift.difference, shift.std_error, shift.statistic, shift.p_value];
            let cells = [csv_field(&shift.term), shift.of.to_owned()].into_iter().chain(numbers.map(exact));
            out.push_str(&(cells.collect::<Vec<_>>().join(",") + "\n"));
        }
        out
    }
}
