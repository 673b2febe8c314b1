//! What an engine does with images.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::engine::{BuildSpec, Cause, Engine, EngineError, Image, Kind, args, copy, damaged, failure, inspect};
use crate::error::{Error, Result};
use crate::sys::{Invocation, Output, Stream};

impl Engine {
    /// The image `reference`; `None` if the engine has none.
    pub fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.look_up("image", reference, inspect::parse_image).map_err(|failure| match failure {
            EngineError::Unable(error) if damaged::is_damaged(&error.with_cause()) => {
                EngineError::Unable(error.hint_with(damaged::remedy(self.kind, reference)))
            }
            failure => failure,
        })
    }

    /// The id of the image `reference`; `None` if the engine has none.
    pub fn image_id(&self, reference: &str) -> Result<Option<String>, EngineError> {
        Ok(self.image(reference)?.map(|image| image.id))
    }

    /// All images with a label, including those that are only the base of another image.
    pub fn images_with(&self, label: &str) -> Result<Vec<Image>, EngineError> {
        let filter = format!("label={label}");
        let listed =
            self.succeed(self.call(&["images", "--all", "--quiet", "--no-trunc", "--filter", &filter]), None)?;
        let listed = listed.stdout_text();
        let mut ids: Vec<&str> = listed.lines().collect();
        ids.sort_unstable();
        ids.dedup();
        // One that was removed in between is left out.
        ids.into_iter().filter_map(|id| self.image(id).transpose()).collect()
    }

    /// The call that builds an image from a context on its standard input, for streaming.
    pub fn build(&self, spec: &BuildSpec) -> Invocation {
        self.call(&args::build(self.kind, spec))
    }

    /// Whether the builder can export the files of a stage. If so, the packager needs no image of them and no
    /// container to copy them from, and has nothing to remove. The client knows, for the builder that it would use:
    /// BuildKit has the option, docker's legacy builder does not.
    pub fn hands_over_files(&self) -> Result<bool, EngineError> {
        if self.kind != Kind::Docker {
            return Ok(false);
        }
        Ok(self.succeed(self.call(&["build", "--help"]), None)?.stdout_text().contains("--output "))
    }

    /// The error of a failed build. Its `stderr` decides: what is printed in the build may be on stdout. `said` are the
    /// last lines of both.
    pub fn failure_of_build(&self, code: i32, stderr: &[u8], said: &str) -> EngineError {
        failure::error(self.kind, "build", &Output { code, stdout: Vec::new(), stderr: stderr.into() }, said)
    }

    /// A file of an image, read through a container `name`. The image needs no program that could run.
    pub fn file_of_image(
        &self,
        image: &str,
        path: &str,
        name: &str,
        labels: &[String],
    ) -> Result<Vec<u8>, EngineError> {
        // Of a run that was killed.
        if self.inspect(name)?.is_some_and(|left| left.is_ours()) {
            self.remove(name)?;
        }
        let id = self.succeed(self.call(&args::create_unstarted(name, image, labels)), None)?.stdout_text();
        let copied = self.transferring().succeed(self.call(&["cp", &format!("{id}:{path}"), "-"]), None);
        let removed = self.remove(&id);
        let tar = copied?.stdout;
        removed?;
        copy::file_in(&tar, path).map_err(EngineError::Refused)
    }

    /// Gives an image one more name.
    pub fn tag(&self, id: &str, reference: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["tag", id, reference]), None).map(drop)
    }

    /// The call that runs a short command in an image.
    pub fn run(&self, image: &str, command: &[String]) -> Invocation {
        self.call(&["run", "--rm", "--network", "none", image]).args(command)
    }

    /// Makes an image with one layer from a tar archive.
    pub fn import(&self, tar: Vec<u8>, reference: &str, labels: &[String]) -> Result<(), EngineError> {
        self.transferring().succeed(self.call(&args::import(reference, labels)), Some(tar)).map(drop)
    }

    /// Loads images from an archive that has their names.
    pub fn load(&self, archive: Vec<u8>) -> Result<(), EngineError> {
        self.transferring().succeed(self.call(&["load", "--quiet"]), Some(archive)).map(drop)
    }

    /// Pulls an image. The registry's first answer has a time limit, and so has each silence after it: engines print a line
    /// when they begin a layer, have it, and have unpacked it.
    pub fn pull(&self, reference: &str) -> Result<(), EngineError> {
        const FIRST_ANSWER: Duration = Duration::from_secs(15);
        let (mut stderr, answered, heard_at) = (Vec::new(), Cell::new(false), Cell::new(Instant::now()));
        let hear = |stream: Stream, piece: &[u8]| {
            // Podman prints these lines before it connects.
            let own = |line: &str| line.starts_with("Trying to pull") || line.starts_with("Resolv");
            heard_at.set(Instant::now());
            answered.set(answered.get() || !String::from_utf8_lossy(piece).lines().all(own));
            if stream == Stream::Stderr {
                stderr.extend_from_slice(piece);
            }
        };
        let silence = || {
            let limit = if answered.get() { self.timeout * 10 } else { FIRST_ANSWER };
            if heard_at.get().elapsed() < limit {
                return Ok(());
            }
            let limit = limit.as_secs();
            let (error, slower) = match answered.get() {
                true => (
                    format!("the pull of {reference} made no progress for {limit} s"),
                    ", or allow slower pulls with `engine_timeout_secs`",
                ),
                false => (format!("the registry of {reference} did not answer within {limit} s"), ""),
            };
            let hint = "check the network and the engine's proxy, or load the image with the engine's `load`";
            Err(Error::engine(error).hint_with(format!("{hint}{slower}")))
        };
        let code = self.call(&["pull", reference]).stream_both(Vec::new(), Duration::from_secs(1), hear, silence);
        match code? {
            0 => Ok(()),
            code => Err(self.failure("pull", &Output { code, stdout: Vec::new(), stderr })),
        }
    }

    /// Removes names of images, and each image with its last name; false if a container still uses one. Never by force:
    /// podman would also remove the containers, whoever owns them.
    pub fn remove_names(&self, names: &[String]) -> Result<bool, EngineError> {
        if names.is_empty() {
            return Ok(true);
        }
        let output = self.transferring().output(self.call(&["rmi"]).args(names), None)?;
        match Cause::of("rmi", &output) {
            _ if output.success() => Ok(true),
            Cause::Absent => Ok(true),
            Cause::InUse => Ok(false),
            _ => Err(self.failure("rmi", &output)),
        }
    }
}
