//! The room that images of dependencies take is bounded. In an engine of the test's own: in the machine's
//! are the user's.

use super::{KEPT, WARM, depending_on, image_after, with_itoa};
use crate::support::{Ended, Engine, Fixture, OwnDocker, is_full};

fn run(fixture: &Fixture, own: &OwnDocker, limit: &str) -> Ended {
    let mut command = fixture.command_on(Engine::Docker);
    Ended::of(command.env("DOCKER_HOST", own.host()).env("LAMBDA_PACKAGER_DEPS_CACHE_LIMIT", limit)).ok()
}

fn kept(own: &OwnDocker) -> Vec<String> {
    let names = own.ask(&["images", "--format", "{{.Repository}}:{{.Tag}}", "lambda-packager-deps"]);
    let mut names: Vec<String> = names.lines().filter(|name| !name.contains("-used-")).map(String::from).collect();
    names.sort();
    names
}

#[test]
fn the_least_recently_used_goes_first() {
    if !is_full() {
        return;
    }
    let Some(own) = OwnDocker::start() else { return };
    let size = |image: &str| -> u64 { own.ask(&["image", "inspect", "--format", "{{.Size}}", image]).parse().unwrap() };
    let small = with_itoa("bounds");
    let small_image = image_after(KEPT, &run(&small, &own, "1 GB"));
    let big = depending_on("bounds", "quote = \"1\"\n", "quote::quote!(a).to_string()");
    let big_image = image_after(KEPT, &run(&big, &own, "1 GB"));
    assert!(size(&big_image) > size(&small_image));
    // The older one is used again.
    let again = run(&with_itoa("bounds"), &own, "1 GB");
    assert_eq!(image_after(WARM, &again), small_image);
    assert_eq!(kept(&own).len(), 2);
    assert_eq!(own.ask(&["images", "--quiet", "lambda-packager-deps"]).lines().count(), 4, "one mark for each");

    let room = size(&small_image) + size(&big_image);
    let third = depending_on("bounds", "autocfg = \"1\"\n", "autocfg::rerun_env as fn(&str) as usize");
    let third_image = image_after(KEPT, &run(&third, &own, &room.to_string()));
    let mut expected = vec![small_image, third_image];
    expected.sort();
    assert_eq!(kept(&own), expected);

    // What alone takes more than there may be is not kept, and the others go before it.
    let alone = depending_on("alone", "quote = \"1\"\n", "quote::quote!(a).to_string()");
    let ended = run(&alone, &own, "1000");
    assert!(!ended.stderr.contains(KEPT), "{}", ended.stderr);
    assert_eq!(kept(&own), Vec::<String>::new());
    let left = own.ask(&["images", "--all", "--quiet", "--filter", "label=lambda-packager.deps"]);
    assert_eq!(left, "");
}
