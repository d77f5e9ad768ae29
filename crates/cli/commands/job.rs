//! `streamreg run`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use streamreg::{InspectOptions, Inspection, Models, State, bytes, count, same_file};

use super::state::line;
use crate::exit::Exit;
use crate::job::{Job, Step};
use crate::log;
use crate::options::{Command, FitArgs, JobArgs, Taken, UpdateArgs};
use crate::streams::print;
use crate::text::usage;

pub(crate) fn run(args: &JobArgs) -> Result<Exit> {
    args.run.execution()?;
    let job = Job::load(&args.job, &args.run.given())?;
    let _there = Folder::enter(&args.job)?;
    let mut before: Vec<&Step> = Vec::new();
    for step in &job.steps {
        let parsed = step.parsed()?;
        let there = step.creates.as_ref().filter(|file| file.exists());
        if let Some(file) = there {
            if args.dry_run {
                print(&format!("{}: nothing to do, {} is there\n", step.title, file.display()))?;
            }
            continue;
        }
        if args.dry_run {
            print(&format!("{}: {}\n", step.title, step.typed()))?;
            if !parsed.taken.is_empty() {
                let names: Vec<&str> = parsed.taken.iter().map(Taken::variable).collect();
                print(&format!("  with what the environment sets: {}\n", names.join(", ")))?;
            }
            match plan(parsed.args.command, &before) {
                Ok(lines) => print(&lines)?,
                Err(error) => return Ok(Exit::from_error(&error).of(&step.title)),
            }
        } else {
            log::begin(&step.arguments);
            let exit = crate::complete(parsed);
            if !exit.is_success() {
                return Ok(undone(step, exit).of(&step.title));
            }
            exit.report();
            if let Some(file) = step.creates.as_ref().filter(|file| !file.exists()) {
                return Err(usage(format!("{}: it did not create {}", step.title, file.display())));
            }
        }
        before.push(step);
    }
    Ok(Exit::code(0))
}

/// The end of a step that failed. The file that says that the step is done goes, so that it is not taken for done the next time.
fn undone(step: &Step, exit: Exit) -> Exit {
    match step.creates.as_ref().filter(|file| std::fs::remove_file(file).is_ok()) {
        Some(file) => exit.with_more(&format!("{} is removed, for the step is not done", file.display())),
        None => exit,
    }
}

/// What a command would do, in lines.
fn plan(command: Command, before: &[&Step]) -> Result<String> {
    let written = |file: &Path| {
        let makes =
            |step: &&&Step| step.writes().iter().any(|out| same_file(out, file) || file.starts_with(out));
        let maker = before.iter().rev().find(makes);
        maker.map(|step| format!("  {} is written by {}\n", file.display(), step.title))
    };
    let first = |files: &[PathBuf]| files.iter().filter(|file| !file.exists()).find_map(|file| written(file));
    Ok(match command {
        Command::Fit(mut fit) => {
            fit.take_formula()?;
            match first(&fit.input.files) {
                Some(line) => line,
                None => of_fit(&fit)?,
            }
        }
        Command::Update(update) => match written(&update.state) {
            Some(line) => line,
            None => of_update(update)?,
        },
        Command::Solve(solve) => match written(&solve.state) {
            Some(line) => line,
            None => of_states(std::slice::from_ref(&solve.state))?,
        },
        Command::Merge(merge) => match merge.states.iter().find_map(|state| written(state)) {
            Some(line) => line,
            None => of_states(&merge.states)?,
        },
        Command::Subtract(subtract) => {
            let states = [subtract.state, subtract.part];
            match states.iter().find_map(|state| written(state)) {
                Some(line) => line,
                None => of_states(&states)?,
            }
        }
        Command::Predict(predict) => match written(&predict.model).or_else(|| first(&predict.input.files)) {
            Some(line) => line,
            None if predict.input.files.is_empty() => String::new(),
            None => of_model(
                &predict.model,
                &predict.input.files,
                (predict.input.dataset()?, predict.run.execution()?),
            )?,
        },
        Command::Evaluate(evaluate) => {
            match written(&evaluate.model).or_else(|| first(&evaluate.input.files)) {
                Some(line) => line,
                None => of_model(
                    &evaluate.model,
                    &evaluate.input.files,
                    (evaluate.input.dataset()?, evaluate.run.execution()?),
                )?,
            }
        }
        _ => String::new(),
    })
}

/// Files, rows, memory.
fn facts(inspection: &Inspection) -> String {
    let files = inspection.inputs.len();
    let size: u64 = inspection.inputs.iter().map(|input| input.bytes).sum();
    let rows = inspection.rows.map_or_else(|| "an unknown number of".to_owned(), count);
    format!(
        "  {} {}, {}, {rows} rows; memory of {} about {}\n",
        count(files as u64),
        if files == 1 { "file" } else { "files" },
        bytes(size),
        inspection.predicted_for,
        bytes(inspection.predicted_memory)
    )
}

fn of_fit(fit: &FitArgs) -> Result<String> {
    let options = InspectOptions::new().dataset(fit.input.dataset()?).execution(fit.run.execution()?);
    let options = options.fit(fit.regression()?.0);
    Ok(facts(&streamreg::inspect(&fit.input.files, &options)?))
}

fn of_model(
    model: &Path,
    files: &[PathBuf],
    (dataset, execution): (streamreg::DatasetOptions, streamreg::Execution),
) -> Result<String> {
    let models = Models::load_within(model, &execution)?;
    let Some(only) = models.only() else {
        let targets = models.targets().join(", ");
        return Ok(match models.keys() {
            [] => format!("  {}: models of {targets}\n", model.display()),
            keys => format!("  {}: models of {targets} by {}\n", model.display(), keys.join(", ")),
        });
    };
    let options = InspectOptions::new().dataset(dataset).execution(execution).model(only.clone());
    Ok(facts(&streamreg::inspect(files, &options)?))
}

fn of_states(states: &[PathBuf]) -> Result<String> {
    let line = |path: &PathBuf| Ok(format!("  {}", line(path, &State::load(path)?)));
    states.iter().map(line).collect()
}

/// The command has its own way to tell.
fn of_update(mut update: UpdateArgs) -> Result<String> {
    update.dry_run = true;
    Ok(super::state::updated(&update)?.lines().map(|line| format!("  {line}\n")).collect())
}

/// The folder of a job file, in which its steps run.
struct Folder {
    before: PathBuf,
}

impl Folder {
    fn enter(job: &Path) -> Result<Self> {
        let before = std::env::current_dir().context("there is no current folder")?;
        if let Some(folder) = job.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::env::set_current_dir(folder)
                .with_context(|| format!("{}: cannot be entered", folder.display()))?;
        }
        Ok(Self { before })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Where the folder before is gone there is none to go back to.
        let _ = std::env::set_current_dir(&self.before);
    }
}
