//! The packager in the place of cargo-lambda, for tools that call `cargo lambda`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::{Ended, Fixture, TempDir, packager, prefixed};

/// A folder with the shim in it.
pub struct Shim {
    folder: TempDir,
    /// For `PATH`: that folder first.
    pub path: OsString,
}

impl Shim {
    pub fn installed() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Ended::of(Command::new(packager()).args(["shim", "install"]).arg(folder.path())).ok();
        let path = prefixed(folder.path(), &std::env::var_os("PATH").expect("PATH"));
        Self { folder, path }
    }

    /// The link itself.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("cargo-lambda")
    }

    /// `cargo lambda` in the project's folder, which compiles on the host.
    pub fn command(&self, fixture: &Fixture, args: &[&str]) -> Command {
        let mut command = fixture.cargo_with("host", &["lambda"]);
        command.args(args).env("PATH", &self.path);
        command
    }
}
