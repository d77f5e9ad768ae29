//! Job files: steps that do what their commands do, a plan of them, and mistakes that are told with their line.

use crate::util::Dir;

const JOB: &str = "\
# Every morning.
[run]
threads = 2
memory-limit = '1GB'

[[step]]
command = 'fit'
name = 'begin'
creates = 'sales.sreg'
files = 'days/day=1'
formula = 'sales ~ price + C(shop)'

[step.output]
save-state = 'sales.sreg'
output = 'first.txt'

[[step]]
command = 'update'
state = 'sales.sreg'
files = ['days/*/*.csv']

[step.run]
threads = 1

[[step]]
command = 'solve'
state = 'sales.sreg'

[step.output]
conf-level = 0.9
format = 'json'
output = 'fit.json'
save-model = 'model.json'

[[step]]
command = 'predict'
model = 'model.json'
files = ['days/day=2/b.csv']

[step.output]
keep = ['shop', 'price']
output = 'predicted.csv'
";

const DAYS: [(&str, &str); 3] = [
    ("days/day=1/a.csv", "shop,price,sales\na,1,9.5\nb,2,8.1\na,3,7.2\nb,4,5.9\na,5,5.1\n"),
    ("days/day=2/b.csv", "shop,price,sales\na,2,8.8\nb,3,6.9\nc,4,7.7\nc,2,9.9\n"),
    ("days/day=3/c.csv", "shop,price,sales\na,4,6.4\nb,1,9.0\nc,3,8.4\n"),
];

fn job() -> Dir {
    let dir = Dir::new();
    DAYS[..2].iter().for_each(|(name, text)| _ = dir.write(&format!("jobs/{name}"), text));
    dir.write("jobs/job.toml", JOB);
    dir
}

#[test]
fn steps_do_what_their_commands_do_and_paths_are_those_of_the_file() {
    let dir = job();
    let first = dir.streamreg("run jobs/job.toml").success();
    assert_eq!(
        first.stdout,
        "added days/day=2/b.csv\nsales.sreg: 9 rows of 2 files; 1 file known already, 32 bytes read\n"
    );
    let direct =
        dir.streamreg("fit jobs/days/*/*.csv 'sales ~ price + C(shop)' --conf-level 0.9 --format json");
    let (direct, fit) = (direct.success().json(), dir.read("jobs/fit.json"));
    let fit: serde_json::Value = serde_json::from_str(&fit).unwrap();
    assert_eq!(fit["coefficients"], direct["coefficients"]);
    assert!(dir.read("jobs/predicted.csv").starts_with("shop,price,"));
    let again = dir.streamreg("run jobs/job.toml").success();
    assert_eq!(again.stdout, "sales.sreg: 9 rows of 2 files; 2 files known already, 0 bytes read\n");
    let (name, text) = DAYS[2];
    dir.write(&format!("jobs/{name}"), text);
    let new = dir.streamreg("run jobs/job.toml").success();
    assert_eq!(
        new.stdout,
        "added days/day=3/c.csv\nsales.sreg: 12 rows of 3 files; 2 files known already, 24 bytes read\n"
    );
}

#[test]
fn a_plan_tells_every_step_and_does_none() {
    let dir = job();
    let before = dir.files();
    let plan = dir.streamreg("run jobs/job.toml --dry-run --threads 3").success().stdout;
    assert_eq!(dir.files(), before);
    let lines: Vec<&str> = plan.lines().collect();
    assert_eq!(
        lines[0],
        "step 1 (begin): streamreg fit --memory-limit=1GB --output=first.txt --save-state=sales.sreg --threads=3 -- \
         days/day=1 'sales ~ price + C(shop)'"
    );
    assert!(
        lines[1].starts_with("  1 file, 57 B, ") && lines[1].contains("memory of the fit about"),
        "{plan}"
    );
    assert!(
        lines[2]
            .starts_with("step 2 (update): streamreg update --memory-limit=1GB --threads=3 -- sales.sreg"),
        "{plan}"
    );
    assert_eq!(lines[3], "  sales.sreg is written by step 1 (begin)");
    assert_eq!(lines[5], "  sales.sreg is written by step 2 (update)");
    assert_eq!(lines[7], "  model.json is written by step 3 (solve)");
    assert_eq!(lines.len(), 8, "{plan}");
    dir.streamreg("run jobs/job.toml").success();
    let plan = dir.streamreg("run jobs/job.toml --dry-run").success().stdout;
    for line in [
        "step 1 (begin): nothing to do, sales.sreg is there\n",
        "  sales.sreg: 9 rows of 2 files; 2 files known already, 0 bytes to read\n",
    ] {
        assert!(plan.contains(line), "{plan}");
    }
}

