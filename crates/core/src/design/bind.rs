//! From a model and a schema to a design: roles of columns, variables, and the sums that are needed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow_schema::{DataType, Schema};

use crate::design::piecewise::Piecewise;
use crate::design::{
    BoundTerm, Category, Check, Content, Design, Monomial, Piece, Polynomial, TableSpec, TermFactor,
    Variable, monomials, no_level, raised, term_name,
};
use crate::error::{Error, ErrorKind, Result};
use crate::expression::{Expr, Operator};
use crate::formula::{CodedCategory, Contrasts, Factor, Spline, Term};
use crate::model::scope::{Subject, scope};
use crate::model::spec::{Columns, Missing, ModelSpec, WeightType, factor_name, is_category};

/// A design under construction.
pub(crate) struct Binder<'s> {
    pub(super) spec: &'s ModelSpec,
    pub(super) schema: Columns<'s>,
    pub(super) design: Design,
    positions: HashMap<String, usize>,
    /// The splines of the design, in order.
    splines: Vec<Factor>,
}

impl Design {
    /// Binds `spec` to the columns of `schema`.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a column that is absent, ambiguous, repeated or of a type that its role
    /// does not allow, and for a model with nothing to estimate.
    pub fn new(spec: &ModelSpec, schema: &Schema) -> Result<Self> {
        if spec.responses.is_empty() {
            return Err(Error::new(ErrorKind::Model, "the model has no response"));
        }
        Binder::new(spec, schema).bind()
    }

    /// Binds the terms of `spec` alone, for predictions: no response, weight or group is needed. An offset, which
    /// predictions are to add, is then the response.
    ///
    /// # Errors
    /// As [`Design::new`].
    pub fn of_terms(spec: &ModelSpec, schema: &Schema) -> Result<Self> {
        let offset = |expr: Expr| match expr {
            Expr::Column(name) => Factor::Column(name),
            other => Factor::Expr(other),
        };
        let responses = spec.offset().map(offset).into_iter().collect();
        let spec = ModelSpec { responses, offsets: Vec::new(), ..spec.for_new_rows() };
        Binder::new(&spec, schema).bind()
    }
}

impl<'s> Binder<'s> {
    pub(crate) fn new(spec: &'s ModelSpec, schema: &'s Schema) -> Self {
        let design = Design {
            spec: spec.clone(),
            columns: Vec::new(),
            numbers: Vec::new(),
            categories: Vec::new(),
            variables: Vec::new(),
            of_column: Vec::new(),
            polynomials: Vec::new(),
            splines: Vec::new(),
            terms: Vec::new(),
            weights: None,
            by: Vec::new(),
            clusters: Vec::new(),
            tables: Vec::new(),
            checks: Vec::new(),
            fills: Vec::new(),
            lists: None,
            exact: false,
            table_room: usize::MAX,
        };
        Self { spec, schema: Columns::new(schema), design, positions: HashMap::new(), splines: Vec::new() }
    }

    pub(crate) fn bind(mut self) -> Result<Design> {
        if self.spec.terms.is_empty() && self.spec.sparse.is_none() && !self.spec.intercept {
            return Err(Error::new(ErrorKind::Model, "the model has neither a feature nor an intercept"));
        }
        self.check_names()?;
        let responses = self.spec.responses.iter().map(|r| self.response(r)).collect::<Result<Vec<_>>>()?;
        self.design.weights = match &self.spec.weights {
            Some(weights) => {
                self.schema.check_numeric(&weights.column, "weight")?;
                Some(self.number(&weights.column))
            }
            None => None,
        };
        for column in &self.spec.by {
            self.schema.check_category(column, "group")?;
            let index = self.category(column, true);
            self.design.by.push(index);
        }
        for column in &self.spec.clusters {
            self.schema.check_category(column, "cluster")?;
            // Its cells are looked at before those of the features; the category itself comes behind theirs.
            self.column(column);
        }
        let first_feature_column = self.design.columns.len();
        self.bind_terms()?;
        self.check_references()?;
        self.check_hash()?;
        if let Some(sparse) = &self.spec.sparse {
            self.schema.check_list(&sparse.indices, "column of the indices", true)?;
            self.schema.check_list(&sparse.values, "column of the values", false)?;
            self.design.lists = Some((self.column(&sparse.indices), self.column(&sparse.values)));
        }
        let features = self.design.variables.len();
        for (monomial, factor) in responses.into_iter().zip(&self.spec.responses) {
            let content = Content::Product(monomial);
            let own = factor_name(factor);
            // What is not finite may be either.
            let label = match self.spec.offset() {
                Some(offset) => format!("{own} - offset({offset})"),
                None => own,
            };
            self.design.variables.push(Variable { label, content });
        }
        self.add_flags(features);
        self.design.clusters = self.spec.clusters.iter().map(|name| self.category(name, true)).collect();
        self.design.fills = vec![0.0; self.design.variables.len()];
        self.design.checks = self.checks(first_feature_column);
        self.design.tables = tables(&self.design);
        Ok(self.design)
    }

