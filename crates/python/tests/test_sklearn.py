"""The estimators are scikit-learn's."""

import pickle

import numpy
import pandas
import pytest
from sklearn import linear_model
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from streamreg.sklearn import ElasticNet, Lasso, LinearRegression, Ridge, SGDRegressor

ALL = [LinearRegression(), Ridge(), Lasso(), ElasticNet(), SGDRegressor()]


@parametrize_with_checks(ALL)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def rows():
    rng = numpy.random.default_rng(5)
    X = rng.normal(size=(3_000, 6)) * [1, 10, 0.1, 1, 1, 3]
    y = X @ [1.0, -0.2, 5.0, 0.0, 0.5, 1.0] + 2 + rng.normal(size=3_000)
    return X, y, rng.uniform(0.5, 2, size=3_000)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (LinearRegression(), linear_model.LinearRegression()),
        (LinearRegression(fit_intercept=False), linear_model.LinearRegression(fit_intercept=False)),
        (Ridge(alpha=3.0), linear_model.Ridge(alpha=3.0)),
        (Lasso(alpha=0.1), linear_model.Lasso(alpha=0.1, tol=1e-12)),
        (ElasticNet(alpha=0.1, l1_ratio=0.3), linear_model.ElasticNet(alpha=0.1, l1_ratio=0.3, tol=1e-12)),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_numbers_are_those_of_scikit_learn(ours, theirs, weighted, rows):
    X, y, w = rows
    weights = w if weighted else None
    ours.fit(X, y, sample_weight=weights)
    theirs.fit(X, y, sample_weight=weights)
    numpy.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-9)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-7)
    numpy.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("estimator", ALL[:4])
def test_chunks_add_up_to_the_bit(estimator, rows):
    X, y, w = rows
    whole = clone(estimator).fit(X, y, sample_weight=w)
    chunks = clone(estimator)
    for at in numpy.array_split(numpy.random.default_rng(1).permutation(len(y)), 100):
        chunks.partial_fit(X[at], y[at], sample_weight=w[at])
    assert (chunks.coef_ == whole.coef_).all() and chunks.intercept_ == whole.intercept_


def test_what_scikit_learn_does_with_estimators(rows):
    X, y, _ = rows
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=2.0))
    assert cross_val_score(pipeline, X, y, cv=5).min() > 0.9
    search = GridSearchCV(Lasso(), {"alpha": [0.01, 0.1, 1.0]}).fit(X, y)
    assert search.best_params_["alpha"] == 0.01
    fitted = LinearRegression().fit(pandas.DataFrame(X, columns=list("abcdef")), y)
    assert list(fitted.feature_names_in_) == list("abcdef")
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.coef_ == fitted.coef_).all()
    assert LinearRegression().fit(numpy.column_stack([X, X[:, 0]]), y).coef_[[0, 6]] == pytest.approx(
        [fitted.coef_[0] / 2] * 2
    )


def dependent(kind, X):
    rng = numpy.random.default_rng(9)
    groups = numpy.eye(4)[rng.integers(0, 4, len(X))]
    return {
        "a copy": lambda: numpy.column_stack([X, X[:, 0]]),
        "a sum and a constant": lambda: numpy.column_stack([X, X[:, 0] + 2 * X[:, 2] + 4]),
        "a constant": lambda: numpy.column_stack([X, numpy.full(len(X), 3.0)]),
        "nothing": lambda: numpy.column_stack([X, numpy.zeros(len(X))]),
        "groups": lambda: numpy.column_stack([X, groups]),
        "groups twice": lambda: numpy.column_stack([groups, X, 10 * groups]),
        "more columns than rows": lambda: rng.normal(size=(len(X), len(X) + 5)) + 3,
    }[kind]()


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    "kind", ["a copy", "a sum and a constant", "a constant", "nothing", "groups", "groups twice", "more columns than rows"]
)
def test_dependent_columns_have_the_solution_of_scikit_learn(kind, weighted, intercept, rows):
    count = 20 if kind == "more columns than rows" else 300
    X, y, weights = dependent(kind, rows[0][:count]), rows[1][:count], rows[2][:count] if weighted else None
    ours = LinearRegression(fit_intercept=intercept).fit(X, y, sample_weight=weights)
    theirs = linear_model.LinearRegression(fit_intercept=intercept).fit(X, y, sample_weight=weights)
    numpy.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-8)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-7, abs=1e-8)
    # Rows that do not depend on one another as those of the fit.
    new = numpy.random.default_rng(3).normal(size=X.shape)
    numpy.testing.assert_allclose(ours.predict(new), theirs.predict(new), rtol=1e-6, atol=1e-7)
    chunks = LinearRegression(fit_intercept=intercept)
    for at in numpy.array_split(numpy.arange(count), 7):
        chunks.partial_fit(X[at], y[at], sample_weight=None if weights is None else weights[at])
    assert (chunks.coef_ == ours.coef_).all() and chunks.intercept_ == ours.intercept_


def test_stochastic_gradient_descent(rows):
    X, y, _ = rows
    exact = LinearRegression().fit(X, y)
    numpy.testing.assert_allclose(SGDRegressor(tol=1e-12).fit(X, y).coef_, exact.coef_, rtol=1e-3, atol=1e-3)
    assert SGDRegressor("huber").fit(X, y).score(X, y) > 0.9
