"""What the scripts for groups and categories share: least squares from sums, and the line they print."""
import json
import resource
import time

import numpy as np


def solve_groups(count, sums, products):
    """Coefficients (intercept first) and standard errors of all groups at once, and which groups could be solved.

    sums: (groups, k + 1), of the features and the response; products: (groups, k + 1, k + 1). Groups without
    a spare row, or with dependent features, are NaN.
    """
    k = sums.shape[1] - 1
    with np.errstate(all="ignore"):
        mean = sums / count[:, None]
        centred = products - mean[:, :, None] * sums[:, None, :]
        scale = np.sqrt(np.einsum("gii->gi", centred)[:, :k])
        correlation = centred[:, :k, :k] / scale[:, :, None] / scale[:, None, :]
        solved = (count > k + 1) & (np.linalg.det(correlation) > 1e-10)
        mean, centred, scale, n = mean[solved], centred[solved], scale[solved], count[solved]
        inverse = np.linalg.inv(correlation[solved]) / scale[:, :, None] / scale[:, None, :]
        slopes = np.einsum("gij,gj->gi", inverse, centred[:, :k, k])
        rss = np.maximum(centred[:, k, k] - np.einsum("gi,gi->g", slopes, centred[:, :k, k]), 0)
        variance = rss / (n - k - 1)
        at_mean = 1 / n + np.einsum("gi,gij,gj->g", mean[:, :k], inverse, mean[:, :k])
    coefficients, errors = np.full((len(count), k + 1), np.nan), np.full((len(count), k + 1), np.nan)
    coefficients[solved, 0] = mean[:, k] - np.einsum("gi,gi->g", slopes, mean[:, :k])
    coefficients[solved, 1:] = slopes
    errors[solved, 0] = np.sqrt(variance * at_mean)
    errors[solved, 1:] = np.sqrt(variance[:, None] * np.einsum("gii->gi", inverse))
    return coefficients, errors, solved


def groups_from_columns(columns, names):
    """Solves the groups whose sums are `n`, `i` and `i_j` in a mapping of arrays."""
    k = len(names)
    sums = np.column_stack([columns[f"s{i}"] for i in range(k)])
    products = np.empty((len(sums), k, k))
    for i in range(k):
        for j in range(i, k):
            products[:, i, j] = products[:, j, i] = columns[f"p{i}_{j}"]
    return solve_groups(columns["n"].astype(float), sums, products)


def write_groups(path, group, names, count, coefficients, errors):
    """A Parquet file with a row for each group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    terms = ["(Intercept)"] + names[:-1]
    table = {"group": group, "n": count}
    table.update({t: coefficients[:, j] for j, t in enumerate(terms)})
    table.update({f"se {t}": errors[:, j] for j, t in enumerate(terms)})
    pq.write_table(pa.table(table), path)


def eliminate(small, wide, count, right, wide_right):
    """Solves [small, wide'; wide, diag(count)] [b; a] = [right; wide_right] for b."""
    seen = count > 0
    wide, count, wide_right = wide[:, seen], count[seen], wide_right[seen]
    scaled = wide / count
    return np.linalg.solve(small - scaled @ wide.T, right - scaled @ wide_right)


def report(peer, start, **more):
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    seconds = round(time.perf_counter() - start, 2)
    print(json.dumps({"peer": peer, "seconds": seconds, "peak_mb": round(memory), **more}))
