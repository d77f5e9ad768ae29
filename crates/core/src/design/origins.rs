//! What a design takes from the first rows, or from the files, and sums rest on: the same for sums that are to be put together.

use serde::{Deserialize, Serialize};

use crate::design::{Content, Design, Piece, Polynomial};
use crate::error::{Error, ErrorKind, Result};
use crate::levels::Level;

/// The numbers near which a design computes, and orders of levels that files gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origins {
    /// Of every orthogonal polynomial the number that is taken from its argument, and what the rest is divided by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    polynomials: Vec<(f64, f64)>,
    /// Of every variable what stands for it where it is missing, until the mean is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fills: Vec<f64>,
    /// For every category the order of its levels, where one was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orders: Vec<Vec<Level>>,
}

impl Origins {
    /// In a word, what differs from `other`; `None` where nothing does.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        match () {
            () if self.polynomials != other.polynomials => {
                Some("the numbers that polynomials are computed about")
            }
            () if self.fills != other.fills => Some("the numbers that stand for missing values"),
            () if self.orders != other.orders => Some("the order of the levels of a category"),
            () => None,
        }
    }
}

impl Design {
    /// What sums of this design rest on beside the rows.
    pub fn origins(&self) -> Origins {
        let ordered = self.categories.iter().any(|c| !c.order.is_empty());
        Origins {
            polynomials: self.polynomials.iter().map(|p| (p.shift, p.scale)).collect(),
            fills: if self.needs_centre() { self.fills.clone() } else { Vec::new() },
            orders: match ordered {
                true => self.categories.iter().map(|c| c.order.clone()).collect(),
                false => Vec::new(),
            },
        }
    }

    /// The same design, which computes as the one that `origins` are of.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] when they are those of another model.
    pub fn with_origins(mut self, origins: &Origins) -> Result<Self> {
        let Origins { polynomials, fills, orders } = origins;
        let numbers =
            polynomials.iter().flat_map(|&(shift, scale)| [shift, scale]).chain(fills.iter().copied());
        let fits = polynomials.len() == self.polynomials.len()
            && polynomials.iter().all(|&(_, scale)| scale > 0.0)
            && (fills.is_empty() || fills.len() == self.fills.len())
            && (orders.is_empty() || orders.len() == self.categories.len())
            && numbers.into_iter().all(f64::is_finite);
        if !fits {
            return Err(Error::new(ErrorKind::Model, "the origins do not belong to the model's terms"));
        }
        for (own, &(shift, scale)) in self.polynomials.iter_mut().zip(polynomials) {
            (own.shift, own.scale) = (shift, scale);
        }
        self.fills.iter_mut().zip(fills).for_each(|(own, fill)| *own = *fill);
        self.categories.iter_mut().zip(orders).for_each(|(own, order)| own.order.clone_from(order));
        Ok(self)
    }

    /// The same design, which computes as another one does what both have.
    #[must_use]
    pub fn with_origins_of(mut self, other: &Self) -> Self {
        for own in &mut self.polynomials {
            if let Some(same) = other.polynomials.iter().find(|p| p.argument == own.argument) {
                (own.shift, own.scale) = (same.shift, same.scale);
            }
        }
        for v in 0..self.variables.len() {
            let content = self.content_of(v);
            if let Some(same) = (0..other.variables.len()).find(|&u| other.content_of(u) == content) {
                self.fills[v] = other.fills[same];
            }
        }
        for own in &mut self.categories {
            let same = other.categories.iter().find(|c| other.columns[c.column] == self.columns[own.column]);
            own.order = same.map(|c| c.order.clone()).unwrap_or_default();
        }
        self
    }

    /// What a variable is, whatever the positions of the columns.
    pub(crate) fn content_of(&self, variable: usize) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Column(column) => format!("{:?}", self.columns[*column]),
            Piece::Expr(expr) => format!("expression {expr}"),
            Piece::Power(index, exponent) => {
                let Polynomial { argument, shift, scale, .. } = &self.polynomials[*index];
                format!("(({argument}) - {shift:?}) / {scale:?} ^ {exponent}")
            }
            Piece::Spline(index, column) => format!("{:?} {column}", self.splines[*index]),
        };
        match &self.variables[variable].content {
            Content::Product(monomial) => monomial.iter().map(piece).collect::<Vec<_>>().join(" times "),
            Content::MissingFlag(of) => format!("missing {}", self.content_of(*of)),
        }
    }
}
