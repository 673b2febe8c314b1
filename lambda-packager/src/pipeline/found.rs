//! Inputs that a compile missed: paths that its messages name, and that the repository has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cargo::{LocalPackage, Workspace};
use crate::compile::{Layout, WORKSPACE};
use crate::error::Result;
use crate::fingerprint::declared::GIT;
use crate::snapshot::Snapshot;
use crate::snapshot::listing::lossy;
use crate::sys::{fs, git, lexically_clean, relative};

/// What was looked for.
#[derive(Debug, Default)]
pub struct Found {
    /// New inputs, relative to the workspace: files, and folders that belong to no package.
    pub inputs: BTreeSet<String>,
    /// What exists, but is ignored by git: only the user knows whether it is an input.
    pub ignored: BTreeSet<String>,
}

/// Looks for the paths that a failed compile named as `missing`. Those that git lists are new inputs.
///
/// # Errors
/// If git cannot be asked.
pub fn look(
    workspace: &Workspace,
    local: &[&LocalPackage],
    layout: &Layout,
    inputs: &Snapshot,
    missing: &[String],
) -> Result<Found> {
    let root = &workspace.root;
    let known: BTreeSet<String> = inputs.present().into_iter().map(|(name, _)| name).collect();
    let mut found = Found::default();
    for name in missing {
        for path in places(name, root, local, layout) {
            let shown = relative(&path, root);
            let exists = fs::stat(&path)?.is_some();
            let has_package = local.iter().any(|package| package.folder.starts_with(&path));
            if !exists
                || has_package
                || known.contains(&shown)
                || found.inputs.contains(&shown)
                || root.starts_with(&path)
            {
                continue;
            }
            // It is declared as a whole.
            if path.iter().any(|part| part == GIT) {
                found.ignored.insert(GIT.into());
                continue;
            }
            match listed(&path, root)? {
                true => drop(found.inputs.insert(relative(&owned(&path, workspace), root))),
                false if path.starts_with(root) && !path.starts_with(root.join("target")) => {
                    found.ignored.insert(shown);
                }
                false => {}
            }
        }
    }
    Ok(found)
}

/// The folders of the workspace's root of which a compile sees nothing.
///
/// # Errors
/// If the root cannot be listed.
pub fn unseen(workspace: &Workspace, inputs: &Snapshot) -> Result<Vec<String>> {
    let seen: BTreeSet<String> =
        inputs.present().into_iter().filter_map(|(name, _)| Some(name.split_once('/')?.0.to_string())).collect();
    let mut names: Vec<String> = fs::raw_names_in(&workspace.root)?.into_iter().map(lossy).collect();
    names.retain(|name| !name.starts_with('.') && name != "target" && !seen.contains(name));
    names.retain(|name| fs::is_dir(&workspace.root.join(name)));
    names.sort_unstable();
    Ok(names)
}

/// Where on the host a path may be that a message names: seen from the workspace, or from a package.
fn places(name: &str, root: &Path, local: &[&LocalPackage], layout: &Layout) -> Vec<PathBuf> {
    let base = format!("{}{WORKSPACE}/", layout.root);
    if let Some(below) = name.strip_prefix(&base) {
        return vec![lexically_clean(&layout.common.join(below))];
    }
    if name.starts_with('/') {
        return Vec::new();
    }
    let packages = local.iter().map(|package| &*package.folder);
    let mut places: Vec<PathBuf> =
        [root].into_iter().chain(packages).map(|folder| lexically_clean(&folder.join(name))).collect();
    places.dedup();
    places
}

/// The file `path`, or the outermost folder around it that has no package and is in none.
fn owned(path: &Path, workspace: &Workspace) -> PathBuf {
    let packages = workspace.package_folders();
    let is_free = |folder: &Path| {
        !workspace.root.starts_with(folder)
            && folder.starts_with(&workspace.root)
            && !packages.iter().any(|package| {
                package.starts_with(folder) || (folder.starts_with(package) && *package != workspace.root)
            })
    };
    path.ancestors()
        .take_while(|folder| *folder == path || is_free(folder))
        .filter(|folder| is_free(folder))
        .last()
        .filter(|folder| fs::is_dir(folder))
        .unwrap_or(path)
        .to_path_buf()
}

