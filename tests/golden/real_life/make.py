"""Makes `cases.json`: `python make.py` in this folder. Needs numpy, pandas, pyarrow, duckdb and polars.

Files are written as exporters write them, and read by pandas, DuckDB or pyarrow as their owner means them; the
coefficients are the least squares of what they read, solved in exact rationals. A step is a command: `code` its exit
code (or a list of those that are right), `coef` the estimates of all terms, `se` standard errors of some, `stderr` words
on stderr, `said` words on stderr or among the warnings of the report, `unsaid` words on neither, `stdout` all of stdout.
`either` are estimates if the code is 0; else `stderr` counts. A case that is `expected_to_fail` is not yet as it should be.
"""

import base64
import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

CASES = []
ROWS = 16
RANDOM = np.random.default_rng(20240105)


def numbers(low, high, digits=2, rows=ROWS):
    return [round(float(v), digits) for v in RANDOM.uniform(low, high, rows)]


def response(*features):
    """A linear function of the features plus noise, with two digits."""
    total = np.full(len(features[0]), 20.0)
    for k, x in enumerate(features):
        x = np.asarray(x, float)
        spread = x.std()
        total += (k + 2) * (x - x.mean()) / (spread if spread > 0 else 1.0)
    return [round(float(v), 2) for v in total + RANDOM.normal(0, 0.7, len(total))]


# ---- the oracle


def missing(value):
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)


def exact(value):
    return Fraction(value.item()) if isinstance(value, np.generic) else Fraction(value)


def solve(matrix, right):
    rows = [list(a) + [b] for a, b in zip(matrix, right)]
    n = len(rows)
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for k in range(n):
            if k != i and rows[k][i] != 0:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i])]
    return [row[-1] for row in rows]


def least_squares(y, columns, weights=None, intercept=True):
    """Estimates by term, of the rows without a missing value."""
    columns = ({"(Intercept)": [1] * len(y)} if intercept else {}) | columns
    weights = [1] * len(y) if weights is None else list(weights)
    table = [list(row) for row in zip(y, weights, *columns.values())]
    table = [[exact(v) for v in row] for row in table if not any(missing(v) for v in row)]
    xs = [row[2:] for row in table]
    p = range(len(columns))
    cross = [[sum(row[1] * x[i] * x[j] for row, x in zip(table, xs)) for j in p] for i in p]
    right = [sum(row[1] * x[i] * row[0] for row, x in zip(table, xs)) for i in p]
    return {name: float(b) for name, b in zip(columns, solve(cross, right))}


def levels(name, values, order=None):
    """0/1 columns of all levels but the first."""
    seen = {v for v in values if not missing(v)}
    order = sorted(seen) if order is None else [level for level in order if level in seen]
    return {f"{name}[T.{level}]": [None if missing(v) else int(v == level) for v in values] for level in order[1:]}


def days(values):
    return [None if missing(v) else (pd.Timestamp(v).normalize() - pd.Timestamp(0)).days for v in values]


def seconds(values):
    """Since 1970 in UTC, exactly."""
    stamps = [None if missing(v) else pd.Timestamp(v) for v in values]
    stamps = [t.tz_convert("UTC").tz_localize(None) if t is not None and t.tzinfo else t for t in stamps]
    return [None if t is None else Fraction(t.as_unit("ns").value, 10**9) for t in stamps]


def pandas_csv(text, **options):
    return pd.read_csv(io.StringIO(text), **options)


# ---- cases

# What is not yet as it should be.
NOT_YET = {"ordered_integers_parquet", "blanks_between_fields"}


def binary(content):
    return {"base64": base64.b64encode(content).decode()}


def case(id, part, theme, oracle, files, *steps):
    made = {"id": id, "part": part, "theme": theme, "oracle": oracle, "files": files, "steps": list(steps)}
    if id in NOT_YET:
        made["expected_to_fail"] = True
    assert id not in {c["id"] for c in CASES}, id
    CASES.append(made)


def step(args, code, **wanted):
    return {"args": list(args)} | {"code": code} | {k: v for k, v in wanted.items() if v is not None}


def fit(args, coef, **wanted):
    return step(["fit", *args, "--format", "json"], 0, coef=coef, **wanted)


def refused(args, *words, code=3, unsaid=None):
    return step(["fit", *args], code, stderr=list(words), unsaid=unsaid)


def csv(columns, sep=",", end="\n", header=None, rows=None):
    lines = [sep.join(columns if header is None else header)]
    lines += [sep.join(str(v) for v in row) for row in (rows or zip(*columns.values()))]
    return end.join(lines) + end


def formatted(value, thousands, decimal, digits=2):
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans({",": thousands, ".": decimal}))


def table(**columns):
    return pa.table(columns)


def parquet(made, **options):
    sink = io.BytesIO()
    pq.write_table(made, sink, compression="none", store_schema=options.pop("store_schema", True), write_statistics=False, **options)
    return binary(sink.getvalue())


def arrow_file(made):
    sink = io.BytesIO()
    feather.write_feather(made, sink, compression="uncompressed")
    return binary(sink.getvalue())


READ_CSV = "pandas.read_csv, exact rationals"


# ---- A: text that is nearly all numbers, dates or times


