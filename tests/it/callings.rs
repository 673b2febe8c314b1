//! Both callings, each with a path dependency outside of the function's own folder; and the builds
//! in which nothing is packaged.

use std::thread;
use std::time::Duration;

use crate::support::host::{Profile, bounded, printed_by, ran_a_build_script, sha256_of};
use crate::support::{Ended, Engine, Fixture, is_full, one_engine, podman_with_all_cases, program};

/// The three constants, as a bin of the fixture `deployment` prints them.
fn constants(fixture: &Fixture, bin: &str) -> Vec<String> {
    printed_by(&fixture.path(&format!("target/{bin}"))).lines().map(String::from).collect()
}

#[test]
fn a_deployment_crate_packages_a_member_and_knows_where_the_zip_is() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release, Profile::Debug]);
    let cargo = |args: &[&str]| Ended::of(&mut fixture.cargo_with(engine.name(), args)).ok();
    cargo(&["build", "--release", "--workspace"]);
    assert_eq!(fixture.output_of_bootstrap("function"), "hello from a dependency");
    assert_eq!(fixture.read("deployment.zip"), fixture.zip("function"));
    let zip = fixture.path("deployment.zip");
    let manifest = fixture.path("target/lambda/function/manifest.json");
    let expected = [zip.display().to_string(), sha256_of(&zip), manifest.display().to_string()];
    assert_eq!(constants(&fixture, "release/deployment"), expected);
    // Through `links`, as DEP_DEPLOYMENT_ZIP and so on.
    assert_eq!(constants(&fixture, "release/consumer"), expected);

    cargo(&["build"]);
    assert_eq!(constants(&fixture, "debug/deployment"), ["", "", ""]);
    assert_eq!(sha256_of(&zip), expected[1]);

    cargo(&["build", "--profile=dist"]);
    assert_eq!(fixture.logged_verdict("function"), "cache-miss: profile release -> dist");
    assert_eq!(constants(&fixture, "dist/deployment"), [expected[0].clone(), sha256_of(&zip), expected[2].clone()]);
}

/// A build that does not package leaves the zip as it was, and does not keep the next one from packaging.
#[test]
fn only_a_release_build_packages() {
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release, Profile::Debug]);
    // The rust-analyzer of an editor calls cargo with itself as the compiler's wrapper.
    let analyzer = fixture.path("rust-analyzer");
    program(&analyzer, b"#!/bin/sh\nexec \"$@\"\n");
    let analyzer = analyzer.display().to_string();
    let with = |name: &str, value: &str, args: &[&str]| Ended::of(fixture.cargo_with("host", args).env(name, value));
    for args in [&["check"][..], &["build"], &["clippy"], &["test", "--lib"]] {
        Ended::of(&mut fixture.cargo_with("host", args)).ok();
        assert!(!fixture.path("target/lambda").exists(), "{args:?} packaged");
    }
    fixture.build_with("host").ok();
    assert_eq!(fixture.output_of_bootstrap("function"), "hello from a dependency");
    let never: [(&[&str], &str, &str); 5] = [
        (&["clippy", "--release"], "SOME", "thing"),
        (&["build", "--release"], "DOCS_RS", "1"),
        (&["check", "--release"], "RUSTC_WRAPPER", &analyzer),
        (&["build", "--release"], "RUSTC_WRAPPER", &analyzer),
        (&["build", "--release"], "LAMBDA_PACKAGER", "never"),
    ];
    for (args, name, value) in never {
        let (before, greeting) = (fixture.zip("function"), format!("{args:?} {name}"));
        fixture.write("greeting/src/lib.rs", &format!("pub const GREETING: &str = {greeting:?};\n"));
        with(name, value, args).ok();
        assert!(fixture.zip("function") == before, "{args:?} with {name}={value} packaged");
        fixture.build_with("host").ok();
        assert_eq!(fixture.output_of_bootstrap("function"), greeting);
    }
    let refused = "\"nonsense\" is not `always`, `release` or `never`";
    with("LAMBDA_PACKAGER", "nonsense", &["build"]).fails(101, &["variable LAMBDA_PACKAGER", refused]);
    fixture.write("greeting/src/lib.rs", "pub const GREETING: &str = \"always\";\n");
    with("LAMBDA_PACKAGER", "always", &["build"]).ok();
    assert_eq!(fixture.output_of_bootstrap("function"), "always");

    // Settings made in build.rs, of every shape.
    fixture.write("Cargo.toml", &fixture.text("Cargo.toml").replace("package = \"function\"\n", ""));
    fixture.append("function/Cargo.toml", "\n[features]\nloud = []\n");
    fixture.write("function/src/main.rs", "fn main() {\n    print!(\"{}\", cfg!(feature = \"loud\"));\n}\n");
    let calls = ".package(\"function\").set(\"features\", \"loud\").set(\"force\", \"true\").set(\"engine_timeout_secs\", \"7\")";
    fixture.write("build.rs", &fixture.text("build.rs").replace(".run()", &format!("{calls}.run()")));
    fixture.build_with("host").ok();
    assert_eq!(fixture.output_of_bootstrap("function"), "true");
    let verdict = fixture.logged_verdict("function");
    assert!(verdict.starts_with("cache-miss: forced"), "{verdict}");
}

