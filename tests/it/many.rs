//! Many functions in one run.

use std::process::Command;

use crate::extension::allow_execution;
use crate::support::host::{Profile, printed_by, ran_a_build_script, sha256_of};
use crate::support::{Ended, Engine, Fixture, cases, one_engine};

/// A workspace of `api` with the bins `api` and `admin`, `worker`, and `loud`, which turns on another feature of the crate
/// that all of them share. Each prints its name and what the shared crate says.
fn workspace() -> Fixture {
    let fixture = Fixture::empty("many");
    fixture
        .write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"loud\", \"shared\", \"worker\"]\nresolver = \"2\"\n");
    fixture.shared();
    let shared = "[dependencies]\nshared = { path = \"../shared\" }\n";
    fixture.package("api", "api", shared);
    fixture.package("worker", "worker", shared);
    fixture.package("loud", "loud", "[dependencies]\nshared = { path = \"../shared\", features = [\"loud\"] }\n");
    for (file, name) in [("api/src/main.rs", "api"), ("api/src/bin/admin.rs", "admin")] {
        says(&fixture, file, name);
    }
    for name in ["worker", "loud"] {
        says(&fixture, &format!("{name}/src/main.rs"), name);
    }
    fixture
}

fn says(fixture: &Fixture, file: &str, what: &str) {
    fixture.write(file, &format!("fn main() {{\n    println!(\"{what} {{}}\", shared::say());\n}}\n"));
}

const ALL: [&str; 4] = ["admin", "api", "loud", "worker"];

/// What each function prints.
fn printed(fixture: &Fixture) -> [String; 4] {
    ALL.map(|name| fixture.output_of_bootstrap(name))
}

fn ended(command: &mut Command) -> Ended {
    Ended::of(command).ok()
}

/// The last line of a run.
#[track_caller]
fn summary(ended: &Ended) -> &str {
    ended.stderr.lines().last().unwrap_or_default()
}

/// How often cargo was called to compile.
fn compiles(ended: &Ended) -> usize {
    ended.stderr.matches("Finished `release`").count()
}

#[test]
fn one_run_packages_all_and_each_is_judged_by_itself_and_has_the_bytes_that_it_has_alone() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    for road in cases(vec![engine.name()], vec![engine.name(), "host"]) {
        let fixture = workspace();
        let first = ended(&mut fixture.command_for(road));
        assert_eq!(summary(&first), "4 functions: 4 packaged (admin: first build, ...)", "{}", first.stderr);
        // The shared crate has other features for `loud` alone.
        assert_eq!(compiles(&first), 2, "{}", first.stderr);
        assert_eq!(printed(&fixture), ["admin soft", "api soft", "loud LOUD", "worker soft"]);
        let again = ended(&mut fixture.command_for(road));
        assert_eq!(summary(&again), "4 functions: 4 reused");

        says(&fixture, "worker/src/main.rs", "edited");
        let edited = ended(&mut fixture.command_for(road));
        let expected = "4 functions: 1 packaged (worker: changed worker/src/main.rs), 3 reused";
        assert_eq!(summary(&edited), expected, "{}", edited.stderr);
        fixture.append("shared/src/lib.rs", "// another\n");
        let shared = ended(&mut fixture.command_for(road));
        assert_eq!(summary(&shared), "4 functions: 4 packaged (admin: changed shared/src/lib.rs, ...)");
        let together = ALL.map(|name| fixture.zip(name));
        assert_eq!(printed(&fixture), ["admin soft", "api soft", "loud LOUD", "edited soft"]);
        for (name, zip) in ALL.iter().zip(&together) {
            let alone = ended(fixture.command_for(road).args(["--force", "--function", name]));
            assert!(alone.stderr.contains("sha256"), "{}", alone.stderr);
            assert!(fixture.zip(name) == *zip, "{name} alone has other bytes");
        }
        let explained = Ended::answer(fixture.command_for(road).arg("explain"));
        assert_eq!(explained.lines().filter(|line| line.ends_with(": cache-hit")).count(), 4, "{explained}");
    }
}

