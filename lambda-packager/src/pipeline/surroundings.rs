//! What a compile depends on besides its sources, and that cargo does not check.

use std::collections::BTreeSet;

use crate::cargo::{Workspace, config as cargo_config, config_flags, linkers};
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::Ingredients;
use crate::fingerprint::ingredients::VARIABLE;
use crate::snapshot::Snapshot;
use crate::sys::{Sha, lexically_clean};

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
    // What its variables name, such as the folder of a C library, is read by build scripts of downloaded crates.
    let named = cargo_config::named_by_variables(workspace)?;
    if !named.is_empty() {
        let present = inputs.present().into_iter();
        let read = present.filter(|(name, _)| {
            named.iter().any(|named| lexically_clean(&workspace.root.join(name)).starts_with(&named.path))
        });
        text.extend(read.map(|(name, entry)| format!("{name}\0{} {}\n", entry.kind, entry.sha)));
    }
    // Nor does cargo link again where a linker is another one.
    text.extend(linkers::digest(workspace, config)?.map(|linkers| linkers.to_string()));
    Ok(Sha::of(text.as_bytes()))
}
