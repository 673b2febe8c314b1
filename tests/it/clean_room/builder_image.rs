//! The builder image: built once, used by both roads, and asked for again only when that can help.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use crate::clean_room::builder::{AMAZON_LINUX, BASE, Builder, Kind, Ready, builders};
use serde_json::json;

use crate::support::http::Server;
use crate::support::{
    Ended, Engine, Fixture, Live, OwnDocker, OwnPodman, Story, cases, every_engine, fed, kill, one_engine, prefixed,
    program, sha256, skip,
};

/// What an image to deploy brings of it.
#[cfg(target_arch = "x86_64")]
const LIBRARY: &str = "lib/x86_64-linux-gnu/libgcc_s.so.1";
#[cfg(target_arch = "aarch64")]
const LIBRARY: &str = "lib/aarch64-linux-gnu/libgcc_s.so.1";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
/// What those of the builder image end with, and this machine's do not.
const MARK: &str = "of the builder image";

#[test]
fn it_is_built_once_from_a_base_that_is_here_and_both_roads_start_from_it() {
    for builder in builders(Kind::BuildKit) {
        // Amazon Linux as far as the recipe can tell: whatever it would install is there, but Rust.
        let text = format!(
            "FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake && rm -r /opt/rust\n\
             RUN for file in /{LIBRARY} /{CERTIFICATES}; do printf '# {MARK}' >>$file; done\n"
        );
        builder.build(AMAZON_LINUX, &text);
        let fixture = Fixture::hello();
        let run = |args: &[&str], clean_room: &str| {
            let mut command = fixture.command_elsewhere();
            command.args(["--engine", builder.engine(), "--pull-policy", "if-missing"]).args(args);
            Story::of(builder.lend(&mut command).env("LAMBDA_PACKAGER_CLEAN_ROOM", clean_room)).ok()
        };
        let is_built = |story: &Story| story.notes().iter().any(|note| note.starts_with("building the image"));
        let first = run(&[], "0");
        assert!(is_built(&first), "{first}");
        let manifest = fixture.manifest("hello");
        let base = manifest["road"]["base"].as_str().unwrap().to_string();
        assert!(base.starts_with("lambda-packager-builder:1.") && base.contains("-provided.al2023-"), "{first}");
        let container = manifest["road"]["container"].as_str().unwrap().to_string();
        assert_eq!(manifest["road"]["host_toolchain"], false);
        assert_eq!(manifest["road"]["fallback"], "");
        assert!(manifest["ingredients"]["builder image"] == base.as_str(), "{manifest}");
        let id = builder.ask(&["image", "inspect", "--format", "{{.Id}}", &base]);
        assert_eq!(manifest["road"]["image_id"], id);
        assert_eq!(manifest["road"]["base_digest"], digest_of(&builder, AMAZON_LINUX));
        let zip = fixture.zip("hello");

        assert_eq!(run(&[], "0").verdict(), "cache-hit");
        let room = run(&["--force"], "1");
        assert!(!is_built(&room), "{room}");
        let road = &fixture.manifest("hello")["road"];
        assert!(road["clean_room"] == true && road["base"] == base.as_str(), "{road}");
        assert_eq!(road["base_digest"], manifest["road"]["base_digest"]);
        assert!(fixture.zip("hello") == zip, "{:?} made other bytes", builder.kind);
        // It has this machine's compiler, so this is the same compile.
        let borrowed = run(&["--force", "--base", "host"], "0");
        assert!(fixture.zip("hello") == zip, "{:?} made other bytes: {borrowed}", builder.kind);
        run(&["--force"], "0");

        // Another compiler has another image, also if it is of the same release.
        let path = prefixed(&another_rust(&fixture.around(), &Other::Commit), &builder.behind("").path);
        let mut command = fixture.command_elsewhere();
        let explained = Ended::of(builder.lend(command.arg("explain")).env("PATH", path)).stdout;
        let release = base.split('-').take(3).collect::<Vec<_>>().join("-");
        assert!(explained.contains(&format!("builder image {base} -> {release}-")), "{explained}");

        // An image to deploy brings what the function was linked with, not what this machine has of that name.
        run(&["image", "build", "--env", "preprod"], "0");
        let files = builder.files_of("preprod-sse-streaming-lambda");
        for name in [LIBRARY, CERTIFICATES] {
            let Some(content) = files.get(name) else { panic!("no {name} in {:?}", files.keys()) };
            assert!(content.ends_with(MARK.as_bytes()), "{name} is not the builder image's");
        }
        builder.ask(&["rmi", "--force", &builder.ask(&["images", "--quiet", "preprod-sse-streaming-lambda:latest"])]);

        // Another recipe has another name: what was built by the former one is not reused.
        let path = "target/lambda/hello/manifest.json";
        let text = fixture.text(path);
        fixture.write(path, &text.replace(&base, "lambda-packager-builder:of-another-recipe"));
        let again = run(&[], "0");
        let reason = "cache-miss: builder image lambda-packager-builder:of-another-recipe -> ";
        assert!(again.verdict().starts_with(reason), "{again}");
        // Both of docker's builders keep their images in one place.
        builder.ask(&["rm", "--force", &container]);
        builder.ask(&["rmi", "--force", &base]);
    }
}

