//! What must not be shared is not, and what may be is.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::host::{git, printed_by};
use crate::support::{Ended, Engine, Fixture, Live, Story, engines, one_engine};

/// The container of the project in `folder`, after a build there.
fn built(fixture: &Fixture, engine: Engine, folder: &str, says: &str) -> String {
    let folder = fixture.path(folder);
    let ended = Ended::of(fixture.command_on(engine).current_dir(&folder)).ok();
    assert!(ended.verdict().starts_with("cache-miss"), "{}", ended.stderr);
    let bootstrap = folder.join("target/lambda/hello/bootstrap");
    assert_eq!(printed_by(&bootstrap).trim(), says);
    let mut status = fixture.command_on(engine);
    let status = Ended::answer(status.args(["container", "status", "--format", "json"]).current_dir(&folder));
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    status["id"].as_str().expect("an id").to_string()
}

fn hello(fixture: &Fixture, folder: &str, says: &str) {
    fixture.package(folder, "hello", "");
    fixture.write(&format!("{folder}/src/main.rs"), &format!("fn main() {{\n    println!(\"{says}\");\n}}\n"));
}

/// Runs the bin by all these commands at the same time; all must succeed.
fn at_once(commands: impl IntoIterator<Item = Command>) -> Vec<Story> {
    let live: Vec<Live> = commands.into_iter().map(|mut command| Live::start(&mut command)).collect();
    live.into_iter().map(|live| live.end().ok()).collect()
}

#[test]
fn checkouts_namesakes_and_worktrees_have_containers_of_their_own() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::empty("around");
        hello(&fixture, "one/hello", "one");
        // A copy with all that was built, dates and all.
        let mut ids = vec![built(&fixture, engine, "one/hello", "one")];
        Ended::of(Command::new("cp").arg("-a").args([fixture.path("one"), fixture.path("copied")])).ok();
        ids.push(built(&fixture, engine, "copied/hello", "one"));
        // Another project of that name.
        hello(&fixture, "another/hello", "another");
        ids.push(built(&fixture, engine, "another/hello", "another"));
        // Two branches in worktrees.
        hello(&fixture, "repository", "main");
        fixture.write("repository/.gitignore", "target\n");
        let repository = fixture.path("repository");
        for args in [
            &["init", "--quiet", "--initial-branch=main"][..],
            &["add", "."],
            &["commit", "--quiet", "--message=main"],
            &["worktree", "add", "--quiet", "-b", "branch", "../worktree"],
        ] {
            git(&repository, args);
        }
        fixture.write("worktree/src/main.rs", "fn main() {\n    println!(\"branch\");\n}\n");
        ids.push(built(&fixture, engine, "repository", "main"));
        ids.push(built(&fixture, engine, "worktree", "branch"));

        let different: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
        assert_eq!(fixture.containers(engine).len(), ids.len());
        // What is writable in one is in volumes of its own.
        let mut volumes = BTreeSet::new();
        for id in &ids {
            for mount in engine.inspect(id)["Mounts"].as_array().expect("mounts") {
                let is_volume = mount["Type"] == "volume";
                assert_eq!(mount["RW"], is_volume, "{mount}");
                let name = mount["Name"].as_str().unwrap_or_default().to_string();
                assert!(!is_volume || volumes.insert(name), "{mount}");
            }
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
    let stories = at_once(projects.iter().map(|project| project.command_on(engine)));
    for (index, (story, project)) in stories.into_iter().zip(&projects).enumerate() {
        let waited = story.events.iter().any(|event| event["event"] == "waiting");
        assert!(!waited, "one waits for another: {story}");
        assert_eq!(project.output_of_bootstrap("hello"), format!("project {index}"));
        assert_eq!(project.containers(engine).len(), 1);
    }
}

#[test]
fn two_functions_of_one_workspace_share_a_container_from_the_very_first_build() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::empty("pair");
        fixture.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"shared\"]\nresolver = \"2\"\n");
        fixture.package("shared", "shared", "");
        for name in ["a", "b"] {
            fixture.package(name, name, "[dependencies]\nshared = { path = \"../shared\" }\n");
            let main = format!("fn main() {{\n    println!(\"{name} {{}}\", shared::TEXT);\n}}\n");
            fixture.write(&format!("{name}/src/main.rs"), &main);
        }
        for text in ["shared", "edited"] {
            fixture.write("shared/src/lib.rs", &format!("pub const TEXT: &str = \"{text}\";\n"));
            at_once(["a", "b"].map(|name| {
                let mut command = fixture.command_on(engine);
                command.args(["--function", name]);
                command
            }));
            for name in ["a", "b"] {
                assert_eq!(fixture.output_of_bootstrap(name), format!("{name} {text}"));
            }
            assert_eq!(fixture.containers(engine).len(), 1);
        }
        // Nothing half-written stays behind, and nothing is left to do.
        for name in ["a", "b"] {
            let mut files = fs::read_dir(fixture.path(&format!("target/lambda/{name}"))).expect("a folder").flatten();
            let left = files.find(|file| file.file_name().to_string_lossy().contains("tmp"));
            assert!(left.is_none(), "{left:?}");
            assert_eq!(fixture.run_on(engine, &["--function", name]).ok().verdict(), "cache-hit");
        }
    }
}

#[test]
fn variables_of_the_shell_that_do_nothing_are_named_in_one_note() {
    const SET: [(&str, &str); 3] =
        [("RUSTFLAGS", "-Cpanic=abort"), ("CARGO_PROFILE_RELEASE_LTO", "fat"), ("CARGO_BUILD_RUSTFLAGS", "-g")];
    let fixture = Fixture::hello();
    let notes = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = fixture.command_for("host");
        let story = Story::of(command.envs(variables.iter().copied()).args(args)).ok();
        let all = story.notes().into_iter().filter(|note| note.contains("has no effect on the function"));
        all.map(String::from).collect::<Vec<_>>()
    };
    assert!(notes(&[], &[]).is_empty());
    let zip = fixture.zip("hello");
    // Nothing is compiled, so there is nothing to say.
    assert!(notes(&SET, &[]).is_empty());
    let told = notes(&SET, &["--force"]);
    let [note] = &told[..] else { panic!("{told:?}") };
    assert!(note.starts_with("CARGO_BUILD_RUSTFLAGS, CARGO_PROFILE_RELEASE_LTO, RUSTFLAGS of this shell"), "{note}");
    assert!(note.contains(".cargo/config.toml") && note.contains("`pass_env`"), "{note}");
    assert!(fixture.zip("hello") == zip, "they have an effect");
    // What is handed on has one.
    let passed = [SET[0], ("LAMBDA_PACKAGER_PASS_ENV", "RUSTFLAGS")];
    assert!(notes(&passed, &["--force"]).is_empty());
    assert!(fixture.zip("hello") != zip);
}
