//! Predictions for many files: an output for each, skipped where it is up to date, after kills too.
//!
//! `STREAMREG_KILLS=100` kills the command at as many moments.

use std::time::{Duration, SystemTime};

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::util::{Dir, Random, batch, csv, kills, table, write_parquet};

/// y = 1 + 2 x, and three days of data in Hive folders.
fn days() -> Dir {
    let dir = Dir::new();
    dir.write("train.csv", "x,y\n1,3\n2,5\n3,7\n4,9.0\n");
    dir.streamreg("fit train.csv -t y --save-model m.json -q").run().code(0);
    for day in 1..=3 {
        dir.write(&format!("in/day={day}/a.csv"), format!("x,id\n{day},1\n{},2\n", 10 * day));
    }
    dir
}

fn predictions(dir: &Dir, name: &str) -> Vec<f64> {
    let rows = csv(&dir.read(name));
    let at = rows[0].iter().position(|name| name == "prediction").unwrap();
    rows[1..].iter().map(|row| row[at].parse::<f64>().unwrap().round()).collect()
}

/// Names of the files below `out`, without hidden ones.
fn outputs(dir: &Dir) -> Vec<String> {
    let all = dir.files().into_iter().filter(|name| name.starts_with("out"));
    all.filter(|name| !name.contains("/.")).collect()
}

#[test]
fn every_file_has_its_output() {
    let dir = days();
    dir.streamreg("predict m.json in --output-dir out --format csv --keep day,id").success();
    assert_eq!(outputs(&dir), ["out/day=1/a.csv", "out/day=2/a.csv", "out/day=3/a.csv"]);
    assert_eq!(predictions(&dir, "out/day=2/a.csv"), [5.0, 41.0]);
    assert!(dir.read("out/day=2/a.csv").starts_with("day,id,prediction\n2,1,"));
    // However the files are named, they keep the folders of their keys.
    for (k, named) in
        ["'in/*/*.csv'", "in/day=3 in/day=1 in/day=2", "in/day=1/a.csv in/day=2/a.csv in/day=3/a.csv"]
            .into_iter()
            .enumerate()
    {
        dir.streamreg(&format!("predict m.json {named} --output-dir out{k} --format csv --keep day,id"))
            .success();
        for name in outputs(&dir).iter().filter(|name| name.starts_with("out/")) {
            assert_eq!(dir.read(name), dir.read(&name.replacen("out", &format!("out{k}"), 1)), "{named}");
        }
    }
    dir.streamreg("predict m.json 'in/*/*.csv' --output-dir p").success();
    let read = dir.streamreg("inspect p --format json").success().json();
    assert_eq!(read["rows"], 6, "{read:#}");
}

#[test]
fn outputs_that_are_up_to_date_are_skipped() {
    for form in ["parquet", "csv"] {
        let dir = days();
        let predict = |more: &str| {
            let line = format!("predict m.json in --output-dir out --format {form} {more}");
            dir.streamreg(&line).run().code(0).stderr
        };
        let skipped = |stderr: &str| -> usize {
            let counted = stderr.strip_prefix("streamreg: ").and_then(|line| line.split(' ').next());
            counted.map_or(0, |count| count.parse().unwrap_or_else(|_| panic!("{stderr}")))
        };
        assert_eq!(predict(""), "");
        let again = predict("");
        assert!(again.starts_with("streamreg: 3 of 3 outputs are up to date"), "{again}");
        assert_eq!(predict("-q"), "");
        assert_eq!(predict("--force"), "");
        // What else is asked for is another output; so is that of another model.
        assert_eq!(skipped(&predict("--keep id")), 0, "{form}");
        assert_eq!(skipped(&predict("--keep id")), 3, "{form}");
        assert_eq!(skipped(&predict("--keep id --where 'x > 2'")), 0, "{form}");
        assert_eq!(skipped(&predict("")), 0, "{form}");
        dir.write("train.csv", "x,y\n1,4\n2,6\n3,8\n4,10.0\n");
        dir.streamreg("fit train.csv -t y --save-model m.json -q").run().code(0);
        assert_eq!(skipped(&predict("")), 0, "{form}");
        // A new file, and one that changed, whatever the clock says: its time stays what it was.
        dir.write("in/day=4/a.csv", "x,id\n4,1\n");
        let path = dir.path("in/day=2/a.csv");
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "x,id\n7,1\n77,2\n").unwrap();
        let set = |to: SystemTime| {
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(to).unwrap();
        };
        set(time);
        assert_eq!(skipped(&predict("")), 2, "{form}");
        assert_eq!(skipped(&predict("")), 4, "{form}");
        // Touched, and set back by ten years: the bytes are the same.
        set(SystemTime::now() + Duration::from_secs(1_000));
        assert_eq!(skipped(&predict("")), 4, "{form}");
        set(time - Duration::from_secs(300_000_000));
        assert_eq!(skipped(&predict("")), 4, "{form}");
        // An output that somebody else wrote is none.
        std::fs::write(dir.path(&format!("out/day=1/a.{form}")), "x\n1\n").unwrap();
        assert_eq!(skipped(&predict("")), 3, "{form}");
        std::fs::remove_file(dir.path(&format!("out/day=1/a.{form}"))).unwrap();
        assert_eq!(skipped(&predict("")), 3, "{form}");
    }
    let dir = days();
    dir.streamreg("predict m.json in --output-dir out").success();
    let file = std::fs::File::open(dir.path("out/day=1/a.parquet")).unwrap();
    let file = SerializedFileReader::new(file).unwrap();
    let pairs = file.metadata().file_metadata().key_value_metadata().unwrap();
    let own = pairs.iter().find(|pair| pair.key == "streamreg.predictions").unwrap();
    let origin: serde_json::Value = serde_json::from_str(own.value.as_ref().unwrap()).unwrap();
    assert_eq!(origin["input"]["bytes"], 14, "{origin:#}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let dir = days();
    let fails = |line: &str, code: i32, words: &[&str]| {
        dir.streamreg(&format!("predict m.json {line}")).fails(code, words);
    };
    dir.write("x/a.csv", "x\n1\n");
    dir.write("y/a.csv", "x\n1\n");
    dir.write("x/b.csv.gz", "x\n1\n");
    let before = dir.files();
    fails("x/a.csv y/a.csv --output-dir out", 2, &["x/a.csv", "y/a.csv", "out/a.parquet", "two folders"]);
    fails("'x/a*' --output-dir x --format csv", 2, &["x/a.csv", "one of the inputs"]);
    fails("in --output-dir in/p", 2, &["in/p/day=1/a.parquet", "read as an input"]);
    fails("'in/**/*.*' --output-dir in/p", 2, &["in/p/day=1/a.parquet", "read as an input"]);
    fails("in --output-dir m.json", 2, &["m.json", "a folder"]);
    fails("in --output-dir out --union-by-name", 2, &["union-by-name", "no effect"]);
    for (line, word) in [
        ("in --output-dir out -o p.csv", "--output"),
        ("in --format csv", "--output-dir"),
        ("in --force", "--output-dir"),
        ("--at x=1 --where 'x > 1'", "--where"),
        ("--at x=1 --with 'z = 1'", "--with"),
    ] {
        let refused = dir.streamreg(&format!("predict m.json {line}")).run().code(2);
        refused.check(refused.stderr.contains(word), word);
    }
    assert_eq!(dir.files(), before);
}

