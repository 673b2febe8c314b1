//! Ctrl-C and SIGTERM: told once to whoever waits for a program, so that it ends in order.
//!
//! Only the bin handles signals. In a build script the operating system ends us, and the compile in
//! the container ends because nobody holds its lifeline any more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::error::Error;

type Listener = Box<dyn Fn() + Send>;

static HANDLED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Whether signals come here instead of ending the process.
pub fn is_handled() -> bool {
    HANDLED.load(Ordering::Relaxed)
}

/// The signal that asked us to end, if one has.
pub fn signal() -> Option<i32> {
    Some(SIGNAL.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// The error of what a signal asked to end; Ctrl-C's where none is known.
pub fn error() -> Error {
    Error::interrupted(signal().unwrap_or(2))
}

/// From now on signals are given to [`raise`].
pub fn handle() {
    HANDLED.store(true, Ordering::Relaxed);
}

/// Takes a signal. The first counts; false if nobody waits for a program who could end it in order.
pub fn raise(signal: i32) -> bool {
    let _ = SIGNAL.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    match LISTENER.lock() {
        Ok(listener) => listener.as_ref().map(|tell| tell()).is_some(),
        Err(_) => false,
    }
}

/// Until the subscription is dropped, `tell` is called when a signal comes.
pub fn subscribe(tell: impl Fn() + Send + 'static) -> Subscription {
    if let Ok(mut listener) = LISTENER.lock() {
        *listener = Some(Box::new(tell));
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
