//! The two entry points: `BuildScript` for a `build.rs`, and `Packager` for any other program.

mod constants;
mod directives;
mod packager;
mod script;
mod settings;
#[cfg_attr(not(unix), path = "unsupported.rs")]
mod start;

pub use directives::Directives;
pub use packager::Packager;
pub use script::BuildScript;
pub use settings::Settings;
