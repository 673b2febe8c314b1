//! Everything besides files that decides the bytes of the zip, and one digest over both.

use std::collections::BTreeMap;

use crate::cargo;
use crate::cargo::{Function, Toolchain};
use crate::config::Config;
use crate::fingerprint::Key;
use crate::snapshot::Snapshot;
use crate::sys::{PACKAGER, Sha, env};

/// Name and value of everything besides files that decides the bytes of the zip. A verdict shows these names.
pub type Ingredients = BTreeMap<String, String>;

/// What the names of variables begin with.
pub const VARIABLE: &str = "variable ";
/// In place of the digest of a variable that is not set.
pub const UNSET: &str = "unset";
/// The key by which the digests of variables were made, where there are any.
pub const KEY: &str = "key of variables";

/// The ingredients of a run. `toolchain` is the host's toolchain, if that compiles, and `linkers` those that it is told of;
/// `builder` is the name of the builder
/// image, if that compiles; `key` is the workspace's, where variables are passed.
pub fn ingredients(
    config: &Config,
    function: &Function,
    toolchain: Option<&Toolchain>,
    linkers: Option<Sha>,
    builder: Option<&str>,
    key: Option<&Key>,
) -> Ingredients {
    let mut all = Ingredients::new();
    let mut set = |name: &str, value: String| all.insert(name.to_string(), value);
    set("packager", PACKAGER.into());
    set("function", format!("{}/{}", function.package.name, function.path()));
    set("kind", function.kind(config).to_string());
    set("mode", config.mode.to_string());
    set("profile", config.profile.clone());
    set("target", config.target_arch.to_string());
    set("runtime", config.runtime.to_string());
    set("features", listed(&config.features, ","));
    set("cargo flags", listed(&config.cargo_flags, " "));
    set("include", listed(&config.include, ","));
    set("engine", config.engine.to_string());
    set("base", config.base.to_string());
    set("network", config.network.to_string());
    for name in cargo::env::passed(config) {
        // The value decides the bytes, but it may be a secret: store only a digest by which it cannot be guessed.
        let value = env::var_os(&name).zip(key);
        let value = value.map(|(value, key)| key.digest(&name, value.as_encoded_bytes()).to_string());
        set(&format!("{VARIABLE}{name}"), value.unwrap_or_else(|| UNSET.into()));
        key.iter().for_each(|key| drop(set(KEY, key.name())));
    }
    if let Some(toolchain) = toolchain {
        set("rustc", format!("{} ({})", toolchain.rustc_release, toolchain.rustc.short(12)));
        set("C toolchain", toolchain.cc.short(12));
    }
    if let Some(linkers) = linkers {
        set("linkers", linkers.short(12));
    }
    if let Some(builder) = builder {
        set("builder image", builder.into());
    }
    all
}

/// A list as a person would write it. Two different lists never have the same text.
fn listed(list: &[String], separator: &str) -> String {
    let write = |item: &String| {
        let plain = !item.is_empty() && !item.contains(separator) && !item.contains(['"', '\\']);
        if plain { item.clone() } else { format!("{item:?}") }
    };
    list.iter().map(write).collect::<Vec<_>>().join(separator)
}

