//! Temporary files beside the files that they become. Somebody else may write in that folder, for example a checkout: what
//! is there already is neither opened nor followed.
#![allow(clippy::disallowed_methods)]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, Result};
use crate::sys::Stamp;
use crate::sys::fs::random::random;
use crate::sys::fs::read::{is_dir, names_in};

/// What follows is the process that made it, and a number that nobody can guess.
const MARK: &str = ".tmp-lambda-packager-";

/// A new, empty file beside `path`, and its own path.
pub fn create(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = u64::from_ne_bytes(random().map_err(io::Error::other)?);
    let temporary = path.with_file_name(format!(".{name}{MARK}{}-{number:016x}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    Ok((temporary, file))
}

/// Removes temporary files of killed runs in `folder`. Only Linux shows without another program whether a process is
/// alive; on other systems the files stay until `clean`.
pub fn remove_dead_temporaries(folder: &Path) {
    let Ok(names) = names_in(folder) else { return };
    for name in names {
        let Some((_, maker)) = name.split_once(MARK) else {
            continue;
        };
        let pid = maker.split_once('-').map_or(maker, |(pid, _)| pid);
        if is_dir(Path::new("/proc/self")) && !is_dir(&Path::new("/proc").join(pid)) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
}

/// The current time by the clock of the file system of `folder`: the date of a new file.
pub fn clock_in(folder: &Path) -> Result<i64> {
    let fail = |e| Error::io("write to", folder, e);
    let (path, file) = create(&folder.join("clock"), 0o600).map_err(fail)?;
    let now = file.metadata();
    fs::remove_file(path).map_err(fail)?;
    Ok(Stamp::of(&now.map_err(fail)?).mtime_ns)
}

/// Whether the user can create files in the folder `path`.
pub fn is_writable(path: &Path) -> bool {
    create(&path.join("probe"), 0o600).is_ok_and(|(probe, _)| fs::remove_file(probe).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_is_new_and_nobody_knows_its_name_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zip");
        let ((first, file), (second, _)) = (create(&path, 0o600).unwrap(), create(&path, 0o600).unwrap());
        assert_ne!(first, second);
        assert_eq!((first.parent(), file.metadata().unwrap().len()), (Some(dir.path()), 0));
    }

    #[test]
    fn only_temporaries_of_dead_processes_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (alive, _) = create(&dir.path().join("x"), 0o600).unwrap();
        let alive = alive.file_name().unwrap().to_str().unwrap();
        // Larger than the largest pid of Linux.
        for name in [".x.tmp-lambda-packager-99999999-00", ".x.tmp-lambda-packager-99999999", "kept"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_dead_temporaries(dir.path());
        assert_eq!(names_in(dir.path()).unwrap(), [alive, "kept"]);
    }
}
