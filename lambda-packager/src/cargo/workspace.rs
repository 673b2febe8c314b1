//! The workspace: found once, remembered while it holds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cargo::command::cargo;
use crate::cargo::path_dependencies::Outside;
use crate::cargo::profiles::Profiles;
use crate::config::{Arch, Layer, Origin, from_manifest};
use crate::error::Result;
use crate::snapshot::memo::Guard;
use crate::sys::paths::{lexically_clean, relative};
use crate::sys::{env, fs};

/// What a packaging needs to know of a workspace; kept in `target/lambda/workspace.json` until a
/// manifest, the lockfile or cargo's configuration changes.
#[derive(PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    pub root: PathBuf,
    /// Where cargo keeps its downloads.
    pub cargo_home: PathBuf,
    /// `[workspace.metadata.lambda-packager]`, null where absent.
    pub metadata: Value,
    /// Whether Cargo.lock names a git source.
    pub has_git_sources: bool,
    pub members: Vec<Package>,
    /// The manifests of all local packages, members or not, relative to the root.
    pub local_manifests: Vec<String>,
    pub outside: Outside,
    /// Files that cargo's configuration includes, relative to the root.
    pub included_configs: Vec<String>,
    /// The main file of every target of every local package, and whether it is a library.
    pub targets: Vec<(PathBuf, bool)>,
    /// Folders that local packages depend on, whether this platform needs them or not.
    pub declared: Vec<PathBuf>,
    /// Unpacked crates that a compile reads; gone ones are fetched again.
    pub downloads: Vec<PathBuf>,
    /// Those that do not lie in cargo's own home: somebody may edit them there.
    pub vendored: Vec<LocalPackage>,
    pub profiles: Profiles,
}

/// A member of the workspace.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest: PathBuf,
    /// `[package.metadata.lambda-packager]`, null where absent.
    pub metadata: Value,
    /// The bin targets that default features build.
    pub bins: Vec<String>,
    /// Folders of all local packages in the closure of its dependencies, itself first.
    pub local_folders: Vec<LocalPackage>,
    /// Unpacked crates in that closure.
    pub downloads: Vec<PathBuf>,
    /// `(links, package)` of the native libraries in that closure.
    pub linked_by: Vec<(String, String)>,
}

/// A package whose sources lie on this machine, outside of cargo's home.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalPackage {
    pub name: String,
    pub folder: PathBuf,
    /// The folder of the workspace that it may inherit keys from, else its own.
    pub source_root: PathBuf,
}

impl Workspace {
    /// Sees to it that every crate of the lockfile is on this machine, for an offline compile.
    /// True if cargo had to be asked.
    pub fn fetch(&self, arch: Arch) -> Result<bool> {
        if self.downloads.iter().all(|folder| self.is_unpacked(folder)) {
            return Ok(false);
        }
        self.fetch_again(arch)?;
        Ok(true)
    }

    /// The same, whatever seems to be there.
    pub fn fetch_again(&self, arch: Arch) -> Result<()> {
        cargo(&self.root, &["fetch", "--locked", "--color=never", "--target", arch.triple()]).map(drop)
    }

    /// Whether a crate is there, whole. Where an interrupted cargo left it half unpacked, the inner
    /// one would go on unpacking, in a folder that it may not write to. Cargo marks what is complete:
    /// the folder of a crate, the top of a git checkout.
    fn is_unpacked(&self, folder: &Path) -> bool {
        let mut up = folder.ancestors().take_while(|up| *up != self.cargo_home);
        let marked = |folder: &Path| fs::is_file(&folder.join(".cargo-ok"));
        fs::is_dir(folder) && (!folder.starts_with(&self.cargo_home) || up.any(marked))
    }

    /// The manifests of all local packages: cargo reads them all before it compiles any.
    pub fn manifests(&self) -> impl Iterator<Item = PathBuf> {
        let known = self.local_manifests.iter().map(|manifest| lexically_clean(&self.root.join(manifest)));
        known.chain(self.declared.iter().map(|folder| folder.join("Cargo.toml")))
    }

    /// The main file of every target of theirs, and whether it is a library.
    pub fn targets(&self) -> &[(PathBuf, bool)] {
        &self.targets
    }

