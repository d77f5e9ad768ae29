"""What a fit can read: files, and everything with Arrow's stream interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _core

FILES = "a path, or a list of paths"
OBJECTS = (
    "a pandas or polars frame, a pyarrow table, batch, reader or dataset, a DuckDB relation, a mapping of arrays, an iterator of batches, "
    "or a function that gives one of these"
)


class Arrow:
    """Data of Python, and how often they can be read: ``table`` (in memory), ``again`` (a function), ``once``."""

    def __init__(self, data: Any, kind: str) -> None:
        self.data = data
        self.kind = kind


def is_files(data: Any) -> bool:
    """Whether data are paths."""
    if isinstance(data, (str, os.PathLike)):
        return True
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(x, (str, os.PathLike)) for x in data)


def files(data: Any) -> list[str]:
    """The paths."""
    return [os.fspath(data)] if isinstance(data, (str, os.PathLike)) else [os.fspath(x) for x in data]


def readable(data: Any) -> list[str] | Arrow:
    """Data as the core reads them.

    Raises:
        TypeError: for what is neither files nor rows.
    """
    if is_files(data):
        return files(data)
    if isinstance(data, _core.Table):
        return Arrow(data, "table")
    module = type(data).__module__.partition(".")[0]
    name = type(data).__name__
    if module == "polars" and name == "LazyFrame":
        return Arrow(lambda: iter(data.collect_batches()), "again")
    if module == "pyarrow" and hasattr(data, "scanner"):
        return Arrow(lambda: data.scanner().to_reader(), "again")
    if module == "pyarrow" and name == "Scanner":
        return Arrow(data.to_reader(), "once")
    if module == "pandas" and name == "DataFrame":
        return Arrow(_of_pandas(data), "table")
    if hasattr(data, "__arrow_c_stream__"):
        once = name in ("RecordBatchReader", "RecordBatchStreamReader") or hasattr(data, "read_next_batch")
        return Arrow(data, "once" if once else "table")
    if isinstance(data, Mapping):
        return Arrow(_core.table_of([(str(name), _column(values)) for name, values in data.items()]), "table")
    if isinstance(data, Iterator):
        return Arrow(data, "once")
    if callable(data):
        return Arrow(_called(data), "again")
    if isinstance(data, (list, tuple)) and data and hasattr(data[0], "__arrow_c_stream__"):
        return Arrow(lambda: iter(data), "again")
    raise TypeError(f"expected {FILES}, {OBJECTS}, not {type(data).__module__}.{name}")


def _called(function: Callable[[], Any]) -> Callable[[], Any]:
    """What a function gives, whenever it is called: an object with the stream interface, or an iterator."""

    def call() -> Any:
        made = function()
        if hasattr(made, "__arrow_c_stream__"):
            return made
        if isinstance(made, Mapping):
            return readable(made).data
        if hasattr(made, "scanner"):
            return made.scanner().to_reader()
        return iter(made)

    return call


def _column(values: Any) -> Any:
    """A column of a mapping: buffers as they are, if their numbers stand side by side."""
    array = getattr(values, "__array__", None)
    if array is None:
        return values
    numpy = __import__("numpy")
    values = numpy.asarray(values)
    if values.dtype.kind in "fiu" and values.dtype.itemsize >= 4 and values.dtype.isnative:
        if values.dtype.kind == "u":
            values = values.astype(numpy.int64 if values.dtype.itemsize < 8 else numpy.float64)
        return numpy.ascontiguousarray(values)
    if values.dtype.kind in "fiu":
        return numpy.ascontiguousarray(values, dtype=numpy.float64)
    return values.tolist()


def _of_pandas(frame: Any) -> Any:
    """A frame of pandas, whose own interface needs pyarrow; plain columns do without."""
    plain = all(getattr(dtype, "kind", "O") in "fiu" and hasattr(dtype, "isnative") for dtype in frame.dtypes)
    if plain:
        columns = [(str(name), _column(frame.iloc[:, at].to_numpy())) for at, name in enumerate(frame.columns)]
        return _core.table_of(columns)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        columns = [(str(name), _of_series(frame.iloc[:, at])) for at, name in enumerate(frame.columns)]
        return _core.table_of(columns)
    return frame


def _of_series(series: Any) -> Any:
    """A column of pandas without pyarrow: numbers, booleans, texts, with None where there is no value."""
    kind = getattr(series.dtype, "kind", "O")
    if kind in "fiu" and hasattr(series.dtype, "isnative"):
        return _column(series.to_numpy())
    return [None if missing else value for value, missing in zip(series.tolist(), series.isna().tolist())]
