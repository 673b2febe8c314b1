//! Calls of the host's cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cargo::env;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::{Invocation, Output};

/// Long: resolving may download the index and every crate.
const CARGO_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Runs `cargo` with `args` in `folder`, with the environment of a user's shell.
///
/// # Errors
/// If cargo is missing, fails, or takes longer than half an hour. The error has cargo's own message.
pub fn cargo(folder: &Path, args: &[&str]) -> Result<Output> {
    let program = sys::env::var_os("CARGO").map(PathBuf::from).or_else(|| sys::env::find_program("cargo"));
    let program = program
        .ok_or_else(|| Error::cargo("cargo is not on PATH").hint_with("install Rust, or add ~/.cargo/bin to PATH"))?;
    let invocation = Invocation::new(&program).args(args).only(env::for_resolving()).folder(folder);
    let output = invocation.output(None, CARGO_TIMEOUT)?;
    if output.success() {
        return Ok(output);
    }
    Err(failure(args[0], folder, output.stderr_text()))
}

/// The error for a failed call; `text` is cargo's message.
fn failure(verb: &str, folder: &Path, text: String) -> Error {
    let hint = match text.contains("--locked") {
        true => "run `cargo generate-lockfile` or `cargo update -w` and commit Cargo.lock, or remove --locked",
        false => "this is cargo's own message; run the same command yourself to see it without lambda-packager",
    };
    Error::cargo(format!("`cargo {verb}` failed in {}", folder.display())).source(text).hint_with(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_message_of_cargo_and_the_hint_that_fits() {
        let stale = "error: the lock file /p/Cargo.lock needs to be updated but --locked was passed to prevent this";
        let invalid = "error: failed to parse manifest at `/p/Cargo.toml`";
        for (text, hint) in [(stale, "cargo generate-lockfile"), (invalid, "run the same command yourself")] {
            let error = failure("metadata", Path::new("/p"), text.into());
            assert_eq!(error.with_cause(), format!("`cargo metadata` failed in /p: {text}"));
            assert!(error.hint().unwrap().contains(hint), "{text}");
        }
    }
}
