"""Keyword arguments as options of the command line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from . import _core
from ._words import ALIASES, in_python, keyword

#: Options of what is summed: which rows, which columns. All others are of what is solved from the sums.
OF_SUMS = {
    "by", "categorical", "cluster", "contrasts", "cv", "cv-group", "exclude", "features", "max-levels", "memory-limit", "missing", "no-intercept",
    "precision", "reference", "seed", "target", "threads", "weight-type", "weights", "where", "with",
}  # fmt: skip

#: Options of how files are read.
OF_FILES = {"date-format", "decimal", "delimiter", "no-header", "null", "schema", "thousands", "union-by-name"}

#: Options of the sums that what is solved from them has, too.
OF_BOTH = {"cluster", "cv", "exclude", "features", "memory-limit", "no-intercept", "seed", "target", "threads"}


def name_of(keyword: str) -> str:
    """The name that an option has on the command line."""
    return ALIASES.get(keyword, keyword.rstrip("_").replace("_", "-"))


def refuse_options_of_files(asked: list[tuple[str, object]]) -> None:
    """Raises for options that would have no effect on rows that are no files."""
    for name, _ in asked:
        if name in OF_FILES:
            raise TypeError(f"{name.replace('-', '_')} says how files are read, and the data are none")


@cache
def known() -> dict[str, tuple[str, str | None]]:
    """The options of a fit: what they do, and for those that Python does not have, where else it is."""
    return {name: (text, elsewhere) for name, text, elsewhere in _core.options()}


def given(formula: str | None, options: Mapping[str, object]) -> list[tuple[str, object]]:
    """The options as the core takes them: names and texts.

    Raises:
        TypeError: for a keyword that is no option, with those that may have been meant.
    """
    all_options = known()
    result: list[tuple[str, object]] = []
    if formula is not None:
        if not isinstance(formula, str):
            raise TypeError(
                f"the formula comes first, and then the data: expected text, not {type(formula).__name__}"
            )
        result.append(("formula", formula))
    for keyword, value in options.items():
        name = name_of(keyword)
        if name == "formula" and formula is not None:
            raise TypeError("the formula is given twice")
        if name not in all_options:
            names = [option.replace("-", "_") for option in all_options]
            near = difflib.get_close_matches(keyword, names, 1)
            hint = f"; did you mean {near[0]}?" if near else "; streamreg.options() has them all"
            raise TypeError(f"{keyword} is no option of a fit{hint}")
        text = _text(name, value)
        if text is not None:
            result.append((name, text))
    return result


def _text(name: str, value: object) -> object:
    """A value as it would be typed; None for what is not set."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # numpy's scalars
    if value is None or value is False:
        return None
    if value is True:
        return True
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return [f"{key}={_plain(one)}" if name == "schema" else f"{key} = {_plain(one)}" for key, one in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value:
            raise ValueError(f"{keyword(name)} has no name in it: leave it out")
        return [_plain(one) for one in value]
    return _plain(value)


def _plain(value: object) -> str:
    """A single value as text: numbers as Python shows them, which is exact."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


#: Options of predictions and evaluations.
OF_PREDICTIONS = {"keep", "interval", "level", "unseen"}


def as_typed_here(message: str) -> str:
    """A message in which options have the names that they have here."""
    return in_python(message, known().keys() | OF_PREDICTIONS)


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Errors with the names that options have here."""
    try:
        yield
    except _core.StreamregError as error:
        error.args = (as_typed_here(str(error)), *error.args[1:])
        raise
