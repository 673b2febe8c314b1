//! What the tests of promise 1 share: a project that is edited and packaged, and the truth to hold
//! every verdict against: a clean build of the same inputs in another folder and a container of its own.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::host::git;
use super::{Ended, Fixture, cases, fed, is_full};

/// What a build leaves for deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub zip: Vec<u8>,
    pub bootstrap: Vec<u8>,
}

/// When a file is dated that is written.
#[derive(Debug, Clone, Copy)]
pub enum Date {
    /// As it comes.
    Now,
    /// As it was before: what `cp -p`, an archive or a sync tool does.
    Kept,
    /// Long before the build.
    Old,
    Future,
}

/// A project under test, and how it is packaged.
pub struct Project {
    pub fixture: Fixture,
    engine: &'static str,
    function: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// Where clean builds are made.
    clean: OnceLock<Fixture>,
}

impl Project {
    pub fn new(engine: &'static str, function: &str, fixture: Fixture) -> Self {
        let clean = OnceLock::new();
        Self { fixture, engine, function: function.into(), arguments: Vec::new(), variables: Vec::new(), clean }
    }

    /// One package without dependencies.
    pub fn hello(engine: &'static str) -> Self {
        Self::new(engine, "hello", Fixture::hello())
    }

    /// A workspace: the function `app`, and the library `part` that it calls.
    pub fn pair(engine: &'static str) -> Self {
        let project = Self::workspace(engine, &["app", "part"]);
        project.calls_part("app", "");
        project.write("app/src/main.rs", &app("app 1"));
        project.package("part", "");
        project.write("part/src/lib.rs", &part("part 1"));
        project
    }

    /// A workspace of these packages, which are still to be written; the function is the first of them.
    pub fn workspace(engine: &'static str, members: &[&str]) -> Self {
        let project = Self::new(engine, members[0], Fixture::empty("workspace"));
        project.members(members);
        project
    }

    /// A workspace whose library is a crate of a registry, vendored.
    pub fn vendoring(engine: &'static str) -> Self {
        let project = Self::workspace(engine, &["app"]);
        project.package("app", "[dependencies]\npart = \"0.1\"\n");
        project.write("app/src/main.rs", &app("app 1"));
        let sources = "[source.crates-io]\nreplace-with = \"vendor\"\n[source.vendor]\ndirectory = \"vendor\"\n";
        project.write(".cargo/config.toml", sources);
        project.package("vendor/part", "");
        project.write("vendor/part/.cargo-checksum.json", "{\"files\":{}}");
        project.write("vendor/part/src/lib.rs", &part("part 1"));
        project
    }

    pub fn members(&self, members: &[&str]) {
        self.write("Cargo.toml", &format!("[workspace]\nmembers = {members:?}\nresolver = \"2\"\n"));
    }

    /// The manifest of a package that depends on the library of [`Project::pair`] and has these settings.
    pub fn calls_part(&self, folder: &str, settings: &str) {
        let dependency = "[dependencies]\npart = { path = \"../part\" }\n";
        self.package(folder, &format!("{dependency}[package.metadata.lambda-packager]\n{settings}"));
    }

    /// Lets the library of [`Project::pair`] return this expression.
    pub fn part_returns(&self, expression: &str) {
        self.write("part/src/lib.rs", &returning(expression));
    }

    /// Gives the library of [`Project::pair`] this build script, and lets it return the variable that the script sets.
    pub fn part_builds_with(&self, script: &str) {
        self.write("part/build.rs", script);
        self.part_returns("env!(\"READ\")");
    }

    /// The manifest of a package in `folder`, named after it.
    pub fn package(&self, folder: &str, rest: &str) {
        let name = folder.rsplit('/').next().expect("a name");
        let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n");
        self.write(&format!("{folder}/Cargo.toml"), &(head + rest));
    }

    pub fn engine(&mut self, engine: &'static str) -> &Self {
        self.engine = engine;
        self
    }

    /// From now on packages another function.
    pub fn function(&mut self, function: &str) -> &Self {
        self.function = function.into();
        self
    }

    /// From now on packages with these arguments.
    pub fn arguments(&mut self, arguments: &[&str]) -> &Self {
        self.arguments = arguments.iter().map(|argument| argument.to_string()).collect();
        self
    }

    /// From now on packages with these variables.
    pub fn variables(&mut self, variables: &[(&str, &str)]) -> &Self {
        self.variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self
    }

    /// Plain cargo for these settings, as far as it knows them.
    pub fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.fixture.cargo_with(self.engine, args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.fixture.path(relative)
    }

    pub fn write(&self, relative: &str, text: &str) -> &Self {
        self.fixture.write(relative, text);
        self
    }

