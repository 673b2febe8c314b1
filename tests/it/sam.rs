//! The example of `sam build`: through the shim, and through make.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Ended, Fixture, Shim, copy, is_full, is_installed, packager, repository};

/// The examples of this repository, copied.
pub fn examples() -> Fixture {
    let mut fixture = Fixture::empty("examples");
    copy(&repository().join("examples"), fixture.root());
    fixture.moves_to(&fixture.path("functions"));
    fixture
}

/// `sam build` of the example, without what it would ask or tell AWS.
fn sam_build(fixture: &Fixture, shim: &Shim) -> Ended {
    let mut sam = Command::new("sam");
    fixture.prepare(&mut sam);
    sam.args(["build", "--beta-features"]).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-central-1");
    sam.env("LAMBDA_PACKAGER_ENGINE", "host").env("PACKAGER", packager()).env("PATH", &shim.path);
    Ended::of(sam.current_dir(fixture.around().join("sam"))).ok()
}

#[test]
fn sam_builds_through_the_shim_and_through_make_and_its_second_build_compiles_nothing() {
    if !is_full() || !is_installed("sam", "pip install aws-sam-cli") {
        return;
    }
    let (fixture, shim) = (examples(), Shim::installed());
    let built = |name: &str| fixture.around().join("sam/.aws-sam/build").join(name).join("bootstrap");
    let same = |name: &str, path: PathBuf| {
        let ours = fixture.read(&format!("target/lambda/{name}/bootstrap"));
        assert!(std::fs::read(&path).expect("a bootstrap") == ours, "{}", path.display());
    };
    sam_build(&fixture, &shim);
    let verdicts = || ["api", "worker"].map(|name| fixture.manifest(name)["history"].as_array().map_or(0, Vec::len));
    assert_eq!(verdicts(), [1, 1]);
    for (name, id) in [("api", "Api"), ("worker", "Worker")] {
        same(name, built(id));
        assert_eq!(fixture.manifest(name)["ingredients"]["mode"], "release");
    }
    sam_build(&fixture, &shim);
    assert_eq!(verdicts(), [1, 1], "the second build packaged again");
    let edited = fixture.text("worker/src/main.rs").replace("worker", "edited");
    fixture.write("worker/src/main.rs", &edited);
    sam_build(&fixture, &shim);
    assert_eq!(verdicts(), [1, 2]);
    same("worker", built("Worker"));
    // Of a package with one function, SAM needs no name.
    let template = std::fs::read_to_string(fixture.around().join("sam/template.yaml")).expect("a template");
    let named = "      BuildProperties:\n        Binary: api\n    Properties:\n      CodeUri: ../functions\n";
    let unnamed = template.replace(named, "    Properties:\n      CodeUri: ../functions/api\n");
    assert_ne!(unnamed, template);
    std::fs::write(fixture.around().join("sam/template.yaml"), unnamed).expect("a template");
    sam_build(&fixture, &shim);
    same("api", built("Api"));
    assert_eq!(verdicts(), [1, 2]);
}
