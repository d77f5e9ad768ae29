//! What someone meets who has just heard of the program: formulas among the files, misspelt names, options that would do
//! nothing, the screens of a terminal and of a pipe.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use streamreg::{Batches, Execution, FitReport, Format, Regression, RenderOptions, Solver, Vcov, render};

use crate::util::{Dir, arrays, batch, numbers_only, table, to_csv, write_parquet};

fn dir() -> Dir {
    let dir = Dir::new();
    let mut columns = table(60, 3, 7);
    columns.insert(0, ("store".into(), (0..60).map(|i| f64::from(i % 5)).collect()));
    dir.write("d.csv", to_csv(&columns));
    write_parquet(&dir.path("d.parquet"), &batch(&columns), Default::default());
    let text =
        (0..60).map(|i| format!("{},{},{}\n", f64::from(i).sin(), i, ["north", "south"][i as usize % 2]));
    dir.write("g.csv", "y,x,region\n".to_owned() + &text.collect::<String>());
    dir
}

#[test]
fn a_formula_stands_among_the_files() {
    let dir = dir();
    let wanted = dir.streamreg("fit d.csv -t y -f x1,x2 --format glance").success().stdout;
    for line in [
        "fit d.csv 'y ~ x1 + x2' --format glance",
        "fit 'y ~ x1 + x2' d.csv --format glance",
        "fit d.csv '~ x1 + x2' -t y --format glance",
        "fit d.csv --formula 'y ~ x1 + x2' --format glance",
    ] {
        assert_eq!(dir.streamreg(line).success().stdout, wanted, "{line}");
    }
    // A file may have any name.
    std::fs::copy(dir.path("d.csv"), dir.path("y ~ x1")).unwrap();
    dir.streamreg("fit 'y ~ x1' -t y -f x1,x2").success();
    dir.streamreg("fit 'old.csv~' -t y").fails(3, &["old.csv~"]);
    dir.streamreg("fit '~/old.csv' -t y").fails(3, &["~/old.csv"]);
    for path in ["nope~x.csv", "dir~x/nope.csv", "d*~.csv", "PROGRA~1.parquet", "old~x.svm", "a~b.csv.gz"] {
        let out = dir.streamreg(&format!("fit {path} 'y ~ x1'")).run().code(3);
        out.check(out.stderr.contains(path), "it is a file, and not there");
    }
    let out = dir.streamreg("fit d.csv 'y ~'").run().code(2);
    out.check(out.stderr.contains("expected a term after"), "an error of the formula");
    dir.streamreg("fit d.csv y~x1+x2 --format glance").success();
    dir.streamreg("fit d.csv --formula '-1 + x1' -t y").success();
    dir.streamreg("fit 'y ~ x2'").fails(2, &["no file"]);
    // A formula without quotes, as the shell hands it on.
    dir.streamreg("fit d.csv y /home/user x1").fails(3, &["no file y", "single quotes"]);
    dir.streamreg("fit d.csv -t y -f x1 x2").fails(3, &["no file x2", "commas"]);
    dir.streamreg("fit - -t y").fails(3, &["standard input"]);
    dir.streamreg("fit d.csv 'y ~ x2' 'y ~ x3'").fails(2, &["two formulas"]);
    dir.streamreg("fit d.csv 'y ~ x2' --formula 'y ~ x3'").fails(2, &["two formulas"]);
    dir.streamreg("fit d.csv 'y ~ x2' -f x3").fails(2, &["names the features"]);
    dir.streamreg("fit d.csv 'y ~ x2' -t y").fails(2, &["names the response"]);
    dir.streamreg("fit d.csv").fails(2, &["no target", "`y ~ x1 + x2`", "\"x3\""]);
}

