//! Literals and types.

use super::Binder;
use crate::error::Result;
use crate::rows::calendar::Shift;
use crate::rows::column::Constant;
use crate::rows::evaluate::Rows;
use crate::rows::kind::{Kind, MAX_DIGITS, Zone};
use crate::rows::node::{Node, Op};
use crate::rows::syntax::{Expr, Syntax, TypeName};
use arrow_schema::TimeUnit;

impl Binder<'_> {
    /// `date '2024-02-29'`
    pub(super) fn typed_text(&self, target: &TypeName, text: &str, at: &Expr) -> Result<Node> {
        let kind = self.kind(target, at)?;
        self.cast(Node::new(Kind::Text, Op::Constant(Constant::Text(text.to_owned()))), &kind, at)
    }

    pub(super) fn explicit_cast(&self, of: &Expr, target: &TypeName, lenient: bool) -> Result<Node> {
        let node = self.bind(of)?;
        let kind = self.kind(target, of)?;
        let is_time = |kind: &Kind| matches!(kind, Kind::Date | Kind::Time | Kind::Timestamp(..));
        let is_number = |kind: &Kind| kind.is_number() || *kind == Kind::Boolean;
        let parted = (is_time(&node.kind) && is_number(&kind)) || (is_number(&node.kind) && is_time(&kind));
        let clock =
            (node.kind == Kind::Time && kind.has_days()) || (node.kind == Kind::Date && kind == Kind::Time);
        if parted || clock {
            let message =
                format!("{} cannot be cast to {kind}; epoch(x) gives the seconds since 1970", node.kind);
            return Err(self.error(of, message));
        }
        if lenient {
            return Ok(Node::new(kind, Op::Cast { of: Box::new(node), lenient }));
        }
        self.cast(node, &kind, of)
    }

    /// The kind that a type of SQL stands for. Whole numbers have 64 bits, however narrow the type.
    fn kind(&self, target: &TypeName, at: &Expr) -> Result<Kind> {
        let timestamp = |unit| Kind::Timestamp(unit, None);
        let sized =
            ["decimal", "numeric", "dec", "varchar", "char", "character", "character varying", "bpchar"];
        if !target.sizes.is_empty() && !sized.contains(&target.name.as_str()) {
            return Err(self.error(at, format!("the type {:?} takes no size here", target.name)));
        }
        let kind = match target.name.as_str() {
            "boolean" | "bool" | "logical" => Kind::Boolean,
            "bigint" | "int8" | "long" | "integer" | "int" | "int4" | "signed" | "smallint" | "int2"
            | "short" | "tinyint" => Kind::Integer,
            "int16" | "int32" | "int64" => Kind::Integer,
            "hugeint" | "int128" => Kind::Decimal(MAX_DIGITS, 0),
            "real" | "float" | "float4" | "float32" => Kind::Single,
            "double" | "double precision" | "float8" | "float64" => Kind::Double,
            "decimal" | "numeric" | "dec" => return self.decimal(&target.sizes, at),
            "varchar" | "text" | "string" | "char" | "character" | "character varying" | "bpchar" => {
                Kind::Text
            }
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp" | "datetime" | "timestamp_us" => timestamp(TimeUnit::Microsecond),
            "timestamp_s" => timestamp(TimeUnit::Second),
            "timestamp_ms" => timestamp(TimeUnit::Millisecond),
            "timestamp_ns" => timestamp(TimeUnit::Nanosecond),
            "timestamptz" => Kind::Timestamp(TimeUnit::Microsecond, Zone::named("UTC")),
            other => {
                let valid = "BIGINT, DOUBLE, DECIMAL(digits, places), TEXT, BOOLEAN, DATE, TIME, TIMESTAMP and TIMESTAMPTZ";
                let message = format!("the type {other:?} has no use in expressions; there are {valid}");
                return Err(self.error(at, message));
            }
        };
        Ok(kind)
    }

    fn decimal(&self, sizes: &[u64], at: &Expr) -> Result<Kind> {
        let (digits, scale) = match *sizes {
            [] => (18, 3),
            [digits] => (digits, 0),
            [digits, scale, ..] => (digits, scale),
        };
        match (u8::try_from(digits), u8::try_from(scale)) {
            (Ok(digits @ 1..=MAX_DIGITS), Ok(scale)) if scale <= digits => Ok(Kind::Decimal(digits, scale)),
            _ => {
                Err(self
                    .error(at, format!("a decimal has 1 to {MAX_DIGITS} digits, and at most as many places")))
            }
        }
    }

    /// The length of an `INTERVAL` literal, if that is what it is.
    pub(super) fn interval(&self, expr: &Expr) -> Result<Option<Shift>> {
        let Syntax::Interval { length, unit } = &expr.syntax else { return Ok(None) };
        let shift = Shift::parse(length, unit.as_deref());
        shift
            .map(Some)
            .ok_or_else(|| self.error(expr, "an interval is written as INTERVAL '3 days' or INTERVAL 3 DAY"))
    }

    /// `t AT TIME ZONE 'Europe/Bern'`: the clock there, or the instant when that clock showed it.
    pub(super) fn at_time_zone(&self, timestamp: &Expr, zone: &Expr) -> Result<Node> {
        let node = self.bind(timestamp)?;
        let named = match self.bind(zone)?.constant() {
            Some(Constant::Text(name)) => Zone::named(name),
            _ => None,
        };
        let named = named
            .ok_or_else(|| self.error(zone, "this is not a time zone such as 'Europe/Zurich' or '+02:00'"))?;
        let node = if node.kind == Kind::Date {
            self.cast(node, &Kind::Timestamp(TimeUnit::Microsecond, None), timestamp)?
        } else {
            node
        };
        let Kind::Timestamp(unit, of) = node.kind.clone() else {
            return Err(self.error(timestamp, format!("this is {}, not a timestamp", node.kind)));
        };
        let there = Kind::Timestamp(unit, Some(named));
        match of {
            None => self.cast(node, &there, timestamp),
            // The same instant by another clock.
            Some(_) => self.cast(Node { kind: there, ..node }, &Kind::Timestamp(unit, None), timestamp),
        }
    }
}

/// A number as it is written: whole, with places, or with an exponent.
pub(super) fn number(digits: &str) -> Option<Node> {
    let digits = digits.replace('_', "");
    let node = |kind: Kind, value: Constant| Some(Node::new(kind, Op::Constant(value)));
    let double = || node(Kind::Double, Constant::Double(digits.parse().ok()?));
    if digits.contains(['e', 'E']) {
        return double();
    }
    if let Ok(whole) = digits.parse() {
        return node(Kind::Integer, Constant::Integer(whole));
    }
    let unsigned = digits.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || all.len() > usize::from(MAX_DIGITS) {
        return double();
    }
    let units: i128 = all.parse().ok()?;
    let kind = Kind::Decimal(u8::try_from(all.len()).ok()?, u8::try_from(fraction.len()).ok()?);
    node(kind, Constant::Decimal(if digits.starts_with('-') { -units } else { units }))
}

/// The value of a constant expression.
pub(super) fn constant(node: &Node) -> Option<Constant> {
    node.evaluate(&Rows::one()).ok().filter(|_| node.constant().is_some()).map(|value| value.first())
}
