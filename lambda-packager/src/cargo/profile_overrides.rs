//! The profiles as the variables and flags of one compile override them.

use crate::cargo::{Profiles, Workspace, config_flags};
use crate::config::Config;
use crate::sys::env;

/// The profiles of the workspace, with what the variables that `config` passes on set, and then its flags of cargo.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/config.html#environment-variables>.
pub fn profiles(workspace: &Workspace, config: &Config) -> Profiles {
    let passed = config.pass_env.iter().filter_map(|name| Some((name.as_str(), env::var(name)?)));
    overridden(workspace, config, passed)
}

fn overridden<'a>(
    workspace: &Workspace,
    config: &Config,
    variables: impl Iterator<Item = (&'a str, String)>,
) -> Profiles {
    let mut profiles = workspace.profiles.clone();
    for (name, value) in variables {
        for profile in profiles.lineage(&config.profile) {
            let start = format!("CARGO_PROFILE_{}_", profile.to_uppercase().replace('-', "_"));
            if let Some(key) = name.strip_prefix(&start) {
                // A number or a truth value, or a text.
                let value = serde_json::from_str(&value).unwrap_or_else(|_| value.clone().into());
                profiles.set(&profile, &key.to_lowercase().replace('_', "-"), value);
            }
        }
    }
    config_flags::tables(workspace, &config.cargo_flags).iter().for_each(|table| profiles.join(table));
    profiles
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sys::fs;

    #[test]
    fn a_variable_is_stronger_than_a_file_and_a_flag_than_a_variable() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::replace(&dir.path().join(name), text.as_bytes(), 0o644, None).unwrap();
        write("more.toml", "[profile.release]\ndebug = 1\n");
        write("debug.toml", "include = [\"more.toml\"]\n[profile.dist]\nsplit-debuginfo = \"unpacked\"\n");
        write("none.toml", "include = [\"more.toml\"]\n[profile.release]\ndebug = 0\n");
        write("broken.toml", "[profile");
        let mut workspace = Workspace::sample(dir.path(), &[]);
        workspace.profiles.set("dist", "inherits", json!("release"));
        workspace.profiles.set("release", "lto", json!(true));
        let variable = "CARGO_PROFILE_RELEASE_DEBUG";
        for (variables, flags, expected) in [
            (vec![], vec![], (false, false)),
            (vec![], vec!["--config", "profile.release.debug=1"], (true, false)),
            (vec![], vec!["--config=profile.dist.debug=\"limited\""], (true, false)),
            (vec![], vec!["--config", "profile.release.package.a.debug=1"], (true, false)),
            (vec![], vec!["--config", "profile.other.debug=1"], (false, false)),
            (vec![], vec!["--config", "debug.toml"], (true, true)),
            (vec![], vec!["--config", "none.toml"], (false, false)),
            (vec![], vec!["--config", "none.toml", "--config", "more.toml"], (true, false)),
            (vec![], vec!["--config", "debug.toml", "--config", "profile.dist.strip=true"], (false, true)),
            (vec![], vec!["--config", "broken.toml", "--config", "a b"], (false, false)),
            (vec![], vec!["--", "--config", "debug.toml"], (false, false)),
            (vec![(variable, "1")], vec![], (true, false)),
            (vec![(variable, "line-tables-only")], vec![], (true, false)),
            (vec![(variable, "false")], vec![], (false, false)),
            (vec![(variable, "2")], vec!["--config", "profile.release.debug=0"], (false, false)),
            (vec![(variable, "0")], vec!["--config", "more.toml"], (true, false)),
            (vec![("CARGO_PROFILE_DIST_SPLIT_DEBUGINFO", "unpacked")], vec![], (false, true)),
            (vec![("CARGO_PROFILE_DEV_DEBUG", "1")], vec![], (false, false)),
        ] {
            let config = Config::of(json!({"cargo_flags": flags, "profile": "dist"}));
            let passed = variables.iter().map(|(name, value)| (*name, value.to_string()));
            let profiles = overridden(&workspace, &config, passed);
            let asked = (profiles.asks_for_debug("dist"), profiles.leaves_debug_behind("dist"));
            assert_eq!(asked, expected, "{variables:?} {flags:?}");
            assert!(profiles.sets("dist", "lto"));
        }
    }
}
