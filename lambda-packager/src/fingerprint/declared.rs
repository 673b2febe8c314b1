//! The inputs that the setting `inputs` declares.

use crate::cargo::Workspace;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::git;
use crate::snapshot::{Rule, Snapshot, Tree, TreeRecord};
use crate::sys::glob::is_glob;
use crate::sys::{Glob, fs, lexically_clean, relative};

/// The entry that stands for what names the commit.
pub const GIT: &str = ".git";

/// The declared folders and globs, and the declared files.
///
/// # Errors
/// If an entry names nothing that exists. Whether a glob matches is known once its folder is listed, see
/// [`refuse_unmatched`].
pub fn declared(workspace: &Workspace, config: &Config) -> Result<(Vec<Tree>, Vec<String>)> {
    let root = &workspace.root;
    let (mut trees, mut files) = (Vec::new(), Vec::new());
    for entry in &config.inputs {
        let glob = Glob::new(entry);
        let path = lexically_clean(&root.join(entry));
        let name = relative(&path, root);
        if glob.text() == GIT {
            let found = git::files(root)?;
            if found.is_empty() {
                return Err(unmatched(entry, config));
            }
            files.extend(found.iter().map(|file| relative(file, root)));
        } else if is_excluded(&name, config) {
            return Err(unmatched(entry, config));
        } else if fs::is_dir(&path) {
            trees.push(Tree::new(name, Rule::Everything).without(&config.exclude));
        } else if fs::lstat(&path)?.is_some() {
            files.push(name);
        } else if is_glob(entry) {
            trees.push(Tree::new(glob.fixed_folder(), Rule::Matching(glob.text().into())).without(&config.exclude));
        } else {
            return Err(unmatched(entry, config));
        }
    }
    Ok((trees, files))
}

/// Whether what names the commit is an input.
pub fn has_git(config: &Config) -> bool {
    config.inputs.iter().any(|entry| Glob::new(entry).text() == GIT)
}

/// Whether the setting `exclude` covers the path, which is relative to the workspace.
pub fn is_excluded(path: &str, config: &Config) -> bool {
    config.exclude.iter().any(|pattern| Glob::new(pattern).covers(path))
}

/// Refuses a glob that matches no file of the snapshot.
pub fn refuse_unmatched(config: &Config, inputs: &Snapshot) -> Result<()> {
    // A link that only leads to folders is recorded, but it is no match.
    let matches_none = |pattern: &str| {
        let glob = Glob::new(pattern);
        let is_its_own = |record: &&TreeRecord| matches!(&record.tree.rule, Rule::Matching(known) if known == pattern);
        let record = inputs.trees.iter().find(is_its_own);
        record.is_some_and(|record| !record.paths().iter().any(|path| glob.matches(path)))
    };
    match config.inputs.iter().find(|entry| matches_none(Glob::new(entry).text())) {
        Some(entry) => Err(unmatched(entry, config)),
        None => Ok(()),
    }
}

fn unmatched(entry: &str, config: &Config) -> Error {
    let hint = if Glob::new(entry).text() == GIT {
        "it stands for what names the commit, and there is no git repository here"
    } else if is_glob(entry) {
        "globs are relative to the workspace's root and select files: `folder/**` takes all that is in a folder; what `exclude` \
         covers is no input"
    } else {
        "paths are relative to the workspace's root, in whichever manifest they are; what `exclude` covers is no input"
    };
    Error::config(format!("{}: {entry:?} names no file", config.place_of("inputs"))).hint_with(hint)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::snapshot::{Scope, take};

    fn scope(root: &Path, config: &Config) -> Result<Scope> {
        let (trees, files) = declared(&Workspace::sample(root, &[("a", &["a"])]), config)?;
        Ok(Scope { trees, files, ..Scope::default() })
    }

    #[test]
    fn files_folders_and_globs_become_a_scope() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("w");
        for name in ["gen/a.rs", "x.ld", "y.def", "pages/[id].tsx", "../assets/deep/logo.svg", "../assets/b.svg"] {
            fs::replace(&lexically_clean(&root.join(name)), b"", 0o644, None).unwrap();
        }
        let config = Config::of(json!({
            "inputs": ["./gen/", "x.ld", "pages/[id].tsx", "../assets/**/*.svg", "gen/../*.{ld,def}"],
            "exclude": ["**/b.svg", "../assets/b.svg"],
        }));
        let scope = scope(&root, &config).unwrap();
        let matching = |pattern: &str| Rule::Matching(pattern.into());
        let trees: Vec<_> = scope.trees.iter().map(|tree| (tree.path.as_str(), tree.rule.clone())).collect();
        assert_eq!(
            trees,
            [("gen", Rule::Everything), ("../assets", matching("../assets/**/*.svg")), ("", matching("*.{ld,def}"))]
        );
        assert_eq!(scope.files, ["x.ld", "pages/[id].tsx"]);
        let snapshot = take::take(&scope, &root, None, 0).unwrap().snapshot;
        let paths: Vec<_> = snapshot.by_path().into_keys().collect();
        assert_eq!(paths, ["../assets/deep/logo.svg", "gen/a.rs", "pages/[id].tsx", "x.ld", "y.def"]);
        refuse_unmatched(&config, &snapshot).unwrap();
    }

    #[test]
    fn an_entry_that_names_nothing_is_an_error_that_names_its_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::replace(&dir.path().join("gen/a.rs"), b"", 0o644, None).unwrap();
        let error = |settings: serde_json::Value| {
            let config = Config::of(settings);
            let scope = scope(dir.path(), &config)?;
            refuse_unmatched(&config, &take::take(&scope, dir.path(), None, 0)?.snapshot)
        };
        for (settings, entry) in [
            (json!({"inputs": ["gen", "none"]}), "none"),
            (json!({"inputs": ["gen/*.rs", "none/*.rs"]}), "none/*.rs"),
            (json!({"inputs": ["gen/*.{a,b}"]}), "gen/*.{a,b}"),
            // It matches a folder only.
            (json!({"inputs": ["g*"]}), "g*"),
            (json!({"inputs": ["gen/**"], "exclude": ["**/*.rs"]}), "gen/**"),
            (json!({"inputs": ["gen/a.rs"], "exclude": ["gen"]}), "gen/a.rs"),
            (json!({"inputs": [".git"]}), ".git"),
        ] {
            let error = error(settings).unwrap_err();
            assert_eq!(error.to_string(), format!("flag --inputs: {entry:?} names no file"));
            assert!(error.hint().is_some());
        }
        error(json!({"inputs": ["gen/*"], "exclude": ["none"]})).unwrap();
    }
}
