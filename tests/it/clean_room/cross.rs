//! The builder image for the other architecture, on a base that has only a package manager. All cases only: the bases are
//! made of many packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arm64::{Debian, TRIPLE, with_c};
use crate::clean_room::builder::{AMAZON_LINUX, BASE, Builder, Kind, builder};
use crate::clean_room::builder_image::{Other, another_rust};
use crate::clean_room::installer::with_dnf;
use crate::support::debian::archive_of;
use crate::support::{Ended, Fixture, Story, is_full, prefixed, repository};

/// A toolchain with the standard libraries of both architectures.
struct Toolchain {
    folder: PathBuf,
    /// That it is made of.
    debian: Debian,
}

impl Toolchain {
    /// None where it cannot be made.
    fn made() -> Option<Self> {
        let debian = Debian::unpacked()?;
        let folder = debian.folder().join("toolchain");
        let mut script = Command::new(repository().join("tests/it/clean_room/cross/rust.sh"));
        Ended::of(script.args([debian.folder(), &folder])).ok();
        Some(Self { folder, debian })
    }

    /// Packages `fixture` with this toolchain.
    fn run(&self, builder: &Builder, fixture: &Fixture, args: &[&str]) -> Story {
        package(builder, fixture, &self.folder.join("bin"), args)
    }
}

/// Packages `fixture` for arm64 with the toolchain of which the programs are in a folder.
fn package(builder: &Builder, fixture: &Fixture, programs: &Path, args: &[&str]) -> Story {
    let mut command = fixture.command_elsewhere();
    command.args(["--engine", builder.engine(), "--pull-policy", "if-missing", "--target", "arm64"]).args(args);
    let path = prefixed(programs, &builder.behind("").path);
    Story::of(builder.lend(&mut command).env("PATH", path))
}

/// What has to hold whatever the base installs with; `libc` is the place of the C library in an image to deploy.
fn compiles_for_arm64(toolchain: &Toolchain, builder: &Builder, libc: &str) {
    let fixture = with_c();
    let is_built = |story: &Story| story.notes().iter().any(|note| note.starts_with("building the image"));
    let first = toolchain.run(builder, &fixture, &[]).ok();
    assert!(is_built(&first), "{first}");
    let road = fixture.manifest("hello")["road"].clone();
    let image = road["base"].as_str().unwrap().to_string();
    assert!(image.contains("-provided.al2023-arm64-") && road["fallback"] == "", "{first}");
    let bootstrap = fixture.path("target/lambda/hello/bootstrap");
    assert_eq!(toolchain.debian.run(&bootstrap), "aarch64 7\n");
    let zip = fixture.zip("hello");

    let room = toolchain.run(builder, &fixture, &["--force", "--clean-room"]).ok();
    let road = &fixture.manifest("hello")["road"];
    assert!(road["clean_room"] == true && road["base"] == image.as_str() && !is_built(&room), "{room}");
    assert!(fixture.zip("hello") == zip, "the clean room made other bytes");

    // Debug information is separated by that architecture's program.
    fixture.append("Cargo.toml", "[profile.release]\ndebug = 1\n");
    toolchain.run(builder, &fixture, &[]).ok();
    assert!(fs::exists(fixture.path("target/lambda/hello/debug/.build-id")).unwrap());
    assert_eq!(toolchain.debian.run(&bootstrap), "aarch64 7\n");

    // An image to deploy has the libraries of that architecture, at the places where its dynamic linker looks.
    toolchain.run(builder, &fixture, &["image", "build", "--env", "preprod"]).ok();
    let files = builder.files_of("preprod-sse-streaming-lambda");
    for name in ["lib/ld-linux-aarch64.so.1", libc] {
        let Some(content) = files.get(name) else { panic!("no {name} in {:?}", files.keys()) };
        assert_eq!(content[18..20], [183, 0], "{name} is not for arm64");
    }

    // A hit asks no compiler, though this machine has none for that architecture.
    let calls = toolchain.folder.join("calls");
    fs::remove_file(&calls).unwrap();
    assert_eq!(toolchain.run(builder, &fixture, &[]).ok().verdict(), "cache-hit");
    assert!(!calls.exists(), "{}", fs::read_to_string(&calls).unwrap());
}

#[test]
fn the_packages_of_debian_compile_for_it() {
    if !is_full() {
        return;
    }
    let Some((toolchain, builder)) = Toolchain::made().zip(builder(Kind::BuildKit)) else { return };
    builder.import(&archive_of("apt", "tests/it/clean_room/cross/debian_base.sh"), AMAZON_LINUX);
    compiles_for_arm64(&toolchain, &builder, "lib/libc.so.6");
}

#[test]
fn clang_compiles_for_it_with_the_libraries_that_dnf_installs() {
    let Some(builder) = with_dnf() else { return };
    let Some(toolchain) = Toolchain::made() else { return };
    compiles_for_arm64(&toolchain, &builder, "lib64/libc.so.6");
}

#[test]
fn a_base_that_lacks_what_cannot_be_installed_says_what_to_do() {
    let Some(builder) = is_full().then(|| builder(Kind::Legacy)).flatten() else { return };
    let ready = format!("FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake");
    let around = Fixture::hello();
    // A distribution's Rust is not sent, and that of the base is for one architecture.
    let programs = another_rust(&around.around(), &Other::Packaged);
    let what_to_do = format!("set `base` to an image that has cargo, the target {TRIPLE} and aarch64-linux-gnu-gcc");
    let compilers = "ln -s gcc /usr/bin/aarch64-linux-gnu-gcc && ln -s true /usr/bin/aarch64-linux-gnu-g++";
    for (step, why) in [
        (compilers, "the cargo of the base has no standard library for aarch64-unknown-linux-gnu"),
        ("ln -s false /usr/bin/aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc cannot link for aarch64"),
        ("true", "the base has neither apt-get nor dnf"),
    ] {
        builder.build(AMAZON_LINUX, &format!("{ready} && {step}\n"));
        let story = package(&builder, &Fixture::hello(), &programs, &[]);
        let notes = story.notes().join("\n");
        assert!(notes.contains(why) && notes.contains(&what_to_do), "{story}");
    }
    // Nothing is tried where it cannot succeed.
    around.append("Cargo.toml", "[package.metadata.lambda-packager]\nrequire_container = true\n");
    let story = package(&builder, &around, &programs, &["--runtime", "provided.al2"]);
    assert!(story.failure().contains("there is no builder image for provided.al2 that compiles for arm64"), "{story}");
}
