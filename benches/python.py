"""The Python package beside its peers, on one file of numbers: medians of three, in one process.

    python benches/python.py FILE.parquet y

needs the package, pandas and polars; statsmodels, scikit-learn and pyfixest where they are installed.
"""

import importlib
import statistics
import subprocess
import sys
import time

import pandas
import polars
import streamreg as sr

TIMES = 3


def timed(name: str, job) -> None:
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    print(f"{name:30} {statistics.median(seconds):.3f}", flush=True)


def installed(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def main(path: str, target: str) -> None:
    frame = pandas.read_parquet(path)
    features = [name for name in frame if name != target]
    line = [sys.executable, "-m", "streamreg", "fit", path, "-t", target, "-q"]
    timed("streamreg, pandas", lambda: sr.ols(None, frame, target=target))
    other = polars.from_pandas(frame)
    timed("streamreg, polars", lambda: sr.ols(None, other, target=target))
    timed("streamreg, the file", lambda: sr.ols(None, path, target=target))
    timed("streamreg, command line", lambda: subprocess.run(line, stdout=subprocess.DEVNULL, check=True))
    if api := installed("statsmodels.api"):
        timed("statsmodels", lambda: api.OLS(frame[target], api.add_constant(frame[features])).fit().bse)
    if linear := installed("sklearn.linear_model"):
        timed("scikit-learn", lambda: linear.LinearRegression().fit(frame[features], frame[target]))
    if fixest := installed("pyfixest"):
        timed("pyfixest", lambda: fixest.feols(f"{target} ~ {' + '.join(features)}", frame))


if __name__ == "__main__":
    main(*sys.argv[1:])
