//! `--fail-if` and `--assert`: what a result must not be, or must be, and else the exit code is 7.

use std::cmp::Ordering;
use std::fmt;

use anyhow::Result;
use streamreg::{Evaluation, FitReport, RowLedger, suggestion};

use crate::exit::{ASSERTION, Exit};
use crate::text::usage;

/// Quantities of the rows, which every command knows.
const OF_ROWS: [&str; 2] = ["dropped", "rows"];

/// Quantities of a fit.
const OF_FIT: [&str; 17] = [
    "r.squared",
    "adj.r.squared",
    "sigma",
    "statistic",
    "p.value",
    "df",
    "logLik",
    "AIC",
    "BIC",
    "deviance",
    "df.residual",
    "nobs",
    "mse",
    "rmse",
    "rank",
    "condition",
    "digits",
];

/// Quantities of one coefficient.
const OF_TERM: [&str; 4] = ["estimate", "std.error", "statistic", "p.value"];

/// Quantities of an evaluation.
const OF_EVALUATION: [&str; 5] = ["r.squared", "rmse", "mse", "mae", "bias"];

/// What a command has quantities of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Fit,
    /// Many fits to groups of the rows: of the rows alone.
    Groups,
    Evaluation,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
enum Quantity {
    Named(String),
    OfTerm { what: String, term: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Unequal,
}

/// A condition on a result.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// As it was typed.
    flag: &'static str,
    text: String,
    quantity: Quantity,
    comparison: Comparison,
    value: f64,
    /// Whether the value is a percentage of the rows.
    percent: bool,
    /// What the comparison must come to.
    wanted: bool,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.flag, self.text)
    }
}

/// Conditions as they were typed.
///
/// # Errors
/// When one cannot be read, or names what the subject does not have.
pub(crate) fn parse(fail_if: &[String], assert: &[String], subject: Subject) -> Result<Vec<Condition>> {
    let typed = fail_if.iter().map(|text| ("--fail-if", text, false));
    let typed = typed.chain(assert.iter().map(|text| ("--assert", text, true)));
    typed.map(|(flag, text, wanted)| condition(flag, text, wanted, subject)).collect()
}

fn condition(flag: &'static str, text: &str, wanted: bool, subject: Subject) -> Result<Condition> {
    let wrong = |what: String| usage(format!("{flag} '{text}': {what}"));
    let example = if subject == Subject::Evaluation { "rmse < 10" } else { "r.squared > 0.8" };
    // Terms may have signs of their own, numbers have none.
    let sign = |c: char| matches!(c, '<' | '>' | '=' | '!');
    let end = text.rfind(sign).ok_or_else(|| wrong(format!("there is no comparison, as in '{example}'")))?;
    let start = text[..end].trim_end_matches(sign).len();
    let comparison = match &text[start..=end] {
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::Greater,
        ">=" => Comparison::AtLeast,
        "=" | "==" => Comparison::Equal,
        "!=" => Comparison::Unequal,
        other => return Err(wrong(format!("{other} is no comparison: <, <=, >, >=, = and != are"))),
    };
    let number = text[end + 1..].trim();
    let (digits, percent) = match number.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (number, false),
    };
    let value: f64 = digits.parse().map_err(|_| wrong(format!("{number:?} is no number")))?;
    if !value.is_finite() {
        return Err(wrong(format!("{number} is no number to compare with")));
    }
    let name = text[..start].trim();
    let quantity = quantity(name, subject).map_err(wrong)?;
    let counts_drops = quantity == Quantity::Named("dropped".into());
    if percent && !counts_drops {
        return Err(wrong("a percentage is for dropped".to_owned()));
    }
    if counts_drops && !percent && value.fract() != 0.0 {
        return Err(wrong(
            "dropped is compared with a number of rows, or with a share of them such as 5%".to_owned(),
        ));
    }
    Ok(Condition { flag, text: text.to_owned(), quantity, comparison, value, percent, wanted })
}

fn quantity(name: &str, subject: Subject) -> std::result::Result<Quantity, String> {
    if let Some((what, term)) =
        name.split_once('(').and_then(|(what, rest)| Some((what, rest.strip_suffix(')')?)))
    {
        let what = what.trim_end();
        if subject != Subject::Fit {
            return Err(format!("there are no coefficients to take {what} of"));
        }
        if !OF_TERM.contains(&what) {
            return Err(format!("{what}(): {}", suggestion(what, OF_TERM, "quantities of a coefficient")));
        }
        return Ok(Quantity::OfTerm { what: what.to_owned(), term: term.trim().to_owned() });
    }
    let own: &[&str] = match subject {
        Subject::Fit => &OF_FIT,
        Subject::Groups => &[],
        Subject::Evaluation => &OF_EVALUATION,
    };
    let known: Vec<&str> = OF_ROWS.iter().chain(own).copied().collect();
    if known.contains(&name) {
        return Ok(Quantity::Named(name.to_owned()));
    }
    let what = if name.is_empty() {
        "there is no quantity before the comparison".to_owned()
    } else {
        format!("there is no quantity {name:?}")
    };
    if subject == Subject::Groups && (OF_FIT.contains(&name)) {
        return Err(format!(
            "{name} is of one fit, and --by makes many; of all of them there are {}",
            OF_ROWS.join(" and ")
        ));
    }
    Err(format!("{what}; {}", suggestion(name, known, "quantities")))
}

/// A quantity that was found, or why there is none.
type Found = std::result::Result<f64, String>;

