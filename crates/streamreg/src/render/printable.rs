//! Text from files, safe for a terminal, and how wide it is there.

use unicode_width::UnicodeWidthStr;

/// Text from a file, safe for a terminal: characters that are commands to it, or that nobody would see, are escaped.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character only changes how others stand, or is not seen: the marks that turn the direction of text, which would let
/// a name rewrite the rest of its line; separators of lines and paragraphs; blanks without width; tags. The two joiners belong
/// to the spelling of Persian and Hindi, and to emoji.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
        | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns of a terminal that a text takes: two for a Chinese character or an emoji.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_see_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\u{7f}\u{9b}1m\t\0"), "a\\u{1b}[2Jb\\u{7f}\\u{9b}1m\\t\\u{0}");
        assert_eq!(
            printable("a\u{200b}b\u{2028}c\u{2029}d\u{202e}e\u{feff}f\u{2066}"),
            "a\\u{200b}b\\u{2028}c\\u{2029}d\\u{202e}e\\u{feff}f\\u{2066}"
        );
        for text in ["naïve 气温 αβ", "می\u{200c}خواهم", "👩\u{200d}🔬", "1\u{a0}000", "e\u{301}"]
        {
            assert_eq!(printable(text), text);
        }
    }
}
