//! Kill -9 at any moment of a build: whatever the packager was about to do, the next run ends with
//! a correct zip, and nobody has to tidy up first.

use std::process::Command;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use crate::support::clean::Project;
use crate::support::{Engine, Live, cases, rows};

/// The stages that had just ended, none for the start of the process, and how many microseconds after each a kill comes at most: before the compile, in it, and from its end
/// to the manifest, which is most of what can be torn.
const STAGES: [(Option<&str>, u64); 7] = [
    (None, 5_000),
    (Some("verdict"), 20_000),
    (Some("fetch"), 100_000),
    (Some("container"), 500_000),
    (Some("compile"), 5_000),
    (Some("verify"), 5_000),
    (Some("zip"), 20_000),
];

fn whatever_the_moment(engine: &'static str) {
    let project = Project::hello(engine);
    project.misses("first build");
    let (mut killed, mut builds) = (0, 0);
    let half = STAGES.map(|(after, most)| (after, most / 2));
    let moment = select(&STAGES).prop_flat_map(|(after, most)| (Just(after), 0..most));
    rows(half, 100, moment, |(after, micros)| {
        // Few texts, so that the truth about each is built once.
        builds += 1;
        let text = format!("text {}", builds % cases(2, 8));
        project.fixture.says(&text);
        let mut live = Live::start(&mut project.command());
        if let Some(stage) = after {
            live.until(&format!("end of {stage}"), |event| event["event"] == "stage" && event["stage"] == stage);
        }
        thread::sleep(Duration::from_micros(micros));
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-s", "KILL", &live.pid().to_string()]).output();
        let code = live.end().code();
        prop_assert!(code == 128 + 9 || code == 0, "exit status {code}");
        killed += u32::from(code != 0);

        let next = project.run().ok();
        prop_assert!(code != 0 || next.verdict() == "cache-hit", "{}", next.stderr);
        prop_assert_eq!(project.fixture.output_of_bootstrap("hello"), text);
        project.is_as_a_clean_build(next.verdict());
        Ok(())
    });
    assert!(killed > builds / 3, "only {killed} of {builds} runs were killed before their end");
    project.hits();
    // What the killed were writing is gone.
    let folder = std::fs::read_dir(project.path("target/lambda/hello")).expect("a folder");
    let names: Vec<_> = folder.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("tmp")), "{names:?}");
}

#[test]
fn whenever_it_is_killed_in_a_container() {
    if Engine::Docker.is_here() {
        whatever_the_moment("docker");
    }
}

#[test]
fn whenever_it_is_killed_on_the_host() {
    whatever_the_moment("host");
}
