//! What the Lambda runtime could not start is an error of the build, and the last good zip stays.

use std::fs;
use std::process::Command;

use crate::support::{Ended, Fixture};

#[test]
fn a_library_that_the_runtime_lacks_is_named_with_who_brings_it() {
    let fixture = Fixture::hello_packaged("host");
    let before = fixture.made("hello");
    let manifest = fixture.text("Cargo.toml");
    // A crate that makes the library itself, as the builder has no other than the runtimes do.
    fixture.package("tiny-sys", "tiny-sys", "links = \"tiny\"\n");
    fixture.write("tiny-sys/tiny.c", "int tiny(void) { return 7; }\n");
    let build = r#"
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let library = format!("{out}/libtiny.so");
    let status = std::process::Command::new("cc").args(["-shared", "-fPIC", "tiny.c", "-o", &library]).status();
    assert!(status.unwrap().success());
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=dylib=tiny");
}
"#;
    fixture.write("tiny-sys/build.rs", build);
    let library = "extern \"C\" {\n    fn tiny() -> i32;\n}\npub fn number() -> i32 {\n    unsafe { tiny() }\n}\n";
    fixture.write("tiny-sys/src/lib.rs", library);
    fixture.append("Cargo.toml", "[dependencies]\ntiny-sys = { path = \"tiny-sys\" }\n");
    fixture.prints("\"{}\", tiny_sys::number()");

    let ended = fixture.run(&["--engine", "host"]);
    let message = "needs the shared library libtiny.so, which provided.al2023 is not known to have (linked by the crate tiny-sys)";
    ended.fails(5, &[message, "help: link it statically", "include = [\"lib/libtiny.so\"]"]);
    assert!(fixture.made("hello") == before, "what was packaged was touched");

    // As the hint says.
    fs::create_dir(fixture.path("lib")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "tiny-sys/tiny.c", "-o", "lib/libtiny.so"]).current_dir(fixture.root());
    Ended::of(&mut cc).ok();
    Ended::of(fixture.command_for("host").env("LAMBDA_PACKAGER_INCLUDE", "lib/libtiny.so")).ok();

    // And the way back: what was there before compiles to the same bytes.
    fs::remove_dir_all(fixture.path("lib")).unwrap();
    fs::remove_dir_all(fixture.path("tiny-sys")).unwrap();
    fixture.write("Cargo.toml", &manifest);
    fixture.says("hello");
    fixture.run(&["--engine", "host"]).ok();
    assert!(fixture.zip("hello") == before.0);
}

#[test]
fn a_library_that_is_loaded_later_is_told_with_what_it_lacks() {
    let fixture = Fixture::hello();
    fixture.write("lib/tiny.c", "int tiny(void) { return 7; }\n");
    for args in [
        &["lib/tiny.c", "-Wl,-soname,libtiny.so", "-o", "lib/libtiny.so"][..],
        &["-o", "lib/plugin.so", "-Wl,--no-as-needed", "lib/libtiny.so"],
    ] {
        Ended::of(Command::new("cc").args(["-shared", "-fPIC"]).args(args).current_dir(fixture.root())).ok();
    }
    let with =
        |include: &str| Ended::of(fixture.command_for("host").env("LAMBDA_PACKAGER_INCLUDE", include)).ok().stderr;
    let told = with("lib/plugin.so,!lib/*.{c,h}");
    let lacks = "note: lib/plugin.so needs the shared library libtiny.so, which provided.al2023 is not known to have";
    let idle = "note: variable LAMBDA_PACKAGER_INCLUDE: \"!lib/*.{c,h}\" takes nothing out";
    assert!(told.contains(lacks) && told.contains(idle), "{told}");
    let told = with("lib,!lib/*.{c,h}");
    assert!(!told.contains("note: lib/") && !told.contains("takes nothing out"), "{told}");
}

#[test]
fn a_glibc_that_is_too_old_is_told_with_the_symbols() {
    let fixture = Fixture::hello_packaged("host");
    let before = fixture.made("hello");
    fixture.says("for the old one");
    let ended = fixture.run(&["--engine", "host", "--runtime", "provided.al2"]);
    let text = ["the bootstrap needs glibc 2.", "provided.al2 has 2.26: ", "help: compile in a base with glibc 2.26"];
    let ended = ended.fails(5, &text);
    // Which ones depends on this machine's glibc; each is a symbol and a version that is too new.
    let line = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    for symbol in line.rsplit(": ").next().unwrap().split(", ") {
        let (name, version) = symbol.split_once(" (GLIBC_2.").unwrap_or_else(|| panic!("{line}"));
        let minor: u32 = version.trim_end_matches(')').split('.').next().unwrap().parse().unwrap();
        assert!(!name.is_empty() && minor > 26, "{line}");
    }
    assert!(fixture.made("hello") == before, "what was packaged was touched");
    fixture.says("hello");
    assert_eq!(fixture.run(&["--engine", "host"]).ok().verdict(), "cache-hit");
}
