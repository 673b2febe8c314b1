//! Whether what lies on disk is what a build would make: a pure judgement over records.

use serde::Serialize;

use super::fingerprint::Ingredients;
use super::manifest::{Manifest, Problem};
use super::snapshot::{Change, What};

/// The judgement of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What is there is what would be made.
    Hit,
    /// It has to be made; the most telling reason first, never empty.
    Miss(Vec<Reason>),
}

/// One cause of a miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The user said so.
    Forced,
    /// There is no manifest: nothing was packaged here yet.
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
    },
    /// The zip is not the one that was packaged.
    ZipModified {
        /// Its path, relative to the workspace.
        path: String,
    },
    /// The bootstrap beside the zip is gone.
    BootstrapMissing {
        /// Its path, relative to the workspace.
        path: String,
    },
    /// The bootstrap beside the zip is not the one in it.
    BootstrapModified {
        /// Its path, relative to the workspace.
        path: String,
    },
    /// A setting, a toolchain or a passed variable differs.
    Setting {
        /// Its name, such as `profile`.
        name: String,
        /// Its value in the last build; empty where it had none.
        old: String,
        /// Its value now; empty where it has none.
        new: String,
    },
    /// An input has other content.
    Changed {
        /// Relative to the workspace.
        path: String,
        /// SHA-256 before and after.
        digests: [String; 2],
    },
    /// An input is new.
    Added {
        /// Relative to the workspace.
        path: String,
    },
    /// An input is gone.
    Removed {
        /// Relative to the workspace.
        path: String,
    },
    /// An input may now be executed, or no longer.
    ModeChanged {
        /// Relative to the workspace.
        path: String,
    },
    /// An input changed while the last build was reading it.
    ChangedWhileCompiling {
        /// Relative to the workspace.
        path: String,
    },
}

/// A file of the artifact, compared to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArtifactState {
    Intact,
    Missing,
    Modified,
}

/// What the judge is told of the present.
#[derive(Debug)]
pub(crate) struct Present<'a> {
    pub ingredients: &'a Ingredients,
    pub changes: &'a [Change],
    /// Each place of the zip, and the bootstrap, relative to the workspace.
    pub artifact: &'a [(String, ArtifactState)],
    pub forced: bool,
}

/// Judges.
pub(crate) fn judge(recorded: &Result<Manifest, Problem>, present: &Present) -> Verdict {
    let mut reasons = Vec::new();
    if present.forced {
        reasons.push(Reason::Forced);
    }
    match recorded {
        Err(Problem::Absent) => reasons.push(Reason::FirstBuild),
        Err(problem) => reasons.push(Reason::Manifest { problem: problem.clone() }),
        Ok(manifest) => reasons.extend(differences(manifest, present)),
    }
    reasons.sort_by_key(|reason| (rank(reason), path_of(reason).map(String::from)));
    if reasons.is_empty() { Verdict::Hit } else { Verdict::Miss(reasons) }
}

fn differences(manifest: &Manifest, present: &Present) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let names = manifest.ingredients.keys().chain(present.ingredients.keys());
    let names: std::collections::BTreeSet<_> = names.collect();
    for name in names {
        let value = |all: &Ingredients| all.get(name).cloned().unwrap_or_default();
        let (old, new) = (value(&manifest.ingredients), value(present.ingredients));
        if old != new {
            reasons.push(Reason::Setting { name: name.clone(), old, new });
        }
    }
    for change in present.changes {
        let path = change.path.clone();
        let digest = |sha: Option<crate::fs::Sha>| sha.map_or(String::new(), |sha| sha.to_string());
        reasons.push(match change.what {
            What::Added => Reason::Added { path },
            What::Removed => Reason::Removed { path },
            What::Mode => Reason::ModeChanged { path },
            What::Content => Reason::Changed { path, digests: [digest(change.before), digest(change.after)] },
        });
    }
    let unsettled = manifest.changed_while_compiling.iter().cloned();
    reasons.extend(unsettled.map(|path| Reason::ChangedWhileCompiling { path }));
    for (path, state) in present.artifact {
        let (path, is_bootstrap) = (path.clone(), path.ends_with("/bootstrap"));
        reasons.extend(match state {
            ArtifactState::Intact => None,
            ArtifactState::Missing if is_bootstrap => Some(Reason::BootstrapMissing { path }),
            ArtifactState::Missing => Some(Reason::ZipMissing { path }),
            ArtifactState::Modified if is_bootstrap => Some(Reason::BootstrapModified { path }),
            ArtifactState::Modified => Some(Reason::ZipModified { path }),
        });
    }
    reasons
}

