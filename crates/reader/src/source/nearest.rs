//! Names that are nearly what was written.

use strsim::{damerau_levenshtein, jaro_winkler};

/// Names that a message lists at most.
const MOST: usize = 10;

/// Characters of a name that are looked at and shown; levels may be texts of any length.
const LONGEST: usize = 64;

/// What may have been meant by `name`, which is none of `known`: `did you mean "a" or "b"?`. Where nothing is near,
/// `the WHAT are "a", "b"`, at most ten of them and those first that come closest.
pub fn suggestion<'k>(name: &str, known: impl IntoIterator<Item = &'k str>, what: &str) -> String {
    let wanted = beginning(name).to_lowercase();
    let score = |known: &'k str| (likeness(&wanted, &beginning(known).to_lowercase()), known);
    let mut scored: Vec<(f64, &str)> = known.into_iter().map(score).collect();
    let quoted = |names: &[(f64, &str)], by: &str| {
        let quoted = |name: &str| match beginning(name) {
            short if short.len() < name.len() => format!("{:?}", format!("{short}…")),
            whole => format!("{whole:?}"),
        };
        names.iter().map(|(_, name)| quoted(name)).collect::<Vec<_>>().join(by)
    };
    if scored.is_empty() {
        return format!("there are no {what}");
    }
    if scored.len() <= MOST && !scored.iter().any(|(score, _)| *score >= NEAR) {
        return format!("the {what} are {}", quoted(&scored, ", "));
    }
    // The sort is stable: names of one score stay in their order.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored[0].0;
    match scored.iter().take(3).filter(|(score, _)| *score >= NEAR.max(best - 0.05)).count() {
        0 => format!("of {} {what} the nearest are {}", scored.len(), quoted(&scored[..MOST], ", ")),
        near => format!("did you mean {}?", quoted(&scored[..near], " or ")),
    }
}

/// The first characters of a name.
fn beginning(name: &str) -> &str {
    name.char_indices().nth(LONGEST).map_or(name, |(end, _)| &name[..end])
}

/// A likeness from which on a name may have been meant.
const NEAR: f64 = 0.8;

/// How much two names in lower case are alike, from 0 to 1.
fn likeness(wanted: &str, known: &str) -> f64 {
    let lengths = [wanted, known].map(|name| name.chars().count());
    let [shorter, longer] = [lengths[0].min(lengths[1]), lengths[0].max(lengths[1])];
    // One slip, and another one for every five characters; or a part of the name that says most of it.
    let allowed = 1 + longer / 5;
    let slips = if longer - shorter > allowed { usize::MAX } else { damerau_levenshtein(wanted, known) };
    let slipped = shorter > 1 && longer > 2 && slips <= allowed;
    let slipped = if slipped { 1.0 - 0.02 * slips as f64 } else { 0.0 };
    let part = if shorter >= 4 && (known.contains(wanted) || wanted.contains(known)) { 0.85 } else { 0.0 };
    let alike = jaro_winkler(wanted, known);
    // Long common beginnings alone are no likeness: x1 to x300 are all alike.
    let alike = if shorter > 3 && alike > 0.9 { alike - 0.08 } else { alike.min(0.79) };
    slipped.max(part).max(alike)
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    const FLIGHTS: [&str; 12] = [
        "year",
        "month",
        "day",
        "dep_time",
        "sched_dep_time",
        "dep_delay",
        "arr_time",
        "sched_arr_time",
        "arr_delay",
        "carrier",
        "origin",
        "distance",
    ];

    #[test]
    fn slips_of_the_keyboard_are_understood() {
        let cases = [
            ("dep_dealy", "dep_delay"),
            ("Distance", "distance"),
            ("distnce", "distance"),
            ("carier", "carrier"),
            ("orign", "origin"),
            ("mnoth", "month"),
            ("yaer", "year"),
            ("dpe_delay", "dep_delay"),
        ];
        for (written, meant) in cases {
            let said = suggestion(written, FLIGHTS, "columns");
            assert!(said.starts_with(&format!("did you mean {meant:?}")), "{written}: {said}");
        }
        assert_eq!(suggestion("delay", ["dep_delay", "x"], "columns"), "did you mean \"dep_delay\"?");
    }

    #[test]
    fn where_nothing_is_near_at_most_ten_are_listed() {
        assert_eq!(suggestion("zz", ["a", "b"], "columns"), "the columns are \"a\", \"b\"");
        let many: Vec<String> = (0..300).map(|i| format!("column {i}")).collect();
        let said = suggestion("q", many.iter().map(String::as_str), "columns");
        assert!(said.starts_with("of 300 columns the nearest are "), "{said}");
        assert_eq!(said.matches('"').count(), 20);
        assert_eq!(suggestion("a", [], "columns"), "there are no columns");
    }
}
