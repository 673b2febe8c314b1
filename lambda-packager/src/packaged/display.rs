//! A verdict as text: one or more lines for people, JSON for programs.

use crate::packaged::{ManifestProblem, Reason, Verdict};

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

    /// The verdict and every reason as one line of JSON.
    pub fn to_json(&self) -> String {
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
            Self::Outside { path } => write!(f, "manifest that names {path}, outside of the workspace"),
        }
    }
}
