"""Data for the iterative solvers, with the exact answers beside them, and their peers in the same run.

    descent.py dense   FILE.parquet [--rows 10M] [--features 20] [--condition 10]
    descent.py wide    FILE.parquet [--rows 5M]
    descent.py compare FILE.parquet [--binary target/release/streamreg] [--runs 3]
    descent.py compare-wide FILE.parquet [--binary ...]

`dense` writes columns whose scales run from 1e-6 to 1e6, with means, correlated so that the equilibrated columns have the
given condition number. `wide` writes 100,000 features as a pair of list columns, about 50 a row, half of them by Zipf's
law. `compare` times sgd, the float64 pass and scikit-learn's SGDRegressor over the same batches, and measures every
coefficient by the standard errors of the exact fit; `compare-wide` has LSQR in memory and Vowpal Wabbit beside it.
Needs numpy, scipy, pyarrow, scikit-learn; vowpalwabbit for the last.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WIDE = 100_000


def count(text):
    units = {"k": 1e3, "M": 1e6}
    return int(float(text[:-1]) * units[text[-1]]) if text[-1] in units else int(text)


def dense(path, rows, features, condition):
    rng = np.random.default_rng(20261126)
    orthogonal = lambda: np.linalg.qr(rng.standard_normal((features, features)))[0]
    mix = orthogonal() @ np.diag(np.logspace(0, -np.log10(condition), features)) @ orthogonal()
    mix /= np.sqrt((mix ** 2).sum(1))[:, None]
    scale = 10.0 ** np.linspace(-6, 6, features)
    rng.shuffle(scale)
    mean, slope = scale * rng.uniform(-3, 3, features), rng.standard_normal(features)
    slope /= np.sqrt(((slope @ mix) ** 2).sum())
    names = [f"x{j}" for j in range(features)] + ["y"]
    with pq.ParquetWriter(path, pa.schema([(n, pa.float64()) for n in names])) as writer:
        for begin in range(0, rows, 250_000):
            n = min(250_000, rows - begin)
            z = rng.standard_normal((n, features)) @ mix.T
            y = 1 + z @ slope + rng.standard_normal(n)
            writer.write_table(pa.table([*(mean + scale * z).T, y], names=names))


def wide(path, rows):
    rng = np.random.default_rng(7)
    popularity = np.cumsum(1 / np.arange(1, WIDE + 1) ** 0.9)
    popularity /= popularity[-1]
    order, slope = rng.permutation(WIDE).astype(np.int32), rng.standard_normal(WIDE)
    lists = lambda kind: pa.list_(kind)
    schema = pa.schema([("indices", lists(pa.int32())), ("values", lists(pa.float32())), ("y", pa.float64())])
    unit = None
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(rows // 100_000):
            sizes = rng.poisson(50, 100_000).clip(1)
            at, total = np.r_[0, np.cumsum(sizes)].astype(np.int32), int(sizes.sum())
            index = rng.integers(0, WIDE, total, dtype=np.int32)
            popular = rng.random(total) < 0.5
            index[popular] = order[np.searchsorted(popularity, rng.random(int(popular.sum()))).clip(0, WIDE - 1)]
            value = np.abs(rng.standard_normal(total)).astype(np.float32) + np.float32(0.1)
            signal = np.add.reduceat(slope[index] * value, at[:-1])
            unit = unit or signal.std()
            columns = [pa.ListArray.from_arrays(at, index), pa.ListArray.from_arrays(at, value)]
            y = signal / unit + rng.standard_normal(100_000)
            writer.write_table(pa.table([*columns, pa.array(y)], schema=schema))


def streamreg(binary, path, *arguments):
    """The report, wall-clock seconds, and peak memory in MB."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [binary, "fit", path, "--target", "y", *arguments, "--format", "json", "--output", out.name, "--quiet"]
        begin = time.perf_counter()
        process = subprocess.Popen(["/usr/bin/env", *command], stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        return json.load(open(out.name)), time.perf_counter() - begin, usage.ru_maxrss / 1024


def estimates(report):
    return {c["term"]: c["estimate"] for c in report["coefficients"]}


def batches(path, columns, rows=100_000):
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=rows, columns=columns):
            yield batch


def sklearn_epochs(path, names, epochs, scaled):
    from sklearn.linear_model import SGDRegressor
    from sklearn.preprocessing import StandardScaler
    matrix = lambda batch: np.column_stack([batch.column(n).to_numpy() for n in names])
    scaler, seconds = StandardScaler(), []
    begin = time.perf_counter()
    if scaled:
        for batch in batches(path, names):
            scaler.partial_fit(matrix(batch))
        seconds.append(time.perf_counter() - begin)
    model = SGDRegressor(penalty=None, alpha=0.0, eta0=0.001, average=True, random_state=0)
    for _ in range(epochs):
        begin = time.perf_counter()
        for batch in batches(path, names + ["y"]):
            x = matrix(batch)
            model.partial_fit(scaler.transform(x) if scaled else x, batch.column("y").to_numpy())
        seconds.append(time.perf_counter() - begin)
    slopes = model.coef_ / scaler.scale_ if scaled else model.coef_
    return dict(zip(names, slopes)), seconds


