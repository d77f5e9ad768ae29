//! What the program prints, to the letter: transcripts in `golden/commands`, one a theme.
//!
//! A transcript is a script together with what came of it. It is run in a folder of its own, from top to bottom:
//!
//! | a line | means |
//! |---|---|
//! | `# …`, or empty | a remark |
//! | `file NAME` | writes a file: the lines below that begin with `< ` |
//! | `copy FROM TO` | copies a file of `tests/golden` into the folder |
//! | `$ streamreg …` | runs the program; words are split and quoted as a shell does, and nothing else is done to them |
//! | `$ cat NAME`, `$ ls` | shows a file, or the names of all |
//! | `exit N`, <code>&#124; …</code>, `! …` | what came of the command above: exit code, stdout, stderr |
//!
//! Text that no two runs share stands as `<seconds>`, `<time>`, `<threads>`, `<version>` or `<folder>`, and numbers that are
//! the noise of rounding as `<noise>`. Other numbers may differ in their last digits, as processors do; `STREAMREG_EXACT=1`
//! asks for the same text. `STREAMREG_BLESS=1` writes down what comes out now, and `STREAMREG_BIN` names another program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::util::{self, words};

/// Numbers that differ by this share are the same.
const TOLERANCE: f64 = 1e-9;

/// Keys, and what the numbers of their values are replaced by: all of them, or those below a limit, which are the noise of
/// rounding and nothing else. The value ends with its list, or at a comma, a brace or the end of the line.
const VOLATILE: [(&str, &str, f64); 11] = [
    ("\"pass_seconds\":", "<seconds>", f64::INFINITY),
    ("\"solve_seconds\":", "<seconds>", f64::INFINITY),
    ("\"total_seconds\":", "<seconds>", f64::INFINITY),
    ("\"seconds\":", "<seconds>", f64::INFINITY),
    ("\"modified\":", "<time>", f64::INFINITY),
    ("\"threads\":", "<threads>", f64::INFINITY),
    ("\"gap\":", "<noise>", 1e-12),
    ("\"gradient_norm\":", "<noise>", 1e-12),
    ("\"distance\":", "<noise>", 1e-12),
    ("Left to gain: about ", "<noise>", 1e-12),
    ("within about ", "<noise>", 1e-12),
];

/// A test for every transcript, and one that none is forgotten.
macro_rules! transcripts {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { check(stringify!($name)); })+

        #[test]
        fn every_transcript_has_a_test() {
            let mut listed = [$(concat!(stringify!($name), ".txt")),+];
            listed.sort_unstable();
            let files = names_in(&golden("commands"));
            let files: Vec<&String> = files.iter().filter(|name| name.ends_with(".txt") && !name.contains('/')).collect();
            assert_eq!(files, listed);
        }
    };
}

transcripts![
    categories,
    errors_robust,
    evaluate,
    filters,
    fit,
    formats,
    formulas,
    groups,
    help,
    inspect,
    iterative,
    ndjson,
    outputs,
    penalties,
    predict,
    refusals,
    rows_weights,
    solving,
    sparse,
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub(crate) fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

/// Runs a transcript, and compares or rewrites it.
fn check(name: &str) {
    let path = golden("commands").join(name).with_extension("txt");
    let before = std::fs::read_to_string(&path).unwrap();
    let folder = tempfile::Builder::new().prefix("streamreg-test-").tempdir().unwrap();
    let (after, differences) = replay(&before, folder.path());
    if is_set("STREAMREG_BLESS") {
        std::fs::write(&path, after).unwrap();
    } else if !differences.is_empty() {
        panic!("{name}.txt:{differences}\nSTREAMREG_BLESS=1 writes down what comes out now.");
    }
}

/// The transcript as it comes out now, and where that is not what stands there.
fn replay(script: &str, folder: &Path) -> (String, String) {
    let (mut after, mut differences) = (Vec::new(), String::new());
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        after.push(line.to_owned());
        let mut below = |belongs: fn(&str) -> bool| -> Vec<String> {
            std::iter::from_fn(|| lines.next_if(|l| belongs(l))).map(str::to_owned).collect()
        };
        let words = words(line);
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["$", command @ ..] => {
                let recorded = below(|l| l.starts_with(['|', '!']) || l.starts_with("exit "));
                let actual = outcome(command, folder);
                differences += &difference(line, &recorded, &actual);
                after.extend(actual);
            }
            ["file", name] => {
                let content = below(|l| l.starts_with('<'));
                let text = |l: &String| l.strip_prefix("< ").unwrap_or_default().to_owned() + "\n";
                write(&folder.join(name), content.iter().map(text).collect::<String>().as_bytes());
                after.extend(content);
            }
            ["copy", from, to] => write(&folder.join(to), &std::fs::read(golden(from)).unwrap()),
            _ => assert!(line.is_empty() || line.starts_with('#'), "what is {line:?}?"),
        }
    }
    (after.join("\n") + "\n", differences)
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// What came of a command, as lines of a transcript.
fn outcome(command: &[&str], folder: &Path) -> Vec<String> {
    match command {
        ["streamreg", arguments @ ..] => {
            let program = std::env::var_os("STREAMREG_BIN").unwrap_or(env!("CARGO_BIN_EXE_streamreg").into());
            let mut run = util::program(std::path::absolute(program).unwrap());
            // The width of helps, and what a crash prints, are nobody's choice here.
            run.env_remove("COLUMNS").env_remove("LINES").env_remove("RUST_BACKTRACE");
            let output = run.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
            let code = output.status.code().map_or("by a signal".into(), |code| code.to_string());
            let mut lines = vec![format!("exit {code}")];
            lines.extend(fenced('|', &output.stdout, folder));
            lines.extend(fenced('!', &output.stderr, folder));
            lines
        }
        ["cat", name] => match std::fs::read(folder.join(name)) {
            Ok(content) => fenced('|', &content, folder),
            Err(_) => vec!["! no such file".into()],
        },
        ["ls"] => fenced('|', (names_in(folder).join("\n") + "\n").as_bytes(), folder),
        _ => panic!("what is {command:?}?"),
    }
}

