//! The commands around a build, as people type them: container, doctor, clean, and the former script.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Ended, Engine, Fixture, OwnDocker, Story, engines, has_all, one_engine, packager, program, skip};

/// Asserts that `container status` ends with `code` and says `state`; what it says as JSON.
#[track_caller]
fn status(fixture: &Fixture, engine: Engine, code: i32, state: &str) -> Value {
    let ended = fixture.run_on(engine, &["container", "status", "--format", "json"]);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
    assert_eq!((ended.code, told["state"].as_str()), (code, Some(state)));
    told
}

#[test]
fn a_container_is_started_told_of_reused_and_stopped_by_hand() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::hello();
        status(&fixture, engine, 4, "not_found");
        fixture.run_on(engine, &["container", "stop"]).ok();
        assert_eq!(fixture.run_on(engine, &["container", "logs"]).ok().stdout, "");

        fixture.run_on(engine, &["container", "start"]).ok();
        let id = fixture.container(engine);
        fixture.run_on(engine, &["container", "start"]).ok();
        assert_eq!(fixture.container(engine), id);
        let told = status(&fixture, engine, 0, "running");
        assert_eq!((&told["engine"], &told["id"]), (&engine.name().into(), &id.as_str().into()));
        assert_eq!(told["builds"], Value::from(Vec::<Value>::new()));
        let mounts = told["mounts"].as_array().unwrap();
        let source = mounts.iter().find(|mount| mount["container"] == "/workspace").unwrap();
        assert!(source["volume"].as_str().is_some_and(|name| name.ends_with("-workspace")), "{source}");
        let of_the_host = mounts.iter().filter(|mount| mount.get("host").is_some());
        assert!(of_the_host.clone().all(|mount| mount["writable"] == false), "{mounts:?}");

        // Builds take the one that is there, whoever started it.
        let first = Story::of(&mut fixture.command_on(engine)).ok();
        assert!(first.cargo().contains("Compiling hello"), "{first}");
        fixture.run_on(engine, &["container", "build"]).ok();
        assert_eq!(fixture.container(engine), id);
        let told = status(&fixture, engine, 0, "running");
        assert_eq!(told["builds"][0]["verdict"], "cache-miss: first build");
        assert!(told["disk_bytes"].as_u64().is_some_and(|bytes| bytes > 10_000), "{told}");
        assert!(told["since"].as_str().is_some_and(|since| since.starts_with("20")), "{told}");
        assert!(fixture.run_on(engine, &["container", "logs"]).ok().stdout.contains("Compiling hello"));
        let lines = fixture.run_on(engine, &["container", "status"]).ok().stdout;
        has_all(
            &lines,
            &["running", engine.name(), "/workspace (writable)", "hello: cache-miss: first build, ", " ago\n"],
        );

        // A build elsewhere is none of the container's, and the command that builds in it does not build elsewhere.
        let built = told["last_build_epoch_secs"].as_u64().unwrap();
        fixture.run(&["--engine", "host", "--force"]).ok();
        let told = status(&fixture, engine, 0, "running");
        assert_eq!((&told["last_build_epoch_secs"], &told["builds"].as_array().unwrap().len()), (&built.into(), &1));
        for verb in ["start", "build"] {
            let ended = fixture.run(&["--engine", "host", "container", verb]);
            ended.fails(3, &["there is no container engine (set by flag --engine)", "help: "]);
        }
        // In a mode for production too it is the container that is meant.
        assert!(fixture.run_on(engine, &["container", "start", "--mode", "prod"]).ok().stdout.contains(" runs on "));
        fixture.run_on(engine, &["container", "build"]).ok();

        // Stopped it keeps what was compiled: the zip is made again, and nothing is compiled for it.
        fixture.run_on(engine, &["container", "stop"]).ok();
        fixture.run_on(engine, &["container", "stop"]).ok();
        status(&fixture, engine, 3, "stopped");
        fs::remove_file(fixture.path("target/lambda/hello/lambda-deployment.zip")).unwrap();
        let again = Story::of(&mut fixture.command_on(engine)).ok();
        assert!(!again.cargo().contains("Compiling") && again.cargo().contains("Finished"), "{again}");
        assert_eq!(fixture.container(engine), id);
    }
}

