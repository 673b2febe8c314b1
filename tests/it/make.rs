//! What each make target calls, with which status it ends, and what `make build` prints. Fakes stand for the programs
//! that are called; what they do is tested elsewhere.

use std::fs;
use std::process::Command;

use crate::support::{Desk, Ended, Fixture, Front, REFERENCE, has_all, packager, program, repository};

const MAKE: [&str; 2] = ["make", "--no-print-directory"];

/// What Terraform is called for, of this environment and package.
fn terraform(environment: &str, package: &str, image: &str) -> Vec<String> {
    let variables = format!("-var environment={environment} -var package={package} -var image={image}");
    vec![
        "terraform -chdir=infra init -input=false".into(),
        format!("terraform -chdir=infra workspace select -or-create=true {environment}"),
        format!("terraform -chdir=infra apply -input=false -auto-approve {variables}"),
    ]
}

#[test]
fn where_the_provider_is_locked_nothing_is_added_to_the_lock() {
    let desk = Desk::with_fakes();
    desk.write("infra/.terraform.lock.hcl", "");
    let init = "terraform -chdir=infra init -input=false -lockfile=readonly";
    for (bucket, further) in [("", ""), ("STATE_BUCKET=b", " -backend-config=bucket=b")] {
        let words: Vec<_> =
            MAKE.into_iter().chain(["deploy", bucket].into_iter().filter(|word| !word.is_empty())).collect();
        desk.run(&words, "").ok();
        let calls = desk.calls();
        assert!(calls.iter().any(|call| call.starts_with(&format!("{init}{further}"))), "{calls:?}");
    }
}

#[test]
fn the_state_is_in_the_bucket_of_the_call_and_an_init_that_fails_leaves_nothing() {
    let desk = Desk::with_fakes();
    let deploy = |bucket: &str, failing: &str| {
        let ended = desk.run(&[&MAKE[..], &["deploy", &format!("STATE_BUCKET={bucket}")]].concat(), failing);
        let init = desk.calls().into_iter().find(|call| call.contains(" init ")).expect("an init");
        (ended, init)
    };
    let backend = "infra/backend_override.tf";
    let (failed, _) = deploy("typo", "terraform");
    failed.fails(2, &["terraform-init failed"]);
    assert!(!desk.has(backend));
    for (bucket, again) in [("a", false), ("b", true), ("b", true)] {
        let (ended, init) = deploy(bucket, "");
        ended.ok();
        assert!(init.contains(&format!(" -backend-config=bucket={bucket} ")), "{init}");
        assert_eq!(init.contains(" -reconfigure "), again, "{init}");
        assert!(desk.has(backend));
        // Of another state.
        assert!(!desk.has("infra/.terraform/environment"));
        desk.write("infra/.terraform/environment", "prod");
    }
}

#[test]
fn each_target_calls_what_it_says() {
    let desk = Desk::with_fakes();
    let deployed = |first: &str, environment: &str, package: &str, image: &str| {
        [vec![first.to_string()], terraform(environment, package, image)].concat()
    };
    let one = |call: &str| vec![call.to_string()];
    let apply = format!("IMAGE={REFERENCE}");
    let pushed = "lambda-packager image push --env preprod";
    let rows = [
        ("build", one("cargo build --release")),
        ("build FORCE=1", one("forced cargo build --release")),
        ("build FORCE=0", one("cargo build --release")),
        ("dev", one("mode=dev cargo build --release")),
        ("prod", one("lambda-packager build --mode prod")),
        ("docker", one("lambda-packager build --mode docker")),
        ("container-start", one("lambda-packager container start")),
        ("container-stop", one("lambda-packager container stop")),
        ("container-status", one("lambda-packager container status")),
        ("image", one("lambda-packager image build --env preprod")),
        ("image ENV=prod REGISTRY=r:1", one("lambda-packager image build --env prod --registry r:1")),
        ("push ENV=prod REGISTRY=r:1", one("lambda-packager image push --env prod --registry r:1")),
        ("image ARCHIVE=a.tar", one("lambda-packager image build --env preprod --archive a.tar")),
        ("push ARCHIVE=a.tar", one("lambda-packager image push --env preprod --archive a.tar")),
        ("push FORCE=1", one(&format!("forced {pushed}"))),
        ("deploy", deployed(pushed, "preprod", "image", REFERENCE)),
        ("deploy PACKAGE=zip", deployed("lambda-packager build --env preprod", "preprod", "zip", "")),
        ("deploy PACKAGE=zip ENV=prod", deployed("lambda-packager build --env prod", "prod", "zip", "")),
        // What is set for another target is not for this one.
        (&format!("deploy TAG=x {apply}"), deployed(pushed, "preprod", "image", REFERENCE)),
        (
            &format!("apply ENV=prod {apply}"),
            deployed(&format!("lambda-packager image check {REFERENCE} --env prod"), "prod", "image", REFERENCE),
        ),
        (
            "rollback TAG=preprod-1 REGISTRY=r:1",
            deployed(
                "lambda-packager image rollback --env preprod --registry r:1 -- preprod-1",
                "preprod",
                "image",
                REFERENCE,
            ),
        ),
        ("clean", vec!["lambda-packager clean --all".into(), "cargo clean".into()]),
    ];
    for (words, calls) in rows {
        let words: Vec<_> = MAKE.into_iter().chain(words.split(' ')).collect();
        desk.run(&words, "").ok();
        assert_eq!(desk.calls(), calls, "{words:?}");
        // What is called first ends all of it.
        let first = if calls[0].contains("cargo ") { "cargo" } else { "lambda-packager" };
        let ended = desk.run(&words, first).fails(2, &["Error 7"]);
        assert_eq!(desk.calls(), calls[..1], "{words:?}");
        assert!(!ended.stdout.contains("cache-"), "a summary of another run: {}", ended.stdout);
    }
}

