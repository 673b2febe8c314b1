//! The error of the crate: what failed, where, and what to do about it.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. It decides the exit status of the command `lambda-packager`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read, written, or locked.
    Io,
    /// A setting, flag or variable is not valid, or does not fit the project.
    Config,
    /// No container engine is available, or it failed.
    Engine,
    /// Cargo failed: resolution, fetching or compiling.
    Cargo,
    /// The compiled binary or its archive would not run on the chosen Lambda runtime.
    Artifact,
    /// An image could not be made or pushed.
    Publish(PublishFault),
    /// A signal ended the run.
    Interrupted {
        /// Its number, such as 2 for Ctrl-C.
        signal: i32,
    },
}

/// Why the command could not make or push an image. The number is its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishFault {
    /// The name does not resolve, nothing answers, the certificate is not trusted, or the answer takes too long.
    Unreachable = 10,
    /// The login is missing or wrong.
    LoginRefused = 11,
    /// The login has expired.
    TokenExpired = 12,
    /// The registry has no repository of that name.
    RepositoryMissing = 13,
    /// The login does not have the permission.
    PushDenied = 14,
    /// The disk is full, on this machine or at the registry.
    DiskFull = 15,
    /// The connection broke, also in every retry.
    ConnectionLost = 16,
    /// The immutable tag names another image.
    TagTaken = 17,
    /// The image is larger than Lambda allows.
    TooLarge = 18,
    /// The environment is not one of the project's environments.
    UnknownEnvironment = 19,
    /// The tag is not a rollback target.
    UnknownTag = 20,
    /// The registry sent an unexpected answer.
    Unexpected = 21,
}

/// What failed, with its causes, and separately a hint how to fix it.
///
/// `Display` says what failed; [`Error::hint`] says what to do. [`Error::report`] renders both.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// How the crates of this project make errors.
#[doc(hidden)]
#[allow(missing_docs)]
impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub fn engine(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Engine, message)
    }

    pub fn cargo(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cargo, message)
    }

    pub fn artifact(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Artifact, message)
    }

    pub fn publish(fault: PublishFault, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Publish(fault), message)
    }

    pub fn interrupted(signal: i32) -> Self {
        Self::new(ErrorKind::Interrupted { signal }, "interrupted; the compile in the container has ended as well")
    }

    /// An input or output error on `path`; `action` completes "cannot ...".
    pub fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let hint = match source.kind() {
            PermissionDenied => Some("check owner and permissions of the path and its parent folders"),
            StorageFull => Some("free some disk space, then run again"),
            ReadOnlyFilesystem => Some("the file system is mounted read-only; set `output` to a writable path"),
            _ => None,
        };
        let mut error = Self::new(ErrorKind::Io, format!("cannot {action} {}", path.display())).source(source);
        error.hint = hint.map(String::from);
        error
    }

    pub fn hint_with(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with one more hint.
    pub fn and_hint(self, hint: &str) -> Self {
        let before = self.hint.as_ref().map_or_else(String::new, |before| format!("{before}; "));
        self.hint_with(format!("{before}{hint}"))
    }

    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// The same, as a fault of publishing, if a full disk is behind it.
    pub fn telling_full_disks(self) -> Self {
        if self.causes().any(|cause| cause.to_string().to_lowercase().contains("no space left")) {
            return Self { kind: ErrorKind::Publish(PublishFault::DiskFull), ..self };
        }
        self
    }
}

impl Error {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether a signal ended the run: nothing is wrong, and nothing is tried again.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.kind, ErrorKind::Interrupted { .. })
    }

    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit status of the command for this error. It is stable; the guide lists it.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Io => 1,
            ErrorKind::Config => 2,
            ErrorKind::Engine => 3,
            ErrorKind::Cargo => 4,
            ErrorKind::Artifact => 5,
            ErrorKind::Publish(fault) => fault as u8,
            // As a shell counts.
            ErrorKind::Interrupted { signal } => 128 + u8::try_from(signal).unwrap_or(2),
        }
    }

    /// Its causes, the nearest first.
    #[doc(hidden)]
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(StdError::source(self), |&cause| cause.source())
    }

    /// The message and its first cause in one line.
    pub fn with_cause(&self) -> String {
        StdError::source(self).map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }

    /// The message, its first cause and the hint in one line.
    pub fn with_advice(&self) -> String {
        self.hint.as_ref().map_or_else(|| self.with_cause(), |hint| format!("{} ({hint})", self.with_cause()))
    }

    /// The message, each cause on a line of its own, and the hint.
    pub fn report(&self) -> String {
        let mut text = format!("error: {self}");
        for cause in self.causes() {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  help: {hint}"));
        }
        text
    }
}
