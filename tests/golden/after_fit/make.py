"""Values of what comes after a fit: statistics of rows, tests of factors, test errors, standardised coefficients.

    python make.py            in this folder; writes longley.csv, grunfeld.csv and expected.json

Oracles: statsmodels (get_influence, anova_lm, wald_test_terms), scikit-learn (cross_val_score, metrics), and, where they have
nothing, the formulas of R's lm.influence and rstandard written out with numpy. augment.R confirms the statistics of rows with R.
"""
import json

import numpy as np
import pandas as pd
import sklearn
import statsmodels
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

out = {"versions": {"statsmodels": statsmodels.__version__, "scikit-learn": sklearn.__version__}}

longley = sm.datasets.longley.load_pandas().data
longley.columns = [c.lower() for c in longley.columns]
longley["w"] = [1 + (3 * i) % 5 for i in range(len(longley))]
longley.to_csv("longley.csv", index=False)
grunfeld = sm.datasets.grunfeld.load_pandas().data
grunfeld.to_csv("grunfeld.csv", index=False)
flights = pd.read_csv("../flights.csv.gz")


def statistics(fit, rows=None):
    """broom's augment from statsmodels' get_influence; all as R has them for weights of precision."""
    whitened = fit if isinstance(fit.model, sm.OLS) else sm.OLS(fit.model.wendog, fit.model.wexog).fit()
    influence = whitened.get_influence()
    hat = influence.hat_matrix_diag
    table = {
        "fitted": fit.fittedvalues,
        "se.fit": fit.get_prediction().se_mean,
        "resid": fit.model.endog - fit.fittedvalues,
        "hat": hat,
        "sigma": np.sqrt(influence.sigma2_not_obsi),
        "cooksd": influence.cooks_distance[0],
        "std.resid": influence.resid_studentized_internal,
    }
    pick = (lambda v: np.asarray(v)) if rows is None else (lambda v: np.asarray(v)[rows])
    return {name: [float(x) for x in pick(values)] for name, values in table.items()}


