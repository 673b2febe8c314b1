//! The one door to the environment: our own variables, and what other programs may see of it.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::layer::{Layer, Origin, SETTINGS, Shape};
use crate::error::{Error, Result};

/// When a build script packages: `always`, `release` or `never`.
pub(crate) const WHEN: &str = "LAMBDA_PACKAGER";
/// Set for the cargo that we start, so that a build script which calls us knows to return at once.
pub(crate) const INNER: &str = "LAMBDA_PACKAGER_INNER";
/// The login for the registry. No settings: a password belongs in no file of the project.
pub(crate) const REGISTRY_USER: &str = "LAMBDA_PACKAGER_REGISTRY_USER";
pub(crate) const REGISTRY_PASSWORD: &str = "LAMBDA_PACKAGER_REGISTRY_PASSWORD";
/// Set to `true` by whatever runs pipelines.
pub(crate) const CI: &str = "CI";
const PREFIX: &str = "LAMBDA_PACKAGER_";

pub(crate) fn var(name: &str) -> Option<String> {
    env::var(name).ok()
}

pub(crate) fn var_os(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// The variable that holds `setting`.
pub(crate) fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase())
}

/// The layer of the variables `LAMBDA_PACKAGER_*`. An empty variable counts as unset.
///
/// # Errors
/// A variable of that prefix that no setting has, or one with a value that cannot be.
pub(crate) fn layer() -> Result<Layer> {
    let mut values = Map::new();
    for (name, value) in env::vars_os() {
        let Some(setting) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        if [INNER, REGISTRY_USER, REGISTRY_PASSWORD].iter().any(|own| name == *own) || value.is_empty() {
            continue;
        }
        let setting = setting.to_lowercase();
        let value = value
            .into_string()
            .map_err(|_| Error::config(format!("{} is not UTF-8", Origin::Environment.place_of(&setting))))?;
        let value = match SETTINGS.iter().find(|(known, ..)| *known == setting) {
            Some((_, shape, _)) => parse(*shape, &value),
            None => Value::String(value),
        };
        values.insert(setting, value);
    }
    Layer::parse(values, &Origin::Environment)
}

fn parse(shape: Shape, text: &str) -> Value {
    let list = |parts: Vec<&str>| {
        let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
        Value::Array(parts.map(|part| Value::String(part.to_string())).collect())
    };
    match shape {
        Shape::Text => Value::String(text.to_string()),
        Shape::List => list(text.split(',').collect()),
        Shape::Words => list(text.split_whitespace().collect()),
        Shape::Switch => match text.to_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Value::Bool(true),
            "0" | "false" | "no" | "off" => Value::Bool(false),
            // Refused with its place by the layer.
            _ => Value::String(text.to_string()),
        },
        Shape::Number => text.parse::<u64>().map_or_else(|_| Value::String(text.to_string()), Value::from),
    }
}

/// Whether a pipeline runs us.
pub(crate) fn is_pipeline() -> bool {
    var(CI).is_some_and(|value| parse(Shape::Switch, &value) == Value::Bool(true))
}

/// The folder that relative paths start from.
#[cfg(feature = "cli")]
pub(crate) fn current_dir() -> Result<PathBuf> {
    env::current_dir().map_err(|e| {
        Error::config("the current folder cannot be used").source(e).hint_with("change to the project's folder")
    })
}

