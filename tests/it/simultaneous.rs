//! Many runs at once: one compiles, the others wait for it by name, and all end with the same zip.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{Ended, Engine, Fixture, Gated, Live, Story, cases, kill, one_engine, podman_with_all_cases};

/// How many times the function was compiled, going by what cargo said.
fn compiles(stories: &[Story]) -> usize {
    stories.iter().map(|story| story.cargo().lines().filter(|line| line.contains("Compiling hello")).count()).sum()
}

fn digest(story: &Story) -> String {
    story.event("finished")["zip_sha256"].as_str().expect("a digest").to_string()
}

/// Whether what is told of the holder of a lock names this process.
fn is_named(holder: &str, pid: u32) -> bool {
    holder.starts_with(&format!("process {pid} (lambda-packager), which took the lock "))
}

#[test]
fn many_runs_at_once_compile_once_in_each_round() {
    let (runs, rounds) = cases((4, 3), (8, 20));
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello_packaged(engine.name());
    let container = fixture.container(engine);
    let mut digests = BTreeSet::new();
    for round in 1..=rounds {
        fixture.says(&format!("round {round}"));
        let running: Vec<Live> = (0..runs).map(|_| Live::start(&mut fixture.command_on(engine))).collect();
        let pids: Vec<u32> = running.iter().map(Live::pid).collect();
        let stories: Vec<Story> = running.into_iter().map(|live| live.end().ok()).collect();

        assert_eq!(compiles(&stories), 1, "round {round}: {stories:#?}");
        let verdicts: Vec<&str> = stories.iter().map(Story::verdict).collect();
        let misses: Vec<_> = verdicts.iter().filter(|verdict| **verdict != "cache-hit").collect();
        assert_eq!(misses, [&"cache-miss: changed src/main.rs"], "round {round}");
        let made: BTreeSet<String> = stories.iter().map(digest).collect();
        assert_eq!(made.len(), 1, "round {round}: {made:?}");
        assert_eq!(fixture.output_of_bootstrap("hello"), format!("round {round}"));
        digests.extend(made);

        // Whoever waited knew for whom.
        for event in stories.iter().flat_map(|story| &story.events).filter(|event| event["event"] == "waiting") {
            let holder = event["holder"].as_str().expect("text");
            let named = pids.iter().any(|pid| is_named(holder, *pid));
            // One that has just taken the lock has not signed yet.
            assert!(named || holder == "another run", "round {round}: {holder:?}, of {pids:?}");
        }
    }
    assert_eq!(digests.len(), rounds, "each round has a zip of its own");
    assert_eq!(fixture.container(engine), container);
}

#[test]
fn who_waits_says_for_whom_and_a_dead_holder_leaves_nothing() {
    let Some(engine) = podman_with_all_cases() else { return };
    let mut gated = Gated::new(engine);
    let first = gated.held_build();
    // In another mode too: zip, record and log are the same files.
    let mut second = Live::start(gated.command().args(["--mode", "dev"]));
    let event = second.until("note of waiting", |event| event["event"] == "waiting");
    let holder = event["holder"].as_str().expect("text");
    assert!(is_named(holder, first.pid()), "{holder:?}");

    // The holder dies as nobody can prevent; the waiter is next and compiles.
    kill("KILL", &first.pid().to_string());
    assert_eq!(first.end().code(), 128 + 9);
    gated.release();
    second.end().ok();
    assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
}

/// A fake: no file system here refuses locks, so the C library does, of which the bin asks them.
#[test]
fn a_file_system_that_cannot_lock_is_an_error_that_says_so() {
    let fixture = Fixture::hello_packaged("host");
    let before = fixture.zip("hello");
    fixture.says("other");
    let source = "#include <errno.h>\nint flock(int fd, int op) { errno = ENOLCK; return -1; }\n";
    fixture.write("target/no-locks.c", source);
    let (source, library) = (fixture.path("target/no-locks.c"), fixture.path("target/no-locks.so"));
    Ended::of(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source])).ok();
    let mut command = fixture.command_for("host");
    command.env("LD_PRELOAD", library);
    Ended::of(&mut command)
        .fails(1, &["function-hello.lock cannot lock files", "help: keep the project on a local file system"]);
    assert!(fixture.zip("hello") == before, "the last good zip was touched");
    assert_eq!(fixture.run(&["--engine", "host"]).ok().verdict(), "cache-miss: changed src/main.rs");
}