#[test]
fn a_shell_opens_in_the_container() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip("script", "no `script` to make a terminal with (Debian: apt-get install bsdutils)");
    }
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        fixture.write("edited-now", "");
        let mut script = Command::new("script");
        let typed = format!("'{}' --engine {} container shell", packager().display(), engine.name());
        fixture.prepare(script.args(["--quiet", "--return", "--command", &typed, "/dev/null"]));
        let commands = fixture.around().join("typed");
        fs::write(&commands, "tty; pwd; ls -d src Cargo.toml edited-now; cargo --version; exit 7\n").unwrap();
        let ended = Ended::of(script.stdin(fs::File::open(&commands).unwrap()));
        assert_eq!(ended.code, 7, "{}{}", ended.stdout, ended.stderr);
        has_all(&ended.stdout, &["/dev/pts/", "/workspace", "Cargo.toml", "edited-now", "cargo 1."]);
    }
}

/// The findings of `doctor`: level and text of each, and its exit status.
fn doctor(command: &mut Command) -> (i32, Vec<(String, String)>) {
    let ended = Ended::of(command.args(["doctor", "--format", "json"]));
    let finding = |line: &str| {
        let finding: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_string();
        assert_eq!(finding["v"], 1);
        assert!(text("level") == "ok" || !text("fix").is_empty(), "no remedy: {line}");
        (text("level"), format!("{} | {}", text("what"), text("fix")))
    };
    (ended.code, ended.stdout.lines().map(finding).collect())
}

#[test]
fn doctor_finds_nothing_where_all_is_well_and_says_what_is_wrong_elsewhere() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello();
    let (code, findings) = doctor(&mut fixture.command_on(engine));
    assert!(code == 0 && findings.iter().all(|(level, _)| level != "error"), "{findings:?}");
    let no_image = "has no builder image lambda-packager-builder:";
    for part in ["rustc", "answers, and this user may use it", "MiB free at", "clocks", no_image] {
        assert!(findings.iter().any(|(level, what)| level == "ok" && what.contains(part)), "{part}: {findings:?}");
    }
    let lines = fixture.run_on(engine, &["doctor"]).ok().stdout;
    let has_level = |line: &str| ["ok", "warning", "error", " "].iter().any(|level| line.starts_with(level));
    assert!(lines.lines().all(has_level), "{lines}");

    let nowhere = ("DOCKER_HOST", "unix:///nowhere");
    let wrong = [
        ("nerdctl", &[][..], ("SOME", "thing"), "nerdctl is not on PATH"),
        (engine.name(), &[], ("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "1"), no_image),
        (
            engine.name(),
            &["--base", "localhost:1/no/such:image"],
            ("SOME", "thing"),
            "base image localhost:1/no/such:image is not available locally",
        ),
        ("docker", &[], nowhere, "no docker engine answers"),
    ];
    for (name, args, variable, part) in wrong {
        if variable == nowhere && engine != Engine::Docker {
            continue;
        }
        let (code, findings) = doctor(fixture.command_for(name).args(args).envs([variable]));
        let found = findings.iter().any(|(level, what)| level == "error" && what.contains(part));
        assert!(code == 1 && found, "{part:?}: {code} {findings:?}");
    }
    // The policy of the tests is never to pull: nothing was tried.
    let (_, unpulled) = doctor(fixture.command_on(engine).args(["--base", "localhost:1/no/such:image"]));
    let left = "base image localhost:1/no/such:image is not available locally";
    assert!(unpulled.iter().any(|(_, what)| what.starts_with(left)), "{unpulled:?}");
    let (_, borrowing) = doctor(fixture.command_on(engine).args(["--base", "host"]));
    let borrows = |(_, what): &(String, String)| what.contains("the host's toolchain is mounted read-only");
    assert!(borrowing.iter().any(borrows), "{borrowing:?}");
}

#[test]
fn what_is_out_of_support_is_said_where_it_is_used() {
    let fixture = Fixture::hello();
    let warnings = |runtime: &str| {
        let (_, findings) = doctor(fixture.command_for("host").args(["--runtime", runtime]));
        let warnings = findings.into_iter().filter(|(level, _)| level == "warning");
        warnings.map(|(_, what)| what).collect::<Vec<_>>().join("\n")
    };
    let runs = |runtime: &str| fixture.run(&["--engine", "host", "--force", "--runtime", runtime]).stderr;
    for says in [warnings("provided.al2"), runs("provided.al2")] {
        has_all(&says, &["ended the runtime provided.al2 on 2026-07-31", "use provided.al2023"]);
    }
    for silent in [warnings("provided.al2023"), runs("provided.al2023")] {
        assert!(!silent.contains("2026"), "{silent}");
    }
    // What is wrong with this cargo matters with such a registry.
    let index = "sparse+https://user:SECRET@registry.invalid/";
    fixture.write(".cargo/config.toml", &format!("[registries.mine]\nindex = \"{index}\"\n"));
    let says = warnings("provided.al2023");
    let release = Ended::answer(Command::new("rustc").arg("--version"));
    let minor: u32 = release.split('.').nth(1).and_then(|minor| minor.parse().ok()).expect("a release");
    assert_eq!(says.contains("CVE-2026-5223") && says.contains("`mine`"), minor < 96, "{says}");
    assert!(!says.contains("SECRET"), "{says}");
}

#[test]
fn doctor_warns_of_what_others_left() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let gone = Fixture::hello();
    gone.run_on(engine, &["container", "start"]).ok();
    let path = gone.root().to_path_buf();
    fs::rename(&path, gone.around().join("moved")).unwrap();
    let fixture = Fixture::hello();
    let (code, findings) = doctor(fixture.command_on(engine).env("LAMBDA_PACKAGER_INNER", ""));
    fs::rename(gone.around().join("moved"), &path).unwrap();
    assert_eq!(code, 0);
    let told = format!("belongs to {}, which no longer exists", path.display());
    let mut warnings = findings.iter().filter(|(level, _)| level == "warning");
    assert!(warnings.any(|(_, what)| what.contains(&told) && what.contains("rm --force")), "{findings:?}");
}

