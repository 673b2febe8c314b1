//! What leads into the clean room though the container was asked for, and what mends it.

use std::fs;
use std::process::Command;

use crate::clean_room::builder::{BASE, Kind, Ready, builders};
use crate::support::{Ended, Fixture, OwnDocker, Story};

#[test]
fn where_no_container_starts_the_clean_room_compiles_and_says_why() {
    let fixture = Fixture::hello();
    // An engine on another machine, as it were: it sees no file of the project.
    let Some(ready) = Ready::made() else { return };
    let Some(own) = OwnDocker::start_with(ready.docker.as_deref(), Some(fixture.around())) else { return };
    let run = |network: &str, args: &[&str]| {
        let mut command = fixture.command_elsewhere();
        command.env("DOCKER_HOST", own.host()).env("LAMBDA_PACKAGER_NETWORK", network);
        Story::of(command.args(["--engine", "docker"]).args(args))
    };
    // The container needs none.
    run("none", &["--base", BASE]).ok();
    assert_eq!(fixture.manifest("hello")["road"]["clean_room"], false);
    let zip = fixture.zip("hello");

    // A base that was made again under its name is another one: a new container compiles, and begins with nothing.
    let image = || fixture.manifest("hello")["road"]["image_id"].clone();
    let before = image();
    let created = Ended::answer(own.command().args(["create", BASE, "none"]));
    Ended::answer(own.command().args(["commit", &created, BASE]));
    Ended::answer(own.command().args(["rm", &created]));
    fixture.says("on another base");
    let story = run("none", &["--base", BASE]).ok();
    assert!(story.notes().iter().any(|note| note.contains("the specification of the container")), "{story}");
    assert_ne!(image(), before);
    fixture.says("hello");

    own.loses_its_bridge();
    let story = run("bridge", &["--base", BASE]).ok();
    let announced = |part: &str| story.notes().iter().any(|note| note.contains(part));
    assert!(announced("the container does not start: ") && announced("compiling in the clean room instead"), "{story}");
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    assert!(fixture.zip("hello") == zip);
    let road = &fixture.manifest("hello")["road"];
    assert!(road["clean_room"] == true && road["fallback"].as_str().is_some_and(|why| why.contains("does not start")));
    // Without an image there is no clean room either: then the engine's error stands.
    let story = run("bridge", &["--force", "--base", "host"]);
    assert_eq!(story.code(), 3, "{story}");
    assert!(story.failure().contains("docker start"), "{story}");
}

#[test]
fn a_layer_that_was_damaged_is_made_again_once() {
    for builder in builders(Kind::BuildKit) {
        let layers = builder.store().join(if builder.kind == Kind::Podman { "overlay" } else { "overlay2" });
        let fixture = Fixture::hello();
        let run = || Story::of(&mut builder.package(&fixture, &["--clean-room"]));
        run().ok();
        let zip = fixture.zip("hello");
        let mended = "everything is compiled again, with an empty target directory";
        // What was compiled is gone from the engine's own files; its records still tell of it.
        let find = format!("find {} -type d -path '*/target/*/deps' -exec rm -r {{}} +", layers.display());
        Ended::of(Command::new("sh").args(["-c", &find])).ok();
        fixture.says("hello again");
        let story = run().ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "hello again", "{:?}: {story}", builder.kind);
        fixture.says("hello");
        run().ok();
        assert!(fixture.zip("hello") == zip);
        let layers = fs::read_dir(layers).unwrap().flatten().map(|layer| layer.path());
        let (stages, layers): (Vec<_>, Vec<_>) =
            layers.partition(|layer| layer.join("diff/parcel").exists() && builder.kind == Kind::Podman);
        if builder.kind == Kind::Podman {
            // What one stage copies from another. Docker's builders take it from their cache.
            for layer in stages {
                fs::remove_dir_all(layer.join("diff/parcel")).unwrap();
            }
            let story = Story::of(&mut builder.package(&fixture, &["--clean-room", "--force"])).ok();
            assert!(story.notes().iter().any(|note| note.contains(mended)), "{story}");
            assert!(fixture.zip("hello") == zip);
        }
        // And now whole layers.
        for layer in layers.iter().filter(|layer| layer.join("diff/workspace").exists()) {
            fs::remove_dir_all(layer).unwrap();
        }
        fixture.says("hello once more");
        let story = run().ok();
        assert!(story.notes().iter().any(|note| note.contains(mended)), "{:?}: {story}", builder.kind);
        assert_eq!(fixture.output_of_bootstrap("hello"), "hello once more");

        // What nobody here can make again: the base. The clean room says so, and where the container is asked for too. The
        // layers that it has so far are those of all tests, so it gets one of its own.
        builder.build(BASE, &format!("FROM {BASE}\nRUN touch /own\n"));
        builder.damage(BASE, "");
        fixture.says("hello in vain");
        for road in [&["--clean-room"][..], &[]] {
            let story = Story::of(&mut builder.package(&fixture, road));
            let remedy = format!("{} rmi --force {BASE}", builder.engine());
            assert!(story.code() == 3 && story.failure().contains(&remedy), "{:?}: {story}", builder.kind);
        }
    }
}
