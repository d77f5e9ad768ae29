"""Regressions on Spark: the sums of every partition where its rows are, put together and solved by the driver.

Any ``DataFrame`` will do, Spark Connect's too: nothing but ``mapInArrow`` is needed, and this package on the workers. A task that is
lost is run again, and each partition counts once: exact sums have the same bytes however the rows are split.

    from streamreg.spark import fit, predict

    model = fit("delay ~ dep*origin", spark.read.parquet("flights"))
    predictions = predict(model, spark.table("new"), keep=["id"])
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _core
from ._fit import Fit
from ._options import OF_SUMS, given, name_of
from ._state import State

__all__ = ["fit", "predict", "sums"]

#: The column of states on their way.
STATE = "state binary"

#: Tasks that put the states of partitions together, before the driver puts theirs together.
MERGING = 16


def fit(formula: str | None, frame: Any, *, like: State | None = None, **options: Any) -> Any:
    """Fits a linear regression to a frame of Spark.

    Args:
        formula: as for :func:`streamreg.ols`; None with ``target=``.
        frame: a ``DataFrame``.
        like: a state about whose numbers ``poly()`` and filled values are computed: the same for all partitions. They need one:
            ``State(formula).update(frame.limit(1000).toArrow())``.
        **options: those of :func:`streamreg.ols` that do not need the rows again. ``by=`` gives a table of all groups.

    Returns:
        A :class:`streamreg.Fit`; a table with ``by=``.
    """
    asked, of_fit = _parted(options)
    state = sums(formula, frame, like=like, **asked)
    return state.fit(**of_fit)


def sums(formula: str | None, frame: Any, *, like: State | None = None, **options: Any) -> State:
    """The sums of a model over a frame of Spark: as :class:`streamreg.State`, to be kept, merged and solved."""
    # The cores of a machine are Spark's to deal out.
    asked = given(formula, {"threads": 1, **options})
    about = None if like is None else bytes(like)
    states = frame.mapInArrow(_Accumulate(asked, about), STATE)
    # The driver holds a few states, however many partitions there are.
    states = states.repartition(MERGING).mapInArrow(_merge, STATE)
    total: _core.State | None = None
    for row in states.toLocalIterator():
        part = _core.State.from_bytes(bytes(row["state"]))
        total = part if total is None else total.merge(part)
    if total is None:
        raise ValueError("there are no rows to fit")
    return State._of(total, asked)


def predict(
    model: Fit, frame: Any, *, keep: list[str] | None = None, interval: str | None = None, unseen: str = "error"
) -> Any:
    """Predicts for every row of a frame of Spark: a ``DataFrame`` with the columns of ``keep``, and ``prediction``."""
    keep = list(keep or [])
    kept = [frame.schema[name] for name in keep]
    columns = [f"`{field.name.replace('`', '``')}` {field.dataType.simpleString()}" for field in kept]
    bounds = {None: [], "confidence": ["conf_low", "conf_high"], "prediction": ["pred_low", "pred_high"]}
    if interval not in bounds:
        raise ValueError(f'interval is "confidence" or "prediction", not {interval!r}')
    columns += [f"{name} double" for name in ["prediction", *bounds[interval]]]
    asked = {"keep": keep, "interval": interval, "unseen": unseen}
    return frame.mapInArrow(_Predict(model, asked), ", ".join(columns))


def _parted(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    asked, of_fit = {}, {}
    for keyword, value in options.items():
        name = name_of(keyword)
        if name in OF_SUMS:
            asked[keyword] = value
        if name not in OF_SUMS or name == "cv":
            of_fit[keyword] = value
    return asked, of_fit


class _Accumulate:
    """The state of a partition."""

    def __init__(self, asked: list, like: bytes | None) -> None:
        self.asked = asked
        self.like = like

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow
        from streamreg import StreamregError
        from streamreg._data import Arrow

        first = next((batch for batch in batches if batch.num_rows > 0), None)
        if first is None:
            return

        def rows() -> Iterator[Any]:
            yield first
            yield from batches

        like = None if self.like is None else _core.State.from_bytes(self.like)
        try:
            state = _core.State.sum(self.asked, Arrow(rows(), "once"), like)
        except StreamregError as error:
            error.args = (f"partition {_partition()}: {error}",)
            raise
        yield pyarrow.record_batch({"state": pyarrow.array([bytes(state.to_bytes())], pyarrow.binary())})


def _partition() -> object:
    from pyspark import TaskContext

    context = TaskContext.get()
    return "?" if context is None else context.partitionId()


def _merge(batches: Iterator[Any]) -> Iterator[Any]:
    """The state of several partitions together."""
    import pyarrow

    total = None
    for batch in batches:
        for value in batch.column("state"):
            part = _core.State.from_bytes(value.as_py())
            total = part if total is None else total.merge(part)
    if total is not None:
        yield pyarrow.record_batch({"state": pyarrow.array([bytes(total.to_bytes())], pyarrow.binary())})


class _Predict:
    """The predictions of a partition."""

    def __init__(self, model: Fit, asked: dict[str, Any]) -> None:
        self.model = model
        self.asked = asked

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        for batch in batches:
            if batch.num_rows > 0:
                yield from pyarrow.table(self.model.predict(batch, **self.asked)).to_batches()
