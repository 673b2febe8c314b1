//! A docker engine of the test's own, to stop, restart and starve: the machine's is other people's too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Ended, TempDir, on_path, skip, wait_until};

/// A `dockerd` with a folder of its own; ends with it.
pub struct OwnDocker {
    folder: TempDir,
    /// A folder of the machine that is empty for it.
    hidden: Option<PathBuf>,
    /// The network between it and the machine, if it is as on another one.
    network: Option<Network>,
    process: Option<Child>,
}

/// Two ends of a cable.
struct Network {
    name: String,
    here: String,
    there: String,
}

impl Network {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (run, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let address = |last| format!("10.99.{}.{}", run % 256, count % 64 * 4 + last);
        Self { name: format!("lpt{run}-{count}"), here: address(1), there: address(2) }
    }

    /// Lays it between the machine and the network of a process. It goes with that.
    fn connect(&self, pid: &str) {
        let Self { name, here, there } = self;
        let run = |args: &[&str]| Ended::of(Command::new(args[0]).args(&args[1..])).ok();
        run(&["ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", pid]);
        run(&["ip", "address", "add", &format!("{here}/30"), "dev", name]);
        run(&["ip", "link", "set", name, "up"]);
        let inside = ["nsenter", "--net", "--target", pid, "ip"];
        run(&[&inside[..], &["address", "add", &format!("{there}/30"), "dev", name]].concat());
        run(&[&inside[..], &["link", "set", name, "up"]].concat());
    }
}

impl OwnDocker {
    /// Starts one; none where that is not possible.
    pub fn start() -> Option<Self> {
        Self::start_with(None, None)
    }

    /// Starts one as on another machine: it is reached through a network, and has files of its own once something
    /// [`hides`](Self::hides) the machine's.
    pub fn elsewhere(data: Option<&Path>) -> Option<Self> {
        Self::begin(data, None, Some(Network::new()))
    }

    /// Starts one with all that another had in `data` when it ended. It cannot see what is in `hidden`, as if it ran
    /// on another machine.
    pub fn start_with(data: Option<&Path>, hidden: Option<PathBuf>) -> Option<Self> {
        Self::begin(data, hidden, None)
    }

    fn begin(data: Option<&Path>, hidden: Option<PathBuf>, network: Option<Network>) -> Option<Self> {
        if !on_path("dockerd") || super::user() != 0 {
            let why = "an engine of the test's own needs root and dockerd (Debian: apt-get install docker.io)";
            skip("own-docker", why);
            return None;
        }
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-engine-").tempdir().expect("a folder");
        fs::write(folder.path().join("daemon.json"), "{}").expect("a file");
        let mut own = Self { folder, hidden, network, process: None };
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

    /// Where it listens to the network.
    pub fn address(&self) -> &str {
        &self.network.as_ref().expect("it is elsewhere").there
    }

    /// The same, for `DOCKER_HOST`.
    pub fn host_elsewhere(&self) -> String {
        format!("tcp://{}:2375", self.address())
    }

    /// From now on it has another folder at that path, or an empty one.
    pub fn hides(&self, path: &Path, other: Option<&Path>) {
        let how = other.map_or(vec!["-t".as_ref(), "tmpfs".as_ref(), "none".as_ref()], |other| {
            vec!["--bind".as_ref(), other.as_os_str()]
        });
        Ended::of(self.inside().arg("mount").args(how).arg(path)).ok();
    }

    /// Starts a program where it is.
    pub fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--mount", "--target", &self.pid()]);
        command
    }

    fn pid(&self) -> String {
        self.process.as_ref().expect("it runs").id().to_string()
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
        } else if self.network.is_some() {
            command.arg("--mount");
        }
        command.arg("dockerd");
        if self.network.is_some() {
            // In its own network nobody else hears it; without `--tls=false` it waits, as a warning.
            command.args(["--host", "tcp://0.0.0.0:2375", "--tls=false"]);
        }
        command.args(["--config-file", &place("daemon.json"), "--host", &self.host()]);
        command.args(["--data-root", &place("data"), "--exec-root", &place("exec"), "--pidfile", &place("pid")]);
        command.args(["--iptables=false", "--bip", "192.0.2.1/24"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("dockerd starts"));
        wait_until("the test's own engine answers", || {
            self.command().arg("version").output().is_ok_and(|output| output.status.success())
        });
        if let Some(network) = &self.network {
            network.connect(&self.pid());
        }
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
        Ended::of(self.inside().args(["ip", "link", "delete", "docker0"])).ok();
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
