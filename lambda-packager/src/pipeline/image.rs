//! The image of a production build, when the zip is reused: the engine may have lost it since.

use crate::backend::runtime_image::{is_there, leave_from};
use crate::backend::{BackendRequest, Place, select, with_patience};
use crate::engine;
use crate::engine::{Engine, EngineError};
use crate::error::Result;
use crate::fingerprint::Manifest;
use crate::packaged::Reason;
use crate::pipeline::Task;
use crate::report::{Reporter, Stage};
use crate::sys::fs;

/// Makes the image of `manifest` again from the zip, if its engine has it no more. Returns a reason to compile again if
/// the image that the function was compiled in, which has its libraries, is another one now. That the engine does not
/// say, or that the image cannot be made, is a note: the zip is as good as before.
///
/// # Errors
/// If the run is interrupted.
pub fn restore(task: &Task, manifest: &Manifest, report: &mut Reporter) -> Result<Option<Reason>> {
    let name = &manifest.artifact.image;
    let Task { workspace, config, .. } = task;
    if name.is_empty() {
        if config.mode.is_for_production() && !task.kind().is_layer() {
            report.note("no image runs this zip, since there was no engine when it was made; `lambda-packager --force` leaves one, and `lambda-packager image build` makes it of the zip");
        }
        return Ok(None);
    }
    let engines = engine::candidates(config, &workspace.state_folder())?;
    let Some(engine) = engines.into_iter().find(|engine| engine.kind.program() == manifest.backend.engine) else {
        report.note(&format!("{} is not here any more, which has the image that runs the function; `lambda-packager --force` leaves it in another engine", manifest.backend.engine));
        return Ok(None);
    };
    let program = engine.kind.program();
    let ask = |_: &mut Reporter| is_there(&engine, name, &manifest.artifact.zip_sha256);
    let lost = match report.stage(Stage::Runtime, |report| with_patience(&engine, report, ask)) {
        Ok(true) => return Ok(None),
        Ok(false) => Ok(true),
        // Its layers are lost. What makes it again says so.
        Err(EngineError::Damaged(..)) => Ok(false),
        Err(failure) => Err((failure.into(), format!("could not check whether the image {name} is still there"))),
    };
    let problem = match lost.map(|is_absent| (is_absent, make(task, manifest, &engine, report))) {
        Ok((is_absent, Ok(None))) => {
            if is_absent {
                report.note(&format!("{program} had the image {name} no more: it was made again from the zip"));
            }
            return Ok(None);
        }
        Ok((_, Ok(reason))) => return Ok(reason),
        Ok((true, Err(error))) => {
            (error, format!("{program} has the image {name} no more, and it cannot be made again"))
        }
        Ok((false, Err(error))) => (error, format!("the image {name} is damaged, and it cannot be made again")),
        Err(problem) => problem,
    };
    match problem {
        (error, _) if error.is_interrupted() => Err(error),
        (error, what) => {
            report.note(&format!("{what}: {}", error.with_cause()));
            Ok(None)
        }
    }
}

fn make(task: &Task, manifest: &Manifest, engine: &Engine, report: &mut Reporter) -> Result<Option<Reason>> {
    let Task { workspace, config, function, places, .. } = task;
    let before = &manifest.backend;
    let backend;
    let place = if before.host_toolchain {
        Place::Host
    } else {
        let request = BackendRequest { workspace, config, before: Some(before) };
        backend = report.stage(Stage::Container, |report| select::select(&request, report))?;
        let (old, new) = (&before.image_id, &backend.record.image_id);
        if old != new {
            let (old, new) = (old.clone(), new.clone());
            return Ok(Some(Reason::Setting { name: "builder image".into(), old, new }));
        }
        Place::Container(&backend)
    };
    let zip = fs::read(&places.zips[0])?;
    let name = &manifest.artifact.image;
    report.stage(Stage::Runtime, |report| leave_from(&place, engine, name, &function.name, &zip, config, report))?;
    Ok(None)
}
