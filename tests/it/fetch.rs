//! Crates are fetched on the host with all that the user configured for cargo; the compile has them,
//! and nothing else of the user's.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::registry::{Registry, library, publish, vendored};
use crate::support::{Ended, Engine, Fixture, Live, Owned, one_engine, podman_with_all_cases, program, skip, under};

const TOKEN: &str = "SECRET-TOKEN-OF-A-REGISTRY";

/// The bin with a cargo home of the fixture's own.
fn packager(fixture: &Fixture, engine: &str) -> Command {
    let mut command = fixture.command_for(engine);
    command.env("CARGO_HOME", cargo_home(fixture));
    command
}

fn cargo_home(fixture: &Fixture) -> PathBuf {
    fixture.around().join("cargo-home")
}

fn configure(fixture: &Fixture, text: &str) {
    fixture.write("../cargo-home/config.toml", text);
}

/// A registry with the crate `from_registry`.
fn registry() -> Registry {
    let registry = Registry::open(TOKEN);
    registry.publish("from_registry", "registry");
    registry
}

/// Names it `mine` for cargo, with its token.
fn configure_registry(fixture: &Fixture, registry: &Registry) {
    let provider = "[registry]\nglobal-credential-providers = [\"cargo:token\"]\n";
    configure(fixture, &format!("[registries.mine]\nindex = {:?}\ntoken = {TOKEN:?}\n{provider}", registry.index()));
}

#[track_caller]
fn run(command: &mut Command) -> Ended {
    Ended::of(command).ok()
}

/// Packages it, and asserts what it prints.
#[track_caller]
fn run_and_print(command: &mut Command, fixture: &Fixture, text: &str) -> Ended {
    let ended = run(command);
    assert_eq!(fixture.output_of_bootstrap("hello"), text, "{command:?}");
    ended
}

/// A project that prints the text of each crate it depends on.
fn printing(crates: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", "[dependencies]\n");
    for (name, source) in crates {
        fixture.append("Cargo.toml", &format!("{name} = {{ {source} }}\n"));
    }
    let texts: Vec<_> = crates.iter().map(|(name, _)| format!("{name}::TEXT")).collect();
    fixture.prints(&format!("\"{{}}\", [{}].join(\" \")", texts.join(", ")));
    fixture
}

#[test]
fn path_git_and_registry_crates_compile_offline_and_no_token_comes_along() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let registry = registry();
    let repository = Fixture::empty("from_git");
    library(repository.root(), "from_git", "git");
    repository.git(&["init", "--quiet"]);
    repository.commit();
    let fixture = printing(&[
        ("from_path", "path = \"../from_path\""),
        ("from_git", &format!("git = \"file://{}\"", repository.root().display())),
        ("from_registry", "version = \"1\", registry = \"mine\""),
    ]);
    library(&fixture.around().join("from_path"), "from_path", "path");
    configure_registry(&fixture, &registry);
    let ended = run_and_print(&mut packager(&fixture, engine.name()), &fixture, "path git registry");
    fixture.tells_nobody(TOKEN, &ended);

    let container = fixture.containers(engine).remove(0);
    assert!(engine.ask(&["exec", &container, "cat", "/cargo/config.toml"]).contains("[registries.mine]"));
    assert!(!engine.ask(&["inspect", &container]).contains(TOKEN));
    let search = ["exec", &container, "grep", "-rlsF", TOKEN, "/cargo", "/workspace", "/target", "/tmp"];
    let found = Ended::of(engine.command().args(search));
    assert_eq!((found.code, found.stdout.as_str()), (1, ""));

    // What somebody deleted or an interrupted cargo left half unpacked is fetched again.
    let unpacked = |below: &str| {
        let source = fs::read_dir(cargo_home(&fixture).join("registry").join(below)).expect("cargo's folder");
        source.map(|entry| entry.expect("an entry").path()).next().expect("a registry")
    };
    let crate_folder = unpacked("src").join("from_registry-1.0.0");
    let losses: [&dyn Fn(); 2] = [&|| fs::remove_file(crate_folder.join(".cargo-ok")).expect("cargo's mark"), &|| {
        fs::remove_dir_all(&crate_folder).expect("a crate");
        fs::remove_file(unpacked("cache").join("from_registry-1.0.0.crate")).expect("an archive");
    }];
    for (round, loss) in losses.into_iter().enumerate() {
        loss();
        fixture.append("src/main.rs", &format!("// {round}\n"));
        run(&mut packager(&fixture, engine.name()));
        assert!(crate_folder.join(".cargo-ok").exists(), "round {round}");
    }

    // From here on the machine is offline.
    drop(registry);
    let edits = [(engine.name(), "src/main.rs", "// Edited.\n"), ("host", "Cargo.toml", "# Edited.\n")];
    for (road, file, comment) in edits {
        fixture.append(file, comment);
        let mut command = packager(&fixture, road);
        let ended = run_and_print(command.env("CARGO_NET_OFFLINE", "true"), &fixture, "path git registry");
        assert!(ended.verdict().starts_with("cache-miss: "), "{}", ended.verdict());
    }
    fixture.prints("\"{}\", from_registry::TEXT");
    let cut_off = ["unshare", "--map-root-user", "--net"];
    if !Command::new(cut_off[0]).args(&cut_off[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        return skip("unshare", "this user may not make a network of its own (`unshare --map-root-user --net`)");
    }
    run_and_print(&mut under(&cut_off, &packager(&fixture, "host")), &fixture, "registry");
}

