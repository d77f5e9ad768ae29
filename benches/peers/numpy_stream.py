"""Least squares by hand: record batches, X'X and X'y summed with numpy, one solve.

usage: numpy_stream.py FILE TARGET
Prints the coefficients as one JSON object. Parquet is read without pre-buffering, CSV in blocks of 16 MiB:
the settings with which memory stays bounded.
"""
import json
import sys

import numpy as np


def batches(path, columns):
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        yield from pq.ParquetFile(path, pre_buffer=False).iter_batches(batch_size=250_000, columns=columns)
    else:
        import pyarrow.csv as pc

        with pc.open_csv(path, read_options=pc.ReadOptions(block_size=16 << 20)) as reader:
            yield from reader


def names(path):
    if path.endswith(".parquet"):
        import pyarrow.parquet as pq

        return pq.ParquetFile(path).schema_arrow.names
    with open(path) as file:
        return file.readline().replace('"', "").strip().split(",")


def main():
    path, target = sys.argv[1:3]
    columns = [c for c in names(path) if c != target] + [target]
    gram = np.zeros((len(columns) + 1,) * 2)
    for batch in batches(path, columns):
        rows = np.empty((batch.num_rows, len(columns) + 1), order="F")
        rows[:, 0] = 1.0
        for j, column in enumerate(columns):
            rows[:, j + 1] = batch.column(column).to_numpy(zero_copy_only=False)
        gram += rows.T @ rows
    solution = np.linalg.solve(gram[:-1, :-1], gram[:-1, -1])
    print(json.dumps(dict(zip(["(Intercept)"] + columns[:-1], solution.tolist()))))


main()
