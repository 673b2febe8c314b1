//! The reused container: found by its name, checked by its labels, created if it is missing.

use std::cell::Cell;
use std::os::unix::fs::MetadataExt;

use crate::backend::identity::{PATH, lock_of_compile};
use crate::backend::{BuilderImage, Identity};
use crate::cargo::{ForwardedConfig, Workspace};
use crate::compile::{CARGO_HOME, Layout, TARGET, WORKSPACE};
use crate::config::Config;
use crate::engine::{Container, ContainerSpec, Engine, EngineError, NAMED, Volume, VolumeInfo};
use crate::error::{Error, Result};
use crate::report::Reporter;
use crate::sys::{Lock, Sha, fs};

/// A digest of everything that it was created from.
const SPECIFICATION: &str = "lambda-packager.specification";

/// Sleeps until it is stopped, and reaps the processes of an interrupted compile.
const IDLE: &str = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done";

/// What the container is for.
pub struct Wanted<'a> {
    pub workspace: &'a Workspace,
    pub forwarded: &'a ForwardedConfig,
    pub image: &'a BuilderImage,
    pub config: &'a Config,
}

/// A running container.
#[derive(Debug)]
pub struct Ready {
    pub name: String,
    /// Its id: by the name, another one could be meant that took its place in the meantime.
    pub id: String,
    /// Id of the image that it was created from.
    pub image_id: String,
    /// It was made just now: nothing was sent to it, nothing compiled in it. Taken by who sends to it first.
    pub is_new: Cell<bool>,
    /// The image that its target directory was filled from, if it was made just now and there is one.
    pub warm: Option<String>,
}

/// Finds the container or creates it; it runs afterwards. `found` is what the engine said of it, if it was asked. `fill`
/// fills the target directory of a new one and returns the image that it was filled from.
pub fn ensure(
    engine: &Engine,
    identity: &Identity,
    wanted: &Wanted,
    found: Option<Result<Option<Container>, EngineError>>,
    fill: impl FnOnce() -> Result<Option<String>, EngineError>,
    report: &mut Reporter,
) -> Result<Ready, EngineError> {
    let name = &identity.name;
    let found = found.unwrap_or_else(|| engine.inspect(name))?;
    let spec = specification(identity, wanted);
    let digest = digest(&spec, wanted);
    if let Some(container) = &found {
        if !identity.owns(container) {
            return Err(taken(name, container, identity).into());
        }
        if container.label(SPECIFICATION) == Some(&digest) && revive(engine, container, report)? {
            let (id, image_id) = (container.id.clone(), container.image.clone());
            return Ok(Ready { name: name.clone(), id, image_id, is_new: false.into(), warm: None });
        }
        if container.label(SPECIFICATION) != Some(&digest) {
            // Another run may compile in it.
            let compiling = lock_of_compile(wanted.workspace, name);
            drop(Lock::acquire(&compiling, |holder| report.waiting_for(holder))?);
            report.note(&format!("the specification of the container {name} changed; creating it again"));
        }
    }
    // By its id: by the name it could be one that somebody else made since it was looked for.
    found.map_or(Ok(()), |container| engine.remove(&container.id)).map_err(EngineError::into_unable)?;
    // Without its container, a volume may have anything.
    remove_volumes(engine, &identity.label(), name).map_err(EngineError::into_unable)?;
    wanted.image.provide(engine).map_err(EngineError::into_unable)?;
    refuse_volumes_of_others(engine, &spec)?;
    create(engine, spec.clone(), &digest).map_err(|failure| match engine.inspect(name) {
        Ok(Some(other)) if !identity.owns(&other) => taken(name, &other, identity).into(),
        _ => failure,
    })?;
    let warm = match fill() {
        Ok(warm) => warm,
        Err(EngineError::Refused(error)) => {
            let error = error.with_cause();
            report.note(&format!("the dependencies that were kept cannot be used ({error}); compiling them again"));
            remove(engine, &identity.label(), name).map_err(EngineError::into_unable)?;
            create(engine, spec, &digest)?;
            None
        }
        Err(unreachable) => return Err(unreachable),
    };
    let made = engine.inspect(name)?.ok_or_else(|| Error::engine(format!("the container {name} is gone again")))?;
    Ok(Ready { name: name.clone(), id: made.id, image_id: made.image, is_new: true.into(), warm })
}

