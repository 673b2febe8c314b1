//! The one place that orders the stages.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::artifact::{elf, include, limits, zip};
use crate::backend::deps_cache::CachedImage;
use crate::backend::{Backend, BackendRequest, builder_image, runtime_image, select};
use crate::cargo::Function;
use crate::compile::output::Compiled;
use crate::compile::units::CompiledUnits;
use crate::config::{Config, PullPolicy};
use crate::error::{Error, Result};
use crate::fingerprint::inputs::DiscoveredInputs;
use crate::fingerprint::manifest::{Manifest, Run};
use crate::fingerprint::verdict::{Reason, Verdict};
use crate::fingerprint::{ingredients, inputs, manifest};
use crate::pipeline::check::{Gate, copies};
use crate::pipeline::outcome::Outcome;
use crate::pipeline::project::{Places, Project, Request};
use crate::pipeline::{check, retry, staleness};
use crate::report::stage::Stage;
use crate::report::summary::Built;
use crate::report::{Event, Reporter};
use crate::snapshot;
use crate::snapshot::record::Snapshot;
use crate::snapshot::scope::Scope;
use crate::snapshot::take::Taken;
use crate::sys::fs;
use crate::sys::fs::Staged;
use crate::sys::lock::Lock;
use crate::sys::sha256::Sha;

/// Packages a function: judges, and where there is nothing to reuse builds.
///
/// # Errors
/// Whatever keeps the zip from being made; the last good zip and its record are then untouched.
pub fn run(request: &Request, report: &mut Reporter) -> Result<Outcome> {
    let project = report.stage(Stage::Inputs, |_| Project::find(request))?;
    let function = project.function()?;
    let config = &project.config;
    let places = Places::of(&project, &function)?;
    report.emit(&Event::Started {
        function: &function.name,
        mode: config.mode.to_string(),
        target: config.target_arch.to_string(),
        runtime: config.runtime.to_string(),
    });
    let lock = Lock::acquire(&places.folder.join(format!("{}.lock", config.mode)), |holder| {
        let holder = holder.map_or("another run".to_string(), |holder| holder.to_string());
        report.emit(&Event::Waiting { holder });
    })?;
    fs::remove_dead_temporaries(&places.folder);
    let gate = report.stage(Stage::Inputs, |_| check::take(&project, &function, &places, lock.signed_at_ns()?))?;
    let mut verdict = report.stage(Stage::Verdict, |_| check::decide(&gate, config));
    // The gate asks no engine; who wants the registry asked on every run has it asked.
    if verdict == Verdict::Hit && config.pull_policy == PullPolicy::Always {
        let before = gate.recorded.as_ref().ok().map(|manifest| &manifest.backend);
        let request = BackendRequest { workspace: &project.workspace, config, before };
        if let Some(reason) = report.stage(Stage::Container, |report| select::renewed(&request, report))? {
            verdict = Verdict::Miss(vec![reason]);
        }
    }
    open_log(&places, &verdict, report)?;
    let reasons: &[Reason] = match &verdict {
        Verdict::Hit => &[],
        Verdict::Miss(reasons) => reasons,
    };
    report.emit(&Event::Judged { verdict: &verdict.to_string(), reasons });
    let (outcome, made) = match (&verdict, gate) {
        (Verdict::Hit, Gate { recorded: Ok(manifest), now, artifact_was_read, .. }) => {
            (reuse(&project, &places, manifest, now, artifact_was_read, report)?, None)
        }
        (_, gate) => {
            let (outcome, backend, downloads) = build(&project, &function, &places, gate, &verdict, report)?;
            (outcome, Some((backend, downloads)))
        }
    };
    report.emit(&Event::Finished { summary: &outcome.summary });
    if let Some((backend, downloads)) = made {
        keep(&backend, &downloads, report)?;
    }
    Ok(outcome)
}

/// The last thing: nobody waits for it who waits for the zip. What cannot be kept is compiled again.
fn keep(backend: &Backend, downloads: &CompiledUnits, report: &mut Reporter) -> Result<()> {
    if !backend.would_keep(downloads) {
        return Ok(());
    }
    match report.stage(Stage::Keep, |_| backend.keep(downloads)) {
        Ok(Some(CachedImage { image, size_bytes })) => report.emit(&Event::Kept { image: &image, size_bytes }),
        Ok(None) => {}
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => {
            let error = error.with_cause();
            let message = format!("the compiled dependencies are not kept for other checkouts: {error}");
            report.emit(&Event::Note { message: &message });
        }
    }
    Ok(())
}

/// A miss begins a new log; a hit adds to the one of the build that it reuses.
fn open_log(places: &Places, verdict: &Verdict, report: &mut Reporter) -> Result<()> {
    let log = match verdict {
        Verdict::Hit => fs::append(&places.log)?,
        Verdict::Miss(_) => fs::create(&places.log)?,
    };
    report.also_log_to(log);
    Ok(())
}