#[test]
fn what_does_not_compile_keeps_no_other_function_from_its_zip() {
    let fixture = workspace();
    ended(&mut fixture.command_for("host"));
    says(&fixture, "api/src/main.rs", "edited");
    fixture.write("worker/src/main.rs", "fn main() { oops }\n");
    let worker = fixture.zip("worker");
    let failed = Ended::of(&mut fixture.command_for("host"));
    let failed = failed
        .fails(4, &["1 of 4 functions was not packaged: worker", "error: worker: worker does not compile", "oops"]);
    assert!(
        failed.stderr.contains("4 functions: 2 packaged (admin: changed api/src/main.rs, ...), 1 reused, 1 failed")
    );
    assert_eq!(fixture.output_of_bootstrap("api"), "edited soft");
    assert!(fixture.zip("worker") == worker, "the last good zip was touched");
    says(&fixture, "worker/src/main.rs", "mended");
    let mended = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&mended), "4 functions: 1 packaged (worker: changed worker/src/main.rs), 3 reused");
}

#[test]
fn a_layer_of_files_that_fails_keeps_no_function_from_its_zip() {
    let fixture = workspace();
    fixture.package(
        "assets",
        "assets",
        "[package.metadata.lambda-packager]\nkind = \"layer\"\ninclude = [\".:opt\"]\n",
    );
    fixture.write("assets/src/lib.rs", "");
    let members = fixture.text("Cargo.toml").replace("\"api\"", "\"api\", \"assets\"");
    fixture.write("Cargo.toml", &members);
    fixture.write("assets/opt/words.txt", "first");
    let first = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&first), "5 functions: 5 packaged (admin: first build, ...)", "{}", first.stderr);
    let layer = fixture.zip("assets");
    says(&fixture, "worker/src/main.rs", "edited");
    // Lambda could not execute the first one, and not start the second one.
    for (name, content, status, why) in [
        ("watch", "#!/bin/sh\n", 2, "assets: `include` in [package.metadata.lambda-packager]"),
        ("other", "\x7fELF", 5, "assets: extensions/other"),
    ] {
        fixture.write(&format!("assets/opt/extensions/{name}"), content);
        if name == "other" {
            allow_execution(&fixture, "assets/opt/extensions/other");
        }
        let failed = Ended::of(&mut fixture.command_for("host"));
        let failed = failed.fails(status, &["1 of 5 functions was not packaged: assets", why]);
        assert!(failed.stderr.contains(", 1 failed"), "{}", failed.stderr);
        assert_eq!(printed(&fixture), ["admin soft", "api soft", "loud LOUD", "edited soft"]);
        assert!(fixture.zip("assets") == layer, "the last good zip was touched");
        std::fs::remove_file(fixture.path(&format!("assets/opt/extensions/{name}"))).expect("the file");
    }
    let mended = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&mended), "5 functions: 5 reused", "{}", mended.stderr);
    // The zips are no inputs, wherever they are.
    for _ in 0..2 {
        ended(fixture.command_for("host").args(["--output", "{function}.zip"]));
    }
    let again = ended(fixture.command_for("host").args(["--output", "{function}.zip"]));
    assert_eq!(summary(&again), "5 functions: 5 reused", "{}", again.stderr);
}

/// Faults that are known before a compile: what is included, where the zip goes, and what Lambda would start.
#[test]
fn what_keeps_one_function_from_its_zip_is_told_before_a_compile_and_keeps_no_other_one() {
    let fixture = workspace();
    let table = "[package.metadata.lambda-packager]\n";
    // Each package has settings for a compile of its own.
    fixture.append(
        "worker/Cargo.toml",
        &format!("[features]\nx = []\n{table}features = [\"x\"]\ninclude = [\"none/*\"]\n"),
    );
    fixture.append("loud/Cargo.toml", &format!("{table}output = \"loud/notes\"\n"));
    fixture.write("loud/notes", "mine");
    fixture.append("api/Cargo.toml", &format!("{table}kind = {{ admin = \"extension\" }}\ninclude = [\".:layer\"]\n"));
    fixture.write("api/layer/extensions/watch", "#!/bin/sh\n");
    let failed = Ended::of(&mut fixture.command_for("host"));
    let failed = failed.fails(
        2,
        &[
            "error: admin: `include` in [package.metadata.lambda-packager]",
            "error: loud: `output` in [package.metadata.lambda-packager]",
            "loud/notes exists and is not a zip",
            "error: worker: `include` in [package.metadata.lambda-packager]",
            "  api     packaged  ",
            "  worker  FAILED",
            "4 functions: 1 packaged (api: first build), 3 failed",
            "3 of 4 functions were not packaged: admin, loud, worker",
        ],
    );
    assert_eq!(compiles(&failed), 1, "{}", failed.stderr);
    assert_eq!((fixture.output_of_bootstrap("api"), fixture.text("loud/notes")), ("api soft".into(), "mine".into()));
}

