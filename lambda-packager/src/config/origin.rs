//! Where a setting was written.

use std::panic::Location;
use std::path::PathBuf;

use crate::sys::env;

/// Where a layer was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    Flag,
    Environment,
    /// Calls in the user's program, such as its build.rs: the setting, and the place of the call.
    Code(Vec<(String, &'static Location<'static>)>),
    /// A pipeline: the variable `CI`.
    Pipeline,
    /// A command that packages for production.
    Production,
    /// A metadata table: its name, and the manifest that holds it.
    Manifest(&'static str, PathBuf),
    /// A key of cargo-lambda's, which means this setting, and the table and file that have it.
    CargoLambda {
        key: String,
        place: String,
    },
    Default,
}

impl Origin {
    /// The place to change `setting`, for an error message.
    pub fn place_of(&self, setting: &str) -> String {
        match self {
            Self::Flag => format!("flag --{}", setting.replace('_', "-")),
            Self::Environment => format!("variable {}", env::variable_of(setting)),
            Self::Code(calls) => match calls.iter().rev().find(|(name, _)| name == setting) {
                Some((_, call)) => format!("`{setting}` at {}:{}", call.file(), call.line()),
                None => format!("`{setting}` of the cargo that runs build.rs"),
            },
            Self::Pipeline => format!("variable {} (in a production mode)", env::CI),
            Self::Production => format!("the `{setting}` of what is packaged for production"),
            Self::Manifest(table, path) => {
                format!("`{setting}` in [{table}] of {}", path.display())
            }
            Self::CargoLambda { key, place } => format!("`{key}` in {place}"),
            Self::Default => format!("the default of `{setting}`"),
        }
    }
}
