//! What a compile gets that may be secret: no layer of an image may have it.

use serde_json::Value;

use crate::cargo::{Workspace, config as cargo_config, env};
use crate::config::Config;
use crate::error::Result;

/// Variables that reach the compile, and keys of cargo's configuration, as a person names them.
///
/// # Errors
/// If a file of cargo's configuration cannot be read.
pub fn secrets(workspace: &Workspace, config: &Config) -> Result<Vec<String>> {
    let variables = env::secrets(config).into_iter().map(|name| format!("{name} of the environment"));
    Ok(variables.chain(logins(workspace)?).collect())
}

/// The keys of the user's configuration that a compile in a container gets, and whose URL has a login: cargo needs it there to
/// know the registry.
fn logins(workspace: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (file, table) in cargo_config::read_each(workspace)? {
        for (kind, keys) in [("source", &["registry", "git"][..]), ("registries", &["index"])] {
            for (name, entries) in cargo_config::tables(&table, kind) {
                let is_one = |key: &&&str| entries.get(**key).and_then(Value::as_str).is_some_and(env::has_login);
                // A source may have its URL for a name.
                let shown = if env::has_login(name) { "*" } else { name };
                found.extend(
                    keys.iter().filter(is_one).map(|key| format!("{kind}.{shown}.{key} of {}", file.display())),
                );
            }
        }
    }
    Ok(found)
}
