//! What the outer cargo sees: when it runs the build script again, and what it shows of it.

use std::fs;

use crate::support::host::{Profile, git, in_terminal, ran_a_build_script, sha256_of};
use crate::support::{Ended, Engine, Fixture, has_all, one_engine, podman_with_all_cases};

/// A copy of a fixture that a build packaged, and the engine it did that on.
fn built(name: &str, below: &str, wanted: Option<Engine>) -> Option<(Fixture, &'static str)> {
    let engine = wanted?.name();
    let fixture = Fixture::with_packager(name, below, &[Profile::Release]);
    runs(&fixture, engine, "cache-miss: first build");
    Some((fixture, engine))
}

/// `cargo build --release` runs the build script, which comes to `verdict` and leaves no warning.
#[track_caller]
fn runs(fixture: &Fixture, engine: &str, verdict: &str) {
    let ended = fixture.build_with(engine).ok();
    assert!(ran_a_build_script(&ended), "{verdict}: cargo saw nothing to do:\n{}", ended.stderr);
    assert_eq!(fixture.logged_verdict("function"), verdict);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

/// `cargo build --release` sees nothing to do.
#[track_caller]
fn rests(fixture: &Fixture, engine: &str) {
    let log = fixture.read("target/lambda/function/build.log");
    let ended = fixture.build_with(engine).ok();
    assert!(!ran_a_build_script(&ended), "{}", ended.stderr);
    assert_eq!(ours(&ended.stderr), [""; 0]);
    assert!(fixture.read("target/lambda/function/build.log") == log, "it was packaged");
}

/// The lines that we wrote, not cargo.
fn ours(shown: &str) -> Vec<&str> {
    let marks =
        ["packaging ", "cache-", "compile [", "  backend ", "  stages ", "  zip ", "  sha256 ", "lambda-packager:"];
    shown.lines().filter(|line| marks.iter().any(|mark| line.contains(mark))).collect()
}

fn edit(fixture: &Fixture, file: &str, from: &str, to: &str) {
    let text = fixture.text(file);
    assert!(text.contains(from), "{from:?} is not in {file}:\n{text}");
    fixture.write(file, &text.replace(from, to));
}

#[test]
fn a_warning_of_the_compiler_is_shown_once_and_an_unchanged_build_starts_and_says_nothing() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // Cargo counts its units in public only where a build takes longer than half a second.
    fixture.write("function/build.rs", "fn main() {\n    std::thread::sleep(std::time::Duration::from_secs(1));\n}\n");
    edit(&fixture, "function/src/main.rs", "fn main() {", "fn unused() {}\n\nfn main() {");
    let build = || in_terminal(&fixture.cargo_with(engine.name(), &["build", "--release"]));
    let Some(first) = build() else { return };
    let first = first.ok().stdout;
    assert_eq!(first.matches("`unused` is never used").count(), 1, "{first}");
    has_all(&first, &["packaging function", "first build", "\r", "compile [", "cache-miss: first build", "  stages "]);
    assert_eq!(ours(&build().expect("as before").ok().stdout), [""; 0]);
    rests(&fixture, engine.name());
}

#[test]
fn a_zip_that_is_gone_cut_or_replaced_is_made_again() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    let good = fixture.zip("function");
    for zip in ["deployment.zip", "target/lambda/function/lambda-deployment.zip"] {
        let path = fixture.path(zip);
        let other = path.with_extension("other");
        let damages: [(&str, &dyn Fn() -> std::io::Result<()>); 3] = [
            ("missing", &|| fs::remove_file(&path)),
            ("modified", &|| fs::write(&path, &good[..good.len() / 2])),
            ("modified", &|| fs::write(&other, vec![0; good.len()]).and_then(|()| fs::rename(&other, &path))),
        ];
        for (what, damage) in damages {
            damage().expect("it can be written");
            runs(&fixture, engine, &format!("cache-miss: zip {what} ({zip})"));
            assert!(fixture.read(zip) == good);
        }
    }
    rests(&fixture, engine);
}

