//! The one door to files: reading, stamping, hashing, and replacing them atomically.
#![allow(clippy::disallowed_methods)]

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{DirEntry, File, FileType, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::sys::sha256::Sha;

/// What the file system says of a file without reading it. Any change of content changes at least
/// the ctime, unless it falls into the same clock tick as the stamp (see [`Stamp::is_older_than`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub size_bytes: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
}

/// Timestamps move in steps: the kernel's tick on most file systems, up to two seconds on some.
const TICK_NS: i64 = 20_000_000;
const COARSE_TICK_NS: i64 = 2_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

impl Stamp {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            size_bytes: meta.size(),
            mtime_ns: meta.mtime().wrapping_mul(SECOND_NS) + meta.mtime_nsec(),
            ctime_ns: meta.ctime().wrapping_mul(SECOND_NS) + meta.ctime_nsec(),
            inode: meta.ino(),
        }
    }

    /// Whether a later change must show in the stamp: git's "racy" rule. A file last touched in the
    /// same clock tick as the record could be written again without its stamp moving.
    pub fn is_older_than(&self, taken_at_ns: i64) -> bool {
        let whole_seconds = self.mtime_ns % SECOND_NS == 0 && self.ctime_ns % SECOND_NS == 0;
        let tick = if whole_seconds { COARSE_TICK_NS } else { TICK_NS };
        self.mtime_ns.max(self.ctime_ns).saturating_add(tick) < taken_at_ns
    }
}

/// The metadata of what `path` itself is (a symlink is not followed); `None` where nothing is.
pub fn lstat(path: &Path) -> Result<Option<Metadata>> {
    existing(fs::symlink_metadata(path)).map_err(|e| Error::io("inspect", path, e))
}

/// As [`lstat`], following symlinks; a dangling or looping link counts as nothing.
pub fn stat(path: &Path) -> Result<Option<Metadata>> {
    existing(fs::metadata(path)).map_err(|e| Error::io("inspect", path, e))
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    /// `ELOOP`: a symlink that leads back to itself.
    const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Ok(None),
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
    fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// The first `length` bytes of a file, or all if it has fewer.
pub fn read_start(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(length).read_to_end(&mut start));
    read.map_err(|e| Error::io("read", path, e)).map(|_| start)
}

pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>> {
    existing(fs::read(path)).map_err(|e| Error::io("read", path, e))
}

/// The names in the folder `path`, in byte order; an error for a name that is not UTF-8.
pub fn names_in(path: &Path) -> Result<Vec<String>> {
    raw_names_in(path)?.into_iter().map(|name| utf8(path, name)).collect()
}

/// The names in the folder `path`, whatever they are, in byte order.
pub fn raw_names_in(path: &Path) -> Result<Vec<OsString>> {
    let mut names = entries_of(path, |entry| Ok(entry.file_name()))?;
    names.sort_unstable();
    Ok(names)
}

/// As [`raw_names_in`], each with its type (a symlink is not followed). Most file systems keep the type
/// in the folder, so that no file has to be asked for it.
pub fn typed_names_in(path: &Path) -> Result<Vec<(OsString, FileType)>> {
    let mut names = entries_of(path, |entry| Ok((entry.file_name(), entry.file_type()?)))?;
    names.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(names)
}

/// The name of something in `folder` that a record is to hold, which can only be text.
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
    let mut file = File::open(path).map_err(fail)?;
    let mut hasher = Sha256::new();
    // On the stack, and small: most files are, and clearing a large buffer costs more than to hash them.
    let mut buffer = [0u8; 16 * 1024];
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(Sha(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

pub fn create_dirs(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("create the folder", path, e))
}

/// Replaces `path` by `bytes` so that a reader, a crash or a full disk sees the old file or the new
/// one, whole: temporary file beside it, fsync, rename. `mtime` dates the file.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, mtime: Option<SystemTime>) -> Result<()> {
    Staged::write(path, bytes, mode, mtime)?.commit()
}

/// A new content of a file, on disk beside it: what is left to do can hardly fail. Dropped, it is gone.
#[must_use = "the file is not replaced before `commit`"]
pub struct Staged {
    path: PathBuf,
    /// None once it has taken its place.
    temporary: Option<PathBuf>,
}

impl Staged {
    pub fn write(path: &Path, bytes: &[u8], mode: u32, mtime: Option<SystemTime>) -> Result<Self> {
        Self::write_knowing(path, |_| Ok(bytes.into()), mode, mtime)
    }

    /// The same with content that may hold what only the new file can tell: its inode, which it keeps.
    pub fn write_knowing<'a>(
        path: &Path,
        bytes: impl FnOnce(u64) -> Result<Cow<'a, [u8]>>,
        mode: u32,
        mtime: Option<SystemTime>,
    ) -> Result<Self> {
        let fail = |e| Error::io("write", path, e);
        let parent = path.parent().unwrap_or(Path::new("."));
        create_dirs(parent)?;
        let temporary = temporary_beside(path);
        let staged = Self { path: path.to_path_buf(), temporary: Some(temporary.clone()) };
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(temporary).map_err(fail)?;
        let bytes = bytes(file.metadata().map_err(fail)?.ino())?;
        let mut fill = || -> io::Result<()> {
            file.write_all(&bytes)?;
            // The umask must not decide what the artifact may do.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            if let Some(time) = mtime {
                file.set_modified(time)?;
            }
            file.sync_all()
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

const TEMPORARY: &str = ".tmp-lambda-packager-";

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{TEMPORARY}{}", std::process::id()))
}

