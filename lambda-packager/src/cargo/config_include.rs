//! Files that cargo's configuration includes. They configure cargo too.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/config.html#including-extra-configuration-files>.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Result;
use crate::sys::{fs, toml};

/// The files that `files` include, directly or indirectly, whether they exist or not. In the order in which cargo joins them:
/// each is stronger than those before it, and weaker than the file that includes it.
pub fn included(files: impl Iterator<Item = PathBuf>) -> Result<Vec<PathBuf>> {
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    files.into_iter().try_for_each(|file| add_included(&file, &mut found, &mut seen))?;
    Ok(found)
}

fn add_included(file: &Path, found: &mut Vec<PathBuf>, seen: &mut Vec<PathBuf>) -> Result<()> {
    let Some(bytes) = fs::read_if_exists(file)? else { return Ok(()) };
    let parsed = toml::parse(&bytes, file)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    for path in parsed.get("include").map(paths).unwrap_or_default() {
        let path = folder.join(path);
        if !seen.contains(&path) {
            seen.push(path.clone());
            add_included(&path, found, seen)?;
            found.push(path);
        }
    }
    Ok(())
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
        let expected = ["deep/absent.toml", "deep/b.toml", "config.toml", "a.toml"].map(|name| dir.path().join(name));
        assert_eq!(found, expected);
        // As they are listed, not by their names.
        write("config.toml", "include = [\"z.toml\", \"a.toml\"]\n");
        write("z.toml", "include = \"y.toml\"\n");
        write("a.toml", "");
        let found = included(std::iter::once(dir.path().join("config.toml"))).unwrap();
        assert_eq!(found, ["y.toml", "z.toml", "a.toml"].map(|name| dir.path().join(name)));
    }
}
