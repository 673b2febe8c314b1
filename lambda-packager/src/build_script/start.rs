//! Starts the pipeline for `BuildScript` and `Packager`. On other systems `unsupported.rs` is in its place.

use std::io::stderr;
use std::path::Path;

use crate::config::{Layer, Origin};
use crate::error::Result;
use crate::packaged::{ForCargo, Packaged};
use crate::pipeline::Request;
use crate::pipeline::run::{run, run_watched};
use crate::report::{Reporter, Sink, Terminal, Text};
use crate::sys::env;

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
    let (outcome, watch) = run_watched(&Request { start: folder.to_path_buf(), layers }, &mut report)?;
    Ok(ForCargo { watch, hermetic: outcome.hermetic, packaged: outcome.summary.packaged })
}

/// Reports to stderr, unless `quiet`.
pub fn for_program(folder: &Path, layers: Vec<(Origin, Layer)>, quiet: bool) -> Result<Packaged> {
    let (progress, colour) = Text::stderr_draws(quiet);
    let sink = Box::new(Text::stderr(false, quiet));
    let mut report = Reporter::new(vec![sink], progress, colour && env::colour_wanted());
    Ok(run(&Request { start: folder.to_path_buf(), layers }, &mut report)?.summary.packaged)
}
