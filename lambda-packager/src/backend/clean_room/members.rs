//! The files of a build context.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cargo::config::without_credentials;
use crate::error::Result;
use crate::sys::fs;

/// A file or a symbolic link.
#[derive(PartialEq, Eq)]
pub enum Member {
    File { content: Vec<u8>, executable: bool },
    Link(String),
}

/// Files by their absolute path in the clean room.
pub type Members = BTreeMap<String, Member>;

/// Adds the file or link `path` as `place`. Cargo's file of credentials is left out, and its configuration is added
/// without credentials. It is not an error if `path` does not exist.
///
/// # Errors
/// A file cannot be read, or a configuration is not valid TOML.
pub fn add_file(members: &mut Members, place: String, path: &Path) -> Result<()> {
    let Some(meta) = fs::lstat(path)? else { return Ok(()) };
    if meta.is_symlink() {
        members.insert(place, Member::Link(fs::read_link(path)?.to_string_lossy().into_owned()));
    } else if meta.is_file() {
        let in_cargo_folder = path.parent().is_some_and(|folder| folder.ends_with(".cargo"));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = match &*name {
            "credentials" | "credentials.toml" if in_cargo_folder => return Ok(()),
            "config" | "config.toml" if in_cargo_folder => without_credentials(fs::read(path)?, path)?,
            _ => fs::read(path)?,
        };
        members.insert(place, Member::File { content, executable: meta.permissions().mode() & 0o111 != 0 });
    }
    Ok(())
}

/// Adds everything in the folder `path` below `place`.
///
/// # Errors
/// Those of [`add_file`]; the folder cannot be listed.
pub fn add_folder(members: &mut Members, place: &str, path: &Path) -> Result<()> {
    for name in fs::names_in(path)? {
        let (place, path) = (format!("{place}/{name}"), path.join(&name));
        if fs::lstat(&path)?.is_some_and(|meta| meta.is_dir()) {
            add_folder(members, &place, &path)?;
        } else {
            add_file(members, place, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_links_are_added_without_credentials() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dirs(&dir.path().join("x/.cargo")).unwrap();
        for (name, text, mode) in [
            ("run", "#!", 0o755),
            (".cargo/credentials.toml", "[registry]\ntoken = \"secret\"\n", 0o600),
            (".cargo/config.toml", "[net]\noffline = true\n[registries.r]\ntoken = \"secret\"\n", 0o600),
        ] {
            fs::replace(&dir.path().join("x").join(name), text.as_bytes(), mode, None).unwrap();
        }
        std::os::unix::fs::symlink("../elsewhere", dir.path().join("x/link")).unwrap();
        let mut members = Members::new();
        add_folder(&mut members, "/p", &dir.path().join("x")).unwrap();
        add_file(&mut members, "/p/absent".into(), &dir.path().join("absent")).unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["/p/.cargo/config.toml", "/p/link", "/p/run"]);
        assert!(members["/p/link"] == Member::Link("../elsewhere".into()));
        assert!(members["/p/run"] == Member::File { content: b"#!".into(), executable: true });
        let Member::File { content, executable: false } = &members["/p/.cargo/config.toml"] else { panic!() };
        let text = str::from_utf8(content).unwrap();
        assert!(text.contains("offline") && !text.contains("secret"), "{text}");
    }
}
