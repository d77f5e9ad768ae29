"""What could make another number of the data without a word."""

import threading
import time

import numpy
import pandas
import polars
import pyarrow
import pytest
import streamreg as sr
from streamreg.sklearn import LinearRegression


@pytest.fixture
def rows() -> pandas.DataFrame:
    rng = numpy.random.default_rng(2)
    x = rng.normal(size=60)
    return pandas.DataFrame({"x": x, "y": 2 * x + rng.normal(size=60), "g": ["a", "b", "c"] * 20})


def test_the_index_of_pandas_is_no_column(rows):
    part = rows[rows.x > 0]
    # Text is no part of the dot.
    expected = sr.ols("y ~ x", pyarrow.Table.from_pandas(part, preserve_index=False)).coef()
    for data in [part, [part], iter([part]), lambda: iter([part]), part.set_index(part.index + 5)]:
        assert sr.ols("y ~ .", data).coef() == expected
    assert sr.ols("y ~ x", part.set_index("g")).nobs == len(part)


def test_nan_is_missing_on_every_route(rows):
    s = [1.0, numpy.nan, 3.0] * 20
    routes = [rows[["x", "y"]].assign(s=s), rows.assign(s=s), {"x": rows.x.to_numpy(), "y": rows.y.tolist(), "s": s}]
    assert {sr.ols("y ~ x", data, where="s > 1").nobs for data in routes} == {20}
    assert {sr.ols("y ~ x", data, where="s is null").nobs for data in routes} == {20}


