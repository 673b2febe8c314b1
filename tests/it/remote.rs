//! Engines that are not on this machine, or that several machines use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::clean_room::builder::{BASE, Ready};
use crate::support::{Ended, Fixture, OwnDocker, Story, program, under};

/// An engine as on another machine, with the image of a toolchain.
fn elsewhere() -> Option<OwnDocker> {
    OwnDocker::elsewhere(Some(Ready::made()?.docker.as_ref()?))
}

/// The bin for `fixture` on the engine of this address.
fn package(fixture: &Fixture, host: &str, base: &str) -> Command {
    let mut command = fixture.command_elsewhere();
    command.args(["--engine", "docker", "--base", base]).env("DOCKER_HOST", host);
    command
}

/// `command` on a machine with another id.
fn on_another_machine(fixture: &Fixture, command: &Command) -> Command {
    fixture.write("../machine-id", "0123456789abcdef0123456789abcdef\n");
    let other = "echo another >/proc/sys/kernel/hostname
        [ ! -e /etc/machine-id ] || mount --bind \"$0\" /etc/machine-id && exec \"$@\"";
    let id = fixture.around().join("machine-id");
    under(&["unshare", "--uts", "--mount", "sh", "-c", other, &id.to_string_lossy()], command)
}

/// What the engine has of the packager's.
fn containers(own: &OwnDocker) -> Vec<String> {
    let all = own.ask(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}", "--filter", "name=lambda-packager-"]);
    all.lines().map(String::from).collect()
}

#[test]
fn an_engine_on_another_machine_compiles_as_one_on_this_machine() {
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    own.hides(&fixture.around(), None);
    let host = own.host_elsewhere();
    let verdict = || Story::of(&mut package(&fixture, &host, BASE)).ok().verdict().to_string();
    assert_eq!(verdict(), "cache-miss: first build");
    assert!(
        fixture.zip("hello") == Fixture::hello_packaged("docker").zip("hello"),
        "the bytes of this machine's engine"
    );
    assert_eq!(verdict(), "cache-hit");
    fixture.says("edited");
    assert_eq!(verdict(), "cache-miss: changed src/main.rs");
    assert_eq!(fixture.output_of_bootstrap("hello"), "edited");
    let ours = containers(&own);
    assert_eq!(ours.len(), 1, "{ours:?}");

    // Another machine, with the same path and the same user, on the same engine.
    fixture.says("there");
    Story::of(&mut on_another_machine(&fixture, &package(&fixture, &host, BASE))).ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "there");
    let both = containers(&own);
    assert!(both.len() == 2 && both.contains(&ours[0]), "{both:?}");
    let mut clean = package(&fixture, &host, BASE);
    clean.args(["clean", "--everything"]);
    Ended::of(&mut on_another_machine(&fixture, &clean)).ok();
    assert_eq!(containers(&own), ours);
}

#[test]
fn a_toolchain_that_the_engine_does_not_see_is_not_replaced_by_one_that_it_has_at_the_same_path() {
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    let run = || Story::of(&mut package(&fixture, &own.host_elsewhere(), "host"));
    // Another Rust, which would make what it wants.
    let sysroot = PathBuf::from(Ended::answer(Command::new("rustc").args(["--print", "sysroot"])));
    let other = fixture.around().join("other");
    fs::create_dir(&other).unwrap();
    for name in ["cargo", "rustc"] {
        let real = sysroot.join("bin").join(name);
        fs::copy(real, other.join(format!("{name}-real"))).unwrap();
        program(&other.join(name), format!("#!/bin/sh\nexec /opt/rust/bin/{name}-real \"$@\"\n").as_bytes());
    }
    own.hides(&sysroot.join("bin"), Some(&other));
    let refused = |why: &str| {
        let story = run();
        assert_eq!(story.code(), 3, "{story}");
        let failure = story.failure();
        assert!(failure.contains(why) && failure.contains("set `base` to an image with cargo"), "{failure}");
        assert!(!fixture.path("target/lambda/hello/lambda-deployment.zip").exists());
    };
    refused("the engine mounted another toolchain than the one of this machine");
    let [container] = &containers(&own)[..] else { panic!("{:?}", containers(&own)) };
    own.ask(&["rm", "--force", container.split(' ').next().unwrap()]);
    // And none.
    own.hides(sysroot.parent().unwrap(), None);
    refused("bind source path does not exist");
}
