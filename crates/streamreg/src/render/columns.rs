//! Cells in aligned columns, and lines that are not longer than they may be.

use super::printable::width;

/// Lines of text: the first column to the left, the others to the right, two blanks between. Where that is wider than
/// `most`, one blank has to do; a name that still does not fit stands on a line of its own.
pub(super) fn aligned(rows: &[Vec<String>], most: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| width(c)).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns).map(widest).collect();
    let total = |gap: usize, widths: &[usize]| widths.iter().sum::<usize>() + gap * columns.saturating_sub(1);
    let mut gap = 2;
    if let Some(most) = most.filter(|&most| total(2, &widths) > most) {
        gap = 1;
        let others = total(1, &widths) - widths.first().copied().unwrap_or(0);
        let room = most.saturating_sub(others);
        let fitting = rows.iter().filter_map(|r| r.first()).map(|c| width(c)).filter(|&w| w <= room);
        if let Some(first) = widths.first_mut().filter(|first| **first > room) {
            *first = fitting.max().unwrap_or(0);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, wanted)) in row.iter().zip(&widths).enumerate() {
            let own = width(cell);
            let padding = " ".repeat(wanted.saturating_sub(own));
            match column {
                0 if own > *wanted => {
                    out.push_str(cell);
                    out.push('\n');
                    line.extend(std::iter::repeat_n(' ', *wanted));
                }
                0 => line.extend([cell, padding.as_str()]),
                _ => line.extend([&" "[..].repeat(gap), padding.as_str(), cell]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A line, continued on indented ones where it is longer than `most`; it breaks at blanks alone.
pub fn wrapped(line: &str, most: Option<usize>) -> String {
    let Some(most) = most.filter(|&most| width(line) > most) else { return line.to_owned() };
    let (mut out, mut used) = (String::new(), 0);
    for word in line.split(' ') {
        let own = width(word);
        if used > 0 && used + 1 + own > most {
            out.push_str("\n    ");
            used = 4;
        } else if !out.is_empty() {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += own;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let cells = [["", "Estimate"], ["a", "1.5"], ["气温", "-22.25"], ["a long name", "3"]];
        cells.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let table = aligned(&rows(), None);
        assert_eq!(
            table,
            "             Estimate\n\
             a                 1.5\n\
             气温           -22.25\n\
             a long name         3\n"
        );
        assert!(table.lines().all(|line| width(line) == 21));
    }

    #[test]
    fn a_name_that_does_not_fit_stands_alone() {
        let table = aligned(&rows(), Some(16));
        assert_eq!(table, "     Estimate\na         1.5\n气温   -22.25\na long name\n            3\n");
        assert_eq!(aligned(&rows(), Some(20)).lines().map(width).max(), Some(20));
    }

    #[test]
    fn long_lines_are_continued() {
        assert_eq!(wrapped("one two three", Some(20)), "one two three");
        assert_eq!(wrapped("one two three four", Some(9)), "one two\n    three\n    four");
    }
}
