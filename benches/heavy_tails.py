"""A response with gigantic kurtosis, as in statsmodels issue 4587 (47 million rows, a negative R²), and the exact answer.

usage: heavy_tails.py FILE.parquet [ROWS]
Writes x1, x2 and y, and prints coefficients and R² in 50 digits, from exact integers. Needs numpy, pyarrow and mpmath.
"""
import json
import sys
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mpmath import mp, mpf

NAMES = ["x1", "x2", "y"]
TERMS = ["1", "x1", "x2"]


def draw(rng, n):
    x1, x2 = rng.standard_normal(n), np.exp(rng.standard_normal(n))
    y = np.exp(4 * rng.standard_normal(n) + 0.3 * x1) + 1e3 * x2
    return {"1": np.ones(n), "x1": x1, "x2": x2, "y": y}


def parts(x):
    """Mantissas as integers, and exponents."""
    mantissa, exponent = np.frexp(x)
    return (mantissa * 2.0**53).astype(np.int64), exponent.astype(np.int64) - 53


def exact_product(a, b):
    """The sum of a * b, exactly: products of half mantissas, summed by exponent in halves that cannot overflow."""
    (ma, ea), (mb, eb) = parts(a), parts(b)
    order = np.argsort(ea + eb, kind="stable")
    exponents = (ea + eb)[order]
    starts = np.flatnonzero(np.r_[True, exponents[1:] != exponents[:-1]])
    lowest, low = int(exponents[0]), (1 << 27) - 1
    total = 0
    for product, shift in (
        ((ma >> 27) * (mb >> 27), 54),
        ((ma >> 27) * (mb & low), 27),
        ((ma & low) * (mb >> 27), 27),
        ((ma & low) * (mb & low), 0),
    ):
        for half, more in ((product >> 32, 32), (product & 0xFFFFFFFF, 0)):
            sums = np.add.reduceat(half[order], starts)
            for value, exponent in zip(sums.tolist(), exponents[starts].tolist()):
                total += value << (shift + more + exponent - lowest)
    return Fraction(total) * Fraction(2) ** lowest


def solve(sums):
    """Coefficients and R² by Gauss and Jordan's elimination in fractions."""
    product = lambda p, q: sums[(p, q) if (p, q) in sums else (q, p)]
    rows = [[product(p, q) for q in TERMS] + [product(p, "y")] for p in TERMS]
    for i, pivot in enumerate(rows):
        for r, row in enumerate(rows):
            if r != i:
                share = row[i] / pivot[i]
                rows[r] = [a - share * b for a, b in zip(row, pivot)]
    b = [row[-1] / row[i] for i, row in enumerate(rows)]
    rss = product("y", "y") - sum(value * product(p, "y") for value, p in zip(b, TERMS))
    tss = product("y", "y") - product("1", "y") ** 2 / product("1", "1")
    return b, 1 - rss / tss


def main(path, rows="47000000"):
    mp.dps = 60
    rng, left, sums = np.random.default_rng(5), int(rows), {}
    schema = pa.schema([(name, pa.float64()) for name in NAMES])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        while left > 0:
            columns = draw(rng, min(left, 1_000_000))
            writer.write_table(pa.table([columns[name] for name in NAMES], schema=schema))
            names = list(columns)
            for i, p in enumerate(names):
                for q in names[i:]:
                    sums[p, q] = sums.get((p, q), 0) + exact_product(columns[p], columns[q])
            left -= len(columns["1"])
    b, r_squared = solve(sums)
    digits = lambda value: mp.nstr(mpf(value.numerator) / mpf(value.denominator), 50)
    print(json.dumps({"coefficients": [digits(value) for value in b], "r_squared": digits(r_squared)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
