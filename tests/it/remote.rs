//! Engines that are not on this machine, or that several machines use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::clean_room::builder::{BASE, Ready};
use crate::support::{
    Ended, Engine, Fixture, Front, OwnDocker, Rootless, Running, Story, is_full, is_installed, packager, program,
    under, wait_until,
};

/// An engine as on another machine, with the image of a toolchain.
fn elsewhere() -> Option<OwnDocker> {
    OwnDocker::elsewhere(Some(Ready::made()?.docker.as_ref()?))
}

/// The bin for `fixture` on the engine of this address.
fn package(fixture: &Fixture, host: &str, base: &str) -> Command {
    let mut command = fixture.command_elsewhere();
    command.args(["--engine", "docker", "--base", base]).env("DOCKER_HOST", host);
    command
}

/// `command` on a machine with another id.
fn on_another_machine(fixture: &Fixture, command: &Command) -> Command {
    fixture.write("../machine-id", "0123456789abcdef0123456789abcdef\n");
    let other = "echo another >/proc/sys/kernel/hostname
        [ ! -e /etc/machine-id ] || mount --bind \"$0\" /etc/machine-id && exec \"$@\"";
    let id = fixture.around().join("machine-id");
    under(&["unshare", "--uts", "--mount", "sh", "-c", other, &id.to_string_lossy()], command)
}

/// What the engine has of the packager's.
fn containers(own: &OwnDocker) -> Vec<String> {
    let all = own.ask(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}", "--filter", "name=lambda-packager-"]);
    all.lines().map(String::from).collect()
}

#[test]
fn an_engine_on_another_machine_compiles_as_one_on_this_machine() {
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    own.hides(&fixture.around(), None);
    let host = own.host_elsewhere();
    let verdict = || Story::of(&mut package(&fixture, &host, BASE)).ok().verdict().to_string();
    assert_eq!(verdict(), "cache-miss: first build");
    assert!(
        fixture.zip("hello") == Fixture::hello_packaged("docker").zip("hello"),
        "the bytes of this machine's engine"
    );
    assert_eq!(verdict(), "cache-hit");
    fixture.says("edited");
    assert_eq!(verdict(), "cache-miss: changed src/main.rs");
    assert_eq!(fixture.output_of_bootstrap("hello"), "edited");
    let ours = containers(&own);
    assert_eq!(ours.len(), 1, "{ours:?}");

    // Another machine, with the same path and the same user, on the same engine.
    fixture.says("there");
    Story::of(&mut on_another_machine(&fixture, &package(&fixture, &host, BASE))).ok();
    assert_eq!(fixture.output_of_bootstrap("hello"), "there");
    let both = containers(&own);
    assert!(both.len() == 2 && both.contains(&ours[0]), "{both:?}");
    let mut doctor = package(&fixture, &host, BASE);
    let found = Ended::of(&mut on_another_machine(&fixture, doctor.arg("doctor"))).stdout;
    assert!(found.contains("docker runs on another machine, "), "{found}");
    let mut clean = package(&fixture, &host, BASE);
    clean.args(["clean", "--everything"]);
    Ended::of(&mut on_another_machine(&fixture, &clean)).ok();
    assert_eq!(containers(&own), ours);
}

#[test]
fn a_toolchain_that_the_engine_does_not_see_is_not_replaced_by_one_that_it_has_at_the_same_path() {
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    let run = || Story::of(&mut package(&fixture, &own.host_elsewhere(), "host"));
    // Another Rust, which would make what it wants.
    let sysroot = PathBuf::from(Ended::answer(Command::new("rustc").args(["--print", "sysroot"])));
    let other = fixture.around().join("other");
    fs::create_dir(&other).unwrap();
    for name in ["cargo", "rustc"] {
        let real = sysroot.join("bin").join(name);
        fs::copy(real, other.join(format!("{name}-real"))).unwrap();
        program(&other.join(name), format!("#!/bin/sh\nexec /opt/rust/bin/{name}-real \"$@\"\n").as_bytes());
    }
    own.hides(&sysroot.join("bin"), Some(&other));
    let refused = |why: &str| {
        let story = run();
        assert_eq!(story.code(), 3, "{story}");
        let failure = story.failure();
        assert!(failure.contains(why) && failure.contains("set `base` to an image with cargo"), "{failure}");
        assert!(!fixture.path("target/lambda/hello/lambda-deployment.zip").exists());
    };
    refused("the engine mounted another toolchain than the one of this machine");
    let [container] = &containers(&own)[..] else { panic!("{:?}", containers(&own)) };
    own.ask(&["rm", "--force", container.split(' ').next().unwrap()]);
    // And none.
    own.hides(sysroot.parent().unwrap(), None);
    refused("bind source path does not exist");
}

/// What packs `fixture`, with an edit in between, as this machine's engine does.
fn works(fixture: &Fixture, command: impl Fn() -> Command) {
    let verdict = || Story::of(&mut command()).ok().verdict().to_string();
    assert_eq!(verdict(), "cache-miss: first build");
    assert_eq!(verdict(), "cache-hit");
    fixture.says("edited");
    assert_eq!(verdict(), "cache-miss: changed src/main.rs");
    let local = Fixture::hello();
    local.says("edited");
    local.run_on(Engine::Docker, &[]).ok();
    assert!(fixture.zip("hello") == local.zip("hello"), "the bytes of this machine's engine");
}

