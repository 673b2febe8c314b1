//! A store of images and containers of the test's own for podman: what is built in it is gone with it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine::containers_conf;
use super::{Ended, TempDir};

pub struct OwnPodman {
    folder: TempDir,
}

impl OwnPodman {
    pub fn new() -> Self {
        Self::beside(None)
    }

    /// One that has the images of another store too.
    pub fn beside(other: Option<&Path>) -> Self {
        // Short: podman 4 waits 20 s for each container whose sockets have no room in 108 bytes, from 46 bytes here on.
        let folder = tempfile::Builder::new().prefix("podman-").tempdir().expect("a folder");
        let text = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {:?}\n[storage.options]\nadditionalimagestores = {:?}\n",
            folder.path().join("graph"),
            folder.path().join("run"),
            other.as_slice()
        );
        fs::write(folder.path().join("storage.conf"), text).expect("a file");
        Self { folder }
    }

    /// Where it keeps everything.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("graph")
    }

    /// What a podman has to be started with to use it.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("CONTAINERS_STORAGE_CONF", self.folder.path().join("storage.conf").into()),
            ("CONTAINERS_CONF", containers_conf().into()),
        ]
    }

    /// Gives what it keeps a place for others to have beside their own.
    pub fn move_to(&self, place: &Path) {
        self.unmount();
        Ended::of(Command::new("mv").args([&self.data_folder(), place])).ok();
    }

    /// Podman mounts its store on itself; two that begin together may do so one above the other.
    fn unmount(&self) {
        let store = self.data_folder().join("overlay");
        while Command::new("umount").arg(&store).output().is_ok_and(|ended| ended.status.success()) {}
    }
}

impl Drop for OwnPodman {
    fn drop(&mut self) {
        let run = |args: &[&str]| {
            let _ = Command::new("podman").args(args).envs(self.environment()).output();
        };
        run(&["rm", "--all", "--force", "--time", "0"]);
        run(&["rmi", "--all", "--force"]);
        self.unmount();
    }
}
