"""Fits, as users of statsmodels, pyfixest and broom know them."""

from __future__ import annotations

import html
import importlib
import json
import math
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from . import _core
from ._data import files, is_files, readable
from ._options import as_typed_here, in_words_of_python


class StreamregWarning(UserWarning):
    """What the reader of a fit should know."""


class Evaluation(SimpleNamespace):
    """How well a model predicts: ``rmse``, ``mae``, ``r_squared``, ... and ``groups``."""


def load(path: str | os.PathLike[str]) -> Fit:
    """Reads a model file, of :meth:`Fit.save` or of ``streamreg fit --save-model``: it predicts and evaluates."""
    with in_words_of_python():
        return Fit(_core.load(os.fspath(path)), None)


class Fit:
    """A fitted regression.

    >>> import streamreg as sr
    >>> fit = sr.ols("y ~ x", {"x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [3.1, 4.9, 7.2, 8.8, 11.1]})
    >>> round(fit.rsquared, 6), fit.df_resid
    (0.997305, 3)
    >>> fit.predict({"x": [6.0]}).column("prediction")
    [12.99]
    """

    def __init__(self, core: _core.Fit, again: tuple[str | None, Any, dict[str, Any]] | None, target: int = 0) -> None:
        self._core = core
        self._again = again
        self._target = target
        self._covariance: tuple[list[str], list[list[float]]] | None = None
        for warning in self._report["warnings"] if self._is_fresh else []:
            warnings.warn(as_typed_here(warning["message"]), StreamregWarning, stacklevel=_depth())

    @cached_property
    def _is_fresh(self) -> bool:
        """Whether it was fitted here, and not loaded."""
        try:
            self._core.notices()
        except AttributeError:
            return False
        return True

    @cached_property
    def _report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._core.json())
        return report

    # As in statsmodels

    @property
    def params(self) -> Any:
        """The coefficients by term; NaN for columns that depend on others."""
        return _series({term: _number(value) for term, value in self._core.coefficients()}, "params")

    def _column(self, name: str, called: str) -> Any:
        rows = self._report["coefficients"]
        return _series({row["term"]: _number(row[name]) for row in rows}, called)

    @property
    def bse(self) -> Any:
        """Standard errors."""
        return self._column("std_error", "bse")

    @property
    def tvalues(self) -> Any:
        """t statistics."""
        return self._column("statistic", "tvalues")

    @property
    def pvalues(self) -> Any:
        """Two-sided p-values."""
        return self._column("p_value", "pvalues")

    def conf_int(self, level: float | None = None) -> Any:
        """Confidence intervals by term: lower and upper bounds. Another ``level`` than that of the fit fits again."""
        fit = self
        if level is not None and not math.isclose(level, self._report["conf_level"]):
            fit = self._refit(conf_level=level)
        rows = fit._report["coefficients"]
        bounds = {row["term"]: (_number(row["conf_low"]), _number(row["conf_high"])) for row in rows}
        pandas = _pandas()
        if pandas is None:
            return bounds
        return pandas.DataFrame.from_dict(bounds, orient="index", columns=["lower", "upper"])

    def cov_params(self) -> Any:
        """The covariance of the estimated coefficients: a frame where pandas is installed, else terms and rows."""
        covariance = self._covariance or self._core.covariance()
        if covariance is None:
            raise ValueError("the fit has no covariance: penalised and iterative fits, and those without residual degrees of freedom")
        terms, rows = covariance
        pandas = _pandas()
        return (terms, rows) if pandas is None else pandas.DataFrame(rows, index=terms, columns=terms)

    @property
    def nobs(self) -> int:
        """Rows that were used."""
        return int(self._report["ledger"]["rows_used"])

    @property
    def rsquared(self) -> float:
        """R²."""
        return _number(self._report["glance"]["r_squared"])

    @property
    def rsquared_adj(self) -> float:
        """R², adjusted for the number of columns."""
        return _number(self._report["glance"]["adj_r_squared"])

    @property
    def df_resid(self) -> int:
        """Residual degrees of freedom."""
        return int(self._report["glance"]["df_residual"])

    @property
    def fvalue(self) -> float:
        """The F statistic of all slopes."""
        return _number(self._report["glance"]["statistic"])

    @property
    def f_pvalue(self) -> float:
        """Its p-value."""
        return _number(self._report["glance"]["p_value"])

    @property
    def mse_resid(self) -> float:
        """The residual variance."""
        return _number(self._report["glance"]["sigma"]) ** 2

    @property
    def llf(self) -> float:
        """The log-likelihood."""
        return _number(self._report["glance"]["log_lik"])

    @property
    def aic(self) -> float:
        """Akaike's criterion, which counts the variance as a parameter, as R's AIC does."""
        return _number(self._report["glance"]["aic"])

    @property
    def bic(self) -> float:
        """The Bayesian criterion, likewise."""
        return _number(self._report["glance"]["bic"])

    # As in pyfixest and broom

    def coef(self) -> dict[str, float]:
        """The coefficients by term."""
        return {term: _number(value) for term, value in self._core.coefficients()}

    def se(self) -> dict[str, float]:
        """Standard errors by term."""
        return {row["term"]: _number(row["std_error"]) for row in self._report["coefficients"]}

    def vcov(self, kind: str, **options: Any) -> Fit:
        """The same fit with another covariance: ``"hc3"``, ``"cr1"`` with ``cluster=``. Reads the data again."""
        return self._refit(vcov=kind, **options)

    def tidy(self) -> _core.Table:
        """A table with a line a coefficient."""
        rows = self._report["coefficients"]
        names = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
        numbers = [(name, [_number(row[name]) for row in rows]) for name in names]
        return _core.table_of([("term", [row["term"] for row in rows]), *numbers])

    def glance(self) -> _core.Table:
        """A table with one line about the fit."""
        glance = self._report["glance"]
        single = {name: value for name, value in glance.items() if not isinstance(value, (dict, list))}
        return _core.table_of([(name, [_number(value)]) for name, value in single.items()])

    # What else there is

    @property
    def formula(self) -> str:
        """The model as a formula."""
        return str(self._report["formula"])

    @property
    def ledger(self) -> dict[str, Any]:
        """What became of the rows: read, used, and dropped by reason."""
        return dict(self._report["ledger"])

    @property
    def accuracy(self) -> dict[str, Any]:
        """How many digits can be relied on."""
        return dict(self._report["accuracy"])

    @property
    def aliased(self) -> list[dict[str, Any]]:
        """Columns that depend on others."""
        return list(self._report["aliased"])

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """Columns that are no features although nobody excluded them, and why."""
        return list(self._report["left_out"])

    @property
    def warnings(self) -> list[str]:
        """What the reader should know."""
        return [as_typed_here(warning["message"]) for warning in self._report["warnings"]]

    @property
    def report(self) -> dict[str, Any]:
        """All of it, as ``--format json`` has it: see the guide."""
        return self._report

    def test(self, hypothesis: str) -> dict[str, Any]:
        """A joint test of restrictions, ``"x1 = x2, z = 0"``, by Wald's F with the covariance of the fit. Reads the data again."""
        return dict(self._refit(test=hypothesis)._report["tests"][0])

    def summary(self, width: int | None = None) -> str:
        """The table of the command line."""
        return "\n".join(map(as_typed_here, self._core.text("table", width).split("\n")))

    def _refit(self, **more: Any) -> Fit:
        if self._again is None:
            raise ValueError(
                "this needs the rows again, and they are gone: ask for it in the fit, or give a frame, files or a function"
            )
        from ._functions import ols

        formula, data, options = self._again
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StreamregWarning)
            fits = ols(formula, data, **{**options, **more})
        fit: Fit = fits[self._target] if isinstance(fits, list) else fits
        same = all(a == b or (a != a and b != b) for a, b in zip(self.coef().values(), fit.coef().values()))
        if (fit.nobs == self.nobs and not same) or (fit.nobs != self.nobs and "cluster" not in more):
            raise ValueError("the rows are no longer those of the fit: fit again")
        return fit

    # Predictions

    def predict(
        self,
        data: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        interval: str | None = None,
        level: float | None = None,
        keep: Sequence[str] | None = None,
        unseen: str = "error",
        threads: int | None = None,
    ) -> Any:
        """Predicts for every row, in order.

        Args:
            data: what a fit can read.
            out: a .parquet or .csv file to write to, for data that are files; then the number of rows comes back.
            interval: ``"confidence"`` or ``"prediction"``, at ``level``.
            keep: columns to copy.
            unseen: for levels that the fit did not have: ``"error"``, ``"null"`` for no prediction, or ``"other"`` for that of the
                reference level.

        Returns:
            A :class:`Table` with ``prediction``, and the bounds. It is Arrow data: ``polars.DataFrame(table)``.
        """
        if level is not None and interval is None:
            raise ValueError("level is that of an interval: give interval=, too")
        if threads is not None and threads < 1:
            raise ValueError(f"at least one thread is needed, not {threads}")
        asked = {
            "keep": list(keep or []),
            "interval": interval,
            "level": level,
            "unseen": unseen,
            "threads": threads,
        }
        with in_words_of_python():
            predictions: _core.Table | int
            if out is None:
                predictions, notices = self._core.predict(readable(data), asked)
            elif not is_files(data):
                raise TypeError("out= is for files; a frame has its predictions in memory")
            else:
                predictions, notices = self._core.predict_files(files(data), os.fspath(out), asked)
        for notice in notices:
            warnings.warn(as_typed_here(notice), StreamregWarning, stacklevel=_depth())
        return predictions

    def evaluate(self, data: Any, *, by: str | Sequence[str] = (), unseen: str = "error") -> Any:
        """Measures how well it predicts: MSE, RMSE, MAE, R², bias. Every row weighs the same.

        Returns:
            An :class:`Evaluation`; a list of them for a model of several targets.
        """
        by = [by] if isinstance(by, str) else list(by)
        with in_words_of_python():
            found = json.loads(_core.evaluate(self._core, readable(data), by, unseen))
        evaluations = [Evaluation(**one) for one in found]
        return evaluations[0] if len(evaluations) == 1 else evaluations

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model file, which :func:`load` and ``streamreg predict`` read."""
        with in_words_of_python():
            self._core.save(os.fspath(path))

    @property
    def features(self) -> list[str]:
        """The columns that predictions need."""
        return self._core.features()

    def __getstate__(self) -> dict[str, Any]:
        model, report = self._core.saved()
        covariance = self._core.covariance() if self._is_fresh else None
        return {"model": bytes(model), "report": report, "covariance": self._covariance or covariance}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._core = _core.Fit.restore(state["model"], state["report"])
        self._again, self._target, self._covariance = None, 0, state["covariance"]

    def __str__(self) -> str:
        return self.summary() if self._is_fresh else repr(self)

    def __repr__(self) -> str:
        if not self._is_fresh:
            return "<streamreg.Fit: a model that was loaded>"
        return f"<streamreg.Fit: {self.formula}, {self.nobs:,} rows>"

    def _repr_html_(self) -> str:
        if not self._is_fresh:
            return html.escape(repr(self))
        return f"<pre>{html.escape(self.summary(100))}</pre>"


def _depth() -> int:
    """How far up the stack the caller of the package is, for those who warn."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame, depth = frame.f_back, depth + 1
    return depth


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        return None


def _series(values: dict[str, float], name: str) -> Any:
    """A Series where pandas is installed, else a mapping."""
    pandas = _pandas()
    return values if pandas is None else pandas.Series(values, name=name, dtype="float64")
