//! Tail probabilities of Student's t and of Snedecor's F, and quantiles of t.
//!
//! Everything rests on the regularised incomplete beta function (DLMF 8.17). With `a = df2/2`, `b = df1/2`,
//! `x = df2/(df2 + df1 f)` and `y = 1 - x = df1 f/(df2 + df1 f)`,
//!
//! ```text
//! P(F > f) = I_x(a, b),    P(F <= f) = I_y(b, a),    P(|T| > t) = P(F > t^2) with df1 = 1.
//! ```
//!
//! *Prefactor.* `D = x^a y^b / B(a, b)` is written in its saddle-point form (Loader 2000, "Fast and accurate
//! computation of binomial probabilities"), `D = sqrt(ab / (2 pi (a+b))) e^E e^S`, where `S` collects the
//! remainders of Stirling's formula (DLMF 5.11.1) and
//!
//! ```text
//! E = a log(x/x0) + b log(y/y0),    x0 = a/(a+b),    y0 = b/(a+b).
//! ```
//!
//! The two logarithms nearly cancel when `a` and `b` are large, and an absolute error in `E` is a relative
//! one in `D`; so `E`, and the arguments of its logarithms, are carried in double-double arithmetic, in which
//! no step subtracts rounded numbers: `x/x0 - 1 = df1 (1-f) / (df2 + df1 f)`, `y/y0 - 1 = df2 (f-1) /
//! (same)`.
//!
//! *Ratio `I / D`.* The continued fraction of Didonato and Morris (1992, TOMS 708, section 4) on the side of
//! the mean where it converges fast: `I_x(a, b)` above the mean, `I_y(b, a)` below it and slightly above it.
//! In the second case the upper tail is a complement, harmless because it is at least 0.15 there for `df1 >=
//! 1`. (For `df1 < 1` it need not be: the relative error then grows as `1 / p`.)
//!
//! *Accuracy.* Against 60-digit reference values (`distributions/golden.json`; df up to 1e12, p down to
//! 1e-307) the relative error is at most 4e-15 for F and 2e-15 for t and its quantiles (5e-15 over a thousand
//! random points). Results below 2.2e-308 are subnormal or 0. The fraction takes at most about 90 steps for
//! t, whatever df, and about 350 for `df1 = 1e5`; the number grows as `sqrt(min(df1, df2))`.
//!
//! All transcendental functions come from `libm`, so that the bits do not depend on the platform.

use core::f64::consts::PI;

use super::double_double::{Dd, log as log_double};

/// Degrees of freedom beyond these limits are treated as the limits, which are as good as 0 and infinity.
const MIN_DF: f64 = 1e-20;
const MAX_DF: f64 = 1e30;
/// Beyond this `f` the first term of the series in `x` is the whole of the upper tail.
const FAR: f64 = 1e100;
/// Bound on the steps of the continued fraction; enough for `min(df1, df2)` of 1e11.
const MAX_STEPS: u32 = 100_000;

/// Two-sided tail `P(|T| > |t|)` of Student's t distribution with `df > 0` degrees of freedom.
///
/// `I_x(df/2, 1/2)` at `x = df / (df + t^2)` (DLMF 8.17; Abramowitz and Stegun 26.7.1). It is 1 at `t = 0`, 0
/// at infinity, and NaN when `t` is NaN or `df` is not positive; infinite `df` gives the normal distribution.
#[must_use]
pub fn student_t_two_sided(t: f64, df: f64) -> f64 {
    let df = degrees(df);
    if t.is_nan() || df.is_nan() {
        return f64::NAN;
    }
    t_tails(t.abs(), df).upper
}

/// Upper tail `P(F > f)` of the F distribution with `df1` and `df2` degrees of freedom.
///
/// `I_x(df2/2, df1/2)` at `x = df2 / (df2 + df1 f)` (DLMF 8.17; Abramowitz and Stegun 26.6.2). It is 1 for `f
/// <= 0`, 0 at infinity, and NaN when an argument is NaN or a number of degrees of freedom is not positive,
/// or (near `f = 1`) when both exceed 1e11, where the fraction does not converge in reasonable time.
#[must_use]
pub fn f_upper(f: f64, df1: f64, df2: f64) -> f64 {
    let (df1, df2) = (degrees(df1), degrees(df2));
    if f.is_nan() || df1.is_nan() || df2.is_nan() {
        return f64::NAN;
    }
    let (a, b) = (0.5 * df2, 0.5 * df1);
    if f <= 0.0 {
        1.0
    } else if f > FAR {
        far_tail(a, b, libm::pow(df2 / df1 / f, a)).upper
    } else if f < 1.0 / FAR {
        far_tail(b, a, libm::pow(df1 / df2 * f, b)).swapped().upper
    } else {
        beta_tails(Dd::from(f), df1, df2).upper
    }
}

