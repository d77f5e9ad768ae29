//! Checkpoints: passes that are killed or interrupted go on to the same bits; disks that are full leave what was there.
//!
//! `STREAMREG_KILLS=100` kills every command at as many moments.

use std::process::Stdio;
use std::time::Duration;

use crate::states::{PARTS, bytes, done, flights};
use crate::util::{Dir, Random, batch, kills, table, write_parquet};

/// Kills a command at random moments and runs it again until it is done; the outputs must be those of a run that nobody disturbed,
/// and nothing else may remain.
fn killed(dir: &Dir, line: &str, prepare: &dyn Fn(), outputs: &[&str]) {
    let rounds = kills(4);
    let line = format!("{line} --checkpoint ck --checkpoint-every 0");
    let run = |limit: Option<Duration>| dir.streamreg(&line).run_or_kill(limit);
    prepare();
    let (_, full) = run(None);
    let expected: Vec<Vec<u8>> = outputs.iter().map(|name| bytes(dir, name)).collect();
    let (mut random, mut resumed) = (Random::new(11), 0);
    for round in 0..rounds {
        prepare();
        let mut kills = 0;
        while !run((kills < 3).then(|| full.mul_f64(random.below(1_000) as f64 / 900.0))).0 {
            kills += 1;
            resumed += usize::from(
                dir.files().iter().any(|name| name.starts_with("ck/") && name.ends_with(".sreg")),
            );
        }
        for (name, expected) in outputs.iter().zip(&expected) {
            // Not by assert_eq!, which would print them.
            assert!(bytes(dir, name) == *expected, "{line}: {name}, round {round}");
        }
        let half = |name: &String| name.contains(".streamreg-") || name.starts_with("ck");
        assert!(!dir.files().iter().any(half), "{line}: round {round}: {:?}", dir.files());
    }
    // Of few kills none may come at the right time.
    assert!(resumed > 0 || rounds < 20, "{line}: no run went on from a checkpoint");
}

#[test]
fn killed_passes_go_on_to_the_same_bits() {
    let dir = Dir::new();
    let mut columns = table(400_000, 8, 1);
    columns.push(("g".to_owned(), (0..400_000).map(|row| f64::from(row * 7 % 3_000)).collect()));
    let long = batch(&columns);
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(20_000)).build();
    write_parquet(&dir.path("long.parquet"), &long, properties.clone());
    write_parquet(&dir.path("short.parquet"), &long.slice(0, 5_000), properties);
    let nothing = || {};
    let outputs = "-o r.csv --save-state s.sreg -q";
    for precision in ["exact", "float"] {
        let fit = format!("fit long.parquet 'y ~ . - g' --precision {precision} {outputs}");
        killed(&dir, &fit, &nothing, &["r.csv", "s.sreg"]);
        let groups = format!("fit long.parquet 'y ~ x1 + x2' --by g --precision {precision} {outputs}");
        killed(&dir, &groups, &nothing, &["r.csv", "s.sreg"]);
        let folds = format!(
            "fit long.parquet 'y ~ x1 + x2' --lasso auto --cv 4 --cv-group g --precision {precision} {outputs}"
        );
        killed(&dir, &folds, &nothing, &["r.csv", "s.sreg"]);
    }
    done(&dir, "fit short.parquet 'y ~ x1 + C(g)' -q -o r.txt --save-state first.sreg");
    let prepare = || {
        std::fs::copy(dir.path("first.sreg"), dir.path("u.sreg")).unwrap();
    };
    killed(&dir, "update u.sreg short.parquet long.parquet", &prepare, &["u.sreg"]);
}

#[test]
fn killed_iterative_fits_go_on_to_the_same_bits() {
    let dir = Dir::new();
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(10_000)).build();
    write_parquet(&dir.path("long.parquet"), &batch(&table(200_000, 8, 1)), properties);
    let nothing = || {};
    for solver in [
        "sgd --eta0 0.01 --learning-rate constant --batch-size 64 --held-out 0.2 --patience 1",
        "gd",
        "cg",
        "sgd --loss huber",
    ] {
        let fit =
            format!("fit long.parquet -t y --solver {solver} -q -o r.csv --save-model m.json --trace t.csv");
        killed(&dir, &fit, &nothing, &["r.csv", "m.json", "t.csv"]);
    }
}

/// Kills a command after it has saved a checkpoint, and before it is done.
fn kill_between_checkpoints(dir: &Dir, line: &str) {
    for wait in 1..200 {
        let mut child =
            dir.streamreg(line).command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 * wait));
        child.kill().unwrap();
        child.wait().unwrap();
        if dir.path("ck/checkpoint.sreg").exists() {
            return;
        }
    }
    panic!("{line}: no kill came between two checkpoints");
}

