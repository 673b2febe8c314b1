//! Container engines, driven through their command lines.

mod args;
mod copy;
mod detect;
mod inspect;

use std::cell::Cell;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub use args::{BuildSpec, ContainerSpec, ExecSpec, Mount, WayOut};
pub use copy::file_in;
pub use detect::candidates;
pub use inspect::{Container, Image};

use crate::error::{Error, Result};
use crate::sys::process::{Invocation, Output, Stream};

/// Which program it is: they differ in small ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
    Finch,
    Nerdctl,
}

impl Kind {
    pub fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Finch => "finch",
            Self::Nerdctl => "nerdctl",
        }
    }
}

/// An engine's command line.
#[derive(Debug, Clone)]
pub struct Engine {
    pub kind: Kind,
    program: PathBuf,
    /// How long it may take for what takes it a fraction of a second.
    timeout: Duration,
    /// Where it runs: podman's monitor of a container stays there as long as the container lives, and
    /// leaves a file `oom` when that lacks memory. Among the sources that would be an input.
    folder: PathBuf,
}

/// Why an engine did not do what it was asked.
pub enum EngineError {
    /// Nobody answers: no service, no socket.
    Unreachable(Error),
    /// It is there, but not for this user; waiting does not change that.
    Forbidden(Error),
    /// It answered, with an error.
    Refused(Error),
    /// It cannot make the container, or not start it.
    NotStarted(Error),
}

impl From<EngineError> for Error {
    fn from(failure: EngineError) -> Self {
        match failure {
            EngineError::Unreachable(error)
            | EngineError::Forbidden(error)
            | EngineError::Refused(error)
            | EngineError::NotStarted(error) => error,
        }
    }
}

impl Engine {
    /// The state of the container `name`, `None` where there is none. Any engine that answers at
    /// all answers this, so it is also the probe.
    pub fn inspect(&self, name: &str) -> Result<Option<Container>, EngineError> {
        self.look_up("container", name, inspect::parse)
    }

    /// What the engine tells of a thing by its name, `None` where there is none.
    fn look_up<T>(&self, what: &str, name: &str, parse: fn(&[u8]) -> Result<T>) -> Result<Option<T>, EngineError> {
        let output = self.output(self.call(&[what, "inspect", name]), None)?;
        if output.success() {
            return parse(&output.stdout).map(Some).map_err(EngineError::Refused);
        }
        if inspect::says_absent(&output.stderr_text()) {
            return Ok(None);
        }
        Err(self.failure(&format!("{what} inspect"), &output))
    }

