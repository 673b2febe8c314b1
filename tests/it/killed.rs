//! Kill -9 at two hundred moments of a build: whatever the packager was about to do, the next run ends with
//! a correct zip, and nobody has to tidy up first.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::clean::Project;
use crate::support::{Engine, Live};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// On each of the two roads.
const KILLS: u32 = 100;

/// A moment: so long after the run told of this event. What comes after an event is another stage.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// The stage that had just ended; none for the start of the process.
    after: Option<&'static str>,
    delay: Duration,
}

fn moment() -> impl Strategy<Value = Moment> {
    // Before the compile, in it, and from its end to the manifest, which is most of what can be torn.
    let stage =
        |after, micros| (0..micros).prop_map(move |micros| Moment { after, delay: Duration::from_micros(micros) });
    prop_oneof![
        stage(None, 5_000u64),
        stage(Some("verdict"), 20_000),
        stage(Some("fetch"), 100_000),
        stage(Some("container"), 500_000),
        stage(Some("compile"), 5_000),
        stage(Some("verify"), 5_000),
        stage(Some("zip"), 20_000),
    ]
}

fn kill(live: &Live) {
    // It may have ended by itself.
    let _ = Command::new("kill").args(["-s", "KILL", &live.pid().to_string()]).output();
}

fn whatever_the_moment(engine: &'static str) {
    let project = Project::hello(engine);
    project.misses("first build");
    let mut runner = TestRunner::new(Config {
        cases: KILLS,
        // Each case begins where the one before it ended: a shorter series would begin elsewhere.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    });
    let (killed, builds) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let result = runner.run(&moment(), |moment| {
        // Few texts, so that the truth about each is built once.
        builds.set(builds.get() + 1);
        let text = format!("text {}", builds.get() % 8);
        project.fixture.says(&text);
        let mut live = Live::start(&mut project.command());
        if let Some(stage) = moment.after {
            live.until(&format!("end of {stage}"), |event| event["event"] == "stage" && event["stage"] == stage);
        }
        thread::sleep(moment.delay);
        kill(&live);
        let code = live.end().code();
        prop_assert!(code == 128 + 9 || code == 0, "exit status {code}");
        killed.set(killed.get() + u32::from(code != 0));

        let next = project.run().ok();
        prop_assert!(code != 0 || next.verdict() == "cache-hit", "{}", next.stderr);
        prop_assert_eq!(project.fixture.output_of_bootstrap("hello"), text);
        project.is_as_a_clean_build(next.verdict());
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    println!("{engine}: {} of {} runs were killed before their end", killed.get(), builds.get());
    assert!(killed.get() > KILLS / 3, "only {} of {} runs were killed before their end", killed.get(), builds.get());
    project.hits();
    // What the killed were writing is gone.
    let folder = std::fs::read_dir(project.path("target/lambda/hello")).expect("a folder");
    let names: Vec<_> = folder.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("tmp")), "{names:?}");
}

#[test]
fn a_hundred_kills_on_the_container_road() {
    if Engine::Docker.is_here() {
        whatever_the_moment("docker");
    }
}

#[test]
fn a_hundred_kills_on_the_host_road() {
    whatever_the_moment("host");
}
