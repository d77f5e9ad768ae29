"""Whole processes side by side: streamreg and its peers on the same file, in turn, in one run.

usage: against_peers.py FILE TARGET [RUNS]        (from the top of the repository, after cargo build --release)

Needs a Python with numpy, pyarrow and polars, which also runs the peers. Every round runs streamreg and then
each peer; what is printed is the median of the ratios within the rounds, the peak memory, and how far the
coefficients of the peer are from streamreg's.
"""
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARY = HERE.parent / "target" / "release" / "streamreg"


def run(command):
    """Wall seconds, peak memory in MB, standard output."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OPENBLAS_NUM_THREADS": "2"})
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1e3, output


def own_coefficients(output):
    return {c["term"]: c["estimate"] for c in json.loads(output)["coefficients"]}


def main():
    path, target = sys.argv[1:3]
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    own = [str(BINARY), "fit", path, "--target", target, "--threads", "2", "--quiet", "--format", "json"]
    peers = [HERE / "peers" / f"{name}.py" for name in ("numpy_stream", "polars_sums")]
    peers = {p.stem: [sys.executable, str(p), path, target] for p in peers}
    seconds, ratios, memory, distance = [], {p: [] for p in peers}, {}, {}
    for round_ in range(runs + 1):
        wall, memory["streamreg"], output = run(own)
        coefficients = own_coefficients(output)
        for name, command in peers.items():
            peer_wall, memory[name], output = run(command)
            peer = json.loads(output)
            distance[name] = max(abs(peer[t] / coefficients[t] - 1) for t in coefficients)
            if round_:
                ratios[name].append(peer_wall / wall)
        if round_:
            seconds.append(wall)
    print(f"{path}: streamreg {statistics.median(seconds):.2f} s, {memory['streamreg']:.0f} MB, {runs} rounds")
    for name, values in ratios.items():
        print(
            f"  {name}: {statistics.median(values):.2f} times as long (from {min(values):.2f} to {max(values):.2f}), "
            f"{memory[name]:.0f} MB, coefficients within {distance[name]:.1e}"
        )


main()
