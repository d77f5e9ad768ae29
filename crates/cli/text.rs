//! Text as the command line takes it and as a terminal may show it.

use std::fmt::Display;

use anyhow::Result;

/// A mistake on the command line that clap cannot see.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(streamreg::Error::invalid_request(message))
}

/// Bytes, of a number with a unit: `B`, powers of 1000 (`kB`, `MB`, ...) or of 1024 (`KiB`, `MiB`, ...).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text[..text.len() - unit.len()].parse::<f64>().ok().filter(|&number| number > 0.0);
    let unit = unit.trim().to_ascii_lowercase();
    let (letter, base) = match unit.strip_suffix("ib") {
        Some(letter) => (letter, 1024_u64),
        None => (unit.strip_suffix('b').unwrap_or("?"), 1000),
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|&known| known == letter);
    match number.zip(power) {
        Some((number, power)) => Ok((number * base.pow(power as u32) as f64) as u64),
        None => Err(
            "a size is a number with a unit, such as 512MB (millions of bytes) or 2GiB (1024 x 1024 x 1024)"
                .to_owned(),
        ),
    }
}

/// What stands before and behind the first `=`, without blanks around.
pub(crate) fn pair<'t>(flag: &str, form: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    let parts = text.split_once('=').map(|(a, b)| (a.trim(), b.trim()));
    parts.filter(|(a, _)| !a.is_empty()).ok_or_else(|| usage(format!("{flag} takes {form}, not {text:?}")))
}

/// Splits lists of names at commas and trims them. A name in double quotes is kept as it is, commas
/// included; `""` inside is one quote.
pub(crate) fn names(flag: &str, lists: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for list in lists {
        let mut rest = list.as_str();
        loop {
            let (name, after) =
                first_name(rest).ok_or_else(|| usage(format!("{flag} {list}: a quote is not closed")))?;
            if name.is_empty() {
                return Err(usage(format!(
                    "{flag} {list:?}: a name is empty; separate names by single commas"
                )));
            }
            names.push(name);
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
    Ok(names)
}

/// Splits `a=1,"b c"="x, y"` into names and values: at commas outside of double quotes, and of backticks around names. The quotes
/// go; one that is doubled inside of quotes stays once.
pub(crate) fn assignments(flag: &str, text: &str) -> Result<Vec<(String, String)>> {
    let mut parts = vec![(String::new(), None::<String>)];
    let mut quote = None;
    let mut closed = None;
    for c in text.chars() {
        let Some((name, value)) = parts.last_mut() else { break };
        let opens = c == '"' || (c == '`' && value.is_none());
        let before = closed.take();
        match (c, quote) {
            (c, Some(open)) if c == open => (quote, closed) = (None, Some(c)),
            (c, None) if opens => {
                quote = Some(c);
                let own = value.as_mut().unwrap_or(name);
                own.extend(before.filter(|last| *last == c));
            }
            ('=', None) if value.is_none() => *value = Some(String::new()),
            (',', None) => parts.push((String::new(), None)),
            (c, _) => value.as_mut().unwrap_or(name).push(c),
        }
    }
    if quote.is_some() {
        return Err(usage(format!("{flag} {text}: a quote is not closed")));
    }
    let pair = |(name, value): (String, Option<String>)| {
        let wrong = || usage(format!("{flag} takes NAME=VALUE, not {:?}", name.trim()));
        let value = value.filter(|_| !name.trim().is_empty()).ok_or_else(wrong)?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    parts.into_iter().map(pair).collect()
}

/// The first name of a list, and what follows its comma. `None` if a quote is not closed.
fn first_name(list: &str) -> Option<(String, Option<&str>)> {
    let Some(quoted) = list.trim_start().strip_prefix('"') else {
        return Some(match list.split_once(',') {
            Some((name, after)) => (name.trim().to_owned(), Some(after)),
            None => (list.trim().to_owned(), None),
        });
    };
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            name.push('"');
            rest = more;
        } else if after.trim().is_empty() {
            return Some((name, None));
        } else {
            return after.trim_start().strip_prefix(',').map(|after| (name, Some(after)));
        }
    }
}

/// A table that fits the terminal, if stdout is one.
pub(crate) fn fitted(table: &impl Display) -> String {
    match stdout_width() {
        Some(width) => format!("{table:width$}"),
        None => table.to_string(),
    }
}

/// Columns of the terminal that stdout is.
pub(crate) fn stdout_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Columns of the terminal that stderr is.
pub(crate) fn stderr_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn sizes_have_units() {
        let known = [
            ("512MB", 512_000_000),
            ("2GiB", 1 << 31),
            ("1.5 kB", 1500),
            ("7B", 7),
            ("1tb", 1_000_000_000_000),
        ];
        for (text, bytes) in known {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "12", "2G", "2 GiBs", "-1MB", "0MB", "MB", "1.2.3MB", "xMB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn assignments_may_quote_names_and_values() {
        let pairs = |text: &str| assignments("--at", text).map_err(|e| e.to_string());
        let is = |text: &str, wanted: &[(&str, &str)]| {
            let wanted: Vec<_> = wanted.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            assert_eq!(pairs(text).unwrap(), wanted, "{text}");
        };
        is("x=1, g = b ,z=", &[("x", "1"), ("g", "b"), ("z", "")]);
        is(r#""a, b=c"="x, y",`my col`=`3"#, &[("a, b=c", "x, y"), ("my col", "`3")]);
        is(r#""say ""hi"""="""",`a``b`=a=b"#, &[("say \"hi\"", "\""), ("a`b", "a=b")]);
        for (text, words) in [
            ("x,g=1", "NAME=VALUE, not \"x\""),
            ("=1", "NAME=VALUE"),
            ("x=\"1", "not closed"),
            ("`x=1", "not closed"),
        ] {
            assert!(pairs(text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn names_are_split_at_commas_outside_quotes() {
        let split = |list: &str| names("--features", &[list.to_owned()]).map_err(|e| e.to_string());
        assert_eq!(split("a, b c").unwrap(), ["a", "b c"]);
        assert_eq!(
            split(r#""age, years",height,"say ""hi""""#).unwrap(),
            ["age, years", "height", r#"say "hi""#]
        );
        assert!(split("a,,b").unwrap_err().contains("empty"));
        assert!(split(r#""a,b"#).unwrap_err().contains("not closed"));
    }
}
