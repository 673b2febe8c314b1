//! The workspace, as a record that is cached until an input of it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cargo::command::cargo;
use crate::cargo::env::flags_of_targets;
use crate::cargo::{Closure, LocalPackage, PathDependencies, Profiles};
use crate::config::{Arch, Config, Layer, Origin, from_manifest};
use crate::error::Result;
use crate::snapshot::MemoDeps;
use crate::sys::{Glob, env, fs, glob, lexically_clean, relative, toml};

/// What the packager needs to know about a workspace. Cached in `target/lambda/workspace.json` until a manifest, the
/// lockfile or cargo's configuration changes.
#[derive(PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    pub root: PathBuf,
    /// The folder of cargo's downloads.
    pub cargo_home: PathBuf,
    /// Where the user's own cargo writes to, by its configuration.
    pub configured_targets: Vec<PathBuf>,
    /// `[workspace.metadata.lambda-packager]`, or null.
    pub metadata: Value,
    /// `[workspace.metadata.lambda]` of cargo-lambda, or null.
    pub cargo_lambda: Value,
    /// Whether Cargo.lock names a git source.
    pub has_git_sources: bool,
    pub members: Vec<Package>,
    /// The manifests of all local packages, members or not, relative to the root.
    pub local_manifests: Vec<String>,
    pub path_dependencies: PathDependencies,
    /// Files that cargo's configuration includes, relative to the root.
    pub included_configs: Vec<String>,
    /// The main file of every target of every local package, and whether it is a library.
    pub targets: Vec<(PathBuf, bool)>,
    /// Folders that local packages depend on, also for other platforms.
    pub declared: Vec<PathBuf>,
    /// Folders of unpacked crates that a compile reads. If one is missing, cargo fetches it again.
    pub downloads: Vec<PathBuf>,
    /// Downloaded crates outside of cargo's home. The user may edit them.
    pub vendored: Vec<LocalPackage>,
    /// Folders of crates beside these that nothing is compiled from. Cargo resolves them too.
    pub vendored_unused: Vec<PathBuf>,
    pub profiles: Profiles,
    /// The zips of all functions and layers at their own paths, once the settings are known. No compile sees one.
    #[serde(skip)]
    pub outputs: Vec<PathBuf>,
}

/// A member of the workspace.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest: PathBuf,
    /// Whether cargo builds it where nothing is named at the top of the workspace.
    pub is_default: bool,
    /// `[package.metadata.lambda-packager]`, or null.
    pub metadata: Value,
    /// `[package.metadata.lambda]` of cargo-lambda, or null.
    pub cargo_lambda: Value,
    /// Its bins, then its examples.
    pub programs: Vec<Program>,
    /// Its features, and what each turns on.
    pub features: BTreeMap<String, Vec<String>>,
    pub closure: Closure,
    /// With its dev-dependencies; only where it has an example.
    pub with_dev: Option<Closure>,
}

/// A bin, or an example: cargo links both into a program.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    /// Its name among all functions of the workspace: two packages may have a program of the same name.
    pub id: String,
    pub is_example: bool,
    /// Cargo builds it only with these features.
    pub required_features: Vec<String>,
}

impl Workspace {
    /// Downloads missing crates of the lockfile, for an offline compile.
    ///
    /// # Errors
    /// Cargo's own, if one cannot be downloaded.
    pub fn fetch(&self) -> Result<()> {
        if self.downloads.iter().all(|folder| self.is_unpacked(folder)) {
            return Ok(());
        }
        self.fetch_again()
    }

    /// The same, even if every crate seems to be there.
    pub fn fetch_again(&self) -> Result<()> {
        let targets = Arch::ALL.map(|arch| format!("--target={}", arch.triple()));
        cargo(&self.root, &["fetch", "--locked", "--color=never", &targets[0], &targets[1]]).map(drop)
    }

