//! What is done on a road that was chosen: the compile, and what is asked of its engine meanwhile and after.

pub mod base_image;
pub mod builder_image;
pub mod clean_room;
pub mod container;
pub mod deps_cache;
pub mod dockerfile;
pub mod host;
pub mod identity;
pub mod runtime_image;
pub mod runtime_libraries;
pub mod select;

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::backend::clean_room::CleanRoom;
use crate::backend::container::Ready;
use crate::backend::deps_cache::{CachedImage, DepsCache, PACK_ALONG};
use crate::cargo::toolchain::Toolchain;
use crate::cargo::{Function, Workspace};
use crate::compile::diagnose::CompileError;
use crate::compile::job::{CompileJob, Staleness};
use crate::compile::mounts::Mounts;
use crate::compile::output::Compiled;
use crate::compile::units::CompiledUnits;
use crate::config::layer::Config;
use crate::engine::{Engine, EngineError, ExecSpec};
use crate::error::{Error, Result};
use crate::fingerprint::manifest;
use crate::report::{Event, Reporter};
use crate::snapshot::record::Snapshot;
use crate::sys::env;
use crate::sys::process::Invocation;
use crate::{cargo, compile};

/// How long an engine that should be there is waited for: longer than its service takes to restart.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a road is chosen for.
pub struct BackendRequest<'a> {
    pub workspace: &'a Workspace,
    pub config: &'a Config,
    /// The road of the last build: what was learned of its engine still holds.
    pub before: Option<&'a manifest::BackendRecord>,
}

/// A way to compile that is ready to be taken.
pub struct Backend {
    pub layout: Mounts,
    /// Cargo's target directory, as the compile sees it.
    pub target: String,
    pub record: manifest::BackendRecord,
    /// The host's toolchain, where it compiles.
    pub toolchain: Option<Toolchain>,
    pub kind: BackendKind,
}

/// What does the compile.
pub enum BackendKind {
    Container { engine: Engine, ready: Ready, store: Option<Box<DepsCache>> },
    CleanRoom(CleanRoom),
    Host { path: Option<OsString>, linker: Option<&'static str> },
}

/// Why a compile failed, by what can be done about it.
pub enum BackendError {
    /// Nothing: the crate's own, or somebody's wish.
    Final(Error),
    /// A new container; what became of the old one.
    Container(String, Error),
    /// Wait for the engine.
    Engine(Error),
    /// Compile from nothing.
    Cache(Error),
    /// Fetch again, if that is wished.
    Downloads(Error),
}

impl Backend {
    /// Compiles `order` on this road.
    pub fn compile(&self, job: &CompileJob, report: &mut Reporter) -> Result<Compiled, BackendError> {
        let shown = |report: &Reporter| self.variables(job, report.wants_colour, report.wants_progress);
        let drive = |call: Invocation, report: &mut Reporter| {
            let report = RefCell::new(report);
            compile::run(&call, job, &report, || self.look_after(&report))
        };
        let result = match &self.kind {
            BackendKind::Container { engine, ready, .. } => {
                drive(in_container(engine, ready, job, &shown(report)), report)
            }
            BackendKind::Host { path, linker } => drive(on_host(path.as_ref(), *linker, job, &shown(report)), report),
            BackendKind::CleanRoom(room) => room.compile(job, &self.variables_of_layers(job), report),
        };
        result.map_err(|trouble| match trouble {
            CompileError::Crate(error) => BackendError::Final(error),
            CompileError::Cache(error) => BackendError::Cache(error),
            CompileError::Downloads(error) => BackendError::Downloads(error),
            CompileError::Ended(error) if error.is_interrupted() => BackendError::Final(error),
            CompileError::Ended(error) => self.diagnose(error),
        })
    }

    /// Sees whether a silent compile still goes on: in a paused container it never says so itself.
    fn look_after(&self, report: &RefCell<&mut Reporter>) -> Result<()> {
        let BackendKind::Container { engine, ready, .. } = &self.kind else {
            return Ok(());
        };
        match engine.inspect(&ready.name)? {
            Some(container) if container.state.status == "running" => Ok(()),
            Some(container) if container.state.status == "paused" => {
                let message = format!("the container {} was paused while compiling; resuming it", ready.name);
                report.borrow_mut().emit(&Event::Note { message: &message });
                Ok(engine.unpause(&ready.name)?)
            }
            // Its end will reach us by itself; this says why sooner.
            _ => Err(Error::engine(format!("the container {} is no longer running", ready.name))),
        }
    }

    fn diagnose(&self, error: Error) -> BackendError {
        if let BackendKind::CleanRoom(room) = &self.kind {
            return match room.engine.version() {
                Err(EngineError::Unreachable(unreachable)) => BackendError::Engine(unreachable),
                _ => BackendError::Final(error),
            };
        }
        let BackendKind::Container { engine, ready, .. } = &self.kind else {
            return BackendError::Final(error);
        };
        let what = |text: &str| format!("the container {} {text} while compiling", ready.name);
        match engine.inspect(&ready.name) {
            Err(EngineError::Unreachable(unreachable)) => BackendError::Engine(unreachable),
            Err(EngineError::Refused(refused) | EngineError::NotStarted(refused) | EngineError::Forbidden(refused)) => {
                BackendError::Final(refused)
            }
            Ok(None) => BackendError::Container(what("was removed"), error),
            Ok(Some(container)) => match container.state.status.as_str() {
                "removing" | "dead" => BackendError::Container(what("was removed"), error),
                "running" => BackendError::Container(format!("{error}, in the container {}", ready.name), error),
                status => BackendError::Container(what(&format!("changed to the state {status}")), error),
            },
        }
    }

