//! The products that a formula stands for.

use std::collections::{HashMap, HashSet};

use super::error::{FormulaError, Result, quoted};
use super::syntax::{Kind, Node, Sign};
use super::{Expansion, Factor, Formula, MAX_TERMS, Term};
use crate::expression::Expr;

/// How many factors and pairs of factors may be looked at: a little more than `(a + … + m)^10` takes, which has the
/// most for the terms that there may be. A formula that adds or multiplies again and again what it has
/// already could keep a processor busy for hours.
const MAX_WORK: usize = 5_000_000;

/// How many terms a message lists.
const LISTED: usize = 30;

pub(super) fn expand(formula: &Formula, columns: &[String]) -> Result<Expansion> {
    let responses: HashSet<_> = formula.responses.iter().flat_map(Factor::columns).collect();
    let others = columns.iter().filter(|column| !responses.contains(column.as_str()));
    let mut factors = Factors::default();
    let others = others.map(|column| factors.number(Factor::Column(column.clone()))).collect();
    let mut expander = Expander { text: &formula.text, others, factors, work: 0 };
    let sum = expander.sum(&formula.right)?;
    let intercept = sum.constant.unwrap_or(true);
    let mut products = sum.in_order();
    if products.is_empty() && !intercept {
        return Err(
            expander.error(&formula.right, "nothing is left to estimate: neither a term nor the constant")
        );
    }
    products.sort_by_key(|product| product.0.len());
    let terms = products.iter().map(|product| expander.factors.term(product)).collect();
    Ok(Expansion { responses: formula.responses.clone(), terms, offsets: sum.offsets, intercept })
}

/// Every factor that occurs, with a number. Factors are the same if they print the same.
#[derive(Default)]
struct Factors {
    list: Vec<Factor>,
    numbers: HashMap<String, usize>,
}

impl Factors {
    fn number(&mut self, factor: Factor) -> usize {
        *self.numbers.entry(factor.to_string()).or_insert_with(|| {
            self.list.push(factor);
            self.list.len() - 1
        })
    }

    fn term(&self, product: &Product) -> Term {
        Term { factors: product.0.iter().map(|&number| self.list[number].clone()).collect() }
    }
}

/// The numbers of distinct factors, in the order in which they were written.
#[derive(Clone)]
struct Product(Vec<usize>);

impl Product {
    /// Which products are the same.
    fn key(&self) -> Vec<usize> {
        let mut key = self.0.clone();
        key.sort_unstable();
        key
    }

    fn times(&self, other: &Self) -> Self {
        let mut factors = self.0.clone();
        factors.extend(other.0.iter().filter(|number| !self.0.contains(number)));
        Self(factors)
    }
}

/// Distinct products, in the order in which they were added.
#[derive(Clone, Default)]
struct Sum {
    /// By key, with a number that grows with every addition.
    products: HashMap<Vec<usize>, (usize, Product)>,
    added: usize,
    /// Whether there is a constant, if anything was said about it.
    constant: Option<bool>,
    offsets: Vec<Expr>,
}

impl Sum {
    fn of(product: Product) -> Self {
        let mut sum = Self::default();
        sum.add(product);
        sum
    }

    fn add(&mut self, product: Product) {
        self.products.entry(product.key()).or_insert((self.added, product));
        self.added += 1;
    }

    fn in_order(&self) -> Vec<Product> {
        let mut products: Vec<_> = self.products.values().collect();
        products.sort_unstable_by_key(|(number, _)| *number);
        products.into_iter().map(|(_, product)| product.clone()).collect()
    }
}

/// The product of all terms of a sum.
fn together(sum: &Sum) -> Product {
    sum.in_order().iter().fold(Product(Vec::new()), |all, product| all.times(product))
}

struct Expander<'f> {
    text: &'f str,
    /// The factors that a `.` stands for.
    others: Vec<usize>,
    factors: Factors,
    work: usize,
}

