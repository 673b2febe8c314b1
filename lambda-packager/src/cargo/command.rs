//! Calls of the host's cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cargo::env;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::process::{Invocation, Output};

/// Resolving may download the index and every crate.
const CARGO_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Runs `cargo` with `args` in `folder`, with the environment of a user's shell.
///
/// # Errors
/// Where cargo is missing, fails, or takes longer than half an hour; with cargo's own message.
pub fn cargo(folder: &Path, args: &[&str]) -> Result<Output> {
    let program = sys::env::var_os("CARGO").map(PathBuf::from).or_else(|| sys::env::find_program("cargo"));
    let program = program
        .ok_or_else(|| Error::cargo("cargo is not on PATH").hint_with("install Rust, or add ~/.cargo/bin to PATH"))?;
    let invocation = Invocation::new(&program).args(args).only(env::for_host_tools()).folder(folder);
    let output = invocation.output(None, CARGO_TIMEOUT)?;
    if output.success() {
        return Ok(output);
    }
    let text = output.stderr_text();
    let error = Error::cargo(format!("`cargo {}` failed in {}", args[0], folder.display())).source(text.clone());
    Err(if text.contains("--locked") {
        error.hint_with("run `cargo generate-lockfile` or `cargo update -w` and commit Cargo.lock, or drop --locked")
    } else {
        error.hint_with("this is cargo's own message; run the same command yourself to see it without lambda-packager")
    })
}
