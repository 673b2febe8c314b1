//! Signals that end this program.

use std::thread;

use lambda_packager::internal::{Error, ErrorKind, Event, Result, Sink, Text, interrupt};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// On Ctrl-C, SIGTERM or SIGHUP, running programs are ended cleanly. Further signals have no effect.
pub fn listen() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|e| Error::new(ErrorKind::Io, "cannot listen for signals").source(e))?;
    interrupt::handle();
    thread::spawn(move || {
        for signal in signals.forever() {
            let first = interrupt::signal().is_none();
            if first && !interrupt::raise(signal) {
                // No program runs that must be ended first. A half-written file is only a temporary file.
                let error = interrupt::error();
                Text::stderr(false, false).emit(&Event::Failed { error: &error });
                #[allow(clippy::disallowed_methods)] // We are `main`.
                std::process::exit(error.exit_code().into());
            }
        }
    });
    Ok(())
}