fn reuse(
    project: &Project,
    places: &Places,
    mut manifest: Manifest,
    now: Taken,
    artifact_was_read: bool,
    report: &mut Reporter,
) -> Result<Outcome> {
    let root = &project.workspace.root;
    if now.worth_keeping || artifact_was_read {
        // Same content under new stamps: remembered, so that the next gate need not read it again.
        report.stage(Stage::Store, |_| {
            manifest.artifact.checked_at_ns = now.snapshot.taken_at_ns;
            manifest.artifact.copies = copies(places, root)?;
            manifest.inputs = now.snapshot;
            manifest.store(&places.manifest)
        })?;
    }
    Ok(Outcome::of(project, places, manifest, Verdict::Hit, None, report))
}

/// All that a build learns on its way.
fn build(
    project: &Project,
    function: &Function,
    places: &Places,
    gate: Gate,
    verdict: &Verdict,
    report: &mut Reporter,
) -> Result<(Outcome, Backend, CompiledUnits)> {
    let Project { workspace, config, .. } = project;
    let before = gate.recorded.as_ref().ok();
    if let Some(output) = inputs::output(workspace, config) {
        check_output(&output, config)?;
        output.parent().iter().for_each(|folder| fs::remove_dead_temporaries(folder));
    }
    report.stage(Stage::Fetch, |_| workspace.fetch(config.target_arch))?;
    let request = BackendRequest { workspace, config, before: before.map(|manifest| &manifest.backend) };
    let backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
    let none = DiscoveredInputs::default();
    let known = before.map_or(&none, |manifest| &manifest.discovered_inputs);
    let staleness = staleness::of(project, function, places, &gate, known)?;
    let inputs = &gate.now.snapshot;
    let compiled =
        report.stage(Stage::Compile, |report| retry::compile(&request, function, backend, &staleness, inputs, report));
    let (backend, compiled) = match compiled {
        Ok(compiled) => compiled,
        Err(error) => {
            // What did compile need not be compiled again. The error is the news, whatever becomes of this.
            if held_still(project, function, &gate, known).unwrap_or(false) {
                let _ = staleness::settle(places, &staleness);
            }
            return Err(error);
        }
    };
    let members = report.stage(Stage::Verify, |_| verify(&compiled.binary, function, project))?;
    let bytes = report.stage(Stage::Zip, |_| archive(&compiled.binary, members, config))?;
    let image = if config.mode.is_for_production() {
        report.stage(Stage::Runtime, |_| runtime_image::leave(&backend, &request, &function.name, &bytes))?
    } else {
        None
    };
    let manifest = report.stage(Stage::Store, |report| {
        let (inputs, discovered_inputs, unsettled) = settle(project, function, &gate, &compiled)?;
        if unsettled.is_empty() {
            staleness::settle(places, &staleness)?;
        }
        let mtime = newest(&inputs);
        // All are written before the first is replaced, and the user's own place is replaced first: what
        // cannot be written leaves everything as it was.
        let mut staged = vec![Staged::write(&places.bootstrap, &compiled.binary, 0o755, Some(mtime))?];
        for zip in &places.zips {
            staged.push(Staged::write(zip, &bytes, 0o644, Some(mtime))?);
        }
        for file in staged.into_iter().rev() {
            file.commit()?;
        }
        let toolchain = backend.toolchain.as_ref();
        let builder = Some(backend.record.base.as_str()).filter(|base| builder_image::is_one(base));
        let (name, package) = (&function.name, &function.package.name);
        let ingredients = ingredients::ingredients(config, name, package, toolchain, builder);
        let mut stages_ms = BTreeMap::new();
        for (stage, time) in report.stages() {
            stages_ms.insert(stage.name().to_string(), time.as_millis() as u64);
        }
        let manifest = Manifest {
            schema: manifest::SCHEMA,
            packager: env!("CARGO_PKG_VERSION").into(),
            function: function.name.clone(),
            workspace: workspace.root.to_string_lossy().into_owned(),
            fingerprint: ingredients::digest(&ingredients, &inputs),
            ingredients,
            artifact: manifest::Artifact {
                zip_sha256: Sha::of(&bytes),
                zip_bytes: bytes.len() as u64,
                bootstrap_sha256: Sha::of(&compiled.binary),
                bootstrap_bytes: compiled.binary.len() as u64,
                copies: copies(places, &workspace.root)?,
                image: image.clone().unwrap_or_default(),
                checked_at_ns: inputs.taken_at_ns,
            },
            changed_while_compiling: unsettled,
            stages_ms,
            history: Manifest::history_with(
                before,
                Run {
                    at_epoch_secs: SystemTime::now()
                        .duration_since(SystemTime::UNIX_EPOCH)
                        .map_or(0, |time| time.as_secs()),
                    verdict: verdict.to_string(),
                    elapsed_ms: report.started.elapsed().as_millis() as u64,
                    zip_bytes: bytes.len() as u64,
                },
            ),
            backend: backend.record.clone(),
            discovered_inputs,
            inputs,
        };
        manifest.store(&places.manifest)?;
        Ok::<_, Error>(manifest)
    })?;
    let warm = backend.warm_start().map_or(String::new(), |image| format!(", warm start from {image}"));
    let built = Built {
        backend: format!("{}{warm}", backend.record),
        image,
        zip_bytes_before: before.map(|manifest| manifest.artifact.zip_bytes),
    };
    let outcome = Outcome::of(project, places, manifest, verdict.clone(), Some(built), report);
    Ok((outcome, backend, compiled.downloads))
}

