"""Sums of rows that can be kept, sent, put together and taken apart."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from . import _core
from ._data import Arrow, readable
from ._fit import Fit, StreamregWarning
from ._options import OF_BOTH, OF_FILES, OF_SUMS, as_typed_here, given, in_words_of_python, name_of, refuse_options_of_files


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
        self._like = _of_type(like, State, "a state is like another one")._core if like is not None else None
        self._core: _core.State | None = None

    @classmethod
    def _of(cls, core: _core.State, asked: list[tuple[str, object]]) -> State:
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
        _of_type(other, State, "State.from_bytes() reads one")
        with in_words_of_python(), self._lock:
            if self._core is None and self._asked and other._asked and self._asked != other._asked:
                raise ValueError("the states are of different models")
            if other._core is not None:
                self._core = other._core if self._core is None else self._core.merge(other._core)
        return self

    def subtract(self, other: State) -> State:
        """Takes the rows of another state away, exactly."""
        _of_type(other, State, "State.from_bytes() reads one")
        with in_words_of_python(), self._lock:
            if other._core is not None:
                self._core = self._known().subtract(other._core)
        return self

    def fit(
        self, formula: str | None = None, *, data: Any = None, scores: Scores | None = None, **options: Any
    ) -> Any:
        """Fits to the sums: the model of the state, or one of fewer columns, another target, or with a penalty.

        Args:
            formula: another model of the columns of the state.
            data: the rows of the state once more, for standard errors that need them (``vcov="hc1"``, ``cluster=``). Files are read
                as those of the state were, or as options such as ``null=`` say.
            scores: the same, summed in parts: see :meth:`scores`.
            **options: those of :func:`ols` that are no options of the sums.

        Returns:
            A :class:`Fit`, or one a target. Of a state with ``by=`` a table with a line a coefficient, as :func:`groups` gives it.
        """
        with in_words_of_python():
            if self._known().has_groups:
                if formula is not None or options or data is not None or scores is not None:
                    raise ValueError("the groups of a state are fitted by its own model, without options")
                table, notices = self._known().groups()
                for notice in notices:
                    warnings.warn(as_typed_here(notice), StreamregWarning, stacklevel=2)
                return table
            reading = {key: value for key, value in options.items() if data is not None and name_of(key) in OF_FILES}
            options = {key: value for key, value in options.items() if key not in reading}
            asked = self._of_fit(formula, options)
            if data is not None:
                if scores is not None:
                    raise ValueError("data are the rows that scores are of: give one of them")
                scores = self.scores(formula, **options)
                if scores is None:
                    raise ValueError("data would have no effect: these standard errors need no rows")
                scores.update(data, **reading)
            of_rows = None if scores is None else _of_type(scores, Scores, "State.scores() makes them")._core
            fits = [Fit(core, None) for core in self._known().fit(asked, of_rows)]
        return fits[0] if len(fits) == 1 else fits

    def scores(self, formula: str | None = None, **options: Any) -> Scores | None:
        """What robust and clustered standard errors need beside the sums, of no rows yet; None where they need nothing.

        The rows of the state are read once more, in parts and wherever they are, and ``fit`` takes what they come to:

        >>> import streamreg as sr
        >>> parts = [{"x": [1.0, 2.0, 3.0], "y": [1.5, 2.5, 3.0]}, {"x": [4.0, 5.0], "y": [4.5, 5.25]}]
        >>> state = sr.State("y ~ x").update(parts[0]).update(parts[1])
        >>> scores = state.scores(vcov="hc1").update(parts[0]).update(parts[1])
        >>> round(state.fit(vcov="hc1", scores=scores).se()["x"], 4)
        0.0316
        """
        with in_words_of_python():
            core = self._known().scores(self._of_fit(formula, options))
        if core is None:
            return None
        return Scores._of(core, [(name, value) for name, value in self._asked if name in OF_FILES])

    def _of_fit(self, formula: str | None, options: dict[str, Any]) -> list[tuple[str, object]]:
        """The options of a fit to the sums."""
        for keyword in options:
            if name_of(keyword) in (OF_SUMS | OF_FILES) - OF_BOTH:
                raise TypeError(f"{keyword} is an option of the sums: State(..., {keyword}=...)")
        return given(formula, options)

    @property
    def has_groups(self) -> bool:
        """Whether the sums are those of groups (``by=``)."""
        return self._core is not None and self._core.has_groups

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


def _of_type(value: Any, kind: type[Any], hint: str) -> Any:
    """A value that must be of a type."""
    if not isinstance(value, kind):
        raise TypeError(f"expected streamreg.{kind.__name__}, not {type(value).__name__}: {hint}")
    return value


#: The attribute has the name of the module.
CoreScores = _core.Scores


class Scores:
    """The scores of rows for the fit of a state: :meth:`State.scores` makes those of no rows.

    A part of the rows may be scored where it is: the bytes go there and back. Scores are summed in float64, so that the order of
    parts decides the last digits.
    """

    _core: CoreScores
    _reading: list[tuple[str, object]]

    def __init__(self) -> None:
        raise TypeError("scores are of a fit: State.scores() makes them")

    @classmethod
    def _of(cls, core: CoreScores, reading: list[tuple[str, object]]) -> Scores:
        scores = cls.__new__(cls)
        scores._core, scores._reading = core, reading
        return scores

    def update(self, data: Any, *, threads: int | None = None, **options: Any) -> Scores:
        """Adds rows. Options such as ``null=`` say how files are read; without them, they are read as those of the state were."""
        if threads is not None and threads < 1:
            raise ValueError(f"at least one thread is needed, not {threads}")
        for keyword in options:
            if name_of(keyword) not in OF_FILES:
                raise TypeError(f"{keyword} does not say how files are read: scores are of the rows and columns of their fit")
        with in_words_of_python():
            rows = readable(data)
            reading = given(None, options)
            if isinstance(rows, Arrow):
                refuse_options_of_files(reading)
            else:
                reading = reading or self._reading
            self._core.add(self._core.sum(rows, reading, threads))
        return self

    def merge(self, other: Scores) -> Scores:
        """Adds the scores of other rows for the same fit."""
        _of_type(other, Scores, "Scores.from_bytes() reads some")
        with in_words_of_python():
            self._core.add(other._core)
        return self

    @property
    def nobs(self) -> int:
        """Rows that were used."""
        return self._core.rows

    def __bytes__(self) -> bytes:
        return bytes(self._core.to_bytes())

    @classmethod
    def from_bytes(cls, scores: bytes) -> Scores:
        """The scores of :func:`bytes`."""
        with in_words_of_python():
            return cls._of(_core.Scores.from_bytes(bytes(scores)), [])

    def __getstate__(self) -> dict[str, Any]:
        return {"bytes": bytes(self), "reading": self._reading}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._core, self._reading = _core.Scores.from_bytes(state["bytes"]), state["reading"]

    def __repr__(self) -> str:
        return f"<streamreg.Scores: {self.nobs:,} rows>"