#[test]
fn a_build_of_it_that_is_interrupted_or_loses_its_engine_is_not_taken_for_a_registry_that_refuses() {
    let Some(data) = Ready::made().and_then(|ready| ready.docker.as_ref()) else { return };
    let Some(mut own) = OwnDocker::start_with(Some(data), None) else { return };
    // What the recipe installs packages with never ends.
    let text = format!(
        "FROM {BASE}\nRUN printf '#!/bin/sh\\necho held\\nexec sleep 86400\\n' >/usr/bin/apt-get && chmod 755 /usr/bin/apt-get\n"
    );
    fed(own.command().args(["build", "--network", "none", "--tag", AMAZON_LINUX, "-"]), text.as_bytes()).ok();
    let fixture = Fixture::hello();
    let host = own.host();
    let command = || {
        let mut command = fixture.command_elsewhere();
        command.args(["--engine", "docker", "--pull-policy", "if-missing"]).env("DOCKER_HOST", &host);
        command
    };
    let held = || {
        let mut live = Live::start(&mut command());
        live.until("line of the recipe", |event| {
            event["event"] == "engine" && event["line"].as_str().is_some_and(|line| line.ends_with("held"))
        });
        live
    };
    let is_remembered = || {
        let mut names = fs::read_dir(fixture.path("target/lambda")).unwrap().map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("no-builder"))
    };
    let live = held();
    kill("INT", &live.pid().to_string());
    let story = live.end();
    assert_eq!(story.code(), 130, "{story}");
    assert!(!is_remembered(), "{story}");

    // What is wrong on this machine is found out in each run.
    let path = prefixed(&another_rust(&fixture.around(), &Other::Packaged), &std::env::var_os("PATH").unwrap());
    let mut command = command();
    command.env("PATH", path).env("RUSTUP_DIST_SERVER", "https://somebody:secret@example.com");
    let story = Story::of(&mut command);
    assert!(story.notes().iter().any(|note| note.ends_with("trying again in the next run")), "{story}");
    assert!(!is_remembered(), "{story}");

    // Before its last step is ended, and by a crash.
    for end in [OwnDocker::down, OwnDocker::crash] {
        let mut live = held();
        end(&mut own);
        live.until_announced("no docker engine answers; trying again");
        let story = live.end();
        assert_eq!(story.code(), 3, "{story}");
        assert!(story.failure().contains("no docker engine answers"), "{story}");
        assert!(!is_remembered(), "{story}");
        own.up();
    }
}

/// How a toolchain differs from this machine's.
#[derive(PartialEq)]
pub enum Other {
    /// A distribution packages it: the compiler's library is not in the sysroot.
    Packaged,
    /// It was made of another commit.
    Commit,
}

