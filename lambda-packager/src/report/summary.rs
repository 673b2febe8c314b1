//! What is told of a run at its end.

use std::path::PathBuf;

use crate::sys::sha256::Sha;

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

/// What is told of a container image that was made or pushed.
pub struct ImageSummary {
    /// Its reference, or `repository@digest` before it is in a registry.
    pub name: String,
    /// The tag that stays, then those that move.
    pub tags: Vec<String>,
    pub size_bytes: u64,
    pub layers: usize,
    /// The whole record, for programs.
    pub record: serde_json::Value,
}