#[test]
fn steps_are_for_their_command_alone() {
    let dir = Dir::new();
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(10_000)).build();
    write_parquet(&dir.path("long.parquet"), &batch(&table(100_000, 4, 1)), properties);
    // Given rates end when they gain nothing more, or here: it does not converge.
    let fit =
        "fit long.parquet -t y --solver gd --learning-rate constant --eta0 0.01 --epochs 400 -q -o r.csv";
    kill_between_checkpoints(&dir, &format!("{fit} --checkpoint ck --checkpoint-every 0"));
    let fails = |line: &str, words: &str| {
        dir.streamreg(&format!("{line} --checkpoint ck"))
            .fails(3, &["ck/checkpoint.sreg", words, "begin anew"]);
    };
    fails(&format!("{fit} --seed 7"), "of another command: the seed differs: 0 and 7");
    fails(&fit.replace("0.01", "0.02"), "the learning rate differs");
    fails(&format!("{fit} --exclude x1"), "the terms differ");
    fails(&format!("{fit} --ridge 0.1"), "the penalty differs");
    fails("fit long.parquet -t y", "remove the checkpoint");
    let whole = bytes(&dir, "ck/checkpoint.sreg");
    for at in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(dir.path("ck/checkpoint.sreg"), damaged).unwrap();
        fails(fit, "the checkpoint is");
    }
    std::fs::write(dir.path("ck/checkpoint.sreg"), &whole[..10]).unwrap();
    fails(fit, "the checkpoint is");
    std::fs::remove_file(dir.path("ck/checkpoint.sreg")).unwrap();
    // A pass over sums leaves another kind of checkpoint.
    dir.write("ck/checkpoint.sreg", "PAR1");
    fails(fit, "not one of an iterative fit");
}

#[test]
fn a_checkpoint_is_for_its_command_alone() {
    let dir = flights();
    let model = "'arr_delay ~ dep_delay + distance'";
    let all = PARTS.join(" ");
    kill_between_checkpoints(&dir, &format!("fit {all} {model} --checkpoint ck --checkpoint-every 0"));
    let fails = |line: &str, words: &str| {
        dir.streamreg(&format!("fit {line} --checkpoint ck"))
            .fails(3, &["ck/checkpoint.sreg", words, "begin anew"]);
    };
    fails(&format!("{all} 'arr_delay ~ dep_delay'"), "of another command: the terms differ");
    fails(
        &format!("{all} {model} --cv 3 --cv-group day"),
        "of another command: the folds differ: none and 3",
    );
    fails(&format!("{} {model}", PARTS[0]), "of other files: without");
    fails(&format!("{all} {model} --null x"), "reads files in another way");
    dir.streamreg("solve ck/checkpoint.sreg").fails(3, &["a checkpoint of a pass that has not ended"]);
    let whole = bytes(&dir, "ck/checkpoint.sreg");
    std::fs::write(dir.path("ck/checkpoint.sreg"), &whole[..whole.len() / 2]).unwrap();
    fails(&format!("{all} {model}"), "remove the checkpoint");
    std::fs::write(dir.path("ck/checkpoint.sreg"), whole).unwrap();
    done(&dir, &format!("fit {all} {model} --checkpoint ck"));
    assert!(!dir.path("ck").exists());
}

#[test]
fn a_checkpoint_is_of_one_process() {
    let dir = Dir::new();
    dir.write("a.csv", "x,y\n1,2\n2,3\n3,5\n");
    done(&dir, "fit a.csv -t y -q -o r.txt --save-state s.sreg");
    dir.write("b.csv", "x,y\n4,7\n");
    dir.write("ck/.streamreg-a1B2c3.tmp", "half of a checkpoint");
    let lock = std::fs::File::create(dir.path("ck/.lock")).unwrap();
    lock.lock().unwrap();
    for line in ["fit a.csv -t y", "update s.sreg a.csv b.csv"] {
        dir.streamreg(&format!("{line} --checkpoint ck")).fails(75, &["ck: another process", "name another"]);
    }
    assert!(dir.path("ck/.streamreg-a1B2c3.tmp").exists());
    lock.unlock().unwrap();
    // A folder that the user has something in stays, with that.
    dir.write("ck/notes.txt", "mine");
    done(&dir, "update s.sreg a.csv b.csv --checkpoint ck");
    let left: Vec<String> = dir.files().into_iter().filter(|name| name.starts_with("ck")).collect();
    assert_eq!(left, ["ck/notes.txt"]);
}

