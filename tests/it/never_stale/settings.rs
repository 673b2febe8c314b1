//! Traps for whoever believes that the same sources make the same binary: settings, manifests, compilers.

use std::fs;

use crate::never_stale::{built_hello, built_pair, host_or_docker, printing};
use crate::support::clean::Project;
use crate::support::{Fixture, program, which};

const MANIFEST: &str = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

#[test]
fn modes_and_profiles() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = Project::hello(engine);
    project.write("Cargo.toml", &format!("{MANIFEST}[profile.dist]\ninherits = \"release\"\npanic = \"abort\"\n"));
    project.misses("first build");
    project.arguments(&["--mode", "dev"]);
    project.misses("profile release -> dev");
    project.arguments(&[]);
    project.misses("profile dev -> release");
    project.arguments(&["--profile", "dist"]);
    project.misses("profile release -> dist");
    project.write("Cargo.toml", &format!("{MANIFEST}[profile.dist]\ninherits = \"release\"\nopt-level = 0\n"));
    project.misses("changed Cargo.toml");
    project.arguments(&[]);
    project.misses("profile dist -> release");
}

#[test]
fn features() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = Project::hello(engine);
    project.write("Cargo.toml", &format!("{MANIFEST}[features]\nloud = []\nvery = []\n"));
    project.write(
        "src/main.rs",
        "fn main() {\n    println!(\"{} {}\", cfg!(feature = \"loud\"), cfg!(feature = \"very\"));\n}\n",
    );
    project.misses("first build");
    project.arguments(&["--features", "loud"]);
    project.misses("features none -> loud");
    project.arguments(&["--features", "loud,very"]);
    project.misses("features loud -> loud,very");
    project.arguments(&[]);
    project.misses("features loud,very -> none");
}

#[test]
fn flags_of_cargo() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_hello(engine);
    project.variables(&[("LAMBDA_PACKAGER_CARGO_FLAGS", "--config profile.release.opt-level=0")]);
    project.misses("cargo flags none -> --config profile.release.opt-level=0");
    project.variables(&[]);
    project.misses("cargo flags --config profile.release.opt-level=0 -> none");
}

/// What a flag makes cargo build elsewhere, or not at all, is not what lies there from the last time.
#[test]
fn a_flag_that_sends_the_binary_elsewhere() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_hello(engine);
    for flags in ["--target-dir /tmp/elsewhere", "--help"] {
        project.write("src/main.rs", &printing(flags));
        project.variables(&[("LAMBDA_PACKAGER_CARGO_FLAGS", flags)]);
        project.run().fails(4, &["cargo ended without making hello"]);
        project.variables(&[]);
        project.misses("changed src/main.rs");
    }
}

#[test]
fn runtimes() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_hello(engine);
    project.arguments(&["--runtime", "provided.al2"]);
    // This machine's C library may be too new for it; what matters is that it is looked at again.
    let (code, verdict) = project.explain();
    assert_eq!((code, verdict.as_str()), (1, "cache-miss: runtime provided.al2023 -> provided.al2"));
    project.run();
    project.arguments(&[]);
    project.write("src/main.rs", &printing("two"));
    project.misses_somehow();
}

#[test]
fn flags_for_the_target() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = Project::hello(engine);
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", cfg!(loud));\n}\n");
    project.misses("first build");
    let name = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUSTFLAGS", std::env::consts::ARCH.to_uppercase());
    project.variables(&[(&name, "--cfg loud")]);
    project.misses(&format!("{name} none -> --cfg loud"));
    project.variables(&[]);
    project.misses(&format!("{name} --cfg loud -> none"));
}

#[test]
fn configuration_of_cargo() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.write(
        "part/src/lib.rs",
        "pub fn text() -> &'static str {\n    if cfg!(loud) { \"loud\" } else { \"low\" }\n}\n",
    );
    project.misses("first build");
    project.write(".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"loud\"]\n");
    project.misses("added .cargo/config.toml");
    project.write_keeping_mtime(".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"deaf\"]\n");
    project.misses("changed .cargo/config.toml");
    project.remove(".cargo/config.toml");
    project.misses("removed .cargo/config.toml");
    // Above the workspace cargo looks too.
    project.write("../.cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"loud\"]\n");
    project.misses("added ../.cargo/config.toml");
}

