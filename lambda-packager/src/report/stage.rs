//! The stages of a run.

/// A step of the pipeline; its name is part of the JSON events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
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

impl Stage {
    /// The stage's name in events, logs and the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Verdict => "verdict",
            Self::Fetch => "fetch",
            Self::Container => "container",
            Self::Compile => "compile",
            Self::Verify => "verify",
            Self::Runtime => "runtime",
            Self::Zip => "zip",
            Self::Store => "store",
            Self::Keep => "keep",
            Self::Image => "image",
            Self::Load => "load",
            Self::Login => "login",
            Self::Push => "push",
        }
    }
}
