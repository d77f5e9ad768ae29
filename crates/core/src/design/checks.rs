//! What a model may not ask for, whatever the data: roles and codings that exclude each other.

use std::collections::{HashMap, HashSet};

use crate::design::bind::Binder;
use crate::design::{TermFactor, term_name};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::{CodedCategory, Contrasts, Factor};
use crate::model::spec::{INTERCEPT, MAX_HASH_BITS, Missing, factor_name};

impl Binder<'_> {
    /// Checks that no column has two roles that exclude each other, and no term stands twice.
    pub(super) fn check_names(&self) -> Result<()> {
        let error =
            |column: &str, message: &str| Err(Error::new(ErrorKind::Model, message).in_column(column));
        let mut seen: HashSet<String> = HashSet::new();
        for term in &self.spec.terms {
            for factor in term.factors() {
                if self.spec.responses.contains(factor) {
                    return error(&factor_name(factor), "the response is also a feature");
                }
                if let Factor::Column(name) = factor {
                    if self.spec.intercept && name == INTERCEPT {
                        let message =
                            "the name belongs to the constant; rename the column or fit without an intercept";
                        return error(name, message);
                    }
                    if self.spec.by.contains(name) {
                        return error(
                            name,
                            "the column of the groups is also a feature; it is constant in each",
                        );
                    }
                }
            }
            if !seen.insert(term.to_string()) {
                for column in term.columns() {
                    // Two columns of one name are two features unless they are named.
                    self.schema.kind(column, "feature")?;
                }
                return error(&term_name(term), "the feature is named twice");
            }
        }
        for (index, response) in self.spec.responses.iter().enumerate() {
            if self.spec.responses[..index].contains(response) {
                return error(&factor_name(response), "the response is named twice");
            }
        }
        for (index, column) in self.spec.by.iter().enumerate() {
            if self.spec.by[..index].contains(column) {
                return error(column, "the group is named twice");
            }
            if self.spec.clusters.contains(column) {
                return error(column, "the column of the groups is also a cluster; it is constant in each");
            }
            if self.spec.responses.contains(&Factor::Column(column.clone())) {
                return error(column, "the response is also a group");
            }
        }
        Ok(())
    }

    /// A category has one coding, wherever it stands.
    pub(super) fn check_codings(&self) -> Result<()> {
        let coding = |factor: &Factor| match factor {
            Factor::Coded(category) => Some(category.clone()),
            _ => None,
        };
        let mut codings: HashMap<usize, Option<CodedCategory>> = HashMap::new();
        for (term, bound) in self.spec.terms.iter().zip(&self.design.terms) {
            for (factor, bound) in term.factors().iter().zip(&bound.factors) {
                let TermFactor::Category { index, .. } = bound else { continue };
                let own = coding(factor);
                let known = codings.entry(*index).or_insert_with(|| own.clone());
                let column = &self.design.columns[self.design.categories[*index].column];
                let error = |message: &str| Err(Error::new(ErrorKind::Model, message).in_column(column));
                if *known != own {
                    return error(
                        "the category has two codings in the formula; write the same one everywhere",
                    );
                }
                if own.is_some() && self.spec.references.iter().any(|(other, _)| other == column) {
                    return error(
                        "the formula gives the coding of the category; a reference level besides changes nothing",
                    );
                }
            }
        }
        Ok(())
    }

    /// What has no meaning where levels are not known.
    pub(super) fn check_hash(&self) -> Result<()> {
        let error = |message: &str| Err(Error::new(ErrorKind::Model, message));
        match self.spec.hash_bits {
            None => Ok(()),
            Some(bits) if !(1..=MAX_HASH_BITS).contains(&bits) => {
                error(&format!("a hash has 1 to {MAX_HASH_BITS} bits, not {bits}"))
            }
            Some(_) if !self.spec.references.is_empty() => {
                error("hashed categories have no reference level: all their levels have a column")
            }
            Some(_) if self.spec.contrasts == Contrasts::Sum => {
                error("hashed categories have no contrasts: all their levels have a column")
            }
            Some(_) if self.design.categories.iter().any(|c| c.coded) => {
                error("hashed categories have no coding of their own: write C(g) without one")
            }
            Some(_) if self.spec.missing == Missing::Indicator => {
                error("hashed categories have no indicator of missing values")
            }
            Some(_) => Ok(()),
        }
    }

    /// Every reference and declared category must be a category of the model's terms.
    pub(super) fn check_references(&self) -> Result<()> {
        let error =
            |column: &str, message: &str| Err(Error::new(ErrorKind::Model, message).in_column(column));
        let boolean =
            |f: &TermFactor, name: &str| matches!(f, TermFactor::Boolean { label, .. } if label == name);
        let is_boolean = |name: &str| {
            let mut factors = self.design.terms.iter().flat_map(|t| &t.factors);
            factors.any(|f| boolean(f, name))
        };
        let is_category = |name: &str| {
            let mut categories = self.design.categories.iter().filter(|c| !c.by);
            categories.any(|c| self.design.columns[c.column] == name)
        };
        for (index, (column, _)) in self.spec.references.iter().enumerate() {
            self.schema.kind(column, "column of --reference")?;
            if !is_boolean(column) && !is_category(column) {
                let message = "a reference level is given, but the column is not a category of the model; C() \
                     or --categorical makes a number one";
                return error(column, message);
            }
            if self.spec.references[..index].iter().any(|(other, _)| other == column) {
                return error(column, "two reference levels are given; a category has one");
            }
        }
        for column in &self.spec.categorical {
            self.schema.kind(column, "category")?;
            if !is_category(column) && !self.spec.by.contains(column) {
                return error(column, "it is declared a category, but no term of the model has it as one");
            }
        }
        Ok(())
    }
}
