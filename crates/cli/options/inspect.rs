//! Files alone, and what a request for them would take.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;

use super::FitArgs;
use super::inference::InferenceArgs;
use super::input::InputArgs;
use super::iterative::IterativeArgs;
use super::model::ModelArgs;
use super::observe::{ConditionArgs, MetricsArgs};
use super::output::{OutputArgs, PlainFormat};
use super::penalty::PenaltyArgs;
use super::rows::RowArgs;
use super::run::{CheckpointArgs, RunArgs};
use super::solving::SolvingArgs;
use crate::text::usage;

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Decode everything and check it
    #[arg(
        long,
        help_heading = "Input",
        long_help = "Decode everything: checks page checksums, every field and the number of rows"
    )]
    pub(crate) verify: bool,

    /// Predict the memory of predictions by this model file
    #[arg(
        long,
        value_name = "MODEL",
        help_heading = "Input",
        long_help = "Predict the memory of `streamreg predict MODEL` for the files, instead of that of a fit"
    )]
    pub(crate) for_model: Option<PathBuf>,

    /// Form of the result: table or json
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        value_name = "FORM",
        help_heading = "Output"
    )]
    pub(crate) format: PlainFormat,

    #[command(flatten)]
    model: Option<ModelArgs>,

    #[command(flatten)]
    rows: Option<RowArgs>,

    #[command(flatten)]
    solving: Option<SolvingArgs>,

    #[command(flatten)]
    inference: Option<InferenceArgs>,

    #[command(flatten)]
    penalty: Option<PenaltyArgs>,

    #[command(flatten)]
    iterative: Option<IterativeArgs>,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl InspectArgs {
    /// Whether a fit is asked about.
    pub(super) fn asks(&self) -> bool {
        let formula = |path: &PathBuf| super::is_formula(path);
        self.model.as_ref().is_some_and(ModelArgs::is_asked) || self.input.files.iter().any(formula)
    }

    /// What is inspected, and the fit that is asked about, with its formula taken from among the files.
    pub(crate) fn into_parts(self) -> Result<(InspectedArgs, FitArgs)> {
        let Self {
            input,
            verify,
            for_model,
            format,
            model,
            rows,
            solving,
            inference,
            penalty,
            iterative,
            run,
        } = self;
        let given = [
            model.is_some(),
            rows.is_some(),
            solving.is_some(),
            inference.is_some(),
            penalty.is_some(),
            iterative.is_some(),
        ];
        let default = FitArgs::with_defaults()?;
        let mut fit = FitArgs {
            input,
            model: model.unwrap_or(default.model),
            rows: rows.unwrap_or(default.rows),
            solving: solving.unwrap_or(default.solving),
            inference: inference.unwrap_or(default.inference),
            penalty: penalty.unwrap_or(default.penalty),
            iterative: iterative.unwrap_or(default.iterative),
            output: OutputArgs::default(),
            checkpoint: CheckpointArgs::default(),
            metrics: MetricsArgs::default(),
            conditions: ConditionArgs::default(),
            run,
        };
        fit.take_formula()?;
        let asks = fit.model.is_asked();
        if !asks && given.contains(&true) {
            return Err(usage(
                "options of a fit would have no effect without one: name a target or a formula",
            ));
        }
        if asks && for_model.is_some() {
            return Err(usage("give a fit or --for-model, not both: the memory of one request is predicted"));
        }
        Ok((InspectedArgs { verify, for_model, format, asks }, fit))
    }
}

/// What is asked of the files, apart from a fit.
pub(crate) struct InspectedArgs {
    pub(crate) verify: bool,
    pub(crate) for_model: Option<PathBuf>,
    pub(crate) format: PlainFormat,
    /// Whether there is a fit.
    pub(crate) asks: bool,
}