/// Names of all files below a folder, hidden ones too, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    names.sort();
    names
}

/// The lines of an output, each behind its mark, with placeholders for what no two runs share.
fn fenced(mark: char, output: &[u8], folder: &Path) -> Vec<String> {
    let mut text = String::from_utf8_lossy(output).replace('\r', "\\r");
    if !text.is_empty() && !text.ends_with('\n') {
        text += "<no line end>\n";
    }
    for path in [folder.to_owned(), folder.canonicalize().unwrap()] {
        text = text.replace(&*path.to_string_lossy(), "<folder>");
    }
    for (key, placeholder, limit) in VOLATILE {
        text = masked(&text, key, placeholder, limit);
    }
    let version = |line: &str| {
        line.strip_prefix("streamreg ").is_some_and(|l| l.starts_with(|c: char| c.is_ascii_digit()))
    };
    let line = |line: &str| if version(line) { "streamreg <version>".to_owned() } else { line.to_owned() };
    text.lines()
        .map(|l| if l.is_empty() { mark.to_string() } else { format!("{mark} {}", line(l)) })
        .collect()
}

/// The text with a placeholder for every number below the limit in the values behind a key.
fn masked(text: &str, key: &str, placeholder: &str, limit: f64) -> String {
    let small = |token: &str| is_number(token) && token.parse::<f64>().is_ok_and(|number| number < limit);
    let mut parts = text.split(key);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends: &[char] = if part.trim_start().starts_with('[') { &[']'] } else { &[',', '}', '\n'] };
        let (value, rest) = part.split_at(part.find(ends).unwrap_or(part.len()));
        out += key;
        tokens(value).into_iter().for_each(|t| out += if small(t) { placeholder } else { t });
        out += rest;
    }
    out
}

/// Numbers without their signs, and what stands between them.
fn tokens(line: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let (bytes, mut start, mut at) = (line.as_bytes(), 0, 0);
    while at < bytes.len() {
        let length = number_length(&line[at..]);
        let inside = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b"_.".contains(&bytes[at - 1]));
        if length > 0 && !inside {
            tokens.extend([&line[start..at], &line[at..at + length]]);
            start = at + length;
        }
        at += length.max(line[at..].chars().next().map_or(1, char::len_utf8));
    }
    tokens.push(&line[start..]);
    tokens
}

fn is_number(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit())
}

/// Bytes of the number that a text begins with: `12`, `0.5`, `1.5e-7`.
fn number_length(text: &str) -> usize {
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(text);
    for point in [".", "e-", "e+", "e"] {
        if let Some(rest) = text[length..].strip_prefix(point).filter(|rest| length > 0 && digits(rest) > 0) {
            length += point.len() + digits(rest);
        }
    }
    length
}

/// Whether two lines are the same.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a == b || (!is_set("STREAMREG_EXACT") && nearly(a, b))
}

/// Whether they are, but for the last digits of numbers.
fn nearly(a: &str, b: &str) -> bool {
    let (a, b) = (tokens(a), tokens(b));
    let close = |(a, b): (&&str, &&str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if is_number(a) && is_number(b) => (x - y).abs() <= TOLERANCE * x.abs().max(y.abs()),
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || close((a, b)))
}

/// The command and the lines that differ, as one shows changes; nothing if none does.
fn difference(command: &str, recorded: &[String], actual: &[String]) -> String {
    let pairs = || recorded.iter().zip(actual);
    let head = pairs().take_while(|(a, b)| same(a, b)).count();
    if head == recorded.len() && head == actual.len() {
        return String::new();
    }
    let (old, new) = (&recorded[head..], &actual[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let mut out = format!("\n\n{command}\n  … {head} lines as recorded\n");
    old[..old.len() - tail].iter().for_each(|line| out += &format!("  recorded  {line}\n"));
    new[..new.len() - tail].iter().for_each(|line| out += &format!("  comes out {line}\n"));
    out
}

#[test]
fn numbers_may_differ_in_their_last_digits() {
    assert_eq!(words(r#"$ a --b 'c "d"  e' --f="g h" '' "#), ["$", "a", "--b", "c \"d\"  e", "--f=g h", ""]);
    assert_eq!(tokens("x1 = -1.5e-7, 2x"), ["x1 = -", "1.5e-7", ", ", "2", "x"]);
    assert!(nearly("x 0.1234567890123", "x 0.1234567890124"));
    assert!(!nearly("x 0.12345678", "x 0.12345679"));
    assert!(!nearly("x1 3", "x2 3"));
    assert_eq!(masked("{\"seconds\":0.25,\"a\":1}", "\"seconds\":", "<s>", 9.0), "{\"seconds\":<s>,\"a\":1}");
    assert_eq!(masked("\"s\": [\n 1.5,\n 2\n]", "\"s\":", "<s>", 9.0), "\"s\": [\n <s>,\n <s>\n]");
}
