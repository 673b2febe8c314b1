//! What befalls the engine: on one of the test's own, or behind a named fake of its command line.

use std::process::Command;
use std::time::Duration;

use crate::faults::matrix::{Kept, Matrix, built, mended, recovers, told};
use crate::support::{Engine, Front, Gated, Live, OwnDocker, Story, has_all};

/// With it, an engine that restarts is waited for as long as these tests wait for anything: how long its service takes on
/// a busy machine decides nothing.
const LONG_LIMIT_SECS: u32 = 360;

pub fn faults(matrix: &Matrix) {
    let Some(mut own) = OwnDocker::start() else { return };
    let mut gated = Gated::on(own.host());
    gated.timeout_secs = Some(LONG_LIMIT_SECS);
    Story::of(&mut gated.command()).ok();
    const NAME: &str = "docker of its own";

    matrix.row("engine stopped", "before", NAME, || {
        own.down();
        gated.edit();
        let mut live = Live::start(&mut gated.command());
        let noted = live.until_announced("trying again");
        own.up();
        (noted, mended(&live.end(), &gated))
    });
    matrix.row("engine stopped", "before `container status`, `stop` and `start`", NAME, || {
        let mut told = Vec::new();
        // Any engine may be used, and another one answers here.
        let mut auto = gated.fixture.command();
        auto.env("DOCKER_HOST", own.host()).env("LAMBDA_PACKAGER_ENGINE_TIMEOUT_SECS", LONG_LIMIT_SECS.to_string());
        for (command, verb, code) in
            [(&mut gated.command(), "status", 3), (&mut gated.command(), "stop", 0), (&mut auto, "start", 0)]
        {
            own.down();
            let mut live = Live::start(command.args(["container", verb]));
            told.push(live.until_announced("trying again"));
            own.up();
            let story = live.end();
            assert_eq!(story.code(), code, "{story}");
        }
        gated.edit();
        (told.join("; "), mended(&Story::of(&mut gated.command()), &gated))
    });
    matrix.row("engine stopped", "before `image build`, `clean`, and a hit whose image is lost", NAME, || {
        let mut told = Vec::new();
        let mut waits = |command: &mut Command| {
            own.down();
            let mut live = Live::start(command);
            told.push(live.until_announced("trying again"));
            own.up();
            let story = live.end().ok();
            assert!(!story.to_string().contains("skipped: "), "{story}");
        };
        waits(gated.command().args(["image", "build", "--env", "preprod", "--image-name", "lpt-{env}"]));
        waits(gated.command().args(["clean", "--dry-run"]));
        let prod = || {
            let mut command = gated.command();
            command.args(["--mode", "prod"]);
            command
        };
        Story::of(&mut prod()).ok();
        let image = gated.fixture.manifest("gated")["artifact"]["image"].as_str().expect("a name").to_string();
        gated.ask(&["rmi", &image]);
        waits(&mut prod());
        for name in [&image, "lpt-preprod:latest"] {
            gated.ask(&["image", "inspect", "--format", "{{.Id}}", name]);
        }
        gated.edit();
        (told.join("; "), mended(&Story::of(&mut gated.command()), &gated))
    });
    matrix.row("engine stopped", "before the first build of all", NAME, || {
        let first = Gated::on(own.host());
        let others = no_podman();
        own.down();
        let mut command = first.fixture.command();
        command.env("DOCKER_HOST", own.host()).env("PATH", &others.path);
        command.env("LAMBDA_PACKAGER_ENGINE_TIMEOUT_SECS", LONG_LIMIT_SECS.to_string());
        let mut live = Live::start(&mut command);
        let noted = live.until_announced("in case one is restarting");
        own.up();
        live.end().ok();
        let road = &first.fixture.manifest("gated")["road"];
        assert!(road["engine"] == "docker" && road["fallback"] == "no builder image available locally", "{road}");
        (noted, "docker compiled it".to_string())
    });
    type End = fn(&mut OwnDocker);
    let ends: [(_, End, _); 2] = [
        ("engine restarted", OwnDocker::down, Duration::ZERO),
        // The fault is that it takes so long.
        ("engine crashed, back after 5 s", OwnDocker::crash, Duration::from_secs(5)),
    ];
    for (fault, end, pause) in ends {
        matrix.row(fault, "mid-compile", NAME, || {
            let mut live = gated.held_build();
            end(&mut own);
            let noted = live.until_announced("during the compile; waiting for it");
            std::thread::sleep(pause);
            gated.release();
            own.up();
            (noted, mended(&live.end(), &gated))
        });
    }
    matrix.row("engine hangs for 6 s", "mid-compile", NAME, || {
        let before = gated.container();
        let live = gated.held_build();
        own.signal("STOP");
        gated.release();
        // The fault is that it takes so long: longer than the packager stays idle.
        std::thread::sleep(Duration::from_secs(6));
        own.signal("CONT");
        let left = mended(&live.end(), &gated);
        assert_eq!(gated.container(), before);
        ("the compile goes on in the same container".to_string(), left)
    });
    matrix.row("image deleted under a stopped container", "between builds", NAME, || {
        let before = gated.container();
        gated.ask(&["stop", "--time", "1", &before]);
        remove_images(&gated);
        gated.edit();
        let left = mended(&Story::of(&mut gated.command()), &gated);
        ("an image in use lives on, nameless; the container starts again".to_string(), left)
    });
    matrix.row("image and container deleted", "between builds", NAME, || {
        gated.ask(&["rm", "--force", &gated.container()]);
        remove_images(&gated);
        gated.edit();
        ("both are made again".to_string(), mended(&Story::of(&mut gated.command()), &gated))
    });
    gated.timeout_secs = None;
    for moment in ["before", "mid-compile"] {
        matrix.row("engine stopped for good", moment, NAME, || {
            let kept = Kept::of(&gated);
            let story = if moment == "before" {
                own.down();
                gated.edit();
                Story::of(&mut gated.command())
            } else {
                let mut live = gated.held_build();
                own.down();
                live.until_announced("waiting for it");
                gated.release();
                live.end()
            };
            let happened = told(&story, 3, &["no docker engine answers", "start it"], &kept, &gated);
            assert!(moment != "before" || happened.contains("docker.sock"), "{happened}");
            own.up();
            (happened, recovers(&gated))
        });
    }
}

