"""Columns of one kind, for the price of exact sums: what bits a column needs decides what it costs.

usage: kinds.py full|prices|float32|integers|spread FILE.parquet [FEATURES] [ROWS]

full      normal numbers of unlike mean and scale, all 53 bits
prices    two decimals, 0.01 to 999.99
float32   normal numbers in float32's precision, as float64
integers  0 to 999
spread    exponents from 2^-300 to 2^300: every cell lies outside any grid
"""
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KINDS = {
    "full": lambda rng, n, j: 3 * j + (1 + j % 7) * rng.standard_normal(n),
    "prices": lambda rng, n, j: np.round(rng.uniform(0.01, 999.99, n), 2),
    "float32": lambda rng, n, j: rng.standard_normal(n).astype(np.float32).astype(np.float64),
    "integers": lambda rng, n, j: rng.integers(0, 1000, n).astype(np.float64),
    "spread": lambda rng, n, j: np.ldexp(rng.standard_normal(n), rng.integers(-300, 300, n)),
}


def main(kind, path, features="10", rows="10000000"):
    rng, features, left = np.random.default_rng(7), int(features), int(rows)
    names = [f"x{j}" for j in range(features)] + ["y"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        while left > 0:
            n = min(left, 250_000)
            x = [KINDS[kind](rng, n, j) for j in range(features)]
            y = KINDS[kind](rng, n, features) if kind in ("spread", "integers") else x[0] + rng.standard_normal(n)
            if kind == "prices":
                y = np.round(y, 2)
            elif kind == "float32":
                y = y.astype(np.float32).astype(np.float64)
            writer.write_table(pa.table(x + [y], schema=schema))
            left -= n


if __name__ == "__main__":
    main(*sys.argv[1:])
