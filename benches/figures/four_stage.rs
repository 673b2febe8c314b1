//! The old way: a four-stage Dockerfile, dependencies in a layer of their own, built by BuildKit and by
//! the legacy builder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::{Engine, clients};
use crate::lab::{Lab, read, repository, write};
use crate::measure::{Result, ask, run};

const DOCKERFILE: &str = include_str!("four_stage.dockerfile");
const BASE: &str = "lambda-packager-bench-base";

pub struct FourStage {
    /// The build context.
    pub context: PathBuf,
    pub builders: Vec<Builder>,
    /// Which builder is not here, and why.
    pub missing: Vec<(&'static str, String)>,
}

pub struct Builder {
    pub name: &'static str,
    client: PathBuf,
    buildkit: &'static str,
    /// Seconds of its first build.
    pub cold: f64,
}

impl FourStage {
    /// The base image, the context, and every builder with its layers filled.
    pub fn prepare(lab: &Lab) -> Result<Self> {
        let engine = lab.engine()?;
        engine.must_be_own()?;
        make_base(lab, engine)?;
        let context = lab.folder.join("context");
        lab.copy("context/workspace")?;
        copy_crates(&context.join("crates"))?;
        write(&context.join("Dockerfile"), DOCKERFILE)?;
        let mut four_stage = Self { context, builders: Vec::new(), missing: Vec::new() };
        for (name, buildkit) in [("BuildKit", "1"), ("legacy builder", "0")] {
            match four_stage.builder(lab, name, buildkit) {
                Ok(builder) => four_stage.builders.push(builder),
                Err(why) => four_stage.missing.push((name, why)),
            }
        }
        Ok(four_stage)
    }

    /// The first client on PATH that has this builder, after its first build.
    fn builder(&self, lab: &Lab, name: &'static str, buildkit: &'static str) -> Result<Builder> {
        let mut why = "docker is not on PATH".to_string();
        for client in clients() {
            let mut builder = Builder { name, client, buildkit, cold: 0.0 };
            eprintln!("  the first four-stage build by {}, {name}", builder.client.display());
            match lab.seconds(&mut self.build(lab, &builder)?) {
                Ok(seconds) => {
                    builder.cold = seconds;
                    return Ok(builder);
                }
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// The command of a build.
    pub fn build(&self, lab: &Lab, builder: &Builder) -> Result<Command> {
        let mut command = lab.command(&builder.client, &self.context);
        lab.engine()?.apply_to(&mut command);
        command.env("DOCKER_BUILDKIT", builder.buildkit);
        command.args(["build", "--network", "none", "--tag", "lambda-packager-bench-four-stage", "."]);
        Ok(command)
    }
}

/// Debian with a C compiler, and the Rust toolchain of this machine in it.
fn make_base(lab: &Lab, engine: &Engine) -> Result<()> {
    let log = lab.log();
    let sysroot = PathBuf::from(ask(lab.command("rustc", repository()).args(["--print", "sysroot"]))?);
    let toolchain = sysroot.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = ask(lab.command("rustc", repository()).arg("--version"))?.replace([' ', '(', ')'], "-");
    let name = format!("bench-base-{toolchain}-{version}.tar");
    let kept = repository().join("target").join(&name);
    let tar = if lab.keep_base { kept.clone() } else { lab.folder.join(&name) };
    if !kept.is_file() {
        let root = lab.folder.join("base");
        let suite = suite()?;
        let mirror = mirror(&suite)?;
        eprintln!("  a base image of {suite}, by debootstrap");
        let mut debootstrap = lab.command("debootstrap", &lab.folder);
        debootstrap.args(["--variant=minbase", "--include=gcc,libc6-dev,make,pkg-config", &suite]);
        run(debootstrap.arg(&root).arg(&mirror), &log)
            .map_err(|why| why.replace(&mirror, "MIRROR"))
            .map_err(|why| format!("{why}; it takes debootstrap (Debian: apt-get install debootstrap) and a mirror"))?;
        let rust = root.join("opt/rust");
        fs::create_dir_all(&rust).map_err(|e| e.to_string())?;
        for part in ["bin", "lib", "libexec"].iter().filter(|part| sysroot.join(part).exists()) {
            run(lab.command("cp", &sysroot).arg("-a").arg(part).arg(&rust), &log)?;
        }
        run(lab.command("tar", &root).args(["--create", "--file"]).arg(&tar).arg("."), &log)?;
        run(lab.command("rm", &lab.folder).arg("-rf").arg(&root), &log)?;
    }
    let tar = if kept.is_file() { kept } else { tar };
    let mut import = engine.docker(&["import", "--change", "ENV PATH=/opt/rust/bin:/usr/bin:/bin CARGO_HOME=/cargo"]);
    run(import.args(["--change", "LABEL lambda-packager.bench=1"]).arg(&tar).arg(BASE), &log)?;
    if lab.keep_base { Ok(()) } else { fs::remove_file(&tar).or(Ok(())) }
}

/// The release that this machine runs.
fn suite() -> Result<String> {
    let text = read(Path::new("/etc/os-release"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(String::from).ok_or("this is no Debian: /etc/os-release names no VERSION_CODENAME".into())
}

/// Where this machine gets the packages of `suite` from; other archives may be configured beside it.
fn mirror(suite: &str) -> Result<String> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let files = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(parts);
    let text: Vec<String> = files.filter_map(|file| fs::read_to_string(file).ok()).collect();
    let of_suite = |words: &str| words.split_whitespace().any(|word| word == suite);
    // `deb [options] URI suite components`, or a paragraph of fields.
    let lines = text.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("deb ") && of_suite(line));
    let one_line = lines.flat_map(str::split_whitespace).find(|word| word.contains("://"));
    let field = |paragraph: &'_ str, name: &str| {
        paragraph.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_string()
    };
    let mut paragraphs = text.iter().flat_map(|text| text.split("\n\n"));
    let paragraph = paragraphs.find(|paragraph| of_suite(&field(paragraph, "Suites:")));
    let uris = paragraph.map(|paragraph| field(paragraph, "URIs:"));
    let found = uris.as_deref().and_then(|uris| uris.split_whitespace().next()).or(one_line);
    found.map(String::from).ok_or(format!("/etc/apt names no mirror of {suite}"))
}

/// The downloads that the function's lockfile names: a part of cargo's home.
fn copy_crates(to: &Path) -> Result<()> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).ok_or("no home folder")?;
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
