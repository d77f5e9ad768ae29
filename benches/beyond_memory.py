"""Cold fits of a folder of Parquet files beside a plain read of the same bytes, and polars.

    python3 benches/beyond_memory.py FOLDER y [RUNS]

The folder should be larger than the memory of the machine. Linux, as root: the cache is emptied before every run. The plain
read takes 1 MiB at a time in two threads, past the cache (RWF_DONTCACHE, Linux 6.14; plain where that is refused).
"""

import glob
import os
import resource
import statistics
import subprocess
import sys
import threading
import time

RWF_DONTCACHE = 0x80


def read_plainly(folder):
    files = iter(sorted(glob.glob(folder + "/*.parquet")))
    lock = threading.Lock()

    def work():
        buffer, flags = bytearray(1 << 20), RWF_DONTCACHE
        while True:
            with lock:
                path = next(files, None)
            if path is None:
                return
            with open(path, "rb", buffering=0) as file:
                at, size = 0, os.fstat(file.fileno()).st_size
                while at < size:
                    try:
                        at += os.preadv(file.fileno(), [buffer], at, flags)
                    except OSError:
                        if flags == 0:
                            raise
                        flags = 0

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def timed(command):
    subprocess.run(["sync"], check=True)
    with open("/proc/sys/vm/drop_caches", "w") as cache:
        cache.write("3")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.time() - start, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def main():
    folder, response, *runs = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    fit = ["target/release/streamreg", "fit", folder + "/*.parquet", "-t", response]
    commands = {
        "plain read": [sys.executable, os.path.abspath(__file__), "--plain", folder],
        "fit, float": [*fit, "--precision", "float"],
        "fit": fit,
        "polars, sums": [sys.executable, here + "/peers/polars_sums.py", folder + "/*.parquet", response],
    }
    taken = {name: [] for name in commands}
    for _ in range(int(runs[0]) if runs else 3):
        for name, command in commands.items():
            taken[name].append(timed(command))
    for name, rows in taken.items():
        wall, user, system = (statistics.median(column) for column in zip(*rows))
        print(f"{name:14} wall {wall:7.2f}  user {user:7.2f}  system {system:7.2f}")


if sys.argv[1] == "--plain":
    read_plainly(sys.argv[2])
else:
    main()