    /// What a short command prints where the compile runs; on the host that is this machine.
    pub fn ask(&self, command: &[String]) -> Result<Vec<u8>> {
        /// Longer than a shared library takes through an engine on a busy machine.
        const TIMEOUT: Duration = Duration::from_secs(60);
        let invocation = match &self.kind {
            BackendKind::Container { engine, ready, .. } => {
                engine.exec(&ExecSpec { name: &ready.name, folder: "/", env: &[], passed_env: &[], command })
            }
            BackendKind::CleanRoom(room) => room.engine.run(&room.base, command),
            BackendKind::Host { .. } => Invocation::new(Path::new("/bin/sh")).args(&command[1..]),
        };
        let output = invocation.output(None, TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Error::engine(format!("a command in {} failed with status {}", self.record.base, output.code))
            .source(output.stderr_text()))
    }

    /// Removes the container of this road, for a new one.
    pub fn abandon(&self) -> Result<()> {
        match &self.kind {
            BackendKind::Container { engine, ready, .. } => Ok(engine.remove(&ready.name)?),
            BackendKind::CleanRoom(_) | BackendKind::Host { .. } => Ok(()),
        }
    }

    /// The image that a container which was made for this road started from.
    pub fn warm_start(&self) -> Option<&str> {
        match &self.kind {
            BackendKind::Container { ready, .. } => ready.warm.as_deref(),
            BackendKind::CleanRoom(_) | BackendKind::Host { .. } => None,
        }
    }

    /// Whether there is something to keep that is not kept already.
    pub fn would_keep(&self, made: &CompiledUnits) -> bool {
        matches!(&self.kind, BackendKind::Container { store: Some(store), .. } if store.lacks(made))
    }

    /// Keeps what was compiled of downloaded crates, for other containers.
    pub fn keep(&self, made: &CompiledUnits) -> Result<Option<CachedImage>> {
        match &self.kind {
            BackendKind::Container { engine, ready, store: Some(store) } => {
                Ok(store.keep(engine, &ready.name, made)?)
            }
            _ => Ok(None),
        }
    }

    /// Waits until the engine of this road answers again.
    pub fn wait_for_engine(&self) -> Result<()> {
        self.engine().map_or(Ok(()), |engine| Ok(engine.wait_until_it_answers(PATIENCE)?))
    }

    /// The engine, unless it compiles on the host.
    pub fn engine(&self) -> Option<&Engine> {
        match &self.kind {
            BackendKind::Container { engine, .. } | BackendKind::CleanRoom(CleanRoom { engine, .. }) => Some(engine),
            BackendKind::Host { .. } => None,
        }
    }

    /// What is to be compiled on this road.
    pub fn job<'a>(
        &'a self,
        request: &BackendRequest<'a>,
        function: &'a Function,
        (trust, inputs): (&'a Staleness, &'a Snapshot),
        wipe: bool,
    ) -> CompileJob<'a> {
        let BackendRequest { workspace, config, .. } = *request;
        let along = if let BackendKind::Container { store: Some(_), .. } = &self.kind { PACK_ALONG } else { "" };
        CompileJob {
            workspace,
            function,
            config,
            layout: &self.layout,
            target: &self.target,
            trust,
            inputs,
            wipe,
            along,
        }
    }

    /// The inner cargo's variables whose values anybody may know.
    fn variables(&self, job: &CompileJob, colour: bool, progress: bool) -> Vec<(String, String)> {
        let mut variables = compile::variables(&self.target);
        variables.extend(compile::term_env(colour, progress));
        variables.extend(cargo::env::target_rustflags(job.config.target_arch.triple()));
        variables
    }

    /// The same as a layer is made of: whatever terminal it is made from.
    fn variables_of_layers(&self, job: &CompileJob) -> Vec<(String, String)> {
        let mut variables = self.variables(job, false, false);
        variables.extend(cargo::env::registry_indexes());
        variables
    }
}

/// The call that compiles `order` in the container.
pub fn in_container(engine: &Engine, ready: &Ready, job: &CompileJob, variables: &[(String, String)]) -> Invocation {
    engine.exec(&ExecSpec {
        name: &ready.name,
        folder: &job.layout.workspace,
        env: variables,
        passed_env: &passed(job.config),
        command: &compile::command(job),
    })
}

/// The call that compiles `order` on the host; `path` is the `PATH` for it.
pub fn on_host(
    path: Option<&OsString>,
    linker: Option<&str>,
    job: &CompileJob,
    variables: &[(String, String)],
) -> Invocation {
    let mut environment = cargo::env::for_host_compile();
    if let Some(path) = path {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), path.clone()));
    }
    environment.push(("CARGO_TARGET_DIR".into(), job.target.into()));
    if let Some(linker) = linker {
        environment.push((cargo::env::linker_of(job.config.target_arch.triple()).into(), linker.into()));
    }
    environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
    let passed = passed(job.config);
    environment.extend(passed.iter().filter_map(|name| Some((name.into(), env::var_os(name)?))));
    Invocation::new(Path::new("/bin/sh"))
        .args(&compile::command(job)[1..])
        .only(environment)
        .folder(&job.workspace.root)
}

/// The variables whose values go through the environment of whoever starts the compile.
fn passed(config: &Config) -> Vec<String> {
    // Where a named registry is belongs to the project as its manifests do.
    let registries = cargo::env::registry_indexes().into_iter().map(|(name, _)| name);
    config.pass_env.iter().cloned().chain(registries).collect()
}