    /// What is explained: the response, less the offsets.
    fn response(&mut self, factor: &Factor) -> Result<Monomial> {
        let response = match factor {
            Factor::Column(name) => Expr::Column(name.clone()),
            Factor::Expr(expr) => expr.clone(),
            Factor::Category(_) | Factor::Coded(_) | Factor::Poly { .. } | Factor::Spline(_) => {
                let message = format!("{factor} cannot be a response: it must be one number");
                return Err(Error::new(ErrorKind::Model, message));
            }
        };
        let own = self.expression(&response, "response")?;
        let Some(offset) = self.spec.offset() else { return Ok(vec![own]) };
        self.expression(&offset, "offset")?;
        Ok(vec![Piece::Expr(Expr::Binary(Operator::Sub, Box::new(response), Box::new(offset)))])
    }

    /// Position of a column that is used as a number.
    fn number(&mut self, name: &str) -> usize {
        let position = self.column(name);
        self.design.numbers[position] = true;
        position
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        let position = self.design.columns.len();
        self.positions.insert(name.to_owned(), position);
        self.design.columns.push(name.to_owned());
        self.design.numbers.push(false);
        position
    }

    fn category(&mut self, name: &str, by: bool) -> usize {
        let column = self.column(name);
        let categories = &mut self.design.categories;
        categories.iter().position(|c| c.column == column && c.by == by).unwrap_or_else(|| {
            let asked = self.spec.references.iter().find(|(c, _)| c == name).map(|(_, level)| level.clone());
            let coded = coded_category(&self.spec.terms, name).filter(|_| !by);
            let (contrasts, reference) = match coded {
                Some(own) => (own.contrasts, own.reference.clone()),
                None => (self.spec.contrasts, asked),
            };
            let coded = coded.is_some();
            categories.push(Category { column, reference, contrasts, coded, by, order: Vec::new() });
            categories.len() - 1
        })
    }

    fn expression(&mut self, expr: &Expr, role: &str) -> Result<Piece> {
        for name in expr.columns() {
            self.schema.check_numeric(name, role)?;
        }
        let positions: Vec<usize> = expr.columns().iter().map(|name| self.number(name)).collect();
        Ok(match expr {
            Expr::Column(_) => Piece::Column(positions[0]),
            other => Piece::Expr(other.clone()),
        })
    }

