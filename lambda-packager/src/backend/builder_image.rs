//! The builder image: Amazon Linux of the chosen runtime with a Rust toolchain and what native crates
//! need, built once from the Dockerfile's stage `base`. The reused container and the clean room start from it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use crate::backend::{RustSource, dockerfile};
use crate::cargo::Workspace;
use crate::compile::output;
use crate::config::{Arch, Base, Config, Network, PullPolicy, Runtime};
use crate::engine;
use crate::engine::damaged::is_damaged;
use crate::engine::{BuildSpec, Engine, EngineError, Image, WayOut, damaged};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Event, Reporter};
use crate::sys::{Sha, Stream, fs};

/// The label of these images; its value is the name that it was built under.
pub const BUILDER: &str = "lambda-packager.builder";

/// The label with the image that one was made from: `name@digest`.
const BASE: &str = "lambda-packager.base";

pub const NAME: &str = "lambda-packager-builder";

const NONE: &str = "no builder image available locally";

/// How long a registry that could not be reached is not asked again.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// The name of the image that `workspace` is compiled in. It changes with the compiler and with the recipe.
///
/// # Errors
/// If there is no rustc on this machine, or an incomplete one.
pub fn name_for(workspace: &Workspace, config: &Config) -> Result<String> {
    let rust = RustSource::of(workspace, config.target_arch)?;
    Ok(name(&rust.tag(), config.runtime, config.target_arch))
}

fn name(rust: &str, runtime: Runtime, arch: Arch) -> String {
    format!("{NAME}:{rust}-{runtime}-{arch}-{}", recipe(runtime, arch))
}

/// A digest of the recipe of a runtime's image that compiles for `arch`.
fn recipe(runtime: Runtime, arch: Arch) -> String {
    let mut text = dockerfile::base_of(runtime).to_string();
    let used =
        dockerfile::files(arch).filter(|(path, _)| [dockerfile::DOCKERFILE, dockerfile::INSTALLER].contains(path));
    text.extend(used.map(|(_, content)| format!("\0{content}")));
    Sha::of(text.as_bytes()).short(12)
}

/// The builder images that an engine has, and the layers of clean rooms on them; not what others built upon them.
pub fn all(engine: &Engine) -> Result<Vec<(Image, Use)>, EngineError> {
    let (layers, images) = engine.images_with(BUILDER)?.into_iter().partition(is_layer_of_clean_room);
    let layers: Vec<_> = layers;
    Ok(judged(engine::ours(images, is_one).into_iter().chain(layers).collect()))
}

/// Whether the clean room made an image; no name is given to these.
pub fn is_layer_of_clean_room(image: &Image) -> bool {
    image.names.is_empty() && image.labels.contains_key(dockerfile::CLEAN_ROOM)
}

/// Whether a builder image, or a layer on one, is still in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Builds start from it. An image for another Rust release is current too: another project may use it.
    Current,
    /// No build starts from it any more: a newer base took its name, or its recipe is of another version.
    Outdated,
    /// A layer of a clean room on a current image.
    Layer,
    /// A layer of a clean room on an outdated image.
    OutdatedLayer,
}

fn judged(images: Vec<Image>) -> Vec<(Image, Use)> {
    let (runtimes, archs) = ([Runtime::ProvidedAl2023, Runtime::ProvidedAl2], [Arch::X86_64, Arch::Arm64]);
    let recipes = runtimes.into_iter().flat_map(|runtime| archs.map(|arch| recipe(runtime, arch)));
    let endings: Vec<String> = recipes.map(|recipe| format!("-{recipe}")).collect();
    let is_current = |image: &Image| image.names.iter().any(|name| endings.iter().any(|ending| name.ends_with(ending)));
    // Layers inherit the labels of their image.
    let stands_on = |image: &Image| [BUILDER, BASE].map(|label| image.labels.get(label).cloned());
    let current: Vec<_> = images.iter().filter(|image| is_current(image)).map(stands_on).collect();
    let judge = |image: &Image| match (
        current.contains(&stands_on(image)),
        image.labels.contains_key(dockerfile::CLEAN_ROOM),
    ) {
        (true, false) => Use::Current,
        (false, false) => Use::Outdated,
        (true, true) => Use::Layer,
        (false, true) => Use::OutdatedLayer,
    };
    let uses: Vec<Use> = images.iter().map(judge).collect();
    images.into_iter().zip(uses).collect()
}

/// The image that a builder image was made from; `None` for any other image.
pub fn base_of(image: &Image) -> Option<String> {
    image.labels.get(BASE).cloned()
}

/// Whether this is the name of a builder image.
pub fn is_one(reference: &str) -> bool {
    reference.strip_prefix(NAME).is_some_and(|rest| rest.starts_with(':'))
}