    /// Whether a crate is completely unpacked. If an interrupted cargo left it half unpacked, the cargo in the container
    /// would continue in a folder that it cannot write to. Cargo marks what is complete: the folder of a crate, the
    /// top folder of a git checkout.
    fn is_unpacked(&self, folder: &Path) -> bool {
        let mut up = folder.ancestors().take_while(|up| *up != self.cargo_home);
        let marked = |folder: &Path| fs::is_file(&folder.join(".cargo-ok"));
        fs::is_dir(folder) && (!folder.starts_with(&self.cargo_home) || up.any(marked))
    }

    /// The manifests of the workspace itself. A package that one depends on may be in another workspace.
    pub fn own_manifests(&self) -> impl Iterator<Item = PathBuf> {
        let members = self.members.iter().map(|member| member.manifest.clone());
        members.chain([self.root.join("Cargo.toml")])
    }

    /// The manifests of all local packages. Cargo reads all of them before it compiles any.
    pub fn manifests(&self) -> impl Iterator<Item = PathBuf> {
        let known = self.local_manifests.iter().map(|manifest| lexically_clean(&self.root.join(manifest)));
        known.chain(self.declared.iter().map(|folder| folder.join("Cargo.toml")))
    }

    /// The folders of all local packages.
    pub fn package_folders(&self) -> Vec<PathBuf> {
        self.manifests().filter_map(|manifest| manifest.parent().map(PathBuf::from)).collect()
    }

    /// The settings in the workspace's manifest.
    pub fn layer(&self) -> Result<(Origin, Layer)> {
        from_manifest::layer(&self.metadata, "workspace.metadata.lambda-packager", &self.root.join("Cargo.toml"))
    }

    /// The files and folders that this record depends on.
    pub fn memo_deps(&self) -> Result<MemoDeps> {
        let mut files = self.local_manifests.clone();
        files.extend(self.fixed_files()?);
        files.extend(self.path_dependencies.all().map(|folder| relative(&folder.join("Cargo.toml"), &self.root)));
        // Any manifest in a parent folder may become the manifest of its workspace.
        for manifest in &self.local_manifests {
            let folder = lexically_clean(&self.root.join(manifest));
            let above = folder.ancestors().skip(2).map(|folder| relative(&folder.join("Cargo.toml"), &self.root));
            files.extend(above.filter(|file| !self.local_manifests.contains(file)));
        }
        // Cargo finds it there without a word in the manifest.
        files.extend(self.package_folders().iter().map(|folder| relative(&folder.join("build.rs"), &self.root)));
        // A glob in the manifest can add a member without a change of any manifest, at any depth.
        let mut folders: BTreeSet<String> = (self.local_manifests.iter())
            .flat_map(|manifest| Path::new(manifest).ancestors().skip(2))
            .map(|folder| folder.to_string_lossy().into_owned())
            .filter(|folder| !folder.is_empty() && !folder.contains(".."))
            .collect();
        self.add_places_of_members(&mut files, &mut folders);
        // A new bin or example needs no change of a manifest either.
        for package in &self.members {
            folders
                .extend(["src", "src/bin", "examples"].map(|name| relative(&package.folder().join(name), &self.root)));
            for folder in ["src/bin", "examples"].map(|name| package.folder().join(name)) {
                let names = fs::names_in(&folder).unwrap_or_default().into_iter().map(|name| folder.join(name));
                let mains = names.filter(|inner| fs::is_dir(inner)).map(|inner| inner.join("main.rs"));
                files.extend(mains.map(|main| relative(&main, &self.root)));
            }
        }
        files.sort_unstable();
        files.dedup();
        let variables = flags_of_targets().into();
        Ok(MemoDeps { files, folders: folders.into_iter().collect(), variables, ..MemoDeps::default() })
    }