LONGLEY = "totemp ~ gnpdefl + gnp + unemp + armed + pop + year"
GRUNFELD = "invest ~ value + capital + C(firm)"
plain = smf.ols(LONGLEY, longley).fit()
firms = smf.ols(GRUNFELD, grunfeld).fit()
out["augment"] = [
    {"name": "longley", "data": "after_fit/longley.csv", "formula": LONGLEY, "rows": None, "values": statistics(plain)},
    {"name": "longley, analytic weights", "data": "after_fit/longley.csv", "formula": LONGLEY, "options": "--weights w --weight-type analytic",
     "rows": None, "values": statistics(smf.wls(LONGLEY, longley, weights=longley["w"]).fit())},
    {"name": "grunfeld, a category", "data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "rows": None, "values": statistics(firms)},
]
# Robust standard errors change se.fit alone.
robust = statistics(firms)
robust["se.fit"] = [float(x) for x in firms.get_robustcov_results("HC3").get_prediction().se_mean]
out["augment"].append({"name": "grunfeld, hc3", "data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "options": "--vcov hc3",
                       "rows": None, "values": robust})
# A frequency weight stands for equal rows: the fit to all of them, and the first of each.
repeated = longley.loc[longley.index.repeat(longley["w"].astype(int))]
first = np.r_[0, np.cumsum(longley["w"].astype(int))[:-1]]
out["augment"].append({"name": "longley, frequency weights", "data": "after_fit/longley.csv", "formula": LONGLEY,
                       "options": "--weights w --weight-type frequency", "rows": None,
                       "values": statistics(smf.ols(LONGLEY, repeated).fit(), first)})
# The first 200 rows and every 5000th of the flights.
FLIGHTS = "arr_delay ~ dep_delay + distance + C(month)"
fit = smf.ols(FLIGHTS, flights).fit()
used = np.flatnonzero(flights["arr_delay"].notna() & flights["dep_delay"].notna())
chosen = np.unique(np.r_[np.arange(200), np.arange(0, len(used), 5000)])
X, s2 = fit.model.exog, fit.mse_resid
inverse = np.linalg.inv(X.T @ X)
hat = np.einsum("ij,jk,ik->i", X[chosen], inverse, X[chosen])
e = np.asarray(fit.resid)[chosen]
n, p = X.shape
values = {
    "fitted": np.asarray(fit.fittedvalues)[chosen], "se.fit": np.sqrt(hat * s2), "resid": e, "hat": hat,
    "sigma": np.sqrt((fit.ssr - e**2 / (1 - hat)) / (n - p - 1)),
    "cooksd": e**2 / s2 / (1 - hat) ** 2 * hat / p, "std.resid": e / np.sqrt(s2 * (1 - hat)),
}
out["augment"].append({"name": "flights", "data": "flights.parquet", "formula": FLIGHTS, "rows": [int(used[i]) for i in chosen],
                       "values": {k: [float(x) for x in v] for k, v in values.items()}})


def wald(fit, terms):
    table = fit.wald_test_terms(scalar=True).table
    return {t: {"statistic": float(table.loc[t, "statistic"]), "p": float(table.loc[t, "pvalue"]),
                "df": int(table.loc[t, "df_constraint"])} for t in terms}


def anova(fit, terms):
    table = sm.stats.anova_lm(fit, typ=3)
    return {t: {"statistic": float(table.loc[t, "F"]), "p": float(table.loc[t, "PR(>F)"]), "df": int(table.loc[t, "df"])}
            for t in terms}


BOTH = "arr_delay ~ dep_delay + C(month) * C(origin)"
POLY = "invest ~ value + I(capital**2) + C(firm)"
both = smf.ols(BOTH, flights).fit()
out["factors"] = [
    {"name": "grunfeld by anova", "data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "options": "",
     "tests": anova(firms, ["C(firm)", "value"])},
    {"name": "grunfeld, hc1", "data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "options": "--vcov hc1",
     "tests": wald(smf.ols(GRUNFELD, grunfeld).fit(cov_type="HC1", use_t=True), ["C(firm)", "value"])},
    {"name": "flights by anova", "data": "flights.parquet", "formula": FLIGHTS, "options": "", "tests": anova(fit, ["C(month)"])},
    {"name": "flights, an interaction", "data": "flights.parquet", "formula": BOTH, "options": "",
     "tests": anova(both, ["C(month)", "C(origin)", "C(month):C(origin)"])},
    {"name": "flights, clusters", "data": "flights.parquet", "formula": FLIGHTS, "options": "--cluster dest",
     "tests": wald(smf.ols(FLIGHTS, flights.loc[flights.index[used]]).fit(
         cov_type="cluster", cov_kwds={"groups": pd.factorize(flights["dest"].iloc[used])[0]}, use_t=True), ["C(month)"])},
]
# A category of more than 200 levels, which is eliminated: F of the sums of squares without it, from the within transformation.
cols = ["arr_delay", "dep_delay", "distance", "month", "tailnum"]
rows = flights[cols].dropna()
rows = rows[rows["tailnum"].isin(rows["tailnum"].value_counts().index[:250])]
within = lambda v: np.asarray(v - v.groupby(rows["tailnum"]).transform("mean"), dtype=float)
months = pd.get_dummies(rows["month"], prefix="m", drop_first=True).astype(float)


def rss(columns, eliminated):
    """Sum of squared residuals, with or without the levels of tailnum, and the number of columns."""
    if eliminated:
        A = np.column_stack([within(pd.Series(c, index=rows.index)) for c in columns])
        y = within(rows["arr_delay"])
        extra = rows["tailnum"].nunique()
    else:
        A = np.column_stack([np.ones(len(rows))] + [np.asarray(c, float) for c in columns])
        y = rows["arr_delay"].to_numpy(float)
        extra = 0
    b, _, rank, _ = np.linalg.lstsq(A, y, rcond=None)
    r = y - A @ b
    return float(r @ r), rank + extra


slopes = [rows["dep_delay"], rows["distance"]]
dummies = [months[c] for c in months]
full, rank = rss(slopes + dummies, True)
df = len(rows) - rank
from scipy.stats import f as fdist
tests = {}
for term, restricted in [("tailnum", rss(slopes + dummies, False)), ("C(month)", rss(slopes, True)),
                         ("distance", rss([rows["dep_delay"]] + dummies, True))]:
    q = rank - restricted[1]
    F = (restricted[0] - full) / q / (full / df)
    tests[term] = {"statistic": F, "p": float(fdist.sf(F, q, df)), "df": int(q)}
planes = sorted(rows["tailnum"].unique())
out["eliminated"] = {"formula": "arr_delay ~ dep_delay + distance + C(month) + tailnum", "rows": len(rows), "levels": len(planes),
                     "df_residual": int(df), "tests": tests}
rows.to_csv("planes.csv.gz", index=False, compression={"method": "gzip", "mtime": 0})


def mix(z):
    """SplitMix64's finaliser."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def folds(rows, count, seed):
    """The folds of rows by their numbers, as core's RowIds says: every run of `count` rows has one in each fold."""
    golden = 0x9E3779B97F4A7C15
    start = mix((seed + golden) % 2**64)

    def run(first):
        order = list(range(count))
        for i in range(count - 1, 0, -1):
            j = mix((start + (first + i) * golden) % 2**64) * (i + 1) >> 64
            order[i], order[j] = order[j], order[i]
        return order

    dealt = {first: run(first) for first in {r - r % count for r in rows}}
    return np.array([dealt[r - r % count][r % count] for r in rows])


def errors(X, y, own):
    split, model = PredefinedSplit(own), LinearRegression()
    score = lambda name: cross_val_score(model, X, y, cv=split, scoring=name)
    rmse, r2, mse = -score("neg_root_mean_squared_error"), score("r2"), -score("neg_mean_squared_error")
    sizes = np.bincount(own)
    se = lambda v: float(np.std(v, ddof=1) / np.sqrt(len(v)))
    return {"rmse": [float(v) for v in rmse], "r_squared": [float(v) for v in r2], "rows": [int(v) for v in sizes],
            "mean_rmse": float(rmse.mean()), "se_rmse": se(rmse), "mean_r_squared": float(r2.mean()), "se_r_squared": se(r2),
            "pooled_rmse": float(np.sqrt((mse * sizes).sum() / sizes.sum()))}


dummies = lambda column: pd.get_dummies(column, drop_first=True).astype(float)
complete = flights[["arr_delay", "dep_delay", "distance", "month"]].dropna()
cases = [
    ("longley", longley[["gnp", "unemp", "armed"]], longley["totemp"], "totemp ~ gnp + unemp + armed", "after_fit/longley.csv", 3, 0),
    ("grunfeld", pd.concat([grunfeld[["value", "capital"]], dummies(grunfeld["firm"])], axis=1), grunfeld["invest"], GRUNFELD,
     "after_fit/grunfeld.csv", 5, 7),
    ("flights", pd.concat([complete[["dep_delay", "distance"]], dummies(complete["month"]).add_prefix("m")], axis=1),
     complete["arr_delay"], FLIGHTS, "flights.parquet", 10, 1),
]
out["cv"] = []
for name, X, y, formula, data, count, seed in cases:
    X = X.rename(columns=str)
    own = folds(X.index, count, seed)
    out["cv"].append({"name": name, "formula": formula, "data": data, "folds": count, "seed": seed, **errors(X, y, own)})


def standardised(fit, weights=None):
    """b sd(x) / sd(y), as R's lm.beta: about the (weighted) means with an intercept, about zero without one."""
    X, y = fit.model.exog, fit.model.endog
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    centred = "Intercept" in fit.params.index

    def size(v):
        middle = np.average(v, weights=w) if centred else 0.0
        return np.sqrt(np.sum(w * (v - middle) ** 2))

    return {name: float(b * size(X[:, j]) / size(y)) for j, (name, b) in enumerate(fit.params.items()) if name != "Intercept"}


SHORT = "totemp ~ 0 + gnp + unemp"
out["standardized"] = [
    {"name": "longley", "data": "after_fit/longley.csv", "formula": LONGLEY, "options": "", "values": standardised(plain)},
    {"name": "longley, weighted", "data": "after_fit/longley.csv", "formula": LONGLEY, "options": "--weights w --weight-type analytic",
     "values": standardised(smf.wls(LONGLEY, longley, weights=longley["w"]).fit(), longley["w"])},
    {"name": "longley, no intercept", "data": "after_fit/longley.csv", "formula": SHORT, "options": "",
     "values": standardised(smf.ols(SHORT, longley).fit())},
    {"name": "grunfeld", "data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "options": "", "values": standardised(firms)},
    {"name": "flights", "data": "flights.parquet", "formula": FLIGHTS, "options": "", "values": standardised(fit)},
]
# The category that is eliminated has its levels standardised too; the same for two of them, by hand.
y = rows["arr_delay"].to_numpy(float)
A = np.column_stack([within(c) for c in [rows["dep_delay"], rows["distance"]]])
b = np.linalg.lstsq(A, within(rows["arr_delay"]), rcond=None)[0]
means = rows.groupby("tailnum")[["arr_delay", "dep_delay", "distance"]].mean()
effects = means["arr_delay"] - means[["dep_delay", "distance"]].to_numpy() @ b
out["eliminated"]["standardized"] = {
    "formula": "arr_delay ~ dep_delay + distance + tailnum",
    "values": {
        "dep_delay": float(b[0] * rows["dep_delay"].std() / y.std(ddof=1)),
        "distance": float(b[1] * rows["distance"].std() / y.std(ddof=1)),
        **{f"tailnum[T.{plane}]": float((effects[plane] - effects[planes[0]]) * (rows["tailnum"] == plane).astype(float).std() / y.std(ddof=1))
           for plane in [planes[1], planes[120], planes[-1]]},
    },
}

# Predictions at values.
at = {"gnpdefl": 100.0, "gnp": 400000.0, "unemp": 3000.0, "armed": 2700.0, "pop": 118000.0, "year": 1956.0}


def frame(fit, rows):
    table = fit.get_prediction(pd.DataFrame(rows)).summary_frame()
    return [[float(v) for v in row] for row in
            table[["mean", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper"]].to_numpy()]


out["at"] = [
    {"data": "after_fit/longley.csv", "formula": LONGLEY, "at": ["gnpdefl=100,gnp=400000,unemp=3000,armed=2700,pop=118000,year=1956"],
     "values": frame(plain, [at])},
    {"data": "after_fit/grunfeld.csv", "formula": GRUNFELD, "at": ["value=100:300:100,capital=50,firm=IBM"],
     "values": frame(firms, [{"value": v, "capital": 50.0, "firm": "IBM"} for v in (100.0, 200.0, 300.0)])},
    {"data": "flights.parquet", "formula": FLIGHTS, "at": ["dep_delay=10,distance=500,month=1", "dep_delay=10,distance=500,month=12"],
     "values": frame(fit, [{"dep_delay": 10.0, "distance": 500.0, "month": m} for m in (1, 12)])},
]

# Errors by group.
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

used_rows = flights.loc[flights.index[used]]
predicted = fit.predict(used_rows)
groups = {}
for carrier, own in used_rows.groupby("carrier"):
    p, t = predicted[own.index], own["arr_delay"]
    groups[carrier] = {"rows": len(own), "mse": float(mean_squared_error(t, p)), "rmse": float(np.sqrt(mean_squared_error(t, p))),
                       "mae": float(mean_absolute_error(t, p)), "r_squared": float(r2_score(t, p)), "bias": float((p - t).mean())}
out["evaluate"] = {"formula": FLIGHTS, "by": "carrier", "groups": groups}

json.dump(out, open("expected.json", "w"), indent=1)
