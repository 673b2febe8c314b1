//! A store of images and containers of the test's own for podman: what is built in it is gone with it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::TempDir;
use super::engine::containers_conf;

pub struct OwnPodman {
    folder: TempDir,
}

impl OwnPodman {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-store-").tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            place("graph"),
            place("run")
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
}

impl Drop for OwnPodman {
    fn drop(&mut self) {
        let run = |args: &[&str]| {
            let _ = Command::new("podman").args(args).envs(self.environment()).output();
        };
        run(&["rm", "--all", "--force", "--time", "0"]);
        run(&["rmi", "--all", "--force"]);
        // Podman mounts its store on itself.
        let _ = Command::new("umount").arg(self.folder.path().join("graph/overlay")).output();
    }
}
