//! How a compile is done: in the reused container of an engine, or on the host where there is none.

use crate::backend::clean_room::CleanRoom;
use crate::backend::container::Wanted;
use crate::backend::deps_cache::DepsCache;
use crate::backend::host::on_host;
use crate::backend::identity::{Identity, lock_file};
pub use crate::backend::{Backend, BackendKind};
use crate::backend::{BackendRequest, PATIENCE, base_image, builder_image, container};
use crate::cargo::config as cargo_config;
use crate::cargo::toolchain::Toolchain;
use crate::compile::mounts::{Mounts, TARGET};
use crate::config::{Base, EngineChoice};
use crate::engine;
use crate::engine::{Engine, EngineError};
use crate::error::{Error, Result};
use crate::fingerprint::manifest;
use crate::fingerprint::verdict::Reason;
use crate::report::{Event, Reporter};
use crate::sys::lock::Lock;

/// Chooses the road: the first engine that answers, else the host.
///
/// # Errors
/// Where the settings leave no road, or the one they leave is closed.
pub fn select(request: &BackendRequest, report: &mut Reporter) -> Result<Backend> {
    let config = request.config;
    let folder = request.workspace.state_folder();
    let engines = engine::candidates(config.engine, &config.place_of("engine"), config.engine_timeout, &folder)?;
    let mut closed: Vec<Error> = Vec::new();
    for engine in engines {
        let mut result = by_engine(request, &engine, report);
        if let Err(EngineError::Unreachable(error)) = &result
            && is_expected(request, &engine)
            && !error.is_interrupted()
        {
            let message = format!("{error}; trying again for {} s", PATIENCE.as_secs());
            report.emit(&Event::Note { message: &message });
            result = engine.wait_until_it_answers(PATIENCE).and_then(|()| by_engine(request, &engine, report));
        }
        match result {
            Ok(mut backend) => {
                let reasons = closed.iter().map(Error::to_string).chain([backend.record.fallback]);
                backend.record.fallback = reasons.filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
                return Ok(backend);
            }
            Err(EngineError::Refused(error) | EngineError::NotStarted(error)) => return Err(error),
            Err(EngineError::Unreachable(error)) if error.is_interrupted() => return Err(error),
            Err(EngineError::Unreachable(error) | EngineError::Forbidden(error)) => {
                if config.engine == EngineChoice::Auto {
                    report.emit(&Event::Note { message: &error.to_string() });
                }
                closed.push(error);
            }
        }
    }
    let why = match (config.engine, closed.first()) {
        (EngineChoice::Host, _) => format!("set by {}", config.place_of("engine")),
        (EngineChoice::Auto, Some(error)) => error.to_string(),
        (EngineChoice::Auto, None) => "no container engine is installed".to_string(),
        (_, _) => return Err(closed.remove(0)),
    };
    let cause = closed.into_iter().next();
    if config.require_container {
        let error = Error::engine(format!(
            "there is no container to compile in ({why}), and {} does not allow falling back to the host",
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
            "{} is set to the image {reference}, but there is no engine to run it ({why})",
            config.place_of("base")
        ));
        return Err(error.hint_with("install and start docker or podman, or set `base` to `auto`"));
    }
    on_host(request, why, report)
}

