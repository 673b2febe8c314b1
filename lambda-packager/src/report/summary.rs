//! The results of a run, as plain values for the receivers of events.

use std::path::PathBuf;
use std::time::Duration;

use crate::fingerprint::verdict::Verdict;
use crate::report::stage::Stage;
use crate::sys::sha256::Sha;

/// The packaged function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Packaged {
    /// Whether the zip of the last build was reused, or why it was not.
    pub verdict: Verdict,
    /// Absolute path of the zip: the `output` if one is set.
    pub zip: PathBuf,
    /// SHA-256 of the zip.
    pub zip_sha256: Sha,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of the `bootstrap` in it in bytes.
    pub bootstrap_bytes: u64,
    /// Absolute path of `manifest.json`, the record of the build.
    pub manifest: PathBuf,
}

impl Packaged {
    /// Whether the zip of the last build was reused.
    pub fn is_hit(&self) -> bool {
        self.verdict == Verdict::Hit
    }
}

/// The result of a run.
pub struct Summary {
    pub packaged: Packaged,
    /// The path of the zip relative to the workspace.
    pub zip_shown: String,
    pub stages: Vec<(Stage, Duration)>,
    /// Only after a miss.
    pub built: Option<Built>,
}

/// The result of a build.
pub struct Built {
    pub backend: String,
    /// The image that runs the function.
    pub image: Option<String>,
    pub zip_bytes_before: Option<u64>,
}

/// A container image that was made or pushed.
pub struct ImageSummary {
    /// Its reference, or `repository@digest` before it is in a registry.
    pub name: String,
    /// The immutable tag, then the moving ones.
    pub tags: Vec<String>,
    pub size_bytes: u64,
    pub layers: usize,
    /// The whole record, for programs.
    pub record: serde_json::Value,
}
