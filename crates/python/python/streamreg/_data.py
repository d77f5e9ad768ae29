"""What a fit can read: files, and everything with Arrow's stream interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _core

FILES = "a path, or a list of paths"
OBJECTS = (
    "a pandas or polars frame, a pyarrow table, batch, reader or dataset, a DuckDB relation, a mapping of arrays, a list or an iterator of these, "
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
        return Arrow(_called(data.collect_batches), "again")
    if module == "pyarrow" and hasattr(data, "scanner"):
        return Arrow(lambda: data.scanner().to_reader(), "again")
    if module == "pyarrow" and name == "Scanner":
        return Arrow(data.to_reader(), "once")
    if module == "pandas" and name == "DataFrame":
        return Arrow(_of_pandas(data), "table")
    if module == "polars" and name == "DataFrame":
        return Arrow(_of_polars(data), "table")
    if hasattr(data, "__arrow_c_stream__") and name != "Series":
        once = name in ("RecordBatchReader", "RecordBatchStreamReader") or hasattr(data, "read_next_batch")
        return Arrow(data, "once" if once else "table")
    if isinstance(data, Mapping):
        return Arrow(_table([(str(name), values) for name, values in data.items()], _column), "table")
    if isinstance(data, Iterator):
        return Arrow(map(_batch, data), "once")
    if callable(data):
        return Arrow(_called(data), "again")
    if isinstance(data, (list, tuple)):
        if not data:
            raise ValueError("there are no files and no batches: the list is empty")
        return Arrow(lambda: map(_batch, data), "again")
    raise TypeError(f"expected {FILES}, {OBJECTS}, not {type(data).__module__}.{name}")


def _batch(data: Any) -> Any:
    """A batch of an iterator: frames of pandas without their index."""
    read = readable(data)
    if isinstance(read, list) or read.kind != "table":
        hint = ": collect it, or give it alone" if hasattr(data, "collect") else ""
        raise TypeError(f"expected frames, tables or batches, not {type(data).__module__}.{type(data).__name__}{hint}")
    return read.data


def _called(function: Callable[[], Any]) -> Callable[[], Any]:
    """What a function gives, whenever it is called: an object with the stream interface, or an iterator."""
    last: list[Any] = [None]

    def call() -> Any:
        made = function()
        if isinstance(made, Iterator) and made is last[0]:
            raise TypeError("the function gives the same iterator again, whose rows are gone: make a new one in it")
        last[0] = made if isinstance(made, Iterator) else None
        if isinstance(made, (list, tuple)):
            made = iter(made)
        if isinstance(made, Iterator):
            return map(_batch, made)
        read = readable(made)
        if isinstance(read, list):
            raise TypeError("the function gives paths: give them as they are")
        return read.data() if read.kind == "again" else read.data

    return call


class Partly:
    """Arrow data without some columns: ``unread`` has these, with the exception for those who name them; None for those that
    have no value. A model that does not name them is none the worse. With ``no_rows`` the row that is there only tells types.
    The core looks for the attributes by names that no column has.
    """

    def __init__(self, data: Any, unread: list[tuple[str, Exception | None]], no_rows: bool = False) -> None:
        self.data = data
        self._streamreg_unread = unread
        self._streamreg_no_rows = no_rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.data.__arrow_c_stream__(requested_schema)


def _table(columns: list[tuple[str, Any]], convert: Callable[[Any], Any]) -> _core.Table:
    """A table of columns that ``convert`` makes of values; what it raises is raised where the column is named."""
    read, unread = [], []
    for name, values in columns:
        try:
            read.append((name, convert(values)))
        except (TypeError, ValueError) as error:
            unread.append((name, type(error)(f'column "{name}": {error}')))
    if unread and not read:
        raise unread[0][1]
    return _core.table_of(read, unread)


class Ordered:
    """A column of categories whose order was declared: its first one is the reference."""

    def __init__(self, codes: list[int | None], levels: list[str]) -> None:
        self.codes = codes
        self.levels = levels


def _ordered(values: Any) -> Ordered | None:
    """An ordered categorical of pandas, or an enumeration of polars, of texts."""
    dtype: Any = getattr(values, "dtype", None)
    if getattr(dtype, "ordered", False) is True:
        values = getattr(values, "cat", values)
        codes, levels = [None if code < 0 else code for code in values.codes.tolist()], list(values.categories)
    elif type(dtype).__name__ == "Enum" and hasattr(values, "to_physical"):
        codes, levels = values.to_physical().to_list(), dtype.categories.to_list()
    else:
        return None
    return Ordered(codes, levels) if all(isinstance(level, str) for level in levels) else None


def _column(values: Any) -> Any:
    """A column of a mapping: buffers as they are, if their numbers stand side by side."""
    ordered = _ordered(values)
    if ordered is not None:
        return ordered
    if getattr(values, "__array__", None) is None:
        return values
    numpy = __import__("numpy")
    if isinstance(values, numpy.ma.MaskedArray):
        return values.tolist()
    values = numpy.asarray(values)
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind in "mM":
        raise TypeError("dates and durations come in frames of pandas or polars, or as pyarrow arrays in a table")
    if kind not in "fiu":
        return values.tolist()
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if kind == "u" or (kind == "i" and size < 4):
        if kind == "u" and size == 8 and values.size and int(values.max()) >= 2**63:
            raise ValueError("integers from 2**63 on have no place in 64 bits with a sign")
        values = values.astype(numpy.int64)
    elif kind == "f" and size not in (4, 8):
        values = values.astype(numpy.float64)
    return numpy.ascontiguousarray(values)


def _of_pandas(frame: Any) -> Any:
    """A frame of pandas, whose own interface needs pyarrow; plain columns do without."""
    names = [str(name) for name in frame.columns]
    plain = all(getattr(dtype, "kind", "O") in "fiu" and hasattr(dtype, "isnative") for dtype in frame.dtypes)
    if plain:
        return _core.table_of([(name, _column(frame.iloc[:, at].to_numpy())) for at, name in enumerate(names)])
    try:
        import pyarrow
    except ImportError:
        return _table([(name, frame.iloc[:, at]) for at, name in enumerate(names)], _of_series)
    swapped = [at for at, dtype in enumerate(frame.dtypes) if getattr(dtype, "byteorder", "=") == ">"]
    if swapped:
        frame = frame.set_axis(range(len(names)), axis="columns")
        frame = frame.astype({at: frame.dtypes.iloc[at].newbyteorder("=") for at in swapped})
    # The index says which rows these are, and is no column.
    frame = frame.set_axis(names, axis="columns")
    try:
        if not len(frame) and any(getattr(dtype, "ordered", False) is True for dtype in frame.dtypes):
            return Partly(_one_row(pyarrow, pyarrow.RecordBatch.from_pandas(frame, preserve_index=False)), [], no_rows=True)
        return pyarrow.Table.from_pandas(frame, preserve_index=False)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
        if len(set(names)) < len(names):
            raise
    columns: dict[str, Any] = {}
    unread: list[tuple[str, Exception | None]] = []
    for name in names:
        try:
            columns[name] = _arrow_of_series(pyarrow, frame[name])
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
            unread.append((name, TypeError(f'column "{name}" of type {frame[name].dtype}: {error}; make it one of numbers or of text')))
    if not columns and unread[0][1] is not None:
        raise unread[0][1]
    return Partly(pyarrow.table(columns), unread)


def _one_row(pyarrow: Any, batch: Any) -> Any:
    """A row without values: no rows are no batch, and so none that tells the order of categories."""

    def nothing(column: Any) -> Any:
        if not pyarrow.types.is_dictionary(column.type):
            return pyarrow.nulls(1, column.type)
        codes = pyarrow.nulls(1, column.type.index_type)
        return pyarrow.DictionaryArray.from_arrays(codes, column.dictionary, ordered=column.type.ordered)

    return pyarrow.RecordBatch.from_arrays([nothing(column) for column in batch.columns], batch.schema.names)


def _arrow_of_series(pyarrow: Any, series: Any) -> Any:
    """A column of pandas as pyarrow's."""
    if type(series.dtype).__name__ == "SparseDtype":
        series = series.sparse.to_dense()
    return pyarrow.Array.from_pandas(series)


