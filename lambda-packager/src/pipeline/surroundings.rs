//! What a compile depends on besides its sources, and that cargo does not check.

use std::collections::BTreeSet;

use crate::cargo::{Workspace, config as cargo_config, config_flags, lockfile};
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
        let read = present
            .filter(|(name, _)| named.iter().any(|path| lexically_clean(&workspace.root.join(name)).starts_with(path)));
        text.extend(read.map(|(name, entry)| format!("{name}\0{} {}\n", entry.kind, entry.sha)));
    }
    // Cargo gives the build script of another commit of a repository the folder of the one before.
    let locked = lockfile::read(&workspace.root)?;
    let of_git = locked.iter().filter(|package| package.source.starts_with("git+"));
    text.extend(of_git.map(|package| format!("{} {}\n", package.name, package.source)));
    Ok(Sha::of(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::sys::fs;

    #[test]
    fn another_commit_of_a_repository_is_another_surrounding_and_another_version_of_a_crate_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (workspace, config) = (Workspace::sample(dir.path(), &[]), Config::of(json!({})));
        let with = |git: &str, version: &str| {
            let package = |name: &str, version: &str, source: &str| {
                format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
            };
            let lock = package("a", "1.0.0", &format!("git+https://example.invalid/a?branch=main#{git}"))
                + &package("b", version, "registry+https://example.invalid/index");
            fs::replace(&Path::new(dir.path()).join("Cargo.lock"), lock.as_bytes(), 0o644, None).unwrap();
            digest(&workspace, &config, &Ingredients::new(), &Snapshot::default()).unwrap()
        };
        let first = with("0123", "1.0.0");
        assert!(with("0123", "1.0.1") == first && with("4567", "1.0.0") != first);
    }
}
