#!/usr/bin/env python3
"""Writes random tables, random SQL row expressions over them, and DuckDB's answers.

    python3 oracle.py --seed 1 --cases 400 --out sample

The folder gets table_0.parquet, table_1.parquet, ... and cases.jsonl. The first line of cases.jsonl tells the version
of DuckDB; every other line is one case:

    {"table": "table_0.parquet", "sql": "...", "type": "BIGINT", "values": ["1", null, ...]}
    {"table": "table_0.parquet", "sql": "...", "error": "Conversion Error: ..."}

Booleans are JSON booleans; integers and decimals strings of digits; FLOAT and DOUBLE numbers or "NaN", "Infinity",
"-Infinity"; DATE "YYYY-MM-DD"; TIME and all kinds of TIMESTAMP strings of integer nanoseconds since midnight or 1970.

DuckDB sees the integer columns as BIGINT, and uint64 as DECIMAL(20,0). A case on which DuckDB contradicts itself with
its optimizer off is left out, and so is one whose answer depends on integers of less than 64 bits, on the sign of a
NaN or on the last digit of a function of libm. Needs duckdb, pyarrow and numpy.
"""

import argparse
import json
import math
import random
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# ---------------------------------------------------------------------------------------------------------- tables

WORDS = ["", "a", "ab", "abc", "ABC", "hello", "Hello World", "été", "ÉTÉ", "日本語", "straße", "naïve", "a%c", "a_c",
         "a\\c", "  pad ", " x", "tab\t", "it's", "😀x", "e\u0301a", "0", "zz", "line\nbreak"]
NUMERALS = ["1", "-2", "3.5", "1e3", " 42 ", "0", "007", "-7.25", "12345", "2.5", "+8", "1000", "99.995"]
COLOURS = ["red", "green", "blue", "", "Übergrün", "Green"]
DAY = 86_400
SOME_DAYS = [9860, 10622, 11016, -1, 0, -25508, 20088, 10956, 10957, 19782, 365, -366]
FLOAT_SPECIALS = [math.nan, math.inf, -math.inf, -0.0, 0.0]


@dataclass(frozen=True)
class Column:
    """One column: `kind` is what the generator of expressions calls its type, `view` what DuckDB casts it to."""

    name: str
    arrow: pa.DataType
    kind: str
    ordinary: object
    extremes: tuple = ()
    view: str = ""


def whole(low, high):
    return lambda rng: rng.randint(low, high)


def among(pool):
    return lambda rng: rng.choice(pool)


def real(rng):
    draw = rng.random()
    if draw < 0.12:
        return rng.choice(FLOAT_SPECIALS)
    if draw < 0.4:
        return rng.randint(-20, 20) + 0.5
    if draw < 0.55:
        return float(rng.randint(-5, 5))
    return round(rng.gauss(0, 100), rng.randint(1, 6))


def fixed(digits, scale):
    """Decimals of up to `digits` digits, often halves so that rounding shows."""

    def draw(rng):
        if scale and rng.random() < 0.4:
            return Decimal(rng.randint(-40, 40) * 5).scaleb(-1).quantize(Decimal(1).scaleb(-scale))
        return Decimal(rng.randint(-(10**digits), 10**digits)).scaleb(-scale)

    return draw


def day(rng):
    return rng.choice(SOME_DAYS) if rng.random() < 0.4 else rng.randint(-7300, 21900)


def instant(per_second):
    """Instants as integers of 1/per_second seconds, sometimes midnights and sometimes just before 1970."""

    def draw(rng):
        draw = rng.random()
        if draw < 0.15:
            return -1
        if draw < 0.35:
            return day(rng) * DAY * per_second
        return (day(rng) * DAY + rng.randrange(DAY)) * per_second + rng.randrange(per_second)

    return draw


def whole_microseconds(rng):
    """Nanoseconds without a part that DuckDB rounds to microseconds before it makes dates of them."""
    return instant(10**6)(rng) * 1000


def far_instants(per_second):
    """The first instant of year 1 and the last of year 9999."""
    return (-719162 * DAY * per_second, (2932897 * DAY) * per_second - 1)


I64 = (2**63 - 1, -(2**63), -(2**63) + 1)
F64 = (1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 1e19, 9007199254740993.0, 0.1)
WIDEST = "9" * 28 + "." + "9" * 10

