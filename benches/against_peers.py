"""Whole processes side by side: streamreg and its peers on the same file, in turn, in one run.

usage: against_peers.py FILE TARGET [--by GROUP | --categories A,B] [--runs N]
       (from the top of the repository, after cargo build --release)

Needs a Python with numpy, pyarrow and polars, which also runs the peers; duckdb for groups and categories, pyfixest
for categories as well. Every round runs streamreg and then each peer; what is printed is the median of the ratios
within the rounds, the peak memory, and how far the coefficients of the peer are from streamreg's. Of two
categories the one with more levels comes last.
"""
import argparse
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


def distance(own, peer):
    """How far the peer's coefficients are from ours; the peers of groups print none."""
    terms = [t for t in own if t in peer]
    return max((abs(peer[t] / own[t] - 1) for t in terms), default=float("nan"))


def coefficients_of_peer(output):
    found = json.loads(output)
    return found.get("coefficients", found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("target")
    parser.add_argument("--by")
    parser.add_argument("--categories")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    own = [str(BINARY), "fit", args.file, "--target", args.target, "--threads", "2", "--quiet"]
    if args.by:
        own += ["--by", args.by, "--format", "tidy"]
        peers, more = ("groups_polars", "groups_duckdb"), [args.by, args.target]
    elif args.categories:
        # All columns: numbers are features unasked, text is not.
        own += ["--features", "*", "--format", "json"]
        peers, more = ("typed_numpy", "typed_duckdb", "typed_pyfixest"), [args.target, args.categories]
    else:
        own += ["--format", "json"]
        peers, more = ("numpy_stream", "polars_sums"), [args.target]
    peers = {name: [sys.executable, str(HERE / "peers" / f"{name}.py"), args.file, *more] for name in peers}
    seconds, ratios, memory, distances = [], {p: [] for p in peers}, {}, {}
    for round_ in range(args.runs + 1):
        wall, memory["streamreg"], output = run(own)
        found = {} if args.by else {c["term"]: c["estimate"] for c in json.loads(output)["coefficients"]}
        for name, command in peers.items():
            peer_wall, memory[name], output = run(command)
            distances[name] = distance(found, coefficients_of_peer(output))
            # The first round warms the caches.
            if round_:
                ratios[name].append(peer_wall / wall)
        if round_:
            seconds.append(wall)
    print(f"{args.file}: streamreg {statistics.median(seconds):.2f} s, {memory['streamreg']:.0f} MB, {args.runs} rounds")
    for name, values in ratios.items():
        print(
            f"  {name}: {statistics.median(values):.2f} times as long (from {min(values):.2f} to {max(values):.2f}), "
            f"{memory[name]:.0f} MB, coefficients within {distances[name]:.1e}"
        )


main()
