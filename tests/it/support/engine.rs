//! The container engines of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Ended, cases, skip, user};

/// The engines that tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Docker,
    Podman,
}

pub(super) const ENGINES: [Engine; 2] = [Engine::Docker, Engine::Podman];

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// Whether it answers. If not, says so.
    pub fn is_here(self) -> bool {
        static ANSWERS: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
        let ask = || self.command().arg("version").output().is_ok_and(|output| output.status.success());
        let answers = *ANSWERS[self as usize].get_or_init(ask);
        if !answers {
            let package = if self == Self::Docker { "docker.io" } else { "podman" };
            skip(self.name(), &format!("no engine answers; install and start it (Debian: apt-get install {package})"));
        }
        answers
    }

    pub fn command(self) -> Command {
        let mut command = Command::new(self.name());
        command.env("CONTAINERS_CONF", containers_conf());
        command
    }

    /// What the engine prints for `args`, which must succeed.
    #[track_caller]
    pub fn ask(self, args: &[&str]) -> String {
        Ended::answer(self.command().args(args))
    }

    /// What runs in a container, a line for each process.
    #[track_caller]
    pub fn processes(self, container: &str) -> Vec<String> {
        loop {
            let ended = Ended::of(self.command().args(["top", container]));
            // Podman lists the processes and then reads of each; one that ended in between makes it fail.
            if ended.code == 0 || !ended.stderr.contains("no such process") {
                return ended.ok().stdout.lines().skip(1).map(String::from).collect();
            }
        }
    }

    /// What `inspect` says of a container.
    pub fn inspect(self, container: &str) -> serde_json::Value {
        self.inspect_any("container", container)
    }

    /// The same of an object of another kind.
    pub fn inspect_any(self, kind: &str, name: &str) -> serde_json::Value {
        let all: serde_json::Value = serde_json::from_str(&self.ask(&[kind, "inspect", name])).expect("JSON");
        all[0].clone()
    }

    /// Gives what was compiled in a container to somebody who is not there.
    pub fn disown_target(self, container: &str) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        for name in [".lambda-packager", "release/deps", &format!("{triple}/release/deps")] {
            fs::create_dir_all(folder.path().join("target").join(name)).expect("a folder");
        }
        // In the container nobody has the right; each engine has its own way around that.
        let give = match self {
            Self::Docker => format!(
                "tar --directory '{}/target' --owner 12345 --group 12345 --mode 755 -c . | docker cp - {container}:/target",
                folder.path().display()
            ),
            Self::Podman => format!("podman exec --privileged --user 0 {container} chown -R 12345:12345 /target"),
        };
        Ended::of(Command::new("sh").args(["-c", &give]).env("CONTAINERS_CONF", containers_conf())).ok();
        let owner = self.exec(container, "stat -c %u /target/.lambda-packager").ok().stdout;
        assert_eq!(owner, "12345\n");
    }

    /// Runs a shell script in a container, as the user who compiles there.
    pub fn exec(self, container: &str, script: &str) -> Ended {
        Ended::of(self.command().args(["exec", "--user", "1000:1000", container, "sh", "-c", script]))
    }

    /// The same as root.
    pub fn exec_as_root(self, container: &str, script: &str) -> Ended {
        Ended::of(self.command().args(["exec", container, "sh", "-c", script]))
    }
}

/// The engines that answer here, for what each engine could do in its own way.
pub fn every_engine() -> impl Iterator<Item = Engine> {
    ENGINES.into_iter().filter(|engine| engine.is_here())
}

/// The engines for what no engine should change: all with all cases, else only `small`. Tests take turns with it, so
/// that each engine has its part of them.
pub fn engines(small: Engine) -> impl Iterator<Item = Engine> {
    ENGINES.into_iter().filter(move |engine| cases(*engine == small, true) && engine.is_here())
}

/// One engine, for tests that need just one: `wanted`, or the other where it does not answer.
pub fn one_engine(wanted: Engine) -> Option<Engine> {
    let other = if wanted == Engine::Docker { Engine::Podman } else { Engine::Docker };
    [wanted, other].into_iter().find(|engine| engine.is_here())
}

/// Podman with all cases. With few docker, whose commands take a tenth of the time, where podman's own ways are tested
/// elsewhere.
pub fn podman_with_all_cases() -> Option<Engine> {
    one_engine(cases(Engine::Docker, Engine::Podman))
}

/// Podman in a sandbox may not raise limits; asking for less works everywhere.
pub fn containers_conf() -> &'static Path {
    static CONF: OnceLock<PathBuf> = OnceLock::new();
    CONF.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("lambda-packager-test-{}.conf", user()));
        let text = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n";
        let temporary = path.with_extension(format!("{}", std::process::id()));
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, &path))
            .expect("the temporary folder is writable");
        path
    })
}
