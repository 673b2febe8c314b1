//! How a run ended.

use std::path::PathBuf;
use std::time::Duration;

use crate::fingerprint::manifest::Manifest;
use crate::fingerprint::verdict::Verdict;
use crate::pipeline::project::{Places, Project};
use crate::report::Reporter;
use crate::report::stage::Stage;
use crate::report::summary::Artifact;
use crate::snapshot::record::Snapshot;
use crate::sys::fs;
use crate::sys::paths::{lexically_clean, relative};

/// How a run ended.
pub struct Outcome {
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
pub struct Built {
    pub backend: String,
    /// The image that runs it.
    pub image: Option<String>,
    pub zip_bytes_before: Option<u64>,
}

impl Outcome {
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
pub fn outcome(
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
        hermetic: manifest.backend.hermetic,
        files: places.artifact().cloned().collect(),
        inputs: manifest.inputs,
        root: project.workspace.root.clone(),
    }
}
