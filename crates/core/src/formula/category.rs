//! Categories in a formula: `C(g)`, the other words for it, and how their levels become columns.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::Factor;
use super::error::{FormulaError, Result, quoted};
use super::lex::{Kind, Token};
use super::parse::Parser;
use crate::choices;
use crate::expression::Name;

/// How the levels of a category become columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Contrasts {
    /// A 0/1 column for every level but the reference.
    #[default]
    Treatment,
    /// A column for every level but the last, which is -1 in all of them.
    Sum,
}

choices!(Contrasts { Treatment => "treatment", Sum => "sum" });

/// A category with a coding of its own: `C(g, Treatment("b"))`, `C(g, Sum)`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CodedCategory {
    /// The column.
    pub column: String,
    /// How its levels become columns.
    pub contrasts: Contrasts,
    /// The level that the others are compared with; the first if it is absent. Sum contrasts have none.
    pub reference: Option<String>,
}

impl Display for CodedCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C({}, ", Name(&self.column))?;
        match (self.contrasts, &self.reference) {
            (Contrasts::Sum, _) => f.write_str("Sum")?,
            (Contrasts::Treatment, None) => f.write_str("Treatment")?,
            (Contrasts::Treatment, Some(level)) => {
                let escaped = level.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "Treatment(\"{escaped}\")")?;
            }
        }
        f.write_str(")")
    }
}

const CODINGS: &str = "the codings of C() are Treatment, Treatment(\"level\") and Sum";

impl Parser<'_> {
    /// `C(g)`, `C(g, Treatment("b"))`; `factor(g)` and `as.factor(g)` are the same.
    pub(super) fn category(&mut self) -> Result<Factor> {
        let function = self.peek().text;
        let open = self.open();
        let column = self.name_of_category(function)?;
        if function == "C" && self.take(",") {
            let contrasts = self.coding()?;
            self.close(open, |parser| parser.missing(CODINGS, ""))?;
            let (contrasts, reference) = contrasts;
            return Ok(Factor::Coded(CodedCategory { column, contrasts, reference }));
        }
        self.close(open, |parser| {
            let advice = match function {
                "C" => "",
                _ => "; write C(g, Treatment(\"level\")) for another reference",
            };
            parser.missing(&format!("{function}() takes the name of a column and nothing else"), advice)
        })?;
        Ok(Factor::Category(column))
    }

    /// `relevel(g, ref="b")` and `relevel(factor(g), "b")`.
    pub(super) fn relevel(&mut self) -> Result<Factor> {
        let open = self.open();
        let (token, opens) = self.peek_call();
        let column = if opens && matches!(token.text, "factor" | "as.factor" | "C") {
            let inner = self.open();
            let column = self.name_of_category(token.text)?;
            self.close(inner, |parser| parser.missing("expected \")\"", ""))?;
            column
        } else {
            self.name_of_category("relevel")?
        };
        let expected = "relevel() takes a category and its reference, as in relevel(g, ref=\"b\")";
        self.take_within(",", open, |parser| parser.missing(expected, ""))?;
        let level = self.named_level(&["ref"])?;
        self.close(open, |parser| parser.missing(expected, ""))?;
        Ok(Factor::Coded(CodedCategory { column, contrasts: Contrasts::Treatment, reference: Some(level) }))
    }

    fn name_of_category(&mut self, function: &str) -> Result<String> {
        let name = match self.peek_call() {
            (Token { kind: Kind::Name, text, .. }, false) => text.to_owned(),
            (Token { kind: Kind::Quoted(name), .. }, _) => name,
            (Token { kind: Kind::Name, text, .. }, true) => {
                if let Some(error) = self.refused_call(text) {
                    return Err(error);
                }
                let advice = "; compute the column with --with, or write I(x > 5) for a condition";
                return Err(self.missing(&format!("{function}() takes the name of a column"), advice));
            }
            _ => return Err(self.missing(&format!("{function}() takes the name of a column"), "")),
        };
        self.advance();
        Ok(name)
    }

    /// What stands behind the comma of `C(g, …)`.
    fn coding(&mut self) -> Result<(Contrasts, Option<String>)> {
        let _ = self.take_argument("contr");
        let Token { kind: Kind::Name, text, .. } = self.peek().clone() else {
            return Err(self.missing(CODINGS, ""));
        };
        let contrasts = match text {
            "Treatment" | "treatment" | "contr.treatment" => Contrasts::Treatment,
            "Sum" | "sum" | "contr.sum" => Contrasts::Sum,
            _ => return Err(self.missing(CODINGS, "")),
        };
        self.advance();
        let open = self.peek().at;
        if !self.take("(") {
            return Ok((contrasts, None));
        }
        let reference = match contrasts {
            _ if self.peek().is(")") => None,
            Contrasts::Sum => {
                let message = "Sum has no level in its parentheses: the last one has no column";
                return Err(self.error(message));
            }
            // In R this is how many levels there are, in formulaic a level.
            Contrasts::Treatment if text == "contr.treatment" && self.is_number() => {
                let number = quoted(self.peek().text);
                let message = format!(
                    "write Treatment({number}) for the level {number}; levels are counted by the data"
                );
                return Err(self.error(message));
            }
            Contrasts::Treatment => Some(self.named_level(&["reference", "ref"])?),
        };
        self.close(open, |parser| parser.missing(CODINGS, ""))?;
        Ok((contrasts, reference))
    }

    fn is_number(&self) -> bool {
        matches!(self.peek().kind, Kind::Number(_))
    }

    /// A level, behind one of these names or none.
    fn named_level(&mut self, names: &[&str]) -> Result<String> {
        if self.take_argument("base") {
            let message = "R's base= counts levels, and their number is not known yet: name the level, as in \
                           Treatment(\"b\")";
            return Err(self.error(message));
        }
        let _ = names.iter().any(|name| self.take_argument(name));
        self.level()
    }

    fn level(&mut self) -> Result<String> {
        let negative = self.take("-");
        let token = self.peek().clone();
        let level = match token.kind {
            Kind::Text(text) if !negative => text,
            Kind::Number(_) if negative => format!("-{}", token.text),
            Kind::Number(_) => token.text.to_owned(),
            Kind::Name if matches!(token.text, "TRUE" | "FALSE" | "True" | "False") => token.text.to_owned(),
            _ => return Err(self.no_level()),
        };
        self.advance();
        Ok(level)
    }

    fn no_level(&self) -> FormulaError {
        let token = self.peek();
        match token.kind {
            Kind::Name => {
                let name = quoted(token.text);
                self.error(format!("a level is put in quotes: \"{name}\""))
            }
            _ => self.missing("expected a level in quotes or a number, as in Treatment(\"b\")", ""),
        }
    }
}
