"""The options are those of the command line, all of them."""

import re

import pytest
import streamreg as sr
from conftest import command_line
from streamreg._options import known


def test_every_option_is_there_or_elsewhere():
    text = command_line("fit", "--help")
    there = set(re.findall(r"^\s+(?:-\w, )?--([a-z][a-z0-9-]*)", text, re.MULTILINE)) - {"help"}
    assert there == set(known())
    for name, (help_text, elsewhere) in known().items():
        assert help_text or elsewhere, name
    assert "vcov" in sr.options() and "output" not in sr.options()


#: An option of each kind: the keyword, its value, and the same as it is typed.
SAME = [
    ({"vcov": "hc2"}, ["--vcov", "hc2"]),
    ({"where": "month = 1"}, ["--where", "month = 1"]),
    ({"with_": {"far": "distance / 1000"}, "formula": "arr_delay ~ far"}, ["--with", "far = distance / 1000"]),
    ({"cluster": ["carrier"]}, ["--cluster", "carrier"]),
    ({"categorical": ["month"], "formula": "arr_delay ~ month"}, ["--categorical", "month"]),
    ({"missing": "indicator"}, ["--missing", "indicator"]),
    ({"intercept": None, "no_intercept": True}, ["--no-intercept"]),
    ({"weights": "distance", "weight_type": "analytic"}, ["--weights", "distance", "--weight-type", "analytic"]),
    ({"precision": "float", "threads": 1}, ["--precision", "float", "--threads", "1"]),
    ({"lasso": 0.5}, ["--lasso", "0.5"]),
    ({"test": ["dep_delay = 1", "dep_delay = 0"]}, ["--test", "dep_delay = 1", "--test", "dep_delay = 0"]),
    ({"conf_level": 0.9}, ["--conf-level", "0.9"]),
]


@pytest.mark.parametrize(("options", "typed"), SAME, ids=lambda part: next(iter(part)) if isinstance(part, dict) else "")
def test_an_option_does_what_it_does_there(options, typed, flights):
    import json

    options = dict(options)
    options.pop("intercept", None)
    formula = options.pop("formula", "arr_delay ~ dep_delay")
    fit = sr.ols(formula, flights, **options)
    there = json.loads(command_line("fit", flights, formula, "--format", "json", *typed))
    same = ["coefficients", "tests", "glance", "ledger", "vcov"]
    assert {name: fit.report[name] for name in same} == {name: there[name] for name in same}


def test_mistakes_are_in_words_of_python(flights):
    with pytest.raises(TypeError, match="did you mean cluster"):
        sr.ols("arr_delay ~ dep_delay", flights, clusters="carrier")
    with pytest.raises(sr.StreamregError, match="output") as caught:
        sr.ols("arr_delay ~ dep_delay", flights, output="r.json")
    assert caught.value.kind == "request"
    with pytest.raises(sr.StreamregError) as caught:
        sr.ols("arr_delay ~ dep_delay", flights, seed=3)
    assert "--" not in str(caught.value) and "cv" in str(caught.value)
    with pytest.raises(sr.StreamregError, match="dep_delay"):
        sr.ols("arr_delay ~ dep_dely", flights)
    with pytest.raises(sr.StreamregError) as caught:
        sr.ols("arr_delay ~ dep_delay", "none.parquet")
    assert caught.value.kind == "data" and "none.parquet" in str(caught.value)
    with pytest.raises(sr.StreamregError, match="hc9"):
        sr.ols("arr_delay ~ dep_delay", flights, vcov="hc9")
