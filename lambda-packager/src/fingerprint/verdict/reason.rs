//! The result of the check: reuse the last zip, or the reasons why it must be made again.

use serde::Serialize;

use crate::fingerprint::manifest::Problem;

/// Whether a run reuses the last zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Packaging again would make the same zip.
    Hit,
    /// The zip must be made; the most important reason first, never empty.
    Miss(Vec<Reason>),
}

/// One cause of a miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The setting `force` is on.
    Forced,
    /// There is no manifest: nothing was packaged yet.
    FirstBuild,
    /// There is a manifest, but it cannot be used.
    Manifest {
        /// What is wrong with it.
        problem: Problem,
    },
    /// The zip is gone.
    ZipMissing {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
    },
    /// The zip is not the one that was packaged.
    ZipModified {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
        /// SHA-256 of the one that is there.
        new: String,
    },
    /// The bootstrap beside the zip is gone.
    BootstrapMissing {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
    },
    /// The bootstrap beside the zip differs from the one in the zip.
    BootstrapModified {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
        /// SHA-256 of the one that is there.
        new: String,
    },
    /// It was compiled by a fallback backend that the settings do not allow now.
    Fallback {
        /// That backend, and why it was used.
        #[serde(rename = "road")]
        backend: String,
    },
    /// A setting, a toolchain or a passed variable differs.
    Setting {
        /// Its name, such as `profile`.
        name: String,
        /// Its value in the last build; empty if it had none.
        old: String,
        /// Its value now; empty if it has none.
        new: String,
    },
    /// The content of an input changed.
    Changed {
        /// Relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input is new.
    Added {
        /// Relative to the workspace.
        path: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input is gone.
    Removed {
        /// Relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
    },
    /// An input became executable, or stopped being executable.
    ModeChanged {
        /// Relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input changed while the last build was reading it.
    ChangedWhileCompiling {
        /// Relative to the workspace.
        path: String,
    },
}

impl Reason {
    /// The order of reasons, smallest first: what the user did on purpose, then what affects most of a build.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Forced => 0,
            Self::FirstBuild | Self::Manifest { .. } | Self::Fallback { .. } => 1,
            // The mode also sets the profile, so `profile release -> dev` says enough.
            Self::Setting { name, .. } if name == "profile" => 2,
            Self::Setting { name, .. } if name == "mode" => 3,
            Self::Setting { .. } => 4,
            _ if self.path().is_some_and(|path| path.ends_with("Cargo.lock")) => 5,
            _ if self.path().is_some_and(|path| path.ends_with("Cargo.toml") || path.contains("rust-toolchain")) => 6,
            Self::Changed { .. } => 7,
            Self::Added { .. } => 8,
            Self::Removed { .. } => 9,
            Self::ModeChanged { .. } => 10,
            Self::ChangedWhileCompiling { .. } => 11,
            Self::ZipMissing { .. } => 12,
            Self::ZipModified { .. } => 13,
            Self::BootstrapMissing { .. } => 14,
            Self::BootstrapModified { .. } => 15,
        }
    }

    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Changed { path, .. }
            | Self::Added { path, .. }
            | Self::Removed { path, .. }
            | Self::ModeChanged { path, .. }
            | Self::ChangedWhileCompiling { path }
            | Self::ZipMissing { path, .. }
            | Self::ZipModified { path, .. }
            | Self::BootstrapMissing { path, .. }
            | Self::BootstrapModified { path, .. } => Some(path),
            _ => None,
        }
    }
}
