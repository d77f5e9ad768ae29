//! Models of many groups and of several targets in one file: each row has the prediction of its own model.

use serde_json::Value;

use crate::util::{Dir, Random, close, csv, number};

/// Rows of three shops, of which each has levels of its own, and of one with a single row; two targets.
fn shops() -> Dir {
    let dir = Dir::new();
    let mut random = Random::new(3);
    let mut rows = "shop,day,kind,x,y,z\n".to_owned();
    for i in 0..240 {
        let shop = ["a", "\"b, c\"", "d"][i % 3];
        let kind = ["p", "q", "r", "s"][(i / 3) % (2 + i % 3)];
        let (x, noise) = (random.unit(), random.unit());
        let y = 1.0 + (i % 3) as f64 * x + kind.len() as f64 + 0.1 * noise;
        rows += &format!("{shop},{},{kind},{x},{y},{}\n", i % 5, y * x - noise);
    }
    dir.write("d.csv", rows + "single,1,p,0.5,2,3\n");
    dir
}

/// The shops with many rows.
const SHOPS: [&str; 3] = ["a", "b, c", "d"];

fn rows(dir: &Dir, line: &str) -> Vec<Vec<String>> {
    csv(&dir.streamreg(line).run().code(0).stdout)
}

#[test]
fn groups_have_the_predictions_of_fits_of_their_own() {
    let dir = shops();
    dir.streamreg("fit d.csv 'y ~ x + kind' --by shop --save-model m.json -o r.txt").success();
    let file: Value = serde_json::from_str(&dir.read("m.json")).unwrap();
    assert_eq!(file["streamreg_models"], 1);
    assert_eq!(file["models"].as_array().unwrap().len(), 4);
    for more in [
        "",
        "--interval prediction",
        "--columns fitted,resid,se,hat,cooksd",
        "--columns se",
        "--where 'x > 0.2'",
    ] {
        let line = format!("d.csv --keep shop {more} -q");
        let all = rows(&dir, &format!("predict m.json {line}"));
        for shop in SHOPS {
            dir.streamreg(&format!(
                "fit d.csv 'y ~ x + kind' --where \"shop = '{shop}'\" --save-model one.json -q"
            ))
            .run()
            .code(0);
            let only = if more.contains("--where") {
                format!("--where \"x > 0.2 and shop = '{shop}'\"")
            } else {
                format!("{more} --where \"shop = '{shop}'\"")
            };
            let own = rows(&dir, &format!("predict one.json d.csv --keep shop {only} -q"));
            let of_shop: Vec<&Vec<String>> =
                all.iter().filter(|row| row[0] == shop || row[0] == "shop").collect();
            assert_eq!(of_shop.len(), own.len(), "{shop} {more}");
            assert_eq!(*of_shop[0], own[0]);
            for (row, wanted) in of_shop.iter().zip(&own).skip(1) {
                for (cell, wanted) in row.iter().zip(wanted).skip(1) {
                    close(more, cell.parse().unwrap(), wanted.parse().unwrap(), 1e-9);
                }
            }
        }
    }
    // A group without degrees of freedom has predictions, and no intervals.
    let all = rows(&dir, "predict m.json d.csv --keep shop --interval confidence -q");
    assert_eq!(all.last().unwrap()[1..], ["2.0", "", ""]);
    dir.streamreg("predict m.json d.csv --keep '*' --output-dir out --format csv -q").success();
    assert_eq!(csv(&dir.read("out/d.csv")).len(), 242);
}

