"""Least squares by polars' streaming engine: every pairwise sum is one expression, solved with numpy.

usage: polars_sums.py FILE TARGET
Prints the coefficients as one JSON object.
"""
import json
import sys

import numpy as np
import polars as pl


def main():
    path, target = sys.argv[1:3]
    frame = pl.scan_parquet(path) if path.endswith(".parquet") else pl.scan_csv(path)
    columns = [c for c in frame.collect_schema().names() if c != target] + [target]
    terms = [pl.lit(1.0)] + [pl.col(c).cast(pl.Float64) for c in columns]
    k = len(terms)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]

    def total(i, j):
        if j == 0:
            return pl.len()
        return (terms[i] * terms[j] if i else terms[j]).sum()

    sums = frame.select([total(i, j).alias(f"{i}_{j}") for i, j in pairs]).collect(engine="streaming").row(0)
    gram = np.zeros((k, k))
    for (i, j), value in zip(pairs, sums):
        gram[i, j] = gram[j, i] = value
    solution = np.linalg.solve(gram[:-1, :-1], gram[:-1, -1])
    print(json.dumps(dict(zip(["(Intercept)"] + columns[:-1], solution.tolist()))))


main()
