//! Jobs as whoever watches them sees them: options from the environment, logs, metrics, conditions, drift.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::util::{Cmd, Dir, Outcome, close, number, table, to_csv};

/// Rows of x1, x2 and y, of which some lack a value.
fn dir() -> Dir {
    let dir = Dir::new();
    let mut text = to_csv(&table(300, 2, 1));
    text.push_str(&"1,,2\n".repeat(10));
    dir.write("d.csv", text);
    dir
}

fn with<'d>(mut cmd: Cmd<'d>, variables: &[(&str, &str)]) -> Cmd<'d> {
    cmd.command.envs(variables.iter().copied());
    cmd
}

/// The events on stderr, each a JSON object a line with a time and a name.
#[track_caller]
fn events(outcome: &Outcome) -> Vec<Value> {
    let event = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let time = value["time"].as_str().unwrap();
        let form = "dddd-dd-ddTdd:dd:dd.dddZ";
        let fits = |(c, f): (char, char)| if f == 'd' { c.is_ascii_digit() } else { c == f };
        assert!(time.len() == form.len() && time.chars().zip(form.chars()).all(fits), "{time}");
        assert!(value["event"].is_string(), "{line}");
        value
    };
    outcome.stderr.lines().map(event).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn options_come_from_the_environment() {
    let dir = dir();
    let by_hand = dir.streamreg("fit d.csv -t y --vcov hc1 -q --format tidy").success().stdout;
    let variables = [
        ("STREAMREG_TARGET", "y"),
        ("STREAMREG_VCOV", "hc1"),
        ("STREAMREG_FORMAT", "tidy"),
        ("STREAMREG_QUIET", "yes"),
        ("STREAMREG_THREADS", ""),
        ("STREAMREG_STRICT", "0"),
        // What is typed comes first.
        ("STREAMREG_CONF_LEVEL", "0.5"),
    ];
    let outcome = with(dir.streamreg("fit d.csv --conf-level 0.95"), &variables).success();
    outcome.check(outcome.stdout == by_hand, &by_hand);
    // A command without the option takes no notice of it.
    dir.streamreg("fit d.csv -t y -o m.txt --save-model m.json").success();
    let others = [("STREAMREG_TARGET", "z"), ("STREAMREG_BY", ""), ("STREAMREG_RIDGE", "1")];
    with(dir.streamreg("evaluate m.json d.csv"), &others).success();
    // Nor does inspect of options of a fit, without one; of its own it does.
    let fit = [("STREAMREG_VCOV", "hc1"), ("STREAMREG_PROGRESS", "json"), ("STREAMREG_FORMAT", "json")];
    with(dir.streamreg("inspect d.csv"), &fit).success().json();
    // One that is asked about a fit takes its options, and their mistakes are not passed over.
    let fit = [("STREAMREG_RIDGE", "1"), ("STREAMREG_LASSO", "1")];
    with(dir.streamreg("inspect d.csv"), &fit).success();
    with(dir.streamreg("inspect d.csv 'y ~ x1'"), &fit).run().code(2);
    dir.streamreg("fit d.csv -t y -o m.txt --save-state s.sreg").success();
    with(dir.streamreg("solve s.sreg"), &[("STREAMREG_SAVE_STATE", "x"), ("STREAMREG_SEED", "1")]).success();
    with(dir.streamreg("update s.sreg d.csv"), &[("STREAMREG_UNION_BY_NAME", "1")]).success();
}