#[test]
fn a_context_names_the_engine() {
    if !is_full() {
        return;
    }
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    own.hides(&fixture.around(), None);
    let config = fixture.around().join("docker");
    let set_up = |args: &[&str]| {
        let mut docker = Command::new("docker");
        Ended::of(docker.args(["context"]).args(args).env("DOCKER_CONFIG", &config).env_remove("DOCKER_HOST")).ok();
    };
    set_up(&["create", "far", "--docker", &format!("host={}", own.host_elsewhere())]);
    set_up(&["use", "far"]);
    works(&fixture, || {
        let mut command = package(&fixture, "", BASE);
        command.env_remove("DOCKER_HOST").env("DOCKER_CONFIG", &config);
        command
    });
    assert_eq!(containers(&own).len(), 1);
}

#[test]
fn an_engine_is_used_through_ssh_and_what_ssh_refuses_is_told() {
    if !is_full() || !is_installed("sshd", "Debian: apt-get install openssh-server") {
        return;
    }
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    let ssh = fixture.around().join("ssh");
    fs::create_dir(&ssh).unwrap();
    fs::create_dir_all("/run/sshd").unwrap();
    let at = |name: &str| ssh.join(name).to_string_lossy().into_owned();
    for key in ["host", "key"] {
        Ended::of(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)])).ok();
    }
    let settings = format!(
        "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nSetEnv DOCKER_HOST={}\n",
        at("host"),
        at("key.pub"),
        own.host()
    );
    fs::write(ssh.join("settings"), settings).unwrap();
    let mut server = own.inside();
    server.args(["/usr/sbin/sshd", "-D", "-e", "-f", &at("settings")]);
    let _server = Running::start(&server);
    let address = own.address().to_string();
    wait_until("sshd answers", || std::net::TcpStream::connect((&*address, 22)).is_ok());
    let client = |options: &str| {
        let all =
            "-F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR -o UserKnownHostsFile=/dev/null";
        Front::of("ssh", &format!("exec \"$real\" {all} {options} \"$@\""))
    };
    let host = format!("ssh://root@{address}");
    let through = |front: &Front, host: &str| {
        let mut command = package(&fixture, host, BASE);
        command.env("PATH", &front.path);
        command
    };
    let good = client(&format!("-o StrictHostKeyChecking=no -i '{}'", at("key")));
    works(&fixture, || through(&good, &host));
    assert_eq!(containers(&own).len(), 1);

    fixture.says("again");
    let no_key = client("-o StrictHostKeyChecking=no");
    let no_host = client("-o StrictHostKeyChecking=yes");
    for (front, host, message, cause, fix) in [
        (&no_key, &*host, "cannot log in to the machine of docker", "Permission denied", "check the key"),
        (&no_host, &host, "cannot log in to the machine of docker", "Host key verification failed", "`known_hosts`"),
        (&good, "ssh://root@nowhere.invalid", "no docker engine answers", "nowhere.invalid", "DOCKER_HOST"),
    ] {
        let story = Story::of(&mut through(front, host));
        assert_eq!(story.code(), 3, "{story}");
        let failure = story.failure();
        assert!([message, cause, fix].iter().all(|part| failure.contains(part)), "{failure}");
    }
}

#[test]
fn engines_without_any_right_of_roots_compile_as_those_that_have_all() {
    if !is_full() {
        return;
    }
    for engine in [Engine::Podman, Engine::Docker] {
        let Some(rootless) = Rootless::start(engine) else { continue };
        let fixture = Fixture::hello();
        works(&fixture, || rootless.package(&fixture));
    }
}

#[test]
fn a_job_in_a_container_uses_the_engine_that_it_runs_on() {
    if !is_full() {
        return;
    }
    let Some(own) = elsewhere() else { return };
    let fixture = Fixture::hello();
    let client = std::env::var_os("PATH").and_then(|path| crate::support::which("docker", &path)).unwrap();
    let socket = own.host().replace("unix://", "");
    let mount = |from: &str, to: &str| format!("type=bind,source={from},target={to}");
    // The project is in the container's own file system, and the engine does not see it.
    let script =
        "mkdir -p /builds && tar -x -C /builds && cd /builds/hello && lambda-packager >&2 && lambda-packager >&2
        cat target/lambda/hello/lambda-deployment.zip";
    let job = || {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", own.host()).args(["run", "--rm", "--interactive", "--network", "none"]);
        command.args(["--mount", &mount(&socket, "/var/run/docker.sock")]);
        command.args(["--mount", &mount(&client.to_string_lossy(), "/usr/local/bin/docker")]);
        command.args(["--mount", &mount(&packager().to_string_lossy(), "/usr/local/bin/lambda-packager")]);
        command.args(["--env", "PATH=/usr/local/bin:/opt/rust/bin:/usr/bin:/bin", "--env", "HOME=/tmp"]);
        command.args(["--env", "LAMBDA_PACKAGER_PULL_POLICY=never", "--env", "LAMBDA_PACKAGER_ENGINE=docker"]);
        command.args(["--env", &format!("LAMBDA_PACKAGER_BASE={BASE}"), BASE, "sh", "-c", script]);
        command
    };
    let tar = Command::new("tar").args(["-c", "-C"]).arg(fixture.around()).arg("hello").output().unwrap();
    let zip = || {
        let mut command = job();
        let mut child =
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &tar.stdout).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    assert!(zip() == Fixture::hello_packaged("docker").zip("hello"), "the bytes of this machine's engine");
    // Another job with the same path is another container's.
    zip();
    assert_eq!(containers(&own).len(), 2);
}
