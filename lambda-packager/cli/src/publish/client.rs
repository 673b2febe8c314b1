//! The client of one registry: logs in, gets tokens, and repeats requests that failed.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use lambda_packager::internal::{Event, Reporter, Result};

use crate::publish::{Address, Answer, Challenge, Login, Request, SendError, Transport};

/// After this time without progress nothing is repeated: with the last attempt an error comes within 30 s.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Client {
    pub transport: Transport,
    login: Option<Login>,
    /// The `Authorization` header: the login, or the token that the registry gave for it.
    authorization: RefCell<Option<String>>,
    /// The time of the last progress.
    progress: Cell<Instant>,
}

impl Client {
    pub fn new(address: Address, login: Option<Login>) -> Self {
        Self {
            transport: Transport::new(address),
            authorization: RefCell::new(login.as_ref().and_then(Login::basic)),
            login,
            progress: Cell::new(Instant::now()),
        }
    }

    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Sends a request, and repeats it while that may help.
    pub fn send(&self, request: &Request, report: &mut Reporter) -> Result<Answer> {
        loop {
            match self.send_once(request) {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.wait_after(failure, report)?,
            }
        }
    }

    /// Records that there was progress: the time to repeat requests begins again.
    pub fn progressed(&self) {
        self.progress.set(Instant::now());
    }

    /// Waits before the next attempt; the longer there was no progress, the longer it waits.
    ///
    /// # Errors
    /// If another attempt cannot help, or there was no progress for too long.
    pub fn wait_after(&self, failure: SendError, report: &mut Reporter) -> Result<()> {
        let stalled = self.progress.get().elapsed();
        let may_help = failure.temporary && self.transport.has_answered();
        let Some(pause) = pause_after(stalled).filter(|_| may_help) else { return Err(failure.error) };
        report.emit(&Event::Retrying { error: &failure.error, pause });
        std::thread::sleep(pause);
        Ok(())
    }

    /// Sends a request once; if the registry requires a token, or does not accept this one any more, gets one.
    pub fn send_once(&self, request: &Request) -> Result<Answer, SendError> {
        let send = || self.transport.send(request, self.authorization.borrow().as_deref());
        let answer = send()?;
        // Another server that the registry named may not say where to send the password.
        let ours = self.transport.address.has(&self.transport.address.url(request.target));
        let Some(challenge) = Challenge::of(&answer).filter(|_| ours) else { return Ok(answer) };
        let token = challenge.authorization(&self.transport, self.login.as_ref())?;
        let Some(token) = token else { return Ok(answer) };
        self.authorization.replace(Some(token));
        send()
    }
}

/// How long to wait after no progress for so long; `None` if it was too long.
fn pause_after(stalled: Duration) -> Option<Duration> {
    let pause = stalled.clamp(Duration::from_millis(250), Duration::from_secs(4));
    (stalled + pause < PATIENCE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_end() {
        for (stalled, pause) in
            [(0, Some(250)), (500, Some(500)), (3_000, Some(3_000)), (10_900, Some(4_000)), (11_000, None)]
        {
            assert_eq!(pause_after(Duration::from_millis(stalled)), pause.map(Duration::from_millis), "{stalled}");
        }
    }
}
