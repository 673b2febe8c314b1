//! What the tests share: the bin, tiny projects, engines, and the promise that nothing is left behind.

pub mod clean;
pub mod debian;
mod desk;
mod ended;
mod engine;
mod fixture;
mod front;
mod gate;
mod gated;
mod git;
pub mod host;
pub mod http;
mod image_registry;
mod live;
mod moto;
mod own_docker;
mod own_podman;
mod property;
pub mod registry;
mod rootless;
mod running;
mod shim;
mod tmpfs;
mod token_server;
mod user;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use desk::{Desk, REFERENCE};
pub use ended::{Ended, has_all};
pub use engine::{Engine, engines, every_engine, one_engine, podman_with_all_cases};
pub use fixture::{Fixture, copy};
pub use front::{Front, fed, is_installed, like, on_path, prefixed, program, under, which};
pub use gate::Gate;
pub use gated::{Gated, HOLDING};
pub use image_registry::{Fate, ImageRegistry, Proxy, Setup, sha256};
pub use live::{Live, Story};
pub use moto::Moto;
pub use own_docker::OwnDocker;
pub use own_podman::OwnPodman;
pub use property::{property, rows};
pub use rootless::Rootless;
pub use running::{Owned, Running, child_that_runs, eventually, kill, processes_of_the_host, wait_until};
pub use shim::Shim;
pub use tempfile::TempDir;
pub use tmpfs::Tmpfs;
pub use token_server::{Token, TokenServer, Wish};
pub use user::OtherUser;

/// The label on every container that a test makes; its value is the fixture.
pub const LABEL: &str = "lambda-packager.test";

/// The bin that is tested.
const BIN: &str = "lambda-packager";

/// The bin, built once.
pub fn packager() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        // With the features that `tests/run` compiles everything with: most is compiled then.
        command.args(["build", "--quiet", "--message-format=json", "--workspace", "--all-features", "--bin", BIN]);
        command.env_remove("RUSTC_BOOTSTRAP");
        let lines = Ended::of(command.current_dir(repository())).ok().stdout;
        let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut bins = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        bins.find(|bin| bin.ends_with(BIN)).expect("cargo names the bin")
    })
}

/// A port that nobody listens on: another one for each who asks, and none that the system gives to connections.
pub fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let next = || 20_000 + (std::process::id().wrapping_mul(100) + ASKED.fetch_add(1, Ordering::Relaxed)) % 10_000;
    std::iter::repeat_with(next)
        .map(|port| port as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free")
}

/// The checkout that is tested.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether all cases are tested, as `make test-full` does, and not the few that every change has to pass.
pub fn is_full() -> bool {
    std::env::var("PACKAGER_TESTS").is_ok_and(|wanted| wanted == "full")
}

/// How many cases there are of a property, or which. Every number that differs between the two goes through here.
pub fn cases<T>(small: T, full: T) -> T {
    if is_full() { full } else { small }
}

/// Says loudly that something is not tested here, why, and how to get it. `tests/run` lists it once more at the end.
/// Under `CI` that is a failure, unless `SKIP_OK` names it.
#[track_caller]
pub fn skip(name: &str, why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // The handle, not the macro: the test harness captures only the macro.
    let _ = writeln!(std::io::stderr(), "*** SKIPPED {name} in {test}: {why}");
    let mut list = fs::File::options();
    let list = list.create(true).append(true).open(repository().join("target/skipped-tests"));
    // One call is one line, whoever else writes.
    let noted =
        list.and_then(|mut file| file.write_all(format!("{name}: {}\t{test}\n", why.replace('\n', " ")).as_bytes()));
    assert!(noted.is_ok(), "it cannot be noted that {name} is skipped: {noted:?}");
    let allowed = std::env::var("SKIP_OK").unwrap_or_default();
    let is_allowed = allowed.split(',').any(|allowed| allowed == name);
    assert!(is_allowed || std::env::var_os("CI").is_none(), "CI skips {name} and SKIP_OK does not name it: {why}");
}

pub fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}