/// The fingerprint: one digest over the ingredients and over path, kind and content of every input.
pub fn digest(ingredients: &Ingredients, inputs: &Snapshot) -> Sha {
    let mut text = String::new();
    for (name, value) in ingredients {
        text.push_str(&format!("{name}={value}\n"));
    }
    // A file in two trees counts once: naming it in `inputs` as well changes no byte.
    for (path, entry) in inputs.by_path() {
        // For a file outside of the workspace, its folder does not matter to the build.
        let path = if path.starts_with('/') { path.rsplit('/').next().unwrap_or_default() } else { &path };
        text.push_str(&format!("{path}\0{}\n", entry.state()));
    }
    Sha::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::cargo::Workspace;
    use crate::config::{Arch, SETTINGS};

    #[test]
    fn different_lists_have_different_texts() {
        let lists: [&[&str]; 7] = [&[], &[""], &["a", "b"], &["a b"], &["\"a b\""], &["a", "", "b"], &["a\\ b"]];
        let written: Vec<String> = lists
            .iter()
            .map(|list| listed(&list.iter().map(|item| item.to_string()).collect::<Vec<_>>(), " "))
            .collect();
        assert_eq!(written[2], "a b");
        let distinct: std::collections::BTreeSet<_> = written.iter().collect();
        assert_eq!(distinct.len(), written.len(), "{written:?}");
    }

    /// Settings that do not decide the bytes of the zip. The package is in `function`; the copy at `output` is checked
    /// separately; what `inputs` and `exclude` select is in the fingerprint by path and content; both backends make the
    /// same bytes.
    const NO_INGREDIENTS: &str = "package output inputs exclude clean_room pull_policy container_name locked use_cache trust_restored_cache \
        force require_container engine_timeout_secs deps_cache_limit label environments image_name registry \
        registry_login";

    fn with(config: &Config, name: &str, toolchain: Option<&Toolchain>, builder: Option<&str>) -> Ingredients {
        let workspace = Workspace::sample(Path::new("/w"), &[("p", &[name])]);
        let function = Function::of(&workspace.members[0], &workspace.members[0].programs[0]);
        ingredients(config, &function, toolchain, None, builder, Some(&Key::sample(1)))
    }

    fn of(settings: serde_json::Value) -> Ingredients {
        let config = Config::of(settings);
        let name = config.function.as_ref().and_then(|names| names.wanted().next()).unwrap_or("f");
        with(&config, name, None, None)
    }

    #[test]
    fn every_setting_is_an_ingredient_or_known_to_decide_no_byte() {
        let another = json!({
            "package": "other", "function": "other", "kind": "extension", "mode": "dev", "profile": "other", "features": ["other"],
            "target_arch": if Arch::of_this_machine() == Arch::Arm64 { "x86_64" } else { "arm64" },
            "runtime": "provided.al2", "cargo_flags": ["--other"], "engine": "host", "base": "other",
            "output": "other.zip", "include": ["other"], "inputs": ["other"], "exclude": ["other"], "container_name": "other", "network": "bridge",
            "pass_env": ["OTHER"], "locked": true, "use_cache": false, "trust_restored_cache": true, "force": true, "require_container": true,
            "clean_room": true, "pull_policy": "never",
            "engine_timeout_secs": 7, "deps_cache_limit": "1 GB", "label": "a=b", "environments": ["other"], "image_name": "other",
            "registry": "other", "registry_login": "none",
        });
        let default = of(json!({}));
        for (name, ..) in SETTINGS {
            assert!(!another[name].is_null(), "give `{name}` a value here that is not its default");
            let differs = of(json!({*name: another[name]})) != default;
            assert_eq!(differs, !NO_INGREDIENTS.split(' ').any(|known| known == *name), "`{name}`");
        }
        // The mode is an ingredient also if the profile stays the same.
        assert_ne!(of(json!({"mode": "dev", "profile": "release"})), default);
    }

    #[test]
    fn an_example_is_another_function_than_the_bin_of_its_name() {
        let mut workspace = Workspace::sample(Path::new("/w"), &[("p", &["f", "f"])]);
        workspace.members[0].programs[1].is_example = true;
        let all = workspace.members[0].programs.iter().map(|program| {
            let function = Function::of(&workspace.members[0], program);
            ingredients(&Config::resolve(Vec::new()), &function, None, None, None, None)["function"].clone()
        });
        assert_eq!(all.collect::<Vec<_>>(), ["p/f", "p/examples/f"]);
    }

    #[test]
    fn the_packager_and_the_borrowed_toolchain_are_ingredients() {
        let with = |toolchain: &Toolchain| with(&Config::resolve(Vec::new()), "f", Some(toolchain), None);
        let toolchain = Toolchain {
            sysroot: "/rust".into(),
            host: String::new(),
            rustc_release: "1.0.0".into(),
            rustc: Sha::of(b"rustc"),
            cc: Sha::of(b"cc"),
            cc_program: "/usr/bin/cc".into(),
            cc_files: Vec::new(),
            other_tools: Vec::new(),
            compilers: Vec::new(),
        };
        let before = with(&toolchain);
        assert_eq!(before["packager"], PACKAGER);
        assert_ne!(with(&Toolchain { rustc: Sha::of(b"other"), ..toolchain.clone() }), before);
        assert_ne!(with(&Toolchain { cc: Sha::of(b"other"), ..toolchain }), before);
    }

    #[test]
    fn the_builder_image_is_an_ingredient() {
        let with = |builder| with(&Config::resolve(Vec::new()), "f", None, Some(builder));
        assert_ne!(with("lambda-packager-builder:1"), with("lambda-packager-builder:2"));
    }
}