/// Another toolchain, in `folder`. Returns the folder of its `rustc` for `PATH`.
pub fn another_rust(folder: &Path, other: &Other) -> PathBuf {
    let real = PathBuf::from(Ended::answer(Command::new("rustc").args(["--print", "sysroot"])));
    let (sysroot, programs) = (folder.join("rust"), folder.join("programs"));
    for made in [&sysroot.join("bin"), &programs] {
        fs::create_dir_all(made).unwrap();
    }
    symlink(real.join("bin/cargo"), sysroot.join("bin/cargo")).unwrap();
    let rustc = real.join("bin/rustc").display().to_string();
    let own = sysroot.join("bin/rustc");
    if *other == Other::Packaged {
        fs::create_dir(sysroot.join("lib")).unwrap();
        symlink(real.join("lib/rustlib"), sysroot.join("lib/rustlib")).unwrap();
        symlink(&rustc, own).unwrap();
    } else {
        symlink(real.join("lib"), sysroot.join("lib")).unwrap();
        program(&own, format!("#!/bin/sh\n'{rustc}' \"$@\" | sed 's/^commit-hash: ./&0/'\n").as_bytes());
    }
    let script = format!(
        "#!/bin/sh\n[ \"$*\" != '--print sysroot' ] || exec echo '{}'\nexec '{rustc}' \"$@\"\n",
        sysroot.display()
    );
    program(&programs.join("rustc"), script.as_bytes());
    programs
}

/// An image by the digest that its engine knows it by: docker gives one only to what was in a registry.
fn digest_of(builder: &Builder, image: &str) -> String {
    let format = if builder.engine() == "podman" { "{{.Digest}}" } else { "{{.Id}}" };
    format!("{image}@{}", builder.ask(&["image", "inspect", "--format", format, image]))
}

#[test]
fn a_newer_base_is_a_miss_that_says_so_and_the_image_of_the_former_one_is_listed_and_removed() {
    for builder in builders(Kind::Legacy) {
        // A registry that has what was built here under the name.
        let front = builder.behind("[ \"$1\" != pull ] || exit 0");
        let base_with = |more: &str| {
            let text = format!("FROM {BASE}\nRUN ln -s gcc /usr/bin/clang && ln -s make /usr/bin/cmake{more}\n");
            builder.build(AMAZON_LINUX, &text);
            digest_of(&builder, AMAZON_LINUX)
        };
        let fixture = Fixture::hello();
        // Rust as a distribution packages it is not sent. It would be downloaded, but it is in this base.
        let path = prefixed(&another_rust(&fixture.around(), &Other::Packaged), &front.path);
        let run = |args: &[&str]| {
            let mut command = fixture.command_elsewhere();
            command.args(["--engine", builder.engine(), "--pull-policy", "always"]).args(args);
            Ended::of(builder.lend(&mut command).env("PATH", &path)).ok()
        };
        let roads: [&[&str]; 2] = [&[], &["--clean-room", "--force"]];
        for road in cases(&roads[..1], &roads) {
            let first = base_with("");
            run(road);
            let before = fixture.manifest("hello")["road"].clone();
            assert_eq!(before["base_digest"], first, "{:?}", builder.kind);
            // The registry has nothing new.
            assert_eq!(run(&road[..road.len().min(1)]).verdict(), "cache-hit", "{:?}", builder.kind);
            assert!(!run(&["doctor"]).stdout.contains("no build starts from"));

            let second = base_with(" && touch /patched");
            assert_ne!(first, second);
            let ended = run(&road[..road.len().min(1)]);
            assert_eq!(ended.verdict(), format!("cache-miss: base {first} -> {second}"));
            let after = fixture.manifest("hello")["road"].clone();
            assert_eq!((&after["base_digest"], &after["base"]), (&second.into(), &before["base"]));
            let former = before["image_id"].as_str().unwrap().to_string();
            assert_ne!(after["image_id"], former);
            let list = ["images", "--all", "--quiet", "--no-trunc", "--filter", "label=lambda-packager.builder"];
            let ids = || builder.ask(&list);
            let has = |id: &str| ids().contains(id.trim_start_matches("sha256:"));
            assert!(has(&former), "{:?}: nothing is left to remove", builder.kind);

            let told = run(&["doctor"]).stdout;
            let line = told.lines().find(|line| line.contains(&former)).unwrap_or_else(|| panic!("{former}: {told}"));
            assert!(line.starts_with("warning") && line.contains("which no build starts from any more"), "{told}");
            let swept = run(&["clean"]).stdout;
            assert!(swept.contains(&format!("image {former}")), "{swept}");
            assert!(!has(&former) && has(after["image_id"].as_str().unwrap()), "{:?}: {}", builder.kind, ids());
            run(&["clean", "--everything"]);
            assert!(!has(after["image_id"].as_str().unwrap()), "{:?}: {}", builder.kind, ids());
        }
    }
}

