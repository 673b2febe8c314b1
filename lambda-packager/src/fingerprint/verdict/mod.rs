//! Whether the zip on disk is the one that a build would make.

mod decide;
mod display;
mod reason;

pub use decide::{ArtifactState, Present, decide};
pub use reason::{Reason, Verdict};
