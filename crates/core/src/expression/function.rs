//! The functions of expressions: their names, their values, their derivatives.

use std::fmt::{self, Display};

/// A function of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Function {
    /// The natural logarithm.
    Log,
    /// The natural logarithm of one plus the argument, accurate near zero.
    Log1p,
    /// The logarithm to base 2.
    Log2,
    /// The logarithm to base 10.
    Log10,
    /// The exponential function.
    Exp,
    /// The exponential function less one, accurate near zero.
    Expm1,
    /// The square root.
    Sqrt,
    /// The absolute value.
    Abs,
    /// The sine of an angle in radians.
    Sin,
    /// The cosine of an angle in radians.
    Cos,
    /// The tangent of an angle in radians.
    Tan,
    /// The angle in radians whose sine it is, from -π/2 to π/2.
    Asin,
    /// The angle in radians whose cosine it is, from 0 to π.
    Acos,
    /// The angle in radians whose tangent it is, from -π/2 to π/2.
    Atan,
    /// The hyperbolic tangent.
    Tanh,
    /// -1, 0 or 1.
    Sign,
    /// The largest whole number that is not larger.
    Floor,
    /// The smallest whole number that is not smaller.
    Ceiling,
    /// The whole number next to it, towards zero.
    Trunc,
    /// The nearest whole number; of two equally near ones the even one.
    Round,
}

impl Function {
    /// Every function, in the order in which messages list them.
    pub const ALL: [Self; 20] = [
        Self::Log,
        Self::Log1p,
        Self::Log2,
        Self::Log10,
        Self::Exp,
        Self::Expm1,
        Self::Sqrt,
        Self::Abs,
        Self::Sin,
        Self::Cos,
        Self::Tan,
        Self::Asin,
        Self::Acos,
        Self::Atan,
        Self::Tanh,
        Self::Sign,
        Self::Floor,
        Self::Ceiling,
        Self::Trunc,
        Self::Round,
    ];

    /// Its name in a formula.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Log1p => "log1p",
            Self::Log2 => "log2",
            Self::Log10 => "log10",
            Self::Exp => "exp",
            Self::Expm1 => "expm1",
            Self::Sqrt => "sqrt",
            Self::Abs => "abs",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tan => "tan",
            Self::Asin => "asin",
            Self::Acos => "acos",
            Self::Atan => "atan",
            Self::Tanh => "tanh",
            Self::Sign => "sign",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::Trunc => "trunc",
            Self::Round => "round",
        }
    }

    /// The function of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    pub(super) fn of(self, x: f64) -> f64 {
        match self {
            Self::Log => libm::log(x),
            Self::Log1p => libm::log1p(x),
            Self::Log2 => libm::log2(x),
            Self::Log10 => libm::log10(x),
            Self::Exp => libm::exp(x),
            Self::Expm1 => libm::expm1(x),
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Tanh => libm::tanh(x),
            Self::Sign if x == 0.0 || x.is_nan() => x,
            Self::Sign => 1f64.copysign(x),
            Self::Floor => x.floor(),
            Self::Ceiling => x.ceil(),
            Self::Trunc => x.trunc(),
            Self::Round => x.round_ties_even(),
        }
    }

    /// The derivative at `x`, where the function is `value`; 0 where it does not matter.
    pub(super) fn slope(self, x: f64, value: f64) -> f64 {
        match self {
            Self::Log => 1.0 / x,
            Self::Log1p => 1.0 / (1.0 + x),
            Self::Log2 => std::f64::consts::LOG2_E / x,
            Self::Log10 => std::f64::consts::LOG10_E / x,
            Self::Exp => value,
            Self::Expm1 => value + 1.0,
            Self::Sin => libm::cos(x),
            Self::Cos => -libm::sin(x),
            Self::Tan => 1.0 + value * value,
            Self::Asin => 1.0 / (1.0 - x * x).sqrt(),
            Self::Acos => -1.0 / (1.0 - x * x).sqrt(),
            Self::Atan => 1.0 / (1.0 + x * x),
            Self::Tanh => 1.0 - value * value,
            Self::Sqrt | Self::Abs => 0.0,
            Self::Sign | Self::Floor | Self::Ceiling | Self::Trunc | Self::Round => 0.0,
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A function of an argument and a constant number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberFunction {
    /// `log(x, b)`: the logarithm to base `b`, which is positive and not 1.
    Log,
    /// `round(x, k)`: the nearest number with `k` decimal places, `k` a whole number; to tens, hundreds and so on
    /// if it is negative.
    Round,
}

impl NumberFunction {
    pub(super) fn of(self, x: f64, number: f64) -> f64 {
        match self {
            Self::Log if number == 2.0 => libm::log2(x),
            Self::Log if number == 10.0 => libm::log10(x),
            Self::Log => libm::log(x) / libm::log(number),
            Self::Round => rounded(x, number as i32),
        }
    }

    /// The derivative at `x`; 0 where it does not matter.
    pub(super) fn slope(self, x: f64, number: f64) -> f64 {
        match self {
            Self::Log => 1.0 / (x * libm::log(number)),
            Self::Round => 0.0,
        }
    }
}

impl Display for NumberFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Round => "round",
        })
    }
}

