//! What a hostile project, name or record cannot do.

mod planted;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::{Ended, Engine, Fixture, engines, one_engine};

const HELLO: &str = "fn main() {\n    println!(\"hello\");\n}\n";

#[test]
fn a_build_script_that_connects_out_fails_and_is_told_of_the_setting() {
    for engine in engines(Engine::Podman) {
        let fixture = Fixture::hello();
        // An address for documentation: nobody answers, but who has a network does not know that at once.
        let connect = r#"fn main() {
    let address = "192.0.2.1:80".parse().unwrap();
    std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(1)).unwrap();
}
"#;
        fixture.builds_with(connect, HELLO);
        fixture.run_on(engine, &[]).fails(4, &["Network is unreachable", "network = \"bridge\""]);
    }
}

/// Looks for a mark in the environment and in every file that could be a user's, and tries to write where
/// the sources and cargo's downloads are.
const SPY: &str = r#"use std::{env, fs, path::Path};

fn search(path: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => search(&path, found),
            Ok(kind) if kind.is_file() && fs::read(&path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(mark())) => {
                found.push(format!("read {}", path.display()))
            }
            _ => {}
        }
    }
}

fn mark() -> &'static str {
    concat!("SEC", "RET")
}

fn main() {
    let mut found = Vec::new();
    for folder in ["/root", "/home", "/cargo", "/etc", "/run", "/var", "/tmp"] {
        search(Path::new(folder), &mut found);
    }
    for (name, value) in env::vars() {
        if value.contains(mark()) || name == "SSH_AUTH_SOCK" {
            found.push(format!("variable {name}"));
        }
    }
    for path in ["/workspace/written", "/workspace/src/main.rs", "/cargo/registry/written"] {
        if fs::write(path, "written").is_ok() {
            found.push(format!("wrote {path}"));
        }
    }
    assert!(found.is_empty(), "within reach: {found:?}");
}
"#;

#[test]
fn credentials_are_out_of_reach_and_sources_and_downloads_out_of_hand() {
    for engine in engines(Engine::Docker) {
        let fixture = Fixture::hello();
        fixture.builds_with(SPY, HELLO);
        let home = fixture.around().join("home");
        fs::create_dir_all(home.join(".cargo/registry")).unwrap();
        let config = "[registries.mine]\nindex = \"sparse+https://example.invalid/\"\ntoken = \"SECRET\"\n[http]\nproxy = \"http://u:SECRET@127.0.0.1:9\"\n";
        for (name, text) in [
            (".cargo/credentials.toml", "[registry]\ntoken = \"SECRET\"\n"),
            (".cargo/config.toml", config),
            (".git-credentials", "https://u:SECRET@example.invalid\n"),
        ] {
            fs::write(home.join(name), text).unwrap();
        }
        let _agent = UnixListener::bind(home.join("agent")).unwrap();
        let mut command = fixture.command_on(engine);
        fixture.with_home(&mut command, &home).env("CARGO_HOME", home.join(".cargo"));
        command.env("SSH_AUTH_SOCK", home.join("agent")).env("MY_TOKEN", "SECRET");
        let ended = Ended::of(&mut command).ok();
        assert_eq!(fixture.text("src/main.rs"), HELLO);
        // What is told and kept has none of it either.
        fixture.tells_nobody("SECRET", &ended);
    }
}

