"""Messages are in words of Python, whoever wrote them."""

import re

import pandas
import pytest
import streamreg as sr
from streamreg._options import as_typed_here, known
from streamreg._words import SWITCHES, in_python

#: What the library says, and what is said here.
SAID = [
    ("raise --max-levels if it is a category", "raise max_levels if it is a category"),
    ("a higher limit (--memory-limit, or `Execution::memory_limit`), or fewer", "a higher limit (memory_limit), or fewer"),
    ("add --solver sgd, gd or cg", 'add solver="sgd", "gd" or "cg"'),
    ("without --solver, or with cg, they are told apart", "without solver, or with cg, they are told apart"),
    ("--missing indicator marks them", 'missing="indicator" marks them'),
    ("write --weights COLUMN", "write weights=COLUMN"),
    ("--cluster COLUMN or --vcov", "cluster=COLUMN or vcov"),
    ("or --cluster g for standard errors", 'or cluster="g" for standard errors'),
    ("C() or --categorical makes a number one", "C() or categorical makes a number one"),
    ("--schema or --with changes a type", "schema or with_ changes a type"),
    ("; --with \"NAME = COLUMN = 'VALUE'\" makes true", "; with_={\"NAME\": \"COLUMN = 'VALUE'\"} makes true"),
    ("--schema 'my column'=text reads it", 'schema={"my column": "text"} reads it'),
    ("--null oops makes it a missing value; --exclude x leaves it out", 'null="oops" makes it a missing value; exclude="x" leaves it out'),
    ("--null sets others: --null 'n/a' makes", 'null sets others: null="n/a" makes'),
    ("--decimal , --thousands . reads such numbers", 'decimal="," thousands="." reads such numbers'),
    ("--date-format %d/%m/%Y or %m/%d/%Y reads", 'date_format="%d/%m/%Y" or "%m/%d/%Y" reads'),
    ("--union-by-name fills columns", "union_by_name=True fills columns"),
    ("'--ridge <L|auto>' cannot be used with '--lasso <L|auto>'", "'ridge' cannot be used with 'lasso'"),
    ("take 5 (--cv 5)", "take 5 (cv=5)"),
    ("the option hash-bits would have no effect", "the option hash_bits would have no effect"),
    ("--unseen says what else to do", "unseen says what else to do"),
    ("not a model file (`streamreg fit --save-model` writes one)", "not a model file (save() of a fit writes one)"),
    ("rows are split into groups: `fit_groups` fits them", "rows are split into groups: streamreg.groups() fits them"),
    ("a file --other, and a--where.csv", "a file --other, and a--where.csv"),
    ("what is wrong\n  y ~ I(x --where z)", "what is wrong\n  y ~ I(x --where z)"),
]


@pytest.mark.parametrize(("there", "here"), SAID)
def test_a_message_in_words_of_python(there, here):
    assert as_typed_here(there) == here


def test_switches_are_those_of_the_command_line():
    from conftest import command_line

    lines = re.findall(r"^\s+(?:-\w, )?--([a-z][a-z0-9-]*)(.*)$", command_line("fit", "--help"), re.MULTILINE)
    without_value = {name for name, more in lines if not more.strip() and name in known() and known()[name][1] is None}
    assert without_value == SWITCHES
    assert in_python("--nothing", set(known())) == "--nothing"


