//! Starts the pipeline for `BuildScript` and `Packager`. On other systems `unsupported.rs` is in its place.

use std::io::stderr;
use std::path::Path;

use crate::config::{Layer, Origin};
use crate::error::Result;
use crate::packaged::{ForCargo, Packaged};
use crate::pipeline::run::{run, run_watched};
use crate::pipeline::{Outcome, Request};
use crate::report::{Reporter, Sink, Terminal, Text};
use crate::sys::{env, fs};

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
    let hermetic = outcomes.iter().all(|outcome| outcome.hermetic);
    Ok(ForCargo { watch, hermetic, packaged: packaged(outcomes) })
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
