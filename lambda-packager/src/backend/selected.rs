//! A backend that was selected: runs a compile on it and diagnoses its failures.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::backend::deps_cache::PACK_ALONG;
use crate::backend::{CachedImage, CleanRoom, DepsCache, Ready};
use crate::cargo::{Function, Toolchain, Workspace};
use crate::compile::{CompileError, CompileJob, Compiled, CompiledUnits, Mounts, Staleness};
use crate::config::Config;
use crate::engine::{Engine, EngineError, ExecSpec};
use crate::error::{Error, Result};
use crate::fingerprint::manifest;
use crate::report::Reporter;
use crate::snapshot::Snapshot;
use crate::sys::{Invocation, env};
use crate::{cargo, compile};

/// How long to wait for an engine that should be there: longer than its service takes to restart.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a backend is selected for.
pub struct BackendRequest<'a> {
    pub workspace: &'a Workspace,
    pub config: &'a Config,
    /// The backend of the last build. Its record of the engine's version is still valid.
    pub before: Option<&'a manifest::BackendRecord>,
}

/// A backend that is ready to compile.
pub struct Backend {
    pub mounts: Mounts,
    /// Cargo's target directory, as the compile sees it.
    pub target: String,
    pub record: manifest::BackendRecord,
    /// The host's toolchain, where it compiles.
    pub toolchain: Option<Toolchain>,
    pub kind: BackendKind,
}

/// What compiles.
pub enum BackendKind {
    Container { engine: Engine, ready: Ready, store: Option<Box<DepsCache>> },
    CleanRoom(CleanRoom),
    Host { path: Option<OsString>, linker: Option<&'static str> },
}

/// Why a compile failed: one variant for each remedy.
pub enum BackendError {
    /// Nothing: the crate does not compile, or the user interrupted.
    Final(Error),
    /// Make a new container; the text says what happened to the old one.
    Container(String, Error),
    /// Wait for the engine.
    Engine(Error),
    /// Compile with an empty target directory.
    Cache(Error),
    /// Fetch the crates again, if the user asked for it.
    Downloads(Error),
}

impl From<CompileError> for BackendError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Crate(error) | CompileError::Ended(error) => Self::Final(error),
            CompileError::Cache(error) => Self::Cache(error),
            CompileError::Downloads(error) => Self::Downloads(error),
        }
    }
}