#[test]
fn what_an_offline_compile_does_not_find_is_cargos_message_and_fetched_again_by_force() {
    let Some(engine) = podman_with_all_cases() else { return };
    let registry = registry();
    let fixture = printing(&[("from_registry", "version = \"1\", registry = \"mine\"")]);
    configure_registry(&fixture, &registry);
    run(&mut packager(&fixture, engine.name()));
    let (container, zip) = (fixture.container(engine), fixture.zip("hello"));
    // A crate is there; what the registry said of it is not any more.
    let index = fs::read_dir(cargo_home(&fixture).join("registry/index")).expect("cargo's folder");
    let caches: Vec<PathBuf> = index.map(|entry| entry.expect("an entry").path().join(".cache")).collect();
    caches.iter().for_each(|cache| fs::remove_dir_all(cache).expect("cargo's cache"));
    fixture.prints("\"{} again\", from_registry::TEXT");
    let failed = Ended::of(&mut packager(&fixture, engine.name()));
    let failed = failed.fails(4, &["cargo's downloads on this machine", "offline", "help: package with `--force`"]);
    assert!(failed.stderr.contains("from_registry"), "no message of cargo's: {}", failed.stderr);
    assert!(fixture.zip("hello") == zip && caches.iter().all(|cache| !cache.exists()));

    let forced = run_and_print(packager(&fixture, engine.name()).arg("--force"), &fixture, "registry again");
    assert!(forced.stderr.contains("it is fetched again, and everything is compiled again"), "{}", forced.stderr);
    assert_eq!(fixture.container(engine), container);
    assert!(cargo_home(&fixture).join("config.toml").exists());
    // Nobody answers: then cargo's word on that.
    caches.iter().for_each(|cache| fs::remove_dir_all(cache).expect("cargo's cache"));
    drop(registry);
    fixture.prints("\"{} no more\", from_registry::TEXT");
    let failed = Ended::of(packager(&fixture, engine.name()).arg("--force"));
    failed.fails(4, &["`cargo fetch` failed in", "127.0.0.1"]);
    assert_eq!(fixture.output_of_bootstrap("hello"), "registry again");
}