#[test]
fn mistakes_in_the_environment_are_named() {
    let dir = dir();
    for (line, variable, value, words) in [
        ("fit d.csv -t y", "THREADS", "many", "'many' for '--threads <N>'"),
        ("fit d.csv -t y", "QUIET", "maybe", "'maybe' for '--quiet'"),
        ("fit d.csv -t y --lasso 1", "RIDGE", "1", "cannot be used with"),
        ("fit d.csv -t y", "CHECKPOINT_EVERY", "1", "--checkpoint <FOLDER>"),
        ("fit d.csv -t y", "VCOV", "magic", "there is no covariance \"magic\""),
        ("fit d.csv -t y", "CONF_LEVEL", "2", "between 0 and 1"),
        ("fit d.csv -t y --format glance", "STANDARDIZED", "1", "no effect"),
    ] {
        let name = format!("STREAMREG_{variable}");
        let outcome = with(dir.streamreg(line), &[(&name, value)]).run().code(2);
        outcome.check(outcome.stderr.contains(words), words);
        outcome.check(outcome.stderr.contains(&format!("set by the environment: {name}")), &name);
    }
    // A mistake that was typed is nobody else's.
    let outcome = with(dir.streamreg("fit d.csv -t y --threads x"), &[("STREAMREG_SEED", "1")]).run().code(2);
    outcome.check(!outcome.stderr.contains("environment"), "no word of the environment");
    // A name that is none of ours is told of, unless nothing is to be told.
    let misspelt = [("STREAMREG_THREDS", "2")];
    let outcome = with(dir.streamreg("fit d.csv -t y -o r.txt"), &misspelt).run().code(0);
    let wanted = "streamreg: warning: the environment variable STREAMREG_THREDS is that of no option; did you mean \
                  STREAMREG_THREADS?\n";
    outcome.check(outcome.stderr == wanted, wanted);
    with(dir.streamreg("fit d.csv -t y -q -o r.txt"), &misspelt).success();
    with(dir.streamreg("completions bash"), &misspelt).success();
}

/// The long options that the help of a command lists.
fn long_options(dir: &Dir, command: &str) -> Vec<String> {
    let help = dir.streamreg(&format!("{command} --help")).success().stdout;
    let option = |line: &str| {
        let line = line.trim_start();
        let line = line
            .get(..4)
            .filter(|short| short.starts_with('-') && short.ends_with(", "))
            .map_or(line, |_| &line[4..]);
        let name = line.strip_prefix("--")?.split([' ', '.', ',', ';', ')']).next()?;
        Some(name.to_owned())
    };
    help.lines().filter_map(option).collect()
}

#[test]
fn every_option_has_a_variable() {
    let dir = dir();
    let commands =
        ["fit", "predict", "evaluate", "merge", "subtract", "update", "solve", "compare", "inspect"];
    let options: BTreeSet<String> = commands.iter().flat_map(|command| long_options(&dir, command)).collect();
    assert!(
        options.len() > 80 && options.contains("metrics-file") && options.contains("vcov"),
        "{options:?}"
    );
    let names = |option: &String| format!("STREAMREG_{}", option.to_uppercase().replace('-', "_"));
    let set: Vec<String> = options.iter().filter(|option| *option != "log-format").map(names).collect();
    let variables: Vec<(&str, &str)> = set.iter().map(|name| (name.as_str(), "1")).collect();
    // A command without most of these options: it knows all of the variables, but that of help, and takes none.
    let outcome =
        with(dir.streamreg("compare d.csv d.csv --format csv --max-shift 2"), &variables).run().code(3);
    let warnings: Vec<&str> =
        outcome.stderr.lines().filter(|line| line.contains("is that of no option")).collect();
    outcome.check(warnings.len() == 1 && warnings[0].contains("STREAMREG_HELP "), "one warning");
    // A value that is no number is an error that names its variable.
    let numbers =
        ["THREADS", "MAX_LEVELS", "RANK_TOL", "CV", "SEED", "DELTA", "QUANTILE", "EPSILON", "EPOCHS"];
    let more =
        ["TOL", "ETA0", "POWER_T", "MOMENTUM", "BATCH_SIZE", "HELD_OUT", "PATIENCE", "HASH_BITS", "L1_RATIO"];
    for name in numbers.into_iter().chain(more).chain(["CHECKPOINT_EVERY", "METRICS_EVERY", "CONF_LEVEL"]) {
        let name = format!("STREAMREG_{name}");
        let outcome = with(dir.streamreg("fit d.csv -t y"), &[(&name, "none")]).run().code(2);
        outcome.check(outcome.stderr.contains(&name), &name);
    }
}