/// Wrong names, and the right one that the message has.
#[test]
fn misspelt_names_get_the_nearest() {
    let dir = dir();
    dir.streamreg("fit g.csv -t y -f region --save-model m.json").success();
    for (line, code, meant) in [
        // Commands.
        ("fti d.csv -t y", 2, "\"fit\""),
        ("predit m.json g.csv", 2, "'predict'"),
        ("eval m.json g.csv", 2, "'evaluate'"),
        ("isnpect d.csv", 2, "'inspect'"),
        ("man predcit", 2, "'predict'"),
        // Options.
        ("fit d.csv --traget y", 2, "'--target'"),
        ("fit d.csv -t y --feature x1", 2, "'--features'"),
        ("fit d.csv -t y --clusters store", 2, "'--cluster'"),
        ("fit d.csv -t y --outptu o.csv", 2, "'--output'"),
        ("fit d.csv -t y --lambda 1", 2, "'--lambdas'"),
        ("fit d.csv -t y --stritc", 2, "'--strict'"),
        // Values of options.
        ("fit d.csv -t y --solver choleski", 2, "'cholesky'"),
        ("fit d.csv -t y --format markdwon", 2, "'markdown'"),
        ("fit d.csv -t y --missing indicators", 2, "'indicator'"),
        ("fit d.csv -t y --weights x1 --weight-type freq", 2, "'frequency'"),
        ("fit d.csv -t y --schema x1=nubmer", 2, "number"),
        // Columns, levels, terms, functions, endings.
        ("fit d.csv -t y -f sotre", 3, "\"store\""),
        ("fit d.csv 'y ~ stores'", 3, "\"store\""),
        ("fit d.csv -t y --where 'stroe > 1'", 3, "\"store\""),
        ("fit d.csv -t y --by Store", 3, "\"store\""),
        ("fit g.csv -t y -f region --reference region=nort", 3, "\"north\""),
        ("fit g.csv -t y -f x,region --test 'regoin[T.south] = 0'", 2, "\"region[T.south]\""),
        ("fit d.csv -t y --with 'a = sqtr(x1)'", 2, "\"sqrt\""),
        ("fit d.csv 'y ~ logg(x1)'", 2, "log"),
        ("fit d.csv -t y -o out.jsn", 2, ".json"),
    ] {
        let out = dir.streamreg(line).run().code(code);
        let told = out.stderr.starts_with("streamreg: ") && out.stderr.contains(meant);
        out.check(told && out.stdout.is_empty(), &format!("{meant}, behind `streamreg: `"));
    }
}

#[test]
fn a_list_has_ten_names_at_most() {
    let dir = Dir::new();
    let names: Vec<String> = (0..300).map(|j| format!("column {j}")).collect();
    let cells: Vec<String> = (0..300).map(|j| j.to_string()).collect();
    dir.write("wide.csv", format!("{}\n{}\n", names.join(","), cells.join(",")));
    let columns =
        |line: &str, code: i32| dir.streamreg(line).run().code(code).stderr.matches("\"column ").count();
    assert_eq!(columns("fit wide.csv -t zzz", 3), 10);
    assert_eq!(columns("fit wide.csv -t 'column 1' --where 'zzz > 1'", 3), 10);
    assert_eq!(columns("fit wide.csv", 2), 9);
    // Text alone leaves nothing to explain by.
    let texts: Vec<String> = (0..40).map(|j| format!("column {j}")).collect();
    dir.write(
        "text.csv",
        format!("y,{}\n1,{}\n2,{}\n", texts.join(","), "a,".repeat(39) + "a", "b,".repeat(39) + "b"),
    );
    assert_eq!(columns("fit text.csv -t y", 3), 9);
}

