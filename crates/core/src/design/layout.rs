//! The columns of the design matrix: what the terms come to once the levels are known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::design::{BoundTerm, Content, Design, Monomial, Piece, TermFactor, monomials};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Contrasts;
use crate::levels::Level;
use crate::model::scope::Scoped;
use crate::model::spec::LeftOut;
use crate::rows::block::DesignBlock;

/// What the data decide about the columns: with it, a model's terms mean the same columns everywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coding {
    /// The levels of every category, sorted.
    pub levels: Vec<Vec<Level>>,
    /// The orthogonal polynomials.
    pub polynomials: Vec<Basis>,
    /// What a missing number is replaced by: for every variable that was missing somewhere, its position
    /// and its mean.
    pub fills: Vec<(usize, f64)>,
}

/// Orthogonal polynomials in `q = (x - shift) / scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// Subtracted from the argument.
    pub shift: f64,
    /// Divides it.
    pub scale: f64,
    /// For every polynomial its coefficients, from `q^0` up.
    pub columns: Vec<Vec<f64>>,
}

/// The columns of the design matrix beside the constant.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(crate) columns: Vec<LayoutColumn>,
    /// The category whose columns are not among them, because it is eliminated by group means.
    pub(crate) absorbed: Option<AbsorbedTerm>,
    /// Categories that contribute no column, and why.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A column: a combination of products of numbers and indicators of levels.
#[derive(Clone, Debug)]
pub(crate) struct LayoutColumn {
    pub(crate) name: String,
    /// Position of the term that it belongs to.
    pub(crate) term: usize,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) base: BaseColumn,
    pub(crate) factor: f64,
}

/// A number in the rows that have certain levels, 0 in the others. Without a number, 1 in these rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BaseColumn {
    pub(crate) variable: Option<usize>,
    /// Category and position of the level, sorted by category.
    pub(crate) levels: Vec<(usize, u32)>,
}

/// A category that is eliminated before the rest is solved for.
#[derive(Clone, Debug, PartialEq)]
pub struct AbsorbedTerm {
    /// The category.
    pub(crate) category: usize,
    /// Position of its term among those of the model.
    pub term: usize,
    /// Where its columns belong: before the column at this position.
    pub at: usize,
    /// Names of the columns, one for every level.
    pub names: Vec<String>,
    /// The level without a column, where the coding has a reference; `None` where all levels have one.
    pub reference: Option<usize>,
    /// How the effects of the levels become coefficients.
    pub contrasts: Contrasts,
    /// What messages call the category.
    pub label: String,
}

impl AbsorbedTerm {
    /// Sums of squares of its columns, about their means or about zero, from the weights of the levels.
    pub fn squares(&self, weights: &[f64], centred: bool) -> Vec<f64> {
        let all: f64 = weights.iter().sum();
        // The columns of sum contrasts are -1 where the reference is.
        let base = self.reference.filter(|_| self.contrasts == Contrasts::Sum).map_or(0.0, |r| weights[r]);
        let square = |(_, own): (usize, &f64)| {
            let mean = if centred { (own - base) / all } else { 0.0 };
            own + base - mean * mean * all
        };
        weights.iter().enumerate().filter(|(level, _)| Some(*level) != self.reference).map(square).collect()
    }

    /// Position of the category.
    pub fn category(&self) -> usize {
        self.category
    }
}

/// From this many levels on, a category is eliminated by group means instead of having columns.
pub(crate) const ABSORB_FROM: usize = 200;

impl Layout {
    /// The columns for given levels.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a reference level that does not exist.
    pub fn new(design: &Design, coding: &Coding) -> Result<Self> {
        Self::without(design, coding, None)
    }

    /// The same without those of the largest category, if it is large enough to be eliminated: [`Layout::absorbed`].
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn absorbing(design: &Design, coding: &Coding) -> Result<Self> {
        Self::without(design, coding, largest(design, coding))
    }