    /// Adds where the list of members in the manifest finds one: the folders whose names its globs match, and a manifest in
    /// each folder that it means, whether it is there or not.
    fn add_places_of_members(&self, files: &mut Vec<String>, folders: &mut BTreeSet<String>) {
        let manifest = toml::read(&self.root.join("Cargo.toml")).unwrap_or_default();
        let members = manifest.get("workspace").and_then(|table| table.get("members")).and_then(Value::as_array);
        for member in members.into_iter().flatten().filter_map(Value::as_str) {
            let mut found = vec![String::new()];
            for part in glob::clean(member).split('/') {
                let mut below = Vec::new();
                for folder in found {
                    let join =
                        |name: &str| if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
                    if !glob::is_glob(part) {
                        below.push(join(part));
                        continue;
                    }
                    let names = fs::names_in(&self.root.join(&folder)).unwrap_or_default();
                    let glob = Glob::new(part);
                    let matching = names.iter().filter(|name| glob.matches(name)).map(|name| join(name));
                    below.extend(matching.filter(|folder| fs::is_dir(&self.root.join(folder))));
                    folders.insert(if folder.is_empty() { ".".into() } else { folder });
                }
                found = below;
            }
            files.extend(found.iter().map(|folder| format!("{folder}/Cargo.toml")));
        }
    }

    /// Files outside of the packages that decide what is compiled, whether they exist or not: the lockfile, the
    /// workspace manifest, and cargo's configuration and the toolchain file in every place where cargo and rustup look.
    /// Relative to the root; those in cargo's home are absolute.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure>.
    pub fn fixed_files(&self) -> Result<Vec<String>> {
        let mut files = vec!["Cargo.lock".to_string(), "Cargo.toml".to_string()];
        files.extend(self.upwards(&["rust-toolchain.toml", "rust-toolchain"]));
        files.extend(self.config_files()?);
        Ok(files)
    }

    /// The files of [`Workspace::fixed_files`] that configure cargo.
    pub fn config_files(&self) -> Result<Vec<String>> {
        let mut files = self.upwards(&[".cargo/config.toml", ".cargo/config"]);
        let home = env::cargo_home()?;
        files.extend(["config.toml", "config"].map(|name| home.join(name).to_string_lossy().into_owned()));
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

    /// The folder of all that the packager stores. It is in the workspace even if cargo's target directory is not, so
    /// that two checkouts never write to the same place.
    pub fn state_folder(&self) -> PathBuf {
        self.root.join("target/lambda")
    }
}

impl Package {
    /// The settings in the package's manifest.
    pub fn layer(&self) -> Result<(Origin, Layer)> {
        from_manifest::layer(&self.metadata, "package.metadata.lambda-packager", &self.manifest)
    }

    /// The features that `config` turns on, with those that they turn on.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/features.html#command-line-feature-options>.
    fn enabled(&self, config: &Config) -> BTreeSet<String> {
        let flags: Vec<&str> = config.cargo_flags.iter().map(String::as_str).take_while(|flag| *flag != "--").collect();
        if flags.contains(&"--all-features") {
            return self.features.keys().cloned().collect();
        }
        let mut queue: Vec<String> = config.features.clone();
        queue.extend((!flags.contains(&"--no-default-features")).then(|| "default".to_string()));
        for (index, flag) in flags.iter().enumerate() {
            let value = match *flag {
                "--features" | "-F" => flags.get(index + 1).copied(),
                flag => ["--features=", "-F"].iter().find_map(|name| flag.strip_prefix(name)),
            };
            queue.extend(value.into_iter().flat_map(|names| names.split([',', ' '])).map(String::from));
        }
        let mut enabled = BTreeSet::new();
        while let Some(name) = queue.pop() {
            // `package/feature` names a feature of a dependency, or of this package.
            let name = name.strip_prefix(&format!("{}/", self.name)).unwrap_or(&name).to_string();
            if enabled.insert(name.clone()) {
                queue.extend(self.features.get(&name).into_iter().flatten().cloned());
            }
        }
        enabled
    }

    /// The features that `program` needs and `config` does not turn on.
    pub fn missing_features(&self, program: &Program, config: &Config) -> Vec<String> {
        let enabled = self.enabled(config);
        program.required_features.iter().filter(|feature| !enabled.contains(*feature)).cloned().collect()
    }

