//! One build after a miss: prepare, compile, package, commit.

use std::path::Path;

use crate::backend::{Backend, BackendRequest, select};
use crate::compile::{Compiled, CompiledUnits, Staleness};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::inputs;
use crate::packaged::Verdict;
use crate::pipeline::{Gate, Outcome, Task, commit, package, retry, staleness};
use crate::report::{Built, Reporter, Stage};
use crate::sys::fs;

/// Builds the function after the check `gate`. Also returns the backend, and the units that it compiled.
///
/// # Errors
/// If the zip cannot be made. The last good zip and its record then stay as they are.
pub fn build(
    task: &Task,
    gate: &Gate,
    verdict: &Verdict,
    report: &mut Reporter,
) -> Result<(Outcome, Backend, CompiledUnits)> {
    let (request, backend, staleness) = prepare(task, gate, report)?;
    let (backend, compiled) = compile(task, gate, &request, backend, &staleness, report)?;
    let package = package::package(task, &backend, &request, &compiled.binary, report)?;
    let manifest = commit::commit(task, gate, verdict, &backend, &staleness, &compiled, &package, report)?;
    let warm = backend.warm_start().map_or(String::new(), |image| format!(", warm start from {image}"));
    let built = Built {
        backend: format!("{}{warm}", backend.record),
        image: package.image,
        zip_bytes_before: gate.recorded.as_ref().ok().map(|before| before.artifact.zip_bytes),
    };
    let outcome = Outcome::of(task, manifest, verdict.clone(), Some(built), report);
    Ok((outcome, backend, compiled.compiled_units))
}

/// Checks where the zip will go, fetches the crates, and selects the backend.
fn prepare<'a>(
    task: &Task<'a>,
    gate: &'a Gate,
    report: &mut Reporter,
) -> Result<(BackendRequest<'a>, Backend, Staleness)> {
    let (workspace, config) = (&task.project.workspace, &task.project.config);
    if let Some(output) = inputs::output(workspace, config) {
        check_output(&output, config)?;
        output.parent().iter().for_each(|folder| fs::remove_dead_temporaries(folder));
    }
    report.stage(Stage::Fetch, |_| workspace.fetch(config.target_arch))?;
    let before = gate.recorded.as_ref().ok().map(|manifest| &manifest.backend);
    let request = BackendRequest { workspace, config, before };
    let backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    Ok((request, backend, staleness::of(task, gate)?))
}

/// Compiles; the backend may be another one afterwards.
fn compile(
    task: &Task,
    gate: &Gate,
    request: &BackendRequest,
    backend: Backend,
    staleness: &Staleness,
    report: &mut Reporter,
) -> Result<(Backend, Compiled)> {
    let compiled = report.stage(Stage::Compile, |report| {
        retry::compile(request, &task.function, backend, staleness, &gate.now.snapshot, report)
    });
    if compiled.is_err() && commit::inputs_held_still(task, gate).unwrap_or(false) {
        // The units that did compile can be reused then. If recording that fails, the compile's error is reported.
        let _ = staleness::settle(&task.places, staleness);
    }
    compiled
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