/// The `t` for which `P(|T| > t) = alpha`, `0 < alpha < 1`: half the width, in standard errors, of a
/// confidence interval of level `1 - alpha`.
///
/// Newton's method on the logarithm of the tail (of its complement when `alpha > 1/2`) as a function of `log
/// t`, where both are concave, kept inside a bracket. `alpha = 1` gives 0, `alpha = 0` infinity, and NaN
/// comes back for any other `alpha` outside the interval or `df` not positive.
#[must_use]
pub fn student_t_quantile_two_sided(alpha: f64, df: f64) -> f64 {
    let df = degrees(df);
    if !(0.0..=1.0).contains(&alpha) || df.is_nan() {
        return f64::NAN;
    }
    if alpha == 0.0 || alpha == 1.0 {
        return if alpha == 0.0 { f64::INFINITY } else { 0.0 };
    }
    let (mut low, mut high) = (f64::MIN_POSITIVE, f64::MAX);
    if t_tails(high, df).upper > alpha {
        return f64::INFINITY;
    }
    let mut t = quantile_guess(alpha, df).clamp(low, high);
    for _ in 0..200 {
        let tails = t_tails(t, df);
        // `excess` falls as t grows; `slope` is minus its derivative with respect to log t.
        let (excess, slope) = if alpha > 0.5 {
            (-log_ratio(tails.lower, 1.0 - alpha), 2.0 * tails.density / tails.lower)
        } else {
            (log_ratio(tails.upper, alpha), 2.0 * tails.density / tails.upper)
        };
        if excess > 0.0 {
            low = t;
        } else {
            high = t;
        }
        let step = excess / slope;
        let next = t * libm::exp(step);
        if step.abs() < 1e-8 {
            return next; // Convergence is quadratic: what is left is below 1e-15.
        }
        let inside = next > low && next < high; // false also for NaN
        t = if inside { next } else { libm::sqrt(low) * libm::sqrt(high) };
    }
    t
}

/// Degrees of freedom within the limits, or NaN if not positive.
fn degrees(df: f64) -> f64 {
    if df > 0.0 { df.clamp(MIN_DF, MAX_DF) } else { f64::NAN }
}

/// First guess at the two-sided quantile: the normal one (Abramowitz and Stegun 26.2.23, error below 5e-4),
/// carried over to t by Wallace's (1959) transformation `z = (8 df + 1) / (8 df + 3) sqrt(df log(1 +
/// t^2/df))`.
fn quantile_guess(alpha: f64, df: f64) -> f64 {
    let s = libm::sqrt(-2.0 * libm::log(0.5 * alpha));
    let numerator = 2.515_517 + s * (0.802_853 + s * 0.010_328);
    let denominator = 1.0 + s * (1.432_788 + s * (0.189_269 + s * 0.001_308));
    let z = (s - numerator / denominator).max(1.0 - alpha) * (8.0 * df + 3.0) / (8.0 * df + 1.0);
    libm::sqrt(df) * libm::sqrt(libm::expm1(z * z / df))
}

/// `log(p / q)`, exact to rounding when the two are close.
fn log_ratio(p: f64, q: f64) -> f64 {
    if (p - q).abs() < 0.5 * q { libm::log1p((p - q) / q) } else { libm::log(p) - libm::log(q) }
}

/// Both tails of an F variable, and the common factor `x^a y^b / B(a, b)`, which is `f` times its density.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BetaTails {
    /// `I_x(a, b)`, the probability above `f`.
    pub(crate) upper: f64,
    /// `I_y(b, a)`, the probability below `f`.
    pub(crate) lower: f64,
    /// `x^a y^b / B(a, b)`.
    pub(crate) density: f64,
}

impl BetaTails {
    /// From the upper tail, which rounding may have taken above 1; NaN stays NaN.
    fn from_upper(upper: f64, density: f64) -> Self {
        let upper = if upper > 1.0 { 1.0 } else { upper };
        Self { upper, lower: 1.0 - upper, density }
    }