#[test]
fn an_error_ends_it_and_what_is_complete_stays() {
    let dir = days();
    dir.write("in/day=2/a.csv", "z,id\n1,1\n");
    dir.streamreg("predict m.json in --output-dir out")
        .fails(3, &["in/day=2/a.csv", "\"x\"", "1 of 3 files have their predictions", "goes on there"]);
    assert_eq!(outputs(&dir), ["out/day=1/a.parquet"]);
    dir.write("in/day=2/a.csv", "x,id\n1,1\n");
    let rest = dir.streamreg("predict m.json in --output-dir out").run().code(0);
    rest.check(rest.stderr.starts_with("streamreg: 1 of 3 outputs are up to date"), "the first one is there");
    assert_eq!(outputs(&dir).len(), 3);
}

/// Options of CSV files are for the files that are CSV.
#[test]
fn files_of_several_formats() {
    let dir = days();
    dir.write("mixed/a.csv", "x\n1\n-9\n");
    write_parquet(&dir.path("mixed/b.parquet"), &batch(&[("x".into(), vec![2.0])]), Default::default());
    dir.streamreg("predict m.json mixed --output-dir out --format csv --null=-9 -q").success();
    assert_eq!(outputs(&dir), ["out/a.csv", "out/b.csv"]);
    dir.streamreg("predict m.json mixed/b.parquet --output-dir out --null=-9")
        .fails(2, &["--null", "no effect"]);
}

#[test]
fn a_killed_command_goes_on_file_by_file() {
    for form in ["parquet", "csv"] {
        let dir = days();
        for file in 0..6 {
            let rows = batch(&table(60_000, 2, file));
            let rows = rows.project(&[0, 1]).unwrap();
            let columns = rows.columns().iter().cloned();
            let names = ["x", "id"].into_iter().zip(columns);
            write_parquet(
                &dir.path(&format!("big/part={}/f{file}.parquet", file % 2)),
                &crate::util::arrays(names),
                Default::default(),
            );
        }
        let line =
            format!("predict m.json big --output-dir out --format {form} --keep '*' --interval prediction");
        let clean = || {
            let _ = std::fs::remove_dir_all(dir.path("out"));
        };
        clean();
        dir.streamreg("fit train.csv 'y ~ x' --save-model m.json -q").run().code(0);
        let (_, full) = dir.streamreg(&line).run_or_kill(None);
        let read = || -> Vec<(String, Vec<u8>)> {
            let names = dir.files().into_iter().filter(|name| name.starts_with("out/"));
            // When an output was written is not part of it.
            let names = names.filter(|name| !name.ends_with(".origin"));
            names.map(|name| (name.clone(), std::fs::read(dir.path(&name)).unwrap())).collect()
        };
        let expected = read();
        assert_eq!(expected.len(), 6);
        let (mut random, mut resumed) = (Random::new(5), 0);
        for round in 0..kills(20) {
            clean();
            let mut tries = 0;
            while !dir
                .streamreg(&line)
                .run_or_kill((tries < 3).then(|| full.mul_f64(random.below(1_000) as f64 / 900.0)))
                .0
            {
                tries += 1;
                resumed += usize::from(!outputs(&dir).is_empty());
            }
            assert!(read() == expected, "{form}: round {round}: {:?}", dir.files());
        }
        assert!(resumed > 0, "{form}: no kill came between two outputs");
        let last = dir.streamreg(&line).run().code(0).stderr;
        assert!(last.starts_with("streamreg: 6 of 6 outputs"), "{last}");
    }
}
