//! What the packager takes of the time of deploy tools that call it, where nothing changed.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::lab::{Lab, read, write};
use crate::many::{FUNCTIONS, names, workspace};
use crate::measure::{Result, shown};

/// A tool, and how it builds.
struct Tool {
    name: &'static str,
    folder: &'static str,
    call: &'static [&'static str],
    needs: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "sam build",
        folder: "sam",
        call: &["sam", "build", "--beta-features"],
        needs: "aws-sam-cli (pip install aws-sam-cli)",
    },
    Tool {
        name: "cdk synth",
        folder: "cdk",
        call: &["python3", "app.py"],
        needs: "aws-cdk-lib, cargo-lambda-cdk (pip install aws-cdk-lib cargo-lambda-cdk) and node",
    },
];

/// The workspace of many functions, each built by a call of `cargo lambda build`. What they compile is compiled on the host,
/// and plays no part.
pub fn tools(lab: &Bench) -> Result<Vec<Row>> {
    let shim = lab.folder.join("shim");
    lab.run(lab.command(lab.packager()?, &lab.folder).args(["shim", "install"]).arg(&shim))?;
    let ours = Watched::prepare(lab, "tools", &shim.join(SHIM))?;
    let theirs = match other_cargo_lambda() {
        Some(program) => Watched::prepare(lab, "tools-cargo-lambda", &program),
        None => Err("there is no cargo-lambda in PATH (pip install cargo-lambda ziglang)".to_string()),
    };
    let mut rows = Vec::new();
    for tool in &TOOLS {
        rows.extend(beside_cargo_lambda(lab, tool, &ours, theirs.as_ref().map_err(Clone::clone))?);
    }
    Ok(rows)
}

/// What all calls of `cargo lambda` take together, also beside cargo-lambda's own.
fn beside_cargo_lambda(lab: &Lab, tool: &Tool, ours: &Watched, theirs: Result<&Watched>) -> Result<Vec<Row>> {
    let what = format!("{FUNCTIONS} functions, nothing changed under {}, our share", tool.name);
    let compared = format!("for comparison: {what}, against cargo-lambda's");
    let command = ours.command(lab, tool);
    if let Err(why) = lab.seconds(&command) {
        return Ok(vec![Row::not_measured("tools", what, format!("{why}; it takes {}", tool.needs))]);
    }
    let theirs = theirs.and_then(|theirs| lab.seconds(&theirs.command(lab, tool)).map(|_| theirs));
    let (mut by_shim, mut by_cargo_lambda) = (Vec::new(), Vec::new());
    for _ in 0..lab.rounds(5) {
        by_shim.push(ours.seconds(lab, tool)?);
        if let Ok(theirs) = &theirs {
            by_cargo_lambda.push(theirs.seconds(lab, tool)?);
        }
    }
    let sample = |values| Sample::new(shown(&command), Unit::Seconds, values);
    let ours = sample(by_shim);
    let comparison = match theirs {
        Ok(_) => Row::ratio("tools", compared, &ours, &sample(by_cargo_lambda), None),
        Err(why) => Row::not_measured("tools", compared, why),
    };
    Ok(vec![Row::at_most("tools", what, &ours, 0.060), comparison])
}

/// Runs what is watched where this program is called by its name, and takes the time. A shell would add that of its own fork.
pub fn watch() -> Option<ExitCode> {
    let called = PathBuf::from(env::args_os().next()?);
    if called.file_name()? != SHIM {
        return None;
    }
    let folder = called.ancestors().nth(3)?;
    let program = fs::read_to_string(folder.join(WATCHED)).ok()?;
    let begun = Instant::now();
    let status = Command::new(program).args(env::args_os().skip(1)).status().ok()?;
    let took = begun.elapsed().as_micros();
    let mut calls = fs::File::options().append(true).open(folder.join(CALLS)).ok()?;
    writeln!(calls, "{took}").ok()?;
    Some(ExitCode::from(u8::try_from(status.code()?).ok()?))
}

/// A workspace with a project of each tool, and a program first in `PATH` that takes the time of each call.
struct Watched {
    folder: PathBuf,
}

