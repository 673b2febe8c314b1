//! How a run ended.

use std::path::PathBuf;
use std::time::Duration;

use crate::cache::manifest::Manifest;
use crate::cache::snapshot::Snapshot;
use crate::cache::verdict::Verdict;
use crate::event::{Reporter, Stage};
use crate::fs::{self, Sha};
use crate::project::{Places, Project};
use crate::workspace::{lexically_clean, relative};

/// The packaged function.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Absolute path of the zip: the `output` if one is set.
    pub zip: PathBuf,
    /// SHA-256 of the zip.
    pub zip_sha256: Sha,
    /// Size of the zip.
    pub zip_bytes: u64,
    /// Size of the `bootstrap` in it.
    pub bootstrap_bytes: u64,
    /// Absolute path of the record of the build.
    pub manifest: PathBuf,
}

/// How a run ended.
pub(crate) struct Outcome {
    pub verdict: Verdict,
    pub artifact: Artifact,
    pub stages: Vec<(Stage, Duration)>,
    /// Only after a miss.
    pub built: Option<Built>,
    /// Compiled where more than the inputs could be reached.
    pub hermetic: bool,
    files: Vec<PathBuf>,
    inputs: Snapshot,
    root: PathBuf,
}

/// What is told of a build.
pub(crate) struct Built {
    pub road: String,
    /// The image that runs it.
    pub image: Option<String>,
    pub zip_bytes_before: Option<u64>,
}

impl Outcome {
    #[cfg(feature = "cli")]
    pub fn is_hit(&self) -> bool {
        self.verdict == Verdict::Hit
    }

    /// Every path that an outer cargo has to watch. One that does not exist would make it run the
    /// build script every time.
    pub fn watched(&self) -> Vec<PathBuf> {
        let inputs = self.inputs.watch_list();
        let inputs = inputs.iter().map(|path| lexically_clean(&self.root.join(path)));
        inputs
            .chain(self.files.iter().cloned())
            .filter(|path| fs::stat(path).is_ok_and(|meta| meta.is_some()))
            .collect()
    }

    /// The zip as seen from the workspace.
    pub fn shown_path(&self) -> String {
        relative(&self.artifact.zip, &self.root)
    }
}

/// The outcome of a run that left `manifest`.
pub(crate) fn outcome(
    project: &Project,
    places: &Places,
    manifest: Manifest,
    verdict: Verdict,
    built: Option<Built>,
    report: &Reporter,
) -> Outcome {
    Outcome {
        verdict,
        artifact: Artifact {
            zip: places.zips.last().cloned().unwrap_or_default(),
            zip_sha256: manifest.artifact.zip_sha256,
            zip_bytes: manifest.artifact.zip_bytes,
            bootstrap_bytes: manifest.artifact.bootstrap_bytes,
            manifest: places.manifest.clone(),
        },
        stages: report.stages(),
        built,
        hermetic: manifest.road.hermetic,
        files: places.artifact().cloned().collect(),
        inputs: manifest.inputs,
        root: project.workspace.root.clone(),
    }
}
