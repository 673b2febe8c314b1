//! Images that the packager makes by itself. One that is damaged is removed, so that it is made again.

use crate::backend::{BackendRequest, Identity, base_image, builder_image, container, deps_cache, dockerfile};
use crate::config::{Base, Config, PullPolicy};
use crate::engine;
use crate::engine::{Engine, EngineError};
use crate::report::Reporter;

/// Removes the image `reference`, which is damaged, with what was built upon it: the next selection makes it again. False
/// if it would not, or if the engine cannot remove it.
///
/// # Errors
/// The engine does not answer.
pub fn discard(
    request: &BackendRequest,
    engine: &Engine,
    reference: &str,
    report: &mut Reporter,
) -> Result<bool, EngineError> {
    if !is_made_here(reference, request.config) {
        return Ok(false);
    }
    report.note(&format!("a layer of the image {reference} is damaged: it is removed, and made again"));
    match remove(request, engine, reference) {
        Ok(()) => Ok(true),
        Err(EngineError::Refused(error)) => {
            report.note(&format!("the image {reference} cannot be removed: {}", error.with_cause()));
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

fn is_made_here(reference: &str, config: &Config) -> bool {
    match reference.split_once(':') {
        Some((builder_image::NAME, _)) => config.base == Base::Auto && config.pull_policy != PullPolicy::Never,
        Some((base_image::BORROWED_NAME | deps_cache::REPOSITORY, _)) => true,
        _ => false,
    }
}

fn remove(request: &BackendRequest, engine: &Engine, reference: &str) -> Result<(), EngineError> {
    if builder_image::is_one(reference) {
        builder_image::distrust_cache(request.workspace, engine, reference)?;
    }
    let identity = Identity::here(request.workspace, request.config)?;
    if engine.inspect(&identity.name)?.is_none_or(|container| identity.owns(&container)) {
        container::remove(engine, &identity.label(), &identity.name)?;
    }
    let names = engine.names_of_images(&[])?.into_values().flatten();
    let is_its = |name: &String| engine::without_prefix(name).starts_with(reference);
    take_names(engine, reference, &names.filter(is_its).collect::<Vec<_>>())?;
    // Of one that is damaged with it, no label is known.
    let of_clean_rooms =
        engine.names_of_images(&["--all", "--filter", &format!("label={}", dockerfile::CLEAN_ROOM)])?;
    let mut upon_it = engine.images_with(&format!("{}={reference}", builder_image::BUILDER))?;
    upon_it.retain(|image| image.names.is_empty() && of_clean_rooms.contains_key(&image.id));
    engine.remove_images(upon_it).map(drop)
}

/// Takes its `names` from the damaged image `reference`, which goes with the last one. A container may use it: then it stays,
/// with a name that nobody asks for. Engines take a name from an image in use only if it has another one.
///
/// # Errors
/// The engine does not answer, or refuses it.
pub fn take_names(engine: &Engine, reference: &str, names: &[String]) -> Result<(), EngineError> {
    let other_name = format!("{reference}-damaged");
    engine.tag(reference, &other_name)?;
    let names: Vec<_> = names.iter().filter(|name| !name.ends_with(&other_name)).cloned().collect();
    engine.remove_names(&names)?;
    engine.remove_names(std::slice::from_ref(&other_name)).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_settings_let_us_make_again_is_ours() {
        let (builder, deps, borrowed) =
            ("lambda-packager-builder:1.95.0", "lambda-packager-deps:0123", "lambda-packager-borrowed:0123");
        for (settings, reference, expected) in [
            (json!({}), builder, true),
            (json!({"pull_policy": "never"}), builder, false),
            (json!({"base": builder}), builder, false),
            (json!({"pull_policy": "never"}), deps, true),
            (json!({"base": "rust:1"}), deps, true),
            (json!({"base": "host"}), borrowed, true),
            (json!({"base": "rust:1"}), "rust:1", false),
            (json!({}), "lambda-packager-builder-mine:1", false),
            (json!({}), "amazonlinux:2023", false),
        ] {
            assert_eq!(is_made_here(reference, &Config::of(settings.clone())), expected, "{reference}, {settings}");
        }
    }
}
