//! What cargo and rustc report about the project. The results are cached until an input of theirs changes.

pub mod cargo_lambda;
mod closure;
mod command;
pub mod config;
pub mod config_flags;
mod config_include;
mod config_outer;
mod discover;
pub mod env;
mod features;
mod function;
pub mod linkers;
pub mod lockfile;
mod metadata;
mod native_tools;
mod path_dependencies;
pub mod profile_overrides;
mod profiles;
mod reached;
mod secrets;
mod selection;
mod target_folders;
pub mod toolchain;
mod workspace;

pub use closure::{Closure, LocalPackage, owner_of};
pub use config::ForwardedConfig;
pub use features::ResolvedFeatures;
pub use function::{Function, FunctionAt};
pub use lockfile::LockedPackage;
pub use metadata::Metadata;
pub use path_dependencies::PathDependencies;
pub use profiles::Profiles;
pub use secrets::secrets;
pub use toolchain::Toolchain;
pub use workspace::{Package, Program, Workspace};
