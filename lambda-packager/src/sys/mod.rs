//! One module for each effect: files, processes, locks, the environment, signals.

pub mod env;
pub mod fs;
pub mod interrupt;
pub mod lock;
pub mod paths;
pub mod process;
pub mod sha256;
pub mod toml;
