//! Debug information that the user's profile asks for: beside the zip, by build id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clean_room::builder::{Kind, builders};
use crate::support::{Ended, Engine, Fixture, Front, Story, engines};

const FOLDER: &str = "target/lambda/hello/debug";

/// A function with this profile.
fn with(profile: &str) -> Fixture {
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", profile);
    fixture
}

/// Every file below the folder of debug information, by name.
fn kept(fixture: &Fixture) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    let root = fixture.path(FOLDER);
    let mut found = Vec::new();
    walk(&root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

fn names(fixture: &Fixture) -> BTreeSet<String> {
    kept(fixture).into_keys().collect()
}

/// Where gdb looks for the package of split debug information.
fn dwp_beside(name: &str) -> String {
    Path::new(name).with_file_name("bootstrap.dwp").display().to_string()
}

fn readelf(args: &[&str], file: &Path) -> String {
    Ended::of(Command::new("readelf").args(args).arg(file)).ok().stdout
}

/// The name of the file by the build id of the bootstrap.
fn name_by_id(fixture: &Fixture) -> String {
    let notes = readelf(&["-n"], &fixture.path("target/lambda/hello/bootstrap"));
    let (_, id) = notes.split_once("Build ID: ").unwrap_or_else(|| panic!("no build id: {notes}"));
    let id = id.split_whitespace().next().unwrap();
    assert!(id.len() == 40 && id.bytes().any(|digit| digit != b'0'), "{id}");
    format!(".build-id/{}/{}.debug", &id[..2], &id[2..])
}

#[test]
fn it_is_kept_by_build_id_and_the_zip_is_stripped_and_the_same_in_a_container_and_on_the_host() {
    for engine in engines(Engine::Docker) {
        let fixture = with("[profile.release]\ndebug = 1\nsplit-debuginfo = \"packed\"\n");
        let package = |name: &str| Story::of(fixture.command_for(name).args(["--base", "host"])).ok();
        package(engine.name());
        let name = name_by_id(&fixture);
        let dwp = dwp_beside(&name);
        assert_eq!(names(&fixture), BTreeSet::from([name.clone(), dwp.clone()]));
        let sections = |file: &str| readelf(&["-SW"], &fixture.path(file));
        let bootstrap = sections("target/lambda/hello/bootstrap");
        assert!(!bootstrap.contains(".debug_line") && !bootstrap.contains(".symtab"), "{bootstrap}");
        assert!(sections(&format!("{FOLDER}/{name}")).contains(".debug_line"));
        assert!(sections(&format!("{FOLDER}/{dwp}")).contains(".debug_cu_index"));
        let id = readelf(&["-n"], &fixture.path(&format!("{FOLDER}/{name}")));
        assert!(id.contains(&name[name.len() - 44..name.len() - 6]), "{id}");
        assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
        let zip = fixture.zip("hello");

        // What is gone is made again, the same.
        assert_eq!(package(engine.name()).verdict(), "cache-hit");
        let before = kept(&fixture);
        fs::remove_file(fixture.path(&format!("{FOLDER}/{dwp}"))).unwrap();
        let story = package(engine.name());
        let expected = format!("cache-miss: debug information missing or modified ({FOLDER}/{dwp})");
        assert_eq!(story.verdict(), expected);
        assert!(kept(&fixture) == before && fixture.zip("hello") == zip);

        // On the host the paths in the debug information are other ones, and the code is the same.
        Ended::of(fixture.command_for("host").arg("--force")).ok();
        assert_eq!(name_by_id(&fixture), name);
        assert!(fixture.zip("hello") == zip);

        // That of another binary is removed.
        fixture.says("something else");
        package(engine.name());
        let other = name_by_id(&fixture);
        assert_ne!(other, name);
        assert_eq!(names(&fixture), BTreeSet::from([dwp_beside(&other), other]));
    }
}

#[test]
fn it_is_the_users_wish_in_all_its_forms_and_nobody_elses() {
    for (profile, files, symbols) in [
        ("", 0, false),
        ("[profile.release]\ndebug = 0\n", 0, false),
        ("[profile.release]\ndebug = 1\nstrip = true\n", 0, false),
        ("[profile.release]\ndebug = 1\nstrip = \"none\"\n", 0, true),
        ("[profile.release]\ndebug = \"line-tables-only\"\n", 1, false),
        // In pieces it could not be kept.
        ("[profile.release]\ndebug = 1\nsplit-debuginfo = \"unpacked\"\n", 2, false),
    ] {
        let fixture = with(profile);
        Ended::of(&mut fixture.command_for("host")).ok();
        assert_eq!(kept(&fixture).len(), files, "{profile}");
        let sections = readelf(&["-SW"], &fixture.path("target/lambda/hello/bootstrap"));
        assert_eq!(sections.contains(".symtab"), symbols, "{profile}");
        if !fixture.text("Cargo.toml").contains("[profile") {
            // By configuration: that of the workspace takes precedence over one above.
            for (file, debug, files) in [("../.cargo/config.toml", 1, 1), (".cargo/config.toml", 0, 0)] {
                fixture.write(file, &format!("[profile.release]\ndebug = {debug}\n"));
                Ended::of(&mut fixture.command_for("host")).ok();
                assert_eq!(kept(&fixture).len(), files, "{file}");
            }
        }
        if files > 0 {
            // Not asked for any more.
            let text = fixture.text("Cargo.toml").replace("[profile.release]\n", "[profile.release]\nstrip = true\n");
            fixture.write("Cargo.toml", &text);
            Ended::of(&mut fixture.command_for("host")).ok();
            assert!(!fixture.path(FOLDER).exists());
        }
    }
    // Where an edit is to be fast, it is not kept, whatever the profile says.
    let fixture = with("[profile.dev]\ndebug = 1\n");
    Ended::of(fixture.command_for("host").args(["--mode", "dev"])).ok();
    assert!(!fixture.path(FOLDER).exists());
}

#[test]
fn it_is_also_the_wish_of_flags_and_of_variables_that_are_passed_on() {
    let settings = "[package.metadata.lambda-packager]\npass_env = [\"CARGO_PROFILE_RELEASE_DEBUG\"]\n";
    let flags = "cargo_flags = [\"--config\", \"profile.release.debug=1\", \"--config=profile.release.split-debuginfo='unpacked'\"]\n";
    for (settings, variable, files) in [(settings, "0", 0), (settings, "1", 1), (&format!("{settings}{flags}"), "0", 2)]
    {
        let fixture = with(settings);
        Ended::of(fixture.command_for("host").env("CARGO_PROFILE_RELEASE_DEBUG", variable)).ok();
        assert_eq!(kept(&fixture).len(), files, "{variable} {settings}");
        for (name, file) in kept(&fixture) {
            assert!(file.windows(13).any(|part| part == b".debug_abbrev"), "{name}");
        }
        let sections = readelf(&["-SW"], &fixture.path("target/lambda/hello/bootstrap"));
        assert!(!sections.contains(".symtab") && !sections.contains(".debug_line"), "{sections}");
    }
}

#[test]
fn a_linker_is_asked_once_what_it_knows_unless_what_may_change_that_does() {
    let front = Front::of("cc", "echo \"$@\" >>\"$(dirname \"$0\")/calls\"");
    let fixture = with("[profile.release]\ndebug = 1\n");
    let questions = |args: &[&str], value: &str| {
        fixture.append("src/main.rs", "// edited\n");
        let mut command = fixture.command();
        command.env("PATH", &front.path).env("VALUE", value).env("LAMBDA_PACKAGER_PASS_ENV", "VALUE");
        command.args(["--engine", "host"]).args(args);
        Ended::of(&mut command).ok();
        let calls = fs::read_to_string(front.file("calls")).unwrap();
        fs::remove_file(front.file("calls")).unwrap();
        assert!(calls.contains("/hello-"), "{calls}");
        calls.lines().filter(|call| call.contains("/probe")).count()
    };
    assert_eq!(["a", "a"].map(|value| questions(&[], value)), [1, 0]);
    assert_eq!(["b", "b"].map(|value| questions(&[], value)), [1, 0]);
    assert_eq!(questions(&["--force"], "b"), 1);
    // Other flags are another question, and a linker may be any file.
    fixture.write(".cargo/config.toml", "[build]\nrustflags = [\"-Clink-arg=-Wl,-O1\"]\n");
    assert_eq!([1, 2].map(|_| questions(&[], "b")), [1, 1]);
}

#[test]
fn the_clean_room_keeps_the_same() {
    for builder in builders(Kind::BuildKit) {
        let fixture = with("[profile.release]\ndebug = 1\n");
        let made = |road: &str| {
            Ended::of(builder.package(&fixture, &["--force"]).env("LAMBDA_PACKAGER_CLEAN_ROOM", road)).ok();
            (fixture.zip("hello"), kept(&fixture))
        };
        let reused = made("0");
        assert_eq!(reused.1.len(), 1);
        assert!(made("1") == reused, "{:?}", builder.kind);
    }
}