#[test]
fn rows_of_unknown_groups_have_none_and_are_counted() {
    let dir = shops();
    dir.streamreg("fit d.csv 'y ~ x + kind' --by shop --save-model m.json -o r.txt").success();
    dir.write("new.csv", "shop,kind,x\na,p,1\nnew,p,1\n,p,1\nd,p,\nd,p,1\n");
    let told = dir.streamreg("predict m.json new.csv --threads 1").run().code(0);
    let empty: Vec<bool> = csv(&told.stdout)[1..].iter().map(|row| row[0].is_empty()).collect();
    assert_eq!(empty, [false, true, true, true, false]);
    told.check(told.stderr.contains("2 of 5 rows have no prediction: their group has no model"), "counted");
    told.check(told.stderr.contains("1 of 5 rows have no prediction: an input is missing"), "counted");
    // A level that another group has is none of this one; the row is named as it stands in the file.
    dir.write("odd.csv", "shop,kind,x\nd,p,1\nd,s,1\na,p,1\na,p,2\na,s,2\n");
    dir.streamreg("predict m.json odd.csv -o never.csv").fails(3, &["odd.csv", "\"s\"", "row 5"]);
    let null = rows(&dir, "predict m.json odd.csv --unseen null -q");
    assert_eq!(null[1..].iter().filter(|row| row[0].is_empty()).count(), 1);
    dir.write("number.csv", "shop,kind,x\n1,p,1\n2,p,1\n");
    dir.streamreg("predict m.json number.csv")
        .fails(3, &["\"shop\"", "a number column here", "a text column"]);
    dir.streamreg("predict m.json new.csv --keep shop --where 'shop is null'").run().code(0);
}

#[test]
fn several_targets_are_several_columns() {
    let dir = shops();
    dir.streamreg("fit d.csv -t y,z -f x,kind --save-model m.json -o r.txt").success();
    let all = rows(&dir, "predict m.json d.csv --interval prediction -q");
    assert_eq!(all[0].join(","), "prediction_y,pred_low_y,pred_high_y,prediction_z,pred_low_z,pred_high_z");
    for (at, target) in ["y", "z"].into_iter().enumerate() {
        dir.streamreg(&format!("fit d.csv -t {target} -f x,kind --save-model one.json -o r.txt")).success();
        let own = rows(&dir, "predict one.json d.csv --interval prediction -q");
        let part: Vec<&[String]> = all.iter().map(|row| &row[3 * at..3 * at + 3]).collect();
        assert_eq!(part[1..], own[1..], "{target}");
    }
    dir.streamreg("fit d.csv 'cbind(log(y), z) ~ x' --by day --save-model both.json -o r.txt -q")
        .run()
        .code(0);
    let both = rows(&dir, "predict both.json d.csv --keep day -q");
    assert_eq!(both[0].join(","), "day,prediction_log(y),prediction_z");
    dir.streamreg("fit d.csv 'z ~ x' --by day --save-model z.json -o r.txt").success();
    let z = rows(&dir, "predict z.json d.csv -q");
    for (both, z) in both.iter().zip(&z).skip(1) {
        close("z", both[2].parse().unwrap(), z[0].parse().unwrap(), 1e-12);
    }
    dir.streamreg("fit d.csv -t y,z -f x --ridge 1 --save-model ridge.json -o r.txt").success();
    dir.streamreg("predict ridge.json d.csv --interval prediction").fails(2, &["the fit had a penalty"]);
}

#[test]
fn a_state_gives_the_models_of_its_groups() {
    let dir = shops();
    dir.streamreg("fit d.csv 'y ~ twice + kind' --with 'twice = 2 * x' --by shop,day --save-model m.json --save-state s.sreg -o r.txt -q")
        .run()
        .code(0);
    dir.streamreg("solve s.sreg --save-model solved.json -o s.txt -q").run().code(0);
    let line = "d.csv --interval confidence -q";
    assert_eq!(
        rows(&dir, &format!("predict m.json {line}")),
        rows(&dir, &format!("predict solved.json {line}"))
    );
    dir.streamreg("fit d.csv -t y,z -f x,kind --save-state t.sreg --save-model t.json -o r.txt -q")
        .run()
        .code(0);
    dir.streamreg("solve t.sreg --save-model solved.json -o s.txt -q").run().code(0);
    assert_eq!(rows(&dir, "predict t.json d.csv"), rows(&dir, "predict solved.json d.csv"));
}

