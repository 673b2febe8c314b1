//! This repository itself, from a fresh clone: nothing of the packager, the function or Terraform is there.

use std::fs;

use super::{Stage, stages};
use crate::support::{Fixture, is_full};

#[test]
fn a_fresh_clone_of_this_repository_is_deployed_edited_redeployed_and_rolled_back() {
    if !is_full() {
        return;
    }
    let Some(stage) = Stage::of(Fixture::clone_of_this_repository(), Vec::new()) else { return };
    fs::remove_dir_all(stage.fixture.path("infra/.terraform")).unwrap();
    let deploy = || stage.make(&["deploy", "ENV=preprod", "PACKAGE=image"]).ok();

    let first = deploy();
    assert_eq!(stages(&first), ["package-and-push", "terraform-init", "terraform-workspace", "terraform-apply"]);
    let (old, old_tag) = (stage.latest(), stage.tag("lambda"));
    assert_eq!(stage.deployed(), old);

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
