//! Traps for whoever believes that the last record tells what lies in the target directory: between two
//! records there may have been compiles that failed, were killed, or were somebody else's.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::never_stale::{built_pair, docker};
use crate::support::Engine;
use crate::support::clean::Project;

const APP: &str = "app/src/main.rs";
const PART: &str = "part/src/lib.rs";

fn app(text: &str) -> String {
    format!("fn main() {{\n    println!(\"{text}, {{}}\", part::text());\n}}\n")
}

fn part(text: &str) -> String {
    format!("pub fn text() -> &'static str {{\n    \"{text}\"\n}}\n")
}

#[test]
fn a_restore_after_a_failed_compile() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    // The library compiles, the function does not.
    project.write(PART, &part("part of a failed compile"));
    project.write(APP, "fn main() { no }\n");
    project.run().fails(4, &["does not compile"]);
    project.write_old(PART, &part("part 1"));
    project.write_old(APP, &app("app 2"));
    project.misses("changed app/src/main.rs");
}

/// As above, with a hit in between: it has nothing to compile, and must not forget what was compiled.
#[test]
fn a_restore_after_a_failed_compile_that_is_a_hit_first() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    project.write(PART, &part("part of a failed compile"));
    project.write(APP, "fn main() { no }\n");
    project.run().fails(4, &["does not compile"]);
    project.write_old(PART, &part("part 1"));
    project.write_old(APP, &app("app 1"));
    project.hits();
    project.write(APP, &app("app 2"));
    project.misses("changed app/src/main.rs");
}

