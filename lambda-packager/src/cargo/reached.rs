//! Folders of packages that cargo reads though `cargo metadata` tells of none: patches, dependencies for other systems, and
//! vendored crates that nothing is compiled from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cargo::LocalPackage;
use crate::cargo::path_dependencies::source_root;
use crate::error::Result;
use crate::sys::{Table, fs, lexically_clean, toml};

const MANIFEST: &str = "Cargo.toml";

/// The folders that the patches of the root's manifest name. Cargo reads the manifests in all of them, also of those that
/// replace nothing.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/overriding-dependencies.html>.
pub fn patches(root: &Path) -> Result<Vec<PathBuf>> {
    let manifest = toml::read(&root.join(MANIFEST))?;
    let of_sources = manifest.get("patch").and_then(Value::as_object).into_iter().flat_map(|table| table.values());
    let tables = of_sources.chain(manifest.get("replace")).filter_map(Value::as_object);
    let paths = tables.flat_map(|table| table.values()).filter_map(|patch| patch.get("path")?.as_str());
    let folders = paths.map(|path| lexically_clean(&root.join(path)));
    Ok(folders.filter(|folder| fs::is_file(&folder.join(MANIFEST))).collect())
}

/// Folders that packages depend on by path, and those that the manifests in them name in turn, unless they are `known`: cargo
/// tells of none for other platforms, and reads all. Sorted.
pub fn with_their_own(mut queue: Vec<PathBuf>, known: BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut all = BTreeSet::new();
    while let Some(folder) = queue.pop() {
        let manifest = folder.join(MANIFEST);
        if !all.insert(folder.clone()) || known.contains(&folder) || !fs::is_file(&manifest) {
            continue;
        }
        queue.extend(needed_by(&toml::read(&manifest)?, &folder)?);
    }
    Ok(all.into_iter().collect())
}

/// The folders of the normal and build dependencies by path of the package in `folder`; some are inherited. Cargo reads no
/// others of a package that is no member.
fn needed_by(manifest: &Table, folder: &Path) -> Result<Vec<PathBuf>> {
    const KINDS: [&str; 2] = ["dependencies", "build-dependencies"];
    let of_targets = manifest.get("target").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let tables =
        of_targets.filter_map(Value::as_object).chain([manifest]).flat_map(|table| KINDS.map(|kind| table.get(kind)));
    let mut found = Vec::new();
    for (name, dependency) in tables.flatten().filter_map(Value::as_object).flatten() {
        if let Some(path) = dependency.get("path").and_then(Value::as_str) {
            found.push(lexically_clean(&folder.join(path)));
        } else if dependency.get("workspace") == Some(&Value::Bool(true)) {
            let root = source_root(folder)?;
            let inherited = toml::read(&root.join(MANIFEST)).unwrap_or_default();
            let path = inherited
                .get("workspace")
                .and_then(|table| table.get("dependencies")?.get(name)?.get("path")?.as_str());
            found.extend(path.map(|path| lexically_clean(&root.join(path))));
        }
    }
    found.retain(|folder| fs::is_file(&folder.join(MANIFEST)));
    Ok(found)
}

/// The crates in the folders of sources that have none of `vendored` in them.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/source-replacement.html#directory-sources>.
pub fn unused_beside(vendored: &[LocalPackage]) -> Result<Vec<PathBuf>> {
    let used: BTreeSet<&Path> = vendored.iter().map(|package| package.folder.as_path()).collect();
    let sources: BTreeSet<&Path> = used.iter().filter_map(|folder| folder.parent()).collect();
    let mut unused = Vec::new();
    for source in sources {
        let crates = fs::names_in(source)?.into_iter().map(|name| source.join(name));
        unused.extend(crates.filter(|folder| !used.contains(&**folder) && fs::is_file(&folder.join(MANIFEST))));
    }
    unused.sort_unstable();
    Ok(unused)
}
