"""Linear regression on data larger than memory, with standard errors.

>>> import streamreg as sr
>>> fit = sr.ols("y ~ x", {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.1, 4.9, 7.2, 8.8]})
>>> fit.coef()
{'(Intercept)': 1.15, 'x': 1.9400000000000002}

The options of :func:`ols` and its like are those of ``streamreg fit``, with underscores: ``where="year >= 2013"`` is
``--where 'year >= 2013'``. :func:`options` lists them.
"""

from ._core import StreamregError, Table, __version__
from ._fit import Evaluation, Fit, StreamregWarning, load
from ._functions import elastic_net, groups, inspect, lasso, ols, options, ridge, sgd
from ._state import Scores, State

__all__ = [
    "Evaluation",
    "Fit",
    "Scores",
    "State",
    "StreamregError",
    "StreamregWarning",
    "Table",
    "__version__",
    "elastic_net",
    "groups",
    "inspect",
    "lasso",
    "load",
    "ols",
    "options",
    "ridge",
    "sgd",
]
