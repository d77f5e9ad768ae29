//! README and guide: what they show is what happens.
//!
//! | a block | is |
//! |---|---|
//! | `console` | a transcript: the commands are run, page by page in a folder with the flights, and what they print is compared |
//! | `csv NAME`, `libsvm NAME` | a file that the transcripts below read |
//! | `sh` | commands on files that are not there: their options must be valid |
//!
//! A command may go on behind a backslash and end in `| head -N`. `…` stands for lines that are left out. Errors stand where
//! the output would. `STREAMREG_BLESS=1` writes down what comes out now.

use std::path::{Path, PathBuf};

use crate::commands::{is_set, same};
use crate::util::{Dir, golden, words};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and the pages of the guide, and the other pages of the root.
fn pages() -> Vec<PathBuf> {
    let guide = std::fs::read_dir(root().join("docs/guide")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benches/README.md"];
    let mut pages: Vec<PathBuf> = guide.chain(top.map(|name| root().join(name))).collect();
    pages.sort();
    pages
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// A line of a page, or a block between fences: what it is, and its lines.
enum Part {
    Line(String),
    Block(String, Vec<String>),
}

fn parts(text: &str) -> Vec<Part> {
    let mut lines = text.lines();
    let mut parts = Vec::new();
    while let Some(line) = lines.next() {
        parts.push(match line.strip_prefix("```") {
            Some(info) => Part::Block(
                info.to_owned(),
                lines.by_ref().take_while(|l| *l != "```").map(str::to_owned).collect(),
            ),
            None => Part::Line(line.to_owned()),
        });
    }
    parts
}

/// Commands, each with the lines below it, from its `$ ` on.
fn transcript(block: &[String]) -> Vec<(Vec<String>, Vec<String>)> {
    let mut commands: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for line in block {
        match commands.last_mut() {
            _ if line.starts_with("$ ") => commands.push((vec![line.clone()], Vec::new())),
            Some((command, output)) if output.is_empty() && command.last().unwrap().ends_with('\\') => {
                command.push(line.clone());
            }
            Some((_, output)) => output.push(line.clone()),
            None => panic!("{line:?} is behind no command"),
        }
    }
    commands
}

/// Words of a command without its `$ ` and its continuations.
fn command_words(command: &[String]) -> Vec<String> {
    let line = command.iter().map(|line| line.trim_end_matches('\\')).collect::<String>();
    words(line.trim_start_matches("$ "))
}

/// What a command prints, errors included.
fn output(command: &[String], dir: &Dir) -> Vec<String> {
    let all = command_words(command);
    let (own, head) = match all.iter().position(|word| word == "|") {
        Some(pipe) => (&all[..pipe], Some(&all[pipe + 1..])),
        None => (all.as_slice(), None),
    };
    let text = match own {
        [program, file] if program == "cat" => dir.read(file),
        [program, arguments @ ..] if program == "streamreg" => {
            let out = dir.streamreg("").args(arguments.iter().map(String::as_str)).run();
            out.stdout + &out.stderr
        }
        other => panic!("what is {other:?}?"),
    };
    let lines = text.lines().map(|line| line.trim_end().to_owned());
    match head {
        None => lines.collect(),
        Some([program, count]) if program == "head" => {
            lines.take(count.trim_start_matches('-').parse().unwrap()).collect()
        }
        Some(other) => panic!("what is {other:?}?"),
    }
}

/// Whether two lines say the same. How much is left to gain, and the mean of errors that cancel, are noise of rounding: the
/// words have to be the same.
fn agree(recorded: &str, actual: &str) -> bool {
    let is_noise = |line: &str| line.starts_with("Left to gain") || line.starts_with("Bias");
    let words = |line: &str| line.split(' ').filter(|w| w.parse::<f64>().is_err()).collect::<String>();
    let numberless = |line: &str| words(&line.replace([')', ','], " "));
    same(recorded, actual) || (is_noise(recorded) && numberless(recorded) == numberless(actual))
}

/// Whether a recorded output is the actual one, but for lines that it leaves out.
fn matches(recorded: &[String], actual: &[String]) -> bool {
    match recorded.split_first() {
        None => actual.is_empty(),
        Some((gap, rest)) if gap == "…" => (0..=actual.len()).any(|from| matches(rest, &actual[from..])),
        Some((line, rest)) => {
            actual.split_first().is_some_and(|(own, others)| agree(line, own) && matches(rest, others))
        }
    }
}

#[test]
fn transcripts_print_what_they_say() {
    let mut wrong = String::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        if !text.contains("```console") {
            continue;
        }
        let dir = Dir::new();
        for file in ["flights.parquet", "flights.csv.gz"] {
            std::fs::copy(golden(file), dir.path(file)).unwrap();
        }
        let mut after = String::new();
        for part in parts(&text) {
            match part {
                Part::Line(line) => after += &format!("{line}\n"),
                Part::Block(info, lines) if info == "console" => {
                    let mut block = String::new();
                    for (command, recorded) in transcript(&lines) {
                        let actual = output(&command, &dir);
                        let good = matches(&recorded, &actual);
                        let shown = if good { &recorded } else { &actual };
                        if !good {
                            wrong += &format!(
                                "\n{}: {}\n{}\n",
                                name(&page),
                                command.join("\n"),
                                actual.join("\n")
                            );
                        }
                        command.iter().chain(shown).for_each(|line| block += &format!("{line}\n"));
                    }
                    after += &format!("```{info}\n{block}```\n");
                }
                Part::Block(info, lines) => {
                    let content = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
                    if let Some((_, file)) = info.split_once(' ') {
                        dir.write(file, &content);
                    }
                    after += &format!("```{info}\n{content}```\n");
                }
            }
        }
        if is_set("STREAMREG_BLESS") {
            std::fs::write(&page, after).unwrap();
        }
    }
    assert!(
        wrong.is_empty() || is_set("STREAMREG_BLESS"),
        "comes out otherwise:\n{wrong}\nSTREAMREG_BLESS=1 writes down what comes out now."
    );
}

/// Commands on files that are not there have valid options.
#[test]
fn commands_are_valid() {
    for page in pages() {
        for part in parts(&std::fs::read_to_string(&page).unwrap()) {
            let Part::Block(info, lines) = part else { continue };
            let joined = lines.join("\n").replace("\\\n", " ");
            for line in joined.lines().filter(|_| info == "sh") {
                let line = line.trim_start_matches("time ");
                if !line.starts_with("streamreg ") {
                    continue;
                }
                let words = words(line);
                let end = words.iter().position(|word| word == ">" || word == "|").unwrap_or(words.len());
                let parsed = streamreg_cli::check(&words[..end]);
                assert_eq!(parsed, Ok(()), "{}: {line}", name(&page));
            }
        }
    }
}

#[test]
fn the_reference_is_that_of_the_program() {
    let path = root().join("docs/guide/reference.md");
    if is_set("STREAMREG_BLESS") {
        std::fs::write(&path, streamreg_cli::reference()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == streamreg_cli::reference(),
        "docs/guide/reference.md is out of date: STREAMREG_BLESS=1 writes it"
    );
}

/// Headings as GitHub turns them into anchors.
fn anchors(text: &str) -> Vec<String> {
    let headings = parts(text).into_iter().filter_map(|part| match part {
        Part::Line(line) if line.starts_with('#') => Some(line.trim_start_matches('#').trim().to_lowercase()),
        _ => None,
    });
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for part in parts(&text) {
            let Part::Line(line) = part else { continue };
            for target in
                line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
            {
                links += 1;
                if target.starts_with("https://") {
                    continue;
                }
                let (path, anchor) =
                    target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
                let file = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
                assert!(file.exists(), "{}: {target} does not exist", name(&page));
                if let Some(anchor) = anchor {
                    let there = anchors(&std::fs::read_to_string(&file).unwrap());
                    assert!(there.iter().any(|own| own == anchor), "{}: {target}: {there:?}", name(&page));
                }
            }
        }
    }
    assert!(links > 30, "only {links} links were found");
}

#[test]
fn the_readme_is_one_screen() {
    let lines = std::fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 130, "{lines} lines");
}