#[test]
fn what_stops_a_run_leaves_the_zips_that_are_there_and_names_what_is_missing() {
    let fixture = workspace();
    let engine = |name: &str| format!("[package.metadata.lambda-packager]\nengine = \"{name}\"\n");
    for (package, name) in [("api", "host"), ("loud", "finch"), ("worker", "host")] {
        fixture.append(&format!("{package}/Cargo.toml"), &engine(name));
    }
    fixture.append("worker/Cargo.toml", "mode = \"dev\"\n");
    let package = |format: &str| Ended::of(fixture.command_elsewhere().args(["--message-format", format]));
    let stopped = package("human").fails(
        3,
        &[
            "  admin   packaged  target/lambda/admin/lambda-deployment.zip",
            "  loud    not packaged",
            "  worker  not packaged",
            "4 functions: 2 packaged (admin: first build, ...), 2 not packaged",
            "finch is not on PATH",
            "not packaged: loud, worker",
        ],
    );
    assert_eq!(compiles(&stopped), 1, "{}", stopped.stderr);
    assert_eq!(["admin", "api"].map(|name| fixture.output_of_bootstrap(name)), ["admin soft", "api soft"]);

    fixture.write("loud/Cargo.toml", &fixture.text("loud/Cargo.toml").replace("finch", "host"));
    package("human").ok();
    says(&fixture, "loud/src/main.rs", "edited");
    fixture.write("worker/src/main.rs", "fn main() { oops }\n");
    let events = package("json").fails(4, &[]);
    let all = events.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event"));
    let all: Vec<_> = all.filter(|event| event["event"] == "finished_all").collect();
    let [all] = all.as_slice() else { panic!("{}", events.stdout) };
    let lists = ["packaged", "reused", "not_packaged"].map(|list| all[list].clone());
    assert_eq!(lists, [serde_json::json!(["loud"]), serde_json::json!(["admin", "api"]), serde_json::json!([])]);
    assert_eq!((&all["failed"][0]["function"], &all["failed"][0]["exit_code"]), (&"worker".into(), &4.into()));
}

/// Compiled with others, a function sees their files too. What it reads of them is an input, as it is if it is alone.
#[test]
fn what_a_function_reads_of_another_ones_package_is_its_input() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = workspace();
    fixture.write("worker/words.txt", "first");
    fixture
        .write("api/src/main.rs", "fn main() {\n    println!(\"{}\", include_str!(\"../../worker/words.txt\"));\n}\n");
    ended(&mut fixture.command_on(engine));
    assert_eq!(fixture.output_of_bootstrap("api"), "first");
    fixture.write("worker/words.txt", "second");
    ended(&mut fixture.command_on(engine));
    assert_eq!(fixture.output_of_bootstrap("api"), "second");
    let explained = Ended::answer(fixture.command_on(engine).args(["explain", "--inputs", "--function", "api"]));
    assert!(explained.contains("worker/words.txt") && !explained.contains("worker/src/main.rs"), "{explained}");
}

/// What one function misses is found for it alone, also where it is compiled with others.
#[test]
fn what_is_found_for_one_function_is_an_input_of_no_other() {
    let fixture = workspace();
    fixture.git(&["init", "--quiet"]);
    fixture.write("proto/a.txt", "first");
    fixture.write("api/src/main.rs", "fn main() {\n    println!(\"{}\", include_str!(\"../../proto/a.txt\"));\n}\n");
    ended(&mut fixture.command_for("host"));
    assert_eq!(fixture.output_of_bootstrap("api"), "first");
    fixture.write("proto/a.txt", "second");
    let again = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&again), "4 functions: 1 packaged (api: changed proto/a.txt), 3 reused", "{}", again.stderr);
    assert_eq!(fixture.output_of_bootstrap("api"), "second");
}

