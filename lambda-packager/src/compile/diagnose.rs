//! Why a compile failed: cargo's status and what it said, as what can be done about it.

use crate::compile::job::CompileJob;
use crate::config::Network;
use crate::error::Error;
use crate::report::strip_colours;

/// Why a compile did not end with a binary.
pub enum CompileError {
    /// The crate's own: another try would end the same way.
    Crate(Error),
    /// Something other than cargo ended it.
    Ended(Error),
    /// What lies in the target directory cannot be used; a compile from nothing can.
    Cache(Error),
    /// Cargo does not find in its downloads what the lockfile names.
    Downloads(Error),
}

/// Signs of a target directory that something else than cargo wrote to, or that was cut off.
const CORRUPT: &[&str] = &[
    "found invalid metadata files",
    "error[E0786]",
    "error[E0460]",
    "failed to mmap",
    "the compiler unexpectedly panicked",
    "internal compiler error",
    "file truncated",
    "file format not recognized",
    "is not an ar archive",
    "malformed archive",
    "extern location for",
    "failed to parse dep-info",
    "failed to read `/target",
    "failed to write `/target",
    "failed to open: /target",
    "failed to create directory `/target",
];

/// How cargo says that a download is missing, or is not what the lockfile names.
const NO_DOWNLOAD: &[&str] = &[
    "--offline was specified",
    "while offline",
    "using offline mode (--offline)",
    "failed to unpack package",
    "failed to verify the checksum of",
    "unable to verify that",
];

/// What a compile died of that ended with `code`; `said` is the end of what it said.
pub fn trouble(code: i32, said: &str, job: &CompileJob) -> CompileError {
    let package = &job.function.package.name;
    let triple = job.config.target_arch.triple();
    let plain = strip_colours(said);
    let says = |text: &str| plain.contains(text);
    let error = |message: String| Error::cargo(message);
    if says("No space left on device") || says("(os error 28)") {
        return CompileError::Crate(error(format!("the disk is full on which {package} is compiled")).hint_with(
            "free space on the disk of the container engine (`docker system df`), or remove this container with its caches",
        ));
    }
    match code {
        127 => CompileError::Crate(
            error("cargo, setsid or flock is missing in the environment of the compile".into())
                .hint_with("set `base` to an image with cargo, rustc, a C compiler and util-linux, or to `host`"),
        ),
        _ if code == 137 || says("(signal: 9, SIGKILL") => CompileError::Ended(
            error(format!("the compile of {package} was killed (status {code})")).hint_with(
                "probably out of memory: give the engine more memory, or compile less in parallel with `cargo_flags = [\"-j1\"]`",
            ),
        ),
        101 if CORRUPT.iter().any(|sign| says(sign)) => CompileError::Cache(
            error(format!("{package} does not compile (cargo's status {code})"))
                .hint_with("cargo's own messages are above and in build.log"),
        ),
        101 if says("can't find crate for `core`") || says("target may not be installed") => CompileError::Crate(
            error(format!("the builder has no standard library for the target {triple}, which {} needs", asks(&plain, package)))
                .hint_with(format!(
                    "add it to the base image with `rustup target add {triple}`, or set `target_arch` or `base`"
                )),
        ),
        101 if says("linker `") && says("not found") => CompileError::Crate(
            error(format!(
                "the builder has no linker {} for the target {triple}, which {} needs",
                quoted(&plain, "linker `", '`').unwrap_or("cc"),
                asks(&plain, package)
            ))
            .hint_with(INSTALL_COMPILER),
        ),
        101 if says("failed to find tool") => CompileError::Crate(
            error(format!(
                "the builder has no C compiler {} for the target {triple}, which {} needs",
                quoted(&plain, "failed to find tool \"", '"').unwrap_or("cc"),
                asks(&plain, package)
            ))
            .hint_with(INSTALL_COMPILER),
        ),
        101 if NO_DOWNLOAD.iter().any(|sign| says(sign)) => CompileError::Downloads(
            error(format!("a crate that {package} needs is missing or incomplete in cargo's downloads on this machine"))
                .hint_with("package with `--force`, which fetches it again; cargo's own message is above and in build.log"),
        ),
        101 => {
            let mut hint = "cargo's own messages are above and in build.log".to_string();
            if says("Read-only file system") {
                hint.push_str("; the sources are read-only during the compile: write generated files to OUT_DIR");
            }
            // Of `PATH` and its like: <https://doc.rust-lang.org/std/env/fn.join_paths.html>.
            if says("path segment contains separator") {
                hint.push_str("; cargo cannot compile below a folder with `:` in its name: move it, or package in a container, where every project has the same path");
            }
            if job.config.network == Network::None && NO_NETWORK.iter().any(|sign| says(sign)) {
                hint.push_str("; the compile has no network: if a build script needs it, set `network = \"bridge\"`");
            }
            CompileError::Crate(error(format!("{package} does not compile (cargo's status {code})")).hint_with(hint))
        }
        _ => CompileError::Ended(error(format!("the compile of {package} was ended by another process (status {code})"))),
    }
}

const INSTALL_COMPILER: &str =
    "install it in the base image (Debian: `gcc`, for arm64 `gcc-aarch64-linux-gnu`), or set `target_arch` or `base`";

/// The package that cargo was at when it failed.
fn asks<'a>(said: &'a str, package: &'a str) -> &'a str {
    let by_build_script = quoted(said, "failed to run custom build command for `", '`');
    let by_itself = || quoted(said, "could not compile `", '`');
    // Without the folder of a local one.
    by_build_script.or_else(by_itself).map_or(package, |name| name.split(" (").next().unwrap_or(name))
}

/// What stands between `before` and the next `end`.
fn quoted<'a>(text: &'a str, before: &str, end: char) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(end)?.0)
}

/// How programs say that there is no network.
const NO_NETWORK: &[&str] = &[
    "Network is unreachable",
    "Temporary failure in name resolution",
    "failed to lookup address",
    "NetworkUnreachable",
];
