//! One build after a miss: prepare, compile, package, commit.

use std::collections::BTreeSet;
use std::path::Path;

use crate::backend::{Backend, BackendError, BackendRequest, Seen, select};
use crate::cargo;
use crate::compile::{Compiled, CompiledUnits};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::declared::{GIT, has_git};
use crate::fingerprint::inputs;
use crate::fingerprint::manifest::BackendRecord;
use crate::packaged::Verdict;
use crate::pipeline::found::Found;
use crate::pipeline::{Gate, Outcome, Task, check, commit, extent, found, package, retry, surroundings};
use crate::report::{Built, Reporter, Stage};
use crate::sys::fs;

/// Builds the function after the check `gate`. Also returns the backend, and the units that it compiled.
///
/// # Errors
/// If the zip cannot be made. The last good zip and its record then stay as they are.
pub fn build(
    task: &Task,
    gate: &mut Gate,
    verdict: &Verdict,
    report: &mut Reporter,
) -> Result<(Outcome, Backend, CompiledUnits)> {
    let before = gate.recorded.as_ref().ok().map(|manifest| manifest.backend.clone());
    let (request, mut backend) = prepare(task, before.as_ref(), report)?;
    if let Some(text) = extent::told(&gate.now.snapshot) {
        report.note(&text);
    }
    let ignored = cargo::env::without_effect(request.config);
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        report.note(&format!(
            "{names} of this shell has no effect on the function: set the same in its manifest or in .cargo/config.toml, or hand it on with `pass_env`"
        ));
    }
    let compiled = report.stage(Stage::Compile, |report| compile(task, gate, &request, &mut backend, report))?;
    let package = package::package(task, &backend, &request, &compiled.binary, report)?;
    let manifest = commit::commit(task, gate, verdict, &backend, &compiled, &package, report)?;
    let warm = backend.warm_start().map_or(String::new(), |image| format!(", warm start from {image}"));
    let built = Built {
        backend: format!("{}{warm}", backend.record),
        image: package.image,
        zip_bytes_before: gate.recorded.as_ref().ok().map(|before| before.artifact.zip_bytes),
    };
    let outcome = Outcome::of(task, manifest, verdict.clone(), Some(built), report);
    Ok((outcome, backend, compiled.compiled_units))
}

/// Checks where the zip will go and what goes into it, fetches the crates, and selects the backend.
fn prepare<'a>(
    task: &Task<'a>,
    before: Option<&'a BackendRecord>,
    report: &mut Reporter,
) -> Result<(BackendRequest<'a>, Backend)> {
    let (workspace, config) = (&task.project.workspace, &task.project.config);
    config.runtime.warning().iter().for_each(|text| report.note(text));
    if let Some(output) = inputs::output(workspace, config) {
        check_output(&output, config)?;
        output.parent().iter().for_each(|folder| fs::remove_dead_temporaries(folder));
    }
    // What cannot be packaged is told before the compile.
    package::included(task)?;
    report.stage(Stage::Fetch, |_| workspace.fetch(config.target_arch))?;
    let request = BackendRequest { workspace, config, before };
    let backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    Ok((request, backend))
}

/// Compiles; the backend may be another one afterwards. What the compile misses and the repository has becomes an input,
/// as long as something new is found.
fn compile(
    task: &Task,
    gate: &mut Gate,
    request: &BackendRequest,
    backend: &mut Backend,
    report: &mut Reporter,
) -> Result<Compiled> {
    let (workspace, function) = (request.workspace, &task.function);
    loop {
        let surroundings = surroundings::digest(workspace, request.config, &gate.ingredients, &gate.now.snapshot)?;
        let seen = Seen { inputs: &gate.now.snapshot, found: &gate.found, surroundings };
        let (error, missing) = match retry::compile(request, function, backend, &seen, report) {
            Ok(compiled) => {
                if compiled.misses_git {
                    report.note(&format!(
                        "a build script looks for a git repository, and the compile sees none, so the zip does not name the \
                         commit: add {}, or `exclude = [\".git\"]` if that is meant",
                        declared(&[GIT.to_string()].into())
                    ));
                }
                return Ok(compiled);
            }
            Err(BackendError::Missing(error, missing)) => (error, missing),
            Err(error) => return Err(error.into()),
        };
        let layout = backend.job(request, function, &seen, false).layout;
        let Found { inputs, mut ignored } = found::look(workspace, function, &layout, seen.inputs, &missing)?;
        if has_git(request.config) {
            ignored.remove(GIT);
        }
        if inputs.is_subset(&gate.found) {
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
        let names = Vec::from_iter(inputs.iter().map(String::as_str)).join(", ");
        report.note(&format!(
            "the compile needs {names}, which the repository has: compiling again with it; {} saves the first attempt",
            declared(&inputs)
        ));
        gate.found.extend(inputs);
        check::look(task, gate)?;
    }
}

/// The line that declares inputs.
fn declared(inputs: &BTreeSet<String>) -> String {
    let names: Vec<String> = inputs.iter().map(|name| format!("{name:?}")).collect();
    format!("`inputs = [{}]` in [package.metadata.lambda-packager]", names.join(", "))
}

/// Refuses an `output` that exists and is not a zip: a mistyped path must not overwrite another file.
fn check_output(output: &Path, config: &Config) -> Result<()> {
    let is_named_zip = output.extension().is_some_and(|extension| extension == "zip");
    let is_zip = || Ok::<bool, Error>(is_named_zip || fs::read_start(output, 2)? == b"PK");
    match fs::stat(output)? {
        Some(meta) if !meta.is_file() || !is_zip()? => {
            let (place, path) = (config.place_of("output"), output.display());
            Err(Error::config(format!("{place}: {path} exists and is not a zip; it was not changed"))
                .hint_with("set another path, or remove that file yourself"))
        }
        _ => Ok(()),
    }
}
