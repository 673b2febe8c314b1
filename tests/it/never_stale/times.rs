//! Traps for whoever believes a clock.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::never_stale::{built_hello, built_pair, docker, printing};
use crate::support::clean::{Project, long_ago};
use crate::support::{Engine, Fixture, cases};

/// The library of [`Project::pair`], saying `text`.
fn part(text: &str) -> String {
    format!("pub fn text() -> &'static str {{\n    \"{text}\"\n}}\n")
}

#[test]
fn a_same_size_edit_right_after_the_record() {
    let Some(docker) = docker() else { return };
    let project = built_hello(docker);
    for round in 0..cases(3, 20) {
        // The hit writes the record; the edit follows within the same step of a coarse clock.
        assert_eq!(project.run().ok().verdict(), "cache-hit");
        let mtime = project.mtime("src/main.rs");
        project.write("src/main.rs", &printing("two"));
        project.date("src/main.rs", mtime);
        assert_eq!(project.explain(), (1, "cache-miss: changed src/main.rs".into()), "round {round}");
        project.write_keeping_mtime("src/main.rs", &printing("one"));
        assert_eq!(project.explain(), (0, "cache-hit".into()), "round {round}");
    }
    project.write_keeping_mtime("src/main.rs", &printing("two"));
    project.misses("changed src/main.rs");
}

/// While the gate looks, somebody writes; once he stops, the truth is found whatever was seen before.
#[test]
fn edits_while_the_gate_looks() {
    let project = Project::hello("host");
    project.write("src/main.rs", &printing("one"));
    project.misses("first build");
    for round in 0..cases(2, 10) {
        let path = project.path("src/main.rs");
        let mtime = project.mtime("src/main.rs");
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut count = round;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    fs::write(&path, printing(if count % 2 == 0 { "two" } else { "one" })).expect("it is writable");
                    let file = fs::File::options().append(true).open(&path).expect("it is there");
                    file.set_modified(mtime).expect("it is ours");
                    count += 1;
                }
            });
            // Whether it compiles half a file, or reuses what was the truth a moment ago, is not judged.
            let _ = project.run();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        fs::write(&path, printing(if round % 2 == 0 { "two" } else { "one" })).expect("it is writable");
        project.date("src/main.rs", mtime);
        let (code, verdict) = project.explain();
        assert_eq!(project.run().ok().verdict(), verdict);
        project.is_as_a_clean_build(&format!("{verdict} in round {round}, {code}"));
    }
}

#[test]
fn an_edit_with_the_mtime_preserved() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    project.write_keeping_mtime("part/src/lib.rs", &part("part 2"));
    project.misses("changed part/src/lib.rs");
    project.write_keeping_mtime("app/src/main.rs", "fn main() {\n    println!(\"app 2, {}\", part::text());\n}\n");
    project.misses("changed app/src/main.rs");
}

#[test]
fn an_edit_with_an_old_mtime() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    project.write_old("part/src/lib.rs", &part("part 2"));
    project.misses("changed part/src/lib.rs");
    project.write_old("part/src/lib.rs", &part("part 3"));
    project.write("app/src/main.rs", "fn main() {\n    println!(\"app 2, {}\", part::text());\n}\n");
    project.misses("changed app/src/main.rs (+1 more)");
}

#[test]
fn a_file_replaced_by_renaming_an_older_one() {
    let Some(docker) = docker() else { return };
    let project = Project::hello(docker);
    let aside = Fixture::empty("aside");
    aside.write("main.rs", &printing("two"));
    fs::File::open(aside.path("main.rs")).and_then(|file| file.set_modified(long_ago())).expect("it is ours");
    project.write("src/main.rs", &printing("one"));
    project.misses("first build");
    fs::rename(aside.path("main.rs"), project.path("src/main.rs")).expect("one file system");
    project.misses("changed src/main.rs");
}

#[test]
fn a_file_from_the_future_and_then_one_from_the_present() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    project.write("part/src/lib.rs", &part("part 2"));
    project.date("part/src/lib.rs", SystemTime::now() + Duration::from_secs(86_400));
    project.misses("changed part/src/lib.rs");
    project.write("part/src/lib.rs", &part("part 3"));
    project.misses("changed part/src/lib.rs");
}

/// Everything that was compiled so far is dated in the future, as after the clock was set back.
#[test]
fn a_clock_set_back_between_two_compiles() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    let containers = project.fixture.containers(Engine::Docker);
    let tomorrow = "find /target -exec touch -d '+1 day' {} +";
    Engine::Docker.ask(&["exec", &containers[0], "sh", "-c", tomorrow]);
    project.write("part/src/lib.rs", &part("part 2"));
    project.misses("changed part/src/lib.rs");
    project.write("app/src/main.rs", "fn main() {\n    println!(\"app 2, {}\", part::text());\n}\n");
    project.misses("changed app/src/main.rs");
}

#[test]
fn a_clock_set_back_on_the_host() {
    let project = built_pair("host");
    let target = project.path("target/lambda");
    let tomorrow = "find \"$0\"/host-target-* -exec touch -d '+1 day' {} +";
    let touched = Command::new("sh").args(["-c", tomorrow]).arg(&target).status().expect("sh starts");
    assert!(touched.success());
    project.write("part/src/lib.rs", &part("part 2"));
    project.misses("changed part/src/lib.rs");
}

#[test]
fn a_touch_without_a_change_is_a_hit() {
    let Some(docker) = docker() else { return };
    let project = built_hello(docker);
    for mtime in [SystemTime::now(), long_ago(), SystemTime::now() + Duration::from_secs(3600)] {
        project.date("src/main.rs", mtime);
        project.hits();
    }
}

#[test]
fn everything_touched_and_one_thing_changed() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    for path in ["app/src/main.rs", "part/src/lib.rs", "Cargo.toml", "Cargo.lock", "app/Cargo.toml"] {
        project.date(path, long_ago());
    }
    project.write_keeping_mtime("part/src/lib.rs", &part("part 2"));
    project.misses("changed part/src/lib.rs");
}
