//! Ctrl-C and SIGTERM: passed to the code that waits for a program, so that the program can end cleanly.
//!
//! Only the bin handles signals. In a build script, the operating system ends us; the compile in the container then ends
//! because its standard input is closed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::error::Error;

type Listener = Box<dyn Fn() + Send>;

static HANDLED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Whether the bin handles signals, so that they do not end the process.
pub fn is_handled() -> bool {
    HANDLED.load(Ordering::Relaxed)
}

/// The first signal that asked us to end.
pub fn signal() -> Option<i32> {
    Some(SIGNAL.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// The error for an interrupted action; with the number of Ctrl-C if there was no signal.
pub fn error() -> Error {
    Error::interrupted(signal().unwrap_or(2))
}

/// Records that the bin passes signals to [`raise`] from now on.
pub fn handle() {
    HANDLED.store(true, Ordering::Relaxed);
}

/// Receives a signal. The first one counts. False if nobody waits for a program, which could end cleanly.
pub fn raise(signal: i32) -> bool {
    let _ = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    LISTENER.lock().is_ok_and(|listener| listener.as_ref().map(|notify| notify()).is_some())
}

/// Calls `notify` for each signal, until the subscription is dropped.
pub fn subscribe(notify: impl Fn() + Send + 'static) -> Subscription {
    if let Ok(mut listener) = LISTENER.lock() {
        *listener = Some(Box::new(notify));
    }
    Subscription
}

pub struct Subscription;

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Ok(mut listener) = LISTENER.lock() {
            *listener = None;
        }
    }
}
