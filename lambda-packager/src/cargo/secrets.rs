//! What a compile gets that may be secret: no layer of an image may have it.

use crate::cargo::{Workspace, config as cargo_config, env};
use crate::config::Config;
use crate::error::Result;

/// Variables that reach the compile, and keys of cargo's configuration, as a person names them.
///
/// # Errors
/// If a file of cargo's configuration cannot be read.
pub fn secrets(workspace: &Workspace, config: &Config) -> Result<Vec<String>> {
    let variables = env::secrets(config).into_iter().map(|name| format!("{name} of the environment"));
    Ok(variables.chain(cargo_config::logins(workspace)?).collect())
}
