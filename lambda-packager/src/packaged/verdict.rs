//! Hit or miss, and every reason for a miss.

use serde::Serialize;

/// Whether a run reused the last zip, and if not, why.
///
/// `Display` prints the line that the command prints: `cache-hit`, or
/// `cache-miss: changed src/main.rs (+1 more)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The zip was reused: packaging again would make the same bytes.
    Hit,
    /// The zip was made. The reasons are never empty; the most important one is first.
    Miss(Vec<Reason>),
}

/// Why the last zip was not reused. `Display` prints it in a few words: `changed src/main.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The setting `force` was on, or `use_cache` was off.
    Forced,
    /// Nothing was packaged yet.
    FirstBuild,
    /// The manifest of the last build could not be used.
    Manifest {
        /// What is wrong with it.
        problem: ManifestProblem,
    },
    /// The zip did not exist any more.
    ZipMissing {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
    },
    /// The zip was not the one that was packaged.
    ZipModified {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
        /// SHA-256 of the one that was found.
        new: String,
    },
    /// The bootstrap beside the zip did not exist any more.
    BootstrapMissing {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
    },
    /// The bootstrap beside the zip was not the one in the zip.
    BootstrapModified {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was packaged.
        old: String,
        /// SHA-256 of the one that was found.
        new: String,
    },
    /// The last build used a fallback, and the settings do not allow it any more.
    Fallback {
        /// The backend, and why it was used.
        #[serde(rename = "road")]
        backend: String,
    },
    /// A setting, the toolchain or a passed variable changed.
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
        /// Its path, relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input was added.
    Added {
        /// Its path, relative to the workspace.
        path: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input was removed.
    Removed {
        /// Its path, relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
    },
    /// An input became executable, or stopped being executable.
    ModeChanged {
        /// Its path, relative to the workspace.
        path: String,
        /// Kind and SHA-256 in the last build.
        old: String,
        /// Kind and SHA-256 now.
        new: String,
    },
    /// An input changed while the last build was reading it.
    ChangedWhileCompiling {
        /// Its path, relative to the workspace.
        path: String,
    },
}

/// Why the manifest of the last build could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ManifestProblem {
    /// There is none.
    Absent,
    /// It is not JSON, or a part is missing.
    Unreadable {
        /// What the parser says.
        detail: String,
    },
    /// Written by a newer version of this program.
    Newer {
        /// Its schema.
        schema: u32,
    },
    /// Written by an older version of this program.
    Older {
        /// Its schema.
        schema: u32,
    },
    /// It is the manifest of another function or of another folder.
    Foreign {
        /// The function or the folder.
        owner: String,
    },
    /// It names inputs outside of the workspace and its local packages; these are not read.
    Outside {
        /// One of them, relative to the workspace.
        path: String,
    },
}

impl Reason {
    /// The order of reasons, smallest first: what the user did on purpose, then what affects most of a build.
    pub(crate) fn rank(&self) -> u8 {
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

    /// The file that it is about, relative to the workspace.
    pub fn path(&self) -> Option<&str> {
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
