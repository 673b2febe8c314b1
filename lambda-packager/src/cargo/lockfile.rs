//! What Cargo.lock says of the crates that come from somewhere else than this machine.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::sys::{fs, toml};

/// A crate that the lockfile pins.
#[derive(Debug, PartialEq, Eq)]
pub struct Locked {
    pub name: String,
    pub version: String,
    /// The registry or the repository.
    pub source: String,
    /// Of a registry's crate.
    pub checksum: Option<String>,
}

/// The crates of the lockfile of the workspace at `root` that have a source; none where there is no lockfile.
///
/// # Errors
/// One that is no lockfile.
pub fn locked(root: &Path) -> Result<Vec<Locked>> {
    let path = root.join("Cargo.lock");
    let Some(bytes) = fs::read_if_exists(&path)? else { return Ok(Vec::new()) };
    let lockfile = toml::parse(&bytes, &path)
        .map_err(|error| error.hint_with("restore it, or remove it and run `cargo generate-lockfile`"))?;
    let downloaded = |package: &Value| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_string());
        let source = text("source")?;
        Some(Locked { name: text("name")?, version: text("version")?, source, checksum: text("checksum") })
    };
    let packages = lockfile.get("package").and_then(Value::as_array);
    Ok(packages.into_iter().flatten().filter_map(downloaded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_told_from_what_is_local() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(locked(folder.path()).unwrap(), []);
        let file = folder.path().join("Cargo.lock");
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"c\"\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"git+y#z\"\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n";
        fs::replace(&file, text.as_bytes(), 0o644, None).unwrap();
        let a = Locked {
            name: "a".into(),
            version: "1.0.0".into(),
            source: "registry+x".into(),
            checksum: Some("c".into()),
        };
        let b = Locked { name: "b".into(), version: "2.0.0".into(), source: "git+y#z".into(), checksum: None };
        assert_eq!(locked(folder.path()).unwrap(), [a, b]);
        fs::replace(&file, b"<<<<<<< ours", 0o644, None).unwrap();
        assert!(locked(folder.path()).unwrap_err().to_string().contains("Cargo.lock cannot be read"));
    }
}
