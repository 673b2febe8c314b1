//! What to compile.

use crate::cargo::{Function, Workspace};
use crate::compile::mounts::Mounts;
use crate::config::Config;
use crate::snapshot::record::Snapshot;
use crate::sys::sha256::Sha;

/// What decides whether cargo's records in a target directory may be believed. Cargo goes by mtime; a
/// record counts only if it was made of the same content, which the target directory remembers.
#[derive(Debug)]
pub struct Staleness {
    /// Each local package, and a digest of what it is compiled from.
    pub packages: Vec<(String, Sha)>,
    /// A digest of what reaches every compile without cargo seeing it.
    pub surroundings: Sha,
    /// A name for this compile, like no other's.
    pub compile: String,
    /// Former compiles during which no input moved: only what they made is known to be of one content.
    pub clean_compiles: Vec<String>,
}

/// What to compile.
pub struct CompileJob<'a> {
    pub workspace: &'a Workspace,
    pub function: &'a Function<'a>,
    pub config: &'a Config,
    pub layout: &'a Mounts,
    /// Cargo's target directory, as the compile sees it.
    pub target: &'a str,
    pub trust: &'a Staleness,
    /// The files that it is made of, as far as they are known.
    pub inputs: &'a Snapshot,
    /// Nothing compiled before may be used.
    pub wipe: bool,
    /// A script to run along with the first compile; empty for none.
    pub along: &'static str,
}