@pytest.fixture(scope="module")
def rows():
    count = 400
    return pandas.DataFrame(
        {
            "x": [float(i * 7 % 13) for i in range(count)],
            "y": [float(i * 5 % 17) for i in range(count)],
            "g": ["a", "b"] * (count // 2),
            "id": [f"i{i}" for i in range(count)],
            "big": [2.0**60 + i % 3 * 1024 for i in range(count)],
        }
    )


#: What goes wrong, and what is said of it.
WRONG = {
    "levels": (lambda rows, _: sr.ols("y ~ id", rows, max_levels=10), "raise max_levels if"),
    "text": (lambda rows, _: sr.ols("g ~ x", rows), r'with_={"NAME": "COLUMN = .VALUE."}'),
    "weights": (lambda rows, _: sr.ols("y ~ x, weights = w", rows), "write weights=COLUMN"),
    "random effects": (lambda rows, _: sr.ols("y ~ (1|g)", rows), 'cluster="g" for'),
    "missing": (lambda rows, _: sr.ols("y ~ I(x > 0)", rows, missing="indicator"), 'missing="indicator" wants'),
    "solver": (lambda rows, _: sr.ols("y ~ x", rows, tol=1e-3), 'add solver="sgd", "gd" or "cg"'),
    "large numbers": (lambda rows, _: sr.ols("y ~ C(big)", rows), 'schema={"big": "text"}'),
    "weight type": (lambda rows, _: sr.ols("y ~ x", rows, weights="x"), "not provided: weight_type$"),
    "two penalties": (lambda rows, _: sr.ols("y ~ x", rows, ridge=1, lasso=1), "'ridge' cannot be used with 'lasso'"),
    "no effect": (lambda rows, _: sr.ols("y ~ x", rows, hash_bits=10), "the option hash_bits"),
    "levels of predictions": (lambda rows, _: sr.ols("y ~ g", rows).predict({"g": ["z"]}), "; unseen says"),
    "folds of a state": (lambda rows, _: sr.State("y ~ x").update(rows).fit(cv=5), r"State\(..., cv=10, cv_group=COLUMN\)"),
    "states of folds": (lambda rows, _: sr.State("y ~ x", cv=5).update(rows), r"\(cv_group\)"),
    "robust errors of a state": (lambda rows, _: sr.State("y ~ x").update(rows).fit(vcov="hc1"), r"fit a frame, files, or .* \(of a state: data=\)"),
    "cells": (lambda _, file: sr.ols("y ~ x", file("x,y\n" + "1,2\n" * 9 + "oops,4\n")), 'null="oops" makes .*schema={"x": "text"}'),
    "decimals": (lambda _, file: sr.ols("y ~ x", file("x;y\n1,5;2\n2,5;3\n")), 'decimal="," reads'),
    "days": (lambda _, file: sr.ols("y ~ x", file("x,y\n01/02/2020,1\n02/03/2020,2\n")), 'date_format="%d/%m/%Y" or "%m/%d/%Y"'),
    "model files": (lambda _, file: sr.load(file("{}")), r"save\(\) of a fit"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_goes_wrong_is_said_in_words_of_python(what, rows, tmp_path):
    def file(text):
        (tmp_path / "t.csv").write_text(text)
        return tmp_path / "t.csv"

    fit, said = WRONG[what]
    with pytest.raises(sr.StreamregError, match=said) as caught:
        fit(rows, file)
    message = str(caught.value)
    assert not re.search(r"(?<![\w-])--[a-z]|`\w+::|`fit|<[A-Z]", message), message


def test_warnings_and_summaries_are_in_words_of_python(rows):
    with pytest.warns(sr.StreamregWarning, match='without solver="sgd"'):
        fit = sr.sgd("y ~ x", rows)
    assert any('solver="sgd"' in warning for warning in fit.warnings)
    assert "--" not in fit.summary().replace("---", "")
    many = {"y": [float(i * i % 101) for i in range(3_000)], "id": [f"i{i % 1_000}" for i in range(3_000)]}
    assert "900 more coefficients: tidy() has them all" in sr.ols("y ~ id", many).summary()


def test_warnings_point_at_who_called(rows):
    for fit in [lambda: sr.sgd("y ~ x", rows), lambda: sr.ols("y ~ x", rows, solver="sgd")]:
        with pytest.warns(sr.StreamregWarning) as caught:
            fit()
        assert {warning.filename for warning in caught} == {__file__}
