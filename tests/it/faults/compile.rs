//! What befalls the container, and what was compiled in it.

use crate::faults::matrix::{Kept, Matrix, mended, recovers, told};
use crate::support::{Ended, Engine, Gated, HOLDING, Story, cases};

type Strike = fn(&Gated, &str);

/// In the middle of a compile: what befalls the container, and the note that tells of it. Whether the end
/// of the container or of what ran in it is noticed first is a matter of time.
const MID_COMPILE: &[(&str, Strike, &str)] = &[
    ("container removed", |gated, id| strike(gated, &["rm", "--force", id]), "creating it again"),
    ("container stopped", |gated, id| strike(gated, &["stop", "--time", "1", id]), "creating it again"),
    ("container killed", |gated, id| strike(gated, &["kill", id]), "creating it again"),
    ("container paused", |gated, id| strike(gated, &["pause", id]), "was paused while compiling; resuming it"),
    ("inner cargo killed", |gated, id| strike(gated, &["exec", id, "sh", "-c", KILL_CARGO]), "was killed"),
];

/// The borrowed toolchain has procps only where the host has it.
const KILL_CARGO: &str = r#"for p in /proc/[0-9]*; do
  case $(tr '\0' ' ' <"$p/cmdline") in "cargo build "*) kill -9 "${p#/proc/}";; esac
done 2>/dev/null; true"#;

/// What befalls what was compiled, where cargo itself or a compile from nothing helps.
const CORRUPT: &[(&str, &str)] = &[
    (
        "truncated rlib",
        "truncate --size 100 /target/*/release/deps/libdep-*.rlib /target/*/release/deps/libdep-*.rmeta",
    ),
    ("empty rlib", ": > $(ls /target/*/release/deps/libdep-*.rlib)"),
    ("garbage in a fingerprint", "for f in /target/*/release/.fingerprint/*/*; do echo garbage > $f; done"),
    ("dependency's rlib gone", "rm /target/*/release/deps/libdep-*"),
    ("build script's program gone", "rm -r /target/release/build/gated-*"),
    ("read-only file", "chmod a-w /target/*/release/deps/libdep-*"),
    ("read-only target directory", "chmod -R a-w /target/* /target/.lambda-packager"),
    (
        "a file in place of the target directory's",
        "rm -r /target/x86_64* /target/aarch64*; : > /target/$(uname -m)-unknown-linux-gnu",
    ),
];

/// Calls the engine. How that ends says nothing: the packager may replace the container before it does.
fn strike(gated: &Gated, args: &[&str]) {
    Ended::of(gated.engine_command().args(args));
}

/// With few cases the engines take turns with the rows.
pub fn faults(engine: Engine, matrix: &Matrix) {
    let name = engine.name();
    let mut turn = engine as usize;
    let mut is_mine = || {
        turn += 1;
        cases(turn.is_multiple_of(2), true)
    };
    let ready = || {
        let mut gated = Gated::new(engine);
        Story::of(&mut gated.command()).ok();
        gated.edit();
        gated
    };
    let mut gated = ready();
    let mut row = |fault: &'static str, moment: &'static str, provoke: &dyn Fn(&mut Gated) -> (String, String)| {
        if !matrix.row(fault, moment, name, || provoke(&mut gated)) {
            gated = ready();
        }
    };
    for (fault, befall, note) in MID_COMPILE.iter().filter(|_| is_mine()) {
        row(fault, "mid-compile", &|gated| {
            let mut live = gated.held_build();
            befall(gated, &gated.container());
            let noted = live.until_announced(note);
            gated.release();
            (noted, mended(&live.end(), gated))
        });
    }
    if is_mine() {
        row("out of memory", "mid-compile", &out_of_memory);
    }
    if is_mine() {
        row("out of memory twice", "mid-compile", &out_of_memory_twice);
    }
    let next_build = |gated: &mut Gated| {
        gated.edit();
        let story = Story::of(&mut gated.command());
        (happened(&story), mended(&story, gated))
    };
    for (fault, script) in CORRUPT.iter().filter(|_| is_mine()) {
        row(fault, "between builds", &|gated| {
            gated.ask(&["exec", "--user", "1000:1000", &gated.container(), "sh", "-c", script]);
            next_build(gated)
        });
    }
    // Each engine has its own way to give a file away.
    row("wrong owner of the target directory", "between builds", &|gated| {
        engine.disown_target(&gated.container());
        next_build(gated)
    });
}

fn happened(story: &Story) -> String {
    let notes = story.notes();
    if notes.is_empty() { "cargo compiled it again, unannounced".to_string() } else { notes.join("; ") }
}

/// Limits the container to less than the build script will eat.
#[track_caller]
fn starve(gated: &Gated) {
    gated.ask(&["update", "--memory", "200m", "--memory-swap", "200m", &gated.container()]);
}

fn out_of_memory(gated: &mut Gated) -> (String, String) {
    gated.eats(true);
    let mut live = gated.held_build();
    starve(gated);
    gated.release();
    // The container made anew has no such limit.
    let noted = live.until_announced("creating it again");
    let story = live.end();
    gated.eats(false);
    (noted, mended(&story, gated))
}

fn out_of_memory_twice(gated: &mut Gated) -> (String, String) {
    let kept = Kept::of(gated);
    gated.eats(true);
    let mut live = gated.held_build();
    starve(gated);
    gated.release_only(&gated.container());
    live.until_announced("creating it again");
    live.until_cargo_says(HOLDING);
    starve(gated);
    gated.release();
    let story = live.end();
    gated.eats(false);
    let happened = told(&story, 4, &["was killed (status", "out of memory"], &kept, gated);
    (happened, recovers(gated))
}
