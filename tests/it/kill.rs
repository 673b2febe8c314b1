//! Whoever kills the packager ends the compile, wherever that runs.

use crate::support::{Ended, Engine, Fixture, Running, eventually, every_engine, processes_of_the_host};

/// A build script that runs this in a shell, and waits for its end, as of a C compiler.
fn running(script: &str) -> String {
    format!("fn main() {{\n    std::process::Command::new(\"sh\").args([\"-c\", {script:?}]).status().unwrap();\n}}\n")
}

/// What runs of the compile, beside the container's own idling.
fn compiling(fixture: &Fixture, container: Option<&(Engine, String)>, seconds: &str) -> Vec<String> {
    let Some((engine, id)) = container else {
        let folder = fixture.root().to_str().unwrap();
        let lines = processes_of_the_host().into_iter();
        return lines.filter(|line| line.contains(seconds) || line.contains(folder)).collect();
    };
    engine.processes(id).into_iter().filter(|line| !line.contains("sleep 86400")).collect()
}

fn nothing(lines: Vec<String>) -> Result<(), Vec<String>> {
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

#[test]
fn a_killed_packager_leaves_no_compile_in_an_engine() {
    every_engine().for_each(|engine| killed(Some(engine)));
}

#[test]
fn a_killed_packager_leaves_no_compile_on_the_host() {
    killed(None);
}

fn killed(engine: Option<Engine>) {
    let name = engine.map_or("host", Engine::name);
    let fixture = Fixture::hello();
    // Tells this sleep from that of any other test on the machine.
    let seconds = format!("600.{}{}", std::process::id(), engine.map_or(0, |engine| engine as u32 + 1));
    fixture.run(&["--engine", name]).ok();
    let container = engine.map(|engine| (engine, fixture.container(engine)));
    let compiling = || compiling(&fixture, container.as_ref(), &seconds);
    let before = fixture.made("hello");
    eventually("a compile that ended leaves nothing", || nothing(compiling()));

    // It asks not to be disturbed.
    fixture.write("build.rs", &running(&format!("trap '' INT TERM; sleep {seconds}")));
    fixture.says("after");
    // To the packager alone, as `kill` does, and to all that it started, as the terminal does.
    type Send = fn(&Running, &str);
    let ends: [(Send, _, _); 3] =
        [(Running::signal, "KILL", 137), (Running::signal, "INT", 130), (Running::signal_all, "INT", 130)];
    for (send, signal, status) in ends {
        let running = Running::start(fixture.command().args(["--engine", name]));
        eventually("the build script sleeps", || {
            let lines = compiling();
            if lines.iter().any(|line| line.contains(&seconds)) { Ok(()) } else { Err(lines) }
        });
        send(&running, signal);
        assert_eq!(running.end().code, status);
        eventually(&format!("SIG{signal} ends the compile ({name})"), || nothing(compiling()));
        assert_eq!(fixture.made("hello"), before);
    }

    std::fs::remove_file(fixture.path("build.rs")).unwrap();
    let next = Ended::of(fixture.command().args(["--engine", name])).ok();
    assert_eq!(next.verdict(), "cache-miss: changed src/main.rs");
    assert_eq!(fixture.output_of_bootstrap("hello"), "after");
    assert_eq!(engine.map(|engine| (engine, fixture.container(engine))), container);
}

/// What a build script leaves running ends with the compile, and nobody waits for it.
#[test]
fn a_compile_leaves_nothing_running() {
    let engine = Engine::Docker.is_here().then_some(Engine::Docker);
    let fixture = Fixture::hello();
    let seconds = format!("601.{}", std::process::id());
    fixture.write("build.rs", &running(&format!("sleep {seconds} >/dev/null 2>&1 & :")));
    for engine in [engine, None] {
        fixture.run(&["--engine", engine.map_or("host", Engine::name), "--force"]).ok();
        let container = engine.map(|engine| (engine, fixture.container(engine)));
        eventually("what the build script left ends", || {
            let lines = compiling(&fixture, container.as_ref(), &seconds);
            nothing(lines.into_iter().filter(|line| line.contains(&seconds)).collect())
        });
    }
}