/// Removes what a killed run left half-written in `folder`. Only Linux can tell a dead process from
/// a living one without asking another program; elsewhere leftovers are overwritten in time.
pub fn remove_dead_temporaries(folder: &Path) {
    let Ok(names) = names_in(folder) else { return };
    for name in names {
        let Some((_, pid)) = name.split_once(TEMPORARY) else {
            continue;
        };
        if is_dir(Path::new("/proc/self")) && !is_dir(&Path::new("/proc").join(pid)) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// Now, by the clock of the file system that holds `folder`: it dates a file.
pub fn clock_in(folder: &Path) -> Result<i64> {
    let path = temporary_beside(&folder.join("clock"));
    let fail = |e| Error::io("write", &path, e);
    let now = File::create(&path).and_then(|file| file.metadata()).map_err(fail)?;
    fs::remove_file(&path).map_err(fail)?;
    Ok(Stamp::of(&now).mtime_ns)
}

/// A file that we keep for ourselves: a link or a pipe in its place was put there by somebody else, and
/// leads elsewhere.
fn own(path: &Path) -> Result<()> {
    match lstat(path)? {
        Some(meta) if !meta.is_file() => Err(Error::config(format!(
            "{} is not a regular file; lambda-packager needs that path for its own file",
            path.display()
        ))
        .hint_with("remove it")),
        _ => Ok(()),
    }
}

/// Refuses a folder that we keep if it is a link out of `boundary`: what would be written or removed
/// there is not ours.
pub fn refuse_to_leave(folder: &Path, boundary: &Path) -> Result<()> {
    let is_link = lstat(folder)?.is_some_and(|meta| meta.is_symlink());
    if is_link && !canonical(folder)?.starts_with(canonical(boundary)?) {
        return Err(Error::config(format!("{} leads out of {}", folder.display(), boundary.display())).hint_with(
            "remove that link; to move cargo's target directory, set `build.target-dir` or CARGO_TARGET_DIR",
        ));
    }
    Ok(())
}

/// As [`read_if_exists`], of a file that we keep.
pub fn read_own(path: &Path) -> Result<Option<Vec<u8>>> {
    own(path)?;
    read_if_exists(path)
}

pub fn append(path: &Path) -> Result<File> {
    own(path)?;
    OpenOptions::new().create(true).append(true).open(path).map_err(|e| Error::io("write", path, e))
}

pub fn create(path: &Path) -> Result<File> {
    own(path)?;
    File::create(path).map_err(|e| Error::io("write", path, e))
}

pub fn open_for_writing(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Opens (creating it where absent) a file to lock and to leave a note in.
pub fn open_lock_file(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        create_dirs(parent)?;
    }
    own(path)?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| Error::io("open the lock file", path, e))
}

/// Whether files can be made in the folder `path`.
pub fn is_writable(path: &Path) -> bool {
    let probe = temporary_beside(&path.join("probe"));
    let written = File::create(&probe).is_ok();
    let _ = fs::remove_file(&probe);
    written
}

/// How much the user can still write where `path` lies.
pub fn free_bytes(path: &Path) -> Result<u64> {
    fs2::available_space(path).map_err(|e| Error::io("measure the free space at", path, e))
}

/// The sizes of all files in and below `path`, added up; symlinks are not followed.
pub fn size_of_tree(path: &Path) -> Result<u64> {
    let Some(meta) = lstat(path)? else { return Ok(0) };
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let entries = fs::read_dir(path).map_err(|e| Error::io("list", path, e))?;
    let mut bytes = 0;
    for entry in entries {
        bytes += size_of_tree(&entry.map_err(|e| Error::io("list", path, e))?.path())?;
    }
    Ok(bytes)
}

/// Removes a file, or a folder with all that is in it; a symlink itself, not what it leads to.
pub fn remove_tree(path: &Path) -> Result<()> {
    let removed = match lstat(path)? {
        Some(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Some(_) => fs::remove_file(path),
        None => Ok(()),
    };
    removed.map_err(|e| Error::io("remove", path, e))
}

/// A point in time as nanoseconds since the epoch becomes a date for [`replace`].
pub fn time_of(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_staged_shows_only_when_committed() {
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

    #[test]
    fn temporaries_of_the_dead_go_and_those_of_the_living_stay() {
        let dir = tempfile::tempdir().unwrap();
        let alive = format!(".x{TEMPORARY}{}", std::process::id());
        // Above the largest pid that Linux gives out.
        for name in [alive.as_str(), ".x.tmp-lambda-packager-99999999", "kept"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_dead_temporaries(dir.path());
        assert_eq!(names_in(dir.path()).unwrap(), [alive.as_str(), "kept"]);
    }

    #[test]
    fn a_stamp_as_young_as_the_record_is_not_trusted() {
        let stamp = |mtime_ns, ctime_ns| Stamp { size_bytes: 1, mtime_ns, ctime_ns, inode: 1 };
        let now = 1_700_000_000_123_456_789;
        assert!(!stamp(now, now).is_older_than(now));
        assert!(!stamp(now - TICK_NS, now - TICK_NS).is_older_than(now));
        assert!(stamp(now - 2 * TICK_NS, now - 2 * TICK_NS).is_older_than(now));
        // An old mtime does not hide a young ctime.
        assert!(!stamp(0, now).is_older_than(now));
        // Whole seconds on both: a coarse file system.
        let second = 1_700_000_000 * SECOND_NS;
        assert!(!stamp(second, second).is_older_than(second + SECOND_NS));
        assert!(stamp(second, second).is_older_than(second + 3 * SECOND_NS));
    }
}
