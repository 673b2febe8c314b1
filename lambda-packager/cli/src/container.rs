//! `lambda-packager container`: the builder containers by hand.

use std::time::SystemTime;

use lambda_packager::internal::{
    Backend, Container, Engine, EngineError, Error, Manifest, MountPoint, Reporter, Request, Result, Run, VISITOR,
    Workspace, bring, first_to_answer, fs, print_lines, run, select,
};
use serde_json::json;

use crate::project::{Context, Needed, manifests};

/// Exit status of `status` for a container that does not run.
const STOPPED: u8 = 3;
/// Exit status of `status` where there is no container.
const NOT_FOUND: u8 = 4;

/// Starts each container that the selected functions need, and creates it if it is missing. It may run already.
pub fn start(context: &Context, report: &mut Reporter) -> Result<u8> {
    for needed in context.containers()? {
        ready(&needed, report)?;
    }
    Ok(0)
}

/// Packages, and compiles in the containers if anything changed.
pub fn build(context: &Context, request: &Request, report: &mut Reporter) -> Result<u8> {
    for needed in context.containers()? {
        running(&needed, report)?;
    }
    run::run(request, report).map(|_| 0)
}

/// The backend, which is the container.
fn running(needed: &Needed, report: &mut Reporter) -> Result<Backend> {
    let backend = select::select(&needed.request(), report)?;
    let record = &backend.record;
    match (record.container.is_empty(), record.clean_room) {
        (false, _) => Ok(backend),
        (true, true) => Err(Error::engine(record.fallback.clone())
            .hint_with("packaging works without it, in the clean room; to have it, fix what the engine reports")),
        (true, false) => Err(Error::engine(format!("there is no container engine ({})", record.fallback))
            .hint_with("install and start docker or podman, and set `engine` to it or to `auto`")),
    }
}

fn ready(needed: &Needed, report: &mut Reporter) -> Result<Backend> {
    let backend = running(needed, report)?;
    print_lines(&[format!("{} runs on {} ({})", backend.record.container, backend.record.engine, backend.record.base)]);
    Ok(backend)
}

/// Stops the containers; their caches stay.
pub fn stop(context: &Context, report: &mut Reporter) -> Result<u8> {
    for needed in context.containers()? {
        match find(&needed, report)? {
            Some((engine, container)) => {
                if container.state.status == "paused" {
                    // Podman stops none that is.
                    engine.unpause(container.name())?;
                }
                engine.stop(container.name())?;
                print_lines(&[format!("{} is stopped; its caches are kept", container.name())]);
            }
            None => print_lines(&[format!("there is no container {} to stop", needed.identity.name)]),
        }
    }
    Ok(0)
}

/// An interactive shell in the container.
///
/// # Errors
/// The selected functions have several.
pub fn shell(context: &Context, report: &mut Reporter) -> Result<u8> {
    let containers = context.containers()?;
    let [needed] = &containers[..] else { return Err(several(&containers)) };
    let backend = ready(needed, report)?;
    let folder = bring::bring(&needed.tasks, &needed.request(), &backend, report)?;
    let (engine, container) =
        find(needed, report)?.ok_or_else(|| Error::engine("the container was removed in the meantime"))?;
    let code = engine.shell(container.name(), (VISITOR, VISITOR), &folder).interactive()?;
    Ok(u8::try_from(code).unwrap_or(1))
}

fn several(containers: &[Needed]) -> Error {
    let ids = |needed: &Needed| {
        let ids: Vec<_> = needed.tasks.iter().map(|task| task.function.id.as_str()).collect();
        format!("{} for {}", needed.identity.name, ids.join(", "))
    };
    let told: Vec<_> = containers.iter().map(ids).collect();
    Error::config(format!("the functions have several containers, and a shell is in one: {}", told.join("; ")))
        .hint_with("select the functions of one with --function or --package")
}

/// The logs of the last builds of the selected functions.
pub fn logs(context: &Context) -> Result<u8> {
    for task in context.project.tasks()? {
        if let Some(log) = fs::read_if_exists(&task.places.log)? {
            let log = String::from_utf8_lossy(&log).trim_end().to_string();
            print_lines(&[format!("== {}", task.function.id), log]);
        }
    }
    Ok(0)
}

/// What the containers are and do. The exit status is that of the worst: the highest one.
pub fn status(context: &Context, as_json: bool, report: &mut Reporter) -> Result<u8> {
    let mut worst = 0;
    for needed in context.containers()? {
        worst = worst.max(status_of(&needed, context, as_json, report)?);
    }
    Ok(worst)
}

