//! Pushes an image under its immutable tag first. The other tags move to it only after the registry has confirmed that
//! tag, so that `latest` names a complete image after any failure.

use std::cmp::Reverse;

use lambda_packager::internal::image::Image;
use lambda_packager::internal::{Error, Event, PublishFault, Reporter, Result};
use serde_json::Value;

use crate::publish::{Names, Repository, Stored};

/// Pushes `image` under the immutable tag `tag`, then moves the tags in `moving` to it.
pub fn push(repository: &Repository, image: &Image, tag: &str, moving: &[String], report: &mut Reporter) -> Result<()> {
    let ours = Stored::of(&image.manifest);
    match repository.manifest(tag, report)? {
        Some(theirs) if theirs.digest == ours.digest => already(repository, tag, &ours, report),
        Some(theirs) => return Err(repository.taken(tag, &theirs.digest, &ours.digest)),
        None => {
            for blob in image.blobs() {
                repository.provide(blob, report)?;
            }
            repository.tag(tag, &ours, report)?;
            repository.verify(tag, &ours, report)?;
        }
    }
    point(repository, &ours, moving, report)
}

/// Moves tags to a manifest that the registry has.
pub fn point(repository: &Repository, manifest: &Stored, tags: &[String], report: &mut Reporter) -> Result<()> {
    for tag in tags {
        match repository.manifest(tag, report)? {
            Some(theirs) if theirs.digest == manifest.digest => already(repository, tag, manifest, report),
            _ => repository.tag(tag, manifest, report)?,
        }
    }
    Ok(())
}

fn already(repository: &Repository, tag: &str, manifest: &Stored, report: &mut Reporter) {
    let digest = manifest.digest.to_string();
    report.emit(&Event::Tagged { repository: &repository.name, tag, digest: &digest, moved: false });
}

/// The manifest of the image with the tag `tag`, older or newer, to which an environment can be rolled back.
///
/// # Errors
/// If the registry has no such tag, or if it is not an immutable tag of this environment.
pub fn target(repository: &Repository, names: &Names, tag: &str, report: &mut Reporter) -> Result<Stored> {
    let manifest = if names.stays(tag) { repository.manifest(tag, report)? } else { None };
    if let Some(manifest) = manifest {
        return Ok(manifest);
    }
    let there: Vec<_> = repository.tags(report)?.into_iter().filter(|tag| names.stays(tag)).collect();
    let what = format!("{} has no image {tag:?} of {} to roll back to", repository.name, names.environment);
    Err(Error::publish(PublishFault::UnknownTag, what).hint_with(match there.as_slice() {
        [] => "nothing has been pushed yet".to_string(),
        there => format!("the rollback targets are: {}", there.join(", ")),
    }))
}

/// Checks that the repository has the image with this digest, `sha256:...`.
///
/// # Errors
/// If it has not, or if the registry does not say.
pub fn check(repository: &Repository, digest: &str, report: &mut Reporter) -> Result<()> {
    match repository.manifest(digest, report)? {
        Some(manifest) if digest == format!("sha256:{}", manifest.digest) => Ok(()),
        Some(manifest) => {
            let what = format!("has sha256:{} at {}@{digest}", manifest.digest, repository.name);
            Err(repository.client.transport.error(PublishFault::Unexpected, &what).hint_with("look at its logs"))
        }
        None => {
            let what = format!("has no image {}@{digest}", repository.name);
            Err(repository.client.transport.error(PublishFault::UnknownTag, &what).hint_with(
                "push it first; `lambda-packager image list` lists what was pushed, which may have been removed since",
            ))
        }
    }
}

/// A rollback target.
#[derive(Debug, serde::Serialize)]
pub struct Version {
    pub tag: String,
    pub digest: String,
    /// When its sources were committed.
    pub created: String,
    pub revision: String,
    /// The moving tags that name it.
    pub moving: Vec<String>,
}

/// The rollback targets, the newest first.
pub fn versions(repository: &Repository, names: &Names, report: &mut Reporter) -> Result<Vec<Version>> {
    let mut moving = Vec::new();
    for tag in names.moving() {
        if let Some(manifest) = repository.manifest(&tag, report)? {
            moving.push((manifest.digest, tag));
        }
    }
    let mut versions = Vec::new();
    for tag in repository.tags(report)?.into_iter().filter(|tag| names.stays(tag)) {
        // It was removed after the tags were listed.
        let Some(manifest) = repository.manifest(&tag, report)? else { continue };
        let config = config(repository, &manifest, report)?;
        repository.client.progressed();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let moving = moving.iter().filter(|(digest, _)| *digest == manifest.digest).map(|(_, tag)| tag.clone());
        versions.push(Version {
            tag,
            digest: format!("sha256:{}", manifest.digest),
            created: text(&config["created"]),
            revision: text(&config["config"]["Labels"]["org.opencontainers.image.revision"]),
            moving: moving.collect(),
        });
    }
    versions.sort_by_key(|version| Reverse((version.created.clone(), version.tag.clone())));
    Ok(versions)
}

/// The configuration of an image. Null for a manifest without one, such as an image index: ours always have one.
fn config(repository: &Repository, manifest: &Stored, report: &mut Reporter) -> Result<Value> {
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    match manifest["config"]["digest"].as_str() {
        Some(digest) => Ok(serde_json::from_slice(&repository.blob(digest, report)?).unwrap_or_default()),
        None => Ok(Value::Null),
    }
}
