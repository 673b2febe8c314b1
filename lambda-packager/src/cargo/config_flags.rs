//! Configuration of cargo in the setting `cargo_flags`: `--config FILE`, or `--config KEY=VALUE`, which has no file.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/config.html#command-line-overrides>.

use std::path::{Path, PathBuf};

use crate::cargo::Workspace;
use crate::cargo::config_include::included;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sys::{Table, fs, lexically_clean, relative, toml};

/// The files that the flags name, and those that they include. Relative to the root of the workspace.
///
/// # Errors
/// A file does not exist, or is not valid TOML.
pub fn files(workspace: &Workspace, config: &Config) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for (_, value) in values(&config.cargo_flags) {
        match file(&workspace.root, value) {
            Some(path) => files.push(path),
            None if value.contains('=') => {}
            None => {
                let place = config.place_of("cargo_flags");
                let error = format!("{place}: `--config {value}` names no file, and is no `KEY=VALUE`");
                return Err(Error::config(error).hint_with("a path is relative to the root of the workspace"));
            }
        }
    }
    files.extend(included(files.clone().into_iter())?);
    Ok(files.iter().map(|path| relative(&lexically_clean(path), &workspace.root)).collect())
}

/// What each flag sets, the weakest first. What cannot be read is left out: [`files`] is an error then, or cargo.
pub fn tables(workspace: &Workspace, flags: &[String]) -> Vec<Table> {
    let mut tables = Vec::new();
    for (_, value) in values(flags) {
        match file(&workspace.root, value) {
            // What a file includes is weaker than itself.
            Some(path) => {
                let included = included(std::iter::once(path.clone())).unwrap_or_default();
                tables.extend(included.into_iter().chain([path]).filter_map(|path| toml::read(&path).ok()));
            }
            None => tables.extend(toml::parse(value.as_bytes(), Path::new("--config"))),
        }
    }
    tables
}

/// The flags with the places of the files that they name.
pub fn with_places(flags: &[String], root: &Path, place_of: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut placed = flags.to_vec();
    for (index, value) in values(flags) {
        if let Some(place) = file(root, value).and_then(|path| place_of(&path)) {
            let before = flags[index].strip_suffix(value).unwrap_or_default();
            placed[index] = format!("{before}{place}");
        }
    }
    placed
}

/// What is a path for cargo: whatever exists. Cargo starts in the root of the workspace.
fn file(root: &Path, value: &str) -> Option<PathBuf> {
    let path = lexically_clean(&root.join(value));
    fs::is_file(&path).then_some(path)
}

/// The values of `--config`, each with the index of the flag that it is in. Flags behind `--` are rustc's.
fn values(flags: &[String]) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut before = "";
    for (index, flag) in flags.iter().enumerate().take_while(|(_, flag)| *flag != "--") {
        match flag.strip_prefix("--config=") {
            _ if before == "--config" => found.push((index, flag.as_str())),
            Some(value) => found.push((index, value)),
            None => {}
        }
        before = flag;
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_found_in_both_forms_and_sent_to_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("w");
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        write("ci/extra.toml", "include = [\"more.toml\"]\n");
        write("ci/more.toml", "");
        write("../beside.toml", "");
        let workspace = Workspace::sample(&root, &[]);
        let of = |flags: &[&str]| {
            let config = Config::of(json!({ "cargo_flags": flags }));
            let place = |path: &Path| Some(format!("/workspace/{}", relative(path, &root)));
            (files(&workspace, &config), with_places(&config.cargo_flags, &root, place).join(" "))
        };
        let (found, flags) =
            of(&["-q", "--config", "ci/extra.toml", "--config=../beside.toml", "--config", "a.b=1", "--", "--config"]);
        assert_eq!(found.unwrap(), ["ci/extra.toml", "../beside.toml", "ci/more.toml"]);
        let expected =
            "-q --config /workspace/ci/extra.toml --config=/workspace/../beside.toml --config a.b=1 -- --config";
        assert_eq!(flags, expected);
        let (missing, flags) = of(&["--config", "none.toml"]);
        assert!(missing.unwrap_err().to_string().contains("`--config none.toml` names no file"));
        assert_eq!(flags, "--config none.toml");
    }
}