#[test]
fn the_errors_of_all_groups_are_those_of_each() {
    let dir = shops();
    dir.streamreg("fit d.csv 'y ~ x' --by shop --save-model m.json -o r.txt").success();
    let all = dir.streamreg("evaluate m.json d.csv --by shop --format json").success().json();
    assert_eq!((all["rows"].as_u64(), all["ledger"]["rows_used"].as_u64()), (Some(241), Some(241)));
    let mut squares = 0.0;
    for shop in SHOPS {
        let only = format!("--where \"shop = '{shop}'\"");
        dir.streamreg(&format!("fit d.csv 'y ~ x' {only} --save-model one.json -q")).run().code(0);
        let own = dir.streamreg(&format!("evaluate one.json d.csv {only} --format json")).success().json();
        let groups = all["groups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["values"][0] == shop).unwrap();
        for measure in ["rows", "mse", "rmse", "mae", "r_squared"] {
            close(measure, number(group, measure), number(&own, measure), 1e-10);
        }
        squares += number(&own, "mse") * number(&own, "rows");
    }
    close("mse", number(&all, "mse"), squares / 241.0, 1e-10);
    dir.write("new.csv", "shop,x,y,day\na,1,2,10\nnew,1,2,9\na,,2,9\nd,1,3,9\n");
    let told = dir.streamreg("evaluate m.json new.csv --by day --format json").success().json();
    assert_eq!((told["rows"].as_u64(), told["ledger"]["rows_read"].as_u64()), (Some(2), Some(4)));
    assert_eq!(told["ledger"]["dropped"][0]["rows"], 1, "{told:#}");
    let days: Vec<&Value> =
        told["groups"].as_array().unwrap().iter().map(|group| &group["values"][0]).collect();
    assert_eq!(days, ["9", "10"]);
    let table = dir.streamreg("evaluate m.json new.csv").success().stdout;
    assert!(table.contains("Rows dropped") && table.contains("1 rows are left out: their group"), "{table}");
    dir.streamreg("evaluate m.json new.csv --where \"shop = 'new'\"").fails(3, &["no row can be used"]);
    dir.streamreg("fit d.csv -t y,z -f x --save-model two.json -o r.txt").success();
    let two = dir.streamreg("evaluate two.json d.csv --format json").success().json();
    dir.streamreg("fit d.csv -t z -f x --save-model z.json -o r.txt").success();
    let z = dir.streamreg("evaluate z.json d.csv --format json").success().json();
    assert_eq!(two[1]["response"], "z");
    for measure in ["rmse", "mae", "r_squared"] {
        close(measure, number(&two[1], measure), number(&z, measure), 1e-10);
    }
    assert!(dir.streamreg("evaluate two.json d.csv").success().stdout.contains("Target"));
}

#[test]
fn a_job_makes_and_applies_them() {
    let dir = shops();
    dir.write(
        "job.toml",
        "[[step]]\ncommand = 'fit'\nfiles = 'd.csv'\nformula = 'y ~ x'\nrows.by = 'shop'\noutput.save-model = 'm.json'\n\
         output.output = 'r.txt'\n[[step]]\ncommand = 'predict'\nmodel = 'm.json'\nfiles = 'd.csv'\noutput.output-dir = 'out'\n\
         run.quiet = true\n[[step]]\ncommand = 'evaluate'\nmodel = 'm.json'\nfiles = 'd.csv'\n",
    );
    let planned = dir.streamreg("run job.toml --dry-run").run().code(0).stdout;
    assert!(planned.contains("m.json is written by step 1 (fit)"), "{planned}");
    let done = dir.streamreg("run job.toml").run().code(0);
    assert!(done.stdout.contains("R-squared") && dir.path("out/d.parquet").exists(), "{}", done.stdout);
    let planned = dir.streamreg("run job.toml --dry-run").run().code(0).stdout;
    assert!(planned.contains("m.json"), "{planned}");
    dir.write("again.toml", "[[step]]\ncommand = 'evaluate'\nmodel = 'm.json'\nfiles = 'd.csv'\n");
    let planned = dir.streamreg("run again.toml --dry-run").run().code(0).stdout;
    assert!(planned.contains("m.json: models of y by shop"), "{planned}");
}

#[test]
fn what_many_models_cannot_do_is_refused() {
    let dir = shops();
    dir.streamreg("fit d.csv 'y ~ x' --by shop --save-model m.json -o r.txt").success();
    dir.streamreg("predict m.json --at x=1").fails(2, &["--at takes one model"]);
    dir.streamreg("inspect d.csv --for-model m.json").fails(3, &["m.json", "many groups or targets"]);
    dir.streamreg("fit d.csv 'y ~ x' --by shop --vcov-out v.csv").fails(2, &["--vcov-out"]);
    dir.streamreg("fit d.csv 'y ~ x' --by shop --save-model d.csv").fails(2, &["one of the inputs"]);
    dir.streamreg("fit d.csv 'y ~ x' --by shop --save-model none/m.json").fails(2, &["none"]);
    let text = dir.read("m.json");
    for (old, new, words) in [
        ("\"streamreg_models\": 1", "\"streamreg_models\": 9", "version 9"),
        ("\"response\":\"y\"", "\"response\":\"w\"", "a damaged model file"),
        ("\"estimate\":", "\"estimat\":", "a damaged model file"),
        ("\"x\"", "\"w\"", "a damaged model file"),
    ] {
        dir.write("odd.json", text.replacen(old, new, 1));
        dir.streamreg("predict odd.json d.csv").fails(3, &[words]);
        dir.streamreg("evaluate odd.json d.csv").fails(3, &[words]);
    }
    dir.write("half.json", &text[..text.len() / 2]);
    dir.streamreg("predict half.json d.csv").fails(3, &["half.json"]);
}

/// Groups are told apart by the values of the columns, not by how they are written.
#[test]
fn groups_of_an_evaluation_are_those_of_a_single_model() {
    let dir = Dir::new();
    let rows = "007,true,2020-01-02,1,2\n007,TRUE,2020-01-03,2,3\n7,true,2020-01-02,1,4\n7,false,2020-01-02,2,9\nabc,false,2020-01-03,2,5\nabc,true,2020-01-02,3,5.5\n10,true,2020-01-02,3,6\n10,false,2020-01-03,2,5\n";
    dir.write("w.csv", format!("g,b,d,x,y\n{rows}"));
    dir.write(
        "n.csv",
        "k,x,y,g\n10,1,2,a\n10.0,2,3,b\n1e1,3,3,a\n7,1,2,b\n7,2,1,a\n7,3,3,b\n7,4,4,a\n10,5,4,b\n",
    );
    let zeros = |line: &str| {
        // Models of every group without an effect predict what the single model does.
        let report = dir.streamreg(line).run().code(0).json();
        let groups = report["groups"].as_array().unwrap();
        groups.iter().map(|group| (group["values"].clone(), group["rows"].clone())).collect::<Vec<_>>()
    };
    for (file, key, columns) in [
        ("w.csv", "g", "g"),
        ("w.csv", "g", "b"),
        ("w.csv", "g", "d"),
        ("w.csv", "b", "g,b"),
        ("n.csv", "g", "k"),
    ] {
        dir.streamreg(&format!("fit {file} 'y ~ 1' --save-model one.json -q -o r.txt")).run().code(0);
        dir.streamreg(&format!("fit {file} 'y ~ 1' --by {key} --save-model many.json -q -o r.txt"))
            .run()
            .code(0);
        let of = |model: &str| zeros(&format!("evaluate {model} {file} --by {columns} --format json"));
        assert_eq!(of("many.json"), of("one.json"), "{file} {key} {columns}");
    }
}
