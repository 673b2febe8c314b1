//! What a compile depends on besides its sources, and that cargo does not check.

use std::collections::BTreeSet;

use crate::cargo::{Workspace, config_flags};
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::Ingredients;
use crate::fingerprint::ingredients::VARIABLE;
use crate::snapshot::Snapshot;
use crate::sys::Sha;

/// A digest of what a build script can read of its environment without telling cargo.
///
/// # Errors
/// If cargo's configuration cannot be found.
pub fn digest(workspace: &Workspace, config: &Config, ingredients: &Ingredients, inputs: &Snapshot) -> Result<Sha> {
    let mut text = String::new();
    for (name, value) in ingredients
        .iter()
        .filter(|(name, _)| name.starts_with(VARIABLE) || ["network", "cargo flags"].contains(&name.as_str()))
    {
        text.push_str(&format!("{name}={value}\n"));
    }
    // The `[env]` of cargo's configuration reaches every build script.
    let mut configs: BTreeSet<String> = workspace.config_files()?.into_iter().collect();
    configs.extend(config_flags::files(workspace, config)?);
    let configs = configs.iter().filter_map(|path| Some((path, inputs.get(path)?)));
    text.extend(configs.map(|(path, entry)| format!("{path}\0{}\n", entry.sha)));
    Ok(Sha::of(text.as_bytes()))
}
