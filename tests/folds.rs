//! States with the sums of folds: cross-validation without reading data is that of the rows, to the bit.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use serde_json::Value;
use streamreg::{CrossValidation, Penalization, Penalty, Regression, State};

use crate::states::{PARTS, bytes, done, flights};
use crate::util::{Dir, Random, batch, csv, table};

/// Models of the flights, and the folds that their states keep.
const MODELS: [&str; 3] = [
    "'arr_delay ~ dep_delay*origin + distance + carrier' --cv 5 --cv-group tailnum",
    "'arr_delay ~ dep_delay + poly(distance, 3) + carrier:origin' --weights air_time --weight-type analytic --cv 4 --cv-group day --seed 7",
    "'arr_delay ~ dep_delay + air_time + C(hour)' --missing indicator --with 'week = floor(day / 7)' --where 'day < 29' --cv 3 \
     --cv-group week --seed 1",
];

/// The rest of a command, without the key and the seed of its folds.
fn without_rule(options: &str) -> String {
    let words: Vec<&str> = options.split_whitespace().collect();
    let at = |flag: &str| words.iter().position(|word| *word == flag);
    format!("--cv {}", words[at("--cv").unwrap() + 1])
}

#[test]
fn folds_of_parts_in_any_order_are_those_of_the_whole() {
    let dir = flights();
    for model in MODELS {
        done(&dir, &format!("fit {} {model} -q -o 0.txt --save-state 0.sreg", PARTS[0]));
        for k in 1..4 {
            done(&dir, &format!("fit {} {model} -q -o p.txt --save-state {k}.sreg --like 0.sreg", PARTS[k]));
        }
        let all = PARTS.join(" ");
        let whole = done(&dir, &format!("fit {all} {model} --save-state all.sreg"));
        assert!(whole.contains("Held out by"), "{model}: {whole}");
        assert_eq!(whole, done(&dir, &format!("fit {all} {model} --precision exact")), "{model}");
        let cv = without_rule(model);
        assert_eq!(whole, done(&dir, &format!("solve all.sreg {cv}")), "{model}");
        // Sums of folds are those of all rows, too.
        let plain = done(&dir, "solve all.sreg");
        assert!(!plain.contains("Held out") && whole.starts_with(plain.lines().next().unwrap()), "{plain}");
        for penalty in ["--lasso auto", "--ridge auto --cv-rule 1se", "--elastic-net auto --l1-ratio 0.5"] {
            let fitted = done(&dir, &format!("fit {all} {model} {penalty} --precision exact"));
            assert!(fitted.contains("Errors of rows that were held out"), "{fitted}");
            assert_eq!(fitted, done(&dir, &format!("solve all.sreg {cv} {penalty}")), "{model} {penalty}");
        }
        for order in ["0.sreg 1.sreg 2.sreg 3.sreg", "3.sreg 1.sreg 0.sreg 2.sreg"] {
            done(&dir, &format!("merge {order} -o merged.sreg"));
            assert_eq!(bytes(&dir, "merged.sreg"), bytes(&dir, "all.sreg"), "{model}: {order}");
        }
        let [a, b, c, _] = PARTS;
        done(&dir, &format!("fit {a} {b} {c} {model} -q -o p.txt --save-state three.sreg"));
        done(&dir, "subtract all.sreg 3.sreg -o rest.sreg");
        assert_eq!(bytes(&dir, "rest.sreg"), bytes(&dir, "three.sreg"), "{model}");
        done(&dir, &format!("update three.sreg {all}"));
        assert_eq!(bytes(&dir, "three.sreg"), bytes(&dir, "all.sreg"), "{model}");
    }
}

/// A part with a key of every kind: numbers, text, and no value at all.
fn keyed(rows: usize, seed: u64, key: &dyn Fn(usize) -> String) -> String {
    let columns = table(rows, 2, seed);
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let line = |row: usize| {
        let cells: Vec<String> = columns.iter().map(|(_, cells)| cells[row].to_string()).collect();
        format!("{},{}\n", key(row), cells.join(","))
    };
    format!("key,{}\n{}", names.join(","), (0..rows).map(line).collect::<String>())
}

