//! The cross-products of the numeric variables over the rows of a group.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::design::Design;
use crate::error::{Error, ErrorKind, Result};
use crate::sums::cross_products::CrossProducts;
use crate::sums::groups::Record;
use crate::sums::moments::Moments;

/// The cross-products of the numeric variables over all rows of a group.
pub(super) enum Dense<'s> {
    Known(Cow<'s, CrossProducts>),
    /// Those of a record, which are made when they are asked for: a group whose sums are exact is solved without them.
    Record {
        record: Record<'s>,
        moments: Moments,
        sums: Vec<f64>,
        products: OnceLock<CrossProducts>,
    },
}

impl<'s> Dense<'s> {
    /// Those of a record.
    ///
    /// # Errors
    /// [`ErrorKind::Overflow`] for values whose squares float64 does not hold.
    pub(super) fn of(design: &Design, record: Record<'s>) -> Result<Self> {
        let m = design.variables.len();
        let mut moments = Moments::new(m);
        let (centre, sums): (Vec<f64>, Vec<f64>) = record.sums(m).into_iter().unzip();
        moments.begin(record.rows() as u64, record.weight(), &centre, &sums);
        for (square, variable) in record.squares(m).into_iter().zip(&design.variables) {
            // Squares below this have lost digits, or all of themselves, to underflow.
            if !square.is_finite() || (square > 0.0 && square < 1e-280) {
                let error = Error::new(ErrorKind::Overflow, design.beyond_range());
                return Err(error.in_column(&variable.label));
            }
        }
        Ok(Self::Record { record, moments, sums, products: OnceLock::new() })
    }

    pub(super) fn moments(&self) -> &Moments {
        match self {
            Self::Known(products) => products.moments(),
            Self::Record { moments, .. } => moments,
        }
    }

    pub(super) fn products(&self) -> &CrossProducts {
        match self {
            Self::Known(products) => products,
            Self::Record { record, moments, sums, products } => {
                products.get_or_init(|| about_means(record, moments, sums))
            }
        }
    }
}

/// The products of a record about its means; `sums` are those about the centres of the record.
fn about_means(record: &Record<'_>, moments: &Moments, sums: &[f64]) -> CrossProducts {
    let m = sums.len();
    let mut products = record.products(m);
    for j in 0..m {
        let offset = sums[j] / moments.weight();
        for i in j..m {
            products[j * m + i] -= sums[i] * offset;
        }
        products[j * m + j] = products[j * m + j].max(0.0);
    }
    CrossProducts::from_parts(moments.clone(), products)
}
