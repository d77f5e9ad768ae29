//! Penalties on the command line: what was typed, and what it means.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use streamreg::{CrossValidation, CvRule, Penalization, Penalty, PenaltyScale, Regression};

use super::choice::choice;
use crate::text::usage;

/// A penalty on the coefficients, and how its size is found.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Penalties")]
pub(crate) struct PenaltyArgs {
    /// Penalty on squares, a number or auto
    #[arg(long, allow_negative_numbers = true, value_name = "L|auto", conflicts_with_all = ["lasso", "elastic_net"], long_help = "Penalise squares: minimise the sum of w r² + L |b|², the constant free. auto leaves the size to --cv")]
    ridge: Option<String>,

    /// Penalty on absolute values, a number or auto
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "L|auto",
        conflicts_with = "elastic_net",
        long_help = "Penalise absolute values: minimise 1/(2n) times the sum of r², plus L |b|, with weights rescaled to sum \
        n. auto leaves the size to --cv"
    )]
    lasso: Option<String>,

    /// Penalty on both
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "L|auto",
        requires = "l1_ratio",
        hide_short_help = true,
        long_help = "Penalise both, with L (R |b| + (1-R)/2 |b|²) in place of L |b|, and R the --l1-ratio"
    )]
    elastic_net: Option<String>,

    /// The share of absolute values in --elastic-net, from 0 to 1
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "R",
        requires = "elastic_net",
        hide_short_help = true
    )]
    l1_ratio: Option<f64>,

    /// Error of rows held out; with a penalty, choose it so
    #[arg(
        long,
        value_name = "FOLDS",
        long_help = "Cross-validate with so many folds, in the same pass: without a penalty, tell the error of least squares on rows \
        held out; with a penalty, choose its size. A state that is saved keeps the sums of every fold, and is solved with its folds"
    )]
    cv: Option<usize>,

    /// Keep rows with equal values of a column in one fold
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "cv",
        hide_short_help = true,
        long_help = "Keep rows with equal values of a column in one fold, which a hash of the value decides [default: a row's number in the \
        data set decides; in a state, which has no order of rows, the column that it was made with]"
    )]
    cv_group: Option<String>,

    /// The rule of the choice: min or 1se
    #[arg(
        long,
        value_parser = choice::<CvRule>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "RULE",
        requires = "cv",
        hide_short_help = true,
        long_help = "Which penalty to take: that of the smallest error (min), or the largest within one standard error of it \
        (1se) [default: min]"
    )]
    cv_rule: Option<CvRule>,

    /// Report a path of penalties: how many, or a list
    #[arg(
        long,
        value_name = "N|LIST",
        hide_short_help = true,
        long_help = "Report a whole path: N penalties, from the smallest that sets all coefficients \
        to zero down to a thousandth of it, or \
        a list 1,0.5,0.1 [default with --cv: 100]"
    )]
    lambdas: Option<String>,

    /// Units of the penalty: sklearn, glmnet, glmnet-raw
    #[arg(
        long,
        value_parser = choice::<PenaltyScale>(), ignore_case = true,
        hide_possible_values = true,
        value_name = "WHOSE",
        hide_short_help = true,
        long_help = "Whose units a penalty is in: scikit-learn's, those of the data (sklearn); glmnet's, with columns in \
        units of their standard deviation (glmnet); or glmnet's with standardize = FALSE (glmnet-raw) [default: \
        sklearn]"
    )]
    penalty_scale: Option<PenaltyScale>,

    /// Seed of folds and of iterative solvers
    #[arg(
        long,
        value_name = "N",
        hide_short_help = true,
        long_help = "Seed of the folds; with iterative solvers, of the order of rows, of the rows held out and of random \
        starts [default: 0]"
    )]
    seed: Option<u64>,

    /// Write the number and the fold of every row to a .csv or .parquet file
    #[arg(long, value_name = "FILE", requires = "cv", hide_short_help = true)]
    pub(crate) folds_out: Option<PathBuf>,
}

