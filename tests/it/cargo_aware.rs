//! What the outer cargo sees: when it runs the build script again, and what it shows of it.

use std::fs;

use crate::support::host::{Profile, git, in_terminal, ran_a_build_script, sha256_of};
use crate::support::{Ended, Engine, Fixture, one_engine};

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
    let text = String::from_utf8(fixture.read(file)).expect("text");
    assert!(text.contains(from), "{from:?} is not in {file}:\n{text}");
    fixture.write(file, &text.replace(from, to));
}

#[test]
fn an_unchanged_build_starts_nothing_and_says_nothing() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // Cargo counts its units in public only where a build takes longer than half a second.
    fixture.write("function/build.rs", "fn main() {\n    std::thread::sleep(std::time::Duration::from_secs(1));\n}\n");
    let build = || in_terminal(&fixture.cargo_with(engine.name(), &["build", "--release"]));
    let Some(first) = build() else { return };
    let first = first.ok().stdout;
    for shown in ["packaging function", "first build", "\r", "compile [", "cache-miss: first build", "  stages "] {
        assert!(first.contains(shown), "{shown:?} is not in\n{first}");
    }
    assert_eq!(ours(&build().expect("as before").ok().stdout), [""; 0]);
    rests(&fixture, engine.name());
}

#[test]
fn a_zip_that_is_gone_cut_or_replaced_is_made_again() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    runs(&fixture, engine.name(), "cache-miss: first build");
    let good = fixture.zip("function");
    for zip in ["deployment.zip", "target/lambda/function/lambda-deployment.zip"] {
        let path = fixture.path(zip);
        let damages: [(&str, &dyn Fn()); 3] = [
            ("missing", &|| fs::remove_file(&path).expect("it was there")),
            ("modified", &|| fs::write(&path, &good[..good.len() / 2]).expect("it can be written")),
            ("modified", &|| {
                let other = path.with_extension("other");
                fs::write(&other, vec![0; good.len()]).and_then(|()| fs::rename(&other, &path)).expect("a file")
            }),
        ];
        for (what, damage) in damages {
            damage();
            runs(&fixture, engine.name(), &format!("cache-miss: zip {what} ({zip})"));
            assert!(fixture.read(zip) == good);
        }
    }
    rests(&fixture, engine.name());
}

#[test]
fn every_kind_of_edit_is_seen() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = Fixture::with_packager("outside", "app", &[Profile::Release]);
    runs(&fixture, engine.name(), "cache-miss: first build");
    let edits = [
        ("function/src/main.rs", "dep::text()", "&dep::text()"),
        ("Cargo.lock", "version = 4", "version = 3"),
        ("function/Cargo.toml", "[dependencies]", "# A comment.\n[dependencies]"),
        ("../shared/dep/src/lib.rs", " with ", " and "),
        ("../shared/Cargo.toml", "[workspace.package]", "# A comment.\n[workspace.package]"),
    ];
    for (file, from, to) in edits {
        edit(&fixture, file, from, to);
        runs(&fixture, engine.name(), &format!("cache-miss: changed {file}"));
    }
    assert_eq!(fixture.output_of_bootstrap("function"), "a dependency and inner");
    for file in ["function/src/new.rs", "function/data.txt"] {
        fixture.write(file, "\n");
        runs(&fixture, engine.name(), &format!("cache-miss: added {file}"));
    }
    rests(&fixture, engine.name());
}

#[test]
fn force_forces_every_time_and_leaves_nothing_behind() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    runs(&fixture, engine.name(), "cache-miss: first build");
    for _ in 0..2 {
        let mut command = fixture.cargo_with(engine.name(), &["build", "--release", "--verbose"]);
        let ended = command.env("LAMBDA_PACKAGER_FORCE", "1").output().map(Ended::from).expect("cargo starts").ok();
        assert!(ran_a_build_script(&ended), "{}", ended.stderr);
        assert_eq!(fixture.logged_verdict("function"), "cache-miss: forced");
    }
    runs(&fixture, engine.name(), "cache-hit");
    rests(&fixture, engine.name());
}

#[test]
fn a_branch_and_back_is_a_miss_with_the_old_bytes() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    let git = |args: &[&str]| git(fixture.root(), args);
    let zip = || sha256_of(&fixture.path("deployment.zip"));
    fixture.write(".gitignore", "/target\n*.zip\n");
    runs(&fixture, engine.name(), "cache-miss: first build");
    let before = zip();
    git(&["init", "--quiet", "--initial-branch=one"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=one"]);
    git(&["checkout", "--quiet", "-b", "two"]);
    edit(&fixture, "greeting/src/lib.rs", "hello", "good day");
    git(&["commit", "--quiet", "--all", "--message=two"]);
    runs(&fixture, engine.name(), "cache-miss: changed greeting/src/lib.rs");
    assert_ne!(zip(), before);
    git(&["checkout", "--quiet", "one"]);
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
fn a_warning_of_the_compiler_is_shown_once_on_a_terminal() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    edit(&fixture, "function/src/main.rs", "fn main() {", "fn unused() {}\n\nfn main() {");
    let Some(shown) = in_terminal(&fixture.cargo_with(engine.name(), &["build", "--release"])) else { return };
    let shown = shown.ok().stdout;
    assert_eq!(shown.matches("`unused` is never used").count(), 1, "{shown}");
}

#[test]
fn what_does_not_compile_is_said_once_and_costs_nothing() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    runs(&fixture, engine.name(), "cache-miss: first build");
    let good =
        (fixture.zip("function"), fixture.read("deployment.zip"), fixture.read("target/lambda/function/manifest.json"));
    edit(&fixture, "function/src/main.rs", "greeting::GREETING", "1 + greeting::GREETING");
    let piped = fixture.build_with(engine.name()).fails(101, &["error[E0277]", "function does not compile"]);
    assert_eq!(piped.stderr.matches("cannot add").count(), 1, "{}", piped.stderr);
    if let Some(shown) = in_terminal(&fixture.cargo_with(engine.name(), &["build", "--release"])) {
        assert_eq!(shown.code, 101);
        let diagnostics: Vec<_> = shown.stdout.lines().filter(|line| line.contains("cannot add")).collect();
        assert_eq!(diagnostics.len(), 1, "{}", shown.stdout);
        assert!(diagnostics[0].contains("\x1b["), "{diagnostics:?} has no colours");
    }
    let now =
        (fixture.zip("function"), fixture.read("deployment.zip"), fixture.read("target/lambda/function/manifest.json"));
    assert!(now == good, "the artifact was touched");
    edit(&fixture, "function/src/main.rs", "1 + ", "");
    runs(&fixture, engine.name(), "cache-hit");
}
