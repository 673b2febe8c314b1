//! Projects of every shape, and what must not get into a layer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::clean_room::builder::{Builder, Kind, builders};
use crate::support::{Ended, Engine, Fixture, Story, has_all, one_engine, repository};

const SECRET: &str = "n0b0dy-elses-t0ken";

/// A workspace with a build script, a macro, a library outside, a crate that is patched by a local one, lints
/// that no stand-in would pass, a source and a folder that git ignores and that are declared, files of no package that the
/// compile misses, files above the workspace, and tokens in its configuration.
fn project(folder: &str) -> Fixture {
    let fixture = Fixture::empty(folder);
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
    };
    fixture.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\", \"macros\", \"other\"]\nresolver = \"2\"\n[workspace.lints.rust]\nmissing_docs = \"forbid\"\n\
         [workspace.package]\nedition = \"2024\"\n[patch.crates-io]\nitoa = { path = \"patched\" }\n[profile.release]\nlto = \"off\"\n",
    );
    let app = "build = \"build.rs\"\n[lints]\nworkspace = true\n[dependencies]\nmacros = { path = \"../macros\" }\noutside = { path = \"../../outside\" }\n\
               itoa = \"1\"\nfnv = \"1\"\nserde_json = \"1\"\n[package.metadata.lambda-packager]\n\
               inputs = [\"app/src/ignored.rs\", \"dist\", \"../beside/**/*.txt\"]\n";
    fixture.write("app/Cargo.toml", &package("app", app));
    fixture.write("app/build.rs", "//! Writes a source.\nfn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    std::fs::write(format!(\"{out}/made.rs\"), \"7\").unwrap();\n    println!(\"cargo::rerun-if-changed=../words\");\n    let read = |file: &str| std::fs::read_to_string(file).unwrap().trim().to_string();\n    println!(\"cargo::rustc-env=WORDS={} {} {} {}\", read(\"../words\"), read(\"../.sqlx/query.json\"), read(\"../dist/made.txt\"), read(\"../../beside/deep/a.txt\"));\n}\n");
    fixture.write(
        "app/src/main.rs",
        "//! The function.\nmod ignored;\nfn main() {\n    let made: u32 = include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n    \
         println!(\"{} {} {} {} {} {}\", made, macros::text!(), outside::text(), env!(\"WORDS\"), include_str!(\"../../words\").trim(), ignored::text());\n    \
         println!(\"{} {} {}\", itoa::patched(), serde_json::json!([1]), include_str!(\"../../proto/v1/a.txt\"));\n}\n",
    );
    fixture
        .write("app/src/ignored.rs", "//! Generated.\n/// It.\npub fn text() -> &'static str {\n    \"ignored\"\n}\n");
    fixture.write("words", "words\n");
    fixture.write("macros/Cargo.toml", &package("macros", "[lib]\nproc-macro = true\n"));
    fixture.write("macros/src/lib.rs", "#[proc_macro]\npub fn text(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \"\\\"macro\\\"\".parse().unwrap()\n}\n");
    fixture.write("other/Cargo.toml", &package("other", "[[bench]]\nname = \"speed\"\n[dependencies]\nitoa = \"1\"\n"));
    fixture.write("other/src/main.rs", "this is no Rust, and nobody compiles it\n");
    fixture.write("other/benches/speed.rs", "fn main() {}\n");
    // In the version that serde_json wants, with something that the published one has not.
    fixture.write("patched/Cargo.toml", "[package]\nname = \"itoa\"\nversion = \"1.0.99\"\nedition = \"2024\"\n");
    fixture.write(
        "patched/src/lib.rs",
        "pub struct Buffer(String);\nimpl Buffer {\n    pub fn new() -> Self {\n        Self(String::new())\n    }\n    \
         pub fn format<I: std::fmt::Display>(&mut self, i: I) -> &str {\n        self.0 = i.to_string();\n        &self.0\n    }\n}\n\
         pub fn patched() -> &'static str {\n    \"patched\"\n}\n",
    );
    fixture.write("../outside/Cargo.toml", &package("outside", ""));
    fixture.write("../outside/src/lib.rs", "pub fn text() -> &'static str {\n    include_str!(\"../text\")\n}\n");
    fixture.write("../outside/text", "outside");
    fixture.write(
        ".cargo/config.toml",
        &format!("[registries.mine]\nindex = \"sparse+https://example.invalid/\"\ntoken = \"{SECRET}\"\n"),
    );
    fixture.write(".cargo/credentials.toml", &format!("[registry]\ntoken = \"{SECRET}\"\n"));
    for (name, text) in [
        (".gitignore", "/target\n/dist\n/app/src/ignored.rs\n"),
        (".sqlx/query.json", "queries"),
        ("dist/made.txt", "made"),
        ("proto/v1/a.txt", "found"),
        ("../beside/deep/a.txt", "beside"),
    ] {
        fixture.write(name, text);
    }
    fixture.git(&["init", "--quiet"]);
    symlink("words", fixture.path("link")).unwrap();
    fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).unwrap();
    fixture
}

