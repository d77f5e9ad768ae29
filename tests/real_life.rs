//! Real-life inputs are read as their owner means them, or refused with the place and a way out that works.
//!
//! The cases are in `golden/real_life/cases.json`. One that is expected to fail must fail: when it passes, its mark goes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::util::{Dir, golden_json};

/// Largest relative error of an estimate, which is compared with exact rationals.
const TOLERANCE: f64 = 1e-9;

/// Largest relative error of a standard error, which is compared with float64.
const SE_TOLERANCE: f64 = 1e-8;

/// Below this a number is a zero with rounding.
const ZERO: f64 = 1e-11;

/// The bytes of a text in base64.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|&b| b != b'=') {
        bits = bits << 6 | DIGITS.iter().position(|&d| d == digit).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

/// The texts of a list; none where there is no list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap())
}

/// The folder of a case with its files.
fn folder(case: &Value) -> Dir {
    let dir = Dir::new();
    for (name, content) in case["files"].as_object().unwrap() {
        match content.as_str() {
            Some(text) => dir.write(name, text),
            None => dir.write(name, base64(content["base64"].as_str().unwrap())),
        };
    }
    dir
}

/// The numbers of a report by term.
fn by_term<'r>(report: &'r Value, field: &str) -> BTreeMap<&'r str, Option<f64>> {
    let coefficients = report["coefficients"].as_array().into_iter().flatten();
    coefficients.map(|c| (c["term"].as_str().unwrap(), c[field].as_f64())).collect()
}

/// What differs between wanted numbers and those of a report.
fn differences(report: &Value, field: &str, wanted: &Value, tolerance: f64) -> Vec<String> {
    let found = by_term(report, field);
    let wanted = wanted.as_object().unwrap();
    let differs = |(term, value): (&String, &Value)| {
        let value = value.as_f64().unwrap();
        let Some(found) = found.get(term.as_str()) else {
            return Some(format!("no term {term:?} among {:?}", found.keys().take(8).collect::<Vec<_>>()));
        };
        let close = |found: f64| (found - value).abs() <= (tolerance * value.abs()).max(ZERO);
        (!found.is_some_and(close)).then(|| format!("{field} of {term:?}: {found:?} instead of {value:?}"))
    };
    let more = found.keys().filter(|term| !wanted.contains_key(**term));
    let more = more.map(|term| format!("a term {term:?} that is not wanted"));
    wanted.iter().filter_map(differs).chain(more).collect()
}

/// What is wrong with a step of a case, and the command.
fn faults(dir: &Dir, step: &Value) -> Vec<String> {
    let arguments: Vec<&str> = texts(&step["args"]).collect();
    let outcome = dir.streamreg("").args(arguments.iter().copied()).run();
    let mut faults = Vec::new();
    let code = outcome.code.unwrap_or(-1);
    let right = |wanted: &Value| wanted.as_i64() == Some(i64::from(code));
    let codes = &step["code"];
    if !codes.as_array().map_or_else(|| right(codes), |codes| codes.iter().any(right)) {
        faults.push(format!("exit code {code} instead of {codes}"));
    }
    if code != 0 && !outcome.stdout.is_empty() {
        faults.push("something on stdout".into());
    }
    if step["stdout"].as_str().is_some_and(|wanted| wanted != outcome.stdout) {
        faults.push(format!("{:?} on stdout instead of {}", outcome.stdout, step["stdout"]));
    }
    let mut report = Value::Null;
    if code == 0 && arguments.contains(&"json") {
        match serde_json::from_str(&outcome.stdout) {
            Ok(value) => report = value,
            Err(error) => faults.push(format!("the result is no JSON: {error}")),
        }
    }
    let warnings = report["warnings"].as_array().into_iter().flatten();
    let warnings = warnings.map(|warning| warning["message"].as_str().unwrap());
    let left_out = report["left_out"].as_array().into_iter().flatten();
    let left_out = left_out.flat_map(|l| ["column", "reason"].map(|key| l[key].as_str().unwrap()));
    let said: Vec<&str> = std::iter::once(outcome.stderr.as_str()).chain(warnings).chain(left_out).collect();
    let is_said = |word: &str| said.iter().any(|text| text.contains(word));
    // `either` are the estimates where there is a result; without one stderr has the words.
    let words = texts(&step["stderr"]).filter(|_| code != 0 || step["either"].is_null());
    faults.extend(words.filter(|w| !outcome.stderr.contains(w)).map(|w| format!("stderr lacks {w:?}")));
    faults.extend(texts(&step["said"]).filter(|w| !is_said(w)).map(|w| format!("nobody says {w:?}")));
    faults.extend(texts(&step["unsaid"]).filter(|w| is_said(w)).map(|w| format!("says {w:?}")));
    if code == 0 {
        for wanted in [&step["coef"], &step["either"]].into_iter().filter(|wanted| !wanted.is_null()) {
            faults.extend(differences(&report, "estimate", wanted, TOLERANCE));
        }
        if !step["se"].is_null() {
            faults.extend(differences(&report, "std_error", &step["se"], SE_TOLERANCE));
        }
    }
    let command = format!("streamreg {}", arguments.join(" "));
    faults
        .iter()
        .map(|fault| format!("    {command}\n      {fault}\n      {}", outcome.stderr.trim()))
        .collect()
}

/// Runs the cases of a part; all that is wrong with them in one message.
#[track_caller]
fn run(part: &str) {
    let file = golden_json("real_life/cases.json");
    let cases = file["cases"].as_array().unwrap().iter().filter(|case| case["part"] == part);
    let (mut failures, mut count) = (Vec::new(), 0);
    for case in cases {
        count += 1;
        let dir = folder(case);
        let steps = case["steps"].as_array().unwrap().iter();
        let faults: Vec<String> = steps.flat_map(|step| faults(&dir, step)).collect();
        let title = format!("{}: {}", case["id"].as_str().unwrap(), case["theme"].as_str().unwrap());
        match (case["expected_to_fail"] == true, faults.is_empty()) {
            (true, true) => {
                failures.push(format!("{title}\n    passes: take its mark `expected_to_fail` away"))
            }
            (false, false) => failures.push(format!("{title}\n{}", faults.join("\n"))),
            _ => {}
        }
    }
    assert!(count > 20, "{count} cases of part {part}");
    assert!(
        failures.is_empty(),
        "{} of {count} cases of part {part}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn part_a_numbers_dates_and_missing_values_as_exporters_write_them() {
    run("A");
}

#[test]
fn part_b_types_at_their_edges() {
    run("B");
}

#[test]
fn part_c_files_are_read_or_named() {
    run("C");
}
