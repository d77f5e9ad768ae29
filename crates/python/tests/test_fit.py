"""Fits, beside those of the command line and of statsmodels' formulas."""

import json
import math
import pickle

import numpy
import pyarrow
import pandas
import pytest
import streamreg as sr
from conftest import command_line

MODEL = "arr_delay ~ dep_delay*origin + distance"


def test_a_fit_of_files_is_that_of_the_command_line(flights):
    fit = sr.ols(MODEL, flights, vcov="hc1", where="month <= 6")
    there = json.loads(
        command_line("fit", flights, MODEL, "--vcov", "hc1", "--where", "month <= 6", "--format", "json")
    )
    assert fit.report["coefficients"] == there["coefficients"]
    assert fit.report["glance"] == there["glance"]
    assert fit.ledger == there["ledger"]
    assert str(fit).startswith(fit.formula) and "dep_delay:origin" in fit.formula


def test_names_of_statsmodels(frame):
    fit = sr.ols("y ~ x + z + g", frame)
    rows = frame.dropna()
    design = numpy.column_stack([numpy.ones(len(rows)), rows.x, rows.z, rows.g == "b", rows.g == "c"])
    beta, rss, *_ = numpy.linalg.lstsq(design, rows.y, rcond=None)
    cov = numpy.linalg.inv(design.T @ design) * rss[0] / (len(rows) - 5)
    numpy.testing.assert_allclose(fit.params, beta, rtol=1e-12)
    numpy.testing.assert_allclose(fit.bse, numpy.sqrt(numpy.diag(cov)), rtol=1e-12)
    numpy.testing.assert_allclose(fit.cov_params(), cov, rtol=1e-10, atol=1e-17)
    numpy.testing.assert_allclose(fit.tvalues, fit.params / fit.bse, rtol=1e-12)
    assert list(fit.params.index) == ["(Intercept)", "x", "z", "g[T.b]", "g[T.c]"]
    assert (fit.nobs, fit.df_resid) == (len(rows), len(rows) - 5)
    assert fit.rsquared == pytest.approx(1 - rss[0] / ((rows.y - rows.y.mean()) ** 2).sum(), rel=1e-12)
    assert fit.mse_resid == pytest.approx(rss[0] / fit.df_resid, rel=1e-12)
    low, high = fit.conf_int().loc["x"]
    assert low < 2 < high
    narrow = fit.conf_int(0.5)
    assert (narrow["upper"] - narrow["lower"] < high - low).loc["x"]
    assert fit.coef() == dict(fit.params) and fit.se() == dict(fit.bse)


def test_what_broom_has(frame):
    fit = sr.ols("y ~ x", frame)
    tidy = pandas.DataFrame.from_records(
        list(zip(*(fit.tidy().column(name) for name in fit.tidy().columns))), columns=fit.tidy().columns
    )
    assert list(tidy["term"]) == ["(Intercept)", "x"]
    assert fit.glance().column("nobs") == [fit.nobs]
    assert len(fit.glance()) == 1


def test_other_covariances_and_tests(frame):
    fit = sr.ols("y ~ x + z", frame)
    assert dict(fit.vcov("hc3").bse) == dict(sr.ols("y ~ x + z", frame, vcov="hc3").bse)
    clustered = fit.vcov("cr1", cluster="g")
    assert clustered.report["vcov"]["clusters"][0]["clusters"] == 3
    assert fit.test("x = 2, z = -1")["p_value"] > 0.001
    assert fit.test("x = 0")["p_value"] < 1e-10


def test_penalties_losses_and_groups(frame):
    rows = frame.dropna()
    lasso = sr.lasso("y ~ x + z", rows, 0.5)
    assert abs(lasso.params["z"]) < abs(sr.ols("y ~ x + z", rows).params["z"])
    chosen = sr.lasso("y ~ x + z", rows, cv=5)
    assert len(chosen.report["penalized"]["cross_validation"]["curve"]) == 100
    assert sr.ridge("y ~ x + z", rows, 1.0).params["x"] < 2.1
    assert sr.elastic_net("y ~ x + z", rows, 0.1, 0.3).params["x"] < 2.1
    median = sr.ols("y ~ x + z", rows, loss="quantile", quantile=0.5)
    assert median.params["x"] == pytest.approx(2, abs=0.1)
    table = sr.groups("y ~ x", rows, by="g")
    assert table.column("g") == ["a", "a", "b", "b", "c", "c"]
    of_b = sr.ols("y ~ x", rows[rows.g == "b"])
    assert table.column("estimate")[2:4] == list(of_b.params)


