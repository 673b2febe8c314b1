//! Records that came with a checkout, and were made to mislead.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Ended, Engine, Fixture, Story, skip};

/// A packaged project, and beside it what it must not touch.
struct Planted {
    fixture: Fixture,
    /// A folder with a file, a private key say.
    forbidden: PathBuf,
}

const FORBIDDEN: &str = "forbidden-fruit";

/// What its author did to a record.
type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;

/// A row of a file that was never read.
fn row(name: &str) -> Value {
    json!([name, "file", 6, 0, 0, 1, "00".repeat(32)])
}

/// A folder that was never read, with a stamp of one that was.
fn forbidden_folder(manifest: &Value, path: &str) -> Value {
    let stamp = &manifest["inputs"]["trees"][0]["folders"][0]["stamp"];
    json!({"path": path, "stamp": stamp, "others": [], "files": [row("key")]})
}

impl Planted {
    fn new() -> Self {
        let fixture = Fixture::hello_packaged("host");
        let forbidden = fixture.around().join(FORBIDDEN);
        fs::create_dir(&forbidden).unwrap();
        fs::write(forbidden.join("key"), "secret").unwrap();
        Self { fixture, forbidden }
    }

    /// Changes a record of ours, in place, as its author could.
    fn plant(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = format!("target/lambda/{name}");
        let mut record = self.fixture.json(&path);
        change(&mut record);
        self.fixture.write(&path, &record.to_string());
    }

    /// The same, as a checkout or a cache brings it: a new file. One that was written in its place can name anything, as the
    /// zip beside it can be anything.
    fn bring(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.plant(name, change);
        let path = self.fixture.path(&format!("target/lambda/{name}"));
        let new = path.with_extension("new");
        fs::copy(&path, &new).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Runs the bin with `args`, and asserts that it and all that it starts neither opens nor removes nor
    /// replaces anything of what is forbidden. Even a record that was not written here is believed.
    fn run_watched(&self, args: &[&str]) -> Ended {
        let log = self.fixture.around().join("strace");
        let calls = "trace=open,openat,unlink,unlinkat,rmdir,rename,renameat,renameat2,truncate,chmod,mkdir";
        let strace = ["strace", "-f", "-qq", "-s", "4096", "-e", calls, "-o", &log.to_string_lossy()];
        let mut command = self.fixture.command_under(&strace);
        let ended = Ended::of(command.args(args).env("LAMBDA_PACKAGER_TRUST_RESTORED_CACHE", "1"));
        let calls = fs::read_to_string(&log).unwrap();
        assert!(calls.contains("openat("), "nothing was watched:\n{calls}");
        for call in calls.lines() {
            assert!(!call.contains(FORBIDDEN) && !call.contains("/etc/passwd"), "{args:?}: {call}");
        }
        assert_eq!(fs::read_to_string(self.forbidden.join("key")).unwrap(), "secret");
        ended
    }
}

fn can_watch() -> bool {
    let there = Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|out| out.status.success());
    if !there {
        skip("strace", "nobody watches what is opened (Debian: apt-get install strace; ptrace has to be allowed)");
    }
    there
}

#[test]
fn a_planted_manifest_leads_nowhere() {
    if !can_watch() {
        return;
    }
    let planted = Planted::new();
    let good = planted.fixture.text("target/lambda/hello/manifest.json");
    let up = format!("../{FORBIDDEN}");
    let extra_files = |file: String| -> Change { Box::new(move |m| m["extras"]["files"] = json!([file])) };
    let cases: Vec<(&str, Change)> = vec![
        ("an extra file", extra_files(format!("{up}/key"))),
        ("an extra file through the workspace", extra_files(format!("src/../{up}/key"))),
        ("an extra file by an absolute path", extra_files("/etc/passwd".into())),
        ("an extra folder", Box::new(|m| m["extras"]["folders"] = json!([up]))),
        (
            "an extra folder, recorded too",
            Box::new(|m| {
                m["extras"]["folders"] = json!([up]);
                let folder = forbidden_folder(m, &up);
                let tree = json!({"tree": {"path": up, "rule": "everything"}, "folders": [folder]});
                m["inputs"]["trees"].as_array_mut().unwrap().push(tree);
            }),
        ),
        (
            "a folder of the package",
            Box::new(|m| {
                let folder = forbidden_folder(m, &up);
                m["inputs"]["trees"][0]["folders"].as_array_mut().unwrap().push(folder);
            }),
        ),
        (
            "a file of the package",
            Box::new(|m| {
                let folder = &mut m["inputs"]["trees"][0]["folders"][0];
                folder["files"].as_array_mut().unwrap().push(row(&format!("{up}/key")));
            }),
        ),
        (
            "a place of the zip",
            Box::new(|m| {
                let stamp = m["artifact"]["copies"].as_object().unwrap().values().next().unwrap().clone();
                m["artifact"]["copies"] = json!({format!("{up}/key"): stamp, "/etc/passwd": stamp});
            }),
        ),
    ];
    for (what, change) in cases {
        planted.bring("hello/manifest.json", change);
        let explained = planted.run_watched(&["explain", "--engine", "host"]);
        if what != "a place of the zip" {
            assert_eq!(explained.code, 1, "{what}: {}", explained.stdout);
            let named = explained.stdout.contains(FORBIDDEN) || explained.stdout.contains("passwd");
            assert!(named && explained.stdout.contains("outside of the workspace"), "{what}: {}", explained.stdout);
        }
        planted.run_watched(&["clean", "--cache", "--dry-run", "--engine", "host"]).ok();
        planted.fixture.write("target/lambda/hello/manifest.json", &good);
    }
    // The next build heals it, and nothing of the record decides what is removed.
    planted.bring("hello/manifest.json", extra_files(format!("{up}/key")));
    planted.run_watched(&["build", "--engine", "host"]).ok();
    assert_eq!(planted.fixture.run(&["explain", "--engine", "host"]).ok().stdout, "cache-hit\n");
    planted.run_watched(&["clean", "--all", "--engine", "host"]).ok();
}

