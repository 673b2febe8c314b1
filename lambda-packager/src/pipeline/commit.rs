//! Stores what a build made: the zips, the bootstrap, and last the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;
use std::time::SystemTime;

use crate::backend::builder_image;
use crate::cargo::{Toolchain, linkers};
use crate::compile::DebugInfo;
use crate::error::Result;
use crate::fingerprint::manifest::BackendRecord;
use crate::fingerprint::{DiscoveredInputs, Key, Manifest, Run, ingredients, inputs, manifest};
use crate::pipeline::{Gate, Miss, Package, Task, debug, record_stamps};
use crate::report::{Reporter, Stage};
use crate::snapshot;
use crate::snapshot::Snapshot;
use crate::sys::{Sha, Staged, fs, relative};

/// What a build made.
pub struct Made<'a> {
    pub backend: &'a BackendRecord,
    /// The host's toolchain, where it compiled.
    pub toolchain: Option<&'a Toolchain>,
    /// Empty for a layer of files.
    pub binary: &'a [u8],
    /// What the compile read besides its sources.
    pub outside: &'a BTreeSet<PathBuf>,
    pub debug: Option<&'a DebugInfo>,
    pub package: &'a Package,
}

/// Stores the package; returns its manifest.
///
/// # Errors
/// What cannot be written: then the last good zip and its manifest are untouched.
pub fn commit(miss: &Miss, made: &Made, report: &mut Reporter) -> Result<Manifest> {
    let Miss { task, gate, verdict, .. } = miss;
    let &Made { backend, toolchain, binary, outside, debug, package } = made;
    report.stage(Stage::Store, |report| {
        let workspace = task.workspace;
        let discovered = inputs::discovered_inputs(outside, gate.found.clone(), workspace);
        let debug = debug::files(&task.places, debug);
        let (written, [of_zip, of_binary]) = thread::scope(|scope| {
            // They take as long as looking again and writing.
            let digests = scope.spawn(|| [package.zip.as_slice(), binary].map(Sha::of));
            let written = look_again(task, gate, &discovered).and_then(|(inputs, moved)| {
                write(task, binary, &debug, &package.zip, date(&inputs, gate.last_run))?;
                Ok((inputs, moved))
            });
            (written, digests.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let (inputs, moved) = written?;
        let config = &task.config;
        let before = gate.recorded.as_ref().ok();
        let builder = Some(backend.base.as_str()).filter(|base| builder_image::is_one(base));
        let ingredients = ingredients::ingredients(
            config,
            &task.function,
            toolchain,
            toolchain.map(|_| linkers::digest(workspace, config)).transpose()?.flatten(),
            builder,
            Key::for_variables(config, &workspace.state_folder())?.as_ref(),
        );
        let run = Run {
            at_epoch_secs: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            verdict: verdict.to_string(),
            elapsed_ms: report.started.elapsed().as_millis() as u64,
            zip_bytes: package.zip.len() as u64,
            container: backend.container.clone(),
        };
        let root = &workspace.root;
        let stages = report.stages();
        let stages = stages.iter().map(|(stage, time)| (stage.to_string(), time.as_millis() as u64));
        let mut artifact = manifest::Artifact {
            zip_sha256: of_zip,
            zip_bytes: package.zip.len() as u64,
            bootstrap_sha256: of_binary,
            bootstrap_bytes: binary.len() as u64,
            copies: BTreeMap::new(),
            image: package.image.clone().unwrap_or_default(),
            checked_at_ns: inputs.taken_at_ns,
            debug: debug.iter().map(|(path, content)| (relative(path, root), Sha::of(content))).collect(),
        };
        record_stamps(&mut artifact, &task.places, root)?;
        let mut manifest = Manifest {
            schema: manifest::SCHEMA,
            packager: env!("CARGO_PKG_VERSION").into(),
            function: task.function.name.clone(),
            workspace: root.to_string_lossy().into_owned(),
            inode: 0,
            fingerprint: ingredients::digest(&ingredients, &inputs),
            ingredients,
            artifact,
            changed_while_compiling: moved,
            stages_ms: stages.collect::<BTreeMap<_, _>>(),
            history: Manifest::history_with(before, run),
            backend: backend.clone(),
            discovered_inputs: discovered,
            inputs,
        };
        manifest.store(&task.places.manifest)?;
        Ok(manifest)
    })
}

/// Writes all files before it replaces the first, the user's own zip first: where something cannot be
/// written, everything stays as it was.
fn write(task: &Task, binary: &[u8], debug: &[(PathBuf, &[u8])], zip: &[u8], mtime: SystemTime) -> Result<()> {
    let mut staged = Vec::new();
    for (path, content) in debug {
        let ours = &task.places.folder;
        for folder in path.ancestors().skip(1).take_while(|folder| folder != ours) {
            fs::refuse_to_leave(folder, ours)?;
        }
        path.parent().map_or(Ok(()), fs::create_dirs)?;
        staged.push(Staged::write(path, content, 0o644, Some(mtime))?);
    }
    if let Some(path) = &task.places.bootstrap {
        staged.push(Staged::write(path, binary, 0o755, Some(mtime))?);
    }
    for path in &task.places.zips {
        staged.push(Staged::write(path, zip, 0o644, Some(mtime))?);
    }
    staged.into_iter().rev().try_for_each(Staged::commit)?;
    debug::remove_others(&task.places.debug, debug)
}

/// The inputs as they are after the compile, and which of them changed since the check.
fn look_again(task: &Task, gate: &Gate, discovered: &DiscoveredInputs) -> Result<(Snapshot, Vec<String>)> {
    let (workspace, config) = (task.workspace, &task.config);
    let before = &gate.now.snapshot;
    let scope = inputs::scope(workspace, &task.function, config, discovered)?;
    // With the time of the first look: what was written since then is too young to be trusted.
    let after = snapshot::take::take(&scope, &workspace.root, Some(before), before.taken_at_ns)?.snapshot;
    let moved = after.moved_since(before, &scope);
    Ok((after, moved))
}

/// The date for the artifact: before this run and after the last one, and not before its newest input. A cargo that
/// watches it compares with the start of its own last run of the build script: it rests if that is this run, and asks
/// again if it was another, such as one with another profile, after which somebody else made this artifact.
fn date(inputs: &Snapshot, last_run: Option<SystemTime>) -> SystemTime {
    let now = SystemTime::now();
    let newest = inputs.present().iter().map(|(_, entry)| entry.stamp.mtime_ns).max().unwrap_or(0);
    fs::time_of(newest).min(now).max(last_run.unwrap_or(SystemTime::UNIX_EPOCH))
}