    /// Writes, and dates the file.
    pub fn write_dated(&self, relative: &str, text: &str, date: Date) -> &Self {
        let mtime = match date {
            Date::Now => None,
            Date::Kept => Some(self.mtime(relative)),
            Date::Old => Some(long_ago()),
            Date::Future => Some(SystemTime::now() + Duration::from_secs(86_400)),
        };
        self.write(relative, text);
        mtime.map_or(self, |mtime| self.date(relative, mtime))
    }

    pub fn mtime(&self, relative: &str) -> SystemTime {
        let path = self.path(relative);
        fs::metadata(&path).and_then(|meta| meta.modified()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub fn date(&self, relative: &str, mtime: SystemTime) -> &Self {
        let path = self.path(relative);
        let set = File::open(&path).and_then(|file| file.set_times(FileTimes::new().set_modified(mtime)));
        set.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self
    }

    pub fn remove(&self, relative: &str) -> &Self {
        fs::remove_file(self.path(relative)).expect("it is there");
        self
    }

    pub fn rename(&self, from: &str, to: &str) -> &Self {
        fs::rename(self.path(from), self.path(to)).expect("it is there");
        self
    }

    pub fn link(&self, target: &str, relative: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        let _ = fs::remove_file(&path);
        symlink(target, path).expect("a link");
        self
    }

    pub fn allow_execution(&self, relative: &str, allowed: bool) -> &Self {
        let mode = if allowed { 0o755 } else { 0o644 };
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(mode)).expect("it is there");
        self
    }

    /// Makes the project a git repository.
    pub fn init_git(&self) {
        git(self.fixture.root(), &["init", "--quiet"]);
    }

    /// The bin, for this project and these settings, to which more can be added.
    pub fn command(&self) -> Command {
        self.command_for(self.engine, &self.fixture)
    }

    fn command_for(&self, engine: &str, fixture: &Fixture) -> Command {
        let mut command = fixture.command_for(engine);
        command.args(["--function", &self.function]).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self) -> Ended {
        self.command().output().expect("the bin starts").into()
    }

    /// The exit status of `explain` and the verdict that it tells.
    pub fn explain(&self) -> (i32, String) {
        let ended: Ended = self.command().arg("explain").output().expect("the bin starts").into();
        assert!(ended.code == 0 || ended.code == 1, "{ended:?}");
        (ended.code, ended.stdout.trim_end().to_string())
    }

    /// What lies there as the artifact.
    pub fn made(&self) -> Made {
        self.made_in(&self.fixture)
    }

    fn made_in(&self, fixture: &Fixture) -> Made {
        let bootstrap = fixture.read(&format!("target/lambda/{}/bootstrap", self.function));
        Made { zip: fixture.zip(&self.function), bootstrap }
    }

    /// Asserts that a run is a miss for this reason, that `explain` knew it, that what is made is what a
    /// clean build makes, and that it is reused afterwards.
    #[track_caller]
    pub fn misses(&self, reason: &str) {
        self.misses_once(reason);
        self.hits();
    }

    /// The same, without the last.
    #[track_caller]
    pub fn misses_once(&self, reason: &str) {
        let verdict = format!("cache-miss: {reason}");
        assert_eq!(self.explain(), (1, verdict.clone()));
        let ended = self.run().ok();
        assert_eq!(ended.verdict(), verdict, "{}", ended.stderr);
        self.is_as_a_clean_build("a miss");
    }

    /// Asserts a miss, whatever its reason, with the bytes of a clean build, which are reused afterwards.
    #[track_caller]
    pub fn misses_somehow(&self) -> String {
        let (_, verdict) = self.explain();
        let reason = verdict.strip_prefix("cache-miss: ").unwrap_or_else(|| panic!("{verdict}"));
        self.misses(reason);
        verdict
    }

    /// Writes a file that was there before: a miss.
    #[track_caller]
    pub fn changes(&self, relative: &str, text: &str, date: Date) {
        self.write_dated(relative, text, date).misses(&format!("changed {relative}"));
    }

    /// Writes a new file: a miss.
    #[track_caller]
    pub fn adds(&self, relative: &str, text: &str, date: Date) {
        self.write_dated(relative, text, date).misses(&format!("added {relative}"));
    }

    /// Removes a file: a miss.
    #[track_caller]
    pub fn removes(&self, relative: &str) {
        self.remove(relative).misses(&format!("removed {relative}"));
    }

    /// Asserts that a run is a hit, that `explain` knew it, and that what lies there is what a clean
    /// build makes.
    #[track_caller]
    pub fn hits(&self) {
        assert_eq!(self.explain(), (0, "cache-hit".to_string()));
        let ended = self.run().ok();
        assert_eq!(ended.verdict(), "cache-hit", "{}", ended.stderr);
        self.is_as_a_clean_build("a hit");
    }

    #[track_caller]
    pub fn is_as_a_clean_build(&self, after: &str) {
        let clean = self.clean();
        let made = self.made();
        assert!(
            made.bootstrap == clean.bootstrap,
            "after {after} the bootstrap prints {:?}, that of a clean build {:?}",
            said_by(&made.bootstrap),
            said_by(&clean.bootstrap),
        );
        assert!(made.zip == clean.zip, "after {after} the zip is not that of a clean build");
    }

    /// What a clean build of the same inputs and settings makes; built once for each content.
    pub fn clean(&self) -> Made {
        self.clean_of(&self.digest())
    }

    /// The same, built once for each `state`, which is all that decides it.
    pub fn clean_of(&self, state: &[u8]) -> Made {
        type Shelf = Mutex<HashMap<Vec<u8>, Arc<OnceLock<Made>>>>;
        static MADE: OnceLock<Shelf> = OnceLock::new();
        let shelf = MADE.get_or_init(Shelf::default);
        let place = shelf.lock().expect("no test panics here").entry(state.to_vec()).or_default().clone();
        place.get_or_init(|| self.build_clean()).clone()
    }

    /// With few cases on the host, which is to make the same bytes as an engine, and fast; and in one folder, in which
    /// only what is known of the toolchain is left from one to the next.
    fn build_clean(&self) -> Made {
        let name = self.fixture.root().file_name().expect("a name").to_string_lossy().into_owned();
        let new = || Fixture::empty(&name);
        let of_its_own = is_full().then(new);
        let copy = of_its_own.as_ref().unwrap_or_else(|| self.clean.get_or_init(new));
        let left = "find . ! -type d ! -path \"./$0/target/lambda/toolchain-*\" ! -name .rustc_info.json -delete
            find . -mindepth 1 -type d -empty -delete";
        Ended::of(Command::new("sh").args(["-ec", left, &name]).current_dir(copy.around())).ok();
        let mut unpack = Command::new("tar");
        unpack.args(["--extract", "--touch", "--directory"]).arg(copy.around());
        fed(&mut unpack, &archive(&self.fixture.around(), &[])).ok();
        let ended = Ended::of(&mut self.command_for(cases("host", self.engine), copy));
        assert!(ended.ok().verdict().starts_with("cache-miss: "));
        self.made_in(copy)
    }

    /// Over everything that a clean build starts from.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for text in [self.engine, &self.function].into_iter().chain(self.arguments.iter().map(String::as_str)) {
            hasher.update(format!("{text}\n"));
        }
        for (name, value) in &self.variables {
            hasher.update(format!("{name}={value}\n"));
        }
        hasher.update(archive(&self.fixture.around(), &["--exclude=.git"]));
        for folder in [self.fixture.around(), self.fixture.root().to_path_buf()] {
            for rules in ["info/exclude", "config", "index"] {
                hasher.update(fs::read(folder.join(".git").join(rules)).unwrap_or_default());
            }
        }
        hasher.finalize().into()
    }
}