/// How this program was called, without its arguments: those may hold what a log must not.
pub(crate) fn command_name() -> String {
    let program = env::args_os().next().unwrap_or_default();
    let program = PathBuf::from(program);
    // A build script's own name says nothing; its package's does.
    match var("CARGO_PKG_NAME") {
        Some(package) if var_os("OUT_DIR").is_some() => format!("cargo build of {package}"),
        _ => program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// Cargo's home folder: `CARGO_HOME`, else `~/.cargo`.
///
/// Source: <https://doc.rust-lang.org/cargo/guide/cargo-home.html>.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    Ok(home()?.join(".cargo"))
}

/// Rustup's home folder: `RUSTUP_HOME`, else `~/.rustup`.
pub(crate) fn rustup_home() -> Result<PathBuf> {
    if let Some(home) = var_os("RUSTUP_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    Ok(home()?.join(".rustup"))
}

pub(crate) fn home() -> Result<PathBuf> {
    env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .ok_or_else(|| Error::config("no home folder is known").hint_with("set HOME, or CARGO_HOME and RUSTUP_HOME"))
}

/// Looks `program` up on `PATH`.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// The environment for a cargo or rustc that we start on the host: all of ours, but for what an
/// outer cargo set for the build script we may be running in, or for its own build.
pub(crate) fn for_host_tools() -> Vec<(OsString, OsString)> {
    let kept = |(name, _): &(OsString, OsString)| name.to_str().is_none_or(|name| !is_of_the_outer_build(name));
    env::vars_os().filter(kept).collect()
}

/// Whether a variable belongs to the build that called us rather than to the user's set-up of
/// cargo. What cargo sets: <https://doc.rust-lang.org/cargo/reference/environment-variables.html>.
fn is_of_the_outer_build(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_LOG",
        "CARGO_MAKEFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
        "CLIPPY_ARGS",
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUST_RECURSION_COUNT",
        "TARGET",
    ];
    const PREFIXES: &[&str] = &[
        "CARGO_BIN_",
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_CRATE_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "DEP_",
        PREFIX,
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The environment for the compile on the host: what a toolchain needs to start, and no more, as
/// in a container.
pub(crate) fn for_host_compile() -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &["HOME", "PATH", "TMPDIR", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| NAMES.contains(&name))).collect()
}

/// Rust flags that the user's environment sets for one target.
pub(crate) fn target_rustflags(triple: &str) -> Option<(String, String)> {
    let name = of_target(triple, "RUSTFLAGS");
    var(&name).map(|value| (name, value))
}

/// The variable that says who links for a target.
pub(crate) fn linker_of(triple: &str) -> String {
    of_target(triple, "LINKER")
}

fn of_target(triple: &str, key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", triple.to_uppercase().replace('-', "_"))
}

/// `CARGO_REGISTRIES_<NAME>_INDEX` of the user's environment: where a named registry is.
pub(crate) fn registry_indexes() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let is_index = |(name, _): &(String, String)| name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX");
    let mut all: Vec<_> = env::vars_os().filter_map(text).filter(is_index).collect();
    all.sort_unstable();
    all
}

/// Whether the caller wants colours on a terminal (<https://no-color.org>, cargo's own variable).
pub(crate) fn colour_wanted() -> bool {
    let never = var("CARGO_TERM_COLOR").is_some_and(|value| value == "never");
    !never && var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && var("TERM").is_none_or(|term| term != "dumb")
}

/// Whether `name` can be a variable's name in every shell and engine.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    start && OsStr::new(name).as_encoded_bytes().iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_values() {
        assert_eq!(parse(Shape::List, "a, b,,"), serde_json::json!(["a", "b"]));
        assert_eq!(parse(Shape::Words, "-v  --timings"), serde_json::json!(["-v", "--timings"]));
        assert_eq!(parse(Shape::Switch, "Yes"), Value::Bool(true));
        assert_eq!(parse(Shape::Switch, "perhaps"), Value::String("perhaps".into()));
    }

    #[test]
    fn the_outer_build_stays_outside_and_the_users_set_up_of_cargo_comes_along() {
        for name in [
            "RUSTFLAGS",
            "CARGO_MAKEFLAGS",
            "CARGO_FEATURE_X",
            "CARGO_PROFILE_RELEASE_LTO",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_DIR",
            "OUT_DIR",
            "CARGO_MANIFEST_DIR",
            "LAMBDA_PACKAGER_FORCE",
            "DEP_Z_INCLUDE",
        ] {
            assert!(is_of_the_outer_build(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_MY_TOKEN",
            "HTTPS_PROXY",
            "SSH_AUTH_SOCK",
            "RUSTUP_TOOLCHAIN",
            "PATH",
            "CARGO_REGISTRY_TOKEN",
            "SSL_CERT_FILE",
        ] {
            assert!(!is_of_the_outer_build(name), "{name}");
        }
    }
}
