//! A model bound to a schema: which columns are read, what is computed of them, and which sums are needed.

pub(crate) mod bind;
mod checks;
mod coded;
pub(crate) mod expanded;
pub(crate) mod layout;
pub(crate) mod origins;
pub(crate) mod piecewise;
pub(crate) mod variables;

use std::sync::Arc;

use crate::design::piecewise::Piecewise;
use crate::error::{Error, ErrorKind, Result};
use crate::expression::{Expr, Operator};
use crate::formula::{Contrasts, Term};
use crate::levels::{Level, LevelSet};
use crate::model::scope::Scoped;
use crate::model::spec::{Missing, ModelSpec, Precision, factor_name};

/// Most groups that `by` may split the rows into.
const MAX_GROUPS: usize = 50_000_000;

/// A number that is multiplied in a variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A column as it is, by its position.
    Column(usize),
    /// Arithmetic on columns.
    Expr(Expr),
    /// A power of a polynomial's argument, shifted and scaled: polynomial and exponent.
    Power(usize, u32),
    /// A column of a spline's basis: spline and column.
    Spline(usize, usize),
}

/// What is computed of every row: a product of numbers. No pieces are the constant.
pub(crate) type Monomial = Vec<Piece>;

/// A numeric variable of the sums.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// What ledgers call it.
    pub(crate) label: String,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Product(Monomial),
    /// 1 where the variable at this position is missing, else 0.
    MissingFlag(usize),
}

/// An orthogonal polynomial, to be made from powers of `(argument - shift) / scale` after the pass.
#[derive(Clone, Debug)]
pub(crate) struct Polynomial {
    pub(crate) argument: Expr,
    pub(crate) degree: u32,
    pub(crate) shift: f64,
    /// A power of two.
    pub(crate) scale: f64,
}

/// A categorical column.
#[derive(Clone, Debug)]
pub(crate) struct Category {
    /// Position among the columns.
    pub(crate) column: usize,
    /// The reference level that was asked for, as text.
    pub(crate) reference: Option<String>,
    /// How its levels become columns.
    pub(crate) contrasts: Contrasts,
    /// Whether the formula says so, and not the model.
    pub(crate) coded: bool,
    /// Whether it only splits the rows into groups or clusters.
    pub(crate) by: bool,
    /// The order of its levels, where one was given.
    pub(crate) order: Vec<Level>,
}

/// One factor of a term.
#[derive(Clone, Debug)]
pub(crate) enum TermFactor {
    /// A number.
    Number { label: String, piece: Piece },
    /// `poly(x, k)`, orthogonal.
    Polynomial { label: String, index: usize },
    /// Several numbers: `poly(x, k, raw=TRUE)`, `bs(x, …)`.
    Several { label: String, pieces: Vec<Piece> },
    /// A boolean column or a condition, whose levels are known beforehand: 0 and 1 are all there is to it.
    Boolean { label: String, piece: Piece, reference: bool },
    /// A category, by its position.
    Category { label: String, index: usize },
}

impl TermFactor {
    pub(crate) fn is_category(&self) -> bool {
        matches!(self, Self::Category { .. } | Self::Boolean { .. })
    }
}

/// `argument ^ k`.
pub(crate) fn raised(argument: &Expr, k: u32) -> Piece {
    let power =
        || Expr::Binary(Operator::Pow, Box::new(argument.clone()), Box::new(Expr::Number(f64::from(k))));
    Piece::Expr(if k == 1 { argument.clone() } else { power() })
}

/// A term with the columns it contributes.
#[derive(Clone, Debug)]
pub(crate) struct BoundTerm {
    pub(crate) name: String,
    pub(crate) factors: Vec<TermFactor>,
    pub(crate) scoped: Vec<Scoped>,
}

/// Sums over the rows that share the levels of some categories.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableSpec {
    /// The categories, by position.
    pub(crate) key: Vec<usize>,
    /// The variables that are summed; the products with all others are summed for the first `slopes`.
    pub(crate) variables: Vec<usize>,
    pub(crate) slopes: usize,
    /// Whether the weights count.
    pub(crate) weighted: bool,
}

/// What must be there for a row to be used, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Number(usize),
    Weight(usize),
    Category(usize),
    Variable(usize),
    /// The pair of list columns: the position of the indices.
    Sparse(usize),
}