COLUMNS = [
    Column("b", pa.bool_(), "bool", among([True, False])),
    Column("c", pa.bool_(), "bool", among([True, False])),
    Column("i8", pa.int8(), "int", whole(-100, 100), (127, -128), "BIGINT"),
    Column("i16", pa.int16(), "int", whole(-1000, 1000), (32767, -32768), "BIGINT"),
    Column("i32", pa.int32(), "int", whole(-100_000, 100_000), (2**31 - 1, -(2**31)), "BIGINT"),
    Column("i64", pa.int64(), "int", whole(-1_000_000, 1_000_000), I64, "BIGINT"),
    Column("k", pa.int64(), "int", whole(-3, 9), (), "BIGINT"),
    Column("u8", pa.uint8(), "int", whole(0, 200), (255,), "BIGINT"),
    Column("u32", pa.uint32(), "int", whole(0, 100_000), (2**32 - 1,), "BIGINT"),
    Column("u64", pa.uint64(), "dec", whole(0, 1_000_000), (2**64 - 1, 2**63), "DECIMAL(20,0)"),
    Column("f32", pa.float32(), "f32", real, (3.4028234663852886e38, 1e-45, 16777217.0, 0.1)),
    Column("f64", pa.float64(), "f64", real, F64),
    Column("x", pa.float64(), "f64", real),
    Column("d12", pa.decimal128(12, 2), "dec", fixed(6, 2), (Decimal("9999999999.99"), Decimal("-9999999999.99"))),
    Column("d5", pa.decimal128(5, 2), "dec", fixed(4, 2), (Decimal("999.99"), Decimal("-999.99"))),
    Column("d38", pa.decimal128(38, 10), "dec", fixed(15, 10), (Decimal(WIDEST), Decimal("-" + WIDEST))),
    Column("d18", pa.decimal128(18, 0), "dec", fixed(7, 0), (Decimal(10**18 - 1), Decimal(1 - 10**18))),
    Column("s", pa.string(), "str", among(WORDS)),
    Column("t", pa.string(), "str", among(WORDS)),
    Column("n", pa.string(), "numeral", among(NUMERALS), ("", "abc", "nan", "-inf", "1e400")),
    Column("colour", pa.dictionary(pa.int32(), pa.string()), "str", among(COLOURS)),
    Column("day", pa.date32(), "date", day, (-719162, 2932896)),
    Column("due", pa.date32(), "date", day),
    Column("clock", pa.time64("us"), "time", whole(0, DAY * 10**6 - 1), (0, DAY * 10**6 - 1)),
    Column("ts_s", pa.timestamp("s"), "ts", instant(1), far_instants(1)),
    Column("ts_ms", pa.timestamp("ms"), "ts", instant(1000), far_instants(1000)),
    Column("ts_us", pa.timestamp("us"), "ts", instant(10**6), far_instants(10**6)),
    Column("ts_ns", pa.timestamp("ns"), "tns", whole_microseconds, (-(2**63) // 1000 * 1000 + 2 * 10**9, 2**63 // 1000 * 1000 - 10**9)),
    Column("ts_tz", pa.timestamp("us", "UTC"), "tz", instant(10**6), far_instants(10**6)),
]


def cells(rng, column, rows, wild):
    values = [None if rng.random() < 0.12 else column.ordinary(rng) for _ in range(rows)]
    if wild and column.extremes:
        for _ in range(rng.randint(1, 2)):
            values[rng.randrange(rows)] = rng.choice(column.extremes)
    return values


def as_array(column, values):
    if pa.types.is_date32(column.arrow):
        return pa.array(values, pa.int32()).cast(column.arrow)
    if pa.types.is_dictionary(column.arrow):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, column.arrow)


def write_table(rng, path, wild):
    rows = rng.randint(12, 40)
    table = pa.table({c.name: as_array(c, cells(rng, c, rows, wild)) for c in COLUMNS})
    pq.write_table(table, path, compression="snappy")

NAMES = {c.name for c in COLUMNS}

# ----------------------------------------------------------------------------------------------------- expressions

# How tightly each kind of expression binds, as in SQL.
OR, AND, NOT, IS, COMPARE, IN, CONCAT, ADD, MULTIPLY, MINUS, POSTFIX, ATOM = range(1, 13)

COMPARISONS = ["=", "<>", "!=", "<", "<=", ">", ">="]
DISTINCT = ["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
TEMPORAL = ["date", "ts", "tns", "tz"]
NUMBERS = ["int", "dec", "f32", "f64"]
DATE_TEXTS = ["1996-12-30", "1999-01-31", "1970-01-01", "2000-02-29", "1969-12-31"]
TS_TEXTS = [
    "1999-01-31 12:34:56.789",
    "1970-01-01 00:00:00",
    "1969-12-31 23:59:59.999999",
    "2000-02-29 12:00:00",
    "2010-06-15T08:30:00",
]
TZ_TEXTS = TS_TEXTS[:3] + ["1999-01-31 12:00:00+02", "1970-01-01 00:00:00Z", "2005-05-05 05:05:05-07:30"]
PATTERNS = ["a%", "%b%", "%c", "_", "__", "a_c", "", "%", "A%", "%é%", "日_語", "%_e%", "h%o", "H_l%", "a\\c", "%ü%"]
ESCAPED = ["a!%c", "%!_%", "a!_c", "!a%", "a!!c"]
INTERVALS = [
    "'3' day", "'1' month", "'2 months'", "'1' year", "'90 minutes'", "'1.5' second", "'-1 month'", "'1:30:00'",
    "'2 months 3 days'", "2 day", "'1 week'", "'1 quarter'", "'250' millisecond", "'1 day -01:00:00'",
]
DATE_PARTS = ["year", "month", "day", "quarter", "week", "dow", "isodow", "doy"]
TIME_PARTS = ["hour", "minute", "second", "millisecond", "microsecond"]
DATE_FUNCTIONS = ["year", "month", "day", "quarter", "week", "dayofweek", "isodow", "dayofyear"]
TRUNCATIONS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond"]
DECIMALS = ["DECIMAL(12,2)", "DECIMAL(5,1)", "DECIMAL(18,3)", "DECIMAL(38,10)", "DECIMAL(9,0)", "DECIMAL(20,4)"]
TRANSCENDENTAL = ["cbrt", "exp", "ln", "log10", "log2", "sin", "cos", "tan", "atan", "degrees", "radians"]


@dataclass(frozen=True)
class Node:
    """An expression in SQL. `constant`: without a column; `approximate`: from a function whose last digits depend on
    libm; `unstable`: those digits could decide the result."""

    sql: str
    level: int = ATOM
    constant: bool = False
    approximate: bool = False
    unstable: bool = False


def build(sql, level, children, step=False, approximate=False):
    """A node made of `children`; `step` where a last digit of an operand can flip the result."""
    inexact = any(c.approximate for c in children)
    return Node(
        sql,
        level,
        all(c.constant for c in children),
        approximate or inexact,
        any(c.unstable for c in children) or (step and inexact),
    )


def literal(sql):
    return Node(sql, MINUS if sql.startswith("-") else ATOM, constant=True)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Generator:
    """Draws expressions of a wanted kind: bool, int, dec, f32, f64, str, numeral, date, time, ts, tns or tz."""

    def __init__(self, rng):
        self.rng = rng
        self.rules = {
            "bool": self.boolean_rules(),
            "int": self.integer_rules(),
            "dec": self.decimal_rules(),
            "f32": self.float_rules(),
            "f64": self.double_rules(),
            "str": self.text_rules(),
            "date": self.date_rules(),
            "ts": self.timestamp_rules(),
            "tns": [(3, self.shifted, "tns"), (1, self.conditional, "tns")],
            "tz": [(3, self.shifted, "tz"), (2, self.truncated, "tz"), (1, self.conditional, "tz")],
        }

    # -- the choice of rules

    def node(self, kind, depth):
        """An expression of the kind, at most `depth` operators deep."""
        rules = self.rules.get(kind)
        if depth <= 0 or not rules or self.rng.random() < 0.06:
            return self.leaf(kind)
        _, rule, *arguments = self.rng.choices(rules, [r[0] for r in rules])[0]
        return rule(depth - 1, *arguments)

    def leaf(self, kind):
        return self.column(kind) if kind in ("tns", "tz") or self.rng.random() < 0.72 else self.literal(kind)

    def column(self, kind):
        return Node(self.pick([c.name for c in COLUMNS if c.kind == kind]))

    def literal(self, kind):
        rng = self.rng
        draw = {
            "bool": lambda: self.pick(["TRUE", "false", "TRUE", "NULL"]),
            "int": lambda: str(self.pick([0, 1, 2, 3, 7, 10, -1, -3, 100, 1000, 2147483648, rng.randint(-50, 50)])),
            "dec": lambda: self.pick(["1.50", "0.1", "2.5", "-0.05", "100.0", "7.00", "0.3333", "12.345"]),
            "f32": lambda: self.pick(["1.5", "0.1", "3"]),
            "f64": lambda: self.pick(["1e0", "2.5e0", "-1e-3", "0e0", "1e10", "0.1e0", "CAST('nan' AS DOUBLE)"]),
            "str": lambda: quoted(self.pick(WORDS)),
            "numeral": lambda: quoted(self.pick(NUMERALS)),
            "date": lambda: "date " + quoted(self.pick(DATE_TEXTS)),
            "time": lambda: "time " + quoted(self.pick(["12:34:56.789", "00:00:00", "23:59:59.999999"])),
            "ts": lambda: "timestamp " + quoted(self.pick(TS_TEXTS)),
        }
        return literal(draw[kind]())

    def pick(self, pool):
        return self.rng.choice(pool)

    def number(self, depth):
        return self.node(self.pick(NUMBERS), depth)

    def wrap(self, node, level):
        """The node's SQL for a place that needs this level, in parentheses where needed and now and then where not."""
        if node.level < level or (node.level < ATOM and self.rng.random() < 0.15):
            return f"({node.sql})"
        return node.sql

    # -- building blocks

    def binary(self, left, operator, right, level, step=False):
        """An infix operator; arithmetic of constants alone is avoided, for DuckDB does it in 32 bits."""
        if left.constant and right.constant:
            left = self.column("int") if level in (ADD, MULTIPLY) else left
        loosest = level + 1 if level in (COMPARE, IN) else level
        sql = f"{self.wrap(left, loosest)} {operator} {self.wrap(right, level + 1)}"
        return build(sql, level, [left, right], step)

    def call(self, name, *arguments, step=False, approximate=False):
        name = name.upper() if self.rng.random() < 0.1 else name
        sql = f"{name}({', '.join(a.sql for a in arguments)})"
        return build(sql, ATOM, arguments, step, approximate)

    def cast(self, node, target, may_fail=0.3):
        step = target != "DOUBLE"
        if self.rng.random() < may_fail:
            return build(f"TRY_CAST({node.sql} AS {target})", ATOM, [node], step)
        if self.rng.random() < 0.4:
            return build(f"{self.wrap(node, ATOM)}::{target}", POSTFIX, [node], step)
        return build(f"CAST({node.sql} AS {target})", ATOM, [node], step)

    def divisor(self, kind, depth):
        """Something to divide by that is rarely zero."""
        draw = self.rng.random()
        if draw < 0.5:
            return literal({"int": "7", "dec": "1.5", "f64": "2.5e0"}[kind] if draw < 0.25 else self.pick(["2", "-3"]))
        node = self.node(kind, depth)
        return node if draw < 0.55 else self.call("nullif", node, literal("0"), step=True)

    # -- rules that serve every kind

    def conditional(self, depth, kind):
        return self.pick([self.case, self.simple_case, self.coalesce, self.choose, self.null_if])(depth, kind)

    def branch(self, depth, kind):
        """A value of the kind, or one that DuckDB converts to it."""
        draw = self.rng.random()
        if draw < 0.08:
            return literal("NULL")
        if draw < 0.2 and kind in ("dec", "f64", "f32"):
            return self.node("int", depth)
        return self.node(kind, depth)

    def case(self, depth, kind):
        parts, children = [], []
        for _ in range(self.rng.randint(1, 2)):
            when, then = self.node("bool", depth), self.branch(depth, kind)
            parts.append(f"WHEN {when.sql} THEN {then.sql}")
            children += [when, then]
        return self.finish_case("CASE", parts, children, depth, kind)

    def simple_case(self, depth, kind):
        of = self.pick(["int", "str", "dec", "bool"])
        subject = self.node(of, depth)
        parts, children = [], [subject]
        for _ in range(self.rng.randint(1, 2)):
            when, then = self.leaf(of), self.branch(depth, kind)
            parts.append(f"WHEN {when.sql} THEN {then.sql}")
            children += [when, then]
        return self.finish_case(f"CASE {subject.sql}", parts, children, depth, kind)

    def finish_case(self, head, parts, children, depth, kind):
        parts = [head, *parts]
        if self.rng.random() < 0.8:
            otherwise = self.node(kind, depth)
            parts.append(f"ELSE {otherwise.sql}")
            children.append(otherwise)
        return build(" ".join([*parts, "END"]), ATOM, children, step=head != "CASE")

    def coalesce(self, depth, kind):
        arguments = [self.node(kind, depth)] + [self.branch(depth, kind) for _ in range(self.rng.randint(1, 2))]
        if len(arguments) == 2 and self.rng.random() < 0.3:
            return self.call("ifnull", *arguments)
        return self.call("coalesce", *arguments)

    def choose(self, depth, kind):
        return self.call("if", self.node("bool", depth), self.branch(depth, kind), self.node(kind, depth))

    def null_if(self, depth, kind):
        return self.call("nullif", self.node(kind, depth), self.leaf(kind), step=True)

    def extreme(self, depth, kind):
        arguments = [self.node(kind, depth), self.branch(depth, kind)]
        if self.rng.random() < 0.3:
            arguments.append(self.leaf(kind))
        return self.call(self.pick(["greatest", "least"]), *arguments)

    def negated(self, depth, kind):
        node = self.node(kind, depth)
        return build(f"-{self.wrap(node, POSTFIX)}", MINUS, [node])

    def same(self, depth, kind, name, step=False):
        """A function that keeps the kind of its argument."""
        return self.call(name, self.node(kind, depth), step=step)

    def rounded(self, depth, kind):
        node = self.node(kind, depth)
        name = self.pick(["round", "round", "trunc"])
        if self.rng.random() < 0.5:
            return self.call(name, node, step=True)
        digits = literal(str(self.pick([0, 1, 2, 3, -1, -2])))
        return self.call(name, node, digits, step=True)

    # -- booleans

    def boolean_rules(self):
        return [
            (6, self.compare_numbers), (3, self.compare_texts), (5, self.compare_times), (6, self.both),
            (2, self.inverse), (2, self.null_test), (2, self.truth_test), (4, self.in_list), (4, self.between),
            (4, self.like), (2, self.float_test), (2, self.text_test), (2, self.conditional, "bool"),
            (1, self.to_boolean), (1, self.compare_booleans),
        ]

    def comparison(self, left, right):
        operator = self.pick(DISTINCT) if self.rng.random() < 0.15 else self.pick(COMPARISONS)
        level = IS if operator in DISTINCT else COMPARE
        if level == IS:
            sql = f"{self.wrap(left, CONCAT)} {operator} {self.wrap(right, CONCAT)}"
            return build(sql, IS, [left, right], step=True)
        return self.binary(left, operator, right, COMPARE, step=operator in ("=", "<>", "!="))

    def compare_numbers(self, depth):
        return self.comparison(self.number(depth), self.number(depth))

    def compare_texts(self, depth):
        if self.rng.random() < 0.15:
            return self.comparison(self.column("numeral"), self.literal("int"))
        return self.comparison(self.node("str", depth), self.node("str", depth))

    def compare_booleans(self, depth):
        return self.comparison(self.node("bool", depth), self.node("bool", depth))

    def moment_text(self, kind):
        """A text literal beside a date or timestamp."""
        pools = {"date": DATE_TEXTS, "ts": DATE_TEXTS + TS_TEXTS, "tns": TS_TEXTS, "tz": TZ_TEXTS}
        return literal(quoted(self.pick(pools[kind])))

    def compare_times(self, depth):
        draw = self.rng.random()
        if draw < 0.12:
            return self.comparison(self.column("time"), self.leaf("time"))
        kind = self.pick(TEMPORAL)
        left = self.node(kind, depth)
        if draw < 0.45:
            return self.comparison(left, self.moment_text(kind))
        return self.comparison(left, self.node(self.pick([kind, "date", "ts"]), depth))

    def both(self, depth):
        level, word = self.pick([(AND, "AND"), (OR, "OR")])
        return self.binary(self.node("bool", depth), word, self.node("bool", depth), level)

    def inverse(self, depth):
        node = self.node("bool", depth)
        return build(f"NOT {self.wrap(node, IS)}", NOT, [node])

    def null_test(self, depth):
        node = self.node(self.pick(["bool", *NUMBERS, "str", *TEMPORAL]), depth)
        return build(f"{self.wrap(node, CONCAT)} {self.pick(['IS NULL', 'IS NOT NULL'])}", IS, [node])

    def truth_test(self, depth):
        node = self.node("bool", depth)
        test = self.pick(["IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE"])
        return build(f"{self.wrap(node, CONCAT)} {test}", IS, [node])

    def element_kinds(self, kind):
        """Kinds to set beside one of this kind in IN and BETWEEN."""
        mixed = {"int": "int int dec", "dec": "dec int", "f64": "f64 dec int", "f32": "dec int"}
        return mixed.get(kind, kind).split()

    def in_list(self, depth):
        kind = self.pick(["int", "int", "dec", "str", "f64", "f32", "date", "bool"])
        subject = self.node(kind, depth)
        pick = self.literal if self.rng.random() < 0.8 else self.leaf
        items = [pick(self.pick(self.element_kinds(kind))) for _ in range(self.rng.randint(1, 4))]
        if self.rng.random() < 0.2:
            items.append(literal("NULL"))
        word = self.pick(["IN", "IN", "NOT IN"])
        sql = f"{self.wrap(subject, CONCAT)} {word} ({', '.join(i.sql for i in items)})"
        return build(sql, IN, [subject, *items], step=True)

    def between(self, depth):
        kind = self.pick(["int", "int", "dec", "f64", "f32", "str", "date", "ts", "tz"])
        subject = self.node(kind, depth)
        low, high = self.bound(kind, depth), self.bound(kind, depth)
        word = self.pick(["BETWEEN", "BETWEEN", "NOT BETWEEN"])
        sql = f"{self.wrap(subject, CONCAT)} {word} {self.wrap(low, CONCAT)} AND {self.wrap(high, CONCAT)}"
        return build(sql, IN, [subject, low, high])

    def bound(self, kind, depth):
        if kind in TEMPORAL and self.rng.random() < 0.5:
            return self.moment_text(kind)
        if self.rng.random() < 0.05:
            return literal("NULL")
        return self.node(self.pick(self.element_kinds(kind)), depth - 1)

    def like(self, depth):
        subject = self.node("str", depth)
        word = self.pick(["LIKE", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"])
        pattern = literal(quoted(self.pick(PATTERNS)))
        if self.rng.random() < 0.15:
            pattern = self.column("str")
        escape = ""
        if self.rng.random() < 0.25:
            pattern, escape = literal(quoted(self.pick(ESCAPED))), " ESCAPE '!'"
        sql = f"({self.wrap(subject, CONCAT)} {word} {pattern.sql}{escape})"
        return build(sql, IN, [subject, pattern])

    def float_test(self, depth):
        return self.call(self.pick(["isnan", "isinf", "isfinite"]), self.node(self.pick(["f64", "f64", "f32"]), depth))

    def text_test(self, depth):
        name = self.pick(["starts_with", "ends_with", "contains"])
        return self.call(name, self.node("str", depth), self.leaf("str"))

    def to_boolean(self, depth):
        if self.rng.random() < 0.3:
            return self.cast(literal(self.pick(["'true'", "'F'", "'1'", "'no'"])), "BOOLEAN")
        return self.cast(self.number(depth), "BOOLEAN", may_fail=0.1)

    # -- integers

    def integer_rules(self):
        return [
            (6, self.add, "int", "int"), (3, self.multiply, "int", "int"), (3, self.divide, "int", ["//", "%"]),
            (1, self.modulo, "int"), (1, self.negated, "int"), (2, self.same, "int", "abs"), (1, self.sign),
            (2, self.rounded, "int"), (2, self.length), (2, self.position), (6, self.part), (2, self.days_between),
            (4, self.to_integer), (2, self.conditional, "int"), (2, self.extreme, "int"),
        ]

    def add(self, depth, left, right):
        if self.rng.random() < 0.5:
            left, right = right, left
        return self.binary(self.node(left, depth), self.pick("+-"), self.node(right, depth), ADD)

    def multiply(self, depth, left, right):
        if self.rng.random() < 0.5:
            left, right = right, left
        small = self.node(right, depth - 2)
        return self.binary(self.node(left, depth), "*", small, MULTIPLY)

    def divide(self, depth, kind, operators):
        operator = self.pick(operators)
        divisor = self.divisor(kind, depth - 1)
        return self.binary(self.node(kind, depth), operator, divisor, MULTIPLY, step=operator != "/")

    def modulo(self, depth, kind):
        return self.call("mod", self.node(kind, depth), self.divisor(kind, depth - 1), step=True)

    def sign(self, depth):
        return self.call("sign", self.number(depth), step=True)

    def length(self, depth):
        return self.call("length", self.node("str", depth))

    def position(self, depth):
        return self.call("strpos", self.node("str", depth), self.leaf("str"))

    def part(self, depth):
        """A part of a date, time or timestamp in one of the ways to write it."""
        kind = self.pick([*TEMPORAL, "ts", "time"])
        node = self.node(kind, depth)
        names = TIME_PARTS if kind == "time" else DATE_PARTS if kind == "date" else DATE_PARTS + TIME_PARTS
        form = self.rng.randrange(3)
        if form == 0:
            return build(f"extract({self.pick(names)} FROM {node.sql})", ATOM, [node])
        if form == 1:
            return self.call("date_part", literal(quoted(self.pick(names))), node)
        functions = {"time": TIME_PARTS[:3], "date": DATE_FUNCTIONS}
        return self.call(self.pick(functions.get(kind, DATE_FUNCTIONS + TIME_PARTS[:3])), node)

    def days_between(self, depth):
        left = self.column("date")
        return self.binary(left, "-", self.node("date", depth), ADD)

    def to_integer(self, depth):
        draw = self.rng.random()
        if draw < 0.3:
            return self.cast(self.leaf("numeral"), "BIGINT")
        if draw < 0.4:
            return self.cast(self.node("bool", depth), "BIGINT")
        return self.cast(self.node(self.pick(["dec", "dec", "f64", "f32"]), depth), "BIGINT", may_fail=0.6)

    # -- decimals and floats

    def decimal_rules(self):
        return [
            (6, self.add, "dec", "dec"), (3, self.add, "dec", "int"), (2, self.multiply, "dec", "dec"),
            (2, self.multiply, "dec", "int"), (2, self.divide, "dec", ["%"]), (1, self.modulo, "dec"),
            (1, self.negated, "dec"), (2, self.same, "dec", "abs"), (2, self.same, "dec", "ceil"),
            (2, self.same, "dec", "floor"), (4, self.rounded, "dec"), (4, self.to_decimal),
            (2, self.conditional, "dec"), (2, self.extreme, "dec"),
        ]

    def to_decimal(self, depth):
        draw = self.rng.random()
        target = self.pick(DECIMALS)
        if draw < 0.3:
            return self.cast(self.leaf("numeral"), target)
        kind = self.pick(["int", "dec", "f64", "bool"])
        return self.cast(self.node(kind, depth), target, may_fail=0.5)

    def float_rules(self):
        return [
            (4, self.add, "f32", "f32"), (2, self.add, "f32", "int"), (2, self.add, "f32", "dec"),
            (2, self.multiply, "f32", "int"), (2, self.multiply, "f32", "dec"), (1, self.negated, "f32"),
            (2, self.quotient, "f32"), (1, self.same, "f32", "abs"), (1, self.same, "f32", "ceil", True),
            (1, self.same, "f32", "floor", True), (2, self.rounded, "f32"), (2, self.conditional, "f32"),
            (2, self.extreme, "f32"),
        ]

    def double_rules(self):
        return [
            (4, self.add, "f64", "f64"), (2, self.add, "f64", "int"), (2, self.add, "f64", "dec"),
            (1, self.add, "f64", "f32"), (3, self.multiply, "f64", "f64"), (1, self.multiply, "f64", "dec"),
            (2, self.quotient, "f64"), (2, self.quotient, "int"), (2, self.quotient, "dec"),
            (2, self.divide, "f64", ["//", "%"]), (1, self.divide, "dec", ["//"]), (1, self.modulo, "f64"),
            (1, self.negated, "f64"), (1, self.same, "f64", "abs"), (1, self.same, "f64", "ceil", True),
            (1, self.same, "f64", "floor", True), (1, self.same, "int", "ceil"), (1, self.same, "int", "floor"),
            (3, self.rounded, "f64"), (2, self.root), (9, self.transcendental), (3, self.power), (2, self.angle),
            (3, self.epoch), (3, self.to_double), (2, self.conditional, "f64"), (2, self.extreme, "f64"),
        ]

    def quotient(self, depth, kind):
        return self.binary(self.node(kind, depth), "/", self.number(depth - 1), MULTIPLY)

    def root(self, depth):
        return self.call("sqrt", self.number(depth))

    def transcendental(self, depth):
        return self.call(self.pick(TRANSCENDENTAL), self.number(depth), approximate=True)

    def power(self, depth):
        exponent = literal(self.pick(["2", "3", "0.5", "-1", "0"]))
        return self.call("pow", self.number(depth), exponent, approximate=True)

    def angle(self, depth):
        return self.call("atan2", self.number(depth), self.number(depth), approximate=True)

    def epoch(self, depth):
        """Seconds since 1970, of an interval, or of the time of day."""
        draw = self.rng.random()
        if draw < 0.4:
            left = self.node(self.pick(["ts", "tz"]), depth)
            right = self.column(self.pick(["ts", "date"]))
            return self.call("epoch", self.binary(left, "-", right, ADD))
        node = self.node(self.pick([*TEMPORAL, "time"]), depth)
        if draw < 0.6:
            return build(f"extract(epoch FROM {node.sql})", ATOM, [node])
        return self.call("epoch", node)

    def to_double(self, depth):
        if self.rng.random() < 0.3:
            return self.cast(self.leaf("numeral"), "DOUBLE")
        return self.cast(self.node(self.pick(["int", "dec", "f32", "bool"]), depth), "DOUBLE", may_fail=0.1)

    # -- text

    def text_rules(self):
        return [
            (4, self.joined), (2, self.concat), (2, self.same, "str", "lower"), (2, self.same, "str", "upper"),
            (2, self.same, "str", "reverse"), (3, self.trimmed), (4, self.slice), (3, self.end_slice),
            (2, self.replaced), (4, self.to_text), (2, self.conditional, "str"), (2, self.extreme, "str"),
        ]

    def printable(self, depth):
        """Something to turn into text: floats only as they are in the table, because a NaN's sign would show."""
        kind = self.pick(["bool", "int", "dec", "date", "ts", "tns", "tz", "time", "f64", "f32"])
        return self.column(kind) if kind in ("f64", "f32") else self.node(kind, depth)

    def joined(self, depth):
        left, right = self.node("str", depth), self.node("str", depth)
        if self.rng.random() < 0.3:
            right = self.printable(depth - 1)
        sql = f"{self.wrap(left, POSTFIX)} || {self.wrap(right, POSTFIX)}"
        return build(sql, CONCAT, [left, right], step=True)

    def concat(self, depth):
        parts = [self.node("str", depth), self.printable(depth - 1)]
        if self.rng.random() < 0.4:
            parts.append(self.leaf("str"))
        self.rng.shuffle(parts)
        return self.call("concat", *parts, step=True)

    def trimmed(self, depth):
        name = self.pick(["trim", "ltrim", "rtrim"])
        node = self.node("str", depth)
        if self.rng.random() < 0.3:
            return self.call(name, node, literal(self.pick(["'a'", "'xa '", "'é'", "''", "'oc'"])))
        return self.call(name, node)

    def small(self, low, high):
        if self.rng.random() < 0.25:
            return Node("k")
        return literal(str(self.rng.randint(low, high)))

    def slice(self, depth):
        arguments = [self.node("str", depth), self.small(-5, 5)]
        if self.rng.random() < 0.6:
            arguments.append(self.small(-3, 4))
        return self.call(self.pick(["substr", "substr", "substring"]), *arguments)

    def end_slice(self, depth):
        return self.call(self.pick(["left", "right"]), self.node("str", depth), self.small(-4, 4))

    def replaced(self, depth):
        return self.call("replace", self.node("str", depth), self.leaf("str"), self.leaf("str"))

    def to_text(self, depth):
        return self.cast(self.printable(depth), "VARCHAR", may_fail=0.1)

    # -- dates and timestamps

    def date_rules(self):
        return [
            (3, self.make_date), (3, self.days_later), (3, self.to_date), (2, self.conditional, "date"),
            (2, self.extreme, "date"),
        ]

    def make_date(self, depth):
        year = self.pick([literal("2000"), literal("1969"), self.call("year", self.column("date"))])
        month = self.pick([literal("2"), literal("12"), self.call("month", self.column("date"))])
        return self.call("make_date", year, month, self.pick([literal("1"), literal("28")]))

    def days_later(self, depth):
        days = literal(str(self.pick([0, 1, 7, 30, 365, 1000])))
        node = self.node("date", depth)
        return self.binary(self.column("date") if node.constant else node, self.pick("+-"), days, ADD)

    def to_date(self, depth):
        if self.rng.random() < 0.2:
            text = self.pick(["2000-02-29", "1969-12-31 23:00:00", "not a date", "2001-02-29"])
            return self.cast(literal(quoted(text)), "DATE", may_fail=0.8)
        return self.cast(self.node(self.pick(["ts", "tns", "tz"]), depth), "DATE", may_fail=0.1)

    def timestamp_rules(self):
        return [
            (4, self.shifted, "date"), (4, self.shifted, "ts"), (3, self.truncated, "date"), (3, self.truncated, "ts"),
            (1, self.truncated, "tns"), (3, self.to_timestamp), (2, self.conditional, "ts"), (2, self.extreme, "ts"),
        ]

    def shifted(self, depth, kind):
        node, interval = self.node(kind, depth), literal(f"interval {self.pick(INTERVALS)}")
        if self.rng.random() < 0.1:
            return build(f"{interval.sql} + {self.wrap(node, MULTIPLY)}", ADD, [node])
        return build(f"{self.wrap(node, ADD)} {self.pick('+-')} {interval.sql}", ADD, [node])

    def truncated(self, depth, kind):
        return self.call("date_trunc", literal(quoted(self.pick(TRUNCATIONS))), self.node(kind, depth))

    def to_timestamp(self, depth):
        draw = self.rng.random()
        if draw < 0.2:
            text = self.pick([*TS_TEXTS, "2000-01-01 12", "x"])
            return self.cast(literal(quoted(text)), "TIMESTAMP", may_fail=0.8)
        return self.cast(self.node(self.pick(["date", "tz", "tns"]), depth), "TIMESTAMP", may_fail=0.1)

    # -- expressions that must be refused, or that DuckDB types in a surprising way

    def ill_typed(self):
        """SQL, and whether it is refused without asking DuckDB, to which it would be more than a row expression."""
        number, text, flag = self.column(self.pick(NUMBERS)).sql, self.column("str").sql, self.column("bool").sql
        moment, whole_number = self.column("date").sql, self.column("int").sql
        asked = [
            f"{text} + {number}", f"{number} * {text} > 1", f"{flag} > {number}", f"{flag} + {whole_number}",
            f"{number} = nosuch", f"nosuch({number})", f"-{flag}", f"-{text}", f"{text} = {whole_number}",
            f"{number} LIKE '1%'", f"lower({number})", f"year({text})", f"{moment} + {moment}", f"{moment} > 5",
            f"{moment} + {number}", f"sqrt({text})", f"abs({flag})", f"{text} AND {flag}", f"{moment} OR {flag}",
            f"CASE WHEN {flag} THEN {text} ELSE {whole_number} END", f"coalesce({moment}, {number})",
            f"CAST({whole_number} AS DATE)", f"CAST({moment} AS BIGINT)", f"{whole_number} IN ('a', 1)",
            f"{text} BETWEEN 1 AND 2", f"round({number}, 1.5)", f"substr({text})", f"date_part('nosuch', {moment})",
            f"date_trunc('month', {text})", f"{number} ||", f"({number} + 1", f"1 < {number} < 3", f"{number} > 'abc'",
            f"{moment} >= '1999-02-30'", f"{text} LIKE 'a!' ESCAPE '!'", f"{text} LIKE 'a' ESCAPE 'xy'",
        ]
        refused = [
            f"sum({number}) > 1", f"max({text})", "count(*)", f"{number} > (SELECT 1)", "EXISTS (SELECT 1)",
            f"{number} IN (SELECT 1)", "row_number() OVER ()", f"avg({number}) OVER (PARTITION BY {flag})", "*",
        ]
        if self.rng.random() < 0.8:
            return self.pick(asked), False
        return self.pick(refused), True


# ------------------------------------------------------------------------------------------------- DuckDB's answers

REFUSAL = "Binder Error: aggregates, window functions and subqueries are no row expressions"
WHOLE_TYPES = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


class NotRecorded(Exception):
    """The result has a type that the cases cannot hold."""


class Judge:
    """DuckDB, with its optimizer and without it."""

    def __init__(self, folder):
        self.connections = [self.connect(folder, optimizer) for optimizer in (True, False)]

    @staticmethod
    def connect(folder, optimizer):
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        columns = ", ".join(f"{c.name}::{c.view} AS {c.name}" if c.view else c.name for c in COLUMNS)
        for path in sorted(folder.glob("table_*.parquet")):
            connection.execute(f"CREATE TABLE {path.stem} AS SELECT {columns} FROM read_parquet('{path}')")
        if not optimizer:
            connection.execute("PRAGMA disable_optimizer")
        return connection

    def ask(self, table, sql):
        """The answer as a dict, or None if it is not one to rely on."""
        try:
            answers = [self.answer(c, table, sql) for c in self.connections]
        except NotRecorded:
            return None
        return answers[0] if self.agree(*answers) and self.reliable(answers[0]) else None

    @staticmethod
    def answer(connection, table, sql):
        try:
            result = connection.sql(f"SELECT {sql} AS v FROM {table}")
            kind = str(result.types[0])
            if kind in ("INTERVAL", '"NULL"', "BIGNUM"):
                raise NotRecorded
            return {"type": kind, "values": values_of(result.to_arrow_table().column(0).combine_chunks(), kind)}
        except duckdb.Error as error:
            return {"error": str(error).splitlines()[0]}

    @staticmethod
    def agree(first, second):
        if "error" in first or "error" in second:
            return "error" in first and "error" in second
        return json.dumps(first) == json.dumps(second)

    @staticmethod
    def reliable(answer):
        if "error" in answer:
            return not re.search(r"\bU?INT(8|16|32)\b|INTERNAL", answer["error"])
        return not any(isinstance(v, str) and "-nan" in v for v in answer["values"])


def values_of(array, kind):
    """The cells of a result as JSON values."""
    return [None if cell is None else encode(cell, kind, array.type) for cell in plain(array)]


def plain(array):
    """Python values; dates, times and timestamps as integers."""
    if pa.types.is_date32(array.type):
        return array.cast(pa.int32()).to_pylist()
    if pa.types.is_time(array.type) or pa.types.is_timestamp(array.type):
        return array.cast(pa.int64()).to_pylist()
    return array.to_pylist()


def encode(cell, kind, arrow):
    if kind in WHOLE_TYPES:
        return str(int(cell))
    if kind.startswith("DECIMAL"):
        return format(cell, "f")
    if kind in ("FLOAT", "DOUBLE"):
        return real_number(cell, kind)
    if kind == "DATE":
        return str(np.datetime64(cell, "D"))
    if kind.startswith("TIME"):
        return str(cell * NANOSECONDS[arrow.unit])
    return cell


def real_number(cell, kind):
    if math.isnan(cell):
        return "NaN"
    if math.isinf(cell):
        return "Infinity" if cell > 0 else "-Infinity"
    return float(str(np.float32(cell))) if kind == "FLOAT" else cell


# ------------------------------------------------------------------------------------------------------------ cases

KINDS = {"bool": 38, "int": 15, "dec": 13, "f64": 13, "f32": 4, "str": 9, "date": 3, "ts": 4, "tns": 1, "tz": 2}
LONGEST = 400


class Balance:
    """Keeps the shares of errors and of columns of nulls small."""

    def __init__(self):
        self.kept = self.errors = self.empty = 0

    def accepts(self, answer):
        error = "error" in answer
        empty = not error and all(v is None for v in answer["values"])
        if error and self.errors > 0.2 * self.kept + 2 or empty and self.empty > 0.03 * self.kept + 1:
            return False
        self.kept += 1
        self.errors += error
        self.empty += empty
        return True


def draw_case(rng, generator, judge, table):
    """The SQL and the answer of one candidate, or None."""
    if rng.random() < 0.05:
        sql, refused = generator.ill_typed()
        answer = {"error": REFUSAL} if refused else judge.ask(table, sql)
    else:
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        node = generator.node(kind, rng.choices(range(1, 7), [4, 6, 6, 4, 2, 1])[0])
        if node.constant or node.unstable or node.sql in NAMES or len(node.sql) > LONGEST:
            return None
        sql, answer = node.sql, judge.ask(table, node.sql)
    return None if answer is None else (sql, answer)


def cases(rng, judge, tables, count):
    generator, balance, seen = Generator(rng), Balance(), set()
    while balance.kept < count:
        table = rng.choice(tables)
        drawn = draw_case(rng, generator, judge, table)
        if drawn is None or (table, drawn[0]) in seen or not balance.accepts(drawn[1]):
            continue
        seen.add((table, drawn[0]))
        yield {"table": f"{table}.parquet", "sql": drawn[0], **drawn[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cases", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    tables = [f"table_{n}" for n in range(max(4, min(12, options.cases // 100)))]
    for n, table in enumerate(tables):
        write_table(rng, options.out / f"{table}.parquet", wild=n % 3 == 2)
    with open(options.out / "cases.jsonl", "w", encoding="utf-8") as file:
        file.write(json.dumps({"duckdb": duckdb.__version__, "seed": options.seed}) + "\n")
        for case in cases(rng, Judge(options.out), tables, options.cases):
            file.write(json.dumps(case, ensure_ascii=False, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