/// Significant digits that every float64 has.
const DIGITS: f64 = 15.0;

/// `x` to so many decimal places, as R does since its version 4.0.0: of the two numbers with so many places that
/// enclose `x` the nearer one, by the float64 distances; of equally near ones that whose last digit is even.
fn rounded(x: f64, places: i32) -> f64 {
    let magnitude = x.abs();
    if !x.is_finite() || x == 0.0 {
        return x;
    }
    // Where the last place is beyond the digits of float64 there is nothing to round.
    let digits_before = (f64::from(libm::ilogb(magnitude)) + 0.5) * std::f64::consts::LOG10_2;
    if f64::from(places) + digits_before > DIGITS {
        return x;
    }
    let power = libm::pow(10.0, f64::from(places.abs()));
    let scaled = if places >= 0 { magnitude * power } else { magnitude / power };
    let unscaled = |x: f64| if places >= 0 { x / power } else { x * power };
    let (floor, ceiling) = (scaled.floor(), scaled.ceil());
    let (below, above) = (unscaled(floor), unscaled(ceiling));
    let (to_below, to_above) = (magnitude - below, above - magnitude);
    let down = to_below < to_above || (to_below == to_above && floor % 2.0 == 0.0);
    (if down { below } else { above }).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_what_their_names_say() {
        let table = [
            (Function::Log, std::f64::consts::E, 1.0),
            (Function::Log1p, 0.0, 0.0),
            (Function::Log2, 8.0, 3.0),
            (Function::Log10, 1000.0, 3.0),
            (Function::Exp, 0.0, 1.0),
            (Function::Expm1, 1e-20, 1e-20),
            (Function::Sqrt, 2.25, 1.5),
            (Function::Abs, -2.0, 2.0),
            (Function::Sin, std::f64::consts::FRAC_PI_2, 1.0),
            (Function::Cos, 0.0, 1.0),
            (Function::Tan, 0.0, 0.0),
            (Function::Asin, 1.0, std::f64::consts::FRAC_PI_2),
            (Function::Acos, 1.0, 0.0),
            (Function::Atan, 1.0, std::f64::consts::FRAC_PI_4),
            (Function::Tanh, 0.0, 0.0),
            (Function::Sign, -3.0, -1.0),
            (Function::Sign, 0.0, 0.0),
            (Function::Floor, -1.5, -2.0),
            (Function::Ceiling, -1.5, -1.0),
            (Function::Trunc, -1.5, -1.0),
            (Function::Round, 2.5, 2.0),
            (Function::Round, -0.5, 0.0),
        ];
        for (function, x, expected) in table {
            assert_eq!(function.of(x), expected, "{function}");
            assert_eq!(Function::named(function.name()), Some(function));
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        for function in Function::ALL {
            let (x, step) = (0.3, 1e-6);
            let slope = function.slope(x, function.of(x));
            let difference = (function.of(x + step) - function.of(x - step)) / (2.0 * step);
            // Square roots and absolute values are double-double without it.
            let own = matches!(function, Function::Sqrt | Function::Abs);
            assert!(own || (slope - difference).abs() < 1e-8, "{function}: {slope} and {difference}");
        }
        let slope = NumberFunction::Log.slope(2.0, 7.0);
        let log = |x: f64| NumberFunction::Log.of(x, 7.0);
        assert!((slope - (log(2.0 + 1e-6) - log(2.0 - 1e-6)) / 2e-6).abs() < 1e-8);
    }

    #[test]
    fn numbers_are_rounded_as_in_r() {
        // R 4.2.2, round(x, digits).
        let table = [
            (0.15, 1, 0.1),
            (0.25, 1, 0.2),
            (0.35, 1, 0.3),
            (0.45, 1, 0.4),
            (0.55, 1, 0.6),
            (0.65, 1, 0.7),
            (2.675, 2, 2.67),
            (1234.5678, 2, 1234.57),
            (-1234.5678, -2, -1200.0),
            (1250.0, -2, 1200.0),
            (1350.0, -2, 1400.0),
            (5.015, 2, 5.02),
            (1e300, 3, 1e300),
            (0.1, 20, 0.1),
            (49.0, -2, 0.0),
        ];
        for (x, places, expected) in table {
            assert_eq!(rounded(x, places), expected, "{x} {places}");
        }
        assert!(rounded(f64::NAN, 2).is_nan());
    }
}
