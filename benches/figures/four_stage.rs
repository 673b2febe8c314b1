//! The old way: a four-stage Dockerfile, dependencies in a layer of their own, built by BuildKit and by
//! the legacy builder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::builder::{Builder, Builders};
use crate::lab::{Lab, cargo_home, read, repository, write};
use crate::measure::Result;

const DOCKERFILE: &str = include_str!("four_stage.dockerfile");

pub struct FourStage {
    /// The build context.
    pub context: PathBuf,
    /// Those that have built it, with the seconds of the first time.
    pub builders: Vec<(Builder, f64)>,
    /// By which builder there is none, and why.
    pub missing: Vec<(&'static str, String)>,
}

impl FourStage {
    /// The context, and every builder with its layers filled.
    pub fn prepare(lab: &Lab, builders: &Builders) -> Result<Self> {
        let context = lab.folder.join("context");
        lab.copy("context/workspace")?;
        copy_crates(&context.join("crates"))?;
        write(&context.join("Dockerfile"), DOCKERFILE)?;
        let mut four_stage = Self { context, builders: Vec::new(), missing: builders.missing.clone() };
        for builder in &builders.found {
            eprintln!("  the first four-stage build by {}", builder.name);
            let built = four_stage.build(lab, builder).and_then(|build| lab.seconds(&build));
            match built {
                Ok(seconds) => four_stage.builders.push((builder.clone(), seconds)),
                Err(why) => four_stage.missing.push((builder.name, why)),
            }
        }
        Ok(four_stage)
    }

    /// The command of a build.
    pub fn build(&self, lab: &Lab, builder: &Builder) -> Result<Command> {
        let mut command = lab.command("docker", &self.context);
        builder.apply_to(lab, &mut command)?;
        command.args(["build", "--network", "none", "--tag", "lambda-packager-bench-four-stage", "."]);
        Ok(command)
    }
}

/// The downloads that the function's lockfile names: a part of cargo's home.
fn copy_crates(to: &Path) -> Result<()> {
    let home = cargo_home()?;
    let lock = read(&repository().join("Cargo.lock"))?;
    let field = |line: &str, name: &str| Some(line.strip_prefix(name)?.trim_matches([' ', '=', '"']).to_string());
    let mut wanted = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        name = field(line, "name").unwrap_or(name);
        wanted.extend(field(line, "version").map(|version| format!("{name}-{version}.crate")));
    }
    let registries = home.join("registry/cache");
    for registry in fs::read_dir(&registries).map_err(|e| format!("{}: {e}", registries.display()))?.flatten() {
        for file in wanted.iter().filter(|file| registry.path().join(file).is_file()) {
            let bytes = fs::read(registry.path().join(file)).map_err(|e| e.to_string())?;
            write(&to.join("cache").join(registry.file_name()).join(file), bytes)?;
        }
    }
    let status = Command::new("cp").arg("-r").arg(home.join("registry/index")).arg(to).status();
    if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err("cargo's index cannot be copied".into()) }
}