/// A model whose columns were found in a schema.
#[derive(Clone, Debug)]
pub struct Design {
    pub(crate) spec: ModelSpec,
    /// Columns that are read.
    pub(crate) columns: Vec<String>,
    /// Which of them are used as numbers.
    pub(crate) numbers: Vec<bool>,
    pub(crate) categories: Vec<Category>,
    /// Numeric variables: those of the terms, then the responses.
    pub(crate) variables: Vec<Variable>,
    /// For every column the variable of the terms that it is, as far as the list goes: designs may be very wide.
    pub(crate) of_column: Vec<Option<usize>>,
    pub(crate) polynomials: Vec<Polynomial>,
    pub(crate) splines: Vec<Piecewise>,
    pub(crate) terms: Vec<BoundTerm>,
    /// Position of the column with the weights.
    pub(crate) weights: Option<usize>,
    /// Categories that split the rows into groups.
    pub(crate) by: Vec<usize>,
    /// Categories that say which rows are correlated: the last ones.
    pub(crate) clusters: Vec<usize>,
    pub(crate) tables: Vec<TableSpec>,
    pub(crate) checks: Vec<Check>,
    /// What a missing number is replaced by until the mean is known, one a variable.
    pub(crate) fills: Vec<f64>,
    /// Positions of the pair of list columns: indices, values.
    pub(crate) lists: Option<(usize, usize)>,
    /// Whether sums are exact, and computed variables keep what rounding would take from them.
    pub(crate) exact: bool,
    /// Bytes of rows that may wait to be added to exact sums by level.
    pub(crate) table_room: usize,
}

