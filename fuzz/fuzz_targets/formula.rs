//! No text makes the formula language panic; what it prints reads as the same formula.

#![no_main]

use libfuzzer_sys::fuzz_target;
use streamreg_core::{Expansion, Formula};

/// More of them stand for so many terms that nothing else would be tried for seconds.
const MOST_CROSSINGS: usize = 6;

fuzz_target!(|text: &str| {
    if text.matches(['*', '^']).count() > MOST_CROSSINGS {
        return;
    }
    let formula = match Formula::parse(text) {
        Ok(formula) => formula,
        Err(error) => {
            assert!(error.at() <= text.chars().count());
            assert_eq!(error.to_string().lines().count(), 3);
            return;
        }
    };
    let printed = formula.to_string();
    let again = read(&printed);
    assert_eq!(again, formula);
    assert_eq!(again.to_string(), printed);
    let columns = ["y", "a", "b", "net income"].map(String::from);
    if let Ok(expansion) = formula.expand(&columns) {
        check(&expansion);
    }
});

/// An expansion prints as a formula that expands to it, and has a value in every row.
fn check(expansion: &Expansion) {
    let printed = expansion.to_string();
    if printed.len() <= streamreg_core::MAX_LENGTH {
        assert_eq!(read(&printed).expand(&[]).as_ref(), Ok(expansion));
    }
    let values = [0.0, -1.5, f64::INFINITY];
    for factor in expansion.terms.iter().flat_map(|term| term.factors()) {
        if let streamreg_core::Factor::Expr(expression) = factor {
            assert_eq!(expression.evaluate(3, &|_: &str| values.as_slice()).len(), 3);
        }
    }
}

fn read(printed: &str) -> Formula {
    Formula::parse(printed).unwrap_or_else(|error| panic!("printed, but not read: {error}"))
}
