//! Selects the backend by the table of `choice`, and makes it ready.

use std::panic::resume_unwind;
use std::thread;

use crate::backend::choice::choose;
use crate::backend::host::on_host;
use crate::backend::{
    Backend, BackendKind, BackendRequest, Choice, CleanRoom, DepsCache, Engines, Identity, Image, Obstacle, Refusal,
    Situation, ToolchainSource, Wanted, base_image, builder_image, container, is_expected, lock_file, own_image,
    with_patience,
};
use crate::cargo;
use crate::cargo::{Toolchain, config as cargo_config};
use crate::compile::TARGET;
use crate::config::{Base, EngineChoice, Network};
use crate::engine;
use crate::engine::{Container, Engine, EngineError, first_to_answer};
use crate::error::{Error, Result};
use crate::fingerprint::manifest;
use crate::packaged::Reason;
use crate::report::Reporter;
use crate::sys::Lock;

/// An engine that was passed over.
struct PassedOver {
    engine: Engine,
    why: Error,
    /// It does not answer. It may be restarting.
    is_silent: bool,
}

/// Selects the backend: the first engine that answers and starts a container, else the host.
///
/// # Errors
/// Where the settings allow no backend, or the one that they allow fails.
pub fn select(request: &BackendRequest, report: &mut Reporter) -> Result<Backend> {
    let candidates = engine::candidates(request.config, &request.workspace.state_folder())?;
    let mut passed_over = Vec::new();
    if let Some(backend) = first_that_works(request, &candidates, &mut passed_over, report)? {
        return Ok(backend);
    }
    // Before the first build nobody knows whether this machine has an engine that works.
    let silent: Vec<Engine> = passed_over.iter().filter(|it| it.is_silent).map(|it| it.engine.clone()).collect();
    let may_wait = request.config.engine == EngineChoice::Auto && request.before.is_none();
    if let Some(first) = silent.first().filter(|_| may_wait) {
        report.note(&format!("trying again for {} s, in case one is restarting", first.patience().as_secs()));
        match first_to_answer(&silent) {
            Ok(_) => {
                passed_over.clear();
                if let Some(backend) = first_that_works(request, &candidates, &mut passed_over, report)? {
                    return Ok(backend);
                }
            }
            Err(EngineError::Unreachable(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    without_engine(request, passed_over.into_iter().map(|it| it.why).collect(), report)
}

/// The backend of the first engine that works; those before it are added to `passed_over`.
fn first_that_works(
    request: &BackendRequest,
    candidates: &[Engine],
    passed_over: &mut Vec<PassedOver>,
    report: &mut Reporter,
) -> Result<Option<Backend>> {
    for engine in candidates {
        let tried = match is_expected(engine, request.config, request.before.map(|before| before.engine.as_str())) {
            true => with_patience(engine, report, |report| with_whole_images(request, engine, report)),
            false => with_whole_images(request, engine, report),
        };
        let (why, note, is_silent) = match tried {
            Ok(mut backend) => {
                let reasons = passed_over.iter().map(|it| it.why.to_string()).chain([backend.record.fallback]);
                backend.record.fallback = joined(reasons);
                return Ok(Some(backend));
            }
            Err(EngineError::Unreachable(error)) => (error.clone(), error.to_string(), true),
            Err(EngineError::Forbidden(error) | EngineError::Hangs(error)) => (error.clone(), error.to_string(), false),
            Err(EngineError::Unable(error) | EngineError::Damaged(_, error)) => {
                let note = format!("{} cannot be used: {}", engine.kind.program(), error.with_cause());
                (error, note, false)
            }
            Err(failure) => return Err(failure.into()),
        };
        if request.config.engine == EngineChoice::Auto {
            report.note(&note);
        }
        passed_over.push(PassedOver { engine: engine.clone(), why, is_silent });
    }
    Ok(None)
}

/// Tries an engine. Images of the packager that are damaged are made again, each once.
fn with_whole_images(request: &BackendRequest, engine: &Engine, report: &mut Reporter) -> Result<Backend, EngineError> {
    let mut discarded = Vec::new();
    loop {
        match on_engine(request, engine, report) {
            Err(EngineError::Damaged(image, error)) => {
                if discarded.contains(&image) || !own_image::discard(request, engine, &image, report)? {
                    return Err(EngineError::Damaged(image, error));
                }
                discarded.push(image);
            }
            result => return result,
        }
    }
}

/// The situation before the first call of an engine.
fn situation(request: &BackendRequest, engines: Engines) -> Result<Situation> {
    let BackendRequest { workspace, config, .. } = *request;
    Ok(Situation {
        engines,
        image: Image::Available,
        names_image: matches!(config.base, Base::Image(_)),
        wants_clean_room: config.clean_room,
        passes_secrets: !cargo::secrets(workspace, config)?.is_empty(),
        container_fails: false,
        requires_container: config.require_container,
    })
}

fn without_engine(request: &BackendRequest, mut silent: Vec<Error>, report: &mut Reporter) -> Result<Backend> {
    let config = request.config;
    let (engines, why) = match (config.engine, silent.first()) {
        (EngineChoice::Host, _) => (Engines::NotWanted, format!("set by {}", config.place_of("engine"))),
        (EngineChoice::Auto, Some(error)) => (Engines::Silent, error.to_string()),
        (EngineChoice::Auto, None) => (Engines::Silent, "no container engine is installed".to_string()),
        _ => (Engines::NamedIsSilent, String::new()),
    };
    match choose(&situation(request, engines)?) {
        Choice::Refuse(Refusal::Engine) => Err(silent.remove(0)),
        Choice::Refuse(Refusal::Host) => {
            let place = config.place_of("require_container");
            let error = format!(
                "there is no container to compile in ({why}), and {place} does not allow falling back to the host"
            );
            let error = Error::engine(error)
                .hint_with("install and start docker or podman, or allow it with `require_container = false`");
            Err(match silent.into_iter().next() {
                Some(cause) => error.source(cause),
                None => error,
            })
        }
        Choice::Refuse(_) => {
            let (place, base) = (config.place_of("base"), &config.base);
            let error = format!("{place} is set to the image {base}, but there is no engine to run it ({why})");
            Err(Error::engine(error).hint_with("install and start docker or podman, or set `base` to `auto`"))
        }
        _ => on_host(request, why, report),
    }
}

fn on_engine(request: &BackendRequest, engine: &Engine, report: &mut Reporter) -> Result<Backend, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    // Functions of one workspace share the container and the builder image: one run at a time makes them.
    let lock = Lock::acquire(&lock_file(workspace), |holder| report.waiting_for(holder))?;
    let identity = Identity::of_owner(&lock, workspace, config)?;
    // An engine takes its time for each question: two at once.
    let (source, found) = thread::scope(|scope| {
        let found = (!config.clean_room).then(|| scope.spawn(|| engine.inspect(&identity.name)));
        let source = builder_image::choose(engine, workspace, config, report);
        (source, found.map(|found| found.join().unwrap_or_else(|panic| resume_unwind(panic))))
    });
    let source = source?;
    let image = match &source {
        ToolchainSource::Image(..) => Image::Available,
        ToolchainSource::NoImage(_) => Image::Missing,
        ToolchainSource::Host => Image::NotWanted,
    };
    let situation = Situation { image, ..situation(request, Engines::Answers)? };
    match choose(&situation) {
        Choice::Refuse(_) => Err(no_image(request, &source).into()),
        Choice::CleanRoom => clean_room(request, engine, &identity, &source),
        Choice::ContainerFor(obstacle) => {
            let why = match obstacle {
                Obstacle::PassedSecrets => {
                    let names = cargo::secrets(workspace, config)?.join(", ");
                    format!("the compile gets {names}, which a clean room would store in an image layer")
                }
                Obstacle::NoImage => "no image to start a clean room from".to_string(),
            };
            report.note(&format!("{why}: compiling in the reused container instead, which makes the same bytes"));
            let mut backend = container(request, engine, &identity, &source, found, report)?;
            backend.record.fallback = joined([backend.record.fallback, why]);
            Ok(backend)
        }
        _ => match container(request, engine, &identity, &source, found, report) {
            Err(EngineError::Unable(error))
                if choose(&Situation { container_fails: true, ..situation }) == Choice::CleanRoomForContainer =>
            {
                let why = format!("the container does not start: {}", error.with_cause());
                report.note(&format!("{why}; compiling in the clean room instead"));
                let mut backend = clean_room(request, engine, &identity, &source)?;
                backend.record.fallback = why;
                Ok(backend)
            }
            result => result,
        },
    }
}

fn no_image(request: &BackendRequest, source: &ToolchainSource) -> Error {
    let why = if let ToolchainSource::NoImage(why) = source { why } else { "" };
    let place = request.config.place_of("require_container");
    let error =
        format!("there is no image to compile in ({why}), and {place} does not allow using the host's toolchain");
    Error::engine(error).hint_with("connect to a registry and build the builder image (`--pull-policy always`), or load it with the engine's `load`, or set `base` to an image with cargo and a C compiler, or use the host's toolchain with `base = \"host\"`")
}

fn clean_room(
    request: &BackendRequest,
    engine: &Engine,
    identity: &Identity,
    source: &ToolchainSource,
) -> Result<Backend, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    let ToolchainSource::Image(base, found) = source else {
        return Err(no_image(request, source).into());
    };
    let image = base_image::named(engine, base, found.as_deref(), config)?;
    let forwarded = cargo_config::carry(workspace, config)?;
    let engine_version = version_of(engine, request.before.filter(|before| before.clean_room))?;
    Ok(Backend {
        target: TARGET.to_string(),
        record: manifest::BackendRecord {
            engine: engine.kind.program().to_string(),
            engine_version,
            clean_room: true,
            base: image.title,
            image_id: image.identity,
            base_digest: image.base_digest,
            hermetic: true,
            ..manifest::BackendRecord::default()
        },
        toolchain: None,
        toolchain_mounts: Vec::new(),
        kind: BackendKind::CleanRoom(CleanRoom {
            engine: engine.clone(),
            base: base.clone(),
            forwarded: forwarded.clone(),
            labels: identity.labels(workspace, config),
            project: identity.label(),
        }),
        forwarded: Some(forwarded),
    })
}

fn container(
    request: &BackendRequest,
    engine: &Engine,
    identity: &Identity,
    source: &ToolchainSource,
    found: Option<Result<Option<Container>, EngineError>>,
    report: &mut Reporter,
) -> Result<Backend, EngineError> {
    let BackendRequest { workspace, config, .. } = *request;
    let (image, toolchain, fallback) = match source {
        ToolchainSource::Image(reference, image) => {
            (base_image::named(engine, reference, image.as_deref(), config)?, None, String::new())
        }
        ToolchainSource::NoImage(_) | ToolchainSource::Host => {
            let toolchain = Toolchain::to_mount(workspace, config.target_arch)?;
            let why = if let ToolchainSource::NoImage(why) = source { why.clone() } else { String::new() };
            (base_image::borrowed(&toolchain)?, Some(toolchain), why)
        }
    };
    let forwarded = cargo_config::carry(workspace, config)?;
    let wanted = Wanted { workspace, forwarded: &forwarded, image: &image, config };
    let store = DepsCache::of(&wanted, identity)?;
    let fill = || match &store {
        // It begins with nothing on demand.
        Some(store) if !config.force => store.fill(engine, &identity.name, identity),
        _ => Ok(None),
    };
    let ready = container::ensure(engine, identity, &wanted, found, fill, report)?;
    let engine_version = version_of(engine, request.before.filter(|before| before.container == ready.name))?;
    Ok(Backend {
        forwarded: Some(forwarded),
        target: TARGET.to_string(),
        record: manifest::BackendRecord {
            engine: engine.kind.program().to_string(),
            engine_version,
            container: ready.name.clone(),
            base: image.title,
            image_id: ready.image_id.clone(),
            base_digest: image.base_digest,
            host_toolchain: toolchain.is_some(),
            hermetic: config.network == Network::None,
            fallback,
            ..manifest::BackendRecord::default()
        },
        toolchain,
        toolchain_mounts: image.mounts,
        kind: BackendKind::Container { engine: engine.clone(), ready, store: store.map(Box::new) },
    })
}

/// Asks the registry for the image that the last build was compiled in. A reason to compile again if it is
/// another one now.
pub fn renewed(request: &BackendRequest, report: &mut Reporter) -> Result<Option<Reason>> {
    let BackendRequest { workspace, config, before, .. } = *request;
    let Some(before) = before else { return Ok(None) };
    let candidates = engine::candidates(config, &workspace.state_folder())?;
    let Some(engine) = candidates.into_iter().find(|engine| engine.kind.program() == before.engine) else {
        return Ok(None);
    };
    let image = |report: &mut Reporter| match builder_image::choose(&engine, workspace, config, report)? {
        ToolchainSource::Image(reference, found) => {
            base_image::named(&engine, &reference, found.as_deref(), config).map(Some)
        }
        source @ ToolchainSource::NoImage(_) if config.require_container => Err(no_image(request, &source).into()),
        ToolchainSource::NoImage(_) | ToolchainSource::Host => Ok(None),
    };
    let image = match with_patience(&engine, report, image) {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(None),
        Err(EngineError::Refused(error) | EngineError::Interrupted(error)) => return Err(error),
        Err(failure) => {
            report.note(&format!("{}; could not check for a newer base", Error::from(failure)));
            return Ok(None);
        }
    };
    let differs = |name: &str, old: &str, new: &str| {
        (old != new).then(|| Reason::Setting { name: name.into(), old: old.into(), new: new.into() })
    };
    Ok(differs("base", &before.base_digest, &image.base_digest)
        .or_else(|| differs("builder image", &before.image_id, &image.identity)))
}

/// The version of the engine's service. It is asked once for each builder, not in every build.
fn version_of(engine: &Engine, before: Option<&manifest::BackendRecord>) -> Result<String, EngineError> {
    match before {
        Some(before) if before.engine == engine.kind.program() => Ok(before.engine_version.clone()),
        _ => engine.version(),
    }
}

/// Reasons as one text; empty ones are left out.
fn joined(reasons: impl IntoIterator<Item = String>) -> String {
    reasons.into_iter().filter(|why| !why.is_empty()).collect::<Vec<_>>().join("; ")
}
