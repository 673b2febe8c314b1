//! A cargo project to package.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::engine::{ENGINES, containers_conf};
use super::{Ended, Engine, LABEL, TempDir, packager, repository, under};

/// A cargo project in a temporary folder; gone with all its containers when dropped.
pub struct Fixture {
    pub(super) _folder: TempDir,
    /// The project's folder below the temporary one.
    pub(super) root: PathBuf,
    pub(super) id: String,
    /// Whether each engine may have something of it.
    pub(super) used: [AtomicBool; 2],
}

impl Fixture {
    /// An empty folder, for a project named `name`.
    pub fn empty(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-").tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it exists").join(name);
        fs::create_dir_all(&root).expect("it is writable");
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { _folder: folder, root, id, used: Default::default() }
    }

    /// A crate without dependencies that prints `hello`; it compiles in a third of a second.
    pub fn hello() -> Self {
        Self::hello_in("hello")
    }

    /// The same in a folder of this name.
    pub fn hello_in(folder: &str) -> Self {
        let fixture = Self::empty(folder);
        fixture.package("", "hello", "");
        fixture.says("hello");
        fixture
    }

    /// The same, packaged on an engine or the host.
    pub fn hello_packaged(road: &str) -> Self {
        let fixture = Self::hello();
        Ended::of(&mut fixture.command_for(road)).ok();
        fixture
    }

    /// Makes it print this.
    pub fn says(&self, text: &str) {
        self.prints(&format!("\"{text}\""));
    }

    /// Makes it print what these arguments of `println!` say.
    pub fn prints(&self, arguments: &str) {
        self.write("src/main.rs", &format!("fn main() {{\n    println!({arguments});\n}}\n"));
    }

    /// Writes the manifest of a package in `folder`; it goes on with `rest`.
    pub fn package(&self, folder: &str, name: &str, rest: &str) {
        let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        self.write(&Path::new(folder).join("Cargo.toml").to_string_lossy(), &(head + rest));
    }

    /// Adds the crate `shared`, which says whether its feature `loud` is on.
    pub fn shared(&self) {
        self.package("shared", "shared", "[features]\nloud = []\n");
        self.write(
            "shared/src/lib.rs",
            "pub fn say() -> &'static str {\n    if cfg!(feature = \"loud\") { \"LOUD\" } else { \"soft\" }\n}\n",
        );
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

    /// Goes on in another folder that has what it had.
    pub fn moves_to(&mut self, root: &Path) {
        self.root = root.to_path_buf();
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

    pub fn text(&self, relative: &str) -> String {
        String::from_utf8(self.read(relative)).expect("text")
    }

    /// Writes more at the end of a file.
    pub fn append(&self, relative: &str, more: &str) {
        self.write(relative, &(self.text(relative) + more));
    }

    pub fn json(&self, relative: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(relative)).expect("JSON")
    }

    /// Asserts that a run of `hello` neither said nor left a secret.
    #[track_caller]
    pub fn tells_nobody(&self, secret: &str, ended: &Ended) {
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "it says {secret}");
        for entry in fs::read_dir(self.path("target/lambda/hello")).expect("a folder") {
            let file = entry.expect("an entry").path();
            let bytes = fs::read(&file).expect("a file");
            let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!holds, "{secret} is in {}", file.display());
        }
    }

    /// Lets a program run with another home, in which only the toolchain is that of this machine's user.
    pub fn with_home<'a>(&self, command: &'a mut Command, home: &Path) -> &'a mut Command {
        let ours = std::env::home_dir().expect("a home");
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var_os(name).unwrap_or_else(|| ours.join(folder).into()));
        }
        command.env("HOME", home)
    }

    /// The bin in the project's folder, to which arguments and variables can be added.
    pub fn command(&self) -> Command {
        self.uses(&ENGINES);
        self.command_elsewhere()
    }

    /// The same, where it can leave nothing in this machine's engines.
    pub fn command_elsewhere(&self) -> Command {
        let mut command = Command::new(packager());
        self.set_up(&mut command);
        command
    }

    /// The same, on an engine.
    pub fn command_on(&self, engine: Engine) -> Command {
        self.command_for(engine.name())
    }

    /// The same on an engine or the host, by name.
    pub fn command_for(&self, name: &str) -> Command {
        self.uses_by_name(name);
        let mut command = self.command_elsewhere();
        command.args(["--engine", name]);
        command
    }

    fn uses_by_name(&self, name: &str) {
        ENGINES.into_iter().filter(|engine| engine.name() == name).for_each(|engine| self.uses(&[engine]));
    }

    /// Notes in which engines it may have left something.
    fn uses(&self, engines: &[Engine]) {
        engines.iter().for_each(|engine| self.used[*engine as usize].store(true, Ordering::Relaxed));
    }

    /// The bin, started by `wrapper`, which gets it and its arguments as further arguments.
    pub fn command_under(&self, wrapper: &[&str]) -> Command {
        under(wrapper, &self.command())
    }

    /// Cargo in the project's folder.
    pub fn cargo_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO"));
        self.prepare(&mut command);
        command
    }

    /// The same, with an engine set, or the host.
    pub fn cargo_with(&self, engine: &str, args: &[&str]) -> Command {
        self.uses_by_name(engine);
        let mut command = Command::new(env!("CARGO"));
        self.set_up(&mut command);
        command.args(args).env("LAMBDA_PACKAGER_ENGINE", engine);
        command
    }

    /// Lets a program run in the project's folder as from a user's shell, with what makes it the test's.
    pub fn prepare(&self, command: &mut Command) {
        self.uses(&ENGINES);
        self.set_up(command);
    }

    fn set_up(&self, command: &mut Command) {
        command.current_dir(&self.root).env("CONTAINERS_CONF", containers_conf());
        command.env("LAMBDA_PACKAGER_LABEL", self.own_label());
        // The tests are the same where a registry answers: nothing is downloaded.
        command.env("LAMBDA_PACKAGER_PULL_POLICY", "never");
        // At a desk, not in a pipeline: the tests are the same in both, and those of pipelines say so.
        command.env_remove("CI");
        // What the cargo that runs this test set is not what a user's shell has; and what the shell has
        // of our settings is not for the fixtures.
        let own = ["LAMBDA_PACKAGER_LABEL", "LAMBDA_PACKAGER_PULL_POLICY"];
        for (name, _) in std::env::vars() {
            let of_this_build = name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_HTTP_");
            let ours = name.starts_with("LAMBDA_PACKAGER") && !own.contains(&name.as_str());
            let others = ["RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC_BOOTSTRAP", "NO_COLOR"].contains(&name.as_str());
            if of_this_build || ours || others {
                command.env_remove(name);
            }
        }
    }

    /// What is told of it apart, and removed with it.
    pub fn label(&self) -> String {
        self.uses(&ENGINES);
        self.own_label()
    }

    fn own_label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    /// Runs the bin with `args`.
    pub fn run(&self, args: &[&str]) -> Ended {
        let on_host = args.windows(2).any(|pair| pair == ["--engine", "host"]);
        let mut command = if on_host { self.command_elsewhere() } else { self.command() };
        Ended::of(command.args(args))
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
        let label = format!("label={}", self.own_label());
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
        self.json(&format!("target/lambda/{function}/manifest.json"))
    }

    /// What a run leaves of a function: its zip and its manifest.
    pub fn made(&self, function: &str) -> (Vec<u8>, serde_json::Value) {
        (self.zip(function), self.manifest(function))
    }

    /// What the packaged bootstrap prints.
    pub fn output_of_bootstrap(&self, function: &str) -> String {
        Ended::answer(&mut Command::new(self.path(&format!("target/lambda/{function}/bootstrap"))))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for engine in ENGINES.into_iter().filter(|engine| self.used[*engine as usize].load(Ordering::Relaxed)) {
            let label = format!("label={}", self.own_label());
            let remove_listed = |list: &[&str], remove: &[&str]| {
                let Ok(listed) = engine.command().args(list).args(["--quiet", "--filter", &label]).output() else {
                    return;
                };
                let text = String::from_utf8_lossy(&listed.stdout);
                // An image may have two names.
                let ids: BTreeSet<&str> = text.lines().collect();
                if !ids.is_empty() {
                    let _ = engine.command().args(remove).args(ids).output();
                }
            };
            remove_listed(&["ps", "--all"], &["rm", "--force", "--volumes"]);
            remove_listed(&["volume", "ls"], &["volume", "rm", "--force"]);
            // What was kept or made of them.
            remove_listed(&["images"], &["rmi", "--force"]);
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
