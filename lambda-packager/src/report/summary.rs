//! The results of a run, as plain values for the receivers of events.

use std::time::Duration;

use crate::packaged::Packaged;
use crate::report::Stage;

/// The result of a run.
pub struct Summary {
    pub packaged: Packaged,
    /// Whether no other function is packaged in this run.
    pub is_alone: bool,
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
