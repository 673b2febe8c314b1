//! The variables that a cargo started by the packager may see, and those that configure cargo.

use std::ffi::OsString;

use crate::config::{Arch, Config, EngineChoice};
use crate::sys::env::{PREFIX, cargo_home, rustup_home, var, var_os, vars_os};

/// The environment for a cargo or rustc on the host: our own, without the variables that an outer cargo set for its
/// build, or for the build script that we may be running in.
pub fn for_host_tools() -> Vec<(OsString, OsString)> {
    let kept = |(name, _): &(OsString, OsString)| name.to_str().is_none_or(|name| !is_of_outer_build(name));
    with_absolute_homes(vars_os().filter(kept))
}

/// A relative home would lead elsewhere from the folder in which we start cargo.
fn with_absolute_homes(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let homes = [("CARGO_HOME", cargo_home()), ("RUSTUP_HOME", rustup_home())];
    let place = |name: &OsString| homes.iter().find(|(known, _)| name == known)?.1.as_ref().ok();
    let absolute = |(name, value): (OsString, OsString)| match place(&name) {
        Some(home) if !value.is_empty() => (name, home.into()),
        _ => (name, value),
    };
    variables.map(absolute).collect()
}

/// Whether a variable belongs to the build that called us, and not to the user's configuration of cargo. The
/// variables that cargo sets: <https://doc.rust-lang.org/cargo/reference/environment-variables.html>.
fn is_of_outer_build(name: &str) -> bool {
    const NAMES: &str = "CARGO CARGO_ENCODED_RUSTFLAGS CARGO_INCREMENTAL CARGO_LOG CARGO_MAKEFLAGS CARGO_PRIMARY_PACKAGE \
        CARGO_TARGET_DIR CARGO_TARGET_TMPDIR CLIPPY_ARGS DEBUG HOST LD_LIBRARY_PATH MAKEFLAGS MAKELEVEL MFLAGS \
        NUM_JOBS OPT_LEVEL OUT_DIR PROFILE RUSTC RUSTC_LINKER RUSTC_WORKSPACE_WRAPPER RUSTC_WRAPPER RUSTDOC \
        RUSTDOCFLAGS RUSTFLAGS RUST_RECURSION_COUNT TARGET";
    const PREFIXES: &str = "CARGO_BIN_ CARGO_BUILD_ CARGO_CFG_ CARGO_CRATE_ CARGO_FEATURE_ CARGO_MANIFEST_ CARGO_PKG_ \
        CARGO_PROFILE_ CARGO_TARGET_ CARGO_UNSTABLE_ DEP_";
    let starts = |prefix: &str| name.starts_with(prefix);
    NAMES.split(' ').any(|known| known == name) || PREFIXES.split(' ').any(starts) || starts(PREFIX)
}

/// The environment for a cargo that resolves: the same with the flags that reach every compile, for they may set a `cfg` that a
/// dependency is for.
pub fn for_resolving() -> Vec<(OsString, OsString)> {
    let mut variables = for_host_tools();
    variables.extend(flags_of_targets().into_iter().filter_map(|name| var_os(&name).map(|value| (name.into(), value))));
    variables
}

/// The names of the variables that set Rust flags for the targets.
pub fn flags_of_targets() -> [String; 2] {
    Arch::ALL.map(|arch| rustflags_of(arch.triple()))
}

/// The environment for the compile on the host: only what a toolchain needs to start, as in a container.
pub fn for_host_compile() -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &["HOME", "PATH", "TMPDIR", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    with_absolute_homes(vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| NAMES.contains(&name))))
}

/// The variables of the user's environment that reach the compile: those that the settings pass, the Rust flags for the
/// target with the linker that they are for, and the URLs of named registries. They are handed on by name: no value stands
/// in an argument, a log or a record.
pub fn passed(config: &Config) -> Vec<String> {
    let of_target = of_target_in(config, |name| var_os(name).is_some());
    let mut all = config.pass_env.clone();
    for name in of_target.into_iter().chain(registry_indexes()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Of the variables for the target that `is_set`, those that reach the compile. A linker without flags makes the same of
/// every program that links, and a container may not have it: only the host, by choice, takes it for itself.
fn of_target_in(config: &Config, is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let triple = config.target_arch.triple();
    let flags = Some(rustflags_of(triple)).filter(|name| is_set(name));
    let takes_linker = flags.is_some() || config.engine == EngineChoice::Host;
    let linker = Some(linker_of(triple)).filter(|name| takes_linker && is_set(name));
    flags.into_iter().chain(linker).collect()
}

/// The variables of the user's environment that would change a compile of the user's own, and do not reach this one.
pub fn without_effect(config: &Config) -> Vec<String> {
    let names = vars_os().filter_map(|(name, _)| name.into_string().ok());
    let (passed, linker) = (passed(config), linker_of(config.target_arch.triple()));
    // Whoever compiles for another architecture sets what we use ourselves.
    let is_ours =
        var_os(&linker).is_some_and(|value| config.target_arch.cross_compiler().is_some_and(|own| value == own));
    let is_lost = |name: &String| (is_for_compile(name) || (*name == linker && !is_ours)) && !passed.contains(name);
    let mut all: Vec<String> = names.filter(is_lost).collect();
    all.sort_unstable();
    all
}

fn is_for_compile(name: &str) -> bool {
    ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"].contains(&name) || name.starts_with("CARGO_PROFILE_")
}

/// Those of [`passed`] that may be secrets: no layer of an image may have them.
pub fn secrets(config: &Config) -> Vec<String> {
    let public = public_indexes();
    let is_public = |name: &String| !config.pass_env.contains(name) && public.iter().any(|(known, _)| known == name);
    passed(config).into_iter().filter(|name| !is_public(name)).collect()
}

/// Name and value of the variables that set the URL of a named registry, if there is no login in it.
pub fn public_indexes() -> Vec<(String, String)> {
    let with_url = |name: String| var(&name).map(|url| (name, url));
    registry_indexes().into_iter().filter_map(with_url).filter(|(_, url)| !may_have_login(url)).collect()
}

/// Whether a URL has a user, other than that of an SSH server, or a query: each may be a secret.
pub fn may_have_login(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return true };
    let user = rest.split(['/', '?', '#']).next().unwrap_or_default().rsplit_once('@').map(|(user, _)| user);
    let is_of_ssh = |user: &str| scheme.ends_with("ssh") && !user.contains(':');
    user.is_some_and(|user| !is_of_ssh(user)) || rest.contains('?')
}

/// Whether a variable has a secret, by its name or by a login in its value.
pub fn may_be_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    let parts = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL"];
    parts.iter().any(|part| name.contains(part)) || name.split('_').any(|word| word == "KEY") || has_login(value)
}