/// Starts one of our containers again; false if a new one is needed.
fn revive(engine: &Engine, container: &Container, report: &mut Reporter) -> Result<bool, EngineError> {
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
            report.note(&format!("the container {name} does not start again ({error}); creating it again"));
            Ok(false)
        }
        Err(unreachable) => Err(unreachable),
    }
}

fn taken(name: &str, container: &Container, identity: &Identity) -> Error {
    let owner = match container.label(PATH).filter(|_| container.is_ours()) {
        Some(path) if identity.is_of_user(container) => format!("belongs to {path}"),
        Some(path) => format!("belongs to {path} of another user, or on another machine"),
        None => "was not made by lambda-packager".to_string(),
    };
    let hint = match container.label(PATH).filter(|_| container.is_ours()) {
        // Renamed it would still have the volumes of that name.
        Some(path) => format!("run `lambda-packager clean --container` in {path}; it was not touched"),
        None => "remove or rename that container yourself; it was not touched".to_string(),
    };
    Error::engine(format!("the container name {name} is taken: that container {owner}"))
        .hint_with(format!("set `container_name` to another name, or {hint}"))
}

/// An engine takes a volume that is there as it is, and a compile empties it.
fn refuse_volumes_of_others(engine: &Engine, spec: &ContainerSpec) -> Result<(), EngineError> {
    let present = engine.volume_names().map_err(EngineError::into_unable)?;
    let names = spec.volumes.iter().map(|volume| volume.name.as_str());
    let taken: Vec<&str> = names.filter(|name| present.iter().any(|known| known == name)).collect();
    match taken.as_slice() {
        [] => Ok(()),
        names => {
            Err(Error::engine(format!("volumes of these names were not made for this project: {}", names.join(", ")))
                .hint_with(
                    "set `container_name` to another name, or remove those volumes yourself; they were not touched",
                )
                .into())
        }
    }
}

fn create(engine: &Engine, mut spec: ContainerSpec, digest: &str) -> Result<(), EngineError> {
    spec.labels.push(format!("{SPECIFICATION}={digest}"));
    for mount in &spec.mounts {
        if !fs::is_dir(&mount.host) {
            let error = Error::engine(format!("{} is not a folder; the container needs it", mount.host.display()));
            return Err(error.hint_with("restore the folder, or remove the setting that names it").into());
        }
    }
    let started = engine.create(&spec).and_then(|()| {
        engine.start(&spec.name).inspect_err(|_| {
            // An incomplete container would block the next run. If this fails too, the first error is reported.
            let _ = engine.remove(&spec.name);
        })
    });
    started.map_err(|failure| match engine.unless_damaged(failure, &spec.image) {
        EngineError::Refused(error) => {
            let hint = remedy(&error.with_cause(), &spec);
            EngineError::Unable(error.hint_with(hint))
        }
        failure => failure,
    })
}

/// What to do about a container that is not created or started; `said` is why, in the engine's words.
fn remedy(said: &str, spec: &ContainerSpec) -> String {
    const ANY_ENGINE: &str = "use another engine with `engine`, or compile on the host with `engine = \"host\"`";
    let says = |signs: &[&str]| signs.iter().any(|sign| said.to_lowercase().contains(sign));
    if says(&["setting rlimit"]) {
        return format!(
            "this engine may not raise the limits of processes: set `default_ulimits` in its containers.conf, such as `[\"nofile=1024:1024\", \"nproc=1024:1024\"]`, or {ANY_ENGINE}"
        );
    }
    if says(&["no space left"]) {
        return "free space on the disk of the container engine; `lambda-packager clean --dry-run` lists what it would remove".into();
    }
    if !spec.mounts.is_empty() {
        return format!(
            "an engine on another machine cannot mount the toolchain of this one: set `base` to an image with cargo and a C compiler; or {ANY_ENGINE}"
        );
    }
    if says(&["exec: ", "exec format error", "executable file"]) {
        return format!(
            "the image {} needs a POSIX shell and the architecture of this machine; to use the host's toolchain instead, set `base = \"host\"`",
            spec.image
        );
    }
    format!("fix what the engine reports, or {ANY_ENGINE}")
}

/// The places of the sources in a container.
pub fn places(wanted: &Wanted) -> Vec<String> {
    Layout::of(wanted.workspace, &[], &wanted.forwarded.absolute_folders).places()
}

/// Removes a container of the project `label`, and its volumes.
///
/// # Errors
/// The engine's.
pub fn remove(engine: &Engine, label: &str, name: &str) -> Result<(), EngineError> {
    engine.remove(name)?;
    remove_volumes(engine, label, name)
}

