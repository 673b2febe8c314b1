//! The cargo call, in the container or on the host.

pub mod anew;
mod crates;
pub mod delivery;
pub mod diagnose;
pub mod job;
pub mod layout;
mod missing;
pub mod mounted;
pub mod node;
pub mod output;
pub mod packed;
pub mod placeholders;
mod places;
pub mod repository;
pub mod sent;
pub mod sources;
pub mod units;

use std::cell::RefCell;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use crate::artifact::build_id;
use crate::cargo::{Function, Workspace, config as cargo_config, config_flags, profile_overrides};
use crate::compile::mounted::OTHER_TOOLCHAIN;
use crate::compile::output::finish;
use crate::config::{Config, Mode};
use crate::error::Result;
use crate::fingerprint::{declared, git};
use crate::report::Reporter;
use crate::sys::{Input, Invocation, env};

/// Runs in the container or on the host; the heads describe their fields and their output.
const SCRIPT: &str = include_str!("compile.sh");
const RECEIVE: &str = include_str!("receive.sh");

/// Where the scripts in a container have their own files.
pub const STATE: &str = "/cargo/.lambda-packager";

/// The exit status of `RECEIVE` if other sources are there.
pub const OTHER_SOURCES: i32 = 75;

/// The exit status of `RECEIVE` if there is no tar.
pub const NO_TAR: i32 = 76;

/// The folder in `STATE` for what is unpacked without tar.
pub const UNPACKED: &str = "archive";

/// The user who compiles in a container, whoever calls. It has no name and no file of its own.
pub const USER: u32 = 1000;

/// User and group of a shell in the container. It is not the user who compiles: a compile ends every process of that
/// user, and a person's shell must outlive it.
pub const VISITOR: u32 = 1001;

/// Places functions and data that compress well together side by side; nothing else changes. It makes a zip 5 % smaller.
/// LLVM's linker has it since version 21, which comes with Rust since 1.91 and is the default for x86_64.
/// <https://github.com/llvm/llvm-project/pull/125559>
const COMPRESSION_SORT: &str = "-Wl,--bp-compression-sort=both";

/// A compile that is silent for this long is checked.
const SILENCE: Duration = Duration::from_secs(5);

/// How much is sent at once, in bytes: what a pipe holds.
const BUFFER: usize = 64 * 1024;

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
        ("CARGO_BUILD_BUILD_DIR".into(), target.into()),
        // A user's setting would make the paths in dep-info relative to another folder.
        ("CARGO_BUILD_DEP_INFO_BASEDIR".into(), "/nowhere".into()),
        // The date of the zip's members, for C code with `__DATE__`.
        // <https://reproducible-builds.org/specs/source-date-epoch/>
        ("SOURCE_DATE_EPOCH".into(), "315532800".into()),
    ]
}

/// The command line that compiles: the script, its fields, and cargo's command line.
pub fn command(job: &CompileJob, wipe: bool) -> Vec<String> {
    let profile_folder = match job.config.profile.as_str() {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    };
    let triple = job.config.target_arch.triple();
    let binary = |function: &Function| format!("--binary={}/{triple}/{profile_folder}/{}", job.target, function.path());
    let mut command: Vec<String> = ["sh", "-c", SCRIPT, "lambda-packager"].map(String::from).into();
    command.push(format!("--target={}", job.target));
    command.extend(job.functions.iter().map(binary));
    command.extend(wipe.then(|| "--wipe".to_string()));
    command.extend((is_rustc(job) && is_sorted(job.config)).then(|| format!("--link-arg={COMPRESSION_SORT}")));
    // Where a file cannot be read, cargo says so.
    let chooses_linker = || cargo_config::chooses_linker(job.workspace, job.config).unwrap_or(true);
    command.extend((is_rustc(job) && !chooses_linker()).then(|| "--own-linker".to_string()));
    if asks_for_debug(job) && job.functions.len() == 1 {
        command.extend(is_rustc(job).then(|| format!("--link-arg={}", build_id::LINK_ARG)));
        command.push(format!("--debug={}", triple.split('-').next().unwrap_or_default()));
    }
    command.extend([format!("--surroundings={}", job.surroundings), format!("--compile={}", job.compile)]);
    if let Some((image, script)) = job.deps {
        command.extend([format!("--deps={image}"), format!("--pack-along={script}")]);
    }
    command.extend(job.reads_outside.then(|| "--outside".to_string()));
    command.extend((job.packages().len() > 1).then(|| "--sources".to_string()));
    // Who excludes it knows that it is not there.
    let is_told = declared::has_git(job.config) || declared::is_excluded(declared::GIT, job.config);
    let has_build_script = job.local_packages().iter().any(|package| package.has_build_script);
    let may_look = has_build_script && !is_told && git::work_tree(&job.workspace.root).is_some();
    command.extend(may_look.then(|| "--git".to_string()));
    command.push("--".into());
    command.extend(cargo(job, triple));
    command
}

