"""Tables with categories, groups and dates, for the benchmarks that need more than numbers.

usage: tables.py categories|levels|groups|days FILE.parquet [ROWS]

categories  region (8 levels), store (1,000), six numbers with some nulls, y; 20 million rows
levels      item (100,000 levels, some far more frequent than others), region (8), x1, x2, y; 20 million rows
groups      g (100,000 groups and three degenerate ones: one row, constant y, x2 = 2 x1), x1 to x5, y; 20 million rows
days        day (sorted, 0 to 999), x1 to x4, y; 10 million rows in 100 row groups
"""
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REGIONS = ["north", "south", "east", "west", "centre", "coast", "island", "abroad"]


def labels(rng, names, shares, rows):
    codes = rng.choice(len(names), rows, p=shares / shares.sum())
    return codes, pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names)).cast(pa.string())


def regions(rng, rows):
    return labels(rng, REGIONS, np.array([30, 20, 15, 10, 10, 7, 5, 3.0]), rows)


def categories(rng, rows, state):
    region, region_text = regions(rng, rows)
    store, store_text = labels(rng, state.setdefault("stores", [f"store-{i:04d}" for i in range(1000)]), np.ones(1000), rows)
    year, month = rng.integers(2000, 2025, rows), rng.integers(1, 13, rows)
    weight = rng.gamma(2, 3, rows).astype(np.float32)
    price, income, age = np.round(rng.gamma(2, 20, rows), 2), rng.lognormal(10, 0.5, rows), rng.integers(18, 90, rows)
    y = 0.05 * year - 0.2 * month + 0.7 * weight - 0.03 * price + 4e-4 * income + 0.02 * age
    y = y + region + 0.01 * store + rng.normal(0, 3, rows)
    hole = lambda: rng.random(rows) < 0.03
    return {"year": year.astype(np.int32), "month": month.astype(np.int32), "weight": weight, "price": price,
            "region": region_text, "store": store_text, "income": pa.array(income, mask=hole()),
            "age": pa.array(age.astype(np.int32), mask=hole()), "y": y}


def levels(rng, rows, state):
    if not state:
        state["names"] = [f"item-{i:06d}" for i in rng.permutation(100_000)]
        state["effects"] = rng.normal(0, 1, 100_000)
    item, item_text = labels(rng, state["names"], 1 / np.arange(1, 100_001) ** 0.9, rows)
    region, region_text = regions(rng, rows)
    x1, x2 = 5 + rng.normal(0, 2, rows), 60 + rng.gamma(2, 15, rows)
    y = 10 + 0.7 * x1 - 0.02 * x2 + state["effects"][item] + region + rng.normal(0, 3, rows)
    return {"x1": x1, "x2": x2, "item": item_text, "region": region_text, "y": y}


def groups(rng, rows, state):
    g = 1 + rng.integers(0, 100_000, rows)
    if not state:
        state["slopes"] = rng.normal(0, 1, (100_004, 5))
        g[:101] = np.repeat([100_001, 100_002, 100_003], [1, 50, 50])
        rng.shuffle(g)
    x = rng.normal([5, 2, 40, 20, 100], [1, 1, 20, 3, 5], (rows, 5))
    x[g == 100_003, 1] = 2 * x[g == 100_003, 0]
    y = 10 + (x * state["slopes"][g]).sum(1) + rng.normal(0, 2, rows)
    y[g == 100_002] = 7.25
    return {"g": g.astype(np.int32), **{f"x{j + 1}": x[:, j] for j in range(5)}, "y": y}


def days(rng, rows, state):
    first = state.setdefault("first", 0)
    day = ((first + np.arange(rows)) * 1000 // state["rows"]).astype(np.int32)
    state["first"] += rows
    x = rng.normal([5, 2, 40, 20], [2, 1, 10, 3], (rows, 4))
    y = 3 + x @ [0.5, -1, 0.02, 2] + 0.001 * day + rng.normal(0, 2, rows)
    return {"day": day, **{f"x{j + 1}": x[:, j] for j in range(4)}, "y": y}


KINDS = {"categories": (categories, 20_000_000, 1_000_000), "levels": (levels, 20_000_000, 1_000_000),
         "groups": (groups, 20_000_000, 250_000), "days": (days, 10_000_000, 100_000)}


def main():
    make, rows, at_once = KINDS[sys.argv[1]]
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else rows
    rng, state, writer = np.random.default_rng(1), {"rows": rows} if make is days else {}, None
    for first in range(0, rows, at_once):
        table = pa.table(make(rng, min(at_once, rows - first), state))
        writer = writer or pq.ParquetWriter(sys.argv[2], table.schema, compression="snappy")
        writer.write_table(table)
    writer.close()


main()
