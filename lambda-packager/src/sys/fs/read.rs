//! Reading files, folders and what the file system says about them.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::fs::{DirEntry, File, FileType, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::sys::Sha;

/// The metadata of `path` itself (a symlink is not followed); `None` if it does not exist.
pub fn lstat(path: &Path) -> Result<Option<Metadata>> {
    existing(fs::symlink_metadata(path)).map_err(|e| Error::io("inspect", path, e))
}

/// As [`lstat`], but follows symlinks. `None` also for a link to nothing or to itself.
pub fn stat(path: &Path) -> Result<Option<Metadata>> {
    existing(fs::metadata(path)).map_err(|e| Error::io("inspect", path, e))
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    /// `ELOOP`: a symlink that points to itself.
    const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    match result {
        Ok(value) => Ok(Some(value)),
        // Nothing has a name that is too long.
        Err(e) if matches!(e.kind(), NotFound | NotADirectory | InvalidFilename) => Ok(None),
        Err(e) if e.raw_os_error() == Some(TOO_MANY_LINKS) => Ok(None),
        Err(e) => Err(e),
    }
}

pub fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

pub fn is_dir(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_dir())
}

pub fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|e| Error::io("find", path, e))
}

pub fn read_link(path: &Path) -> Result<PathBuf> {
    fs::read_link(path).map_err(|e| Error::io("read the link", path, e))
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    content(path).map_err(|e| Error::io("read", path, e))
}

/// Opens a file that is too large to hold in memory.
pub fn open(path: &Path) -> Result<File> {
    open_regular(path).map_err(|e| Error::io("read", path, e))
}

/// The first `length` bytes of a file, or all of a shorter one.
pub fn read_start(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = open_regular(path).and_then(|file| file.take(length).read_to_end(&mut start));
    read.map_err(|e| Error::io("read", path, e)).map(|_| start)
}

pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>> {
    existing(content(path)).map_err(|e| Error::io("read", path, e))
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file. To open a pipe would wait for a writer, and a device may never end.
fn open_regular(path: &Path) -> io::Result<File> {
    /// `O_NONBLOCK`: do not wait for the writer of a pipe. Regular files ignore it.
    const DO_NOT_WAIT: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 0x4 };
    let file = OpenOptions::new().read(true).custom_flags(DO_NOT_WAIT).open(path)?;
    match file.metadata()? {
        meta if meta.is_file() => Ok(file),
        meta if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file, but a pipe, a socket or a device",
        )),
    }
}

/// The names in the folder `path`, in byte order; an error for a name that is not UTF-8.
pub fn names_in(path: &Path) -> Result<Vec<String>> {
    raw_names_in(path)?.into_iter().map(|name| utf8(path, name)).collect()
}

/// The names in the folder `path` in byte order, whether UTF-8 or not.
pub fn raw_names_in(path: &Path) -> Result<Vec<OsString>> {
    let mut names = entries_of(path, |entry| Ok(entry.file_name()))?;
    names.sort_unstable();
    Ok(names)
}

/// As [`raw_names_in`], with types (a symlink is not followed). Most file systems store the type in the folder, so that no
/// call for each file is needed.
pub fn typed_names_in(path: &Path) -> Result<Vec<(OsString, FileType)>> {
    let mut names = entries_of(path, |entry| Ok((entry.file_name(), entry.file_type()?)))?;
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(names)
}

/// A name in `folder` as text: a record cannot hold other names.
pub fn utf8(folder: &Path, name: OsString) -> Result<String> {
    name.into_string().map_err(|name| {
        Error::config(format!("the name of {} is not UTF-8", folder.join(name).display()))
            .hint_with("rename it, or let git ignore it")
    })
}

fn entries_of<T>(path: &Path, each: impl Fn(&DirEntry) -> io::Result<T>) -> Result<Vec<T>> {
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| each(&entry?)).collect());
    entries.map_err(|e| Error::io("list", path, e))
}

/// The SHA-256 of a file's content, read in pieces.
pub fn sha_of_file(path: &Path) -> Result<Sha> {
    let fail = |e| Error::io("read", path, e);
    let mut file = open_regular(path).map_err(fail)?;
    let mut hasher = Sha256::new();
    // Small and on the stack: most files are small, and clearing a large buffer would cost more than the hash.
    let mut buffer = [0u8; 16 * 1024];
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(Sha(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The total size of all files in and below `path`. Symlinks are not followed.
pub fn size_of_tree(path: &Path) -> Result<u64> {
    let Some(meta) = lstat(path)? else { return Ok(0) };
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    entries_of(path, |entry| Ok(entry.path()))?.iter().map(|path| size_of_tree(path)).sum()
}

/// The free space for the user on the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64> {
    fs2::available_space(path).map_err(|e| Error::io("measure the free space at", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        for path in ["/dev/null", "/"].map(Path::new) {
            let results = [read(path).map(drop), open(path).map(drop), read_if_exists(path).map(drop)];
            for result in results.into_iter().chain([sha_of_file(path).map(drop), read_start(path, 1).map(drop)]) {
                let error = result.unwrap_err().with_cause();
                assert!(error.contains("not a regular file") || error.contains("directory"), "{error}");
            }
        }
    }
}
