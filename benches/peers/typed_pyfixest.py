"""Numbers and categories by pyfixest, in memory: the categories are fixed effects that are demeaned away.

usage: typed_pyfixest.py FILE TARGET CATEGORIES    (comma-separated)
The features are the categories and every column that is not text; rows with a null are left out. Prints seconds,
peak memory and the coefficients of the numbers as one JSON object.
"""
import time

start = time.perf_counter()
import sys

import batched
import pandas as pd
import pyarrow.parquet as pq
import pyfixest as pf


def main():
    path, target, categories = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
    fields = [f for f in pq.ParquetFile(path).schema_arrow if f.name != target]
    numbers = [f.name for f in fields if not str(f.type).startswith(("dictionary", "string", "large_string"))]
    frame = pd.read_parquet(path, columns=numbers + categories + [target]).dropna()
    frame = frame.astype({c: "float64" for c in numbers})
    frame = frame.astype({c: "category" for c in categories})
    formula = f"{target} ~ {' + '.join(numbers)} | {' + '.join(categories)}"
    fit = pf.feols(formula, frame, vcov="iid", lean=True, copy_data=False, store_data=False)
    batched.report("typed_pyfixest", start, coefficients={n: float(fit.coef()[n]) for n in numbers})


main()
