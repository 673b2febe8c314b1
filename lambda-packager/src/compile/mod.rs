//! The cargo call, in the container or on the host.

pub mod diagnose;
pub mod job;
pub mod mounts;
pub mod output;
pub mod units;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::compile::output::finish;
use crate::config::{Config, Mode};
use crate::error::Result;
use crate::report::Reporter;
use crate::sys::{Invocation, env};

/// Runs in the container or on the host; its head describes its fields and its output.
const SCRIPT: &str = include_str!("compile.sh");

/// Places functions and data that compress well together side by side; nothing else changes. It makes a zip 5 % smaller.
/// LLVM's linker has it since version 21, which comes with Rust since 1.91 and is the default for x86_64.
/// <https://github.com/llvm/llvm-project/pull/125559>
const COMPRESSION_SORT: &str = "-Wl,--bp-compression-sort=both";

/// A compile that is silent for this long is checked.
const SILENCE: Duration = Duration::from_secs(5);

/// Variables for the form of cargo's messages.
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
        // A wrapper of the host, such as sccache, is not in the container. Both are always set: cargo hashes the second
        // one into the names of symbols, and the bytes must not depend on whether the user has a wrapper.
        ("RUSTC_WRAPPER".into(), String::new()),
        ("RUSTC_WORKSPACE_WRAPPER".into(), String::new()),
        ("CARGO_BUILD_BUILD_DIR".into(), target.into()),
        // A user's setting would make the paths in dep-info relative to another folder.
        ("CARGO_BUILD_DEP_INFO_BASEDIR".into(), "/nowhere".into()),
        // The date of the zip's members, for C code with `__DATE__`.
        // <https://reproducible-builds.org/specs/source-date-epoch/>
        ("SOURCE_DATE_EPOCH".into(), "315532800".into()),
    ]
}

/// The command line that compiles: the script, its fields, and cargo's command line.
pub fn command(job: &CompileJob) -> Vec<String> {
    let profile_folder = match job.config.profile.as_str() {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    };
    let triple = job.config.target_arch.triple();
    let binary = format!("{}/{triple}/{profile_folder}/{}", job.target, job.function.name);
    let Staleness { packages, surroundings, compile, clean_compiles } = job.staleness;
    let mut command: Vec<String> = ["sh", "-c", SCRIPT, "lambda-packager"].map(String::from).into();
    command.extend([format!("--target={}", job.target), format!("--binary={binary}")]);
    command.extend(job.wipe.then(|| "--wipe".to_string()));
    command.extend(is_sorted(job.config).then(|| format!("--link-arg={COMPRESSION_SORT}")));
    command.extend([format!("--surroundings={surroundings}"), format!("--compile={compile}")]);
    command.extend(clean_compiles.iter().map(|name| format!("--clean-compile={name}")));
    command.extend(job.pack_along.map(|script| format!("--pack-along={script}")));
    command.extend(packages.iter().map(|(name, digest)| format!("--package={name}={digest}")));
    command.push("--".into());
    command.extend(cargo(job, triple));
    command
}

/// Whether to link with `COMPRESSION_SORT`. With a profile of these names `cargo rustc` would compile tests.
fn is_sorted(config: &Config) -> bool {
    config.mode.is_for_production() && !["test", "bench"].contains(&config.profile.as_str())
}

fn cargo(job: &CompileJob, triple: &str) -> Vec<String> {
    let config = job.config;
    let manifest = job.mounts.to_container(&job.function.package.manifest).unwrap_or_default();
    // `cargo rustc` is `cargo build` with flags for the binary alone.
    let verb = if is_sorted(config) { "rustc" } else { "build" };
    let mut args: Vec<String> = ["cargo", verb, "--offline", "--locked"].map(String::from).into();
    args.extend([format!("--manifest-path={manifest}"), format!("--bin={}", job.function.name)]);
    args.extend([format!("--target={triple}"), format!("--profile={}", config.profile)]);
    args.extend(config.features.iter().map(|feature| format!("--features={feature}")));
    for (key, value) in profile_settings(config.mode) {
        // A setting in the user's manifest takes precedence.
        if !job.workspace.profiles.sets(&config.profile, key) {
            args.extend(["--config".into(), format!("profile.{}.{key}={value}", config.profile)]);
        }
    }
    // Messages about what cargo made are JSON; the messages for people stay as they are.
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

/// Runs `invocation`, which is the script in the container or on the host, and reads its output. Cargo's own lines go
/// to the reporter. While the compile is silent, `check` is called every five seconds.
///
/// # Errors
/// The diagnosis of a failed compile; [`CompileError::Ended`] with the error of `check`, which ends the compile.
pub fn run(
    invocation: &Invocation,
    job: &CompileJob,
    report: &RefCell<&mut Reporter>,
    check: impl FnMut() -> Result<()>,
) -> Result<Compiled, CompileError> {
    let mut stderr = CargoOutput::default();
    let push = |bytes: &[u8]| stderr.push(bytes, &mut report.borrow_mut());
    let output = invocation.stream_stderr(SILENCE, push, check).map_err(CompileError::Ended)?;
    if output.code == 0 { finish(&output.stdout, job) } else { Err(stderr.diagnose(output.code, job)) }
}

/// The target directory of a compile on the host: each toolchain has its own.
pub fn host_target(state: &Path, identity: &str) -> String {
    state.join(format!("host-target-{identity}")).to_string_lossy().into_owned()
}

pub use diagnose::CompileError;
pub use job::{CompileJob, Staleness};
pub use mounts::{CARGO_HOME, Mounts, TARGET, WORKSPACE};
pub use output::{CargoOutput, Compiled};
pub use units::CompiledUnits;
