"""Golden values for formulas, weights, groups and missing data: writes formulas.json.

usage: make_formulas.py        (in tests/golden; needs numpy, pandas, pyarrow, formulaic, mpmath, statsmodels)

formulaic makes the design and its names. The regression is solved in long double: the columns are first made
nearly orthonormal by the R of a float64 QR, so that the normal equations lose nothing, and orthogonal
polynomials are computed in 50 digits. statsmodels is the witness: the worst relative difference from it is
printed. R's conventions: R-squared is centred if the formula has an intercept, uncentred otherwise; a column that
depends on earlier ones is set aside; the variance counts as a parameter in AIC and BIC.
"""
import json
import re

import mpmath as mp
import numpy as np
import pandas as pd
import statsmodels.api as sm
from formulaic import model_matrix

mp.mp.dps = 50
LONG = np.longdouble
KNOWN = {"sqrt": np.sqrt, "log1p": np.log1p}
FLIGHTS = pd.read_parquet("flights.parquet")


def used_rows(frame, columns):
    rows = frame[columns].dropna()
    return rows.astype({c: "int64" for c in rows if rows[c].dtype == float and (rows[c] % 1 == 0).all()})


def poly(x, degree):
    """R's poly: orthogonal polynomials of unit length over the rows, from the distinct values and their counts."""
    values, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    counts = [int(c) for c in counts]
    mean = mp.fsum(c * int(v) for c, v in zip(counts, values)) / sum(counts)
    basis = [[mp.mpf(1)] * len(values)]
    for k in range(1, degree + 1):
        column = [(int(v) - mean) ** k for v in values]
        for b in basis:
            dot = mp.fsum(c * s * t for c, s, t in zip(counts, column, b))
            dot /= mp.fsum(c * t * t for c, t in zip(counts, b))
            column = [s - dot * t for s, t in zip(column, b)]
        basis.append(column)
    columns = []
    for b in basis[1:]:
        length = mp.sqrt(mp.fsum(c * t * t for c, t in zip(counts, b)))
        columns.append(np.array([LONG(mp.nstr(t / length, 25)) for t in b])[which])
    return columns


def design(formula, frame):
    """Names as formulaic writes them, but `(Intercept)` and R's spelling of what is computed, and the columns."""
    right = re.sub(r"I\((\w+)\^", r"I(\1**", formula.split("~")[1])
    matrix = model_matrix(right, frame, context=KNOWN)
    names, x = list(matrix.columns), np.asarray(matrix, dtype=LONG)
    for j, name in enumerate(names):
        if found := re.fullmatch(r"poly\((\w+), (\d)\)\[(\d)\]", name):
            exact = poly(frame[found[1]].to_numpy(), int(found[2]))[int(found[3]) - 1]
            assert np.abs(exact - x[:, j]).max() < 1e-10
            x[:, j] = exact
    names = ["(Intercept)" if n == "Intercept" else n.replace(" ** ", "^").replace(" / ", "/") for n in names]
    return names, x


def independent(x):
    """Positions of the columns that do not depend on the ones before."""
    x, kept, basis = x.astype(float), [], np.zeros((len(x), 0))
    for j in range(x.shape[1]):
        rest = x[:, j]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > 1e-10 * np.linalg.norm(x[:, j]):
            kept.append(j)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return kept


def solve(x, y):
    """Coefficients, the diagonal of (X'X)^-1, and the residuals, in long double."""
    turn = np.linalg.inv(np.linalg.qr(x.astype(float), mode="r")).astype(LONG)
    q = x @ turn
    gram, identity = q.T @ q, np.eye(x.shape[1], dtype=LONG)
    inverse = identity
    for _ in range(3):
        inverse = inverse @ (2 * identity - gram @ inverse)
    b = inverse @ (q.T @ y)
    b = turn @ (b + inverse @ (q.T @ (y - q @ b)))
    return b, np.diag(turn @ inverse @ turn.T), y - x @ b


