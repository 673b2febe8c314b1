//! The build after misses: prepare, compile, package, commit.

use std::collections::{BTreeSet, VecDeque};

use crate::backend::{Backend, BackendError, BackendRequest, Seen, select};
use crate::cargo;
use crate::cargo::Function;
use crate::compile::{Compiled, CompiledUnits};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::declared::{GIT, has_git};
use crate::fingerprint::manifest::BackendRecord;
use crate::pipeline::commit::Made;
use crate::pipeline::found::Found;
use crate::pipeline::outcome::{Ended, of_one};
use crate::pipeline::{
    Miss, Outcome, Task, check, commit, extent, found, group, package, retry, sharing, surroundings,
};
use crate::report::{Built, Event, Reporter, Stage};
use crate::snapshot::Snapshot;
use crate::sys::relative;

/// Builds functions with the same settings for a compile: the compiled crates are shared. Returns the backend, and the
/// units that it compiled. A function that fails keeps no other one from its zip. `tasks` are all functions of the run.
///
/// # Errors
/// What keeps every function from its zip that has not `ended` by then. The last good zips and their records then stay as
/// they are.
pub fn build(
    misses: Vec<Miss>,
    tasks: &[Task],
    ended: &mut Vec<Ended>,
    report: &mut Reporter,
) -> Result<(Backend, Option<CompiledUnits>)> {
    let Some(first) = misses.first() else { return Err(Error::config("there is nothing to build")) };
    let (task, before) = (first.task, first.gate.recorded.as_ref().ok().map(|manifest| manifest.backend.clone()));
    report.log_to(Miss::logs(&misses));
    let (request, mut backend) = prepare(task, &misses, before.as_ref(), report)?;
    let mut queue = VecDeque::from(group::together(misses, &backend));
    let mut units = None;
    while let Some(mut group) = queue.pop_front() {
        report.log_to(Miss::logs(&group));
        let compiled =
            report.stage(Stage::Compile, |report| compile(&mut group, tasks, &request, &mut backend, report));
        match compiled {
            Ok(None) => split(group, &mut queue),
            Ok(Some(compiled)) if group::is_mixed(&group, &compiled) => split(group, &mut queue),
            Ok(Some(compiled)) => {
                let tasks = group.iter().map(|miss| (miss.task, compiled.binary_of(&miss.task.function.name)));
                let zips = package::zips(&tasks.collect::<Vec<_>>(), report);
                for (miss, zip) in group.iter().zip(zips) {
                    let outcome = zip.and_then(|zip| finish(miss, zip, &compiled, &request, &backend, report));
                    ended.push((miss.task.function.id.clone(), of_one(outcome)?));
                }
                units = CompiledUnits::with(units, compiled.compiled_units);
            }
            // One of them may not compile: each alone.
            Err(error) if group.len() > 1 && does_not_compile(&error) => split(group, &mut queue),
            Err(error) => match group.as_slice() {
                [miss] if does_not_compile(&error) => ended.push((miss.task.function.id.clone(), Err(error))),
                _ => return Err(error),
            },
        }
    }
    Ok((backend, units))
}

/// Puts each function of a group by itself next.
fn split<'a>(group: Vec<Miss<'a>>, queue: &mut VecDeque<Vec<Miss<'a>>>) {
    group.into_iter().rev().for_each(|miss| queue.push_front(vec![miss]));
}

/// Whether a compile failed for what is compiled: that of others may still succeed.
fn does_not_compile(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cargo | ErrorKind::Artifact)
}

/// Packages and stores one of the functions that were compiled.
fn finish(
    miss: &Miss,
    zip: Vec<u8>,
    compiled: &Compiled,
    request: &BackendRequest,
    backend: &Backend,
    report: &mut Reporter,
) -> Result<Outcome> {
    let Miss { task, gate, verdict, .. } = miss;
    report.log_to(Miss::logs(std::slice::from_ref(miss)));
    let package = package::package(task, backend, request, zip, report)?;
    let made = Made {
        backend: &backend.record,
        toolchain: backend.toolchain.as_ref(),
        binary: compiled.binary_of(&task.function.name),
        outside: &compiled.outside,
        debug: compiled.debug.as_ref(),
        package: &package,
    };
    let manifest = commit::commit(miss, &made, report)?;
    let warm = backend.warm_start().map_or(String::new(), |image| format!(", warm start from {image}"));
    let built = Built {
        backend: format!("{}{warm}", backend.record),
        image: package.image,
        zip_bytes_before: gate.recorded.as_ref().ok().map(|before| before.artifact.zip_bytes),
    };
    let outcome = Outcome::of(task, manifest, verdict.clone(), Some(built), report);
    report.emit(&Event::Finished { summary: &outcome.summary });
    Ok(outcome)
}

