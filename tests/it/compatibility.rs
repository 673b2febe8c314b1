//! Two properties, over a hundred cases each that share their builds: which mode wins, what it makes of a project
//! and what it takes for that; and that any former command line, in any order, gives the same artifact.

use std::collections::BTreeMap;
use std::process::Command;

use proptest::prelude::*;

use crate::support::{
    Ended, Engine, Fixture, cases, copy, is_full, one_engine, packager, program, repository, rows, skip,
};

const MODES: [&str; 3] = ["release", "dev", "prod"];

const BODIES: [&str; 3] = [
    "println!(\"one\");",
    "let all: Vec<String> = std::env::args().collect();\n    println!(\"{all:?}\");",
    "let text: Result<f64, _> = std::env::args().next().unwrap().parse();\n    println!(\"{text:?}\");",
];

/// What says a mode, the strongest first: flag, variable, package, workspace.
type Says = [Option<&'static str>; 4];

/// Each body in each mode, each mode from each place, and each place beside all that are weaker.
const FEW: [(usize, Says); 13] = [
    (0, [None; 4]),
    (1, [Some("release"), Some("dev"), Some("prod"), Some("dev")]),
    (2, [None, Some("release"), Some("dev"), Some("prod")]),
    (0, [None, None, None, Some("dev")]),
    (1, [None, None, Some("dev"), Some("prod")]),
    (2, [None, Some("dev"), Some("prod"), Some("release")]),
    (1, [Some("dev"), Some("prod"), None, None]),
    (0, [None, None, Some("prod"), Some("release")]),
    (1, [None, Some("prod"), None, Some("dev")]),
    (2, [Some("prod"), None, None, None]),
    (1, [None, None, None, Some("prod")]),
    (0, [None, None, Some("release"), None]),
    (0, [None, None, None, Some("release")]),
];

fn manifest([_, _, package, workspace]: Says) -> String {
    let table = |name: &str, mode: Option<&str>| {
        mode.map_or(String::new(), |mode| format!("[{name}.metadata.lambda-packager]\nmode = \"{mode}\"\n"))
    };
    format!(
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\npart = {{ path = \"part\" }}\n{}[workspace]\n{}",
        table("package", package),
        table("workspace", workspace)
    )
}

/// A project with a library that it may depend on.
fn with_part() -> Fixture {
    let fixture = Fixture::hello();
    fixture.package("part", "part", "");
    fixture.write("part/src/lib.rs", "pub fn part() {\n    println!(\"part\");\n}\n");
    fixture
}

/// The calls of rustc that cargo told of, by the crate that each compiled. One that a mode has compiled before and that
/// nobody edited is in none of them: what `dev` is fast by, and `prod` small, shows in the flags, and in no clock.
fn calls_of_rustc(said: &str) -> BTreeMap<&str, &str> {
    let calls =
        said.lines().filter(|line| line.trim_start().starts_with("Running `") && line.contains("--crate-name "));
    calls.filter_map(|line| Some((line.split_once("--crate-name ")?.1.split(' ').next()?, line))).collect()
}

/// Whether a mode compiles as it promises: `dev` incrementally and without the optimisations that take long,
/// `prod` with all crates as one.
fn compiles_as_promised(mode: &str, call: &str) -> bool {
    let has = |flag: &str| call.contains(&format!(" -C {flag}"));
    let is_optimised = has("opt-level=3") && !has("incremental=");
    let is_one = has("lto=fat ") && has("codegen-units=1 ");
    match mode {
        "dev" => has("incremental=") && !has("opt-level=") && !has("lto") && !has("codegen-units=1 "),
        "prod" => is_optimised && is_one,
        _ => is_optimised && !is_one,
    }
}

#[test]
fn the_strongest_mode_wins_and_prod_is_smaller_than_release_and_release_than_dev() {
    if !is_full() {
        return;
    }
    let fixture = with_part();
    let mut known: BTreeMap<(usize, &str), Vec<u8>> = BTreeMap::new();
    let mut compiled: BTreeMap<&str, usize> = BTreeMap::new();
    let says = prop::option::of(prop::sample::select(MODES.to_vec()));
    let any = (0..BODIES.len(), [says.clone(), says.clone(), says.clone(), says]);
    rows(FEW, 100, any, |(body, says)| {
        fixture.write("Cargo.toml", &manifest(says));
        fixture.write("src/main.rs", &format!("fn main() {{\n    part::part();\n    {}\n}}\n", BODIES[body]));
        let mut command = fixture.command_for("host");
        command.args(says[0].iter().flat_map(|mode| ["--mode", mode]));
        command.envs(says[1].map(|mode| ("LAMBDA_PACKAGER_MODE", mode)));
        let ended = Ended::of(command.env("LAMBDA_PACKAGER_CARGO_FLAGS", "-v")).ok();
        let expected = says.into_iter().flatten().next().unwrap_or("release");
        let manifest = fixture.manifest("hello");
        prop_assert!(manifest["ingredients"]["mode"] == expected, "{} and not {expected}", manifest["ingredients"]);
        if ended.verdict() != "cache-hit" {
            let calls = calls_of_rustc(&ended.stderr);
            let names: Vec<&str> = calls.keys().copied().collect();
            let times = compiled.entry(expected).or_default();
            prop_assert_eq!(names, if *times == 0 { vec!["hello", "part"] } else { vec!["hello"] });
            prop_assert!(compiles_as_promised(expected, calls["hello"]), "{}: {}", expected, calls["hello"]);
            *times += 1;
        }
        let zip = fixture.zip("hello");
        let before = known.entry((body, expected)).or_insert_with(|| zip.clone());
        prop_assert!(*before == zip, "the same mode made other bytes");
        let bytes = |mode| known.get(&(body, mode)).map(Vec::len);
        for (small, large) in [("prod", "release"), ("release", "dev"), ("prod", "dev")] {
            if let (Some(small), Some(large)) = (bytes(small), bytes(large)) {
                prop_assert!(small < large, "{small} bytes are no fewer than {large}");
            }
        }
        Ok(())
    });
    assert_eq!(known.len(), BODIES.len() * MODES.len(), "not every project was built in every mode");
    assert!(compiled.values().all(|times| *times > 1), "not every mode compiled after an edit: {compiled:?}");
}

#[test]
fn what_the_users_own_profile_says_stands() {
    let fixture = Fixture::hello();
    let manifest = fixture.text("Cargo.toml");
    let bytes_with = |profile: &str| {
        fixture.write("Cargo.toml", &format!("{manifest}{profile}"));
        let built = fixture.run(&["--engine", "host", "--mode", "prod", "--force", "--profile", "release"]).ok();
        // Production leaves an image where there is an engine.
        assert!(built.stderr.contains("there is no engine to leave the image in"), "{}", built.stderr);
        fixture.read("target/lambda/hello/bootstrap").len()
    };
    let without_lto = "[profile.release]\nlto = \"off\"\ncodegen-units = 16\n";
    let sizes = ["", without_lto, &format!("{without_lto}strip = false\n")].map(bytes_with);
    assert!(sizes[0] < sizes[1] && sizes[1] < sizes[2], "a setting of theirs did not stand: {sizes:?}");
}

/// What is side by side compresses well together; a linker that cannot sort is not asked to.
#[test]
fn prod_sorts_the_binary_for_the_zip_where_its_linker_can() {
    let fixture = with_part();
    fixture.write("Cargo.toml", &manifest([None; 4]));
    fixture.write("src/main.rs", "fn main() {\n    part::part();\n}\n");
    let sorted_with = |flags: &str, mode: &str| {
        let mut command = fixture.command();
        let words = ["--engine", "host", "--force", "--mode"].into_iter().chain(mode.split(' '));
        command.args(words).env("LAMBDA_PACKAGER_CARGO_FLAGS", flags);
        let said = Ended::of(&mut command).ok().stderr;
        let calls = calls_of_rustc(&said);
        assert!(calls.contains_key("hello"), "{said}");
        let names = calls.into_iter().filter(|(_, call)| call.contains("--bp-compression-sort")).map(|(name, _)| name);
        names.map(String::from).collect::<Vec<_>>()
    };
    let sorted = |mode: &str| sorted_with("-v", mode);
    if Ended::of(Command::new("rustc").arg("-Vv")).stdout.contains("host: x86_64-unknown-linux-gnu") {
        assert_eq!(sorted("prod"), ["hello"]);
        if is_full() {
            assert_eq!(sorted_with("-v -- -C debuginfo=0", "prod"), ["hello"]);
        }
    } else {
        skip("sorting-linker", "rustup's Rust for x86_64-unknown-linux-gnu, 1.91 or newer, brings one");
    }
    assert!(sorted("release").is_empty());
    // With these a flag for the binary would make cargo compile its tests.
    for profile in cases(&["bench"][..], &["bench", "test"]) {
        assert!(sorted(&format!("prod --profile {profile}")).is_empty(), "{profile}");
    }
    // Whoever asks for another linker, by whatever setting, gets what that can.
    fixture.write(".cargo/config.toml", "[build]\nrustflags = [\"-Clink-arg=-fuse-ld=bfd\"]\n");
    assert!(sorted("prod").is_empty());
}

/// The former command lines, each with the mode whose artifact it leaves, if it leaves one.
const COMMANDS: [(&[&str], Option<&str>); 13] = [
    (&["dev-container.sh", "status"], None),
    (&["dev-container.sh", "start"], None),
    (&["dev-container.sh", "status"], None),
    (&["build-lambda.sh"], Some("prod")),
    (&["build-lambda.sh", "dev"], Some("dev")),
    (&["build-lambda.sh", "prod"], Some("prod")),
    (&["build-lambda.sh", "docker"], Some("prod")),
    (&["build-lambda.sh", "dev", "--force-rebuild"], Some("dev")),
    (&["build-lambda.sh", "--force-rebuild"], Some("prod")),
    (&["build-lambda.sh", "--force-rebuild", "prod"], Some("prod")),
    (&["dev-container.sh", "build"], Some("release")),
    (&["dev-container.sh", "stop"], None),
    (&["dev-container.sh", "status"], None),
];

#[test]
fn any_former_command_line_in_any_order_gives_the_same_artifact() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    // A checkout in which the project is a tiny one, and the bin is there already.
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\noutput = \"lambda-deployment.zip\"\n");
    copy(&repository().join("docker"), &fixture.path("docker"));
    for name in ["build-lambda.sh", "dev-container.sh"] {
        program(&fixture.path(&format!("docker/{name}")), &fixture.read(&format!("docker/{name}")));
    }
    let bin = format!("#!/bin/sh\nexec '{}' \"$@\"\n", packager().display());
    program(&fixture.path("docker/lambda-packager"), bin.as_bytes());
    let run = |words: &[&str]| {
        let mut command = Command::new(fixture.path("docker").join(words[0]));
        fixture.prepare(command.args(&words[1..]));
        command.current_dir("/");
        Ended::of(command.env("LAMBDA_PACKAGER_ENGINE", engine.name()))
    };
    let wrong: [(&str, &[&[&str]], &str); 2] = [
        ("build-lambda.sh", &[&["release"], &["prod", "--force"]], "[dev|prod|docker] [--force-rebuild]"),
        ("dev-container.sh", &[&[], &["restart"], &["start", "now"]], "start|build|stop|status"),
    ];
    for (script, lines, usage) in wrong {
        for line in lines {
            run(&[&[script], *line].concat()).fails(2, &[&format!("usage: docker/{script} {usage}")]);
        }
    }
    // That the real one builds the bin is another matter; that it is one that runs is this one's.
    Ended::of(Command::new("sh").args(["-n", "docker/lambda-packager"]).current_dir(repository())).ok();
    let mut known: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    // What `status` says right after `start`, after `stop`, and before anything.
    let mut status = Some(4);
    rows(0..COMMANDS.len(), 100, 0..COMMANDS.len(), |which| {
        let (words, mode) = COMMANDS[which];
        let ended = run(words);
        if words[1..] == ["status"] {
            let expected = status.map_or([0, 3, 4].contains(&ended.code), |expected| ended.code == expected);
            prop_assert!(expected, "{} instead of {status:?}: {}", ended.code, ended.stderr);
        } else {
            prop_assert_eq!(ended.code, 0, "{:?}: {}", words, ended.stderr);
            status = if words[1..] == ["start"] { Some(0) } else { (words[1..] == ["stop"]).then_some(3) };
        }
        if let Some(mode) = mode {
            let zip = fixture.read("lambda-deployment.zip");
            prop_assert!(zip == fixture.zip("hello"), "{words:?} left another zip at the output");
            let before = known.entry(mode).or_insert_with(|| zip.clone());
            prop_assert!(*before == zip, "{words:?} made other bytes");
            let anew = words.contains(&"--force-rebuild") || words.contains(&"docker");
            prop_assert!(!anew || ended.verdict() != "cache-hit", "{words:?}: {}", ended.stderr);
        }
        Ok(())
    });
    let sizes: Vec<usize> = ["prod", "release", "dev"].iter().map(|mode| known[mode].len()).collect();
    assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
}

#[test]
fn make_lists_every_target_that_people_type() {
    let help = Ended::of(Command::new("make").arg("help").current_dir(repository())).ok().stdout;
    let listed: Vec<&str> =
        help.lines().filter_map(|line| line.strip_prefix("make ")?.split_whitespace().next()).collect();
    let typed =
        "build dev prod docker container-start container-stop container-status image push deploy test bench clean help";
    for target in typed.split(' ') {
        assert!(listed.contains(&target), "{target}: {help}");
    }
}
