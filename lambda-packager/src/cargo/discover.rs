//! Finds the workspace of a folder: from what is remembered, or by asking cargo.

use std::path::{Path, PathBuf};

use crate::cargo::command::cargo;
use crate::cargo::config_include::included;
use crate::cargo::metadata::Answer;
use crate::cargo::workspace::Workspace;
use crate::config::Arch;
use crate::error::{Error, Result};
use crate::snapshot::memo::{Computed, Memo};
use crate::sys::paths::relative;
use crate::sys::{env, fs};

impl Workspace {
    /// The workspace that `start` lies in. Asks cargo only if what is remembered no longer holds.
    ///
    /// # Errors
    /// Where there is no cargo project, or cargo cannot resolve it.
    pub fn discover(start: &Path, arch: Arch, locked: bool) -> Result<Self> {
        let nearest = start.ancestors().find(|folder| fs::is_file(&folder.join("Cargo.toml"))).ok_or_else(|| {
            Error::config(format!("{} is not in a cargo project", start.display()))
                .hint_with("run this in a folder with a Cargo.toml, or below one")
        })?;
        let manifest = nearest.join("Cargo.toml");
        for root in nearest.ancestors() {
            if keeps_inside(root).is_err() {
                continue;
            }
            let remembered = Memo::<Self>::load(&remembered_at(root, arch), root)?;
            if let Some(workspace) = remembered
                && workspace.root == root
                && workspace.cargo_home == env::cargo_home()?
                && (workspace.local_manifests.iter()).any(|known| root.join(known) == manifest)
            {
                return Ok(workspace);
            }
        }
        Memo::compute(|| Self::ask_cargo(&manifest, arch, locked))
    }

    fn ask_cargo(manifest: &Path, arch: Arch, locked: bool) -> Result<Computed<Self>> {
        let mut args = vec!["metadata", "--format-version=1", "--all-features", "--color=never"];
        args.extend(["--filter-platform", arch.triple()]);
        if locked {
            args.push("--locked");
        }
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        let output = cargo(folder, &args)?;
        let answer: Answer = serde_json::from_str(&String::from_utf8_lossy(&output.stdout))
            .map_err(|e| Error::cargo("cargo metadata printed unexpected output").source(e))?;
        let mut workspace = answer.into_workspace(manifest)?;
        keeps_inside(&workspace.root)?;
        let configs = workspace.config_files()?;
        let included = included(configs.iter().map(|file| workspace.root.join(file)))?;
        workspace.included_configs = included.iter().map(|file| relative(file, &workspace.root)).collect();
        let (guard, base) = (workspace.guards()?, workspace.root.clone());
        Ok(Computed { guard, path: remembered_at(&base, arch), base, value: workspace })
    }
}

/// Refuses a state folder that a link leads out of the workspace.
fn keeps_inside(root: &Path) -> Result<()> {
    ["target", "target/lambda"].iter().try_for_each(|name| fs::refuse_to_leave(&root.join(name), root))
}

fn remembered_at(root: &Path, arch: Arch) -> PathBuf {
    root.join(format!("target/lambda/workspace-{arch}.json"))
}