#[test]
fn a_cargo_that_changes_its_downloads_meanwhile_is_waited_for() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let registry = registry();
    let fixture = printing(&[("from_registry", "version = \"1\", registry = \"mine\"")]);
    configure_registry(&fixture, &registry);
    run(&mut packager(&fixture, engine.name()));
    let indexes = cargo_home(&fixture).join("registry/index");
    let index = fs::read_dir(indexes).expect("cargo's folder").next().expect("a registry").expect("an entry").path();
    fixture.prints("\"{} again\", from_registry::TEXT");

    // In the place of a cargo that asks the registry anew, for no other one stops where this does.
    let script = "cp config.json kept; : >config.json; echo emptied; read -r _; mv kept config.json";
    let lock = cargo_home(&fixture).join(".package-cache");
    let mut fake = Command::new("flock");
    fake.arg(lock).args(["sh", "-c", script]).current_dir(&index).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut fake = Owned(fake.spawn().expect("flock of util-linux"));
    let mut line = String::new();
    BufReader::new(fake.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let mut live = Live::start(&mut packager(&fixture, engine.name()));
    let of_cargo = |event: &Value| event["holder"].as_str().is_some_and(|holder| holder.starts_with("cargo"));
    live.until("wait for cargo", |event| event["event"] == "waiting" && of_cargo(event));
    drop(fake.0.stdin.take());
    live.end().ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "registry again");
}

/// A configuration that takes the crates from a folder.
fn replaced_by(kind: &str, folder: &str) -> String {
    format!("[source.crates-io]\nreplace-with = \"mine\"\n[source.mine]\n{kind} = {folder:?}\n")
}

#[test]
fn a_vendored_source_is_found_wherever_the_configuration_lies() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    // Where the configuration lies, and the folder as it names it: relative to the parent of its own.
    for (config, named, folder) in [
        (".cargo/config.toml", "vendor", "vendor"),
        (".cargo/config.toml", "../vendor", "../vendor"),
        ("../.cargo/config.toml", "vendor", "../vendor"),
        ("../cargo-home/config.toml", "vendor", "../vendor"),
    ] {
        let fixture = printing(&[("from_vendor", "version = \"1\"")]);
        vendored(&fixture.path(folder), "from_vendor", "vendored");
        // Cargo resolves it, and compiles nothing of it.
        vendored(&fixture.path(folder), "of_windows", "");
        fixture.append(
            &format!("{folder}/from_vendor/Cargo.toml"),
            "[target.'cfg(windows)'.dependencies]\nof_windows = \"1\"\n",
        );
        fixture.write(config, &replaced_by("directory", named));
        run_and_print(&mut packager(&fixture, engine.name()), &fixture, "vendored");
        // Unlike a crate in cargo's home, somebody may edit it.
        fixture.write(&format!("{folder}/from_vendor/src/lib.rs"), "pub const TEXT: &str = \"patched\";\n");
        let ended = run_and_print(&mut packager(&fixture, engine.name()), &fixture, "patched");
        assert!(ended.verdict().ends_with("vendor/from_vendor/src/lib.rs"), "{config}: {}", ended.verdict());
    }
}

#[test]
fn a_local_registry_of_the_users_is_found() {
    let Some(engine) = one_engine(Engine::Podman) else { return };
    let fixture = printing(&[("from_local", "version = \"1\"")]);
    let folder = fixture.around().join("local");
    fs::create_dir(&folder).expect("a folder");
    publish(&folder, "", "from_local", "local");
    configure(&fixture, &replaced_by("local-registry", "local"));
    run_and_print(&mut packager(&fixture, engine.name()), &fixture, "local");
}

/// A project that prints how it was compiled.
fn telling() -> Fixture {
    let fixture = Fixture::hello();
    let build = r#"fn main() {
    let poisoned = |(name, value): (String, String)| value.contains("poison").then_some(name);
    let seen: Vec<String> = std::env::vars().filter_map(poisoned).collect();
    println!("cargo::rustc-env=SEEN=[{}] at {}", seen.join(" "), std::env::var("OPT_LEVEL").unwrap());
}
"#;
    // A type id depends on the hash that cargo passes to the compiler, and is still in the stripped binary.
    let main = r#"#![allow(unexpected_cfgs)]
struct Mark;
fn main() {
    std::hint::black_box(std::any::TypeId::of::<Mark>());
    let mut flags = Vec::new();
    for (set, name) in [
        (cfg!(in_workspace), "in_workspace"),
        (cfg!(beside), "beside"),
        (cfg!(in_home), "in_home"),
        (cfg!(for_unix), "for_unix"),
        (cfg!(in_variable), "in_variable"),
        (cfg!(for_build), "for_build"),
        (cfg!(poison), "poison"),
    ] {
        flags.extend(set.then_some(name));
    }
    println!("{} {}", flags.join(" "), env!("SEEN"));
}
"#;
    fixture.builds_with(build, main);
    fixture
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

