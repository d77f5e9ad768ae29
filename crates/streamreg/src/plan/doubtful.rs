//! Text that is nearly all numbers, or dates, is no category unless its owner says so.

use std::collections::HashSet;

use arrow_schema::Schema;
use streamreg_core::{Design, Expr, Factor, Level, ModelSpec, is_text as is_text_type};
use streamreg_reader::Source;
use streamreg_reader::csv::{CsvOptions, ReadsAs, reads_as};
use streamreg_solve::Warning;

use crate::error::Result;
use crate::request::regression::Regression;

/// Refuses features, responses and weights of text of which the source says that most cells are something else; also
/// those that would be features if they were numbers. What is wrong with the model is for others to say.
pub(crate) fn refuse_doubtful(regression: &Regression, schema: &Schema, source: &dyn Source) -> Result<()> {
    let Ok((spec, left_out)) = regression.spec(schema) else {
        // There may be no feature left because all that would be one are doubtful.
        let names = schema.fields().iter().map(|field| field.name());
        let excluded = regression.excluded(schema)?;
        let open = names.filter(|name| !regression.names_all() && !excluded.contains(name));
        return open
            .filter_map(|name| source.doubt(name))
            .find(|doubt| doubt.nearly_number)
            .map_or(Ok(()), |doubt| Err(doubt.error.into()));
    };
    let is_text = |name: &str| schema.field_with_name(name).is_ok_and(|f| is_text_type(f.data_type()));
    let meant = declared(&spec);
    let features = spec.terms.iter().flat_map(|term| term.factors());
    let features =
        features.filter(|f| !matches!(f, Factor::Category(_) | Factor::Coded(_))).flat_map(Factor::columns);
    let features = features.filter(|name| !meant.contains(name));
    let responses = spec.responses.iter().flat_map(Factor::columns);
    let responses = responses.chain(spec.offsets.iter().flat_map(Expr::columns));
    let weights = spec.weights.iter().map(|weights| weights.column.as_str());
    for name in responses.chain(weights).chain(features).filter(|name| is_text(name)) {
        if let Some(doubt) = source.doubt(name) {
            return Err(doubt.error.into());
        }
    }
    refuse_nearly_numbers(left_out.iter().map(|left| &left.column).filter(|name| is_text(name)), source)
}

/// Refuses the first column that would be a feature but for a few cells.
fn refuse_nearly_numbers<'n>(names: impl Iterator<Item = &'n String>, source: &dyn Source) -> Result<()> {
    let mut doubts = names.filter_map(|name| Some((name, source.doubt(name)?)));
    match doubts.find(|(_, doubt)| doubt.nearly_number) {
        Some((name, doubt)) => Err(doubt.or_exclude(name).into()),
        None => Ok(()),
    }
}

/// Columns that are categories because somebody said so.
fn declared(spec: &ModelSpec) -> HashSet<&str> {
    let of_terms = spec.terms.iter().flat_map(|term| term.factors()).filter_map(|factor| match factor {
        Factor::Category(name) => Some(name.as_str()),
        Factor::Coded(category) => Some(category.column.as_str()),
        _ => None,
    });
    let named = spec.categorical.iter().chain(spec.references.iter().map(|(column, _)| column));
    named.map(String::as_str).chain(of_terms).collect()
}

/// Levels from which on a category may have too many for its rows.
const FEW_LEVELS: usize = 10;

/// What speaks against categories once their levels are known, those of all used rows.
pub(crate) fn doubtful_categories(
    regression: &Regression,
    design: &Design,
    levels: &[Vec<Level>],
    rows: u64,
) -> Vec<Warning> {
    let meant = declared(design.spec());
    let typed = |name: &str| regression.dataset.csv.types.iter().any(|(column, _)| column == name);
    // Words that are missing values by default, and were no longer to be.
    let asked = &regression.dataset.csv.nulls;
    let usual = CsvOptions::default().nulls;
    let unasked: Vec<&String> = usual.iter().filter(|word| !asked.contains(word)).collect();
    let mut warnings = Vec::new();
    for (name, levels) in design.term_categories().into_iter().zip(levels) {
        let texts: Vec<&str> = levels.iter().filter_map(Level::text).collect();
        if texts.len() >= FEW_LEVELS && 2 * texts.len() as u64 > rows {
            let message = format!(
                "column {name:?} is text with {} levels in {rows} rows: leave it out if it identifies rows",
                texts.len()
            );
            warnings.push(Warning::new("many_levels", message));
        }
        if let Some(word) = unasked.iter().find(|word| texts.contains(&word.as_str())) {
            let message = format!(
                "column {name:?} has the level {word:?}, which is a missing value unless --null sets others: --null {word} \
                 beside them makes it one"
            );
            warnings.push(Warning::new("missing_as_level", message));
        }
        if meant.contains(name) || typed(name) {
            continue;
        }
        let read: Vec<(&&str, ReadsAs)> =
            texts.iter().filter_map(|text| Some((text, reads_as(text, name)?))).collect();
        let Some((text, what)) = read.first().filter(|_| 2 * read.len() > texts.len()) else { continue };
        let kind = if what.number { "numbers" } else { "dates or times" };
        let way_out = match &what.option {
            Some(option) => format!("{option} makes a column NAME of them, "),
            None => String::new(),
        };
        let message = format!(
            "column {name:?} is text, and most of its levels read as {kind}, such as {text:?}: {way_out}C({name}) or \
             --categorical {name} says that it is a category"
        );
        warnings.push(Warning::new("numbers_as_text", message));
    }
    warnings
}
