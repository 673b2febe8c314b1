//! The reused container on real engines.

use std::path::Path;
use std::process::Command;

use crate::support::{
    Ended, Engine, Fixture, Front, Gate, Live, OtherUser, Running, Story, engines, eventually, every_engine, has_all,
    one_engine, processes_of_the_host,
};

#[test]
fn a_function_with_another_network_has_another_container_beside_the_first() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::hello_packaged(engine.name());
        let first = fixture.container(engine);

        // Docker's bridge is the machine's, and gone wherever an engine without one was started beside it.
        let network = if engine == Engine::Podman { "bridge" } else { "none" };
        let run = || Ended::of(fixture.command_on(engine).env("LAMBDA_PACKAGER_NETWORK", network)).ok();
        if engine == Engine::Podman {
            assert_eq!(run().verdict(), "cache-miss: network none -> bridge");
            let all = fixture.containers(engine);
            assert!(all.len() == 2 && all.contains(&first), "{first} of {all:?}");
            let second = all.into_iter().find(|id| *id != first).expect("another one");
            assert_ne!(engine.inspect(&second)["HostConfig"]["NetworkMode"], "none");
        }
        let before = fixture.containers(engine);

        // What lies outside of the workspace is sent as the rest is.
        fixture.package("../outside", "outside", "");
        fixture.write("../outside/src/lib.rs", "pub const TEXT: &str = \"from outside\";\n");
        fixture.append("Cargo.toml", "[dependencies]\noutside = { path = \"../outside\" }\n");
        fixture.prints("\"{}\", outside::TEXT");
        run();
        assert_eq!(fixture.output_of_bootstrap("hello"), "from outside");
        assert_eq!(fixture.containers(engine), before);
    }
}

#[test]
fn functions_with_other_needs_compile_beside_each_other_also_with_a_chosen_name() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let (fixture, gate) = (Fixture::empty("named"), Gate::new());
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"held\", \"other\"]\nresolver = \"2\"\n");
    for name in ["held", "other"] {
        fixture.package(name, name, "");
        fixture.write(&format!("{name}/src/main.rs"), &format!("fn main() {{\n    println!(\"{name}\");\n}}\n"));
    }
    fixture.write("held/build.rs", &gate.waiting_build_script("holding"));
    fixture.append("held/Cargo.toml", "[package.metadata.lambda-packager]\ncargo_flags = [\"-vv\"]\n");
    let name = format!("named-{}", fixture.root().parent().unwrap().file_name().unwrap().to_str().unwrap());
    let run = |function: &str, network: &str| {
        let mut command = fixture.command_on(engine);
        command.args(["--function", function]).env("LAMBDA_PACKAGER_CONTAINER_NAME", &name);
        Live::start(command.env("LAMBDA_PACKAGER_NETWORK", network))
    };
    gate.put("hold", "");
    let mut held = run("held", "none");
    held.until_cargo_says("holding");
    run("other", "bridge").end().ok();
    gate.take_away("hold");
    let told = held.end().ok().cargo();
    assert_eq!(told.matches("holding").count(), 1, "{told}");
    for name in ["held", "other"] {
        assert_eq!(fixture.output_of_bootstrap(name), name);
    }
    assert_eq!(fixture.containers(engine).len(), 2);
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    const REMEDY: &str =
        "help: set `container_name` to another name, or remove or rename that container yourself; it was not touched";
    for engine in engines(Engine::Docker) {
        let owner = Fixture::hello_packaged(engine.name());
        let owned = owner.container(engine);
        let name_of = |id: &str| engine.inspect(id)["Name"].as_str().unwrap().trim_start_matches('/').to_string();
        // Another project's, and one that has nothing to do with us at all.
        let foreign_name = format!("foreign-{}", name_of(&owned));
        let image = engine.inspect(&owned)["Image"].as_str().unwrap().to_string();
        let nobody = Fixture::empty("nobody");
        let label = nobody.label();
        engine.ask(&["create", "--name", &foreign_name, "--label", &label, "--network", "none", &image, "true"]);
        let foreign = engine.inspect(&foreign_name);

        let fixture = Fixture::hello_packaged(engine.name());
        let (zip, manifest) = (fixture.zip("hello"), fixture.read("target/lambda/hello/manifest.json"));
        fixture.says("edited");
        let nobodys = "was not made by lambda-packager";
        let of_owner = format!("run `lambda-packager clean --container` in {}", owner.root().display());
        let cases =
            [(name_of(&owned), of_owner.as_str(), owner.root().to_str().unwrap()), (foreign_name, REMEDY, nobodys)];
        for (name, remedy, owner_named) in cases {
            let ended = Ended::of(fixture.command_on(engine).env("LAMBDA_PACKAGER_CONTAINER_NAME", &name));
            ended.fails(3, &[&name, "is taken", owner_named, remedy]);
        }
        // What somebody made of this project's container has all its labels.
        let committed = format!("committed-{}", name_of(&owned));
        let image = engine.ask(&["commit", &owned]);
        engine.ask(&["create", "--name", &committed, "--network", "none", &image, "true"]);
        let mut command = owner.command_on(engine);
        let ended = Ended::of(command.arg("--force").env("LAMBDA_PACKAGER_CONTAINER_NAME", &committed));
        ended.fails(3, &[&committed, "is taken", nobodys, REMEDY]);
        engine.ask(&["rm", &committed]);
        assert_eq!(engine.inspect(&owned)["State"]["Status"], "running");
        assert_eq!(owner.container(engine), owned);
        let after = engine.inspect(foreign["Id"].as_str().unwrap());
        assert_eq!((&after["Name"], &after["State"]["Status"]), (&foreign["Name"], &foreign["State"]["Status"]));

        fixture.says("hello");
        assert_eq!(fixture.run_on(engine, &[]).ok().verdict(), "cache-hit");
        assert!(
            fixture.zip("hello") == zip && fixture.read("target/lambda/hello/manifest.json").len() == manifest.len()
        );
    }
}