#[test]
fn logs_are_json_from_the_first_word_to_the_last() {
    let dir = dir();
    let outcome = dir.streamreg("fit d.csv -t y --format glance --log-format json").run().code(0);
    let all = events(&outcome);
    outcome.check(names(&all) == ["start", "warning", "done"], "start, warning, done");
    outcome.check(all[0]["command"] == "fit" && all[0]["version"].is_string(), "the command");
    outcome
        .check(all[1]["message"] == "10 of 310 rows dropped: 10 for x2 null", "the notice without a prefix");
    outcome.check(all[2]["exit_code"] == 0 && all[2]["seconds"].is_number(), "how it ended");
    let outcome = dir.streamreg("fit d.csv -t y -o r.txt --log-format=json --progress json").run().code(0);
    let all = events(&outcome);
    outcome.check(names(&all) == ["start", "progress", "done"], "start, progress, done");
    outcome.check(all[1]["rows"] == 310 && all[1]["pass"] == 1, "rows and pass");
    // Text stays what it was.
    dir.streamreg("fit d.csv -t y -o r.txt --log-format text").success();
}

#[test]
fn failures_are_json_with_their_place() {
    let dir = dir();
    dir.write("odd.csv", dir.read("d.csv") + "oops,1,1\n");
    let last = |line: &str, code: i32| {
        let outcome = dir.streamreg(line).run().code(code);
        let all = events(&outcome);
        let error = all.last().unwrap().clone();
        outcome.check(error["event"] == "error" && error["exit_code"] == code, "an error with its code");
        outcome.check(names(&all).iter().filter(|name| **name == "error").count() == 1, "one error");
        outcome.check(!names(&all).contains(&"done"), "nothing is done");
        error
    };
    let damage = last("fit odd.csv -t y -f x1 --schema x1=number --log-format json", 3);
    assert_eq!((&damage["kind"], &damage["file"]), (&"data".into(), &"odd.csv".into()));
    assert_eq!((&damage["place"], &damage["column"]), (&"line 312".into(), &"x1".into()));
    let missing = last("fit d.csv -t y --missing error --log-format json", 3);
    assert_eq!((&missing["file"], &missing["place"]), (&"d.csv".into(), &"row 301".into()));
    assert_eq!(missing["column"], "x2");
    let unknown = last("fit d.csv -t y -f x3 --log-format json", 3);
    assert_eq!(unknown["column"], "x3");
    let formula = last("fit d.csv 'y ~ x1 +' --log-format json", 2);
    assert!(formula["excerpt"].is_string(), "{formula}");
    let usage = last("fit d.csv -t y --threds 2 --log-format json", 2);
    assert_eq!(usage["kind"], "usage");
    assert!(usage["message"].as_str().unwrap().contains("'--threads'"), "{usage}");
    assert_eq!(last("fit d.csv -t y --log-format json --assert 'r.squared > 2'", 7)["kind"], "assertion");
    let output = last("fit d.csv -t y -o no/r.txt --log-format json", 2);
    assert!(output["message"].as_str().unwrap().contains("no folder"), "{output}");
    let outcome = with(dir.streamreg("frobnicate"), &[("STREAMREG_LOG_FORMAT", "json")]).run().code(2);
    assert_eq!(events(&outcome)[0]["kind"], "usage");
}

/// What a text in Prometheus' format says; checked against the format's rules, as far as gauges go.
#[track_caller]
fn metrics(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line ends");
    let is_name = |name: &str| {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
        name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
    };
    let (mut samples, mut done, mut current) = (BTreeMap::new(), BTreeSet::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !words.is_empty() && !words.contains('\\'), "{line}");
            assert!(done.insert(name.to_owned()), "{name} comes twice");
            assert_eq!(lines.next(), Some(format!("# TYPE {name} gauge").as_str()), "behind {line}");
            assert!(
                lines.peek().is_some_and(|next| next.starts_with(&format!("{name}{{"))),
                "{name} has a sample"
            );
            name.clone_into(&mut current);
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("no labels: {line}"));
        assert_eq!(name, current, "samples stand below their help: {line}");
        let (labels, value) = labels(rest);
        let names: Vec<&String> = labels.keys().collect();
        assert!(names.iter().all(|name| is_name(name) && !name.contains(':')), "{line}");
        let value = match value {
            "NaN" => f64::NAN,
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            number => number.parse().unwrap_or_else(|e| panic!("{e}: {line}")),
        };
        let own = labels.iter().filter(|(label, _)| !["run", "command", "version"].contains(&label.as_str()));
        let key = own.fold(name.to_owned(), |key, (label, value)| key + &format!(" {label}={value}"));
        assert!(labels.contains_key("run") && labels.contains_key("command"), "{line}");
        assert!(samples.insert(key, value).is_none(), "a sample comes twice: {line}");
    }
    samples
}

