//! The image that runs a packaged function: made of its zip, the same bytes with every backend and engine.

use std::collections::BTreeMap;

use crate::artifact::image::{FINGERPRINT, TITLE, assemble};
use crate::artifact::{Image, Parts, zip};
use crate::backend::runtime_libraries::{certificates, closure};
use crate::backend::{Backend, BackendRequest, Identity, Place, image_tag};
use crate::cargo::Function;
use crate::config::{Config, Mode};
use crate::engine::{Engine, EngineError, Kind};
use crate::error::{Error, Result};
use crate::sys::Sha;

/// The content of the image of a function, from its zip and the libraries in `place`. Nothing in it depends on the
/// machine; a caller may add labels and a date.
pub fn parts(function: &str, archive: &[u8], config: &Config, place: &Place) -> Result<Parts> {
    let members = zip::members(archive)?;
    let mut files = closure(&members, config.target_arch, place)?;
    files.push(certificates(place)?);
    let mut labels = BTreeMap::from([
        (FINGERPRINT.to_string(), Sha::of(archive).to_string()),
        (TITLE.to_string(), function.to_string()),
    ]);
    if let Some((key, value)) = config.label.as_ref().and_then(|label| label.split_once('=')) {
        labels.insert(key.to_string(), value.to_string());
    }
    Ok(Parts { arch: config.target_arch, members, files, labels, created: "1970-01-01T00:00:00Z".into() })
}

/// Loads the image into the engine under all `names`, unless it has it.
///
/// # Errors
/// If one of the names belongs to an image that is not ours.
pub fn load(engine: &Engine, image: &Image, names: &[String]) -> Result<(), EngineError> {
    let names: Vec<_> = names.iter().map(|name| full_name(engine, name)).collect();
    let ours = image.config.digest.to_string();
    let mut all = true;
    for name in &names {
        match engine.image(name)? {
            Some(loaded) if loaded.id.trim_start_matches("sha256:") == ours => {}
            Some(loaded) if !loaded.labels.contains_key(FINGERPRINT) => {
                let engine = engine.kind.program();
                let error = format!("{engine} has an image {name} that is not lambda-packager's; it was not changed");
                return Err(Error::engine(error).hint_with("rename or remove that image, or set `image_name`").into());
            }
            _ => all = false,
        }
    }
    if all { Ok(()) } else { engine.load(image.archive(&names)?) }
}

/// The name of an image of ours, as the engine has it.
fn full_name(engine: &Engine, name: &str) -> String {
    let prefix = if engine.kind == Kind::Podman { "localhost/" } else { "" };
    format!("{prefix}{name}")
}

/// Whether the engine has under `name` the image that was made of the zip with the digest `zip`.
///
/// # Errors
/// If the engine does not say.
pub fn is_there(engine: &Engine, name: &str, zip: &Sha) -> Result<bool, EngineError> {
    let found = engine.image(&full_name(engine, name))?;
    Ok(found.is_some_and(|image| image.labels.get(FINGERPRINT) == Some(&zip.to_string())))
}

/// Leaves the image of a production build in the engine of `backend` and returns its name; `None` without an engine.
pub fn leave(
    backend: &Backend,
    request: &BackendRequest,
    function: &Function,
    archive: &[u8],
) -> Result<Option<String>> {
    let Some(engine) = backend.engine() else { return Ok(None) };
    let config = request.config;
    let name = name(&Identity::here(request.workspace, config)?, &function.id, config.mode);
    leave_from(&Place::of(backend), engine, &name, &function.name, archive, config)?;
    Ok(Some(name))
}

/// Makes the image of a production build with the libraries in `place`, and leaves it in `engine` under `name`.
///
/// # Errors
/// If a library is missing, or the name belongs to an image that is not ours.
pub fn leave_from(
    place: &Place,
    engine: &Engine,
    name: &str,
    function: &str,
    archive: &[u8],
    config: &Config,
) -> Result<()> {
    let image = assemble(&parts(function, archive, config, place)?)?;
    Ok(load(engine, &image, &[name.to_string()])?)
}

/// The repository of the images of production builds.
pub const REPOSITORY: &str = "lambda-packager-runtime";

/// The name of the image of a production build; `function` is the id.
pub fn name(identity: &Identity, function: &str, mode: Mode) -> String {
    format!("{REPOSITORY}:{}", image_tag(&identity.label(), function, mode))
}
