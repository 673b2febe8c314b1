//! The parts of the user's cargo configuration that are forwarded into the container. The workspace's own files are
//! mounted with it. From the files outside of it, only the tables that say where crates come from, the variables of
//! `[env]`, profiles, and the Rust flags for the Lambda's target, with the linker that they are for, are forwarded; tokens never are.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/config.html>.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cargo::config_outer::outer;
use crate::cargo::{Workspace, config_flags, env};
use crate::config::Config;
use crate::error::Result;
use crate::sys::{Table, fs, lexically_clean, toml};

/// The keys of `[build]` for programs that run the compiler, such as sccache, and the variables that take precedence.
const WRAPPERS: [(&str, &str); 2] =
    [("rustc-wrapper", "RUSTC_WRAPPER"), ("rustc-workspace-wrapper", "RUSTC_WORKSPACE_WRAPPER")];

/// The configuration for the container.
#[derive(Debug, Default, Clone)]
pub struct ForwardedConfig {
    /// The text of its `config.toml`.
    pub toml: String,
    /// Folders of sources, as absolute paths. They are mounted at the same path.
    pub absolute_folders: Vec<PathBuf>,
    /// Folders that the workspace's own configuration names by a relative path, as resolved paths.
    pub relative_folders: Vec<PathBuf>,
}

/// Collects the configuration for the container's cargo.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn carry(workspace: &Workspace, config: &Config) -> Result<ForwardedConfig> {
    let (arch, triple) = (config.target_arch, config.target_arch.triple());
    let names_flags = || env::passed(config).iter().any(|name| name.ends_with("RUSTFLAGS"));
    let of_flags = config_flags::tables(workspace, &config.cargo_flags);
    let mut tables = read_all(workspace)?.into_iter().chain(of_flags);
    let has_flags = tables.any(|table| has_flags(&table, triple)) || names_flags();
    let mut forwarded = ForwardedConfig::default();
    let mut all = Value::Object(Map::new());
    for file in outer(&workspace.root)? {
        let table = toml::read(&file)?;
        toml::merge(&mut all, kept(&table, triple, has_flags, &file, &mut forwarded.absolute_folders));
    }
    for name in ["config", "config.toml"] {
        let file = workspace.root.join(".cargo").join(name);
        if fs::is_file(&file) {
            inner_folders(&toml::read(&file)?, &workspace.root, &mut forwarded);
        }
    }
    if let Some(linker) = arch.cross_compiler() {
        // Without it, rustc would link with the machine's own linker. A linker that the workspace sets takes precedence.
        toml::merge(&mut all, json!({"target": {triple: {"linker": linker}}}));
    }
    forwarded.toml = toml::print(&all)?;
    Ok(forwarded)
}

