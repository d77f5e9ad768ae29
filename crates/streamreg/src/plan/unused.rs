//! Options that would change nothing are refused: who sets one expects something of it.

use streamreg_core::{Design, Expr, Precision};
use streamreg_solve::Solver;

use super::{Plan, Route};
use crate::error::{Error, Result};
use crate::request::regression::{Said, taken_columns};

/// The ways to fit, as far as options go.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Direct,
    Penalized,
    Iterative,
    Loss,
    Groups,
}

impl From<&Route<'_>> for Way {
    fn from(route: &Route<'_>) -> Self {
        match route {
            Route::Direct { .. } => Self::Direct,
            Route::Penalized { .. } => Self::Penalized,
            Route::Iterative { .. } => Self::Iterative,
            Route::Loss { .. } => Self::Loss,
        }
    }
}

/// Refuses the first option that was set and has no effect on a fit of this way.
pub(super) fn refuse_unused(plan: &Plan<'_>, way: Way) -> Result<()> {
    let regression = plan.regression;
    let given = regression.state().is_some();
    if !regression.selection.with.is_empty() && !given {
        refuse_unused_columns(plan)?;
    }
    if regression.standardized && !matches!(way, Way::Direct) {
        let message = "standardised coefficients are those of one least squares fit: of groups, penalties and iterative solvers there \
                       are none";
        return Err(Error::invalid_request(message));
    }
    let of_levels = [Said::Contrasts, Said::MaxLevels, Said::HashBits];
    let (has_categories, uses_contrasts) = if regression.said.iter().any(|said| of_levels.contains(said)) {
        let design = Design::new(&plan.spec(&[])?.0, &plan.schema)?;
        (design.has_categories(), design.uses_contrasts())
    } else {
        (true, true)
    };
    for &said in &regression.said {
        let of_sums = match said {
            Said::Precision | Said::MaxLevels | Said::Contrasts => true,
            Said::NoEscalate => !plan.reopens,
            _ => false,
        };
        let why = match said {
            _ if given && of_sums => Some("the sums are those of the state"),
            Said::Exclude => regression.names_all().then_some("the features are named one by one"),
            Said::Contrasts | Said::MaxLevels if regression.base.hash_bits.is_some() => {
                Some("hashed categories have neither contrasts nor a list of levels")
            }
            Said::Contrasts if has_categories && !uses_contrasts => {
                Some("the formula gives the coding of every category")
            }
            Said::NoEscalate if matches!(way, Way::Direct) && plan.precision == Precision::Exact => {
                Some("exact sums never need a second pass")
            }
            _ if of_levels.contains(&said) => (!has_categories).then_some("the model has no category"),
            _ => no_effect(said, way, plan.options().solver),
        };
        if let Some(why) = why {
            return Err(Error::invalid_request(format!(
                "the option {} would have no effect: {why}",
                said.name()
            )));
        }
    }
    Ok(())
}

/// Refuses a computed column that neither the model nor the filter needs.
fn refuse_unused_columns(plan: &Plan<'_>) -> Result<()> {
    let (regression, selection) = (plan.regression, &plan.regression.selection);
    let (spec, _) = regression.spec(&plan.schema)?;
    let features = spec.terms.iter().flat_map(|term| term.columns()).map(str::to_owned);
    let offsets = spec.offsets.iter().flat_map(Expr::columns).map(str::to_owned);
    let folds = regression.penalization.iter().filter_map(|p| p.cv.as_ref()?.group.clone());
    let folds = folds.chain(regression.cross_validation.iter().filter_map(|cv| cv.group.clone()));
    let used = taken_columns(&spec).into_iter().chain(features).chain(offsets).chain(folds);
    let needed = selection.clone().for_columns(used)?.with;
    match selection.with.iter().find(|column| !needed.contains(column)) {
        Some((name, _)) => {
            let message =
                format!("the computed column {name:?} would have no effect: the model does not use it");
            Err(Error::invalid_request(message))
        }
        None => Ok(()),
    }
}

/// Why an option changes nothing, where it does not.
fn no_effect(said: Said, way: Way, solver: Solver) -> Option<&'static str> {
    match (said, way) {
        (Said::RankTol | Said::Collinear, Way::Penalized) => {
            Some("a penalty decides about collinear columns itself")
        }
        (Said::RankTol | Said::Collinear, Way::Iterative) => {
            Some("an iterative solver sets no column aside: collinear ones share a coefficient")
        }
        (Said::RankTol | Said::Collinear, Way::Loss) => Some(
            "of losses other than squares the later of dependent columns is set aside, by a rule of its own",
        ),
        (Said::Precision, Way::Loss) => {
            Some("losses other than squares are minimised in float64; exact sums are those of least squares")
        }
        (Said::NoEscalate, Way::Loss) => Some("only least squares read the data a second time by themselves"),
        (Said::ConfLevel, Way::Penalized) => {
            Some("penalised estimates have no standard errors, and no intervals")
        }
        (Said::ConfLevel, Way::Iterative) => {
            Some("an iterative solver gives no standard errors, and no intervals")
        }
        (Said::Precision, Way::Iterative) => {
            Some("an iterative solver works in float64; exact sums are those of the solver auto")
        }
        (Said::NoEscalate, Way::Penalized | Way::Groups) => Some("the data are read once"),
        (Said::NoEscalate, Way::Iterative) => Some("an iterative solver reads the data pass by pass"),
        (Said::NoEscalate, Way::Direct) if solver != Solver::Auto => {
            Some("only the solver auto reads the data a second time by itself")
        }
        _ => None,
    }
}
