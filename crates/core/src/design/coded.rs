//! What a coding, or a choice of levels, makes of a design.

use crate::design::layout::Coding;
use crate::design::{Category, Check, Design, no_level};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Contrasts;
use crate::levels::Level;

impl Design {
    /// The position, among its levels, of the level of a category that has no column where not all have one: the
    /// level asked for, else the first, and the last for sum contrasts.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] for a level that does not exist.
    pub fn reference(&self, category: usize, levels: &[Level]) -> Result<usize> {
        let Category { reference, column, contrasts, .. } = &self.categories[category];
        let is = |level: &Level, wanted: &String| {
            let name = level.to_string();
            let boolean = matches!(level, Level::Boolean(_));
            name == *wanted || (boolean && name.eq_ignore_ascii_case(wanted))
        };
        match reference {
            None if *contrasts == Contrasts::Sum => Ok(levels.len().saturating_sub(1)),
            None => Ok(0),
            Some(wanted) => levels.iter().position(|level| is(level, wanted)).ok_or_else(|| {
                let names: Vec<String> = levels.iter().map(ToString::to_string).collect();
                no_level(&self.columns[*column], wanted, &names)
            }),
        }
    }

    /// The same design with what a coding says of polynomials and fills, for data that the coding was not
    /// made from.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] when the coding belongs to another design.
    pub fn with_coding(mut self, coding: &Coding) -> Result<Self> {
        let fits = coding.polynomials.len() == self.polynomials.len()
            && coding.levels.len() == self.coded_categories()
            && self.polynomials.iter().zip(&coding.polynomials).all(|(p, b)| {
                let k = p.degree as usize;
                b.columns.len() == k && b.columns.iter().all(|c| c.len() == k + 1) && b.scale > 0.0
            })
            && coding.fills.iter().all(|&(v, _)| v < self.variables.len() && self.flag_of(v).is_some());
        if !fits {
            return Err(Error::new(ErrorKind::Model, "the coding does not belong to the model's terms"));
        }
        for (polynomial, basis) in self.polynomials.iter_mut().zip(&coding.polynomials) {
            (polynomial.shift, polynomial.scale) = (basis.shift, basis.scale);
        }
        for variable in 0..self.first_response() {
            let fill = coding.fills.iter().find(|(v, _)| *v == variable);
            self.fills[variable] = fill.map_or(f64::NAN, |(_, mean)| *mean);
            if fill.is_none() && self.flag_of(variable).is_some() {
                // It never was missing, so nothing is known to put in its place.
                self.checks.push(Check::Variable(variable));
            }
        }
        Ok(self)
    }
}
