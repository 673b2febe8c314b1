//! The folders that the user's own cargo writes to. What it makes is no input, wherever it was told to make it: into a
//! folder that was there before, it writes no tag.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::sys::env;

impl Workspace {
    /// The target directories in the workspace and its packages that are known: ours, those of cargo's configuration, and
    /// that of the cargo around us or, by its variables, of the next one. None has a package in it.
    pub fn target_folders(&self) -> Vec<PathBuf> {
        let own = [self.root.join("target")].into_iter().chain(self.configured_targets.iter().cloned());
        let around: Vec<PathBuf> = match env::var_os("OUT_DIR") {
            // Cargo starts a build script in the folder of its package; names are relative to where it was called itself.
            Some(out) => around(Path::new(&out), env::var_os("TARGET").as_deref().map(Path::new)).into_iter().collect(),
            None => {
                let target = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].into_iter().find_map(env::var_os);
                [target, env::var_os("CARGO_BUILD_BUILD_DIR")].into_iter().filter_map(below_current).collect()
            }
        };
        let packages = self.package_folders();
        let places = || packages.iter().chain([&self.root]);
        let is_inside = |folder: &PathBuf| {
            places().any(|place| folder.starts_with(place)) && !places().any(|place| place.starts_with(folder))
        };
        own.chain(around).filter(is_inside).collect()
    }
}

/// The folder that a variable of cargo's names; `None` for a template, which names one of many.
fn below_current(named: Option<OsString>) -> Option<PathBuf> {
    let named = named.filter(|folder| !folder.is_empty() && !folder.to_string_lossy().contains('{'))?;
    Some(env::current_dir().ok()?.join(named))
}

/// The target directory around `out`, a build script's `<target>/[<triple>/]<profile>/build/<unit>/out`; since cargo 1.100 a
/// unit has two folders.
fn around(out: &Path, triple: Option<&Path>) -> Option<PathBuf> {
    let build = out.ancestors().skip(2).take(2).find(|folder| folder.ends_with("build"))?;
    let folder = build.parent()?.parent()?;
    let is_of_triple = triple.is_some_and(|triple| folder.ends_with(triple));
    if is_of_triple { folder.parent().map(PathBuf::from) } else { Some(folder.to_path_buf()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_around_the_folder_of_a_build_script() {
        for (out, folder) in [
            ("/w/build/release/build/a-0123/out", "/w/build"),
            ("/w/build/release/build/a/0123/out", "/w/build"),
            ("/w/t/x86_64-unknown-linux-gnu/dist/build/a-0123/out", "/w/t"),
        ] {
            let triple = Some(Path::new("x86_64-unknown-linux-gnu"));
            assert_eq!(around(Path::new(out), triple), Some(PathBuf::from(folder)), "{out}");
        }
        assert_eq!(around(Path::new("/w/elsewhere/out"), None), None);
    }

    #[test]
    fn a_target_directory_is_in_the_workspace_and_has_no_package_in_it() {
        let mut workspace = Workspace::sample(Path::new("/w"), &[("deep/a", &["a"])]);
        workspace.configured_targets = ["/w/made", "/w/deep", "/w", "/elsewhere"].map(PathBuf::from).into();
        let folders = workspace.target_folders();
        assert_eq!(folders, ["/w/target", "/w/made"].map(PathBuf::from));
    }
}
