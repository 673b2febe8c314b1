//! One run, from the settings to the summary. This is the one place that orders the stages.

use crate::backend::{Backend, BackendRequest, CachedImage, select};
use crate::compile::CompiledUnits;
use crate::config::PullPolicy;
use crate::error::Result;
use crate::fingerprint::Manifest;
use crate::packaged::{Reason, Verdict, Watch};
use crate::pipeline::build::build;
use crate::pipeline::{Gate, Outcome, Project, Request, Task, check, copies, watch};
use crate::report::{Event, Reporter, Stage};
use crate::snapshot::Taken;
use crate::sys::fs;

/// Packages a function: decides whether the last zip can be reused, and builds if not.
///
/// # Errors
/// If the zip cannot be made. The last good zip and its record then stay as they are.
pub fn run(request: &Request, report: &mut Reporter) -> Result<Outcome> {
    package(&find(request, report)?, report)
}

/// The same for a build script; also returns what the cargo that runs it has to watch.
///
/// # Errors
/// Those of [`run`]; what decides the next verdict cannot be found out.
pub fn run_watched(request: &Request, report: &mut Reporter) -> Result<(Outcome, Watch)> {
    let project = find(request, report)?;
    let outcome = package(&project, report)?;
    let watch = watch::of(&project, &outcome, &request.start)?;
    Ok((outcome, watch))
}

fn find(request: &Request, report: &mut Reporter) -> Result<Project> {
    report.stage(Stage::Inputs, |_| Project::find(request))
}

fn package(project: &Project, report: &mut Reporter) -> Result<Outcome> {
    let task = Task::of(project)?;
    let config = &project.config;
    report.emit(&Event::Started { function: &task.function.name, config });
    let lock = task.lock(report)?;
    fs::remove_dead_temporaries(&task.places.folder);
    let gate = report.stage(Stage::Inputs, |_| check::take(&task, lock.signed_at_ns()?))?;
    let verdict = report.stage(Stage::Verdict, |_| check::decide(&gate, config));
    let verdict = unless_renewed(verdict, project, &gate, report)?;
    // A miss starts a new log; a hit appends to the log of the build that it reuses.
    let open_log = if verdict == Verdict::Hit { fs::append } else { fs::create };
    report.also_log_to(open_log(&task.places.log)?);
    let reasons: &[Reason] = if let Verdict::Miss(reasons) = &verdict { reasons } else { &[] };
    report.emit(&Event::Judged { function: &task.function.name, config, verdict: &verdict.to_string(), reasons });
    let mut gate = match (&verdict, gate) {
        (Verdict::Hit, Gate { recorded: Ok(manifest), now, artifact_was_read, .. }) => {
            let outcome = reuse(&task, manifest, now, artifact_was_read, report)?;
            report.emit(&Event::Finished { summary: &outcome.summary });
            return Ok(outcome);
        }
        (_, gate) => gate,
    };
    let (outcome, backend, units) = build(&task, &mut gate, &verdict, report)?;
    report.emit(&Event::Finished { summary: &outcome.summary });
    keep(&backend, &units, report)?;
    Ok(outcome)
}

/// The check calls no engine. With `pull_policy = "always"`, this turns a hit into a miss if there is a newer base.
fn unless_renewed(verdict: Verdict, project: &Project, gate: &Gate, report: &mut Reporter) -> Result<Verdict> {
    let config = &project.config;
    if verdict != Verdict::Hit || config.pull_policy != PullPolicy::Always {
        return Ok(verdict);
    }
    let before = gate.recorded.as_ref().ok().map(|manifest| &manifest.backend);
    let request = BackendRequest { workspace: &project.workspace, config, before };
    let reason = report.stage(Stage::Container, |report| select::renewed(&request, report))?;
    Ok(reason.map_or(Verdict::Hit, |reason| Verdict::Miss(vec![reason])))
}

/// Saves the compiled dependencies for other checkouts. It comes last: the zip is ready. If it fails, that is a note.
fn keep(backend: &Backend, units: &CompiledUnits, report: &mut Reporter) -> Result<()> {
    if units.has_other_layout && backend.keeps_dependencies() {
        report.note("cargo's target directory has a layout that this version does not know: the compiled dependencies are not kept for other checkouts");
    }
    if !backend.would_keep(units) {
        return Ok(());
    }
    match report.stage(Stage::Keep, |_| backend.keep(units)) {
        Ok(Some(CachedImage { image, size_bytes })) => report.emit(&Event::Kept { image: &image, size_bytes }),
        Ok(None) => {}
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => {
            let error = error.with_cause();
            report.note(&format!("the compiled dependencies are not kept for other checkouts: {error}"));
        }
    }
    Ok(())
}

/// The outcome of a hit.
fn reuse(
    task: &Task,
    mut manifest: Manifest,
    now: Taken,
    artifact_was_read: bool,
    report: &mut Reporter,
) -> Result<Outcome> {
    if now.worth_keeping || artifact_was_read {
        // Same content with new stamps: recorded, so that the next check need not read it again.
        report.stage(Stage::Store, |_| {
            manifest.artifact.checked_at_ns = now.snapshot.taken_at_ns;
            manifest.artifact.copies = copies(&task.places, &task.project.workspace.root)?;
            manifest.inputs = now.snapshot;
            manifest.store(&task.places.manifest)
        })?;
    }
    Ok(Outcome::of(task, manifest, Verdict::Hit, None, report))
}
