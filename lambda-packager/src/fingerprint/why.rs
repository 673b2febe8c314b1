//! Why each input is one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::artifact::selections;
use crate::cargo::{Function, Workspace, config_flags};
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::declared::has_git;
use crate::snapshot::{Rule, Snapshot, Tree};
use crate::sys::{Glob, lexically_clean, relative};

/// Why a file is an input. The first that applies is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A local package has it.
    Package,
    /// It lies directly in the root of a workspace, or in `.sqlx` there.
    Root,
    /// Cargo reads it: a manifest, the lockfile, the toolchain file, its configuration.
    Cargo,
    /// The setting `inputs` names it.
    Declared,
    /// A compile missed it, and the repository has it.
    Found,
    /// The setting `include` names it.
    Included,
    /// A compile read it besides its sources, such as a header of the machine.
    Outside,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Package => "package",
            Self::Root => "workspace root",
            Self::Cargo => "cargo",
            Self::Declared => "declared",
            Self::Found => "found",
            Self::Included => "included",
            Self::Outside => "outside",
        })
    }
}

/// Every input of `inputs` by its path, and why it is one; `found` are those that compiles found.
///
/// # Errors
/// If cargo's configuration cannot be found, or an entry of `include` is not valid.
pub fn of(
    inputs: &Snapshot,
    workspace: &Workspace,
    function: &Function,
    config: &Config,
    found: &BTreeSet<String>,
) -> Result<BTreeMap<String, Why>> {
    let root = &workspace.root;
    let name = |path: &Path| relative(path, root);
    let packages: BTreeSet<String> =
        function.closure().local.iter().chain(&workspace.vendored).map(|package| name(&package.folder)).collect();
    let declared: BTreeSet<String> =
        config.inputs.iter().map(|entry| name(&lexically_clean(&root.join(Glob::new(entry).text())))).collect();
    let included = selections(config, function.package.folder(), root)?;
    let included: BTreeSet<String> = included.into_iter().map(|selection| selection.path).collect();
    let mut of_cargo: BTreeSet<String> = workspace.fixed_files()?.into_iter().collect();
    of_cargo.extend(config_flags::files(workspace, config)?);
    of_cargo.extend(workspace.manifests().map(|manifest| name(&manifest)));
    let of_tree = |tree: &Tree| match tree.rule {
        Rule::Top => Why::Root,
        Rule::Matching(ref pattern) if !declared.contains(pattern) => Why::Included,
        Rule::Matching(_) => Why::Declared,
        _ if tree.path == ".sqlx" => Why::Root,
        _ if packages.contains(&tree.path) => Why::Package,
        _ if declared.contains(&tree.path) => Why::Declared,
        _ if found.contains(&tree.path) => Why::Found,
        _ if included.contains(&tree.path) => Why::Included,
        _ => Why::Outside,
    };
    // In a worktree and in a submodule, `.git` is a file.
    let is_git = |path: &str| has_git(config) && (path.contains(".git/") || path.ends_with(".git"));
    let of_file = |path: &String| match path {
        path if of_cargo.contains(path) => Why::Cargo,
        path if declared.contains(path) || is_git(path) => Why::Declared,
        path if found.contains(path) => Why::Found,
        path if included.contains(path) => Why::Included,
        path if path.ends_with("/Cargo.toml") => Why::Cargo,
        _ => Why::Outside,
    };
    let in_trees = inputs.trees.iter().flat_map(|record| {
        let why = of_tree(&record.tree);
        record.paths().into_iter().map(move |path| (path, why))
    });
    let alone = inputs.files.iter().map(|entry| (entry.name.clone(), of_file(&entry.name)));
    let mut all: BTreeMap<String, Why> = BTreeMap::new();
    let present: BTreeSet<String> = inputs.present().into_iter().map(|(path, _)| path).collect();
    for (path, why) in in_trees.chain(alone).filter(|(path, _)| present.contains(path)) {
        let known = all.entry(path).or_insert(why);
        *known = why.min(*known);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::{DiscoveredInputs, inputs};
    use crate::snapshot::take;
    use crate::sys::fs;

    #[test]
    fn each_input_has_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a/src/main.rs",
            "a/Cargo.toml",
            "b/Cargo.toml",
            "b/src/lib.rs",
            "VERSION",
            "Cargo.lock",
            "gen/x",
            "one.ld",
            "proto/a",
            "www/i",
            "a/i.html",
            "../beside/y",
        ] {
            fs::replace(&dir.path().join("w").join(name), b"", 0o644, None).unwrap();
        }
        let root = dir.path().join("w");
        let mut workspace = Workspace::sample(&root, &[("a", &["a"]), ("b", &[])]);
        workspace.members[0].closure.local.truncate(1);
        let function = Function { package: &workspace.members[0], name: "a".into(), id: "a".into(), is_example: false };
        let config = Config::of(
            json!({"inputs": ["gen", "../beside/*"], "include": ["www:../www", "*.html"], "exclude": ["a/*.html"]}),
        );
        let found = BTreeSet::from(["proto".to_string()]);
        let discovered = DiscoveredInputs { found: found.clone(), ..DiscoveredInputs::default() };
        let scope = inputs::scope(&workspace, &function, &config, &discovered).unwrap();
        let snapshot = take::take(&scope, &root, None, 0).unwrap().snapshot;
        let all = of(&snapshot, &workspace, &function, &config, &found).unwrap();
        let told: Vec<String> = all.iter().map(|(path, why)| format!("{path}: {why}")).collect();
        let expected = [
            "../beside/y: declared",
            "Cargo.lock: workspace root",
            "VERSION: workspace root",
            "a/Cargo.toml: package",
            "a/i.html: included",
            "a/src/main.rs: package",
            "b/Cargo.toml: cargo",
            "gen/x: declared",
            "one.ld: workspace root",
            "proto/a: found",
            "www/i: included",
        ];
        assert_eq!(told, expected);
    }
}
