//! Bad input gets a clear error, with what to do and a status of its own, and nothing is lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::support::host::in_terminal;
use crate::support::{Ended, Engine, Fixture, OtherUser, Running, engines, every_engine, one_engine, skip};

/// A fixture that was packaged once, and what was there then.
struct Packaged {
    fixture: Fixture,
    engine: &'static str,
    zip: Vec<u8>,
    bootstrap: Vec<u8>,
    manifest: Vec<u8>,
}

impl Packaged {
    fn on(engine: &'static str) -> Self {
        let fixture = Fixture::hello_packaged(engine);
        let read = |name: &str| fixture.read(&format!("target/lambda/hello/{name}"));
        let (zip, bootstrap, manifest) = (fixture.zip("hello"), read("bootstrap"), read("manifest.json"));
        Self { fixture, engine, zip, bootstrap, manifest }
    }

    fn command(&self) -> Command {
        self.fixture.command_for(self.engine)
    }

    fn fails(&self, args: &[&str], code: i32, parts: &[&str]) -> Ended {
        Ended::of(self.command().args(args)).fails(code, parts)
    }

    /// Asserts that nothing was lost; the input must be as it was.
    #[track_caller]
    fn is_intact(&mut self) {
        assert!(self.fixture.zip("hello") == self.zip, "the zip was touched");
        assert!(self.fixture.read("target/lambda/hello/bootstrap") == self.bootstrap, "the bootstrap was touched");
        assert!(self.fixture.read("target/lambda/hello/manifest.json") == self.manifest, "the manifest was touched");
        let ended = Ended::of(&mut self.command()).ok();
        assert_eq!(ended.verdict(), "cache-hit");
        // A hit may remember new time stamps.
        self.manifest = self.fixture.read("target/lambda/hello/manifest.json");
    }
}

#[test]
fn a_folder_without_a_project_is_no_project() {
    let fixture = Fixture::empty("nothing");
    fixture.run(&[]).fails(2, &["nothing is not in a cargo project", "help: run this in a folder with a Cargo.toml"]);
    let json = fixture.run(&["--message-format", "json"]);
    let event: serde_json::Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((json.code, &event["event"], &event["exit_code"]), (2, &"failed".into(), &2.into()), "{event}");
    assert!(event["hint"].as_str().is_some_and(|hint| hint.contains("Cargo.toml")), "{event}");
}

#[test]
fn what_does_not_exist_is_named_with_what_does() {
    let mut packaged = Packaged::on("host");
    let cases: [(&[&str], i32, &[&str]); 8] = [
        (&["--function", "nope"], 2, &["flag --function", "no function `nope`", "help: the functions are: hello"]),
        (&["--package", "nope"], 2, &["flag --package", "no package `nope`", "help: its packages are: hello"]),
        (&["--target", "sparc"], 2, &["flag --target-arch is not valid", "`sparc`", "`x86_64`", "`arm64`"]),
        (&["--runtime", "nodejs"], 2, &["flag --runtime is not valid", "`nodejs`", "`provided.al2023`"]),
        (&["--mode", "fast"], 2, &["flag --mode is not valid", "`fast`", "`release`, `prod`, `docker`, `dev`"]),
        (&["--engine", "dokcer"], 2, &["flag --engine is not valid", "`dokcer`", "`docker`"]),
        (&["--features", "nope"], 4, &["hello does not compile", "nope", "help: cargo's own messages are above"]),
        (&["--frobnicate"], 2, &["unexpected argument '--frobnicate'"]),
    ];
    for (args, code, parts) in cases {
        let host = if args.contains(&"--engine") { &[][..] } else { &["--engine", "host"] };
        Ended::of(packaged.fixture.command().args(host).args(args)).fails(code, parts);
        packaged.is_intact();
    }
    let unknown = Ended::of(packaged.command().env("LAMBDA_PACKAGER_MODUS", "dev"));
    unknown.fails(2, &["unknown setting: variable LAMBDA_PACKAGER_MODUS", "help: the settings are: package, function"]);
    packaged.is_intact();
}