#[test]
fn every_kind_of_edit_is_seen() {
    let Some((fixture, engine)) = built("outside", "app", podman_with_all_cases()) else { return };
    let edits = [
        ("function/src/main.rs", "dep::text()", "&dep::text()"),
        ("Cargo.lock", "version = 4", "version = 3"),
        ("function/Cargo.toml", "[dependencies]", "# A comment.\n[dependencies]"),
        ("../shared/dep/src/lib.rs", " with ", " and "),
        ("../shared/Cargo.toml", "[workspace.package]", "# A comment.\n[workspace.package]"),
    ];
    for (file, from, to) in edits {
        edit(&fixture, file, from, to);
        runs(&fixture, engine, &format!("cache-miss: changed {file}"));
    }
    assert_eq!(fixture.output_of_bootstrap("function"), "a dependency and inner");
    for file in ["function/src/new.rs", "function/data.txt"] {
        fixture.write(file, "\n");
        runs(&fixture, engine, &format!("cache-miss: added {file}"));
    }
    rests(&fixture, engine);
}

#[test]
fn force_forces_every_time_and_leaves_nothing_behind() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    for _ in 0..2 {
        let mut command = fixture.cargo_with(engine, &["build", "--release", "--verbose"]);
        let ended = Ended::of(command.env("LAMBDA_PACKAGER_FORCE", "1")).ok();
        assert!(ran_a_build_script(&ended), "{}", ended.stderr);
        assert_eq!(fixture.logged_verdict("function"), "cache-miss: forced");
    }
    runs(&fixture, engine, "cache-hit");
    rests(&fixture, engine);
}

#[test]
fn a_branch_and_back_is_a_miss_with_the_old_bytes() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    let git = |words: &str| git(fixture.root(), &words.split(' ').collect::<Vec<_>>());
    let zip = || sha256_of(&fixture.path("deployment.zip"));
    fixture.write(".gitignore", "/target\n*.zip\n");
    runs(&fixture, engine.name(), "cache-miss: first build");
    let before = zip();
    for words in
        ["init --quiet --initial-branch=one", "add .", "commit --quiet --message=one", "checkout --quiet -b two"]
    {
        git(words);
    }
    edit(&fixture, "greeting/src/lib.rs", "hello", "good day");
    git("commit --quiet --all --message=two");
    runs(&fixture, engine.name(), "cache-miss: changed greeting/src/lib.rs");
    assert_ne!(zip(), before);
    git("checkout --quiet one");
    runs(&fixture, engine.name(), "cache-miss: changed greeting/src/lib.rs");
    assert_eq!(zip(), before);
    rests(&fixture, engine.name());
}

#[test]
fn only_a_build_without_a_container_leaves_a_warning_and_only_one() {
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // Cargo replays it, whether it runs the build script or not.
    for ran in [true, false] {
        let ended = fixture.build_with("host").ok();
        assert_eq!(ran_a_build_script(&ended), ran);
        let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("lambda-packager: compiled outside of a container"), "{warnings:?}");
        assert_eq!(ours(&ended.stderr), warnings);
    }
}

#[test]
fn what_does_not_compile_is_said_once_and_costs_nothing() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Podman)) else { return };
    let read = |name: &str| fixture.read(&format!("target/lambda/function/{name}"));
    let made = || (read("lambda-deployment.zip"), read("manifest.json"), fixture.read("deployment.zip"));
    let good = made();
    edit(&fixture, "function/src/main.rs", "greeting::GREETING", "1 + greeting::GREETING");
    let piped = fixture.build_with(engine).fails(101, &["error[E0277]", "function does not compile"]);
    assert_eq!(piped.stderr.matches("cannot add").count(), 1, "{}", piped.stderr);
    if let Some(shown) = in_terminal(&fixture.cargo_with(engine, &["build", "--release"])) {
        assert_eq!(shown.code, 101);
        let diagnostics: Vec<_> = shown.stdout.lines().filter(|line| line.contains("cannot add")).collect();
        assert_eq!(diagnostics.len(), 1, "{}", shown.stdout);
        assert!(diagnostics[0].contains("\x1b["), "{diagnostics:?} has no colours");
    }
    assert!(made() == good, "the artifact was touched");
    edit(&fixture, "function/src/main.rs", "1 + ", "");
    runs(&fixture, engine, "cache-hit");
}
