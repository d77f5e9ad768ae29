"""Asks pyarrow about the mutants that the reader's test kept.

    STREAMREG_MUTANTS=20000 STREAMREG_MUTANTS_FOLDER=/tmp/mutants cargo test -p streamreg-reader mutants
    python compare.py /tmp/mutants

Where pyarrow refuses a Parquet or IPC file, the reader must refuse it, or read what the sound file has. Prints the
files of which that is not so, and fails if there are any; lists with --odd those that both read to other sums.
"""

import math
import os
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def sums(path):
    """Rows, and for each column its name, values that are there, and their sum if they are numbers."""
    if path.endswith(".parquet"):
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    else:
        table = pa.ipc.open_file(path).read_all()
        # pyarrow itself reads IPC files without a look at them.
        table.validate(full=True)
    columns = {}
    for name, column in zip(table.column_names, table.columns):
        kind, total = column.type, 0.0
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            total = float(pc.sum(column.cast(pa.float64(), safe=False)).as_py() or 0)
        columns[name] = (len(column) - column.null_count, total)
    return table.num_rows, columns


def own(verdict):
    if verdict[0] == "error":
        return None
    columns = [verdict[i : i + 3] for i in range(1, len(verdict), 3)]
    return int(verdict[0]), {name: (int(valid), float(total)) for name, valid, total in columns}


def same(a, b):
    close = lambda x, y: x == y or math.isnan(x) and math.isnan(y) or abs(x - y) <= 1e-9 * max(abs(x), abs(y))
    values = lambda side: [side[1][name] for name in sorted(side[1])]
    pairs = list(zip(values(a), values(b)))
    return a[0] == b[0] and len(a[1]) == len(b[1]) and all(m == n and close(x, y) for (m, x), (n, y) in pairs)


def main(folder, odd):
    count, wrong = Counter(), []
    for listed in sorted(name for name in os.listdir(folder) if name.endswith(".verdicts")):
        sound = None
        for line in open(os.path.join(folder, listed)):
            name, *verdict = line.rstrip("\n").split("\t")
            if not name.endswith((".parquet", ".arrow")):
                continue
            here = own(verdict)
            sound = sound or here
            try:
                there = sums(os.path.join(folder, name))
            except Exception as error:
                there, reason = None, str(error).split("\n")[0][:150]
            kind = ("refused" if here is None else "read") + ", pyarrow " + ("refuses" if there is None else "reads")
            count[kind] += 1
            if here is not None and there is None and not same(here, sound):
                wrong.append(f"{name}: read to other numbers, pyarrow says {reason}")
            if here is not None and there is not None and not same(here, there):
                count["read to other sums than pyarrow's"] += 1
                if odd:
                    print(name, [(k, here[1].get(k), v) for k, v in there[1].items() if here[1].get(k) != v])
            if odd and here is None and there is not None:
                print(name, "refused:", verdict[1][-120:])
    for kind, number in sorted(count.items()):
        print(f"{number:7} {kind}")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--odd" in sys.argv))