#[test]
fn a_step_that_fails_ends_the_job_with_its_code() {
    let dir = job();
    dir.write("jobs/days/day=2/b.csv", "shop,sales\na,2\n");
    let failed = dir.streamreg("run jobs/job.toml").run().code(3);
    let expected = "streamreg: step 2 (update): days/day=2/b.csv: column \"price\"";
    failed.check(failed.stderr.starts_with(expected), expected);
    assert!(!dir.path("jobs/fit.json").exists());
    dir.write("jobs/days/day=2/b.csv", DAYS[1].1);
    dir.streamreg("run jobs/job.toml").success();
    dir.write(
        "creates.toml",
        "[[step]]\ncommand = 'inspect'\ncreates = 'x'\nfiles = 'jobs/days/day=2/b.csv'\n",
    );
    let failed = dir.streamreg("run creates.toml").run().code(2);
    failed.check(failed.stderr.contains("step 1 (inspect): it did not create x"), "no such file");
}

#[test]
fn mistakes_are_told_with_their_line() {
    let dir = job();
    let step = "[[step]]\ncommand = 'fit'\nfiles = 'days'\n";
    let cases: [(&str, usize, &[&str]); 19] = [
        ("", 1, &["there is no [[step]]"]),
        ("step = 1\n", 1, &["each under [[step]]"]),
        ("threads = 2\n", 1, &["there is no key \"threads\" outside of steps"]),
        ("[[step]\n", 1, &["job.toml: line 1: "]),
        ("[[step]]\nfiles = 'days'\n", 1, &["a step has a command"]),
        ("\n[[step]]\ncommand = 'fitt'\n", 2, &["no command \"fitt\"", "\"fit\""]),
        ("[[step]]\ncommand = 'run'\n", 1, &["no command \"run\""]),
        ("[[step]]\ncommand = 3\n", 2, &["command is a text in quotes"]),
        (
            "S[step.model]\ntarget = 'y'\nfeature = 'x'\n",
            6,
            &["fit has no option \"feature\"", "\"features\""],
        ),
        ("S[step.model]\nthreads = 3\n", 5, &["\"threads\" stands in the section [step.run]"]),
        ("S[step.modell]\ntarget = 'y'\n", 4, &["no section [step.modell]", "\"model\""]),
        ("Starget = 'y'\n", 4, &["\"target\" stands in the section [step.model]"]),
        ("S[step.model]\nfiles = 'y'\n", 5, &["\"files\" stands in [[step]] itself"]),
        ("S[step.model]\nno-intercept = 'yes'\n", 5, &["no-intercept is true or false"]),
        ("S[step.output]\noutput = ['a', 'b']\n", 5, &["output takes one value"]),
        ("S[step.run]\nthreads = true\n", 5, &["threads takes a number or a text"]),
        ("S[step.run]\nthreads = 'many'\n", 1, &["step 1 (fit): invalid value 'many' for '--threads <N>'"]),
        ("[predict]\nx = 1\nS", 2, &["no step takes the option \"x\" in [predict]"]),
        (
            "[iterative-solvers]\nepochs = 3\n[[step]]\ncommand = 'predict'\nmodel = 'm'\nfiles = 'd'\n",
            2,
            &["no step takes the option \"epochs\""],
        ),
    ];
    for (text, line, words) in cases {
        dir.write("job.toml", text.replace('S', step));
        let place = format!("job.toml: line {line}: ");
        let words: Vec<&str> = words.iter().copied().chain([place.as_str()]).collect();
        let mut command = dir.streamreg("run job.toml");
        command.command.env("COLUMNS", "1000");
        let failed = command.run().code(2);
        for word in words {
            failed.check(failed.stderr.replace('\n', " ").contains(word), &format!("{word:?} for {text:?}"));
        }
    }
    dir.streamreg("run none.toml").fails(3, &["none.toml: No such file"]);
}

/// Names with commas are one name in a list, and a list in one text is what it is on the command line.
#[test]
fn lists_are_those_of_the_options() {
    let dir = Dir::new();
    dir.write("d.csv", "y,\"a, b\",c,d\n1,2,3,0\n2,4,5,1\n3,5,9,0\n4,9,1,1\n5,1,1,1\n7,3,2,0\n");
    let fit = |features: &str| {
        let job = "[[step]]\ncommand = 'fit'\nfiles = 'd.csv'\n[step.model]\ntarget = 'y'\nfeatures = F\nno-intercept = true\n[step.output]\nformat = 'tidy'\n";
        dir.write("job.toml", job.replace('F', features));
        dir.streamreg("run job.toml").success().stdout
    };
    let wanted =
        dir.streamreg("fit d.csv -t y -f '\"a, b\",c' --no-intercept --format tidy").success().stdout;
    assert_eq!(fit("['a, b', 'c']"), wanted);
    assert_eq!(fit("'\"a, b\",c'"), wanted);
}

