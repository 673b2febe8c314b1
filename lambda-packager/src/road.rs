//! How a compile is done: in the reused container of an engine, or on the host where there is none.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::builder::cargo_config;
use crate::builder::compile::{self, Compiled, Order, Trouble};
use crate::builder::container::{self, Identity, Ready, TARGET, Wanted};
use crate::builder::dependencies::{Downloads, Kept, Store};
use crate::builder::image;
use crate::builder::layout::Layout;
use crate::cache::manifest;
use crate::config::{Base, Config, EngineChoice, env};
use crate::engine::{self, Engine, ExecSpec, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Reporter};
use crate::fs::Sha;
use crate::lock::Lock;
use crate::process::Invocation;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// How long an engine that should be there is waited for: longer than its service takes to restart.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to compile that is ready to be taken.
#[derive(Debug)]
pub(crate) struct Road {
    pub layout: Layout,
    /// Cargo's target directory, as the compile sees it.
    pub target: String,
    pub record: manifest::Road,
    /// The host's toolchain, where it compiles.
    pub toolchain: Option<Toolchain>,
    vehicle: Vehicle,
}

#[derive(Debug)]
enum Vehicle {
    Container { engine: Engine, ready: Ready, store: Option<Box<Store>> },
    Host { path: Option<std::ffi::OsString>, linker: Option<&'static str> },
}

/// What a road is chosen for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traveller<'a> {
    pub workspace: &'a Workspace,
    pub config: &'a Config,
    /// The road of the last build: what was learned of its engine still holds.
    pub before: Option<&'a manifest::Road>,
}

/// Chooses the road: the first engine that answers, else the host.
///
/// # Errors
/// Where the settings leave no road, or the one they leave is closed.
pub(crate) fn choose(traveller: &Traveller, report: &mut Reporter) -> Result<Road> {
    let config = traveller.config;
    let folder = traveller.workspace.state_folder();
    let engines = engine::candidates(config.engine, &config.place_of("engine"), config.engine_timeout, &folder)?;
    let mut closed: Vec<Error> = Vec::new();
    for engine in engines {
        let mut result = by_container(traveller, &engine, report);
        if let Err(Failure::Unreachable(error)) = &result
            && is_expected(traveller, &engine)
            && error.kind() != ErrorKind::Interrupted
        {
            let message = format!("{error}; trying again for {} s", PATIENCE.as_secs());
            report.tell(&Event::Announced { message: &message });
            result = engine.wait_until_it_answers(PATIENCE).and_then(|()| by_container(traveller, &engine, report));
        }
        match result {
            Ok(mut road) => {
                let reasons = closed.iter().map(Error::to_string).chain([road.record.fallback]);
                road.record.fallback = reasons.filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
                return Ok(road);
            }
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Unreachable(error)) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(Failure::Unreachable(error) | Failure::Forbidden(error)) => {
                if config.engine == EngineChoice::Auto {
                    report.tell(&Event::Announced { message: &error.to_string() });
                }
                closed.push(error);
            }
        }
    }
    let why = match (config.engine, closed.first()) {
        (EngineChoice::Host, _) => format!("{} asks for it", config.place_of("engine")),
        (EngineChoice::Auto, Some(error)) => error.to_string(),
        (EngineChoice::Auto, None) => "no container engine is installed".to_string(),
        (_, _) => return Err(closed.remove(0)),
    };
    let cause = closed.into_iter().next();
    if config.require_container {
        let error = Error::engine(format!(
            "no container to compile in ({why}), and {} forbids to do without",
            config.place_of("require_container")
        ));
        let error = error.hint_with("install and start docker or podman, or drop `require_container`");
        return Err(match cause {
            Some(cause) => error.source(cause),
            None => error,
        });
    }
    if let Base::Image(reference) = &config.base {
        let error = Error::engine(format!(
            "{} asks for the image {reference}, but there is no engine to run it ({why})",
            config.place_of("base")
        ));
        return Err(error.hint_with("install and start docker or podman, or set `base` to `auto`"));
    }
    on_host(traveller, why, report)
}

/// Whether an engine that does not answer is worth waiting for: it was asked for by name, or it did
/// the last build.
fn is_expected(traveller: &Traveller, engine: &Engine) -> bool {
    traveller.config.engine != EngineChoice::Auto
        || traveller.before.is_some_and(|before| before.engine == engine.kind.program())
}