/// Where the toolchain comes from.
#[derive(Debug)]
pub enum ToolchainSource {
    /// An image of this name, and what the engine said of it if it was asked.
    Image(String, Option<Box<Image>>),
    /// There is no image, for this reason: the host's is mounted.
    NoImage(String),
    /// The settings ask for the host's.
    Host,
}

/// Decides where the toolchain comes from; builds or pulls the builder image if that is allowed.
pub fn choose(
    engine: &Engine,
    workspace: &Workspace,
    config: &Config,
    report: &mut Reporter,
) -> Result<ToolchainSource, EngineError> {
    match &config.base {
        Base::Image(reference) => return Ok(ToolchainSource::Image(reference.clone(), None)),
        Base::Host => return Ok(ToolchainSource::Host),
        Base::Auto => {}
    }
    if config.target_arch != Arch::of_this_machine() && config.runtime == Runtime::ProvidedAl2 {
        // Its yum installs nothing for another architecture.
        let why = format!("there is no builder image for {} that compiles for {}", config.runtime, config.target_arch);
        return Ok(ToolchainSource::NoImage(why));
    }
    let rust = RustSource::of(workspace, config.target_arch)?;
    let tag = name(&rust.tag(), config.runtime, config.target_arch);
    // Functions of one workspace may need several.
    let of = format!("no-builder-{}-{}-{}", engine.kind.program(), config.runtime, config.target_arch);
    let note = workspace.state_folder().join(of);
    // It may have come by the engine's `load` in the meantime.
    if config.pull_policy != PullPolicy::Always
        && let Some(image) = engine.image(&tag)?
    {
        fs::remove_tree(&note)?;
        return Ok(ToolchainSource::Image(tag, Some(image.into())));
    }
    if config.pull_policy == PullPolicy::IfMissing && is_remembered(&note, &tag) {
        return Ok(ToolchainSource::NoImage(NONE.into()));
    }
    if config.pull_policy == PullPolicy::Never {
        return Ok(ToolchainSource::NoImage(NONE.into()));
    }
    if let Some(why) = rust.obstacle() {
        return Ok(ToolchainSource::NoImage(why));
    }
    match build(engine, workspace, config, rust, &tag, report) {
        Ok(()) => {
            fs::remove_tree(&note)?;
            Ok(ToolchainSource::Image(tag, None))
        }
        Err(EngineError::Refused(error)) => {
            // What is wrong on this machine may not be so in the next run, and nobody has to be asked to find out.
            let again = if error.kind() == ErrorKind::Engine {
                // If this cannot be written, the registry is asked again.
                let _ = fs::replace(&note, tag.as_bytes(), 0o644, None);
                "in an hour, or now with `pull_policy = \"always\"`"
            } else {
                "in the next run"
            };
            report.note(&format!("{}; trying again {again}", error.with_cause()));
            Ok(ToolchainSource::NoImage(NONE.into()))
        }
        Err(failure) => Err(failure),
    }
}

fn is_remembered(note: &Path, tag: &str) -> bool {
    let age = |meta: std::fs::Metadata| SystemTime::now().duration_since(meta.modified().ok()?).ok();
    let recent = fs::lstat(note).ok().flatten().and_then(age).is_some_and(|age| age < REMEMBERED);
    recent && matches!(fs::read_own(note), Ok(Some(text)) if text == tag.as_bytes())
}

/// Where it is remembered that the image `tag` was damaged: what the engine kept of its build is damaged with it.
fn damaged_note(workspace: &Workspace, engine: &Engine, tag: &str) -> PathBuf {
    workspace.state_folder().join(format!("damaged-{}-{}", engine.kind.program(), tag.replace(':', "-")))
}

/// Lets the next build of the image `tag` use nothing that the engine kept of an earlier one.
///
/// # Errors
/// If that cannot be written.
pub fn distrust_cache(workspace: &Workspace, engine: &Engine, tag: &str) -> Result<()> {
    fs::replace(&damaged_note(workspace, engine, tag), b"", 0o644, None)
}

/// Builds the image `tag`: from what the engine kept of an earlier build, unless that is damaged.
fn build(
    engine: &Engine,
    workspace: &Workspace,
    config: &Config,
    rust: RustSource,
    tag: &str,
    report: &mut Reporter,
) -> Result<(), EngineError> {
    let base = dockerfile::base_of(config.runtime);
    let here = if config.pull_policy == PullPolicy::Always { None } else { engine.image(base)? };
    let from = match here {
        Some(image) => image,
        None => {
            engine.pull(base)?;
            engine.image(base)?.unwrap_or_default()
        }
    };
    report.note(&format!("building the image {tag}, once; this takes some minutes"));
    let labels = [format!("{BUILDER}={tag}"), format!("{BASE}={base}@{}", from.digest())];
    let note = damaged_note(workspace, engine, tag);
    let is_distrusted = fs::is_file(&note);
    let built = match build_once(engine, config, rust, tag, &labels, is_distrusted, report) {
        Err(EngineError::Damaged(..)) if !is_distrusted => {
            report.note("what the engine kept of an earlier build is damaged: the image is built without it");
            let rust = RustSource::of(workspace, config.target_arch)?;
            build_once(engine, config, rust, tag, &labels, true, report)
        }
        built => built,
    };
    match built {
        Ok(()) => Ok(fs::remove_tree(&note)?),
        // The base, which is not made here.
        Err(EngineError::Damaged(_, error)) => Err(EngineError::Refused(error)),
        Err(failure) => Err(failure),
    }
}

