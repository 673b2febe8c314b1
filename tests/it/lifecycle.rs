//! Properties of the reused container, each on a real engine with a tiny crate: it persists, it comes back
//! from any state, and what the host's files are is what is compiled.

use std::collections::BTreeMap;
use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{
    Ended, Engine, Fixture, Front, cases, engines, every_engine, podman_with_all_cases, property, rows,
};

/// Whether the source is edited before, the arguments, and the verdict.
type Build = (bool, &'static [&'static str], &'static str);

const BUILDS: [Build; 4] = [
    (true, &[], "cache-miss: changed src/main.rs"),
    (false, &[], "cache-hit"),
    (false, &["--force"], "cache-miss: forced"),
    (false, &["container", "build"], "cache-hit"),
];

#[test]
fn any_series_of_builds_keeps_one_container() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello_packaged(engine.name());
        let container = fixture.container(engine);
        let (mut edits, mut last) = (0, "hello".to_string());
        rows(BUILDS, 100, select(&BUILDS), |(is_edited, args, verdict)| {
            if is_edited {
                edits += 1;
                last = format!("edit {edits}");
                fixture.says(&last);
            }
            let ended = fixture.run_on(engine, args).ok();
            prop_assert_eq!(ended.verdict(), verdict);
            prop_assert_eq!(fixture.output_of_bootstrap("hello"), last.as_str());
            prop_assert_eq!(fixture.container(engine), container.as_str());
            Ok(())
        });
    }
}

/// What somebody did to the container between two builds.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing, or this: a command of the engine's.
    Same(&'static [&'static str]),
    Absent,
    /// Made of another specification: with a network, say.
    Different,
    /// Created, never started.
    Created,
    /// In the other engine too.
    Two,
}

const STATES: [State; 8] = [
    State::Same(&["inspect"]),
    State::Same(&["stop", "--time", "0"]),
    State::Same(&["pause"]),
    State::Same(&["kill"]),
    State::Absent,
    State::Different,
    State::Created,
    State::Two,
];

#[test]
fn from_any_state_a_build_ends_with_a_running_container_and_the_right_zip() {
    for engine in engines(Engine::Podman) {
        comes_back(engine, every_engine().find(|other| *other != engine));
    }
}

fn comes_back(engine: Engine, other: Option<Engine>) {
    let fixture = Fixture::hello_packaged(engine.name());
    let mut edits = 0;
    rows(STATES, 100, select(&STATES), |state| {
        let before = fixture.container(engine);
        match state {
            State::Same(command) => drop(engine.ask(&[command, &[before.as_str()]].concat())),
            State::Absent => drop(engine.ask(&["rm", "--force", &before])),
            State::Different => {
                let mut command = fixture.command_on(engine);
                command.env("CARGO_REGISTRIES_MINE_INDEX", "sparse+https://example.invalid/").arg("--force");
                Ended::of(&mut command).ok();
            }
            State::Created => {
                // As a packager killed between both leaves it.
                engine.ask(&["rm", "--force", &before]);
                prop_assert!(killed_before_start(&fixture, engine), "it was not caught before the start");
            }
            State::Two => {
                if let Some(other) = other {
                    fixture.run_on(other, &["container", "start"]).ok();
                }
            }
        }
        edits += 1;
        let text = format!("edit {edits}");
        fixture.says(&text);
        fixture.run_on(engine, &[]).ok();
        prop_assert_eq!(fixture.output_of_bootstrap("hello"), text);
        let after = fixture.container(engine);
        prop_assert_eq!(&engine.inspect(&after)["State"]["Status"], &serde_json::json!("running"));
        match state {
            State::Same(_) => prop_assert_eq!(after, before),
            State::Absent | State::Created => prop_assert_ne!(after, before),
            State::Different | State::Two => {}
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
    let each = |text: &dyn Fn(&u8) -> String| modules.keys().map(text).collect::<String>();
    let (places, values) = (each(&|_| "{} ".into()), each(&|name| format!(", m{name}::SAYS")));
    let main = format!("fn main() {{\n    println!(\"{places}.\"{values});\n}}\n");
    fixture.write("src/main.rs", &(each(&|name| format!("mod m{name};\n")) + &main));
}

#[test]
fn whatever_becomes_of_the_sources_is_compiled_next() {
    let Some(engine) = podman_with_all_cases() else { return };
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
