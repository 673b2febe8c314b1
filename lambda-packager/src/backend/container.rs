//! The reused container: found by its name, checked by its labels, created if it is missing.

use std::os::unix::fs::MetadataExt;

use crate::artifact::Archive;
use crate::backend::identity::PATH;
use crate::backend::{BuilderImage, Identity};
use crate::cargo::{ForwardedConfig, Workspace};
use crate::compile::{CARGO_HOME, Mounts, TARGET};
use crate::config::Config;
use crate::engine::{Container, ContainerSpec, Engine, EngineError, Mount};
use crate::error::{Error, Result};
use crate::sys::{Sha, fs};

/// A digest of everything that it was created from.
const SPECIFICATION: &str = "lambda-packager.specification";

/// Sleeps until it is stopped, and reaps the processes of an interrupted compile.
const IDLE: &str = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done";

/// What the container is for.
pub struct Wanted<'a> {
    pub workspace: &'a Workspace,
    pub mounts: &'a Mounts,
    pub forwarded: &'a ForwardedConfig,
    pub image: &'a BuilderImage,
    pub config: &'a Config,
    /// The user and group that compile.
    pub user: (u32, u32),
}

/// A running container.
#[derive(Debug)]
pub struct Ready {
    pub name: String,
    /// Id of the image that it was created from.
    pub image_id: String,
    /// The image that its target directory was filled from, if it was made just now and there is one.
    pub warm: Option<String>,
}

/// Finds the container or creates it; it runs afterwards. `fill` fills the target directory of a new one and returns
/// the image that it was filled from. `announce` receives what is not routine.
pub fn ensure(
    engine: &Engine,
    identity: &Identity,
    wanted: &Wanted,
    fill: impl FnOnce() -> Result<Option<String>, EngineError>,
    mut announce: impl FnMut(&str),
) -> Result<Ready, EngineError> {
    let name = &identity.name;
    let found = engine.inspect(name)?;
    let spec = specification(identity, wanted);
    let digest = digest(&spec, wanted);
    if let Some(container) = found {
        if !identity.owns(&container) {
            return Err(taken(name, &container).into());
        }
        if container.label(SPECIFICATION) == Some(&digest) && revive(engine, &container, &mut announce)? {
            return Ok(Ready { name: name.clone(), image_id: container.image, warm: None });
        }
        if container.label(SPECIFICATION) != Some(&digest) {
            announce(&format!("the specification of the container {name} changed; creating it again"));
        }
        engine.remove(name)?;
    }
    wanted.image.provide(engine)?;
    create(engine, spec.clone(), &digest, wanted)?;
    let warm = match fill() {
        Ok(warm) => warm,
        Err(EngineError::Refused(error)) => {
            let error = error.with_cause();
            announce(&format!("the dependencies that were kept cannot be used ({error}); compiling them again"));
            engine.remove(name)?;
            create(engine, spec, &digest, wanted)?;
            None
        }
        Err(unreachable) => return Err(unreachable),
    };
    let container = engine.inspect(name)?;
    let image_id = container.map(|container| container.image).unwrap_or_default();
    Ok(Ready { name: name.clone(), image_id, warm })
}

/// Starts one of our containers again; false if a new one is needed.
fn revive(engine: &Engine, container: &Container, announce: &mut impl FnMut(&str)) -> Result<bool, EngineError> {
    let name = container.name();
    let result = match container.state.status.as_str() {
        "running" => return Ok(true),
        "paused" => engine.unpause(name),
        "exited" | "stopped" | "created" | "configured" => engine.start(name),
        _ => return Ok(false),
    };
    match result {
        Ok(()) => Ok(true),
        Err(EngineError::Refused(error)) => {
            announce(&format!("the container {name} does not start again ({error}); creating it again"));
            Ok(false)
        }
        Err(unreachable) => Err(unreachable),
    }
}

fn taken(name: &str, container: &Container) -> Error {
    let owner = match container.label(PATH) {
        Some(path) => format!("belongs to {path}"),
        None => "was not made by lambda-packager".to_string(),
    };
    Error::engine(format!("the container name {name} is taken: that container {owner}")).hint_with(
        "set `container_name` to another name, or remove or rename that container yourself; it was not touched",
    )
}

