//! What builds images: docker's two builders, each by the first client on PATH that has it, and the image
//! that they start from.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, repository, write};
use crate::measure::Result;

/// The image: this machine's C compiler and Rust toolchain.
pub const BASE: &str = "lambda-packager-bench-base";

#[derive(Clone)]
pub struct Builder {
    pub name: &'static str,
    switch: &'static str,
    /// Holds nothing but its client.
    folder: PathBuf,
}

/// Both, ready; or why one is not here.
pub struct Builders {
    pub found: Vec<Builder>,
    pub missing: Vec<(&'static str, String)>,
}

impl Builders {
    pub fn prepare(lab: &Lab) -> Result<Self> {
        // Nobody else's layers may be used, and what is left is gone with the engine.
        lab.engine()?.must_be_own()?;
        make_base(lab)?;
        let mut builders = Self { found: Vec::new(), missing: Vec::new() };
        for (name, switch) in [("BuildKit", "1"), ("legacy builder", "0")] {
            match Builder::find(lab, name, switch) {
                Ok(builder) => builders.found.push(builder),
                Err(why) => builders.missing.push((name, why)),
            }
        }
        Ok(builders)
    }
}

impl Builder {
    fn find(lab: &Lab, name: &'static str, switch: &'static str) -> Result<Self> {
        let probe = lab.folder.join("probe");
        write(&probe.join("Dockerfile"), "FROM scratch\nLABEL a=b\n")?;
        let mut why = "docker is not on PATH".to_string();
        for (number, client) in clients().into_iter().enumerate() {
            let folder = lab.folder.join(format!("client-{switch}-{number}"));
            fs::create_dir(&folder).and_then(|()| symlink(client, folder.join("docker"))).map_err(|e| e.to_string())?;
            let builder = Self { name, switch, folder };
            let mut build = lab.command("docker", &probe);
            builder.apply_to(lab, &mut build)?;
            match lab.run(build.args(["build", "."])) {
                Ok(()) => return Ok(builder),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// Lets `command`, and what it starts, build with this one.
    pub fn apply_to(&self, lab: &Lab, command: &mut Command) -> Result<()> {
        lab.engine()?.apply_to(command);
        command.env("DOCKER_BUILDKIT", self.switch).env("PATH", before_path(&self.folder, None));
        Ok(())
    }
}

/// `PATH`, or what a command has instead of it, with this folder first.
pub fn before_path(folder: &Path, path: Option<OsString>) -> OsString {
    let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path))).unwrap_or(path)
}

/// Every client on PATH: they differ in the builders that they have.
fn clients() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("docker")).filter(|program| program.is_file()).collect()
}

fn make_base(lab: &Lab) -> Result<()> {
    eprintln!("  a base image of this machine's toolchain");
    let tar = lab.folder.join("base.tar");
    let script = repository().join("tests/support/base_image.sh");
    let mut make = lab.command("sh", &lab.folder);
    make.args(["-c", r#"exec "$0" >"$1""#]).arg(script).arg(&tar);
    lab.run(&mut make).map_err(|why| format!("{why}; it takes a Debian with gcc, make and pkg-config"))?;
    let mut import = lab.engine()?.docker(&["import", "--change", "ENV PATH=/opt/rust/bin:/usr/bin:/bin"]);
    lab.run(import.args(["--change", "ENV CARGO_HOME=/cargo"]).arg(&tar).arg(BASE))?;
    fs::remove_file(&tar).map_err(|e| e.to_string())
}
