//! The builders of images that the clean room has to work with, each on an engine of the test's own: what
//! they keep is gone with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;

use crate::support::{
    Ended, Engine, Fixture, Front, OwnDocker, OwnPodman, Story, TempDir, cases, fed, prefixed, repository, skip,
};
use crate::warm_start::members;

/// The image that everything is compiled in.
pub const BASE: &str = "lambda-packager-test-base";

/// What the builder image is based on where nothing else is said.
pub const AMAZON_LINUX: &str = "amazonlinux:2023";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    BuildKit,
    Legacy,
    Podman,
}

/// A builder, ready: both images are there.
pub struct Builder {
    pub kind: Kind,
    environment: Vec<(&'static str, OsString)>,
    /// Where its engine keeps everything.
    store: PathBuf,
    _engine: Rc<dyn std::any::Any>,
    _clients: Rc<TempDir>,
}

/// What engines put into every container.
const THEIRS: [&str; 7] =
    [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "run/.containerenv"];

const KINDS: [Kind; 3] = [Kind::BuildKit, Kind::Legacy, Kind::Podman];

/// The builders that this machine has, for what each builder could do in its own way.
pub fn every_builder() -> Vec<Builder> {
    KINDS.into_iter().filter_map(builder).collect()
}

/// The builders for what none should change: all with all cases, else only `small`.
pub fn builders(small: Kind) -> Vec<Builder> {
    KINDS.into_iter().filter(|kind| cases(*kind == small, true)).filter_map(builder).collect()
}

/// A builder with an engine of its own; none where this machine has no such builder.
pub fn builder(kind: Kind) -> Option<Builder> {
    let clients = Rc::new(tempfile::tempdir().expect("a folder"));
    if kind == Kind::Podman {
        if !Engine::Podman.is_here() {
            return None;
        }
        let own = OwnPodman::beside(Some(&Ready::made()?.podman));
        let (environment, store) = (own.environment(), own.data_folder());
        return Some(Builder { kind, environment, store, _engine: Rc::new(own), _clients: clients });
    }
    let own = OwnDocker::start_with(Some(Ready::made()?.docker.as_ref()?), None)?;
    let switch = if kind == Kind::BuildKit { "1" } else { "0" };
    let Some(client) = client_with(&own, switch) else {
        skip("docker-builders", &format!("no docker client on PATH has {kind:?} (Debian's docker.io has both)"));
        return None;
    };
    symlink(client, clients.path().join("docker")).expect("a link");
    let path = prefixed(clients.path(), &std::env::var_os("PATH").unwrap_or_default());
    let environment = vec![("DOCKER_HOST", own.host().into()), ("DOCKER_BUILDKIT", switch.into()), ("PATH", path)];
    let store = own.data_folder();
    Some(Builder { kind, environment, store, _engine: Rc::new(own), _clients: clients })
}

/// What engines keep that have both images: made once, for that takes long. `tests/run` removes the folder.
pub struct Ready {
    /// Of docker, to start from.
    pub docker: Option<PathBuf>,
    /// Of podman, to have beside its own.
    podman: PathBuf,
}

impl Ready {
    /// None where this machine has not what they are made of.
    pub fn made() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Ready>> = OnceLock::new();
        let ready = MADE.get_or_init(|| Path::new("/etc/debian_version").exists().then(Self::make)).as_ref();
        if ready.is_none() {
            skip("debian", "the base image for clean rooms is made of Debian's packages");
        }
        ready
    }

