"""Makes the sound files of this folder, small ones of several writers, and prints which they are.

    python make.py

needs pyarrow and duckdb.
"""

import decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

n = 60
rng = np.random.default_rng(7)
null = lambda values, every: pa.array([None if i % every == 2 else v for i, v in enumerate(values)])
sound = pa.table({
    "y": pa.array(rng.integers(1, 9, n) / 4),
    "x": null([float(i) for i in range(n)], 11),
    "k": null([int(v) for v in rng.integers(-5, 5, n)], 7),
    "g": null([f"g{v}" for v in rng.integers(0, 4, n)], 13),
    "b": pa.array([bool(v) for v in rng.integers(0, 2, n)]),
    "s": pa.array([int(v) for v in rng.integers(0, 9, n)], pa.int16()),
    "d": pa.array([decimal.Decimal(int(v)) / 100 for v in rng.integers(0, 900, n)], pa.decimal128(9, 2)),
    "t": pa.array([int(v) for v in rng.integers(0, 2**40, n)], pa.timestamp("us")),
})

pq.write_table(sound, "pyarrow_v1.parquet", row_group_size=60, data_page_size=200, write_batch_size=32,
               compression="none", write_statistics=["x"], use_dictionary=["g", "k"], store_schema=False, write_page_checksum=True)
pq.write_table(sound, "pyarrow_v2.parquet", row_group_size=40, data_page_version="2.0", compression="snappy",
               write_statistics=["x"],
               use_dictionary=["g"], store_schema=False,
               column_encoding={"x": "BYTE_STREAM_SPLIT", "k": "DELTA_BINARY_PACKED", "t": "DELTA_BINARY_PACKED"})
pq.write_table(sound.select(["y", "g", "b"]), "pyarrow_delta.parquet", compression="none", use_dictionary=False,
               store_schema=False, data_page_version="2.0", write_statistics=False,
               column_encoding={"g": "DELTA_BYTE_ARRAY", "y": "PLAIN", "b": "RLE"})
duckdb.execute("copy (select y, x, k, g, b, s, t from sound) to 'duckdb.parquet' (format parquet)")
duckdb.execute("copy (select y, x, k, g, b, s, t from sound) to 'duckdb_v2.parquet' "
               "(format parquet, parquet_version v2, compression uncompressed)")
