//! An engine that runs without any right of root's, and its user.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use super::{Ended, Engine, Fixture, OtherUser, Running, TempDir, is_installed, like, skip, wait_until};

/// Such an engine; ends when dropped.
pub struct Rootless {
    engine: Engine,
    user: OtherUser,
    /// What the engine has while it runs.
    folder: TempDir,
    service: Option<Running>,
}

impl Rootless {
    /// Starts one; none where this machine cannot have it.
    pub fn start(engine: Engine) -> Option<Self> {
        if !is_installed("newuidmap", "Debian: apt-get install uidmap") {
            return None;
        }
        if engine == Engine::Docker && !is_installed("rootlesskit", "Debian: apt-get install rootlesskit") {
            return None;
        }
        let user = OtherUser::of_no_group()?;
        let folder = tempfile::Builder::new().prefix("own-").tempdir().expect("a folder");
        let (id, group) = user.ids();
        // The machine knows no such user: what it has to know is here.
        let file = |name: &str, text: String| fs::write(folder.path().join(name), text).expect("a file");
        file("passwd", format!("root:x:0:0::/root:/bin/sh\nother:x:{id}:{group}::{}:/bin/sh\n", user.home().display()));
        file("subuid", "other:100000:65536\n".into());
        file("subgid", "other:100000:65536\n".into());
        chown(folder.path(), Some(id), Some(group)).expect("root may");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("root may");
        let mut rootless = Self { engine, user, folder, service: None };
        let namespaces = rootless.run("unshare", &["--user", "true"]);
        if namespaces.code != 0 {
            skip("rootless", &format!("a user may not make namespaces here: {}", namespaces.stderr));
            return None;
        }
        if engine == Engine::Docker {
            rootless.start_docker();
        }
        Some(rootless)
    }

    /// The bin for `fixture`, as the user, with the host's toolchain.
    pub fn package(&self, fixture: &Fixture) -> Command {
        let mut command = self.user.command(fixture);
        command.args(["--engine", self.engine.name(), "--base", "host"]);
        self.known(&command)
    }

    fn start_docker(&mut self) {
        let at = |name: &str| self.folder.path().join(name).to_string_lossy().into_owned();
        fs::write(at("daemon.json"), "{}").expect("a file");
        // Its containers need no network, and so it needs none of the programs that give a user one.
        let script = "rm -f /run/docker /run/containerd; PATH=$PATH:/usr/sbin:/sbin exec dockerd --rootless \"$@\"";
        let mut service = self.user.program("rootlesskit");
        service.args(["--net=host", "--copy-up=/etc", "--copy-up=/run", "sh", "-c", script, "sh"]);
        service.args(["--config-file", &at("daemon.json"), "--host", &self.host(), "--data-root", &at("data")]);
        service.args(["--exec-root", &at("exec"), "--pidfile", &at("pid"), "--iptables=false", "--bridge", "none"]);
        self.service = Some(Running::start(&self.known(&service)));
        wait_until("the user's engine answers", || self.run("docker", &["version"]).code == 0);
    }

    fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    fn run(&self, program: &str, args: &[&str]) -> Ended {
        let mut command = self.user.program(program);
        command.args(args);
        Ended::of(&mut self.known(&command))
    }

    /// `command` of the user, where the system knows the user.
    fn known(&self, command: &Command) -> Command {
        let script = "for name in passwd subuid subgid; do
            touch \"/etc/$name\" && mount --bind \"$0/$name\" \"/etc/$name\" || exit; done; exec \"$@\"";
        let mut known = Command::new("unshare");
        known.args(["--mount", "sh", "-c", script]).arg(self.folder.path());
        known.arg(command.get_program()).args(command.get_args()).env_clear();
        like(command, &mut known).env("XDG_RUNTIME_DIR", self.folder.path());
        if self.engine == Engine::Docker {
            known.env("DOCKER_HOST", self.host());
        }
        known
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        let name = self.engine.name();
        self.run("sh", &["-c", &format!("{name} ps --all --quiet | xargs -r {name} rm --force")]);
        if let Some(service) = self.service.take() {
            service.signal("TERM");
            service.end();
        }
        // What keeps podman's namespaces.
        let pid = fs::read_to_string(self.folder.path().join("libpod/tmp/pause.pid"));
        let _ = Command::new("kill").args(pid.ok()).output();
    }
}