/// A library of its own that a package makes besides, for example for the browser, changes how cargo compiles for LTO.
#[test]
fn a_library_that_is_linked_by_itself_changes_no_other_function() {
    let fixture = workspace();
    fixture.append("Cargo.toml", "[profile.release]\nlto = true\n");
    // With functions that are called by tables, whose order shows.
    fixture.write(
        "shared/src/lib.rs",
        "use std::fmt::{Display, Formatter, Result};\nstruct A(usize);\nstruct B(Vec<String>);\n\
         impl Display for A {\n    fn fmt(&self, f: &mut Formatter) -> Result {\n        assert!(self.0 > 3);\n        write!(f, \"{}\", self.0)\n    }\n}\n\
         impl Display for B {\n    fn fmt(&self, f: &mut Formatter) -> Result {\n        self.0.iter().try_for_each(|text| write!(f, \"{text}\"))\n    }\n}\n\
         pub fn say() -> String {\n    let all: Vec<Box<dyn Display>> = vec![Box::new(A(7)), Box::new(B(std::env::args().collect()))];\n    all.iter().map(|one| one.to_string()).collect()\n}\n",
    );
    fixture.package(
        "core",
        "core-of-api",
        "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n[dependencies]\nshared = { path = \"../shared\" }\n",
    );
    fixture.write("core/src/lib.rs", "pub fn say() -> String {\n    shared::say()\n}\n");
    fixture.write("Cargo.toml", &fixture.text("Cargo.toml").replace("\"shared\"", "\"core\", \"shared\""));
    fixture.append("api/Cargo.toml", "core-of-api = { path = \"../core\" }\n");
    fixture.write("api/src/main.rs", "fn main() {\n    println!(\"{}\", core_of_api::say());\n}\n");
    ended(&mut fixture.command_for("host"));
    let together = fixture.zip("worker");
    ended(fixture.command_for("host").args(["--force", "--function", "worker"]));
    assert!(fixture.zip("worker") == together);
}

#[test]
fn the_settings_of_the_package_around_count_for_its_own_functions() {
    let fixture = workspace();
    fixture.append(
        "api/Cargo.toml",
        "[package.metadata.lambda-packager]\nmode = \"dev\"\nfunctions = [\"api\"]\noutput = \"api.zip\"\n",
    );
    fixture.append("worker/Cargo.toml", "[package.metadata.lambda-packager]\noutput = \"dist/../worker.zip\"\n");
    let package = |args: &[&str]| ended(fixture.command_for("host").args(args).current_dir(fixture.path("api")));
    package(&["-p", "worker"]);
    assert_eq!(fixture.manifest("worker")["ingredients"]["mode"], "release");
    assert!(fixture.read("worker.zip") == fixture.zip("worker") && !fixture.path("api.zip").exists());
    package(&["--workspace"]);
    assert_eq!(fixture.manifest("api")["ingredients"]["mode"], "dev");
    assert_eq!(fixture.manifest("loud")["ingredients"]["mode"], "release");
    // The zip of one is no input of another.
    let again = package(&["--workspace"]);
    assert_eq!(summary(&again), "3 functions: 3 reused", "{}", again.stderr);
}

#[test]
fn each_function_has_an_output_of_its_own() {
    let fixture = workspace();
    let one = Ended::of(fixture.command_for("host").args(["--output", "all.zip"]));
    one.fails(2, &["flag --output", "all.zip would be the zip of admin and of api", "dist/{function}.zip"]);
    // The second one is at the top, where a file would be an input of all.
    for output in ["dist/{function}.zip", "{function}.zip"] {
        ended(fixture.command_for("host").args(["--output", output]));
        for name in ALL {
            assert_eq!(fixture.read(&output.replace("{function}", name)), fixture.zip(name));
        }
        let again = ended(fixture.command_for("host").args(["--output", output]));
        assert_eq!(summary(&again), "4 functions: 4 reused", "{}", again.stderr);
    }
    let verified = Ended::answer(fixture.command_for("host").args(["verify", "--output", "{function}.zip"]));
    assert_eq!(verified.lines().count(), 4, "{verified}");
    for (args, parts) in [
        (&["--function", "none*"][..], ["flag --function: there is no function `none*`", "the functions are: admin"]),
        (&["--workspace", "--exclude", "none"], ["has no package `none`", "its packages are: api"]),
    ] {
        Ended::of(fixture.command_for("host").args(args)).fails(2, &parts);
    }
    let some = ended(fixture.command_for("host").args([
        "--workspace",
        "--exclude",
        "loud",
        "--function",
        "a*",
        "-o{function}.zip",
    ]));
    assert_eq!(summary(&some), "2 functions: 2 reused");
}

