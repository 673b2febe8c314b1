//! `cargo lambda build`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lambda_packager::internal::{
    Error, Event, Layer, Origin, Project, Reporter, Request, Result, Text, env, from_env, run,
};

use crate::shim::flags::{Flags, Other, OutputFormat};
use crate::shim::output::Output;
use crate::shim::settings;
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
    let ended = signals::listen().and_then(|()| told(&others, &mut report)).and_then(|()| package(&flags, &mut report));
    match ended {
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

fn package(flags: &Flags, report: &mut Reporter) -> Result<()> {
    let here = env::current_dir()?;
    let request = |more: Option<Layer>| -> Result<Request> {
        let layers = [
            more.map(|layer| (Origin::Flag, layer)),
            Some((Origin::Flag, settings::layer(flags, &here)?)),
            Some((Origin::Environment, from_env::layer()?)),
            Some((Origin::Flag, settings::mode(flags)?)),
        ];
        Ok(Request { start: settings::start(flags, &here)?, layers: layers.into_iter().flatten().collect() })
    };
    let mut asked = request(None)?;
    let project = Project::find(&asked)?;
    match flags.output_format {
        _ if flags.include.is_empty() => {}
        OutputFormat::Binary => {
            report.note("--include has no effect: only a zip has further files (--output-format zip)")
        }
        OutputFormat::Zip => asked = request(Some(settings::include(flags, &here, &folder_of_one(&project)?)?))?,
    }
    let outputs = Output::all(flags, &project, &here)?;
    let outcomes = run::run(&asked, report)?;
    outputs.iter().try_for_each(Output::put)?;
    let inputs: Vec<_> = outcomes.iter().map(|outcome| &outcome.inputs).collect();
    if let Some(path) = outputs.iter().find_map(|output| output.as_input(&inputs, &project.workspace.root)) {
        report.note(&format!(
            "{path} is an output and an input, so the next run packages again if it changed: let git ignore it, or name its folder in the setting `exclude`"
        ));
    }
    Ok(())
}

/// The folder of the package of all functions: what is included is relative to it.
fn folder_of_one(project: &Project) -> Result<PathBuf> {
    let tasks = project.tasks()?;
    let mut folders = tasks.iter().map(|task| task.function.package.folder());
    match folders.next() {
        Some(folder) if folders.all(|other| other == folder) => Ok(folder.to_path_buf()),
        _ => Err(Error::config("flag --include: the functions are of several packages")
            .hint_with("select one package with --package, or set `include` in the manifest of each")),
    }
}
