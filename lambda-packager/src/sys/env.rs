//! The only module that reads the environment.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// When a build script packages: `always`, `release` or `never`.
pub const WHEN: &str = "LAMBDA_PACKAGER";
/// Set for the cargo that we start. A build script of that cargo that calls us returns at once.
pub const INNER: &str = "LAMBDA_PACKAGER_INNER";
/// The login for the registry. Not settings, because a password must not be in a file of the project.
pub const REGISTRY_USER: &str = "LAMBDA_PACKAGER_REGISTRY_USER";
pub const REGISTRY_PASSWORD: &str = "LAMBDA_PACKAGER_REGISTRY_PASSWORD";
/// Set to `true` by CI systems.
pub const CI: &str = "CI";
/// The prefix of the variables of our settings.
pub const PREFIX: &str = "LAMBDA_PACKAGER_";

pub fn var(name: &str) -> Option<String> {
    env::var(name).ok()
}

pub fn var_os(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// All variables.
pub fn vars_os() -> env::VarsOs {
    env::vars_os()
}

/// The variable that holds `setting`.
pub fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase())
}

/// The working directory.
pub fn current_dir() -> Result<PathBuf> {
    env::current_dir().map_err(|e| {
        Error::config("cannot read the current folder").source(e).hint_with("change to the project's folder")
    })
}

/// The name of this program, without its arguments: these may have secrets that must not be in a log.
pub fn command_name() -> String {
    // Every build script has the same name; its package's name is more useful.
    match var("CARGO_PKG_NAME") {
        Some(package) if var_os("OUT_DIR").is_some() => format!("cargo build of {package}"),
        _ => called_as(),
    }
}

/// The name by which this program was called: that of a link to it, if there is one.
pub fn called_as() -> String {
    let program = PathBuf::from(env::args_os().next().unwrap_or_default());
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The arguments of this program, without its name.
pub fn arguments() -> Vec<OsString> {
    env::args_os().skip(1).collect()
}

/// The file of this program, with all links followed.
pub fn this_program() -> Result<PathBuf> {
    let program = env::current_exe().and_then(|program| program.canonicalize());
    program.map_err(|e| Error::new(ErrorKind::Io, "cannot find the file of this program").source(e))
}

/// Cargo's home folder: `CARGO_HOME`, else `~/.cargo`.
///
/// Source: <https://doc.rust-lang.org/cargo/guide/cargo-home.html>.
pub fn cargo_home() -> Result<PathBuf> {
    home_of("CARGO_HOME", ".cargo")
}

/// Rustup's home folder: `RUSTUP_HOME`, else `~/.rustup`.
pub fn rustup_home() -> Result<PathBuf> {
    home_of("RUSTUP_HOME", ".rustup")
}

fn home_of(variable: &str, folder: &str) -> Result<PathBuf> {
    match var_os(variable).filter(|home| !home.is_empty()).map(PathBuf::from) {
        None => Ok(home()?.join(folder)),
        Some(set) if set.is_absolute() => Ok(set),
        Some(set) => Ok(home_below(&set, &current_dir()?)),
    }
}

/// Where a relative home is: cargo takes it from its working directory, which for a build script, in the folder of its
/// package, may be one further up.
fn home_below(set: &Path, here: &Path) -> PathBuf {
    let there = here.ancestors().find_map(|folder| folder.join(set).canonicalize().ok());
    there.unwrap_or_else(|| here.join(set))
}

pub fn home() -> Result<PathBuf> {
    env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .ok_or_else(|| Error::config("the home folder is unknown").hint_with("set HOME, or CARGO_HOME and RUSTUP_HOME"))
}

/// Finds `program` on `PATH`.
#[cfg(unix)]
pub fn find_program(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// The folders of `PATH`, each once.
pub fn program_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in var_os("PATH").iter().flat_map(env::split_paths) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// All files of that name where cargo looks for its commands: in `PATH`, and in the `bin` of its home, which comes first
/// if `PATH` does not have it.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/external-tools.html#custom-subcommands>.
#[cfg(unix)]
pub fn find_commands_of_cargo(program: &str) -> Vec<PathBuf> {
    let mut folders = program_folders();
    if let Some(own) = cargo_home().ok().map(|home| home.join("bin")).filter(|own| !folders.contains(own)) {
        folders.insert(0, own);
    }
    let Ok(folders) = env::join_paths(folders) else { return Vec::new() };
    which::which_in_all(program, Some(folders), "/").into_iter().flatten().collect()
}

/// Whether the user wants colours on a terminal (<https://no-color.org>, and cargo's own variable).
pub fn colour_wanted() -> bool {
    let never = var("CARGO_TERM_COLOR").is_some_and(|value| value == "never");
    !never && var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && var("TERM").is_none_or(|term| term != "dumb")
}

/// Whether every shell and engine accepts `name` as the name of a variable.
pub fn is_variable_name(name: &str) -> bool {
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    start && OsStr::new(name).as_encoded_bytes().iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_home_is_found_from_the_folder_of_a_package() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let here = top.join("w/app");
        std::fs::create_dir_all(&here).unwrap();
        assert_eq!(home_below(Path::new(".cargo-home"), &here), here.join(".cargo-home"));
        std::fs::create_dir_all(top.join("w/.cargo-home")).unwrap();
        assert_eq!(home_below(Path::new(".cargo-home"), &here), top.join("w/.cargo-home"));
        assert_eq!(home_below(Path::new("../.cargo-home"), &here), top.join("w/.cargo-home"));
    }
}