#[test]
fn the_commands_of_the_container_are_about_every_one_that_the_functions_need() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = workspace();
    // Two functions of one package, which need another container than the others.
    fixture.append("api/Cargo.toml", "[package.metadata.lambda-packager]\nbase = \"host\"\n");
    let run = |args: &[&str]| fixture.run_on(engine, args);
    let status = |more: &[&str]| {
        let ended = run(&[&["container", "status", "--format", "json"], more].concat());
        let told = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        let states: Vec<_> =
            ended.stdout.lines().map(|line| told(line)["state"].as_str().unwrap().to_string()).collect();
        (ended.code, states.join(" "))
    };
    assert_eq!(status(&[]), (4, "not_found not_found".into()));
    run(&[]).ok();
    let made = fixture.containers(engine);
    assert_eq!(made.len(), 2);
    assert_eq!(status(&[]), (0, "running running".into()));
    assert_eq!(status(&["-p", "api"]), (0, "running".into()));
    let lines = run(&["container", "status"]).ok().stdout;
    for name in ALL {
        assert!(lines.contains(&format!("build   {name}: cache-miss: first build")), "{name}: {lines}");
    }
    assert_eq!(run(&["container", "stop", "--function", "admin"]).ok().stdout.lines().count(), 1);
    assert_eq!(status(&[]), (3, "stopped running".into()));
    run(&["container", "stop"]).ok();
    assert_eq!(status(&[]), (3, "stopped stopped".into()));
    assert_eq!(run(&["container", "start"]).ok().stdout.matches(" runs on ").count(), 2);
    run(&["container", "build"]).ok();
    let mut after = fixture.containers(engine);
    assert!(after.len() == 2 && made.iter().all(|id| after.contains(id)), "{made:?}, {after:?}");
    let several = ["the functions have several containers", " for admin, api; ", " for loud, worker", "--function"];
    run(&["container", "shell"]).fails(2, &several);
    let logs = |args: &[&str]| run(&[&["container", "logs"], args].concat()).ok().stdout;
    assert_eq!(logs(&[]).lines().filter(|line| line.starts_with("== ")).count(), 4);
    assert_eq!(logs(&["--function", "admin"]).lines().next(), Some("== admin"));
    engine.ask(&["rm", "--force", &after.remove(0)]);
    assert_eq!(status(&[]).0, 4);

    fixture.append("worker/Cargo.toml", "[package.metadata.lambda-packager]\nruntime = \"provided.al2\"\n");
    let told = run(&["doctor"]).ok().stdout;
    let builders = told.lines().filter(|line| line.contains("has no builder image")).count();
    assert_eq!((builders, told.matches("the host's toolchain is mounted read-only; no").count()), (2, 1), "{told}");
    assert_eq!(told.matches("ended the runtime provided.al2").count(), 1, "{told}");
    assert_eq!(told.matches("answers, and this user may use it").count(), 1, "{told}");
}

