//! Cargo's configuration files outside of a workspace.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure>.

use std::path::{Path, PathBuf};

use crate::cargo::config_include::included;
use crate::error::Result;
use crate::sys::{env, fs};

/// Those of the workspace at `root`, the strongest first: of each folder, then what that file includes.
///
/// # Errors
/// If a file cannot be read or parsed.
pub fn outer(root: &Path) -> Result<Vec<PathBuf>> {
    let home = env::cargo_home()?;
    let folders = root.ancestors().skip(1).map(|folder| folder.join(".cargo")).chain([home]);
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders {
        // If both exist, cargo uses the one without the extension.
        let file = ["config", "config.toml"].map(|name| folder.join(name)).into_iter().find(|file| fs::is_file(file));
        let Some(file) = file.filter(|file| !found.contains(file)) else { continue };
        let more = included(std::iter::once(file.clone()))?;
        found.push(file);
        found.extend(more.into_iter().rev().filter(|file| fs::is_file(file)));
    }
    Ok(found)
}
