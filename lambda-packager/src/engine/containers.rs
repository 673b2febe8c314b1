//! What an engine does with containers.

use std::thread;
use std::time::{Duration, Instant};

use crate::engine::{Cause, Container, ContainerSpec, Engine, EngineError, ExecSpec, args, inspect};
use crate::error::Result;
use crate::sys::{Input, Invocation};

impl Engine {
    /// The container `name`; `None` if there is none. Every engine that works answers this call, so it also shows
    /// whether the engine can be reached.
    pub fn inspect(&self, name: &str) -> Result<Option<Container>, EngineError> {
        self.look_up("container", name, inspect::parse)
    }

    /// All of our containers with a label, running or not, with their sizes. Those that somebody else made, of an image
    /// with our labels, are left out.
    pub fn containers_with(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        let filter = format!("label={label}");
        let listed = self.succeed(self.call(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]), None)?;
        let listed = listed.stdout_text();
        let ids: Vec<&str> = listed.lines().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.output(self.call(&["container", "inspect", "--size"]).args(&ids), None)?;
        // If one was removed in between, the call fails, but stdout has the others.
        let mut all = inspect::parse_all(&output.stdout).map_err(|_| self.failure("container inspect", &output))?;
        all.retain(Container::is_ours);
        Ok(all)
    }

    /// Creates a container and its volumes, with the same labels, without starting it.
    pub fn create(&self, spec: &ContainerSpec) -> Result<(), EngineError> {
        for volume in spec.volumes.iter().filter(|_| !args::labels_volumes(self.kind)) {
            self.create_volume(&volume.name, &spec.all_labels())?;
        }
        let created = self.succeed(self.call(&args::create(self.kind, spec)), None);
        created.map(drop).map_err(|failure| self.unless_damaged(failure, &spec.image))
    }

    /// Unpacks a tar archive into a folder of a container, running or not, with the archive's owners and modes. The
    /// folder must lie in a volume: docker unpacks nothing into a file system that is read-only.
    pub fn unpack_into(&self, name: &str, folder: &str, tar: impl Into<Input>) -> Result<(), EngineError> {
        self.succeed_in_transfer(&self.call(&args::unpack(self.kind, name, folder)), Some(tar.into())).map(drop)
    }

    pub fn start(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["start", name]), None).map(drop)
    }

    /// Stops a container; the engine kills it if it does not end within 2 seconds.
    pub fn stop(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["stop", "--time", "2", name]), None).map(drop)
    }

    pub fn unpause(&self, name: &str) -> Result<(), EngineError> {
        self.succeed(self.call(&["unpause", name]), None).map(drop)
    }

    /// Removes a container, running or not, with its own file system. Afterwards its name is free. Volumes with a name
    /// stay.
    pub fn remove(&self, name: &str) -> Result<(), EngineError> {
        let output = self.output(self.call(&["rm", "--force", "--volumes", name]), None)?;
        match Cause::of("rm", &output) {
            _ if output.success() => return Ok(()),
            Cause::Absent => return Ok(()),
            Cause::BeingRemoved => {}
            _ => return Err(self.failure("rm", &output)),
        }
        // Another process is removing it. Until that is done, the name is taken.
        let deadline = Instant::now() + self.timeout;
        while self.inspect(name)?.is_some() {
            if Instant::now() > deadline {
                return Err(self.failure("rm", &output));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// The call that runs a program in a running container, for streaming. It takes the values of `passed_env` from
    /// the environment of the engine's command line; its arguments never hold them.
    pub fn exec(&self, spec: &ExecSpec) -> Invocation {
        self.call(&args::exec(spec))
    }

    /// The call for an interactive shell in a running container.
    pub fn shell(&self, name: &str, user: (u32, u32), folder: &str) -> Invocation {
        self.call(&args::shell(name, user, folder))
    }
}
