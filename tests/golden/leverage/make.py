"""HC2 and HC3 standard errors where a row has nearly all leverage, in rational numbers.

    python make.py            in this folder; writes expected.json

A line through five points that lie close together and one far away, in units of the distance of the five. The cells are float64, the
rest is Python's fractions; the square root is taken of 60 digits.
"""
import json
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 60
OFFSETS, Y = [0, 1, 2, -1, 0.5, None], [1, 2, 0.5, 3, 1.7, 5]


def errors(xs):
    x, y = [Fraction(v) for v in xs], [Fraction(v) for v in Y]
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    sxx = sum((v - mx) ** 2 for v in x)
    slope = sum((v - mx) * (w - my) for v, w in zip(x, y)) / sxx
    totals, least = {"hc2": Fraction(0), "hc3": Fraction(0)}, Fraction(1)
    for v, w in zip(x, y):
        left = 1 - Fraction(1, n) - (v - mx) ** 2 / sxx
        score = ((v - mx) / sxx * (w - my - slope * (v - mx))) ** 2
        totals["hc2"] += score / left
        totals["hc3"] += score / left**2
        least = min(least, left)
    root = lambda q: float((Decimal(q.numerator) / Decimal(q.denominator)).sqrt())
    return {"x": xs, "y": Y, "left": float(least), **{kind: root(total) for kind, total in totals.items()}}


cases = []
for spread in [0.1, 1e-2, 1e-3, 1e-4, 3e-5, 1e-5, 7e-6]:
    for far in [1.0, 1.3]:
        cases.append(errors([far if o is None else o * spread for o in OFFSETS]))
json.dump({"cases": cases}, open("expected.json", "w"), indent=1)
