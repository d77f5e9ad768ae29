//! What is said about formulas that are none.

use super::*;

/// A formula, how its message begins, and the character it blames.
const MALFORMED: &[(&str, &str, usize)] = &[
    ("", "the formula is empty; write it like \"y ~ a + b\"", 0),
    ("  ", "the formula is empty", 2),
    // Operands.
    ("y ~", "expected a term after \"~\"", 3),
    ("y ~ x + ", "expected a term after \"+\"", 8),
    ("y ~ x + * z", "expected a term after \"+\", found `*`", 8),
    ("y ~ x -", "expected a term after \"-\"", 7),
    ("y ~ x:", "expected a term after \":\"", 6),
    ("y ~ * x", "expected a term after \"~\", found `*`", 4),
    ("* x", "expected a term, found `*`", 0),
    ("y ~ ()", "expected a term after \"(\", found `)`", 5),
    ("y ~ a * -b", "expected a term after \"*\", found `-`", 8),
    (
        "y ~ 2",
        "a term cannot be the number 2, only 0 or 1; if it is a column, its name goes in backticks: `2`; write I(2 * x) for \
         arithmetic",
        4,
    ),
    ("y ~ x + 0.5:z", "a term cannot be the number 0.5", 8),
    // Operators.
    ("y ~ x y", "expected an operator between terms (+ - : * /), found `y`", 6),
    ("y ~ x `a b`", "expected an operator between terms (+ - : * /), found `a b`", 6),
    ("y ~ (x)(z)", "expected an operator between terms (+ - : * /), found `(`", 7),
    ("y ~ `log`(z)", "expected an operator between terms (+ - : * /), found `(`", 9),
    ("y ~ x | g", "there is no part behind a \"|\": write y ~ x + C(g)", 6),
    ("y ~ x + (1|g)", "a random effect, as (1|g), is another estimator than least squares: write C(g)", 10),
    ("y ~ x > 5", "a condition goes inside I(), as in I(x > 5)", 6),
    ("y ~ x & z", "a condition goes inside I()", 6),
    ("y ~ df$x", "expected an operator between terms (+ - : * /), found `$`", 6),
    ("y ~ x = 2", "expected an operator between terms (+ - : * /), found `=`", 6),
    ("y ~ a/", "expected a term after \"/\"", 6),
    ("y ~ a %% b", "expected an operator between terms", 6),
    ("y ~ x, weights = w", "weights= is no part of a formula; write --weights COLUMN", 7),
    ("y ~ x, subset = z > 2", "subset= is no part of a formula; write --where CONDITION", 7),
    ("y ~ a, b", "terms are joined by \"+\"", 5),
    ("y ~ x ~ z", "this is a second \"~\"; responses are joined by \"+\"", 6),
    ("y = x", "\"~\" stands between the response and the terms, as in \"y ~ x\"", 2),
    ("y == x", "\"~\" stands between the response and the terms", 2),
    ("y ~ \"net income\"", "names are not put in quotes but, if need be, in backticks: `net income`", 4),
    ("y ~ x + 'z'", "names are not put in quotes", 8),
    ("y ~ x “z”", "names are not put in quotes", 6),
    // Parentheses.
    ("y ~ (a + b", "this \"(\" is never closed", 4),
    ("y ~ (a + (b * c)", "this \"(\" is never closed", 4),
    ("y ~ I(a * (b + c)", "this \"(\" is never closed", 5),
    ("y ~ poly(x, 2", "this \"(\" is never closed", 8),
    ("y ~ C(x", "this \"(\" is never closed", 5),
    ("y ~ a)", "this \")\" closes nothing", 5),
    ("y ~ log(a))", "this \")\" closes nothing", 10),
    // Responses.
    (
        "y1*y2 ~ x",
        "expected \"~\", \"+\" or \",\" after the response, found `*`; arithmetic goes inside I()",
        2,
    ),
    ("y z ~ x", "expected \"~\", \"+\" or \",\" after the response, found `z`", 2),
    ("(y + z) ~ x", "expected a response, found `(`", 0),
    ("1 ~ x", "expected a response, found `1`", 0),
    (". ~ x", "expected a response, found `.`", 0),
    ("y + ~ x", "expected a response after \"+\", found `~`", 4),
    ("C(y) ~ x", "a response is a number, it cannot be a category", 0),
    ("z + poly(y, 2) ~ x", "a response is one column, it cannot be a polynomial", 4),
    ("y + y ~ x", "this response is named twice", 4),
    ("log(y ~ x)", "expected an operator (+ - * / ^) or \")\", found `~`", 6),
    // Functions.
    (
        "y ~ foo(x)",
        "there is no function foo(); there are log, log1p, log2, log10, exp, expm1, sqrt, abs, sin, cos, tan, asin, acos, \
         atan, tanh, sign, floor, ceiling, trunc, round, ifelse, C, I, poly, bs, ns and offset",
        4,
    ),
    ("y ~ np.log(x)", "there is no function np.log(); write log()", 4),
    ("y ~ I(2 * sinh(x))", "there is no function sinh()", 10),
    ("y ~ log(I(x))", "I() cannot be part of arithmetic; the functions there are log, log1p", 8),
    ("y ~ log(x, z)", "the base of log() is a number, found `z`", 11),
    ("y ~ log(x, 1)", "the base of log() is positive, and not 1", 11),
    ("y ~ log(x, 2, 3)", "expected \")\", found `,`", 12),
    ("y ~ round(x, 1.5)", "round() takes a whole number of places, up to 300", 13),
    (
        "y ~ ifelse(x > 5, 1)",
        "ifelse() takes a condition, the number where it holds, and the number where not",
        10,
    ),
    ("y ~ ifelse(x, 1, 2, 3)", "ifelse() takes a condition", 18),
    ("y ~ sqrt(x, 2)", "sqrt() takes one argument", 10),
    ("y ~ log()", "expected a column, a number or a function after \"(\", found `)`", 8),
    ("y ~ C()", "C() takes the name of a column, found `)`", 6),
    ("y ~ C(log(x))", "C() takes the name of a column, found `log`", 6),
    ("y ~ C(a, b)", "the codings of C() are Treatment, Treatment(\"level\") and Sum, found `b`", 9),
    ("y ~ poly(x)", "poly() lacks its degree, as in poly(x, 2)", 10),
    ("y ~ poly(x, 2.5)", "the degree of poly() is a whole number from 1 to 20, found `2.5`", 12),
    ("y ~ poly(x, 0)", "the degree of poly() is a whole number from 1 to 20, found `0`", 12),
    ("y ~ poly(x, 21)", "the degree of poly() is a whole number from 1 to 20, found `21`", 12),
    ("y ~ poly(x, degree)", "the degree of poly() is a whole number from 1 to 20, found `degree`", 12),
    ("y ~ poly(x, -1)", "the degree of poly() is a whole number from 1 to 20, found `-`", 12),
    ("y ~ poly(x 2)", "expected an operator (+ - * / ^) or \",\", found `2`", 11),
    (
        "y ~ poly(x, 2, TRUE)",
        "poly() takes an expression, a degree, and raw=TRUE or raw=FALSE, found `TRUE`",
        15,
    ),
    ("y ~ poly(x, 2, raw=1)", "raw= is TRUE or FALSE, found `1`", 19),
    (
        "y ~ poly(x, 2, raw)",
        "poly() takes an expression, a degree, and raw=TRUE or raw=FALSE, found `raw`",
        15,
    ),
    ("y ~ poly(x, 2, raw=TRUE, 3)", "poly() takes an expression, a degree, and raw=TRUE", 25),
    ("y ~ poly(x, z, degree=2)", "the degree of poly() is a whole number", 12),
    // Categories.
    ("y ~ C(g, Treatment(b))", "a level is put in quotes: \"b\"", 19),
    ("y ~ C(g, Helmert)", "the codings of C() are Treatment", 9),
    ("y ~ C(g, Sum(\"b\"))", "Sum has no level in its parentheses", 13),
    ("y ~ C(g, contr.treatment(3))", "write Treatment(3) for the level 3", 25),
    ("y ~ C(g, contr.treatment(base=2))", "R's base= counts levels", 30),
    ("y ~ C(g, Treatment(\"b\"", "this \"(\" is never closed", 18),
    ("y ~ factor(g, labels)", "factor() takes the name of a column and nothing else, found `,`", 12),
    ("y ~ factor(x > 5)", "factor() takes the name of a column and nothing else, found `>`", 13),
    ("y ~ relevel(g)", "relevel() takes a category and its reference", 13),
    // Splines.
    (
        "y ~ bs(x, knots=c(1, 2))",
        "bs() lacks its boundary knots: R takes the smallest and the largest value",
        4,
    ),
    ("y ~ ns(x, df=3)", "ns(): df places knots at quantiles", 10),
    ("y ~ bs(x, 5)", "bs(): the second argument is df", 10),
    (
        "y ~ ns(x, degree=2)",
        "ns() takes an expression, knots=c(…), intercept=TRUE and Boundary.knots=c(…), found `degree`",
        10,
    ),
    ("y ~ bs(x, Boundary.knots=c(0, 1, 2))", "there are two boundary knots", 25),
    (
        "y ~ bs(x, knots=5, Boundary.knots=c(0, 1))",
        "bs(): the knot 5 does not lie between the boundary knots 0 and 1",
        4,
    ),
    (
        "y ~ bs(x, knots=c(1, 1), degree=1, Boundary.knots=c(0, 2))",
        "bs(): the knot 1 stands there more often than the degree, 1",
        4,
    ),
    ("y ~ ns(x, Boundary.knots=c(1, 1))", "ns(): the boundary knots are the same", 4),
    ("y ~ bs(x, knots=z, Boundary.knots=c(0, 1))", "knots are numbers, as in knots=c(1, 2), found `z`", 16),
    ("y ~ ns(2, Boundary.knots=c(0, 1))", "ns(2, Boundary.knots=c(0, 1)) is the same in every row", 4),
    // Offsets.
    ("y ~ x:offset(z)", "an offset is added to the terms, not multiplied with them", 6),
    ("y ~ x - offset(z)", "an offset cannot be removed", 8),
    ("y ~ 0 + offset(z)", "nothing is left to estimate", 4),
    ("offset(y) ~ x", "offset() is a term of its own", 0),
    ("y ~ offset(3)", "offset(3) is the same in every row", 4),
    // Arithmetic.
    ("y ~ I(x +)", "expected a column, a number or a function after \"+\", found `)`", 9),
    ("y ~ I(x 2)", "expected an operator (+ - * / ^) or \")\", found `2`", 8),
    ("y ~ I(x > 2 > z)", "comparisons are joined by & and |: a < b & b < c", 12),
    ("y ~ I(x > 2 && z > 3)", "conditions are joined row by row, by & and |", 12),
    ("y ~ (x || g)", "a random effect, as (1|g), is another estimator", 7),
    ("y ~ I(x = 2)", "\"=\" compares nothing; write == for equal numbers", 8),
    ("y ~ I(g == 'b')", "a formula compares numbers; --with \"NAME = COLUMN = 'b'\" compares text", 11),
    ("y ~ I(x == 9007199254740993)", "numbers beyond 2^53 are not exact as float64", 27),
    ("y ~ I(x %% 2)", "there is no operator with %; write x - 2 * floor(x/2)", 8),
    ("y ~ I(1 > 2)", "I(1 > 2) is the same in every row", 4),
    ("y ~ I(x:z)", "expected an operator (+ - * / ^) or \")\", found `:`", 7),
    ("y ~ I(.)", "expected a column, a number or a function after \"(\", found `.`", 6),
    ("y ~ I(2 + 3)", "I(2 + 3) is the same in every row: there is no column in it", 4),
    ("y ~ x + log(2)", "log(2) is the same in every row", 8),
    ("y ~ I(x * 1e999)", "this number is too large for float64", 10),
    // Names.
    ("y ~ 2x", "a name that begins with a digit goes in backticks: `2x`", 4),
    ("y ~ I(1e * x)", "a name that begins with a digit goes in backticks: `1e`", 6),
    ("y ~ I(1.2.3)", "a name that begins with a digit goes in backticks: `1.2.3`", 6),
    ("y ~ `a", "this backtick is never closed", 4),
    ("y ~ `a``", "this backtick is never closed", 4),
    // Exponents.
    ("y ~ (a + b)^11", "the exponent of terms is a whole number from 1 to 10, found `11`", 12),
    ("y ~ (a + b)^0", "the exponent of terms is a whole number from 1 to 10, found `0`", 12),
    (
        "y ~ x^1.5",
        "the exponent of terms is a whole number from 1 to 10, found `1.5`; arithmetic goes inside I()",
        6,
    ),
    ("y ~ (a + b)**k", "the exponent of terms is a whole number from 1 to 10, found `k`", 13),
    ("y ~ a^2^2", "expected an operator between terms (+ - : * /), found `^`", 7),
    // What formulas stand for.
    ("y ~ 0", "nothing is left to estimate: neither a term nor the constant", 4),
    ("y ~ -1", "nothing is left to estimate", 4),
    ("y ~ x - x - 1", "nothing is left to estimate", 4),
    ("y ~ a + b - c", "there is no term c to remove; the terms before it are a, b", 12),
    ("y ~ a * b - a:c", "there is no term a:c to remove; the terms before it are a, b, a:b", 12),
    ("y ~ -a", "there is no term a to remove; there are none before it", 5),
    ("y ~ a + (b - a)", "there is no term a to remove; the terms before it are b", 13),
    ("y ~ x - 0", "0 cannot be removed; write \"- 1\" or \"+ 0\" for no constant", 8),
    ("y ~ x:1", "0 and 1 can be added and removed, but not multiplied", 6),
    ("y ~ (0 + a + b)^2", "0 and 1 can be added and removed, but not multiplied", 4),
];