/// Labels up to their closing brace, and the value behind it.
fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let (mut rest, mut labels) = (text, BTreeMap::new());
    loop {
        let (name, more) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        let (mut value, mut chars) = (String::new(), more.char_indices());
        let end = loop {
            match chars.next().unwrap_or_else(|| panic!("a label does not end: {text}")) {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('\\' | '"'))) => c,
                    other => panic!("{other:?} is escaped: {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} comes twice: {text}");
        rest = &more[end + 1..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix("} ").unwrap_or_else(|| panic!("no value: {text}"))),
        }
    }
}

#[test]
fn metrics_tell_of_a_run_and_of_its_failure() {
    let dir = Dir::new();
    let mut columns = table(300, 2, 1);
    columns[0].0 = "say \"x\\1\"".into();
    let mut text = to_csv(&columns).replacen("say \"x\\1\"", "\"say \"\"x\\1\"\"\"", 1);
    text.push_str(&",1,2\n".repeat(10));
    dir.write("d.csv", text);
    let fit = dir.streamreg("fit d.csv -t y --format json --metrics-file job.prom").success().json();
    let before = metrics(&dir.read("job.prom"));
    for (name, value) in [("running", 0.0), ("success", 1.0), ("exit_code", 0.0), ("rows_read", 310.0)] {
        assert_eq!(before[&format!("streamreg_{name}")], value, "{name}");
    }
    assert_eq!(before["streamreg_rows_dropped column=say \"x\\1\" reason=null"], 10.0);
    assert_eq!(before["streamreg_bytes_read"], number(&fit, "reading/bytes"));
    for (name, path) in [
        ("r_squared", "glance/r_squared"),
        ("condition_number", "condition_number"),
        ("digits", "solver/digits"),
        ("nobs", "glance/nobs"),
    ] {
        assert_eq!(before[&format!("streamreg_{name} response=y")], number(&fit, path), "{name}");
    }
    let phases =
        ["read", "solve", "other"].map(|phase| before[&format!("streamreg_phase_seconds phase={phase}")]);
    close("phases", phases.iter().sum(), before["streamreg_duration_seconds"], 1e-9);
    assert!(dir.read("job.prom").contains("{run=\"job\",command=\"fit\""));
    // A failure does not take the last success away.
    let success = before["streamreg_last_success_timestamp_seconds"];
    assert!(success >= before["streamreg_start_timestamp_seconds"]);
    dir.streamreg("fit d.csv -t y -f nobody --metrics-file job.prom").fails(3, &["nobody"]);
    let after = metrics(&dir.read("job.prom"));
    assert_eq!((after["streamreg_success"], after["streamreg_exit_code"]), (0.0, 3.0));
    assert_eq!(after["streamreg_last_success_timestamp_seconds"], success);
    assert!(!after.contains_key("streamreg_nobs response=y"));
    // Of other commands.
    dir.streamreg("fit d.csv -t y -o r.txt --save-model m.json --save-state s.sreg").success();
    dir.streamreg("evaluate m.json d.csv --metrics-file e.prom").success();
    dir.streamreg("predict m.json d.csv -q -o p.csv --metrics-file p.prom").success();
    dir.streamreg("solve s.sreg -o r.txt --metrics-file s.prom").success();
    dir.streamreg("update s.sreg d.csv --metrics-file u.prom").success();
    let of = |name: &str| metrics(&dir.read(name));
    assert!(of("e.prom").contains_key("streamreg_rmse response=y"));
    assert_eq!(of("p.prom")["streamreg_rows_without_prediction"], 10.0);
    assert_eq!(of("s.prom")["streamreg_r_squared response=y"], before["streamreg_r_squared response=y"]);
    assert_eq!(of("u.prom")["streamreg_rows_used"], 300.0);
}

