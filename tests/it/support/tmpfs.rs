//! A small disk, to fill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ended, skip};

/// A file system in memory; gone when dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts `size_kib` at `path`; none where this user may not.
    pub fn at(path: &Path, size_kib: u32) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={size_kib}k"), "tmpfs"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(path.to_path_buf())),
            other => {
                skip("root", &format!("no small file system can be mounted here ({other:?}); run as root"));
                None
            }
        }
    }

    /// Fills what is left of it.
    pub fn fill(&self) {
        let _ = fs::write(self.filler(), vec![1; 64 << 20]);
    }

    /// Gives that back.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Ended::of(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}
