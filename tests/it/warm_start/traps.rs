//! Local packages are never taken from an image, whatever their names and dates.

use std::process::Command;

use super::{KEPT, WARM, cold, image_after, is_cold, shell, with_itoa};
use crate::support::host::git;
use crate::support::{Ended, Engine, Fixture, one_engine};

#[test]
fn a_local_package_is_compiled_though_the_image_has_a_namesake() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let one = with_itoa("namesake");
    image_after(KEPT, &one.run_on(engine, &[]).ok());
    // The same downloads, and beside them a package of this folder with the name of one.
    let checkout = |says: &str| {
        let fixture = with_itoa("namesake");
        let manifest = String::from_utf8(fixture.read("Cargo.toml")).unwrap();
        fixture.write("Cargo.toml", &format!("{manifest}mine = {{ package = \"itoa\", path = \"itoa\" }}\n"));
        fixture.write("itoa/Cargo.toml", "[package]\nname = \"itoa\"\nversion = \"0.0.1\"\nedition = \"2021\"\n");
        fixture.write("itoa/src/lib.rs", &format!("pub const TEXT: &str = \"{says}\";\n"));
        let main = "fn main() {\n    println!(\"{} {}\", mine::TEXT, itoa::Buffer::new().format(7));\n}\n";
        fixture.write("src/main.rs", main);
        shell(&fixture, "touch -d 2001-01-01 itoa/src/lib.rs");
        fixture
    };
    for says in ["one", "two"] {
        let fixture = checkout(says);
        let ended = fixture.run_on(engine, &[]).ok();
        assert!(ended.stderr.contains(WARM), "{}", ended.stderr);
        assert_eq!(fixture.output_of_bootstrap("app"), format!("{says} 7"));
        assert!(fixture.zip("app") == cold(&checkout(says), engine));
    }
}

#[test]
fn a_copied_checkout_with_its_records_takes_nothing_of_its_own_from_the_image() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = with_itoa("copied");
    let manifest = String::from_utf8(fixture.read("Cargo.toml")).unwrap();
    fixture.write("Cargo.toml", &format!("{manifest}part = {{ path = \"part\" }}\n"));
    fixture.write("part/Cargo.toml", "[package]\nname = \"part\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    let part = |text: &str| format!("pub const TEXT: &str = \"{text}\";\n");
    fixture.write("part/src/lib.rs", &part("first"));
    fixture
        .write("src/main.rs", "fn main() {\n    println!(\"{} {}\", part::TEXT, itoa::Buffer::new().format(7));\n}\n");
    image_after(KEPT, &fixture.run_on(engine, &[]).ok());
    shell(&fixture, "cp -a . ../copy");
    // Put back with the date that it had, as a sync tool does.
    shell(&fixture, "touch -r ../copy/part/src/lib.rs ../date");
    fixture.write("../copy/part/src/lib.rs", &part("copied"));
    shell(&fixture, "touch -r ../date ../copy/part/src/lib.rs");
    let ended = Ended::of(fixture.command_on(engine).current_dir(fixture.path("../copy"))).ok();
    assert!(ended.stderr.contains(WARM), "{}", ended.stderr);
    let printed = Command::new(fixture.path("../copy/target/lambda/app/bootstrap")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&printed.stdout), "copied 7\n");
}

/// A library that cargo downloads, of these files, and the line that depends on it.
fn in_git(name: &str, files: &[(&str, &str)]) -> (Fixture, String) {
    let library = Fixture::empty(name);
    library.write("Cargo.toml", &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"));
    for (file, text) in files {
        library.write(file, text);
    }
    git(library.root(), &["init", "--quiet", "--initial-branch=main"]);
    git(library.root(), &["add", "."]);
    git(library.root(), &["commit", "--quiet", "--message=main"]);
    let dependency = format!("{name} = {{ git = \"file://{}\" }}\n", library.root().display());
    (library, dependency)
}

#[test]
fn a_dependency_whose_build_script_reads_the_workspace_is_not_kept() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let build = "fn main() {\n    println!(\"cargo::rerun-if-changed=/workspace/word\");\n    println!(\"cargo::rustc-env=WORD={}\", std::fs::read_to_string(\"/workspace/word\").unwrap());\n}\n";
    let (_library, dependency) =
        in_git("nosy", &[("src/lib.rs", "pub const TEXT: &str = env!(\"WORD\");\n"), ("build.rs", build)]);
    let checkout = |word: &str| {
        let fixture = super::depending_on("nosy", &dependency, "nosy::TEXT");
        fixture.write("word", word);
        fixture
    };
    let one = checkout("one");
    let first = one.run_on(engine, &[]).ok();
    assert!(!first.stderr.contains(KEPT), "{}", first.stderr);
    let two = checkout("two");
    shell(&two, "touch -d 2001-01-01 word");
    is_cold(&two.run_on(engine, &[]).ok());
    assert_eq!((one.output_of_bootstrap("app"), two.output_of_bootstrap("app")), ("one".into(), "two".into()));
}

#[test]
fn a_dependency_that_includes_a_file_of_the_workspace_is_not_kept_nor_stale() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let text = "pub const TEXT: &str = include_str!(env!(\"WORD_FILE\"));\n";
    let (_library, dependency) = in_git("curious", &[("src/lib.rs", text)]);
    let fixture = super::depending_on("curious", &dependency, "curious::TEXT");
    let config = String::from_utf8(fixture.read(".cargo/config.toml")).unwrap();
    // No input of the package itself: a package of its own.
    fixture.write("nested/Cargo.toml", "[package]\nname = \"nested\"\nversion = \"0.1.0\"\n");
    let word_file = "WORD_FILE = { value = \"nested/cargo/a word\", relative = true }\n";
    fixture.write(".cargo/config.toml", &format!("{config}{word_file}"));
    fixture.write("nested/cargo/a word", "one");
    let first = fixture.run_on(engine, &[]).ok();
    assert!(!first.stderr.contains(KEPT), "{}", first.stderr);
    fixture.write("nested/cargo/a word", "two");
    let second = fixture.run_on(engine, &[]).ok();
    assert_eq!(
        (second.verdict(), fixture.output_of_bootstrap("app")),
        ("cache-miss: changed nested/cargo/a word", "two".into())
    );
}

#[test]
fn what_every_compile_sees_is_part_of_the_name() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let one = with_itoa("surroundings");
    image_after(KEPT, &one.run_on(engine, &[]).ok());
    let two = with_itoa("surroundings");
    let config = String::from_utf8(two.read(".cargo/config.toml")).unwrap();
    two.write(".cargo/config.toml", &format!("{config}MORE = \"1\"\n"));
    is_cold(&two.run_on(engine, &[]).ok());
    let three = with_itoa("surroundings");
    assert!(three.run_on(engine, &[]).ok().stderr.contains(WARM));
    assert!(three.zip("app") == cold(&with_itoa("surroundings"), engine));
}