fn error(text: &str) -> FormulaError {
    Formula::parse(text).expect_err(text)
}

#[test]
fn malformed_formulas_are_explained() {
    for (text, message, at) in MALFORMED {
        let error = error(text);
        assert!(error.message().starts_with(message), "{error}\ninstead of\n{message}");
        assert_eq!(error.at(), *at, "{error}");
        assert_eq!(error.formula(), *text);
    }
}

#[test]
fn other_languages_are_translated() {
    let table = [
        ("y ~ ln(x)", "ln() is written log(x), the natural logarithm"),
        ("y ~ I(pow(x, 2))", "pow() is written I(x^2)"),
        ("y ~ x + cbind(y, z)", "cbind() stands before the \"~\" only, for several responses"),
        ("y ~ scale(x)", "write x, or I((x - 3)/2) with the numbers"),
        ("y ~ lag(x)", "by a window function in SQL such as lag(x) OVER (ORDER BY t)"),
        ("y ~ I(x - mean(x))", "compute it once and write the number, as in I(x - 3.5)"),
        ("y ~ cut(x, 3)", "or I(x > 5) for two classes"),
        ("y ~ factor(cut(x, 3))", "or I(x > 5) for two classes"),
        ("y ~ s(x)", "for a natural cubic spline, or poly(x, 3)"),
        ("y ~ interaction(a, b)", "interaction() is written a:b, the product of two categories"),
        ("y ~ numpy.sqrt(x)", "there is no function numpy.sqrt(); write sqrt()"),
        ("y ~ Q('a b')", "Q() is written with backticks: `net income`"),
        ("lm(y ~ x)", "write what is in its parentheses, y ~ x"),
    ];
    for (text, advice) in table {
        assert!(error(text).message().ends_with(advice), "{}", error(text));
    }
}