    fn without(design: &Design, coding: &Coding, absorbed: Option<usize>) -> Result<Self> {
        let builder = Builder { design, coding };
        if design.by.is_empty() {
            // Where all levels have a column nobody else asks; a group need not have the level then.
            (0..design.coded_categories()).try_for_each(|index| builder.reference(index).map(drop))?;
        }
        let mut layout = Self::default();
        let mut flagged = Vec::new();
        for (index, term) in design.terms.iter().enumerate() {
            for scoped in &term.scoped {
                let from = layout.columns.len();
                if absorbed == Some(index) {
                    let own = builder.absorbed(&term.factors, scoped, from)?;
                    layout.absorbed = Some(AbsorbedTerm { term: index, ..own });
                    continue;
                }
                layout.columns.extend(builder.columns(&term.factors, scoped)?);
                layout.columns.extend(builder.flags(&term.factors, scoped, &mut flagged));
                layout.columns[from..].iter_mut().for_each(|column| column.term = index);
            }
        }
        layout.left_out = builder.single_levels();
        Ok(layout)
    }

    /// Names of the columns that are solved for; the absorbed ones are not among them.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }

    /// Number of columns that are solved for.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// How far rounding may have moved the cells of every column from what its term says, as a share of the column's norm about
    /// zero; empty where no column is computed. `amplification` is how many times larger the powers are that polynomials are made of; of computed cells all is
    /// `kept`, or the nearest float64.
    pub fn cell_errors(&self, design: &Design, amplification: f64, kept: bool) -> Vec<f64> {
        if !(0..design.first_response()).any(|v| design.is_computed(v)) {
            return Vec::new();
        }
        let polynomial = |v: usize| match &design.variables[v].content {
            Content::Product(monomial) => monomial.iter().any(|piece| matches!(piece, Piece::Power(..))),
            Content::MissingFlag(_) => false,
        };
        let of_column = |column: &LayoutColumn| {
            let variables = || column.parts.iter().filter_map(|part| part.base.variable);
            let roundings = variables().map(|v| design.roundings(v, kept)).max().unwrap_or(0);
            let parts = column.parts.len() + 1;
            let (factors, larger) =
                if variables().any(polynomial) { (parts, amplification) } else { (0, 1.0) };
            f64::EPSILON / 2.0 * (roundings + factors) as f64 * larger
        };
        self.columns.iter().map(of_column).collect()
    }

    /// The category that is eliminated first, if there is one.
    pub fn absorbed(&self) -> Option<&AbsorbedTerm> {
        self.absorbed.as_ref()
    }

    /// The variable that a column is, if it is one as it lies.
    pub(crate) fn variable(&self, position: usize) -> Option<usize> {
        match self.columns[position].parts.as_slice() {
            [Part { base: BaseColumn { variable, levels }, factor }]
                if levels.is_empty() && *factor == 1.0 =>
            {
                *variable
            }
            _ => None,
        }
    }

    /// Positions of the columns that are made of nothing but the levels of one category.
    pub fn columns_of(&self, category: usize) -> Vec<usize> {
        let of_category = |part: &Part| {
            part.base.variable.is_none()
                && matches!(part.base.levels.as_slice(), [(own, _)] if *own == category)
        };
        let all = self.columns.iter().enumerate();
        all.filter(|(_, column)| column.parts.iter().all(of_category)).map(|(position, _)| position).collect()
    }

    /// Whether a column is made of nothing but levels of categories.
    pub fn is_of_levels(&self, position: usize) -> bool {
        self.columns[position].parts.iter().all(|part| part.base.variable.is_none())
    }

    /// Positions of the columns of a term, by its position in the model.
    pub fn columns_of_term(&self, term: usize) -> Vec<usize> {
        let all = self.columns.iter().enumerate();
        all.filter(|(_, column)| column.term == term).map(|(position, _)| position).collect()
    }

    /// The layout without the columns of a term, whether they are there or the term's category is eliminated.
    #[must_use]
    pub fn without_term(&self, term: usize) -> Self {
        let mut layout = self.clone();
        let absorbed = layout.absorbed.take().filter(|absorbed| absorbed.term != term);
        let before = |at: usize| self.columns[..at].iter().filter(|column| column.term == term).count();
        layout.absorbed = absorbed.map(|own| AbsorbedTerm { at: own.at - before(own.at), ..own });
        layout.columns.retain(|column| column.term != term);
        layout
    }

