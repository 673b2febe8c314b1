//! What must not be shared is not, and what may be is.

use std::collections::BTreeSet;
use std::{fs, thread};

use crate::support::host::{git, printed_by};
use crate::support::{Ended, Engine, Fixture, Story, engines, one_engine};

/// The container of the project in `folder`, after a build there.
fn built(fixture: &Fixture, engine: Engine, folder: &str, says: &str) -> String {
    let folder = fixture.path(folder);
    let ended = Ended::of(fixture.command_on(engine).current_dir(&folder)).ok();
    assert!(ended.verdict().starts_with("cache-miss"), "{}", ended.stderr);
    let bootstrap = folder.join("target/lambda/hello/bootstrap");
    assert_eq!(printed_by(&bootstrap).trim(), says);
    let status =
        Ended::of(fixture.command_on(engine).args(["container", "status", "--format", "json"]).current_dir(&folder));
    let status: serde_json::Value = serde_json::from_str(&status.ok().stdout).expect("JSON");
    status["id"].as_str().expect("an id").to_string()
}

fn hello(fixture: &Fixture, folder: &str, says: &str) {
    fixture.write(
        &format!("{folder}/Cargo.toml"),
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    );
    fixture.write(&format!("{folder}/src/main.rs"), &format!("fn main() {{\n    println!(\"{says}\");\n}}\n"));
}

#[test]
fn checkouts_namesakes_and_worktrees_have_containers_of_their_own() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::empty("around");
        hello(&fixture, "one/hello", "one");
        // A copy with all that was built, dates and all.
        let mut ids = vec![built(&fixture, engine, "one/hello", "one")];
        let status =
            std::process::Command::new("cp").arg("-a").args([fixture.path("one"), fixture.path("copied")]).status();
        assert!(status.expect("cp starts").success());
        ids.push(built(&fixture, engine, "copied/hello", "one"));
        // Another project of that name.
        hello(&fixture, "another/hello", "another");
        ids.push(built(&fixture, engine, "another/hello", "another"));
        // Two branches in worktrees.
        hello(&fixture, "repository", "main");
        fixture.write("repository/.gitignore", "target\n");
        let repository = fixture.path("repository");
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "--quiet", "--message=main"]);
        git(&repository, &["worktree", "add", "--quiet", "-b", "branch", "../worktree"]);
        fixture.write("worktree/src/main.rs", "fn main() {\n    println!(\"branch\");\n}\n");
        ids.push(built(&fixture, engine, "repository", "main"));
        ids.push(built(&fixture, engine, "worktree", "branch"));

        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
        assert_eq!(fixture.containers(engine).len(), ids.len());
        // Each has its own target, in its own file system: nothing of the host is writable in any.
        for id in &ids {
            let mounts = engine.inspect(id)["Mounts"].as_array().expect("mounts").clone();
            assert!(mounts.iter().all(|mount| mount["RW"] == false && mount["Destination"] != "/target"), "{mounts:?}");
        }
    }
}

#[test]
fn four_projects_at_the_same_time_all_succeed() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let projects: Vec<Fixture> = (0..4).map(|_| Fixture::hello()).collect();
    for (index, project) in projects.iter().enumerate() {
        project.says(&format!("project {index}"));
    }
    let all = std::sync::Barrier::new(projects.len());
    let stories: Vec<Story> = thread::scope(|scope| {
        let run = |project| {
            let all = &all;
            scope.spawn(move || {
                all.wait();
                Story::of(&mut Fixture::command_on(project, engine))
            })
        };
        let running: Vec<_> = projects.iter().map(run).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for (index, (story, project)) in stories.into_iter().zip(&projects).enumerate() {
        let story = story.ok();
        let waited = story.events.iter().any(|event| event["event"] == "waiting");
        assert!(!waited, "one waits for another: {story}");
        assert_eq!(project.output_of_bootstrap("hello"), format!("project {index}"));
        assert_eq!(project.containers(engine).len(), 1);
    }
}

#[test]
fn two_functions_of_one_workspace_share_a_container_from_the_very_first_build() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::empty("pair");
        fixture.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"shared\"]\nresolver = \"2\"\n");
        fixture.write("shared/Cargo.toml", "[package]\nname = \"shared\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        fixture.write("shared/src/lib.rs", "pub const TEXT: &str = \"shared\";\n");
        for name in ["a", "b"] {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nshared = {{ path = \"../shared\" }}\n"
            );
            fixture.write(&format!("{name}/Cargo.toml"), &manifest);
            fixture.write(
                &format!("{name}/src/main.rs"),
                &format!("fn main() {{\n    println!(\"{name} {{}}\", shared::TEXT);\n}}\n"),
            );
        }
        for text in ["shared", "edited"] {
            fixture.write("shared/src/lib.rs", &format!("pub const TEXT: &str = \"{text}\";\n"));
            let both = std::sync::Barrier::new(2);
            thread::scope(|scope| {
                for name in ["a", "b"] {
                    let (fixture, both) = (&fixture, &both);
                    scope.spawn(move || {
                        both.wait();
                        Story::of(fixture.command_on(engine).args(["--function", name])).ok();
                    });
                }
            });
            for name in ["a", "b"] {
                assert_eq!(fixture.output_of_bootstrap(name), format!("{name} {text}"));
            }
            assert_eq!(fixture.containers(engine).len(), 1);
        }
        // Nothing half-written stays behind, and nothing is left to do.
        for name in ["a", "b"] {
            let names = fs::read_dir(fixture.path(&format!("target/lambda/{name}"))).expect("a folder").flatten();
            let left: Vec<_> =
                names.map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains("tmp")).collect();
            assert!(left.is_empty(), "{left:?}");
            assert_eq!(fixture.run_on(engine, &["--function", name]).ok().verdict(), "cache-hit");
        }
    }
}