    /// The settings that the workspace's manifest holds.
    pub fn layer(&self) -> Result<(Origin, Layer)> {
        from_manifest::layer(&self.metadata, "workspace.metadata.lambda-packager", &self.root.join("Cargo.toml"))
    }

    /// What this knowledge depends on.
    pub fn guards(&self) -> Result<Guard> {
        let mut files = self.local_manifests.clone();
        files.extend(self.fixed_files()?);
        files.extend(self.outside.folders.iter().map(|folder| relative(&folder.join("Cargo.toml"), &self.root)));
        // Any manifest above a package may become that of its workspace.
        for manifest in &self.local_manifests {
            let folder = lexically_clean(&self.root.join(manifest));
            let above = folder.ancestors().skip(2).map(|folder| relative(&folder.join("Cargo.toml"), &self.root));
            files.extend(above.filter(|file| !self.local_manifests.contains(file)));
        }
        files.sort_unstable();
        files.dedup();
        // A new member can appear through a glob without any manifest being touched.
        let mut folders: BTreeSet<String> = (self.local_manifests.iter())
            .filter_map(|manifest| Path::new(manifest).parent()?.parent())
            .map(|folder| folder.to_string_lossy().into_owned())
            .filter(|folder| !folder.is_empty() && !folder.contains(".."))
            .collect();
        // And so can a new bin target.
        for package in &self.members {
            folders.extend(["src", "src/bin"].map(|name| relative(&package.folder().join(name), &self.root)));
        }
        Ok(Guard { files, folders: folders.into_iter().collect(), ..Guard::default() })
    }

    /// Files outside the packages that decide what is compiled, whether they exist or not: the
    /// lockfile, the workspace manifest, cargo's configuration and the toolchain file in every place
    /// where cargo and rustup look. Relative to the root; those of cargo's home are absolute.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure>.
    pub fn fixed_files(&self) -> Result<Vec<String>> {
        let mut files = vec!["Cargo.lock".to_string(), "Cargo.toml".to_string()];
        files.extend(self.upwards(&["rust-toolchain.toml", "rust-toolchain"]));
        files.extend(self.config_files()?);
        Ok(files)
    }

    /// Those of [`Workspace::fixed_files`] that configure cargo.
    pub fn config_files(&self) -> Result<Vec<String>> {
        let mut files = self.upwards(&[".cargo/config.toml", ".cargo/config"]);
        let home = env::cargo_home()?;
        for name in ["config.toml", "config"] {
            files.push(home.join(name).to_string_lossy().into_owned());
        }
        files.extend(self.included_configs.iter().cloned());
        Ok(files)
    }

    /// `names` in the root and in every folder above it.
    fn upwards(&self, names: &[&str]) -> Vec<String> {
        let mut up = String::new();
        let mut paths = Vec::new();
        for _ in self.root.ancestors() {
            paths.extend(names.iter().map(|name| format!("{up}{name}")));
            up.push_str("../");
        }
        paths
    }

    /// Cargo's configuration files outside the workspace, the strongest first.
    pub fn outer_configs(&self) -> Result<Vec<PathBuf>> {
        let home = env::cargo_home()?;
        let folders = self.root.ancestors().skip(1).map(|folder| folder.join(".cargo")).chain([home]);
        let mut found: Vec<PathBuf> = Vec::new();
        for folder in folders {
            // Where both exist, cargo takes the one without the extension.
            let file =
                ["config", "config.toml"].map(|name| folder.join(name)).into_iter().find(|file| fs::is_file(file));
            found.extend(file.filter(|file| !found.contains(file)));
        }
        Ok(found)
    }

    /// Where everything that is kept for a function lies: in the workspace, wherever cargo's own
    /// target directory is, so that two checkouts never write to the same place.
    pub fn state_folder(&self) -> PathBuf {
        self.root.join("target/lambda")
    }
}

impl Package {
    /// The settings that the package's manifest holds.
    pub fn layer(&self) -> Result<(Origin, Layer)> {
        from_manifest::layer(&self.metadata, "package.metadata.lambda-packager", &self.manifest)
    }

    pub fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("/"))
    }

    /// The innermost of the local packages in the closure whose folder `path` lies in.
    pub fn owner_of(&self, path: &Path) -> Option<&LocalPackage> {
        let around = self.local_folders.iter().filter(|package| path.starts_with(&package.folder));
        around.max_by_key(|package| package.folder.components().count())
    }
}