/// The usual layout of a single Lambda: package, workspace and target directory in one folder.
#[test]
fn a_self_packaging_crate_is_compiled_once_and_its_build_script_returns_at_once_inside() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("self_packaging", "app", &[Profile::Release]);
    let builds = || fixture.build_with(engine.name()).ok();
    builds();
    let zip = fixture.path("target/lambda/function/lambda-deployment.zip");
    let packaged = format!("hello from a dependency, packaged as {:?}\n", zip.display().to_string());
    assert_eq!(printed_by(&fixture.path("target/release/function")), packaged);
    // The same source, where there is no zip yet.
    assert_eq!(fixture.output_of_bootstrap("function"), "hello from a dependency, packaged as \"\"");
    assert_eq!(fixture.containers(engine).len(), 1);
    assert!(!ran_a_build_script(&builds()));

    for (what, file, text) in [
        ("changed", "../greeting/src/lib.rs", "pub const GREETING: &str = \"edited\";\n"),
        ("added", "src/new.rs", "\n"),
    ] {
        fixture.write(file, text);
        assert!(ran_a_build_script(&builds()), "{file}");
        assert_eq!(fixture.logged_verdict("function"), format!("cache-miss: {what} {file}"));
        assert_eq!(fixture.output_of_bootstrap("function"), "edited, packaged as \"\"");
    }
    assert!(!ran_a_build_script(&builds()));
}

/// Cargo marks with a tag only the folder that it made itself.
#[test]
fn what_cargo_makes_in_the_package_is_no_input() {
    if !is_full() {
        return;
    }
    let fixture = Fixture::with_packager("self_packaging", "app", &[]);
    // What is there before makes it a folder of the user's.
    fixture.bring_packager(Profile::Release, "build");
    let runs = |mut command: std::process::Command| Ended::of(command.env("CARGO_TARGET_DIR", "build")).ok();
    let builds = || runs(fixture.cargo_with("host", &["build", "--release", "--verbose"]));
    builds();
    assert!(!fixture.path("build/CACHEDIR.TAG").exists() && fixture.path("build/release/function").exists());
    assert_eq!(fixture.logged_verdict("function"), "cache-miss: first build");
    fixture.write("src/new.rs", "\n");
    assert!(ran_a_build_script(&builds()));
    assert_eq!(fixture.logged_verdict("function"), "cache-miss: added src/new.rs");
    assert!(!ran_a_build_script(&builds()));
    assert_eq!(runs(fixture.command_for("host")).verdict(), "cache-hit");
    let inputs = runs({
        let mut command = fixture.command_for("host");
        command.args(["explain", "--inputs"]);
        command
    });
    assert!(inputs.stdout.contains("src/new.rs") && !inputs.stdout.contains("build/"), "{}", inputs.stdout);
}

