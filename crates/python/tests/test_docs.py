"""Examples: those of the documentation strings, and of the guide."""

import doctest
import json
import shutil
from pathlib import Path

import pytest
import streamreg
import streamreg._fit
import streamreg._functions
import streamreg._state
import streamreg.sklearn

GUIDE = Path(__file__).parents[3] / "docs" / "guide"
MODULES = [streamreg, streamreg._fit, streamreg._functions, streamreg._state, streamreg.sklearn]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples(module):
    done = doctest.testmod(module)
    assert done.attempted > 0 and done.failed == 0


def test_the_notebook(monkeypatch):
    notebook = GUIDE.parent / "flights.ipynb"
    monkeypatch.chdir(notebook.parent)
    names: dict[str, object] = {}
    code = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        exec(compile("".join(cell["source"]), str(notebook), "exec"), names)  # noqa: S102
    assert len(code) >= 5 and names["fit"].nobs == 327_346


@pytest.mark.parametrize("page", ["python.md", "clusters.md"])
def test_pages(page, flights, tmp_path, monkeypatch):
    shutil.copy(flights, tmp_path / "flights.parquet")
    monkeypatch.chdir(tmp_path)
    done = doctest.testfile(str(GUIDE / page), module_relative=False)
    assert done.attempted > 0 and done.failed == 0
