//! A function for the other architecture, compiled for real and run under an emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::never_stale::elsewhere::{asks_for_the_newer_target_directory, what_cargo_keeps_is_never_stale};
use crate::support::clean::Project;
use crate::support::debian::{archive_of, has_packages, unpack};
use crate::support::{Ended, Engine, Fixture, LABEL, TempDir, is_full, on_path, packager, repository, skip};

pub const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// A Debian that compiles for arm64, unpacked.
pub struct Debian {
    folder: TempDir,
    archive: PathBuf,
}

impl Debian {
    /// None where it cannot be made.
    pub fn unpacked() -> Option<Self> {
        if std::env::consts::ARCH != "x86_64" || !has_packages() {
            return None;
        }
        if !on_path("qemu-aarch64-static") {
            skip("qemu", "what is compiled is run by an emulator (Debian: apt-get install qemu-user-static)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("lambda-packager-test-arm64-").tempdir().expect("a folder");
        let archive = archive_of("arm64", "tests/it/arm64/base.sh");
        unpack(&archive, folder.path());
        Some(Self { folder, archive })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What an arm64 program prints.
    pub fn run(&self, program: &Path) -> String {
        let mut command = Command::new("qemu-aarch64-static");
        Ended::of(command.arg("-L").arg(self.folder()).arg(program)).ok().stdout
    }
}

/// Images with a compiler for arm64, and without parts of it; gone with the test.
struct Bases {
    debian: Debian,
    names: Vec<String>,
}

fn label() -> String {
    format!("{LABEL}={}-arm64", std::process::id())
}

impl Bases {
    /// Makes the complete one; none where that is not possible.
    fn make() -> Option<Self> {
        if !Engine::Docker.is_here() {
            return None;
        }
        let debian = Debian::unpacked()?;
        let name = format!("lambda-packager-test-arm64:{}", std::process::id());
        let (label, archive) = (format!("LABEL {}", label()), debian.archive.display().to_string());
        Engine::Docker.ask(&["import", "--change", &label, &archive, &name]);
        Some(Self { debian, names: vec![name] })
    }

    /// The complete one without a file or folder.
    fn without(&mut self, path: &str) -> String {
        let name = format!("{}-{}", self.names[0], self.names.len());
        let (label, away) = (label(), format!("{path}.away"));
        let create = ["create", "--label", &label, "--network", "none", &self.names[0], "mv", path, &away];
        let id = Engine::Docker.ask(&create);
        Engine::Docker.ask(&["start", "--attach", &id]);
        Engine::Docker.ask(&["commit", &id, &name]);
        Engine::Docker.ask(&["rm", &id]);
        self.names.push(name.clone());
        name
    }

    /// Packages a copy of a project with the complete one as if that were the machine.
    fn on_host(&self, fixture: &Fixture) -> Ended {
        let folder = self.debian.folder();
        for (from, to) in [(packager(), "lambda-packager"), (fixture.root(), "hello")] {
            let _ = fs::remove_dir_all(folder.join(to));
            Ended::of(Command::new("cp").arg("-r").arg(from).arg(folder.join(to))).ok();
        }
        let mut command = Command::new("chroot");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root").arg(folder);
        let script = "cd /hello && rm -rf target && exec /lambda-packager --engine host --target arm64";
        Ended::of(command.args(["sh", "-c", script]))
    }
}

impl Drop for Bases {
    fn drop(&mut self) {
        let names = self.names.iter().rev();
        let _ = Command::new("docker").args(["rmi", "--force"]).args(names).output();
    }
}

/// A function with C code.
pub fn with_c() -> Fixture {
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", "[build-dependencies]\ncc = \"1\"\n");
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).unwrap();
    fixture.write("src/seven.c", "int seven(void) { return 7; }\n");
    fixture.builds_with(
        "fn main() {\n    cc::Build::new().file(\"src/seven.c\").compile(\"seven\");\n}\n",
        "extern \"C\" {\n    fn seven() -> i32;\n}\nfn main() {\n    println!(\"{} {}\", std::env::consts::ARCH, unsafe { seven() });\n}\n",
    );
    fixture
}

fn package(fixture: &Fixture, base: &str, args: &[&str]) -> Ended {
    let mut command = fixture.command_on(Engine::Docker);
    Ended::of(command.args(["--base", base, "--target", "arm64"]).args(args))
}

#[test]
fn it_is_compiled_for_real_and_what_is_missing_is_named() {
    let Some(mut bases) = Bases::make() else { return };
    let base = bases.names[0].clone();

    let fixture = with_c();
    package(&fixture, &base, &[]).ok();
    let bootstrap = fixture.path("target/lambda/hello/bootstrap");
    // The machine of an ELF header: 183 is AArch64.
    assert_eq!(fs::read(&bootstrap).unwrap()[18..20], [183, 0]);
    assert_eq!(bases.debian.run(&bootstrap), "aarch64 7\n");
    assert_eq!(package(&fixture, &base, &[]).ok().verdict(), "cache-hit");
    // Another checkout starts from its dependencies, and gives the same bytes.
    let other = with_c();
    let ended = package(&other, &base, &[]).ok();
    assert!(ended.stderr.contains("warm start from"), "{}", ended.stderr);
    assert!(other.zip("hello") == fixture.zip("hello"));

    if is_full() {
        is_never_stale_by_its_cargo(&base);
    }

    // Too new for the older runtime: the symbols are named, and the two ways out.
    let symbols = ["the bootstrap needs glibc 2.", "provided.al2 has 2.26: ", "(GLIBC_2."];
    let ways_out = ["glibc 2.26 or older", "or deploy to `provided.al2023`"];
    package(&fixture, &base, &["--runtime", "provided.al2"]).fails(5, &symbols).fails(5, &ways_out);

    // The same without a container, on a machine that has what the image has.
    let plain = Fixture::hello();
    bases.on_host(&plain).ok();
    assert_eq!(bases.debian.run(&bases.debian.folder().join("hello/target/lambda/hello/bootstrap")), "hello\n");

    // A linker that the workspace names stands.
    plain.write(".cargo/config.toml", &format!("[target.{TRIPLE}]\nlinker = \"linker-of-mine\"\n"));
    let text = "has no linker linker-of-mine for the target aarch64-unknown-linux-gnu";
    package(&plain, &base, &[]).fails(4, &[text]);
    bases.on_host(&plain).fails(4, &[text]);
    fs::remove_dir_all(plain.path(".cargo")).unwrap();

    let no_compiler = bases.without("/usr/bin/aarch64-linux-gnu-gcc");
    let help = "help: install it in the base image (Debian: `gcc`, for arm64 `gcc-aarch64-linux-gnu`), or set `target_arch` or `base`";
    let text =
        "the builder has no linker aarch64-linux-gnu-gcc for the target aarch64-unknown-linux-gnu, which hello needs";
    package(&plain, &no_compiler, &[]).fails(4, &[text, help]);
    let text = "the builder has no C compiler aarch64-linux-gnu-gcc for the target aarch64-unknown-linux-gnu, which hello v0.1.0 needs";
    package(&with_c(), &no_compiler, &[]).fails(4, &[text, help]);
    let no_library = bases.without("/usr/lib/rustlib/aarch64-unknown-linux-gnu");
    let text = "the builder has no standard library for the target aarch64-unknown-linux-gnu, which hello needs";
    package(&plain, &no_library, &[]).fails(4, &[text, "help: add it to the base image with `rustup target add"]);
}

/// Debian's newest cargo, with the target directory of newer cargos: its own since 1.100, before on demand.
fn is_never_stale_by_its_cargo(base: &str) {
    let label = label();
    let version =
        Engine::Docker.ask(&["run", "--rm", "--network", "none", "--label", &label, base, "cargo", "--version"]);
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let mut project = Project::pair("docker");
    project.arguments(&["--base", base, "--target", "arm64"]);
    if minor.unwrap_or_else(|| panic!("{version}")) < 100 {
        asks_for_the_newer_target_directory(&mut project);
    }
    what_cargo_keeps_is_never_stale(&project);
}

#[test]
fn a_toolchain_of_this_machine_without_the_target_is_named() {
    let sysroot = Ended::answer(Command::new("rustc").args(["--print", "sysroot"]));
    let is_x86 = std::env::consts::ARCH == "x86_64";
    let (triple, arch) = if is_x86 { (TRIPLE, "arm64") } else { ("x86_64-unknown-linux-gnu", "x86_64") };
    if fs::exists(format!("{sysroot}/lib/rustlib/{triple}/lib")).unwrap() {
        return skip("one-target", "this machine's toolchain has both targets: nothing is missing");
    }
    let fixture = Fixture::hello();
    for engine in ["auto", "host"] {
        let text = format!("has no standard library for the target {triple}");
        let ended = fixture.run(&["--engine", engine, "--target", arch]);
        ended.fails(4, &[&text, "`rustup target add", "set `target_arch`"]);
    }
}