    /// Categories without a column.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Writes the column at `position` for all rows of a block whose level numbers are positions among the
    /// coding's levels. What stands in masked rows is unspecified.
    pub fn fill(&self, position: usize, block: &DesignBlock<'_>, out: &mut [f64]) {
        out.fill(0.0);
        for part in &self.columns[position].parts {
            let values = part.base.variable.map(|v| block.columns[v].values);
            match part.base.levels.as_slice() {
                [] => {
                    for (row, cell) in out.iter_mut().enumerate() {
                        *cell += part.factor * values.map_or(1.0, |v| v[row]);
                    }
                }
                levels => {
                    for (row, cell) in out.iter_mut().enumerate() {
                        if levels.iter().all(|&(category, level)| block.codes[category][row] == level) {
                            *cell += part.factor * values.map_or(1.0, |v| v[row]);
                        }
                    }
                }
            }
        }
    }

    /// The variables that the columns for which `wanted` is true are made of.
    pub fn variables(&self, wanted: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let columns = self.columns.iter().enumerate().filter(|(position, _)| wanted(*position));
        let parts = columns.flat_map(|(_, column)| &column.parts).filter(|part| part.factor != 0.0);
        parts.filter_map(|part| part.base.variable).collect()
    }

    /// What a value of every number adds to the prediction, by the levels of some categories: the sum of the
    /// coefficients' parts.
    pub fn effects(&self, coefficients: &[f64]) -> Vec<Effect> {
        let mut effects: BTreeMap<(Option<usize>, Vec<usize>), Slopes> = BTreeMap::new();
        for (column, coefficient) in self.columns.iter().zip(coefficients) {
            for part in &column.parts {
                let (categories, levels) = part.base.levels.iter().copied().unzip();
                let table = effects.entry((part.base.variable, categories)).or_default();
                *table.entry(levels).or_insert(0.0) += coefficient * part.factor;
            }
        }
        let effect = |((variable, categories), by_level)| Effect { variable, categories, by_level };
        effects.into_iter().map(effect).collect()
    }
}

/// Slopes by combinations of levels.
pub(crate) type Slopes = BTreeMap<Vec<u32>, f64>;

/// A part of the prediction: a number (or 1) times what depends on the levels of some categories.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Effect {
    /// Position of the variable; `None` for the constant 1.
    pub variable: Option<usize>,
    /// The categories.
    pub categories: Vec<usize>,
    /// The slope for every combination of their levels; 0 for those that are not there.
    pub by_level: Slopes,
}

/// The term with the largest category that can be eliminated: alone, of all levels or beside the constant.
fn largest(design: &Design, coding: &Coding) -> Option<usize> {
    let candidates = design.terms.iter().enumerate().filter_map(|(index, term)| {
        let [TermFactor::Category { index: category, .. }] = term.factors.as_slice() else { return None };
        let [scoped] = term.scoped.as_slice() else { return None };
        let &[(_, full)] = scoped.as_slice() else { return None };
        let size = coding.levels[*category].len();
        (full != design.spec.intercept && size >= ABSORB_FROM).then_some((index, size))
    });
    // The first of equally large ones.
    candidates.rev().max_by_key(|&(_, size)| size).map(|(index, _)| index)
}

/// A combination of monomials in rows of certain levels.
type Combination = Vec<Share>;

/// A monomial, the levels of the rows in which it counts, and its factor.
type Share = (Monomial, Vec<(usize, u32)>, f64);

struct Builder<'a> {
    design: &'a Design,
    coding: &'a Coding,
}