/// Selects the backend, and notes what is to know of it.
fn prepare<'a>(
    task: &'a Task<'a>,
    misses: &[Miss],
    before: Option<&'a BackendRecord>,
    report: &mut Reporter,
) -> Result<(BackendRequest<'a>, Backend)> {
    let Task { workspace, config, .. } = task;
    config.runtime.warning().iter().for_each(|text| report.note(text));
    let request = BackendRequest { workspace, config, before };
    let backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    for text in misses.iter().filter_map(|miss| extent::told(&miss.gate.now.snapshot)).collect::<BTreeSet<_>>() {
        report.note(&text);
    }
    let below =
        misses.iter().flat_map(|miss| cargo::config::below_root(workspace, miss.task.function.package.folder()));
    for file in below.collect::<BTreeSet<_>>() {
        report.note(&format!(
            "{} has no effect on the function: cargo is called at the top of the workspace; set the same in {}",
            relative(&file, &workspace.root),
            workspace.root.join(".cargo/config.toml").display()
        ));
    }
    let ignored = cargo::env::without_effect(request.config);
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        report.note(&format!(
            "{names} of this shell has no effect on the function: set the same in its manifest or in .cargo/config.toml, or hand it on with `pass_env`"
        ));
    }
    Ok((request, backend))
}

/// Compiles functions in one call of cargo; the backend may be another one afterwards. What the compile misses and the
/// repository has becomes an input, as long as something new is found. `None` if one of several packages misses something:
/// it is an input only of the functions that miss it.
fn compile(
    group: &mut [Miss],
    tasks: &[Task],
    request: &BackendRequest,
    backend: &mut Backend,
    report: &mut Reporter,
) -> Result<Option<Compiled>> {
    let workspace = request.workspace;
    let several = group.iter().any(|miss| miss.task.function.package.name != group[0].task.function.package.name);
    let functions: Vec<Function> = group.iter().map(|miss| miss.task.function.clone()).collect();
    let sharing = if backend.shares_layers() { sharing::with(group[0].task, tasks) } else { functions.clone() };
    loop {
        let inputs = Snapshot::of_all(group.iter().map(|miss| &miss.gate.now.snapshot));
        let known: BTreeSet<String> = group.iter().flat_map(|miss| &miss.gate.found).cloned().collect();
        let surroundings = surroundings::digest(workspace, request.config, &group[0].gate.ingredients, &inputs)?;
        let seen = Seen { inputs: &inputs, found: &known, surroundings, sharing: &sharing };
        let (error, missing) = match retry::compile(request, &functions, backend, &seen, report) {
            Ok(compiled) => {
                if compiled.misses_git {
                    report.note(&format!(
                        "a build script looks for a git repository, and the compile sees none, so the zip does not name the \
                         commit: add {}, or `exclude = [\".git\"]` if that is meant",
                        declared(&[GIT.to_string()].into())
                    ));
                }
                return Ok(Some(compiled));
            }
            Err(BackendError::Missing(..)) if several => return Ok(None),
            Err(BackendError::Missing(error, missing)) => (error, missing),
            Err(error) => return Err(error.into()),
        };
        let job = backend.job(request, &functions, &seen, false);
        let Found { inputs: new, mut ignored } =
            found::look(workspace, &job.local_packages(), &job.layout, seen.inputs, &missing)?;
        if has_git(request.config) {
            ignored.remove(GIT);
        }
        if new.is_subset(&known) {
            return Err(match ignored.first() {
                Some(path) => error.and_hint(&format!(
                    "git ignores {path}, so the compile does not see it; if it is an input, add it: {}",
                    declared(&ignored)
                )),
                None => match found::unseen(workspace, seen.inputs)?.as_slice() {
                    [] => error,
                    folders => error.and_hint(&format!(
                        "the compile does not see these folders of the workspace: {}; if it needs one, add it to `inputs`",
                        folders.join(", ")
                    )),
                },
            });
        }
        let names = Vec::from_iter(new.iter().map(String::as_str)).join(", ");
        report.note(&format!(
            "the compile needs {names}, which the repository has: compiling again with it; {} saves the first attempt",
            declared(&new)
        ));
        for Miss { task, gate, .. } in group.iter_mut() {
            gate.found.extend(new.iter().cloned());
            check::look(task, gate)?;
        }
    }
}

/// The line that declares inputs.
fn declared(inputs: &BTreeSet<String>) -> String {
    let names: Vec<String> = inputs.iter().map(|name| format!("{name:?}")).collect();
    format!("`inputs = [{}]` in [package.metadata.lambda-packager]", names.join(", "))
}