fn create(engine: &Engine, mut spec: ContainerSpec, digest: &str, wanted: &Wanted) -> Result<(), EngineError> {
    spec.labels.push(format!("{SPECIFICATION}={digest}"));
    for mount in &spec.mounts {
        if !fs::is_dir(&mount.host) {
            let error = Error::engine(format!("{} is not a folder; the container needs it", mount.host.display()));
            return Err(error.hint_with("restore the folder, or remove the setting that names it").into());
        }
    }
    let not_started = |failure: EngineError| match failure {
        EngineError::Refused(error) => EngineError::NotStarted(error),
        failure => failure,
    };
    engine.create(&spec).map_err(not_started)?;
    let archive =
        own_folders(wanted).map_err(|e| Error::engine("cannot create the container's folders").source(e).into());
    let started =
        archive.and_then(|archive| engine.unpack_into(&spec.name, archive)).and_then(|()| engine.start(&spec.name));
    started.map_err(|failure| {
        // An incomplete container would block the next run. If this fails too, the first error is reported.
        let _ = engine.remove(&spec.name);
        match failure {
            EngineError::Refused(error) if error.hint().is_none() => EngineError::NotStarted(error.hint_with(format!(
                "the image {} needs a POSIX shell and the architecture of this machine; to use the host's toolchain instead, set `base = \"host\"`",
                spec.image
            ))),
            failure => not_started(failure),
        }
    })
}

/// Cargo's home and the target directory in the container's own file system, owned by the user who compiles.
fn own_folders(wanted: &Wanted) -> std::io::Result<Vec<u8>> {
    let mut tar = Archive::of(wanted.user, 0);
    for folder in [CARGO_HOME, TARGET] {
        tar.folder(folder.trim_start_matches('/'), 0o755)?;
    }
    let config = format!("{}/config.toml", CARGO_HOME.trim_start_matches('/'));
    tar.file(&config, 0o644, wanted.forwarded.toml.as_bytes())?;
    tar.finish()
}

fn specification(identity: &Identity, wanted: &Wanted) -> ContainerSpec {
    let mut mounts = wanted.mounts.source_mounts.clone();
    mounts.extend(wanted.image.mounts.iter().cloned());
    mounts.extend(wanted.forwarded.absolute_folders.iter().map(|folder| Mount::at_its_own_path(folder)));
    let git = wanted.workspace.has_git_sources.then_some("git");
    for name in ["registry"].into_iter().chain(git) {
        let host = wanted.workspace.cargo_home.join(name);
        if fs::is_dir(&host) {
            mounts.push(Mount { host, container: format!("{CARGO_HOME}/{name}") });
        }
    }
    let path = wanted.image.path.iter().map(|path| ("PATH", path.as_str()));
    let env = [("CARGO_HOME", CARGO_HOME), ("CARGO_TARGET_DIR", TARGET), ("HOME", "/tmp")].into_iter().chain(path);
    ContainerSpec {
        name: identity.name.clone(),
        image: wanted.image.reference.clone(),
        labels: identity.labels(wanted.workspace, wanted.config),
        user: wanted.user,
        network: wanted.config.network,
        mounts,
        env: env.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        command: ["sh", "-c", IDLE].map(String::from).into(),
    }
}

/// A digest of what a container was created from. If it differs, a new one is created.
fn digest(spec: &ContainerSpec, wanted: &Wanted) -> String {
    let ContainerSpec { image, user, mounts, env, command, .. } = spec;
    let network = spec.network.to_string();
    // A folder that was removed and created again has another inode; the old mount does not show it.
    let inodes: Vec<_> = mounts.iter().map(|mount| Some(fs::stat(&mount.host).ok()??.ino())).collect();
    let (identity, cargo_config) = (&wanted.image.identity, &wanted.forwarded.toml);
    // Quoted, so that one value cannot look like two.
    let specification = format!("{:?}", (image, identity, user, network, mounts, inodes, env, command, cargo_config));
    Sha::of(specification.as_bytes()).short(16)
}
