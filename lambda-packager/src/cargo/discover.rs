//! Finds the workspace of a folder: from the cached record, or by calling cargo.

use std::path::{Path, PathBuf};

use crate::cargo::command::cargo;
use crate::cargo::config_include::included;
use crate::cargo::{Metadata, Workspace};
use crate::config::Arch;
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::{Computed, Memo};
use crate::sys::{env, fs, relative};

impl Workspace {
    /// The workspace of the folder `start`. Calls cargo only if there is no valid cached record.
    ///
    /// # Errors
    /// If there is no cargo project, or cargo cannot resolve it.
    pub fn discover(start: &Path, arch: Arch, locked: bool) -> Result<Self> {
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
            let cached = Memo::<Self>::load(&memo_path(root, arch), root)?;
            if let Some(workspace) = cached.map(|memo| memo.value)
                && workspace.root == root
                && workspace.cargo_home == env::cargo_home()?
                && (workspace.local_manifests.iter())
                    .any(|known| [&manifest, &real_manifest].contains(&&root.join(known)))
            {
                return Ok(workspace);
            }
        }
        Ok(Memo::compute(|| Self::call_cargo(&manifest, arch, locked))?.value)
    }

    fn call_cargo(manifest: &Path, arch: Arch, locked: bool) -> Result<Computed<Self>> {
        let mut args = vec!["metadata", "--format-version=1", "--all-features", "--color=never"];
        args.extend(["--filter-platform", arch.triple()]);
        if locked {
            args.push("--locked");
        }
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        let output = cargo(folder, &args)?;
        let metadata: Metadata = serde_json::from_str(&String::from_utf8_lossy(&output.stdout))
            .map_err(|e| Error::cargo("cargo metadata printed unexpected output").source(e))?;
        let mut workspace = metadata.into_workspace(manifest)?;
        check_state_folder(&workspace.root)?;
        check_writable(&workspace.state_folder())?;
        let configs = workspace.config_files()?;
        let included = included(configs.iter().map(|file| workspace.root.join(file)))?;
        workspace.included_configs = included.iter().map(|file| relative(file, &workspace.root)).collect();
        let (deps, base) = (workspace.memo_deps()?, workspace.root.clone());
        Ok(Computed { deps, path: memo_path(&base, arch), base, value: workspace })
    }
}

/// Refuses a state folder that is a link to a place outside of the workspace.
fn check_state_folder(root: &Path) -> Result<()> {
    ["target", "target/lambda"].iter().try_for_each(|name| fs::refuse_to_leave(&root.join(name), root))
}

/// Refuses a state folder in which the user cannot write, such as one that root left.
fn check_writable(state: &Path) -> Result<()> {
    if !fs::is_dir(state) || fs::is_writable(state) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Io, format!("{} cannot be written: it may belong to another user", state.display()))
        .hint_with("remove it, or give it to yourself: `sudo chown -R \"$(id -u)\" target/lambda`"))
}

fn memo_path(root: &Path, arch: Arch) -> PathBuf {
    root.join(format!("target/lambda/workspace-{arch}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_may_not_lead_out_of_the_workspace() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        check_state_folder(root.path()).unwrap();
        fs::create_dirs(&root.path().join("elsewhere")).unwrap();
        link(&root.path().join("elsewhere"), "target");
        check_state_folder(root.path()).unwrap();
        link(other.path(), "elsewhere/lambda");
        assert!(check_state_folder(root.path()).unwrap_err().to_string().contains("target/lambda leads out of"));
    }
}