#[test]
fn configuration_of_cargo_in_its_home() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = Project::pair(engine);
    project.write(
        "part/src/lib.rs",
        "pub fn text() -> &'static str {\n    if cfg!(loud) { \"loud\" } else { \"low\" }\n}\n",
    );
    project.write("../home/config.toml", "[build]\nrustflags = [\"--cfg\", \"deaf\"]\n");
    let home = project.path("../home").canonicalize().expect("it is there");
    project.variables(&[("CARGO_HOME", home.to_str().expect("UTF-8"))]);
    project.misses("first build");
    project.write_keeping_mtime("../home/config.toml", "[build]\nrustflags = [\"--cfg\", \"loud\"]\n");
    project.misses(&format!("changed {}/config.toml", home.display()));
    project.remove("../home/config.toml");
    project.misses(&format!("removed {}/config.toml", home.display()));
}

/// Where a registry is decides what comes from it; a lockfile names registries, not places.
#[test]
fn indexes_of_registries_in_variables() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_pair(engine);
    project.variables(&[("CARGO_REGISTRIES_MINE_INDEX", "sparse+https://one.invalid/")]);
    assert!(project.misses_somehow().starts_with("cache-miss: CARGO_REGISTRIES_MINE_INDEX none -> "));
    project.variables(&[("CARGO_REGISTRIES_MINE_INDEX", "sparse+https://two.invalid/")]);
    assert!(project.misses_somehow().starts_with("cache-miss: CARGO_REGISTRIES_MINE_INDEX "));
    project.variables(&[]);
    assert!(project.misses_somehow().ends_with(" -> none"));
}

/// `[env]` reaches build scripts that do not say that they depend on it.
#[test]
fn variables_that_cargos_configuration_sets() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::new(engine, "app", Fixture::empty("configured"));
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n");
    project.package("app", "[dependencies]\nfixed = \"1\"\n");
    project.write("app/src/main.rs", "fn main() {\n    println!(\"{}\", fixed::TEXT);\n}\n");
    let sources = "[source.crates-io]\nreplace-with = \"vendor\"\n[source.vendor]\ndirectory = \"vendor\"\n";
    project.write(".cargo/config.toml", &format!("{sources}[env]\nGREETING = \"one\"\n"));
    project.write("vendor/fixed/Cargo.toml", "[package]\nname = \"fixed\"\nversion = \"1.0.0\"\nedition = \"2021\"\n");
    project.write("vendor/fixed/.cargo-checksum.json", "{\"files\":{}}");
    project.write("vendor/fixed/src/lib.rs", "pub const TEXT: &str = env!(\"READ\");\n");
    project.write(
        "vendor/fixed/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            println!(\"cargo:rustc-env=READ={}\", std::env::var(\"GREETING\").unwrap());
        }\n",
    );
    project.misses("first build");
    project.write(".cargo/config.toml", &format!("{sources}[env]\nGREETING = \"two\"\n"));
    project.misses("changed .cargo/config.toml");
}

/// A file that cargo's configuration includes is configuration.
#[test]
fn configuration_that_is_included() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.write(
        "part/src/lib.rs",
        "pub fn text() -> &'static str {\n    if cfg!(loud) { \"loud\" } else { \"low\" }\n}\n",
    );
    project.write(".cargo/config.toml", "include = [\"more.toml\"]\n");
    project.write(".cargo/more.toml", "[build]\nrustflags = [\"--cfg\", \"loud\"]\n");
    project.misses("first build");
    project.write_keeping_mtime(".cargo/more.toml", "[build]\nrustflags = [\"--cfg\", \"deaf\"]\n");
    project.misses("changed .cargo/more.toml");
}

#[test]
fn a_toolchain_file() {
    let Some(engine) = host_or_docker() else { return };
    let output = std::process::Command::new("rustup").args(["show", "active-toolchain"]).output();
    let Ok(output) = output else {
        return crate::support::skip("rustup", "there is no rustup to choose a toolchain");
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let channel = text.split_whitespace().next().expect("a toolchain is active");
    let project = built_pair(engine);
    project.write("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{channel}\"\n"));
    project.misses("added rust-toolchain.toml");
    project.remove("rust-toolchain.toml");
    project.misses("removed rust-toolchain.toml");
}

#[test]
fn manifests_and_the_lockfile() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.write(
        "app/src/main.rs",
        "fn main() {\n    println!(\"{} {}\", env!(\"CARGO_PKG_VERSION\"), part::text());\n}\n",
    );
    project.misses("first build");
    let manifest = String::from_utf8(project.fixture.read("app/Cargo.toml")).expect("UTF-8");
    project.write_keeping_mtime("app/Cargo.toml", &manifest.replace("0.1.0", "0.2.0"));
    // Cargo writes the new version into the lockfile before anything is judged.
    project.misses("changed Cargo.lock (+1 more)");
    project.write_keeping_mtime(
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\", \"part\"]\nresolver = \"2\"\n[profile.release]\nopt-level = 1\n",
    );
    project.misses("changed Cargo.toml");
    let lock = String::from_utf8(project.fixture.read("Cargo.lock")).expect("UTF-8");
    // Cargo makes it what it was, before anything is judged.
    project.write_keeping_mtime("Cargo.lock", &format!("{lock}# a comment\n"));
    project.hits();
    project.remove("Cargo.lock");
    project.hits();
}

