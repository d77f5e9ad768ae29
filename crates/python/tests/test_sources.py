"""Every source gives the same bits."""

import datetime
import decimal

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
import streamreg as sr

MODEL = "y ~ x + z + g"


@pytest.fixture(scope="module")
def expected(frame):
    return dict(sr.ols(MODEL, frame).params)


@pytest.fixture(scope="module")
def table(frame):
    return pyarrow.Table.from_pandas(frame, preserve_index=False)


def sources(frame, table, folder):
    pyarrow.parquet.write_table(table, folder / "rows.parquet", row_group_size=300)
    con = duckdb.connect()
    con.register("rows", table)
    lazy = polars.scan_parquet(folder / "rows.parquet")
    arrays = {name: frame[name].to_numpy() for name in ["y", "x", "z"]} | {"g": frame["g"].tolist()}
    return {
        "path": folder / "rows.parquet",
        "paths": [str(folder / "rows.parquet")],
        "pandas": frame,
        "pandas with categories": frame.assign(g=frame["g"].astype("category")),
        "polars": polars.from_arrow(table),
        "polars with categories": polars.from_arrow(table).with_columns(polars.col("g").cast(polars.Categorical)),
        "polars, lazy": lazy,
        "polars, a function": lazy.collect_batches,
        "pyarrow table": table,
        "pyarrow batches": table.to_batches(max_chunksize=100),
        "pyarrow reader": table.to_reader(max_chunksize=128),
        "pyarrow dataset": pyarrow.dataset.dataset(folder / "rows.parquet"),
        "duckdb": con.sql("select * from rows"),
        "generator": (batch for batch in table.to_batches(max_chunksize=77)),
        "function": lambda: iter(table.to_batches(max_chunksize=77)),
        "mapping of arrays": arrays,
        "mapping of lists": {name: [None if value != value else value for value in frame[name]] for name in frame},
        "a table of ours": sr.ols("y ~ x", frame).predict(frame, keep=["y", "x", "z", "g"]),
    }


