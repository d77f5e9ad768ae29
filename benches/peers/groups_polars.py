"""A regression for each group by polars' streaming engine: group_by with every pairwise sum, then numpy solves all.

usage: groups_polars.py FILE GROUP TARGET [--sums-only] [--out FILE]
The features are all other columns; none may have nulls. Prints seconds and peak memory as one JSON object; --out
writes the coefficients of every group to a Parquet file.
"""
import time

start = time.perf_counter()
import argparse

import batched
import polars as pl


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("group")
    parser.add_argument("target")
    parser.add_argument("--sums-only", action="store_true")
    parser.add_argument("--out")
    args = parser.parse_args()
    frame = pl.scan_parquet(args.file)
    found = frame.collect_schema().names()
    names = [c for c in found if c not in (args.group, args.target)] + [args.target]
    value = [pl.col(c).cast(pl.Float64) for c in names]
    totals = [pl.len().alias("n")] + [v.sum().alias(f"s{i}") for i, v in enumerate(value)]
    totals += [
        (a * b).sum().alias(f"p{i}_{j}") for i, a in enumerate(value) for j, b in enumerate(value) if i <= j
    ]
    sums = frame.group_by(args.group).agg(totals).collect(engine="streaming")
    if args.sums_only:
        return batched.report("groups_polars, sums only", start, groups=len(sums))
    columns = {c: sums[c].to_numpy() for c in sums.columns}
    coefficients, errors, solved = batched.groups_from_columns(columns, names)
    if args.out:
        batched.write_groups(args.out, columns[args.group], names, columns["n"], coefficients, errors)
    batched.report("groups_polars", start, groups=len(solved), solved=int(solved.sum()))


main()
