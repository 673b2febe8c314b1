//! One module for each effect: files, processes, locks, the environment, signals.

pub mod env;
pub mod glob;
#[warn(missing_docs)]
pub mod sha256;

#[cfg(unix)]
pub mod fs;
#[cfg(unix)]
pub mod git;
#[cfg(unix)]
pub mod interrupt;
#[cfg(unix)]
pub mod lock;
#[cfg(unix)]
pub mod machine;
#[cfg(unix)]
pub mod packager;
#[cfg(unix)]
pub mod paths;
#[cfg(unix)]
pub mod process;
#[cfg(unix)]
pub mod toml;

pub use fs::{Staged, Stamp};
pub use glob::Glob;
pub use lock::Lock;
pub use machine::{host_name, machine};
pub use packager::PACKAGER;
pub use paths::{lexically_clean, relative};
pub use process::{Input, Invocation, Output, Stream};
pub use sha256::Sha;
pub use toml::Table;