fn by_container(traveller: &Traveller, engine: &Engine, report: &mut Reporter) -> Result<Road, Failure> {
    let Traveller { workspace, config, .. } = *traveller;
    // Functions of one workspace share the container: one at a time may make it or replace it.
    let lock = Lock::acquire(&workspace.state_folder().join("container.lock"), |holder| {
        let holder = holder.map_or("another run".to_string(), |holder| holder.to_string());
        report.tell(&Event::Waiting { holder });
    })
    .map_err(Failure::Refused)?;
    // The owner of what we write here is who compiles here.
    let user = lock.owner().map_err(Failure::Refused)?;
    let identity = Identity::of(&workspace.root, user.0, config);
    // The first question to the engine is one that is worth its answer.
    let toolchain = match config.base {
        Base::Image(_) => None,
        _ if !cfg!(target_os = "linux") => {
            return Err(Failure::Refused(
                Error::engine("only a Linux machine can lend its toolchain to a container")
                    .hint_with("set `base` to an image with cargo, rustc and a C compiler"),
            ));
        }
        _ => Some(Toolchain::discover(workspace, config.target_arch).map_err(Failure::Refused)?),
    };
    let image = image::resolve(engine, config, toolchain.as_ref())?;
    let carried = cargo_config::carry(workspace, config.target_arch).map_err(Failure::Refused)?;
    let mut layout = Layout::of(workspace, &carried.relative_folders);
    if toolchain.is_some() {
        layout.lent.clone_from(&image.mounts);
    }
    let wanted = Wanted {
        workspace,
        layout: &layout,
        carried: &carried,
        image: &image,
        config,
        user,
        cargo_home: &workspace.cargo_home,
    };
    let store = Store::of(&wanted, &identity).map_err(Failure::Refused)?;
    let ready = container::ensure(engine, &identity, &wanted, store.as_ref(), |message| {
        report.tell(&Event::Announced { message })
    })?;
    let name = engine.kind.program();
    // Asked once for each container, not on every build.
    let engine_version = match traveller.before {
        Some(before) if before.engine == name && before.container == ready.name => before.engine_version.clone(),
        _ => engine.version()?,
    };
    let fallback = match config.base {
        Base::Auto => "no builder image here".to_string(),
        _ => String::new(),
    };
    Ok(Road {
        layout,
        target: TARGET.to_string(),
        record: manifest::Road {
            engine: name.to_string(),
            engine_version,
            container: ready.name.clone(),
            base: image.title,
            image_id: ready.image_id.clone(),
            host_toolchain: !matches!(config.base, Base::Image(_)),
            hermetic: config.network == crate::config::Network::None,
            fallback,
        },
        toolchain,
        vehicle: Vehicle::Container { engine: engine.clone(), ready, store: store.map(Box::new) },
    })
}

fn on_host(traveller: &Traveller, why: String, report: &mut Reporter) -> Result<Road> {
    let workspace = traveller.workspace;
    let toolchain = Toolchain::discover(workspace, traveller.config.target_arch)?;
    if traveller.config.engine == EngineChoice::Auto {
        let message = format!("{why}: compiling with the host's own toolchain, which is not hermetic");
        report.tell(&Event::Announced { message: &message });
    }
    let arch = traveller.config.target_arch;
    let linker = match cargo_config::names_linker(workspace, arch.triple())? {
        true => None,
        false => arch.cross_compiler(),
    };
    let identity = Sha::of(format!("{} {}", toolchain.rustc, toolchain.cc).as_bytes()).short(12);
    // The toolchain's own programs first: no proxy has to look them up again.
    let path = env::var_os("PATH").and_then(|path| {
        let folders =
            std::iter::once(toolchain.sysroot.join("bin")).chain(std::env::split_paths(&path).map(|p| p.to_path_buf()));
        std::env::join_paths(folders).ok()
    });
    Ok(Road {
        layout: Layout::of_the_host(workspace),
        target: compile::host_target(&workspace.state_folder(), &identity),
        record: manifest::Road {
            engine: "host".into(),
            engine_version: String::new(),
            container: String::new(),
            base: format!("host toolchain (rustc {})", toolchain.rustc_release),
            // One target directory for each toolchain: which one it was matters as the image does.
            image_id: identity,
            host_toolchain: true,
            hermetic: false,
            fallback: why,
        },
        toolchain: Some(toolchain),
        vehicle: Vehicle::Host { path, linker },
    })
}

/// Why a compile failed, by what can be done about it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing: the crate's own, or somebody's wish.
    Final(Error),
    /// A new container; what became of the old one.
    Container(String, Error),
    /// Wait for the engine.
    Engine(Error),
    /// Compile from nothing.
    Cache(Error),
}

impl Road {
    /// Compiles `order` on this road.
    pub fn compile(&self, order: &Order, report: &mut Reporter) -> Result<Compiled, Fault> {
        let invocation = self.invocation(order, report);
        let report = RefCell::new(report);
        let result = compile::run(&invocation, order, &report, || self.look_after(&report));
        result.map_err(|trouble| match trouble {
            Trouble::Crate(error) => Fault::Final(error),
            Trouble::Cache(error) => Fault::Cache(error),
            Trouble::Ended(error) if error.kind() == ErrorKind::Interrupted => Fault::Final(error),
            Trouble::Ended(error) => self.diagnose(error),
        })
    }

    /// Sees whether a silent compile still goes on: in a paused container it never says so itself.
    fn look_after(&self, report: &RefCell<&mut Reporter>) -> Result<()> {
        let Vehicle::Container { engine, ready, .. } = &self.vehicle else {
            return Ok(());
        };
        match engine.inspect(&ready.name)? {
            Some(container) if container.state.status == "running" => Ok(()),
            Some(container) if container.state.status == "paused" => {
                let message = format!("the container {} was paused while compiling; it goes on", ready.name);
                report.borrow_mut().tell(&Event::Announced { message: &message });
                Ok(engine.unpause(&ready.name)?)
            }
            // Its end will reach us by itself; this says why sooner.
            _ => Err(Error::engine(format!("the container {} does not run any more", ready.name))),
        }
    }

