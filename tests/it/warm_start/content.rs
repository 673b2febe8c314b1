//! What an image of dependencies holds, and what it does not.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{
    LIBRARIES, PACKED, add_library, depending_on, exists, is_cold, is_packed, keeps_nothing, kept, members, tar_of,
    unpacked, with_itoa,
};
use crate::support::{Ended, Engine, Fixture, engines, one_engine};

const MARKER: &str = "only_the_workspace_knows_this";

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn it_holds_downloads_and_nothing_of_the_workspace() {
    for engine in engines(Engine::Podman) {
        let says = "format!(\"{} {}\", secretive::TEXT, itoa::Buffer::new().format(7))";
        let fixture = depending_on("content", "itoa = \"1\"\nsecretive = { path = \"secretive\" }\n", says);
        let text = "concat!(env!(\"KEY\"), include_str!(concat!(env!(\"OUT_DIR\"), \"/text\")))";
        add_library(&fixture, "secretive", &format!("pub const TEXT: &str = {text};\n"));
        let build = format!(
            "fn main() {{\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    std::fs::write(out + \"/text\", \"{MARKER}\").unwrap();\n    std::fs::write(\"/tmp/left\", \"{MARKER}\").unwrap();\n    println!(\"cargo::rustc-env=KEY={MARKER}\");\n}}\n"
        );
        fixture.write("secretive/build.rs", &build);
        let image = kept(&fixture, engine);
        assert!(fixture.output_of_bootstrap("app").contains(MARKER));

        let files = tar_of(&fixture, engine, &image);
        if is_packed(&files) {
            let files = members(&files).into_iter().filter(|(_, header, _)| header.entry_type().is_file());
            let files: BTreeSet<_> = files.map(|(path, ..)| path).collect();
            assert_eq!(files, [PACKED, LIBRARIES].map(PathBuf::from).into());
        }
        let mut names: String = members(&files).iter().map(|(path, ..)| format!("{}\n", path.display())).collect();
        let bytes = unpacked(&fixture, files);
        names.extend(members(&bytes).iter().map(|(path, ..)| format!("{}\n", path.display())));
        assert!(names.contains("/deps/libitoa-") && names.contains("/.fingerprint/itoa-"), "{names}");
        for line in names.lines().filter(|line| line.contains("/deps/") || line.contains("/.fingerprint/")) {
            assert!(line.ends_with('/') || line.contains("itoa"), "{line}");
        }
        for own in ["app", "secretive", "/incremental", "text"] {
            assert!(!names.contains(own), "{own} in {names}");
        }
        assert!(!contains(&bytes, MARKER), "{names}");
        assert!(contains(&bytes, "itoa"), "the archive is read");

        // Nothing of the container that it was made in: no variable, no command, no label of the project's.
        let config = engine.ask(&["image", "inspect", "--format", "{{json .Config}}", &image]);
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        for absent in ["Env", "Cmd", "Entrypoint", "Volumes"] {
            let value = &config[absent];
            // Podman gives every image a PATH.
            let is_path = |one: &serde_json::Value| one.as_str().is_some_and(|one| one.starts_with("PATH=/usr"));
            assert!(value.is_null() || value.as_array().is_some_and(|all| all.iter().all(is_path)), "{config}");
        }
        let labels: Vec<&String> =
            config["Labels"].as_object().unwrap().keys().filter(|name| !name.starts_with("io.")).collect();
        assert_eq!(labels, ["lambda-packager.deps", "lambda-packager.deps-project", "lambda-packager.test"]);
    }
}

#[test]
fn with_a_passed_variable_nothing_is_kept() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let run = |fixture: &Fixture| {
        Ended::of(fixture.command_on(engine).env("LAMBDA_PACKAGER_PASS_ENV", "TOKEN").env("TOKEN", "t0ken")).ok()
    };
    let fixture = with_itoa("passed");
    keeps_nothing(&run(&fixture));
    // Nor is what was kept without it used: a build script could have said something else.
    let plain = with_itoa("passed");
    kept(&plain, engine);
    is_cold(&run(&with_itoa("passed")));
}

#[test]
fn clean_removes_the_images_that_a_project_made_and_doctor_counts_them() {
    for engine in engines(Engine::Docker) {
        let one = with_itoa("clean");
        let image = kept(&one, engine);
        let doctor = one.run_on(engine, &["doctor"]).ok().stdout;
        let line = doctor.lines().find(|line| line.contains("images of compiled dependencies"));
        let count = line.and_then(|line| line.split_whitespace().nth(2)?.parse().ok());
        assert!(count.is_some_and(|count: u32| count > 0), "{doctor}");
        // Another project uses it and does not remove it; a container's end is not the image's.
        let two = with_itoa("clean");
        two.run_on(engine, &[]).ok();
        two.run_on(engine, &["clean", "--all"]).ok();
        one.run_on(engine, &["clean", "--container"]).ok();
        let dry = one.run_on(engine, &["clean", "--cache", "--dry-run"]).ok().stdout;
        assert!(dry.contains(&image), "{dry}");
        assert!(exists(engine, &image));
        let clean = one.run_on(engine, &["clean", "--cache"]).ok().stdout;
        assert!(clean.contains(&format!("{} image", engine.name())) && clean.contains(&image), "{clean}");
        assert!(!exists(engine, &image));
    }
}
