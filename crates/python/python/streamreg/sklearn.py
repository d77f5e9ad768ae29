"""Estimators for scikit-learn: exact sums, chunk by chunk where you like.

>>> import numpy as np
>>> from streamreg.sklearn import LinearRegression
>>> X = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0], [4.0, 3.0]])
>>> y = X @ [2.0, -1.0] + 3.0
>>> LinearRegression().fit(X, y).coef_.round(12).tolist()
[2.0, -1.0]
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from . import _core
from ._fit import StreamregWarning
from ._functions import ols
from ._state import State

__all__ = ["ElasticNet", "Lasso", "LinearRegression", "Ridge", "SGDRegressor"]

#: The columns of what is fitted.
TARGET, WEIGHT = "y", "w"


class _Linear(RegressorMixin, BaseEstimator):
    """What all estimators share."""

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool = True) -> tuple[_core.Table, bool]:
        X, y = validate_data(self, X, y, reset=reset, dtype=np.float64, y_numeric=True, ensure_min_samples=2 if reset else 1)
        columns: list[tuple[str, Any]] = [(_name(j), np.ascontiguousarray(X[:, j])) for j in range(X.shape[1])]
        columns.append((TARGET, np.ascontiguousarray(y, dtype=np.float64)))
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            columns.append((WEIGHT, weights))
        return _core.table_of(columns), sample_weight is not None

    def _options(self, weighted: bool) -> dict[str, Any]:
        options: dict[str, Any] = {"target": TARGET}
        return {**options, "weights": WEIGHT, "weight_type": "analytic"} if weighted else options

    def _take(self, fit: Any) -> None:
        found = fit.coef()
        self.fit_ = fit
        self.intercept_ = float(found.pop("(Intercept)", 0.0))
        self.coef_ = np.array([found.get(_name(j), 0.0) for j in range(self.n_features_in_)])

    def predict(self, X: Any) -> np.ndarray:
        """Predictions, a number for every row of X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        predictions: np.ndarray = X @ self.coef_ + self.intercept_
        return predictions


class _Summed(_Linear):
    """Estimators that need nothing but sums, which chunks add to."""

    def _penalty(self) -> dict[str, Any]:
        return {}

    def _solve(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StreamregWarning)
            self._take(self.state_.fit(no_intercept=not self.fit_intercept, **self._penalty()))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fits to the rows of X, of shape (rows, columns), and y."""
        table, weighted = self._checked(X, y, sample_weight)
        self.state_, self.weighted_ = State(None, **self._options(weighted)).update(table), weighted
        self._solve()
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Adds rows: after the last chunk the fit is that of all rows, to the last bit."""
        first = not hasattr(self, "state_")
        table, weighted = self._checked(X, y, sample_weight, reset=first)
        if first:
            self.state_, self.weighted_ = State(None, **self._options(weighted)), weighted
        elif weighted != self.weighted_:
            raise ValueError("all chunks have a sample_weight, or none has one")
        self.state_.update(table)
        self._solve()
        return self


class LinearRegression(_Summed):
    """Least squares. Of columns that depend on others it gives the solution whose slopes have the minimum norm, as scikit-learn does.

    Args:
        fit_intercept: whether there is a constant.
    """

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def _penalty(self) -> dict[str, Any]:
        return {"collinear": "min-norm"}

    def _take(self, fit: Any) -> None:
        super()._take(fit)
        relations = fit.aliased
        if not relations or not self.fit_intercept:
            return
        # The norm of the fit counts the constant. All solutions fit alike: they differ by what depends on what.
        free, of_constant = np.zeros((len(relations), self.n_features_in_)), np.zeros(len(relations))
        place = {_name(j): j for j in range(self.n_features_in_)}
        for row, relation in enumerate(relations):
            free[row, place[relation["term"]]] = 1.0
            for term, share in zip(relation["depends_on"], relation["coefficients"]):
                if term in place:
                    free[row, place[term]] = -share
                else:
                    of_constant[row] = -share
        scale = np.linalg.norm(free, axis=1)
        free, of_constant = free / scale[:, None], of_constant / scale
        steps = np.linalg.lstsq(free.T, self.coef_, rcond=None)[0]
        self.coef_ = self.coef_ - steps @ free
        self.intercept_ = float(self.intercept_ - steps @ of_constant)


class Ridge(_Summed):
    """Least squares and ``alpha`` times the sum of squared coefficients, as scikit-learn's Ridge.

    Args:
        alpha: the penalty.
        fit_intercept: whether there is a constant, which has no penalty.
    """

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _penalty(self) -> dict[str, Any]:
        return {"ridge": self.alpha}


class Lasso(_Summed):
    """Half the mean squared error and ``alpha`` times the sum of absolute coefficients, as scikit-learn's Lasso.

    Args:
        alpha: the penalty.
        fit_intercept: whether there is a constant, which has no penalty.
    """

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _penalty(self) -> dict[str, Any]:
        return {"lasso": self.alpha}


class ElasticNet(_Summed):
    """Both penalties, as scikit-learn's ElasticNet.

    Args:
        alpha: the penalty.
        l1_ratio: the share of absolute values, from 0 to 1.
        fit_intercept: whether there is a constant, which has no penalty.
    """

    def __init__(self, alpha: float = 1.0, *, l1_ratio: float = 0.5, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept

    def _penalty(self) -> dict[str, Any]:
        return {"elastic_net": self.alpha, "l1_ratio": self.l1_ratio}


class SGDRegressor(_Linear):
    """Stochastic gradient descent whose steps tune themselves; for other losses, and for very many columns.

    It has no ``partial_fit``: an epoch mixes all rows.

    Args:
        loss: ``"squared"``, ``"huber"``, ``"quantile"`` or ``"epsilon-insensitive"``.
        max_iter: the most passes over the rows.
        tol: the share of the objective that may be left to gain; None for a hundredth of a standard error.
        fit_intercept: whether there is a constant.
        random_state: the seed, an integer or None for 0.
    """

    def __init__(
        self,
        loss: str = "squared",
        *,
        max_iter: int = 1000,
        tol: float | None = None,
        fit_intercept: bool = True,
        random_state: int | None = None,
    ) -> None:
        self.loss = loss
        self.max_iter = max_iter
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fits to the rows of X, of shape (rows, columns), and y."""
        table, weighted = self._checked(X, y, sample_weight)
        options = self._options(weighted)
        if self.loss != "squared":
            options["loss"] = self.loss
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StreamregWarning)
            fit = ols(
                None,
                table,
                solver="sgd",
                no_intercept=not self.fit_intercept,
                epochs=self.max_iter,
                tol=self.tol,
                seed=0 if self.random_state is None else int(self.random_state),
                **options,
            )
        self._take(fit)
        self.n_iter_ = len(fit.report["timings"]["pass_seconds"])
        return self


def _name(column: int) -> str:
    return f"x{column}"