#[test]
fn a_formula_of_several_lines_shows_the_line() {
    let expected = "expected a term after \"+\"\n  + z +\n       ^";
    assert_eq!(error("y ~ # sales\n  x\n+ z +").to_string(), expected);
    let expected = "this \"(\" is never closed\n   log(x # why\n      ^";
    assert_eq!(error("y ~\n log(x # why\n + z").to_string(), expected);
}

#[test]
fn the_caret_is_under_the_place() {
    let expected = "expected a term after \"+\"\n  y ~ x + \n          ^";
    assert_eq!(error("y ~ x + ").to_string(), expected);
    let expected = "this \"(\" is never closed\n  größe ~ log(変数\n             ^";
    assert_eq!(error("größe ~ log(変数").to_string(), expected);
}

#[test]
fn messages_have_no_control_characters() {
    let error = error("y ~\tx\n\u{1b}[J");
    let expected = "expected an operator between terms (+ - : * /), found `\\u{1b}`\n  \
                    \\u{1b}[J\n  ^";
    assert_eq!(error.to_string(), expected);
    let hidden = Formula::parse("y ~ a - `\u{202e}\r`").expect_err("a is all there is").to_string();
    assert_eq!(hidden.chars().filter(|c| c.is_control()).count(), 2, "{hidden:?}");
    assert!(!hidden.contains('\u{202e}'));
}

