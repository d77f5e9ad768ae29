//! Which term of a model a text names, in any spelling that a formula takes.

use streamreg_core::{Factor, Formula, ModelSpec, Term};

/// The term that a text names, if it names one: as a formula would have it, or by its columns alone where these tell it from the
/// others. Blanks, default arguments and the order of what is multiplied do not matter; of a spline the boundary knots may be left
/// out.
pub(crate) fn term_of(text: &str, spec: &ModelSpec) -> Option<usize> {
    let text = text.trim();
    let terms = &spec.terms;
    let same = |wanted: &[String]| terms.iter().position(|term| factors(term, Factor::to_string) == wanted);
    terms
        .iter()
        .position(|term| term.to_string() == text)
        .or_else(|| same(&factors(&parsed(text)?, Factor::to_string)))
        .or_else(|| of_spline(text, terms))
        .or_else(|| of_columns(text, terms))
}

/// What is multiplied, in an order that does not depend on that of the term.
fn factors(term: &Term, name: impl Fn(&Factor) -> String) -> Vec<String> {
    sorted(term.factors().iter().map(name).collect())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

/// The one term that a text is in the language of formulas; sums, products and offsets are none.
fn parsed(text: &str) -> Option<Term> {
    let formula = Formula::parse(&format!("~ {text}")).ok().filter(|formula| !formula.has_dot())?;
    let mut expansion = formula.expand(&[]).ok()?;
    let term =
        expansion.terms.pop().filter(|_| expansion.terms.is_empty() && expansion.offsets.is_empty())?;
    // `x + x` and `1 + x` are no terms.
    (expansion.intercept && formula.to_string() == term.to_string()).then_some(term)
}

/// A spline whose boundary knots are left out: those of one in the model.
fn of_spline(text: &str, terms: &[Term]) -> Option<usize> {
    let open = text.strip_suffix(')').filter(|text| text.starts_with("bs(") || text.starts_with("ns("))?;
    terms.iter().position(|term| match term.factors() {
        [Factor::Spline(spline)] => {
            let [low, high] = spline.boundary;
            let whole = format!("{open}, Boundary.knots=c({low:?}, {high:?}))");
            parsed(&whole).is_some_and(|named| named == *term)
        }
        _ => false,
    })
}

/// The term with these columns, if there is one alone.
fn of_columns(text: &str, terms: &[Term]) -> Option<usize> {
    // A name that needs backticks is taken without them, too.
    let as_typed = || sorted(text.split(':').map(bare).collect());
    let wanted = parsed(text).map_or_else(as_typed, |term| factors(&term, column));
    let mut alike =
        terms.iter().enumerate().filter(|(_, term)| factors(term, column) == wanted).map(|(at, _)| at);
    alike.next().filter(|_| alike.next().is_none())
}

/// The column of a category or number, without its coding; other factors as formulas have them.
fn column(factor: &Factor) -> String {
    match factor {
        Factor::Column(name) | Factor::Category(name) => name.clone(),
        Factor::Coded(category) => category.column.clone(),
        other => other.to_string(),
    }
}

/// A column's name without what marks it as a category, and without backticks.
fn bare(factor: &str) -> String {
    let inner = |name: &str| Some(name.strip_prefix("C(")?.strip_suffix(')')?.trim().to_owned());
    let name = factor.trim();
    let name = inner(name).unwrap_or_else(|| name.to_owned());
    let quoted = name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    quoted.map_or(name.clone(), |inside| inside.replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_in_any_spelling() {
        let formula = "y ~ x + C(gear) + C(cyl, Sum) + poly(wt, 3) + bs(hp, knots=c(150), Boundary.knots=c(50, 335.5)) + \
                       I(disp^2) + log(disp) + `a b` + gear:x";
        let expansion = Formula::parse(formula).unwrap().expand(&[]).unwrap();
        let mut spec = ModelSpec::of_columns("y", ["z"]);
        spec.terms = expansion.terms;
        let place =
            |name: &str| spec.terms.iter().position(|term| term.to_string().starts_with(name)).unwrap();
        for (name, spellings) in [
            ("x", &[" x ", "C(x)", "`x`"][..]),
            ("C(gear)", &["gear", "C( gear )", "factor(gear)"]),
            ("C(cyl", &["cyl", "C(cyl,Sum)", "factor(cyl)"]),
            ("poly", &["poly(wt,3)", "poly(wt, degree=3)", "poly( wt,3,raw=F )"]),
            (
                "bs",
                &[
                    "bs(hp,knots=150)",
                    "bs(hp, knots = c(150))",
                    "bs(hp,knots=150,Boundary.knots=c(50,335.5))",
                ],
            ),
            ("I(", &["I(disp**2)", "I( disp ^ 2 )"]),
            ("log", &["log( disp )"]),
            ("`a b`", &["a b", "`a b`"]),
            ("gear:x", &["x:gear", "gear : x", "x:C(gear)"]),
        ] {
            spellings.iter().for_each(|text| assert_eq!(term_of(text, &spec), Some(place(name)), "{text:?}"));
        }
        for other in
            ["poly(wt, 2)", "x = 0", "x:a b", "1 + x", "x + x", "gear*x", "bs(hp,knots=100)", "-x", "", "."]
        {
            assert_eq!(term_of(other, &spec), None, "{other:?}");
        }
        // Two terms with these columns: which is meant is not said.
        spec.terms = Formula::parse("y ~ C(g, Sum) + C(g)").unwrap().expand(&[]).unwrap().terms;
        assert_eq!((term_of("g", &spec), term_of("C(g)", &spec)), (None, Some(1)));
    }
}
