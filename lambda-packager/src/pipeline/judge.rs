//! Judges functions after their checks: each is a hit, and has ended, or a miss to build.

use crate::backend::{BackendRequest, select};
use crate::config::PullPolicy;
use crate::error::Result;
use crate::fingerprint::Manifest;
use crate::packaged::{Reason, Verdict};
use crate::pipeline::outcome::{Ended, of_one};
use crate::pipeline::{Gate, Miss, Outcome, Task, check, image, record_stamps};
use crate::report::{Event, Reporter, Stage};
use crate::snapshot::Taken;
use crate::sys::fs;

/// Judges the functions; returns those that have to be built. The others have `ended`.
///
/// # Errors
/// What is not of one function.
pub fn all<'a>(
    tasks: &'a [Task<'a>],
    gates: Vec<Result<Gate>>,
    ended: &mut Vec<Ended>,
    report: &mut Reporter,
) -> Result<Vec<Miss<'a>>> {
    let mut misses = Vec::new();
    for (task, gate) in tasks.iter().zip(gates) {
        let outcome = match of_one(gate.and_then(|gate| judge(task, gate, report)))? {
            Ok(Judged::Miss(miss)) => {
                misses.push(*miss);
                continue;
            }
            Ok(Judged::Hit(outcome)) => Ok(*outcome),
            Err(error) => Err(error),
        };
        ended.push((task.function.id.clone(), outcome));
    }
    Ok(misses)
}

enum Judged<'a> {
    Hit(Box<Outcome>),
    Miss(Box<Miss<'a>>),
}

/// Decides whether the last zip of a function can be reused.
fn judge<'a>(task: &'a Task<'a>, gate: Gate, report: &mut Reporter) -> Result<Judged<'a>> {
    let verdict = report.stage(Stage::Verdict, |_| check::decide(&gate, &task.config));
    let verdict = unless_renewed(verdict, task, &gate, report)?;
    let verdict = with_image(verdict, task, &gate, report)?;
    // A miss starts a new log; a hit appends to the log of the build that it reuses.
    let open_log = if verdict == Verdict::Hit { fs::append } else { fs::create };
    let log = open_log(&task.places.log)?;
    report.log_to(log.try_clone().into_iter().collect());
    let reasons: &[Reason] = if let Verdict::Miss(reasons) = &verdict { reasons } else { &[] };
    let (function, config) = (&task.function.id, &task.config);
    report.emit(&Event::Judged { function, config, verdict: &verdict.to_string(), reasons });
    match (verdict, gate) {
        (Verdict::Hit, Gate { recorded: Ok(manifest), now, artifact_was_read, .. }) => {
            let outcome = reuse(task, manifest, now, artifact_was_read, report)?;
            report.emit(&Event::Finished { summary: &outcome.summary });
            Ok(Judged::Hit(Box::new(outcome)))
        }
        (verdict, gate) => Ok(Judged::Miss(Box::new(Miss { task, gate, verdict, log }))),
    }
}

/// The check calls no engine. With `pull_policy = "always"`, this turns a hit into a miss if there is a newer base.
fn unless_renewed(verdict: Verdict, task: &Task, gate: &Gate, report: &mut Reporter) -> Result<Verdict> {
    let Task { workspace, config, .. } = task;
    if verdict != Verdict::Hit || config.pull_policy != PullPolicy::Always {
        return Ok(verdict);
    }
    let before = gate.recorded.as_ref().ok().map(|manifest| &manifest.backend);
    let request = BackendRequest { workspace, config, before };
    let reason = report.stage(Stage::Container, |report| select::renewed(&request, report))?;
    Ok(reason.map_or(Verdict::Hit, |reason| Verdict::Miss(vec![reason])))
}

/// A hit in a mode for production has an image too. This turns it into a miss if the image is gone, and only a compile
/// can make it again.
fn with_image(verdict: Verdict, task: &Task, gate: &Gate, report: &mut Reporter) -> Result<Verdict> {
    let reason = match (&verdict, &gate.recorded) {
        (Verdict::Hit, Ok(manifest)) => image::restore(task, manifest, report)?,
        _ => None,
    };
    Ok(reason.map_or(verdict, |reason| Verdict::Miss(vec![reason])))
}

/// The outcome of a hit.
fn reuse(
    task: &Task,
    mut manifest: Manifest,
    now: Taken,
    artifact_was_read: bool,
    report: &mut Reporter,
) -> Result<Outcome> {
    // Lambda could not execute it otherwise; who copies artifacts may drop the right.
    let was_lost = task.places.bootstrap.as_ref().map_or(Ok(false), |path| fs::allow_execution(path))?;
    if now.worth_keeping || artifact_was_read || was_lost {
        // Same content with new stamps: recorded, so that the next check need not read it again.
        report.stage(Stage::Store, |_| {
            manifest.artifact.checked_at_ns = now.snapshot.taken_at_ns;
            record_stamps(&mut manifest.artifact, &task.places, &task.workspace.root)?;
            manifest.inputs = now.snapshot;
            manifest.store(&task.places.manifest)
        })?;
    }
    Ok(Outcome::of(task, manifest, Verdict::Hit, None, report))
}
