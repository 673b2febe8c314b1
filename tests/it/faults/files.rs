//! What befalls files and folders of the host: full disks, closed doors, missing folders.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::faults::matrix::{Kept, Matrix, built, mended, recovers, told};
use crate::support::{Ended, Engine, Fixture, Gated, OtherUser, Story, Tmpfs};

pub fn faults(matrix: &Matrix) {
    if !Engine::Docker.is_here() {
        return;
    }
    full_disks(matrix);
    missing(matrix);
    closed(matrix);
}

fn full_disks(matrix: &Matrix) {
    let mut gated = Gated::new(Engine::Docker);
    let around = gated.fixture.around();
    let output = around.join("out");
    let Some(disk) = Tmpfs::at(&output, 4096) else { return };
    let with_output = |gated: &Gated| {
        let mut command = gated.command();
        command.arg("--output").arg(output.join("f.zip"));
        command
    };
    Story::of(&mut with_output(&gated)).ok();
    matrix.row("full disk: output", "while storing", "docker", || {
        let kept = Kept::of(&gated);
        let copy = fs::read(output.join("f.zip")).expect("the output");
        gated.edit();
        disk.fill();
        let happened = told(&Story::of(&mut with_output(&gated)), 1, &["f.zip", "free some disk space"], &kept, &gated);
        assert!(fs::read(output.join("f.zip")).expect("the output") == copy, "the last good copy was touched");
        assert_eq!(fs::read_dir(&output).expect("a folder").count(), 2, "half a file is left");
        disk.empty();
        let left = recovers_by(with_output(&gated), &gated);
        assert!(fs::read(output.join("f.zip")).expect("the output") != copy, "it is the last copy");
        (happened, left)
    });
    matrix.row("read-only output", "while storing", "docker", || {
        Story::of(&mut with_output(&gated)).ok();
        let kept = Kept::of(&gated);
        let remount = |how: &str| {
            let mut mount = Command::new("mount");
            Ended::of(mount.args(["-o", &format!("remount,{how}"), "-t", "tmpfs", "tmpfs"]).arg(&output)).ok();
        };
        remount("ro");
        gated.edit();
        let story = Story::of(&mut with_output(&gated));
        remount("rw");
        let happened = told(&story, 1, &["f.zip", "set `output` to a writable path"], &kept, &gated);
        (happened, recovers_by(with_output(&gated), &gated))
    });
    drop(disk);

    matrix.row("full disk: target", "while storing", "docker", || {
        let mut gated = Gated::new(Engine::Docker);
        let Some(disk) = Tmpfs::at(&gated.fixture.path("target"), 8192) else { panic!("it could be mounted before") };
        Story::of(&mut gated.command()).ok();
        let kept = Kept::of(&gated);
        gated.edit();
        disk.fill();
        let happened =
            told(&Story::of(&mut gated.command()), 1, &["target/lambda/", "free some disk space"], &kept, &gated);
        disk.empty();
        (happened, recovers(&gated))
    });
    matrix.row("full disk: cargo home", "while fetching", "docker", || {
        let mut gated = built();
        let kept = Kept::of(&gated);
        let downloaded = Fixture::empty("downloaded");
        downloaded.package("", "downloaded", "");
        downloaded.write("src/lib.rs", "pub const NOISE: &[u8] = include_bytes!(\"noise\");\n");
        // Noise does not compress.
        let noise: Vec<u8> =
            (0..3u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ at as u8).collect();
        fs::write(downloaded.path("src/noise"), noise).expect("a file");
        downloaded.git(&["init", "--quiet"]);
        downloaded.commit();
        depend_on(&gated, "downloaded", downloaded.root());
        let home = gated.fixture.around().join("home");
        let Some(disk) = Tmpfs::at(&home, 2048) else { panic!("it could be mounted before") };
        gated.edit();
        let on_it = |gated: &Gated| {
            let mut command = gated.command();
            command.env("CARGO_HOME", &home);
            command
        };
        let happened = told(&Story::of(&mut on_it(&gated)), 4, &["cargo metadata", "space"], &kept, &gated);
        drop(disk);
        let Some(_disk) = Tmpfs::at(&home, 64 << 10) else { panic!("it could be mounted before") };
        (happened, recovers_by(on_it(&gated), &gated))
    });
    matrix.row("full disk: the container's", "mid-compile", "docker", || {
        let mut gated = Gated::new(Engine::Docker);
        gated.fixture.write("build.rs", "fn main() {\n    println!(\"cargo::rerun-if-changed=src/main.rs\");\n}\n");
        Story::of(&mut gated.command()).ok();
        let kept = Kept::of(&gated);
        // Its own disk is everybody's here; a writer that meets the same error says the same.
        let full = "fn main() {\n    println!(\"cargo::rerun-if-changed=src/main.rs\");\n    std::fs::write(\"/dev/full\", [0; 9]).unwrap();\n}\n";
        gated.fixture.write("build.rs", full);
        let happened = told(&Story::of(&mut gated.command()), 4, &["says that no space is left", "docker system df"], &kept, &gated);
        gated.fixture.write("build.rs", "fn main() {\n    println!(\"cargo::rerun-if-changed=src/main.rs\");\n}\n");
        gated.edit();
        (happened, recovers(&gated))
    });
    matrix.row("/tmp cannot be written to", "before", "docker", || {
        gated.edit();
        let story = Story::of(gated.command().env("TMPDIR", "/proc/nowhere"));
        ("it is not needed".to_string(), mended(&story, &gated))
    });
}

