//! Archives that scripts make of Debian's packages. That takes minutes: each is made once for a script, and kept in `target`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::host::sha256_of;
use super::{Ended, fs, on_path, repository, skip};

/// Whether these scripts can run; else the test is skipped.
pub fn has_packages() -> bool {
    let is_root = Ended::answer(Command::new("id").arg("-u")) == "0";
    if is_root && on_path("mmdebstrap") {
        return true;
    }
    skip("debian-packages", "they are unpacked by mmdebstrap, which needs root here (apt-get install mmdebstrap)");
    false
}

/// The archive that `script`, of this repository, writes to its one argument.
pub fn archive_of(name: &str, script: &str) -> PathBuf {
    static MAKES: Mutex<()> = Mutex::new(());
    let _makes = MAKES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let script = repository().join(script);
    let archive = repository().join(format!("target/test-{name}-{}.tar", &sha256_of(&script)[..12]));
    if !archive.exists() {
        let made = archive.with_extension("part.tar");
        Ended::of(Command::new(script).arg(&made)).ok();
        fs::rename(made, &archive).unwrap();
    }
    archive
}

/// Unpacks an archive into a folder.
pub fn unpack(archive: &Path, folder: &Path) {
    Ended::of(Command::new("tar").arg("-C").arg(folder).arg("-xf").arg(archive)).ok();
}
