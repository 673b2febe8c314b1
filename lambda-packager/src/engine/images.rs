//! What an engine does with images.

use std::collections::BTreeMap;

use crate::engine::{BuildSpec, Cause, Engine, EngineError, Image, Kind, args, copy, damaged, failure, inspect};
use crate::error::Result;
use crate::sys::{Input, Invocation, Output, Stream};

impl Engine {
    /// The image `reference`; `None` if the engine has none.
    pub fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        let found = self.look_up("image", reference, inspect::parse_image);
        let found = found.map_err(|failure| self.unless_damaged(failure, reference))?;
        Ok(found.map(|image| match self.kind {
            // Its steps have the labels of the whole build, so one would stand upon the other.
            Kind::Podman => Image { parent: String::new(), ..image },
            _ => image,
        }))
    }

    /// The error of a call that failed with `failure`, and that needs the layers of the image `reference`.
    pub fn unless_damaged(&self, failure: EngineError, reference: &str) -> EngineError {
        match failure {
            EngineError::Unable(error) | EngineError::Refused(error) if damaged::is_damaged(&error.with_cause()) => {
                let error = error.hint_with(damaged::remedy(self.kind, reference));
                EngineError::Damaged(reference.to_string(), error)
            }
            failure => failure,
        }
    }

    /// The id of the image `reference`; `None` if the engine has none.
    pub fn image_id(&self, reference: &str) -> Result<Option<String>, EngineError> {
        Ok(self.image(reference)?.map(|image| image.id))
    }

    /// All images with a label, including those that are only the base of another image. One that is damaged has no more
    /// than its id and its names.
    pub fn images_with(&self, label: &str) -> Result<Vec<Image>, EngineError> {
        let look = |(id, names): (String, Vec<String>)| match self.image(&id) {
            Err(EngineError::Damaged(..)) => Some(Ok(Image { id, names, ..Image::default() })),
            // One that was removed in between is left out.
            result => result.transpose(),
        };
        self.names_of_images(&["--all", "--filter", &format!("label={label}")])?.into_iter().filter_map(look).collect()
    }

    /// The names of images by their ids, of those that the flags `which` select. The engine reads no layer for that.
    pub fn names_of_images(&self, which: &[&str]) -> Result<BTreeMap<String, Vec<String>>, EngineError> {
        let call = self.call(&["images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]).args(which);
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, name) in self.succeed(call, None)?.stdout_text().lines().filter_map(|line| line.split_once(' ')) {
            let names = names.entry(id.to_string()).or_default();
            names.extend(Some(name.to_string()).filter(|name| !name.contains("<none>")));
        }
        Ok(names)
    }

    /// Builds an image from a context, and passes on what is printed meanwhile. After each silence of some seconds the engine
    /// is asked whether it still answers. Returns the exit status.
    pub fn build(
        &self,
        spec: &BuildSpec,
        context: impl Into<Input>,
        hear: impl FnMut(Stream, &[u8]),
    ) -> Result<i32, EngineError> {
        let silence = || self.version().map(drop);
        self.call(&args::build(self.kind, spec)).stream_both(context, self.timeout / 6, hear, silence)
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
        let output = Output { code, stdout: Vec::new(), stderr: stderr.into() };
        self.unless_gone(failure::error(self.kind, "build", &output, said))
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
        let copied = self.succeed_in_transfer(&self.call(&["cp", &format!("{id}:{path}"), "-"]), None);
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
        self.succeed_in_transfer(&self.call(&args::import(reference, labels)), Some(tar.into())).map(drop)
    }

    /// Loads the image `reference` from an archive. A layer that an image here has too is not unpacked again.
    pub fn load(&self, archive: Vec<u8>, reference: &str) -> Result<(), EngineError> {
        let loaded = self.succeed_in_transfer(&self.call(&["load", "--quiet"]), Some(archive.into())).map(drop);
        loaded.map_err(|failure| self.unless_damaged(failure, reference))
    }

    /// Removes images by what is ours of them, and returns those that it removed. An image can be removed once no other image
    /// is based on it, so this repeats as long as it removes some. One that a container uses stays.
    pub fn remove_images(&self, mut images: Vec<Image>) -> Result<Vec<Image>, EngineError> {
        let mut removed = Vec::new();
        loop {
            let (before, mut left) = (images.len(), Vec::new());
            for image in images {
                if self.remove_names(image.handles())? { removed.push(image) } else { left.push(image) }
            }
            if left.is_empty() || left.len() == before {
                return Ok(removed);
            }
            images = left;
        }
    }

    /// Removes names of images, and each image with its last name; false if a container still uses one. Never by force:
    /// podman would also remove the containers, whoever owns them.
    pub fn remove_names(&self, names: &[String]) -> Result<bool, EngineError> {
        if names.is_empty() {
            return Ok(true);
        }
        let output = self.transfer(&self.call(&["rmi"]).args(names), None)?;
        match Cause::of("rmi", &output) {
            _ if output.success() => Ok(true),
            Cause::Absent => Ok(true),
            Cause::InUse => Ok(false),
            _ => Err(self.failure("rmi", &output)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config::Network;
    use crate::engine::WayOut;
    use crate::error::Error;
    use crate::sys::fs;

    /// A fake engine: a shell, for which the verb is the name of a script in `folder`.
    fn fake(folder: &Path, timeout: Duration, scripts: &[(&str, &str)]) -> Engine {
        for (verb, text) in scripts {
            fs::replace(&folder.join(verb), text.as_bytes(), 0o644, None).unwrap();
        }
        Engine::new(Kind::Docker, "/bin/sh".into(), timeout, folder)
    }

    const HANGS: &str = "exec tail -f /dev/null";

    #[test]
    fn a_build_ends_when_the_engine_does_not_answer_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let engine = fake(folder.path(), Duration::from_millis(60), &[("build", HANGS), ("version", HANGS)]);
        let way_out = WayOut::Image("a:1");
        let spec =
            BuildSpec { stage: "s", way_out, labels: &[], network: Network::None, build_args: &[], fresh: false };
        let Err(EngineError::Hangs(error)) = engine.build(&spec, Vec::new(), |_, _| ()) else {
            panic!("it is known that the engine hangs")
        };
        assert!(error.to_string().contains("sh version"), "{error}");
    }

    #[test]
    fn a_transfer_goes_on_as_long_as_the_engine_answers() {
        let folder = tempfile::tempdir().unwrap();
        let scripts = [("load", "read -r line; until [ -e asked ]; do :; done; echo \"$line\""), ("version", HANGS)];
        let load = |engine: &Engine| engine.transfer(&engine.call(&["load"]), Some(b"archive\n".to_vec().into()));
        let Err(EngineError::Hangs(error)) = load(&fake(folder.path(), Duration::from_millis(60), &scripts)) else {
            panic!("it is known that the engine hangs")
        };
        assert!(error.to_string().contains("sh version"), "{error}");
        let answers = fake(folder.path(), Duration::from_secs(6), &[("version", ": >asked; echo 1")]);
        let Ok(output) = load(&answers) else { panic!("the engine answers") };
        assert_eq!(output.stdout, b"archive\n");
    }

    #[test]
    fn a_copy_ends_when_the_engine_does_not_answer_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let scripts = [("cp", HANGS), ("version", HANGS)];
        let engine = fake(folder.path(), Duration::from_millis(60), &scripts);
        for copied in [
            engine.copy_folder("from", "/folder", "to", "/place"),
            engine.import_folder("from", "/folder", "image:1", &[]),
            engine.unpack_into("to", "/place", b"archive".to_vec()),
        ] {
            let Err(EngineError::Hangs(error)) = copied else { panic!("it is known that the engine hangs") };
            assert!(error.to_string().contains("sh version"), "{error}");
        }
    }

    #[test]
    fn a_pull_or_a_build_that_fails_with_its_engine_is_no_fault_of_the_registry_or_the_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let gone = "echo Cannot connect to the Docker daemon at unix:///nonexistent. >&2; exit 1";
        for (version, is_gone) in [("echo 1", false), (gone, true)] {
            let scripts = [("pull", "echo unexpected EOF >&2; exit 1"), ("version", version)];
            let engine = fake(folder.path(), Duration::from_secs(30), &scripts);
            let failures = [engine.pull("a:1").err().unwrap(), engine.failure_of_build(137, b"", "killed")];
            for failure in failures {
                match failure {
                    EngineError::Unreachable(_) if is_gone => {}
                    EngineError::Refused(_) if !is_gone => {}
                    other => panic!("{version}: {}", Error::from(other)),
                }
            }
        }
    }
}
