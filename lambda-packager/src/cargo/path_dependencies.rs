//! Folders outside of a workspace that its packages depend on by path. Cargo reads the manifests of all of them before
//! it compiles any member.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::sys::{Table, fs, lexically_clean, toml};

const MANIFEST: &str = "Cargo.toml";

/// The folders outside of a workspace that its packages need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathDependencies {
    /// Sorted. In place of a package that may inherit keys from a workspace, the folder of that workspace. Without those
    /// that manifests name by absolute paths only.
    pub folders: Vec<PathBuf>,
    /// Those that a manifest names by an absolute path. Cargo looks for them only there.
    pub absolute: Vec<PathBuf>,
    /// Whether cargo finds some of them at their own path, wherever the workspace is: a manifest names it by an absolute
    /// path, or none names it, so that cargo's configuration does.
    pub at_own_path: bool,
}

impl PathDependencies {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter().chain(&self.absolute)
    }

    /// Selects those of `folders` that are outside of `root`; `manifests` are those of packages. They name them, or the
    /// manifests of their workspaces do.
    pub fn of(root: &Path, folders: impl Iterator<Item = PathBuf>, manifests: &[PathBuf]) -> Result<Self> {
        let mut found = Self::default();
        let outside: Vec<PathBuf> = folders.filter(|folder| !folder.starts_with(root)).collect();
        let mut naming: BTreeSet<PathBuf> = manifests.iter().cloned().chain([root.join(MANIFEST)]).collect();
        for folder in &outside {
            naming.insert(source_root(folder)?.join(MANIFEST));
        }
        let (mut absolute, mut relative) = (Vec::new(), Vec::new());
        for manifest in naming.iter().filter(|manifest| fs::is_file(manifest)) {
            let mut named = Vec::new();
            paths(&toml::read(manifest)?, &mut named);
            let folder = manifest.parent().unwrap_or(root);
            let (from_root, from_here): (Vec<_>, Vec<_>) = named.into_iter().partition(|path| path.is_absolute());
            absolute.extend(from_root);
            relative.extend(from_here.iter().map(|path| lexically_clean(&folder.join(path))));
        }
        // Any table may have such a key, for something else than a package.
        absolute.retain(|folder| !folder.starts_with(root) && fs::is_file(&folder.join(MANIFEST)));
        found.at_own_path = !absolute.is_empty() || outside.iter().any(|folder| !relative.contains(folder));
        for folder in &outside {
            if relative.contains(folder) || !absolute.contains(folder) {
                found.folders.push(source_root(folder)?);
            }
        }
        for folder in &absolute {
            found.absolute.push(source_root(folder)?);
        }
        for places in [&mut found.folders, &mut found.absolute] {
            places.sort_unstable();
            places.dedup();
        }
        Ok(found)
    }
}

/// The paths in all keys `path`, in any table: dependencies can be declared in many.
fn paths(table: &Table, found: &mut Vec<PathBuf>) {
    for (key, value) in table {
        match value {
            Value::Object(inner) => paths(inner, found),
            Value::String(path) if key == "path" => found.push(path.into()),
            _ => {}
        }
    }
}

/// The folder that cargo may read for a package: its own, or that of the workspace that it may inherit keys from.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/manifest.html#the-workspace-field>.
pub fn source_root(folder: &Path) -> Result<PathBuf> {
    for ancestor in folder.ancestors() {
        let manifest = ancestor.join(MANIFEST);
        let Some(text) = fs::read_if_exists(&manifest)? else { continue };
        // Around it there may be anything. One of a package that is no TOML is cargo's error.
        let Ok(table) = toml::parse(&text, &manifest) else { continue };
        if table.contains_key("workspace") {
            return Ok(ancestor.to_path_buf());
        }
        let named = table.get("package").and_then(|package| package.get("workspace")?.as_str());
        if let Some(named) = named.filter(|_| ancestor == folder) {
            return Ok(lexically_clean(&folder.join(named)));
        }
    }
    Ok(folder.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_at_its_own_path_only_if_no_manifest_names_it_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonical(dir.path()).unwrap();
        let at = |name: &str| base.join(name);
        let names = ["a", "b", "c", "d", "both"];
        names.iter().for_each(|name| fs::replace(&at(name).join(MANIFEST), b"[package]\n", 0o644, None).unwrap());
        // A key of that name in other tables.
        fs::create_dirs(&at("place")).unwrap();
        let of = |name: &str| format!("{{ path = {:?} }}", at(name).to_string_lossy());
        let manifest = format!(
            "[dependencies]\na = {}\nb = {{ path = \"../b\" }}\nx = {}\ny = {{ path = \"../both\" }}\n\
             [target.'cfg(unix)'.build-dependencies]\nc = {}\n[patch.crates-io.d]\npath = {:?}\n\
             [package.metadata.install]\npath = {:?}\n",
            of("a"),
            of("both"),
            of("c"),
            at("d").to_string_lossy(),
            at("place").to_string_lossy()
        );
        let file = at("w/Cargo.toml");
        fs::replace(&file, manifest.as_bytes(), 0o644, None).unwrap();
        let found = PathDependencies::of(&at("w"), names.iter().map(|name| at(name)), &[file]).unwrap();
        assert_eq!(found.folders, ["b", "both"].map(at));
        assert_eq!(found.absolute, ["a", "both", "c", "d"].map(at));
        assert!(found.at_own_path);
    }

    #[test]
    fn cargo_finds_a_package_at_its_own_path_where_the_root_names_it_so_or_no_manifest_does() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| fs::canonical(dir.path()).unwrap().join(name);
        fs::replace(&at("dep").join(MANIFEST), b"[package]\n", 0o644, None).unwrap();
        let absolute = format!("{:?}", at("dep").to_string_lossy());
        for (of_root, of_member, at_own_path) in [
            ("\"../dep\"", "workspace = true", false),
            (absolute.as_str(), "workspace = true", true),
            ("\"elsewhere\"", "path = \"../../dep\"", false),
            ("\"elsewhere\"", "version = \"1\"", true),
        ] {
            let root = format!("[workspace]\n[workspace.dependencies]\ndep = {{ path = {of_root} }}\n");
            let member = format!("[package]\nname = \"m\"\n[dependencies]\ndep = {{ {of_member} }}\n");
            for (file, text) in [("w/Cargo.toml", root), ("w/m/Cargo.toml", member)] {
                fs::replace(&at(file), text.as_bytes(), 0o644, None).unwrap();
            }
            let manifests = [at("w/m/Cargo.toml")];
            let found = PathDependencies::of(&at("w"), [at("w/m"), at("dep")].into_iter(), &manifests).unwrap();
            assert_eq!(found.at_own_path, at_own_path, "{of_root} {of_member}");
            assert_eq!(found.absolute.is_empty(), of_root != absolute, "{of_root}");
        }
    }
}
