//! This repository's Makefile and scripts, in a checkout where fakes stand for the programs that they start.

use std::ffi::OsString;

use super::*;

/// What the scripts start, and what they would install it with. A fake only notes how it was called.
const FAKED: [&str; 14] = [
    "cargo",
    "terraform",
    "docker",
    "podman",
    "apt-get",
    "sudo",
    "dockerd",
    "setsid",
    "id",
    "cargo-lambda",
    "moto_server",
    "aws",
    "sam",
    "lambda-packager",
];

/// What the fake packager prints as the image that it pushed or found.
pub const REFERENCE: &str =
    "registry.example/prod-x@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A checkout with fakes in place of all programs but the shell's own and make.
pub struct Desk {
    fixture: Fixture,
    path: OsString,
}

impl Desk {
    pub fn with_fakes() -> Self {
        let fixture = Fixture::empty("desk");
        for file in [
            "Makefile",
            "infra/deploy",
            "docker/build-lambda.sh",
            "docker/dev-container.sh",
            "docker/kept-images",
            ".ci/run",
            "tests/run",
        ] {
            let to = fixture.path(file);
            fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
            fs::copy(repository().join(file), to).expect("a file");
        }
        let fakes = fixture.around().join("fakes");
        fs::create_dir(&fakes).expect("a folder");
        for name in FAKED {
            let fake = format!(
                "#!/bin/sh\n\
                 {{ printf %s \"${{LAMBDA_PACKAGER_MODE:+mode=$LAMBDA_PACKAGER_MODE }}${{LAMBDA_PACKAGER_FORCE:+forced }}{name}\"\n\
                 for word; do printf ' %s' \"$word\"; done\n\
                 echo; }} >>\"$FAKE_CALLS\"\n\
                 [ \"$FAKE_FAILURE\" != {name} ] || exit 7\n\
                 case \"{name} $1 $2\" in\n\
                   'lambda-packager image '*) echo \"${{FAKE_IMAGES:-{REFERENCE}}}\" ;;\n\
                   'id '*) echo 1000 ;;\n\
                 esac\n"
            );
            let folder = if name == "lambda-packager" { fixture.path("docker") } else { fakes.clone() };
            program(&folder.join(name), fake.as_bytes());
        }
        let path = prefixed(&fakes, &std::env::var_os("PATH").expect("PATH"));
        Self { fixture, path }
    }

    /// Runs a program of the checkout, or one that is on PATH. The fake that `failing` names ends with status 7.
    pub fn run(&self, words: &[&str], failing: &str) -> Ended {
        let program = if words[0].contains('/') { self.fixture.path(words[0]) } else { words[0].into() };
        let mut command = Command::new(program);
        self.fixture.prepare(command.args(&words[1..]));
        for name in ["PACKAGE", "PACKAGER", "REGISTRY", "TAG", "IMAGE", "ARCHIVE", "FORCE", "STATE_BUCKET", "MAKEFLAGS"]
        {
            command.env_remove(name);
        }
        command.env("PATH", &self.path).env("FAKE_CALLS", self.fixture.around().join("calls"));
        command.env("FAKE_FAILURE", failing).env("ENV", "preprod").stdin(std::process::Stdio::null());
        Ended::of(&mut command)
    }

    /// How the fakes were called since it was asked last, in their order.
    pub fn calls(&self) -> Vec<String> {
        let file = self.fixture.around().join("calls");
        let calls = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        calls.lines().map(String::from).collect()
    }

    pub fn write(&self, path: &str, text: &str) {
        self.fixture.write(path, text);
    }

    pub fn has(&self, path: &str) -> bool {
        self.fixture.path(path).exists()
    }
}
