//! How a run ended.

use std::path::PathBuf;

use crate::config::Runtime;
use crate::error::{ErrorKind, Result};
use crate::fingerprint::Manifest;
use crate::packaged::{Packaged, Verdict};
use crate::pipeline::Task;
use crate::report::{Built, Reporter, Summary};
use crate::snapshot::Snapshot;
use crate::sys::relative;

/// What became of a function, by its id.
pub type Ended = (String, Result<Outcome>);

/// What work for one function came to: others may still succeed, unless the engine or the user ended it.
///
/// # Errors
/// What is not of this function.
pub fn of_one<T>(result: Result<T>) -> Result<Result<T>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::Engine | ErrorKind::Interrupted { .. }) => Err(error),
        result => Ok(result),
    }
}

/// How a run ended.
pub struct Outcome {
    pub summary: Summary,
    /// Whether nothing but the inputs could be reached while compiling.
    pub hermetic: bool,
    pub runtime: Runtime,
    /// Whether the host's toolchain compiled it.
    pub host_toolchain: bool,
    /// Every file of the artifact.
    pub files: Vec<PathBuf>,
    pub inputs: Snapshot,
}

impl Outcome {
    /// The outcome of a run that left `manifest`.
    pub fn of(task: &Task, manifest: Manifest, verdict: Verdict, built: Option<Built>, report: &Reporter) -> Self {
        let (root, places) = (&task.workspace.root, &task.places);
        let function = &task.function.id;
        let zip = places.zips.last().cloned().unwrap_or_default();
        Self {
            summary: Summary {
                zip_shown: relative(&zip, root),
                is_alone: task.is_alone,
                packaged: Packaged {
                    function: function.clone(),
                    verdict,
                    zip,
                    zip_sha256: manifest.artifact.zip_sha256,
                    zip_bytes: manifest.artifact.zip_bytes,
                    bootstrap_bytes: manifest.artifact.bootstrap_bytes,
                    manifest: places.manifest.clone(),
                },
                stages: report.stages(),
                built,
            },
            hermetic: manifest.backend.hermetic,
            runtime: task.config.runtime,
            host_toolchain: manifest.backend.host_toolchain,
            files: places.artifact(root, Some(&manifest.artifact)),
            inputs: manifest.inputs,
        }
    }
}