impl Condition {
    /// Whether it needs more than the rows.
    pub(crate) fn is_of_fit(&self) -> bool {
        !matches!(&self.quantity, Quantity::Named(name) if OF_ROWS.contains(&name.as_str()))
    }

    /// What is wrong, if anything is.
    fn broken(
        &self,
        find: impl Fn(&str) -> Found,
        coefficient: impl Fn(&str, &str) -> Found,
    ) -> Option<String> {
        let (name, found) = match &self.quantity {
            Quantity::Named(name) => (name.clone(), find(if self.percent { "dropped%" } else { name })),
            Quantity::OfTerm { what, term } => (format!("{what}({term})"), coefficient(what, term)),
        };
        let sign = if self.percent { " %" } else { "" };
        match found {
            Err(why) => Some(format!("{self}: {name} is not known: {why}")),
            Ok(value) if value.is_nan() => Some(format!("{self}: {name} is not a number")),
            Ok(value) if self.holds(value) == self.wanted => None,
            Ok(value) => {
                let verdict = if self.wanted { "does not hold" } else { "holds" };
                Some(format!("{self} {verdict}: {name} is {value}{sign}"))
            }
        }
    }

    fn holds(&self, found: f64) -> bool {
        let order = found.partial_cmp(&self.value);
        match self.comparison {
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::Unequal => order != Some(Ordering::Equal),
        }
    }
}

/// The end of a command: `verdict`, unless that is well and a condition is not met.
pub(crate) fn judged(verdict: Exit, broken: &[String]) -> Exit {
    if !verdict.is_success() || broken.is_empty() {
        return verdict;
    }
    Exit::with_message(ASSERTION, broken.join("; "))
}

/// What fits break, each condition once for each fit.
pub(crate) fn of_fits(conditions: &[Condition], fitted: &[FitReport]) -> Vec<String> {
    let several = fitted.len() > 1;
    let mut broken = Vec::new();
    for condition in conditions {
        let of_rows = !condition.is_of_fit();
        for fit in fitted.iter().take(if of_rows { 1 } else { usize::MAX }) {
            let what = condition.broken(|name| of_fit(fit, name), |what, term| of_term(fit, what, term));
            let named =
                |what: String| if several && !of_rows { format!("{}: {what}", fit.response) } else { what };
            broken.extend(what.map(named));
        }
    }
    broken
}

/// What the rows alone break.
pub(crate) fn of_rows(conditions: &[Condition], ledger: &RowLedger) -> Vec<String> {
    let none = |_: &str, _: &str| Err("there is no fit".to_owned());
    conditions.iter().filter_map(|condition| condition.broken(|name| rows(ledger, name), none)).collect()
}

/// What an evaluation breaks.
pub(crate) fn of_evaluation(conditions: &[Condition], evaluation: &Evaluation) -> Vec<String> {
    let measures = &evaluation.measures;
    let find = |name: &str| match name {
        "r.squared" => measures.r_squared.ok_or_else(|| "the response is constant".to_owned()),
        "rmse" => Ok(measures.rmse),
        "mse" => Ok(measures.mse),
        "mae" => Ok(measures.mae),
        "bias" => Ok(measures.bias),
        name => rows(&evaluation.ledger, name),
    };
    let none = |_: &str, _: &str| Err("there are no coefficients".to_owned());
    // Of several targets each is named.
    let named = |what: String| match &evaluation.response {
        Some(response) => format!("{response}: {what}"),
        None => what,
    };
    conditions.iter().filter_map(|condition| condition.broken(find, none)).map(named).collect()
}

fn rows(ledger: &RowLedger, name: &str) -> Found {
    let (dropped, read) = (ledger.rows_dropped(), ledger.rows_read);
    match name {
        "rows" => Ok(ledger.rows_used as f64),
        "dropped" => Ok(dropped as f64),
        "dropped%" if read == 0 => Err("no row was read".to_owned()),
        "dropped%" => Ok(100.0 * dropped as f64 / read as f64),
        other => Err(format!("nothing tells {other}")),
    }
}

fn of_fit(fit: &FitReport, name: &str) -> Found {
    let glance = &fit.glance;
    let known = match name {
        "r.squared" => glance.r_squared,
        "adj.r.squared" => glance.adj_r_squared,
        "sigma" => glance.sigma,
        "statistic" => glance.statistic,
        "p.value" => glance.p_value,
        "df" => Some(glance.df as f64),
        "logLik" => glance.log_lik,
        "AIC" => glance.aic,
        "BIC" => glance.bic,
        "deviance" => Some(glance.deviance),
        "df.residual" => Some(glance.df_residual as f64),
        "nobs" => Some(glance.nobs as f64),
        "mse" => Some(glance.mse),
        "rmse" => Some(glance.rmse),
        "rank" => Some(fit.rank as f64),
        "condition" => fit.condition_number,
        "digits" => fit.solver.digits,
        name => return rows(&fit.ledger, name),
    };
    known.ok_or_else(|| "a fit of this kind does not have it".to_owned())
}

fn of_term(fit: &FitReport, what: &str, term: &str) -> Found {
    let found = fit.coefficients.iter().find(|coefficient| coefficient.term == term);
    let names = || fit.coefficients.iter().map(|coefficient| coefficient.term.as_str());
    let found =
        found.ok_or_else(|| format!("there is no term {term:?}; {}", suggestion(term, names(), "terms")))?;
    let known = match what {
        "estimate" => found.estimate,
        "std.error" => found.std_error,
        "statistic" => found.statistic,
        _ => found.p_value,
    };
    known.ok_or_else(|| "the term has none, because it depends on others or the fit tells none".to_owned())
}