NAMES = [
    "path", "paths", "pandas", "pandas with categories", "polars", "polars with categories", "polars, lazy",
    "polars, a function", "pyarrow table", "pyarrow batches", "pyarrow reader", "pyarrow dataset", "duckdb", "generator", "function",
    "mapping of arrays", "mapping of lists", "a table of ours",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_source(name, frame, table, expected, tmp_path):
    fit = sr.ols(MODEL, sources(frame, table, tmp_path)[name])
    assert dict(fit.params) == expected
    assert fit.nobs == int(frame.x.notna().sum())


def test_all_sources_are_named(frame, table, tmp_path):
    assert list(sources(frame, table, tmp_path)) == NAMES


@pytest.mark.parametrize("name", ["pyarrow reader", "generator"])
def test_rows_that_come_once(name, frame, table, tmp_path):
    source = sources(frame, table, tmp_path)[name]
    with pytest.raises(sr.StreamregError, match="read again|come once|stream"):
        sr.ols(MODEL, source, vcov="hc1")
    fit = sr.ols(MODEL, sources(frame, table, tmp_path)[name])
    with pytest.raises(ValueError, match="rows again"):
        fit.vcov("hc1")


@pytest.mark.parametrize("name", ["polars, lazy", "function", "pyarrow dataset", "pyarrow table", "duckdb"])
def test_rows_that_can_be_read_twice(name, frame, table, tmp_path):
    fit = sr.ols(MODEL, sources(frame, table, tmp_path)[name], vcov="hc1")
    assert dict(fit.bse) == dict(sr.ols(MODEL, frame, vcov="hc1").bse)


#: What one pass over rows that come once can do.
ONE_PASS = {
    "filter": {"where": "x > 0"},
    "computed": {"formula": "y ~ far + g", "with_": {"far": "2 * z"}},
    "targets": {"formula": "y + z ~ x + g"},
    "polynomial": {"formula": "y ~ poly(z, 2)", "where": "g != 'a'"},
    "folds": {"cv": 5},
    "penalty": {"lasso": 0.1},
}


@pytest.mark.parametrize("kind", ONE_PASS)
def test_what_one_pass_does_is_the_same_of_rows_that_come_once(kind, frame, table):
    options = {"formula": MODEL, **ONE_PASS[kind]}
    formula = options.pop("formula")
    every = sr.ols(formula, frame, **options)
    for once in [iter([frame[:700], frame[700:]]), table.to_reader(max_chunksize=300)]:
        fits = sr.ols(formula, once, **options)
        for fit, other in zip(*(one if isinstance(one, list) else [one] for one in (fits, every)), strict=True):
            assert fit.coef() == other.coef() and fit.ledger == other.ledger
    by_group = sr.groups("y ~ z", iter([frame]), by="g", where="x > 0")
    assert by_group.column("estimate") == sr.groups("y ~ z", frame, by="g", where="x > 0").column("estimate")


def test_a_look_at_rows_that_come_once_is_not_without_end(frame):
    rare = [frame.assign(rare=0)] * 50 + [frame.assign(rare=1)]
    with pytest.raises(sr.StreamregError, match="^the rows come once, and this needs them again"):
        sr.ols("y ~ poly(z, 2)", iter(rare), where="rare = 1")
    assert sr.ols("y ~ poly(z, 2)", rare, where="rare = 1").nobs == 2_000


def test_what_functions_and_lists_may_give(frame):
    expected = sr.ols("y ~ z", frame).coef()
    parts = [{name: part[name].to_numpy() for name in ["y", "z"]} for part in (frame[:900], frame[900:])]
    lazy = polars.from_pandas(frame).lazy()
    for data in [parts, lambda: parts, lambda: iter(parts), iter(parts), lambda: lazy, lambda: lambda: frame]:
        assert sr.ols("y ~ z", data).coef() == expected
    assert sr.ols("y ~ z", parts, vcov="hc1").se() == sr.ols("y ~ z", frame, vcov="hc1").se()
    for data in [[lazy], iter([lazy]), lambda: [lazy]]:
        with pytest.raises(TypeError, match="frames, tables or batches, not polars.*collect it"):
            sr.ols("y ~ z", data)
    with pytest.raises(ValueError, match="list is empty"):
        sr.ols("y ~ z", [])
    with pytest.raises(TypeError, match="frames, tables or batches, not builtins.str"):
        sr.ols("y ~ z", iter(["rows.parquet"]))
    with pytest.raises(TypeError, match="gives paths"):
        sr.ols("y ~ z", lambda: "rows.parquet")


def test_types():
    rows = 60
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(rows)]
    stamps = pyarrow.array([datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)] * rows, pyarrow.timestamp("us", "Europe/Berlin"))
    table = pyarrow.table(
        {
            "y": pyarrow.array([float(i * 7 % 13) for i in range(rows)]),
            "price": pyarrow.array([decimal.Decimal(i * i % 17) / 4 for i in range(rows)], pyarrow.decimal128(10, 2)),
            "day": pyarrow.array(days),
            "small": pyarrow.array([i % 5 for i in range(rows)], pyarrow.int8()),
            "flag": pyarrow.array([i % 3 == 0 for i in range(rows)]),
            "half": pyarrow.array([None if i == 5 else numpy.float32(i) for i in range(rows)], pyarrow.float32()),
            "text": pyarrow.array(["u" if i % 2 else "v" for i in range(rows)], pyarrow.large_string()),
            "when": stamps,
        }
    )
    fit = sr.ols("y ~ price + small + flag + half + text", table, where="day >= date '2020-01-03'")
    assert fit.nobs == rows - 3
    polar = sr.ols("y ~ price + small + flag + half + text", polars.from_arrow(table), where="day >= date '2020-01-03'")
    assert dict(polar.params) == dict(fit.params)
    computed = sr.ols("y ~ twice", table, with_={"twice": "2 * small"})
    assert computed.params["twice"] == sr.ols("y ~ small", table).params["small"] / 2


def test_pandas_needs_no_pyarrow(frame, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    fit = sr.ols("y ~ x + z + g", frame)
    assert fit.nobs == int(frame.x.notna().sum())


def test_what_a_generator_raises_is_raised(table):
    def batches():
        yield from table.to_batches(max_chunksize=500)
        raise KeyError("the third day")

    with pytest.raises(KeyError, match="the third day"):
        sr.ols("y ~ x", batches())
    with pytest.raises(KeyError, match="the third day"):
        sr.ols("y ~ x", batches)


def test_what_is_no_data():
    with pytest.raises(TypeError, match="expected a path"):
        sr.ols("y ~ x", 7)
    with pytest.raises(TypeError, match="formula comes first"):
        sr.ols({"y": [1.0]}, "y ~ x")
    with pytest.raises(ValueError, match="empty"):
        sr.ols("y ~ x", iter([]))
    with pytest.raises(TypeError, match="expected a path"):
        sr.ols("y ~ x", iter([1]))
    with pytest.raises(TypeError, match="one dimension|expected an array"):
        sr.ols("y ~ x", {"y": numpy.ones((3, 2)), "x": [1.0, 2.0, 3.0]})


@pytest.mark.filterwarnings("ignore::streamreg.StreamregWarning")
def test_integers_keep_their_values():
    big = 2**53
    rows = {"y": [1.0, 2.0, 4.0, 3.0], "x": numpy.array([big, big + 2, big + 4, big + 8])}
    shifted = {"y": rows["y"], "x": rows["x"] - big}
    expected = sr.ols("y ~ x", shifted).params["x"]
    for data in [rows, pandas.DataFrame(rows)]:
        assert sr.ols("y ~ x", data).params["x"] == expected
