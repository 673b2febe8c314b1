//! Finds the workspace of a folder: from the cached record, or by calling cargo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cargo::command::cargo;
use crate::cargo::config_include::included;
use crate::cargo::{Metadata, Workspace};
use serde_json::Value;

use crate::config::{Arch, cargo_lambda_tables, from_manifest};
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::{Computed, Memo};
use crate::sys::{env, fs, git, relative};

impl Workspace {
    /// The workspace of the folder `start`. Calls cargo only if there is no valid cached record. `locked` says whether the
    /// lockfile has to stay as it is; `None` where only manifests may say so.
    ///
    /// # Errors
    /// If there is no cargo project, or cargo cannot resolve it.
    pub fn discover(start: &Path, locked: Option<bool>) -> Result<Self> {
        let nearest = start.ancestors().find(|folder| fs::is_file(&folder.join("Cargo.toml"))).ok_or_else(|| {
            Error::config(format!("{} is not in a cargo project", start.display()))
                .hint_with("run this in a folder with a Cargo.toml, or below one")
        })?;
        let manifest = nearest.join("Cargo.toml");
        // A path through a link leads to a project that calls itself by another.
        let real = fs::canonical(nearest)?;
        let real_manifest = real.join("Cargo.toml");
        let further = real.ancestors().filter(|_| real != nearest);
        for root in nearest.ancestors().chain(further) {
            if check_state_folder(root).is_err() {
                continue;
            }
            let cached = Memo::<Self>::load(&memo_path(root), root)?;
            if let Some(workspace) = cached.map(|memo| memo.value)
                && workspace.root == root
                && workspace.cargo_home == env::cargo_home()?
                && workspace.own_manifests().any(|own| [&manifest, &real_manifest].contains(&&own))
            {
                return Ok(workspace);
            }
        }
        Ok(Memo::compute(|| Self::call_cargo(&manifest, locked))?.value)
    }

    /// Which target a function is for, and whether the lockfile may change, is in settings that cargo has to tell.
    fn call_cargo(manifest: &Path, locked: Option<bool>) -> Result<Computed<Self>> {
        const METADATA: [&str; 3] = ["metadata", "--format-version=1", "--color=never"];
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        let platforms = Arch::ALL.map(|arch| format!("--filter-platform={}", arch.triple()));
        let resolve = |more: &[&str]| {
            let args = METADATA.into_iter().chain(["--all-features"]).chain(platforms.iter().map(String::as_str));
            cargo(folder, &args.chain(more.iter().copied()).collect::<Vec<_>>())
        };
        let output = match resolve(&["--locked"]) {
            Err(error) if says_locked(&error) => {
                let is_kept = || {
                    let described = cargo(folder, &[&METADATA[..], &["--no-deps"]].concat())?;
                    Ok::<_, Error>(keeps_lockfile(&described.stdout, manifest))
                };
                if locked.map_or_else(is_kept, Ok)? {
                    return Err(error);
                }
                resolve(&[])
            }
            resolved => resolved,
        }?;
        let metadata: Metadata = serde_json::from_str(&String::from_utf8_lossy(&output.stdout))
            .map_err(|e| Error::cargo("cargo metadata printed unexpected output").source(e))?;
        let mut workspace = metadata.into_workspace(manifest)?;
        check_state_folder(&workspace.root)?;
        check_writable(&workspace.state_folder())?;
        let configs = workspace.config_files()?;
        let included = included(configs.iter().map(|file| workspace.root.join(file)))?;
        workspace.included_configs = included.iter().map(|file| relative(file, &workspace.root)).collect();
        let (deps, base) = (workspace.memo_deps()?, workspace.root.clone());
        Ok(Computed { deps, path: memo_path(&base), base, value: workspace })
    }
}

/// Refuses a state folder that is a link to a place outside of the workspace, if the link came with the checkout: the
/// files there are not ours to write or remove. A link that the user made, to another disk, is fine.
fn check_state_folder(root: &Path) -> Result<()> {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let real = fs::canonical(root)?;
    for name in ["target", "target/lambda"] {
        let folder = root.join(name);
        if !fs::leads_out(&folder, root)? {
            continue;
        }
        // The path without a link in it, as git would track it.
        let above = fs::canonical(folder.parent().unwrap_or(root))?;
        let Some(git) = git::git(root).filter(|_| above.starts_with(&real)) else { continue };
        let path = above.join(folder.file_name().unwrap_or_default());
        let args = ["ls-files", "--cached", "-z", "--", &path.to_string_lossy()];
        let tracked = git::answer(git.args(&args).output(None, TIMEOUT)?, root)?;
        if tracked.is_some_and(|output| !output.stdout.is_empty()) {
            let (folder, root) = (folder.display(), root.display());
            return Err(Error::config(format!("{folder} leads out of {root}, and git tracks that link")).hint_with(
                "remove that link from the repository; a link of your own that git ignores may lead anywhere",
            ));
        }
    }
    Ok(())
}

