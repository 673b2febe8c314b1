//! What cargo and rustc report about the project. The results are cached until an input of theirs changes.

mod command;
pub mod config;
mod config_include;
mod discover;
pub mod env;
mod function;
pub mod lockfile;
mod metadata;
mod path_dependencies;
mod profiles;
pub mod toolchain;
mod workspace;

pub use function::Function;
pub use workspace::Workspace;
