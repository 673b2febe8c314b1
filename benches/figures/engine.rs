//! The engine to measure with: one of the bench's own where that is possible, so that nothing of
//! anybody else's is in the way or lost; else the machine's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::measure::{Result, ask};

pub struct Engine {
    /// `DOCKER_HOST` of the bench's own engine, or why there is none.
    own: Result<String>,
    daemon: Option<Child>,
    version: String,
    label: String,
}

impl Engine {
    pub fn start(folder: &Path, label: &str) -> Result<Self> {
        Self::start_with(folder, label, None)
    }

    /// The same, with this storage driver.
    pub fn start_with(folder: &Path, label: &str, driver: Option<&str>) -> Result<Self> {
        let (own, daemon) =
            start_own(folder, driver).map_or_else(|why| (Err(why), None), |(host, it)| (Ok(host), Some(it)));
        let mut engine = Self { own: own.clone(), daemon, version: String::new(), label: label.into() };
        let version = ["info", "--format", "{{.ServerVersion}} ({{.Driver}})"];
        engine.version = ask(&mut engine.docker(&version)).map_err(|why| {
            let own = own.as_ref().err().map_or("", String::as_str);
            format!("no docker engine answers ({why}; {own}); install and start it (Debian: apt-get install docker.io)")
        })?;
        Ok(engine)
    }

    /// Takes note of the end of the bench's own engine, which the janitor brought about.
    pub fn bury(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
    }

    pub fn describe(&self) -> String {
        let whose = if self.own.is_ok() { "an engine of the bench's own" } else { "the machine's engine" };
        format!("docker {}, {whose}", self.version)
    }

    /// Fails where others use this engine too: then nothing may be removed from it that is not ours.
    pub fn must_be_own(&self) -> Result<()> {
        self.own.as_ref().map(drop).map_err(|why| {
            format!("it takes an engine of the bench's own, and {why}; run as root, with dockerd (Debian: apt-get install docker.io)")
        })
    }

    pub fn apply_to(&self, command: &mut Command) {
        if let Ok(host) = &self.own {
            command.env("DOCKER_HOST", host);
        }
    }

    /// Gives the bench's own engine an address in a network between it and the machine, for `DOCKER_HOST`.
    pub fn over_tcp(&self) -> Result<String> {
        self.must_be_own()?;
        let daemon = self.daemon.as_ref().ok_or("the engine has ended")?.id();
        let (name, pid) = (format!("bench{}", std::process::id()), daemon.to_string());
        let inside = ["nsenter", "--net", "--target", &pid, "ip"];
        let run = |words: &[&str]| ask(Command::new(words[0]).args(&words[1..]));
        run(&["ip", "link", "add", &name, "type", "veth", "peer", "name", &name, "netns", &pid])?;
        run(&["ip", "address", "add", "10.98.0.1/30", "dev", &name])?;
        run(&["ip", "link", "set", &name, "up"])?;
        run(&[&inside[..], &["address", "add", "10.98.0.2/30", "dev", &name]].concat())?;
        run(&[&inside[..], &["link", "set", &name, "up"]].concat())?;
        Ok("tcp://10.98.0.2:2375".into())
    }

    pub fn docker(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        self.apply_to(&mut command);
        command.args(args);
        command
    }

    /// Removes the containers that the bench made, and the dependencies that were kept from them.
    pub fn remove_containers(&self) -> Result<()> {
        let label = format!("label={}", self.label);
        self.remove(&["ps", "--all", "--quiet", "--filter", &label], &["rm", "--force", "--volumes"])?;
        self.remove(&["volume", "ls", "--quiet", "--filter", &label], &["volume", "rm", "--force"])?;
        self.remove_kept_dependencies()
    }

    /// Removes the dependencies that were kept from containers of the bench.
    pub fn remove_kept_dependencies(&self) -> Result<()> {
        let label = format!("label={}", self.label);
        self.remove(&["images", "--quiet", "--filter", &label, "lambda-packager-deps"], &["rmi", "--force"])
    }

    /// The container that was made for the project in `folder`.
    pub fn container_in(&self, folder: &Path) -> Result<String> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let (label, name) = (format!("label={}", self.label), format!("name=lambda-packager-{name}-"));
        let found = ask(&mut self.docker(&["ps", "--quiet", "--filter", &label, "--filter", &name]))?;
        found.lines().next().map(String::from).ok_or(format!("no container of {}", folder.display()))
    }

    /// Removes the image of the borrowed toolchain.
    pub fn remove_borrowed(&self) -> Result<()> {
        self.must_be_own()?;
        self.remove(&["images", "--quiet", "lambda-packager-borrowed"], &["rmi", "--force"])
    }

    fn remove(&self, list: &[&str], remove: &[&str]) -> Result<()> {
        let found = ask(&mut self.docker(list))?;
        let ids: Vec<&str> = found.lines().collect();
        if ids.is_empty() { Ok(()) } else { ask(self.docker(remove).args(ids)).map(drop) }
    }
}

/// A `dockerd` beside the machine's: no bridge, no rules of the firewall, everything below `folder`. It
/// is ended by the janitor.
fn start_own(folder: &Path, driver: Option<&str>) -> Result<(String, Child)> {
    if fs::metadata("/proc/self").map_or(1, |meta| meta.uid()) != 0 {
        return Err("only root can start an engine of the bench's own".into());
    }
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let host = format!("unix://{}", at("docker.sock"));
    // The machine's settings are those of the machine's engine.
    fs::write(folder.join("daemon.json"), "{}").map_err(|e| e.to_string())?;
    let log = fs::File::create(folder.join("log")).map_err(|e| e.to_string())?;
    // Without a bridge of its own, dockerd takes docker0 away: in a network of its own it is nobody else's.
    let mut daemon = Command::new("unshare")
        .args(["--net", "dockerd", "--host", &host, "--host", "tcp://0.0.0.0:2375", "--tls=false"])
        .args(["--data-root", &at("data")])
        .args(["--exec-root", &at("exec"), "--pidfile", &at("pid")])
        .args(["--config-file", &at("daemon.json"), "--bridge", "none", "--iptables=false"])
        .args(driver.map(|driver| format!("--storage-driver={driver}")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("dockerd does not start: {e}"))?;
    for _ in 0..150 {
        std::thread::sleep(Duration::from_millis(200));
        if let Ok(Some(status)) = daemon.try_wait() {
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(format!("dockerd ended with {status}: {}", said.lines().last().unwrap_or_default()));
        }
        if ask(Command::new("docker").args(["--host", &host, "version"])).is_ok() {
            return Ok((host, daemon));
        }
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
    Err("dockerd does not answer within 30 s".into())
}
