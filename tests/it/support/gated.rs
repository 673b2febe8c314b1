//! A project whose compile can be held: faults then hit it in its very middle, without a clock.

use std::process::Command;

use super::{Ended, Engine, Fixture, Gate, Live};

/// How a held compile makes itself known, on a line of cargo's.
pub const HOLDING: &str = "holding";

/// What the function of the held project prints before its own text; a dependency by path says it.
pub const SAYS: &str = "dep says ";

/// `HOLD` and `EAT` are files of the gate.
const BUILD: &str = r#"use std::{fs, path::Path, thread, time::Duration};

/// Whether the gate is shut for this container.
fn held() -> bool {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    fs::read_to_string("HOLD").is_ok_and(|passed| passed.is_empty() || !passed.starts_with(name.trim()))
}

fn main() {
    println!("cargo::rerun-if-changed=src/main.rs");
    if held() {
        eprintln!("holding");
    }
    while held() {
        thread::sleep(Duration::from_millis(10));
    }
    if Path::new("EAT").exists() {
        let mut eaten = vec![1u8; 400 << 20];
        for at in (0..eaten.len()).step_by(4096) {
            eaten[at] = at as u8;
        }
        eprintln!("eaten {}", eaten.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    }
}
"#;

/// The project, and the engine that its commands go to.
pub struct Gated {
    pub fixture: Fixture,
    pub engine: Engine,
    /// Which service the engine's command line talks to, where it is not the machine's own.
    docker_host: Option<String>,
    /// The time limit for the engine's commands, in seconds, where it is not the default.
    pub timeout_secs: Option<u32>,
    edits: u32,
    gate: Gate,
}

impl Gated {
    pub fn new(engine: Engine) -> Self {
        let fixture = Fixture::empty("gated");
        fixture.package("", "gated", "[dependencies]\ndep = { path = \"dep\" }\n");
        fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\ncargo_flags = [\"-vv\"]\n");
        fixture.package("dep", "dep", "");
        fixture.write("dep/src/lib.rs", &format!("pub const TEXT: &str = \"{SAYS}\";\n"));
        let gate = Gate::new();
        fixture.write("build.rs", &BUILD.replace("HOLD", &gate.seen("hold")).replace("EAT", &gate.seen("eat")));
        let mut gated = Self { fixture, engine, docker_host: None, timeout_secs: None, edits: 0, gate };
        gated.edit();
        gated
    }

    /// The same on another service of docker.
    pub fn on(docker_host: String) -> Self {
        Self { docker_host: Some(docker_host), ..Self::new(Engine::Docker) }
    }

    /// Changes the source; the function then says something else.
    pub fn edit(&mut self) {
        self.edits += 1;
        self.fixture.prints(&format!("\"{{}}{}\", dep::TEXT", self.edits));
    }

    /// What the function says if it was made of the source as it is now.
    pub fn expected(&self) -> String {
        format!("{SAYS}{}", self.edits)
    }

    /// The bin.
    pub fn command(&self) -> Command {
        let mut command = self.fixture.command_on(self.engine);
        command.envs(self.docker_host.iter().map(|host| ("DOCKER_HOST", host)));
        command.envs(self.timeout_secs.map(|limit| ("LAMBDA_PACKAGER_ENGINE_TIMEOUT_SECS", limit.to_string())));
        command
    }

    /// The engine.
    pub fn engine_command(&self) -> Command {
        let mut command = self.engine.command();
        command.envs(self.docker_host.iter().map(|host| ("DOCKER_HOST", host)));
        command
    }

    /// What the engine prints for `args`, which must succeed.
    #[track_caller]
    pub fn ask(&self, args: &[&str]) -> String {
        Ended::answer(self.engine_command().args(args))
    }

    /// The project's containers: id and state of each.
    pub fn containers(&self) -> Vec<(String, String)> {
        let label = format!("label={}", self.fixture.label());
        let ids = self.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label]);
        let state = |id: &str| self.ask(&["container", "inspect", "--format", "{{.State.Status}}", id]);
        ids.lines().map(|id| (id.to_string(), state(id))).collect()
    }

    /// The one container.
    #[track_caller]
    pub fn container(&self) -> String {
        let all = self.containers();
        assert_eq!(all.len(), 1, "{all:?}");
        all.into_iter().next().unwrap_or_default().0
    }

    /// From now on a compile stops in its middle.
    pub fn hold(&self) {
        self.gate.put("hold", "");
    }

    /// It goes on.
    pub fn release(&self) {
        self.gate.take_away("hold");
    }

    /// It goes on in the container `id`, and in no other.
    pub fn release_only(&self, id: &str) {
        self.gate.put("hold", id);
    }

    /// From now on a compile takes much memory, or no more.
    pub fn eats(&self, much: bool) {
        if much { self.gate.put("eat", "") } else { self.gate.take_away("eat") }
    }

    /// Edits, starts a build, and returns when its compile is held.
    #[track_caller]
    pub fn held_build(&mut self) -> Live {
        self.edit();
        self.hold();
        let mut live = Live::start(&mut self.command());
        live.until_cargo_says(HOLDING);
        live
    }
}
