//! A docker engine of the test's own, to stop, restart and starve: the machine's is other people's too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Ended, TempDir, on_path, skip, wait_until};

/// A `dockerd` with a folder of its own; ends with it.
pub struct OwnDocker {
    folder: TempDir,
    /// A folder of the machine that is empty for it.
    hidden: Option<PathBuf>,
    process: Option<Child>,
}

impl OwnDocker {
    /// Starts one; none where that is not possible.
    pub fn start() -> Option<Self> {
        Self::start_with(None, None)
    }

    /// Starts one with all that another had in `data` when it ended. It cannot see what is in `hidden`, as if it ran
    /// on another machine.
    pub fn start_with(data: Option<&Path>, hidden: Option<PathBuf>) -> Option<Self> {
        if !on_path("dockerd") || super::user() != 0 {
            let why = "an engine of the test's own needs root and dockerd (Debian: apt-get install docker.io)";
            skip("own-docker", why);
            return None;
        }
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-engine-").tempdir().expect("a folder");
        fs::write(folder.path().join("daemon.json"), "{}").expect("a file");
        let mut own = Self { folder, hidden, process: None };
        if let Some(data) = data {
            // Nobody writes into a layer that is there: one file of it does for all.
            let copy = "mkdir \"$1\" && cd \"$0\" && for part in *; do
                how=-a; [ \"$part\" != overlay2 ] || how=-al
                cp $how \"$part\" \"$1\" || { rm -rf \"$1/$part\" && cp -a \"$part\" \"$1\"; } || exit
            done";
            Ended::of(Command::new("sh").args(["-c", copy]).args([data, &own.data_folder()])).ok();
        }
        own.up();
        Some(own)
    }

    /// Where it listens, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    /// Where it keeps everything.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host());
        command
    }

    /// What docker prints for `args`, which must succeed.
    pub fn ask(&self, args: &[&str]) -> String {
        Ended::answer(self.command().args(args))
    }

    /// Starts the service, and waits until it answers.
    pub fn up(&mut self) {
        let folder = self.folder.path();
        let place = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let log = File::options().create(true).append(true).open(folder.join("log")).expect("a file");
        // In a network of its own its bridge is in nobody else's way; it leads nowhere.
        let mut command = Command::new("unshare");
        command.arg("--net");
        if let Some(hidden) = &self.hidden {
            command.args(["--mount", "sh", "-c", "mount -t tmpfs none \"$0\" && exec \"$@\""]).arg(hidden);
        }
        command.arg("dockerd");
        command.args(["--config-file", &place("daemon.json"), "--host", &self.host()]);
        command.args(["--data-root", &place("data"), "--exec-root", &place("exec"), "--pidfile", &place("pid")]);
        command.args(["--iptables=false", "--bip", "192.0.2.1/24"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("dockerd starts"));
        wait_until("the test's own engine answers", || {
            self.command().arg("version").output().is_ok_and(|output| output.status.success())
        });
    }

    /// Ends the service in order; its containers end with it.
    pub fn down(&mut self) {
        self.signal("TERM");
        if let Some(mut process) = self.process.take() {
            wait_until("the test's own engine ends", || process.try_wait().expect("a child").is_some());
        }
    }

    /// Ends the service as a crash does; it cannot clean up.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).expect("a child");
        }
    }

    /// Takes the bridge away: no container that wants one starts any more.
    pub fn loses_its_bridge(&self) {
        let pid = self.process.as_ref().expect("it runs").id().to_string();
        let mut command = Command::new("nsenter");
        Ended::of(command.args(["--net", "--target", &pid, "ip", "link", "delete", "docker0"])).ok();
    }

    /// Sends the service a signal.
    pub fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            let _ = Command::new("kill").args(["-s", signal, &process.id().to_string()]).output();
        }
    }
}

impl Drop for OwnDocker {
    fn drop(&mut self) {
        if self.process.is_none() {
            // Crashed, it left its containerd behind.
            let pid = fs::read_to_string(self.folder.path().join("exec/containerd/containerd.pid"));
            let _ = Command::new("kill").args(pid.ok()).output();
            return;
        }
        self.signal("CONT");
        if let Ok(output) = self.command().args(["ps", "--all", "--quiet"]).output() {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let _ = self.command().args(["rm", "--force"]).args(text.lines()).output();
        }
        self.signal("TERM");
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
        // One that crashed in between has left its mount of what it keeps there: the folder could not be removed.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path().join("data")).output();
    }
}
