//! What no link brings into a compile or a zip: it may have tokens.

use std::path::Path;

use crate::sys::{env, fs};

/// Whether a resolved path is below `folder`, and in no repository's own folder there.
pub fn is_visible(path: &Path, folder: &Path) -> bool {
    path.strip_prefix(folder).is_ok_and(|below| below.iter().all(|name| name != ".git"))
}

/// Whether cargo keeps credentials in it, whichever link leads there.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/config.html#credentials>.
pub fn is_secret(path: &Path) -> bool {
    const NAMES: [&str; 2] = ["credentials", "credentials.toml"];
    let folder = || path.parent().and_then(|folder| fs::canonical(folder).ok());
    let is_home =
        |folder: &Path| env::cargo_home().and_then(|home| fs::canonical(&home)).is_ok_and(|home| folder == home);
    path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known))
        && folder().is_some_and(|folder| folder.ends_with(".cargo") || is_home(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repositorys_own_folder_and_credentials_are_known_by_where_they_are() {
        for (path, visible) in [
            ("/w/a", true),
            ("/w/.github/a", true),
            ("/w/x/.git/config", false),
            ("/w/.git", false),
            ("/other/a", false),
        ] {
            assert_eq!(is_visible(Path::new(path), Path::new("/w")), visible, "{path}");
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in [".cargo/credentials.toml", ".cargo/credentials", ".cargo/config.toml", "src/credentials.toml"] {
            fs::replace(&at(name), b"", 0o600, None).unwrap();
        }
        std::os::unix::fs::symlink(".cargo", at("link")).unwrap();
        for (name, secret) in [
            (".cargo/credentials.toml", true),
            (".cargo/credentials", true),
            ("link/credentials.toml", true),
            (".cargo/config.toml", false),
            ("src/credentials.toml", false),
        ] {
            assert_eq!(is_secret(&at(name)), secret, "{name}");
        }
    }
}