#[test]
fn a_volume_of_somebody_elses_is_not_taken() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        let name = format!("named-{}", std::process::id());
        let (volume, label) = (format!("{name}-workspace"), fixture.label());
        engine.ask(&["volume", "create", "--label", &label, &volume]);
        let run = || Ended::of(fixture.command_on(engine).env("LAMBDA_PACKAGER_CONTAINER_NAME", &name));
        let hint = "help: set `container_name` to another name, or remove those volumes yourself";
        run().fails(3, &["volumes of these names were not made for this project: ", &volume, hint]);
        assert_eq!(fixture.containers(engine), [""; 0]);
        engine.ask(&["volume", "rm", &volume]);
        run().ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    }
}

#[test]
fn a_container_of_somebody_elses_that_uses_our_volume_is_named_and_another_engine_compiles() {
    for engine in every_engine() {
        let fixture = Fixture::hello_packaged(engine.name());
        let ours = fixture.container(engine);
        let name = engine.inspect(&ours)["Name"].as_str().unwrap().trim_start_matches('/').to_string();
        let image = engine.inspect(&ours)["Image"].as_str().unwrap().to_string();
        let (theirs, label) = (format!("theirs-{name}"), fixture.label());
        let volume = format!("{name}-target:/x");
        engine.ask(&["create", "--name", &theirs, "--label", &label, "--volume", &volume, &image, "true"]);
        engine.ask(&["rm", "--force", &ours]);

        fixture.says("edited");
        let remedy = format!("help: remove that container (`{} rm --force {theirs}`)", engine.name());
        Ended::of(&mut fixture.command_on(engine)).fails(3, &["-target is in use by the container ", &theirs, &remedy]);
        // This engine alone, among those that nobody named.
        let other = if engine == Engine::Docker { "podman" } else { "docker" };
        let front = Front::of(other, "echo 'Cannot connect to Podman' >&2; exit 125");
        let story = Story::of(fixture.command().env("PATH", &front.path)).ok();
        let notes = story.notes().join("\n");
        has_all(&notes, &[" cannot be used: the ", &theirs, "compiling with the host's own toolchain"]);
        assert_eq!(fixture.output_of_bootstrap("hello"), "edited");

        engine.ask(&["rm", &theirs]);
        fixture.says("again");
        fixture.run_on(engine, &[]).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "again");
    }
}

