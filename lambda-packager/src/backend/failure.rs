//! Why a compile on a backend failed, and with that which remedy there is.

use crate::compile::CompileError;
use crate::error::Error;

/// Why a compile failed: one variant for each remedy.
pub enum BackendError {
    /// Nothing: the crate does not compile, or the user interrupted.
    Final(Error),
    /// Take these paths as inputs, where the repository has them: the compile may have missed them.
    Missing(Error, Vec<String>),
    /// Make a new container; the text says what happened to the old one.
    Container(String, Error),
    /// Wait for the engine.
    Engine(Error),
    /// Compile with an empty target directory.
    Cache(Error),
    /// Make this image again, if it is one that the packager makes: it is damaged.
    Image(String, Error),
    /// Fetch the crates again, if the user asked for it.
    Downloads(Error),
}

impl From<BackendError> for Error {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Final(error)
            | BackendError::Missing(error, _)
            | BackendError::Container(_, error)
            | BackendError::Engine(error)
            | BackendError::Cache(error)
            | BackendError::Image(_, error)
            | BackendError::Downloads(error) => error,
        }
    }
}

impl From<CompileError> for BackendError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Crate(error) | CompileError::Ended(error) => Self::Final(error),
            CompileError::Engine(error) => Self::Engine(error),
            CompileError::OtherSources | CompileError::NoTar => Self::Final(error.into()),
            CompileError::Missing(error, paths) => Self::Missing(error, paths),
            CompileError::Cache(error) => Self::Cache(error),
            CompileError::Image(image, error) => Self::Image(image, error),
            CompileError::Downloads(error) => Self::Downloads(error),
        }
    }
}