const SHIM: &str = "cargo-lambda";
/// A file with the path of what is watched.
const WATCHED: &str = "watched/program";
const CALLS: &str = "watched/calls";
const PACKAGER: &str = "lambda-packager";

impl Watched {
    /// With `cargo_lambda` in the place of that program.
    fn prepare(lab: &Lab, name: &str, cargo_lambda: &Path) -> Result<Self> {
        let this = Self { folder: workspace(lab, name)? };
        write(&this.folder.join("sam/template.yaml"), template())?;
        write(&this.folder.join("cdk/app.py"), app())?;
        write(&this.folder.join(WATCHED), cargo_lambda.display().to_string())?;
        let own = env::current_exe().map_err(|e| format!("the bench: {e}"))?;
        fs::create_dir_all(this.programs()).map_err(|e| format!("{SHIM}: {e}"))?;
        symlink(own, this.programs().join(SHIM)).map_err(|e| format!("{SHIM}: {e}"))?;
        // All at once: a tool would have them compiled one after another.
        lab.run(Self::set(&mut lab.command(cargo_lambda, &this.folder)).args(["lambda", "build", "--release"]))?;
        Ok(this)
    }

    /// What is first in `PATH`. Files at the top of the workspace would be inputs.
    fn programs(&self) -> PathBuf {
        self.folder.join("watched/bin")
    }

    /// Where microseconds of the calls are written.
    fn log(&self) -> PathBuf {
        self.folder.join(CALLS)
    }

    fn command(&self, lab: &Lab, tool: &Tool) -> Command {
        let mut command = lab.command(tool.call[0], &self.folder.join(tool.folder));
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.programs()].into_iter().chain(env::split_paths(&path)));
        Self::set(command.args(&tool.call[1..]).env("PATH", path.unwrap_or_default()));
        command
    }

    fn set(command: &mut Command) -> &mut Command {
        command.env("LAMBDA_PACKAGER_ENGINE", "host").env("SAM_CLI_TELEMETRY", "0");
        command.env("AWS_DEFAULT_REGION", "eu-central-1").env("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
    }

    /// Of all calls in one run of a tool.
    fn seconds(&self, lab: &Lab, tool: &Tool) -> Result<f64> {
        write(&self.log(), "")?;
        lab.run(&mut self.command(lab, tool))?;
        let lines = read(&self.log())?;
        let calls: Vec<f64> = lines.lines().filter_map(|line| line.parse().ok()).collect();
        if calls.len() < FUNCTIONS {
            return Err(format!("{} called {SHIM} {} times", tool.name, calls.len()));
        }
        Ok(calls.iter().sum::<f64>() / 1e6)
    }
}

fn template() -> String {
    let head = "AWSTemplateFormatVersion: \"2010-09-09\"\nTransform: AWS::Serverless-2016-10-31\nResources:\n";
    let function = |name: String| {
        format!(
            "  {}:\n    Type: AWS::Serverless::Function\n    Metadata:\n      BuildMethod: rust-cargolambda\n      \
             BuildProperties:\n        Binary: {name}\n    Properties:\n      CodeUri: ..\n      Handler: bootstrap\n      \
             Runtime: provided.al2023\n      Architectures: [x86_64]\n",
            name.to_uppercase()
        )
    };
    names().map(function).fold(head.to_string(), |all, function| all + &function)
}

fn app() -> String {
    let names: Vec<String> = names().collect();
    format!(
        "import aws_cdk as cdk\nfrom aws_cdk import aws_lambda\nfrom cargo_lambda_cdk import RustFunction\n\n\
         app = cdk.App(outdir=\"cdk.out\")\nstack = cdk.Stack(app, \"Functions\")\nfor name in {names:?}:\n    \
         RustFunction(\n        stack,\n        name,\n        manifest_path=\"../Cargo.toml\",\n        \
         binary_name=name,\n        runtime=\"provided.al2023\",\n        \
         architecture=aws_lambda.Architecture.X86_64,\n    )\napp.synth()\n"
    )
}

/// A cargo-lambda in `PATH` that is not the shim.
fn other_cargo_lambda() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut found = env::split_paths(&path).map(|folder| folder.join(SHIM));
    found.find(|file| file.canonicalize().is_ok_and(|real| !real.ends_with(PACKAGER)))
}
