"""What a type checker says to a user of the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import streamreg as sr

#: What a user writes, with the types that it has.
USER = '''
from collections.abc import Iterator
from pathlib import Path

import streamreg as sr


def batches() -> Iterator[dict[str, list[float]]]:
    yield {"x": [1.0, 2.0], "y": [1.0, 3.0]}


data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.1, 4.9, 7.2, 8.8]}
fit: sr.Fit = sr.ols("y ~ x", data, progress=lambda rows, total, number, loss, done: None)
slope: float = fit.coef()["x"] + fit.se()["x"] + fit.rsquared + fit.aic
rows: int = fit.nobs + fit.df_resid + len(fit.tidy())
robust: sr.Fit = fit.vcov("hc1")
texts: list[str] = [robust.summary(), robust.formula, *robust.warnings, *fit.tidy().columns]
predictions: sr.Table = fit.predict(data, interval="prediction", keep=("x",))
error: float = fit.evaluate(data, by="x").rmse
fit.save(Path("model.json"))
model: sr.Fit = sr.load("model.json")
several: list[sr.Fit] = sr.ols("x + y ~ 1", data)
groups: sr.Table = sr.groups("y ~ x", data, by=["g"])
state: sr.State = sr.State("y ~ x", where="x > 0").update(batches).merge(sr.State.from_bytes(b""))
solved: sr.Fit = state.fit(ridge=1.0)
options: dict[str, str] = sr.options()
about: dict[str, object] = sr.inspect("a.parquet", "y ~ x")
try:
    sr.ridge("y ~ x", data, 1.0, cv=3)
except sr.StreamregError as wrong:
    texts += [wrong.kind, wrong.file or "", wrong.place or "", wrong.column or ""]
'''

#: What is no use of it.
MISUSE = '''
import streamreg as sr

fit: sr.Fit = sr.load("model.json")
fit.nobs()
fit.predict({}, intervals="confidence")
names: int = fit.tidy().columns
'''


def checked(text: str, folder: Path) -> str:
    pytest.importorskip("mypy")
    (folder / "user.py").write_text(text)
    package = Path(sr.__file__).parents[1]
    environment = dict(os.environ) if package.name == "site-packages" else {**os.environ, "MYPYPATH": str(package)}
    line = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(folder / "cache"), "user.py"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_a_user_has_the_types(tmp_path):
    assert checked(USER, tmp_path).startswith("Success")


def test_misuse_is_seen(tmp_path):
    said = checked(MISUSE, tmp_path)
    assert [line.split(":")[1] for line in said.splitlines() if ": error:" in line] == ["5", "6", "7"], said
