//! The shape of the house: no files that import each other in a circle, no function longer than a screen, no crowded crate
//! root.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longest function in lines, unless a comment in it begins with `Long:` and says why.
const SCREEN: usize = 60;

/// Most files in the root of a crate.
const ROOM: usize = 10;

/// The roots of the crates.
const CRATES: [&str; 7] = [
    "crates/reader/src",
    "crates/core/src",
    "crates/solve/src",
    "crates/streamreg/src",
    "crates/polars/src",
    "crates/cli",
    "data-gen/src",
];

#[test]
fn the_house_is_in_order() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for root in CRATES {
        let house = House::read(&top.join(root));
        wrong.extend(house.circles().into_iter().map(|circle| format!("{root}: in a circle: {circle}")));
        wrong.extend(house.long_functions().into_iter().map(|long| format!("{root}: too long: {long}")));
        let entries = std::fs::read_dir(top.join(root)).unwrap().map(|entry| entry.unwrap().path());
        let crowd = entries.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).count();
        if crowd > ROOM {
            wrong.push(format!("{root}: {crowd} files, {ROOM} have room"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A module as its path from the crate's root: `[]`, `["csv", "chunk"]`.
type Module = Vec<String>;

/// The files of a crate by the modules that they are.
struct House {
    files: BTreeMap<Module, Source>,
}

struct Source {
    text: String,
    /// What `use` brings into the module: a name here, and the path that it stands for.
    uses: Vec<(String, Vec<String>)>,
}

impl House {
    fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(root, &mut Vec::new(), &mut files);
        Self { files }
    }

    /// The module in which the item of a path lives, seen from a module. Names that a module only hands on lead further.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from[..from.len().checked_sub(1)?].to_vec(), &path[1..]),
            name if self.files.contains_key(&child(from, name)) => (from.clone(), path),
            _ => return None,
        };
        while let Some(name) = rest.first() {
            if name == "super" {
                at.pop()?;
            } else if self.files.contains_key(&child(&at, name)) {
                at.push(name.clone());
            } else {
                break;
            }
            rest = &rest[1..];
        }
        let handed_on = rest.first().and_then(|name| {
            let uses = &self.files.get(&at)?.uses;
            uses.iter().find(|(own, path)| own == name && path.last() == Some(name))
        });
        match handed_on {
            Some((_, path)) if depth > 0 => self.resolve(&at, path, depth - 1).or(Some(at)),
            _ => Some(at),
        }
    }

    /// The modules that a module imports from, without itself and those that it is part of.
    fn imports(&self, module: &Module, source: &Source) -> BTreeSet<Module> {
        let paths = source.uses.iter().map(|(_, path)| path.clone()).chain(inline_paths(&source.text));
        let found = paths.filter_map(|path| self.resolve(module, &path, 8));
        found.filter(|other| !module.starts_with(other)).collect()
    }

    /// The files from which imports lead back to themselves, each with those of its imports that do.
    fn circles(&self) -> Vec<String> {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> =
            self.files.iter().map(|(module, source)| (module, self.imports(module, source))).collect();
        let reaches = |start: &Module, end: &Module| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&Module> = vec![start];
            while let Some(next) = open.pop() {
                if next == end {
                    return true;
                }
                if seen.insert(next) {
                    open.extend(&arrows[next]);
                }
            }
            false
        };
        let back = |module: &&Module| {
            let own = arrows[*module].iter().filter(|next| reaches(next, module));
            own.map(|next| next.join("/")).collect::<Vec<_>>().join(", ")
        };
        let all =
            self.files.keys().map(|module| (module, back(&module))).filter(|(_, back)| !back.is_empty());
        all.map(|(module, back)| format!("{} -> {back}", module.join("/"))).collect()
    }

    /// Functions of more lines than a screen has, with their numbers.
    fn long_functions(&self) -> Vec<String> {
        let of = |(module, source): (&Module, &Source)| {
            let lines: Vec<&str> = source.text.lines().collect();
            let starts = (0..lines.len()).filter(|&at| is_function(lines[at]));
            let long = starts.filter_map(|at| {
                let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
                let end = (at..lines.len()).find(|&end| lines[end] == format!("{indent}}}"))?;
                let excused = lines[at..=end].iter().any(|line| line.trim_start().starts_with("// Long: "));
                (end - at >= SCREEN && !excused)
                    .then(|| format!("{} line {} ({})", module.join("/"), at + 1, end - at + 1))
            });
            long.collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of).collect()
    }
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// Reads the files below a folder; tests are left out.
fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, Source>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let own = if ["lib", "main", "mod"].contains(&name.as_str()) {
                module.clone()
            } else {
                child(module, &name)
            };
            let uses = text.split(';').filter_map(use_tree).flat_map(|tree| expand(&tree, &[])).collect();
            files.insert(own, Source { text, uses });
        }
    }
}

/// The tree of a `use` at the end of a statement's text.
fn use_tree(statement: &str) -> Option<String> {
    let at = statement.rmatch_indices("use ").map(|(at, _)| at).find(|&at| {
        let line = statement[..at].rsplit('\n').next().unwrap_or_default().trim();
        line.is_empty() || line.starts_with("pub")
    })?;
    Some(statement[at + 4..].split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `a::{b, c::d as e}` as names with their paths.
fn expand(tree: &str, before: &[String]) -> Vec<(String, Vec<String>)> {
    let tree = tree.trim();
    let join = |part: &str| -> Vec<String> {
        before
            .iter()
            .cloned()
            .chain(part.split("::").filter(|p| !p.is_empty()).map(|p| p.trim().to_owned()))
            .collect()
    };
    if let Some((head, inner)) = tree.split_once('{') {
        let before = join(head.trim_end_matches("::"));
        return parts(inner.trim_end().trim_end_matches('}'))
            .into_iter()
            .flat_map(|part| expand(part, &before))
            .collect();
    }
    let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name)));
    let mut path = join(path);
    if path.last().is_some_and(|last| last == "self" && path.len() > 1) {
        path.pop();
    }
    let name = name.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
    if path.is_empty() { Vec::new() } else { vec![(name, path)] }
}

/// The parts of a list at its commas, but not at those within braces.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, sign) in list.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Paths in the code itself that begin at the crate, above, or in a module below.
fn inline_paths(text: &str) -> Vec<Vec<String>> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let path = |word: &str| -> Vec<String> {
        word.split("::").filter(|p| !p.is_empty()).map(str::to_owned).collect()
    };
    words.filter(|word| word.contains("::")).map(path).filter(|path| path.len() > 1).collect()
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub")
            || ["const", "async", "unsafe", "in", "extern"].contains(word)
            || word.ends_with(')')
    });
    words.next() == Some("fn") && !line.trim_end().ends_with(';') && !line.contains("{ ")
}