    fn bind_terms(&mut self) -> Result<()> {
        let mut identities: HashMap<String, usize> = HashMap::new();
        let mut subjects = Vec::with_capacity(self.spec.terms.len());
        for term in &self.spec.terms {
            let factors = term.factors().iter().map(|f| self.factor(f)).collect::<Result<Vec<_>>>()?;
            let subject = |(factor, bound): (&Factor, &TermFactor)| {
                let name = identity(factor, bound);
                let next = identities.len();
                let id = *identities.entry(name).or_insert(next);
                Subject { id, category: bound.is_category() }
            };
            subjects.push(term.factors().iter().zip(&factors).map(subject).collect::<Vec<_>>());
            let name = term_name(term);
            self.design.terms.push(BoundTerm { name, factors, scoped: Vec::new() });
        }
        self.check_codings()?;
        let mut scoped = scope(&subjects, self.spec.intercept);
        if self.spec.hash_bits.is_some() {
            // Nobody knows the levels, so none can be the reference: all count, in every term.
            for (scoped, term) in scoped.iter_mut().zip(&self.design.terms) {
                if term.factors.iter().any(|f| matches!(f, TermFactor::Category { .. })) {
                    *scoped = vec![(0..term.factors.len()).map(|position| (position, true)).collect()];
                }
            }
        }
        let sum = self.spec.contrasts == Contrasts::Sum;
        for (index, scoped) in scoped.into_iter().enumerate() {
            for part in &scoped {
                for monomial in
                    monomials(&self.design.terms[index].factors, part, sum, &self.design.polynomials)
                {
                    let name = self.design.terms[index].name.clone();
                    self.add_variable(name, monomial);
                }
            }
            self.design.terms[index].scoped = scoped;
        }
        self.add_powers();
        Ok(())
    }

    /// The powers that polynomials are made of: what makes them orthogonal are their own products, also where
    /// they stand in no column alone.
    fn add_powers(&mut self) {
        let factors = self.design.terms.iter().flat_map(|t| &t.factors);
        let labels = factors.filter_map(|factor| match factor {
            TermFactor::Polynomial { label, index } => Some((label.clone(), *index)),
            _ => None,
        });
        for (label, index) in labels.collect::<Vec<_>>() {
            for k in 1..=self.design.polynomials[index].degree {
                self.add_variable(label.clone(), vec![Piece::Power(index, k)]);
            }
        }
    }

    fn add_variable(&mut self, label: String, monomial: Monomial) {
        // A column that no variable is yet is no variable anywhere: nothing has to be searched for it.
        let new_column = matches!(monomial.as_slice(), [Piece::Column(column)]
            if self.design.of_column.get(*column).copied().flatten().is_none());
        if monomial.is_empty() || (!new_column && self.design.variable(&monomial).is_some()) {
            return;
        }
        let label = match monomial.as_slice() {
            [Piece::Column(column)] => self.design.columns[*column].clone(),
            [Piece::Expr(expr)] => expr.to_string(),
            _ => label,
        };
        if let [Piece::Column(column)] = monomial.as_slice() {
            let known = self.design.of_column.len().max(column + 1);
            self.design.of_column.resize(known, None);
            self.design.of_column[*column] = Some(self.design.variables.len());
        }
        self.design.variables.push(Variable { label, content: Content::Product(monomial) });
    }

    fn factor(&mut self, factor: &Factor) -> Result<TermFactor> {
        let label = factor_name(factor);
        match factor {
            Factor::Category(name) => {
                self.schema.check_category(name, "feature")?;
                Ok(TermFactor::Category { label, index: self.category(name, false) })
            }
            Factor::Column(name) => self.column_factor(label, name),
            Factor::Coded(category) => {
                self.schema.check_category(&category.column, "feature")?;
                Ok(TermFactor::Category { label, index: self.category(&category.column, false) })
            }
            Factor::Expr(e) if e.is_condition() => self.condition(label, e),
            Factor::Expr(e) => Ok(TermFactor::Number { label, piece: self.expression(e, "feature")? }),
            Factor::Spline(spline) => self.spline(label, spline),
            Factor::Poly { argument, degree, raw: true } => {
                self.expression(argument, "feature")?;
                let pieces = (1..=*degree).map(|k| raised(argument, k)).collect();
                Ok(TermFactor::Several { label, pieces })
            }
            Factor::Poly { argument, degree, raw: false } => {
                self.expression(argument, "feature")?;
                let same = |p: &Polynomial| p.argument == *argument && p.degree == *degree;
                let polynomials = &mut self.design.polynomials;
                let index = polynomials.iter().position(same).unwrap_or_else(|| {
                    let (argument, degree) = (argument.clone(), *degree);
                    polynomials.push(Polynomial { argument, degree, shift: 0.0, scale: 1.0 });
                    polynomials.len() - 1
                });
                Ok(TermFactor::Polynomial { label, index })
            }
        }
    }