fn build_once(
    engine: &Engine,
    config: &Config,
    rust: RustSource,
    tag: &str,
    labels: &[String],
    fresh: bool,
    report: &mut Reporter,
) -> Result<(), EngineError> {
    let base = dockerfile::base_of(config.runtime);
    let args = rust.build_args(config.target_arch)?;
    let args = args.iter().map(|(name, value)| (*name, value.as_str()));
    let build_args: Vec<_> = args.chain([("BASE_IMAGE", base)]).collect();
    let spec = BuildSpec {
        stage: "base",
        way_out: WayOut::Image(tag),
        labels,
        network: Network::Bridge,
        build_args: &build_args,
        fresh,
    };
    let (mut said, mut stderr) = (Vec::new(), Vec::new());
    let push = |stream: Stream, piece: &[u8]| {
        let text = String::from_utf8_lossy(piece);
        text.lines().for_each(|line| report.emit(&Event::EngineSaid { line }));
        output::push_tail(&mut said, text.as_bytes());
        if stream == Stream::Stderr {
            output::push_tail(&mut stderr, piece);
        }
    };
    let unread = Arc::new(OnceLock::new());
    let context = rust.context(config.target_arch, unread.clone());
    let code = engine.build(&spec, context, push);
    let said = String::from_utf8_lossy(&said);
    // Not because the engine stopped reading.
    let unread = unread.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
    match (code?, unread) {
        (0, _) => Ok(()),
        (_, Some(error)) => Err(dockerfile::failed(error).into()),
        (code, None) => Err(match engine.failure_of_build(code, &stderr, &dockerfile::last_lines(&said)) {
            EngineError::Refused(error) => {
                let failed = Error::engine(format!("cannot build the image {tag}"));
                match dockerfile::told_by_installer(&said) {
                    Some(why) => Error::engine(format!("cannot build the image {tag}: {why}")).into(),
                    None if is_damaged(&String::from_utf8_lossy(&stderr)) => {
                        let hint = damaged::remedy(engine.kind, base);
                        EngineError::Damaged(base.into(), failed.source(error).hint_with(hint))
                    }
                    None => failed
                        .source(error)
                        .hint_with("it is built from `docker/Dockerfile`; the engine's own messages are in build.log")
                        .into(),
                }
            }
            failure => failure,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_what_is_in_it() {
        let of = |runtime| name("1.95.0-0123abcd", runtime, Arch::X86_64);
        let name = of(Runtime::ProvidedAl2023);
        assert!(name.starts_with("lambda-packager-builder:1.95.0-0123abcd-provided.al2023-x86_64-"), "{name}");
        assert!(is_one(&name) && !is_one("lambda-packager-builder-mine:1"));
        assert_ne!(name.rsplit('-').next(), of(Runtime::ProvidedAl2).rsplit('-').next());
        // The recipe for the other architecture is another one.
        let recipe = |arch| recipe(Runtime::ProvidedAl2023, arch);
        assert_ne!(recipe(Arch::X86_64), recipe(Arch::Arm64));
    }

    #[test]
    fn an_image_is_outdated_with_its_name_its_base_or_its_recipe() {
        let image = |named: bool, tag: &str, base: &str, layer: bool| {
            let mut labels =
                std::collections::BTreeMap::from([(BUILDER.into(), tag.into()), (BASE.into(), base.into())]);
            labels.extend(layer.then(|| (dockerfile::CLEAN_ROOM.into(), "1".into())));
            let names = named.then(|| format!("localhost/{tag}")).into_iter().collect();
            Image { names, labels, ..Image::default() }
        };
        let one = name("1.95.0", Runtime::ProvidedAl2023, Arch::X86_64);
        let other = name("1.0.0", Runtime::ProvidedAl2, Arch::Arm64);
        let former = "lambda-packager-builder:1.95.0-provided.al2023-x86_64-0123456789ab";
        let cases = [
            (image(true, &one, "new", false), Use::Current),
            (image(true, &other, "b", false), Use::Current),
            (image(false, &one, "new", true), Use::Layer),
            (image(false, &one, "old", false), Use::Outdated),
            (image(false, &one, "old", true), Use::OutdatedLayer),
            (image(true, former, "new", false), Use::Outdated),
            (image(false, former, "new", true), Use::OutdatedLayer),
        ];
        let (images, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        assert_eq!(judged(images).into_iter().map(|(_, what)| what).collect::<Vec<_>>(), expected);
    }
}
