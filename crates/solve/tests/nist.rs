//! The NIST StRD sets from exact cross-products: correct digits against the certified values.

use std::path::PathBuf;

use serde_json::Value;
use streamreg_solve::{Fit, SolveInput, SolveOptions, fit};

use crate::rational::Cells;

/// The set, the digits wanted of its coefficients, and those of its standard errors, where these are not 0.
const WANTED: [(&str, f64, f64); 11] = [
    ("Norris", 14.0, 13.0),
    ("Pontius", 13.4, 13.0),
    ("NoInt1", 14.6, 13.0),
    ("NoInt2", 14.9, 13.0),
    ("Filip", 7.5, 8.0),
    ("Longley", 14.6, 13.0),
    ("Wampler1", 14.9, 0.0),
    ("Wampler2", 13.1, 0.0),
    ("Wampler3", 14.9, 13.0),
    ("Wampler4", 14.9, 13.0),
    ("Wampler5", 14.9, 13.0),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/nist")
}

pub(crate) fn sets() -> Vec<(&'static str, Value, Cells)> {
    let text = std::fs::read_to_string(folder().join("certified.json")).unwrap();
    let sets: Value = serde_json::from_str(&text).unwrap();
    WANTED.iter().map(|(name, ..)| (*name, sets[name].clone(), cells(&sets[name]))).collect()
}

fn cells(set: &Value) -> Cells {
    let file = set["powers_csv"].as_str().or(set["csv"].as_str()).unwrap();
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut lines = text.lines();
    let width = lines.next().unwrap().split(',').count();
    let mut columns = vec![Vec::new(); width];
    for line in lines {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.parse::<f64>().unwrap());
        }
    }
    // The response is first in the files.
    columns.rotate_left(1);
    Cells { columns, intercept: set["model"]["intercept"].as_bool().unwrap() }
}

fn certified(set: &Value, kind: &str, term: usize) -> f64 {
    set["certified"][kind][format!("B{term}")].as_str().unwrap().parse().unwrap()
}

fn lre(found: f64, certified: f64) -> f64 {
    let error = if certified == 0.0 { found.abs() } else { ((found - certified) / certified).abs() };
    (-error.log10()).min(15.0)
}

/// The fewest digits of coefficients and standard errors.
fn reached(set: &Value, fit: &Fit, intercept: bool) -> (f64, f64) {
    let first = usize::from(!intercept);
    let (mut of_coefficients, mut of_errors) = (15.0f64, 15.0f64);
    for (index, row) in fit.coefficients.iter().enumerate() {
        let (estimate, error) = (row.estimate.unwrap(), row.std_error.unwrap());
        of_coefficients = of_coefficients.min(lre(estimate, certified(set, "coef", first + index)));
        let wanted = certified(set, "se", first + index);
        if wanted != 0.0 {
            of_errors = of_errors.min(lre(error, wanted));
        }
    }
    (of_coefficients, of_errors)
}

#[test]
#[allow(clippy::print_stdout, reason = "the table, for those who ask with --nocapture")]
fn certified_values() {
    let mut failures = Vec::new();
    println!(
        "{:10} {:>6} {:>6} {:>9} {:>6} {:>6} {:>6}",
        "set", "coef", "SE", "condition", "claim", "input", "RSS"
    );
    for ((name, set, cells), (_, wanted, wanted_errors)) in sets().into_iter().zip(WANTED) {
        let double_double = cells.double_double();
        let attempt =
            fit(SolveInput::Exact(&double_double), &cells.equation(), &SolveOptions::default()).unwrap();
        assert_eq!(attempt.doubt, None, "{name}");
        let fit = attempt.fit;
        assert_eq!(fit.rank, fit.coefficients.len(), "{name}");
        let (coefficients, errors) = reached(&set, &fit, cells.intercept);
        let input = fit.coefficients.iter().map(|c| c.digits_input.unwrap()).fold(15.0, f64::min);
        println!(
            "{name:10} {coefficients:6.2} {errors:6.2} {:9.1e} {:6.2} {input:6.2} {:6.2}  kept {:.1e}",
            fit.condition_number,
            fit.digits,
            fit.residual_digits,
            fit.rank_margin.smallest_kept.unwrap(),
        );
        for warning in &fit.warnings {
            println!("           {}: {}", warning.code, warning.message);
        }
        // NaN must fail, too.
        let enough = coefficients >= wanted && errors >= wanted_errors;
        if !enough {
            failures.push(format!("{name}: {coefficients:.2} {errors:.2}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Sets without residuals have standard errors that are certified as 0: what is left must be next to nothing
/// beside the coefficients, and said to be noise.
#[test]
fn no_residuals_are_called_noise() {
    for (name, _, cells) in sets().into_iter().filter(|(name, ..)| matches!(*name, "Wampler1" | "Wampler2")) {
        let double_double = cells.double_double();
        let fit =
            fit(SolveInput::Exact(&double_double), &cells.equation(), &SolveOptions::default()).unwrap().fit;
        assert!(fit.warnings.iter().any(|w| w.code == "perfect_fit"), "{name}: {:?}", fit.warnings);
        assert!(!fit.warnings.iter().any(|w| w.code == "few_digits"), "{name}: {:?}", fit.warnings);
        let y = cells.columns.last().unwrap();
        let size = y.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(fit.glance.sigma.unwrap() < 1e-13 * size, "{name} {:?}", fit.glance.sigma);
    }
}
