//! A login for a registry, what may have one, and the error for a login that cannot be had.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_packager::internal::{Error, PublishFault, Result};

/// For a program that is asked for a login, since it may ask a server in turn.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// For all that are asked for one login: whoever waits is told within 30 s.
pub const TIMEOUT_OF_ALL: Duration = Duration::from_secs(25);

/// What opens a registry. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    Password {
        user: String,
        password: String,
    },
    /// A token for the registry's token server, which gives others for it.
    Identity(String),
}

impl Login {
    /// The value of the `Authorization` header; `None` if only the token server takes this login.
    pub fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Identity(_) => None,
        }
    }
}

/// What may have a login. Gets the time that it may take.
pub type Source<'a> = Box<dyn Fn(Duration) -> Result<Option<Login>> + 'a>;

/// Refuses to start a program in no time.
///
/// # Errors
/// If `limit` is over.
pub fn refuse_late(limit: Duration, program: &str) -> Result<()> {
    if limit > Duration::ZERO {
        return Ok(());
    }
    let seconds = TIMEOUT_OF_ALL.as_secs();
    Err(refused(format!("{program} was not asked for a login: the {seconds} s for all were used up"))
        .hint_with("mend or remove what did not answer before it, which is named above or below"))
}

/// The error for a login that cannot be had, or that the registry may not get.
pub fn refused(message: String) -> Error {
    Error::publish(PublishFault::LoginRefused, message)
}
