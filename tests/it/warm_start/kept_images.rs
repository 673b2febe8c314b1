//! `make kept-images-save` and `kept-images-load`: another machine's engine starts where this one's stopped.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use crate::support::{Ended, Engine, Fixture, OwnDocker, OwnPodman, repository};
use crate::warm_start::{KEPT, WARM, image_after, is_cold, with_itoa};

/// A checkout with what the targets need, on a machine with this engine and no other.
struct Machine {
    fixture: Fixture,
    engine: Engine,
    environment: Vec<(&'static str, OsString)>,
    _of: Box<dyn std::any::Any>,
}

impl Machine {
    fn with(engine: Engine) -> Option<Self> {
        let (environment, of): (_, Box<dyn std::any::Any>) = match engine {
            Engine::Docker => {
                let own = OwnDocker::start()?;
                (vec![("DOCKER_HOST", own.host().into())], Box::new(own))
            }
            Engine::Podman => {
                let own = engine.is_here().then(OwnPodman::new)?;
                let mut environment = own.environment();
                environment.push(("DOCKER_HOST", "unix:///nowhere/docker.sock".into()));
                (environment, Box::new(own))
            }
        };
        let fixture = with_itoa("kept-images");
        fs::create_dir(fixture.path("docker")).expect("a folder");
        for file in ["Makefile", "docker/kept-images"] {
            fs::copy(repository().join(file), fixture.path(file)).expect("a file");
        }
        Some(Self { fixture, engine, environment, _of: of })
    }

    fn here<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)))
    }

    fn package(&self) -> Ended {
        Ended::of(self.here(&mut self.fixture.command_on(self.engine))).ok()
    }

    fn make(&self, target: &str) -> Ended {
        let mut command = Command::new("make");
        self.fixture.prepare(&mut command);
        Ended::of(self.here(command.args(["--no-print-directory", target])))
    }

    fn ask(&self, args: &[&str]) -> String {
        Ended::of(self.here(self.engine.command().args(args))).ok().stdout
    }

    /// Makes an image under that name, labelled as a builder image is.
    fn make_builder(&self, name: &str) {
        let tar = self.fixture.around().join("builder.tar");
        Ended::of(Command::new("tar").arg("-cf").arg(&tar).args(["--files-from", "/dev/null"])).ok();
        let tar = tar.display().to_string();
        self.ask(&["import", "--change", "LABEL lambda-packager.builder=1", &tar, name]);
    }

    fn names(&self) -> String {
        self.ask(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
    }
}

#[test]
fn another_machine_starts_from_the_images_that_were_saved() {
    const BUILDER: &str = "lambda-packager-builder:of-the-test";
    for engine in [Engine::Docker, Engine::Podman] {
        let (Some(one), Some(two)) = (Machine::with(engine), Machine::with(engine)) else { continue };
        let first = one.package();
        is_cold(&first);
        let kept = image_after(KEPT, &first);
        // A newer one takes the name of the first.
        one.make_builder(BUILDER);
        one.make_builder(BUILDER);
        one.make("kept-images-save").ok();

        // Nothing was carried over yet: that is how every pipeline begins.
        two.make("kept-images-load").ok();
        assert!(!two.names().contains("lambda-packager-"), "{}", two.names());
        fs::create_dir_all(two.fixture.path("target")).unwrap();
        let archive = "target/kept-images.tar";
        fs::copy(one.fixture.path(archive), two.fixture.path(archive)).unwrap();
        two.make("kept-images-load").ok();
        for name in [kept.as_str(), BUILDER] {
            // Podman's ids are of the form in which it stores an image, not of what is in it.
            let labels =
                |machine: &Machine| machine.ask(&["image", "inspect", "--format", "{{json .Config.Labels}}", name]);
            assert_eq!(labels(&two), labels(&one), "{name} in\n{}", two.names());
        }
        assert_eq!(image_after(WARM, &two.package()), kept);
        assert_eq!(two.fixture.zip("app"), one.fixture.zip("app"));

        // Where nothing is kept, what was saved before is not carried on.
        let empty = Machine::with(engine).expect("there were two");
        empty.fixture.write(archive, "of another time");
        empty.make("kept-images-save").ok();
        assert!(!empty.fixture.path(archive).exists());
    }
}

#[test]
fn a_machine_without_an_engine_keeps_nothing_and_goes_on() {
    let fixture = with_itoa("kept-images-nowhere");
    let mut script = Command::new("sh");
    fixture.prepare(&mut script);
    script.arg(repository().join("docker/kept-images")).arg("save").env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    // Podman needs no service: it is not on this machine.
    let folder = fixture.around().join("programs");
    fs::create_dir(&folder).unwrap();
    for program in ["sh", "dirname"] {
        let place = Ended::of(Command::new("sh").args(["-c", "command -v \"$0\"", program])).ok().stdout;
        std::os::unix::fs::symlink(place.trim(), folder.join(program)).unwrap();
    }
    let ended = Ended::of(script.env("PATH", &folder)).ok();
    assert!(ended.stderr.contains("no container engine answers; nothing is kept"), "{}", ended.stderr);
}