#[test]
fn two_checkouts_share_nothing_whatever_their_paths() {
    let folder = "my \"odd\", $lambda: größe; it's (日本)";
    for engine in engines(Engine::Podman) {
        let [one, two] = [(); 2].map(|()| Fixture::hello_in(folder));
        one.says("one");
        two.says("two");
        for fixture in [&one, &two, &one] {
            fixture.run_on(engine, &["--force"]).ok();
        }
        assert_ne!(one.container(engine), two.container(engine));
        assert_eq!([&one, &two].map(|fixture| fixture.output_of_bootstrap("hello")), ["one", "two"]);
    }
}

#[test]
fn the_container_has_no_rights_no_network_and_nothing_to_write_to() {
    for engine in every_engine() {
        let fixture = Fixture::hello_packaged(engine.name());
        let id = fixture.container(engine);
        let seen = engine.inspect(&id);
        let mounts = seen["Mounts"].as_array().unwrap();
        let places: Vec<_> = mounts.iter().map(|mount| mount["Destination"].as_str().unwrap()).collect();
        for place in ["/workspace", "/cargo", "/target", "/usr"] {
            assert!(places.contains(&place), "{place} in {places:?}");
        }
        // Of the host there is the toolchain, and nobody can write to it.
        let own = ["/workspace", "/cargo", "/target"];
        let of_the_host = mounts.iter().filter(|mount| !own.contains(&mount["Destination"].as_str().unwrap()));
        assert!(of_the_host.clone().all(|mount| mount["RW"] == false && mount["Type"] == "bind"), "{mounts:?}");
        assert!(of_the_host.clone().all(|mount| !mount["Source"].as_str().unwrap().contains("packager-test")));

        // From within, where it counts: root may only become the user who compiles, and end that user's processes.
        for (process, rights) in
            [("cat /proc/1/status", "00000000000000e0"), ("cat /proc/self/status", "0000000000000000")]
        {
            let status = engine.exec(&id, process).ok().stdout;
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            for capabilities in ["CapPrm:", "CapEff:"] {
                assert_eq!(field(capabilities), Some(rights), "{capabilities} {status}");
            }
            assert_eq!(field("CapAmb:"), Some("0000000000000000"), "{status}");
            assert_eq!(field("NoNewPrivs:"), Some("1"), "{status}");
        }
        for place in ["/workspace", "/workspace/src", "/cargo"] {
            engine.exec(&id, &format!("touch {place}/x")).fails(1, &["Permission denied"]);
        }
        engine.exec(&id, "ls /cargo/.lambda-packager").fails(2, &["Permission denied"]);
        for place in ["/", "/usr", "/opt/rust"] {
            engine.exec_as_root(&id, &format!("touch {place}/x")).fails(1, &["Read-only file system"]);
        }
        assert_eq!(engine.exec(&id, "ls /sys/class/net").ok().stdout, "lo\n");
        engine.exec(&id, "test -f /target/x86_64-unknown-linux-gnu/release/hello").ok();
        let kept = std::fs::read_dir(fixture.path("target")).unwrap().map(|entry| entry.unwrap().file_name());
        // Where `cargo metadata` may note what rustc said of itself.
        let kept: Vec<_> = kept.filter(|name| name != ".rustc_info.json").collect();
        assert_eq!(kept, ["lambda"], "nothing is compiled into the host's target");
    }
}

#[test]
fn one_user_without_rights_compiles_whoever_calls() {
    let Some(user) = OtherUser::of_docker() else { return };
    let by_root = Fixture::hello_packaged("docker");
    let by_user = Fixture::hello();
    Ended::of(user.command(&by_user).args(["--engine", "docker"])).ok();
    for fixture in [&by_root, &by_user] {
        let id = fixture.container(Engine::Docker);
        let owners = "stat -c %u:%g /target/x86_64-unknown-linux-gnu/release/hello /workspace/src/main.rs";
        assert_eq!(Engine::Docker.exec(&id, owners).ok().stdout, "1000:1000\n0:0\n");
    }
    assert!(by_root.zip("hello") == by_user.zip("hello"));
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(by_user.path("target/lambda")).unwrap());
    assert_eq!(owner, user.ids().0);
}

