//! Traps for whoever believes that the last record tells what lies in the target directory: between two
//! records there may have been compiles that failed, were killed, or were somebody else's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::never_stale::{APP, PART, built_pair, docker};
use crate::support::clean::Date::{Kept, Now, Old};
use crate::support::clean::{Project, app, part, printing, returning};
use crate::support::{Ended, Engine, Gate, is_installed, packager};

/// What the build script of the held function says before it waits.
const WAITS: &str = "the build script runs";

/// The library compiles, the function does not.
fn fails_to_compile(project: &Project) {
    project.write(PART, &part("part of a failed compile"));
    project.write(APP, "fn main() { no }\n");
    project.run().fails(4, &["does not compile"]);
    project.write_dated(PART, &part("part 1"), Old);
}

/// Cargo believes that the files of a vendored crate never change.
#[test]
fn a_vendored_crate_that_changed_where_the_record_of_what_was_sent_is_gone_or_a_shell_was_between() {
    let Some(project) = docker().map(Project::vendoring) else { return };
    let script = "fn main() {\n    println!(\"cargo:rerun-if-changed=build.rs\");\n    \
                  println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(\"text\").unwrap());\n}\n";
    project.write("vendor/part/build.rs", script).write("vendor/part/src/lib.rs", &returning("env!(\"READ\")"));
    project.write("vendor/part/text", "one").misses("first build");
    project.write("vendor/part/text", "two");
    let state = project.path("target/lambda");
    for file in fs::read_dir(&state).expect("a folder").flatten().map(|entry| entry.path()) {
        if file.extension().is_some_and(|it| it == "sent") {
            fs::remove_file(file).expect("it is there");
        }
    }
    project.misses_somehow();
    project.write("vendor/part/text", "six");
    if !is_installed("script", "Debian: `bsdutils`") {
        return;
    }
    let typed = project.fixture.around().join("typed");
    fs::write(&typed, "exit\n").expect("a file");
    let mut shell = Command::new("script");
    let call = format!("'{}' --engine docker container shell", packager().display());
    project.fixture.prepare(shell.args(["--quiet", "--return", "--command", &call, "/dev/null"]));
    Ended::of(shell.stdin(fs::File::open(&typed).expect("a file"))).ok();
    project.misses_somehow();
}

/// A hit in between has nothing to compile, and must not forget what was compiled.
#[test]
fn a_restore_after_a_failed_compile_and_one_that_is_a_hit_first() {
    let Some(project) = docker().map(built_pair) else { return };
    fails_to_compile(&project);
    project.changes(APP, &app("app 2"), Old);
    fails_to_compile(&project);
    project.write_dated(APP, &app("app 2"), Old).hits();
    project.changes(APP, &app("app 3"), Now);
}