#[test]
fn metrics_never_overwrite_what_is_no_metrics() {
    let dir = dir();
    dir.streamreg("fit d.csv -t y -o r.txt --save-model m.json").success();
    for file in ["d.csv", "m.json", "r.txt"] {
        let before = dir.read(file);
        dir.streamreg(&format!("fit d.csv -t y --metrics-file {file}")).fails(2, &[file, "none of metrics"]);
        assert_eq!(dir.read(file), before);
    }
    dir.streamreg("fit d.csv -t y -o new.prom --metrics-file ./new.prom").fails(2, &["same file"]);
    dir.streamreg("fit d.csv -t y --metrics-file no/m.prom").fails(1, &["no/m.prom"]);
    dir.streamreg("fit d.csv -t y --metrics-every 1").run().code(2);
    dir.streamreg("fit d.csv -t y --metrics-file m.prom --metrics-every 0").fails(2, &["--metrics-every"]);
}

#[cfg(unix)]
#[test]
fn metrics_and_log_tell_of_a_run_under_way_and_of_its_signal() {
    let dir = dir();
    dir.streamreg("fit d.csv -t y -o r.txt --metrics-file m.prom").success();
    let success = metrics(&dir.read("m.prom"))["streamreg_last_success_timestamp_seconds"];
    let line = "fit d.csv -t y --solver gd --epochs 100000000 --tol 1e-300 -o new.txt --metrics-file m.prom \
                --metrics-every 0.02 --log-format json";
    let mut command = dir.streamreg(line).command;
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    loop {
        let now = metrics(&dir.read("m.prom"));
        if now["streamreg_running"] == 1.0 && now["streamreg_rows_processed"] > 1000.0 {
            assert!(!now.contains_key("streamreg_success") && !now.contains_key("streamreg_exit_code"));
            assert_eq!(now["streamreg_last_success_timestamp_seconds"], success);
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is told of the run");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = format!("kill -15 {}", child.id());
    assert!(std::process::Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8(output.stderr).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["kind"]), (&"error".into(), &"signal".into()), "{last}");
    assert_eq!(last["exit_code"], 143);
    let end = metrics(&dir.read("m.prom"));
    assert_eq!((end["streamreg_success"], end["streamreg_exit_code"]), (0.0, 143.0));
    assert_eq!(end["streamreg_last_success_timestamp_seconds"], success);
    assert_eq!(dir.files(), ["d.csv", "m.prom", "r.txt"]);
}

#[test]
fn conditions_fail_with_code_7_and_say_what_was_found() {
    let dir = dir();
    let fit = dir.fit("d.csv -t y");
    let r_squared = number(&fit, "glance/r_squared");
    for (options, words) in [
        ("--assert 'r.squared > 0.9999'", format!("does not hold: r.squared is {r_squared}")),
        ("--fail-if 'dropped>3%'", "holds: dropped is 3.225806451612903 %".to_owned()),
        ("--fail-if 'dropped >= 10'", "dropped is 10".to_owned()),
        ("--assert 'rows=310'", "rows is 300".to_owned()),
        ("--assert 'estimate(x2) > 0'", format!("estimate(x2) is {}", fit["coefficients"][2]["estimate"])),
        ("--fail-if 'p.value(x2) < 0.05'", "p.value(x2) is ".to_owned()),
        ("--fail-if 'estimate(x9) < 1e9'", "there is no term \"x9\"".to_owned()),
        ("--assert 'df.residual != 297'", "df.residual is 297".to_owned()),
        ("--assert 'rank <= 2' --assert 'nobs>0'", "rank is 3".to_owned()),
        // A quantity that a penalised fit does not have fails both kinds.
        ("--ridge 1 --fail-if 'sigma > 1e9'", "sigma is not known".to_owned()),
        ("--ridge 1 --assert 'sigma < 1e9'", "sigma is not known".to_owned()),
    ] {
        let line = format!("fit d.csv -t y -o r.txt --save-model m.json {options}");
        dir.streamreg(&line).fails(7, &[&words]);
        // Results are written all the same.
        assert_eq!(dir.files(), ["d.csv", "m.json", "r.txt"], "{options}");
        std::fs::remove_file(dir.path("r.txt")).unwrap();
    }
    let holds = "--assert 'r.squared > 0.5' --fail-if 'dropped > 5%' --assert 'condition < 10' --assert 'digits >= 10' \
                 --fail-if 'estimate(x1) > 0' --assert 'dropped < 11'";
    dir.streamreg(&format!("fit d.csv -t y -o r.txt {holds}")).success();
}

#[test]
fn conditions_that_cannot_be_are_refused_before_reading() {
    let dir = dir();
    for (condition, words) in [
        ("r.sqared > 0.5", "did you mean \"r.squared\"?"),
        ("dropped", "no comparison"),
        ("dropped > five", "\"five\" is no number"),
        ("dropped > 0.05", "a share of them such as 5%"),
        ("rows > 5%", "a percentage is for dropped"),
        ("> 3", "no quantity before the comparison"),
        ("slope(x1) > 3", "slope()"),
        ("rows => 3", "=> is no comparison"),
        ("rows > NaN", "NaN is no number"),
        ("mae < 3", "there is no quantity \"mae\""),
    ] {
        // There is no such file: nothing is read before.
        dir.streamreg("fit none.csv -t y --assert").arg(condition).fails(2, &["--assert", words]);
        dir.streamreg("fit none.csv -t y --fail-if").arg(condition).fails(2, &["--fail-if", words]);
    }
    let line = "fit d.csv -t y -f x1 --by x2 --assert 'r.squared > 1'";
    dir.streamreg(line).fails(2, &["r.squared is of one fit, and --by makes many"]);
}

#[test]
fn conditions_on_groups_states_and_predictions() {
    let dir = Dir::new();
    dir.write("d.csv", "g,x,y\na,1,1\na,2,2.5\na,3,3\nb,1,2\nb,2,1\nb,3,5\nb,4,\n");
    dir.write("e.csv", "g,x,y\na,1,9\nb,7,\nb,8,\nb,9,\n");
    let groups = "fit d.csv -t y -f x --by g -q -o r.csv";
    dir.streamreg(&format!("{groups} --fail-if 'dropped > 10%'")).fails(7, &["dropped is 14.28"]);
    dir.streamreg(&format!("{groups} --fail-if 'dropped > 20%' --assert 'rows = 6'")).success();
    dir.streamreg("fit d.csv -t y -f x -o r.txt --save-model m.json --save-state s.sreg").success();
    dir.streamreg("evaluate m.json d.csv --assert 'rmse < 0.1'").run().code(7);
    dir.streamreg(
        "evaluate m.json d.csv --by g --assert 'rmse < 5' --fail-if 'dropped > 1' --assert 'mae > 0'",
    )
    .success();
    dir.streamreg("evaluate m.json d.csv --assert 'sigma < 5'").fails(2, &["no quantity \"sigma\""]);
    dir.streamreg("solve s.sreg -o r.txt --assert 'r.squared > 0.99'").fails(7, &["r.squared is 0."]);
    // The state of an update is saved, so that the rows are counted once, whatever they are.
    let outcome =
        dir.streamreg("update s.sreg e.csv --fail-if 'dropped > 20%' --assert 'r.squared > 0'").run().code(7);
    outcome.check(outcome.stderr.contains("dropped is 36.36"), "the share in the whole state");
    let again = dir.streamreg("update s.sreg e.csv --assert 'rows = 7'").success();
    again.check(again.stdout.contains("1 file known already"), "the file is known");
    dir.streamreg("update s.sreg e.csv --dry-run --assert 'rows = 7'").fails(2, &["no effect"]);
}

/// Two halves of a line with different slopes, and all rows.
fn halves(dir: &Dir) {
    let mut random = crate::util::Random::new(5);
    let mut files = [String::from("x,y\n"), String::from("x,y\n")];
    for row in 0..80 {
        let (x, e) = (random.unit(), random.unit());
        let second = row % 2;
        let _ = writeln!(files[second], "{x:?},{:?}", 1.0 + (2.0 + 0.4 * second as f64) * x + 0.5 * e);
    }
    let all = files[0].clone() + files[1].strip_prefix("x,y\n").unwrap();
    dir.write("a.csv", &files[0]);
    dir.write("b.csv", &files[1]);
    dir.write("all.csv", all);
}

#[test]
fn drift_is_measured_in_standard_errors_and_by_chow() {
    let dir = Dir::new();
    halves(&dir);
    for name in ["a", "b"] {
        dir.streamreg(&format!(
            "fit {name}.csv -t y -o r.txt --save-state {name}.sreg --save-model {name}.json"
        ))
        .success();
    }
    let [a, b, all] = ["a", "b", "all"].map(|name| dir.fit(&format!("{name}.csv -t y")));
    let compared = dir.streamreg("compare a.sreg b.sreg --format json").success().json();
    // By hand: residual sums of squares of both, and of the fit to all rows.
    let rss = |fit: &Value| number(fit, "glance/deviance");
    let (k, d) = (2.0, 76.0);
    let f = ((rss(&all) - rss(&a) - rss(&b)) / k) / ((rss(&a) + rss(&b)) / d);
    close("F", number(&compared, "chow/statistic"), f, 1e-10);
    assert_eq!((number(&compared, "chow/df"), number(&compared, "chow/df_residual")), (k, d));
    // With two degrees of freedom in the numerator the tail is a power.
    close("p", number(&compared, "chow/p_value"), (1.0 + k * f / d).powf(-d / 2.0), 1e-9);
    for term in 0..2 {
        let of = |fit: &Value, field: &str| number(fit, &format!("coefficients/{term}/{field}"));
        let difference = of(&b, "estimate") - of(&a, "estimate");
        let se = (of(&a, "std_error").powi(2) + of(&b, "std_error").powi(2)).sqrt();
        let got = |field: &str| number(&compared, &format!("terms/{term}/{field}"));
        close("difference", got("difference"), difference, 1e-12);
        close("standard error", got("std_error"), se, 1e-12);
        close("z", got("statistic"), difference / se, 1e-12);
    }
    // Models tell the same but for the test; one of each does.
    for (old, new) in [("a.json", "b.json"), ("a.sreg", "b.json"), ("a.json", "b.sreg")] {
        let other = dir.streamreg(&format!("compare {old} {new} --format json")).success().json();
        assert_eq!(other["terms"], compared["terms"]);
        assert_eq!(other["chow"], Value::Null);
        assert!(other["notes"][0].as_str().unwrap().contains("two states"), "{other}");
    }
    let table = dir.streamreg("compare a.sreg b.sreg").success();
    table.check(
        table.stdout.contains("Chow test: F = ") && table.stdout.contains("on 2 and 76 df"),
        "the test",
    );
    let csv = dir.streamreg("compare a.sreg b.sreg --format csv").success().csv();
    assert_eq!(csv[0], ["term", "of", "old", "new", "difference", "std.error", "statistic", "p.value"]);
    assert_eq!(csv[2][6].parse::<f64>().unwrap(), number(&compared, "terms/1/statistic"));
    let z = number(&compared, "terms/1/statistic").abs().max(number(&compared, "terms/0/statistic").abs());
    dir.streamreg(&format!("compare a.sreg b.sreg --max-shift {}", z * 1.001)).success();
    let outcome = dir.streamreg(&format!("compare a.sreg b.sreg --max-shift {}", z * 0.999)).run().code(7);
    outcome.check(
        outcome.stderr.contains("moved by") && outcome.stderr.contains("\"x\""),
        "the coefficient by name",
    );
    outcome.check(outcome.stdout.contains("Chow"), "the result is printed all the same");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let dir = Dir::new();
    halves(&dir);
    dir.streamreg("fit a.csv -t y -o r.txt --save-state a.sreg --save-model a.json").success();
    dir.streamreg("fit a.csv b.csv -t y -o r.txt --save-state ab.sreg").success();
    dir.streamreg("fit b.csv -t y --ridge 1 -o r.txt --save-model r.json").success();
    dir.streamreg("fit b.csv 'y ~ x + I(x^2)' -o r.txt --save-model q.json").success();
    // Rows in both are not independent.
    let shared = dir.streamreg("compare a.sreg ab.sreg").success();
    shared.check(
        shared.stdout.contains("no Chow test: ") && shared.stdout.contains("a.csv"),
        "the file in both",
    );
    let penalised = dir.streamreg("compare a.json r.json").success();
    penalised.check(penalised.stdout.contains("r.json has no standard errors: the fit had a penalty"), "why");
    dir.streamreg("compare a.json r.json --max-shift 3").run().code(7);
    let terms = dir.streamreg("compare a.json q.json --format csv").success().csv();
    assert_eq!((&*terms[3][0], &*terms[3][1], &*terms[3][2]), ("I(x^2)", "new", ""));
    let outcome = dir.streamreg("compare a.json q.json --max-shift 1e9").run().code(0);
    outcome.check(outcome.stderr.contains("does not count \"I(x^2)\""), "the term that is not counted");
    let same = dir.streamreg("compare a.json a.json").success();
    same.check(
        same.stdout.contains("both models have the rows of ") && same.stdout.contains("a.csv: "),
        "the file in both",
    );
    dir.write("g.csv", "g,x,y,z\na,1,1,2\na,2,3,1\na,3,4,4\nb,1,2,2\nb,3,3,5\nb,4,5,4\n");
    dir.streamreg("fit g.csv 'y ~ x' --by g -q -o r.txt --save-state groups.sreg").success();
    dir.streamreg("compare a.json groups.sreg").fails(2, &["groups.sreg", "many groups"]);
    dir.streamreg("fit g.csv -t y,z -f x -q -o r.txt --save-state two.sreg").success();
    dir.streamreg("compare two.sreg a.json").fails(2, &["two.sreg", "several targets"]);
    dir.streamreg("compare a.json none.json").fails(3, &["none.json"]);
    dir.streamreg("compare a.json a.csv").fails(3, &["a.csv", "not a model file"]);
    dir.streamreg("compare a.json a.json --max-shift 0").fails(2, &["--max-shift"]);
}

#[test]
fn a_run_that_fails_late_leaves_side_files_as_they_were() {
    let dir = Dir::new();
    let good = to_csv(&table(30_000, 2, 1));
    dir.write("d.csv", &good);
    dir.write("late.csv", good + "1,oops,1\n");
    let outputs = [
        ("fit -t y --solver sgd --epochs 3", "--trace t.jsonl --plot p.svg -o r.txt"),
        ("fit -t y --cv 5", "--folds-out f.csv --vcov-out v.csv -o r.txt --save-model m.json"),
    ];
    for (command, files) in outputs {
        let (line, names): (_, Vec<&str>) = (
            format!("{command} {files} --metrics-file m.prom"),
            files.split(' ').skip(1).step_by(2).collect(),
        );
        dir.streamreg(&line).arg("d.csv").run().code(0);
        let read = |name: &&str| std::fs::read(dir.path(name)).unwrap();
        let before: Vec<Vec<u8>> = names.iter().map(read).collect();
        let (listed, success) = (dir.files(), metrics(&dir.read("m.prom")));
        let late = format!("{line} --schema x2=number");
        dir.streamreg(&late).arg("late.csv").fails(3, &["late.csv", "line 30002", "oops"]);
        assert_eq!(names.iter().map(read).collect::<Vec<_>>(), before, "{command}");
        assert_eq!(dir.files(), listed, "{command}");
        let failure = metrics(&dir.read("m.prom"));
        assert_eq!((success["streamreg_success"], failure["streamreg_success"]), (1.0, 0.0));
        assert_eq!(failure["streamreg_exit_code"], 3.0);
        let last = "streamreg_last_success_timestamp_seconds";
        assert_eq!(failure[last], success[last]);
    }
}

#[test]
fn steps_of_a_job_are_watched_as_commands_are() {
    let dir = dir();
    dir.write(
        "job.toml",
        "[[step]]\ncommand = \"fit\"\nfiles = \"d.csv\"\nmodel.target = \"y\"\noutput.output = \"r.txt\"\n\
         run.metrics-file = \"fit.prom\"\n\n\
         [[step]]\ncommand = \"fit\"\nfiles = \"d.csv\"\nmodel.target = \"y\"\noutput.output = \"s.txt\"\n\
         run.metrics-file = \"second.prom\"\nconditions.assert = \"r.squared > 2\"\n",
    );
    let outcome = dir.streamreg("run job.toml --log-format json").run().code(7);
    let all = events(&outcome);
    outcome.check(
        names(&all) == ["start", "start", "done", "start", "error"],
        "the job, two steps, and the failure",
    );
    let of = |name: &str| metrics(&dir.read(name))["streamreg_exit_code"];
    assert_eq!((of("fit.prom"), of("second.prom")), (0.0, 7.0));
    let warned = with(dir.streamreg("run job.toml"), &[("STREAMREG_THREDS", "2")]).run().code(7);
    warned.check(warned.stderr.matches("STREAMREG_THREDS").count() == 1, "one warning for the whole job");
    // The environment stands above the file.
    with(dir.streamreg("run job.toml"), &[("STREAMREG_ASSERT", "r.squared > 0.1")]).success();
    assert_eq!(of("second.prom"), 0.0);
}
