//! What the container tests share: the bin, tiny projects, engines, and the promise that nothing is
//! left behind.
#![allow(dead_code, unused_imports)] // Each test binary uses its own part of this.

mod gated;
mod git;
pub mod host;
mod image_registry;
mod live;
mod moto;
mod own_docker;
mod own_podman;
pub mod registry;
mod running;
mod tmpfs;
mod user;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

pub use gated::{Gated, HOLDING};
pub use image_registry::{Fate, ImageRegistry, Proxy, Setup, on_path};
pub use live::{Live, Story, wait_until};
pub use moto::Moto;
pub use own_docker::OwnDocker;
pub use own_podman::OwnPodman;
pub use running::{Running, eventually, processes_of_the_host};
pub use tempfile::TempDir;
pub use tmpfs::Tmpfs;
pub use user::OtherUser;

/// The label on every container that a test makes; its value is the fixture.
pub const LABEL: &str = "lambda-packager.test";

/// The companion bin, built once.
pub fn packager() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package=lambda-packager", "--features=cli", "--message-format=json"]);
        let output = command.current_dir(repository()).output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut bins = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        bins.find(|bin| bin.ends_with("lambda-packager")).expect("cargo names the bin")
    })
}

/// The checkout that is tested.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The engines that tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Docker,
    Podman,
}

pub const ENGINES: [Engine; 2] = [Engine::Docker, Engine::Podman];

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// Whether it answers. If not, says so where no test harness swallows it; in CI that is a failure.
    pub fn is_here(self) -> bool {
        let answers = self.command().args(["version"]).output().is_ok_and(|output| output.status.success());
        if !answers {
            skip(&format!(
                "no {0} engine answers; install and start it (Debian: apt-get install {1})",
                self.name(),
                match self {
                    Self::Docker => "docker.io",
                    Self::Podman => "podman",
                }
            ));
        }
        answers
    }

    pub fn command(self) -> Command {
        let mut command = Command::new(self.name());
        command.env("CONTAINERS_CONF", containers_conf());
        command
    }

    /// What the engine prints for `args`, which must succeed.
    pub fn ask(self, args: &[&str]) -> String {
        let output = self.command().args(args).output().expect("the engine's command line starts");
        assert!(output.status.success(), "{} {args:?}: {}", self.name(), String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
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
        let all: serde_json::Value =
            serde_json::from_str(&self.ask(&["container", "inspect", container])).expect("JSON");
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
                "tar --directory '{}' --owner 12345 --group 12345 --mode 755 -c target | docker cp - {container}:/",
                folder.path().display()
            ),
            Self::Podman => format!("podman exec --privileged --user 0 {container} chown -R 12345:12345 /target"),
        };
        Ended::of(Command::new("sh").args(["-c", &give]).env("CONTAINERS_CONF", containers_conf())).ok();
        let owner = self.exec(container, "stat -c %u /target /target/.lambda-packager").ok().stdout;
        assert_eq!(owner, "12345\n12345\n");
    }

    /// Runs a shell script in a container, as its user.
    pub fn exec(self, container: &str, script: &str) -> Ended {
        Ended::of(self.command().args(["exec", container, "sh", "-c", script]))
    }
}

/// The engines that answer here.
pub fn engines() -> impl Iterator<Item = Engine> {
    ENGINES.into_iter().filter(|engine| engine.is_here())
}

/// Says loudly that something is not tested here, and how to get it; in CI that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "missing in CI: {why}");
    // The handle, not the macro: the test harness captures only the macro.
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {why}\n");
}

/// The same for what no installation brings, in CI either.
pub fn skip_everywhere(why: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {why}\n");
}

/// Podman in a sandbox may not raise limits; asking for less works everywhere.
fn containers_conf() -> &'static Path {
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

fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}

/// A cargo project in a temporary folder; gone with all its containers when dropped.
pub struct Fixture {
    folder: TempDir,
    /// The project's folder below the temporary one.
    root: PathBuf,
    id: String,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        Self {
            code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        command.output().expect("it starts").into()
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts a failure with this status whose text has each of `parts`.
    #[track_caller]
    pub fn fails(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing in:\n{}", self.stderr);
        }
        self
    }

    /// The verdict of a run.
    #[track_caller]
    pub fn verdict(&self) -> &str {
        let found = self.stderr.lines().rev().find(|line| line.starts_with("cache-"));
        found.unwrap_or_else(|| panic!("no verdict in:\n{}", self.stderr))
    }
}

