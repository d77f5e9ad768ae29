"""The minima that tests/iterative.rs holds, by solvers of others on the data that the test makes.

    oracles.py > oracles.json

Uniform numbers are those of SplitMix64 by counter, so that any language repeats them to the bit: number i is
(mix(i * 0x9e3779b97f4a7c15) >> 11) / 2^53. Needs numpy, scipy, statsmodels, scikit-learn.
"""
import json
import numpy as np
import scipy
import sklearn
import statsmodels
from scipy.optimize import linprog, minimize
from scipy import sparse
from sklearn.linear_model import ElasticNet
from statsmodels.regression.quantile_regression import QuantReg

N, P = 100_000, 6
SCALES = [1e-3, 1e3, 1.0, 50.0, 1e-6, 1e6]
MEANS = [2.0, -1.0, 0.0, 3.0, 0.5, 1.0]
SLOPES = [1.0, -0.5, 0.0, 0.25, 2.0, 0.0]


def uniforms(first, count):
    z = (np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def data():
    u = uniforms(1, N * (P + 2)).reshape(N, P + 2)
    x = np.empty((N, P))
    y = np.zeros(N)
    for j in range(P):
        z = u[:, j] - 0.5
        if j > 0:                                  # neighbours are correlated
            z = z + 0.5 * (u[:, j - 1] - 0.5)
        x[:, j] = SCALES[j] * (z + MEANS[j])
        y = y + SLOPES[j] * z
    tail = np.where(u[:, P] < 0.1, 20.0, 1.0)
    y = y + tail * (u[:, P + 1] - 0.4) + 1.0
    return x, y


def huber(r, d):
    a = np.abs(r)
    return np.where(a <= d, 0.5 * r * r, d * (a - 0.5 * d))


def main():
    with np.errstate(over="ignore"):
        x, y = data()
    z = np.column_stack([x / SCALES, np.ones(N)])
    out = {"checksum": [float(x[0, 0]), float(x[-1, P - 1]), float(y[0]), float(y[-1])], "versions": {
        "numpy": np.__version__, "scipy": scipy.__version__, "sklearn": sklearn.__version__,
        "statsmodels": statsmodels.__version__}}
    b = np.linalg.lstsq(z, y, rcond=None)[0]
    out["squared"] = {"loss": 0.5 * np.mean((y - z @ b) ** 2)}

    def smooth(d, l2=0.0):
        def f(t):
            r = y - z @ t
            beta = t[:P] / SCALES
            g = -(z.T @ np.clip(r, -d, d)) / N
            g[:P] += l2 * beta / SCALES
            return np.mean(huber(r, d)) + 0.5 * l2 * beta @ beta, g
        best = minimize(f, b, jac=True, method="BFGS", options={"gtol": 1e-12, "maxiter": 10_000})
        best = minimize(f, best.x, jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-13})
        return {"loss": float(best.fun), "slopes": [float(v) for v in best.x[:P] / SCALES]}
    out["huber 0.3"] = smooth(0.3)
    for tau in (0.1, 0.5, 0.9):
        fit = QuantReg(y, z).fit(q=tau, max_iter=5_000, p_tol=1e-10)
        r = y - z @ fit.params
        out[f"quantile {tau}"] = {"loss": float(np.mean(np.where(r < 0, (tau - 1) * r, tau * r)))}
    # epsilon-insensitive: min sum of u subject to |y - z t| - epsilon <= u, u >= 0
    eps = 0.2
    i = sparse.identity(N, format="csr")
    s = sparse.csr_matrix(z)
    lp = linprog(np.r_[np.zeros(P + 1), np.full(N, 1 / N)],
                 A_ub=sparse.vstack([sparse.hstack([s, -i]), sparse.hstack([-s, -i])], format="csr"),
                 b_ub=np.r_[y + eps, eps - y], bounds=[(None, None)] * (P + 1) + [(0, None)] * N, method="highs")
    out["epsilon-insensitive 0.2"] = {"loss": float(lp.fun)}
    # Columns in the units of z, so that a penalty touches them all.
    for name, lam, ratio in (("lasso", 0.01, 1.0), ("elastic net", 0.02, 0.5)):
        m = ElasticNet(alpha=lam, l1_ratio=ratio, tol=1e-14, max_iter=1_000_000).fit(z[:, :P], y)
        w = m.coef_
        r = y - m.predict(z[:, :P])
        value = 0.5 * np.mean(r * r) + lam * (ratio * np.abs(w).sum() + 0.5 * (1 - ratio) * w @ w)
        out[name] = {"objective": float(value), "coefficients": [float(v) for v in w]}
    print(json.dumps(out, indent=1))


main()
