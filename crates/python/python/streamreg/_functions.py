"""Fits."""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from ._data import Arrow, files, is_files, readable
from ._fit import Fit, StreamregWarning
from ._options import as_typed_here, given, in_words_of_python, known, refuse_options_of_files


def options() -> dict[str, str]:
    """The options of a fit, as keyword arguments, and what they do.

    >>> import streamreg as sr
    >>> sr.options()["vcov"]
    'Robust standard errors: hc0 to hc3, hac:L'
    """
    return {name.replace("-", "_"): text for name, (text, elsewhere) in known().items() if elsewhere is None}


def ols(formula: str | None, data: Any, *, progress: bool | Callable[..., object] | None = None, **options: Any) -> Any:
    """Fits a linear regression by least squares.

    Args:
        formula: ``"y ~ x1 + x2"``, as R and formulaic write it; None with ``target=``.
        data: files (paths, folders, globs), a frame or table, or a function that gives batches: see the guide.
        progress: True shows how far it is, False does not; by default a terminal sees it after a second. A function is called
            with rows, rows in all (or None), the number of the pass, the loss (or None), and whether the pass is over.
        **options: those of ``streamreg fit``, with underscores; :func:`options` lists them.

    Returns:
        A :class:`Fit`; a list of them where there are several targets.

    Raises:
        StreamregError: with ``kind``, ``file``, ``place`` and ``column`` of what went wrong.

    >>> import streamreg as sr
    >>> data = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [3.1, 4.9, 7.2, 8.8, 11.1]}
    >>> fit = sr.ols("y ~ x", data, vcov="hc1")
    >>> round(fit.coef()["x"], 4), fit.nobs
    (1.99, 5)
    """
    with in_words_of_python():
        asked = given(formula, options)
        if "by" in options:
            raise TypeError("groups() fits the groups of by=")
        rows = readable(data)
        if isinstance(rows, Arrow):
            refuse_options_of_files(asked)
        with _shown(progress) as told:
            cores = _core.fit(asked, rows, told)
    once = isinstance(rows, Arrow) and rows.kind == "once"
    again = None if once else (formula, data, dict(options))
    fits = [Fit(core, again, at) for at, core in enumerate(cores)]
    return fits[0] if len(fits) == 1 else fits


def ridge(formula: str | None, data: Any, penalty: float | str = "auto", **options: Any) -> Any:
    """Fits with a penalty on the sum of squares; ``"auto"`` lets ``cv=`` choose its size.

    >>> import streamreg as sr
    >>> data = {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [3.1, 4.9, 7.2, 8.8, 11.1]}
    >>> sr.ridge("y ~ x", data, 0.0).coef()["x"] > sr.ridge("y ~ x", data, 10.0).coef()["x"]
    True
    """
    return ols(formula, data, ridge=penalty, **options)


def lasso(formula: str | None, data: Any, penalty: float | str = "auto", **options: Any) -> Any:
    """Fits with a penalty on the sum of absolute values; ``"auto"`` lets ``cv=`` choose its size."""
    return ols(formula, data, lasso=penalty, **options)


def elastic_net(
    formula: str | None, data: Any, penalty: float | str = "auto", l1_ratio: float = 0.5, **options: Any
) -> Any:
    """Fits with both penalties; ``l1_ratio`` is the share of that on absolute values."""
    return ols(formula, data, elastic_net=penalty, l1_ratio=l1_ratio, **options)


def sgd(formula: str | None, data: Any, **options: Any) -> Any:
    """Fits by stochastic gradient descent: for very many columns, and for losses other than squares (``loss="huber"``)."""
    return ols(formula, data, **{"solver": "sgd", **options})


def groups(
    formula: str | None,
    data: Any,
    by: str | Sequence[str],
    *,
    progress: bool | Callable[..., object] | None = None,
    **options: Any,
) -> _core.Table:
    """Fits every group of rows, in one pass. A table with a line a coefficient; ``status`` says why a group has no fit.

    >>> import streamreg as sr
    >>> data = {"g": ["a", "a", "a", "b", "b", "b"], "x": [1, 2, 3, 1, 2, 3], "y": [1.0, 2.5, 3.0, 2.0, 4.0, 6.5]}
    >>> sr.groups("y ~ x", data, by="g").column("estimate")[1::2]
    [1.0, 2.25]
    """
    by = [by] if isinstance(by, str) else list(by)
    with in_words_of_python():
        asked = given(formula, options)
        rows = readable(data)
        if isinstance(rows, Arrow):
            refuse_options_of_files(asked)
        with _shown(progress) as told:
            table, notices = _core.groups(asked, rows, by, told)
    for notice in notices:
        warnings.warn(as_typed_here(notice), StreamregWarning, stacklevel=2)
    return table


def inspect(data: Any, formula: str | None = None, **options: Any) -> dict[str, Any]:
    """Columns, rows and predicted memory of files, before anything is read."""
    if not is_files(data):
        raise TypeError("inspect looks at files: expected a path, or a list of paths")
    with in_words_of_python():
        found: dict[str, Any] = json.loads(_core.inspect(given(formula, options), files(data)))
    return found


class _shown:
    """How far the work is, for people."""

    #: Seconds after which a terminal sees it unasked.
    PATIENCE = 1.0

    def __init__(self, asked: bool | Callable[..., object] | None) -> None:
        self.asked = asked
        self.bar: Any = None
        self.passed = 0
        self.last = 0.0
        self.start = time.monotonic()

    def __enter__(self) -> Callable[..., object] | None:
        if callable(self.asked):
            return self.asked
        if self.asked is False or (self.asked is None and not sys.stderr.isatty()):
            return None
        return self._told

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def _told(self, rows: int, total: int | None, number: int, loss: float | None, done: bool) -> None:
        now = time.monotonic()
        if (now - self.last < 0.1 and not done) or (self.asked is None and now - self.start < self.PATIENCE):
            return
        self.last = now
        if self.bar is None or self.passed != number:
            if self.bar is not None:
                self.bar.close()
            self.bar, self.passed = _bar(total, f"pass {number}"), number
        if loss is not None:
            self.bar.set_postfix_str(f"loss {loss:.6g}", refresh=False)
        self.bar.update(rows - self.bar.n)


def _bar(total: int | None, what: str) -> Any:
    try:
        tqdm = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return _Line(total, what)
    return tqdm(total=total, desc=what, unit="rows", unit_scale=True, leave=False)


class _Line:
    """A line on stderr, where tqdm is not installed."""

    def __init__(self, total: int | None, what: str) -> None:
        self.total, self.what, self.n, self.more = total, what, 0, ""

    def set_postfix_str(self, text: str, refresh: bool = False) -> None:
        self.more = f", {text}"

    def update(self, rows: int) -> None:
        self.n += rows
        share = f"{100 * self.n // self.total}% of {self.total:,}" if self.total else f"{self.n:,}"
        sys.stderr.write(f"\r{self.what}: {share} rows{self.more}\x1b[K")
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
