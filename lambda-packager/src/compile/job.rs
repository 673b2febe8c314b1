//! What a compile is given.

use crate::cargo::{Function, Workspace};
use crate::compile::Layout;
use crate::config::Config;
use crate::snapshot::Snapshot;
use crate::sys::Sha;

/// A function to compile, and how.
#[derive(Clone)]
pub struct CompileJob<'a> {
    pub workspace: &'a Workspace,
    pub function: &'a Function<'a>,
    pub config: &'a Config,
    pub layout: Layout,
    /// Cargo's target directory, as the compile sees it.
    pub target: &'a str,
    /// The files that it is made of.
    pub inputs: &'a Snapshot,
    /// A digest of the influences on a compile that cargo does not check.
    pub surroundings: Sha,
    /// A unique name of this compile.
    pub compile: String,
    /// Start with an empty target directory.
    pub wipe: bool,
    /// The image that may keep the compiled dependencies, and a script to run during the first compile in the target
    /// directory.
    pub deps: Option<(&'a str, &'static str)>,
    /// Whether a compile can read more than its sources: headers of the machine.
    pub reads_outside: bool,
}