def compare(path, binary, runs):
    exact, _, _ = streamreg(binary, path)
    errors = {c["term"]: c["std_error"] for c in exact["coefficients"]}
    truth, names = estimates(exact), [c["term"] for c in exact["coefficients"]][1:]
    worst = lambda own: max(abs(own[n] - truth[n]) / errors[n] for n in names)
    epochs, passes, distances, memory = [], [], [], []
    for _ in range(runs):
        sgd, _, peak = streamreg(binary, path, "--solver", "sgd")
        plain, _, _ = streamreg(binary, path, "--precision", "float")
        epochs.append(sgd["timings"]["pass_seconds"][1])
        passes.append(plain["timings"]["pass_seconds"][0])
        distances.append(worst(estimates(sgd)))
        memory.append(peak)
    print("| | passes | seconds an epoch | worst coefficient, standard errors | peak MB |\n|---|---:|---:|---:|---:|")
    epoch, float_pass = statistics.median(epochs), statistics.median(passes)
    print(f"| streamreg --solver sgd | {sgd['descent']['epochs']} | {epoch:.2f} | {max(distances):.2g} | {max(memory):.0f} |")
    print(f"| streamreg --precision float | 1 | {float_pass:.2f} | {worst(estimates(plain)):.2g} | |")
    for scaled, number in ((True, 4), (False, 2)):
        with np.errstate(all="ignore"):
            own, seconds = sklearn_epochs(path, names, number, scaled)
        label = "with StandardScaler" if scaled else "without a scaler"
        print(f"| SGDRegressor.partial_fit, averaged, {label} | {len(seconds)} | {statistics.median(seconds[-number:]):.2f} "
              f"| {worst(own):.2g} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} |")
        if scaled:
            ratio = statistics.median(seconds[-number:]) / epoch
            print(f"|  ... its epoch takes {ratio:.1f} times as long as ours | | | | |")
    print(f"\nAn epoch takes {epoch / float_pass:.2f} times as long as the float64 pass "
          f"(single runs {', '.join(f'{a / b:.2f}' for a, b in zip(epochs, passes))}).")


def compare_wide(path, binary):
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, lsqr
    for solver in ("sgd", "cg"):
        tolerance = [] if solver == "sgd" else ["--tol", "1e-6"]
        report, seconds, peak = streamreg(binary, path, "--sparse", "indices,values", "--solver", solver, *tolerance)
        d = report["descent"]
        print(f"streamreg {solver}: MSE {report['glance']['mse']:.6f}, {d['epochs']} passes, {seconds:.1f} s, {peak:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        text, cache = os.path.join(folder, "d.vw"), os.path.join(folder, "d.cache")
        begin = time.perf_counter()
        with open(text, "w") as out:
            for batch in batches(path, None, 20_000):
                rows = zip(*(batch.column(n).to_pylist() for n in ("indices", "values", "y")))
                out.writelines(f"{y:.9g} | " + " ".join(f"{i}:{v:.7g}" for i, v in zip(index, value)) + "\n"
                               for index, value, y in rows)
        converted = time.perf_counter() - begin
        from vowpalwabbit import Workspace
        begin = time.perf_counter()
        model = Workspace(f"--quiet -d {text} --cache_file {cache} -k --passes 4 -b 18 --holdout_off --loss_function squared "
                          f"-f {folder}/m")
        model.finish()
        trained = time.perf_counter() - begin
        scorer = Workspace(f"--quiet -t -i {folder}/m")
        squares = rows = 0
        for line in open(text):
            if rows == 300_000:
                break
            squares, rows = squares + (float(line.split(" ", 1)[0]) - scorer.predict(line)) ** 2, rows + 1
        print(f"Vowpal Wabbit, 4 passes: MSE {squares / rows:.6f} (first {rows:,} rows), conversion {converted:.1f} s, "
              f"training {trained:.1f} s")
    parts = [(b.column(0).flatten().to_numpy(), b.column(1).flatten().to_numpy(), np.diff(b.column(0).offsets.to_numpy()),
              b.column(2).to_numpy()) for b in batches(path, None, 200_000)]
    index, value, sizes, y = (np.concatenate(p) for p in zip(*parts))
    x = sparse.csr_matrix((value, index, np.r_[0, np.cumsum(sizes)]), shape=(len(y), WIDE))
    mean = np.asarray(x.mean(0)).ravel()
    scale = 1 / np.sqrt(np.asarray(x.power(2).mean(0)).ravel() + 1e-12)
    centred = LinearOperator(x.shape, dtype=float, matvec=lambda v: x @ (scale * v) - mean @ (scale * v),
                             rmatvec=lambda u: scale * (x.T @ u - mean * u.sum()))
    begin = time.perf_counter()
    result = lsqr(centred, y - y.mean(), atol=1e-10, btol=1e-10, iter_lim=100)
    print(f"LSQR in memory: MSE {result[3] ** 2 / len(y):.6f}, {result[2]} iterations, {time.perf_counter() - begin:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["dense", "wide", "compare", "compare-wide"])
    parser.add_argument("file")
    parser.add_argument("--rows", type=count)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--condition", type=float, default=10.0)
    parser.add_argument("--binary", default="target/release/streamreg")
    parser.add_argument("--runs", type=int, default=3)
    a = parser.parse_args()
    if a.what == "dense":
        dense(a.file, a.rows or 10_000_000, a.features, a.condition)
    elif a.what == "wide":
        wide(a.file, a.rows or 5_000_000)
    elif a.what == "compare":
        compare(a.file, a.binary, a.runs)
    else:
        compare_wide(a.file, a.binary)


main()
