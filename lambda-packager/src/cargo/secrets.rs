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

/// Whether a variable has a secret, by its name or by a login in its value.
pub fn may_be_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    let parts = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL"];
    parts.iter().any(|part| name.contains(part)) || name.split('_').any(|word| word == "KEY") || has_login(value)
}

fn has_login(text: &str) -> bool {
    text.contains("://") && env::may_have_login(text)
}

/// The keys of the user's configuration that a compile in a container gets, and whose URL has a login: cargo needs it there to
/// know the registry.
fn logins(workspace: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (file, table) in cargo_config::read_each(workspace)? {
        for (kind, keys) in [("source", &["registry", "git"][..]), ("registries", &["index"])] {
            for (name, entries) in cargo_config::tables(&table, kind) {
                let is_one = |key: &&&str| entries.get(**key).and_then(Value::as_str).is_some_and(has_login);
                // A source may have its URL for a name.
                let shown = if has_login(name) { "*" } else { name };
                found.extend(
                    keys.iter().filter(is_one).map(|key| format!("{kind}.{shown}.{key} of {}", file.display())),
                );
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_secret_by_its_name_or_its_value() {
        for (name, value) in
            [("A_TOKEN", "x"), ("api_key", "x"), ("KEY", "x"), ("DATABASE", "postgres://u:p@db/"), ("PassPhrase", "x")]
        {
            assert!(may_be_secret(name, value), "{name}");
        }
        for (name, value) in [("MONKEY", "x"), ("KEYBOARD", "x"), ("URL", "https://example.invalid/"), ("A", "u:p@db")]
        {
            assert!(!may_be_secret(name, value), "{name}");
        }
    }
}
