//! The sources in the container, without a compile: for a person who looks around in it.

use crate::backend::{Backend, BackendRequest, Seen};
use crate::cargo::Function;
use crate::error::Result;
use crate::pipeline::{Task, check, lock, surroundings};
use crate::report::Reporter;
use crate::snapshot::Snapshot;

/// Makes the sources in the container of `backend` those of now, of all functions. Returns the workspace's folder there.
///
/// # Errors
/// An input cannot be read, or the engine's error.
pub fn bring(tasks: &[Task], request: &BackendRequest, backend: &Backend, report: &mut Reporter) -> Result<String> {
    let BackendRequest { workspace, config, .. } = *request;
    let locks = lock(tasks, report)?;
    workspace.fetch()?;
    let looks = check::looks(tasks);
    let gates = tasks.iter().zip(&locks).map(|(task, lock)| check::take(task, &looks, lock.signed_at_ns()?));
    let gates = gates.collect::<Result<Vec<_>>>()?;
    let inputs = Snapshot::of_all(gates.iter().map(|gate| &gate.now.snapshot));
    let found = gates.iter().flat_map(|gate| &gate.found).cloned().collect();
    let surroundings = surroundings::digest(workspace, config, &gates[0].ingredients, &inputs)?;
    let functions: Vec<Function> = tasks.iter().map(|task| task.function.clone()).collect();
    let seen = Seen { inputs: &inputs, found: &found, surroundings, sharing: &functions };
    let job = backend.job(request, &functions, &seen, false);
    backend.bring(&job, report)?;
    Ok(job.layout.workspace)
}