fn remove_images(gated: &Gated) {
    for image in gated.ask(&["images", "--all", "--quiet"]).lines() {
        gated.ask(&["rmi", "--force", image]);
    }
}

/// Docker's command line, which does `deed`, in shell, where its first argument is `verb`.
fn fake_docker(verb: &str, deed: &str) -> Front {
    Front::of("docker", &format!("case $1 in {verb}) {deed};; esac"))
}

/// Docker as it is, and a podman that does not answer.
fn no_podman() -> Front {
    let front = fake_docker("none", ":");
    front.add("podman", "echo 'Cannot connect to Podman' >&2\nexit 125");
    front
}

/// A fault, the first argument of the command that hangs, and how the packager names the command.
pub type Hang = (&'static str, &'static str, &'static str);

pub const HANGS: [Hang; 3] = [
    ("the command line hangs at inspect", "container", "`docker container inspect "),
    ("the command line hangs at create", "create", "`docker create "),
    ("the command line hangs at start", "start", "`docker start "),
];

/// One command hangs for as long as it may. The limit is the default, which no other command reaches on a busy machine:
/// with a shorter one the test would be red by another that is only slow.
pub fn hanging(matrix: &Matrix, (fault, verb, named): Hang) {
    if !Engine::Docker.is_here() {
        return;
    }
    let mut gated = built();
    matrix.row(fault, "before", "fake docker", || {
        let fake = fake_docker(verb, "exec tail -f /dev/null");
        let kept = Kept::of(&gated);
        if verb != "container" {
            gated.ask(&["rm", "--force", &gated.container()]);
        }
        gated.edit();
        let story = Story::of(gated.command().env("PATH", &fake.path));
        assert!(!story.notes().iter().any(|note| note.contains("trying again")), "it was waited for already: {story}");
        let happened = told(&story, 3, &[named, "did not end within 30 s", "restart it"], &kept, &gated);
        (happened, recovers(&gated))
    });
}

/// Another engine, or none.
pub fn elsewhere(matrix: &Matrix) {
    if !Engine::Docker.is_here() {
        return;
    }
    matrix.row("the command line hangs at version", "before", "fake docker", || {
        let mut gated = built();
        let fake = fake_docker("version", "exec tail -f /dev/null");
        gated.edit();
        let story = Story::of(gated.command().env("PATH", &fake.path));
        ("a routine build does not ask for the version".to_string(), mended(&story, &gated))
    });
    let auto = |gated: &Gated| {
        let mut command = gated.fixture.command();
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command
    };
    if Engine::Podman.is_here() {
        matrix.row("first engine does not answer", "before", "auto", || {
            let gated = Gated::new(Engine::Podman);
            let story = Story::of(&mut auto(&gated)).ok();
            let notes = story.notes().join("; ");
            assert!(notes.contains("no docker engine answers"), "{story}");
            assert_eq!(gated.fixture.manifest("gated")["road"]["engine"], "podman");
            assert!(gated.fixture.manifest("gated")["road"]["fallback"].as_str().is_some_and(|why| !why.is_empty()));
            (notes, "podman compiled it; the manifest says why".to_string())
        });
        matrix.row("two engines with a container of the same name", "between builds", "docker and podman", || {
            let mut gated = Gated::new(Engine::Docker);
            let mut ids = Vec::new();
            for engine in [Engine::Docker, Engine::Podman, Engine::Docker] {
                gated.engine = engine;
                gated.edit();
                Story::of(&mut gated.command()).ok();
                assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
                ids.push(gated.container());
            }
            assert!(ids[0] == ids[2] && ids[0] != ids[1], "{ids:?}");
            let left = mended(&Story::of(&mut gated.command()), &gated);
            ("each engine keeps its own; a build uses that of its engine".to_string(), left)
        });
    }
    matrix.row("no engine answers", "before", "auto", || {
        let gated = Gated::new(Engine::Docker);
        let podman = no_podman();
        let story = Story::of(auto(&gated).env("PATH", &podman.path)).ok();
        let notes = story.notes().join("; ");
        assert!(notes.contains("compiling with the host's own toolchain, which is not hermetic"), "{story}");
        assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
        let mut strict = auto(&gated);
        strict.env("PATH", &podman.path).env("LAMBDA_PACKAGER_REQUIRE_CONTAINER", "1").arg("--force");
        let kept = Kept::of(&gated);
        let parts = ["no container to compile in", "LAMBDA_PACKAGER_REQUIRE_CONTAINER"];
        told(&Story::of(&mut strict), 3, &parts, &kept, &gated);
        (notes, "the host compiled it; with require_container an error".to_string())
    });
    matrix.row("containers are not created", "before", "fake docker and podman", || {
        let gated = Gated::new(Engine::Docker);
        let fake = fake_docker("create", "echo 'Error response from daemon: unknown runtime' >&2; exit 1");
        fake.add("podman", "echo 'Error: creating runtime static files directory: no such device' >&2\nexit 125");
        let story = Story::of(gated.fixture.command().env("PATH", &fake.path)).ok();
        let notes = story.notes().join("; ");
        has_all(
            &notes,
            &[
                "docker cannot be used: `docker create` failed with status 1: Error response from daemon: unknown",
                "podman cannot be used: `podman ",
                "compiling with the host's own toolchain",
            ],
        );
        assert_eq!(gated.fixture.output_of_bootstrap("gated"), gated.expected());
        let kept = Kept::of(&gated);
        let mut named = gated.command();
        let story = Story::of(named.env("PATH", &fake.path));
        let happened = told(&story, 3, &["`docker create` failed", "engine = \"host\""], &kept, &gated);
        (format!("{notes}; with `engine = \"docker\"` {happened}"), "the host compiled it".to_string())
    });
    matrix.row("container does not start", "before", "docker", || {
        let mut gated = built();
        let kept = Kept::of(&gated);
        let image = format!("lambda-packager-test-no-shell:{}", std::process::id());
        gated.engine_command().args(["image", "rm", "--force", &image]).output().expect("docker starts");
        let mut import = gated.engine_command();
        let label = format!("LABEL {}", gated.fixture.label());
        import.args(["import", "--change", &label, "/dev/null", &image]);
        assert!(import.output().expect("docker starts").status.success());
        gated.edit();
        // With another base it is another container.
        let others = gated.containers();
        let story = Story::of(gated.command().args(["--base", &image]));
        gated.ask(&["rmi", "--force", &image]);
        // The clean room takes its sources from elsewhere; it needs a shell too.
        let notes = story.notes().join("; ");
        assert!(notes.contains("the container does not start: `docker start` failed"), "{story}");
        let happened = told(&story, 3, &["`docker build` failed", "/bin/sh", "set `base`"], &kept, &gated);
        assert_eq!(gated.containers(), others, "half a container is left");
        (happened, recovers(&gated))
    });
}
