//! A backend that was selected: runs a compile on it and diagnoses its failures.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::deps_cache::PACK_ALONG;
use crate::backend::{BackendError, CachedImage, CleanRoom, DepsCache, Ready};
use crate::cargo::{ForwardedConfig, Function, Toolchain, Workspace};
use crate::compile::{CompileError, CompileJob, Compiled, CompiledUnits, Layout, STATE, USER};
use crate::config::Config;
use crate::engine::{Engine, EngineError, ExecSpec, Mount};
use crate::error::{Error, Result};
use crate::fingerprint::{inputs, manifest};
use crate::report::Reporter;
use crate::snapshot::Snapshot;
use crate::sys::{Input, Invocation, Sha, env, fs};
use crate::{cargo, compile};

/// What a backend is selected for.
pub struct BackendRequest<'a> {
    pub workspace: &'a Workspace,
    pub config: &'a Config,
    /// The backend of the last build. Its record of the engine's version is still valid.
    pub before: Option<&'a manifest::BackendRecord>,
}

/// The inputs of a compile.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub inputs: &'a Snapshot,
    /// Those that compiles found.
    pub found: &'a BTreeSet<String>,
    /// A digest of what a compile depends on besides its sources, and that cargo does not check.
    pub surroundings: Sha,
    /// The functions of the run that share their compiled dependencies with those that are compiled, and these.
    pub sharing: &'a [Function<'a>],
}

/// A backend that is ready to compile.
pub struct Backend {
    /// Cargo's configuration for a container.
    pub forwarded: Option<ForwardedConfig>,
    /// Cargo's target directory, as the compile sees it.
    pub target: String,
    pub record: manifest::BackendRecord,
    /// The host's toolchain, where it compiles.
    pub toolchain: Option<Toolchain>,
    /// The folders of it that are mounted into a container.
    pub toolchain_mounts: Vec<Mount>,
    pub kind: BackendKind,
}

/// What compiles.
pub enum BackendKind {
    Container {
        engine: Engine,
        ready: Ready,
        store: Option<Box<DepsCache>>,
    },
    CleanRoom(CleanRoom),
    /// The folder has the sources and the target directory.
    Host {
        folder: PathBuf,
        path: Option<OsString>,
        linker: Option<&'static str>,
        /// Variables that hide the programs by which the user's configuration runs the compiler.
        wrappers: Vec<&'static str>,
    },
}

