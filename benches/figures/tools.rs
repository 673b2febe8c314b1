//! What the packager takes of the time of deploy tools that call it, where nothing changed.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::Bench;
use crate::figure::{Row, Sample, Unit};
use crate::hit::settle;
use crate::lab::{Lab, copy, read, repository, write};
use crate::measure::{Result, shown};

/// A tool, and how its example is built.
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

/// Two functions: one by `cargo lambda build`, one by `lambda-packager`. What they compile is compiled on the host, and
/// plays no part.
pub fn tools(lab: &Bench) -> Result<Vec<Row>> {
    let shim = lab.folder.join("shim");
    lab.run(lab.command(lab.packager()?, &lab.folder).args(["shim", "install"]).arg(&shim))?;
    let ours = Watched::prepare(lab, "tools", &shim.join(SHIM))?;
    let theirs = match other_cargo_lambda() {
        Some(program) => Ok(Watched::prepare(lab, "tools-cargo-lambda", &program)?),
        None => Err("there is no cargo-lambda in PATH (pip install cargo-lambda ziglang)".to_string()),
    };
    let mut rows = Vec::new();
    for tool in &TOOLS {
        rows.extend(beside_cargo_lambda(lab, tool, &ours, theirs.as_ref().map_err(Clone::clone))?);
    }
    Ok(rows)
}

/// Our share of all calls, and that of the one call of `cargo lambda` beside cargo-lambda's own.
fn beside_cargo_lambda(lab: &Lab, tool: &Tool, ours: &Watched, theirs: Result<&Watched>) -> Result<Vec<Row>> {
    let what = format!("nothing changed under {}, our share", tool.name);
    let compared =
        format!("for comparison: nothing changed under {}, what `cargo lambda` takes, against cargo-lambda", tool.name);
    let command = ours.command(lab, tool);
    if let Err(why) = settle(lab, &command) {
        return Ok(vec![Row::not_measured("tools", what, format!("{why}; it takes {}", tool.needs))]);
    }
    let theirs = theirs.and_then(|theirs| settle(lab, &theirs.command(lab, tool)).map(|()| theirs));
    let (mut all, mut by_shim, mut by_cargo_lambda) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..lab.rounds(5) {
        let calls = ours.calls(lab, tool)?;
        by_shim.push(calls.by_cargo_lambda);
        all.push(calls.by_cargo_lambda + calls.by_packager);
        if let Ok(theirs) = &theirs {
            by_cargo_lambda.push(theirs.calls(lab, tool)?.by_cargo_lambda);
        }
    }
    let sample = |values| Sample::new(shown(&command), Unit::Seconds, values);
    let comparison = match theirs {
        Ok(_) => Row::ratio("tools", compared, &sample(by_shim), &sample(by_cargo_lambda), None),
        Err(why) => Row::not_measured("tools", compared, why),
    };
    Ok(vec![Row::at_most("tools", what, &sample(all), 0.060), comparison])
}

/// A copy of the examples, and programs first in `PATH` that take the time of each call.
struct Watched {
    folder: PathBuf,
}

/// Seconds of the calls of one run of a tool.
struct Calls {
    by_cargo_lambda: f64,
    by_packager: f64,
}

const SHIM: &str = "cargo-lambda";
const PACKAGER: &str = "lambda-packager";

impl Watched {
    /// With `cargo_lambda` in the place of that program.
    fn prepare(lab: &Lab, name: &str, cargo_lambda: &Path) -> Result<Self> {
        let this = Self { folder: lab.folder.join(name) };
        copy(&repository().join("examples"), &this.folder)?;
        for (name, program) in [(SHIM, cargo_lambda), (PACKAGER, lab.packager()?)] {
            let (path, log) = (this.folder.join("bin").join(name), this.log(name));
            // The shell's own clock: another program would take its time.
            let script = format!(
                "#!/bin/bash\nbegun=${{EPOCHREALTIME/[^0-9]/}}\n{program:?} \"$@\"\nstatus=$?\n\
                 echo $((${{EPOCHREALTIME/[^0-9]/}} - begun)) >>{log:?}\nexit $status\n"
            );
            write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(this)
    }

    /// Where microseconds of the calls of a program are written.
    fn log(&self, program: &str) -> PathBuf {
        self.folder.join(format!("{program}.calls"))
    }

    fn command(&self, lab: &Lab, tool: &Tool) -> Command {
        let mut command = lab.command(tool.call[0], &self.folder.join(tool.folder));
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.folder.join("bin")].into_iter().chain(env::split_paths(&path)));
        command.args(&tool.call[1..]).env("PATH", path.unwrap_or_default());
        command.env("LAMBDA_PACKAGER_ENGINE", "host").env("SAM_CLI_TELEMETRY", "0");
        command.env("AWS_DEFAULT_REGION", "eu-central-1").env("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1");
        command
    }

    fn calls(&self, lab: &Lab, tool: &Tool) -> Result<Calls> {
        for program in [SHIM, PACKAGER] {
            write(&self.log(program), "")?;
        }
        lab.run(&mut self.command(lab, tool))?;
        let seconds = |program: &str| -> Result<f64> {
            let lines = read(&self.log(program))?;
            let calls: Vec<f64> = lines.lines().filter_map(|line| line.parse().ok()).collect();
            if calls.is_empty() {
                return Err(format!("{} did not call {program}", tool.name));
            }
            Ok(calls.iter().sum::<f64>() / 1e6)
        };
        Ok(Calls { by_cargo_lambda: seconds(SHIM)?, by_packager: seconds(PACKAGER)? })
    }
}

/// A cargo-lambda in `PATH` that is not the shim.
fn other_cargo_lambda() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut found = env::split_paths(&path).map(|folder| folder.join(SHIM));
    found.find(|file| file.canonicalize().is_ok_and(|real| !real.ends_with(PACKAGER)))
}
