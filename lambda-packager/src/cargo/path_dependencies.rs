//! Folders outside of a workspace that its packages depend on by path. Cargo reads the manifests of all of them before
//! it compiles any member.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::sys::{Table, fs, toml};

/// The folders outside of a workspace that its packages need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathDependencies {
    /// Sorted. In place of a package that may inherit keys from a workspace, the folder of that workspace.
    pub folders: Vec<PathBuf>,
    /// Those that a manifest names by an absolute path. Cargo looks for them only there.
    pub absolute: Vec<PathBuf>,
}

impl PathDependencies {
    /// Selects those of `folders` that are outside of `root`; `manifests` are the manifests that name them.
    pub fn of(root: &Path, folders: impl Iterator<Item = PathBuf>, manifests: &[PathBuf]) -> Result<Self> {
        let mut found = Self::default();
        for folder in folders.filter(|folder| !folder.starts_with(root)) {
            found.folders.push(source_root(&folder)?);
        }
        let mut named = Vec::new();
        for manifest in manifests {
            absolute_paths(&toml::read(manifest)?, &mut named);
        }
        for folder in named.iter().filter(|folder| !folder.starts_with(root) && fs::is_dir(folder)) {
            found.absolute.push(source_root(folder)?);
        }
        for places in [&mut found.folders, &mut found.absolute] {
            places.sort_unstable();
            places.dedup();
        }
        Ok(found)
    }
}

/// The absolute paths in all keys `path`, in any table: dependencies can be declared in many.
fn absolute_paths(table: &Table, found: &mut Vec<PathBuf>) {
    for (key, value) in table {
        match value {
            Value::Object(inner) => absolute_paths(inner, found),
            Value::String(path) if key == "path" && path.starts_with('/') => found.push(path.into()),
            _ => {}
        }
    }
}

/// The folder that cargo may read for a package: its own, or that of the workspace that it may inherit keys from.
pub fn source_root(folder: &Path) -> Result<PathBuf> {
    for ancestor in folder.ancestors() {
        if let Some(manifest) = fs::read_if_exists(&ancestor.join("Cargo.toml"))? {
            let text = String::from_utf8_lossy(&manifest);
            if text.lines().any(|line| line.trim_start().starts_with("[workspace")) {
                return Ok(ancestor.to_path_buf());
            }
        }
    }
    Ok(folder.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_found_in_any_table() {
        let manifest = r#"
            [dependencies]
            a = { path = "/a" }
            b = { path = "../b" }
            [target.'cfg(unix)'.build-dependencies]
            c = { path = "/c" }
            [patch.crates-io.d]
            path = "/d"
        "#;
        let mut found = Vec::new();
        absolute_paths(&toml::parse(manifest.as_bytes(), Path::new("Cargo.toml")).unwrap(), &mut found);
        found.sort_unstable();
        assert_eq!(found, ["/a", "/c", "/d"].map(PathBuf::from));
    }
}