#[test]
fn a_value_has_its_fold_in_every_file() {
    let dir = Dir::new();
    let mut random = Random::new(5);
    let keys: [&dyn Fn(usize) -> String; 3] = [
        &|row| format!("k{}", row * row % 91),
        &|row| (row % 40).to_string(),
        // Many have none.
        &|row| if row % 3 > 0 { String::new() } else { (row % 11).to_string() },
    ];
    for (round, key) in keys.into_iter().enumerate() {
        let rows = 300 + random.below(500);
        let text = keyed(rows, round as u64, key);
        let lines: Vec<&str> = text.lines().collect();
        let cut = 50 + random.below(rows - 100);
        let part = |rows: &[&str]| format!("{}\n{}\n", lines[0], rows.join("\n"));
        dir.write("a.csv", part(&lines[1..cut]));
        dir.write("b.csv", part(&lines[cut..]));
        let fit = "'y ~ x1 + x2' --cv 6 --cv-group key --seed 3";
        let table = done(&dir, &format!("fit a.csv b.csv {fit} --folds-out folds.csv --save-state all.sreg"));
        assert_eq!(done(&dir, "solve all.sreg --cv 6"), table);
        for name in ["a", "b"] {
            done(&dir, &format!("fit {name}.csv {fit} -q -o r.txt --save-state {name}.sreg"));
        }
        done(&dir, "merge b.sreg a.sreg -o merged.sreg");
        assert_eq!(bytes(&dir, "merged.sreg"), bytes(&dir, "all.sreg"), "round {round}, cut at {cut}");
        // A file without a key is one of nulls, and nulls are in one fold.
        dir.write("c.csv", keyed(20, 9, &|_| String::new()));
        done(&dir, "update merged.sreg c.csv");
        done(&dir, &format!("fit a.csv b.csv c.csv {fit} -q -o r.txt --save-state three.sreg"));
        assert_eq!(bytes(&dir, "merged.sreg"), bytes(&dir, "three.sreg"), "round {round}");
        counts_are_those_of_the_rows(&dir);
    }
}

/// The state file has, fold by fold, the rows that `--folds-out` tells of, and their sums add up to those of all rows.
fn counts_are_those_of_the_rows(dir: &Dir) {
    let mut expected = BTreeMap::new();
    for record in &csv(&dir.read("folds.csv"))[1..] {
        *expected.entry(record[1].parse::<i32>().unwrap()).or_insert(0_i64) += 1;
    }
    let file = std::fs::File::open(dir.path("all.sreg")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let (mut rows, mut sum) = (BTreeMap::new(), 0.0);
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let [fold, count] = ["fold", "rows"].map(|name| batch.column_by_name(name).unwrap());
        let (fold, count) = (fold.as_primitive::<Int32Type>(), count.as_primitive::<Int64Type>());
        let [what, a] = ["sum", "a"].map(|name| batch.column_by_name(name).unwrap().as_string::<i32>());
        let value = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            rows.insert(fold.value(row), count.value(row));
            if (what.value(row), a.value(row)) == ("sum", "x1") {
                sum += value.value(row);
            }
        }
    }
    rows.retain(|_, rows| *rows > 0);
    assert_eq!(rows, expected);
    let cells = ["a.csv", "b.csv"].map(|name| csv(&dir.read(name)));
    let column = cells[0][0].iter().position(|name| name == "x1").unwrap();
    let all: f64 =
        cells.iter().flat_map(|rows| &rows[1..]).map(|row| row[column].parse::<f64>().unwrap()).sum();
    assert!((sum - all).abs() <= 1e-12 * rows.values().sum::<i64>() as f64, "{sum} and {all}");
}

#[test]
fn other_models_are_cross_validated_as_fits_of_their_own() {
    let dir = flights();
    let files = PARTS.join(" ");
    // The rows that a fit uses are those without a missing value in its columns; here that is the same for all.
    let rows = "--where 'arr_delay is not null and air_time is not null'";
    let rule = "--cv-group tailnum --seed 2 --precision exact";
    done(
        &dir,
        &format!(
            "fit {files} 'arr_delay ~ dep_delay*origin + distance + air_time + carrier' {rows} --cv 5 --cv-group tailnum --seed 2 -q \
             -o r.txt --save-state s.sreg"
        ),
    );
    for model in [
        "'arr_delay ~ dep_delay + distance' --cv 5",
        "'arr_delay ~ dep_delay + distance + carrier' --lasso auto --cv 5",
        "'arr_delay ~ dep_delay:origin' --lasso auto --cv 5 --lambdas 12",
        "'air_time ~ distance + origin' --ridge auto --cv 5 --cv-rule 1se",
        "-t distance -f dep_delay,air_time --elastic-net auto --l1-ratio 0.3 --cv 5",
        "'arr_delay ~ dep_delay + distance - 1' --cv 5",
    ] {
        let solved = done(&dir, &format!("solve s.sreg {model}"));
        let fitted = done(&dir, &format!("fit {files} {model} {rows} {rule}"));
        assert_eq!(solved, fitted, "{model}");
        let whole = |line: &str| {
            let report: Value = serde_json::from_str(&done(&dir, &format!("{line} --format json"))).unwrap();
            [&report["coefficients"], &report["cross_validation"], &report["penalized"]].map(Value::clone)
        };
        let (solved, fitted) =
            (whole(&format!("solve s.sreg {model}")), whole(&format!("fit {files} {model} {rows} {rule}")));
        assert_eq!(solved, fitted, "{model}");
        assert!(!(solved[1].is_null() && solved[2].is_null()), "{model}");
    }
    // The library's way, and two targets at once.
    let state = State::load(dir.path("s.sreg")).unwrap();
    let asked = Penalization::chosen(Penalty::LASSO, CrossValidation::new(5));
    let report = Regression::of_state(state).penalized(asked).fit_state().unwrap();
    let chosen = report.penalized().unwrap().cross_validation.as_ref().unwrap();
    assert_eq!((chosen.seed, chosen.group.as_deref()), (2, Some("tailnum")));
    let line = "-t arr_delay,air_time -f dep_delay,distance --lasso auto --cv 5 --format glance";
    let fitted = done(&dir, &format!("fit {files} {line} {rows} {rule}"));
    assert_eq!(done(&dir, &format!("solve s.sreg {line}")), fitted);
}