#[test]
fn a_project_that_cannot_be_packaged_says_why() {
    let mut packaged = Packaged::on("host");
    let half = Some("[package]\nname = \"hel");
    let two =
        ["flag --output: ", "x.zip would be the zip of hello and of other", "help: put the function's name into it"];
    let unlocked = ["`cargo metadata` failed in", "lock file", "help: run `cargo generate-lockfile`"];
    let cases = [
        ("Cargo.toml", None, &[][..], 2, &["hello is not in a cargo project"][..]),
        ("Cargo.toml", half, &[], 4, &["`cargo metadata` failed in", "Cargo.toml", "help: "]),
        ("src/bin/other.rs", Some("fn main() {}\n"), &["--output=x.zip"], 2, &two),
        ("Cargo.lock", None, &["--locked"], 4, &unlocked),
    ];
    for (file, text, args, code, parts) in cases {
        let path = packaged.fixture.path(file);
        let set = |text: Option<&str>| match text {
            Some(text) => packaged.fixture.write(file, text),
            None => fs::remove_file(&path).unwrap(),
        };
        let before = fs::read_to_string(&path).ok();
        set(text);
        packaged.fails(args, code, parts);
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), text, "{file} was touched");
        set(before.as_deref());
        packaged.is_intact();
    }
}

#[test]
fn what_cannot_be_included_is_told_before_the_compile() {
    let fixture = Fixture::empty("hello");
    fixture.package("", "hello", "[package.metadata.lambda-packager]\ninclude = [\"static\"]\n");
    fixture.write("src/main.rs", "fn main() {\n    nonsense;\n}\n");
    fixture.write("static/f", "x");
    let made = |program: &str, args: [&str; 3]| {
        let made = Command::new(program).args(args).current_dir(fixture.path("static")).status();
        assert!(made.unwrap().success(), "{program}");
    };
    made("mkfifo", ["-m", "600", "odd"]);
    let place = "`include` in [package.metadata.lambda-packager]";
    for error in ["odd is not a regular file, but a pipe", "odd is a link to a folder around it, so it has no end"] {
        fixture.run(&["--engine", "host"]).fails(2, &[place, error, "help: remove"]);
        fs::remove_file(fixture.path("static/odd")).unwrap();
        made("ln", ["-s", ".", "odd"]);
    }
    fixture.write("static/g", "x");
    let big = fs::File::create(fixture.path("big")).unwrap();
    big.set_len(251 << 20).unwrap();
    for (include, error, help) in [
        ("static/*.css", "\"static/*.css\" selects no file", "globs are relative to the package's folder"),
        ("!static/f", "\"!static/f\" takes files out, but no entry before it", "the entries apply in their order"),
        ("../hello/static/**", "is not a path inside the package", "without `..`"),
        ("up:../up", "\"up:../up\" leads out of", "copy the file into the workspace"),
        ("x/:static/f", "has no place in the zip before its `:`", "without `/` at its end"),
        ("x:static/*", "has a glob after its `:`", "name the folder"),
        ("static/f,static/f:static/g", "two things would be at static/f in the zip: static/f and static/g", "!GLOB"),
        ("bootstrap:static/f", "`bootstrap` is the place of the compiled binary", "at another place"),
        ("big", "the included files have 263192576 bytes; Lambda allows at most 262144000", "the largest, big"),
    ] {
        let ended = Ended::of(fixture.command_for("host").env("LAMBDA_PACKAGER_INCLUDE", include));
        ended.fails(2, &["error: variable LAMBDA_PACKAGER_INCLUDE: ", error, "help: ", help]);
    }
}

