//! The stages of a run.

use serde::Serialize;

/// A step of the pipeline; its name is in events, logs and the manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Looking at the files that the function is made of.
    Inputs,
    /// Comparing them to the last build.
    Verdict,
    /// Downloading crates, on the host.
    Fetch,
    /// Making or finding the builder container.
    Container,
    /// Cargo, in the container.
    Compile,
    /// Checking the binary against the runtime.
    Verify,
    /// Making the clean room's own image that runs it.
    Runtime,
    /// Compressing.
    Zip,
    /// Writing the artifact and its record.
    Store,
    /// Keeping compiled dependencies for other checkouts; the artifact is there by then.
    Keep,
    /// Making the container image.
    Image,
    /// Loading it into an engine.
    Load,
    /// Getting the login for a registry.
    Login,
    /// Pushing to it.
    Push,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}