impl Expander<'_> {
    fn sum(&mut self, node: &Node) -> Result<Sum> {
        match &node.kind {
            Kind::Constant(present) => Ok(Sum { constant: Some(*present), ..Sum::default() }),
            Kind::Dot => self.dot(node),
            Kind::Factor(factor) => Ok(Sum::of(Product(vec![self.factors.number(factor.clone())]))),
            Kind::Offset(offset) => Ok(Sum { offsets: vec![offset.clone()], ..Sum::default() }),
            Kind::Sum(parts) => self.signed(parts),
            Kind::Cross(nodes) => self.fold(nodes, Self::cross),
            Kind::Product(nodes) => self.fold(nodes, Self::product),
            Kind::Nested(nodes) => self.nested(nodes),
            Kind::In(nodes) => self.within(nodes),
            Kind::Power(base, exponent) => self.power(base, *exponent),
        }
    }

    fn dot(&mut self, node: &Node) -> Result<Sum> {
        let mut sum = Sum::default();
        for number in self.others.clone() {
            self.add(&mut sum, Product(vec![number]), node)?;
        }
        Ok(sum)
    }

    fn signed(&mut self, parts: &[(Sign, Node)]) -> Result<Sum> {
        let mut sum = Sum::default();
        for (sign, node) in parts {
            let part = self.sum(node)?;
            match sign {
                Sign::Plus => self.add_all(&mut sum, &part, node)?,
                Sign::Minus => self.remove_all(&mut sum, &part, node)?,
            }
        }
        Ok(sum)
    }

    fn add_all(&mut self, sum: &mut Sum, part: &Sum, node: &Node) -> Result<()> {
        sum.constant = part.constant.or(sum.constant);
        for offset in &part.offsets {
            // As terms are, offsets are a set.
            if !sum.offsets.contains(offset) {
                sum.offsets.push(offset.clone());
            }
        }
        for product in part.in_order() {
            self.add(sum, product, node)?;
        }
        Ok(())
    }

    fn remove_all(&self, sum: &mut Sum, part: &Sum, node: &Node) -> Result<()> {
        match part.constant {
            Some(true) => sum.constant = Some(false),
            Some(false) => {
                return Err(self.error(node, "0 cannot be removed; write \"- 1\" or \"+ 0\" for no constant"));
            }
            None => {}
        }
        if !part.offsets.is_empty() {
            return Err(self.error(node, "an offset cannot be removed; write the formula without it"));
        }
        for product in part.in_order() {
            if sum.products.remove(&product.key()).is_none() {
                return Err(self.not_there(sum, &product, node));
            }
        }
        Ok(())
    }

    /// Joins sums from left to right. None may have a constant.
    fn fold(&mut self, nodes: &[Node], join: fn(&mut Self, &Sum, &Sum, &Node) -> Result<Sum>) -> Result<Sum> {
        let mut joined: Option<Sum> = None;
        for node in nodes {
            let right = self.without_constant(node)?;
            joined = Some(match joined {
                None => right,
                Some(left) => join(self, &left, &right, node)?,
            });
        }
        Ok(joined.unwrap_or_default())
    }

    fn without_constant(&mut self, node: &Node) -> Result<Sum> {
        let sum = self.sum(node)?;
        if !sum.offsets.is_empty() {
            return Err(self.error(node, "an offset is added to the terms, not multiplied with them"));
        }
        if sum.constant.is_some() {
            return Err(self.error(node, "0 and 1 can be added and removed, but not multiplied"));
        }
        Ok(sum)
    }

    /// `a/b`: the terms of `a`, and those of `b` within all of them together.
    fn nested(&mut self, [left, right]: &[Node; 2]) -> Result<Sum> {
        let (outer, inner) = (self.without_constant(left)?, self.without_constant(right)?);
        let all = Sum::of(together(&outer));
        let products = self.product(&all, &inner, right)?;
        let mut sum = outer;
        self.add_all(&mut sum, &products, right)?;
        Ok(sum)
    }

    /// `a %in% b`: the terms of `a`, each times all of `b` together.
    fn within(&mut self, [left, right]: &[Node; 2]) -> Result<Sum> {
        let (inner, outer) = (self.without_constant(left)?, self.without_constant(right)?);
        self.product(&inner, &Sum::of(together(&outer)), right)
    }

    fn cross(&mut self, left: &Sum, right: &Sum, node: &Node) -> Result<Sum> {
        let products = self.product(left, right, node)?;
        let mut crossed = left.clone();
        self.add_all(&mut crossed, right, node)?;
        self.add_all(&mut crossed, &products, node)?;
        Ok(crossed)
    }

    fn product(&mut self, left: &Sum, right: &Sum, node: &Node) -> Result<Sum> {
        let mut sum = Sum::default();
        let (left, right) = (left.in_order(), right.in_order());
        for a in &left {
            for b in &right {
                self.work += a.0.len() * b.0.len();
                self.add(&mut sum, a.times(b), node)?;
            }
        }
        Ok(sum)
    }

    /// All products of up to `exponent` terms: a product of a term with itself is the term.
    fn power(&mut self, base: &Node, exponent: u32) -> Result<Sum> {
        let terms = self.without_constant(base)?;
        (1..exponent).try_fold(terms.clone(), |sum, _| self.product(&sum, &terms, base))
    }

    fn add(&mut self, sum: &mut Sum, product: Product, node: &Node) -> Result<()> {
        self.work += product.0.len();
        if self.work > MAX_WORK {
            return Err(self.error(node, "too many products to multiply out"));
        }
        sum.add(product);
        if sum.products.len() > MAX_TERMS {
            return Err(self.error(node, format!("the formula has more than {MAX_TERMS} terms")));
        }
        Ok(())
    }

    fn error(&self, node: &Node, message: impl Into<String>) -> FormulaError {
        FormulaError::new(self.text, node.at, message)
    }

    fn not_there(&self, sum: &Sum, product: &Product, node: &Node) -> FormulaError {
        let printed = |product: &Product| quoted(&self.factors.term(product).to_string());
        let terms = sum.in_order();
        let mut list: Vec<_> = terms.iter().take(LISTED).map(printed).collect();
        list.extend((terms.len() > LISTED).then(|| "…".to_owned()));
        let valid = match list.is_empty() {
            true => "there are none before it".to_owned(),
            false => format!("the terms before it are {}", list.join(", ")),
        };
        self.error(node, format!("there is no term {} to remove; {valid}", printed(product)))
    }
}
