"""Columns that no one uses never break a fit, whatever their type; those that are used say what is wrong with them."""

import datetime
import sys

import numpy
import pandas
import polars
import pyarrow
import pytest
import streamreg as sr

ROWS = 60


@pytest.fixture(scope="module")
def plain():
    x = numpy.random.default_rng(6).normal(size=ROWS)
    return {"x": x, "y": 2 * x + numpy.arange(ROWS) % 7}


@pytest.fixture(scope="module")
def expected(plain):
    return sr.ols("y ~ x", plain).coef()


#: Columns of Arrow.
ARROW = {
    "null": lambda: pyarrow.nulls(ROWS),
    "list": lambda: pyarrow.array([[1, 2]] * ROWS),
    "list of null": lambda: pyarrow.array([[None]] * ROWS),
    "fixed-size list": lambda: pyarrow.array([[1, 2]] * ROWS, pyarrow.list_(pyarrow.int64(), 2)),
    "list view": lambda: pyarrow.array([[1, 2]] * ROWS, pyarrow.list_view(pyarrow.int64())),
    "struct": lambda: pyarrow.array([{"a": 1, "b": None}, None] * (ROWS // 2)),
    "struct of nothing": lambda: pyarrow.array([{}] * ROWS, pyarrow.struct([])),
    "map": lambda: pyarrow.array([[("k", 1)]] * ROWS, pyarrow.map_(pyarrow.string(), pyarrow.int64())),
    "sparse union": lambda: pyarrow.UnionArray.from_sparse(pyarrow.array([0] * ROWS, pyarrow.int8()), [pyarrow.array(range(ROWS))]),
    "dense union": lambda: pyarrow.UnionArray.from_dense(
        pyarrow.array([0] * ROWS, pyarrow.int8()), pyarrow.array(range(ROWS), pyarrow.int32()), [pyarrow.array(range(ROWS))]
    ),
    "extension": lambda: pyarrow.ExtensionArray.from_storage(pyarrow.json_(), pyarrow.array(["{}"] * ROWS)),
    "tensor": lambda: pyarrow.ExtensionArray.from_storage(
        pyarrow.fixed_shape_tensor(pyarrow.float64(), (2,)), pyarrow.array([[1.0, 2.0]] * ROWS, pyarrow.list_(pyarrow.float64(), 2))
    ),
    "duration": lambda: pyarrow.array([datetime.timedelta(seconds=i) for i in range(ROWS)]),
    "interval": lambda: pyarrow.array([pyarrow.MonthDayNano([1, 2, 3])] * ROWS),
    "run ends": lambda: pyarrow.RunEndEncodedArray.from_arrays([30, ROWS], [1.0, 2.0]),
    "binary view": lambda: pyarrow.array([b"\xff"] * ROWS, pyarrow.binary_view()),
    "text view": lambda: pyarrow.array(["a"] * ROWS, pyarrow.string_view()),
    "binary": lambda: pyarrow.array([b"\xff"] * ROWS),
    "decimal of 256 bits": lambda: pyarrow.nulls(ROWS, pyarrow.decimal256(50, 2)),
    "dictionary of lists": lambda: pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * ROWS, pyarrow.int8()), pyarrow.array([[1]])),
    "dictionary of nothing": lambda: pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([None] * ROWS, pyarrow.int8()), pyarrow.nulls(0)
    ),
}


@pytest.mark.parametrize("kind", ARROW)
def test_columns_of_arrow(kind, plain, expected):
    table = pyarrow.table(plain).append_column("e", ARROW[kind]())
    for data in [table, table.to_reader(), lambda: iter(table.to_batches(max_chunksize=7))]:
        assert sr.ols("y ~ x", data).coef() == expected
    fit = sr.ols("y ~ x", table)
    assert len(fit.predict(table)) == fit.evaluate(table).rows == ROWS
    assert sr.State("y ~ x").update(table).nobs == ROWS


def polars_columns():
    text = polars.lit("1")
    return {
        "Null": polars.lit(None),
        "Int128": text.cast(polars.Int128),
        "UInt128": text.cast(polars.UInt128),
        "large Int128": polars.lit("1" + "0" * 38).cast(polars.Int128),
        "List(Null)": polars.lit([None]),
        "List(Int128)": polars.lit([1]).cast(polars.List(polars.Int128)),
        "Struct of Null": polars.struct(a=polars.lit(None)),
        "Array": polars.lit([1, 2]).cast(polars.Array(polars.Int64, 2)),
        "Object": polars.Series("e", [object()] * ROWS, dtype=polars.Object),
        "Time": polars.lit(datetime.time(1, 2)),
    }


