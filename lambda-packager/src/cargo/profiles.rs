//! The profiles in a workspace's manifest.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::sys::{Table, toml};

/// The `[profile.*]` tables of a workspace manifest.
#[derive(PartialEq, Serialize, Deserialize)]
pub struct Profiles(Vec<Profile>);

/// A table, as far as the packager uses it.
#[derive(PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    inherits: Option<String>,
    keys: Vec<String>,
}

impl Profiles {
    /// # Errors
    /// If the manifest cannot be read or parsed.
    pub fn read(manifest: &Path) -> Result<Self> {
        Ok(Self::of(&toml::read(manifest)?))
    }

    fn of(manifest: &Table) -> Self {
        let mut profiles = Vec::new();
        for (name, keys) in manifest.get("profile").and_then(Value::as_object).into_iter().flatten() {
            let Some(keys) = keys.as_object() else { continue };
            let inherits = keys.get("inherits").and_then(Value::as_str).map(String::from);
            profiles.push(Profile { name: name.clone(), inherits, keys: keys.keys().cloned().collect() });
        }
        Self(profiles)
    }

    fn named(&self, name: &str) -> Option<&Profile> {
        self.0.iter().find(|profile| profile.name == name)
    }

    /// Whether the manifest sets `key` in `profile` or in a profile that it inherits from.
    pub fn sets(&self, profile: &str, key: &str) -> bool {
        let sets = |profile: &Profile| profile.keys.iter().any(|known| known == key);
        self.lineage(profile).iter().filter_map(|name| self.named(name)).any(sets)
    }

    /// `profile` and all profiles that it inherits from. A cycle ends at its first repetition.
    fn lineage(&self, profile: &str) -> Vec<String> {
        let mut names = vec![profile.to_string()];
        while let Some(parent) = self.named(&names[names.len() - 1]).and_then(|profile| profile.inherits.clone()) {
            if names.contains(&parent) {
                break;
            }
            names.push(parent);
        }
        if profile == "bench" {
            names.push("release".into());
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_inherit() {
        let manifest = "[profile.release]\nstrip = true\n[profile.dist]\ninherits = \"release\"\nlto = true\n\
             [profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"a\"\n";
        let profiles = Profiles::of(&toml::parse(manifest.as_bytes(), Path::new("Cargo.toml")).unwrap());
        assert!(profiles.sets("dist", "strip") && profiles.sets("bench", "strip") && !profiles.sets("release", "lto"));
        assert!(!profiles.sets("dev", "strip") && !profiles.sets("a", "strip"));
    }
}
