//! Literals and types.

use arrow_schema::TimeUnit;
use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Interval, TimezoneInfo, TypedString, Value};
use sqlparser::tokenizer::Span;

use super::Binder;
use crate::error::Result;
use crate::rows::calendar::Shift;
use crate::rows::column::Constant;
use crate::rows::evaluate::Rows;
use crate::rows::kind::{Kind, MAX_DIGITS, Zone};
use crate::rows::node::{Node, Op};

impl Binder<'_> {
    pub(super) fn literal(&self, value: &Value, span: Span) -> Result<Node> {
        Ok(match value {
            Value::Null => Node::null(),
            Value::Boolean(value) => Node::new(Kind::Boolean, Op::Constant(Constant::Boolean(*value))),
            Value::Number(digits, _) => {
                return number(digits)
                    .ok_or_else(|| self.text.error(span, format!("{digits} is not a number")));
            }
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::NationalStringLiteral(text) => {
                Node::new(Kind::Text, Op::Constant(Constant::Text(text.clone())))
            }
            other => return Err(self.text.error(span, format!("{other} has no use in expressions"))),
        })
    }

    /// `date '2024-02-29'`
    pub(super) fn typed_text(&self, typed: &TypedString) -> Result<Node> {
        let at = Expr::Value(typed.value.clone());
        let kind = self.kind(&typed.data_type, &at)?;
        self.cast(self.bind(&at)?, &kind, &at)
    }

    pub(super) fn explicit_cast(&self, cast: &CastKind, of: &Expr, target: &DataType) -> Result<Node> {
        let node = self.bind(of)?;
        let kind = self.kind(target, of)?;
        let lenient = matches!(cast, CastKind::TryCast | CastKind::SafeCast);
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
    pub(super) fn kind(&self, data_type: &DataType, at: &Expr) -> Result<Kind> {
        use DataType as T;
        let microseconds = TimeUnit::Microsecond;
        Ok(match data_type {
            T::Bool | T::Boolean => Kind::Boolean,
            T::TinyInt(_)
            | T::SmallInt(_)
            | T::Int(_)
            | T::Integer(_)
            | T::BigInt(_)
            | T::Int2(_)
            | T::Int4(_) => Kind::Integer,
            T::Int8(_) | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UTinyInt => {
                Kind::Integer
            }
            T::USmallInt | T::IntUnsigned(_) | T::IntegerUnsigned(_) | T::Signed | T::SignedInteger => {
                Kind::Integer
            }
            T::UBigInt | T::UInt64 | T::BigIntUnsigned(_) => Kind::Decimal(20, 0),
            T::HugeInt | T::Int128 => Kind::Decimal(MAX_DIGITS, 0),
            T::Float(_) | T::Real | T::Float4 | T::Float32 => Kind::Single,
            T::Double(_) | T::DoublePrecision | T::Float8 | T::Float64 => Kind::Double,
            T::Decimal(size) | T::Numeric(size) | T::Dec(size) => self.decimal(*size, at)?,
            T::Varchar(_)
            | T::Char(_)
            | T::Character(_)
            | T::CharacterVarying(_)
            | T::Text
            | T::String(_) => Kind::Text,
            T::Date | T::Date32 => Kind::Date,
            T::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Kind::Time,
            T::Datetime(_) | T::TimestampNtz(_) => Kind::Timestamp(microseconds, None),
            T::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                Kind::Timestamp(microseconds, None)
            }
            T::Timestamp(_, _) => Kind::Timestamp(microseconds, Zone::named("UTC")),
            T::Custom(name, _) => match name.to_string().to_lowercase().as_str() {
                "timestamp_s" => Kind::Timestamp(TimeUnit::Second, None),
                "timestamp_ms" => Kind::Timestamp(TimeUnit::Millisecond, None),
                "timestamp_us" => Kind::Timestamp(microseconds, None),
                "timestamp_ns" => Kind::Timestamp(TimeUnit::Nanosecond, None),
                "uinteger" => Kind::Integer,
                _ => return Err(self.no_type(data_type, at)),
            },
            other => return Err(self.no_type(other, at)),
        })
    }

    fn no_type(&self, data_type: &DataType, at: &Expr) -> crate::error::Error {
        let valid =
            "BIGINT, DOUBLE, DECIMAL(digits, places), TEXT, BOOLEAN, DATE, TIME, TIMESTAMP and TIMESTAMPTZ";
        self.error(at, format!("the type {data_type} has no use in expressions; there are {valid}"))
    }

    fn decimal(&self, size: ExactNumberInfo, at: &Expr) -> Result<Kind> {
        let (digits, scale) = match size {
            ExactNumberInfo::None => (18, 3),
            ExactNumberInfo::Precision(digits) => (digits, 0),
            ExactNumberInfo::PrecisionAndScale(digits, scale) => (digits, scale),
        };
        match (u8::try_from(digits), u8::try_from(scale)) {
            (Ok(digits @ 1..=MAX_DIGITS), Ok(scale)) if scale <= digits => Ok(Kind::Decimal(digits, scale)),
            _ => {
                Err(self
                    .error(at, format!("a decimal has 1 to {MAX_DIGITS} digits, and at most as many places")))
            }
        }
    }

    /// The length of an `INTERVAL` literal.
    pub(super) fn interval(&self, interval: &Interval, at: &Expr) -> Result<Shift> {
        let unit = interval.leading_field.as_ref().map(|unit| unit.to_string().to_lowercase());
        let text = match &*interval.value {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(text.clone()),
                Value::Number(digits, _) => Some(digits.clone()),
                _ => None,
            },
            Expr::UnaryOp { expr, op: sqlparser::ast::UnaryOperator::Minus } => match &**expr {
                Expr::Value(value) => Some(format!("-{}", value.value)),
                _ => None,
            },
            _ => None,
        };
        let plain = interval.last_field.is_none();
        let shift = text.filter(|_| plain).and_then(|text| Shift::parse(&text, unit.as_deref()));
        shift.ok_or_else(|| self.error(at, "an interval is written as INTERVAL '3 days' or INTERVAL 3 DAY"))
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