/// Options that would change nothing in a combination, and a word of the reason.
#[test]
fn options_without_effect_are_refused() {
    let dir = dir();
    dir.streamreg("fit d.csv -t y --save-model m.json").success();
    let direct = "fit d.csv -t y";
    let penalised = "fit d.csv -t y --lasso 0.1";
    let iterative = "fit d.csv -t y --solver sgd";
    let groups = "fit d.csv -t y -f x1 --by store";
    let parquet = "fit d.parquet -t y";
    for (with, option, why) in [
        // Files of other formats.
        (parquet, "--delimiter ;", "none of the files is CSV"),
        (parquet, "--no-header", "none of the files is CSV"),
        (parquet, "--null x", "none of the files is CSV"),
        (parquet, "--schema x1=text", "none of the files is CSV"),
        ("inspect d.parquet", "--null x", "none of the files is CSV"),
        ("predict m.json d.parquet", "--schema x1=text", "none of the files is CSV"),
        ("evaluate m.json d.parquet", "--no-header", "none of the files is CSV"),
        // The model.
        ("fit d.csv -t y -f x1,x2", "--exclude x3", "named one by one"),
        ("fit d.csv 'y ~ x1'", "--exclude x3", "named one by one"),
        (direct, "--contrasts sum", "no category"),
        (direct, "--max-levels 10", "no category"),
        (direct, "--hash-bits 8", "no category"),
        (direct, "--categorical zzz", "not in the data"),
        ("fit d.csv -t y -f x1", "--categorical store", "no term of the model"),
        (direct, "--reference x1=1", "not a category"),
        ("fit d.csv 'y ~ x1'", "--with 'z = x2 + 1'", "does not use it"),
        // Intervals.
        (direct, "--conf-level 0.9", "shows no intervals"),
        (direct, "--conf-level 0.9 --format glance", "shows no intervals"),
        (direct, "--conf-level 0.9 -o r.txt", "shows no intervals"),
        (penalised, "--conf-level 0.9 --format json", "no intervals"),
        (iterative, "--conf-level 0.9 --format json", "no intervals"),
        ("predict m.json d.csv", "--conf-level 0.9", "required arguments were not provided"),
        // Solving.
        (penalised, "--rank-tol 1e-8", "a penalty decides"),
        (penalised, "--collinear drop", "a penalty decides"),
        (penalised, "--no-escalate", "read once"),
        (penalised, "--solver qr", "must be auto or cholesky"),
        (iterative, "--rank-tol 1e-8", "sets no column aside"),
        (iterative, "--collinear drop", "sets no column aside"),
        (iterative, "--precision float", "works in float64"),
        (iterative, "--precision exact", "works in float64"),
        (iterative, "--no-escalate", "pass by pass"),
        (iterative, "--strict", "neither dependent columns nor digits"),
        (groups, "--no-escalate", "read once"),
        (groups, "--solver svd", "must be auto or cholesky"),
        ("fit d.csv -t y --solver cholesky", "--no-escalate", "only the solver auto"),
        ("fit d.csv -t y --solver qr", "--no-escalate", "only the solver auto"),
        ("fit d.csv -t y --precision exact", "--no-escalate", "never need a second pass"),
        // Standard errors.
        (direct, "--ssc none", "small-sample"),
        (penalised, "--ssc none", "no standard errors"),
        (iterative, "--ssc none", "no standard errors"),
        (direct, "--test x1=0 --format tidy", "does not show it"),
        (direct, "--test x1=0 -o t.csv", "does not show it"),
        ("fit d.csv -t y --vcov hc1", "--ssc nested", "small-sample"),
        (penalised, "--vcov hc1", "no standard errors"),
        (penalised, "--test x1=0", "no standard errors"),
        (penalised, "--cluster store", "no standard errors"),
        (iterative, "--vcov hc1", "no standard errors"),
        (iterative, "--vcov-out v.csv", "no standard errors"),
        (groups, "--vcov-out v.csv", "--by makes many"),
        // Penalties.
        (direct, "--cv 5 --cv-rule 1se", "need a penalty"),
        (direct, "--cv 5 --format tidy", "does not show the error of rows held out"),
        (groups, "--cv 5", "not cross-validated"),
        (iterative, "--cv 5", "no error of rows held out by folds"),
        ("fit d.csv -t y --solver qr", "--cv 5", "must be auto or cholesky"),
        (direct, "--standardized --format glance", "shows no coefficients"),
        (penalised, "--standardized", "there are none"),
        (iterative, "--standardized", "there are none"),
        (groups, "--standardized", "there are none"),
        (direct, "--lambdas 10", "need a penalty"),
        (direct, "--penalty-scale glmnet", "need a penalty"),
        (direct, "--l1-ratio 0.5", "required arguments were not provided"),
        (penalised, "--lambdas 1,0.5 --format tidy", "does not show it"),
        (penalised, "--cv-rule 1se", "required arguments were not provided"),
        (penalised, "--cv-group store", "required arguments were not provided"),
        (penalised, "--folds-out f.csv", "required arguments were not provided"),
        (penalised, "--cv 5", "say --lasso auto"),
        (direct, "--seed 1", "needs --cv or an iterative"),
        // Iterative solvers.
        (direct, "--epochs 5", "add --solver"),
        (direct, "--tol 0.1", "add --solver"),
        (direct, "--learning-rate adam", "add --solver"),
        (direct, "--batch-size 10", "add --solver"),
        (direct, "--held-out 0.1", "add --solver"),
        (direct, "--warm-start m.json", "add --solver"),
        (direct, "--trace t.jsonl", "add --solver"),
        (direct, "--plot p.svg", "add --solver"),
        (iterative, "--delta 1", "--loss huber"),
        (iterative, "--quantile 0.9", "--loss quantile"),
        (iterative, "--epsilon 1", "--loss epsilon-insensitive"),
        (iterative, "--eta0 0.1", "--learning-rate"),
        (iterative, "--power-t 0.5", "inverse-scaling"),
        (iterative, "--momentum 0.5", "constant or inverse-scaling"),
        (iterative, "--patience 3", "is for rows held out"),
        (iterative, "--held-out 0.2 --learning-rate constant --eta0 0.1 --tol 0.1", "rows held out"),
        ("fit g.csv -t y -f region --hash-bits 4", "--max-levels 10", "hashed categories"),
        ("fit g.csv -t y -f region --hash-bits 4", "--contrasts treatment", "hashed categories"),
        ("fit d.csv -t y --solver cg", "--batch-size 10", "no batches"),
        ("fit d.csv -t y --solver qr", "--epochs 5", "iterative solver"),
        // Weights and progress.
        (direct, "--weight-type analytic", "required arguments were not provided"),
        (direct, "--progress json --quiet", "contradict"),
        ("inspect d.csv", "--progress json", "only --verify"),
        ("fit d.csv -t y --schema x1=number", "--schema x1=text", "two types"),
    ] {
        let line = format!("{with} {option}");
        let out = dir.streamreg(&line).run();
        let refused = out.code.is_some_and(|code| code == 2 || code == 3);
        let known = !out.stderr.contains("unexpected argument");
        out.check(refused && known && out.stderr.contains(why), &format!("{line}: refused, with {why:?}"));
        // The rest of the line is sound.
        dir.streamreg(with).run().code(0);
    }
    assert_eq!(dir.files(), ["d.csv", "d.parquet", "g.csv", "m.json"], "nothing was written");
}

