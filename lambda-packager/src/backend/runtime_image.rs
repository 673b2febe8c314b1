//! The image that runs a packaged function: made of its zip, the same bytes with every backend and engine.

use std::collections::BTreeMap;

use crate::artifact::image::{FINGERPRINT, LAYERS, TITLE, assemble};
use crate::artifact::{Image, Parts, zip};
use crate::backend::runtime_libraries::{certificates, closure};
use crate::backend::{Backend, BackendRequest, Identity, Place, image_tag, own_image};
use crate::cargo::Function;
use crate::config::{Config, Mode};
use crate::engine;
use crate::engine::{Engine, EngineError, Kind};
use crate::error::{Error, Result};
use crate::report::Reporter;
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

/// Loads the image into the engine under all `names`, unless it has it. Images of ours that are damaged and in its way are
/// removed, once.
///
/// # Errors
/// If one of the names belongs to an image that is not ours.
pub fn load(engine: &Engine, image: &Image, names: &[String], report: &mut Reporter) -> Result<(), EngineError> {
    let names: Vec<_> = names.iter().map(|name| full_name(engine, name)).collect();
    match load_once(engine, image, &names) {
        Err(EngineError::Damaged(name, _)) => {
            for damaged in in_the_way(engine, image, &name)? {
                // The first one in the alphabet: others may be longer by what an earlier attempt added.
                let name = damaged.names.iter().min();
                let told = name.unwrap_or(&damaged.id);
                report.note(&format!("a layer of the image {told} is damaged: it is removed"));
                match name {
                    Some(name) => own_image::take_names(engine, name, &damaged.names)?,
                    None => drop(engine.remove_images(vec![damaged])?),
                }
            }
            load_once(engine, image, &names)?;
            // What a container uses, or a name that somebody gave it, stays with its layers.
            names.iter().try_for_each(|name| engine.image(name).map(drop))
        }
        result => result,
    }
}

fn load_once(engine: &Engine, image: &Image, names: &[String]) -> Result<(), EngineError> {
    let ours = image.config.digest.to_string();
    let mut all = true;
    for name in names {
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
    match names.first() {
        Some(name) if !all => engine.load(image.archive(names)?, name),
        _ => Ok(()),
    }
}

/// The images of ours because of which the engine finds a layer damaged, where it looks for the image `name` or loads
/// `image` under it; with the names that are ours.
fn in_the_way(engine: &Engine, image: &Image, name: &str) -> Result<Vec<engine::Image>, EngineError> {
    let (repository, _) = name.rsplit_once(':').unwrap_or((name, ""));
    let starts = [engine::without_prefix(repository), REPOSITORY].map(|name| format!("{name}:"));
    let is_given = |name: &str| starts.iter().any(|start| name.starts_with(start));
    let images = engine::ours(engine.images_with(FINGERPRINT)?, is_given);
    // Of one that cannot be looked at, only the names are known.
    let is_it = |image: &engine::Image| image.layers.is_empty() && image.names.iter().any(|own| own == name);
    if images.iter().any(is_it) {
        return Ok(images.into_iter().filter(is_it).collect());
    }
    let configuration = String::from_utf8_lossy(&image.config.bytes);
    let is_in = |layer: &String| configuration.contains(layer.as_str());
    let shares = |image: &engine::Image| image.layers.len() == LAYERS && image.layers.iter().any(is_in);
    Ok(images.into_iter().filter(shares).collect())
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
    report: &mut Reporter,
) -> Result<Option<String>> {
    let Some(engine) = backend.engine() else { return Ok(None) };
    let config = request.config;
    let name = name(&Identity::here(request.workspace, config)?, &function.id, config.mode);
    leave_from(&Place::of(backend), engine, &name, &function.name, archive, config, report)?;
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
    report: &mut Reporter,
) -> Result<()> {
    let image = assemble(&parts(function, archive, config, place)?)?;
    Ok(load(engine, &image, &[name.to_string()], report)?)
}

/// The repository of the images of production builds.
pub const REPOSITORY: &str = "lambda-packager-runtime";

/// The name of the image of a production build; `function` is the id.
pub fn name(identity: &Identity, function: &str, mode: Mode) -> String {
    format!("{REPOSITORY}:{}", image_tag(&identity.label(), function, mode))
}
