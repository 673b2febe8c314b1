//! The record of what was built from which inputs, and whether it is still valid.

pub mod declared;
pub mod git;
pub mod git_rules;
pub mod ingredients;
pub mod inputs;
pub mod key;
pub mod manifest;
pub mod verdict;
pub mod why;

pub use ingredients::Ingredients;
pub use inputs::DiscoveredInputs;
pub use key::Key;
pub use manifest::{Artifact, Manifest, Run, is_bootstrap};
pub use verdict::{ArtifactState, Present};
