//! File locks: only one run at a time does the same work, and a waiting run knows the holder. The operating system
//! releases a lock when its holder ends, in any way.
#![allow(clippy::disallowed_methods)]

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use fs2::FileExt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{env, fs};

/// The holder of a lock, as it wrote itself into the lock file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
    /// Seconds since the Unix epoch.
    pub since_epoch_secs: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ago = epoch_secs().saturating_sub(self.since_epoch_secs);
        write!(f, "process {} ({}), which took the lock {ago} s ago", self.pid, self.command)
    }
}

/// A held lock. Dropping it releases the lock.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// A lock that others share. Dropping it releases it.
#[derive(Debug)]
pub struct SharedLock {
    _file: File,
}

impl Lock {
    /// Takes the exclusive lock `path`, and waits for it without a limit. Before the wait, `waiting` gets the holder.
    ///
    /// # Errors
    /// If the lock file cannot be written, or the file system cannot lock.
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

    /// Shares the lock `path` of another program, which writes only while it holds it alone: until the result is dropped it
    /// does not. Waits for it without a limit; before the wait, `waiting` is called. `None` where nothing is locked: the file
    /// is not there or cannot be read, or the file system cannot lock.
    pub fn share(path: &Path, waiting: impl FnOnce()) -> Option<SharedLock> {
        let file = fs::open(path).ok()?;
        if FileExt::try_lock_shared(&file)
            .is_err_and(|e| e.raw_os_error() == fs2::lock_contended_error().raw_os_error())
        {
            waiting();
        }
        FileExt::lock_shared(&file).ok().map(|()| SharedLock { _file: file })
    }

    fn sign(&mut self) -> std::io::Result<()> {
        let holder = Holder { pid: std::process::id(), command: env::command_name(), since_epoch_secs: epoch_secs() };
        let line = format!("{}\n", serde_json::to_string(&holder)?);
        // Overwrite the old line without truncating the file: ext4 writes a truncated and filled file to disk at once, and a
        // cache hit would wait for that.
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(line.as_bytes())
    }

    /// The time of `acquire` by the clock of the file system: writing the holder set the date of the file.
    pub fn signed_at_ns(&self) -> Result<i64> {
        Ok(fs::Stamp::of(&self.metadata()?).mtime_ns)
    }

    /// The user and group of files that we create here. The compile runs with these ids.
    pub fn owner(&self) -> Result<(u32, u32)> {
        self.metadata().map(|meta| (meta.uid(), meta.gid()))
    }

    fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().map_err(|e| Error::io("inspect", Path::new("the lock file"), e))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder writes its name only after it got the lock. Until then, a waiting run must not see ours.
        let _ = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(b"\n"));
    }
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    // The rest of the file may be the end of an older, longer line.
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
    fn a_waiting_run_gets_the_holder_and_then_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/release.lock");
        let first = Lock::acquire(&path, |_| panic!("nobody holds it")).unwrap();
        let (sender, holder) = mpsc::channel();
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || Lock::acquire(&path, |holder| sender.send(holder).unwrap()))
        };
        let holder = holder.recv().unwrap().expect("the holder signed");
        assert_eq!(holder.pid, std::process::id());
        drop(first);
        drop(waiter.join().unwrap().unwrap());
        // A former holder is not named.
        assert_eq!(read_holder(&File::open(&path).unwrap()), None);
    }

    #[test]
    fn a_shared_lock_waits_for_who_holds_it_alone_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(Lock::share(&path, || panic!("nobody holds it")).is_none());
        let alone = Lock::acquire(&path, |_| ()).unwrap();
        let (sender, waits) = mpsc::channel();
        let sharing = {
            let path = path.clone();
            std::thread::spawn(move || Lock::share(&path, || sender.send(()).unwrap()))
        };
        waits.recv().unwrap();
        drop(alone);
        let shared = sharing.join().unwrap().unwrap();
        assert!(Lock::share(&path, || panic!("it is shared")).is_some());
        assert!(FileExt::try_lock_exclusive(&File::open(&path).unwrap()).is_err());
        drop(shared);
        assert!(FileExt::try_lock_exclusive(&File::open(&path).unwrap()).is_ok());
    }

    #[test]
    fn a_folder_in_place_of_the_lock_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = Lock::acquire(dir.path(), |_| ()).unwrap_err();
        assert!(error.to_string().contains(&*dir.path().to_string_lossy()), "{error}");
    }

    #[test]
    fn only_a_complete_first_line_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let line = r#"{"pid":7,"command":"c","since_epoch_secs":1}"#;
        for (text, pid) in [(format!("{line}\nend\"}}"), Some(7)), (format!("\n{line}"), None), ("".into(), None)] {
            fs::replace(&path, text.as_bytes(), 0o644, None).unwrap();
            assert_eq!(read_holder(&File::open(&path).unwrap()).map(|holder| holder.pid), pid, "{text:?}");
        }
        let holder = Holder { pid: 7, command: "c".into(), since_epoch_secs: u64::MAX };
        assert_eq!(holder.to_string(), "process 7 (c), which took the lock 0 s ago");
    }
}
