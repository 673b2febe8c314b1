//! The cargo call, in the container or on the host.

pub mod diagnose;
pub mod job;
pub mod mounts;
pub mod output;
pub mod units;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::compile::diagnose::CompileError;
use crate::compile::job::CompileJob;
use crate::compile::output::{CargoOutput, Compiled, finish};
use crate::config::{Config, Mode};
use crate::error::Result;
use crate::report::Reporter;
use crate::sys::env;
use crate::sys::process::Invocation;

/// Runs in the container or on the host; see its own head.
const SCRIPT: &str = include_str!("compile.sh");

/// What makes a linker put functions and data side by side that compress well together: LLVM's since its version 21,
/// which Rust brings since 1.91 and links with by default on x86_64. One in twenty bytes of a zip; nothing else changes
/// but places. <https://github.com/llvm/llvm-project/pull/125559>
const SORTED: &str = "-Wl,--bp-compression-sort=both";

/// After this much silence somebody looks whether the compile still goes on.
const SILENCE: Duration = Duration::from_secs(5);

/// How cargo is to say what it does.
pub fn term_env(colour: bool, progress: bool) -> Vec<(String, String)> {
    let when = |yes| if yes { "always" } else { "never" }.to_string();
    vec![
        ("CARGO_TERM_COLOR".into(), when(colour)),
        ("CARGO_TERM_PROGRESS_WHEN".into(), when(progress)),
        ("CARGO_TERM_PROGRESS_WIDTH".into(), "100".into()),
    ]
}

/// Variables for the inner cargo that are the same wherever it runs.
pub fn variables(target: &str) -> Vec<(String, String)> {
    vec![
        (env::INNER.into(), "1".into()),
        // A wrapper of the host's, such as sccache, is not in the container.
        ("RUSTC_WRAPPER".into(), String::new()),
        ("RUSTC_WORKSPACE_WRAPPER".into(), String::new()),
        ("CARGO_BUILD_BUILD_DIR".into(), target.into()),
        // A dep-info that is relative to some folder of the user's would name other files than were read.
        ("CARGO_BUILD_DEP_INFO_BASEDIR".into(), "/nowhere".into()),
        // The date of the zip's members, for C code that asks for `__DATE__`.
        // <https://reproducible-builds.org/specs/source-date-epoch/>
        ("SOURCE_DATE_EPOCH".into(), "315532800".into()),
    ]
}

/// The command line that compiles: the script and its arguments.
pub fn command(job: &CompileJob) -> Vec<String> {
    let profile_folder = match job.config.profile.as_str() {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    };
    let triple = job.config.target_arch.triple();
    let binary = format!("{}/{triple}/{profile_folder}/{}", job.target, job.function.name);
    let mut command: Vec<String> =
        ["sh", "-c", SCRIPT, "lambda-packager", job.target, &binary].map(String::from).into();
    command.push(if job.wipe { "wipe" } else { "keep" }.into());
    command.push(if is_sorted(job.config) { SORTED } else { "" }.into());
    let trust = job.trust;
    command.extend([trust.surroundings.to_string(), trust.compile.clone(), trust.clean_compiles.join(" ")]);
    command.extend([job.along.to_string(), trust.packages.len().to_string()]);
    for (package, digest) in &trust.packages {
        command.extend([package.clone(), digest.to_string()]);
    }
    command.extend(cargo(job, triple));
    command
}

/// Whether the linker is to sort. `cargo rustc` takes the names of these profiles for a wish to compile tests.
fn is_sorted(config: &Config) -> bool {
    config.mode.is_for_production() && !["test", "bench"].contains(&config.profile.as_str())
}

fn cargo(job: &CompileJob, triple: &str) -> Vec<String> {
    let config = job.config;
    let manifest = job.layout.to_container(&job.function.package.manifest).unwrap_or_default();
    // `rustc` is `build` with flags for the binary alone.
    let verb = if is_sorted(config) { "rustc" } else { "build" };
    let mut args: Vec<String> = ["cargo", verb, "--offline", "--locked"].map(String::from).into();
    args.extend([format!("--manifest-path={manifest}"), format!("--bin={}", job.function.name)]);
    args.extend([format!("--target={triple}"), format!("--profile={}", config.profile)]);
    for feature in &config.features {
        args.push(format!("--features={feature}"));
    }
    for (key, value) in profile_settings(config.mode) {
        // What the user's manifest says of a profile stands.
        if !job.workspace.profiles.sets(&config.profile, key) {
            args.extend(["--config".into(), format!("profile.{}.{key}={value}", config.profile)]);
        }
    }
    // What cargo made, for programs; what people read stays as it is.
    if !config.cargo_flags.iter().any(|flag| flag.starts_with("--message-format")) {
        args.push("--message-format=json-render-diagnostics".into());
    }
    args.extend(config.cargo_flags.iter().cloned());
    args
}

/// What a mode adds to the user's profile.
fn profile_settings(mode: Mode) -> &'static [(&'static str, &'static str)] {
    match mode {
        Mode::Release => &[("strip", "\"symbols\"")],
        Mode::Prod | Mode::Docker => &[("lto", "\"fat\""), ("codegen-units", "1"), ("strip", "\"symbols\"")],
        Mode::Dev => &[("incremental", "true"), ("debug", "0"), ("strip", "\"debuginfo\"")],
    }
}

/// Runs `invocation` (the script, wherever) and reads what it hands over. Cargo's own lines are told
/// to the reporter. `look_after` is called when nothing was said for a while; its error ends the run.
pub fn run(
    invocation: &Invocation,
    job: &CompileJob,
    report: &RefCell<&mut Reporter>,
    look_after: impl FnMut() -> Result<()>,
) -> Result<Compiled, CompileError> {
    let mut said = CargoOutput::default();
    let hear = |bytes: &[u8]| said.hear(bytes, &mut report.borrow_mut());
    let output = invocation.stream_stderr(SILENCE, hear, look_after).map_err(CompileError::Ended)?;
    if output.code != 0 { Err(said.trouble(output.code, job)) } else { finish(output.stdout, job) }
}

/// Where the host compiles: a target directory of its own for each toolchain.
pub fn host_target(state: &Path, identity: &str) -> String {
    state.join(format!("host-target-{identity}")).to_string_lossy().into_owned()
}