    pub fn bins(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|program| !program.is_example)
    }

    pub fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("/"))
    }
}

/// For tests: packages that depend on each other, by folder and bins.
#[cfg(test)]
impl Workspace {
    pub fn sample(root: &Path, packages: &[(&str, &[&str])]) -> Self {
        use serde_json::json;
        let local = |name: &str| json!({"name": name, "folder": root.join(name), "source_root": root.join(name), "has_build_script": false, "reads_anything": false});
        let member = |(name, bins): &(&str, &[&str])| {
            let others = packages.iter().filter(|(other, _)| other != name).map(|(other, _)| local(other));
            let all: Vec<_> = [local(name)].into_iter().chain(others).collect();
            let program = |name| json!({"name": name, "id": name, "is_example": false, "required_features": []});
            let bins: Vec<_> = bins.iter().map(program).collect();
            json!({
                "name": name, "manifest": root.join(name).join("Cargo.toml"), "is_default": true, "metadata": null, "cargo_lambda": null, "programs": bins, "features": {},
                "closure": {"local": all, "downloads": [], "linked_by": [], "is_linked": false}, "with_dev": null,
            })
        };
        let members: Vec<_> = packages.iter().map(member).collect();
        let manifests: Vec<_> = packages.iter().map(|(name, _)| format!("{name}/Cargo.toml")).collect();
        serde_json::from_value(json!({
            "root": root, "cargo_home": root.join("home"), "configured_targets": [], "metadata": null, "cargo_lambda": null, "has_git_sources": false,
            "members": members, "local_manifests": manifests,
            "path_dependencies": {"folders": [], "absolute": [], "at_own_path": false}, "included_configs": [], "targets": [],
            "declared": [], "downloads": [], "vendored": [], "vendored_unused": [], "profiles": {},
        }))
        .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_depends_on_every_place_that_can_add_a_manifest_or_a_target() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("w/p");
        let members = b"[workspace]\nmembers = [\"a\", \"deep/*\", \"apps/*/*\"]\n";
        fs::replace(&root.join("Cargo.toml"), members, 0o644, None).unwrap();
        fs::create_dirs(&root.join("apps/x/empty")).unwrap();
        let deps = Workspace::sample(&root, &[("a", &["a"]), ("deep/b", &[])]).memo_deps().unwrap();
        let files = "a/Cargo.toml deep/b/Cargo.toml Cargo.lock Cargo.toml ../Cargo.toml deep/Cargo.toml a/build.rs \
                     apps/x/empty/Cargo.toml .cargo/config.toml ../../.cargo/config ../rust-toolchain";
        assert!(files.split(' ').all(|file| deps.files.iter().any(|known| known == file)), "{:?}", deps.files);
        assert_eq!(
            deps.folders,
            [
                "a/examples",
                "a/src",
                "a/src/bin",
                "apps",
                "apps/x",
                "deep",
                "deep/b/examples",
                "deep/b/src",
                "deep/b/src/bin"
            ]
        );
    }

    #[test]
    fn a_crate_in_cargos_home_is_unpacked_once_cargo_marked_it() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::sample(dir.path(), &[]);
        let is_unpacked = |name: &str| workspace.is_unpacked(&dir.path().join(name));
        assert!(!is_unpacked("vendor/a"));
        for folder in ["vendor/a", "home/registry/src/a", "home/git/checkouts/b/1/deep"] {
            fs::create_dirs(&dir.path().join(folder)).unwrap();
            assert_eq!(is_unpacked(folder), folder == "vendor/a");
        }
        for mark in ["home/registry/src/a", "home/git/checkouts/b/1"] {
            fs::create(&dir.path().join(mark).join(".cargo-ok")).unwrap();
        }
        assert!(is_unpacked("home/registry/src/a") && is_unpacked("home/git/checkouts/b/1/deep"));
    }
}