/// Refuses a state folder in which the user cannot write, such as one that root left.
fn check_writable(state: &Path) -> Result<()> {
    if !fs::is_dir(state) || fs::is_writable(state) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Io, format!("{} cannot be written: it may belong to another user", state.display()))
        .hint_with("remove it, or give it to yourself: `sudo chown -R \"$(id -u)\" target/lambda`"))
}

fn memo_path(root: &Path) -> PathBuf {
    root.join("target/lambda/workspace.json")
}

/// Whether cargo ended for `--locked`.
fn says_locked(error: &Error) -> bool {
    error.with_cause().contains("--locked")
}

/// Whether settings in manifests say that the lockfile stays as it is, by what `cargo metadata` printed: those of the package
/// that is asked, else of the workspace; at the top of one without either, those of any member.
fn keeps_lockfile(metadata: &[u8], asked: &Path) -> bool {
    let parsed: Value = serde_json::from_slice(metadata).unwrap_or_default();
    let said = |of: &Value| {
        let tables = &of["metadata"];
        let build = &tables[cargo_lambda_tables::KEY]["build"];
        let of_cargo_lambda =
            || [&build["locked"], &build["frozen"]].iter().find_map(|value| value.as_bool().filter(|yes| *yes));
        tables[from_manifest::KEY]["locked"].as_bool().or_else(of_cargo_lambda)
    };
    let members = parsed["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = members.iter().find(|member| member["manifest_path"].as_str().map(Path::new) == Some(asked));
    let of_any = || own.is_none() && members.iter().any(|member| said(member) == Some(true));
    own.and_then(said).or_else(|| said(&parsed)).unwrap_or_else(of_any)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lockfile_is_kept_where_the_package_that_is_asked_or_the_workspace_or_any_member_says_so() {
        let of = |own: Value, workspace: Value, other: Value| {
            let member =
                |name: &str, metadata| json!({"manifest_path": format!("/w/{name}/Cargo.toml"), "metadata": metadata});
            let printed = json!({"packages": [member("a", own), member("b", other)], "metadata": workspace});
            let bytes = printed.to_string().into_bytes();
            [keeps_lockfile(&bytes, Path::new("/w/a/Cargo.toml")), keeps_lockfile(&bytes, Path::new("/w/Cargo.toml"))]
        };
        let ours = |yes: bool| json!({"lambda-packager": {"locked": yes}});
        assert_eq!(of(Value::Null, Value::Null, Value::Null), [false, false]);
        assert_eq!(of(ours(true), Value::Null, Value::Null), [true, true]);
        assert_eq!(of(Value::Null, ours(true), Value::Null), [true, true]);
        assert_eq!(of(ours(false), ours(true), Value::Null), [false, true]);
        assert_eq!(of(ours(false), Value::Null, json!({"lambda": {"build": {"locked": true}}})), [false, true]);
        assert!(!keeps_lockfile(b"", Path::new("/w/Cargo.toml")));
    }

    #[test]
    fn a_state_folder_that_came_with_the_checkout_may_not_lead_out_of_the_workspace() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        let git = |args: &[&str]| {
            let git = git::git(root.path()).unwrap().args(args);
            assert!(git.output(None, Duration::from_secs(60)).unwrap().success(), "{args:?}");
        };
        check_state_folder(root.path()).unwrap();
        fs::create_dirs(&root.path().join("elsewhere")).unwrap();
        link(&root.path().join("elsewhere"), "target");
        check_state_folder(root.path()).unwrap();
        link(other.path(), "elsewhere/lambda");
        check_state_folder(root.path()).unwrap();
        git(&["init", "--quiet"]);
        check_state_folder(root.path()).unwrap();
        fs::remove_tree(&root.path().join("target")).unwrap();
        link(other.path(), "target");
        check_state_folder(root.path()).unwrap();
        git(&["add", "--force", "elsewhere", "target"]);
        let error = check_state_folder(root.path()).unwrap_err().to_string();
        assert!(error.contains("target leads out of") && error.ends_with("git tracks that link"), "{error}");
        fs::remove_tree(&root.path().join("target")).unwrap();
        link(&root.path().join("elsewhere"), "target");
        assert!(check_state_folder(root.path()).unwrap_err().to_string().contains("target/lambda leads out of"));
    }
}
