//! What the tests share that go through the host's own cargo: fixtures whose build scripts call the
//! packager, and runs with a bound or on a terminal.

use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use super::engine::containers_conf;
use super::*;

/// A cargo profile that the fixtures are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Release,
    Debug,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }
}

/// The profiles of this workspace: what `make build` compiled of the packager serves here too. The fixtures hash the C
/// toolchain once each: 4 s where that is not optimised.
pub const OPTIMISED: &str = "
[profile.release.package.miniz_oxide]
opt-level = 3
[profile.release.package.sha2]
opt-level = 3
[profile.dev.package.sha2]
opt-level = 3
";

impl Fixture {
    /// A copy of `tests/fixtures/<name>` whose workspace is its folder `below`. Its build script
    /// depends on the packager, which is compiled already, for `profiles`.
    pub fn with_packager(name: &str, below: &str, profiles: &[Profile]) -> Self {
        let mut fixture = Self::copied(name);
        fixture.root = fixture.root.join(below);
        fixture.append("Cargo.toml", OPTIMISED);
        // The same versions as here: nothing to resolve, nothing to download.
        fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).expect("a lockfile");
        for profile in profiles {
            fixture.bring_packager(*profile, "target");
        }
        fixture
    }

    /// Puts the packager as cargo compiles it for `profile` into the target directory `folder`.
    pub fn bring_packager(&self, profile: Profile, folder: &str) {
        static COMPILED: Mutex<Vec<Profile>> = Mutex::new(Vec::new());
        let target = self.path(folder);
        let here = target.join(profile.folder());
        fs::create_dir_all(&target).expect("a folder");
        // Held while copying, too: nobody compiles there meanwhile.
        let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !compiled.contains(&profile) {
            compile_packager(profile);
            compiled.push(profile);
        }
        let shared = shared_target().join(profile.folder());
        Ended::of(Command::new("cp").arg("-a").args([shared, here])).ok();
    }

    /// `cargo build --release` with an engine set; it says which programs it runs.
    pub fn build_with(&self, engine: &str) -> Ended {
        Ended::of(&mut self.cargo_with(engine, &["build", "--release", "--verbose"]))
    }

    /// How the last run ended, by its log.
    pub fn logged_verdict(&self, function: &str) -> String {
        let log = self.text(&format!("target/lambda/{function}/build.log"));
        log.lines().rev().find(|line| line.starts_with("cache-")).expect("a verdict").to_string()
    }
}

/// Where the packager is compiled for the fixtures, once for all tests of this checkout.
fn shared_target() -> PathBuf {
    repository().join("target/test-host/target")
}

fn compile_packager(profile: Profile) {
    let project = repository().join("target/test-host/project");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"nothing\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[build-dependencies]\n\
         lambda-packager = {{ path = {:?} }}\n[profile.dist]\ninherits = \"release\"\n{OPTIMISED}",
        repository().join("lambda-packager")
    );
    let fixture = Fixture {
        _folder: TempDir::new().expect("a temporary folder"),
        root: project,
        id: "none".into(),
        used: Default::default(),
    };
    fixture.write("Cargo.toml", &manifest);
    fixture.write("build.rs", "fn main() {}\n");
    fixture.write("src/lib.rs", "");
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).expect("a lockfile");
    take_what_is_compiled(profile);
    let mut command = fixture.cargo_command();
    let name = if profile == Profile::Debug { "dev" } else { profile.folder() };
    command.args(["build", "--profile", name, "--target-dir"]).arg(shared_target());
    Ended::of(&mut command).ok();
}

/// The crates that the packager depends on are the same ones here; cargo judges what it takes. With cargo's own lock on
/// the folder, nothing of it is half-written.
fn take_what_is_compiled(profile: Profile) {
    let (from, to) = (repository().join("target").join(profile.folder()), shared_target());
    if profile == Profile::Release && from.is_dir() && !to.join(profile.folder()).is_dir() {
        fs::create_dir_all(&to).expect("a folder");
        let lock = from.join(".cargo-lock");
        Ended::of(Command::new("flock").arg(lock).arg("cp").arg("-a").args([from, to])).ok();
    }
}

/// Cargo in this checkout, as its users call it.
pub fn cargo_here(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(repository()).env("CONTAINERS_CONF", containers_conf());
    command.env_remove("RUSTC_BOOTSTRAP");
    command
}

/// Whether cargo ran a build script, as `cargo build --verbose` tells.
pub fn ran_a_build_script(ended: &Ended) -> bool {
    ended.stderr.contains("/build-script-build`")
}

/// What `program` prints.
pub fn printed_by(program: &Path) -> String {
    Ended::of(&mut Command::new(program)).ok().stdout
}

/// The SHA-256 of a file, by somebody else's program.
pub fn sha256_of(file: &Path) -> String {
    let line = Ended::answer(Command::new("sha256sum").arg("--").arg(file));
    line.split_whitespace().next().expect("a digest").trim_start_matches('\\').to_string()
}

/// What git prints in `folder`, without the user's settings.
pub fn git(folder: &Path, args: &[&str]) -> String {
    Ended::answer(git_in(folder).args(args))
}

/// Git in `folder`, without the user's settings.
pub fn git_in(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid"]);
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// Runs `command` to its end. Where that takes longer than `limit` it hangs: it is killed with all
/// that it started, and the test fails.
#[track_caller]
pub fn bounded(command: Command, limit: Duration) -> Ended {
    let seconds = limit.as_secs().to_string();
    let ended = Ended::of(under(&["timeout", "--signal=KILL", &seconds], &command).stdin(Stdio::null()));
    assert_ne!(ended.code, 137, "hangs: {command:?} has not ended after {limit:?}");
    ended
}

/// Runs `command` with a terminal for all its streams; what it shows is `stdout`. `None`, said
/// loudly, where no program can give it one.
pub fn in_terminal(command: &Command) -> Option<Ended> {
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy().replace('\'', r"'\''"));
    let words: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    let output = like(command, &mut script).env("TERM", "xterm").stdin(Stdio::null()).output();
    if output.is_err() {
        skip("script", "no `script` to make a terminal with (Debian: apt-get install bsdutils)");
    }
    Some(output.ok()?.into())
}
