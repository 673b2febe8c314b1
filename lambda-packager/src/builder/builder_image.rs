//! The builder image: Amazon Linux of the chosen runtime with the Rust toolchain and what native crates
//! need, built once from the Dockerfile's stage `base`. The reused container and the clean room start from it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{compile, context, recipe};
use crate::config::{Arch, Base, Config, Network, PullPolicy, Runtime};
use crate::engine::{BuildSpec, Engine, Failure};
use crate::error::{Error, Result};
use crate::event::{Event, Reporter};
use crate::fs::{self, Sha};
use crate::process::Stream;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// The label of these images.
pub(crate) const BUILDER: &str = "lambda-packager.builder";

const NAME: &str = "lambda-packager-builder";

const NONE: &str = "no builder image here";

/// For so long a registry that was not reached is not asked again.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// The image for a Rust release, a runtime and an architecture: another recipe has another name.
pub(crate) fn tag(release: &str, runtime: Runtime, arch: Arch) -> String {
    let mut text = recipe::base_of(runtime).to_string();
    let used = recipe::FILES.iter().filter(|(path, _)| [recipe::DOCKERFILE, recipe::INSTALLER].contains(path));
    text.extend(used.map(|(_, content)| format!("\0{content}")));
    format!("{NAME}:{release}-{runtime}-{arch}-{}", Sha::of(text.as_bytes()).short(12))
}

/// Whether this is the name of such an image.
pub(crate) fn is_one(reference: &str) -> bool {
    reference.strip_prefix(NAME).is_some_and(|rest| rest.starts_with(':'))
}

/// The image that brings the toolchain; or why there is none, if that is to be said.
pub(crate) fn choose(
    engine: &Engine,
    workspace: &Workspace,
    config: &Config,
    report: &mut Reporter,
) -> Result<Result<String, String>, Failure> {
    match &config.base {
        Base::Image(reference) => Ok(Ok(reference.clone())),
        Base::Host => Ok(Err(String::new())),
        Base::Auto => {
            let release = Toolchain::release(workspace, config.target_arch).map_err(Failure::Refused)?;
            provide(engine, config, &release, &workspace.state_folder(), report)
        }
    }
}

/// Sees to it that the engine has the image, and says its name; or why there is none to be had here.
fn provide(
    engine: &Engine,
    config: &Config,
    release: &str,
    state: &Path,
    report: &mut Reporter,
) -> Result<Result<String, String>, Failure> {
    if config.target_arch != Arch::of_this_machine() {
        return Ok(Err(format!("no builder image compiles for {} on this machine", config.target_arch)));
    }
    let tag = tag(release, config.runtime, config.target_arch);
    let note = state.join(format!("no-builder-{}", engine.kind.program()));
    if config.pull_policy == PullPolicy::IfMissing && is_remembered(&note, &tag) {
        return Ok(Err(NONE.into()));
    }
    if config.pull_policy != PullPolicy::Always && engine.image_id(&tag)?.is_some() {
        return Ok(Ok(tag));
    }
    if config.pull_policy == PullPolicy::Never {
        return Ok(Err(NONE.into()));
    }
    match build(engine, config, release, &tag, report) {
        Ok(()) => Ok(Ok(tag)),
        Err(Failure::Refused(error)) => {
            let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
            let message =
                format!("{error}{cause}; it is asked for again in an hour, or with `pull_policy = \"always\"`");
            report.tell(&Event::Announced { message: &message });
            // Not to be remembered is to be asked again: no harm.
            let _ = fs::replace(&note, tag.as_bytes(), 0o644, None);
            Ok(Err(NONE.into()))
        }
        Err(failure) => Err(failure),
    }
}

fn is_remembered(note: &Path, tag: &str) -> bool {
    let age = |meta: std::fs::Metadata| SystemTime::now().duration_since(meta.modified().ok()?).ok();
    let recent = fs::lstat(note).ok().flatten().and_then(age).is_some_and(|age| age < REMEMBERED);
    recent && matches!(fs::read_own(note), Ok(Some(text)) if text == tag.as_bytes())
}

fn build(engine: &Engine, config: &Config, release: &str, tag: &str, report: &mut Reporter) -> Result<(), Failure> {
    let base = recipe::base_of(config.runtime);
    if config.pull_policy == PullPolicy::Always || engine.image_id(base)?.is_none() {
        // Whatever it is that does not answer, there is no image of it.
        engine.pull(base).map_err(|failure| Failure::Refused(failure.into()))?;
    }
    report.tell(&Event::Announced { message: &format!("building the image {tag}, once; this takes some minutes") });
    let context = context::archive_of_base().map_err(Failure::Refused)?;
    let labels = [format!("{BUILDER}=1")];
    let build_args = [("BASE_IMAGE", base), ("RUST_VERSION", release), ("RUST_TARGET", config.target_arch.triple())];
    let spec = BuildSpec {
        stage: "base",
        tag,
        labels: &labels,
        network: Network::Bridge,
        build_args: &build_args,
        fresh: false,
    };
    let mut said = Vec::new();
    let hear = |_: Stream, piece: &[u8]| {
        let text = String::from_utf8_lossy(piece);
        text.lines().for_each(|line| report.tell(&Event::EngineSaid { line }));
        compile::keep_end(&mut said, text.as_bytes());
    };
    let code = engine.build(&spec).narrate(context, Duration::MAX, hear, || Ok(()));
    match code.map_err(Failure::Refused)? {
        0 => Ok(()),
        code => Err(match engine.failure_of_build(code, &recipe::last_lines(&String::from_utf8_lossy(&said))) {
            Failure::Refused(error) => Failure::Refused(
                Error::engine(format!("the image {tag} cannot be built"))
                    .source(error)
                    .hint_with("`docker/Dockerfile` is its recipe; build.log has the engine's own messages"),
            ),
            failure => failure,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_what_is_in_it() {
        let tag = |release: &str, runtime| tag(release, runtime, Arch::X86_64);
        let name = tag("1.95.0", Runtime::ProvidedAl2023);
        assert!(name.starts_with("lambda-packager-builder:1.95.0-provided.al2023-x86_64-"), "{name}");
        assert!(is_one(&name) && !is_one("lambda-packager-builder-mine:1"));
        assert_ne!(name.rsplit('-').next(), tag("1.95.0", Runtime::ProvidedAl2).rsplit('-').next());
    }
}