/// Names in `target/lambda` that are no locks.
fn kept(fixture: &Fixture) -> Vec<String> {
    let all = fs::read_dir(fixture.path("target/lambda")).unwrap().flatten();
    let mut names: Vec<_> = all.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn clean_removes_what_its_flag_names_and_nothing_of_others() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        let neighbour = Fixture::hello();
        for project in [&fixture, &neighbour] {
            project.run_on(engine, &[]).ok();
        }
        let theirs = neighbour.container(engine);
        let image = engine.inspect(&theirs)["Image"].as_str().unwrap().to_string();
        // Somebody's that only looks like ours: no label of a project.
        let foreign = format!("lambda-packager-foreign-{}-{}", engine.name(), std::process::id());
        engine.ask(&["create", "--name", &foreign, "--label", &neighbour.label(), "--network", "none", &image, "x"]);

        let all_there = kept(&fixture);
        for flag in ["--container", "--cache", "--all", "--everything"] {
            let told = fixture.run_on(engine, &["clean", flag, "--dry-run"]).ok().stdout;
            assert!(told.starts_with("would remove ") && !told.starts_with("would remove 0 "), "{told}");
            assert!(!told.contains(&foreign), "{told}");
        }
        assert_eq!(kept(&fixture), all_there);
        assert_eq!(fixture.containers(engine).len(), 1);

        let told = fixture.run_on(engine, &["clean", "--container"]).ok().stdout;
        assert!(told.contains("bytes") && told.contains("container lambda-packager-hello-"), "{told}");
        assert_eq!((fixture.containers(engine).len(), kept(&fixture)), (0, all_there));
        assert_eq!(fixture.run_on(engine, &[]).ok().verdict(), "cache-hit");

        let told = fixture.run_on(engine, &["clean", "--cache"]).ok().stdout;
        let bytes: u64 = told.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(bytes > 100_000 && told.contains("target/lambda/hello"), "{told}");
        assert_eq!(kept(&fixture), Vec::<String>::new());
        assert_eq!(fixture.run_on(engine, &[]).ok().verdict(), "cache-miss: first build");

        fixture.run_on(engine, &["clean", "--all"]).ok();
        assert_eq!((fixture.containers(engine).len(), kept(&fixture)), (0, Vec::new()));
        let survivors = neighbour.containers(engine);
        assert!(survivors.contains(&theirs) && survivors.len() == 2, "{survivors:?}");
        assert_eq!(neighbour.run_on(engine, &[]).ok().verdict(), "cache-hit");
        let nothing = fixture.run_on(engine, &["clean", "--container"]).ok().stdout;
        assert!(nothing.starts_with("removed 0 bytes"), "{nothing}");
    }
}

