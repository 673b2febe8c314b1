//! The function as an image in a real engine: it starts there as it would on Lambda.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{
    Ended, Engine, Fixture, ImageRegistry, OwnPodman, Setup, Story, engines, every_engine, one_engine,
};

/// The repository as the engine spells it. Each fixture has one of its own: an engine is everybody's.
fn local(engine: Engine, repository: &str) -> String {
    if engine == Engine::Podman { format!("localhost/{repository}") } else { repository.to_string() }
}

fn build(fixture: &Fixture, engine: &str, pattern: &str) -> Command {
    let mut command = fixture.command_for(engine);
    command.args(["image", "build", "--env", "preprod", "--image-name", pattern]);
    command
}

/// Makes an image of one file, as somebody else could.
fn import(fixture: &Fixture, engine: Engine, labels: &str, name: &str) {
    fixture.write("../file", "theirs");
    let folder = fixture.around().display().to_string();
    let tar = format!("{folder}/file.tar");
    Ended::of(Command::new("tar").args(["-C", &folder, "-cf", &tar, "file"])).ok();
    // Podman takes all behind the first `=` for one value.
    let labels: Vec<String> = labels.split(' ').map(|label| format!("--change=LABEL {label}")).collect();
    let labels = labels.iter().map(String::as_str);
    engine.ask(&["import"].into_iter().chain(labels).chain([tar.as_str(), name]).collect::<Vec<_>>());
}

#[test]
fn it_is_the_same_image_in_every_engine_and_starts_without_a_base() {
    let fixture = Fixture::hello_in_git();
    let pattern = format!("test-{}-{{env}}", std::process::id());
    let repository = pattern.replace("{env}", "preprod");
    let mut digests = BTreeSet::new();
    for engine in every_engine() {
        let story = Story::of(&mut build(&fixture, engine.name(), &pattern)).ok();
        let told = &story.event("image")["image"];
        assert_eq!(told["repository"], Value::from(repository.as_str()));
        digests.insert(told["digest"].as_str().expect("a digest").to_string());
        let name = format!("{}:latest", local(engine, &repository));
        let image = engine.inspect_any("image", &name);
        for tag in [told["tag"].as_str().expect("a tag"), "preprod-latest"] {
            assert_eq!(
                engine.inspect_any("image", &format!("{}:{tag}", local(engine, &repository)))["Id"],
                image["Id"]
            );
        }
        // As the user of the image, with nothing to reach and nothing to write to.
        let run = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", &name];
        assert_eq!(engine.ask(&run), "hello");
        assert_eq!(image["Config"]["User"], "65532:65532");

        // The same again: nothing to make, nothing to load.
        let again = Ended::of(&mut build(&fixture, engine.name(), &pattern)).ok();
        assert_eq!(again.verdict(), "cache-hit");
        assert_eq!(engine.inspect_any("image", &name)["Id"], image["Id"]);
    }
    assert!(digests.len() < 2, "{digests:?}");
}

#[test]
fn what_one_engine_built_every_engine_pulls_and_runs() {
    let Some(registry) = ImageRegistry::open(&Setup::default()) else { return };
    let fixture = Fixture::hello_in_git();
    // Podman fails to pull where somebody removes the last image with the same layer meanwhile, as other tests do.
    let own = OwnPodman::new();
    let ask = |engine: Engine, args: &[&str]| {
        let mut command = engine.command();
        if engine == Engine::Podman {
            command.envs(own.environment());
        }
        Ended::answer(command.args(args))
    };
    for builder in engines(Engine::Docker) {
        let mut command = fixture.command_on(builder);
        command.args(["image", "push", "--env", "preprod", "--registry", &registry.name()]);
        let reference = Ended::answer(&mut command);
        for engine in every_engine() {
            // Docker takes a registry on this machine for what it is, podman has to be told.
            let insecure: &[&str] = if engine == Engine::Podman { &["--tls-verify=false"] } else { &[] };
            ask(engine, &[&["pull", "--quiet"], insecure, &[reference.as_str()]].concat());
            assert_eq!(ask(engine, &["run", "--rm", "--network", "none", &reference]), "hello");
        }
    }
}

