"""streamreg on Spark beside MLlib's normal equations, in one session: times, and how far coefficients are from exact ones.

    python benches/spark.py FILE.parquet y

needs pyspark, Java 17 and the Python package. The file has nothing but numbers.
"""

import os
import statistics
import sys
import time

import streamreg as sr
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession
from streamreg.spark import fit

TIMES = 3


def main(path: str, target: str) -> None:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master("local[2]").config("spark.driver.memory", "6g").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    frame = session.read.parquet(path)
    features = [name for name in frame.columns if name != target]
    exact = sr.ols(None, path, target=target, precision="exact").coef()

    def mllib() -> dict[str, float]:
        vectors = VectorAssembler(inputCols=features, outputCol="vector").transform(frame)
        regression = LinearRegression(featuresCol="vector", labelCol=target, solver="normal")
        model = regression.fit(vectors)
        return {"(Intercept)": model.intercept, **dict(zip(features, model.coefficients))}

    for name, job in [("streamreg", lambda: fit(None, frame, target=target).coef()), ("MLlib", mllib)]:
        seconds = []
        for _ in range(TIMES):
            start = time.perf_counter()
            found = job()
            seconds.append(time.perf_counter() - start)
        worst = max(abs(found[term] - exact[term]) / abs(exact[term]) for term in exact)
        print(f"{name}: {statistics.median(seconds):.2f} s, largest relative error {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
