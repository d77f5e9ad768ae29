"""Keyword arguments as options of the command line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from contextlib import contextmanager

from . import _core

#: What the option is called here, where its name is a word of Python's or says too little.
ALIASES = {"with_": "with", "columns": "with", "confidence": "conf-level", "lambda_": "l1"}


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
        name = ALIASES.get(keyword, keyword.rstrip("_").replace("_", "-"))
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
    if value is None or value is False:
        return None
    if value is True:
        return True
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return [f"{key}={_plain(one)}" if name == "schema" else f"{key} = {_plain(one)}" for key, one in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return _plain(value)


def _plain(value: object) -> str:
    """A single value as text: numbers as Python shows them, which is exact."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()  # numpy's scalars
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def as_typed_here(message: str) -> str:
    """A message in which options have the names that they have here."""

    def renamed(match: re.Match[str]) -> str:
        name = match.group(1)
        here = next((alias for alias, other in ALIASES.items() if other == name and name == "with"), name)
        return here.replace("-", "_") if name in known() else match.group(0)

    return re.sub(r"--([a-z][a-z0-9-]*)", renamed, message)


@contextmanager
def in_words_of_python():
    """Errors with the names that options have here."""
    try:
        yield
    except _core.StreamregError as error:
        error.args = (as_typed_here(str(error)), *error.args[1:])
        raise