    /// The same with `a` and `b`, `x` and `y` exchanged.
    fn swapped(self) -> Self {
        Self { upper: self.lower, lower: self.upper, ..self }
    }
}

/// The tails of `T^2` at `t^2`, for `t >= 0` and `0 < df <= MAX_DF`.
fn t_tails(t: f64, df: f64) -> BetaTails {
    let (a, b) = (0.5 * df, 0.5);
    if t * t > FAR {
        far_tail(a, b, libm::pow(libm::sqrt(df) / t, df))
    } else if t * t < 1.0 / FAR {
        far_tail(b, a, t / libm::sqrt(df)).swapped()
    } else {
        beta_tails(Dd::product(t, t), 1.0, df)
    }
}

/// Tails for `x` so small that `I_x(a, b) = x^a / (a B(a, b))` (DLMF 8.17.7), given `x^a`.
fn far_tail(a: f64, b: f64, power: f64) -> BetaTails {
    if power == 0.0 || a > 50.0 {
        return BetaTails::from_upper(0.0, 0.0);
    }
    // log of (a+b)^(a+b) / (a^a b^b), which with Stirling's remainders makes 1 / B(a, b).
    let exponent = a * libm::log1p(b / a) + b * libm::log1p(a / b) + stirling_beta(a, b);
    let density = power * (libm::exp(exponent) * libm::sqrt(0.5 / PI * a * (b / (a + b))));
    BetaTails::from_upper(density / a, density)
}

/// The regularised incomplete beta functions `I_x(a, b)` and `I_y(b, a)` at `x = df2 / (df2 + df1 f)`, `y = 1
/// - x`, `a = df2/2`, `b = df1/2`, for `1/FAR <= f <= FAR` and positive degrees of freedom up to `MAX_DF`.
pub(crate) fn beta_tails(f: Dd, df1: f64, df2: f64) -> BetaTails {
    let (a, b) = (0.5 * df2, 0.5 * df1);
    let (d1, d2) = (Dd::from(df1), Dd::from(df2));
    let sum = d2 + d1 * f;
    let excess = f - Dd::from(1.0);
    let (x, y) = ((d2 / sum).hi, (d1 * f / sum).hi);
    // x/x0 - 1 and y/y0 - 1, and lambda = a y - b x = b (y/y0 - 1).
    let (u, v) = (-(d1 * excess) / sum, d2 * excess / sum);
    let total = d1 + d2;
    let exponent = Dd::from(a) * log_double(total / sum, u) + Dd::from(b) * log_double(total * f / sum, v);
    let scale = libm::sqrt(0.5 / PI * a * (b / (a + b)));
    // Halved, so that exp cannot underflow where the product does not.
    let half = libm::exp(0.5 * exponent.hi);
    let density = half * (scale * libm::exp(exponent.lo + stirling_beta(a, b))) * half;
    let lambda = b * v.hi;
    if f.hi >= 2.0 || lambda >= 0.5 {
        let upper = if density > 0.0 { density / beta_fraction(a, b, x, y, lambda) } else { 0.0 };
        BetaTails::from_upper(upper, density)
    } else {
        let lower = if density > 0.0 { density / beta_fraction(b, a, y, x, -lambda) } else { 0.0 };
        BetaTails::from_upper(lower, density).swapped()
    }
}

/// `D / I_x(a, b)` by the continued fraction `b0 + a1/(b1 + a2/(b2 + ...))` of Didonato and Morris (1992),
/// evaluated by the modified method of Lentz (DLMF 3.10(iii)). `lambda = a y - b x > -1`, so that `b0 > 0`.
/// NaN if it does not converge in `MAX_STEPS`.
fn beta_fraction(a: f64, b: f64, x: f64, y: f64, lambda: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut value = a * (lambda + 1.0) / (a + 1.0);
    let (mut c, mut d, mut change) = (value, 0.0, 1.0);
    for step in 1..=MAX_STEPS {
        let m = f64::from(step);
        let r = x / (a + 2.0 * m - 1.0);
        let s = m * (b - m) * r;
        let numerator = (a + m - 1.0) * r * ((a + b + m - 1.0) / (a + 2.0 * m - 1.0) * x) * (m * (b - m));
        let denominator = m + s + (a + m) * (lambda + 1.0 + m * (1.0 + y)) / (a + 2.0 * m + 1.0);
        d = denominator + numerator * d;
        d = 1.0 / if d == 0.0 { TINY } else { d };
        c = denominator + numerator / c;
        c = if c == 0.0 { TINY } else { c };
        let factor = c * d;
        value *= factor;
        change = (factor - 1.0).abs();
        if change <= f64::EPSILON {
            break;
        }
    }
    if change < 1e-12 { value } else { f64::NAN }
}

