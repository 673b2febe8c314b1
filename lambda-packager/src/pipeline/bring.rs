//! The sources in the container, without a compile: for a person who looks around in it.

use std::slice::from_ref;

use crate::backend::{Backend, BackendRequest, Seen};
use crate::error::Result;
use crate::pipeline::{Task, check, surroundings};
use crate::report::Reporter;

/// Makes the sources in the container of `backend` those of now. Returns the workspace's folder there.
///
/// # Errors
/// An input cannot be read, or the engine's error.
pub fn bring(task: &Task, request: &BackendRequest, backend: &Backend, report: &mut Reporter) -> Result<String> {
    let BackendRequest { workspace, config, .. } = *request;
    let lock = task.lock(report)?;
    workspace.fetch(config.target_arch)?;
    let gate = check::take(task, lock.signed_at_ns()?)?;
    let surroundings = surroundings::digest(workspace, config, &gate.ingredients, &gate.now.snapshot)?;
    let seen = Seen { inputs: &gate.now.snapshot, found: &gate.found, surroundings };
    let job = backend.job(request, from_ref(&task.function), &seen, false);
    backend.bring(&job, report)?;
    Ok(job.layout.workspace)
}