/// A file of many partitions, which takes a while to read.
#[cfg(unix)]
fn long(dir: &Dir) {
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(20_000)).build();
    write_parquet(&dir.path("long.parquet"), &batch(&table(600_000, 8, 3)), properties);
}

#[cfg(unix)]
#[test]
fn a_signal_saves_first() {
    let dir = Dir::new();
    long(&dir);
    let fit = "fit long.parquet -t y --threads 1 -q -o r.json --format tidy";
    signalled(&dir, &format!("{fit} --precision exact --save-state s.sreg"), &["r.json", "s.sreg"]);
    signalled(&dir, &format!("{fit} --solver gd --save-model m.json"), &["r.json", "m.json"]);
}

/// Sends every signal to a command: what it came to is saved, and the same command goes on from there.
#[cfg(unix)]
fn signalled(dir: &Dir, fit: &str, outputs: &[&str; 2]) {
    done(dir, fit);
    let expected = outputs.map(|name| bytes(dir, name));
    for (signal, code, line) in crate::stops::signals() {
        let word = line.trim_start_matches("streamreg: ").trim_end();
        // A signal may come before anything is read, or after all of it.
        let saved = (1..200).any(|wait| {
            outputs.iter().for_each(|name| _ = std::fs::remove_file(dir.path(name)));
            let mut command =
                dir.streamreg(&format!("{fit} --checkpoint ck --checkpoint-every 1000")).command;
            let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(3 * wait));
            crate::util::program("kill")
                .args([&format!("-{signal}"), &child.id().to_string()])
                .output()
                .unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
            let told = stderr.contains(&format!("{word}; the same command goes on from the checkpoint"));
            assert_eq!(told, dir.path("ck/checkpoint.sreg").exists(), "{signal}: {stderr}");
            assert!(!told || output.status.code() == Some(code), "{signal}: {:?}", output.status);
            assert!(!told || !dir.path(outputs[1]).exists(), "{signal}: an output of some of the rows");
            told
        });
        assert!(saved, "{signal}: no signal came while rows were read");
        done(dir, &format!("{fit} --checkpoint ck"));
        assert!(outputs.map(|name| bytes(dir, name)) == expected, "{fit}: {signal}");
        assert!(!dir.path("ck").exists());
    }
}

/// What cannot be written takes nothing along: the state that was there stays, and nothing half-written does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_states_as_they_were() {
    let dir = Dir::new();
    let rows = |from: usize| {
        (from..from + 300).map(|i| format!("{},{},g{i}\n", i * 7 % 23, i % 11)).collect::<String>()
    };
    dir.write("a.csv", format!("y,x,g\n{}", rows(0)));
    dir.write("b.csv", format!("y,x,g\n{}", rows(300)));
    for part in ["a", "b"] {
        done(&dir, &format!("fit {part}.csv 'y ~ x + C(g)' --save-state {part}.sreg -q -o r.txt"));
    }
    done(&dir, "merge a.sreg b.sreg -o all.sreg");
    let before: Vec<(String, Vec<u8>)> =
        dir.files().into_iter().map(|name| (name.clone(), bytes(&dir, &name))).collect();
    let lines = [
        "update a.sreg b.csv",
        "merge a.sreg b.sreg -o new.sreg",
        "merge a.sreg b.sreg -o all.sreg",
        "subtract all.sreg b.sreg -o new.sreg",
        "fit a.csv 'y ~ x + C(g)' -q -o r.txt --checkpoint ck --checkpoint-every 0",
    ];
    for line in lines {
        // No file may grow beyond 8 blocks.
        let mut command = crate::util::program("sh");
        command.current_dir(dir.path("")).args([
            "-c",
            r#"ulimit -f 8; "$0" "$@""#,
            env!("CARGO_BIN_EXE_streamreg"),
        ]);
        let output = command.args(crate::util::words(line)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        assert!(stderr.contains("cannot write") && stderr.contains("File too large"), "{line}: {stderr}");
        let locks = |name: &String| name.ends_with(".lock");
        let after: Vec<(String, Vec<u8>)> = dir
            .files()
            .into_iter()
            .filter(|name| !locks(name))
            .map(|name| (name.clone(), bytes(&dir, &name)))
            .collect();
        assert!(after == before, "{line}: {:?}", dir.files());
    }
    done(&dir, "update a.sreg b.csv");
    assert_eq!(bytes(&dir, "a.sreg"), bytes(&dir, "all.sreg"));
}