#[test]
fn planted_facts_mount_and_read_nothing() {
    if !Engine::Docker.is_here() || !can_watch() {
        return;
    }
    let planted = Planted::new();
    let facts = || {
        let names = fs::read_dir(planted.fixture.path("target/lambda")).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json")).collect::<Vec<_>>()
    };
    assert!(facts().iter().any(|name| name == "workspace.json"), "{:?}", facts());
    let forbidden = planted.forbidden.to_str().unwrap();
    for name in facts() {
        // A checkout brings a new file.
        let (record, brought) =
            (planted.fixture.path(&format!("target/lambda/{name}")), planted.fixture.path("brought"));
        fs::copy(&record, &brought).and_then(|_| fs::rename(brought, record)).unwrap();
        planted.plant(&name, |record| {
            record["guards"]["files"] = json!([]);
            record["variables"] = json!([]);
            record["programs"] = json!([]);
            let value = &mut record["value"];
            if value.get("sysroot").is_some() {
                value["sysroot"] = json!(forbidden);
            }
            if value.get("path_dependencies").is_some() {
                value["path_dependencies"] =
                    json!({"folders": [forbidden], "absolute": [forbidden], "at_own_path": true});
                let mut more = value["members"][0]["closure"]["local"][0].clone();
                more["folder"] = json!(forbidden);
                more["source_root"] = json!(forbidden);
                value["members"][0]["closure"]["local"].as_array_mut().unwrap().push(more);
            }
        });
    }
    planted.fixture.says("again");
    planted.run_watched(&["build", "--engine", "docker"]).ok();
    let mounts = Engine::Docker.inspect(&planted.fixture.container(Engine::Docker))["Mounts"].to_string();
    assert!(!mounts.contains(FORBIDDEN), "{mounts}");
    assert_eq!(planted.fixture.output_of_bootstrap("hello"), "again");
}

#[test]
fn pipes_and_links_in_place_of_our_files_neither_hang_nor_lead_us() {
    let fixture = Fixture::hello_packaged("host");
    let victim = fixture.around().join("victim");
    let run = || Story::of(fixture.command_for("host").arg("--force"));
    let files = [
        "hello/manifest.json",
        "hello/build.log",
        "function-hello.lock",
        "hello/bootstrap",
        "hello/lambda-deployment.zip",
        "workspace.json",
    ];
    let state = fs::read_dir(fixture.path("target/lambda")).unwrap().map(|entry| entry.unwrap().file_name());
    let sent = state.map(|name| name.into_string().unwrap()).find(|name| name.ends_with(".sent")).unwrap();
    for name in files.into_iter().chain([sent.as_str()]) {
        let path = fixture.path(&format!("target/lambda/{name}"));
        for pipe in [true, false] {
            fs::write(&victim, "victim").unwrap();
            fs::remove_file(&path).unwrap();
            if pipe {
                Ended::of(Command::new("mkfifo").arg(&path)).ok();
            } else {
                symlink(&victim, &path).unwrap();
            }
            // Bounded: a story that does not end fails the test.
            let story = run();
            assert_eq!(fs::read_to_string(&victim).unwrap(), "victim", "{name}: {story}");
            if story.code() != 0 {
                assert!(story.code() == 2 && story.failure().contains("not a regular file"), "{name}: {story}");
                fs::remove_file(&path).unwrap();
            }
            let story = run().ok();
            assert!(path.symlink_metadata().unwrap().is_file(), "{name}: {story}");
        }
    }
    // Named as an input, a pipe is not read.
    Ended::of(Command::new("mkfifo").arg(fixture.path("src/pipe"))).ok();
    run().ok();
    assert!(fs::read(&victim).is_ok());
}
