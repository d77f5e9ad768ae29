"""Numbers and categories by hand: record batches, dictionary codes, sums by level with numpy's bincount.

usage: typed_numpy.py FILE TARGET CATEGORIES       (comma-separated; the one with most levels last)
The features are the categories and every column that is not text; rows with a null are left out. The last
category is eliminated level by level, so that its cross-products with itself are only counts. Prints seconds, peak
memory and the coefficients of the numbers as one JSON object.
"""
import time

start = time.perf_counter()
import sys

import batched
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def codes(column, levels):
    """Positions of the values in `levels`, which grows."""
    column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    known = np.array([levels.setdefault(v, len(levels)) for v in column.dictionary.to_pylist()])
    return known[column.indices.to_numpy()]


def grown(array, shape):
    if array.shape == shape:
        return array
    bigger = np.zeros(shape)
    bigger[tuple(slice(n) for n in array.shape)] = array
    return bigger


def main():
    path, target, categories = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
    file = pq.ParquetFile(path, pre_buffer=False)
    text = (pa.types.is_dictionary, pa.types.is_string, pa.types.is_large_string)
    fields = [f for f in file.schema_arrow if f.name != target and not any(is_text(f.type) for is_text in text)]
    numbers = [f.name for f in fields]
    k, levels, shift = len(numbers) + 1, [{} for _ in categories], None
    # Blocks of X'X and X'y: n numbers, c a category.
    nn, ny = np.zeros((k, k)), np.zeros(k)
    nc, cy = [np.zeros((k, 0)) for _ in categories], [np.zeros(0) for _ in categories]
    cc = {(a, b): np.zeros((0, 0)) for a in range(len(categories)) for b in range(a, len(categories))}
    for batch in file.iter_batches(250_000, columns=numbers + categories + [target]):
        table = pa.Table.from_batches([batch]).drop_null()
        x = np.ones((table.num_rows, k), order="F")
        for j, name in enumerate(numbers):
            x[:, j + 1] = pc.cast(table[name], pa.float64()).to_numpy()
        y = pc.cast(table[target], pa.float64()).to_numpy()
        if shift is None:
            shift = np.r_[0.0, x[:, 1:].mean(axis=0)]
        x -= shift
        nn += x.T @ x
        ny += x.T @ y
        code = [codes(table[c], known) for c, known in zip(categories, levels)]
        size = [len(known) for known in levels]
        for c in range(len(categories)):
            nc[c] = grown(nc[c], (k, size[c])) + [np.bincount(code[c], v, size[c]) for v in x.T]
            cy[c] = grown(cy[c], (size[c],)) + np.bincount(code[c], y, size[c])
        for (a, b), counts in cc.items():
            if a == b:
                pairs = np.bincount(code[a], minlength=size[a])[:, None]
                cc[a, b] = grown(counts, (size[a], 1)) + pairs
            else:
                pairs = np.bincount(code[a] * size[b] + code[b], minlength=size[a] * size[b])
                cc[a, b] = grown(counts, (size[a], size[b])) + pairs.reshape(size[a], size[b])
    w = len(categories) - 1
    # The first level of every category but the last is its base; the levels of the last one stand for the intercept.
    small = [[nn[1:, 1:]] + [nc[b][1:, 1:] for b in range(w)]]
    for a in range(w):
        row = [nc[a][1:, 1:].T]
        for b in range(w):
            block = np.diag(cc[a, a][:, 0]) if a == b else cc[a, b] if a < b else cc[b, a].T
            row.append(block[1:, 1:])
        small.append(row)
    wide = np.vstack([nc[w][1:]] + [cc[a, w][1:] for a in range(w)])
    right = np.concatenate([ny[1:]] + [cy[a][1:] for a in range(w)])
    solution = batched.eliminate(np.block(small), wide, cc[w, w][:, 0], right, cy[w])
    coefficients = dict(zip(numbers, solution.tolist()))
    batched.report("typed_numpy", start, coefficients=coefficients)


main()
