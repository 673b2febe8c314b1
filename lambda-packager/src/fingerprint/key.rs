//! The secret key of the digests of variables. A manifest may be copied, cached or uploaded, and a plain digest of a short
//! secret can be guessed. The key lies beside the manifests, and only its owner can read it.

use std::path::Path;

use crate::cargo;
use crate::config::Config;
use crate::error::Result;
use crate::sys::{Lock, Sha, fs};

const BYTES: usize = 32;

/// The key of a workspace.
pub struct Key([u8; BYTES]);

impl Key {
    /// The key in `folder`, if there are variables to digest: what has none writes nothing.
    ///
    /// # Errors
    /// If a new key cannot be written.
    pub fn for_variables(config: &Config, folder: &Path) -> Result<Option<Self>> {
        if cargo::env::passed(config).is_empty() { Ok(None) } else { Self::of(folder).map(Some) }
    }

    /// The key in `folder`, where the packager stores what it knows of the workspace. Without one that can be read, it
    /// is a new one.
    ///
    /// # Errors
    /// If a new key cannot be written.
    fn of(folder: &Path) -> Result<Self> {
        let path = folder.join("variables.key");
        if let Some(key) = Self::read(&path) {
            return Ok(key);
        }
        // Runs for other functions may look for it at the same time.
        let _lock = Lock::acquire(&folder.join("variables.lock"), |_| ())?;
        if let Some(key) = Self::read(&path) {
            return Ok(key);
        }
        let key = Self(fs::random()?);
        fs::create_private(&path, &key.0)?;
        Ok(key)
    }

    fn read(path: &Path) -> Option<Self> {
        fs::read_private(path).ok()??.try_into().ok().map(Self)
    }

    /// Identifies the key, and does not tell it.
    pub fn name(&self) -> String {
        Sha::keyed(&self.0, b"name of the key").short(12)
    }

    /// A digest of the variable `name` that nobody can compute without the key.
    pub fn digest(&self, name: &str, value: &[u8]) -> Sha {
        Sha::keyed(&self.0, &[name.as_bytes(), b"=", value].concat())
    }

    #[cfg(test)]
    pub fn sample(byte: u8) -> Self {
        Self([byte; BYTES])
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_stays_is_for_its_owner_alone_and_is_made_again_if_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, path) = (dir.path().join("lambda"), dir.path().join("lambda/variables.key"));
        let name = Key::of(&folder).unwrap().name();
        let mode = || fs::lstat(&path).unwrap().unwrap().permissions().mode() & 0o777;
        assert_eq!((Key::of(&folder).unwrap().name(), mode()), (name.clone(), 0o600));
        // An archive may have lost its permissions.
        let bytes = fs::read(&path).unwrap();
        fs::replace(&path, &bytes, 0o644, None).unwrap();
        assert_eq!((Key::of(&folder).unwrap().name(), mode()), (name.clone(), 0o600));
        fs::replace(&path, b"short", 0o600, None).unwrap();
        assert_ne!(Key::of(&folder).unwrap().name(), name);
    }

    #[test]
    fn a_digest_depends_on_the_key_the_name_and_the_value() {
        let of = |key: u8, name: &str, value: &str| Key::sample(key).digest(name, value.as_bytes());
        let all = [of(1, "A", "v"), of(2, "A", "v"), of(1, "B", "v"), of(1, "A", "w")];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_ne!(Key::sample(1).name(), Key::sample(2).name());
    }
}