#[test]
fn folds_in_float64_come_back_to_the_bit() {
    let dir = flights();
    // Of 40 folds by ten carriers most have no row.
    for cv in ["--cv 5 --cv-group tailnum", "--cv 40 --cv-group carrier"] {
        let model = format!("'arr_delay ~ dep_delay*origin + distance' {cv} --precision float --no-escalate");
        let fitted = done(&dir, &format!("fit {} {} {model}", PARTS[0], PARTS[2]));
        let saved = done(&dir, &format!("fit {} {} {model} --save-state s.sreg", PARTS[0], PARTS[2]));
        assert_eq!(saved, fitted, "{cv}");
        assert_eq!(done(&dir, &format!("solve s.sreg {}", without_rule(cv))), fitted, "{cv}");
        State::load(dir.path("s.sreg")).unwrap().save(dir.path("again.sreg")).unwrap();
        assert_eq!(bytes(&dir, "again.sreg"), bytes(&dir, "s.sreg"), "{cv}");
    }
}

#[test]
fn parts_are_replaced_and_forgotten_fold_by_fold() {
    let dir = Dir::new();
    for day in 1..=6 {
        dir.write(&format!("day={day}/d.csv"), keyed(40, day, &|row| format!("k{}", row % 13)));
    }
    let fit = "'y ~ x1 + x2' --cv 4 --cv-group key";
    done(&dir, &format!("fit day=1 {fit} -q -o r.txt --save-state one.sreg"));
    // A state without the file, of which it keeps the model and the folds: from here on all parts are kept.
    done(&dir, "subtract one.sreg one.sreg -o s.sreg");
    done(&dir, "update s.sreg day=1 day=2 day=3 --keep-parts --window 3");
    done(&dir, "update s.sreg day=3 day=4 day=5 --keep-parts --window 3");
    dir.write("day=5/d.csv", keyed(45, 77, &|row| format!("k{}", row % 17)));
    done(&dir, "update s.sreg day=4 day=5 day=6 --keep-parts --window 3 --replace");
    done(&dir, &format!("fit day=4 day=5 day=6 {fit} -q -o r.txt --save-state whole.sreg"));
    assert_eq!(bytes(&dir, "s.sreg"), bytes(&dir, "whole.sreg"));
    assert_eq!(done(&dir, "solve s.sreg --cv 4"), done(&dir, &format!("fit day=4 day=5 day=6 {fit}")));
}

