"""Numbers and categories by DuckDB: one GROUP BY of the categories with every pairwise sum, then numpy.

usage: typed_duckdb.py FILE TARGET CATEGORIES      (one or two, comma-separated; the one with most levels last)
The features are the categories and every column that is not text; rows with a null are left out. Prints seconds,
peak memory and the coefficients of the numbers as one JSON object.
"""
import time

start = time.perf_counter()
import sys

import batched
import duckdb
import numpy as np


def main():
    path, target, categories = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
    kinds = duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
    numbers = [name for name, kind, *_ in kinds if name != target and not kind.startswith(("VARCHAR", "ENUM"))]
    names = numbers + [target]
    k = len(names)
    totals = ["count(*) AS n"] + [f'sum("{c}"::DOUBLE) AS s{i}' for i, c in enumerate(names)]
    totals += [
        f'sum("{names[i]}"::DOUBLE * "{names[j]}"::DOUBLE) AS p{i}_{j}' for i in range(k) for j in range(i, k)
    ]
    by = ", ".join(f'"{c}"' for c in categories)
    complete = " AND ".join(f'"{c}" IS NOT NULL' for c in names + categories)
    cells = duckdb.sql(f"SELECT {by}, {', '.join(totals)} FROM '{path}' WHERE {complete} GROUP BY {by}").fetchnumpy()
    # From here on a cell, with its count and its sums, is what a row was.
    count = cells["n"].astype(float)
    sums = np.column_stack([cells[f"s{i}"] for i in range(k)])
    mean = sums.sum(axis=0) / count.sum()
    products = np.empty((k, k))
    for i in range(k):
        for j in range(i, k):
            products[i, j] = products[j, i] = cells[f"p{i}_{j}"].sum() - mean[i] * sums[:, j].sum()
    sums -= count[:, None] * mean
    code = [np.unique(cells[c].astype(str), return_inverse=True)[1] for c in categories]
    base, last = (code[0] if len(code) == 2 else np.zeros(len(count), int)), code[-1]
    a, b = base.max() + 1, last.max() + 1
    by_base = np.array([np.bincount(base, v, a) for v in sums.T])[:, 1:]
    by_last = np.array([np.bincount(last, v, b) for v in sums.T])
    pairs = np.bincount(base * b + last, count, a * b).reshape(a, b)[1:]
    p = k - 1
    small = np.block([[products[:p, :p], by_base[:p]], [by_base[:p].T, np.diag(pairs.sum(axis=1))]])
    right = np.r_[products[:p, p], by_base[p]]
    wide = np.vstack([by_last[:p], pairs])
    solution = batched.eliminate(small, wide, np.bincount(last, count, b), right, by_last[p])
    batched.report("typed_duckdb", start, coefficients=dict(zip(numbers, solution.tolist())), cells=len(count))


main()
