//! The gate: compares the inputs and the artifact with the record of the last build, in a few milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::SystemTime;

use crate::backend::builder_image;
use crate::cargo::linkers;
use crate::config::{Base, Config};
use crate::error::Result;
use crate::fingerprint::why::Why;
use crate::fingerprint::{
    Artifact, ArtifactState, DiscoveredInputs, Ingredients, Key, Manifest, Present, declared, ingredients, inputs,
    verdict, why,
};
use crate::packaged::{ManifestProblem, Verdict};
use crate::pipeline::{Places, Project, Request, Task};
use crate::snapshot;
use crate::snapshot::{Change, Looks, Taken};
use crate::sys::{Lock, Stamp, fs, relative};

/// What the check saw.
pub struct Gate {
    pub recorded: Result<Manifest, ManifestProblem>,
    pub now: Taken,
    pub changes: Vec<Change>,
    pub ingredients: Ingredients,
    pub artifact: Vec<(String, ArtifactState)>,
    pub artifact_was_read: bool,
    /// Inputs that compiles found.
    pub found: BTreeSet<String>,
    /// When the last run ended, as far as its log tells.
    pub last_run: Option<SystemTime>,
}

/// A function's verdict, and every input of it with the reason why it is one.
pub struct Explained {
    pub verdict: Verdict,
    pub inputs: BTreeMap<String, Why>,
}

/// Explains each function, by its id. Nothing is built; only what cargo answered is remembered.
///
/// # Errors
/// What is not of one function.
pub fn explain(request: &Request) -> Result<Vec<(String, Result<Explained>)>> {
    let project = Project::find(request)?;
    // For its date. It does not wait for a run, which may take long.
    let lock = Lock::acquire(&project.workspace.state_folder().join("explain.lock"), |_| ())?;
    let now_ns = lock.signed_at_ns()?;
    let tasks = project.tasks()?;
    let looks = looks(&tasks);
    let explained = |task: &Task| {
        let gate = take(task, &looks, now_ns)?;
        let inputs = why::of(&gate.now.snapshot, task.workspace, &task.function, &task.config, &gate.found)?;
        Ok(Explained { verdict: decide(&gate, &task.config), inputs })
    };
    Ok(tasks.iter().map(|task| (task.function.id.clone(), explained(task))).collect())
}

/// The looks for the checks of these functions.
pub fn looks(tasks: &[Task]) -> Looks {
    if tasks.len() > 1 { Looks::of_several() } else { Looks::of_one() }
}

