//! Extensions are zips for layers, with the binary where Lambda or its caller looks for it, checked as functions are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Engine, Fixture, cases, engines, is_installed};

const KINDS: [(&str, &str); 2] = [("extension", "extensions/hello"), ("internal-extension", "hello")];

/// The files of a zip and whether they may be executed, as somebody else's program reads them.
pub fn listed(zip: &Path) -> Vec<String> {
    let listed = Ended::answer(Command::new("unzip").arg("-Z").arg(zip));
    let line = |line: &str| {
        let (mode, name) = (&line[..10], line.rsplit(' ').next().unwrap());
        format!("{name}{}", if mode == "-rwxr-xr-x" { "*" } else { "" })
    };
    let mut files: Vec<String> = listed.lines().filter(|line| line.starts_with('-')).map(line).collect();
    files.sort_unstable();
    files
}

fn zip_of(fixture: &Fixture) -> Vec<String> {
    listed(&fixture.path("target/lambda/hello/lambda-deployment.zip"))
}

pub fn allow_execution(fixture: &Fixture, name: &str) {
    fs::set_permissions(fixture.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_zip_of_an_extension_is_one_for_a_layer() {
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    let fixture = Fixture::hello();
    fixture.write("etc/b.toml", "b");
    fixture.write("etc/a.map", "a");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\ninclude = [\"etc/*\", \"!etc/*.map\"]\n");
    let mut before = "function";
    fixture.run(&["--engine", "host"]).ok();
    assert_eq!(zip_of(&fixture), ["bootstrap*", "etc/b.toml"]);
    for (kind, place) in KINDS {
        let run = |args: &[&str]| fixture.run(&[&["--engine", "host", "--kind", kind], args].concat());
        assert_eq!(run(&[]).ok().verdict(), format!("cache-miss: kind {before} -> {kind}"));
        let mut expected = [format!("{place}*"), "etc/b.toml".to_string()];
        expected.sort_unstable();
        assert_eq!(zip_of(&fixture), expected);
        assert_eq!(run(&[]).ok().verdict(), "cache-hit");
        run(&["verify"]).ok();
        run(&["image", "build", "--env", "preprod"]).fails(
            2,
            &[
                "flag --kind: the zip of hello, of kind",
                "is for a layer, which cannot be a container image",
                "publish-layer-version",
            ],
        );
        let zip = fixture.zip("hello");
        for engine in engines(Engine::Docker) {
            fixture.run_on(engine, &["--kind", kind]).ok();
            assert!(fixture.zip("hello") == zip, "{kind} on {}", engine.name());
        }
        run(&[]).ok();
        before = kind;
    }
}

#[test]
fn what_lambda_could_not_start_of_a_layer_is_an_error() {
    let fixture = Fixture::hello();
    fixture.write("extensions/watch", "#!/bin/sh\n");
    fixture
        .append("Cargo.toml", "[package.metadata.lambda-packager]\nkind = \"extension\"\ninclude = [\"extensions\"]\n");
    fixture.says("{nonsense");
    let run = || fixture.run(&["--engine", "host"]);
    let idle = "extensions/watch in the zip may not be executed, and Lambda executes every file in `extensions/`";
    run().fails(
        2,
        &["`include` in [package.metadata.lambda-packager]", idle, "help: make it executable (`chmod +x ext"],
    );
    fixture.write("extensions/hello", "");
    let taken = "`extensions/hello` is the place of the compiled binary";
    allow_execution(&fixture, "extensions/watch");
    run().fails(2, &[taken, "help: put it at another place"]);
    fs::remove_file(fixture.path("extensions/hello")).unwrap();
    // A binary that is brought is checked as the compiled one.
    fixture.says("hello");
    let mut elf = fs::read("/bin/sh").unwrap();
    elf[0x12..0x14].copy_from_slice(&[0xf3, 0]);
    fs::write(fixture.path("extensions/watch"), elf).unwrap();
    run().fails(5, &["extensions/watch is for ELF machine 243"]);
    fixture.write("extensions/watch", "#!/bin/sh\n");
    run().ok();
    let kinds = ["flag --kind is not valid", "`layers`", "`function`, `extension`"];
    fixture.run(&["--engine", "host", "--kind", "layers"]).fails(2, &kinds);
}

#[test]
fn a_layer_of_files_needs_no_bin_and_no_compile() {
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    let fixture = Fixture::hello();
    fs::remove_file(fixture.path("src/main.rs")).unwrap();
    fixture.write("src/lib.rs", "");
    let manifest = fixture.text("Cargo.toml");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nkind = \"layer\"\n");
    // No engine is asked, and none is missed.
    let run = |args: &[&str]| {
        let mut command = fixture.command();
        Ended::of(
            command.env("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "1").env("DOCKER_HOST", "tcp://127.0.0.1:1").args(args),
        )
    };
    run(&[]).fails(2, &["`kind` in [package.metadata.lambda-packager]", "it selects nothing", "help: set `include`"]);
    let settings =
        "[package.metadata.lambda-packager]\nkind = \"layer\"\ninclude = [\".:opt\"]\noutput = \"opt.zip\"\n";
    fixture.write("Cargo.toml", &format!("{manifest}{settings}"));
    fixture.write("opt/bin/tool", "#!/bin/sh\n");
    fixture.write("opt/extensions/watch", "#!/bin/sh\n");
    run(&[]).fails(2, &["extensions/watch in the zip may not be executed", "chmod +x opt/extensions/watch"]);
    allow_execution(&fixture, "opt/extensions/watch");
    let ended = run(&[]).ok();
    assert_eq!(ended.verdict(), "cache-miss: first build");
    assert!(
        ended.stderr.contains("backend none: nothing to compile") && !ended.stderr.contains("bootstrap"),
        "{ended:?}"
    );
    assert_eq!(zip_of(&fixture), ["bin/tool", "extensions/watch*"]);
    assert!(fixture.read("opt.zip") == fixture.zip("hello") && !fixture.path("target/lambda/hello/bootstrap").exists());
    let first = fixture.zip("hello");
    assert_eq!(run(&[]).ok().verdict(), "cache-hit");
    run(&["verify"]).ok();
    fixture.write("opt/lib/b", "b");
    assert_eq!(run(&[]).ok().verdict(), "cache-miss: added opt/lib/b");
    fs::remove_dir_all(fixture.path("opt/lib")).unwrap();
    run(&[]).ok();
    assert!(fixture.zip("hello") == first);
    run(&["image", "build", "--env", "preprod"]).fails(2, &["the zip of hello, of kind `layer`, is for a layer"]);
}

#[test]
fn functions_of_one_package_have_kinds_by_their_names() {
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    let fixture = Fixture::hello();
    fixture.write("src/bin/log-forwarder.rs", "fn main() {\n    println!(\"log\");\n}\n");
    fixture.write("etc/a.toml", "a");
    let manifest = fixture.text("Cargo.toml") + "[package.metadata.lambda-packager]\ninclude = [\"etc\"]\n";
    let kinds = |table: &str| fixture.write("Cargo.toml", &format!("{manifest}kind = {table}\n"));
    let run = |args: &[&str]| fixture.run(&[&["--engine", "host"], args].concat());
    let zips = || {
        let zip = |name: &str| listed(&fixture.path(&format!("target/lambda/{name}/lambda-deployment.zip"))).join(" ");
        ["hello", "log-forwarder"].map(zip)
    };
    kinds("{ \"log-*\" = \"extension\" }");
    let ended = run(&[]).ok();
    assert_eq!(ended.stderr.matches("Finished `release`").count(), 1, "{}", ended.stderr);
    assert_eq!(zips(), ["bootstrap* etc/a.toml", "etc/a.toml extensions/log-forwarder*"]);
    // Each is judged by its own kind, and a flag is stronger.
    let ended = run(&["--kind", "log-*=extension,log-forwarder=internal-extension"]).ok();
    let expected = "2 functions: 1 packaged (log-forwarder: kind extension -> internal-extension), 1 reused";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    assert_eq!(zips(), ["bootstrap* etc/a.toml", "etc/a.toml log-forwarder*"]);
    run(&["--kind", "hello=extension"]).ok();
    assert_eq!(zips(), ["etc/a.toml extensions/hello*", "bootstrap* etc/a.toml"]);
    let layer = run(&["image", "build", "--env", "preprod", "--function", "log-forwarder"]);
    layer.fails(2, &["`kind` in [package.metadata.lambda-packager]", "the zip of log-forwarder, of kind `extension`"]);
    run(&[]).ok();
    run(&["verify"]).ok();
    // The package itself, beside its bins.
    kinds("{ hello = \"layer\" }");
    run(&[]).ok();
    assert_eq!(listed(&fixture.path("target/lambda/hello.layer/lambda-deployment.zip")), ["etc/a.toml"]);
    for (table, expected) in [
        ("{ \"lag-*\" = \"extension\" }", "there is no function `lag-*`"),
        ("{ log-forwarder = \"layer\" }", "there is no package `log-forwarder`"),
        ("{ hello = \"layers\" }", "`hello`: unknown variant `layers`"),
    ] {
        kinds(table);
        run(&[]).fails(2, &["`kind` in [package.metadata.lambda-packager]", expected]);
    }
}

/// The binary is where cargo-lambda puts it, so that what a team deploys stays as it is.
#[test]
fn extensions_are_where_cargo_lambda_puts_them() {
    if !cases(false, true) || !is_installed("cargo-lambda", "pip install cargo-lambda") {
        return;
    }
    for (kind, place) in KINDS {
        let fixture = Fixture::hello();
        fixture.write("etc/b.toml", "b");
        let mut theirs = Command::new("cargo-lambda");
        theirs.args(["lambda", "build", "--release", "--extension", "--output-format", "zip", "--compiler", "cargo"]);
        theirs.args(["--skip-target-check", "--include", "etc", "--include", "x/y.toml:etc/b.toml"]);
        theirs.args((kind == "internal-extension").then_some("--internal")).current_dir(fixture.root());
        Ended::of(&mut theirs).ok();
        let theirs = listed(&fixture.path("target/lambda/extensions/hello.zip"));
        let mut ours = fixture.command_for("host");
        Ended::of(ours.args(["--kind", kind]).env("LAMBDA_PACKAGER_INCLUDE", "etc,x/y.toml:etc/b.toml")).ok();
        assert_eq!(zip_of(&fixture), theirs);
        assert!(theirs.contains(&format!("{place}*")), "{theirs:?}");
    }
}
