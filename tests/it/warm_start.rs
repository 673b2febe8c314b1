//! A container for another checkout starts from the dependencies that were kept, and from nothing else:
//! its zip is that of a cold build, byte for byte.

mod bounds;
mod content;
mod equals;
mod faults;
mod kept_images;
mod packed;
mod traps;

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Ended, Engine, Fixture, Front, fed, repository};

const WARM: &str = "warm start from lambda-packager-deps:";
const KEPT: &str = "kept    lambda-packager-deps:";

/// A function that uses a crate of this repository's lockfile which compiles in a blink.
pub fn with_itoa(story: &str) -> Fixture {
    depending_on(story, "itoa = \"1\"\n", "itoa::Buffer::new().format(7)")
}

/// A function that prints an expression made of its dependencies. Checkouts of one `story` have one
/// lockfile; those of another share nothing with them, though they had the same dependencies.
fn depending_on(story: &str, dependencies: &str, expression: &str) -> Fixture {
    let fixture = Fixture::empty("app");
    fixture.package("", "app", &format!("\n[dependencies]\n{dependencies}"));
    fixture.prints(&format!("\"{{}}\", {expression}"));
    // Every compile sees it, so it tells stories apart.
    fixture.write(".cargo/config.toml", &format!("[env]\nSTORY = \"{story}-{}\"\n", std::process::id()));
    // The crates in the versions that this machine has.
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).expect("a file");
    fixture
}

/// A run behind a script in front of the engine's command line.
fn behind(front: &Front, fixture: &Fixture, engine: Engine) -> Ended {
    Ended::of(fixture.command_on(engine).env("PATH", &front.path))
}

/// Packages, and returns the image of the dependencies that were kept. The log tells of it too: of a build script, cargo shows
/// nothing else.
#[track_caller]
fn kept(fixture: &Fixture, engine: Engine) -> String {
    let ended = fixture.run_on(engine, &[]).ok();
    let image = image_after(KEPT, &ended);
    let log = fixture.text("target/lambda/app/build.log");
    assert!(log.contains(&format!("kept    {image}")), "{log}");
    image
}

/// Adds a library of the workspace, which has this source.
fn add_library(fixture: &Fixture, folder: &str, source: &str) {
    fixture.package(folder, folder, "");
    fixture.write(&format!("{folder}/src/lib.rs"), source);
}

/// Puts an image of this tar in the place of another one.
fn replace(fixture: &Fixture, engine: Engine, image: &str, tar: &[u8]) {
    let label = format!("LABEL {}", fixture.label());
    let import = ["import", "--change", &label, "--change", "LABEL lambda-packager.deps=0", "-", image];
    fed(engine.command().args(import), tar).ok();
}

/// The image that a run says it started from, or kept.
#[track_caller]
fn image_after(phrase: &str, ended: &Ended) -> String {
    let (_, rest) = ended.stderr.split_once(phrase).unwrap_or_else(|| panic!("{phrase:?} in:\n{}", ended.stderr));
    let tag: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("lambda-packager-deps:{tag}")
}

#[track_caller]
fn is_cold(ended: &Ended) {
    assert!(!ended.stderr.contains(WARM), "{}", ended.stderr);
}

#[track_caller]
fn keeps_nothing(ended: &Ended) {
    assert!(!ended.stderr.contains(KEPT), "{}", ended.stderr);
}

/// A build that neither starts from an image nor keeps one: what the others are held against.
fn cold(fixture: &Fixture, engine: Engine) -> Vec<u8> {
    let ended = Ended::of(fixture.command_on(engine).env("LAMBDA_PACKAGER_DEPS_CACHE_LIMIT", "0")).ok();
    is_cold(&ended);
    keeps_nothing(&ended);
    fixture.zip("app")
}

/// Whether an engine has an image.
fn exists(engine: Engine, image: &str) -> bool {
    engine.command().args(["image", "inspect", image]).output().expect("it starts").status.success()
}

/// Where an image has what it keeps, once that is packed: all but the libraries that were packed along with the compile.
const PACKED: &str = "target/.lambda-packager/kept.tar.zst";
const LIBRARIES: &str = "target/.lambda-packager/libraries.tar.zst";

/// The members of a tar archive.
pub fn members(tar: &[u8]) -> Vec<(PathBuf, tar::Header, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    // What is packed is archives, one behind the other.
    archive.set_ignore_zeros(true);
    let read = |entry: std::io::Result<tar::Entry<&[u8]>>| {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        (entry.path().expect("a name").into_owned(), entry.header().clone(), content)
    };
    archive.entries().expect("an archive").map(read).collect()
}

/// A tar archive of members.
fn archive(members: Vec<(PathBuf, tar::Header, Vec<u8>)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mut header, content) in members {
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_slice()).expect("memory");
    }
    tar.into_inner().expect("memory")
}

/// The files of an image, as a tar archive.
fn tar_of(fixture: &Fixture, engine: Engine, image: &str) -> Vec<u8> {
    let label = fixture.label();
    let id = engine.ask(&["create", "--label", &label, "--network", "none", image, "none"]);
    let output = engine.command().args(["cp", &format!("{id}:/target"), "-"]).output().expect("it starts");
    assert!(output.status.success());
    engine.ask(&["rm", &id]);
    output.stdout
}

fn is_packed(tar: &[u8]) -> bool {
    members(tar).iter().any(|(path, ..)| path.ends_with(PACKED))
}

/// What was kept, as a tar archive, of the files of an image. Libraries come first.
fn unpacked(fixture: &Fixture, tar: Vec<u8>) -> Vec<u8> {
    if !is_packed(&tar) {
        return tar;
    }
    let members = members(&tar);
    let packed = |place| members.iter().filter(move |(path, ..)| path.ends_with(place)).map(|(_, _, content)| content);
    let packed: Vec<u8> = packed(LIBRARIES).chain(packed(PACKED)).flatten().copied().collect();
    unzstd(fixture, &packed)
}

fn unzstd(fixture: &Fixture, bytes: &[u8]) -> Vec<u8> {
    let file = fixture.around().join("kept.tar.zst");
    fs::write(&file, bytes).expect("a file");
    let mut zstd = Command::new("zstd");
    zstd.args(["-dc", "--long=27"]).stdin(File::open(&file).expect("it is ours")).stderr(Stdio::inherit());
    let output = zstd.output().expect("zstd, which the container had (Debian: apt-get install zstd)");
    assert!(output.status.success());
    output.stdout
}

/// Makes a project a repository of git with one commit.
fn commit(fixture: &Fixture) {
    fixture.git(&["init", "--quiet"]);
    fixture.commit();
}

fn shell(fixture: &Fixture, script: &str) {
    Ended::of(Command::new("sh").args(["-ec", script]).current_dir(fixture.root())).ok();
}