#[test]
fn other_folds_are_refused_by_name() {
    let dir = Dir::new();
    dir.write("a.csv", keyed(60, 1, &|row| format!("k{}", row % 13)));
    dir.write("b.csv", keyed(50, 2, &|row| format!("k{}", row % 13)));
    dir.write("n.csv", keyed(50, 3, &|row| (row % 13).to_string()));
    let save = |file: &str, folds: &str, state: &str| {
        done(&dir, &format!("fit {file} 'y ~ x1 + x2' {folds} -q -o r.txt --save-state {state}"));
    };
    save("a.csv", "--cv 4 --cv-group key", "a.sreg");
    save("a.csv", "", "plain.sreg");
    for (folds, words) in [
        ("", "the folds differ: 4 and none"),
        ("--cv 3 --cv-group key", "the folds differ: 4 and 3"),
        ("--cv 4 --cv-group x1", "the keys of the folds differ: key and x1"),
        ("--cv 4 --cv-group key --seed 5", "the seeds of the folds differ: 0 and 5"),
    ] {
        save("b.csv", folds, "b.sreg");
        dir.streamreg("merge a.sreg b.sreg -o m.sreg").fails(3, &["b.sreg", words]);
        dir.streamreg("subtract a.sreg b.sreg -o m.sreg").fails(3, &["b.sreg", words]);
        dir.streamreg(&format!("fit b.csv 'y ~ x1 + x2' {folds} --save-state m.sreg --like a.sreg"))
            .fails(3, &[words]);
    }
    save("n.csv", "--cv 4 --cv-group key", "n.sreg");
    let kinds = ["\"key\", the key of the folds, is a text column in one and a number column in the other"];
    dir.streamreg("merge a.sreg n.sreg -o m.sreg").fails(3, &kinds);
    dir.streamreg("update a.sreg n.csv").fails(3, &["n.csv", "key", "text column"]);
    dir.write("short.csv", "x1,x2,y\n1,2,3\n");
    dir.streamreg("update a.sreg short.csv").fails(3, &["short.csv", "key"]);
    let solve = |line: &str, words: &[&str]| {
        dir.streamreg(&format!("solve {line}")).fails(2, words);
    };
    solve("a.sreg --cv 5", &["4 folds, not of 5", "--cv 4"]);
    solve("a.sreg --lasso auto --cv 4 --cv-group x1", &["by the key \"key\", not by \"x1\""]);
    solve("a.sreg --cv 4 --seed 9", &["of the seed 0, not of 9"]);
    solve("a.sreg --cv 4 --folds-out f.csv", &["--folds-out", "no rows"]);
    solve("a.sreg --cv 4 --format tidy", &["cv", "no effect"]);
    solve("plain.sreg --lasso auto --cv 4", &["needs the sums of folds", "--save-state --cv 10 --cv-group"]);
    solve("plain.sreg --cv 4", &["needs the sums of folds"]);
    // To say the same again is no other request.
    let table = done(&dir, "solve a.sreg --cv 4");
    assert_eq!(done(&dir, "solve a.sreg --cv 4 --cv-group key --seed 0"), table);
    for flag in ["--save-state n.sreg", "--checkpoint ck"] {
        dir.streamreg(&format!("fit a.csv 'y ~ x1' --cv 4 {flag}")).fails(2, &["in any order", "--cv-group"]);
        dir.streamreg(&format!("fit a.csv 'y ~ x1' --by key --cv 4 --cv-group x2 {flag}"))
            .fails(2, &["not cross-validated"]);
    }
    dir.streamreg("fit a.csv 'y ~ x1' --cv 4 --cv-group nobody --save-state n.sreg").fails(3, &["nobody"]);
    assert!(!dir.files().iter().any(|name| name == "m.sreg" || name == "ck"), "{:?}", dir.files());
    // Of other folds, or none, the model is the same: a test of both needs no folds.
    save("b.csv", "--cv 3 --cv-group key", "b.sreg");
    save("b.csv", "", "d.sreg");
    let chow = |old: &str, new: &str| {
        let table = done(&dir, &format!("compare {old} {new}"));
        table
            .lines()
            .find(|line| line.starts_with("Chow test: F"))
            .unwrap_or_else(|| panic!("{table}"))
            .to_owned()
    };
    assert_eq!(chow("a.sreg", "b.sreg"), chow("plain.sreg", "d.sreg"));
}

#[test]
fn memory_is_predicted_for_every_fold() {
    let dir = Dir::new();
    let mut columns = table(400, 60, 4);
    columns.push(("key".to_owned(), (0..400).map(f64::from).collect()));
    streamreg::save_rows(&batch(&columns), &dir.path("a.parquet")).unwrap();
    streamreg::save_rows(&batch(&table(300, 60, 5)), &dir.path("b.parquet")).unwrap();
    columns.truncate(61);
    columns.push(("key".to_owned(), (400..800).map(f64::from).collect()));
    streamreg::save_rows(&batch(&columns).slice(0, 350), &dir.path("c.parquet")).unwrap();
    done(&dir, "fit a.parquet 'y ~ . - key' --ridge 1 -q -o r.txt --save-state plain.sreg");
    done(
        &dir,
        "fit a.parquet 'y ~ . - key' --ridge auto --cv 100 --cv-group key -q -o r.txt --save-state s.sreg",
    );
    let few = "--threads 1 --memory-limit 60MB";
    done(&dir, &format!("update plain.sreg b.parquet {few}"));
    let before = bytes(&dir, "s.sreg");
    dir.streamreg(&format!("update s.sreg c.parquet {few}")).fails(6, &["memory limit of 60.0 MB"]);
    assert_eq!(bytes(&dir, "s.sreg"), before);
    done(&dir, "update s.sreg c.parquet --threads 1");
    let fit = "fit a.parquet 'y ~ . - key' --ridge auto --cv 100 --cv-group key --save-state n.sreg";
    dir.streamreg(&format!("{fit} {few}")).fails(6, &["memory limit of 60.0 MB"]);
    assert!(!dir.path("n.sreg").exists());
}