#[test]
fn each_function_is_verified_and_told_of_by_its_id() {
    let fixture = workspace();
    fixture.package("twin", "twin", "");
    fixture.write("twin/src/bin/worker.rs", "fn main() {}\n");
    fixture.write("Cargo.toml", &fixture.text("Cargo.toml").replace("\"shared\"", "\"shared\", \"twin\""));
    let verify = || Ended::of(fixture.command_for("host").arg("verify"));
    ended(&mut fixture.command_for("host"));
    let told = verify().ok().stdout;
    for id in ["admin", "api", "loud", "twin.worker", "worker.worker"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("{id} is as it was packaged"))), "{id}: {told}");
    }
    fixture.write("target/lambda/admin/bootstrap", "other");
    says(&fixture, "worker/src/main.rs", "edited");
    let ended = verify().fails(5, &["2 of 5 functions did not pass: admin, worker.worker"]);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    for (line, start) in lines.iter().zip([
        "admin: target/lambda/admin/bootstrap is not what was packaged (package again",
        "api is as it was packaged",
        "loud is as it was packaged",
        "twin.worker is as it was packaged",
        "worker.worker: the files on disk were not made from the current inputs: changed worker/src/main.rs",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    // For programs, each line is an object.
    for (args, event) in [
        (&["verify"][..], "verified"),
        (&["explain", "--inputs"], "input"),
        (&["clean", "--dry-run"], "cleaned"),
        (&["init", "--dry-run"], "initialised"),
    ] {
        let told = Ended::of(fixture.command_for("host").args(["--message-format", "json"]).args(args)).stdout;
        let events: Vec<_> = told
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["event"].clone())
            .collect();
        assert!(events.iter().any(|told| told == event), "{args:?}: {told}");
    }
}

/// The zip of one function is an input of no other, whichever setting names it.
#[test]
fn no_zip_is_an_input() {
    let fixture = workspace();
    fixture.append("Cargo.toml", "[workspace.metadata.lambda-packager]\noutput = \"{function}.zip\"\n");
    fixture.append("worker/Cargo.toml", "[package.metadata.lambda-packager]\noutput = \"special.zip\"\n");
    ended(&mut fixture.command_for("host"));
    says(&fixture, "api/src/main.rs", "edited");
    let after = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&after), "4 functions: 2 packaged (admin: changed api/src/main.rs, ...), 2 reused");
    assert!(summary(&ended(&mut fixture.command_for("host"))).starts_with("4 functions: 4 reused"));
}

#[test]
fn a_function_that_cannot_be_checked_keeps_no_other_one_from_its_verdict() {
    let fixture = workspace();
    fixture.append("worker/Cargo.toml", "[package.metadata.lambda-packager]\ninputs = [\"nowhere/*.sql\"]\n");
    Ended::of(&mut fixture.command_for("host")).fails(2, &["1 of 4 functions was not packaged: worker"]);
    let explain = |args: &[&str]| Ended::of(fixture.command_for("host").arg("explain").args(args));
    let told = explain(&[]).fails(2, &["1 of 4 functions could not be checked: worker"]).stdout;
    let [others @ .., worker] = &told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(worker.starts_with("worker: ") && worker.contains("nowhere/*.sql"), "{told}");
    assert_eq!(others, ["admin: cache-hit", "api: cache-hit", "loud: cache-hit"]);
    let events = explain(&["--message-format", "json"]).fails(2, &[]).stdout;
    let events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event"));
    let events: Vec<_> = events.map(|event| format!("{} {}", event["event"], event["function"])).collect();
    let verdict = |function| format!("\"verdict\" \"{function}\"");
    let [admin, api, loud] = ["admin", "api", "loud"].map(verdict);
    assert_eq!(events, [admin, api, loud, "\"failed\" \"worker\"".into(), "\"failed\" null".into()]);
}

#[test]
fn clean_is_about_all_functions_and_finds_the_images_of_each() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = workspace();
    let repository = format!("test-{}-many", std::process::id());
    // Of a package with several functions; of one of them no image can be made.
    let settings = format!("[package.metadata.lambda-packager]\nimage_name = \"{{env}}-{repository}-{{function}}\"\n");
    fixture.append("api/Cargo.toml", &settings);
    fixture.write("api/src/bin/Upper.rs", "fn main() {}\n");
    let run = |args: &[&str]| fixture.run_on(engine, args);
    run(&["image", "build", "--env", "preprod", "--function", "api"]).ok();
    let images = || engine.ask(&["images", "--format", "{{.Repository}}"]).matches(&repository).count();
    assert_eq!(images(), 3);
    for select in [["--function", "api"], ["--package", "api"], ["--exclude", "api"]] {
        run(&[&["clean", "--cache"][..], &select].concat()).fails(2, &["`clean` is about the whole project"]);
    }
    assert!(fixture.path("target/lambda/api/manifest.json").exists());
    run(&["clean"]).ok();
    assert_eq!(images(), 0);
}