impl Backend {
    /// Compiles `job`.
    pub fn compile(&self, job: &CompileJob, report: &mut Reporter) -> Result<Compiled, BackendError> {
        let result = match &self.kind {
            BackendKind::CleanRoom(room) => {
                // For a layer of an image, which must not depend on the terminal.
                let mut variables = self.variables(job, false, false);
                variables.extend(cargo::env::public_indexes());
                room.compile(job, &variables, report)
            }
            BackendKind::Container { engine, ready, .. } => self.with_sources(
                job,
                &ready.name,
                ready.is_new.take(),
                report,
                |delivery, report| {
                    let inner = compile::command(job, delivery.anew.all);
                    let (command, input) =
                        compile::with_delivery(job, delivery, STATE, Some(USER), inner).map_err(CompileError::Crate)?;
                    let command = self.with_its_toolchain(command)?;
                    let call =
                        in_container(engine, ready, &self.passed(job), &self.variables_for(job, report), &command);
                    self.run(&call, input, job, report)
                },
                |compiled| compiled.outside.clone(),
            ),
            BackendKind::Host { folder, path, linker, wrappers } => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                let state = folder.join(".lambda-packager").to_string_lossy().into_owned();
                self.with_sources(
                    job,
                    &name,
                    false,
                    report,
                    |delivery, report| {
                        let inner = compile::command(job, delivery.anew.all);
                        let (command, input) =
                            compile::with_delivery(job, delivery, &state, None, inner).map_err(CompileError::Crate)?;
                        let mut variables = self.variables_for(job, report);
                        // Not if there is nothing to hide: with an empty one, cargo asks the compiler again at each call.
                        variables.extend(wrappers.iter().map(|name| (name.to_string(), String::new())));
                        let call = on_host(path.as_ref(), *linker, job, &self.passed(job), &variables, &command);
                        self.run(&call, input, job, report)
                    },
                    |compiled| compiled.outside.clone(),
                )
            }
        };
        result.map_err(|error| match error {
            CompileError::Ended(error) if !error.is_interrupted() => self.diagnose(error),
            error => error.into(),
        })
    }

    fn run(
        &self,
        call: &Invocation,
        input: Input,
        job: &CompileJob,
        report: &mut Reporter,
    ) -> Result<Compiled, CompileError> {
        let report = RefCell::new(report);
        compile::run(call, input, job, &report, || self.look_after(&report))
    }

    /// Checks a compile that prints nothing: one in a paused container never ends by itself.
    fn look_after(&self, report: &RefCell<&mut Reporter>) -> Result<()> {
        let Some((engine, ready)) = self.container() else { return Ok(()) };
        match engine.inspect(&ready.id)? {
            Some(container) if container.state.status == "running" => Ok(()),
            Some(container) if container.state.status == "paused" => {
                let Ready { name, id, .. } = ready;
                report.borrow_mut().note(&format!("the container {name} was paused while compiling; resuming it"));
                Ok(engine.unpause(id)?)
            }
            // The compile would end by itself; this error comes earlier and says why.
            _ => Err(Error::engine(format!("the container {} is no longer running", ready.name))),
        }
    }

    fn diagnose(&self, error: Error) -> BackendError {
        if let BackendKind::CleanRoom(room) = &self.kind {
            return match room.engine.version() {
                Err(EngineError::Unreachable(error) | EngineError::Hangs(error)) => BackendError::Engine(error),
                _ => BackendError::Final(error),
            };
        }
        let Some((engine, ready)) = self.container() else { return BackendError::Final(error) };
        let what = |text: &str| format!("the container {} {text} while compiling", ready.name);
        match engine.inspect(&ready.id) {
            Err(EngineError::Unreachable(error) | EngineError::Hangs(error)) => BackendError::Engine(error),
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
        /// Enough for a large shared library on a busy machine.
        const TIMEOUT: Duration = Duration::from_secs(60);
        let invocation = match &self.kind {
            BackendKind::Container { engine, ready, .. } => {
                let user = Some((USER, USER));
                engine.exec(&ExecSpec { name: &ready.id, folder: "/", user, env: &[], passed_env: &[], command })
            }
            BackendKind::CleanRoom(room) => room.engine.run(&room.base, command),
            BackendKind::Host { .. } => Invocation::new(Path::new("/bin/sh")).args(&command[1..]),
        };
        let output = match self.engine() {
            Some(engine) => engine.transfer(&invocation, None)?,
            None => invocation.output(None, TIMEOUT)?,
        };
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Error::engine(format!("a command in {} failed with status {}", self.record.base, output.code))
            .source(output.stderr_text()))
    }

    /// Removes the container, for a new one.
    pub fn abandon(&self) -> Result<()> {
        self.container().map_or(Ok(()), |(engine, ready)| Ok(engine.remove(&ready.id)?))
    }

    /// The image of compiled dependencies that a new container was filled from.
    pub fn warm_start(&self) -> Option<&str> {
        self.container()?.1.warm.as_deref()
    }

    /// Whether compiled dependencies may be kept for other checkouts.
    pub fn keeps_dependencies(&self) -> bool {
        matches!(&self.kind, BackendKind::Container { store: Some(_), .. })
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

    /// Whether several functions may go through one call of cargo.
    pub fn compiles_several(&self, workspace: &Workspace, config: &Config) -> bool {
        // The clean room has a layer for each, and `cargo rustc` takes one target.
        compile::is_build(workspace, config) && !self.shares_layers()
    }

    /// Whether functions share their compiled dependencies by a layer.
    pub fn shares_layers(&self) -> bool {
        matches!(&self.kind, BackendKind::CleanRoom(_))
    }

    pub(super) fn container(&self) -> Option<(&Engine, &Ready)> {
        if let BackendKind::Container { engine, ready, .. } = &self.kind { Some((engine, ready)) } else { None }
    }

    /// Waits until the engine answers again.
    pub fn wait_for_engine(&self) -> Result<()> {
        self.engine().map_or(Ok(()), |engine| Ok(engine.wait_until_it_answers()?))
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
        functions: &'a [Function<'a>],
        seen: &Seen<'a>,
        wipe: bool,
    ) -> CompileJob<'a> {
        let BackendRequest { workspace, config, .. } = *request;
        let Seen { inputs, found, surroundings, sharing } = *seen;
        let store = if let BackendKind::Container { store, .. } = &self.kind { store.as_deref() } else { None };
        let now = fs::now_ns();
        let ids: Vec<&str> = functions.iter().map(|function| function.id.as_str()).collect();
        let name = format!("{}\0{}\0{}\0{now}", workspace.root.display(), ids.join("\0"), std::process::id());
        CompileJob {
            workspace,
            functions,
            sharing,
            config,
            layout: self.layout(request, found),
            target: &self.target,
            inputs,
            surroundings,
            compile: Sha::of(name.as_bytes()).short(16),
            wipe,
            deps: store.map(|store| (store.name(), PACK_ALONG)),
            reads_outside: self.toolchain.is_some(),
        }
    }

    fn layout(&self, request: &BackendRequest, found: &BTreeSet<String>) -> Layout {
        let mut further = inputs::outside(request.workspace, request.config, found);
        let (mut absolute, forwarded) = (&[][..], self.forwarded.as_ref());
        if let Some(forwarded) = forwarded {
            further.extend(forwarded.relative_folders.iter().cloned());
            absolute = &forwarded.absolute_folders;
        }
        let layout = Layout::of(request.workspace, &further, absolute);
        match &self.kind {
            BackendKind::Host { folder, .. } => layout.on_host(folder),
            _ => Layout { toolchain_mounts: self.toolchain_mounts.clone(), ..layout },
        }
    }

    /// The variables of the user's environment that the compile gets: the compilers' only with the toolchain that they choose
    /// from.
    fn passed(&self, job: &CompileJob) -> Vec<String> {
        let compilers = self.toolchain.iter().flat_map(|toolchain| &toolchain.compilers).cloned();
        cargo::env::passed(job.config).into_iter().chain(compilers).collect()
    }

    fn variables_for(&self, job: &CompileJob, report: &Reporter) -> Vec<(String, String)> {
        self.variables(job, report.wants_colour, report.wants_progress)
    }

    /// The variables of the inner cargo that hold no secret.
    fn variables(&self, job: &CompileJob, colour: bool, progress: bool) -> Vec<(String, String)> {
        let mut variables = compile::variables(&self.target);
        variables.extend(compile::term_env(colour, progress));
        variables.extend(compile::repository::variables(job));
        variables
    }
}

