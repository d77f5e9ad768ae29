"""Sums of rows that can be kept, sent, put together and taken apart."""

from __future__ import annotations

import threading
from typing import Any

from . import _core
from ._data import Arrow, readable
from ._fit import Fit
from ._options import OF_BOTH, OF_FILES, OF_SUMS, given, in_words_of_python, name_of, refuse_options_of_files


class State:
    """The sums of a model over rows: all that least squares needs of them.

    Sums are exact unless ``precision="float"``: states of parts of the rows, put together in any order, have the same bytes
    as the state of all of them.

    >>> import streamreg as sr
    >>> first = sr.State("y ~ x").update({"x": [1.0, 2.0], "y": [1.5, 2.5]})
    >>> second = sr.State("y ~ x").update({"x": [3.0, 4.0], "y": [3.25, 4.5]})
    >>> both = sr.State("y ~ x").update({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.5, 2.5, 3.25, 4.5]})
    >>> bytes(first.merge(second)) == bytes(both)
    True
    >>> both.fit().coef()["x"]
    0.975
    """

    def __init__(self, formula: str | None = None, *, like: State | None = None, **options: Any) -> None:
        for keyword in options:
            if name_of(keyword) not in OF_SUMS | OF_FILES:
                given(None, {keyword: options[keyword]})
                raise TypeError(f"{keyword} is an option of what is solved from the sums: State(...).fit({keyword}=...)")
        self._lock = threading.Lock()
        self._asked = given(formula, options)
        self._like = like._core if like is not None else None
        self._core: _core.State | None = None

    @classmethod
    def _of(cls, core: _core.State, asked: list) -> State:
        state = cls.__new__(cls)
        state._lock = threading.Lock()
        state._asked, state._like, state._core = asked, None, core
        return state

    def update(self, data: Any) -> State:
        """Adds rows. What depends on the first rows (orthogonal ``poly()``, filled values) is that of the first update."""
        with in_words_of_python(), self._lock:
            rows = readable(data)
            if isinstance(rows, Arrow):
                refuse_options_of_files(self._asked)
            like = self._like if self._core is None else self._core
            more = _core.State.sum(self._asked, rows, like)
            self._core = more if self._core is None else self._core.merge(more)
        return self

    def merge(self, other: State) -> State:
        """Adds the rows of another state of the same model."""
        with in_words_of_python(), self._lock:
            if self._core is None and self._asked and other._asked and self._asked != other._asked:
                raise ValueError("the states are of different models")
            if other._core is not None:
                self._core = other._core if self._core is None else self._core.merge(other._core)
        return self

    def subtract(self, other: State) -> State:
        """Takes the rows of another state away, exactly."""
        with in_words_of_python(), self._lock:
            if other._core is not None:
                self._core = self._known().subtract(other._core)
        return self

    def fit(self, formula: str | None = None, **options: Any) -> Any:
        """Fits to the sums: the model of the state, or one of fewer columns, another target, or with a penalty.

        Of a state with ``by=`` a table with a line a coefficient, as :func:`groups` gives it.
        """
        with in_words_of_python():
            if self._known().has_groups:
                if formula is not None or options:
                    raise ValueError("the groups of a state are fitted by its own model, without options")
                return self._known().groups()
            for keyword in options:
                if name_of(keyword) in (OF_SUMS | OF_FILES) - OF_BOTH:
                    raise TypeError(f"{keyword} is an option of the sums: State(..., {keyword}=...)")
            asked = given(formula, options)
            fits = [Fit(core, None) for core in self._known().fit(asked)]
        return fits[0] if len(fits) == 1 else fits

    @property
    def nobs(self) -> int:
        """Rows that were used."""
        return 0 if self._core is None else self._core.rows

    def __bytes__(self) -> bytes:
        return bytes(self._known().to_bytes())

    @classmethod
    def from_bytes(cls, state: bytes) -> State:
        """The state of :func:`bytes`, or of a state file of the command line."""
        with in_words_of_python():
            return cls._of(_core.State.from_bytes(bytes(state)), [])

    def __getstate__(self) -> dict[str, Any]:
        return {"asked": self._asked, "bytes": None if self._core is None else bytes(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self._asked, self._like = state["asked"], None
        self._core = None if state["bytes"] is None else _core.State.from_bytes(state["bytes"])

    def __repr__(self) -> str:
        return f"<streamreg.State: {self.nobs:,} rows>"

    def _known(self) -> _core.State:
        if self._core is None:
            raise ValueError("the state has no rows yet: update() adds some")
        return self._core