def test_updates_from_threads_count_every_row(rows):
    state = sr.State("y ~ x")
    threads = [threading.Thread(target=state.update, args=(rows,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.nobs == 12 * len(rows)


def test_a_function_must_make_new_rows(rows):
    once = iter([rows[:20], rows[20:40], rows[40:]])
    assert sr.ols("y ~ x", lambda: iter([rows[:20], rows[20:]])).nobs == 60
    with pytest.raises(TypeError, match="same iterator"):
        sr.ols("y ~ x", lambda: once, vcov="hc1")


def test_a_part_without_a_value_has_the_column(rows):
    state = sr.State("y ~ x").update(rows.assign(x=numpy.nan)).update(rows)
    assert bytes(state) == bytes(sr.State("y ~ x").update(rows).update(rows.assign(x=numpy.nan)))
    assert "x" in state.fit().coef() and state.nobs == 60
    assert sr.State("y ~ x").update(rows[:0]).update(rows).nobs == 60


def test_options_stand_where_they_have_an_effect(rows):
    with pytest.raises(TypeError, match="State.*fit.ridge="):
        sr.State("y ~ x", ridge=5.0)
    with pytest.raises(TypeError, match="option of the sums"):
        sr.State("y ~ x").update(rows).fit(where="x > 0")
    with pytest.raises(TypeError, match="delimiter says how files are read"):
        sr.ols("y ~ x", rows, delimiter=";")
    with pytest.raises(TypeError, match="groups"):
        sr.ols("y ~ x", rows, by="g")
    with pytest.raises(ValueError, match="interval"):
        sr.ols("y ~ x", rows).predict(rows, level=0.9)
    with pytest.raises(ValueError, match="different models"):
        sr.State("y ~ x").merge(sr.State("y ~ g").update(rows))


def test_the_environment_is_for_the_command_line(rows, monkeypatch):
    expected = sr.ols("y ~ x", rows).coef()
    monkeypatch.setenv("STREAMREG_NO_INTERCEPT", "1")
    monkeypatch.setenv("STREAMREG_WHERE", "x > 0")
    assert sr.ols("y ~ x", rows).coef() == expected


def test_chunks_have_weights_or_none(rows):
    X, y = rows[["x"]].to_numpy(), rows.y.to_numpy()
    with pytest.raises(ValueError, match="sample_weight"):
        LinearRegression().partial_fit(X, y).partial_fit(X, y, sample_weight=numpy.ones(60))
    changed = LinearRegression(fit_intercept=False).partial_fit(X[:30], y[:30]).set_params(fit_intercept=True)
    assert changed.partial_fit(X[30:], y[30:]).intercept_ == LinearRegression().fit(X, y).intercept_


def test_arrays_are_what_they_say(rows):
    masked = numpy.ma.masked_array(rows.x.to_numpy(), mask=[True, False] * 30)
    assert sr.ols("y ~ x", {"x": masked, "y": rows.y.to_numpy()}).nobs == 30
    with pytest.raises(TypeError, match="dates"):
        sr.ols("y ~ x", {"x": numpy.arange(60).astype("datetime64[ns]"), "y": rows.y.to_numpy()})
    big = numpy.array([2**60 + i % 3 for i in range(60)], numpy.uint64)
    for column in [big, big.astype(">u8"), big.astype(">i8")]:
        assert sr.ols("y ~ x", rows.assign(k=column), where=f"k = {2**60 + 1}").nobs == 20
        assert sr.ols("y ~ x", rows[["x", "y"]].assign(k=column), where=f"k = {2**60 + 1}").nobs == 20
    with pytest.raises(ValueError, match=r"2\*\*63"):
        sr.ols("y ~ x", {"x": numpy.array([2**63] * 60, numpy.uint64), "y": rows.y.to_numpy()})


def test_batches_keep_their_types(rows):
    days = pandas.date_range("2020-01-01", periods=60).date
    frame = polars.DataFrame({"y": rows.y.to_numpy(), "x": pyarrow.array(days)})
    stamps = frame.with_columns(polars.col("x").cast(polars.Datetime))
    for data in [iter([frame, stamps]), lambda: iter([frame, stamps]), [frame, stamps]]:
        with pytest.raises(sr.StreamregError, match='column "x": Timestamp.* in a batch and Date32 in the first'):
            sr.ols("y ~ x", data)


def test_the_rows_of_a_fit_must_not_change(rows):
    fit = sr.ols("y ~ x", rows)
    rows["y"] = rows["y"] + rows["x"] ** 2
    with pytest.raises(ValueError, match="no longer"):
        fit.vcov("hc1")


def test_targets_stay_apart(rows):
    first, second = sr.ols("y + z ~ x", rows.assign(z=-rows.y))
    assert second.vcov("hc1").coef() == second.coef()
    assert second.conf_int(0.9).loc["x", "lower"] < 0


def test_what_progress_raises_is_raised(rows):
    def raises(*_):
        raise ZeroDivisionError

    for data in [iter([rows] * 50), rows]:
        with pytest.raises(ZeroDivisionError):
            sr.ols("y ~ x", data, progress=raises)


def test_groups_tell_what_was_dropped(rows):
    with pytest.warns(sr.StreamregWarning, match="dropped"):
        sr.groups("y ~ x", rows.assign(x=[numpy.nan, *rows.x[1:]]), by="g")


def test_large_batches_that_come_once_are_looked_at():
    x = numpy.random.default_rng(4).normal(size=200_000)
    batches = [{"x": part, "y": part**2 + part} for part in (x[:150_000], x[150_000:])]
    once = sr.State("y ~ poly(x, 2)").update(iter(batches))
    assert bytes(once) == bytes(sr.State("y ~ poly(x, 2)").update({"x": x, "y": x**2 + x}))


def test_names_are_names(rows):
    renamed = rows.rename(columns={"x": "a,b"})
    assert list(sr.ols(None, renamed, target="y", features=["a,b"]).coef()) == ["(Intercept)", "a,b"]
    assert sr.ols("y ~ x", rows, no_intercept=numpy.bool_(False)).nobs == 60
    with pytest.raises(sr.StreamregError, match="^the state: "):
        sr.State.from_bytes(b"rubbish")


def test_slow_batches_stop_soon():
    import os
    import signal

    def slow():
        for _ in range(1_000):
            time.sleep(0.02)
            yield {"x": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0]}

    # A shell may start what is in the background with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            sr.ols("y ~ x", slow())
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - start < 5
