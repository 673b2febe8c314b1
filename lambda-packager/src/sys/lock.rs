//! File locks: one run at a time where two would do the same work, and a waiter that knows for whom
//! it waits. The operating system frees a lock when its holder dies, however it dies.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use fs2::FileExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{env, fs};

/// Who holds a lock, as it wrote into the lock file itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
    /// Seconds since the Unix epoch.
    pub since_epoch_secs: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let now = epoch_secs();
        write!(
            f,
            "process {} ({}), which took the lock {} s ago",
            self.pid,
            self.command,
            now.saturating_sub(self.since_epoch_secs)
        )
    }
}

/// A held lock; dropped, it is free again.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the exclusive lock `path`, waiting as long as it takes; `waiting` is told of the
    /// holder before the wait begins.
    ///
    /// # Errors
    /// Where the lock file cannot be written or the file system cannot lock.
    pub fn acquire(path: &Path, waiting: impl FnOnce(Option<Holder>)) -> Result<Self> {
        let file = fs::open_lock_file(path)?;
        let unlockable = |e: std::io::Error| {
            Error::new(ErrorKind::Io, format!("the file system of {} cannot lock files", path.display()))
                .source(e)
                .hint_with("keep the project on a local file system, or on one that supports file locks")
        };
        match file.try_lock_exclusive() {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                waiting(read_holder(&file));
                file.lock_exclusive().map_err(unlockable)?;
            }
            Err(e) => return Err(unlockable(e)),
        }
        let mut lock = Self { file };
        lock.sign().map_err(|e| Error::io("write", path, e))?;
        Ok(lock)
    }

    fn sign(&mut self) -> std::io::Result<()> {
        let holder = Holder { pid: std::process::id(), command: env::command_name(), since_epoch_secs: epoch_secs() };
        let line = format!("{}\n", serde_json::to_string(&holder)?);
        // Over the line before, not after emptying the file: ext4 writes a file to the disk at once that
        // was emptied and filled, and a hit would wait for it.
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(line.as_bytes())
    }

    /// Now, by the clock of the file system that holds the lock file: signing it dated it.
    pub fn signed_at_ns(&self) -> Result<i64> {
        let meta = self.file.metadata();
        let meta = meta.map_err(|e| Error::io("inspect", Path::new("the lock file"), e))?;
        Ok(fs::Stamp::of(&meta).mtime_ns)
    }

    /// The user and group that files written here belong to: the ids to compile under.
    pub fn owner(&self) -> Result<(u32, u32)> {
        use std::os::unix::fs::MetadataExt;
        let meta = self.file.metadata();
        let meta = meta.map_err(|e| Error::io("inspect", Path::new("the lock file"), e))?;
        Ok((meta.uid(), meta.gid()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder signs a moment after it got the lock: until then a waiter must not be told of us.
        let _ = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(b"\n"));
    }
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    // What follows the first line is the end of a longer one.
    serde_json::from_str(text.lines().next()?).ok()
}

fn epoch_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_waiter_is_told_of_the_holder_and_gets_the_lock_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/release.lock");
        let first = Lock::acquire(&path, |_| panic!("nobody holds it")).unwrap();
        let (told, holder) = mpsc::channel();
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || Lock::acquire(&path, |holder| told.send(holder).unwrap()))
        };
        let holder = holder.recv().unwrap().expect("the holder signed");
        assert_eq!(holder.pid, std::process::id());
        drop(first);
        drop(waiter.join().unwrap().unwrap());
        // Nobody is named who does not hold it any more.
        assert_eq!(read_holder(&File::open(&path).unwrap()), None);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = Lock::acquire(dir.path(), |_| ()).unwrap_err();
        assert!(error.to_string().contains(&*dir.path().to_string_lossy()), "{error}");
    }
}
