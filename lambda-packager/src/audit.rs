//! Whether what lies on disk is what it says it is: by its record, and by building it again on the other road.

use crate::artifact::difference;
use crate::cache::inputs::Extras;
use crate::cache::verdict::{ArtifactState, Verdict};
use crate::error::{Error, Result};
use crate::event::{Reporter, Stage};
use crate::fs::{self, Sha};
use crate::gate::{self, Gate};
use crate::lock::Lock;
use crate::pipeline::{archive, verify};
use crate::project::{Places, Project, Request};
use crate::recovery;
use crate::road::{self, Traveller};
use crate::trust;

/// Checks the packaged function; what was found, in lines for people.
///
/// # Errors
/// What differs, of kind `Artifact`; or whatever keeps it from being built again.
pub(crate) fn run(request: &Request, rebuild: bool, report: &mut Reporter) -> Result<Vec<String>> {
    let mut project = Project::find(request)?;
    // What forces a build says nothing of what lies there.
    project.config.force = false;
    let function = project.function()?;
    let places = Places::of(&project, &function)?;
    let lock = Lock::acquire(&places.folder.join(format!("{}.lock", project.config.mode)), |_| ())?;
    let gate = gate::look(&project, &function, &places, lock.signed_at_ns()?)?;
    for (path, state) in &gate.artifact {
        let what = match state {
            ArtifactState::Intact => continue,
            ArtifactState::Missing => "is missing",
            ArtifactState::Modified(_) => "is not what was packaged",
        };
        return Err(Error::artifact(format!("{path} {what}")).hint_with("package again: `lambda-packager`"));
    }
    if let Verdict::Miss(reasons) = gate::judge(&gate, &project.config) {
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        return Err(Error::artifact(format!("what lies on disk is not of these inputs: {}", reasons.join(", ")))
            .hint_with("package first: `lambda-packager`"));
    }
    let zip = places.zips.first().map(|path| fs::read(path)).transpose()?.unwrap_or_default();
    let bootstrap = fs::read(&places.bootstrap)?;
    verify(&bootstrap, &function, &project)?;
    let runtime = project.config.runtime;
    let mut lines =
        vec![format!("{} is as it was packaged, and starts on {runtime}: sha256 {}", function.name, Sha::of(&zip))];
    let Gate { recorded: Ok(manifest), .. } = &gate else { return Ok(lines) };
    if !rebuild {
        return Ok(lines);
    }
    let config = &project.config.on_other_road(manifest.road.clean_room);
    let workspace = &project.workspace;
    report.stage(Stage::Fetch, |_| workspace.fetch(config.target_arch))?;
    let traveller = Traveller { workspace, config, before: None };
    let road = report.stage(Stage::Container, |report| road::choose(&traveller, report))?;
    let known: &Extras = &manifest.extras;
    let trust = trust::trust(&project, &function, &places, &gate, known)?;
    let inputs = &gate.now.snapshot;
    let (road, compiled) = report
        .stage(Stage::Compile, |report| recovery::compile(&traveller, &function, road, &trust, inputs, report))?;
    let members = verify(&compiled.binary, &function, &project)?;
    let bytes = archive(&compiled.binary, members, config)?;
    if bytes == zip {
        lines.push(format!("rebuilt to the same bytes: {}", road.record));
        return Ok(lines);
    }
    let found = match compiled.binary == bootstrap {
        true => vec!["an included file, or the archive around it".to_string()],
        false => difference::sections(&bootstrap, &compiled.binary),
    };
    let roads = format!("on disk: {}; rebuilt: {}", manifest.road, road.record);
    let error = Error::artifact(format!("rebuilt, {} is not the same: {}", function.name, found.join("; ")));
    Err(error.source(roads).hint_with(
        "the same builder image makes the same bytes unless a build script reads a clock, a path or something at random",
    ))
}