    /// A column as its type and the model say: a boolean, a category, or a number.
    fn column_factor(&mut self, label: String, name: &str) -> Result<TermFactor> {
        let kind = self.schema.kind(name, "feature")?;
        let declared = self.spec.categorical.iter().any(|own| own == name);
        let named = self.spec.references.iter().find(|(column, _)| column == name);
        if *kind == DataType::Boolean && !declared && self.spec.missing != Missing::Indicator {
            let reference = match named.map(|(_, level)| level.to_ascii_lowercase()) {
                // Sum contrasts have a column for every level but the last.
                None => self.spec.contrasts == Contrasts::Sum,
                Some(level) if level == "true" || level == "false" => level == "true",
                Some(level) => return Err(no_level(name, &level, &["False".into(), "True".into()])),
            };
            let piece = Piece::Column(self.number(name));
            return Ok(TermFactor::Boolean { label, piece, reference });
        }
        if is_category(kind) || declared {
            self.schema.check_category(name, "feature")?;
            return Ok(TermFactor::Category { label, index: self.category(name, false) });
        }
        self.schema.check_numeric(name, "feature")?;
        Ok(TermFactor::Number { label, piece: Piece::Column(self.number(name)) })
    }

    fn condition(&mut self, label: String, condition: &Expr) -> Result<TermFactor> {
        let piece = self.expression(condition, "feature")?;
        if self.spec.missing == Missing::Indicator {
            let message = format!(
                "{label} has no level for missing values, as --missing indicator wants; ifelse({condition}, 1, 0) is a \
                 number, which has"
            );
            return Err(Error::new(ErrorKind::Model, message));
        }
        // Sum contrasts have a column for every level but the last.
        Ok(TermFactor::Boolean { label, piece, reference: self.spec.contrasts == Contrasts::Sum })
    }

    fn spline(&mut self, label: String, spline: &Spline) -> Result<TermFactor> {
        self.expression(&spline.argument, "feature")?;
        let factor = Factor::Spline(spline.clone());
        let known = self.splines.iter().position(|other| *other == factor);
        let index = known.unwrap_or_else(|| {
            self.splines.push(factor);
            self.design.splines.push(Piecewise::new(spline));
            self.splines.len() - 1
        });
        let pieces = (0..spline.columns()).map(|column| Piece::Spline(index, column)).collect();
        Ok(TermFactor::Several { label, pieces })
    }

    /// A variable that marks missing values for each of the first `features`.
    fn add_flags(&mut self, features: usize) {
        if self.spec.missing != Missing::Indicator {
            return;
        }
        let flag = |v: usize| Variable {
            label: format!("{}[missing]", self.design.variables[v].label),
            content: Content::MissingFlag(v),
        };
        let flags: Vec<Variable> = (0..features).map(flag).collect();
        // Behind the features, before the responses, which must be last.
        self.design.variables.splice(features..features, flags);
    }

    fn checks(&self, first_feature_column: usize) -> Vec<Check> {
        let design = &self.design;
        let indicator = self.spec.missing == Missing::Indicator;
        let mut checks = Vec::new();
        let responses = design.first_response()..design.variables.len();
        for column in 0..design.columns.len() {
            let feature = column >= first_feature_column;
            if design.weights == Some(column) {
                checks.push(Check::Weight(column));
            } else if design.numbers[column] && !(feature && indicator) {
                checks.push(Check::Number(column));
            }
            if design.lists.is_some_and(|(indices, _)| indices == column) {
                checks.push(Check::Sparse(column));
            }
            let categories = design.categories.iter().enumerate().filter(|(_, c)| c.column == column);
            checks.extend(categories.map(|(index, _)| Check::Category(index)));
        }
        let features = (0..design.first_response()).filter(|_| !indicator);
        checks.extend(responses.chain(features).filter(|&v| design.is_computed(v)).map(Check::Variable));
        checks
    }
}

/// Tells factors apart: `x` and `C(x)` are one category, `log(x)` is another number than `x`.
fn identity(factor: &Factor, bound: &TermFactor) -> String {
    match (bound, factor) {
        (TermFactor::Category { index, .. }, _) => format!("category {index}"),
        (_, other) => other.to_string(),
    }
}

