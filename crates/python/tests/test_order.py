"""The order of categories: that which was declared, where one was, and else that of the values."""

import sys

import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
import streamreg as sr

LEVELS = ["mid", "low", "high", "never"]
DECLARED = ["(Intercept)", "x", "g[T.low]", "g[T.high]"]
SORTED = ["(Intercept)", "x", "g[T.low]", "g[T.mid]"]


@pytest.fixture(scope="module")
def rows():
    rng = numpy.random.default_rng(8)
    g = rng.choice(LEVELS[:3], 300).tolist()
    g[7] = None
    x = rng.normal(size=300)
    return {"x": x, "y": x + rng.normal(size=300), "g": g}


def ordered(rows):
    return pandas.DataFrame(rows).astype({"g": pandas.CategoricalDtype(LEVELS, ordered=True)})


def enumeration(rows):
    return polars.DataFrame(rows, schema_overrides={"g": polars.Enum(LEVELS)})


def sources(rows, folder):
    frame = ordered(rows)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
    return {
        "file": folder / "rows.parquet",
        "pandas": frame,
        "cut of pandas": frame.assign(g=pandas.cut(frame.g.cat.codes, [-1, 0, 1, 2, 3], right=True, labels=LEVELS, include_lowest=True).where(frame.g.notna())),
        "pyarrow": table,
        "reader": table.to_reader(max_chunksize=50),
        "function": lambda: iter(table.to_batches(max_chunksize=50)),
        "iterator": iter([frame[:100], frame[100:]]),
        "polars": enumeration(rows),
        "polars, lazy": enumeration(rows).lazy(),
        "mapping of pandas": {**rows, "g": frame["g"]},
        "mapping of categoricals": {**rows, "g": frame["g"].array},
        "mapping of polars": {**rows, "g": enumeration(rows)["g"]},
    }  # fmt: skip


NAMES = [
    "file", "pandas", "cut of pandas", "pyarrow", "reader", "function", "iterator", "polars", "polars, lazy", "mapping of pandas",
    "mapping of categoricals", "mapping of polars",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_declared_order_decides_on_the_reference(name, rows, tmp_path):
    fit = sr.ols("y ~ x + g", sources(rows, tmp_path)[name])
    assert list(fit.coef()) == DECLARED and fit.nobs == 299
    expected = sr.ols("y ~ x + g", rows, reference={"g": "mid"}).coef()
    assert fit.coef()["g[T.low]"] == pytest.approx(expected["g[T.low]"], rel=1e-9)
    filtered = sr.ols("y ~ x + g", sources(rows, tmp_path)[name], where="x > 0")
    assert list(filtered.coef()) == DECLARED


def test_all_sources_are_named(rows, tmp_path):
    assert list(sources(rows, tmp_path)) == NAMES


def test_pandas_has_the_order_without_pyarrow(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert list(sr.ols("y ~ x + g", ordered(rows)).coef()) == DECLARED


def test_categories_without_a_declared_order_are_sorted(rows, tmp_path):
    frame = pandas.DataFrame(rows).astype({"g": pandas.CategoricalDtype(LEVELS)})
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), tmp_path / "rows.parquet")
    lexical = polars.DataFrame(rows).with_columns(polars.col("g").cast(polars.Categorical))
    reference = ["(Intercept)", "x", "g[T.low]", "g[T.mid]"]
    for data in [frame, lexical, tmp_path / "rows.parquet", {**rows, "g": frame["g"]}]:
        assert list(sr.ols("y ~ x + g", data).coef()) == reference == SORTED


def test_a_reference_that_was_asked_for_comes_first(rows):
    assert "g[T.mid]" in sr.ols("y ~ x + g", ordered(rows), reference={"g": "high"}).coef()


def test_states_of_parts_have_one_order(rows):
    frame, turned = ordered(rows), pandas.DataFrame(rows).astype({"g": pandas.CategoricalDtype(LEVELS[::-1], ordered=True)})
    model = "y ~ x + g"
    whole = sr.State(model).update(frame)
    parts = [sr.State(model).update(part) for part in (frame[200:], frame[:80], frame[80:200])]
    together = parts[0].merge(parts[1]).merge(parts[2])
    assert bytes(together) == bytes(whole) == bytes(sr.State(model).update(enumeration(rows)))
    assert list(whole.fit().coef()) == DECLARED
    for other in [turned, rows]:
        with pytest.raises(sr.StreamregError, match="the order of the levels of a category differ.*like="):
            sr.State(model).update(frame[:80]).merge(sr.State(model).update(other))
    # What comes later to a state takes its order, and so do states that are made like it.
    assert bytes(sr.State(model).update(frame[:80]).update(turned[80:])) == bytes(whole)
    assert bytes(sr.State(model).update(frame[:80]).merge(sr.State(model, like=whole).update(turned[80:]))) == bytes(whole)
    # No rows have the order, too.
    for none in [frame[:0], enumeration(rows)[:0]]:
        assert bytes(sr.State(model).update(none).update(frame)) == bytes(whole)


def test_numbers_are_sorted_and_it_is_said(rows):
    frame = pandas.DataFrame(rows).assign(k=pandas.Categorical([1, 2, 3] * 100, [3, 2, 1], ordered=True))
    with pytest.warns(sr.StreamregWarning, match='column "k" is an ordered category of Int64: its levels are sorted'):
        fit = sr.ols("y ~ x + k", frame)
    assert list(fit.coef()) == ["(Intercept)", "x", "k[T.2]", "k[T.3]"]
