//! Another user of this machine.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::engine::containers_conf;
use super::{Ended, Engine, Fixture, TempDir, packager, skip};

const UID: u32 = 1000;

/// A user without any right of root's: a home, a toolchain and a cargo home of its own, and one group.
pub struct OtherUser {
    home: TempDir,
    gid: u32,
}

impl OtherUser {
    /// One that may use docker; none where this machine cannot have it, or no docker to use.
    pub fn of_docker() -> Option<Self> {
        let socket = Engine::Docker.is_here().then(|| fs::metadata(docker_socket()))?;
        let socket =
            socket.inspect_err(|e| skip("other-user", &format!("no docker socket to give to another user ({e})")));
        Self::of_group(socket.ok()?.gid())
    }

    /// One that may not use the docker that is here.
    pub fn of_no_group() -> Option<Self> {
        Engine::Docker.is_here().then(|| Self::of_group(UID))?
    }

    fn of_group(gid: u32) -> Option<Self> {
        if super::user() != 0 || Command::new("setpriv").arg("--version").output().is_err() {
            skip("other-user", "only root with util-linux's setpriv can become another user");
            return None;
        }
        let home = tempfile::Builder::new().prefix("lambda-packager-test-home-").tempdir().expect("a temporary folder");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let other = Self { home, gid };
        // Root's home is closed to others: links where the file system allows, else copies.
        let sysroot = PathBuf::from(Ended::answer(Command::new("rustc").args(["--print", "sysroot"])));
        let toolchain = other.home.path().join("toolchain");
        fs::create_dir(&toolchain).expect("a folder");
        for name in ["bin", "lib", "libexec"] {
            let copy = |how| Ended::of(Command::new("cp").arg(how).arg(sysroot.join(name)).arg(&toolchain));
            let copied = ["-al", "-a"].iter().any(|how| copy(how).code == 0);
            assert!(copied, "{name} of {}", sysroot.display());
        }
        Ended::of(Command::new("cp").arg(packager()).arg(other.bin())).ok();
        own(&[other.home.path()], gid);
        Some(other)
    }

    fn bin(&self) -> PathBuf {
        self.home.path().join("lambda-packager")
    }

    pub fn ids(&self) -> (u32, u32) {
        (UID, self.gid)
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The bin in `fixture`, which becomes this user's, with nothing of our own environment.
    pub fn command(&self, fixture: &Fixture) -> Command {
        own(&[&fixture.around()], self.gid);
        let mut command = self.program(self.bin());
        command.current_dir(fixture.root()).env("LAMBDA_PACKAGER_LABEL", fixture.label());
        command
    }

    /// A program, with nothing of our own environment.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={UID}"), format!("--regid={}", self.gid), "--clear-groups".into()]);
        command.arg(program).env_clear();
        command.env("PATH", format!("{}/toolchain/bin:/usr/local/bin:/usr/bin:/bin", self.home.path().display()));
        command.env("HOME", self.home.path()).env("CONTAINERS_CONF", containers_conf());
        command.envs(env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)));
        command
    }
}

fn docker_socket() -> PathBuf {
    let host = env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").into()
}

/// Gives folders to the user; of the toolchain only the folders, its files are root's too.
fn own(folders: &[&Path], gid: u32) {
    let mut command = Command::new("find");
    command.args(folders).args(["-path", "*/toolchain/*", "-prune", "-o", "-exec", "chown", "-h"]);
    Ended::of(command.arg(format!("{UID}:{gid}")).args(["{}", "+"])).ok();
}
