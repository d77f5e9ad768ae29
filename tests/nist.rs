//! The NIST StRD linear regression sets: correct digits against the certified values.

use serde_json::Value;

use crate::util::{Dir, column, golden, golden_json};

const SETS: [&str; 11] = [
    "Norris", "Pontius", "NoInt1", "NoInt2", "Filip", "Longley", "Wampler1", "Wampler2", "Wampler3",
    "Wampler4", "Wampler5",
];

/// Correct digits: the log relative error, at most 15.
fn lre(got: f64, certified: f64) -> f64 {
    let error = if certified == 0.0 { got.abs() } else { ((got - certified) / certified).abs() };
    (-error.log10()).min(15.0)
}

/// A certified value of coefficient `B<index>`.
fn certified(set: &Value, kind: &str, index: usize) -> f64 {
    set["certified"][kind][format!("B{index}")].as_str().unwrap().parse().unwrap()
}

/// Digits reached on one set.
struct Digits {
    coefficients: f64,
    /// `None` where all certified standard errors are 0.
    std_errors: Option<f64>,
    code: Option<i32>,
    report: Value,
}

fn digits(set: &Value, name: &str, solver: &str) -> Digits {
    let file = set["powers_csv"].as_str().or(set["csv"].as_str()).unwrap();
    let intercept = set["model"]["intercept"].as_bool().unwrap();
    let constant = if intercept { "" } else { "--no-intercept" };
    let dir = Dir::new();
    let command = dir.streamreg(&format!("fit --target y {constant} --solver {solver} --format json"));
    let out = command.arg(golden("nist").join(file)).run();
    let report = out.json();
    let first = usize::from(!intercept);
    let (estimates, errors) = (column(&report, "estimate"), column(&report, "std_error"));
    assert_eq!(estimates.len(), set["certified"]["coef"].as_object().unwrap().len(), "{name}");
    let found = |v: Option<f64>| v.unwrap_or(f64::NAN);
    let reached =
        estimates.iter().enumerate().map(|(i, &b)| lre(found(b), certified(set, "coef", first + i)));
    let of_errors = errors.iter().enumerate().map(|(i, &s)| (found(s), certified(set, "se", first + i)));
    let of_errors = of_errors.filter(|(_, c)| *c != 0.0).map(|(s, c)| lre(s, c));
    // `f64::min` would pass over a NaN.
    let least = |a: f64, b: f64| if b.is_nan() || a.is_nan() { f64::NAN } else { a.min(b) };
    Digits {
        coefficients: reached.fold(15.0, least),
        std_errors: of_errors.reduce(least),
        code: out.code,
        report,
    }
}

/// Wanted digits of the coefficients.
fn wanted(name: &str, solver: &str) -> f64 {
    match (solver, name) {
        (_, "Filip") => 7.0,
        ("auto", name) if name.starts_with("Wampler") => 5.5,
        ("auto", _) => 11.0,
        (_, "Norris" | "Pontius") => 12.0,
        (_, "NoInt1" | "NoInt2") => 14.0,
        (_, "Longley") => 10.5,
        (_, "Wampler5") => 5.5,
        _ => 7.5,
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the table, for those who ask with --nocapture")]
fn certified_values() {
    let sets = golden_json("nist/certified.json");
    let mut failures = Vec::new();
    println!("{:10}{:>18}{:>18}{:>18}", "LRE coef / SE", "auto", "qr", "svd");
    for name in SETS {
        let mut line = format!("{name:13}");
        for solver in ["auto", "qr", "svd"] {
            let reached = digits(&sets[name], name, solver);
            let errors = reached.std_errors.map_or("-".into(), |d| format!("{d:.2}"));
            line += &format!("{:>12.2} / {errors:>5}", reached.coefficients);
            if reached.code != Some(0) {
                failures.push(format!("{name} {solver}: exit code {:?}", reached.code));
            }
            let goal = wanted(name, solver);
            let too_few = |digits: f64, goal: f64| digits.is_nan() || digits < goal;
            if too_few(reached.coefficients, goal) {
                failures.push(format!("{name} {solver}: coefficients {:.2} < {goal}", reached.coefficients));
            }
            let goal = if name == "Filip" { 6.0 } else { 8.5 };
            if reached.std_errors.is_some_and(|d| too_few(d, goal)) {
                failures.push(format!("{name} {solver}: standard errors {errors} < {goal}"));
            }
        }
        println!("{line}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn filip_is_escalated_and_says_so() {
    let sets = golden_json("nist/certified.json");
    let report = digits(&sets["Filip"], "Filip", "auto").report;
    let solver = &report["solver"];
    assert_eq!(
        (&solver["requested"], &solver["used"], &solver["passes"]),
        (&"auto".into(), &"qr".into(), &2.into())
    );
    assert!(solver["escalation"].as_str().is_some_and(|s| !s.is_empty()), "{solver:#}");
    assert_eq!(report["rank"], 11);

    let dir = Dir::new();
    let out = dir.streamreg("fit --target y").arg(golden("nist/Filip_powers.csv")).success();
    out.check(out.stdout.contains("Solved by QR on a second pass"), "the table says so too");
}

#[test]
fn filip_without_escalation_is_no_silent_guess() {
    let dir = Dir::new();
    let out = dir
        .streamreg("fit --target y --no-escalate --format json")
        .arg(golden("nist/Filip_powers.csv"))
        .run();
    let report = out.json();
    let codes: Vec<&str> =
        report["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    out.check(codes.contains(&"undecided") || out.code == Some(4), "a warning, or exit code 4");
    assert_eq!(report["solver"]["passes"], 1);

    let out =
        dir.streamreg("fit --target y --no-escalate --strict").arg(golden("nist/Filip_powers.csv")).run();
    out.check(out.code == Some(4), "exit code 4 under --strict");
}

#[test]
fn easy_sets_are_read_once() {
    for file in ["Norris.csv", "Longley.csv"] {
        let dir = Dir::new();
        let report =
            dir.streamreg("fit --target y --format json").arg(golden("nist").join(file)).success().json();
        let solver = &report["solver"];
        assert_eq!(
            (&solver["used"], &solver["passes"]),
            (&"cholesky".into(), &1.into()),
            "{file}: {solver:#}"
        );
    }
}
