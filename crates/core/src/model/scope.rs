//! Which columns a category contributes to a term, so that terms do not repeat each other's columns.
//!
//! The columns of `a:b` depend on those of `a` if both have all levels. So each term gets what the terms
//! before it leave over: a category is *reduced* (coded against a reference) where the term without it is
//! spanned already, and *full* (a column for every level) where not. The rule and the order of what comes
//! out are those of patsy and formulaic.

use std::collections::HashSet;

/// A factor of a scoped term: its position in the term, and whether all its levels have a column.
pub(crate) type Scoped = Vec<(usize, bool)>;

/// What stands for a factor while spans are compared: who it is, and whether it is a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) id: usize,
    pub(crate) category: bool,
}

/// For every term the scoped terms that it contributes, in order.
pub(crate) fn scope(terms: &[Vec<Subject>], intercept: bool) -> Vec<Vec<Scoped>> {
    let mut spanned: HashSet<Vec<usize>> = HashSet::new();
    if intercept {
        spanned.insert(Vec::new());
    }
    let mut out = Vec::with_capacity(terms.len());
    for term in terms {
        let mut fresh: Vec<Scoped> = Vec::new();
        for subset in subsets(term) {
            let mut ids: Vec<usize> = subset.iter().map(|&(position, _)| term[position].id).collect();
            ids.sort_unstable();
            if spanned.insert(ids) {
                fresh.push(subset);
            }
        }
        out.push(simplify(fresh, term));
    }
    out
}

/// The term with every choice of its categories reduced or absent, small ones first.
fn subsets(term: &[Subject]) -> Vec<Scoped> {
    let mut all: Vec<Scoped> = vec![Vec::new()];
    for (position, subject) in term.iter().enumerate() {
        let with = |s: &Scoped| [s.as_slice(), &[(position, false)]].concat();
        let longer: Vec<Scoped> = all.iter().map(with).collect();
        if subject.category {
            all.extend(longer);
        } else {
            all = longer;
        }
    }
    all.sort_by_key(|s| (s.len(), s.iter().map(|&(position, _)| position).collect::<Vec<_>>()));
    all
}

/// Joins pairs that differ by one reduced category into one term with that category full.
fn simplify(mut terms: Vec<Scoped>, term: &[Subject]) -> Vec<Scoped> {
    loop {
        terms.sort_by_key(Vec::len);
        let before = terms.len();
        let mut done: Vec<Scoped> = Vec::with_capacity(before);
        for candidate in terms {
            match done.iter().position(|known| extra(known, &candidate, term).is_some()) {
                Some(at) => {
                    let known = done.remove(at);
                    let joined = extra(&known, &candidate, term);
                    let full = |&(position, full)| (position, full || Some(position) == joined);
                    done.push(candidate.iter().map(full).collect());
                }
                None => done.push(candidate),
            }
        }
        if done.len() == before {
            return done;
        }
        terms = done;
    }
}

/// The one reduced category that `larger` has beyond `smaller`, if that is all they differ by.
fn extra(smaller: &Scoped, larger: &Scoped, term: &[Subject]) -> Option<usize> {
    if larger.len() != smaller.len() + 1 || !smaller.iter().all(|f| larger.contains(f)) {
        return None;
    }
    let &(position, full) = larger.iter().find(|f| !smaller.contains(f))?;
    (term[position].category && !full).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terms of single letters; those up to `m` are categories. Full categories come out in upper case.
    fn scoped(terms: &[&str], intercept: bool) -> Vec<String> {
        let subject = |c: char| Subject { id: c as usize, category: c <= 'm' };
        let subjects: Vec<Vec<Subject>> = terms.iter().map(|t| t.chars().map(subject).collect()).collect();
        let mut out = Vec::new();
        for (term, scoped) in terms.iter().zip(scope(&subjects, intercept)) {
            let letter = |&(position, full): &(usize, bool)| {
                let c = term.chars().nth(position).unwrap();
                if full { c.to_ascii_uppercase() } else { c }
            };
            out.extend(scoped.iter().map(|s| s.iter().map(letter).collect::<String>()));
        }
        out
    }

    #[test]
    fn codings_are_those_of_formulaic() {
        let cases: [(&[&str], bool, &[&str]); 14] = [
            (&["a", "b", "ab"], true, &["a", "b", "ab"]),
            (&["ab"], true, &["b", "aB"]),
            (&["a", "ab"], true, &["a", "Ab"]),
            (&["b", "ab"], true, &["b", "aB"]),
            (&["a", "b"], false, &["A", "b"]),
            (&["x", "ax"], true, &["x", "ax"]),
            (&["ax"], true, &["Ax"]),
            (&["ax"], false, &["Ax"]),
            (&["ab"], false, &["AB"]),
            (&["a", "b", "ab"], false, &["A", "b", "ab"]),
            (&["b", "xa"], false, &["B", "xA"]),
            (&["abx"], true, &["ABx"]),
            (&["x", "a"], false, &["x", "A"]),
            (&["a", "b", "ba"], true, &["a", "b", "ba"]),
        ];
        for (terms, intercept, expected) in cases {
            let full_upper = |s: &str| s.replace('X', "x");
            let found: Vec<String> = scoped(terms, intercept).iter().map(|s| full_upper(s)).collect();
            assert_eq!(found, expected, "{terms:?} {intercept}");
        }
    }
}