/// The category of a column that has a coding of its own.
fn coded_category<'t>(terms: &'t [Term], column: &str) -> Option<&'t CodedCategory> {
    terms.iter().flat_map(Term::factors).find_map(|factor| match factor {
        Factor::Coded(category) if category.column == column => Some(category),
        _ => None,
    })
}

/// For every set of categories that a term is spread over, the variables that are.
fn spread(design: &Design) -> BTreeMap<Vec<usize>, BTreeSet<usize>> {
    let sum = design.spec.contrasts == Contrasts::Sum;
    let mut needs: BTreeMap<Vec<usize>, BTreeSet<usize>> = BTreeMap::new();
    for term in &design.terms {
        for scoped in &term.scoped {
            let mut key: Vec<usize> = scoped
                .iter()
                .filter_map(|&(position, _)| match &term.factors[position] {
                    TermFactor::Category { index, .. } => Some(*index),
                    _ => None,
                })
                .collect();
            key.sort_unstable();
            if key.is_empty() {
                continue;
            }
            let slopes = needs.entry(key).or_default();
            for monomial in monomials(&term.factors, scoped, sum, &design.polynomials) {
                if let Some(variable) = design.variable(&monomial) {
                    slopes.insert(variable);
                    slopes.extend(design.flag_of(variable));
                }
            }
        }
    }
    needs
}

/// The sums that the design needs beside those over all rows.
fn tables(design: &Design) -> Vec<TableSpec> {
    let needs = spread(design);
    let all: BTreeSet<usize> = (0..design.variables.len()).collect();
    let mut wanted: BTreeMap<Vec<usize>, (BTreeSet<usize>, BTreeSet<usize>)> = BTreeMap::new();
    let keys: Vec<(&Vec<usize>, &BTreeSet<usize>)> = needs.iter().collect();
    for (index, (key, slopes)) in keys.iter().enumerate() {
        let entry = wanted.entry((*key).clone()).or_default();
        entry.0.extend(&all);
        entry.1.extend(*slopes);
        for (other, more) in &keys[index + 1..] {
            let mut joint: Vec<usize> = key.iter().chain(*other).copied().collect();
            joint.sort_unstable();
            joint.dedup();
            let entry = wanted.entry(joint).or_default();
            let both: BTreeSet<usize> = slopes.union(more).copied().collect();
            entry.0.extend(&both);
            entry.1.extend(&both);
        }
    }
    let mut tables = Vec::new();
    if !design.by.is_empty() {
        let variables: Vec<usize> = all.iter().copied().collect();
        let slopes = variables.len();
        tables.push(TableSpec { key: design.by.clone(), variables, slopes, weighted: true });
    }
    for (key, (variables, slopes)) in wanted {
        let key = design.by.iter().copied().chain(key).collect();
        let rest = variables.difference(&slopes).copied();
        let variables = slopes.iter().copied().chain(rest).collect();
        tables.push(TableSpec { key, variables, slopes: slopes.len(), weighted: true });
    }
    // R's orthogonal polynomials are orthogonal over rows, not over weights.
    let of_rows = design.spec.weights.as_ref().is_some_and(|w| w.kind != WeightType::Frequency);
    if of_rows && !design.polynomials.is_empty() {
        let variables = powers(design);
        let slopes = variables.len();
        tables.push(TableSpec { key: design.by.clone(), variables, slopes, weighted: false });
    }
    tables
}

/// The variables that polynomials are made of, with those that mark where they are missing.
pub(crate) fn powers(design: &Design) -> Vec<usize> {
    let is_power = |v: usize| match &design.variables[v].content {
        Content::Product(monomial) => matches!(monomial.as_slice(), [Piece::Power(..)]),
        Content::MissingFlag(_) => false,
    };
    let of_power = |v: usize| match design.variables[v].content {
        Content::MissingFlag(of) => is_power(of),
        Content::Product(_) => is_power(v),
    };
    (0..design.variables.len()).filter(|&v| of_power(v)).collect()
}
