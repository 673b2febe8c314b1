//! Local packages are never taken from an image, whatever their names and dates.

use std::process::Command;

use super::{WARM, add_library, cold, commit, depending_on, is_cold, keeps_nothing, kept, shell, with_itoa};
use crate::support::{Ended, Engine, Fixture, one_engine, podman_with_all_cases};

#[test]
fn a_local_package_is_compiled_though_the_image_has_a_namesake() {
    let Some(engine) = podman_with_all_cases() else { return };
    let one = with_itoa("namesake");
    kept(&one, engine);
    // The same downloads, and beside them a package of this folder with the name of one.
    let checkout = |says: &str| {
        let dependencies = "itoa = \"1\"\nmine = { package = \"itoa\", path = \"itoa\" }\n";
        let expression = "format!(\"{} {}\", mine::TEXT, itoa::Buffer::new().format(7))";
        let fixture = depending_on("namesake", dependencies, expression);
        add_library(&fixture, "itoa", &format!("pub const TEXT: &str = \"{says}\";\n"));
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
    let expression = "format!(\"{} {}\", part::TEXT, itoa::Buffer::new().format(7))";
    let fixture = depending_on("copied", "itoa = \"1\"\npart = { path = \"part\" }\n", expression);
    let part = |text: &str| format!("pub const TEXT: &str = \"{text}\";\n");
    add_library(&fixture, "part", &part("first"));
    kept(&fixture, engine);
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
    library.package("", name, "");
    for (file, text) in files {
        library.write(file, text);
    }
    commit(&library);
    let dependency = format!("{name} = {{ git = \"file://{}\" }}\n", library.root().display());
    (library, dependency)
}

#[test]
fn a_dependency_whose_build_script_reads_the_workspace_is_not_kept() {
    let Some(engine) = podman_with_all_cases() else { return };
    let build = "fn main() {\n    println!(\"cargo::rerun-if-changed=/workspace/word\");\n    println!(\"cargo::rustc-env=WORD={}\", std::fs::read_to_string(\"/workspace/word\").unwrap());\n}\n";
    let (_library, dependency) =
        in_git("nosy", &[("src/lib.rs", "pub const TEXT: &str = env!(\"WORD\");\n"), ("build.rs", build)]);
    let checkout = |word: &str| {
        let fixture = depending_on("nosy", &dependency, "nosy::TEXT");
        fixture.write("word", word);
        fixture
    };
    let one = checkout("one");
    keeps_nothing(&one.run_on(engine, &[]).ok());
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
    let fixture = depending_on("curious", &dependency, "curious::TEXT");
    // No input of the package itself: a package of its own.
    fixture.write("nested/Cargo.toml", "[package]\nname = \"nested\"\nversion = \"0.1.0\"\n");
    let word_file = "WORD_FILE = { value = \"nested/cargo/a word\", relative = true }\n";
    fixture.append(".cargo/config.toml", word_file);
    fixture.write("nested/cargo/a word", "one");
    keeps_nothing(&fixture.run_on(engine, &[]).ok());
    fixture.write("nested/cargo/a word", "two");
    let second = fixture.run_on(engine, &[]).ok();
    assert_eq!(second.verdict(), "cache-miss: changed nested/cargo/a word");
    assert_eq!(fixture.output_of_bootstrap("app"), "two");
}

/// A macro that rewrites what another crate was compiled to. It writes in place: rustc has these files in memory.
const TAMPERS: &str = r#"use std::{fs, io::Write, path::Path};

fn rewrite(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rewrite(&path);
        } else if entry.file_name().to_string_lossy().starts_with("libvictim-") {
            let mut bytes = fs::read(&path).unwrap();
            for at in 0..bytes.len() {
                if bytes[at..].starts_with(b"innocent") {
                    bytes[at..at + 8].copy_from_slice(b"tampered");
                }
            }
            fs::File::options().write(true).open(&path).unwrap().write_all(&bytes).unwrap();
        }
    }
}

#[proc_macro]
pub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    rewrite(Path::new("/target"));
    proc_macro::TokenStream::new()
}
"#;

#[test]
fn what_a_crate_that_is_gone_did_to_others_reaches_no_other_checkout() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let text = "#[inline(never)]\npub fn text() -> &'static str {\n    \"innocent\"\n}\n";
    let (_victim, victim) = in_git("victim", &[("src/lib.rs", text)]);
    let manifest = "[package]\nname = \"tamper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n";
    let (_tamper, tamper) = in_git("tamper", &[("src/lib.rs", TAMPERS), ("Cargo.toml", manifest)]);
    let honest = || depending_on("tampered", &victim, "victim::text()");
    let fixture = honest();
    let (dependencies, main) = (fixture.text("Cargo.toml"), fixture.text("src/main.rs"));
    fixture.append("Cargo.toml", &tamper);
    fixture.append("src/main.rs", "tamper::nothing!();\n");
    fixture.run_on(engine, &[]).ok();
    fixture.write("Cargo.toml", &dependencies);
    fixture.write("src/main.rs", &main);
    keeps_nothing(&fixture.run_on(engine, &[]).ok());
    // The trap was set: cargo reuses what is in this checkout's own target directory.
    assert_eq!(fixture.output_of_bootstrap("app"), "tampered");
    let other = honest();
    is_cold(&other.run_on(engine, &[]).ok());
    assert_eq!(other.output_of_bootstrap("app"), "innocent");
}
