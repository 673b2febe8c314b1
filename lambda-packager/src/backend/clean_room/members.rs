//! The files of a build context.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cargo::config::without_credentials;
use crate::error::Result;
use crate::sys::fs;

/// A file of a folder of the context.
#[derive(PartialEq, Eq)]
pub enum Member {
    File { content: Vec<u8>, executable: bool },
    Link(String),
}

/// Files by their absolute path in the clean room.
pub type Members = BTreeMap<String, Member>;

/// Puts the file `path` at `place`, unless it holds credentials and nothing else.
pub fn keep(members: &mut Members, place: String, path: &Path) -> Result<()> {
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

/// Puts everything in the folder `path` below `place`.
pub fn keep_all(members: &mut Members, place: &str, path: &Path) -> Result<()> {
    for name in fs::names_in(path)? {
        let (place, path) = (format!("{place}/{name}"), path.join(&name));
        if fs::lstat(&path)?.is_some_and(|meta| meta.is_dir()) {
            keep_all(members, &place, &path)?;
        } else {
            keep(members, place, &path)?;
        }
    }
    Ok(())
}