/// The command line that puts a delivery in its place and runs the command `inner` beside it, with its own files in the folder `state`, and the
/// start of its standard input.
pub fn with_delivery(
    job: &CompileJob,
    delivery: &Delivery,
    state: &str,
    user: Option<u32>,
    inner: Vec<String>,
) -> Result<(Vec<String>, Input)> {
    let Delivery { from, removed, archive, unpacked, is_first, dates, anew, sent } = delivery;
    let clean = if anew.all { Vec::new() } else { clean(job, &anew.packages) };
    let mut command: Vec<String> = ["sh", "-c", RECEIVE, "lambda-packager"].map(String::from).into();
    let fields = [
        ("state", state.to_string()),
        ("target", job.target.to_string()),
        ("folder", job.layout.workspace.clone()),
        ("compile", sent.name.clone()),
        ("count", sent.count.to_string()),
        ("removed", removed.len().to_string()),
        ("archive", archive.length()?.to_string()),
        ("clean", clean.len().to_string()),
    ];
    let from = from.iter().map(|name| ("from", name.clone()));
    let users = user.map(|user| [("user", user.to_string()), ("visitor", VISITOR.to_string())]);
    let dated = dates.iter().map(|(since, places)| ("dates", format!("{since}:{}", places.len())));
    let fields = fields.into_iter().chain(from).chain(users.into_iter().flatten()).chain(dated);
    command.extend(fields.map(|(name, value)| format!("--{name}={value}")));
    command.extend(unpacked.then(|| "--unpacked".to_string()));
    command.extend(is_first.then(|| "--first".to_string()));
    command.extend(anew.all.then(|| "--wipe".to_string()));
    command.push("--".into());
    command.extend(inner);
    let (before, archive) = (removed.clone(), archive.clone());
    let after: Vec<u8> = dates.values().chain([&clean]).flatten().copied().collect();
    let input = Input::Written(Box::new(move |out| {
        let mut out = BufWriter::with_capacity(BUFFER, out);
        out.write_all(&before)?;
        archive.write_to(&mut out)?;
        out.write_all(&after)?;
        out.flush()
    }));
    Ok((command, input))
}

/// The command line that compiles in a container whose sources are in their place; `touched` are the folders that changed
/// since the last compile in it.
pub fn in_place(job: &CompileJob, state: &str, touched: &[String]) -> Vec<String> {
    let mut command: Vec<String> = ["sh", "-c", RECEIVE, "lambda-packager"].map(String::from).into();
    let (target, folder) = (job.target, &job.layout.workspace);
    command.extend([format!("--state={state}"), format!("--target={target}"), format!("--folder={folder}")]);
    command.extend([format!("--user={USER}"), format!("--visitor={VISITOR}")]);
    command.extend(touched.iter().map(|place| format!("--touch={place}")));
    command.push("--".into());
    command.extend(self::command(job, false));
    command
}

/// The arguments of cargo that remove all that it made of `packages`, each ended by NUL.
///
/// Source: <https://doc.rust-lang.org/cargo/commands/cargo-clean.html>.
fn clean(job: &CompileJob, packages: &[String]) -> Vec<u8> {
    if packages.is_empty() {
        return Vec::new();
    }
    let manifest = job.layout.place_of(&job.package().manifest).unwrap_or_default();
    let mut args: Vec<String> = ["clean", "--offline", "--locked"].map(String::from).into();
    args.extend([format!("--manifest-path={manifest}"), format!("--target-dir={}", job.target)]);
    args.extend([format!("--target={}", job.config.target_arch.triple()), format!("--profile={}", job.config.profile)]);
    args.extend(packages.iter().map(|package| format!("--package={package}")));
    args.into_iter().flat_map(|arg| arg.into_bytes().into_iter().chain([0])).collect()
}

/// Whether to link with `COMPRESSION_SORT`.
fn is_sorted(config: &Config) -> bool {
    config.mode.is_for_production() && can_be_rustc(config)
}

/// With a profile of these names `cargo rustc` would compile tests.
fn can_be_rustc(config: &Config) -> bool {
    !["test", "bench"].contains(&config.profile.as_str())
}

/// Whether debug information is separated from the binary and kept, since the user's profile asks for it.
fn asks_for_debug(job: &CompileJob) -> bool {
    keeps_debug(job.workspace, job.config)
}

/// In the mode `dev`, most packages have it by their profile, nobody looks for it, and it would cost a third of an edit.
fn keeps_debug(workspace: &Workspace, config: &Config) -> bool {
    config.mode != Mode::Dev && profile_overrides::profiles(workspace, config).asks_for_debug(&config.profile)
}