/// Whether a text is a URL with a login.
pub fn has_login(text: &str) -> bool {
    text.contains("://") && may_have_login(text)
}

/// The variable that sets Rust flags for a target.
pub fn rustflags_of(triple: &str) -> String {
    of_target(triple, "RUSTFLAGS")
}

/// The variable that sets the linker for a target.
pub fn linker_of(triple: &str) -> String {
    of_target(triple, "LINKER")
}

fn of_target(triple: &str, key: &str) -> String {
    format!("CARGO_TARGET_{}_{key}", triple.to_uppercase().replace('-', "_"))
}

/// The variable that sets the URL of a named registry.
pub fn index_of(registry: &str) -> String {
    format!("CARGO_REGISTRIES_{}_INDEX", registry.to_uppercase().replace('-', "_"))
}

/// The names of `CARGO_REGISTRIES_<NAME>_INDEX` in the user's environment: the URL of a named registry.
fn registry_indexes() -> Vec<String> {
    let is_index = |name: &String| name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX");
    let mut all: Vec<_> = vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(is_index).collect();
    all.sort_unstable();
    all
}

/// The names of the registries whose URL is in the user's environment.
pub fn registries() -> Vec<String> {
    let name = |variable: &String| {
        let name = variable.strip_prefix("CARGO_REGISTRIES_")?.strip_suffix("_INDEX")?;
        Some(name.to_lowercase().replace('_', "-"))
    };
    registry_indexes().iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_goes_with_the_flags_that_are_for_it() {
        let of = |engine: &str, set: &[&str]| {
            let config = Config::of(serde_json::json!({"engine": engine, "target_arch": "arm64"}));
            of_target_in(&config, |name| set.iter().any(|set| name.ends_with(set))).join(" ")
        };
        let [flags, linker] =
            ["RUSTFLAGS", "LINKER"].map(|key| format!("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_{key}"));
        for engine in ["auto", "docker", "host"] {
            assert_eq!(of(engine, &["RUSTFLAGS", "LINKER"]), format!("{flags} {linker}"));
            assert_eq!(of(engine, &["RUSTFLAGS"]), flags);
            assert_eq!(of(engine, &["LINKER"]), if engine == "host" { linker.as_str() } else { "" });
        }
    }

    #[test]
    fn a_variable_is_secret_by_its_name_or_its_value() {
        for (name, value) in
            [("A_TOKEN", "x"), ("api_key", "x"), ("KEY", "x"), ("DATABASE", "postgres://u:p@db/"), ("PassPhrase", "x")]
        {
            assert!(may_be_secret(name, value), "{name}");
        }
        for (name, value) in [("MONKEY", "x"), ("KEYBOARD", "x"), ("URL", "https://example.invalid/"), ("A", "u:p@db")]
        {
            assert!(!may_be_secret(name, value), "{name}");
        }
    }

    #[test]
    fn the_url_of_a_registry_is_public_unless_it_has_a_login() {
        for url in [
            "sparse+https://a.invalid/",
            "https://a.invalid/i@b",
            "ssh://git@a.invalid/i.git",
            "file:///i",
            "http://127.0.0.1:80",
        ] {
            assert!(!may_have_login(url), "{url}");
        }
        for url in
            ["sparse+https://T@a.invalid/", "https://u:T@a.invalid", "ssh://u:T@a.invalid/", "https://a/?t=T", "T"]
        {
            assert!(may_have_login(url), "{url}");
        }
    }

    #[test]
    fn variables_of_the_outer_build_are_dropped_and_the_users_own_are_kept() {
        let outer = "RUSTFLAGS CARGO_MAKEFLAGS CARGO_FEATURE_X CARGO_PROFILE_RELEASE_LTO RUSTC_WRAPPER \
            CARGO_TARGET_DIR OUT_DIR CARGO_MANIFEST_DIR LAMBDA_PACKAGER_FORCE DEP_Z_INCLUDE";
        let users = "CARGO_HOME CARGO_NET_OFFLINE CARGO_HTTP_PROXY CARGO_REGISTRIES_MY_TOKEN HTTPS_PROXY \
            SSH_AUTH_SOCK RUSTUP_TOOLCHAIN PATH CARGO_REGISTRY_TOKEN SSL_CERT_FILE";
        for (names, of_outer_build) in [(outer, true), (users, false)] {
            for name in names.split(' ') {
                assert_eq!(is_of_outer_build(name), of_outer_build, "{name}");
            }
        }
    }
}
