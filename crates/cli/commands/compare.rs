//! `streamreg compare`

use anyhow::Result;
use streamreg::compare_files;

use crate::exit::{ASSERTION, Exit};
use crate::log::warn;
use crate::options::{CompareArgs, ComparisonFormat};
use crate::streams::{print, stdout};
use crate::text::{fitted, usage};

pub(crate) fn run(args: &CompareArgs) -> Result<Exit> {
    if let Some(most) = args.max_shift.filter(|most| !(*most > 0.0 && most.is_finite())) {
        return Err(usage(format!("--max-shift takes a number of standard errors, more than 0, not {most}")));
    }
    stdout()?;
    let comparison = compare_files(&args.old, &args.new)?;
    print(&match args.format {
        ComparisonFormat::Table => fitted(&comparison),
        ComparisonFormat::Json => streamreg::json(&comparison)?,
        ComparisonFormat::Csv => comparison.csv(),
    })?;
    let Some(most) = args.max_shift else { return Ok(Exit::code(0)) };
    let unmeasured: Vec<&str> = comparison.unmeasured().map(|shift| shift.term.as_str()).collect();
    if unmeasured.len() == comparison.terms.len() {
        let why = comparison.notes.first().map_or("no term is in both with a standard error", String::as_str);
        return Ok(Exit::with_message(
            ASSERTION,
            format!("--max-shift {most}: no shift can be measured: {why}"),
        ));
    }
    if let [first, rest @ ..] = unmeasured.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        warn(&format!(
            "warning: --max-shift does not count {first:?}{more}: in one of the two only, or without a standard error"
        ));
    }
    Ok(match comparison.moved_beyond(most) {
        None => Exit::code(0),
        Some(shift) => {
            let z = streamreg::short(shift.statistic.unwrap_or_default().abs());
            let message = format!(
                "--max-shift {most}: the coefficient of {:?} moved by {z} standard errors",
                shift.term
            );
            Exit::with_message(ASSERTION, message)
        }
    })
}