/// The names of the registries in the user's configuration and environment.
pub fn registries(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = env::registries();
    for file in read_all(workspace)? {
        names.extend(tables(&file, "registries").map(|(name, _)| name.clone()));
        // In the place of another one.
        let mirrors = tables(&file, "source").filter(|(_, source)| source.contains_key("registry"));
        names.extend(mirrors.map(|(name, _)| name.clone()));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn read_all(workspace: &Workspace) -> Result<Vec<Table>> {
    Ok(read_each(workspace)?.into_iter().map(|(_, table)| table).collect())
}

/// Each file of the configuration with its path.
pub fn read_each(workspace: &Workspace) -> Result<Vec<(PathBuf, Table)>> {
    let files = workspace.config_files()?.into_iter().map(|file| lexically_clean(&workspace.root.join(file)));
    let files = files.filter(|file| fs::is_file(file));
    files.map(|file| toml::read(&file).map(|table| (file, table))).collect()
}

/// Whether the user's configuration sets a linker for a target. For a cargo that reads the whole configuration.
pub fn names_linker(workspace: &Workspace, triple: &str) -> Result<bool> {
    for file in read_all(workspace)? {
        if of_target(&file, triple).any(|(_, target)| target.contains_key("linker")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether anything that is not the toolchain may choose another linker, or flags for it: these may name files.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn chooses_linker(workspace: &Workspace, config: &Config) -> Result<bool> {
    Ok(may_choose_linker(read_all(workspace)?, config))
}

fn may_choose_linker(files: Vec<Table>, config: &Config) -> bool {
    let named =
        |text: &str| ["linker", "rustflags", "link-arg", "RUSTFLAGS", "LINKER"].iter().any(|key| text.contains(key));
    let is_file = |flag: &String| flag == "--config" || flag.starts_with("--config=");
    let flags = &config.cargo_flags;
    flags.iter().any(|flag| is_file(flag) || named(flag))
        || env::passed(config).iter().any(|name| named(name))
        || files.into_iter().any(|file| named(&Value::Object(file).to_string()))
}

/// A variable of `[env]` whose value is a path.
pub struct NamedPath {
    pub variable: String,
    pub path: PathBuf,
    /// It is relative to the file that sets it.
    pub is_relative: bool,
    /// It replaces what the environment has.
    pub is_forced: bool,
}

/// The paths that variables in the configuration's `[env]` have as values, those of the strongest file first.
///
/// # Errors
/// If a configuration file cannot be read.
pub fn named_by_variables(workspace: &Workspace) -> Result<Vec<NamedPath>> {
    let mut found = Vec::new();
    for (file, table) in read_each(workspace)? {
        for (name, variable) in table.get("env").and_then(Value::as_object).into_iter().flatten() {
            let is = |key: &str| variable.get(key) == Some(&Value::Bool(true));
            let value = variable.as_str().or(variable.get("value").and_then(Value::as_str)).unwrap_or_default();
            let (is_relative, is_forced) = (is("relative"), is("force"));
            if is_relative || value.starts_with('/') {
                let (variable, path) = (name.clone(), lexically_clean(&base_of(&file).join(value)));
                found.push(NamedPath { variable, path, is_relative, is_forced });
            }
        }
    }
    Ok(found)
}

/// Configuration files between the root of a workspace and the folder of a package. Cargo reads them only where it is called
/// there.
pub fn below_root(workspace: &Workspace, folder: &Path) -> Vec<PathBuf> {
    let inner =
        folder.ancestors().take_while(|folder| *folder != workspace.root && folder.starts_with(&workspace.root));
    let files = inner.flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(".cargo").join(name)));
    files.filter(|file| fs::is_file(file)).collect()
}

/// Where relative paths of a configuration file start: the parent of the `.cargo` folder.
pub fn base_of(file: &Path) -> &Path {
    file.parent().and_then(Path::parent).unwrap_or(Path::new("/"))
}

/// The tables for a target, by triple or by `cfg`; cargo merges them.
pub fn of_target<'a>(file: &'a Table, triple: &str) -> impl Iterator<Item = (&'a String, &'a Map<String, Value>)> {
    tables(file, "target").filter(move |(name, _)| *name == triple || name.starts_with("cfg("))
}

/// The variables that replace the programs by which the user's configuration runs the compiler. For a cargo that reads
/// the whole configuration.
pub fn wrapper_variables(workspace: &Workspace) -> Result<Vec<&'static str>> {
    let all = read_all(workspace)?;
    let is_set = |key: &str| all.iter().any(|file| file.get("build").is_some_and(|build| build.get(key).is_some()));
    Ok(WRAPPERS.iter().filter(|(key, _)| is_set(key)).map(|(_, variable)| *variable).collect())
}

/// Whether a file has flags for the compiler, which may be for one linker only.
fn has_flags(file: &Table, triple: &str) -> bool {
    let flags = file.get("build").and_then(|table| table.get("rustflags"));
    flags.is_some() || of_target(file, triple).any(|(_, target)| target.contains_key("rustflags"))
}

/// The tables of one file that are forwarded; `has_flags` if any file or variable has flags. Resolves the sources' folders and
/// adds them to `folders`.
fn kept(file: &Table, triple: &str, has_flags: bool, path: &Path, folders: &mut Vec<PathBuf>) -> Value {
    let base = base_of(path);
    let only = |table: &Table, keys: &[&str]| -> Table {
        let mut table = table.clone();
        table.retain(|key, _| keys.contains(&key.as_str()));
        table
    };
    let mut all = Value::Object(Map::new());
    let mut keep = |table: &str, key: &str, value| all[table][key] = value;
    for (name, source) in tables(file, "source") {
        const KEYS: &[&str] =
            &["replace-with", "registry", "directory", "local-registry", "git", "branch", "tag", "rev"];
        let mut source = only(source, KEYS);
        for key in ["directory", "local-registry"] {
            if let Some(Value::String(folder)) = source.get_mut(key) {
                let resolved = base.join(&folder);
                *folder = resolved.to_string_lossy().into_owned();
                folders.push(resolved);
            }
        }
        keep("source", name, Value::Object(source));
    }
    for (name, registry) in tables(file, "registries") {
        keep("registries", name, Value::Object(only(registry, &["index"])));
    }
    if let Some(default) = file.get("registry").and_then(|table| table.get("default")) {
        keep("registry", "default", default.clone());
    }
    for (name, variable) in file.get("env").and_then(Value::as_object).into_iter().flatten() {
        let value = variable.as_str().or(variable.get("value").and_then(Value::as_str)).unwrap_or_default();
        // A path of this machine leads nowhere there.
        let is_path = value.starts_with('/') || variable.get("relative") == Some(&Value::Bool(true));
        if !is_path && !env::may_be_secret(name, value) {
            keep("env", name, variable.clone());
        }
    }
    for (name, profile) in tables(file, "profile") {
        keep("profile", name, Value::Object(profile.clone()));
    }
    // A linker without flags makes the same of every program that links.
    for (name, target) in of_target(file, triple).filter(|_| has_flags) {
        let mut target = only(target, &["rustflags", "linker"]);
        if let Some(Value::String(linker)) =
            target.get_mut("linker").filter(|linker| linker.as_str().is_some_and(is_path))
        {
            *linker = base.join(&linker).to_string_lossy().into_owned();
        }
        if !target.is_empty() {
            keep("target", name, Value::Object(target));
        }
    }
    if let Some(flags) = file.get("build").and_then(|table| table.get("rustflags")) {
        keep("build", "rustflags", flags.clone());
    }
    all
}

/// Whether a program is named by a path. Any other is looked for in `PATH`.
pub fn is_path(program: &str) -> bool {
    program.contains('/')
}

/// The text of the configuration file `path` as a compile in a container sees it: without credentials, and without
/// wrappers, which are programs of the host. Unchanged if it has none.
pub fn for_container(text: Vec<u8>, path: &Path) -> Result<Vec<u8>> {
    /// Keys of `[registry]`, `[registries.NAME]` and `[http]`.
    const SECRET: &[&str] = &["token", "secret-key", "secret-key-subject", "credential-provider", "proxy"];
    fn strip(value: &mut Value, keys: &[&str]) -> bool {
        let Some(table) = value.as_object_mut() else { return false };
        let before = table.len();
        table.retain(|key, _| !keys.contains(&key.as_str()));
        let inner = table.values_mut().fold(false, |found, value| strip(value, keys) | found);
        inner || table.len() != before
    }
    let mut parsed = Value::Object(toml::parse(&text, path)?);
    let mut found = false;
    let wrappers = WRAPPERS.map(|(key, _)| key);
    for (name, keys) in [("registry", SECRET), ("registries", SECRET), ("http", SECRET), ("build", &wrappers)] {
        found |= parsed.get_mut(name).is_some_and(|table| strip(table, keys));
    }
    if !found {
        return Ok(text);
    }
    toml::print(&parsed).map(String::into_bytes)
}

/// The tables in the table `name` of a file, by their names.
pub fn tables<'a>(file: &'a Table, name: &str) -> impl Iterator<Item = (&'a String, &'a Map<String, Value>)> {
    let table = file.get(name).and_then(Value::as_object).into_iter().flatten();
    table.filter_map(|(name, value)| Some((name, value.as_object()?)))
}

