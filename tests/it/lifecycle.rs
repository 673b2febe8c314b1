//! Properties of the reused container, each on a real engine with a tiny crate: it persists, it comes back
//! from any state, and what the host's files are is what is compiled.

use std::collections::BTreeMap;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{Ended, Engine, Fixture, Front, cases, engines, every_engine, one_engine, property, rows};

#[derive(Debug, Clone, Copy)]
enum Build {
    AfterAnEdit,
    AsItIs,
    Forced,
    FromTheScript,
}

#[test]
fn any_series_of_builds_keeps_one_container() {
    for engine in engines(Engine::Docker) {
        keeps_one_container(engine);
    }
}

fn keeps_one_container(engine: Engine) {
    let fixture = Fixture::hello();
    fixture.run_on(engine, &[]).ok();
    let container = fixture.container(engine);
    let builds = [Build::AfterAnEdit, Build::AsItIs, Build::Forced, Build::FromTheScript];
    let (mut edits, mut last) = (0, "hello".to_string());
    rows(builds, 100, select(builds.to_vec()), |build| {
        let (args, verdict): (&[&str], &str) = match build {
            Build::AfterAnEdit => {
                edits += 1;
                last = format!("edit {edits}");
                fixture.says(&last);
                (&[], "cache-miss: changed src/main.rs")
            }
            Build::AsItIs => (&[], "cache-hit"),
            Build::Forced => (&["--force"], "cache-miss: forced"),
            Build::FromTheScript => (&["container", "build"], "cache-hit"),
        };
        let ended = fixture.run_on(engine, args).ok();
        prop_assert_eq!(ended.verdict(), verdict);
        prop_assert_eq!(fixture.output_of_bootstrap("hello"), last.as_str());
        prop_assert_eq!(fixture.container(engine), container.as_str());
        Ok(())
    });
}

/// What somebody did to the container between two builds.
#[derive(Debug, Clone, Copy)]
enum State {
    Running,
    Stopped,
    Paused,
    Killed,
    Absent,
    /// Made of another specification: with a network, say.
    Different,
    /// Created, never started.
    Created,
    /// Somebody else's of that name.
    Foreign,
    /// In the other engine too.
    Two,
}

#[test]
fn from_any_state_a_build_ends_with_a_running_container_and_the_right_zip() {
    for engine in engines(Engine::Podman) {
        comes_back(engine, every_engine().find(|other| *other != engine));
    }
}

fn comes_back(engine: Engine, other: Option<Engine>) {
    let fixture = Fixture::hello();
    fixture.run_on(engine, &[]).ok();
    let name = engine.inspect(&fixture.container(engine))["Name"].as_str().unwrap().trim_start_matches('/').to_string();
    let image = engine.inspect(&name)["Image"].as_str().unwrap().to_string();
    let states = [
        State::Running,
        State::Stopped,
        State::Paused,
        State::Killed,
        State::Absent,
        State::Different,
        State::Created,
        State::Foreign,
        State::Two,
    ];
    let mut edits = 0;
    rows(states, 100, select(states.to_vec()), |state| {
        let foreign = |command: &str| {
            engine.ask(&["rm", "--force", &name]);
            let label = fixture.label();
            let args = [
                command,
                "--name",
                &name,
                "--label",
                &label,
                "--network",
                "none",
                "--entrypoint",
                "/nothing",
                &image,
                "x",
            ];
            engine.ask(&args);
        };
        let before = fixture.container(engine);
        match state {
            State::Running => {}
            State::Stopped => drop(engine.ask(&["stop", "--time", "0", &name])),
            State::Paused => drop(engine.ask(&["pause", &name])),
            State::Killed => drop(engine.ask(&["kill", &name])),
            State::Absent => drop(engine.ask(&["rm", "--force", &name])),
            State::Different => {
                let mut command = fixture.command_on(engine);
                Ended::of(command.env("CARGO_REGISTRIES_MINE_INDEX", "sparse+https://example.invalid/").arg("--force"))
                    .ok();
            }
            State::Created => {
                // As a packager killed between both leaves it.
                engine.ask(&["rm", "--force", &name]);
                let ended = killed_before_start(&fixture, engine);
                prop_assert!(ended, "it was not caught before the start");
            }
            State::Foreign => foreign("create"),
            State::Two => {
                if let Some(other) = other {
                    fixture.run_on(other, &["container", "start"]).ok();
                }
            }
        }
        edits += 1;
        let text = format!("edit {edits}");
        fixture.says(&text);
        if matches!(state, State::Foreign) {
            let id = fixture.container(engine);
            fixture
                .run_on(engine, &[])
                .fails(3, &["is taken", "was not made by lambda-packager", "it was not touched"]);
            prop_assert_eq!(&engine.inspect(&name)["Id"], &serde_json::json!(id));
            engine.ask(&["rm", "--force", &name]);
        }
        fixture.run_on(engine, &[]).ok();
        prop_assert_eq!(fixture.output_of_bootstrap("hello"), text);
        let after = fixture.container(engine);
        prop_assert_eq!(&engine.inspect(&after)["State"]["Status"], &serde_json::json!("running"));
        match state {
            State::Running | State::Stopped | State::Paused | State::Killed => prop_assert_eq!(after, before),
            State::Absent | State::Created => prop_assert_ne!(after, before),
            State::Different | State::Foreign | State::Two => {}
        }
        Ok(())
    });
}

