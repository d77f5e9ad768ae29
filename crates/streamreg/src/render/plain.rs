//! Screens of `evaluate` and `inspect`.

use super::columns::{aligned, wrapped};
use super::lines::warnings;
use super::number::{bytes, count, counted, optional, short};
use super::printable::printable;
use crate::inspect::Inspection;
use crate::model::evaluate::Evaluation;

pub(super) fn evaluation(e: &Evaluation, width: Option<usize>) -> String {
    let m = &e.measures;
    let response = e.response.iter().map(|name| vec!["Target".into(), printable(name)]);
    let mut rows: Vec<Vec<String>> = response.collect();
    rows.extend([
        vec!["Rows".into(), count(m.rows)],
        vec!["MSE".into(), short(m.mse)],
        vec!["RMSE".into(), short(m.rmse)],
        vec!["MAE".into(), short(m.mae)],
        vec!["R-squared".into(), optional(m.r_squared)],
        vec!["Bias".into(), short(m.bias)],
    ]);
    if e.ledger.rows_dropped() > 0 {
        rows.push(vec!["Rows dropped".into(), count(e.ledger.rows_dropped())]);
    }
    if e.ledger.rows_filtered > 0 {
        rows.push(vec!["Rows filtered".into(), count(e.ledger.rows_filtered)]);
    }
    let warnings = warnings(&e.warnings).map(|line| wrapped(&line, width) + "\n");
    aligned(&rows, width) + &groups(e, width) + &warnings.collect::<String>()
}

/// The measures of groups, as a table.
fn groups(e: &Evaluation, width: Option<usize>) -> String {
    /// Rows of a table for people; JSON has all of them.
    const MOST: usize = 500;
    if e.by.is_empty() {
        return String::new();
    }
    let own = ["Rows", "MSE", "RMSE", "MAE", "R-squared", "Bias"].map(str::to_owned);
    let mut rows: Vec<Vec<String>> = vec![e.by.iter().map(|name| printable(name)).chain(own).collect()];
    rows.extend(e.groups.iter().take(MOST).map(|group| {
        let m = &group.measures;
        let cells =
            [count(m.rows), short(m.mse), short(m.rmse), short(m.mae), optional(m.r_squared), short(m.bias)];
        group.values.iter().map(|value| printable(value)).chain(cells).collect()
    }));
    let hidden = e.groups.len().saturating_sub(MOST);
    let more = if hidden > 0 {
        format!("… {} more groups: --format json has them all\n", count(hidden as u64))
    } else {
        String::new()
    };
    format!("\n{}{more}", aligned(&rows, width))
}

pub(super) fn inspection(i: &Inspection, width: Option<usize>) -> String {
    let unknown = || "unknown".to_owned();
    let size: u64 = i.inputs.iter().map(|f| f.bytes).sum();
    let mut facts = vec![
        vec!["Files".into(), count(i.inputs.len() as u64)],
        vec!["Size".into(), bytes(size)],
        vec!["Rows".into(), i.rows.or(i.verified.map(|v| v.rows)).map_or_else(unknown, count)],
    ];
    if let Some(groups) = i.row_groups {
        let largest = i.largest_row_group.map_or_else(unknown, count);
        facts.push(vec!["Row groups".into(), count(groups as u64)]);
        facts.push(vec!["Largest".into(), format!("{largest} rows")]);
    }
    for known in &i.levels {
        let columns = known.columns.iter().map(|name| printable(name)).collect::<Vec<_>>().join(":");
        facts.push(vec![format!("Levels of {columns}"), format!("about {}", count(known.levels))]);
    }
    facts.push(vec![
        format!("Memory of {}", i.predicted_for),
        format!("about {} ({})", bytes(i.predicted_memory), counted(i.threads as u64, "thread")),
    ]);
    if let Some(v) = i.verified {
        facts.push(vec!["Verified".into(), format!("{} rows decoded, no damage found", count(v.rows))]);
    }
    if let Some(v) = i.verified.filter(|v| v.pages > 0) {
        let pages = format!("{} of {} pages have one", count(v.checksummed_pages), count(v.pages));
        facts.push(vec!["Checksums".into(), pages]);
    }
    let mut table = vec![["column", "type", "nulls", "feature"].map(str::to_owned).to_vec()];
    for c in &i.columns {
        let nulls = c.nulls.map_or_else(unknown, count);
        let feature = if c.feature { "yes" } else { "no" };
        table.push(vec![printable(&c.name), printable(&c.kind), nulls, feature.into()]);
    }
    let warnings: String = warnings(&i.warnings).map(|line| wrapped(&line, width) + "\n").collect();
    format!("{}\n{}{warnings}", aligned(&facts, width), aligned(&table, width))
}
