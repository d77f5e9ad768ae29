"""A regression for each group by DuckDB: one GROUP BY with every pairwise sum, then numpy solves all groups at once.

usage: groups_duckdb.py FILE GROUP TARGET [--sums-only] [--out FILE]
The features are all other columns; none may have nulls. Prints seconds and peak memory as one JSON object; --out
writes the coefficients of every group to a Parquet file.
"""
import time

start = time.perf_counter()
import argparse

import batched
import duckdb


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("group")
    parser.add_argument("target")
    parser.add_argument("--sums-only", action="store_true")
    parser.add_argument("--out")
    args = parser.parse_args()
    found = [r[0] for r in duckdb.sql(f"DESCRIBE SELECT * FROM '{args.file}'").fetchall()]
    names = [c for c in found if c not in (args.group, args.target)] + [args.target]
    totals = ["count(*) AS n"] + [f'sum("{c}"::DOUBLE) AS s{i}' for i, c in enumerate(names)]
    totals += [
        f'sum("{a}"::DOUBLE * "{b}"::DOUBLE) AS p{i}_{j}'
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i <= j
    ]
    query = f'SELECT "{args.group}" AS g, {", ".join(totals)} FROM \'{args.file}\' GROUP BY g'
    columns = duckdb.sql(query).fetchnumpy()
    if args.sums_only:
        return batched.report("groups_duckdb, sums only", start, groups=len(columns["g"]))
    coefficients, errors, solved = batched.groups_from_columns(columns, names)
    if args.out:
        batched.write_groups(args.out, columns["g"], names, columns["n"], coefficients, errors)
    batched.report("groups_duckdb", start, groups=len(solved), solved=int(solved.sum()))


main()