/// Whether `cargo build` compiles, which may make several binaries.
pub fn is_build(workspace: &Workspace, config: &Config) -> bool {
    !is_sorted(config) && !keeps_debug(workspace, config)
}

/// Whether flags for the linker are given: `cargo rustc` is `cargo build` with flags for the binary alone, which is one.
fn is_rustc(job: &CompileJob) -> bool {
    job.functions.len() == 1 && (is_sorted(job.config) || (asks_for_debug(job) && can_be_rustc(job.config)))
}

fn cargo(job: &CompileJob, triple: &str) -> Vec<String> {
    let config = job.config;
    let manifest = job.layout.place_of(&job.package().manifest).unwrap_or_default();
    let verb = if is_rustc(job) { "rustc" } else { "build" };
    let mut args: Vec<String> = ["cargo", verb, "--offline", "--locked"].map(String::from).into();
    args.push(format!("--manifest-path={manifest}"));
    let packages = job.packages();
    if packages.len() > 1 {
        args.extend(packages.iter().map(|package| format!("--package={}", package.name)));
    }
    let selected = |function: &Function| {
        let flag = if function.is_example { "--example" } else { "--bin" };
        format!("{flag}={}", function.name)
    };
    args.extend(job.functions.iter().map(selected));
    args.extend([format!("--target={triple}"), format!("--profile={}", config.profile)]);
    args.extend(config.features.iter().map(|feature| format!("--features={feature}")));
    let (profiles, is_separated) = (profile_overrides::profiles(job.workspace, config), asks_for_debug(job));
    for (key, value) in profile_settings(config.mode) {
        // A setting of the user's takes precedence. What is separated is stripped afterwards.
        let is_kept = *key == "strip" && is_separated;
        if !is_kept && !profiles.sets(&config.profile, key) {
            args.extend(["--config".into(), format!("profile.{}.{key}={value}", config.profile)]);
        }
    }
    // Messages about what cargo made are JSON; the messages for people stay as they are.
    if !config.cargo_flags.iter().any(|flag| flag.starts_with("--message-format")) {
        args.push("--message-format=json-render-diagnostics".into());
    }
    let place_of = |path: &Path| job.layout.place_of(path);
    let flags = config_flags::with_places(&config.cargo_flags, &job.workspace.root, place_of);
    // Behind `--` they are rustc's.
    let dashes = flags.iter().position(|flag| flag == "--").unwrap_or(flags.len());
    let (flags, of_rustc) = flags.split_at(dashes);
    args.extend_from_slice(flags);
    // Only one file can be kept. The last of several such flags counts.
    if is_separated && profiles.leaves_debug_behind(&config.profile) {
        args.extend(["--config".into(), format!("profile.{}.split-debuginfo=\"packed\"", config.profile)]);
    }
    args.extend_from_slice(of_rustc);
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

/// Runs `invocation`, which is the scripts in the container or on the host, with `input` at the start of its standard
/// input, and reads its output. Cargo's own lines go to the reporter. While the compile is silent, `check` is called every
/// five seconds.
///
/// # Errors
/// The diagnosis of a failed compile; [`CompileError::Ended`] with the error of `check`, which ends the compile;
/// [`CompileError::OtherSources`] or [`CompileError::NoTar`] if nothing was changed, because other sources are there than
/// were expected, or because nothing there can unpack them; [`CompileError::Crate`] also if nothing was done, because
/// another toolchain is there.
pub fn run(
    invocation: &Invocation,
    input: Input,
    job: &CompileJob,
    report: &RefCell<&mut Reporter>,
    check: impl FnMut() -> Result<()>,
) -> Result<Compiled, CompileError> {
    let mut stderr = CargoOutput::default();
    let push = |bytes: &[u8]| stderr.push(bytes, &mut report.borrow_mut());
    let output = invocation.stream_stderr(input, SILENCE, push, check).map_err(CompileError::Ended)?;
    match output.code {
        0 => finish(&output.stdout, job),
        OTHER_SOURCES => Err(CompileError::OtherSources),
        NO_TAR => Err(CompileError::NoTar),
        OTHER_TOOLCHAIN => Err(CompileError::Crate(mounted::other_toolchain())),
        code => Err(stderr.diagnose(code, job)),
    }
}

pub use anew::Anew;
pub use delivery::Delivery;
pub use diagnose::CompileError;
pub use job::CompileJob;
pub use layout::{CARGO_HOME, Layout, TARGET, WORKSPACE};
pub use output::{CargoOutput, Compiled, DebugInfo};
pub use sent::Sent;
pub use units::CompiledUnits;