/// Whether git lists `path`, or a file in it. Without a repository: whether it is in the workspace.
fn listed(path: &Path, root: &Path) -> Result<bool> {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let without = path.starts_with(root) && !path.starts_with(root.join("target"));
    let Some(git) = git::git(root) else { return Ok(without) };
    let call = |args: &[&str]| git.clone().args(args).output(None, TIMEOUT);
    if git::answer(call(&["rev-parse", "--git-dir"])?, root)?.is_none() {
        return Ok(without);
    }
    let lists = |path: &Path| -> Result<bool> {
        let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", &*path.to_string_lossy()];
        let output = call(&listing)?;
        Ok(output.success() && !output.stdout.is_empty())
    };
    if lists(path)? {
        return Ok(true);
    }
    // A submodule is listed as one name, and lists its files itself.
    let Some(around) = path.ancestors().skip(1).find(|folder| fs::is_dir(folder)) else { return Ok(false) };
    let top = |folder: &Path| -> Result<PathBuf> {
        let asked = git.clone().folder(folder).args(&["rev-parse", "--show-toplevel"]);
        Ok(PathBuf::from(asked.output(None, TIMEOUT)?.stdout_text()))
    };
    let (outer, inner) = (top(root)?, top(around)?);
    Ok(inner != outer && inner.starts_with(&outer) && lists(&inner)? && listed(path, &inner)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_lists_its_files_itself_and_another_repository_is_not_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        let git = |at: &Path, args: &[&str]| {
            let who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "protocol.file.allow=always"];
            let output = git::git(at).unwrap().args(&who).args(args).output(None, Duration::from_secs(60)).unwrap();
            assert!(output.success(), "{args:?}: {}", output.stderr_text());
        };
        for repository in [folder.path().join("proto"), root.clone(), root.join("cloned")] {
            fs::replace(&repository.join("a.proto"), b"", 0o644, None).unwrap();
            git(&repository, &["init", "--quiet"]);
            git(&repository, &["add", "a.proto"]);
            git(&repository, &["commit", "--quiet", "--message", "first"]);
        }
        git(&root, &["submodule", "--quiet", "add", &folder.path().join("proto").to_string_lossy(), "proto"]);
        fs::replace(&root.join(".gitignore"), b"cloned\n", 0o644, None).unwrap();
        fs::replace(&root.join("proto/.gitignore"), b"made\n", 0o644, None).unwrap();
        fs::replace(&root.join("proto/made"), b"", 0o644, None).unwrap();
        for (name, is_listed) in
            [("a.proto", true), ("proto/a.proto", true), ("proto/made", false), ("cloned/a.proto", false)]
        {
            assert_eq!(listed(&root.join(name), &root).unwrap(), is_listed, "{name}");
        }
    }

    #[test]
    fn what_git_lists_is_found_with_the_folder_that_no_package_owns() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository/app");
        for name in [
            "a/Cargo.toml",
            "a/src/x.rs",
            "b/Cargo.toml",
            "b/x.txt",
            "deep/proto/one/a.proto",
            "made/x.rs",
            "README.md",
            "../OUTER",
            "../../beyond",
        ] {
            fs::replace(&root.join(name), b"", 0o644, None).unwrap();
        }
        fs::replace(&root.join(".gitignore"), b"made\n", 0o644, None).unwrap();
        let init = git::git(&root).unwrap().args(&["init", "--quiet", ".."]);
        assert!(init.output(None, Duration::from_secs(60)).unwrap().success());
        let workspace = Workspace::sample(&root, &[("a", &["a"]), ("b", &[])]);
        let local = [&workspace.members[0].closure.local[0]];
        let layout = Layout::of_roots(&root, std::iter::empty());
        let look = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            let found = look(&workspace, &local, &layout, &Snapshot::default(), &names).unwrap();
            [found.inputs, found.ignored].map(|names| Vec::from_iter(names).join(" "))
        };
        for (name, inputs, ignored) in [
            ("/workspace/deep/proto/one/a.proto", "deep", ""),
            ("../deep/proto/one", "deep", ""),
            ("a/src/../../deep/proto/one/a.proto", "deep", ""),
            ("../b/x.txt", "b/x.txt", ""),
            ("README.md", "README.md", ""),
            ("../OUTER", "../OUTER", ""),
            ("../../beyond", "", ""),
            ("/workspace/made/x.rs", "", "made/x.rs"),
            ("/etc/passwd", "", ""),
            ("../.git/HEAD", "", ".git"),
            ("none", "", ""),
            (".", "", ""),
        ] {
            assert_eq!(look(&[name]), [inputs, ignored], "{name}");
        }
    }
}