#[test]
fn images_of_several_functions_are_one_map() {
    let desk = Desk::with_fakes();
    let named = |name: &str| format!("{name}={REFERENCE}");
    let all = [named("api"), named("a.worker")].join("\n");
    let images = format!("FAKE_IMAGES={all}");
    let map = format!("images={{\"api\":\"{REFERENCE}\",\"a.worker\":\"{REFERENCE}\"}}");
    let check = |name: &str| format!("lambda-packager image check {REFERENCE} --env preprod --function {name}");
    let back = "lambda-packager image rollback --env preprod -- api=one a.worker=two".to_string();
    for (words, calls) in [
        (vec!["deploy", &images], vec!["lambda-packager image push --env preprod".to_string()]),
        (vec!["apply", &format!("IMAGE={all}")], vec![check("api"), check("a.worker")]),
        (vec!["rollback", "TAG=api=one a.worker=two", &images], vec![back]),
    ] {
        desk.run(&[&MAKE[..], &words].concat(), "").ok();
        let called = desk.calls();
        assert_eq!(called[..calls.len()], calls, "{words:?}");
        assert!(called.last().is_some_and(|call| call.ends_with(&format!(" -var {map}"))), "{called:?}");
        desk.run(&[&MAKE[..], &words].concat(), "lambda-packager").fails(2, &["nothing after it was started"]);
        assert_eq!(desk.calls(), calls[..1], "{words:?}");
    }
    // What is no name or no image is never a part of Terraform's expression.
    for wrong in ["a\"b=x", "api=${file(\"x\")}", "api=x\",\"b\":\"y"] {
        desk.run(&[&MAKE[..], &["deploy", &format!("FAKE_IMAGES={wrong}")]].concat(), "").fails(2, &["is not"]);
        assert!(!desk.calls().iter().any(|call| call.starts_with("terraform")), "{wrong}");
    }
}

#[test]
fn what_is_missing_ends_a_target_before_anything_starts() {
    let desk = Desk::with_fakes();
    for (words, says, calls) in [
        ("apply", "which image?", vec![]),
        ("rollback ENV=prod", "which one? TAG=", vec!["lambda-packager image list --env prod".to_string()]),
        ("rollback TAG=preprod-1 PACKAGE=zip", "check out the revision", vec![]),
        ("apply IMAGE=x PACKAGE=zip", "only for PACKAGE=image", vec![]),
        ("deploy PACKAGE=tar", "neither zip nor image", vec![]),
        ("deploy ENV=", "ENV names no environment", vec![]),
        ("deploy ENV=--help", "ENV names no environment", vec![]),
    ] {
        let line: Vec<_> = MAKE.into_iter().chain(words.split(' ')).collect();
        desk.run(&line, "").fails(2, &[says, "Error 2"]);
        assert_eq!(desk.calls(), calls, "{words:?}");
    }
}