/// `--loss squared` is what least squares minimise: it asks for no other solver.
#[test]
fn the_loss_of_least_squares_changes_nothing() {
    let dir = dir();
    let plain = dir.streamreg("fit d.csv -t y").success().stdout;
    assert_eq!(dir.streamreg("fit d.csv -t y --loss squared").success().stdout, plain);
}

/// What a form has no room for stands on stderr.
#[test]
fn forms_without_room_for_notices_tell_them_on_stderr() {
    let dir = dir();
    dir.write("gaps.csv", "y,x,c\n1,1,2\n2,,2\n3.5,3,2\n4,4,2\n5.5,5,2\n");
    for form in ["tidy", "glance"] {
        let out = dir.streamreg(&format!("fit gaps.csv -t y -f x,c --format {form}")).run().code(0);
        let told =
            ["streamreg: 1 of 5 rows dropped: 1 for x null", "streamreg: Dependent: c is constant (2)"];
        told.iter().for_each(|line| out.check(out.stderr.contains(line), line));
        let quiet = dir.streamreg(&format!("fit gaps.csv -t y -f x,c --format {form} -q")).success();
        quiet.check(quiet.stderr.is_empty(), "nothing on stderr");
    }
    let table = dir.streamreg("fit gaps.csv -t y -f x,c").success();
    table.check(table.stderr.is_empty() && table.stdout.contains("1 of 5 rows dropped"), "all in the table");
}