#: Types of polars that other libraries have not, and what to do.
FOREIGN = {
    "Object": "objects of Python have no type: make it one of numbers or of text",
    "Int128": "integers of 128 bits beyond 38 digits have no place here: cast it to Float64",
    "UInt128": "integers of 128 bits beyond 38 digits have no place here: cast it to Float64",
}


def _of_polars(frame: Any) -> Any:
    """A frame of polars, but for what it hands on in forms of its own."""
    unread: list[tuple[str, Exception | None]] = []
    for name, dtype in frame.schema.items():
        kind = type(dtype).__name__
        if kind == "Null":
            unread.append((name, None))
        elif kind in ("Int128", "UInt128"):
            polars = __import__("polars")
            column = frame[name]
            decimal = column.cast(polars.Decimal(38, 0), strict=False)
            if decimal.null_count() == column.null_count():
                frame = frame.with_columns(decimal)
            else:
                unread.append((name, TypeError(f'column "{name}": {FOREIGN[kind]}')))
        elif kind == "Object":
            unread.append((name, TypeError(f'column "{name}": {FOREIGN[kind]}')))
        elif _is_foreign(dtype):
            unread.append((name, TypeError(f'column "{name}": {dtype} has no place in Arrow: cast it, or take its parts')))
    frame = frame.drop([name for name, _ in unread])
    if not frame.height and any(type(dtype).__name__ == "Enum" for dtype in frame.schema.values()):
        return Partly(frame.clear(1), unread, no_rows=True)
    return Partly(frame, unread) if unread else frame


def _is_foreign(dtype: Any) -> bool:
    """Whether a type of polars, or one inside of it, is one that is handed on in a form of its own."""
    parts = [getattr(dtype, "inner", None), *(field.dtype for field in getattr(dtype, "fields", ()))]
    return type(dtype).__name__ in ("Null", *FOREIGN) or any(_is_foreign(part) for part in parts if part is not None)


def _of_series(series: Any) -> Any:
    """A column of pandas without pyarrow: numbers, booleans, texts, with None where there is no value."""
    kind = getattr(series.dtype, "kind", "O")
    ordered = _ordered(series)
    if ordered is not None:
        return ordered
    if kind in "fiu" and hasattr(series.dtype, "isnative"):
        return _column(series.to_numpy())
    return [None if missing else value for value, missing in zip(series.tolist(), series.isna().tolist())]
