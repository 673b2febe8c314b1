//! Files that cargo's configuration includes. They configure cargo too.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/config.html#including-extra-configuration-files>.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Result;
use crate::sys::{fs, toml};

/// The files that `files` include, directly or indirectly, whether they exist or not.
pub fn included(files: impl Iterator<Item = PathBuf>) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut queue: Vec<PathBuf> = files.collect();
    while let Some(file) = queue.pop() {
        let Some(bytes) = fs::read_if_exists(&file)? else { continue };
        let parsed = toml::parse(&bytes, &file)?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        for path in parsed.get("include").map(paths).unwrap_or_default() {
            let path = folder.join(path);
            if !found.contains(&path) {
                found.push(path.clone());
                queue.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The value is a path, or a list of paths and of tables with a `path`.
fn paths(include: &Value) -> Vec<&str> {
    match include {
        Value::Array(all) => all.iter().flat_map(paths).collect(),
        Value::Object(table) => table.get("path").and_then(Value::as_str).into_iter().collect(),
        one => one.as_str().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_followed_in_every_form_and_in_cycles() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::replace(&dir.path().join(name), text.as_bytes(), 0o644, None).unwrap();
        write("config.toml", "include = [\"a.toml\", { path = \"deep/b.toml\", optional = true }]\n");
        write("a.toml", "include = \"config.toml\"\n");
        write("deep/b.toml", "include = \"absent.toml\"\n[build]\nrustflags = []\n");
        let found = included([dir.path().join("config.toml"), dir.path().join("none")].into_iter()).unwrap();
        let expected = ["a.toml", "config.toml", "deep/absent.toml", "deep/b.toml"].map(|name| dir.path().join(name));
        assert_eq!(found, expected);
    }
}