#[test]
fn a_manifest_lists_functions_and_flags_narrow_what_it_lists() {
    let fixture = workspace();
    let manifest = fixture.text("Cargo.toml");
    let lists =
        |more: &str| fixture.write("Cargo.toml", &format!("{manifest}[workspace.metadata.lambda-packager]\n{more}"));
    // The functions of a run.
    let selected = |args: &[&str]| {
        let verdicts = Ended::of(fixture.command_for("host").args(["--message-format", "json", "explain"]).args(args));
        let functions = verdicts.stdout.lines().filter_map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).expect("an event");
            event["function"].as_str().map(String::from)
        });
        functions.collect::<Vec<_>>().join(" ")
    };
    lists("functions = [\"api\", \"worker\"]\n");
    let packaged = ended(&mut fixture.command_for("host"));
    assert_eq!(summary(&packaged), "2 functions: 2 packaged (api: first build, ...)");
    for (args, expected) in [
        (&[][..], "api worker"),
        (&["-p", "api"], "api"),
        (&["--workspace", "--exclude", "worker"], "api"),
        (&["--exclude", "worker"], "api"),
        (&["--function", "!worker"], "api"),
        (&["--function", "admin"], "admin"),
        (&["-p", "loud"], ""),
    ] {
        assert_eq!(selected(args), expected, "{args:?}");
    }
    let nothing = Ended::of(fixture.command_for("host").args(["-p", "loud"]));
    nothing
        .fails(2, &["flag --package, `function` in [workspace.metadata.lambda-packager]", "the functions are: loud"]);
    lists("functions = [\"api\", \"wroker\"]\n");
    Ended::of(fixture.command_for("host").args(["-p", "api"])).fails(2, &["there is no function `wroker`"]);
    // In the table of a package it is about the functions of that package.
    fixture.write("Cargo.toml", &manifest);
    fixture.append("api/Cargo.toml", "[package.metadata.lambda-packager]\nfunctions = [\"admin\"]\n");
    assert_eq!(selected(&[]), "admin loud worker");
    lists("package = [\"api\", \"loud\"]\n");
    assert_eq!(selected(&["--exclude", "loud"]), "admin");
}

#[test]
fn a_feature_is_for_the_packages_that_have_it() {
    let fixture = workspace();
    for name in ["api", "worker"] {
        fixture.append(&format!("{name}/Cargo.toml"), "[features]\nown = []\n");
        says(&fixture, &format!("{name}/src/main.rs"), &format!("{name} {{}}"));
        let main = fixture
            .text(&format!("{name}/src/main.rs"))
            .replace("shared::say()", "cfg!(feature = \"own\"), shared::say()");
        fixture.write(&format!("{name}/src/main.rs"), &main);
    }
    for (features, expected) in [
        ("own", ["admin soft", "api true soft", "loud LOUD", "worker true soft"]),
        ("api/own", ["admin soft", "api true soft", "loud LOUD", "worker false soft"]),
    ] {
        ended(fixture.command_for("host").args(["--workspace", "--features", features]));
        assert_eq!(printed(&fixture), expected, "{features}");
    }
    Ended::of(fixture.command_for("host").args(["--workspace", "--features", "none"])).fails(4, &["none"]);
    // Alone it is what it is beside others.
    let of_all = "[workspace.metadata.lambda-packager]\nfeatures = [\"own\", \"shared/loud\"]\n";
    fixture.append("Cargo.toml", of_all);
    fixture.package("plain", "plain", "");
    fixture.write("plain/src/main.rs", "fn main() {}\n");
    fixture.write("Cargo.toml", &fixture.text("Cargo.toml").replace("\"shared\"", "\"plain\", \"shared\""));
    ended(fixture.command_for("host").arg("--workspace"));
    assert_eq!(printed(&fixture), ["admin LOUD", "api true LOUD", "loud LOUD", "worker true LOUD"]);
    for name in ["plain", "loud"] {
        assert_eq!(ended(fixture.command_for("host").args(["--function", name])).verdict(), "cache-hit", "{name}");
    }
}

