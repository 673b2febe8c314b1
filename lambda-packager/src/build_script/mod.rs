//! The two ways in for a program: from a `build.rs`, and from anything else.

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