/// With its target directory and its records, which name the first.
#[test]
fn a_copy_of_a_checkout_on_the_host_leaves_the_first_alone_and_sees_what_it_has() {
    let mut fixture = Fixture::hello();
    let count = "std::fs::read_dir(\"data\").unwrap().count()";
    let script = format!("fn main() {{\n    println!(\"cargo:rustc-env=READ={{}}\", {count});\n}}\n");
    fixture.builds_with(&script, "fn main() {\n    println!(\"{}\", env!(\"READ\"));\n}\n");
    fixture.write("data/a", "");
    fixture.write("data/b", "");
    Ended::of(&mut fixture.command_for("host")).ok();
    let files = |root: &std::path::Path| {
        Ended::answer(
            std::process::Command::new("find").arg(root.join("target/lambda")).args(["-path", "*/workspace/*"]),
        )
    };
    let (first, before) = (fixture.root().to_path_buf(), files(fixture.root()));
    assert!(before.contains("data/b"), "{before}");
    let copy = fixture.around().join("copy");
    Ended::of(std::process::Command::new("cp").arg("-a").arg(&first).arg(&copy)).ok();
    fixture.moves_to(&copy);
    std::fs::remove_file(fixture.path("data/b")).expect("it is there");
    Ended::of(&mut fixture.command_for("host")).ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "1");
    assert_eq!(files(&first), before);
}

/// On the host it is compiled where it is, with its own dates; also where a package beside the workspace makes the
/// compile see a copy of it.
#[test]
fn a_package_with_an_absolute_path_is_compiled_again_where_it_changed_and_nothing_else_is() {
    let fixture = Fixture::empty("app");
    let elsewhere = fixture.around().join("elsewhere").display().to_string();
    let package = |beside: &str| {
        let dependencies = format!("[dependencies]\nelsewhere = {{ path = {elsewhere:?} }}\nfnv = \"1\"\n{beside}");
        fixture.package("", "app", &dependencies);
    };
    package("");
    fixture.package("../beside", "beside", "");
    fixture.write("../beside/src/lib.rs", "");
    fixture.package("../elsewhere", "elsewhere", "");
    std::fs::copy(crate::support::repository().join("Cargo.lock"), fixture.path("Cargo.lock")).expect("a lockfile");
    let prints = |more: &str| {
        fixture.write("src/main.rs", &format!("fn main() {{\n    println!(\"{{}}{more}\", elsewhere::TEXT);\n}}\n"));
    };
    prints("");
    for (text, more, beside) in [
        ("first", "", false),
        ("other", "!", false),
        ("first", "?", false),
        ("other", "??", true),
        ("first", "!!", true),
    ] {
        package(if beside { "beside = { path = \"../beside\" }\n" } else { "" });
        fixture.write("../elsewhere/src/lib.rs", &format!("pub const TEXT: &str = \"{text}\";\n"));
        // As a restored file has it, older than what was compiled.
        let file = std::fs::File::options().append(true).open(fixture.path("../elsewhere/src/lib.rs")).expect("a file");
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("a date");
        Ended::of(&mut fixture.command_for("host")).ok();
        assert!(fixture.output_of_bootstrap("app").starts_with(text), "{more}");
        prints(more);
        let edited = Ended::of(&mut fixture.command_for("host")).ok();
        assert_eq!(fixture.output_of_bootstrap("app"), format!("{text}{more}"));
        for name in ["elsewhere", "fnv"] {
            assert!(!edited.stderr.contains(&format!("Compiling {name} ")), "{}", edited.stderr);
        }
    }
}

