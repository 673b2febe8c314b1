//! The command line of the companion bin.

use std::process::ExitCode;

use clap::Parser;
use lambda_packager::internal::{
    Error, Event, Explained, Origin, Project, Reporter, Request, Result, Sink, Text, Verdict, check, env, from_env,
    print_lines, run,
};

use crate::args::{Args, Command, Container, MessageFormat, Shim};
use crate::json::Json;
use crate::project::Context;
use crate::publish::names::check_environment;
use crate::{answers, args, clean, container, doctor, image, init, json, production, shim, signals, verify};

/// Exit status of `explain` where packaging would build.
const MISS: u8 = 1;
/// Exit status of `explain` where it cannot tell.
const UNKNOWN: u8 = 2;

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    if shim::is_called() {
        return shim::main();
    }
    let args = Args::parse();
    let json = args.message_format == MessageFormat::Json;
    let sink: Box<dyn Sink> = if json { Box::new(Json) } else { Box::new(Text::stderr(args.verbose, args.quiet)) };
    let (progress, colour) = Text::stderr_draws(args.quiet || json);
    let mut report = Reporter::new(vec![sink], progress, colour && env::colour_wanted());
    match signals::listen().and_then(|()| run(&args, &mut report)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report.emit(&Event::Failed { error: &error });
            ExitCode::from(status_of(&error, &args))
        }
    }
}

fn run(args: &Args, report: &mut Reporter) -> Result<u8> {
    let context = || Context::find(&request(args)?);
    let json = args.message_format == MessageFormat::Json;
    match &args.command {
        None => run::run(&request(args)?, report).map(|_| 0),
        Some(Command::Build { env }) => build(request(args)?, env.as_deref(), report).map(|()| 0),
        Some(Command::Explain { inputs }) => explain(args, *inputs),
        Some(Command::Image(command)) => image::image(command, request(args)?, json, report).map(|()| 0),
        Some(Command::Container(Container::Start)) => container::start(&context()?, report),
        Some(Command::Container(Container::Build)) => container::build(&context()?, &request(args)?, report),
        Some(Command::Container(Container::Stop)) => container::stop(&context()?, report),
        Some(Command::Container(Container::Status)) => container::status(&context()?, json, report),
        Some(Command::Container(Container::Logs)) => container::logs(&context()?),
        Some(Command::Container(Container::Shell)) => container::shell(&context()?, report),
        Some(Command::Verify { rebuild }) => verify::run(&request(args)?, *rebuild, json, report).map(|()| 0),
        Some(Command::Init { tool, dry_run }) => init::init(&request(args)?, *tool, *dry_run, json, report).map(|()| 0),
        Some(Command::Doctor) => doctor::doctor(&context()?, json),
        Some(Command::Clean(_)) if args.names_functions() => Err(Error::config(
            "`clean` is about the whole project: the flags --function, --package and --exclude select nothing there",
        )
        .hint_with("leave them out; to compile one function again from nothing, use `--force --function NAME`")),
        Some(Command::Clean(flags)) => clean::clean(&context()?, flags, json, report),
        Some(Command::Shim(Shim::Install { folder, force })) => shim::install(folder, *force).map(|()| 0),
        Some(Command::Completions { shell }) => {
            print_lines(&args::completions(*shell));
            Ok(0)
        }
    }
}

/// Some commands answer by their exit status; an error of theirs must not look like an answer.
fn status_of(error: &Error, args: &Args) -> u8 {
    match args.command {
        _ if error.is_interrupted() => error.exit_code(),
        Some(Command::Explain { .. }) => UNKNOWN,
        Some(Command::Container(Container::Status)) => 1,
        _ => error.exit_code(),
    }
}

fn request(args: &Args) -> Result<Request> {
    let layers = vec![(Origin::Flag, args.layer()?), (Origin::Environment, from_env::layer()?)];
    Ok(Request { start: env::current_dir()?, layers, stand_in: None })
}

fn build(mut request: Request, environment: Option<&str>, report: &mut Reporter) -> Result<()> {
    if let Some(environment) = environment {
        let project = Project::find(&request)?;
        project.tasks()?.iter().try_for_each(|task| check_environment(&task.config, environment))?;
        production::for_environment(&mut request, environment)?;
    }
    run::run(&request, report).map(drop)
}

fn explain(args: &Args, only_inputs: bool) -> Result<u8> {
    let explained = check::explain(&request(args)?)?;
    let (count, json) = (explained.len(), args.message_format == MessageFormat::Json);
    let mut is_hit = true;
    let answers = explained.into_iter().map(|(function, explained)| {
        let lines = explained.map(|Explained { verdict, inputs }| {
            is_hit &= verdict == Verdict::Hit;
            // Where there is one function, it is not named.
            let whose = if count > 1 { format!("{function}: ") } else { String::new() };
            let of_json = inputs.iter().map(|(path, why)| json::input(&function, path, &why.to_string()));
            let of_text = inputs.iter().map(|(path, why)| format!("{whose}{why}: {path}"));
            if only_inputs && json {
                of_json.collect()
            } else if only_inputs {
                of_text.collect()
            } else if json {
                vec![json::verdict(&function, &verdict)]
            } else {
                let lines = verdict.lines(args.verbose).into_iter().map(|line| format!("{whose}{line}"));
                lines.chain(of_text.filter(|_| args.verbose).map(|line| format!("  {line}"))).collect()
            }
        });
        (function, lines)
    });
    answers::print(count, answers, answers::line_of(json), "could not be checked")?;
    Ok(if only_inputs || is_hit { 0 } else { MISS })
}
