//! What the builder container is made from: an image that brings a toolchain, or an empty one into
//! which the host's toolchain is mounted.

use std::path::{Path, PathBuf};

use crate::artifact::Archive;
use crate::backend::builder_image;
use crate::cargo::Toolchain;
use crate::config::{Config, PullPolicy};
use crate::engine;
use crate::engine::{Engine, EngineError, Image, Mount};
use crate::error::{Error, Result};
use crate::sys::{Sha, fs};

/// Where the host's Rust sysroot is mounted.
const SYSROOT: &str = "/opt/rust";

/// The label of the empty images into which the host's toolchain is mounted. Containers inherit the labels of their
/// image, and all projects share this image, so it must not carry the label of a project.
pub const BORROWED: &str = "lambda-packager.borrowed";

pub const BORROWED_NAME: &str = "lambda-packager-borrowed";

/// The empty images that an engine has; not what others built upon them.
pub fn all_borrowed(engine: &Engine) -> Result<Vec<Image>, EngineError> {
    Ok(engine::ours(engine.images_with(BORROWED)?, |name| name.starts_with(&format!("{BORROWED_NAME}:"))))
}

/// The image to create a container from, and what comes with it.
#[derive(Default)]
pub struct BuilderImage {
    pub reference: String,
    /// Its name in summaries and in the manifest.
    pub title: String,
    /// Identifies the toolchain in the container: the image's id, or a digest of the host's.
    pub identity: String,
    /// The image that the toolchain was installed into, `name@digest`; empty if the host's is mounted.
    pub base_digest: String,
    pub mounts: Vec<Mount>,
    /// `PATH`, if the image sets none.
    pub path: Option<String>,
    /// The archive to make the image from, if it is not pulled.
    archive: Option<Vec<u8>>,
}

/// An image that brings a toolchain; `found` is what the engine said of it, if it was asked.
pub fn named(
    engine: &Engine,
    reference: &str,
    found: Option<&Image>,
    config: &Config,
) -> Result<BuilderImage, EngineError> {
    let place = config.place_of("base");
    let image = match found.map_or_else(|| engine.image(reference), |image| Ok(Some(image.clone())))? {
        // The builder image was pulled or built before, by `builder_image`.
        Some(image) if config.pull_policy != PullPolicy::Always || builder_image::is_one(reference) => image,
        None if config.pull_policy == PullPolicy::Never => {
            let error = Error::engine(format!("{place}: the image {reference} is not available locally"));
            let policy = config.place_of("pull_policy");
            let hint = format!("load it with the engine's `load`, or allow pulling it: {policy} does not allow it");
            return Err(error.hint_with(hint).into());
        }
        _ => {
            engine.pull(reference).map_err(|failure| match failure {
                EngineError::Refused(error) => {
                    let what = format!("{place}: the image {reference} is not available locally and cannot be pulled");
                    let hint = error.hint().unwrap_or("check its name and your login, load it with the engine's `load`, or set `base = \"host\"` to use the host's toolchain").to_string();
                    Error::engine(what).source(error).hint_with(hint).into()
                }
                unreachable => unreachable,
            })?;
            engine.image(reference)?.unwrap_or_default()
        }
    };
    Ok(BuilderImage {
        reference: reference.to_string(),
        title: reference.to_string(),
        base_digest: builder_image::base_of(&image).unwrap_or_else(|| format!("{reference}@{}", image.digest())),
        identity: image.id,
        ..BuilderImage::default()
    })
}

/// The empty image with the host's `/usr` and sysroot: nothing to download.
pub fn borrowed(toolchain: &Toolchain) -> Result<BuilderImage> {
    let sysroot = &toolchain.sysroot;
    if let Some(needed) = ["bin/cargo", "bin/rustc"].iter().find(|needed| !fs::is_file(&sysroot.join(needed))) {
        let folder = sysroot.display();
        return Err(Error::engine(format!(
            "the toolchain {folder} has no {needed}; it cannot be mounted into a container"
        ))
        .hint_with("use a complete toolchain, or set `base` to an image that has one"));
    }
    let cc = fs::canonical(&toolchain.cc_program)?;
    if !cc.starts_with("/usr") {
        let cc = cc.display();
        return Err(Error::engine(format!(
            "the C compiler {cc} is outside of /usr; it cannot be mounted into a container"
        ))
        .hint_with("install gcc or clang from the system's packages, or set `base` to an image that has one"));
    }
    let mut mounts =
        vec![Mount::at_its_own_path("/usr".as_ref()), Mount { host: sysroot.clone(), container: SYSROOT.into() }];
    let mut links: Vec<(&str, PathBuf)> = Vec::new();
    for name in ["bin", "lib", "lib64", "sbin"] {
        let path = Path::new("/").join(name);
        // One tree under /usr on most systems; separate folders on the others.
        match fs::lstat(&path)? {
            Some(meta) if meta.is_symlink() => links.push((name, fs::read_link(&path)?)),
            Some(meta) if meta.is_dir() => mounts.push(Mount::at_its_own_path(&path)),
            _ => {}
        }
    }
    let alternatives = Path::new("/etc/alternatives");
    if fs::is_dir(alternatives) {
        mounts.push(Mount::at_its_own_path(alternatives));
    }
    let archive = empty_root(&links).map_err(|e| Error::engine("cannot make the empty image").source(e))?;
    Ok(BuilderImage {
        reference: format!("{BORROWED_NAME}:{}", Sha::of(&[&archive, BORROWED.as_bytes()].concat()).short(12)),
        title: format!("borrowed toolchain (rustc {})", toolchain.rustc_release),
        identity: format!("{} {}", toolchain.rustc, toolchain.cc),
        base_digest: String::new(),
        mounts,
        path: Some(format!("{SYSROOT}/bin:/usr/local/bin:/usr/bin:/bin")),
        archive: Some(archive),
    })
}

fn empty_root(links: &[(&str, PathBuf)]) -> std::io::Result<Vec<u8>> {
    let mut tar = Archive::of((0, 0), 0);
    for (name, target) in links {
        tar.link(name, target)?;
    }
    tar.folder("tmp", 0o1777)?;
    tar.finish()
}

impl BuilderImage {
    /// Makes sure that the engine has the image.
    pub fn provide(&self, engine: &Engine) -> Result<(), EngineError> {
        match &self.archive {
            Some(archive) if engine.image_id(&self.reference)?.is_none() => {
                engine.import(archive.clone(), &self.reference, &[format!("{BORROWED}=1")])
            }
            _ => Ok(()),
        }
    }
}