/// Keeps all variables that it sees for the main file to print, and then waits where it is told to.
const SHOWS_VARIABLES: &str = r#"
use std::{env, fs, path::Path, thread, time::Duration};
fn main() {
    let all: String = env::vars().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write(format!("{}/vars.txt", env::var("OUT_DIR").unwrap()), all).unwrap();
    if env::var_os("PASSED_SECRET").is_some() {
        let folder = env::temp_dir();
        fs::write(folder.join("here"), "").unwrap();
        while !Path::new(&folder.join("go")).exists() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}
"#;
const PRINTS_VARIABLES: &str =
    "fn main() {\n    println!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/vars.txt\")));\n}\n";

/// What stands for everything of the host that must stay outside.
const MARKER: &str = "marker_of_the_host";

/// Sets what engines and cargo are known to hand on.
#[test]
fn a_paused_container_is_stopped() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::hello_packaged(engine.name());
        engine.ask(&["pause", &fixture.container(engine)]);
        fixture.run_on(engine, &["container", "stop"]).ok();
        fixture.run_on(engine, &["container", "status"]).fails(3, &[]);
    }
}

/// `/tmp`, which is the home of the compile, and `/dev/shm`: whoever left something there, and with which rights.
#[test]
fn what_others_left_in_the_folders_of_all_is_gone_before_a_compile() {
    const LEFT: [&str; 4] = ["/tmp/compile", "/dev/shm/compile", "/tmp/visitor", "/dev/shm/visitor"];
    for engine in every_engine() {
        let fixture = Fixture::hello();
        let script = format!(
            "use std::os::unix::fs::PermissionsExt;
            fn main() {{
                for path in {LEFT:?} {{
                    assert!(!std::path::Path::new(path).exists(), \"{{path}}\");
                }}
                for path in [\"/tmp/compile\", \"/dev/shm/compile\"] {{
                    std::fs::create_dir_all(format!(\"{{path}}/deep\")).unwrap();
                    std::fs::write(format!(\"{{path}}/deep/file\"), \"\").unwrap();
                    for folder in [\"/deep\", \"\"] {{
                        let rights = std::fs::Permissions::from_mode(0o500);
                        std::fs::set_permissions(format!(\"{{path}}{{folder}}\"), rights).unwrap();
                    }}
                }}
            }}\n"
        );
        fixture.write("build.rs", &script);
        fixture.run_on(engine, &[]).ok();
        let leave =
            "for d in /tmp/visitor /dev/shm/visitor; do mkdir -p $d && echo x >$d/.gitconfig && chmod 500 $d; done";
        let container = fixture.container(engine);
        Ended::of(engine.command().args(["exec", "--user", "1001:1001", &container, "sh", "-c", leave])).ok();
        assert!(LEFT.iter().all(|path| engine.exec(&container, &format!("test -d {path}")).code == 0));
        fixture.write("build.rs", &format!("{script}// again\n"));
        fixture.run_on(engine, &[]).ok();
    }
}

fn with_marked_environment(command: &mut Command, fixture: &Fixture) {
    for name in ["SOME_TOKEN", "AWS_SECRET_ACCESS_KEY", "MAKEFLAGS", "CARGO_PROFILE_RELEASE_DEBUG", "CARGO_MAKEFLAGS"] {
        command.env(name, MARKER);
    }
    command.env("RUSTFLAGS", format!("--cfg {MARKER}")).env("CARGO_ENCODED_RUSTFLAGS", format!("--cfg\x1f{MARKER}"));
    command.env("CARGO_TARGET_DIR", format!("/nowhere/{MARKER}"));
    for name in ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy"] {
        command.env(name, format!("http://{MARKER}.invalid:1"));
    }
    let proxy = format!(r#"{{"proxies": {{"default": {{"httpProxy": "http://{MARKER}.invalid:1"}}}}}}"#);
    fixture.write("../docker/config.json", &proxy);
    command.env("DOCKER_CONFIG", fixture.around().join("docker"));
}

#[test]
fn nothing_of_the_hosts_environment_reaches_the_compile() {
    for engine in engines(Engine::Docker).map(Engine::name).chain(["host"]) {
        let fixture = Fixture::hello();
        fixture.builds_with(SHOWS_VARIABLES, PRINTS_VARIABLES);
        let mut command = fixture.command();
        with_marked_environment(command.args(["--engine", engine]), &fixture);
        Ended::of(&mut command).ok();
        let seen = fixture.output_of_bootstrap("hello");
        assert!(seen.contains("\nSOURCE_DATE_EPOCH=") || seen.starts_with("SOURCE_DATE_EPOCH="), "{seen}");
        assert!(!seen.contains(MARKER), "{engine}: {seen}");
    }
}

#[test]
fn a_passed_variable_reaches_the_compile_and_shows_nowhere() {
    const SECRET: &str = "s3cret_0f_the_h0st";
    // What tells of a build, in files that people read, cache and upload; not what cargo and rustc write for themselves.
    let is_told_by = |folder: &Path| {
        let find = ["-type", "f", "!", "-path", "*/host-*/target/*", "!", "-name", "bootstrap"];
        let told = Ended::answer(Command::new("find").arg(folder).args(find));
        for name in ["build.log", "manifest.json", "variables.key"] {
            assert!(told.lines().any(|path| path.ends_with(name)), "no {name} in {told:?}");
        }
        for path in told.lines() {
            let bytes = std::fs::read(path).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{path}");
        }
    };
    let flags = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUSTFLAGS", std::env::consts::ARCH.to_uppercase());
    let command_for = |fixture: &Fixture, engine: &str| {
        let mut command = fixture.command_for(engine);
        command.args(["--message-format", "json", "-v"]);
        command.env("PASSED_SECRET", SECRET).env("LAMBDA_PACKAGER_PASS_ENV", "PASSED_SECRET");
        command.env("CC", "/usr/bin/cc").env(&flags, format!("--cfg {SECRET}"));
        command.env("CARGO_REGISTRIES_MINE_INDEX", format!("sparse+https://{SECRET}@example.invalid/"));
        command
    };
    let reaches = |fixture: &Fixture| {
        let seen = fixture.output_of_bootstrap("hello");
        for (name, value) in
            [("PASSED_SECRET=", ""), ("CARGO_ENCODED_RUSTFLAGS=--cfg\x1f", ""), (flags.as_str(), "=--cfg ")]
        {
            assert!(seen.contains(&format!("{name}{value}{SECRET}")), "{seen}");
        }
        // The toolchain is the host's, and so is the choice of its compiler.
        assert!(seen.contains("CC=/usr/bin/cc\n"), "{seen}");
    };
    {
        let fixture = Fixture::hello();
        fixture.builds_with(SHOWS_VARIABLES, PRINTS_VARIABLES);
        fixture.write("../tmp/go", "");
        let mut command = command_for(&fixture, "host");
        let ended = Ended::of(command.env("TMPDIR", fixture.around().join("tmp"))).ok();
        reaches(&fixture);
        is_told_by(&fixture.path("target/lambda"));
        assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET), "{ended:?}");
    }
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        fixture.builds_with(SHOWS_VARIABLES, PRINTS_VARIABLES);
        let running = Running::start(&command_for(&fixture, engine.name()));
        let id = eventually("the build script runs", || {
            let id = fixture.containers(engine).pop().ok_or("no container")?;
            if engine.exec(&id, "test -e /tmp/here").code == 0 { Ok(id) } else { Err("a container") }
        });
        let lines = processes_of_the_host();
        assert!(lines.iter().any(|line| line.contains("--env PASSED_SECRET ")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains(&format!("--env {flags} "))), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains(SECRET)), "{lines:?}");
        engine.exec(&id, "touch /tmp/go").ok();
        let ended = running.end().ok();

        reaches(&fixture);
        is_told_by(&fixture.path("target/lambda"));
        assert!(ended.stdout.contains("\"finished\""), "{}", ended.stdout);
        for text in [ended.stdout, ended.stderr, engine.inspect(&id).to_string()] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}

#[test]
fn a_project_that_was_removed_and_made_again_at_its_path_is_compiled_from_what_it_has_now() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello_packaged(engine.name());
        let before = fixture.containers(engine);
        // As `rm -rf` and a fresh clone do, with dates of before; what was sent to the container nobody knows any more.
        let kept = fixture.around().join("kept");
        std::fs::rename(fixture.root(), &kept).unwrap();
        crate::support::copy(&kept.join("src"), &fixture.path("src"));
        std::fs::copy(kept.join("Cargo.toml"), fixture.path("Cargo.toml")).unwrap();
        fixture.says("another");
        Ended::of(Command::new("touch").args(["-d", "2001-01-01"]).arg(fixture.path("src/main.rs"))).ok();
        fixture.run_on(engine, &[]).ok();
        assert_eq!(fixture.containers(engine), before);
        assert_eq!(fixture.output_of_bootstrap("hello"), "another");
    }
}
