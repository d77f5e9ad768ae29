//! States: sums that are saved, put together in any order, taken apart, brought up to date and solved.

use std::process::Stdio;
use std::time::Duration;

use streamreg::State;

use crate::util::{Dir, Random, batch, golden, table};

/// Models of the flights, with what else they are asked with.
const MODELS: [&str; 6] = [
    "'arr_delay ~ dep_delay*origin + distance + carrier'",
    "'arr_delay ~ dep_delay + poly(distance, 3) + carrier:origin + dest' --weights air_time --weight-type analytic",
    "'arr_delay ~ dep_delay + distance + C(day)' --by month --missing indicator",
    "'arr_delay ~ dep_delay + air_time + poly(distance, 2)' --missing indicator",
    "'log(distance) ~ dep_delay + bs(air_time, knots=c(100,200), Boundary.knots=c(0,800)) + C(month)' --where 'day < 20'",
    "'arr_delay ~ twice + C(hour)' --with 'twice = 2 * dep_delay' --missing indicator",
];

/// The flights in four parts, of which two are CSV; the levels of some categories are in one part only.
pub(crate) const PARTS: [&str; 4] = ["0.parquet", "1.csv", "2.parquet", "3.csv"];

pub(crate) fn flights() -> Dir {
    let dir = Dir::new();
    let file = std::fs::File::open(golden("flights.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let all = reader.with_batch_size(1 << 20).build().unwrap().next().unwrap().unwrap();
    assert_eq!(all.num_rows(), 336_776);
    // Files of both kinds do not agree about the zone of a time.
    let keep: Vec<usize> =
        (0..all.num_columns()).filter(|&c| all.schema().field(c).name() != "time_hour").collect();
    let all = all.project(&keep).unwrap();
    let rows = 40_000;
    for (k, name) in PARTS.into_iter().enumerate() {
        let from = k * all.num_rows() / PARTS.len();
        streamreg::save_rows(&all.slice(from, rows / PARTS.len()), &dir.path(name)).unwrap();
    }
    dir
}

pub(crate) fn bytes(dir: &Dir, name: &str) -> Vec<u8> {
    std::fs::read(dir.path(name)).unwrap()
}

/// Runs, whatever it says on stderr.
pub(crate) fn done(dir: &Dir, line: &str) -> String {
    dir.streamreg(line).run().code(0).stdout
}

#[test]
fn parts_in_any_order_are_the_whole_to_the_bit() {
    let dir = flights();
    for model in MODELS {
        done(&dir, &format!("fit {} {model} -q -o 0.txt --save-state 0.sreg", PARTS[0]));
        for k in 1..4 {
            done(&dir, &format!("fit {} {model} -q -o p.txt --save-state {k}.sreg --like 0.sreg", PARTS[k]));
        }
        let all = PARTS.join(" ");
        let whole = done(&dir, &format!("fit {all} {model} --save-state all.sreg"));
        assert_eq!(whole, done(&dir, &format!("fit {all} {model} --precision exact")), "{model}");
        assert_eq!(whole, done(&dir, "solve all.sreg"), "{model}");
        for order in ["0.sreg 1.sreg 2.sreg 3.sreg", "3.sreg 1.sreg 0.sreg 2.sreg"] {
            done(&dir, &format!("merge {order} -o merged.sreg"));
            assert_eq!(bytes(&dir, "merged.sreg"), bytes(&dir, "all.sreg"), "{model}: {order}");
        }
        let [a, b, c, _] = PARTS;
        done(&dir, &format!("fit {a} {b} {c} {model} -q -o p.txt --save-state three.sreg"));
        done(&dir, "subtract all.sreg 3.sreg -o rest.sreg");
        assert_eq!(bytes(&dir, "rest.sreg"), bytes(&dir, "three.sreg"), "{model}");
        std::fs::copy(dir.path("0.sreg"), dir.path("grown.sreg")).unwrap();
        done(&dir, &format!("update grown.sreg {b}"));
        done(&dir, &format!("update grown.sreg {all}"));
        assert_eq!(bytes(&dir, "grown.sreg"), bytes(&dir, "all.sreg"), "{model}");
        let again = done(&dir, &format!("update grown.sreg {all}"));
        assert!(again.contains("4 files known already, 0 bytes read"), "{again}");
        assert_eq!(bytes(&dir, "grown.sreg"), bytes(&dir, "all.sreg"), "{model}");
    }
}

#[test]
fn random_cuts_come_to_the_same_state() {
    let mut random = Random::new(7);
    for round in 0..8 {
        let (dir, rows) = (Dir::new(), 500 + random.below(3_000));
        let all = batch(&table(rows, 4, round));
        let cut = 1 + random.below(rows - 1);
        streamreg::save_rows(&all.slice(0, cut), &dir.path("a.csv")).unwrap();
        streamreg::save_rows(&all.slice(cut, rows - cut), &dir.path("b.parquet")).unwrap();
        done(&dir, "fit a.csv b.parquet -t y -q -o r.txt --save-state all.sreg");
        let mut parts = ["a.csv", "b.parquet"].map(|part| {
            let name = format!("{}.sreg", &part[..1]);
            // A part may have fewer rows than coefficients: the sums are there all the same.
            let regression = streamreg::Regression::new("y");
            regression.sum_paths(&[dir.path(part)], None).unwrap().save(dir.path(&name)).unwrap();
            name
        });
        if round % 2 == 1 {
            parts.reverse();
        }
        done(&dir, &format!("merge {} -o merged.sreg", parts.join(" ")));
        assert_eq!(bytes(&dir, "merged.sreg"), bytes(&dir, "all.sreg"), "{rows} rows, cut at {cut}");
    }
}

#[test]
fn sums_in_float64_come_back_to_the_bit() {
    let dir = flights();
    for (model, flag) in [
        (MODELS[0], "--no-escalate"),
        (MODELS[1], "--no-escalate"),
        ("'arr_delay ~ dep_delay + distance' --by carrier", ""),
    ] {
        let fitted =
            done(&dir, &format!("fit {} {model} --precision float {flag} --save-state s.sreg", PARTS[0]));
        assert_eq!(done(&dir, "solve s.sreg"), fitted, "{model}");
        State::load(dir.path("s.sreg")).unwrap().save(dir.path("again.sreg")).unwrap();
        assert_eq!(bytes(&dir, "again.sreg"), bytes(&dir, "s.sreg"), "{model}");
    }
    done(&dir, &format!("fit {} {} --precision float -q -o p.txt --save-state t.sreg", PARTS[2], MODELS[0]));
    done(&dir, &format!("fit {} {} --precision float -q -o p.txt --save-state u.sreg", PARTS[0], MODELS[0]));
    let merged = dir.streamreg("merge t.sreg u.sreg -o v.sreg").run().code(0);
    merged.check(merged.stderr.contains("in float64"), "a warning about the order");
    dir.streamreg("subtract v.sreg t.sreg -o w.sreg").fails(3, &["only exact sums"]);
}

/// Estimates of a fit by term.
fn estimates(dir: &Dir, line: &str) -> Vec<(String, f64)> {
    let report: serde_json::Value =
        serde_json::from_str(&done(dir, &format!("{line} --format json"))).unwrap();
    let rows = report["coefficients"].as_array().unwrap().iter();
    rows.map(|row| (row["term"].as_str().unwrap().to_owned(), row["estimate"].as_f64().unwrap())).collect()
}

#[test]
fn other_models_of_a_state_are_fits_of_their_own() {
    let dir = flights();
    let files = PARTS.join(" ");
    // The rows that a fit uses are those without a missing value in its columns; here that is the same for all.
    let rows = "--where 'arr_delay is not null and air_time is not null'";
    done(
        &dir,
        &format!(
            "fit {files} 'arr_delay ~ dep_delay*origin + distance + air_time + carrier' {rows} --reference carrier=AA \
                  -q -o r.txt --save-state s.sreg"
        ),
    );
    for model in [
        "'arr_delay ~ dep_delay + distance'",
        "'arr_delay ~ dep_delay + distance - 1'",
        "'air_time ~ distance + origin'",
        "'arr_delay ~ dep_delay:origin'",
        "-t distance -f dep_delay,air_time",
        "'arr_delay ~ dep_delay + distance' --ridge 0.5",
    ] {
        let (from_sums, fitted) = (
            estimates(&dir, &format!("solve s.sreg {model}")),
            estimates(&dir, &format!("fit {files} {model} {rows}")),
        );
        assert_eq!(from_sums.len(), fitted.len(), "{model}");
        for ((term, a), (other, b)) in from_sums.iter().zip(&fitted) {
            assert!(term == other && (a - b).abs() <= 1e-12 * b.abs(), "{model}: {term} {a}, {other} {b}");
        }
    }
    let data: Vec<String> = PARTS.iter().map(|part| format!("--data {part}")).collect();
    let robust = done(&dir, &format!("solve s.sreg --vcov hc1 {}", data.join(" ")));
    let model = "'arr_delay ~ dep_delay*origin + distance + air_time + carrier' --reference carrier=AA";
    assert_eq!(robust, done(&dir, &format!("fit {files} {model} {rows} --precision exact --vcov hc1")));
}

#[test]
fn a_formula_says_whether_there_is_a_constant() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y\n1,3.5\n2,4.5\n3,7\n4,7.5\n");
    done(&dir, "fit d.csv 'y ~ x - 1' -q -o r.txt --save-state s.sreg");
    let terms = |line: &str| estimates(&dir, line).into_iter().map(|(term, _)| term).collect::<Vec<_>>();
    assert_eq!(terms("solve s.sreg"), ["x"]);
    assert_eq!(terms("solve s.sreg 'y ~ x'"), ["(Intercept)", "x"]);
    let state = State::load(dir.path("s.sreg")).unwrap();
    assert_eq!(streamreg::Regression::of_state(state).fit_state().unwrap().coefficients.len(), 1);
}

#[test]
fn what_a_state_cannot_do_is_refused_by_name() {
    let dir = Dir::new();
    dir.write("a.csv", "x,z,g,y\n1,5,a,3.5\n2,3,b,4.5\n3,4,a,7\n4,9,b,7.5\n");
    dir.write("b.csv", "x,z,g,y\n5,2,a,9\n6,8,b,13\n7,1,c,13.5\n");
    dir.write("same.csv", "x,z,g,y\n1,5,a,3.5\n2,3,b,4.5\n3,4,a,7\n4,9,b,7.5\n");
    let save = |file: &str, model: &str, state: &str| {
        done(&dir, &format!("fit {file} {model} -q -o r.txt --save-state {state}"));
    };
    save("a.csv", "'y ~ x + g'", "a.sreg");
    save("b.csv", "'y ~ x'", "x.sreg");
    save("same.csv", "'y ~ x + g'", "same.sreg");
    let merge = |a: &str, b: &str, words: &[&str]| {
        dir.streamreg(&format!("merge {a} {b} -o m.sreg")).fails(3, words);
    };
    merge("a.sreg", "x.sreg", &["x.sreg", "the terms differ: x + g and x"]);
    merge("a.sreg", "a.sreg", &["a.csv", "both states have the rows of this file"]);
    merge("a.sreg", "same.sreg", &["same.csv", "the same bytes as", "a.csv"]);
    dir.streamreg("subtract a.sreg same.sreg -o m.sreg").fails(3, &["same.csv", "does not have this file"]);
    let solve = |line: &str, code: i32, words: &[&str]| {
        dir.streamreg(&format!("solve a.sreg {line}")).fails(code, words);
    };
    solve("'y ~ z'", 3, &["z", "\"x\""]);
    solve("'y ~ x:g'", 3, &["does not have the sums by g"]);
    solve("--cv 2", 2, &["needs the sums of folds", "--cv-group"]);
    solve("--solver qr", 2, &["needs rows"]);
    solve("--seed 1", 2, &["no effect"]);
    solve("--vcov hc1", 2, &["--data"]);
    solve("--vcov hc1 --data b.csv", 3, &["b.csv", "does not have this file"]);
    solve("--precision exact", 2, &["the sums are those of the state"]);
    solve("--cluster g --data a.csv", 2, &["the clusters g", "made with --cluster"]);
    for (line, words) in [("--cv 2", "--cv-group"), ("--solver qr", "themselves")] {
        dir.streamreg(&format!("fit a.csv 'y ~ x' {line} --save-state n.sreg")).fails(2, &[words]);
        dir.streamreg(&format!("fit a.csv 'y ~ x' {line} --checkpoint ck")).fails(2, &[words]);
    }
    for (line, words) in [("--solver sgd", "iterative solvers"), ("--loss huber", "other than squares")] {
        dir.streamreg(&format!("fit a.csv 'y ~ x' {line} --save-state n.sreg --checkpoint ck"))
            .fails(2, &[words]);
    }
    dir.streamreg("fit b.csv 'y ~ x' --save-state n.sreg --like a.sreg").fails(3, &["the terms differ"]);
    dir.streamreg("update none.sreg a.csv").fails(3, &["none.sreg", "no such state"]);
    dir.streamreg("update a.sreg b.csv --union-by-name").fails(2, &["--union-by-name"]);
    dir.streamreg("solve a.csv").fails(3, &["a.csv"]);
    assert!(!dir.files().iter().any(|name| name == "m.sreg" || name == "n.sreg"), "{:?}", dir.files());
}

/// The sums leave out the rows without a cluster; errors of clusters need the files again.
#[test]
fn clusters_of_a_state() {
    let dir = flights();
    let model = "'arr_delay ~ dep_delay + origin' --cluster tailnum";
    for (k, part) in PARTS.iter().enumerate() {
        done(&dir, &format!("fit {part} {model} -q -o p.txt --save-state {k}.sreg"));
    }
    done(&dir, "merge 3.sreg 1.sreg 0.sreg 2.sreg -o all.sreg");
    let all = PARTS.join(" ");
    let table = |line: &str| {
        let text = done(&dir, line);
        text.lines()
            .filter(|line| !line.starts_with("Time"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let whole = table(&format!("fit {all} {model} --precision exact"));
    assert!(whole.contains("of tailnum"), "{whole}");
    assert_eq!(table(&format!("fit {all} {model} --save-state whole.sreg")), whole);
    assert_eq!(bytes(&dir, "whole.sreg"), bytes(&dir, "all.sreg"));
    let given = PARTS.map(|part| format!("--data {part}")).join(" ");
    let solved = |line: &str| -> serde_json::Value {
        serde_json::from_str(&done(&dir, &format!("solve all.sreg --format json {line}"))).unwrap()
    };
    let again = solved(&format!("--cluster tailnum {given}"));
    let direct = dir.fit(&format!("{all} {model} --precision exact"));
    assert_eq!(again["coefficients"], direct["coefficients"]);
    assert_eq!(again["vcov"], direct["vcov"]);
    let plain = solved("");
    assert_eq!(plain["ledger"]["rows_used"], direct["ledger"]["rows_used"]);
    assert_eq!(plain["vcov"]["kind"], "iid");
    dir.streamreg(&format!("solve all.sreg --cluster carrier {given}")).fails(2, &["carrier"]);
    dir.streamreg(&format!("solve all.sreg {given}")).fails(2, &["--data would have no effect"]);
}

/// The rows of a state, given once more, must be those that were summed, read as they were.
#[test]
fn data_of_a_state_are_read_as_they_were_summed() {
    let dir = Dir::new();
    let mut text = "x;z;zip;y\n".to_owned();
    for i in 0..60 {
        let zip = ["007", "7", "07", "10", "8"][i % 5];
        let z = if i % 9 == 4 { String::new() } else { format!("{},5", i * 5 % 11) };
        text.push_str(&format!("{}.000,{};{z};{zip};{},25\n", 1 + i % 3, i * 7 % 13, i * i % 17));
    }
    dir.write("d.csv", &text);
    let reading = "--decimal , --thousands . --schema zip=text";
    done(&dir, &format!("fit d.csv 'y ~ x' {reading} --cluster zip -q -o r.txt --save-state s.sreg"));
    let errors = |line: &str| -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(&done(&dir, &format!("{line} --format json"))).unwrap()["coefficients"].take()
    };
    let direct = errors(&format!("fit d.csv 'y ~ x' {reading} --cluster zip --precision exact"));
    assert_eq!(errors(&format!("solve s.sreg --cluster zip --data d.csv {reading}")), direct);
    let solve = |line: &str, code: i32, words: &[&str]| {
        dir.streamreg(&format!("solve {line}")).fails(code, words);
    };
    solve(
        "s.sreg --cluster zip --data d.csv --decimal , --thousands .",
        3,
        &["d.csv", "\"zip\"", "a text column"],
    );
    solve("s.sreg --cluster zip --data d.csv --decimal , --schema zip=text", 3, &["\"x\""]);
    let numbers = (0..40).map(|i| format!("{}.{:03};{}\n", 1 + i % 4, i * 7 % 100, i * i % 19));
    dir.write("e.csv", &("x;y\n".to_owned() + &numbers.collect::<String>()));
    done(&dir, "fit e.csv 'y ~ x' --decimal , --thousands . -q -o r.txt --save-state w.sreg");
    solve("w.sreg --vcov hc1 --data e.csv", 3, &["not the rows of the sums", "read in another way"]);
    solve(&format!("s.sreg {reading}"), 2, &["--data"]);
    done(&dir, &format!("fit d.csv 'y ~ x + z' {reading} -q -o r.txt --save-state z.sreg"));
    solve(
        &format!("z.sreg 'y ~ x' --vcov hc1 --data d.csv {reading}"),
        3,
        &["7 rows of these are not in the sums", "--where"],
    );
}

#[test]
fn files_that_change_or_go() {
    let dir = Dir::new();
    let (a, b) = ("x,y\n1,3.5\n2,4.5\n3,7\n4,7.5\n", "x,y\n5,9\n6,13\n7,13.5\n");
    let path = dir.write("day=1/d.csv", a);
    dir.write("day=2/d.csv", b);
    done(&dir, "fit day=1 'y ~ x' -q -o r.txt --save-state s.sreg");
    let update = |line: &str| done(&dir, &format!("update s.sreg {line}"));
    assert!(update("'day=*/*.csv' --keep-parts").starts_with("added day=2/d.csv\n"));
    // A column that nobody asked for may come and change its type.
    dir.write("day=3/d.csv", "x,new,y\n8,u,15\n9,v,18.5\n");
    update("'day=*/*.csv' --keep-parts");
    // Neither a file that was only touched, nor one that is gone, changes anything.
    let before = bytes(&dir, "s.sreg").len();
    std::fs::write(&path, a).unwrap();
    assert!(update("'day=*/*.csv' --keep-parts").contains("3 files known already, 0 bytes read"));
    assert_eq!(bytes(&dir, "s.sreg").len(), before);
    std::fs::write(dir.path("day=2/d.csv"), "x,y\n5,9.5\n6,13\n7,13.5\n").unwrap();
    dir.streamreg("update s.sreg 'day=*/*.csv'").fails(3, &["day=2/d.csv", "changed", "--replace"]);
    assert!(update("'day=*/*.csv' --keep-parts --replace").contains("replaced day=2/d.csv"));
    done(&dir, "fit 'day=*/*.csv' 'y ~ x' --union-by-name -q -o r.txt --save-state whole.sreg");
    assert_eq!(done(&dir, "solve s.sreg"), done(&dir, "solve whole.sreg"));
    std::fs::remove_file(&path).unwrap();
    let warned = dir.streamreg("update s.sreg 'day=*/*.csv'").run().code(0);
    warned.check(warned.stderr.contains("day=1/d.csv") && warned.stderr.contains("gone"), "a warning");
    dir.streamreg("update s.sreg 'day=*/*.csv' --require-all").fails(3, &["day=1/d.csv", "gone"]);
    // The first file was read before parts were kept.
    dir.streamreg("update s.sreg 'day=*/*.csv' --keep-parts --window 2").run().code(3);
    done(&dir, "fit day=2 'y ~ x' -q -o r.txt --save-state two.sreg");
    done(&dir, "update two.sreg day=3 --keep-parts");
    dir.write("day=4/d.csv", "x,y\n10,19\n11,23\n12,24\n");
    dir.streamreg("update two.sreg 'day=*/*.csv' --keep-parts --window 1").run().code(3);
    let planned = done(&dir, "update two.sreg 'day=*/*.csv' --dry-run");
    assert!(planned.contains("would add day=4/d.csv"), "{planned}");
    dir.streamreg("update two.sreg day=4 --window 2").run().code(2);
}

#[test]
fn a_window_keeps_the_last_files() {
    let dir = Dir::new();
    for day in 1..=6 {
        let rows: String =
            (0..5).map(|i| format!("{},{}\n", 5 * day + i, (5 * day + i) * 2 + i % 3)).collect();
        dir.write(&format!("day={day}/d.csv"), format!("x,y\n{rows}"));
    }
    done(&dir, "fit day=1 'y ~ x' -q -o r.txt --save-state empty.sreg");
    // A state without the file, of which it keeps the model: from here on all parts are kept.
    done(&dir, "subtract empty.sreg empty.sreg -o s.sreg");
    for last in [2, 4, 6] {
        let days: Vec<String> = (1..=last).map(|day| format!("day={day}")).collect();
        done(
            &dir,
            &format!(
                "update s.sreg {} --keep-parts --window 3",
                days[days.len().saturating_sub(3)..].join(" ")
            ),
        );
    }
    done(&dir, "fit day=4 day=5 day=6 'y ~ x' -q -o r.txt --save-state whole.sreg");
    assert_eq!(bytes(&dir, "s.sreg"), bytes(&dir, "whole.sreg"));
    assert_eq!(dir.files().iter().filter(|name| name.starts_with("s.sreg.parts")).count(), 3);
}

#[test]
fn files_without_rows_may_be_alike() {
    let dir = Dir::new();
    dir.write("a.csv", "x,y\n1,2\n2,3\n3,5\n");
    dir.write("b.csv", "x,y\n");
    dir.write("c.csv", "x,y\n");
    done(&dir, "fit a.csv -t y -q -o r.txt --save-state s.sreg");
    assert!(done(&dir, "update s.sreg b.csv c.csv").contains("3 rows of 3 files"));
}

#[test]
fn another_process_waits_or_is_told() {
    let dir = Dir::new();
    dir.write("a.csv", "x,y\n1,2\n2,3\n3,5\n");
    done(&dir, "fit a.csv -t y -q -o r.txt --save-state s.sreg");
    let lock = std::fs::File::create(dir.path(".s.sreg.lock")).unwrap();
    lock.lock().unwrap();
    dir.streamreg("update s.sreg a.csv --no-wait").fails(75, &["s.sreg", "another process"]);
    let mut waits = dir.streamreg("update s.sreg a.csv").command.stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waits.try_wait().unwrap().is_none(), "it waits");
    lock.unlock().unwrap();
    assert!(waits.wait().unwrap().success());
}

#[test]
fn a_state_of_version_1_stays_readable() {
    let state = State::load(golden("states/version-1.sreg")).unwrap();
    assert_eq!((state.ledger().rows_read, state.inputs().len()), (7, 1));
    assert!(state.cross_validation().is_none());
    let dir = Dir::new();
    state.save(dir.path("s.sreg")).unwrap();
    // Older programs read what they know.
    let version = b"\"streamreg_state\":1,";
    assert!(bytes(&dir, "s.sreg").windows(version.len()).any(|window| window == version));
    let report = streamreg::Regression::of_state(state).fit_state().unwrap();
    let rows: Vec<(&str, Option<f64>)> =
        report.coefficients.iter().map(|row| (row.term.as_str(), row.estimate)).collect();
    // y = 1 + 2 x, and 3 more where g is b.
    let expected = [("(Intercept)", 1.0), ("x", 2.0), ("g[T.b]", 3.0)];
    assert_eq!(rows.len(), expected.len());
    for ((term, estimate), (name, value)) in rows.iter().zip(expected) {
        assert!(*term == name && (estimate.unwrap() - value).abs() < 1e-12, "{rows:?}");
    }
}

#[test]
fn a_state_of_version_2_stays_readable() {
    let state = State::load(golden("states/version-2.sreg")).unwrap();
    assert_eq!((state.ledger().rows_read, state.inputs().len()), (7, 1));
    let cv = state.cross_validation().unwrap();
    assert_eq!((cv.folds, cv.seed, cv.group.as_deref()), (2, Some(2), Some("x")));
    let regression =
        streamreg::Regression::of_state(state).cross_validate(streamreg::CrossValidation::new(2));
    let report = regression.fit_state().unwrap();
    assert!((report.estimate("g[T.b]").unwrap() - 3.0).abs() < 1e-12);
    let errors = &report.test_error.as_ref().unwrap().error;
    assert!(errors.fold_rows == [3, 3] && errors.rmse < 1e-6, "{errors:?}");
}

#[test]
fn a_state_of_a_later_version_is_refused() {
    let dir = Dir::new();
    let bytes = std::fs::read(golden("states/version-2.sreg")).unwrap();
    let key = b"\"streamreg_state\":2";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len() - 1;
    let later = [&bytes[..at], b"3", &bytes[at + 1..]].concat();
    dir.write("s.sreg", later);
    dir.streamreg("solve s.sreg").fails(3, &["s.sreg", "a state file of version 3", "versions up to 2"]);
    // A program that knows no folds must not take them for something else.
    dir.write("s.sreg", [&bytes[..at], b"1", &bytes[at + 1..]].concat());
    dir.streamreg("solve s.sreg").fails(3, &["s.sreg", "damaged", "version 2"]);
}

/// Every byte of a state, changed: what is read is what was written, or nothing is.
#[test]
fn no_damaged_state_is_another_one() {
    for version in ["states/version-1.sreg", "states/version-2.sreg"] {
        damage(version);
    }
}

fn damage(version: &str) {
    let dir = Dir::new();
    let whole = std::fs::read(golden(version)).unwrap();
    let path = dir.path("s.sreg");
    let saved = |state: &State| {
        state.save(dir.path("again.sreg")).unwrap();
        bytes(&dir, "again.sreg")
    };
    let expected = saved(&State::load(golden(version)).unwrap());
    let mut read = 0;
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(state) = State::load(&path) {
                assert_eq!(saved(&state), expected, "{version}: byte {at} ^ {flip:#x}");
                read += 1;
            }
        }
        if at % 7 == 0 {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(State::load(&path).is_err(), "{at} bytes of it");
        }
    }
    assert!(read < whole.len(), "most damage is seen: {read}");
}
