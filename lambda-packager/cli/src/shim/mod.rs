//! The program in the place of `cargo-lambda`, for tools that call `cargo lambda build`.

mod build;
mod command;
mod flags;
mod install;
mod instead;
mod name;
mod output;
mod settings;
mod variables;

pub use command::{is_called, main};
pub use install::install;