/// The smaller, the more it tells: what the user did on purpose, then what moves most of a build.
fn rank(reason: &Reason) -> u8 {
    match reason {
        Reason::Forced => 0,
        Reason::FirstBuild | Reason::Manifest { .. } => 1,
        // The mode also sets the profile; `profile release -> dev` tells both.
        Reason::Setting { name, .. } if name == "profile" => 2,
        Reason::Setting { name, .. } if name == "mode" => 4,
        Reason::Setting { .. } => 3,
        reason if path_of(reason).is_some_and(|path| path.ends_with("Cargo.lock")) => 5,
        reason
            if path_of(reason).is_some_and(|path| path.ends_with("Cargo.toml") || path.contains("rust-toolchain")) =>
        {
            6
        }
        Reason::Changed { .. } => 7,
        Reason::Added { .. } => 8,
        Reason::Removed { .. } => 9,
        Reason::ModeChanged { .. } => 10,
        Reason::ChangedWhileCompiling { .. } => 11,
        Reason::ZipMissing { .. } => 12,
        Reason::ZipModified { .. } => 13,
        Reason::BootstrapMissing { .. } => 14,
        Reason::BootstrapModified { .. } => 15,
    }
}

fn path_of(reason: &Reason) -> Option<&str> {
    match reason {
        Reason::Changed { path, .. }
        | Reason::Added { path }
        | Reason::Removed { path }
        | Reason::ModeChanged { path }
        | Reason::ChangedWhileCompiling { path }
        | Reason::ZipMissing { path }
        | Reason::ZipModified { path }
        | Reason::BootstrapMissing { path }
        | Reason::BootstrapModified { path } => Some(path),
        _ => None,
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forced => f.write_str("forced"),
            Self::FirstBuild => f.write_str("first build"),
            Self::Manifest { problem } => write!(f, "{problem}"),
            Self::ZipMissing { path } => write!(f, "zip missing ({path})"),
            Self::ZipModified { path } => write!(f, "zip modified ({path})"),
            Self::BootstrapMissing { path } => write!(f, "bootstrap missing ({path})"),
            Self::BootstrapModified { path } => write!(f, "bootstrap modified ({path})"),
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
            Self::Changed { path, .. } => write!(f, "changed {path}"),
            Self::Added { path } => write!(f, "added {path}"),
            Self::Removed { path } => write!(f, "removed {path}"),
            Self::ModeChanged { path } => write!(f, "permissions of {path}"),
            Self::ChangedWhileCompiling { path } => write!(f, "{path} changed while it was compiled"),
        }
    }
}

#[cfg(feature = "cli")]
impl Verdict {
    /// The verdict as lines; with `all`, a line for each reason with its old and new value.
    pub(crate) fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        if let (Self::Miss(reasons), true) = (self, all) {
            lines.extend(reasons.iter().map(|reason| match reason {
                Reason::Changed { digests: [old, new], .. } => format!("  {reason}: sha256 {old} -> {new}"),
                reason => format!("  {reason}"),
            }));
        }
        lines
    }

    /// The verdict and every reason as one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        let reasons: &[Reason] = match self {
            Self::Hit => &[],
            Self::Miss(reasons) => reasons,
        };
        serde_json::json!({"v": 1, "event": "verdict", "verdict": self.to_string(), "hit": reasons.is_empty(), "reasons": reasons}).to_string()
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
                // The mode and its profile are one decision.
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