fn status_of(needed: &Needed, context: &Context, as_json: bool, report: &mut Reporter) -> Result<u8> {
    let found = find(needed, report)?;
    let name = &needed.identity.name;
    let Some((engine, container)) = found else {
        print_lines(&[match as_json {
            true => json!({"v": 1, "name": name, "state": "not_found"}).to_string(),
            false => format!("{name}: not_found"),
        }]);
        return Ok(NOT_FOUND);
    };
    let running = container.state.status == "running";
    let state = if running { "running" } else { "stopped" };
    let builds = builds_in(&context.project.workspace, container.name());
    let last_build = builds.iter().map(|(_, run)| run.at_epoch_secs).max();
    let sizes = engine.volume_sizes().unwrap_or_default();
    let volumes = container.mounts.iter().filter(|mount| mount.is_volume()).filter_map(|mount| sizes.get(mount.what()));
    let disk_bytes = container.size_rw.unwrap_or(0) + volumes.sum::<u64>();
    if as_json {
        let mount = |mount: &MountPoint| {
            let kind = if mount.is_volume() { "volume" } else { "host" };
            json!({kind: mount.what(), "container": mount.destination, "writable": mount.writable})
        };
        let mounts: Vec<_> = container.mounts.iter().map(mount).collect();
        let builds: Vec<_> = (builds.iter())
            .map(|(function, run)| json!({"function": function, "verdict": run.verdict, "at_epoch_secs": run.at_epoch_secs}))
            .collect();
        print_lines(&[json!({
            "v": 1, "name": container.name(), "state": state, "engine_state": container.state.status,
            "engine": engine.kind.program(), "image": container.image_reference(), "id": container.id,
            "since": container.state.started_at, "mounts": mounts, "disk_bytes": disk_bytes, "builds": builds,
            "last_build_epoch_secs": last_build,
        })
        .to_string()]);
    } else {
        let mut lines = vec![
            format!("{}: {state}", container.name()),
            format!("  engine  {}", engine.kind.program()),
            format!("  image   {}", container.image_reference()),
            format!("  since   {}", container.state.started_at),
            format!("  disk    {} bytes", disk_bytes),
        ];
        for mount in &container.mounts {
            let access = if mount.writable { "writable" } else { "read-only" };
            lines.push(format!("  mount   {} at {} ({access})", mount.what(), mount.destination));
        }
        for (function, run) in builds {
            lines.push(format!("  build   {function}: {}, {}", run.verdict, ago(run.at_epoch_secs)));
        }
        print_lines(&lines);
    }
    Ok(if running { 0 } else { STOPPED })
}

/// The container, in the first engine that has it. An engine that does not answer may be restarting: it is
/// waited for if the last build used it, or if no other answers.
fn find(needed: &Needed, report: &mut Reporter) -> Result<Option<(Engine, Container)>> {
    let (mut silent, mut unusable, mut answered) = (Vec::new(), None, false);
    for engine in needed.engines()? {
        match container_in(needed, &engine) {
            Ok(Some(container)) => return Ok(Some((engine, container))),
            Ok(None) => answered = true,
            Err(EngineError::Unreachable(error)) => silent.push((engine, error)),
            Err(EngineError::Interrupted(error)) => return Err(error),
            Err(failure) => unusable = Some(Error::from(failure)),
        }
    }
    silent.retain(|(engine, _)| !answered || needed.is_expected(engine));
    let Some((first, error)) = silent.first() else {
        return match unusable {
            Some(error) if !answered => Err(error),
            unusable => {
                unusable.iter().for_each(|error| report.note(&error.with_cause()));
                Ok(None)
            }
        };
    };
    report.note(&format!("{error}; trying again for {} s", first.patience().as_secs()));
    let silent: Vec<Engine> = silent.into_iter().map(|(engine, _)| engine).collect();
    let engine = first_to_answer(&silent)?;
    Ok(container_in(needed, engine)?.map(|container| (engine.clone(), container)))
}

fn container_in(needed: &Needed, engine: &Engine) -> Result<Option<Container>, EngineError> {
    let containers = engine.containers_with(&needed.identity.label())?;
    Ok(containers.into_iter().find(|container| container.name() == needed.identity.name))
}

/// The last build of each function in a container.
fn builds_in(workspace: &Workspace, container: &str) -> Vec<(String, Run)> {
    let last = |(function, manifest): (String, Manifest)| {
        Some((function, manifest.history.into_iter().find(|run| run.container == container)?))
    };
    manifests(workspace).filter_map(last).collect()
}

/// How long ago a time was, in the largest unit that fits.
fn ago(epoch_secs: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let seconds = now.saturating_sub(epoch_secs);
    let units = [(86400, "d"), (3600, "h"), (60, "min")];
    match units.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{} {name} ago", seconds / unit),
        None => format!("{seconds} s ago"),
    }
}