/// A refused run leaves the learning curve of another one alone.
#[test]
fn what_learnt_nothing_writes_no_curve() {
    let dir = dir();
    dir.write("t.jsonl", "old");
    dir.streamreg("fit d.csv -t nope --solver sgd --trace t.jsonl --plot p.svg").fails(3, &["nope"]);
    assert_eq!(dir.read("t.jsonl"), "old");
    assert!(!dir.files().contains(&"p.svg".to_owned()));
}

/// One output that cannot be written loses neither the result nor the other files.
#[test]
fn outputs_do_not_depend_on_each_other() {
    let dir = dir();
    dir.write("two.csv", "y,x\n1,1\n2,2\n");
    let out = dir.streamreg("fit two.csv -t y --vcov-out v.csv --save-model m.json").run().code(3);
    out.check(
        out.stdout.contains("y ~ x") && out.stderr.contains("no covariance"),
        "the result, and the error",
    );
    assert!(dir.files().contains(&"m.json".to_owned()) && !dir.files().contains(&"v.csv".to_owned()));
}

#[test]
fn predictions_have_the_level_of_the_fit() {
    let dir = dir();
    let fit = "fit d.csv 'y ~ x1' -q --format tidy --save-model";
    dir.streamreg(&format!("{fit} half.json --conf-level 0.5")).success();
    dir.streamreg(&format!("{fit} m.json")).success();
    let predict =
        |line: &str| dir.streamreg(&format!("predict {line} d.csv --interval confidence")).success().stdout;
    assert_eq!(predict("half.json"), predict("m.json --conf-level 0.5"));
    assert_eq!(predict("m.json"), predict("half.json --conf-level 0.95"));
}

#[test]
fn the_ending_of_the_output_decides_its_form() {
    let dir = dir();
    for (file, format) in
        [("r.json", "json"), ("r.csv", "tidy"), ("r.md", "markdown"), ("r.txt", "table"), ("r", "table")]
    {
        dir.streamreg(&format!("fit d.csv -t y -o {file}")).success();
        let wanted = dir.streamreg(&format!("fit d.csv -t y --format {format}")).success().stdout;
        let beginning = |text: &str| text.chars().take(200).collect::<String>();
        assert_eq!(beginning(&dir.read(file)), beginning(&wanted), "{file}");
    }
    dir.streamreg("fit d.csv -t y -o r.csv --format glance").success();
    assert!(dir.read("r.csv").starts_with("r.squared,"));
    dir.streamreg("fit d.csv -t y -o r.parquet").fails(2, &["r.parquet", ".json"]);
    dir.streamreg("fit d.csv -t y -f x1 --by store -o g.json").success();
    assert!(dir.read("g.json").starts_with("{\n\"schema_version\""));
}

/// A file that stands where a stream might is written whole; a stream is gone on with.
#[cfg(target_os = "linux")]
#[test]
fn streams_are_gone_on_with_and_files_are_replaced() {
    let dir = dir();
    let shared = tempfile::Builder::new().prefix("streamreg-test-").tempdir_in("/dev/shm").unwrap();
    let path = shared.path().join("m.json");
    std::fs::write(&path, "old").unwrap();
    let fit = || dir.streamreg("fit d.csv -t y --save-model").arg(&path);
    fit().success();
    assert!(streamreg::Model::load(&path).is_ok());
    let log = dir.write("log.txt", "header\n");
    let out = std::fs::File::options().append(true).open(&log).unwrap();
    let mut command = crate::util::program(env!("CARGO_BIN_EXE_streamreg"));
    command
        .args(["fit", "d.csv", "-t", "y", "-o", "/dev/stdout"])
        .current_dir(log.parent().unwrap())
        .stdout(out);
    assert!(command.status().unwrap().success());
    assert!(dir.read("log.txt").starts_with("header\ny ~ "), "{}", dir.read("log.txt"));
}

