"""A response with gigantic kurtosis, as in statsmodels issue 4587 (47 million rows, a negative R²), and the exact answer.

usage: heavy_tails.py FILE.parquet [ROWS]
Writes x1, x2 and y, and prints coefficients and R² in 50 digits, from exact integers. Needs numpy, pyarrow and mpmath.
"""
import sys, json, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from fractions import Fraction
from mpmath import mp, mpf
mp.dps = 60
path, N = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 47_000_000
rng = np.random.default_rng(5)


def exact_products(a, b):
    """The sum of a * b, exactly."""
    def parts(x):
        m, e = np.frexp(x); return (m * 2.0**53).astype(np.int64), e.astype(np.int64) - 53
    ma, ea = parts(a); mb, eb = parts(b)
    e = ea + eb
    order = np.argsort(e, kind='stable'); e = e[order]
    starts = np.flatnonzero(np.r_[True, e[1:] != e[:-1]])
    a1, a0 = ma >> 27, ma & ((1 << 27) - 1); b1, b0 = mb >> 27, mb & ((1 << 27) - 1)
    total = 0
    emin = int(e[0])
    for prod, sh in ((a1 * b1, 54), (a1 * b0, 27), (a0 * b1, 27), (a0 * b0, 0)):
        prod = prod[order]
        for piece, more in ((prod >> 32, 32), (prod & 0xffffffff, 0)):
            sums = np.add.reduceat(piece, starts)
            for s, ex in zip(sums.tolist(), e[starts].tolist()):
                total += s << (sh + more + ex - emin)
    return Fraction(total) * Fraction(2) ** emin
acc = {}
names = ['x1', 'x2', 'y']
schema = pa.schema([(c, pa.float64()) for c in names])
with pq.ParquetWriter(path, schema, compression='snappy') as writer:
    left = N
    while left:
        n = min(left, 1_000_000)
        x1 = rng.standard_normal(n); x2 = np.exp(rng.standard_normal(n))
        y = np.exp(4 * rng.standard_normal(n) + 0.3 * x1) + 1e3 * x2
        cols = {'x1': x1, 'x2': x2, 'y': y}
        writer.write_table(pa.table([cols[c] for c in names], schema=schema))
        one = np.ones(n)
        full = {'1': one, **cols}
        ks = list(full)
        for i, p in enumerate(ks):
            for q in ks[i:]:
                acc[p, q] = acc.get((p, q), Fraction(0)) + exact_products(full[p], full[q])
        left -= n
g = lambda p, q: acc.get((p, q), acc.get((q, p)))
X = ['1', 'x1', 'x2']
A = [[g(p, q) for q in X] + [g(p, 'y')] for p in X]
for i in range(3):
    for r in range(3):
        if r != i:
            f = A[r][i] / A[i][i]
            A[r] = [u - f * v for u, v in zip(A[r], A[i])]
b = [A[i][3] / A[i][i] for i in range(3)]
rss = g('y', 'y') - sum(bi * g(p, 'y') for bi, p in zip(b, X))
tss = g('y', 'y') - g('1', 'y') ** 2 / g('1', '1')
f = lambda x: mpf(x.numerator) / mpf(x.denominator)
print(json.dumps({'b': [mp.nstr(f(v), 50) for v in b], 'r2': mp.nstr(1 - f(rss) / f(tss), 50)}))