/// A packager whose engine never starts what it created, and cannot remove it either.
fn killed_before_start(fixture: &Fixture, engine: Engine) -> bool {
    let front = Front::of(engine.name(), "case $1 in start) kill -9 $PPID; exit 1;; esac");
    let ended = Ended::of(fixture.command_on(engine).arg("--force").env("PATH", &front.path));
    let status = engine.inspect(&fixture.container(engine))["State"]["Status"].clone();
    ended.code == 128 + 9 && (status == "created" || status == "configured")
}

/// What somebody does to the sources.
#[derive(Debug, Clone)]
enum Edit {
    Change(Index, u32),
    Create(u8, u32),
    Delete(Index),
    Rename(Index, u8),
}

/// The sources: a module for each entry, which says its number.
fn write_sources(fixture: &Fixture, modules: &BTreeMap<u8, u32>) {
    let mut main = String::new();
    for name in modules.keys() {
        main.push_str(&format!("mod m{name};\n"));
    }
    main.push_str("fn main() {\n    println!(\"");
    main.push_str(&modules.keys().map(|_| "{} ").collect::<String>());
    main.push_str(".\"");
    for name in modules.keys() {
        main.push_str(&format!(", m{name}::SAYS"));
    }
    main.push_str(");\n}\n");
    fixture.write("src/main.rs", &main);
}

#[test]
fn whatever_becomes_of_the_sources_is_compiled_next() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = Fixture::hello();
    let mut modules = BTreeMap::from([(0, 0)]);
    let module = |name: u8| fixture.path(&format!("src/m{name}.rs"));
    let says = |name: u8, number: u32| fs::write(module(name), format!("pub const SAYS: u32 = {number};\n")).unwrap();
    says(0, 0);
    write_sources(&fixture, &modules);
    fixture.run_on(engine, &[]).ok();
    let edit = prop_oneof![
        (any::<Index>(), any::<u32>()).prop_map(|(at, number)| Edit::Change(at, number)),
        (0..20u8, any::<u32>()).prop_map(|(name, number)| Edit::Create(name, number)),
        any::<Index>().prop_map(Edit::Delete),
        (any::<Index>(), 0..20u8).prop_map(|(at, name)| Edit::Rename(at, name)),
    ];
    property(cases(6, 100), 0, vec(edit, 1..4), |edits| {
        for edit in &edits {
            let names: Vec<u8> = modules.keys().copied().collect();
            match edit {
                Edit::Create(name, number) => {
                    says(*name, *number);
                    modules.insert(*name, *number);
                }
                _ if names.is_empty() => {}
                Edit::Change(at, number) => {
                    let name = *at.get(&names);
                    says(name, *number);
                    modules.insert(name, *number);
                }
                Edit::Delete(at) => {
                    let name = *at.get(&names);
                    fs::remove_file(module(name)).unwrap();
                    modules.remove(&name);
                }
                Edit::Rename(at, to) => {
                    let name = *at.get(&names);
                    fs::rename(module(name), module(*to)).unwrap();
                    let number = modules.remove(&name).unwrap();
                    modules.insert(*to, number);
                }
            }
        }
        write_sources(&fixture, &modules);
        fixture.run_on(engine, &[]).ok();
        let expected: String = modules.values().map(|number| format!("{number} ")).collect();
        prop_assert_eq!(fixture.output_of_bootstrap("hello"), format!("{expected}."));
        Ok(())
    });
}
