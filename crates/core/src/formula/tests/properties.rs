//! What holds for every formula.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::parse;
use super::super::syntax::{Kind, Node, Sign};
use super::columns;
use crate::expression::{Expr, Function, NumberFunction, Operator};
use crate::formula::{
    CodedCategory, Contrasts, Factor, Formula, MAX_DEGREE, MAX_EXPONENT, MAX_LENGTH, Spline,
};

/// Names that could be taken for something else.
const ODD_NAMES: [&str; 24] = [
    "",
    " ",
    "`",
    "``",
    "a`b",
    ".",
    "..",
    "._",
    ".1",
    "1st",
    "1e5",
    "net income",
    "C",
    "I",
    "poly",
    "log",
    "TRUE",
    "raw",
    "a~b",
    "a+b",
    "\n",
    "größe",
    "変数",
    "\u{202e}",
];

/// Pieces of formulas, to be put together without sense.
const TOKENS: [&str; 60] = [
    "y",
    "x",
    ".",
    "0",
    "1",
    "2",
    "2.5",
    "1e3",
    "1e",
    ".5",
    "`a b`",
    "`",
    "``",
    "a.b",
    "é",
    "C(",
    "I(",
    "poly(",
    "log(",
    "sqrt(",
    "foo(",
    "(",
    ")",
    ")",
    ")",
    "+",
    "-",
    "*",
    "**",
    "/",
    "^",
    ":",
    "~",
    ",",
    "=",
    "==",
    "%in%",
    "%",
    "\"",
    "raw",
    "TRUE",
    ", 2)",
    " ",
    "\u{0}",
    "bs(",
    "ns(",
    "offset(",
    "ifelse(",
    "C(x, Treatment(",
    "'b'",
    "knots=",
    "Boundary.knots=c(0, 1)",
    "c(",
    ">",
    "<=",
    "!",
    "&",
    "|",
    "#",
    "\n",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9_.]{0,4}",
        2 => select(&ODD_NAMES[..]).prop_map(String::from),
        1 => any::<String>(),
    ]
}

/// Numbers as a formula can have them: finite and without a sign.
fn number() -> impl Strategy<Value = f64> {
    let any_size = any::<f64>().prop_map(f64::abs).prop_filter("finite", |x| x.is_finite());
    prop_oneof![(0..1_000_000u32).prop_map(f64::from), any_size]
}

fn expression() -> impl Strategy<Value = Expr> {
    use Operator::{Add, Div, Mul, Pow, Sub};
    let leaf = prop_oneof![2 => name().prop_map(Expr::Column), 1 => number().prop_map(Expr::Number)];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let operator = select(vec![Add, Sub, Mul, Div, Pow]);
        let function = select(Function::ALL.to_vec());
        let logical = select(vec![Operator::And, Operator::Or]);
        prop_oneof![
            1 => inner.clone().prop_map(|e| Expr::Negate(Box::new(e))),
            1 => (function, inner.clone()).prop_map(|(f, e)| Expr::Call(f, Box::new(e))),
            3 => (operator, inner.clone(), inner.clone())
                .prop_map(|(o, l, r)| Expr::Binary(o, Box::new(l), Box::new(r))),
            1 => (logical, inner.clone(), condition())
                .prop_map(|(o, l, r)| Expr::Binary(o, Box::new(l), Box::new(r))),
            1 => inner.clone().prop_map(|e| Expr::Not(Box::new(e))),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| Expr::IfElse(Box::new([a, b, c]))),
            1 => (inner.clone(), 2..9u32)
                .prop_map(|(e, base)| Expr::CallWith(NumberFunction::Log, Box::new(e), f64::from(base))),
            1 => (inner, -9..9i32)
                .prop_map(|(e, places)| Expr::CallWith(NumberFunction::Round, Box::new(e), f64::from(places))),
        ]
    })
}

/// A comparison: of numbers beyond 2^53 there is none.
fn condition() -> impl Strategy<Value = Expr> {
    use Operator::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
    let operator = select(vec![Less, AtMost, Greater, AtLeast, Equal, NotEqual]);
    (operator, name(), 0..1_000_000u32).prop_map(|(operator, name, x)| {
        Expr::Binary(operator, Box::new(Expr::Column(name)), Box::new(Expr::Number(f64::from(x))))
    })
}

fn coded() -> impl Strategy<Value = Factor> {
    let level = prop_oneof![Just(None), any::<String>().prop_map(Some)];
    (name(), any::<bool>(), level).prop_map(|(column, sum, level)| {
        let contrasts = if sum { Contrasts::Sum } else { Contrasts::Treatment };
        Factor::Coded(CodedCategory { column, contrasts, reference: level.filter(|_| !sum) })
    })
}

