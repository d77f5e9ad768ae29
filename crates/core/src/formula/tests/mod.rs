//! What formulas mean, by tables.

mod malformed;
mod properties;

use super::*;

/// Columns of the data in the tables.
fn columns() -> Vec<String> {
    ["y", "a", "b", "c", "x"].map(String::from).to_vec()
}

fn parsed(text: &str) -> Formula {
    Formula::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn expanded(text: &str) -> Expansion {
    parsed(text).expand(&columns()).unwrap_or_else(|error| panic!("{error}"))
}

fn strings(printed: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    printed.into_iter().map(|item| item.to_string()).collect()
}

/// The expression in `I(text)`.
fn arithmetic(text: &str) -> Expr {
    match expanded(&format!("I({text})")).terms[0].factors() {
        [Factor::Expr(expression)] => expression.clone(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn formulas_expand() {
    let table: &[(&str, bool, &[&str])] = &[
        ("y ~ 1", true, &[]),
        ("y ~ a", true, &["a"]),
        ("y ~ +a", true, &["a"]),
        ("y~a+b", true, &["a", "b"]),
        ("y ~ (a)", true, &["a"]),
        ("~ a", true, &["a"]),
        ("a", true, &["a"]),
        // The constant.
        ("y ~ 0 + a", false, &["a"]),
        ("y ~ a + 0", false, &["a"]),
        ("y ~ -1 + a", false, &["a"]),
        ("y ~ a - 1", false, &["a"]),
        ("y ~ a + -1", false, &["a"]),
        ("y ~ a - 1 + 1", true, &["a"]),
        ("y ~ 0 + a + 1", true, &["a"]),
        ("y ~ a + (b - 1)", false, &["a", "b"]),
        ("y ~ a + b - (1 + b)", false, &["a"]),
        // Products.
        ("y ~ a:b", true, &["a:b"]),
        ("y ~ a:b:c", true, &["a:b:c"]),
        ("y ~ a:(b + c)", true, &["a:b", "a:c"]),
        ("y ~ (a + b):(c + x)", true, &["a:c", "a:x", "b:c", "b:x"]),
        ("y ~ a * b", true, &["a", "b", "a:b"]),
        ("y ~ a * b * c", true, &["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("y ~ a * (b * c)", true, &["a", "b", "c", "b:c", "a:b", "a:c", "a:b:c"]),
        ("y ~ (a + b) * c", true, &["a", "b", "c", "a:c", "b:c"]),
        ("y ~ (a + b + c)^2", true, &["a", "b", "c", "a:b", "a:c", "b:c"]),
        ("y ~ (a + b + c)**3", true, &["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("y ~ (a + b)^10", true, &["a", "b", "a:b"]),
        ("y ~ (a + b)^1", true, &["a", "b"]),
        ("y ~ (a:b + c)^2", true, &["c", "a:b", "a:b:c"]),
        ("y ~ (a + b * c)^2", true, &["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        // Nested.
        ("y ~ a/b", true, &["a", "a:b"]),
        ("y ~ a/b/c", true, &["a", "a:b", "a:b:c"]),
        ("y ~ a/(b + c)", true, &["a", "a:b", "a:c"]),
        ("y ~ (a + b)/c", true, &["a", "b", "a:b:c"]),
        ("y ~ a*b/c", true, &["a", "b", "a:b", "a:b:c"]),
        ("y ~ a/b*c", true, &["a", "c", "a:b", "a:c", "a:b:c"]),
        ("y ~ a/b - 1", false, &["a", "a:b"]),
        ("y ~ b %in% a", true, &["b:a"]),
        ("y ~ a + b %in% a", true, &["a", "b:a"]),
        ("y ~ (b + c) %in% a", true, &["b:a", "c:a"]),
        ("y ~ c %in% (a + b)", true, &["c:a:b"]),
        ("y ~ a * b %in% c", true, &["a", "b:c", "a:b:c"]),
        // Sets.
        ("y ~ a:a", true, &["a"]),
        ("y ~ a*a", true, &["a"]),
        ("y ~ a^3", true, &["a"]),
        ("y ~ a + a + b", true, &["a", "b"]),
        ("y ~ b:a + a:b", true, &["b:a"]),
        ("y ~ b:a:b", true, &["b:a"]),
        ("y ~ a:b:x + c + a", true, &["c", "a", "a:b:x"]),
        // Precedence.
        ("y ~ a + b:c", true, &["a", "b:c"]),
        ("y ~ a:b * c", true, &["c", "a:b", "a:b:c"]),
        ("y ~ a:b^2", true, &["a:b"]),
        ("y ~ a * b^2", true, &["a", "b", "a:b"]),
        ("y ~ a + b - a + a", true, &["b", "a"]),
        // Removal.
        ("y ~ a * b - a:b", true, &["a", "b"]),
        ("y ~ a * b - b:a", true, &["a", "b"]),
        ("y ~ a * b - (a + b)", true, &["a:b"]),
        ("y ~ a - a", true, &[]),
        ("y ~ (a + b + c)^2 - a:b - c", true, &["a", "b", "a:c", "b:c"]),
        // The dot.
        ("y ~ .", true, &["a", "b", "c", "x"]),
        (".", true, &["y", "a", "b", "c", "x"]),
        ("log(y) + a ~ .", true, &["b", "c", "x"]),
        ("I(y/x) ~ . - a", true, &["b", "c"]),
        ("y ~ . + a:b - 1", false, &["a", "b", "c", "x", "a:b"]),
        ("a + b ~ .^2", true, &["y", "c", "x", "y:c", "y:x", "c:x"]),
        ("y + x + c ~ .:a", true, &["a", "b:a"]),
        ("y ~ b + .", true, &["b", "a", "c", "x"]),
        ("y ~ . + log(a)", true, &["a", "b", "c", "x", "log(a)"]),
        ("y~.-x", true, &["a", "b", "c"]),
        // Calls.
        ("y ~ C(a) * b", true, &["C(a)", "b", "C(a):b"]),
        ("y ~ log(a) + log( a )", true, &["log(a)"]),
        ("y ~ log (a)", true, &["log(a)"]),
        ("y ~ I(a) + a", true, &["I(a)", "a"]),
        ("y ~ I(log(a)) + log(a)", true, &["log(a)"]),
        ("y ~ I(a**2) + I(a^2)", true, &["I(a^2)"]),
        ("y ~ poly(a, 2) + poly(a,2,raw=FALSE)", true, &["poly(a, 2)"]),
        ("y ~ poly(log(a) + 1, 20, raw = true)", true, &["poly(log(a) + 1, 20, raw=TRUE)"]),
        ("y ~ poly(a, 1, raw=True):b", true, &["poly(a, 1, raw=TRUE):b"]),
        ("y ~ poly(a, degree=2) + poly(b, raw=T, degree=3)", true, &["poly(a, 2)", "poly(b, 3, raw=TRUE)"]),
        ("y ~ factor(a) + as.factor(b)", true, &["C(a)", "C(b)"]),
        ("y ~ C(a, Treatment('b'))", true, &["C(a, Treatment(\"b\"))"]),
        ("y ~ C(a, Treatment(reference=3))", true, &["C(a, Treatment(\"3\"))"]),
        ("y ~ C(a, contr.treatment(\"q\\\"\\\\\"))", true, &["C(a, Treatment(\"q\\\"\\\\\"))"]),
        ("y ~ C(a, contr.sum) + C(b, Sum())", true, &["C(a, Sum)", "C(b, Sum)"]),
        ("y ~ C(a, treatment):x", true, &["C(a, Treatment):x"]),
        (
            "y ~ relevel(a, ref='b') + relevel(factor(b), 2)",
            true,
            &["C(a, Treatment(\"b\"))", "C(b, Treatment(\"2\"))"],
        ),
        (
            "y ~ log(a, 2) + log(a, base=10) + round(b, -2) + round(b)",
            true,
            &["log(a, 2)", "log(a, 10)", "round(b, -2)", "round(b)"],
        ),
        ("y ~ I(a>5) + I(!(a > 5 & b<=2) | c != 1)", true, &["I(a > 5)", "I(!(a > 5 & b <= 2) | c != 1)"]),
        ("y ~ ifelse(a>5,b,0)", true, &["ifelse(a > 5, b, 0)"]),
        ("y ~ I((a > 5) * b)", true, &["I((a > 5) * b)"]),
        (
            "y ~ bs(a, knots=c(2, 1), Boundary.knots=c(3, -1))",
            true,
            &["bs(a, knots=c(1, 2), Boundary.knots=c(-1, 3))"],
        ),
        (
            "y ~ bs(log(a), degree=1, intercept=T, knots=.5, Boundary.knots=c(0, 1))",
            true,
            &["bs(log(a), knots=c(0.5), degree=1, intercept=TRUE, Boundary.knots=c(0, 1))"],
        ),
        ("y ~ ns(a, Boundary.knots=c(0, 1e6)):b", true, &["ns(a, Boundary.knots=c(0, 1e6)):b"]),
        // Lines and comments.
        ("y ~ a # the area\n  + b # and\n # nothing\n", true, &["a", "b"]),
        ("y ~ `a#b`", true, &["`a#b`"]),
        // Names.
        ("y ~ stack.loss + .hidden + _x + größe", true, &["stack.loss", ".hidden", "_x", "größe"]),
        ("`net income` ~ `a` + `a``b` + ``", true, &["a", "`a``b`", "``"]),
        ("y ~ C + I + poly + log + TRUE + raw", true, &["C", "I", "poly", "log", "TRUE", "raw"]),
        ("y ~ C(`1st`) + log(`log`)", true, &["C(`1st`)", "log(log)"]),
    ];
    for (text, intercept, terms) in table {
        let expansion = expanded(text);
        assert_eq!((expansion.intercept, strings(&expansion.terms)), (*intercept, strings(*terms)), "{text}");
    }
}

#[test]
fn responses_are_listed() {
    let table: [(&str, &[&str]); 9] = [
        ("a", &[]),
        ("~ a", &[]),
        ("y ~ a", &["y"]),
        ("y1 + y2 ~ a", &["y1", "y2"]),
        ("y1, log(y2),I(y3/y1) ~ a", &["y1", "log(y2)", "I(y3/y1)"]),
        ("`a~b` ~ a", &["`a~b`"]),
        ("log1p(y) ~ .", &["log1p(y)"]),
        ("cbind(y, log(z)) ~ a", &["y", "log(z)"]),
        ("I(y > 5) ~ a", &["I(y > 5)"]),
    ];
    for (text, responses) in table {
        assert_eq!(strings(parsed(text).responses()), responses, "{text}");
    }
}

#[test]
fn formulas_print_as_in_r() {
    let table = [
        ("y~a+b", "y ~ a + b"),
        ("~a", "a"),
        ("y1,y2~a", "y1 + y2 ~ a"),
        ("y~ -1+a", "y ~ -1 + a"),
        ("y ~ a + -1", "y ~ a - 1"),
        ("y ~ (a+b)**2:c", "y ~ (a + b)^2:c"),
        ("y ~ ((a*b)*c)+(x)", "y ~ a * b * c + x"),
        ("y ~ a*(b*c)", "y ~ a * (b * c)"),
        ("y ~ a + (b + c)", "y ~ a + b + c"),
        ("y ~ (a + b - b) + c", "y ~ a + b - b + c"),
        ("y ~ a + (b - b)", "y ~ a + (b - b)"),
        ("y ~ a + b - (a + b)", "y ~ a + b - (a + b)"),
        ("y ~ (a:b):c + a:(b:c)", "y ~ a:b:c + a:(b:c)"),
        ("y ~ ((a + b)^2)^2", "y ~ ((a + b)^2)^2"),
        ("y ~ `a` + `net income`", "y ~ a + `net income`"),
        ("y ~ I((a)+(b*c))", "y ~ I(a + b * c)"),
        ("y ~ I((a+b)*c/x)", "y ~ I((a + b) * c/x)"),
        ("y ~ I(a-(b-c)-x)", "y ~ I(a - (b - c) - x)"),
        ("y ~ I((a^b)^c) + I(a^(b^c))", "y ~ I((a^b)^c) + I(a^b^c)"),
        ("y ~ I((-a)^2) + I(-(a^2))", "y ~ I((-a)^2) + I(-a^2)"),
        ("y ~ I(-(a*b)) + I((-a)*b)", "y ~ I(-(a * b)) + I(-a * b)"),
        ("y ~ I(a^(-b)) + I(a*(-b))", "y ~ I(a^-b) + I(a * -b)"),
        ("y ~ I(2.50*a + .5 - 1e-3)", "y ~ I(2.5 * a + 0.5 - 0.001)"),
        ("y ~ I(1000000*a) + I(1.*a)", "y ~ I(1e6 * a) + I(1 * a)"),
        ("y ~ poly( a ,2, raw = False )", "y ~ poly(a, 2)"),
        ("y ~ a / b + (a*b) / c + a / (b * c)", "y ~ a/b + a * b/c + a/(b * c)"),
        ("y ~ (a/b):c + (a %in% b)*c", "y ~ (a/b):c + a %in% b * c"),
        ("y ~ a %in% (b %in% c) + (a:b) %in% c", "y ~ a %in% (b %in% c) + a:b %in% c"),
        ("y ~ offset( log(x) ) + a", "y ~ offset(log(x)) + a"),
        ("y ~ I((a == 1) == (b == 2)) + I(!!a)", "y ~ I((a == 1) == (b == 2)) + I(!!a)"),
        ("y ~ I((a | b) & c) + I(a | (b & c))", "y ~ I((a | b) & c) + I(a | b & c)"),
    ];
    for (text, printed) in table {
        assert_eq!(parsed(text).to_string(), printed, "{text}");
        assert_eq!(parsed(printed), parsed(text));
    }
}

#[test]
fn expansions_print_as_formulas() {
    let table = [
        ("y ~ 1", "y ~ 1"),
        ("y ~ a * b - 1", "y ~ 0 + a + b + a:b"),
        ("1", "1"),
        ("y + log(a) ~ .", "y + log(a) ~ b + c + x"),
        ("y ~ offset(x) + a + offset(x) + (offset(b) + c)", "y ~ a + c + offset(x) + offset(b)"),
        ("y ~ offset(x)", "y ~ 1 + offset(x)"),
    ];
    for (text, printed) in table {
        assert_eq!(expanded(text).to_string(), printed);
        assert_eq!(expanded(printed), expanded(text));
    }
}

#[test]
fn arithmetic_binds_as_in_r() {
    let (a, b, c) = (2.0, 3.0, 0.5);
    let table = [
        ("a + b * c", 3.5),
        ("(a + b) * c", 2.5),
        ("a - b - c", -1.5),
        ("a - (b - c)", -0.5),
        ("a / b / c", a / b / c),
        ("a / (b * c)", a / (b * c)),
        ("a / b * c", a / b * c),
        ("a^b^a", 512.0),
        ("(a^b)^a", 64.0),
        ("a ** b", 8.0),
        ("-a^2", -4.0),
        ("(-a)^2", 4.0),
        ("-a^2 + b", -1.0),
        ("a^-1 * b", 1.5),
        ("a^-b^a", libm::pow(2.0, -9.0)),
        ("-a * b", -6.0),
        ("a * -b", -6.0),
        ("--a", 2.0),
        ("+a - -b", 5.0),
        ("2 * a^3", 16.0),
        ("sqrt(abs(-a^2))", 2.0),
        ("log(exp(a))", libm::log(libm::exp(2.0))),
        ("log2(a) + log10(a * 5) + log1p(a - 2)", 2.0),
        ("1e2 * a + .5", 200.5),
        ("a^c", libm::pow(2.0, 0.5)),
        ("a < b & b > c", 1.0),
        ("!a > b", 1.0),
        ("a > b | c == 0.5 & a == 3", 0.0),
        ("(a > 1) * b", 3.0),
        ("-(a > 1) + 1", 0.0),
        ("ifelse(a >= 2, b, c)", 3.0),
        ("ifelse(a != 2, b, c)", 0.5),
        ("log(a * 4, 2) + log(100, 10)", 5.0),
        ("round(a/b, 2)", 0.67),
    ];
    let value = |name: &str| {
        std::slice::from_ref(if name == "a" {
            &a
        } else if name == "b" {
            &b
        } else {
            &c
        })
    };
    for (text, expected) in table {
        assert_eq!(arithmetic(text).evaluate(1, &value), [expected], "{text}");
    }
}

#[test]
fn columns_are_collected() {
    let expansion = expanded("log(y) ~ b:a + poly(c/x, 2) + C(k) + I(a * b)");
    assert_eq!(expansion.columns(), ["y", "c", "x", "k", "a", "b"]);
    assert_eq!(expansion.terms[3].columns(), ["b", "a"]);
    assert_eq!(Term::from(Factor::Category("k".into())).to_string(), "C(k)");
}

#[test]
fn the_dot_waits_for_the_columns() {
    let formula = parsed("y ~ . - z");
    assert!(formula.has_dot());
    assert!(formula.expand(&columns()).is_err());
    assert!(formula.expand(&["y", "z", "z"].map(String::from)).is_ok_and(|e| e.terms.is_empty()));
    assert!(!parsed("y ~ `.`").has_dot());
}

#[test]
fn limits_can_be_reached() {
    let wide: Vec<String> = (0..MAX_TERMS).map(|i| format!("x{i}")).collect();
    assert_eq!(parsed("y ~ .").expand(&wide).map(|e| e.terms.len()), Ok(MAX_TERMS));
    let nested = format!("y ~ {}a{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert_eq!(parsed(&nested).to_string(), "y ~ a");
    let long = format!("a{}", " + a".repeat(MAX_OPERATORS));
    assert_eq!(arithmetic(&long).evaluate(1, &|_: &str| &[1.0]), [1.0 + MAX_OPERATORS as f64]);
    assert_eq!(arithmetic(&long).to_string(), long);
    assert_eq!(expanded(&format!("a{}", " + a".repeat(MAX_LENGTH / 4 - 1))).terms.len(), 1);
    // All products of 13 columns but those of 11, 12 and 13, each found many times.
    let columns: Vec<String> = ('a'..='m').map(String::from).collect();
    assert_eq!(parsed(".^10").expand(&columns).map(|e| e.terms.len()), Ok((1 << 13) - 1 - (78 + 13 + 1)));
}