fn build(fixture: &Fixture, builder: &Builder, clean_room: &str, args: &[&str]) -> Story {
    let mut command = builder.package(fixture, args);
    Story::of(command.args(["--package", "app"]).env("LAMBDA_PACKAGER_CLEAN_ROOM", clean_room))
}

#[test]
fn any_shape_of_workspace_is_the_same_zip_on_both_roads_and_no_token_is_in_a_layer() {
    let (one, two) = (project("one"), project("somewhere else/two"));
    let builders = builders(Kind::BuildKit);
    let Some(first) = builders.first() else { return };
    build(&two, first, "0", &[]).ok();
    let printed = "7 macro outside words queries made beside words ignored\npatched [1] found";
    assert_eq!(two.output_of_bootstrap("app"), printed);
    for builder in &builders {
        build(&one, builder, "1", &["--force"]).ok();
        assert_eq!(one.output_of_bootstrap("app"), printed, "{:?}", builder.kind);
        assert!(one.zip("app") == two.zip("app"), "{:?} made other bytes", builder.kind);
        assert_eq!(one.manifest("app")["extras"]["files"], two.manifest("app")["extras"]["files"]);
        assert!(!holds(builder.store(), SECRET), "{:?} keeps a token", builder.kind);
        // That this looks where layers are: the configuration it stood in is there.
        let is_there = holds(builder.store(), "sparse+https://example.invalid/");
        assert!(is_there, "{:?} keeps its layers elsewhere", builder.kind);
    }
    // The judge knows what a clean room read as it knows what a container read.
    one.write("words", "other words\n");
    let again = build(&one, builders.last().unwrap(), "1", &[]).ok();
    assert_eq!(again.verdict(), "cache-miss: changed link (+1 more)");
    assert!(one.output_of_bootstrap("app").starts_with("7 macro outside other words"), "{again}");
}

fn holds(folder: &Path, text: &str) -> bool {
    let look = ["--recursive", "--quiet", "--binary-files=text", "--fixed-strings", text];
    Ended::of(Command::new("grep").args(look).arg(folder)).code == 0
}

#[test]
fn a_crate_that_does_not_compile_shows_cargos_message_and_leaves_the_last_zip() {
    let builders = builders(Kind::Podman);
    let fixture = Fixture::hello();
    for builder in &builders {
        fixture.says("hello");
        Story::of(&mut builder.package(&fixture, &["--clean-room", "--force"])).ok();
        let zip = fixture.zip("hello");
        fixture.write("src/main.rs", "fn main() {\n    let x: u32 = \"text\";\n}\n");
        let story = Story::of(&mut builder.package(&fixture, &["--clean-room"]));
        assert_eq!(story.code(), 4, "{story}");
        assert!(story.failure().contains("hello does not compile (cargo's status 101)"), "{story}");
        assert!(story.cargo().contains("mismatched types"), "{story}");
        assert!(fixture.zip("hello") == zip, "the last good zip is gone");
    }
}

#[test]
fn without_an_image_to_start_from_prod_is_compiled_in_the_container_and_says_so() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello();
    let story = Story::of(fixture.command_on(engine).args(["--mode", "prod"])).ok();
    let announced =
        "no image to start a clean room from: compiling in the reused container instead, which makes the same bytes";
    assert!(story.notes().iter().any(|note| note.contains(announced)), "{story}");
    let manifest = fixture.manifest("hello");
    assert_eq!(manifest["road"]["clean_room"], false);
    assert!(manifest["road"]["fallback"].as_str().is_some_and(|why| why.contains("no image to start")), "{manifest}");
    let image = manifest["artifact"]["image"].as_str().unwrap();
    assert_eq!(engine.ask(&["run", "--rm", "--network", "none", image]), "hello");
    // What would enter a layer keeps a build out of the clean room, whatever there is to start from.
    let story =
        Story::of(fixture.command_on(engine).args(["--mode", "prod"]).env("LAMBDA_PACKAGER_PASS_ENV", "HOME")).ok();
    assert!(story.notes().iter().any(|note| note.contains("the compile gets HOME of the environment")), "{story}");
    let index = "[registries.mine]\nindex = \"sparse+https://user:T0KEN@example.invalid/\"\n";
    fixture.write("../.cargo/config.toml", index);
    let story = Story::of(fixture.command_on(engine).args(["--mode", "prod"])).ok();
    assert!(story.notes().iter().any(|note| note.contains("the compile gets registries.mine.index of ")), "{story}");
    let source =
        "[source.\"git+https://user:T0KEN@example.invalid/r\"]\ngit = \"https://user:T0KEN@example.invalid/r\"\n";
    fixture.write("../.cargo/config.toml", source);
    fixture.says("again");
    let ended = Ended::of(fixture.command_on(engine).args(["--mode", "prod"])).ok();
    has_all(&ended.stderr, &["the compile gets source.*.git of "]);
    fixture.tells_nobody("T0KEN", &ended);
}
