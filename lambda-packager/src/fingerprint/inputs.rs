//! The inputs of a function: where its files are to be looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cargo::{Function, Workspace};
use crate::config::Config;
use crate::error::Result;
use crate::snapshot::listing::{Rule, Tree};
use crate::snapshot::record::{RULE, Snapshot};
use crate::snapshot::scope::Scope;
use crate::sys::fs;
use crate::sys::paths::{lexically_clean, relative};

/// Inputs that only a compile can name: files that rustc's dep-info and the `rerun-if-changed` of
/// build scripts told of, beyond the packages' own folders.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DiscoveredInputs {
    pub files: BTreeSet<String>,
    pub folders: BTreeSet<String>,
    /// Pairs of packages of which one reads files of the other, sorted.
    pub crossings: Vec<[String; 2]>,
}

/// Who read what.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// The package, where it is known by name.
    pub package: Option<String>,
    pub sources: Vec<PathBuf>,
}

/// Everything that `function` is made of, as far as it is known before a compile.
pub fn scope(
    workspace: &Workspace,
    function: &Function,
    config: &Config,
    discovered_inputs: &DiscoveredInputs,
) -> Result<Scope> {
    let root = &workspace.root;
    let mut trees = Vec::new();
    let mut files: BTreeSet<String> = workspace.fixed_files()?.into_iter().collect();
    for package in &function.package.local_folders {
        trees.push(Tree { path: relative(&package.folder, root), rule: Rule::Package });
        if package.source_root != package.folder {
            files.insert(relative(&package.source_root.join("Cargo.toml"), root));
        }
        // Rules of what to ignore hold below the folder that they lie in; a repository may begin above the
        // workspace, and has rules of its own.
        for folder in package.folder.ancestors() {
            let mut rule = |name: &str| files.insert(format!("{RULE}{}", relative(&folder.join(name), root)));
            rule(".git/info/exclude");
            if folder != package.folder {
                rule(".gitignore");
            }
        }
    }
    let vendored = workspace.vendored.iter().map(|package| relative(&package.folder, root));
    for folder in discovered_inputs.folders.iter().cloned().chain(vendored) {
        trees.push(Tree { path: folder, rule: Rule::Everything });
    }
    for entry in &config.include {
        let path = function.package.folder().join(entry);
        if fs::is_dir(&path) {
            trees.push(Tree { path: relative(&path, root), rule: Rule::Everything });
        } else {
            files.insert(relative(&path, root));
        }
    }
    trees.sort_unstable();
    trees.dedup();
    files.extend(discovered_inputs.files.iter().cloned());
    let mut excluded = vec![root.join("target")];
    excluded.extend(output(workspace, config));
    Ok(Scope { trees, files: files.into_iter().collect(), excluded })
}

/// Where `output` is.
pub fn output(workspace: &Workspace, config: &Config) -> Option<PathBuf> {
    config.output.as_ref().map(|path| workspace.root.join(path))
}

/// Sorts what a compile named into files and folders that no package's listing in `known` holds: a
/// generated file that git ignores, say, or one of another package.
pub fn discovered_inputs(
    sources: &[PathBuf],
    units: &[Unit],
    workspace: &Workspace,
    function: &Function,
    known: &Snapshot,
) -> DiscoveredInputs {
    let listed = known.paths_in_trees();
    let mut discovered_inputs =
        DiscoveredInputs { crossings: crossings(units, function), ..DiscoveredInputs::default() };
    for path in sources {
        let path = tidy(path);
        let name = relative(&path, &workspace.root);
        if fs::is_dir(&path) {
            // Also a package's own: its listing leaves out what git ignores, the build script does not.
            discovered_inputs.folders.insert(name);
        } else if !listed.contains(&name) {
            discovered_inputs.files.insert(name);
        }
    }
    discovered_inputs
}

/// `a/b/../c` as `a/c`, unless `a/b` is a link to somewhere else.
fn tidy(path: &Path) -> PathBuf {
    let clean = lexically_clean(path);
    let folder = |path: &Path| path.parent().and_then(|folder| fs::canonical(folder).ok());
    if folder(path) == folder(&clean) { clean } else { path.to_path_buf() }
}

fn crossings(units: &[Unit], function: &Function) -> Vec<[String; 2]> {
    let package = function.package;
    let named = |name: &String| package.local_folders.iter().find(|package| package.name == *name);
    let mut later: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for unit in units {
        let reader = unit.package.as_ref().and_then(named);
        // What a unit is named by is not always its package; what it reads says which it is.
        let base = reader.map_or(Path::new(""), |package| &package.folder);
        let read = unit.sources.iter().filter_map(|path| package.owner_of(&tidy(&base.join(path))));
        let together: BTreeSet<String> = reader.into_iter().chain(read).map(|package| package.name.clone()).collect();
        for one in &together {
            let others = together.iter().filter(|other| *other > one);
            later.entry(one.clone()).or_default().extend(others.cloned());
        }
    }
    let mut crossings = Vec::new();
    for (one, others) in &later {
        crossings.extend(others.iter().map(|other| [one.clone(), other.clone()]));
    }
    crossings
}