impl Design {
    /// The same design with sums of the given precision; a new one has those of float64.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.exact = precision.is_exact(self.variables.len());
        self
    }

    /// The same design, of whose rows at most so many bytes wait to be added to sums by level, where memory is short.
    pub fn with_table_room(mut self, bytes: usize) -> Self {
        self.table_room = bytes;
        self
    }

    /// How sums are carried: [`Precision::Exact`] or [`Precision::Float`].
    pub fn precision(&self) -> Precision {
        if self.exact { Precision::Exact } else { Precision::Float }
    }

    /// Forgets the variables for which `needed` is false, and with them the columns that nothing else needs;
    /// the responses stay.
    pub fn retain(&mut self, needed: impl Fn(usize) -> bool) {
        let first_response = self.first_response();
        for (v, variable) in self.variables.iter_mut().enumerate().take(first_response) {
            if !needed(v) && !matches!(variable.content, Content::MissingFlag(of) if needed(of)) {
                variable.content = Content::Product(Vec::new());
            }
        }
        let used = |name: &str, column: usize| {
            self.weights == Some(column)
                || self.lists.is_some_and(|(indices, values)| column == indices || column == values)
                || self.categories.iter().any(|c| c.column == column)
                || self.variables.iter().any(|v| self.reads(v, name, column))
        };
        let keep: Vec<bool> = self.columns.iter().enumerate().map(|(i, name)| used(name, i)).collect();
        let moved: Vec<usize> = (0..keep.len()).map(|i| keep[..i].iter().filter(|&&k| k).count()).collect();
        self.of_column.clear();
        for variable in &mut self.variables {
            let Content::Product(monomial) = &mut variable.content else { continue };
            for piece in monomial {
                if let Piece::Column(column) = piece {
                    *column = moved[*column];
                }
            }
        }
        self.categories.iter_mut().for_each(|c| c.column = moved[c.column]);
        self.weights = self.weights.map(|column| moved[column]);
        self.lists = self.lists.map(|(indices, values)| (moved[indices], moved[values]));
        self.checks.retain(|check| match check {
            Check::Number(column) | Check::Weight(column) => keep[*column],
            Check::Variable(v) => *v >= first_response || needed(*v),
            Check::Category(_) | Check::Sparse(_) => true,
        });
        for check in &mut self.checks {
            if let Check::Number(column) | Check::Weight(column) | Check::Sparse(column) = check {
                *column = moved[*column];
            }
        }
        let mut kept = keep.iter();
        self.columns.retain(|_| *kept.next().unwrap_or(&true));
        let mut kept = keep.iter();
        self.numbers.retain(|_| *kept.next().unwrap_or(&true));
    }

    /// Whether a variable is computed from a column.
    fn reads(&self, variable: &Variable, name: &str, column: usize) -> bool {
        let Content::Product(monomial) = &variable.content else { return false };
        monomial.iter().any(|piece| match piece {
            Piece::Column(own) => *own == column,
            Piece::Expr(expr) => expr.columns().contains(&name),
            Piece::Power(index, _) => self.polynomials[*index].argument.columns().contains(&name),
            Piece::Spline(index, _) => self.splines[*index].argument.columns().contains(&name),
        })
    }

    /// Names of the columns that are needed. Batches must have them, in this order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The model.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Those of [`Design::columns`] that are categories and no numbers: dictionaries serve them best.
    pub fn dictionaries(&self) -> Vec<String> {
        let of_category = |c: &&Category| !self.numbers[c.column];
        self.categories.iter().filter(of_category).map(|c| self.columns[c.column].clone()).collect()
    }

    /// Number of numeric variables, the responses included.
    pub fn variables(&self) -> usize {
        self.variables.len()
    }

    /// Number of responses: the last variables.
    pub fn responses(&self) -> usize {
        self.spec.responses.len()
    }

    /// Position of the first response among the variables.
    pub(crate) fn first_response(&self) -> usize {
        self.variables.len() - self.responses()
    }

    /// Whether there is no category: neither among the terms nor as groups or clusters.
    pub fn has_only_numbers(&self) -> bool {
        self.categories.is_empty()
    }

    /// Whether the first rows have to be seen before a pass: see [`Design::centre_on`].
    pub fn needs_centre(&self) -> bool {
        !self.polynomials.is_empty() || self.spec.missing == Missing::Indicator
    }

    /// Whether a term has levels: of text, of booleans, of numbers that are declared a category.
    pub fn has_categories(&self) -> bool {
        let boolean = |factor: &TermFactor| matches!(factor, TermFactor::Boolean { .. });
        self.categories.iter().any(|c| !c.by) || self.terms.iter().any(|t| t.factors.iter().any(boolean))
    }

    /// Whether a category has the contrasts of the model, and none of its own.
    pub fn uses_contrasts(&self) -> bool {
        let boolean = |factor: &TermFactor| matches!(factor, TermFactor::Boolean { .. });
        self.categories.iter().any(|c| !c.by && !c.coded)
            || self.terms.iter().any(|t| t.factors.iter().any(boolean))
    }

    /// The columns of the categories of the terms, in the order of [`Coding::levels`](crate::Coding::levels).
    pub fn term_categories(&self) -> Vec<&str> {
        self.categories.iter().filter(|c| !c.by).map(|c| self.columns[c.column].as_str()).collect()
    }

    /// Gives the levels of a column an order: the first is the reference, and levels that are not named come last.
    pub fn order_levels(&mut self, column: &str, levels: &[String]) {
        let order: Vec<Level> = levels.iter().cloned().map(Level::Text).collect();
        let columns = &self.columns;
        let of_column = self.categories.iter_mut().filter(|c| columns[c.column] == column);
        of_column.for_each(|category| category.order.clone_from(&order));
    }

    /// Whether there are features that are mostly zero: list columns, or hashed ones.
    pub fn is_sparse(&self) -> bool {
        self.lists.is_some() || self.spec.hash_bits.is_some()
    }

    /// Whether a term is an orthogonal polynomial, whose columns depend on all rows.
    pub fn has_polynomials(&self) -> bool {
        !self.polynomials.is_empty()
    }

    /// Empty sets for the levels of the categories.
    pub fn level_sets(&self) -> Vec<Arc<LevelSet>> {
        let indicator = self.spec.missing == Missing::Indicator;
        let set = |c: &Category| {
            if self.spec.hash_bits.is_some() {
                return Arc::new(LevelSet::hashed(&self.columns[c.column]));
            }
            let max = if c.by { MAX_GROUPS } else { self.spec.max_levels };
            Arc::new(LevelSet::new(&self.columns[c.column], max, indicator && !c.by).ordered(&c.order))
        };
        self.categories.iter().map(set).collect()
    }

    /// The levels that a model has, one list a category, those of the clusters apart.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] when there are not as many lists as categories.
    pub fn fixed_level_sets(&self, levels: &[Vec<Level>]) -> Result<Vec<Arc<LevelSet>>> {
        if levels.len() != self.coded_categories() {
            return Err(Error::new(ErrorKind::Model, "the levels do not belong to the model's categories"));
        }
        let set = |(c, levels): (&Category, &Vec<Level>)| {
            let column = &self.columns[c.column];
            let hashed = self.spec.hash_bits.is_some();
            Arc::new(if hashed { LevelSet::hashed(column) } else { LevelSet::fixed(column, levels) })
        };
        Ok(self.categories.iter().zip(levels).map(set).collect())
    }

    /// The columns of the groups, in order.
    pub fn by(&self) -> &[usize] {
        &self.by
    }

    /// Whether a variable is computed from columns, and no column or mark of missing values itself.
    pub(crate) fn is_computed(&self, variable: usize) -> bool {
        match &self.variables[variable].content {
            Content::Product(monomial) => !matches!(monomial.as_slice(), [Piece::Column(_)]),
            Content::MissingFlag(_) => false,
        }
    }

    /// Positions, among the categories, of the clusters.
    pub fn clusters(&self) -> &[usize] {
        &self.clusters
    }

    /// Number of categories that a coding knows: all but the clusters, which are the last.
    pub(crate) fn coded_categories(&self) -> usize {
        self.categories.len() - self.clusters.len()
    }

    /// The position of a variable, by its content.
    pub(crate) fn variable(&self, monomial: &Monomial) -> Option<usize> {
        if let [Piece::Column(column)] = monomial.as_slice()
            && let Some(known) = self.of_column.get(*column).copied().flatten()
        {
            return Some(known);
        }
        self.variables.iter().position(|v| matches!(&v.content, Content::Product(m) if m == monomial))
    }

    /// What is wrong with a column whose squares float64 does not hold.
    pub(crate) fn beyond_range(&self) -> &'static str {
        if self.weights.is_some() {
            "the squares of its values, times the weights, are beyond float64's range; rescale the weights or the column"
        } else {
            "the squares of its values are beyond float64's range; rescale the column"
        }
    }

    /// How many roundings to float64 a variable has behind it, beside those of the columns that it is computed from, where all of
    /// it is `kept`, or the nearest float64.
    pub(crate) fn roundings(&self, variable: usize, kept: bool) -> usize {
        let Content::Product(monomial) = &self.variables[variable].content else { return 0 };
        let of_piece = |piece: &Piece| match piece {
            Piece::Column(_) => 0,
            Piece::Expr(expr) if kept => expr.calls(),
            Piece::Expr(expr) => expr.roundings().unwrap_or(expr.calls() + 1),
            Piece::Power(index, exponent) => {
                let argument = &self.polynomials[*index].argument;
                *exponent as usize * (argument.calls() + 2 * usize::from(!kept))
            }
            Piece::Spline(index, _) => self.splines[*index].argument.calls() + usize::from(!kept),
        };
        let products = if kept { 0 } else { monomial.len().saturating_sub(1) };
        monomial.iter().map(of_piece).sum::<usize>() + products
    }

    /// The variable that marks where another one is missing.
    pub fn flag_of(&self, variable: usize) -> Option<usize> {
        self.variables.iter().position(|v| matches!(v.content, Content::MissingFlag(of) if of == variable))
    }
}