def regress(names, x, y, weights=None, weight_type=None, likelihood=False, coefficients=True):
    kept = independent(x)
    y = np.asarray(y, dtype=LONG)
    w = np.ones(len(y), dtype=LONG) if weights is None else np.asarray(weights, dtype=LONG)
    root = np.sqrt(w)
    b, bread, residuals = solve(x[:, kept] * root[:, None], y * root)
    n = int(w.sum()) if weight_type == "frequency" else len(y)
    df, rss = n - len(kept), residuals @ residuals
    intercept = names[0] == "(Intercept)"
    centre = w @ y / w.sum() if intercept else 0
    tss = w @ (y - centre) ** 2
    sigma = np.sqrt(rss / df)
    out = {"nobs": n, "rank": len(kept), "df_resid": df, "r_squared": float(1 - rss / tss), "sigma": float(sigma)}
    if not intercept:
        out["r_squared_centred"] = float(1 - rss / (w @ (y - w @ y / w.sum()) ** 2))
    errors = sigma * np.sqrt(bread)
    if likelihood:
        logs = np.log(w).sum() if weight_type == "analytic" else 0
        loglik = (logs - n * (np.log(2 * LONG(np.pi)) + 1 + np.log(rss / n))) / 2
        parameters = len(kept) + 1
        out["log_lik"], out["aic"] = float(loglik), float(2 * parameters - 2 * loglik)
        out["bic"] = float(np.log(LONG(n)) * parameters - 2 * loglik)
    if coefficients:
        entries = [{"term": t, "estimate": None, "std_error": None} for t in names]
        for j, estimate, error in zip(kept, b, errors):
            entries[j].update(estimate=float(estimate), std_error=float(error))
        out["coefficients"] = entries
    else:
        out.update(rss=float(rss), tss=float(tss), fitted_ss=float(tss - rss), terms=names)
    if len(kept) < len(names):
        out["aliased"] = [t for j, t in enumerate(names) if j not in kept]
    print(f"  n {n}, rank {len(kept)} of {len(names)}: {witness(x[:, kept], y, w, weight_type, out, b, errors):.1e}")
    return out


def witness(x, y, w, weight_type, out, b, errors):
    """The worst relative difference from statsmodels."""
    x, y, w = x.astype(float), y.astype(float), w.astype(float)
    if weight_type == "frequency":
        times = w.astype(int)
        x, y, w = np.repeat(x, times, axis=0), np.repeat(y, times), np.ones(times.sum())
    fit = sm.WLS(y, x, weights=w, hasconst=None).fit(method="qr")
    pairs = [(np.sqrt(fit.scale), out["sigma"]), (fit.ssr, out["sigma"] ** 2 * out["df_resid"])]
    pairs += [*zip(fit.params, b), *zip(fit.bse, errors)]
    pairs.append((fit.rsquared, out.get("r_squared_centred", out["r_squared"])))
    if "log_lik" in out:
        pairs.append((fit.llf, out["log_lik"]))
    return max(abs(float(a) / float(c) - 1) for a, c in pairs)


def case(id_, formula, rename=None, weights=None, weight_type=None, targets=None, by=None, made=None, **more):
    """One case. `made`: the formula as formulaic must read it, if that is not `formula`."""
    print(id_)
    response, right = formula.split(" ~ ")
    columns = {*re.findall(r"\w+", right), *(targets or [response]), weights, by}
    rows = used_rows(FLIGHTS, [c for c in FLIGHTS if c in columns])
    out = {"id": id_, "data": "flights.parquet", "formula": formula, **more.pop("options", {})}
    if weights:
        out.update(weights=weights, weight_type=weight_type)

    def one(rows, response):
        names, x = design(made or formula, rows)
        names = [rename(n) for n in names] if rename else names
        return regress(names, x, rows[response], rows[weights] if weights else None, weight_type, **more)

    if by:
        out["by"] = by
        out["groups"] = [{"group": g, **one(part, response)} for g, part in rows.groupby(by)]
    elif targets:
        out["targets"] = [{"target": t, **one(rows, t)} for t in targets]
    else:
        out.update(one(rows, response))
    return out