#[test]
fn what_a_variable_has_is_never_a_command() {
    let desk = Desk::with_fakes();
    let by_shell = ["x; touch planted", "x\"; touch planted; \"", "x' ; touch planted; '", "`touch planted`"];
    let by_make = "$(shell touch planted)";
    for value in by_shell.into_iter().chain([by_make]) {
        for name in
            ["ENV", "REGISTRY", "TAG", "IMAGE", "ARCHIVE", "PACKAGE", "STATE_BUCKET", "FORCE", "PACKAGER", "ELSE"]
        {
            for target in ["image", "push", "deploy", "apply", "rollback"] {
                let set = format!("{name}={value}");
                desk.run(&[&MAKE[..], &[target, set.as_str()]].concat(), "");
                assert!(!desk.has("planted"), "make {target} '{set}'");
                desk.run(&["env", &set, "make", "--no-print-directory", target], "");
                assert!(!desk.has("planted"), "{set} make {target}");
            }
        }
    }
    // Nor is what the Makefile has for itself.
    for name in ["LOG", "LAST_RUN", "HANDOVER", "OF_IMAGE", "OF_ARCHIVE"] {
        for target in ["build", "image", "push", "handover-save", "handover-load"] {
            desk.run(&[&MAKE[..], &[target, &format!("{name}=x; touch planted")]].concat(), "");
            assert!(!desk.has("planted"), "make {target} {name}");
        }
    }
    // It is one argument, as it was written.
    for words in ["a b", by_make, "a$$b#c"] {
        desk.run(&[&MAKE[..], &["image", &format!("REGISTRY={words}")]].concat(), "").ok();
        let call = format!("lambda-packager image build --env preprod --registry {words}");
        assert!(desk.calls().contains(&call), "{words}");
    }
}

#[test]
fn what_one_job_made_the_next_one_can_run() {
    let [one, two] = ["one", "two"].map(|name| {
        let fixture = Fixture::empty(name);
        fs::copy(repository().join("Makefile"), fixture.path("Makefile")).expect("a Makefile");
        fixture
    });
    let make = |fixture: &Fixture, target: &str| {
        let mut command = Command::new("make");
        fixture.prepare(command.args(["--no-print-directory", target]));
        Ended::of(&mut command)
    };
    one.write("target/image.tar", "an image");
    make(&one, "handover-save").fails(2, &["target/release/lambda-packager"]);
    one.write("target/release/lambda-packager", "");
    program(&one.path("target/release/lambda-packager"), b"#!/bin/sh\necho here\n");
    make(&one, "handover-save").ok();
    fs::create_dir(two.path("target")).expect("a folder");
    // As the artifacts of a pipeline do it: the content, without permissions.
    fs::write(two.path("target/handover.tar"), one.read("target/handover.tar")).expect("a file");
    make(&two, "handover-load").ok();
    assert_eq!(two.text("target/image.tar"), "an image");
    assert_eq!(Ended::answer(&mut Command::new(two.path("target/release/lambda-packager"))), "here");
}

/// `make build` with a real packager: a fake of cargo runs it, as the build script would, with the output that cargo
/// keeps to itself unless the build script fails.
#[test]
fn a_build_ends_with_the_summary_of_a_miss_and_of_a_hit_and_with_the_error_of_a_failure() {
    let fixture = Fixture::empty("lambda");
    fixture.package("", "lambda", "");
    fixture.says("hello");
    fs::copy(repository().join("Makefile"), fixture.path("Makefile")).expect("a Makefile");
    let bin = packager().display();
    let cargo = Front::of(
        "cargo",
        &format!(
            "[ \"$*\" = 'build --release' ] || exec \"$real\" \"$@\"\n\
             [ -z \"$FAKE_FRESH\" ] || exit 0\n\
             said=$('{bin}' --engine host 2>&1) || {{ echo \"$said\" >&2; exit 101; }}\n\
             exit"
        ),
    );
    let build = |fresh: &str| {
        let mut make = Command::new("make");
        fixture.prepare(make.args(["--no-print-directory", "build"]));
        Ended::of(make.env("PATH", &cargo.path).env("FAKE_FRESH", fresh).env_remove("FORCE").env_remove("MAKEFLAGS"))
    };
    let summary = |ended: Ended| {
        let lines: Vec<_> = ended.stdout.lines().skip(1).map(String::from).collect();
        assert_eq!(ended.stdout.lines().next(), Some("cargo build --release"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("cache-")).count(), 1, "{lines:?}");
        lines
    };
    let first = summary(build("").ok());
    assert_eq!(first[0], "cache-miss: first build");
    has_all(&first.join("\n"), &["  backend host", "  stages  ", "  zip     ", "  sha256  "]);
    assert_eq!(summary(build("").ok())[0], "cache-hit");
    assert_eq!(summary(build("yes").ok()), ["cache-hit: cargo saw nothing to do"]);
    fixture.says("edited");
    assert_eq!(summary(build("").ok())[0], "cache-miss: changed src/main.rs");
    fixture.write("src/main.rs", "fn main() { nonsense }\n");
    let failed = build("").fails(2, &["nonsense", "Error 101"]);
    assert_eq!(failed.stdout, "cargo build --release\n");
}