/// `R(a+b) - R(a) - R(b)` for Stirling's remainder `R`.
fn stirling_beta(a: f64, b: f64) -> f64 {
    stirling_remainder(a + b) - stirling_remainder(a) - stirling_remainder(b)
}

/// `R(z) = log Gamma(z) - (z - 1/2) log z + z - log(2 pi)/2`: the asymptotic series (DLMF 5.11.1) from `z =
/// 10` on, below it the recurrence `R(z) = R(z+1) + (z + 1/2) log(1 + 1/z) - 1` upwards.
fn stirling_remainder(z: f64) -> f64 {
    /// `B_2k / (2k (2k - 1))`, k = 8 down to 1.
    const SERIES: [f64; 8] = [
        -3617.0 / 122_400.0,
        1.0 / 156.0,
        -691.0 / 360_360.0,
        1.0 / 1188.0,
        -1.0 / 1680.0,
        1.0 / 1260.0,
        -1.0 / 360.0,
        1.0 / 12.0,
    ];
    let (mut z, mut shift) = (z, 0.0);
    while z < 10.0 {
        shift += (z + 0.5) * libm::log1p(1.0 / z) - 1.0;
        z += 1.0;
    }
    let w = 1.0 / z;
    shift + w * SERIES.iter().fold(0.0, |sum, term| sum * (w * w) + term)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The rows of one table of `golden.json`: arguments, then the reference value.
    fn golden(table: &str, width: usize) -> Vec<Vec<f64>> {
        let text = include_str!("distributions/golden.json");
        let (_, rest) = text.split_once(&format!("\"{table}\":[")).unwrap();
        let (rows, _) = rest.split_once("\n]").unwrap();
        let numbers: Vec<f64> = rows
            .split(|c: char| c == ',' || c == '[' || c == ']' || c.is_whitespace())
            .filter(|word| !word.is_empty())
            .map(|word| word.parse().unwrap())
            .collect();
        assert_eq!(numbers.len() % width, 0);
        numbers.chunks(width).map(<[f64]>::to_vec).collect()
    }

    /// Checks every row of a table and reports the worst.
    fn check(table: &str, width: usize, limit: f64, f: impl Fn(&[f64]) -> f64) {
        let rows = golden(table, width);
        let (mut worst, mut at) = (-1.0, String::new());
        for row in &rows {
            let (expected, got) = (row[width - 1], f(row));
            let error = (got / expected - 1.0).abs();
            if error > worst || error.is_nan() {
                (worst, at) = (error, format!("{row:?}: got {got:e}"));
            }
        }
        assert!(worst <= limit, "{table}: relative error {worst:.2e} at {at}");
    }

    const DF: [f64; 13] = [0.7, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1e3, 3.27e5, 1e6, 1e9, 1e12];

    #[test]
    fn t_tail_matches_reference() {
        check("student_t", 3, 1e-14, |r| student_t_two_sided(r[0], r[1]));
        check("student_t", 3, 1e-14, |r| student_t_two_sided(-r[0], r[1]));
    }

    #[test]
    fn f_tail_matches_reference() {
        check("f", 4, 1e-14, |r| f_upper(r[0], r[1], r[2]));
    }

    #[test]
    fn t_quantile_matches_reference() {
        check("quantile", 3, 1e-14, |r| student_t_quantile_two_sided(r[0], r[1]));
    }

    #[test]
    fn special_arguments() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        for df in DF.into_iter().chain([1e-3, 1e300, inf]) {
            assert_eq!(student_t_two_sided(0.0, df), 1.0);
            assert_eq!(student_t_two_sided(-0.0, df), 1.0);
            assert_eq!(student_t_two_sided(inf, df), 0.0);
            assert_eq!(student_t_two_sided(-inf, df), 0.0);
            assert!(student_t_two_sided(nan, df).is_nan());
            assert_eq!(student_t_quantile_two_sided(0.0, df), inf);
            assert_eq!(student_t_quantile_two_sided(1.0, df), 0.0);
            assert!(student_t_quantile_two_sided(nan, df).is_nan());
            assert!(student_t_quantile_two_sided(1.5, df).is_nan());
            for df1 in [0.5, 1.0, 7.0, 1e5] {
                assert_eq!(f_upper(0.0, df1, df), 1.0);
                assert_eq!(f_upper(-3.0, df1, df), 1.0);
                assert_eq!(f_upper(inf, df1, df), 0.0);
                assert!(f_upper(nan, df1, df).is_nan());
            }
        }
        for df in [0.0, -1.0, nan] {
            assert!(student_t_two_sided(1.0, df).is_nan());
            assert!(student_t_quantile_two_sided(0.1, df).is_nan());
            assert!(f_upper(1.0, df, 5.0).is_nan());
            assert!(f_upper(1.0, 5.0, df).is_nan());
        }
        // Infinite df: the normal distribution, erfc(t / sqrt 2).
        for t in [1e-3, 0.5, 1.96, 10.0] {
            let normal = libm::erfc(t / core::f64::consts::SQRT_2);
            assert!((student_t_two_sided(t, inf) / normal - 1.0).abs() < 1e-13, "{t}");
        }
    }

    #[test]
    fn closed_forms() {
        // df = 1: 1 - 2 atan(t)/pi; df = 2: 1 - t / sqrt(2 + t^2). Both through the small quantity.
        for k in -150_i32..150 {
            let t = libm::exp(2.0 * f64::from(k));
            let cauchy = 2.0 / PI * libm::atan(1.0 / t);
            let root = libm::hypot(core::f64::consts::SQRT_2, t);
            let two = 2.0 / root / (root + t);
            for (df, expected) in [(1.0, cauchy), (2.0, two)] {
                let got = student_t_two_sided(t, df);
                assert!(got == expected || (got / expected - 1.0).abs() < 1e-14, "{t} {df} {got} {expected}");
            }
        }
    }

    #[test]
    fn tails_fall_and_agree() {
        for df in DF {
            let mut last = 1.0;
            for k in -2000..3000 {
                let t = libm::pow(10.0, f64::from(k) / 100.0);
                let p = student_t_two_sided(t, df);
                // Neighbouring values may differ by rounding only where the tail is flat.
                assert!(
                    (0.0..=last * (1.0 + 1e-15)).contains(&p),
                    "not monotone: t {t} df {df}: {p} after {last}"
                );
                last = p;
                // Moving t^2 by half a unit in the last place moves log p by up to 2 D / p of that.
                let f = f_upper(t * t, 1.0, df);
                let slack = 1e-14 + 1.2e-16 * t_tails(t, df).density / p;
                let agree = p < f64::MIN_POSITIVE || (f / p - 1.0).abs() <= slack;
                assert!(agree, "t {t} df {df}: {p} {f}");
            }
        }
    }

    #[test]
    fn f_tail_is_monotone_and_reciprocal() {
        for df1 in [1.0, 2.0, 7.0, 1000.0, 1e5] {
            for df2 in [1.0, 34.0, 1e3, 3.27e5, 1e12] {
                let mut last = 1.0;
                for k in -300..400 {
                    let f = libm::pow(10.0, f64::from(k) / 100.0);
                    let p = f_upper(f, df1, df2);
                    assert!(
                        (0.0..=last * (1.0 + 1e-13)).contains(&p),
                        "f {f} df {df1} {df2}: {p} after {last}"
                    );
                    last = p;
                    let below = f_upper(1.0 / f, df2, df1);
                    assert!((p + below - 1.0).abs() < 1e-10, "f {f} df {df1} {df2}: {p} {below}");
                }
            }
        }
    }

    #[test]
    fn quantile_round_trip() {
        for df in DF.into_iter().chain([0.1, 1e-2, f64::INFINITY]) {
            for alpha in [1e-305, 1e-100, 1e-20, 1e-5, 0.05, 0.3, 0.5, 0.500_001, 0.7, 0.99, 1.0 - 1e-12] {
                let t = student_t_quantile_two_sided(alpha, df);
                let tails = t_tails(t, degrees(df));
                let slack = 1e-14 + 4e-16 * tails.density / tails.upper;
                let good = t == f64::INFINITY || (tails.upper / alpha - 1.0).abs() < slack;
                assert!(good, "alpha {alpha} df {df}: t {t}, back {}", tails.upper);
                let lower_good = t == f64::INFINITY || (tails.lower / (1.0 - alpha) - 1.0).abs() < 1e-13;
                assert!(lower_good, "1 - alpha {} df {df}: t {t}, back {}", 1.0 - alpha, tails.lower);
            }
        }
    }
}
