//! Patterns of `LIKE`.

/// A pattern: `%` is any text, `_` any character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    /// Whether capitals and small letters are the same.
    folds_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any number of characters.
    Any,
    /// One character.
    One,
    Letter(char),
}

impl Pattern {
    /// Reads a pattern; behind `escape` a sign means itself. `None` where nothing is behind it.
    pub(super) fn new(text: &str, escape: Option<char>, folds_case: bool) -> Option<Self> {
        let mut parts = Vec::new();
        let mut signs = text.chars();
        while let Some(sign) = signs.next() {
            let part = match sign {
                sign if Some(sign) == escape => Part::Letter(signs.next()?),
                '%' => Part::Any,
                '_' => Part::One,
                letter => Part::Letter(letter),
            };
            match part {
                // Several are one: matching would try all their shares.
                Part::Any if parts.last() == Some(&Part::Any) => {}
                Part::Letter(letter) if folds_case => parts.push(Part::Letter(lower(letter))),
                part => parts.push(part),
            }
        }
        Some(Self { parts, folds_case })
    }

    /// Whether a text fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        if self.folds_case {
            fits(&self.parts, &text.chars().map(lower).collect::<String>())
        } else {
            fits(&self.parts, text)
        }
    }
}

/// The small letter of a capital, if it is one letter.
pub(super) fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The capital of a small letter, if it is one letter.
pub(super) fn upper(letter: char) -> char {
    let mut capitals = letter.to_uppercase();
    match (letter, capitals.next(), capitals.next()) {
        ('ß', ..) => 'ẞ',
        (_, Some(capital), None) => capital,
        _ => letter,
    }
}

/// Walks text and pattern together; behind a `%` that was given too little, it goes back and gives it one more.
fn fits(parts: &[Part], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut back: Option<(usize, &str)> = None;
    loop {
        match parts.get(at) {
            Some(Part::Any) => {
                back = Some((at, rest));
                at += 1;
                continue;
            }
            None if rest.is_empty() => return true,
            Some(part) => {
                let mut letters = rest.chars();
                let fit =
                    letters.next().is_some_and(|letter| *part == Part::One || *part == Part::Letter(letter));
                if fit {
                    at += 1;
                    rest = letters.as_str();
                    continue;
                }
            }
            None => {}
        }
        let Some((any, from)) = back else { return false };
        let mut letters = from.chars();
        if letters.next().is_none() {
            return false;
        }
        back = Some((any, letters.as_str()));
        (at, rest) = (any + 1, letters.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        let fits =
            |text: &str, pattern: &str| Pattern::new(pattern, Some('\\'), false).unwrap().matches(text);
        for (text, pattern) in [
            ("", ""),
            ("", "%"),
            ("abc", "abc"),
            ("abc", "a%"),
            ("abc", "%c"),
            ("abc", "%b%"),
            ("aXbXc", "a%b%c"),
            ("mississippi", "%iss%ippi"),
            ("é", "_"),
            ("50%", "50\\%"),
        ] {
            assert!(fits(text, pattern), "{text:?} {pattern:?}");
        }
        for (text, pattern) in
            [("", "_"), ("abc", "ab"), ("abc", "b%"), ("abd", "%c"), ("503", "50\\%"), ("A", "a")]
        {
            assert!(!fits(text, pattern), "{text:?} {pattern:?}");
        }
        assert!(Pattern::new("Ä%", None, true).unwrap().matches("äb"));
        assert!(Pattern::new("a\\", Some('\\'), false).is_none());
    }
}
