//! `cargo lambda build`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use lambda_packager::internal::{
    Error, Event, Invocation, Layer, Origin, Project, Reporter, Request, Result, StandIn, Text, env, from_env, run,
};

use crate::shim::flags::{Flags, Other};
use crate::shim::output::Output;
use crate::shim::{settings, variables};
use crate::signals;

/// Packages what the flags name, and puts it where cargo-lambda does.
pub fn build(args: Vec<OsString>) -> ExitCode {
    let (flags, others) = match Flags::parse(args) {
        Ok(parsed) => parsed,
        Err(usage) => {
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let (progress, on_terminal) = Text::stderr_draws(flags.quiet);
    let colour = match flags.color.as_str() {
        "always" => true,
        "never" => false,
        _ => on_terminal && env::colour_wanted(),
    };
    let sink = Box::new(Text::stderr(flags.verbose > 0, flags.quiet));
    let mut report = Reporter::new(vec![sink], progress, colour);
    match with_variables(&flags, &others, &mut report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.emit(&Event::Failed { error: &error });
            ExitCode::from(error.exit_code())
        }
    }
}

/// Says what becomes of flags that are no settings here.
fn told(others: &[(&str, Other)], report: &mut Reporter) -> Result<()> {
    for (name, what) in others {
        match what {
            Other::Holds => {}
            Other::Note(instead) => report.note(&format!("--{name} has no effect: {instead}")),
            Other::Refused(hint) => {
                return Err(Error::config(format!("lambda-packager cannot do what --{name} asks for")).hint_with(*hint));
            }
        }
    }
    Ok(())
}

/// Packages, with the variables of the flags in the environment.
fn with_variables(flags: &Flags, others: &[(&str, Other)], report: &mut Reporter) -> Result<()> {
    let here = env::current_dir()?;
    let missing = variables::missing(flags, &here)?;
    if !missing.is_empty() {
        return Err(Invocation::this_again(&missing));
    }
    signals::listen()?;
    told(others, report)?;
    let names: Vec<String> = variables::of_compile(flags, &here)?.into_keys().collect();
    package(flags, &names, &here, report)
}

fn package(flags: &Flags, variables: &[String], here: &Path, report: &mut Reporter) -> Result<()> {
    let mode = settings::mode(flags);
    let request = |more: Option<Layer>| -> Result<Request> {
        let layers = [
            more.map(|layer| (Origin::Flag, layer)),
            Some((Origin::Flag, settings::variables(variables)?)),
            Some((Origin::Flag, settings::layer(flags, here)?)),
            Some((Origin::Environment, from_env::layer()?)),
            mode.clone().map(|layer| (Origin::Flag, layer)),
        ];
        let stand_in = Some(StandIn { has_mode: mode.is_some() });
        Ok(Request { start: settings::start(flags, here)?, layers: layers.into_iter().flatten().collect(), stand_in })
    };
    let project = Project::around(&request(None)?)?;
    let tasks = project.tasks()?;
    let include = settings::include(flags, &tasks, here)?;
    if !flags.include.is_empty() && include.is_none() {
        report.note("--include has no effect: only a zip has further files (--output-format zip)");
    }
    let outputs = Output::all(flags, &tasks, here)?;
    let (outcomes, all) = match include {
        Some(include) => run::run_each(&request(Some(include))?, report)?,
        None => run::run_each_of(&project, report)?,
    };
    let is_packaged = |output: &&Output| outcomes.iter().any(|done| done.summary.packaged.function == output.function);
    // One that fails keeps no other one from its place, and each is told.
    let mut failed = outputs.iter().filter(is_packaged).filter_map(|output| output.put().err()).collect::<Vec<_>>();
    let first = if failed.is_empty() { None } else { Some(failed.remove(0)) };
    failed.iter().for_each(|error| report.note(&error.report()));
    all?;
    first.map_or(Ok(()), Err)?;
    let inputs: Vec<_> = outcomes.iter().map(|outcome| &outcome.inputs).collect();
    if let Some(path) = outputs.iter().find_map(|output| output.as_input(&inputs, &project.workspace.root)) {
        report.note(&format!(
            "{path} is an output and an input, so the next run packages again if it changed: let git ignore it, or name its folder in the setting `exclude`"
        ));
    }
    Ok(())
}
