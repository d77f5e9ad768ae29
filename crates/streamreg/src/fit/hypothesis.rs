//! Joint hypotheses as they are written: `x1 = x2, 2*x3 - "a b" = 1`.
//!
//! A hypothesis is a list of equations separated by commas; an equation has a sum on both sides (`a = b = c` is two).
//! What is summed are numbers, terms, and terms with a number: `2*x`, `x*2`, `x/2`. Terms are named as in the report,
//! `C(g)[T.b]` and `(Intercept)` included; in double quotes (a quote within doubled) where a name could be taken for
//! something else, such as a number. Of several names that fit the longest counts. Where none does, blanks do not matter, and
//! `Intercept` is `(Intercept)`.

use streamreg_core::INTERCEPT;
use streamreg_reader::suggestion;
use streamreg_solve::Restriction;

use crate::error::{Error, Result};

/// The restrictions of a hypothesis about the terms with these names.
///
/// # Errors
/// What is wrong, where; for a name that no term has, the names that are valid.
pub(crate) fn parse(text: &str, names: &[String]) -> Result<Vec<Restriction>> {
    let mut parser = Parser { text, at: 0, names };
    let mut restrictions = Vec::new();
    loop {
        let mut left = parser.sum()?;
        parser.expect('=', "an `=` is missing")?;
        loop {
            // As in R, two do as well.
            parser.take('=');
            let right = parser.sum()?;
            restrictions.push(left.equals(&right));
            left = right;
            if !parser.take('=') {
                break;
            }
        }
        if parser.is_done() {
            return Ok(restrictions);
        }
        parser.expect(',', "an operator or a comma is missing")?;
    }
}

/// A linear combination of terms, and a constant.
#[derive(Default)]
struct Sum {
    terms: Vec<(usize, f64)>,
    constant: f64,
}

impl Sum {
    fn add(&mut self, item: Item, sign: f64) {
        match item {
            Item::Number(number) => self.constant += sign * number,
            Item::Term(term, factor) => self.terms.push((term, sign * factor)),
        }
    }

    fn equals(&self, right: &Self) -> Restriction {
        let moved = right.terms.iter().map(|&(term, factor)| (term, -factor));
        let coefficients = self.terms.iter().copied().chain(moved).collect();
        Restriction { coefficients, value: right.constant - self.constant }
    }
}

enum Item {
    Number(f64),
    Term(usize, f64),
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    names: &'t [String],
}

/// Whether a name or number may end before `rest`.
fn ends(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| c.is_whitespace() || "+-*/=,".contains(c))
}

/// How much of `text` is the name, if its beginning is it but for blanks.
fn spelled(text: &str, name: &str) -> Option<usize> {
    let mut wanted = name.chars().filter(|c| !c.is_whitespace()).peekable();
    wanted.peek()?;
    let mut left = text.char_indices().filter(|(_, c)| !c.is_whitespace());
    let mut end = 0;
    for c in wanted {
        let (at, _) = left.next().filter(|(_, own)| *own == c)?;
        end = at + c.len_utf8();
    }
    ends(&text[end..]).then_some(end)
}