fn spline() -> impl Strategy<Value = Factor> {
    let knots = vec(-1000..1000i32, 0..4);
    (expression_of_columns(), any::<bool>(), any::<bool>(), 3..6u32, knots).prop_map(
        |(argument, natural, intercept, degree, knots)| {
            let mut knots: Vec<f64> = knots.into_iter().map(|k| f64::from(k) / 7.0).collect();
            knots.sort_by(f64::total_cmp);
            knots.dedup();
            let (degree, boundary) = (if natural { 3 } else { degree }, [-200.0, 200.0]);
            Factor::Spline(Spline { argument, natural, degree, knots, boundary, intercept })
        },
    )
}

fn expression_of_columns() -> impl Strategy<Value = Expr> {
    expression().prop_filter("has a column", |expression| !expression.columns().is_empty())
}

fn response() -> impl Strategy<Value = Factor> {
    prop_oneof![name().prop_map(Factor::Column), expression_of_columns().prop_map(Factor::Expr)]
}

fn factor() -> impl Strategy<Value = Factor> {
    let polynomial = (expression_of_columns(), 1..=MAX_DEGREE, any::<bool>());
    prop_oneof![
        3 => response(),
        1 => name().prop_map(Factor::Category),
        1 => coded(),
        1 => spline(),
        1 => polynomial.prop_map(|(argument, degree, raw)| Factor::Poly { argument, degree, raw }),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Kind::Constant),
        1 => Just(Kind::Dot),
        6 => factor().prop_map(Kind::Factor),
        1 => expression_of_columns().prop_map(Kind::Offset),
    ];
    let at = 0;
    leaf.prop_map(move |kind| Node { kind, at }).prop_recursive(4, 16, 3, move |inner| {
        let sign = select(vec![Sign::Plus, Sign::Plus, Sign::Minus]);
        let inner_kinds = prop_oneof![
            vec((sign, inner.clone()), 1..4).prop_map(Kind::sum),
            vec(inner.clone(), 2..4).prop_map(Kind::cross),
            vec(inner.clone(), 2..4).prop_map(Kind::product),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Kind::Nested(Box::new([a, b]))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Kind::In(Box::new([a, b]))),
            (inner, 1..=MAX_EXPONENT).prop_map(|(base, exponent)| Kind::Power(Box::new(base), exponent)),
        ];
        inner_kinds.prop_map(move |kind| Node { kind, at })
    })
}

fn formula() -> impl Strategy<Value = Formula> {
    let responses = vec(response(), 0..3).prop_filter("distinct", |r| r.len() < 2 || r[0] != r[1]);
    (responses, node()).prop_map(|(responses, right)| Formula { text: String::new(), responses, right })
}

/// What must hold for any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    match Formula::parse(text) {
        Err(error) => {
            prop_assert!(error.at() <= text.chars().count());
            prop_assert_eq!(error.to_string().lines().count(), 3);
        }
        Ok(formula) => {
            let printed = formula.to_string();
            let again = Formula::parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&formula), "{}", printed);
            prop_assert_eq!(again.map(|f| f.to_string()), Ok(printed));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn printing_and_reading_gives_the_same(formula in formula()) {
        let printed = formula.to_string();
        let read = parse::formula(&printed);
        prop_assert_eq!(read.as_ref(), Ok(&formula), "{}", printed);
        prop_assert_eq!(read.map(|f| f.to_string()), Ok(printed));
    }

    #[test]
    fn expansions_stand_for_themselves(formula in formula()) {
        if let Ok(expansion) = formula.expand(&columns()) {
            let printed = expansion.to_string();
            prop_assume!(printed.len() <= MAX_LENGTH);
            let again = Formula::parse(&printed).and_then(|formula| formula.expand(&[]));
            prop_assert_eq!(again, Ok(expansion), "{}", printed);
        }
    }

    #[test]
    fn terms_are_sorted_and_distinct(formula in formula()) {
        if let Ok(expansion) = formula.expand(&columns()) {
            let sizes: Vec<_> = expansion.terms.iter().map(|term| term.factors().len()).collect();
            prop_assert!(sizes.is_sorted() && !sizes.contains(&0));
            let mut terms: Vec<Vec<String>> = Vec::new();
            for term in &expansion.terms {
                let mut factors: Vec<_> = term.factors().iter().map(Factor::to_string).collect();
                factors.sort();
                terms.push(factors);
            }
            terms.sort();
            prop_assert!(terms.iter().all(|term| term.windows(2).all(|pair| pair[0] != pair[1])));
            prop_assert!(terms.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn no_heap_of_tokens_makes_it_panic(tokens in vec(select(&TOKENS[..]), 0..24), blank in any::<bool>()) {
        check(&tokens.join(if blank { " " } else { "" }))?;
    }

    #[test]
    fn rows_do_not_depend_on_their_block(expression in expression(), values in vec(any::<f64>(), 1..8)) {
        let block = expression.evaluate(values.len(), &|_: &str| values.as_slice());
        prop_assert_eq!(block.len(), values.len());
        for (row, value) in values.iter().enumerate() {
            let alone = expression.evaluate(1, &|_: &str| std::slice::from_ref(value));
            let same = alone[0] == block[row] || (alone[0].is_nan() && block[row].is_nan());
            prop_assert!(same, "{}: {} and {}", expression, alone[0], block[row]);
        }
    }
}