#[test]
fn a_crate_that_does_not_compile_shows_cargos_words_once() {
    for engine in engines(Engine::Podman).map(Engine::name).chain(["host"]) {
        let mut packaged = Packaged::on(engine);
        packaged.fixture.write("src/main.rs", "fn main() {\n    nonsense;\n}\n");
        let once = |text: &str| {
            for part in ["error[E0425]", "could not compile `hello`", "hello does not compile (cargo's status 101)"] {
                assert_eq!(text.matches(part).count(), 1, "{part}: {text}");
            }
        };
        let piped = packaged.fails(&[], 4, &["help: cargo's own messages are above and in build.log"]);
        once(&piped.stderr);
        assert!(!piped.stderr.contains('\x1b') && piped.stdout.is_empty(), "{piped:?}");
        let log = packaged.fixture.text("target/lambda/hello/build.log");
        assert_eq!(log.matches("error[E0425]").count(), 1, "{log}");
        let told = "packaging hello (release, x86_64, provided.al2023): changed src/main.rs\n";
        let told = told.replace("x86_64", std::env::consts::ARCH).replace("aarch64", "arm64");
        assert!(log.starts_with(&told) && piped.stderr.starts_with(&told), "{log}");

        if let Some(drawn) = in_terminal(&packaged.command()) {
            assert_eq!(drawn.code, 4, "{drawn:?}");
            once(&drawn.stdout);
            assert!(drawn.stdout.contains("\x1b[1m\x1b[91merror[E0425]"), "{drawn:?}");
        }
        packaged.fixture.says("hello");
        packaged.is_intact();
    }
}

#[test]
fn any_path_and_any_name_works() {
    for name in ["with space", "a,comma 'and' \"quotes\"", "größe 日本 🚀", "co:lon $HOME `x` \\ %41 #&;"] {
        // The project's folder, that of a member in it and that of a dependency outside of it.
        let fixture = Fixture::empty(&format!("{name}/project"));
        let toml = name.replace('\\', "\\\\").replace('"', "\\\"");
        fixture.write("Cargo.toml", "[workspace]\nmembers = [\"member\"]\nresolver = \"2\"\n");
        let dependency = format!("[dependencies]\noutside = {{ path = \"../../outside {toml}\" }}\n");
        fixture.package("member", "größe", &dependency);
        fixture.write("member/src/main.rs", "fn main() {\n    println!(\"{}\", outside::TEXT);\n}\n");
        // Their first bytes are the same.
        for file in ["é", "ü", "日", "本"] {
            fixture.write(&format!("member/data/{file}"), file);
        }
        fixture.package(&format!("../outside {name}"), "outside", "");
        fixture.write(&format!("../outside {name}/src/lib.rs"), "pub const TEXT: &str = \"hello\";\n");
        for engine in engines(Engine::Docker) {
            fixture.run_on(engine, &[]).ok();
            assert_eq!(fixture.output_of_bootstrap("größe"), "hello", "{name}");
            assert_eq!(fixture.run_on(engine, &[]).ok().verdict(), "cache-hit", "{name}");
        }
        // Cargo's own limit, on the host as without us.
        let zip = || fs::read(fixture.path("target/lambda/größe/lambda-deployment.zip")).ok();
        let before = zip();
        let on_host = fixture.run(&["--engine", "host", "--force"]);
        if name.contains(':') {
            on_host.fails(4, &["path segment contains separator `:`", "help:", "package in a container"]);
            assert!(zip() == before, "the last good zip stays");
        } else {
            on_host.ok();
            assert_eq!(fixture.output_of_bootstrap("größe"), "hello", "{name}");
        }
    }
}

const ENGINES: [&str; 4] = ["docker", "podman", "finch", "nerdctl"];

/// Every program of `PATH` but these, in one folder.
fn path_without(left_out: &[&str], fixture: &Fixture) -> PathBuf {
    let folder = fixture.around().join("programs");
    fs::create_dir_all(&folder).unwrap();
    for place in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !left_out.iter().any(|program| name == *program) {
                // Of two with one name the first counts.
                let _ = std::os::unix::fs::symlink(entry.path(), folder.join(name));
            }
        }
    }
    folder
}

#[test]
fn without_git_it_is_told_that_nothing_is_ignored() {
    const NOTE: &str = "note: git is not installed: the compile sees also what `.gitignore` names";
    let fixture = Fixture::hello();
    fixture.write(".gitignore", "target\n*.log\n");
    fixture.write("x.log", "1");
    let path = path_without(&["git"], &fixture);
    let run = || Ended::of(fixture.command_for("host").env("PATH", &path)).ok().stderr;
    assert_eq!(run().matches(NOTE).count(), 0, "no repository is there");
    fixture.git(&["init", "--quiet"]);
    fixture.write("x.log", "2");
    let told = run();
    assert_eq!(told.matches(NOTE).count(), 1, "{told}");
    let told = Ended::of(fixture.command_for("host").arg("--force")).ok().stderr;
    assert_eq!(told.matches(NOTE).count(), 0, "{told}");
}

