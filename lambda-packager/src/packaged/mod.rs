//! What a run tells its caller: the zip, and why it was made or reused. Compiles on every system.

mod verdict;

use std::path::PathBuf;

pub use verdict::{ManifestProblem, Reason, Verdict};

use crate::sys::Sha;

/// A packaged function: what [`try_run`](crate::BuildScript::try_run) and [`Packager::run`](crate::Packager::run)
/// return.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Packaged {
    /// Its name; `<package>.<name>` where two packages have a function of that name.
    pub function: String,
    /// Whether the zip of the last build was reused, or why it was not.
    pub verdict: Verdict,
    /// Absolute path of the zip: the `output` if one is set.
    pub zip: PathBuf,
    /// SHA-256 of the zip.
    pub zip_sha256: Sha,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of the binary in it in bytes; 0 for a layer of files.
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

/// Everything that decides the next verdict, for a caller that compares dates and variables and asks only if one of them
/// changed.
#[derive(Debug, Default)]
pub struct Watch {
    /// Relative to the caller's folder, so that they move with a copy of the checkout. Paths elsewhere are absolute.
    pub paths: Vec<PathBuf>,
    pub variables: Vec<String>,
    /// Whether the verdict depends on more than that: the caller has to ask every time.
    pub always: bool,
}

/// The result of a run, with what the outer cargo needs to know.
pub struct ForCargo {
    pub packaged: Vec<Packaged>,
    pub watch: Watch,
    /// What stays true of the build, and needs an action.
    pub warnings: Vec<String>,
}
