//! One run, from the settings to the summary. This is the one place that orders the stages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use crate::backend::{Backend, CachedImage};
use crate::compile::CompiledUnits;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::fingerprint::git;
use crate::packaged::Watch;
use crate::pipeline::build::build;
use crate::pipeline::outcome::{Ended, of_one};
use crate::pipeline::package::check_ahead;
use crate::pipeline::{Gate, Miss, Outcome, Project, Request, Task, check, judge, layer, lock, watch};
use crate::report::{Event, Reporter, Stage};
use crate::snapshot::parallel;
use crate::sys;
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
/// What is wrong with the project or its settings.
pub fn run_each(request: &Request, report: &mut Reporter) -> Result<(Vec<Outcome>, Result<()>)> {
    run_each_of(&around(request, report)?, report)
}

/// The same for a project that is known.
///
/// # Errors
/// The settings select no function.
pub fn run_each_of(project: &Project, report: &mut Reporter) -> Result<(Vec<Outcome>, Result<()>)> {
    package(&find(project, report)?, report)
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
    let mut ended = Vec::new();
    let built = judge_and_build(tasks, &locks, &mut ended, report);
    let (outcomes, all) = outcomes(tasks, ended, built.as_ref().err(), report);
    for (backend, units, logs) in built.into_iter().flatten().filter(|_| all.is_ok()) {
        report.log_to(logs);
        keep(&backend, &units, report)?;
    }
    Ok((outcomes, all))
}

/// Units that were compiled, on which backend, and the logs of the functions that they are of.
type Units = (Backend, CompiledUnits, Vec<File>);

/// Judges the functions, and builds those that need it. What became of each is in `ended`.
///
/// # Errors
/// What keeps every function from its zip that has not `ended` by then.
fn judge_and_build(
    tasks: &[Task],
    locks: &[Lock],
    ended: &mut Vec<Ended>,
    report: &mut Reporter,
) -> Result<Vec<Units>> {
    let gates = report.stage(Stage::Inputs, |_| gates(tasks, locks))?;
    let misses = judge::all(tasks, gates, ended, report)?;
    note_cargo_lambda(&misses, report);
    note_absent_git(&misses, report);
    let misses = checked_ahead(misses, ended, report);
    let (misses, layers): (Vec<_>, Vec<_>) = misses.into_iter().partition(|miss| miss.task.kind().has_binary());
    for miss in &layers {
        report.log_to(Miss::logs(std::slice::from_ref(miss)));
        ended.push((miss.task.function.id.clone(), of_one(layer::build(miss, report))?));
    }
    fetch(&misses, report)?;
    let mut compiled = Vec::new();
    for alike in compiled_alike(misses) {
        let logs = Miss::logs(&alike);
        let (backend, units) = build(alike, tasks, ended, report)?;
        compiled.extend(units.map(|units| (backend, units, logs)));
    }
    Ok(compiled)
}

/// The checks of all functions, side by side.
fn gates(tasks: &[Task], locks: &[Lock]) -> Result<Vec<Result<Gate>>> {
    // Each check is as much work as that of many files.
    let weight = if tasks.len() > 1 { usize::MAX } else { 1 };
    // All locks are signed by now.
    let looks = check::looks(tasks);
    let tasks: Vec<(&Task, &Lock)> = tasks.iter().zip(locks).collect();
    parallel::map(&tasks, weight, |(task, lock)| {
        fs::remove_dead_temporaries(&task.places.folder);
        Ok(check::take(task, &looks, lock.signed_at_ns()?))
    })
}

/// Those that nothing keeps from their zips as far as is known before a compile. The others have `ended`.
fn checked_ahead<'a>(misses: Vec<Miss<'a>>, ended: &mut Vec<Ended>, report: &mut Reporter) -> Vec<Miss<'a>> {
    let mut passed = Vec::new();
    for miss in misses {
        report.log_to(Miss::logs(std::slice::from_ref(&miss)));
        match check_ahead(miss.task, report) {
            Ok(()) => passed.push(miss),
            Err(error) => ended.push((miss.task.function.id.clone(), Err(error))),
        }
    }
    passed
}

/// Fetches the crates for all compiles.
fn fetch(misses: &[Miss], report: &mut Reporter) -> Result<()> {
    report.log_to(Miss::logs(misses));
    misses.first().map_or(Ok(()), |miss| report.stage(Stage::Fetch, |_| miss.task.workspace.fetch()))
}

/// Names what cargo-lambda's tables say and what is not honoured, once for all functions that it is about.
fn note_cargo_lambda(misses: &[Miss], report: &mut Reporter) {
    report.log_to(Miss::logs(misses));
    let mut notes: Vec<&str> = Vec::new();
    for Task { config, cargo_lambda, .. } in misses.iter().map(|miss| miss.task) {
        let of_release = cargo_lambda.note_of_release.filter(|_| config.mode == Mode::Release);
        notes.extend(cargo_lambda.notes.iter().map(String::as_str).chain(of_release));
    }
    let mut told = BTreeSet::new();
    notes.into_iter().filter(|note| told.insert(*note)).for_each(|note| report.note(note));
}

/// Says once that nothing is ignored.
fn note_absent_git(misses: &[Miss], report: &mut Reporter) {
    let root = misses.first().map(|miss| miss.task.workspace.root.as_path());
    if root.is_some_and(|root| git::work_tree(root).is_some() && sys::git::git(root).is_none()) {
        report.log_to(Miss::logs(misses));
        report.note("git is not installed: the compile sees also what `.gitignore` names, and a change of it is a miss; install git, or leave such files out with `exclude`");
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

/// The outcomes in the order of `tasks`, and why these are not all: what `stopped` the run, or the error of the one function;
/// with several functions, which of them were not packaged.
fn outcomes(
    tasks: &[Task],
    ended: Vec<Ended>,
    stopped: Option<&Error>,
    report: &mut Reporter,
) -> (Vec<Outcome>, Result<()>) {
    report.log_to(Vec::new());
    let mut by_id: BTreeMap<String, Result<Outcome>> = ended.into_iter().collect();
    let (mut outcomes, mut failed, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for Task { function, .. } in tasks {
        match by_id.remove(&function.id) {
            Some(Ok(outcome)) => outcomes.push(outcome),
            Some(Err(error)) => failed.push((function.id.as_str(), error)),
            None => left.push(function.id.as_str()),
        }
    }
    if tasks.len() == 1 || left.len() == tasks.len() {
        let error = failed.pop().map(|(_, error)| error).or(stopped.cloned());
        return (outcomes, error.map_or(Ok(()), Err));
    }
    let summaries: Vec<_> = outcomes.iter().map(|outcome| &outcome.summary).collect();
    report.emit(&Event::FinishedAll { summaries: &summaries, failed: &failed, left: &left });
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).chain(left).collect();
    let failure = match (stopped, failed.first()) {
        (Some(error), _) => error.clone().and_hint(&format!("not packaged: {}", names.join(", "))),
        (None, Some((_, error))) => {
            let were = if names.len() == 1 { "was" } else { "were" };
            let what =
                format!("{} of {} functions {were} not packaged: {}", names.len(), tasks.len(), names.join(", "));
            let others = if outcomes.is_empty() { "" } else { "the others are packaged; " };
            Error::new(error.kind(), what).hint_with(format!("{others}why these are not is told above"))
        }
        (None, None) => return (outcomes, Ok(())),
    };
    (outcomes, Err(failure))
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