/// The call that compiles in the container; the variables `passed` are handed on by name.
pub(super) fn in_container(
    engine: &Engine,
    ready: &Ready,
    passed: &[String],
    variables: &[(String, String)],
    command: &[String],
) -> Invocation {
    engine.exec(&ExecSpec {
        name: &ready.id,
        folder: "/",
        // It begins as root, which has no rights but to put files there and to become another user.
        user: None,
        env: variables,
        passed_env: passed,
        command,
    })
}

/// The call that compiles `job` on the host, with `path` as its `PATH`.
fn on_host(
    path: Option<&OsString>,
    linker: Option<&str>,
    job: &CompileJob,
    passed: &[String],
    variables: &[(String, String)],
    command: &[String],
) -> Invocation {
    let mut environment = cargo::env::for_host_compile();
    if let Some(path) = path {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), path.clone()));
    }
    environment.push(("CARGO_TARGET_DIR".into(), job.target.into()));
    // The user's repository is around the sources; as in a container, git must not find it.
    environment.push(("GIT_CEILING_DIRECTORIES".into(), job.layout.root.clone().into()));
    if let Some(linker) = linker {
        environment.push((cargo::env::linker_of(job.config.target_arch.triple()).into(), linker.into()));
    }
    environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
    // They would lead out of what the compile sees. Where a file cannot be read, cargo says so.
    let named = cargo::config::named_by_variables(job.workspace).unwrap_or_default();
    let relative = named.into_iter().rev().filter(|named| named.is_relative && !named.is_forced);
    let placed = relative.filter_map(|named| Some((named.variable.into(), job.layout.place_of(&named.path)?.into())));
    environment.extend(placed);
    environment.extend(passed.iter().filter_map(|name| Some((name.into(), env::var_os(name)?))));
    Invocation::new(Path::new("/bin/sh")).args(&command[1..]).only(environment).folder(&job.workspace.root)
}