    /// Waits for an engine that does not answer, each time twice as long and a little more or less, so
    /// that those who wait with us do not all come back at once.
    pub fn wait_until_it_answers(&self, limit: Duration) -> Result<(), EngineError> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(100);
        loop {
            match self.version() {
                Err(EngineError::Unreachable(error))
                    if error.is_interrupted() || Instant::now() + pause >= deadline =>
                {
                    return Err(EngineError::Unreachable(error));
                }
                Err(EngineError::Unreachable(_)) => {}
                Ok(_) => return Ok(()),
                Err(refused) => return Err(refused),
            }
            let jitter = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
            thread::sleep(pause.mul_f64(0.75 + 0.5 * f64::from(jitter % 1000) / 1000.0));
            pause *= 2;
        }
    }

    /// The version of the engine's service.
    pub fn version(&self) -> Result<String, EngineError> {
        let format = match self.kind {
            Kind::Podman => "{{.Client.Version}}",
            _ => "{{.Server.Version}}",
        };
        let output = self.succeed(self.call(&["version", "--format", format]), None)?;
        Ok(output.stdout_text())
    }

    /// The id of the image `reference`, `None` where the engine has none.
    pub fn image_id(&self, reference: &str) -> Result<Option<String>, EngineError> {
        Ok(self.image(reference)?.map(|image| image.id))
    }

    /// The call that builds an image from a context on its standard input, to be narrated.
    pub fn build(&self, spec: &BuildSpec) -> Invocation {
        self.call(&args::build(self.kind, spec))
    }

    /// Whether what builds images here can also hand over a stage's files: then no image is made of them, no
    /// container of that, and neither has to be removed. The client tells, for the builder that it would use:
    /// BuildKit has the option, docker's legacy builder has not.
    pub fn hands_over_files(&self) -> Result<bool, EngineError> {
        if self.kind != Kind::Docker {
            return Ok(false);
        }
        Ok(self.succeed(self.call(&["build", "--help"]), None)?.stdout_text().contains("--output "))
    }

    /// What a failed build died of, by what it said.
    pub fn failure_of_build(&self, code: i32, said: &str) -> EngineError {
        self.failure("build", &Output { code, stdout: Vec::new(), stderr: said.into() })
    }

    /// A file of an image, which need not be able to run.
    pub fn file_of_image(&self, image: &str, path: &str, labels: &[String]) -> Result<Vec<u8>, EngineError> {
        let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
        let create = self.call(&["create"]).args(&labels).args(&["--network", "none", image, "none"]);
        let id = self.succeed(create, None)?.stdout_text();
        let copied = self.succeed(self.call(&["cp", &format!("{id}:{path}"), "-"]), None);
        let removed = self.remove(&id);
        let tar = copied?.stdout;
        removed?;
        copy::file_in(&tar, path).map_err(EngineError::Refused)
    }

    /// The image `reference`, `None` where the engine has none.
    pub fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.look_up("image", reference, inspect::parse_image)
    }

    /// Gives an image one more name.
    pub fn tag(&self, id: &str, reference: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["tag", id, reference]), None).map(drop)
    }

    /// The call that runs a short command in an image.
    pub fn run(&self, image: &str, command: &[String]) -> Invocation {
        self.call(&["run", "--rm", "--network", "none", image]).args(command)
    }

    /// Makes an image of one layer out of a tar archive.
    pub fn import(&self, tar: Vec<u8>, reference: &str, labels: &[String]) -> Result<(), EngineError> {
        self.succeed(self.call(&args::import(reference, labels)), Some(tar)).map(drop)
    }

    /// Loads images from an archive that names them.
    pub fn load(&self, archive: Vec<u8>) -> Result<(), EngineError> {
        self.succeed(self.call(&["load", "--quiet"]), Some(archive)).map(drop)
    }

    /// Pulls an image, for as long as that takes once its registry answered.
    pub fn pull(&self, reference: &str) -> Result<(), EngineError> {
        const FIRST_WORD: Duration = Duration::from_secs(15);
        let (mut said, answered) = (String::new(), Cell::new(false));
        let hear = |_: Stream, piece: &[u8]| {
            let text = String::from_utf8_lossy(piece);
            // What podman says before it asked anybody.
            let own = |line: &str| line.starts_with("Trying to pull") || line.starts_with("Resolv");
            answered.set(answered.get() || !text.lines().all(own));
            said.push_str(&text);
        };
        let silence = || match answered.get() {
            true => Ok(()),
            false => Err(Error::engine(format!(
                "the registry of {reference} did not answer within {} s",
                FIRST_WORD.as_secs()
            ))
            .hint_with("check the network and the engine's proxy, or load the image with the engine's `load`")),
        };
        let code = self.call(&["pull", reference]).stream_both(Vec::new(), FIRST_WORD, hear, silence);
        match code.map_err(EngineError::Refused)? {
            0 => Ok(()),
            code => Err(self.failure("pull", &Output { code, stdout: Vec::new(), stderr: said.into() })),
        }
    }

    /// Creates a container without starting it.
    pub fn create(&self, spec: &ContainerSpec) -> Result<(), EngineError> {
        self.succeed(self.call(&args::create(self.kind, spec)), None).map(drop)
    }

    /// Unpacks a tar archive into a container's own file system; owners and modes as in the archive.
    pub fn unpack_into(&self, name: &str, tar: Vec<u8>) -> Result<(), EngineError> {
        self.succeed(self.call(&["cp", "-", &format!("{name}:/")]), Some(tar)).map(drop)
    }

    pub fn start(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["start", name]), None).map(drop)
    }

    /// Stops a container, by force if it does not end at once.
    pub fn stop(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["stop", "--time", "2", name]), None).map(drop)
    }

    /// All containers with a label, running or not, with their sizes.
    pub fn containers_with(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        let filter = format!("label={label}");
        let listed = self.succeed(self.call(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]), None)?;
        let listed = listed.stdout_text();
        let ids: Vec<&str> = listed.lines().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.call(&["container", "inspect", "--size"]).args(&ids);
        let output = self.output(call, None)?;
        // One that went meanwhile makes the call fail and leaves the others on stdout.
        inspect::parse_all(&output.stdout).map_err(|_| self.failure("container inspect", &output))
    }

    /// All images with a label, those too that only others stand on.
    pub fn images_with(&self, label: &str) -> Result<Vec<Image>, EngineError> {
        let filter = format!("label={label}");
        let listed = self
            .succeed(self.call(&["images", "--all", "--quiet", "--no-trunc", "--filter", &filter]), None)?
            .stdout_text();
        let mut ids: Vec<&str> = listed.lines().collect();
        ids.sort_unstable();
        ids.dedup();
        // One that went meanwhile is not there.
        ids.into_iter().filter_map(|id| self.image(id).transpose()).collect()
    }

    /// Removes an image; false if a container still uses it. Never by force: podman would remove the
    /// containers along with it, whoever's they are.
    pub fn remove_image(&self, id: &str) -> Result<bool, EngineError> {
        self.remove_names(&[id.to_string()])
    }

    /// Removes names of images, and with its last name each image; false if a container still uses one.
    pub fn remove_names(&self, names: &[String]) -> Result<bool, EngineError> {
        if names.is_empty() {
            return Ok(true);
        }
        let output = self.output(self.call(&["rmi"]).args(names), None)?;
        let said = output.stderr_text().to_lowercase();
        if output.success() || inspect::says_absent(&said) {
            return Ok(true);
        }
        if said.contains("is using")
            || said.contains("in use")
            || said.contains("being used")
            || said.contains("dependent child")
        {
            return Ok(false);
        }
        Err(self.failure("rmi", &output))
    }

    /// Where the engine keeps its data, on this machine or on its own.
    pub fn data_folder(&self) -> Result<PathBuf, EngineError> {
        let format = match self.kind {
            Kind::Podman => "{{.Store.GraphRoot}}",
            _ => "{{.DockerRootDir}}",
        };
        Ok(self.succeed(self.call(&["info", "--format", format]), None)?.stdout_text().into())
    }

    /// The call for an interactive shell in a running container.
    pub fn shell(&self, name: &str) -> Invocation {
        self.call(&["exec", "--interactive", "--tty", "--workdir", "/workspace", name, "sh"])
    }

    pub fn unpause(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["unpause", name]), None).map(drop)
    }

    /// Removes a container, running or not, with its own file system; afterwards its name is free.
    pub fn remove(&self, name: &str) -> Result<(), EngineError> {
        let output = self.output(self.call(&["rm", "--force", "--volumes", name]), None)?;
        let said = output.stderr_text();
        if output.success() || inspect::says_absent(&said) {
            return Ok(());
        }
        if !said.contains("already in progress") {
            return Err(self.failure("rm", &output));
        }
        // Somebody else removes it; until that is done its name is taken.
        let deadline = Instant::now() + self.timeout;
        while self.inspect(name)?.is_some() {
            if Instant::now() > deadline {
                return Err(self.failure("rm", &output));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The call that runs a program in a running container, to be streamed. The values of
    /// `passed_env` go through the environment of the engine's command line, never its arguments.
    pub fn exec(&self, spec: &ExecSpec) -> Invocation {
        self.call(&args::exec(spec))
    }

    fn call(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> Invocation {
        Invocation::new(&self.program).args(args).folder(&self.folder)
    }

    fn output(&self, call: Invocation, input: Option<Vec<u8>>) -> Result<Output, EngineError> {
        call.output(input, self.timeout).map_err(EngineError::Unreachable)
    }

    fn succeed(&self, call: Invocation, input: Option<Vec<u8>>) -> Result<Output, EngineError> {
        let output = self.output(call.clone(), input)?;
        let verb = call.args.first().map_or_else(String::new, |verb| verb.to_string_lossy().into_owned());
        if output.success() { Ok(output) } else { Err(self.failure(&verb, &output)) }
    }

    fn failure(&self, verb: &str, output: &Output) -> EngineError {
        let name = self.kind.program();
        let said = output.stderr_text();
        let lower = said.to_lowercase();
        let error = |message: String| Error::engine(message).source(said.clone());
        if lower.contains("permission denied") && lower.contains("connect") {
            return EngineError::Forbidden(error(format!("this user is not allowed to use {name}")).hint_with(format!(
                "add the user to the group that owns the engine's socket (for docker: `sudo usermod -aG docker $USER`, then log in again), run {name} rootless, or set `engine`"
            )));
        }
        let nobody = [
            "cannot connect to",
            "is the docker daemon running",
            "connection refused",
            "no such file or directory: dial",
            "unable to connect",
            "failed to connect",
        ];
        if nobody.iter().any(|phrase| lower.contains(phrase)) {
            let (start, check) = match self.kind {
                Kind::Docker => ("sudo systemctl start docker", "DOCKER_HOST and `docker context ls`"),
                Kind::Podman => ("podman machine start", "CONTAINER_HOST and `podman system connection list`"),
                Kind::Finch => ("finch vm start", "`finch vm status`"),
                Kind::Nerdctl => ("sudo systemctl start containerd", "CONTAINERD_ADDRESS"),
            };
            return EngineError::Unreachable(
                error(format!("no {name} engine answers"))
                    .hint_with(format!("start it (`{start}`), check {check}, or set `engine = \"host\"`")),
            );
        }
        EngineError::Refused(error(format!("`{name} {verb}` failed with status {}", output.code)))
    }
}