impl Builder<'_> {
    /// The columns of a scoped term: products of those of its factors, the first one's changing fastest.
    fn columns(&self, factors: &[TermFactor], scoped: &Scoped) -> Result<Vec<LayoutColumn>> {
        let mut products: Vec<(String, Combination)> =
            vec![(String::new(), vec![(Vec::new(), Vec::new(), 1.0)])];
        for &(position, full) in scoped {
            let own = self.factor(&factors[position], full)?;
            let mut next = Vec::with_capacity(products.len() * own.len());
            for (label, combination) in &own {
                for (before, product) in &products {
                    let name = if before.is_empty() { label.clone() } else { format!("{before}:{label}") };
                    next.push((name, multiply(product, combination)));
                }
            }
            products = next;
        }
        products.into_iter().map(|(name, combination)| self.column(name, combination)).collect()
    }

    fn column(&self, name: String, combination: Combination) -> Result<LayoutColumn> {
        let mut parts: Vec<Part> = Vec::with_capacity(combination.len());
        let mut add = |base: BaseColumn, factor: f64| match parts.iter_mut().find(|p| p.base == base) {
            Some(part) => part.factor += factor,
            None => parts.push(Part { base, factor }),
        };
        for (monomial, mut levels, factor) in combination {
            levels.sort_unstable();
            if monomial.is_empty() {
                add(BaseColumn { variable: None, levels }, factor);
                continue;
            }
            let unknown = || Error::new(ErrorKind::Model, "a term needs a variable that was not computed");
            let variable = self.design.variable(&monomial).ok_or_else(unknown)?;
            // Rows where it is missing hold the fill: the flag corrects them to the mean.
            if let Some((mean, flag)) = self.filled(variable) {
                let base = BaseColumn { variable: Some(flag), levels: levels.clone() };
                add(base, factor * (mean - self.design.fills[variable]));
            }
            add(BaseColumn { variable: Some(variable), levels }, factor);
        }
        Ok(LayoutColumn { name, term: 0, parts })
    }

    /// The mean and the flag of a variable that is missing somewhere.
    fn filled(&self, variable: usize) -> Option<(f64, usize)> {
        let &(_, mean) = self.coding.fills.iter().find(|(v, _)| *v == variable)?;
        Some((mean, self.design.flag_of(variable)?))
    }

    /// Labels and contents of a factor's columns.
    fn factor(&self, factor: &TermFactor, full: bool) -> Result<Vec<(String, Combination)>> {
        let number = |monomial: Monomial, share: f64| (monomial, Vec::new(), share);
        Ok(match factor {
            TermFactor::Number { label, piece } => {
                vec![(label.clone(), vec![number(vec![piece.clone()], 1.0)])]
            }
            TermFactor::Several { label, pieces } => {
                let column = |(j, piece): (usize, &Piece)| {
                    (format!("{label}[{}]", j + 1), vec![number(vec![piece.clone()], 1.0)])
                };
                pieces.iter().enumerate().map(column).collect()
            }
            TermFactor::Polynomial { label, index } => {
                let monomial =
                    |k: usize| if k == 0 { Vec::new() } else { vec![Piece::Power(*index, k as u32)] };
                let column = |(j, shares): (usize, &Vec<f64>)| {
                    let parts = shares.iter().enumerate().map(|(k, &share)| number(monomial(k), share));
                    (format!("{label}[{}]", j + 1), parts.collect())
                };
                self.coding.polynomials[*index].columns.iter().enumerate().map(column).collect()
            }
            TermFactor::Boolean { label, piece, reference } => {
                let is = |value: bool, factor: f64| {
                    let own = vec![piece.clone()];
                    if value {
                        vec![number(own, factor)]
                    } else {
                        vec![number(Vec::new(), factor), number(own, -factor)]
                    }
                };
                let name = |value: bool| if value { "True" } else { "False" };
                match (full, self.design.spec.contrasts) {
                    (true, _) => {
                        [false, true].map(|v| (format!("{label}[{}]", name(v)), is(v, 1.0))).to_vec()
                    }
                    (false, Contrasts::Treatment) => {
                        vec![(format!("{label}[T.{}]", name(!reference)), is(!reference, 1.0))]
                    }
                    (false, Contrasts::Sum) => {
                        let parts = [is(!reference, 1.0), is(*reference, -1.0)].concat();
                        vec![(format!("{label}[S.{}]", name(!reference)), parts)]
                    }
                }
            }
            TermFactor::Category { label, index } => self.category(label, *index, full)?,
        })
    }

    fn category(&self, label: &str, index: usize, full: bool) -> Result<Vec<(String, Combination)>> {
        let levels = &self.coding.levels[index];
        let indicator = |rank: usize, factor: f64| (Vec::new(), vec![(index, rank as u32)], factor);
        let all = levels.iter().enumerate();
        if full {
            return Ok(all.map(|(rank, l)| (format!("{label}[{l}]"), vec![indicator(rank, 1.0)])).collect());
        }
        let reference = self.reference(index)?;
        Ok(match self.design.categories[index].contrasts {
            Contrasts::Treatment => all
                .filter(|(rank, _)| *rank != reference)
                .map(|(rank, l)| (format!("{label}[T.{l}]"), vec![indicator(rank, 1.0)]))
                .collect(),
            Contrasts::Sum => all
                .filter(|(rank, _)| *rank != reference)
                .map(|(rank, l)| {
                    (format!("{label}[S.{l}]"), vec![indicator(rank, 1.0), indicator(reference, -1.0)])
                })
                .collect(),
        })
    }

    fn reference(&self, index: usize) -> Result<usize> {
        self.design.reference(index, &self.coding.levels[index])
    }

    fn absorbed(&self, factors: &[TermFactor], scoped: &Scoped, at: usize) -> Result<AbsorbedTerm> {
        let ([TermFactor::Category { label, index }], &[(_, full)]) = (factors, scoped.as_slice()) else {
            return Err(Error::new(ErrorKind::Model, "only a category alone can be absorbed"));
        };
        let contrasts = self.design.categories[*index].contrasts;
        let letter = match (full, contrasts) {
            (true, _) => "",
            (false, Contrasts::Treatment) => "T.",
            (false, Contrasts::Sum) => "S.",
        };
        let names = self.coding.levels[*index].iter().map(|l| format!("{label}[{letter}{l}]")).collect();
        let reference = if full { None } else { Some(self.reference(*index)?) };
        Ok(AbsorbedTerm { category: *index, term: 0, at, names, reference, contrasts, label: label.clone() })
    }

    /// A column that marks the rows where the number of a term is missing, once for every number.
    fn flags(&self, factors: &[TermFactor], scoped: &Scoped, done: &mut Vec<String>) -> Option<LayoutColumn> {
        let sum = self.design.spec.contrasts == Contrasts::Sum;
        let monomials = monomials(factors, scoped, sum, &self.design.polynomials);
        let (_, flag) = monomials.iter().filter_map(|m| self.filled(self.design.variable(m)?)).next()?;
        let numbers = scoped.iter().filter_map(|&(position, _)| match &factors[position] {
            TermFactor::Number { label, .. }
            | TermFactor::Polynomial { label, .. }
            | TermFactor::Several { label, .. } => Some(label.as_str()),
            TermFactor::Boolean { .. } | TermFactor::Category { .. } => None,
        });
        let name = format!("{}[missing]", numbers.collect::<Vec<_>>().join(":"));
        if done.contains(&name) {
            return None;
        }
        done.push(name.clone());
        let base = BaseColumn { variable: Some(flag), levels: Vec::new() };
        Some(LayoutColumn { name, term: 0, parts: vec![Part { base, factor: 1.0 }] })
    }

    /// Categories with one level that no term has a column for.
    fn single_levels(&self) -> Vec<LeftOut> {
        let is = |factor: &TermFactor, category: usize| matches!(factor, TermFactor::Category { index, .. } if *index == category);
        let has_column = |category: usize| {
            let full = |term: &BoundTerm| {
                let mut scoped = term.scoped.iter().flatten();
                scoped.any(|&(position, full)| full && is(&term.factors[position], category))
            };
            self.design.terms.iter().any(full)
        };
        let mut notes: Vec<LeftOut> = Vec::new();
        for factor in self.design.terms.iter().flat_map(|t| &t.factors) {
            let TermFactor::Category { label, index } = factor else { continue };
            let [only] = self.coding.levels[*index].as_slice() else { continue };
            if !notes.iter().any(|n| n.column == *label) && !has_column(*index) {
                let reason = format!("a single level, {:?}", only.to_string());
                notes.push(LeftOut { column: label.clone(), reason });
            }
        }
        notes
    }
}

fn multiply(a: &Combination, b: &Combination) -> Combination {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
    let product = |(x, y): (&Share, &Share)| {
        ([x.0.as_slice(), &y.0].concat(), [x.1.as_slice(), &y.1].concat(), x.2 * y.2)
    };
    pairs.map(product).collect()
}