/// A mistyped `output` must not cost a file: only a zip is replaced.
fn check_output(output: &Path, config: &Config) -> Result<()> {
    let is_named_zip = output.extension().is_some_and(|extension| extension == "zip");
    let is_zip = || Ok::<bool, Error>(is_named_zip || fs::read_start(output, 2)? == b"PK");
    match fs::stat(output)? {
        Some(meta) if !meta.is_file() || !is_zip()? => Err(Error::config(format!(
            "{}: {} exists and is not a zip; it was not changed",
            config.place_of("output"),
            output.display()
        ))
        .hint_with("set another path, or remove that file yourself")),
        _ => Ok(()),
    }
}

/// Checks the binary, and gathers what goes into the zip beside it.
pub fn verify(binary: &[u8], function: &Function, project: &Project) -> Result<Vec<zip::Member>> {
    let Project { workspace, config, .. } = project;
    let folder = function.package.folder();
    let members = include::members(&config.include, folder, &workspace.root, &config.place_of("include"))?;
    let brought: Vec<String> =
        (members.iter()).map(|member| member.name.strip_prefix("lib/").unwrap_or(&member.name).to_string()).collect();
    let expected = elf::Expectation {
        arch: config.target_arch,
        runtime: config.runtime,
        brought: &brought,
        linked_by: &function.package.linked_by,
    };
    elf::check(binary, &expected)?;
    Ok(members)
}

/// The zip of a binary and what goes into it beside that.
pub fn archive(binary: &[u8], mut members: Vec<zip::Member>, config: &Config) -> Result<Vec<u8>> {
    let unzipped: usize = members.iter().map(|member| member.content.len()).sum();
    members.push(zip::Member { name: "bootstrap".into(), executable: true, content: binary.to_vec() });
    let bytes = zip::archive(members, zip::level(config.mode))?;
    limits::check(bytes.len() as u64, (unzipped + binary.len()) as u64)?;
    Ok(bytes)
}

/// Looks once more after the compile: the inputs that are recorded, those that only the compile
/// could name, and which of them moved meanwhile.
fn settle(
    project: &Project,
    function: &Function,
    gate: &Gate,
    compiled: &Compiled,
) -> Result<(Snapshot, DiscoveredInputs, Vec<String>)> {
    let Project { workspace, config, .. } = project;
    let before = &gate.now.snapshot;
    let discovered_inputs = inputs::discovered_inputs(&compiled.sources, &compiled.units, workspace, function, before);
    let scope: Scope = inputs::scope(workspace, function, config, &discovered_inputs)?;
    // Dated by the first look: what was written since then is too young to be trusted.
    let after = snapshot::take::take(&scope, &workspace.root, Some(before), before.taken_at_ns)?.snapshot;
    let unsettled = after.moved_since(before, &scope);
    Ok((after, discovered_inputs, unsettled))
}

/// Whether no input moved since the gate looked, as far as they are known.
fn held_still(project: &Project, function: &Function, gate: &Gate, known: &DiscoveredInputs) -> Result<bool> {
    let Project { workspace, config, .. } = project;
    let before = &gate.now.snapshot;
    let scope = inputs::scope(workspace, function, config, known)?;
    let after = snapshot::take::take(&scope, &workspace.root, Some(before), before.taken_at_ns)?.snapshot;
    Ok(after.moved_since(before, &scope).is_empty())
}

/// The artifact is as old as its newest input, so that a cargo that watches both does not take the
/// one for a change of the other.
fn newest(inputs: &Snapshot) -> SystemTime {
    let now = SystemTime::now();
    let newest = inputs.present().iter().map(|(_, entry)| entry.stamp.mtime_ns).max().unwrap_or(0);
    fs::time_of(newest).min(now)
}