def numbers_under_conventions():
    x = numbers(100, 99_999)
    y = response(x)

    def convention(id, theme, text, flags, words, *, way, columns=("y", "x"), unsaid=None, line=2, **options):
        """Refused with the place and the way out; right with it."""
        frame = pandas_csv(text.replace("’", "'"), **options)
        target, *features = columns
        coef = least_squares(frame[target], {f: list(frame[f]) for f in features})
        ask = ["d.csv", "-t", target, "-f", ",".join(features)]
        case(id, "A", theme, READ_CSV, {"d.csv": text},
             refused(ask, f"line {line}", *words, way, unsaid=unsaid), fit([*ask, *flags], coef))

    comma = [round(100 * v) for v in y]
    text = csv({"y": comma, "x": [formatted(v, ".", ",") for v in x]}, ";")
    convention("german_both_marks", "Excel in German: points of thousands and decimal commas", text,
               ["--decimal", ",", "--thousands", "."], ['column "x"', "--schema x=text"],
               way="--decimal , --thousands .", sep=";", decimal=",", thousands=".")

    whole = [int(v * 1000) for v in x]
    text = csv({"y": comma, "x": [formatted(v, ".", ",", 0) for v in whole]}, ";")
    convention("german_thousands_whole", "SAP: whole numbers with points of thousands", text,
               ["--thousands", ".", "--decimal", ","], ['column "x"'], way="--decimal , --thousands .", columns=("y", "x"),
               sep=";", decimal=",", thousands=".")

    for id, mark, what in [("french_narrow_blank", "\u202f", "narrow no-break blank"), ("french_blank", "\u00a0", "no-break blank"),
                           ("polish_blank", " ", "plain blank")]:
        text = csv({"y": comma, "x": [formatted(v, mark, ",") for v in x]}, ";")
        frame = pandas_csv(text.replace(mark, ""), sep=";", decimal=",")
        coef = least_squares(frame.y, {"x": list(frame.x)})
        ask = ["d.csv", "-t", "y", "-f", "x"]
        case(id, "A", f"Excel in French or Polish: groups with a {what}, decimal commas: the way out has both marks", READ_CSV,
             {"d.csv": text}, refused(ask, 'column "x"', "line 2", "--decimal ,", "--thousands ' '"),
             fit([*ask, "--decimal", ",", "--thousands", " "], coef))

    for id, mark in [("swiss_apostrophe", "'"), ("swiss_typographic", "’")]:
        text = csv({"y": y, "x": [formatted(v, mark, ".") for v in x]}, ";")
        convention(id, "Excel in Swiss German: apostrophes between groups, decimal points", text, ["--thousands", "'"],
                   ['column "x"'], way="--thousands \"'\"", sep=";", thousands="'")

    text = csv({"y": comma, "x": [formatted(v, "'", ",") for v in x]}, ";")
    frame = pandas_csv(text, sep=";", decimal=",", thousands="'")
    ask = ["d.csv", "-t", "y", "-f", "x"]
    case("liechtenstein", "A", "apostrophes between groups and decimal commas: the way out has both marks", READ_CSV, {"d.csv": text},
         refused(ask, 'column "x"', "line 2", "--decimal ,", "--thousands"),
         fit([*ask, "--decimal", ",", "--thousands", "'"], least_squares(frame.y, {"x": list(frame.x)})))

    text = csv({"y": y, "x": [f'"{formatted(v, ",", ".")}"' for v in x]})
    convention("us_quoted_groups", "Excel in US English: groups in quotes, decimals", text, ["--thousands", ","], ['column "x"'],
               way="--thousands ,", thousands=",")

    small = numbers(1, 9, 3)
    text = csv({"y": [formatted(v, "", ",", 3) for v in small], "x": [int(v) for v in whole]}, ";")
    decimal, groups = (pandas_csv(text, sep=";", **o) for o in ({"decimal": ","}, {"thousands": ","}))
    ask = ["d.csv", "-t", "y", "-f", "x"]
    case("one_comma_three_digits", "A", "a target of 1,605: decimals or thousands, the owner is asked", READ_CSV, {"d.csv": text},
         refused(ask, 'column "y"', "line 2", "--decimal ,", "--thousands ,"),
         fit([*ask, "--decimal", ","], least_squares(decimal.y, {"x": list(decimal.x)})),
         fit([*ask, "--thousands", ","], least_squares(groups.y, {"x": list(groups.x)})))

    few = [round(v / 20_000) for v in x]
    text = csv({"y": comma, "x": [f"{v}.5" for v in few]}, ";")
    case("points_under_decimal_comma", "A", "with --decimal , a column of numbers with points is no category in silence", "words",
         {"d.csv": text}, step(["fit", "d.csv", "-t", "y", "-f", "x", "--decimal", ",", "--format", "json"], [0, 3], said=['column "x"', f"{few[0]}.5"]))
    text = csv({"y": y, "x": [f"{v}.5" for v in few]}, ";")
    case("response_with_points", "A", "with --decimal , a response with points is refused with its line and cell", "words",
         {"d.csv": text}, refused(["d.csv", "-t", "y", "-f", "x", "--decimal", ","], 'column "y"', "line 2", f'"{y[0]}"'))

    def indian(v):
        head, tail = str(v)[:-3], str(v)[-3:]
        parts = []
        while head:
            parts.insert(0, head[-2:])
            head = head[:-2]
        return ",".join([*parts, tail])

    text = csv({"y": y, "x": [f'"{indian(v)}"' for v in whole]})
    frame = pandas_csv(text, thousands=",")
    case("indian_groups", "A", "Indian grouping, 1,23,45,678", READ_CSV, {"d.csv": text},
         refused(ask, 'column "x"', "line 2", "--thousands ,"),
         fit([*ask, "--thousands", ","], least_squares(frame.y, {"x": list(frame.x)})))

    # Signs. The value is what the owner means; the oracle makes it by Python's replace and float.
    signed = [round(v - 50_000, 2) for v in x]
    coef = least_squares(y, {"n": signed})
    first = next(i for i, v in enumerate(signed) if v < 0) + 2
    text = csv({"y": y, "x": [f"{abs(v):.2f}" + ("-" if v < 0 else "") for v in signed]}, ";")
    expression = "n = CASE WHEN x LIKE '%-' THEN -CAST(replace(x, '-', '') AS double) ELSE CAST(x AS double) END"
    case("sap_minus_behind", "A", "SAP: the minus stands behind; the way out must not lose the sign", "Python, exact rationals",
         {"d.csv": text}, refused(ask, 'column "x"', f"line {first}", unsaid=["\"NAME = CAST(replace(x, '-', '') AS double)\""]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", expression], coef))
    text = csv({"y": y, "x": [f"({abs(v):.2f})" if v < 0 else f"{v:.2f}" for v in signed]}, ";")
    expression = "n = CASE WHEN x LIKE '(%' THEN -CAST(replace(replace(x, '(', ''), ')', '') AS double) ELSE CAST(x AS double) END"
    case("accounting_parentheses", "A", "negative numbers in parentheses; the way out must work and keep the sign", "Python, exact rationals",
         {"d.csv": text}, refused(ask, 'column "x"', f"line {first}", unsaid=["\"NAME = CAST(replace(x, '(', '') AS double)"]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", expression], coef))
    text = csv({"y": y, "x": [f"${v:.2f}" for v in x]})
    way = "CAST(replace(x, '$', '') AS double)"
    case("dollar_plain", "A", "a dollar sign before plain numbers: the way out is an expression", "Python, exact rationals", {"d.csv": text},
         refused(ask, 'column "x"', "line 2", way), fit(["d.csv", "-t", "y", "-f", "n", "--with", f"n = {way}"], least_squares(y, {"n": x})))
    text = csv({"y": y, "x": [f'"${formatted(v, ",", ".")}"' for v in x]})
    case("dollar_groups", "A", "$62,327.26: an expression that takes the sign alone is refused at the first row", "Python, exact rationals",
         {"d.csv": text}, refused(ask, 'column "x"', "line 2", unsaid=["= CAST(replace(x, '$', '') AS double)"]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", "n = CAST(replace(replace(x, '$', ''), ',', '') AS double)"],
             least_squares(y, {"n": x})))
    text = csv({"y": y, "x": [formatted(v, ".", ",") + " €" for v in x]}, ";")
    case("euro_behind", "A", "62.327,26 €: an expression that takes the sign alone is refused at the first row", "Python, exact rationals",
         {"d.csv": text}, refused(ask, 'column "x"', "line 2", unsaid=["= CAST(replace(x, '€', '') AS double)"]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with",
              "n = CAST(replace(replace(replace(x, ' €', ''), '.', ''), ',', '.') AS double)"], least_squares(y, {"n": x})))
    text = csv({"y": y, "x": [formatted(v, "'", ".", 0) + ".-" for v in x]}, ";")
    case("swiss_francs", "A", "62'327.- is no negative number", "words", {"d.csv": text},
         refused(ask, 'column "x"', "line 2", unsaid=["replace(x, '-', '')"]))
    share = [round(v / 1000, 1) for v in x]
    text = csv({"y": y, "x": [f"{v:.1f} %".replace(".", ",") for v in share]}, ";")
    case("german_per_cent", "A", "62,3 %: the way out must read the decimal comma as well", "Python, exact rationals", {"d.csv": text},
         refused(ask, 'column "x"', "line 2", unsaid=["= CAST(replace(x, '%', '') AS double)"]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", "n = CAST(replace(replace(x, ' %', ''), ',', '.') AS double)"],
             least_squares(y, {"n": share})))

    # What is a number with something about it, in every cell: an error, or a warning that names the column.
    for id, theme, cells in [
        ("unit_behind", "12 kg in every cell", [f"{v} kg" for v in few]),
        ("currency_code", "EUR 12 in every cell", [f"EUR {v}" for v in few]),
        ("thousands_letter", "12.5K in every cell", [f"{v}.5K" for v in few]),
        ("fortran_exponent", "SAS and Fortran: 1.2D+04 in every cell", [f"{v}.5D+01" for v in few]),
        ("excel_formula", 'spreadsheets that are kept from guessing: ="12"', [f'="{v}"' for v in few]),
        ("typographic_minus", "a true minus sign (U+2212) in most cells", [f"\u2212{v}" if i % 4 else str(v) for i, v in enumerate(few)]),
    ]:
        text = csv({"y": y, "x": cells})
        said = step(["fit", *ask, "--format", "json"], [0, 3], said=['"x"'])
        case(id, "A", f"{theme}: no category in silence, also where values repeat", "words", {"d.csv": text}, said)


def missing_words():
    x, z = numbers(-9, 9), numbers(0, 50, 0)
    y = response(x, z)
    words = ["N/A", "n/a", "#N/A", "#NA", "<NA>", "\\N", "None", "-", ".", "NA", "NaN", "null", "NULL", "nan", "", "#N/A N/A"]
    rows = [[y[i], words[i] if i % 2 else x[i], z[i]] for i in range(ROWS)]
    rows += [[v, w, words[i] if i % 2 == 0 else u] for i, (v, w, u) in enumerate(zip(y, x, z))]
    text = csv({}, header=["y", "x", "z"], rows=rows)
    frame = pandas_csv(text, na_values=["-", ".", "\\N"])
    case("words_of_missing", "A", "all 16 spellings of a missing number", READ_CSV, {"d.csv": text},
         fit(["d.csv", "-t", "y", "-f", "x,z"], least_squares(frame.y, {"x": list(frame.x), "z": list(frame.z)}), unsaid=["text"]))
    start = dt.date(2024, 1, 1)
    dates = [str(start + dt.timedelta(11 * i)) for i in range(ROWS)]
    for i, word in [(2, "N/A"), (5, "-"), (7, "None")]:
        dates[i] = word
    flags = [str(bool(i % 3)).upper() for i in range(ROWS)]
    flags[4] = "n/a"
    text = csv({"y": y, "d": dates, "b": flags})
    frame = pandas_csv(text, na_values=["-"])
    flag = [None if missing(v) else str(v).title() for v in frame.b]
    case("words_in_dates_and_booleans", "A", "N/A, - and None among dates, n/a among booleans of R", READ_CSV, {"d.csv": text},
         fit(["d.csv", "-t", "y", "-f", "d,b"],
             least_squares(frame.y, {"d": days(frame.d), "b[T.True]": [None if v is None else int(v == "True") for v in flag]})))
    text = csv({"y": y, "g": [["N/A", "-", "NA", "north"][i % 4] for i in range(ROWS)]})
    frame = pandas_csv(text, keep_default_na=False, na_values=["NA"])
    case("words_in_text", "A", "in text N/A and - are levels, NA is missing", READ_CSV, {"d.csv": text},
         fit(["d.csv", "-t", "y", "-f", "g"], least_squares(frame.y, levels("g", list(frame.g)))))

    cells = [str(v) for v in x]
    cells[3], cells[6], cells[9] = ".A", ".", ".B"
    text = csv({"y": y, "x": cells})
    frame = pandas_csv(text, na_values=[".A", ".", ".B"])
    ask, coef = ["d.csv", "-t", "y", "-f", "x"], least_squares(frame.y, {"x": list(frame.x)})
    case("sas_missing_letters", "A", "SAS: .A, . and .B; every way out leads to the next", READ_CSV, {"d.csv": text},
         refused(ask, 'column "x"', "line 5", '".A"', "--null .A"),
         refused([*ask, "--null", ".A"], "line 11", "--null .B"), fit([*ask, "--null", ".A", "--null", ".B"], coef))
    cells = [".." if i % 5 == 2 else str(v) for i, v in enumerate(x)]
    text = csv({"y": y, "2019 [YR2019]": cells})
    frame = pandas_csv(text, na_values=[".."])
    ask = ["d.csv", "-t", "y", "-f", "2019 [YR2019]"]
    case("world_bank", "A", "World Bank: .. for missing", READ_CSV, {"d.csv": text},
         fit(ask, least_squares(frame.y, {"2019 [YR2019]": list(frame["2019 [YR2019]"])})))
    cells = [str(v) if i % 5 in (2, 4) else ".." for i, v in enumerate(x)]
    text = csv({"y": y, "x": cells})
    frame = pandas_csv(text, na_values=[".."])
    ask = ["d.csv", "-t", "y", "-f", "x"]
    case("world_bank_mostly_missing", "A", "World Bank: most cells are .., the others numbers", READ_CSV, {"d.csv": text},
         fit(ask, least_squares(frame.y, {"x": list(frame.x)})))
    cells = [": " if i % 6 == 1 else f"{v} " for i, v in enumerate(x)]
    text = csv({"y": y, "2023 ": cells}, "\t")
    frame = pandas_csv(text, sep="\t", na_values=[": "], skipinitialspace=True)
    ask = ["d.tsv", "-t", "y", "-f", "2023"]
    case("eurostat_colon", "A", "Eurostat: a colon for missing, blanks behind values", READ_CSV, {"d.tsv": text},
         refused(ask, 'column "2023"', "line 3", "--null :"),
         fit([*ask, "--null", ":"], least_squares(frame.y, {"2023": [None if missing(v) else float(v) for v in pd.to_numeric(frame["2023 "], errors="coerce")]})))
    cells = [f"{v} b" if i % 2 else str(v) for i, v in enumerate(x)]
    text = csv({"y": y, "x": cells})
    case("eurostat_flags", "A", "Eurostat: half of the values with a flag (12.3 b): named", "Python, exact rationals", {"d.csv": text},
         step(["fit", "d.csv", "-t", "y", "-f", "x", "--format", "json"], [0, 3], said=['"x"']),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", "n = CAST(replace(x, ' b', '') AS double)"], least_squares(y, {"n": x})))

    text = csv({"y": ["EUR", *y], "x": ["kg", *x]})
    frame = pandas_csv(text, skiprows=[1])
    ask = ["d.csv", "-t", "y", "-f", "x"]
    case("units_row", "A", "a row of units below the header", READ_CSV, {"d.csv": text},
         refused(ask, 'column "y"', "line 2", "--null EUR"), refused([*ask, "--null", "EUR"], 'column "x"', "line 2", "--null kg"),
         fit([*ask, "--null", "EUR", "--null", "kg"], least_squares(frame.y, {"x": list(frame.x)})))
    text = csv({"d": [*(str(start + dt.timedelta(i)) for i in range(ROWS)), "Total"], "y": [*y, sum(y)], "x": [*x, ""]})
    frame = pandas_csv(text, skipfooter=1, engine="python")
    ask = ["d.csv", "-t", "y", "-f", "d"]
    case("footer_of_totals", "A", "a last row of totals, below dates", READ_CSV, {"d.csv": text},
         refused(ask, 'column "d"', f"line {ROWS + 2}", "--null Total"),
         fit([*ask, "--null", "Total"], least_squares(frame.y, {"d": days(frame.d)})))
    grade = ["1", "2", "3", "unknown"] * 4
    text = csv({"y": y, "grade": grade})
    frame = pandas_csv(text, dtype=str, keep_default_na=False)
    number = [None if v == "unknown" else int(v) for v in frame.grade]
    ask = ["d.csv", "-t", "y", "-f", "grade"]
    ys = [float(v) for v in frame.y]
    case("numbers_and_a_word", "A", "1, 2, 3 and unknown: a number with a missing value, or a category, as the owner says", READ_CSV,
         {"d.csv": text}, refused(ask, 'column "grade"', "line 5", "--null unknown", "--schema grade=text"),
         fit([*ask, "--null", "unknown"], least_squares(ys, {"grade": number})),
         fit([*ask, "--schema", "grade=text"], least_squares(ys, levels("grade", grade))))
    weight = [str(v).replace(".", ",") for v in numbers(1, 4)]
    text = csv({"y": [str(v).replace(".", ",") for v in y], "x": [str(v).replace(".", ",") for v in x], "w": weight}, ";")
    frame = pandas_csv(text, sep=";", decimal=",")
    ask = ["d.csv", "-t", "n", "-f", "m", "--weights", "w", "--weight-type", "analytic"]
    other = csv({"n": y, "m": x, "w": weight}, ";")
    case("weight_with_commas", "A", "only the weight has decimal commas", READ_CSV, {"d.csv": other, "e.csv": text},
         refused(ask, 'column "w"', "line 2", "--decimal ,"),
         fit(["e.csv", "-t", "y", "-f", "x", "--weights", "w", "--weight-type", "analytic", "--decimal", ","],
             least_squares(frame.y, {"x": list(frame.x)}, weights=[exact(v) for v in frame.w])))
    text = csv({"y": ["Y", "N"] * 8, "x": x})
    case("yes_no_response", "A", "a response of Y and N: the error names a way out", "Python, exact rationals", {"d.csv": text},
         refused(["d.csv", "-t", "y", "-f", "x"], 'column "y"', "--with"),
         fit(["d.csv", "-t", "b", "-f", "x", "--with", "b = y = 'Y'"], least_squares([1, 0] * 8, {"x": x})))


def times():
    start = dt.datetime(2024, 1, 3, 7, 5)
    moments = [start + dt.timedelta(days=3 * i, minutes=int(m)) for i, m in enumerate(RANDOM.integers(0, 900, ROWS))]
    y = response([m.timestamp() for m in moments])
    ask = ["d.csv", "-t", "y", "-f", "d"]

    def pattern(id, theme, written, read, flag, values, *, line=2, or_read=False, sep=","):
        """Refused with the format that reads it, or read without."""
        text = csv({"y": y, "d": [f'"{v}"' if sep in v else v for v in written]}, sep)
        frame = pandas_csv(text, sep=sep, dtype={"d": str})
        found = values(pd.to_datetime(frame.d, format=read))
        coef, words = least_squares(frame.y, {"d": found}), ['column "d"', f"line {line}", f"--date-format {flag}"]
        first = step(["fit", *ask, "--format", "json"], [0, 3], either=coef, stderr=words) if or_read else refused(ask, *words)
        case(id, "A", theme, f"pandas.to_datetime(format={read!r}), exact rationals", {"d.csv": text}, first,
             fit([*ask, "--date-format", flag.strip("'")], coef))

    pattern("german_days", "Excel in German: 3.1.2024, without zeros", [f"{m.day}.{m.month}.{m.year}" for m in moments], "%d.%m.%Y",
            "%d.%m.%Y", days, sep=";")
    pattern("german_moments", "Excel in German: 03.01.24 07:05", [m.strftime("%d.%m.%y %H:%M") for m in moments], "%d.%m.%y %H:%M",
            "'%d.%m.%y %H:%M'", seconds, sep=";")
    text = csv({"y": y, "d": [f"{m.month}/{m.day}/{m.year} {m.strftime('%I:%M %p').lstrip('0')}" for m in moments]})
    frame = pandas_csv(text)
    found = seconds(pd.to_datetime(frame.d, format="%m/%d/%Y %I:%M %p"))
    case("us_moments", "A", "Excel in US English: 1/3/2024 2:05 PM; both orders are named where the first cell leaves them open",
         "pandas.to_datetime, exact rationals", {"d.csv": text},
         refused(ask, 'column "d"', "line 2", "'%d/%m/%Y %I:%M %p' or '%m/%d/%Y %I:%M %p'"),
         refused([*ask, "--date-format", "%d/%m/%Y %I:%M %p"], 'column "d"', "line 6", "%m/%d/%Y %I:%M %p"),
         fit([*ask, "--date-format", "%m/%d/%Y %I:%M %p"], least_squares(frame.y, {"d": found})))
    pattern("slashes_year_first", "Japan: 2024/01/03", [m.strftime("%Y/%m/%d") for m in moments], "%Y/%m/%d", "%Y/%m/%d", days)
    pattern("oracle_days", "Oracle: 03-JAN-24", [m.strftime("%d-%b-%y").upper() for m in moments], "%d-%b-%y", "%d-%b-%y", days)
    pattern("long_months", "3 January 2024: the format has the whole name", [f"{m.day} {m.strftime('%B %Y')}" for m in moments], "%d %B %Y",
            "'%d %B %Y'", days)
    pattern("months_alone", "2024-01: the first of the month", [f"{2023 + i // 12}-{1 + i % 12:02}" for i in range(ROWS)], "%Y-%m", "%Y-%m", days)
    pattern("us_long", "January 3, 2024", [f"{m.strftime('%B')} {m.day}, {m.year}" for m in moments], "%B %d, %Y", "'%B %d, %Y'", days)
    pattern("sas_date9", "SAS date9: 03JAN2024", [m.strftime("%d%b%Y").upper() for m in moments], "%d%b%Y", "%d%b%Y", days, or_read=True)
    pattern("sas_datetime", "SAS datetime20: 03JAN2024:07:05:00", [m.strftime("%d%b%Y:%H:%M:%S").upper() for m in moments], "%d%b%Y:%H:%M:%S",
            "%d%b%Y:%H:%M:%S", seconds, or_read=True)
    pattern("bigquery_utc", "BigQuery: 2024-01-03 07:05:00 UTC", [m.strftime("%Y-%m-%d %H:%M:%S UTC") for m in moments], "%Y-%m-%d %H:%M:%S UTC",
            "'%Y-%m-%d %H:%M:%S UTC'", seconds, or_read=True)
    pattern("comma_of_seconds", "Python's logging: 2024-01-03 07:05:00,250", [m.strftime("%Y-%m-%d %H:%M:%S,250") for m in moments],
            "%Y-%m-%d %H:%M:%S,%f", "'%Y-%m-%d %H:%M:%S,%3f'", seconds, or_read=True, sep=";")
    compact = [m.strftime("%Y%m%d") for m in moments]
    text = csv({"y": y, "d": compact})
    found = days(pd.to_datetime(pandas_csv(text, dtype={"d": str}).d, format="%Y%m%d"))
    case("days_as_numbers", "A", "SAP: 20240103 is a number until --schema and --date-format say that it is a day",
         "pandas.to_datetime, exact rationals", {"d.csv": text},
         fit([*ask, "--schema", "d=date", "--date-format", "%Y%m%d"], least_squares(y, {"d": found})))

    offsets = [m.isoformat() + z for m, z in zip(moments, ["Z", "+01:00", "-0530", "+00"] * 4)]
    text = csv({"y": y, "d": offsets})
    found = seconds(pd.to_datetime(v, utc=True) for v in pandas_csv(text).d)
    case("offsets", "A", "timestamps with Z, +01:00, -0530 and +00 in one column", "pandas.to_datetime(utc=True), exact rationals", {"d.csv": text},
         fit(ask, least_squares(y, {"d": found})))
    text = csv({"y": y, "d": [m.strftime("%Y-%m-%d" if i % 3 else "%Y-%m-%d %H:%M:%S.%f") for i, m in enumerate(moments)]})
    found = seconds(pd.Timestamp(v) for v in pandas_csv(text).d)
    case("days_among_moments", "A", "dates and timestamps in one column", "pandas.Timestamp, exact rationals", {"d.csv": text},
         fit(ask, least_squares(y, {"d": found})))
    text = csv({"y": y, "d": [m.strftime("%H:%M:%S") if i % 2 else m.strftime("%H:%M") for i, m in enumerate(moments)]})
    found = [int(pd.Timedelta(v if v.count(":") == 2 else v + ":00").total_seconds()) for v in pandas_csv(text).d]
    case("times_of_day", "A", "07:05 and 07:05:00 are seconds since midnight", "pandas.Timedelta, exact rationals", {"d.csv": text},
         fit(ask, least_squares(y, {"d": found})))
    clock = [f"{m.strftime('%I:%M %p').lstrip('0')}" for m in moments]
    text = csv({"y": y, "d": clock})
    found = [Fraction(t.hour * 3600 + t.minute * 60) for t in pd.to_datetime(pandas_csv(text).d, format="%I:%M %p")]
    case("half_days", "A", "2:05 PM", "pandas.to_datetime, exact rationals", {"d.csv": text},
         refused(ask, 'column "d"', "line 2", "--date-format '%I:%M %p'"), fit([*ask, "--date-format", "%I:%M %p"], least_squares(y, {"d": found})))
    text = csv({"y": y, "d": [f"{20 + 3 * i}:{(7 * i) % 60:02}:00" for i in range(ROWS)]})
    case("durations_of_days", "A", "Excel's [h]:mm:ss beyond 24 hours: no format of a time of day reads it", "words", {"d.csv": text},
         refused(ask, 'column "d"', "line 4", "26:14:00", unsaid=["--date-format %H:%M:%S reads"]))
    short = [f"{m.month}/{m.day}/{m.year if i % 5 else m.strftime('%y')}" for i, m in enumerate(moments)]
    text = csv({"y": y, "d": short})
    case("years_of_two_digits", "A", "1/3/24 among 1/6/2024 under %m/%d/%Y: the year 24 is not meant", "words", {"d.csv": text},
         refused([*ask, "--date-format", "%m/%d/%Y"], 'column "d"', "line 2", "1/3/24"))
    zones = [m.strftime("%d/%b/%Y:%H:%M:%S ") + ["+0100", "-0530"][i % 2] for i, m in enumerate(moments)]
    text = csv({"y": y, "d": zones})
    found = seconds(pd.to_datetime(zones, format="%d/%b/%Y:%H:%M:%S %z", utc=True))
    case("offsets_in_a_format", "A", "logs of Apache: 03/Jan/2024:07:05:00 +0100", "pandas.to_datetime(utc=True), exact rationals", {"d.csv": text},
         fit([*ask, "--date-format", "%d/%b/%Y:%H:%M:%S %z"], least_squares(y, {"d": found})))
    case("format_of_no_cell", "A", "a --date-format that reads no cell of the file: said, and no category in silence", "words",
         {"d.csv": csv({"y": y, "d": [zones[i % 4] for i in range(ROWS)]})},
         step(["fit", *ask, "--date-format", "%d/%b/%Y %H:%M:%S %z", "--format", "json"], [0, 2, 3], said=["--date-format"]))
    mixed = [m.strftime("%Y-%m-%d") if i % 3 else m.strftime("%d/%m/%Y") for i, m in enumerate(moments)]
    text = csv({"y": y, "d": mixed})
    case("two_conventions", "A", "ISO dates and 03/01/2024 in one column: never a category", "words", {"d.csv": text},
         refused(ask, 'column "d"', "line 2", "03/01/2024"), refused([*ask, "--date-format", "%d/%m/%Y"], 'column "d"', "line 3"))
    ratios = [f"1:{10 * (1 + i % 3)}" for i in range(ROWS)]
    text = csv({"y": y, "d": ratios})
    case("ratios", "A", "ratios such as 1:20 are no times of day: refused unless they are said to be text", "words", {"d.csv": text},
         refused(ask, 'column "d"', "line 2", "--schema d=text"))


def sound_text():
    """What looks like numbers or dates and is text: it stays a category."""
    y = response(numbers(0, 1))
    x = numbers(0, 1)
    for id, theme, kinds in [
        ("quarters", "fiscal quarters", ["2024Q1", "2024Q2", "2024Q3", "2024Q4"]),
        ("age_bands", "age bands", ["18-24", "25-34", "5-9", "65+"]),
        ("addresses", "IP addresses", ["10.0.0.1", "10.0.0.2", "192.168.1.1", "8.8.8.8"]),
        ("versions", "versions", ["1.2.3", "1.10.0", "2.0.0-rc1", "2.0.0"]),
        ("phones", "telephone numbers", ["555-1234", "555-9876", "+1 555 0100", "(555) 010-9999"]),
        ("yes_no", "Y and N, yes and no", ["Y", "N", "yes", "no"]),
        ("codes", "codes that begin with a digit", ["3A", "4B", "1ST", "0X"]),
        ("wards", "quoted commas and line ends in levels", ['"a, b"', '"c ""d"""', '"e\nf"', "g"]),
    ]:
        text = csv({"y": y, "x": x, "g": kinds * 4}, end="\r\n" if id == "yes_no" else "\n")
        frame = pandas_csv(text, dtype={"g": str})
        coef = least_squares(frame.y, {"x": list(frame.x)} | levels("g", list(frame.g)))
        case(f"text_{id}", "A", f"{theme}: a category", READ_CSV, {"d.csv": text},
             fit(["d.csv", "-t", "y", "-f", "x,g"], coef, unsaid=['"g"']))
    ids = [f"user{n:04}" for n in range(ROWS)]
    text = csv({"y": y, "x": x, "id": ids})
    case("identifiers", "A", "a text column with a level in every row is named", "words", {"d.csv": text},
         step(["fit", "d.csv", "-t", "y", "-f", "x,id", "--format", "json"], [0, 3, 4], said=['"id"', "16 levels"]))
    rows = [f"{i % 2},{['A/5 21171', 'PC 17599'][i] if i < 2 else 100_000 + 37 * i},{v}" for i, v in enumerate(x)]
    text = "Survived,Ticket,Fare\n" + "\n".join(rows) + "\n"
    frame = pandas_csv(text)
    ask = ["d.csv", "-t", "Survived"]
    case("ticket_numbers", "A", "Titanic: most tickets are numbers, and some are not: left out, and said, unless they are named", READ_CSV,
         {"d.csv": text}, step(["fit", *ask, "--format", "json"], 0, said=["Ticket"],
                               coef=least_squares(frame.Survived, {"Fare": list(frame.Fare)})),
         fit([*ask, "--exclude", "Ticket"], least_squares(frame.Survived, {"Fare": list(frame.Fare)})))
    text = csv({"y": y, "x": [f"\u00a0{v}" for v in x]})
    case("blank_that_does_not_break", "A", "copied from a web page: a no-break blank before every number", "Python, exact rationals", {"d.csv": text},
         step(["fit", "d.csv", "-t", "y", "-f", "x", "--format", "json"], [0, 3], said=['"x"', "CAST(x AS double)"]),
         fit(["d.csv", "-t", "y", "-f", "n", "--with", "n = CAST(x AS double)"], least_squares(y, {"n": x})))
    text = csv({"y": list(range(ROWS)), "x": [str(v).replace(".", ",") for v in x]}, ";")
    frame = pandas_csv(text, sep=";", decimal=",")
    case("all_features_with_commas", "A", "the target is whole, all other columns have decimal commas, no features are named", READ_CSV,
         {"d.csv": text}, refused(["d.csv", "-t", "y"], '"x"', "line 2", "--decimal ,"),
         fit(["d.csv", "-t", "y", "--decimal", ","], least_squares(frame.y, {"x": list(frame.x)})))
    text = csv({"y": y, "x": x, "no of": ["12A", *range(100, 100 + ROWS - 1)]})
    case("excluded_by_two_words", "A", "a name with a blank is quoted in the way out", READ_CSV, {"d.csv": text},
         refused(["d.csv", "-t", "y"], 'column "no of"', "line 2", "--exclude 'no of'"),
         fit(["d.csv", "-t", "y", "--exclude", "no of"], least_squares(y, {"x": x})))
    moments = [dt.datetime(2024, 1, 1, 7, 5) + dt.timedelta(hours=31 * i) for i in range(ROWS)]
    text = csv({"y": y, "d": [m.strftime("%Y-%m-%d %H:%M:%S +0000") for m in moments]})
    case("offset_behind_a_blank", "A", "Ruby, git, R: 2024-01-01 07:05:00 +0000", "pandas.to_datetime(utc=True), exact rationals", {"d.csv": text},
         fit(["d.csv", "-t", "y", "-f", "d"], least_squares(y, {"d": seconds(pd.to_datetime(pandas_csv(text).d, utc=True))})))
    text = csv({"y": y, "x": ["N/A", "-"] * 8})
    case("words_of_missing_alone", "A", "a named feature of which every cell is missing is left out, and said", "words", {"d.csv": text},
         step(["fit", "d.csv", "-t", "y", "-f", "x", "--format", "json"], 0, said=["x", "no value in any row"], unsaid=["Utf8"]))
    text = csv({"y": y, "x": x})
    model = step(["fit", "d.csv", "-t", "y", "-f", "x", "--save-model", "m.json", "--format", "json"], 0, coef=least_squares(y, {"x": x}))
    case("predict_only_missing", "A", "new rows of which all inputs are N/A: no prediction each", "words", {"d.csv": text, "n.csv": "x\nN/A\n-\n"}, model,
         step(["predict", "m.json", "n.csv"], 0, stdout='prediction\n""\n""\n', stderr=["2 of 2 rows"]))
    case("predict_other_convention", "A", "new rows with decimal commas: refused with the place, and the way out", "Python, exact rationals",
         {"d.csv": "y;x\n1;1\n3;2\n5;3\n", "n.csv": "x;k\n1,5;1\n2,25;1\n"},
         step(["fit", "d.csv", "-t", "y", "-f", "x", "--save-model", "m.json", "--format", "json"], 0, coef={"(Intercept)": -1.0, "x": 2.0}),
         step(["predict", "m.json", "n.csv"], 3, stderr=['column "x"', "line 2", "--decimal ,"]),
         step(["predict", "m.json", "n.csv", "--decimal", ","], 0, stdout="prediction\n2.0\n3.5\n"))
    case("predict_units", "A", "new rows of 3.5 kg: the error shows the cell, in plain words", "words", {"d.csv": text, "n.csv": "x\n3.5 kg\n4.5 kg\n"}, model,
         step(["predict", "m.json", "n.csv"], 3, stderr=['column "x"', "line 2", "3.5 kg"], unsaid=["Utf8"]))


# ---- B: types at their edges


def types():
    x = numbers(-3, 3)
    base = numbers(0, 10, 0)
    y = response(x, base)
    oracle = "pyarrow, exact rationals"
    intercept = lambda extra: least_squares(y, {"x": x} | extra)
    put = lambda **columns: table(y=y, x=x, **columns)

    def both(id, theme, columns, ask, coef, options=None, formats=("parquet", "arrow"), **wanted):
        made = put(**columns)
        if "parquet" in formats:
            case(f"{id}_parquet", "B", theme + ", Parquet", oracle, {"d.parquet": parquet(made, **(options or {}))},
                 fit(["d.parquet", *ask], coef, **wanted))
        if "arrow" in formats:
            case(f"{id}_arrow", "B", theme + ", Arrow IPC", oracle, {"d.arrow": arrow_file(made)}, fit(["d.arrow", *ask], coef, **wanted))

    keys = [2**63 + 5, 2**63 + 6, 7, 2**64 - 1] * 4
    both("big_keys_levels", "uint64 keys beyond 2^63 as levels", {"k": pa.array(keys, pa.uint64())}, ["y ~ x + C(k)"], intercept(levels("C(k)", keys)))
    negative = [-(2**62) - 1, -(2**62), 2**62 + 1, 2**62] * 4
    both("int64_levels", "int64 keys that float64 cannot tell apart as levels", {"k": pa.array(negative, pa.int64())}, ["y ~ x + C(k)"],
         intercept(levels("C(k)", negative)), formats=("parquet",))

    def clustered(groups):
        design = np.column_stack([np.ones(ROWS), x])
        beta = np.linalg.lstsq(design, np.array(y), rcond=None)[0]
        e = np.array(y) - design @ beta
        bread = np.linalg.inv(design.T @ design)
        names = sorted(set(groups))
        meat = sum(np.outer(s, s) for s in (design[[v == g for v in groups]].T @ e[[v == g for v in groups]] for g in names))
        factor = len(names) / (len(names) - 1) * (ROWS - 1) / (ROWS - 2)
        return dict(zip(["(Intercept)", "x"], map(float, np.sqrt(np.diag(factor * bread @ meat @ bread)))))

    case("big_keys_clusters", "B", "uint64 keys beyond 2^63 as clusters", "numpy: the sandwich of cr1",
         {"d.parquet": parquet(put(k=pa.array(keys, pa.uint64())))},
         fit(["d.parquet", "-t", "y", "-f", "x", "--cluster", "k"], intercept({}), se=clustered(keys)))
    text = csv({"y": y, "x": x, "k": keys})
    case("big_keys_csv", "B", "uint64 keys of a CSV as levels: refused as numbers, right as text", "Python, exact rationals", {"d.csv": text},
         refused(["d.csv", "y ~ x + C(k)"], 'column "k"', "2^53", "--schema k=text"),
         fit(["d.csv", "-t", "y", "-f", "x,k", "--schema", "k=text"], intercept(levels("k", [str(k) for k in keys]))))

    moments = [pd.Timestamp("2024-03-30 22:30:00.25") + pd.Timedelta(hours=i * i) for i in range(ROWS)]
    zoned = pa.array(moments, pa.timestamp("ns", "Europe/Berlin"))
    both("zone_feature", "timestamps with a zone over a change of the clock as a feature", {"t": zoned}, ["-t", "y", "-f", "x,t"],
         intercept({"t": seconds(moments)}))
    days_of = [pd.Timestamp("2024-03-30").tz_localize("UTC") + pd.Timedelta(days=i % 3) for i in range(ROWS)]
    made = put(t=pa.array(days_of, pa.timestamp("us", "UTC")))
    case("zone_clusters", "B", "timestamps with a zone as clusters", "numpy: the sandwich of cr1", {"d.parquet": parquet(made)},
         fit(["d.parquet", "-t", "y", "-f", "x", "--cluster", "t"], intercept({}), se=clustered([str(v) for v in days_of])))
    first, second = put(t=pa.array(moments, pa.timestamp("us", "UTC"))), put(t=pa.array(moments, pa.timestamp("ms", "UTC")))
    twice = least_squares(y + y, {"x": x + x, "t": seconds(moments + moments)})
    case("zone_units", "B", "microseconds in one file, milliseconds in the next", oracle,
         {"d/a.parquet": parquet(first), "d/b.parquet": parquet(second)}, fit(["d", "-t", "y", "-f", "x,t"], twice))
    second = put(t=pa.array(moments, pa.timestamp("us", "Europe/Berlin")))
    case("two_zones", "B", "UTC in one file, Berlin in the next: the same moments, or an error that names file and column", oracle,
         {"d/a.parquet": parquet(first), "d/b.parquet": parquet(second)},
         step(["fit", "d", "-t", "y", "-f", "x,t", "--format", "json"], [0, 3], either=twice, stderr=["b.parquet", '"t"']))
    for unit, factor in [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]:
        spans = [i * i * factor for i in range(ROWS)]
        both(f"duration_{unit}", f"durations in {unit} count as seconds", {"d": pa.array(spans, pa.duration(unit))}, ["-t", "y", "-f", "x,d"],
             intercept({"d": [i * i for i in range(ROWS)]}), formats=("parquet", "arrow") if unit == "ns" else ("parquet",))
    clock = [(i * 5003) % 86400 for i in range(ROWS)]
    both("time64", "times of day in nanoseconds count as seconds", {"t": pa.array([s * 10**9 for s in clock], pa.time64("ns"))},
         ["-t", "y", "-f", "x,t"], intercept({"t": clock}), formats=("parquet",))
    old = [pd.Timestamp("1899-12-30 12:00:00") + pd.Timedelta(days=11 * i * i, hours=i) for i in range(ROWS)]
    both("int96_old", "INT96 before 1970 (Impala, old Spark)", {"t": pa.array(old, pa.timestamp("ns"))}, ["-t", "y", "-f", "x,t"],
         intercept({"t": seconds(old)}), options={"use_deprecated_int96_timestamps": True, "store_schema": False}, formats=("parquet",))
    far = [dt.datetime(1 + 200 * i, 1, 1) for i in range(ROWS)]
    beyond = [Fraction((d - dt.datetime(1970, 1, 1)).days * 86400) for d in far]
    both("far_years", "timestamps from year 1 to 3001 in microseconds", {"t": pa.array(far, pa.timestamp("us"))}, ["-t", "y", "-f", "x,t"],
         intercept({"t": beyond}), formats=("parquet",))

    empty = table(y=y, x=x, z=pa.nulls(ROWS))
    full = table(y=y, x=x, z=base)
    coef = least_squares(y, {"x": x, "z": base})
    case("null_type_first", "B", "a column of type null in the first file, numbers in the second", oracle,
         {"d/a.parquet": parquet(empty), "d/b.parquet": parquet(full)}, fit(["d", "-t", "y", "-f", "x,z"], coef))
    gs = ["u", "v", "w", "u"] * 4
    case("null_type_text", "B", "text in the first file, type null in the second", oracle,
         {"d/a.arrow": arrow_file(put(g=gs)), "d/b.arrow": arrow_file(put(g=pa.nulls(ROWS)))},
         fit(["d", "-t", "y", "-f", "x,g"], intercept(levels("g", gs))))

    raw = pa.array([g.encode() for g in gs], pa.binary())
    both("binary_text", "text without the mark of UTF-8 as a category and by --reference", {"g": raw}, ["-t", "y", "-f", "x,g", "--reference", "g=v"],
         intercept(levels("g", gs, ["v", "u", "w"])), formats=("parquet",))
    both("fixed_size_binary", "FixedSizeBinary as a category", {"g": pa.array([g.encode() * 2 for g in gs], pa.binary(2))}, ["-t", "y", "-f", "x,g"],
         intercept(levels("g", [g * 2 for g in gs])))
    both("views", "string views as a category", {"g": pa.array(gs).cast(pa.string_view())}, ["-t", "y", "-f", "x,g"], intercept(levels("g", gs)),
         formats=("arrow",))
    both("large_lists", "large lists and lists of structs are left out and named",
         {"l": pa.array([[1.0, 2.0]] * ROWS, pa.large_list(pa.float64())), "s": pa.array([[{"a": 1}]] * ROWS)}, ["-t", "y"], intercept({}))

    ints, floats = [int(v) for v in base], [v + 0.5 for v in base]
    whole = np.array(ints + floats)
    design = np.vander(whole - whole.mean(), 3, increasing=True)
    basis, _ = np.linalg.qr(design)
    basis = basis * np.sign((basis * design).sum(axis=0))
    both_files = {"d/a.parquet": parquet(table(y=y, z=pa.array(ints, pa.int32()))), "d/b.parquet": parquet(table(y=y, z=floats))}
    coef = np.linalg.lstsq(np.column_stack([np.ones(2 * ROWS), basis[:, 1:]]), np.array(y + y), rcond=None)[0]
    case("poly_of_two_types", "B", "poly(z, 2) of int32 in one file, float64 in the next", "numpy: QR of centred powers", both_files,
         fit(["d", "y ~ poly(z, 2)"], dict(zip(["(Intercept)", "poly(z, 2)[1]", "poly(z, 2)[2]"], map(float, coef)))))

    inside = csv({"y": y, "x": x, "k": [3] * ROWS})
    moved = [round(v + 1, 2) for v in y]
    other = csv({"y": moved, "x": x, "k": [4] * ROWS})
    coef = least_squares(y + moved, {"x": x + x, "k": [3] * ROWS + [4] * ROWS})
    case("key_in_file_too", "B", "a Hive key that the files have as well (DuckDB, Snowflake)", "Python, exact rationals",
         {"d/k=3/a.csv": inside, "d/k=4/a.csv": other}, fit(["d", "-t", "y", "-f", "x,k"], coef))
    case("key_contradicts", "B", "a Hive key that contradicts the file: said, with the column", "words",
         {"d/k=3/a.csv": inside, "d/k=5/a.csv": other}, step(["fit", "d", "-t", "y", "-f", "x,k", "--format", "json"], [0, 3], said=['"k"']))

    doubled = pa.Table.from_arrays([pa.array(y), pa.array(x), pa.array(base), pa.array(base)], ["y", "x", "z", "z"])
    case("two_of_one_name", "B", "two unused columns of one name (a join without suffixes)", oracle, {"d.parquet": parquet(doubled)},
         fit(["d.parquet", "-t", "y", "-f", "x"], intercept({})))
    case("either_of_one_name", "B", "a feature that is the name of two columns: refused", "words", {"d.parquet": parquet(doubled)},
         refused(["d.parquet", "-t", "y", "-f", "z"], '"z"'))
    weights = [float(v) + 1 for v in base]
    case("weight_and_feature", "B", "population as weight and as feature", oracle, {"d.parquet": parquet(table(y=y, x=x, w=weights))},
         fit(["d.parquet", "-t", "y", "-f", "x,w", "--weights", "w", "--weight-type", "analytic"], least_squares(y, {"x": x, "w": weights}, weights=weights)))

    sizes = ["small", "medium", "large", None] * 4
    order = ["small", "medium", "large", "huge"]
    both("ordered", "an ordered categorical of pandas: its order, and a level that no row has",
         {"g": pa.array(pd.Categorical(sizes, order, ordered=True))}, ["-t", "y", "-f", "x,g"], intercept(levels("g", sizes, order)))
    enum = pl.DataFrame({"y": y, "x": x, "g": pl.Series(sizes, dtype=pl.Enum(order))})
    sink = io.BytesIO()
    enum.write_parquet(sink, compression="uncompressed")
    case("polars_enum", "B", "an Enum of polars: its order", "polars, exact rationals", {"d.parquet": binary(sink.getvalue())},
         fit(["d.parquet", "-t", "y", "-f", "x,g"], intercept(levels("g", sizes, order))))
    sink = io.BytesIO()
    enum.write_ipc(sink, compression="uncompressed")
    case("polars_enum_arrow", "B", "an Enum of polars in Arrow IPC: its order", "polars, exact rationals", {"d.arrow": binary(sink.getvalue())},
         fit(["d.arrow", "-t", "y", "-f", "x,g"], intercept(levels("g", sizes, order))))
    stages = [3, 1, 2, 3] * 4
    both("ordered_integers", "an ordered categorical of whole numbers as a category: its order", {"g": pa.array(pd.Categorical(stages, [3, 1, 2], ordered=True))},
         ["y ~ x + C(g)"], intercept(levels("C(g)", stages, [3, 1, 2])), formats=("parquet",))
    both("unordered", "a categorical without order: the levels in order of their names",
         {"g": pa.array(pd.Categorical(sizes, order))}, ["-t", "y", "-f", "x,g"], intercept(levels("g", sizes)), formats=("parquet",))
    a = put(g=pa.array(pd.Categorical(sizes, order, ordered=True)))
    b = put(g=pa.array(pd.Categorical(sizes, order[::-1], ordered=True)))
    case("two_orders", "B", "two files whose orders contradict each other: said, or an error", "words", {"d/a.parquet": parquet(a), "d/b.parquet": parquet(b)},
         step(["fit", "d", "-t", "y", "-f", "x,g", "--format", "json"], [0, 3], said=['"g"']))
    a = put(g=pa.array(pd.Categorical(["small", "medium"] * 8, ["small", "medium"], ordered=True)))
    b = put(g=pa.array(pd.Categorical(["medium", "large"] * 8, ["small", "medium", "large"], ordered=True)))
    case("growing_order", "B", "the second file has one more level at the end of the order", oracle, {"d/a.parquet": parquet(a), "d/b.parquet": parquet(b)},
         fit(["d", "-t", "y", "-f", "x,g"], least_squares(y + y, {"x": x + x} | levels("g", ["small", "medium"] * 8 + ["medium", "large"] * 8, order))))
    years = pa.array([2021, 2023, 2022, 2021] * 4, pa.int16()).dictionary_encode()
    both("dictionary_of_integers", "a dictionary of integers is a number", {"g": years}, ["-t", "y", "-f", "x,g"],
         intercept({"g": [2021, 2023, 2022, 2021] * 4}), formats=("parquet", "arrow"))

    nested = [None if i == 5 else {"a": float(base[i]), "b": {"c": float(i % 5), "g": gs[i]}} for i in range(ROWS)]
    part = lambda f: [None if v is None else f(v) for v in nested]
    both("struct_parts", "parts of structs by dotted names, a missing struct", {"s": pa.array(nested)}, ["-t", "y", "-f", "x,s.a,s.b.c,s.b.g"],
         intercept({"s.a": part(lambda v: v["a"]), "s.b.c": part(lambda v: v["b"]["c"])} | levels("s.b.g", part(lambda v: v["b"]["g"]))))
    both("struct_formula", "parts of structs in a formula and in --where", {"s": pa.array(nested)}, ["y ~ s.a + log(s.b.c + 1)", "--where", "s.a >= 2"],
         least_squares([v if n and n["a"] >= 2 else None for v, n in zip(y, nested)],
                       {"s.a": part(lambda v: v["a"]), "log(s.b.c + 1)": part(lambda v: float(np.log(v["b"]["c"] + 1)))}), formats=("parquet",))
    lines = "".join(json.dumps({"y": a, "x": b, "s": None if n is None else n}) + "\n" for a, b, n in zip(y, x, nested))
    case("struct_ndjson", "B", "objects in NDJSON by dotted names: read, or named", "Python, exact rationals", {"d.ndjson": lines},
         fit(["d.ndjson", "-t", "y", "-f", "x,s.a"], intercept({"s.a": part(lambda v: v["a"])})))
    commas = [f"{v:.1f}".replace(".", ",") for v in base]
    case("commas_in_text_column", "B", "a text column of Parquet with decimal commas: no category in silence", "words", {"d.parquet": parquet(put(t=commas))},
         step(["fit", "d.parquet", "-t", "y", "-f", "x,t", "--format", "json"], [0, 3], said=['"t"']))
    text_days = [f"2024-01-{1 + i % 4:02}" for i in range(ROWS)]
    case("days_in_text_column", "B", "a text column of Parquet with dates: no category in silence; CAST makes days of it", oracle,
         {"d.parquet": parquet(put(t=text_days))},
         step(["fit", "d.parquet", "-t", "y", "-f", "x,t", "--format", "json"], [0, 3], said=['"t"']),
         fit(["d.parquet", "-t", "y", "-f", "x,n", "--with", "n = CAST(t AS date)"], intercept({"n": days(text_days)})))
    lines = "".join(json.dumps({"y": a, "x": str(b)}) + "\n" for a, b in zip(y, x))
    case("numbers_in_json_strings", "B", "BigQuery: numbers in quotes in NDJSON are named, with the way out", "Python, exact rationals", {"d.ndjson": lines},
         step(["fit", "d.ndjson", "-t", "y", "-f", "x", "--format", "json"], [0, 3], said=['"x"', "CAST(x AS double)"]),
         fit(["d.ndjson", "-t", "y", "-f", "n", "--with", "n = CAST(x AS double)"], least_squares(y, {"n": x})))
    halves = pa.array(np.array([v / 4 for v in base], np.float16))
    both("float16", "float16 and decimals", {"h": halves, "m": pa.array([f"{i}.{i * i % 7}5" for i in range(ROWS)]).cast(pa.decimal128(9, 2))},
         ["-t", "y", "-f", "x,h,m"], intercept({"h": [v / 4 for v in base], "m": [Fraction(f"{i}.{i * i % 7}5") for i in range(ROWS)]}))


# ---- C: files are read or named


def files():
    x, z = numbers(0, 9), numbers(0, 9)
    y = response(x, z)
    text = csv({"y": y, "x": x})
    coef = least_squares(y, {"x": x})
    both = least_squares(y, {"x": x, "z": z})
    ask = ["-t", "y", "-f", "x"]
    case("folder_others", "C", "files of a folder that are passed over are named", READ_CSV,
         {"d/a.csv": text, "d/notes.txt": "none", "d/b.csv.bak": text, "d/_SUCCESS": "", "d/.a.csv.crc": "x"},
         fit(["d", *ask], coef, said=["d/notes.txt", "d/b.csv.bak"], unsaid=["_SUCCESS", ".crc"]))
    case("folder_of_others", "C", "a folder of none but .txt: named; a file of it is read by name", READ_CSV, {"d/a.txt": text},
         refused(["d", *ask], "d/a.txt"), fit(["d/a.txt", *ask], coef))
    case("upper_case_ending", "C", ".CSV and .Csv in a folder", READ_CSV, {"d/A.CSV": text, "d/b.Csv": text},
         fit(["d", *ask], least_squares(y + y, {"x": x + x})))

    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(zipfile.ZipInfo("train.csv"), text)
    case("zip", "C", "a zip of Kaggle: what it is, and to unpack it", "words", {"train.csv.zip": binary(sink.getvalue()), "train.csv": text},
         refused(["train.csv.zip", *ask], "zip", "unzip"), fit(["train.csv", *ask], coef))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(zipfile.ZipInfo("xl/workbook.xml"), "<workbook/>")
    case("excel", "C", "a workbook, also one that is called .csv", "words", {"d.xlsx": binary(sink.getvalue()), "e.csv": binary(sink.getvalue())},
         refused(["d.xlsx", *ask], "spreadsheet", "CSV"), refused(["e.csv", *ask], "zip"))
    case("web_page", "C", "a page of the login in place of the data", "words", {"d.csv": "\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"},
         refused(["d.csv", *ask], "web page"))
    case("json_array", "C", "an array of JSON: to NDJSON with jq", "words", {"d.json": json.dumps([{"y": a, "x": b} for a, b in zip(y, x)])},
         refused(["d.json", *ask], "jq -c '.[]'", ".ndjson"))
    for id, encoding, mark in [("utf16_le", "utf-16-le", b"\xff\xfe"), ("utf16_be_unmarked", "utf-16-be", b"")]:
        case(id, "C", f"{encoding}: what it is, and iconv", READ_CSV,
             {"d.csv": binary(mark + text.encode(encoding)), "utf8.csv": text},
             refused(["d.csv", *ask], "UTF-16", "iconv"), fit(["utf8.csv", *ask], coef))
    shown = text.replace(",", ";")
    case("sep_line", "C", "sep=; of Excel below a mark, with CR LF", READ_CSV, {"d.csv": "\ufeffsep=;\r\n" + shown.replace("\n", "\r\n")},
         fit(["d.csv", *ask], coef))
    case("sep_tab", "C", "sep= with a tab", READ_CSV, {"d.csv": "sep=\t\n" + text.replace(",", "\t")}, fit(["d.csv", *ask], coef))
    named = shown.replace("y;x\n", "y;income, net\n", 1)
    case("comma_in_header", "C", "semicolons, and a name with a comma", READ_CSV, {"d.csv": named},
         fit(["d.csv", "-t", "y", "-f", '"income, net"'], {"(Intercept)": coef["(Intercept)"], "income, net": coef["x"]}))
    case("line_end_in_header", "C", "a name in quotes with a line end", READ_CSV, {"d.csv": text.replace("y,x\n", 'y,"x\n(kg)"\n', 1)},
         step(["fit", "d.csv", "-t", "y", "--format", "json"], 0, coef={"(Intercept)": coef["(Intercept)"], "x\n(kg)": coef["x"]}))
    case("header_alone", "C", "a header and no row", "words", {"d.csv": "y,x\n"}, refused(["d.csv", *ask], "d.csv", "no rows"))
    blank = "\n\n" + text.replace("\n", ",\r\n") + "\r\n\r\n"
    case("blank_lines", "C", "blank lines above and below, CR LF, a comma at every end", READ_CSV, {"d.csv": blank}, fit(["d.csv", *ask], coef))
    case("pandas_index", "C", "an index without a name before the columns", READ_CSV,
         {"d.csv": pd.DataFrame({"y": y, "x": x}).to_csv(lineterminator="\n")}, fit(["d.csv", *ask], coef))
    case("write_csv2", "C", "write.csv2 of R: row names, quotes, decimal commas", READ_CSV,
         {"d.csv": '"";"y";"x"\n' + "".join(f'"{i}";{a};{b}\n'.replace(".", ",") for i, (a, b) in enumerate(zip(y, x)))},
         refused(["d.csv", *ask], "line 2", "--decimal ,"), fit(["d.csv", *ask, "--decimal", ","], coef))

    wide = csv({"y": y, "x": x, "z": z})
    sql = duckdb.connect()
    later = csv({"x": x, "y": y})
    case("union_by_name", "C", "the first file lacks a column: refused with the way out; its rows have no z", "DuckDB's read_csv(union_by_name), exact rationals",
         {"d/a.csv": later, "d/b.csv": wide}, refused(["d", "-t", "y", "-f", "x,z"], "d/b.csv", '"z"', "--union-by-name"),
         fit(["d", "-t", "y", "-f", "x,z", "--union-by-name"], both),
         fit(["d", "-t", "y", "-f", "x", "--union-by-name"], least_squares(y + y, {"x": x + x})))
    case("union_of_formats", "C", "a CSV and a Parquet file, one lacks a column", "exact rationals",
         {"a.csv": later, "b.parquet": parquet(table(y=y, x=x, z=z))}, fit(["a.csv", "b.parquet", "-t", "y", "-f", "x,z", "--union-by-name"], both))

    def partitioned(key, values, kind=None):
        made, rows = {}, []
        for k, value in enumerate(values):
            part = [round(v + k * k, 2) for v in y]
            made[f"d/{key}={value}/a.csv"] = csv({"y": part, "x": x})
            rows += [(a, b, value) for a, b in zip(part, x)]
        return made, rows

    def hive(id, theme, values, column, flags=(), term="k"):
        made, rows = partitioned("k", values)
        ys, xs, ks = (list(c) for c in zip(*rows))
        case(id, "C", theme, "DuckDB's reading of the key, exact rationals", made,
             fit(["d", "-t", "y", "-f", "x,k", *flags], least_squares(ys, {"x": xs} | column(ks))))

    cast = lambda kind: lambda values: {"k": [sql.execute(f"SELECT CAST(? AS {kind})", [v]).fetchone()[0] for v in values]}
    hive("hive_days", "Hive keys that are dates are days", ["2024-01-03", "2024-02-29", "2024-12-31"], lambda v: {"k": days(cast("DATE")(v)["k"])})
    hive("hive_moments", "Hive keys that are timestamps, with %3A", ["2024-01-03 07%3A00%3A00", "2024-01-03 08%3A30%3A00", "2024-01-05 00%3A00%3A00"],
         lambda v: {"k": seconds(cast("TIMESTAMP")([t.replace("%3A", ":") for t in v])["k"])})
    hive("hive_zeros", "keys 01, 02, 11 are numbers", ["01", "02", "11"], cast("BIGINT"))
    hive("hive_decimals", "keys 0.5, 1, 2.25 are numbers", ["0.5", "1", "2.25"], cast("DOUBLE"))
    hive("hive_same_number", "keys 1 and 01 are no numbers: they would fall together", ["1", "01", "2"], lambda v: levels("k", v))
    hive("hive_as_text", "--schema k=text makes levels of 1, 2, 3", ["1", "2", "3"], lambda v: levels("k", v), ["--schema", "k=text"])
    hive("hive_declared_day", "--schema k=date of compact days, with --date-format", ["20240103", "20240229", "20241231"],
         lambda v: {"k": days(pd.to_datetime(v, format="%Y%m%d"))}, ["--schema", "k=date", "--date-format", "%Y%m%d"])
    made, rows = partitioned("k", ["5", "x", "7"])
    ys, xs, ks = (list(c) for c in zip(*rows))
    case("hive_declared_number", "C", "--schema k=number with a key x: refused with the way out", "exact rationals", made,
         refused(["d", "-t", "y", "-f", "x,k", "--schema", "k=number"], '"k"', '"x"', "k=x", "--schema k=text"),
         fit(["d", "-t", "y", "-f", "x,k", "--schema", "k=text"], least_squares(ys, {"x": xs} | levels("k", ks))))

    made, rows = partitioned("k", ["2024-01-03", "2024-02-29", "__HIVE_DEFAULT_PARTITION__"])
    ys, xs, ks = (list(c) for c in zip(*rows))
    ks = [None if v.startswith("_") else v for v in ks]
    case("hive_days_and_none", "C", "days and Hive's missing key, also in --where", "exact rationals", made,
         fit(["d", "-t", "y", "-f", "x,k"], least_squares(ys, {"x": xs, "k": days(ks)})),
         fit(["d", "-t", "y", "-f", "x", "--where", "k >= DATE '2024-02-01'"],
             least_squares([a if k == "2024-02-29" else None for a, k in zip(ys, ks)], {"x": xs})))
    codes = {"d/a.csv": csv({"y": y, "c": [1, 2] * 8}), "d/b.csv": csv({"y": y, "c": ["A", "1"] * 8})}
    case("codes_of_two_files", "C", "codes 1 and 2 in one file, A and 1 in the next: refused with the option, in plain words", "Python, exact rationals", codes,
         refused(["d", "-t", "y", "-f", "c"], "d/b.csv", '"c"', "--schema c=text", unsaid=["Utf8"]),
         fit(["d", "-t", "y", "-f", "c", "--schema", "c=text"], least_squares(y + y, levels("c", ["1", "2"] * 8 + ["A", "1"] * 8))))
    half = len(text) // 2
    parts = gzip.compress(text[:half].encode(), mtime=0) + gzip.compress(text[half:].encode(), mtime=0)
    case("gzip_of_parts", "C", "gzip of several members (bgzip, cat)", READ_CSV, {"d.csv.gz": binary(parts)}, fit(["d.csv.gz", *ask], coef))
    hive_text = text.split("\n", 1)[1].replace(",", "\x01")
    case("hive_text", "C", "a text file of Hive: no header, Ctrl-A between fields", "Python, exact rationals", {"000000_0.txt": hive_text},
         fit(["000000_0.txt", "--no-header", "--delimiter", "\x01", "-t", "column_1", "-f", "column_2"],
             {"(Intercept)": coef["(Intercept)"], "column_2": coef["x"]}))
    case("blanks_between_fields", "C", "fields between blanks: refused with the option", READ_CSV, {"d.txt": text.replace(",", " ")},
         refused(["d.txt", *ask], '"x"', "--delimiter"), fit(["d.txt", *ask, "--delimiter", " "], coef))

    one = parquet(table(y=y, x=x))
    for option in (["--delimiter", ";"], ["--no-header"], ["--null", "-999"], ["--decimal", ","], ["--thousands", "."], ["--date-format", "%d.%m.%Y"],
                   ["--schema", "x=text"]):
        case("no_effect_" + option[0].strip("-").replace("-", "_"), "C", f"{option[0]} on Parquet does nothing: refused", "words", {"d.parquet": one},
             refused(["d.parquet", *ask, *option], option[0], code=[2, 3]))
    case("schema_of_no_column", "C", "--schema of a column that is not there: refused with the nearest name", "words", {"d.csv": csv({"y": y, "price": x})},
         step(["fit", "d.csv", "-t", "y", "--schema", "prise=text"], [2, 3], stderr=["prise", "price"]))
    case("compressed_others", "C", "bzip2 and xz: what they are, and what to do", "words",
         {"d.csv.bz2": binary(bz2.compress(text.encode())), "d.csv.xz": binary(lzma.compress(text.encode()))},
         refused(["d.csv.bz2", *ask], "bzip2", "bunzip2"), refused(["d.csv.xz", *ask], "xz", "unxz"))
    case("named_twice", "C", "a file that is named twice", "words", {"d/a.csv": text}, step(["fit", "d", "d/a.csv", *ask], [2, 3], stderr=["a.csv", "twice"]))


def main():
    numbers_under_conventions()
    missing_words()
    times()
    sound_text()
    types()
    files()
    made_with = {m.__name__: m.__version__ for m in (np, pd, pa, duckdb, pl)} | {"python": sys.version.split()[0]}
    text = json.dumps({"made_with": made_with, "cases": CASES}, indent=1, ensure_ascii=False)
    Path("cases.json").write_text(text + "\n", encoding="utf-8")
    print(len(CASES), {p: sum(c["part"] == p for c in CASES) for p in "ABC"}, len(text))


main()