#: What is said where the column is used; None where it is as good as any other.
OF_POLARS = {
    "Null": None, "Int128": None, "UInt128": None, "large Int128": "38 digits", "List(Null)": "List.Null.", "List(Int128)": "List.Int128.",
    "Struct of Null": "Struct", "Array": "nested", "Object": "objects of Python", "Time": None,
}  # fmt: skip


@pytest.mark.parametrize("kind", OF_POLARS)
@pytest.mark.filterwarnings("ignore::streamreg.StreamregWarning")
def test_columns_of_polars(kind, plain, expected):
    frame = polars.DataFrame(plain).with_columns(polars_columns()[kind].alias("e"))
    for data in [frame, frame.lazy(), [frame], iter([frame[:20], frame[20:]]), lambda: frame]:
        assert sr.ols("y ~ x", data).coef() == expected
    said = OF_POLARS[kind]
    if said is None:
        assert sr.ols("y ~ x + e", frame).coef()["x"] == pytest.approx(expected["x"], rel=1e-12)
        return
    for data in [frame, frame.lazy(), iter([frame])]:
        with pytest.raises((TypeError, sr.StreamregError), match=f'column "e": .*{said}'):
            sr.ols("y ~ x + e", data)


def test_integers_of_128_bits_are_numbers(plain):
    k = [i * i % 11 for i in range(ROWS)]
    frame = polars.DataFrame({**plain, "k": k})
    wide = frame.with_columns(polars.col("k").cast(polars.Int128))
    assert sr.ols("y ~ x + k", wide).coef() == sr.ols("y ~ x + k", frame).coef()