#[test]
fn what_is_included_stands_beside_the_bootstrap() {
    let fixture = Fixture::hello_in_git();
    let pattern = format!("test-{}-included-{{env}}", std::process::id());
    fixture.write("greeting.txt", "good morning");
    fixture.prints("\"{}\", std::fs::read_to_string(\"greeting.txt\").unwrap()");
    fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\ninclude = [\"greeting.txt\"]\n");
    let Some(engine) = one_engine(Engine::Docker) else { return };
    Ended::of(&mut build(&fixture, engine.name(), &pattern)).ok();
    let name = format!("{}:latest", local(engine, &pattern.replace("{env}", "preprod")));
    assert_eq!(engine.ask(&["run", "--rm", "--network", "none", &name]), "good morning");
}

#[test]
fn an_image_of_somebody_elses_keeps_its_name() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::hello_in_git();
        let pattern = format!("test-{}-foreign-{{env}}", std::process::id());
        let name = format!("{}:latest", local(engine, &pattern.replace("{env}", "preprod")));
        import(&fixture, engine, &fixture.label(), &name);
        let before = engine.inspect_any("image", &name)["Id"].clone();
        let ended = Ended::of(&mut build(&fixture, engine.name(), &pattern));
        ended.fails(3, &[&name, "not lambda-packager's", "image_name"]);
        assert_eq!(engine.inspect_any("image", &name)["Id"], before);
    }
}

#[test]
fn clean_takes_the_local_copies_of_this_project_along_and_no_others() {
    for engine in engines(Engine::Docker) {
        let (fixture, neighbour) = (Fixture::hello_in_git(), Fixture::hello_in_git());
        let patterns = ["ours", "theirs"].map(|whose| format!("test-{}-clean-{whose}-{{env}}", std::process::id()));
        let tags = |whose: usize| {
            // Podman lists all names of an image, also those that were not asked for.
            let reference = local(engine, &patterns[whose].replace("{env}", "preprod"));
            let names = engine.ask(&["images", "--format", "{{.Repository}}", &reference]);
            names.lines().filter(|name| *name == reference).count()
        };
        for (project, pattern) in [&fixture, &neighbour].into_iter().zip(&patterns) {
            Ended::of(&mut build(project, engine.name(), pattern)).ok();
        }
        // Another revision: that of before is still there.
        fixture.says("edited");
        fixture.commit();
        Ended::of(&mut build(&fixture, engine.name(), &patterns[0])).ok();
        // Somebody's own name for it stays, as does what is not ours.
        let kept = format!("test-{}-clean-kept:{}", std::process::id(), engine.name());
        let ours = local(engine, &patterns[0].replace("{env}", "preprod"));
        engine.ask(&["tag", &format!("{ours}:latest"), &kept]);
        let foreign = format!("{ours}:foreign");
        import(&fixture, engine, &format!("{} org.opencontainers.image.title=hello", fixture.label()), &foreign);
        assert_eq!((tags(0), tags(1)), (5, 3));

        let clean = |flags: &[&str]| {
            let mut command = fixture.command_on(engine);
            command.env("LAMBDA_PACKAGER_IMAGE_NAME", &patterns[0]).arg("clean").args(flags);
            Ended::of(&mut command).ok().stdout
        };
        clean(&["--cache"]);
        let told = clean(&["--all", "--dry-run"]);
        assert!(told.contains(&format!("image {ours}:")), "{told}");
        assert_eq!((tags(0), tags(1)), (5, 3));
        let told = clean(&["--all"]);
        assert_eq!(told.matches(&format!("{ours}:preprod-")).count(), 3, "{told}");
        assert_eq!((tags(0), tags(1)), (1, 3));
        assert_eq!(
            engine.inspect_any("image", &foreign)["Config"]["Labels"]["lambda-packager.fingerprint"],
            Value::Null
        );
        engine.ask(&["image", "inspect", &kept]);
    }
}