impl Fixture {
    /// An empty folder, for a project named `name`.
    pub fn empty(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-").tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it exists").join(name);
        fs::create_dir_all(&root).expect("it is writable");
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { folder, root, id }
    }

    /// A crate without dependencies that prints `hello`; it compiles in a third of a second.
    pub fn hello() -> Self {
        Self::hello_in("hello")
    }

    /// The same in a folder of this name.
    pub fn hello_in(folder: &str) -> Self {
        let fixture = Self::empty(folder);
        fixture.write("Cargo.toml", "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        fixture.says("hello");
        fixture
    }

    /// Makes it print this.
    pub fn says(&self, text: &str) {
        self.write("src/main.rs", &format!("fn main() {{\n    println!(\"{text}\");\n}}\n"));
    }

    /// Gives it a build script, and a main file that may use what that makes.
    pub fn builds_with(&self, build: &str, main: &str) {
        self.write("build.rs", build);
        self.write("src/main.rs", main);
    }

    /// A copy of `tests/fixtures/<name>`, with `@REPOSITORY@` in its manifests replaced.
    pub fn copied(name: &str) -> Self {
        let fixture = Self::empty(name);
        copy(&repository().join("tests/fixtures").join(name), &fixture.root);
        fixture
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The temporary folder around the project.
    pub fn around(&self) -> PathBuf {
        self.root.parent().expect("a parent").to_path_buf()
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn read(&self, relative: &str) -> Vec<u8> {
        let path = self.path(relative);
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The bin in the project's folder, to which arguments and variables can be added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(packager());
        self.prepare(&mut command);
        command
    }

    /// The same, on an engine.
    pub fn command_on(&self, engine: Engine) -> Command {
        let mut command = self.command();
        command.args(["--engine", engine.name()]);
        command
    }

    /// The bin, started by `wrapper`, which gets it and its arguments as further arguments.
    pub fn command_under(&self, wrapper: &[&str]) -> Command {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(packager());
        self.prepare(&mut command);
        command
    }

    /// Cargo in the project's folder.
    pub fn cargo_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO"));
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(&self.root).env("CONTAINERS_CONF", containers_conf());
        command.env("LAMBDA_PACKAGER_LABEL", self.label());
        // The tests are the same where a registry answers: nothing is downloaded.
        command.env("LAMBDA_PACKAGER_PULL_POLICY", "never");
        // What the cargo that runs this test set is not what a user's shell has; and what the shell has
        // of our settings is not for the fixtures.
        for (name, _) in std::env::vars() {
            let of_this_build = name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_HTTP_");
            let ours = name.starts_with("LAMBDA_PACKAGER")
                && !["LAMBDA_PACKAGER_LABEL", "LAMBDA_PACKAGER_PULL_POLICY"].contains(&name.as_str());
            if of_this_build || ours || ["RUSTFLAGS", "RUSTDOCFLAGS", "NO_COLOR"].contains(&name.as_str()) {
                command.env_remove(name);
            }
        }
    }

    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    /// Runs the bin with `args`.
    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command().args(args))
    }

    /// Runs the bin with `args` on an engine.
    pub fn run_on(&self, engine: Engine, args: &[&str]) -> Ended {
        Ended::of(self.command_on(engine).args(args))
    }

    /// Runs cargo with `args`.
    pub fn cargo(&self, args: &[&str]) -> Ended {
        Ended::of(self.cargo_command().args(args))
    }

    /// Ids of the containers of this fixture, running or not.
    pub fn containers(&self, engine: Engine) -> Vec<String> {
        let label = format!("label={}", self.label());
        let ids = engine.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label]);
        ids.lines().map(String::from).collect()
    }

    /// The container of this fixture; there must be just one.
    #[track_caller]
    pub fn container(&self, engine: Engine) -> String {
        let all = self.containers(engine);
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap_or_default()
    }

    /// The zip of a function.
    pub fn zip(&self, function: &str) -> Vec<u8> {
        self.read(&format!("target/lambda/{function}/lambda-deployment.zip"))
    }

    /// The manifest of a function.
    pub fn manifest(&self, function: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(&format!("target/lambda/{function}/manifest.json"))).expect("JSON")
    }

    /// What the packaged bootstrap prints.
    pub fn output_of_bootstrap(&self, function: &str) -> String {
        let output = Command::new(self.path(&format!("target/lambda/{function}/bootstrap"))).output();
        let output = output.expect("the bootstrap starts");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for engine in ENGINES {
            let label = format!("label={}", self.label());
            let Ok(output) = engine.command().args(["ps", "--all", "--quiet", "--filter", &label]).output() else {
                continue;
            };
            let text = String::from_utf8_lossy(&output.stdout);
            let ids: Vec<&str> = text.lines().collect();
            if !ids.is_empty() {
                let _ = engine.command().args(["rm", "--force", "--volumes"]).args(ids).output();
            }
            // What was kept or made of them, which may have two names.
            let images = engine.command().args(["images", "--quiet", "--filter", &label]).output();
            let text = images.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
            let ids: BTreeSet<&str> = text.lines().collect();
            if !ids.is_empty() {
                let _ = engine.command().args(["rmi", "--force"]).args(ids).output();
            }
        }
    }
}

/// Copies a folder of the repository.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
            continue;
        }
        let bytes = fs::read(entry.path()).expect("a file");
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => text.replace("@REPOSITORY@", &repository().to_string_lossy()).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        fs::write(target, bytes).expect("a file");
    }
}