PANDAS = {
    "None": lambda: [None] * ROWS,
    "mixed": lambda: [1, "a"] * (ROWS // 2),
    "objects": lambda: [object()] * ROWS,
    "lists": lambda: [[1]] * ROWS,
    "complex": lambda: numpy.ones(ROWS) * 1j,
    "mixed categories": lambda: pandas.Categorical([1, "a"] * (ROWS // 2)),
    "periods": lambda: pandas.period_range("2020", periods=ROWS, freq="D"),
    "intervals": lambda: pandas.cut(numpy.arange(ROWS), 3),
    "durations": lambda: pandas.to_timedelta(range(ROWS), "s"),
    "sparse": lambda: pandas.arrays.SparseArray([0.0, 1.0] * (ROWS // 2)),
}
REFUSED = ["mixed", "objects", "complex", "mixed categories"]


@pytest.mark.parametrize("kind", PANDAS)
@pytest.mark.parametrize("with_pyarrow", [True, False])
def test_columns_of_pandas(kind, with_pyarrow, plain, expected, monkeypatch):
    if not with_pyarrow:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = pandas.DataFrame(plain).assign(e=PANDAS[kind]())
    for data in [frame, lambda: iter([frame]), iter([frame[:20], frame[20:]])] if with_pyarrow else [frame]:
        assert sr.ols("y ~ x", data).coef() == expected
        assert sr.ols(None, frame[["e", "x", "y"]], target="y", exclude=["e"]).coef() == expected
    if kind in REFUSED:
        with pytest.raises(TypeError, match='column "e"'):
            sr.ols("y ~ x + C(e)", frame)
    if kind == "sparse":
        dense = sr.ols("y ~ x + e", frame.assign(e=[0.0, 1.0] * (ROWS // 2))).coef()
        assert sr.ols("y ~ x + e", frame).coef() == dense


MAPPING = {
    "None": [None] * ROWS,
    "mixed": [1, "a"] * (ROWS // 2),
    "objects": [object()] * ROWS,
    "complex": numpy.ones(ROWS) * 1j,
    "two dimensions": numpy.ones((ROWS, 2)),
    "dates": numpy.arange(ROWS).astype("datetime64[D]"),
    "large": numpy.full(ROWS, 2**63, numpy.uint64),
    "a number": 3,
}


@pytest.mark.parametrize("kind", MAPPING)
@pytest.mark.filterwarnings("ignore::streamreg.StreamregWarning")
def test_columns_of_mappings(kind, plain, expected):
    rows = {"e": MAPPING[kind], **plain}
    for data in [rows, iter([rows]), lambda: [rows]]:
        assert sr.ols("y ~ x", data).coef() == expected
    if kind == "None":
        assert sr.ols("y ~ x + e", rows).coef() == expected
        return
    for data in [rows, iter([rows])]:
        with pytest.raises((TypeError, ValueError), match='column "e": '):
            sr.ols("y ~ x + e", data)


#: Every way to name a column.
USES = {
    "feature": lambda data: sr.ols("y ~ e", data),
    "response": lambda data: sr.ols("e ~ x", data),
    "category": lambda data: sr.ols("y ~ C(e)", data),
    "product": lambda data: sr.ols("y ~ x:e", data),
    "function": lambda data: sr.ols("y ~ log(e)", data),
    "weights": lambda data: sr.ols("y ~ x", data, weights="e", weight_type="analytic"),
    "cluster": lambda data: sr.ols("y ~ x", data, cluster=["e"]),
    "filter": lambda data: sr.ols("y ~ x", data, where="e > 1"),
    "computed": lambda data: sr.ols("y ~ z", data, with_={"z": "e + 1"}),
    "features": lambda data: sr.ols(None, data, target="y", features=["e"]),
    "folds": lambda data: sr.ols("y ~ x", data, cv=3, cv_group="e"),
    "groups": lambda data: sr.groups("y ~ x", data, by="e"),
    "kept": lambda data: sr.ols("y ~ x", data).predict(data, keep=["e"]),
    "all kept": lambda data: sr.ols("y ~ x", data).predict(data, keep=["*"]),
    "groups of an evaluation": lambda data: sr.ols("y ~ x", data).evaluate(data, by="e"),
    "sums": lambda data: sr.State("y ~ x + e").update(data),
}


@pytest.mark.parametrize("use", USES)
def test_who_names_the_column_is_told(use, plain):
    with pytest.raises(TypeError, match='column "e": dates and durations come in frames'):
        USES[use]({**plain, "e": numpy.arange(ROWS).astype("datetime64[D]")})


def test_it_is_no_feature_of_the_dot(plain, expected):
    fit = sr.ols("y ~ .", {**plain, "e": [object()] * ROWS})
    assert fit.coef() == expected and [column["column"] for column in fit.left_out] == ["e"]


def test_nan_is_missing_among_texts(plain):
    texts = ["a", float("nan"), "b"] * 20
    for column in [texts, numpy.array(texts, object), pandas.Series(texts), pandas.Categorical(texts)]:
        fit = sr.ols("y ~ x + g", {**plain, "g": column})
        assert fit.nobs == 40 and list(fit.coef()) == ["(Intercept)", "x", "g[T.b]"]


def test_columns_may_have_any_name(plain, expected):
    import duckdb

    names = ["unread", "no_rows", "codes", "levels", "columns", "data"]
    frame = pandas.DataFrame({**plain, **{name: ["a"] * ROWS for name in names}})
    connection = duckdb.connect()
    connection.register("frame", frame)
    for data in [frame, polars.from_pandas(frame), dict(frame), connection.sql("select * from frame")]:
        assert sr.ols("y ~ x", data).coef() == expected


def test_columns_have_one_length(plain):
    with pytest.raises(ValueError, match='columns "x" and "e" have 60 and 1 rows'):
        sr.ols("y ~ x", {**plain, "e": [3]})
    with pytest.raises(TypeError, match='column "x": '):
        sr.ols("y ~ x", [{"x": 1, "y": 2}, {"x": 2, "y": 3}])


def test_a_batch_without_a_value_has_the_type_of_the_first(plain):
    frame = pandas.DataFrame(plain).assign(g=["a", "b", None] * 20, other=1)
    batches = [frame[:30], frame[30:].assign(g=None, other="no number")]
    for data in [batches, iter(batches), lambda: batches]:
        fit = sr.ols("y ~ x + g", data)
        assert fit.nobs == 20 and list(fit.coef()) == ["(Intercept)", "x", "g[T.b]"]
    with pytest.raises(sr.StreamregError, match='column "other": .* in a batch and Int64 in the first; cast it'):
        sr.ols("y ~ x + other", batches)
    with pytest.raises(sr.StreamregError, match='column "g": .* no value in the first'):
        sr.ols("y ~ x + g", batches[::-1])