#[test]
fn included_files() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::hello(engine);
    project.write(
        "Cargo.toml",
        &format!("{MANIFEST}[package.metadata.lambda-packager]\ninclude = [\"one.txt\", \"many\"]\n"),
    );
    project.write("one.txt", "1");
    project.write("many/a", "2");
    project.misses("first build");
    project.write_keeping_mtime("one.txt", "3");
    project.misses("changed one.txt");
    project.write_old("many/deep/b", "4");
    project.misses("added many/deep/b");
    project.allow_execution("many/a", true);
    project.misses("permissions of many/a");
    project.remove("many/a");
    project.misses("removed many/a");
    project.init_git();
    project.write(".gitignore", "target\none.txt\nmany\n");
    project.misses("added .gitignore");
    project.write_keeping_mtime("one.txt", "5");
    project.misses("changed one.txt");
    project.write_keeping_mtime("many/deep/b", "6");
    project.misses("changed many/deep/b");
    project.write("many/deep/c", "7");
    project.misses("added many/deep/c");
}

/// What the zip tells of a linked file is whether that file may be executed.
#[test]
fn an_included_link_to_a_file_that_becomes_a_program() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.package(
        "app",
        "[dependencies]\npart = { path = \"../part\" }\n[package.metadata.lambda-packager]\ninclude = [\"tool\"]\n",
    );
    project.write("tools/tool", "#!/bin/sh\n");
    project.link("../tools/tool", "app/tool");
    project.misses("first build");
    project.allow_execution("tools/tool", true);
    project.misses("changed app/tool");
}

#[test]
fn the_output() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_hello(engine);
    project.arguments(&["--output", "lambda-deployment.zip"]);
    project.misses("zip missing (lambda-deployment.zip)");
    assert_eq!(fs::read(project.path("lambda-deployment.zip")).expect("it is there"), project.made().zip);
    project.write("lambda-deployment.zip", "something else");
    project.misses("zip modified (lambda-deployment.zip)");
    assert_eq!(fs::read(project.path("lambda-deployment.zip")).expect("it is there"), project.made().zip);
}

#[test]
fn a_zip_that_was_damaged() {
    let Some(engine) = host_or_docker() else { return };
    let project = built_hello(engine);
    let path = "target/lambda/hello/lambda-deployment.zip";
    let zip = project.fixture.read(path);
    let damages: [&dyn Fn() -> Vec<u8>; 3] = [&|| zip[..zip.len() / 2].to_vec(), &|| b"not a zip".to_vec(), &|| {
        let mut flipped = zip.clone();
        flipped[100] ^= 1;
        flipped
    }];
    for damage in damages {
        let mtime = project.mtime(path);
        fs::write(project.path(path), damage()).expect("it is ours");
        project.date(path, mtime);
        project.misses("zip modified (target/lambda/hello/lambda-deployment.zip)");
    }
    project.remove(path);
    project.misses("zip missing (target/lambda/hello/lambda-deployment.zip)");
}

#[test]
fn force() {
    let Some(engine) = host_or_docker() else { return };
    let mut project = built_hello(engine);
    project.arguments(&["--force"]);
    assert_eq!(project.misses_somehow(), "cache-miss: forced");
    project.arguments(&[]);
    project.hits();
}

/// Another C compiler first on PATH: it links, so it is part of what is made.
#[test]
fn another_c_compiler() {
    let mut project = built_hello("host");
    let tools = Fixture::empty("tools");
    let path = std::env::var("PATH").expect("a PATH");
    let cc = which("cc", path.as_ref()).expect("a C compiler").display().to_string();
    let write =
        |comment: &str| program(&tools.path("cc"), format!("#!/bin/sh\n# {comment}\nexec {cc} \"$@\"\n").as_bytes());
    write("One.");
    let with_tools = format!("{}:{path}", tools.root().display());
    project.variables(&[("PATH", &with_tools)]);
    let verdict = project.misses_somehow();
    assert!(verdict.starts_with("cache-miss: C toolchain "), "{verdict}");
    project.hits();
    write("Two.");
    let verdict = project.misses_somehow();
    assert!(verdict.starts_with("cache-miss: C toolchain "), "{verdict}");
    project.variables(&[]);
    let verdict = project.misses_somehow();
    assert!(verdict.starts_with("cache-miss: C toolchain "), "{verdict}");
}