#[test]
fn an_image_that_the_engine_lost_is_made_again_from_the_zip_and_nothing_is_compiled() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        // The image of the same function elsewhere is the same one, and goes with the last test that has it.
        fixture.says("an image of its own");
        let package = |variables: &[(&str, &str)]| {
            let mut command = fixture.command_on(engine);
            Story::of(command.args(["--base", "host", "--mode", "prod"]).envs(variables.iter().copied())).ok()
        };
        package(&[]);
        let image = fixture.manifest("hello")["artifact"]["image"].as_str().expect("an image").to_string();
        let id = || engine.inspect_any("image", &image)["Id"].clone();
        let before = id();
        let again = |expected: bool| {
            let story = package(&[]);
            assert_eq!(story.verdict(), "cache-hit");
            let is_told = story.notes().iter().any(|note| note.contains(&image) && note.contains("was made again"));
            assert_eq!(is_told, expected, "{story}");
            assert_eq!(id(), before);
        };
        again(false);
        engine.ask(&["rmi", &image]);
        again(true);
        assert_eq!(engine.ask(&["run", "--rm", "--network", "none", &image]), "an image of its own");
        // One of another zip, as a run leaves it that ends before it stores the zip.
        let labels = format!("{} lambda-packager.fingerprint=other", fixture.label());
        import(&fixture, engine, &labels, &local(engine, &image));
        again(true);

        // What is somebody else's stays, and so does the zip.
        engine.ask(&["rmi", &image]);
        import(&fixture, engine, &fixture.label(), &local(engine, &image));
        let theirs = id();
        let story = package(&[]);
        assert_eq!((story.verdict(), id()), ("cache-hit", theirs));
        let told = |story: &Story, part: &str| story.notes().iter().any(|note| note.contains(part));
        assert!(told(&story, "cannot be made again") && told(&story, "not lambda-packager's"), "{story}");
        if engine == Engine::Docker {
            let story = package(&[("DOCKER_HOST", "unix:///nowhere")]);
            assert_eq!(story.verdict(), "cache-hit");
            assert!(told(&story, "could not check whether the image"), "{story}");
        }
    }
}

/// At most a tenth more than bootstrap, libraries and certificates.
fn is_lean(fixture: &Fixture, archive: &str) {
    let folder = fixture.around().join("unpacked");
    fs::create_dir(&folder).unwrap();
    Ended::of(Command::new("tar").args(["-xf", archive, "-C"]).arg(&folder)).ok();
    let (mut all, mut needed) = (0, 0);
    for layer in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if layer.extension().is_none_or(|kind| kind != "gz") {
            continue;
        }
        Ended::of(Command::new("gzip").arg("-dk").arg(&layer)).ok();
        let layer = layer.with_extension("");
        all += fs::metadata(&layer).unwrap().len();
        let listed = Ended::of(Command::new("tar").arg("-tvf").arg(&layer)).ok().stdout;
        for line in listed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let name = *words.last().unwrap();
            if name.contains(".so") || name.ends_with("/bootstrap") || name.ends_with("/ca-certificates.crt") {
                needed += words[2].parse::<u64>().unwrap();
            }
        }
    }
    assert!(needed > 1_000_000 && all * 10 <= needed * 11, "{all} bytes for {needed}");
}

#[test]
fn a_zip_for_production_that_left_no_image_says_so_also_when_it_is_reused() {
    let fixture = Fixture::hello();
    for (verdict, note) in [
        ("cache-miss: first build", "note: there is no engine to leave the image in"),
        ("cache-hit", "note: no image runs this zip"),
    ] {
        let ended = fixture.run(&["--engine", "host", "--mode", "prod"]).ok();
        assert_eq!(ended.verdict(), verdict);
        assert_eq!(ended.stderr.matches(note).count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn without_an_engine_it_is_an_archive() {
    let fixture = Fixture::hello_in_git();
    let pattern = format!("test-{}-archive-{{env}}", std::process::id());
    let name = pattern.replace("{env}", "preprod");
    let ended = Ended::of(&mut build(&fixture, "host", &pattern)).ok();
    assert!(ended.stdout.starts_with(&format!("{name}:preprod-")), "{}", ended.stdout);
    let link = fixture.path("target/link");
    std::os::unix::fs::symlink("/proc/self/fd/1", &link).unwrap();
    let to_link = Ended::of(build(&fixture, "host", &pattern).arg("--archive").arg(&link));
    to_link.fails(2, &["is a folder, a link or a device"]);
    let archive = fixture.path("target/lambda/hello/image.tar").display().to_string();
    assert!(ended.stderr.contains(&archive), "{}", ended.stderr);
    let listed = Ended::of(Command::new("tar").args(["-tf", &archive])).ok().stdout;
    assert!(listed.lines().any(|line| line == "manifest.json"), "{listed}");
    is_lean(&fixture, &archive);
    for engine in every_engine() {
        let said = engine.ask(&["load", "--input", &archive]);
        assert!(said.contains(&format!("{name}:latest")), "{said}");
        let loaded = engine.inspect_any("image", &format!("{name}:latest"));
        let label = fixture.label();
        let (key, value) = label.split_once('=').expect("a label");
        assert_eq!(loaded["Config"]["Labels"][key], Value::from(value));
    }
}
