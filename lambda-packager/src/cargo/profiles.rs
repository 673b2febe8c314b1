//! The profiles of a workspace, in its manifest and in the cargo configuration for it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cargo::config_include::included;
use crate::cargo::config_outer::outer;
use crate::error::Result;
use crate::sys::{Table, fs, toml};

/// The `[profile.*]` tables of a workspace: the keys of each.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profiles(BTreeMap<String, BTreeMap<String, Value>>);

impl Profiles {
    /// Of the workspace at `root`: its manifest, and cargo's configuration, which takes precedence, its own most of all.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/config.html#profile>.
    ///
    /// # Errors
    /// If a file cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self> {
        let mut profiles = Self::default();
        profiles.join(&toml::read(&root.join("Cargo.toml"))?);
        for file in outer(root)?.iter().rev() {
            profiles.join(&toml::read(file)?);
        }
        for name in [".cargo/config.toml", ".cargo/config"] {
            let file = root.join(name);
            // What a file includes is weaker than itself.
            for file in included(std::iter::once(file.clone()))?.into_iter().chain([file]) {
                if fs::is_file(&file) {
                    profiles.join(&toml::read(&file)?);
                }
            }
        }
        Ok(profiles)
    }

    /// Adds the profiles of a file; what it sets takes precedence.
    pub fn join(&mut self, file: &Table) {
        for (name, keys) in file.get("profile").and_then(Value::as_object).into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                self.set(name, key, value.clone());
            }
        }
    }

    /// Sets a key of a profile. Of a table, such as that of packages, the keys that are not in `value` stay.
    pub fn set(&mut self, profile: &str, key: &str, mut value: Value) {
        let keys = self.0.entry(profile.to_string()).or_default();
        if let Some(before) = keys.remove(key) {
            toml::merge(&mut value, before);
        }
        keys.insert(key.to_string(), value);
    }

    /// Whether the workspace sets `key` in `profile` or in a profile that it inherits from.
    pub fn sets(&self, profile: &str, key: &str) -> bool {
        self.value(profile, key).is_some()
    }

    /// Whether `profile` asks for debug information, of all packages or of one, and leaves it to others what to strip.
    ///
    /// Source: <https://doc.rust-lang.org/cargo/reference/profiles.html#debug>.
    pub fn asks_for_debug(&self, profile: &str) -> bool {
        let is_some = |value: &Value| ![json!(false), json!(0), json!("none")].contains(value);
        let of_packages = || self.of_packages(profile, "debug").into_values().any(is_some);
        !self.sets(profile, "strip") && (self.value(profile, "debug").is_some_and(is_some) || of_packages())
    }

    /// Whether the debug information of `profile` would stay in files beside each object.
    pub fn leaves_debug_behind(&self, profile: &str) -> bool {
        self.value(profile, "split-debuginfo").is_some_and(|value| value == "unpacked")
    }

    /// The value of `key` in `profile` or in the nearest profile that it inherits from.
    fn value(&self, profile: &str, key: &str) -> Option<&Value> {
        self.lineage(profile).iter().filter_map(|name| self.0.get(name)).find_map(|keys| keys.get(key))
    }

    /// The value of `key` for each package that has one of its own: the nearest.
    fn of_packages(&self, profile: &str, key: &str) -> BTreeMap<&str, &Value> {
        let mut found = BTreeMap::new();
        for name in self.lineage(profile) {
            let packages = self.0.get(&name).and_then(|keys| keys.get("package")).and_then(Value::as_object);
            for (package, keys) in packages.into_iter().flatten() {
                if let Some(value) = keys.get(key) {
                    found.entry(package.as_str()).or_insert(value);
                }
            }
        }
        found
    }

    /// `profile` and all profiles that it inherits from. A cycle ends at its first repetition.
    pub fn lineage(&self, profile: &str) -> Vec<String> {
        let mut names = vec![profile.to_string()];
        let parent = |name: &String| self.0.get(name)?.get("inherits")?.as_str();
        while let Some(parent) = names.last().and_then(parent) {
            if names.iter().any(|name| name == parent) {
                break;
            }
            names.push(parent.to_string());
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

    fn of(files: &[&str]) -> Profiles {
        let mut profiles = Profiles::default();
        files.iter().for_each(|text| profiles.join(&toml::parse(text.as_bytes(), Path::new("x")).unwrap()));
        profiles
    }

    #[test]
    fn profiles_inherit() {
        let manifest = "[profile.release]\nstrip = true\n[profile.dist]\ninherits = \"release\"\nlto = true\n\
             [profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"a\"\n";
        let profiles = of(&[manifest]);
        assert!(profiles.sets("dist", "strip") && profiles.sets("bench", "strip") && !profiles.sets("release", "lto"));
        assert!(!profiles.sets("dev", "strip") && !profiles.sets("a", "strip"));
    }

    #[test]
    fn debug_information_is_asked_for_by_the_nearest_value_unless_the_user_strips() {
        for (text, asked) in [
            ("[profile.release]\ndebug = 1\n", true),
            ("[profile.release]\ndebug = \"line-tables-only\"\nsplit-debuginfo = \"packed\"\n", true),
            ("[profile.release]\ndebug = true\n[profile.release.package.a]\ndebug = false\n", true),
            ("[profile.release]\ndebug = 0\n", false),
            ("[profile.release.package.a]\ndebug = 1\n", true),
            ("[profile.release]\ndebug = 0\n[profile.release.package.\"*\"]\ndebug = \"limited\"\n", true),
            ("[profile.release]\nstrip = true\n[profile.release.package.a]\ndebug = 1\n", false),
            ("[profile.release.package.a]\nopt-level = 1\n", false),
            ("[profile.release.build-override]\ndebug = true\n", false),
            ("[profile.release]\ndebug = \"none\"\n", false),
            ("[profile.release]\ndebug = true\nstrip = true\n", false),
            ("[profile.release]\ndebug = 2\nstrip = \"none\"\n", false),
            ("[profile.release]\nsplit-debuginfo = \"packed\"\n", false),
            ("[profile.dev]\ndebug = 2\n", false),
            ("", false),
        ] {
            let profiles = of(&[text]);
            assert_eq!(profiles.asks_for_debug("release"), asked, "{text}");
        }
        let text = "[profile.release]\ndebug = 1\nsplit-debuginfo = \"unpacked\"\n[profile.dist]\ninherits = \"release\"\ndebug = 0\n";
        let profiles = of(&[text]);
        assert!(profiles.asks_for_debug("bench") && !profiles.asks_for_debug("dist"));
        assert!(profiles.leaves_debug_behind("dist") && !profiles.leaves_debug_behind("dev"));
        // The configuration after the manifest.
        assert!(of(&[text, "[profile.dist]\ndebug = 1\n"]).asks_for_debug("dist"));
        assert!(!of(&[text, "[profile.release]\ndebug = 0\n"]).asks_for_debug("release"));
        // Package by package.
        let text = "[profile.release.package.a]\ndebug = 1\n";
        assert!(of(&[text, "[profile.release.package.b]\ndebug = 0\n"]).asks_for_debug("release"));
        assert!(!of(&[text, "[profile.release.package.a]\ndebug = 0\n"]).asks_for_debug("release"));
        let nearer = "[profile.dist]\ninherits = \"release\"\n[profile.dist.package.a]\ndebug = 0\n";
        assert!(!of(&[text, nearer]).asks_for_debug("dist"));
    }
}
