//! What `cargo metadata` answers, and what a packaging keeps of it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::cargo::path_dependencies::{Outside, source_root};
use crate::cargo::profiles::Profiles;
use crate::cargo::workspace::{LocalPackage, Package, Workspace};
use crate::config::from_manifest;
use crate::error::Result;
use crate::sys::paths::relative;
use crate::sys::{env, fs};

/// `cargo metadata --format-version 1`, as far as it is of use.
/// Format: <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html>.
#[derive(Deserialize)]
pub struct Answer {
    packages: Vec<AnswerPackage>,
    workspace_members: Vec<String>,
    resolve: AnswerResolve,
    workspace_root: PathBuf,
    metadata: Value,
}

#[derive(Deserialize)]
struct AnswerPackage {
    id: String,
    name: String,
    source: Option<String>,
    links: Option<String>,
    manifest_path: PathBuf,
    metadata: Value,
    /// As declared, also those that another platform would need.
    dependencies: Vec<AnswerDeclared>,
    targets: Vec<AnswerTarget>,
}

#[derive(Deserialize)]
struct AnswerDeclared {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct AnswerTarget {
    kind: Vec<String>,
    name: String,
    src_path: PathBuf,
    #[serde(rename = "required-features", default)]
    required_features: Vec<String>,
}

#[derive(Deserialize)]
struct AnswerResolve {
    nodes: Vec<AnswerNode>,
}

#[derive(Deserialize)]
struct AnswerNode {
    id: String,
    deps: Vec<AnswerDependency>,
}

#[derive(Deserialize)]
struct AnswerDependency {
    pkg: String,
    dep_kinds: Vec<AnswerKind>,
}

#[derive(Deserialize)]
struct AnswerKind {
    kind: Option<String>,
}

/// Each package by its id, with what it depends on.
type Graph<'a> = HashMap<&'a str, (&'a AnswerPackage, &'a [AnswerDependency])>;

impl AnswerPackage {
    fn folder(&self) -> PathBuf {
        self.manifest_path.parent().unwrap_or(Path::new("/")).to_path_buf()
    }

    fn vendored(&self) -> Result<LocalPackage> {
        // Cargo tells `/workspace/../vendor` where the configuration says `../vendor`.
        let folder = fs::canonical(&self.folder())?;
        Ok(LocalPackage { name: self.name.clone(), source_root: folder.clone(), folder })
    }
}

impl Answer {
    pub fn into_workspace(self, asked: &Path) -> Result<Workspace> {
        let root = &self.workspace_root;
        let graph = self.graph();
        let members = self.workspace_members.iter().filter_map(|id| graph.get(id.as_str()));
        let members = members.map(|(package, _)| member(package, &graph)).collect::<Result<_>>()?;
        let local = || self.packages.iter().filter(|package| package.source.is_none());
        let mut local_manifests: Vec<String> = local().map(|package| relative(&package.manifest_path, root)).collect();
        let mut declared = Vec::new();
        for package in local() {
            declared.extend(package.dependencies.iter().filter_map(|d| d.path.clone()));
        }
        declared.sort_unstable();
        declared.dedup();
        // Cargo wants a target in each of them, also in those that it then leaves alone.
        let unlisted = declared.iter().filter(|folder| !local().any(|package| package.folder() == **folder));
        let mut targets: Vec<(PathBuf, bool)> = unlisted.map(|folder| (folder.join("src/lib.rs"), true)).collect();
        for target in local().flat_map(|package| &package.targets) {
            let is_program =
                |kind: &String| ["bin", "example", "test", "bench", "custom-build"].contains(&kind.as_str());
            targets.push((target.src_path.clone(), !target.kind.iter().any(is_program)));
        }
        let manifests: Vec<PathBuf> = local().map(|package| package.manifest_path.clone()).collect();
        let outside =
            Outside::of(root, local().map(AnswerPackage::folder).chain(declared.iter().cloned()), &manifests)?;
        let asked = relative(asked, root);
        if !local_manifests.contains(&asked) {
            // A virtual workspace manifest belongs to no package.
            local_manifests.push(asked);
        }
        local_manifests.sort_unstable();
        let downloads = || self.packages.iter().filter(|package| package.source.is_some());
        let cargo_home = env::cargo_home()?;
        let vendored = downloads().filter(|package| !package.manifest_path.starts_with(&cargo_home));
        Ok(Workspace {
            metadata: self.metadata.get(from_manifest::KEY).cloned().unwrap_or_default(),
            has_git_sources: (self.packages.iter()).any(|p| p.source.as_ref().is_some_and(|s| s.starts_with("git+"))),
            downloads: downloads().map(AnswerPackage::folder).collect(),
            vendored: vendored.map(AnswerPackage::vendored).collect::<Result<_>>()?,
            profiles: Profiles::read(&root.join("Cargo.toml"))?,
            members,
            local_manifests,
            targets,
            declared,
            outside,
            included_configs: Vec::new(),
            cargo_home,
            root: self.workspace_root,
        })
    }

    fn graph(&self) -> Graph<'_> {
        let mut graph = Graph::new();
        for package in &self.packages {
            graph.insert(&package.id, (package, &[]));
        }
        for node in &self.resolve.nodes {
            if let Some((_, dependencies)) = graph.get_mut(node.id.as_str()) {
                *dependencies = &node.deps;
            }
        }
        graph
    }
}

fn member(package: &AnswerPackage, graph: &Graph) -> Result<Package> {
    let mut local_folders = Vec::new();
    let mut linked_by = Vec::new();
    let mut downloads = Vec::new();
    let mut seen = BTreeSet::new();
    seen.insert(package.id.clone());
    let mut queue = vec![package.id.as_str()];
    let mut next = 0;
    while let Some(id) = queue.get(next) {
        next += 1;
        let Some((package, dependencies)) = graph.get(id) else { continue };
        if package.source.is_none() {
            let folder = package.folder();
            let source_root = source_root(&folder)?;
            local_folders.push(LocalPackage { name: package.name.clone(), folder, source_root });
        } else {
            downloads.push(package.folder());
        }
        linked_by.extend(package.links.iter().map(|links| (links.clone(), package.name.clone())));
        for dependency in *dependencies {
            // Dev-dependencies are not compiled into a function.
            let compiled = dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
            if compiled && seen.insert(dependency.pkg.clone()) {
                queue.push(&dependency.pkg);
            }
        }
    }
    let bins = package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    Ok(Package {
        name: package.name.clone(),
        manifest: package.manifest_path.clone(),
        metadata: package.metadata.get(from_manifest::KEY).cloned().unwrap_or_default(),
        bins: bins.filter(|bin| bin.required_features.is_empty()).map(|bin| bin.name.clone()).collect(),
        local_folders,
        downloads,
        linked_by,
    })
}
