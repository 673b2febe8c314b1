//! Hit or miss, every reason for a miss, and how people and programs are told.

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
    /// The debug information beside the zip did not exist any more, or was not that of the bootstrap.
    DebugLost {
        /// Its path, relative to the workspace.
        path: String,
        /// SHA-256 of the one that was kept.
        old: String,
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
    /// The key in `target/lambda/variables.key` is not the one of the last build. Without it, nobody can tell whether a
    /// variable changed.
    OtherKey,
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
    /// It was not written where it is: it came with a checkout, an archive or a restored cache.
    Copied,
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
            Self::Setting { .. } | Self::OtherKey => 4,
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
            Self::DebugLost { .. } => 16,
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
            | Self::BootstrapModified { path, .. }
            | Self::DebugLost { path, .. } => Some(path),
            _ => None,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forced => f.write_str("forced"),
            Self::FirstBuild => f.write_str("first build"),
            Self::Manifest { problem } => write!(f, "{problem}"),
            Self::Fallback { backend } => write!(f, "compiled by a fallback that is not allowed any more: {backend}"),
            Self::ZipMissing { path, .. } => write!(f, "zip missing ({path})"),
            Self::ZipModified { path, .. } => write!(f, "zip modified ({path})"),
            Self::BootstrapMissing { path, .. } => write!(f, "bootstrap missing ({path})"),
            Self::BootstrapModified { path, .. } => write!(f, "bootstrap modified ({path})"),
            Self::DebugLost { path, .. } => write!(f, "debug information missing or modified ({path})"),
            Self::Setting { name, old, new } if name.starts_with("variable ") => {
                let state = |value: &str| if value == "unset" { "unset" } else { "set" };
                match (old.is_empty(), new.is_empty()) {
                    (true, _) => write!(f, "{name} passed"),
                    (_, true) => write!(f, "{name} no longer passed"),
                    _ if state(old) == state(new) => write!(f, "{name} changed"),
                    _ => write!(f, "{name} {} -> {}", state(old), state(new)),
                }
            }
            Self::Setting { name, old, new } => {
                let shown = |value: &str| if value.is_empty() { "none".to_string() } else { value.to_string() };
                write!(f, "{name} {} -> {}", shown(old), shown(new))
            }
            Self::OtherKey => {
                f.write_str("variables.key is not the one of the last build, so its variables cannot be compared")
            }
            Self::Changed { path, .. } => write!(f, "changed {path}"),
            Self::Added { path, .. } => write!(f, "added {path}"),
            Self::Removed { path, .. } => write!(f, "removed {path}"),
            Self::ModeChanged { path, .. } => write!(f, "permissions of {path}"),
            Self::ChangedWhileCompiling { path } => write!(f, "{path} changed while it was compiled"),
        }
    }
}

/// The old and the new value, if the reason's text does not have them.
fn values(reason: &Reason) -> Option<(&str, &str)> {
    const NONE: &str = "none";
    match reason {
        Reason::Setting { name, old, new } if name.starts_with("variable ") => {
            Some((if old.is_empty() { NONE } else { old }, if new.is_empty() { NONE } else { new }))
        }
        Reason::Changed { old, new, .. }
        | Reason::ModeChanged { old, new, .. }
        | Reason::ZipModified { old, new, .. }
        | Reason::BootstrapModified { old, new, .. } => Some((old, new)),
        Reason::Added { new, .. } => Some((NONE, new)),
        Reason::Removed { old, .. } | Reason::ZipMissing { old, .. } | Reason::BootstrapMissing { old, .. } => {
            Some((old, NONE))
        }
        _ => None,
    }
}

impl Verdict {
    /// The verdict as lines. With `all`, also a line for each reason, with its old and new value.
    pub fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        if let (Self::Miss(reasons), true) = (self, all) {
            lines.extend(reasons.iter().map(|reason| match values(reason) {
                Some((old, new)) => format!("  {reason}: {old} -> {new}"),
                None => format!("  {reason}"),
            }));
        }
        lines
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hit => f.write_str("cache-hit"),
            Self::Miss(reasons) => {
                f.write_str("cache-miss: ")?;
                if let Some(first) = reasons.first() {
                    write!(f, "{first}")?;
                }
                // The mode and its profile count as one: the mode also sets the profile.
                let is_mode = |reason: &&Reason| matches!(reason, Reason::Setting { name, .. } if name == "mode");
                let rest = reasons.iter().skip(1).filter(|reason| !is_mode(reason)).count();
                if rest > 0 {
                    write!(f, " (+{rest} more)")?;
                }
                Ok(())
            }
        }
    }
}

impl std::fmt::Display for ManifestProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("no manifest"),
            Self::Unreadable { detail } => write!(f, "unreadable manifest ({detail})"),
            Self::Newer { schema } => write!(f, "manifest of a newer lambda-packager (schema {schema})"),
            Self::Older { schema } => write!(f, "manifest of an older lambda-packager (schema {schema})"),
            Self::Foreign { owner } => write!(f, "manifest of {owner}"),
            Self::Copied => f.write_str("manifest that was not written here, see `trust_restored_cache`"),
            Self::Outside { path } => write!(f, "manifest that names {path}, outside of the workspace"),
        }
    }
}