#[test]
fn a_base_without_tar_gets_the_sources_by_the_engines_own_copy() {
    for builder in builders(Kind::Legacy) {
        builder.build("without-tar", &format!("FROM {BASE}\nRUN rm /usr/bin/tar\n"));
        let fixture = Fixture::hello();
        fixture.write("src/text.rs", "pub const TEXT: &str = include_str!(\"../text.txt\");\n");
        fixture.write("text.txt", "one");
        fixture.write("src/main.rs", "mod text;\nfn main() {\n    println!(\"{}\", text::TEXT);\n}\n");
        let run = |base: &str| {
            let mut command = fixture.command_elsewhere();
            Ended::of(builder.lend(command.args(["--engine", builder.engine(), "--base", base]))).ok()
        };
        run(BASE);
        let expected = fixture.zip("hello");
        run("without-tar");
        assert!(fixture.zip("hello") == expected, "{:?} made other bytes", builder.kind);

        // A file that changed, one that is gone, and a folder where a file was.
        fixture.write("text.txt", "two");
        fs::remove_file(fixture.path("src/text.rs")).unwrap();
        fixture.write("src/text/mod.rs", "pub const TEXT: &str = include_str!(\"../../text.txt\");\n");
        run("without-tar");
        assert_eq!(fixture.output_of_bootstrap("hello"), "two");

        // It is as tar would have made it, and who compiles cannot write to it.
        let container = fixture.manifest("hello")["road"]["container"].as_str().unwrap().to_string();
        let script = "stat -c '%a %u %Y' /workspace/src/text /workspace/Cargo.toml; ls /cargo/.lambda-packager";
        let seen = builder.ask(&["exec", &container, "sh", "-c", script]);
        let lines: Vec<_> = seen.lines().collect();
        assert!(lines[0].starts_with("755 0 ") && lines[1].starts_with("644 0 "), "{seen}");
        assert!(!lines[2..].contains(&"archive"), "{seen}");
    }
}

#[test]
fn a_registry_that_cannot_be_reached_is_asked_once() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    // A name that no registry has.
    let fixture = Fixture::hello();
    let run = |policy: &str| {
        Story::of(fixture.command_on(engine).args(["--force", "--pull-policy", policy, "--runtime", "provided.al2023"]))
    };
    let is_here = || engine.command().args(["image", "inspect", AMAZON_LINUX]).output().unwrap().status.success();
    let was_here = is_here();
    if engine.command().args(["pull", AMAZON_LINUX]).output().is_ok_and(|output| output.status.success()) {
        if !was_here {
            engine.ask(&["rmi", AMAZON_LINUX]);
        }
        return skip("no-registry", "a registry answers here: its absence cannot be tested");
    }
    let asked = |story: &Story| story.notes().iter().any(|note| note.contains("trying again in an hour"));
    let first = run("if-missing").ok();
    assert!(asked(&first), "{first}");
    let road = fixture.manifest("hello")["road"].clone();
    assert!(road["fallback"] == "no builder image available locally" && road["host_toolchain"] == true, "{road}");
    assert!(!asked(&run("if-missing").ok()));
    assert!(!asked(&run("never").ok()));
    assert!(asked(&run("always").ok()));
}

#[test]
fn an_image_is_pulled_as_the_policy_says_and_a_silent_registry_is_given_up() {
    let Some(engine) = every_engine().find(|engine| *engine == Engine::Docker) else { return };
    // It takes calls, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("{}/nobody/nothing:1", silent.local_addr().unwrap());
    let fixture = Fixture::hello();
    let run = |policy: &str| {
        Story::of(fixture.command_on(engine).args(["--force", "--base", &base, "--pull-policy", policy]))
    };
    let expected: [(_, &[&str]); 2] =
        [("never", &["is not available locally", "flag --pull-policy"]), ("if-missing", &["did not answer within"])];
    for (policy, parts) in expected {
        let story = run(policy);
        assert!(story.code() == 3 && parts.iter().all(|part| story.failure().contains(part)), "{story}");
    }
}

