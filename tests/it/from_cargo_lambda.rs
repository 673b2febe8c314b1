//! A project that was made for cargo-lambda, packaged as it stands.

use std::fs;

use crate::support::{Ended, Fixture, has_all};

const SETTINGS: &str = "
[features]
loud = []

[package.metadata.lambda.env]
TOKEN = \"not-to-be-told\"

[package.metadata.lambda.build]
features = [\"loud\"]
include = [\"data.txt\"]
lambda_dir = \"dist\"
output_format = \"binary\"
target = \"x86_64-unknown-linux-gnu.2.26\"
typo = 1

[package.metadata.lambda.deploy]
memory = 512
";

fn project() -> Fixture {
    let fixture = Fixture::empty("hello");
    fixture.package("", "hello", SETTINGS);
    fixture.prints("\"{}\", cfg!(feature = \"loud\")");
    fixture.write("data.txt", "some");
    fixture
}

#[test]
fn its_settings_hold_and_what_does_not_is_named_once_for_each_build() {
    let fixture = project();
    let packages = || Ended::of(&mut fixture.command_for("host")).ok().stderr;
    let first = packages();
    let notes: Vec<_> = first.lines().filter(|line| line.contains("package.metadata.lambda")).collect();
    for named in ["`target = ", "`output_format = ", "`typo` in", "`memory` in", "[package.metadata.lambda.env] of"] {
        assert_eq!(notes.iter().filter(|line| line.contains(named)).count(), 1, "{named}:\n{first}");
    }
    assert!(!first.contains("not-to-be-told"), "{first}");
    let zip = fixture.read("dist/hello/bootstrap.zip");
    assert!(zip == fixture.zip("hello") && String::from_utf8_lossy(&zip).contains("data.txt"));
    assert_eq!(fixture.output_of_bootstrap("hello"), "true");
    let hit = packages();
    assert!(hit.contains("cache-hit") && !hit.contains("package.metadata.lambda"), "{hit}");
    // Ours are stronger.
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nfeatures = []\n");
    has_all(&packages(), &["cache-miss: features loud -> none"]);
    assert_eq!(fixture.output_of_bootstrap("hello"), "false");
}

#[test]
fn its_file_and_variables_never_leave_a_stale_zip() {
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", "[features]\nloud = []\n");
    fixture.prints("\"{}\", cfg!(feature = \"loud\")");
    // No input: git ignores it, and the other lies elsewhere.
    fixture.write(".gitignore", "/target\nCargoLambda.toml\n");
    crate::support::host::git(fixture.root(), &["init", "--quiet"]);
    let beside = fixture.around().join("global.toml");
    fs::write(&beside, "[build]\nfeatures = [\"loud\"]\n").unwrap();
    let says = |variables: &[(&str, &str)]| {
        Ended::of(fixture.command_for("host").envs(variables.iter().copied())).ok();
        fixture.output_of_bootstrap("hello")
    };
    let global = [("CARGO_LAMBDA_GLOBAL", beside.to_str().unwrap())];
    let context = [("CARGO_LAMBDA_CONTEXT", "prod")];
    assert_eq!((says(&[]), says(&global), says(&[])), ("false".into(), "true".into(), "false".into()));
    fixture.write("CargoLambda.toml", "[prod.build]\nfeatures = [\"loud\"]\n");
    assert_eq!((says(&[]), says(&context), says(&[])), ("false".into(), "true".into(), "false".into()));
    fixture.write("CargoLambda.toml", "[build]\nfeatures = [\"loud\"]\n");
    assert_eq!(says(&[]), "true");
    fixture.write("CargoLambda.toml", "[build]\nfeatures = 1\n");
    Ended::of(&mut fixture.command_for("host"))
        .fails(2, &["`features` in [build] of ", "CargoLambda.toml is not valid: expected a list of texts"]);
}