    fn diagnose(&self, error: Error) -> Fault {
        let Vehicle::Container { engine, ready, .. } = &self.vehicle else {
            return Fault::Final(error);
        };
        let what = |text: &str| format!("the container {} {text} while compiling", ready.name);
        match engine.inspect(&ready.name) {
            Err(Failure::Unreachable(unreachable)) => Fault::Engine(unreachable),
            Err(Failure::Refused(refused) | Failure::Forbidden(refused)) => Fault::Final(refused),
            Ok(None) => Fault::Container(what("was removed"), error),
            Ok(Some(container)) => match container.state.status.as_str() {
                "removing" | "dead" => Fault::Container(what("was removed"), error),
                "running" => Fault::Container(format!("{error}, in the container {}", ready.name), error),
                status => Fault::Container(what(&format!("became {status}")), error),
            },
        }
    }

    /// What a short command prints where the compile runs; on the host that is this machine.
    #[cfg(feature = "cli")]
    pub fn ask(&self, command: &[String]) -> Result<Vec<u8>> {
        /// Longer than a shared library takes through an engine on a busy machine.
        const TIMEOUT: Duration = Duration::from_secs(60);
        let invocation = match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => {
                engine.exec(&ExecSpec { name: &ready.name, folder: "/", env: &[], passed_env: &[], command })
            }
            Vehicle::Host { .. } => Invocation::new(Path::new("/bin/sh")).args(&command[1..]),
        };
        let output = invocation.capture(None, TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Error::engine(format!("a command in {} failed with status {}", self.record.base, output.code))
            .source(output.stderr_text()))
    }

    /// Removes the container of this road, for a new one.
    pub fn abandon(&self) -> Result<()> {
        match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => Ok(engine.remove(&ready.name)?),
            Vehicle::Host { .. } => Ok(()),
        }
    }

    /// The image that a container which was made for this road started from.
    pub fn warm_start(&self) -> Option<&str> {
        match &self.vehicle {
            Vehicle::Container { ready, .. } => ready.warm.as_deref(),
            Vehicle::Host { .. } => None,
        }
    }

    /// Whether there is something to keep that is not kept already.
    pub fn would_keep(&self, made: &Downloads) -> bool {
        matches!(&self.vehicle, Vehicle::Container { store: Some(store), .. } if store.lacks(made))
    }

    /// Keeps what was compiled of downloaded crates, for other containers.
    pub fn keep(&self, made: &Downloads) -> Result<Option<Kept>> {
        match &self.vehicle {
            Vehicle::Container { engine, ready, store: Some(store) } => Ok(store.keep(engine, &ready.name, made)?),
            _ => Ok(None),
        }
    }

    /// Waits until the engine of this road answers again.
    pub fn wait_for_engine(&self) -> Result<()> {
        match &self.vehicle {
            Vehicle::Container { engine, .. } => Ok(engine.wait_until_it_answers(PATIENCE)?),
            Vehicle::Host { .. } => Ok(()),
        }
    }

    /// The call that compiles `order` on this road.
    fn invocation(&self, order: &Order, report: &Reporter) -> Invocation {
        let command = compile::command(order);
        let config = order.config;
        let mut variables = compile::variables(report, &self.target);
        variables.extend(env::target_rustflags(config.target_arch.triple()));
        // Where a named registry is belongs to the project as its manifests do.
        let registries = env::registry_indexes().into_iter().map(|(name, _)| name);
        let passed: Vec<String> = config.pass_env.iter().cloned().chain(registries).collect();
        match &self.vehicle {
            Vehicle::Container { engine, ready, .. } => engine.exec(&ExecSpec {
                name: &ready.name,
                folder: &self.layout.workspace,
                env: &variables,
                passed_env: &passed,
                command: &command,
            }),
            Vehicle::Host { path, linker } => {
                let mut environment = env::for_host_compile();
                if let Some(path) = path {
                    environment.retain(|(name, _)| name != "PATH");
                    environment.push(("PATH".into(), path.clone()));
                }
                environment.push(("CARGO_TARGET_DIR".into(), (&self.target).into()));
                if let Some(linker) = linker {
                    environment.push((env::linker_of(config.target_arch.triple()).into(), linker.into()));
                }
                environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
                environment.extend(passed.iter().filter_map(|name| Some((name.into(), env::var_os(name)?))));
                Invocation::new(Path::new("/bin/sh"))
                    .args(&command[1..])
                    .only(environment)
                    .folder(&order.workspace.root)
            }
        }
    }
}

impl std::fmt::Display for manifest::Road {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.container.is_empty() {
            write!(f, "{}, no container, not hermetic", self.base)?;
        } else {
            write!(f, "{} {}, container {}, {}", self.engine, self.engine_version, self.container, self.base)?;
        }
        if self.fallback.is_empty() { Ok(()) } else { write!(f, " ({})", self.fallback) }
    }
}
