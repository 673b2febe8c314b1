//! The files and folders that a snapshot records.

use std::path::PathBuf;

use crate::snapshot::Tree;

/// Whole trees, and single files that may or may not exist.
#[derive(Default)]
pub struct Scope {
    pub trees: Vec<Tree>,
    /// Relative to the base, or absolute. For a folder, the names in it are recorded.
    pub files: Vec<String>,
    /// The absolute folders of all packages: where one begins, another one ends.
    pub packages: Vec<PathBuf>,
    /// Absolute paths that are never inputs: the target directory, the zip.
    pub excluded: Vec<PathBuf>,
}