#[test]
fn clean_all_leaves_nothing_of_a_project_and_everything_nothing_of_any() {
    // Other people's containers on this machine are this user's too.
    let Some(own) = OwnDocker::start() else { return };
    let run = |fixture: &Fixture, args: &[&str]| {
        let mut command = fixture.command_on(Engine::Docker);
        Ended::of(command.env("DOCKER_HOST", own.host()).args(args)).ok()
    };
    let listed = |what: &[&str]| own.ask(what).lines().map(String::from).collect::<Vec<_>>();
    let containers = || listed(&["ps", "--all", "--quiet"]);
    let images = || listed(&["images", "--all", "--quiet"]);
    let volumes = || listed(&["volume", "ls", "--quiet"]);
    assert!(containers().is_empty() && images().is_empty());

    let one = Fixture::hello();
    run(&one, &[]);
    assert_eq!((containers().len(), images().len()), (1, 1));
    // What somebody made of ours has our labels, but is not ours.
    let empty = listed(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).remove(0);
    own.ask(&["tag", &empty, "mine:tagged"]);
    own.ask(&["commit", &containers()[0], "mine:committed"]);
    own.ask(&["create", "--name", "mine", "--network", "none", "mine:committed", "none"]);
    for flag in ["--all", "--everything"] {
        run(&one, &["clean", flag]);
        assert_eq!(listed(&["ps", "--all", "--format", "{{.Names}}"]), ["mine"], "{flag}");
        let mut names = listed(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        names.sort();
        assert_eq!(names, ["mine:committed", "mine:tagged"], "{flag}");
    }
    own.ask(&["rm", "mine"]);
    own.ask(&["rmi", "mine:committed", "mine:tagged"]);
    run(&one, &[]);
    run(&one, &["clean", "--all"]);
    assert_eq!((containers(), images(), volumes()), (vec![], vec![], vec![]));

    let two = Fixture::hello();
    run(&one, &[]);
    run(&two, &[]);
    run(&one, &["clean", "--all"]);
    assert_eq!((containers().len(), images().len()), (1, 1), "the neighbour's went too");
    run(&one, &[]);
    run(&two, &["image", "build", "--env", "preprod", "--image-name", "two-{env}"]);
    let told = run(&one, &["clean", "--everything", "--dry-run"]).stdout;
    assert_eq!(told.matches("docker container").count(), 2, "{told}");
    assert!(told.contains("docker image two-preprod:"), "{told}");
    run(&one, &["clean", "--everything"]);
    assert_eq!((containers(), images(), volumes()), (vec![], vec![], vec![]));
}

#[test]
fn clean_keeps_what_somebody_made_of_ours_though_it_has_all_our_labels() {
    let Some(own) = OwnDocker::start() else { return };
    let fixture = Fixture::hello();
    let run = |args: &[&str]| {
        let mut command = fixture.command_on(Engine::Docker);
        Ended::of(command.env("DOCKER_HOST", own.host()).args(args)).ok()
    };
    let listed = |what: &[&str]| own.ask(what).lines().map(String::from).collect::<BTreeSet<_>>();
    let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    let make = || {
        run(&["--force"]);
        run(&["image", "build", "--env", "preprod"]);
    };
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\nimage_name = \"one-{env}\"\n");
    make();
    // Names that somebody gave, and images without a name that somebody built.
    own.ask(&["tag", "one-preprod:latest", "mine/app:1"]);
    own.ask(&["tag", "one-preprod:latest", "one-preprod:mine"]);
    let container = own.ask(&["ps", "--all", "--quiet"]);
    own.ask(&["create", "--name", "theirs", "--network", "none", "one-preprod:latest"]);
    let theirs = [container.as_str(), "theirs"].map(|name| own.ask(&["commit", name]));
    own.ask(&["rm", "theirs"]);
    let volume = listed(&["volume", "ls", "--quiet"]).pop_first().unwrap();
    let format = "{{range $name, $value := .Labels}}--label={{$name}}={{$value}}\n{{end}}";
    let labels = own.ask(&["volume", "inspect", "--format", format, &volume]);
    let create: Vec<_> = ["volume", "create"].into_iter().chain(labels.lines()).chain(["mine"]).collect();
    own.ask(&create);

    for flag in ["--all", "--everything"] {
        make();
        if flag == "--all" {
            // What the manifest says now is not what it said then.
            let manifest = fixture.text("Cargo.toml");
            fixture.append("Cargo.toml", "engine = \"host\"\n");
            let mut command = fixture.command_elsewhere();
            Ended::of(command.env("DOCKER_HOST", own.host()).args(["clean", flag])).ok();
            fixture.write("Cargo.toml", &manifest);
        } else {
            run(&["clean", flag]);
        }
        assert_eq!(own.ask(&["ps", "--all", "--quiet"]), "", "{flag}");
        assert_eq!(listed(&["volume", "ls", "--quiet"]), set(&["mine"]), "{flag}");
        let names = listed(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        assert_eq!(names, set(&["<none>:<none>", "mine/app:1", "one-preprod:mine"]), "{flag}");
        let ids = listed(&["images", "--quiet", "--no-trunc"]);
        assert!(theirs.iter().all(|id| ids.contains(id)), "{flag}: {theirs:?} of {ids:?}");
    }
}

/// A fake: what is wrong with an engine that is installed and answers nonsense differs from one to the next.
#[test]
fn an_engine_that_is_of_no_use_keeps_nothing_else_from_being_removed() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello_packaged(engine.name());
    let folder = fixture.around().join("bin");
    fs::create_dir(&folder).expect("a folder");
    program(&folder.join("nerdctl"), b"#!/bin/sh\necho 'a fault that nobody knows' >&2\nexit 1\n");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("it is set"));
    let mut command = fixture.command();
    command.arg("clean").env("PATH", path);
    let ended = Ended::of(&mut command).ok();
    has_all(&ended.stdout, &["skipped: ", "nobody knows", "container"]);
    assert!(fixture.containers(engine).is_empty() && !fixture.path("target/lambda/hello").exists());
}

#[test]
fn a_shell_learns_what_can_be_typed() {
    // A project is not needed.
    let fixture = Fixture::empty("nowhere");
    let script = fixture.run(&["completions", "bash"]).ok().stdout;
    fixture.write("completions", &script);
    for (words, expected) in [("con", "container"), ("container sta", "start status"), ("--clean", "--clean-room")] {
        let typed = format!("lambda-packager {words}");
        let ask = format!(
            "source ./completions; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            $(complete -p lambda-packager | sed 's/.*-F \\([^ ]*\\).*/\\1/') lambda-packager \
            \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo ${{COMPREPLY[*]}}"
        );
        let ended = Ended::of(Command::new("bash").args(["-c", &ask]).current_dir(fixture.root())).ok();
        assert_eq!((ended.stdout.trim(), ended.stderr.as_str()), (expected, ""), "{typed}");
    }
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        assert!(fixture.run(&["completions", shell]).ok().stdout.contains("container"), "{shell}");
    }
    fixture.run(&["completions", "cmd"]).fails(2, &["possible values"]);
}