impl Backend {
    /// Compiles `job`.
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
            BackendKind::CleanRoom(room) => {
                // For a layer of an image, which must not depend on the terminal.
                let mut variables = self.variables(job, false, false);
                variables.extend(cargo::env::registry_indexes());
                room.compile(job, &variables, report)
            }
        };
        result.map_err(|error| match error {
            CompileError::Ended(error) if !error.is_interrupted() => self.diagnose(error),
            error => error.into(),
        })
    }

    /// Checks a compile that prints nothing: one in a paused container never ends by itself.
    fn look_after(&self, report: &RefCell<&mut Reporter>) -> Result<()> {
        let Some((engine, ready)) = self.container() else { return Ok(()) };
        match engine.inspect(&ready.name)? {
            Some(container) if container.state.status == "running" => Ok(()),
            Some(container) if container.state.status == "paused" => {
                let name = &ready.name;
                report.borrow_mut().note(&format!("the container {name} was paused while compiling; resuming it"));
                Ok(engine.unpause(&ready.name)?)
            }
            // The compile would end by itself; this error comes earlier and says why.
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
        let Some((engine, ready)) = self.container() else { return BackendError::Final(error) };
        let what = |text: &str| format!("the container {} {text} while compiling", ready.name);
        match engine.inspect(&ready.name) {
            Err(EngineError::Unreachable(unreachable)) => BackendError::Engine(unreachable),
            Err(failure) => BackendError::Final(failure.into()),
            Ok(None) => BackendError::Container(what("was removed"), error),
            Ok(Some(container)) => match container.state.status.as_str() {
                "removing" | "dead" => BackendError::Container(what("was removed"), error),
                "running" => BackendError::Container(format!("{error}, in the container {}", ready.name), error),
                status => BackendError::Container(what(&format!("changed to the state {status}")), error),
            },
        }
    }

    /// The output of a short command in the environment of the compile.
    pub fn ask(&self, command: &[String]) -> Result<Vec<u8>> {
        /// Enough for a large shared library through an engine on a busy machine.
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

    /// Removes the container, for a new one.
    pub fn abandon(&self) -> Result<()> {
        self.container().map_or(Ok(()), |(engine, ready)| Ok(engine.remove(&ready.name)?))
    }

    /// The image of compiled dependencies that a new container was filled from.
    pub fn warm_start(&self) -> Option<&str> {
        self.container()?.1.warm.as_deref()
    }

    /// Whether the compile made units that the cached image lacks.
    pub fn would_keep(&self, made: &CompiledUnits) -> bool {
        matches!(&self.kind, BackendKind::Container { store: Some(store), .. } if store.lacks(made))
    }

    /// Saves the compiled units of downloaded crates as an image. `None` if they may not be kept or exceed the limit.
    pub fn keep(&self, made: &CompiledUnits) -> Result<Option<CachedImage>> {
        let BackendKind::Container { engine, ready, store: Some(store) } = &self.kind else { return Ok(None) };
        Ok(store.keep(engine, &ready.name, made)?)
    }

    fn container(&self) -> Option<(&Engine, &Ready)> {
        if let BackendKind::Container { engine, ready, .. } = &self.kind { Some((engine, ready)) } else { None }
    }

    /// Waits until the engine answers again.
    pub fn wait_for_engine(&self) -> Result<()> {
        self.engine().map_or(Ok(()), |engine| Ok(engine.wait_until_it_answers(PATIENCE)?))
    }

    /// The engine, unless the host compiles.
    pub fn engine(&self) -> Option<&Engine> {
        match &self.kind {
            BackendKind::Container { engine, .. } | BackendKind::CleanRoom(CleanRoom { engine, .. }) => Some(engine),
            BackendKind::Host { .. } => None,
        }
    }

    /// The job of compiling a function on this backend.
    pub fn job<'a>(
        &'a self,
        request: &BackendRequest<'a>,
        function: &'a Function,
        (staleness, inputs): (&'a Staleness, &'a Snapshot),
        wipe: bool,
    ) -> CompileJob<'a> {
        let BackendRequest { workspace, config, .. } = *request;
        let keeps = matches!(&self.kind, BackendKind::Container { store: Some(_), .. });
        CompileJob {
            workspace,
            function,
            config,
            mounts: &self.mounts,
            target: &self.target,
            staleness,
            inputs,
            wipe,
            pack_along: keeps.then_some(PACK_ALONG),
        }
    }

    /// The variables of the inner cargo that hold no secret.
    fn variables(&self, job: &CompileJob, colour: bool, progress: bool) -> Vec<(String, String)> {
        let mut variables = compile::variables(&self.target);
        variables.extend(compile::term_env(colour, progress));
        variables.extend(cargo::env::target_rustflags(job.config.target_arch.triple()));
        variables
    }
}

/// The call that compiles `job` in the container.
fn in_container(engine: &Engine, ready: &Ready, job: &CompileJob, variables: &[(String, String)]) -> Invocation {
    engine.exec(&ExecSpec {
        name: &ready.name,
        folder: &job.mounts.workspace,
        env: variables,
        passed_env: &passed(job.config),
        command: &compile::command(job),
    })
}

/// The call that compiles `job` on the host, with `path` as its `PATH`.
fn on_host(
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

/// The variables that are passed by name: no value stands in an argument.
fn passed(config: &Config) -> Vec<String> {
    // The index of a named registry belongs to the project, as its manifests do.
    let registries = cargo::env::registry_indexes().into_iter().map(|(name, _)| name);
    config.pass_env.iter().cloned().chain(registries).collect()
}
