//! Where the files of a function are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cargo::{Function, Workspace};
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::Artifact;
use crate::pipeline::destination;
use crate::sys::{fs, lexically_clean};

/// The paths of a function's files.
pub struct Places {
    pub folder: PathBuf,
    pub manifest: PathBuf,
    pub log: PathBuf,
    /// A layer of files has none.
    pub bootstrap: Option<PathBuf>,
    /// The folder of debug information.
    pub debug: PathBuf,
    /// The zip, and the copy named by `output`.
    pub zips: Vec<PathBuf>,
    /// The lock on all of these, whatever the mode.
    pub lock: PathBuf,
}

impl Places {
    pub fn of(workspace: &Workspace, function: &Function, config: &Config) -> Result<Self> {
        let state = workspace.state_folder();
        let folder = state.join(&function.id);
        fs::refuse_to_leave(&folder, &state)?;
        let mut zips = vec![folder.join("lambda-deployment.zip")];
        zips.extend(destination::of(workspace, function, config)?);
        Ok(Self {
            manifest: folder.join("manifest.json"),
            log: folder.join("build.log"),
            bootstrap: function.kind(config).has_binary().then(|| folder.join("bootstrap")),
            debug: folder.join("debug"),
            zips,
            lock: lock_of_function(&state, &function.id),
            folder,
        })
    }

    /// Every file of the artifact: the zips, the bootstrap in them, and the debug information that `recorded` names. A
    /// record may come from elsewhere: it names nothing in other folders.
    pub fn artifact(&self, root: &Path, recorded: Option<&Artifact>) -> Vec<PathBuf> {
        let debug = recorded.into_iter().flat_map(|artifact| artifact.debug.keys());
        let debug = debug.map(|path| lexically_clean(&root.join(path))).filter(|path| path.starts_with(&self.debug));
        self.zips.iter().chain(&self.bootstrap).cloned().chain(debug).collect()
    }
}

/// The lock file for the folder `function` in the folder `state`. It is beside that folder, so that the folder can be
/// removed: a lock file that somebody may hold never is.
fn lock_of_function(state: &Path, function: &str) -> PathBuf {
    state.join(format!("{LOCK_OF_FUNCTION}{function}.lock"))
}

/// Whether `lock_of_function` gives this path.
pub fn is_lock_of_function(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(LOCK_OF_FUNCTION))
}

const LOCK_OF_FUNCTION: &str = "function-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_a_function_is_known_by_its_name() {
        let state = Path::new("/w/target/lambda");
        assert!(is_lock_of_function(&lock_of_function(state, "api")));
        assert!(!is_lock_of_function(&state.join("container.lock")));
    }
}
