//! Traps for whoever believes a clock.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::never_stale::{APP, PART, built_hello, built_pair, docker};
use crate::support::clean::Date::{Future, Kept, Now, Old};
use crate::support::clean::{app, long_ago, part, printing};
use crate::support::{Engine, Fixture, cases};

#[test]
fn a_same_size_edit_right_after_the_record() {
    let Some(project) = docker().map(built_hello) else { return };
    for round in 0..cases(3, 20) {
        // The hit writes the record; the edit follows within the same step of a coarse clock.
        assert_eq!(project.run().ok().verdict(), "cache-hit");
        project.write_dated("src/main.rs", &printing("two"), Kept);
        assert_eq!(project.explain(), (1, "cache-miss: changed src/main.rs".into()), "round {round}");
        project.write_dated("src/main.rs", &printing("one"), Kept);
        assert_eq!(project.explain(), (0, "cache-hit".into()), "round {round}");
    }
    project.changes("src/main.rs", &printing("two"), Kept);
}

/// While the gate looks, somebody writes; once he stops, the truth is found whatever was seen before.
#[test]
fn edits_while_the_gate_looks() {
    let project = built_hello("host");
    for round in 0..cases(2, 10) {
        let path = project.path("src/main.rs");
        let mtime = project.mtime("src/main.rs");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut count = round;
                while !stop.load(Ordering::Relaxed) {
                    fs::write(&path, printing(if count % 2 == 0 { "two" } else { "one" })).expect("it is writable");
                    let file = fs::File::options().append(true).open(&path).expect("it is there");
                    file.set_modified(mtime).expect("it is ours");
                    count += 1;
                }
            });
            // Whether it compiles half a file, or reuses what was the truth a moment ago, is not judged.
            let _ = project.run();
            stop.store(true, Ordering::Relaxed);
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
    let Some(project) = docker().map(built_pair) else { return };
    project.changes(PART, &part("part 2"), Kept);
    project.changes(APP, &app("app 2"), Kept);
}

#[test]
fn edits_with_an_old_mtime_one_of_the_future_and_then_one_of_the_present() {
    let Some(project) = docker().map(built_pair) else { return };
    project.changes(PART, &part("part 2"), Old);
    project.write_dated(PART, &part("part 3"), Old);
    project.write(APP, &app("app 2")).misses("changed app/src/main.rs (+1 more)");
    project.changes(PART, &part("part 4"), Future);
    project.changes(PART, &part("part 5"), Now);
}

#[test]
fn a_file_replaced_by_renaming_an_older_one() {
    let Some(project) = docker().map(built_hello) else { return };
    let aside = Fixture::empty("aside");
    aside.write("main.rs", &printing("two"));
    fs::File::open(aside.path("main.rs")).and_then(|file| file.set_modified(long_ago())).expect("it is ours");
    fs::rename(aside.path("main.rs"), project.path("src/main.rs")).expect("one file system");
    project.misses("changed src/main.rs");
}

/// Everything that was compiled so far is dated in the future, as after the clock was set back.
#[test]
fn a_clock_set_back_between_two_compiles() {
    let Some(project) = docker().map(built_pair) else { return };
    let tomorrow = |folder: &str| format!("find {folder} -mindepth 1 -exec touch -d '+1 day' {{}} +");
    let container = project.fixture.container(Engine::Docker);
    // The other one as if the machine had lost its power during a compile.
    let ends = [tomorrow("/cargo/.lambda-packager"), "echo another >/cargo/.lambda-packager/begun".to_string()];
    for (count, end) in ends.iter().enumerate() {
        Engine::Docker.exec(&container, &tomorrow("/target")).ok();
        Engine::Docker.exec_as_root(&container, end).ok();
        project.changes(PART, &part(&format!("part 2{count}")), Now);
        project.changes(APP, &app(&format!("app 2{count}")), Now);
    }
}

#[test]
fn a_clock_set_back_on_the_host() {
    let project = built_pair("host");
    let target = project.path("target/lambda");
    let tomorrow = "find \"$0\"/host-*/target \"$0\"/host-*/.lambda-packager -exec touch -d '+1 day' {} +";
    let touched = Command::new("sh").args(["-c", tomorrow]).arg(&target).status().expect("sh starts");
    assert!(touched.success());
    project.changes(PART, &part("part 2"), Now);
}

#[test]
fn a_touch_without_a_change_is_a_hit() {
    let Some(project) = docker().map(built_hello) else { return };
    for date in [Now, Old, Future] {
        project.write_dated("src/main.rs", &printing("one"), date).hits();
    }
}

#[test]
fn everything_touched_and_one_thing_changed() {
    let Some(project) = docker().map(built_pair) else { return };
    for path in ["app/src/main.rs", "part/src/lib.rs", "Cargo.toml", "Cargo.lock", "app/Cargo.toml"] {
        project.date(path, long_ago());
    }
    project.changes(PART, &part("part 2"), Kept);
}
