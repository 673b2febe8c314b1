//! What a function is compiled from besides the workspace itself: the closure of its package's dependencies.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a package and its dependencies are made of, in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// All local packages, the package itself first.
    pub local: Vec<LocalPackage>,
    /// Which of [`Workspace::downloads`](crate::cargo::Workspace::downloads): many members have the same hundreds.
    pub downloads: Vec<usize>,
    /// `(links, package)` of the native libraries.
    pub linked_by: Vec<(String, String)>,
    /// Whether a library of them is also linked by itself, such as a cdylib.
    pub is_linked: bool,
}

/// A package whose sources are on this machine, outside of cargo's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalPackage {
    pub name: String,
    pub folder: PathBuf,
    /// The folder of the workspace that it may inherit keys from, or its own folder.
    pub source_root: PathBuf,
    pub has_build_script: bool,
    /// Whether its build script, or a local macro that it uses, may read any file without telling cargo.
    pub reads_anything: bool,
}

/// The innermost of `packages` whose folder contains `path`.
pub fn owner_of<'a>(path: &Path, packages: impl IntoIterator<Item = &'a LocalPackage>) -> Option<&'a LocalPackage> {
    let around = packages.into_iter().filter(|package| path.starts_with(&package.folder));
    around.max_by_key(|package| package.folder.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_package_owns_a_file() {
        let local = ["a", "a/inner"].map(|name| LocalPackage {
            name: name.into(),
            folder: Path::new("/w").join(name),
            source_root: "/w".into(),
            has_build_script: false,
            reads_anything: false,
        });
        let owner = |path: &str| owner_of(Path::new(path), &local).map(|package| package.name.as_str());
        assert_eq!(["/w/a/src/x.rs", "/w/a/inner/x.rs", "/w/ab/x.rs"].map(owner), [Some("a"), Some("a/inner"), None]);
    }
}