#[test]
fn a_pull_from_a_fake_registry_that_stalls_is_given_up_and_one_that_is_interrupted_is_no_failure_of_it() {
    const LAYER: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";
    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [LAYER]}});
    let config = config.to_string();
    let object = |kind: &str, digest: &str, size: usize| json!({"mediaType": format!("application/vnd.docker.{kind}"), "digest": digest, "size": size});
    let config_digest = format!("sha256:{}", sha256(config.as_bytes()));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": object("container.image.v1+json", &config_digest, config.len()),
        "layers": [object("image.rootfs.diff.tar.gzip", LAYER, 1_000_000)],
    });
    let manifest = manifest.to_string();
    let digest =
        format!("Docker-Content-Digest: sha256:{}\r\nContent-Type: {MANIFEST}\r\n", sha256(manifest.as_bytes()));
    // One byte of the layer, and then nothing until nobody listens any more.
    let (tell, asked) = mpsc::channel();
    let registry = Server::start(move |mut request| match &request.line {
        line if line.contains("/manifests/") => request.answer(200, &digest, manifest.as_bytes()),
        line if line.contains(LAYER) => {
            write!(request.client, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")?;
            let _ = tell.send(());
            io::copy(&mut request.body, &mut io::sink()).map(drop)
        }
        line if line.contains("/blobs/") => request.answer(200, "", config.as_bytes()),
        _ => request.answer(200, "Docker-Distribution-Api-Version: registry/2.0\r\n", b"{}"),
    });
    let fixture = Fixture::hello();
    let base = format!("{}/nobody/stalls:1", registry.name());
    // Podman wants TLS on loopback too.
    let insecure = fixture.path("target/registries.conf");
    fs::create_dir_all(insecure.parent().unwrap()).unwrap();
    fs::write(&insecure, format!("[[registry]]\nlocation = {:?}\ninsecure = true\n", registry.name())).unwrap();
    for engine in every_engine() {
        let command = || {
            let mut command = fixture.command_on(engine);
            command.args(["--base", &base, "--pull-policy", "if-missing"]);
            command.env("CONTAINERS_REGISTRIES_CONF", &insecure);
            command
        };
        let mut short = command();
        short.env("LAMBDA_PACKAGER_ENGINE_TIMEOUT_SECS", "2");
        Ended::of(&mut short).fails(3, &["made no progress for 2 s", "help: ", "engine_timeout_secs"]);
        while asked.try_recv().is_ok() {}
        let live = Live::start(&mut command());
        asked.recv().unwrap();
        kill("INT", &live.pid().to_string());
        let story = live.end();
        assert!(story.code() == 130 && story.failure().starts_with("interrupted"), "{story}");
    }
}

#[test]
fn an_image_that_came_in_the_meantime_is_used_and_the_note_that_there_is_none_is_removed() {
    if !Engine::Podman.is_here() {
        return;
    }
    // Images of the same name in this machine's own store would be other tests' too.
    let own = OwnPodman::new();
    let fixture = Fixture::hello();
    let command = || {
        let mut command = fixture.command_elsewhere();
        command.envs(own.environment()).args(["--engine", "podman", "--pull-policy", "if-missing"]);
        command
    };
    let start = || Story::of(command().args(["container", "start"]));
    let asked = |story: &Story| story.notes().iter().any(|note| note.contains("trying again in an hour"));
    let first = start().ok();
    if !asked(&first) {
        return skip("no-registry", "a registry answers here: its absence cannot be tested");
    }
    assert!(!asked(&start().ok()));
    let told = Ended::of(command().arg("doctor")).stdout;
    let (_, rest) = told.split_once("has no builder image ").unwrap();
    let name = rest.split(':').take(2).collect::<Vec<_>>().join(":");
    let podman = |args: &[&str]| Ended::answer(Engine::Podman.command().envs(own.environment()).args(args));
    // No shell is in it: that it is used shows in the error.
    let empty = podman(&["images", "--quiet", "--filter", "label=lambda-packager.borrowed"]);
    podman(&["tag", &empty, &name]);
    let story = start();
    assert!(story.code() == 3 && story.failure().contains("the container does not start"), "{story}");
    podman(&["rmi", &name]);
    assert!(asked(&start().ok()), "the note is still believed");
}