/// Takes a snapshot of the inputs at the time `now_ns`, before the first of `looks`, and compares it with the record of the last build.
pub fn take(task: &Task, looks: &Looks, now_ns: i64) -> Result<Gate> {
    let Task { workspace, config, function, places, .. } = task;
    let recorded = Manifest::load(&places.manifest, &function.name, workspace);
    let believed = |manifest: Manifest| manifest.believed(&places.manifest, config.trust_restored_cache, workspace);
    let recorded = recorded.and_then(believed);
    let manifest = recorded.as_ref().ok();
    let discovered_inputs = manifest.map(|manifest| manifest.discovered_inputs.clone()).unwrap_or_default();
    let scope = inputs::scope(workspace, function, config, &discovered_inputs)?;
    let before = manifest.map(|manifest| &manifest.inputs);
    // After a build the artifact is read once more: that takes as long as looking at the inputs.
    let (now, artifact) = thread::scope(|threads| {
        let artifact = threads.spawn(|| artifact_of(task, manifest));
        let now = snapshot::take::take_with(looks, &scope, &workspace.root, before, now_ns);
        (now, artifact.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let (now, (artifact, artifact_was_read)) = (now?, artifact?);
    declared::refuse_unmatched(config, &now.snapshot)?;
    let changes = before.map_or_else(Vec::new, |before| now.snapshot.changes_since(before));
    let toolchain_mounts = match manifest {
        Some(manifest) if manifest.backend.host_toolchain => Some(task.toolchains.of(workspace, config.target_arch)?),
        _ => None,
    };
    let linkers = toolchain_mounts.as_ref().map(|_| linkers::digest(workspace, config)).transpose()?.flatten();
    // The tag that the builder image would have now.
    let builder = match manifest {
        Some(manifest) if builder_image::is_one(&manifest.backend.base) => {
            Some(builder_image::name_for(workspace, config)?)
        }
        _ => None,
    };
    let ingredients = {
        let key = Key::for_variables(config, &workspace.state_folder())?;
        let toolchain = toolchain_mounts.as_deref();
        ingredients::ingredients(config, function, toolchain, linkers, builder.as_deref(), key.as_ref())
    };
    let found = discovered_inputs.found;
    let last_run = fs::lstat(&places.log)?.and_then(|meta| meta.modified().ok());
    Ok(Gate { recorded, now, changes, ingredients, artifact, artifact_was_read, found, last_run })
}

/// The state of each file of the artifact, and whether one had to be read for it.
fn artifact_of(task: &Task, recorded: Option<&Manifest>) -> Result<(Vec<(String, ArtifactState)>, bool)> {
    let (root, mut states, mut was_read) = (&task.workspace.root, Vec::new(), false);
    for path in task.places.artifact(root, recorded.map(|manifest| &manifest.artifact)) {
        let name = relative(&path, root);
        let state = match recorded {
            Some(manifest) => state_of(&path, &name, &manifest.artifact, &mut was_read)?,
            None => ArtifactState::Missing,
        };
        states.push((name, state));
    }
    Ok((states, was_read))
}

/// Looks at the inputs again, after more of them were found.
pub fn look(task: &Task, gate: &mut Gate) -> Result<()> {
    let Task { workspace, config, function, .. } = task;
    let before = &gate.now.snapshot;
    let discovered = DiscoveredInputs { found: gate.found.clone(), ..gate.discovered_inputs() };
    let scope = inputs::scope(workspace, function, config, &discovered)?;
    gate.now = snapshot::take::take(&scope, &workspace.root, Some(before), before.taken_at_ns)?;
    Ok(())
}

fn state_of(path: &Path, name: &str, recorded: &Artifact, was_read: &mut bool) -> Result<ArtifactState> {
    let Some(meta) = fs::lstat(path)?.filter(std::fs::Metadata::is_file) else {
        return Ok(ArtifactState::Missing);
    };
    let stamp = Stamp::of(&meta);
    if recorded.copies.get(name) == Some(&stamp) && stamp.is_older_than(recorded.checked_at_ns) {
        return Ok(ArtifactState::Intact);
    }
    *was_read = true;
    let is = fs::sha_of_file(path)?;
    Ok(if is == recorded.sha_of(name) { ArtifactState::Intact } else { ArtifactState::Modified(is) })
}

pub fn decide(gate: &Gate, config: &Config) -> Verdict {
    let is_fallback = |manifest: &Manifest| {
        let backend = &manifest.backend;
        backend.host_toolchain && (backend.container.is_empty() || config.base == Base::Auto)
    };
    let present = Present {
        ingredients: &gate.ingredients,
        changes: &gate.changes,
        artifact: &gate.artifact,
        forced: config.force,
        fallback_forbidden: config.require_container && gate.recorded.as_ref().is_ok_and(is_fallback),
    };
    verdict::decide(&gate.recorded, &present)
}

impl Gate {
    /// The inputs that the last compile discovered.
    pub fn discovered_inputs(&self) -> DiscoveredInputs {
        self.recorded.as_ref().map_or_else(|_| DiscoveredInputs::default(), |last| last.discovered_inputs.clone())
    }
}

/// Records the stamps that the files of the artifact have now.
pub fn record_stamps(artifact: &mut Artifact, places: &Places, root: &Path) -> Result<()> {
    artifact.copies.clear();
    for path in places.artifact(root, Some(artifact)) {
        if let Some(meta) = fs::lstat(&path)? {
            artifact.copies.insert(relative(&path, root), Stamp::of(&meta));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Layer, Origin};

    #[test]
    fn a_file_that_functions_share_is_looked_at_once() {
        const SHARED: &str = "shared/src/lib.rs";
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonical(folder.path()).unwrap();
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"shared\", \"web\"]\nresolver = \"2\"\n");
        for (name, source) in [("api", "main.rs"), ("shared", "lib.rs"), ("web", "main.rs")] {
            let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
            let uses = "[dependencies]\nshared = { path = \"../shared\" }\n";
            write(&format!("{name}/Cargo.toml"), &(head + if name == "shared" { "" } else { uses }));
            write(&format!("{name}/src/{source}"), "fn main() {}\n");
        }
        let layers = vec![(Origin::Flag, Layer::of(json!({"package": "*"}), &Origin::Flag).unwrap())];
        let project = Project::find(&Request { start: root.clone(), layers, stand_in: None }).unwrap();
        let tasks = project.tasks().unwrap();
        let all = looks(&tasks);
        let sees = |task: &Task, looks: &Looks| {
            let gate = take(task, looks, i64::MAX).unwrap();
            gate.now.snapshot.get(SHARED).map(|entry| entry.sha)
        };
        let first = sees(&tasks[0], &all);
        write(SHARED, "fn main() { }\n");
        assert!(tasks.len() == 2 && first.is_some());
        assert_eq!(sees(&tasks[1], &all), first);
        assert_ne!(sees(&tasks[1], &Looks::of_one()), first);
    }
}