#[test]
fn a_restore_after_a_killed_compile() {
    let Some(project) = docker().map(Project::pair) else { return };
    let gate = Gate::new();
    project.write("app/build.rs", &gate.waiting_build_script(WAITS)).misses("first build");
    project.write(PART, &part("part of a killed compile"));
    gate.put("hold", "");
    project.write("app/touch", "");
    let mut child = project.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the bin starts");
    let container = project.fixture.containers(Engine::Docker).remove(0);
    let compiled = "until grep -qs 'part of a killed compile' /target/*/release/deps/libpart-*.rlib &&
        [ -s \"$(echo /target/*/release/.fingerprint/part-*/lib-part)\" ]; do sleep 0.02; done";
    Engine::Docker.ask(&["exec", &container, "sh", "-c", compiled]);
    child.kill().expect("it still waits");
    child.wait().expect("it was killed");
    gate.take_away("hold");
    project.remove("app/touch");
    project.write_dated(PART, &part("part 1"), Old).hits();
    project.changes(APP, &app("app 2"), Now);
}

/// The same, from within the compile: a source that changes under the compiler's eyes.
#[test]
fn an_input_that_changes_during_the_compile() {
    let Some(project) = docker().map(Project::pair) else { return };
    let gate = Gate::new();
    project.write("app/build.rs", &gate.waiting_build_script(WAITS));
    gate.put("hold", "");
    let mut command = project.command();
    let mut child = command.args(["--message-format", "json"]).stdout(Stdio::piped()).spawn().expect("the bin starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("UTF-8"));
    lines.by_ref().find(|line| line.contains("Compiling app")).expect("it compiles");
    // Whether the compiler has read the library by now nobody knows; the record must not claim either.
    project.write_dated(PART, &part("part 2"), Old);
    gate.take_away("hold");
    let finished = lines.last().expect("a last event");
    assert!(finished.contains("finished"), "{finished}");
    assert!(child.wait().expect("it ends").success());
    project.misses("part/src/lib.rs changed while it was compiled");
}

#[test]
fn two_functions_that_share_a_library_built_in_turns() {
    let Some(mut project) = docker().map(Project::pair) else { return };
    project.members(&["app", "part", "other"]);
    project.calls_part("other", "");
    project.write("other/src/main.rs", &app("other 1")).misses("first build");
    project.function("other").misses("first build");
    for (text, functions) in [("part 2", ["other", "app"]), ("part 1", ["app", "other"])] {
        project.write_dated(PART, &part(text), Kept);
        for function in functions {
            project.function(function).misses("changed part/src/lib.rs");
        }
    }
    // What the other function compiled is gone from the sources, and this one is as it was.
    project.changes(PART, &part("part 3"), Kept);
    project.write_dated(PART, &part("part 1"), Kept);
    project.function("app").hits();
    project.changes(APP, &app("app 2"), Now);
    // What they share is compiled once, whose turn it is.
    for (function, main) in [("other", "other/src/main.rs"), ("app", APP)] {
        let ended = project.function(function).write(main, &app("turn")).run().ok();
        assert!(ended.stderr.contains(&format!("Compiling {function}")), "{}", ended.stderr);
        assert!(!ended.stderr.contains("Compiling part"), "{}", ended.stderr);
    }
}

#[test]
fn two_functions_of_one_name() {
    let Some(mut project) = docker().map(|docker| Project::workspace(docker, &["left", "right"])) else { return };
    for side in ["left", "right"] {
        project.package(side, "[[bin]]\nname = \"bootstrap\"\npath = \"main.rs\"\n");
        project.write(&format!("{side}/main.rs"), &printing(side));
    }
    // Each has its own record: neither makes the other a miss.
    let of = |project: &mut Project, side: &str| {
        project.function(&format!("{side}.bootstrap"));
        project.arguments(&["--package", side]);
    };
    for side in ["left", "right"] {
        of(&mut project, side);
        project.misses("first build");
    }
    of(&mut project, "left");
    project.hits();
    project.write_dated("right/main.rs", &printing("rigth"), Kept).hits();
    of(&mut project, "right");
    project.misses_somehow();
}

#[test]
fn docker_then_podman_then_docker() {
    if !Engine::Docker.is_here() || !Engine::Podman.is_here() {
        return;
    }
    let mut project = built_pair("docker");
    // The target directory of each engine does not see what the other one compiles.
    for (text, engine, reason) in [
        ("part 2", "podman", "engine docker -> podman (+1 more)"),
        ("part 3", "docker", "engine podman -> docker (+1 more)"),
        ("part 3", "podman", "engine docker -> podman"),
        ("part 1", "docker", "engine podman -> docker (+1 more)"),
    ] {
        project.write_dated(PART, &part(text), Kept);
        project.engine(engine).misses(reason);
    }
}

#[test]
fn dev_and_release_in_turns() {
    let Some(mut project) = docker().map(built_pair) else { return };
    for (text, mode, reason) in [
        ("part 2", "dev", "profile release -> dev (+1 more)"),
        ("part 2", "release", "profile dev -> release"),
        ("part 3", "release", "changed part/src/lib.rs"),
        ("part 3", "dev", "profile release -> dev"),
        ("part 2", "release", "profile dev -> release (+1 more)"),
    ] {
        project.write_dated(PART, &part(text), Kept);
        project.arguments(&["--mode", mode]).misses(reason);
    }
}

/// A run that was killed between writing the bootstrap and writing the zip leaves the two apart.
#[test]
fn a_bootstrap_that_is_not_the_one_in_the_zip() {
    let Some(project) = docker().map(built_pair) else { return };
    std::fs::write(project.path("target/lambda/app/bootstrap"), "of a run that was killed").expect("it is ours");
    project.misses("bootstrap modified (target/lambda/app/bootstrap)");
    project.remove("target/lambda/app/bootstrap").misses("bootstrap missing (target/lambda/app/bootstrap)");
}
