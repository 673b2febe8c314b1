//! Ctrl-C and its like: they end the compile wherever it runs, and leave everything usable.

use crate::support::host::Profile;
use crate::support::{
    Engine, Fixture, Front, Gate, Gated, Live, Running, Story, engines, kill, one_engine, wait_until,
};

/// Whether something runs in the container whose command line has one of these words.
fn runs(engine: Engine, container: &str, words: &[&str]) -> bool {
    engine.processes(container).iter().any(|line| words.iter().any(|word| line.contains(word)))
}

/// Waits until nothing of a compile runs in the container; bounded.
fn until_idle(engine: Engine, container: &str) {
    wait_until("the compile inside ends", || !runs(engine, container, &["cargo build", "build-script", "rustc"]));
}

/// Waits until the build script runs, which waits itself.
fn until_held(engine: Engine, container: &str) {
    wait_until("the compile is held", || runs(engine, container, &["build-script-build"]));
}

#[test]
fn a_signal_ends_the_compile_prints_one_line_and_leaves_the_container_usable() {
    for engine in engines(Engine::Docker) {
        let mut gated = Gated::new(engine);
        Story::of(&mut gated.command()).ok();
        let container = gated.container();
        // To the packager alone, as `kill` does; to its group, as a terminal does; and once more at once.
        for (signal, group, times, code) in [
            ("INT", false, 1, 130),
            ("TERM", false, 1, 143),
            ("INT", true, 1, 130),
            ("INT", true, 3, 130),
            ("TERM", true, 2, 143),
        ] {
            let before = gated.fixture.zip("gated");
            let live = gated.held_build();
            let pid = live.pid();
            for _ in 0..times {
                kill(signal, &if group { format!("-{pid}") } else { pid.to_string() });
            }
            let story = live.end();
            assert_eq!(story.code(), code, "SIG{signal}: {story}");
            let failed: Vec<_> = story.events.iter().filter(|event| event["event"] == "failed").collect();
            assert_eq!(failed.len(), 1, "{story}");
            assert_eq!(failed[0]["message"], "interrupted; the compile in the container has ended as well");
            assert!(story.notes().is_empty() && story.stderr.is_empty(), "{story}");
            until_idle(engine, &container);
            assert_eq!(gated.fixture.zip("gated"), before);

            gated.release();
            Story::of(&mut gated.command()).ok();
            assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
            assert_eq!(gated.container(), container);
        }
        interrupted_in_words(&mut gated);
    }
}

/// What a person sees after cargo's own lines.
fn interrupted_in_words(gated: &mut Gated) {
    gated.edit();
    gated.hold();
    let running = Running::start(&gated.command());
    let container = gated.container();
    until_held(gated.engine, &container);
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    let lines: Vec<&str> =
        ended.stderr.lines().filter(|line| line.contains("interrupted") || line.contains("help")).collect();
    assert_eq!(lines, ["error: interrupted; the compile in the container has ended as well"]);
    gated.release();
}

#[test]
fn a_signal_between_compiles_ends_it_too() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let mut gated = Gated::new(engine);
    // The second waits for the lock of the first: nothing of its own runs yet.
    let first = gated.held_build();
    let mut second = Live::start(&mut gated.command());
    second.until("note of waiting", |event| event["event"] == "waiting");
    kill("INT", &second.pid().to_string());
    assert_eq!(second.end().code(), 130);
    gated.release();
    first.end().ok();
    assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
}

#[test]
fn a_signal_while_an_engine_is_asked_is_no_finding_of_the_doctor() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello();
    let asked = fixture.path("asked");
    let front = Front::of(engine.name(), &format!(": >'{}'; exec tail -f /dev/null", asked.display()));
    let running = Running::start(fixture.command_on(engine).arg("doctor").env("PATH", &front.path));
    wait_until("the engine is asked", || asked.exists());
    running.signal("INT");
    let ended = running.end();
    assert!(ended.code == 130 && ended.stdout.is_empty(), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn under_cargo_a_signal_ends_the_compile_too() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
        fixture.build_with(engine.name()).ok();
        let container = fixture.container(engine);
        let gate = Gate::new();
        fixture.write("function/build.rs", &gate.waiting_build_script("held"));
        for signal in ["INT", "TERM"] {
            gate.put("hold", "");
            let running = Running::start(&fixture.cargo_with(engine.name(), &["build", "--release"]));
            until_held(engine, &container);
            // As the terminal does: to cargo, the build script, and all.
            running.signal_all(signal);
            let ended = running.end();
            assert_ne!(ended.code, 0, "{}", ended.stderr);
            until_idle(engine, &container);
            gate.take_away("hold");
            fixture.build_with(engine.name()).ok();
            assert_eq!(fixture.container(engine), container);
            fixture.append("function/build.rs", &format!("// {signal}\n"));
        }
    }
}
