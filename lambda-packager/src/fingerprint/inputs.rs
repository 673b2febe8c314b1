//! The inputs of a function: the files and folders to record.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cargo::{Function, Workspace};
use crate::config::Config;
use crate::error::Result;
use crate::snapshot::{RULE, Rule, Scope, Snapshot, Tree};
use crate::sys::{fs, lexically_clean, relative};

/// Inputs that only a compile can name: files in rustc's dep-info and in `rerun-if-changed` of build scripts that are not
/// in the packages' folders.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DiscoveredInputs {
    pub files: BTreeSet<String>,
    pub folders: BTreeSet<String>,
    /// Pairs of packages of which one reads files of the other, sorted.
    #[serde(rename = "crossings")]
    pub shared_reads: Vec<[String; 2]>,
}

/// The files that a compiled crate read.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit {
    /// The package, if its name is known.
    pub package: Option<String>,
    pub sources: Vec<PathBuf>,
}

/// All inputs of `function` that are known before a compile.
pub fn scope(
    workspace: &Workspace,
    function: &Function,
    config: &Config,
    discovered_inputs: &DiscoveredInputs,
) -> Result<Scope> {
    let root = &workspace.root;
    let mut trees = Vec::new();
    let mut files: BTreeSet<String> = workspace.fixed_files()?.into_iter().collect();
    let local = &function.package.local_folders;
    // What lies at the top of a workspace belongs to no package, and a build script of any may read it.
    for top in local.iter().map(|package| &package.source_root).chain([root]) {
        if local.iter().all(|package| package.folder != *top) {
            trees.push(Tree { path: relative(top, root), rule: Rule::Top });
        }
    }
    // sqlx keeps there what its macros read of a database: <https://docs.rs/sqlx/latest/sqlx/macro.query.html>.
    if fs::is_dir(&root.join(".sqlx")) {
        trees.push(Tree { path: ".sqlx".into(), rule: Rule::Everything });
    }
    for package in local {
        trees.push(Tree { path: relative(&package.folder, root), rule: Rule::Package });
        if package.source_root != package.folder {
            files.insert(relative(&package.source_root.join("Cargo.toml"), root));
        }
        // Ignore rules apply to all subfolders. The repository may begin above the workspace, and has rules of its own.
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
    let packages = workspace.package_folders();
    Ok(Scope { trees, files: files.into_iter().collect(), packages, excluded })
}

/// The path of the setting `output`.
pub fn output(workspace: &Workspace, config: &Config) -> Option<PathBuf> {
    config.output.as_ref().map(|path| workspace.root.join(path))
}

/// The files and folders of `sources`, named by a compile, that are not in a package's listing in `known`: for example a
/// generated file that git ignores, or a file of another package.
pub fn discovered_inputs(
    sources: &[PathBuf],
    units: &[Unit],
    workspace: &Workspace,
    function: &Function,
    known: &Snapshot,
) -> DiscoveredInputs {
    let listed = known.paths_in_trees();
    let mut discovered_inputs =
        DiscoveredInputs { shared_reads: shared_reads(units, function), ..DiscoveredInputs::default() };
    for path in sources {
        let path = tidy(path);
        let name = relative(&path, &workspace.root);
        if fs::is_dir(&path) {
            // Also a package's own folder: its listing omits ignored files, but the build script may read them.
            discovered_inputs.folders.insert(name);
        } else if !listed.contains(&name) {
            discovered_inputs.files.insert(name);
        }
    }
    discovered_inputs
}

/// `a/b/../c` as `a/c`, unless `a/b` is a link to another folder.
fn tidy(path: &Path) -> PathBuf {
    let clean = lexically_clean(path);
    let folder = |path: &Path| path.parent().and_then(|folder| fs::canonical(folder).ok());
    if folder(path) == folder(&clean) { clean } else { path.to_path_buf() }
}

/// The pairs of packages of which one reads files of the other.
fn shared_reads(units: &[Unit], function: &Function) -> Vec<[String; 2]> {
    let package = function.package;
    let named = |name: &String| package.local_folders.iter().find(|package| package.name == *name);
    let mut pairs = BTreeSet::new();
    for unit in units {
        let reader = unit.package.as_ref().and_then(named);
        // The name of a unit is not always its package; the files that it reads show the package.
        let base = reader.map_or(Path::new(""), |package| &package.folder);
        let read = unit.sources.iter().filter_map(|path| package.owner_of(&tidy(&base.join(path))));
        let together: BTreeSet<String> = reader.into_iter().chain(read).map(|package| package.name.clone()).collect();
        for one in &together {
            let others = together.iter().filter(|other| *other > one);
            pairs.extend(others.map(|other| [one.clone(), other.clone()]));
        }
    }
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function<'a>(workspace: &'a Workspace) -> Function<'a> {
        Function { package: &workspace.members[0], name: "a".into() }
    }

    #[test]
    fn the_scope_has_packages_ignore_rules_and_what_is_included_or_discovered() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dirs(&dir.path().join("a/assets")).unwrap();
        let workspace = Workspace::sample(dir.path(), &[("a", &["a"]), ("b", &[])]);
        let mut config = Config::resolve(Vec::new());
        config.include = vec!["assets".into(), "x.json".into()];
        config.output = Some("out.zip".into());
        let discovered = DiscoveredInputs {
            files: ["gen.rs".into()].into(),
            folders: ["proto".into()].into(),
            ..Default::default()
        };
        let scope = scope(&workspace, &function(&workspace), &config, &discovered).unwrap();
        let trees: Vec<_> = scope.trees.iter().map(|tree| (tree.path.as_str(), tree.rule)).collect();
        let (package, everything) = (Rule::Package, Rule::Everything);
        assert_eq!(
            trees,
            [("", Rule::Top), ("a", package), ("a/assets", everything), ("b", package), ("proto", everything)]
        );
        for file in ["Cargo.lock", "a/x.json", "gen.rs", "./.gitignore", "./a/.git/info/exclude", "./../.gitignore"] {
            assert!(scope.files.iter().any(|known| known == file), "{file}: {:?}", scope.files);
        }
        assert!(!scope.files.iter().any(|known| known == "./a/.gitignore"), "the package's listing has it");
        assert_eq!(scope.excluded, ["target", "out.zip"].map(|name| dir.path().join(name)));
    }

    #[test]
    fn packages_that_read_each_others_files_are_pairs() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &[]), ("b", &[]), ("c", &[])]);
        let unit = |package: Option<&str>, sources: &[&str]| Unit {
            package: package.map(String::from),
            sources: sources.iter().map(PathBuf::from).collect(),
        };
        let units = [
            unit(Some("b"), &["src/lib.rs", "/w/a/shared.rs"]),
            unit(Some("a"), &["/w/b/../b/x.rs"]),
            unit(None, &["/w/c/x.rs", "/w/a/y.rs", "/elsewhere/z.rs"]),
            unit(Some("c"), &["/w/c/own.rs"]),
        ];
        assert_eq!(shared_reads(&units, &function(&workspace)), [["a", "b"], ["a", "c"]]);
    }
}
