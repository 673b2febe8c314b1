//! The gate: looks at what is there and at what is recorded, and judges whether the one is of the other.

use std::collections::BTreeMap;
use std::path::Path;

use crate::builder::builder_image;
use crate::cache::fingerprint::{self, Ingredients};
use crate::cache::inputs::{self, Extras};
use crate::cache::manifest::{Artifact, Manifest, Problem};
use crate::cache::snapshot::Change;
use crate::cache::survey::{self, Taken};
use crate::cache::verdict::{self, ArtifactState, Present, Verdict};
use crate::config::{Base, Config};
use crate::error::Result;
use crate::fs::{self, Stamp};
#[cfg(feature = "cli")]
use crate::lock::Lock;
#[cfg(feature = "cli")]
use crate::project::Request;
use crate::project::{Places, Project};
use crate::toolchain::Toolchain;
use crate::workspace::{Function, relative};

/// What the gate saw.
pub(crate) struct Gate {
    pub recorded: Result<Manifest, Problem>,
    pub now: Taken,
    pub changes: Vec<Change>,
    pub ingredients: Ingredients,
    pub artifact: Vec<(String, ArtifactState)>,
    pub artifact_was_read: bool,
}

/// The verdict alone: what a run would find. Nothing is built and nothing but remembered facts is
/// written.
#[cfg(feature = "cli")]
pub(crate) fn explain(request: &Request) -> Result<Verdict> {
    let project = Project::find(request)?;
    let function = project.function()?;
    let places = Places::of(&project, &function)?;
    let lock = Lock::acquire(&places.folder.join("explain.lock"), |_| ())?;
    let gate = look(&project, &function, &places, lock.signed_at_ns()?)?;
    Ok(judge(&gate, &project.config))
}

pub(crate) fn look(project: &Project, function: &Function, places: &Places, now_ns: i64) -> Result<Gate> {
    let Project { workspace, config, .. } = project;
    let recorded = Manifest::load(&places.manifest, &function.name, workspace);
    let manifest = recorded.as_ref().ok();
    let extras = manifest.map_or_else(Extras::default, |manifest| manifest.extras.clone());
    let scope = inputs::scope(workspace, function, config, &extras)?;
    let before = manifest.map(|manifest| &manifest.inputs);
    let now = survey::take(&scope, &workspace.root, before, now_ns)?;
    let changes = before.map_or_else(Vec::new, |before| now.snapshot.changes_since(before));
    let lent = match manifest {
        Some(manifest) if manifest.road.host_toolchain => Some(Toolchain::discover(workspace, config.target_arch)?),
        _ => None,
    };
    // Its name says what it would be made of now.
    let builder = match manifest {
        Some(manifest) if builder_image::is_one(&manifest.road.base) => {
            let release = Toolchain::release(workspace, config.target_arch)?;
            Some(builder_image::tag(&release, config.runtime, config.target_arch))
        }
        _ => None,
    };
    let (name, package) = (&function.name, &function.package.name);
    let ingredients = fingerprint::ingredients(config, name, package, lent.as_ref(), builder.as_deref());
    let mut artifact = Vec::new();
    let mut artifact_was_read = false;
    for path in places.artifact() {
        let name = relative(path, &workspace.root);
        let state = match manifest {
            Some(manifest) => state_of(path, &name, &manifest.artifact, &mut artifact_was_read)?,
            None => ArtifactState::Missing,
        };
        artifact.push((name, state));
    }
    Ok(Gate { recorded, now, changes, ingredients, artifact, artifact_was_read })
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

pub(crate) fn judge(gate: &Gate, config: &Config) -> Verdict {
    verdict::judge(
        &gate.recorded,
        &Present {
            ingredients: &gate.ingredients,
            changes: &gate.changes,
            artifact: &gate.artifact,
            forced: config.force,
            fallback_forbidden: config.require_container
                && gate.recorded.as_ref().is_ok_and(|manifest| {
                    manifest.road.host_toolchain && (manifest.road.container.is_empty() || config.base == Base::Auto)
                }),
        },
    )
}

/// The files of the artifact, and how they look now.
pub(crate) fn copies(places: &Places, root: &Path) -> Result<BTreeMap<String, Stamp>> {
    let mut copies = BTreeMap::new();
    for path in places.artifact() {
        if let Some(meta) = fs::lstat(path)? {
            copies.insert(relative(path, root), Stamp::of(&meta));
        }
    }
    Ok(copies)
}
