//! One run, from the settings to the summary. This is the one place that orders the stages.

use std::collections::BTreeMap;

use crate::backend::{Backend, BackendRequest, CachedImage, select};
use crate::compile::CompiledUnits;
use crate::config::PullPolicy;
use crate::error::{Error, Result};
use crate::fingerprint::Manifest;
use crate::packaged::{Reason, Verdict, Watch};
use crate::pipeline::build::{Ended, build};
use crate::pipeline::{Gate, Miss, Outcome, Project, Request, Task, check, image, layer, lock, record_stamps, watch};
use crate::report::{Event, Reporter, Stage};
use crate::snapshot::{Taken, parallel};
use crate::sys::{Lock, fs};

/// Packages functions: decides for each whether its last zip can be reused, and builds the others.
///
/// # Errors
/// If a zip cannot be made. The last good zip of that function and its record then stay as they are.
pub fn run(request: &Request, report: &mut Reporter) -> Result<Vec<Outcome>> {
    let (outcomes, all) = run_each(request, report)?;
    all.map(|()| outcomes)
}

/// The same for a caller to whom each function counts: the outcomes of those that are packaged, and whether these are all.
///
/// # Errors
/// What keeps every function from its zip.
pub fn run_each(request: &Request, report: &mut Reporter) -> Result<(Vec<Outcome>, Result<()>)> {
    let project = around(request, report)?;
    package(&find(&project, report)?, report)
}

/// The same for a build script; also returns what the cargo that runs it has to watch.
///
/// # Errors
/// Those of [`run`]; what decides the next verdict cannot be found out.
pub fn run_watched(request: &Request, report: &mut Reporter) -> Result<(Vec<Outcome>, Watch)> {
    let project = around(request, report)?;
    let tasks = find(&project, report)?;
    let (outcomes, all) = package(&tasks, report)?;
    all?;
    let watch = watch::of(&tasks, &outcomes, &request.start)?;
    Ok((outcomes, watch))
}

fn around(request: &Request, report: &mut Reporter) -> Result<Project> {
    report.stage(Stage::Inputs, |_| Project::around(request))
}

fn find<'a>(project: &'a Project, report: &mut Reporter) -> Result<Vec<Task<'a>>> {
    report.stage(Stage::Inputs, |_| project.tasks())
}

fn package(tasks: &[Task], report: &mut Reporter) -> Result<(Vec<Outcome>, Result<()>)> {
    for Task { function, config, .. } in tasks {
        report.emit(&Event::Started { function: &function.id, config });
    }
    let locks = lock(tasks, report)?;
    let gates = report.stage(Stage::Inputs, |_| gates(tasks, &locks))?;
    let (mut ended, mut misses) = (Vec::new(), Vec::new());
    for (task, gate) in tasks.iter().zip(gates) {
        match judge(task, gate, report)? {
            Judged::Hit(outcome) => ended.push((task.function.id.clone(), Ok(*outcome))),
            Judged::Miss(miss) => misses.push(*miss),
        }
    }
    note_cargo_lambda(&misses, report);
    let (misses, layers): (Vec<_>, Vec<_>) = misses.into_iter().partition(|miss| miss.task.kind().has_binary());
    for miss in &layers {
        report.log_to(Miss::logs(std::slice::from_ref(miss)));
        let outcome = layer::build(miss, report);
        // It shares nothing with others, so whatever fails is its own.
        if let Some(error) = outcome.as_ref().err().filter(|error| error.is_interrupted()) {
            return Err(error.clone());
        }
        ended.push((miss.task.function.id.clone(), outcome));
    }
    let mut kept = Vec::new();
    for alike in compiled_alike(misses) {
        let logs = Miss::logs(&alike);
        let (built, backend, units) = build(alike, report)?;
        ended.extend(built);
        kept.extend(units.map(|units| (backend, units, logs)));
    }
    let (outcomes, all) = outcomes(tasks, ended, report);
    for (backend, units, logs) in kept.into_iter().filter(|_| all.is_ok()) {
        report.log_to(logs);
        keep(&backend, &units, report)?;
    }
    Ok((outcomes, all))
}

/// The checks of all functions, side by side.
fn gates(tasks: &[Task], locks: &[Lock]) -> Result<Vec<Gate>> {
    // Each check is as much work as that of many files.
    let weight = if tasks.len() > 1 { usize::MAX } else { 1 };
    // All locks are signed by now.
    let looks = check::looks(tasks);
    let tasks: Vec<(&Task, &Lock)> = tasks.iter().zip(locks).collect();
    parallel::map(&tasks, weight, |(task, lock)| {
        fs::remove_dead_temporaries(&task.places.folder);
        check::take(task, &looks, lock.signed_at_ns()?)
    })
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

/// Names what cargo-lambda's tables say and what is not honoured, once for all functions that it is about.
fn note_cargo_lambda(misses: &[Miss], report: &mut Reporter) {
    report.log_to(Miss::logs(misses));
    let mut notes: Vec<&String> = Vec::new();
    for note in misses.iter().flat_map(|miss| &miss.task.cargo_lambda.notes) {
        if !notes.contains(&note) {
            report.note(note);
            notes.push(note);
        }
    }
}

/// The functions whose settings are the same for a compile, in the order in which they are named.
fn compiled_alike(misses: Vec<Miss>) -> Vec<Vec<Miss>> {
    let mut alike: Vec<Vec<Miss>> = Vec::new();
    for miss in misses {
        match alike.iter_mut().find(|known| known[0].task.config.compiles_like(&miss.task.config)) {
            Some(known) => known.push(miss),
            None => alike.push(vec![miss]),
        }
    }
    alike
}

/// The outcomes in the order of `tasks`, and why these are not all: the error of the one function; with several functions,
/// which of them were not packaged.
fn outcomes(tasks: &[Task], ended: Vec<Ended>, report: &mut Reporter) -> (Vec<Outcome>, Result<()>) {
    report.log_to(Vec::new());
    let mut by_id: BTreeMap<String, Result<Outcome>> = ended.into_iter().collect();
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for Task { function, .. } in tasks {
        match by_id.remove(&function.id) {
            Some(Ok(outcome)) => outcomes.push(outcome),
            Some(Err(error)) => failed.push((function.id.as_str(), error)),
            None => {}
        }
    }
    if tasks.len() == 1 {
        let failure = failed.pop().map_or(Ok(()), |(_, error)| Err(error));
        return (outcomes, failure);
    }
    let summaries: Vec<_> = outcomes.iter().map(|outcome| &outcome.summary).collect();
    report.emit(&Event::FinishedAll { summaries: &summaries, failed: &failed });
    let Some((_, error)) = failed.first() else { return (outcomes, Ok(())) };
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    let were = if names.len() == 1 { "was" } else { "were" };
    let what = format!("{} of {} functions {were} not packaged: {}", names.len(), tasks.len(), names.join(", "));
    let failure = Error::new(error.kind(), what).hint_with("the others are packaged; why these are not is told above");
    (outcomes, Err(failure))
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

/// Saves the compiled dependencies for other checkouts. It comes last: the zips are ready. If it fails, that is a note.
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
            record_stamps(&mut manifest.artifact, &task.places, &task.workspace.root)?;
            manifest.inputs = now.snapshot;
            manifest.store(&task.places.manifest)
        })?;
    }
    Ok(Outcome::of(task, manifest, Verdict::Hit, None, report))
}