#[test]
fn flags_that_the_user_configured_for_the_target_reach_the_compile() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = telling();
    let flags = |table: &str, flag: &str| format!("[{table}]\nrustflags = [\"--cfg\", {flag:?}]\n");
    let target = format!("target.{}", triple());
    fixture.write(".cargo/config.toml", &flags(&target, "in_workspace"));
    fixture.write("../.cargo/config.toml", &flags(&target, "beside"));
    // For the target by name and by its kind; cargo joins them all.
    configure(&fixture, &(flags(&target, "in_home") + &flags("target.'cfg(unix)'", "for_unix")));
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", triple().to_uppercase().replace('-', "_"));
    for road in [engine.name(), "host"] {
        let printed = "in_workspace beside in_home for_unix in_variable [] at 3";
        run_and_print(packager(&fixture, road).env(&variable, "--cfg in_variable"), &fixture, printed);
    }
    // Without any for the target, those for all builds count.
    fixture.write(".cargo/config.toml", "");
    fixture.write("../.cargo/config.toml", "");
    configure(&fixture, &flags("build", "for_build"));
    for road in [engine.name(), "host"] {
        run_and_print(&mut packager(&fixture, road), &fixture, "for_build [] at 3");
    }
}

#[test]
fn the_callers_own_build_does_not_leak_in() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = telling();
    let target = fixture.path("poison");
    // A compiler cache of the host's, say: there is none in the container.
    let wrapper = fixture.around().join("wrapper");
    run(&mut packager(&fixture, "host"));
    let without = fixture.zip("hello");
    program(&wrapper, b"#!/bin/sh\nexec \"$@\"\n");
    fixture.write(".cargo/config.toml", &format!("[build]\nrustc-wrapper = {:?}\n", wrapper.display().to_string()));
    for road in [engine.name(), "host"] {
        let mut command = packager(&fixture, road);
        for (name, value) in [
            ("RUSTFLAGS", "--cfg poison"),
            ("CARGO_BUILD_RUSTFLAGS", "--cfg poison"),
            ("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}poison"),
            ("RUSTC_WRAPPER", "/poison"),
            ("RUSTC_WORKSPACE_WRAPPER", "/poison"),
            ("CARGO_BUILD_RUSTC_WRAPPER", "/poison"),
            ("RUSTC", "/poison"),
            ("CARGO_BUILD_RUSTC", "/poison"),
            ("CARGO_BUILD_TARGET", "poison"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
            ("CARGO_PROFILE_RELEASE_LTO", "poison"),
            ("MAKEFLAGS", "--poison"),
            ("CARGO_MAKEFLAGS", "--poison"),
            ("A_SECRET", "poison"),
        ] {
            command.env(name, value);
        }
        // Nothing of ours, and not even text.
        command.env("A_NAME", OsStr::from_bytes(b"\xff"));
        run_and_print(command.env("CARGO_TARGET_DIR", &target), &fixture, "[] at 3");
        assert!(!target.exists());
        assert!(fixture.zip("hello") == without, "the bytes depend on the user's wrapper ({road})");
        // None of it is an ingredient either.
        assert_eq!(run(&mut packager(&fixture, road)).verdict(), "cache-hit");
    }
}

#[test]
fn a_registry_that_only_the_environment_names_is_known_to_the_compile() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let registry = registry();
    let fixture = printing(&[("from_registry", "version = \"1\", registry = \"of-my-own\"")]);
    for road in [engine.name(), "host"] {
        let mut command = packager(&fixture, road);
        command.env("CARGO_REGISTRIES_OF_MY_OWN_INDEX", registry.index());
        command.env("CARGO_REGISTRIES_OF_MY_OWN_TOKEN", TOKEN);
        command.env("CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS", "cargo:token");
        run_and_print(&mut command, &fixture, "registry");
    }
    let container = fixture.containers(engine).remove(0);
    assert!(!engine.ask(&["inspect", &container]).contains(TOKEN));
}