/// A function that prints `text`.
pub fn printing(text: &str) -> String {
    format!("fn main() {{\n    println!(\"{text}\");\n}}\n")
}

/// A function that prints what an expression comes to.
pub fn printing_value(expression: &str) -> String {
    format!("fn main() {{\n    println!(\"{{:?}}\", {expression});\n}}\n")
}

/// The function of [`Project::pair`], printing `text` and what the library says.
pub fn app(text: &str) -> String {
    format!("fn main() {{\n    println!(\"{text}, {{}}\", part::text());\n}}\n")
}

/// The library of [`Project::pair`], saying `text`.
pub fn part(text: &str) -> String {
    returning(&format!("{text:?}"))
}

/// The library of [`Project::pair`], returning what an expression comes to.
pub fn returning(expression: &str) -> String {
    format!("pub fn text() -> &'static str {{\n    {expression}\n}}\n")
}

/// What a program prints, or why not.
fn said_by(content: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("program");
    super::program(&path, content);
    match Command::new(&path).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_string(),
        Err(e) => e.to_string(),
    }
}

/// Before any build of these tests.
pub fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

/// All in `folder` but what was made, which no clean build starts from, as an archive without dates.
fn archive(folder: &Path, flags: &[&str]) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.args(["--create", "--sort=name", "--mtime=@0", "--exclude=target", "--exclude=lambda-deployment.zip"]);
    let output = command.args(flags).arg("--directory").arg(folder).arg(".").output().expect("tar starts");
    // 1: a folder changed meanwhile, by what is made in it.
    assert!(output.status.code().is_some_and(|code| code <= 1), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
