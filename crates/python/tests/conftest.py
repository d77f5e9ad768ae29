"""Data that the tests share."""

import subprocess
import sys
from pathlib import Path

import numpy
import pandas
import pytest

GOLDEN = Path(__file__).parents[3] / "tests" / "golden"


@pytest.fixture(scope="session")
def flights() -> Path:
    return GOLDEN / "flights.parquet"


@pytest.fixture(scope="session")
def frame() -> pandas.DataFrame:
    """Numbers, a category, gaps."""
    rng = numpy.random.default_rng(1)
    rows = 2_000
    x, z = rng.normal(size=rows), rng.normal(size=rows)
    g = rng.choice(["a", "b", "c"], rows)
    y = 1 + 2 * x - z + (g == "b") + rng.normal(size=rows)
    x[::97] = numpy.nan
    return pandas.DataFrame({"y": y, "x": x, "z": z, "g": g})


def command_line(*arguments: object) -> str:
    """What the command line prints."""
    line = [sys.executable, "-m", "streamreg", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
