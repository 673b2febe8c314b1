//! How a compile is done: in the reused container of an engine, or on the host where there is none.

use std::time::Duration;

use crate::builder::builder_image;
use crate::builder::cargo_config;
use crate::builder::clean_room::CleanRoom;
use crate::builder::compile;
use crate::builder::container::{self, Identity, TARGET, Wanted};
use crate::builder::dependencies::Store;
use crate::builder::image;
use crate::builder::layout::Layout;
use crate::cache::manifest;
use crate::cache::verdict::Reason;
use crate::config::{Base, Config, EngineChoice, env};
use crate::engine::{self, Engine, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Reporter};
use crate::fs::Sha;
use crate::lock::Lock;
use crate::toolchain::Toolchain;
pub(crate) use crate::travel::{Fault, Road, Vehicle};
use crate::workspace::Workspace;

/// How long an engine that should be there is waited for: longer than its service takes to restart.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a road is chosen for.
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
        let mut result = by_engine(traveller, &engine, report);
        if let Err(Failure::Unreachable(error)) = &result
            && is_expected(traveller, &engine)
            && error.kind() != ErrorKind::Interrupted
        {
            let message = format!("{error}; trying again for {} s", PATIENCE.as_secs());
            report.tell(&Event::Announced { message: &message });
            result = engine.wait_until_it_answers(PATIENCE).and_then(|()| by_engine(traveller, &engine, report));
        }
        match result {
            Ok(mut road) => {
                let reasons = closed.iter().map(Error::to_string).chain([road.record.fallback]);
                road.record.fallback = reasons.filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
                return Ok(road);
            }
            Err(Failure::Refused(error) | Failure::NotStarted(error)) => return Err(error),
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
        let error = error.hint_with("install and start docker or podman, or allow it with `require_container = false`");
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

/// Asks the registry for the image that the last build was compiled in: why to compile anew, if it is another now.
pub(crate) fn renewed(traveller: &Traveller, report: &mut Reporter) -> Result<Option<Reason>> {
    let Traveller { workspace, config, before } = *traveller;
    let Some(before) = before else { return Ok(None) };
    let folder = workspace.state_folder();
    let engines = engine::candidates(config.engine, &config.place_of("engine"), config.engine_timeout, &folder)?;
    let Some(engine) = engines.into_iter().find(|engine| engine.kind.program() == before.engine) else {
        return Ok(None);
    };
    let image = base_of(traveller, &engine, report).and_then(|base| match base {
        Ok(reference) => image::named(&engine, &reference, config).map(Some),
        Err(_) => Ok(None),
    });
    let image = match image {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(None),
        Err(Failure::Unreachable(error) | Failure::Forbidden(error)) if error.kind() != ErrorKind::Interrupted => {
            report.tell(&Event::Announced { message: &format!("{error}; whether there is a newer base is not known") });
            return Ok(None);
        }
        Err(failure) => return Err(failure.into()),
    };
    let differs = |name: &str, old: &str, new: &str| {
        (old != new).then(|| Reason::Setting { name: name.into(), old: old.into(), new: new.into() })
    };
    Ok(differs("base", &before.base_digest, &image.base_digest)
        .or_else(|| differs("builder image", &before.image_id, &image.identity)))
}

/// Whether an engine that does not answer is worth waiting for: it was asked for by name, or it did
/// the last build.
fn is_expected(traveller: &Traveller, engine: &Engine) -> bool {
    traveller.config.engine != EngineChoice::Auto
        || traveller.before.is_some_and(|before| before.engine == engine.kind.program())
}

fn by_engine(traveller: &Traveller, engine: &Engine, report: &mut Reporter) -> Result<Road, Failure> {
    let config = traveller.config;
    if !config.clean_room {
        return match by_container(traveller, engine, report) {
            Err(Failure::NotStarted(error)) => instead_of_container(traveller, engine, error, report),
            result => result,
        };
    }
    let why = match (&config.base, config.pass_env.first()) {
        // A build of an image has no other way for a value than one that leaves it in a layer.
        (_, Some(name)) => {
            format!("{} passes {name}, which a clean room could not forget", config.place_of("pass_env"))
        }
        _ => match base_of(traveller, engine, report)? {
            Ok(base) => return by_clean_room(traveller, engine, &base),
            Err(_) => "no image to start a clean room from".to_string(),
        },
    };
    let message = format!("{why}: compiling in the reused container, to the same bytes");
    report.tell(&Event::Announced { message: &message });
    let mut road = by_container(traveller, engine, report)?;
    road.record.fallback =
        [road.record.fallback, why].into_iter().filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
    Ok(road)
}

/// The image that brings the toolchain, or why it is this machine's that is lent; an error where that is nobody's
/// choice and not allowed.
fn base_of(traveller: &Traveller, engine: &Engine, report: &mut Reporter) -> Result<Result<String, String>, Failure> {
    let Traveller { workspace, config, .. } = *traveller;
    let base = builder_image::choose(engine, workspace, config, report)?;
    match &base {
        Err(why) if config.require_container && config.base == Base::Auto => {
            let error = Error::engine(format!(
                "no image to compile in ({why}), and {} forbids to borrow this machine's toolchain",
                config.place_of("require_container")
            ));
            Err(Failure::Refused(error.hint_with(
                "let the builder image be built where a registry answers (`--pull-policy always`) or load it with the engine's `load`, set `base` to an image with cargo and a C compiler, or choose to borrow with `base = \"host\"`",
            )))
        }
        _ => Ok(base),
    }
}

/// A clean room takes its sources from us, not from the engine's machine: it may work where no container does.
fn instead_of_container(
    traveller: &Traveller,
    engine: &Engine,
    error: Error,
    report: &mut Reporter,
) -> Result<Road, Failure> {
    let config = traveller.config;
    match base_of(traveller, engine, report)? {
        Ok(base) if config.pass_env.is_empty() => {
            let why = format!("the container does not start: {}", error.with_cause());
            report.tell(&Event::Announced { message: &format!("{why}; compiling in the clean room instead") });
            let mut road = by_clean_room(traveller, engine, &base)?;
            road.record.fallback = why;
            Ok(road)
        }
        _ => Err(Failure::Refused(error)),
    }
}

fn by_clean_room(traveller: &Traveller, engine: &Engine, base: &str) -> Result<Road, Failure> {
    let Traveller { workspace, config, .. } = *traveller;
    let image = image::named(engine, base, config)?;
    let carried = cargo_config::carry(workspace, config.target_arch).map_err(Failure::Refused)?;
    let layout = Layout::of(workspace, &carried.relative_folders);
    let user = Lock::acquire(&container::lock_file(workspace), |_| ()).and_then(|lock| lock.owner());
    let identity = Identity::of(&workspace.root, user.map_err(Failure::Refused)?.0, config);
    let engine_version = version_of(engine, traveller.before.filter(|before| before.clean_room))?;
    Ok(Road {
        layout,
        target: TARGET.to_string(),
        record: manifest::Road {
            engine: engine.kind.program().to_string(),
            engine_version,
            container: String::new(),
            clean_room: true,
            base: image.title,
            image_id: image.identity,
            base_digest: image.base_digest,
            host_toolchain: false,
            hermetic: true,
            fallback: String::new(),
        },
        toolchain: None,
        vehicle: Vehicle::CleanRoom(CleanRoom {
            engine: engine.clone(),
            base: base.to_string(),
            carried,
            labels: identity.labels(workspace, config),
            project: identity.label(),
        }),
    })
}

fn by_container(traveller: &Traveller, engine: &Engine, report: &mut Reporter) -> Result<Road, Failure> {
    let Traveller { workspace, config, .. } = *traveller;
    // Functions of one workspace share the container: one at a time may make it or replace it.
    let lock = Lock::acquire(&container::lock_file(workspace), |holder| {
        let holder = holder.map_or("another run".to_string(), |holder| holder.to_string());
        report.tell(&Event::Waiting { holder });
    })
    .map_err(Failure::Refused)?;
    // The owner of what we write here is who compiles here.
    let user = lock.owner().map_err(Failure::Refused)?;
    let identity = Identity::of(&workspace.root, user.0, config);
    // The first question to the engine is one that is worth its answer.
    let base = base_of(traveller, engine, report)?;
    let (image, toolchain) = match &base {
        Ok(reference) => (image::named(engine, reference, config)?, None),
        Err(_) => {
            let toolchain = Toolchain::to_lend(workspace, config.target_arch).map_err(Failure::Refused)?;
            (image::borrowed(&toolchain).map_err(Failure::Refused)?, Some(toolchain))
        }
    };
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
    let engine_version = version_of(engine, traveller.before.filter(|before| before.container == ready.name))?;
    let fallback = base.err().unwrap_or_default();
    Ok(Road {
        layout,
        target: TARGET.to_string(),
        record: manifest::Road {
            engine: engine.kind.program().to_string(),
            engine_version,
            container: ready.name.clone(),
            clean_room: false,
            base: image.title,
            image_id: ready.image_id.clone(),
            base_digest: image.base_digest,
            host_toolchain: toolchain.is_some(),
            hermetic: config.network == crate::config::Network::None,
            fallback,
        },
        toolchain,
        vehicle: Vehicle::Container { engine: engine.clone(), ready, store: store.map(Box::new) },
    })
}

/// The version of the engine's service. It is not asked on every build: what a build `before` on the same builder
/// was told still holds.
fn version_of(engine: &Engine, before: Option<&manifest::Road>) -> Result<String, Failure> {
    match before {
        Some(before) if before.engine == engine.kind.program() => Ok(before.engine_version.clone()),
        _ => engine.version(),
    }
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
            clean_room: false,
            base: format!("host toolchain (rustc {})", toolchain.rustc_release),
            // One target directory for each toolchain: which one it was matters as the image does.
            image_id: identity,
            base_digest: String::new(),
            host_toolchain: true,
            hermetic: false,
            fallback: why,
        },
        toolchain: Some(toolchain),
        vehicle: Vehicle::Host { path, linker },
    })
}