#[test]
fn several_targets_are_refused_a_covariance_before_the_fit() {
    let dir = dir();
    dir.streamreg("fit d.csv -t y,x1 -f x2 --vcov-out v.csv").fails(2, &["takes one target"]);
}

#[test]
fn a_report_of_another_version_is_refused() {
    let report = Regression::new("y").fit(&[batch(&table(20, 1, 1))]).unwrap();
    let mut value = serde_json::to_value(&report).unwrap();
    value["schema_version"] = 2.into();
    let message = serde_json::from_value::<FitReport>(value).unwrap_err().to_string();
    assert!(message.contains("a report of version 2"), "{message}");
}

#[test]
fn groups_are_never_written_over_their_input() {
    let dir = dir();
    let before = dir.read("d.csv");
    let regression = Regression::formula("y ~ x1").by(["store"]);
    let source = regression.open(&[dir.path("d.csv")]).unwrap();
    let tidy = RenderOptions::new(Format::Tidy);
    let message = streamreg::write_groups_file(&regression, source.as_ref(), &tidy, dir.path("d.csv"), None);
    assert!(message.unwrap_err().to_string().contains("one of the inputs"));
    assert_eq!(dir.read("d.csv"), before);
}

/// What is set back is not set.
#[test]
fn options_that_are_set_back_are_not_refused() {
    let columns = table(50, 2, 5);
    let regression =
        Regression::formula("y ~ x1").escalate(false).escalate(true).exclude(Vec::<String>::new());
    let lasso = regression.penalized(streamreg::Penalization::lasso(0.1));
    assert!(lasso.fit(&[batch(&columns)]).is_ok());
}

#[test]
fn shells_and_man_are_served() {
    let dir = dir();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = dir.streamreg(&format!("completions {shell}")).success().stdout;
        assert!(script.contains("--save-model") || script.contains("save-model"), "{shell}");
    }
    let page = dir.streamreg("man fit").success().stdout;
    for words in [".TH", "STANDARD ERRORS", "Threads [default: all processors]", "EXIT CODES"] {
        assert!(page.contains(words), "{words}");
    }
    dir.streamreg("man").success();
    let commands = streamreg_cli::reference();
    let commands: Vec<&str> =
        commands.lines().filter_map(|line| line.strip_prefix("## streamreg ")).collect();
    assert!(commands.len() >= 6);
    commands.iter().for_each(|command| drop(dir.streamreg(&format!("man {command}")).success()));
}

/// Reports of all kinds: least squares, robust, weighted, penalised, iterative, several responses.
fn reports() -> Vec<FitReport> {
    let columns = table(200, 3, 11);
    let fit = |regression: Regression| regression.fit(&[batch(&columns)]).unwrap();
    let lasso =
        streamreg::Penalization::chosen(streamreg::Penalty::LASSO, streamreg::CrossValidation::new(4));
    vec![
        fit(Regression::new("y")),
        fit(Regression::new("y").vcov(Vcov::Hc3).test("x1 = x2").filter("x1 > -0.5")),
        fit(Regression::formula("y ~ poly(x1, 2) + x2:x3 - 1")),
        fit(Regression::new("y").penalized(lasso)),
        fit(Regression::new("y").solver(Solver::Sgd)),
        fit(Regression::new("y").solver(Solver::Cg)),
    ]
}

#[test]
fn a_report_reads_back_from_json_and_prints_the_same() {
    for report in reports() {
        let text = serde_json::to_string(&report).unwrap();
        let again: FitReport = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        for format in <Format as streamreg::Choice>::ALL {
            let options = RenderOptions::new(*format).width(60);
            assert_eq!(
                render(std::slice::from_ref(&again), &options).unwrap(),
                render(std::slice::from_ref(&report), &options).unwrap()
            );
        }
        assert_eq!(again.to_string(), report.to_string());
        assert!(report.model().is_ok());
        let message = again.model().unwrap_err().to_string();
        assert!(message.contains("read back from JSON"), "{message}");
    }
}