def missing():
    """`--missing indicator`: the mean and a column of 0 and 1 for numbers, a last level for categories."""
    print("missing-indicator")
    frame = pd.read_csv("missing.csv").dropna(subset="y")
    names, columns = ["(Intercept)"], [np.ones(len(frame))]
    for name in ["x", "g", "z", "h"]:
        values = frame[name]
        if values.dtype == float:
            names += [name, f"{name}[missing]"]
            columns += [values.fillna(values.mean()), values.isna()]
        else:
            levels = sorted(values.dropna().unique())[1:]
            names += [f"{name}[T.{level}]" for level in levels] + [f"{name}[T.(missing)]"]
            columns += [values == level for level in levels] + [values.isna()]
    x = np.column_stack([np.asarray(c, dtype=LONG) for c in columns])
    for name in ["x", "z"]:
        present = frame[name].dropna().astype(LONG)
        x[frame[name].isna(), names.index(name)] = present.sum() / len(present)
    head = {"id": "missing-indicator", "data": "missing.csv", "formula": "y ~ x + g + z + h", "missing": "indicator"}
    return {**head, "rows": 28, **regress(names, x, frame["y"])}


def main():
    base = "arr_delay ~ dep_delay + origin"
    sums = "arr_delay ~ dep_delay + C(origin, contr.sum) + C(month, contr.sum)"
    lga = "arr_delay ~ dep_delay + C(origin, contr.treatment('LGA'))"
    many = "arr_delay ~ dep_delay + C(carrier) + origin + distance + I(distance^2) + dep_delay:origin"
    functions = "log(distance) ~ sqrt(air_time) + log1p(dep_time) + abs(dep_delay) + exp(month/12)"
    FLIGHTS["log(distance)"] = np.log(FLIGHTS["distance"])

    def plain(name):
        return name.replace("C(origin, contr.sum)", "origin").replace("C(month, contr.sum)", "C(month)")

    cases = [
        case("many-kinds", many),
        case("poly", "arr_delay ~ dep_delay + poly(distance, 2)"),
        case("star", "arr_delay ~ dep_delay*origin + C(month)"),
        case("no-intercept", "arr_delay ~ 0 + origin + dep_delay"),
        case("no-intercept-interaction", "arr_delay ~ 0 + origin:dep_delay + carrier"),
        case("aliased-interaction", "arr_delay ~ origin:carrier", coefficients=False),
        case("aliased-star", "arr_delay ~ origin*carrier", coefficients=False),
        case("functions", functions),
        case(
            "sum-contrasts",
            "arr_delay ~ dep_delay + origin + C(month)",
            plain,
            made=sums,
            options={"contrasts": "sum"},
        ),
        case(
            "reference-level",
            base,
            lambda n: n.replace("C(origin, contr.treatment('LGA'))", "origin"),
            made=lga,
            options={"reference": {"origin": "LGA"}},
        ),
        case("analytic-weights", base, weights="distance", weight_type="analytic", likelihood=True),
        case("frequency-weights", base, weights="month", weight_type="frequency", likelihood=True),
        case(
            "analytic-weights-poly",
            "arr_delay ~ dep_delay + poly(distance, 3)",
            weights="month",
            weight_type="analytic",
            likelihood=True,
        ),
        case("by-carrier", "arr_delay ~ dep_delay + distance", by="carrier"),
        case("two-targets", "arr_delay + dep_delay ~ distance + origin", targets=["arr_delay", "dep_delay"]),
        missing(),
    ]
    note = (
        "Made by make_formulas.py: designs and names by formulaic, solved in long double, within 1e-9 of statsmodels. "
        "Rows with a null in a column of the formula are left out. estimate null: set aside, depends on earlier terms. "
        "r_squared is uncentred without an intercept; r_squared_centred stands beside it then."
    )
    with open("formulas.json", "w") as file:
        file.write(json.dumps({"note": note, "cases": cases}, indent=1) + "\n")


main()
