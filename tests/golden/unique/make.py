"""Whether the minimum of a quantile fit is unique, in rational numbers.

    python make.py            in this folder; writes expected.json

A minimum of the loss is a vertex: a point where as many rows as there are coefficients lie on the fit. All vertices of small tables are
tried with Python's fractions; the minimum is unique where one alone has the least loss.
"""
import itertools
import json
import random
from fractions import Fraction

random.seed(5)


def solve(rows, right):
    n, table = len(rows), [row[:] + [x] for row, x in zip(rows, right)]
    for j in range(n):
        pivot = next((i for i in range(j, n) if table[i][j] != 0), None)
        if pivot is None:
            return None
        table[j], table[pivot] = table[pivot], table[j]
        table[j] = [x / table[j][j] for x in table[j]]
        for i in range(n):
            if i != j:
                table[i] = [a - table[i][j] * b for a, b in zip(table[i], table[j])]
    return tuple(row[-1] for row in table)


def cost(rows, y, tau, t):
    residuals = (own - sum(a * b for a, b in zip(row, t)) for row, own in zip(rows, y))
    return sum(tau * r if r > 0 else (tau - 1) * r for r in residuals)


cases = []
while len(cases) < 120:
    n, p, most = random.randint(4, 9), random.randint(0, 2), random.choice([4, 999])
    x = [[random.randint(0, most) for _ in range(p)] for _ in range(n)]
    y = [random.randint(0, most) for _ in range(n)]
    tau = random.choice([Fraction(1, 2), Fraction(1, 4), Fraction(3, 10), Fraction(1, 2)])
    rows = [[Fraction(1)] + [Fraction(v) for v in row] for row in x]
    points = (solve([rows[i] for i in own], [y[i] for i in own]) for own in itertools.combinations(range(n), p + 1))
    costs = {t: cost(rows, y, tau, t) for t in points if t is not None}
    if costs:
        least = min(costs.values())
        cases.append({"x": x, "y": y, "tau": float(tau), "loss": float(least / n),
                      "unique": sum(own == least for own in costs.values()) == 1})
json.dump({"cases": cases}, open("expected.json", "w"))
