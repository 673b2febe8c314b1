//! The record of a build that is torn, foreign or of another time: a miss that says so, never an error, and
//! never a reason to reuse.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::clean::printing;
use crate::support::{Ended, Fixture, sha256};

const MANIFEST: &str = "target/lambda/hello/manifest.json";

fn run(fixture: &Fixture) -> Ended {
    fixture.run(&["--engine", "host"])
}

/// Puts `text` in the place of the manifest: a miss for `why`, and then all is well again.
#[track_caller]
fn is_a_miss(fixture: &Fixture, text: &[u8], why: &str) {
    std::fs::write(fixture.path(MANIFEST), text).expect("it is ours");
    let explained = fixture.run(&["--engine", "host", "explain"]);
    assert_eq!(explained.code, 1, "{explained:?}");
    assert!(explained.stdout.starts_with(&format!("cache-miss: {why}")), "{explained:?}");
    let ended = run(fixture).ok();
    assert!(ended.verdict().starts_with(&format!("cache-miss: {why}")), "{}", ended.stderr);
    assert_eq!(run(fixture).ok().verdict(), "cache-hit");
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
}

#[test]
fn a_manifest_that_cannot_be_used_is_a_miss_with_that_reason() {
    let fixture = Fixture::hello();
    run(&fixture).ok();
    let whole = fixture.read(MANIFEST);
    for length in [0, 1, whole.len() / 3, whole.len() - 2] {
        is_a_miss(&fixture, &whole[..length], "unreadable manifest (");
    }
    is_a_miss(&fixture, b"\xff\xfe\x00garbage", "unreadable manifest (");
    is_a_miss(&fixture, b"[]", "unreadable manifest (");
    let with = |field: &str, value: Value| {
        let mut manifest: Value = serde_json::from_slice(&whole).expect("JSON");
        manifest[field] = value;
        manifest.to_string().into_bytes()
    };
    let newer = "manifest of a newer lambda-packager (schema 99)";
    is_a_miss(&fixture, &with("schema", json!(99)), newer);
    is_a_miss(&fixture, br#"{"schema": 99, "of": "another form"}"#, newer);
    is_a_miss(&fixture, &with("schema", json!(0)), "manifest of an older lambda-packager (schema 0)");
    is_a_miss(&fixture, &with("function", json!("other")), "manifest of the function other");
    is_a_miss(&fixture, &with("workspace", json!("/elsewhere")), "manifest of the workspace /elsewhere");
    std::fs::remove_file(fixture.path(MANIFEST)).expect("it is there");
    assert_eq!(run(&fixture).ok().verdict(), "cache-miss: first build");
}

/// As a pipeline restores what it kept: the same bytes at the same path, in new files.
#[test]
fn a_manifest_that_was_not_written_here_is_believed_only_on_demand() {
    let fixture = Fixture::hello();
    run(&fixture).ok();
    let restores = || {
        Ended::of(Command::new("cp").arg("-a").args(["target", "kept"]).current_dir(fixture.root())).ok();
        std::fs::remove_dir_all(fixture.path("target")).expect("it is ours");
        std::fs::rename(fixture.path("kept"), fixture.path("target")).expect("it is ours");
    };
    restores();
    let trusting = || {
        let mut command = fixture.command_for("host");
        Ended::of(command.env("LAMBDA_PACKAGER_TRUST_RESTORED_CACHE", "1")).ok().verdict().to_string()
    };
    assert_eq!(trusting(), "cache-hit");
    restores();
    fixture.says("other");
    assert_eq!(trusting(), "cache-miss: changed src/main.rs");
    restores();
    let copied = "cache-miss: manifest that was not written here, see `trust_restored_cache`";
    assert_eq!(run(&fixture).ok().verdict(), copied);
    assert_eq!(run(&fixture).ok().verdict(), "cache-hit");
    assert_eq!(fixture.output_of_bootstrap("hello"), "other");
}

/// As bindgen names each header that it reads.
#[test]
fn a_file_outside_that_a_build_script_names_is_an_input_of_this_machine() {
    let fixture = Fixture::hello();
    let header = fixture.around().join("vendor/x.h");
    fixture.write("../vendor/x.h", "one");
    let build = format!(
        "fn main() {{
    println!(\"cargo:rerun-if-changed={0}\");
    println!(\"cargo:rustc-env=WORD={{}}\", std::fs::read_to_string(\"{0}\").unwrap());
}}
",
        header.display()
    );
    fixture.builds_with(&build, "fn main() {\n    print!(\"{}\", env!(\"WORD\"));\n}\n");
    run(&fixture).ok();
    assert_eq!(run(&fixture).ok().verdict(), "cache-hit");
    fixture.write("../vendor/x.h", "two");
    assert_eq!(run(&fixture).ok().verdict(), "cache-miss: changed ../vendor/x.h");
    assert_eq!(run(&fixture).ok().verdict(), "cache-hit");
    assert_eq!(fixture.output_of_bootstrap("hello"), "two");
    // A record of others must not make us read any file, also where a pipeline restored it.
    std::fs::copy(fixture.path(MANIFEST), fixture.path("target/copy")).expect("it is ours");
    std::fs::rename(fixture.path("target/copy"), fixture.path(MANIFEST)).expect("it is ours");
    let mut restored = fixture.command_for("host");
    let ended = Ended::of(restored.env("LAMBDA_PACKAGER_TRUST_RESTORED_CACHE", "1")).ok();
    assert_eq!(ended.verdict(), "cache-miss: manifest that names ../vendor/x.h, outside of the workspace");
}

#[test]
fn explain_lists_every_difference_with_its_old_and_new_value() {
    let fixture = Fixture::hello();
    fixture.write("src/gone.txt", "gone\n");
    run(&fixture).ok();
    fixture.says("other");
    fixture.write("src/new.txt", "new\n");
    std::fs::remove_file(fixture.path("src/gone.txt")).expect("it is there");
    std::fs::remove_file(fixture.path("target/lambda/hello/lambda-deployment.zip")).expect("it is there");
    let zip = fixture.manifest("hello")["artifact"]["zip_sha256"].clone();
    let explain = |more: &[&str]| fixture.run(&[&["--engine", "host", "--features", "f", "explain"], more].concat());

    let ended = explain(&["-v"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let digest = |text: &str| sha256(text.as_bytes());
    let [hello, other, new, gone] = [&printing("hello"), &printing("other"), "new\n", "gone\n"].map(digest);
    let expected = format!(
        "cache-miss: features none -> f (+4 more)
  features none -> f
  changed src/main.rs: file {hello} -> file {other}
  added src/new.txt: none -> file {new}
  removed src/gone.txt: file {gone} -> none
  zip missing (target/lambda/hello/lambda-deployment.zip): {} -> none\n",
        zip.as_str().expect("a digest")
    );
    let inputs = "  package: Cargo.lock\n  package: Cargo.toml\n  package: src/main.rs\n  package: src/new.txt\n";
    assert_eq!(ended.stdout, expected + inputs);
    let only_inputs = explain(&["--inputs"]).ok().stdout;
    assert_eq!(only_inputs, inputs.replace("  ", ""));

    let ended = explain(&["--message-format", "json"]);
    let event: Value = serde_json::from_str(ended.stdout.trim()).expect("one object");
    assert_eq!(event["hit"], json!(false));
    let causes: Vec<&Value> =
        event["reasons"].as_array().expect("a list").iter().map(|reason| &reason["cause"]).collect();
    assert_eq!(causes, ["setting", "changed", "added", "removed", "zip-missing"]);
    assert_eq!(event["reasons"][2]["new"], json!(format!("file {new}")));
}

#[test]
fn a_bootstrap_that_nobody_may_execute_gets_that_right_again() {
    let fixture = Fixture::hello_packaged("host");
    let bootstrap = fixture.path("target/lambda/hello/bootstrap");
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o644)).unwrap();
    let ended = fixture.run(&["--engine", "host"]).ok();
    assert_eq!(ended.verdict(), "cache-hit");
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    assert_eq!(fixture.run(&["--engine", "host"]).ok().verdict(), "cache-hit");
}
