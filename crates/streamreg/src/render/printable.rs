//! Text from files, safe for a terminal, and how wide it is there.

use unicode_width::UnicodeWidthStr;

/// Text from a file, safe for a terminal: control characters are escaped.
pub fn printable(text: &str) -> String {
    // Marks that change the direction of text would let a name rewrite the rest of its line.
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escape = |c: char| {
        if c.is_control() || turns(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(escape).collect()
}

/// Columns of a terminal that a text takes: two for a Chinese character or an emoji.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}
