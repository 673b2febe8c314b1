//! What a snapshot looks at.

use std::path::PathBuf;

use crate::snapshot::listing::Tree;

/// What to look at: whole trees, and single files that may or may not exist.
#[derive(Default)]
pub struct Scope {
    pub trees: Vec<Tree>,
    /// Relative to the base, or absolute. A folder here stands for the names in it.
    pub files: Vec<String>,
    /// Absolute paths that are no inputs wherever they lie: the target directory, the zip.
    pub excluded: Vec<PathBuf>,
}
