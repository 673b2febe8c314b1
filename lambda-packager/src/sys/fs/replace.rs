//! Replacing files atomically, through a temporary file beside them.
#![allow(clippy::disallowed_methods)]

use std::borrow::Cow;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use crate::error::{Error, Result};
use crate::sys::fs::read::lstat;
use crate::sys::fs::temporary;

pub fn create_dirs(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("create the folder", path, e))
}

/// Replaces `path` by `bytes`: writes a temporary file beside it, fsync, rename. After a crash or with a full disk, there
/// is the complete old file or the complete new one. The file gets the date `mtime`.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, mtime: Option<SystemTime>) -> Result<()> {
    Staged::write(path, bytes, mode, mtime)?.commit()
}

/// The same for a file that is made again if it is lost: it is not waited for the disk, so after a crash of the machine
/// anything can be there.
pub fn replace_cache(path: &Path, bytes: &[u8]) -> Result<()> {
    Staged::fill(path, |_| Ok(bytes.into()), 0o644, None, false)?.commit()
}

/// The new content of a file, in a temporary file beside it, so that `commit` rarely fails. Without `commit`, it is
/// removed when dropped.
#[must_use = "the file is not replaced before `commit`"]
pub struct Staged {
    path: PathBuf,
    /// `None` after `commit`.
    temporary: Option<PathBuf>,
}

impl Staged {
    pub fn write(path: &Path, bytes: &[u8], mode: u32, mtime: Option<SystemTime>) -> Result<Self> {
        Self::write_with_inode(path, |_| Ok(bytes.into()), mode, mtime)
    }

    /// The same, with content that depends on the inode of the new file. The rename keeps the inode.
    pub fn write_with_inode<'a>(
        path: &Path,
        bytes: impl FnOnce(u64) -> Result<Cow<'a, [u8]>>,
        mode: u32,
        mtime: Option<SystemTime>,
    ) -> Result<Self> {
        Self::fill(path, bytes, mode, mtime, true)
    }

    fn fill<'a>(
        path: &Path,
        bytes: impl FnOnce(u64) -> Result<Cow<'a, [u8]>>,
        mode: u32,
        mtime: Option<SystemTime>,
        is_synced: bool,
    ) -> Result<Self> {
        let fail = |e| Error::io("write", path, e);
        let parent = path.parent().unwrap_or(Path::new("."));
        create_dirs(parent)?;
        let (temporary, mut file) = temporary::create(path, mode).map_err(fail)?;
        let staged = Self { path: path.to_path_buf(), temporary: Some(temporary) };
        let bytes = bytes(file.metadata().map_err(fail)?.ino())?;
        let mut fill = || -> io::Result<()> {
            file.write_all(&bytes)?;
            // Set the mode again: the umask may have restricted it.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            if let Some(time) = mtime {
                file.set_modified(time)?;
            }
            if is_synced { file.sync_all() } else { Ok(()) }
        };
        fill().map_err(fail)?;
        Ok(staged)
    }

    pub fn commit(mut self) -> Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path).map_err(|e| Error::io("write", &self.path, e))?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Makes `path` a link to `target`, in place of the file or link that is there.
pub fn replace_by_link(path: &Path, target: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    create_dirs(parent)?;
    if lstat(path)?.is_some_and(|meta| !meta.is_dir()) {
        remove_tree(path)?;
    }
    std::os::unix::fs::symlink(target, path).map_err(|e| Error::io("make the link", path, e))
}

/// Removes a file, or a folder with its content. Removes a symlink itself, not its target.
pub fn remove_tree(path: &Path) -> Result<()> {
    let removed = match lstat(path)? {
        Some(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Some(_) => fs::remove_file(path),
        None => Ok(()),
    };
    removed.map_err(|e| Error::io("remove", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Stamp;
    use crate::sys::fs::read::{names_in, read};
    use crate::sys::fs::stamp::time_of;

    #[test]
    fn a_replaced_file_is_whole_dated_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zip");
        replace(&path, b"old", 0o644, None).unwrap();
        replace(&path, b"new", 0o755, Some(time_of(1_000_000_000_000_000_000))).unwrap();
        let meta = lstat(&path).unwrap().unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(meta.permissions().mode() & 0o777, 0o755);
        assert_eq!(Stamp::of(&meta).mtime_ns, 1_000_000_000_000_000_000);
        assert_eq!(names_in(dir.path()).unwrap(), ["a.zip"]);
    }

    #[test]
    fn staged_content_is_visible_only_after_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zip");
        replace(&path, b"old", 0o644, None).unwrap();
        drop(Staged::write(&path, b"new", 0o644, None).unwrap());
        assert_eq!(names_in(dir.path()).unwrap(), ["a.zip"]);
        let staged = Staged::write(&path, b"new", 0o644, None).unwrap();
        assert_eq!(read(&path).unwrap(), b"old");
        staged.commit().unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
    }
}