impl Parser<'_> {
    fn rest(&mut self) -> &str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn is_done(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, wanted: char, missing: &str) -> Result<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(missing)) }
    }

    fn error(&mut self, what: &str) -> Error {
        let rest = self.rest().to_owned();
        let place = if rest.is_empty() { "at its end".into() } else { format!("before {rest:?}") };
        Error::invalid_request(format!("the test {:?}: {what} {place}", self.text))
    }

    fn sum(&mut self) -> Result<Sum> {
        let mut sum = Sum::default();
        let mut sign = if self.take('-') { -1.0 } else { 1.0 };
        if sign > 0.0 {
            self.take('+');
        }
        loop {
            let item = self.item()?;
            sum.add(item, sign);
            sign = match (self.take('+'), self.take('-')) {
                (true, false) => 1.0,
                (false, true) => -1.0,
                (false, false) => return Ok(sum),
                (true, true) => return Err(self.error("two signs stand")),
            };
        }
    }

    fn item(&mut self) -> Result<Item> {
        if let Some(number) = self.number()? {
            if !self.take('*') {
                return Ok(Item::Number(number));
            }
            return Ok(Item::Term(self.term()?, number));
        }
        let term = self.term()?;
        let by = match (self.take('*'), self.take('/')) {
            (true, _) => |number: f64| number,
            (_, true) => |number: f64| 1.0 / number,
            _ => return Ok(Item::Term(term, 1.0)),
        };
        match self.number()?.map(by).filter(|factor| factor.is_finite()) {
            Some(factor) => Ok(Item::Term(term, factor)),
            None => Err(self.error("a number is missing")),
        }
    }

    /// A number without a sign, if one comes next.
    fn number(&mut self) -> Result<Option<f64>> {
        let rest = self.rest();
        let digits = |from: &str| from.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let mut length = digits(rest);
        if length == 0 {
            return Ok(None);
        }
        if let Some(exponent) = rest[length..].strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let more = exponent[sign..].bytes().take_while(u8::is_ascii_digit).count();
            length += if more > 0 { 1 + sign + more } else { 0 };
        }
        if !ends(&rest[length..]) {
            // A name may begin with digits.
            return Ok(None);
        }
        match rest[..length].parse::<f64>().ok().filter(|n| n.is_finite()) {
            Some(number) => {
                self.at += length;
                Ok(Some(number))
            }
            None => Err(self.error("a number is not one")),
        }
    }

    fn term(&mut self) -> Result<usize> {
        if self.rest().starts_with('"') {
            let name = self.quoted()?;
            return self.position(&name);
        }
        let rest = self.rest().to_owned();
        let fits = |name: &&String| rest.strip_prefix(name.as_str()).is_some_and(ends) && !name.is_empty();
        let longest = self.names.iter().filter(fits).max_by_key(|name| name.len()).cloned();
        if let Some(name) = longest {
            self.at += name.len();
            return self.position(&name);
        }
        // Names that differ in blanks alone are as good as each other: the first of the longest.
        let spelled = self.names.iter().filter_map(|name| Some((name, spelled(&rest, name)?)));
        if let Some((name, length)) = spelled.rev().max_by_key(|(_, length)| *length) {
            let name = name.clone();
            self.at += length;
            return self.position(&name);
        }
        let word: String =
            rest.chars().take_while(|&c| !c.is_whitespace() && !"+-*/=,".contains(c)).collect();
        if word.is_empty() {
            return Err(self.error("a term or a number is missing"));
        }
        if word == "Intercept" && self.names.iter().any(|name| name == INTERCEPT) {
            self.at += word.len();
            return self.position(INTERCEPT);
        }
        self.position(&word)
    }

    fn quoted(&mut self) -> Result<String> {
        let mut name = String::new();
        let mut chars = self.text[self.at + 1..].char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            if c != '"' {
                name.push(c);
            } else if chars.peek().is_some_and(|&(_, next)| next == '"') {
                name.push('"');
                chars.next();
            } else {
                self.at += index + 2;
                return Ok(name);
            }
        }
        Err(self.error("a quote is not closed"))
    }

    fn position(&mut self, name: &str) -> Result<usize> {
        let mut found = self.names.iter().enumerate().filter(|(_, n)| *n == name);
        match (found.next(), found.next()) {
            (Some((position, _)), None) => Ok(position),
            (Some(_), Some(_)) => {
                let message = format!("the test {:?}: two coefficients are called {name:?}", self.text);
                Err(Error::invalid_request(message))
            }
            _ => {
                let meant = suggestion(name, self.names.iter().map(String::as_str), "terms");
                let message = format!("the test {:?}: there is no term {name:?}; {meant}", self.text);
                Err(Error::invalid_request(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        let names = [
            "(Intercept)",
            "x1",
            "x1 b",
            "C(g)[T.b, c]",
            "say \"hi\"",
            "2nd",
            "7",
            "x:g[T.-1]",
            "é",
            "a",
            "a",
        ];
        names.map(str::to_owned).to_vec()
    }

    fn parsed(text: &str) -> Vec<(Vec<(usize, f64)>, f64)> {
        parse(text, &names()).unwrap().into_iter().map(|r| (r.coefficients, r.value)).collect()
    }

    #[test]
    fn sums_of_terms_and_numbers() {
        assert_eq!(parsed("x1=0"), [(vec![(1, 1.0)], 0.0)]);
        assert_eq!(parsed(" -x1 + 2.5e-1*x1 b = 3 - 1 "), [(vec![(1, -1.0), (2, 0.25)], 2.0)]);
        assert_eq!(parsed("x1 b/4 = (Intercept)*2 + 1"), [(vec![(2, 0.25), (0, -2.0)], 1.0)]);
        assert_eq!(parsed("1 + x1 = 1"), [(vec![(1, 1.0)], 0.0)]);
        assert_eq!(
            parsed("C(g)[T.b, c] = 0, 2nd - x:g[T.-1] = é"),
            [(vec![(3, 1.0)], 0.0), (vec![(5, 1.0), (7, -1.0), (8, -1.0)], 0.0)]
        );
        assert_eq!(parsed("C(g)[T.b,c] = Intercept"), [(vec![(3, 1.0), (0, -1.0)], 0.0)]);
        assert_eq!(parsed("C( g )[T.b,  c]/2 = 1"), [(vec![(3, 0.5)], 1.0)]);
        assert_eq!(parsed(r#""7" = 7*"say ""hi""""#), [(vec![(6, 1.0), (4, -7.0)], 0.0)]);
        assert_eq!(parsed("x1 = 2nd = 1"), [(vec![(1, 1.0), (5, -1.0)], 0.0), (vec![(5, 1.0)], 1.0)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, words) in [
            ("", "a term or a number is missing at its end"),
            ("x1", "an `=` is missing at its end"),
            ("x1 = ", "a term or a number is missing"),
            ("x1 = 0 x1 = 0", "an operator or a comma is missing before \"x1 = 0\""),
            ("x1 = 0,", "a term or a number is missing"),
            ("x1 * x1 = 0", "a number is missing before \"x1 = 0\""),
            ("x1/0 = 1", "a number is missing"),
            ("x9 = 0", "there is no term \"x9\"; of 11 terms the nearest are \"x1\", "),
            ("\"x1 = 0", "a quote is not closed"),
            ("1.2.3 = x1", "a number is not one"),
            ("1e999 = x1", "a number is not one"),
            ("x1 + - x1 = 0", "two signs stand"),
            ("a = 0", "two coefficients are called \"a\""),
        ] {
            let message = parse(text, &names()).unwrap_err().to_string();
            assert!(message.contains(words), "{text:?}: {message}");
        }
    }
}