fn inner_folders(file: &Table, root: &Path, forwarded: &mut ForwardedConfig) {
    for (_, source) in tables(file, "source") {
        for key in ["directory", "local-registry"] {
            let Some(folder) = source.get(key).and_then(Value::as_str).map(Path::new) else {
                continue;
            };
            if folder.is_absolute() {
                forwarded.absolute_folders.push(folder.to_path_buf());
            } else if let Ok(folder) = fs::canonical(&root.join(folder)) {
                forwarded.relative_folders.push(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(files: &[&str]) -> (String, Vec<PathBuf>) {
        let mut all = Value::Object(Map::new());
        let mut folders = Vec::new();
        let (path, triple) = (Path::new("/home/u/.cargo/config.toml"), "x86_64-unknown-linux-gnu");
        let tables = files.iter().map(|text| toml::parse(text.as_bytes(), path).unwrap()).collect::<Vec<_>>();
        let has_flags = tables.iter().any(|table| has_flags(table, triple));
        for table in tables {
            toml::merge(&mut all, kept(&table, triple, has_flags, path, &mut folders));
        }
        (toml::print(&all).unwrap(), folders)
    }

    #[test]
    fn only_sources_registries_variables_profiles_and_the_targets_flags_are_forwarded() {
        let (toml, folders) = forwarded(&[r#"
            source = { crates-io = { replace-with = "mirror" }, mirror = { directory = "vendor" } }
            registries.mine = { index = "sparse+https://example.invalid/", token = "SECRET" }
            registry = { default = "mine", token = "SECRET" }
            build.rustc-wrapper = "sccache"
            http.proxy = "user:SECRET@proxy"
            net.git-fetch-with-cli = true
            profile.release.lto = "thin"
            env = { PLAIN = "text", FORCED = { value = "data", force = true }, PLACE = { value = "near", relative = true }, OTHER = "/far", A_TOKEN = "SECRET", API_KEY = "SECRET", DATABASE = "postgres://u:SECRET@db/", MONKEY = "m0nkey" }
            [target]
            x86_64-unknown-linux-gnu = { rustflags = ["-C", "target-cpu=x86-64-v3"], linker = "clang" }
            aarch64-unknown-linux-gnu = { rustflags = ["--cfg", "other"] }
        "#]);
        for kept in [
            "mirror",
            "/home/u/vendor",
            "sparse+https",
            "target-cpu",
            "linker = \"clang\"",
            "default = \"mine\"",
            "PLAIN = \"text\"",
            "m0nkey",
            "data",
            "force = true",
            "lto = \"thin\"",
        ] {
            assert!(toml.contains(kept), "{kept} in {toml}");
        }
        for left in ["SECRET", "sccache", "proxy", "aarch64", "git-fetch", "relative", "near", "far"] {
            assert!(!toml.contains(left), "{left} in {toml}");
        }
        assert_eq!(folders, [Path::new("/home/u/vendor")]);
        super::toml::parse(toml.as_bytes(), Path::new("config.toml")).unwrap();
    }

    #[test]
    fn a_file_is_sent_unchanged_or_without_credentials_and_wrappers() {
        let path = Path::new("/p/.cargo/config.toml");
        let plain = "# a comment\n[env]\ntoken = \"a variable\"\n[registries.mine]\nindex = \"sparse+x\"\n";
        assert_eq!(for_container(plain.into(), path).unwrap(), plain.as_bytes());
        let secret = format!(
            "{plain}token = \"SECRET\"\n[http]\nproxy = \"u:SECRET@p\"\n[registry]\ntoken = \"SECRET\"\n\
             [build]\nrustc-wrapper = \"SECRET\"\nrustc-workspace-wrapper = \"SECRET\"\n"
        );
        let sent = String::from_utf8(for_container(secret.into(), path).unwrap()).unwrap();
        assert!(!sent.contains("SECRET"), "{sent}");
        assert!(sent.contains("sparse+x") && sent.contains("a variable"), "{sent}");
    }

    #[test]
    fn what_may_name_a_file_of_the_linker_is_known() {
        let with = |text: &str, settings: Value| {
            let file = super::toml::parse(text.as_bytes(), Path::new("config.toml")).unwrap();
            may_choose_linker(vec![file], &Config::of(settings))
        };
        assert!(!with("[net]\noffline = true\n", json!({"cargo_flags": ["--features=a"], "pass_env": ["A"]})));
        for text in ["[target.'cfg(unix)']\nlinker = \"l\"", "[build]\nrustflags = []", "[profile.a]\nrustflags = []"] {
            assert!(with(text, json!({})), "{text}");
        }
        for flags in [json!(["--config", "a.toml"]), json!(["--config=a.toml"]), json!(["--", "-Clinker=l"])] {
            assert!(with("", json!({"cargo_flags": flags})), "{flags}");
        }
        assert!(with("", json!({"pass_env": ["CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER"]})));
    }

    #[test]
    fn files_are_merged_as_cargo_merges_them() {
        let (toml, _) = forwarded(&[
            "[build]\nrustflags = [\"near\"]\n[registries.a]\nindex = \"near\"",
            "[build]\nrustflags = [\"far\"]\n[registries.a]\nindex = \"far\"\n[registries.b]\nindex = \"b\"",
            "[target.'cfg(unix)']\nrustflags = [\"kind\"]\nlinker = \"clang\"",
        ]);
        let joined = Value::Object(super::toml::parse(toml.as_bytes(), Path::new("config.toml")).unwrap());
        let expected = serde_json::json!({
            "build": {"rustflags": ["far", "near"]},
            "registries": {"a": {"index": "near"}, "b": {"index": "b"}},
            "target": {"cfg(unix)": {"rustflags": ["kind"], "linker": "clang"}},
        });
        assert_eq!(joined, expected);
    }

    #[test]
    fn a_linker_is_forwarded_with_the_flags_that_may_be_for_it() {
        let linker = "[target.x86_64-unknown-linux-gnu]\nlinker = \"tools/ld\"\n";
        assert_eq!(forwarded(&[linker]).0, "");
        let (toml, _) = forwarded(&[&format!("{linker}[build]\nrustflags = [\"-Clink-arg=-fuse-ld=mold\"]\n")]);
        assert!(toml.contains("linker = \"/home/u/tools/ld\"") && toml.contains("mold"), "{toml}");
        // The flags of a nearer file are for it, too.
        let (toml, _) = forwarded(&["[build]\nrustflags = [\"-Clink-arg=-fuse-ld=mold\"]\n", linker]);
        assert!(toml.contains("linker = \"/home/u/tools/ld\""), "{toml}");
    }
}
