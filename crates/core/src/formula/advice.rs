//! What other languages have in formulas and this one has not: why, and what to write instead.

use crate::expression::Function;

/// Functions that look at other rows than the one they are computed for.
const ORDER: &str = "needs an order of the rows, and they have none here: compute the column beforehand, by a window \
                     function in SQL such as lag(x) OVER (ORDER BY t)";

/// Functions of a whole column.
const WHOLE: &str = "needs all rows before the first one can be computed: compute it once and write the number, as in \
                     I(x - 3.5)";

/// Functions that choose how smooth they are.
const SMOOTH: &str = "chooses its smoothness by a penalty, which is another estimator: write ns(x, knots=c(…), \
                      Boundary.knots=c(…)) for a natural cubic spline, or poly(x, 3)";

/// The name of a function, and why it is not there.
const REFUSED: [(&[&str], &str); 19] = [
    (
        &["scale", "standardize", "center", "centre", "demean", "zscore"],
        "needs the mean of all rows, and changes neither the fit nor a test of a slope: write x, or I((x - 3)/2) with the \
         numbers",
    ),
    (&["lag", "lead", "shift", "diff", "L", "D", "d", "l", "cumsum", "cumprod", "rollmean"], ORDER),
    (&["mean", "median", "sd", "var", "sum", "quantile", "rank", "ave", "ntile", "percent_rank"], WHOLE),
    (&["max", "min", "pmax", "pmin"], "is written ifelse(x > z, x, z) for the larger of two numbers"),
    (
        &["cut", "bin", "findInterval", "qcut"],
        "makes a category of a number: write --with \"g = CASE WHEN x < 5 THEN 'low' ELSE 'high' END\" and use g, or \
         I(x > 5) for two classes",
    ),
    (&["s", "te", "ti", "t2", "lo", "loess", "gam"], SMOOTH),
    (
        &["rcs", "cr", "cc", "cs", "lsp"],
        "is a spline with knots at quantiles: write ns(x, knots=c(…), Boundary.knots=c(…)) for the natural cubic spline",
    ),
    (&["interaction"], "is written a:b, the product of two categories"),
    (&["strata", "fe", "absorb"], "is written C(g): a category with many levels is absorbed by itself"),
    (
        &["ordered", "as.ordered"],
        "has polynomial contrasts, which only levels in an order have: write C(g), or a number and poly(x, 2)",
    ),
    (
        &["as.numeric", "as.integer", "as.double", "as.logical", "int", "float"],
        "is not needed: numbers and booleans are numbers as they are, and --schema or --with changes a type",
    ),
    (
        &["is.na", "isna"],
        "has no meaning here, as rows with missing values are dropped: --missing indicator marks them",
    ),
    (&["ln"], "is written log(x), the natural logarithm"),
    (&["pow", "power"], "is written I(x^2)"),
    (&["Q"], "is written with backticks: `net income`"),
    (&["cbind"], "stands before the \"~\" only, for several responses"),
    (&["offset"], "is a term of its own: it is added, as in y ~ x + offset(z)"),
    (
        &["lm", "glm", "ols", "feols", "reg"],
        "is no part of a formula: write what is in its parentheses, y ~ x",
    ),
    (
        &["nchar", "substr", "paste", "grepl", "year", "month", "weekdays", "format", "toupper", "tolower"],
        "is a function of text or dates: --with computes the column by SQL",
    ),
];

/// What `(1|g)` means elsewhere.
pub(super) const RANDOM_EFFECT: &str = "a random effect, as (1|g), is another estimator than least squares: write C(g) for a \
                                        fixed effect, or --cluster g for standard errors of clustered rows";

/// What `y ~ x | g` means elsewhere.
pub(super) const FIXED_EFFECT: &str = "there is no part behind a \"|\": write y ~ x + C(g) for the fixed effects of g, which are \
                                       absorbed if they are many";

pub(super) const CONDITION: &str =
    "a condition goes inside I(), as in I(x > 5), or is the first argument of ifelse()";

/// Arguments of R's `lm` and others that a formula does not have, and the option instead.
const OPTIONS: [(&[&str], &str); 5] = [
    (&["weights", "weight"], "--weights COLUMN"),
    (&["subset"], "--where CONDITION"),
    (&["data"], "the name of the file before the formula"),
    (&["offset"], "the term offset(x)"),
    (&["cluster", "vcov"], "--cluster COLUMN or --vcov"),
];

/// Why there is no function of this name, and what to write instead.
pub(super) fn refused(function: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(names, _)| names.contains(&function)).map(|(_, why)| *why)
}

/// What is written instead of this argument of another language.
pub(super) fn option_instead(argument: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(names, _)| names.contains(&argument)).map(|(_, option)| *option)
}

/// `np.log` is `log`.
pub(super) fn without_module(name: &str) -> Option<Function> {
    let (module, function) = name.split_once('.')?;
    matches!(module, "np" | "numpy" | "math").then(|| Function::named(function))?
}