#[test]
fn names_that_look_like_flags_or_shell_are_only_names() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::hello_in("-x; touch pwned $(touch pwned) `touch pwned` 'q' \"d\" & | > pwned #");
    fixture.append("Cargo.toml", "[features]\nplus-1 = []\n");
    fixture.write("a b; $(touch pwned)/-rf", "included");
    let mut command = fixture.command_on(engine);
    command.env("LAMBDA_PACKAGER_LABEL", format!("{}$(touch pwned)", fixture.label()));
    command.args(["--features", "plus-1", "--output", "out; $(touch pwned)/--help.zip"]);
    command.env("LAMBDA_PACKAGER_INCLUDE", "a b; $(touch pwned)");
    Ended::of(&mut command).ok();
    assert!(fixture.path("out; $(touch pwned)/--help.zip").is_file());
    let label = format!("label={}$(touch pwned)", fixture.label());
    let id = engine.ask(&["ps", "--all", "--quiet", "--filter", &label]);
    let inspected = engine.inspect(&id);
    engine.ask(&["rm", "--force", &id]);
    assert_eq!(inspected["HostConfig"]["Privileged"], false);
    assert_eq!(inspected["State"]["Status"], "running");

    for (setting, value, code) in [
        ("base", "--privileged", 2),
        ("base", "a b", 2),
        ("container_name", "--privileged", 2),
        ("container_name", "$(touch pwned)", 2),
        ("label", "--privileged=true", 2),
        ("pass_env", "--privileged", 2),
        ("profile", "--config=x", 2),
        ("function", "../../pwned", 2),
        ("function", "--bins", 2),
        ("package", "--workspace", 2),
        ("features", "a b", 2),
        ("features", "--config=build.rustc='pwned'", 4),
        ("features", "$(touch pwned)", 2),
        ("features", "$(pwned)", 4),
    ] {
        let mut command = fixture.command_on(engine);
        command.env(format!("LAMBDA_PACKAGER_{}", setting.to_uppercase()), value);
        let ended = Ended::of(command.arg("--force"));
        assert_eq!(ended.code, code, "{setting} = {value:?}: {}", ended.stderr);
    }
    let found = listed(&fixture.around()).into_iter().find(|path| path.ends_with("/pwned"));
    assert_eq!(found, None);
}

#[test]
fn an_include_that_leads_out_of_the_workspace_is_refused() {
    let fixture = Fixture::hello();
    fixture.write("data/inner", "inner");
    symlink("/etc", fixture.path("data/outer")).unwrap();
    symlink("/etc/passwd", fixture.path("passwd")).unwrap();
    for include in ["passwd", "data", "data/outer/passwd"] {
        let mut command = fixture.command_for("host");
        Ended::of(command.env("LAMBDA_PACKAGER_INCLUDE", include))
            .fails(2, &["leads out of", "help: copy the file into the package"]);
        assert!(!fixture.path("target/lambda/hello/lambda-deployment.zip").exists());
    }
}

#[test]
fn a_state_folder_that_came_with_the_checkout_and_leads_out_of_it_is_refused() {
    for name in ["target", "target/lambda", "target/lambda/hello"] {
        let fixture = Fixture::hello();
        let victim = fixture.around().join("victim");
        for kept in ["kept", "lambda/kept", "lambda/hello/kept", "hello/kept"] {
            fs::create_dir_all(victim.join(kept).parent().unwrap()).unwrap();
            fs::write(victim.join(kept), "kept").unwrap();
        }
        let before = listed(&victim);
        fs::create_dir_all(fixture.path(name).parent().unwrap()).unwrap();
        symlink(&victim, fixture.path(name)).unwrap();
        fixture.git(&["init", "--quiet"]);
        fixture.git(&["add", "--force", name]);
        for command in [&["build"][..], &["explain"], &["clean"], &["clean", "--all"], &["clean", "--cache"]] {
            let ended = Ended::of(fixture.command_for("host").args(command));
            // The link to the function's folder is ours to remove, not what it leads to.
            if name != "target/lambda/hello" || command[0] != "clean" {
                ended.fails(2, &["leads out of", "remove that link"]);
            }
            assert_eq!(listed(&victim), before, "{name}: {command:?}");
            if !fixture.path(name).exists() {
                symlink(&victim, fixture.path(name)).unwrap();
            }
        }
    }
}

#[test]
fn a_target_directory_on_another_disk_is_the_users_own() {
    let fixture = Fixture::hello_in_git();
    let elsewhere = fixture.around().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, fixture.path("target")).unwrap();
    let run = |args: &[&str]| Ended::of(fixture.command_for("host").args(args)).ok();
    run(&[]);
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    assert_eq!(run(&[]).verdict(), "cache-hit");
    run(&["clean", "--cache"]);
    assert!(fs::read_dir(elsewhere.join("lambda")).unwrap().flatten().all(|entry| entry.path().extension().is_some()));
}

fn listed(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        // Cargo's own target directory may lie there: that is cargo's to judge.
        if entry.file_name() == ".rustc_info.json" {
            continue;
        }
        names.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            names.extend(listed(&entry.path()));
        }
    }
    names.sort();
    names
}
