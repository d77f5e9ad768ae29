"""Ctrl-C, and memory."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest


def python(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_control_c_stops_a_fit():
    process = python(
        """
        import signal, sys
        import pyarrow, streamreg as sr
        signal.signal(signal.SIGINT, signal.default_int_handler)
        batch = pyarrow.record_batch({"x": [1.0, 2.0, 4.0] * 1000, "y": [1.0, 3.0, 2.0] * 1000})
        def forever():
            print("reading", flush=True)
            while True:
                yield batch
        try:
            sr.ols("y ~ x", forever())
        except KeyboardInterrupt:
            print("stopped", flush=True)
        """
    )
    assert process.stdout.readline() == "reading\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "stopped\n"
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory")
def test_a_generator_is_never_held():
    process = python(
        """
        import resource
        import numpy, pyarrow, streamreg as sr
        x = numpy.random.default_rng(1).normal(size=(10, 50_000))
        batch = pyarrow.record_batch({f"x{i}": x[i] for i in range(10)})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fit = sr.ols(None, (batch for _ in range(150)), target="x0")
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(fit.nobs, (after - before) // 1024)
        """
    )
    rows, megabytes = map(int, process.communicate(timeout=120)[0].split())
    # 600 MB come by.
    assert rows == 7_500_000 and megabytes < 100