/// Asserts that a run packages on the host because of `why`, and says so once; and that it fails with `help` where a
/// container is required.
fn falls_back_to_the_host(fixture: &Fixture, variables: &[(&str, &str)], why: &str, help: &str) {
    let no_container = format!("no container to compile in ({why})");
    let forbids = "variable LAMBDA_PACKAGER_REQUIRE_CONTAINER does not allow";
    let command = || {
        let mut command = fixture.command();
        command.envs(variables.iter().copied());
        command
    };
    Ended::of(command().env("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "true")).fails(3, &[&no_container, forbids, help]);
    let fallen = Ended::of(&mut command()).ok();
    let note = format!("note: {why}: compiling with the host's own toolchain, which is not hermetic\n");
    assert_eq!(fallen.stderr.matches(&note).count(), 1, "{}", fallen.stderr);
    let road = fixture.manifest("hello")["road"].clone();
    assert_eq!((&road["engine"], &road["hermetic"], &road["fallback"]), (&"host".into(), &false.into(), &why.into()));
}

#[test]
fn an_engine_that_is_not_there_is_an_error_or_the_announced_host() {
    let mut packaged = Packaged::on("host");
    let path = path_without(&ENGINES, &packaged.fixture);
    for engine in ["docker", "podman", "finch", "nerdctl"] {
        let ended = Ended::of(packaged.fixture.command().args(["--engine", engine]).env("PATH", &path));
        let asked = format!("flag --engine is set to {engine}, but {engine} is not on PATH");
        ended.fails(3, &[&asked, &format!("help: install {engine}, or set `engine` to `auto` or `host`")]);
        packaged.is_intact();
    }

    let why = "no container engine is installed";
    falls_back_to_the_host(
        &packaged.fixture,
        &[("PATH", path.to_str().unwrap())],
        why,
        "help: install and start docker or podman",
    );
}

#[test]
fn an_engine_that_does_not_answer_is_named_with_its_remedy() {
    let cases = [
        (Engine::Docker, "DOCKER_HOST", "tcp://127.0.0.1:1", "check DOCKER_HOST and `docker context ls`"),
        (Engine::Podman, "CONTAINER_HOST", "unix:///nowhere/podman.sock", "check CONTAINER_HOST and `podman system"),
    ];
    // Both at once: a run waits for some seconds before it gives up.
    let cases = cases.into_iter().filter(|(engine, ..)| engine.is_here()).map(|(engine, variable, place, remedy)| {
        let packaged = Packaged::on("host");
        let mut command = packaged.fixture.command_on(engine);
        (Running::start(command.env(variable, place)), packaged, engine, remedy)
    });
    for (running, mut packaged, engine, remedy) in cases.collect::<Vec<_>>() {
        running.end().fails(3, &[&format!("error: no {} engine answers", engine.name()), "help: start it", remedy]);
        packaged.is_intact();
    }
}

#[test]
fn an_engine_that_is_not_for_this_user_is_named_with_its_remedy() {
    let Some(user) = OtherUser::of_no_group() else { return };
    let fixture = Fixture::hello();
    let as_user = |engine: &str| Ended::of(user.command(&fixture).args(["--engine", engine]));
    as_user("host").ok();
    let before = fixture.made("hello");
    let ended = as_user("docker")
        .fails(3, &["error: this user is not allowed to use docker", "help: add the user to the group"]);
    // Time does not give permission.
    assert!(!ended.stderr.contains("trying again"), "{}", ended.stderr);
    assert_eq!(fixture.made("hello"), before);
    assert_eq!(as_user("host").ok().verdict(), "cache-hit");
}

#[test]
fn what_root_left_is_named_and_made_again_once_it_is_the_users() {
    let Some(user) = OtherUser::of_no_group() else { return };
    let fixture = Fixture::hello_packaged("host");
    let mut as_user = user.command(&fixture);
    std::os::unix::fs::chown(fixture.path("target/lambda"), Some(0), Some(0)).unwrap();
    Ended::of(as_user.args(["--engine", "host"]))
        .fails(1, &["target/lambda cannot be written: it may belong to another user", "help: remove it, or give it"]);
    // The records of root name files in its home.
    Ended::of(user.command(&fixture).args(["--engine", "host"])).ok();
}

#[test]
fn where_no_engine_answers_auto_takes_the_host_and_says_so() {
    let fixture = Fixture::hello();
    let astray = [("DOCKER_HOST", "unix:///nowhere/docker.sock"), ("CONTAINER_HOST", "unix:///nowhere/podman.sock")];
    let Some(first) = every_engine().next() else { return };
    let why = format!("no {} engine answers", first.name());
    falls_back_to_the_host(&fixture, &astray, &why, "help: ");

    // With one that answers there is no need of the host.
    if Engine::Docker.is_here() && Engine::Podman.is_here() {
        let fixture = Fixture::hello();
        let next = Ended::of(fixture.command().env("DOCKER_HOST", "unix:///nowhere/docker.sock")).ok();
        assert_eq!(next.stderr.matches("note: no docker engine answers\n").count(), 1, "{}", next.stderr);
        let road = fixture.manifest("hello")["road"].clone();
        assert_eq!((&road["engine"], &road["hermetic"]), (&"podman".into(), &true.into()));
    }
}

/// Runs the bin with the folder `out` of the project as a file system of its own, mounted so.
fn with_output_mounted(packaged: &Packaged, options: &str) -> Option<Ended> {
    fs::create_dir_all(packaged.fixture.path("out")).unwrap();
    let script = format!("mount -t tmpfs -o {options} none out || exit 99; exec \"$0\" \"$@\"");
    let mut command = packaged.fixture.command_under(&["unshare", "--mount", "sh", "-c", &script]);
    command.args(["--engine", packaged.engine, "--output", "out/x.zip"]);
    match Ended::of(&mut command) {
        ended if ended.stderr.contains("unshare") || ended.code == 99 => {
            skip("root", &format!("only root may mount: {}", ended.stderr));
            None
        }
        ended => Some(ended),
    }
}

#[test]
fn an_output_that_cannot_be_written_changes_nothing() {
    let mut packaged = Packaged::on("host");
    let check = |packaged: &mut Packaged, ended: Ended, parts: &[&str]| {
        ended.fails(1, parts);
        packaged.fixture.says("hello");
        packaged.is_intact();
        // A miss again, so that there is something to write.
        packaged.fixture.says("something else");
    };
    packaged.fixture.says("something else");
    let ended = Ended::of(packaged.command().args(["--output", "Cargo.toml/x.zip"]));
    check(&mut packaged, ended, &["cannot create the folder", "Cargo.toml"]);
    let mounts = [("ro", "help: the file system is mounted read-only"), ("size=64k", "help: free some disk space")];
    for (options, help) in mounts {
        let Some(ended) = with_output_mounted(&packaged, options) else { return };
        check(&mut packaged, ended, &["cannot write", "out/x.zip", help]);
    }
}

#[test]
fn an_output_where_the_zip_must_not_be_is_an_error_that_says_why() {
    let fixture = Fixture::hello();
    fixture.append(
        "Cargo.toml",
        "\n[package.metadata.lambda-packager]\ninclude = [\"assets\"]\ninputs = [\"data\", \"in.zip\"]\n",
    );
    fixture.write("assets/a", "a");
    fixture.write("data/a", "a");
    fixture.write("in.zip", "a");
    let run = |output: &str| fixture.run(&["explain", "--engine", "host", "--output", output]);
    for (output, why) in [
        ("out/bootstrap", "has the name of the compiled function"),
        ("bootstrap", "has the name of the compiled function"),
        ("target/lambda/hello/manifest.json", "is among the packager's own files"),
        ("assets/x.zip", "is in what `include` names"),
        ("in.zip", "is named by `inputs`"),
        ("data/../in.zip", "is named by `inputs`"),
    ] {
        // It is told as the one path that it is.
        let name = output.rsplit_once("/../").map_or(output, |(_, name)| name);
        run(output).fails(2, &["flag --output", name, why, "help: "]);
    }
    // In a folder of inputs it is none of them.
    let in_folder = ["--engine", "host", "--output", "data/x.zip"];
    fixture.run(&in_folder).ok();
    assert_eq!(fixture.run(&in_folder).ok().verdict(), "cache-hit");
    // The user may, but a manifest may not put it elsewhere.
    let out = fixture.around().join("x.zip").display().to_string();
    assert_eq!(run(&out).code, 1);
    symlink(fixture.around(), fixture.path("link")).unwrap();
    let below = fixture.around().join("below");
    std::fs::create_dir(&below).expect("a folder");
    symlink(&below, fixture.path("deep")).unwrap();
    // It is where it says, and not where the link leads.
    fixture.run(&["--engine", "host", "--output", "deep/../y.zip"]).ok();
    assert!(fixture.path("y.zip").is_file() && !fixture.around().join("y.zip").exists());
    for output in ["../x.zip", "link/x.zip", "deep/../../x.zip", &out] {
        let manifest = fixture.text("Cargo.toml");
        fixture.append("Cargo.toml", &format!("output = {output:?}\n"));
        let ended = fixture.run(&["--engine", "host"]);
        ended.fails(2, &["`output` in [package.metadata.lambda-packager]", "is outside of the workspace", "--output"]);
        fixture.write("Cargo.toml", &manifest);
    }
    assert!(!fixture.around().join("x.zip").exists());
}

#[test]
fn an_output_that_is_something_else_is_left_alone() {
    let fixture = Fixture::hello();
    let run = |output: &str| fixture.run(&["--engine", "host", "--output", output]);
    for output in ["Cargo.toml", "src"] {
        run(output).fails(2, &["flag --output", output, "exists and is not a zip; it was not changed"]);
    }
    assert!(fixture.read("Cargo.toml").starts_with(b"[package]"));
    run("out/f.zip").ok();
    fixture.write("out/f.zip", "damaged");
    assert_eq!(run("out/f.zip").ok().verdict(), "cache-miss: zip modified (out/f.zip)");
}

#[test]
fn a_toolchain_is_borrowed_by_choice_where_a_container_is_required() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = fixture.command();
        Ended::of(command.env("LAMBDA_PACKAGER_ENGINE", engine.name()).args(args).envs(variables.iter().copied()))
    };
    let required = ("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "1");
    let fixes = ["--pull-policy always", "the engine's `load`", "set `base` to an image", "`base = \"host\"`"];
    let refused = |ended: Ended, by: &str| {
        let forbids = format!("{by} does not allow using the host's toolchain");
        let why = ["no image to compile in (no builder image available locally)", &forbids];
        let ended = ended.fails(3, &[&why, &fixes[..]].concat());
        assert!(!ended.stderr.contains("compiling in the reused container"), "{}", ended.stderr);
        assert_eq!(fixture.containers(engine).len(), 0);
    };
    refused(run(&[], &[required]), "variable LAMBDA_PACKAGER_REQUIRE_CONTAINER");
    // In a pipeline so is a package for production, whatever its way there.
    let pipeline = ("CI", "true");
    for mode in ["prod", "docker"] {
        refused(run(&["--mode", mode], &[pipeline]), "variable CI (in a production mode)");
    }
    let path = path_without(&ENGINES, &fixture);
    for args in [&["--mode", "prod"][..], &["image", "build", "--env", "prod"]] {
        let nothing = Ended::of(fixture.command().args(args).envs([pipeline]).env("PATH", &path));
        let why = "no container to compile in (no container engine is installed)";
        nothing.fails(3, &[why, "variable CI", "install and start docker"]);
    }
    // What somebody asked for is no fallback.
    for args in [&["--base", "host"][..], &["--engine", "host"]] {
        run(&[args, &["--mode", "prod"]].concat(), &[pipeline]).ok();
    }
    run(&["--base", "host"], &[required]).ok();
    run(&["--mode", "prod"], &[pipeline, ("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "0")]).ok();
    run(&[], &[pipeline]).ok();
    // What a fallback made is not reused where it is forbidden.
    assert_eq!(run(&[], &[]).ok().verdict(), "cache-hit");
    let strict = run(&[], &[required]).fails(3, &["no image to compile in"]);
    assert!(strict.stderr.contains("compiled by a fallback that is not allowed any more: "), "{}", strict.stderr);
    assert_eq!(run(&[], &[]).ok().verdict(), "cache-hit");
}
