"""Regressions on Spark: the sums of every partition where its rows are, put together and solved by the driver.

Any ``DataFrame`` will do, Spark Connect's too: nothing but ``mapInArrow`` is needed, and this package on the workers. A task that is
lost is run again, and each partition counts once: exact sums have the same bytes however the rows are split.

    from streamreg.spark import fit, predict

    model = fit("delay ~ dep*origin", spark.read.parquet("flights"))
    predictions = predict(model, spark.table("new"), keep=["id"])
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from . import _core
from ._fit import Fit
from ._options import OF_SUMS, given, in_words_of_python, name_of
from ._state import Scores, State

__all__ = ["fit", "predict", "sums"]

#: The column of states on their way.
STATE = "state binary"

#: Tasks that put the states of partitions together, before the driver puts theirs together.
MERGING = 16


def fit(formula: str | None, frame: Any, *, like: State | None = None, **options: Any) -> Any:
    """Fits a linear regression to a frame of Spark.

    Robust and clustered standard errors take a second job over the same rows, which must not have changed.

    Args:
        formula: as for :func:`streamreg.ols`; None with ``target=``.
        frame: a ``DataFrame``.
        like: a state about whose numbers ``poly()`` and filled values are computed: the same for all partitions. They need one:
            ``State(formula).update(frame.limit(1000).toArrow())``.
        **options: those of :func:`streamreg.ols` that need neither one pass after the other nor the order of rows. ``by=`` gives a
            table of all groups.

    Returns:
        A :class:`streamreg.Fit`; a table with ``by=``.
    """
    with in_words_of_python():
        # A mistake is better known before the first job than after it.
        _core.check_parts(given(formula, options))
    asked, of_fit = _parted(options)
    if of_fit and options.get("by"):
        raise ValueError(f"the groups of a state are fitted by its own model, without {', '.join(of_fit)}")
    state = sums(formula, frame, like=like, **asked)
    scores = None if state.has_groups else state.scores(**of_fit)
    if scores is not None:
        # The same partitions, which are read again with the fit at hand.
        of_all = _together(frame, _Score(bytes(scores)), _core.Scores)
        of_fit["scores"] = scores if of_all is None else Scores._of(of_all, [])
    return state.fit(**of_fit)


def sums(formula: str | None, frame: Any, *, like: State | None = None, **options: Any) -> State:
    """The sums of a model over a frame of Spark: as :class:`streamreg.State`, to be kept, merged and solved."""
    # The cores of a machine are Spark's to deal out.
    asked = given(formula, {"threads": 1, **options})
    total = _together(frame, _Accumulate(asked, None if like is None else bytes(like)), _core.State)
    if total is None:
        raise ValueError("there are no rows to fit")
    return State._of(total, asked)


def _together(frame: Any, of_partition: _OfPartition, kind: Any) -> Any:
    """What the partitions come to together; None where there is no row."""
    parts = frame.mapInArrow(of_partition, STATE)
    # The driver holds a few states, however many partitions there are.
    parts = parts.repartition(MERGING).mapInArrow(_Merge(kind.__name__), STATE)
    return _merged(kind, (row["state"] for row in parts.toLocalIterator()))


def _merged(kind: Any, parts: Iterable[Any]) -> Any:
    total = None
    for part in parts:
        part = kind.from_bytes(bytes(part))
        if total is None:
            total = part
        elif kind is _core.Scores:
            total.add(part)
        else:
            total = total.merge(part)
    return total


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
    """Options of the sums, and of the fit. Folds and clusters are of both."""
    asked, of_fit = {}, {}
    for keyword, value in options.items():
        name = name_of(keyword)
        if name in OF_SUMS:
            asked[keyword] = value
        if name not in OF_SUMS or name in ("cluster", "cv"):
            of_fit[keyword] = value
    return asked, of_fit


class _OfPartition:
    """What the rows of a partition come to."""

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        from streamreg import StreamregError
        from streamreg._data import Arrow

        first = next((batch for batch in batches if batch.num_rows > 0), None)
        if first is None:
            return
        try:
            part = self.of(Arrow(itertools.chain([first], batches), "once"))
        except StreamregError as error:
            error.args = (f"partition {_partition()}: {error}",)
            raise
        yield _on_its_way(part)

    def of(self, rows: Any) -> Any:
        raise NotImplementedError


class _Accumulate(_OfPartition):
    """Its sums."""

    def __init__(self, asked: list[tuple[str, object]], like: bytes | None) -> None:
        self.asked = asked
        self.like = like

    def of(self, rows: Any) -> _core.State:
        return _core.State.sum(self.asked, rows, None if self.like is None else _core.State.from_bytes(self.like))


class _Score(_OfPartition):
    """Its scores for a fit, which `none` are of."""

    def __init__(self, none: bytes) -> None:
        self.none = none

    def of(self, rows: Any) -> _core.Scores:
        return _core.Scores.from_bytes(self.none).sum(rows, [], 1)


class _Merge:
    """Several parts together."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        values = (value.as_py() for batch in batches for value in batch.column("state"))
        total = _merged(getattr(_core, self.kind), values)
        if total is not None:
            yield _on_its_way(total)


def _on_its_way(part: Any) -> Any:
    """Sums or scores as a row of Spark's."""
    import pyarrow

    return pyarrow.record_batch({"state": pyarrow.array([bytes(part.to_bytes())], pyarrow.binary())})


def _partition() -> object:
    from pyspark import TaskContext

    context = TaskContext.get()
    return "?" if context is None else context.partitionId()


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
