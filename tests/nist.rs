//! The NIST StRD linear regression sets: correct digits against the certified values.

use serde_json::Value;
use streamreg::Regression;

use crate::util::{Dir, Table, batch, column, golden, golden_json};

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

fn digits(set: &Value, name: &str, how: &str) -> Digits {
    let file = set["powers_csv"].as_str().or(set["csv"].as_str()).unwrap();
    digits_of(set, name, &format!("--target y {how}"), file, 1.0)
}

/// Digits reached by a fit of a file. The certified standard errors are multiplied by `of_errors`.
fn digits_of(set: &Value, name: &str, arguments: &str, file: &str, of_errors: f64) -> Digits {
    let intercept = set["model"]["intercept"].as_bool().unwrap();
    let constant = if intercept { "" } else { "--no-intercept" };
    let dir = Dir::new();
    let command = dir.streamreg(&format!("fit {arguments} {constant} --format json"));
    let out = command.arg(golden("nist").join(file)).run();
    Digits { code: out.code, ..compared(set, name, out.json(), of_errors) }
}

/// Digits of a report.
fn compared(set: &Value, name: &str, report: Value, factor: f64) -> Digits {
    let first = usize::from(!set["model"]["intercept"].as_bool().unwrap());
    let (estimates, errors) = (column(&report, "estimate"), column(&report, "std_error"));
    assert_eq!(estimates.len(), set["certified"]["coef"].as_object().unwrap().len(), "{name}");
    let found = |v: Option<f64>| v.unwrap_or(f64::NAN);
    let reached =
        estimates.iter().enumerate().map(|(i, &b)| lre(found(b), certified(set, "coef", first + i)));
    let of_errors = errors.iter().enumerate().map(|(i, &s)| (found(s), certified(set, "se", first + i)));
    let of_errors = of_errors.filter(|(_, c)| *c != 0.0).map(|(s, c)| lre(s, c * factor));
    // `f64::min` would pass over a NaN.
    let least = |a: f64, b: f64| if b.is_nan() || a.is_nan() { f64::NAN } else { a.min(b) };
    Digits {
        coefficients: reached.fold(15.0, least),
        std_errors: of_errors.reduce(least),
        code: Some(0),
        report,
    }
}

/// The ways to fit: by exact sums, as is usual; by sums in float64, with a second pass where they do not do; by the
/// triangular factor of the data.
const WAYS: [(&str, &str); 4] =
    [("exact", ""), ("float", "--precision float"), ("qr", "--solver qr"), ("svd", "--solver svd")];

/// Wanted digits of the coefficients, and of the standard errors.
fn wanted(name: &str, way: &str) -> (f64, f64) {
    let coefficients = match (way, name) {
        ("exact", "Norris") => 14.0,
        ("exact", "Pontius") => 13.4,
        ("exact", "NoInt1" | "Longley") => 14.6,
        ("exact", "Wampler2") => 13.1,
        ("exact", "Filip") => 7.5,
        ("exact", _) => 14.9,
        (_, "Filip") => 7.0,
        ("float", name) if name.starts_with("Wampler") => 5.5,
        ("float", _) => 11.0,
        (_, "Norris" | "Pontius") => 12.0,
        (_, "NoInt1" | "NoInt2") => 14.0,
        (_, "Longley") => 10.5,
        (_, "Wampler5") => 5.5,
        _ => 7.5,
    };
    let errors = match (way, name) {
        ("exact", "Filip") => 8.0,
        ("exact", _) => 13.0,
        (_, "Filip") => 6.0,
        _ => 8.5,
    };
    (coefficients, errors)
}

