//! Functions, and the parts of SQL's syntax that are functions.

use arrow_schema::TimeUnit;
use regex::RegexBuilder;

use super::{Binder, compared, literals};
use crate::error::{Error, Result};
use crate::predicate::Comparison;
use crate::rows::calendar::Field;
use crate::rows::calls::{self, Call, Real, Reals, Rounding, Test, Text};
use crate::rows::column::Constant;
use crate::rows::kind::{Kind, MAX_DIGITS};
use crate::rows::node::{Arithmetic, Node, Op};
use crate::rows::syntax::Expr;
use crate::source::nearest::suggestion;

impl Binder<'_> {
    /// A function of operands.
    pub(super) fn call(&self, name: &str, operands: &[Expr], at: &Expr) -> Result<Node> {
        if calls::is_of_many_rows(name) {
            return Err(self.text.needs_rows(at.at, &format!("the aggregate {name}()")));
        }
        let operands: Vec<&Expr> = operands.iter().collect();
        if let Some(node) = self.conditional(name, &operands, at)? {
            return Ok(node);
        }
        if let Some(node) = self.of_numbers(name, &operands, at)? {
            return Ok(node);
        }
        if let Some(node) = self.of_times(name, &operands)? {
            return Ok(node);
        }
        if let Some((text, counts)) = Text::named(name) {
            if counts.contains(&operands.len()) {
                return self.text_call(text, &operands);
            }
            return Err(self.wrong_count(name, at));
        }
        if matches!(name, "regexp_matches" | "regexp_like") && operands.len() == 2 {
            return self.matches(operands[0], operands[1], false);
        }
        if calls::NAMES.contains(&name) {
            return Err(self.wrong_count(name, at));
        }
        let help = suggestion(name, calls::NAMES.iter().copied(), "functions");
        Err(self.error(at, format!("there is no function {name}(); {help}")))
    }

    fn wrong_count(&self, name: &str, at: &Expr) -> Error {
        self.error(at, format!("{name}() takes another number of operands"))
    }

    /// Functions that choose among their operands.
    fn conditional(&self, name: &str, operands: &[&Expr], at: &Expr) -> Result<Option<Node>> {
        let all = |operands: &[&'_ Expr]| -> Result<(Kind, Vec<Node>)> {
            let parts = operands.iter().map(|of| Ok((self.bind(of)?, *of))).collect::<Result<Vec<_>>>()?;
            self.meet(parts)
        };
        let node = match (name, operands) {
            ("coalesce", [_, ..]) | ("ifnull", [_, _]) => {
                let (kind, nodes) = all(operands)?;
                Node::new(kind, Op::Coalesce(nodes))
            }
            ("greatest" | "least", [_, ..]) => {
                let (kind, of) = all(operands)?;
                Node::new(kind, Op::Extreme { largest: name == "greatest", of })
            }
            ("nullif", [a, b]) => {
                let (value, other) = (self.bind(a)?, self.bind(b)?);
                // The common kind alone: what comes out is the first as it is.
                let kind = self.meet(vec![(value.clone(), a), (other.clone(), b)])?.0;
                let own = value.kind.clone();
                Node::new(own, Op::NullIf { both: Box::new([value, other]), kind })
            }
            ("if" | "iff", [when, then, otherwise]) => {
                let (kind, nodes) = all(&[then, otherwise])?;
                let [then, otherwise] = nodes.try_into().map_err(|_| self.wrong_count(name, at))?;
                let branches = vec![(self.condition(when)?, then)];
                Node::new(kind, Op::Case { operand: None, branches, rest: Box::new(otherwise) })
            }
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    fn of_numbers(&self, name: &str, operands: &[&Expr], at: &Expr) -> Result<Option<Node>> {
        let double = |of: &Expr| self.cast(self.number(of)?, &Kind::Double, of);
        let node = match (name, operands) {
            ("pi", []) => Node::new(Kind::Double, Op::Constant(Constant::Double(std::f64::consts::PI))),
            ("abs", [of]) => {
                let of = self.number(of)?;
                Node::new(of.kind.clone(), Op::Call(Call::Abs, vec![of]))
            }
            ("sign", [of]) => Node::new(Kind::Integer, Op::Call(Call::Sign, vec![self.number(of)?])),
            ("ceil" | "ceiling", [of]) => self.rounded(Rounding::Up, of, None)?,
            ("floor", [of]) => self.rounded(Rounding::Down, of, None)?,
            ("round", [of]) => self.rounded(Rounding::Nearest, of, None)?,
            ("round", [of, places]) => self.rounded(Rounding::Nearest, of, Some(places))?,
            ("trunc", [of]) => self.rounded(Rounding::TowardsZero, of, None)?,
            ("trunc", [of, places]) => self.rounded(Rounding::TowardsZero, of, Some(places))?,
            ("mod", [a, b]) => {
                self.arithmetic(Arithmetic::Remainder, (self.bind(a)?, a), (self.bind(b)?, b))?
            }
            ("isnan" | "isinf" | "isfinite", [of]) => {
                let test = match name {
                    "isnan" => Test::Nan,
                    "isinf" => Test::Infinite,
                    _ => Test::Finite,
                };
                Node::new(Kind::Boolean, Op::Call(Call::Test(test), vec![double(of)?]))
            }
            (name, [of]) if Real::named(name).is_some() => match Real::named(name) {
                Some(real) => Node::new(Kind::Double, Op::Call(Call::Real(real), vec![double(of)?])),
                None => return Err(self.wrong_count(name, at)),
            },
            (name, [a, b]) if Reals::named(name).is_some() => match Reals::named(name) {
                Some(reals) => {
                    Node::new(Kind::Double, Op::Call(Call::Reals(reals), vec![double(a)?, double(b)?]))
                }
                None => return Err(self.wrong_count(name, at)),
            },
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    /// An operand that must be a number.
    fn number(&self, of: &Expr) -> Result<Node> {
        let node = self.bind(of)?;
        if node.kind.is_number() {
            return Ok(node);
        }
        if node.kind == Kind::Null || (node.kind == Kind::Text && node.constant().is_some()) {
            return self.cast(node, &Kind::Double, of);
        }
        Err(self.error(of, format!("this is {}, not a number", node.kind)))
    }

    fn whole_number(&self, of: &Expr) -> Result<Node> {
        let node = self.bind(of)?;
        match node.kind {
            Kind::Integer | Kind::Null => self.cast(node, &Kind::Integer, of),
            other => Err(self.error(of, format!("this is {other}, not an integer"))),
        }
    }

    fn rounded(&self, rounding: Rounding, of: &Expr, places: Option<&Expr>) -> Result<Node> {
        let places = match places {
            None => 0,
            Some(places) => match literals::constant(&self.bind(places)?) {
                Some(Constant::Integer(places)) => {
                    i32::try_from(places.clamp(-1_000, 1_000)).unwrap_or_default()
                }
                _ => {
                    return Err(
                        self.error(places, "the number of places must be an integer, the same in every row")
                    );
                }
            },
        };
        let node = self.number(of)?;
        let kind = match node.kind {
            Kind::Integer if matches!(rounding, Rounding::Up | Rounding::Down) => {
                return self.cast(node, &Kind::Double, of);
            }
            Kind::Decimal(digits, scale) => {
                let kept = u8::try_from(places.clamp(0, scale.into())).unwrap_or(scale);
                let carry = u8::from(kept < scale || places < 0);
                Kind::Decimal((digits - (scale - kept) + carry).clamp(1, MAX_DIGITS), kept)
            }
            ref other => other.clone(),
        };
        Ok(Node::new(kind, Op::Call(Call::Round(rounding, places), vec![node])))
    }

    fn of_times(&self, name: &str, operands: &[&Expr]) -> Result<Option<Node>> {
        let node = match (name, operands) {
            ("date_part" | "datepart", [field, of]) => self.field(&self.field_name(field)?, of)?,
            ("date_trunc" | "datetrunc", [field, of]) => self.begin(&self.field_name(field)?, field, of)?,
            ("make_date", [year, month, day]) => {
                let parts = [year, month, day]
                    .into_iter()
                    .map(|part| self.whole_number(part))
                    .collect::<Result<_>>()?;
                Node::new(Kind::Date, Op::Call(Call::MakeDate, parts))
            }
            (name, [of]) => match Field::named(name) {
                // A letter alone is a field of EXTRACT and no function.
                Some(_) if name.len() > 3 => self.field(name, of)?,
                Some(_) if name == "day" => self.field(name, of)?,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    fn field_name(&self, of: &Expr) -> Result<String> {
        Ok(self.constant_text(of)?.unwrap_or_default())
    }

    fn known_field(&self, name: &str, at: &Expr) -> Result<Field> {
        Field::named(name.trim_matches('\'')).ok_or_else(|| {
            let valid =
                "year, quarter, month, week, day, dayofyear, dayofweek, hour, minute, second and epoch";
            self.error(at, format!("{name:?} is no field of a date; there are {valid}"))
        })
    }

    /// `EXTRACT(field FROM x)`
    fn field(&self, name: &str, of: &Expr) -> Result<Node> {
        let field = self.known_field(name, of)?;
        let node = self.bind(of)?;
        let kind = if field == Field::Epoch { Kind::Double } else { Kind::Integer };
        // A length of time is a number of seconds already.
        if field == Field::Epoch && matches!(node.kind, Kind::Double | Kind::Null) {
            return self.cast(node, &Kind::Double, of);
        }
        match node.kind {
            Kind::Null => self.cast(node, &kind, of),
            Kind::Date | Kind::Timestamp(..) => Ok(Node::new(kind, Op::Call(Call::Field(field), vec![node]))),
            Kind::Time if field.is_of_the_day() => {
                Ok(Node::new(kind, Op::Call(Call::Field(field), vec![node])))
            }
            other => Err(self.error(of, format!("this is {other}, which has no {name}"))),
        }
    }

    fn begin(&self, name: &str, at: &Expr, of: &Expr) -> Result<Node> {
        let field = self.known_field(name, at)?;
        let node = self.bind(of)?;
        let kind = match &node.kind {
            Kind::Date => Kind::Timestamp(TimeUnit::Microsecond, None),
            Kind::Timestamp(_, zone) => Kind::Timestamp(TimeUnit::Microsecond, zone.clone()),
            other => return Err(self.error(of, format!("this is {other}, not a date or timestamp"))),
        };
        if field == Field::Epoch {
            return Err(self.error(at, "an epoch has no beginning"));
        }
        Ok(Node::new(kind, Op::Call(Call::Begin(field), vec![node])))
    }

    /// `x ^ y`
    pub(super) fn power(&self, x: &Expr, y: &Expr) -> Result<Node> {
        let operands = [x, y].into_iter().map(|of| self.cast(self.number(of)?, &Kind::Double, of));
        let operands = operands.collect::<Result<_>>()?;
        Ok(Node::new(Kind::Double, Op::Call(Call::Reals(Reals::Power), operands)))
    }

    pub(super) fn text_call(&self, text: Text, operands: &[&Expr]) -> Result<Node> {
        let operand = |(place, of): (usize, &&Expr)| match text {
            // Whatever it is, as text.
            Text::Concat | Text::Join => self.cast(self.bind(of)?, &Kind::Text, of),
            _ if text.operand(place) == Kind::Integer => self.whole_number(of),
            _ => self.text_operand(of),
        };
        let nodes = operands.iter().enumerate().map(operand).collect::<Result<_>>()?;
        Ok(Node::new(text.result(), Op::Call(Call::Text(text), nodes)))
    }

    /// Whether text has a match of a regular expression.
    pub(super) fn matches(&self, of: &Expr, pattern: &Expr, folds_case: bool) -> Result<Node> {
        let text = self.text_operand(of)?;
        let Some(constant) = self.constant_text(pattern)? else {
            return Ok(compared(
                Comparison::Equal,
                text,
                Node::new(Kind::Text, Op::Constant(Constant::Null)),
            ));
        };
        let built = RegexBuilder::new(&constant).case_insensitive(folds_case).size_limit(1 << 20).build();
        let regex = built.map_err(|e| {
            let text = e.to_string();
            let last = text.lines().last().unwrap_or_default();
            self.error(
                pattern,
                format!("this is not a regular expression: {}", last.trim_start_matches("error: ")),
            )
        })?;
        Ok(Node::new(Kind::Boolean, Op::Call(Call::Matches(regex), vec![text])))
    }
}
