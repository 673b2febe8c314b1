//! Supervises a running program: passes on its output as it comes, until the program ends.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::interrupt;
use crate::sys::process::guard::{Guard, end};

/// The limit for a program: until a time, or for each silence.
pub enum Patience {
    Until(Instant),
    Each(Duration),
}

/// What a running program printed.
pub enum Said<'a> {
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
    /// Nothing within the limit. The program goes on if the callback returns no error.
    Nothing,
}

enum Message {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Closed,
    Interrupted,
}

/// The time between the request to end and SIGKILL.
const GRACE: Duration = Duration::from_millis(1700);

/// The same with a guard, which kills it after 30 s. If an engine is killed while it cleans up, its container stays.
const GUARDED_GRACE: Duration = Duration::from_secs(45);

/// Passes everything that a program prints to `hear`, and waits for its end. Asks it to end by dropping its standard input,
/// or what is in `open` and keeps that open.
pub fn drive<E: From<Error>>(
    mut child: Child,
    mut guard: Option<Guard>,
    open: Option<mpsc::Sender<()>>,
    mut patience: Patience,
    hear: &mut dyn FnMut(Said) -> Result<(), E>,
) -> Result<i32, E> {
    // Bounded: a compile that prints faster than the terminal must wait, and not fill our memory.
    let (sender, messages) = mpsc::sync_channel(16);
    let is_guarded = guard.is_some();
    let stdin = guard.as_mut().map_or(&mut child, |guard| &mut guard.shell).stdin.take();
    let mut lifeline = Some((stdin, open)).filter(|(stdin, open)| stdin.is_some() || open.is_some());
    let mut open = 0;
    if let Some(pipe) = child.stdout.take() {
        open += 1;
        forward(Box::new(pipe), Message::Stdout, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        open += 1;
        forward(Box::new(pipe), Message::Stderr, sender.clone());
    }
    let _subscription = interrupt::subscribe(move || drop(sender.send(Message::Interrupted)));
    while open > 0 {
        let wait = match patience {
            Patience::Until(deadline) => deadline.saturating_duration_since(Instant::now()),
            Patience::Each(silence) => silence,
        };
        let heard = match messages.recv_timeout(wait) {
            // Its guard reads along now.
            Ok(Message::Stdout(_) | Message::Stderr(_)) if is_guarded && lifeline.is_none() => Ok(()),
            Ok(Message::Stdout(bytes)) => hear(Said::Stdout(&bytes)),
            Ok(Message::Stderr(bytes)) => hear(Said::Stderr(&bytes)),
            Ok(Message::Closed) => {
                open -= 1;
                Ok(())
            }
            Ok(Message::Interrupted) if lifeline.take().is_some() => {
                patience = Patience::Until(Instant::now() + if is_guarded { GUARDED_GRACE } else { GRACE });
                Ok(())
            }
            // The guard is ending the program. If we killed it, it could leave something behind.
            Ok(Message::Interrupted) if is_guarded => Ok(()),
            Ok(Message::Interrupted) => Err(interrupt::error().into()),
            Err(_) if interrupt::signal().is_some() => Err(interrupt::error().into()),
            Err(_) => hear(Said::Nothing),
        };
        if let Err(error) = heard {
            end(&mut child);
            return Err(error);
        }
    }
    // Before `wait`: afterwards, another process may get the pid.
    drop(guard);
    let status = child.wait().map_err(|e| Error::new(ErrorKind::Io, "cannot wait for a started program").source(e))?;
    if interrupt::signal().is_some() {
        return Err(interrupt::error().into());
    }
    Ok(code(status))
}

fn forward(mut pipe: Box<dyn Read + Send>, wrap: fn(Vec<u8>) -> Message, sender: mpsc::SyncSender<Message>) {
    thread::spawn(move || {
        let mut buffer = vec![0u8; 64 * 1024];
        // A broken pipe is the end of the output, too.
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            if sender.send(wrap(buffer[..n].to_vec())).is_err() {
                return;
            }
        }
        let _ = sender.send(Message::Closed);
    });
}

/// The exit status, or 128 + the number of the signal, as in a shell.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