#[test]
fn long_formulas_are_shown_in_part() {
    let terms: Vec<String> = (100..200).map(|i| format!("x{i}")).collect();
    let terms = terms.join(" + ");
    for (text, begins, ends) in [
        (format!("y ~ {terms} !"), "  …", "!"),
        (format!("y ~ ! {terms}"), "  y ~ !", "…"),
        (format!("y ~ {terms} ! {terms}"), "  …", "…"),
    ] {
        let printed = error(&text).to_string();
        let lines: Vec<_> = printed.lines().collect();
        assert!(lines[1].starts_with(begins) && lines[1].ends_with(ends), "{printed}");
        assert!(lines[1].chars().count() <= 104, "{printed}");
        assert_eq!(lines[1].chars().nth(lines[2].chars().count() - 1), Some('!'), "{printed}");
    }
    let long = "x".repeat(1000);
    assert!(error(&format!("y ~ a {long}")).message().chars().count() < 140);
}

#[test]
fn removing_what_is_not_there_lists_some_terms() {
    let columns: Vec<String> = (0..100).map(|i| format!("x{i}")).collect();
    let error = parsed("y ~ . - z").expand(&columns).expect_err("there is no z");
    assert!(error.message().ends_with("x28, x29, …"), "{error}");
    assert_eq!(error.at(), 8);
}