    fn make() -> Self {
        let folder = std::env::temp_dir().join(format!("lambda-packager-test-shared-{}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let script = repository().join("tests/support/base_image.sh");
        let base = Command::new(script).stderr(Stdio::inherit()).output().expect("the script starts");
        assert!(base.status.success());
        let import = |command: &mut Command| {
            let change = ["import", "--change", "ENV PATH=/opt/rust/bin:/usr/bin:/bin", "-", BASE];
            fed(command.args(change), &base.stdout).ok();
        };
        let docker = OwnDocker::start().map(|mut own| {
            import(&mut own.command());
            own.down();
            let data = folder.join("docker");
            Ended::of(Command::new("mv").args([&own.data_folder(), &data])).ok();
            data
        });
        let podman = folder.join("podman");
        if Engine::Podman.is_here() {
            let own = OwnPodman::new();
            import(Engine::Podman.command().envs(own.environment()));
            own.move_to(&podman);
        }
        Self { docker, podman }
    }
}

/// The first docker on `PATH` that builds with this setting of `DOCKER_BUILDKIT`.
fn client_with(own: &OwnDocker, switch: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut clients = std::env::split_paths(&path).map(|folder| folder.join("docker")).filter(|file| file.is_file());
    clients.find(|client| {
        let mut command = Command::new(client);
        command.args(["build", "-"]).env("DOCKER_HOST", own.host()).env("DOCKER_BUILDKIT", switch);
        fed(&mut command, b"FROM scratch\nLABEL a=b\n").code == 0
    })
}

/// Which steps an engine said that it took from its cache.
#[derive(Debug, PartialEq, Eq)]
pub struct Reused {
    pub base: bool,
    pub dependencies: bool,
    pub build: bool,
}

impl Builder {
    pub fn engine(&self) -> &'static str {
        if self.kind == Kind::Podman { "podman" } else { "docker" }
    }

    /// Where its engine keeps everything.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Lets `command` use this builder.
    pub fn lend<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)))
    }

    /// A script in front of its engine's command line.
    pub fn behind(&self, script: &str) -> Front {
        let own = self.environment.iter().find(|(name, _)| *name == "PATH").map(|(_, path)| path.clone());
        Front::on(&own.unwrap_or_else(|| std::env::var_os("PATH").expect("a PATH")), self.engine(), script)
    }

    /// The bin for `fixture`, with this builder and the base for clean rooms.
    pub fn package(&self, fixture: &Fixture, args: &[&str]) -> Command {
        let mut command = fixture.command_elsewhere();
        self.lend(command.args(["--base", BASE, "--engine", self.engine()]).args(args));
        command
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.engine());
        self.lend(&mut command);
        command
    }

    /// What the engine prints for `args`, which must succeed.
    pub fn ask(&self, args: &[&str]) -> String {
        Ended::of(self.command().args(args)).ok().stdout.trim().to_string()
    }

    /// Builds an image from a Dockerfile that needs no context.
    pub fn build(&self, tag: &str, dockerfile: &str) {
        let mut command = self.command();
        command.args(["build", "--network", "none", "--tag", tag, "-"]);
        fed(&mut command, dockerfile.as_bytes()).ok();
    }

    /// Makes an image of the files in an archive.
    pub fn import(&self, archive: &Path, tag: &str) {
        Ended::of(self.command().arg("import").arg(archive).arg(tag)).ok();
    }

    /// Removes the last layer of an image from the engine's own files, or what is in it.
    pub fn damage(&self, image: &str, part: &str) {
        let layer = self.ask(&["image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", image]);
        assert!(Path::new(&layer).starts_with(&self.store), "{layer} is of other tests too");
        fs::remove_dir_all(Path::new(&layer).parent().expect("a folder").join(part)).expect("it is there");
    }

    /// The files of an image, by name and content.
    pub fn files_of(&self, image: &str) -> BTreeMap<String, Vec<u8>> {
        let id = self.ask(&["create", image, "none"]);
        let exported = self.command().args(["export", &id]).output().expect("it starts");
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        self.ask(&["rm", &id]);
        let files = members(&exported.stdout).into_iter().filter(|(_, header, _)| !header.entry_type().is_dir());
        let files = files.map(|(path, _, content)| (path.to_string_lossy().into_owned(), content));
        files.filter(|(name, _)| !THEIRS.contains(&name.as_str())).collect()
    }

    /// What the engine said that it took from its cache while it built the parcel.
    pub fn reused(&self, story: &Story) -> Reused {
        let lines = story.events.iter().filter(|event| event["event"] == "engine");
        let lines: Vec<&str> = lines.filter_map(|event| event["line"].as_str()).collect();
        let end = match self.kind {
            // An image, or the files of a stage.
            Kind::BuildKit => "exporting to ",
            Kind::Legacy => "Successfully built",
            Kind::Podman => "Successfully tagged",
        };
        let first = lines.iter().position(|line| line.contains(end)).unwrap_or_else(|| panic!("no end in:\n{story}"));
        let lines = &lines[..first];
        let reused = |step: &str| {
            let at = lines.iter().position(|line| line.contains(step) && line.contains("RUN"));
            let at = at.unwrap_or_else(|| panic!("no {step} in:\n{story}"));
            if self.kind == Kind::BuildKit {
                let number = lines[at].split(' ').next().expect("a word");
                return lines.contains(&format!("{number} CACHED").as_str());
            }
            let told = lines[at + 1..].iter().find(|line| line.contains("-->"));
            told.is_some_and(|line| line.contains("Using cache"))
        };
        Reused {
            base: reused("install-toolchain"),
            dependencies: reused("run-recipe dependencies"),
            build: reused("run-recipe build"),
        }
    }
}