/// Asserts that this run succeeds without anybody's help.
fn recovers_by(mut command: Command, gated: &Gated) -> String {
    Story::of(&mut command).ok();
    assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
    "last good zip and record; the next run recovers".to_string()
}

/// Adds a dependency that cargo has to download; returns the manifest as it was.
fn depend_on(gated: &Gated, name: &str, repository: &Path) -> String {
    let before = gated.fixture.text("Cargo.toml");
    let line = format!("[dependencies]\n{name} = {{ git = \"file://{}\" }}\n", repository.display());
    gated.fixture.write("Cargo.toml", &before.replace("[dependencies]\n", &line));
    before
}

fn missing(matrix: &Matrix) {
    let mut gated = built();
    let path = |gated: &Gated, name: &str| gated.fixture.path(name);
    for (fault, name) in [("a dependency's folder is gone", "dep"), ("the source folder is gone", "src")] {
        matrix.row(fault, "before", "docker", || {
            let kept = Kept::of(&gated);
            gated.edit();
            let away = gated.fixture.around().join("away");
            fs::rename(path(&gated, name), &away).expect("it is there");
            let story = Story::of(&mut gated.command());
            fs::rename(&away, path(&gated, name)).expect("it was there");
            let happened = told(&story, 4, &[], &kept, &gated);
            assert!(format!("{happened}{}", story.cargo()).contains(name), "{story}");
            (happened, recovers(&gated))
        });
    }
    matrix.row("cargo's home is gone", "before", "docker", || {
        let home = gated.fixture.around().join("no-home");
        gated.edit();
        let story = Story::of(gated.command().env("CARGO_HOME", &home)).ok();
        assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
        (format!("cargo makes another; {}", story.notes().join("; ")), "the right zip".to_string())
    });
    matrix.row("cargo's home is a file", "before", "docker", || {
        Story::of(&mut gated.command()).ok();
        let kept = Kept::of(&gated);
        let home = gated.fixture.around().join("file");
        fs::write(&home, "").expect("a file");
        gated.edit();
        // Without a crate to fetch cargo does not need it, nor do we.
        let manifest = depend_on(&gated, "nowhere", Path::new("/nowhere"));
        let story = Story::of(gated.command().env("CARGO_HOME", &home));
        gated.fixture.write("Cargo.toml", &manifest);
        (told(&story, 4, &["cargo metadata", "file"], &kept, &gated), recovers(&gated))
    });
}

/// Root reads everything: what is closed is closed to another user.
fn closed(matrix: &Matrix) {
    let Some(other) = OtherUser::of_docker() else { return };
    let fixture = Fixture::hello();
    let text = fixture.read("Cargo.toml");
    let run = |fixture: &Fixture| Story::of(other.command(fixture).args(["--engine", "docker"]));
    run(&fixture).ok();
    let chmod = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).expect("root may");
    for (fault, name, open, part) in [
        ("the source folder cannot be read", "src", 0o755, "src"),
        ("a source cannot be read", "src/main.rs", 0o644, "src/main.rs"),
        ("the state cannot be written to", "target/lambda/hello", 0o755, "target/lambda/hello"),
        ("a lock cannot be opened", "target/lambda/function-hello.lock", 0o644, "function-hello.lock"),
    ] {
        matrix.row(fault, "before", "docker, uid 1000", || {
            let zip = fixture.zip("hello");
            let manifest = fixture.read("target/lambda/hello/manifest.json");
            fixture.says(fault);
            let path = fixture.path(name);
            let shut = if name.starts_with("target/lambda/hello") && path.is_dir() { 0o555 } else { 0 };
            let mut command = other.command(&fixture);
            chmod(&path, shut);
            let story = Story::of(command.args(["--engine", "docker"]));
            chmod(&path, open);
            let failure = story.failure();
            assert!(story.code() == 1 && failure.contains(part), "{story}");
            assert!(failure.contains("permissions of the path"), "{failure}");
            assert!(fixture.zip("hello") == zip && fixture.read("target/lambda/hello/manifest.json") == manifest);
            run(&fixture).ok();
            assert_eq!(fixture.output_of_bootstrap("hello"), fault);
            (format!("error 1: {failure}"), "last good zip and record; the next run recovers".to_string())
        });
    }
    matrix.row("cargo's home cannot be read", "before", "docker, uid 1000", || {
        let home = fixture.around().join("closed");
        fs::create_dir_all(home.join("registry")).expect("a folder");
        fixture.says("closed");
        let mut command = other.command(&fixture);
        Ended::of(Command::new("chown").args(["-R", "0:0"]).arg(&home)).ok();
        chmod(&home, 0o700);
        let story = Story::of(command.args(["--engine", "docker"]).env("CARGO_HOME", &home));
        let left = if story.code() == 0 {
            assert_eq!(fixture.output_of_bootstrap("hello"), "closed");
            ("nothing in it is needed".to_string(), "the right zip".to_string())
        } else {
            let failure = story.failure();
            assert!(failure.contains("closed"), "{failure}");
            run(&fixture).ok();
            (format!("error {}: {failure}", story.code()), "the next run recovers".to_string())
        };
        assert!(fixture.read("Cargo.toml") == text);
        left
    });
    matrix.row("wrong owner of what is compiled", "between builds", "docker, uid 1000", || {
        let id = fixture.container(Engine::Docker);
        Engine::Docker.disown_target(&id);
        fixture.says("owner");
        let story = run(&fixture).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "owner");
        (story.notes().join("; "), "the right zip".to_string())
    });
}
