//! The packager's own files and folders. Another process may have put a link or a pipe in their place.
#![allow(clippy::disallowed_methods)]

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::{fs, io};

use crate::error::{Error, Result};
use crate::sys::fs::read::{canonical, is_dir, lstat};
use crate::sys::fs::replace::{create_dirs, remove_tree};

/// Refuses a link or a pipe in place of our own file: another process put it there, and it may lead anywhere.
fn check(path: &Path) -> Result<()> {
    match lstat(path)? {
        Some(meta) if !meta.is_file() => Err(Error::config(format!(
            "{} is not a regular file; lambda-packager needs that path for its own file",
            path.display()
        ))
        .hint_with("remove it")),
        _ => Ok(()),
    }
}

/// Whether `folder` is a link out of `boundary`.
pub fn leads_out(folder: &Path, boundary: &Path) -> Result<bool> {
    let is_link = lstat(folder)?.is_some_and(|meta| meta.is_symlink());
    Ok(is_link && !canonical(folder)?.starts_with(canonical(boundary)?))
}

/// Refuses our own folder if it is a link out of `boundary`: the files there are not ours to write or remove.
pub fn refuse_to_leave(folder: &Path, boundary: &Path) -> Result<()> {
    if leads_out(folder, boundary)? {
        return Err(Error::config(format!("{} leads out of {}", folder.display(), boundary.display()))
            .hint_with("remove that link; `target` itself may be a link to another disk"));
    }
    Ok(())
}

/// Whether `path`, which need not exist, is in `folder`, with all links followed but one at its end, which is replaced.
pub fn is_inside(path: &Path, folder: &Path) -> Result<bool> {
    let Some(existing) = path.ancestors().skip(1).find(|ancestor| is_dir(ancestor)) else { return Ok(false) };
    Ok(path.starts_with(folder) && canonical(existing)?.starts_with(canonical(folder)?))
}

/// Opens the path itself: a link that was put there after the check is not followed.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW);
    options
}

/// The content of our own file; `None` if it does not exist.
pub fn read_own(path: &Path) -> Result<Option<Vec<u8>>> {
    check(path)?;
    let mut bytes = Vec::new();
    match options().read(true).open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// As [`read_own`], for a file with a secret: others cannot read it from now on.
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>> {
    let bytes = read_own(path)?;
    if let Some(meta) = lstat(path)?.filter(|meta| meta.permissions().mode() & 0o077 != 0) {
        let mode = Permissions::from_mode(meta.permissions().mode() & 0o700);
        fs::set_permissions(path, mode).map_err(|e| Error::io("protect", path, e))?;
    }
    Ok(bytes)
}

/// Replaces our own file by one that only its owner can read.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
    check(path)?;
    remove_tree(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|e| Error::io("write", path, e))
}

/// Lets everybody execute a file of ours that nobody may execute; whether that was done. Some file systems have no such right.
pub fn allow_execution(path: &Path) -> Result<bool> {
    let meta = lstat(path)?.filter(|meta| meta.is_file() && meta.permissions().mode() & 0o111 == 0);
    let mode = meta.map(|meta| Permissions::from_mode(meta.permissions().mode() & 0o777 | 0o111));
    Ok(mode.is_some_and(|mode| fs::set_permissions(path, mode).is_ok()))
}

pub fn append(path: &Path) -> Result<File> {
    check(path)?;
    options().create(true).append(true).open(path).map_err(|e| Error::io("write", path, e))
}

pub fn create(path: &Path) -> Result<File> {
    check(path)?;
    options().write(true).create(true).truncate(true).open(path).map_err(|e| Error::io("write", path, e))
}

pub fn open_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Opens or creates a file for a lock and for the name of its holder.
pub fn open_lock_file(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dirs(parent)?;
    }
    check(path)?;
    options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| Error::io("open the lock file", path, e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_in_place_of_our_own_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/record");
        assert_eq!(read_own(&path).unwrap(), None);
        drop(open_lock_file(&path).unwrap());
        assert_eq!(read_own(&path).unwrap().as_deref(), Some(&b""[..]));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        let results = [read_own(&link).map(drop), append(&link).map(drop), create(&link).map(drop)];
        for result in results.into_iter().chain([open_lock_file(&link).map(drop)]) {
            assert!(result.unwrap_err().to_string().contains("is not a regular file"));
        }
        // Also if it came after the check.
        assert!(options().read(true).open(&link).is_err());
    }

    #[test]
    fn a_link_may_lead_out_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        create_dirs(&inside.join("deep")).unwrap();
        create_dirs(&outside).unwrap();
        symlink(&outside, inside.join("leaves")).unwrap();
        symlink("deep", inside.join("stays")).unwrap();
        for (name, expected) in [
            ("a.zip", true),
            ("deep/new/a.zip", true),
            ("stays/a.zip", true),
            ("leaves/a.zip", false),
            ("leaves/new/a.zip", false),
            ("../out/a.zip", false),
        ] {
            let path = crate::sys::lexically_clean(&inside.join(name));
            assert_eq!(is_inside(&path, &inside).unwrap(), expected, "{name}");
        }
    }
}
