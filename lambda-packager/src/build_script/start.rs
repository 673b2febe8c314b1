//! Starts the pipeline for `BuildScript` and `Packager`. On other systems `unsupported.rs` is in its place.

use std::collections::BTreeSet;
use std::io::stderr;
use std::path::Path;

use crate::config::{Layer, Origin, Runtime};
use crate::error::Result;
use crate::packaged::{ForCargo, Packaged};
use crate::pipeline::run::{run, run_watched};
use crate::pipeline::{Outcome, Request};
use crate::report::{Reporter, Sink, Terminal, Text};
use crate::sys::{env, fs};

const NOT_HERMETIC: &str = "compiled outside of a container with the host's toolchain, not hermetic; start docker or podman, or set `require_container`";

/// Whether this system can package.
pub const SUPPORTED: bool = true;

/// Reports to stderr, which cargo shows only with an error, and to the terminal of cargo, if any.
pub fn for_cargo(folder: &Path, layers: Vec<(Origin, Layer)>) -> Result<ForCargo> {
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Text::plain(stderr()))];
    let terminal = Terminal::of_parent();
    let (progress, colour) = (terminal.is_some(), terminal.is_some() && env::colour_wanted());
    if let Some(terminal) = terminal {
        sinks.push(Box::new(Text::terminal(terminal)));
    }
    let mut report = Reporter::new(sinks, progress, colour);
    let (outcomes, watch) = run_watched(&Request { start: folder.to_path_buf(), layers, stand_in: None }, &mut report)?;
    let warnings = warnings(outcomes.iter().map(|outcome| (outcome.hermetic, outcome.runtime)));
    Ok(ForCargo { watch, warnings, packaged: packaged(outcomes) })
}

/// What stays true of functions: each as whether its compile could read nothing but the inputs, and its runtime.
fn warnings(functions: impl Iterator<Item = (bool, Runtime)>) -> Vec<String> {
    let mut all = Vec::new();
    for (hermetic, runtime) in functions {
        all.extend((!hermetic).then_some(NOT_HERMETIC));
        all.extend(runtime.warning());
    }
    let each: BTreeSet<&str> = all.into_iter().collect();
    each.into_iter().map(String::from).collect()
}

/// Reports to stderr, unless `quiet`.
pub fn for_program(folder: &Path, layers: Vec<(Origin, Layer)>, quiet: bool) -> Result<Vec<Packaged>> {
    let (progress, colour) = Text::stderr_draws(quiet);
    let sink = Box::new(Text::stderr(false, quiet));
    let mut report = Reporter::new(vec![sink], progress, colour && env::colour_wanted());
    Ok(packaged(run(&Request { start: folder.to_path_buf(), layers, stand_in: None }, &mut report)?))
}

/// Stores a file for the crate, if it is another one: a new date would compile the crate again.
pub fn store(path: &Path, text: &str) -> Result<()> {
    match fs::read_if_exists(path)? {
        Some(before) if before == text.as_bytes() => Ok(()),
        _ => fs::replace(path, text.as_bytes(), 0o644, None),
    }
}

fn packaged(outcomes: Vec<Outcome>) -> Vec<Packaged> {
    outcomes.into_iter().map(|outcome| outcome.summary.packaged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_given_once_for_all_functions() {
        let warnings = |functions: &[(bool, Runtime)]| warnings(functions.iter().copied());
        assert!(warnings(&[(true, Runtime::ProvidedAl2023)]).is_empty());
        let all =
            warnings(&[(true, Runtime::ProvidedAl2), (false, Runtime::ProvidedAl2), (false, Runtime::ProvidedAl2023)]);
        assert!(all.len() == 2 && all[0].contains("provided.al2 on 2026-07-31") && all[1] == NOT_HERMETIC, "{all:?}");
    }
}