#[test]
fn tables_fit_a_narrow_terminal() {
    let width = |line: &str| line.chars().count();
    for report in reports() {
        let text = format!("{report:60}");
        for line in text.lines() {
            assert!(width(line) <= 60, "{}: {line}", width(line));
        }
        // Nothing is lost: the same words, in the same order.
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let whole = report.to_string().replace("Signif. codes: ", "Signif.:");
        assert_eq!(words(&text), words(&whole));
    }
}

#[test]
fn batches_in_memory_are_read_as_often_as_needed() {
    let columns = table(150_000, 2, 3);
    let whole = batch(&columns);
    let store: ArrayRef = Arc::new(Int64Array::from_iter_values((0..150_000).map(|i| i % 97)));
    let mut named: Vec<(&str, ArrayRef)> = columns
        .iter()
        .map(|(name, x)| (name.as_str(), Arc::new(Float64Array::from(x.clone())) as ArrayRef))
        .collect();
    named.push(("store", store));
    let whole_with_store = arrays(named);
    let cut = |rows: usize| -> Vec<_> {
        (0..150_000)
            .step_by(rows)
            .map(|from| whole_with_store.slice(from, rows.min(150_000 - from)))
            .collect()
    };
    let clustered = Regression::formula("y ~ x1 + x2").cluster(["store"]);
    let wanted = clustered.fit(&cut(150_000)).unwrap();
    assert_eq!(wanted.vcov.clusters[0].clusters, 97);
    for (rows, threads) in [(7, 2), (999, 1), (70_000, 3)] {
        let mut batches = cut(rows);
        batches.insert(1, batches[0].slice(0, 0));
        let own = clustered.clone().threads(threads).fit(&batches).unwrap();
        assert_eq!(numbers_only(&own), numbers_only(&wanted), "{rows} rows a batch");
    }
    // The same from a function, and from a stream that comes once.
    let batches = cut(5_000);
    let schema = batches[0].schema();
    let again = batches.clone();
    let source =
        Batches::from_fn(schema, move || again.clone().into_iter().map(Ok::<_, arrow_schema::ArrowError>));
    assert_eq!(numbers_only(&clustered.fit_source(&source).unwrap()), numbers_only(&wanted));
    let once = Regression::new("y").fit_batches(whole.schema(), [Ok(whole.clone())]).unwrap();
    let twice = Regression::new("y").execution(Execution::default().threads(2)).fit(&[whole]).unwrap();
    let estimates = |report: &FitReport| {
        report.coefficients.iter().map(|c| (c.estimate, c.std_error)).collect::<Vec<_>>()
    };
    assert_eq!(estimates(&once), estimates(&twice));
    // Filters, groups and epochs work, too.
    let filtered = Regression::formula("y ~ x1").filter("store < 10").fit(&batches).unwrap();
    assert_eq!(filtered.ledger.rows_read, (0..150_000).filter(|i| i % 97 < 10).count() as u64);
    assert!(
        Regression::formula("y ~ x1 + x2")
            .solver(Solver::Sgd)
            .fit(&batches)
            .unwrap()
            .descent()
            .unwrap()
            .converged
    );
    let message = Regression::new("y").fit(&[]).unwrap_err().to_string();
    assert!(message.contains("no record batch"), "{message}");
    let message = Regression::formula("y ~ x1").fit(&[batches[0].slice(0, 0)]).unwrap_err().to_string();
    assert!(message.contains("no row"), "{message}");
}

#[test]
fn batches_that_do_not_fit_the_schema_are_errors() {
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 4.0]));
    let int: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let good = arrays([("y", Arc::clone(&float)), ("x", Arc::clone(&float))]);
    let message =
        |batches: &[arrow_array::RecordBatch]| Regression::new("y").fit(batches).unwrap_err().to_string();
    let other = message(&[good.clone(), arrays([("y", Arc::clone(&float)), ("x", int)])]);
    assert!(other.contains("\"x\"") && other.contains("Int64") && other.contains("Float64"), "{other}");
    let less = message(&[good, arrays([("y", float)])]);
    assert!(less.contains("\"x\"") && less.contains("no such column"), "{less}");
}