fn remove_volumes(engine: &Engine, label: &str, name: &str) -> Result<(), EngineError> {
    let volumes = engine.volumes_with(label)?.into_iter().map(|volume| volume.name);
    engine.remove_volumes(&volumes.filter(|volume| is_of(volume, name)).collect::<Vec<_>>())
}

/// The volumes of containers with a label, whether these are there or not.
pub fn volumes_with(engine: &Engine, label: &str) -> Result<Vec<VolumeInfo>, EngineError> {
    let is_ours =
        |volume: &VolumeInfo| volume.labels.get(NAMED).is_some_and(|container| is_of(&volume.name, container));
    Ok(engine.volumes_with(label)?.into_iter().filter(is_ours).collect())
}

/// The name of the container's volume for `place`.
fn volume(container: &str, place: &str) -> String {
    match place {
        WORKSPACE | CARGO_HOME | TARGET => format!("{container}-{}", place.trim_start_matches('/')),
        other => format!("{container}-at-{}", Sha::of(other.as_bytes()).short(8)),
    }
}

/// Whether a volume of our label has a name that [`volume`] gives.
fn is_of(volume: &str, container: &str) -> bool {
    let rest = volume.strip_prefix(container).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| ["workspace", "cargo", "target"].contains(&rest) || rest.starts_with("at-"))
}

fn specification(identity: &Identity, wanted: &Wanted) -> ContainerSpec {
    let path = wanted.image.path.iter().map(|path| ("PATH", path.as_str()));
    let env = [("CARGO_HOME", CARGO_HOME), ("CARGO_TARGET_DIR", TARGET), ("HOME", "/tmp")].into_iter().chain(path);
    let places = places(wanted).into_iter().chain([TARGET.to_string()]);
    ContainerSpec {
        name: identity.name.clone(),
        image: wanted.image.reference.clone(),
        labels: identity.labels(wanted.workspace, wanted.config),
        network: wanted.config.network,
        mounts: wanted.image.mounts.clone(),
        volumes: places.map(|place| Volume { name: volume(&identity.name, &place), container: place }).collect(),
        env: env.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        command: ["sh", "-c", IDLE].map(String::from).into(),
    }
}

/// A digest of what a container was created from. If it differs, a new one is created.
fn digest(spec: &ContainerSpec, wanted: &Wanted) -> String {
    let ContainerSpec { image, mounts, volumes, env, command, .. } = spec;
    let network = spec.network.to_string();
    // A folder that was removed and created again has another inode; the old mount does not show it.
    let inodes: Vec<_> = mounts.iter().map(|mount| Some(fs::stat(&mount.host).ok()??.ino())).collect();
    let identity = &wanted.image.identity;
    // Quoted, so that one value cannot look like two. A container is made again if it, or a volume of it, is without the
    // label of its name: it would not be known as ours.
    let labelled = (NAMED, "volumes");
    let specification = format!("{:?}", (labelled, image, identity, network, mounts, inodes, volumes, env, command));
    Sha::of(specification.as_bytes()).short(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;
    use crate::engine::Mount;

    #[test]
    fn the_remedy_is_for_what_the_engine_says() {
        let spec = |mounts| ContainerSpec {
            name: "n".into(),
            image: "base:1".into(),
            labels: Vec::new(),
            network: Network::None,
            mounts,
            volumes: Vec::new(),
            env: Vec::new(),
            command: Vec::new(),
        };
        let (brings, mounts) = (spec(Vec::new()), spec(vec![Mount::at_its_own_path("/usr".as_ref())]));
        // Recorded from podman 4.3 and docker 20.10.
        let rlimit = "Error: unable to start container \"b38\": runc: runc create failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: OCI permission denied";
        let shell = "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"sh\": executable file not found in $PATH: unknown";
        let bridge = "Error response from daemon: network bridge not found";
        for (said, spec, part) in [
            (rlimit, &brings, "`default_ulimits`"),
            (rlimit, &mounts, "`default_ulimits`"),
            (shell, &brings, "the image base:1 needs a POSIX shell"),
            (shell, &mounts, "cannot mount the toolchain"),
            (bridge, &mounts, "cannot mount the toolchain"),
            (bridge, &brings, "fix what the engine reports, or use another engine"),
            ("Error: No space left on device", &mounts, "free space"),
        ] {
            let remedy = remedy(said, spec);
            assert!(remedy.contains(part), "{said}: {remedy}");
        }
    }
}
