//! What a compile is given.

use crate::cargo::{Function, Workspace};
use crate::compile::Mounts;
use crate::config::Config;
use crate::snapshot::Snapshot;
use crate::sys::Sha;

/// Decides which of cargo's records in a target directory may be reused. Cargo compares dates; a record is kept
/// only if it was made from the same content, by the digests that are stored in the target directory.
#[derive(Debug)]
pub struct Staleness {
    /// The name of each local package, and a digest of what it is compiled from.
    pub packages: Vec<(String, Sha)>,
    /// A digest of the influences on a compile that cargo does not check.
    pub surroundings: Sha,
    /// A unique name of this compile.
    pub compile: String,
    /// Earlier compiles during which no input changed: only what they made is known to be of one content.
    pub clean_compiles: Vec<String>,
}

/// A function to compile, and how.
pub struct CompileJob<'a> {
    pub workspace: &'a Workspace,
    pub function: &'a Function<'a>,
    pub config: &'a Config,
    pub mounts: &'a Mounts,
    /// Cargo's target directory, as the compile sees it.
    pub target: &'a str,
    pub staleness: &'a Staleness,
    /// The files that it is made of, as far as they are known.
    pub inputs: &'a Snapshot,
    /// Start with an empty target directory.
    pub wipe: bool,
    /// A script to run during the first compile in the target directory.
    pub pack_along: Option<&'static str>,
}