/// Asks the registry for the image that the last build was compiled in: why to compile anew, if it is another now.
pub fn renewed(request: &BackendRequest, report: &mut Reporter) -> Result<Option<Reason>> {
    let BackendRequest { workspace, config, before } = *request;
    let Some(before) = before else { return Ok(None) };
    let folder = workspace.state_folder();
    let engines = engine::candidates(config.engine, &config.place_of("engine"), config.engine_timeout, &folder)?;
    let Some(engine) = engines.into_iter().find(|engine| engine.kind.program() == before.engine) else {
        return Ok(None);
    };
    let image = base_of(request, &engine, report).and_then(|base| match base {
        Ok(reference) => base_image::named(&engine, &reference, config).map(Some),
        Err(_) => Ok(None),
    });
    let image = match image {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(None),
        Err(EngineError::Unreachable(error) | EngineError::Forbidden(error)) if !error.is_interrupted() => {
            report.emit(&Event::Note { message: &format!("{error}; could not check for a newer base") });
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
fn is_expected(request: &BackendRequest, engine: &Engine) -> bool {
    request.config.engine != EngineChoice::Auto
        || request.before.is_some_and(|before| before.engine == engine.kind.program())
}

fn by_engine(request: &BackendRequest, engine: &Engine, report: &mut Reporter) -> Result<Backend, EngineError> {
    let config = request.config;
    if !config.clean_room {
        return match by_container(request, engine, report) {
            Err(EngineError::NotStarted(error)) => instead_of_container(request, engine, error, report),
            result => result,
        };
    }
    let why = match (&config.base, config.pass_env.first()) {
        // A build of an image has no other way for a value than one that leaves it in a layer.
        (_, Some(name)) => {
            format!("{} passes {name}, which a clean room would store in an image layer", config.place_of("pass_env"))
        }
        _ => match base_of(request, engine, report)? {
            Ok(base) => return by_clean_room(request, engine, &base),
            Err(_) => "no image to start a clean room from".to_string(),
        },
    };
    let message = format!("{why}: compiling in the reused container instead, which makes the same bytes");
    report.emit(&Event::Note { message: &message });
    let mut backend = by_container(request, engine, report)?;
    backend.record.fallback =
        [backend.record.fallback, why].into_iter().filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ");
    Ok(backend)
}

/// The image that brings the toolchain, or why it is this machine's that is lent; an error where that is nobody's
/// choice and not allowed.
fn base_of(
    request: &BackendRequest,
    engine: &Engine,
    report: &mut Reporter,
) -> Result<Result<String, String>, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    let base = builder_image::choose(engine, workspace, config, report)?;
    match &base {
        Err(why) if config.require_container && config.base == Base::Auto => {
            let error = Error::engine(format!(
                "there is no image to compile in ({why}), and {} does not allow using the host's toolchain",
                config.place_of("require_container")
            ));
            Err(EngineError::Refused(error.hint_with(
                "connect to a registry and build the builder image (`--pull-policy always`), or load it with the engine's `load`, or set `base` to an image with cargo and a C compiler, or use the host's toolchain with `base = \"host\"`",
            )))
        }
        _ => Ok(base),
    }
}

/// A clean room takes its sources from us, not from the engine's machine: it may work where no container does.
fn instead_of_container(
    request: &BackendRequest,
    engine: &Engine,
    error: Error,
    report: &mut Reporter,
) -> Result<Backend, EngineError> {
    let config = request.config;
    match base_of(request, engine, report)? {
        Ok(base) if config.pass_env.is_empty() => {
            let why = format!("the container does not start: {}", error.with_cause());
            report.emit(&Event::Note { message: &format!("{why}; compiling in the clean room instead") });
            let mut backend = by_clean_room(request, engine, &base)?;
            backend.record.fallback = why;
            Ok(backend)
        }
        _ => Err(EngineError::Refused(error)),
    }
}

fn by_clean_room(request: &BackendRequest, engine: &Engine, base: &str) -> Result<Backend, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    let image = base_image::named(engine, base, config)?;
    let forwarded = cargo_config::carry(workspace, config.target_arch).map_err(EngineError::Refused)?;
    let layout = Mounts::of(workspace, &forwarded.relative_folders);
    let user = Lock::acquire(&lock_file(workspace), |_| ()).and_then(|lock| lock.owner());
    let identity = Identity::of(&workspace.root, user.map_err(EngineError::Refused)?.0, config);
    let engine_version = version_of(engine, request.before.filter(|before| before.clean_room))?;
    Ok(Backend {
        layout,
        target: TARGET.to_string(),
        record: manifest::BackendRecord {
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
        kind: BackendKind::CleanRoom(CleanRoom {
            engine: engine.clone(),
            base: base.to_string(),
            forwarded,
            labels: identity.labels(workspace, config),
            project: identity.label(),
        }),
    })
}

fn by_container(request: &BackendRequest, engine: &Engine, report: &mut Reporter) -> Result<Backend, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    // Functions of one workspace share the container: one at a time may make it or replace it.
    let lock = Lock::acquire(&lock_file(workspace), |holder| {
        let holder = holder.map_or("another run".to_string(), |holder| holder.to_string());
        report.emit(&Event::Waiting { holder });
    })
    .map_err(EngineError::Refused)?;
    // The owner of what we write here is who compiles here.
    let user = lock.owner().map_err(EngineError::Refused)?;
    let identity = Identity::of(&workspace.root, user.0, config);
    // The first question to the engine is one that is worth its answer.
    let base = base_of(request, engine, report)?;
    let (image, toolchain) = match &base {
        Ok(reference) => (base_image::named(engine, reference, config)?, None),
        Err(_) => {
            let toolchain = Toolchain::to_mount(workspace, config.target_arch).map_err(EngineError::Refused)?;
            (base_image::borrowed(&toolchain).map_err(EngineError::Refused)?, Some(toolchain))
        }
    };
    let forwarded = cargo_config::carry(workspace, config.target_arch).map_err(EngineError::Refused)?;
    let mut layout = Mounts::of(workspace, &forwarded.relative_folders);
    if toolchain.is_some() {
        layout.toolchain_mounts.clone_from(&image.mounts);
    }
    let wanted = Wanted {
        workspace,
        layout: &layout,
        forwarded: &forwarded,
        image: &image,
        config,
        user,
        cargo_home: &workspace.cargo_home,
    };
    let store = DepsCache::of(&wanted, &identity).map_err(EngineError::Refused)?;
    let fill = || match &store {
        Some(store) => store.fill(engine, &identity.name, &identity),
        None => Ok(None),
    };
    let ready = container::ensure(engine, &identity, &wanted, fill, |message| report.emit(&Event::Note { message }))?;
    let engine_version = version_of(engine, request.before.filter(|before| before.container == ready.name))?;
    let fallback = base.err().unwrap_or_default();
    Ok(Backend {
        layout,
        target: TARGET.to_string(),
        record: manifest::BackendRecord {
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
        kind: BackendKind::Container { engine: engine.clone(), ready, store: store.map(Box::new) },
    })
}

/// The version of the engine's service. It is not asked on every build: what a build `before` on the same builder
/// was told still holds.
fn version_of(engine: &Engine, before: Option<&manifest::BackendRecord>) -> Result<String, EngineError> {
    match before {
        Some(before) if before.engine == engine.kind.program() => Ok(before.engine_version.clone()),
        _ => engine.version(),
    }
}