def test_several_targets(frame):
    first, second = sr.ols(None, frame, target=["y", "z"], features=["x"])
    assert first.report["response"] == "y" and second.report["response"] == "z"


def test_predictions(frame, tmp_path):
    rows = frame.dropna()
    fit = sr.ols("y ~ x + z + g", rows)
    table = fit.predict(rows, interval="prediction", level=0.9, keep=["g"])
    assert table.columns == ["g", "prediction", "pred_low", "pred_high"]
    expected = (
        fit.params["(Intercept)"]
        + fit.params["x"] * rows.x
        + fit.params["z"] * rows.z
        + fit.params["g[T.b]"] * (rows.g == "b")
        + fit.params["g[T.c]"] * (rows.g == "c")
    )
    numpy.testing.assert_allclose(table.column("prediction"), expected, rtol=1e-12)
    inside = (rows.y > table.column("pred_low")) & (rows.y < table.column("pred_high"))
    assert 0.87 < inside.mean() < 0.93
    evaluation = fit.evaluate(rows, by="g")
    assert evaluation.r_squared == pytest.approx(fit.rsquared, rel=1e-9)
    assert [group["values"] for group in evaluation.groups] == [["a"], ["b"], ["c"]]
    path = tmp_path / "model.json"
    fit.save(path)
    again = sr.load(path)
    assert again.predict(rows).column("prediction") == fit.predict(rows).column("prediction")
    assert dict(again.params) == dict(fit.params)
    new = rows.assign(g="d")
    with pytest.raises(sr.StreamregError, match="d"):
        fit.predict(new)
    with pytest.warns(sr.StreamregWarning, match="a level that the model does not know"):
        assert fit.predict(new, unseen="null").column("prediction") == [None] * len(new)
    with pytest.warns(sr.StreamregWarning, match="taken for the reference level"):
        assert None not in fit.predict(new, unseen="other").column("prediction")
    with pytest.raises(sr.StreamregError, match="error, null, other"):
        fit.predict(new, unseen="nul")
    rows.to_parquet(tmp_path / "rows.parquet")
    assert fit.predict(tmp_path / "rows.parquet", out=tmp_path / "p.parquet") == len(rows)
    assert pandas.read_parquet(tmp_path / "p.parquet")["prediction"].tolist() == fit.predict(rows).column("prediction")


def test_dependent_columns_are_nan_and_told(frame):
    fit = sr.ols("y ~ x + x2", frame.assign(x2=2 * frame.x))
    assert math.isnan(fit.params["x2"]) and fit.aliased
    assert "_repr_html_" in dir(fit) and "<pre>" in fit._repr_html_()


def test_warnings_are_warnings(frame):
    exact = pandas.DataFrame({"x": [1.0, 2, 3, 4], "y": [2.0, 4, 6, 8]})
    with pytest.warns(sr.StreamregWarning, match="perfect|exactly"):
        sr.ols("y ~ x", exact)


def test_fits_travel(frame):
    fit = sr.ols("y ~ x + g", frame)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(fit))))
    assert again.report == fit.report and str(again) == str(fit)
    assert (again.cov_params() == fit.cov_params()).all(axis=None)
    assert again.predict(frame).column("prediction") == fit.predict(frame).column("prediction")


def test_inspect(flights):
    found = sr.inspect(flights)
    assert found["rows"] == 336_776
    assert sr.inspect(flights, MODEL)


def test_progress(flights):
    seen = []
    sr.ols(MODEL, flights, progress=lambda *told: seen.append(told))
    assert seen[-1][0] == 336_776 and seen[-1][4]


def test_predictions_of_no_rows_have_the_columns(frame):
    fit = sr.ols("y ~ x + g", frame)
    asked = {"keep": ["z", "g"], "interval": "confidence"}
    some, none = fit.predict(frame[:5], **asked), fit.predict(frame[:0], **asked)
    assert none.columns == some.columns == ["z", "g", "prediction", "conf_low", "conf_high"] and len(none) == 0
    assert none.column("conf_low") == []
    assert pyarrow.table(none).schema == pyarrow.table(some).schema
    nothing = {"x": [], "g": [], "z": []}
    assert fit.predict(nothing, **asked).columns == some.columns
    assert fit.predict(lambda: iter([frame[:0]]), **asked).columns == some.columns


def test_tables_of_results_have_numbers_where_there_is_no_value(frame):
    tidy = pyarrow.table(sr.lasso("y ~ x + z", frame, 0.1).tidy())
    assert tidy.schema.field("std_error").type == pyarrow.float64() and tidy["std_error"].null_count == 3
    assert pyarrow.table(sr.ols("y ~ x", frame).glance()).schema.types.count(pyarrow.null()) == 0