/// A bin that requires a feature has it in its own call of cargo, or with all others if it is given for all.
#[test]
fn a_bin_that_requires_a_feature_has_the_bytes_that_it_has_alone_and_so_have_the_others() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    for road in cases(vec!["host"], vec!["host", engine.name()]) {
        let fixture = Fixture::empty("gated");
        let more = "[features]\nx = []\n[[bin]]\nname = \"extra\"\nrequired-features = [\"x\"]\n";
        fixture.package("", "gated", more);
        for (file, name) in [("src/main.rs", "gated"), ("src/bin/extra.rs", "extra")] {
            let main = format!("fn main() {{\n    println!(\"{name} {{}}\", cfg!(feature = \"x\"));\n}}\n");
            fixture.write(file, &main);
        }
        let names = ["extra", "gated"];
        // Each alone after all of them.
        let check = |flags: &[&str], calls: usize, expected: [&str; 2]| {
            let all = ended(fixture.command_for(road).arg("--force").args(flags));
            assert!(summary(&all).starts_with("2 functions: 2 packaged (extra: forced"), "{}", all.stderr);
            assert_eq!(compiles(&all), calls, "{}", all.stderr);
            assert_eq!(names.map(|name| fixture.output_of_bootstrap(name)), expected);
            let together = names.map(|name| fixture.zip(name));
            for (name, zip) in names.iter().zip(&together) {
                ended(fixture.command_for(road).args(["--force", "--function", name]).args(flags));
                assert!(fixture.zip(name) == *zip, "{name} alone has other bytes, {flags:?}");
            }
        };
        ended(fixture.command_for(road).args(["--features", "x"]));
        check(&["--features", "x"], 1, ["extra true", "gated true"]);
        fixture.append("Cargo.toml", "[package.metadata.lambda.bin.extra.build]\nfeatures = [\"x\"]\n");
        check(&[], 2, ["extra true", "gated false"]);
    }
}

#[test]
fn a_build_script_packages_several_functions_and_its_crate_knows_each() {
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    fixture.write("function/src/bin/worker.rs", "fn main() {\n    println!(\"worker\");\n}\n");
    let call = "BuildScript::new().functions([\"function\", \"w*\"]).output(\"dist/{function}.zip\").run()";
    let build = format!("fn main() -> std::process::ExitCode {{\n    lambda_packager::{call}\n}}\n");
    let main = "include!(concat!(env!(\"OUT_DIR\"), \"/lambda_deployment.rs\"));\nfn main() {\n    \
                for LambdaFunction { name, zip, sha256, .. } in LAMBDA_FUNCTIONS {\n        \
                println!(\"{name} {zip} {sha256}\");\n    }\n}\n";
    fixture.builds_with(&build, main);
    let consumer = fixture.text("consumer/build.rs").replace("\"ZIP\", \"SHA256\"", "\"FUNCTION_ZIP\", \"WORKER_ZIP\"");
    fixture.write(
        "consumer/build.rs",
        &consumer.replace("SEEN_{name}", "SEEN_{}").replace(
            "={value}\");",
            "={value}\", name.replace(\"FUNCTION_ZIP\", \"ZIP\").replace(\"WORKER_ZIP\", \"SHA256\"));",
        ),
    );
    let build = || ended(&mut fixture.cargo_with("host", &["build", "--release", "--workspace", "--verbose"]));
    build();
    let zips = ["function", "worker"].map(|name| fixture.path(&format!("dist/{name}.zip")));
    let listed: Vec<String> = ["function", "worker"]
        .iter()
        .zip(&zips)
        .map(|(name, zip)| format!("{name} {} {}", zip.display(), sha256_of(zip)))
        .collect();
    let printed = |bin: &str| printed_by(&fixture.path(&format!("target/release/{bin}")));
    assert_eq!(printed("deployment").lines().collect::<Vec<_>>(), listed);
    let seen: Vec<String> = zips.iter().map(|zip| zip.display().to_string()).collect();
    assert_eq!(printed("consumer").lines().take(2).collect::<Vec<_>>(), seen);
    assert!(!ran_a_build_script(&build()), "nothing changed");
    fixture.write("function/src/bin/worker.rs", "fn main() {\n    println!(\"edited\");\n}\n");
    build();
    assert_eq!(fixture.output_of_bootstrap("worker"), "edited");
    assert!(printed("deployment").contains(&sha256_of(&zips[1])));
}
