//! What the container tests share: the bin, tiny projects, engines, and the promise that nothing is
//! left behind.
#![allow(dead_code, unused_imports)] // Each test binary uses its own part of this.

mod ended;
mod engine;
mod fixture;
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
mod token_server;
mod user;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use ended::Ended;
pub use engine::{ENGINES, Engine, engines};
pub use fixture::{Fixture, copy};
pub use gated::{Gated, HOLDING};
pub use image_registry::{Fate, ImageRegistry, Proxy, Setup, on_path};
pub use live::{Live, Story, wait_until};
pub use moto::Moto;
pub use own_docker::OwnDocker;
pub use own_podman::OwnPodman;
pub use running::{Running, child_that_runs, eventually, kill, processes_of_the_host};
pub use tempfile::TempDir;
pub use tmpfs::Tmpfs;
pub use token_server::{Token, TokenServer, Wish};
pub use user::OtherUser;

/// The label on every container that a test makes; its value is the fixture.
pub const LABEL: &str = "lambda-packager.test";

/// The companion bin, built once.
pub fn packager() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package=lambda-packager-cli", "--message-format=json"]);
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

fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(0, |meta| meta.uid())
}
