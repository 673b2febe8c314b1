//! The crates in Cargo.lock that are downloaded.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::sys::{fs, toml};

/// A downloaded crate in the lockfile.
#[derive(Debug, PartialEq, Eq)]
pub struct LockedPackage {
    pub name: String,
    pub version: String,
    /// The registry or the repository.
    pub source: String,
    /// Only for a crate from a registry.
    pub checksum: Option<String>,
}

/// The downloaded crates of the workspace at `root`; none if it has no lockfile.
///
/// # Errors
/// If the lockfile is not valid TOML.
pub fn read(root: &Path) -> Result<Vec<LockedPackage>> {
    let path = root.join("Cargo.lock");
    let Some(bytes) = fs::read_if_exists(&path)? else { return Ok(Vec::new()) };
    let lockfile = toml::parse(&bytes, &path)
        .map_err(|error| error.hint_with("restore it, or remove it and run `cargo generate-lockfile`"))?;
    let downloaded = |package: &Value| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_string());
        let source = text("source")?;
        Some(LockedPackage { name: text("name")?, version: text("version")?, source, checksum: text("checksum") })
    };
    let packages = lockfile.get("package").and_then(Value::as_array);
    Ok(packages.into_iter().flatten().filter_map(downloaded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloaded_crates_are_listed_and_local_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let file = folder.path().join("Cargo.lock");
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"c\"\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nsource = \"git+y#z\"\n[[package]]\nname = \"mine\"\nversion = \"0.1.0\"\n";
        fs::replace(&file, text.as_bytes(), 0o644, None).unwrap();
        let package = |name: &str, version: &str, source: &str, checksum: Option<&str>| {
            let [name, version, source] = [name, version, source].map(String::from);
            LockedPackage { name, version, source, checksum: checksum.map(String::from) }
        };
        let expected = [package("a", "1.0.0", "registry+x", Some("c")), package("b", "2.0.0", "git+y#z", None)];
        assert_eq!(read(folder.path()).unwrap(), expected);
        fs::replace(&file, b"<<<<<<< ours", 0o644, None).unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("Cargo.lock cannot be read"));
    }
}