#[test]
#[allow(clippy::print_stdout, reason = "the table, for those who ask with --nocapture")]
fn certified_values() {
    let sets = golden_json("nist/certified.json");
    let mut failures = Vec::new();
    print!("{:10}", "LRE b / SE");
    WAYS.iter().for_each(|(way, _)| print!("{way:>16}"));
    println!();
    for name in SETS {
        print!("{name:10}");
        for (way, arguments) in WAYS {
            let reached = digits(&sets[name], name, arguments);
            let errors = reached.std_errors.map_or("-".into(), |d| format!("{d:.2}"));
            print!("{:>9.2} /{errors:>5}", reached.coefficients);
            if reached.code != Some(0) {
                failures.push(format!("{name} {way}: exit code {:?}", reached.code));
            }
            failures.extend(too_few(&format!("{name} {way}"), &reached, wanted(name, way)));
        }
        println!();
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

fn too_few(label: &str, reached: &Digits, (coefficients, errors): (f64, f64)) -> Option<String> {
    let few = |digits: f64, goal: f64| digits.is_nan() || digits < goal;
    let wrong = few(reached.coefficients, coefficients)
        || reached.std_errors.is_some_and(|digits| few(digits, errors));
    wrong.then(|| {
        let found = (reached.coefficients, reached.std_errors);
        format!("{label}: {found:.2?} instead of {coefficients}, {errors}")
    })
}

#[test]
fn exact_sums_need_one_pass() {
    let sets = golden_json("nist/certified.json");
    for name in SETS {
        let solver = &digits(&sets[name], name, "").report["solver"];
        assert_eq!((&solver["precision"], &solver["passes"]), (&"exact".into(), &1.into()), "{name}");
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the digits, for those who ask with --nocapture")]
fn filip_from_its_formula_keeps_what_rounding_takes_from_powers() {
    let sets = golden_json("nist/certified.json");
    let set = &sets["Filip"];
    let reached = digits_of(set, "Filip", "--formula y~poly(x,10,raw=TRUE)", "Filip.csv", 1.0);
    println!("{:.2} / {:.2}", reached.coefficients, reached.std_errors.unwrap());
    assert_eq!(too_few("Filip", &reached, (13.4, 13.0)), None);
}

/// Every set, as often as makes a million rows: the coefficients stay, the errors shrink.
#[test]
#[allow(clippy::print_stdout, reason = "the digits, for those who ask with --nocapture")]
fn a_million_rows_of_every_set_have_the_same_digits() {
    let sets = golden_json("nist/certified.json");
    let mut failures = Vec::new();
    for name in SETS {
        let set = &sets[name];
        let columns = nist_columns(set);
        let rows = columns[0].1.len();
        let times = 1_000_000_usize.div_ceil(rows);
        let intercept = set["model"]["intercept"].as_bool().unwrap();
        let (n, p) = (rows as f64, columns.len() as f64 - 1.0 + f64::from(u8::from(intercept)));
        let factor = ((n - p) / (n * times as f64 - p)).sqrt();
        let batch = batch(&columns);
        let batches = std::iter::repeat_n(batch.clone(), times).map(Ok);
        let regression = Regression::new("y").intercept(intercept);
        let report = serde_json::to_value(regression.fit_batches(batch.schema(), batches).unwrap()).unwrap();
        let many = compared(set, name, report, factor);
        let once = digits(set, name, "");
        println!("{name:10} {:.2} {:.2?}", many.coefficients, many.std_errors);
        if (many.coefficients - once.coefficients).abs() > 0.1 {
            failures.push(format!("{name}: {:.2} instead of {:.2}", many.coefficients, once.coefficients));
        }
        failures.extend(too_few(name, &many, (0.0, wanted(name, "exact").1)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A set as columns.
pub(crate) fn nist_columns(set: &Value) -> Table {
    let file = set["powers_csv"].as_str().or(set["csv"].as_str()).unwrap();
    let text = std::fs::read_to_string(golden("nist").join(file)).unwrap();
    let mut lines = text.lines();
    let names = lines.next().unwrap().split(',');
    let mut columns: Table = names.map(|name| (name.to_owned(), Vec::new())).collect();
    for line in lines {
        columns.iter_mut().zip(line.split(',')).for_each(|((_, x), cell)| x.push(cell.parse().unwrap()));
    }
    columns
}

#[test]
fn filip_is_escalated_and_says_so() {
    let sets = golden_json("nist/certified.json");
    let report = digits(&sets["Filip"], "Filip", "--precision float").report;
    let solver = &report["solver"];
    assert_eq!(
        (&solver["requested"], &solver["used"], &solver["passes"]),
        (&"auto".into(), &"qr".into(), &2.into())
    );
    assert!(solver["escalation"].as_str().is_some_and(|s| !s.is_empty()), "{solver:#}");
    assert_eq!(report["rank"], 11);

    let dir = Dir::new();
    let out =
        dir.streamreg("fit --target y --precision float").arg(golden("nist/Filip_powers.csv")).success();
    out.check(out.stdout.contains("Solved by QR on a second pass"), "the table says so too");
}

#[test]
fn filip_without_escalation_is_no_silent_guess() {
    let dir = Dir::new();
    let out = dir
        .streamreg("fit --target y --precision float --no-escalate --format json")
        .arg(golden("nist/Filip_powers.csv"))
        .run();
    let report = out.json();
    let codes: Vec<&str> =
        report["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    out.check(codes.contains(&"undecided") || out.code == Some(4), "a warning, or exit code 4");
    assert_eq!(report["solver"]["passes"], 1);

    let out = dir
        .streamreg("fit --target y --precision float --no-escalate --strict")
        .arg(golden("nist/Filip_powers.csv"))
        .run();
    out.check(out.code == Some(4), "exit code 4 under --strict");
}

#[test]
fn easy_sets_are_read_once() {
    for file in ["Norris.csv", "Longley.csv"] {
        let dir = Dir::new();
        let report = dir
            .streamreg("fit --target y --precision float --format json")
            .arg(golden("nist").join(file))
            .success()
            .json();
        let solver = &report["solver"];
        assert_eq!(
            (&solver["used"], &solver["passes"]),
            (&"cholesky".into(), &1.into()),
            "{file}: {solver:#}"
        );
    }
}