impl PenaltyArgs {
    /// Whether a path is asked for that does not choose the penalty.
    pub(super) fn has_path_alone(&self) -> bool {
        self.lambdas.is_some() && self.cv.is_none()
    }

    /// Whether the error of least squares on rows held out is asked for.
    pub(super) fn has_test_error(&self) -> bool {
        let penalty = self.ridge.is_some() || self.lasso.is_some() || self.elastic_net.is_some();
        self.cv.is_some() && !penalty
    }

    pub(super) fn apply(&self, regression: Regression) -> Result<Regression> {
        Ok(match penalization(self)? {
            Some(penalization) => regression.penalized(penalization),
            None => match cross_validation(self) {
                Some(cv) => regression.cross_validate(cv),
                None => regression,
            },
        })
    }

    /// The seed, where it is not that of folds.
    pub(crate) fn seed_of_steps(&self) -> Option<u64> {
        self.seed.filter(|_| self.cv.is_none())
    }
}

/// Most penalties of a grid.
const MAX_GRID: usize = 10_000;

/// The penalty that the arguments describe, if they do.
fn penalization(args: &PenaltyArgs) -> Result<Option<Penalization>> {
    let ratio = args.l1_ratio.unwrap_or(1.0);
    if args.l1_ratio.is_some() && args.elastic_net.is_none() {
        return Err(usage("--l1-ratio needs --elastic-net"));
    }
    let asked = [
        ("--ridge", &args.ridge, Penalty::Ridge),
        ("--lasso", &args.lasso, Penalty::LASSO),
        ("--elastic-net", &args.elastic_net, Penalty::ElasticNet { l1_ratio: ratio }),
    ];
    let asked = asked.into_iter().find_map(|(flag, size, penalty)| Some((flag, size.as_ref()?, penalty)));
    let Some((flag, size, penalty)) = asked else {
        let alone = args.cv_rule.is_some() || args.lambdas.is_some() || args.penalty_scale.is_some();
        return if alone {
            Err(usage("--cv-rule, --lambdas and --penalty-scale need a penalty: --lasso auto, say"))
        } else {
            Ok(None)
        };
    };
    let start = match (size.as_str(), cross_validation(args)) {
        ("auto", Some(cv)) => Penalization::chosen(penalty, cv),
        ("auto", None) => return Err(usage(format!("{flag} auto needs --cv, which chooses the size"))),
        (_, Some(_)) => {
            return Err(usage(format!(
                "--cv chooses the size of the penalty: say {flag} auto, not {flag} {size}"
            )));
        }
        (size, None) => Penalization::fixed(penalty, number(flag, size)?),
    };
    let scaled = start.scale(args.penalty_scale.unwrap_or_default());
    Ok(Some(match &args.lambdas {
        None => scaled,
        Some(text) => match text.trim().parse::<usize>() {
            Ok(count @ 2..=MAX_GRID) => scaled.grid(count),
            Ok(count) => {
                return Err(usage(format!(
                    "--lambdas takes a number of penalties from 2 to {MAX_GRID}, not {count}, or the penalties themselves: \
                     {count}.0, or several separated by commas"
                )));
            }
            Err(_) => {
                let list = text.split(',').map(|one| number("--lambdas", one));
                scaled.lambdas(list.collect::<Result<Vec<f64>>>()?)
            }
        },
    }))
}

fn cross_validation(args: &PenaltyArgs) -> Option<CrossValidation> {
    let mut cv = CrossValidation::new(args.cv?);
    cv.seed = args.seed;
    cv.group.clone_from(&args.cv_group);
    cv.rule = args.cv_rule.unwrap_or_default();
    Some(cv)
}

fn number(flag: &str, text: &str) -> Result<f64> {
    text.trim().parse().map_err(|_| usage(format!("{flag} takes a number, not {text:?}")))
}