/// What is typed stands above the environment, and that above the file; steps log and count as their commands do.
#[test]
fn what_is_typed_stands_above_the_environment_and_the_file() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x\n1,2\n2,4\n3,5\n4,9\n");
    let job = "[run]\nthreads = 3\n[[step]]\ncommand = 'fit'\nfiles = 'd.csv'\n[step.model]\ntarget = 'y'\n[step.output]\nformat = 'json'\n";
    dir.write("job.toml", job);
    let threads = |line: &str, variable: Option<&str>| {
        let mut command = dir.streamreg(line);
        variable.into_iter().for_each(|value| _ = command.command.env("STREAMREG_THREADS", value));
        command.success().json()["timings"]["threads"].as_u64().unwrap()
    };
    assert_eq!(threads("run job.toml", None), 3);
    assert_eq!(threads("run job.toml", Some("4")), 4);
    assert_eq!(threads("run job.toml", Some("")), 3);
    assert_eq!(threads("run job.toml --threads 5", Some("4")), 5);
    dir.write("job.toml", job.replace("threads = 3", "log-format = 'json'\nthreads = 3"));
    let logged = dir.streamreg("run job.toml").run().code(0);
    let events: Vec<serde_json::Value> =
        logged.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["event"].as_str().unwrap(), event["command"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(told, [("start", "fit"), ("done", ""), ("done", "")]);
    let failed = dir.streamreg("run job.toml --log-format json");
    dir.write("d.csv", "z,x\n1,2\n");
    let failed = failed.run().code(3);
    let last: serde_json::Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["kind"]), (&"error".into(), &"data".into()));
    assert!(last["message"].as_str().unwrap().starts_with("step 1 (fit): "), "{last}");
}

#[test]
fn what_a_step_creates_goes_if_it_fails() {
    let dir = job();
    let text = "[[step]]\ncommand = 'fit'\ncreates = 'm.json'\nfiles = 'jobs/days/*/*.csv'\nformula = 'sales ~ price'\n\
                [step.conditions]\nassert = 'r.squared > 0.999999'\n[step.output]\nsave-model = 'm.json'\noutput = 'r.txt'\n";
    dir.write("job.toml", text);
    for _ in 0..2 {
        let failed = dir.streamreg("run job.toml").run().code(7);
        failed.check(
            failed.stderr.replace('\n', " ").contains("m.json is removed"),
            "what becomes of the file",
        );
        assert!(!dir.path("m.json").exists() && dir.path("r.txt").exists());
    }
}

#[test]
fn no_step_writes_over_another_or_over_the_job() {
    let dir = job();
    let step = |output: &str| {
        format!("[[step]]\ncommand = 'fit'\nfiles = 'jobs/days'\n[step.output]\noutput = '{output}'\n")
    };
    dir.write("job.toml", step("job.toml"));
    dir.streamreg("run job.toml")
        .fails(2, &["step 1 (fit): job.toml: the step would write over the job file"]);
    dir.write("job.toml", step("a.txt") + &step("./a.txt"));
    dir.streamreg("run job.toml").fails(2, &["step 2 (fit)", "step 1 (fit) writes this file, too"]);
    dir.write("job.toml", format!("[run]\nmetrics-file = 'm.prom'\n{}{}", step("a.txt"), step("b.txt")));
    dir.streamreg("run job.toml").fails(2, &["m.prom", "writes this file, too"]);
    let folder = "[[step]]\ncommand = 'predict'\nmodel = 'm.json'\nfiles = 'jobs/days'\n[step.output]\noutput-dir = 'out'\n";
    dir.streamreg("fit jobs/days 'sales ~ price' --save-model m.json -q -o r.txt").run().code(0);
    dir.write("job.toml", format!("{folder}[[step]]\ncommand = 'inspect'\nfiles = 'out/*/*'\n"));
    let mut plan = dir.streamreg("run job.toml --dry-run");
    plan.command.env("STREAMREG_KEEP", "shop");
    let plan = plan.success().stdout;
    assert!(plan.contains("\n  with what the environment sets: STREAMREG_KEEP\n"), "{plan}");
    dir.streamreg("run job.toml").success();
}
