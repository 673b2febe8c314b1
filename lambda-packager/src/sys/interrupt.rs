//! Ctrl-C and SIGTERM: passed to the code that waits for a program, so that the program can end cleanly.
//!
//! Only the bin handles signals. In a build script, the operating system ends us; the compile in the container then ends
//! because its standard input is closed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::error::Error;

type Listener = Box<dyn Fn() + Send>;

static HANDLED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// By the number of the subscription: programs run side by side, and each is to end.
static LISTENERS: Mutex<BTreeMap<u64, Listener>> = Mutex::new(BTreeMap::new());

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
    let Ok(listeners) = LISTENERS.lock() else { return false };
    listeners.values().for_each(|notify| notify());
    !listeners.is_empty()
}

/// Calls `notify` for each signal, until the subscription is dropped.
pub fn subscribe(notify: impl Fn() + Send + 'static) -> Subscription {
    let Ok(mut listeners) = LISTENERS.lock() else { return Subscription(0) };
    let number = listeners.last_key_value().map_or(1, |(last, _)| last + 1);
    listeners.insert(number, Box::new(notify));
    Subscription(number)
}

pub struct Subscription(u64);

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Ok(mut listeners) = LISTENERS.lock() {
            listeners.remove(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_no_longer_takes_nobody_elses_place() {
        let has = |subscription: &Subscription| LISTENERS.lock().unwrap().contains_key(&subscription.0);
        let [first, second] = [(); 2].map(|()| subscribe(|| ()));
        drop(second);
        assert!(has(&first));
        let third = subscribe(|| ());
        assert!(first.0 != third.0 && has(&first) && has(&third));
    }
}
