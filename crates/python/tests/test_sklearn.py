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


def test_stochastic_gradient_descent(rows):
    X, y, _ = rows
    exact = LinearRegression().fit(X, y)
    numpy.testing.assert_allclose(SGDRegressor(tol=1e-12).fit(X, y).coef_, exact.coef_, rtol=1e-3, atol=1e-3)
    assert SGDRegressor("huber").fit(X, y).score(X, y) > 0.9
