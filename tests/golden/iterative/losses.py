"""Minima and standard errors of losses other than squares, for tests/losses.rs: minima by HiGHS and by iterated least squares,
standard errors by statsmodels' QuantReg (iid) and RLM (H1), and by the formula of quantreg's summary.rq(se = "ker").

    losses.py > losses.json

The data are stackloss (Brownlee 1965), Engel's food expenditure (Koenker & Bassett 1982) and Longley's (1967), as
statsmodels ships them, public domain. Needs numpy, scipy, statsmodels, pandas.
"""
import json
import numpy as np
import statsmodels
import statsmodels.api as sm
from scipy.optimize import linprog
from scipy.stats import norm
from statsmodels.regression.quantile_regression import hall_sheather


def pinball(X, y, up, down):
    n, p = X.shape
    # Columns about their means, so that the program is well scaled.
    mean, scale = X.mean(0), X.std(0)
    mean[0], scale[0] = 0.0, 1.0
    Z = (X - mean) / scale
    A = np.hstack([Z, np.eye(n), -np.eye(n)])
    cost = np.concatenate([np.zeros(p), up, down])
    found = linprog(cost, A_eq=A, b_eq=y, bounds=[(None, None)] * p + [(0, None)] * (2 * n), method="highs-ds")
    slopes = found.x[:p] / scale
    slopes[0] -= (slopes * mean)[1:].sum()
    return found.fun, slopes


def kernel_errors(X, y, b, q):
    n = len(y)
    u = y - X @ b
    h = hall_sheather(n, q)
    while q - h < 0 or q + h > 1:
        h /= 2
    h = (norm.ppf(q + h) - norm.ppf(q - h)) * min(u.std(), np.subtract(*np.quantile(u, [0.75, 0.25])) / 1.34)
    f = norm.pdf(u / h) / h
    bread = np.linalg.inv(X.T @ (X * f[:, None]))
    return np.sqrt(np.diag(q * (1 - q) * bread @ (X.T @ X) @ bread))


def iid_errors(X, y, b, q):
    """statsmodels' own code at the exact vertex: QuantReg ends up to 1e-6 beside it."""
    model = sm.QuantReg(y, X)
    fit = model.fit(q=q, vcov="iid", kernel="epa", bandwidth="hsheather", p_tol=1e-10, max_iter=20_000)
    e = y - X @ b
    n = len(y)
    h = hall_sheather(n, q)
    while q - h < 0 or q + h > 1:
        h /= 2
    h = min(e.std(), np.subtract(*np.quantile(e, [0.75, 0.25])) / 1.34) * (norm.ppf(q + h) - norm.ppf(q - h))
    density = (0.75 * (1 - (e / h) ** 2) * (abs(e / h) <= 1)).sum() / (n * h)
    own = np.sqrt(np.diag(q * (1 - q) / density**2 * np.linalg.inv(X.T @ X)))
    return own, fit.bse, h


def huber(X, y, delta):
    b = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(100_000):
        w = np.sqrt(np.minimum(1.0, delta / np.maximum(abs(y - X @ b), 1e-300)))
        new = np.linalg.lstsq(X * w[:, None], y * w, rcond=None)[0]
        if np.max(abs(new - b) / (abs(new) + 1e-12)) < 1e-14:
            break
        b = new
    r = abs(y - X @ b)
    return np.where(r <= delta, r * r / 2, delta * (r - delta / 2)).mean(), b


out = {"versions": {"statsmodels": statsmodels.__version__, "numpy": np.__version__}}
for name in ["stackloss", "engel", "longley"]:
    data = getattr(sm.datasets, name).load_pandas()
    y, features = data.endog.to_numpy(float), data.exog.to_numpy(float)
    X = np.column_stack([np.ones(len(y)), features])
    own = {"columns": ["y"] + [f"x{j}" for j in range(features.shape[1])], "rows": np.column_stack([y, features]).tolist()}
    n = len(y)
    for q in [0.05, 0.25, 0.5, 0.9]:
        loss, b = pinball(X, y, np.full(n, q), np.full(n, 1 - q))
        iid, shipped, h = iid_errors(X, y, b, q)
        own[f"quantile {q}"] = {
            "loss": loss / n, "coefficients": b.tolist(), "iid": iid.tolist(),
            # Where QuantReg comes to an end.
            "statsmodels": shipped.tolist() if np.allclose(shipped, iid, rtol=1e-3) else None,
            "bandwidth": h, "ker": kernel_errors(X, y, b, q).tolist(),
        }
    epsilon = round(float(0.1 * y.std()), 6)
    Z, t = np.vstack([X, X]), np.concatenate([y - epsilon, y + epsilon])
    loss, _ = pinball(Z, t, np.r_[np.ones(n), np.zeros(n)], np.r_[np.zeros(n), np.ones(n)])
    own["epsilon-insensitive"] = {"epsilon": epsilon, "loss": loss / n}
    # Huber's loss with a fixed delta is RLM with a fixed scale.
    rlm = sm.RLM(y, X, M=sm.robust.norms.HuberT(t=1.345))
    fit = rlm.fit(scale_est="mad", update_scale=False, maxiter=5_000, tol=1e-14, cov="H1")
    delta = 1.345 * float(fit.scale)
    loss, b = huber(X, y, delta)
    r = y - X @ b
    within, psi = abs(r) <= delta, np.clip(r, -delta, delta)
    bread = np.linalg.inv(X.T @ (X * within[:, None]))
    hc0 = np.sqrt(np.diag(bread @ (X.T @ (X * (psi**2)[:, None])) @ bread))
    own["huber"] = {"delta": delta, "loss": loss, "coefficients": b.tolist(), "H1": fit.bse.tolist(),
                    "statsmodels": fit.params.tolist(), "hc0": hc0.tolist()}
    out[name] = own
print(json.dumps(out, indent=1))