/// A term as messages call it.
pub(crate) fn term_name(term: &Term) -> String {
    let names: Vec<String> = term.factors().iter().map(factor_name).collect();
    names.join(":")
}

/// The error for a reference level that does not exist.
pub(crate) fn no_level(column: &str, level: &str, levels: &[String]) -> Error {
    let error = Error::new(ErrorKind::Model, format!("there is no level {level:?} to be the reference"));
    error.in_column(column).unknown_among(level, "levels", levels.iter().cloned())
}

/// The monomials of a scoped term: products of those of its factors.
pub(crate) fn monomials(
    factors: &[TermFactor],
    scoped: &Scoped,
    sum_contrasts: bool,
    polynomials: &[Polynomial],
) -> Vec<Monomial> {
    let mut products: Vec<Monomial> = vec![Vec::new()];
    for &(position, full) in scoped {
        let own: Vec<Monomial> = match &factors[position] {
            TermFactor::Number { piece, .. } => vec![vec![piece.clone()]],
            TermFactor::Several { pieces, .. } => pieces.iter().map(|piece| vec![piece.clone()]).collect(),
            // The constant part of a polynomial matters where it meets something else.
            TermFactor::Polynomial { index, .. } => {
                let powers = (1..=polynomials[*index].degree).map(|k| vec![Piece::Power(*index, k)]);
                [Vec::new()].into_iter().chain(powers).collect()
            }
            TermFactor::Boolean { piece, reference, .. } => {
                let own = vec![piece.clone()];
                if full || *reference || sum_contrasts { vec![Vec::new(), own] } else { vec![own] }
            }
            TermFactor::Category { .. } => vec![Vec::new()],
        };
        products =
            own.iter().flat_map(|m| products.iter().map(move |p| [p.as_slice(), m].concat())).collect();
    }
    products
}