/// On the host: what its build script reads, and what a macro of somebody else's reads beside it.
#[test]
fn what_is_read_beside_a_package_with_an_absolute_path_is_compiled_again() {
    let fixture = Fixture::empty("app");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"function\"]\nresolver = \"2\"\n");
    let elsewhere = fixture.around().join("elsewhere").display().to_string();
    let rest = format!(
        "[dependencies]\nelsewhere = {{ path = {elsewhere:?} }}\ninclude_dir = \"0.7\"\n\
         [package.metadata.lambda-packager]\ninputs = [\"data\"]\n"
    );
    fixture.package("function", "function", &rest);
    let main = "static DATA: include_dir::Dir = include_dir::include_dir!(\"$CARGO_MANIFEST_DIR/../data\");\n\
                fn main() {\n    println!(\"{} {}\", DATA.files().count(), elsewhere::TEXT);\n}\n";
    fixture.write("function/src/main.rs", main);
    fixture.package("../elsewhere", "elsewhere", "");
    fixture.write("../elsewhere/src/lib.rs", "pub const TEXT: &str = \"plain\";\n");
    let packaged = || {
        Ended::of(&mut fixture.command_for("host")).ok();
        fixture.output_of_bootstrap("function")
    };
    fixture.write("data/a", "one");
    assert_eq!(packaged(), "1 plain");
    for count in 2..4 {
        fixture.write(&format!("data/{count}"), "");
        assert_eq!(packaged(), format!("{count} plain"));
    }
    let file = fixture.path("data/a").display().to_string();
    let script = format!(
        "fn main() {{\n    println!(\"cargo:rerun-if-changed=build.rs\");\n    \
         println!(\"cargo:rustc-env=READ={{}}\", std::fs::read_to_string({file:?}).unwrap());\n}}\n"
    );
    fixture.write("../elsewhere/build.rs", &script);
    fixture.write("../elsewhere/src/lib.rs", "pub const TEXT: &str = env!(\"READ\");\n");
    assert_eq!(packaged(), "3 one");
    fixture.write("data/a", "two");
    assert_eq!(packaged(), "3 two");
    // That is no reason to compile other crates.
    fixture.write("data/a", "six");
    let ended = Ended::of(&mut fixture.command_for("host")).ok();
    assert!(
        ended.stderr.contains("Compiling elsewhere ") && !ended.stderr.contains("Compiling include_dir"),
        "{}",
        ended.stderr
    );
    assert_eq!(fixture.output_of_bootstrap("function"), "3 six");
}

#[test]
fn a_dependency_outside_of_the_workspace_counts_with_all_that_it_inherits() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("outside", "app", &[]);
    fixture.run_on(engine, &[]).ok();
    assert_eq!(fixture.output_of_bootstrap("function"), "a dependency with inner");
    let edits = [
        ("../shared/dep/src/lib.rs", " with ", " and ", "a dependency and inner"),
        ("../shared/inner/src/lib.rs", "inner", "core", "a dependency and core"),
        // Not in any package's folder: the manifest of the workspace that keys are inherited from.
        ("../shared/Cargo.toml", "a dependency", "the one", "the one and core"),
    ];
    for (file, from, to, printed) in edits {
        let text = String::from_utf8(fixture.read(file)).expect("text");
        fixture.write(file, &text.replace(from, to));
        let ended = fixture.run_on(engine, &[]).ok();
        assert_eq!(ended.verdict(), format!("cache-miss: changed {file}"));
        assert_eq!(fixture.output_of_bootstrap("function"), printed);
    }
    assert_eq!(fixture.run_on(engine, &[]).ok().verdict(), "cache-hit");
}

/// Both ways in at the same time, where all that can be shared is shared, and only one job at a time.
#[test]
fn cargo_and_the_bin_at_the_same_time_end_with_one_zip() {
    const LIMIT: Duration = Duration::from_secs(120);
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("deployment", "", &[]);
    fixture.bring_packager(Profile::Release, "shared");
    let shared = fixture.path("shared");
    for set_up in ["CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "build.target-dir", "build.build-dir"] {
        // New settings, and cargo has to be asked again, by both.
        let config = match set_up.split_once('.') {
            Some((table, key)) => format!("[{table}]\n{key} = {:?}\n", shared.display().to_string()),
            None => String::new(),
        };
        for road in ["host", engine.name()] {
            let comment = format!("# {set_up} on {road}\n");
            fixture.write(".cargo/config.toml", &(config.clone() + &comment));
            let prepared = |mut command: std::process::Command| {
                if !set_up.contains('.') {
                    command.env(set_up, &shared);
                }
                command.env("LAMBDA_PACKAGER_ENGINE", road).env("LAMBDA_PACKAGER_PACKAGE", "function");
                command
            };
            let bin = prepared(fixture.command());
            let bin = thread::spawn(move || bounded(bin, LIMIT));
            bounded(prepared(fixture.cargo_with(road, &["build", "--release", "--jobs=1"])), LIMIT).ok();
            bin.join().expect("the bin ended").ok();
            let zip = fixture.path("target/lambda/function/lambda-deployment.zip");
            assert_eq!(fixture.manifest("function")["artifact"]["zip_sha256"], sha256_of(&zip));
            assert_eq!(bounded(prepared(fixture.command()), LIMIT).ok().verdict(), "cache-hit", "{comment}");
        }
    }
}
