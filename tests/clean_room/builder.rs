//! The builders of images that the clean room has to work with, each on an engine of the test's own: what
//! they keep is gone with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use crate::support::{Ended, Engine, OwnDocker, OwnPodman, Story, TempDir, repository, skip};

/// The image that everything is compiled in.
pub const BASE: &str = "lambda-packager-test-base";

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

/// All builders that this machine has.
pub fn builders() -> Vec<Builder> {
    let Some(base) = base_image() else { return Vec::new() };
    let mut builders = Vec::new();
    if let Some(own) = OwnDocker::start() {
        let own = Rc::new(own);
        let clients = Rc::new(tempfile::tempdir().expect("a folder"));
        for (kind, switch) in [(Kind::BuildKit, "1"), (Kind::Legacy, "0")] {
            let Some(client) = client_with(&own, switch) else {
                skip(&format!("no docker client on PATH has {kind:?} (Debian's docker.io has both)"));
                continue;
            };
            let folder = clients.path().join(switch);
            fs::create_dir(&folder).and_then(|()| symlink(client, folder.join("docker"))).expect("a link");
            let environment = vec![
                ("DOCKER_HOST", own.host().into()),
                ("DOCKER_BUILDKIT", switch.into()),
                ("PATH", prefixed(&folder)),
            ];
            let store = own.data_folder();
            builders.push(Builder { kind, environment, store, _engine: own.clone(), _clients: clients.clone() });
        }
    }
    if Engine::Podman.is_here() {
        let own = OwnPodman::new();
        let (environment, store) = (own.environment(), own.data_folder());
        let clients = Rc::new(tempfile::tempdir().expect("a folder"));
        builders.push(Builder { kind: Kind::Podman, environment, store, _engine: Rc::new(own), _clients: clients });
    }
    let mut imported: Vec<&'static str> = Vec::new();
    for builder in &builders {
        if !imported.contains(&builder.engine()) {
            builder.import(BASE, &["ENV PATH=/opt/rust/bin:/usr/bin:/bin"], &base);
            imported.push(builder.engine());
        }
    }
    builders
}

/// The archive of the image that everything is compiled in.
pub fn base_image() -> Option<Vec<u8>> {
    if !Path::new("/etc/debian_version").exists() {
        skip("the base image for clean rooms is made of Debian's packages");
        return None;
    }
    let made = Command::new(repository().join("tests/support/base_image.sh")).output().expect("the script starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(made.stdout)
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

fn prefixed(folder: &Path) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("folders of PATH")
}

/// Runs `command` with `input` on its standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // One that does not read says why on stderr.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends").into()
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

    /// A front for its engine's command line, in a `PATH`: a script that runs `first` and then the program `$real`.
    pub fn behind(&self, first: &str) -> (TempDir, OsString) {
        let path = self.environment.iter().find(|(name, _)| *name == "PATH").map(|(_, path)| path.clone());
        let path = path.unwrap_or_else(|| std::env::var_os("PATH").expect("a PATH"));
        let real = std::env::split_paths(&path).map(|folder| folder.join(self.engine())).find(|file| file.is_file());
        let folder = tempfile::tempdir().expect("a folder");
        let front = folder.path().join(self.engine());
        let script =
            format!("#!/bin/sh\nreal='{}'\n{first}\nexec \"$real\" \"$@\"\n", real.expect("an engine").display());
        fs::write(&front, script).expect("a script");
        fs::set_permissions(&front, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let folders = std::iter::once(folder.path().to_path_buf()).chain(std::env::split_paths(&path));
        let joined = std::env::join_paths(folders).expect("folders of PATH");
        (folder, joined)
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

    fn import(&self, name: &str, changes: &[&str], tar: &[u8]) {
        let mut command = self.command();
        command.arg("import").args(changes.iter().flat_map(|change| ["--change", change])).args(["-", name]);
        fed(&mut command, tar).ok();
    }

    /// Builds an image from a Dockerfile that needs no context.
    pub fn build(&self, tag: &str, dockerfile: &str) {
        let mut command = self.command();
        command.args(["build", "--network", "none", "--tag", tag, "-"]);
        fed(&mut command, dockerfile.as_bytes()).ok();
    }

    /// The files of an image, by name and content.
    pub fn files_of(&self, image: &str) -> BTreeMap<String, Vec<u8>> {
        let id = self.ask(&["create", image, "none"]);
        let folder = tempfile::tempdir().expect("a folder");
        let export = self.command().args(["export", "--output"]).arg(folder.path().join("tar")).arg(&id).output();
        Ended::from(export.expect("it starts")).ok();
        self.ask(&["rm", &id]);
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("a folder");
        let unpacked = Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(folder.path().join("tar")).output();
        Ended::from(unpacked.expect("tar starts")).ok();
        let mut files = BTreeMap::new();
        gather(&root, &root, &mut files);
        // What engines put into every container.
        let theirs = [
            ".dockerenv",
            "dev/console",
            "etc/hostname",
            "etc/hosts",
            "etc/mtab",
            "etc/resolv.conf",
            "run/.containerenv",
        ];
        files.retain(|name: &String, _| !theirs.contains(&name.as_str()));
        files
    }

    /// What the engine said that it took from its cache while it built the parcel.
    pub fn reused(&self, story: &Story) -> Reused {
        let lines: Vec<&str> = story
            .events
            .iter()
            .filter(|event| event["event"] == "engine")
            .filter_map(|event| event["line"].as_str())
            .collect();
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
            match self.kind {
                Kind::BuildKit => {
                    let number = lines[at].split(' ').next().expect("a word");
                    lines.contains(&format!("{number} CACHED").as_str())
                }
                _ => {
                    let told = lines[at + 1..].iter().find(|line| line.contains("-->"));
                    told.is_some_and(|line| line.contains("Using cache"))
                }
            }
        };
        Reused {
            base: reused("install-toolchain"),
            dependencies: reused("run-recipe dependencies"),
            build: reused("run-recipe build"),
        }
    }
}

fn gather(folder: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if entry.file_type().expect("a type").is_dir() {
            gather(&path, root, files);
        } else {
            let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
}