#[test]
fn a_restore_after_a_killed_compile() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    // Holds the compile until it is let go.
    project.write(
        "app/build.rs",
        "fn main() {
            while std::path::Path::new(\"../held\").exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }\n",
    );
    project.misses("first build");
    project.write(PART, &part("part of a killed compile"));
    project.write("held", "");
    project.write("app/touch", "");
    let mut child = project.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the bin starts");
    let container = project.fixture.containers(Engine::Docker).remove(0);
    let compiled = "until grep -qs 'part of a killed compile' /target/*/release/deps/libpart-*.rlib &&
        [ -s \"$(echo /target/*/release/.fingerprint/part-*/lib-part)\" ]; do sleep 0.02; done";
    Engine::Docker.ask(&["exec", &container, "sh", "-c", compiled]);
    child.kill().expect("it still waits");
    child.wait().expect("it was killed");
    project.remove("held");
    project.remove("app/touch");
    project.write_old(PART, &part("part 1"));
    project.hits();
    project.write(APP, &app("app 2"));
    project.misses("changed app/src/main.rs");
}

/// The same, from within the compile: a source that changes under the compiler's eyes.
#[test]
fn an_input_that_changes_during_the_compile() {
    let Some(docker) = docker() else { return };
    let project = Project::pair(docker);
    project.write(
        "app/build.rs",
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            eprintln!(\"the build script runs\");
            while std::path::Path::new(\"../held\").exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }\n",
    );
    project.write("held", "");
    let mut command = project.command();
    let mut child = command.args(["--message-format", "json"]).stdout(Stdio::piped()).spawn().expect("the bin starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("UTF-8"));
    lines.by_ref().find(|line| line.contains("Compiling app")).expect("it compiles");
    // Whether the compiler has read the library by now nobody knows; the record must not claim either.
    project.write_old(PART, &part("part 2"));
    project.remove("held");
    let finished = lines.last().expect("a last event");
    assert!(finished.contains("finished"), "{finished}");
    assert!(child.wait().expect("it ends").success());
    project.misses("part/src/lib.rs changed while it was compiled");
}

#[test]
fn two_functions_that_share_a_library_built_in_turns() {
    let Some(docker) = docker() else { return };
    let mut project = Project::pair(docker);
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"part\", \"other\"]\nresolver = \"2\"\n");
    project.package("other", "[dependencies]\npart = { path = \"../part\" }\n");
    project.write("other/src/main.rs", "fn main() {\n    println!(\"other 1, {}\", part::text());\n}\n");
    project.misses("first build");
    project.function("other");
    project.misses("first build");
    project.write_keeping_mtime(PART, &part("part 2"));
    project.misses("changed part/src/lib.rs");
    project.function("app");
    project.misses("changed part/src/lib.rs");
    project.write_keeping_mtime(PART, &part("part 1"));
    project.misses("changed part/src/lib.rs");
    project.function("other");
    project.misses("changed part/src/lib.rs");
    // What the other function compiled is gone from the sources, and this one is as it was.
    project.write_keeping_mtime(PART, &part("part 3"));
    project.misses("changed part/src/lib.rs");
    project.write_keeping_mtime(PART, &part("part 1"));
    project.function("app");
    project.hits();
    project.write(APP, &app("app 2"));
    project.misses("changed app/src/main.rs");
}

#[test]
fn two_functions_of_one_name() {
    let Some(docker) = docker() else { return };
    let mut project = Project::new(docker, "bootstrap", crate::support::Fixture::empty("twins"));
    project.write("Cargo.toml", "[workspace]\nmembers = [\"left\", \"right\"]\nresolver = \"2\"\n");
    for side in ["left", "right"] {
        project.package(side, "[[bin]]\nname = \"bootstrap\"\npath = \"main.rs\"\n");
        project.write(&format!("{side}/main.rs"), &crate::never_stale::printing(side));
    }
    project.arguments(&["--package", "left"]);
    project.misses("first build");
    project.arguments(&["--package", "right"]);
    // One record for both: also the inputs are others.
    project.misses("function left/bootstrap -> right/bootstrap (+4 more)");
    project.arguments(&["--package", "left"]);
    project.misses("function right/bootstrap -> left/bootstrap (+4 more)");
    project.write_keeping_mtime("right/main.rs", &crate::never_stale::printing("rigth"));
    project.hits();
    project.arguments(&["--package", "right"]);
    project.misses_somehow();
}

#[test]
fn docker_then_podman_then_docker() {
    if !Engine::Docker.is_here() || !Engine::Podman.is_here() {
        return;
    }
    let mut project = built_pair("docker");
    project.engine("podman");
    project.write_keeping_mtime(PART, &part("part 2"));
    project.misses("engine docker -> podman (+1 more)");
    project.engine("docker");
    project.write_keeping_mtime(PART, &part("part 3"));
    project.misses("engine podman -> docker (+1 more)");
    // Docker's target directory last saw the first state.
    project.engine("podman");
    project.misses("engine docker -> podman");
    project.write_keeping_mtime(PART, &part("part 1"));
    project.engine("docker");
    project.misses("engine podman -> docker (+1 more)");
}

#[test]
fn dev_and_release_in_turns() {
    let Some(docker) = docker() else { return };
    let mut project = built_pair(docker);
    project.arguments(&["--mode", "dev"]);
    project.write_keeping_mtime(PART, &part("part 2"));
    project.misses("profile release -> dev (+1 more)");
    project.arguments(&[]);
    project.misses("profile dev -> release");
    project.write_keeping_mtime(PART, &part("part 3"));
    project.misses("changed part/src/lib.rs");
    project.arguments(&["--mode", "dev"]);
    project.misses("profile release -> dev");
    project.arguments(&[]);
    project.write_keeping_mtime(PART, &part("part 2"));
    project.misses("profile dev -> release (+1 more)");
}

/// A run that was killed between writing the bootstrap and writing the zip leaves the two apart.
#[test]
fn a_bootstrap_that_is_not_the_one_in_the_zip() {
    let Some(docker) = docker() else { return };
    let project = built_pair(docker);
    std::fs::write(project.path("target/lambda/app/bootstrap"), "of a run that was killed").expect("it is ours");
    project.misses("bootstrap modified (target/lambda/app/bootstrap)");
    project.remove("target/lambda/app/bootstrap");
    project.misses("bootstrap missing (target/lambda/app/bootstrap)");
}