#[test]
fn hostile_formulas_are_refused() {
    let many = 30_000;
    let table = [
        (format!("y ~ {}", "(".repeat(many)), "nested more than 64 levels deep"),
        (format!("y ~ I({}", "(".repeat(many)), "nested more than 64 levels deep"),
        (format!("y ~ I({}x)", "-".repeat(many)), "nested more than 64 levels deep"),
        (format!("y ~ I(x{})", "^x".repeat(many)), "nested more than 64 levels deep"),
        (format!("y ~ {}x", "log(".repeat(many / 2)), "nested more than 64 levels deep"),
        (format!("y ~ I(x{})", "+x".repeat(many)), "more than 1000 operators in one expression"),
        (format!("y ~ I(x{})", "/x^2".repeat(many / 4)), "more than 1000 operators in one expression"),
        ("x".repeat(MAX_LENGTH + 1), "the formula has 65537 bytes, more than the 65536 it may have"),
        (format!("x{}", "+x".repeat(many)), "the formula has 120001 bytes, more than the 65536 it may have"),
    ];
    for (text, message) in table {
        assert!(error(&text).message().starts_with(message), "{}", error(&text));
    }
}

#[test]
fn explosions_are_refused() {
    let too_many = "the formula has more than 10000 terms";
    let columns: Vec<String> = (0..200).map(|i| format!("x{i}")).collect();
    let of_200 = |text: &str| parsed(text).expand(&columns).expect_err(text);
    for text in [".^2", ".:(. + a)", "(. + a) * .", ". + (a + .)^10"] {
        assert_eq!(of_200(text).message(), too_many, "{text}");
    }
    let crossed = "a*b*c*d*e*f*g*h*i*j*k*l*m";
    assert_eq!(error(&format!("{crossed}*n*o")).message(), too_many);
    let again = format!("({crossed})*({crossed})*({crossed})");
    assert_eq!(error(&again).message(), "too many products to multiply out");
    let dots = format!(".{}", " + .".repeat(MAX_LENGTH / 4 - 1));
    let columns: Vec<String> = (0..MAX_TERMS).map(|i| format!("x{i}")).collect();
    let error = parsed(&dots).expand(&columns).expect_err("adds the same again and again");
    assert_eq!(error.message(), "too many products to multiply out");
}
