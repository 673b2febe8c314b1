//! This repository itself, from a fresh clone: nothing of the packager, the function or Terraform is there.

use std::fs;
use std::process::Command;

use super::{Stage, stages};
use crate::support::host::cargo_here;
use crate::support::{Ended, Fixture, is_full, repository};

#[test]
fn a_fresh_clone_of_this_repository_is_deployed_edited_redeployed_and_rolled_back() {
    let Some(stage) = Stage::of(Fixture::clone_of_this_repository(), Vec::new()) else { return };
    fs::remove_dir_all(stage.fixture.path("infra/.terraform")).unwrap();
    // What is compiled once for all tests: the function's hundred crates, of which the clone's container finds the
    // image, and the packager, which cargo takes over where it is of the same sources.
    Ended::of(&mut cargo_here(&["build", "--release"])).ok();
    Ended::of(stage.prepare(Command::new(repository().join("docker/lambda-packager")).arg("--version"))).ok();
    fs::create_dir(stage.fixture.path("target")).unwrap();
    let compiled = repository().join("target/release");
    Ended::of(Command::new("cp").arg("-a").arg(compiled).arg(stage.fixture.path("target"))).ok();
    let deploy = || stage.make(&["deploy", "ENV=preprod", "PACKAGE=image"]).ok();

    let first = deploy();
    assert_eq!(stages(&first), ["package-and-push", "terraform-init", "terraform-workspace", "terraform-apply"]);
    let (old, old_tag) = (stage.latest(), stage.tag("lambda"));
    assert_eq!(stage.deployed(), old);

    // The rest of the way is the same with any function.
    if !is_full() {
        return;
    }
    let again = deploy();
    assert_eq!(stages(&again), ["package-and-push", "terraform-workspace", "terraform-apply"]);
    assert_eq!((again.verdict(), stage.deployed()), ("cache-hit", old.clone()));

    let health = stage.fixture.text("lambda/src/health.rs");
    let edited = health.replace("\"ok\"", "\"very well\"");
    assert_ne!(edited, health);
    stage.fixture.write("lambda/src/health.rs", &edited);
    stage.fixture.commit();
    let redeployed = deploy();
    assert_eq!(redeployed.verdict(), "cache-miss: changed lambda/src/health.rs");
    let new = stage.latest();
    assert_ne!(new, old);
    assert_eq!(stage.deployed(), new);

    stage.make(&["rollback", "ENV=preprod", &format!("TAG={old_tag}")]).ok();
    assert_eq!((stage.deployed(), stage.latest()), (old.clone(), old));
}
